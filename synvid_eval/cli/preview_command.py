"""`synvid-eval preview PRESET… --html F`: playing clips of presets."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.command(name="preview")
@click.argument(
    "presets", nargs=-1, required=True, metavar="PRESET...", shell_complete=names.completed(names.presets)
)
@click.option("--html", type=common.PLACE, required=True, metavar="F", help="The page to write; - is stdout.")
@click.option(
    "--clips", type=click.IntRange(1, 64), default=4, show_default=True, metavar="N", help="Clips a preset."
)
@common.seed
@making.settings("speed=2:6")
@common.workers()
@making.cache
@common.decode_timeout
@common.picturing
@common.talking
def command(
    presets: tuple[str, ...],
    html: str,
    clips: int,
    settings: tuple[str, ...],
    images: str | None,
    videos: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Show playing clips of presets in one HTML file, with every knob and where its value comes from.

    The page asks nobody for anything. Clips are the first of the set, small (112 px) and half as many frames.

    \b
    Examples:
      synvid-eval preview moving_circles moving_shapes --html preview.html
      synvid-eval preview moving_shapes --set speed=2:6 --html fast.html
    """
    from synvid_eval import previews
    from synvid_eval.report.gallery import page
    from synvid_eval.video.layouts import count_of

    common.check_outputs(html=html)
    overrides = making.overrides(settings)
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(progress=progress, verbose=verbose, **running)
        found = previews.previews(
            presets, options, count=clips, overrides=overrides, images=images, videos=videos
        )
    common.write_text(page(found), html)
    if html != "-":
        clips_of = count_of(sum(len(p["clips"]) for p in found), "clip")
        click.echo(f"{html}: {clips_of} of {count_of(len(found), 'preset')}")
