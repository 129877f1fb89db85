"""Motion blur: a camera that moves while the shutter is open, each point a fading streak.

Formula. Each pixel becomes Σ_i w_i p(position + round(i · direction)), i = 0 … 2 · radius, with weights w_i
in proportion to exp(−i² / 2 sigma²), that add up to 1. The direction is (cos a, sin a), rows counted
downwards, a uniform in [−45°, 45°), another for each frame. Beyond the frame its edge goes on.

    severity   1   2   3   4   5
    radius     10  15  15  15  20
    sigma      3   5   8   12  15

Conventions. The streak is one half of a bell, to one side, and 2 · radius + 1 samples long: what
ImageMagick's `MotionBlurImage(radius, sigma, angle)` computes (halves are rounded down there, too).
Source. Released code of Yu et al. 2024 (`motion_blur`, by ImageMagick), after Hendrycks and Dietterich 2019.
Pitfalls. The direction is another in every frame, which no camera does: the clip trembles, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.video.decode import Frame

ANGLE = 45.0
"""The largest angle [degrees] to the rows."""


@dataclass(frozen=True)
class MotionBlur(OfFrames):
    """A streak for every point."""

    name: ClassVar[str] = "motion_blur"
    kind: ClassVar[str] = "blur"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "radius": (10, 15, 15, 15, 20),
        "sigma": (3, 5, 8, 12, 15),
    }

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        angle = draws.uniform("angle", -ANGLE, ANGLE, index)
        kernel, anchor = streak(int(self.at("radius")), self.at("sigma"), angle)
        blurred = cv2.filter2D(frame, -1, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(blurred, np.uint8)


def streak(radius: int, sigma: float, angle: float) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The weights of a streak, float32 [rows, columns], and the (column, row) of the pixel that it begins at.

    Args:
        radius: [px]. sigma: [px]. angle: [degrees], from the columns' direction downwards.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    turn = math.radians(angle)
    columns, rows = (np.ceil(steps * along - 0.5).astype(int) for along in (math.cos(turn), math.sin(turn)))
    left, top = int(columns.min()), int(rows.min())
    kernel = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), np.float32)
    np.add.at(kernel, (rows - top, columns - left), weights / weights.sum())
    return kernel, (-left, -top)
