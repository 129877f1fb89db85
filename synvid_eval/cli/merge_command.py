"""`synvid-eval merge OUT`: the manifests of shards joined."""

from __future__ import annotations

import click

from synvid_eval.cli import common, making, names


@click.command(name="merge")
@click.argument("out", type=common.PATH, metavar="OUT", shell_complete=names.folder)
@common.outputs("json")
@common.talking
def command(out: str, json: str | None, quiet: bool, verbose: bool) -> None:
    """Join the manifests of the shards that `generate --shard i/n` made in OUT into one, and write the data
    card. Shards that are missing or were made otherwise, and files that are gone or cut, are named, and
    nothing is written then.

    \b
    Example:
      synvid-eval merge shapes/
    """
    from synvid_eval import generation
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    with common.Terminal(quiet, verbose) as progress:
        facts = generation.merge(out, progress).facts()
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        click.echo(making.made(facts))
