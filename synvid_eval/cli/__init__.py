"""The `synvid-eval` command: parse, call, print. The only place that prints, exits or reads argv.

Sub-commands are imported when they are named, and import what they need when they run, so that `--help` is
instant.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import synvid_eval
from synvid_eval.errors import SynvidEvalError, nearest, one_line, unwritten

COMMANDS = {
    "compare": "Measure sets of videos and compare each with a reference: the main job.",
    "demo": "Run the main job on sets drawn here, in about a minute; needs no data and no network.",
    "measure": "Measure one set and save it; compare takes the saved file in its place.",
    "report": "Make the HTML page of a comparison or a correlation again from its JSON.",
    "correlate": "Say which measurement goes with fine-tune accuracies, over many sets, and how surely.",
    "guide": "Say what to change in a generator: advice, sensitivities, a search over its knobs.",
    "attention": "Show what video transformers attend to: key components as colors, beside the frames.",
    "inspect": "Say what a set holds, what cannot be read, and what measuring it would cost here.",
    "list": "List what there is: metrics, features, layouts, presets, corruptions, methods, recipes …",
    "show": "Show a preset: every knob's value and where it comes from, and a sheet of its clips.",
    "preview": "Show playing clips of presets in one HTML file, with their knobs.",
    "generate": "Draw a preset's clips into a folder: files, a manifest, a data card.",
    "adapt": "Adapt a set's clips into a folder: backgrounds, camera, objects as real video has them.",
    "corrupt": "Corrupt a set's clips into a folder: noise, blur, compression, camera, time.",
    "merge": "Join what jobs with --shard measured or made.",
    "plan": "Say what comparing very many clips would cost, and where.",
    "status": "Say what jobs with --shard have done, and what is missing.",
    "textures": "Make banks of textures beforehand, for presets that show some.",
    "cluster": "Print a Slurm array, a Kubernetes Job or a RayJob that runs a command in parts.",
    "train": "Pre-train a network on a preset; fine-tune and probe it on real clips.",
    "robustness": "Test a fine-tuned run on damaged clips: accuracy by corruption and severity.",
    "explain": "Explain what list names, a metric or a recipe for one, or the sampler.",
    "schema": "Print the JSON Schema of what a command writes.",
    "doctor": "Check this installation, and say how to mend what is missing.",
    "selfcheck": "Compute known values again with the weights that are here: expected, got, verdict.",
    "weights": "Say which network weights there are; fetch and verify them.",
    "cache": "Say where measurements are kept and how much space they take; remove old ones.",
    "completion": "Print the script that completes commands, options and names in bash, zsh or fish.",
}


class Commands(click.Group):
    """A group whose commands are found by name in this package and loaded only when run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; a usage error names the nearest one."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell completes a word that is no command yet
                return None
            ctx.fail(f"No command is called {cmd_name!r}. {nearest(cmd_name, COMMANDS)}")
        command: click.Command = importlib.import_module(f"synvid_eval.cli.{cmd_name}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes names and one line each, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 ok, 1 bug, 2 usage, 3 data unusable, 4 weights missing, 5 package missing, "
    "130 interrupted.",
)
@click.version_option(synvid_eval.__version__, prog_name="synvid-eval")
def group() -> None:
    """Make synthetic videos, measure them against real ones, see which generator is worth pre-training on.

    \b
    Examples:
      synvid-eval demo
      synvid-eval compare synth/ ucf101/ --html report.html
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits with its code."""
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # odd file names must not break the output
    sys.exit(run(args))


def run(args: list[str]) -> int:
    """Runs the command line; the exit code. Errors are one line on stderr, with `--json -` also JSON on
    stdout.
    """
    verbose = any(re.fullmatch("-q?v", a) for a in args)
    try:
        group.main(args, prog_name="synvid-eval", standalone_mode=False)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output has gone: nothing left to say
        return 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except click.ClickException as error:
        ctx = getattr(error, "ctx", None)
        hint = f"See {ctx.command_path} --help." if ctx else ""
        return _fail(args, 2, _usage(error), hint)
    except SynvidEvalError as error:
        if verbose:
            traceback.print_exc()
        error = _missing(error) or error
        return _fail(args, error.code, error.message, error.hint)
    except (KeyboardInterrupt, click.Abort):
        return _fail(args, 130, "Interrupted.", "What was done is kept: the same command goes on from there.")
    except OSError as error:
        if verbose:
            traceback.print_exc()
        where = f" {error.filename}" if error.filename else ""
        return _fail(
            args,
            3,
            f"The system refused{where}: {error.strerror or error}.",
            unwritten(error),
        )
    except Exception as error:
        if verbose:
            click.echo(getattr(error, "traceback", "") or traceback.format_exc(), err=True)
        if missing := _missing(error):
            return _fail(args, missing.code, missing.message, missing.hint)
        hint = "This is a bug, of synvid-eval or of a plug-in; -v shows the traceback."
        return _fail(args, 1, f"{type(error).__name__}: {one_line(error)}", hint)


def _missing(error: BaseException) -> SynvidEvalError | None:
    """What to say instead where a package that is not installed lies behind an error; None otherwise."""
    from synvid_eval.extras import missing_package

    return missing_package(error)


def _usage(error: click.ClickException) -> str:
    """A usage error of click in one line; what is missing is said by its name, each choice once."""
    param = getattr(error, "param", None)
    if not isinstance(error, click.MissingParameter) or param is None:
        return one_line(" ".join(error.format_message().split()))
    command = error.ctx.command_path.partition(" ")[2] if error.ctx else "This"
    if isinstance(param.type, click.Choice):
        return f"{command} wants one of {', '.join(map(str, param.type.choices))}; nothing is given."
    name = param.metavar or param.human_readable_name
    if isinstance(param, click.Option):
        return f"{command} wants {param.opts[0]} {name}; it is not given."
    return f"{command} wants a {name}; nothing is given."


def _fail(args: list[str], code: int, message: str, hint: str) -> int:
    if _json_to_stdout(args):
        document: dict[str, Any] = {"error": {"code": code, "message": message, "hint": hint}}
        with contextlib.suppress(OSError):  # stdout may be what failed
            click.echo(json.dumps(document))
    if message[-1:] not in ".!?":
        message += "."
    click.echo(f"synvid-eval: {message}{' ' + hint if hint else ''}", err=True)
    return code


def _json_to_stdout(args: list[str]) -> bool:
    pairs = zip(args, [*args, ""][1:], strict=True)
    return any((a == "--json" and b == "-") or a == "--json=-" for a, b in pairs)
