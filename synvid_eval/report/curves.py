"""Pictures made of curves: log-spectra, eigenvalue spectra, lightness, histograms of optical flow."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from synvid_eval.report import svg
from synvid_eval.report.drawing import (
    COLUMNS,
    CROWD,
    LEFT,
    MANY,
    RIGHT,
    TOGETHER,
    WIDTH,
    Figure,
    Pair,
    Shown,
    View,
    legend_of,
    mapping,
    number,
    numbers_of,
    percent,
    say,
    sentences,
)

_LEAST = 1e-6  # share of the largest eigenvalue below which there is rounding only
_FREQUENCIES = [0.02 * (0.25 / 0.02) ** ((k + 0.5) / 20) for k in range(20)]  # cycles/pixel, the contract's


@dataclass(frozen=True)
class Curve:
    """A set's curve [(x, y)] and, where it is known, the band around it [(x, low, high)]; data units.

    ends: whether a bar shows where it ends.
    """

    shown: Shown
    points: list[Pair]
    band: list[tuple[float, float, float]] = field(default_factory=list)
    ends: bool = False


@dataclass(frozen=True)
class Plot:
    """What a plot of curves is called and how its axes run.

    ceiling: where the y axis ends at most (curves beyond run along the upper edge). filled: whether the
    reference's curve stands on a filled area. side: px on the left for something else, in front of the axis.
    """

    title: str
    caption: str
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False
    zero: bool = False
    ceiling: float | None = None
    filled: bool = False
    side: float = 0.0
    height: float = 240.0


def curves_picture(
    name: str, plot: Plot, curves: Sequence[Curve], extra: Iterable[str] = (), told: Sequence[Shown] = ()
) -> Markup:
    """The plot with a legend below; candidates over the reference, whose band lies under all.

    told: of more than CROWD sets, those that keep their color; the others are gray until a script asks.
    """
    crowd = sum(c.shown.index is not None for c in curves) > CROWD
    gray = {c.shown.index for c in curves if crowd and c.shown.index is not None and c.shown not in told}
    many = sum(c.shown.index is not None for c in curves) > MANY
    values = [v for c in curves for _, v in c.points]
    values += [v for c in curves for _, low, high in c.band for v in (low, high)]
    if plot.ceiling is not None:
        values = [min(v, plot.ceiling) for v in values]
    bottom = 10 + plot.height
    y = svg.spanning(values, bottom, 10, zero=plot.zero, log=plot.log_y)
    left = max(LEFT, 26 + 7 * max((len(label) for _, label in y.ticks()), default=0)) + plot.side
    x = svg.spanning([u for c in curves for u, _ in c.points], left, RIGHT, log=plot.log_x, pad=0.03)
    body: list[str] = [svg.axes(x, y, plot.x_label, plot.y_label), *extra]
    if plot.zero and y.low < 0:
        line = f"M{svg.coordinate(x.start)} {svg.coordinate(y(0.0))}H{svg.coordinate(x.end)}"
        body.append(svg.element("path", d=line, class_="zero"))

    def place(u: float, v: float) -> Pair:
        return x(u), min(bottom, max(10.0, y(v)))

    # The reference first, so that nothing of a candidate lies under its thick line.
    for curve in sorted(curves, key=lambda c: (c.shown.index is not None, c.shown.index not in gray)):
        index = curve.shown.index
        pieces: list[str] = []
        pixels = [place(u, v) for u, v in curve.points]
        if curve.band:
            edges = (
                [place(u, high) for u, _, high in curve.band],
                [place(u, low) for u, low, _ in curve.band],
            )
            pieces.append(svg.element("path", d=svg.area(*edges), class_=f"band {svg.series_class(index)}"))
        if plot.filled and index is None and pixels:
            ground = [(px, bottom) for px, _ in (pixels[0], pixels[-1])]
            pieces.append(svg.element("path", d=svg.area(pixels, ground), class_="band ref"))
        pieces.append(svg.polyline(list(pixels), index))
        if curve.ends and pixels:
            at = f"M{svg.coordinate(pixels[-1][0])} {svg.coordinate(pixels[-1][1] - 4)}v8"
            pieces.append(svg.element("path", d=at, class_=f"end {svg.series_class(index)}"))
        if index in gray:
            body.append(svg.series(index, pieces, class_="rest"))
            continue
        if index is not None:
            # Each series' marks start at another point, so that they do not hide each other.
            step = max(1, math.ceil(len(pixels) / (2 if many else 4)))
            pieces += [svg.marker(*p, index, 2.5 if many else 3.5) for p in pixels[index % step :: step]]
        body.append(svg.series(index, pieces))
    legend, height = legend_of([c.shown for c in curves if c.shown.index not in gray], bottom + 50)
    if gray:
        rest = f"gray: {len(gray)} other sets"
        height += 18
        legend += svg.group([svg.element("text", rest, x=40, y=bottom + 44 + height)], class_="text legend")
    text = f"{plot.title}: one curve a set. The table holds the numbers."
    kind = "many" if many else ""
    return svg.figure(name, plot.title, text, WIDTH, bottom + 54 + height, [*body, legend], kind=kind)


def spectra(view: View) -> list[Figure]:
    """Log amplitude over spatial frequency, and the same minus the reference's."""
    curves = []
    own = view.of_reference(lambda d: _spectrum(d, "reference_", view.media(view.reference)))
    if own:
        curves.append(Curve(view.reference, *own))
    few, told = len(view.scores) <= TOGETHER, view.ends()
    for shown, score in view.scores:
        points, band = _spectrum(mapping(score.detail), "", view.media(shown)) or ([], [])
        if points:
            curves.append(Curve(shown, points, band if few else []))
    if not curves:
        return []
    bands = [c for c in curves if c.band]
    shaded = ""
    if bands:
        who = "" if len(bands) > 1 else f" of {bands[0].shown.short}"
        shaded = f"Shaded: one standard deviation over the clips{who}."
    first = Plot(
        "Amplitude over spatial frequency",
        sentences("Steeper is smoother; higher is more contrast.", shaded),
        "spatial frequency (cycles per pixel)",
        "mean log amplitude",
        log_x=True,
    )
    name = f"{view.id}-spectrum"
    head, rows = _curve_table(curves)
    out = [
        Figure(name, first.title, first.caption, curves_picture(name, first, curves, told=told), head, rows)
    ]
    if not own:
        return out
    base = dict(own[0])
    beside = [
        Curve(view.reference, [(f, 0.0) for f in base], [(f, a - base[f], b - base[f]) for f, a, b in own[1]])
    ]
    for curve in curves:
        points = [(f, v - base[f]) for f, v in curve.points if f in base]
        if curve.shown.index is not None and points:
            beside.append(Curve(curve.shown, points))
    if len(beside) > 1:
        second = Plot(
            f"The same, minus {view.reference.short}",
            sentences(
                "Above 0: more contrast at that scale than in the reference; a tilt is another slope α.",
                "Shaded: one standard deviation over the reference’s clips." if beside[0].band else "",
            ),
            "spatial frequency (cycles per pixel)",
            "difference of log amplitudes",
            log_x=True,
            zero=True,
        )
        name = f"{view.id}-difference"
        head, rows = _curve_table(beside[1:])
        out.append(
            Figure(
                name,
                second.title,
                second.caption,
                curves_picture(name, second, beside, told=told),
                head,
                rows,
            )
        )
    return out


