"""`synvid-eval list metrics|features|…|backbones`."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common

WHAT = (
    "metrics",
    "features",
    "layouts",
    "protocols",
    "presets",
    "corruptions",
    "methods",
    "recipes",
    "backbones",
)


@click.command(name="list")
@click.argument("what", type=common.OneOf(WHAT))
@common.outputs("json")
def command(what: str, json: str | None) -> None:
    """List what is installed: metrics, features, layouts, protocols, presets or corruptions; methods, recipes
    or backbones of train.

    \b
    Examples:
      synvid-eval list metrics
      synvid-eval list recipes
      synvid-eval list presets --json -
    """
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    rows: list[dict[str, Any]] = {
        "metrics": _metrics,
        "features": _features,
        "layouts": _layouts,
        "presets": _presets,
        "protocols": _protocols,
        "corruptions": _corruptions,
        "methods": _methods,
        "recipes": _recipes,
        "backbones": _backbones,
    }[what]()
    if json:
        common.write_text(dump_json({what: rows}), json)
    if json != "-":
        for line in _table(_SHOWN[what](rows) if what in _SHOWN else rows):
            click.echo(line)
        if what in _BELOW:
            click.echo(_BELOW[what])


def _metrics() -> list[dict[str, str]]:
    from synvid_eval.comparison import list_metrics

    return list_metrics()


def _features() -> list[dict[str, str]]:
    import importlib

    from synvid_eval.features import registry

    kinds = [registry.get(n) for n in registry.names()]
    essays = [(importlib.import_module(k.__module__).__doc__ or "").strip().split("\n")[0] for k in kinds]
    return [{"name": k.name, "looks_at": k.looks_at, "about": e} for k, e in zip(kinds, essays, strict=True)]


def _layouts() -> list[dict[str, str]]:
    from synvid_eval.explanation import PLACES
    from synvid_eval.video.layouts import LAYOUTS

    return [{"name": n, "about": a} for n, a in (*LAYOUTS.items(), *PLACES.items())]


def _protocols() -> list[dict[str, str]]:
    from synvid_eval.protocols import PROTOCOLS

    return [{"name": p.name, "about": p.about} for p in PROTOCOLS.values()]


def _presets() -> list[dict[str, Any]]:
    from synvid_eval import published
    from synvid_eval.generators import presets

    rows = []
    for name in presets.names():
        found, known = presets.get(name), published.of(name)
        rows.append(
            {
                "name": name,
                "generator": found.generator,
                "extends": found.extends,
                "difference": found.difference,
                "knobs": dict(found.own),
                "family": found.family,
                "accuracy": None if known is None else known.accuracy,
                "source": "" if known is None else f"{known.source}: {known.benchmark}, {known.protocol}",
                "needs": list(found.needs),
                "same_as": found.same_as,
                "about": found.note,
            }
        )
    return rows


def _shown_presets(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The columns of the table: a root says what it is, any other preset how it differs."""
    return [
        {
            "name": row["name"],
            "extends": row["extends"] or "-",
            "family": row["family"],
            "ucf101": "-" if row["accuracy"] is None else f"{row['accuracy']:.1f}",
            "needs": ",".join(row["needs"]) or "-",
            "difference": row["difference"] or row["about"],
        }
        for row in rows
    ]


def _corruptions() -> list[dict[str, Any]]:
    import importlib

    from synvid_eval.corruptions import registry

    kinds = [registry.get(name) for name in registry.names()]
    essays = [(importlib.import_module(k.__module__).__doc__ or "").strip().split("\n")[0] for k in kinds]
    return [
        {"name": k.name, "kind": k.kind, "severities": {q: list(v) for q, v in k.table.items()}, "about": e}
        for k, e in zip(kinds, essays, strict=True)
    ]


