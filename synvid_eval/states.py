"""States: what a measurement folds. Each has a zero and a `+`, keeps its inputs unchanged, and goes to arrays
and back.

A set is measured clip by clip; clips are folded in a fixed order into shards, shards into 20 blocks, and a
`Side` is the 20 blocks of one set for one feature. Metrics see a `Side`: all blocks, all but one (jackknife),
or a half of them.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCKS = 20
SUB_SHARDS = 16

Arrays: TypeAlias = dict[str, NDArray[np.generic]]


_ROWS = 256


class Park:
    """A temporary file (without a name, gone with the process) in which large states wait until needed.

    The moments of 2048 values are 17 MB, and a set has 20 blocks of them: that is disk, not memory.
    """

    LEAST = 1 << 20
    """Bytes from which on an array is worth parking."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._lock = threading.Lock()
        self._end = 0

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # where there was no room for a file
            self._file.close()

    def put(self, array: NDArray[Any]) -> Parked:
        """Writes an array; what comes back reads it again."""
        with self._lock:
            offset, self._end = self._end, self._end + array.nbytes
            self._file.seek(offset)
            self._file.write(np.ascontiguousarray(array).data)
            self._file.flush()
        return Parked(self, offset, array.dtype, array.shape)

    def read(self, parked: Parked) -> NDArray[Any]:
        """The array that was put, as a new one."""
        out = np.empty(parked.shape, parked.dtype)
        with self._lock:
            self._file.seek(parked.offset)
            got = self._file.readinto(out.reshape(-1).view(np.uint8).data)
        if got != out.nbytes:
            raise OSError(f"a temporary file is cut short: {got} of {out.nbytes} bytes")
        return out


@dataclass(frozen=True, eq=False)
class Parked:
    """An array in a `Park`."""

    park: Park
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def _here(array: NDArray[Any] | Parked) -> NDArray[Any]:
    return array.park.read(array) if isinstance(array, Parked) else array


