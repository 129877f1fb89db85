"""Tubelet: Fréchet distance between what small space-time patches look like in two sets.

Purpose. A weight-free stand-in for learned video features: local structure and its change from frame to
frame.

Conventions. From a run of frames (128×128 gray), 150 random tubelets of 2×8×8 a clip; those with standard
deviation ≤ 4 grey levels are dropped (`dropped_candidate`, `dropped_reference`: shares), each other one is
brought to zero mean and unit deviation over its 128 values. The value is the Fréchet distance of the rows'
Gaussians, covariances with ddof 1 (knob). `spatial` is the same distance for the first frames' 64 values
only, `temporal` for the differences of the two frames; they need not add up to the value.

Range and direction. 0 to ∞ without a unit (rows have a mean square of 1 a value, so traces are 128); lower is
closer.

Source. Ours, chosen from many weight-free variants in a prototype of this project: a hypothesis about what
matters for pre-training, not a finding.

Pitfalls. No realism score: real sets of another kind of video lie farther from UCF101 than most synthetic
sets. Part of what it sees is low-contrast patches and with them codec noise. It depends on the stride: all
sets of a comparison are scored at the largest they share. Rank 127 of 128 is full: the zero mean takes one
dimension. Biased upward by O(1/n): see `corrected` and `floor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.knobs import knob
from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Unscored
from synvid_eval.metrics.frechet import (
    INTERVAL_CLIPS,  # noqa: F401  (which `explain` reads)
    INTERVAL_CLIPS_PER_DIMENSION,  # noqa: F401
    INTERVAL_CLIPS_PER_SQUARED_EFFECTIVE_RANK,  # noqa: F401
    frechet,
    frechet_gate,
)
from synvid_eval.metrics.needed import needed
from synvid_eval.metrics.strides import StridedMetric
from synvid_eval.states import Moments, Side


@dataclass(frozen=True)
class Tubelet(StridedMetric):
    """Fréchet distance of normalised gray tubelets."""

    name: ClassVar[str] = "tubelet"
    feature: ClassVar[str] = "tubelet"
    kind: ClassVar[Kind] = "distance"
    better: ClassVar[Literal["lower", "higher", "match"]] = "lower"
    unit: ClassVar[str] = ""
    apart: ClassVar[str] = (
        "how far the mix of patterns in a clip's small patches (coarse or fine, still or moving) lies from "
        "the reference's average"
    )

    ddof: int = knob(1, "covariances are scatter / (n − ddof)", choices=(0, 1))

    def long_enough(self, side: Side, stride: int | str) -> int:
        """Clips that tubelets were drawn from, kept or not (a flat clip is not a short one)."""
        return max(side.clips(f"dropped{stride}"), side.clips(f"stride{stride}"))

    def value(self, candidate: Side, reference: Side) -> float:
        """The distance, ≥ 0; each side needs two tubelets."""
        return frechet(*self._moments(candidate, reference), self.ddof).distance

    def _moments(self, candidate: Side, reference: Side) -> tuple[Moments, Moments]:
        noun = f"tubelets at stride {self.stride}"
        return (
            needed("tubelet", candidate, self.state, 2, noun, "the candidate"),
            needed("tubelet", reference, self.state, 2, noun, "the reference"),
        )

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Terms, ranks, spatial and temporal distance, dropped shares, stride, clips left out."""
        out = self.stride_detail(candidate, reference)
        for key, side in (("dropped_candidate", candidate), ("dropped_reference", reference)):
            counts = side.counts(f"dropped{self.stride}")
            if counts is not None and counts[0] > 0:
                out[key] = float(counts[1] / counts[0])
        try:
            sides = self._moments(candidate, reference)
        except Unscored:
            return out
        terms = frechet(*sides, self.ddof)
        counts = candidate.counts(f"dropped{self.stride}")
        frame = int(counts[2] // counts[0]) if counts is not None and counts[0] > 0 else 0
        if 2 * frame == sides[0].dim:  # two frames a tubelet: the parts that the names stand for
            first, zero = np.eye(frame), np.zeros((frame, frame))
            parts = {"spatial": np.hstack([first, zero]), "temporal": np.hstack([-first, first])}
            for key, matrix in parts.items():
                out[key] = frechet(sides[0].linear(matrix), sides[1].linear(matrix), self.ddof).distance
        out |= {"mean_term": terms.mean_term, "trace_term": terms.trace_term}
        return out | {"rank_candidate": terms.rank_candidate, "rank_reference": terms.rank_reference}

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """Energies of the tubelets' frequencies of some clips, [n, d]."""
        return ClipRows.of_state(side.rows(f"clips{self.stride}"))

    def interval_gate(self, side: Side) -> str:
        """As of every Fréchet distance, see `frechet_gate`."""
        return frechet_gate(self.name, side, self.state)
