"""Gaussian noise: what a sensor adds in poor light, as strong in the dark as in the bright.

Formula. x + σ z on intensities x in [0, 1], cut to [0, 1]; z standard normal, another for each pixel, channel
and frame.

    severity   1     2     3     4     5
    sigma      0.08  0.12  0.18  0.26  0.38

Source. Released code of Yu et al. 2024 (`gaussian_noise`), after Hendrycks and Dietterich 2019.
Pitfalls. Cutting takes noise away where frames are black or white: they come out brighter and darker.
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
class GaussianNoise(OfFrames):
    """Independent normal noise of one strength."""

    name: ClassVar[str] = "gaussian_noise"
    kind: ClassVar[str] = "noise"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"sigma": (0.08, 0.12, 0.18, 0.26, 0.38)}

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        noise = normal(draws.key("noise", index), frame.shape)
        return rounded(frame + np.float32(255 * self.at("sigma")) * noise)
