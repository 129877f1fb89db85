"""Principal components of many rows, as colors, and how well one of them tells two kinds of rows apart.

Rows come in by their moments (`states.Moments`), so they need never be in memory together. Signs are fixed:
the largest loading of a component is positive. Colors: each component from its 1 % to its 99 % quantile over
all rows is 0 to 255.

Telling apart is the area under the ROC curve over rows, of the better sign, of the best component: 0.5 is
chance. Its interval is of that component alone, by a jackknife over 20 blocks of clips; that it was the best
of three it leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.intervals import MIN_GROUPS, interval, jackknife
from synvid_eval.score import LEVEL
from synvid_eval.states import BLOCKS, Moments

COMPONENTS = 3
TOLD = 10
"""Components whose share of the variance is told."""

QUANTILES = (0.01, 0.99)
MOVING = 0.5
"""A token moves where more of its patch than this does."""

MIXED = (0.1, 0.9)
"""Shares between which a token is mixed."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pca:
    """The first components of rows. basis: float64 [d, COMPONENTS], columns of length 1; mean: float64 [d].
    shares: of the variance along the first `TOLD` components, NaN where there is none.
    """

    basis: Floats
    mean: Floats
    shares: Floats

    @classmethod
    def of(cls, moments: Moments) -> Pca:
        """Of the moments of all rows; signs as the module says."""
        values, vectors = np.linalg.eigh(moments.covariance(0))
        values, basis = np.maximum(values[::-1], 0), vectors[:, ::-1][:, :COMPONENTS]
        signs = np.sign(basis[np.abs(basis).argmax(0), np.arange(basis.shape[1])])
        total = values.sum()
        shares = values[:TOLD] / total if total > 0 else np.full(min(TOLD, len(values)), np.nan)
        return cls(basis * np.where(signs == 0, 1.0, signs), moments.mean, shares)

    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows [n, d] on the components: float32 [n, COMPONENTS]."""
        centered = rows.astype(np.float64) - self.mean
        return (centered @ self.basis).astype(np.float32)


def scale(projected: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """What is 0 and what is 255 of each component: its QUANTILES over rows [n, COMPONENTS]; [COMPONENTS]
    each.
    """
    low, high = np.quantile(projected.astype(np.float64), QUANTILES, axis=0)
    return low, high


def colors(projected: NDArray[np.float32], low: Floats, high: Floats) -> NDArray[np.uint8]:
    """Components [n, 3] as colors uint8 [n, 3]: `low` is 0, `high` 255; middle gray where they are equal."""
    span = high - low
    scaled = np.where(span > 0, (projected - low) / np.where(span > 0, span, 1), 0.5)
    out: NDArray[np.uint8] = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return out


def auc(values: Floats, moving: NDArray[np.bool_]) -> float:
    """The area under the ROC curve of values [n] for `moving` [n]: how often a moving token has the larger
    value of two, equal ones counting half (Mann and Whitney 1947). NaN where all or none move.
    """
    from scipy.stats import rankdata

    ones = int(moving.sum())
    zeros = len(moving) - ones
    if not ones or not zeros:
        return float("nan")
    ranks = float(rankdata(values)[moving].sum())
    return (ranks - ones * (ones + 1) / 2) / (ones * zeros)


def separation(
    projected: Sequence[NDArray[np.float32]], shares: Sequence[NDArray[np.float32]], blocks: Sequence[int]
) -> dict[str, Any]:
    """How well a component tells tokens that move (see the module's docstring), ready for JSON.

    Args:
        projected: of each clip [n, COMPONENTS]. shares: of each clip [n], how much of each token moves: one
        moves where that is more than MOVING. blocks: of each clip, 0 … 19.

    Returns:
        `value`, `component` (from 1), `sign` (1: tokens that move have larger values; −1: smaller ones),
        `components` (the AUC of each, of its better sign), `interval` or `interval_reason`, `level`, `moving`
        and `mixed` (shares of tokens), `reason` where there is no value.
    """
    values = np.concatenate(projected).astype(np.float64)
    share = np.concatenate(shares)
    moving = share > MOVING
    found: dict[str, Any] = {
        "value": None,
        "component": None,
        "sign": None,
        "components": [None] * COMPONENTS,
        "interval": None,
        "level": LEVEL,
        "moving": float(moving.mean()),
        "mixed": float(((share > MIXED[0]) & (share < MIXED[1])).mean()),
        "reason": None,
        "interval_reason": None,
    }
    if moving.all() or not moving.any():
        whole = "every token shows" if moving.all() else "no token shows"
        found["reason"] = f"{whole} objects that move, so there is nothing to tell apart"
        found["interval_reason"] = "There is no value."
        return found
    areas = np.array([auc(column, moving) for column in values.T])
    best = int(np.abs(areas - 0.5).argmax())
    sign = 1 if areas[best] >= 0.5 else -1
    found |= {
        "value": float(max(areas[best], 1 - areas[best])),
        "component": best + 1,
        "sign": sign,
        "components": [float(max(a, 1 - a)) for a in areas],
    }
    owners = np.repeat(blocks, [len(p) for p in projected])
    bounds, reason = _interval(sign * values[:, best], moving, owners, blocks, found["value"])
    return found | {"interval": bounds, "interval_reason": reason}


def _interval(
    values: Floats, moving: NDArray[np.bool_], owners: NDArray[np.int64], blocks: Sequence[int], whole: float
) -> tuple[list[float] | None, str | None]:
    """The interval of an AUC over blocks of clips, cut off at 0 and 1; or why there is none."""
    clips = np.bincount(blocks, minlength=BLOCKS)
    if (groups := int((clips > 0).sum())) < MIN_GROUPS:
        return None, f"{groups} blocks of clips are not empty; an interval is made of {MIN_GROUPS} or more."
    left = np.zeros(BLOCKS)
    for block in np.flatnonzero(clips):
        rest = owners != block
        left[block] = auc(values[rest], moving[rest])
    if not np.isfinite(left).all():
        return None, "All tokens that move, or all that do not, are of one block of clips."
    low, high = interval(whole, [jackknife(whole, left, clips)], LEVEL)
    return [max(low, 0.0), min(high, 1.0)], None
