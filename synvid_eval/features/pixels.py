"""Some pixels of a clip as they are: what a palette is taken from (`guide search --palette`).

Of each looked-at frame the pixels at the same few places are taken, spread evenly over the frame by the
additive recurrence of Roberts ("The unreasonable effectiveness of quasirandom sequences", 2018: fractional
parts of multiples of 1/g and 1/g², g³ = g + 1). No metric reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.features.gray import corner
from synvid_eval.knobs import knob
from synvid_eval.randomness import address
from synvid_eval.states import Rows

CAP = 10_000
"""Pixels that are kept of a set, those with the smallest hashes."""

_RATIO = 1.3247179572447460  # g³ = g + 1


@dataclass(frozen=True)
class Spread:
    """The view: `count` pixels of a frame, uint8 [count, 3] RGB."""

    count: int

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        corner(frame)  # refuses what is no frame
        steps = (np.arange(1, self.count + 1)[:, None] * [1 / _RATIO, 1 / _RATIO**2] + 0.5) % 1
        rows, columns = (steps * frame.shape[:2]).astype(np.intp).T
        found: NDArray[np.uint8] = frame[rows, columns]
        return found


@dataclass(frozen=True)
class Pixels(Feature):
    """State "pixels": Rows [n, 3] RGB in 0 … 255, of a set `CAP` at most. No summary."""

    name: ClassVar[str] = "pixels"
    looks_at: ClassVar[Literal["frames", "runs"]] = "frames"

    count: int = knob(16, "pixels taken of each looked-at frame", low=1, high=4096)

    def view(self) -> View:
        """The pixels at evenly spread places."""
        return Spread(self.count)

    def measure(self, look: Look) -> ClipResult:
        """The pixels of all looked-at frames."""
        if not (seen := look.looked_at()):
            return ClipResult({}, {})
        rows = np.concatenate(seen)
        keys = [address("synvid_eval.features.pixels", look.clip, k) for k in range(len(rows))]
        owners = np.full(len(rows), address("clip", look.clip), np.uint64)
        return ClipResult({}, {"pixels": Rows.of(keys, owners, rows, CAP)})
