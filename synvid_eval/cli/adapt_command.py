"""`synvid-eval adapt SET OUT`: a set's clips as files, changed to be nearer to real video."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.command(name="adapt")
@click.argument("set_", type=common.PATH, metavar="SET", shell_complete=names.location)
@click.argument("out", type=common.PATH, metavar="OUT", shell_complete=names.folder)
@click.option(
    "--chain",
    default="published",
    show_default=True,
    metavar="LIST",
    shell_complete=names.completed_list(names.operations),
    help="What is done, in order: published, or background, scale, clone, shift, zoom, shake, perspective, "
    "mirror, reverse, each with its knobs in brackets: shake(amplitude=2:4),zoom(p=0.5).",
)
@click.option("--clips", type=int, metavar="N", help="At most that many clips, drawn by hash of their ids.")
@making.seed
@making.format
@making.shard
@click.option(
    "--layout",
    default="auto",
    metavar="NAME",
    shell_complete=names.completed(names.layouts),
    help="What the folder looks like.  [default: recognized]",
)
@click.option("--fps", type=float, metavar="RATE", help="Rate of frame folders and arrays.  [default: 25]")
@common.listing
@making.workers
@click.option(
    "--cache",
    metavar="DIR|none",
    shell_complete=names.folder,
    help="Where it is kept what files held, by a hash.  [default: the user's cache folder]",
)
@common.decode_timeout
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made, its time and disk (two clips are tried); keep and write nothing.",
)
@common.outputs("json")
@common.talking
def command(
    set_: str,
    out: str,
    chain: str,
    clips: int | None,
    seed: int,
    kind: str,
    shard: str | None,
    layout: str,
    fps: float | None,
    split: str | None,
    root: str | None,
    follow_outside: bool,
    workers: str,
    cache: str | None,
    decode_timeout: float,
    dry_run: bool,
    json: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Adapt the clips of a SET into the folder OUT: one file a clip, a manifest, a data card.

    Backgrounds are other clips of the SET. To measure adapted clips without files give 'adapt:CHAIN?of=SET'
    as a SET; presets adapt what they draw: generate --set adapt=CHAIN. The same command goes on with what a
    killed run left.

    \b
    Examples:
      synvid-eval adapt fractals/ adapted/
      synvid-eval adapt fractals/ shaken/ --chain "shake,zoom(p=0.5)"
      synvid-eval compare fractals/ "adapt:published?of=fractals/" ucf101/
    """
    from synvid_eval import generation, shards
    from synvid_eval.score import dump_json

    common.check_outputs([set_], json=json)
    asked: dict[str, Any] = {"layout": layout, "fps": fps}
    asked |= {"split": split, "root": root, "follow_outside": follow_outside}
    with common.Terminal(quiet, verbose) as progress:
        options = making.options(
            seed, workers, "none" if dry_run else cache, progress, verbose, decode_timeout
        )
        what = generation.plan_adapting(
            set_,
            chain,
            clips=clips,
            seed=seed,
            kind=kind,
            shard=shards.parse(shard),
            options=options,
            **asked,
        )
        if dry_run:
            making.rehearsed(what, out, options, cache, json)
            return
        made = generation.make(what, out, options)
    facts: dict[str, Any] = made.facts()
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        click.echo(making.made(facts))
