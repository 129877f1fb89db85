"""`synvid-eval generate PRESET OUT`: a preset's clips as files."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.command(name="generate")
@click.argument("preset", metavar="PRESET", shell_complete=names.completed(names.presets))
@click.argument("out", type=common.PATH, metavar="OUT", shell_complete=names.folder)
@click.option("--clips", type=int, metavar="N", help="How many clips.  [default: the preset's own number]")
@click.option("--classes", metavar="N", help="Number of classes, of a preset that can have some.")
@click.option("--per-class", type=int, metavar="M", help="Clips of each class, in place of --clips.")
@common.seed
@click.option("--size", metavar="PX", help="Height and width of the frames; what moves is scaled with it.")
@click.option("--length", metavar="A:B", help="Frames of a clip, drawn from a range, or one number.")
@click.option("--fps", metavar="RATE", help="Frames a second.")
@making.settings("speed=2:6")
@making.format
@click.option(
    "--truth",
    metavar="LIST",
    help="What is exactly known of the clips, too: flow, masks, tracks, occluded, hidden, or all.",
)
@making.shard
@common.workers()
@common.engine
@making.cache
@common.decode_timeout
@common.picturing
@making.dry_run
@common.outputs("json")
@common.talking
def command(
    preset: str,
    out: str,
    clips: int | None,
    classes: str | None,
    per_class: int | None,
    size: str | None,
    length: str | None,
    fps: str | None,
    settings: tuple[str, ...],
    kind: str,
    truth: str | None,
    shard: str | None,
    cache: str | None,
    images: str | None,
    videos: str | None,
    dry_run: bool,
    json: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Draw the clips of a PRESET into the folder OUT: one file a clip, a manifest, the preset, a data card.

    The same command goes on with what a killed run left. Clips are the same whatever the workers and shards.

    \b
    Examples:
      synvid-eval generate moving_shapes shapes/ --clips 9537
      synvid-eval generate moving_shapes flow/ --clips 100 --format npz --truth flow,masks,tracks
      synvid-eval generate acc_transforming_shapes set/ --clips 9537 --shard 0/4
      synvid-eval generate fractal_supervised_500 fractals/ --per-class 200
    """
    from synvid_eval import generation, shards
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    overrides = making.overrides(settings, size=size, length=length, fps=fps, classes=classes)
    with (
        common.Terminal(quiet, verbose) as progress,
        common.running(running, progress, verbose) as engine,
    ):
        kept = "none" if dry_run else cache
        options = common.build_options(
            cache=kept, progress=progress, verbose=verbose, engine=engine, **running
        )
        what = generation.plan(
            preset,
            clips=clips,
            per_class=per_class,
            seed=options.seed,
            overrides=overrides,
            kind=kind,
            truth=common.name_list(truth) or (),
            shard=shards.parse(shard),
            images=images,
            videos=videos,
            options=options,
        )
        if dry_run:
            making.rehearsed(what, out, options, cache, json)
            return
        command = common.command_line(common.words_without("--shard"))
        made = generation.make(what, out, options, command)
    facts: dict[str, Any] = made.facts()
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        click.echo(making.made(facts))
