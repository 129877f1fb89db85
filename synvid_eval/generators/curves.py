"""Curves: how far, from 0 (first keyframe) to 1 (last), each map of a fractal has come at each frame.

Source: Svyezhentsev, Retsinas, Maragos 2024 (arXiv 2411.17584) and its released code. With probability 0.2
all maps go evenly (`linear`). Else with probability 0.4 all follow one curve; otherwise there are one or two
curves beside the even one, and each map takes any of these. A curve is sharp, smooth or periodic with
probability 0.2, 0.55, 0.25. Frames, not seconds, are what their lengths are in.

* sharp: 0, then an even rise over 4 to 8 frames, then 1; at least four frames are before and four after it.
  A clip too short for that (the paper's have 18 to 20 frames) has a rise that fits, and less around it.
* smooth ("curve" there): a quadratic spline through 5 to 9 values at even distances, uniform in [0, 1], drawn
  up to six times until neighbours differ by more than 0.45 on average. It may swing beyond [0, 1].
* periodic: a sine of wandering frequency and amplitude about ½, times 0.015 to 0.04 of its period, of 5 to 15
  frames: it trembles about the first keyframe. The phase is the exact integral of the frequency's spline
  (there: a sum of steps of 0.01).

Draws come from a function of a quantity's name and a count, so that each has numbers of its own whatever the
others take.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

Draws = Callable[[str, int], Curve]
"""(name of a quantity, n) → n numbers in [0, 1), always the same."""

ALL_LINEAR = 0.2
"""Probability that all maps go evenly (released code)."""

ONE_CURVE = 0.4
"""Probability, of the others, that all maps follow one curve (released code)."""

SHARP, SMOOTH, PERIODIC = 0.2, 0.55, 0.25
"""Probabilities of the kinds of curve (released code)."""

TRIES = 6
"""How often a smooth curve is drawn at most (released code)."""

UNEVEN = 0.45
"""What neighbouring values of a smooth curve differ by at least, on average, but for the last try."""

_RISE = (4, 8)
_AROUND = 4
_KNOTS = (5, 9)
_PERIOD = (5, 15)
_AMPLITUDE = (1.5, 4.0)  # hundredths of the period
_FREQUENCY = (0.15, 1.7)
_SWING = (0.6, 1.0)


def whole(draw: float, low: int, high: int) -> int:
    """A number in [0, 1) as a whole number from low to high, both included."""
    return low + int(draw * (high - low + 1))


def linear(frames: int) -> Curve:
    """Even from 0 to 1: float64 [frames]; of a single frame, 0."""
    return np.linspace(0, 1, frames)


def sharp(frames: int, draws: Draws) -> Curve:
    """See the module's docstring: float64 [frames] in [0, 1]."""
    rise, begin = draws("sharp", 2)
    length = min(whole(rise, *_RISE), frames)
    around = min(_AROUND, (frames - length) // 2)
    before = whole(begin, around, frames - length - around)
    return np.concatenate([np.zeros(before), linear(length), np.ones(frames - length - before)])


def smooth(frames: int, draws: Draws) -> Curve:
    """See the module's docstring: float64 [frames]."""
    knots = whole(draws("smooth.knots", 1)[0], *_KNOTS)
    values = draws("smooth.values", TRIES * _KNOTS[1]).reshape(TRIES, _KNOTS[1])[:, :knots]
    chosen = next((v for v in values if np.abs(np.diff(v)).mean() > UNEVEN), values[-1])
    return _through(chosen, frames)


def periodic(frames: int, draws: Draws) -> Curve:
    """See the module's docstring: float64 [frames], from 0 to 0.6 and a little beyond."""
    from scipy.interpolate import make_interp_spline

    length, height = draws("periodic", 2)
    period = whole(length, *_PERIOD)
    periods = math.ceil(frames / period)
    knots = np.pi * np.arange(2 * periods + 3)  # twice a period, to one period beyond the last
    frequency = _between(draws("periodic.frequency", len(knots)), *_FREQUENCY)
    swing = _between(draws("periodic.swing", len(knots)), *_SWING)
    at = 2 * np.pi * np.arange(frames) / period
    phase = make_interp_spline(knots, frequency, k=2).antiderivative()(at)
    wave = np.sin(phase - np.pi / 2) * make_interp_spline(knots, swing, k=2)(at)
    found: Curve = _between(height, *_AMPLITUDE) * period / 100 * (wave + 1) / 2
    return found


def around_one(frames: int, draws: Draws, strength: float = 0.4) -> Curve:
    """A smooth factor, float64 [frames]: a quadratic spline through 4 to 7 values at even distances, uniform
    in 1 ± strength (released code: what instances of a class are mutated by).
    """
    knots = whole(draws("knots", 1)[0], 4, 7)
    return _through(_between(draws("values", 7)[:knots], 1 - strength, 1 + strength), frames)


def courses(frames: int, maps: int, draws: Draws) -> Curve:
    """The course of each map, as published: float64 [frames, maps]."""
    law = draws("law", 2)
    even = np.repeat(linear(frames)[:, None], maps, axis=1)
    if law[0] < ALL_LINEAR:
        return even
    if law[1] < ONE_CURVE:
        return np.repeat(_one(frames, draws, "0")[:, None], maps, axis=1)
    many = whole(draws("many", 1)[0], 1, 2)
    choice = np.stack([*(_one(frames, draws, str(k)) for k in range(many)), linear(frames)], axis=1)
    taken = (draws("taken", maps) * (many + 1)).astype(np.int64)
    return choice[:, taken]


def _one(frames: int, draws: Draws, name: str) -> Curve:
    """A curve of a kind that is drawn."""
    kind = draws(f"{name}.kind", 1)[0]
    law = sharp if kind < SHARP else smooth if kind < SHARP + SMOOTH else periodic
    return law(frames, lambda quantity, count: draws(f"{name}.{quantity}", count))


def _between(draws: Curve | float, low: float, high: float) -> Curve:
    return low + (high - low) * np.asarray(draws)


def _through(values: Curve, frames: int) -> Curve:
    """A quadratic spline through values at even distances: float64 [frames]."""
    from scipy.interpolate import make_interp_spline

    found: Curve = make_interp_spline(linear(len(values)), values, k=2)(linear(frames))
    return found