def _shown_corruptions(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The columns of the table: what is drawn from the severities in one cell."""
    return [
        {
            **row,
            "severities": "; ".join(
                f"{quantity} {' '.join(f'{v:g}' for v in values)}"
                for quantity, values in row["severities"].items()
            ),
        }
        for row in rows
    ]


def _methods() -> list[dict[str, Any]]:
    from synvid_eval.explanation import trainings
    from synvid_eval.training.methods import METHODS

    found = [(trainings.method(name), trainings.owners()[name]) for name in METHODS]
    return [{"name": one.name, "recipes": list(recipes), "about": one.about} for one, recipes in found]


def _shown_methods(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The columns of the table: recipes in one cell."""
    return [{**row, "recipes": ", ".join(row["recipes"])} for row in rows]


def _recipes() -> list[dict[str, Any]]:
    from synvid_eval.explanation import trainings

    return [
        {
            "name": f"{owner}:{name}",
            "command": f"{trainings.asked(owner)} --recipe {name}",
            "backbone": of.backbone,
            "epochs": of.epochs,
            "batch": of.batch,
            "like": trainings.difference(recipes, name)[0],
            "differs": trainings.difference(recipes, name)[1],
            "about": trainings.difference_text(recipes, name),
        }
        for owner, recipes in trainings.owners().items()
        for name, of in recipes.items()
    ]


def _shown_recipes(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The columns of the table: how a recipe differs is told by `explain` where it is long."""
    return [
        {
            "name": row["name"],
            "backbone": row["backbone"],
            "epochs": f"{row['epochs']:,}",
            "batch": f"{row['batch']:,}",
            "about": row["about"]
            if len(row["differs"]) <= _FEW
            else f"as {row['like']}, but for {len(row['differs'])} knobs",
        }
        for row in rows
    ]


def _backbones() -> list[dict[str, Any]]:
    from synvid_eval.explanation import trainings
    from synvid_eval.networks import backbones

    found = [(name, backbones.named(name)) for name in backbones.NAMES]
    return [
        {
            "name": name,
            "frames": of.frames,
            "image": of.image,
            "width": of.width,
            "about": trainings.backbone(name, timed=False).about,
        }
        for name, of in found
    ]


def _shown_backbones(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The columns of the table: what it is says the rest."""
    return [{"name": row["name"], "about": row["about"]} for row in rows]


_FEW = 5
"""Knobs that differ which a table tells in full."""

_BELOW = {
    "metrics": "fid, kid, fvd, kvd, diversity need weights: synvid-eval weights list. fd[run], kd[run] and "
    "diversity[run] need an encoder of yours, --features run=RUN of compare: synvid-eval explain run.",
    "corruptions": "Values at severity 1, 2, 3, 4 and 5; see: explain NAME.",
    "presets": "ucf101: published accuracy [%] after fine-tuning on UCF101. needs: what is to be given, "
    "--images DIR|skimage or --videos SET.",
    "methods": "Of train pretrain --method NAME; see: explain NAME.",
    "recipes": "METHOD:RECIPE is of train pretrain --method METHOD --recipe RECIPE; finetune:RECIPE and "
    "probe:RECIPE of train finetune and train probe; see: explain NAME.",
    "backbones": "Of train … --backbone NAME; see: explain NAME.",
}
"""What stands below a table."""

_SHOWN = {
    "presets": _shown_presets,
    "corruptions": _shown_corruptions,
    "methods": _shown_methods,
    "recipes": _shown_recipes,
    "backbones": _shown_backbones,
}
"""What the table shows of rows that JSON tells in full."""


def _table(rows: list[dict[str, str]]) -> list[str]:
    keys = list(rows[0])
    widths = {k: max(len(k), *(len(r[k]) for r in rows)) for k in keys[:-1]}
    lines = []
    for values in ({k: k for k in keys}, *rows):
        cells = [values[k].ljust(widths[k]) if k in widths else " ".join(values[k].split()) for k in keys]
        lines.append("  ".join(cells).rstrip())
    return lines
