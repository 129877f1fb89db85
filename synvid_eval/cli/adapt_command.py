"""`synvid-eval adapt SET OUT`: a set's clips as files, changed to be nearer to real video."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.command(name="adapt")
@click.argument("set_", type=common.PLACE, metavar="SET", shell_complete=names.location)
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
@making.of_set
@common.outputs("json")
@common.talking
def command(
    set_: str,
    out: str,
    chain: str,
    **given: Any,
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
    from synvid_eval import generation

    asked = common.take_opening(given) | {"kind": given.pop("kind")}

    def plan(options: Any, parts: tuple[int, int]) -> generation.Plan:
        return generation.plan_adapting(set_, chain, seed=options.seed, shard=parts, options=options, **asked)

    making.Run(set_, out, **given).make(plan)
