"""Motion blur: the streak against its definition, frames against the sum of shifted ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synvid_eval.corruptions.motion_blur import streak
from tests.corruptions.pictures import SEVERITIES, draws, flat, made, smooth

TABLE = {1: (10, 3), 2: (15, 5), 3: (15, 8), 4: (15, 12), 5: (20, 15)}


def steps(radius: int, sigma: float, angle: float) -> list[tuple[int, int, float]]:
    """(rows, columns, weight) of each sample, one by one."""
    weights = [math.exp(-i * i / (2 * sigma * sigma)) for i in range(2 * radius + 1)]
    down, right = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    places = [(math.ceil(i * down - 0.5), math.ceil(i * right - 0.5)) for i in range(len(weights))]
    return [(y, x, w / sum(weights)) for (y, x), w in zip(places, weights, strict=True)]


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("angle", [0.0, 45.0, -45.0, 17.3, -31.8])
def test_the_streak_is_its_definition(severity: int, angle: float) -> None:
    kernel, (column, row) = streak(*TABLE[severity], angle)
    assert kernel.sum() == pytest.approx(1, abs=1e-6) and kernel.min() >= 0
    wanted = np.zeros_like(kernel)
    for y, x, weight in steps(*TABLE[severity], angle):
        wanted[row + y, column + x] += weight
    assert np.allclose(kernel, wanted, atol=1e-7)


def test_along_the_rows_it_is_half_a_bell() -> None:
    kernel, anchor = streak(10, 3, 0.0)
    assert kernel.shape == (1, 21) and anchor == (0, 0)
    ratios = kernel[0, 1:] / kernel[0, :-1]
    assert np.allclose(ratios, [math.exp(-(2 * i + 1) / 18) for i in range(20)], rtol=1e-4)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_frame_is_the_sum_of_shifted_ones(severity: int, index: int) -> None:
    found, frame = made("motion_blur", severity), smooth()
    angle = draws(found).uniform("angle", -45, 45, index)
    reach = 2 * TABLE[severity][0] + 1
    padded = np.pad(frame.astype(float), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    wanted = np.zeros(frame.shape)
    for y, x, weight in steps(*TABLE[severity], angle):
        top, left = reach + y, reach + x
        wanted += weight * padded[top : top + frame.shape[0], left : left + frame.shape[1]]
    assert np.abs(found.change(frame, draws(found), index) - wanted).max() <= 0.501


def test_angles_fill_their_range_and_one_level_stays() -> None:
    found = made("motion_blur", 3)
    angles = [draws(found).uniform("angle", -45, 45, i) for i in range(400)]
    assert min(angles) < -42 and max(angles) > 42 and abs(np.mean(angles)) < 5 * 26 / 20
    assert (found.change(flat(200, 40, 40), draws(found), 0) == 200).all()
