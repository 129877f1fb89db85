"""`synvid-eval merge DIR`: what jobs made or measured, joined."""

from __future__ import annotations

import click

from synvid_eval.cli import common, making, names


@click.command(name="merge")
@click.argument("folder", type=common.PATH, metavar="DIR", shell_complete=names.folder)
@click.option("--out", metavar="F.measured", help="The file to write, where DIR is of measure --shard.")
@click.option(
    "--max-skipped",
    metavar="N|P%",
    help="Videos of a measured set that may be skipped.  [default: as measure --shard was told]",
)
@common.outputs("json")
@common.talking
def command(
    folder: str, out: str | None, max_skipped: str | None, json: str | None, quiet: bool, verbose: bool
) -> None:
    """Join what jobs with --shard left in DIR.

    Of measure: into one .measured file, to the byte that of one run. Of generate: their manifests into one,
    with the data card. What is missing or damaged is named, and nothing is written then.

    \b
    Examples:
      synvid-eval merge parts/ --out ucf101.measured
      synvid-eval merge shapes/
    """
    from pathlib import Path

    from synvid_eval import generation, receipts
    from synvid_eval.errors import UsageError
    from synvid_eval.measurement import parse_share
    from synvid_eval.score import dump_json

    if max_skipped is not None:
        parse_share(max_skipped)
    measured = (Path(folder) / receipts.PLAN).is_file()
    if measured and out is None:
        raise UsageError(f"{folder} holds a measurement by jobs.", "Give --out F.measured.")
    if not measured and Path(folder).is_dir():
        none = f"{folder} holds no measurement by jobs, so"
        if out is not None:
            raise UsageError(
                f"{none} --out means nothing.",
                "Leave it away: the manifest of a set that was made goes into its folder.",
            )
        if max_skipped is not None:
            raise UsageError(f"{none} --max-skipped means nothing.", "Leave it away.")
    if out is not None and not out.endswith(".measured"):
        raise UsageError(f"--out {out} does not end in .measured.", f"Give --out {out}.measured.")
    common.check_outputs(json=json, out=out)
    with common.Terminal(quiet, verbose) as progress:
        if out is None:
            facts = generation.merge(folder, progress).facts()
            said = making.made(facts)
        else:
            one = receipts.merge(folder, progress, max_skipped)
            one.save(out)
            side = one.facts
            facts = {**vars(side), "out": out}
            said = common.measured_line(side, out)
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        click.echo(said)
