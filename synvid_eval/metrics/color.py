"""Color: how far apart the color distributions of two sets are, each as one Gaussian in L*a*b*.

Purpose. The simplest thing a synthetic video can get wrong, and the cheapest to fix: its palette.

Conventions. All pixels of the looked-at frames at native size, in CIE L*a*b* (D65, sRGB); their mean μ [3]
and covariance Σ [3, 3] (ddof 0), every frame weighing the same. Σ + ridge·I with ridge = 0.01, the
quantisation variance of 8-bit RGB in L*a*b*: it is part of the definition, so that gray sets (no a*, no b*)
stay finite. Then the symmetric Kullback-Leibler divergence KL(p‖q) + KL(q‖p) of the two Gaussians (the sum,
not its half), in closed form:

    ½ [ tr(Σ_q⁻¹Σ_p) + tr(Σ_p⁻¹Σ_q) − 2d + δᵀ(Σ_p⁻¹ + Σ_q⁻¹)δ ],   δ = μ_p − μ_q

whose log-determinants cancel. The first three terms are computed as tr(Δ Σ_q⁻¹ Δ Σ_p⁻¹), Δ = Σ_p − Σ_q, a sum
of squares: nothing cancels, and equal sets give 0 exactly.

Range and direction. 0 to ∞ nats, lower is closer, symmetric in its arguments.

Source. Baradad et al. 2021 (Learning to See by Looking at Noise) and its video successor model color as one
3-D Gaussian a set and take the symmetric KL; the closed form is Kullback's (1959).

Pitfalls. One Gaussian knows nothing of two-colored sets. A nearly gray set makes the divergence huge (the
ridge decides its size), so values beyond about 10 rank sets but do not measure them. Biased upward by
O(1/clips): see `corrected`. `covariance` in the detail is row-major, 9 numbers, *without* the ridge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from synvid_eval.knobs import knob
from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Metric, Unscored
from synvid_eval.metrics.needed import needed, too_few
from synvid_eval.states import Moments, Side

INTERVAL_CLIPS = 60
PIXELS = 10_000
"""A picture tells in which cell each of that many pixels is; a cell of less than half a pixel is left out."""
PLANE = (-110.0, 5.0)
"""Where the feature's cells of the a*b* plane begin, and how wide they are."""
_UPPER = ("LL", "La", "Lb", "aa", "ab", "bb")


