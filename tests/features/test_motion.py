from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from synvid_eval.features.motion import COLUMNS, Motion, describe
from tests.features.looks import gray_frames, look_at

RNG = np.random.default_rng(3)
T = 16


def ar1(rho, pixels=128, deviation=30.0):
    """T frames of independent stationary AR(1) pixels, gray RGB uint8."""
    x = np.empty((T, pixels, pixels))
    x[0] = RNG.standard_normal((pixels, pixels))
    for t in range(1, T):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * RNG.standard_normal((pixels, pixels))
    return gray_frames(127.5 + deviation * x)


def expected(rho, length=T):
    """Ratio of the expectations: Σ E(x_{t+1}−x_t)² = 2(T−1)(1−ρ), Σ E(x_t−x̄)² = T(1 − var x̄), variance 1."""
    lags = np.arange(1, length)
    variance_of_mean = (length + 2 * np.sum((length - lags) * rho**lags)) / length**2
    return (length - 1) * (1 - rho) / (length * (1 - variance_of_mean))


def test_the_closed_form_is_the_contracts():
    assert expected(0.95) == pytest.approx(0.21, abs=0.005)
    assert expected(0.5) == pytest.approx(0.57, abs=0.005)
    assert expected(0.9, 4000) == pytest.approx(0.1, abs=0.001)
    assert expected(0.0) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_ar1_pixels(rho):
    feature = Motion(noise=0.0)
    row = feature.measure(look_at(feature, ar1(rho))).states["stride1"].mean
    assert row[0] == pytest.approx(expected(rho), abs=0.01)


def by_loops(frames, noise):
    """The recipe, written out."""
    moved = spread = difference = 0.0
    static = 0
    count = frames[0].size
    mean = sum(frames) / len(frames)
    for a, b in pairwise(frames):
        pair = float(((b - a) ** 2).sum())
        moved += pair
        static += (pair / count) ** 0.5 < noise
        difference += float(abs(b - a).sum())
    for x in frames:
        spread += float(((x - mean) ** 2).sum())
    pairs = len(frames) - 1
    value = moved / (2 * (spread + pairs * count * noise**2))
    return [value, static / pairs, difference / pairs / count]


def test_all_columns_and_strides_against_loops():
    clip = RNG.integers(0, 256, (61, 128, 128, 3), dtype=np.uint8)
    clip[1:20] = clip[:19] // 2 + 60
    clip[5:9] = clip[5]
    gray = clip.astype(np.float64) @ [0.299, 0.587, 0.114]
    result = Motion().measure(look_at(Motion(), clip))
    for stride in (4, 2, 1):
        state = result.states[f"stride{stride}"]
        assert state.n == 1 and len(state.mean) == len(COLUMNS) == 3
        frames = list(gray[: 16 * stride : stride])
        np.testing.assert_allclose(state.mean, by_loops(frames, 2.0), rtol=1e-6)
        assert result.summary[f"decorrelation@{stride}"] == state.mean[0]
    assert result.states["stride1"].mean[1] == pytest.approx(3 / 15)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("pixels", [1, 511, 512, 513, 1300])
def test_sums_do_not_depend_on_how_pixels_are_cut(kind, pixels):
    frames = (RNG.random((7, pixels)) * 255).astype(kind)
    np.testing.assert_allclose(describe(frames, 1.5), by_loops(list(frames.astype(float)), 1.5), rtol=1e-12)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_a_static_clip_is_exactly_zero(noise):
    clip = np.repeat(RNG.integers(0, 256, (1, 90, 70, 3), dtype=np.uint8), T, axis=0)
    feature = Motion(noise=noise)
    result = feature.measure(look_at(feature, clip))
    assert result.summary["decorrelation@1"] == 0.0
    assert result.states["stride1"].mean[2] == 0.0


def test_white_flicker_is_one_and_alternation_more():
    flicker = gray_frames(np.broadcast_to(RNG.integers(0, 256, (500, 1, 1)).astype(float), (500, 8, 8)))
    feature = Motion(noise=0.0)
    look = look_at(feature, flicker, strides=(1,), length=500)
    assert feature.measure(look).summary["decorrelation@1"] == pytest.approx(1, abs=0.15)
    frames = np.where(np.arange(T)[:, None, None] % 2, 100.0, 200.0) * np.ones((1, 8, 8))
    result = feature.measure(look_at(feature, gray_frames(frames)))
    assert result.summary["decorrelation@1"] == pytest.approx(2 * (T - 1) / T, rel=1e-6)


def test_the_floor_enters_as_the_contract_says():
    # One step of height h in the middle: moved = N h², spread = N T h²/4.
    frames = np.repeat([100.0, 110.0], T // 2)[:, None] * np.ones((1, 25))
    for noise in (0.0, 1.0, 2.0, 30.0):
        want = 100 / (2 * (T * 25 + (T - 1) * noise**2))
        assert describe(frames, noise)[0] == pytest.approx(want, rel=1e-12)


def test_what_is_below_the_floor_is_a_static_pair():
    frames = np.zeros((3, 100))
    frames[1] += 1.999
    frames[2] = frames[1] + 2.0
    assert describe(frames, 2.0)[1] == pytest.approx(0.5)


def test_a_short_clip_gives_only_the_strides_it_has():
    result = Motion().measure(look_at(Motion(), ar1(0.5, 16)))
    assert set(result.states) == {"stride1", "speed", "acceleration"}
    assert set(result.summary) == {"decorrelation@1", "speed", "acceleration"}
    assert not Motion().measure(look_at(Motion(), ar1(0.5, 16)[:15])).states
