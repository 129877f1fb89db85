"""Figure 4's panels for papers: accuracy against each metric, as PNG and PDF (matplotlib).

A panel has what no coefficient may go without: families by color and shape, r and rho with their intervals
over families, the band of accuracy shaded and rho within it, and the verdict's sentence. Metrics of random
networks are hatched and called controls. One sheet holds all panels, its sets numbered.

The same document gives the same bytes: no dates, fonts that come with matplotlib (embedded in the PDF),
nobody's own style. Colors, shapes and the places of names are those of the page (`svg`, `labels`).
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from synvid_eval.archive import write_bytes
from synvid_eval.correlation import DIFFERENCE, bounds_text, short_number
from synvid_eval.errors import one_line
from synvid_eval.report import labels
from synvid_eval.rounding import arrow, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHEET = "all"
"""Name of the files that hold all panels."""
DPI = 200
NAMED = 60
"""Sets up to which every one is named; of more, the `FARTHEST` are."""
FARTHEST = 40
LEGEND = 24
"""Families in a legend."""
# as in the page (`svg`): a family's color and shape, by its place among the families
_COLORS = ("#0072b2", "#c84a00", "#00805f", "#ad3f8d", "#8a6400", "#5a57c9", "#8d1920", "#50402a")
_SHAPES = ("o", "s", "^", "D", "x", "+", "v")
_SIZES = {"o": 22.0, "s": 18.0, "^": 24.0, "D": 16.0, "x": 20.0, "+": 26.0, "v": 24.0}  # pt²
_INK, _SOFT, _BAND, _HATCH = "#1b1d21", "#565c65", "#e4ebf2", "#d8d4cc"
_FONT = 5.3  # pt, of names
_UNIT = (
    5.7 / labels.SIZE
)  # pt of a px of `labels`: a little more than the font's size, so that names have air
_LONGEST = 44  # characters of a set's name
_MARK = 5.0  # px of `labels` around a mark that names stay out of
_INCH = 72.0
_ROOM = 0.98  # share of the axes that names may use


@dataclass(frozen=True)
class _Set:
    """A set in a panel. number: from 1, in the order of the document. index: of its family."""

    name: str
    number: int
    index: int
    accuracy: float
    std: float


_Beside: TypeAlias = Mapping[str, Mapping[str, float]]


def panels(
    document: Mapping[str, Any], folder: Path | str, beside: Mapping[str, Mapping[str, float]] | None = None
) -> list[Path]:
    """Draws a correlation (`synvid-eval/correlation/1`), a panel a metric and one sheet of all.

    Args:
        document: as `correlation.correlate` gives it, or read from its JSON. folder: is made where missing.
        beside: metric → name → value of what has no accuracy (real sets), drawn as a dotted line on its axis.

    Returns:
        What was written: `METRIC.png` (200 dpi) and `METRIC.pdf` in the order of the metrics, `all.png` and
        `all.pdf` at the end. Of a metric's name, letters, digits, `.`, `_` and `-` are kept.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    import matplotlib

    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    metrics = list(document["metrics"])
    written: list[Path] = []
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # signs that the font has not are drawn as boxes
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {"pdf.fonttype": 42, "font.family": ["DejaVu Sans"], "path.simplify": False, "text.usetex": False}
        )
        for metric, stem in zip(metrics, file_names([m["metric"] for m in metrics]), strict=True):
            written += _save(_single(document, metric, beside or {}), where, stem)
        if metrics:
            written += _save(_sheet(document, metrics, beside or {}), where, SHEET)
    return written


def file_names(metrics: Sequence[str]) -> list[str]:
    """A name a metric for its files, without suffix: safe characters, no two alike on any file system."""
    found: list[str] = []
    taken = {SHEET}
    for metric in metrics:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", metric)[:80].strip("-.") or "metric"
        name, count = stem, 1
        while name.lower() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.lower())
        found.append(name)
    return found


def _save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    written = []
    for suffix, metadata in (
        ("png", {"Software": None}),
        ("pdf", {"Creator": "synvid-eval", "Producer": None, "CreationDate": None}),
    ):
        data = io.BytesIO()
        figure.savefig(data, format=suffix, dpi=DPI, metadata=metadata)
        path = folder / f"{stem}.{suffix}"
        write_bytes(path, data.getvalue())
        written.append(path)
    return written


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _sets(document: Mapping[str, Any]) -> tuple[list[_Set], list[str]]:
    """The sets, and the families in their order; none where the table has none."""
    families = [str(f) for f in document["families"] or []]
    found = []
    for number, one in enumerate(document["sets"], 1):
        index = families.index(one["family"]) if one["family"] in families else 0
        found.append(
            _Set(
                one_line(one["name"]),
                number,
                index,
                float(one["accuracy"]),
                finite(one["std"]) or 0.0,
            )
        )
    return found, families


