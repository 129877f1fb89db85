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


# bash ends a word at a colon: preset:NAME is put together again, and only what follows the colon is replied.
_BASH_ASK = 'response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD '
_BASH_WORDS = """\
local words=("${COMP_WORDS[0]}") before="" i
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == : || ${COMP_WORDS[i - 1]} == : ]]; then
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
    if ((${#words[@]} <= COMP_CWORD)); then
        before=${words[${#words[@]} - 1]}
        [[ $before == *:* ]] && before=${before%:*}: || before=""
    fi

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) """
_BASH_REPLY = "COMPREPLY+=($value)"


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
    if shell == "bash":
        script = script.replace(_BASH_ASK, _BASH_WORDS).replace("    return 0\n", _BASH_END)
        script = script.replace(_BASH_REPLY, 'COMPREPLY+=("${value#"$before"}")')
    click.echo(script)
