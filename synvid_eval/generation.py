"""Sets made on disk: a preset's clips, or a set's clips adapted or corrupted, as files with a manifest, in
shards, by as many processes as one likes.

A folder OUT that `generate` makes (`adapt` and `corrupt` make the same, without truth and preset.toml):

    clips/0000042.mp4       one file a clip (.mkv, .npz; for png a folder of pictures); above 10,000 clips
                            in folders of 10,000; of a preset with classes in a folder for each
    truth/0000042.npz       what is exactly known of it, where asked for (in the clip's own file for npz)
    classes.json            of a preset with classes: what each stands for
    shards/000000.tar       instead of both for webdataset: clips in order, 64 a file
    manifest.jsonl          one JSON object a clip, sorted by index
    preset.toml             the preset with every knob, to draw it again: preset:OUT/preset.toml
    generation.json         what was asked for; README.md: a data card

Clip i of a set is the same whatever is made beside it, so shards, workers, order and kills change nothing. A
clip is written aside and renamed, then its record in `.records/`; a killed run goes on with what has no
record, or is not as large as that says, and the manifest is the records in order. With `--shard i/n`
manifest, records and generation.json are called `…-i-of-n`, and `merge` joins them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from synvid_eval import archive, cards, derived, knobs, locks, shards
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, SynvidEvalError, UsageError, nearest
from synvid_eval.execute import Failure, Processes
from synvid_eval.generators import mixture, photos, presets, registry
from synvid_eval.generators.base import Generator
from synvid_eval.generators.presets import Preset
from synvid_eval.libraries import decoder_versions
from synvid_eval.measurement import Options, Progress, Quiet, content_hashes, hashing
from synvid_eval.prober import probe_task
from synvid_eval.sets import (
    REAL,
    adapt,
    corrupt,
    corruption_of,
    in_order,
    name_sets,
    needs,
    open_clip,
    open_set,
    preset_generator,
)
from synvid_eval.video import remote, tars
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.encode import FORMATS
from synvid_eval.video.layouts import count_of
from synvid_eval.video.videoset import VideoSet
from synvid_eval.writer import clip_task, refused, settle, size_of

if TYPE_CHECKING:
    from synvid_eval.corruptions import Corruption
    from synvid_eval.generators.adapting import Chain

SCHEMA = "synvid-eval/generation/2"
CLASSES = "synvid-eval/classes/1"

TAR = "webdataset"
KINDS = (*FORMATS, TAR)
"""What `--format` takes; clips in webdataset's shards are mp4."""

_EVEN = ("mp4", TAR)
"""Those of them that hold no odd sizes."""

IN_TAR = 64  # clips of a tar file
IN_FOLDER = 10_000  # clips of a folder
DIGITS = 7

_AGAIN = "Run again: it goes on."
_MEND = "Take them out of the set, or mend them."
_CLASSED = "Take a preset that has some, such as fractal_supervised_500."

_TOLD: dict[str, tuple[type, ...]] = {
    "preset": (str,),
    "clips": (int,),
    "seed": (int,),
    "format": (str,),
    "truth": (list,),
    "identity": (dict,),
    "real_contents": (str, type(None)),
    "given": (dict,),
    "note": (str,),
    "made_with": (dict,),
}
"""The keys of generation.json beside `schema`, and what each may be."""

_APART = ("given", "note", "notes", "made_with", "identity", "command")
"""Keys of generation.json that are not compared (`identity` key by key)."""

_ROW: dict[str, tuple[type, ...]] = {
    "index": (int,),
    "id": (str,),
    "file": (str,),
    "member": (str, type(None)),
    "truth": (str, type(None)),
    "preset": (str,),
    "seed": (int,),
    "source": (str, type(None)),
    "frames": (int,),
    "height": (int,),
    "width": (int,),
    "fps": (float, int),
    "sha256": (str,),
    "psnr": (float, int, type(None)),
    "bytes": (int,),
    "truth_bytes": (int, type(None)),
    "label": (str, type(None)),
    "redrawn": (int,),
}
"""The keys of a row of the manifest, and what each may be."""

_LATER = {"label": None, "redrawn": 0}
"""Keys that rows of version 0.1.0 do not have, and what they stand for there."""


