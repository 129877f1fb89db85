"""Numbers for people: as many digits as the interval bears."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from synvid_eval import rounding as numbers
from synvid_eval.rounding import (
    arrow,
    finite,
    finite_pair,
    format_bounds,
    format_corrected,
    format_interval,
    format_number,
    format_value,
)
from synvid_eval.score import Score


def scored(
    value: float, interval: tuple[float, float] | None = None, corrected: float | None = None
) -> Score:
    n = {"candidate": 9, "reference": 9}
    return Score("a", "color", value, "nats", "lower", n, "s", corrected=corrected, interval=interval)


@pytest.mark.parametrize(
    ("value", "interval", "number", "bounds"),
    [
        (3.14159, (2.8412, 3.4419), "3.1", "[2.8, 3.4]"),
        (
            3.14159,
            (3.0412, 3.2419),
            "3.14",
            "[3.04, 3.24]",
        ),  # half width .10: a leading 1 keeps one more digit
        (3.14159, None, "3.14", ""),
        (41234.5, (40000.0, 42500.0), "41200", "[40000, 42500]"),
        (0.04, (-0.09, 0.008), "0.04", "[-0.09, 0.01]"),
        (0.05, (0.0002, 0.0909), "0.05", "[0.00, 0.09]"),
        (0.0041, (-0.3, 0.3), "0.004", "[-0.3, 0.3]"),
        (1.234e-7, None, "1.23e-7", ""),
        (1.234e-7, (1.1e-7, 1.4e-7), "1.23e-7", "[1.10e-7, 1.40e-7]"),
        (2.5e9, (2e9, 3e9), "2.5e9", "[2.0e9, 3.0e9]"),
        (0.0, None, "0", ""),
        (5.0, (5.0, 5.0), "5.00", "[5.00, 5.00]"),
        (6e-17, (-0.08, 0.08), "0.00", "[-0.08, 0.08]"),
        (999.6, None, "1000", ""),
        (math.nan, None, "–", ""),
        (math.inf, (math.nan, 1.0), "–", ""),
        (-1.26, (-1.31, -1.21), "-1.26", "[-1.31, -1.21]"),
    ],
)
def test_table(value: float, interval: tuple[float, float] | None, number: str, bounds: str) -> None:
    assert format_value(scored(value, interval)) == number
    assert format_interval(scored(value, interval)) == bounds


@pytest.mark.parametrize(
    ("value", "own", "shown", "own_shown"),
    [
        (-13312.3, -13335.9, "-13312", "-13336"),  # not -13300 twice
        (-13312.34, -13312.91, "-13312.34", "-13312.91"),
        (10.1, 15.7, "10.1", "15.7"),
        (1.2834, 1.3041, "1.283", "1.304"),
        (1.2834, 1.2834, "1.28", "1.28"),
        (1.2834, math.nextafter(1.2834, 2), "1.28", "1.28"),  # rounding is no difference
        (0.5, 100.0, "0.500", "100"),
        (9.98, 10.02, "9.980", "10.020"),
        (0.0, 1e-7, "0", "1.00e-7"),
        (0.0, 0.0, "0", "0"),
        (1e308, -1e308, "1.00e308", "-1.00e308"),
    ],
)
def test_without_an_interval_digits_tell_value_and_reference_apart(
    value: float, own: float, shown: str, own_shown: str
) -> None:
    score = replace(scored(value), detail={"reference": own})
    assert format_value(score) == shown
    assert format_number(own, numbers.shown_digit(score)) == own_shown
    sure = replace(score, interval=(value - 0.3, value + 0.3))  # an interval decides alone
    assert numbers.shown_digit(sure) == numbers.last_digit(sure.interval)


def test_corrected_shares_the_digits_of_its_interval() -> None:
    assert format_corrected(scored(3.25, (2.8, 3.4), 3.1234)) == "3.1"
    assert format_corrected(scored(3.25)) == ""


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ([(71.26, None), (7.031, None), (6.549, None)], ["71.26", "7.03", "6.55"]),
        ([(1.3014, 0.033), (1.4771, 0.005)], ["1.301 [1.268, 1.334]", "1.477 [1.472, 1.482]"]),
        ([(13.2, 3.5), (14.04, None)], ["13.2 [9.7, 16.7]", "14.0"]),
        ([(0, 0), (0.271, 0.012)], ["0.000 [0.000, 0.000]", "0.271 [0.259, 0.283]"]),
        ([(0.0345, None), (20, None)], ["0.03", "20.00"]),
        ([(0.00012, None), (200, None)], ["1.20e-4", "200"]),  # what is not 0 never looks like it
        ([(-13312.4, None), (-12, None)], ["-13312", "-12"]),
        ([(-0.26, 0.04), (math.nan, None)], ["-0.26 [-0.30, -0.22]", "–"]),
        ([(1e9, None), (2.5, None)], ["1.00e9", "2.50"]),
        ([(1e308, 1e300), (5e-324, None), (math.inf, None)], None),
        ([(math.nan, None)], ["–"]),
        ([(0.0, None)], ["0"]),
        ([], []),
    ],
)
def test_a_column_has_one_number_of_decimals(
    column: list[tuple[float, float | None]], shown: list[str] | None
) -> None:
    scores = [scored(v, None if half is None else (v - half, v + half)) for v, half in column]
    last = numbers.column_digit(scores)
    found = [
        f"{numbers.format_at(s.value, last)} {numbers.bounds_at(numbers.score_interval(s), last)}".strip()
        for s in scores
    ]
    assert shown is None or found == shown


def test_odd_input() -> None:
    assert format_number(None) == "–"
    assert format_bounds(None) == ""
    assert [finite(v) for v in (True, "1", None, 10**400, math.inf, 2)] == [None] * 5 + [2.0]
    assert [finite_pair(v) for v in ([2, 1], [1], "ab", [1, None], (1, 2))] == [None] * 4 + [(1.0, 2.0)]


def test_arrows() -> None:
    assert [arrow(b) for b in ("lower", "higher", "match", "odd")] == ["↓", "↑", "≈", ""]
    assert numbers.format_value is format_value


def test_equal_bounds_have_equal_verdicts() -> None:
    """An end that is not the number that is asked about does not look like it."""
    below, above = (0.81, 0.9996), (0.81, 1.0004)
    assert numbers.format_bounds(below) == numbers.format_bounds(above) == "[0.81, 1.00]"
    assert numbers.format_bounds(below, 1.0) == "[0.8100, 0.9996]"
    assert numbers.format_bounds(above, 1.0) == "[0.8100, 1.0004]"
    assert numbers.format_bounds((0.81, 1.0), 1.0) == "[0.81, 1.00]"
    assert numbers.format_bounds((-0.3, -0.004), 0.0) == "[-0.300, -0.004]"
    assert numbers.format_bounds((-0.3, 0.2), 0.0) == numbers.format_bounds((-0.3, 0.2))
    assert numbers.format_bounds(None, 1.0) == ""
