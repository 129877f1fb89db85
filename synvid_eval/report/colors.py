"""Pictures of colors: where a set's pixels lie in the a*b* plane, and how light they are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from synvid_eval.report import svg
from synvid_eval.report.curves import Curve, Plot, curves_picture
from synvid_eval.report.drawing import (
    MANY,
    MARGIN,
    RIGHT,
    TOGETHER,
    WIDTH,
    Figure,
    Shown,
    View,
    exactly,
    grid_of,
    inset,
    items,
    legend_of,
    mapping,
    number,
    numbers_of,
    percent,
    say,
    sentences,
)
from synvid_eval.rounding import MISSING

# Shares of pixels a cell of the a*b* plane from which on a layer is laid over it, and the layers' opacities.
_LEVELS = ((3e-4, "0.24"), (1.5e-3, "0.35"), (6e-3, "0.45"), (2e-2, "0.6"))
_LIGHTNESS = 64.0  # L* at which hues of the a*b* plane are shown


def _lightness(view: View) -> list[Figure]:
    """How the pixels are spread over L*."""
    curves, rows = [], []
    means = {s.name: c for s, c in _clouds(view)}
    for shown in view.everyone:
        shares = numbers_of(view.media(shown).get("lightness"))
        if not 2 <= len(shares) <= 1000 or any(v is None or v < 0 for v in shares):
            continue
        known = [v or 0.0 for v in shares]
        width = 100 / len(known)
        curves.append(Curve(shown, [(width * (k + 0.5), v) for k, v in enumerate(known)]))
        tenths = [0.0] * 10
        for k, v in enumerate(known):
            tenths[min(9, int((k + 0.5) * width / 10))] += v
        cloud = means.get(shown.name)
        own = [say(cloud.mean[0]), say(cloud.sigma(0))] if cloud else [MISSING, MISSING]
        rows.append([shown.name, *own, *map(percent, tenths)])
    if not curves:
        return []
    # One color that fills a background would press all other curves flat.
    peaks = sorted(max(v for _, v in c.points) for c in curves)
    beside = [max(v for _, v in c.points) for c in curves if c.shown.index is None]
    usual = beside[0] if beside and beside[0] > 0 else statistics.median_low(peaks)
    ceiling = 2.5 * usual if peaks[-1] > 2.5 * usual > 0 else None
    cut = []
    for curve in curves:
        at, peak = max(curve.points, key=lambda p: p[1])
        if ceiling is not None and peak > ceiling:
            cut.append(f"{curve.shown.short} ({percent(peak)} at L* {at:.0f})")
    plot = Plot(
        "Lightness",
        sentences(
            "Where the pixels of each set lie between black and white.",
            f"Higher than the plot: {', '.join(cut[:6])}{' and others' if len(cut) > 6 else ''}."
            if cut
            else "",
        ),
        "L*   (0 black … 100 white)",
        f"share of pixels a bin of {100 / len(curves[0].points):.3g}",
        zero=True,
        ceiling=ceiling,
        filled=True,
        height=180,
    )
    few = sum(c.shown.index is not None for c in curves) <= TOGETHER
    head = ["Set", "mean L*", "deviation", *(f"L* {10 * k}–{10 * k + 10}" for k in range(10))]
    name = f"{view.id}-lightness"
    if few:
        return [Figure(name, plot.title, plot.caption, curves_picture(name, plot, curves), head, rows)]
    near, rest = view.nearest([c.shown for c in curves if c.shown.index is not None])
    drawn = [c for c in curves if c.shown.index is None or c.shown in near]
    filled = "Filled: the reference’s." if any(c.shown.index is None for c in drawn) else ""
    picture = _lightness_panels(name, plot, drawn)
    return [Figure(name, plot.title, sentences(plot.caption, filled, rest), picture, head, rows)]


def _lightness_panels(name: str, plot: Plot, curves: Sequence[Curve]) -> Markup:
    """One panel a set, its profile over the reference's area; all panels have the same axes."""
    grid = grid_of([c.shown for c in curves], 0.55, MARGIN)
    highest = max(v for c in curves for _, v in c.points)
    highest = highest if plot.ceiling is None else min(highest, plot.ceiling)
    x = svg.Scale(0, 100, 0, grid.width)
    y = svg.Scale(0, highest * 1.05 or 1.0, grid.height, 0)
    own = next((c for c in curves if c.shown.index is None), None)
    definitions: list[Markup] = []
    if own is not None:
        places = [(x(u), y(v)) for u, v in own.points]
        ground = [(px, grid.height) for px, _ in (places[0], places[-1])]
        hill = svg.element("path", d=svg.area(places, ground), class_="ground", id=f"{name}-own")
        definitions.append(svg.element("defs", hill))
    panels: list[Markup] = []
    for curve, place in zip(curves, grid.corners, strict=True):
        pieces: list[Markup] = []
        if own is not None:
            pieces.append(svg.element("use", href=f"#{name}-own"))
        pieces.append(svg.polyline([(x(u), max(0.0, y(v))) for u, v in curve.points], curve.shown.index))
        panels.append(svg.series(curve.shown.index, [inset(place, grid.width, grid.height, pieces)]))
    ticks: list[Markup] = []
    for k, (left, top) in enumerate(grid.corners):
        if k % grid.columns == 0:
            for value, label in y.ticks(2):
                at = top + y(value) + 4
                ticks.append(svg.element("text", label, x=left - 5, y=at, text_anchor="end"))
        if k + grid.columns >= len(curves):
            for value, label in ((0, "0"), (50, "50"), (100, "100")):
                anchor = "start" if value == 0 else "end" if value == 100 else "middle"
                below = top + grid.height + 15
                ticks.append(svg.element("text", label, x=left + x(value), y=below, text_anchor=anchor))
    ticks.append(svg.x_title(plot.x_label, (MARGIN + RIGHT) / 2, grid.bottom + 34))
    ticks.append(svg.y_title("share of pixels", 12, max(grid.bottom / 2, 80)))
    body = [*definitions, svg.group([*grid.titles, *ticks], class_="text"), *panels]
    text = f"{plot.title}: one panel a set. The table holds the numbers."
    return svg.figure(name, plot.title, text, WIDTH, grid.bottom + 42, body)


