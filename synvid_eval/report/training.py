"""The page of training curves: accuracies first, then losses, accuracies while learning and learning rates of
several runs side by side, then what each run was. Losses of different methods of pre-training are not of one
scale, so each method has a picture of its own.

`page` is a pure function of the document (`synvid-eval/curves/1`, see `training.curves`); means and bands
over folds are all that it computes. No script: all of it can be read as it stands, and every picture has its
numbers as a table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synvid_eval.report import document
from synvid_eval.report.curves import Curve, Plot, curves_picture
from synvid_eval.report.drawing import (
    COLUMNS,
    Figure,
    Pair,
    Shown,
    items,
    mapping,
    number,
    numbers_of,
    say,
    sentences,
)
from synvid_eval.report.rows import name_markup, table_of
from synvid_eval.rounding import MISSING

_KINDS = {"pretrain": "Pre-training", "finetune": "Fine-tuning", "probe": "Probing"}
_LONGEST = 28
_APART = "Compare runs of one method only: losses of different methods are not of one scale."
_BAND = "Shaded: from the lowest to the highest fold; the curve is their mean."
_PLOTS = {
    "loss": Plot("Loss", "Of the clips that are learned.", "step", "loss"),
    "top1": Plot(
        "Top 1 of the clips left out",
        "While learning, one view a clip; the table has all views, behind the last step.",
        "epoch",
        "top 1 (%)",
        zero=True,
    ),
    "lr": Plot("Learning rate", "", "step", "learning rate", zero=True),
}


@dataclass(frozen=True)
class _Row:
    """A run's row of the table: cells as text, the intervals below them."""

    name: str
    cells: list[tuple[str, str]]


def page(curves: Mapping[str, Any]) -> str:
    """The whole HTML document of curves' JSON data; what is odd in them is left out."""
    runs = [mapping(run) for run in items(curves.get("runs"))]
    shown = [
        Shown(name, _label(name, run), index)
        for index, (name, run) in enumerate((str(run.get("name")), run) for run in runs)
    ]
    kinds = list(dict.fromkeys(str(run.get("kind")) for run in runs))
    sections = []
    for kind in kinds:
        own = [(s, run) for s, run in zip(shown, runs, strict=True) if str(run.get("kind")) == kind]
        title = _KINDS.get(kind, kind)
        sections.append(
            {
                "id": f"kind-{kinds.index(kind)}",
                "title": title,
                "head": _head(kind),
                "rows": [_Row(s.name, _cells(kind, run)) for s, run in own],
                "figures": _figures(kind, own),
            }
        )
    facts = [{"name": s.name, "facts": _facts(run)} for s, run in zip(shown, runs, strict=True)]
    return document.render(
        "training.html.j2",
        data=curves,
        data_id="synvid-eval-curves",
        styles=("style.css", "figures.css"),
        name=name_markup,
        table_of=table_of,
        title="Training curves" if len(runs) != 1 else f"Training curves of {shown[0].name}",
        description="Losses, learning rates and accuracies of trainings.",
        sections=sections,
        runs=facts,
    )


