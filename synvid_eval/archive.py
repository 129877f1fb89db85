"""Named arrays and JSON in one blob: safetensors with a checksum. What the cache, `.measured` files and
workers speak.

No pickle: a damaged or hostile blob is an error, never code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as tensors

from synvid_eval.states import Arrays
from synvid_eval.video import remote
from synvid_eval.video.remote import Place

# Below this, looking for an equal array costs more than writing it again.
_WORTH = 1 << 14


class Damaged(Exception):
    """A blob is cut short, altered, or none of ours."""


def _checksum(arrays: Mapping[str, NDArray[np.generic]], text: str) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return digest.hexdigest()


def pack(arrays: Mapping[str, NDArray[np.generic]], meta: Mapping[str, Any]) -> bytes:
    """The blob of named arrays (any numeric dtype and shape) and JSON-ready `meta`.

    Of equal arrays (rows that two states keep) one is written.
    """
    ready: Arrays = {}
    same: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, a in arrays.items():
        array = np.ascontiguousarray(a).reshape(np.shape(a))
        if array.nbytes >= _WORTH:
            content = hashlib.blake2b(array.data, digest_size=16).digest()
            known = first.setdefault((array.dtype.str, array.shape, content), name)
            if known != name:
                same[name] = known
                continue
        ready[name] = array
    text = json.dumps({"meta": meta, "same": same}, ensure_ascii=True, sort_keys=True)
    return signed(ready, text)


def signed(arrays: Arrays, text: str) -> bytes:
    """A blob of arrays and a text, with their checksum; `pack` gives it the text that `unpack` reads."""
    # one key, since safetensors writes several in no fixed order: the same content is the same bytes
    blob: bytes = tensors.save(arrays, {"synvid-eval": f"{_checksum(arrays, text)} {text}"})
    return blob


def unpack(blob: bytes) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and meta of a blob; raises Damaged unless every byte is as it was written."""
    try:
        arrays = tensors.load(blob)
        size = int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8 : 8 + size])["__metadata__"]
        checksum, _, text = header["synvid-eval"].partition(" ")
        if checksum != _checksum(arrays, text):
            raise Damaged("checksum differs")
        whole = json.loads(text)
        arrays.update({name: arrays[known] for name, known in whole["same"].items()})
        return arrays, whole["meta"]
    except (
        SafetensorError,
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise Damaged(str(error) or type(error).__name__) from None


def regular(path: Path) -> bytes:
    """The bytes of a file.

    Raises OSError where it cannot be read, is no regular file (which might never end) or does not fit into
    memory.
    """
    _size(path)
    try:
        return path.read_bytes()
    except (MemoryError, OverflowError):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), os.fspath(path)) from None


def _size(path: Path) -> int:
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    return facts.st_size


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """As `unpack`, of a file; one whose header does not go with its size is read no further.

    Raises OSError (see `regular`) and Damaged.
    """
    size = _size(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise Damaged("it is cut short")
        try:
            facts = json.loads(file.read(length))
            end = max(value.get("data_offsets", (0, 0))[1] for value in facts.values())
        except (AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError):
            raise Damaged("its header cannot be read") from None
    if 8 + length + end != size:
        raise Damaged(f"its header announces another size than its {size:,} bytes")
    return unpack(regular(path))


def as_others(path: str) -> None:
    """Gives a file that `tempfile` made the rights that other new files have."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)


def write_bytes(path: Place, data: bytes) -> None:
    """Writes a file aside (a temporary name in the same folder) and renames it: never half a file under
    `path`. An OSError names `path`. An object of a store is there whole or not at all without that.
    """
    if isinstance(path, remote.Url):
        remote.write_bytes(path.text, data)
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        as_others(name)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
