"""One metric, two sides → one Score: the value, its correction, its interval, and why one is missing.

What a score carries depends on the metric's kind. A *property* has an interval around its value from the
candidate's own blocks, and one of its difference from the reference from both. A *distance* is biased upward,
so the interval belongs to the `corrected` value; beside it stands `floor`, the same distance between two
halves of the reference. An *unbiased* distance needs no correction: its interval, from both sides' blocks, is
around the value, and reaches further up than down where that is above 0 (`intervals.skewed_interval`). A
*richness* depends on the number of clips: corrected, too, from the candidate's blocks alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from synvid_eval.intervals import MIN_GROUPS, Jackknife, corrected, interval, jackknife, skewed_interval
from synvid_eval.metrics.base import Detail, Metric, Spread, Unscored
from synvid_eval.score import LEVEL, NO_DIFFERENCE, Score
from synvid_eval.states import Side

NO_VALUE = "There is no value."


def over_threads(count: int) -> Spread:
    """A map over `count` threads, in order, with at most `count` results ahead: inputs are drawn as needed.

    Linear algebra runs outside of Python's lock, so blocks left out of a costly metric go side by side; each
    is the same computation as before, so the same bits.
    """

    def spread(compute: Callable[[Any], float], inputs: Iterable[Any]) -> Iterator[float]:
        with ThreadPoolExecutor(count) as pool:
            waiting: deque[Future[float]] = deque()
            for one in inputs:
                waiting.append(pool.submit(compute, one))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    return spread if count > 1 else map


def score_pair(
    metric: Metric,
    candidate: Side,
    reference: Side,
    names: tuple[str, str],
    signature: str,
    level: float = LEVEL,
    label: str = "",
    spread: Spread = map,
) -> Score:
    """The Score of `candidate` against `reference`.

    Args:
        metric: already settled for all sides of the comparison (see `unscored` where settling failed).
        names: of candidate and reference, for the sentences.
        signature: short form, taken over as it is.
        level: of the intervals, in (0, 1).
        label: what the score is called where that is not the metric's name (`fid[random-inception]`).
        spread: maps over blocks left out (see `over_threads`).

    A value that cannot be had is NaN with a reason; any other exception of a metric is a bug and passes
    through.
    """
    value, reason = _value(lambda: metric.value(candidate, reference))
    try:
        detail = metric.detail(candidate, reference)
    except Unscored:
        detail = {}
    n = {"candidate": candidate.clips(metric.state), "reference": reference.clips(metric.state)}
    notes = list(filter(None, [detail.pop("notes", "")]))
    bare = [name for name, side in zip(names, (candidate, reference), strict=True) if side.statistics]
    if bare:
        notes.append(f"{' and '.join(bare)}: a file of mu and sigma, which knows neither clips nor recipe.")
    elif n["candidate"] != n["reference"]:
        bias = (
            "" if metric.kind in ("property", "unbiased") else f", and {metric.name} depends on their number"
        )
        notes.append(
            f"The sets have different numbers of clips ({n['candidate']} and {n['reference']}){bias}."
        )
    score: dict[str, Any] = {"interval_reason": NO_VALUE}
    if metric.pair:
        detail |= _rows(metric, candidate, reference) | _floor(metric, reference, notes)
        if reason is None and metric.kind == "distance":
            score = _corrected(value, metric, (candidate, reference), names, level, spread)
        elif reason is None:
            score = _around(value, metric, (candidate, reference), names, level, spread)
    else:
        detail |= {} if metric.kind == "property" else _rows(metric, candidate, reference)
        own, why_not = _value(lambda: metric.value(reference, reference))
        detail |= {"reference": own, "difference": value - own}
        if why_not is not None:
            notes.append(f"{names[1]}: {why_not}")
        if metric.kind == "richness" and reason is None:
            score = _corrected(value, metric, (candidate,), names, level, spread)
        elif metric.kind == "property":
            if reason is None:
                score = _around(value, metric, (candidate,), names, level, spread)
            detail["difference_interval"] = None
            if reason is None and why_not is None:
                detail["difference_interval"], why_none = _difference(
                    value, own, metric, (candidate, reference), names, level, spread
                )
                if why_none:
                    notes.append(f"{NO_DIFFERENCE}{why_none}")
    if notes:
        detail["notes"] = " ".join(notes)
    called = label or metric.name
    return _score(
        metric,
        called,
        names[0],
        n,
        signature,
        value=value,
        reason=reason,
        level=level,
        detail=detail,
        **score,
    )


def unscored(
    metric: Metric,
    n: dict[str, int],
    name: str,
    signature: str,
    reason: str,
    level: float = LEVEL,
    label: str = "",
) -> Score:
    """The Score of a metric that could not be settled or measured: no value, `reason`.

    n: clips of both sides.
    """
    score: dict[str, Any] = {"value": math.nan, "reason": reason, "level": level}
    score |= {"interval_reason": NO_VALUE, "detail": {}}
    return _score(metric, label or metric.name, name, n, signature, **score)


def _score(
    metric: Metric, label: str, candidate: str, n: dict[str, int], signature: str, **rest: Any
) -> Score:
    return Score(
        candidate=candidate,
        metric=label,
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
    n = math.nan if side.statistics else float(getattr(state, "n", 0.0))
    return int(n) if n.is_integer() else n


def _floor(metric: Metric, reference: Side, notes: list[str]) -> Detail:
    """The distance between the reference's even and odd blocks; NaN with a note below 2 clips a half."""
    if reference.statistics:
        return {"floor": math.nan, "floor_rows": [math.nan, math.nan]}
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
    if side.statistics:
        return f"{name} is a file of mu and sigma, which knows no clips."
    if filled < MIN_GROUPS:
        clips = side.clips(metric.state)
        if side.sources:
            clause = f"has clips from {filled} sources, and an interval needs {MIN_GROUPS}"
        else:
            clause = (
                f"has {clips} clips, too few for an interval: they fill {filled} of the {len(side.blocks)} "
                f"groups it is made from, and {MIN_GROUPS} are needed"
            )
    clause = clause or metric.interval_gate(side)
    return f"{name} {clause}." if clause else ""


