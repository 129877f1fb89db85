"""What `benchmarks.training` prints, from as little as it can be asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import training
from synvid_eval.training import engine


def test_each_preset_has_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "TRIED_S", 0.0)  # a pass of one clip
    out, threads = tmp_path / "found.json", torch.get_num_threads()
    asked = ["--presets", "static_circles,acc_transforming_images", "--pool", "3", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["training", *asked, "--rate", "500", "--json", str(out)])
    try:
        training.main()
    finally:
        torch.set_num_threads(threads)
    rows = json.loads(out.read_text())["rows"]
    assert [row["preset"] for row in rows] == ["static_circles", "acc_transforming_images"]
    for row in rows:
        assert 0 < row["share"] < 1 and row["step"] > 0
        assert row["cores"] == pytest.approx(500 * row["paper"])
    assert capsys.readouterr().out.count("cores for 500 clips/s") == 2


def test_it_knows_the_eight_presets_of_the_progression() -> None:
    from experiments.mini_progression import PROGRESSION

    assert training.PRESETS.split(",") == list(PROGRESSION)
