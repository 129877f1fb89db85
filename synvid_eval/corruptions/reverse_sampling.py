"""Reverse sampling: fast motion backwards.

Formula. Of T frames those of number 0, k, 2 k, … are kept, ⌈T / k⌉ of them, and played from the last to the
first, at the same rate.

    severity   1  2  3  4   5
    every      2  4  8  16  32

Source. Released code of Yu et al. 2024 (`reverse_sampling`), after Schiappa et al. 2022.
Pitfalls. Clips grow short, as by `sampling`. Nothing is drawn: the seed means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval.corruptions.base import Draws, Ints, OfTime


@dataclass(frozen=True)
class ReverseSampling(OfTime):
    """Every k-th frame, backwards."""

    name: ClassVar[str] = "reverse_sampling"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {"every": (2, 4, 8, 16, 32)}

    def times(self, total: int, draws: Draws) -> Ints:
        """See `Corruption.times`."""
        return np.arange(0, total, int(self.at("every")), dtype=np.int64)[::-1].copy()
