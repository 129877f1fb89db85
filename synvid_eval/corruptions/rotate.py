"""Rotate: a camera that is tilted otherwise in every frame.

Formula. Each frame is turned counterclockwise about its middle by a whole number of degrees, uniform in
[−most, most], nearest pixels, black beyond.

    severity   1  2   3   4   5
    most       7  13  19  25  31

Source. Released code of Yu et al. 2024 (`var_rotate`, 6 · severity + 1, both ends included).
Pitfalls. Independent from frame to frame: a shaking, not a turning. Corners go black.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.corruptions.turning import turned
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class Rotate(OfFrames):
    """Another tilt in every frame."""

    name: ClassVar[str] = "rotate"
    kind: ClassVar[str] = "camera"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"most": (7, 13, 19, 25, 31)}

    def degrees(self, draws: Draws, index: int) -> int:
        """By how much frame `index` is turned."""
        most = int(self.at("most"))
        return draws.whole("degrees", -most, most, index)

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        return turned(frame, self.degrees(draws, index))
