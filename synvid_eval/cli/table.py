"""A comparison as the terminal shows it: the table of scores, the spectra, what is missing, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synvid_eval.cli import sparklines
from synvid_eval.cli.screen import Screen
from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.score import Comparison, Score

_WITH_CLIPS = 96
# A set's name keeps at least this many characters, however narrow the terminal is.
_NAME_LEAST = 12
_RANDOM = "†"
_NEEDS = "needs weights"
_ITSELF = "\0"


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

    The value is the corrected one where there is one; a metric's numbers have one number of decimals. Of many
    sets the nearest of each metric are shown. Rows of random networks are dim and have a sign, that
    of a set that is nearest is bold; a metric without weights has one row for all sets. On a narrow terminal
    the column of clips is left out, then the metrics stand above their rows; long names lose their middle,
    and below the table stands what they are. Text is wrapped to a terminal's width; what is piped keeps its
    lines, a sentence each, and names of up to 64 characters. What the output's encoding lacks is spelled in
    ASCII.
    """
    from synvid_eval.verdict import answer, grounds, short_name

    screen = Screen()
    screen.say(f"Each set against {short_name(comparison.reference.name)}")
    rows = _rows(comparison, screen)
    shown = _print_rows(rows, screen)
    for line in [*_legend(comparison, rows), *_clips(comparison, screen), *_missing(comparison)]:
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


def _rows(comparison: Comparison, screen: Screen) -> list[_Row]:
    from synvid_eval.rounding import column_digit
    from synvid_eval.verdict import in_order, is_random, verdicts, weights_command

    rows = []
    several = len(comparison.candidates) > 1
    nearest = {v.metric: v.nearest for v in verdicts(comparison)}
    for metric in comparison.metrics():
        scores = [s for s in comparison.scores if s.metric == metric]
        command, dry = weights_command(scores), is_random(metric)
        left_out = 0
        if len(scores) >= sparklines.MANY and not command:
            left_out = len(scores) - sparklines.SHOWN_OF_MANY
            scores = in_order(scores)[: sparklines.SHOWN_OF_MANY]
        last = column_digit(scores)
        for i, score in enumerate(scores[:1] if command else scores):
            cells = _cells(score, last, first=i == 0)
            if command:
                cells[1:] = ["all sets" if several else cells[1], _NEEDS, "", "", ""]
            style = "dim" if dry or command else None
            if several and score.candidate == nearest[metric]:
                style = "bold"
            end = several and i == len(scores) - 1 and not left_out
            rows.append(_Row([screen.spell(c) for c in cells], end, style))
        if left_out:
            rows.append(_Row(["", f"{left_out:,} more", "", "", "", ""], True, "dim"))
    return rows