@dataclass(frozen=True)
class Plan(ABC):
    """A set to be made.

    name: what its clips are of. refs: clip by index. kind: of KINDS. truth: kinds of truth, sorted. shard:
    (i, n). sources: clip id → source. real: id of a clip that is read → (hash of its contents, frames that it
    announces).
    """

    name: str
    seed: int
    refs: tuple[ClipRef, ...]
    kind: str
    truth: tuple[str, ...]
    shard: tuple[int, int]
    sources: Mapping[str, str]
    notes: tuple[str, ...]
    real: Mapping[str, tuple[str, int]]

    @property
    def suffix(self) -> str:
        """What names of this shard's own files end in; "" where the set is made at once."""
        return shards.suffix(self.shard)

    def mine(self) -> list[int]:
        """The indices of this shard's clips: every n-th clip, or those of every n-th tar file."""
        number, count = self.shard
        per = IN_TAR if self.kind == TAR else 1
        return [i for i in range(len(self.refs)) if i // per % count == number]

    def told(self) -> dict[str, Any]:
        """What decides the set's bytes (beside library versions), ready for JSON."""
        real = [f"{ref.id}\0{self.real[ref.id][0]}" for ref in self.refs if ref.id in self.real]
        digest = hashlib.blake2b("\0".join(real).encode("utf-8", "surrogateescape"), digest_size=16)
        told = {
            "schema": SCHEMA,
            "preset": self.name,
            "clips": len(self.refs),
            "seed": self.seed,
            "format": self.kind,
            "truth": list(self.truth),
            "identity": self.identity(),
            "real_contents": digest.hexdigest() if real else None,
        }
        plain: dict[str, Any] = json.loads(json.dumps(told))
        return plain

    def frames(self, index: int) -> int:
        """Frames of a clip, without drawing it; those that a clip that is read announces."""
        ref = self.refs[index]
        return self.real[ref.id][1] if ref.id in self.real else open_clip(ref).total

    @property
    def taken_from(self) -> str:
        """What names the clips that are read."""
        return "what --videos names"

    @property
    @abstractmethod
    def note(self) -> str:
        """What the clips are, for readers."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything that decides the pixels beside seed, clips and what is read, ready for JSON."""

    @abstractmethod
    def given(self) -> dict[str, str]:
        """Where what it needs was taken from."""

    def preset_text(self, told: Mapping[str, Any]) -> str:
        """preset.toml, given `told` and `given`; "" for no such file."""
        return ""

    def catalog(self) -> dict[str, Any]:
        """What each class of clips that are drawn stands for; empty where there are none."""
        return {}

    def check_place(self, folder: Path) -> None:
        """UsageError where clips that are written to a folder would be read again."""
        return


@dataclass(frozen=True)
class Drawing(Plan):
    """The clips of a preset. overrides: the knobs that were given. generator: configured."""

    preset: Preset
    overrides: Mapping[str, str]
    generator: Generator

    @property
    def note(self) -> str:
        """See `Plan.note`."""
        return self.preset.note

    def identity(self) -> dict[str, Any]:
        """See `Plan.identity`."""
        return self.generator.identity(self.seed)

    def given(self) -> dict[str, str]:
        """See `Plan.given`: of `images`, `videos` and `bank` those that it has."""
        variables = {"images": photos.ENVIRONMENT, "videos": mixture.ENVIRONMENT}
        found = {
            n: getattr(self.generator, n) or os.environ.get(variables[n], "") for n in needs(self.generator)
        }
        if bank := getattr(self.generator, "bank", ""):
            found["bank"] = bank
        return dict(sorted(found.items()))

    def preset_text(self, told: Mapping[str, Any]) -> str:
        """See `Plan.preset_text`."""
        return cards.preset_text(told, self.preset, self.generator, self.overrides)

    def catalog(self) -> dict[str, Any]:
        """See `Plan.catalog`."""
        return self.generator.catalog(self.seed, self.preset.name)


@dataclass(frozen=True)
class Deriving(Plan):
    """The clips of a set, made into others. of: option → text, what names the set and what is done."""

    of: Mapping[str, str]

    @property
    def taken_from(self) -> str:
        """See `Plan.taken_from`."""
        return self.of["of"]

    @property
    @abstractmethod
    def done(self) -> str:
        """What is done to the clips, in a word."""

    def given(self) -> dict[str, str]:
        """See `Plan.given`."""
        return dict(self.of)

    def check_place(self, folder: Path) -> None:
        """See `Plan.check_place`."""
        place, inner = os.path.realpath(self.of["of"]), os.path.realpath(folder)
        if os.path.isdir(place) and os.path.commonpath([place, inner]) == place:
            raise UsageError(
                f"{folder} lies in {self.of['of']}, the set that is {self.done}.", "Give another OUT."
            )


@dataclass(frozen=True)
class Adapting(Deriving):
    """The clips of a set, adapted."""

    chain: Chain

    @property
    def note(self) -> str:
        """See `Plan.note`."""
        return f"The clips of {self.of['of']}, adapted: {self.chain.names}."

    @property
    def done(self) -> str:
        """See `Deriving.done`."""
        return "adapted"

    def identity(self) -> dict[str, Any]:
        """See `Plan.identity`."""
        return self.chain.identity()


@dataclass(frozen=True)
class Corrupting(Deriving):
    """The clips of a set, corrupted."""

    corruption: Corruption

    @property
    def note(self) -> str:
        """See `Plan.note`."""
        what = self.corruption
        return f"The clips of {self.of['of']}, corrupted: {what.name}, severity {what.severity}."

    @property
    def done(self) -> str:
        """See `Deriving.done`."""
        return "corrupted"

    def identity(self) -> dict[str, Any]:
        """See `Plan.identity`."""
        return self.corruption.identity()


def plan(
    preset: str,
    *,
    clips: int | None = None,
    per_class: int | None = None,
    seed: int = 0,
    overrides: Mapping[str, str] | None = None,
    kind: str = "mp4",
    truth: Sequence[str] = (),
    shard: tuple[int, int] = (0, 1),
    images: str | None = None,
    videos: str | None = None,
    options: Options | None = None,
) -> Drawing:
    """What `make` is to make of a preset; nothing is written. Real clips are opened and hashed.

    Args:
        preset: `NAME`, `FILE.toml` or `FILE.toml#NAME`. clips: how many (default: the preset's own number).
        per_class: how many of each class instead, of a preset that has classes.
        overrides: knob → text. truth: kinds of truth; `tracks` brings `occluded`, `all` is all.
        images, videos: see `sets.open_set`. options: how real clips are looked at.

    Raises:
        UsageError: unknown preset, knob, format or truth; values out of range; sizes that the format cannot
        hold. DataError: what the preset needs is missing, or real clips cannot be read.
    """
    options = options or Options(workers=1, cache=Cache(None))
    given = dict(overrides or {})
    _check_asked(kind, clips)
    chosen = presets.find(preset)
    if "classes" in given and "classes" not in knobs.names(registry.get(chosen.generator)):
        raise UsageError(f"{chosen.name} has no classes, so --classes means nothing.", _CLASSED)
    generator, chosen = chosen.configured(**given), chosen.changed(given)
    if per_class is not None:
        clips = _of_classes(chosen.name, generator, clips, per_class)
    if truth and not generator.truths:
        generator.check_truth(truth)
    kinds = set(generator.truths if "all" in truth else truth)
    kinds |= {"occluded"} if "tracks" in kinds else set()
    generator.check_truth(sorted(kinds))
    height, width = generator.frame_size
    if kind in _EVEN and (height % 2 or width % 2):
        raise UsageError(
            f"Frames of {width}×{height} px cannot be written as mp4, which wants even sizes.",
            "Take another --size, or --format ffv1.",
        )
    count = chosen.clips if clips is None else clips
    location = f"preset:{preset}?{urlencode({'n': str(count), 'seed': str(seed), **given})}"
    tell = hashing(preset, options.progress)
    opened = open_set(
        location, images=images, videos=videos, decode_timeout=options.decode_timeout, tell=tell
    )
    begin = f"{REAL}/"
    drawn = {c.index: c for c in opened.clips if not c.id.startswith(begin)}
    if drawn:  # as the set opens it, with pictures and videos
        generator = preset_generator(next(iter(drawn.values())))
    taken = [c for c in opened.clips if c.id.startswith(begin)]
    real = {}
    if taken or opened.skipped:
        cure = "Take them out of what --videos names, or mend them."
        real = _looked_at(replace(opened, clips=tuple(taken)), kind, options, "real clip", cure)
    own = [f"{knob}={given[knob]}" for knob in ("size", "length", "fps") if knob in given]
    notes = list(opened.notes)
    if taken and own:
        said = count_of(len(taken), "real clip keeps its", "real clips keep their")
        notes.append(f"{chosen.name}: {said} own size, length and rate, whatever {' '.join(own)} says")
    if taken and kinds:
        said = count_of(len(taken), "real clip has", "real clips have")
        notes.append(f"{chosen.name}: {said} no truth ({', '.join(sorted(kinds))}), the drawn ones do")
    return Drawing(
        name=chosen.name,
        seed=seed,
        refs=tuple(in_order(opened)),
        kind=kind,
        truth=tuple(sorted(kinds)),
        shard=shard,
        sources=opened.sources or {},
        notes=tuple(notes),
        real=real,
        preset=chosen,
        overrides=given,
        generator=generator,
    )


def _of_classes(name: str, generator: Generator, clips: int | None, per_class: int) -> int:
    """How many clips so many of each class are; UsageError where there are no classes."""
    classes = int(getattr(generator, "classes", 0))
    if not classes:
        raise UsageError(
            f"{name} has no classes, so --per-class {per_class} means nothing.",
            f"{_CLASSED} Other fractals have some with --classes N.",
        )
    if clips is not None:
        raise UsageError(
            f"--clips {clips} and --per-class {per_class} both say how many.",
            f"Give one: --per-class {per_class} makes {classes * per_class:,} clips of {classes:,} classes.",
        )
    if per_class < 1:
        raise UsageError(f"--per-class {per_class} is no number of clips.", "Give 1 or more.")
    return classes * per_class


def plan_adapting(
    location: str,
    chain: str,
    *,
    clips: int | None = None,
    seed: int = 0,
    kind: str = "mp4",
    shard: tuple[int, int] = (0, 1),
    options: Options | None = None,
    **asked: Any,
) -> Adapting:
    """What `make` is to make of a set; nothing is written. Its clips are opened and hashed.

    Args:
        location: `[name=]location` of the set. chain: see `generators.adapting`. clips: at most that many,
        drawn by hash of their ids; backgrounds are of all clips. asked: `layout`, `fps`, `split`, `root` and
        `follow_outside` of `sets.open_set`.

    Raises:
        UsageError: a chain or format that does not exist; a preset; sizes that the format cannot hold.
        DataError: no such set, clips that cannot be read.
    """
    from synvid_eval.generators import adapting

    options = options or Options(workers=1, cache=Cache(None))
    _check_asked(kind, clips)
    parsed = adapting.parsed(chain)
    ((name, place),) = name_sets([location])
    opened = adapt(place, parsed, seed, decode_timeout=options.decode_timeout, **asked)
    taken = _taken(opened, name, clips)
    plain = replace(taken, clips=tuple(derived.parts_of(c)[0] for c in taken.clips))
    lengths = _looked_at(plain, kind, options, "clip", _MEND)
    hashes = content_hashes(taken, options.cache, options.worker_count(), options.progress)
    real = {c.id: (hashes[c.id], lengths[c.id][1]) for c in taken.clips}
    if gone := [i for i, found in hashes.items() if not found]:
        raise DataError(f"A background of {gone[0]} cannot be read.", "Take it out of the set, or mend it.")
    of = {"of": place, "chain": adapting.normal(chain), **_given(asked)}
    return Adapting(**_of_set(taken, seed, kind, shard), real=real, of=of, chain=parsed)


def plan_corrupting(
    location: str,
    corruption: str,
    severity: int,
    *,
    settings: Mapping[str, str] | None = None,
    clips: int | None = None,
    seed: int = 0,
    kind: str = "mp4",
    shard: tuple[int, int] = (0, 1),
    options: Options | None = None,
    **asked: Any,
) -> Corrupting:
    """What `make` is to make of a set; nothing is written. Its clips are opened and hashed.

    Args:
        location: `[name=]location` of the set. corruption: its name. severity: 1 to 5. settings: its other
        knobs as text. clips: at most that many, drawn by hash of their ids. asked: `layout`, `fps`, `split`,
        `root` and `follow_outside` of `sets.open_set`.

    Raises:
        UsageError: a corruption, severity, knob or format that does not exist; sizes that the format cannot
        hold. DataError: no such set, clips that cannot be read.
    """
    options = options or Options(workers=1, cache=Cache(None))
    _check_asked(kind, clips)
    found = corruption_of(corruption, {**(settings or {}), "severity": str(severity)})
    ((name, place),) = name_sets([location])
    opened = corrupt(place, found, seed, decode_timeout=options.decode_timeout, **asked)
    taken = _taken(opened, name, clips)
    real = _looked_at(taken, kind, options, "clip", _MEND)
    of = {"of": place, "corruption": corruption, "severity": str(severity), **_given(asked)}
    if settings:
        of["set"] = ",".join(f"{k}={v}" for k, v in settings.items())
    return Corrupting(**_of_set(taken, seed, kind, shard), real=real, of=of, corruption=found)


def _check_asked(kind: str, clips: int | None) -> None:
    """UsageError for a format or a number of clips that cannot be."""
    if kind not in KINDS:
        raise UsageError(f"No format is called {kind!r}.", nearest(kind, KINDS))
    if clips is not None and clips < 1:
        raise UsageError(f"--clips {clips} is no number of clips.", "Give 1 or more.")


def _taken(opened: VideoSet, name: str, clips: int | None) -> VideoSet:
    """A set under its name, with at most that many clips."""
    named = replace(opened, name=name)
    return named if clips is None else named.draw(clips)


def _given(asked: Mapping[str, Any]) -> dict[str, str]:
    """Those of the options of `open_set` that say something, as text."""
    return {k: str(v) for k, v in asked.items() if v not in (None, False, "auto")}


def _of_set(taken: VideoSet, seed: int, kind: str, shard: tuple[int, int]) -> dict[str, Any]:
    """The fields of a `Plan` whose clips are those of a set."""
    return {
        "name": taken.name,
        "seed": seed,
        "refs": taken.clips,
        "kind": kind,
        "truth": (),
        "shard": shard,
        "sources": taken.sources or {},
        "notes": taken.notes,
    }


def _looked_at(
    real: VideoSet, kind: str, options: Options, what: str, cure: str
) -> dict[str, tuple[str, int]]:
    """Id → (hash of its contents, frames) of clips that are read, each of which was opened and gave a frame.

    Args:
        what: they are called. cure: what to do with those that are broken.

    Raises:
        DataError: clips that cannot be read. UsageError: odd sizes, where the format wants even ones.
    """
    broken, lengths, odd = dict(real.skipped), {}, {}
    options.progress.begin(f"{real.name} ({what}s)", len(real.clips))
    workers = min(options.worker_count(), max(1, len(real.clips)))
    setup = {"loud": options.loud}
    prober = Processes("synvid_eval.prober", workers, setup, options.decode_timeout, options.loud)
    try:
        for task, answer in prober.map(probe_task(c) for c in real.clips):
            options.progress.advance(1, cached=False)
            name = task["clip"]["id"]
            reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
            if isinstance(answer, Failure) or reason is not None:
                broken[name] = str(reason)
                continue
            lengths[name] = int(answer[1]["total"])
            if any(side % 2 for side in answer[1]["size"]):
                odd[name] = "×".join(map(str, reversed(answer[1]["size"])))
    finally:
        prober.close()
    hashes = content_hashes(real, options.cache, workers, options.progress) if not broken else {}
    broken |= {name: "it cannot be read" for name, found in hashes.items() if not found}
    if broken:
        some = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in list(broken.items())[:3])
        more = f"; and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise DataError(
            f"{len(broken)} of {real.found} {what}s cannot be taken: {some}{more}.",
            cure,
        )
    if odd and kind in _EVEN:
        name, size = next(iter(odd.items()))
        raise UsageError(
            f"{count_of(len(odd), what)}, such as {name} of {size} px, cannot be written as mp4.",
            "It wants even sizes: take --format ffv1.",
        )
    return {name: (hashes[name], frames) for name, frames in lengths.items()}


