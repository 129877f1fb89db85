"""`synvid-eval completion SHELL`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes commands and options in bash, zsh or fish.

    \b
    Examples:
      synvid-eval completion bash > ~/.local/share/bash-completion/completions/synvid-eval
      synvid-eval completion zsh > "${fpath[1]}/_synvid-eval"
      synvid-eval completion fish > ~/.config/fish/completions/synvid-eval.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from synvid_eval.cli import group

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(group, {}, "synvid-eval", "_SYNVID_EVAL_COMPLETE")
    # the base class's: bash's own first asks an installed bash for its version, which is not ours to check
    click.echo(ShellComplete.source(made))
