"""fd[run], kd[run] and diversity[run] beside other tools on the same rows, and what they say of their clips.
The numerics are their siblings'; `test_contract` runs over them, too.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import maximum_mean_discrepancy

from synvid_eval.metrics import Unscored
from synvid_eval.metrics.diversity_run import RunDiversity
from synvid_eval.metrics.fd_run import RunFrechet
from synvid_eval.metrics.kd_run import RunKernel
from synvid_eval.scoring import score_pair
from synvid_eval.states import Counts, Fold, Moments, Rows, Side, State

WIDTH = 24


def rows_of(seed: int, clips: int = 120, shift: float = 0.0) -> np.ndarray:
    """Float32 rows [clips, 24], correlated, as an encoder gives them: around 1."""
    g = np.random.default_rng(seed)
    mix = np.random.default_rng(7).normal(size=(WIDTH, WIDTH)) / 5
    return (g.normal(size=(clips, WIDTH)) @ mix + 1 + shift).astype(np.float32)


def side(rows: np.ndarray, measured: int | None = None, smaller: int = 0) -> Side:
    """As the feature gives it: one row a clip; the first `smaller` clips at a smaller stride."""
    folds = [Fold() for _ in range(20)]
    for i, row in enumerate(rows):
        states: dict[str, State] = {
            "features": Moments.of_rows(row[None]),
            "rows": Rows.of([i], [1000 + i], row[None], 10_000),
            "smaller": Counts([int(i < smaller)]),
        }
        folds[i % 20] = folds[i % 20] + Fold(states, dict.fromkeys(states, 1))
    return Side(tuple(folds), len(rows) if measured is None else measured)


def test_the_frechet_distance_is_that_of_torchmetrics_and_of_eigenvalues() -> None:
    x, y = rows_of(0), rows_of(1, 150, 0.1)
    got = RunFrechet().value(side(x), side(y))
    doubles = [r.astype(np.float64) for r in (x, y)]
    gaussians = [(r.mean(0), np.cov(r, rowvar=False)) for r in doubles]
    given = [torch.from_numpy(v) for pair in gaussians for v in pair]
    assert got == pytest.approx(_compute_fid(*given).item(), rel=1e-9)
    (mu, a), (nu, b) = gaussians
    roots = np.sqrt(scipy.linalg.eigvals(a @ b).real.clip(0))
    assert got == pytest.approx(((mu - nu) ** 2).sum() + np.trace(a + b) - 2 * roots.sum(), rel=1e-8)


@pytest.mark.parametrize("pairs", ["clips", "all"])
def test_the_kernel_distance_is_that_of_torchmetrics(pairs: str) -> None:
    """One row a clip: both ways to pair are the standard estimate."""
    x, y = rows_of(0), rows_of(1, shift=0.1)
    a, b = (torch.from_numpy(r.astype(np.float64)) for r in (x, y))
    k_xx, k_xy, k_yy = ((p @ q.T / WIDTH + 1) ** 3 for p, q in ((a, a), (a, b), (b, b)))
    theirs = maximum_mean_discrepancy(k_xx, k_xy, k_yy).item()
    assert RunKernel(pairs=pairs).value(side(x), side(y)) == pytest.approx(theirs, rel=1e-9)


def test_diversity_is_the_log_determinant() -> None:
    x = rows_of(3)
    sign, want = np.linalg.slogdet(np.cov(x.astype(np.float64), rowvar=False) + 1e-3 * np.eye(WIDTH))
    assert sign == 1 and RunDiversity().value(side(x), side(x)) == pytest.approx(want, rel=1e-10)
    few = RunDiversity().value(side(x[:9]), side(x[:9]))
    assert few < want
    assert RunDiversity().detail(side(x[:9]), side(x))["rank_candidate"] == 8


def test_a_set_beside_itself() -> None:
    one = side(rows_of(0))
    assert RunFrechet().value(one, one) == 0
    far = RunKernel().value(one, side(rows_of(1, shift=1)))
    assert -far < RunKernel().value(one, one) <= 0
    score = score_pair(RunDiversity(), one, one, ("a", "b"), "")
    assert score.detail["difference"] == 0 and score.better == "higher" and score.unit == "nats"


@pytest.mark.parametrize("metric", [RunFrechet(), RunKernel(), RunDiversity()], ids=lambda m: m.name)
def test_clips_that_are_short_are_counted(metric: RunFrechet | RunKernel | RunDiversity) -> None:
    one, other = side(rows_of(0, 30), measured=33, smaller=4), side(rows_of(1, 30))
    detail = metric.detail(one, other)
    assert (detail["too_short"], detail["too_short_reference"]) == (3, 0)
    assert (detail["smaller_stride"], detail["smaller_stride_reference"]) == (4, 0)
    score = score_pair(metric, one, other, ("a", "b"), "")
    assert score.detail["notes"].startswith(
        "4 of the candidate's 30 clips and 0 of the reference's 30 clips are short"
    )
    alike = score_pair(metric, one, side(rows_of(1, 30), smaller=3), ("a", "b"), "")
    assert "short" not in alike.detail.get("notes", "")
    nothing = Side((Fold(),) * 20, 5)
    assert metric.detail(nothing, other)["too_short"] == 5
    with pytest.raises(Unscored, match=r"\[run\] needs .*runs? of sampler\.length frames"):
        metric.value(nothing, other)


def test_intervals_begin_where_those_of_the_siblings_do() -> None:
    shut = side(rows_of(0, 99))
    assert "needs 100" in RunFrechet().interval_gate(shut) and "needs" in RunDiversity().interval_gate(shut)
    assert "of kd[run] needs 200" in RunKernel().interval_gate(shut)
    score = score_pair(RunFrechet(), side(rows_of(0, 240)), side(rows_of(1, 240)), ("a", "b"), "")
    assert score.interval is not None and score.corrected is not None
    low, high = score.interval
    assert low < 0 < high and math.isfinite(score.detail["floor"])
    kernel = score_pair(RunKernel(), side(rows_of(0, 240)), side(rows_of(1, 240)), ("a", "b"), "")
    assert kernel.interval is not None and kernel.corrected is None
