"""The table on a terminal of 80 columns, and piped."""

from __future__ import annotations

import math
import os
import re
import sys
from dataclasses import replace

import pytest

from synvid_eval.cli import screen, table
from synvid_eval.score import Comparison, Score, SetFacts
from synvid_eval.verdict import answer, grounds, short_name

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
    monkeypatch.setattr(screen.shutil, "get_terminal_size", lambda: size)
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


def test_what_is_piped_is_not_wrapped_and_names_are_as_in_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["x" * 64, "y" * 3000]
    lines = shown(monkeypatch, capsys, names, None)
    assert any(f" {names[0]} " in line for line in lines)
    assert sum(f" {short_name(names[1])} " in line for line in lines[:14]) == 3
    assert f"{short_name(names[1])} is {names[1]}" in lines
    assert max(len(line) for line in lines if " is yyy" not in line) < 400


def test_many_sets_show_the_nearest_of_each_metric(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = comparison([f"set{i}" for i in reversed(range(34))])
    rich = [replace(s, better="higher") if s.metric == "effective_rank" else s for s in many.scores]
    lines = shown(monkeypatch, capsys, replace(many, scores=rich), None)
    rows = [line.split() for line in rows_of(lines) if line.strip()]
    names = [next(w for w in row if w.startswith(("set", "24"))) for row in rows]
    first = [f"set{i}" for i in range(33, 23, -1)]
    last = [f"set{i}" for i in range(10)]
    assert names == [*first, "24", *last, "24", *first, "24"]
    assert sum(line.startswith("of many sets the 10 nearest") for line in lines) == 1
    assert len(lines) < 50
    few = shown(monkeypatch, capsys, [f"set{i}" for i in range(11)], None)
    assert "more" not in " ".join(few[:40]).replace("more on a metric", "")


def test_a_column_has_one_number_of_decimals_and_one_reference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data: list[tuple[float, float | None]] = [(0.27, 0.04), (-1.145, None), (0, 0), (1.4751, 0.0035)]
    scores = [
        replace(score(f"s{i}", "motion", "D", 1.0), better="match", value=v, corrected=None,
                interval=None if half is None else (v - half, v + half), detail={"reference": 0.2871})
        for i, (v, half) in enumerate(data)
    ]  # fmt: skip
    sides = [facts(s.candidate) for s in scores]
    lines = shown(monkeypatch, capsys, Comparison(facts("reference"), sides, scores, {}), 120)
    rows = [line.partition("s")[2].split() for line in rows_of(lines) if line.strip()]
    assert [row[1:-4] for row in rows] == [
        ["0.270", "[0.230,", "0.310]"],
        ["−1.145", "–"],
        ["0.000", "[0.000,", "0.000]"],
        ["1.475", "[1.472,", "1.479]"],
    ]
    assert {row[-4] for row in rows} == {"0.287"}


def test_clips_are_told_where_their_column_has_no_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two = comparison(["a", "b"])
    assert "clips: 100 a set, reference 100" in shown(monkeypatch, capsys, two, 80)
    assert not [line for line in shown(monkeypatch, capsys, two, 120) if line.startswith("clips")]
    two.candidates[0] = replace(two.candidates[0], clips=12)
    assert "clips: a 12, b 100, reference 100" in shown(monkeypatch, capsys, two, 80)
    many = comparison([f"set{i}" for i in range(5)])
    many.candidates[0] = replace(many.candidates[0], clips=1200)
    assert "clips: 100 to 1,200 a set, reference 100" in shown(monkeypatch, capsys, many, 40)


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
            why = (
                f"{n} has 12 clips, and an interval of {metric} needs {needed}. reference has clips from 9 x."
            )
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
    assert "−13333" in text and "−13268" in text
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
        f"tubelet, {dry[0]}: no interval: a and b have 12 clips each, and an interval of each needs 100.",
        f"tubelet, {', '.join(dry)}: no interval: reference has clips from 9 x.",
        f"{dry[1]}: no interval: a and b have 12 clips each, and an interval of kid needs 2.",
        f"{dry[2]}: no interval: a and b have 12 clips each, and an interval of diversity needs 6144.",
    ]


BINS = 20
SLOPE = [6 - 0.2 * i for i in range(BINS)]


