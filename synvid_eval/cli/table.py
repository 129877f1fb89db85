"""The table of scores and the verdict in words, as the terminal shows them."""

from __future__ import annotations

import io
import re
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
_RANDOM = "†"
_NEEDS = "needs weights"
_ITSELF = "\0"


def print_comparison(comparison: Comparison) -> None:
    """Table, what is missing and why, and the verdict on stdout; colored on a terminal, else plain.

    The value is the corrected one where there is one. Rows of random networks are dim and have a sign; a
    metric without weights has one row for all sets. On a narrow terminal the column of clips is left out,
    and long names lose their middle; below the table stands what they are. Text is wrapped to a terminal's
    width; what is piped keeps its lines, a sentence each.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.verdict import RANDOM, headline, is_random, weights_command

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
    faint: list[bool] = []
    several = len(comparison.candidates) > 1
    random = False
    for metric in comparison.metrics():
        scores = [s for s in comparison.scores if s.metric == metric]
        command, dry = weights_command(scores), is_random(metric)
        random = random or dry
        for i, score in enumerate(scores[:1] if command else scores):
            cells = _cells(score, first=i == 0)[: len(headings)]
            if command:
                cells[1:] = ["all sets" if several else cells[1], _NEEDS, "", "", ""][: len(headings) - 1]
            rows.append((cells, several and i == len(scores) - 1))
            faint.append(dry or bool(command))
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
    for (cells, last), dim in zip(rows, faint, strict=True):
        texts = map(Text, [cells[0], shown[cells[1]], *cells[2:]])
        table.add_row(*texts, end_section=last, style="dim" if dim else None)
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
    if random:
        console.print(Text(f"{_RANDOM} {RANDOM}"), soft_wrap=not tty)
    for line in _missing(comparison):
        console.print(Text(line), soft_wrap=not tty)
    words = headline(comparison, reasons=False)
    if words:
        console.print(Text("\n" + words), soft_wrap=not tty)
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
        shown_digit,
    )
    from synvid_eval.verdict import is_random

    own, floor = finite(score.detail.get("reference")), finite(score.detail.get("floor"))
    beside = ""
    if own is not None:
        beside = format_number(own, shown_digit(score))
    elif floor is not None:
        beside = f"floor {format_number(floor)}"
    unit = f", {one_line(score.unit)}" if score.unit else ""
    sign = _RANDOM if is_random(score.metric) else ""
    return [
        f"{one_line(score.metric)}{sign} {arrow(score.better)}{unit}" if first else "",
        one_line(score.candidate),
        format_value(score) if score.corrected is None else f"{format_corrected(score)}*",
        "–" if score.interval is None else format_interval(score),
        beside,
        f"{score.n['candidate']:,} / {score.n['reference']:,}",
    ]


def _missing(comparison: Comparison) -> list[str]:
    """What is missing and why: a line a reason with the metrics it is of, one a set that has skips."""
    from synvid_eval.verdict import by_command

    lines = []
    without: set[str] = set()
    for command, metrics in by_command(comparison).items():
        lines.append(one_line(f"{', '.join(metrics)}: need{'s'[len(metrics) > 1 :]} weights: {command}"))
        without.update(metrics)
    no_value: dict[str, list[str]] = {}
    no_interval: dict[str, list[str]] = {}
    for metric in comparison.metrics():
        reasons: list[str] = []
        sentences: dict[str, list[str]] = {}
        for score in (s for s in comparison.scores if s.metric == metric and metric not in without):
            if score.reason:
                reasons.append(f"{score.candidate}: {score.reason}")
            elif score.interval is None:
                for kind, sentence in _sentences(score):
                    sentences.setdefault(kind, []).append(sentence)
        if reasons:
            no_value.setdefault(_first(reasons), []).append(metric)
        for found in sentences.values():
            no_interval.setdefault(_first(found), []).append(metric)
    for reason, metrics in no_value.items():
        lines.append(one_line(f"{', '.join(metrics)}: no value: {reason}"))
    for reason, metrics in no_interval.items():
        who = metrics[0].partition("[")[0] if len(metrics) == 1 else "each"
        lines.append(one_line(f"{', '.join(metrics)}: no interval: {reason.replace(_ITSELF, who)}"))
    for side in [*comparison.candidates, comparison.reference]:
        if side.skipped:
            first = "; ".join(f"{s['id']}: {s['reason']}" for s in side.skipped[:3])
            more = f"; and {len(side.skipped) - 3} more" if len(side.skipped) > 3 else ""
            lines.append(one_line(f"{side.name}: {len(side.skipped)} skipped: {first}{more}"))
    return lines


def _first(reasons: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(reasons))
    return distinct[0] + (f" (and {len(distinct) - 1} more like it)" if len(distinct) > 1 else "")


def _sentences(score: Score) -> list[tuple[str, str]]:
    """Each sentence of why a score has no interval, as (its kind, itself).

    The metric's own name is a sign in them, so that metrics with one reason are seen to have it; the kind is
    the sentence without candidate and numbers.
    """
    name = re.escape(score.metric.partition("[")[0])
    out = []
    for sentence in re.split(r"(?<=\.) (?=\S)", (score.interval_reason or "").strip()):
        general = re.sub(rf"(?<= and ){name}(?= needs at least )", _ITSELF, sentence)
        out.append((re.sub(r"\d+", "#", general.removeprefix(f"{score.candidate} ")), general))
    return [pair for pair in out if pair[1]]
