from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import synvid_eval.metrics.frechet
from synvid_eval.metrics.frechet import frechet
from synvid_eval.states import Moments
from tests.metrics.sides import exact_rows


def _gaussian(mean, covariance, n=1000.0, ddof=1):
    return Moments.of_parts(n, mean, np.asarray(covariance, float) * (n - ddof))


def _oracle(a: Moments, b: Moments, ddof=1) -> float:
    """tr √(S1 S2) by the eigenvalues of the product (scipy), an independent way to the same number."""
    s1, s2 = a.covariance(ddof), b.covariance(ddof)
    roots = np.sqrt(np.maximum(scipy.linalg.eigvals(s1 @ s2).real, 0))
    return float(((a.mean - b.mean) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * roots.sum())


def test_diagonal_closed_form():
    """diag(1, 4, 9) against diag(4, 1, 16), mean gap (1, 2, 2): 9 + (1 + 1 + 1) = 12."""
    terms = frechet(_gaussian([1, 2, 2], np.diag([1, 4, 9])), _gaussian([0, 0, 0], np.diag([4, 1, 16])))
    assert terms.mean_term == pytest.approx(9, rel=1e-14)
    assert terms.trace_term == pytest.approx(3, rel=1e-13)
    assert terms.distance == pytest.approx(12, rel=1e-13)
    assert (terms.rank_candidate, terms.rank_reference) == (3, 3)


def test_diagonal_closed_form_from_rows():
    a, b = exact_rows([1, 2, 2], [1, 2, 3], 1), exact_rows([0, 0, 0], [2, 1, 4], 1)
    assert frechet(Moments.of_rows(a), Moments.of_rows(b)).distance == pytest.approx(12, rel=1e-13)


@pytest.mark.parametrize("d", [1, 2, 128, 400, 2048])
def test_shifted_standard_normal_is_exactly_d(d):
    """pytorch-fid tests/test_fid_score.py: FD(N(0, I), N(1, I)) = d."""
    terms = frechet(_gaussian(np.zeros(d), np.eye(d), 2, 0), _gaussian(np.ones(d), np.eye(d), 2, 0), ddof=0)
    assert terms.distance == d


def test_a_gap_of_rotated_gaussians_has_a_closed_form():
    """Commuting covariances: Σ (√λ − √μ)² whatever the common eigenvectors."""
    g = np.random.default_rng(0)
    q, _ = np.linalg.qr(g.normal(size=(40, 40)))
    a, b = g.uniform(0.1, 9, 40), g.uniform(0.1, 9, 40)
    terms = frechet(_gaussian(np.zeros(40), q * a @ q.T), _gaussian(np.zeros(40), q * b @ q.T))
    assert terms.trace_term == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-11)


@pytest.mark.parametrize(("n", "d"), [(500, 5), (300, 64), (1000, 128)])
def test_agrees_with_eigenvalues_of_the_product(n, d):
    g = np.random.default_rng(n)
    a = Moments.of_rows(g.normal(size=(n, d)) @ g.normal(size=(d, d)))
    b = Moments.of_rows(g.normal(size=(n, d)) @ g.normal(size=(d, d)) + 1)
    for ddof in (0, 1):
        assert frechet(a, b, ddof).distance == pytest.approx(_oracle(a, b, ddof), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 300), (40, 60)])
def test_rank_deficient_is_the_nuclear_norm_of_the_rows(n, m):
    """tr √(S1 S2) = ‖X1c X2cᵀ‖* / √((n−1)(m−1)) exactly, from the rows themselves."""
    d = 128
    g = np.random.default_rng(n)
    x, y = g.normal(size=(n, d)), g.normal(size=(m, d)) * 2 + 0.3
    xc, yc = x - x.mean(0), y - y.mean(0)
    cross = np.linalg.svd(xc @ yc.T, compute_uv=False).sum() / np.sqrt((n - 1) * (m - 1))
    gap = x.mean(0) - y.mean(0)
    expected = gap @ gap + (xc**2).sum() / (n - 1) + (yc**2).sum() / (m - 1) - 2 * cross
    terms = frechet(Moments.of_rows(x), Moments.of_rows(y))
    assert terms.distance == pytest.approx(expected, rel=1e-11)
    assert (terms.rank_candidate, terms.rank_reference) == (min(n - 1, d), min(m - 1, d))


