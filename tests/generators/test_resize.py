"""Resizing: which way, by whether anything grows."""

from __future__ import annotations

import cv2
import numpy as np

from synvid_eval.generators.resize import resized


def test_areas_where_nothing_grows_else_cubic():
    picture = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    ways = {(24, 20): cv2.INTER_AREA, (12, 40): cv2.INTER_AREA, (48, 80): cv2.INTER_CUBIC}
    for (height, width), way in {**ways, (25, 20): cv2.INTER_CUBIC}.items():
        expected = cv2.resize(picture, (width, height), interpolation=way)
        assert np.array_equal(resized(picture, height, width), expected)
    assert resized(picture, 24, 40) is picture
    assert resized(picture[::2, ::2], 12, 20).flags.c_contiguous
