"""Defocus blur: a lens out of focus, each point a disk.

Formula. Convolution with a disk of whole-pixel `radius` (x² + y² ≤ r², weights equal), its edge softened by a
Gaussian of `edge` px on 3 × 3 px (5 × 5 px above a radius of 8). Beyond the frame it is mirrored, its edge
pixels once.

    severity   1    2    3    4    5
    radius     3    4    6    8    10
    edge       0.1  0.5  0.5  0.5  0.5

Source. Released code of Yu et al. 2024 (`defocus_blur`), after Hendrycks and Dietterich 2019. The grid of the
disk is 17 px wide up to a radius of 8 and 2 r + 1 above, mirrored where the edge is softened, so that the
weights at radius 8 and 10 add up to a little more than 1: as there.
Pitfalls. The same disk in every frame: it is no flicker.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.video.decode import Frame

WIDE = 8
"""The radius [px] up to which the disk stands on a grid of 2 · 8 + 1."""


@dataclass(frozen=True)
class DefocusBlur(OfFrames):
    """A disk for every point."""

    name: ClassVar[str] = "defocus_blur"
    kind: ClassVar[str] = "blur"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "radius": (3, 4, 6, 8, 10),
        "edge": (0.1, 0.5, 0.5, 0.5, 0.5),
    }

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        kernel = disk(int(self.at("radius")), self.at("edge"))
        return np.asarray(cv2.filter2D(frame, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.uint8)


@functools.lru_cache(maxsize=5)
def disk(radius: int, edge: float) -> NDArray[np.float32]:
    """The weights of a disk, float32 [n, n], n = 17 up to a radius of 8 px, else 2 · radius + 1."""
    reach = max(radius, WIDE)
    square = np.arange(-reach, reach + 1) ** 2
    weights = (square[:, None] + square[None] <= radius**2).astype(np.float32)
    weights /= weights.sum()
    side = 3 if radius <= WIDE else 5
    return np.asarray(cv2.GaussianBlur(weights, (side, side), edge), np.float32)
