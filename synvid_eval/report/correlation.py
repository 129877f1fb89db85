"""The page of a correlation: the verdict first, then coefficients, scatters, sets, and what is left out.

`page` is a pure function of the document (`synvid-eval/correlation/1`): it computes no statistic, but for the
least-squares lines that it draws. What a few dozen sets in a handful of families cannot bear is not said: no
coefficient stands without its interval over families and the one inside the band, no metric is said to
foretell accuracy, numbers of random networks are striped and explained once. All of it can be read without a
script; `shell.js` and `correlation.js` add sorting, columns, a logarithmic axis, selections that show in
every picture and table, a family toolbox, downloads and a permalink.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from synvid_eval import rounding
from synvid_eval.correlation import DIFFERENCE, SCHEMA, bounds_text, of_models, p_text, short_number
from synvid_eval.errors import DataError, one_line
from synvid_eval.report import clips, document, rows, scatter, svg
from synvid_eval.report.drawing import items, mapping, number, say, sentences
from synvid_eval.report.rows import name_markup, texts
from synvid_eval.rounding import MISSING, finite, finite_pair
from synvid_eval.score import dump_json
from synvid_eval.verdict import short_name

_STATES = {
    "goes": ("goes", "beyond chance, with the sign that its direction declares"),
    "against": ("against", "beyond chance, but with the other sign"),
    "carried": ("carried", "beyond chance, but more than half of it hangs on one set, one family or the sets "
                "outside the band"),
    "chance": ("chance", "not distinguishable from chance"),
    "few": ("too few", "fewer than five sets"),
    "constant": ("constant", "the same number for all sets"),
    "control": ("control", "a random network, no verdict"),
}  # fmt: skip
_TICKS = {True: ("✓", "as declared"), False: ("✗", "against it"), None: (MISSING, "none declared")}
_LETTERS = {"pearson": "r", "spearman": "rho", "kendall": "tau"}
_HUNG = "; where a plain test (p_free ≤ .05) would take it for real, the words say what carries it"
_PREDICTORS = {
    "ridge": "several metrics (ridge)",
    "single": "the best single metric",
    "mean": "the mean alone",
}
_SMALL_SETS = 400  # sets up to which there are small scatters
_NAMES = 12  # names in a sentence; more are folded
_FEW = 12  # rows of a table that is set less densely
_UNFOLDED = 24  # families of a legend that are not folded


def page(correlation: Mapping[str, Any]) -> str:
    """The whole HTML document of a correlation's JSON data.

    Raises DataError where the data are no correlation.
    """
    data = json.loads(dump_json(dict(correlation)))
    view = _View(data)
    return document.render(
        "correlation.html.j2",
        data=view.embedded(),
        share=True,
        data_id="correlation",
        script=("shell.js", "correlation.js"),
        styles=("style.css", "figures.css", "scatter.css", "correlation.css"),
        name=name_markup,
        cells=rows.cells,
        table_of=rows.table_of,
        **view.context(),
    )


def write_page(correlation: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write `page(correlation)` to `path`, all or nothing. Raises OSError; an older file then stays."""
    from synvid_eval.archive import write_bytes

    write_bytes(Path(path), page(correlation).encode())


@dataclass(frozen=True)
class _Set:
    """A set with an accuracy. index: of its family, which gives color and shape."""

    tag: str
    name: str
    dataset: str
    family: str
    index: int
    accuracy: float | None
    std: float | None
    seeds: int
    gap: float | None
    inside: bool

    @property
    def key(self) -> Markup:
        """The little mark that stands for its family."""
        use = svg.element("use", href=f"#key-{self.index}")
        return svg.element("svg", use, aria_hidden="true", class_="swatch", viewBox="0 0 12 10")


@dataclass(frozen=True)
class _Cell:
    """A cell of the matrix: its number, the interval below it, what is said beside, and how it is sorted."""

    text: str
    bounds: str = ""
    sort: float | None = None
    kind: str = ""


