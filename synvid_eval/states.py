"""States: what a measurement folds. Each has a zero and a `+`, keeps its inputs unchanged, and goes to arrays
and back.

A set is measured clip by clip; clips are folded in a fixed order into shards, shards into 20 blocks, and a
`Side` is the 20 blocks of one set for one feature. Metrics see a `Side`: all blocks, all but one (jackknife),
or a half of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCKS = 20
SUB_SHARDS = 16

Arrays: TypeAlias = dict[str, NDArray[np.generic]]


class Moments:
    """Weight n, mean [d] and scatter [d, d] (sum of outer products of deviations) of rows, float64.

    Merged by Chan's rule (Chan, Golub, LeVeque 1979), centred throughout: no raw second moments, so nothing
    cancels. Few rows are kept as rows until their moments are smaller than they are (a saved state then stays
    small); they are folded one part after the other, so the result is the same bits whether or not a state
    was saved in between.
    """

    __slots__ = ("_folded", "_rows", "dim")

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._folded: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
        self._rows: tuple[NDArray[np.floating], ...] = ()

    @classmethod
    def of_rows(cls, rows: ArrayLike) -> Self:
        """The state of rows [n, d] (a vector [n] is n rows of one value); n may be 0; must be finite.

        float32 and float64 are kept as they are, anything else becomes float64; the moments are float64.
        """
        array = np.asarray(rows)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise ValueError(f"rows must be [n, d], got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError("rows hold NaN or infinite values")
        out = cls(array.shape[1])
        if len(array):
            out._rows = (np.ascontiguousarray(array),)
            out._settle()
        return out

    @classmethod
    def of_parts(cls, n: float, mean: ArrayLike, scatter: ArrayLike) -> Self:
        """The state with weight n ≥ 0, mean [d] and scatter [d, d] given."""
        centre = np.array(mean, np.float64)
        out = cls(len(centre))
        if n > 0:
            out._folded = (float(n), centre, np.array(scatter, np.float64))
        return out

    def _settle(self) -> None:
        """Replaces rows by moments once those are smaller (a packed triangle of float64)."""
        if sum(r.nbytes for r in self._rows) > 4 * self.dim * (self.dim + 1):
            self._folded, self._rows = self._fold(), ()

    def _fold(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        total = self._folded
        for rows in self._rows:
            exact = rows.astype(np.float64)
            mean = exact.mean(axis=0)
            exact -= mean
            total = _chan(total, (float(len(rows)), mean, exact.T @ exact))
        if total is None:
            return 0.0, np.zeros(self.dim), np.zeros((self.dim, self.dim))
        return total

    def __add__(self, other: Self) -> Self:
        if other.dim != self.dim:
            raise ValueError(f"moments of {self.dim} and {other.dim} dimensions cannot be added")
        out = type(self)(self.dim)
        if other._folded is None:
            out._folded, out._rows = self._folded, self._rows + other._rows
        elif not self._rows and self._folded is None:
            out._folded, out._rows = other._folded, other._rows
        else:
            out._folded, out._rows = _chan(self._fold(), other._folded), other._rows
        out._settle()
        return out

    @property
    def n(self) -> float:
        """The weight: number of rows, or the sum of the weights given."""
        return (self._folded[0] if self._folded else 0.0) + float(sum(len(r) for r in self._rows))

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean [d]; zeros when empty."""
        return self._fold()[1]

    def covariance(self, ddof: int) -> NDArray[np.float64]:
        """Scatter / (n − ddof), [d, d]; NaN where n ≤ ddof."""
        n, _, scatter = self._fold()
        if n <= ddof:
            return np.full_like(scatter, np.nan)
        return scatter / (n - ddof)

    def linear(self, matrix: NDArray[np.float64]) -> Self:
        """The moments of rows @ matrix.T, for a matrix [k, d]."""
        n, mean, scatter = self._fold()
        return type(self).of_parts(n, matrix @ mean, matrix @ scatter @ matrix.T)

    def to_arrays(self) -> Arrays:
        """The state as named arrays; `from_arrays` gives it back to the bit."""
        out: Arrays = {"dim": np.array([self.dim], np.int64)}
        if self._folded is not None:
            n, mean, scatter = self._folded
            out["n"], out["mean"] = np.array([n]), mean
            out["scatter"] = scatter[np.triu_indices(self.dim)]
            lower = scatter.T[np.triu_indices(self.dim)]
            if not np.array_equal(lower, out["scatter"]):
                out["lower"] = lower
        if self._rows:
            out["rows"] = np.concatenate(self._rows)
            out["parts"] = np.array([len(r) for r in self._rows], np.int64)
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The state that `to_arrays` wrote."""
        dim = int(arrays["dim"][0])
        out = cls(dim)
        if "n" in arrays:
            scatter = np.empty((dim, dim))
            upper = np.triu_indices(dim)
            scatter.T[upper] = arrays.get("lower", arrays["scatter"])
            scatter[upper] = arrays["scatter"]
            out._folded = (float(arrays["n"][0]), np.array(arrays["mean"], np.float64), scatter)
        if "rows" in arrays:
            rows = np.asarray(arrays["rows"])
            out._rows = tuple(np.split(rows, np.cumsum(arrays["parts"].astype(np.int64))[:-1]))
        return out


def _chan(
    a: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None,
    b: tuple[float, NDArray[np.float64], NDArray[np.float64]],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    if a is None or a[0] == 0:
        return b
    if b[0] == 0:
        return a
    n = a[0] + b[0]
    delta = b[1] - a[1]
    mean = a[1] + delta * (b[0] / n)
    scatter = a[2] + b[2] + np.outer(delta, delta) * (a[0] * b[0] / n)
    return n, mean, scatter


class Counts:
    """Integer counts [k], int64 (numbers of frames, tubelets, histogram bins)."""

    __slots__ = ("values",)

    def __init__(self, values: ArrayLike) -> None:
        self.values = np.array(values, np.int64)

    def __add__(self, other: Self) -> Self:
        if other.values.shape != self.values.shape:
            raise ValueError(f"counts of shape {self.values.shape} and {other.values.shape} cannot be added")
        return type(self)(self.values + other.values)

    def to_arrays(self) -> Arrays:
        """The state as named arrays."""
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The state that `to_arrays` wrote."""
        return cls(arrays["values"])


