"""`synvid-eval cluster kubernetes --jobs N … -- COMMAND…`: an indexed Job."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import clustering, common


@click.command(name="kubernetes", context_settings=clustering.WRAPPING)
@clustering.jobs("How many parts: indices of the Job.")
@clustering.mounting()
@clustering.each
@clustering.time("When the whole Job is ended:")
@clustering.grace
@clustering.at_once
@clustering.ending
def command(words: tuple[str, ...], at_once: int | None, target: str, **given: Any) -> None:
    """Print an indexed Job of Kubernetes that runs COMMAND in N parts, each with its --shard; `kubectl apply
    -f` takes it.

    COMMAND is measure, generate, adapt, corrupt or textures make, with paths as they are in the pods. Pods
    are not root and write nothing but the output; measurements are kept there, too. A part that fails is
    tried 3 times more, unless the command is wrong, or weights or a package are missing (exit codes 2, 4, 5).

    \b
    Example:
      synvid-eval cluster kubernetes --jobs 64 --image registry/synvid-eval:cpu \\
        --input videos:/videos --output results:/results -- measure /videos/ucf101 --out p/ > m.yaml
    """
    from synvid_eval.cluster import kubernetes

    common.check_outputs(out=target)
    wrapped = clustering.in_parts(words, given["cpus"], given["gpus"])
    pods = clustering.take_pods(given, wrapped.writes)
    common.write_text(kubernetes.manifest(wrapped.job(**given), pods, at_once), target)
