"""The page of a comparison: the verdict first, then every score with its recipe.

`page` is a pure function of the comparison's JSON: `compare --html F` and `report FILE.json --html F` write
the same bytes. It recomputes nothing that was measured and shows whatever keys a run happens to have. Numbers
of random networks stand apart, striped; where Fréchet distances have no interval, kernel distances lead. All
of it can be read without a script; `shell.js` and `comparison.js` add sorting, filters, players, downloads
and a permalink.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from synvid_eval import published, rounding, verdict
from synvid_eval.errors import one_line
from synvid_eval.report import clips, document, figures, rows, scatter
from synvid_eval.report.clips import mapping
from synvid_eval.report.rows import name_markup, texts
from synvid_eval.rounding import MISSING, finite, typographic
from synvid_eval.score import Comparison, Score, dump_json, read_comparison

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
    "fd": "Fréchet distance between features of clips, of an encoder trained here: set it only beside "
    "numbers of the same one.",
    "kd": "Kernel distance (unbiased MMD²) between features of clips, of an encoder trained here: set "
    "it only beside numbers of the same one. It may fall below 0.",
}
# The kernel distance of the same features, to be read where a Fréchet distance has no interval.
_UNBIASED = {"fid": "kid", "fvd": "kvd", "fd": "kd"}
# Details with columns or pictures of their own.
_SHOWN = {
    *("reference", "difference", "difference_interval", "floor", "notes"),
    *("log_spectrum", "log_frequency", "reference_log_spectrum"),
    *("mean", "covariance", "reference_mean", "reference_covariance"),
}
_FEW = 12  # sets named under the headline; more stand in the table only
_NAMED = 3  # sets named in a reason; more are folded below it
_COLUMNS = 8  # of a table of more numbers
_KNOWN = 5  # sets with a published accuracy from which on these are shown
_OPEN = 4  # sets whose nearest and farthest clips are unfolded


def page(comparison: Comparison | Mapping[str, Any]) -> str:
    """The whole HTML document of a comparison or of its JSON data.

    Raises DataError where the data are no comparison.
    """
    data = _canonical(comparison)
    view = _View(read_comparison(json.dumps(data))[0])
    return document.render(
        "comparison.html.j2",
        data=clips.without_posters(data, view.galleries),
        share=True,
        data_id="comparison",
        script=("shell.js", "comparison.js"),
        styles=("style.css", "figures.css", *(["scatter.css"] if view.known else [])),
        name=name_markup,
        cells=rows.cells,
        table_of=rows.table_of,
        **view.context(),
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
class _Metric:
    """A metric's section: its verdict, its table, its pictures and what else was measured."""

    name: str
    id: str
    unit: str
    better: str
    arrow: str
    arrow_words: str
    about: str
    state: str
    badge: str
    verdict: verdict.MetricVerdict
    order: list[rows.Place]
    more: int
    beside: str
    ranking: Markup | None
    notes: list[rows.Note]
    own: str
    columns: list[rows.Column]
    rows: list[rows.Row]
    key: str
    sentence: str
    random: bool
    command: str
    saw: list[clips.Extremes]
    distance: str
    figures: list[figures.Figure] = field(default_factory=list)
    extra: Markup = field(default_factory=Markup)


