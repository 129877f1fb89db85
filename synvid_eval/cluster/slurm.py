"""A job array of Slurm.

Each task is one part, by number: `--shard $SLURM_ARRAY_TASK_ID/n` with n written out, so that a few tasks
that are submitted again are the same parts. The shell holds USR1, which Slurm sends before the time is over,
and TERM, which it sends to what is pre-empted or cancelled, and passes both on as TERM; after USR1 it queues
the task again, shortly before the end of the time also where the program has not ended.
"""

from __future__ import annotations

from synvid_eval.cluster.job import ONE_THREAD, Job, rendered, shell
from synvid_eval.errors import UsageError

MARGIN = 15
"""Seconds before the end at which a task is queued again whatever its program does."""

MOST_RESTARTS = 100
"""After so many times a task is not queued again: a part that never ends in its time is a mistake."""


def script(job: Job, at_once: int | None = None) -> str:
    """The script for `sbatch`. at_once: how many tasks may run at a time; None for all.

    UsageError where the grace is no shorter than the time.
    """
    if job.seconds is not None and job.seconds <= job.grace:
        raise UsageError(
            f"--time of {job.seconds} s is over before --grace of {job.grace} s.",
            "Give more --time, or less --grace.",
        )
    part = f'--shard "$SLURM_ARRAY_TASK_ID/{job.parts}"'
    words = job.with_options()
    end = 1 + len(job.command)
    return rendered(
        "slurm.sh.j2",
        job=job,
        at_once=at_once,
        limit=None if job.seconds is None else _limit(job.seconds),
        threads=ONE_THREAD,
        run=f"{shell(words[:end])} {part} {shell(words[end:])}".rstrip(),
        most=MOST_RESTARTS,
        late=max(1, job.grace - MARGIN),
    )


def _limit(seconds: int) -> str:
    """D-HH:MM:SS."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours // 24}-{hours % 24:02}:{minute:02}:{second:02}"
