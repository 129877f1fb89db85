"""What a measurement would cost here: a few clips are measured in a worker process and timed; nothing is
kept.

An estimate and no promise: other clips are longer, larger or cheaper, and the machine has other things to do.
"""

from __future__ import annotations

import heapq
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval.derived import is_drawn
from synvid_eval.execute import HERE, Failure, Processes
from synvid_eval.features.base import Feature
from synvid_eval.measurement import PIECE, Options
from synvid_eval.prober import probe_task
from synvid_eval.randomness import address
from synvid_eval.states import BLOCKS, KINDS, SUB_SHARDS, Arrays, Fold, fold
from synvid_eval.video import remote, spans
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import frame_files
from synvid_eval.worker import clip_task, setup_task

TRIED = 4
# Clips of a preset are cheap to try and differ: so many times more of them.
PRESET_FACTOR = 4
# Two workers on two processors are slower than one each alone: up to so many are tried side by side.
SIDE_BY_SIDE = 4
# A clip that takes longer than this to give a frame is no use for an estimate [s].
PATIENCE = 10.0
# What the cache holds of a clip beside its states: id, hash, size, per-clip numbers [bytes].
_META = 500


@dataclass(frozen=True)
class Trial:
    """What a few clips of a set took: tried clips, seconds each on one of the workers that were tried, bytes
    that the cache would keep of `clips`; the reason for each clip that could not be measured; what was noted
    of those that were; those that gave no frame within PATIENCE, which a measurement waits for longer.
    """

    tried: int
    seconds_per_clip: float | None
    states: tuple[Fold, ...]
    failed: dict[str, str]
    notes: dict[str, list[str]] = field(default_factory=dict)
    slow: tuple[str, ...] = ()

    def seconds(self, clips: int, workers: int) -> float | None:
        """Seconds that `clips` clips would take on that many workers."""
        return (
            None
            if self.seconds_per_clip is None
            else clips * self.seconds_per_clip / min(workers, max(clips, 1))
        )

    def kept(self, clips: int) -> int | None:
        """Bytes that the cache would hold of `clips` clips."""
        if not self.states or not clips:
            return None if clips else 0
        shards = min(clips, BLOCKS * SUB_SHARDS)
        pieces = shards * max(1, math.ceil(clips / shards / PIECE))
        each = max(1, round(clips / pieces))
        folded = sum(_size(fold([f] * each)) for f in self.states)
        return pieces * folded + clips * _META


@dataclass(frozen=True)
class Trials:
    """Trials of several sets in one go: seconds until a worker is ready, its largest memory in bytes (None
    where the system does not say).
    """

    sets: tuple[Trial, ...]
    startup: float
    worker_memory: int | None

    def memory(self, workers: int) -> int | None:
        """Bytes resident in this process and that many workers."""
        own = _peak_memory("self")
        return None if own is None or self.worker_memory is None else own + workers * self.worker_memory


