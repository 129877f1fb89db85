"""What the metrics on rows of a trained encoder say of their clips: shared by them, no plug-in."""

from __future__ import annotations

from synvid_eval.metrics.base import Detail
from synvid_eval.states import Side

FEATURES = "features"
"""The state with the moments of the encoder's rows, one a clip."""


def taken(candidate: Side, reference: Side) -> Detail:
    """Numbers of clips without a run, which are left out, and of those that were taken at a smaller stride
    than the encoder was trained at.
    """
    found: Detail = {}
    for side, end in ((candidate, ""), (reference, "_reference")):
        found[f"too_short{end}"] = side.measured - side.clips(FEATURES)
        smaller = side.counts("smaller")
        found[f"smaller_stride{end}"] = 0 if smaller is None else int(smaller[0])
    return found
