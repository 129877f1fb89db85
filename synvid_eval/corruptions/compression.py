"""Compression: each frame as a JPEG of low quality.

Formula. Written and read by libjpeg at `quality` (Annex K's tables, scaled as libjpeg does; color at half the
resolution both ways).

    severity   1   2   3   4   5
    quality    25  18  15  10  7

Source. Released code of Yu et al. 2024 (`jpeg_compression`, by Pillow), after Hendrycks and Dietterich 2019.
Pitfalls. Frames are compressed one by one: blocks flicker otherwise than a video codec's do. Nothing is
drawn: the seed means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class Compression(OfFrames):
    """JPEG and back."""

    name: ClassVar[str] = "compression"
    kind: ClassVar[str] = "digital"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"quality": (25, 18, 15, 10, 7)}

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        options = [cv2.IMWRITE_JPEG_QUALITY, int(self.at("quality"))]
        _, written = cv2.imencode(".jpg", frame[..., ::-1], options)
        read = np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)
        return np.ascontiguousarray(read[..., ::-1])
