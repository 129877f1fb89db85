"""The sampler: which moments of a clip are looked at. Time only; resizing belongs to a feature.

Two kinds of moments are served by one decode: *looked-at frames*, the centers of equal segments of the clip,
and *runs*, a number of frames at a fixed stride. Where a run starts is a function of (seed, clip id) alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from synvid_eval import knobs
from synvid_eval.randomness import address

STRIDES = (4, 2, 1)


@dataclass(frozen=True)
class Plan:
    """Frame indices of one clip: those looked at, and a run for each stride the clip is long enough for."""

    frames: tuple[int, ...]
    runs: Mapping[int, tuple[int, ...]]

    def wanted(self) -> list[int]:
        """All indices that must be decoded to pixels, ascending, each once."""
        return sorted({*self.frames, *(i for run in self.runs.values() for i in run)})


@dataclass(frozen=True)
class Sampler:
    """Which frames of a clip are looked at; every field is part of each number's signature."""

    name: ClassVar[str] = "sampler"
    revision: ClassVar[int] = 1

    frames: int = knobs.knob(16, "frames looked at a clip: centers of equal segments", low=1, high=100_000)
    length: int = knobs.knob(16, "frames in a run", low=2, high=100_000)
    start: str = knobs.knob(
        "hash",
        "where a run starts: by hash of (seed, clip id), first or center",
        choices=("hash", "first", "center"),
    )

    def __post_init__(self) -> None:
        knobs.check(self)

    def plan(self, total: int, clip: str, seed: int) -> Plan:
        """The indices for a clip of `total` ≥ 1 frames.

        Frame i of the looked-at K is ⌊(2i+1)·total/(2K)⌋; with `total` ≤ K each frame is given once. A run at
        stride s needs (length − 1)·s + 1 frames; its start is drawn evenly from all possible ones.
        """
        if total <= self.frames:
            looked = tuple(range(total))
        else:
            looked = tuple((2 * i + 1) * total // (2 * self.frames) for i in range(self.frames))
        runs = {}
        for stride in STRIDES:
            starts = total - (self.length - 1) * stride
            if starts < 1:
                continue
            if self.start == "hash":
                first = (address("run", seed, clip) * starts) >> 64
            else:
                first = 0 if self.start == "first" else (starts - 1) // 2
            runs[stride] = tuple(range(first, first + self.length * stride, stride))
        return Plan(looked, runs)
