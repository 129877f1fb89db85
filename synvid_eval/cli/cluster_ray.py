"""`synvid-eval cluster ray … -- COMMAND…`: a RayJob, or a submission to a Ray cluster that is there."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from synvid_eval.cli import clustering, common
from synvid_eval.errors import UsageError


@click.command(name="ray", context_settings=clustering.WRAPPING)
@click.option(
    "--submit",
    metavar="ADDRESS",
    help="Print a script that submits to this Ray cluster instead, such as http://head:8265.",
)
@clustering.jobs("How many Ray workers.", required=False)
@clustering.mounting(required=False)
@clustering.each
@clustering.time("When the whole job is ended:")
@clustering.grace
@clustering.ending
def command(words: tuple[str, ...], submit: str | None, target: str, **given: Any) -> None:
    """Print a RayJob of KubeRay that runs COMMAND with --engine ray on N workers; `kubectl apply -f` takes
    it.

    COMMAND is one that has --engine, with paths as they are in the pods. It runs once, so there is nothing
    to merge. The head only folds what workers send; where these have GPUs it has one, too, to see that.

    \b
    Examples:
      synvid-eval cluster ray --jobs 16 --image registry/synvid-eval:cpu --input videos:/videos \\
        --output results:/results -- measure /videos/ucf101 --out ucf101.measured > m.yaml
      synvid-eval cluster ray --submit http://head:8265 -- measure /videos --out /results/a.measured
    """
    from synvid_eval.cluster import ray

    common.check_outputs(out=target)
    wrapped = clustering.over_ray(words)
    if submit is not None:
        ctx = click.get_current_context()
        said = [option.opts[0] for option in ctx.command.params if _said(ctx, option)]
        if said:
            raise UsageError(
                f"{said[0]} means nothing with --submit.", "The cluster is as it is: leave it away."
            )
        common.write_text(ray.submission(wrapped.job(**{**given, "parts": 1}), submit), target)
        return
    for needed, option in (
        ("parts", "--jobs N"),
        ("image", "--image IMAGE"),
        ("output", "--output CLAIM:PATH"),
    ):
        if given[needed] is None:
            raise UsageError(
                f"cluster ray wants {option}; it is not given.",
                "Or --submit ADDRESS, for a cluster that is there.",
            )
    pods = clustering.take_pods(given, wrapped.writes)
    common.write_text(ray.manifest(wrapped.job(**given), pods), target)


def _said(ctx: click.Context, option: click.Parameter) -> bool:
    """Whether an option was given that says what a cluster is to be."""
    name = str(option.name)
    given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    return given and name not in ("submit", "target", "words")
