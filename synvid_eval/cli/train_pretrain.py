"""`synvid-eval train pretrain PRESET|SET --out RUN`."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, labelling, making, names
from synvid_eval.errors import one_line


@click.command(name="pretrain")
@click.argument("location", type=common.PLACE, metavar="PRESET|SET", shell_complete=names.location)
@click.option(
    "--method",
    default="videomae",
    show_default=True,
    metavar="NAME",
    shell_complete=names.completed(names.methods),
    help="videomae (masked autoencoding), moco, simclr, byol, or supervised (classes).",
)
@labelling.backbone(
    "vit, tsm-resnet50, tsm-resnet18, r2plus1d-18, csn-26.  [default: the recipe's; videomae: vit]"
)
@click.option(
    "--recipe",
    default="small",
    show_default=True,
    metavar="NAME",
    shell_complete=names.recipe,
    help="small (a GPU-day), tiny (minutes on 2 cores); of videomae: paper, paper-vitl (Yu et al. 2024, "
    "Table 5), released (their code); of the others: paper-fractal (Svyezhentsev et al. 2024).",
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
    method: str,
    backbone: str | None,
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
    """Pre-train a network on a PRESET's clips, which are drawn on the way, or on those of any SET.

    The folder RUN gets config.toml, log.csv, checkpoints/ and card.md; the same command goes on with what a
    killed run left. Several GPUs: torchrun --nproc-per-node 8 -m synvid_eval train pretrain …

    \b
    Examples:
      synvid-eval train pretrain moving_circles --recipe tiny --out run/
      synvid-eval train pretrain acc_transforming_shapes --recipe paper --out run/
      synvid-eval train pretrain ucf101/ --recipe tiny --steps 300 --set short=96 --out real/
      synvid-eval train pretrain fractal_diversity --method moco --recipe paper-fractal --out run/
      synvid-eval train pretrain fractal_supervised_500 --method supervised --out run/
    """
    from synvid_eval.networks.loading import resolve_device
    from synvid_eval.score import dump_json
    from synvid_eval.training import engine, methods, pretrain
    from synvid_eval.training import recipe as recipes

    common.check_outputs([location], json=json)
    found = common.take_opening(running)
    more = (f"steps={steps}",) if steps is not None else ()
    of = methods.named(method)
    methods.check_recipe(method, recipe)
    if recipe in of.recipes:
        pretrain.check_settings(location, of.recipes[recipe], settings)
    chosen, network = recipes.chosen(of.recipes, recipe, (*settings, *more), backbone)
    resolve_device(device)
    with common.Terminal(quiet or not engine.speaks(), verbose) as progress:
        options, loaders = common.training_options(progress=progress, verbose=verbose, **running)
        planned = pretrain.PlannedPretraining(
            location,
            chosen,
            network,
            options,
            method=method,
            device=device,
            loaders=loaders,
            given=recipes.asked(settings),
            **found,
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
    from synvid_eval.training.pretrain import clips_of, losses
    from synvid_eval.video.layouts import count_of

    steps, clips = count_of(facts["done"], "step"), clips_of(facts["clips"], facts.get("classes"))
    return one_line(
        f"{facts['checkpoint']}: {'already done: ' if facts['already'] else ''}{steps} on {clips} of "
        f"{facts['set']}, loss {losses(facts)}, {facts['clips_per_s']:.3g} clips/s"
    )


def _learning(recipe: dict[str, Any]) -> str:
    """How it is learned, in short; `explain METHOD:RECIPE` tells each knob."""
    from synvid_eval.training.recipe import PER
    from synvid_eval.video.layouts import count_of

    rate, warm = recipe["lr"] * recipe["batch"] / PER, count_of(recipe["warmup"], "epoch")
    parts = [f"{recipe['optimizer']}, learning rate {rate:.3g} after {warm}"]
    parts += [f"weight decay {recipe['weight_decay']:g}", f"stride {recipe['stride']}"]
    parts += [f"adapt={recipe['adapt']}"] if "adapt" in recipe else []
    return ", ".join(parts)


def _rehearsed(facts: dict[str, Any], out: str) -> str:
    """What would be trained, a line each."""
    from synvid_eval.networks import backbones
    from synvid_eval.training import methods
    from synvid_eval.training.pretrain import clips_of

    network, recipe = facts["network"], facts["recipe"]
    called, method = backbones.of_table(network).title, methods.named(facts["method"])
    lines = [
        f"set:      {facts['set']}: {clips_of(facts['clips'], facts.get('classes'))}",
        f"method:   {method.title}",
        f"network:  {called} {recipe.get('size', '')}".rstrip()
        + f", {facts['parameters'] / 1e6:.3g} million weights, "
        f"{network['frames']} frames of {network['image']} px",
        f"training: {facts['steps']:,} steps of {recipe['batch']} clips",
        f"recipe:   {_learning(recipe)}",
        f"time:     about {common.time_text(facts['seconds'])}, {labelling.a_step(facts)}, "
        f"of which {facts['drawing_share']:.0%} to make its clips in one process {labelling.by_trial(facts)}",
        labelling.memory_line(facts, method.within),
        f"disk:     about {common.size_text(facts['bytes'])}",
        *(f"note:     {note}" for note in facts["notes"]),
        f"writes:   {out}",
    ]
    return "\n".join(map(one_line, lines))
