"""Static rotate: a camera that is tilted for the whole clip.

Formula. Every frame is turned counterclockwise about its middle by the same angle, nearest pixels, black
beyond.

    severity   1    2   3   4   5
    degrees    7.5  15  30  45  90

Source. Released code of Yu et al. 2024 (`static_rotate`; a sixth entry, 180°, stands there that no severity
takes).
Pitfalls. Nothing is drawn: all clips are turned alike, and the seed means nothing. Corners go black, and at
90° what a wide frame had on its left and right is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.corruptions.base import Draws, OfFrames
from synvid_eval.corruptions.turning import turned
from synvid_eval.video.decode import Frame


@dataclass(frozen=True)
class StaticRotate(OfFrames):
    """The same tilt in every frame."""

    name: ClassVar[str] = "static_rotate"
    kind: ClassVar[str] = "camera"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"degrees": (7.5, 15, 30, 45, 90)}

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`."""
        return turned(frame, self.at("degrees"))
