"""One metric, two sides → one Score: the value, its correction, its interval, and why one is missing.

What a score carries depends on the metric's kind. A *property* has an interval around its value from the
candidate's own blocks, and one of its difference from the reference from both. A *distance* is biased upward,
so the interval belongs to the `corrected` value; beside it stands `floor`, the same distance between two
halves of the reference. A *richness* depends on the number of clips: corrected, too, from the candidate's
blocks alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from synvid_eval.intervals import MIN_GROUPS, Jackknife, corrected, interval, jackknife
from synvid_eval.metrics.base import Detail, Metric, Unscored
from synvid_eval.score import LEVEL, Score
from synvid_eval.states import Side

NO_VALUE = "There is no value."


def score_pair(
    metric: Metric,
    candidate: Side,
    reference: Side,
    names: tuple[str, str],
    signature: str,
    level: float = LEVEL,
) -> Score:
    """The Score of `candidate` against `reference`.

    Args:
        metric: already settled for all sides of the comparison (see `unscored` where settling failed).
        names: of candidate and reference, for the sentences.
        signature: short form, taken over as it is.
        level: of the intervals, in (0, 1).

    A value that cannot be had is NaN with a reason; any other exception of a metric is a bug and passes
    through.
    """
    value, reason = _value(lambda: metric.value(candidate, reference))
    try:
        detail = metric.detail(candidate, reference)
    except Unscored:
        detail = {}
    n = {"candidate": candidate.clips(metric.state), "reference": reference.clips(metric.state)}
    notes = []
    if n["candidate"] != n["reference"]:
        bias = "" if metric.kind == "property" else f", and {metric.name} depends on their number"
        notes.append(
            f"The sets have different numbers of clips ({n['candidate']} and {n['reference']}){bias}."
        )
    score: dict[str, Any] = {"interval_reason": NO_VALUE}
    if metric.kind == "distance":
        detail |= _rows(metric, candidate, reference) | _floor(metric, reference, notes)
        if reason is None:
            score = _corrected(value, metric, (candidate, reference), names, level)
    else:
        detail |= {} if metric.kind == "property" else _rows(metric, candidate, reference)
        own, why_not = _value(lambda: metric.value(reference, reference))
        detail |= {"reference": own, "difference": value - own}
        if why_not is not None:
            notes.append(f"{names[1]}: {why_not}")
        if metric.kind == "richness" and reason is None:
            score = _corrected(value, metric, (candidate,), names, level)
        elif metric.kind == "property":
            if reason is None:
                score = _centered(value, metric, candidate, names[0], level)
            detail["difference_interval"] = None
            if reason is None and why_not is None:
                detail["difference_interval"], why_none = _difference(
                    value, own, metric, (candidate, reference), names, level
                )
                if why_none:
                    notes.append(f"No difference_interval: {why_none}")
    if notes:
        detail["notes"] = " ".join(notes)
    return _score(
        metric, names[0], n, signature, value=value, reason=reason, level=level, detail=detail, **score
    )


def unscored(
    metric: Metric,
    candidate: Side,
    reference: Side,
    name: str,
    signature: str,
    reason: str,
    level: float = LEVEL,
) -> Score:
    """The Score of a metric that could not be settled: no value, `reason`, n the clips measured."""
    n = {"candidate": candidate.measured, "reference": reference.measured}
    return _score(
        metric,
        name,
        n,
        signature,
        value=math.nan,
        reason=reason,
        level=level,
        interval_reason=NO_VALUE,
        detail={},
    )


def _score(metric: Metric, candidate: str, n: dict[str, int], signature: str, **rest: Any) -> Score:
    return Score(
        candidate=candidate,
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        n=n,
        signature=signature,
        **rest,
    )


def _value(compute: Callable[[], float]) -> tuple[float, str | None]:
    """A finite number and no reason, or NaN and the reason."""
    try:
        value = float(compute())
    except Unscored as error:
        return math.nan, str(error)
    if not math.isfinite(value):
        return math.nan, f"The computation gave {value}, which is no number to report."
    return value, None


def _rows(metric: Metric, candidate: Side, reference: Side) -> Detail:
    return {"rows_candidate": _weight(metric, candidate), "rows_reference": _weight(metric, reference)}


def _weight(metric: Metric, side: Side) -> int | float:
    """Rows (the weight n) of the metric's state, an integer where it is one."""
    state = side.state(metric.state)
    n = float(getattr(state, "n", 0.0))
    return int(n) if n.is_integer() else n