@dataclass(frozen=True)
class _Cloud:
    """A normal distribution in L*a*b*: mean [3] and covariance [9], row-major, units of L*a*b* (squared)."""

    mean: list[float]
    covariance: list[float]

    def sigma(self, axis: int) -> float:
        """Standard deviation along an axis; 0 for a negative variance, which only a foreign file can hold."""
        return math.sqrt(max(0.0, self.covariance[4 * axis]))

    def ellipse(self, x: svg.Scale, y: svg.Scale, index: int | None) -> Markup:
        """One standard deviation in the a*b* plane."""
        spread = self.covariance[4], self.covariance[5], self.covariance[8]
        return svg.ellipse((self.mean[1], self.mean[2]), spread, x, y, index)


def _cloud(detail: Mapping[str, Any], prefix: str) -> _Cloud | None:
    covariance = detail.get(f"{prefix}covariance")
    if isinstance(covariance, list) and len(covariance) == 3 and all(isinstance(r, list) for r in covariance):
        covariance = [v for r in covariance for v in r]
    first, second = exactly(detail.get(f"{prefix}mean"), 3), exactly(covariance, 9)
    return None if first is None or second is None else _Cloud(first, second)


def _clouds(view: View) -> list[tuple[Shown, _Cloud]]:
    """The sets that have a mean and a covariance of colors, the reference first."""
    own = view.of_reference(lambda d: _cloud(d, "reference_"))
    out = [(view.reference, own)] if own else []
    for shown, score in view.scores:
        cloud = _cloud(mapping(score.detail), "")
        if cloud is not None:
            out.append((shown, cloud))
    return out


_PIXELS = 10_000  # what the counts of a plane are of


@dataclass(frozen=True)
class _Density:
    """Shares of pixels in square cells of the a*b* plane: (column, row) → share; rows go up with b*."""

    low: float
    width: float
    cells: dict[tuple[int, int], float]


