from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from synvid_eval.errors import UsageError
from synvid_eval.metrics import Metric, Unscored
from synvid_eval.metrics.fid import Fid
from synvid_eval.metrics.frechet import FrechetMetric, frechet
from synvid_eval.metrics.fvd import DDOF, Fvd
from synvid_eval.scoring import over_threads, score_pair
from synvid_eval.states import Fold, Moments, Side
from tests.metrics.sides import clip_side, exact_rows, normal_clips

BOTH = pytest.mark.parametrize(("metric", "state"), [(Fid(), "pool3"), (Fvd(), "logits")])


@dataclass(frozen=True)
class _Feature:
    protocol: str


def _rows(seed, n, d):
    g = np.random.default_rng(seed)
    return g.normal(size=(n, d)) @ g.normal(size=(d, d)) + g.normal(size=d)


def test_closed_form_at_either_ddof():
    """diag(1, 4, 9) against diag(4, 1, 16), mean gap (1, 2, 2): 9 + 3; with n for n − 1 the covariances are
    ⅚ of that (6 rows).
    """
    a, b = exact_rows([1, 2, 2], [1, 2, 3], 1), exact_rows([0, 0, 0], [2, 1, 4], 1)
    assert Fid().of_rows(a, b) == pytest.approx(12, rel=1e-13)
    assert Fid(ddof=0).of_rows(a, b) == pytest.approx(9 + 3 * 5 / 6, rel=1e-13)
    assert Fvd(ddof=1).of_rows(a, b) == pytest.approx(12, rel=1e-13)
    assert Fvd().of_rows(a, b) == pytest.approx(9 + 3 * 5 / 6, rel=1e-13)


def test_agrees_with_torchmetrics():
    """torchmetrics 1.9 (`_compute_fid`: eigenvalues of the product, float64)."""
    x, y = _rows(0, 500, 48), _rows(1, 400, 48)
    given = [torch.from_numpy(v) for r in (x, y) for v in (r.mean(0), np.cov(r, rowvar=False))]
    assert Fid().of_rows(x, y) == pytest.approx(_compute_fid(*given).item(), rel=1e-10)


