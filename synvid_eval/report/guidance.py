"""The pages of `guide sensitivity` and `guide advise`: a heat table dimension × metric, and what to change.

Each is a pure function of its document. No script: all of it can be read as it stands. What is sure is said
by a sign, a weight and a frame beside its color.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synvid_eval import schemas
from synvid_eval.report import document
from synvid_eval.report.guidance_rows import Cell, Row, between, reasons_of, rows_of, shown, with_interval
from synvid_eval.report.rows import name_markup, table_of
from synvid_eval.rounding import MISSING, finite, finite_pair, format_number, last_digit, typographic

KINDS = {"sensitivity": schemas.SENSITIVITY, "advice": schemas.ADVICE}
STYLES = ("style.css", "guidance.css")
_LEVELS = (0.03, 0.1, 0.3)
"""From which share of a metric's objective on a cell is drawn stronger."""

_STATES = {
    "open": "gap",
    "unsure": "no interval",
    "noise": "within noise",
    "richness": "richness",
    "missing": "not measured",
}
_EFFECTS = {"better": "better", "worse": "worse", "unsure": "not separable from 0", "missing": "not measured"}


def kind_of(text: str) -> str | None:
    """`sensitivity` or `advice` where a JSON text says that it is one; it need not be whole."""
    return next((kind for kind, schema in KINDS.items() if schemas.is_one(text, schema)), None)


def read(text: str, where: str) -> dict[str, Any]:
    """A document of either kind from JSON text; DataError says what does not fit its schema."""
    kind = kind_of(text) or "sensitivity"
    command = {"sensitivity": "guide sensitivity", "advice": "guide advise"}[kind]
    return schemas.read(text, kind, where, command)


def page(found: Mapping[str, Any]) -> str:
    """The page of a document of either kind."""
    return advice_page(found) if found["schema"] == schemas.ADVICE else sensitivity_page(found)


@dataclass(frozen=True)
class Heat:
    """A cell as it is drawn. kind: its class. sign: of the direction, where it is sure. words: the same for
    those who see no colors.
    """

    cell: Cell
    kind: str
    sign: str
    words: str


def _heat(cell: Cell, better: str) -> Heat:
    nearer, farther = ("richer", "poorer") if better == "higher" else ("nearer", "farther")
    if cell.reason or cell.share is None:
        return Heat(cell, "none" if cell.reason else "weak", "", "not measured" if cell.reason else "")
    if not cell.sure:
        return Heat(cell, "weak", "", "not separable from 0")
    level = 1 + sum(abs(cell.share) >= edge for edge in _LEVELS)
    way = cell.share < 0
    return Heat(
        cell,
        f"{'near' if way else 'far'} s{level}",
        "▼" if way else "▲",
        f"sure: {nearer if way else farther}",
    )


@dataclass(frozen=True)
class Line:
    """A row of the heat table."""

    row: Row
    heats: list[Heat]


def table(found: Mapping[str, Any], anchor: str) -> dict[str, Any]:
    """The heat table of a sensitivity, and its numbers a unit of each knob."""
    metrics = found["metrics"]
    heads = [
        {
            "name": m["metric"],
            "start": _number(m["value"], m["unit"]),
            # richness is not read against the reference's
            "own": _number(m["reference"]) if m["better"] == "match" else "",
            "better": m["better"],
        }
        for m in metrics
    ]
    lines = [
        Line(row, [_heat(c, m["better"]) for c, m in zip(row.cells, metrics, strict=True)])
        for row in rows_of(found)
    ]
    parts = [
        {
            "name": name_markup(d["name"]),
            "unit": d["unit"] or "1",
            "tried": between(d),
            "cells": [_unit(d, m["metric"]) for m in metrics],
        }
        for d in found["dimensions"]
        if d["kind"] != "choice"
    ]
    return {
        "anchor": anchor,
        "heads": heads,
        "lines": lines,
        "units": parts,
        "level": f"{100 * found['level']:.4g} %",
        "step": f"{100 * found['step']:.3g} %",
        "reasons": [(", ".join(names), reason) for names, reason in reasons_of(found)],
        "abouts": [(d["name"], d["about"], d["group"]) for d in found["dimensions"] if d["about"]],
    }


def _unit(dimension: Mapping[str, Any], metric: str) -> tuple[str, str]:
    """What a unit of a knob adds to a metric's own value and to its objective."""
    slope = next((s for s in dimension["slopes"] if s["metric"] == metric), None)
    if slope is None:
        return MISSING, ""
    value, objective = slope["value"]["unit"], slope["objective"]["unit"]
    if finite(value["value"]) is None:
        return MISSING, str(value["reason"] or "")
    return with_interval(value), with_interval(objective)