def _density(value: Any) -> _Density | None:
    """Counts as the media give them, or None where they are odd or empty."""
    found = mapping(value)
    low, width, size = (number(found.get(k)) for k in ("low", "width", "size"))
    if low is None or width is None or size is None or not 0 < width <= 1000 or not 1 <= size <= 256:
        return None
    if abs(low) > 1e4 or size != int(size):
        return None
    cells: dict[tuple[int, int], float] = {}
    for run in items(found.get("counts")):
        first, *counts = [number(n) for n in items(run)] or [None]
        if first is None or first != int(first):
            continue
        for cell, count in enumerate(counts, int(first)):
            if 0 <= cell < size * size and count is not None and count > 0:
                row, column = divmod(cell, int(size))
                cells[column, row] = min(1.0, count / _PIXELS)
    return _Density(low, width, cells) if cells else None


def colors(view: View) -> list[Figure]:
    """Where the colors of each set lie in the a*b* plane."""
    clouds = {s.name: (s, c) for s, c in reversed(_clouds(view))}
    densities: dict[str, _Density] = {}
    for shown in view.everyone:
        density = _density(view.media(shown).get("ab"))
        # All in the geometry of the first: cells of two sizes cannot be compared by eye.
        if density and all((d.low, d.width) == (density.low, density.width) for d in densities.values()):
            densities[shown.name] = density
    members = [s for s in view.everyone if s.name in densities or s.name in clouds]
    if not members:
        return []
    head = ["Set", "mean a*", "mean b*", "deviation a*", "deviation b*", "covariance a*b*"]
    rows = []
    for shown in members:
        if shown.name in clouds:
            cloud = clouds[shown.name][1]
            numbers = (cloud.mean[1], cloud.mean[2], cloud.sigma(1), cloud.sigma(2), cloud.covariance[5])
            rows.append([shown.name, *map(say, numbers)])
        else:
            rows.append([shown.name, *[MISSING] * 5])
    name = f"{view.id}-colors"
    if densities:
        title = "Colors in the a*b* plane"
        near, rest = view.nearest([m for m in members if m.index is not None])
        drawn = [m for m in members if m.index is None] + near
        around = "Ellipses: one standard deviation around the mean (thick: the reference’s)."
        caption = sentences("The fuller a color, the more pixels have it.", around if clouds else "", rest)
        means = {k: c for k, (_, c) in clouds.items()}
        picture = _color_panels(name, title, drawn, densities, means, means.get(view.reference.name))
    else:
        title = "Colors in the a*b* plane: mean and one standard deviation"
        caption = "A mark is the mean color of a set, its ellipse one standard deviation around it."
        picture = _color_plane(name, title, [clouds[m.name] for m in members])
    out = [Figure(name, title, caption, picture, head, rows)]
    profile = _lightness(view)
    return out + (profile or _lightness_bars(view, [clouds[m.name] for m in members if m.name in clouds]))


