"""`synvid-eval measure SET --out F.measured`: one set, measured alone and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from synvid_eval.cli import common, names


@click.command(name="measure")
@click.argument("set_", type=common.PLACE, metavar="SET", shell_complete=names.location)
@click.option(
    "--out", required=True, metavar="F.measured|DIR", help="The file to write; with --shard, the folder."
)
@click.option(
    "--shard",
    metavar="i/n|auto",
    help="Only the i-th of n parts, from 0, into the folder --out; auto: as the job array says (see: merge).",
)
@click.option(
    "--statistics",
    type=common.PLACE,
    metavar="F.npz",
    help="Also write mu and sigma of the Inception features, as pytorch-fid reads them.",
)
@common.measuring
@common.engine
@common.listing
@common.picturing
@common.following
@common.talking
def command(
    set_: str,
    out: str,
    shard: str | None,
    statistics: str | None,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Measure one SET and save the result; compare takes the file wherever it takes a SET.

    Measure a distant set where it lies and carry the file. It holds statistics, clip names and, where clips
    are few, feature rows such as normalized patches of 8×8 pixels; no frames.

    \b
    Examples:
      synvid-eval measure ucf101/ --out ucf101.measured
      synvid-eval compare synth/ ucf101.measured
      synvid-eval measure ucf101/ --metrics fid --out ucf101.measured --statistics ucf101.npz
      synvid-eval measure kinetics/ --shard 3/64 --out parts/    (then: merge parts/ --out k.measured)
    """
    from dataclasses import replace

    from synvid_eval import receipts, shards
    from synvid_eval.comparison import prepare
    from synvid_eval.errors import UsageError
    from synvid_eval.measurement import Measurement, Measurer
    from synvid_eval.statistics_files import FEATURE, write_statistics
    from synvid_eval.video import remote
    from synvid_eval.video.layouts import count_of

    part = None if shard is None else shards.parse(shard)
    if part is None and not out.endswith(".measured"):
        raise UsageError(f"--out {out} does not end in .measured.", f"Give --out {out}.measured.")
    if part is not None and statistics is not None:
        raise UsageError(
            "--statistics wants the whole set, not a --shard.", "Give it to the run of the whole."
        )
    if part is not None and out.endswith(".measured"):
        raise UsageError(
            f"With --shard, --out names a folder, not {out}.", "Then: synvid-eval merge DIR --out F.measured."
        )
    if part is not None:
        remote.local(out, "--out of --shard")
        out = remote.plain(out)
    if statistics is not None and not statistics.endswith(".npz"):
        raise UsageError(f"--statistics {statistics} does not end in .npz.", "Give F.npz.")
    common.check_outputs([set_], out=out if part is None else None, statistics=statistics)
    asked = common.take_asked(given)
    with (
        common.Terminal(quiet, verbose) as progress,
        common.running(given, progress, verbose) as engine,
    ):
        options = common.build_options(progress=progress, verbose=verbose, engine=engine, **given)
        if dry_run:
            writes = [out, statistics] if statistics else [out]
            common.rehearsed([set_], options, writes, None, part, **asked)
            return
        asked |= {"decode_timeout": options.decode_timeout, "progress": progress}
        made, (opened,) = prepare([set_], seed=options.seed, **asked)
        options = replace(options, sampler=made.sampler)
        fid = next((m for m in made.metrics if m.name == "fid"), None) if statistics else None
        if statistics and (fid is None or made.label(fid) != "fid"):
            raise UsageError(
                "--statistics wants fid with real weights.", "Give --weights, or see: weights list."
            )
        if isinstance(opened, Measurement):
            raise UsageError(f"{set_} is measured already.", "Give the set that it was made of.")
        progress.say(f"{opened.name}: {opened.layout}: {opened.said}")
        with Measurer(made.features, options) as measurer:
            if part is not None:
                about = {"protocol": made.protocol.name}
                command = common.command_line(common.words_without("--shard"))
                with common.told_to_stop() as stopping:
                    taken = receipts.take(measurer, opened, Path(out), part, about, command, stopping)
                there = f"{taken.there:,} of {count_of(taken.pieces, 'piece')}"
                there += f" there, {taken.measured:,} measured now"
                said = f"{opened.name}: part {part[0]} of {part[1]}: {there}"
                if taken.stopped:
                    progress.say(said)
                    raise KeyboardInterrupt
                click.echo(f"{said}: {out}")
                return
            measured = measurer.measure(opened)
    measured = replace(measured, about={**measured.about, "protocol": made.protocol.name})
    if fid is not None:
        recipe = measured.recipe()
        told = recipe["features"][FEATURE]
        told = {"revision": told.pop("revision"), "feature": told, "seed": recipe["seed"], "state": fid.state}
        told["sampler"] = {k: v for k, v in recipe["sampler"].items() if k != "revision"}
        write_statistics(str(statistics), measured.sides[FEATURE], fid.state, told)
    measured.save(out)
    click.echo(common.measured_line(measured.facts, out))
