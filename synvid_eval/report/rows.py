"""Tables of a comparison's page: its sets, the columns of a metric, one row a set, small pictures in rows.

Rows stand in the order of their numbers (nearest or highest first, what could not be measured last); the
numbers by which a table is sorted in the browser are those by which the verdict ranks.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from synvid_eval import rounding, verdict
from synvid_eval.errors import one_line
from synvid_eval.report import svg
from synvid_eval.rounding import (
    MISSING,
    finite,
    finite_pair,
    format_bounds,
    format_number,
    last_digit,
    shown_digit,
    typographic,
)
from synvid_eval.score import Score, SetFacts

_STRIP = 190.0  # px, the width of the pictures in table rows
_RANKING = 230.0  # px, of a verdict's picture of all sets
_LANES = 5  # lines of a verdict's picture; more sets than that share them
_SHORT = 10  # characters of a name that needs no place to break
_TOP = 3  # sets named in a verdict's order
_NAMED = 3  # sets named in a note; more are folded below it
_FACTS = 8  # columns of a table of the run


@dataclass(frozen=True)
class Set:
    """A side with what its rows need: the full name, a short one, and the little line that stands for it.

    index: its series (color, dash, marker); None is the reference. key: the swatch, which refers to `drawn`.
    """

    name: str
    short: str
    index: int | None
    key: Markup
    drawn: Markup
    location: str
    fingerprint: str
    clips: int
    frames: int
    skipped: list[dict[str, str]]

    @property
    def is_reference(self) -> bool:
        """Whether this is what the others are compared with."""
        return self.index is None

    @property
    def tag(self) -> str:
        """What stands in `data-set` of everything that shows this set."""
        return svg.series_name(self.index)


@dataclass(frozen=True)
class Cell:
    """A cell of a metric's table: text or a picture; sort: the number to sort by where it is not the first in
    the text, empty for none.
    """

    text: str = ""
    picture: Markup | None = None
    sort: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its title (or the axis of its pictures), what fills it, what stands in the reference's row,
    its class (none for plain numbers), whether the largest comes first (`near`: the nearest).
    """

    title: str
    cell: Callable[[Score], Cell]
    own: Cell = Cell()
    kind: str = ""
    axis: Markup | None = None
    descending: bool = False
    near: bool = False


@dataclass(frozen=True)
class Row:
    """One set's row in a metric's table: its cells, or the reason why it has none."""

    set: Set
    cells: list[Cell]
    reason: str
    clips: str
    best: str


@dataclass(frozen=True)
class Note:
    """What holds for a metric's sets, said once: a sentence, and the names that it leaves out."""

    text: str
    names: list[str]


@dataclass(frozen=True)
class Place:
    """A set in a verdict's order: its number as pages print it."""

    set: Set
    number: str


def name_markup(text: str) -> Markup:
    """A name as text apart from its surroundings' direction, with places to break after `_`, `-`, `/` and
    `.`.
    """
    line = one_line(text)
    # A short name fits on a line; thousands of places to break would only slow the page.
    parts = [line] if len(line) <= _SHORT else re.split(r"(?<=[_\-/.])", line)
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(p for p in parts if p))


def side(facts: SetFacts, index: int | None) -> Set:
    """A set of the comparison as its rows need it; index None is the reference."""
    tag = svg.series_name(index)
    use = svg.element("use", href=f"#key-{tag}")
    key = svg.element("svg", use, aria_hidden="true", class_="swatch")
    skipped = [{"id": s.get("id", ""), "reason": s.get("reason", "")} for s in facts.skipped]
    short = verdict.short_name(facts.name)
    # Drawn once in the page; every swatch refers to it.
    drawn = svg.group([svg.polyline([(0, 5), (26, 5)], index), svg.marker(13, 5, index, 4)], id=f"key-{tag}")
    return Set(
        facts.name,
        short,
        index,
        key,
        drawn,
        facts.location,
        facts.fingerprint,
        facts.clips,
        facts.frames,
        skipped,
    )


def rank_point(score: Score) -> float | None:
    """The number by which the verdict ranks: the distance (corrected where it is), the size of the difference
    from the reference, or the richness; None where there is none.
    """
    if finite(score.value) is None:
        return None
    if score.better == "match":
        difference = finite(verdict.signed_difference(score))
        return None if difference is None else abs(difference)
    corrected = finite(score.corrected)
    return finite(score.value) if corrected is None else corrected


def ranked(scores: Iterable[Score]) -> list[Score]:
    """Scores in the order of their numbers, nearest or highest first; those without one last."""

    def place(score: Score) -> tuple[bool, float]:
        point = rank_point(score)
        return point is None, 0.0 if point is None else -point if score.better == "higher" else point

    return sorted(scores, key=place)


