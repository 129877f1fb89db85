"""The report of adapted presets: its cells are the numbers of `compare`, and the committed one is whole."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import adaptation_report as report
from synvid_eval.generators import presets
from synvid_eval.score import Score, read_comparison
from tests.clips import moving
from tests.conftest import REPOSITORY, Run

COMMITTED = REPOSITORY / "reports" / "fractal" / "adaptation.md"


def score(metric: str, better: str, **told: object) -> Score:
    return Score("a", metric, 0.5, "u", better, {"candidate": 9, "reference": 9}, "s", **told)  # type: ignore[arg-type]


def test_a_cell_tells_a_distance_or_the_difference_to_the_reference():
    own = {"reference": 1.5, "difference": -1.0, "difference_interval": [-1.25, -0.75]}
    assert report.told(score("spectrum", "match", detail=own)) == "-1.00 [-1.25, -0.75]"
    assert report.told(score("color", "lower")) == "0.50"
    assert report.told(score("color", "lower", corrected=12.34, interval=(11.0, 13.0))) == "12.3 [11.0, 13.0]"
    assert report.told(score("motion", "match", detail={"difference": None})) == "-"


def test_it_is_made_from_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for k in range(4):
        np.savez(real / f"{k}.npz", frames=moving(70, 32, 48, seed=k))
    out = tmp_path / "made" / "report.md"
    monkeypatch.setattr(
        sys, "argv",
        ["report", "--reference", str(real), "--presets", "moving_shapes", "--chains", "mirror", "shake,zoom",
         "--clips", "4", "--size", "32", "--length", "64", "--workers", "1", "--out", str(out)],
    )  # fmt: skip
    monkeypatch.setenv("SYNVID_EVAL_CACHE", str(tmp_path / "cache"))
    report.main()
    text = out.read_text()
    assert str(real) not in text and "--chains 'mirror' 'shake,zoom'" in text
    with open(out.with_suffix(".csv"), newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["preset", "adapted by", *report.METRICS]
    assert [row[:2] for row in rows[1:]] == [
        ["moving_shapes", name] for name in ("as drawn", "mirror", "shake,zoom")
    ]
    place = "b=preset:moving_shapes?n=4&size=32&length=64&adapt=shake,zoom"
    run_cli("compare", place, str(real), "--metrics", "color,spectrum", "--json", str(tmp_path / "c.json"))
    found, _ = read_comparison((tmp_path / "c.json").read_text())
    color, spectrum = found.scores
    assert rows[3][2] == report.told(color) == f"{color.value:.{2 if color.value < 10 else 1}f}"
    assert float(rows[3][4]) == pytest.approx(spectrum.detail["difference"], abs=0.006)
    assert rows[1][3] != rows[3][3]


def test_the_committed_report_is_whole():
    lines = [line for line in COMMITTED.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    with open(COMMITTED.with_suffix(".csv"), newline="") as file:
        assert [cells[0], *cells[2:]] == list(csv.reader(file))
    assert {row[0] for row in cells[2:]} <= set(presets.names())
    for row in cells[2:]:
        assert row[1] == report.PLAIN or (row[1] and len(row) == 2 + len(report.METRICS))