@dataclass(frozen=True)
class Made:
    """What a run of `make` or `merge` did. made: clips drawn now. kept: those an earlier run had made. rows:
    of the manifest. manifest: its file.
    """

    made: int
    kept: int
    rows: tuple[Mapping[str, Any], ...]
    manifest: Path

    def facts(self) -> dict[str, Any]:
        """Ready for JSON; `psnr`: the mean over the clips that lost something [dB], None where none did."""
        lost = [float(row["psnr"]) for row in self.rows if row["psnr"] is not None]
        return {
            "manifest": os.fspath(self.manifest),
            "clips": len(self.rows),
            "frames": sum(int(row["frames"]) for row in self.rows),
            "made": self.made,
            "kept": self.kept,
            "psnr": sum(lost) / len(lost) if lost else None,
        }


def make(what: Plan, out: str | os.PathLike[str], options: Options, command: str = "") -> Made:
    """Makes a set, or goes on with it (see the module's docstring).

    command: the command line of a part without its shard, for those who start one again.

    Raises:
        UsageError: the folder holds something else, or a set that was made otherwise, or another process
        writes into it. DataError: it cannot be written, or a clip cannot be drawn.
    """
    folder = remote.local(out, "OUT")
    told = what.told()
    try:
        check(folder, what, told)
        folder.mkdir(parents=True, exist_ok=True)
        with _topmost(folder):
            _claim(folder, what, told, command)
        lock = folder / f".lock{what.suffix}"
        with locks.held(lock, f"this part of {folder}", ", or give each its own --shard"):
            return _Run(what, folder, options).result()
    except OSError as error:
        raise refused(Path(error.filename or folder), error) from None


