"""The small gray crop that motion, tubelets and HOG share: centered square, Rec. 601 gray, 128×128.

Gray is made in float32 before crop and resize and never rounded. The resize keeps what is flat exactly flat:
along each axis its weights are whole numbers (overlaps in units of 1/side input pixels) with a common sum, so
that the sum over equal values is an exact multiple of them. A resize with rounded weights (OpenCV's
INTER_AREA is one; it agrees to about 1e-4 grey levels) leaves gradients of 1e-5 where there are none, and the
sign of those would decide in which angle bin an upright edge falls.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import numba
import numpy as np
from numpy.typing import NDArray

_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)


def center_square(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The centered square of the short side, [s, s, 3] with s = min(H, W), offsets ⌊(H−s)/2⌋ and ⌊(W−s)/2⌋.

    frame: uint8 [H, W, 3]. The result is a C-contiguous copy or the frame itself; ValueError for any other
    shape.
    """
    side, top, left = corner(frame)
    return np.ascontiguousarray(frame[top : top + side, left : left + side])


def is_constant(frame: NDArray[np.uint8]) -> bool:
    """Whether all pixels of a frame [H, W, 3] have exactly one RGB value."""
    first = frame[0, 0]
    # The first row settles nearly every frame that is not constant, without a pass over all of it.
    return bool((frame[0] == first).all() and (frame == first).all())


