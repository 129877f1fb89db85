"""Shot noise: the graininess of few photons.

Formula. N / c on intensities x in [0, 1], cut to [0, 1]; N a Poisson number of mean x c, another for each
pixel, channel and frame. Its mean is x, its variance x / c.

    severity   1    2    3   4   5
    photons    250  100  50  30  15

Conventions. `photons` is c, the mean of white. A pixel has one of 256 values, so N is looked up: the least
number whose distribution function exceeds a uniform draw, exactly.
Source. Released code of Yu et al. 2024 (`shot_noise`), whose numbers differ from Hendrycks and Dietterich's.
Pitfalls. Only c + 1 levels are left: 16 at severity 5.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.corruptions.base import Draws, OfFrames, rounded
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class ShotNoise(OfFrames):
    """Poisson counts for intensities."""

    name: ClassVar[str] = "shot_noise"
    kind: ClassVar[str] = "noise"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"photons": (250, 100, 50, 30, 15)}

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        photons = int(self.at("photons"))
        levels = rounded(255 * np.arange(photons + 1) / photons)
        uniform = randomness.unit(randomness.stream(draws.key("photons", index), frame.size))
        flat = np.ascontiguousarray(frame).reshape(-1)
        counted: Frame = _looked_up(flat, uniform, *_distribution(photons), levels)
        return counted.reshape(frame.shape)


@functools.lru_cache(maxsize=5)
def _distribution(photons: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """P(N ≤ k) of each gray level v for k < photons (more is white), float64 [256, photons + 1], its last
    column infinite; and where to begin looking for u: the number for ⌊256 u⌋ / 256, int64 [256, 256].
    """
    from scipy.special import pdtr

    means = np.arange(256)[:, None] * (photons / 255)
    found = np.full((256, photons + 1), np.inf)
    found[:, :-1] = pdtr(np.arange(photons)[None], means)
    begins = [np.searchsorted(row, np.arange(256) / 256, side="right") for row in found]
    return found, np.array(begins, np.int64)


@numba.njit(cache=True, nogil=True)
def _looked_up(
    values: Frame,
    uniform: NDArray[np.float64],
    distribution: NDArray[np.float64],
    begins: NDArray[np.int64],
    levels: Frame,
) -> Frame:
    out = np.empty_like(values)
    for i in range(values.size):
        row = distribution[values[i]]
        count = begins[values[i], int(256 * uniform[i])]
        while row[count] <= uniform[i]:
            count += 1
        out[i] = levels[count]
    return out
