"""What is found in a set, before anything is measured: layout, counts, sizes, rates, lengths, codecs, what
could go wrong, and what a measurement would cost here.

Every clip's headers are read, its packets counted and its first frame decoded, in worker processes of their
own. A file whose later frames do not decode is not noticed here: it is when it is measured.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from synvid_eval.cache import file_hash
from synvid_eval.estimate import PATIENCE, TRIED, try_clips
from synvid_eval.execute import Failure, Processes
from synvid_eval.features.base import Feature
from synvid_eval.measurement import Options, Progress
from synvid_eval.prober import probe_task
from synvid_eval.video import remote, spans
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import count_of, frame_files, natural
from synvid_eval.video.sampling import STRIDES
from synvid_eval.video.videoset import VideoSet

SCHEMA = "synvid-eval/inspect/1"
NOTED = 20


@dataclass(frozen=True)
class Lengths:
    """Frames a clip: the shortest, the median, the longest, and all together."""

    shortest: int
    median: float
    longest: int
    total: int


@dataclass(frozen=True)
class Cost:
    """What measuring the set would cost here, from `tried` clips that were measured: an estimate.

    seconds: with `workers` processes, start included. memory_bytes: of all processes. cache_bytes: what the
    cache would keep.
    """

    tried: int
    workers: int
    seconds_per_clip: float
    seconds: float
    memory_bytes: int | None
    cache_bytes: int | None


@dataclass(frozen=True)
class Inspection:
    """What was found in a set; `to_dict` is what `inspect --json` writes (`schema inspect`)."""

    name: str
    location: str
    layout: str
    recognized: str
    found: int
    clips: int
    bytes: int | None
    labels: dict[str, int] = field(default_factory=dict)
    sizes: list[dict[str, int]] = field(default_factory=list)
    rates: list[dict[str, Any]] = field(default_factory=list)
    lengths: Lengths | None = None
    codecs: dict[str, int] = field(default_factory=dict)
    containers: dict[str, int] = field(default_factory=dict)
    pixel_formats: dict[str, int] = field(default_factory=dict)
    strides: dict[str, float] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cost: Cost | None = None
    cost_reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready plain data."""
        return {"schema": SCHEMA, **asdict(self)}


def inspect(videos: VideoSet, features: Sequence[Feature], options: Options, cost: bool = True) -> Inspection:
    """Looks at every clip of a set (headers, packet count, first frame), and tries what measuring `features`
    costs.

    A clip that hangs, crashes its process or cannot be opened is listed in `skipped`. Notes are those that a
    measurement would say, as far as they are seen: what only decoding shows is known of the clips that were
    tried.
    """
    skipped = [{"id": i, "reason": r} for i, r in videos.skipped]
    facts: dict[str, dict[str, Any]] = {}
    sizes: dict[str, list[int] | None] = {}
    options.progress.begin(videos.name, len(videos.clips))
    following = iter([*videos.ids, ""])
    options.progress.advance(0, cached=False, reading=next(following))
    workers = min(options.worker_count(), max(1, len(videos.clips)))
    pool = Processes(
        "synvid_eval.prober", workers, {"loud": options.loud}, options.decode_timeout, options.loud
    )
    try:
        answers = pool.map(probe_task(c) for c in videos.clips)
        for clip, (task, answer) in zip(videos.clips, answers, strict=True):
            name = task["clip"]["id"]
            sizes[clip.id] = _sizes(clip)
            reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
            if isinstance(answer, Failure) or reason is not None:
                skipped.append({"id": name, "reason": str(reason)})
            else:
                facts[name] = answer[1]
            options.progress.advance(1, cached=False, reading=next(following))
    finally:
        pool.close()
    good = tuple(c for c in videos.clips if c.id in facts)
    known = [sum(s) for s in sizes.values() if s is not None]
    seen = Inspection(
        name=videos.name,
        location=videos.location,
        layout=videos.layout,
        recognized=videos.said,
        found=videos.found,
        clips=len(good),
        bytes=sum(known) if known else _array_bytes(videos),
        labels=dict(sorted(Counter(c.label for c in good if c.label is not None).items())),
        sizes=[
            {"width": w, "height": h, "clips": n}
            for (h, w), n in Counter((f["size"][0], f["size"][1]) for f in facts.values()).most_common()
        ],
        rates=[
            {"fps": r, "clips": n}
            for r, n in Counter(
                round(f["fps"], 3) if f["fps"] else None for f in facts.values()
            ).most_common()
        ],
        lengths=_lengths([f["total"] for f in facts.values()]),
        codecs=_count(facts, "codec"),
        containers=_count(facts, "container"),
        pixel_formats=_count(facts, "pixel_format"),
        strides=_strides([f["total"] for f in facts.values()], options.sampler.length),
        duplicates=_duplicates(videos.name, good, facts, sizes, options.progress),
        skipped=_in_order(skipped),
    )
    noted = {i: [str(n) for n in f.get("notes", [])] for i, f in facts.items()}
    if not cost:
        return replace(seen, notes=_notes(videos, noted), cost_reason="not asked for")
    return _with_cost(seen, good, features, options, videos, noted)


