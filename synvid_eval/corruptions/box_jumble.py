"""Box jumble: stretches of a clip out of order, each whole in itself.

Formula. The clip is cut into stretches of `length` frames (the last may be shorter), and these are shuffled.

    severity   1  2  3   4   5
    length     4  9  16  25  36

Source. Released code of Yu et al. 2024 (`box_jumble`, (severity + 1)²), after Schiappa et al. 2022.
Pitfalls. It gets milder upwards, since there are fewer and longer stretches: a clip of 36 frames is unchanged
at severity 5. These are the released numbers, kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval import randomness
from synvid_eval.corruptions.base import Draws, Ints, OfTime


@dataclass(frozen=True)
class BoxJumble(OfTime):
    """Stretches shuffled."""

    name: ClassVar[str] = "box_jumble"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"length": (4, 9, 16, 25, 36)}

    def times(self, total: int, draws: Draws) -> Ints:
        """See `Corruption.times`."""
        length = int(self.at("length"))
        begins = range(0, total, length)
        order = randomness.permutation(draws.key("order"), len(begins))
        boxes = [np.arange(b, min(b + length, total), dtype=np.int64) for b in begins]
        return np.concatenate([boxes[i] for i in order])
