from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

from synvid_eval.metrics import Metric, Unscored
from synvid_eval.metrics.color import Color
from synvid_eval.metrics.effective_rank import EffectiveRank
from synvid_eval.metrics.motion import Motion
from synvid_eval.metrics.spectrum import Spectrum
from synvid_eval.metrics.tubelet import Tubelet
from synvid_eval.score import Comparison, SetFacts, read_comparison
from synvid_eval.scoring import score_pair, unscored
from synvid_eval.states import Fold, Side
from tests.metrics.sides import clip_side, normal_clips

NAMES = ("made", "real")


def _alphas(seed, clips, mean=1.0):
    values = np.random.default_rng(seed).normal(mean, 0.2, clips)
    present = np.ones((clips, 7))
    present[:, 0] = values
    return clip_side([row[None] for row in present], "spectrum")


def _color(seed, clips, **more):
    return clip_side([rows + 50 for rows in normal_clips(seed, clips, 4, 3, 5.0)], "lab", **more)


def test_property():
    a, b = _alphas(0, 120, 1.1), _alphas(1, 80)
    score = score_pair(Spectrum(), a, b, NAMES, "spectrum|abc")
    assert (score.candidate, score.metric, score.signature) == ("made", "spectrum", "spectrum|abc")
    assert score.n == {"candidate": 120, "reference": 80}
    assert score.corrected is None and score.reason is None and score.interval_reason is None
    low, high = score.interval
    assert (low + high) / 2 == pytest.approx(score.value)
    # 20 equal blocks of a mean: the standard error of the block means
    means = np.array([bl.states["spectrum"].mean[0] for bl in a.blocks])
    assert high - score.value == pytest.approx(stats.t.ppf(0.975, 19) * means.std(ddof=1) / 20**0.5)
    detail = score.detail
    assert detail["difference"] == pytest.approx(score.value - detail["reference"])
    lo, hi = detail["difference_interval"]
    others = np.array([bl.states["spectrum"].mean[0] for bl in b.blocks])
    half = stats.t.ppf(0.975, 19) * np.sqrt(means.var(ddof=1) / 20 + others.var(ddof=1) / 20)
    assert (hi - lo) / 2 == pytest.approx(half)
    assert "rows_candidate" not in detail and "floor" not in detail
    assert detail["notes"] == "The sets have different numbers of clips (120 and 80)."


def test_static_sets_have_an_interval_of_width_zero():
    still = clip_side([np.array([[0.0, 1.0, 0.0]])] * 40, "stride1")
    score = score_pair(Motion(stride=1), still, still, NAMES, "")
    assert score.value == 0.0 and score.interval == (0.0, 0.0)
    assert score.detail["difference_interval"] == [0.0, 0.0]


def test_distance():
    a, b = _color(0, 100), _color(1, 100)
    score = score_pair(Color(), a, b, NAMES, "")
    low, high = score.interval
    assert score.value > 0
    assert score.corrected < score.value
    assert (low + high) / 2 == pytest.approx(score.corrected)
    assert low < 0 < high  # the same distribution: the corrected distance is about 0
    halves = [b.only(range(0, 20, 2)), b.only(range(1, 20, 2))]
    assert score.detail["floor"] == Color().value(*halves)
    assert score.detail["floor_rows"] == [200, 200]
    assert score.detail["rows_candidate"] == score.detail["rows_reference"] == 400
    assert "notes" not in score.detail and "reference" not in score.detail


def test_correction_by_hand():
    """θ + both biases and the summed variances, from values computed one by one."""
    a, b = _color(0, 70), _color(1, 130)
    metric = Color()
    score = score_pair(metric, a, b, NAMES, "", level=0.9)
    theta, bias, variance = metric.value(a, b), 0.0, 0.0
    for left, m in (
        ([metric.value(a.without(j), b) for j in range(20)], np.array(a.block_clips("lab"))),
        ([metric.value(a, b.without(j)) for j in range(20)], np.array(b.block_clips("lab"))),
    ):
        h = m.sum() / m
        estimate = 20 * theta - ((1 - 1 / h) * left).sum()
        bias += estimate - theta
        variance += (((h * theta - (h - 1) * left) - estimate) ** 2 / (h - 1)).mean()
    assert score.corrected == pytest.approx(theta + bias, rel=1e-10)
    assert score.interval[1] - score.corrected == pytest.approx(
        stats.t.ppf(0.95, 19) * variance**0.5, rel=1e-9
    )
    assert score.level == 0.9


def test_richness_uses_the_candidates_blocks_only():
    a = clip_side(normal_clips(0, 100, 4, 8), "hog")
    few = clip_side(normal_clips(1, 5, 4, 8), "hog")
    score = score_pair(EffectiveRank(), a, few, NAMES, "")
    assert score.value < score.corrected < 8.2 and score.interval is not None
    assert score.detail["reference"] < score.value
    assert score.detail["difference"] == score.value - score.detail["reference"]
    assert (score.detail["rows_candidate"], score.detail["rows_reference"]) == (400, 20)
    assert "depends on their number" in score.detail["notes"]


