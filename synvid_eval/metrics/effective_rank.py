"""Effective rank: in how many directions the shapes of a set vary, as exp of an entropy.

Purpose. Richness of shape: a set of ever the same form has few directions of variation, natural video many.

Conventions. Rows are HOG descriptors of frames (128 values, see the feature `hog`). With λ the eigenvalues of
their covariance and p = λ/Σλ, the value is exp(−Σ p ln p). The divisor of the covariance cancels, and so does
the size of the features. Frames without gradient have no descriptor and are left out: `dropped_candidate`,
`dropped_reference` are their shares.

Range and direction. 1 (one direction) to the number of dimensions (128; all alike); higher is richer.
`reference` is the reference's own value, `difference` the candidate's minus it.

Source. Roy & Vetterli 2007, The effective rank (of covariance eigenvalues here, as theirs of singular
values).

Pitfalls. The plug-in value grows with the number of clips: compare sets of equal size, or `corrected`. Its
interval is not given below d^1.5 clips, 1,449 for 128 (with 3 a dimension it covers 40 to 92 %, not 95 %).
Noise is rich, too: more is not more natural. Identical rows vary in no direction: that is a reason, not a
rank of 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Metric, Unscored
from synvid_eval.metrics.needed import needed, too_few
from synvid_eval.states import Side

INTERVAL_CLIPS = 100
INTERVAL_CLIPS_AS_POWER_OF_DIMENSION = 1.5
"""From so many clips on intervals hold (reports/intervals): what the correction leaves of the bias, some
d·(d/n)², is then below what the value varies by.
"""


@dataclass(frozen=True)
class EffectiveRank(Metric):
    """exp of the entropy of the normalised covariance eigenvalues of HOG rows, in dimensions."""

    name: ClassVar[str] = "effective_rank"
    feature: ClassVar[str] = "hog"
    kind: ClassVar[Kind] = "richness"
    better: ClassVar[Literal["lower", "higher", "match"]] = "higher"
    unit: ClassVar[str] = "dimensions"
    apart: ClassVar[str] = "how far a clip's mean gradient histograms lie from the reference's average"

    @property
    def state(self) -> str:
        """ "hog": moments of 128-d rows."""
        return "hog"

    def value(self, candidate: Side, reference: Side) -> float:
        """The candidate's effective rank, 1 to d; two rows that differ are needed."""
        moments = needed("effective_rank", candidate, self.state, 2, "frames with a gradient")
        values = np.linalg.eigvalsh(moments.covariance(1)).astype(np.float64)
        if values[-1] <= 0:
            raise Unscored(
                f"effective_rank needs rows that differ; all {moments.n:g} of this set are the same."
            )
        return effective_rank(values)

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Shares of frames without gradient, which are left out."""
        out: Detail = {}
        for key, side in (("dropped_candidate", candidate), ("dropped_reference", reference)):
            counts = side.counts("frames")
            if counts is not None and counts[0] > 0:
                out[key] = float(counts[1] / counts[0])
        return out

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """Mean gradient histograms of some clips, [n, d]."""
        return ClipRows.of_state(side.rows("clips"))

    def picture(self, side: Side) -> Detail:
        """`eigenvalues` of the covariance, see `eigenvalue_curve`."""
        moments = side.moments(self.state)
        if moments is None or moments.n < 2:
            return {}
        return {"eigenvalues": eigenvalue_curve(np.linalg.eigvalsh(moments.covariance(1)).astype(np.float64))}

    def interval_gate(self, side: Side) -> str:
        """From 100 clips and from d^1.5 clips on."""
        return richness_gate(self.name, side, self.state)


def richness_gate(metric: str, side: Side, state: str) -> str:
    """Why the clips of a side are too few for the interval of a number that depends on how many they are, of
    that state; or empty.
    """
    clips, moments = side.clips(state), side.moments(state)
    dim = moments.dim if moments else 0
    least = max(INTERVAL_CLIPS, math.ceil(dim**INTERVAL_CLIPS_AS_POWER_OF_DIMENSION))
    return "" if clips >= least else too_few(clips, "clips", metric, least)


def eigenvalue_curve(eigenvalues: NDArray[np.float64]) -> dict[str, list[float]]:
    """Positive eigenvalues, descending, as {"rank": [...], "value": [...]} at some 40 ranks, evenly spaced in
    their logarithm (1 is the largest).
    """
    values = np.sort(eigenvalues[eigenvalues > 0])[::-1]
    if not len(values):
        return {"rank": [], "value": []}
    ranks = np.unique(np.round(np.geomspace(1, len(values), 40)).astype(int))
    return {"rank": ranks.tolist(), "value": values[ranks - 1].tolist()}


def effective_rank(eigenvalues: NDArray[np.float64]) -> float:
    """exp of the entropy of eigenvalues [d] normalised to sum 1; what rounding left below 0 counts as 0."""
    positive = eigenvalues[eigenvalues > 0]
    share = positive / positive.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
