"""Measuring a set: plan shards, take what the cache holds, decode the rest once, fold in a fixed order.

A set is measured alone: nothing of a reference enters. The result is the same bits for any number of workers,
any order in which clips finish, a cold or a warm cache, and a run that was killed and started again, because
clips are folded in the order of their ids within a shard, shards in their order within one of 20 blocks.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synvid_eval import __version__, adapted, archive, corrupted, derived, knobs
from synvid_eval import features as room
from synvid_eval.cache import Cache, default_root
from synvid_eval.errors import DataError, UsageError
from synvid_eval.execute import HERE, Failure, Processes, Reply, Serial, Task
from synvid_eval.features.base import Feature
from synvid_eval.features.network import NetworkFeature
from synvid_eval.randomness import address
from synvid_eval.score import SetFacts
from synvid_eval.sets import open_set, preset_recipe, share_options
from synvid_eval.states import BLOCKS, KINDS, SUB_SHARDS, Arrays, Fold, Park, Side, fold, pruned
from synvid_eval.statistics_files import Statistics, read_statistics
from synvid_eval.video import decode, remote
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import frame_files
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
        return {
            "sampler": {"revision": Sampler.revision, **knobs.values(self.sampler)},
            "seed": self.seed,
            "features": {n: {"revision": f.revision, **knobs.recipe(f)} for n, f in self.features.items()},
        }

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
            "clips": [
                [c.id, c.content, c.total, c.looked, c.fps, list(c.size), list(c.notes)] for c in self.clips
            ],
            "about": self.about,
        }
        archive.write_bytes(remote.place(path), archive.pack(arrays, meta))


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
    recipe = meta["recipe"]
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
    groups: dict[tuple[str, int], Arrays] = defaultdict(dict)
    for full, array in arrays.items():
        head, index, rest = full.split("/", 2)
        if head != "summaries":
            groups[head, int(index)][f"x/{rest}"] = array
    clips = tuple(
        ClipRecord(c[0], c[1], c[2], c[3], c[4], (c[5][0], c[5][1]), tuple(c[6])) for c in meta["clips"]
    )
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
    sampler = Sampler(**recipe["sampler"])
    return Measurement(facts, sampler, recipe["seed"], features, sides, clips, summaries, meta["about"])


@dataclass(frozen=True)
class Shard:
    """Clips that are folded together, in the order of their ids."""

    block: int
    clips: tuple[ClipRef, ...]


def plan_shards(videos: VideoSet) -> list[Shard]:
    """The set's shards in order: 20 blocks by hash of the clip id, up to 16 sub-shards each; empty ones left
    out.

    Where clips come from sources, a block is a source (or, above 20 sources, a hash of the source).
    """
    blocks: dict[str, int] = {}
    if videos.sources:
        origins = sorted(set(videos.sources.values()))
        few = len(origins) <= BLOCKS
        blocks = {s: i if few else address("block", s) % BLOCKS for i, s in enumerate(origins)}
    groups: dict[tuple[int, int], list[ClipRef]] = defaultdict(list)
    for clip in sorted(videos.clips, key=lambda c: c.id):
        number = address("block", clip.id)
        block = blocks[videos.sources[clip.id]] if videos.sources else number % BLOCKS
        groups[block, number // BLOCKS % SUB_SHARDS].append(clip)
    return [Shard(block, tuple(groups[block, sub])) for block, sub in sorted(groups)]


def arranged(clips: Mapping[str, Fold]) -> tuple[Fold, ...]:
    """Clip id → states of one clip, folded into 20 blocks as `measure` folds them."""
    refs = tuple(ClipRef(name, "memory", "") for name in clips)
    shards = plan_shards(VideoSet("", "", "", "", refs))
    park, blocks = Park(), [Fold()] * BLOCKS
    for index, shard in enumerate(shards):
        blocks[shard.block] = blocks[shard.block] + fold([clips[c.id] for c in shard.clips])
        if index + 1 == len(shards) or shards[index + 1].block != shard.block:
            blocks = rested(blocks, shard.block, park)
    return tuple(blocks)


def rested(blocks: list[Fold], block: int, park: Park) -> list[Fold]:
    """All blocks, once one of them is complete: what is large of it waits in a file, and rows beyond the cap
    are let go.
    """
    return pruned([b.parked(park) if i == block else b for i, b in enumerate(blocks)])


@functools.cache
def decoder_versions() -> dict[str, str]:
    """Versions of the libraries that turn files into pixels and pixels into numbers (part of every cache
    key).
    """
    from av import library_versions

    names = (
        "av",
        "pillow",
        "opencv-python-headless",
        "opencv-python",
        "numpy",
        "scipy",
        "numba",
        "scikit-image",
    )
    out = {"synvid-eval": __version__, "decoding": str(decode.REVISION), "ffmpeg": str(library_versions)}
    for name in names:
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = "?"
    return out


def _files(clip: ClipRef) -> list[str]:
    """The files that a clip is read from, absolute; none where its folder cannot be listed, or a preset draws
    it, or it is remote: those are known by what their store tells.
    """
    if clip.kind in derived.KINDS:
        return [file for part in derived.parts_of(clip) for file in _files(part)]
    if clip.kind in ("preset", "memory") or remote.is_remote(clip.path):
        return []
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
    videos: VideoSet, cache: Cache, workers: int, progress: Progress | None = None
) -> dict[str, str]:
    """Clip id → hash of what decides its pixels; "" where the file cannot be read.

    `progress` sees the files that the cache does not know yet as a part of its own.
    """
    paths = dict.fromkeys(p for c in videos.clips for p in _files(c))
    place = os.path.abspath(videos.location)
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
        known = (
            [remote.content(clip.stamp)] if remote.is_remote(clip.path) else [hashes.get(f) for f in files]
        )
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


def entry_key(shard: Shard, hashes: Mapping[str, str], feature: Feature, sampler: Sampler, seed: int) -> str:
    """The cache key of one shard's states of one feature: a hash of everything that decides them."""
    facts = {
        "entry": ENTRY,
        "clips": [[c.id, c.kind, c.fps, hashes[c.id]] for c in shard.clips],
        "seed": seed,
        "sampler": [Sampler.revision, knobs.values(sampler)],
        "feature": [class_path(feature), feature.revision, knobs.recipe(feature), feature.where()],
        "decoder": decoder_versions(),
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass
class _Entry:
    """One shard's states of one feature: what the cache keeps."""

    fold: Fold
    clips: list[dict[str, Any]]
    skipped: list[dict[str, str]]

    def pack(self) -> tuple[Arrays, dict[str, Any]]:
        meta = {"clips": self.clips, "skipped": self.skipped, "fold": fold_meta(self.fold)}
        return fold_arrays(self.fold, "x"), meta

    @classmethod
    def unpack(cls, arrays: Arrays, meta: dict[str, Any]) -> _Entry:
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


def check_skipped(videos: VideoSet, skipped: Sequence[Mapping[str, str]], allowed: str) -> None:
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

    def worker_count(self) -> int:
        """The number of worker processes: `workers`, or the processors this process may use where it is 0."""
        if self.workers:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Measurer:
    """Measures sets one after the other with the same features and worker processes; closed at the end."""

    def __init__(self, features: Sequence[Feature], options: Options) -> None:
        self.features = {f.name: f for f in sorted(features, key=lambda f: f.name)}
        self.options = options
        self._pool = self.new_pool()

    def new_pool(self) -> Processes:
        """Worker processes with this measurer's features; none is started before there is work."""
        options = self.options
        setup = setup_task(list(self.features.values()), options.sampler, options.seed, options.loud)
        return Processes(
            "synvid_eval.worker", options.worker_count(), setup, options.decode_timeout, options.loud
        )

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
            return _Run(self, videos, self._executor(videos)).result()

    def _executor(self, videos: VideoSet) -> Processes | Serial:
        if videos.array is None:
            return self._pool
        # a set in memory cannot hang or crash a decoder, so it needs no other process
        own = Worker(list(self.features.values()), self.options.sampler, self.options.seed, videos.array)
        return Serial(own.measure)


class _Run:
    """One set being measured: loads or measures shard after shard and folds them."""

    def __init__(self, measurer: Measurer, videos: VideoSet, executor: Processes | Serial) -> None:
        self._measurer, self._features, self._options = measurer, measurer.features, measurer.options
        self._videos, self._executor = videos, executor
        self._shards = plan_shards(videos)
        self._skipped = [{"id": i, "reason": r} for i, r in videos.skipped]
        self._loaded: dict[int, dict[str, _Entry]] = {}
        self._blocks: dict[str, list[Fold]] = {n: [Fold()] * BLOCKS for n in self._features}
        self._clips: list[ClipRecord] = []
        self._columns: dict[str, list[tuple[int, Columns]]] = {n: [] for n in self._features}
        self._park = Park()
        self._changed: list[str] = []
        self._folders = _folders(videos)

    def result(self) -> Measurement:
        progress, videos = self._options.progress, self._videos
        for note in videos.notes:
            progress.say(note)
        check_skipped(self._videos, self._skipped, self._options.max_skipped)
        workers = self._options.worker_count()
        self._hashes = content_hashes(videos, self._options.cache, workers, progress)
        progress.begin(videos.name, len(videos.clips))
        answers: list[Reply | Failure] = []
        for task, reply in self._executor.map(self._tasks()):
            index = task["shard"]
            if HERE not in task:
                progress.advance(1, cached=False, reading=self._next(index, len(answers) + 1))
                answers.append(reply)
                if len(answers) < len(self._shards[index].clips):
                    continue
            else:
                progress.advance(
                    len(self._shards[index].clips), cached=True, reading=self._next(index + 1, 0)
                )
            self._finish(index, answers)
            answers = []
        return self._measurement()

    def _next(self, shard: int, position: int) -> str:
        """The id of the clip that is waited for next; "" at the end."""
        while shard < len(self._shards):
            if position < len(self._shards[shard].clips):
                return self._shards[shard].clips[position].id
            shard, position = shard + 1, 0
        return ""

    def _tasks(self) -> Iterator[Task]:
        cache = self._options.cache
        for index, shard in enumerate(self._shards):
            entries: dict[str, _Entry] = {}
            hashed = all(self._hashes[c.id] for c in shard.clips)
            for name, feature in self._features.items():
                key = entry_key(shard, self._hashes, feature, self._options.sampler, self._options.seed)
                if hashed and (found := cache.get(key)) is not None:
                    entries[name] = _Entry.unpack(*found)
            self._loaded[index] = entries
            missing = [n for n in self._features if n not in entries]
            if not missing:
                yield {HERE: True, "shard": index}
                continue
            for clip in shard.clips:
                yield {**clip_task(clip, missing), "shard": index}

    def _finish(self, index: int, answers: list[Reply | Failure]) -> None:
        shard, entries = self._shards[index], self._loaded.pop(index)
        missing = [n for n in self._features if n not in entries]
        if missing:
            entries.update(self._measured(shard, missing, answers))
        first = next(iter(entries.values()))
        if any([c["id"] for c in e.clips] != [c["id"] for c in first.clips] for e in entries.values()):
            # a clip could be read when one feature was cached, not now: what is so now counts for all
            entries = self._measured(shard, list(self._features), self._again(shard))
            first = next(iter(entries.values()))
        self._skipped += first.skipped
        self._clips += [
            ClipRecord(
                c["id"], c["content"], c["total"], c["looked"], c["fps"], tuple(c["size"]), tuple(c["notes"])
            )
            for c in first.clips
        ]
        for name, entry in entries.items():
            self._blocks[name][shard.block] = self._blocks[name][shard.block] + entry.fold
            self._columns[name].append(_columns([c["summary"] for c in entry.clips]))
        check_skipped(self._videos, self._skipped, self._options.max_skipped)
        if index + 1 == len(self._shards) or self._shards[index + 1].block != shard.block:
            self._blocks = {n: rested(b, shard.block, self._park) for n, b in self._blocks.items()}

    def _again(self, shard: Shard) -> list[Reply | Failure]:
        """Every feature of a shard's clips, beside the run that is under way."""
        spare = self._measurer.new_pool()
        try:
            return [
                answer for _, answer in spare.map(clip_task(c, list(self._features)) for c in shard.clips)
            ]
        finally:
            spare.close()

    def _measured(self, shard: Shard, names: list[str], answers: list[Reply | Failure]) -> dict[str, _Entry]:
        entries = {n: _Entry(Fold(), [], []) for n in names}
        # what cannot be hashed cannot be recognized as changed, so its shard is not kept
        lasting = all(self._hashes[c.id] for c in shard.clips)
        folds: dict[str, list[Fold]] = {n: [] for n in names}
        for clip, answer in zip(shard.clips, answers, strict=True):
            reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
            lasting = lasting and not isinstance(answer, Failure) and answer[1].get("lasting", True)
            if any(map(self._options.cache.changed, _files(clip))):
                lasting = False
                self._changed.append(clip.id)
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
            if lasting:
                key = entry_key(
                    shard, self._hashes, self._features[name], self._options.sampler, self._options.seed
                )
                self._options.cache.put(key, *entry.pack())
        return entries

    def _said_changes(self) -> list[str]:
        """Notes of what changed while the set was measured."""
        found = []
        if self._changed:
            which = ", ".join(self._changed[:10]) + (", …" if len(self._changed) > 10 else "")
            found.append(f"changed while the set was measured: {which}")
        if _folders(self._videos) != self._folders:
            found.append("files came or went while the set was measured: it is the set as it was listed")
            self._options.progress.say(f"{self._videos.name}: {found[-1]}")
        return found

    def _measurement(self) -> Measurement:
        videos, options = self._videos, self._options
        clips = tuple(self._clips)
        digest = hashlib.blake2b(digest_size=8)
        for clip in sorted(clips, key=lambda c: c.id):
            digest.update(f"{clip.id}\0{clip.content}\0".encode("utf-8", "surrogateescape"))
        facts = SetFacts(
            videos.name,
            videos.location,
            digest.hexdigest(),
            len(clips),
            sum(c.looked for c in clips),
            sorted(self._skipped, key=lambda s: s["id"]),
        )
        sides = {n: Side(tuple(b), len(clips), bool(videos.sources)) for n, b in self._blocks.items()}
        notes = [f"{c.id}: {n}" for c in clips for n in c.notes]
        if kinds := Counter(n.partition(":")[0] for c in clips for n in c.notes):
            told = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common(6))
            options.progress.say(f"{videos.name}: noted of clips: {told}; which ones: see run.sets of --json")
        rates = sorted({round(c.fps, 3) for c in clips if c.fps})
        networks = {n: f.where() for n, f in self._features.items() if f.where()}
        about = {
            **videos.facts(),
            **({"networks": networks} if networks else {}),
            "fps": rates if len(rates) <= 8 else [rates[0], rates[-1]],
            "notes": [
                *videos.notes,
                *self._said_changes(),
                *notes[:20],
                *([f"and {len(notes) - 20} more clips"] if len(notes) > 20 else []),
            ],
        }
        summaries = {n: _joined(parts) for n, parts in self._columns.items()}
        return Measurement(
            facts, options.sampler, options.seed, self._features, sides, clips, summaries, about
        )


def _folders(videos: VideoSet) -> dict[str, int]:
    """Folder → time of its last change [ns], of the folders in which a set's files lie."""
    found = {}
    clips = [source for clip in videos.clips for source in derived.sources_of(clip)]
    for folder in {os.path.dirname(c.path) for c in clips if c.kind in ("file", "frames", "cut")}:
        with contextlib.suppress(OSError):
            found[folder] = os.stat(folder).st_mtime_ns
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _columns(rows: list[dict[str, float | None]]) -> tuple[int, Columns]:
    """How many rows, and key → their values; NaN where a row has none."""
    keys = sorted({k for r in rows for k in r})
    values = {k: np.array([np.nan if r.get(k) is None else r[k] for r in rows], np.float64) for k in keys}
    return len(rows), values


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
