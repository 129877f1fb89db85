"""Sampling: fast motion, by leaving frames out.

Formula. Of T frames those of number 0, k, 2 k, … are kept: ⌈T / k⌉ of them, at the same rate.

    severity   1  2  3  4   5
    every      2  4  8  16  32

Source. Released code of Yu et al. 2024 (`sampling`), after Schiappa et al. 2022.
Pitfalls. Clips grow short: of 200 frames 7 are left at severity 5, too few for what looks at runs of 16.
Nothing is drawn: the seed means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval.corruptions.base import Draws, Ints, OfTime


@dataclass(frozen=True)
class Sampling(OfTime):
    """Every k-th frame."""

    name: ClassVar[str] = "sampling"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"every": (2, 4, 8, 16, 32)}

    def times(self, total: int, draws: Draws) -> Ints:
        """See `Corruption.times`."""
        return np.arange(0, total, int(self.at("every")), dtype=np.int64)
