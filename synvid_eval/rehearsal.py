"""A rehearsal (`--dry-run`): what a measurement would read, compute and take from the cache, or what making a
set would draw and write; its time and disk.

Sets are listed and the cache's index is asked; nothing is hashed, kept or written. To estimate time, two
clips of each set are tried and forgotten. (Real clips that go into a set that is made are hashed: whether a
folder holds this set is seen by it.)
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval.cache import Peek
from synvid_eval.errors import DataError
from synvid_eval.estimate import TRIED as MEASURED
from synvid_eval.estimate import Trials, bytes_of, try_clips, try_looks
from synvid_eval.execute import Failure, Processes
from synvid_eval.features.base import Feature
from synvid_eval.generation import TAR, Plan, there
from synvid_eval.generators import pool as pools
from synvid_eval.measurement import Measurement, Options, content_hashes, entry_key, plan_pieces
from synvid_eval.randomness import address, permutation
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.encode import FORMATS
from synvid_eval.video.videoset import VideoSet
from synvid_eval.writer import clip_task

SCHEMA = "synvid-eval/dry-run/1"
TRIED = 2

COUNTED = 10_000
"""Of so many clips the frames are counted; of the others as many each are taken for granted."""


LOOKED_FOR = 200_000
"""Clips of a set beyond which a rehearsal does not look for each in the cache."""


@dataclass(frozen=True)
class SetPlan:
    """What would be done with one set. A clip is `cached` where the cache holds all features of its shard.

    unread: clips whose files the cache's index does not know, so that they must be read to see whether they
    are known. read_bytes: size of the files to be decoded (None where clips are drawn or lie in arrays).
    """

    name: str
    location: str
    layout: str
    recognized: str
    clips: int
    skipped: int
    shards: int
    cached_shards: int
    cached_clips: int
    unread: int
    read_bytes: int | None
    seconds_per_clip: float | None = None

    @property
    def to_measure(self) -> int:
        """Clips that would be decoded and measured."""
        return self.clips - self.cached_clips


@dataclass(frozen=True)
class Rehearsal:
    """What a command would do. seconds, memory_bytes, cache_bytes: estimates, or None."""

    sets: list[SetPlan]
    features: list[str]
    workers: int
    cache: str | None
    seconds: float | None
    memory_bytes: int | None
    cache_bytes: int | None
    writes: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    protocol: str = "default"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready plain data."""
        sets = [{**asdict(s), "to_measure": s.to_measure} for s in self.sets]
        return {"schema": SCHEMA, **asdict(self), "sets": sets}


def rehearse(
    sets: Sequence[VideoSet | Measurement],
    features: Sequence[Feature],
    options: Options,
    part: tuple[int, int] = (0, 1),
) -> Rehearsal:
    """What measuring the sets would take, or part i of n of each; opens only the clips that are tried."""
    cache = Peek(options.cache.root, options.progress.say)
    chosen = replace(options, cache=cache)
    plans: list[SetPlan] = []
    groups: list[list[ClipRef]] = []
    for one in sets:
        if isinstance(one, Measurement):
            about, facts = one.about, one.facts
            said = str(about.get("recognized", ""))
            plans.append(
                SetPlan(
                    facts.name, facts.location, "measured", said, facts.clips, len(facts.skipped), 0, 0,
                    facts.clips, 0, 0,
                )
            )  # fmt: skip
            groups.append([])
        else:
            plan, missing = _plan(one, features, chosen, part)
            plans.append(plan)
            groups.append(missing)
    trials = try_clips(groups, features, chosen, TRIED)
    plans = [replace(p, seconds_per_clip=t.seconds_per_clip) for p, t in zip(plans, trials.sets, strict=True)]
    most = max((p.to_measure for p in plans), default=0)
    workers = min(options.worker_count(), max(1, most))
    seconds, kept = _together(plans, trials, workers)
    return Rehearsal(
        plans,
        [f.name for f in features],
        workers,
        None if cache.root is None else str(cache.root),
        seconds,
        trials.memory(workers) if most else None,
        0 if cache.root is None else kept,
    )


