"""Freeze: a stream that stalls.

Formula. k of the T frames are drawn, without order, and each is shown for as long as the next lies behind it;
what is missing at the end then is the clip's last frame. So the clip begins with the first frame that is
kept, and is as long as it was.

    severity   1    2    3    4     5
    share      0.4  0.2  0.1  0.05  0
    least      0    0    0    2     1

Conventions. k = max(⌊share · T⌋, least), at least 1 and at most T. The draw has no severity in its address:
what is kept at a higher one is kept at a lower one, too.
Source. Released code of Yu et al. 2024 (`freeze`), after Schiappa et al. 2022. Where it differs: it keeps
none of fewer than 3 (5, 10) frames at severity 1 (2, 3), and shows the last one throughout.
Pitfalls. Frames before the first that is kept are never seen, and time is ahead by their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synvid_eval import randomness
from synvid_eval.corruptions.base import Draws, Ints, OfTime


@dataclass(frozen=True)
class Freeze(OfTime):
    """Few frames, each held."""

    name: ClassVar[str] = "freeze"
    table: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "share": (0.4, 0.2, 0.1, 0.05, 0),
        "least": (0, 0, 0, 2, 1),
    }

    def kept(self, total: int) -> int:
        """How many of `total` ≥ 1 frames are kept."""
        return min(total, max(int(self.at("share") * total), int(self.at("least")), 1))

    def times(self, total: int, draws: Draws) -> Ints:
        """See `Corruption.times`."""
        order = randomness.permutation(draws.key("kept"), total)
        kept = np.sort(order[: self.kept(total)])
        held = np.diff(kept, append=total)
        return np.append(np.repeat(kept, held), np.full(kept[0], total - 1, np.int64))
