"""How strongly two columns of numbers go together, and how sure that is: r, rho, tau with intervals and
p-values (numpy and scipy only).

Three coefficients: Pearson's r, Spearman's rho (r of average ranks), Kendall's tau-b. Everything that is
drawn again (bootstraps, sets or families left out) is written as *weights* of the sets, so that one function
serves all: a set drawn twice has weight 2, one left out weight 0.

Sets come in *families* (variants of one generator), and variants are no independent draws. So p-values
exchange the accuracies of whole families, and intervals draw whole families. `free` numbers, which take every
set for independent, are given beside them where a reader will look for them.

Sources: Fisher 1921 (interval of r); Bonett & Wright 2000, Psychometrika 65 (intervals of rho and tau); Efron
1987, JASA 82 (BCa); Westfall & Young 1993 (p-values of the best of several); Holm 1979; Benjamini & Hochberg
1995.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synvid_eval.randomness import address

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("pearson", "spearman", "kendall")
DRAWS = 1_000
"""Draws of a bootstrap and permutations of a p-value, where they are not all gone through."""
LARGEST = 200
"""Sets up to which intervals are drawn again; above it they are the asymptotic ones."""
LEAST_FAMILIES = 5
"""Families from which on an interval over families is drawn."""
LEAST = 5
"""Sets from which on anything is told: below, no order of them is significant (two-sided exact p of rho at
four sets: .083)."""
ENUMERATED = 5_040
"""Permutations of families that are all gone through (7 families); of more, `DRAWS` are drawn."""
_SLACK = 1e-9  # two coefficients nearer than this are one number, added up in another order
_CHUNK = 1 << 24  # numbers in a temporary array


def ranks(values: Floats) -> Floats:
    """Average ranks, from 1, along the last axis: float64, the shape of `values`."""
    from scipy.stats import rankdata

    found: Floats = np.asarray(rankdata(values, axis=-1), np.float64)
    return found


class Pairs:
    """n pairs (x, y), ready for their coefficients under any weights.

    x, y: float64 [n], finite.
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        self.x, self.y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.n = len(self.x)
        # centered, so that large numbers with a small spread lose no digits
        self._columns = [v - v.mean() if self.n else v for v in (self.x, self.y)]
        self._below = [_below(v) for v in (self.x, self.y)]

    def ranked_y(self, weights: Floats) -> Floats:
        """Twice the average ranks of y less 1 under weights [B, n]: to be made once for many x."""
        found: Floats = weights @ self._below[1].T
        return found

    def __call__(
        self, weights: Floats | None = None, kinds: Sequence[str] = KINDS, ranked_y: Floats | None = None
    ) -> dict[str, Floats]:
        """Coefficient → float64 [B], for weights float64 [B, n], ≥ 0 (None: once each, [1, n]); NaN where a
        column does not vary.
        """
        given = np.ones((1, self.n)) if weights is None else weights
        ranked = self.ranked_y(given) if ranked_y is None else ranked_y
        return self._of(given, [given @ self._below[0].T, ranked], kinds)

    def _of(self, weights: Floats, ranked: Sequence[Floats], kinds: Sequence[str]) -> dict[str, Floats]:
        """See `__call__`; ranked: twice the average ranks less 1, [B, n] of either column."""
        constant = np.zeros(len(weights), bool)
        for each in ranked:
            highest = np.max(each, axis=1, where=weights > 0, initial=-np.inf)
            lowest = np.min(each, axis=1, where=weights > 0, initial=np.inf)
            constant |= ~(highest > lowest)
        found = {}
        for kind in kinds:
            if kind == "pearson":
                value = _weighted_r(self._columns[0][None], self._columns[1][None], weights)
            elif kind == "spearman":
                value = _weighted_r(ranked[0], ranked[1], weights)
            else:
                value = self._tau(weights)
            found[kind] = np.where(constant, np.nan, value)
        return found

    def _tau(self, weights: Floats) -> Floats:
        signs = [_signs(v) for v in (self.x, self.y)]
        agree, *differ = (
            np.einsum("bi,bi->b", weights @ m, weights)
            for m in (signs[0] * signs[1], np.abs(signs[0]), np.abs(signs[1]))
        )
        with np.errstate(all="ignore"):
            value: Floats = agree / np.sqrt(differ[0] * differ[1])
        return np.clip(value, -1, 1)

    def left_out(self, groups: Ints, kinds: Sequence[str] = KINDS) -> dict[str, Floats]:
        """Coefficients with one group left out in turn: kind → float64 [number of groups].

        groups: int64 [n], 0 … G − 1.
        """
        count = int(groups.max()) + 1 if self.n else 0
        kept = (np.arange(count)[:, None] != groups[None]).astype(np.float64)
        if count < self.n:
            return self(kept, kinds)
        # one set at a time: its own share is taken off the ranks of all, n² numbers in place of n³ products
        order = np.argsort(groups)
        ranked = [below.sum(axis=1)[None] - below.T[order] for below in self._below]
        return self._of(kept, ranked, kinds)


