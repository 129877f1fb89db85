from __future__ import annotations

import math

import numpy as np
import pytest

from synvid_eval.features.base import SKETCHED
from synvid_eval.features.gray import GrayCrop
from synvid_eval.features.hog import Hog, descriptor
from synvid_eval.randomness import address
from tests.features.looks import gray_frames, look_at

RNG = np.random.default_rng(6)


def by_loops(gray, bins, cells, border):
    """The recipe, pixel by pixel."""
    side = len(gray)

    def at(y, x):
        def inside(i):
            if border == "reflect101":
                return -i if i < 0 else 2 * (side - 1) - i if i >= side else i
            return -1 - i if i < 0 else 2 * side - 1 - i if i >= side else i

        return float(gray[inside(y), inside(x)])

    out = np.zeros((cells, cells, bins))
    for y in range(side):
        for x in range(side):
            gx = at(y - 1, x + 1) + 2 * at(y, x + 1) + at(y + 1, x + 1)
            gx -= at(y - 1, x - 1) + 2 * at(y, x - 1) + at(y + 1, x - 1)
            gy = at(y + 1, x - 1) + 2 * at(y + 1, x) + at(y + 1, x + 1)
            gy -= at(y - 1, x - 1) + 2 * at(y - 1, x) + at(y - 1, x + 1)
            angle = math.degrees(math.atan2(gy, gx)) % 180
            out[y * cells // side, x * cells // side, int(angle // (180 / bins)) % bins] += math.hypot(gx, gy)
    return out.ravel() / np.sqrt((out**2).sum())


@pytest.mark.parametrize(("side", "bins", "cells"), [(128, 8, 4), (30, 9, 4), (16, 4, 3)])
@pytest.mark.parametrize("border", ["reflect101", "reflect"])
def test_against_loops(side, bins, cells, border):
    gray = (RNG.random((side, side)) * 255).astype(np.float32)
    got = descriptor(gray, bins, cells, border)
    np.testing.assert_allclose(got, by_loops(gray, bins, cells, border), rtol=0, atol=1e-12)


def test_the_rows_are_those_of_the_taken_frames():
    clip = RNG.integers(0, 256, (16, 96, 128, 3), dtype=np.uint8)
    state = Hog().measure(look_at(Hog(), clip)).states["hog"]
    rows = [by_loops(GrayCrop(128)(clip[i]), 8, 4, "reflect101") for i in (1, 5, 9, 13)]
    assert state.n == 4 and state.dim == 128
    np.testing.assert_allclose(state.to_arrays()["rows"], rows, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)


@pytest.mark.parametrize("k", range(8))
def test_turning_a_gradient_by_a_bin_moves_the_bin(k):
    angle = np.deg2rad(22.5 * k + 11.25)
    y, x = np.mgrid[:128, :128]
    ramp = (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
    inner = descriptor(ramp, 8, 4, "reflect101").reshape(4, 4, 8)[1:3, 1:3]
    assert (inner[..., k] > 0).all()
    assert (np.delete(inner, k, axis=2) == 0).all()
    np.testing.assert_allclose(descriptor(-ramp, 8, 4, "reflect101").reshape(4, 4, 8)[1:3, 1:3], inner)


@pytest.mark.parametrize("side", [100, 128, 200, 240, 256])
def test_upright_edges_lie_in_one_bin_at_any_size(side):
    columns = np.repeat(RNG.integers(0, 256, (1, side)).astype(float), side, axis=0)
    for values, index in ((columns, 0), (columns.T, 4)):
        gray = GrayCrop(128)(gray_frames(values))
        row = descriptor(gray, 8, 4, "reflect101").reshape(16, 8)
        assert (np.delete(row, index, axis=1) == 0).all()


def test_contrast_does_not_matter_and_brightness_does_not():
    gray = (RNG.random((128, 128)) * 100).astype(np.float32)
    np.testing.assert_allclose(
        descriptor(gray * np.float32(0.5), 8, 4, "reflect"), descriptor(gray, 8, 4, "reflect"), rtol=1e-12
    )


def test_frames_without_gradient_are_left_out_and_counted():
    clip = RNG.integers(0, 256, (4, 50, 60, 3), dtype=np.uint8)
    clip[1] = (10, 200, 3)
    clip[2, :, 5:55] = 77
    result = Hog().measure(look_at(Hog(), clip))
    assert result.states["frames"].values.tolist() == [4, 2]
    assert result.states["hog"].n == 2
    flat = Hog().measure(look_at(Hog(), np.full((3, 9, 9, 3), 5, np.uint8)))
    assert set(flat.states) == {"frames"} and flat.states["frames"].values.tolist() == [3, 3]
    assert descriptor(np.full((8, 8), 3, np.float32), 8, 4, "reflect") is None


@pytest.mark.parametrize(
    ("looked_at", "taken"),
    [
        (0, []),
        (1, [0]),
        (2, [0, 1]),
        (3, [0, 1, 2]),
        (4, [0, 1, 2, 3]),
        (16, [1, 5, 9, 13]),
        (17, [1, 5, 9, 13]),
    ],
)
def test_which_frames_are_taken(looked_at, taken):
    assert Hog().taken(looked_at) == taken
    assert taken == sorted({((4 * j + 1) * looked_at) // 16 for j in range(4)} if looked_at else [])


def test_a_faint_gradient_counts_like_a_strong_one():
    gray = np.zeros((128, 128), np.float32)
    gray[:, 64:] = 1e-20
    row = descriptor(gray, 8, 4, "reflect101")
    np.testing.assert_array_equal(row, descriptor(gray * np.float32(2**70), 8, 4, "reflect101"))


def test_a_clip_is_told_apart_by_its_mean_row():
    clip = RNG.integers(0, 256, (16, 96, 128, 3), dtype=np.uint8)
    states = Hog().measure(look_at(Hog(), clip, name="a/b")).states
    kept = states["clips"]
    assert kept.owners.tolist() == [address("clip", "a/b")] and kept.cap == SKETCHED
    np.testing.assert_allclose(kept.rows[0], states["hog"].mean, rtol=0, atol=1e-6)
    flat = np.full((16, 96, 128, 3), 7, np.uint8)
    assert set(Hog().measure(look_at(Hog(), flat)).states) == {"frames"}
