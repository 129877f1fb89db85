"""Diversity: how much volume a set's frames fill in what an image network sees, as a log-determinant.

Purpose. Richness of content: a set of ever the same image fills no volume. The paper's measure of diversity.

Conventions. Rows are the 2048 pooled features of the Inception network of the feature `inception`, as they
come, one a looked-at frame. With λ the eigenvalues of their covariance Σ (ddof 1), the value is
log det(Σ + ridge·I) = Σ log(λ + ridge), in nats. The ridge, 0.001, is part of the definition: without it the
value is −∞ where frames are fewer than dimensions or features are dependent, and what floating point makes of
it there is noise (1,000 frames: −47,088 of either sign). Eigenvalues within rounding of 0 (λ ≤ d·ε·λmax) are
0. `rank_candidate` is the number of the others, `logdet` is log det Σ where that is d, `effective_rank` is
exp(−Σ p ln p), p = λ/Σλ: it does not depend on the features' size.

Range and direction. d·ln(ridge) (−14,147 nats for 2048 dimensions: all frames the same) to ∞, higher is more
diverse. `reference` is the reference's own value, `difference` the candidate's minus it: ln of the ratio of
two volumes in 2048 dimensions, so read differences in hundreds.

Source. Baradad et al. 2021 take the log-determinant of the covariance of Inception features; the ridge is
ours.

Pitfalls. It grows with the number of frames up to many thousands (log det Σ of one distribution: −15,510 at
2,049 frames, −14,087 at 4,096, −13,595 at 16,000): compare sets of equal size. `corrected` needs 92,682
clips. Noise is diverse, too: more is not more natural. Frames of one clip add little to each other, which
the number of frames does not show: look at the rank and `effective_rank`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from synvid_eval.knobs import knob
from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Metric, Spread, Unscored, placed
from synvid_eval.metrics.effective_rank import (
    INTERVAL_CLIPS,  # noqa: F401  (which `explain` reads)
    INTERVAL_CLIPS_AS_POWER_OF_DIMENSION,  # noqa: F401
    effective_rank,
    eigenvalue_curve,
    richness_gate,
)
from synvid_eval.metrics.needed import needed
from synvid_eval.states import Moments, Side, State

HARMLESS = 1e-6
"""Largest bound on what rounding does to the value, in nats, where the determinant is taken by Cholesky."""


@dataclass(frozen=True)
class Diversity(Metric):
    """Log-determinant of the covariance of Inception features, with a ridge, in nats."""

    name: ClassVar[str] = "diversity"
    feature: ClassVar[str] = "inception"
    kind: ClassVar[Kind] = "richness"
    better: ClassVar[Literal["lower", "higher", "match"]] = "higher"
    unit: ClassVar[str] = "nats"
    noun: ClassVar[str] = "frames"
    apart: ClassVar[str] = "how far a clip's features, averaged over it, lie from the reference's average"

    ridge: float = knob(1e-3, "added to the diagonal of the covariance", low=0.0, high=1e6, unit="features²")

    @property
    def state(self) -> str:
        """ "pool3": moments of 2048-d rows, one a looked-at frame."""
        return "pool3"

    def value(self, candidate: Side, reference: Side) -> float:
        """log det(Σ + ridge·I) of the candidate; two rows are needed, d + 1 without a ridge."""
        moments = needed(self.name, candidate, self.state, 2, self.noun)
        if moments.centered_rows() is None:
            covariance = moments.covariance(1)
            if self._outweighs_rounding(covariance):  # the cheap way, as exact there
                return _by_cholesky(covariance, self.ridge)
        values = eigenvalues(moments)
        if self.ridge == 0 and not values[0] > 0:
            rank = int((values > 0).sum())
            raise Unscored(
                f"Without a ridge {self.name} needs a covariance of full rank; this one has {rank} of "
                f"{moments.dim}."
            )
        return float(np.log(values + self.ridge).sum())

    def _outweighs_rounding(self, covariance: NDArray[np.float64]) -> bool:
        noise = len(covariance) * float(np.finfo(np.float64).eps) * float(np.trace(covariance))
        return noise <= HARMLESS * self.ridge

    def left_out(self, sides: tuple[Side, ...], turn: int, spread: Spread = map) -> list[float]:
        """The value with each block left out, as `Metric.left_out` gives it: where no block holds half of the
        rows and the ridge outweighs rounding, the block's scatter is taken out of the whole.
        """
        whole = needed(self.name, sides[turn], self.state, 2, self.noun)
        blocks = [block.states.get(self.state) for block in sides[turn].blocks]
        if whole.centered_rows() is not None or 2 * max(_size(block) for block in blocks) > whole.n:
            return super().left_out(sides, turn, spread)
        scatter = whole.covariance(0)
        if not self._outweighs_rounding(scatter * 2):
            return super().left_out(sides, turn, spread)
        scatter *= whole.n
        mean = whole.mean

        def value(index: int) -> float:
            block = blocks[index]
            assert isinstance(block, Moments)
            rest = whole.n - block.n
            rows = block.centered_rows()
            covariance = rows.T @ rows if rows is not None else block.covariance(0) * block.n
            np.subtract(scatter, covariance, out=covariance)
            # Chan's rule, backwards: the block's mean is this far from that of the others.
            gap = (block.mean - mean) * math.sqrt(block.n * whole.n / rest)
            covariance -= np.outer(gap, gap)
            covariance /= rest - 1
            return _by_cholesky(covariance, self.ridge)

        clips = sides[turn].block_clips(self.state)
        return placed(spread(value, np.flatnonzero(clips)), clips)

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Rank, log-determinant without the ridge (NaN below full rank) and effective rank of the
        candidate.
        """
        try:
            moments = needed(self.name, candidate, self.state, 2, self.noun)
        except Unscored:
            return {}
        values = eigenvalues(moments)
        rank = int((values > 0).sum())
        return {
            "logdet": float(np.log(values).sum()) if rank == moments.dim else math.nan,
            "effective_rank": effective_rank(values) if rank else math.nan,
            "rank_candidate": rank,
        }

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """Mean features of some clips, [n, d]."""
        return ClipRows.of_state(side.rows("rows"))

    def picture(self, side: Side) -> Detail:
        """`eigenvalues` of the covariance, see `effective_rank.eigenvalue_curve`."""
        moments = side.moments(self.state)
        if moments is None or moments.n < 2:
            return {}
        return {"eigenvalues": eigenvalue_curve(eigenvalues(moments))}

    def interval_gate(self, side: Side) -> str:
        """From 100 clips and from d^1.5 clips on."""
        return richness_gate(self.name, side, self.state)


