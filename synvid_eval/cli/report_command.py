"""`synvid-eval report FILE.json --html F`: the page again, from its data."""

from __future__ import annotations

from pathlib import Path

import click

from synvid_eval.cli import common


@click.command(name="report")
@click.argument("file", type=common.PATH, metavar="FILE.json")
@common.outputs("html")
@click.option("--dry-run", is_flag=True, help="Read and check the file, say what would be written.")
@common.talking
def command(file: str, html: str | None, dry_run: bool, quiet: bool, verbose: bool) -> None:
    """Make the HTML page of a comparison from the JSON that compare wrote: the same bytes as compare --html.

    \b
    Example:
      synvid-eval report scores.json --html report.html
    """
    from synvid_eval.errors import DataError, UsageError
    from synvid_eval.report.page import page
    from synvid_eval.score import read_comparison

    if html is None:
        raise UsageError("report has nothing to write.", "Give --html F.")
    common.check_outputs([file], html=html)
    try:
        text = Path(file).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}.", "Give a file that compare --json F wrote."
        ) from None
    comparison, warnings = read_comparison(text, file)
    progress = common.Terminal(quiet, verbose)
    for warning in warnings:
        progress.say(warning)
    if dry_run:
        done = "the page would go to stdout" if html == "-" else f"{html} would be written"
        click.echo(
            f"Dry run: {file} holds {len(comparison.scores)} scores of {len(comparison.candidates)} sets; "
            f"{done} in a second or two."
        )
        return
    common.write_text(page(comparison), html)
    if html != "-":
        progress.say(f"written: {html}")
