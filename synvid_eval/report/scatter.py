"""Scatters of accuracy against a metric: a large one with every set named, a small one, residuals, and what
leaving out each set does to a coefficient.

A family is told by color and shape together (see `svg.marker`). To keep a page of a dozen metrics small, a
family's marks are one path, of which a script makes an element a set (`data-sets` says which); so are their
bars, and the lines that lead to names. What a script moves when the axis becomes a logarithmic one stands in
`data-log` of the large scatter: per mark, in the order of the picture, how many px it moves, the ends of its
bar, its name (x, y, 1 where the text ends there), the end of the line to it (nothing for none).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from synvid_eval.report import labels, svg

WIDTH, HEIGHT = 1040.0, 520.0  # px, of the large scatter's plot with its axes
LEFT, RIGHT, TOP = 52.0, 1032.0, 10.0
ALL_NAMED = 60  # sets up to which every one is named
MOST_NAMED = 40  # of more sets, those farthest from the line are
CROWD = 150  # sets from which on marks are small
LEGEND = 24  # families in a legend
FAMILY = 22  # characters of a family's name in a legend
_CELL = 166.0  # px, a legend's column
_SMALL = (232.0, 132.0)
_CURVE = 48  # steps of a curve


@dataclass(frozen=True)
class Mark:
    """A set in a plot: its tag, the index of its family (color and shape), metric and accuracy with their
    standard deviations, 0 where none is known. least: what the metric cannot fall below.
    """

    tag: str
    name: str
    index: int
    x: float
    y: float
    wide: float = 0.0
    high: float = 0.0
    least: float = -math.inf

    @property
    def across(self) -> tuple[float, float]:
        """The ends of the metric's bar."""
        return min(self.x, max(self.x - self.wide, self.least)), self.x + self.wide


@dataclass(frozen=True)
class Line:
    """y = at 0 + slope · x, by least squares."""

    slope: float
    zero: float

    def __call__(self, x: float) -> float:
        """Its height at x."""
        return self.zero + self.slope * x


@dataclass(frozen=True)
class Plot:
    """A picture, and how many of its sets are named where not all are."""

    svg: Markup
    named: int | None = None


def line_of(marks: Sequence[Mark]) -> Line | None:
    """The least-squares line; None below 3 marks or where x does not vary."""
    n = len(marks)
    if n < 3:
        return None
    x, y = math.fsum(m.x for m in marks) / n, math.fsum(m.y for m in marks) / n
    spread = math.fsum((m.x - x) ** 2 for m in marks)
    if not spread > 1e-24 * max(m.x**2 for m in marks):
        return None
    slope = math.fsum((m.x - x) * (m.y - y) for m in marks) / spread
    return Line(slope, y - slope * x)


def parabola_of(marks: Sequence[Mark]) -> Callable[[float], float] | None:
    """The least-squares parabola; None below 4 marks or three values of x."""
    if len(marks) < 4 or len({m.x for m in marks}) < 3:
        return None
    import numpy as np

    x = np.array([m.x for m in marks])
    middle, scale = float(x.mean()), float(x.std())
    if not scale > 0:
        return None
    a, b, c = (float(v) for v in np.polyfit((x - middle) / scale, np.array([m.y for m in marks]), 2))

    def curve(at: float) -> float:
        z = (at - middle) / scale
        return (a * z + b) * z + c

    return curve