@dataclass(frozen=True)
class _Column:
    """A column of the matrix. off: whether it is hidden at first; fixed: whether it always stays."""

    title: str
    about: str = ""
    off: bool = False
    fixed: bool = False
    words: bool = False
    down: bool = False


@dataclass(frozen=True)
class _Picture:
    """A picture with its title and how to read it."""

    title: str
    caption: str
    svg: Markup


class _Metric:
    """One metric's row, pictures and sentences."""

    def __init__(self, view: _View, raw: Mapping[str, Any], position: int) -> None:
        self.raw = raw
        self.name = str(raw.get("metric"))
        self.id = f"metric-{position}"
        self.short = short_name(self.name)
        self.unit = str(raw.get("unit") or "")
        self.better = str(raw.get("better") or "")
        self.arrow = rounding.arrow(self.better)
        self.random = raw.get("random") is True
        state = raw.get("state")
        self.state = state if isinstance(state, str) and state in _STATES else "chance"
        self.badge = _STATES[self.state][0]
        self.verdict = str(raw.get("verdict") or "")
        self.said = _sentence(self.verdict)
        self.rho = number(mapping(raw.get("spearman")).get("value"))
        self.signature = str(raw.get("signature") or "")
        spread = items(raw.get("spread"))
        least = 0.0 if self.name.endswith(DIFFERENCE) else -math.inf
        self.marks = []
        for i, (one, value) in enumerate(zip(view.sets, items(raw.get("values")), strict=False)):
            x = number(value)
            if x is None or one.accuracy is None:
                continue
            wide = number(spread[i]) if i < len(spread) else None
            deviation = max(0.0, wide or 0.0)
            self.marks.append(
                scatter.Mark(one.tag, one.name, one.index, x, one.accuracy, deviation, one.std or 0.0, least)
            )
        self.view = view

    @property
    def label(self) -> str:
        """The metric with its unit, for an axis."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @property
    def strength(self) -> float:
        """By which metrics are put in order: |rho|; below all others without one."""
        return -1.0 if self.rho is None else abs(self.rho)

    def brief(self, kind: str = "spearman") -> str:
        """A coefficient with its interval over families and what it is inside the band."""
        about = mapping(self.raw.get(kind))
        value = number(about.get("value"))
        if value is None:
            return f"no {_LETTERS[kind]}"
        bounds, over = _interval(about)
        text = f"{_LETTERS[kind]} {short_number(value)}"
        if bounds is not None:
            text += f" {bounds_text(bounds)} {over}"
        inner = mapping(mapping(self.raw.get("band")).get(kind))
        inside = number(inner.get("value"))
        if inside is not None:
            text += f", {short_number(inside)} in the band"
        elif self.view.band is not None:
            text += ", none in the band"
        return text

    def cells(self) -> list[_Cell]:
        """Its row of the matrix, without the name."""
        raw = self.raw
        rho, r, tau = (mapping(raw.get(k)) for k in ("spearman", "pearson", "kendall"))
        band = mapping(raw.get("band"))
        inner = mapping(band.get("spearman"))
        out = [_Cell(self.badge, kind=f"state {self.state}"), _coefficient(rho)]
        if self.view.band is not None:
            inside = _coefficient(inner)
            n = finite(band.get("n"))
            beside = f" of {n:g}" if n is not None and n != self.view.usual else ""
            out.append(_Cell(inside.text, inside.bounds + beside, inside.sort))
        sign = raw.get("as_expected")
        tick, word = _TICKS[sign if isinstance(sign, bool) else None]
        out += [_coefficient(r), _Cell(tick, word, kind="sign" if sign is not False else "sign wrong")]
        out += [_probability(rho.get("p")), _probability(raw.get("p_best")), _probability(rho.get("q"))]
        out += [
            _probability(r.get("p")),
            _coefficient(tau),
            _over_sets(rho),
            _probability(rho.get("p_free")),
            _probability(rho.get("p_holm")),
        ]
        if self.view.given:
            partial = mapping(mapping(raw.get("partial")).get("spearman"))
            out.append(_over_sets({**partial, "bootstrap": partial.get("interval")}))
        if self.view.noisy:
            noise = finite_pair(mapping(raw.get("noise")).get("spearman"))
            out.append(_Cell(bounds_text(noise), sort=noise[0] if noise else None))
        # a control's state and the note on controls say it all
        out.append(_Cell("" if self.random else self.said, kind="why"))
        return out

    def carried(self) -> str:
        """What its coefficient hangs on, as a sentence; empty for nothing."""
        hangs = mapping(self.raw.get("carried"))
        whole, without = number(hangs.get("whole")), number(hangs.get("without"))
        if whole is None:
            return ""
        if without is None:
            return f"Without {hangs.get('by')} it is the same number for all sets."
        letter = _LETTERS.get(str(hangs.get("kind")), "it")
        return (
            f"Without {hangs.get('by')}, {letter} goes from {short_number(whole)} to {short_number(without)}."
        )

    def pictures(self) -> list[_Picture]:
        """Scatter, residuals, influence: those that its numbers allow."""
        if len(self.marks) < 2:
            return []
        view = self.view
        title = f"Accuracy against {self.name}"
        quadratic = mapping(self.raw.get("quadratic"))
        curve = scatter.parabola_of(self.marks) if quadratic else None
        drawn = scatter.large(
            f"{self.id}-scatter",
            title,
            f"{len(self.marks)} sets: {view.target} against {self.name}. {_sentence(self.brief())}",
            self.marks,
            self.label,
            band=view.band,
            families=view.legend(self.marks),
            curve=curve,
        )
        bars = [b for b, has in (("across, of the metric’s own", any(m.wide for m in self.marks)),
                                 ("upward, over seeds", any(m.high for m in self.marks))) if has]  # fmt: skip
        caption = sentences(
            f"Each mark is a set{', its color and shape its family' if view.families else ''}.",
            f"Bars are one standard deviation: {'; '.join(bars)}." if bars else "",
            f"Shaded: accuracies of {view.range()}." if view.band else "",
            "Line: least squares." if scatter.line_of(self.marks) else "",
            _parabola(quadratic) if curve else "",
            f"{drawn.named} of {len(self.marks)} sets are named, those farthest from the line."
            if drawn.named is not None
            else "",
        )
        out = [_Picture(title, caption, drawn.svg)]
        rest = scatter.residuals(
            f"{self.id}-residuals", f"Residuals of {self.name}",
            "How far each set lies above or below the line.", self.marks, self.label,
        )  # fmt: skip
        if rest is not None:
            out.append(_Picture("Residuals", "How far each set lies above or below the line [points].", rest))
        influence = self.influence()
        if influence is not None:
            out.append(influence)
        return out

    def each(self) -> dict[str, dict[str, float]]:
        """Coefficient → tag → its value without that set."""
        out: dict[str, dict[str, float]] = {}
        left = mapping(mapping(self.raw.get("left_out")).get("sets"))
        there = [
            one.tag
            for one, value in zip(self.view.sets, items(self.raw.get("values")), strict=False)
            if finite(value) is not None
        ]
        for kind in ("spearman", "pearson"):
            values = items(mapping(left.get(kind)).get("each"))
            found = {
                tag: v
                for tag, raw in zip(there, values, strict=False)
                if (v := number(raw)) is not None and abs(v) <= 1
            }
            if found:
                out[kind] = found
        return out

    def influence(self) -> _Picture | None:
        left = mapping(self.raw.get("left_out"))
        by_tag = {m.tag: m for m in self.marks}
        lanes = []
        for kind, values in self.each().items():
            whole = number(mapping(self.raw.get(kind)).get("value"))
            if whole is None:
                continue
            influential = _influential(mapping(left.get("sets")), kind)
            named = {name for name, _ in influential}
            tags = [m.tag for m in self.marks if m.name in named]
            pairs = [(by_tag[tag], v) for tag, v in values.items() if tag in by_tag]
            lanes.append(scatter.Lane(_LETTERS[kind], whole, pairs, tags))
        if not lanes:
            return None
        families = _influential(mapping(left.get("families")), "spearman")
        alone = ""
        if self.state in ("goes", "against"):
            alone = "No single set, family or band carries more than half of it."
        without = ", ".join(f"without {n} {short_number(v)}" for n, v in families)
        caption = sentences(
            "Each dot: the coefficient without that set; upright line: with all sets. The most influential "
            "are named.",
            self.carried() or alone,
            f"Families: rho is {without}." if without else "",
        )
        drawn = scatter.influence(
            f"{self.id}-influence", f"Influence of each set on {self.name}",
            "The coefficient with each set left out, in two rows of dots.", lanes,
        )  # fmt: skip
        return _Picture("Influence", caption, drawn)

    def table(self) -> Markup:
        """What the pictures show, a row a set."""
        fitted = scatter.line_of(self.marks)
        each = self.each()
        head = ["Set", self.name, "Accuracy", "Above the line"]
        head += [f"{_LETTERS[kind]} without it" for kind in each]
        body = []
        for m in self.marks:
            row = [m.name, say(m.x), say(m.y), say(m.y - fitted(m.x)) if fitted else MISSING]
            body.append(row + [short_number(values.get(m.tag)) for values in each.values()])
        return rows.cells(head, body)

    def glance(self) -> Markup:
        """The small scatter."""
        if len(self.marks) < 2:
            return Markup("")
        return scatter.small(f"Accuracy against {self.name}: {self.brief()}", self.marks, self.view.band)


class _View:
    """What the template shows, made from one document."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        raw_sets, raw_metrics = data.get("sets"), data.get("metrics")
        if (
            data.get("schema") != SCHEMA
            or not isinstance(raw_sets, list)
            or not isinstance(raw_metrics, list)
        ):
            raise DataError(
                f"This is no correlation: its schema is {str(data.get('schema'))[:60]!r}.",
                f"A page is made of {SCHEMA}, which `synvid-eval correlate` writes.",
            )
        self.data = data
        self.run = mapping(data.get("run"))
        families = [str(f) for f in items(data.get("families"))]
        self.families: list[str] = []
        self.band = finite_pair(data.get("band"))
        self.given = str(data.get("given")) if data.get("given") is not None else ""
        entries = [mapping(s) for s in raw_sets]
        if families:
            told = [*families, *(str(s.get("family")) for s in entries)]
            self.families = list(dict.fromkeys(told))
        place = {f: i for i, f in enumerate(self.families)}
        self.sets = [
            _Set(
                str(i),
                str(s.get("name")),
                str(s.get("dataset") or s.get("name")),
                str(s.get("family") or ""),
                place.get(str(s.get("family")), 0),
                number(s.get("accuracy")),
                number(s.get("std")),
                int(finite(s.get("seeds")) or 1),
                number(s.get("gap_closed")),
                s.get("in_band") is True,
            )
            for i, s in enumerate(entries)
        ]
        raw = [mapping(m) for m in raw_metrics]
        inside = Counter(n for m in raw if (n := finite(mapping(m.get("band")).get("n"))) is not None)
        self.usual = inside.most_common(1)[0][0] if inside else 0.0
        self.noisy = any(mapping(m.get("noise")).get("spearman") for m in raw)
        found = [_Metric(self, m, i) for i, m in enumerate(raw)]
        told_of = sorted((m for m in found if not m.random), key=lambda m: -m.strength)
        self.controls = [m for m in found if m.random]
        self.metrics = told_of
        self.target = f"{data.get('benchmark')} {data.get('protocol')} accuracy"
        self.galleries = self._galleries()

    def _galleries(self) -> list[clips.Gallery]:
        media = mapping(self.data.get("media"))
        known = {}
        for one in self.sets:
            clip = media.get(one.name)
            if isinstance(clip, Mapping):
                known[one.name] = [{**clip, "shown": True}]
        return clips.galleries({"clips": known}, [self._side(s) for s in self.sets], [])

    def _side(self, one: _Set) -> rows.Set:
        return rows.Set(one.name, one.name, int(one.tag), one.key, Markup(""), "", "", 0, 0, [])

    def embedded(self) -> dict[str, Any]:
        """The document with a reference in place of each poster that the page shows."""
        media = self.data.get("media")
        if not isinstance(media, dict) or not self.galleries:
            return dict(self.data)
        shown = {g.set.name: g.shown[0].identity for g in self.galleries if g.shown}
        return {
            **self.data,
            "media": {n: {**c, "poster": f"#{shown[n]}"} if n in shown else c for n, c in media.items()},
        }

    def range(self) -> str:
        """The band in words."""
        return f"{self.band[0]:g} to {self.band[1]:g} %" if self.band else ""

    def legend(self, marks: Sequence[scatter.Mark]) -> list[tuple[int, str]]:
        """Families in a plot, in their order."""
        there = {m.index for m in marks}
        return [(i, f) for i, f in enumerate(self.families) if i in there]

    def columns(self) -> list[_Column]:
        """The matrix's columns, without the metric's."""
        out = [_Column("State", words=True), _Column("rho", "Spearman", fixed=True)]
        if self.band is not None:
            about = f"{self.range()}, {self.usual:g} sets" if self.usual else self.range()
            out.append(_Column("rho in the band", about, fixed=True))
        out += [
            _Column("r", "Pearson"),
            _Column("Sign", "of rho", words=True),
            _Column("p of rho", "families exchanged"),
            _Column("p, best of all (r or rho)", "families exchanged"),
            _Column("q", "false discovery, of rho"),
            _Column("p of r", "families exchanged", off=True),
            _Column("tau", "Kendall, τ-b", off=True),
            _Column("rho over sets", "takes sets for independent", off=True),
            _Column("p_free", "of rho, takes sets for independent", off=True),
            _Column("p (Holm)", "of rho, families exchanged", off=True),
        ]
        if self.given:
            out.append(_Column(f"rho given {self.given}", "partial", off=True))
        if self.noisy:
            out.append(_Column("rho with its noise", "values drawn anew", off=True))
        out.append(_Column("In words", words=True))
        return out

    def best_of(self) -> str:
        """What p as the best of all means, in a sentence; empty where no metric has one."""
        if not any(number(m.raw.get("p_best")) is not None for m in self.metrics):
            return ""
        tested = int(finite(self.run.get("tested")) or len(self.metrics))
        count = finite(self.run.get("permutations"))
        every = self.run.get("all_permutations") is True
        how = f"all {count:,.0f}" if every and count else f"{count:,.0f}" if count else "the"
        whose = "the accuracies of whole families" if self.families else "the accuracies"
        several = f"any of the {tested} metrics" if tested != 1 else "the metric"
        return (
            f"p as the best of all: in {how} ways of exchanging {whose}, the share in which {several}, by r "
            "or by rho, does at least as well as this one."
        )

    def prediction(self) -> dict[str, Any] | None:
        raw = mapping(self.data.get("prediction"))
        rmse = {k: v for k in _PREDICTORS if (v := number(mapping(raw.get("rmse")).get(k))) is not None}
        if not rmse:
            return None
        best = min(rmse, key=lambda k: rmse[k])
        chosen = [str(c) for c in items(raw.get("chosen"))]
        folds = []
        if self.families and len(chosen) == len(self.families):
            folds = [
                {"family": f, "index": i, "metric": c}
                for i, (f, c) in enumerate(zip(self.families, chosen, strict=True))
            ]
        used = [str(m) for m in items(raw.get("metrics"))]
        weights = [number(w) for w in items(raw.get("weights"))]
        return {
            "words": _sentence(str(raw.get("words") or "")),
            "errors": [(_PREDICTORS[k], say(rmse[k]), k == best) for k in _PREDICTORS if k in rmse],
            "folds": folds,
            "counts": Counter(chosen).most_common() if chosen and not folds else [],
            "used": used,
            "weights": [(m, say(w)) for m, w in zip(used, weights, strict=False)],
        }

    def unknown(self) -> list[dict[str, str | None]]:
        """Sets without an accuracy: name, estimate (None where there is none), interval."""
        estimates = {}
        for raw in items(mapping(self.data.get("prediction")).get("sets")):
            one = mapping(raw)
            value = number(one.get("predicted"))
            bounds = finite_pair(one.get("interval"))
            if value is not None:
                text = f"[{bounds[0]:.0f}, {bounds[1]:.0f}]" if bounds else MISSING
                estimates[str(one.get("name"))] = (f"{value:.0f}", text)
        names = [str(n) for n in items(mapping(self.data.get("unmatched")).get("measured"))]
        names += [n for n in estimates if n not in names]
        return [
            {
                "name": n,
                "value": estimates.get(n, (None, MISSING))[0],
                "interval": estimates.get(n, (None, MISSING))[1],
            }
            for n in names
        ]

    def command(self) -> tuple[str, bool]:
        """How the document was made, and whether the document says so itself."""
        told = self.run.get("command")
        if isinstance(told, list):
            told = shlex.join(map(str, told))
        if isinstance(told, str) and told:
            return told, True
        parts = ["synvid-eval", "correlate", "FILE.json"]
        for key in ("accuracies", "benchmark", "split", "protocol", "method"):
            if key in ("accuracies", "benchmark", "protocol") or self.data.get(key):
                parts += [f"--{key}", str(self.data.get(key))]
        return shlex.join(parts), False

    def context(self) -> dict[str, Any]:
        data = self.data
        metrics = [*self.metrics, *self.controls]
        drawn = [m for m in metrics if len(m.marks) >= 2]
        run = {k: v for k, v in self.run.items() if k != "command"}
        long = run.pop("signatures", None)
        run_notes = [t for key in ("warnings", "notes") for t in texts(run.pop(key, None))]
        command, told = self.command()
        unmatched = [str(n) for n in items(mapping(data.get("unmatched")).get("accuracies"))]
        question = f"Which measurement goes with {self.target}?"
        keys = range(max(1, len(self.families)))
        values = [items(m.raw.get("values")) for m in metrics]
        return {
            "title": f"{question} · synvid-eval",
            "question": question,
            "description": str(data.get("headline") or question),
            "headline": str(data.get("headline") or ""),
            "target": self.target,
            "model": of_models(data),
            "source": str(data.get("accuracies") or ""),
            "reference": str(data.get("reference") or ""),
            "level": f"{100 * (finite(data.get('level')) or 0.95):.3g} %",
            "best_of": self.best_of(),
            "notes": [*texts(data.get("notes")), *run_notes],
            "sets": self.sets,
            "few": len(self.sets) <= _FEW,
            "families": [{"index": i, "name": f, "count": sum(s.index == i for s in self.sets)}
                         for i, f in enumerate(self.families)],
            "keys": [svg.group([svg.marker(6, 5, i, 4)], id=f"key-{i}") for i in keys],
            "band": self.range(),
            "gaps": any(s.gap is not None for s in self.sets),
            "metrics": self.metrics,
            "controls": self.controls,
            "everything": metrics,
            "columns": self.columns(),
            "states": self.states(),
            "first": drawn[0].id if drawn else "",
            "drawn": [(m, m.pictures()) for m in drawn],
            "glances": len(self.sets) <= _SMALL_SETS and len(drawn) > 1,
            "values": [
                [say(number(v[i])) if i < len(v) else MISSING for v in values] for i in range(len(self.sets))
            ],
            "prediction": self.prediction(),
            "unknown": self.unknown(),
            "unmatched": unmatched,
            "unfolded": _UNFOLDED,
            "many": _NAMES,
            "galleries": [g for g in self.galleries if g.shown],
            "command": command,
            "told": told,
            "signatures": self.signatures(long),
            "run": run,
            "draws": finite(self.run.get("draws")),
            "say": say,
        }  # fmt: skip

    def states(self) -> list[tuple[str, str]]:
        """What the badges mean of those states that there are."""
        out = []
        for state, (badge, why) in _STATES.items():
            own = [m for m in [*self.metrics, *self.controls] if m.state == state]
            hung = state == "chance" and any(mapping(m.raw.get("carried")) for m in own)
            if own:
                out.append((badge, why + _HUNG if hung else why))
        return out

    def signatures(self, long: Any) -> list[dict[str, Any]]:
        longs = mapping(long)
        out = []
        for m in [*self.metrics, *self.controls]:
            whole = longs.get(m.name)
            parts = whole.split("|") if isinstance(whole, str) else texts(whole)
            if m.signature or parts:
                out.append({"metric": m.name, "short": m.signature, "long": parts})
        return out