def _number(value: Any, unit: str = "") -> str:
    number = finite(value)
    text = typographic(format_number(number))
    return text if number is None or not unit else f"{text} {unit}"


def sensitivity_page(found: Mapping[str, Any]) -> str:
    """The page of a sensitivity's document."""
    preset, reference = found["preset"], found["reference"]
    return document.render(
        "sensitivity.html.j2",
        data=found,
        data_id="synvid-eval-sensitivity",
        styles=STYLES,
        name=name_markup,
        table_of=table_of,
        title=f"What moves {preset['name']}",
        description="What each knob of a preset does to each metric, measured, with intervals.",
        preset=preset,
        reference=reference,
        clips=f"{preset['clips']:,} clips a setting",
        table=table(found, "table"),
        notes=found["notes"],
        command=found["run"].get("command", ""),
        run={k: v for k, v in found["run"].items() if k != "command"},
    )


def advice_page(found: Mapping[str, Any]) -> str:
    """The page of an advice's document."""
    sets = [_set(one, number) for number, one in enumerate(found["sets"])]
    names = [one["name"] for one in found["sets"]]
    return document.render(
        "advice.html.j2",
        data=found,
        data_id="synvid-eval-advice",
        styles=STYLES,
        name=name_markup,
        table_of=table_of,
        title=f"What to change in {names[0]}" if len(names) == 1 else "What to change",
        description="Gaps, how far the evidence says that they matter, and measured steps to close them.",
        reference=found["reference"],
        evidence=found["evidence"],
        strengths=list(found["strengths"].items()),
        sets=sets,
        notes=found["notes"],
        command=found["run"].get("command", ""),
        run={k: v for k, v in found["run"].items() if k != "command"},
    )


def _set(one: Mapping[str, Any], number: int) -> dict[str, Any]:
    gaps = [g for g in one["gaps"] if g["state"] != "missing"]
    cards = [_card(s, f"set-{number}-step-{i}") for i, s in enumerate(one["suggestions"])]
    known = finite(one["accuracy"])
    return {
        "anchor": f"set-{number}",
        "name": one["name"],
        "location": one["location"],
        "accuracy": "" if known is None else f"{known:g} %",
        "reason": one["reason"],
        "gaps": [
            {
                "metric": g["metric"],
                "state": g["state"],
                "badge": _STATES[g["state"]],
                "words": g["words"].removeprefix("within noise: "),
                "strength": g["evidence"]["strength"],
                "said": g["evidence"]["words"],
            }
            for g in gaps
        ],
        "missing": _by_reason(g for g in one["gaps"] if g["state"] == "missing"),
        "advised": [c for c in cards if c["advised"]],
        "others": [c for c in cards if not c["advised"]],
        "nothing": one["nothing"],
        "table": None if one["sensitivity"] is None else table(one["sensitivity"], f"set-{number}-table"),
        "notes": [] if one["sensitivity"] is None else one["sensitivity"]["notes"],
    }


def _by_reason(gaps: Any) -> list[tuple[str, str]]:
    """(reason, metrics) of those that have no number."""
    found: dict[str, list[str]] = {}
    for gap in gaps:
        found.setdefault(str(gap["words"]), []).append(str(gap["metric"]))
    return [(reason, ", ".join(metrics)) for reason, metrics in found.items()]


def _card(one: Mapping[str, Any], anchor: str) -> dict[str, Any]:
    """A suggestion as it is drawn."""
    return {
        "anchor": anchor,
        "name": name_markup(one["dimension"]),
        "start": shown(one["from"]),
        "to": shown(one["to"]),
        "unit": one["unit"],
        "knobs": ", ".join(f"{k}={v}" for k, v in one["knobs"].items()),
        "now": one["now"],
        "for": one["for"],
        "share": "" if finite(one["share"]) is None else f"{100 * one['share']:.0f} %",
        "strength": one["strength"],
        "advised": one["advised"],
        "why_not": one["why_not"],
        "changes": _changes(one["changes"]),
        "worse": ", ".join(one["worse"]),
        "command": one["command"],
    }


def _changes(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    found = []
    for change in changes:
        estimate = change["value"]
        last = last_digit(finite_pair(estimate["interval"]))
        ends = [typographic(format_number(finite(change[key]), last)) for key in ("from", "to")]
        missing = finite(estimate["value"]) is None
        found.append(
            {
                "metric": change["metric"],
                "ends": MISSING if missing else f"{ends[0]} → {ends[1]}",
                "moved": str(estimate["reason"] or "") if missing else with_interval(estimate),
                "effect": change["effect"],
                "words": _EFFECTS[change["effect"]],
            }
        )
    return found
