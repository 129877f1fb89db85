"""KVD: kernel distance between what a video network sees in runs of frames of two sets, unbiased at any n.

Purpose. What `fvd` asks, without its assumption of Gaussians and without its bias: the number to read where
sets have hundreds of clips or fewer.

Conventions. Rows are the 400 time-averaged logits of the I3D network of the feature `i3d`, one a clip, at
most 10,000 a set, by hash. The value is the unbiased squared maximum mean discrepancy with
k(x, y) = (x·y/d + 1)³ over all pairs of rows, see `kid`. With one row a clip `pairs` all is the same.
`kernel_candidate`, `kernel_reference`, `kernel_between` are the means of k that it is made of. Clips of fewer
than 16 frames have no run: they are left out and counted in `too_short`, `too_short_reference`.

Range and direction. About 0 (below it, too: an unbiased estimate of 0 is negative half of the time) to ∞
without a unit, lower is closer.

Source. Unterthiner et al. 2018, Towards accurate generative models of video (KVD beside FVD); Gretton et al.
2012, A kernel two-sample test.

Pitfalls. Logits have sizes of several units, so k is large and so are values and their intervals: the
interval says how well a value is known. It depends on frame rate, resolution and which 16 frames are taken,
as `fvd` does. Not comparable between protocols, weights or precisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.metrics.base import Detail
from synvid_eval.metrics.kernel import KernelMetric
from synvid_eval.states import Side


@dataclass(frozen=True)
class Kvd(KernelMetric):
    """Unbiased kernel distance of I3D logits of 16 consecutive frames a clip."""

    name: ClassVar[str] = "kvd"
    feature: ClassVar[str] = "i3d"
    unit: ClassVar[str] = ""
    noun: ClassVar[str] = "runs of 16 frames"

    @property
    def state(self) -> str:
        """ "rows": rows of 400 values, one a clip, at most 10,000 a set (the feature's knob `kept`)."""
        return "rows"

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Means of k, and the numbers of clips without a run, which are left out."""
        return {
            "too_short": candidate.measured - candidate.clips(self.state),
            "too_short_reference": reference.measured - reference.clips(self.state),
        } | super().detail(candidate, reference)
