"""The page of a comparison: the verdict first, then every score with its recipe.

`page` is a pure function of the comparison's JSON: `compare --html F` and `report FILE.json --html F` write
the same bytes. It recomputes nothing that was measured and shows whatever keys a run happens to have. Numbers
of random networks stand apart, striped; where Fréchet distances have no interval, kernel distances lead.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from synvid_eval import rounding, verdict
from synvid_eval.errors import one_line
from synvid_eval.report import document, svg
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
from synvid_eval.score import Comparison, Score, SetFacts, dump_json, read_comparison

_ABOUT = {
    "color": "Distance between the colors of all pixels: the symmetric Kullback–Leibler divergence of two "
    "normal distributions fitted in CIE L*a*b*.",
    "spectrum": "How fast contrast falls with spatial frequency: the slope α of amplitude ∝ 1/frequency^α. "
    "The number depends on the recipe, so set it only beside slopes with the same signature.",
    "motion": "Temporal decorrelation: how fast pixels forget their past. 0 is a still, 1 is white flicker.",
    "tubelet": "Fréchet distance between small patch-normalised pieces of video (2 frames × 8 × 8 pixels, "
    "gray). It is no score of realism: real video of another kind can lie far away too.",
    "effective_rank": "In how many directions the frames of one set differ (shapes, by gradient histograms). "
    "It depends on the number of clips and frames, and is no distance.",
    "diversity": "Log-determinant of the features’ covariance. It depends on the number of clips and on the "
    "recipe, and is no distance.",
    "fid": "Fréchet distance between features of single frames.",
    "fvd": "Fréchet distance between features of clips.",
    "kid": "Kernel distance (unbiased MMD²) between features of single frames; it may fall below 0.",
    "kvd": "Kernel distance (unbiased MMD²) between features of clips; it may fall below 0.",
}
# The kernel distance of the same features, to be read where a Fréchet distance has no interval.
_UNBIASED = {"fid": "kid", "fvd": "kvd"}
# Shown in columns or pictures of their own.
_SHOWN = {
    "reference",
    "difference",
    "difference_interval",
    "floor",
    "notes",
    "log_spectrum",
    "log_frequency",
    "reference_log_spectrum",
    "mean",
    "covariance",
    "reference_mean",
    "reference_covariance",
}
_BINS = [0.02 * (0.25 / 0.02) ** ((k + 0.5) / 20) for k in range(20)]  # cycles/pixel: centers of 20 log bins
_STRIP = 190.0  # px, the width of the pictures in table rows
_WIDTH = 380.0  # px, a figure's own width: text keeps its size on a phone


def page(comparison: Comparison | Mapping[str, Any]) -> str:
    """The whole HTML document of a comparison or of its JSON data.

    Raises DataError where the data are no comparison.
    """
    data = _canonical(comparison)
    facts = read_comparison(json.dumps(data))[0]
    view = _View(facts)
    return document.render(
        "comparison.html.j2", data=data, data_id="comparison", name=name_markup, **view.context()
    )


def write_page(comparison: Comparison | Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write `page(comparison)` to `path`, all or nothing. Raises OSError; an older file then stays."""
    from synvid_eval.archive import write_bytes

    write_bytes(Path(path), page(comparison).encode())


def _canonical(comparison: Comparison | Mapping[str, Any]) -> dict[str, Any]:
    """The comparison as the plain data of its JSON file, without unknown keys, whichever way it came."""
    data = comparison.to_dict() if isinstance(comparison, Comparison) else dict(comparison)
    data = json.loads(dump_json(data))
    for score in data.get("scores") or []:
        # Bounds that are no numbers became null; a pair of nulls is no interval.
        if isinstance(score, dict) and isinstance(score.get("interval"), list) and None in score["interval"]:
            score["interval"] = None
    canonical: dict[str, Any] = json.loads(read_comparison(json.dumps(data))[0].to_json())
    return canonical


@dataclass(frozen=True)
class _Set:
    """A side with what its rows need: the full name, a short one, and the little line that stands for it."""

    name: str
    short: str
    index: int | None
    key: Markup
    location: str
    fingerprint: str
    clips: int
    frames: int
    skipped: list[dict[str, str]]
    is_reference: bool


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[Score], _Cell]
    numeric: bool = True
    axis: Markup | None = None


