"""`synvid-eval cluster slurm --jobs N -- COMMAND…`: a job array."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import clustering, common


@click.command(name="slurm", context_settings=clustering.WRAPPING)
@clustering.jobs("How many parts: tasks of the array.")
@clustering.each
@clustering.time("How long a task may run; one that is not done then is queued again:")
@clustering.grace
@clustering.at_once
@clustering.ending
def command(words: tuple[str, ...], at_once: int | None, target: str, **given: Any) -> None:
    """Print a job array of Slurm that runs COMMAND in N parts, each with its --shard; `sbatch` takes it.

    COMMAND is measure, generate, adapt, corrupt or textures make, with its options, as it would be run here.
    Before its time is over a task ends what it is at, keeps it and is queued again; one that is pre-empted
    does the same, and Slurm queues it. Parts that failed are sent again by their numbers: sbatch --array=3,7.

    \b
    Examples:
      synvid-eval cluster slurm --jobs 64 -- measure videos/ --out parts/ > measure.sh
      synvid-eval cluster slurm --jobs 8 --cpus 16 --time 4h -- generate moving_shapes shapes/ > s.sh
    """
    from synvid_eval.cluster import slurm

    common.check_outputs(out=target)
    wrapped = clustering.in_parts(words, given["cpus"], given["gpus"])
    common.write_text(slurm.script(wrapped.job(**given), at_once), target)
