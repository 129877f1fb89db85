"""`--dry-run` and `--protocol`: what would be done is said, and nothing is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synvid_eval.protocols import PROTOCOLS
from synvid_eval.schemas import get
from tests.clips import write_set
from tests.conftest import Run

A, B = "a=preset:static_circles?n=4&size=32", "b=preset:moving_circles?n=3&size=32"
COLOR = ("--metrics", "color", "-q")


def everything(root: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in root.rglob("*")}


def planned(run_cli: Run, *args: str | os.PathLike[str]) -> dict[str, Any]:
    done = run_cli("compare", *args, "--dry-run", "--json", "-", *COLOR)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, get("dry-run"))
    return document


def test_compare_says_what_it_would_do_and_does_nothing(run_cli: Run, tmp_path: Path) -> None:
    videos = write_set(tmp_path / "set", 3)
    then = time.time() - 100
    for path in videos.iterdir():
        os.utime(path, (then, then))
    before = everything(tmp_path)
    done = run_cli("compare", A, videos, "--dry-run", "--html", tmp_path / "x.html", *COLOR)
    assert done.returncode == 0, done.stderr
    for word in ("a: preset: 4 clips", "set: flat: 3 videos", "3 clips to read and measure (",
                 "in the cache", "computes: color (features lab)", "time:     about",
                 "disk:     about", "x.html"):  # fmt: skip
        assert word in done.stdout, word
    assert everything(tmp_path) == before


@pytest.mark.slow
def test_what_the_cache_holds_is_not_measured_again(run_cli: Run, tmp_path: Path) -> None:
    videos = write_set(tmp_path / "set", 3)
    then = time.time() - 100
    for path in videos.iterdir():
        os.utime(path, (then, then))
    cold = planned(run_cli, A, videos)
    assert [s["to_measure"] for s in cold["sets"]] == [4, 3]
    assert cold["seconds"] > 0 and cold["cache_bytes"] > 0
    assert run_cli("compare", A, videos, *COLOR).returncode == 0
    warm = planned(run_cli, A, videos)
    assert [s["to_measure"] for s in warm["sets"]] == [0, 0]
    assert [s["cached_shards"] for s in warm["sets"]] == [s["shards"] for s in warm["sets"]]
    assert warm["cache_bytes"] == 0
    one = next(videos.iterdir())
    one.write_bytes(one.read_bytes() + b"\0")
    assert planned(run_cli, A, videos)["sets"][1]["unread"] == 1
    other = planned(run_cli, A, videos, "--seed", "1")
    assert [s["cached_clips"] for s in other["sets"]] == [0, 0]


@pytest.mark.slow
def test_measure_demo_and_report_too(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("measure", A, "--out", tmp_path / "a.measured", "--dry-run", *COLOR)
    assert done.returncode == 0, done.stderr
    assert "writes:   " in done.stdout
    done = run_cli("demo", "--dry-run", "-q")
    assert done.returncode == 0, done.stderr
    assert "photo_camera" in done.stdout and "report.html" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == []
    scores = tmp_path / "s.json"
    assert run_cli("compare", A, B, "--json", scores, *COLOR).returncode == 0
    done = run_cli("report", scores, "--html", tmp_path / "r.html", "--dry-run")
    assert done.returncode == 0
    assert "1 scores of 1 sets" in done.stdout
    assert not (tmp_path / "r.html").exists()


@pytest.mark.slow
def test_inspect_too(run_cli: Run, tmp_path: Path) -> None:
    videos = write_set(tmp_path / "set", 3)
    before = everything(tmp_path)
    done = run_cli("inspect", videos, "--dry-run", "--json", tmp_path / "x.json", "-q")
    assert done.returncode == 0, done.stderr
    for word in ("3 clips whose headers", "tries:    a few clips", "time:     about", "x.json"):
        assert word in done.stdout, word
    assert everything(tmp_path) == before
    plan = json.loads(run_cli("inspect", videos, "--dry-run", "--no-cost", "--json", "-", "-q").stdout)
    jsonschema.validate(plan, get("dry-run"))
    assert plan["features"] == [] and plan["metrics"] == [] and plan["cache"] is None
    assert plan["sets"][0]["read_bytes"] == sum(p.stat().st_size for p in videos.iterdir())
    assert run_cli("inspect", tmp_path / "gone", "--dry-run").returncode == 3


def test_a_dry_run_says_the_notes_of_the_run(run_cli: Run) -> None:
    done = run_cli("compare", A, B, "--clips", "9", "--dry-run", "--metrics", "color")
    assert "4 found" in done.stderr and "3 found" in done.stderr


def test_a_dry_run_finds_the_same_mistakes(run_cli: Run, tmp_path: Path) -> None:
    assert run_cli("compare", A, tmp_path / "gone", "--dry-run").returncode == 3
    assert run_cli("compare", A, B, "--dry-run", "--metrics", "colour").returncode == 2


@pytest.mark.slow
def test_a_measured_file_needs_nothing(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "b.measured"
    assert run_cli("measure", B, "--out", out, *COLOR).returncode == 0
    plan = planned(run_cli, A, out)
    assert plan["sets"][1]["to_measure"] == 0
    assert plan["sets"][1]["layout"] == "measured"


@pytest.mark.slow
def test_protocol_paper_draws_1000_clips_and_is_recorded(run_cli: Run) -> None:
    big = "preset:static_circles?n=1005&size=32"
    plan = planned(run_cli, f"a={big}", f"b={big}&seed=1", "--protocol", "paper")
    assert [s["clips"] for s in plan["sets"]] == [1000, 1000]
    assert plan["protocol"] == "paper"
    args = ("compare", A, B, "--metrics", "color,effective_rank", "--json", "-")
    done = run_cli(*args, "--protocol", "paper")
    assert done.returncode == 0, done.stderr
    assert "4 found: all of them are used" in done.stderr
    paper, default = json.loads(done.stdout), json.loads(run_cli(*args).stdout)
    assert (paper["run"]["protocol"], default["run"]["protocol"]) == ("paper", "default")
    assert paper["scores"][0] == default["scores"][0]  # color looks at all 16 frames anyway
    assert "frames:16" in paper["scores"][1]["signature"]
    assert "feature.frames=16" in paper["run"]["signatures"]["effective_rank"]
    assert "feature.frames=4" in default["run"]["signatures"]["effective_rank"]


@pytest.mark.parametrize(
    "args",
    [
        ("--clips", "500"),
        ("--frames", "8"),
        ("--set", "sampler.frames=8"),
        ("--set", "effective_rank.frames=4"),
        ("--set", "hog.frames=4"),
    ],
)
def test_what_contradicts_the_protocol_is_exit_2(run_cli: Run, args: tuple[str, str]) -> None:
    done = run_cli("compare", A, B, "--protocol", "paper", *args)
    assert done.returncode == 2
    assert "contradicts --protocol paper" in done.stderr


@pytest.mark.slow
def test_what_agrees_with_the_protocol_is_allowed(run_cli: Run) -> None:
    agreeing = ("--clips", "1000", "--frames", "16", "--set", "hog.frames=16")
    done = run_cli("compare", A, B, "--protocol", "paper", *agreeing, "-q", "--dry-run")
    assert done.returncode == 0, done.stderr


def test_an_unknown_protocol_is_exit_2_with_the_nearest(run_cli: Run) -> None:
    done = run_cli("compare", A, B, "--protocol", "papr")
    assert done.returncode == 2
    assert "Did you mean 'paper'?" in done.stderr
    assert set(PROTOCOLS) == {"default", "paper"}


@pytest.mark.slow
def test_a_measured_file_must_have_followed_the_protocol(run_cli: Run, tmp_path: Path) -> None:
    plain, paper = tmp_path / "plain.measured", tmp_path / "paper.measured"
    assert run_cli("measure", B, "--out", plain, *COLOR).returncode == 0
    assert run_cli("measure", B, "--out", paper, "--protocol", "paper", *COLOR).returncode == 0
    done = run_cli("compare", A, plain, "--protocol", "paper", *COLOR)
    assert done.returncode == 3
    assert "without --protocol paper" in done.stderr
    assert run_cli("compare", A, paper, "--protocol", "paper", *COLOR).returncode == 0
