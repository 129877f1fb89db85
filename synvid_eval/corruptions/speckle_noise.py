"""Speckle noise: noise that grows with brightness and leaves black alone.

Formula. x + x σ z on intensities x in [0, 1], cut to [0, 1]; z standard normal, another for each pixel,
channel and frame.

    severity   1     2    3     4    5
    sigma      0.15  0.2  0.25  0.3  0.35

Source. Released code of Yu et al. 2024 (`speckle_noise`), after Hendrycks and Dietterich 2019.
Pitfalls. Bright frames lose half of the noise to cutting, and come out darker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval.corruptions.base import Draws, OfFrames, rounded
from synvid_eval.corruptions.noise import normal
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class SpeckleNoise(OfFrames):
    """Independent normal noise in proportion to the intensity."""

    name: ClassVar[str] = "speckle_noise"
    kind: ClassVar[str] = "noise"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"sigma": (0.15, 0.2, 0.25, 0.3, 0.35)}

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        noise = normal(draws.key("noise", index), frame.shape)
        return rounded(frame * (1 + np.float32(self.at("sigma")) * noise))
