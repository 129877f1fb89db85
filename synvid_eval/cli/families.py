"""Commands with sub-commands that are modules of this package, loaded only when they are run."""

from __future__ import annotations

import importlib
from typing import Any

import click

from synvid_eval.errors import nearest


class Family(click.Group):
    """A group whose sub-command NAME is the `command` of `synvid_eval.cli.PREFIX_NAME`.

    prefix: that of the modules. told: sub-command → what it does, in the order of use.
    """

    def __init__(self, *args: Any, prefix: str, told: dict[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._prefix, self._told = prefix, told

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in the order of use."""
        return list(self._told)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The sub-command of that name; a usage error names the nearest one."""
        if cmd_name not in self._told:
            if ctx.resilient_parsing:
                return None
            ctx.fail(f"No command is called {cmd_name!r}. {nearest(cmd_name, self._told)}")
        module = importlib.import_module(f"synvid_eval.cli.{self._prefix}_{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes names and one line each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._told.items()))
