"""File locks: what only one process may do at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from synvid_eval.errors import UsageError


@contextlib.contextmanager
def held(path: Path, what: str = "this folder", cure: str = "", wait: bool = False) -> Iterator[bool]:
    """Holds a lock file, and says whether there are locks here. Where another process holds it: waits for
    that, or raises UsageError. The file is removed at the end.

    Args:
        what: that another process is writing, for the error, as is `cure`.
    """
    try:
        import fcntl
    except ImportError:  # no such locks here
        yield False
        return
    while True:
        with open(path, "ab") as file:
            locked = True
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise UsageError(f"Another process is writing {what}.", f"Wait for it{cure}.") from None
            except OSError:  # a file system without locks
                locked = False
            if locked and not _same(file.fileno(), path):  # its owner has removed it meanwhile
                if wait:
                    continue
                raise UsageError(f"Another process has just written {what}.", "Run again.")
            try:
                yield locked
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()
            return


_shared: dict[Path, IO[bytes]] = {}


def share(path: Path) -> None:
    """Marks what a lock file stands for as used by this process, until it ends. Any number of them may.

    Raises OSError where the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # no such locks here
        return
    if path not in _shared:
        _shared[path] = open(path, "ab")  # noqa: SIM115 (for as long as the process lives)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(_shared[path], fcntl.LOCK_SH)


@contextlib.contextmanager
def unshared(path: Path | None) -> Iterator[bool]:
    """Says whether no process has marked a lock file as `share` does, and lets none do so meanwhile."""
    try:
        import fcntl
    except ImportError:
        yield True
        return
    try:
        file = None if path is None else open(path, "r+b")  # noqa: SIM115 (closed below)
    except OSError:
        file = None
    if file is None:
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        yield True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
