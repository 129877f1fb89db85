"""The stride rule of metrics on runs of frames: one stride for all sides of a comparison.

A set is measured alone, at every stride of 4, 2, 1 that its clips are long enough for. A comparison is scored
at the largest stride that at least `share` of each set's own clips can give: distances between runs at
different strides would compare frame rates, not sets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from synvid_eval.knobs import knob
from synvid_eval.metrics.base import Detail, Metric, Unscored
from synvid_eval.states import Side

STRIDES = (4, 2, 1)


@dataclass(frozen=True)
class StridedMetric(Metric):
    """A metric whose state is measured a stride: `stride4`, `stride2`, `stride1`."""

    stride: int | str = knob(
        "auto",
        "distance of the run's frames; auto: the largest that all sets can give",
        choices=("auto", 1, 2, 4),
        unit="frames",
    )
    share: float = knob(
        0.95, "share of a set's clips that must be long enough for a stride", low=0.0, high=1.0
    )

    @property
    def state(self) -> str:
        """ "stride4", "stride2" or "stride1" once settled."""
        return f"stride{self.stride}"

    def long_enough(self, side: Side, stride: int | str) -> int:
        """Number of a side's clips that are long enough for a stride."""
        return side.clips(f"stride{stride}")

    def settle(self, sides: Sequence[Side], feature: Any = None) -> Self:
        """The metric at the largest stride (or the fixed one) all sides have; Unscored says what there is."""
        wanted: tuple[int | str, ...] = STRIDES if self.stride == "auto" else (self.stride,)
        for stride in wanted:
            if all(self._share(side, stride) >= self.share for side in sides):
                return dataclasses.replace(self, stride=stride)
        what = "No stride of 4, 2, 1 can" if self.stride == "auto" else f"Stride {self.stride} cannot"
        there = ", ".join(f"{self._fewest(sides, stride)} at stride {stride}" for stride in STRIDES)
        raise Unscored(
            f"{what} be had from at least {self.share:.0%} of the clips of every set; "
            f"the least that a set has is {there}."
        )

    def _share(self, side: Side, stride: int | str) -> float:
        count = self.long_enough(side, stride)
        # No clip at all gives no stride, even with share=0.
        return count / side.measured if count else -1.0

    def _fewest(self, sides: Sequence[Side], stride: int) -> str:
        worst = min(sides, key=lambda side: self._share(side, stride))
        return f"{self.long_enough(worst, stride)} of {worst.measured} clips"

    def stride_detail(self, candidate: Side, reference: Side) -> Detail:
        """`stride` and the numbers of clips too short for it, which are left out."""
        return {
            "stride": self.stride,
            "too_short": candidate.measured - self.long_enough(candidate, self.stride),
            "too_short_reference": reference.measured - self.long_enough(reference, self.stride),
        }
