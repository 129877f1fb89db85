from __future__ import annotations

import numpy as np
import pytest

from synvid_eval import randomness
from synvid_eval.features.gray import GrayCrop
from synvid_eval.features.tubelet import Tubelet
from tests.features.looks import look_at

RNG = np.random.default_rng(4)


def clip(frames=61, side=140):
    """Blocks of different contrast, so that some tubelets are dropped and some kept."""
    contrast = np.kron(RNG.choice([0, 2, 6, 40], (frames, 7, 7)), np.ones((1, side // 7, side // 7)))
    noise = RNG.standard_normal((frames, side, side, 3))
    return np.clip(128 + contrast[..., None] * noise, 0, 255).astype(np.uint8)


def by_loops(frames, feature, name, seed):
    """The recipe, written out: draws 3i, 3i+1, 3i+2 are the time, line and column of tubelet i."""
    key = randomness.address("tubelet", seed, name)
    rows, dropped = [], 0
    for i in range(feature.per_clip):
        draws = randomness.stream(key, 3, start=3 * i)
        t = int(randomness.below(draws[:1], len(frames) - feature.depth + 1)[0])
        y = int(randomness.below(draws[1:2], feature.side - feature.patch + 1)[0])
        x = int(randomness.below(draws[2:], feature.side - feature.patch + 1)[0])
        values = []
        for k in range(feature.depth):
            values += frames[t + k][y : y + feature.patch, x : x + feature.patch].ravel().tolist()
        row = np.array(values, np.float64)
        if row.std() <= feature.deviation:
            dropped += 1
        else:
            rows.append((row - row.mean()) / row.std())
    return np.array(rows).reshape(len(rows), -1), dropped


@pytest.mark.parametrize(
    "knobs",
    [{}, {"channels": "rgb"}, {"side": 64, "patch": 5, "depth": 3, "per_clip": 40, "deviation": 3.0}],
)
def test_rows_and_counts_against_loops(knobs):
    feature = Tubelet(**knobs)
    frames = clip()
    look = look_at(feature, frames, name="a/b.avi", seed=7)
    result = feature.measure(look)
    for stride in (4, 2, 1):
        views = [GrayCrop(feature.side, feature.channels)(f) for f in frames[: 16 * stride : stride]]
        rows, dropped = by_loops(views, feature, "a/b.avi", 7)
        assert 0 < dropped < feature.per_clip
        got = feature.rows(np.stack(views), 7, "a/b.avi")
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, rows, rtol=0, atol=2e-6)
        assert result.states[f"dropped{stride}"].values.tolist() == [
            feature.per_clip,
            dropped,
            feature.per_clip * views[0][: feature.patch, : feature.patch].size,
        ]
        assert result.summary[f"dropped@{stride}"] == dropped / feature.per_clip
        state = result.states[f"stride{stride}"]
        assert state.n == len(rows)
        np.testing.assert_allclose(state.covariance(1), np.cov(rows.T), rtol=0, atol=1e-5)


def test_rows_have_zero_mean_and_unit_deviation():
    feature = Tubelet()
    look = look_at(feature, clip(16))
    rows = feature.rows(np.stack(look.run(1)), 0, "clip").astype(np.float64)
    assert rows.shape[1] == 128
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(rows.std(axis=1), 1, atol=1e-6)


def test_positions_depend_on_seed_and_clip_only_and_reach_every_place():
    feature = Tubelet(per_clip=20_000)
    t, y, x = feature.positions(0, "clip", 16)
    assert (t.min(), t.max()) == (0, 14) and (y.min(), y.max()) == (0, 120) and (x.min(), x.max()) == (0, 120)
    np.testing.assert_allclose(np.bincount(t) / len(t), 1 / 15, atol=0.01)
    few = Tubelet(per_clip=9)
    np.testing.assert_array_equal(few.positions(0, "clip", 16), np.stack([t, y, x])[:, :9])
    assert not np.array_equal(few.positions(1, "clip", 16), few.positions(0, "clip", 16))
    assert not np.array_equal(few.positions(0, "clip2", 16), few.positions(0, "clip", 16))


def test_exactly_the_threshold_is_dropped():
    # Half the values 4 below and half 4 above the mean: the standard deviation is exactly 4.
    frames = np.where(np.arange(128) % 2, 104, 96).astype(np.uint8)[None, None, :, None] * np.ones(
        (16, 128, 1, 3), np.uint8
    )
    feature = Tubelet(per_clip=20)
    view = np.where(np.arange(128) % 2, 104, 96).astype(np.float32)[None, None] * np.ones((16, 128, 1), "f4")
    assert len(feature.rows(view, 0, "clip")) == 0
    assert len(Tubelet(per_clip=20, deviation=3.999).rows(view, 0, "clip")) == 20
    result = Tubelet(deviation=5.0).measure(look_at(Tubelet(), frames))
    assert result.states["dropped1"].values.tolist() == [150, 150, 150 * 64]


def test_a_flat_clip_gives_an_empty_state_and_counts():
    feature = Tubelet()
    result = feature.measure(look_at(feature, np.full((16, 40, 50, 3), 90, np.uint8)))
    assert result.states["stride1"].n == 0 and result.states["stride1"].dim == 128
    assert result.states["dropped1"].values.tolist() == [150, 150, 150 * 64]
    assert result.summary == {"dropped@1": 1.0}


def test_a_clip_shorter_than_the_depth_gives_nothing():
    feature = Tubelet(depth=5)
    assert not feature.measure(look_at(feature, clip(4), length=4)).states


def test_energies_are_those_of_an_orthonormal_transform():
    feature = Tubelet()
    rows = feature.rows(GrayCrop(128)(clip()[0])[None].repeat(2, axis=0), 0, "c")
    found = feature.energies(rows)
    pieces = rows.astype(float).reshape(-1, 2, 8, 8)
    waves = [np.sqrt((1 if k == 0 else 2) / n) * np.cos(np.pi * (np.arange(n) + 0.5) * k / n)
             for n, k in ((2, 1), (8, 3), (8, 0))]  # fmt: skip
    one = np.einsum("ntyx,t,y,x->n", pieces, *waves)
    assert found[64 + 3 * 8] == pytest.approx(np.sqrt(np.mean(one**2)), abs=1e-12)
    assert (found**2).sum() == pytest.approx(128, rel=1e-6)  # each row has unit deviation
    assert np.all(found[64:] < 1e-6)  # nothing moves


def test_clips_without_two_tubelets_are_not_told_apart():
    flat = np.full((61, 140, 140, 3), 9, np.uint8)
    assert not any(key.startswith("clips") for key in Tubelet().measure(look_at(Tubelet(), flat)).states)
    color = Tubelet(channels="rgb")
    kept = color.measure(look_at(color, clip())).states["clips4"]
    assert kept.dim == 384 and kept.n == 1
