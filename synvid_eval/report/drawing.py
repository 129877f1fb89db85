"""What all pictures of a metric share: the sets, their scores and media, and how hostile data are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from synvid_eval.errors import one_line
from synvid_eval.report import svg
from synvid_eval.rounding import MISSING, finite, format_number, typographic
from synvid_eval.score import Score

WIDTH = 380.0  # px, a picture's own width: text keeps its size on a phone
LEFT, RIGHT = 52.0, 370.0  # px, of a plot with tick labels on its left
MARGIN = 56.0  # px on the left of panels
PANELS = 12  # sets drawn in panels of their own
TOGETHER = 3  # sets whose clips are drawn in one plot
COLUMNS = 11  # of numbers in a table, so that it fits on a sheet
CROWD = 12  # sets of which curves have colors; of more, only the nearest and the farthest have
MANY = 8  # sets from which on curves are thin and bands left out

Pair = tuple[float, float]


@dataclass(frozen=True)
class Shown:
    """A set as the pictures need it; `index` is None for the reference."""

    name: str
    short: str
    index: int | None


@dataclass(frozen=True)
class Figure:
    """A picture with its title, a sentence or two that say how to read it, and its numbers as a table."""

    id: str
    title: str
    caption: str
    svg: Markup
    head: list[str]
    rows: list[list[str]]


class View:
    """One metric's scores and media, by set."""

    def __init__(
        self,
        label: str,
        identity: str,
        scores: Sequence[Score],
        media: Any,
        sets: Sequence[Shown],
        reference: Shown,
    ) -> None:
        self.label, self.id, self.reference, self.sets = label, identity, reference, list(sets)
        by_name = {s.name: s for s in reversed(self.sets)}
        first: dict[str, Score] = {}
        for score in scores:
            first.setdefault(score.candidate, score)
        self.scores = [(by_name[name], score) for name, score in first.items() if name in by_name]
        self._sets = mapping(mapping(media).get("sets"))
        self.axes = mapping(mapping(media).get("axes"))
        self.everyone = [reference, *self.sets]

    def media(self, shown: Shown) -> Mapping[str, Any]:
        """What the media hold of a set, perhaps nothing."""
        return mapping(self._sets.get(shown.name))

    def of_reference(self, read: Callable[[Mapping[str, Any]], Any]) -> Any:
        """What `read` finds of the reference in the details of the first score that has it, or None."""
        return next((found for _, s in self.scores if (found := read(mapping(s.detail)))), None)

    def nearest(self, members: Sequence[Shown], limit: int = PANELS) -> tuple[list[Shown], str]:
        """Those of `members` that are drawn where there is room for `limit`, in their order, and a sentence
        for the caption; empty where all are drawn.
        """
        if len(members) <= limit:
            return list(members), ""
        away = {shown.name: _away(score) for shown, score in self.scores}
        order = sorted(members, key=lambda m: away.get(m.name, math.inf))
        told = any(math.isfinite(away.get(m.name, math.inf)) for m in members)
        kept = {m.name for m in order[:limit]}
        which = f"The {limit} nearest" if told else f"The first {limit}"
        sentence = f"{which} of {len(members)} sets are drawn; all are in the table."
        return [m for m in members if m.name in kept], sentence

    def ends(self) -> list[Shown]:
        """The nearest and the farthest set; of richness those with the highest and the lowest value."""
        found = [(shown, _away(s) if s.better != "higher" else finite(s.value)) for shown, s in self.scores]
        known = sorted(
            ((v, k, shown) for k, (shown, v) in enumerate(found) if v is not None and math.isfinite(v)),
            key=lambda t: t[:2],
        )
        return [known[0][2], known[-1][2]] if known else [shown for shown, _ in self.scores[:2]]

    def axis(self, key: str, otherwise: str, longest: int = 52) -> str:
        """What an axis shows, in the media's words or else in ours."""
        text = self.axes.get(key)
        return _brief(text, longest) if isinstance(text, str) and text.strip() else otherwise


