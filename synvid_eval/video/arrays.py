"""Array files as sets: `.npy` and `.npz`, memory-mapped where the format allows it, never unpickled."""

from __future__ import annotations

import functools
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError

_WANTED = "Save uint8 RGB clips as [N, T, H, W, 3] (.npy), or `frames` of that shape or [T, H, W, 3] (.npz)."


# What NumPy and zipfile raise on files that are damaged, hostile, encrypted or too large for memory.
_DAMAGE = (
    ArithmeticError,
    EOFError,
    KeyError,
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


@dataclass(frozen=True)
class ArrayFile:
    """An opened array file: frames uint8 [N, T, H, W, 3] or [T, H, W, 3]; `loaded` bytes held in memory (0:
    mapped).
    """

    frames: NDArray[np.uint8]
    loaded: int


@functools.lru_cache(maxsize=2)
def _open_cached(path: Path, _size: int, _mtime_ns: int) -> ArrayFile:
    loaded = 0
    array: NDArray[Any]
    try:
        if path.suffix.lower() == ".npy":
            array = np.lib.format.open_memmap(path, mode="r")
        else:
            array, loaded = _npz_member(path, "frames")
    except _DAMAGE as error:
        raise DataError(f"{path} cannot be read as an array: {error}.", _WANTED) from None
    four = array.ndim == 4 and path.suffix.lower() == ".npz"
    if array.dtype != np.uint8 or not (array.ndim == 5 or four) or array.shape[-1] != 3:
        raise DataError(f"{path} holds {array.dtype} {list(array.shape)}.", _WANTED)
    if 0 in array.shape:
        raise DataError(f"{path} holds no pixel: its shape is {list(array.shape)}.", _WANTED)
    return ArrayFile(array, loaded)


def open_array(path: Path) -> ArrayFile:
    """Opens `.npy` or `.npz` clips; DataError names the dtype and shape seen and what is wanted."""
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}.", "Check the path.") from None
    return _open_cached(path, facts.st_size, facts.st_mtime_ns)


def npz_keys(path: Path) -> list[str]:
    """The array names of a `.npz`, sorted; DataError where it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(n.removesuffix(".npy") for n in archive.namelist())
    except _DAMAGE as error:
        raise DataError(f"{path} cannot be read as .npz: {error}.", _WANTED) from None


def _npz_member(path: Path, key: str) -> tuple[NDArray[Any], int]:
    """The member array and the bytes it takes in memory: 0 where it is stored uncompressed and so can be
    mapped.
    """
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{key}.npy")
        with archive.open(info) as member:
            if info.compress_type != zipfile.ZIP_STORED:
                array = np.lib.format.read_array(member, allow_pickle=False)
                return array, array.nbytes
            version = np.lib.format.read_magic(member)
            header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = header(member)
            within = member.tell()
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    # the local header's name and extra lengths may differ from the central directory's, so they are read
    # there
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        lengths = np.frombuffer(file.read(4), "<u2")
    offset = info.header_offset + 30 + int(lengths.sum()) + within
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C"), 0
