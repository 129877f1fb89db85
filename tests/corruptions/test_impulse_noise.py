"""Impulse noise: the share that is hit, half of it white; the rest as it was."""

from __future__ import annotations

import numpy as np
import pytest

from tests.corruptions.pictures import SEVERITIES, draws, flat, made, smooth

AMOUNT = {1: 0.03, 2: 0.06, 3: 0.09, 4: 0.17, 5: 0.27}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shares_are_those_of_the_table(severity: int) -> None:
    found, share = made("impulse_noise", severity), AMOUNT[severity]
    noisy = found.change(flat(100), draws(found), 0)
    error = 5 * np.sqrt(share * (1 - share) / noisy.size)
    assert abs(np.mean(noisy != 100) - share) < error
    for level in (0, 255):
        assert abs(np.mean(noisy == level) - share / 2) < error
    assert set(np.unique(noisy)) == {0, 100, 255}
    both = np.mean((noisy[..., 0] != 100) & (noisy[..., 1] != 100))
    assert abs(both - share**2) < 5 * share / np.sqrt(noisy.size / 3)  # channels one by one


def test_what_is_not_hit_stays() -> None:
    found, frame = made("impulse_noise", 5), smooth()
    noisy = found.change(frame, draws(found), 0)
    assert set(np.unique(noisy[noisy != frame])) == {0, 255}


def test_what_is_hit_at_one_severity_is_hit_at_the_next() -> None:
    hit = [
        made("impulse_noise", s).change(flat(9), draws(made("impulse_noise", s)), 0) != 9 for s in (1, 2, 5)
    ]
    assert (hit[0] <= hit[1]).all() and (hit[1] <= hit[2]).all()
