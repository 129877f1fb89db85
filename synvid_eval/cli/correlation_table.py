"""A correlation as the terminal shows it: a line a metric, what its numbers hang on, the headline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synvid_eval.cli.screen import Screen
from synvid_eval.errors import one_line

_FEW = 8  # names in a line
_SIGNS = {True: "as declared", False: "against", None: ""}
_STATES = {
    "few": "too few",
    "constant": "constant",
    "control": "control",
    "chance": "chance",
    "carried": "carried",
    "against": "against",
    "goes": "goes with it",
}


def print_correlation(document: Mapping[str, Any]) -> None:
    """The table, strongest rho first, controls last; then verdicts, what was not joined, and the headline."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.correlation import bounds_text, of_models, p_text, short_number
    from synvid_eval.verdict import short_name

    screen = Screen()
    sets, band = document["sets"], document["band"]
    target = f"{document['benchmark']} {document['protocol']}"
    screen.say(
        f"{len(sets)} sets with {target} accuracies ({of_models(document)}), measured against "
        f"{short_name(document['reference'])}"
    )
    within = f"rho in {band[0]:g}:{band[1]:g}" if band else ""
    over = "over families" if any(m["spearman"]["family_bootstrap"] for m in document["metrics"]) else "95 %"
    given = f"rho given {short_name(document['given'])}" if document["given"] else ""
    headings = ["metric", "n", "rho", over, within, given, "r", "p", "best of all", "verdict"]
    if screen.width < 100:
        headings = [h for h in headings if h not in ("n", "best of all")]
    headings = [h for h in headings if h]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        left = heading in ("metric", "verdict")
        table.add_column(
            screen.spell(heading), justify="left" if left else "right", no_wrap=heading != "metric"
        )
    ordered = sorted(document["metrics"], key=lambda m: (m["random"], -abs(m["spearman"]["value"] or 0)))
    for metric in ordered:
        rho, r = metric["spearman"], metric["pearson"]
        inner = metric["band"]["spearman"]["value"] if metric["band"] else None
        cells = {
            "metric": short_name(metric["metric"]),
            "n": str(metric["n"]),
            "rho": short_number(rho["value"]),
            over: bounds_text(rho["family_bootstrap"] or (rho["interval"] if over == "95 %" else None)),
            within: short_number(inner),
            given: short_number(metric["partial"]["spearman"]["value"] if metric["partial"] else None),
            "r": short_number(r["value"]),
            "p": p_text(rho["p"]),
            "best of all": p_text(metric["p_best"]),
            "verdict": _STATES[metric["state"]],
        }
        style = "dim" if metric["random"] else "bold" if metric["state"] in ("goes", "against") else None
        table.add_row(*(Text(screen.spell(cells[h])) for h in headings), style=style)
    screen.draw(table)
    screen.say(
        f"rho: Spearman's, with accuracy · p: accuracies of {'families' if document['families'] else 'sets'} "
        "exchanged · best of all: as likely for any metric, by r or rho, whichever is the less likely · "
        f"{document['run']['draws']:,} draws"
    )
    for metric in ordered:
        if metric["state"] == "against" or metric["carried"]:
            screen.say(f"{short_name(metric['metric'])}: {metric['verdict']}.")
    for note in document["notes"]:
        screen.say(note)
    for line in [*_predicted(document), *_unmatched(document)]:
        screen.say(line)
    screen.say()
    screen.say(document["headline"], style="bold")
    screen.show()


def _predicted(document: Mapping[str, Any]) -> list[str]:
    found = document["prediction"]
    if not found:
        return []
    rmse = found["rmse"]
    what = "families" if document["families"] else "sets"
    lines = [
        f"From several metrics, {what} left out: error {rmse['ridge']:.1f} points, from the best single "
        f"one {rmse['single']:.1f}, from the mean {rmse['mean']:.1f}. {found['words']}"
    ]
    for one in found["sets"][:_FEW]:
        low, high = one["interval"]
        lines.append(one_line(f"{one['name']}: predicted {one['predicted']:.1f} % [{low:.1f}, {high:.1f}]"))
    if len(found["sets"]) > _FEW:
        lines.append(f"and {len(found['sets']) - _FEW} more: --json or --html.")
    return lines


def _unmatched(document: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, what in (
        ("measured", "Measured, without an accuracy"),
        ("accuracies", "Accuracies of no measured set"),
    ):
        names = document["unmatched"][key]
        if names:
            more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
            lines.append(one_line(f"{what}: {', '.join(names[:_FEW])}{more}."))
    return lines
