"""Glass blur: a view through frosted glass.

Formula. A Gaussian blur of `sigma` px; then `passes` times, from the last pixel to the first, each pixel p
(`reach` px from the edges) and the one at p + d meet, d uniform in [−reach, reach)² in whole pixels; then the
blur again. Gaussians end at 4 sigma; beyond the frame its edge goes on.

    severity   1    2    3  4    5
    sigma      0.7  0.9  1  1.1  1.5
    reach      1    2    2  3    4
    passes     2    1    3  2    2

Conventions. Where two pixels meet, p takes the value of p + d, which keeps its own: so does the released
code, whose swap of two views of one array copies one over the other. `swaps=true` swaps them, as was meant.
Source. Released code of Yu et al. 2024 (`glass_blur`), after Hendrycks and Dietterich 2019. Where it differs:
there frames are 224 × 224 px, and the last blur's values are floats.
Pitfalls. The glass is another in every frame, so that still scenes shimmer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.corruptions.base import Draws, OfFrames, rounded
from synvid_eval.corruptions.noise import halves
from synvid_eval.knobs import knob
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class GlassBlur(OfFrames):
    """Blurred, pixels moved, blurred."""

    name: ClassVar[str] = "glass_blur"
    kind: ClassVar[str] = "blur"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "sigma": (0.7, 0.9, 1, 1.1, 1.5),
        "reach": (1, 2, 2, 3, 4),
        "passes": (2, 1, 3, 2, 2),
    }

    swaps: bool = knob(False, "whether two pixels that meet are swapped; else one is copied, as released")

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        reach, passes = int(self.at("reach")), int(self.at("passes"))
        seen = rounded(_blurred(frame, self.at("sigma")))
        rows, columns = (max(0, side - 2 * reach) for side in frame.shape[:2])
        count = passes * rows * columns
        if count:
            down, right = (
                randomness.below(half.astype(np.uint64) << np.uint64(32), 2 * reach) - reach
                for half in halves(draws.key("moves", index), count)
            )
            _met(seen, down, right, reach, passes, self.swaps)
        return rounded(_blurred(seen, self.at("sigma")))


def _blurred(frame: Frame, sigma: float) -> NDArray[np.float32]:
    side = 2 * int(4 * sigma + 0.5) + 1
    out = cv2.GaussianBlur(frame.astype(np.float32), (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32)


@numba.njit(cache=True, nogil=True)
def _met(
    seen: Frame, down: NDArray[np.int64], right: NDArray[np.int64], reach: int, passes: int, swaps: bool
) -> None:
    """Lets pixels meet, in place; `down` and `right` in the order of meeting."""
    at = 0
    for _ in range(passes):
        for row in range(seen.shape[0] - reach, reach, -1):
            for column in range(seen.shape[1] - reach, reach, -1):
                other, aside = row + down[at], column + right[at]
                at += 1
                for channel in range(3):
                    own = seen[row, column, channel]
                    seen[row, column, channel] = seen[other, aside, channel]
                    if swaps:
                        seen[other, aside, channel] = own
