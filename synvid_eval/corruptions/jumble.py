"""Jumble: frames out of order within short stretches.

Formula. The clip is cut into stretches of `length` frames (the last may be shorter), and the frames of each
are shuffled.

    severity   1   2   3  4  5
    length     32  16  8  4  2

Source. Released code of Yu et al. 2024 (`jumble`), after Schiappa et al. 2022.
Pitfalls. It gets milder upwards: at severity 5 a frame is at most one from its place, at 1 up to 31. These
are the released numbers, kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval import randomness
from synvid_eval.corruptions.base import Draws, Ints, OfTime


@dataclass(frozen=True)
class Jumble(OfTime):
    """Shuffled within stretches."""

    name: ClassVar[str] = "jumble"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"length": (32, 16, 8, 4, 2)}

    def times(self, total: int, draws: Draws) -> Ints:
        """See `Corruption.times`."""
        length = int(self.at("length"))
        begins = range(0, total, length)
        return np.concatenate(
            [b + randomness.permutation(draws.key("order", b), min(length, total - b)) for b in begins]
        )