def spectra(names: list[str], offsets: list[list[float | None] | None]) -> Comparison:
    """Spectra that lie `offsets` above the reference's; None for a set without one."""
    scores = []
    for n, offset in zip(names, offsets, strict=True):
        detail: dict[str, object] = {"reference": 1.3, "reference_log_spectrum": SLOPE}
        if offset is not None:
            detail["log_spectrum"] = [
                None if o is None else s + o for s, o in zip(SLOPE, offset, strict=True)
            ]
        made = replace(score(n, "spectrum", "α", 1.4), better="match", corrected=None, detail=detail)
        scores += [score(n, "color", "nats", 1.2345), made]
    signature = "metric=spectrum|feature.low=0.02|feature.high=0.25|feature.bins=20"
    run = {"signatures": {"spectrum": signature}}
    return Comparison(facts("reference"), [facts(n) for n in names], scores, run)


def block(lines: list[str]) -> list[str]:
    start = next(i for i, line in enumerate(lines) if line.startswith("Contrast at each size"))
    found = lines[start + 1 :]
    return [line for line in found[: found.index("") if "" in found else None] if line.startswith("  ")]


def test_spectra_are_shown_beside_the_references_on_one_scale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    half: list[float | None] = [math.log(2) * (-1 if i < 10 else 1) for i in range(BINS)]
    gaps: list[float | None] = [None, *[math.log(2) / 3] * (BINS - 2), math.nan]
    lines = block(shown(monkeypatch, capsys, spectra(["a", "gaps", "none"], [half, gaps, None]), 80))
    assert lines == [
        f"  a          {'▁' * 10}{'▇' * 10}",
        f"  gaps       –{'▅' * 18}–",
        f"  reference  {'▄' * 20}",
        "  ▇ = 2.00 times the reference's, ▄ = the same, ▁ = 1/2.00 of it, – = not",
        "    measured",
        "  left to right: waves 46.9 to 4.26 pixels long (0.0213 to 0.235 cycles/pixel)",
        "  no spectrum: none",
    ]


def test_a_set_far_off_does_not_make_the_others_look_alike(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offsets: list[list[float | None] | None] = [[math.log(n)] * BINS for n in (8, 2, 1, 0.5)]
    lines = block(shown(monkeypatch, capsys, spectra(["off", "b", "c", "d"], offsets), 120))
    assert [line.split()[1][0] for line in lines[:5]] == list("▇▇▄▁▄")
    assert lines[5] == "  ▇ = 2.00 times the reference's or more, ▄ = the same, ▁ = 1/2.00 of it or less"


def test_noise_does_not_fill_the_heights(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = block(shown(monkeypatch, capsys, spectra(["a"], [[0.001 * (-1) ** i for i in range(BINS)]]), 80))
    assert lines[0].split()[1] == "▄" * BINS
    assert "1.10 times" in lines[2]


def test_without_any_spectrum_there_is_no_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = spectra(["a", "b", "c"], [None, [math.nan] * BINS, [0.0] * BINS])
    for odd in ("x", [1, 2], {"a": 1}, ["x"] * BINS, [True] * BINS, [10**400] * BINS, [[]] * BINS):
        hostile.scores[-1].detail["log_spectrum"] = odd
        assert "Contrast" not in "\n".join(shown(monkeypatch, capsys, hostile, 80))
    assert "Contrast" not in "\n".join(shown(monkeypatch, capsys, ["a"], 80))


def test_frequencies_are_named_only_where_they_are_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = spectra(["a"], [[0.5] * BINS])
    for signatures in ({}, {"spectrum": "feature.low=x"}, "", {"spectrum": "feature.low=2|feature.high=1"}):
        lines = shown(monkeypatch, capsys, replace(known, run={"signatures": signatures}), 80)
        assert "pixels long" not in "\n".join(lines)
    known.scores[1].detail["log_frequency"] = [math.log(0.01 * 1.1**i) for i in range(BINS)]
    assert "waves 100 to 16.4 pixels long" in "\n".join(shown(monkeypatch, capsys, known, 80))


@pytest.mark.parametrize("columns", [24, 40, 47, 60, 80, 113, 120, 200, None])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_a_row_of_a_spectrum_never_wraps_and_the_output_can_show_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int | None, encoding: str
) -> None:
    names = [LONG.format("one"), LONG.format("two"), "漢字" * 30, "\x1b[31mred\n\u202e", "a"]
    offsets: list[list[float | None] | None] = [[0.1 * i - j / 9 for j in range(BINS)] for i in range(5)]
    monkeypatch.setattr(type(sys.stdout), "encoding", encoding)
    lines = shown(monkeypatch, capsys, spectra(names, offsets), columns)
    "\n".join(lines).encode(encoding)
    text = "\n".join(lines)
    assert "\x1b" not in text and "\u202e" not in text
    from rich.cells import cell_len

    assert columns is None or max(map(cell_len, lines)) <= columns
    drawn = [line for line in block(lines) if re.search(r"  [1-7▁-▇]{5,}$", line)]
    assert len(drawn) == 6
    assert len({cell_len(line) for line in drawn}) == 1
    assert all(("▄" in line) == (encoding == "utf-8") for line in drawn)
    for sign in ("\\u2193", "\\u2500", "\\u2026", "\\u03b1"):
        assert sign not in text


def test_many_sets_show_those_that_differ_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"set{i}" for i in range(34)]
    offsets: list[list[float | None] | None] = [[0.01 * ((i * 7) % 34)] * BINS for i in range(34)]
    lines = block(shown(monkeypatch, capsys, spectra(names, offsets), 80))
    drawn = [line.split()[0] for line in lines if re.search("[▁-▇]$", line)]
    largest = sorted(range(34), key=lambda i: -((i * 7) % 34))[:10]
    assert drawn == [*(f"set{i}" for i in sorted(largest)), "reference"]
    assert "the 10 sets that differ most are shown; 24 more differ less" in "\n".join(lines)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("number", [1, 34])