def _print_rows(rows: list[_Row], screen: Screen) -> dict[str, str]:
    """The table, and below it what shortened names stand for; name → what stands for it."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.verdict import LONGEST_NAME

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
    elif not screen.tty:
        wide = min(longest, LONGEST_NAME)
        screen.console.width, room = screen.width + max(wide - room, 0), wide
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
    _explain(shown, screen)
    return shown


def _explain(shown: dict[str, str], screen: Screen, indent: str = "") -> None:
    """What shortened names stand for."""
    for name, short in shown.items():
        if short != name:
            screen.say(f"{indent}{short} is {name}")


def _print_stacked(rows: Sequence[_Row], shown: dict[str, str], screen: Screen) -> None:
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
    if any(row.cells[1].endswith(" more") and not row.cells[2] for row in rows):
        out.append(
            f"of many sets the {sparklines.SHOWN_OF_MANY} nearest of each metric are shown (↑: the highest); "
            "all of them: --html F, --json F or --csv F"
        )
    out.append(" · ".join([*words, "more on a metric: synvid-eval explain NAME"]))
    if any(s.corrected is not None for s in comparison.scores):
        out.append("* corrected for the bias of few clips, as its interval is")
    if any(is_random(s.metric) for s in comparison.scores):
        out.append(f"{_RANDOM} {RANDOM}")
    return out


def _clips(comparison: Comparison, screen: Screen) -> list[str]:
    """How many clips each side has, where the column that says it is left out."""
    from synvid_eval.verdict import short_name

    if screen.width >= _WITH_CLIPS:
        return []
    each: dict[int, list[str]] = {}
    for side in comparison.candidates:
        each.setdefault(side.clips, []).append(side.name)
    counts = f"{min(each):,} to {max(each):,} a set" if each else ""
    if len(each) == 1:
        counts = f"{min(each):,} a set" if len(comparison.candidates) > 1 else f"{min(each):,}"
    elif len(comparison.candidates) <= 4:
        counts = ", ".join(f"{short_name(side.name)} {side.clips:,}" for side in comparison.candidates)
    return [f"clips: {', '.join(filter(None, [counts, f'reference {comparison.reference.clips:,}']))}"]


def _print_spectra(comparison: Comparison, screen: Screen, shown: dict[str, str]) -> None:
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
    _explain({name: short[name] for name in names if name in short and name not in shown}, screen, "  ")


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


def _cells(score: Score, last: int | None, first: bool) -> list[str]:
    """The cells of a row; last: the digit that the numbers of its metric end at, as a power of ten."""
    from synvid_eval.rounding import (
        arrow,
        bounds_at,
        finite,
        format_at,
        format_number,
        score_interval,
        typographic,
    )
    from synvid_eval.verdict import is_random

    own, floor = finite(score.detail.get("reference")), finite(score.detail.get("floor"))
    beside = ""
    if own is not None:
        beside = format_at(own, last)
    elif floor is not None:
        beside = f"floor {format_number(floor)}"
    corrected = finite(score.corrected)
    value = format_at(finite(score.value), last) if corrected is None else f"{format_at(corrected, last)}*"
    unit = f", {one_line(score.unit)}" if score.unit else ""
    sign = _RANDOM if is_random(score.metric) else ""
    return [
        f"{one_line(score.metric)}{sign} {arrow(score.better)}{unit}" if first else "",
        one_line(score.candidate),
        typographic(value),
        typographic(bounds_at(score_interval(score), last)) or "–",
        typographic(beside),
        f"{score.n['candidate']:,} / {score.n['reference']:,}",
    ]


def _missing(comparison: Comparison) -> list[str]:
    """What is missing and why: a line a reason with the metrics it is of, one a set that has skips."""
    from synvid_eval.score import metric_of
    from synvid_eval.verdict import (
        by_command,
        listed,
        short_name,
        why_no_difference,
        why_no_interval,
        why_no_value,
    )

    lines = []
    without: set[str] = set()
    for command, metrics in by_command(comparison).items():
        lines.append(one_line(f"{', '.join(metrics)}: need{'s'[len(metrics) > 1 :]} weights: {command}"))
        without.update(metrics)
    # sentence → its metrics; a metric's own name in it is a sign, or no two metrics had the same sentence
    no_value: dict[str, list[str]] = {}
    no_interval: dict[str, list[str]] = {}
    no_difference: dict[str, list[str]] = {}
    reference = comparison.reference.name
    for metric in comparison.metrics():
        scores = [s for s in comparison.scores if s.metric == metric and metric not in without]
        for why, names in why_no_value([s for s in scores if s.reason], reference).items():
            no_value.setdefault(f"{listed(names)}: {why}", []).append(metric)
        bare = [s for s in scores if not s.reason and s.interval is None]
        for why in why_no_interval(bare, reference, _ITSELF):
            no_interval.setdefault(why, []).append(metric)
        for why in why_no_difference(scores, reference, _ITSELF):
            no_difference.setdefault(why, []).append(metric)
    kinds = (
        ("no value", no_value),
        ("no interval", no_interval),
        ("no interval of the difference", no_difference),
    )
    for kind, found in kinds:
        for why, metrics in found.items():
            who = metric_of(metrics[0]) if len(metrics) == 1 else "each"
            lines.append(one_line(f"{', '.join(metrics)}: {kind}: {why.replace(_ITSELF, who)}."))
    for side in [*comparison.candidates, comparison.reference]:
        if side.skipped:
            first = "; ".join(f"{s['id']}: {s['reason']}" for s in side.skipped[:3])
            more = f"; and {len(side.skipped) - 3} more" if len(side.skipped) > 3 else ""
            lines.append(one_line(f"{short_name(side.name)}: {len(side.skipped)} skipped: {first}{more}"))
    return lines