@pytest.mark.parametrize("size", [1e-7, 1.0, 1e7, 2.0**-40])
@pytest.mark.parametrize("n", [30, 500])
def test_as_exact_at_any_size(size, n):
    """No absolute tolerance: features × s give s² times the distance, to the last digits, and equal ranks."""
    g = np.random.default_rng(3)
    x, y = g.normal(size=(n, 64)), g.normal(size=(n, 64)) * 1.1
    plain = frechet(Moments.of_rows(x), Moments.of_rows(y))
    scaled = frechet(Moments.of_rows(x * size), Moments.of_rows(y * size))
    assert scaled.distance == pytest.approx(plain.distance * size**2, rel=1e-11)
    assert scaled[3:] == plain[3:]


@pytest.mark.parametrize("n", [2, 40, 129, 1000])
def test_a_set_is_at_distance_zero_from_itself(n):
    g = np.random.default_rng(n)
    rows = g.normal(size=(n, 128)) @ np.diag(np.logspace(0, -6, 128)) + 100
    a, b = Moments.of_rows(rows), Moments.of_rows(rows[::-1])
    for other in (a, b):
        assert 0 <= frechet(a, other).distance <= 1e-12 * np.trace(a.covariance(1))


def test_constant_rows_have_rank_zero():
    still = Moments.of_rows(np.full((5, 3), 7.0))
    spread = Moments.of_rows(exact_rows([7, 7, 9], [1, 2, 3], 1))
    terms = frechet(still, spread)
    assert terms.distance == pytest.approx(4 + 14) and terms.rank_candidate == 0
    assert frechet(still, still).distance == 0.0


def test_far_from_the_origin_nothing_cancels():
    """Where float32 raw second moments give −0.3: features at 1e4 with spread 1e-2."""
    rows = exact_rows(np.full(8, 1e4), np.full(8, 1e-2), 1)
    other = exact_rows(np.full(8, 1e4), np.full(8, 2e-2), 1)
    value = frechet(Moments.of_rows(rows), Moments.of_rows(other)).distance
    assert value == pytest.approx(8 * 1e-4, rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(1, 40), st.integers(0, 10**6))
def test_never_negative_never_nan_symmetric(n, m, d, seed):
    g = np.random.default_rng(seed)
    a, b = Moments.of_rows(g.normal(size=(n, d))), Moments.of_rows(g.normal(size=(m, d)))
    there, back = frechet(a, b), frechet(b, a)
    assert there.distance >= 0 and there.trace_term >= 0
    assert there.distance == pytest.approx(back.distance, rel=1e-11)


def test_errors_say_what_was_seen():
    a, b = Moments.of_rows(np.eye(3)), Moments.of_rows(np.eye(2))
    with pytest.raises(ValueError, match="3 and 2 dimensions"):
        frechet(a, b)
    with pytest.raises(ValueError, match="more than 1 rows, got 1 and 3"):
        frechet(Moments.of_rows(np.ones((1, 3))), a)