def _spectrum(
    detail: Mapping[str, Any], prefix: str, media: Mapping[str, Any]
) -> tuple[list[Pair], list[tuple[float, float, float]]] | None:
    """(cycles/pixel, log amplitude), and the band, where values and frequencies fit together; else None.

    `log_frequency` holds natural logarithms of cycles/pixel or, all positive, the frequencies themselves;
    without it they are the contract's 20.
    """
    values = numbers_of(detail.get(f"{prefix}log_spectrum"))
    frequencies: list[float | None] = list(_FREQUENCIES)
    if isinstance(detail.get("log_frequency"), list):
        frequencies = numbers_of(detail["log_frequency"])
        known = [f for f in frequencies if f is not None]
        # Up to 0.5 cycles/pixel exist, so logarithms are negative and frequencies are not.
        if known and min(known) <= 0:
            frequencies = [None if f is None or abs(f) > 20 else math.exp(f) for f in frequencies]
    if len(frequencies) != len(values):
        return None
    spread = numbers_of(media.get("log_spectrum_deviation"))
    if len(spread) != len(values):
        spread = [None] * len(values)
    points: dict[float, float] = {}
    band = []
    for f, v, s in sorted(
        ((f, v, s) for f, v, s in zip(frequencies, values, spread, strict=True) if f is not None),
        key=lambda t: t[0],
    ):
        if v is not None and 1e-9 < f < 1e9 and f not in points:
            points[f] = v
            if s is not None and s >= 0:
                band.append((f, v - s, v + s))
    return (list(points.items()), band) if points else None


