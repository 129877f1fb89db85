"""`synvid-eval weights list|fetch|verify|path`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common
from synvid_eval.errors import DataError, SynvidEvalError, UsageError, WeightsError, one_line

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
      synvid-eval weights fetch
    """


_where = click.option(
    "--weights",
    "given",
    metavar="DIR|NETWORK=FILE",
    help="Another folder, or a file for a network: inception=FILE,i3d=FILE.",
)
_names = click.argument("names", nargs=-1, metavar="[NAME]...")


def _chosen(names: tuple[str, ...]) -> list[WeightsFile]:
    """The known files of these names; all of them for `all`, and for none."""
    from synvid_eval.networks.weights import FILES, known

    chosen = [f for n in names for f in (FILES if n == "all" else [known(n)])]
    return list(dict.fromkeys(chosen if names else FILES))


def _facts(one: WeightsFile, given: str | None) -> dict[str, Any]:
    """What a known file is and whether it is there: state "present", "missing", "wrong", or "unknown": in its
    place a file is named that is none of the known ones. `bytes` and `hash` are the known file's,
    `path_bytes` and `identity` those of the one that lies at `path`.
    """
    from synvid_eval.networks.weights import MissingWeights, digest, locate

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
        "path_bytes": None,
        "identity": None,
        "reason": "",
    }
    try:
        found = locate(one.network, given, one.name)
    except WeightsError as error:
        state = "missing" if isinstance(error, MissingWeights) else "wrong"
        return facts | {"state": state, "reason": error.message}
    if found.name not in (None, one.name):  # a file is named for the network, and it is another
        return facts | {"reason": f"{found.file} is used for {one.network}"}
    size = digest(found.file).size
    there = {"path": str(found.file), "path_bytes": size, "identity": found.identity}
    if found.name is None:
        reason = f"{found.file} is none of the known files; it is used where it is named"
        return facts | there | {"state": "unknown", "reason": reason}
    return facts | there | {"state": "present"}


@command.command(name="list")
@_where
@common.outputs("json")
def list_(given: str | None, json: str | None) -> None:
    """What weights are known: size, hash, whether they are here and where. State: present (verified),
    missing, wrong (not what it should be, never used), unknown (named by you, and none of the known files:
    size and hash are its own).

    \b
    Examples:
      synvid-eval weights list
      synvid-eval weights list --json -
    """
    from synvid_eval.networks.weights import FILES, defaults, fetch_command, folder_of
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
        seen = row["path_bytes"] or one.size
        size = common.size_text(seen) if seen else "50 MB"
        hash_text = one.hash_text
        if row["state"] == "unknown":
            hash_text = row["identity"].replace(":", " ")
        kind, _, value = hash_text.rpartition(" ")
        place = one_line(row["path"] or "-")
        table.append((one.name, one.network, size, row["state"], place, f"{kind} {value[:16]}…"))
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
    for row in rows:
        if row["state"] == "wrong":
            click.echo(f"{row['name']}: {row['reason']}", err=True)
    if missing := [row["name"] for row in rows if row["state"] == "missing"]:
        usual = any(one.name in missing for one in defaults())
        get = fetch_command([] if usual else missing, given)
        click.echo(f"\nThey are kept in {one_line(folder)}. To get them: {one_line(get)}")


