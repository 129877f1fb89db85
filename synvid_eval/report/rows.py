"""Tables of a comparison's page: its sets, the columns of a metric, one row a set, small pictures in rows.

Rows stand in the order of their numbers (nearest or highest first, what could not be measured last); the
numbers by which a table is sorted in the browser are those by which the verdict ranks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

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
    """A cell of a metric's table: text or a picture; sort: the number to sort by, empty for none."""

    text: str = ""
    picture: Markup | None = None
    reason: bool = False
    sort: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its title (or the axis of its pictures), what fills it, whether the largest comes first."""

    title: str
    cell: Callable[[Score], Cell]
    numeric: bool = True
    axis: Markup | None = None
    descending: bool = False


@dataclass(frozen=True)
class Row:
    """One set's row in a metric's table: its cells, or the reason why it has none."""

    set: Set
    cells: list[Cell]
    reason: str
    clips: str
    best: str
    notes: list[str]


def name_markup(text: str) -> Markup:
    """A name as text apart from its surroundings' direction, with places to break after `_`, `-`, `/` and
    `.`.
    """
    parts = re.split(r"(?<=[_\-/.])", one_line(text))
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


def row(score: Score, owner: Set, columns: Sequence[Column], best: str, shared: Sequence[str]) -> Row:
    """The row of a score under `columns`; notes that all rows share (`shared`) are left out."""
    measured = finite(score.value) is not None
    return Row(
        set=owner,
        cells=[column.cell(score) for column in columns] if measured else [],
        reason="" if measured else (score.reason or "no reason given"),
        clips=_clips(score),
        best=best,
        notes=[n for n in texts(score.detail.get("notes")) if n not in shared],
    )


def columns(scores: Sequence[Score], better: str, sets: Mapping[str, Set]) -> tuple[list[Column], str]:
    """The columns that some row fills, and what the small pictures show."""
    level = " / ".join(f"{100 * v:.3g} %" for v in sorted({s.level for s in scores})) or "95 %"
    picture, key = _strips(scores, better, sets)
    down = better == "higher"
    found = [
        Column(
            "Distance" if better == "lower" else "Value",
            lambda s: _number(rounding.format_value(s), finite(s.value)),
            descending=down,
        )
    ]
    if any(s.corrected is not None for s in scores):
        found.append(
            Column(
                "Corrected",
                lambda s: _number(rounding.format_corrected(s) or MISSING, finite(s.corrected)),
                descending=down,
            )
        )
    found.append(Column(f"{level} interval", _interval_cell))
    if picture is not None:
        found.append(picture)
    if better != "lower" and any(reference_own(s) is not None for s in scores):
        found.append(
            Column(
                "Reference’s own",
                lambda s: _number(format_number(reference_own(s), shown_digit(s)), reference_own(s)),
            )
        )
    if better == "match":
        found.append(Column("Difference", _difference_cell))
    if better == "lower" or any(floor(s) is not None for s in scores):
        found.append(Column("Floor", lambda s: _number(format_number(floor(s)), floor(s))))
    found.append(
        Column("Clips / reference’s", lambda s: Cell(_clips(s), sort=sortable(finite(s.n["candidate"]))))
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
        return Cell(picture=drawn, sort=sortable(rank_point(score)))

    words = [
        "Marker: " + ("the corrected value" if any(s.corrected is not None for s in scores) else "the value")
    ]
    if any(bounds(s) for s in scores):
        words.append("whisker: its interval")
    if any(s.corrected is not None for s in scores):
        words.append("ring: the uncorrected value")
    if any(beside(s) is not None for s in scores):
        own = "the floor (two halves of the reference against each other; for orientation, no test)"
        words.append("dashed: " + (own if better == "lower" else "the reference’s own value"))
    if better == "lower" and any((floor(s) or 0) < 0 for s in scores):
        words.append("an unbiased floor may fall below 0")
    words += ["logarithmic scale"] if scale.log else []
    axis = svg.strip_axis(scale)
    return Column("Picture of the row", cell, numeric=False, axis=axis), "; ".join(words) + "."


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
    # The first on top, so that the answer is never hidden behind the others.
    for place, score in reversed(list(enumerate(order))):
        owner, span = sets[score.candidate], bounds(score)
        middle = 7 + 8.0 * (place % lanes)
        corrected = finite(score.corrected)
        point = finite(score.value) if corrected is None else corrected
        inside: list[str] = [svg.element("title", f"{owner.short} {main_number(score)}")]
        if span is not None:
            low, high = svg.coordinate(scale(span[0])), svg.coordinate(scale(span[1]))
            path = f"M{low} {svg.coordinate(middle)}H{high}"
            inside.append(svg.element("path", d=path, class_=f"whisker {svg.series_class(owner.index)}"))
        if point is not None:
            inside.append(svg.marker(scale(point), middle, owner.index, 3.5))
        pieces.append(svg.group(inside, data_set=owner.tag))
    return svg.element(
        "svg",
        *pieces,
        viewBox=f"0 0 {svg.coordinate(scale.end + 8)} {svg.coordinate(height)}",
        width=scale.end + 8,
        height=height,
        aria_hidden="true",
        focusable="false",
        class_="strip ranking",
    )


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


def main_number(score: Score) -> str:
    """The corrected value where there is one, else the value, with its interval, as pages print them."""
    number = rounding.format_corrected(score) or rounding.format_value(score)
    return typographic(f"{number} {rounding.format_interval(score)}".strip())


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
    digits = [d for s in scores if bounds(s) is None and (d := shown_digit(s)) is not None]
    for score in scores:
        if better == "lower" and floor(score) is not None:
            return f"floor {typographic(format_number(floor(score)))}"
        if better != "lower" and reference_own(score) is not None:
            last = min([d for d in [shown_digit(score)] if d is not None] + digits, default=None)
            return f"{typographic(format_number(reference_own(score), last))} itself"
    return MISSING


def _interval_cell(score: Score) -> Cell:
    text, span = rounding.format_interval(score), bounds(score)
    if not text or span is None:
        return Cell(verdict.interval_reason(score), reason=True)
    return _number(text, span[0])


def _difference_cell(score: Score) -> Cell:
    interval = finite_pair(score.detail.get("difference_interval"))
    number = format_number(verdict.signed_difference(score), last_digit(interval))
    return _number(f"{number} {format_bounds(interval)}".strip(), rank_point(score))


def _number(text: str, value: float | None = None) -> Cell:
    return Cell(typographic(text), sort=sortable(value))


def _clips(score: Score) -> str:
    return f"{score.n['candidate']} / {score.n['reference']}"


def texts(value: Any) -> list[str]:
    """Notes as a list of texts, however they were given: a text, a list, nothing."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [v if isinstance(v, str) else json.dumps(v) for v in value]
    return [value if isinstance(value, str) else json.dumps(value)]


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