def _sqrtm_distance(a: Moments, b: Moments) -> float:
    """The field's form, by SciPy's matrix square root."""
    s1, s2 = a.covariance(1), b.covariance(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where a matrix is singular
        root = scipy.linalg.sqrtm(s1 @ s2).real  # noqa: TID251
    return float(((a.mean - b.mean) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root))


def _truth(x, y) -> float:
    """From triangular factors of the centered rows (QR): no covariance is formed, so nothing is squared."""
    xc, yc = x - x.mean(0), y - y.mean(0)
    r1, r2 = (np.linalg.qr(c, mode="r") / np.sqrt(len(c) - 1) for c in (xc, yc))
    cross = np.linalg.svd(r1 @ r2.T, compute_uv=False).sum()
    gap = x.mean(0) - y.mean(0)
    return float(gap @ gap + (r1**2).sum() + (r2**2).sum() - 2 * cross)


def _correlated(seed, n, d, rank=None, steep=0.0):
    """Rows of that rank whose deviations fall by `steep` powers of ten, in directions of their own."""
    g = np.random.default_rng(seed)
    k = rank or d
    turn = np.linalg.qr(g.normal(size=(d, d)))[0][:k]
    return (g.normal(size=(n, k)) * np.logspace(0, -steep, k)) @ turn + g.normal(size=d)


def _folded(rows) -> Moments:
    """The moments of rows, without the rows, however few."""
    centered = rows - rows.mean(0)
    return Moments.of_parts(len(rows), rows.mean(0), centered.T @ centered)


def test_three_constant_images():
    """pytorch-fid tests/test_fid_score.py: images 0, ½, 1; features are the channels' means."""
    images = np.array([0.0, 0.5, 1.0])[:, None, None, None] * np.ones((3, 3, 4, 4))
    moments = Moments.of_rows(images.mean(axis=(2, 3)))
    assert moments.mean == pytest.approx(np.full(3, 0.5), abs=1e-15)
    assert moments.covariance(1) == pytest.approx(np.full((3, 3), 0.25), abs=1e-15)
    terms = frechet(moments, moments)
    assert terms.rank_candidate == 1 and terms.distance <= 1e-15


@pytest.mark.parametrize("d", [2, 16, 64, 256])
@pytest.mark.parametrize("n", [2, 8, 32, 128, 512, 4096, 2**15])
def test_the_grid_of_torch_fidelity(n, d):
    """torch-fidelity tests/torch_pure/misc/test_fid_stats_fn.py: sqrtm's value to 5 places, never NaN."""
    g = np.random.RandomState(2023)
    a, b = Moments.of_rows(g.randn(n, d)), Moments.of_rows(g.rand(n, d))
    value = frechet(a, b).distance
    assert np.isfinite(value)
    assert value == pytest.approx(_sqrtm_distance(a, b), rel=2e-6, abs=1e-5)


@pytest.mark.parametrize("steep", [0.0, 2.0, 5.0])
def test_all_ways_agree_at_full_rank(steep):
    """Cholesky, Cholesky with pivots, eigendecomposition, QR of the rows: to 1e-10 of the value; and sqrtm
    where it can.
    """
    x, y = (_correlated(seed, 2000, 128, steep=steep) for seed in (0, 1))
    a, b = _folded(x), _folded(y)
    expected = _truth(x, y)
    assert synvid_eval.metrics.frechet._factored(a, 1).full
    assert frechet(a, b).distance == pytest.approx(expected, rel=1e-10)
    factors = [synvid_eval.metrics.frechet._pivoted(m.covariance(1), 128)[0] for m in (a, b)]
    cross = np.linalg.svd(factors[0].T @ factors[1], compute_uv=False).sum()
    traces = np.trace(a.covariance(1)) + np.trace(b.covariance(1))
    gap = a.mean - b.mean
    assert gap @ gap + traces - 2 * cross == pytest.approx(expected, rel=1e-10)
    w, v = np.linalg.eigh(a.covariance(1))
    inner = (v * np.sqrt(np.maximum(w, 0))).T @ factors[1]
    assert np.linalg.svd(inner, compute_uv=False).sum() == pytest.approx(cross, rel=1e-10)
    if steep <= 2:
        assert _sqrtm_distance(a, b) == pytest.approx(expected, rel=1e-9)


def _kinds(seed, scale):
    """The same kind of rows, n = 300 of d = 96, as every factor there is: (rows, state, rank)."""
    full, low = _correlated(seed, 300, 96) * scale, _correlated(seed, 300, 96, rank=40) * scale
    few = _correlated(seed, 20, 96) * scale
    return {
        "full": (full, _folded(full), 96),
        "low": (low, _folded(low), 40),
        "few": (few, Moments.of_rows(few), 19),
        "few folded": (few, _folded(few), 19),
    }


@pytest.mark.parametrize("one", ["full", "low", "few", "few folded"])
@pytest.mark.parametrize("other", ["full", "low", "few", "few folded"])
def test_every_pair_of_factors_is_exact(one, other):
    x, a, rank_a = _kinds(3, 1.0)[one]
    y, b, rank_b = _kinds(4, 1.3)[other]
    terms = frechet(a, b)
    assert terms.distance == pytest.approx(_truth(x, y), rel=1e-11)
    assert terms[3:] == (rank_a, rank_b)


@pytest.mark.parametrize("one", ["full", "low", "few"])
@pytest.mark.parametrize("other", ["full", "low", "few"])
def test_scaling_by_a_power_of_two_changes_no_digit(one, other):
    """No tolerance that has a size in it anywhere: the same bits, whatever the features' unit."""
    plain = frechet(_kinds(3, 1.0)[one][1], _kinds(4, 1.5)[other][1])
    tiny = frechet(_kinds(3, 2.0**-24)[one][1], _kinds(4, 1.5 * 2.0**-24)[other][1])
    assert tiny.distance == plain.distance * 2.0**-48
    assert tiny[3:] == plain[3:]


def test_a_lower_rank_has_a_closed_form_that_sqrtm_misses():
    """Covariances with common eigenvectors, 150 of 200 and 120 of 200 eigenvalues not 0: Σ (√λ − √μ)²."""
    g = np.random.default_rng(0)
    q, _ = np.linalg.qr(g.normal(size=(200, 200)))
    a, b = g.uniform(0.1, 9, 200), g.uniform(0.1, 9, 200)
    a[150:], b[:80] = 0, 0
    left, right = (_gaussian(np.zeros(200), q * c @ q.T) for c in (a, b))
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    terms = frechet(left, right)
    assert terms[3:] == (150, 120)
    assert terms.distance == pytest.approx(expected, rel=1e-12)
    theirs = _sqrtm_distance(left, right)
    assert theirs == pytest.approx(expected, rel=1e-6)
    assert abs(terms.distance - expected) < abs(theirs - expected) / 100


def test_static_videos_have_the_rank_of_their_number():
    """16 equal frames of each of 12 videos vary in 11 directions, kept as rows or folded."""
    frames = np.repeat(_correlated(0, 12, 300).astype(np.float32), 16, axis=0)
    kept, folded = Moments.of_rows(frames), _folded(frames.astype(np.float64))
    assert kept.centered_rows() is not None and folded.centered_rows() is None
    moving = Moments.of_rows(_correlated(1, 900, 300))
    for state in (kept, folded):
        assert frechet(state, moving)[3:] == (11, 300)
        assert frechet(state, state)[3:] == (11, 11)


@pytest.mark.parametrize("n", [2, 7, 1000, 30_000])
def test_constant_rows_have_rank_zero_where_their_mean_is_rounded(n):
    """0.1 + … + 0.1 divided by n is not 0.1: what is left varies by rounding only."""
    still = Moments.of_rows(np.full((n, 5), 0.1) * [1, 3, 7, -2, 1e5])
    terms = frechet(still, Moments.of_rows(_correlated(0, 50, 5)))
    assert terms.rank_candidate == 0
    assert frechet(still, still) == (0.0, 0.0, 0.0, 0, 0)


def test_few_rows_cost_no_matrix_of_the_dimension(monkeypatch):
    """20 rows of 2048 values never become a covariance."""
    monkeypatch.setattr(Moments, "covariance", None)
    x, y = (np.random.default_rng(seed).normal(size=(20, 2048)).astype(np.float32) for seed in (0, 1))
    terms = frechet(Moments.of_rows(x), Moments.of_rows(y))
    assert terms.distance == pytest.approx(_truth(x.astype(float), y.astype(float)), rel=1e-11)
    assert terms[3:] == (19, 19)


def test_the_fixed_side_is_factored_once():
    """20 values against one reference, each asked for twice (value, detail): 21 factors."""
    module = synvid_eval.metrics.frechet
    reference = _folded(_correlated(99, 100, 8))
    module._factored.cache_clear()
    module._terms.cache_clear()
    for seed in range(20):
        one = _folded(_correlated(seed, 100, 8))
        assert frechet(one, reference) == frechet(one, reference)
    assert module._factored.cache_info().misses == 21
    assert module._terms.cache_info().misses == 20


def test_threads_give_the_same_bits():
    reference = _folded(_correlated(99, 400, 64))
    sides = [_folded(_correlated(seed, 400, 64, rank=64 - 20 * (seed % 2))) for seed in range(12)]
    alone = [frechet(side, reference) for side in sides]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(lambda side: frechet(side, reference), sides)) == alone
            back = list(pool.map(lambda side: frechet(reference, side).distance, sides))
            assert back == pytest.approx([terms.distance for terms in alone], rel=1e-11)
