"""Fréchet distance between the Gaussians of two folded states: numerics shared by metrics, no plug-in.

    d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½

(Dowson & Landau 1982). The field calls this squared 2-Wasserstein distance "the Fréchet distance", and so do
we.

With any factors Σᵢ = FᵢFᵢᵀ, tr (Σ₁Σ₂)^½ is the sum of the singular values of F₁ᵀF₂ (its nuclear norm):
nothing is added to a covariance, no matrix square root is taken, no imaginary part is dropped. What serves as
factor decides what it costs, and that depends on the sides' ranks alone:

- few rows, kept as rows: the centered rows themselves, so that a few hundred rows of 2048 values cost a small
  matrix;
- full rank: Cholesky. With both sides of full rank the singular values are the roots of the eigenvalues of
  LᵀΣL, which are cheaper; in this basis small ones keep their digits, too;
- else: Cholesky with pivots, which stops where nothing but rounding is left.

What counts as rounding is relative: a pivot of d·ε times the largest variance. A matrix whose reciprocal
condition number is above d·ε has full rank; n rows have rank n − 1 where all but one singular value of F₁ᵀF₂
are above d·ε times the factors' norms (numpy's `matrix_rank` has that rule for the rows themselves), else
their Gram matrix decides. Rows are constant where they differ from their mean by rounding only. The square
roots of such rounding, 1e-8 of the largest one each, are what costs the matrix-square-root and eigenvalue
forms of other tools their digits where n < d. So the result is exact at any rank, for features of any size.

Range: 0 to ∞, 0 for equal moments. Direction: lower is closer. Units: those of the features, squared.

Pitfalls: the plug-in value is biased upward by O(d/n) (same distribution, d = 400, n = 1000: 0.45 instead of
0); only `corrected` in a score takes that out. A rank below d says that rows are few or that the features are
dependent, not that anything failed.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Metric, Spread, Unscored, placed
from synvid_eval.metrics.effective_rank import effective_rank
from synvid_eval.metrics.needed import needed, too_few
from synvid_eval.states import Moments, Side

INTERVAL_CLIPS = 100
INTERVAL_CLIPS_PER_DIMENSION = 3
INTERVAL_CLIPS_PER_SQUARED_EFFECTIVE_RANK = 0.05
"""From so many clips on intervals hold (reports/intervals: simulated up to 256 dimensions, above these are
extrapolated); more rows of each clip do not help. What the
correction leaves of the bias grows with the directions that the rows really fill.
"""

LEAST_DIGITS = 1e-9
"""Largest share of tr (Σ₁Σ₂)^½ that a bound on rounding may be where a block is taken out of a product."""


class FrechetTerms(NamedTuple):
    """distance = mean_term + trace_term, both ≥ 0; the ranks of both covariances (0 for constant rows)."""

    distance: float
    mean_term: float
    trace_term: float
    rank_candidate: int
    rank_reference: int


def frechet(candidate: Moments, reference: Moments, ddof: int = 1) -> FrechetTerms:
    """The distance and its terms; both states need more than `ddof` rows and the same dimension.

    ddof: 1 divides each side's scatter by its n − 1 (the field's default), 0 by n.
    Raises ValueError for too few rows or unequal dimensions.
    """
    if candidate.dim != reference.dim:
        raise ValueError(
            f"features of {candidate.dim} and {reference.dim} dimensions have no Fréchet distance"
        )
    if min(candidate.n, reference.n) <= ddof:
        raise ValueError(f"a covariance needs more than {ddof} rows, got {candidate.n:g} and {reference.n:g}")
    return _terms(candidate, reference, ddof)


# States are immutable and hash by identity. The terms of the pair just seen are asked for twice (value, then
# detail). Left-out values hold one side fixed: with three entries it is factored once, whichever of two
# threads uses it. At d = 2048 an entry is 33 MB and its state as much, so there are no more of them.
@lru_cache(maxsize=1)
def _terms(candidate: Moments, reference: Moments, ddof: int) -> FrechetTerms:
    one, other = _factored(candidate, ddof), _factored(reference, ddof)
    gap = one.mean - other.mean
    mean_term = float(gap @ gap)
    certain = 0
    if one.rank == 0 or other.rank == 0:
        cross = 0.0
    elif one.full and other.full:
        cross = _cross_of_full(candidate.covariance(ddof), other.factor)
    else:
        values = np.linalg.svd(one.factor.T @ other.factor, compute_uv=False)
        cross = float(values.sum())
        # The product has no higher rank than either factor.
        certain = int((values > _rounding(candidate.dim) * math.sqrt(one.trace * other.trace)).sum())
    # Mathematically ≥ 0; rounding leaves at most a few ε of the traces below it.
    trace_term = max(0.0, (one.trace - cross) + (other.trace - cross))
    ranks = []
    for side, moments in ((one, candidate), (other, reference)):
        if side.rank is not None:
            ranks.append(side.rank)
        elif certain == int(moments.n) - 1:
            ranks.append(certain)
        else:
            ranks.append(_rank_of_rows(moments))
    return FrechetTerms(mean_term + trace_term, mean_term, trace_term, *ranks)


def _rounding(size: int) -> float:
    """What counts as rounding, relative to the largest, in a computation with `size` dimensions: size·ε, of
    32 at least.
    """
    return max(size, 32) * float(np.finfo(np.float64).eps)


def _cross_of_full(covariance: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """tr (Σ LLᵀ)^½ from the eigenvalues of LᵀΣL, both of full rank; `covariance` is overwritten."""
    inner, info = lapack.dsygst(covariance.T, lower, itype=2, lower=1, overwrite_a=1)
    if info != 0:
        raise RuntimeError(f"LAPACK dsygst gave {info}")
    values = np.linalg.eigvalsh(inner)  # reads the lower triangle only
    return float(np.sqrt(np.maximum(values, 0)).sum())


class _Factored(NamedTuple):
    """One side: mean [d], F [d, k] with FFᵀ = covariance, its trace, its rank (None: not known yet, of rows).

    full: F is lower triangular, from a Cholesky decomposition without pivots of a covariance that is far
    enough from singular.
    """

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    trace: float
    rank: int | None
    full: bool


@lru_cache(maxsize=3)
def _factored(moments: Moments, ddof: int) -> _Factored:
    mean, rows = moments.mean, moments.centered_rows()
    if rows is not None:
        rows /= np.sqrt(moments.n - ddof)
        trace = float(np.einsum("ij,ij->", rows, rows))
        if _constant(moments, trace):
            return _nothing(mean)
        return _Factored(mean, rows.T, trace, None, False)
    covariance = moments.covariance(ddof)
    trace = float(np.trace(covariance))
    if _constant(moments, trace):
        return _nothing(mean)
    norm = float(np.abs(covariance).sum(axis=0).max())
    lower, info = lapack.dpotrf(covariance.T, lower=1, clean=1)
    if info == 0:
        inverse_condition, _ = lapack.dpocon(lower, norm, uplo="L")
        if inverse_condition > _rounding(moments.dim):
            return _Factored(mean, lower, trace, moments.dim, True)
    factor, rank = _pivoted(covariance, moments.dim)
    return _Factored(mean, factor, trace, rank, False)


def _constant(moments: Moments, trace: float) -> bool:
    """Whether a mean of n numbers, off by up to n·ε of it, accounts for all that varies."""
    mean = moments.mean
    return trace <= (moments.n * float(np.finfo(np.float64).eps)) ** 2 * float(mean @ mean)


def _nothing(mean: NDArray[np.float64]) -> _Factored:
    return _Factored(mean, np.empty((len(mean), 0)), 0.0, 0, False)


def _rank_of_rows(moments: Moments) -> int:
    """Rank of the Gram matrix of centered rows that are kept as rows."""
    rows = moments.centered_rows()
    assert rows is not None
    return _pivoted(rows @ rows.T, max(rows.shape))[1]


def _pivoted(matrix: NDArray[np.float64], size: int) -> tuple[NDArray[np.float64], int]:
    """F [k, rank] with FFᵀ = a positive semidefinite matrix [k, k], and the rank: pivots above size·ε times
    the largest diagonal element. `matrix` is overwritten.
    """
    tolerance = _rounding(size) * float(matrix.diagonal().max())
    lower, pivots, rank, _ = lapack.dpstrf(matrix.T, tol=tolerance, lower=1, overwrite_a=1)
    factor = np.zeros((len(matrix), rank))
    factor[pivots - 1] = np.tril(lower[:, :rank])
    return factor, int(rank)


class _Less:
    """Distances to a fixed side of full rank from a side of full rank that a block of rows is taken out of.

    With the fixed side's L and the other's scatter S, LᵀSL is made once; what the block and the move of the
    mean contribute to it is subtracted (Chan's rule, backwards).
    """

    def __init__(self, whole: Moments, fixed: Moments, ddof: int) -> None:
        self._ddof, self._n, self._mean = ddof, whole.n, whole.mean
        other = _factored(fixed, ddof)
        self._lower, self._fixed_mean, self._fixed_trace = other.factor, other.mean, other.trace
        scatter = whole.covariance(0)
        scatter *= whole.n
        self._trace = float(np.trace(scatter))
        self._inner, info = lapack.dsygst(scatter.T, self._lower, itype=2, lower=1, overwrite_a=1)
        if info != 0:
            raise RuntimeError(f"LAPACK dsygst gave {info}")

    def distance(self, block: Moments) -> float | None:
        """The distance without the rows of `block`; None where rounding might show in it."""
        rest = self._n - block.n
        mean = self._mean + (self._mean - block.mean) * (block.n / rest)
        gap = (block.mean - mean) * math.sqrt(block.n * rest / self._n)
        rows = block.centered_rows()
        if rows is None:
            scatter = block.covariance(0)
            scatter *= block.n
            trace = float(np.trace(scatter))
            inner = self._lower.T @ (scatter @ self._lower)
        else:
            trace = float(np.einsum("ij,ij->", rows, rows))
            rows = rows @ self._lower
            inner = rows.T @ rows
        np.subtract(self._inner, inner, out=inner)
        moved = self._lower.T @ gap
        inner -= np.outer(moved, moved)
        inner /= rest - self._ddof
        values = np.linalg.eigvalsh(inner)  # reads the lower triangle only, as does what made `_inner`
        noise = float(np.finfo(np.float64).eps) * float(values[-1]) * self._n / rest
        roots = np.sqrt(np.maximum(values, noise))
        cross = float(roots.sum())
        if noise / 2 * float((1 / roots).sum()) > LEAST_DIGITS * cross:
            return None
        left = (self._trace - trace - float(gap @ gap)) / (rest - self._ddof)
        away = mean - self._fixed_mean
        return float(away @ away) + max(0.0, (left - cross) + (self._fixed_trace - cross))


@dataclass(frozen=True)
class FrechetMetric(Metric):
    """Base of the metrics whose value is the Fréchet distance of a network's rows.

    A subclass names its state, its covariances' ddof (`divisor`) and its rows (`noun`, plural).
    """

    kind: ClassVar[Kind] = "distance"
    better: ClassVar[Literal["lower", "higher", "match"]] = "lower"
    noun: ClassVar[str]
    apart: ClassVar[str] = "how far a clip's features, averaged over it, lie from the reference's average"

    @property
    @abstractmethod
    def divisor(self) -> int:
        """The ddof of both covariances, 0 or 1."""

    def value(self, candidate: Side, reference: Side) -> float:
        """The distance, ≥ 0; each side needs two rows."""
        return frechet(*self._moments(candidate, reference), self.divisor).distance

    def _moments(self, candidate: Side, reference: Side) -> tuple[Moments, Moments]:
        return (
            needed(self.name, candidate, self.state, 2, self.noun, "the candidate"),
            needed(self.name, reference, self.state, 2, self.noun, "the reference"),
        )

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """Mean features of some clips, [n, d]; the feature keeps them as "rows"."""
        return ClipRows.of_state(side.rows("rows"))

    def left_out(self, sides: tuple[Side, ...], turn: int, spread: Spread = map) -> list[float]:
        """The distance with each block of `sides[turn]` left out, as `Metric.left_out` gives it.

        Where both sides have full rank and no block holds half of the rows, each costs little beyond the
        eigenvalues of one matrix.
        """
        both = self._moments(sides[0], sides[-1])
        whole, fixed = both[turn], both[1 - turn]
        blocks = [block.states.get(self.state) for block in sides[turn].blocks]
        largest = max(block.n for block in blocks if isinstance(block, Moments))
        full = _factored(whole, self.divisor).full and _factored(fixed, self.divisor).full
        if not full or 2 * largest > whole.n:
            return super().left_out(sides, turn, spread)
        less = _Less(whole, fixed, self.divisor)

        def value(index: int) -> float:
            block = blocks[index]
            assert isinstance(block, Moments)
            found = less.distance(block)
            if found is None:
                rest = [s.without(index) if i == turn else s for i, s in enumerate(sides)]
                return self.value(rest[0], rest[1])
            return found

        clips = sides[turn].block_clips(self.state)
        return placed(spread(value, np.flatnonzero(clips)), clips)

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Both terms and both ranks; nothing where there is no value."""
        try:
            terms = frechet(*self._moments(candidate, reference), self.divisor)
        except Unscored:
            return {}
        return {
            "mean_term": terms.mean_term,
            "trace_term": terms.trace_term,
            "rank_candidate": terms.rank_candidate,
            "rank_reference": terms.rank_reference,
        }

    def interval_gate(self, side: Side) -> str:
        """From 100 clips, three clips a dimension and r²/20 clips on, r the effective rank of the rows."""
        return frechet_gate(self.name, side, self.state)


def frechet_gate(metric: str, side: Side, state: str) -> str:
    """Why the clips of a side are too few for an interval of a Fréchet distance of that state; or empty."""
    clips, moments = side.clips(state), side.moments(state)
    least = max(INTERVAL_CLIPS, INTERVAL_CLIPS_PER_DIMENSION * (moments.dim if moments else 0))
    if clips >= least and moments is not None:
        least = max(least, math.ceil(INTERVAL_CLIPS_PER_SQUARED_EFFECTIVE_RANK * _directions(moments) ** 2))
    return "" if clips >= least else too_few(clips, "clips", metric, least)


@lru_cache(maxsize=3)  # a reference is asked of by every candidate
def _directions(moments: Moments) -> float:
    """Effective rank of the rows; 0 where they do not vary."""
    values = np.linalg.eigvalsh(moments.covariance(1)).astype(np.float64)
    return effective_rank(values) if values[-1] > 0 else 0.0