def _curve_table(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """The curves' values at so many places at most that the table fits on a sheet, first and last among
    them.
    """
    places = sorted({u for c in curves for u, _ in c.points})
    if len(places) > COLUMNS:
        places = [places[round(k * (len(places) - 1) / (COLUMNS - 1))] for k in range(COLUMNS)]
    lookup = [(c.shown.name, dict(c.points)) for c in curves]
    rows = [[name, *(say(values.get(u)) for u in places)] for name, values in lookup]
    return ["Set", *(f"{u:.3g}" for u in places)], rows


def eigenvalues(view: View) -> list[Figure]:
    """Eigenvalues of the features' covariance over their rank, both logarithmic."""
    curves = []
    for shown in view.everyone:
        found = mapping(view.media(shown).get("eigenvalues"))
        pairs: dict[float, float] = {}
        for rank, value in zip(numbers_of(found.get("rank")), numbers_of(found.get("value")), strict=False):
            if rank is not None and value is not None and rank >= 1 and value > 0:
                pairs.setdefault(rank, value)
        if pairs:
            largest = max(pairs.values())
            kept = [(r, v) for r, v in sorted(pairs.items()) if v >= _LEAST * largest]
            curves.append(Curve(shown, kept, ends=True))
    if not curves:
        return []
    plot = Plot(
        "Eigenvalues of the features’ covariance",
        "A flat curve has many directions in which clips differ; a steep one has few. A curve ends (bar) "
        "where its clips or rows run out, or at a millionth of its largest.",
        "rank of the eigenvalue",
        "eigenvalue (variance)",
        log_x=True,
        log_y=True,
    )
    name = f"{view.id}-eigenvalues"
    head, rows = _curve_table(curves)
    return [
        Figure(
            name, plot.title, plot.caption, curves_picture(name, plot, curves, told=view.ends()), head, rows
        )
    ]


_FLOWS = (
    ("speed", "px/frame", "How fast pixels move: further right is faster."),
    ("acceleration", "px/frame²", "How much the motion of a pixel changes from frame to frame."),
)


def flow(view: View) -> list[Figure]:
    """Histograms of optical flow's speeds and accelerations, over a logarithmic axis."""
    out = []
    for what, unit, words in _FLOWS:
        found = [(shown, _lengths(mapping(s.detail), what, "")) for shown, s in view.scores]
        own = view.of_reference(functools.partial(_lengths, what=what, prefix="reference_"))
        sides = [(view.reference, own), *found]
        curves = [Curve(shown, lengths.points) for shown, lengths in sides if lengths and lengths.points]
        if not curves:
            continue
        # Bins in which no set has anything are not drawn.
        filled = [u for c in curves for u, v in c.points if v > 0] or [u for c in curves for u, _ in c.points]
        low, high = min(filled) / 1.5, max(filled) * 1.5
        curves = [Curve(c.shown, [p for p in c.points if low <= p[0] <= high]) for c in curves]
        drawn = [(shown, lengths) for shown, lengths in sides if lengths and lengths.points]
        plot = Plot(
            f"Optical flow: {what}",
            sentences(
                words,
                "At the left, on a scale of its own from 0 to 100 %: the share of pixels that stand still "
                f"(below {say(drawn[0][1].still_below)}).",
            ),
            f"{what} ({unit} at side 256)",
            "share of pixels",
            log_x=True,
            zero=True,
            filled=True,
            side=70,
            height=200,
        )
        extra = _still([(shown, lengths.still) for shown, lengths in drawn], 10, 10 + plot.height)
        name = f"{view.id}-{what}"
        picture = curves_picture(name, plot, curves, extra, view.ends())
        rows = [[shown.name, percent(f.still), say(f.median), say(f.q90)] for shown, f in drawn]
        head = ["Set", "stand still", f"median {what}", "90 % are below"]
        out.append(Figure(name, plot.title, plot.caption, picture, head, rows))
    return out


@dataclass(frozen=True)
class _Lengths:
    points: list[Pair]
    still: float
    still_below: float
    median: float | None
    q90: float | None


def _lengths(detail: Mapping[str, Any], what: str, prefix: str) -> _Lengths | None:
    """A histogram of lengths whose first bin begins at 0: (center, share) of the others; None where odd."""
    edges, shares = (
        numbers_of(detail.get(f"{what}_edges")),
        numbers_of(detail.get(f"{prefix}{what}_histogram")),
    )
    known = [e for e in edges if e is not None]
    values = [v for v in shares if v is not None and v >= 0]
    if (
        not 3 <= len(known) == len(edges) <= 2000
        or len(values) != len(shares)
        or len(shares) != len(edges) - 1
    ):
        return None
    if known[0] != 0 or any(b <= a for a, b in itertools.pairwise(known)):
        return None
    centers = [math.sqrt(a * b) for a, b in itertools.pairwise(known[1:])]
    median, q90 = (number(detail.get(f"{prefix}{what}_{k}")) for k in ("median", "q90"))
    return _Lengths(list(zip(centers, values[1:], strict=True)), values[0], known[1], median, q90)


def _still(shares: Sequence[tuple[Shown, float]], top: float, bottom: float) -> list[Markup]:
    """A narrow plot of shares from 0 to 100 %, one mark a set, where a plot leaves `side` px."""
    left, right = 26.0, 76.0
    y = svg.Scale(0, 1, bottom, top)
    room = (right - left - 12) / max(1, len(shares) - 1)
    pieces: list[Markup] = [
        svg.element("path", d=svg.rectangle(left, top, right - left, bottom - top), class_="frame")
    ]
    for k, (shown, share) in enumerate(shares):
        at = left + 6 + k * room if len(shares) > 1 else (left + right) / 2
        high = y(min(1.0, max(0.0, share)))
        stem = f"M{svg.coordinate(at)} {svg.coordinate(bottom)}V{svg.coordinate(high)}"
        line = svg.element("path", d=stem, class_=f"stem {svg.series_class(shown.index)}")
        pieces.append(svg.series(shown.index, [line, svg.marker(at, high, shown.index, 3.5)]))
    labels = [
        svg.element("text", text, x=(left + right) / 2, y=bottom + down, text_anchor="middle")
        for text, down in (("still", 16), ("0–100 %", 31))
    ]
    return [svg.group(pieces), svg.group(labels, class_="text")]
