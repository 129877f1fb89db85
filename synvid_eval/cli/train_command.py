"""`synvid-eval train …`: pre-training, fine-tuning and probing, a sub-command each."""

from __future__ import annotations

import click

from synvid_eval.cli.families import Family

COMMANDS = {
    "pretrain": "Pre-train a network on drawn or real clips, masked, by contrast, or by classes.",
    "finetune": "Fine-tune it on a labelled set, test it on the clips left out.",
    "probe": "The same with its weights frozen: linear, nearest neighbours, attentive.",
    "curves": "Show losses, learning rates and accuracies of runs on a page.",
}


@click.command(cls=Family, name="train", prefix="train", told=COMMANDS)
def command() -> None:
    """Make accuracies: pre-train on a preset, fine-tune or probe on real clips (extra: train).

    \b
    Example:
      synvid-eval train pretrain moving_circles --recipe tiny --out run/
      synvid-eval train finetune run/ ucf101/ --recipe tiny --out tuned/
    """
