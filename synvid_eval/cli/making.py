"""What the commands that draw presets share: `generate`, `merge`, `textures`, `preview`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synvid_eval.cli import common, names
from synvid_eval.errors import UsageError

if TYPE_CHECKING:
    from synvid_eval.measurement import Options

F = TypeVar("F", bound=Callable[..., Any])

seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of every random draw.",
)

workers = click.option(
    "--workers", default="auto", show_default=True, metavar="auto|N", help="Worker processes."
)

cache = click.option(
    "--cache",
    metavar="DIR|none",
    shell_complete=names.folder,
    help="Where textures are kept that are made on the way.  [default: the user's cache folder]",
)

shard = click.option("--shard", metavar="i/n", help="Only the i-th of n parts, from 0.")


def settings(example: str) -> Callable[[F], F]:
    """The option `--set KNOB=VALUE`."""
    return click.option(
        "--set",
        "settings",
        metavar="KNOB=VALUE",
        multiple=True,
        help=f"Any knob, such as {example}. May be repeated.",
    )


def options(seed: int, workers: str, cache: str | None, progress: Any, verbose: bool) -> Options:
    """Options of a run that draws, from the command line's; UsageError for what cannot be."""
    return common.build_options(
        seed=seed,
        workers=workers,
        cache=cache,
        max_skipped="0%",
        decode_timeout=60.0,
        progress=progress,
        verbose=verbose,
    )


def overrides(settings: Sequence[str], **direct: str | None) -> dict[str, str]:
    """Knobs as text, from `--set` and from options that are knobs; UsageError for one that is given twice."""
    from synvid_eval.generators import presets

    found = presets.settings(settings)
    for knob, value in direct.items():
        if value is not None and knob in found:
            raise UsageError(f"--{knob} and --set {knob}=… both say {knob}.", "Give one.")
        if value is not None:
            found[knob] = value
    return found


def made(facts: dict[str, Any]) -> str:
    """What was made, as a line for people."""
    kept = f" ({facts['kept']:,} were there)" if facts["kept"] and facts["made"] else ""
    loss = f", PSNR of the files {facts['psnr']:.1f} dB" if facts["psnr"] is not None else ""
    return f"{facts['manifest']}: {facts['clips']:,} clips{kept}, {facts['frames']:,} frames{loss}"