def _with_cost(
    seen: Inspection,
    good: tuple[ClipRef, ...],
    features: Sequence[Feature],
    options: Options,
    videos: VideoSet,
    noted: dict[str, list[str]],
) -> Inspection:
    if not good:
        return replace(seen, notes=_notes(videos, noted), cost_reason="no clip can be opened")
    options.progress.begin(f"{videos.name}, what it costs", (tries := min(TRIED, len(good))))
    trials = try_clips([good], features, options)
    options.progress.advance(tries, cached=False)
    (trial,) = trials.sets
    reasons = [{"id": i, "reason": r} for i, r in trial.failed.items()]
    seen = replace(seen, skipped=_in_order([*seen.skipped, *reasons]), clips=seen.clips - len(reasons))
    for clip, notes in trial.notes.items():
        noted[clip] = list(dict.fromkeys([*noted.get(clip, []), *notes]))
    seen = replace(seen, notes=_notes(videos, {i: n for i, n in noted.items() if i not in trial.failed}))
    workers = min(options.worker_count(), max(1, seen.clips))
    seconds = trial.seconds(seen.clips, workers)
    if seconds is None or trial.seconds_per_clip is None:
        slow = f"no frame of {count_of(len(trial.slow), 'clip')} came within {PATIENCE:g} s"
        return replace(
            seen, cost_reason=slow if trial.slow else "none of the clips that were tried could be measured"
        )
    cost = Cost(
        trial.tried,
        workers,
        trial.seconds_per_clip,
        trials.startup + seconds,
        trials.memory(workers),
        trial.kept(seen.clips),
    )
    return replace(seen, cost=cost)


def _in_order(skipped: list[dict[str, str]]) -> list[dict[str, str]]:
    """By id, numbers in it as numbers."""
    return sorted(skipped, key=lambda s: natural(s["id"]))


def _notes(videos: VideoSet, noted: dict[str, list[str]]) -> list[str]:
    """What a measurement would note: of the set, then of its first clips."""
    each = [f"{clip}: {note}" for clip, notes in sorted(noted.items()) for note in notes]
    more = [f"and {count_of(len(each) - NOTED, 'more note')} on clips"] if len(each) > NOTED else []
    return [*videos.notes, *each[:NOTED], *more]


def _count(facts: dict[str, dict[str, Any]], key: str) -> dict[str, int]:
    return dict(Counter(str(f[key]) for f in facts.values() if f.get(key)).most_common())


def _lengths(totals: list[int]) -> Lengths | None:
    if not totals:
        return None
    return Lengths(min(totals), float(statistics.median(totals)), max(totals), sum(totals))


def _strides(totals: list[int], length: int) -> dict[str, float]:
    """Stride → share of the clips that are long enough for a run of `length` frames at it."""
    if not totals:
        return {}
    return {str(s): sum(t >= (length - 1) * s + 1 for t in totals) / len(totals) for s in STRIDES}


def _files(ref: ClipRef) -> list[Path] | None:
    """The files that hold a clip and nothing else; None where there are none."""
    if ref.kind == "file":
        return [Path(ref.path)]
    if ref.kind == "frames":
        return frame_files(Path(ref.path))
    return None


def _sizes(ref: ClipRef) -> list[int] | None:
    if ref.kind == spans.KIND:
        return [ref.length]
    if remote.is_remote(ref.path):
        size = remote.size_of(ref.stamp) if ref.kind == "file" else None
        return None if size is None else [size]
    try:
        files = _files(ref)
        return None if files is None else [os.stat(f).st_size for f in files]
    except OSError:
        return None


def _array_bytes(videos: VideoSet) -> int | None:
    try:
        files = {c.path for c in videos.clips if c.kind != "preset" and c.path}
        return sum(os.stat(f).st_size for f in files) if files else None
    except OSError:
        return None


def _duplicates(
    name: str,
    clips: Sequence[ClipRef],
    facts: dict[str, dict[str, Any]],
    sizes: dict[str, list[int] | None],
    progress: Progress,
) -> list[list[str]]:
    """Groups of clips with the same bytes. Only files of equal size are read, which may take as long as to
    read all of a set; so their number is told.
    """
    alike: dict[Any, list[ClipRef]] = defaultdict(list)
    same: dict[Any, list[str]] = defaultdict(list)
    for clip in clips:
        if content := facts[clip.id].get("content"):
            same[content].append(clip.id)
        elif sizes[clip.id]:
            alike[tuple(sizes[clip.id] or ())].append(clip)
    groups = [group for group in alike.values() if len(group) > 1]
    if groups:
        progress.begin(f"{name}, of equal sizes", sum(map(len, groups)))
    for group in groups:
        for clip in group:
            progress.advance(0, cached=False, reading=clip.id)
            if clip.kind == spans.KIND:
                hashes: tuple[str, ...] = (spans.clip_hash(clip),)
            elif remote.is_remote(clip.path):
                hashes = (remote.content(clip.stamp),)
            else:
                hashes = tuple(file_hash(os.fspath(f)) for f in _files(clip) or [])
            if all(hashes):
                same[hashes].append(clip.id)
            progress.advance(1, cached=False)
    return sorted(sorted(ids) for ids in same.values() if len(ids) > 1)
