"""Optical flow of a run of gray frames: how fast its pixels move, and how that changes.

OpenCV's DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) from each frame to
the next. DIS takes 8 bits, so the gray, which is never rounded elsewhere, is rounded here (half to even).

- speed = |flow|·256/side, in pixels a frame of a picture of side 256, for all pixels of the T − 1 flows;
- acceleration = |flow_{t+1} − flow_t|·256/side at the same pixel (not along the path), T − 2 fields.

Both are counted in the fixed bins of `synvid_eval.histogram`. A description, no measurement: DIS sees no
motion in flat parts, and motion where light flickers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval.histogram import BINS, KEY, SHIFT

PRESETS = ("medium", "fast", "ultrafast")
LEAST_SIDE = 16  # pixels; DIS refuses less than 12
PICTURE = 256  # side of the picture in whose pixels speeds are given

_SHIFT, _KEY = np.uint32(SHIFT), KEY


class FlowCounts(NamedTuple):
    """Counts of speeds and accelerations, int64 [BINS] each."""

    speed: NDArray[np.int64]
    acceleration: NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def _count(first: Any, second: Any, square: Any, squares: Any, bits: Any, counts: Any) -> None:
    """Counts the lengths of second − first, float32 [h, 2·w] (x, y, x, …), times √square.

    squares float32 [w] and bits uint32 [w] are one memory, to work in.
    """
    last = counts.shape[0] - 1
    for y in range(second.shape[0]):
        a, b = first[y], second[y]
        for x in range(squares.shape[0]):
            right = b[np.uint64(2 * x)] - a[np.uint64(2 * x)]
            down = b[np.uint64(2 * x + 1)] - a[np.uint64(2 * x + 1)]
            squares[x] = square * (right * right + down * down)
        for x in range(squares.shape[0]):
            index = np.int64(bits[x] >> _SHIFT) - _KEY + 1
            counts[min(max(index, 0), last)] += 1


@contextmanager
def _one_thread() -> Iterator[None]:
    """DIS cuts a picture into as many stripes as there are threads; results must not depend on them."""
    before = cv2.getNumThreads()
    if before != 1:
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        if before != 1:
            cv2.setNumThreads(before)


def flows(frames: Sequence[NDArray[np.float32]], preset: str) -> Iterator[NDArray[np.float32]]:
    """The flow from each frame to the next, float32 [side, side, 2] (x right, y down) in pixels a frame.

    frames: gray float32 [side, side] in [0, 255], side ≥ 16. preset: one of `PRESETS`.
    """
    dis: Any = cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))
    for first, second in pairwise([np.rint(f).astype(np.uint8) for f in frames]):
        with _one_thread():
            flow: NDArray[np.float32] = dis.calc(first, second, None)
        yield flow


def count_flow(frames: Sequence[NDArray[np.float32]], preset: str) -> FlowCounts:
    """Speeds and accelerations of T ≥ 2 gray frames, float32 [side, side] (see `flows`)."""
    height, width = frames[0].shape
    scale = PICTURE / height
    square = np.float32(scale * scale)
    squares = np.empty(width, np.float32)
    speed, acceleration = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    zero = np.zeros((height, 2 * width), np.float32)
    before = None
    for field in flows(frames, preset):
        now = np.ascontiguousarray(field).reshape(height, 2 * width)
        _count(zero, now, square, squares, squares.view(np.uint32), speed)
        if before is not None:
            _count(before, now, square, squares, squares.view(np.uint32), acceleration)
        before = now
    return FlowCounts(speed, acceleration)
