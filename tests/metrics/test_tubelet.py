from __future__ import annotations

import re

import numpy as np
import pytest

from synvid_eval.metrics import Unscored
from synvid_eval.metrics.frechet import frechet
from synvid_eval.metrics.tubelet import Tubelet
from synvid_eval.states import Counts, Fold, Moments, Side
from tests.metrics.sides import clip_side, exact_rows, normal_clips

COUNTS = {"dropped4": [150, 30, 150 * 64]}


def test_closed_form_at_either_ddof():
    a, b = exact_rows([1, 2, 2], [1, 2, 3], 1), exact_rows([0, 0, 0], [2, 1, 4], 1)
    assert Tubelet().of_rows(a, b) == pytest.approx(12, rel=1e-13)
    assert Tubelet(ddof=0).of_rows(a, b) == pytest.approx(9 + 3 * 5 / 6, rel=1e-13)


def test_detail_splits_space_and_time():
    g = np.random.default_rng(0)
    a, b = ([x @ g.normal(size=(128, 128)) for x in normal_clips(seed, 20, 20, 128)] for seed in (0, 1))
    left, right = clip_side(a, "stride4", counts=COUNTS), clip_side(b, "stride4", counts=COUNTS)
    metric = Tubelet(stride=4)
    detail = metric.detail(left, right)
    x, y = np.concatenate(a), np.concatenate(b)
    spatial = frechet(Moments.of_rows(x[:, :64]), Moments.of_rows(y[:, :64])).distance
    temporal = frechet(*(Moments.of_rows(r[:, 64:] - r[:, :64]) for r in (x, y))).distance
    assert detail["spatial"] == pytest.approx(spatial, rel=1e-10)
    assert detail["temporal"] == pytest.approx(temporal, rel=1e-10)
    assert detail["mean_term"] + detail["trace_term"] == metric.value(left, right)
    assert detail["dropped_candidate"] == detail["dropped_reference"] == 0.2
    assert detail["rank_candidate"] == detail["rank_reference"] == 128
    assert (detail["stride"], detail["too_short"], detail["too_short_reference"]) == (4, 0, 0)


def test_flat_clips_are_not_short_ones():
    """Clips whose tubelets were all dropped are long enough, and say so."""
    flat = Side((Fold({"dropped4": Counts([300, 300, 300 * 64])}, {"dropped4": 2}),), 2)
    metric = Tubelet().settle([flat])
    assert metric.stride == 4
    with pytest.raises(Unscored, match="2 or more tubelets at stride 4; the candidate has 0"):
        metric.value(flat, flat)
    assert metric.detail(flat, flat) == {
        "stride": 4,
        "too_short": 0,
        "too_short_reference": 0,
        "dropped_candidate": 1.0,
        "dropped_reference": 1.0,
    }


def test_one_row_is_too_few():
    with pytest.raises(Unscored, match="the reference has 1"):
        Tubelet().of_rows(np.eye(4), np.ones((1, 4)))


def test_gate_needs_clips():
    gate = Tubelet(stride=4).interval_gate
    assert gate(clip_side(normal_clips(0, 99, 1, 8), "stride4")) == (
        "has 99 clips, and an interval of tubelet needs 100"
    )
    assert gate(clip_side(normal_clips(0, 383, 2, 128), "stride4")) == (
        "has 383 clips, and an interval of tubelet needs 384"
    )
    needs = gate(clip_side(normal_clips(0, 384, 20, 128), "stride4"))  # in all 128 directions alike
    assert re.fullmatch("has 384 clips, and an interval of tubelet needs (7[0-9]{2}|8[01][0-9])", needs)
    falling = normal_clips(0, 384, 1, 128) / np.arange(1, 129)
    assert gate(clip_side(falling, "stride4")) == ""
