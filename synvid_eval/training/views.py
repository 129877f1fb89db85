"""Views: which parts of a clip a classifier looks at, while it learns and when it is tested.

As the released code (SVR `kinetics.py`, after VideoMAE): tested are `segments` runs of frames with evenly
spaced starts, each in `crops` squares of the short side evenly spaced along the long one; the softmax of the
scores is averaged over all of them. Table 6 of Yu et al.: 5 × 3 on UCF101, 10 × 3 on HMDB51.

Ours: one segment or one crop is the middle one, where the released code divides by zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs(total: int, frames: int, stride: int, segments: int) -> list[tuple[int, ...]]:
    """The runs of frames that are tested, of a clip of `total` ≥ 1 frames: on the grid of every `stride`-th
    frame from the first one on, starts at ⌊i · (frames of the grid − frames) / (segments − 1)⌋; with one
    segment, the middle. A grid of fewer frames repeats its last.
    """
    grid = range(0, total, stride)
    rest = max(0, len(grid) - frames)
    starts = [int(i * rest / (segments - 1)) for i in range(segments)] if segments > 1 else [rest // 2]
    return [tuple(grid[min(s + i, len(grid) - 1)] for i in range(frames)) for s in starts]


def squares(height: int, width: int, crops: int, side: int | None = None) -> list[tuple[int, int]]:
    """(top, left) of the squares that are tested, evenly along the long side, in the middle of the short one
    [px]. side: of a square, at most the short one; None: that.
    """
    side = min(height, width) if side is None else side
    rest, across = max(height, width) - side, (min(height, width) - side) // 2
    offsets = [int(i * rest / (crops - 1)) for i in range(crops)] if crops > 1 else [rest // 2]
    return [(o, across) if height >= width else (across, o) for o in offsets]


def short_side(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) of a frame whose short side becomes `size` [px], the long one rounded down."""
    if height <= width:
        return size, max(size, width * size // height)
    return max(size, height * size // width), size


def averaged(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores of a clip float64 [classes], ≥ 0 with sum 1: the mean over views of the softmax of their logits
    [views, classes].
    """
    shifted = np.asarray(logits, np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    scores: NDArray[np.float64] = (shifted / shifted.sum(axis=1, keepdims=True)).mean(axis=0)
    return scores
