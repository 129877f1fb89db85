"""Learning rates: a linear warm-up and half a cosine, a value a step, as in the released codes."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """steps: of the whole training, warm-up included. peak, last, first: rates after the warm-up, at the end,
    and at the first step of a warm-up.

    whole: as of Svyezhentsev et al. 2024, by timm: the cosine has gone on meanwhile when the warm-up ends,
    and a step has the rate that is told for the one before it (there it is set behind a step), the first
    `first`.

    Else, of a warm-up of n > 1 steps the first has `first` and the last has `peak`; of one step, `first`. The
    step after it has `peak`, and rates then fall towards `last`, which the step after the last would have.
    """

    steps: int
    warmup: int
    peak: float
    last: float
    first: float
    whole: bool = False

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 ≤ step < steps."""
        if self.whole:
            told = max(0, step - 1)
            if told < self.warmup:
                return self.first + (self.peak - self.first) * told / self.warmup
            return self.last + 0.5 * (self.peak - self.last) * (1 + math.cos(math.pi * told / self.steps))
        if step < self.warmup:
            return self.first + (self.peak - self.first) * step / max(1, self.warmup - 1)
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.last + 0.5 * (self.peak - self.last) * (1 + math.cos(math.pi * done))
