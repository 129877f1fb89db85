"""`synvid-eval cache info`."""

from __future__ import annotations

from pathlib import Path

import click

from synvid_eval.cli import common


@click.group(name="cache")
def command() -> None:
    """Say where measurements are kept and how much space they take.

    \b
    Example:
      synvid-eval cache info
    """


@command.command(name="info")
@click.option("--cache", "folder", metavar="DIR", help="Another cache folder.")
@common.outputs("json")
def info(folder: str | None, json: str | None) -> None:
    """Where the cache lies, how many entries it holds, and their size.

    \b
    Example:
      synvid-eval cache info --json -
    """
    from synvid_eval.cache import Cache, default_root
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    facts = Cache(Path(folder) if folder else default_root()).info()
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        size = facts["bytes"] / 2**20
        click.echo(
            f"{facts['root']}: {facts['entries']:,} shards, {facts['indices']} indices, {size:.1f} MiB"
        )
