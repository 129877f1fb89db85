"""A few SVG pieces for the pages: scales, axes, curves, markers, ellipses, legends.

Everything returns escaped, compact markup that depends on the arguments alone. Colors come from classes (`c0`
… `c7`, `ref`, `ink`) that the page's style sheet sets for light and dark; dashes are presentation attributes,
since a page's Content-Security-Policy blocks `style="…"`. A series is told by color, dash and marker, whose
periods 8, 5 and 7 have no common factor, so that none of 200 series looks like another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from synvid_eval.errors import one_line
from synvid_eval.rounding import typographic

COLORS = 8
_DASHES = ("", "6 3", "2 2", "9 3 2 3", "12 4")
_MARKERS = ("circle", "square", "triangle", "diamond", "cross", "plus", "down")
FONT = 12
_GLYPH = 0.6  # mean advance of a system font in em, on the wide side, so that a legend's line is never cut


def coordinate(value: float) -> str:
    """A coordinate in px with at most one decimal, without a needless `.0` or minus."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """`<tag …>children</tag>`: children that are no Markup are escaped, `_` in attribute names becomes `-`.

    Attributes that are None are left out; `class_` is `class`; `viewBox` keeps its capital.
    """
    parts = []
    for key, value in attributes.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else coordinate(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(one_line(text))}"')
    inside = "".join(c if isinstance(c, Markup) else escape(one_line(c)) for c in children)
    return Markup(f"<{tag}{''.join(parts)}>{inside}</{tag}>" if inside else f"<{tag}{''.join(parts)}/>")


def group(pieces: Iterable[str], **attributes: str | float | None) -> Markup:
    """The pieces in one `<g>`."""
    return element("g", *pieces, **attributes)


@dataclass(frozen=True)
class Scale:
    """Data from low to high onto px from start to end, linear or logarithmic (then low > 0)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """`value` in px, held to the plot and a margin around it: no outlier makes a huge coordinate."""
        if self.log:
            value = max(value, self.low * 1e-3)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + min(4.0, max(-4.0, share)) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """(value, label) of round numbers inside the scale, about that many."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high, about)


def spanning(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    pad: float = 0.06,
    zero: bool = False,
    log: bool = False,
) -> Scale:
    """A Scale over all `values` with a margin; over a unit around them where they are all equal, 0 to 1 for
    none.
    """
    seen = [v for v in values if math.isfinite(v)]
    if zero:
        seen.append(0.0)
    if log:
        low, high = min(seen), max(seen)
        margin = max((high / low) ** pad, 1.05)
        return Scale(low / margin, high * margin, start, end, True)
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        reach = abs(high) * 0.5 or 0.5
        low, high = (0.0, 2 * reach) if zero else (low - reach, high + reach)
    margin = (high - low) * pad
    return Scale(
        low if zero and low == 0 else low - margin, high if zero and high == 0 else high + margin, start, end
    )


def _linear_ticks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.75)
    exponent = math.floor(math.log10(step) + 1e-9)
    decimals = max(0, -exponent) + (1 if abs(step / 10.0**exponent - 2.5) < 0.1 else 0)
    first = math.ceil(low / step - 1e-9)
    values = [(first + i) * step for i in range(math.floor(high / step + 1e-9) - first + 1)]
    return [(v, _tick_label(v, decimals)) for v in values]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    out = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for m in (1, 2, 5):
            value = m * 10.0**power
            if low * 0.999 <= value <= high * 1.001:
                out.append((value, _tick_label(value, max(0, -power))))
    tens = [t for t in out if f"{t[0]:e}".startswith("1.")]
    return out if len(out) <= 7 or len(tens) < 3 else tens


def _tick_label(value: float, decimals: int) -> str:
    if value and not 1e-4 <= abs(value) < 1e6:
        digits, power = f"{value:.1e}".split("e")
        return typographic(f"{digits.removesuffix('.0')}e{int(power)}")
    text = f"{value:.{decimals}f}"
    return "0" if float(text) == 0 else typographic(text)


def axes(
    x: Scale, y: Scale | None, x_label: str, y_label: str = "", *, top: float = 0, bottom: float = 0
) -> Markup:
    """Grid lines, tick labels and titles of both axes, under a plot from y.end (top) to y.start (bottom).

    Without a y scale (rows of bars) the plot goes from `top` to `bottom`, px.
    """
    if y is not None:
        top, bottom = y.end, y.start
    grid = ""
    below: list[str] = []
    beside: list[str] = []
    for value, label in x.ticks():
        at = x(value)
        grid += f"M{coordinate(at)} {coordinate(bottom)}V{coordinate(top)}"
        below.append(element("text", label, x=at, y=bottom + 16))
    below.append(x_title(x_label, (x.start + x.end) / 2, bottom + 33))
    if y is not None:
        for value, label in y.ticks():
            at = y(value)
            grid += f"M{coordinate(x.start)} {coordinate(at)}H{coordinate(x.end)}"
            beside.append(element("text", label, x=x.start - 6, y=at + 4))
        if y_label:
            below.append(y_title(y_label, 12, (y.start + y.end) / 2))
    text = [group(below, text_anchor="middle"), group(beside, text_anchor="end")]
    lines = group([element("path", d=grid)], class_="grid")
    return Markup("").join([lines, group(text, class_="text")])


def x_title(label: str, middle: float, y: float) -> Markup:
    """The title of a horizontal axis, centered at `middle`, its baseline at `y` px."""
    return element("text", label, x=middle, y=y, class_="label", text_anchor="middle")


def y_title(label: str, x: float, middle: float) -> Markup:
    """The title of a vertical axis, read from below, its baseline at `x` px."""
    turn = f"rotate(-90 {coordinate(x)} {coordinate(middle)})"
    return element("text", label, x=x, y=middle, text_anchor="middle", class_="label", transform=turn)


def series_class(index: int | None) -> str:
    """The color class of series `index`; None is the reference."""
    return "ref" if index is None else f"c{index % COLORS}"


def dash(index: int | None) -> str | None:
    """The dash of series `index`; the reference's line is solid (and thick)."""
    return None if index is None else _DASHES[index % len(_DASHES)] or None


