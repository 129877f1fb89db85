"""What the sub-commands of `guide` share: how settings of a preset and a reference are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from synvid_eval.cli import common, names

F = TypeVar("F", bound=Callable[..., Any])

clips = click.option(
    "--clips", type=int, default=24, show_default=True, metavar="N", help="Clips of each setting."
)
step = click.option(
    "--step",
    type=float,
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="How far a number is moved, as a share of the range in which a search would look.",
)
metrics = click.option(
    "--metrics",
    metavar="LIST",
    shell_complete=names.completed_list(names.metrics),
    help="Comma-separated names (see: list metrics).  [default: the five that need no weights]",
)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of text whose columns stand below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def shown(value: Any) -> str:
    """A value of a knob, as it is written on a command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def frames(shown: str) -> Callable[[F], F]:
    """The option `--frames`; shown: what its help says of the default."""
    return click.option(
        "--frames",
        type=int,
        metavar="N",
        help=f"Frames looked at a clip, spread over it.  [default: {shown}]",
    )


def seed(default: int | None, shown: str) -> Callable[[F], F]:
    """The option `--seed`; shown: what its help says of the default."""
    return click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=default,
        metavar="N",
        help=f"Seed of every random draw.  [default: {shown}]",
    )


def looking(command: F) -> F:
    """The options that say how settings and reference are looked at, and where measurements are kept."""
    options = [
        common.settings,
        common.layout,
        common.fps,
        common.listing,
        common.picturing,
        common.networked,
        common.max_skipped,
        common.workers(),
        common.decode_timeout,
        common.cache(),
        common.outputs("json", "html"),
        common.talking,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def opening(given: dict[str, Any]) -> dict[str, Any]:
    """How the reference is opened, taken out of a command's options."""
    return {key: given.pop(key) for key in ("layout", "fps", "split", "root", "follow_outside", "frames")}


def words_of(opened: dict[str, Any]) -> list[str]:
    """The options among `opening` that were given, as words of a command line."""
    found = []
    for key, value in opened.items():
        if key == "layout" and value == "auto":
            continue
        if value is True:
            found.append("--follow-outside")
        elif value not in (None, False):
            found += [f"--{key}", f"{value:g}" if isinstance(value, float) else str(value)]
    return found


def deliver(
    document: dict[str, Any],
    table: Callable[[Any], None],
    say: Callable[[str], None],
    json: str | None,
    html: str | None,
) -> None:
    """Writes what was asked for; the table goes to stdout unless another document does. All show what the
    JSON says, so that `report` makes the same page of it.
    """
    from json import loads

    from synvid_eval.score import dump_json

    text = dump_json(document)
    shown = loads(text)
    if json:
        common.write_text(text, json)
    if html:
        from synvid_eval.report.guidance import page

        common.write_text(page(shown), html)
    if "-" not in (json, html):
        table(shown)
    for target in (json, html):
        if target and target != "-":
            say(f"{'page' if target == html else 'written'}: {target}")