@dataclass(frozen=True)
class _Cell:
    text: str = ""
    picture: Markup | None = None
    reason: bool = False


@dataclass(frozen=True)
class _Row:
    set: _Set
    cells: list[_Cell]
    reason: str
    clips: str
    best: str
    notes: list[str]


@dataclass(frozen=True)
class _Figure:
    """A picture with its title and the same numbers as a table."""

    title: str
    svg: Markup
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class _Metric:
    name: str
    id: str
    unit: str
    arrow: str
    arrow_words: str
    about: str
    state: str
    badge: str
    verdict: verdict.MetricVerdict
    own: str
    columns: list[_Column]
    rows: list[_Row]
    key: str
    notes: list[str]
    sentence: str
    random: bool
    command: str
    figures: list[_Figure] = field(default_factory=list)
    extra_head: list[str] = field(default_factory=list)
    extra_rows: list[list[str]] = field(default_factory=list)


def name_markup(text: str) -> Markup:
    """A name as text apart from its surroundings' direction, with places to break after `_`, `-`, `/` and
    `.`.
    """
    parts = re.split(r"(?<=[_\-/.])", one_line(text))
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(p for p in parts if p))


def _key(index: int | None) -> Markup:
    pieces = [svg.polyline([(0, 5), (26, 5)], index), svg.marker(13, 5, index, 4)]
    return svg.element(
        "svg", *pieces, viewBox="0 0 26 10", aria_hidden="true", focusable="false", class_="swatch"
    )


def _side(facts: SetFacts, index: int | None) -> _Set:
    skipped = [{"id": s.get("id", ""), "reason": s.get("reason", "")} for s in facts.skipped]
    return _Set(
        facts.name,
        verdict.short_name(facts.name),
        index,
        _key(index),
        facts.location,
        facts.fingerprint,
        facts.clips,
        facts.frames,
        skipped,
        index is None,
    )


