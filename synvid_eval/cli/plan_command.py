"""`synvid-eval plan SET REFERENCE --clips N --machine …`: what a comparison of very many clips would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common, names

if TYPE_CHECKING:
    from synvid_eval.costs import Forecast

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def number(text: str) -> int:
    """`100_000_000`, `1e8` or `100000000` as a whole number; UsageError for anything else."""
    from synvid_eval.errors import UsageError

    try:
        value = float(text.replace("_", "").replace(",", ""))
        if value == int(value) >= 1:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"--clips {text} is no number of clips.", "Such as 100_000_000 or 1e8.")


@click.command(name="plan")
@click.argument(
    "sets",
    nargs=-1,
    required=True,
    type=common.PLACE,
    metavar="SET [REFERENCE]",
    shell_complete=names.location,
)
@click.option("--clips", metavar="N", help="Clips of SET, such as 100_000_000.  [default: those it has]")
@click.option(
    "--machine",
    metavar="gpu=KIND:N,cores=N,nodes=N,read=B/S",
    help="Where it would run: GPUs and cores of a node, nodes, bytes a second of storage.  [default: here]",
)
@click.option("--price", type=click.FloatRange(min=0), metavar="P", help="What a node costs an hour.")
@click.option(
    "--calibrate",
    metavar="F",
    help="Measure the rates here and write them to F.  [default: measure, keep nothing]",
)
@click.option("--rates", metavar="F", help="Take the rates from a file that --calibrate wrote.")
@common.outputs("json")
@common.metrics
@common.networked
@common.workers("Worker processes of the calibration.")
@common.layout
@common.seed
@common.talking
def command(
    sets: tuple[str, ...],
    clips: str | None,
    machine: str | None,
    price: float | None,
    calibrate: str | None,
    rates: str | None,
    json: str | None,
    metrics: str | None,
    workers: str,
    layout: str,
    seed: int,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Say what comparing SET with REFERENCE would cost on another machine, or with many more clips: time by
    stage, storage, memory, money, and the bottleneck.

    Rates are measured here on some clips of each set (half a minute; more with networks). A core there is
    taken for a core here; rates of GPUs that are not here are assumed, and marked.

    \b
    Examples:
      synvid-eval plan synth/ ucf101/ --clips 100_000_000 --machine gpu=h200:8,cores=128 --price 30
      synvid-eval plan preset:moving_circles ucf101/ --clips 1e6 --calibrate rates.json
    """
    import json as _json
    from pathlib import Path

    from synvid_eval import costs
    from synvid_eval.comparison import prepare
    from synvid_eval.errors import DataError, UsageError
    from synvid_eval.measurement import Measurement
    from synvid_eval.score import dump_json

    if len(sets) > 2:
        raise UsageError(f"plan takes a SET and a REFERENCE, not {len(sets)} sets.", "Plan each by itself.")
    if calibrate and rates:
        raise UsageError("--calibrate and --rates contradict each other.", "Give one.")
    count = number(clips) if clips else None
    where = costs.Machine.parse(machine) if machine else None
    common.check_outputs(list(sets), json=json, calibrate=calibrate)
    known = None
    if rates:
        try:
            known = costs.Rates.from_dict(_json.loads(Path(rates).read_bytes()), rates)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise DataError(
                f"{rates} cannot be read: {why}.", "plan --calibrate F writes such a file."
            ) from None
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(
            seed=seed, workers=workers, cache="none", progress=progress, verbose=verbose
        )
        networks = common.take_networks(given)
        made, opened = prepare(
            list(sets), seed=seed, metrics=common.name_list(metrics), networks=networks, layout=layout,
            decode_timeout=options.decode_timeout, progress=progress,
        )  # fmt: skip
        for one in opened:
            if isinstance(one, Measurement):
                raise common.measured_already(one.facts.location)
        videos = [one for one in opened if not isinstance(one, Measurement)]
        if known is None:
            known = costs.calibrate(videos, made.features, options)
        elif known.features != (wanted := sorted(f.name for f in made.features)):
            raise UsageError(
                f"{rates} has the rates of {', '.join(known.features)}, not of {', '.join(wanted)}.",
                "Give the --metrics that it was calibrated with, or calibrate again.",
            )
        of = {one.name: len(one.clips) for one in videos}
        if count is not None:
            of[videos[0].name] = count
        if missing := [name for name in of if name not in known.sets]:
            raise DataError(f"{rates} has no rates of {missing[0]!r}.", f"It has {', '.join(known.sets)}.")
        found = costs.forecast(known, of, where or costs.Machine.here(known), price)
    if calibrate:
        common.write_text(dump_json(known.to_dict()), calibrate)
    if json:
        common.write_text(dump_json(found.to_dict()), json)
    if json != "-":
        for line in lines(found):
            click.echo(line)


def lines(found: Forecast) -> list[str]:
    """What is said in the terminal."""
    where = found.machine
    gpus = f", {where.gpus} × {where.gpu}" if where.gpus else ""
    nodes = f"{where.nodes} nodes of " if where.nodes > 1 else ""
    said = ", ".join(f"{name} {clips:,} clips" for name, clips in found.clips.items())
    out = [f"{said}; on {nodes}{where.cores} cores{gpus}", ""]
    rows = [("stage", "in all", "takes at least")]
    for stage in found.stages:
        of = f"{_hours(stage.amount)}" if stage.unit == "hours" else f"{stage.amount:,.3g} {stage.unit}"
        rows.append((stage.name, of + (" (rate assumed)" if stage.assumed else ""), _hours(stage.bound)))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    out += ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    read = f"; {_size(found.read)} to read" if found.read else ""
    out += [
        "",
        f"from start to end: {_hours(found.hours)}; the bottleneck is: {found.bottleneck}",
        f"receipts: {found.pieces:,}, {_size(found.storage)}{read}; joining takes {_size(found.memory)} of "
        "memory",
        f"jobs: {found.jobs:,} or more (measure --shard i/{found.jobs}), so that dealing out clips is no "
        "bottleneck",
    ]
    if found.money is not None:
        out.append(f"money: {found.money:,.2f}, at the price given, of {count_nodes(where.nodes)}")
    out.append(
        f"rates: {found.rates.machine}, {found.rates.workers} workers at once; see the manual: cluster"
    )
    return out


def count_nodes(nodes: int) -> str:
    """`a node`, or how many."""
    return "a node" if nodes == 1 else f"{nodes} nodes"


def _hours(hours: float) -> str:
    return common.time_text(hours * 3600)


def _size(size: float) -> str:
    power = 0
    while size >= 999.5 and power < len(_BYTES) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.3g} {_BYTES[power]}"