def _color_panels(
    name: str,
    title: str,
    members: Sequence[Shown],
    densities: Mapping[str, _Density],
    clouds: Mapping[str, _Cloud],
    reference: _Cloud | None,
) -> Markup:
    """One panel a set: hues of the plane seen through a mask as dense as the set's pixels."""
    here = [densities[m.name] for m in members if m.name in densities]
    first = here[0] if here else next(iter(densities.values()))
    # What a set shows; where all shares are below the lowest level, all there is.
    seen = {cell for d in here for cell, share in d.cells.items() if share >= _LEVELS[0][0]}
    seen = seen or {cell for d in here for cell in d.cells} or set(first.cells)
    low = [min(c[k] for c in seen) for k in (0, 1)]
    high = [max(c[k] for c in seen) + 1 for k in (0, 1)]
    # A square window with a cell of air around.
    side = max(high[k] - low[k] for k in (0, 1)) + 2
    corner = [math.floor((low[k] + high[k] - side) / 2) for k in (0, 1)]
    grid = grid_of(members, 1.0, MARGIN)
    scale = grid.width / side
    edges = [first.low + first.width * c for c in corner]
    x = svg.Scale(edges[0], edges[0] + first.width * side, 0, grid.width)
    y = svg.Scale(edges[1], edges[1] + first.width * side, grid.height, 0)

    def runs(cells: Iterable[tuple[int, int]], step: int = 1) -> str:
        """Runs of cells as strokes that are `step` wide, in units of a cell from the window's upper left
        corner, half a stroke higher than they lie.
        """
        text, ordered = "", sorted(cells, key=lambda c: (-c[1], c[0]))
        start, pen = 0, (0, 0)
        for k, (column, row) in enumerate(ordered):
            if k + 1 < len(ordered) and ordered[k + 1] == (column + step, row):
                continue
            left, length = ordered[start][0] - corner[0], column + step - ordered[start][0]
            top = side - (row - corner[1]) - step
            text += f"m{left - pen[0]} {top - pen[1]}h{length}".replace(" -", "-")
            start, pen = k + 1, (left + length, top)
        return f"M{text[1:]}"

    step = 1 if len(seen) <= 300 else 2
    tiles: dict[str, list[tuple[int, int]]] = {}
    for column, row in sorted({(c - c % step, r - r % step) for c, r in seen}):
        middle = [first.low + first.width * (v + step / 2) for v in (column, row)]
        tiles.setdefault(_srgb(_LIGHTNESS, middle[0], middle[1]), []).append((column, row))
    plane = [svg.element("path", stroke=color, d=runs(cells, step)) for color, cells in tiles.items()]
    definitions: list[Markup] = [
        svg.group(
            plane,
            id=f"{name}-plane",
            shape_rendering="crispEdges",
            stroke_width=step,
            transform=f"translate(0 {svg.coordinate(step / 2)})",
        )
    ]
    panels: list[Markup] = []
    for k, (member, place) in enumerate(zip(members, grid.corners, strict=True)):
        pieces: list[Markup] = []
        own = densities.get(member.name)
        if own is not None:
            layers = []
            for level, opacity in _LEVELS:
                cells = [c for c, share in own.cells.items() if share >= level]
                if cells:
                    layers.append(svg.element("path", d=runs(cells), stroke_opacity=opacity))
            mask = svg.group(layers, stroke="#fff", transform="translate(0 .5)")
            box = {"x": 0, "y": 0, "width": side, "height": side}
            definitions.append(
                svg.element("mask", mask, id=f"{name}-m{k}", maskUnits="userSpaceOnUse", **box)
            )
            use = svg.element("use", href=f"#{name}-plane")
            turn = f"scale({scale:.4g})"
            pieces.append(svg.group([use], transform=turn, mask=f"url(#{name}-m{k})"))
        pieces += _cross(x, y)
        if reference is not None and member.index is not None:
            pieces.append(reference.ellipse(x, y, None))
        if member.name in clouds:
            cloud = clouds[member.name]
            pieces.append(cloud.ellipse(x, y, member.index))
            pieces.append(svg.marker(x(cloud.mean[1]), y(cloud.mean[2]), member.index, 3.5))
        panels.append(svg.series(member.index, [inset(place, grid.width, grid.height, pieces)]))
    ticks: list[Markup] = []
    for k, (left, top) in enumerate(grid.corners):
        if k % grid.columns == 0:
            for value, label in y.ticks(4):
                ticks.append(svg.element("text", label, x=left - 5, y=top + y(value) + 4, text_anchor="end"))
        if k + grid.columns >= len(members):
            for value, label in x.ticks(4):
                if 8 <= x(value) <= grid.width - 8:
                    at = left + x(value)
                    ticks.append(
                        svg.element("text", label, x=at, y=top + grid.height + 15, text_anchor="middle")
                    )
    ticks.append(svg.x_title("a*   (green − … red +)", (MARGIN + RIGHT) / 2, grid.bottom + 34))
    ticks.append(svg.y_title("b*   (blue − … yellow +)", 12, max(grid.bottom / 2, 80)))
    body = [
        svg.element("defs", *definitions),
        svg.group([*grid.titles, *ticks], class_="text"),
        *panels,
    ]
    text = f"{title}: one panel a set. The table holds means and deviations."
    return svg.figure(name, title, text, WIDTH, grid.bottom + 42, body)


def _cross(x: svg.Scale, y: svg.Scale) -> list[Markup]:
    """Lines at 0 of both axes, where they lie inside."""
    path = ""
    if x.low < 0 < x.high:
        path += f"M{svg.coordinate(x(0.0))} {svg.coordinate(y.start)}V{svg.coordinate(y.end)}"
    if y.low < 0 < y.high:
        path += f"M{svg.coordinate(x.start)} {svg.coordinate(y(0.0))}H{svg.coordinate(x.end)}"
    return [svg.element("path", d=path, class_="cross")] if path else []