def sortable(value: float | None) -> str:
    """A number for a table to be sorted by in the browser; empty for none."""
    return "" if value is None else f"{value:.9g}"


def row(score: Score, owner: Set, columns: Sequence[Column], best: str) -> Row:
    """The row of a score under `columns`."""
    measured = finite(score.value) is not None
    return Row(
        set=owner,
        cells=[column.cell(score) for column in columns] if measured else [],
        reason="" if measured else _briefly(score.reason or "no reason given", score.candidate),
        clips=str(score.n["candidate"]),
        best=best,
    )


def column_digit(scores: Iterable[Score]) -> int | None:
    """The power of ten of the last digit that the numbers of one column share: that of the row in the middle;
    None where the numbers are too far apart for one, or there are none.
    """
    digits = []
    for score in scores:
        value = finite(score.value)
        if value is not None:
            last = last_digit(bounds(score))
            digits.append(shown_digit(score) if last is None else last)
            if digits[-1] is None:
                digits[-1] = _third_digit(value)
    known = [d for d in digits if d is not None]
    return None if not known or max(known) - min(known) > 3 else statistics.median_low(known)


def _third_digit(value: float) -> int | None:
    """The power of ten of a number's third significant digit; None for 0 and what is written with a power."""
    exponent = int(f"{value:.2e}".split("e")[1])
    return exponent - 2 if value and -3 <= exponent < 6 else None


def columns(scores: Sequence[Score], better: str, sets: Mapping[str, Set]) -> tuple[list[Column], str]:
    """The columns that some row fills, and what the small pictures show."""
    level = " / ".join(f"{100 * v:.3g} %" for v in sorted({s.level for s in scores})) or "95 %"
    picture, key = _strips(scores, better, sets)
    down = better == "higher"
    last = column_digit(scores)
    beside, called = (floor, "Floor") if better == "lower" else (reference_own, "Reference’s own")
    digit = None if better == "lower" else last
    shared = list(dict.fromkeys(v for s in scores if (v := beside(s)) is not None))
    own = Cell()
    if len(shared) == 1:
        number = typographic(format_number(shared[0], digit))
        own = Cell(f"floor {number}" if better == "lower" else number)
    found = [
        Column(
            "Distance" if better == "lower" else "Value",
            lambda s: Cell(typographic(format_number(finite(s.value), last))),
            own,
            descending=down,
        )
    ]
    if any(s.corrected is not None for s in scores):
        found.append(
            Column(
                "Corrected",
                lambda s: Cell(typographic(format_number(finite(s.corrected), last))),
                kind="corrected",
                descending=down,
            )
        )
    found.append(Column(f"{level} interval", _interval_cell, kind="interval"))
    if picture is not None:
        found.append(picture)
    # What is the same for all stands once, in the reference's row.
    if len(shared) > 1:
        found.append(Column(called, lambda s: Cell(typographic(format_number(beside(s), digit))), kind="own"))
    if better == "match":
        found.append(Column("Difference", _difference_cell(scores), kind="difference", near=True))
    clips = list(dict.fromkeys(s.n["reference"] for s in scores))
    of_reference = Cell(str(clips[0])) if len(clips) == 1 else Cell()
    found.append(
        Column(
            "Clips" if len(clips) == 1 else "Clips / reference’s",
            lambda s: Cell(str(s.n["candidate"]) if len(clips) == 1 else _clips(s)),
            of_reference,
            kind="clips",
        )
    )
    return found, key


def _strips(scores: Sequence[Score], better: str, sets: Mapping[str, Set]) -> tuple[Column | None, str]:
    """The column of small pictures on one scale, with its legend in words; None where there is nothing to
    draw.
    """
    scale = _scale(scores, better, _STRIP)
    if scale is None:
        return None, ""
    beside = _beside(better)

    def cell(score: Score) -> Cell:
        corrected, value = finite(score.corrected), finite(score.value)
        line = beside(score)
        drawn = svg.strip(
            scale,
            value if corrected is None else corrected,
            bounds(score),
            sets[score.candidate].index,
            hollow=None if corrected is None else value,
            lines=[] if line is None else [line],
        )
        return Cell(picture=drawn)

    words = [
        "Marker: " + ("the corrected value" if any(s.corrected is not None for s in scores) else "the value")
    ]
    if any(bounds(s) for s in scores):
        words.append("whisker: its interval")
    if any(s.corrected is not None for s in scores):
        words.append("ring: the uncorrected value")
    if any(beside(s) is not None for s in scores):
        floors = "the floor (two halves of the reference against each other; for orientation, no test)"
        words.append("dashed: " + (floors if better == "lower" else "the reference’s own value"))
    if better == "lower" and any((floor(s) or 0) < 0 for s in scores):
        words.append("an unbiased floor may fall below 0")
    words += ["logarithmic scale"] if scale.log else []
    axis = svg.strip_axis(scale)
    lines = [v for v in dict.fromkeys(beside(s) for s in scores) if v is not None]
    own = Cell(picture=svg.strip(scale, None, None, None, lines=lines)) if lines else Cell()
    return Column("Picture of the row", cell, own, "picture", axis), "; ".join(words) + "."


