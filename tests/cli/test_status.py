"""`synvid-eval status`: what it says of jobs, and that the lines it gives do what they say."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.conftest import Run

GENERATE = ("generate", "moving_circles", "a set/", "--clips", "3", "--size", "16", "--length", "4")
MEASURE = ("measure", "preset:static_circles?n=4&size=16&length=2", "--metrics", "color", "--out", "parts/")


def test_a_set_in_parts_is_finished_by_the_lines_of_status(run_cli: Run, tmp_path: Path) -> None:
    assert run_cli(*GENERATE, "--shard", "0/2").returncode == 0
    said = run_cli("status", "a set/").stdout
    assert "1 of 2 parts done (2 of 3 clips)" in said
    assert "not done: 1 of 2 jobs: 1" in said
    line = said.splitlines()[-1].strip()
    assert line == f"{shlex.join(['synvid-eval', *GENERATE])} --shard 1/2"
    assert run_cli(*shlex.split(line)[1:]).returncode == 0
    last = run_cli("status", "a set/").stdout.splitlines()[-1]
    assert last == "all are there: synvid-eval merge 'a set/'"
    run_cli(*shlex.split(last.partition(": ")[2])[1:])
    assert run_cli("status", "a set/").stdout.splitlines()[-1] == "all are there and joined"
    assert "command" not in json.loads((tmp_path / "a set" / "generation.json").read_text())


def test_a_shard_stands_in_front_of_two_dashes(run_cli: Run) -> None:
    """As in a script, for the sake of names that begin with a dash."""
    words = ("measure", "--metrics", "color", "--out", "a -- b", "--", "preset:static_circles?n=3&size=16")
    assert run_cli(*words[:-2], "--shard", "0/2", *words[-2:]).returncode == 0
    line = run_cli("status", "a -- b").stdout.splitlines()[-1].strip()
    assert line == shlex.join(["synvid-eval", *words[:-2], "--shard", "1/2", *words[-2:]])
    assert run_cli(*shlex.split(line)[1:]).returncode == 0
    assert run_cli("status", "a -- b").stdout.splitlines()[-1].startswith("all are there: ")


@pytest.mark.parametrize(
    ("words", "merge"),
    [(GENERATE, "./-set/"), (MEASURE, "./-set/ --out F.measured")],
)
def test_a_folder_that_begins_with_a_dash_is_no_option_of_merge(
    words: tuple[str, ...], merge: str, run_cli: Run
) -> None:
    for part in ("0/2", "1/2"):
        own = ["./-set/" if word in ("a set/", "parts/") else word for word in words]
        assert run_cli(*own, "--shard", part).returncode == 0
    last = run_cli("status", "--", "-set/").stdout.splitlines()[-1]
    assert last == f"all are there: synvid-eval merge {merge}"
    done = run_cli(*shlex.split(last.partition(": ")[2])[1:])
    assert done.returncode == 0, done.stderr


def test_a_set_made_at_once_has_nothing_to_join(run_cli: Run) -> None:
    run_cli(*GENERATE)
    assert run_cli("status", "a set/").stdout.splitlines()[-1] == "all are there"
    assert "nothing is to be joined" in run_cli("merge", "a set/").stderr


def test_a_job_whose_files_are_gone_is_no_running_one(run_cli: Run, tmp_path: Path) -> None:
    run_cli(*MEASURE, "--shard", "0/1")
    assert "all are there: " in run_cli("status", "parts/").stdout
    next((tmp_path / "parts" / "receipts").glob("*/*.safetensors")).unlink()
    said = run_cli("status", "parts/").stdout
    assert "and files of it are gone: 0/1" in said and "running" not in said