def _srgb(lightness: float, a: float, b: float) -> str:
    """`#rrggbb` of a color in L*a*b* (D65), what sRGB cannot show cut off."""
    fy = (lightness + 16) / 116
    linear = []
    for f in (fy + a / 500, fy, fy - b / 200):
        linear.append(f**3 if f > 6 / 29 else (f - 4 / 29) * 3 * (6 / 29) ** 2)
    x, y, z = (v * w for v, w in zip(linear, (0.95047, 1.0, 1.08883), strict=True))
    out = []
    for row in ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.204, 1.057)):
        v = min(1.0, max(0.0, row[0] * x + row[1] * y + row[2] * z))
        v = 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055
        out.append(f"{round(255 * v):02x}")
    return "#" + "".join(out)


def _color_plane(name: str, title: str, clouds: Sequence[tuple[Shown, _Cloud]]) -> Markup:
    """All means and ellipses in one plot, where there are no densities."""
    # Equal scales on both axes: an ellipse is only true to shape so.
    edges = []
    for axis in (1, 2):
        low = min(c.mean[axis] - c.sigma(axis) for _, c in clouds)
        high = max(c.mean[axis] + c.sigma(axis) for _, c in clouds)
        edges.append(((low + high) / 2, (high - low) / 2))
    reach = max(max(e[1] for e in edges) * 1.12, 5.0)
    side = 300.0
    x = svg.Scale(edges[0][0] - reach, edges[0][0] + reach, 60, 60 + side)
    y = svg.Scale(edges[1][0] - reach, edges[1][0] + reach, 10 + side, 10)
    body: list[Markup] = [svg.axes(x, y, "a*   (green − … red +)", "b*   (blue − … yellow +)")]
    for shown, cloud in clouds:
        mark = svg.marker(x(cloud.mean[1]), y(cloud.mean[2]), shown.index)
        body.append(svg.series(shown.index, [cloud.ellipse(x, y, shown.index), mark]))
    legend, height = legend_of([s for s, _ in clouds], side + 60)
    text = f"{title}: a mark and an ellipse for every set. The table holds the numbers."
    kind = "many" if len(clouds) > MANY else ""
    return svg.figure(name, title, text, WIDTH, side + 64 + height, [*body, legend], kind=kind)


def _lightness_bars(view: View, clouds: Sequence[tuple[Shown, _Cloud]]) -> list[Figure]:
    """Mean and deviation of L*, where there is no profile."""
    if not clouds:
        return []
    edges = [c.mean[0] + sign * c.sigma(0) for _, c in clouds for sign in (-1, 1)]
    x = svg.Scale(min(0.0, *edges), max(100.0, *edges), 16, WIDTH - 16)
    body: list[Markup] = []
    top = 8.0
    for shown, cloud in clouds:
        pieces: list[Markup] = []
        # Each set's label stands over its own bar, so that a long name has the whole width.
        for line in svg.wrap(shown.short, WIDTH - 32):
            pieces.append(svg.element("text", line, x=16, y=top + 12, class_="label"))
            top += 16
        low, high = x(cloud.mean[0] - cloud.sigma(0)), x(cloud.mean[0] + cloud.sigma(0))
        path = f"M{svg.coordinate(low)} {svg.coordinate(top + 8)}H{svg.coordinate(high)}"
        path += "".join(f"M{svg.coordinate(e)} {svg.coordinate(top + 3)}v10" for e in (low, high))
        pieces.append(svg.element("path", d=path, class_=f"whisker {svg.series_class(shown.index)}"))
        pieces.append(svg.marker(x(cloud.mean[0]), top + 8, shown.index))
        body.append(svg.series(shown.index, pieces))
        top += 24
    title = "Lightness: mean and one standard deviation"
    caption = "A mark is the mean lightness of a set, its bar one standard deviation on either side."
    name = f"{view.id}-lightness"
    axes = svg.axes(x, None, "L*   (0 black … 100 white)", top=4, bottom=top)
    text = f"{title}: one bar a set. The table holds the numbers."
    picture = svg.figure(name, title, text, WIDTH, top + 40, [axes, *body])
    rows = [[s.name, say(c.mean[0]), say(c.sigma(0))] for s, c in clouds]
    return [Figure(name, title, caption, picture, ["Set", "mean L*", "deviation L*"], rows)]
