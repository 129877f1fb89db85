"""What is kept of tar files between runs: an index of each, and unpacked ones of those that are compressed.

    tars/HASH.index   the videos in a tar file: names, offsets, sizes, labels, what is wrong with it
    tars/HASH.tar     a compressed one, unpacked as a whole: gzip cannot be read from the middle

Both are found by the path or URL of the tar file, and are of no use once its *stamp* is another: its size,
time and inode, or what its store tells of it (see `video.remote`). They lie in the cache folder (`keep_in`),
unpacked ones in a temporary folder where there is none. Who uses an unpacked one holds a lock until its
process ends, so that no `cache prune` takes it away meanwhile.
"""

from __future__ import annotations

import atexit
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synvid_eval import archive, locks
from synvid_eval.cache import LOCK, SETTLED_NS, TARS, default_root
from synvid_eval.errors import DataError
from synvid_eval.video import remote, spans

if TYPE_CHECKING:
    from synvid_eval.video.remote import Object
    from synvid_eval.video.tars import Contents

REVISION = 1
"""Of what an index holds: one of another is read again."""

# What gzip makes of videos is little less than they were. What grows beyond this is a bomb.
TIMES, MORE = 100, 4 * 2**30

_FOLDER = "SYNVID_EVAL_TARS"  # how worker processes learn of `keep_in`
_CHUNK = 1 << 20
_LOOK = 64 << 20  # bytes between two looks at how full the disk is
_LEFT = 0.05  # share of a disk that unpacking leaves free


def keep_in(root: Path | None) -> None:
    """Says where this process, and those that it starts from now on, keep what they know: `root`/tars; None:
    nowhere.
    """
    os.environ[_FOLDER] = "" if root is None else os.fspath(root / TARS)


def folder() -> Path | None:
    """Where it is kept (see `keep_in`; unless that was called, in the default cache folder)."""
    given = os.environ.get(_FOLDER)
    return default_root() / TARS if given is None else Path(given) if given else None


def folders() -> set[str]:
    """The folders in which unpacked copies lie."""
    return {os.fspath(place) for place in (folder(), _temporary_of.get(os.getpid())) if place is not None}


_temporary_of: dict[int, Path] = {}


def _temporary(owner: int) -> Path:
    if owner not in _temporary_of:
        made = Path(tempfile.mkdtemp(prefix="synvid-eval-"))
        atexit.register(lambda: shutil.rmtree(made, ignore_errors=True) if os.getpid() == owner else None)
        _temporary_of[owner] = made
    return _temporary_of[owner]


def is_compressed(file: IO[bytes] | remote.File) -> bool:
    """Whether a file, whatever it is called, is compressed by gzip."""
    return file.read(2) == b"\x1f\x8b"


Stamp: TypeAlias = Sequence[int | str]
"""[size, mtime_ns, inode] of a file of a disk, [what its store tells] of an object; nothing where it tells
nothing to rely on.
"""


def stamp_of(told: Object | None) -> Stamp:
    """The stamp of an object by what its store tells of it; nothing where that is nothing."""
    return [told.stamp] if told is not None and told.stamp else []


def read_index(path: str, stamp: Stamp) -> Contents | None:
    """What is known of a tar file of that stamp; None where that is nothing."""
    place = _index(path)
    if place is None:
        return None
    try:
        arrays, meta = archive.read(place)
        if meta["stamp"] != [REVISION, *stamp]:
            return None
        return _contents(arrays, meta)
    except (OSError, archive.Damaged, LookupError, TypeError, ValueError):
        return None


def _contents(arrays: dict[str, NDArray[np.generic]], meta: dict[str, object]) -> Contents | None:
    from synvid_eval.video.tars import Contents

    found = Contents(**meta["contents"])  # type: ignore[arg-type]
    found.skipped = [(name, reason) for name, reason in found.skipped]
    found.other = Counter(found.other)
    found.offsets, found.sizes = arrays["offsets"].astype(np.int64), arrays["sizes"].astype(np.int64)
    found.ids = _texts(arrays["ids"])
    labels: list[str | None] = [None, *_texts(arrays["labels"])]
    found.labels = [labels[code] for code in arrays["codes"].tolist()]
    if meta["unpacked"] is not None:  # it may have been removed
        locks.share(Path(found.path).with_name(LOCK))
        if os.stat(found.path).st_size != meta["unpacked"]:
            return None
    return found