State: TypeAlias = Moments | Counts
KINDS: dict[str, type[Moments] | type[Counts]] = {"moments": Moments, "counts": Counts}


def kind_of(state: State) -> str:
    """The name under which a state's class is saved: "moments" or "counts"."""
    return next(name for name, cls in KINDS.items() if type(state) is cls)


def add(a: State, b: State) -> State:
    """a + b for two states of one kind."""
    if type(a) is not type(b):
        raise TypeError(f"{type(a).__name__} and {type(b).__name__} cannot be added")
    return a + b  # type: ignore[operator]


@dataclass(frozen=True)
class Fold:
    """States by name, each with the number of clips that gave to it (what the jackknife weighs blocks by)."""

    states: Mapping[str, State] = field(default_factory=dict)
    clips: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Fold) -> Fold:
        states, clips = dict(self.states), dict(self.clips)
        for name, state in other.states.items():
            states[name] = add(states[name], state) if name in states else state
            clips[name] = clips.get(name, 0) + other.clips[name]
        return Fold(states, clips)


def fold(parts: Iterable[Fold]) -> Fold:
    """The sum of folds, from the left."""
    total = Fold()
    for part in parts:
        total = total + part
    return total


@dataclass(frozen=True)
class Side:
    """One set's folded states of one feature, in 20 blocks: what a metric sees of a set.

    `measured` is the number of clips measured in all; `sources` is True where a block is one source of clips
    (clips of one photograph, say), so that blocks and not clips are the independent draws.
    """

    blocks: tuple[Fold, ...]
    measured: int
    sources: bool = False

    def only(self, indices: Iterable[int]) -> Side:
        """The side with the given blocks only (in block order), the others empty."""
        keep = set(indices)
        return Side(
            tuple(b if i in keep else Fold() for i, b in enumerate(self.blocks)), self.measured, self.sources
        )

    def without(self, index: int) -> Side:
        """The side with one block left out."""
        return self.only(i for i in range(len(self.blocks)) if i != index)

    def total(self) -> Fold:
        """All blocks folded in order."""
        return fold(self.blocks)

    def state(self, name: str) -> State | None:
        """The folded state of that name; None where no clip gave to it."""
        parts = [b.states[name] for b in self.blocks if name in b.states]
        if not parts:
            return None
        total = parts[0]
        for part in parts[1:]:
            total = add(total, part)
        return total

    def moments(self, name: str) -> Moments | None:
        """The folded `Moments` of that name; None where no clip gave to it."""
        state = self.state(name)
        if state is not None and not isinstance(state, Moments):
            raise TypeError(f"state {name!r} is {type(state).__name__}, not Moments")
        return state

    def counts(self, name: str) -> NDArray[np.int64] | None:
        """The folded counts of that name, int64 [k]; None where no clip gave to it."""
        state = self.state(name)
        if state is not None and not isinstance(state, Counts):
            raise TypeError(f"state {name!r} is {type(state).__name__}, not Counts")
        return None if state is None else state.values

    def clips(self, name: str) -> int:
        """Number of clips that gave to the state of that name."""
        return sum(b.clips.get(name, 0) for b in self.blocks)

    def block_clips(self, name: str) -> list[int]:
        """Number of clips that gave to that state, a block (20 integers)."""
        return [b.clips.get(name, 0) for b in self.blocks]