class Moments:
    """Weight n, mean [d] and scatter [d, d] (sum of outer products of deviations) of rows, float64.

    Merged by Chan's rule (Chan, Golub, LeVeque 1979), centred throughout: no raw second moments, so nothing
    cancels. Few rows are kept as rows until their moments are smaller than they are (a saved state then stays
    small); they are folded in one piece, so the result is the same bits whether or not a state was saved in
    between.
    """

    __slots__ = ("_folded", "_rows", "dim")

    def __init__(self, dim: int) -> None:
        self.dim = dim
        # (n, mean, scatter), the scatter as its packed upper triangle while it is parked
        self._folded: tuple[float, NDArray[np.float64], NDArray[np.float64] | Parked] | None = None
        self._rows: tuple[NDArray[np.floating] | Parked, ...] = ()

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
        """The state with weight n ≥ 0, mean [d] and scatter [d, d] given (its upper triangle is taken)."""
        centre = np.array(mean, np.float64)
        out = cls(len(centre))
        if n > 0:
            square = np.array(scatter, np.float64)
            out._folded = (float(n), centre, _square(_packed(square), out.dim))
        return out

    def _settle(self) -> None:
        """Replaces rows by moments once those are smaller (a packed triangle of float64)."""
        if sum(r.nbytes for r in self._rows) > 4 * self.dim * (self.dim + 1):
            self._folded, self._rows = self._fold(), ()

    def _fold(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        total = self._unparked()
        if self._rows:
            exact = self._exact_rows()
            mean = exact.mean(axis=0)
            exact -= mean
            total = _chan(total, (float(len(exact)), mean, exact.T @ exact))
        if total is None:
            return 0.0, np.zeros(self.dim), np.zeros((self.dim, self.dim))
        return total

    def _exact_rows(self) -> NDArray[np.float64]:
        rows: NDArray[np.float64] = np.concatenate([_here(r) for r in self._rows], dtype=np.float64)
        return rows

    def _unparked(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]] | None:
        if self._folded is None:
            return None
        n, mean, scatter = self._folded
        if isinstance(scatter, Parked):
            return n, mean, _square(_here(scatter), self.dim)
        return n, mean, scatter

    def parked(self, park: Park) -> Self:
        """The same state with its large arrays in `park`; itself where there is nothing large."""
        out = type(self)(self.dim)
        out._folded, out._rows = self._folded, self._rows
        if self._folded is not None:
            n, mean, scatter = self._folded
            if not isinstance(scatter, Parked) and scatter.nbytes >= Park.LEAST:
                out._folded = n, mean, park.put(_packed(scatter))
        rows = [r for r in self._rows if not isinstance(r, Parked)]
        if len(rows) == len(self._rows) and sum(r.nbytes for r in rows) >= Park.LEAST:
            out._rows = (park.put(np.concatenate(rows)),)
        return out

    def centered_rows(self) -> NDArray[np.float64] | None:
        """All rows minus their mean, float64 [n, d], where every row is still kept; else None."""
        if self._folded is not None or not self._rows:
            return None
        exact = self._exact_rows()
        exact -= exact.mean(axis=0)
        return exact

    def __add__(self, other: Self) -> Self:
        if other.dim != self.dim:
            raise ValueError(f"moments of {self.dim} and {other.dim} dimensions cannot be added")
        out = type(self)(self.dim)
        if other._folded is None:
            out._folded, out._rows = self._folded, self._rows + other._rows
        elif not self._rows and self._folded is None:
            out._folded, out._rows = other._folded, other._rows
        else:
            out._folded, out._rows = _chan(self._fold(), other._unparked()), other._rows
        out._settle()
        return out

    @property
    def n(self) -> float:
        """The weight: number of rows, or the sum of the weights given."""
        return (self._folded[0] if self._folded else 0.0) + float(sum(len(r) for r in self._rows))

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean [d]; zeros when empty."""
        if self._folded is not None and not self._rows:
            return self._folded[1]
        if not self._rows:
            return np.zeros(self.dim)
        exact = self._exact_rows()
        own: NDArray[np.float64] = exact.mean(axis=0)
        if self._folded is None:
            return own
        n, mean = self._folded[:2]
        return mean + (own - mean) * (len(exact) / (n + len(exact)))

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
            out["scatter"] = _here(scatter) if isinstance(scatter, Parked) else _packed(scatter)
        if self._rows:
            out["rows"] = np.concatenate([_here(r) for r in self._rows])
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The state that `to_arrays` wrote."""
        dim = int(arrays["dim"][0])
        out = cls(dim)
        if "n" in arrays:
            scatter = _square(np.asarray(arrays["scatter"], np.float64), dim)
            out._folded = (float(arrays["n"][0]), np.array(arrays["mean"], np.float64), scatter)
        if "rows" in arrays:
            out._rows = (np.asarray(arrays["rows"]),)
        return out


