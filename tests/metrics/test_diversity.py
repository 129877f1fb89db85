from __future__ import annotations

import math

import numpy as np
import pytest

from synvid_eval.metrics import Metric, Unscored
from synvid_eval.metrics.diversity import Diversity, eigenvalues
from synvid_eval.scoring import over_threads, score_pair
from synvid_eval.states import Fold, Moments, Side
from tests.metrics.sides import clip_side, exact_rows, normal_clips


def folded(rows) -> Moments:
    centered = rows - rows.mean(0)
    return Moments.of_parts(len(rows), rows.mean(0), centered.T @ centered)


def side_of(moments: Moments) -> Side:
    return Side((Fold({"pool3": moments}, {"pool3": int(moments.n)}),), int(moments.n))


def both(rows):
    """A side that keeps few rows and one that has moments only."""
    return side_of(Moments.of_rows(rows.astype(np.float32))), side_of(folded(rows))


def test_planted_spectrum_under_a_rotation():
    g = np.random.default_rng(0)
    q, _ = np.linalg.qr(g.normal(size=(16, 16)))
    variances = 0.5 ** np.arange(16)
    rows = exact_rows(np.zeros(16), np.sqrt(variances), 1) @ q.T + 3
    side = side_of(Moments.of_rows(rows))
    assert Diversity().value(side, side) == pytest.approx(np.log(variances + 1e-3).sum(), rel=1e-11)
    assert Diversity(ridge=0.0).value(side, side) == pytest.approx(-120 * math.log(2), rel=1e-11)
    detail = Diversity().detail(side, side)
    p = variances / variances.sum()
    assert detail["logdet"] == pytest.approx(-120 * math.log(2), rel=1e-11)
    assert detail["effective_rank"] == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-11)
    assert detail["rank_candidate"] == 16


@pytest.mark.parametrize(("n", "d"), [(3, 2), (200, 50), (1000, 128)])
def test_agrees_with_slogdet(n, d):
    g = np.random.default_rng(n)
    rows = g.normal(size=(n, d)) @ g.normal(size=(d, d))
    covariance = np.cov(rows, rowvar=False)
    sign, expected = np.linalg.slogdet(covariance + 1e-3 * np.eye(d))
    assert sign == 1
    assert Diversity().of_rows(rows) == pytest.approx(expected, rel=1e-11)


def test_where_the_determinant_underflows():
    """400 deviations of 0.1: det = 1e-800, which is 0 in floating point."""
    rows = exact_rows(np.zeros(400), np.full(400, 0.1), 1)
    assert np.linalg.det(np.cov(rows, rowvar=False)) == 0.0
    assert Diversity(ridge=0.0).of_rows(rows) == pytest.approx(400 * math.log(0.01), rel=1e-12)
    assert Diversity().of_rows(rows) == pytest.approx(400 * math.log(0.011), rel=1e-12)


@pytest.mark.parametrize("n", [2, 20, 40])
def test_fewer_rows_than_dimensions_have_no_log_determinant(n):
    """slogdet gives a number of either sign there, all of it rounding; the ridge's share is exact."""
    d = 64
    rows = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32).astype(np.float64)
    gram = np.linalg.svd(rows - rows.mean(0), compute_uv=False)[: n - 1] ** 2 / (n - 1)
    expected = np.log(gram + 1e-3).sum() + (d - n + 1) * math.log(1e-3)
    kept, parts = both(rows)
    assert kept.moments("pool3").centered_rows() is not None
    assert parts.moments("pool3").centered_rows() is None
    for side in (kept, parts):
        assert Diversity().value(side, side) == pytest.approx(expected, rel=1e-10)
        detail = Diversity().detail(side, side)
        assert detail["rank_candidate"] == n - 1 and math.isnan(detail["logdet"])
        with pytest.raises(Unscored, match=f"full rank; this one has {n - 1} of 64"):
            Diversity(ridge=0.0).value(side, side)


