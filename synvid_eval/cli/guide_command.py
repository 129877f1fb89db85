"""`synvid-eval guide …`: what to change in a generator, a sub-command each."""

from __future__ import annotations

import importlib

import click

from synvid_eval.errors import nearest

COMMANDS = {
    "advise": "Say what of a compared preset to change, why, and how surely, with the command that tries it.",
    "sensitivity": "Measure what each knob of a preset does to each metric, with intervals.",
    "search": "Search better values of a preset's knobs, towards a reference; what is found is a preset.",
}


class Guides(click.Group):
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
        module = importlib.import_module(f"synvid_eval.cli.guide_{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes names and one line each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Guides, name="guide")
def command() -> None:
    """Say what to change in a generator, by measurements against real video.

    \b
    Example:
      synvid-eval guide sensitivity moving_circles ucf101/
      synvid-eval compare preset:moving_circles ucf101/ --json scores.json
      synvid-eval guide advise scores.json --html advice.html
    """
