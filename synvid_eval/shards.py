"""One of n parts of a set or a bank, which several machines make (`--shard i/n`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from synvid_eval.errors import UsageError


def suffix(shard: tuple[int, int]) -> str:
    """`-i-of-n`, "" for the whole."""
    return f"-{shard[0]}-of-{shard[1]}" if shard[1] > 1 else ""


def parse(text: str | None) -> tuple[int, int]:
    """`--shard i/n` → (i, n), 0 ≤ i < n; (0, 1) where none is given. UsageError for anything else."""
    if text is None:
        return 0, 1
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if not match or not int(match[1]) < int(match[2]):
        raise UsageError(f"--shard {text[:60]} cannot be read.", "It is i/n with i from 0 to n − 1: 0/4.")
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class State:
    """Where what is made in parts stands.

    unit: what it is made of ("piece" of a measurement, "part" of a set that is made). units, clips: (there,
    in all). of: the number of parts. jobs: part → what its job said last. missing: the parts that are not all
    there. command: the command line of a part without its `--shard`, where it is known.
    """

    name: str
    unit: str
    units: tuple[int, int]
    clips: tuple[int, int]
    of: int
    jobs: dict[int, dict[str, Any]]
    missing: tuple[int, ...]
    command: str
