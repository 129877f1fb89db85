"""The numbers that noises share: standard normal, independent, whatever the shape."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synvid_eval import randomness
from synvid_eval.corruptions.noise import halves, normal


def test_they_are_standard_normal() -> None:
    drawn = normal(7, (400, 500)).astype(np.float64)
    assert drawn.dtype == np.float64 and normal(7, (3,)).dtype == np.float32
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert abs(stats.kurtosis(drawn.ravel())) < 5 * np.sqrt(24 / drawn.size)
    half = drawn.size // 2
    for a, b in ((drawn.ravel()[:half], drawn.ravel()[half:]), (drawn[:, 1:], drawn[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(half)


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 1, 3), (5, 7, 3)])
def test_any_shape_is_the_method_of_box_and_muller(shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    words = [int(w) for w in randomness.stream(99, (count + 1) // 2)]
    pairs = [((w >> 32) + 1, w & 0xFFFFFFFF) for w in words]
    radius = np.array([np.sqrt(-2 * np.log(a / 2**32)) for a, _ in pairs])
    angle = np.array([2 * np.pi * b / 2**32 for _, b in pairs])
    wanted = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    assert np.allclose(normal(99, shape).ravel(), wanted, atol=1e-5)


def test_halves_are_those_of_the_stream() -> None:
    upper, lower = halves(5, 3)
    assert [int(u) << 32 | int(v) for u, v in zip(upper, lower, strict=True)] == randomness.stream(
        5, 3
    ).tolist()
