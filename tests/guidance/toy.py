"""A generator for tests, of which color, lightness and motion are known in closed form.

Clip i has one color at a time: gray + offset(i) in even frames up, in odd frames down by `flicker`. What is
drawn is written down in the file that TOY_DRAWN names, a line a clip; TOY_SLEEP: seconds that a clip takes.

It is installed for processes of their own as another package's plug-in (`tests.cli.test_errors`), so it
imports nothing of the tests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators.base import Frame, Generator
from synvid_eval.knobs import knob

SPREAD = 10


def offset(seed: int, preset: str, index: int) -> int:
    """How much brighter than the others a clip is, in -SPREAD … SPREAD grey levels."""
    key = randomness.address("toy", seed, preset, index)
    return int(randomness.below(randomness.stream(key, 1), 2 * SPREAD + 1)[0]) - SPREAD


@dataclass(frozen=True)
class Toy(Generator):
    """One color at a time."""

    name: ClassVar[str] = "toy"
    exact: ClassVar[bool] = True

    size: int = knob(16, "side", low=8, high=64, unit="px")
    length: str = knob("16", "frames", low=1, high=64, ends="whole")
    gray: int = knob(120, "middle gray", low=0, high=255, unit="grey levels", search=(20, 220), group="color")
    flicker: int = knob(4, "up and down", low=0, high=40, unit="grey levels", search=(0, 20), group="motion")
    idle: float = knob(0.5, "changes nothing", low=0, high=1, search=(0, 1), group="form")
    tint: str = knob("none", "which channels", choices=("none", "red", "blue"), search=True, group="color")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tint == "blue" and self.gray > 130:
            raise UsageError(f"toy.gray={self.gray} is too bright for blue.", "130 at most.")

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        if path := os.environ.get("TOY_DRAWN"):
            with open(path, "a") as file:
                file.write(f"{self.gray} {self.flicker} {self.idle} {self.tint} {preset}/{index}\n")
        time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
        for frame in frames:
            value = self.gray + offset(seed, preset, index) + self.flicker * (-1) ** frame
            color = {"none": (1, 1, 1), "red": (1, 0, 0), "blue": (0, 0, 1)}[self.tint]
            yield np.full((self.size, self.size, 3), np.array(color) * value, np.uint8)
