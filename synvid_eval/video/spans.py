"""Parts of files: a member of a tar file as a file of its own, read where it lies and written nowhere.

A part has an *address*, one text that stands where a path stands: the path, the offset and the number of
bytes, with NUL between them, which no path holds. Parts of what lies in a store have none: they are known by
its stamp and where they lie in it, and read as `remote.File`s.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable
from typing import IO, TypeAlias

from synvid_eval.video import remote
from synvid_eval.video.decode import ClipRef, Unreadable

KIND = "tar"
"""The `kind` of a `ClipRef` that is a member of a tar file: `index` is the offset of its first byte, `length`
the number of its bytes.
"""

MOVED = "its tar file has changed since it was listed"

_CHUNK = 1 << 20
_MOST_IN_HEADER = 1 << 33  # bytes; of larger members another header tells the size


def address(ref: ClipRef) -> str:
    """The address of a clip of kind `KIND` on a disk, its path absolute."""
    return f"{os.path.abspath(ref.path)}\0{ref.index}\0{ref.length}"


def file_of(path: str) -> str:
    """The file that a path or an address is of."""
    return path.partition("\0")[0]


def is_part(place: str) -> bool:
    """Whether a text is an address and no path."""
    return "\0" in place


def part_of(address: str) -> tuple[int, int]:
    """(offset, bytes) of an address."""
    _, offset, size = address.split("\0")
    return int(offset), int(size)


def opened(path: str) -> IO[bytes]:
    """Opens a file that holds parts. Raises OSError, also for what is no regular file (and may never end)."""
    # without waiting: a FIFO would be waited for
    file = open(path, "rb", opener=lambda p, flags: os.open(p, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", path)
    return file


def _silent() -> None:
    return None


class Span(io.RawIOBase):
    """Bytes `offset` to `offset + size` (exclusive) of a file, read like a file of its own.

    Args:
        file: is closed with it. name: what the part is called; decoders look at its suffix.
    """

    def __init__(self, file: IO[bytes], offset: int, size: int, name: str = "") -> None:
        super().__init__()
        self._file, self._offset, self._size, self._at, self.name = file, offset, size, 0, name

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position within the part [bytes]."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a position within the part; behind its end nothing is read."""
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = at
        return at

    def readinto(self, buffer: object) -> int:
        """Fills a buffer as far as the part goes; how many bytes that were.

        Raises OSError where the file ends within the part.
        """
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = min(len(view), self._size - self._at)
        if wanted <= 0:
            return 0
        self._file.seek(self._offset + self._at)
        data = self._file.read(wanted)
        if not data:
            raise OSError(errno.EIO, "the tar file ends within it")
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            self._file.close()
        super().close()


Part: TypeAlias = Span | remote.File


def member(path: str, offset: int, size: int, name: str = "") -> Span:
    """A member of a tar file as a file, once the header in front of it is seen to be that of so many bytes.

    Raises OSError, and Unreadable (that may pass) where it is another one's.
    """
    file = opened(path)
    try:
        file.seek(offset - tarfile.BLOCKSIZE)
        _is_header(file.read(tarfile.BLOCKSIZE), size)
    except BaseException:
        file.close()
        raise
    return Span(file, offset, size, name)


def _is_header(data: bytes, size: int) -> None:
    """Raises Unreadable where bytes are no header of a member of that size."""
    try:
        header = tarfile.TarInfo.frombuf(data, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        raise Unreadable(MOVED, lasting=False) from None
    if not header.isreg() or (size < _MOST_IN_HEADER and header.size not in (size, 0)):
        raise Unreadable(MOVED, lasting=False)


def _remote_member(ref: ClipRef, beat: Callable[[], None]) -> remote.File:
    """A member of a tar file in a store. Its stamp says that it is the one that was listed; where the store
    tells none, the header in front of the member has to do.
    """
    if not ref.stamp:
        before = ref.index - tarfile.BLOCKSIZE, tarfile.BLOCKSIZE
        with remote.File(ref.path, "", beat, part=before) as file:
            _is_header(file.read(), ref.length)
    name = os.path.basename(ref.id)
    return remote.File(ref.path, ref.stamp, beat, part=(ref.index, ref.length), name=name)


def opened_clip(ref: ClipRef, beat: Callable[[], None] = _silent) -> Part:
    """The file that a clip of kind `KIND` is; Unreadable where it is not to be had. beat: called before each
    request to a store.
    """
    try:
        if remote.is_remote(ref.path):
            return _remote_member(ref, beat)
        return member(ref.path, ref.index, ref.length, os.path.basename(ref.id))
    except OSError as error:
        raise Unreadable.because(error) from None


def content(ref: ClipRef) -> str:
    """What stands for the hash of the bytes of a clip of kind `KIND` in a store: the stamp of its tar file
    and where it lies in it; "" where the store tells no stamp.
    """
    return remote.content(f"{ref.stamp} {ref.index} {ref.length}") if ref.stamp else ""


def clip_hash(ref: ClipRef) -> str:
    """blake2b-128 of the bytes of a clip of kind `KIND`, hex: that of the same bytes in a file; "" where they
    cannot be read.
    """
    try:
        return _hash_of(opened_clip(ref))
    except (OSError, Unreadable):
        return ""


def member_hash(path: str, offset: int, size: int) -> str:
    """As `clip_hash`, of a member of a tar file on a disk."""
    try:
        return _hash_of(member(path, offset, size))
    except (OSError, Unreadable):
        return ""


def _hash_of(part: Part) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with part:
        while data := part.read(_CHUNK):
            digest.update(data)
        if isinstance(part, remote.File):
            part.verify()
    return digest.hexdigest()