class _View:
    """What the template shows, made from one comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.reference = _side(comparison.reference, None)
        self.sets = [_side(c, i) for i, c in enumerate(comparison.candidates)]
        # Two candidates of one name cannot come from `compare`; in a foreign file the first one keeps the
        # name.
        self.by_name = {s.name: s for s in reversed(self.sets)}
        self.verdicts = {v.metric: v for v in verdict.verdicts(comparison)}
        self.names, self.led = self.order()

    def context(self) -> dict[str, Any]:
        comparison = self.comparison
        run = dict(comparison.run)
        long = run.pop("signatures", None)
        command = run.pop("command", None)
        if command is not None and not isinstance(command, str):
            command = " ".join(map(str, command)) if isinstance(command, list) else json.dumps(command)
        warnings = [text for key in ("warnings", "notes") for text in _texts(run.pop(key, None))]
        metrics = [self.metric(name, i) for i, name in enumerate(self.names)]
        scored = [m for m in metrics if not m.random and not m.command]
        random = [m for m in metrics if m.random and not m.command]
        levels = {s.level for s in comparison.scores}
        return {
            "title": f"{self.question()} · synvid-eval",
            "question": self.question(),
            "description": verdict.headline(comparison),
            "reference_short": self.reference.short,
            "level": " or ".join(f"{100 * level:.3g} %" for level in sorted(levels)),
            "sides": {
                "candidates": self.sets,
                "reference": self.reference,
                "reference_key": self.reference.key,
                "rows": [self.reference, *self.sets],
            },
            "metrics": metrics,
            "scored": scored,
            "overview": self.overview(scored),
            "led": self.why_led(),
            "random": random,
            "random_overview": self.overview(random),
            "random_sentence": verdict.RANDOM,
            "needs": [
                {"command": command, "metrics": names}
                for command, names in verdict.by_command(comparison).items()
            ],
            "unmeasured": self.unmeasured(),
            "signatures": self.signatures(long),
            "command": command,
            "warnings": warnings,
            "run": run,
        }

    def question(self) -> str:
        reference = self.reference.short
        if len(self.sets) == 1:
            return f"How near is {self.sets[0].short} to {reference}?"
        return (
            f"Which set is nearest to {reference}, and in what?"
            if self.sets
            else f"Nothing set beside {reference}"
        )

    def scores(self, metric: str) -> list[Score]:
        return [s for s in self.comparison.scores if s.metric == metric]

    def order(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The metrics in the order of the page, and the pairs (kernel distance, Fréchet distance) where the
        first was put before the second because that has no interval.
        """
        names, led = self.comparison.metrics(), []
        for name in list(names):
            kind, bracket, rest = name.partition("[")
            kernel = _UNBIASED.get(kind, "") + bracket + rest
            unsure = any(finite(s.value) is not None and _bounds(s) is None for s in self.scores(name))
            if not unsure or kernel not in names or not self.verdicts[kernel].measured:
                continue
            led.append((kernel, name))
            if names.index(kernel) > names.index(name):
                names.remove(kernel)
                names.insert(names.index(name), kernel)
        return names, led

    def why_led(self) -> str:
        """Why kernel distances lead, in a sentence; empty where none does, or of random networks only."""
        pairs = [(k, f) for k, f in self.led if not verdict.is_random(f)]
        if not pairs:
            return ""
        order = " and ".join(f"{kernel} stands before {frechet}" for kernel, frechet in pairs)
        unsure = " and ".join(frechet for _, frechet in pairs)
        have = "have" if len(pairs) > 1 else "has"
        return (
            f"{order}: {unsure} {have} no interval here, and a Fréchet distance is "
            "biased upward where clips are few; a kernel distance is unbiased, so it can be read at small n."
        )

    def overview(self, metrics: Sequence[_Metric]) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], Score] = {}
        for each in self.comparison.scores:
            found.setdefault((each.candidate, each.metric), each)
        rows = []
        for one in self.sets:
            cells = []
            for metric in metrics:
                score = found.get((one.name, metric.name))
                if score is None or finite(score.value) is None:
                    cells.append(
                        {"missing": "not asked for" if score is None else "not measured", "best": ""}
                    )
                else:
                    main = typographic(rounding.format_corrected(score) or rounding.format_value(score))
                    interval = typographic(rounding.format_interval(score))
                    best = _best(metric.verdict, one.name)
                    cells.append({"missing": "", "main": main, "interval": interval, "best": best})
            rows.append({"set": one, "cells": cells})
        return rows

    def metric(self, name: str, position: int) -> _Metric:
        scores = self.scores(name)
        found = self.verdicts[name]
        better, unit = scores[0].better, scores[0].unit
        measured = [s for s in scores if finite(s.value) is not None]
        columns, key = self.columns(measured, better)
        # What holds for every set is said once, under the table.
        texts = [_texts(s.detail.get("notes")) for s in scores]
        shared = [t for t in texts[0] if len(scores) > 1 and all(t in other for other in texts)]
        state, badge = "untold", "not separable"
        if not found.measured:
            state, badge = "missing", "not measured"
        elif found.separable:
            state, badge = "told", "nearest" if found.nearest is not None else "highest"
        elif verdict.is_random(name):
            badge = "random network"
        elif len(scores) == 1:
            badge = "one set"
        identity = f"metric-{position}"
        extra_head, extra_rows = self.extras(measured)
        return _Metric(
            name=name,
            id=identity,
            unit=unit,
            arrow=rounding.arrow(better),
            arrow_words=rounding.arrow_words(better),
            about=_ABOUT.get(name.partition("[")[0], ""),
            state=state,
            badge=badge,
            verdict=found,
            own=self.own(measured, better),
            columns=columns,
            rows=[self.row(s, columns, found, shared) for s in scores],
            key=key,
            notes=shared,
            sentence=_after_badge(found.sentence),
            random=verdict.is_random(name),
            command=verdict.weights_command(scores),
            figures=self.figures(measured, identity),
            extra_head=extra_head,
            extra_rows=extra_rows,
        )

    def row(
        self, score: Score, columns: Sequence[_Column], found: verdict.MetricVerdict, shared: Sequence[str]
    ) -> _Row:
        measured = finite(score.value) is not None
        return _Row(
            set=self.by_name[score.candidate],
            cells=[column.cell(score) for column in columns] if measured else [],
            reason="" if measured else (score.reason or "no reason given"),
            clips=_clips(score),
            best=_best(found, score.candidate),
            notes=[n for n in _texts(score.detail.get("notes")) if n not in shared],
        )

    def columns(self, scores: Sequence[Score], better: str) -> tuple[list[_Column], str]:
        """The columns that some row fills, and what the small pictures show."""
        level = " / ".join(f"{100 * v:.3g} %" for v in sorted({s.level for s in scores})) or "95 %"
        picture, key = self.strips(scores, better)
        columns = [
            _Column("Distance" if better == "lower" else "Value", lambda s: _number(rounding.format_value(s)))
        ]
        if any(s.corrected is not None for s in scores):
            columns.append(_Column("Corrected", lambda s: _number(rounding.format_corrected(s) or MISSING)))
        columns.append(_Column(f"{level} interval", _interval_cell))
        if picture is not None:
            columns.append(picture)
        if better != "lower" and any(_reference(s) is not None for s in scores):
            columns.append(
                _Column("Reference’s own", lambda s: _number(format_number(_reference(s), shown_digit(s))))
            )
        if better == "match":
            columns.append(_Column("Difference", _difference_cell))
        if better == "lower" or any(_floor(s) is not None for s in scores):
            columns.append(_Column("Floor", lambda s: _number(format_number(_floor(s)))))
        columns.append(_Column("Clips / reference’s", lambda s: _Cell(_clips(s))))
        return columns, key

    def strips(self, scores: Sequence[Score], better: str) -> tuple[_Column | None, str]:
        """The column of small pictures on one scale, with its legend in words; None where there is nothing to
        draw.
        """
        # Richness is not read against the reference's: its line would invite just that.
        beside = {"lower": _floor, "match": _reference}.get(better, lambda _: None)
        values: list[float] = []
        for s in scores:
            values += [
                v
                for v in (finite(s.value), finite(s.corrected), beside(s), *(_bounds(s) or ()))
                if v is not None
            ]
        if not values:
            return None, ""
        # A distance is read from 0; where the largest is 50 times the smallest, only a log scale shows them
        # all.
        points = [v for s in scores if (v := finite(s.value)) is not None]
        log = better != "match" and min(values) > 0 and max(points) > 50 * min(points)
        scale = svg.spanning(values, 8, _STRIP, zero=better == "lower" and not log, log=log)

        def cell(score: Score) -> _Cell:
            corrected, value = finite(score.corrected), finite(score.value)
            line = beside(score)
            drawn = svg.strip(
                scale,
                value if corrected is None else corrected,
                _bounds(score),
                self.by_name[score.candidate].index,
                hollow=None if corrected is None else value,
                lines=[] if line is None else [line],
            )
            return _Cell(picture=drawn)

        words = [
            "Marker: "
            + ("the corrected value" if any(s.corrected is not None for s in scores) else "the value")
        ]
        if any(_bounds(s) for s in scores):
            words.append("whisker: its interval")
        if any(s.corrected is not None for s in scores):
            words.append("ring: the uncorrected value")
        if any(beside(s) is not None for s in scores):
            floor = "the floor (two halves of the reference against each other; for orientation, no test)"
            words.append("dashed: " + (floor if better == "lower" else "the reference’s own value"))
        if better == "lower" and any((_floor(s) or 0) < 0 for s in scores):
            words.append("an unbiased floor may fall below 0")
        words += ["logarithmic scale"] if log else []
        axis = svg.strip_axis(scale)
        return _Column("Picture of the row", cell, numeric=False, axis=axis), "; ".join(words) + "."

    def own(self, scores: Sequence[Score], better: str) -> str:
        digits = [d for s in scores if _bounds(s) is None and (d := shown_digit(s)) is not None]
        for score in scores:
            if better == "lower" and _floor(score) is not None:
                return f"floor {typographic(format_number(_floor(score)))}"
            if better != "lower" and _reference(score) is not None:
                last = min([d for d in [shown_digit(score)] if d is not None] + digits, default=None)
                return f"{typographic(format_number(_reference(score), last))} itself"
        return MISSING

    def unmeasured(self) -> list[dict[str, str]]:
        lacking = {m for names in verdict.by_command(self.comparison).values() for m in names}
        grouped: dict[tuple[str, str], list[str]] = {}
        for score in self.comparison.scores:
            if finite(score.value) is None and score.metric not in lacking:
                reason = score.reason or "no reason given"
                grouped.setdefault((score.metric, reason), []).append(verdict.short_name(score.candidate))
        out = []
        for (metric, reason), names in grouped.items():
            everyone = len(names) == len(self.sets) and len(names) > 1
            out.append(
                {"metric": metric, "sets": "all sets" if everyone else ", ".join(names), "reason": reason}
            )
        return out

    def signatures(self, long: Any) -> list[dict[str, Any]]:
        longs = long if isinstance(long, Mapping) else {}
        out = []
        for metric in self.names:
            short = list(dict.fromkeys(s.signature for s in self.scores(metric) if s.signature))
            whole = longs.get(metric)
            parts = whole.split("|") if isinstance(whole, str) else _texts(whole)
            if short or parts:
                out.append({"metric": metric, "short": short, "long": parts})
        return out

    def extras(self, scores: Sequence[Score]) -> tuple[list[str], list[list[str]]]:
        """The details that have no place of their own: one row a set, one column a key."""
        keys = [k for k in dict.fromkeys(key for s in scores for key in s.detail) if k not in _SHOWN]
        keys = [k for k in keys if any(_detail(s.detail.get(k)) for s in scores)]
        if not keys:
            return [], []
        rows = [[s.candidate, *(_detail(s.detail.get(k)) or MISSING for k in keys)] for s in scores]
        return ["Set", *(one_line(k).replace("_", " ") for k in keys)], rows

    def figures(self, scores: Sequence[Score], identity: str) -> list[_Figure]:
        return [*self.spectrum_figures(scores, identity), *self.color_figures(scores, identity)]

    def spectrum_figures(self, scores: Sequence[Score], identity: str) -> list[_Figure]:
        curves: list[tuple[int | None, str, list[tuple[float, float]]]] = []
        for score in scores:
            own = _curve(score.detail.get("log_spectrum"), score.detail.get("log_frequency"))
            if own:
                curves.append((self.by_name[score.candidate].index, score.candidate, own))
        reference = next(
            (
                c
                for s in scores
                if (c := _curve(s.detail.get("reference_log_spectrum"), s.detail.get("log_frequency")))
            ),
            [],
        )
        if reference:
            curves.append((None, self.reference.name, reference))
        if not curves:
            return []
        out = [
            self.curves_figure(
                f"{identity}-spectrum",
                "Amplitude over spatial frequency",
                "mean log amplitude",
                curves,
                zero=False,
            )
        ]
        base = dict(reference)
        beside = [
            (index, name, [(f, v - base[f]) for f, v in points if f in base])
            for index, name, points in curves
            if index is not None
        ]
        beside = [c for c in beside if c[2]]
        if beside:
            title = f"The same, minus {self.reference.short}"
            out.append(
                self.curves_figure(
                    f"{identity}-difference", title, "difference of log amplitudes", beside, zero=True
                )
            )
        return out

    def curves_figure(
        self,
        name: str,
        title: str,
        label: str,
        curves: Sequence[tuple[int | None, str, list[tuple[float, float]]]],
        *,
        zero: bool,
    ) -> _Figure:
        frequencies = sorted({f for _, _, points in curves for f, _ in points})
        x = svg.spanning(frequencies, 52, _WIDTH - 10, log=True, pad=0.05)
        y = svg.spanning([v for _, _, points in curves for _, v in points], 250, 10, zero=zero)
        body: list[str] = [svg.axes(x, y, "spatial frequency (cycles per pixel)", label)]
        if zero:
            at = svg.coordinate(y(0.0))
            body.append(svg.element("path", d=f"M52 {at}H{svg.coordinate(_WIDTH - 10)}", class_="zero"))
        for index, _, points in curves:
            pixels = [(x(f), y(v)) for f, v in points]
            body.append(svg.polyline(pixels, index))
            # Markers at every fifth point, each series from another one, so that they do not hide each other.
            body += [svg.marker(*p, index, 3.5) for p in pixels[(index or 0) % 5 :: 5]]
        legend, height = svg.legend([(i, n) for i, n, _ in curves], 8, 300, _WIDTH - 16)
        body.append(legend)
        text = (
            f"{title}: one curve a set, from {frequencies[0]:.3g} to {frequencies[-1]:.3g} cycles per pixel. "
        )
        text += "The table below holds the numbers."
        lookup = [(n, dict(points)) for _, n, points in curves]
        rows = [[n, *(format_number(d.get(f)) for f in frequencies)] for n, d in lookup]
        head = ["Set", *(f"{f:.3g}" for f in frequencies)]
        return _Figure(title, svg.figure(name, title, text, _WIDTH, 304 + height, body), head, rows)

    def color_figures(self, scores: Sequence[Score], identity: str) -> list[_Figure]:
        clouds: list[tuple[int | None, str, _Cloud]] = []
        reference: _Cloud | None = None
        for score in scores:
            own = _cloud(score.detail.get("mean"), score.detail.get("covariance"))
            reference = reference or _cloud(
                score.detail.get("reference_mean"), score.detail.get("reference_covariance")
            )
            if own is not None:
                clouds.append((self.by_name[score.candidate].index, score.candidate, own))
        if reference is not None:
            clouds.append((None, self.reference.name, reference))
        if not clouds:
            return []
        return [self.plane_figure(clouds, identity), self.lightness_figure(clouds, identity)]

    def plane_figure(self, clouds: Sequence[tuple[int | None, str, _Cloud]], identity: str) -> _Figure:
        # Equal scales on both axes: an ellipse is only true to shape so.
        edges = []
        for axis in (1, 2):
            low = min(c.mean[axis] - c.sigma(axis) for _, _, c in clouds)
            high = max(c.mean[axis] + c.sigma(axis) for _, _, c in clouds)
            edges.append(((low + high) / 2, (high - low) / 2))
        reach = min(max(max(e[1] for e in edges) * 1.12, 5.0), 1e6)
        side = 300.0
        x = svg.Scale(edges[0][0] - reach, edges[0][0] + reach, 60, 60 + side)
        y = svg.Scale(edges[1][0] - reach, edges[1][0] + reach, 10 + side, 10)
        body: list[str] = [svg.axes(x, y, "a*   (green − … red +)", "b*   (blue − … yellow +)")]
        for index, _, cloud in clouds:
            mean = cloud.mean[1], cloud.mean[2]
            body.append(
                svg.ellipse(
                    mean, (cloud.covariance[4], cloud.covariance[5], cloud.covariance[8]), x, y, index
                )
            )
        body += [svg.marker(x(c.mean[1]), y(c.mean[2]), i) for i, _, c in clouds]
        legend, height = svg.legend([(i, n) for i, n, _ in clouds], 8, side + 60, _WIDTH - 16)
        title = "Colors in the a*b* plane: mean and one standard deviation"
        rows = []
        for _, name, cloud in clouds:
            numbers = (cloud.mean[1], cloud.mean[2], cloud.sigma(1), cloud.sigma(2), cloud.covariance[5])
            rows.append([name, *(format_number(v) for v in numbers)])
        head = ["Set", "mean a*", "mean b*", "deviation a*", "deviation b*", "covariance a*b*"]
        text = f"{title}: a marker and an ellipse for every set. The table below holds the numbers."
        body.append(legend)
        picture = svg.figure(f"{identity}-plane", title, text, _WIDTH, side + 64 + height, body)
        return _Figure(title, picture, head, rows)

    def lightness_figure(self, clouds: Sequence[tuple[int | None, str, _Cloud]], identity: str) -> _Figure:
        edges = [c.mean[0] + sign * c.sigma(0) for _, _, c in clouds for sign in (-1, 1)]
        x = svg.Scale(min(0.0, *edges), max(100.0, *edges), 16, _WIDTH - 16)
        # Each set's label stands over its own bar, so that a long name has the whole width.
        body: list[str] = []
        top = 8.0
        for index, name, cloud in clouds:
            lines = svg.wrap(name, _WIDTH - 32)
            for line in lines:
                body.append(svg.element("text", line, x=16, y=top + 12, class_="label"))
                top += 16
            low, high = x(cloud.mean[0] - cloud.sigma(0)), x(cloud.mean[0] + cloud.sigma(0))
            at = svg.coordinate(top + 8)
            path = f"M{svg.coordinate(low)} {at}H{svg.coordinate(high)}"
            caps = "".join(f"M{svg.coordinate(e)} {svg.coordinate(top + 3)}v10" for e in (low, high))
            body.append(svg.element("path", d=path + caps, class_=f"whisker {svg.series_class(index)}"))
            body.append(svg.marker(x(cloud.mean[0]), top + 8, index))
            top += 24
        body = [svg.axes(x, None, "L*   (0 black … 100 white)", top=4, bottom=top), *body]
        title = "Lightness L*: mean and one standard deviation"
        rows = [[n, format_number(c.mean[0]), format_number(c.sigma(0))] for _, n, c in clouds]
        text = f"{title}: one bar a set. The table below holds the numbers."
        picture = svg.figure(f"{identity}-lightness", title, text, _WIDTH, top + 40, body)
        return _Figure(title, picture, ["Set", "mean L*", "deviation L*"], rows)