def keep_index(path: str, stamp: Stamp, contents: Contents) -> None:
    """Keeps what is known of a tar file; where that cannot be written, nothing is kept."""
    place = _index(path)
    if place is None or not _settled(stamp):
        return
    named = [label for label in dict.fromkeys(contents.labels) if label is not None]
    codes = dict(zip([None, *named], range(len(named) + 1), strict=True))
    arrays: dict[str, NDArray[np.generic]] = {
        "offsets": contents.offsets,
        "sizes": contents.sizes,
        "ids": _bytes(contents.ids),
        "labels": _bytes(named),
        "codes": np.array([codes[label] for label in contents.labels], np.int32),
    }
    told = {
        "path": contents.path,
        "skipped": contents.skipped,
        "other": contents.other,
        "notes": contents.notes,
        "damage": contents.damage,
    }
    unpacked = None if contents.path == path else os.stat(contents.path).st_size
    meta = {"stamp": [REVISION, *stamp], "contents": told, "unpacked": unpacked}
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(place, archive.pack(arrays, meta))


def _bytes(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Texts, none of which holds a NUL."""
    return np.frombuffer("".join(f"{text}\0" for text in texts).encode(), np.uint8)


def _texts(data: NDArray[np.generic]) -> list[str]:
    return data.tobytes().decode().split("\0")[:-1]


def _settled(stamp: Stamp) -> bool:
    """Whether that stamp is of no other content: a file cannot change again within the clock's grain, an
    object's is a tag.
    """
    if len(stamp) < 2:
        return bool(stamp)
    return int(stamp[1]) < time.time_ns() - SETTLED_NS


def _where(path: str) -> str:
    return path if remote.is_remote(path) else os.path.abspath(path)


def _index(path: str) -> Path | None:
    place = folder()
    return None if place is None else place / f"{_hash(_where(path))}.index"


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def unpacked(path: str, stamp: Stamp, size: int) -> tuple[str, str]:
    """(an unpacked copy of a compressed tar file of `size` bytes, why it is not all of it or "").

    The copy is there before it has its name. Of a file that unpacks to more than `TIMES` its size and `MORE`
    there is none: "".

    Raises DataError where the disk has no room for it, or a store does not give all of it.
    """
    # what is known by no stamp is not found again
    place = (folder() if stamp else None) or _temporary(os.getpid())
    facts = json.dumps([_where(path), *stamp, *([] if _settled(stamp) else [time.time_ns()])])
    try:
        place.mkdir(parents=True, exist_ok=True)
        locks.share(place / LOCK)
        handle, name = tempfile.mkstemp(dir=place, prefix=".", suffix=".part")
    except OSError as error:
        raise DataError(
            f"{path} cannot be unpacked into {place}: {error.strerror}.",
            "Unpack it yourself, or give --cache DIR.",
        ) from None
    copy = place / f"{_hash(facts)}.tar"
    try:
        with os.fdopen(handle, "wb") as out:
            damage = _unpack(path, stamp, out, place, TIMES * size + MORE)
        if damage is None:
            os.unlink(name)
            return "", f"unpacks to more than {TIMES} times its size and {MORE / 2**30:g} GiB: not read"
        archive.as_others(name)
        os.replace(name, copy)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if not isinstance(error, OSError):
            raise
        raise DataError(
            f"{path} cannot be unpacked into {place}: {error.strerror or error}.",
            "Make room, or give --cache DIR.",
        ) from None
    return os.fspath(copy), damage


def _unpack(path: str, stamp: Stamp, out: IO[bytes], place: Path, most: int) -> str | None:
    """Writes what a compressed file unpacks to, as far as it can be read; why that is not all of it, or "".
    None where it is more than `most` bytes.

    Raises OSError where it cannot be written, DataError where it is remote and cannot be read.
    """
    done = looked = 0
    with _opened(path, stamp) as raw, gzip.GzipFile(fileobj=raw) as file:
        while True:
            try:
                data = _more(path, file)
            except (EOFError, zlib.error) as error:
                return f"its compression is damaged: {str(error).rstrip('.')}"
            if not data:
                with remote.telling(path):
                    if isinstance(raw, remote.File):
                        raw.verify()
                return ""
            if looked <= done:
                disk, looked = shutil.disk_usage(place), done + _LOOK
                if disk.free - _LOOK < _LEFT * disk.total:
                    raise OSError(f"less than {_LEFT:.0%} of the disk would be left free")
            done += len(data)
            if done > most:
                return None
            out.write(data)


def _opened(path: str, stamp: Stamp) -> IO[bytes] | remote.File:
    if not remote.is_remote(path):
        return spans.opened(path)
    with remote.telling(path):
        return remote.File(path, str(stamp[0]) if stamp else "")


def _more(path: str, file: gzip.GzipFile) -> bytes:
    """The next bytes that a compressed file unpacks to, as many as there are: what is in front of damage is
    not lost. Raises EOFError and zlib.error where it is damaged.
    """
    with remote.telling(path):
        try:
            return file.read1(_CHUNK)
        except gzip.BadGzipFile as error:  # an OSError, too
            raise zlib.error(str(error)) from None