def _label(name: str, run: Mapping[str, Any]) -> str:
    """A run in a legend: its name, its method and its network."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    what = ", ".join(text for key in ("method", "model") if (text := _text(run, key)))
    return f"{short} ({what})" if what else short


def _text(run: Mapping[str, Any], key: str) -> str:
    found = run.get(key)
    return found if isinstance(found, str) else ""


def _figures(kind: str, runs: Sequence[tuple[Shown, Mapping[str, Any]]]) -> list[Figure]:
    """The pictures of a section; of pre-trainings a loss each method, since they are not of one scale."""
    found = []
    for what, plot in _PLOTS.items():
        parts = {"": list(runs)}
        if what == "loss" and kind == "pretrain":
            parts = {}
            for shown, run in runs:
                parts.setdefault(_text(run, "method"), []).append((shown, run))
        for position, (method, own) in enumerate(parts.items()):
            title = f"{plot.title} of {method}" if method else plot.title
            caption = sentences(plot.caption, _APART if len(parts) > 1 else "")
            of = replace(plot, title=title, caption=caption)
            name = f"{kind}-{what}" + (f"-{position}" if len(parts) > 1 else "")
            if figure := _figure(what, of, name, own):
                found.append(figure)
    return found


def _head(kind: str) -> list[str]:
    common = ["Run", "Method", "Network", "Begun with", "Learned", "Steps", "Loss"]
    return common if kind == "pretrain" else [*common, "Top 1", "by source group", "Top 5"]


def _cells(kind: str, run: Mapping[str, Any]) -> list[tuple[str, str]]:
    folds = [mapping(fold) for fold in items(run.get("folds"))]
    recipe = mapping(run.get("recipe"))
    begun = "drawn weights" if kind == "pretrain" else str(run.get("source"))
    on = str(run.get("location"))
    split = f"--split {run.get('split')}" if run.get("split") else f"{run.get('clips')} clips"
    done = sorted({int(n) for fold in folds if (n := number(fold.get("done"))) is not None})
    steps = f"{done[0]:,}" if len(done) == 1 else f"{done[0]:,} to {done[-1]:,}" if done else MISSING
    whole = number(run.get("steps"))
    losses = [
        found[-1] for fold in folds if (found := numbers_of(fold.get("loss"))) and found[-1] is not None
    ]
    known = [loss for loss in losses if loss is not None]
    out = [
        (name_markup(_text(run, "method") or MISSING), ""),
        (name_markup(_text(run, "model") or MISSING), ""),
        (name_markup(begun), f"{recipe.get('size')}" if recipe.get("size") and begun == "scratch" else ""),
        (name_markup(on), split),
        (MISSING, "its neighbors vote")
        if recipe.get("head") == "knn"
        else (steps, "" if whole is None or done == [int(whole)] else f"of {int(whole):,}"),
        (say(sum(known) / len(known)) if known else MISSING, ""),
    ]
    return out if kind == "pretrain" else [*out, *_accuracies(mapping(run.get("accuracy")))]


def _accuracies(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    top1, top5 = mapping(found.get("top1")), mapping(found.get("top5"))
    if number(top1.get("value")) is None:
        return [(MISSING, "not tested yet"), (MISSING, ""), (MISSING, "")]
    by_group = _bounds(top1.get("by_group"))
    return [
        (_percent(top1.get("value")), f"{_bounds(top1.get('by_clip'))} by clip, {found.get('clips')} clips"),
        (by_group or MISSING, f"{found.get('groups')} groups" if by_group else str(top1.get("reason") or "")),
        (_percent(top5.get("value")), _bounds(top5.get("by_clip"))),
    ]


def _percent(value: Any) -> str:
    known = number(value)
    return MISSING if known is None else f"{known:.1f} %"


def _bounds(pair: Any) -> str:
    known = [v for v in numbers_of(pair) if v is not None]
    return f"{known[0]:.1f} to {known[1]:.1f}" if len(known) == 2 else ""


def _figure(
    what: str, plot: Plot, name: str, runs: Sequence[tuple[Shown, Mapping[str, Any]]]
) -> Figure | None:
    """The curves of several runs, a curve each; None where there is nothing to draw."""
    curves = [curve for shown, run in runs if (curve := _curve(what, shown, run))]
    if not curves:
        return None
    caption = sentences(plot.caption, _BAND if any(c.band for c in curves) else "")
    places = sorted({x for c in curves for x, _ in c.points})
    if len(places) > COLUMNS:
        places = [places[round(k * (len(places) - 1) / (COLUMNS - 1))] for k in range(COLUMNS)]
    rows = [
        [c.shown.name, *(say(v) if (v := dict(c.points).get(x)) is not None else MISSING for x in places)]
        for c in curves
    ]
    head = ["Run", *(f"{plot.x_label} {x:g}" for x in places)]
    return Figure(name, plot.title, caption, curves_picture(name, plot, curves), head, rows)


def _curve(what: str, shown: Shown, run: Mapping[str, Any]) -> Curve | None:
    """The mean over a run's folds at each place that all of them have, and the band between them."""
    folds = [_points(what, mapping(fold)) for fold in items(run.get("folds"))]
    begun = [dict(points) for points in folds if points]
    at: dict[float, list[float]] = defaultdict(list)
    for points in begun:
        for x, y in points.items():
            at[x].append(y)
    whole = {x: values for x, values in at.items() if len(values) == len(begun)}
    if not whole:
        return None
    mean = [(x, sum(values) / len(values)) for x, values in sorted(whole.items())]
    band = [(x, min(v), max(v)) for x, v in sorted(whole.items())] if len(begun) > 1 and what != "lr" else []
    return Curve(shown, mean, band)


def _points(what: str, fold: Mapping[str, Any]) -> list[Pair]:
    if what == "top1":
        rows = [mapping(row) for row in items(fold.get("tests"))]
        pairs = [(number(row.get("epoch")), number(row.get("top1"))) for row in rows]
    else:
        pairs = list(zip(numbers_of(fold.get("step")), numbers_of(fold.get(what)), strict=False))
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _facts(run: Mapping[str, Any]) -> dict[str, Any]:
    keep = (
        "kind",
        "method",
        "model",
        "source",
        "location",
        "split",
        "clips",
        "seed",
        "steps",
        "version",
        "network",
        "recipe",
    )
    return {key: run[key] for key in keep if run.get(key) is not None}
