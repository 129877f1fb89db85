"""`synvid-eval list metrics|features|layouts|protocols|presets|corruptions`."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common

WHAT = ("metrics", "features", "layouts", "protocols", "presets", "corruptions")


@click.command(name="list")
@click.argument("what", type=common.OneOf(WHAT))
@common.outputs("json")
def command(what: str, json: str | None) -> None:
    """List what is installed: metrics, features, layouts, protocols, presets or corruptions.

    \b
    Examples:
      synvid-eval list metrics
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
    }[what]()
    if json:
        common.write_text(dump_json({what: rows}), json)
    if json != "-":
        for line in _table(_SHOWN[what](rows) if what in _SHOWN else rows):
            click.echo(line)
        if what == "corruptions":
            click.echo("Values at severity 1, 2, 3, 4 and 5; see: explain NAME.")
        if what == "presets":
            click.echo(
                "ucf101: published accuracy [%] after fine-tuning on UCF101. needs: what is to be given, "
                "--images DIR|skimage or --videos SET."
            )


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


_SHOWN = {"presets": _shown_presets, "corruptions": _shown_corruptions}
"""What the table shows of rows that JSON tells in full."""


def _table(rows: list[dict[str, str]]) -> list[str]:
    keys = list(rows[0])
    widths = {k: max(len(k), *(len(r[k]) for r in rows)) for k in keys[:-1]}
    lines = []
    for values in ({k: k for k in keys}, *rows):
        cells = [values[k].ljust(widths[k]) if k in widths else " ".join(values[k].split()) for k in keys]
        lines.append("  ".join(cells).rstrip())
    return lines
