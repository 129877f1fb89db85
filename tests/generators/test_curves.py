"""Curves: their ranges, their published probabilities, and splines against another implementation."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import interpolate, stats

from synvid_eval import randomness
from synvid_eval.generators import curves


def drawing(*parts):
    def draws(quantity, count):
        return randomness.unit(randomness.stream(randomness.address("a test", *parts, quantity), count))

    return draws


FRAMES = (18, 19, 20)


@pytest.mark.parametrize("frames", FRAMES)
def test_sharp(frames):
    rises, before = Counter(), Counter()
    for k in range(2000):
        curve = curves.sharp(frames, drawing("sharp", k))
        assert curve.shape == (frames,) and (np.diff(curve) >= 0).all()
        zeros, ones = (curve == 0).sum(), (curve == 1).sum()
        rise = frames - zeros - ones + 2  # the rise's own ends are 0 and 1
        assert 4 <= rise <= 8 and zeros >= 5 and ones >= 5
        steps = np.diff(curve[zeros - 1 : frames - ones + 1])
        assert np.allclose(steps, 1 / (rise - 1))
        rises[rise] += 1
        before[zeros - 1] += rise == 8
    assert stats.chisquare([rises[k] for k in range(4, 9)]).pvalue > 1e-4
    assert sorted(k for k in before if before[k]) == list(range(4, frames - 11))


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 11, 64])
def test_curves_of_other_lengths(frames):
    for k in range(50):
        for law in (curves.sharp, curves.smooth, curves.periodic, curves.around_one):
            curve = law(frames, drawing("other", k))
            assert curve.shape == (frames,) and np.isfinite(curve).all()
        rise = curves.sharp(frames, drawing("other", k))
        assert rise.min() >= 0 and rise.max() <= 1 and (frames < 2 or (rise[0], rise[-1]) == (0, 1))
        assert curves.courses(frames, 5, drawing("other", k)).shape == (frames, 5)


def test_smooth_is_the_quadratic_spline_of_uneven_values():
    knots, even = Counter(), 0
    for k in range(800):
        draws = drawing("smooth", k)
        count = 5 + int(draws("smooth.knots", 1)[0] * 5)
        tries = draws("smooth.values", 54).reshape(6, 9)[:, :count]
        uneven = [v for v in tries if np.abs(np.diff(v)).mean() > 0.45]
        values = uneven[0] if uneven else tries[5]
        even += not uneven
        knots[count] += 1
        curve = curves.smooth(19, draws)
        other = interpolate.interp1d(np.linspace(0, 1, count), values, kind="quadratic")(
            np.linspace(0, 1, 19)
        )
        assert np.allclose(curve, other, atol=1e-12)
        assert (curve[0], curve[-1]) == pytest.approx((values[0], values[-1]))
        assert curve.min() > -1 and curve.max() < 2  # a spline swings beyond its values, not far
    assert stats.chisquare([knots[k] for k in range(5, 10)]).pvalue > 1e-4
    assert 0 < even < 800  # both ends of the redrawing happen


def test_periodic_trembles_about_its_start():
    heights = []
    for k in range(500):
        draws = drawing("periodic", k)
        length, height = draws("periodic", 2)
        period = 5 + int(length * 11)
        assert 5 <= period <= 15
        amplitude = (1.5 + 2.5 * height) * period / 100
        curve = curves.periodic(20, draws)
        assert -0.2 * amplitude <= curve.min() and curve.max() <= 1.2 * amplitude
        swing = 0.6 + 0.4 * draws("periodic.swing", 1)[0]
        assert curve[0] == pytest.approx(amplitude * (1 - swing) / 2)
        heights.append(curve.max())
    assert max(heights) <= 0.72 and np.median(heights) > 0.1


def test_the_phase_is_the_sum_of_small_steps_of_the_frequency():
    """The released code's way: cumulated steps of 0.01 of an angle."""
    draws = drawing("phase", 3)
    period = 5 + int(draws("periodic", 2)[0] * 11)
    height = 1.5 + 2.5 * draws("periodic", 2)[1]
    knots = np.arange(0, (-(-20 // period) + 1) * 2 * np.pi + 1e-9, np.pi)
    frequency = 0.15 + 1.55 * draws("periodic.frequency", len(knots))
    swing = 0.6 + 0.4 * draws("periodic.swing", len(knots))
    x = np.arange(0, knots[-3], 0.01)
    phase = np.cumsum(interpolate.interp1d(knots, frequency, kind="quadratic")(x) * 0.01)
    wave = (np.sin(phase - np.pi / 2) * interpolate.interp1d(knots, swing, kind="quadratic")(x) + 1) / 2
    at = np.rint(200 * np.pi / period * np.arange(20)).astype(int)
    other = height * period / 100 * wave[at]
    assert np.abs(curves.periodic(20, draws) - other).max() < 0.01 * height * period / 100 * 3


def test_factors_are_about_one():
    knots = Counter()
    for k in range(1000):
        draws = drawing("factor", k)
        factor = curves.around_one(19, draws)
        knots[4 + int(draws("knots", 1)[0] * 4)] += 1
        assert factor[0] == pytest.approx(0.6 + 0.8 * draws("values", 1)[0])
        assert 0.6 <= factor[-1] <= 1.4
        assert factor.min() > 0 and factor.max() < 2
    assert stats.chisquare([knots[k] for k in range(4, 8)]).pvalue > 1e-4


def kind_of(curve, even):
    if np.allclose(curve, even):
        return "even"
    zeros, ones = (curve == 0).sum(), (curve == 1).sum()
    if zeros >= 5 and ones >= 5:
        return "sharp"
    return "other"


def test_the_published_probabilities():
    count, total = Counter(), 2500
    even = np.linspace(0, 1, 19)
    for k in range(total):
        found = curves.courses(19, 6, drawing("law", k))
        assert found.shape == (19, 6)
        distinct = np.unique(found, axis=1).shape[1]
        kinds = {kind_of(column, even) for column in found.T}
        if kinds == {"even"}:
            count["even"] += 1
        elif distinct == 1:
            count["one"] += 1
            count["sharp"] += kinds == {"sharp"}
        else:
            count["several"] += 1
            assert distinct <= 3
            count["three"] += distinct == 3
    # all alike by chance, of two or three to choose from: even or not
    chance = 0.48 * (0.5 * 2**-6 + 0.5 * 3**-6)
    for name, share in (
        ("even", 0.2 + chance),
        ("one", 0.32 + 0.48 * (0.5 * 2**-6 + 0.5 * 2 * 3**-6)),
        ("several", 0.48 * (1 - 0.5 * 2**-5 - 0.5 * 3**-5)),
        ("three", 0.48 * 0.5 * (1 - 3 * (2 / 3) ** 6 + 3 * (1 / 3) ** 6)),
    ):
        assert abs(count[name] / total - share) < 4 * np.sqrt(share * (1 - share) / total), name
    assert abs(count["sharp"] / count["one"] - 0.2) < 4 * np.sqrt(0.16 / count["one"])


def test_kinds_of_curve():
    kinds = Counter()
    for k in range(4000):
        draw = drawing("kinds", k)("0.kind", 1)[0]
        named = "sharp" if draw < 0.2 else "smooth" if draw < 0.75 else "periodic"
        kinds[named] += 1
        curve = curves._one(19, drawing("kinds", k), "0")
        law = {"sharp": curves.sharp, "smooth": curves.smooth, "periodic": curves.periodic}[named]
        own = drawing("kinds", k)
        assert np.array_equal(curve, law(19, lambda quantity, count, own=own: own(f"0.{quantity}", count)))
    expected = [800, 2200, 1000]
    assert stats.chisquare([kinds[k] for k in ("sharp", "smooth", "periodic")], expected).pvalue > 1e-4
