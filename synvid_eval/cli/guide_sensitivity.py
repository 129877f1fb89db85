"""`synvid-eval guide sensitivity PRESET REFERENCE`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from synvid_eval.cli import common, guiding, names


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
            document = measured.sensitivity(bench, over, step, command=common.command_line(sys.argv[1:]))

    guiding.deliver(document, print_sensitivity, progress.say, json, html)
