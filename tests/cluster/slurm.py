"""A stand-in for Slurm: `sbatch` that runs an array on this machine, as far as scripts of ours can tell.

It reads the script's `#SBATCH` lines, as Slurm does only above the first command; options of the command line
go before them. Scripts run from a copy in a folder of its own, in the folder they are submitted from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ARRAY_JOB = 4000


@dataclass
class Cluster:
    """bin: what stands before the PATH of jobs. requeued: tasks for which `scontrol requeue` was called."""

    folder: Path
    environment: Mapping[str, str]
    bin: Path = field(init=False)

    def __post_init__(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        self.program("scontrol", f'echo "$@" >> {self.folder}/scontrol.log')
        self.program("synvid-eval", f'exec {sys.executable} -m synvid_eval "$@"')

    def program(self, name: str, body: str) -> None:
        """Puts a shell script on the PATH of jobs."""
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    @property
    def requeued(self) -> list[str]:
        """What scontrol was called with."""
        log = self.folder / "scontrol.log"
        return log.read_text().splitlines() if log.exists() else []

    def start(
        self, script: Path, task: int, array: Sequence[int], cwd: Path, **more: str
    ) -> subprocess.Popen[str]:
        """One task of an array, which is to be waited for."""
        copy = self.folder / f"spool-{task}.sh"
        shutil.copyfile(script, copy)
        told = {
            "SLURM_JOB_ID": str(ARRAY_JOB + 1 + task),
            "SLURM_ARRAY_JOB_ID": str(ARRAY_JOB),
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": str(min(array)),
            "SLURM_ARRAY_TASK_MAX": str(max(array)),
            "SLURM_ARRAY_TASK_COUNT": str(len(array)),
        }
        path = os.pathsep.join([str(self.bin), self.environment.get("PATH", os.defpath)])
        environment = {**self.environment, **told, "PATH": path, **more}
        return subprocess.Popen(
            ["bash", str(copy)],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def sbatch(self, script: Path, cwd: Path, *options: str) -> dict[int, tuple[int, str]]:
        """Submits, and runs all tasks, the last first: task → (exit code, output)."""
        array = numbers(
            {**directives(script), **dict(o.removeprefix("--").split("=", 1) for o in options)}["array"]
        )
        done = {}
        for task in reversed(array):
            running = self.start(script, task, array, cwd)
            said, _ = running.communicate(timeout=120)
            done[task] = (running.returncode, said)
        return done


def directives(script: Path) -> dict[str, str]:
    """The options of a script's `#SBATCH` lines; those that are flags are ""."""
    return dict(_directives(script.read_text()))


def _directives(text: str) -> Iterator[tuple[str, str]]:
    first, *lines = text.splitlines()
    assert first.startswith("#!")
    for line in lines:
        if line and not line.startswith("#"):
            return
        if line.startswith("#SBATCH "):
            option, _, value = line.removeprefix("#SBATCH --").partition("=")
            assert " " not in value, line
            yield option, value


def numbers(array: str) -> list[int]:
    """`0-7%2`, `3,7` → the tasks."""
    found: list[int] = []
    for part in array.partition("%")[0].split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
