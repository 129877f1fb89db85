from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize("d", [1, 2, 128, 400])
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
