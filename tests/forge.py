"""Commands as processes that need not import what the last one imported: a process that forks.

Most of a small command's time goes to importing. `Forge` starts one process, which imports what commands use
and never runs one; each command is a fork of it, with its own environment, folder, files and exit. Where
forking is not to be had, or the environment says something to Python itself, a command starts from nothing.

What a fork has imported it does not have to import: that every command imports what it needs is for the tests
that start it from nothing, `tests/test_imports.py` and `tests/faults/test_lives.py`.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = (
    *(
        "numpy",
        "scipy.special",
        "scipy.linalg",
        "scipy.fft",
        "scipy.stats",
        "numba",
        "av",
        "cv2",
        "PIL.Image",
    ),
    *(
        "rich.table",
        "rich.progress",
        "jinja2",
        "s3fs",
        "synvid_eval.cli.compare_command",
        "synvid_eval.comparison",
    ),
    *(
        "synvid_eval.cli.generate_command",
        "synvid_eval.cli.measure_command",
        "synvid_eval.cli.inspect_command",
    ),
    *(
        "synvid_eval.cli.report_command",
        "synvid_eval.generation",
        "synvid_eval.inspection",
        "synvid_eval.media",
    ),
    *("synvid_eval.rehearsal", "synvid_eval.estimate", "synvid_eval.generators.shapes", "synvid_eval.worker"),
)
SPEAKS_TO_PYTHON = ("PYTHON", "NUMBA", "OMP_", "LC_", "LANG", "TZ")


def one_worker() -> None:
    """In this process and its forks, "as many workers as processors" means one from now on: for the few small
    clips of a test, starting a worker is most of the work, and the tests have the processors already. Call it
    before anything of the package is imported but this.
    """
    from synvid_eval import execute

    execute.usable_processors = lambda: 1


class Forge:
    """Runs commands; `close` ends its process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self, args: Sequence[str], env: Mapping[str, str], cwd: Path, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """`python -m synvid_eval ARGS…`; raises subprocess.TimeoutExpired."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forge"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        assert self._process.stdin and self._process.stdout
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, name) for name in ("out", "err")]
            asked = {
                "args": list(args),
                "env": dict(env),
                "cwd": str(cwd),
                "files": files,
                "timeout": timeout,
            }
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            out, err = (Path(f).read_bytes().decode("utf-8", "surrogateescape") for f in files)
        command = [sys.executable, "-m", "synvid_eval", *args]
        if answer is None:
            raise subprocess.TimeoutExpired(command, timeout, out, err)
        return subprocess.CompletedProcess(command, answer, out, err)

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait(10)


def can_run(env: Mapping[str, str]) -> bool:
    """Whether these changes of the environment mean nothing to what a fork has imported already."""
    return hasattr(os, "fork") and not any(name.startswith(SPEAKS_TO_PYTHON) for name in env)


def _serve() -> None:
    one_worker()
    for module in MODULES:
        __import__(module)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(**asked)
        code = _awaited(child, asked["timeout"])
        sys.stdout.write(json.dumps(code) + "\n")
        sys.stdout.flush()


def _awaited(child: int, timeout: float) -> int | None:
    """The exit code (−N after signal N), None where it took too long."""
    until = time.monotonic() + timeout
    pause = 0.001
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(0.02, pause * 1.5)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _become(args: list[str], env: dict[str, str], cwd: str, files: list[str], timeout: float) -> None:
    """The command itself, which ends the process."""
    code = 1
    try:
        for number, path in enumerate(["/dev/null", *files]):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
            handle = os.open(path, flags, 0o600)
            os.dup2(handle, number)
            os.close(handle)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["synvid_eval", *args]
        runpy.run_module("synvid_eval", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
