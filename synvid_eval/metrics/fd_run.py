"""fd[run]: Fréchet distance between what a trained encoder sees in the clips of two sets.

Purpose. What `fvd` asks, of a network that is at hand: one that this suite trained, on clips that were drawn
if need be, so that nothing is to be downloaded. Whether such an encoder ranks sets as well as others do is a
question to be measured, not a premise.

Conventions. Rows are the means of the tokens that the encoder of the feature `run` gives, one a clip (see
there which frames it sees). The value is the Fréchet distance of the rows' Gaussians, see `fid`, covariances
with ddof 1. `mean_term` and `trace_term` add up to it; `rank_candidate`, `rank_reference` are the
covariances' ranks. Clips without a run are left out and counted in `too_short`, `too_short_reference`;
`smaller_stride`, `smaller_stride_reference` count those that were taken at a smaller stride than the encoder
was trained at, since they are short.

Range and direction. 0 to ∞ without a unit, lower is closer. Between halves of one set it is not 0: see
`floor`.

Source. Heusel et al. 2017 (the distance of features); the encoder is one's own.

Pitfalls. A number of one encoder says nothing beside that of another: which file it was is in the signature,
and two are never compared. Look at a random encoder of the same size beside it (`--features
run=random:0:tiny`): what training adds is the difference. An encoder that was trained on one of the sets is
no judge of it. Biased upward by O(d/n), see `fvd`; `corrected` needs 100 clips and 3 a dimension, below that
look at `kd[run]`. Where many clips of one set only are taken at a smaller stride, the distance measures that,
too; a note says so, and `--set run.stride=1` takes all alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.metrics.base import Detail
from synvid_eval.metrics.frechet import FrechetMetric
from synvid_eval.metrics.run_clips import FEATURES, taken
from synvid_eval.states import Side


@dataclass(frozen=True)
class RunFrechet(FrechetMetric):
    """Fréchet distance of a trained encoder's mean tokens of clips."""

    name: ClassVar[str] = "fd[run]"
    feature: ClassVar[str] = "run"
    unit: ClassVar[str] = ""
    noun: ClassVar[str] = "clips with a run of sampler.length frames (16 unless --set)"

    @property
    def state(self) -> str:
        """ "features": moments of rows as wide as the encoder's tokens, one a clip."""
        return FEATURES

    @property
    def divisor(self) -> int:
        """1: scatter is divided by n − 1."""
        return 1

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Terms, ranks, and how clips were taken."""
        return taken(candidate, reference) | super().detail(candidate, reference)
