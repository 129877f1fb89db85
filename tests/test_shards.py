"""Parts by name, and by what schedulers leave in the environment."""

from __future__ import annotations

import re

import pytest

from synvid_eval import shards
from synvid_eval.errors import UsageError


def array(task: int, least: int, most: int, count: int) -> dict[str, str]:
    """What Slurm tells a task of an array."""
    told = {"ID": task, "MIN": least, "MAX": most, "COUNT": count, "STEP": 1}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in told.items()}


INDEXED = {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "5"}
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}


@pytest.mark.parametrize("text", ["2/2", "-1/2", "1", "a/b", "1/0", "1/2/3", "٣/٤", "Auto", "auto/2", ""])
def test_a_shard_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        shards.parse(text)


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        (array(0, 0, 7, 8), (0, 8)),
        (array(7, 0, 7, 8), (7, 8)),
        (array(3, 1, 4, 4), (2, 4)),  # arrays that count from 1
        (INDEXED, (2, 5)),
        (TORCHRUN, (0, 2)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, (0, 1)),
        ({**TORCHRUN, **INDEXED, **array(1, 0, 2, 3)}, (1, 3)),
        ({**TORCHRUN, **INDEXED}, (2, 5)),
    ],
)
def test_auto_is_what_the_scheduler_says(environment: dict[str, str], part: tuple[int, int]) -> None:
    assert shards.parse("auto", {**environment, "HOME": "/"}) == part


def test_auto_reads_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in array(2, 0, 3, 4).items():
        monkeypatch.setenv(name, value)
    assert shards.parse("auto") == (2, 4)
    assert shards.parse("1/3") == (1, 3)  # what is said goes before what is found


@pytest.mark.parametrize(
    ("environment", "message", "cure"),
    [
        ({}, "which part", "SLURM_ARRAY_TASK_ID.*JOB_COMPLETION_INDEX.*RANK"),
        # two of eight are sent again: their number says nothing of the eight
        (array(7, 3, 7, 2), "2 tasks from 3 to 7, with gaps", r"\$SLURM_ARRAY_TASK_ID/N"),
        ({"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is not", "i/n"),
        ({**array(1, 0, 2, 3), "SLURM_ARRAY_TASK_MAX": "two"}, "MAX=two is no number", "i/n"),
        (array(9, 0, 2, 3), "ID=9 is none of 3 parts", "another job"),
        ({"JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETIONS is not", "Kubernetes does not set JOB_COMPLETIONS"),
        ({**INDEXED, "JOB_COMPLETIONS": "2"}, "INDEX=2 is none of 2 parts", "another job"),
        ({"RANK": "1"}, "WORLD_SIZE is not", "torchrun"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK=-1 is no number", "torchrun"),
    ],
)
def test_auto_that_cannot_be_told(environment: dict[str, str], message: str, cure: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        shards.parse("auto", environment)
    assert error.value.code == 2
    assert re.search(cure, error.value.hint)
