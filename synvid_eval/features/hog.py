"""Histograms of oriented gradients: what shapes a set's frames hold, one row of 128 values a frame.

On the 128×128 gray crop: 3×3 Sobel gradients (reflected border), 8 unsigned angle bins of 22.5° (bin 0 begins
at a gradient along +x, that is an upright edge), each pixel counted with its gradient's magnitude in exactly
one bin of one of 4×4 cells, the 128 values divided by their Euclidean norm. No interpolation between bins or
cells, no blocks: less than the detector of the source, and enough for `effective_rank`, which asks in how
many directions these rows vary. Frames without any gradient have no direction: they are left out and counted.

Source: N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection" (2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import UsageError
from synvid_eval.features.base import ClipResult, Feature, Look, View, sketch
from synvid_eval.features.gray import GrayCrop
from synvid_eval.knobs import knob
from synvid_eval.states import Counts, Moments, State

_PAD: dict[str, Literal["reflect", "symmetric"]] = {"reflect101": "reflect", "reflect": "symmetric"}


def descriptor(gray: NDArray[np.float32], bins: int, cells: int, border: str) -> NDArray[np.float64] | None:
    """The histogram of a gray image, float64 [cells·cells·bins] of Euclidean norm 1, in the order cell row,
    cell column, angle bin; None where no pixel has a gradient.

    gray: float32 [side, side], side ≥ 2. border: "reflect101" (the edge pixel is not repeated) or "reflect"
    (it is). The sums are exact in float64 for what float32 holds, so flat parts have gradient 0 and not
    nearly 0.
    """
    side = len(gray)
    padded = np.pad(gray.astype(np.float64), 1, mode=_PAD[border])
    down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    gx = down[:, 2:] - down[:, :-2]
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    gy = across[2:] - across[:-2]
    magnitude = np.sqrt(gx * gx + gy * gy)
    # An angle of −1e-20 is π after the modulo, by rounding: it belongs to the last bin.
    angle = np.mod(np.arctan2(gy, gx), np.pi)
    angle_bin = np.minimum(np.floor(angle / (np.pi / bins)).astype(np.intp), bins - 1)
    cell = np.arange(side) * cells // side
    index = (cell[:, None] * cells + cell[None, :]) * bins + angle_bin
    out = np.bincount(index.ravel(), weights=magnitude.ravel(), minlength=cells * cells * bins)
    norm = np.sqrt(out @ out)
    return None if norm == 0 else out / norm


@dataclass(frozen=True)
class Hog(Feature):
    """HOG rows of a few of the looked-at frames.

    State "hog": Moments of rows [frames with gradient, cells·cells·bins], float32, norm 1; absent without
    such frames. State "frames": Counts [frames taken, those without gradient]. State "clips": the mean of a
    clip's rows, of some clips (see `sketch`). No summary.
    """

    name: ClassVar[str] = "hog"
    revision: ClassVar[int] = 2
    looks_at: ClassVar[Literal["frames", "runs"]] = "frames"

    side: int = knob(128, "side of the square the frames are reduced to", low=2, high=4096, unit="pixels")
    bins: int = knob(8, "angle bins over 180°", low=1, high=180)
    cells: int = knob(4, "cells along a side", low=1, high=64)
    frames: int = knob(4, "frames taken of those looked at", low=1, high=10_000)
    border: str = knob("reflect101", "how the border is reflected", choices=("reflect101", "reflect"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cells > self.side:
            raise UsageError(
                f"hog.cells={self.cells} do not fit into hog.side={self.side}.", "Choose fewer cells."
            )

    def view(self) -> View:
        """The gray crop, float32 [side, side]."""
        return GrayCrop(self.side)

    def taken(self, looked_at: int) -> list[int]:
        """Which of K looked-at frames are taken: ⌊(4j+1)·K/(4·frames)⌋, j = 0 … frames−1, each once."""
        if looked_at == 0:
            return []
        return sorted({(4 * j + 1) * looked_at // (4 * self.frames) for j in range(self.frames)})

    def wants(self, frames: Sequence[int]) -> Sequence[int]:
        """The taken frames' indices."""
        return [frames[i] for i in self.taken(len(frames))]

    def measure(self, look: Look) -> ClipResult:
        """Rows of the taken frames."""
        taken = [look.views[i] for i in self.wants(look.frames)]
        found = [descriptor(view, self.bins, self.cells, self.border) for view in taken]
        rows = [row for row in found if row is not None]
        states: dict[str, State] = {"frames": Counts([len(taken), len(taken) - len(rows)])}
        if rows:
            kept = np.stack(rows).astype(np.float32)
            states["hog"] = Moments.of_rows(kept)
            states["clips"] = sketch(look.clip, kept.mean(axis=0, dtype=np.float64))
        return ClipResult({}, states)
