"""`synvid-eval demo`: the main job on sets that are drawn here. No data, no network, about a minute."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from synvid_eval.cli import common, names, table

RUNGS = ("static_circles", "moving_circles", "moving_shapes")
REFERENCE = "photo_camera"
REFERENCE_NAME = "stand_in_for_real_video"
CLIPS = 64


@click.command(name="demo")
@click.option(
    "--out",
    default="synvid-eval-demo",
    show_default=True,
    metavar="DIR",
    shell_complete=names.folder,
    help="The folder to write into.",
)
@click.option("--workers", default="auto", show_default=True, metavar="auto|N", help="Worker processes.")
@click.option(
    "--cache",
    metavar="DIR|none",
    shell_complete=names.folder,
    help="Where measurements are kept.  [default: the user's cache folder]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be drawn, measured and written; do none of it.")
@common.talking
def command(out: str, workers: str, cache: str | None, dry_run: bool, quiet: bool, verbose: bool) -> None:
    """Draw three synthetic sets, compare them with a stand-in for real video, and write the page.

    The stand-in is eight color photographs (those that scikit-image installs) under a moving, slightly
    shaking camera: good enough to see the tool work, not to choose a generator by.

    \b
    Example:
      synvid-eval demo
    """
    from synvid_eval.comparison import DEFAULT_METRICS, build_recipe, compare
    from synvid_eval.errors import UsageError
    from synvid_eval.report.page import page

    folder = Path(out)
    sets = [f"preset:{name}?n={CLIPS}" for name in RUNGS]
    sets.append(f"{REFERENCE_NAME}=preset:{REFERENCE}?n={CLIPS}")
    try:
        if not dry_run:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be made: {error.strerror}.", "Give another folder.") from None
    began = time.monotonic()
    with common.Terminal(quiet, verbose) as progress:
        if not dry_run:
            progress.say(
                f"Drawing, measuring {len(RUNGS)} synthetic sets and a stand-in for real ones, "
                f"{CLIPS} clips each"
            )
        options = common.build_options(
            seed=0,
            workers=workers,
            cache=cache,
            max_skipped="5%",
            decode_timeout=60.0,
            progress=progress,
            verbose=verbose,
        )
        if dry_run:
            writes = [str(folder / n) for n in ("comparison.json", "comparison.csv", "report.html")]
            common.rehearsed(sets, build_recipe(DEFAULT_METRICS), options, writes, None)
            return
        comparison = compare(
            sets[:-1],
            sets[-1],
            metrics=DEFAULT_METRICS,
            command=common.command_line(sys.argv[1:]),
            options=options,
        )
    common.write_text(comparison.to_json(), str(folder / "comparison.json"))
    common.write_text(common.score_csv(comparison), str(folder / "comparison.csv"))
    common.write_text(page(comparison), str(folder / "report.html"))
    table.print_comparison(comparison)
    click.echo(
        f"\n{REFERENCE_NAME} is eight photographs under a moving camera: no real clips.\n"
        f"The page:  {folder / 'report.html'}  ({time.monotonic() - began:.0f} s)\n"
        f"Your own:  synvid-eval compare your-synthetic-videos/ your-real-videos/ --html report.html"
    )