def polyline(points: Sequence[tuple[float, float] | None], index: int | None) -> Markup:
    """A curve through `points` in px, broken where a point is None."""
    path: list[str] = []
    last: tuple[int, int] | None = None
    for point in points:
        if point is None:
            last = None
            continue
        # In steps of tenths from the last rounded place: shorter than places, and errors do not add up.
        here = round(10 * point[0]), round(10 * point[1])
        if last is None:
            pen, step = "M", here
        else:
            pen, step = "l" if path[-3] == "M" else "", (here[0] - last[0], here[1] - last[1])
        x, y = (coordinate(v / 10) for v in step)
        path += [pen or ("" if x[0] == "-" else " "), x, y if y[0] == "-" else f" {y}"]
        last = here
    return element(
        "path", d="".join(path), class_=f"line {series_class(index)}", stroke_dasharray=dash(index)
    )


def _mark(x: float, y: float, index: int | None, r: float) -> tuple[str, dict[str, str | float]]:
    """Tag and attributes of the marker of series `index`, in as few bytes as may be."""
    shape = "circle" if index is None else _MARKERS[index % len(_MARKERS)]
    if shape == "circle":
        return "circle", {"cx": x, "cy": y, "r": r}
    s = coordinate(r)
    d = coordinate(2 * r)
    left, top = coordinate(x - r), coordinate(y - r)
    paths = {
        "square": f"M{left} {top}h{d}v{d}h-{d}z",
        "triangle": f"M{coordinate(x)} {top}l{s} {d}h-{d}z",
        "down": f"M{coordinate(x)} {coordinate(y + r)}l{s}-{d}h-{d}z",
        "diamond": f"M{coordinate(x)} {top}l{s} {s}-{s} {s}-{s}-{s}z",
        "cross": f"M{left} {top}l{d} {d}m0-{d}l-{d} {d}",
        "plus": f"M{coordinate(x)} {top}v{d}m-{s}-{s}h{d}",
    }
    return "path", {"d": paths[shape]}


def _stroked(index: int | None) -> bool:
    return index is not None and _MARKERS[index % len(_MARKERS)] in ("cross", "plus")


