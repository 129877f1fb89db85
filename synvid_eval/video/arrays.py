"""Array files as sets: `.npy` and `.npz`, memory-mapped where the format allows it, never unpickled."""

from __future__ import annotations

import functools
import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError
from synvid_eval.video import remote
from synvid_eval.video.remote import Place, Url

_WANTED = "Save uint8 RGB clips as [N, T, H, W, 3] (.npy), or `frames` of that shape or [T, H, W, 3] (.npz)."


DAMAGE = (
    ArithmeticError,
    EOFError,
    KeyError,
    lzma.LZMAError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on files that are damaged, hostile, encrypted or too large for memory."""


class Frames(Protocol):
    """Frames uint8 [N, T, H, W, 3] or [T, H, W, 3], in memory or read where they are asked for."""

    @property
    def ndim(self) -> int:
        """5 or 4."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class ArrayFile:
    """An opened array file: frames uint8 [N, T, H, W, 3] or [T, H, W, 3]; `loaded` bytes held in memory (0:
    mapped, or of an object that is read by parts).
    """

    frames: Frames
    loaded: int


@dataclass(frozen=True)
class Header:
    """What an array file says of its array before any pixel is read.

    shape, dtype, fortran: of the array. offset: where its bytes begin in the file, or None where they are
    compressed and have to be loaded: `nbytes` then are needed in memory.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int | None

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(path: Place) -> Header:
    """The header of `.npy` clips or of a `.npz`'s `frames`, checked; nothing is loaded.

    Raises DataError, which names the dtype and shape seen and what is wanted.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        if isinstance(path, Url):
            raise
        raise _damaged(path, "an array", error) from None
    with file:
        return _read_header(path, file)


def _read_header(path: Place, file: IO[bytes] | remote.File) -> Header:
    try:
        if path.suffix.lower() == ".npy":
            header = _header(file)
            if header.nbytes > file.seek(0, os.SEEK_END) - (header.offset or 0):
                raise ValueError(f"it is cut short: {header.nbytes:,} bytes announced")
        else:
            header = _npz_header(file)
    except DAMAGE as error:
        _check(file)
        raise _damaged(path, "an array", error) from None
    four = len(header.shape) == 4 and path.suffix.lower() == ".npz"
    if header.dtype != np.uint8 or not (len(header.shape) == 5 or four) or header.shape[-1] != 3:
        raise DataError(f"{path} holds {header.dtype} {list(header.shape)}.", _WANTED)
    if min(header.shape) < 0 or any(isinstance(side, bool) for side in header.shape):
        raise DataError(f"{path} cannot be read as an array: its shape is {list(header.shape)}.", _WANTED)
    if 0 in header.shape:
        raise DataError(f"{path} holds no pixel: its shape is {list(header.shape)}.", _WANTED)
    return header


def open_array(path: Place, stamp: str = "", beat: Callable[[], None] | None = None) -> ArrayFile:
    """Opens `.npy` or `.npz` clips; DataError names the dtype and shape seen and what is wanted. MemoryError
    where compressed ones do not fit, OSError where an object cannot be had.

    Args:
        stamp: what an object must have. beat: called while it is read.
    """
    if isinstance(path, Url):
        return _open_remote(path, stamp, beat or (lambda: None))
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}.", "Check the path.") from None
    return _open_cached(path, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _open_cached(path: Path, _size: int, _mtime_ns: int) -> ArrayFile:
    header = read_header(path)
    try:
        if header.offset is not None:
            order: Literal["C", "F"] = "F" if header.fortran else "C"
            return ArrayFile(np.memmap(path, np.uint8, "r", header.offset, header.shape, order), 0)
        with zipfile.ZipFile(path) as archive, archive.open("frames.npy") as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
    except MemoryError:  # the machine's doing, not the file's
        raise
    except DAMAGE as error:
        raise _damaged(path, "an array", error) from None
    return ArrayFile(array, array.nbytes)


class Parts:
    """The frames of an object in C order, read where they are asked for; see `Frames`."""

    def __init__(self, file: remote.File, offset: int, shape: tuple[int, ...]) -> None:
        self._file, self._offset, self.shape = file, offset, shape

    @property
    def ndim(self) -> int:
        """See `Frames`."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int, /) -> Parts | NDArray[np.uint8]:
        """A clip [T, H, W, 3] of many, or a frame [H, W, 3] of one. Raises OSError."""
        if not 0 <= index < len(self):
            raise IndexError(f"element {index} of {len(self)}")
        size = math.prod(self.shape[1:])
        at = self._offset + index * size
        if self.ndim > 4:
            return Parts(self._file, at, self.shape[1:])
        self._file.seek(at)
        data = self._file.read(size) or b""
        self._file.verify()
        return np.frombuffer(data, np.uint8).reshape(self.shape[1:])


def _open_remote(url: Url, stamp: str, beat: Callable[[], None]) -> ArrayFile:
    file = remote.File(url.text, stamp, beat)
    header = _read_header(url, file)
    if header.offset is not None and not header.fortran:
        return ArrayFile(Parts(file, header.offset, header.shape), 0)
    try:
        if header.offset is not None:
            file.seek(header.offset)
            whole = np.frombuffer(file.read(header.nbytes) or b"", np.uint8)
            array = whole.reshape(header.shape, order="F")
        else:
            with zipfile.ZipFile(cast(IO[bytes], file)) as archive, archive.open("frames.npy") as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
        file.verify()
    except MemoryError:  # the machine's doing, not the file's
        raise
    except DAMAGE as error:
        file.verify()
        raise _damaged(url, "an array", error) from None
    return ArrayFile(array, array.nbytes)


def npz_keys(path: Place) -> list[str]:
    """The array names of a `.npz`, sorted; DataError where it is none."""
    try:
        with path.open("rb") as file:
            try:
                with zipfile.ZipFile(cast(IO[bytes], file)) as archive:
                    return sorted(n.removesuffix(".npy") for n in archive.namelist())
            finally:
                _check(file)
    except DAMAGE as error:
        if isinstance(path, Url) and isinstance(error, OSError):
            raise
        raise _damaged(path, ".npz", error) from None


def _damaged(path: Place, what: str, error: BaseException) -> DataError:
    text = getattr(error, "strerror", None) or str(error.args[0] if error.args else "")
    return DataError(
        f"{path} cannot be read as {what}: {text.rstrip('. ') or type(error).__name__}.", _WANTED
    )


def _header(file: IO[bytes] | remote.File) -> Header:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    return Header(shape, dtype, fortran, file.tell())


def member_header(archive: zipfile.ZipFile, name: str) -> Header:
    """The header of an array of a `.npz`; `DAMAGE` for what is none or announces more than is there."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        header = _header(member)
    # what the archive's directory says must be enough, so that no more than that is ever unpacked
    if header.nbytes > info.file_size - (header.offset or 0):
        raise ValueError(f"it is cut short: {header.nbytes:,} bytes announced")
    return header


def _check(file: object) -> None:
    """Raises the OSError that reading an object met, which what was read into took for damage."""
    if isinstance(file, remote.File):
        file.check()


def _npz_header(file: IO[bytes] | remote.File) -> Header:
    with zipfile.ZipFile(cast(IO[bytes], file)) as archive:
        names = archive.namelist()
        if "frames.npy" not in names:
            held = ", ".join(sorted(n.removesuffix(".npy") for n in names)[:8]) or "nothing"
            raise ValueError(f"it has no array `frames` (it holds {held})")
        info = archive.getinfo("frames.npy")
        header = member_header(archive, "frames")
    within = header.offset or 0
    if info.compress_type != zipfile.ZIP_STORED:
        return replace(header, offset=None)
    # the local header's name and extra lengths may differ from the central directory's, so they are read
    # there
    file.seek(info.header_offset + 26)
    lengths = np.frombuffer(file.read(4) or b"", "<u2")
    return replace(header, offset=info.header_offset + 30 + int(lengths.sum()) + within)
