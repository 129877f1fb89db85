"""Sensitivities and advice as the terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synvid_eval.cli.screen import Screen
from synvid_eval.errors import one_line

SURE = "*"
_SHOWN = 5  # suggestions of a set
_LONGEST = 80  # characters of a knob's text beside its step: the command has all of it
_LISTED = 3  # of those that are not advised
_EFFECTS = {
    "better": "better",
    "worse": "worse",
    "unsure": "not separable from 0",
    "missing": "not measured",
}


def print_sensitivity(document: Mapping[str, Any]) -> None:
    """The table dimension × metric, a line a number and a line each other choice, then the notes."""
    from synvid_eval.report.guidance_rows import reasons_of, rows_of
    from synvid_eval.verdict import short_name

    screen = Screen()
    preset, reference = document["preset"], document["reference"]
    screen.say(
        f"{short_name(preset['name'])} as it is against {short_name(reference['name'])}: {preset['clips']} "
        f"clips a setting, steps of {document['step']:.0%} of each range"
    )
    metrics = document["metrics"]
    heads = [(m["metric"], _start(m)) for m in metrics]
    _draw(screen, ["knob", "from", "tried"], heads, rows_of(document))
    screen.say(
        "Each cell: what a step up adds to how far the metric is from what is wanted, below 0 is nearer (of "
        f"richness: richer). {SURE} sure: its {document['level']:.0%} interval excludes 0; the others are "
        "not separable from 0."
    )
    for names, reason in reasons_of(document):
        screen.say(f"{', '.join(names)}: {reason}")
    for note in document["notes"]:
        screen.say(note)
    screen.show()


def _start(metric: Mapping[str, Any]) -> str:
    from synvid_eval.rounding import finite, format_number, typographic

    value = finite(metric["value"])
    return "" if value is None else f"{typographic(format_number(value))} {metric['unit']}".strip()


def _draw(
    screen: Screen, left: Sequence[str], metrics: Sequence[tuple[str, str]], rows: Sequence[Any]
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in left:
        table.add_column(screen.spell(head), no_wrap=head != "knob")
    for name, start in metrics:
        title = Text(screen.spell(name))
        if start:
            title.append(f"\n{screen.spell(start)}", "dim")
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        cells = [Text(screen.spell(text)) for text in (row.name, row.start, row.tried)]
        for cell in row.cells:
            mark = SURE if cell.sure else " "
            cells.append(Text(screen.spell(f"{cell.text}{mark}"), "bold" if cell.sure else "dim"))
        table.add_row(*cells)
    screen.draw(table)


def print_advice(document: Mapping[str, Any]) -> None:
    """A part a set: its gaps with their evidence, what is suggested, for what nothing is."""
    screen = Screen()
    screen.say(f"Evidence: {document['evidence']['words']}", style="dim")
    for one in document["sets"]:
        screen.say()
        _print_set(screen, one, document["reference"]["name"])
    screen.say()
    for note in document["notes"]:
        screen.say(note, style="dim")
    screen.show()


def _print_set(screen: Screen, one: Mapping[str, Any], reference: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.verdict import short_name

    known = f", published accuracy {one['accuracy']:g} %" if one["accuracy"] is not None else ""
    screen.say(f"{short_name(one['name'])} against {short_name(reference)}{known}", style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("metric", "gap", "evidence that it matters"):
        table.add_column(screen.spell(head), no_wrap=head == "metric")
    missing: dict[str, list[str]] = {}
    for gap in one["gaps"]:
        if gap["state"] == "missing":
            missing.setdefault(gap["words"], []).append(gap["metric"])
            continue
        evidence = gap["evidence"]
        said = f"{evidence['strength']}: {evidence['words']}"
        if evidence["strength"] == "not given":
            said = evidence["words"]
        cells = (gap["metric"], gap["words"], said)
        style = "dim" if gap["state"] == "noise" else ""
        table.add_row(*(Text(screen.spell(one_line(text)), style) for text in cells))
    screen.draw(table)
    for why, metrics in missing.items():
        screen.say(f"{', '.join(metrics)}: {why}", style="dim")
    if one["reason"]:
        screen.say(f"Nothing was tried: {one['reason']}")
        return
    advised = [s for s in one["suggestions"] if s["advised"]]
    for number, suggestion in enumerate(advised[:_SHOWN], 1):
        _print_suggestion(screen, f"{number}.", suggestion)
    if not advised:
        screen.say("Nothing is advised.")
    more = len(advised) - _SHOWN
    if more > 0:
        screen.say(f"and {more} more: --json or --html.")
    for line in one["nothing"]:
        screen.say(f"- {line}")
    listed = [s for s in one["suggestions"] if not s["advised"]]
    if listed:
        screen.say("Not advised, but measured:")
    for suggestion in listed[:_LISTED]:
        screen.say(f"  {step_text(suggestion)}: {suggestion['words']} Why not: {suggestion['why_not']}.")
    if len(listed) > _LISTED:
        screen.say(f"  and {len(listed) - _LISTED} more: --json or --html.")


def _print_suggestion(screen: Screen, number: str, one: Mapping[str, Any]) -> None:
    from synvid_eval.guidance.advice import expected

    screen.say(f"{number} {step_text(one)}: {one['words']}")
    for change in one["changes"]:
        if change["metric"] != one["for"]:
            screen.say(f"   {change['metric']} {expected(change)}: {_EFFECTS[change['effect']]}", style="dim")
    screen.say(f"   {one['command']}", style="cyan")


def step_text(one: Mapping[str, Any]) -> str:
    """A suggestion's step: `speed:middle 2.1 → 3.3 px/frame (speed=1.886:4.714)`."""
    from synvid_eval.report.guidance_rows import shown

    knobs = ", ".join(f"{k}={v}" for k, v in one["knobs"].items())
    knobs = knobs if len(knobs) <= _LONGEST else f"{knobs[: _LONGEST - 1]}…"
    unit = f" {one['unit']}" if one["unit"] else ""
    return f"{one['dimension']} {shown(one['from'])} → {shown(one['to'])}{unit} ({knobs})"
