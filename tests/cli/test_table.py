"""The table on a terminal of 80 columns, and piped."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import replace

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
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: list[str] | Comparison,
    columns: int | None,
) -> list[str]:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: columns is not None)
    size = os.terminal_size((columns or 80, 40))
    monkeypatch.setattr(table.shutil, "get_terminal_size", lambda: size)
    table.print_comparison(what if isinstance(what, Comparison) else comparison(what))
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


def networks(names: list[str], random: bool) -> Comparison:
    """fid, kid and diversity of random networks, or none of them for want of weights."""
    scores = []
    for n in names:
        scores.append(score(n, "color", "nats", 1.2345))
        for metric, needed in (("tubelet", 100), ("fid", 100), ("kid", 2), ("diversity", 6144)):
            label = metric if metric == "tubelet" or not random else f"{metric}[random-inception]"
            lacks = metric != "tubelet" and not random
            why = f"{n} has 12 clips and {metric} needs at least {needed}. reference has 9 blocks."
            own = {"value": -13333.3, "detail": {"reference": -13268.4}} if metric == "diversity" else {}
            made: dict[str, object] = {"corrected": None, "interval": None, "interval_reason": why, **own}
            if lacks:
                made = {**made, "value": math.nan, "detail": {}}
                made |= {"reason": "needs weights: synvid-eval weights fetch inception"}
            scores.append(replace(score(n, label, "", 1.5), **made))  # type: ignore[arg-type]
    return Comparison(facts("reference"), [facts(n) for n in names], scores, {})


def rows_of(lines: list[str]) -> list[str]:
    start = next(i for i, line in enumerate(lines) if "───" in line) + 1
    return lines[start : next(i for i, line in enumerate(lines) if line.startswith("↓"))]


@pytest.mark.parametrize("columns", [None, 80])
@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_what_needs_weights_is_a_row_a_metric_and_a_line_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: list[str], columns: int | None
) -> None:
    lines = shown(monkeypatch, capsys, networks(names, random=False), columns)
    assert columns is None or max(map(len, lines)) <= columns
    lacking = [line.split() for line in rows_of(lines) if "needs weights" in line]
    assert [row[0] for row in lacking] == ["fid", "kid", "diversity"]
    assert all(row[2:4] == (["a", "needs"] if len(names) == 1 else ["all", "sets"]) for row in lacking)
    text = " ".join(" ".join(lines).split())
    assert text.count("fid, kid, diversity: need weights: synvid-eval weights fetch inception") == 1
    assert text.count("fetch") == 1
    assert "could not be measured" not in text


def test_one_candidate_has_no_blank_lines_between_its_metrics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = rows_of(shown(monkeypatch, capsys, networks(["a"], random=True), None))
    assert [bool(line.strip()) for line in one] == [True] * 5 + [False]
    two = rows_of(shown(monkeypatch, capsys, networks(["a", "b"], random=True), None))
    assert [bool(line.strip()) for line in two] == [True, True, False] * 5


def test_random_networks_have_a_sign_and_are_explained_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, networks(["a"], random=True), None)
    marked = [line for line in rows_of(lines) if "†" in line]
    assert [line.split()[0] for line in marked] == [
        "fid[random-inception]†", "kid[random-inception]†", "diversity[random-inception]†"
    ]  # fmt: skip
    assert len([line for line in lines if line.startswith("† Random networks are for tests")]) == 1
    text = "\n".join(lines)
    assert text.count("dry run") == 1
    assert "-13333" in text and "-13268" in text
    assert text.count("No verdict: fid[random-inception], kid[random-inception], diversity") == 1
    assert "†" not in "\n".join(shown(monkeypatch, capsys, ["a"], None))
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table.print_comparison(networks(["a"], random=True))
    colored = capsys.readouterr().out.splitlines()
    dim = [line for line in colored if "\x1b[2m" in line]
    assert [("†" in line) for line in dim] == [True] * 3


def test_equal_reasons_stand_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, networks(["a", "b"], random=True), None)
    dry = [f"{m}[random-inception]" for m in ("fid", "kid", "diversity")]
    assert [line for line in lines if "no interval" in line] == [
        f"tubelet, {dry[0]}: no interval: a has 12 clips and each needs at least 100. (and 1 more like it)",
        f"tubelet, {', '.join(dry)}: no interval: reference has 9 blocks.",
        f"{dry[1]}: no interval: a has 12 clips and kid needs at least 2. (and 1 more like it)",
        f"{dry[2]}: no interval: a has 12 clips and diversity needs at least 6144. (and 1 more like it)",
    ]