def _packed(square: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upper triangle [d (d + 1) / 2], row after row, of a symmetric matrix [d, d]."""
    size = len(square)
    out = np.empty(size * (size + 1) // 2)
    at = 0
    for i in range(size):
        out[at : at + size - i] = square[i, i:]
        at += size - i
    return out


def _square(packed: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The symmetric matrix [d, d] of a packed upper triangle."""
    out = np.empty((size, size))
    at = 0
    for i in range(size):
        row = packed[at : at + size - i]
        out[i, i:] = row
        out[i:, i] = row
        at += size - i
    return out


def _chan(
    a: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None,
    b: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    if b is None:
        raise ValueError("nothing to add")
    if a is None or a[0] == 0:
        return b
    if b[0] == 0:
        return a
    n = a[0] + b[0]
    delta = b[1] - a[1]
    mean = a[1] + delta * (b[0] / n)
    scatter = a[2] + b[2]
    for at in range(0, len(delta), _ROWS):  # a few rows at a time: the whole would be a third such matrix
        between = np.outer(delta[at : at + _ROWS], delta)
        between *= a[0] * b[0] / n
        scatter[at : at + _ROWS] += between
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


class Rows:
    """Rows [n, d] float32 that are kept, at most `cap` of a set: those with the smallest keys.

    keys: uint64 [n], a hash of the row's address, all different. owners: uint64 [n], one number a clip. Which
    rows are kept depends on the keys alone, not on the order of folding.
    """

    __slots__ = ("_keys", "_owners", "_parts", "cap", "dim")

    def __init__(self, dim: int, cap: int) -> None:
        self.dim, self.cap = dim, cap
        self._keys = np.empty(0, np.uint64)
        self._owners = np.empty(0, np.uint64)
        self._parts: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def of(cls, keys: ArrayLike, owners: ArrayLike, rows: ArrayLike, cap: int) -> Self:
        """The state of rows [n, d] with keys [n] and owners [n]; n may be 0."""
        array = np.ascontiguousarray(rows, np.float32)
        if array.ndim != 2 or not np.isfinite(array).all():
            raise ValueError(f"rows must be finite and [n, d], got shape {array.shape}")
        out = cls(array.shape[1], cap)
        if len(array):
            out._keys, out._owners = np.array(keys, np.uint64), np.array(owners, np.uint64)
            out._parts = (array,)
            if not len(out._keys) == len(out._owners) == len(array):
                raise ValueError(f"{len(out._keys)} keys, {len(out._owners)} owners, {len(array)} rows")
        return out.below(out.limit())

    def __add__(self, other: Self) -> Self:
        if (other.dim, other.cap) != (self.dim, self.cap):
            raise ValueError(
                f"rows [{self.dim}] capped at {self.cap} and [{other.dim}] at {other.cap} cannot be added"
            )
        out = type(self)(self.dim, self.cap)
        out._keys = np.concatenate([self._keys, other._keys])
        out._owners = np.concatenate([self._owners, other._owners])
        out._parts = self._parts + other._parts
        return out.below(out.limit()) if len(out._keys) > 2 * self.cap else out

    def limit(self) -> int | None:
        """The largest key that is kept; None where all are."""
        if len(self._keys) <= self.cap:
            return None
        return int(np.partition(self._keys, self.cap - 1)[self.cap - 1])

    def below(self, limit: int | None) -> Self:
        """The rows with keys up to `limit`, in the order they have; all where it is None."""
        if limit is None or not len(self._keys) or self._keys.max() <= np.uint64(limit):
            return self
        keep = self._keys <= np.uint64(limit)
        out = type(self)(self.dim, self.cap)
        out._keys, out._owners = self._keys[keep], self._owners[keep]
        parts = np.split(keep, np.cumsum([len(p) for p in self._parts])[:-1])
        out._parts = tuple(p[k] for p, k in zip(self._parts, parts, strict=True) if k.any())
        return out

    def _kept(self) -> Self:
        return self.below(self.limit())

    @property
    def n(self) -> int:
        """Number of rows kept."""
        return min(len(self._keys), self.cap)

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Keys of the rows kept, uint64 [n]."""
        return self._kept()._keys

    @property
    def owners(self) -> NDArray[np.uint64]:
        """Their clips, uint64 [n]."""
        return self._kept()._owners

    @property
    def rows(self) -> NDArray[np.float32]:
        """The rows kept, float32 [n, d]."""
        parts = self._kept()._parts
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def to_arrays(self) -> Arrays:
        """The state as named arrays; `from_arrays` gives it back to the bit."""
        kept = self._kept()
        return {
            "shape": np.array([self.dim, self.cap], np.int64),
            "keys": kept._keys,
            "owners": kept._owners,
            "rows": kept.rows,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The state that `to_arrays` wrote."""
        dim, cap = (int(v) for v in arrays["shape"])
        out = cls(dim, cap)
        if len(arrays["keys"]):
            out._keys = np.asarray(arrays["keys"], np.uint64)
            out._owners = np.asarray(arrays["owners"], np.uint64)
            out._parts = (np.asarray(arrays["rows"], np.float32),)
        return out


State: TypeAlias = Moments | Counts | Rows
KINDS: dict[str, type[Moments] | type[Counts] | type[Rows]] = {
    "moments": Moments,
    "counts": Counts,
    "rows": Rows,
}


def kind_of(state: State) -> str:
    """The name under which a state's class is saved: "moments", "counts" or "rows"."""
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

    def parked(self, park: Park) -> Fold:
        """The same states, large moments in `park`."""
        states = {n: s.parked(park) if isinstance(s, Moments) else s for n, s in self.states.items()}
        return Fold(states, self.clips)


def pruned(folds: Sequence[Fold]) -> list[Fold]:
    """Folds of one set with the rows left out that are not among the `cap` smallest keys of all of them."""
    limits: dict[str, int | None] = {}
    for name in {n for f in folds for n, s in f.states.items() if isinstance(s, Rows)}:
        held = [s for f in folds if isinstance(s := f.states.get(name), Rows)]
        keys = np.sort(np.concatenate([s.keys for s in held]))
        cap = held[0].cap
        limits[name] = int(keys[cap - 1]) if len(keys) > cap else None
    return [
        Fold({n: s.below(limits[n]) if isinstance(s, Rows) else s for n, s in f.states.items()}, f.clips)
        for f in folds
    ]


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
    (clips of one photograph, say), so that blocks and not clips are the independent draws; `statistics` where
    it was read from a file that knows no clips.
    """

    blocks: tuple[Fold, ...]
    measured: int
    sources: bool = False
    statistics: bool = False
    _folded: dict[str, State | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def only(self, indices: Iterable[int]) -> Side:
        """The side with the given blocks only (in block order), the others empty."""
        keep = set(indices)
        return Side(
            tuple(b if i in keep else Fold() for i, b in enumerate(self.blocks)),
            self.measured,
            self.sources,
            self.statistics,
        )

    def without(self, index: int) -> Side:
        """The side with one block left out."""
        return self.only(i for i in range(len(self.blocks)) if i != index)

    def total(self) -> Fold:
        """All blocks folded in order."""
        return fold(self.blocks)

    def each_without(self, names: Iterable[str]) -> Iterator[Side]:
        """The side with block 0, 1, … left out in turn, as one block, with the states of those names only.

        Halves are folded once and shared, so that 20 blocks cost some 90 additions instead of 380, with no
        more than a few sums in memory.
        """
        wanted = tuple(names)
        few = [
            Fold({n: s for n, s in b.states.items() if n in wanted}, {n: b.clips[n] for n in b.states})
            for b in self.blocks
        ]

        def descend(low: int, high: int, rest: Fold) -> Iterator[Side]:
            if high - low == 1:
                yield Side((rest,), self.measured, self.sources, self.statistics)
                return
            middle = (low + high) // 2
            yield from descend(low, middle, rest + fold(few[middle:high]))
            yield from descend(middle, high, rest + fold(few[low:middle]))

        yield from descend(0, len(few), Fold())

    def state(self, name: str) -> State | None:
        """The folded state of that name; None where no clip gave to it. Folded once and kept."""
        if name not in self._folded:
            parts = [b.states[name] for b in self.blocks if name in b.states]
            total = parts[0] if parts else None
            for part in parts[1:]:
                total = add(total, part)  # type: ignore[arg-type]
            self._folded[name] = total
        return self._folded[name]

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

    def rows(self, name: str) -> Rows | None:
        """The folded `Rows` of that name; None where no clip gave to it."""
        state = self.state(name)
        if state is not None and not isinstance(state, Rows):
            raise TypeError(f"state {name!r} is {type(state).__name__}, not Rows")
        return state

    def clips(self, name: str) -> int:
        """Number of clips that gave to the state of that name."""
        return sum(b.clips.get(name, 0) for b in self.blocks)

    def block_clips(self, name: str) -> list[int]:
        """Number of clips that gave to that state, a block (20 integers)."""
        return [b.clips.get(name, 0) for b in self.blocks]
