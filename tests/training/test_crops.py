"""MultiScaleCrop: which crops there are, that all come, and that pixels come from where they should."""

from __future__ import annotations

import numpy as np
import pytest

from synvid_eval.randomness import address
from synvid_eval.training import crops

SCALES = (1.0, 0.875, 0.75, 0.66)


def test_sides_of_the_paper() -> None:
    """256 px to 224: crops of 256, 224, 192 and 168 (0.66 · 256 = 168.96), at most one step apart."""
    found = crops.sides(256, 224, SCALES)
    assert set(found) == {
        (256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224), (192, 192),
        (192, 168), (168, 192), (168, 168),
    }  # fmt: skip
    assert (224, 224) in crops.sides(255, 224, SCALES)  # 223 counts as 224


def test_a_crop_is_never_larger_than_the_frame() -> None:
    assert all(a <= 222 and b <= 222 for a, b in crops.sides(222, 224, SCALES))


def ramp(height: int, width: int) -> np.ndarray:
    """Red is the row, green the column, in steps that an average keeps."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], -1).astype(np.uint8)[None]


def test_a_crop_of_a_ramp_says_where_it_lay() -> None:
    seen = set()
    for i in range(400):
        out = crops.multiscale(ramp(120, 160), 60, (1.0, 0.5), address("test", i))
        assert out.shape == (1, 60, 60, 3)
        top, bottom = out[0, 0, 30, 0], out[0, -1, 30, 0]
        left, right = out[0, 30, 0, 1], out[0, 30, -1, 1]
        seen.add((round((bottom - top) / 59), round((right - left) / 59), int(top) // 3, int(left) // 3))
        assert 0 <= top < bottom < 120 and 0 <= left < right < 160
    shapes = {s[:2] for s in seen}
    assert shapes == {(1, 1), (1, 2), (2, 1), (2, 2)}
    # of crops at half the side: 13 places in a room of 60 × 100 px
    assert len({s[2:] for s in seen if s[:2] == (1, 1)}) == 13


def test_all_frames_are_cropped_alike() -> None:
    frames = np.repeat(ramp(40, 50), 3, axis=0)
    out = crops.multiscale(frames, 16, SCALES, 5)
    assert (out == out[0]).all()


def test_resizing_is_pillows() -> None:
    """A picture of two halves, halved: the mean of each pair (Pillow's bilinear filter averages)."""
    frame = np.zeros((1, 4, 8, 3), np.uint8)
    frame[:, :, 4:] = 100
    assert (crops.resized(frame, 4, 8) == frame).all()
    out = crops.resized(frame, 2, 4)[0, 0, :, 0]
    # triangle filter of support 2: weights 1/8, 3/8, 3/8, 1/8
    assert out.tolist() == pytest.approx([0, 12.5, 87.5, 100], abs=0.51)