def large(
    identity: str,
    title: str,
    description: str,
    marks: Sequence[Mark],
    label: str,
    *,
    band: tuple[float, float] | None = None,
    families: Sequence[tuple[int, str]] = (),
    curve: Callable[[float], float] | None = None,
    line: bool = True,
    single: bool = False,
) -> Plot:
    """The large scatter.

    label: the metric and its unit. band: accuracies that are shaded. families: (index, name) of the legend.
    curve: drawn beside the line. single: whether each set is an element of its own, as on a comparison's
    page; then the axis is a linear one.
    """
    marks = sorted(marks, key=lambda m: (m.index, m.x, m.y))
    y = svg.spanning((m.y + side * m.high for m in marks for side in (-1, 1)), HEIGHT - 44, TOP, pad=0.05)
    across = [end for m in marks for end in m.across]
    linear = svg.spanning(across, LEFT, RIGHT, pad=0.03)
    fitted = line_of(marks) if line else None
    shown = _named(marks, fitted)
    placed = _placed(marks, shown, linear, y)
    body = [_band(band, y), _y_axis(y, "accuracy [%]"), _x_axis(linear, y, "onlin"), _title(label)]
    curves = [c for c in (fitted, curve) if c is not None]
    body.append(svg.group([_curve(c, marks, linear, y) for c in curves], class_="onlin"))
    low, high = min(m.x for m in marks), max(m.x for m in marks)
    log = not single and low > 0 and high > low
    data = None
    if log:
        # all marks are held; a bar that reaches far below them, or below 0, ends at the axis
        bent = svg.spanning([low, *(v for v in across if v >= low / 3)], LEFT, RIGHT, pad=0.03, log=True)
        body.append(_x_axis(bent, y, "onlog"))
        body.append(svg.group([_curve(c, marks, bent, y, log=True) for c in curves], class_="onlog"))
        moved = _placed(marks, shown, bent, y)
        data = ";".join(_moved(m, linear, bent, moved.get(i)) for i, m in enumerate(marks))
    legend, tall = _legend(families)
    places = [(linear(m.x), y(m.y)) for m in marks]
    radius = 4.5 if len(marks) <= CROWD else 2.5
    points = (_each if single else _points)(marks, places, placed, radius, (linear, y))
    attributes = {"data_log": data} if data is not None else {}
    drawn = svg.figure(
        identity,
        title,
        description,
        WIDTH,
        HEIGHT + tall,
        [*body, legend],
        [points],
        kind="scatter",
        **attributes,
    )
    return Plot(drawn, len(shown) if len(shown) < len(marks) else None)


def small(
    title: str, marks: Sequence[Mark], band: tuple[float, float] | None = None, *, single: bool = False
) -> Markup:
    """A scatter to glance at: marks, line, band; no numbers, as they stand beside it.

    single: as in `large`; then there is no line.
    """
    width, height = _SMALL
    y = svg.spanning((m.y for m in marks), height - 7, 7, pad=0.03)
    x = svg.spanning((m.x for m in marks), 7, width - 7, pad=0.02)
    fitted = None if single else line_of(marks)
    pieces = [svg.element("path", d=svg.rectangle(0.5, 0.5, width - 1, height - 1), class_="frame")]
    if band is not None:
        top, bottom = max(1.0, y(band[1])), min(height - 1, y(band[0]))
        if bottom > top:
            pieces.append(
                svg.element("path", d=svg.rectangle(1, top, width - 2, bottom - top), class_="inband")
            )
    if fitted is not None:
        pieces.append(_curve(fitted, marks, x, y))
    marks = sorted(marks, key=lambda m: m.index)
    pieces.append((_each if single else _points)(marks, [(x(m.x), y(m.y)) for m in marks], {}, 3))
    return svg.element(
        "svg",
        svg.element("title", title),
        *pieces,
        viewBox=f"0 0 {svg.coordinate(width)} {svg.coordinate(height)}",
        role="img",
        class_="small-scatter",
    )


def residuals(
    identity: str, title: str, description: str, marks: Sequence[Mark], label: str, names: int = 3
) -> Markup | None:
    """How far each set lies above or below the line; the farthest are named. None without a line."""
    fitted = line_of(marks)
    if fitted is None:
        return None
    moved = [replace(m, y=m.y - fitted(m.x), high=0.0, wide=0.0) for m in marks]
    moved.sort(key=lambda m: (m.index, m.x))
    width, height, left = 380.0, 236.0, 46.0
    y = svg.spanning([*(m.y for m in moved), 0.0], height - 44, 8, pad=0.08)
    x = svg.spanning((m.x for m in moved), left, width - 8, pad=0.03)
    far = sorted(range(len(moved)), key=lambda i: -abs(moved[i].y))[:names]
    texts = [labels.wrapped(moved[i].name) for i in far]
    places = [(x(m.x), y(m.y)) for m in moved]
    put = labels.place([places[i] for i in far], texts, (left, 2, width - 2, y.start - 1), (), places)
    zero = svg.coordinate(y(0.0))
    body = [
        svg.axes(x, y, labels.shortened(label, 50), "accuracy − line"),
        svg.element("path", d=f"M{svg.coordinate(x.start)} {zero}H{svg.coordinate(x.end)}", class_="zero"),
    ]
    radius = 3.5 if len(moved) <= CROWD else 2.0
    points = _points(moved, places, dict(zip(far, put, strict=True)), radius)
    return svg.figure(identity, title, description, width, height, body, [points], kind="scatter")


