"""A command over Ray: a RayJob of KubeRay, which starts a cluster for it, or a script that submits it to a
cluster that is there.

The command runs once, on the head, with `--engine ray --ray-address auto`, and hands its shards to actors on
all workers: there are no parts to join.
"""

from __future__ import annotations

import shlex

from synvid_eval.cluster.job import Job, rendered, shell
from synvid_eval.cluster.kubernetes import RETRIES, USER, Pods
from synvid_eval.errors import UsageError, one_line

ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
ENGINE = ("--engine", "ray", "--ray-address", "auto")


def manifest(job: Job, made_of: Pods) -> str:
    """The RayJob for `kubectl apply`; `job.parts` workers, and a head that works at nothing else."""
    # Ray gives it to sh, which knows fewer ways of quoting than bash
    entrypoint = f"cd {shlex.quote(made_of.output.path)} && {shlex.join(job.with_options(*ENGINE))}"
    return rendered(
        "ray.yaml.j2",
        job=job,
        pods=made_of,
        entrypoint=entrypoint,
        environment=ENVIRONMENT,
        retries=RETRIES,
        user=USER,
    )


def submission(job: Job, address: str) -> str:
    """A script that submits the command to a Ray cluster. address: of its jobs, `http://HOST:8265`.

    UsageError for what is no such address.
    """
    if not address.startswith(("http://", "https://")) or not address.isprintable() or " " in address:
        raise UsageError(
            f"--submit {one_line(address[:200])} is no address of a Ray cluster's jobs.",
            "Such as http://HOST:8265.",
        )
    # one word, which the cluster's shell reads once more: older releases of `ray job submit` put words
    # together as Windows does, where the & of a preset's address would end the command
    run = shell([shlex.join(job.with_options(*ENGINE))])
    return rendered("ray_submit.sh.j2", job=job, address=shell([address]), run=run)