def _below(values: Floats) -> Floats:
    """L [n, n] of which weights @ L.T + 1 is twice the average rank of each value among the weighted ones."""
    found: Floats = 2.0 * (values[None] < values[:, None]) + (values[None] == values[:, None])
    return found


def _signs(values: Floats) -> Floats:
    return np.sign(values[:, None] - values[None])


def _weighted_r(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson's r of rows under weights; x, y [1 or B, n], weights [B, n] → [B]."""
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        dx, dy = (v - (weights * v).sum(axis=1, keepdims=True) / total for v in (x, y))
        cross = (weights * dx * dy).sum(axis=1)
        value: Floats = cross / np.sqrt((weights * dx * dx).sum(axis=1) * (weights * dy * dy).sum(axis=1))
    return np.clip(value, -1, 1)


def asymptotic(
    kind: str, value: float, n: int, level: float = 0.95, given: int = 0
) -> tuple[float, float] | None:
    """The interval of a coefficient by Fisher's z; None below 4 sets (5 of tau) or where |value| is 1.

    Standard errors of atanh: 1/√(n − 3) of r, √((1 + rho²/2)/(n − 3)) of rho, √(.437/(n − 4)) of tau. given:
    how many variables were taken out of a partial coefficient; each costs a set.
    """
    from scipy.special import ndtri

    left = n - given - (4 if kind == "kendall" else 3)
    if left < 1 or not abs(value) < 1:
        return None
    spread = {"pearson": 1.0, "spearman": 1 + value**2 / 2, "kendall": 0.437}[kind]
    half = float(ndtri((1 + level) / 2)) * math.sqrt(spread / left)
    middle = math.atanh(value)
    return math.tanh(middle - half), math.tanh(middle + half)


def resampled(n: int, seed: int, draws: int = DRAWS) -> Floats:
    """Weights float64 [draws, n] of as many sets drawn with replacement."""
    return _counts(np.random.Generator(np.random.Philox(key=address("bootstrap", seed, n))), n, draws)


def resampled_families(families: Ints, seed: int, draws: int = DRAWS) -> Floats:
    """Weights float64 [draws, n] of as many families drawn with replacement, each with all of its sets."""
    count = int(families.max()) + 1
    return resampled(count, seed, draws)[:, families]


def _counts(generator: np.random.Generator, n: int, draws: int) -> Floats:
    taken = generator.integers(0, n, (draws, n))
    flat = np.bincount((taken + n * np.arange(draws)[:, None]).ravel(), minlength=draws * n)
    return flat.reshape(draws, n).astype(np.float64)


def percentile(drawn: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """The middle `level` of what was drawn; None where under nine tenths of the draws gave a number."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) < 0.9 * len(drawn) or not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca(value: float, drawn: Floats, left_out: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """The bias-corrected and accelerated interval; None where it is not defined.

    value: of all sets. drawn: [B] of resampled ones. left_out: [n] with each set left out.
    """
    from scipy.special import ndtr, ndtri

    finite, rest = drawn[np.isfinite(drawn)], left_out[np.isfinite(left_out)]
    if len(finite) < 0.9 * len(drawn) or len(rest) < len(left_out) or not len(rest):
        return None
    share = float(((finite < value - _SLACK).sum() + (finite < value + _SLACK).sum()) / (2 * len(finite)))
    moved = rest.mean() - rest
    scale = float((moved**2).sum())
    if not 0 < share < 1 or scale == 0:
        return None
    shift = float(ndtri(share))
    acceleration = float((moved**3).sum()) / (6 * scale**1.5)
    z = shift + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(finite, ndtr(shift + z / (1 - acceleration * z)))
    return float(low), float(high)


@dataclass(frozen=True)
class Exchange:
    """Accuracies exchanged between families, each set keeping its own deviation from its family's mean.

    drawn: float64 [P, n]; the first is the data as they are. every: whether all permutations are there.
    """

    drawn: Floats
    every: bool

    @functools.cached_property
    def ranked(self) -> Floats:
        """Ranks of what was drawn, [P, n]."""
        return ranks(self.drawn)


def exchanged(y: Floats, families: Ints, seed: int, draws: int = DRAWS) -> Exchange:
    """Accuracies under the hypothesis that families have nothing to do with them.

    y: float64 [n]. families: int64 [n], 0 … F − 1; n families exchange sets freely. All F! permutations where
    they are no more than `ENUMERATED`, else `draws` drawn ones behind the data as they are.
    """
    count = int(families.max()) + 1
    sizes = np.bincount(families, minlength=count)
    means = np.bincount(families, y, minlength=count) / sizes
    rest = y - means[families]
    every = math.factorial(min(count, 20)) <= ENUMERATED
    if every:
        orders = np.array(list(itertools.permutations(range(count))), np.int64)
    else:
        generator = np.random.Generator(np.random.Philox(key=address("exchange", seed, count)))
        orders = generator.permuted(np.tile(np.arange(count), (draws + 1, 1)), axis=1)
        orders[0] = np.arange(count)
    drawn = means[orders][:, families] + rest
    if scale := float(np.abs(y).max(initial=0.0)):
        # sums that are equal but for rounding are ties
        drawn = np.round(drawn, 12 - math.floor(math.log10(scale)))
    drawn[0] = y
    return Exchange(drawn, every)


def under(x: Floats, exchange: Exchange, kinds: Sequence[str] = KINDS) -> dict[str, Floats]:
    """Coefficients of x float64 [n] with exchanged accuracies: kind → float64 [P]; NaN where x does not vary.

    tau is left out above `LARGEST` sets, where it would take an hour.
    """
    y = exchange.drawn
    found: dict[str, Floats] = {}
    if np.ptp(x) == 0 if len(x) else True:
        return {kind: np.full(len(y), np.nan) for kind in kinds}
    for kind in kinds:
        if kind == "kendall":
            if len(x) <= LARGEST:
                found[kind] = _taus(x, y)
            continue
        a, b = (x[None], y) if kind == "pearson" else (ranks(x)[None], exchange.ranked)
        a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
        with np.errstate(all="ignore"):
            found[kind] = (b @ a[0]) / np.sqrt((a**2).sum() * (b**2).sum(axis=1))
    return found


def _taus(x: Floats, y: Floats) -> Floats:
    upper = np.triu_indices(len(x), 1)
    signs = np.sign(x[upper[0]] - x[upper[1]])
    rows = max(1, _CHUNK // max(1, len(signs)))
    parts = []
    for at in range(0, len(y), rows):
        some = np.sign(y[at : at + rows, upper[0]] - y[at : at + rows, upper[1]])
        with np.errstate(all="ignore"):
            parts.append((some @ signs) / np.sqrt(np.abs(signs).sum() * np.abs(some).sum(axis=1)))
    return np.concatenate(parts)


def p_value(drawn: Floats) -> float | None:
    """The share of permutations at least as far from 0 as the data (the first of them); None for NaN."""
    sizes = np.abs(drawn)
    if not len(sizes) or not np.isfinite(sizes[0]):
        return None
    return float((sizes[np.isfinite(sizes)] >= sizes[0] - _SLACK).mean())


def best_of(drawn: Mapping[str, Floats]) -> dict[str, float]:
    """p-values that account for having looked at all of these metrics: name → p.

    drawn: metric → coefficients [P] under the *same* permutations, the first the data. The largest of all
    metrics in each permutation, each in units of its own spread (metrics of fewer sets scatter more), is what
    a metric has to beat: single-step maxT of Westfall & Young, valid whatever the metrics have in common.
    """
    scaled = {}
    for name, values in drawn.items():
        with np.errstate(all="ignore"):
            spread = np.sqrt(np.nanmean(values**2)) if np.isfinite(values).any() else 0.0
        if spread > 0 and np.isfinite(values[0]):
            scaled[name] = np.nan_to_num(np.abs(values) / spread)
    if not scaled:
        return {}
    largest = np.max(list(scaled.values()), axis=0)
    return {name: float((largest >= values[0] - _SLACK).mean()) for name, values in scaled.items()}


def holm(p: Sequence[float]) -> list[float]:
    """p-values after Holm's step-down correction, in their own order."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate([(len(order) - i) * p[k] for i, k in enumerate(order)])
    found = np.empty(len(order))
    found[order] = np.minimum(1.0, steps)
    return [float(v) for v in found]


def fdr(p: Sequence[float]) -> list[float]:
    """q-values by Benjamini & Hochberg, in their own order."""
    from scipy.stats import false_discovery_control

    return [float(v) for v in false_discovery_control(p)] if len(p) else []


def partial(x: Floats, y: Floats, given: Floats, kind: str = "pearson") -> float:
    """The correlation of x and y with what a third variable explains taken out of both; NaN where undefined.

    (r_xy − r_xz r_yz) / √((1 − r_xz²)(1 − r_yz²)), of ranks for Spearman's.
    """
    xy, xz, yz = (float(Pairs(a, b)(kinds=[kind])[kind][0]) for a, b in ((x, y), (x, given), (y, given)))
    rest = (1 - xz**2) * (1 - yz**2)
    return (xy - xz * yz) / math.sqrt(rest) if rest > 0 else math.nan


@dataclass(frozen=True)
class Quadratic:
    """A parabola y = a + b·x + c·x². vertex: its turning point, in units of x. peak: whether it is a highest
    one. within: whether it lies within the values measured. r2: share of the variance explained; r2_line: by
    a line. p: of the gain, under exchanged accuracies.
    """

    vertex: float | None
    peak: bool
    within: bool
    r2: float
    r2_line: float
    p: float | None


def quadratic(x: Floats, exchange: Exchange) -> Quadratic | None:
    """The parabola of y on x, and whether it turns within the range of x; None below `LEAST` sets or three
    different values.
    """
    n = len(x)
    if n < LEAST or len(np.unique(x)) < 3:
        return None
    scale = float(np.std(x))
    z = (x - x.mean()) / scale
    basis, _ = np.linalg.qr(np.stack([np.ones(n), z, z**2], axis=1))
    y = exchange.drawn - exchange.drawn.mean(axis=1, keepdims=True)
    parts = (y @ basis[:, 1:]) ** 2
    total = (y**2).sum(axis=1)
    if not total[0] > 0:
        return None
    rest = np.maximum(total - parts.sum(axis=1), 0)
    with np.errstate(all="ignore"):
        gain = np.sqrt(parts[:, 1] / rest)
    c, b, _ = np.polyfit(z, exchange.drawn[0], 2)
    vertex = float(x.mean() - scale * b / (2 * c)) if c else None
    return Quadratic(
        vertex,
        bool(c < 0),
        vertex is not None and bool(x.min() <= vertex <= x.max()),
        float(parts[0].sum() / total[0]),
        float(parts[0, 0] / total[0]),
        p_value(gain),
    )


def noisy(
    x: Floats, y: Floats, spread_x: Floats, spread_y: Floats, seed: int, draws: int = DRAWS
) -> Iterator[tuple[str, Floats]]:
    """(kind, float64 [draws]): r and rho with x and y drawn again around their values, as sure as each is.

    spread_x, spread_y: standard deviations [n], 0 where none is known.
    """
    generator = np.random.Generator(np.random.Philox(key=address("noisy", seed, len(x))))
    xs, ys = (v + s * generator.standard_normal((draws, len(v))) for v, s in ((x, spread_x), (y, spread_y)))
    ones = np.ones((draws, len(x)))
    yield "pearson", _weighted_r(xs, ys, ones)
    yield "spearman", _weighted_r(ranks(xs), ranks(ys), ones)
