"""`synvid-eval train probe RUN SET --out RUN2`."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import labelling, names


@click.command(name="probe")
@labelling.arguments
@click.option(
    "--recipe",
    default="paper",
    show_default=True,
    metavar="NAME",
    shell_complete=names.completed(names.probings),
    help="paper (linear, AdamW at 1e-2: Yu et al. 2024, Table 7), released (linear, SGD at 0.1: their code), "
    "knn, attentive.",
)
@labelling.options
def command(**given: Any) -> None:
    """Say what the frozen network of RUN tells of a labelled SET's clips, by a small head on its features.

    RUN is a folder that train pretrain made, a folder of transformers, the authors' .pth, or scratch: drawn
    weights (--set size=tiny, --backbone tsm-resnet18). Features are computed once and kept in RUN2.

    \b
    Examples:
      synvid-eval train probe run/ ucf101/ --out probed/
      synvid-eval train probe run/ ucf101/ --recipe knn --set segments=1 --set crops=1 --out near/
      synvid-eval train probe scratch ucf101/ --set size=tiny --csv a.csv --out scratch-probed/
    """
    from synvid_eval.training import probe

    labelling.carried_out(probe.PlannedProbe, probe.PROBING, probe.protocol, **given)
