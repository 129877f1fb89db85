"""Learning rates: a linear warm-up, then half a cosine, a value a step, as in the released code."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """steps: of the whole training, warm-up included. peak, last, first: rates after the warm-up, at the end,
    and at the first step of a warm-up.

    Of a warm-up of n > 1 steps the first has `first` and the last has `peak`; of one step, `first`. The step
    after it has `peak`, and rates then fall towards `last`, which the step after the last would have.
    """

    steps: int
    warmup: int
    peak: float
    last: float
    first: float

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 ≤ step < steps."""
        if step < self.warmup:
            return self.first + (self.peak - self.first) * step / max(1, self.warmup - 1)
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.last + 0.5 * (self.peak - self.last) * (1 + math.cos(math.pi * done))
