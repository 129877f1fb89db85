"""Lists of very many clips: 10⁷ rows are planned in a minute and well below 2 GiB.

A list of more than LONG entries is not made into as many objects. Its rows stay in a file that is mapped into
memory; what is kept of a row is where it begins, how long it is, its label's number, and its turn. A clip is
made of a row when it is asked for. Whether its file is there shows when it is opened: to look for 10⁷ files
would take longer than to plan them.

Rows stand in the order in which sets are folded (block, shard, id), so that a piece is a span of rows. An
entry that stands there twice is taken once.
"""

from __future__ import annotations

import array
import hashlib
import heapq
import mmap
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

from synvid_eval.randomness import address
from synvid_eval.states import BLOCKS, SUB_SHARDS
from synvid_eval.video.decode import ClipRef, Unreadable

LONG = 250_000
"""Entries from which on a list is long."""

# A path that is its own id, and a label: ASCII without blanks or quotes, no comment.
_LABEL = rb"(?:[ \t,]+([!-+\-/-~]*))?[ \t\r]*\n?"

# What makes a path another id than its text: absolute, or a part that is empty or begins with a point.
_ODD = re.compile(rb"^[/.]|/[/.]")


def simple(suffixes: Sequence[str]) -> Callable[[bytes], tuple[bytes, bytes | None] | None]:
    """A function: line of a list → (path, label or None) where that can be read off; None where it has to be
    read with more care. suffixes: of videos, with their points.
    """
    kinds = b"|".join(re.escape(s[1:].encode()) for s in sorted(suffixes))
    match = re.compile(rb"([!$-~][!-~]*\.(?:" + kinds + rb"))" + _LABEL, re.IGNORECASE).fullmatch

    def read(line: bytes) -> tuple[bytes, bytes | None] | None:
        found = match(line)
        if found is None or _ODD.search(found[1]):
            return None
        return found[1], found[2] or None

    return read


_PLAIN = re.compile(rb"[ -~]+")


def is_plain(name: bytes) -> bool:
    """Whether a path below a root is its own id."""
    return _PLAIN.fullmatch(name) is not None and not _ODD.search(name) and not name.endswith(b"/")


class Rows:
    """The rows of a long list as they are read, one after the other."""

    def __init__(self) -> None:
        self.starts, self.lengths, self.labels = array.array("Q"), array.array("I"), array.array("i")
        self.paths: dict[bytes, str] = {}
        self.digests = bytearray()
        self.names: dict[bytes, int] = {}
        self._blob: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._end = 0

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, name: bytes, label: bytes | None, path: str | None = None) -> None:
        """A row: the id of a clip and its label, UTF-8; its path, where that is another than the id below the
        root.
        """
        if path is not None:
            self.paths[name] = path
        self._blob.write(name)
        self.starts.append(self._end)
        self.lengths.append(len(name))
        self._end += len(name)
        self.labels.append(-1 if label is None else self.names.setdefault(label, len(self.names)))
        self.digests += hashlib.blake2b(b"block\0" + name, digest_size=8).digest()

    def done(self, root: str, within: str) -> LongList:
        """The list of all rows (see `LongList`), of which there is one at least."""
        self._blob.flush()
        blob = mmap.mmap(self._blob.fileno(), 0, access=mmap.ACCESS_READ)
        return LongList(self, blob, root, within)


