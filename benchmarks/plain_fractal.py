"""Fractals the plain way, in the manner of Svyezhentsev et al.'s released code, written from its description:
what the tests hold the kernels against and what `benchmarks.fractal` times beside them.

In each step all frames take a step: two random numbers a walker choose its map by the alias method, then the
map, then the variation with numba's own sin, tan and tanh, then pixels as int16, then 3 × 3 stamps, uint16.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
WALKERS = 128


@numba.njit(cache=True, nogil=True, fastmath=True)
def alias(shares: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Vose's tables: of slot k the other map, and the probability of its own; shares float32 [N] sum to 1."""
    count = len(shares)
    other, own = np.zeros(count, np.uint8), shares * np.float32(count)
    small = [k for k in range(count) if own[k] < 1]
    large = [k for k in range(count) if own[k] >= 1]
    while len(small) > 0 and len(large) > 0:
        low, high = small.pop(), large.pop()
        other[low] = high
        own[high] -= np.float32(1) - own[low]
        if own[high] < 1:
            small.append(high)
        else:
            large.append(high)
    return other, own


@numba.njit(cache=True, nogil=True, fastmath=True)
def varied(number: int, points: Floats, maps: Floats, taken: NDArray[np.uint8]) -> None:
    """A variation of points float32 [T, W, 2], in place."""
    for f in range(points.shape[0]):
        for w in range(points.shape[1]):
            x, y = points[f, w, 0], points[f, w, 1]
            r = np.sqrt(x * x + y * y)
            if number == 4:
                points[f, w, 0] = (x - y) * (x + y) / (r + np.float32(1e-7))
                points[f, w, 1] = 2 * x * y / (r + np.float32(1e-7))
            elif number == 14:
                points[f, w, 0] = 2 * x if x < 0 else x
                points[f, w, 1] = y / 2 if y < 0 else y
            elif number == 16:
                points[f, w, 0], points[f, w, 1] = 2 / (r + 1) * y, 2 / (r + 1) * x
            elif number == 17:
                k = taken[f, w]
                points[f, w, 0] = x + maps[f, k, 2] * math.sin(math.tan(np.float32(3) * y))
                points[f, w, 1] = y + maps[f, k, 5] * math.sin(math.tan(np.float32(3) * x))
            elif number == 20:
                by = math.tanh(y)
                points[f, w, 0] = by * math.cos(np.float32(np.pi) * x)
                points[f, w, 1] = -by * math.sin(np.float32(np.pi) * x)
            elif number == 27:
                points[f, w, 0], points[f, w, 1] = 2 / (r + 1) * x, 2 / (r + 1) * y
            elif number == 29:
                points[f, w, 0] = math.sin(x)


@numba.njit(cache=True, nogil=True, fastmath=True)
def played(
    maps: Floats, borders: Floats, variation: int, size: int, steps: int, dropped: int, seed: int
) -> NDArray[np.uint16]:
    """Stamped counts of T frames: uint16 [T, size, size]; maps float32 [T, N, 6], borders float32 [4]."""
    np.random.seed(seed)  # noqa: NPY002, numba's own, as there
    frames, count = maps.shape[:2]
    down = np.float32((size - 1) / (borders[1] - borders[0]))
    right = np.float32((size - 1) / (borders[3] - borders[2]))
    canvas = np.zeros((frames, size, size), np.uint16)
    points = np.empty((frames, WALKERS, 2), np.float32)
    pixels = np.empty((frames, WALKERS, 2), np.int16)
    taken = np.empty((frames, WALKERS), np.uint8)
    other, own = np.empty((frames, count), np.uint8), np.empty((frames, count), np.float32)
    begin = np.random.uniform(-1, 1, (WALKERS, 2)).astype(np.float32)  # noqa: NPY002
    for f in range(frames):
        points[f] = begin
        sizes = np.abs(maps[f, :, 0] * maps[f, :, 4] - maps[f, :, 1] * maps[f, :, 3])
        other[f], own[f] = alias(sizes / sizes.sum())
    for step in range(steps):
        first = np.random.rand(frames, WALKERS).astype(np.float32)  # noqa: NPY002
        second = np.random.rand(frames, WALKERS).astype(np.float32)  # noqa: NPY002
        for f in range(frames):
            for w in range(WALKERS):
                slot = int(first[f, w] * count)
                taken[f, w] = slot if second[f, w] < own[f, slot] else other[f, slot]
        for f in range(frames):
            for w in range(WALKERS):
                k, x, y = taken[f, w], points[f, w, 0], points[f, w, 1]
                points[f, w, 0] = x * maps[f, k, 0] + y * maps[f, k, 1] + maps[f, k, 2]
                points[f, w, 1] = x * maps[f, k, 3] + y * maps[f, k, 4] + maps[f, k, 5]
        if variation != 0:
            varied(variation, points, maps, taken)
        if step < dropped:
            continue
        for f in range(frames):
            for w in range(WALKERS):
                pixels[f, w, 0] = np.int16(math.floor((points[f, w, 0] - borders[0]) * down))
                pixels[f, w, 1] = np.int16(math.floor((points[f, w, 1] - borders[2]) * right))
        for f in range(frames):
            for w in range(WALKERS):
                row, column = pixels[f, w, 0], pixels[f, w, 1]
                if 0 <= row < size and 0 <= column < size:
                    for i in range(max(0, row - 1), min(size, row + 2)):
                        for j in range(max(0, column - 1), min(size, column + 2)):
                            canvas[f, i, j] += 1
    return canvas


def grays(canvas: NDArray[np.uint16]) -> Any:
    """Log density of T frames over their largest, uint8 [T, H, W]."""
    logs = np.log(canvas.astype(np.float64) + 1)
    return (255 * (logs / max(1, logs.max()))).astype(np.uint8)
