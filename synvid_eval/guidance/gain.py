"""What a search gained, measured again: fresh seeds, more clips, a half of the reference that it never saw.

A search makes its objectives small on the clips that it looks at, so what it reports of them is too good, and
the best of many trials is partly the luckiest. So its best few are measured again before one is kept
(`confirmed`), with more clips of another seed, still against the half that it saw. Then the preset as it was
and what was found are drawn anew with the same random numbers, on a third seed, and both are compared with
the other half; the ratio of their objectives has an interval from leaving out the same block of clips of
both, and blocks of the reference.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits

from synvid_eval.comparison import DEFAULT_METRICS, compare_measured, prepare
from synvid_eval.errors import DataError
from synvid_eval.guidance.bench import Bench, Estimate, Seen, look, of_both
from synvid_eval.guidance.search import Search, Trial, best, shares, worst
from synvid_eval.measurement import Measurement, Measurer, Options
from synvid_eval.media import previews
from synvid_eval.metrics.base import Unscored
from synvid_eval.randomness import address
from synvid_eval.score import Comparison
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.groups import source_groups
from synvid_eval.video.layouts import count_of
from synvid_eval.video.videoset import VideoSet

FEWEST = 100
"""Clips that a gain is measured with, at least: from so many on Fréchet distances bear an interval."""

CANDIDATES = 8
"""Trials that are measured again before one is kept."""

AFTER = "found"
_DOMAIN = "synvid_eval.guidance.gain"


def halves(videos: VideoSet) -> tuple[VideoSet, VideoSet]:
    """A set in two, no source group in both (`video.groups`), each class and the whole in even parts as far
    as groups allow: the half that a search sees, and the one that it does not.

    Raises:
        DataError: fewer than two groups of clips, a half of fewer than two clips.
    """
    groups = source_groups(videos)
    labels = {clip.id: clip.label or "" for clip in videos.clips}
    clips: dict[str, list[str]] = {}
    for clip in videos.clips:
        clips.setdefault(groups[clip.id], []).append(clip.id)
    if len(clips) < 2:
        raise DataError(
            f"{videos.name} has {count_of(len(clips), 'source group')}, too few for two halves.",
            "Give a larger set.",
        )
    taken: tuple[set[str], set[str]] = (set(), set())
    of_class: dict[tuple[int, str], int] = {}
    for name in sorted(clips, key=lambda g: (labels[clips[g][0]], address(_DOMAIN, g), g)):
        label = labels[clips[name][0]]
        side = min((0, 1), key=lambda i: (of_class.get((i, label), 0), len(taken[i]), i))
        taken[side].update(clips[name])
        of_class[side, label] = of_class.get((side, label), 0) + len(clips[name])
    if min(map(len, taken)) < 2:
        many = f"{count_of(len(videos.clips), 'clip')} in {count_of(len(clips), 'source group')}"
        raise DataError(
            f"{videos.name} has {many}: a half of them is one clip, and two are the fewest to compare with.",
            "Give a larger set.",
        )
    # what cannot be read belongs to neither: it is told of the whole set
    bare = replace(videos, skipped=())
    first, second = (bare.only(ids, f"{len(ids)} clips, a half by source group") for ids in taken)
    return replace(first, name=f"{videos.name}-seen"), replace(second, name=f"{videos.name}-unseen")


def confirmed(search: Search, trials: Sequence[Trial]) -> tuple[Trial, list[tuple[Trial, dict[str, float]]]]:
    """(the trial that is kept, each of the best `CANDIDATES` and of the preset as it is with its objectives
    as shares of the start's, as measured again): the one whose worst share is smallest.

    Raises:
        DataError: no trial keeps the constraints; none can be measured again.
    """
    bench, minimize = search.bench, search.asked.minimize
    clips, seed = fresh(bench), bench.options.seed + 2
    start = bench.seen(bench.measure({}, clips, seed))
    rows = []
    candidates = best(trials, search.start, minimize, CANDIDATES)
    # the preset as it is, where it was a trial: nothing is kept that does not beat it
    candidates += [t for t in trials[:1] if t.feasible and t.knobs == bench.fixed and t not in candidates]
    for trial in candidates:
        seen = bench.seen(bench.measure(trial.knobs, clips, seed))
        found = {label: one.objective for label, one in seen.items()}
        kept = all(k.broken(seen[k.metric].value, start[k.metric].value) <= 0 for k in search.asked.keep)
        if kept and all(math.isfinite(found[label]) for label in minimize):
            rows.append((trial, shares(found, start, minimize)))
    if not rows:
        bounds = "".join(f" --keep {k.text}" for k in search.asked.keep) or " its numbers"
        raise DataError(
            f"None of the {len(candidates)} best trials holds{bounds} when measured again with {clips} clips "
            "of another seed.",
            "Loosen it, give more --clips, or search longer.",
        )
    return min(rows, key=lambda row: (*worst(row[1]), row[0].turn))[0], rows


def apart(videos: VideoSet, unseen: VideoSet) -> VideoSet:
    """A set without the clips that another has, however both were named; a palette of the reference is taken
    of the half that may be seen.

    Raises:
        DataError: nothing is left.
    """

    def place(clip: ClipRef) -> tuple[str, int, int]:
        path = clip.path if clip.kind in ("preset", "memory") else os.path.realpath(clip.path)
        return path, clip.index, clip.length

    hidden = {place(clip) for clip in unseen.clips}
    left = {clip.id for clip in videos.clips if place(clip) not in hidden}
    if not left:
        raise DataError(f"{videos.name} holds only clips that the search must not see.", "Give another set.")
    return (
        videos if len(left) == len(videos.clips) else videos.only(left, "without the half that is not seen")
    )


AGAIN = CANDIDATES + 1 + 2
"""Sets that are measured once the trials are done: those, the start beside them, and both for the gain."""


def again_clips(bench: Bench) -> int:
    """Clips that are measured once the trials are done."""
    return AGAIN * fresh(bench)


def fresh(bench: Bench) -> int:
    """Clips that are drawn to measure again."""
    return max(FEWEST, 4 * bench.clips)


@dataclass(frozen=True)
class Gain:
    """What was gained. comparison: start and found against the unseen half, all weight-free metrics and those
    that were minimized. rows: of those, ready for JSON. clips, seed: of both sets.
    """

    comparison: Comparison
    rows: list[dict[str, Any]]
    clips: int
    seed: int

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"clips": self.clips, "seed": self.seed, "metrics": self.rows}


def measured_again(
    bench: Bench,
    found: Mapping[str, str],
    unseen: VideoSet,
    minimize: Sequence[str],
    options: Options,
    *,
    settings: Sequence[str] = (),
    networks: Any = None,
    with_media: bool = False,
    command: str = "",
) -> Gain:
    """Measures a bench's preset and what was found (knob → text) on a fresh seed with at least `FEWEST`
    clips, four times those of a trial where that is more, against `unseen`.

    Raises:
        DataError: clips that cannot be drawn or read.
    """
    began = time.monotonic()
    clips, seed = fresh(bench), options.seed + 1
    asked = list(dict.fromkeys([*(m.name for m in bench.recipe.metrics), *DEFAULT_METRICS]))
    made, _ = prepare([unseen], metrics=asked, settings=settings, networks=networks, seed=options.seed)
    chosen = replace(options, sampler=made.sampler)
    start, after = bench.videos({}, clips, seed), replace(bench.videos(found, clips, seed), name=AFTER)
    if start.name == AFTER:
        after = replace(after, name=f"{AFTER}-again")
    opened: list[VideoSet | Measurement] = [start, after, unseen]
    with Measurer(made.features, chosen) as measurer:
        sets = [measurer.measure(one) for one in opened if isinstance(one, VideoSet)]
    comparison = compare_measured(
        sets[:-1], sets[-1], made, chosen, with_media=with_media, command=command, started=began
    )
    if with_media:
        # frames of the reference may not be ours to show
        shown = previews(comparison.media["metrics"], sets, opened, chosen, {unseen.name})
        comparison = replace(comparison, media={**comparison.media, **shown})
    rows = []
    for metric in made.metrics:
        label = made.label(metric)
        feature = next(f for f in made.features if f.name == metric.feature)
        sides = [one.sides[metric.feature] for one in sets]
        with threadpool_limits(1):
            try:
                settled = metric.settle(sides, feature)
            except Unscored as error:
                rows.append(_row(metric, label, label in minimize, None, None, str(error)))
                continue
            one, other = (look(settled, label, side, sides[-1]) for side in sides[:-1])
        rows.append(_row(metric, label, label in minimize, one, other, one.reason or other.reason))
    return Gain(comparison, rows, clips, seed)


def _ratio(metric: Any, start: Seen, after: Seen) -> Estimate:
    """found / start, corrected where both are distances; no interval where the start is not told from 0."""
    told = of_both(lambda one, other: other / one, start, after, unbiased=metric.kind != "distance")
    # the start against nothing: whether there was a gap at all
    gap = of_both(lambda one, _: one, start, after, unbiased=metric.kind != "distance")
    if told.reason or gap.low > 0:
        return told
    why = "The preset's own gap is not told from 0: a share of it means little."
    return replace(told, low=math.nan, high=math.nan, reason=why)


def _row(
    metric: Any, label: str, minimized: bool, start: Seen | None, after: Seen | None, reason: str
) -> dict[str, Any]:
    about = {"metric": label, "unit": metric.unit, "better": metric.better, "minimized": minimized}
    if start is None or after is None or reason:
        empty = {"start": None, "found": None, "ratio": None, "difference": None}
        return {**about, **empty, "reason": reason}
    told = [{"value": s.value, "objective": s.objective} for s in (start, after)]
    ratio = None
    if metric.kind != "richness" and start.objective > 0:
        ratio = _ratio(metric, start, after).facts()
    difference = of_both(lambda one, other: other - one, start, after).facts()
    return {
        **about,
        "start": told[0],
        "found": told[1],
        "ratio": ratio,
        "difference": difference,
        "reason": None,
    }
