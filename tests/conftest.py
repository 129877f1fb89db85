"""Fixtures that several test modules share."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest

from tests.forge import REPOSITORY, Forge, can_run, one_worker

Run = Callable[..., subprocess.CompletedProcess[str]]

# each process of pytest has a processor; so do the commands that they start
for _library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
one_worker()


@pytest.fixture
def cli_env(tmp_path: Path) -> dict[str, str]:
    """The environment of real processes: a cache of the test's own, no weights, this checkout importable, no
    color.
    """
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {
        "SYNVID_EVAL_CACHE": str(tmp_path / "cache"),
        "SYNVID_EVAL_WEIGHTS": str(tmp_path / "no-weights"),
        "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    return {**os.environ, **own}


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """What starts the commands of all tests of this process."""
    made = Forge()
    yield made
    made.close()


@pytest.fixture
def run_cli(cli_env: dict[str, str], tmp_path: Path, forge: Forge) -> Run:
    """Runs `python -m synvid_eval ARGS…` as a real process in `tmp_path`; `env` adds to its environment."""

    def run(
        *args: str | os.PathLike[str], env: Mapping[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        words, whole = [os.fspath(a) for a in args], {**cli_env, **(env or {})}
        if can_run(env or {}):
            return forge.run(words, whole, tmp_path, timeout)
        return subprocess.run(
            [sys.executable, "-m", "synvid_eval", *words],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            cwd=tmp_path,
            env=whole,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real clips that SYNVID_EVAL_TEST_DATA names."""
    folder = os.environ.get("SYNVID_EVAL_TEST_DATA")
    if not folder:
        pytest.skip("SYNVID_EVAL_TEST_DATA is not set: it names a folder of real clips")
    return Path(folder)


@pytest.fixture(scope="session")
def array_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of clips in `.npz` files, called set; read by tests and not changed."""
    from tests.derived_sets import arrays

    return arrays(tmp_path_factory.mktemp("arrays") / "set")


@pytest.fixture(scope="session")
def video_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of videos in two classes, called videos; read by tests and not changed."""
    from tests.derived_sets import videos

    return videos(tmp_path_factory.mktemp("videos") / "videos")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test touches the user's cache, and none sees what weights the machine has."""
    monkeypatch.setenv("SYNVID_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNVID_EVAL_WEIGHTS", str(tmp_path / "no-weights"))
    # set and removed: what a test's commands say of it goes with the test
    for folder in ("SYNVID_EVAL_POOLS", "SYNVID_EVAL_TARS"):
        monkeypatch.setenv(folder, "")
        monkeypatch.delenv(folder)
    yield


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """`generate`, `measure` and `compare` with an engine, whatever else has one."""
    for name in ("generate", "measure", "compare"):
        command: click.Command = importlib.import_module(f"synvid_eval.cli.{name}_command").command
        names = {"engine": "local", "ray_address": None}
        missing = [n for n in names if n not in {p.name for p in command.params}]
        more = [click.Option([f"--{n.replace('_', '-')}"], default=names[n]) for n in missing]
        monkeypatch.setattr(command, "params", [*command.params, *more])
