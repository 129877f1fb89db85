"""Pictures of clips, each a mark that a script can make a button of: in a plane, or along one number."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from synvid_eval.report import svg
from synvid_eval.report.drawing import (
    MANY,
    MARGIN,
    RIGHT,
    TOGETHER,
    WIDTH,
    Figure,
    Pair,
    Shown,
    View,
    grid_of,
    items,
    legend_of,
    mapping,
    number,
    numbers_of,
    say,
    sentences,
)
from synvid_eval.rounding import MISSING

_POINTS = 270  # points a picture, over all sets
_LEAST_POINTS = 8  # points a set
_BINS = 24  # of the histograms of clips' values


@dataclass(frozen=True)
class _Clip:
    """A sampled clip: its position in the media's list, its id, where it lies, how far from the reference."""

    position: int
    id: str
    x: float
    y: float | None
    distance: float | None


@dataclass(frozen=True)
class _Clips:
    """A set's sampled clips in the order of the media, how many the metric saw, and the histogram of those
    where they have one number each: [(low edge, high edge, share)].
    """

    shown: Shown
    clips: list[_Clip]
    nearest: _Clip | None
    farthest: _Clip | None
    seen: int
    histogram: list[tuple[float, float, float]]

    def thinned(self, limit: int) -> list[_Clip]:
        """At most `limit` of the clips, nearest and farthest among them, in order of x."""
        kept = self.clips[:limit]
        for extreme in (self.nearest, self.farthest):
            if extreme is not None and extreme not in kept:
                # The last that is no extreme gives way.
                spare = [c for c in kept if c not in (self.nearest, self.farthest)]
                kept = [c for c in kept if not spare or c is not spare[-1]] + [extreme]
        return sorted(kept, key=lambda c: (c.x, c.position))


def _clips_of(view: View, shown: Shown) -> _Clips | None:
    """The clips of a set that have an id and a place; None where there are none."""
    media = view.media(shown)
    found = mapping(media.get("clips"))
    known, xs = items(found.get("ids")), numbers_of(found.get("x"))
    ys, distances = numbers_of(found.get("y")), numbers_of(found.get("distance"))
    clips = []
    for k, (name, x) in enumerate(zip(known, xs, strict=False)):
        if isinstance(name, str) and x is not None:
            y = ys[k] if k < len(ys) else None
            clips.append(_Clip(k, name, x, y, distances[k] if k < len(distances) else None))
    if not clips:
        return None
    by_id = {c.id: c for c in reversed(clips)}
    nearest, farthest = (media.get(key) for key in ("nearest", "farthest"))
    seen = number(media.get("seen"))
    return _Clips(
        shown,
        clips,
        by_id.get(nearest) if isinstance(nearest, str) else None,
        by_id.get(farthest) if isinstance(farthest, str) else None,
        len(clips) if seen is None else max(len(clips), int(seen)),
        _histogram(mapping(media.get("histogram"))),
    )


