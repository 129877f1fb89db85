"""`synvid-eval robustness RUN SET`: how much a fine-tuned run still knows of damaged clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from synvid_eval.cli import common, names
from synvid_eval.errors import DataError, UsageError, one_line


@click.command(name="robustness")
@click.argument("run", type=common.PATH, metavar="RUN", shell_complete=names.folder)
@click.argument("set_", type=common.PLACE, metavar="SET", shell_complete=names.location)
@click.option(
    "--baseline",
    type=common.PATH,
    metavar="RUN",
    shell_complete=names.folder,
    help="Another run, fine-tuned on the same clips: on how many corruptions is RUN better?",
)
@click.option(
    "--corruptions",
    default="all",
    show_default=True,
    metavar="LIST",
    shell_complete=names.completed_list(names.corruptions),
    help="What is done to the clips (see: list corruptions).",
)
@click.option("--severities", default="1,2,3,4,5", show_default=True, metavar="LIST", help="How strong.")
@common.seed
@common.layout
@common.listing
@common.device()
@common.workers()
@common.decode_timeout
@common.outputs("json", "csv")
@common.talking
def command(
    run: str,
    set_: str,
    baseline: str | None,
    corruptions: str,
    severities: str,
    device: str,
    json: str | None,
    csv: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Test a fine-tuned RUN on the clips of SET that it was not trained on, damaged: accuracy by corruption
    and severity, absolute and relative robustness (extra: train).

    SET is what RUN was fine-tuned on. Predictions are kept in RUN/robustness/; the same command goes on with
    what a killed one left.

    \b
    Examples:
      synvid-eval robustness run/ ucf101/
      synvid-eval robustness run/ ucf101/ --baseline scratch/ --corruptions rotate,freeze
    """
    from pathlib import Path

    from synvid_eval import sets
    from synvid_eval.networks.loading import resolve_device
    from synvid_eval.score import dump_json
    from synvid_eval.training import robustness
    from synvid_eval.training.classifiers import Finetuned

    common.check_outputs([run, set_, *([baseline] if baseline else [])], json=json, csv=csv)
    asked = robustness.cases(_listed(corruptions), _numbers(severities))
    ((called, location),) = sets.name_sets([set_])
    resolve_device(device)
    how = common.take_opening(given)
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(progress=progress, verbose=verbose, **given)
        places = [run, *([baseline] if baseline else [])]
        patience = options.decode_timeout
        lacking: list[DataError] = []
        known: list[Finetuned] = []
        try:  # in the order of exit codes
            videos = sets.open_set(location, seed=options.seed, decode_timeout=patience, name=called, **how)
        except DataError as error:
            lacking.append(error)
        for place in places:
            try:
                known.append(Finetuned(place, device, options.worker_count(), patience))
            except DataError as error:
                lacking.append(error)
        if lacking:
            raise lacking[0]
        clips = robustness.chosen(videos, [one.tested for one in known], options)
        found = [
            list(robustness.evaluated(one, clips, asked, options, Path(place) / robustness.KEPT))
            for one, place in zip(known, places, strict=True)
        ]
        other = (known[1], found[1]) if baseline else None
        told = robustness.document(known[0], clips, asked, found[0], other, options.seed)
    if json:
        common.write_text(dump_json(told), json)
    if csv:
        common.write_text(robustness.sheet(told), csv)
    if "-" not in (json, csv):
        click.echo("\n".join(_table(told)))


def _listed(text: str) -> list[str]:
    from synvid_eval.corruptions import registry

    return registry.names() if text == "all" else [name.strip() for name in text.split(",")]


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"--severities {text} is no list of severities.", "Such as 1,3,5.")
    return [int(part) for part in parts]


def _table(told: Mapping[str, Any]) -> list[str]:
    """A document for people: accuracies by corruption and severity, means, what is better."""
    severities = sorted({cell["severity"] for cell in told["cells"]})
    of = {(cell["corruption"], cell["severity"]): cell["accuracy"]["value"] for cell in told["cells"]}
    versus = told["baseline"] is not None
    head = ["corruption", "kind", *map(str, severities), "mean", "absolute", "relative"]
    rows = [head + (["difference"] if versus else [])]
    for row in told["corruptions"]:
        values = [f"{of[row['corruption'], s]:.1f}" for s in severities]
        cells = [row["corruption"], row["kind"], *values, f"{row['accuracy']:.1f}", *_ratios(row)]
        rows.append(cells + ([_difference(row)] if versus else []))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))] + ([0] if versus else [])
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    clean, mean = told["clean"], told["mean"]
    bounds = clean["by_group"] or clean["by_clip"]
    by = "source group" if clean["by_group"] else "clip"
    said = f"clean {clean['value']:.1f} % [{bounds[0]:.1f}, {bounds[1]:.1f}] by {by}"
    said += f"; damaged {mean['accuracy']:.1f} %, absolute robustness {_ratios(mean)[0]}, relative "
    lines += [
        "",
        f"{told['run']} on {told['clips']:,} clips of {told['set']['name']}: {said}{_ratios(mean)[1]}",
        "absolute: 1 − (clean − damaged) / 100; relative: 1 − (clean − damaged) / clean",
    ]
    if versus:
        lines.append(_better(told["run"], told["baseline"]))
    return [one_line(line) for line in lines]


def _ratios(row: Mapping[str, Any]) -> list[str]:
    return ["-" if row[key] is None else f"{row[key]:.3f}" for key in ("absolute", "relative")]


def _difference(row: Mapping[str, Any]) -> str:
    bounds = "" if row["interval"] is None else f" [{row['interval'][0]:+.1f}, {row['interval'][1]:+.1f}]"
    return f"{row['difference']:+.1f}{bounds}"


def _better(name: str, than: Mapping[str, Any]) -> str:
    bounds = than["interval"]
    text = f" (95 % of draws of source groups: {bounds[0]:.0f} to {bounds[1]:.0f})" if bounds else ""
    why = f" ({than['reason']})" if than["reason"] else ""
    return (
        f"{name} is better than {than['name']} on {than['on']} of {than['of']} corruptions{text}{why}, on "
        f"{than['surely']} beyond its interval; {than['name']} clean {than['clean']['value']:.1f} %"
    )