@dataclass(frozen=True)
class Lane:
    """A coefficient with each set left out: its name, what it is of all sets, (mark, value) of each, the tags
    of those that are named.
    """

    name: str
    whole: float
    each: Sequence[tuple[Mark, float]]
    named: Sequence[str]


def influence(identity: str, title: str, description: str, lanes: Sequence[Lane]) -> Markup:
    """Dots at the coefficient without each set, a lane a coefficient, piled up where they coincide."""
    width, left, deep = 380.0, 46.0, 92.0
    values = [v for lane in lanes for _, v in lane.each] + [lane.whole for lane in lanes]
    x = svg.spanning(values, left, width - 10, pad=0.06)
    height = 8 + deep * len(lanes) + 40
    body = [svg.axes(x, None, "coefficient without one set", top=6, bottom=height - 40)]
    points: list[str] = []
    for row, lane in enumerate(lanes):
        bottom = 8 + deep * (row + 1) - 8
        at = svg.coordinate(x(lane.whole))
        body.append(
            svg.element("path", d=f"M{at} {svg.coordinate(bottom + 6)}V{svg.coordinate(bottom - deep + 14)}",
                        class_="whole")
        )  # fmt: skip
        body.append(
            svg.element("text", lane.name, x=left - 8, y=bottom - 2, class_="label", text_anchor="end")
        )
        if row:
            above = svg.coordinate(bottom - deep + 8)
            body.append(
                svg.element("path", d=f"M{svg.coordinate(left)} {above}H{svg.coordinate(width - 10)}",
                            class_="frame")
            )  # fmt: skip
        each = sorted(lane.each, key=lambda pair: pair[1])
        step = min(6.5, (deep - 40) / max(1, *_piles(x, each)))
        ordered = sorted(
            ((mark, (x(v), bottom - step * k)) for (mark, v), k in zip(each, _piles(x, each), strict=True)),
            key=lambda pair: (pair[0].index, pair[1]),
        )
        places = [place for _, place in ordered]
        told = [i for i, (mark, _) in enumerate(ordered) if mark.tag in lane.named]
        texts = [labels.wrapped(ordered[i][0].name) for i in told]
        room = (left, bottom - deep + 10, width - 2, bottom + 9)
        put = dict(zip(told, labels.place([places[i] for i in told], texts, room, (), places), strict=True))
        points.append(_points([mark for mark, _ in ordered], places, put, 3.2))
    return svg.figure(identity, title, description, width, height, body, points, kind="influence")


def _piles(x: svg.Scale, each: Sequence[tuple[Mark, float]]) -> list[int]:
    """How many dots lie below each where they coincide."""
    seen: dict[int, int] = {}
    found = []
    for _, value in each:
        column = round(x(value) / 6.5)
        found.append(seen.get(column, 0))
        seen[column] = found[-1] + 1
    return found


def _named(marks: Sequence[Mark], fitted: Line | None) -> list[int]:
    """Positions of the marks that get a name."""
    if len(marks) <= ALL_NAMED:
        return list(range(len(marks)))
    middle = math.fsum(m.y for m in marks) / len(marks)
    away = [abs(m.y - (fitted(m.x) if fitted else middle)) for m in marks]
    return sorted(sorted(range(len(marks)), key=lambda i: -away[i])[:MOST_NAMED])