class LongList(Sequence[ClipRef]):
    """The clips of a long list, in the order of (block, shard, id).

    Args:
        rows: as they were read. blob: the bytes that they point into. root: the folder that their paths
        start from. within: what a file's real path must lie in ("/": anywhere).
    """

    def __init__(self, rows: Rows, blob: mmap.mmap, root: str, within: str) -> None:
        self._blob, self._root, self._within = blob, root, within
        self._starts = np.frombuffer(rows.starts, np.uint64)
        self._lengths = np.frombuffer(rows.lengths, np.uint32)
        self._labels = np.frombuffer(rows.labels, np.int32)
        self._paths = rows.paths
        self._names = [name.decode("utf-8", "backslashreplace") for name in rows.names]
        numbers = np.frombuffer(rows.digests, ">u8")
        shards = (numbers % np.uint64(BLOCKS)) * np.uint64(SUB_SHARDS)
        shards += numbers // np.uint64(BLOCKS) % np.uint64(SUB_SHARDS)
        self._turns, self.shards = self._ordered(shards.astype(np.int32))
        self.twice = len(self._starts) - len(self._turns)

    def _ordered(self, shards: NDArray[np.int32]) -> tuple[NDArray[np.uint32], list[tuple[int, int, int]]]:
        """(rows in their order, (block, first turn, end) of each shard that is not empty)."""
        by_shard = np.argsort(shards, kind="stable").astype(np.uint32)
        ends = np.cumsum(np.bincount(shards, minlength=BLOCKS * SUB_SHARDS))
        parts: list[NDArray[np.uint32]] = []
        found, at, begin = [], 0, 0
        for shard, end in enumerate(ends.tolist()):
            rows = by_shard[begin:end]
            begin = end
            if not len(rows):
                continue
            ids = self._ids(rows)
            turns = sorted(range(len(ids)), key=ids.__getitem__)
            kept = [t for k, t in enumerate(turns) if not k or ids[t] != ids[turns[k - 1]]]
            parts.append(rows[kept])
            found.append((shard // SUB_SHARDS, at, at + len(kept)))
            at += len(kept)
        return np.concatenate(parts), found

    def _ids(self, rows: NDArray[np.uint32]) -> list[bytes]:
        blob = self._blob
        starts, lengths = self._starts[rows].tolist(), self._lengths[rows].tolist()
        return [blob[a : a + n] for a, n in zip(starts, lengths, strict=True)]

    def __len__(self) -> int:
        return len(self._turns)

    @overload
    def __getitem__(self, index: int) -> ClipRef: ...
    @overload
    def __getitem__(self, index: slice) -> Span: ...
    def __getitem__(self, index: int | slice) -> ClipRef | Span:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError("a span of a long list has no step")
            return Span(self, start, max(start, stop))
        return next(self.clips(range(len(self))[index], range(len(self))[index] + 1))

    def clips(self, start: int, stop: int) -> Iterator[ClipRef]:
        """The clips from one turn to before another, made as they are taken."""
        rows = self._turns[start:stop]
        for name, label in zip(self._ids(rows), self._labels[rows].tolist(), strict=True):
            text = name.decode("utf-8", "backslashreplace")
            yield ClipRef(
                text,
                "file",
                self._paths.get(name) or f"{self._root}/{text}",
                label=None if label < 0 else self._names[label],
                within=self._within,
            )

    def __iter__(self) -> Iterator[ClipRef]:
        for start in range(0, len(self), 1 << 14):
            yield from self.clips(start, min(start + (1 << 14), len(self)))

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return len(self._names)

    def drawn(self, count: int) -> list[ClipRef]:
        """The `count` clips with the smallest hash of their id (see `VideoSet.draw`), by id."""
        ranked = heapq.nsmallest(count, ((address("clips", c.id), c.id, i) for i, c in enumerate(self)))
        return sorted((self[i] for _, _, i in ranked), key=lambda c: c.id)


class Span(Sequence[ClipRef]):
    """The clips of a long list from one turn to before another."""

    def __init__(self, of: LongList, start: int, stop: int) -> None:
        self._of, self._start, self._stop = of, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, index: int) -> ClipRef: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ClipRef]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self)[index]
        return self._of[self._start + range(len(self))[index]]

    def __iter__(self) -> Iterator[ClipRef]:
        return self._of.clips(self._start, self._stop)


MISSING = "missing: in the list, not on the disk"
LINK = "a symbolic link that leads out of the root (--follow-outside reads it)"


def check(ref: ClipRef) -> None:
    """Unreadable for a clip of a long list whose file is not there, or not where it must lie.

    A file that is missing is not waited for: of ten million, many may be. Where the whole root is gone or
    empty, so is its storage, which may come back.
    """
    if not os.path.lexists(ref.path):
        raise Unreadable(MISSING, lasting=holds_something(_root_of(ref)))
    if not os.path.realpath(ref.path).startswith(os.path.join(ref.within, "")):
        raise Unreadable(LINK)


def _root_of(ref: ClipRef) -> str:
    """The folder that a clip's path starts from, as far as it can be told; else the one that it lies in."""
    root = ref.path.removesuffix(f"/{ref.id}")
    return os.path.dirname(ref.path) if root == ref.path else root or "/"


def holds_something(folder: str) -> bool:
    """Whether a folder is there and not empty."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False