def _gates(metric: Metric, sides: tuple[Side, ...], names: tuple[str, ...]) -> str:
    pairs = zip(sides, names, strict=False)
    return " ".join(filter(None, (_gate(metric, side, name) for side, name in pairs)))


def _left_out(
    value: float, metric: Metric, sides: tuple[Side, ...], turn: int, name: str, spread: Spread
) -> Jackknife:
    """The jackknife of one side, the others whole; Unscored where a left-out value cannot be had."""
    who = f"With one group of the clips of {name} left out"
    try:
        values = metric.left_out(sides, turn, spread)
    except Unscored as error:
        raise Unscored(f"{who}: {error}") from None
    clips = sides[turn].block_clips(metric.state)
    wrong = [v for v, count in zip(values, clips, strict=True) if count and not math.isfinite(v)]
    if wrong:
        raise Unscored(f"{who} the computation gave {wrong[0]}.")
    return jackknife(value, values, clips)


def _parts(
    value: float,
    metric: Metric,
    sides: tuple[Side, ...],
    names: tuple[str, ...],
    spread: Spread,
) -> list[Jackknife] | str:
    """The jackknife of each side, or why there is none."""
    why_not = _gates(metric, sides, names)
    if why_not:
        return why_not
    try:
        return [_left_out(value, metric, sides, turn, names[turn], spread) for turn in range(len(sides))]
    except Unscored as error:
        return str(error)


def _corrected(
    value: float,
    metric: Metric,
    sides: tuple[Side, ...],
    names: tuple[str, ...],
    level: float,
    spread: Spread,
) -> dict[str, Any]:
    """`corrected` and its interval from the sides' blocks, or `interval_reason`."""
    parts = _parts(value, metric, sides, names, spread)
    if isinstance(parts, str):
        return {"interval_reason": parts}
    center = corrected(value, parts)
    return {"corrected": center, "interval": interval(center, parts, level)}


def _around(
    value: float,
    metric: Metric,
    sides: tuple[Side, ...],
    names: tuple[str, ...],
    level: float,
    spread: Spread,
) -> dict[str, Any]:
    """The interval around the value itself from the sides' blocks, or `interval_reason`."""
    parts = _parts(value, metric, sides, names, spread)
    if isinstance(parts, str):
        return {"interval_reason": parts}
    of = skewed_interval if metric.kind == "unbiased" else interval
    return {"interval": of(value, parts, level)}


def _difference(
    value: float,
    own: float,
    metric: Metric,
    sides: tuple[Side, Side],
    names: tuple[str, str],
    level: float,
    spread: Spread,
) -> tuple[list[float] | None, str]:
    """The interval of a property's difference from both sides' blocks, or None and why."""
    both: list[Jackknife] = []
    for one, side, name in zip((value, own), sides, names, strict=True):
        parts = _parts(one, metric, (side,), (name,), spread)
        if isinstance(parts, str):
            return None, _gates(metric, sides, names) or parts
        both += parts
    return list(interval(value - own, both, level)), ""