def try_clips(
    groups: Sequence[Sequence[ClipRef]], features: Sequence[Feature], options: Options, tried: int = TRIED
) -> Trials:
    """Measures up to `tried` clips of each group (those with the smallest hashes; of presets more), on up to
    `SIDE_BY_SIDE` workers at once, as the measurement will.
    """
    chosen = [_chosen(g, tried) for g in groups]
    names = [f.name for f in features]
    setup = setup_task(list(features), options.sampler, options.seed, options.loud)
    most = max(map(len, chosen), default=0)
    workers = max(1, min(options.worker_count(), SIDE_BY_SIDE, most // 2))
    pool = Processes(
        "synvid_eval.worker", workers, setup, min(PATIENCE, options.decode_timeout), options.loud
    )
    startup = 0.0
    trials: list[Trial] = []
    try:
        for group in chosen:
            if group and not startup:  # the first answers also hold the start of the workers
                began = time.monotonic()
                for _ in pool.map(clip_task(c, names) for c in group[:1] * workers):
                    pass
                startup = time.monotonic() - began
            trials.append(_try(pool, group, names, workers, options.decode_timeout > PATIENCE))
    finally:
        pool.close()
    return Trials(tuple(trials), startup, _peak_memory("children") if any(chosen) else None)


def _chosen(clips: Sequence[ClipRef], tried: int) -> list[ClipRef]:
    most = tried * (PRESET_FACTOR if any(map(is_drawn, clips)) else 1)
    first = heapq.nsmallest(most, clips, key=lambda c: address("estimate", c.id))
    return [c for c in first if c.kind != "memory"]


def _try(
    pool: Processes, clips: Sequence[ClipRef], names: Sequence[str], workers: int, impatient: bool
) -> Trial:
    """One group, timed as a whole; again without those that failed, which may have been waited for.

    impatient: whether a clip that hung here was waited for less long than it would be in a measurement.
    """
    failed: dict[str, str] = {}
    slow: list[str] = []
    good = list(clips)
    while True:
        states: tuple[Fold, ...] = ()
        notes: dict[str, list[str]] = {}
        ids = set()
        began = time.monotonic()
        for task, answer in pool.map(clip_task(c, names) for c in good):
            assert HERE not in task
            name = task["clip"]["id"]
            reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
            if isinstance(answer, Failure) and answer.kind == "hang" and impatient:
                slow.append(name)
                continue
            if isinstance(answer, Failure) or reason is not None:
                failed[name] = str(reason)
                continue
            ids.add(name)
            states = _folds(*answer)
            if answer[1]["notes"]:
                notes[name] = list(answer[1]["notes"])
        spent = time.monotonic() - began
        if len(ids) == len(good):
            break
        good = [c for c in good if c.id in ids]
    each = spent * min(workers, len(good)) / len(good) if good else None
    return Trial(len(good), each, states, failed, notes, tuple(slow))


def try_looks(clips: Sequence[ClipRef], options: Options, tried: int = TRIED) -> tuple[float, float | None]:
    """Seconds until a prober is ready, and seconds that looking at one clip (headers, packets, first frame)
    takes, from up to `tried` clips; None where none of them can be read.
    """
    chosen = heapq.nsmallest(tried, clips, key=lambda c: address("estimate", c.id))
    chosen = [c for c in chosen if c.kind != "memory"]
    timeout = min(PATIENCE, options.decode_timeout)
    pool = Processes("synvid_eval.prober", 1, {"loud": options.loud}, timeout, options.loud)
    took: list[float] = []
    began = last = time.monotonic()
    startup = 0.0
    try:  # the first answer also holds the start of the process: the first clip is asked for twice
        for number, (_, answer) in enumerate(pool.map(probe_task(c) for c in [*chosen[:1], *chosen])):
            now = time.monotonic()
            spent, last = now - last, now
            if number == 0:
                startup = now - began
            elif not isinstance(answer, Failure) and answer[1].get("skipped") is None:
                took.append(spent)
    finally:
        pool.close()
    return startup, float(np.mean(took)) if took else None


def bytes_of(clips: Sequence[ClipRef]) -> int | None:
    """Bytes of the files that clips are read from; None where they are not known without opening some."""
    total = 0
    for clip in clips:
        if clip.kind == spans.KIND:
            total += clip.length
            continue
        if clip.kind not in ("file", "frames"):
            return None
        if remote.is_remote(clip.path):
            if clip.kind != "file" or (size := remote.size_of(clip.stamp)) is None:
                return None
            total += size
            continue
        try:
            files = frame_files(Path(clip.path)) if clip.kind == "frames" else [Path(clip.path)]
            total += sum(os.stat(f).st_size for f in files)
        except OSError:
            continue
    return total


def _folds(arrays: Arrays, record: dict[str, Any]) -> tuple[Fold, ...]:
    folds = []
    for name, of in record["features"].items():
        states = {}
        for state, kind in of["states"].items():
            start = f"{name}/{state}/"
            own = {k[len(start) :]: a for k, a in arrays.items() if k.startswith(start)}
            states[state] = KINDS[kind].from_arrays(own)
        folds.append(Fold(states, dict.fromkeys(states, 1)))
    return tuple(folds)


def _size(folded: Fold) -> int:
    return sum(a.nbytes for s in folded.states.values() for a in s.to_arrays().values())


def _peak_memory(whose: str) -> int | None:
    """Largest resident bytes of this process, or of any of its ended children."""
    try:
        import resource
    except ImportError:
        return None
    who = resource.RUSAGE_SELF if whose == "self" else resource.RUSAGE_CHILDREN
    peak = resource.getrusage(who).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
