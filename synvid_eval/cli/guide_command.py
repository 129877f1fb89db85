"""`synvid-eval guide …`: what to change in a generator, a sub-command each."""

from __future__ import annotations

import click

from synvid_eval.cli.families import Family

COMMANDS = {
    "advise": "Say what of a compared preset to change, why, and how surely, with the command that tries it.",
    "sensitivity": "Measure what each knob of a preset does to each metric, with intervals.",
    "search": "Search better values of a preset's knobs, towards a reference; what is found is a preset.",
}


@click.command(cls=Family, name="guide", prefix="guide", told=COMMANDS)
def command() -> None:
    """Say what to change in a generator, by measurements against real video.

    \b
    Example:
      synvid-eval guide sensitivity moving_circles ucf101/
      synvid-eval compare preset:moving_circles ucf101/ --json scores.json
      synvid-eval guide advise scores.json --html advice.html
    """
