"""`synvid-eval correlate comparison.json… --accuracies …`: which measurement goes with accuracy."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from synvid_eval.cli import common, names


@click.command(name="correlate")
@click.argument("files", type=common.PATH, nargs=-1, required=True, metavar="COMPARISON.json...")
@click.option(
    "--accuracies",
    required=True,
    metavar="published:yu2024|FILE",
    help="Accuracies by set: a published table, or CSV or JSON with dataset,benchmark,protocol,model,"
    "accuracy [%] and, where known, method,split,family,std,seed.",
)
@click.option(
    "--benchmark", metavar="NAME", help="Which benchmark's, such as UCF101, where there are several."
)
@click.option(
    "--split", metavar="NAME", help="Which split of it, such as trainlist01, where there are several."
)
@click.option(
    "--protocol", metavar="NAME", help="Which protocol's, such as finetune, where there are several."
)
@click.option("--model", metavar="NAME", help="Which model's, where there are several.")
@click.option(
    "--method",
    metavar="NAME",
    shell_complete=names.completed(names.pretrained_by),
    help="Which method's of pre-training, such as moco, where there are several; scratch goes with each.",
)
@click.option(
    "--family",
    default="family",
    show_default=True,
    metavar="COLUMN",
    help="The column that says which sets are variants of one generator.",
)
@click.option(
    "--map", "mapping", type=common.PATH, metavar="F.csv", help="Which accuracy is whose: set,dataset."
)
@click.option(
    "--band", metavar="LOW:HIGH", help="Also look at accuracies [%] of this range alone, such as 84: ."
)
@click.option(
    "--given", metavar="METRIC", help="Also take this metric out of all others (partial correlation)."
)
@click.option("--draws", type=click.IntRange(100, 100_000), default=1000, show_default=True, metavar="B",
              help="Draws of each bootstrap.")  # fmt: skip
@common.seed
@common.outputs("json", "csv", "html")
@click.option(
    "--png", type=common.PATH, metavar="DIR", help="Write a figure a metric for papers (PNG and PDF)."
)
@common.talking
def command(
    files: tuple[str, ...],
    accuracies: str,
    benchmark: str | None,
    split: str | None,
    protocol: str | None,
    model: str | None,
    method: str | None,
    family: str,
    mapping: str | None,
    band: str | None,
    given: str | None,
    draws: int,
    seed: int,
    json: str | None,
    csv: str | None,
    html: str | None,
    png: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Correlate what compare measured of many sets with their fine-tune accuracies, and say how sure that is.

    Sets are joined by name; those without a partner are listed. Variants of one generator (a family) are not
    taken for independent. A correlation is no prediction: what predicts is judged on families left out.

    \b
    Examples:
      synvid-eval correlate a.json --accuracies mine.csv --html page.html
      synvid-eval correlate a.json b.json --accuracies published:yu2024 \\
          --benchmark UCF101 --protocol finetune --png figures/
    """
    from synvid_eval import accuracies as tables
    from synvid_eval import correlation
    from synvid_eval.cli.correlation_table import print_correlation
    from synvid_eval.errors import UsageError
    from synvid_eval.score import dump_json

    reads = [*files, *(f for f in (accuracies, mapping) if f and not f.startswith(tables.PREFIX))]
    common.check_outputs(reads, json=json, csv=csv, html=html)
    if png is not None:
        place = Path(png).absolute()
        there = next(p for p in (place, *place.parents) if p.exists())
        if not there.is_dir():
            raise UsageError(
                f"--png {png}: {there} is no folder.", "Give a folder, which is made where it is missing."
            )
    within = correlation.parse_band(band)
    progress = common.Terminal(quiet, verbose)
    which = {"benchmark": benchmark, "split": split, "protocol": protocol, "model": model, "method": method}
    known = tables.load(accuracies, **which, family=family)
    chosen = tables.read_map(mapping) if mapping else None
    document = correlation.correlate(
        [(file, common.read_json(file, progress.say)) for file in dict.fromkeys(files)],
        known,
        mapping=chosen,
        band=within,
        given=given,
        seed=seed,
        draws=draws,
        command=common.command_line(sys.argv[1:]),
    )
    if json:
        common.write_text(dump_json(document), json)
    if csv:
        common.write_text(correlation.to_csv(document), csv)
    if html:
        from synvid_eval.report.correlation import page

        common.write_text(page(document), html)
    if "-" not in (json, csv, html):
        print_correlation(document)
    for target in (json, csv, html):
        if target and target != "-":
            progress.say(f"{'page' if target == html else 'written'}: {target}")
    if png:
        from synvid_eval.report.panels import panels

        progress.say(f"written: {len(panels(document, png))} figures in {png}")
