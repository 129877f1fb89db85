"""What the metrics on rows of a trained encoder say of their clips: shared by them, no plug-in."""

from __future__ import annotations

from synvid_eval.metrics.base import Detail
from synvid_eval.states import Side

FEATURES = "features"
"""The state with the moments of the encoder's rows, one a clip."""


UNLIKE = 0.05
"""Difference of the shares of clips at a smaller stride from which on a score says so."""


def taken(candidate: Side, reference: Side) -> Detail:
    """Numbers of clips without a run, which are left out, and of those that were taken at a smaller stride
    than wanted; a note where that is so of one side much more than of the other.
    """
    found: Detail = {}
    shares, told = [], []
    for side, end, who in (
        (candidate, "", "the candidate's"),
        (reference, "_reference", "the reference's"),
    ):
        clips, counts = side.clips(FEATURES), side.counts("smaller")
        smaller = 0 if counts is None else int(counts[0])
        found[f"too_short{end}"] = side.measured - clips
        found[f"smaller_stride{end}"] = smaller
        shares.append(smaller / max(clips, 1))
        told.append(f"{smaller} of {who} {clips} clips")
    if abs(shares[0] - shares[1]) > UNLIKE:
        found["notes"] = (
            f"{' and '.join(told)} are short and were taken at a smaller stride, which the number shows, too."
        )
    return found
