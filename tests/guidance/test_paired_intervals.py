"""Whether intervals of differences hold: the experiment on numbers of which that is known, what it found."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments import paired_intervals as experiment
from synvid_eval.states import Fold, Moments
from tests.conftest import REPOSITORY
from tests.guidance.test_bench import Gap, Mean

COMMITTED = REPOSITORY / "reports" / "intervals"


def pool(values: np.ndarray) -> dict[str, list[Fold]]:
    return {"x": [Fold({"x": Moments.of_rows([[v]])}, {"x": 1}) for v in values]}


@pytest.mark.parametrize("metric", [Mean(), Gap()])
def test_intervals_of_normal_numbers_hold(metric: Any) -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(5, 1, 300)  # what both settings share, so that it cancels
    start, moved = pool(common), pool(common + rng.normal(0.3, 0.1, 300))
    reference = pool(rng.normal(2, 1, 400))
    made: Any = SimpleNamespace(metrics=[metric], features=[SimpleNamespace(name="x")])
    same = pool(common)
    rows = experiment.measured(start, {"moved": moved, "same": same}, reference, made, 24, 60, 150)
    one, other = rows
    assert (one.metric, one.setting) == (metric.name, "moved")
    whole = 0.3 if metric.name == "mean" else (5.3 - 2) ** 2 - (5 - 2) ** 2
    assert one.whole == pytest.approx(whole, rel=0.1) and one.mean == pytest.approx(one.whole, rel=0.1)
    assert 0.9 <= one.covers <= 0.99 and one.sure > 0.95 and one.wrong == 0
    assert (other.whole, other.spread, other.half, other.covers, other.sure) == (0, 0, 0, 1, 0)


def test_the_table_is_read_again(tmp_path: Path) -> None:
    row = experiment.Row("m", "s", 1.0, 2.0, 0.1, 0.2, 0.95, 0.9, 1 / 3, 0.0)
    lines = list(csv.DictReader(experiment.table([row]).splitlines()))
    assert lines == [
        {"metric": "m", "setting": "s", "whole": "1", "mean": "2", "spread": "0.1", "half": "0.2",
         "covers": "0.95", "covers_whole": "0.9", "sure": "0.333333", "wrong": "0"}
    ]  # fmt: skip


def test_what_is_written_of_it_is_what_was_found() -> None:
    rows = list(csv.DictReader((COMMITTED / "paired.csv").read_text().splitlines()))
    assert len(rows) == 5 * len(experiment.SETTINGS)
    covers = [float(r["covers"]) for r in rows]
    rich = [float(r["covers_whole"]) for r in rows if r["metric"] == "effective_rank"]
    others = [float(r["covers_whole"]) for r in rows if r["metric"] != "effective_rank"]
    told = [f"{100 * min(v):.0f} to {100 * max(v):.0f} %" for v in (covers, others, rich)]
    text = " ".join((COMMITTED / "README.md").read_text().split())
    assert all(words in text for words in told), told
    guide = " ".join((REPOSITORY / "docs" / "guide.md").read_text().split())
    assert re.search(rf"held the mean difference in {told[0]}.*held in {told[2]}", guide)