def marker(x: float, y: float, index: int | None, radius: float = 4) -> Markup:
    """The marker of series `index` at (x, y) px; the reference's is a ring."""
    tag, attributes = _mark(x, y, index, radius)
    kind = "ring" if index is None else "stroke" if _stroked(index) else "dot"
    return element(tag, class_=f"{kind} {series_class(index)}", **attributes)


def piece(x: float, y: float, index: int | None, radius: float) -> str:
    """The marker of series `index` as a piece of a path that begins with `M`."""
    tag, found = _mark(x, y, index, radius)
    if tag != "circle":
        return str(found["d"])
    r = coordinate(radius)
    return f"M{coordinate(x)} {coordinate(y - radius)}a{r} {r} 0 1 1-.1 0z"


def points_class(index: int | None) -> str:
    """The classes of a `<g>` of such pieces."""
    shape = "rings" if index is None else "strokes" if _stroked(index) else "dots"
    return f"points {shape} {series_class(index)}"


def points(
    places: Iterable[tuple[int, float, float]], index: int | None, radius: float = 3, **attributes: str
) -> Markup:
    """Many small marks of one series as one path in a `<g>`, each (position of its clip, x, y in px) a piece
    of it that begins with `M`, of which a script makes an element of its own.

    `data-clips` of the group holds the positions in the order of the marks, since a page may have thousands.
    """
    path, positions = "", []
    for clip, x, y in places:
        path += piece(x, y, index, radius)
        positions.append(str(clip))
    return group(
        [element("path", d=path)],
        class_=points_class(index),
        data_set=series_name(index),
        data_clips=" ".join(positions),
        **attributes,
    )


def series_name(index: int | None) -> str:
    """What `data-set` holds: the number of a series, or `ref`."""
    return "ref" if index is None else str(index)


def series(index: int | None, pieces: Iterable[str], **attributes: str) -> Markup:
    """The pieces of one series in a `<g data-set>`, so that a script can dim all others."""
    return group(pieces, data_set=series_name(index), **attributes)


def area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    """The path data between two curves in px, both from left to right."""
    places = [*upper, *reversed(lower)]
    text = "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in places)
    return f"M{text}z" if places else ""


def rectangle(left: float, top: float, width: float, height: float) -> str:
    """The path data of a rectangle, px."""
    w, h = coordinate(width), coordinate(height)
    return f"M{coordinate(left)} {coordinate(top)}h{w}v{h}h-{w}z"


def ellipse(
    center: tuple[float, float], covariance: tuple[float, float, float], x: Scale, y: Scale, index: int | None
) -> Markup:
    """The 1-sigma ellipse of a normal distribution on scales of one px a unit ratio.

    covariance: (variance of x, covariance, variance of y), units of the data squared; a negative eigenvalue,
    which only a foreign file can hold, is drawn as 0.
    """
    xx, xy, yy = covariance
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    radii = [math.sqrt(max(0.0, middle + sign * spread)) for sign in (1, -1)]
    angle = -math.degrees(math.atan2(2 * xy, xx - yy) / 2)
    px = abs((x.end - x.start) / (x.high - x.low))
    cx, cy = x(center[0]), y(center[1])
    return element(
        "ellipse",
        cx=cx,
        cy=cy,
        rx=min(radii[0] * px, 9999.0),
        ry=min(radii[1] * px, 9999.0),
        transform=f"rotate({coordinate(angle)} {coordinate(cx)} {coordinate(cy)})",
        class_=f"line {series_class(index)}",
        stroke_dasharray=dash(index),
    )