def test_agrees_with_pytorch_fid():
    """pytorch-fid 0.3.0 (`calculate_frechet_distance`: sqrtm; it does not run with SciPy 1.18 on)."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    x, y = _rows(0, 500, 48), _rows(1, 400, 48)
    given = [v for r in (x, y) for v in (r.mean(0), np.cov(r, rowvar=False))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = calculate_frechet_distance(*given)
    except TypeError as error:
        assert "disp" in str(error)
        return
    assert Fid().of_rows(x, y) == pytest.approx(theirs, rel=1e-9)


@BOTH
def test_detail_has_terms_and_ranks(metric, state):
    a, b = (clip_side(normal_clips(seed, 30, 3, 8), state) for seed in (0, 1))
    detail = metric.detail(a, b)
    assert detail["mean_term"] + detail["trace_term"] == metric.value(a, b)
    assert (detail["rank_candidate"], detail["rank_reference"]) == (8, 8)
    expected = frechet(a.moments(state), b.moments(state), metric.divisor)
    assert metric.value(a, b) == expected.distance


def test_frames_name_another_state():
    """Ten frames a clip (the paper's 10,000) are a state of their own beside all frames."""
    metric = Fid(frames=10)
    assert (Fid().state, metric.state) == ("pool3", "pool3@10")
    side = clip_side(normal_clips(0, 5, 10, 4), "pool3@10")
    assert metric.value(side, side) == pytest.approx(0, abs=1e-12)
    with pytest.raises(Unscored, match="fid needs 2 or more frames; the candidate has 0"):
        Fid().value(side, side)
    with pytest.raises(UsageError, match=r"fid\.frames=-1"):
        Fid(frames=-1)


@pytest.mark.parametrize("protocol", ["styleganv", "videogpt", "cdfvd"])
def test_ddof_follows_the_protocol_unless_it_is_given(protocol):
    settled = Fvd().settle([], _Feature(protocol))
    assert settled.ddof == settled.divisor == {"styleganv": 0, "videogpt": 1, "cdfvd": 0}[protocol]
    assert Fvd(ddof=1).settle([], _Feature(protocol)).ddof == 1
    assert Fvd().settle([]).divisor == 0


def test_every_protocol_of_the_feature_has_a_ddof():
    from synvid_eval.features import registry

    field = next(f for f in registry.get("i3d").__dataclass_fields__.values() if f.name == "protocol")
    assert set(field.metadata["choices"]) == set(DDOF)


def test_short_clips_are_counted():
    rows = Moments.of_rows(normal_clips(0, 1, 7, 4)[0])
    side = Side((Fold({"logits": rows}, {"logits": 7}),), 9)
    empty = Side((Fold(),), 3)
    assert Fvd().detail(side, empty) == {"too_short": 2, "too_short_reference": 3}
    with pytest.raises(Unscored, match="2 or more clips of 16 frames; the reference has 0"):
        Fvd().value(side, empty)


@BOTH
def test_gate_needs_clips(metric, state):
    gate, name = metric.interval_gate, metric.name
    assert (
        gate(clip_side(normal_clips(0, 99, 1, 8), state))
        == f"has 99 clips, and an interval of {name} needs 100"
    )
    assert gate(clip_side(normal_clips(0, 100, 1, 8), state)) == ""
    assert gate(clip_side(normal_clips(0, 191, 9, 64), state)) == (
        f"has 191 clips, and an interval of {name} needs 192"
    )
    assert gate(clip_side(normal_clips(0, 192, 1, 64), state)) == ""
    assert gate(Side((Fold(),), 0)) == f"has 0 clips, and an interval of {name} needs 100"


def test_the_interval_corrects_the_bias_and_threads_change_no_bit():
    """Equal distributions: the plug-in value is near its bias, `corrected` near 0."""
    a, b = (clip_side(normal_clips(seed, 200, 2, 24), "pool3") for seed in (0, 1))
    score = score_pair(Fid(), a, b, ("a", "b"), "")
    low, high = score.interval
    assert low < 0 < high and score.value > 3 * abs(score.corrected)
    assert score_pair(Fid(), a, b, ("a", "b"), "", spread=over_threads(3)).interval == score.interval


def test_left_out_is_the_value_without_the_block():
    clips = normal_clips(0, 60, 3, 6)
    a, b = clip_side(clips, "pool3"), clip_side(normal_clips(1, 60, 3, 6), "pool3")
    left = Fid().left_out((a, b), 0)
    for index, value in enumerate(left):
        rest = np.concatenate([c for i, c in enumerate(clips) if i % 20 != index])
        other = np.concatenate(normal_clips(1, 60, 3, 6))
        assert value == pytest.approx(Fid().of_rows(rest, other), rel=1e-10)
    assert not any(map(math.isnan, left))


def _block_side(seed, n, d, *, blocks=20, rank=None, sizes=None):
    """20 blocks of unequal size, some kept as rows, some folded; deviations from 1 to 0.01."""
    g = np.random.default_rng(seed)
    mix = np.logspace(0, -2, d)[:, None] * np.linalg.qr(g.normal(size=(d, d)))[0]
    if rank:
        mix[rank:] = 0
    folds = []
    for size in sizes or [n // 20 + 3 * i for i in range(blocks)]:
        rows = g.normal(size=(size, d)) @ mix + g.normal(size=d) * 0.1 + 1
        folds.append(Fold({"pool3": Moments.of_rows(rows)}, {"pool3": size}) if size else Fold())
    return Side(tuple(folds), 100)


@pytest.mark.parametrize(
    ("sizes", "rank"),
    [
        (None, None),
        (None, 20),  # not of full rank: the general way
        ([200] + [30] * 10, None),  # one block with much of it
        ([900] + [30] * 10, None),  # with more than half: the general way
        ([0, 500, 0, *[40] * 17], None),
        ([6] * 20, None),  # full rank, barely
    ],
)
@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("ddof", [0, 1])
def test_left_out_at_less_cost_is_the_same(sizes, rank, turn, ddof):
    metric, d = Fid(ddof=ddof), 40
    sides = (_block_side(1, 2000, d, sizes=sizes, rank=rank), _block_side(2, 2000, d, sizes=sizes))
    found = metric.left_out(sides, turn)
    expected = Metric.left_out(metric, sides, turn)
    assert found == pytest.approx(expected, rel=1e-10, nan_ok=True)
    assert [math.isnan(v) for v in found] == [not b.states for b in sides[turn].blocks]
    assert found == pytest.approx(metric.left_out(sides, turn, over_threads(3)), rel=0, abs=0, nan_ok=True)


def test_a_direction_that_only_one_block_has_is_not_left_to_rounding(monkeypatch):
    """Without that block the rank falls: what would be rounding goes the general way."""
    g = np.random.default_rng(0)
    folds = []
    for block in range(20):
        rows = g.normal(size=(60, 24))
        rows[:, 23] *= block == 3
        folds.append(Fold({"pool3": Moments.of_rows(rows)}, {"pool3": 60}))
    sides = (Side(tuple(folds), 1200), _block_side(2, 2000, 24))
    generic = []
    monkeypatch.setattr(
        Fid, "value", lambda self, *pair: generic.append(1) or FrechetMetric.value(self, *pair)
    )
    found = Fid().left_out(sides, 0)
    assert len(generic) == 1
    assert found == pytest.approx(Metric.left_out(Fid(), sides, 0), rel=1e-11)
