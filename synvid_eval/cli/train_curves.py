"""`synvid-eval train curves RUN… --html F`."""

from __future__ import annotations

import click

from synvid_eval.cli import common, labelling, names


@click.command(name="curves")
@click.argument(
    "runs", nargs=-1, required=True, type=common.PATH, metavar="RUN...", shell_complete=names.folder
)
@click.option(
    "--html", type=common.PLACE, required=True, metavar="F", help="The page that is written; - is stdout."
)
@common.talking
def command(runs: tuple[str, ...], html: str, quiet: bool, verbose: bool) -> None:
    """Show losses, learning rates and accuracies of RUNs side by side on a page, finished or not.

    A RUN is a folder that train pretrain, finetune or probe made; the folds of one are shown together.

    \b
    Example:
      synvid-eval train curves scratch/ tuned/ --html curves.html
    """
    common.check_outputs(runs, html=html)
    labelling.write_curves(list(runs), html)
    if not quiet and html != "-":
        click.echo(html)
