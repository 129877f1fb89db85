"""The report on encoders of our own: what its tables are made of, by hand; a run of it on few clips."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from experiments import own_encoder as own
from synvid_eval.score import Comparison, Score, SetFacts


def score(candidate: str, value: float, corrected: float | None, floor: float | None) -> Score:
    detail: dict[str, Any] = {} if floor is None else {"floor": floor}
    return Score(candidate, "fd[run]", value, "", "lower", {}, "", corrected=corrected, detail=detail)


def test_the_floor_is_told_in_the_median_of_corrected_distances() -> None:
    side = SetFacts("r", "r", "", 10, 160)
    scores = [score("a", 5.0, 4.0, 1.0), score("b", 9.0, 8.0, 1.0), score("c", 2.5, 2.0, 1.0)]
    assert own.floor_share(Comparison(side, [], scores, {}), "fd[run]") == 0.25
    assert own.floor_share(Comparison(side, [], [score("a", 5.0, None, None)], {}), "fd[run]") is None


def row(corruption: str, severity: int, shift: float, noticed: bool) -> dict[str, Any]:
    low, high = (shift / 2, 2 * shift) if noticed else (-1.0, 2 * shift)
    return {
        "encoder": "e", "metric": "fd[run]", "corruption": corruption, "kind": "noise",
        "severity": severity, "value": 1 + shift, "clean": 1.0, "shift": shift, "low": low, "high": high,
        "house_low": None, "house_high": None, "clips": 9, "reason": "", "noticed": noticed,
    }  # fmt: skip


def test_what_is_noticed_and_what_rises() -> None:
    """gaussian_noise rises and is noticed from 3 on, rotate goes down once; jumble gets milder upwards, so it
    is none of those that should rise.
    """
    rows = [row("gaussian_noise", s, 0.1 * s, s > 2) for s in range(1, 6)]
    rows += [row("rotate", s, 0.1 * s if s < 5 else 0.1, True) for s in range(1, 6)]
    rows += [row("jumble", s, 0.1, True) for s in range(1, 6)]
    assert own.noticing(rows) == (3 + 5 + 5, 15, 1, 2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_goes_on_and_makes_its_tables(
    tmp_path: Path, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        own.progression, "measured_once", lambda: {"static_circles": [], "moving_circles": []}
    )
    for file in sorted((test_data / "ucf101").rglob("*.avi"))[::6]:
        (tmp_path / "some" / file.name).parent.mkdir(exist_ok=True)
        (tmp_path / "some" / file.name).symlink_to(file)
    asked = ["--reference", os.fspath(tmp_path / "some"), "--images", "skimage", "--encoders"]
    asked += ["drawn=random:0:tiny", "--clips", "8", "--corruptions", "gaussian_noise", "--out"]
    own.main(
        [*asked, os.fspath(tmp_path / "out"), "--cache", os.fspath(tmp_path / "cache"), "--minutes", "0"]
    )
    assert (tmp_path / "out" / "tables.md").read_text().count("\n") == 2
    own.main([*asked, os.fspath(tmp_path / "out"), "--cache", os.fspath(tmp_path / "cache")])
    rows = [json.loads(line) for line in (tmp_path / "out" / "damage.jsonl").read_text().splitlines()]
    assert {r["encoder"] for r in rows} == {"weight-free", "drawn"} and len(rows) == 5 * (5 + 3)
    assert "`fd[random-run]`" in (tmp_path / "out" / "tables.md").read_text()
