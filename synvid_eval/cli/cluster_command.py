"""`synvid-eval cluster …`: jobs for clusters, a sub-command each kind."""

from __future__ import annotations

import click

from synvid_eval.cli.families import Family

COMMANDS = {
    "slurm": "Print a job array of Slurm that runs a command in parts.",
    "kubernetes": "Print an indexed Job of Kubernetes that runs a command in parts.",
    "ray": "Print a RayJob of KubeRay that runs a command, or a script that submits it to a Ray cluster.",
}


@click.command(cls=Family, name="cluster", prefix="cluster", told=COMMANDS)
def command() -> None:
    """Print what a cluster is to be given to run a command in parts; nothing is submitted.

    \b
    Example:
      synvid-eval cluster slurm --jobs 64 -- measure videos/ --out parts/ > measure.sh
      sbatch measure.sh
      synvid-eval merge parts/ --out videos.measured
    """
