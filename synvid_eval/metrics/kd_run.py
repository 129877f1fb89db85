"""kd[run]: kernel distance between what a trained encoder sees in the clips of two sets, unbiased at any n.

Purpose. What `fd[run]` asks, without its assumption of Gaussians and without its bias: the number to read
where sets have hundreds of clips or fewer.

Conventions. Rows are the means of the tokens that the encoder of the feature `run` gives, one a clip, at most
10,000 a set, by hash. The value is the unbiased squared maximum mean discrepancy with
k(x, y) = (x·y/d + 1)³ over all pairs of rows, see `kid`; with one row a clip `pairs` all is the same.
`kernel_candidate`, `kernel_reference`, `kernel_between` are the means of k that it is made of. `too_short`,
`smaller_stride` and those of the reference: see `fd[run]`.

Range and direction. About 0 (below it, too: an unbiased estimate of 0 is negative half of the time) to ∞
without a unit, lower is closer.

Source. Bińkowski et al. 2018 (the kernel); Gretton et al. 2012, A kernel two-sample test; the encoder is
one's own.

Pitfalls. Those of `fd[run]` but for the bias: a number of one encoder says nothing beside that of another,
and a random encoder of the same size is to be looked at beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.metrics.base import Detail
from synvid_eval.metrics.kernel import KernelMetric
from synvid_eval.metrics.run_clips import taken
from synvid_eval.states import Side


@dataclass(frozen=True)
class RunKernel(KernelMetric):
    """Unbiased kernel distance of a trained encoder's mean tokens of clips."""

    name: ClassVar[str] = "kd[run]"
    feature: ClassVar[str] = "run"
    unit: ClassVar[str] = ""
    noun: ClassVar[str] = "runs of sampler.length frames (16 unless --set)"

    @property
    def state(self) -> str:
        """ "rows": rows as wide as the encoder's tokens, one a clip, at most 10,000 a set (the feature's knob
        `kept`).
        """
        return "rows"

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Means of k, and how clips were taken."""
        return taken(candidate, reference) | super().detail(candidate, reference)