def corner(frame: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Side, top and left of the centered square of a frame, uint8 [H, W, 3]; ValueError for anything else."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ValueError(f"a frame is uint8 [H, W, 3] with H, W ≥ 1, got {frame.dtype} {list(frame.shape)}")
    height, width = frame.shape[:2]
    side = min(height, width)
    return side, (height - side) // 2, (width - side) // 2


def interleaved(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame [H, W, 3] as the lines [H, 3·W] it lies in memory as; a copy only where it does not."""
    return np.ascontiguousarray(frame).reshape(len(frame), -1)


@numba.njit(cache=True, nogil=True)
def luma_line(pixels: Any, out: Any) -> None:
    """Writes the gray of a line of pixels, uint8 [≥ 3·n] (R, G, B, R, …), to out, float32 [n]."""
    for x in range(out.shape[0]):
        # Unsigned indices spare the compiler the case of negative ones: the loop then runs on vectors.
        red = np.float32(pixels[np.uint64(3 * x)])
        green = np.float32(pixels[np.uint64(3 * x + 1)])
        blue = np.float32(pixels[np.uint64(3 * x + 2)])
        out[x] = _RED * red + _GREEN * green + _BLUE * blue


@numba.njit(cache=True, nogil=True)
def _luma(lines: Any, out: Any) -> None:
    for y in range(out.shape[0]):
        luma_line(lines[y], out[y])


def luma(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rec. 601 gray (0.299 R + 0.587 G + 0.114 B of the gamma-coded values) in float32, never rounded.

    frame: uint8 [H, W, 3]; the result is float32 [H, W] in [0, 255]. Equal pixels give equal bits (no
    instruction differs between the middle and the end of a line). Source: ITU-R BT.601-7, 2.5.1.
    """
    out = np.empty(frame.shape[:2], np.float32)
    _luma(interleaved(frame), out)
    return out


@lru_cache(maxsize=64)
def resize_weights(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """How each of `target` samples is put together from `source` samples along one axis.

    Returns the first source index of each target sample, int64 [target]; the weights of it and its followers,
    float64 [target, k], whole numbers; and their sum, the same for every target sample. Area overlap where
    the source is longer, linear interpolation between pixel centers (edge pixels repeated) where it is
    shorter.
    """
    starts = np.zeros(target, np.int64)
    if source >= target:
        weights = np.zeros((target, min(source, source // target + 2)))
        for i in range(target):
            # In units of 1/target source pixels, target sample i covers [i·source, (i+1)·source).
            low, high = i * source, (i + 1) * source
            starts[i] = min(low // target, source - weights.shape[1])
            for k in range(weights.shape[1]):
                j = int(starts[i]) + k
                weights[i, k] = max(0, min(high, (j + 1) * target) - max(low, j * target))
        return starts, weights, float(source)
    width = min(source, 2)
    weights = np.zeros((target, width))
    for i in range(target):
        # The center of target sample i lies at ((2i+1)·source − target) / (2·target) source samples.
        whole, part = divmod((2 * i + 1) * source - target, 2 * target)
        starts[i] = min(max(whole, 0), source - width)
        for j, weight in ((whole, 2 * target - part), (whole + 1, part)):
            weights[i, min(max(j, 0), source - 1) - starts[i]] += weight
    return starts, weights, float(2 * target)


@numba.njit(cache=True, nogil=True)
def _add_line(line: Any, weight: float, pixels: Any) -> None:
    for x in range(line.shape[0]):
        line[x] += weight * np.float64(pixels[x])


@numba.njit(cache=True, nogil=True)
def _shorten(line: Any, starts: Any, weights: Any, total: float, out: Any) -> None:
    """out[j] = Σ_k weights[j, k]·line[starts[j] + k] / total², float32."""
    target, taps = weights.shape
    square = total * total
    for j in range(target):
        value = 0.0
        first = starts[j]
        for k in range(taps):
            value += weights[j, k] * line[np.uint64(first + k)]
        out[j] = np.float32(value / square)


@numba.njit(cache=True, nogil=True)
def _resize(image: Any, starts: Any, weights: Any, total: float, out: Any) -> None:
    source, (target, taps) = image.shape[0], weights.shape
    line = np.empty(source)
    for i in range(target):
        line[:] = 0.0
        for k in range(taps):
            if weights[i, k] > 0.0:
                _add_line(line, weights[i, k], image[starts[i] + k])
        _shorten(line, starts, weights, total, out[i])


@numba.njit(cache=True, nogil=True)
def _gray_resize(
    lines: Any, top: int, left: int, source: int, starts: Any, weights: Any, total: float, out: Any
) -> None:
    """`_luma` of the square at (top, left) and `_resize` in one: the same operations on the same values,
    without an image between them. Gray lines are kept in a ring as long as they are needed.
    """
    target, taps = weights.shape
    ring = np.empty((taps, source), np.float32)
    line = np.empty(source)
    done = 0
    for i in range(target):
        line[:] = 0.0
        first = starts[i]
        for y in range(max(done, first), first + taps):
            luma_line(lines[top + y, 3 * left : 3 * (left + source)], ring[y % taps])
        done = first + taps
        for k in range(taps):
            if weights[i, k] > 0.0:
                _add_line(line, weights[i, k], ring[(first + k) % taps])
        _shorten(line, starts, weights, total, out[i])


def resize_square(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A square image, float32 [s, s], as float32 [side, side]: area means, bilinear where s < side.

    Sums are float64; exact for images that are constant along an axis (see the module's text).
    """
    if image.shape[0] == side:
        return image
    out = np.empty((side, side), np.float32)
    _resize(image, *resize_weights(image.shape[0], side), out)
    return out


@dataclass(frozen=True)
class GrayCrop:
    """View: the centered square of a frame, gray or RGB, resized to side × side, in grey levels [0, 255].

    side: pixels, ≥ 1. channels: "gray" (Rec. 601, float32 [side, side]) or "rgb" (float32 [side, side, 3]).
    Two equal crops are the same view, so that a clip's frames are reduced once for all features that name it.
    """

    side: int = 128
    channels: Literal["gray", "rgb"] = "gray"

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The crop of a frame, uint8 [H, W, 3]; ValueError for any other shape or type."""
        side, top, left = corner(frame)
        if self.channels == "gray":
            if side == self.side:
                return luma(frame[top : top + side, left : left + side])
            out = np.empty((self.side, self.side), np.float32)
            _gray_resize(interleaved(frame), top, left, side, *resize_weights(side, self.side), out)
            return out
        square = center_square(frame)
        planes = [resize_square(square[..., c].astype(np.float32), self.side) for c in range(3)]
        return cast(NDArray[np.float32], np.stack(planes, axis=-1))