def _placed(
    marks: Sequence[Mark], shown: Sequence[int], x: svg.Scale, y: svg.Scale
) -> dict[int, labels.Label]:
    places = [(x(m.x), y(m.y)) for m in marks]
    texts = [labels.wrapped(marks[i].name) for i in shown]
    room = (LEFT + 1, 1.0, WIDTH - 2, y.start - 1)
    put = labels.place([places[i] for i in shown], texts, room, (), places)
    return dict(zip(shown, put, strict=True))


def _points(
    marks: Sequence[Mark],
    places: Sequence[tuple[float, float]],
    put: Mapping[int, labels.Label],
    radius: float,
    scales: tuple[svg.Scale, svg.Scale] | None = None,
) -> Markup:
    """Marks that are in the order of their families, with their names; bars where there are scales."""
    leaders = "".join(
        f"M{_at(places[i])}L{_at(one.leader)}" if one.leader else f"M{_at(places[i])}"
        for i, one in put.items()
    )
    pieces: list[str] = []
    if "L" in leaders:
        pieces.append(svg.element("path", d=leaders, class_="leader"))
    for index, numbers in itertools.groupby(range(len(marks)), key=lambda i: marks[i].index):
        own = list(numbers)
        inside: list[str] = [
            svg.element("path", d="".join(svg.piece(*places[i], index, radius) for i in own))
        ]
        if scales is not None:
            inside += _bars([marks[i] for i in own], *scales)
        tags = " ".join(marks[i].tag for i in own)
        pieces.append(svg.group(inside, class_=svg.points_class(index), data_sets=tags))
    names = [_name(marks[i].name, one) for i, one in put.items()]
    if names:
        tags = " ".join(marks[i].tag for i in put)
        pieces.append(svg.group(names, class_="labels", data_sets=tags))
    return svg.group(pieces, class_="marks")


def _each(
    marks: Sequence[Mark],
    places: Sequence[tuple[float, float]],
    put: Mapping[int, labels.Label],
    radius: float,
    scales: tuple[svg.Scale, svg.Scale] | None = None,
) -> Markup:
    """The same as `_points` with an element a set."""
    drawn = []
    for i, mark in enumerate(marks):
        one = put.get(i)
        inside = _points([mark], [places[i]], {} if one is None else {0: one}, radius, scales)
        drawn.append(svg.group([inside], data_set=mark.tag))
    return svg.group(drawn)


def _name(name: str, place: labels.Label) -> Markup:
    first, *more = labels.wrapped(name).split("\n")
    below = [svg.element("tspan", line, x=place.x, dy=labels.LINE) for line in more]
    anchor = "end" if place.end else None
    return svg.element("text", first, *below, x=place.x, y=place.y, text_anchor=anchor)


def _at(place: tuple[float, float]) -> str:
    return f"{svg.coordinate(place[0])} {svg.coordinate(place[1])}"


def _bars(marks: Sequence[Mark], x: svg.Scale, y: svg.Scale) -> list[str]:
    """Paths of the bars of some marks, a piece a mark."""
    found: list[str] = []
    if any(m.wide for m in marks):
        ends = [[min(max(x(end), x.start), x.end) for end in m.across] for m in marks]
        across = (
            f"M{_at((low, y(m.y)))}H{svg.coordinate(high)}"
            for m, (low, high) in zip(marks, ends, strict=True)
        )
        found.append(svg.element("path", d="".join(across), class_="spread"))
    if any(m.high for m in marks):
        up = (f"M{_at((x(m.x), y(m.y + m.high)))}V{svg.coordinate(y(m.y - m.high))}" for m in marks)
        found.append(svg.element("path", d="".join(up), class_="seeds"))
    return found


def _moved(mark: Mark, linear: svg.Scale, x: svg.Scale, put: labels.Label | None) -> str:
    """See the module's docstring."""

    def held(value: float) -> float:
        return min(max(x(value), x.start), x.end) if value > 0 else x.start

    numbers: list[float] = [x(mark.x) - linear(mark.x), *map(held, mark.across)]
    if put is not None:
        numbers += [put.x, put.y, float(put.end)]
        numbers += list(put.leader) if put.leader is not None else []
    return " ".join(map(svg.coordinate, numbers))


