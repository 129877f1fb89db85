"""Learning rates against the formula written out anew."""

from __future__ import annotations

import math

import pytest

from synvid_eval.training.schedule import Cosine


def test_warm_up_and_cosine() -> None:
    rates = Cosine(steps=110, warmup=10, peak=1.0, last=0.1, first=0.01)
    for step in range(10):
        assert rates.rate(step) == pytest.approx(0.01 + 0.99 * step / 9)
    assert rates.rate(10) == 1.0
    assert rates.rate(60) == pytest.approx(0.55)  # half-way down
    assert rates.rate(109) == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi * 0.99)))


def test_without_warm_up_and_all_warm_up() -> None:
    assert Cosine(4, 0, 1.0, 0.0, 0.5).rate(0) == 1.0
    assert [Cosine(2, 2, 1.0, 0.0, 0.5).rate(i) for i in (0, 1)] == [0.5, 1.0]
    assert Cosine(3, 1, 1.0, 0.0, 0.5).rate(0) == 0.5
