"""Jumble: a permutation of each stretch, each as likely as any other."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.corruptions.pictures import SEVERITIES, draws, made

LENGTH = {1: 32, 2: 16, 3: 8, 4: 4, 5: 2}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("total", [1, 2, 31, 64, 100])
def test_frames_stay_in_their_stretch(severity: int, total: int) -> None:
    found, length = made("jumble", severity), LENGTH[severity]
    times = found.times(total, draws(found)).tolist()
    assert len(times) == total
    for begin in range(0, total, length):
        part = times[begin : begin + length]
        assert sorted(part) == list(range(begin, min(begin + length, total)))


def test_every_order_comes_alike() -> None:
    found = made("jumble", 4)
    orders = Counter(
        tuple(t - b for t in found.times(400, draws(found, clip))[b : b + 4])
        for clip in "abcdef"
        for b in range(0, 400, 4)
    )
    assert len(orders) == 24 and max(orders.values()) < 25 + 6 * 5 and min(orders.values()) > 25 - 5 * 5 + 1


def test_it_gets_milder_upwards() -> None:
    away = [
        max(abs(t - i) for i, t in enumerate(made("jumble", s).times(128, draws(made("jumble", s))).tolist()))
        for s in SEVERITIES
    ]
    assert away == sorted(away, reverse=True) and away[-1] == 1
