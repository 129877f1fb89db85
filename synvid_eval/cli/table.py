"""The table of scores and the verdict in words, as the terminal shows them."""

from __future__ import annotations

import io
import shutil
import sys
from typing import TYPE_CHECKING

import click

from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.score import Comparison, Score

_PIPED = 160
_WITH_CLIPS = 96


def print_comparison(comparison: Comparison) -> None:
    """Table, what is missing and why, and the verdict on stdout; colored on a terminal, else plain.

    The value is the corrected one where there is one. On a narrow terminal the column of clips is left out.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.verdict import headline

    tty = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if tty else _PIPED
    out = io.StringIO()  # printed in one piece, so that a reader who leaves early is noticed in one place
    console = Console(file=out, width=width, force_terminal=tty, highlight=False)
    headings = ["metric", "set", "value", "95 % interval", "reference"]
    if width >= _WITH_CLIPS:
        headings.append("clips")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        left = heading in ("metric", "set")
        table.add_column(
            heading,
            justify="left" if left else "right",
            no_wrap=heading != "set",
            overflow="fold" if heading == "set" else "ellipsis",
        )
    for metric in comparison.metrics():
        scores = [s for s in comparison.scores if s.metric == metric]
        for i, score in enumerate(scores):
            cells = _cells(score, first=i == 0)[: len(headings)]
            table.add_row(*map(Text, cells), end_section=i == len(scores) - 1)
    reference = one_line(comparison.reference.name)
    console.print(Text(f"Each set against {reference}"))
    console.print(table)
    console.print(Text("↓ lower is nearer · ≈ should match the reference · ↑ higher is richer, not nearer"))
    if any(s.corrected is not None for s in comparison.scores):
        console.print(Text("* corrected for the bias of few clips, as its interval is"))
    for line in _missing(comparison):
        console.print(Text(line), soft_wrap=True)
    console.print(Text("\n" + headline(comparison)), soft_wrap=True)
    click.echo(out.getvalue(), nl=False)


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
