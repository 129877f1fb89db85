"""The table of scores and the verdict in words, as the terminal shows them."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.score import Comparison, Score

_PIPED = 160
_WITH_CLIPS = 96
# A set's name keeps at least this many characters, however narrow the terminal is.
_NAME_LEAST = 12


def print_comparison(comparison: Comparison) -> None:
    """Table, what is missing and why, and the verdict on stdout; colored on a terminal, else plain.

    The value is the corrected one where there is one. On a narrow terminal the column of clips is left out,
    and long names lose their middle; below the table stands what they are. Text is wrapped to a terminal's
    width; what is piped keeps its lines, a sentence each.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.verdict import headline

    tty = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if tty else _PIPED
    out = io.StringIO()  # printed in one piece, so that a reader who leaves early is noticed in one place
    headings = ["metric", "set", "value", "95 % interval", "reference"]
    if width >= _WITH_CLIPS:
        headings.append("clips")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        left = heading in ("metric", "set")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
    rows: list[tuple[list[str], bool]] = []
    for metric in comparison.metrics():
        scores = [s for s in comparison.scores if s.metric == metric]
        for i, score in enumerate(scores):
            rows.append((_cells(score, first=i == 0)[: len(headings)], i == len(scores) - 1))
    names = [c[1] for c, _ in rows]
    longest = max(map(cell_len, names), default=0)
    room = width - _beside_names(headings, rows)
    if room < longest and tty:  # units go below their metrics before names are shortened
        rows = _units_below(rows)
        room = width - _beside_names(headings, rows)
    elif room < longest:
        width, room = width + longest - room, longest
    shown = shortened(names, max(room, _NAME_LEAST))
    # with a height too, or Rich takes 80 columns wherever TERM=dumb
    console = Console(file=out, width=width, height=100, force_terminal=tty, highlight=False)
    for cells, last in rows:
        table.add_row(*map(Text, [cells[0], shown[cells[1]], *cells[2:]]), end_section=last)
    reference = one_line(comparison.reference.name)
    console.print(Text(f"Each set against {reference}"), soft_wrap=not tty)
    console.print(table)
    for name, short in shown.items():
        if short != name:
            console.print(Text(f"{short} is {name}"), soft_wrap=not tty)
    console.print(
        Text("↓ lower is nearer · ≈ should match the reference · ↑ higher is richer, not nearer"),
        soft_wrap=not tty,
    )
    if any(s.corrected is not None for s in comparison.scores):
        console.print(Text("* corrected for the bias of few clips, as its interval is"))
    for line in _missing(comparison):
        console.print(Text(line), soft_wrap=not tty)
    console.print(Text("\n" + headline(comparison)), soft_wrap=not tty)
    click.echo(out.getvalue(), nl=False)


def _units_below(rows: Sequence[tuple[list[str], bool]]) -> list[tuple[list[str], bool]]:
    """The rows with each metric's unit in the row below its name, or on a line of its own where none is."""
    out: list[tuple[list[str], bool]] = []
    unit = ""
    for cells, last in rows:
        first = cells[0] or unit
        if cells[0]:
            first, _, unit = cells[0].partition(", ")
            if last and unit:
                first = f"{first}\n{unit}"
        if not cells[0] or last:
            unit = ""
        out.append(([first, *cells[1:]], last))
    return out


def _beside_names(headings: Sequence[str], rows: Sequence[tuple[list[str], bool]]) -> int:
    """Columns of the terminal that the table takes beside the names of sets."""
    from rich.cells import cell_len

    widths = [
        max([len(heading), *(cell_len(line) for cells, _ in rows for line in cells[i].split("\n"))])
        for i, heading in enumerate(headings)
    ]
    return sum(w for i, w in enumerate(widths) if i != 1) + 3 * (len(headings) - 1) + 2


def shortened(names: Sequence[str], width: int) -> dict[str, str]:
    """Name → what stands for it in `width` columns of a terminal: its ends with … between them, numbered
    where two would look the same.
    """
    from rich.cells import cell_len

    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        short, number = _middle_out(name, width), 1
        while short in taken:
            number += 1
            short = _middle_out(name, width - len(f"~{number}")) + f"~{number}"
        assert cell_len(short) <= max(width, 1)
        taken.add(short)
        found[name] = short
    return found


def _middle_out(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    front = (width - 1) // 2
    back = text
    while cell_len(back) > width - 1 - front:
        back = back[1:]
    return f"{set_cell_size(text, front).rstrip()}…{back}"


def _cells(score: Score, first: bool) -> list[str]:
    from synvid_eval.rounding import (
        arrow,
        finite,
        format_corrected,
        format_interval,
        format_number,
        format_value,
        last_digit,
        score_interval,
    )

    own, floor = finite(score.detail.get("reference")), finite(score.detail.get("floor"))
    beside = ""
    if own is not None:
        beside = format_number(own, last_digit(score_interval(score)))
    elif floor is not None:
        beside = f"floor {format_number(floor)}"
    unit = f", {one_line(score.unit)}" if score.unit else ""
    return [
        f"{one_line(score.metric)} {arrow(score.better)}{unit}" if first else "",
        one_line(score.candidate),
        format_value(score) if score.corrected is None else f"{format_corrected(score)}*",
        "–" if score.interval is None else format_interval(score),
        beside,
        f"{score.n['candidate']:,} / {score.n['reference']:,}",
    ]


def _missing(comparison: Comparison) -> list[str]:
    """What is missing and why: a line a metric (first reason, how many more), one a set that has skips."""
    no_value: dict[str, list[str]] = {}
    no_interval: dict[str, list[str]] = {}
    for score in comparison.scores:
        if score.reason:
            no_value.setdefault(score.metric, []).append(f"{score.candidate}: {score.reason}")
        elif score.interval is None and score.interval_reason:
            no_interval.setdefault(score.metric, []).append(score.interval_reason)
    lines = []
    for what, found in (("no value", no_value), ("no interval", no_interval)):
        for metric, reasons in found.items():
            distinct = list(dict.fromkeys(reasons))
            more = f" (and {len(distinct) - 1} more like it)" if len(distinct) > 1 else ""
            lines.append(one_line(f"{metric}: {what}: {distinct[0]}{more}"))
    for side in [*comparison.candidates, comparison.reference]:
        if side.skipped:
            first = "; ".join(f"{s['id']}: {s['reason']}" for s in side.skipped[:3])
            more = f"; and {len(side.skipped) - 3} more" if len(side.skipped) > 3 else ""
            lines.append(one_line(f"{side.name}: {len(side.skipped)} skipped: {first}{more}"))
    return lines
