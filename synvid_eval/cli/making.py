"""What the commands that make clips share (`generate`, `adapt`, `corrupt`, `merge`, `textures`, `preview`),
and what `--dry-run` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synvid_eval.cli import common, names
from synvid_eval.errors import UsageError, one_line

if TYPE_CHECKING:
    from synvid_eval.generation import Plan
    from synvid_eval.measurement import Options

F = TypeVar("F", bound=Callable[..., Any])

cache = common.cache("Where textures are kept that are made on the way.")

format = click.option(
    "--format",
    "kind",
    default="mp4",
    show_default=True,
    metavar="mp4|ffv1|npz|png|webdataset",
    shell_complete=names.completed(names.formats),
    help="How clips are written; mp4 and webdataset lose (the manifest says how much), the others do not.",
)

shard = click.option(
    "--shard",
    metavar="i/n|auto",
    help="Only the i-th of n parts, from 0; auto: as a Slurm array, Kubernetes or torchrun says.",
)

dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made, its time and disk (two clips are tried); keep and write nothing.",
)


def of_set(command: F) -> F:
    """The options that commands share which make the clips of a set into others."""
    options = [
        common.clips,
        common.seed,
        format,
        shard,
        common.layout,
        common.fps,
        common.listing,
        common.workers(),
        common.cache("Where it is kept what files held, by a hash."),
        common.decode_timeout,
        dry_run,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def settings(example: str) -> Callable[[F], F]:
    """The option `--set KNOB=VALUE`."""
    return click.option(
        "--set",
        "settings",
        metavar="KNOB=VALUE",
        multiple=True,
        help=f"Any knob, such as {example}. May be repeated.",
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


@dataclass(frozen=True)
class Run:
    """A command that makes the clips of a set into others, with its options as they were given."""

    place: str
    out: str
    seed: int
    workers: str
    cache: str | None
    decode_timeout: float
    shard: str | None
    dry_run: bool
    json: str | None
    quiet: bool
    verbose: bool

    def make(self, plan: Callable[[Options, tuple[int, int]], Plan]) -> None:
        """Makes, or rehearses, what `plan` gives for options and shard, and says what was made."""
        from synvid_eval import generation, shards
        from synvid_eval.score import dump_json

        common.check_outputs([self.place], json=self.json)
        with common.Terminal(self.quiet, self.verbose) as progress:
            kept = "none" if self.dry_run else self.cache
            found = common.build_options(
                seed=self.seed,
                workers=self.workers,
                cache=kept,
                decode_timeout=self.decode_timeout,
                progress=progress,
                verbose=self.verbose,
            )
            what = plan(found, shards.parse(self.shard))
            if self.dry_run:
                rehearsed(what, self.out, found, self.cache, self.json)
                return
            command = common.command_line(common.words_without("--shard"))
            facts = generation.make(what, self.out, found, command).facts()
        if self.json:
            common.write_text(dump_json(facts), self.json)
        if self.json != "-":
            click.echo(made(facts))


def rehearsed(what: Plan, out: str, options: Options, cache: str | None, json: str | None) -> None:
    """`--dry-run` of `generate`, `adapt` and `corrupt`: says what would be made (as JSON with `--json -`).

    cache: the option.
    """
    from pathlib import Path

    from synvid_eval.cache import default_root
    from synvid_eval.rehearsal import rehearse_making
    from synvid_eval.score import dump_json
    from synvid_eval.video.layouts import count_of

    root = None if cache == "none" else Path(cache) if cache else default_root()
    for note in what.notes:  # what the command itself would say
        options.progress.say(note)
    found = rehearse_making(what, out, options, None if root is None else root / "textures")
    if json == "-":
        common.write_text(dump_json(found.to_dict()), json)
        return
    there = f", {found.kept:,} of them there" if found.kept else ""
    truth = f" with {', '.join(what.truth)}" if what.truth else ""
    lines = [
        "Dry run: nothing is kept or written.",
        f"{found.preset}{what.suffix.replace('-', ' ')}: {count_of(found.clips, 'clip')}{there}",
        f"  {count_of(found.frames, 'frame')} to draw, as {found.format}{truth}",
    ]
    if found.textures:
        lines.append(
            f"  {count_of(found.textures, 'texture')} to make on the way "
            f"({common.size_text(found.texture_bytes)})"
        )
    workers = f"{found.workers} worker{'' if found.workers == 1 else 's'}"
    time = f"about {common.time_text(found.seconds)} with {workers} (by two clips tried)"
    if found.kept == found.clips:
        time = "a second or two, since all clips are there"
    room = "" if found.room is None else f"; {common.size_text(found.room)} are free there"
    less = " (TOO LITTLE)" if found.room is not None and found.room < found.bytes else ""
    lines += [
        f"time:     {time}",
        f"disk:     about {common.size_text(found.bytes)} in {out}{room}{less}",
        f"writes:   {out}, {json}" if json else f"writes:   {out}",
    ]
    for line in lines:
        click.echo(one_line(line))


def made(facts: dict[str, Any]) -> str:
    """What was made, as a line for people."""
    from synvid_eval.video.layouts import count_of

    were = "was" if facts["kept"] == 1 else "were"
    kept = f" ({facts['kept']:,} {were} there)" if facts["kept"] and facts["made"] else ""
    loss = f", PSNR of the files {facts['psnr']:.1f} dB" if facts["psnr"] is not None else ""
    frames = count_of(facts["frames"], "frame")
    return f"{facts['manifest']}: {count_of(facts['clips'], 'clip')}{kept}, {frames}{loss}"
