"""Measuring a set: plan pieces, take what the cache holds, decode the rest once, fold in a fixed order.

A set is measured alone: nothing of a reference enters. The result is the same bits for any number of workers
and machines, any order in which clips finish, a cold or a warm cache, and a run that was killed and started
again, because clips are folded in the order of their ids within a piece, pieces in their order within one of
20 blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synvid_eval import adapted, archive, corrupted, derived, knobs
from synvid_eval import features as room
from synvid_eval.cache import Cache, default_root
from synvid_eval.errors import DataError, UsageError
from synvid_eval.execute import HERE, Engine, Failure, Local, Pool, Reply, Serial, Task, usable_processors
from synvid_eval.features.base import Feature
from synvid_eval.features.network import NetworkFeature
from synvid_eval.libraries import decoder_versions
from synvid_eval.randomness import address
from synvid_eval.score import SetFacts
from synvid_eval.sets import open_set, preset_recipe, share_options
from synvid_eval.states import BLOCKS, KINDS, SUB_SHARDS, Arrays, Fold, Park, Side, fold, pruned
from synvid_eval.statistics_files import Statistics, read_statistics
from synvid_eval.video import remote, spans, tar_store
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import frame_files
from synvid_eval.video.long_lists import LongList, holds_something
from synvid_eval.video.sampling import Sampler
from synvid_eval.video.videoset import VideoSet
from synvid_eval.worker import Worker, class_path, clip_task, setup_task

SCHEMA = "synvid-eval/measured/1"
ENTRY = 2

Columns: TypeAlias = dict[str, NDArray[np.float64]]
"""Key → a value a clip."""


class Progress(Protocol):
    """What a measurement tells while it runs."""

    def begin(self, name: str, clips: int) -> None:
        """A set of that many clips begins."""

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        """That many clips are done (from the cache, or measured); `reading` is the clip waited for next."""

    def say(self, text: str) -> None:
        """A sentence for the user."""


class Quiet:
    """Progress that tells nothing."""

    def begin(self, name: str, clips: int) -> None:
        """Tells nothing."""

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        """Tells nothing."""

    def say(self, text: str) -> None:
        """Tells nothing."""


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """What is known of one measured clip beside its features. size: [height, width] of the last frame."""

    id: str
    content: str
    total: int
    looked: int
    fps: float | None
    size: tuple[int, int]
    notes: tuple[str, ...]

    def row(self) -> list[Any]:
        """The values in their order, ready for JSON."""
        return [self.id, self.content, self.total, self.looked, self.fps, [*self.size], [*self.notes]]

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> ClipRecord:
        """The record that `row` gave."""
        clip, content, total, looked, fps, (height, width), notes = row
        return cls(clip, content, total, looked, fps, (height, width), tuple(notes))


@dataclass(frozen=True)
class Measurement:
    """A measured set: its facts, recipe, and for each feature the folded states in 20 blocks and per-clip
    summaries.

    summaries: feature → key → float64 [clips] in the order of `clips` (NaN where a clip has none).
    statistics: set where it is no measurement of ours but a file of `mu` and `sigma`; all else is empty then.
    """

    facts: SetFacts
    sampler: Sampler
    seed: int
    features: dict[str, Feature]
    sides: dict[str, Side]
    clips: tuple[ClipRecord, ...]
    summaries: dict[str, Columns]
    about: dict[str, Any] = field(default_factory=dict)
    statistics: Statistics | None = None

    def recipe(self) -> dict[str, Any]:
        """Sampler, seed and features with knobs: two measurements are comparable where these agree."""
        return recipe_of(self.features, self.sampler, self.seed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a `.measured` file (written aside, then renamed)."""
        arrays: Arrays = {}
        folds: dict[str, Any] = {}
        for name, side in self.sides.items():
            folds[name] = []
            for index, block in enumerate(side.blocks):
                arrays.update(fold_arrays(block, f"{name}/{index}"))
                folds[name].append(fold_meta(block))
            for key, column in self.summaries[name].items():
                arrays[f"summaries/{name}/{key}"] = column
        meta = {
            "schema": SCHEMA,
            "facts": self.facts.__dict__,
            "recipe": self.recipe(),
            "folds": folds,
            "sources": any(s.sources for s in self.sides.values()),
            "clips": [c.row() for c in self.clips],
            "about": self.about,
        }
        archive.write_bytes(remote.place(path), archive.pack(arrays, meta))


def recipe_of(features: Mapping[str, Feature], sampler: Sampler, seed: int) -> dict[str, Any]:
    """Sampler, seed and features with knobs, ready for JSON; `recipe_from` reads it."""
    return {
        "sampler": {"revision": Sampler.revision, **knobs.values(sampler)},
        "seed": seed,
        "features": {n: {"revision": f.revision, **knobs.recipe(f)} for n, f in features.items()},
    }


def fold_arrays(block: Fold, prefix: str) -> Arrays:
    """The states of a fold as arrays `PREFIX/STATE/KEY`."""
    return {f"{prefix}/{n}/{k}": a for n, s in block.states.items() for k, a in s.to_arrays().items()}


def fold_meta(block: Fold) -> dict[str, Any]:
    """What stands beside the arrays of a fold, ready for JSON: state → [kind, clips]."""
    return {
        n: [next(k for k, c in KINDS.items() if type(s) is c), block.clips[n]]
        for n, s in block.states.items()
    }


