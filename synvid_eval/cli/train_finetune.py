"""`synvid-eval train finetune RUN SET --out RUN2`."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import labelling, names


@click.command(name="finetune")
@labelling.arguments
@click.option(
    "--recipe",
    default="small",
    show_default=True,
    metavar="NAME",
    shell_complete=names.completed(names.finetunings),
    help="paper-ucf101, paper-hmdb51 (Yu et al. 2024, Table 6), released-ucf101, released-hmdb51 (VideoMAE's "
    "and their code), paper-fractal, "
    "paper-fractal-diving48, paper-fractal-volleyball (Svyezhentsev et al. 2024), small (one GPU), tiny "
    "(minutes on 2 cores).",
)
@labelling.options
def command(**given: Any) -> None:
    """Fine-tune the network of RUN on a labelled SET, and say how many of the clips left out it knows.

    RUN is a folder that train pretrain made, a folder of transformers, the authors' .pth, or scratch: drawn
    weights. RUN2 gets a folder a fold, predictions.json and accuracy.csv; the same command goes on with what
    a killed run left.

    \b
    Examples:
      synvid-eval train finetune run/ ucf101/ --recipe tiny --out tuned/
      synvid-eval train finetune scratch ucf101/ --recipe tiny --csv a.csv --out scratch-tuned/
      synvid-eval train finetune scratch ucf101/ --backbone tsm-resnet18 --recipe tiny --out tsm/
      synvid-eval train finetune vit_b.pth ucf101/ --split trainlist01 --recipe paper-ucf101 --out b/
    """
    from synvid_eval.training import finetune

    labelling.carried_out(finetune.PlannedFinetuning, finetune.FINETUNING, lambda of: "finetune", **given)
