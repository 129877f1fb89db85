"""`synvid-eval completion SHELL`: the script that makes a shell complete commands, options and names."""

from __future__ import annotations

import click

from synvid_eval.cli import common

SHELLS = ("bash", "zsh", "fish")

# A knob (spectrum.window=) is followed by its value, not by a blank.
_BASH_END = """\
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi

    return 0
"""


@click.command(name="completion")
@click.argument("shell", type=common.OneOf(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes commands, options and names in bash, zsh or fish.

    Names are those of metrics, layouts, protocols, presets and their knobs, those of other packages included.

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
    script = ShellComplete.source(made)
    click.echo(script.replace("    return 0\n", _BASH_END) if shell == "bash" else script)