def wrap(label: str, width: float) -> list[str]:
    """`label` in lines no wider than `width` px, broken anywhere if it must be: nothing is ever cut off."""
    room = max(4, int(width / (FONT * _GLYPH)))
    text = one_line(label)
    lines: list[str] = []
    while len(text) > room:
        cut = max(text.rfind(c, room // 2, room) for c in " _-/.")
        cut = room if cut < 0 else cut + 1
        lines.append(text[:cut])
        text = text[cut:]
    return [*lines, text]


def legend(
    labels: Sequence[tuple[int | None, str]], left: float, top: float, width: float
) -> tuple[Markup, float]:
    """(markup, height in px) of a legend, one entry a series, in two columns where all labels are short."""
    room = width / 2 - 40
    columns = 2 if len(labels) > 1 and all(len(wrap(label, room)) == 1 for _, label in labels) else 1
    cell = width / columns
    pieces: list[str] = []
    heights = [top] * columns
    # Down the columns, as one reads; a column is as long as the first that fills half of the entries.
    per_column = math.ceil(len(labels) / columns) if labels else 0
    for position, (index, label) in enumerate(labels):
        column = position // per_column
        x, y = left + column * cell, heights[column]
        entry = [polyline([(x, y + 8), (x + 24, y + 8)], index), marker(x + 12, y + 8, index, 3.5)]
        for line in wrap(label, cell - 40):
            entry.append(element("text", line, x=x + 32, y=heights[column] + 12))
            heights[column] += 16
        pieces.append(series(index, entry))
        heights[column] += 2
    return group(pieces, class_="text legend"), max(heights) - top


def figure(
    name: str,
    title: str,
    description: str,
    width: float,
    height: float,
    body: Iterable[str],
    marks: Iterable[str] = (),
    *,
    kind: str = "",
    **attributes: str,
) -> Markup:
    """One `<svg role="img">` with a title and a description; `name` is its id in the page.

    marks: groups of marks that a script makes buttons of. Nothing inside of an image can be one, so with them
    the `<svg>` is a group of which `body` is hidden from screen readers. kind: further classes.
    """
    marks = list(marks)
    if marks:
        return element(
            "svg",
            element("desc", description, id=f"{name}-d"),
            group(body, aria_hidden="true"),
            *marks,
            role="group",
            id=name,
            viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
            aria_label=title,
            aria_describedby=f"{name}-d",
            class_=f"figure {kind}".strip(),
            **attributes,
        )
    return element(
        "svg",
        element("title", title, id=f"{name}-t"),
        element("desc", description, id=f"{name}-d"),
        *body,
        role="img",
        id=name,
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        aria_labelledby=f"{name}-t {name}-d",
        class_=f"figure {kind}".strip(),
        **attributes,
    )


def strip(
    scale: Scale,
    point: float | None,
    interval: tuple[float, float] | None,
    index: int | None,
    *,
    hollow: float | None = None,
    lines: Sequence[float] = (),
    height: float = 20,
) -> Markup:
    """A table row's small picture, hidden from screen readers, since its numbers stand in the row.

    point, interval: a marker on its whisker; hollow: an uncorrected value; lines: floor or reference, dashed.
    """
    middle = height / 2
    kind = series_class(index)
    pieces: list[str] = [
        element("path", d=f"M{coordinate(scale(v))} 0V{coordinate(height)}", class_="rule") for v in lines
    ]
    if interval is not None:
        low, high = scale(interval[0]), scale(interval[1])
        path = f"M{coordinate(low)} {coordinate(middle)}H{coordinate(high)}"
        caps = "".join(f"M{coordinate(at)} {coordinate(middle - 4)}v8" for at in (low, high))
        pieces.append(element("path", d=path + caps, class_=f"whisker {kind}"))
    if hollow is not None:
        pieces.append(element("circle", cx=scale(hollow), cy=middle, r=3, class_=f"ring {kind}"))
    if point is not None:
        pieces.append(marker(scale(point), middle, index, 4))
    return _hidden(pieces, scale, height)


def strip_axis(scale: Scale) -> Markup:
    """The axis over a column of strips: ticks and labels, hidden from screen readers."""
    pieces: list[str] = []
    ticks = scale.ticks(3)
    for value, label in ticks if len(ticks) > 1 else scale.ticks(6):
        at = scale(value)
        anchor = "start" if at < 10 else "end" if at > scale.end - 10 else "middle"
        pieces.append(element("text", label, x=at, y=10, text_anchor=anchor))
        pieces.append(element("path", d=f"M{coordinate(at)} 14v5", class_="tick"))
    return _hidden(pieces, scale, 20)


def _hidden(pieces: Iterable[str], scale: Scale, height: float) -> Markup:
    width = scale.end + 8
    return element(
        "svg",
        *pieces,
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        width=width,
        height=height,
        aria_hidden="true",
        focusable="false",
        class_="strip",
    )
