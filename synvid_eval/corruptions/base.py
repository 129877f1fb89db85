"""What every corruption is: knobs, a table of severities, and two pure functions: which frames a damaged clip
is made of, and what becomes of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs, randomness
from synvid_eval.knobs import knob
from synvid_eval.video.decode import Frame

Ints = NDArray[np.int64]

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Draws:
    """The random numbers of one corruption of one clip, each quantity of each frame with a key of its own."""

    seed: int
    clip: str
    corruption: str

    def key(self, what: str, index: int = -1) -> int:
        """The 64-bit key (see `randomness.address`) of a quantity of a frame; of the whole clip at −1."""
        return randomness.address(
            "synvid_eval.corruptions", self.seed, self.clip, self.corruption, index, what
        )

    def uniform(self, what: str, low: float, high: float, index: int = -1) -> float:
        """One number in [low, high)."""
        drawn = randomness.unit(randomness.stream(self.key(what, index), 1))
        return low + (high - low) * float(drawn[0])

    def whole(self, what: str, low: int, high: int, index: int = -1) -> int:
        """One whole number in [low, high], both ends included."""
        drawn = randomness.below(randomness.stream(self.key(what, index), 1), high - low + 1)
        return low + int(drawn[0])


@dataclass(frozen=True)
class Corruption(ABC):
    """Base of all corruptions. Derive from `OfFrames` or `OfTime`.

    name: what it is called. kind: noise, blur, digital, camera or time. table: quantity → its values at
    severity 1 to 5. revision: raised whenever the same address gives other pixels.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    table: ClassVar[Mapping[str, tuple[float, ...]]]
    revision: ClassVar[int] = 1

    severity: int = knob(3, "how strong, from least to most; 3, the middle, is ours", low=1, high=5)

    def __post_init__(self) -> None:
        """UsageError for a severity or other knob out of range."""
        knobs.check(self)

    def at(self, quantity: str) -> float:
        """What the table says of a quantity at this severity."""
        return self.table[quantity][self.severity - 1]

    def identity(self) -> dict[str, Any]:
        """Everything that decides the pixels beside the address and the clip, ready for JSON."""
        return {"corruption": self.name, **knobs.recipe(self), "corruption_revision": self.revision}

    @abstractmethod
    def times(self, total: int, draws: Draws) -> Ints:
        """For each frame of the damaged clip the frame that it is made from: int64 [length], each in [0,
        total), for a clip of total ≥ 1 frames.
        """

    @abstractmethod
    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """A frame uint8 [H, W, 3] damaged, of the same size and type; what is given is not written to.

        Args:
            index: the number of the frame in the clip.
        """


@dataclass(frozen=True)
class OfFrames(Corruption):
    """Base of corruptions that leave times as they are and change each frame."""

    def times(self, total: int, draws: Draws) -> Ints:
        """See `Corruption.times`: each frame from itself."""
        return np.arange(total, dtype=np.int64)


@dataclass(frozen=True)
class OfTime(Corruption):
    """Base of corruptions that leave frames as they are and take others, or in another order."""

    kind: ClassVar[str] = "time"

    def change(self, frame: Frame, draws: Draws, index: int) -> Frame:
        """See `Corruption.change`: the frame itself."""
        return frame


def rounded(values: NDArray[Any]) -> Frame:
    """Gray levels as floats, cut to [0, 255] and rounded (halves to even): uint8 of the same shape."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)
