"""Zoom blur: a camera that rushes forward while the shutter is open.

Formula. The mean of the frame itself and of its zooms about the center, bilinear, by the factors 1, 1 + step,
…, `last` (1 is one of them: the frame counts twice).

    severity   1     2     3     4     5
    last       1.11  1.15  1.2   1.24  1.3
    step       0.01  0.01  0.02  0.02  0.03

Conventions. A zoom by f takes the middle ⌈H / f⌉ × ⌈W / f⌉ px and spreads them, first and last pixel on first
and last pixel, over the nearest whole size to f times as many, of which the middle H × W px are taken.
Source. Released code of Yu et al. 2024 (`zoom_blur`), after Hendrycks and Dietterich 2019. Its factors are
`numpy.arange(1, stop, step)` with stop 1.11, 1.16, 1.21, 1.26 and 1.31: rounding errors add 1.11 to the first
row, and 1.26 is no whole number of steps, so the largest factors are 1.11 and 1.24, not 1.10 and 1.25.
Where it differs: there frames are square; here both sides are treated alike.
Pitfalls. The middle of the frame stays sharp.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval.corruptions.base import Draws, OfFrames, rounded
from synvid_eval.video.decode import Frame

Line = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True)
class ZoomBlur(OfFrames):
    """The mean of zooms."""

    name: ClassVar[str] = "zoom_blur"
    kind: ClassVar[str] = "blur"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "last": (1.11, 1.15, 1.2, 1.24, 1.3),
        "step": (0.01, 0.01, 0.02, 0.02, 0.03),
    }

    @property
    def factors(self) -> list[float]:
        """The factors, ascending, 1 first."""
        step = self.at("step")
        return [1 + k * step for k in range(round((self.at("last") - 1) / step) + 1)]

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        height, width = frame.shape[:2]
        whole = frame.astype(np.float32)
        total = 2 * whole  # the frame, and its zoom by 1
        factors = self.factors
        for factor in factors[1:]:
            _add(total, whole, along(height, factor), along(width, factor))
        return rounded(total / (len(factors) + 1))


@numba.njit(cache=True, nogil=True)
def _add(total: NDArray[np.float32], whole: NDArray[np.float32], rows: Line, columns: Line) -> None:
    """Adds to `total` what `whole` has between its rows and columns."""
    left, right, aside = columns
    for i in range(total.shape[0]):
        above, share = whole[rows[0][i]], rows[2][i]
        line = above + share * (whole[rows[1][i]] - above)
        for j in range(total.shape[1]):
            for channel in range(3):
                here = line[left[j], channel]
                total[i, j, channel] += here + aside[j] * (line[right[j], channel] - here)


@functools.lru_cache(maxsize=64)
def along(side: int, factor: float) -> Line:
    """Where each of `side` pixels of a zoom comes from: the pixels before and behind, int64 [side], and how
    far it is from the first of them, float32 [side] in [0, 1).
    """
    taken = math.ceil(side / factor)
    spread = round(taken * factor)
    begin, trim = (side - taken) // 2, (spread - side) // 2
    scale = (taken - 1) / (spread - 1) if spread > 1 else 0.0
    places = (np.arange(side) + trim) * scale
    first = np.minimum(places.astype(np.int64), taken - 1)
    return begin + first, begin + np.minimum(first + 1, taken - 1), (places - first).astype(np.float32)
