"""Resizing: by averaging areas where a picture shrinks, else bicubic, the same wherever one is fitted."""

from __future__ import annotations

import cv2
import numpy as np

from synvid_eval.generators.base import Frame


def resized(picture: Frame, height: int, width: int) -> Frame:
    """A picture uint8 [H, W, 3] at another size [px]: uint8 [height, width, 3], contiguous (the same array
    where it is that already). Area averaging where no side grows, else bicubic.
    """
    tall, wide = picture.shape[:2]
    if (tall, wide) != (height, width):
        filter = cv2.INTER_AREA if height <= tall and width <= wide else cv2.INTER_CUBIC
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=filter), np.uint8)
    return np.ascontiguousarray(picture)
