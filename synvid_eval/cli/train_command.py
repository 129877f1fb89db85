"""`synvid-eval train …`: pre-training, fine-tuning and probing, a sub-command each."""

from __future__ import annotations

import importlib

import click

from synvid_eval.errors import nearest

COMMANDS = {
    "pretrain": "Pre-train a video transformer on drawn or real clips, by masked autoencoding.",
    "finetune": "Fine-tune it on a labelled set, test it on the clips left out.",
    "probe": "The same with its weights frozen: linear, nearest neighbours, attentive.",
    "curves": "Show losses, learning rates and accuracies of runs on a page.",
}


class Trainings(click.Group):
    """A group whose sub-commands are modules of this package, loaded only when run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The sub-command of that name; a usage error names the nearest one."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            ctx.fail(f"No command is called {cmd_name!r}. {nearest(cmd_name, COMMANDS)}")
        module = importlib.import_module(f"synvid_eval.cli.train_{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes names and one line each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Trainings, name="train")
def command() -> None:
    """Make accuracies: pre-train on a preset, fine-tune or probe on real clips (extra: train).

    \b
    Example:
      synvid-eval train pretrain moving_circles --recipe tiny --out run/
      synvid-eval train finetune run/ ucf101/ --recipe tiny --out tuned/
    """
