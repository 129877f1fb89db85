"""`synvid-eval schema NAME`: the JSON Schema of a document."""

from __future__ import annotations

import click

from synvid_eval.cli import names


@click.command(name="schema")
@click.argument("name", metavar="NAME", shell_complete=names.completed(names.schemas))
def command(name: str) -> None:
    """Print the JSON Schema (draft 2020-12) of what a command writes: advice, attention, comparison,
    correlation, dry-run, doctor, error, inspect, manifest (a line of it), measured, predictions,
    robustness, search or sensitivity.

    \b
    Example:
      synvid-eval schema comparison > comparison.schema.json
    """
    import json

    from synvid_eval.schemas import get

    click.echo(json.dumps(get(name), indent=1))
