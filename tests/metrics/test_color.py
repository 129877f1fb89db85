from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from synvid_eval.errors import UsageError
from synvid_eval.metrics import Unscored
from synvid_eval.metrics.color import Color, symmetric_kl
from synvid_eval.states import Fold, Moments, Side
from tests.metrics.sides import clip_side, exact_rows, normal_clips


def test_closed_form_in_one_dimension():
    """KL + KL of N(0, 1) and N(1, 2²): ½(1/4 + 4 − 2 + 1·(1 + 1/4)) = 1.75."""
    one = np.ones((1, 1))
    assert symmetric_kl(np.zeros(1), one, np.ones(1), 4 * one) == pytest.approx(1.75, rel=1e-14)


def test_closed_form_of_rows_with_the_ridge():
    """Diagonal covariances: the sum over axes; rows have ddof 0, the ridge adds to each variance."""
    a, b = exact_rows([50, 0, 0], [10, 5, 2], 0), exact_rows([60, 3, 0], [20, 5, 1], 0)
    p, q = np.array([100, 25, 4]) + 0.01, np.array([400, 25, 1]) + 0.01
    gap = np.array([100, 9, 0])
    expected = 0.5 * (p / q + q / p - 2 + gap * (1 / p + 1 / q)).sum()
    assert Color().of_rows(a, b) == pytest.approx(expected, rel=1e-12)
    assert Color(ridge=1.0).of_rows(a, b) < expected


def test_it_is_the_sum_of_both_divergences():
    """Against KL by Monte Carlo from scipy's densities."""
    g = np.random.default_rng(0)
    m = g.normal(size=(2, 3, 3))
    s1, s2 = m[0] @ m[0].T + np.eye(3), m[1] @ m[1].T + np.eye(3)
    p, q = multivariate_normal(np.zeros(3), s1), multivariate_normal(np.ones(3), s2)
    x, y = p.rvs(200_000, random_state=1), q.rvs(200_000, random_state=2)
    estimate = (p.logpdf(x) - q.logpdf(x)).mean() + (q.logpdf(y) - p.logpdf(y)).mean()
    assert symmetric_kl(np.zeros(3), s1, np.ones(3), s2) == pytest.approx(estimate, rel=0.02)


def test_equal_sets_give_exactly_zero_and_near_ones_keep_their_digits():
    covariance = np.diag([100.0, 25.0, 4.0])
    assert symmetric_kl(np.zeros(3), covariance, np.zeros(3), covariance) == 0.0
    # ½ Σ ε²/(1 + ε) for variances that differ by the share ε: nothing cancels at ε = 1e-9
    near = covariance * (1 + 2.0**-30)
    expected = 0.5 * 3 * 2.0**-60 / (1 + 2.0**-30)
    assert symmetric_kl(np.zeros(3), covariance, np.zeros(3), near) == pytest.approx(expected, rel=1e-9)


def test_gray_sets_stay_finite():
    gray = np.array([[20.0, 0, 0], [60, 0, 0], [90, 0, 0]])
    value = Color().of_rows(gray, exact_rows([50, 0, 0], [20, 3, 3], 0))
    assert np.isfinite(value) and value > 100


def test_one_frame_is_enough_and_none_is_not():
    assert np.isfinite(Color().of_rows([[50, 0, 0]], [[60, 0, 0]]))
    with pytest.raises(Unscored, match="1 or more frames; the candidate has 0"):
        Color().of_rows(np.empty((0, 3)), np.ones((2, 3)))
    empty = Side((Fold(),) * 20, 0)
    with pytest.raises(Unscored, match="the reference has 0"):
        Color().value(clip_side(normal_clips(0, 3, 1, 3), "lab"), empty)


def test_no_ridge_on_gray_is_a_reason():
    with pytest.raises(Unscored, match="singular"):
        Color(ridge=0.0).of_rows([[20, 0, 0], [60, 0, 0]], np.random.default_rng(0).normal(size=(9, 3)))
    with pytest.raises(UsageError, match="ridge=-1"):
        Color(ridge=-1.0)


def test_detail_is_without_the_ridge():
    rows = exact_rows([50, 1, 2], [10, 5, 2], 0)
    side = Side((Fold({"lab": Moments.of_rows(rows)}, {"lab": 6}),), 6)
    detail = Color().detail(side, side)
    assert detail["mean"] == pytest.approx([50, 1, 2]) == detail["reference_mean"]
    assert detail["covariance"] == pytest.approx([100, 0, 0, 0, 25, 0, 0, 0, 4], abs=1e-12)
    assert len(detail["reference_covariance"]) == 9


def test_gate():
    gate = Color().interval_gate
    few = clip_side(normal_clips(0, 59, 1, 3), "lab")
    assert gate(few) == "has 59 clips, and an interval of color needs 60"
    assert gate(clip_side(normal_clips(0, 60, 1, 3), "lab")) == ""


def test_distance_between_clips_is_wassersteins_where_covariances_commute():
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    means, spreads = np.array([[50, 1, 2], [40, 4, -1.0]]), np.array([[9, 4, 1], [16, 1, 25.0]])
    columns = {}
    covariances = [turn @ np.diag(s) @ turn.T for s in spreads]
    for i, a in enumerate("Lab"):
        columns[a] = means[:, i]
        columns |= {
            f"{a}{b}": np.array([c[i, j] for c in covariances]) for j, b in enumerate("Lab") if j >= i
        }
    found = Color().clip_rows(clip_side([], "lab"), columns, np.array([3, 4], np.uint64))
    assert found is not None and found.owners.tolist() == [3, 4]
    expected = ((means[0] - means[1]) ** 2).sum() + ((np.sqrt(spreads[0]) - np.sqrt(spreads[1])) ** 2).sum()
    assert ((found.rows[0] - found.rows[1]) ** 2).sum() == pytest.approx(expected, rel=1e-12)
    columns["L"][1] = np.nan
    assert Color().clip_rows(clip_side([], "lab"), columns, np.array([3, 4], np.uint64)).owners.tolist() == [
        3
    ]


def test_picture_holds_shares_of_pixels():
    plane = np.zeros(44 * 44, int)
    plane[[5, 6, 100]] = 29_990, 1, 10_008
    plane[200] = 1
    side = clip_side([np.ones((1, 3))], "lab", counts={"plane": plane, "lightness": [1] * 50})
    picture = Color().picture(side)
    assert picture["ab"] == {"low": -110.0, "width": 5.0, "size": 44, "counts": [[5, 7498], [100, 2502]]}
    assert picture["lightness"] == [0.02] * 50
