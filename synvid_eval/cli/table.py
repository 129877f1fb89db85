"""A comparison as the terminal shows it: the table of scores, the spectra, what is missing, the verdict."""

from __future__ import annotations

import io
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from synvid_eval.cli import sparklines
from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.score import Comparison, Score

_PIPED = 160
_WITH_CLIPS = 96
# A terminal that says it is narrower is not believed.
_LEAST = 24
# A set's name keeps at least this many characters, however narrow the terminal is.
_NAME_LEAST = 12
_RANDOM = "†"
_NEEDS = "needs weights"
_ITSELF = "\0"
# For an output that cannot show them: signs in words, replaced before the columns are measured, and what
# lines are drawn with, one for one.
_INSTEAD = {
    "↓": "v",
    "↑": "^",
    "≈": "=",
    "→": "->",
    "–": "-",
    "−": "-",
    "·": "|",
    "†": "+",
    "α": "alpha",
    "×": "x",
    "…": "~",
}
_DRAWN = {"─": "-", "…": "~"}


class _Screen:
    """Where the lines go, gathered: in characters that the output can show, wrapped to a terminal's width or,
    piped, a line each.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self.tty = sys.stdout.isatty()
        self.width = max(shutil.get_terminal_size().columns, _LEAST) if self.tty else _PIPED
        self._encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        self.plain = not self._has(sparklines.BLOCKS + sparklines.GAP)
        self._out = io.StringIO()
        # with a height too, or Rich takes 80 columns wherever TERM=dumb
        self.console = Console(
            file=self._out, width=self.width, height=100, force_terminal=self.tty, highlight=False
        )

    def _has(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeError, LookupError):
            return False
        return True

    def spell(self, text: str) -> str:
        """`text` on one line, in characters that the output has."""
        text = one_line(text)
        if self._has(text):
            return text
        for sign, instead in _INSTEAD.items():
            if not self._has(sign):
                text = text.replace(sign, instead)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def say(self, text: str = "", style: str = "") -> None:
        """A line, or as many as it takes on a terminal: what follows the first is set in."""
        from rich.text import Text

        text = self.spell(text)
        if self.tty and len(text) > self.width:
            follow = " " * (len(text) - len(text.lstrip(" ")) + 2)
            text = textwrap.fill(text, self.width, subsequent_indent=follow, break_on_hyphens=False)
        self.console.print(Text(text, style=style), soft_wrap=not self.tty)

    def draw(self, table: object) -> None:
        """A table, with lines that the output can show."""
        before = self._out.tell()
        self.console.print(table)
        drawn = self._out.getvalue()[before:]
        for sign, instead in _DRAWN.items():
            if not self._has(sign):
                drawn = drawn.replace(sign, instead)
        self._out.seek(before)
        self._out.truncate()
        self._out.write(drawn)

    def show(self) -> None:
        """Prints what was gathered, at once, so that a reader who leaves early is noticed here."""
        click.echo(self._out.getvalue(), nl=False)


@dataclass(frozen=True)
class _Row:
    """A row of the table.

    cells: metric (empty below its first row), set, value, interval, reference, clips. last: of its metric.
    """

    cells: list[str]
    last: bool
    style: str | None


def print_comparison(comparison: Comparison, story: Sequence[str] = ()) -> None:
    """Table, what is missing and why, spectra, `story`, and the verdict on stdout; styled on a terminal.

    The value is the corrected one where there is one. Rows of random networks are dim and have a sign, that
    of a set that is nearest is bold; a metric without weights has one row for all sets. On a narrow terminal
    the column of clips is left out, then the metrics stand above their rows; long names lose their middle,
    and below the table stands what they are. Text is wrapped to a terminal's width; what is piped keeps its
    lines, a sentence each. What the output's encoding lacks is spelled in ASCII.
    """
    from synvid_eval.verdict import answer, grounds

    screen = _Screen()
    screen.say(f"Each set against {comparison.reference.name}")
    rows = _rows(comparison, screen)
    shown = _print_rows(rows, screen)
    for line in [*_legend(comparison, rows), *_missing(comparison)]:
        screen.say(line)
    _print_spectra(comparison, screen, shown)
    if story:
        screen.say()
    for line in story:
        screen.say(line)
    label = "Verdict: "
    words = answer(comparison, screen.width - len(label) if screen.tty else None)
    behind = grounds(comparison)
    if words or behind:
        screen.say()
    if words:
        screen.say(label + words, style="bold")
    for line in behind:
        screen.say(line)
    screen.show()


def _rows(comparison: Comparison, screen: _Screen) -> list[_Row]:
    from synvid_eval.verdict import is_random, verdicts, weights_command

    rows = []
    several = len(comparison.candidates) > 1
    nearest = {v.metric: v.nearest for v in verdicts(comparison)}
    for metric in comparison.metrics():
        scores = [s for s in comparison.scores if s.metric == metric]
        command, dry = weights_command(scores), is_random(metric)
        for i, score in enumerate(scores[:1] if command else scores):
            cells = _cells(score, first=i == 0)
            if command:
                cells[1:] = ["all sets" if several else cells[1], _NEEDS, "", "", ""]
            style = "dim" if dry or command else None
            if several and score.candidate == nearest[metric]:
                style = "bold"
            rows.append(_Row([screen.spell(c) for c in cells], several and i == len(scores) - 1, style))
    return rows


def _print_rows(rows: list[_Row], screen: _Screen) -> dict[str, str]:
    """The table, and below it what shortened names stand for; name → what stands for it."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    headings = ["metric", "set", "value", screen.spell("95 % interval"), "reference", "clips"]
    if screen.width < _WITH_CLIPS:
        del headings[-1]
    names = [row.cells[1] for row in rows]
    longest = max(map(cell_len, names), default=0)
    whole = rows
    room = screen.width - _beside_names(headings, rows)
    if room < longest and screen.tty:  # units go below their metrics before names are shortened
        rows = _units_below(rows)
        room = screen.width - _beside_names(headings, rows)
    stacked = screen.tty and room < min(longest, _NAME_LEAST)
    if stacked:
        room = screen.width - 6 - sum(_widest(rows, column) for column in (2, 3))
    elif room < longest and not screen.tty:
        screen.console.width, room = screen.width + longest - room, longest
    shown = shortened(names, max(room, _NAME_LEAST))
    if stacked:
        _print_stacked(whole, shown, screen)
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in headings:
            left = heading in ("metric", "set")
            table.add_column(heading, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
        for row in rows:
            texts = [row.cells[0], shown[row.cells[1]], *row.cells[2 : len(headings)]]
            table.add_row(*map(Text, texts), end_section=row.last, style=row.style)
        screen.draw(table)
    for name, short in shown.items():
        if short != name:
            screen.say(f"{short} is {name}")
    return shown


def _print_stacked(rows: Sequence[_Row], shown: dict[str, str], screen: _Screen) -> None:
    """Each metric on a line of its own with what it is read against, its sets below."""
    from rich.cells import cell_len

    wide = max((cell_len(shown[row.cells[1]]) for row in rows), default=0)
    value, interval = (_widest(rows, column) for column in (2, 3))
    for row in rows:
        metric, name, number, bounds, beside, _ = row.cells
        if metric:
            against = beside if not beside or beside.startswith("floor") else f"reference {beside}"
            screen.say()
            screen.say(" · ".join(filter(None, [metric, against])), style=row.style or "")
        short = shown[name]
        line = f"  {short}{' ' * (wide - cell_len(short))}  {number:>{value}}  {bounds:>{interval}}"
        screen.say(line.rstrip(), style=row.style or "")
    screen.say()


def _widest(rows: Sequence[_Row], column: int) -> int:
    return max((len(row.cells[column]) for row in rows), default=0)


def _legend(comparison: Comparison, rows: Sequence[_Row]) -> list[str]:
    """What the signs and columns mean, of those that stand there."""
    from synvid_eval.verdict import RANDOM, is_random

    out = ["↓ lower is nearer · ≈ should match the reference · ↑ higher is richer, not nearer"]
    words = []
    if any("[" in row.cells[3] for row in rows):
        words.append("interval: what other clips of the same kind might have given")
    if any(row.cells[4].startswith("floor") for row in rows):
        words.append("floor: the same distance between two halves of the reference")
    out.append(" · ".join([*words, "more on a metric: synvid-eval explain NAME"]))
    if any(s.corrected is not None for s in comparison.scores):
        out.append("* corrected for the bias of few clips, as its interval is")
    if any(is_random(s.metric) for s in comparison.scores):
        out.append(f"{_RANDOM} {RANDOM}")
    return out


def _print_spectra(comparison: Comparison, screen: _Screen, shown: dict[str, str]) -> None:
    """One line a set: its log-spectrum minus the reference's; nothing where no spectrum is known."""
    from rich.cells import cell_len

    lines = sparklines.sparklines(comparison, screen.width - 4 - _NAME_LEAST, screen.plain)
    if lines is None:
        return
    names = [screen.spell(name) for name, _ in lines.rows]
    room = screen.width - 4 - len(lines.rows[0][1])
    known = [n if cell_len(n) <= room else shown.get(n, n) for n in names]  # else as the table names it
    short = shortened(known, max(room, _NAME_LEAST))
    wide = max(map(cell_len, short.values()))
    screen.say()
    screen.say("Contrast at each size of detail (the spectrum), beside the reference's")
    for name, (_, drawn) in zip(known, lines.rows, strict=True):
        label = short[name]
        screen.say(f"  {label}{' ' * (wide - cell_len(label))}  {drawn}")
    for line in sparklines.legend(lines, screen.plain):
        screen.say(f"  {line}")


def _units_below(rows: Sequence[_Row]) -> list[_Row]:
    """The rows with each metric's unit in the row below its name, or on a line of its own where none is."""
    out = []
    unit = ""
    for row in rows:
        first = row.cells[0] or unit
        if row.cells[0]:
            first, _, unit = row.cells[0].partition(", ")
            if row.last and unit:
                first = f"{first}\n{unit}"
        if not row.cells[0] or row.last:
            unit = ""
        out.append(replace(row, cells=[first, *row.cells[1:]]))
    return out


def _beside_names(headings: Sequence[str], rows: Sequence[_Row]) -> int:
    """Columns of the terminal that the table takes beside the names of sets."""
    from rich.cells import cell_len

    widths = [
        max([len(heading), *(cell_len(line) for row in rows for line in row.cells[i].split("\n"))])
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