def ranking(scores: Sequence[Score], better: str, sets: Mapping[str, Set]) -> Markup | None:
    """All sets of a metric on one scale with their intervals, beside the floor or the reference's own value:
    a verdict's small picture, hidden from screen readers, since the tables hold its numbers.
    """
    scale = _scale(scores, better, _RANKING)
    if scale is None:
        return None
    order = [s for s in ranked(scores) if finite(s.value) is not None]
    lanes = min(len(order), _LANES)
    height = 8.0 * lanes + 6
    beside = _beside(better)
    lines = [v for v in dict.fromkeys(beside(s) for s in order) if v is not None]
    pieces: list[str] = [
        svg.element("path", d=f"M{svg.coordinate(scale(v))} 0V{svg.coordinate(height)}", class_="rule")
        for v in lines
    ]
    last = column_digit(order)
    # The first on top, so that the answer is never hidden behind the others.
    for place, score in reversed(list(enumerate(order))):
        owner, span = sets[score.candidate], bounds(score)
        middle = 7 + 8.0 * (place % lanes)
        corrected = finite(score.corrected)
        point = finite(score.value) if corrected is None else corrected
        inside: list[str] = [svg.element("title", f"{owner.short} {main_number(score, last)}")]
        if span is not None:
            low, high = svg.coordinate(scale(span[0])), svg.coordinate(scale(span[1]))
            path = f"M{low} {svg.coordinate(middle)}H{high}"
            inside.append(svg.element("path", d=path, class_=f"whisker {svg.series_class(owner.index)}"))
        if point is not None:
            inside.append(svg.marker(scale(point), middle, owner.index, 3.5))
        pieces.append(svg.group(inside, data_set=owner.tag))
    pieces.append(_ends(scale, lines, "floor" if better == "lower" else sets_word(better), height))
    return svg.element(
        "svg",
        *pieces,
        viewBox=f"0 0 {svg.coordinate(scale.end + 8)} {svg.coordinate(height + 17)}",
        width=scale.end + 8,
        height=height + 17,
        aria_hidden="true",
        class_="strip ranking",
    )


def sets_word(better: str) -> str:
    """What the dashed line of a picture is called."""
    return "reference" if better == "match" else ""


def _ends(scale: svg.Scale, lines: Sequence[float], word: str, height: float) -> Markup:
    """A line under a picture with round numbers near its ends, and the name of its dashed line."""
    base = height + 2
    path = f"M{svg.coordinate(scale.start)} {svg.coordinate(base)}H{svg.coordinate(scale.end)}"
    pieces: list[str] = [svg.element("path", d=path, class_="tick")]
    taken: list[tuple[float, float]] = []

    def write(text: str, at: float, **more: str) -> None:
        half = 3.2 * len(text)
        middle = min(max(at, half), scale.end + 8 - half)
        if all(middle + half < low or middle - half > high for low, high in taken):
            taken.append((middle - half - 4, middle + half + 4))
            pieces.append(svg.element("text", text, x=middle, y=base + 12, text_anchor="middle", **more))

    for value in lines[:1]:
        write(f"{word} {typographic(format_number(value))}".strip(), scale(value), class_="label")
    ticks = scale.ticks(4)
    for value, label in (*ticks[:1], *ticks[-1:]):
        write(label, scale(value))
    return svg.group(pieces)


def _beside(better: str) -> Callable[[Score], float | None]:
    # Richness is not read against the reference's: its line would invite just that.
    return {"lower": floor, "match": reference_own}.get(better, lambda _: None)


def _scale(scores: Sequence[Score], better: str, width: float) -> svg.Scale | None:
    """One scale for values, intervals and floors (or the reference's own value); None without a value."""
    beside = _beside(better)
    values: list[float] = []
    for s in scores:
        found = (finite(s.value), finite(s.corrected), beside(s), *(bounds(s) or ()))
        values += [v for v in found if v is not None]
    points = [v for s in scores if (v := finite(s.value)) is not None]
    if not points:
        return None
    # A distance is read from 0; where the largest is 50 times the smallest, only a log scale shows them all.
    log = better != "match" and min(values) > 0 and max(points) > 50 * min(points)
    return svg.spanning(values, 8, width, zero=better == "lower" and not log, log=log)