def _interval(about: Mapping[str, Any]) -> tuple[tuple[float, float] | None, str]:
    """A coefficient's interval over families; over sets where there is none."""
    bounds = finite_pair(about.get("family_bootstrap"))
    if bounds is not None:
        return bounds, "over families"
    return finite_pair(about.get("interval")), "over sets only"


def _coefficient(about: Mapping[str, Any]) -> _Cell:
    value = number(about.get("value"))
    if value is None:
        return _Cell(MISSING)
    bounds, over = _interval(about)
    beside = (
        ""
        if bounds is None
        else bounds_text(bounds)
        if over == "over families"
        else f"{bounds_text(bounds)} {over}"
    )
    return _Cell(short_number(value), beside, value)


def _over_sets(about: Mapping[str, Any]) -> _Cell:
    value = number(about.get("value"))
    bounds = finite_pair(about.get("bootstrap")) or finite_pair(about.get("interval"))
    if value is None:
        return _Cell(MISSING)
    return _Cell(short_number(value), bounds_text(bounds) if bounds else "", value)


def _probability(value: Any) -> _Cell:
    p = number(value)
    return _Cell(p_text(p), sort=p)


def _sentence(text: str) -> str:
    """A phrase as a sentence."""
    line = one_line(text).strip()
    return f"{line[:1].upper()}{line[1:].rstrip('.')}." if line else ""


def _influential(about: Mapping[str, Any], kind: str) -> list[tuple[str, float]]:
    found = [mapping(f) for f in items(mapping(about.get(kind)).get("influential"))]
    return [(str(f.get("name")), v) for f in found if (v := number(f.get("without"))) is not None]


def _parabola(quadratic: Mapping[str, Any]) -> str:
    vertex, r2, line = (number(quadratic.get(k)) for k in ("vertex", "r2", "r2_line"))
    p = number(quadratic.get("p"))
    if r2 is None or line is None or not math.isfinite(r2):
        return "Dashed: a parabola."
    turn = ""
    if vertex is not None:
        turn = f", {'highest' if quadratic.get('peak') is True else 'lowest'} at {say(vertex)}"
        if quadratic.get("within") is False:
            turn = ", which turns beyond the measured range"
    gain = f" (p of the gain {p_text(p)}, families exchanged)" if p is not None else ""
    shares = f"it explains {100 * r2:.0f} % of the variance, a line {100 * line:.0f} %"
    return f"Dashed: a parabola{turn}; {shares}{gain}."
