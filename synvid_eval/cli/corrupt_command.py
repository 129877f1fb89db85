"""`synvid-eval corrupt SET OUT`: a set's clips as files, damaged as robustness tests damage them."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.command(name="corrupt")
@click.argument("set_", type=common.PLACE, metavar="SET", shell_complete=names.location)
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
    **given: Any,
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

    asked = common.take_opening(given) | {"kind": given.pop("kind")}
    own = making.overrides(settings, severity=str(severity))
    del own["severity"]

    def plan(options: Any, parts: tuple[int, int]) -> generation.Plan:
        return generation.plan_corrupting(
            set_,
            corruption,
            severity,
            settings=own,
            seed=options.seed,
            shard=parts,
            options=options,
            **asked,
        )

    making.Run(set_, out, **given).make(plan)