def _histogram(found: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """(low edge, high edge, share) of a histogram, its bins joined until they are no more than _BINS; empty
    where it is odd.
    """
    edges = [e for e in numbers_of(found.get("edges")) if e is not None]
    shares = [v for v in numbers_of(found.get("share")) if v is not None and v >= 0]
    whole = len(items(found.get("edges"))) == len(edges) and len(items(found.get("share"))) == len(shares)
    if not whole or len(edges) != len(shares) + 1 or not any(shares):
        return []
    if any(b <= a for a, b in itertools.pairwise(edges)):
        return []
    step = math.ceil(len(shares) / _BINS)
    starts = range(0, len(shares), step)
    return [(edges[k], edges[min(k + step, len(shares))], sum(shares[k : k + step])) for k in starts]


def clip_points(view: View) -> list[Figure]:
    """The clips as the metric sees them: in a plane of two components, or along its one number."""
    sides = [found for shown in view.everyone if (found := _clips_of(view, shown)) is not None]
    if not sides:
        return []
    plane = sum(c.y is not None for s in sides for c in s.clips) * 2 > sum(len(s.clips) for s in sides)
    if plane:
        sides = [_placed(s) for s in sides]
        sides = [s for s in sides if s.clips]
    draw, rest = view.nearest([s.shown for s in sides if s.shown.index is not None])
    drawn = [s for s in sides if s.shown.index is None or s.shown in draw]
    rows = [_clips_row(s) for s in sides]
    what = view.axis("distance", "distance from the mean of the reference’s clips", 160)
    head = [
        "Set",
        "clips",
        "nearest clip",
        "its distance",
        "farthest clip",
        "its distance",
        "median distance",
    ]
    name = f"{view.id}-clips"
    rings = ""
    if any(s.nearest or s.farthest for s in drawn):
        rings = "Rings: a set’s nearest (solid) and farthest clip (dashed) from the reference’s mean."
    most = max(min(len(s.clips), _share(drawn)) for s in drawn)
    thin = f"Drawn: up to {most} clips a set." if any(s.seen > most for s in drawn) else ""
    if plane:
        title = "The clips, as the metric sees them"
        means = (
            "Each mark is a clip; clips that lie together look alike to this metric. PC 1 and 2: the first "
            "principal components of all clips (in brackets: their share of the variance)."
        )
        caption = sentences(means, rings, "Ellipses: one standard deviation.", thin, rest)
        if sum(s.shown.index is not None for s in drawn) <= TOGETHER:
            picture = _clip_plane(view, name, title, drawn)
        else:
            if any(s.shown.index is None for s in drawn):
                caption = sentences(caption, f"Pale dots: the clips of {view.reference.short}.")
            picture = _clip_panels(view, name, title, drawn)
    else:
        title = "The clips, one by one"
        means = "Each mark is a clip; above them their histogram, with the reference’s as an outline."
        caption = sentences(means, rings, thin, rest)
        picture = _clip_rows(view, name, title, drawn)
    caption = sentences(caption, f"Near and far: {what}.")
    return [Figure(name, title, caption, picture, head, rows)]


def _placed(side: _Clips) -> _Clips:
    """Only the clips with both components."""
    clips = [c for c in side.clips if c.y is not None]
    nearest, farthest = (c if c in clips else None for c in (side.nearest, side.farthest))
    return replace(side, clips=clips, nearest=nearest, farthest=farthest)


def _clips_row(side: _Clips) -> list[str]:
    distances = [c.distance for c in side.clips if c.distance is not None]
    row = [side.shown.name, str(side.seen)]
    for extreme in (side.nearest, side.farthest):
        row += [MISSING, MISSING] if extreme is None else [extreme.id, say(extreme.distance)]
    return [*row, say(statistics.median(distances) if distances else None)]


def _share(sides: Sequence[_Clips]) -> int:
    """Points a set, so that all sets together have no more than a picture holds."""
    return max(_LEAST_POINTS, _POINTS // max(1, len(sides)))


def _marks(
    side: _Clips, limit: int, place: Callable[[int, _Clip], Pair], radius: float
) -> tuple[Markup, list[Markup], list[Pair]]:
    """A set's marks, the rings round its nearest and farthest clip, and the marks' places in px."""
    found, rings, places = [], [], []
    index = side.shown.index
    for turn, clip in enumerate(side.thinned(limit)):
        x, y = place(turn, clip)
        found.append((clip.position, x, y))
        places.append((x, y))
        # A ring is no larger than its mark needs: in a small panel it must not look like a cloud.
        for kind, extreme, wider in (("nearest", side.nearest, 1.15), ("farthest", side.farthest, 1.6)):
            if clip is extreme:
                rings.append(svg.element("circle", cx=x, cy=y, r=radius * (1 + wider), class_=kind))
    return svg.points(found, index, radius), rings, places


def _in_plane(x: svg.Scale, y: svg.Scale) -> Callable[[int, _Clip], Pair]:
    """Where a clip of a set stands whose components are on these axes."""

    def place(_: int, clip: _Clip) -> Pair:
        return x(clip.x), y(clip.y or 0.0)

    return place


def _in_row(x: svg.Scale, top: float, height: float) -> Callable[[int, _Clip], Pair]:
    """Where the clips of a set stand in a row of that height, px."""

    def place(turn: int, clip: _Clip) -> Pair:
        # Steps of the golden section: neighbors along x do not lie on each other.
        return x(clip.x), top + (turn * 0.618034 % 1) * height

    return place


def _spread(clips: Sequence[_Clip]) -> tuple[Pair, tuple[float, float, float]]:
    """Mean and covariance (xx, xy, yy) of clips with both components; for the eye."""
    n = len(clips)
    mx, my = sum(c.x for c in clips) / n, sum(c.y or 0.0 for c in clips) / n
    off = [(c.x - mx, (c.y or 0.0) - my) for c in clips]
    return (mx, my), (
        sum(u * u for u, _ in off) / n,
        sum(u * v for u, v in off) / n,
        sum(v * v for _, v in off) / n,
    )


def _window(sides: Sequence[_Clips]) -> tuple[Pair, Pair]:
    """(low, high) of both components over all clips, with a margin; never empty, never flatter than 0.45."""
    edges = []
    for values in (
        [c.x for s in sides for c in s.clips],
        [c.y or 0.0 for s in sides for c in s.clips],
    ):
        low, high = min(values), max(values)
        edges.append([low, high])
    widest = max(high - low for low, high in edges)
    if not widest > 1e-12 * max(abs(v) for e in edges for v in e):
        widest = max(abs(v) for e in edges for v in e) or 1.0
    out = []
    for k, (low, high) in enumerate(edges):
        reach = max((high - low) * 0.56, widest * (0.56 if k == 0 else 0.25))
        out.append(((low + high) / 2 - reach, (low + high) / 2 + reach))
    return out[0], out[1]


def _clip_plane(view: View, name: str, title: str, sides: Sequence[_Clips]) -> Markup:
    """All sets in one plot; px of both components are equal."""
    (x0, x1), (y0, y1) = _window(sides)
    left, width = 44.0, RIGHT - 44.0
    height = min(width, width * (y1 - y0) / (x1 - x0))
    bottom = 10 + height
    x, y = svg.Scale(x0, x1, left, left + width), svg.Scale(y0, y1, bottom, 10)
    frame = svg.element("path", d=svg.rectangle(left, 10, width, height), class_="frame")
    body: list[Markup] = [svg.group([_net(x, y)], class_="grid"), frame]
    marks: list[Markup] = []
    tops: list[Markup] = []
    limit = _share(sides)
    for side in sides:
        index = side.shown.index
        center, spread = _spread(side.clips)
        found, rings, _ = _marks(side, limit, _in_plane(x, y), 3)
        marks.append(found)
        body.append(svg.series(index, [svg.ellipse(center, spread, x, y, index)]))
        tops.append(svg.series(index, rings, class_=svg.series_class(index)))
    words = _component_titles(view, (left + left + width) / 2, bottom + 20, (10 + bottom) / 2, height)
    legend, legend_height = legend_of([s.shown for s in sides], bottom + 34)
    text = f"{title}: one mark a clip. The table holds the nearest and the farthest of each set."
    return svg.figure(
        name,
        title,
        text,
        WIDTH,
        bottom + 38 + legend_height,
        [*body, svg.group(words, class_="text"), legend],
        [*marks, svg.group(tops, class_="extremes")],
        kind="cloud",
        data_metric=view.label,
    )


def _net(x: svg.Scale, y: svg.Scale) -> Markup:
    """Grid lines without numbers: components have no unit that a reader knows."""
    path = "".join(
        f"M{svg.coordinate(x(v))} {svg.coordinate(y.start)}V{svg.coordinate(y.end)}" for v, _ in x.ticks(5)
    )
    path += "".join(
        f"M{svg.coordinate(x.start)} {svg.coordinate(y(v))}H{svg.coordinate(x.end)}" for v, _ in y.ticks(4)
    )
    return svg.element("path", d=path)


def _component_titles(view: View, middle: float, below: float, center: float, height: float) -> list[Markup]:
    """Titles of both axes; a vertical one that is longer than its axis stands in two lines."""
    out = [svg.x_title(_component(view.axis("x", "first principal component")), middle, below)]
    lines = svg.wrap(_component(view.axis("y", "second principal component")), max(height, 120.0))[:3]
    for k, line in enumerate(lines):
        out.append(svg.y_title(line.strip(), 34 - 15 * (len(lines) - 1 - k), max(center, 60.0)))
    return out


def _component(words: str) -> str:
    """The title of a principal component in as few words as fit beside a flat plot: "PC 1 (34 %)"."""
    for k, which in enumerate(("first", "second"), 1):
        words = words.replace(f"{which} principal component", f"PC {k}")
    return words.replace(" % of variance)", " %)")


def _clip_panels(view: View, name: str, title: str, sides: Sequence[_Clips]) -> Markup:
    """One panel a set over the reference's clips; all panels have the same axes, px of both are equal."""
    (x0, x1), (y0, y1) = _window(sides)
    grid = grid_of([s.shown for s in sides], min(1.0, (y1 - y0) / (x1 - x0)), MARGIN)
    limit = _share(sides)
    frames = "".join(svg.rectangle(*corner, grid.width, grid.height) for corner in grid.corners)
    body: list[Markup] = [
        svg.group(grid.titles, class_="text"),
        svg.element("path", d=frames, class_="frame"),
    ]
    marks: list[Markup] = []
    tops: list[Markup] = []
    own = next((s for s in sides if s.shown.index is None), None)
    far = f"{name}-ref"
    for side, (left, top) in zip(sides, grid.corners, strict=True):
        x = svg.Scale(x0, x1, left, left + grid.width)
        y = svg.Scale(y0, y1, top + grid.height, top)
        index = side.shown.index
        found, rings, places = _marks(side, limit, _in_plane(x, y), 2)
        center, spread = _spread(side.clips)
        pieces: list[Markup] = [svg.ellipse(center, spread, x, y, index)]
        if side is own:
            dots = "".join(f"M{svg.coordinate(px)} {svg.coordinate(py)}h.1" for px, py in places)
            body.append(svg.element("defs", svg.element("path", id=far, d=dots, class_="backdrop")))
            home = (left, top)
        elif own is not None:
            moved = {"x": left - home[0], "y": top - home[1]}
            body.append(svg.element("use", href=f"#{far}", **moved))
        body.append(svg.series(index, pieces))
        marks.append(found)
        tops.append(svg.series(index, rings, class_=svg.series_class(index)))
    words = _component_titles(view, (MARGIN + RIGHT) / 2, grid.bottom + 18, grid.bottom / 2, grid.bottom)
    text = f"{title}: one panel a set. The table holds the nearest and the farthest of each set."
    return svg.figure(
        name,
        title,
        text,
        WIDTH,
        grid.bottom + 26,
        [*body, svg.group(words, class_="text")],
        [*marks, svg.group(tops, class_="extremes")],
        kind="cloud",
        data_metric=view.label,
    )


def _clip_rows(view: View, name: str, title: str, sides: Sequence[_Clips]) -> Markup:
    """One row a set: the histogram of its clips' values, the reference's as an outline, and the clips."""
    left, right = 16.0, RIGHT
    bins = {s.shown.name: s.histogram or _counted(s, sides) for s in sides}
    ends = [e for found in bins.values() for low, high, share in found if share > 0 for e in (low, high)]
    x = svg.spanning([*ends, *(c.x for s in sides for c in s.clips)], left + 6, right - 6, pad=0.02)
    many = len(sides) > MANY
    hill, strip = (20.0, 12.0) if many else (30.0, 16.0)
    own = next((s for s in sides if s.shown.index is None), None)
    body: list[Markup] = []
    marks: list[Markup] = []
    tops: list[Markup] = []
    limit = _share(sides)
    top = 6.0
    for side in sides:
        index = side.shown.index
        pieces: list[Markup] = [svg.marker(left + 5, top + 8, index, 4)]
        for line in svg.wrap(side.shown.short, right - left - 16):
            pieces.append(svg.element("text", line, x=left + 15, y=top + 12, class_="label"))
            top += 16
        ground = top + hill
        kind = f"hill {svg.series_class(index)}"
        pieces.append(svg.element("path", d=_hill(bins[side.shown.name], x, ground, hill - 2), class_=kind))
        if own is not None and side is not own:
            pieces.append(
                svg.element("path", d=_hill(bins[own.shown.name], x, ground, hill - 2), class_="outline")
            )
        line = f"M{svg.coordinate(left)} {svg.coordinate(ground)}H{svg.coordinate(right)}"
        pieces.append(svg.element("path", d=line, class_="zero"))
        body.append(svg.series(index, pieces))

        found, rings, _ = _marks(side, limit, _in_row(x, ground + 4, strip - 4), 3)
        marks.append(found)
        tops.append(svg.series(index, rings, class_=svg.series_class(index)))
        top = ground + strip + 8
    axes = svg.axes(x, None, view.axis("x", "value of a clip"), top=4, bottom=top)
    text = f"{title}: one row a set. The table holds the nearest and the farthest of each set."
    return svg.figure(
        name,
        title,
        text,
        WIDTH,
        top + 42,
        [axes, *body],
        [*marks, svg.group(tops, class_="extremes")],
        kind="cloud",
        data_metric=view.label,
    )


def _counted(side: _Clips, sides: Sequence[_Clips]) -> list[tuple[float, float, float]]:
    """The histogram of a set's sampled clips, its bins those of all sets."""
    low = min(c.x for s in sides for c in s.clips)
    high = max(c.x for s in sides for c in s.clips)
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        reach = abs(low) * 0.02 or 0.02
        low, high = low - reach, low + reach
    width = (high - low) / _BINS
    counts = [0] * _BINS
    for clip in side.clips:
        counts[min(_BINS - 1, max(0, int((clip.x - low) / width)))] += 1
    return [(low + k * width, low + (k + 1) * width, n / len(side.clips)) for k, n in enumerate(counts)]


def _hill(bins: Sequence[tuple[float, float, float]], x: svg.Scale, ground: float, height: float) -> str:
    """The path data of a histogram, its highest bin `height` px over `ground`, empty ends left away."""
    filled = [k for k, (_, _, share) in enumerate(bins) if share > 0]
    highest = max(share for _, _, share in bins)
    path = f"M{svg.coordinate(x(bins[filled[0]][0]))} {svg.coordinate(ground)}"
    for _, high, share in bins[filled[0] : filled[-1] + 1]:
        path += f"V{svg.coordinate(ground - height * share / highest)}H{svg.coordinate(x(high))}"
    return f"{path}V{svg.coordinate(ground)}"
