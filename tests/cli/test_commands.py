"""Commands as a user runs them: help, tables, files, the same scores by every way."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path

import pytest

from synvid_eval.cli import COMMANDS
from synvid_eval.cli.demo_command import RUNGS
from tests.conftest import Run

A, B = "a=preset:moving_circles?n=6&size=48&objects=40", "b=preset:static_circles?n=6&size=48&objects=40"
REF = "ref=preset:moving_shapes?n=6&size=48&objects=40&seed=3"


def test_every_command_has_help_with_an_example(run_cli: Run) -> None:
    assert "Examples:" in run_cli("--help").stdout
    for name in COMMANDS:
        done = run_cli(name, "--help")
        assert done.returncode == 0
        assert f"synvid-eval {name}" in done.stdout.split("Example", 1)[1]


def test_no_arguments_give_help_and_exit_2(run_cli: Run) -> None:
    done = run_cli()
    assert done.returncode == 2
    assert "Commands:" in done.stderr


@pytest.mark.slow
def test_compare_writes_table_json_csv_and_page(run_cli: Run, tmp_path: Path) -> None:
    paths = {k: tmp_path / f"out.{k}" for k in ("json", "csv", "html")}
    done = run_cli("compare", A, B, REF, *(x for k, p in paths.items() for x in (f"--{k}", p)))
    assert done.returncode == 0, done.stderr
    data = json.loads(paths["json"].read_text())
    assert data["schema"] == "synvid-eval/comparison/1"
    assert list(data) == ["schema", "reference", "candidates", "scores", "run", "media"]
    assert [c["name"] for c in data["candidates"]] == ["a", "b"]
    assert data["reference"]["name"] == "ref"
    metrics = ["color", "spectrum", "motion", "tubelet", "effective_rank"]
    lacking = ["fid", "kid", "fvd", "kvd", "diversity"]
    every = [*metrics, *lacking]
    assert [(s["candidate"], s["metric"]) for s in data["scores"]] == [(c, m) for c in "ab" for m in every]
    keys = "candidate metric value corrected interval level unit better n reason interval_reason signature"
    assert all(list(s) == [*keys.split(), "detail"] for s in data["scores"])
    for score in data["scores"]:
        if score["metric"] not in lacking:
            assert isinstance(score["value"], float) and score["reason"] is None
        else:
            assert score["value"] is None
            assert score["reason"] == "needs weights: synvid-eval weights fetch"
    assert set(data["run"]["signatures"]) == set(metrics)
    for name in (*every, "95 % interval", "Verdict: Nearest to ref"):
        assert name in done.stdout
    assert done.stdout.count("needs weights") == len(lacking)  # a row a metric, not one a set
    assert "fid, kid, fvd, kvd, diversity: need weights: synvid-eval weights fetch\n" in done.stdout
    assert done.stdout.count("weights fetch") == 1
    assert "synvid-eval weights fetch" in paths["html"].read_text()
    assert "a: preset: 6 clips drawn by preset moving_circles" in done.stderr
    rows = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    values = [float(r["value"]) if r["value"] else None for r in rows]
    assert values == [s["value"] for s in data["scores"]]
    again = tmp_path / "again.html"
    assert run_cli("report", paths["json"], "--html", again, "-q").returncode == 0
    assert again.read_bytes() == paths["html"].read_bytes()


def test_json_to_stdout_is_one_document_and_quiet_is_silent(run_cli: Run) -> None:
    done = run_cli("compare", A, REF, "--metrics", "color,motion", "--json", "-", "-q")
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(json.loads(done.stdout)["scores"]) == 2


@pytest.mark.parametrize("metric", ["motion", "tubelet"])
def test_set_changes_the_number_and_the_signature(run_cli: Run, metric: str) -> None:
    def score(*extra: str) -> dict[str, object]:
        done = run_cli("compare", A, REF, "--metrics", metric, "--json", "-", "-q", *extra)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["scores"][0]  # type: ignore[no-any-return]

    plain, fixed = score(), score("--set", f"{metric}.stride=1")
    assert plain["detail"]["stride"] == 4  # type: ignore[index]
    assert fixed["detail"]["stride"] == 1  # type: ignore[index]
    assert plain["value"] != fixed["value"]
    assert plain["signature"] != fixed["signature"]


@pytest.mark.slow
def test_measured_file_stands_for_its_set(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "ref.measured"
    done = run_cli("measure", REF, "--out", out, "-q")
    assert done.returncode == 0, done.stderr
    assert "6 clips" in done.stdout
    direct = json.loads(run_cli("compare", A, REF, "--json", "-", "-q").stdout)
    by_file = json.loads(run_cli("compare", A, out, "--json", "-", "-q", "--cache", "none").stdout)
    assert by_file["scores"] == direct["scores"]
    assert by_file["reference"]["name"] == "ref"
    other = run_cli("compare", A, out, "--frames", "4", "-q")
    assert other.returncode == 3
    assert "frames" in other.stderr


def test_list_and_cache_info(run_cli: Run) -> None:
    for what, word in (
        ("metrics", "tubelet"),
        ("features", "hog"),
        ("layouts", "frames"),
        ("protocols", "paper"),
        ("presets", "moving_shapes"),
        ("methods", "moco"),
        ("recipes", "moco:paper-fractal"),
        ("backbones", "tsm-resnet18"),
    ):
        assert word in run_cli("list", what).stdout
        rows = json.loads(run_cli("list", what, "--json", "-").stdout)[what]
        assert word in [r["name"] for r in rows]
        assert all(r["about"] for r in rows)
    facts = json.loads(run_cli("cache", "info", "--json", "-").stdout)
    assert set(facts) == {"root", "entries", "indices", "pools", "tars", "bytes"}


@pytest.mark.slow
def test_demo_ends_with_verdict_page_and_the_next_command(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("demo")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "synvid-eval-demo"
    assert {p.name for p in out.iterdir()} == {"report.html", "comparison.json", "comparison.csv"}
    data = json.loads((out / "comparison.json").read_text())
    assert [c["name"] for c in data["candidates"]] == list(RUNGS)
    motion = {s["candidate"]: s for s in data["scores"] if s["metric"] == "motion"}
    assert motion["static_circles"]["value"] == 0
    # the prototype that the recipe comes from found .27 and .35 on sets of its own
    assert motion["moving_circles"]["value"] == pytest.approx(0.27, abs=0.03)
    assert motion["moving_shapes"]["value"] == pytest.approx(0.35, abs=0.03)
    values = [motion[name]["value"] for name in RUNGS]
    assert len(RUNGS) == 5 and values == sorted(values)  # each rung of the progression moves more
    verdict, _, after = done.stdout.partition("\nVerdict: ")[2].partition("\n\n")
    assert after.startswith("page: synvid-eval-demo/report.html (")
    assert "holds no real clips" in done.stdout
    # eight photographs are too few sources for any interval against them: nothing may be called nearest
    assert verdict.splitlines()[0] == (
        "Nearest to stand_in_for_real_video: none for sure (no interval: stand_in_for_real_video has "
        "clips from 8 sources, and an interval needs 10). "
        "By value alone: moving_shapes in color; acc_transforming_shapes in spectrum, motion, tubelet."
    )
    assert "is nearest" not in done.stdout
    for number, name in enumerate((*RUNGS, "stand_in_for_real_video"), 1):
        assert f"\n{number}/{len(RUNGS) + 1} {name}: " in done.stderr
    assert "preset: 64 clips" not in done.stderr and "photo_camera: A stand-in" not in done.stderr
    own, ready = (line.strip() for line in reversed(after.splitlines()) if line.startswith("  synvid-eval"))
    assert own == "synvid-eval compare your-synthetic-videos/ your-real-videos/ --html report.html"
    program, *words = shlex.split(ready)
    assert program == "synvid-eval"
    typed = run_cli(*words)
    assert typed.returncode == 0, typed.stderr
    assert (out / "faster.html").exists()
    quiet = run_cli("demo", "-q")
    assert quiet.stderr == ""
    assert quiet.stdout.rstrip().endswith(f"Verdict: {verdict}")
    assert "What each step changed" in done.stdout and "What each step" not in quiet.stdout
    assert data["reference"]["name"] == "stand_in_for_real_video"
    assert "stand-in for real video, no real clips" in (out / "report.html").read_text()
    colors = [s for s in data["scores"] if s["metric"] == "color"]
    assert all("8 sources" in s["interval_reason"] and s["interval"] is None for s in colors)
