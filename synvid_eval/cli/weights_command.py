"""`synvid-eval weights list|fetch|verify|path`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common
from synvid_eval.errors import UsageError, WeightsError, one_line

if TYPE_CHECKING:
    from synvid_eval.networks.weights import WeightsFile

SAY_EVERY = 10.0


@click.group(name="weights")
def command() -> None:
    """Say which network weights there are, fetch them, verify them. fid, kid, diversity need `inception`;
    fvd, kvd need `i3d`.

    They are kept in the folder that `weights path` prints; SYNVID_EVAL_WEIGHTS or --weights names another.

    \b
    Examples:
      synvid-eval weights list
      synvid-eval weights fetch inception i3d
    """


_where = click.option(
    "--weights",
    "given",
    metavar="DIR|NETWORK=FILE",
    help="Another folder, or a file for a network: inception=FILE,i3d=FILE.",
)
_names = click.argument("names", nargs=-1, metavar="[NAME]...")


def _chosen(names: tuple[str, ...]) -> list[WeightsFile]:
    from synvid_eval.networks.weights import FILES, known

    return [known(n) for n in dict.fromkeys(names)] if names else list(FILES)


def _facts(one: WeightsFile, given: str | None) -> dict[str, Any]:
    """What a known file is and whether it is there: state "present", "missing" or "wrong"."""
    from synvid_eval.networks.weights import MissingWeights, locate

    facts: dict[str, Any] = {
        "name": one.name,
        "network": one.network,
        "kind": one.kind,
        "file": one.file,
        "bytes": one.size or None,
        "hash": one.hash_text,
        "addresses": list(one.addresses),
        "about": one.about,
        "state": "missing",
        "path": None,
        "identity": None,
        "reason": "",
    }
    try:
        found = locate(one.network, given, one.name)
    except WeightsError as error:
        state = "missing" if isinstance(error, MissingWeights) else "wrong"
        return facts | {"state": state, "reason": error.message}
    if found.name != one.name:  # a file is named for the network, and it is another
        return facts | {"reason": f"{found.file} is used for {one.network}"}
    return facts | {"state": "present", "path": str(found.file), "identity": found.identity}


@command.command(name="list")
@_where
@common.outputs("json")
def list_(given: str | None, json: str | None) -> None:
    """What weights are known: size, hash, whether they are here and where.

    \b
    Examples:
      synvid-eval weights list
      synvid-eval weights list --json -
    """
    from synvid_eval.networks.weights import FILES, folder_of
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    rows = [_facts(one, given) for one in FILES]
    folder = folder_of(given)
    if json:
        common.write_text(dump_json({"folder": str(folder), "weights": rows}), json)
    if json == "-":
        return
    table = [("name", "network", "size", "state", "where", "hash")]
    for one, row in zip(FILES, rows, strict=True):
        size = common.size_text(one.size) if one.size else "50 MB"
        kind, _, value = one.hash_text.rpartition(" ")
        place = one_line(row["path"] or "-")
        table.append((one.name, one.network, size, row["state"], place, f"{kind} {value[:16]}…"))
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
    for row in rows:
        if row["state"] == "wrong":
            click.echo(f"{row['name']}: {row['reason']}", err=True)
    if any(row["state"] == "missing" for row in rows):
        click.echo(
            f"\nThey are kept in {one_line(folder)}. To get them: synvid-eval weights fetch inception i3d"
        )


@command.command(name="fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_where
@common.talking
def fetch(names: tuple[str, ...], given: str | None, quiet: bool, verbose: bool) -> None:
    """Fetch weights over the network, verify them by their hash, and print where they lie.

    Several addresses are tried in turn, each again where it is cut or stalls; an interrupted fetch goes on.
    Proxies are those of the environment (HTTPS_PROXY). Nothing that is not the file is kept.

    \b
    Examples:
      synvid-eval weights fetch inception
      synvid-eval weights fetch i3d i3d-videogpt --weights /data/weights
    """
    from synvid_eval.networks import fetching
    from synvid_eval.networks.weights import folder_of, parse

    chosen = _chosen(names)
    if given and parse(given).folder is None:
        raise UsageError(f"--weights {given} is no folder to fetch to.", "Give a folder.")
    folder = folder_of(given)
    for one in chosen:
        line = _Line(one.name, quiet)
        try:
            found = fetching.fetch(one, folder, progress=line.progress, say=line.say)
        finally:
            line.end()
        click.echo(str(found.file))


@command.command(name="verify")
@_names
@_where
def verify(names: tuple[str, ...], given: str | None) -> None:
    """Compare weights with their hashes: those that are there, or those named. Exit code 4 where one is
    wrong, or one that is named is missing.

    \b
    Examples:
      synvid-eval weights verify
      synvid-eval weights verify inception
    """
    wrong = []
    for one in _chosen(names):
        facts = _facts(one, given)
        click.echo(f"{facts['state']:<8}  {one.name}  {one_line(facts['identity'] or facts['reason'])}")
        if facts["state"] == "wrong" or (names and facts["state"] == "missing"):
            wrong.append(one.name)
    if wrong:
        raise WeightsError(
            f"Weights that are not what they should be: {', '.join(wrong)}.",
            f"Run: synvid-eval weights fetch {' '.join(wrong)}",
        )


@command.command(name="path")
@click.argument("name", required=False)
@_where
def path(name: str | None, given: str | None) -> None:
    """Print the folder of weights, or the verified file of that name (exit code 4 where there is none).

    \b
    Examples:
      synvid-eval weights path
      synvid-eval weights path inception
    """
    from synvid_eval.networks.weights import folder_of, known, locate

    if name is None:
        click.echo(str(folder_of(given)))
    else:
        one = known(name)
        click.echo(str(locate(one.network, given, one.name).file))


class _Line:
    """How far a fetch is, on stderr: one line that is written over on a terminal, else a line every 10 s."""

    def __init__(self, name: str, quiet: bool) -> None:
        self._name, self._quiet = name, quiet
        self._terminal = sys.stderr.isatty()
        self._last = self._began = time.monotonic()
        self._from: int | None = None
        self._open = False

    def progress(self, here: int, size: int) -> None:
        """That many bytes are here, of `size` (0: unknown)."""
        now = time.monotonic()
        self._from = here if self._from is None else min(self._from, here)
        if self._quiet or now - self._last < (0.2 if self._terminal else SAY_EVERY):
            return
        self._last = now
        of = f" of {common.size_text(size)}" if size else ""
        speed = (here - self._from) / max(now - self._began, 1e-9)
        left = f", about {common.time_text((size - here) / speed)} left" if size and speed else ""
        text = f"{self._name}: {common.size_text(here)}{of}, {common.size_text(speed)}/s{left}"
        if self._terminal:
            click.echo(f"\r{text}\x1b[K", nl=False, err=True)
            self._open = True
        else:
            click.echo(text, err=True)

    def say(self, text: str) -> None:
        """A line of its own."""
        self.end()
        if not self._quiet:
            click.echo(one_line(text), err=True)

    def end(self) -> None:
        """Ends an open line."""
        if self._open:
            click.echo(err=True)
            self._open = False
