"""Parts of files: a member of a tar file as a file of its own, read where it lies and written nowhere.

A part has an *address*, one text that stands where a path stands: the path, the offset and the number of
bytes, with NUL between them, which no path holds.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tarfile
from typing import IO

from synvid_eval.video.decode import ClipRef, Unreadable

KIND = "tar"
"""The `kind` of a `ClipRef` that is a member of a tar file: `index` is the offset of its first byte, `length`
the number of its bytes.
"""

MOVED = "its tar file has changed since it was listed"

_CHUNK = 1 << 20
_MOST_IN_HEADER = 1 << 33  # bytes; of larger members another header tells the size


def address(ref: ClipRef) -> str:
    """The address of a clip of kind `KIND`, its path absolute."""
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


def member(path: str, offset: int, size: int, name: str = "") -> Span:
    """A member of a tar file as a file, once the header in front of it is seen to be that of so many bytes.

    Raises OSError, and Unreadable (that may pass) where it is another one's.
    """
    file = opened(path)
    try:
        file.seek(offset - tarfile.BLOCKSIZE)
        header = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        if not header.isreg() or (size < _MOST_IN_HEADER and header.size not in (size, 0)):
            raise Unreadable(MOVED, lasting=False)
    except (tarfile.HeaderError, ValueError):
        file.close()
        raise Unreadable(MOVED, lasting=False) from None
    except BaseException:
        file.close()
        raise
    return Span(file, offset, size, name)


def opened_clip(ref: ClipRef) -> Span:
    """The file that a clip of kind `KIND` is; Unreadable where it is not to be had."""
    try:
        return member(ref.path, ref.index, ref.length, os.path.basename(ref.id))
    except OSError as error:
        raise Unreadable.because(error) from None


def member_hash(path: str, offset: int, size: int) -> str:
    """blake2b-128 of a member's bytes, hex: that of the same bytes in a file; "" where it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with member(path, offset, size) as part:
            while data := part.read(_CHUNK):
                digest.update(data)
    except (OSError, Unreadable):
        return ""
    return digest.hexdigest()
