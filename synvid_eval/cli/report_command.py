"""`synvid-eval report FILE.json --html F`: the page again, from its data."""

from __future__ import annotations

import click

from synvid_eval.cli import common


@click.command(name="report")
@click.argument("file", type=common.PLACE, metavar="FILE.json")
@common.outputs("html")
@click.option("--dry-run", is_flag=True, help="Read and check the file, say what would be written.")
@common.talking
def command(file: str, html: str | None, dry_run: bool, quiet: bool, verbose: bool) -> None:
    """Make the HTML page again from the JSON that compare, correlate, attention or guide wrote: the same
    bytes as theirs.

    \b
    Example:
      synvid-eval report scores.json --html report.html
    """
    from synvid_eval import correlation
    from synvid_eval.errors import UsageError
    from synvid_eval.report import attention, guidance, search
    from synvid_eval.score import read_comparison

    if html is None:
        raise UsageError("report has nothing to write.", "Give --html F.")
    common.check_outputs([file], html=html)
    text = common.read_file(file, "compare")
    progress = common.Terminal(quiet, verbose)
    if correlation.is_one(text):
        from synvid_eval.report.correlation import page as correlation_page

        document = correlation.read(text, file)
        holds = f"a correlation of {len(document['metrics'])} metrics over {len(document['sets'])} sets"
        made = correlation_page(document)
    elif attention.is_one(text):
        found = attention.read(text, file)
        holds = f"what {len(found['checkpoints'])} checkpoints attend to in {len(found['clips'])} clips"
        made = attention.page(found)
    elif search.is_one(text):
        found = search.read(text, file)
        holds = f"a search of {len(found['trials'])} trials over {len(found['space'])} dimensions"
        made = search.page(found)
    elif kind := guidance.kind_of(text):
        told = guidance.read(text, file)
        what = f"{len(told['sets'])} sets" if kind == "advice" else f"{len(told['dimensions'])} knobs"
        holds, made = f"{kind} for {what}", guidance.page(told)
    else:
        from synvid_eval.report.page import page

        comparison, warnings = read_comparison(text, file)
        for warning in warnings:
            progress.say(warning)
        holds = f"{len(comparison.scores)} scores of {len(comparison.candidates)} sets"
        made = "" if dry_run else page(comparison)
    if dry_run:
        done = "the page would go to stdout" if html == "-" else f"{html} would be written"
        click.echo(f"Dry run: {file} holds {holds}; {done} in a second or two.")
        return
    common.write_text(made, html)
    if html != "-":
        progress.say(f"written: {html}")
