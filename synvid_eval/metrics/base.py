"""What a metric is: states of one or two sets → a number, with what it needs to be read.

Four kinds. A *property* is a number of the candidate (spectrum, motion). A *distance* compares two sets and
is biased upward by O(1/n) (color, tubelet). An *unbiased* distance is right in the mean at any n (kid). A
*richness* is a number of the candidate that depends on n (effective_rank). The kind decides which intervals a
score carries (see `synvid_eval.intervals`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synvid_eval import knobs
from synvid_eval.errors import SynvidEvalError
from synvid_eval.states import Fold, Moments, Rows, Side

Detail = dict[str, Any]

Spread: TypeAlias = Callable[[Callable[[Any], float], Iterable[Any]], Iterator[float]]
"""An order-preserving map, `map` itself or one over threads."""

Kind: TypeAlias = Literal["property", "distance", "unbiased", "richness"]


class Unscored(SynvidEvalError):
    """A score cannot be had for these data; the message is the reason, a full sentence for the reader."""


SHOWN = 256
"""Clips of a set that are told apart in pictures, those with the smallest hashes."""


@dataclass(frozen=True)
class ClipRows:
    """What a metric saw of some clips of a set, a row a clip, for pictures.

    owners: uint64 [n], the clips (see `states.Rows`). rows: float64 [n, d] such that Euclidean distances
    between clips are in keeping with the metric.
    """

    owners: NDArray[np.uint64]
    rows: NDArray[np.float64]

    @classmethod
    def of_state(cls, state: Rows | None) -> Self | None:
        """The mean row of each clip of a state, of `SHOWN` clips at most; None where there is none."""
        if state is None or not state.n:
            return None
        owners = np.unique(state.owners)[:SHOWN]
        taken = state.owners <= owners[-1]
        which = np.searchsorted(owners, state.owners[taken])
        rows = np.zeros((len(owners), state.dim))
        np.add.at(rows, which, state.rows[taken])
        return cls(owners, rows / np.bincount(which)[:, None])

    @classmethod
    def of_columns(
        cls, owners: NDArray[np.uint64], columns: Sequence[NDArray[np.float64] | None]
    ) -> Self | None:
        """Columns [clips] side by side, of the clips where all are finite; None where there is none."""
        found = [c for c in columns if c is not None]
        if not found or len(found) < len(columns):
            return None
        rows = np.stack(found, axis=1)
        there = np.isfinite(rows).all(axis=1)
        return cls(owners[there], rows[there]) if there.any() else None


Columns: TypeAlias = Mapping[str, NDArray[np.float64]]
"""A feature's numbers a clip: key → float64 [clips], NaN where a clip has none."""


@dataclass(frozen=True)
class Metric(ABC):
    """Base of all metrics: a frozen dataclass whose fields are its knobs; numpy and scipy only."""

    name: ClassVar[str]
    feature: ClassVar[str]
    kind: ClassVar[Kind]
    better: ClassVar[Literal["lower", "higher", "match"]]
    unit: ClassVar[str]
    revision: ClassVar[int] = 1
    apart: ClassVar[str] = ""
    """What the distance between two clips' `clip_rows` is, as a phrase."""
    groups: ClassVar[tuple[str, ...]] = ()
    """Groups of knobs (`knobs.GROUPS`) over which a search that minimizes it alone goes; empty: all."""

    def __post_init__(self) -> None:
        knobs.check(self)

    @property
    @abstractmethod
    def state(self) -> str:
        """Name of the feature's state that carries the value (and whose clips are n)."""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of all states that `value` reads."""
        return (self.state,)

    @property
    def pair(self) -> bool:
        """True for a distance, which looks at both sides."""
        return self.kind in ("distance", "unbiased")

    def settle(self, sides: Sequence[Side], feature: Any = None) -> Self:
        """This metric with knobs that depend on the sides (the stride common to all) or on the configured
        feature decided; Unscored if that cannot be.
        """
        return self

    @abstractmethod
    def value(self, candidate: Side, reference: Side) -> float:
        """The number. Properties and richness look at `candidate` only. Raises Unscored where it cannot be
        had.
        """

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Flat extras: numbers, strings or lists of numbers (NaN for what cannot be had). `notes` is a text
        of whole sentences, which others may follow.
        """
        return {}

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """What this metric saw of single clips, for pictures; None where that cannot be said.

        columns: the feature's numbers a clip, of the clips `owners` [clips].
        """
        return None

    def picture(self, side: Side) -> Detail:
        """Flat lists of numbers of one set that a page draws and no score needs."""
        return {}

    def interval_gate(self, side: Side) -> str:
        """Why this side bears no `corrected`/`interval`: a clause after its name, or empty."""
        return ""

    def left_out(self, sides: tuple[Side, ...], turn: int, spread: Spread = map) -> list[float]:
        """The value with block 0, 1, … of `sides[turn]` left out, a block; NaN where a block is empty.

        sides: (candidate,) or (candidate, reference). A metric that has these more cheaply overrides it.
        Raises Unscored where one cannot be had.
        """
        filled = sides[turn].block_clips(self.state)

        def value(rest: Side) -> float:
            pair = [rest if i == turn else side for i, side in enumerate(sides)]
            return self.value(pair[0], pair[-1])

        each = sides[turn].each_without(self.states)
        rests = (rest for rest, clips in zip(each, filled, strict=True) if clips)
        return placed(spread(value, rests), filled)

    def of_rows(self, candidate: ArrayLike, reference: ArrayLike | None = None) -> float:
        """The number straight from arrays of rows [n, d] (what the feature gives to `state`), without any
        set.

        For properties and richness `reference` may be left out; a distance without it is a ValueError.
        """
        if reference is None and self.pair:
            raise ValueError(f"{self.name} is a distance: give the rows of the reference, too")
        sides = [
            _side(self.state, rows) for rows in (candidate, candidate if reference is None else reference)
        ]
        return self.value(*sides)


def placed(values: Iterator[float], clips: Sequence[int]) -> list[float]:
    """The next of `values` for each block that has clips, NaN for the others."""
    return [next(values) if count else math.nan for count in clips]


def _side(state: str, rows: ArrayLike) -> Side:
    moments = Moments.of_rows(rows)
    clips: Mapping[str, int] = {state: int(moments.n)}
    return Side((Fold({state: moments}, clips),), int(moments.n))