def rehearse_look(videos: VideoSet, features: Sequence[Feature], options: Options) -> Rehearsal:
    """What inspecting a set would take: two clips are looked at, as `inspect` does, and timed.

    features: those whose cost `inspect` would try (none: not asked for).
    """
    workers = min(options.worker_count(), max(1, len(videos.clips)))
    startup, each = try_looks(videos.clips, options, TRIED)
    seconds = None if each is None else startup + each * len(videos.clips) / workers
    if seconds is not None and features:
        trial = try_clips([videos.clips], features, options, TRIED)
        each_measured = trial.sets[0].seconds_per_clip or 0.0
        seconds += trial.startup + each_measured * min(MEASURED, len(videos.clips))
    clips = len(videos.clips)
    plan = SetPlan(
        videos.name, videos.location, videos.layout, videos.said, clips, len(videos.skipped), 0, 0, 0, clips,
        bytes_of(videos.clips), each,
    )  # fmt: skip
    return Rehearsal([plan], [f.name for f in features], workers, None, seconds, None, 0)


def _together(plans: Sequence[SetPlan], trials: Trials, workers: int) -> tuple[float | None, int | None]:
    """Seconds and cache bytes of all sets; None where a set with something to measure gave no estimate."""
    seconds, kept = trials.startup, 0
    for plan, trial in zip(plans, trials.sets, strict=True):
        if plan.to_measure:
            more, bytes_kept = trial.seconds(plan.to_measure, workers), trial.kept(plan.to_measure)
            if more is None or bytes_kept is None:
                return None, None
            seconds, kept = seconds + more, kept + bytes_kept
    return seconds, kept


def _plan(
    videos: VideoSet, features: Sequence[Feature], options: Options, part: tuple[int, int]
) -> tuple[SetPlan, list[ClipRef]]:
    pieces = plan_pieces(videos)[part[0] :: part[1]]
    count = sum(len(piece.clips) for piece in pieces)
    many = count > LOOKED_FOR
    if part != (0, 1) and not many:
        videos = replace(videos, clips=tuple(c for piece in pieces for c in piece.clips))
    hashes = {} if many or videos.array is not None else content_hashes(videos, options.cache, 1)
    missing: list[ClipRef] = []
    cached = 0
    if many:
        options.progress.say(f"{videos.name}: too many clips to look which the cache holds: taken as none")
        drawn = permutation(address("rehearsal"), len(pieces))[:TRIED]
        missing = [c for i in sorted(drawn) for c in pieces[i].clips]
    for piece in () if many else pieces:
        known = all(hashes.get(c.id) for c in piece.clips) and all(
            options.cache.has(entry_key(piece, hashes, f, options.sampler, options.seed)) for f in features
        )
        cached += known
        missing += () if known else piece.clips
    plan = SetPlan(
        videos.name,
        videos.location,
        videos.layout,
        videos.said,
        count,
        len(videos.skipped),
        len(pieces),
        cached,
        0 if many else count - len(missing),
        count if many else sum(not hashes.get(c.id) for c in videos.clips),
        None if many else bytes_of(missing),
    )
    return plan, missing


