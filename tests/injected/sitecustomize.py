"""Found by every Python that has this folder in PYTHONPATH: what tests do to the processes of a command.

SYNVID_EVAL_TEST_IMPORTS is a folder: each process writes there what it imports.

SYNVID_EVAL_TEST_PICKLE: unpickling anything but Numba's compiled code ends a process with 99.

SYNVID_EVAL_TEST_CLOCK: so many seconds are added to the time of day.

SYNVID_EVAL_TEST_FAULT: the k-th change below a folder fails. Changes are opening a file for writing, cutting,
renaming, linking and removing one, and making a folder, in whatever process of the command, counted in one
file. The variable holds, separated by newlines: the folder, the file that counts, which change fails (counted
from 0; −1: none) and with what (a name of `errno`).
"""

import errno
import os
import sys
import time

_CHANGES = {"os.rename", "os.link", "os.mkdir", "os.remove", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _changes(event: str, given: tuple[object, ...]) -> bool:
    if event == "open":
        mode, flags = given[1], given[2]
        return bool(isinstance(flags, int) and flags & _WRITES) or bool(mode and set(str(mode)) & set("wax+"))
    return event in _CHANGES


def _install(text: str) -> None:
    folder, counter, number, code = text.split("\n")
    prefix = os.path.join(folder, "")
    inside = False

    def hook(event: str, given: tuple[object, ...]) -> None:
        nonlocal inside
        if inside or (event not in _CHANGES and event != "open"):
            return
        path = given[1] if event in ("os.rename", "os.link") else given[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return
        inside = True
        try:
            name = os.path.abspath(os.fsdecode(path))
            if name == counter or not name.startswith(prefix) or not _changes(event, given):
                return
            handle = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                os.write(handle, f"{event} {name}\n".encode("utf-8", "backslashreplace"))
                seen = os.lseek(handle, 0, os.SEEK_CUR)
            finally:
                os.close(handle)
            with open(counter, "rb") as file:
                which = file.read(seen).count(b"\n") - 1
        finally:
            inside = False
        if which == int(number):
            raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)), name)

    sys.addaudithook(hook)


class _Recorder:
    """Writes the name of each package to a file of the process as soon as it is looked for."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if "." not in name:
            with open(os.path.join(self._folder, str(os.getpid())), "a") as file:
                file.write(f"{name}\n")


def _forbid_unpickling() -> None:
    import pickle  # noqa: TID251

    def guarded(real: object) -> object:
        def inner(*args: object, **more: object) -> object:
            frame, names = sys._getframe(1), []
            while frame and len(names) < 6:
                names.append(frame.f_code.co_filename)
                frame = frame.f_back
            if not any("numba" in name for name in names):
                sys.stderr.write(f"unpickled by {names[0]}\n")
                sys.stderr.flush()
                os._exit(99)
            return real(*args, **more)

        return inner

    pickle.load, pickle.loads = guarded(pickle.load), guarded(pickle.loads)
    pickle.Unpickler = guarded(pickle.Unpickler)


if "SYNVID_EVAL_TEST_PICKLE" in os.environ:
    _forbid_unpickling()
if "SYNVID_EVAL_TEST_IMPORTS" in os.environ:
    sys.meta_path.insert(0, _Recorder(os.environ["SYNVID_EVAL_TEST_IMPORTS"]))
if "SYNVID_EVAL_TEST_CLOCK" in os.environ:
    _shift, _now, _now_ns = int(os.environ["SYNVID_EVAL_TEST_CLOCK"]), time.time, time.time_ns
    time.time = lambda: _now() + _shift
    time.time_ns = lambda: _now_ns() + _shift * 10**9
if "SYNVID_EVAL_TEST_FAULT" in os.environ:
    _install(os.environ["SYNVID_EVAL_TEST_FAULT"])
