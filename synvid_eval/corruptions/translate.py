"""Translate: the picture is off its place, for the whole clip.

Formula. Of every frame the window of its own size whose corner lies (down, right) px inside; what the window
has beyond the frame is black. Each of the two is a whole number, uniform in [0, below), one draw a clip.

    severity   1  2   3   4   5
    below      8  16  24  32  40

Conventions. The released code cuts 224 × 224 px out of frames of 256 × 256 px: 32 px of picture lie beyond
the window, and black shows only where an offset is larger. A set's frames are all there is of them, so here
black shows from the first pixel on, as it does there for frames of 224 px. `margin=32` cuts as there: frames
come out that much smaller each way, of 256 px exactly the released ones.
Source. Released code of Yu et al. 2024 (`translate`). Of frames of 288 px it cuts 256: `margin=32`, too.
Pitfalls. The window only ever moves down and right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.knobs import knob
from synvid_eval.video.decode import Frame, Unreadable


@dataclass(frozen=True)
class Translate(OfFrames):
    """A window off its place."""

    name: ClassVar[str] = "translate"
    kind: ClassVar[str] = "camera"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"below": (8, 16, 24, 32, 40)}

    margin: int = knob(
        0,
        "how much smaller than the frame the window is, each way; 32 for frames of 256 px as released",
        low=0,
        high=1024,
        unit="px",
    )

    def corner(self, draws: Draws) -> tuple[int, int]:
        """How far down and to the right [px] the window lies in every frame of the clip."""
        most = int(self.at("below")) - 1
        return draws.whole("down", 0, most), draws.whole("right", 0, most)

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`; with a margin the window's size. Unreadable where no pixel is left."""
        height, width = (side - self.margin for side in frame.shape[:2])
        if min(height, width) < 1:
            size = f"{frame.shape[1]}×{frame.shape[0]}"
            raise Unreadable(f"translate.margin={self.margin} leaves nothing of its frames of {size} px")
        down, right = self.corner(draws)
        seen = frame[down : down + height, right : right + width]
        out = np.zeros((height, width, 3), np.uint8)
        out[: seen.shape[0], : seen.shape[1]] = seen
        return out