def eigenvalues(moments: Moments) -> NDArray[np.float64]:
    """Eigenvalues [d] of the covariance (ddof 1), ascending, ≥ 0; those within rounding of 0 are 0.

    moments: of two rows or more. Fewer rows than dimensions that are kept as rows cost a matrix of their
    number only.
    """
    rows = moments.centered_rows()
    if rows is None:
        found = np.linalg.eigvalsh(moments.covariance(1))
    else:
        few = np.linalg.eigvalsh(rows @ rows.T / (moments.n - 1))[-moments.dim :]
        few[: len(few) - min(int(moments.n) - 1, moments.dim)] = 0  # centered rows have one direction less
        found = np.concatenate([np.zeros(moments.dim - len(few)), few])
    mean = moments.mean
    eps = float(np.finfo(np.float64).eps)
    # Rounding of the products, and of a mean that is off by up to n·ε of it (rows that are all the same).
    noise = max(moments.dim * eps * found[-1], (moments.n * eps) ** 2 * float(mean @ mean))
    return np.where(found > noise, found, 0.0)


def _size(state: State | None) -> float:
    return state.n if isinstance(state, Moments) else 0.0


def _by_cholesky(covariance: NDArray[np.float64], ridge: float) -> float:
    """log det(Σ + ridge·I); `covariance` is overwritten."""
    covariance.flat[:: len(covariance) + 1] += ridge
    lower, info = lapack.dpotrf(covariance.T, lower=1, overwrite_a=1)
    if info != 0:
        raise RuntimeError(f"LAPACK dpotrf gave {info}")
    return 2 * float(np.log(lower.diagonal()).sum())
