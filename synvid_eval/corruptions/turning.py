"""Turning a frame about its middle: what the two rotations share."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval.video.decode import Frame


def turned(frame: Frame, degrees: float) -> Frame:
    """A frame uint8 [H, W, 3] turned counterclockwise about its very middle, black where nothing comes from.

    Each pixel is the one that its center comes from (nearest), as `PIL.Image.rotate` does by default.
    """
    height, width = frame.shape[:2]
    places = _places(height, width, degrees)
    unused = np.empty(0, np.float32)
    out = cv2.remap(frame, places, unused, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(out, np.uint8)


@functools.lru_cache(maxsize=2)
def _places(height: int, width: int, degrees: float) -> NDArray[np.int16]:
    """(column, row) that each pixel comes from, int16 [H, W, 2], outside of the frame where there is none."""
    turn = math.radians(degrees)
    # multiples of 90° are to be exact
    cosine, sine = round(math.cos(turn), 15), round(math.sin(turn), 15)
    right = np.arange(width)[None] + 0.5 - width / 2
    down = np.arange(height)[:, None] + 0.5 - height / 2
    columns = cosine * right - sine * down + width / 2
    rows = sine * right + cosine * down + height / 2
    return np.stack([np.floor(columns), np.floor(rows)], -1).astype(np.int16)