def _floor(metric: Metric, reference: Side, notes: list[str]) -> Detail:
    """The distance between the reference's even and odd blocks; NaN with a note below 2 clips a half."""
    halves = [reference.only(range(start, len(reference.blocks), 2)) for start in (0, 1)]
    clips = [half.clips(metric.state) for half in halves]
    floor, reason = (
        math.nan,
        f"the halves of the reference have {clips[0]} and {clips[1]} clips, 2 are needed.",
    )
    if min(clips) >= 2:
        floor, reason = _value(lambda: metric.value(halves[0], halves[1]))  # type: ignore[assignment]
    if reason:
        notes.append(f"No floor: {reason}")
    return {"floor": floor, "floor_rows": [_weight(metric, half) for half in halves]}


def _gate(metric: Metric, side: Side, name: str) -> str:
    """Why this side cannot carry an interval, as a sentence; empty where it can."""
    filled = sum(m > 0 for m in side.block_clips(metric.state))
    clause = ""
    if filled < MIN_GROUPS:
        if side.sources:
            clause = f"has clips from {filled} sources and an interval needs at least {MIN_GROUPS}"
        else:
            clips = side.clips(metric.state)
            clause = (
                f"has {clips} clips in {filled} blocks and an interval needs at least {MIN_GROUPS} blocks"
            )
    clause = clause or metric.interval_gate(side)
    return f"{name} {clause}." if clause else ""


def _gates(metric: Metric, sides: tuple[Side, ...], names: tuple[str, ...]) -> str:
    pairs = zip(sides, names, strict=False)
    return " ".join(filter(None, (_gate(metric, side, name) for side, name in pairs)))


def _left_out(value: float, metric: Metric, sides: tuple[Side, ...], turn: int, name: str) -> Jackknife:
    """The jackknife of one side, the others whole; Unscored where a left-out value cannot be had."""
    # Whole sides are folded once: the same bits, since a side is folded block by block from the left anyway.
    fixed = [Side((side.total(),), side.measured, side.sources) for side in sides]
    clips = sides[turn].block_clips(metric.state)
    values = []
    for index, count in enumerate(clips):
        if count == 0:
            values.append(math.nan)
            continue
        fixed[turn] = sides[turn].without(index)
        pair = (fixed[0], fixed[-1])
        left, reason = _value(lambda pair=pair: metric.value(*pair))  # type: ignore[misc]
        if reason is not None:
            raise Unscored(f"With one block of {name} left out: {reason}")
        values.append(left)
    return jackknife(value, values, clips)


def _corrected(
    value: float, metric: Metric, sides: tuple[Side, ...], names: tuple[str, ...], level: float
) -> dict[str, Any]:
    """`corrected` and its interval from the sides' blocks, or `interval_reason`."""
    why_not = _gates(metric, sides, names)
    if why_not:
        return {"interval_reason": why_not}
    try:
        parts = [_left_out(value, metric, sides, turn, names[turn]) for turn in range(len(sides))]
    except Unscored as error:
        return {"interval_reason": str(error)}
    center = corrected(value, parts)
    return {"corrected": center, "interval": interval(center, parts, level)}


def _centered(value: float, metric: Metric, side: Side, name: str, level: float) -> dict[str, Any]:
    """The interval around a property from its own blocks, or `interval_reason`."""
    why_not = _gate(metric, side, name)
    if why_not:
        return {"interval_reason": why_not}
    try:
        return {"interval": interval(value, [_left_out(value, metric, (side,), 0, name)], level)}
    except Unscored as error:
        return {"interval_reason": str(error)}


def _difference(
    value: float, own: float, metric: Metric, sides: tuple[Side, Side], names: tuple[str, str], level: float
) -> tuple[list[float] | None, str]:
    """The interval of a property's difference from both sides' blocks, or None and why."""
    why_not = _gates(metric, sides, names)
    if why_not:
        return None, why_not
    try:
        parts = [
            _left_out(v, metric, (s,), 0, name) for v, s, name in zip((value, own), sides, names, strict=True)
        ]
    except Unscored as error:
        return None, str(error)
    return list(interval(value - own, parts, level)), ""