def main_value(score: Score, last: int | None) -> str:
    """The corrected value where there is one, else the value, down to the digit 10**last."""
    corrected = finite(score.corrected)
    return typographic(format_number(finite(score.value) if corrected is None else corrected, last))


def main_number(score: Score, last: int | None) -> str:
    """`main_value` with its interval, as pages print them."""
    return f"{main_value(score, last)} {typographic(rounding.format_interval(score))}".strip()


def order(scores: Sequence[Score], sets: Mapping[str, Set]) -> tuple[list[Place], int]:
    """The first of the sets by value, nearest or highest first, and how many more have one. A set's own
    number, even where sets are ranked by how far it is from the reference's.
    """
    found = [s for s in ranked(scores) if rank_point(s) is not None]
    last = column_digit(scores)
    first = found if len(found) <= _TOP + 1 else found[:_TOP]
    return [Place(sets[s.candidate], main_value(s, last)) for s in first], len(found) - len(first)


def bounds(score: Score) -> tuple[float, float] | None:
    """The score's interval; None where it has none."""
    return rounding.score_interval(score)


def reference_own(score: Score) -> float | None:
    """The reference's own value of a property; None where it is not known."""
    return finite(score.detail.get("reference"))


def floor(score: Score) -> float | None:
    """The distance between two halves of the reference; None where it is not known."""
    return finite(score.detail.get("floor"))


def own(scores: Sequence[Score], better: str) -> str:
    """What the reference's row says: the floor of a distance, its own value of a property."""
    for score in scores:
        if better == "lower" and floor(score) is not None:
            return f"floor {typographic(format_number(floor(score)))}"
        if better != "lower" and reference_own(score) is not None:
            return typographic(format_number(reference_own(score), column_digit(scores)))
    return MISSING


def beside(scores: Sequence[Score], better: str) -> str:
    """What a verdict's order is read against: the floor, or the reference's own value; empty for richness."""
    return "" if better == "higher" or own(scores, better) == MISSING else own(scores, better)


