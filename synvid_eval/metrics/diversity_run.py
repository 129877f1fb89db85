"""diversity[run]: how much volume a set's clips fill in what a trained encoder sees, as a log-determinant.

Purpose. What `diversity` asks of frames, here of clips, motion included, by an encoder that is at hand.

Conventions. Rows are the means of the tokens that the encoder of the feature `run` gives, as they come, one a
clip. The value is log det(Σ + ridge·I) of their covariance Σ (ddof 1), in nats, see `diversity`; so are
`rank_candidate`, `logdet` and `effective_rank`. `too_short`, `smaller_stride` and those of the reference: see
`fd[run]`.

Range and direction. d·ln(ridge) (−1,326 nats for an encoder of 192 values: all clips the same) to ∞, higher
is more diverse. `reference` is the reference's own value, `difference` the candidate's minus it.

Source. After Baradad et al. 2021, who take the log-determinant of the covariance of Inception features; the
encoder is one's own, the ridge ours.

Pitfalls. It grows with the number of clips up to many times d: compare sets of equal size. `corrected` needs
d^1.5 clips (2,661 for 192 values). The ridge is worth what features are large: encoders whose features have
other sizes differ in it. What an encoder was not trained to tell apart adds nothing, and noise is diverse,
too. A number of one encoder says nothing beside that of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.metrics.base import Detail
from synvid_eval.metrics.diversity import Diversity
from synvid_eval.metrics.run_clips import FEATURES, taken
from synvid_eval.states import Side


@dataclass(frozen=True)
class RunDiversity(Diversity):
    """Log-determinant of the covariance of a trained encoder's mean tokens, with a ridge, in nats."""

    name: ClassVar[str] = "diversity[run]"
    feature: ClassVar[str] = "run"
    noun: ClassVar[str] = "clips with a run of sampler.length frames (16 unless --set)"

    @property
    def state(self) -> str:
        """ "features": moments of rows as wide as the encoder's tokens, one a clip."""
        return FEATURES

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Of the candidate what `diversity` tells, and how clips were taken."""
        return taken(candidate, reference) | super().detail(candidate, reference)
