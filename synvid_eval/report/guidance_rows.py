"""The rows of a sensitivity's table, for terminals and pages: a number is one row, a choice a row each other
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synvid_eval.rounding import (
    MISSING,
    finite,
    finite_pair,
    format_bounds,
    format_number,
    last_digit,
    typographic,
)


@dataclass(frozen=True)
class Cell:
    """What a step adds to a metric's objective. text: with its sign. interval: for people, or why there is
    none. share: of the objective's size at the start; None where there is none. reason: why there is no
    number.
    """

    text: str
    interval: str
    sure: bool
    share: float | None
    reason: str


@dataclass(frozen=True)
class Row:
    """A dimension's step. name: of the dimension. start, tried: its values. about: what the knob means.
    notes: why a side is missing.
    """

    name: str
    start: str
    tried: str
    unit: str
    about: str
    group: str
    note: str
    cells: list[Cell]


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """The rows of a document of `guidance.sensitivity`, in its order."""
    start = document["metrics"]
    rows = []
    for dimension in document["dimensions"]:
        if dimension["kind"] == "choice":
            for tried in dimension["tried"]:
                found = {m["metric"]: m["change"] for m in tried["metrics"]}
                cells = [_cell(m, found.get(m["metric"])) for m in start]
                rows.append(_row(dimension, f"→ {shown(tried['value'])}", tried["reason"] or "", cells))
            continue
        steps = {s["metric"]: {k: s[k]["step"] for k in ("objective", "value")} for s in dimension["slopes"]}
        cells = [_cell(m, steps.get(m["metric"])) for m in start]
        rows.append(_row(dimension, between(dimension), "", cells))
    return rows


def between(dimension: Mapping[str, Any]) -> str:
    """From which number to which a dimension was moved, the lower one first; a dash where it was not."""
    start = finite(dimension["start"])
    found = [v for t in dimension["tried"] if not t["reason"] and (v := finite(t["value"])) is not None]
    if not found or start is None:
        return MISSING
    ends = (min(found), max(found)) if min(found) < start < max(found) else sorted((start, found[0]))
    return " … ".join(map(shown, ends))


def reasons_of(document: Mapping[str, Any]) -> list[tuple[list[str], str]]:
    """Why metrics have no number, and numbers one side only: names that share a reason, and the reason."""
    told = [(m["metric"], m["reason"]) for m in document["metrics"] if m["reason"]]
    told += [(d["name"], d["reason"]) for d in document["dimensions"] if d["reason"]]
    found: dict[str, list[str]] = {}
    for name, reason in told:
        found.setdefault(reason, []).append(name)
    return [(names, reason) for reason, names in found.items()]


def _row(dimension: Mapping[str, Any], tried: str, note: str, cells: list[Cell]) -> Row:
    reason = " ".join(filter(None, (note, dimension["reason"] or "")))
    about = (dimension["unit"], dimension["about"], dimension["group"])
    return Row(dimension["name"], shown(dimension["start"]), tried, *about, reason, cells)


def _cell(start: Mapping[str, Any], change: Mapping[str, Any] | None) -> Cell:
    if change is None:
        return Cell(MISSING, "", False, None, str(start["reason"] or "not measured"))
    objective = change["objective"]
    number = finite(objective["value"])
    if number is None:
        return Cell(MISSING, "", False, None, str(objective["reason"] or ""))
    interval = finite_pair(objective["interval"])
    text = signed(number, last_digit(interval))
    said = (
        typographic(format_bounds(interval, 0.0)) if interval else str(objective["reason"] or "no interval")
    )
    size = finite(start["objective"])
    share = None if not size else number / abs(size)
    return Cell(text, said, bool(objective["sure"]), share, "")


def signed(value: float | None, last: int | None = None) -> str:
    """A number for people with its sign, plus included."""
    number = finite(value)
    text = typographic(format_number(number, last))
    return f"+{text}" if number is not None and number > 0 and text.strip("0.") else text


def with_interval(estimate: Mapping[str, Any]) -> str:
    """An estimate of a change for people: `+0.09 [0.08, 0.11]`."""
    interval = finite_pair(estimate["interval"])
    bounds = typographic(format_bounds(interval, 0.0))
    return f"{signed(estimate['value'], last_digit(interval))} {bounds}".strip()


def shown(value: Any) -> str:
    """A knob's value for people."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return typographic(f"{value:.4g}") if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)