def fold_from(arrays: Arrays, meta: Mapping[str, Any], prefix: str) -> Fold:
    """The fold that `fold_arrays` and `fold_meta` wrote."""
    states = {}
    for name, (kind, _) in meta.items():
        start = f"{prefix}/{name}/"
        states[name] = KINDS[kind].from_arrays(
            {k[len(start) :]: a for k, a in arrays.items() if k.startswith(start)}
        )
    return Fold(states, {name: clips for name, (_, clips) in meta.items()})


def read_measured(path: str | os.PathLike[str], name: str | None = None) -> Measurement:
    """A `.measured` file as it was saved, under another name if one is given.

    Raises DataError where it is missing, damaged, or of a feature that this version does not know.
    """
    where = os.fspath(path)
    try:
        if isinstance(at := remote.place(where), remote.Url):
            arrays, meta = archive.unpack(at.read_bytes())
        elif at.exists() and not at.is_file():
            raise DataError(f"{where} is no regular file.", "Give what `measure --out` wrote.")
        else:
            arrays, meta = archive.read(at)
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}.", "Check the path.") from None
    except archive.Damaged as error:
        raise DataError(
            f"{where} is damaged or no .measured file ({error}).", "Measure the set again."
        ) from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        seen = meta.get("schema") if isinstance(meta, dict) else None
        raise DataError(f"{where} has schema {seen!r}, not {SCHEMA!r}.", "Measure the set again.")
    try:
        return _from_meta(where, arrays, meta, name)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise DataError(
            f"{where} was made by another version ({type(error).__name__}: {error}).",
            "Measure the set again.",
        ) from None


def read_gaussian(path: str | os.PathLike[str], name: str) -> Measurement:
    """A `.npz` of `mu` and `sigma` as a side of a comparison, for `fid` only; see `read_statistics`."""
    found = read_statistics(path, name)
    about = {"layout": "statistics", "notes": []}
    return Measurement(found.facts, Sampler(), 0, {}, {}, (), {}, about, found)


def _from_meta(where: str, arrays: Arrays, meta: dict[str, Any], name: str | None) -> Measurement:
    features, sampler, seed = recipe_from(where, meta["recipe"])
    groups: dict[tuple[str, int], Arrays] = defaultdict(dict)
    for full, array in arrays.items():
        head, index, rest = full.split("/", 2)
        if head != "summaries":
            groups[head, int(index)][f"x/{rest}"] = array
    clips = tuple(map(ClipRecord.of_row, meta["clips"]))
    sides, summaries = {}, {}
    for key, metas in meta["folds"].items():
        blocks = tuple(fold_from(groups[key, i], m, "x") for i, m in enumerate(metas))
        sides[key] = Side(blocks, len(clips), meta["sources"])
        start = f"summaries/{key}/"
        summaries[key] = {
            k[len(start) :]: a.astype(np.float64) for k, a in arrays.items() if k.startswith(start)
        }
    facts = SetFacts(**meta["facts"])
    if name is not None:
        facts = replace(facts, name=name)
    return Measurement(facts, sampler, seed, features, sides, clips, summaries, meta["about"])


def recipe_from(where: str, recipe: dict[str, Any]) -> tuple[dict[str, Feature], Sampler, int]:
    """Features by name, sampler and seed of a recipe that was written down (see `Measurement.recipe`), which
    is used up. where: the file, for the errors.

    Raises DataError for what this version does not know; KeyError and TypeError for what is no recipe.
    """
    features: dict[str, Feature] = {}
    for key, values in recipe["features"].items():
        revision = values.pop("revision")
        try:
            feature = room.registry.get(key)
        except UsageError:
            raise DataError(f"{where} has feature {key!r}, unknown here.", "Install what made it.") from None
        if feature.revision != revision:
            raise DataError(
                f"{where} has revision {revision} of feature {key!r}, here it is {feature.revision}.",
                "Measure the set again.",
            )
        features[key] = feature(**values)
    if (revision := recipe["sampler"].pop("revision")) != Sampler.revision:
        raise DataError(
            f"{where} has revision {revision} of the sampler, here it is {Sampler.revision}.",
            "Measure the set again.",
        )
    return features, Sampler(**recipe["sampler"]), recipe["seed"]


PIECE = 256
"""Most clips of a piece: what a killed run may have to measure again."""


TOGETHER = 50_000
"""Clips whose contents are hashed at once: of a set of more, those of the pieces that come next."""


@dataclass(frozen=True)
class Piece:
    """Clips that are folded together, in the order of their ids: what is measured, kept and dealt out at
    once.
    """

    block: int
    clips: Sequence[ClipRef]


