"""Pixels: they are the frame's own, evenly spread, and as many as asked."""

from __future__ import annotations

import numpy as np

from synvid_eval.features.pixels import Pixels, Spread
from tests.features.looks import look_at


def test_places_are_spread_evenly() -> None:
    """Every cell of a 4 × 4 grid has its share of 64 places, within two."""
    rows, columns = np.mgrid[0:40, 0:60]
    frame = np.stack([rows, columns, rows], -1).astype(np.uint8)
    taken = Spread(64)(frame)
    cells = (taken[:, 0] // 10).astype(int) * 4 + taken[:, 1] // 15
    assert np.abs(np.bincount(cells, minlength=16) - 4).max() <= 2


def test_rows_are_pixels_of_the_looked_at_frames() -> None:
    clip = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None, None], 3, 3)
    clip = np.broadcast_to(clip, (40, 8, 6, 3)).copy()
    feature = Pixels(count=5)
    look = look_at(feature, clip)
    rows = feature.measure(look).states["pixels"].rows
    assert rows.shape == (5 * len(look.frames), 3)
    assert sorted(rows[:, 0].tolist()) == sorted(float(f) for f in look.frames for _ in range(5))