def _away(score: Score) -> float:
    """How far a score lies from the reference's; ∞ where it is no nearness or no number."""
    value = finite(score.value)
    if value is None or score.better == "higher":
        return math.inf
    if score.better == "lower":
        return value
    difference, own = (finite(mapping(score.detail).get(k)) for k in ("difference", "reference"))
    if difference is not None:
        return abs(difference)
    return math.inf if own is None else abs(value - own)


# Reading hostile data.


def mapping(value: Any) -> Mapping[str, Any]:
    """`value`, or an empty mapping where it is none."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """`value`, or an empty list where it is none."""
    return value if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """A number that can be drawn: finite, at most 1e15 in size; below 1e-30 it is 0."""
    number = finite(value)
    if number is None or abs(number) > 1e15:
        return None
    return 0.0 if abs(number) < 1e-30 else number


def numbers_of(value: Any) -> list[float | None]:
    """A list's numbers, None for each that cannot be drawn; empty for what is no list."""
    return [number(v) for v in items(value)]


def exactly(value: Any, length: int) -> list[float] | None:
    """A list of exactly that many numbers, or None."""
    found = [v for v in numbers_of(value) if v is not None]
    return found if len(found) == length == len(items(value)) else None


def _brief(text: str, longest: int) -> str:
    text = one_line(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def say(value: float | None) -> str:
    """A number as tables and labels show it."""
    return typographic(format_number(value))


def percent(share: float | None) -> str:
    """A share of 1 in per cent."""
    return MISSING if share is None else f"{say(100 * share)} %"


def sentences(*parts: str) -> str:
    """The parts that are not empty, one after the other."""
    return " ".join(p for p in parts if p)


def legend_of(shown: Iterable[Shown], top: float) -> tuple[Markup, float]:
    """(markup, height in px) of a legend as wide as a picture."""
    return svg.legend([(s.index, s.short) for s in shown], 8, top, WIDTH - 16)


# Panels: one small plot a set, all with the same axes.


@dataclass(frozen=True)
class Grid:
    """Where small plots stand: left upper corners in px, the size of each, and where the last row ends."""

    corners: list[Pair]
    width: float
    height: float
    titles: list[Markup]
    bottom: float
    columns: int


def grid_of(members: Sequence[Shown], ratio: float, margin: float, gap: float = 8.0) -> Grid:
    """Places for small plots, width : height = 1 : ratio, the sets' names above them; `margin` px on the
    left.
    """
    columns = 1 if len(members) == 1 else 2 if len(members) <= 4 else 3
    width = (RIGHT + 2 - margin - gap * (columns - 1)) / columns
    if columns == 1:
        width = min(width, 300.0)
    height = width * ratio
    corners, titles = [], []
    top = 4.0
    for start in range(0, len(members), columns):
        row = members[start : start + columns]
        lines = [svg.wrap(m.short, width - 16) for m in row]
        deepest = max(map(len, lines))
        for k, (member, words) in enumerate(zip(row, lines, strict=True)):
            left = margin + k * (width + gap)
            first = top + 16 * (deepest - len(words))
            pieces = [svg.marker(left + 5, first + 8, member.index, 4)]
            pieces += [
                svg.element("text", w, x=left + 14, y=first + 12 + 16 * n, class_="label")
                for n, w in enumerate(words)
            ]
            titles.append(svg.series(member.index, pieces))
            corners.append((left, top + 16 * deepest + 3))
        top += 16 * deepest + 3 + height + gap
    return Grid(corners, width, height, titles, top - gap, columns)


def inset(place: Pair, width: float, height: float, pieces: Iterable[str]) -> Markup:
    """A small plot that cuts off what lies outside; its own px begin at its corner."""
    frame = svg.element("path", d=svg.rectangle(0, 0, width, height), class_="frame")
    return svg.element(
        "svg", *pieces, frame, x=place[0], y=place[1], width=width, height=height, class_="inset"
    )