def plan_pieces(videos: VideoSet) -> list[Piece]:
    """The set's pieces in order: 20 blocks by hash of the clip id, up to 16 shards each, empty ones left out;
    a shard of more than PIECE clips is cut.

    Where clips come from sources, a block is a source (or, above 20 sources, a hash of the source).
    """
    if isinstance(videos.clips, LongList):
        return [
            Piece(block, videos.clips[at : min(at + PIECE, end)])
            for block, begin, end in videos.clips.shards
            for at in range(begin, end, PIECE)
        ]
    blocks: dict[str, int] = {}
    if videos.sources:
        origins = sorted(set(videos.sources.values()))
        few = len(origins) <= BLOCKS
        blocks = {s: i if few else address("block", s) % BLOCKS for i, s in enumerate(origins)}
    shards: dict[tuple[int, int], list[ClipRef]] = defaultdict(list)
    for clip in sorted(videos.clips, key=lambda c: c.id):
        number = address("block", clip.id)
        block = blocks[videos.sources[clip.id]] if videos.sources else number % BLOCKS
        shards[block, number // BLOCKS % SUB_SHARDS].append(clip)
    return [
        Piece(block, tuple(clips[at : at + PIECE]))
        for (block, _), clips in sorted(shards.items())
        for at in range(0, len(clips), PIECE)
    ]


def arranged(clips: Mapping[str, Fold]) -> tuple[Fold, ...]:
    """Clip id → states of one clip, folded into 20 blocks as `measure` folds them."""
    refs = tuple(ClipRef(name, "memory", "") for name in clips)
    park, blocks, before = Park(), [Fold()] * BLOCKS, -1
    for piece in plan_pieces(VideoSet("", "", "", "", refs)):
        if before not in (-1, piece.block):
            blocks = rested(blocks, before, park)
        blocks[piece.block] = blocks[piece.block] + fold([clips[c.id] for c in piece.clips])
        before = piece.block
    return tuple(rested(blocks, before, park) if before >= 0 else blocks)


def rested(blocks: list[Fold], block: int, park: Park) -> list[Fold]:
    """All blocks, once one of them is complete: what is large of it waits in a file, and rows beyond the cap
    are let go.
    """
    return pruned([b.parked(park) if i == block else b for i, b in enumerate(blocks)])


def _files(clip: ClipRef) -> list[str]:
    """The files (or addresses of parts of them) that a clip is read from, absolute; none where its folder
    cannot be listed, or a preset draws it, or it is remote: those are known by what their store tells.
    """
    if clip.kind in derived.KINDS:
        return [file for part in derived.parts_of(clip) for file in _files(part)]
    if clip.kind in ("preset", "memory") or remote.is_remote(clip.path):
        return []
    if clip.kind == spans.KIND:
        return [spans.address(clip)]
    try:
        files = frame_files(Path(clip.path)) if clip.kind == "frames" else [Path(clip.path)]
    except OSError:
        return []
    return [os.path.abspath(f) for f in files]


def hashing(name: str, progress: Progress | None) -> Callable[[str, int], None]:
    """What is to be told of each file that is hashed, and of how many: a part of its own of `progress`."""
    begun = False

    def tell(path: str, total: int) -> None:
        nonlocal begun
        if progress is None:
            return
        if not begun:
            progress.begin(f"{name} (hashing files)", total)
        begun = True
        progress.advance(1, cached=False, reading=path)

    return tell


def content_hashes(
    videos: VideoSet, cache: Cache, workers: int, progress: Progress | None = None, part: str = ""
) -> dict[str, str]:
    """Clip id → hash of what decides its pixels; "" where the file cannot be read.

    `progress` sees the files that the cache does not know yet as a part of its own; `part` names the part of
    a large set that it is, which has an index of its own.
    """
    paths = dict.fromkeys(p for c in videos.clips for p in _files(c))
    place = os.path.abspath(videos.location) + part
    tell = hashing(videos.name, progress)
    hashes = cache.content_hashes(paths, place, workers, tell) if paths else {}
    return {clip.id: _content(clip, hashes, videos.array) for clip in videos.clips}


def _content(clip: ClipRef, hashes: Mapping[str, str], array: NDArray[np.uint8] | None) -> str:
    """The hash of what decides a clip's pixels, from those of files, or of a set in memory; "" where one
    cannot be read.
    """
    if clip.kind == "preset":
        text = preset_recipe(clip)
    elif clip.kind == "memory" and array is not None:
        pixels = np.ascontiguousarray(array[clip.index]).tobytes()
        return hashlib.blake2b(pixels, digest_size=16).hexdigest()
    elif clip.kind in derived.KINDS:
        kind = adapted.Parts if clip.kind == adapted.KIND else corrupted.Parts
        parts = kind.read(clip)
        contents = [_content(part, hashes, array) for part in parts.clips]
        if not all(contents):
            return ""
        text = parts.text(contents)
    else:
        files = _files(clip)
        known = [_remote_content(clip)] if remote.is_remote(clip.path) else [hashes.get(f) for f in files]
        if not known or not all(known):
            return ""
        first = known[0] or ""
        if clip.kind == "frames" and files:
            text = json.dumps([[os.path.basename(file), hashes[file]] for file in files])
        elif clip.kind == "array":
            text = f"{first} {clip.index}"
        elif clip.kind == "cut":
            text = f"{first} {clip.index} {clip.length}"
        else:
            return first
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _remote_content(clip: ClipRef) -> str:
    """What stands for the hash of the file or part of one in a store that a clip is read from; "" where its
    store tells nothing to rely on.
    """
    return spans.content(clip) if clip.kind == spans.KIND else remote.content(clip.stamp)


def entry_key(piece: Piece, hashes: Mapping[str, str], feature: Feature, sampler: Sampler, seed: int) -> str:
    """The cache key of one piece's states of one feature: a hash of everything that decides them."""
    facts = {
        "entry": ENTRY,
        "clips": [[c.id, c.kind, c.fps, hashes[c.id]] for c in piece.clips],
        "seed": seed,
        "sampler": [Sampler.revision, knobs.values(sampler)],
        "feature": [class_path(feature), feature.revision, knobs.recipe(feature), feature.where()],
        "decoder": decoder_versions(),
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass
class Entry:
    """One piece's states of one feature: what the cache keeps. clips: what is known of each that was
    measured; skipped: `id` and `reason` of the others.
    """

    fold: Fold
    clips: list[dict[str, Any]]
    skipped: list[dict[str, str]]

    def pack(self) -> tuple[Arrays, dict[str, Any]]:
        """The entry as arrays and JSON-ready facts."""
        meta = {"clips": self.clips, "skipped": self.skipped, "fold": fold_meta(self.fold)}
        return fold_arrays(self.fold, "x"), meta

    @classmethod
    def unpack(cls, arrays: Arrays, meta: dict[str, Any]) -> Entry:
        """The entry that `pack` gave."""
        return cls(fold_from(arrays, meta["fold"], "x"), meta["clips"], meta["skipped"])


def parse_share(text: str) -> Callable[[int], float]:
    """`--max-skipped` as a function of the number found: "5%" is a share, "12" a count.

    Raises UsageError for anything else.
    """
    body = text.strip()
    try:
        if body.endswith("%"):
            share = Fraction(body[:-1]) / 100  # exact: 29 % of 100 are 29
            if 0 <= share <= 1:
                return lambda found: float(share * found)
        elif body.isascii() and body.isdigit():
            count = int(body)
            return lambda found: float(count)
    except ValueError:
        pass
    outside = re.fullmatch(r"[+-]?[0-9.]+%|-[0-9]+", body)
    raise UsageError(
        f"--max-skipped {text} {'is out of range' if outside else 'cannot be read'}.",
        "Give a share from 0% to 100%, such as 5%, or a number of videos such as 12.",
    )


@dataclass(frozen=True)
class Listed:
    """What is known of a set before any clip of it is opened. found: clips and what is none; skipped: (id,
    reason) of the latter; sources: whether blocks are sources; facts: see `VideoSet.facts`.
    """

    name: str
    location: str
    found: int
    skipped: tuple[tuple[str, str], ...]
    sources: bool
    facts: dict[str, Any]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, videos: VideoSet) -> Listed:
        """What is known of an opened set."""
        return cls(
            videos.name,
            videos.location,
            videos.found,
            videos.skipped,
            bool(videos.sources),
            videos.facts(),
            videos.notes,
        )


def check_skipped(videos: VideoSet | Listed, skipped: Sequence[Mapping[str, str]], allowed: str) -> None:
    """DataError where more of a set's videos are skipped than `allowed` (see `parse_share`), or all of them.

    skipped: `id` and `reason` of each so far.
    """
    count, found = len(skipped), videos.found
    if count <= parse_share(allowed)(found) and count < found:
        return
    groups: dict[str, list[str]] = {}
    for s in skipped[:10]:
        groups.setdefault(s["reason"], []).append(s["id"])
    listed = "; ".join(f"{', '.join(ids)}: {reason}" for reason, ids in groups.items())
    more = f"; and {count - 10} more" if count > 10 else ""
    if count >= found:
        raise DataError(f"{videos.name}: none of {found} videos can be measured: {listed}{more}.")
    raise DataError(
        f"{videos.name}: {count} of {found} videos skipped, more than --max-skipped {allowed} allows: "
        f"{listed}{more}.",
        "Mend or remove them, or allow more: --max-skipped 100%.",
    )


@dataclass(frozen=True)
class Options:
    """How a measurement is run; nothing here changes a number except `seed`, `sampler` and skipped."""

    sampler: Sampler = field(default_factory=Sampler)
    seed: int = 0
    workers: int = 0
    cache: Cache = field(default_factory=lambda: Cache(default_root()))
    max_skipped: str = "5%"
    decode_timeout: float = 60.0
    progress: Progress = field(default_factory=Quiet)
    loud: bool = False
    patience: tuple[float, ...] = (1.0, 5.0, 30.0)
    """Seconds before each further try to read what could not be read for a reason that may pass: storage that
    is gone for a while must not change a number.
    """
    engine: Engine = field(default_factory=Local)

    def worker_count(self) -> int:
        """The number of worker processes: `workers`, or the processors this process may use where it is 0."""
        return self.workers or usable_processors()

    def pool(self, module: str, setup: Task, device: str = "cpu") -> Pool:
        """Worker processes of `python -m module`, where the engine has them; none is started before there is
        work. device: where their networks run.
        """
        return self.engine.pool(module, self.workers, setup, self.decode_timeout, self.loud, device)


def networks_of(features: Mapping[str, Feature]) -> dict[str, Any]:
    """Feature → on what its network runs, of those that have one."""
    return {n: f.where() for n, f in features.items() if f.where()}


class Measurer:
    """Measures sets one after the other with the same features and worker processes; closed at the end."""

    def __init__(self, features: Sequence[Feature], options: Options) -> None:
        self.features = {f.name: f for f in sorted(features, key=lambda f: f.name)}
        self.options = options
        self._pool = self.new_pool()

    def new_pool(self) -> Pool:
        """Worker processes with this measurer's features; none is started before there is work."""
        options, features = self.options, list(self.features.values())
        setup = setup_task(features, options.sampler, options.seed, options.loud)
        devices = [f.device for f in features if isinstance(f, NetworkFeature) and f.device != "cpu"]
        return options.pool("synvid_eval.worker", setup, devices[0] if devices else "cpu")

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def measure(self, videos: VideoSet) -> Measurement:
        """The measurement of one set.

        Raises DataError as soon as it is certain that more than `max_skipped` of the found videos are
        skipped.
        """
        with threadpool_limits(1):  # states are folded here: the same bits whatever the number of threads
            run = Run(self, videos)
            folding = Folding(self.features, Listed.of(videos), self.options)
            for piece in run.finished():
                folding.add(piece)
            return folding.measurement(run.notes(), networks_of(self.features))

    def executor(self, videos: VideoSet) -> Pool:
        """What runs the tasks of a set: a set in memory is measured in this process."""
        if videos.array is None:
            return self._pool
        # a set in memory cannot hang or crash a decoder, so it needs no other process
        own = Worker(list(self.features.values()), self.options.sampler, self.options.seed, videos.array)
        return Serial(own.measure)


def _read(answer: Reply | Failure) -> bool:
    return not isinstance(answer, Failure) and "skipped" not in answer[1]


def _may_pass(answer: Reply | Failure) -> bool:
    return not isinstance(answer, Failure) and not answer[1].get("lasting", True)


def _asked_again(answer: Reply | Failure) -> bool:
    """Whether a clip is read again in this run. A tar file that was replaced has clips in all pieces: to wait
    at each of them would take hours, and they are other ones for as long as the run lasts.
    """
    return _may_pass(answer) and not isinstance(answer, Failure) and bool(answer[1].get("again", True))


def _may_come_back(clip: ClipRef) -> bool:
    """Whether to wait for a clip that cannot be read: not for a file that is missing from a folder that is
    there; where the folder is gone or empty, too, its storage may come back.
    """
    if clip.kind in derived.KINDS:
        return all(map(_may_come_back, derived.parts_of(clip)))
    if clip.kind not in ("file", "frames", "array", "cut") or remote.is_remote(clip.path):
        return True
    return os.path.exists(clip.path) or not holds_something(os.path.dirname(clip.path))


def _is_away(clip: ClipRef) -> bool:
    """Whether a file of a clip is gone with all that lay beside it."""
    files = {spans.file_of(path) for path in _files(clip)}
    return any(not os.path.exists(f) and not holds_something(os.path.dirname(f)) for f in files)


@dataclass(frozen=True)
class Finished:
    """A measured piece: its number among the set's, its block, its clips, feature → their states folded and
    their summaries as columns. skipped: `id` and `reason` of its other clips; keys: feature → `entry_key`;
    changed: clips whose files changed meanwhile; passing: whether one was skipped for a reason that may pass.
    """

    index: int
    block: int
    clips: tuple[ClipRecord, ...]
    folds: dict[str, Fold]
    columns: dict[str, Columns]
    skipped: tuple[dict[str, str], ...]
    keys: dict[str, str]
    changed: tuple[str, ...] = ()
    passing: bool = False


class Run:
    """Pieces of one set being measured, one after the other: loaded from the cache, or looked at.

    pieces: those of the set (default: `plan_pieces`). mine: the numbers of those that are wanted (default:
    all). there: whether a piece with those keys is there already, so that nothing is done for it. stopping:
    asked before a piece is begun; where it says so, the run ends after those that are begun. keep: whether
    the cache keeps what is measured; who writes pieces down elsewhere has no need of it twice.
    """

    def __init__(
        self,
        measurer: Measurer,
        videos: VideoSet,
        pieces: Sequence[Piece] | None = None,
        mine: Sequence[int] | None = None,
        there: Callable[[int, Mapping[str, str]], bool] = lambda index, keys: False,
        stopping: Callable[[], bool] = lambda: False,
        keep: bool = True,
    ) -> None:
        self._measurer, self._features, self._options = measurer, measurer.features, measurer.options
        self._keep = keep
        self._videos, self._there, self._stopping = videos, there, stopping
        self._pieces = plan_pieces(videos) if pieces is None else pieces
        self._mine = range(len(self._pieces)) if mine is None else mine
        self._loaded: dict[int, dict[str, Entry]] = {}
        self._hashes: dict[str, str] = {}
        self._total = self._ahead = 0
        self._changed: dict[int, list[str]] = defaultdict(list)
        self._tars: dict[str, list[int]] = {}
        self._folders = _folders(videos)

    def finished(self) -> Iterator[Finished]:
        """The pieces in their order, but for those that are there already.

        Raises DataError where more of their clips are skipped than the whole set may have.
        """
        progress, videos = self._options.progress, self._videos
        for note in videos.notes:
            progress.say(note)
        skipped = [{"id": i, "reason": r} for i, r in videos.skipped]
        check_skipped(videos, skipped, self._options.max_skipped)
        self._total = sum(len(self._pieces[i].clips) for i in self._mine)
        if self._total <= TOGETHER:
            own = [c for i in self._mine for c in self._pieces[i].clips]
            self._hashes = self._hashed(own, progress)
        progress.begin(videos.name, self._total)
        answers: list[Reply | Failure] = []
        for task, reply in self._measurer.executor(videos).map(self._tasks()):
            index = task["shard"]
            count = len(self._pieces[index].clips)
            if HERE not in task:
                progress.advance(1, cached=False, reading=self._next(task["turn"], len(answers) + 1))
                answers.append(reply)
                if len(answers) < count:
                    continue
            else:
                progress.advance(count, cached=True, reading=self._next(task["turn"] + 1, 0))
            if task.get("done"):
                self._forget(self._pieces[index])
                continue
            done = self._finish(index, answers)
            answers = []
            skipped += done.skipped
            check_skipped(videos, skipped, self._options.max_skipped)
            yield done

    def _next(self, turn: int, position: int) -> str:
        """The id of the clip that is waited for next; "" at the end."""
        while turn < len(self._mine):
            clips = self._pieces[self._mine[turn]].clips
            if position < len(clips):
                return clips[position].id
            turn, position = turn + 1, 0
        return ""

    def _tasks(self) -> Iterator[Task]:
        cache = self._options.cache
        for turn, index in enumerate(self._mine):
            if self._stopping():
                return
            piece = self._pieces[index]
            if self._total > TOGETHER:
                self._hash_ahead(turn)
            facts: Task = {"shard": index, "turn": turn}
            hashed = all(self._hashes[c.id] for c in piece.clips)
            keys = self._keys(piece)
            if hashed and self._there(index, keys):
                yield {HERE: True, "done": True, **facts}
                continue
            entries: dict[str, Entry] = {}
            for name, key in keys.items():
                if hashed and (found := cache.get(key)) is not None:
                    entries[name] = Entry.unpack(*found)
            self._loaded[index] = entries
            missing = [n for n in self._features if n not in entries]
            if not missing:
                yield {HERE: True, **facts}
                continue
            for clip in piece.clips:
                yield {**clip_task(clip, missing), **facts}

    def _keys(self, piece: Piece) -> dict[str, str]:
        sampler, seed = self._options.sampler, self._options.seed
        return {n: entry_key(piece, self._hashes, f, sampler, seed) for n, f in self._features.items()}

    def _hash_ahead(self, turn: int) -> None:
        """Knows the contents of the clips of a piece and, where it did not, of those that follow it."""
        if turn < self._ahead:
            return
        clips: list[ClipRef] = []
        part = f"#{self._mine[turn]}"
        while self._ahead < len(self._mine) and len(clips) < TOGETHER:
            clips += self._pieces[self._mine[self._ahead]].clips
            self._ahead += 1
        self._hashes |= self._hashed(clips, part=part)

    def _forget(self, piece: Piece) -> None:
        if self._total > TOGETHER:
            for clip in piece.clips:
                del self._hashes[clip.id]

    def _hashed(
        self, clips: Sequence[ClipRef], progress: Progress | None = None, part: str = ""
    ) -> dict[str, str]:
        options = self._options
        asked = replace(self._videos, clips=tuple(clips))
        found = content_hashes(asked, options.cache, options.worker_count(), progress, part)
        # its clips are hashed in several turns, and each must see the same file
        for file in {spans.file_of(path) for clip in clips for path in _files(clip) if spans.is_part(path)}:
            if (stamp := options.cache.stamp(file)) is not None:
                self._tars.setdefault(file, stamp)
        return found

    def _finish(self, index: int, answers: list[Reply | Failure]) -> Finished:
        piece, entries = self._pieces[index], self._loaded.pop(index)
        missing = [n for n in self._features if n not in entries]
        passing = False
        if missing:
            answers, passing = self._persistent(piece, missing, answers)
            entries.update(self._measured(index, missing, answers))
        first = next(iter(entries.values()))
        if any([c["id"] for c in e.clips] != [c["id"] for c in first.clips] for e in entries.values()):
            # a clip could be read when one feature was cached, not now: what is so now counts for all
            every = list(self._features)
            answers, passing = self._persistent(piece, every, self._look(piece.clips, every))
            entries = self._measured(index, every, answers)
            first = next(iter(entries.values()))
        keys = self._keys(piece)
        self._forget(piece)
        return Finished(
            index,
            piece.block,
            tuple(ClipRecord.of_row([c[k] for k in ClipRecord.__slots__]) for c in first.clips),
            {n: entries[n].fold for n in self._features},
            {n: _columns([c["summary"] for c in entries[n].clips]) for n in self._features},
            tuple(first.skipped),
            keys,
            tuple(dict.fromkeys(self._changed.get(index, ()))),
            passing,
        )

    def _look(self, clips: Sequence[ClipRef], names: list[str]) -> list[Reply | Failure]:
        """What those features make of clips, beside the run that is under way."""
        if self._videos.array is not None:
            return [
                answer
                for _, answer in self._measurer.executor(self._videos).map(clip_task(c, names) for c in clips)
            ]
        spare = self._measurer.new_pool()
        try:
            return [answer for _, answer in spare.map(clip_task(c, names) for c in clips)]
        finally:
            spare.close()

    def _persistent(
        self, piece: Piece, names: list[str], answers: list[Reply | Failure]
    ) -> tuple[list[Reply | Failure], bool]:
        """The answers, those that failed for a reason that may pass asked for again after a while, unless
        that is of no use; and whether some still do. What was read just before its storage went is waited
        for, too, since only then it shows whether it is still the same.
        """
        found = list(answers)
        for wait in self._options.patience:
            failed = [i for i, answer in enumerate(found) if _asked_again(answer)]
            which = [i for i in failed if _may_come_back(piece.clips[i])]
            clips = [piece.clips[i] for i in which]
            away = [c for c, a in zip(piece.clips, found, strict=True) if _read(a) and _is_away(c)]
            if not clips and not away:
                break
            reason = found[which[0]][1]["skipped"] if which else "its storage is gone"  # type: ignore[index]
            first, more = (clips or away)[0].id, len(clips) + len(away) - 1
            others = f" and {more} more" if more else ""
            self._options.progress.say(f"{first}{others}: {reason}: tried again in {wait:g} s")
            time.sleep(wait)
            if not clips:
                continue
            self._hashes |= self._hashed(clips)
            for i, answer in zip(which, self._look(clips, names), strict=True):
                found[i] = answer
        unknown = [c for c, a in zip(piece.clips, found, strict=True) if not self._hashes[c.id] and _read(a)]
        if unknown:  # it could not be read when its bytes were hashed
            self._hashes |= self._hashed(unknown)
        return found, any(map(_may_pass, found))

    def _measured(self, index: int, names: list[str], answers: list[Reply | Failure]) -> dict[str, Entry]:
        piece = self._pieces[index]
        keys = self._keys(piece)
        entries = {n: Entry(Fold(), [], []) for n in names}
        # what cannot be hashed cannot be recognized as changed, so its piece is not kept
        lasting = all(self._hashes[c.id] for c in piece.clips)
        folds: dict[str, list[Fold]] = {n: [] for n in names}
        for clip, answer in zip(piece.clips, answers, strict=True):
            reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
            lasting = lasting and not isinstance(answer, Failure) and answer[1].get("lasting", True)
            if any(map(self._has_changed, _files(clip))):
                lasting = False
                self._changed[index].append(clip.id)
                self._options.progress.say(f"{clip.id} changed while it was measured")
            if isinstance(answer, Failure) or reason is not None:
                for entry in entries.values():
                    entry.skipped.append({"id": clip.id, "reason": str(reason)})
                continue
            arrays, record = answer
            groups: dict[str, Arrays] = defaultdict(dict)
            for full, array in arrays.items():
                name, rest = full.split("/", 1)
                groups[name][f"x/{rest}"] = array
            facts = {k: record[k] for k in ("total", "looked", "fps", "size", "notes")}
            for name, entry in entries.items():
                of = record["features"][name]
                folds[name].append(fold_from(groups[name], {s: (k, 1) for s, k in of["states"].items()}, "x"))
                summary = {k: _number(v) for k, v in of["summary"].items()}
                entry.clips.append(
                    {"id": clip.id, "content": self._hashes[clip.id], **facts, "summary": summary}
                )
        for name, entry in entries.items():
            entry.fold = fold(folds[name])
            if lasting and self._keep:
                self._options.cache.put(keys[name], *entry.pack())
        return entries

    def _has_changed(self, path: str) -> bool:
        cache, file = self._options.cache, spans.file_of(path)
        first = self._tars.get(file)
        return cache.changed(path) or (first is not None and first != cache.stamp(file))

    def notes(self) -> list[str]:
        """What to note of the files of the whole set, once all is measured."""
        if _folders(self._videos) == self._folders:
            return []
        note = "files came or went while the set was measured: it is the set as it was listed"
        self._options.progress.say(f"{self._videos.name}: {note}")
        return [note]


class Folding:
    """The pieces of one set, folded in their order into its measurement."""

    def __init__(self, features: Mapping[str, Feature], listed: Listed, options: Options) -> None:
        self._features, self._listed, self._options = features, listed, options
        self._skipped = [{"id": i, "reason": r} for i, r in listed.skipped]
        self._blocks: dict[str, list[Fold]] = {n: [Fold()] * BLOCKS for n in features}
        self._clips: list[ClipRecord] = []
        self._columns: dict[str, list[tuple[int, Columns]]] = {n: [] for n in features}
        self._changed: list[str] = []
        self._park = Park()
        self._block = -1

    def add(self, piece: Finished) -> None:
        """The next piece."""
        if piece.block != self._block:
            self._rest()
        self._block = piece.block
        self._skipped += piece.skipped
        self._changed += piece.changed
        self._clips += piece.clips
        for name, folded in piece.folds.items():
            self._blocks[name][piece.block] = self._blocks[name][piece.block] + folded
            self._columns[name].append((len(piece.clips), piece.columns[name]))

    def _rest(self) -> None:
        if self._block >= 0:
            self._blocks = {n: rested(b, self._block, self._park) for n, b in self._blocks.items()}

    def measurement(self, said: Sequence[str], networks: Mapping[str, Any]) -> Measurement:
        """The measurement of all that was added.

        Args:
            said: notes of the whole set. networks: feature → on what its network ran.

        Raises DataError where too many of the clips were skipped.
        """
        check_skipped(self._listed, self._skipped, self._options.max_skipped)
        self._rest()
        listed, options = self._listed, self._options
        clips = tuple(self._clips)
        digest = hashlib.blake2b(digest_size=8)
        for clip in sorted(clips, key=lambda c: c.id):
            digest.update(f"{clip.id}\0{clip.content}\0".encode("utf-8", "surrogateescape"))
        facts = SetFacts(
            listed.name,
            listed.location,
            digest.hexdigest(),
            len(clips),
            sum(c.looked for c in clips),
            sorted(self._skipped, key=lambda s: s["id"]),
        )
        sides = {n: Side(tuple(b), len(clips), listed.sources) for n, b in self._blocks.items()}
        notes = [f"{c.id}: {n}" for c in clips for n in c.notes]
        if kinds := Counter(n.partition(":")[0] for c in clips for n in c.notes):
            told = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common(6))
            options.progress.say(f"{listed.name}: noted of clips: {told}; which ones: see run.sets of --json")
        rates = sorted({round(c.fps, 3) for c in clips if c.fps})
        if self._changed:
            which = ", ".join(self._changed[:10]) + (", …" if len(self._changed) > 10 else "")
            said = [f"changed while the set was measured: {which}", *said]
        about = {
            **listed.facts,
            **({"networks": dict(networks)} if networks else {}),
            "fps": rates if len(rates) <= 8 else [rates[0], rates[-1]],
            "notes": [
                *listed.notes,
                *said,
                *notes[:20],
                *([f"and {len(notes) - 20} more clips"] if len(notes) > 20 else []),
            ],
        }
        summaries = {n: _joined(parts) for n, parts in self._columns.items()}
        return Measurement(
            facts, options.sampler, options.seed, dict(self._features), sides, clips, summaries, about
        )