def _band(band: tuple[float, float] | None, y: svg.Scale) -> Markup:
    if band is None:
        return Markup("")
    top, bottom = max(y.end, y(band[1])), min(y.start, y(band[0]))
    if bottom <= top:
        return Markup("")
    return svg.element("path", d=svg.rectangle(LEFT, top, RIGHT - LEFT, bottom - top), class_="inband")


def _y_axis(y: svg.Scale, label: str) -> Markup:
    lines, texts = "", []
    for value, text in y.ticks():
        at = y(value)
        lines += f"M{svg.coordinate(LEFT)} {svg.coordinate(at)}H{svg.coordinate(RIGHT)}"
        texts.append(svg.element("text", text, x=LEFT - 6, y=at + 4))
    title = svg.y_title(label, 12, (y.start + y.end) / 2)
    grid = svg.group([svg.element("path", d=lines)], class_="grid")
    return svg.group([grid, svg.group(texts, text_anchor="end", class_="text"), title])


def _x_axis(x: svg.Scale, y: svg.Scale, kind: str) -> Markup:
    ticks = x.ticks(7)
    if x.log and len(ticks) < 3:
        # less than a decade has too few of 1, 2, 5
        ticks = [t for t in svg.Scale(x.low, x.high, x.start, x.end).ticks(7) if t[0] > 0]
    lines, texts = "", []
    for value, text in ticks:
        at = x(value)
        lines += f"M{svg.coordinate(at)} {svg.coordinate(y.start)}V{svg.coordinate(y.end)}"
        texts.append(svg.element("text", text, x=at, y=y.start + 16))
    grid = svg.group([svg.element("path", d=lines)], class_="grid")
    return svg.group([grid, svg.group(texts, text_anchor="middle", class_="text")], class_=kind)


def _title(label: str) -> Markup:
    return svg.x_title(labels.shortened(label, 80), (LEFT + RIGHT) / 2, HEIGHT - 9)


def _curve(
    curve: Callable[[float], float], marks: Sequence[Mark], x: svg.Scale, y: svg.Scale, *, log: bool = False
) -> Markup:
    low, high = min(m.x for m in marks), max(m.x for m in marks)
    straight = isinstance(curve, Line)
    if isinstance(curve, Line) and curve.slope:
        # where it leaves the plot above or below
        ends = sorted((level - curve.zero) / curve.slope for level in (y.low, y.high))
        low, high = max(low, ends[0]), min(high, ends[1])
        if not low < high:
            return Markup("")
    steps = 1 if straight and not log else _CURVE
    top, bottom = min(y.start, y.end), max(y.start, y.end)
    path, pen = "", "M"
    for k in range(steps + 1):
        at = low * (high / low) ** (k / steps) if log else low + (high - low) * k / steps
        level = y(curve(at))
        if not top - 0.5 <= level <= bottom + 0.5:
            pen = "M"
            continue
        path += f"{pen}{svg.coordinate(x(at))} {svg.coordinate(level)}"
        pen = "L"
    return svg.element("path", d=path, class_="fit" if straight else "fit bent") if path else Markup("")


def _legend(families: Sequence[tuple[int, str]]) -> tuple[Markup, float]:
    if not families:
        return Markup(""), 0.0
    shown = families[:LEGEND]
    columns = 6
    pieces = []
    for k, (index, name) in enumerate(shown):
        x, y = 12 + (k % columns) * (_CELL + 6), HEIGHT + 12 + 18 * (k // columns)
        text = svg.element("text", labels.shortened(name, FAMILY), x=x + 14, y=y + 4)
        pieces.append(svg.group([svg.marker(x, y, index, 4.5), text], data_family=str(index)))
    rows = math.ceil(len(shown) / columns)
    if len(shown) < len(families):
        more = f"and {len(families) - len(shown)} more families"
        pieces.append(svg.element("text", more, x=26, y=HEIGHT + 16 + 18 * rows))
        rows += 1
    return svg.group(pieces, class_="text legend"), 18.0 * rows + 10