def _single(document: Mapping[str, Any], metric: Mapping[str, Any], beside: _Beside) -> Figure:
    """One metric on a sheet of its own, the sets named."""
    sets, families = _sets(document)
    rows = math.ceil(min(len(families), LEGEND) / 6)
    height = 6.1 + 0.16 * rows
    figure = _figure(7.2, height)
    below = 0.42 + 0.16 * rows
    axes = figure.add_axes((0.075, (below + 0.42) / height, 0.905, (height - below - 1.22) / height))
    shown = _draw(axes, document, metric, sets, 1.0, beside)
    _text(figure, 0.075, 1 - 0.24 / height, _title(metric, 80), 9.0, within=0.905, weight="bold")
    _text(figure, 0.075, 1 - 0.42 / height, coefficients(document, metric), 6.6, within=0.905)
    for k, line in enumerate(textwrap.wrap(_cut(one_line(metric["verdict"]), 230), 132)):
        _text(figure, 0.075, 1 - (0.57 + 0.13 * k) / height, line, 6.6, within=0.905, color=_SOFT)
    named = _chosen(shown)
    texts = [labels.shortened(s.name, _LONGEST) for s, _ in named]
    _label(axes, shown, named, texts)
    _legend(figure, families, {s.index for s, _ in shown}, 0.075, (below - 0.1) / height, height)
    _text(
        figure,
        0.075,
        0.12 / height,
        _foot(document, metric, len(shown), len(named)),
        5.6,
        within=0.905,
        color=_SOFT,
    )
    return figure


