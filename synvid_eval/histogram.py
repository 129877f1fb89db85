"""Fixed logarithmic bins for lengths (speeds, accelerations): counts that merge, and quantiles of them.

Bin 0 holds lengths below 2⁻⁶; 480 bins up to 2⁹ follow, of which the last holds everything beyond as well.
The *square* of a length is cut where its float32 changes in the exponent or the first four bits of the
mantissa: 16 bins an octave of the square, 32 an octave of the length, each 1.5 to 3.1 % wide. A quantile
interpolated within its bin is off by less than that, for smooth distributions by far less than 1 %. Lengths
below 2⁻⁶ count as 0.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

LOW, HIGH = -6, 9  # powers of two: where bin 0 ends and the last bin would
PER_OCTAVE = 32
BINS = 1 + (HIGH - LOW) * PER_OCTAVE
# The bits of a squared length (float32, ≥ 2^(2·LOW)) shifted right by SHIFT, less KEY, plus 1, are its bin.
SHIFT = 19
KEY = (127 + 2 * LOW) << (23 - SHIFT)
_MERGED = PER_OCTAVE // 2


def edges() -> NDArray[np.float64]:
    """The edges of the bins, float64 [BINS + 1]: 0, 2⁻⁶, …, 2⁹."""
    bits = (np.arange(BINS, dtype=np.uint32) + np.uint32(KEY)) << np.uint32(SHIFT)
    squares = bits.view(np.float32).astype(np.float64)
    return np.concatenate([[0.0], np.sqrt(squares)])


def quantile(counts: ArrayLike, share: float) -> float:
    """The length below which `share` (0 to 1) of the counted ones [BINS] lie; NaN where none is counted."""
    numbers = np.asarray(counts, np.float64)
    below = np.cumsum(numbers)
    if not below[-1] > 0:
        return float("nan")
    wanted = share * below[-1]
    filled = np.flatnonzero(numbers)
    index = min(max(int(np.searchsorted(below, wanted)), int(filled[0])), int(filled[-1]))
    if index == 0:
        return 0.0
    low, high = edges()[index : index + 2]
    part = (wanted - (below[index] - numbers[index])) / max(numbers[index], 1.0)
    return float(low + (high - low) * min(max(part, 0.0), 1.0))


def merged_edges() -> list[float]:
    """The edges of `merged`: 0, 2⁻⁶, then a factor of √2 each, 2⁹."""
    every = edges()
    return [0.0, *every[1::_MERGED].tolist()]


def merged(counts: ArrayLike) -> list[float]:
    """Shares of all, for a reader: bin 0, then 16 bins in one; sums to 1 (all 0 where none is counted)."""
    numbers = np.asarray(counts, np.float64)
    parts = np.concatenate([numbers[:1], numbers[1:].reshape(-1, _MERGED).sum(axis=1)])
    return cast(list[float], (parts / max(parts.sum(), 1.0)).tolist())