@dataclass(frozen=True)
class Making:
    """What making a set would do. clips: of this shard; kept: of them there already. frames: of those that
    are missing. seconds: with `workers` processes. bytes: of their files. textures: those to be made on the
    way, texture_bytes: in the cache. room: bytes free where the set goes.
    """

    preset: str
    out: str
    format: str
    clips: int
    kept: int
    frames: int
    workers: int
    seconds: float
    bytes: int
    textures: int
    texture_bytes: int
    room: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready plain data."""
        return asdict(self)


def rehearse_making(
    what: Plan, out: str | os.PathLike[str], options: Options, textures: Path | None = None
) -> Making:
    """What `generation.make` would do; two of the missing clips are drawn and written into a temporary
    folder. The caller has seen to it that pools lie in one, too (`pool.keep_in(None)`).

    Args:
        textures: where pools would lie: what is there is not counted. None: nowhere.

    Raises:
        UsageError, DataError: as `generation.make`; a clip that cannot be drawn.
    """
    kept = there(what, out)
    todo = sorted(set(what.mine()) - set(kept))
    workers = min(options.worker_count(), max(1, len(todo)))
    frames = sum(what.frames(i) for i in todo[:COUNTED]) * len(todo) / max(1, min(len(todo), COUNTED))
    seconds, size, count, pooled = 0.0, 0.0, 0, 0
    if todo:
        startup, per_frame, per_texture, size = _try_making(what, todo, options)
        _, count, pooled = _pools(textures)
        seconds = startup + (frames * per_frame + count * per_texture) / workers
    place = Path(os.path.abspath(out))
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        room = shutil.disk_usage(place).free
    except OSError:
        room = None
    return Making(
        what.name,
        os.fspath(out),
        what.kind,
        len(what.mine()),
        len(kept),
        round(frames),
        workers,
        seconds,
        round(frames * size),
        count,
        pooled,
        room,
    )


def _try_making(what: Plan, todo: Sequence[int], options: Options) -> tuple[float, float, float, float]:
    """Two clips drawn and written twice, since only the first time makes their textures: seconds until a
    process is ready, seconds a frame, seconds a texture, and bytes a frame.
    """
    kind = "mp4" if what.kind == TAR else what.kind
    chosen = sorted(todo, key=lambda i: address("estimate", what.refs[i].id))[:TRIED]
    setup = {
        "format": kind,
        "truth": list(what.truth),
        "loud": options.loud,
        "path": [p for p in sys.path if p],
    }
    with tempfile.TemporaryDirectory(prefix="synvid-eval-") as name:
        folder = Path(name)
        pool = Processes("synvid_eval.writer", 1, setup, options.decode_timeout, options.loud)
        took: list[float] = []
        made, rows = [0], []
        try:
            for index in (*chosen, *chosen):
                ref, file = what.refs[index], folder / f"{index}{FORMATS[kind].suffix}"
                apart = what.truth and ref.kind == "preset"
                truth = (file if kind == "npz" else folder / f"{index}.truth.npz") if apart else None
                began = time.monotonic()
                row = {"truth": None if truth is None else truth.name}
                ((_, answer),) = pool.map([clip_task(ref, file, truth, folder / f"{index}.json", row)])
                if isinstance(answer, Failure):
                    raise DataError(f"Clip {ref.id} {answer.reason}.", "It was tried for --dry-run.")
                took.append(time.monotonic() - began)
                made.append(_pools(None)[0])
                rows.append(answer[1])
        finally:
            pool.close()
    count = len(chosen)
    again, frames = sum(took[count:]), sum(row["frames"] for row in rows[count:])
    size = sum(row["bytes"] + (row["truth_bytes"] or 0) for row in rows[count:])
    # the first clip's time also holds the start of the process; the second one's only its own textures
    last = count - 1
    new = made[count] - made[last]
    per_texture = max(0.0, took[last] - took[-1]) / new if new else 0.0
    startup = max(0.0, took[0] - took[count] - (made[1] - made[0]) * per_texture)
    return startup, again / frames, per_texture, size / frames


def _pools(kept: Path | None) -> tuple[int, int, int]:
    """Of the pools that lie in this process's folder: textures made, those that would be missing where `kept`
    is that folder, and bytes of these.
    """
    made = missing = size = 0
    for path in sorted(pools.folder().glob("*.done")):
        here = np.fromfile(path, "<u8") != 0
        made += int(here.sum())
        there = np.zeros(len(here), bool)
        if kept is not None and (kept / path.name).is_file():
            there[: len(here)] = (np.fromfile(kept / path.name, "<u8") != 0)[: len(here)]
        missing += int((~there).sum())
        size += int((~there).sum()) * (path.with_suffix(".rgbx").stat().st_size // max(1, len(here)))
    return made, missing, size
