"""Motion: the temporal decorrelation D, how much of a clip's variation happens from one frame to the next.

Purpose. Tells still pictures from videos and slow ones from fast ones, without optical flow.

Conventions. A run of 16 frames at one stride, centered square crop at 128×128, Rec. 601 gray;

    D = Σ (x_{t+1} − x_t)² / (2 [Σ (x_t − x̄)² + (T−1)·N·σ²])

over the T times and N pixels of a clip, x̄ each pixel's mean over the clip, σ = 2 grey levels (the feature's
knob `noise`). Half the von Neumann ratio with a noise floor, without which a codec's residue makes an encoded
still look more dynamic than any video. The value is the mean over clips.

Range and direction. 0 for static clips; near 1 − ρ for AR(1) pixels of correlation ρ (above it at T = 16: ρ
.95 gives .21); 1 for white flicker, up to 2 for alternation. Dimensionless ("D"). A *match* is wanted:
`reference`, `difference`. `static_share` is the share of frame pairs that differ by less than the noise
floor, `frame_difference` the mean absolute difference of successive frames in grey levels.

Description only: optical flow (OpenCV DIS, preset medium, 8-bit 128×128 gray, the run at stride 1 whatever
the stride of the value). Speeds and accelerations (change of the flow from one pair of frames to the next at
the same pixel) are in pixels a frame of a picture of side 256, over all pixels of all clips: `speed_median`,
`speed_q90`, `speed_histogram` (shares between `speed_edges`, the last bin open upwards), the same for
`acceleration`, and with `reference_` in front for the reference. Quantiles come from merged counts in bins at
most 3.1 % wide, interpolated; speeds below 1/64 count as 0.

Source. von Neumann 1941 (ratio of the mean square successive difference to the variance); noise floor ours.

Pitfalls. D depends on the stride and frame rate: all sets of a comparison are scored at one stride, the
largest they share, which stands in `stride` and in the signature. A moving camera and a moving object count
alike. Cuts raise D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval import histogram
from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind
from synvid_eval.metrics.needed import needed
from synvid_eval.metrics.strides import StridedMetric
from synvid_eval.states import Side

# Columns of the feature's states, means over clips.
DECORRELATION, STATIC_SHARE, FRAME_DIFFERENCE = range(3)


@dataclass(frozen=True)
class Motion(StridedMetric):
    """Mean temporal decorrelation D."""

    name: ClassVar[str] = "motion"
    feature: ClassVar[str] = "motion"
    kind: ClassVar[Kind] = "property"
    better: ClassVar[Literal["lower", "higher", "match"]] = "match"
    unit: ClassVar[str] = "D"
    apart: ClassVar[str] = "how far a clip's decorrelation D lies from the reference's average"

    def value(self, candidate: Side, reference: Side) -> float:
        """Mean D over the candidate's clips, 0 to about 2; one clip long enough is needed."""
        noun = f"clips long enough for stride {self.stride}"
        return float(needed("motion", candidate, self.state, 1, noun).mean[DECORRELATION])

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Share of static frame pairs, mean absolute difference (grey levels), stride, clips left out; speeds
        and accelerations.
        """
        out = self.stride_detail(candidate, reference)
        moments = candidate.moments(self.state)
        if moments is not None and moments.n > 0:
            out["static_share"] = float(moments.mean[STATIC_SHARE])
            out["frame_difference"] = float(moments.mean[FRAME_DIFFERENCE])
        for what in ("speed", "acceleration"):
            out |= _lengths(what, "", candidate) | _lengths(what, "reference_", reference)
        return out

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """D of each clip long enough for the stride, [n, 1]."""
        return ClipRows.of_columns(owners, [columns.get(f"decorrelation@{self.stride}")])


def _lengths(what: str, prefix: str, side: Side) -> Detail:
    """Median, 90 % quantile and histogram of one side's speeds or accelerations; nothing without them."""
    counts = side.counts(what)
    if counts is None:
        return {}
    return {
        f"{what}_edges": histogram.merged_edges(),
        f"{prefix}{what}_median": histogram.quantile(counts, 0.5),
        f"{prefix}{what}_q90": histogram.quantile(counts, 0.9),
        f"{prefix}{what}_histogram": histogram.merged(counts),
    }
