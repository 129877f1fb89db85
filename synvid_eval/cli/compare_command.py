"""`synvid-eval compare SET… REFERENCE`: the main job."""

from __future__ import annotations

import sys
from typing import Any

import click

from synvid_eval.cli import common


@click.command(name="compare")
@click.argument("sets", nargs=-1, metavar="SET... REFERENCE")
@common.measuring
@common.outputs("json", "csv", "html")
@common.talking
def command(
    sets: tuple[str, ...],
    metrics: str | None,
    settings: tuple[str, ...],
    frames: int | None,
    clips: int | None,
    layout: str,
    fps: float | None,
    json: str | None,
    csv: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Measure sets of videos, each alone, and compare every SET with the REFERENCE, which is named last.

    A SET is [name=]location: a folder of videos, of frame folders, a .npy or .npz of clips, a .measured file,
    or preset:NAME?n=100. Measurements are kept: a second run reads only what changed.

    \b
    Examples:
      synvid-eval compare synth/ ucf101/
      synvid-eval compare a=runs/a/ b=runs/b/ ucf101/ --html report.html --json scores.json
      synvid-eval compare preset:moving_circles?n=100 ucf101/ --metrics color,motion
    """
    from synvid_eval.comparison import compare
    from synvid_eval.errors import UsageError

    if len(sets) < 2:
        seen = f"only {sets[0]!r} is given" if sets else "nothing is given"
        raise UsageError(
            f"compare wants one SET or more and then the REFERENCE; {seen}.", "compare synth/ ucf101/"
        )
    common.check_outputs(json=json, csv=csv, html=html)
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(progress=progress, verbose=verbose, **running)
        comparison = compare(
            list(sets[:-1]),
            sets[-1],
            metrics=common.name_list(metrics),
            settings=settings,
            frames=frames,
            clips=clips,
            layout=layout,
            fps=fps,
            command=common.command_line(sys.argv[1:]),
            options=options,
        )
    deliver(comparison, json=json, csv=csv, html=html, say=progress.say)


def deliver(comparison: Any, *, json: str | None, csv: str | None, html: str | None, say: Any) -> None:
    """Writes what was asked for; the table goes to stdout unless another document does."""
    if json:
        common.write_text(comparison.to_json(), json)
    if csv:
        common.write_text(common.score_csv(comparison), csv)
    if html:
        from synvid_eval.report.page import page

        common.write_text(page(comparison), html)
    if "-" not in (json, csv, html):
        common.print_comparison(comparison)
    for target in (json, csv, html):
        if target and target != "-":
            say(f"written: {target}")
