"""`synvid-eval compare SET… REFERENCE`: the main job."""

from __future__ import annotations

import sys
from typing import Any

import click

from synvid_eval.cli import common, names, table


@click.command(name="compare")
@click.argument(
    "sets", nargs=-1, type=common.PLACE, metavar="SET... REFERENCE", shell_complete=names.location
)
@common.measuring
@common.engine
@common.listing
@common.picturing
@common.following
@common.outputs("json", "csv", "html")
@click.option(
    "--media", is_flag=True, help="Put into the JSON what a page shows beyond the scores; --html does."
)
@click.option(
    "--no-previews",
    "no_previews",
    multiple=True,
    metavar="NAME|all",
    help="Show no clips of this set on the page. Several times for several sets.",
)
@common.talking
def command(
    sets: tuple[str, ...],
    json: str | None,
    csv: str | None,
    html: str | None,
    media: bool,
    no_previews: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Measure sets of videos, each alone, and compare every SET with the REFERENCE, which is named last.

    A SET is [name=]location: a folder of videos, of frame folders or of .npz clips, a list file, a .npy or
    .npz of clips, a .measured file, preset:NAME?n=100, or cut:MOVIE?seconds=4. Measurements are kept: a
    second run reads only what changed.

    \b
    Examples:
      synvid-eval compare synth/ ucf101/
      synvid-eval compare a=runs/a/ b=runs/b/ ucf101/ --html report.html --json scores.json
      synvid-eval compare preset:moving_circles?n=100 ucf101/ --metrics color,motion
      synvid-eval compare synth/ ucf101/ --dry-run
    """
    from synvid_eval.comparison import compare
    from synvid_eval.errors import UsageError

    if len(sets) < 2:
        seen = f"only {sets[0]!r} is given" if sets else "nothing is given"
        raise UsageError(
            f"compare wants one SET or more and then the REFERENCE; {seen}.", "compare synth/ ucf101/"
        )
    common.check_outputs(sets, json=json, csv=csv, html=html)
    asked = common.take_asked(given)
    with (
        common.Terminal(quiet, verbose) as progress,
        common.running(given, progress, verbose) as engine,
    ):
        options = common.build_options(progress=progress, verbose=verbose, engine=engine, **given)
        if dry_run:
            writes = [t for t in (json, csv, html) if t and t != "-"]
            common.rehearsed(sets, options, writes, json, **asked)
            return
        comparison = compare(
            list(sets[:-1]),
            sets[-1],
            with_media=media or html is not None,
            no_previews=no_previews,
            **asked,
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
        table.print_comparison(comparison)
    for target in (json, csv, html):
        if target and target != "-":
            say(f"{'page' if target == html else 'written'}: {target}")
