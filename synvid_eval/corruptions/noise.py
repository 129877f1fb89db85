"""Random numbers a pixel, by address: what the noises share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness


def halves(key: int, count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Two independent numbers each: the upper and the lower half of the stream of `key`, uint32 [count]."""
    words = randomness.stream(key, count)
    return (words >> np.uint64(32)).astype(np.uint32), words.astype(np.uint32)


def normal(key: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers, float32 of that shape, |z| ≤ 6.7, by the method of Box and Muller (1958)."""
    count = math.prod(shape)
    first, second = halves(key, (count + 1) // 2)
    radius = np.sqrt(-2 * np.log((first.astype(np.float32) + 1) * np.float32(2**-32)))
    angle = second.astype(np.float32) * np.float32(2 * math.pi * 2**-32)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count].reshape(shape)