def check(folder: Path, what: Plan, told: Mapping[str, Any]) -> None:
    """UsageError unless a folder is this set's, empty or not there yet; told: of the plan."""
    what.check_place(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder.", "Give a folder, which is made where it is missing.")
    if not folder.exists():
        return
    before = os.listdir(folder)  # and then who claimed it: a claim made in between is one that is seen
    seen = _tellings(folder)
    if not seen and any(not name.startswith(".") for name in before):
        raise UsageError(f"{folder} is not empty and holds no set made here.", "Give another folder.")
    # a set of shards has a telling of the whole, too, once it is merged
    parts = {n for _, n in seen if n > 1} or {n for _, n in seen}
    if parts - {what.shard[1]} and not (what.shard[1] == 1 and (0, 1) in seen):
        said = "at once" if parts == {1} else f"in {max(parts)} shards"
        raise UsageError(f"{folder} holds a set that is made {said}.", "Make it so, or give another folder.")
    for earlier in seen.values():
        differences = _differences(earlier, told)
        if "clips" in differences and differences.keys() <= {"clips", "real_contents"}:
            were, are = earlier["clips"], told["clips"]
            raise UsageError(
                f"{folder} holds a set of {were:,} clips, not {are:,}: a set neither grows nor shrinks.",
                f"Make the {are:,} in another folder (those with the same number are the same), or give "
                f"--clips {were}.",
            )
        if differences:
            raise UsageError(
                f"{folder} holds a set made otherwise: {next(iter(differences.values()))}.",
                "Give another folder, or the same options to go on.",
            )


def there(what: Plan, out: str | os.PathLike[str]) -> list[int]:
    """The indices of this shard's clips that a folder holds already; raises as `make` does beforehand."""
    check(Path(out), what, what.told())
    return sorted(_Run(what, Path(out), Options(workers=1, cache=Cache(None))).done())


def _claim(folder: Path, what: Plan, told: Mapping[str, Any], command: str) -> None:
    """Makes the folder this set's, or sees that it is."""
    check(folder, what, told)
    mine = folder / f"generation{what.suffix}.json"
    if not mine.is_file():
        made_with = {**decoder_versions(), "python": sys.version.split()[0]}
        facts = {**told, "given": what.given(), "note": what.note, "made_with": made_with}
        facts["notes"] = list(what.notes)
        if command and what.suffix:
            facts["command"] = command
        archive.write_bytes(mine, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
    text = what.preset_text({**told, "given": what.given()})
    if text and not (folder / "preset.toml").is_file():
        archive.write_bytes(folder / "preset.toml", text.encode("utf-8", "backslashreplace"))
    if not (folder / "classes.json").is_file():
        facts = {"schema": CLASSES, "preset": what.name, "seed": what.seed, "classes": what.catalog()}
        if facts["classes"]:
            archive.write_bytes(folder / "classes.json", (json.dumps(facts) + "\n").encode())


def _tellings(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """What generation.json of each shard that began says; (0, 1) is that of the whole.

    Raises DataError for one that no run of this version wrote.
    """
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for name in sorted(os.listdir(folder)):
        match = re.fullmatch(r"generation(?:-(\d+)-of-(\d+))?\.json", name, re.ASCII)
        if match is None:
            continue
        try:
            told = json.loads((folder / name).read_bytes())
            if not isinstance(told, dict) or not isinstance(told.get("schema"), str):
                raise ValueError("it says no schema")
            if told["schema"] != SCHEMA:
                raise ValueError(f"it is {told['schema'][:60]}, of another version; wanted is {SCHEMA}")
            for key, kinds in _TOLD.items():
                if not isinstance(told.get(key), kinds) or isinstance(told[key], bool):
                    raise ValueError(f"{key} is missing or odd")
            if told["format"] not in KINDS or not all(isinstance(kind, str) for kind in told["truth"]):
                raise ValueError("it names no known format or truth")
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(
                f"{folder / name} cannot be read: {error}.",
                "It is altered or cut, or of another version: make the set in another folder.",
            ) from None
        found[(int(match[1]), int(match[2])) if match[1] else (0, 1)] = told
    return found


def _differences(earlier: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, str]:
    """What two tellings differ in: key → phrase."""

    def flat(facts: Mapping[str, Any]) -> dict[str, Any]:
        inner = facts.get("identity")
        return {**facts, **(inner if isinstance(inner, dict) else {}), **dict.fromkeys(_APART)}

    old, new = flat(earlier), flat(told)
    found = {}
    for key in new | old:
        if old.get(key) != new.get(key):
            was, now = (json.dumps(side.get(key), ensure_ascii=False)[:80] for side in (old, new))
            found[key] = f"{key} {was}, not {now}"
    if "real_contents" in found:  # which is last: what is done to clips is in it, too, and says more
        said = found.pop("real_contents")
        both = old.get("real_contents") and new.get("real_contents")
        found["real_contents"] = "its real clips, or what is in them, were others" if both else said
    return found


@contextlib.contextmanager
def _topmost(folder: Path) -> Iterator[None]:
    """Holds what shards share: the files at the top of a set's folder. What a killed process left half
    written there is removed.
    """
    with locks.held(folder / ".claim", wait=True) as alone:
        for path in _below(folder) if alone else ():
            if re.fullmatch(r"\.[a-z0-9_]{8}\.part", path.name):  # of `archive.write_bytes`
                path.unlink(missing_ok=True)
        yield


class _Run:
    """One run over a shard's clips."""

    def __init__(self, what: Plan, folder: Path, options: Options) -> None:
        self._plan, self._folder, self._options = what, folder, options
        self._records = folder / f".records{what.suffix}"
        self._manifest = folder / f"manifest{what.suffix}.jsonl"
        self._tar = what.kind == TAR
        self._kind = "mp4" if self._tar else what.kind
        self._clips = folder / (f".staged{what.suffix}" if self._tar else "clips")
        self._truth = self._clips if self._tar else folder / "truth"

    def result(self) -> Made:
        """Makes what is missing and writes the manifest."""
        what, options = self._plan, self._options
        for note in what.notes:
            options.progress.say(note)
        self._clean()
        mine = what.mine()
        rows = self.done()
        self._unpack(rows)
        todo = [i for i in mine if i not in rows]
        self._folders(todo)
        options.progress.begin(f"{what.name}{what.suffix.replace('-', ' ')}", len(mine))
        if rows:
            options.progress.advance(len(rows), cached=True)
        kept = len(rows)
        with contextlib.ExitStack() as stack:
            setup = {
                "format": self._kind,
                "truth": list(what.truth),
                "loud": options.loud,
                "path": [p for p in sys.path if p],
            }
            workers = options.pool("synvid_eval.writer", setup)
            stack.callback(workers.close)
            for first in sorted({i // IN_TAR for i in rows}):
                self._pack(first, rows)
            for task, answer in workers.map(self._task(i) for i in todo):
                if isinstance(answer, Failure):
                    failed = f"Clip {task['clip']['id']} {answer.reason}."
                    if task["clip"]["kind"] == "preset":
                        raise SynvidEvalError(failed, _AGAIN)
                    raise DataError(failed, f"Take it out of {what.taken_from}; that is another set then.")
                index = int(answer[1]["index"])
                rows[index] = answer[1]
                self._pack(index // IN_TAR, rows)
                options.progress.advance(1, cached=False)
        ordered = tuple(rows[i] for i in mine)
        with _topmost(self._folder):
            _write_manifest(self._manifest, ordered)
            if what.shard[1] == 1:
                facts = _tellings(self._folder)[0, 1]
                archive.write_bytes(self._folder / "README.md", _card(facts, ordered))
        for rest in (self._records, *([self._clips] if self._tar else [])):
            shutil.rmtree(rest, ignore_errors=True)
        return Made(len(todo), kept, ordered, self._manifest)

    def _name(self, index: int) -> str:
        return f"{index:0{DIGITS}}"

    def _file(self, index: int) -> Path:
        """Where the writer puts a clip."""
        return self._clips / self._inner(index) / f"{self._name(index)}{FORMATS[self._kind].suffix}"

    def _inner(self, index: int) -> str:
        """The folder within the folder of clips."""
        if (label := self._label(index)) and _names_a_folder(label):
            return "" if self._tar else label
        many = len(self._plan.refs) > IN_FOLDER and not self._tar
        return f"{index // IN_FOLDER:04}" if many else ""

    def _label(self, index: int) -> str | None:
        """The class of a clip that is drawn, adapted or corrupted."""
        ref = self._plan.refs[index]
        return ref.label if ref.kind in ("preset", *derived.KINDS) else None

    def _truth_file(self, index: int) -> Path | None:
        if not self._plan.truth or self._plan.refs[index].kind != "preset":
            return None
        if self._kind == "npz":
            return self._file(index)
        suffix = ".truth.npz" if self._tar else ".npz"
        return self._truth / self._inner(index) / f"{self._name(index)}{suffix}"

    def _tar_file(self, index: int) -> Path:
        return self._folder / "shards" / f"{index // IN_TAR:06}.tar"

    def _record(self, index: int) -> Path:
        return self._records / f"{self._name(index)}.json"

    def _row(self, index: int) -> dict[str, Any]:
        """What is known of a clip's row beforehand."""
        what, ref, truth = self._plan, self._plan.refs[index], self._truth_file(index)
        said: Any = None if truth is None else truth.relative_to(self._folder).as_posix()
        file = self._file(index)
        if self._tar:
            said = None if truth is None else truth.name
        return {
            "index": index,
            "id": ref.id,
            "file": (self._tar_file(index) if self._tar else file).relative_to(self._folder).as_posix(),
            "member": file.name if self._tar else None,
            "truth": said,
            "preset": what.name,
            "seed": what.seed,
            "source": what.sources.get(ref.id),
            "label": self._label(index),
        }

    def _task(self, index: int) -> dict[str, Any]:
        ref, row = self._plan.refs[index], self._row(index)
        return clip_task(ref, self._file(index), self._truth_file(index), self._record(index), row)

    def _folders(self, todo: Sequence[int]) -> None:
        wanted = {self._records, self._clips}
        for index in todo:
            wanted.add(self._file(index).parent)
            if truth := self._truth_file(index):
                wanted.add(truth.parent)
        if self._tar:
            wanted.add(self._folder / "shards")
        for folder in sorted(wanted):
            folder.mkdir(parents=True, exist_ok=True)

    def _clean(self) -> None:
        """Removes what killed runs of this shard left half written."""
        mine = set(self._plan.mine())
        # folders of many clips, not those of a clip's pictures
        inner = sorted({self._inner(index) for index in mine} - {""})
        for top in (self._records, self._clips, self._truth, self._folder / "shards"):
            for folder in (top, *(top / name for name in inner)):
                for path in _below(folder):
                    match = re.fullmatch(r"\.(\d+)\..*\.part", path.name)
                    if match is None:
                        continue
                    index = int(match[1]) * (IN_TAR if folder.name == "shards" else 1)
                    if index in mine and path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path, ignore_errors=True)
                    elif index in mine:
                        path.unlink(missing_ok=True)

    def done(self) -> dict[int, dict[str, Any]]:
        """The rows of this shard's clips that are there."""
        mine = self._plan.mine()
        found = {int(row["index"]): row for row in _read_rows(self._manifest)}
        for index in mine:
            if index not in found:
                with contextlib.suppress(OSError):
                    row = _parsed(self._record(index).read_bytes())
                    if row is not None:
                        found[index] = row
        return {i: found[i] for i in mine if i in found and self._there(i, found[i])}

    def _there(self, index: int, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this very clip, and what it names is there."""
        if any(row[key] != value for key, value in self._row(index).items()):
            return False
        return self._staged(index, row) or not _lacking(self._folder, row)

    def _staged(self, index: int, row: Mapping[str, Any]) -> bool:
        """Whether a clip lies aside, to be packed."""
        if not self._tar or size_of(self._file(index)) != row["bytes"]:
            return False
        truth = self._truth_file(index)
        return truth is None or size_of(truth) == row["truth_bytes"]

    def _unpack(self, rows: dict[int, dict[str, Any]]) -> None:
        """Removes tar files that lack a clip, since they are packed as a whole; of their other clips `rows`
        keeps those that still lie aside.
        """
        for first in sorted({i // IN_TAR * IN_TAR for i in self._plan.mine()}) if self._tar else ():
            inside = range(first, min(first + IN_TAR, len(self._plan.refs)))
            path = self._tar_file(first)
            if path.is_file() and any(i not in rows for i in inside):
                path.unlink()
                for i in inside:
                    if i in rows and not self._staged(i, rows[i]):
                        del rows[i]

    def _pack(self, number: int, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Packs a tar file once every clip of it is there, and removes the clips that lay aside."""
        first = number * IN_TAR
        inside = range(first, min(first + IN_TAR, len(self._plan.refs)))
        path = self._tar_file(first)
        if not self._tar or any(i not in rows for i in inside) or path.is_file():
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for index in inside:
                for file in filter(None, (self._file(index), self._truth_file(index))):
                    _add(tar, file.name, file.read_bytes())
                row = json.dumps(rows[index], sort_keys=True) + "\n"
                _add(tar, f"{self._name(index)}.json", row.encode())
        settle(part)
        os.replace(part, path)
        for index in inside:
            for file in filter(None, (self._file(index), self._truth_file(index))):
                file.unlink(missing_ok=True)


def _names_a_folder(label: str) -> bool:
    """Whether a class can be a folder's name as it is."""
    plain = label.isprintable() and "/" not in label and "\\" not in label and label.strip() == label
    return plain and label[0] not in ".-" and len(label.encode("utf-8", "surrogateescape")) <= 200


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    facts = tarfile.TarInfo(name)  # its time is 0, its owner nobody
    facts.size = len(data)
    tar.addfile(facts, io.BytesIO(data))


def _lacking(folder: Path, row: Mapping[str, Any]) -> str:
    """The file of a row (or its member of a tar file) that is not there with its size; "" where all are.

    Raises DataError for files that lie elsewhere.
    """
    file, member, truth = _inside(folder, row["file"]), row["member"], row["truth"]
    if member is not None:
        with contextlib.suppress(OSError):
            facts = file.stat()
            sizes = _members(os.fspath(file), facts.st_size, facts.st_mtime_ns)
            if sizes.get(member) != row["bytes"]:
                return f"{member} of {row['file']}"
            return (
                "" if truth is None or sizes.get(truth) == row["truth_bytes"] else f"{truth} of {row['file']}"
            )
        return str(row["file"])
    if size_of(file) != row["bytes"]:
        return str(row["file"])
    if truth is None or truth == row["file"] or size_of(_inside(folder, truth)) == row["truth_bytes"]:
        return ""
    return str(truth)


@functools.lru_cache(maxsize=2)
def _members(path: str, size: int, changed: int) -> Mapping[str, int]:
    """Name → bytes of what a tar file of that size and time holds; none where it is cut."""
    try:
        with open(path, "rb") as file:
            return {member.name: member.size for member in tars.Members(file)}
    except (OSError, tars.Damaged):
        return {}


def _below(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except OSError:
        return []


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A row of a manifest; None for what is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    row = {**_LATER, **row}
    if set(row) != set(_ROW):
        return None
    fits = all(isinstance(row[k], kinds) and not isinstance(row[k], bool) for k, kinds in _ROW.items())
    return row if fits and re.fullmatch(r"[0-9a-f]{64}", row["sha256"]) else None


def _read_rows(manifest: Path) -> list[dict[str, Any]]:
    """The rows of a manifest that can be read; none where it is missing."""
    try:
        lines = manifest.read_bytes().splitlines()
    except OSError:
        return []
    return [row for row in map(_parsed, lines) if row is not None]


def _write_manifest(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    archive.write_bytes(path, text.encode())
    settle(path)  # the records go after it


def merge(out: str | os.PathLike[str], progress: Progress | None = None) -> Made:
    """Joins the manifests of a folder's shards into manifest.jsonl, and writes the data card.

    Raises:
        DataError: no folder of shards; shards that are missing, not finished, or made otherwise than the
        others, each named; clips that are missing, twice, or whose files are gone or have another size.
    """
    folder, progress = remote.local(out, "OUT"), progress or Quiet()
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", "Give the folder that jobs with --shard wrote into.")
    try:
        seen = _tellings(folder)
        parts = {shard: told for shard, told in seen.items() if shard[1] > 1}
        if not parts:
            if (0, 1) in seen:
                raise DataError(f"{folder} holds no shards.", "It was made at once: nothing is to be joined.")
            raise DataError(f"{folder} holds no shards.", "See: measure --shard, generate --shard.")
        (first, told), *others = parts.items()
        for shard, other in others:
            if shard[1] != first[1]:
                raise DataError(
                    f"{folder} holds shards of {first[1]} and of {shard[1]}.", "Keep those of one run alone."
                )
            if differences := _differences(told, other):
                difference = next(iter(differences.values()))
                raise DataError(
                    f"Shard {shard[0]} was made otherwise than shard {first[0]}: {difference}.",
                    "Make it again with the same options, into an empty folder.",
                )
        manifests = [folder / f"manifest{shards.suffix((i, first[1]))}.jsonl" for i in range(first[1])]
        missing = [i for i, manifest in enumerate(manifests) if not manifest.is_file()]
        if missing:
            names = ", ".join(f"{i}/{first[1]}" for i in missing[:20])
            begun = [i for i in missing if (i, first[1]) in parts]
            cure = f"What makes them: status {folder}."
            if begun:
                named = ", ".join(f"{i}/{first[1]}" for i in begun[:20])
                cure = f"Begun and not finished: {named}. See: status {folder}."
            are = "is" if len(missing) == 1 else "are"
            raise DataError(f"{len(missing)} of {first[1]} shards {are} missing: {names}.", cure)
        rows: dict[int, dict[str, Any]] = {}
        for manifest in manifests:
            for row in _read_rows(manifest):
                if row["index"] in rows:
                    raise DataError(f"Clip {row['index']} is in two shards, {manifest.name} is one.")
                rows[row["index"]] = row
        total = told["clips"]
        lacking = [i for i in range(total) if i not in rows]
        if lacking or len(rows) != total:
            raise DataError(
                f"The shards hold {len(rows)} clips of {total}; the first that is missing is "
                f"{lacking[0] if lacking else total}.",
                "A manifest was altered: make that shard again.",
            )
        ordered = tuple(rows[i] for i in range(total))
        progress.begin(f"{told['preset']} (files)", total)
        gone = []
        for row in ordered:
            gone += [name] if (name := _lacking(folder, row)) else []
            progress.advance(1, cached=False)
        if gone:
            raise DataError(
                f"{count_of(len(gone), 'file is', 'files are')} gone or not as written, such as {gone[0]}.",
                "Run the same command for their shards again: it goes on.",
            )
        whole = {key: value for key, value in told.items() if key != "command"}
        text = json.dumps(whole, indent=1, sort_keys=True) + "\n"
        with _topmost(folder):
            _write_manifest(folder / "manifest.jsonl", ordered)
            archive.write_bytes(folder / "generation.json", text.encode())
            archive.write_bytes(folder / "README.md", _card(told, ordered))
    except OSError as error:
        raise refused(Path(error.filename or folder), error) from None
    return Made(0, total, ordered, folder / "manifest.jsonl")


def state(folder: str | os.PathLike[str]) -> shards.State:
    """Where a set stands that is made in parts, or at once: by the manifests that are there, and of others
    the clips that are made. Whether their files are whole shows when they are merged.

    Raises DataError for a folder that holds none.
    """
    place = Path(folder)
    try:
        if not place.is_dir():
            raise DataError(f"{place} is no folder.", "Give the folder that jobs with --shard write into.")
        seen = _tellings(place)
        if not seen:
            raise DataError(
                f"{place} holds no set made here, and no measurement.",
                "See: measure --shard, generate --shard.",
            )
        of = max(n for _, n in seen)
        told = next(facts for (_, n), facts in seen.items() if n == of)
        jobs, missing, clips = {}, [], 0
        for part in range(of):
            end = shards.suffix((part, of))
            records = place / f".records{end}"
            if (place / f"manifest{end}.jsonl").is_file():
                clips += len(range(part, told["clips"], of))
                continue
            missing.append(part)
            there = sum(name.endswith(".json") for name in os.listdir(records)) if records.is_dir() else 0
            clips += there
            if (part, of) in seen:
                at = os.stat(records if there else place / f"generation{end}.json").st_mtime
                jobs[part] = {"state": "running", "at": at}
    except OSError as error:
        raise refused(Path(error.filename or place), error) from None
    made = (clips, told["clips"])
    command = told.get("command") if of > 1 else ""
    return shards.State(
        told["preset"],
        "part",
        (of - len(missing), of),
        made,
        of,
        jobs,
        tuple(missing),
        command if isinstance(command, str) else "",
        joined=not missing and (place / "manifest.jsonl").is_file(),
    )


def _card(told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bytes:
    if told["format"] != TAR:
        return cards.card(told, rows, told["format"], "One file a clip in `clips/`").encode()
    return cards.card(told, rows, "mp4", f"Tar files of {IN_TAR} clips, in order, in `shards/`").encode()


def _inside(folder: Path, relative: str) -> Path:
    """A file of the set; DataError for one that lies elsewhere."""
    if os.path.isabs(relative) or ".." in Path(relative).parts:
        raise DataError(f"A manifest names {relative}, which is no file of the set.")
    return folder / relative
