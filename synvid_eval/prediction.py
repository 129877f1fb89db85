"""A predictor of accuracy from several metrics, judged on families of sets that it has not seen (numpy and
scipy only).

Ridge regression on standardised ranks. It is judged by leaving out one family at a time, beside two simpler
ones under the same judgement: the best single metric, chosen anew within each fold (a metric chosen on all
sets would have seen the answer), and the mean of the other families' sets. What does not beat the mean
predicts nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synvid_eval.association import ranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Ridge penalties that are tried, per set: λ = penalty · number of sets."""
FOLDS = 20
"""Families left out at a time are grouped where there are more of them."""
LEAST_FAMILIES = 3
LEAST_SETS = 8


@dataclass(frozen=True)
class Prediction:
    """What predicting from metrics is worth, and what it says of sets without an accuracy.

    metrics: looked at. penalty: chosen on all sets. rmse: `ridge`, `single`, `mean` → root mean square error
    of sets whose family was left out [units of y]. chosen: the single metric that each fold chose. weights:
    of the ridge on all sets, per standard deviation of ranks. predicted, half: [m] for the new sets and the
    half width of their intervals, the t quantile of the number of folds times the error of left-out sets.
    """

    metrics: tuple[str, ...]
    penalty: float
    rmse: dict[str, float]
    chosen: tuple[str, ...]
    weights: tuple[float, ...]
    predicted: tuple[float, ...]
    half: float


def predict(
    x: Floats, y: Floats, families: Ints, new: Floats, names: Sequence[str], level: float = 0.95
) -> Prediction | None:
    """Ridge on ranks, judged family by family; None below `LEAST_FAMILIES` or `LEAST_SETS`.

    Args:
        x: float64 [n, k], finite; y: [n]; families: [n], 0 … F − 1; new: [m, k], sets without an accuracy.
    """
    from scipy.special import stdtrit

    folds = families % FOLDS
    count = len(np.unique(folds))
    if count < LEAST_FAMILIES or len(y) < LEAST_SETS or not x.shape[1]:
        return None
    errors: dict[str, list[Floats]] = {"ridge": [], "single": [], "mean": []}
    chosen = []
    for fold in np.unique(folds):
        out = folds == fold
        split = _Split(x[~out], y[~out], x[out])
        penalty, best = _choose(x[~out], y[~out], folds[~out])
        errors["mean"].append(y[out] - y[~out].mean())
        errors["ridge"].append(y[out] - split.ridge(penalty)[0])
        errors["single"].append(y[out] - split.singles()[:, best])
        chosen.append(names[best])
    rmse = {k: math.sqrt(float((np.concatenate(v) ** 2).mean())) for k, v in errors.items()}
    penalty, _ = _choose(x, y, folds)
    predicted, weights = _Split(x, y, new).ridge(penalty)
    half = float(stdtrit(count - 1, (1 + level) / 2)) * rmse["ridge"]
    return Prediction(
        tuple(names),
        penalty,
        rmse,
        tuple(chosen),
        tuple(map(float, weights)),
        tuple(map(float, predicted)),
        half,
    )


def _standardised(train: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Columns as ranks among `train`, with mean 0 and deviation 1 there; a column that is constant is 0."""
    n = len(train)
    own = ranks(train.T).T
    # where others stand among them: between the ranks of their neighbors
    placed = np.empty(other.shape)
    for k in range(train.shape[1]):
        order = np.sort(train[:, k])
        placed[:, k] = (
            np.searchsorted(order, other[:, k], "left") + np.searchsorted(order, other[:, k], "right") + 1
        ) / 2
    middle, spread = (n + 1) / 2, own.std(axis=0)
    spread[spread == 0] = np.inf
    return (own - middle) / spread, (placed - middle) / spread


class _Split:
    """Sets with an accuracy (`train`, y) and others: predictions of the others, by ridge and by single
    metrics."""

    def __init__(self, train: Floats, y: Floats, other: Floats) -> None:
        self._a, self._b = _standardised(train, other)
        self._middle, self._y = float(y.mean()), y - y.mean()
        self._parts: tuple[Floats, Floats, Floats] | None = None

    def ridge(self, penalty: float) -> tuple[Floats, Floats]:
        """Predictions [m] and weights [k]."""
        if self._parts is None:
            u, s, vt = np.linalg.svd(self._a, full_matrices=False)
            self._parts = u.T @ self._y, s, vt
        along, s, vt = self._parts
        kept = s > 1e-9 * s.max(initial=0.0)
        shrunk = np.where(kept, s / np.where(kept, s**2 + penalty * len(self._y), 1.0), 0.0)
        weights = vt.T @ (shrunk * along)
        return self._middle + self._b @ weights, weights

    def singles(self) -> Floats:
        """Predictions [m, k] of least squares on each metric alone; of one that is constant, the mean."""
        square = (self._a**2).sum(axis=0)
        slopes = np.where(square > 0, self._y @ self._a, 0.0) / np.where(square > 0, square, 1.0)
        found: Floats = self._middle + self._b * slopes
        return found


def _choose(x: Floats, y: Floats, folds: Ints) -> tuple[float, int]:
    """The penalty and the single metric with the least square error of sets whose fold is left out."""
    each = np.unique(folds)
    if len(each) < 2:
        return PENALTIES[-1], 0
    ridge, single = np.zeros(len(PENALTIES)), np.zeros(x.shape[1])
    for fold in each:
        out = folds == fold
        split = _Split(x[~out], y[~out], x[out])
        ridge += [float(((y[out] - split.ridge(p)[0]) ** 2).sum()) for p in PENALTIES]
        single += ((y[out, None] - split.singles()) ** 2).sum(axis=0)
    # of two that are equal the larger penalty
    return PENALTIES[len(PENALTIES) - 1 - int(np.argmin(ridge[::-1]))], int(np.argmin(single))
