"""What every metric says when a side has too few rows for a value, or for an interval."""

from __future__ import annotations

from synvid_eval.metrics.base import Unscored
from synvid_eval.states import Moments, Side


def needed(metric: str, side: Side, state: str, least: int, noun: str, who: str = "this set") -> Moments:
    """The folded `Moments` of a state that must hold at least `least` rows (weight n ≥ least ≥ 1).

    noun: what the rows are, plural ("tubelets at stride 4"). who: the side in the sentence ("the candidate").
    Raises Unscored saying what is needed and what was seen; no data is never a number.
    """
    moments = side.moments(state)
    seen = 0.0 if moments is None else moments.n
    if moments is None or seen < least:
        raise Unscored(f"{metric} needs {least} or more {noun}; {who} has {seen:g}.")
    return moments


def too_few(seen: float, noun: str, metric: str, least: int | str) -> str:
    """Why a side bears no interval, as a clause after its name (see `Metric.interval_gate`).

    seen: how many `noun` (plural) it has. least: how many an interval of `metric` needs.
    """
    return f"has {seen:.15g} {noun}, and an interval of {metric} needs {least}"