def _folders(videos: VideoSet) -> dict[str, int]:
    """Folder → time of its last change [ns], of the folders in which a set's files lie."""
    found: dict[str, int] = {}
    if isinstance(videos.clips, LongList):  # they are too many to be watched
        return found
    clips = [source for clip in videos.clips for source in derived.sources_of(clip)]
    listed = {os.path.dirname(c.path) for c in clips if c.kind in ("file", "frames", "cut", spans.KIND)}
    for folder in listed - tar_store.folders():
        with contextlib.suppress(OSError):
            found[folder] = os.stat(folder).st_mtime_ns
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _columns(rows: list[dict[str, float | None]]) -> Columns:
    """Key → the rows' values; NaN where a row has none."""
    keys = sorted({k for r in rows for k in r})
    return {k: np.array([np.nan if r.get(k) is None else r[k] for r in rows], np.float64) for k in keys}


def _joined(parts: Sequence[tuple[int, Columns]]) -> Columns:
    """The columns of all shards, one after the other; NaN where a shard has none of that key."""
    keys = sorted({k for _, columns in parts for k in columns})
    return {
        k: np.concatenate([c[k] if k in c else np.full(count, np.nan) for count, c in parts]) for k in keys
    }


def measure(
    location: str | os.PathLike[str] | NDArray[np.uint8] | VideoSet,
    *,
    features: Iterable[str | Feature] | None = None,
    name: str | None = None,
    layout: str = "auto",
    fps: float | None = None,
    clips: int | None = None,
    split: str | None = None,
    root: str | os.PathLike[str] | None = None,
    follow_outside: bool = False,
    images: str | None = None,
    videos: str | None = None,
    options: Options | None = None,
) -> Measurement:
    """Measures one set, alone.

    Args:
        location: see `synvid_eval.open_set`; or an opened VideoSet.
        features: names or configured features (default: all that need no weights).
        name, layout, fps, clips, split, root, follow_outside, images, videos: see `synvid_eval.open_set`.
        options: sampler, seed, workers, cache and so on.

    Returns:
        A Measurement: `save(path)` writes it, `synvid_eval.compare` takes it.

    Raises:
        DataError: nothing there, no video, or too many of them skipped. UsageError: an unknown name.
    """
    chosen = options or Options()
    if isinstance(location, VideoSet):
        share_options([None], layout, split, root, follow_outside, images, videos)
        given = {"name": name, "fps": fps, "clips": clips, "layout": None if layout == "auto" else layout}
        if any(v is not None for v in given.values()):
            said = ", ".join(f"{k}={v!r}" for k, v in given.items() if v is not None)
            raise UsageError(f"{said} means nothing for an opened set.", "Give it to open_set.")
        opened = location
    else:
        opened = open_set(
            location,
            name=name,
            layout=layout,
            fps=fps,
            clips=clips,
            seed=chosen.seed,
            split=split,
            root=root,
            follow_outside=follow_outside,
            images=images,
            videos=videos,
            decode_timeout=chosen.decode_timeout,
            tell=hashing(name or str(location), chosen.progress),
        )
    wanted = room.registry.names() if features is None else features
    ready = [room.registry.get(f)() if isinstance(f, str) else f for f in wanted]
    if features is None:
        ready = [f for f in ready if not isinstance(f, NetworkFeature)]
    with Measurer(ready, chosen) as measurer:
        return measurer.measure(opened)


__all__ = [
    "ClipRecord",
    "Measurement",
    "Measurer",
    "Options",
    "Progress",
    "Quiet",
    "measure",
    "read_measured",
]
