"""`synvid-eval cache info`, `synvid-eval cache prune`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synvid_eval.cli import common
from synvid_eval.errors import UsageError

if TYPE_CHECKING:
    from synvid_eval.cache import Cache

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_BYTES = {"b": 1, **{f"{p}b": 1000**n for n, p in enumerate("kmgt", 1)}}
_BYTES |= {f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)}


@click.group(name="cache")
def command() -> None:
    """Say where measurements are kept and how much space they take; remove old ones.

    \b
    Examples:
      synvid-eval cache info
      synvid-eval cache prune --older-than 30d
    """


_folder = click.option("--cache", "folder", type=common.PATH, metavar="DIR", help="Another cache folder.")


def _open(folder: str | None) -> Cache:
    from synvid_eval.cache import Cache, default_root

    if folder == "none":
        raise UsageError("--cache none is no folder.", "Leave it away for the user's cache folder.")
    return Cache(Path(folder) if folder else default_root())


@command.command(name="info")
@_folder
@common.outputs("json")
def info(folder: str | None, json: str | None) -> None:
    """Where the cache lies, how many entries and pools of textures it holds, and their size.

    \b
    Example:
      synvid-eval cache info --json -
    """
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    facts = _open(folder).info()
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        size = common.size_text(facts["bytes"])
        pools = f", {facts['pools']} pools of textures" if facts["pools"] else ""
        pools += f", {facts['tars']} unpacked tar files" if facts["tars"] else ""
        click.echo(f"{facts['root']}: {facts['entries']:,} shards, {facts['indices']} indices{pools}, {size}")


@command.command(name="prune")
@click.option(
    "--older-than", metavar="TIME", help="Remove what was not used for that long: 12h, 30d, 8w, 1y."
)
@click.option(
    "--max-size", metavar="SIZE", help="Remove the least recently used until at most that is left: 10GiB."
)
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@_folder
@common.outputs("json")
def prune(
    older_than: str | None,
    max_size: str | None,
    everything: bool,
    dry_run: bool,
    folder: str | None,
    json: str | None,
) -> None:
    """Remove kept measurements, and say how much space was freed. What is removed is measured again when
    needed.

    Only files that this tool wrote are removed. A measurement that runs meanwhile is not harmed.

    \b
    Examples:
      synvid-eval cache prune --older-than 30d --max-size 10GiB
      synvid-eval cache prune --all --dry-run
    """
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    if older_than is None and max_size is None and not everything:
        raise UsageError(
            "Nothing is asked to be removed.", "Give --older-than 30d, --max-size 10GiB or --all."
        )
    if everything and (older_than is not None or max_size is not None):
        raise UsageError("--all contradicts --older-than and --max-size.", "Give --all alone, or the others.")
    seconds = None if older_than is None else _parse("--older-than", older_than, _SECONDS, "30d")
    size = None if max_size is None else int(_parse("--max-size", max_size, _BYTES, "10GiB"))
    facts = _open(folder).prune(older_than=seconds, max_size=size, everything=everything, dry_run=dry_run)
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        verb = "would be removed" if dry_run else "removed"
        removed = facts["removed"]
        parts = f", {removed['pools']} pools of textures" if removed["pools"] else ""
        parts += f", {removed['tars']} unpacked tar files" if removed["tars"] else ""
        parts += f", {removed['parts']} half-written files" if removed["parts"] else ""
        click.echo(
            f"{facts['root']}: {removed['entries']:,} shards, {removed['indices']} indices{parts} {verb}, "
            f"{common.size_text(facts['freed'])} freed, {common.size_text(facts['left'])} left"
        )
        if facts["refused"]:
            click.echo(f"{facts['refused']} files stay: in use, or not yours", err=True)


def _parse(option: str, text: str, units: dict[str, int], example: str) -> float:
    """A number with a unit of `units`; UsageError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)", text.strip())
    if not match or match[2].lower() not in units:
        known = ", ".join(units)
        raise UsageError(f"{option} {text} cannot be read.", f"A number and one of {known}: {example}.")
    return float(match[1]) * units[match[2].lower()]
