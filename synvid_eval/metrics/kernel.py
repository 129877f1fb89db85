"""Kernel distance (squared maximum mean discrepancy) of kept rows: numerics shared by metrics, their base.

    MMD² = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y),   k(x, y) = (x·y/d + 1)³

with the means over all pairs of rows of *different* clips (`pairs` clips) or of different rows (`pairs` all)
within a side and over all pairs between the sides (Gretton et al. 2012, the unbiased estimate; kernel of
Bińkowski et al. 2018). No subsets are drawn: the result has no seed and the least variance these rows can
give.

What is kept are sums of k over pairs of rows, a pair of the sets' 20 blocks: the value with a block left out
is made of the same sums, so that an interval costs nothing more. Pairs are taken in tiles of at most
1024 × 1024, in float64 and in a fixed order, so memory stays below 50 MB beyond the rows. Sums are
remembered: a reference is compared with itself once, however many candidates.

Rows beyond the state's cap are left out by hash, the same whatever is compared. A block left out is left out
of the rows that are used: none is put in its place, since an interval is about as many rows as the value.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synvid_eval.knobs import knob
from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Metric, Spread, Unscored
from synvid_eval.metrics.needed import too_few
from synvid_eval.states import Fold, Rows, Side

INTERVAL_CLIPS = 200

TILE = 1024
"""Rows a side of a tile."""

Block: TypeAlias = tuple[NDArray[np.float32], NDArray[np.uint64]]
"""Rows [n, d] of one block and their owners [n]; rows of one owner are no pair within a side."""


class Sums(NamedTuple):
    """Sums of k and numbers of pairs, both float64 [blocks of x, blocks of y]."""

    total: NDArray[np.float64]
    pairs: NDArray[np.float64]

    def mean(self, left: NDArray[np.bool_] | None = None, right: NDArray[np.bool_] | None = None) -> float:
        """Mean of k over the pairs of the blocks chosen (all by default); NaN where there are none."""
        total, pairs = self
        if left is not None:
            total, pairs = total[left], pairs[left]
        if right is not None:
            total, pairs = total[:, right], pairs[:, right]
        count = float(pairs.sum())
        return float(total.sum()) / count if count else math.nan


def within(blocks: Sequence[Block]) -> Sums:
    """Sums over ordered pairs of rows of different owners of one side; symmetric [B, B]."""
    total = np.zeros((len(blocks), len(blocks)))
    pairs = np.zeros_like(total)
    for i, (rows, owners) in enumerate(blocks):
        for j in range(i, len(blocks)):
            other, others = blocks[j]
            for a, left in _tiles(rows):
                for b, right in _tiles(other):
                    if i == j and b.start < a.start:
                        continue
                    values = _kernel(left, right)
                    same = owners[a, None] == others[None, b]
                    values[same] = 0.0
                    twice = 2 if i == j and b.start > a.start else 1
                    total[i, j] += twice * values.sum()
                    pairs[i, j] += twice * (same.size - np.count_nonzero(same))
            total[j, i], pairs[j, i] = total[i, j], pairs[i, j]
    return Sums(total, pairs)


def between(left: Sequence[Block], right: Sequence[Block]) -> Sums:
    """Sums over all pairs of a row of one side and a row of the other, [B, B]."""
    total = np.zeros((len(left), len(right)))
    pairs = np.zeros_like(total)
    for i, (rows, _) in enumerate(left):
        for j, (other, _) in enumerate(right):
            pairs[i, j] = len(rows) * len(other)
            for _, one in _tiles(rows):
                for _, two in _tiles(other):
                    total[i, j] += _kernel(one, two).sum()
    return Sums(total, pairs)


def _tiles(rows: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    for start in range(0, len(rows), TILE):
        part = slice(start, start + TILE)
        yield part, rows[part].astype(np.float64)


def _kernel(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """k of all pairs, float64 [n, m]."""
    values = left @ right.T
    values /= left.shape[1]
    values += 1
    squares = values * values
    values *= squares
    return values


Used: TypeAlias = tuple[tuple[Rows | None, ...], int | None]
"""A side's blocks of rows and the largest key that is used (None: all are)."""


def _blocks(used: Used) -> list[Block]:
    states, limit = used
    dim = next(state.dim for state in states if state is not None)
    out: list[Block] = []
    for state in states:
        if state is None:
            out.append((np.empty((0, dim), np.float32), np.empty(0, np.uint64)))
        else:
            kept = state.below(limit)
            out.append((kept.rows, kept.owners))
    return out


