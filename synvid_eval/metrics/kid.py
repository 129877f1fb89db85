"""KID: kernel distance between what an image network sees in the frames of two sets, unbiased at any n.

Purpose. What `fid` asks, without its assumption of Gaussians and without its bias: the mean over many draws
is the true value from few clips on, so it is the number to read where sets are small.

Conventions. Rows are the 2048 pooled features of the Inception network of the feature `inception`, at most
10,000 a set, by hash. The value is the unbiased squared maximum mean discrepancy with k(x, y) = (x·y/d + 1)³
over all pairs of rows: no random subsets. Frames of one clip are no independent draws, so pairs within a clip
are left out (`pairs` clips); with `pairs` all only a frame with itself is, which is the standard estimator.
`kernel_candidate`, `kernel_reference`, `kernel_between` are the means of k that it is made of.

Range and direction. About 0 (below it, too: an unbiased estimate of 0 is negative half of the time) to ∞
without a unit, lower is closer. It is not multiplied by 100 or 1000, as some do.

Source. Bińkowski et al. 2018, Demystifying MMD GANs; Gretton et al. 2012, A kernel two-sample test. The
implementations of torch-fidelity, torchmetrics and clean-fid average 100 random subsets of 1,000; this is the
same estimate of all pairs.

Pitfalls. The interval says how well it is known; the value alone says nothing near 0. Where clips have
several frames, `pairs` all is biased upward by how alike a clip's frames are. Cubes of feature products: a
few frames with large features weigh much. Not comparable between protocols, weights or precisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.metrics.kernel import KernelMetric


@dataclass(frozen=True)
class Kid(KernelMetric):
    """Unbiased kernel distance of Inception features of frames."""

    name: ClassVar[str] = "kid"
    feature: ClassVar[str] = "inception"
    unit: ClassVar[str] = ""
    noun: ClassVar[str] = "frames"

    @property
    def state(self) -> str:
        """ "rows": rows of 2048 values, one a looked-at frame, at most 10,000 a set (see the feature)."""
        return "rows"