def _sheet(document: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], beside: _Beside) -> Figure:
    """All metrics, the sets numbered and named once below."""
    sets, families = _sets(document)
    across = min(len(metrics), max(3, math.ceil(math.sqrt(len(metrics) / 1.3))))
    down = math.ceil(len(metrics) / across)
    keyed = len(sets) <= NAMED
    per_line = max(1, 2 * across)
    lines = math.ceil(len(sets) / per_line) if keyed else 0
    legend = math.ceil(min(len(families), LEGEND) / 6)
    width, cell = 3.9 * across, 3.5
    below = 0.5 + 0.13 * lines + 0.18 * legend
    height = cell * down + below
    figure = _figure(width, height)
    for k, metric in enumerate(metrics):
        left, top = (k % across) * 3.9, height - (k // across) * cell
        axes = figure.add_axes(
            ((left + 0.5) / width, (top - cell + 0.5) / height, 3.25 / width, (cell - 1.0) / height)
        )
        shown = _draw(axes, document, metric, sets, 0.8, beside)
        at = (left + 0.5) / width
        _text(figure, at, (top - 0.2) / height, _title(metric, 64), 7.0, within=3.3 / width, weight="bold")
        first, _, second = coefficients(document, metric).partition("; ")
        _text(figure, at, (top - 0.32) / height, first, 5.0, within=3.3 / width)
        _text(figure, at, (top - 0.43) / height, second, 5.0, within=3.3 / width)
        if keyed:
            _label(axes, shown, shown, [str(s.number) for s, _ in shown], 0.9)
    at = 0.5 / width
    _legend(figure, families, {s.index for s in sets}, at, (below - 0.1) / height, height)
    top = below - 0.2 - 0.18 * legend
    for k, one in enumerate(sets if keyed else ()):
        x = at + (k // lines) * (1 - 1.2 * at) / per_line
        name = f"{one.number}  {labels.shortened(one.name, _LONGEST)}"
        _text(figure, x, (top - 0.13 * (k % lines)) / height, name, 4.8)
    _text(figure, at, 0.1 / height, _foot(document), 5.6, color=_SOFT)
    return figure


def _draw(
    axes: Axes,
    document: Mapping[str, Any],
    metric: Mapping[str, Any],
    sets: Sequence[_Set],
    scale: float,
    beside: _Beside,
) -> list[tuple[_Set, float]]:
    """Marks, bars and band of one metric, lines of what has no accuracy; the sets that are shown, each with
    its value.
    """
    from matplotlib.patches import Rectangle

    shown, wide = [], []
    for one, value, spread in zip(sets, metric["values"], metric["spread"], strict=True):
        if (number := finite(value)) is not None and abs(number) < 1e150:
            shown.append((one, number))
            wide.append(finite(spread) or 0.0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=6.5 * scale, width=0.6, length=3, colors=_INK)
    name = _cut(one_line(metric["metric"]), 60)
    unit = one_line(metric["unit"])[:30]
    _plain(axes.set_xlabel(f"{name} [{unit}]" if unit else name, fontsize=7.5 * scale, color=_INK))
    what = f"{one_line(document['benchmark'])} {one_line(document['protocol'])} accuracy [%]"
    _plain(axes.set_ylabel(_cut(what, 60), fontsize=7.5 * scale, color=_INK))
    lines = beside.get(metric["metric"], {}) if shown else {}
    _limits(axes, [*(v for _, v in shown), *lines.values()], [s.accuracy for s, _ in shown])
    for name, value in lines.items():
        axes.axvline(value, color=_SOFT, linewidth=0.6, linestyle=":", zorder=1)
        _plain(
            axes.text(
                value, 0.01, one_line(name), transform=axes.get_xaxis_transform(), rotation=90, color=_SOFT,
                fontsize=_FONT * scale, ha="right", va="bottom", zorder=1,
            )
        )  # fmt: skip
    if document["band"]:
        axes.axhspan(*document["band"], color=_BAND, linewidth=0, zorder=0)
    if metric["random"]:
        axes.add_patch(
            Rectangle(
                (0, 0), 1, 1, transform=axes.transAxes, fill=False, hatch="//", edgecolor=_HATCH, zorder=0.5
            )
        )
    for (one, value), spread in zip(shown, wide, strict=True):
        color, shape = _look(one.index)
        # a distance does not fall below 0
        left = min(spread, abs(value)) if metric["metric"].endswith(DIFFERENCE) else spread
        bar = [[left], [spread]] if spread else None
        axes.errorbar(
            value, one.accuracy, one.std or None, bar, color=color, elinewidth=0.5, alpha=0.35, zorder=2,
        )  # fmt: skip
        line = {"linewidths": 1.3 * scale} if shape in "x+" else {"linewidths": 0.4, "edgecolors": "white"}
        axes.scatter(
            [value], [one.accuracy], s=_SIZES[shape] * scale, marker=shape, color=color, zorder=3, **line
        )
    if not shown:
        axes.text(0.5, 0.5, "no number of any set", transform=axes.transAxes, ha="center", fontsize=7)
    return shown


def _limits(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Ends of the axes: the values and some room for names; bars may be cut, marks never are."""
    for values, put in ((x, axes.set_xlim), (y, axes.set_ylim)):
        if not values:
            continue
        low, high = min(values), max(values)
        room = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
        put(low - room, high + room)


def _chosen(shown: Sequence[tuple[_Set, float]]) -> list[tuple[_Set, float]]:
    """The sets to be named: all, or those farthest from the middle of either axis."""
    if len(shown) <= NAMED:
        return list(shown)

    def away(values: list[float]) -> list[float]:
        middle = sorted(values)[len(values) // 2]
        scale = sorted(abs(v - middle) for v in values)[len(values) // 2] or 1.0
        return [abs(v - middle) / scale for v in values]

    x, y = away([v for _, v in shown]), away([s.accuracy for s, _ in shown])
    order = sorted(range(len(shown)), key=lambda k: (-math.hypot(x[k], y[k]), k))
    return [shown[k] for k in sorted(order[:FARTHEST])]


def _label(
    axes: Axes,
    shown: Sequence[tuple[_Set, float]],
    named: Sequence[tuple[_Set, float]],
    texts: Sequence[str],
    scale: float = 1.0,
) -> None:
    """Writes names where they can be read, with lines back to their marks."""

    unit = _UNIT * scale * axes.figure.dpi / _INCH  # display px of a px of `labels`
    box = axes.get_window_extent()

    def place_of(one: _Set, value: float) -> tuple[float, float]:
        x, y = axes.transData.transform((value, one.accuracy))
        return (x - box.x0) / unit, (box.y1 - y) / unit

    marks = [place_of(*pair) for pair in named]
    everyone = [place_of(*pair) for pair in shown]
    room = (2.0, 2.0, _ROOM * box.width / unit, _ROOM * box.height / unit)
    # no name over a mark, rather farther off: a sheet of paper cannot be asked what lies below
    taken = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in everyone]
    back = axes.transAxes.inverted()
    for text, mark, label in zip(
        texts, marks, labels.place(marks, texts, room, taken, everyone), strict=True
    ):
        x, y = back.transform((box.x0 + label.x * unit, box.y1 - label.y * unit))
        _plain(
            axes.text(
                x, y, text, transform=axes.transAxes, fontsize=_FONT * scale, color=_INK, zorder=2.5,
                ha="right" if label.end else "left", va="baseline",
                bbox={"facecolor": "white", "alpha": 0.55, "pad": 0.2, "linewidth": 0},
            )
        )  # fmt: skip
        if label.leader is not None:
            ends = [
                back.transform((box.x0 + px * unit, box.y1 - py * unit)) for px, py in (mark, label.leader)
            ]
            axes.plot(
                [ends[0][0], ends[1][0]], [ends[0][1], ends[1][1]], transform=axes.transAxes, color=_SOFT,
                linewidth=0.35, zorder=1.5,
            )  # fmt: skip


def _legend(
    figure: Figure, families: Sequence[str], there: set[int], left: float, top: float, height: float
) -> None:
    """Families in lines of six, those without a mark in the panel left out."""
    from matplotlib.lines import Line2D

    kept = [k for k in range(len(families)) if k in there]
    per_line = 6
    for place, k in enumerate(kept[:LEGEND]):
        x = left + (place % per_line) * (0.98 - left) / per_line
        y = top - (place // per_line) * 0.16 / height
        color, shape = _look(k)
        figure.add_artist(
            Line2D(
                [x + 0.005], [y], marker=shape, color=color, markersize=4, linestyle="none",
                markeredgewidth=1.2 if shape in "x+" else 0.3,
            )
        )  # fmt: skip
        name = labels.shortened(one_line(families[k]), 22)
        if place == LEGEND - 1 and len(kept) > LEGEND:
            name = f"and {len(kept) - LEGEND + 1} families more"
        _text(figure, x + 0.015, y, name, 6.2, va="center")


def coefficients(document: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """The title's second line: r and rho with intervals over families; rho within the band; how many sets.

    Where there are no intervals over families, those over sets, and it is said.
    """
    parts, over = [], ""
    for kind, sign in (("pearson", "r"), ("spearman", "rho")):
        over = "over families" if metric[kind]["family_bootstrap"] else "over sets"
        parts.append(f"{sign} {_with_bounds(metric[kind])}")
    bounded = metric["pearson"]["family_bootstrap"] or metric["pearson"]["interval"]
    text = f"{', '.join(parts)}{f' {over}' if bounded else ''}"
    inner = metric["band"]
    if inner:
        low, high = document["band"]
        rho = _with_bounds(inner["spearman"])
        text += f"; rho {rho} among the {inner['n']} sets of {low:g} to {high:g} %, n = {metric['n']}"
    else:
        text += f"; n = {metric['n']}"
    return text


def _with_bounds(one: Mapping[str, Any]) -> str:
    bounds = one["family_bootstrap"] or one["interval"]
    return f"{short_number(one['value'])} {bounds_text(bounds) if bounds else ''}".strip()


def _title(metric: Mapping[str, Any], longest: int) -> str:
    """The metric and which way it is better; of a long name the middle is left out, never what it is."""
    tag = f" {arrow(metric['better'])}{' (random network: a control)' if metric['random'] else ''}"
    return labels.shortened(one_line(metric["metric"]), longest - len(tag)) + tag


def _foot(
    document: Mapping[str, Any], metric: Mapping[str, Any] | None = None, shown: int = 0, named: int = 0
) -> str:
    parts = [
        f"Accuracies: {one_line(document['accuracies'])}",
        f"measured against {one_line(document['reference'])}",
    ]
    if document["band"]:
        low, high = document["band"]
        parts.append(f"shaded: {low:g} to {high:g} %")
    if metric is not None and (
        any(finite(v) for v in metric["spread"]) or any(finite(s["std"]) for s in document["sets"])
    ):
        parts.append("bars: one standard deviation")
    if named < shown:
        parts.append(f"the {named} of {shown} sets farthest off are named")
    return f"{_cut('; '.join(parts), 190)}."


def _look(index: int) -> tuple[str, str]:
    return _COLORS[index % len(_COLORS)], _SHAPES[index % len(_SHAPES)]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _text(
    figure: Figure, x: float, y: float, text: str, size: float, within: float | None = None, **style: Any
) -> None:
    """Text at x, y; smaller where it is wider than `within`. All of these are shares of the figure."""
    found = figure.text(x, y, text, fontsize=size, **{"color": _INK, "va": "baseline", **style})
    _plain(found)
    while within is not None and size > 2 and found.get_window_extent().width > within * figure.bbox.width:
        size *= 0.96
        found.set_fontsize(size)


def _plain(text: Any) -> None:
    """Dollars in a name are dollars."""
    text.set_parse_math(False)