@pytest.mark.parametrize(
    ("metric", "sides", "reason"),
    [
        (Color(), (_color(0, 59), _color(1, 90)), "made has 59 clips, and an interval of color needs 60."),
        (Color(), (_color(0, 90), _color(1, 59)), "real has 59 clips, and an interval of color needs 60."),
        (
            Color(),
            (_color(0, 9), _color(1, 59)),
            "made has 9 clips, too few for an interval: they fill 9 of the 20 groups it is made from, and 10 "
            "are needed. "
            "real has 59 clips, and an interval of color needs 60.",
        ),
        (
            Color(),
            (_color(0, 90, blocks=8, sources=True), _color(1, 90)),
            "made has clips from 8 sources, and an interval needs 10.",
        ),
        (
            EffectiveRank(),
            (clip_side(normal_clips(0, 23, 4, 8), "hog"), clip_side(normal_clips(0, 30, 4, 8), "hog")),
            "made has 23 clips, and an interval of effective_rank needs 100.",
        ),
        (
            Spectrum(),
            (_alphas(0, 9), _alphas(0, 20)),
            "made has 9 clips, too few for an interval: they fill 9 of the 20 groups it is made from, and 10 "
            "are needed.",
        ),
    ],
)
def test_no_interval_says_why(metric, sides, reason):
    score = score_pair(metric, *sides, NAMES, "")
    assert score.interval is None and score.corrected is None
    assert score.interval_reason == reason
    assert math.isfinite(score.value) and score.reason is None


def test_ten_sources_bear_an_interval():
    side = _color(0, 90, blocks=10, sources=True)
    assert score_pair(Color(), side, _color(1, 90), NAMES, "").interval is not None


def test_a_difference_without_interval_is_noted():
    score = score_pair(Spectrum(), _alphas(0, 20), _alphas(1, 4), NAMES, "")
    assert score.interval is not None and score.detail["difference_interval"] is None
    assert "The difference has no interval: real has 4 clips, too few" in score.detail["notes"]


def test_no_data_is_a_reason_on_either_side():
    empty = Side((Fold(),) * 20, 0)
    score = score_pair(Spectrum(), empty, _alphas(0, 20), NAMES, "")
    assert math.isnan(score.value) and "this set has 0" in score.reason
    assert score.interval_reason == "There is no value."
    assert math.isfinite(score.detail["reference"]) and math.isnan(score.detail["difference"])
    score = score_pair(Spectrum(), _alphas(0, 20), empty, NAMES, "")
    assert math.isfinite(score.value) and score.interval is not None
    assert math.isnan(score.detail["reference"]) and "real: spectrum needs" in score.detail["notes"]
    score = score_pair(Color(), _color(0, 20), empty, NAMES, "")
    assert "the reference has 0" in score.reason and math.isnan(score.detail["floor"])
    assert score.detail["floor_rows"] == [0, 0]


def test_floor_needs_two_clips_a_half():
    score = score_pair(Color(), _color(0, 70), _color(1, 3), NAMES, "")
    assert math.isnan(score.detail["floor"]) and score.detail["floor_rows"] == [8, 4]
    assert "No floor: the halves of the reference have 2 and 1 clips, 2 are needed." in score.detail["notes"]
    score = score_pair(Color(), _color(0, 70), _color(1, 4), NAMES, "")
    assert score.detail["floor"] > 0


@dataclass(frozen=True)
class _Odd(Metric):
    """A property of n alone."""

    name: ClassVar[str] = "odd"
    feature: ClassVar[str] = "lab"
    kind: ClassVar[str] = "property"
    better: ClassVar[str] = "match"
    unit: ClassVar[str] = ""

    @property
    def state(self):
        return "lab"

    def number(self, n):
        return n

    def value(self, candidate, reference):
        return self.number(candidate.clips("lab"))


class _Infinite(_Odd):
    def number(self, n):
        return math.inf


class _Fragile(_Odd):
    def number(self, n):
        if n < 20:
            raise Unscored("It needs 20.")
        return 1.0


class _Buggy(_Odd):
    def number(self, n):
        raise ZeroDivisionError("a bug")


class _Shy(_Odd):
    def detail(self, candidate, reference):
        raise Unscored("Not today.")


def test_an_infinite_value_gets_a_reason():
    score = score_pair(_Infinite(), _color(0, 20), _color(1, 20), NAMES, "")
    assert (
        math.isnan(score.value) and score.reason == "The computation gave inf, which is no number to report."
    )


def test_a_value_that_cannot_lose_a_block_has_no_interval():
    score = score_pair(_Fragile(), _color(0, 20), _color(1, 40), NAMES, "")
    assert score.value == 1.0 and score.interval is None
    assert score.interval_reason == "With one group of the clips of made left out: It needs 20."


def test_a_bug_is_not_a_reason():
    with pytest.raises(ZeroDivisionError):
        score_pair(_Buggy(), _color(0, 20), _color(1, 20), NAMES, "")


def test_a_detail_that_cannot_be_had_is_left_out():
    assert "reference" in score_pair(_Shy(), _color(0, 20), _color(1, 20), NAMES, "").detail


def test_unscored():
    score = unscored(Motion(), {"candidate": 20, "reference": 20}, "made", "motion|x", "No stride.")
    assert (
        math.isnan(score.value)
        and score.reason == "No stride."
        and score.n == {"candidate": 20, "reference": 20}
    )


def test_scores_go_through_json():
    facts = [SetFacts(name, "/x", "f", 20, 320) for name in NAMES]
    empty = Side((Fold(),) * 20, 0)
    scores = [
        score_pair(Color(), _color(0, 90), _color(1, 90), NAMES, "a"),
        score_pair(Spectrum(), empty, _alphas(1, 90), NAMES, "b"),
    ]
    text = Comparison(facts[1], [facts[0]], scores).to_json()
    back, warnings = read_comparison(text)
    assert not warnings and back.to_json() == text
    assert back.scores[0] == scores[0]


def test_the_interval_of_equal_sets_holds_zero():
    a, b = (clip_side(normal_clips(seed, 200, 140, 32), "stride4") for seed in (0, 1))
    score = score_pair(Tubelet(stride=4), a, b, NAMES, "")
    low, high = score.interval
    assert low < 0 < high and score.value > 0.01  # truth 0, plug-in biased upward
