"""Fréchet distance between the Gaussians of two folded states: numerics shared by metrics, no plug-in.

    d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½

(Dowson & Landau 1982). The field calls this squared 2-Wasserstein distance "the Fréchet distance", and so do
we.

With any factors Σᵢ = AᵢAᵢᵀ, tr (Σ₁Σ₂)^½ is the sum of the singular values of A₁ᵀA₂. We take A = V√λ from a
symmetric eigendecomposition and leave out the eigenvalues within rounding of zero (λ ≤ d·ε·λmax, a *relative*
test): their square roots, 1e-8 of the largest one each, are what costs the matrix-square-root and eigvals
forms their digits where n < d. So the result is exact at any rank, for features of any size, and nothing is
added to a covariance, no imaginary part is dropped.

Range: 0 to ∞, 0 for equal moments. Direction: lower is closer. Units: those of the features, squared.

Pitfalls: the plug-in value is biased upward by O(d/n) (same distribution, d = 400, n = 1000: 0.45 instead of
0); only `corrected` in a score takes that out. A rank below d says that rows are few or that the features are
dependent, not that anything failed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synvid_eval.states import Moments


class FrechetTerms(NamedTuple):
    """distance = mean_term + trace_term, both ≥ 0; the ranks of both covariances (0 for constant rows)."""

    distance: float
    mean_term: float
    trace_term: float
    rank_candidate: int
    rank_reference: int


def frechet(candidate: Moments, reference: Moments, ddof: int = 1) -> FrechetTerms:
    """The distance and its terms; both states need more than `ddof` rows and the same dimension.

    ddof: 1 divides the scatter by n − 1 (the field's default), 0 by n.
    Raises ValueError for too few rows or unequal dimensions.
    """
    if candidate.dim != reference.dim:
        raise ValueError(
            f"features of {candidate.dim} and {reference.dim} dimensions have no Fréchet distance"
        )
    if min(candidate.n, reference.n) <= ddof:
        raise ValueError(f"a covariance needs more than {ddof} rows, got {candidate.n:g} and {reference.n:g}")
    mean_1, factor_1, trace_1 = _factor(candidate, ddof)
    mean_2, factor_2, trace_2 = _factor(reference, ddof)
    gap = mean_1 - mean_2
    mean_term = float(gap @ gap)
    cross = 0.0
    if factor_1.shape[1] and factor_2.shape[1]:
        cross = float(np.linalg.svd(factor_1.T @ factor_2, compute_uv=False).sum())
    # Mathematically ≥ 0; rounding leaves at most a few ε of the traces below it.
    trace_term = max(0.0, (trace_1 - cross) + (trace_2 - cross))
    return FrechetTerms(mean_term + trace_term, mean_term, trace_term, factor_1.shape[1], factor_2.shape[1])


# States are immutable and hash by identity. The jackknife varies one side against a fixed one: with two
# entries the fixed side is decomposed once.
@lru_cache(maxsize=2)
def _factor(moments: Moments, ddof: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Mean [d], A [d, rank] with A·Aᵀ = covariance, and its trace (of what A holds, so that d²(x, x) = 0)."""
    covariance = moments.covariance(ddof)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    keep = values > len(values) * np.finfo(np.float64).eps * values[-1]
    return moments.mean, vectors[:, keep] * np.sqrt(values[keep]), float(values[keep].sum())
