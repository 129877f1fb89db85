"""Completion: the scripts of three shells, and what they ask for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from synvid_eval.cli import COMMANDS
from tests.conftest import Run


def complete(run_cli: Run, words: str) -> list[str]:
    env = {
        "_SYNVID_EVAL_COMPLETE": "bash_complete",
        "COMP_WORDS": f"synvid-eval {words}",
        "COMP_CWORD": str(len(words.split(" "))),
    }
    done = run_cli(env=env)
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] or line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_what_the_shell_takes(run_cli: Run, tmp_path: Path, shell: str) -> None:
    done = run_cli("completion", shell)
    assert done.returncode == 0, done.stderr
    assert f"_SYNVID_EVAL_COMPLETE={shell}_complete" in done.stdout
    if path := shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout)
        checked = subprocess.run([path, "-n", tmp_path / "script"], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_commands_options_and_files_complete(run_cli: Run) -> None:
    assert set(complete(run_cli, "")) == set(COMMANDS)
    assert complete(run_cli, "com") == ["compare", "completion"]
    assert complete(run_cli, "compare --met") == ["--metrics"]
    assert complete(run_cli, "cache p") == ["prune"]
    assert complete(run_cli, "completion z") == ["zsh"]
    assert complete(run_cli, "compare syn") == ["syn"]  # "file": the shell itself completes the path
    assert complete(run_cli, "nothing x") == []


def test_an_unknown_shell_is_exit_2(run_cli: Run) -> None:
    assert run_cli("completion", "tcsh").returncode == 2