@command.command(name="fetch")
@_names
@_where
@common.talking
def fetch(names: tuple[str, ...], given: str | None, quiet: bool, verbose: bool) -> None:
    """Fetch weights over the network, verify them by their hash, and print where they lie.

    Without names: those that the metrics need as they are by default; `all`: all that are known.
    Several addresses are tried in turn, each again where it is cut or stalls; an interrupted fetch goes on.
    Proxies are those of the environment (HTTPS_PROXY). Nothing that is not the file is kept.

    \b
    Examples:
      synvid-eval weights fetch
      synvid-eval weights fetch i3d i3d-videogpt --weights /data/weights
      synvid-eval weights fetch all
    """
    from synvid_eval.networks import fetching
    from synvid_eval.networks.weights import defaults, folder_of, parse

    chosen = _chosen(names) if names else defaults()
    if given and parse(given).folder is None:
        raise UsageError(f"--weights {given} is no folder to fetch to.", "Give a folder.")
    folder = folder_of(given)
    failures: list[SynvidEvalError] = []
    for one in chosen:  # a file that cannot be had keeps none of the others away
        line = _Line(one.name, quiet)
        try:
            found = fetching.fetch(one, folder, progress=line.progress, say=line.say)
        except WeightsError as error:
            failures.append(error)
            continue
        except OSError as error:  # the network's are told by fetch itself
            said = f"The weights {one.name} cannot be kept in {folder}: {error.strerror or error}."
            cure = "Is it a folder, is there room, may you write there? Another one: --weights DIR."
            failures.append(DataError(said, cure))
            continue
        finally:
            line.end()
        click.echo(str(found.file))
    if failures:
        raise _together(failures, folder)


def _together(failures: Sequence[SynvidEvalError], folder: Path) -> SynvidEvalError:
    """One error of all, with the exit code of the first that is of weights."""
    cures = {e.hint for e in failures}
    first = next((e for e in failures if isinstance(e, WeightsError)), failures[0])
    by_hand = (
        f"Is there a network, and is the proxy right (HTTPS_PROXY)? Or get them by other means and put them "
        f"into {folder}: synvid-eval weights list --json - has addresses, sizes and hashes."
    )
    return type(first)(" ".join(e.message for e in failures), cures.pop() if len(cures) == 1 else by_hand)


@command.command(name="verify")
@_names
@_where
def verify(names: tuple[str, ...], given: str | None) -> None:
    """Compare weights with their hashes: those that are there, or those named (`all`: all). Exit code 4 where
    one is wrong, or one that is asked for by name is missing or unknown.

    \b
    Examples:
      synvid-eval weights verify
      synvid-eval weights verify inception
    """
    from synvid_eval.networks.weights import fetch_command

    bad: dict[str, list[str]] = {"missing": [], "wrong": [], "unknown": []}
    for one in _chosen(names):
        facts = _facts(one, given)
        said = "  ".join(one_line(s) for s in (facts["identity"], facts["reason"]) if s)
        click.echo(f"{facts['state']:<8}  {one.name}  {said}")
        if facts["state"] == "wrong" or (names and facts["state"] in bad):
            bad[facts["state"]].append(one.name)
    closing = {
        "missing": "Not there: {}. Run: {}",
        "wrong": "Not what they should be, never used: {}. Run (files that you name stay as they are): {}",
        "unknown": "None of the known files, used as weights of your own where they are named: {}. For the "
        "known ones leave those away and run: {}",
    }
    lines = [
        closing[state].format(", ".join(found), fetch_command(found, given))
        for state, found in bad.items()
        if found
    ]
    if lines:
        for line in lines[:-1]:
            click.echo(f"synvid-eval: {one_line(line)}", err=True)
        raise WeightsError(lines[-1])


@command.command(name="path")
@click.argument("name", required=False)
@_where
def path(name: str | None, given: str | None) -> None:
    """Print the folder of weights, or the file that is used as the one of that name. It is verified, or named
    by you; exit code 4 where there is none.

    \b
    Examples:
      synvid-eval weights path
      synvid-eval weights path inception
    """
    from synvid_eval.networks.weights import fetch_command, folder_of, known, locate

    if name is None:
        click.echo(str(folder_of(given)))
    else:
        one = known(name)
        found = locate(one.network, given, one.name)
        if found.name not in (None, one.name):
            raise WeightsError(
                f"{found.file}, which is named for {one.network}, holds the weights {found.name}.",
                f"To get {one.name}: {fetch_command([one.name], given)}",
            )
        click.echo(str(found.file))


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