class _View:
    """What the template shows, made from one comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.reference = rows.side(comparison.reference, None)
        self.sets = [rows.side(c, i) for i, c in enumerate(comparison.candidates)]
        self.by_name = {s.name: s for s in self.sets}
        self.verdicts = {v.metric: v for v in verdict.verdicts(comparison)}
        self.names, self.led = self.order()
        self.known = self.accuracies()
        self.galleries = clips.galleries(comparison.media, [self.reference, *self.sets], self.names)

    def context(self) -> dict[str, Any]:
        comparison = self.comparison
        run = dict(comparison.run)
        long = run.pop("signatures", None)
        command = run.pop("command", None)
        if command is not None and not isinstance(command, str):
            command = " ".join(map(str, command)) if isinstance(command, list) else json.dumps(command)
        warnings = [text for key in ("warnings", "notes") for text in texts(run.pop(key, None))]
        metrics = [self.metric(name, i) for i, name in enumerate(self.names)]
        scored = [m for m in metrics if not m.random and not m.command]
        random = [m for m in metrics if m.random and not m.command]
        levels = {s.level for s in comparison.scores}
        return {
            "title": f"{self.question()} · synvid-eval",
            "question": self.question(),
            "answer": verdict.answer(comparison),
            "description": verdict.headline(comparison),
            "reference_short": self.reference.short,
            "level": " or ".join(f"{100 * level:.3g} %" for level in sorted(levels)),
            "sides": {
                "candidates": self.sets,
                "reference": self.reference,
                "rows": [self.reference, *self.sets],
                "few": len(self.sets) <= _FEW,
                "skipped": sum(len(s.skipped) for s in [self.reference, *self.sets]),
            },
            "metrics": metrics,
            "scored": scored,
            "overview": self.overview(scored),
            "led": self.why_led(),
            "block": rows.BLOCK
            if any(" blocks" in (s.interval_reason or "") for s in comparison.scores)
            else "",
            "random": random,
            "random_overview": self.overview(random),
            "random_sentence": verdict.RANDOM,
            "needs": [
                {"command": command, "metrics": names}
                for command, names in verdict.by_command(comparison).items()
            ],
            "unmeasured": self.unmeasured(),
            "galleries": self.galleries,
            "known": self.known,
            "unfolded": len(self.sets) <= _OPEN,
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
            unsure = any(finite(s.value) is not None and rows.bounds(s) is None for s in self.scores(name))
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
        digits = {
            m.name: rows.column_digit(s for s in self.scores(m.name) if finite(s.value) is not None)
            for m in metrics
        }
        out = []
        for one in self.sets:
            cells = []
            for metric in metrics:
                score = found.get((one.name, metric.name))
                if score is None or finite(score.value) is None:
                    missing = "not asked for" if score is None else "not measured"
                    cells.append({"missing": missing, "best": "", "sort": ""})
                else:
                    cells.append(
                        {
                            "missing": "",
                            "main": rows.main_value(score, digits[metric.name]),
                            "interval": typographic(rounding.format_interval(score)),
                            "best": _best(metric.verdict, one.name),
                            "sort": rows.sortable(rows.rank_point(score)),
                        }
                    )
            out.append({"set": one, "cells": cells})
        return out

    def metric(self, name: str, position: int) -> _Metric:
        scores = self.scores(name)
        found = self.verdicts[name]
        better, unit = scores[0].better, scores[0].unit
        measured = [s for s in scores if finite(s.value) is not None]
        columns, key = rows.columns(measured, better, self.by_name)
        random = verdict.is_random(name)
        state, badge = "untold", "not separable"
        if not found.measured:
            state, badge = "missing", "not measured"
        elif found.separable:
            state, badge = "told", "nearest" if found.nearest is not None else "highest"
        elif random:
            badge = "random network"
        elif len(scores) == 1:
            badge = "one set"
        identity = f"metric-{position}"
        order, more = rows.order(measured, self.by_name)
        media = mapping(mapping(self.comparison.media.get("metrics")).get(name))
        distance = mapping(media.get("axes")).get("distance")
        return _Metric(
            name=name,
            id=identity,
            unit=unit,
            better=better,
            arrow=rounding.arrow(better),
            arrow_words=rounding.arrow_words(better),
            about=_ABOUT.get(name.partition("[")[0], ""),
            state=state,
            badge=badge,
            verdict=found,
            order=order if len(scores) > 1 and not random else [],
            more=more,
            beside=rows.beside(measured, better),
            ranking=None if random else rows.ranking(measured, better, self.by_name),
            own=rows.own(measured, better),
            columns=columns,
            rows=[
                rows.row(s, self.by_name[s.candidate], columns, _best(found, s.candidate))
                for s in (scores if random else rows.ranked(scores))
            ],
            key=key,
            notes=rows.notes(measured, self.reference.name),
            sentence=self.sentence(found, measured),
            random=random,
            command=verdict.weights_command(scores),
            saw=clips.extremes(self.comparison.media, name, self.galleries),
            distance=_phrase(distance),
            figures=figures.figures(
                name,
                identity,
                measured,
                media,
                [figures.Shown(s.name, s.short, s.index) for s in self.sets],
                figures.Shown(self.reference.name, self.reference.short, None),
            ),
            extra=self.extras(measured),
        )

    def sentence(self, found: verdict.MetricVerdict, scores: Sequence[Score]) -> str:
        """The verdict without what its badge says; where intervals are lacking, why, each reason once."""
        text = _after_badge(found.sentence)
        if found.measured and not found.separable and text.lower().startswith("no interval"):
            why = rows.why_not(scores, self.reference.name)
            return "; ".join([n.text.rstrip(".") for n in why]) or text
        return text

    def unmeasured(self) -> list[dict[str, Any]]:
        lacking = {m for names in verdict.by_command(self.comparison).values() for m in names}
        found: dict[str, list[tuple[str, str]]] = {}
        for score in self.comparison.scores:
            if finite(score.value) is None and score.metric not in lacking:
                reason = one_line(score.reason or "no reason given").strip()
                found.setdefault(score.metric, []).append((score.candidate, reason))
        out = []
        for metric, said in found.items():
            for reason, _, whose, _ in rows.grouped(said):
                names = [verdict.short_name(n) for n in whose]
                everyone = len(names) == len(self.sets) and len(names) > 1
                few = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} sets"
                out.append(
                    {
                        "metric": metric,
                        "sets": "all sets" if everyone else few,
                        "reason": reason,
                        "names": [] if everyone or len(names) <= _NAMED else names,
                    }
                )
        return out

    def accuracies(self) -> dict[str, Any] | None:
        """The published accuracies of the candidates beside every metric that can be drawn, for a panel: the
        first one large, the others small; None where fewer than `_KNOWN` have one.
        """
        found = {s.name: p for s in self.sets if (p := published.of(s.name)) is not None}
        if len(found) < _KNOWN:
            return None
        families = list(dict.fromkeys(p.family for p in found.values()))
        target = f"{published.BENCHMARK} {published.PROTOCOL} accuracy"
        values, drawn = {}, []
        for position, name in enumerate(self.names):
            scores = {s.candidate: s for s in self.scores(name) if s.candidate in found}
            own = {c: v for c, s in scores.items() if (v := finite(s.value)) is not None}
            if len(own) < _KNOWN or verdict.is_random(name):
                continue
            values[name] = own
            marks = [
                scatter.Mark(self.by_name[c].tag, c, families.index(found[c].family), v, found[c].accuracy)
                for c, v in own.items()
            ]
            title = f"{target} against {name}"
            if len(values) > 1:
                small = scatter.small(title, marks, single=True)
                drawn.append({"metric": name, "id": f"metric-{position}", "svg": small})
                continue
            unit = next(iter(scores.values())).unit
            there = {m.index for m in marks}
            large = scatter.large(
                "known-scatter", title, f"{len(marks)} sets.", marks, f"{name} [{unit}]" if unit else name,
                families=[(i, f) for i, f in enumerate(families) if i in there], line=False, single=True,
            )  # fmt: skip
        if not values:
            return None
        first = next(iter(values))
        body = [
            [
                c,
                known.family,
                *(typographic(rounding.format_number(own.get(c))) for own in values.values()),
                f"{known.accuracy:g}",
            ]
            for c, known in found.items()
        ]
        return {
            "count": len(found),
            "metric": first,
            "title": f"{target} against {first}",
            "svg": large.svg,
            "others": drawn,
            "head": ["Set", "Family", *values, target],
            "rows": body,
            "command": f"synvid-eval correlate {shlex.quote(_json_of(self.comparison.run.get('command')))} "
            "--accuracies published:yu2024 "
            f"--benchmark {published.BENCHMARK} --protocol {published.PROTOCOL}",
        }

    def signatures(self, long: Any) -> list[dict[str, Any]]:
        """Per metric the short signatures, what made the long one, and the hashes of its weights."""
        longs = long if isinstance(long, Mapping) else {}
        out = []
        for metric in self.names:
            short = list(dict.fromkeys(s.signature for s in self.scores(metric) if s.signature))
            whole = longs.get(metric)
            parts = whole.split("|") if isinstance(whole, str) else texts(whole)
            weights = [v for key, _, v in (p.partition("=") for p in parts) if key.endswith("weights") and v]
            if short or parts:
                out.append({"metric": metric, "short": short, "long": parts, "weights": weights})
        return out

    def extras(self, scores: Sequence[Score]) -> Markup:
        """The details that have no place of their own: one row a set, one column a key, in tables that are
        no wider than a sheet.
        """
        keys = [k for k in dict.fromkeys(key for s in scores for key in s.detail) if k not in _SHOWN]
        keys = [k for k in keys if any(rows.detail_text(s.detail.get(k)) for s in scores)]
        out = []
        for start in range(0, len(keys), _COLUMNS):
            some = keys[start : start + _COLUMNS]
            head = ["Set", *(one_line(k).replace("_", " ") for k in some)]
            body = [
                [s.candidate, *(rows.detail_text(s.detail.get(k)) or MISSING for k in some)] for s in scores
            ]
            out.append(rows.cells(head, body))
        return Markup("\n\n").join(out)


def _json_of(command: Any) -> str:
    """The JSON that a comparison's command wrote; FILE.json where that is not known."""
    try:
        words = shlex.split(command) if isinstance(command, str) else texts(command)
    except ValueError:  # a quote that nobody closed
        words = []
    for word, after in itertools.pairwise([*words, ""]):
        name = after if word == "--json" else word.partition("--json=")[2]
        if name not in ("", "-"):
            return name
    return "FILE.json"


def _phrase(words: Any) -> str:
    """A phrase of the media as a sentence; empty for what is none."""
    text = one_line(words).strip().rstrip(".") if isinstance(words, str) else ""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


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