@dataclass(frozen=True)
class _Cloud:
    """A normal distribution in L*a*b*: mean [3] and covariance [9], row-major, units of L*a*b* (squared)."""

    mean: list[float]
    covariance: list[float]

    def sigma(self, axis: int) -> float:
        """Standard deviation along an axis; 0 for a negative variance, which only a foreign file can hold."""
        return math.sqrt(max(0.0, self.covariance[4 * axis]))


def _cloud(mean: Any, covariance: Any) -> _Cloud | None:
    """Both lists as a cloud, or None where one is missing, of another length, or not all numbers."""
    if isinstance(covariance, list) and len(covariance) == 3 and all(isinstance(r, list) for r in covariance):
        covariance = [v for r in covariance for v in r]
    first, second = _numbers(mean, 3), _numbers(covariance, 9)
    return None if first is None or second is None else _Cloud(first, second)


def _numbers(value: Any, length: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != length:
        return None
    found = [finite(v) for v in value]
    numbers = [v for v in found if v is not None]
    return numbers if len(numbers) == length else None


def _curve(values: Any, frequencies: Any) -> list[tuple[float, float]]:
    """(cycles/pixel, log amplitude) where both are known; empty where the lists do not fit together.

    frequencies: `detail.log_frequency`, natural logarithms of cycles/pixel (or, all positive, the frequencies
    themselves); without it the contract's 20 bins.
    """
    if not isinstance(values, list) or not values:
        return []
    if isinstance(frequencies, list):
        found = [finite(f) for f in frequencies]
        known = [f for f in found if f is not None]
        # Up to 0.5 cycles/pixel exist, so logarithms are negative and frequencies are not.
        if known and min(known) <= 0:
            found = [None if f is None or abs(f) > 50 else math.exp(f) for f in found]
    else:
        found = list(_BINS)
    if len(found) != len(values):
        return []
    pairs = zip(found, map(finite, values), strict=True)
    return [(f, v) for f, v in pairs if f is not None and v is not None and 1e-9 < f < 1e9]


def _bounds(score: Score) -> tuple[float, float] | None:
    return rounding.score_interval(score)


def _reference(score: Score) -> float | None:
    return finite(score.detail.get("reference"))


def _floor(score: Score) -> float | None:
    return finite(score.detail.get("floor"))


def _interval_cell(score: Score) -> _Cell:
    text = rounding.format_interval(score)
    return _number(text) if text else _Cell(verdict.interval_reason(score), reason=True)


def _difference_cell(score: Score) -> _Cell:
    interval = finite_pair(score.detail.get("difference_interval"))
    number = format_number(verdict.signed_difference(score), last_digit(interval))
    return _number(f"{number} {format_bounds(interval)}".strip())


def _number(text: str) -> _Cell:
    return _Cell(typographic(text))


def _clips(score: Score) -> str:
    return f"{score.n['candidate']} / {score.n['reference']}"


def _after_badge(sentence: str) -> str:
    """The verdict's sentence without the words that its badge says already."""
    for words in ("not separable: ", "could not be measured: "):
        sentence = sentence.removeprefix(words)
    return sentence


def _best(found: verdict.MetricVerdict, candidate: str) -> str:
    """The badge of a set that the verdict names; empty for all others."""
    if found.nearest == candidate:
        return "nearest"
    return "highest" if found.highest == candidate else ""


def _texts(value: Any) -> list[str]:
    """Notes as a list of texts, however they were given: a text, a list, nothing."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [v if isinstance(v, str) else json.dumps(v) for v in value]
    return [value if isinstance(value, str) else json.dumps(value)]


def _detail(value: Any) -> str:
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
        return ", ".join(_detail(v) or MISSING for v in value)
    return ""