@dataclass(frozen=True)
class Color(Metric):
    """Symmetric KL divergence of the two sets' Gaussians in L*a*b*, in nats."""

    name: ClassVar[str] = "color"
    feature: ClassVar[str] = "lab"
    kind: ClassVar[Kind] = "distance"
    better: ClassVar[Literal["lower", "higher", "match"]] = "lower"
    unit: ClassVar[str] = "nats"
    groups: ClassVar[tuple[str, ...]] = ("color", "background")
    apart: ClassVar[str] = (
        "how far a clip's mean color and color spread, in L*a*b*, lie from the reference's average"
    )

    ridge: float = knob(
        0.01,
        "added to the diagonal of both covariances: the quantisation variance of 8-bit RGB",
        low=0.0,
        high=1e4,
        unit="L*a*b* units²",
    )

    @property
    def state(self) -> str:
        """ "lab": moments of L*, a*, b*, weight 1 a frame."""
        return "lab"

    def value(self, candidate: Side, reference: Side) -> float:
        """KL(p‖q) + KL(q‖p) in nats, ≥ 0; a side needs one frame (and Σ + ridge·I positive definite)."""
        p, q = _moments(candidate, "the candidate"), _moments(reference, "the reference")
        return symmetric_kl(p.mean, self._covariance(p), q.mean, self._covariance(q))

    def _covariance(self, moments: Moments) -> NDArray[np.float64]:
        return moments.covariance(0) + self.ridge * np.eye(moments.dim)

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Means [3] and covariances [9, row-major, without the ridge] of the sides that have frames."""
        out: Detail = {}
        for prefix, side in (("", candidate), ("reference_", reference)):
            moments = side.moments(self.state)
            if moments is not None and moments.n > 0:
                out[f"{prefix}mean"] = moments.mean.tolist()
                out[f"{prefix}covariance"] = moments.covariance(0).ravel().tolist()
        return out

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """Mean [3] and square root of the covariance (upper triangle, the off-diagonal times √2), [n, 9]: its
        Euclidean distance is the 2-Wasserstein distance of Gaussians whose covariances commute.
        """
        found = ClipRows.of_columns(owners, [columns.get(k) for k in (*"Lab", *_UPPER)])
        if found is None:
            return None
        square = np.empty((len(found.rows), 3, 3))
        for key, column in zip(_UPPER, found.rows[:, 3:].T, strict=True):
            i, j = "Lab".index(key[0]), "Lab".index(key[1])
            square[:, i, j] = square[:, j, i] = column
        values, vectors = np.linalg.eigh(square)
        roots = np.einsum("nik,nk,njk->nij", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)
        weights = np.where(np.eye(3, dtype=bool), 1.0, math.sqrt(2.0))
        upper = (roots * weights)[:, *np.triu_indices(3)]
        return ClipRows(found.owners, np.hstack([found.rows[:, :3], upper]))

    def picture(self, side: Side) -> Detail:
        """`ab`: of 10,000 pixels how many lie in each cell of the a*b* plane, as runs [first cell, count,
        count, …] of cells that hold one or more, with cell = row of b* · size + column of a*, and where the
        cells lie; `lightness`: shares in 50 bins of L*.
        """
        plane, lightness = side.counts("plane"), side.counts("lightness")
        out: Detail = {}
        if plane is not None and plane.sum() > 0:
            counts = np.rint(plane * (PIXELS / plane.sum())).astype(int)
            there = np.flatnonzero(counts)
            runs = np.split(there, np.flatnonzero(np.diff(there) > 1) + 1)
            cells = [[int(run[0]), *counts[run].tolist()] for run in runs]
            out["ab"] = {"low": PLANE[0], "width": PLANE[1], "size": math.isqrt(len(plane)), "counts": cells}
        if lightness is not None and lightness.sum() > 0:
            out["lightness"] = (lightness / lightness.sum()).tolist()
        return out

    def interval_gate(self, side: Side) -> str:
        """From 60 clips on."""
        clips = side.clips(self.state)
        return "" if clips >= INTERVAL_CLIPS else too_few(clips, "clips", self.name, INTERVAL_CLIPS)


def _moments(side: Side, who: str) -> Moments:
    return needed("color", side, "lab", 1, "frames", who)


def symmetric_kl(
    mean_p: NDArray[np.float64],
    covariance_p: NDArray[np.float64],
    mean_q: NDArray[np.float64],
    covariance_q: NDArray[np.float64],
) -> float:
    """KL(p‖q) + KL(q‖p) of two Gaussians with means [d] and covariances [d, d], in nats.

    Raises Unscored where a covariance is singular to rounding (possible only with `ridge=0`).
    """
    root_p, root_q = _cholesky(covariance_p), _cholesky(covariance_q)
    inner = solve_triangular(root_q, covariance_p - covariance_q, lower=True)
    spread = solve_triangular(root_p, inner.T, lower=True)
    gap = mean_p - mean_q
    shift = [solve_triangular(root, gap, lower=True) for root in (root_p, root_q)]
    return 0.5 * float((spread * spread).sum() + shift[0] @ shift[0] + shift[1] @ shift[1])


def _cholesky(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.linalg.eigvalsh(covariance)
    if values[0] <= len(values) * np.finfo(np.float64).eps * values[-1]:
        raise Unscored(
            "A color covariance is singular, so its divergence is infinite; a ridge above 0 keeps it finite."
        )
    return np.linalg.cholesky(covariance).astype(np.float64)
