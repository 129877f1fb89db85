"""The folder that is written into goes away while a command runs: one line, exit code 3, no harm to what is
read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clips import write_set
from tests.conftest import REPOSITORY

DRAW = ("generate", "moving_circles", "out", "--size", "64", "--length", "16", "--workers", "1", "-q")
COMMANDS = {
    "generate": (*DRAW, "--clips", "5000"),
    "generate, part": (*DRAW, "--clips", "5000", "--shard", "0/2"),
    "generate, png": (*DRAW, "--clips", "5000", "--format", "png"),
    "generate, tar": (*DRAW, "--clips", "5000", "--format", "webdataset"),
    "corrupt": ("corrupt", "set", "out", "--corruption", "rotate", "--severity", "3", "--workers", "1", "-q"),
    "measure, part": ("measure", "set", "--shard", "0/1", "--out", "out", "--workers", "1", "-q"),
    "measure": ("measure", "set", "--out", "out/set.measured", "--workers", "1", "-q"),
}
SLOW = {name for name in COMMANDS if name not in ("generate", "measure")}


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def gone_meanwhile(folder: Path, words: tuple[str, ...], unmounted: bool) -> subprocess.CompletedProcess[str]:
    """Runs a command, and takes its `out` away as soon as it has begun: all of it, or what is in it."""
    out = folder / "out"
    if "out/set.measured" in words:
        out.mkdir()
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SYNVID_EVAL_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "synvid_eval", *words]
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wanted = folder / "cache" if "out/set.measured" in words else out
        until = time.monotonic() + 120
        while sum(p.is_file() for p in wanted.rglob("*")) < 4:
            assert process.poll() is None and time.monotonic() < until, process.communicate()
            time.sleep(0.01)
        while out.exists() and (not unmounted or any(out.iterdir())):
            for entry in out.iterdir():  # it may be written to meanwhile
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
            if not unmounted:
                shutil.rmtree(out, ignore_errors=True)
        stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


# an empty folder is one that `measure` can write its file into
EMPTY = [name for name in COMMANDS if name != "measure"]
CASES = [*((name, False) for name in COMMANDS), *((name, True) for name in EMPTY)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unmounted"),
    [pytest.param(*case, marks=pytest.mark.slow if case[1] or case[0] in SLOW else ()) for case in CASES],
)
def test_a_folder_that_goes_away_is_told_in_one_line(name: str, unmounted: bool, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 300, frames=20)
    before = contents(root)
    done = gone_meanwhile(tmp_path, COMMANDS[name], unmounted)
    assert done.returncode == 3, done
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    assert "Was its folder removed, or is its storage gone?" in done.stderr and "out" in done.stderr
    assert contents(root) == before


def test_the_same_command_goes_on_where_the_folder_is_back(tmp_path: Path) -> None:
    """What stood in the folder comes back, as storage does."""
    words = (*DRAW, "--clips", "40")
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SYNVID_EVAL_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "synvid_eval", *words]
    whole = tmp_path / "whole"
    whole.mkdir()
    subprocess.run(command, cwd=whole, env=env, check=True, capture_output=True)
    out = tmp_path / "out"
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while sum(p.is_file() for p in out.rglob("*.mp4")) < 4:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.005)
        out.rename(tmp_path / "away")
        _, said = process.communicate(timeout=120)
    assert process.returncode == 3 and said.count("\n") == 1, said
    assert not out.exists()
    (tmp_path / "away").rename(out)
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert (out / "manifest.jsonl").read_bytes() == (whole / "out" / "manifest.jsonl").read_bytes()
