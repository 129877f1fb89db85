from __future__ import annotations

import numpy as np
import pytest

from synvid_eval.metrics import Unscored
from synvid_eval.metrics.effective_rank import EffectiveRank, effective_rank, eigenvalue_curve
from synvid_eval.states import Counts, Fold, Moments, Side
from tests.metrics.sides import clip_side, exact_rows, normal_clips


@pytest.mark.parametrize("k", [1, 2, 5, 128])
def test_k_equal_directions_have_rank_k(k):
    deviations = np.zeros(128)
    deviations[:k] = 3.0
    assert EffectiveRank().of_rows(exact_rows(np.zeros(128), deviations, 1)) == pytest.approx(k, rel=1e-12)


def test_planted_spectrum_under_a_rotation_and_any_size():
    g = np.random.default_rng(0)
    q, _ = np.linalg.qr(g.normal(size=(16, 16)))
    variances = 0.5 ** np.arange(16)
    p = variances / variances.sum()
    expected = np.exp(-(p * np.log(p)).sum())
    rows = exact_rows(np.zeros(16), np.sqrt(variances), 1) @ q.T
    for size in (1e-7, 1.0, 1e6):
        assert EffectiveRank().of_rows(rows * size) == pytest.approx(expected, rel=1e-10)
    # two shares ¾ and ¼
    assert effective_rank(np.array([3.0, 1.0])) == pytest.approx(4 / 3**0.75)


def test_negative_rounding_counts_as_zero():
    assert effective_rank(np.array([-1e-18, 1.0, 1.0])) == pytest.approx(2)


def test_too_few_or_equal_rows_are_a_reason():
    with pytest.raises(Unscored, match="2 or more frames with a gradient; this set has 1"):
        EffectiveRank().of_rows(np.ones((1, 4)))
    with pytest.raises(Unscored, match="all 3 of this set are the same"):
        EffectiveRank().of_rows(np.ones((3, 4)))


def test_detail_and_gate():
    rows = Moments.of_rows(np.eye(4))
    side = Side((Fold({"hog": rows, "frames": Counts([8, 2])}, {"hog": 4, "frames": 4}),), 4)
    assert EffectiveRank().detail(side, side) == {"dropped_candidate": 0.25, "dropped_reference": 0.25}
    assert EffectiveRank().interval_gate(side) == "has 4 clips, and an interval of effective_rank needs 100"
    assert EffectiveRank().interval_gate(clip_side(normal_clips(0, 100, 1, 4), "hog")) == ""


def test_curve_of_eigenvalues_keeps_the_ends():
    curve = eigenvalue_curve(np.concatenate([[0.0, -1e-20], np.arange(1, 129.0)]))
    assert curve["rank"][0] == 1 and curve["rank"][-1] == 128 and curve["rank"] == sorted(set(curve["rank"]))
    assert curve["value"] == [129.0 - rank for rank in curve["rank"]]
    assert eigenvalue_curve(np.zeros(4)) == {"rank": [], "value": []}
