from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from skimage.color import rgb2lab

from synvid_eval.features.lab import Lab, LabMoments
from tests.features.looks import look_at

RNG = np.random.default_rng(2)


def oracle(frame):
    rows = rgb2lab(frame).reshape(-1, 3)
    return rows.mean(axis=0), np.cov(rows.T, ddof=0).reshape(3, 3)


FRAMES = {
    "random": RNG.integers(0, 256, (61, 83, 3), dtype=np.uint8),
    "dark": RNG.integers(0, 12, (40, 30, 3), dtype=np.uint8),
    "gray": np.repeat(RNG.integers(0, 256, (50, 41, 1), dtype=np.uint8), 3, axis=2),
    "saturated": RNG.choice(np.array([0, 255], np.uint8), (33, 57, 3)),
    "two pixels": np.array([[[255, 0, 3], [4, 5, 6]]], np.uint8),
    "one column": RNG.integers(0, 256, (1025, 1, 3), dtype=np.uint8),
    "large": RNG.integers(100, 130, (240, 321, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", FRAMES)
def test_mean_and_covariance_are_those_of_skimage(name):
    got = LabMoments()(FRAMES[name])
    mean, covariance = oracle(FRAMES[name])
    np.testing.assert_allclose(got[:3], mean, rtol=0, atol=1e-6)
    np.testing.assert_allclose(got[3:12].reshape(3, 3), covariance, rtol=0, atol=1e-6)


def test_every_color_of_a_grid_is_that_of_skimage():
    levels = [0, 1, 5, 10, 11, 20, 40, 64, 90, 128, 160, 192, 222, 254, 255]
    view = LabMoments()
    colors = np.array(list(itertools.product(levels, repeat=3)), np.uint8)
    got = np.array([view(color[None, None])[:3] for color in colors])
    np.testing.assert_allclose(got, rgb2lab(colors[None])[0], rtol=0, atol=1e-7)


def test_black_is_exactly_black_and_white_is_white():
    view = LabMoments()
    np.testing.assert_array_equal(view(np.zeros((3, 3, 3), np.uint8))[:12], 0)
    np.testing.assert_allclose(view(np.full((3, 3, 3), 255, np.uint8))[:3], [100, 0, 0], atol=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (13, 17), (32, 32), (33, 100), (31, 33)])
def test_constant_frames_have_a_covariance_of_exactly_zero(shape):
    got = LabMoments()(np.broadcast_to(np.array([12, 200, 77], np.uint8), (*shape, 3)))
    np.testing.assert_array_equal(got[3:12], 0)


def test_near_constant_frames_lose_no_digits():
    frame = np.full((200, 200, 3), 250, np.uint8)
    frame[0, 0] = 0
    frame[5, 5] = 251
    _, covariance = oracle(frame)
    np.testing.assert_allclose(LabMoments()(frame)[3], covariance[0, 0], rtol=1e-8)


def test_every_frame_weighs_the_same_whatever_its_size():
    frames = [FRAMES["random"], FRAMES["two pixels"], FRAMES["large"]]
    parts = [oracle(f) for f in frames]
    means = np.array([m for m, _ in parts])
    expected = np.mean([c for _, c in parts], axis=0) + np.cov(means.T, ddof=0)
    result = Lab().measure(look_at(Lab(), frames))
    state = result.states["lab"]
    assert state.n == 3
    np.testing.assert_allclose(state.mean, means.mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(state.covariance(0), expected, rtol=0, atol=1e-6)
    assert list(result.summary) == ["L", "a", "b", "LL", "La", "Lb", "aa", "ab", "bb"]
    upper = expected[np.triu_indices(3)]
    want = [*means.mean(axis=0), *upper]
    np.testing.assert_allclose(list(result.summary.values()), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(61, 83), (240, 320), (1, 1), (1025, 1)])
def test_counts_are_those_of_every_seventeenth_pixel(shape):
    frame = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    lab = rgb2lab(frame).reshape(-1, 3)[::17]
    counts = LabMoments()(frame)[12:]
    edges = -110 + 5.0 * np.arange(45)
    plane, *_ = np.histogram2d(lab[:, 2], lab[:, 1], bins=(edges, edges))
    lightness, _ = np.histogram(lab[:, 0], 2.0 * np.arange(51))
    assert np.abs(counts[: 44 * 44] - plane.ravel()).sum() <= 2  # a color on an edge
    assert np.abs(counts[44 * 44 :] - lightness).sum() <= 2
    assert counts[: 44 * 44].sum() == counts[44 * 44 :].sum() == len(lab)


def test_counts_of_frames_add_up():
    frames = [FRAMES["random"], FRAMES["large"]]
    states = Lab().measure(look_at(Lab(), frames)).states
    both = sum(LabMoments()(f)[12:] for f in frames)
    assert np.concatenate([states["plane"].values, states["lightness"].values]).tolist() == both.tolist()


def test_no_warning_and_no_state_without_frames():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = Lab().measure(look_at(Lab(), np.zeros((0, 2, 2, 3), np.uint8)))
    assert not result.states and not result.summary
