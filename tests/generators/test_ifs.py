"""Iterated function systems: what the sampler promises, how maps move, and what instances share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from synvid_eval.errors import DataError
from synvid_eval.generators import attractor, ifs
from tests.generators.test_curves import drawing


def drawn(key, frames=19, count=4, variation=0, published=True):
    return ifs.drawn(frames, count, variation, published, drawing("ifs", key))


def test_singular_values_contract_and_keep_their_sum():
    """Over 10,000 systems: 1 > σ₁ ≥ σ₂ ≥ 0, and the sum of σ₁ + 2 σ₂ uniform in its range."""
    sums = []
    for k in range(10_000):
        maps = 3 + k % 6
        values = ifs.singular_values(maps, drawing("values", k))
        assert values.shape == (maps, 2)
        assert values.max() < 1 and values.min() >= 0 and (values[:, 0] >= values[:, 1]).all()
        total = (values @ [1, 2]).sum()
        sums.append(2 * total - 5 - maps)
    assert stats.kstest(sums, "uniform").pvalue > 1e-4


def test_maps_contract_at_every_frame():
    for k in range(300):
        found = drawn(k, count=3 + k % 6, published=False)
        matrices = ifs.maps(found).astype(float).reshape(19, -1, 2, 3)[..., :2]
        assert np.linalg.norm(matrices, 2, axis=(-2, -1)).max() < 1


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_maps_are_composed_as_published():
    """R(θ) D₁ diag(σ) R(φ) D₂ of what is interpolated, matrix by matrix."""
    found = drawn(1)
    maps = ifs.maps(found)
    assert maps.shape == (19, 4, 6) and maps.dtype == np.float32
    for t in (0, 7, 18):
        for k in range(4):
            c = found.courses[t, k]
            theta, phi = (1 - c) * found.angles[0, k] + c * found.angles[1, k]
            sigma = (1 - c) * found.values[0, k] + c * found.values[1, k]
            signs = [np.diag(found.signs[i, k]) for i in range(2)]
            matrix = rotation(theta) @ signs[0] @ np.diag(sigma) @ rotation(phi) @ signs[1]
            bias = (1 - c) * found.bias[0, k] + c * found.bias[1, k]
            assert np.allclose(maps[t, k].reshape(2, 3), np.c_[matrix, bias], atol=1e-6)


def test_naive_animation_goes_straight():
    found = drawn(2, published=False)
    naive, decomposed = ifs.maps(found, decomposed=False), ifs.maps(found)
    assert np.allclose(naive[[0, -1]], decomposed[[0, -1]], atol=1e-6)
    assert np.allclose(naive[9], (naive[0] + naive[-1]) / 2, atol=1e-6)
    assert not np.allclose(naive[9, :, :2], decomposed[9, :, :2], atol=0.05)


def test_keyframes():
    kept = 0
    turns = []
    for k in range(600):
        found = drawn(k)
        assert found.angles[0].min() >= 0 and found.angles[0].max() <= 2 * np.pi
        turns.append(found.angles[1] - found.angles[0])
        areas = found.values.prod(axis=2)
        assert (np.diff(areas, axis=1) <= 0).all()
        assert set(np.unique(found.signs)) <= {-1.0, 1.0}
        assert np.abs(found.bias).max() <= 1
        kept += np.array_equal(found.bias[0], found.bias[1])
    assert abs(kept / 600 - 0.2) < 4 * np.sqrt(0.16 / 600)
    assert stats.kstest(np.ravel(turns), "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-4


def test_kinds():
    counts, variations = Counter(), Counter()
    for k in range(3000):
        count, variation = ifs.kind((3, 8), "drawn", drawing("kind", k))
        counts[count] += 1
        variations[variation] += 1
    assert stats.chisquare([counts[n] for n in range(3, 9)]).pvalue > 1e-4
    expected = [1500, *[1500 / 7] * 7]
    assert stats.chisquare([variations[v] for v in attractor.VARIATIONS], expected).pvalue > 1e-4
    assert ifs.kind((5, 5), "27", drawing("kind", 0)) == (5, 27)


def test_instances_vary_their_class():
    maps = ifs.maps(drawn(3))
    one, other = (ifs.mutated(maps, drawing("instance", k)) for k in range(2))
    assert one.shape == maps.shape and one.dtype == np.float32 and not np.array_equal(one, other)
    assert np.array_equal(one, ifs.mutated(maps, drawing("instance", 0)))
    # the factor is one for all maps, the offset constant in time: b (map k) − b (map 0) tells both
    for number in range(6):
        clean, varied = maps[..., number].astype(float), one[..., number].astype(float)
        gap, clean_gap = varied[:, 1:] - varied[:, :1], clean[:, 1:] - clean[:, :1]
        # varied gap = factor(t) · clean gap + a constant of each map: two maps and their slopes agree
        system = np.zeros((19 * 3, 19 + 3))
        for t in range(19):
            for k in range(3):
                system[3 * t + k, t] = clean_gap[t, k]
                system[3 * t + k, 19 + k] = 1
        solved, *_ = np.linalg.lstsq(system, gap.ravel(), rcond=None)
        assert np.abs(system @ solved - gap.ravel()).max() < 1e-5
    offsets = [ifs.mutated(maps * 0, drawing("offset", k)) for k in range(200)]
    assert all(np.array_equal(o, np.broadcast_to(o[:1], o.shape)) for o in offsets)
    assert stats.kstest(np.ravel([o[0] for o in offsets]), "uniform", (-0.2, 0.4)).pvalue > 1e-4


def test_parameters_are_told_and_read():
    found = drawn(4)
    again = ifs.read(found.told())
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    told = found.told()
    for bad in (
        {},
        {**told, "angles": [1]},
        {**told, "variation": 3},
        {**told, "variation": [1]},
        {**told, "more": 1},
        {**told, "bias": [[["a", 1]]]},
        {**told, "courses": [[float("nan")] * 4]},
        {**told, "courses": 1.0},
    ):
        with pytest.raises(DataError, match="no parameters of a fractal"):
            ifs.read(bad)
