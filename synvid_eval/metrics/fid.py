"""FID: Fréchet distance between what an image network sees in the frames of two sets.

Purpose. The field's usual number for how close a set of images is to another; here of frames, so it knows
nothing of motion (that is `fvd`).

Conventions. Rows are the 2048 pooled features of the Inception network of the feature `inception` (its
protocol says how a frame is resized and scaled), one a frame. The value is the Fréchet distance of the rows'
Gaussians, |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½, covariances with ddof 1, float64, exact at any rank and
without a matrix square root. `mean_term` and `trace_term` add up to it; `rank_candidate`, `rank_reference`
are the ranks of the covariances. `frames` takes that many frames a clip, drawn by hash, instead of all that
are looked at.

Range and direction. 0 to ∞ without a unit, lower is closer. Between halves of one set it is not 0: see
`floor`.

Source. Heusel et al. 2017, GANs trained by a two time-scale update rule; the numbers of pytorch-fid (protocol
`pytorch`), clean-fid (`clean`) and torch-fidelity (`tf`). Baradad et al. take it over 10,000 frames a set.

Pitfalls. Biased upward by O(d/n): below some 10,000 frames it measures their number, too (two halves of the
same 2,000 frames: about 3). Frames of one clip are alike, so 16 frames of 100 clips are far fewer than 1,600
images. Compare sets of equal size, or `corrected`, which needs 3 clips a dimension, 6,144; below that
look at `kid`, which is unbiased. Values of different protocols, weights or precisions are not comparable, nor
are those of random weights with those of pretrained ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.knobs import knob
from synvid_eval.metrics.frechet import FrechetMetric


@dataclass(frozen=True)
class Fid(FrechetMetric):
    """Fréchet distance of Inception features of frames."""

    name: ClassVar[str] = "fid"
    feature: ClassVar[str] = "inception"
    unit: ClassVar[str] = ""
    noun: ClassVar[str] = "frames"

    ddof: int = knob(1, "covariances are scatter / (n − ddof)", choices=(0, 1))
    frames: int = knob(0, "frames a clip, drawn by hash; 0: all that are looked at", low=0, high=10_000)

    @property
    def state(self) -> str:
        """ "pool3", moments of 2048-d rows of all looked-at frames; "pool3@10" of 10 of them."""
        return f"pool3@{self.frames}" if self.frames else "pool3"

    @property
    def divisor(self) -> int:
        """The knob `ddof`."""
        return self.ddof
