"""A rehearsal (`--dry-run`): what a measurement would read, compute and take from the cache, its time and
disk.

Sets are listed and the cache's index is asked; nothing is hashed, kept or written. To estimate time, two
clips of each set are tried and forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from synvid_eval.cache import Peek
from synvid_eval.estimate import TRIED as MEASURED
from synvid_eval.estimate import Trials, try_clips, try_looks
from synvid_eval.features.base import Feature
from synvid_eval.measurement import Measurement, Options, content_hashes, entry_key, plan_shards
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import frame_files
from synvid_eval.video.videoset import VideoSet

SCHEMA = "synvid-eval/dry-run/1"
TRIED = 2


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
    sets: Sequence[VideoSet | Measurement], features: Sequence[Feature], options: Options
) -> Rehearsal:
    """What measuring the sets would take; opens only the clips that are tried."""
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
            plan, missing = _plan(one, features, chosen)
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
        _bytes(videos.clips), each,
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


def _plan(videos: VideoSet, features: Sequence[Feature], options: Options) -> tuple[SetPlan, list[ClipRef]]:
    hashes = content_hashes(videos, options.cache, 1) if videos.array is None else {}
    shards = plan_shards(videos)
    missing: list[ClipRef] = []
    cached = 0
    for shard in shards:
        known = all(hashes.get(c.id) for c in shard.clips) and all(
            options.cache.has(entry_key(shard, hashes, f, options.sampler, options.seed)) for f in features
        )
        cached += known
        missing += () if known else shard.clips
    plan = SetPlan(
        videos.name,
        videos.location,
        videos.layout,
        videos.said,
        len(videos.clips),
        len(videos.skipped),
        len(shards),
        cached,
        len(videos.clips) - len(missing),
        sum(not hashes.get(c.id) for c in videos.clips),
        _bytes(missing),
    )
    return plan, missing


def _bytes(clips: Sequence[ClipRef]) -> int | None:
    total = 0
    for clip in clips:
        if clip.kind not in ("file", "frames"):
            return None
        try:
            files = frame_files(Path(clip.path)) if clip.kind == "frames" else [Path(clip.path)]
            total += sum(os.stat(f).st_size for f in files)
        except OSError:
            continue
    return total