# States are immutable and hash by identity. Room for a candidate, the reference and its two halves (`floor`).
@lru_cache(maxsize=5)
def _within(used: Used, pairs: str) -> Sums:
    blocks = _blocks(used)
    if pairs == "all":  # every row an owner of its own
        ends = np.cumsum([0, *(len(rows) for rows, _ in blocks)]).astype(np.uint64)
        own = [np.arange(ends[i], ends[i + 1], dtype=np.uint64) for i in range(len(blocks))]
        blocks = [(rows, alone) for (rows, _), alone in zip(blocks, own, strict=True)]
    return within(blocks)


@lru_cache(maxsize=3)
def _between(left: Used, right: Used) -> Sums:
    return between(_blocks(left), _blocks(right))


@dataclass(frozen=True)
class KernelMetric(Metric):
    """Base of the metrics whose value is the kernel distance of kept rows. `noun`: the rows, plural."""

    kind: ClassVar[Kind] = "unbiased"
    better: ClassVar[Literal["lower", "higher", "match"]] = "lower"
    apart: ClassVar[str] = "how far a clip's features, averaged over it, lie from the reference's average"
    noun: ClassVar[str]

    pairs: str = knob(
        "clips",
        "pairs within a set that count: of different clips, or all of different rows (the usual estimator)",
        choices=("clips", "all"),
    )

    @property
    @abstractmethod
    def state(self) -> str:
        """Name of a state of `Rows`."""

    def value(self, candidate: Side, reference: Side) -> float:
        """MMD², below 0 as often as above between equal distributions; two clips a side are needed."""
        return _combined(*self._sums(candidate, reference))

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """The three means of k that the value is made of; nothing where there is no value."""
        try:
            sums = self._sums(candidate, reference)
        except Unscored:
            return {}
        names = ("kernel_candidate", "kernel_reference", "kernel_between")
        return {name: part.mean() for name, part in zip(names, sums, strict=True)}

    def left_out(self, sides: tuple[Side, ...], turn: int, spread: Spread = map) -> list[float]:
        """The value with each block of `sides[turn]` left out, from the same sums."""
        own, other, cross = self._sums(sides[0], sides[-1])
        filled = sides[turn].block_clips(self.state)
        out = []
        for index, clips in enumerate(filled):
            rest = np.arange(len(filled)) != index
            if not clips:
                out.append(math.nan)
            elif turn == 0:
                out.append(own.mean(rest, rest) + other.mean() - 2 * cross.mean(rest))
            else:
                out.append(own.mean() + other.mean(rest, rest) - 2 * cross.mean(None, rest))
        return out

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """Mean features of some clips, [n, d]."""
        return ClipRows.of_state(side.rows(self.state))

    def interval_gate(self, side: Side) -> str:
        """From 200 clips on; with fewer, intervals of sets that differ cover 80 % at worst."""
        clips = side.clips(self.state)
        return "" if clips >= INTERVAL_CLIPS else too_few(clips, "clips", self.name, INTERVAL_CLIPS)

    def of_rows(
        self,
        candidate: ArrayLike,
        reference: ArrayLike | None = None,
        owners: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> float:
        """The number straight from arrays of rows [n, d]; `owners`: each row's clip, [n] integers a side.

        Without owners every row is a clip of its own. All rows are used, whatever their number.
        """
        if reference is None:
            raise ValueError(f"{self.name} is a distance: give the rows of the reference, too")
        sides = []
        for turn, given in enumerate((candidate, reference)):
            array = np.asarray(given, np.float32)
            own = np.arange(len(array)) if owners is None else np.asarray(owners[turn])
            state = Rows.of(np.arange(len(array)), own, array, max(1, len(array)))
            clips = len(np.unique(own))
            sides.append(Side((Fold({self.state: state}, {self.state: clips}),), clips))
        return self.value(*sides)

    def _sums(self, candidate: Side, reference: Side) -> tuple[Sums, Sums, Sums]:
        one, other = self._used(candidate, "the candidate"), self._used(reference, "the reference")
        dims = [next(s.dim for s in states if s is not None) for states, _ in (one, other)]
        if dims[0] != dims[1]:
            raise ValueError(f"rows of {dims[0]} and {dims[1]} dimensions have no kernel distance")
        return _within(one, self.pairs), _within(other, self.pairs), _between(one, other)

    def _used(self, side: Side, who: str) -> Used:
        whole = side.rows(self.state)
        clips = 0 if whole is None else len(np.unique(whole.owners))
        if whole is None or clips < 2:
            seen = f"{0 if whole is None else whole.n} of {clips} clip{'' if clips == 1 else 's'}"
            raise Unscored(f"{self.name} needs {self.noun} of 2 or more clips; {who} has {seen}.")
        states = (block.states.get(self.state) for block in side.blocks)
        return tuple(s if isinstance(s, Rows) else None for s in states), whole.limit()


def _combined(own: Sums, other: Sums, cross: Sums) -> float:
    return own.mean() + other.mean() - 2 * cross.mean()