def test_no_line_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, number: int
) -> None:
    names = [f"a_generator_with_settings_{i}" for i in range(number)]
    lines = shown(monkeypatch, capsys, spectra(names, [[0.1] * BINS] * number), columns)
    assert max(map(len, lines)) <= columns
    assert sum("[1.224, 1.244]" in line for line in lines) == min(number, 10)
    assert sum("[1.390, 1.410]" in line for line in lines) == min(number, 10)
    lacking = shown(monkeypatch, capsys, networks(names, random=False), columns)
    assert max(map(len, lacking)) <= columns
    assert sum("needs weights" in line for line in lacking) == 3
    if columns == 60:
        assert "spectrum ≈, α · reference 1.300" in lines
        assert "color ↓, nats · floor 0.123" in lines


def test_the_verdict_is_one_line_and_its_grounds_are_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, ["near", "far"], 100)
    at = lines.index(
        "Verdict: Nearest to reference (95 % intervals apart): near in color, effective_rank, tubelet."
    )
    assert [line.partition(":")[0] for line in lines[at + 1 :] if not line.startswith(" ")] == [
        "color", "effective_rank", "tubelet"
    ]  # fmt: skip
    assert lines[at - 1] == ""


def test_what_cannot_be_told_is_said_to_be_by_value_alone() -> None:
    apart = comparison(["a", "b"])
    wide = [replace(s, interval=(0.0, 9.0)) if s.metric == "color" else s for s in apart.scores]
    mixed = replace(apart, scores=wide)
    assert answer(mixed) == (
        "Nearest to reference (95 % intervals apart): a in effective_rank, tubelet. "
        "By value alone: a in color."
    )
    assert answer(mixed, 20).startswith("Nearest (95 % intervals apart): a in ")
    blind = replace(apart, scores=[replace(s, interval=None) for s in apart.scores])
    assert answer(blind) == (
        "Nearest to reference: none for sure. By value alone: a in color, effective_rank, tubelet."
    )
    rich = replace(apart, scores=[replace(s, better="higher") for s in wide])
    assert answer(rich) == "Of nearness to the reference nothing was measured."
    assert grounds(rich)[-1] == "Highest in color: none for sure."
    lost = [
        replace(s, value=math.nan, corrected=None, interval=None, reason="no clips") for s in apart.scores
    ]
    assert answer(replace(apart, scores=lost)) == "Nothing could be measured."
    assert answer(replace(apart, scores=lost[:1] + apart.scores[1:])).endswith(
        "Measured of one set only: color."
    )
    assert answer(replace(apart, scores=[])) == "Nothing was scored against reference."
    only_random = [replace(s, metric="fid[random-inception]") for s in apart.scores[:1]]
    assert answer(replace(apart, scores=only_random)) == ""


def test_one_set_has_no_rank_but_may_differ() -> None:
    one = spectra(["a"], [[0.1] * BINS])
    assert answer(one) == "One set has no rank: which set is nearest takes two or more."
    assert grounds(one) == []
    for interval, words in (
        ([0.05, 0.15], "a differs from the reference in spectrum (95 % intervals)."),
        ([-0.05, 0.25], "a shows no sure difference in spectrum (95 % intervals)."),
    ):
        one.scores[1].detail.update(difference=0.1, difference_interval=interval)
        assert answer(one) == words
        assert [line.partition(":")[0] for line in grounds(one)] == ["spectrum"]


def test_the_row_of_a_set_that_is_nearest_is_bold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(screen.shutil, "get_terminal_size", lambda: os.terminal_size((100, 40)))
    table.print_comparison(comparison(["near", "far"]))
    rows = [line for line in capsys.readouterr().out.splitlines() if "floor 0.123" in line]
    assert [("\x1b[1m" in line) for line in rows] == [True, False] * 3