def cells(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table as lines of cells with tabs between, of which the script makes a table when it is unfolded:
    hundreds of them would make the page large and slow.
    """
    lines = [Markup("\t").join(escape(one_line(cell)) for cell in row) for row in (head, *rows)]
    return Markup("\n").join(lines)


def _interval_cell(score: Score) -> Cell:
    return Cell(typographic(rounding.format_interval(score)) or MISSING)


def _difference_cell(scores: Sequence[Score]) -> Callable[[Score], Cell]:
    intervals = [finite_pair(s.detail.get("difference_interval")) for s in scores]
    digits = [d for i in intervals if (d := last_digit(i)) is not None]
    last = statistics.median_low(digits) if digits else column_digit(scores)

    def cell(score: Score) -> Cell:
        interval = finite_pair(score.detail.get("difference_interval"))
        number = format_number(verdict.signed_difference(score), last)
        text = typographic(f"{number} {format_bounds(interval)}".strip())
        return Cell(text, sort=sortable(rank_point(score)))

    return cell


# What is said of many sets is said once.

_NUMBER = r"\d+(?:\.\d+)?"
_WHY = "No difference_interval: "
BLOCK = "A block is one of the 20 parts that a set’s clips fall into by a hash of their ids."


def notes(scores: Sequence[Score], reference: str) -> list[Note]:
    """The notes on a metric's sets and the reasons of those without an interval, each kind of them once."""
    said: list[tuple[str, str]] = []
    for score in scores:
        for text in texts(score.detail.get("notes")):
            said += [(score.candidate, clause) for clause in _clauses(text.partition(_WHY)[0])]
    found = _gathered(said, len(scores), reference)
    return found + why_not(scores, reference)


def why_not(scores: Sequence[Score], reference: str) -> list[Note]:
    """Why sets have no interval, or none of the difference by which they are ranked: each kind of reason
    once, one note for all that are short.
    """
    own: list[tuple[str, str]] = []
    of_difference: list[tuple[str, str]] = []
    measured = [s for s in scores if finite(s.value) is not None]
    for score in measured:
        mine: list[str] = []
        if bounds(score) is None:
            mine = _clauses(score.interval_reason or "no reason was given")
            own += [(score.candidate, clause) for clause in mine]
        if score.better == "match" and finite_pair(score.detail.get("difference_interval")) is None:
            told = [t.partition(_WHY)[2] for t in texts(score.detail.get("notes"))]
            clauses = dict.fromkeys(c for t in told for c in _clauses(t) if c not in mine)
            of_difference += [(score.candidate, clause) for clause in clauses]
    out = []
    for what, said in (("No interval", own), ("No interval of the difference", of_difference)):
        notes = _gathered(said, len(measured), reference)
        plain = [_after_no_interval(n.text) for n in notes if not n.names]
        out += [Note(f"{what}: {_after_no_interval(n.text)}", n.names) for n in notes if n.names]
        if plain:
            out.append(Note(f"{what}: {'; '.join(t.rstrip('.') for t in plain)}.", []))
    return out


def _after_no_interval(text: str) -> str:
    return re.sub(r"^(no interval(: | (?=below|above)))+", "", text, flags=re.IGNORECASE)


def _clauses(text: str) -> list[str]:
    return [c.rstrip(". ") for c in re.split(r"\.\s+", one_line(text)) if c.rstrip(". ")]


def _briefly(text: str, name: str) -> str:
    """A reason with a long name in it made short before it is cut."""
    return one_line(text).replace(one_line(name), verdict.short_name(name))


def grouped(said: Iterable[tuple[str, str]]) -> list[tuple[str, bool, list[str], list[str]]]:
    """(name, text) pairs by the kind of text, which the name in front of it and its numbers do not change:
    for each the text without the name, whether that stood in front, the names, the texts as they are.
    """
    kinds: dict[tuple[bool, str], tuple[list[str], list[str]]] = {}
    for name, text in said:
        line = one_line(name)
        own = text.startswith(f"{line} ")
        rest = text.removeprefix(f"{line} ") if own else text
        names, found = kinds.setdefault((own, re.sub(_NUMBER, "\0", rest)), ([], []))
        if name not in names:
            names.append(name)
            found.append(rest)
    return [(_merged(found), own, names, found) for (own, _), (names, found) in kinds.items()]


def _merged(found: Sequence[str]) -> str:
    """Texts that differ in numbers only as one, with `low–high` where the numbers differ."""
    columns = zip(*(re.findall(_NUMBER, text) for text in found), strict=True)
    spans = []
    for numbers in columns:
        low, high = min(numbers, key=float), max(numbers, key=float)
        spans.append(low if float(low) == float(high) else f"{low}–{high}")
    return re.sub(_NUMBER, lambda _: spans.pop(0), found[0])


def _gathered(said: Iterable[tuple[str, str]], everyone: int, reference: str) -> list[Note]:
    out = []
    short = verdict.short_name(reference)
    for text, own, names, _ in grouped(said):
        text = text.replace(one_line(reference), short) if reference else text
        shown = [verdict.short_name(n) for n in names]
        many = len(names) > _NAMED
        if not own:
            whose = "" if len(names) == everyone else f"{len(names)} of {everyone} sets: "
            out.append(Note(whose + text + ".", shown if whose and many else []))
            if whose and not many:
                out[-1] = Note(f"{', '.join(shown)}: {text}.", [])
            continue
        if len(names) > 1:
            text = re.sub(r"^(has|is|was|does) ", lambda m: _PLURAL[m[1]] + " ", text)
        who = f"{len(names)} sets" if many else ", ".join(shown)
        out.append(Note(f"{who} {text}.", shown if many else []))
    return out


_PLURAL = {"has": "have", "is": "are", "was": "were", "does": "do"}


def _clips(score: Score) -> str:
    return f"{score.n['candidate']} / {score.n['reference']}"


def texts(value: Any) -> list[str]:
    """Notes as a list of texts, however they were given: a text, a list, nothing."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [v if isinstance(v, str) else json.dumps(v) for v in value]
    return [value if isinstance(value, str) else json.dumps(value)]


def table_of(value: Any) -> bool:
    """Whether a fact of the run is a list of objects with the same keys, none of which holds more."""
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(v, dict) and v for v in value):
        return False
    keys = list(value[0])
    return len(keys) <= _FACTS and all(
        list(v) == keys and not any(isinstance(x, (list, dict)) for x in v.values()) for v in value
    )


def detail_text(value: Any) -> str:
    """A detail for the table of more numbers: numbers, short lists, text; empty for what is too long."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else format_number(finite(value))
    if isinstance(value, float):
        return format_number(finite(value))
    if isinstance(value, str):
        return value
    if isinstance(value, list) and 0 < len(value) <= 4:
        return ", ".join(detail_text(v) or MISSING for v in value)
    return ""
