"""The table on a terminal of 80 columns, and piped."""

from __future__ import annotations

import os
import sys

import pytest

from synvid_eval.cli import table
from synvid_eval.score import Comparison, Score, SetFacts

LONG = "runs_of_a_generator_with_a_name_that_goes_on_and_on_{}_seed_0"


def facts(name: str) -> SetFacts:
    return SetFacts(name=name, location=name, fingerprint=name, clips=100, frames=1600, skipped=[])


def score(name: str, metric: str, unit: str, value: float) -> Score:
    return Score(
        candidate=name, metric=metric, value=value, corrected=value, interval=(value - 0.01, value + 0.01),
        level=0.95, unit=unit, better="lower", n={"candidate": 100, "reference": 100}, reason=None,
        interval_reason=None, signature="", detail={"floor": 0.1234},
    )  # fmt: skip


def comparison(names: list[str]) -> Comparison:
    scores = [
        score(n, metric, unit, 1.2345 + i)
        for i, n in enumerate(names)
        for metric, unit in (("color", "nats"), ("effective_rank", "dimensions"), ("tubelet", ""))
    ]
    return Comparison(facts("reference"), [facts(n) for n in names], scores, {})


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: list[str], columns: int | None
) -> list[str]:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: columns is not None)
    size = os.terminal_size((columns or 80, 40))
    monkeypatch.setattr(table.shutil, "get_terminal_size", lambda: size)
    table.print_comparison(comparison(names))
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [80, 100])
def test_long_names_fit_a_terminal_and_stand_in_full_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    names = [LONG.format("one"), LONG.format("two"), "b"]
    lines = shown(monkeypatch, capsys, names, columns)
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    body = text.partition("↓ lower")[0]
    assert text.count("…") >= 2
    for number in ("1.23", "2.23", "3.23", "floor 0.123"):
        assert number in body  # no number loses a digit to a name
    for name in names[:2]:
        assert f"is {name}" in " ".join(text.split())
    assert "dimensions" in body


def test_what_is_piped_is_neither_shortened_nor_wrapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x" * 200
    lines = shown(monkeypatch, capsys, [name, "b"], None)
    assert any(f" {name} " in line for line in lines)
    assert "…" not in "\n".join(lines[:8])


def test_shortened_names_differ_and_have_the_width() -> None:
    names = [f"aaaaaaaaaaaaaaaaaa{i}bbbbbbbbbbbbbbbbbbbbbb" for i in range(12)] + ["kurz", "漢字" * 20]
    found = table.shortened(names, 12)
    assert len(set(found.values())) == len(names)
    assert found["kurz"] == "kurz"
    from rich.cells import cell_len

    assert all(cell_len(s) <= 12 for s in found.values())
