"""FVD: Fréchet distance between what a video network sees in runs of frames of two sets.

Purpose. The field's usual number for how close a set of videos is to another, motion included.

Conventions. Rows are the 400 logits of the I3D network of the feature `i3d`, averaged over time, one a clip
(16 consecutive frames). The value is the Fréchet distance of the rows' Gaussians, see `fid`. The protocols'
covariances differ, and `ddof` auto follows them: `styleganv` and `cdfvd` divide by n, `videogpt` by n − 1.
`mean_term` and `trace_term` add up to the value; `rank_candidate`, `rank_reference` are the ranks of the
covariances. Clips of fewer than 16 frames have no run: they are left out and counted in `too_short`,
`too_short_reference`.

Range and direction. 0 to ∞ without a unit, lower is closer. Between halves of one set it is not 0: see
`floor`.

Source. Unterthiner et al. 2018, Towards accurate generative models of video; the covariance conventions are
those of StyleGAN-V (`styleganv`), VideoGPT (`videogpt`) and content-debiased FVD (`cdfvd`).

Pitfalls. Biased upward by O(d/n): 256 clips against 256 of the same kind give about 1.7 in units of the
features' variance, and a published FVD means nothing without its number of videos. It depends on frame rate,
resolution, resize filter and which 16 frames are taken more than on many a model. It looks at content before
motion (Ge et al. 2024). `corrected` needs 1,200 clips; below that look at `kvd`, which is unbiased.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from synvid_eval.knobs import knob
from synvid_eval.metrics.base import Detail
from synvid_eval.metrics.frechet import FrechetMetric
from synvid_eval.states import Side

DDOF = {"styleganv": 0, "videogpt": 1, "cdfvd": 0}
"""What the reference code of each protocol of the feature divides its covariances by: n − ddof."""


@dataclass(frozen=True)
class Fvd(FrechetMetric):
    """Fréchet distance of I3D logits of 16 consecutive frames a clip."""

    name: ClassVar[str] = "fvd"
    feature: ClassVar[str] = "i3d"
    unit: ClassVar[str] = ""
    noun: ClassVar[str] = "clips of 16 frames"

    ddof: int | str = knob(
        "auto",
        "covariances are scatter / (n − ddof); auto: as the feature's protocol",
        choices=("auto", 0, 1),
    )

    @property
    def state(self) -> str:
        """ "logits": moments of 400-d rows, one a clip."""
        return "logits"

    def settle(self, sides: Sequence[Side], feature: Any = None) -> Self:
        """The metric with the ddof of the feature's protocol, unless the knob fixes it."""
        protocol = getattr(feature, "protocol", None)
        return dataclasses.replace(self, ddof=DDOF[protocol]) if self.ddof == "auto" and protocol else self

    @property
    def divisor(self) -> int:
        """The knob `ddof`; where it was never settled that of the default protocol."""
        return DDOF["styleganv"] if self.ddof == "auto" else int(self.ddof)

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Terms, ranks, and the numbers of clips without a run, which are left out."""
        return {
            "too_short": candidate.measured - candidate.clips(self.state),
            "too_short_reference": reference.measured - reference.clips(self.state),
        } | super().detail(candidate, reference)
