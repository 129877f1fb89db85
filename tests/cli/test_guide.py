"""`guide`: what its sub-commands print and write, the commands that they give, and what they refuse."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synvid_eval.schemas import get
from tests.cli.test_completion import complete
from tests.conftest import REPOSITORY, Run

QUERY = "size=32&length=16&objects=20"
PRESET = f"moving_circles?{QUERY}"
REFERENCE = f"preset:acc_transforming_shapes?n=20&{QUERY}"
SMALL = ("guide", "sensitivity", PRESET, REFERENCE, "--metrics", "motion,color", "--clips", "16")
SPEED = (*SMALL, "--knobs", "speed,background", "--workers", "1")
MAIN = REPOSITORY / "reports" / "progression" / "main-correlation.json"


def test_a_sensitivity_as_a_table_a_document_and_a_page(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli(*SPEED, "--json", "s.json", "--html", "s.html")
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "s.json").read_text())
    jsonschema.validate(document, get("sensitivity"))
    assert [d["name"] for d in document["dimensions"]] == ["speed:middle", "speed:spread", "background"]
    assert document["run"]["command"].startswith("synvid-eval guide sensitivity 'moving_circles?size=32")
    assert "written: s.json" in done.stderr and "page: s.html" in done.stderr
    lines = done.stdout.splitlines()
    (speed,) = (line for line in lines if line.strip().startswith("speed:middle"))
    assert "0.9 … 3.3" in speed and "2.1" in speed
    for metric, cell in zip(("motion", "color"), speed.split()[-2:], strict=True):
        slope = next(s for s in document["dimensions"][0]["slopes"] if s["metric"] == metric)
        assert cell.endswith("*") is slope["objective"]["step"]["sure"]
    assert "→ color" in done.stdout and "not separable from 0" in done.stdout
    assert "told apart from 0; if nothing moved anything, some" in done.stdout
    again = run_cli("report", "s.json", "--html", "again.html")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "s.html").read_bytes()
    told = run_cli(*SPEED, "--json", "-", "-q")
    assert told.stderr == ""
    other = json.loads(told.stdout)
    assert [other[k] for k in ("metrics", "dimensions", "notes")] == [
        document[k] for k in ("metrics", "dimensions", "notes")
    ]


STILL = "adapt=&palette=uniform&shapes=circle&radius=0.1:1&radius_power=3&background=black"
FEW = f"moving_circles?{QUERY}&{STILL}&acceleration=0&rotation=0&scale=0&shear=0"
"""A preset of which nothing but the speed is left to be set."""
ADVISE = ("guide", "advise", "c.json", "--set-name", "moving_circles", "--clips", "16")


def compared(run_cli: Run) -> None:
    """Writes c.json: that preset and one that stands still against one that is slower."""
    sets = [f"preset:{FEW}&n=20", f"still=preset:static_circles?{QUERY}&n=20"]
    slow = f"ref=preset:{FEW}&speed=0.5:1.2&n=20&seed=9"
    done = run_cli(
        "compare", *sets, slow, "--metrics", "motion,color", "--frames", "8", "--json", "c.json", "-q"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_rehearsal_of_sensitivities(run_cli: Run, tmp_path: Path) -> None:
    words = [*SMALL, "--knobs", "speed", "--dry-run"]
    done = run_cli(*words, "--html", "s.html")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].split()[:4] == ["speed:middle", "2.1", "0.9", "|"]
    assert lines[-1].startswith("4 settings beside the preset as it is, 16 clips each: about ")
    assert not (tmp_path / "s.html").exists()
    plan = json.loads(run_cli(*words, "--json", "-").stdout)
    assert plan["settings"] == 4 and [d["name"] for d in plan["dimensions"]] == [
        "speed:middle",
        "speed:spread",
    ]


def test_advice_as_text_a_document_and_a_page(run_cli: Run, tmp_path: Path) -> None:
    compared(run_cli)
    files = ("--json", "a.json", "--html", "a.html")
    done = run_cli(*ADVISE, *files, "--correlation", MAIN)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "a.json").read_text())
    jsonschema.validate(document, get("advice"))
    (one,) = document["sets"]
    assert one["name"] == "moving_circles" and {g["metric"] for g in one["gaps"]} == {"motion", "color"}
    assert {d["knob"] for d in one["sensitivity"]["dimensions"]} == {"speed"}
    # what it measures is measured as in the comparison
    assert one["sensitivity"]["run"]["sampler"]["frames"] == 8
    assert not any("by another recipe" in note for note in document["notes"])
    assert "Evidence: 29 sets with UCF101 finetune accuracies in 7 families" in done.stdout
    assert "rho −.75" in done.stdout and "among the 26 sets of 84 to 100 %" in done.stdout
    first = one["suggestions"][0]
    assert (first["for"], first["dimension"], first["to"]) == ("motion", "speed:middle", 0.9)
    printed = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("synvid-eval ")]
    assert printed == [s["command"] for s in one["suggestions"] if s["advised"]][:5] and printed
    again = run_cli("report", "a.json", "--html", "again.html")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "a.html").read_bytes()


@pytest.mark.slow
def test_the_commands_of_advice_work(run_cli: Run, tmp_path: Path) -> None:
    compared(run_cli)
    plain = run_cli(*ADVISE, "-q")
    assert "no evidence given: --correlation" in plain.stdout and "rho" not in plain.stdout
    printed = [line.strip() for line in plain.stdout.splitlines() if line.strip().startswith("synvid-eval ")]
    for command in printed[:2]:
        words = shlex.split(command)
        assert words[:2] == ["synvid-eval", "compare"]
        tried = run_cli(*words[1:], "--json", "t.json", "-q")
        assert tried.returncode == 0, tried.stderr
        fresh = json.loads((tmp_path / "t.json").read_text())
        assert [c["name"] for c in fresh["candidates"]] == ["start", "tried"]
        assert {s["metric"] for s in fresh["scores"]} == {"motion", "color"}
        assert all("seed=1" in c["location"] and c["clips"] == 100 for c in fresh["candidates"])


def refused(run_cli: Run, *args: Any) -> tuple[int, str]:
    done = run_cli(*args, "-q")
    assert done.stdout == "" and "Traceback" not in done.stderr and done.stderr.count("\n") == 1, done
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("sensitivity", PRESET, REFERENCE, "--knobs", "sped"), 2, ["'sped'", "Did you mean 'speed'"]),
        (("sensitivity", PRESET, REFERENCE, "--knobs", "bank"), 2, ["bank cannot be searched"]),
        (("sensitivity", "moving_circle", REFERENCE), 2, ["Did you mean 'moving_circles'"]),
        (("sensitivity", f"{PRESET}&n=4", REFERENCE), 2, ["n=4", "Give --clips"]),
        (("sensitivity", f"{PRESET}&seed=4", REFERENCE), 2, ["seed=4", "Give --seed"]),
        (
            ("sensitivity", "perlin?time_frequency=2&adapt=", REFERENCE),
            2,
            ["perlin has no knob that says", "--knobs"],
        ),
        (("sensitivity", PRESET, REFERENCE, "--clips", "1"), 2, ["--clips 1 is too few"]),
        (("sensitivity", PRESET, REFERENCE, "--step", "0.6"), 2, ["--step 0.6 is out of range"]),
        (("sensitivity", PRESET, REFERENCE, "--metrics", "colour"), 2, ["Did you mean 'color'"]),
        (
            ("sensitivity", PRESET, REFERENCE, "--images", "skimage"),
            2,
            ["images=skimage means nothing for preset:moving"],
        ),
        (("sensitivity", "acc_transforming_images", REFERENCE), 3, ["images", "--images"]),
        (("sensitivity", PRESET, "gone/"), 3, ["gone", "does not exist"]),
        (("sensitivity", "gone.toml", REFERENCE), 3, ["gone.toml does not exist"]),
        (("sensitivity", PRESET, REFERENCE, "--metrics", "fid"), 4, ["weights"]),
        (("sensitivity", PRESET, REFERENCE, "--json", "x", "--html", "x"), 2, ["name one file, x"]),
        (("sensitivity", PRESET, REFERENCE, "--workers", "none"), 2, ["--workers none"]),
        (("sensitivity", PRESET, REFERENCE, "--knobs", ","), 2, ["--knobs names none"]),
        (("sensitivity", PRESET, REFERENCE, "--metrics", ","), 2, ["No metric is asked for"]),
        (("sensitivity", PRESET, REFERENCE, "--precision", "bf16"), 2, ["--precision", "means nothing"]),
        (("advise", MAIN.with_name("main.json"), "--metrics", "colour"), 2, ["Did you mean 'color'"]),
        (
            ("advise", MAIN.with_name("main.json"), "--set-name", "moving_circles", "--images", "skimage"),
            2,
            ["--images skimage means nothing"],
        ),
        (("sensitivity", PRESET), 2, ["sensitivity wants a REFERENCE"]),
        (("advise", "gone.json"), 3, ["gone.json cannot be read"]),
        (("advise", MAIN), 3, ["synvid-eval/correlation/1", "synvid-eval/comparison/1"]),
        (("advise", MAIN.with_name("main.json"), "--set-name", "moving_circle"), 2, ["'moving_circles'"]),
        (
            ("advise", MAIN.with_name("main.json"), "--correlation", MAIN.with_name("main.json")),
            3,
            ["is no correlation", "correlate --json F"],
        ),
        (
            ("advise", MAIN.with_name("main.json"), "--set-name", "moving_circles", "--correlation", MAIN),
            3,
            ["The reference of", "ucf101, is not there", "--reference SET"],
        ),
        (("advise", MAIN.with_name("main.json"), "--step", "0"), 2, ["--step 0 is out of range"]),
        (("advice",), 2, ["No command is called 'advice'", "Did you mean 'advise'"]),
    ],
    ids=lambda v: " ".join(map(str, v))[-60:] if isinstance(v, tuple) else "",
)
def test_what_is_refused_in_one_line(
    run_cli: Run, args: tuple[Any, ...], code: int, words: list[str]
) -> None:
    found, text = refused(run_cli, "guide", *args) if args[0] != "advice" else _unknown(run_cli)
    assert found == code, text
    for word in words:
        assert word in text


def _unknown(run_cli: Run) -> tuple[int, str]:
    done = run_cli("guide", "advice")
    return done.returncode, done.stderr


@pytest.mark.parametrize("kind", ["sensitivity", "advice"])
def test_documents_that_were_changed_are_no_pages(run_cli: Run, tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"schema": f"synvid-eval/{kind}/1", "level": 0.95}))
    done = run_cli("report", "x.json", "--html", "x.html")
    assert done.returncode == 3 and f"x.json is no {kind}: it lacks" in done.stderr
    assert not (tmp_path / "x.html").exists()


def test_names_complete(run_cli: Run) -> None:
    assert complete(run_cli, "guide ") == ["advise", "sensitivity"] or "search" in complete(run_cli, "guide ")
    assert complete(run_cli, "guide sensitivity moving_s") == ["moving_shapes"]
    assert complete(run_cli, "guide sensitivity x preset:moving_s") == ["preset:moving_shapes"]
    assert complete(run_cli, "guide sensitivity --metrics color,sp") == ["color,spectrum"]
    assert complete(run_cli, "guide advise --corr") == ["--correlation"]
