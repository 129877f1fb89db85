"""The experiment behind `reports/progression`: what it goes on with, what it refuses to mix."""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import progression
from experiments.progression import PARTS, Progression, joined, shared
from synvid_eval.errors import DataError
from synvid_eval.score import Comparison, Score, SetFacts


def one(name: str, reference: str = "r", signature: str = "tubelet|a", clips: int = 200) -> Comparison:
    facts = SetFacts(name, f"preset:{name}?n={clips}&seed=0", name, clips, 16)
    n = {"candidate": clips, "reference": 9}
    score = Score(name, "tubelet", 1.0, "", "lower", n, signature)
    return Comparison(SetFacts("ucf101", "/secret/ucf101", reference, 9, 9), [facts], [score], {}, {})


def test_sets_of_another_reference_or_recipe_are_not_joined() -> None:
    known = joined(None, one("a"), "a")
    assert known.reference.location == "ucf101"
    both = joined(known, one("b"), "b")
    assert [c.name for c in both.candidates] == ["a", "b"] and len(both.scores) == 2
    with pytest.raises(DataError, match="is not what the sets before were measured against"):
        joined(known, one("b", reference="other"), "b")
    with pytest.raises(DataError, match=r"tubelet of b was measured as tubelet\|b, before as tubelet\|a"):
        joined(known, one("b", signature="tubelet|b"), "b")


def test_a_set_of_other_clips_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "ucf").mkdir()
    asked = argparse.Namespace(
        reference=tmp_path / "ucf",
        images=tmp_path,
        out=tmp_path,
        others=[],
        workers=1,
        clips=4,
        without="",
        minutes=1,
    )
    run = Progression(asked, tmp_path / "scratch")
    known, part = joined(None, one("a"), "a"), PARTS["main"]
    assert run.measured(known, "a", "a=preset:a?n=200&seed=0", part)
    assert not run.measured(known, "b", "b=preset:b?n=4&seed=0", part)
    with pytest.raises(
        DataError, match=r"a was measured as preset:a\?n=200&seed=0, asked is preset:a\?n=4&seed=0"
    ):
        run.measured(known, "a", "a=preset:a?n=4&seed=0", part)


def test_parts_side_by_side_hold_the_same_sets() -> None:
    three, two = joined(joined(joined(None, one("a"), "a"), one("b"), "b"), one("c"), "c"), None
    two = joined(joined(None, one("c"), "c"), one("b"), "b")
    found = shared({"main": three, "seed1": two})
    assert {n: {c.name for c in p.candidates} for n, p in found.items()} == {
        "main": {"b", "c"},
        "seed1": {"b", "c"},
    }
    assert {s.candidate for s in found["main"].scores} == {"b", "c"}


def test_sets_that_differ_in_their_pool_alone_count_once(tmp_path: Path) -> None:
    """Their mean accuracy stands for them; every published name is there or stood for."""
    from synvid_eval import published

    progression.accuracies(tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    names = [r["dataset"] for r in rows]
    assert len(names) == len(set(names))
    for name, several in progression.measured_once().items():
        if len(several) > 1:
            mean = np.mean([p.accuracy for p in published.table() if p.dataset in several
                            and p.benchmark == "UCF101" and p.protocol == "finetune"])  # fmt: skip
            (row,) = [r for r in rows if r["dataset"] == name]
            assert float(row["accuracy"]) == pytest.approx(float(mean), abs=0.01)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only", "mian"], "no part is called mian"),
        (["--images", "/nowhere"], "/nowhere is no folder"),
    ],
)
def test_wrong_options_are_told_before_any_work(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    place = str(tmp_path)
    monkeypatch.setattr("sys.argv", ["progression", "--reference", place, "--images", place, *given])
    with pytest.raises(SystemExit) as ended:
        progression.main()
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_lists_are_left_away() -> None:
    score = dataclasses.replace(one("a").scores[0], detail={"x": [1, 2, 3], "y": 1.0, "z": [0.1, 0.2]})
    assert progression.slim(score).detail == {"y": 1.0, "z": [0.1, 0.2]}
