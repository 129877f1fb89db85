"""`synvid-eval corrupt SET OUT`: a set's clips as files, damaged as robustness tests damage them."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.command(name="corrupt")
@click.argument("set_", type=common.PATH, metavar="SET", shell_complete=names.location)
@click.argument("out", type=common.PATH, metavar="OUT", shell_complete=names.folder)
@click.option(
    "--corruption",
    required=True,
    metavar="NAME",
    shell_complete=names.completed(names.corruptions),
    help="What is done to the clips (see: list corruptions).",
)
@click.option("--severity", type=int, required=True, metavar="1-5", help="How strong, from least to most.")
@making.settings("swaps=true of glass_blur")
@making.of_set
@common.outputs("json")
@common.talking
def command(
    set_: str,
    out: str,
    corruption: str,
    severity: int,
    settings: tuple[str, ...],
    clips: int | None,
    seed: int,
    kind: str,
    shard: str | None,
    layout: str,
    fps: float | None,
    split: str | None,
    root: str | None,
    follow_outside: bool,
    workers: str,
    cache: str | None,
    decode_timeout: float,
    dry_run: bool,
    json: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Corrupt the clips of a SET into the folder OUT: one file a clip, a manifest, a data card.

    To measure corrupted clips without files give 'corrupt:NAME?severity=N&of=SET' as a SET. mp4 loses what
    fine noise is made of: --format ffv1 keeps it. The same command goes on with what a killed run left.

    \b
    Examples:
      synvid-eval corrupt ucf101/ noisy/ --corruption gaussian_noise --severity 3 --format ffv1
      synvid-eval compare ucf101/ "corrupt:gaussian_noise?severity=3&of=ucf101/"
    """
    from synvid_eval import generation

    asked: dict[str, Any] = {"layout": layout, "fps": fps}
    asked |= {"split": split, "root": root, "follow_outside": follow_outside}
    own = making.overrides(settings, severity=str(severity))
    del own["severity"]

    def plan(options: Any, parts: tuple[int, int]) -> generation.Plan:
        return generation.plan_corrupting(
            set_,
            corruption,
            severity,
            settings=own,
            clips=clips,
            seed=seed,
            kind=kind,
            shard=parts,
            options=options,
            **asked,
        )

    run = making.Run(set_, out, seed, workers, cache, decode_timeout, shard, dry_run, json, quiet, verbose)
    run.make(plan)
