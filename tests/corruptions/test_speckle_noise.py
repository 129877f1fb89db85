"""Speckle noise: in proportion to the level, moments in closed form; black stays black."""

from __future__ import annotations

import pytest

from tests.corruptions.pictures import SEVERITIES, assert_moments, cut_normal, draws, flat, made

SIGMA = {1: 0.15, 2: 0.2, 3: 0.25, 4: 0.3, 5: 0.35}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("level", [40, 128, 255])
def test_moments_are_those_of_a_cut_normal_number(severity: int, level: int) -> None:
    found = made("speckle_noise", severity)
    noisy = found.change(flat(level), draws(found), 0)
    assert_moments(noisy, *cut_normal(level, level * SIGMA[severity]))


def test_black_stays_black() -> None:
    found = made("speckle_noise", 5)
    assert not found.change(flat(0), draws(found), 0).any()
