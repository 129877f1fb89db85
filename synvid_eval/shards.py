"""One of n parts of a set or a bank, which several machines make (`--shard i/n`), and which of them this
process is (`--shard auto`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synvid_eval.errors import UsageError, one_line

AUTO = "auto"
_NUMBER = r"\d{1,6}"
_TORCHRUN = ("RANK", "WORLD_SIZE")
_KUBERNETES = ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS")
_SLURM = tuple(f"SLURM_ARRAY_TASK_{part}" for part in ("ID", "MIN", "MAX", "COUNT"))


def suffix(shard: tuple[int, int]) -> str:
    """`-i-of-n`, "" for the whole."""
    return f"-{shard[0]}-of-{shard[1]}" if shard[1] > 1 else ""


def parse(text: str | None, environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """`--shard i/n` → (i, n), 0 ≤ i < n; (0, 1) where none is given; for `auto` what the environment says of
    a Slurm array, an indexed job of Kubernetes, or torchrun, in that order. UsageError for anything else.

    environment: variable → value; default: this process's.
    """
    if text is None:
        return 0, 1
    if text == AUTO:
        return _found(os.environ if environment is None else environment)
    match = re.fullmatch(rf"({_NUMBER})/({_NUMBER})", text, re.ASCII)
    if not match or not int(match[1]) < int(match[2]):
        raise UsageError(
            f"--shard {text[:60]} cannot be read.", "It is i/n with i from 0 to n − 1, such as 0/4, or auto."
        )
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class State:
    """Where what is made in parts stands.

    unit: what it is made of ("piece" of a measurement, "part" of a set that is made). units, clips: (there,
    in all). of: the number of parts. jobs: part → what its job said last. missing: the parts that are not all
    there. command: the command line of a part without its `--shard`, where it is known. joined: whether
    nothing is left to be joined.
    """

    name: str
    unit: str
    units: tuple[int, int]
    clips: tuple[int, int]
    of: int
    jobs: dict[int, dict[str, Any]]
    missing: tuple[int, ...]
    command: str
    joined: bool = False


def _found(environment: Mapping[str, str]) -> tuple[int, int]:
    """(i, n) by the first scheduler that has left its variables; UsageError where none has, or where they do
    not say it.
    """
    if _SLURM[0] in environment:
        task, least, most, count = _numbers(_SLURM, environment, "Say --shard i/n.")
        if most - least + 1 != count:
            raise UsageError(
                f"--shard auto: this Slurm array is {count} tasks from {least} to {most}, with gaps.",
                f"Which parts they are cannot be told: say --shard ${_SLURM[0]}/N, N the number of parts.",
            )
        return _checked(task - least, count, f"{_SLURM[0]}={task}")
    if _KUBERNETES[0] in environment:
        cure = (
            f"Kubernetes does not set {_KUBERNETES[1]}: give the container that variable, or say --shard i/n."
        )
        index, count = _numbers(_KUBERNETES, environment, cure)
        return _checked(index, count, f"{_KUBERNETES[0]}={index}")
    if _TORCHRUN[0] in environment:
        index, count = _numbers(_TORCHRUN, environment, "torchrun sets both; or say --shard i/n.")
        return _checked(index, count, f"{_TORCHRUN[0]}={index}")
    raise UsageError(
        "--shard auto: nothing here says which part this is.",
        f"Slurm arrays ({_SLURM[0]}), indexed jobs of Kubernetes ({_KUBERNETES[0]}, {_KUBERNETES[1]}) and "
        f"torchrun ({', '.join(_TORCHRUN)}) do. Or say --shard i/n.",
    )


def _numbers(names: tuple[str, ...], environment: Mapping[str, str], cure: str) -> list[int]:
    found = []
    for name in names:
        value = environment.get(name)
        if value is None:
            raise UsageError(f"--shard auto: {names[0]} is set, {name} is not.", cure)
        if not re.fullmatch(_NUMBER, value, re.ASCII):
            raise UsageError(f"--shard auto: {name}={one_line(value[:60])} is no number.", cure)
        found.append(int(value))
    return found


def _checked(index: int, count: int, seen: str) -> tuple[int, int]:
    if not 0 <= index < count:
        raise UsageError(
            f"--shard auto: {seen} is none of {count} parts.",
            "Is a variable of another job set? Say --shard i/n.",
        )
    return index, count
