"""`synvid-eval guide advise COMPARISON.json`."""

from __future__ import annotations

import sys
from typing import Any

import click

from synvid_eval.cli import common, guiding, names


@click.command(name="advise")
@click.argument("file", type=common.PLACE, metavar="COMPARISON.json")
@click.option(
    "--correlation",
    type=common.PATH,
    metavar="F.json",
    help="What correlate wrote: how far the evidence says that a metric matters.  [default: the comparison's "
    "own sets, where five and more have a published accuracy]",
)
@click.option(
    "--set-name",
    "set_names",
    metavar="NAME",
    multiple=True,
    help="Advice for this set alone. May be repeated.  [default: all]",
)
@click.option(
    "--reference",
    type=common.PLACE,
    metavar="SET",
    shell_complete=names.location,
    help="Where the reference lies now, if not where it was compared.",
)
@click.option(
    "--metrics",
    metavar="LIST",
    shell_complete=names.completed_list(names.metrics),
    help="Of which metrics to measure what moves them.  [default: the comparison's that need no weights]",
)
@guiding.clips
@guiding.step
@guiding.frames("the comparison's")
@guiding.seed(None, "the comparison's")
@guiding.looking
def command(
    file: str,
    correlation: str | None,
    set_names: tuple[str, ...],
    reference: str | None,
    metrics: str | None,
    settings: tuple[str, ...],
    clips: int,
    step: float,
    seed: int | None,
    images: str | None,
    videos: str | None,
    json: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Say what of the presets that compare measured to change: gaps, what the evidence says of them, and
    which steps of which knobs would close them, measured, best first.

    Where evidence or measurements are below noise it says so in place of advice. Sets that are no presets get
    gaps and evidence alone.

    \b
    Examples:
      synvid-eval guide advise scores.json
      synvid-eval guide advise scores.json --correlation correlation.json --set-name moving_circles
      synvid-eval guide advise scores.json --reference ucf101/ --json advice.json --html advice.html
    """
    from synvid_eval import schemas
    from synvid_eval.cli.guide_table import print_advice
    from synvid_eval.guidance.advice import Asked, advise, seed_of

    reads = [r for r in (file, correlation, reference) if r]
    common.check_outputs(reads, json=json, html=html)
    networks, opening = common.take_networks(running), guiding.opening(running)
    with common.Terminal(quiet, verbose) as progress:
        comparison = common.read_json(file, progress.say)
        known = None
        if correlation:
            text = common.read_file(correlation, "correlate")
            known = correlation, schemas.read(text, "correlation", correlation, "correlate")
        chosen = seed_of(comparison) if seed is None else seed
        options = common.build_options(progress=progress, verbose=verbose, seed=chosen, **running)
        asked = Asked(
            metrics=None if metrics is None else tuple(common.name_list(metrics) or ()),
            settings=settings,
            names=set_names,
            clips=clips,
            step=step,
            images=images,
            videos=videos,
            extra=tuple(guiding.words_of(opening)),
        )
        document = advise(
            comparison,
            file,
            asked,
            options,
            evidence_from=known,
            reference=reference,
            networks=networks,
            made_by=common.command_line(sys.argv[1:]),
            **opening,
        )

    guiding.deliver(document, print_advice, progress.say, json, html)
