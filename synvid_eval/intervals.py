"""Intervals: the weighted delete-m_j jackknife over blocks of clips (numpy and scipy only).

A set is 20 blocks of clips by hash. Leaving out one block at a time shows how much a number depends on which
clips were drawn, without assuming anything of the number, and how it depends on their *number*: the bias of
order 1/n that Fréchet distances and ranks carry. Bootstraps fail at both here: duplicated clips lower the
effective n and move the whole interval off the estimate.

Source: Busing, Meijer & van der Leeden 1999, Delete-m jackknife for unequal m, Statistics and Computing 9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

MIN_GROUPS = 10
"""Fewest non-empty blocks an interval is made of."""


@dataclass(frozen=True)
class Jackknife:
    """estimate: the bias-corrected number. variance: of it, ≥ 0. groups: blocks left out in turn."""

    estimate: float
    variance: float
    groups: int


def jackknife(value: float, leave_out: ArrayLike, clips: ArrayLike) -> Jackknife:
    """Bias and variance of `value` from its values with one block left out.

    Args:
        value: θ, of all blocks.
        leave_out: θ₍₋ⱼ₎ [g], with block j left out; not looked at where a block is empty.
        clips: m_j [g], the number of clips in block j, ≥ 0.

    With n = Σ m_j and h_j = n / m_j: estimate = g·θ − Σ (1 − m_j/n)·θ₍₋ⱼ₎; variance = 1/g Σ (τ_j − estimate)²
    / (h_j − 1) with τ_j = h_j·θ − (h_j − 1)·θ₍₋ⱼ₎. Raises ValueError below 2 non-empty blocks.
    """
    weights = np.asarray(clips, np.float64)
    values = np.asarray(leave_out, np.float64)
    if weights.shape != values.shape or weights.ndim != 1:
        raise ValueError(f"{values.shape} values left out and {weights.shape} numbers of clips")
    keep = weights > 0
    groups = int(keep.sum())
    if groups < 2:
        raise ValueError(f"a jackknife needs at least 2 non-empty blocks, got {groups}")
    weights, moved = weights[keep], value - values[keep]
    total = weights.sum()
    # Both formulas in differences from θ, so that a θ that is large beside its spread loses no digits.
    bias = float(((1 - weights / total) * moved).sum())
    rest = total / weights - 1
    variance = float(((rest * moved - bias) ** 2 / rest).mean())
    return Jackknife(value + bias, variance, groups)


def interval(center: float, sides: Sequence[Jackknife], level: float) -> tuple[float, float]:
    """center ± t·√Σ variance over independent sides; t has the smallest groups − 1 degrees of freedom.

    level: in (0, 1), 0.95 for 95 %.
    """
    error, t = _error(sides, level)
    return center - t * error, center + t * error


def skewed_interval(value: float, sides: Sequence[Jackknife], level: float) -> tuple[float, float]:
    """The interval of an estimate that scatters to the right: `interval` on the scale asinh(value / 2s), s
    the standard error, and back.

    Far from 0 that is the scale of logarithms, as suits a number ≥ 0 whose error grows with it. At 0 and
    below, where an unbiased estimate of 0 lies half of the time, it reaches as far up as down: 2.5 s at 95 %
    with 20 blocks. Such an interval leaves out 0 from a value of 1.75 s on, the plain one from 2.09 s. Why:
    plain intervals covered 92 % of the kernel distances of sets that differ, nearly all of the others lying
    above (`reports/intervals`). Arguments as of `interval`.
    """
    error, t = _error(sides, level)
    if not error:
        return value, value
    scale = 2 * error
    begin = max(value, 0.0)
    middle, half = math.asinh(begin / scale), t * error / math.hypot(begin, scale)
    low, high = (scale * math.sinh(end) - begin for end in (middle - half, middle + half))
    return value + low, value + high


def _error(sides: Sequence[Jackknife], level: float) -> tuple[float, float]:
    """The standard error over independent sides, and the quantile of Student's t that goes with it."""
    t = float(stdtrit(min(side.groups for side in sides) - 1, (1 + level) / 2))
    return math.sqrt(sum(side.variance for side in sides)), t


def corrected(value: float, sides: Sequence[Jackknife]) -> float:
    """`value` with the biases of all sides taken out."""
    return value + sum(side.estimate - value for side in sides)
