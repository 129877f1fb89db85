"""File locks: what only one process may do at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

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


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