def test_static_videos_count_once():
    """16 equal frames of each of 12 videos: rank 11, whatever the number of frames."""
    rows = np.repeat(np.random.default_rng(0).normal(size=(12, 100)), 16, axis=0)
    for side in both(rows):
        assert Diversity().detail(side, side)["rank_candidate"] == 11


def test_large_features_take_no_noise_for_volume():
    """Where rounding outweighs the ridge, dimensions without variance still give ln(ridge) each."""
    g = np.random.default_rng(0)
    q, _ = np.linalg.qr(g.normal(size=(40, 40)))
    variances = np.where(np.arange(40) < 30, 1e14, 0.0)
    state = Moments.of_parts(100, np.zeros(40), (q * variances * 99) @ q.T)
    expected = 30 * math.log(1e14) + 10 * math.log(1e-3)
    assert Diversity().value(side_of(state), side_of(state)) == pytest.approx(expected, rel=1e-12)


def test_both_ways_agree():
    """Cholesky (where rounding is nothing beside the ridge) and eigenvalues."""
    rows = np.random.default_rng(0).normal(size=(400, 128))
    found = np.log(eigenvalues(folded(rows)) + 1e-3).sum()
    assert Diversity().value(*[side_of(folded(rows))] * 2) == pytest.approx(found, rel=1e-12)


def test_equal_frames_fill_nothing():
    still = np.full((30, 8), 0.1) * np.arange(1, 9)
    for side in both(still):
        assert Diversity().value(side, side) == pytest.approx(8 * math.log(1e-3), rel=1e-12)
        detail = Diversity().detail(side, side)
        assert detail["rank_candidate"] == 0
        assert math.isnan(detail["effective_rank"]) and math.isnan(detail["logdet"])


def test_too_few_frames_are_a_reason():
    with pytest.raises(Unscored, match="diversity needs 2 or more frames; this set has 1"):
        Diversity().of_rows(np.ones((1, 4)))
    empty = Side((Fold(),) * 20, 0)
    assert Diversity().detail(empty, empty) == {}


def test_gate_needs_clips():
    gate = Diversity().interval_gate
    assert gate(clip_side(normal_clips(0, 181, 2, 32), "pool3")) == (
        "has 181 clips, and an interval of diversity needs 182"
    )
    assert gate(clip_side(normal_clips(0, 182, 2, 32), "pool3")) == ""


def test_the_correction_takes_out_the_bias():
    """log det of few rows is too low by about d(d+1)/2n; the truth is 0 for N(0, I)."""
    side = clip_side(normal_clips(0, 200, 1, 10), "pool3")
    score = score_pair(Diversity(), side, side, ("a", "b"), "")
    low, high = score.interval
    assert score.value < score.corrected
    assert low < 10 * math.log(1.001) < high


@pytest.mark.parametrize("sizes", [[15 + 3 * i for i in range(20)], [400, 0, *[40] * 18], [2000, *[10] * 19]])
@pytest.mark.parametrize("size", [1.0, 1e6])
def test_left_out_at_less_cost_is_the_same(sizes, size):
    """Blocks kept as rows and folded, empty ones, one with most of the rows; features beyond the ridge."""
    g = np.random.default_rng(0)
    mix = g.normal(size=(24, 24)) * size
    folds = [
        Fold({"pool3": Moments.of_rows(g.normal(size=(n, 24)) @ mix + 1)}, {"pool3": n}) if n else Fold()
        for n in sizes
    ]
    sides = (Side(tuple(folds), sum(sizes)),)
    found = Diversity().left_out(sides, 0)
    assert found == pytest.approx(Metric.left_out(Diversity(), sides, 0), rel=1e-11, nan_ok=True)
    assert [math.isnan(v) for v in found] == [n == 0 for n in sizes]
    spread = Diversity().left_out(sides, 0, over_threads(3))
    assert spread == pytest.approx(found, rel=0, abs=0, nan_ok=True)
