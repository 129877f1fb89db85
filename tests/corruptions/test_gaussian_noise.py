"""Gaussian noise: moments in closed form, cut at black and white; independent of what it falls on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.corruptions.pictures import SEVERITIES, assert_moments, cut_normal, draws, flat, made

SIGMA = {1: 0.08, 2: 0.12, 3: 0.18, 4: 0.26, 5: 0.38}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("level", [0, 60, 128, 250])
def test_moments_are_those_of_a_cut_normal_number(severity: int, level: int) -> None:
    found = made("gaussian_noise", severity)
    noisy = found.change(flat(level), draws(found), 3)
    assert_moments(noisy, *cut_normal(level, 255 * SIGMA[severity]))


def test_pixels_channels_and_frames_are_independent() -> None:
    found = made("gaussian_noise", 1)
    first, second = (found.change(flat(128), draws(found), i) - 128.0 for i in (0, 1))
    pairs = [(first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]
    pairs += [(first[..., 0], first[..., k]) for k in (1, 2)]
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_the_same_noise_grows_with_severity() -> None:
    first, last = (made("gaussian_noise", s) for s in (1, 2))
    a, b = (f.change(flat(128), draws(f), 0) - 128.0 for f in (first, last))
    inside = np.abs(b) < 100
    assert np.abs(b[inside] - a[inside] * 0.12 / 0.08).max() <= 1.25  # each is rounded
