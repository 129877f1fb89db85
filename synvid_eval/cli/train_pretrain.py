"""`synvid-eval train pretrain PRESET|SET --out RUN`."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, labelling, making, names
from synvid_eval.errors import one_line


@click.command(name="pretrain")
@click.argument("location", type=common.PLACE, metavar="PRESET|SET", shell_complete=names.location)
@click.option(
    "--recipe",
    default="small",
    show_default=True,
    metavar="NAME",
    shell_complete=names.completed(names.recipes),
    help="paper, paper-vitl (Yu et al. 2024, Table 5), released (their code), small (a GPU-day), tiny "
    "(minutes on 2 cores).",
)
@common.out("RUN")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Steps in all.  [default: by epochs]")
@making.settings("lr=1e-4")
@common.seed
@common.layout
@common.fps
@common.listing
@common.picturing
@common.device("Where the network runs; under torchrun each process takes a GPU of its own.")
@common.workers("Processes that draw or decode clips; 0: none but this one.")
@common.decode_timeout
@common.max_skipped
@click.option("--dry-run", is_flag=True, help="Say what would be trained, its time and disk; write nothing.")
@common.outputs("json")
@common.talking
def command(
    location: str,
    recipe: str,
    out: str,
    steps: int | None,
    settings: tuple[str, ...],
    device: str,
    dry_run: bool,
    json: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Pre-train VideoMAE on a PRESET's clips, which are drawn on the way, or on those of any SET.

    The folder RUN gets config.toml, log.csv, checkpoints/ and card.md; the same command goes on with what a
    killed run left. Several GPUs: torchrun --nproc-per-node 8 -m synvid_eval train pretrain …

    \b
    Examples:
      synvid-eval train pretrain moving_circles --recipe tiny --out run/
      synvid-eval train pretrain acc_transforming_shapes --recipe paper --out run/
      synvid-eval train pretrain ucf101/ --recipe tiny --steps 300 --set short=96 --out real/
    """
    from synvid_eval.score import dump_json
    from synvid_eval.training import engine, pretrain
    from synvid_eval.training import recipe as recipes

    common.check_outputs([location], json=json)
    found = common.take_opening(running)
    more = (f"steps={steps}",) if steps is not None else ()
    chosen, network = recipes.chosen(recipes.PRETRAINING, recipe, (*settings, *more))
    with common.Terminal(quiet or not engine.speaks(), verbose) as progress:
        options, loaders = common.training_options(progress=progress, verbose=verbose, **running)
        planned = pretrain.PlannedPretraining(
            location, chosen, network, options, device=device, loaders=loaders, **found
        )
        facts = planned.rehearsed() if dry_run else planned.made(out)
    if not engine.speaks():
        return
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        click.echo(_rehearsed(facts, out) if dry_run else _told(facts))


def _told(facts: dict[str, Any]) -> str:
    """What was trained, as a line for people."""
    from synvid_eval.training.pretrain import losses
    from synvid_eval.video.layouts import count_of

    steps, clips = count_of(facts["done"], "step"), count_of(facts["clips"], "clip")
    return one_line(
        f"{facts['checkpoint']}: {steps} on {clips} of {facts['set']}, loss {losses(facts)}, "
        f"{facts['clips_per_s']:.3g} clips/s"
    )


def _rehearsed(facts: dict[str, Any], out: str) -> str:
    """What would be trained, a line each."""
    network, recipe = facts["network"], facts["recipe"]
    lines = [
        f"set:      {facts['set']}: {facts['clips']:,} clips",
        f"network:  VideoMAE {recipe['size']}, {facts['parameters'] / 1e6:.3g} million weights, "
        f"{network['frames']} frames of {network['image']} px",
        f"training: {facts['steps']:,} steps of {recipe['batch']} clips",
        f"time:     about {common.time_text(facts['seconds'])}, {labelling.a_step(facts)}, "
        f"of which {facts['drawing_share']:.0%} to make its clips in one process {labelling.by_trial(facts)}",
        labelling.memory_line(facts),
        f"disk:     about {common.size_text(facts['bytes'])}",
        f"writes:   {out}",
    ]
    return "\n".join(map(one_line, lines))
