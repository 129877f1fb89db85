"""`synvid-eval guide sensitivity PRESET REFERENCE`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from synvid_eval.cli import common, guiding, names
from synvid_eval.errors import one_line


@click.command(name="sensitivity")
@click.argument("preset", metavar="PRESET", shell_complete=names.completed(names.presets))
@click.argument("reference", type=common.PLACE, metavar="REFERENCE", shell_complete=names.location)
@click.option(
    "--knobs",
    metavar="LIST",
    help="Comma-separated knobs (speed, textures.stylegan.sigma) or groups (color, motion, form, texture, "
    "background, camera).  [default: all that say where to search]",
)
@guiding.metrics
@guiding.clips
@guiding.step
@guiding.frames("16")
@guiding.seed(0, "0")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be stepped and how long it would take (a setting is tried); write nothing.",
)
@guiding.looking
def command(
    preset: str,
    reference: str,
    knobs: str | None,
    metrics: str | None,
    settings: tuple[str, ...],
    clips: int,
    step: float,
    images: str | None,
    videos: str | None,
    dry_run: bool,
    json: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Measure what each knob of PRESET does to each metric against REFERENCE, with intervals.

    Numbers are moved a step down and up, choices exchanged, all drawn with the same random numbers. A change
    whose interval excludes 0 is marked. Measurements are kept: a run that was killed goes on.

    \b
    Examples:
      synvid-eval guide sensitivity moving_circles ucf101/
      synvid-eval guide sensitivity moving_circles ucf101/ --knobs motion --metrics motion,tubelet
      synvid-eval guide sensitivity "mine.toml?size=128" ucf101/ --clips 60 --html sensitivity.html
    """
    from synvid_eval.cli.guide_table import print_sensitivity
    from synvid_eval.comparison import DEFAULT_METRICS
    from synvid_eval.errors import UsageError
    from synvid_eval.guidance import sensitivity as measured
    from synvid_eval.guidance.bench import Bench, chosen
    from synvid_eval.guidance.space import space
    from synvid_eval.score import dump_json

    common.check_outputs([preset.partition("?")[0], reference], json=json, html=html)
    networks, opening = common.take_networks(running), guiding.opening(running)
    measured.check_step(step)
    place, found, given = chosen(preset, images, videos)
    named = common.name_list(knobs)
    if named == []:
        raise UsageError("--knobs names none.", "Leave it away for all that say where to search.")
    over = measured.check_space(space(found, given, named or ()))
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(progress=progress, verbose=verbose, **running)
        with Bench(
            place,
            found,
            given,
            reference,
            DEFAULT_METRICS if metrics is None else common.name_list(metrics) or (),
            clips,
            replace(options, progress=measured.Together(progress)),
            settings=settings,
            networks=networks,
            lenient=True,
            **opening,
        ) as bench:
            if dry_run:
                plan = measured.rehearsed(bench, over, step)
                text = dump_json(plan) if json else _planned(plan)
                common.write_text(text, json) if json else click.echo(text)
                return
            document = measured.sensitivity(bench, over, step, command=common.command_line(sys.argv[1:]))

    guiding.deliver(document, print_sensitivity, progress.say, json, html)


def _planned(plan: Mapping[str, Any]) -> str:
    """What would be stepped, for people: a line a dimension, then the time."""
    rows = [["", "start", "tried", ""]]
    for one in plan["dimensions"]:
        tried = " | ".join(map(guiding.shown, one["tried"])) or "-"
        rows.append([one["name"], guiding.shown(one["start"]), tried, one["unit"]])
    lines = guiding.table(rows)
    made = plan["textures"]
    more = f", {made['seconds']:.2g} s more where it makes its own textures" if made else ""
    lines.append(
        f"{plan['settings']} settings beside the preset as it is, {plan['clips']} clips each: about "
        f"{common.time_text(plan['seconds'])} ({plan['seconds_a_setting']:.2g} s a setting, tried{more})"
    )
    return "\n".join(map(one_line, lines))
