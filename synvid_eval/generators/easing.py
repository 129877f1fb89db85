"""Easings: how far a thing has gone on its way at each frame of a clip, as numbers that start near 0.

Source: Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action Recognition with Automatically
Generated Fractal Datasets" (arXiv 2411.17584), and its released code, of which all numbers here are. One draw
gives the easings of several things together: with probability 0.2 all are linear; else, with 0.4, all share
one that is not linear; else each takes one of a linear easing and one or two that are not. What is not linear
is sharp with probability 0.2 (waits, goes in 4 to 8 frames, waits), curved with 0.55 (a quadratic spline
through 5 to 9 heights between 0 and 1, which may overshoot) or periodic with 0.25 (a sine of wandering
frequency and amplitude).

Different here: the released code cannot ease clips of fewer than 16 frames; ours shortens the waits and the
sharp step, so clips of any length can be had. It sums the phase of periodic easings in steps of 0.01 and
takes every so many of them; ours is the integral at 2π / period a frame.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness

LINEAR = 0.2
"""Probability that all easings of a draw are linear."""

SHARED = 0.4
"""Probability that all easings of a draw that is not linear are the same one."""

KINDS = (("sharp", 0.2), ("curved", 0.55), ("periodic", 0.25))
"""What is not linear, with its probability."""

WAIT = 4
"""Frames that a sharp easing waits at least, at both ends."""

REDRAWS = 6
"""Times that the heights of a curved easing are drawn at most, for want of steepness."""

STEEP = 0.45
"""Mean step between a curved easing's heights above which they are kept."""


def easings(key: int, frames: int, count: int) -> NDArray[np.float64]:
    """`count` easings of a clip of `frames` frames: float64 [frames, count], near [0, 1].

    Args:
        key: the 64-bit key that addresses the draw. frames, count: ≥ 1.
    """
    linear, shared, several, *picks = _units(key, "choice", 3 + count).tolist()
    straight = np.linspace(0, 1, frames)
    if linear < LINEAR:
        choices = [straight]
    elif shared < SHARED:
        choices = [_nonlinear(key, 0, frames)]
    else:
        bent = min(count, 1 + int(2 * several))
        choices = [*(_nonlinear(key, number, frames) for number in range(bent)), straight]
    return np.stack([choices[int(pick * len(choices))] for pick in picks], 1)


def quadratic(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quadratic spline through `values` float64 [N ≥ 3], evenly spaced over [0, 1], at the places `at`
    [M] in [0, 1]: float64 [M]. Which of the splines: that of `scipy.interpolate.interp1d`.
    """
    found: NDArray[np.float64] = _basis(len(values))(at) @ values
    return found


def _units(key: int, what: str, count: int) -> NDArray[np.float64]:
    return randomness.unit(
        randomness.stream(randomness.address("synvid_eval.generators.easing", key, what), count)
    )


def _whole(unit: float, low: int, high: int) -> int:
    """A draw in [0, 1) as a whole number of [low, high]."""
    return low + int(unit * (high - low + 1))


def _nonlinear(key: int, number: int, frames: int) -> NDArray[np.float64]:
    """Easing `number` of a draw that is not linear: float64 [frames]."""
    kind, first, second = _units(key, f"kind {number}", 3).tolist()
    if kind < KINDS[0][1]:
        return sharp(frames, first, second)
    if kind < KINDS[0][1] + KINDS[1][1]:
        knots = _whole(first, 5, 9)
        heights = _units(key, f"heights {number}", REDRAWS * knots).reshape(REDRAWS, knots)
        curved: NDArray[np.float64] = _through(frames, knots) @ steep(heights)
        return curved
    period = _whole(first, 5, 15)
    amplitude = (1.5 + 2.5 * second) * period / 100
    knots = 2 * (-(-frames // period) + 1)
    wander = _units(key, f"wander {number}", 2 * knots).reshape(2, knots)
    return amplitude * periodic(frames, period, 0.15 + 1.55 * wander[0], 0.6 + 0.4 * wander[1])


def sharp(frames: int, step: float, start: float) -> NDArray[np.float64]:
    """0, then a ramp of 4 to 8 frames (`step` in [0, 1)), then 1; float64 [frames]. The ramp begins (`start`
    in [0, 1)) and ends at least `WAIT` frames from the ends, or a quarter of a clip shorter than 16 frames.
    """
    wait = min(WAIT, frames // 4)
    ramp = min(_whole(step, 4, 8), frames - 2 * wait)
    begin = _whole(start, wait, frames - ramp - wait)
    eased = np.ones(frames)
    eased[:begin] = 0
    eased[begin : begin + ramp] = np.linspace(0, 1, ramp)
    return eased


def steep(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first row of float64 [redraws, knots] whose mean step exceeds `STEEP`, else the last."""
    steps = np.abs(np.diff(heights, axis=1)).mean(1) > STEEP
    found: NDArray[np.float64] = heights[int(steps.argmax()) if steps.any() else -1]
    return found


def periodic(
    frames: int, period: int, frequency: NDArray[np.float64], amplitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(1 + a sin(φ − π/2)) / 2 at each frame, in [0, 1] where a ≤ 1: float64 [frames]. φ is the integral of
    the frequency over the way gone, 2π / period a frame; frequency and amplitude a are quadratic splines
    through values [N] a way of π apart.
    """
    from scipy.interpolate import make_interp_spline

    both = make_interp_spline(math.pi * np.arange(len(frequency)), np.stack([frequency, amplitude], 1), k=2)
    way = 2 * math.pi / period * np.arange(frames)
    swing, phase = both(way)[:, 1], both.antiderivative()(way)[:, 0]
    eased: NDArray[np.float64] = (1 + swing * np.sin(phase - math.pi / 2)) / 2
    return eased


@functools.lru_cache(maxsize=16)
def _basis(knots: int) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The splines through a 1 and zeros: places [M] → float64 [M, knots]."""
    from scipy.interpolate import make_interp_spline

    spline: Callable[[NDArray[np.float64]], NDArray[np.float64]] = make_interp_spline(
        np.linspace(0, 1, knots), np.eye(knots), k=2
    )
    return spline


@functools.lru_cache(maxsize=64)
def _through(frames: int, knots: int) -> NDArray[np.float64]:
    """float64 [frames, knots], read-only: times heights, a curved easing."""
    found: NDArray[np.float64] = _basis(knots)(np.linspace(0, 1, frames))
    found.flags.writeable = False
    return found
