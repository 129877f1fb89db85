"""Impulse noise: salt and pepper, as broken sensor cells and lost bits give it.

Formula. Each value of each pixel, channel and frame is replaced with probability `amount`: by white or black,
as likely one as the other.

    severity   1     2     3     4     5
    amount     0.03  0.06  0.09  0.17  0.27

Conventions. Channels are hit one by one, as `skimage.util.random_noise` does: most specks are colored.
Source. Released code of Yu et al. 2024 (`impulse_noise`), after Hendrycks and Dietterich 2019.
Pitfalls. A value that is black or white already may be replaced by what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.corruptions.noise import halves
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class ImpulseNoise(OfFrames):
    """Salt and pepper."""

    name: ClassVar[str] = "impulse_noise"
    kind: ClassVar[str] = "noise"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"amount": (0.03, 0.06, 0.09, 0.17, 0.27)}

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        which, color = halves(draws.key("impulses", index), frame.size)
        hit = which.reshape(frame.shape) < np.uint32(self.at("amount") * 2**32)
        salt = np.where(color.reshape(frame.shape) & np.uint32(1), np.uint8(255), np.uint8(0))
        return np.where(hit, salt, frame)
