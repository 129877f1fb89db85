"""Zoom blur: the mean of zooms, each made by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from synvid_eval.corruptions.zoom_blur import ZoomBlur
from tests.corruptions.pictures import SEVERITIES, draws, flat, smooth

STOP = {1: (1.11, 0.01), 2: (1.16, 0.01), 3: (1.21, 0.02), 4: (1.26, 0.02), 5: (1.31, 0.03)}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_factors_are_the_released_ones(severity: int) -> None:
    wanted = np.arange(1, *STOP[severity])
    assert np.allclose(ZoomBlur(severity=severity).factors, wanted, rtol=0, atol=1e-12)
    assert len(ZoomBlur(severity=severity).factors) == len(wanted)


def zoomed(frame: np.ndarray, factor: float) -> np.ndarray:
    """The middle of a frame at its size, by SciPy's spline of first order."""
    for axis in (0, 1):
        side = frame.shape[axis]
        taken = math.ceil(side / factor)
        begin = (side - taken) // 2
        part = frame.take(range(begin, begin + taken), axis)
        spread = ndimage.zoom(part, [factor if a == axis else 1 for a in range(3)], order=1)
        trim = (spread.shape[axis] - side) // 2
        frame = spread.take(range(trim, trim + side), axis)
    return frame


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [(64, 64), (61, 83)])
def test_a_frame_is_the_mean_of_zooms(severity: int, size: tuple[int, int]) -> None:
    found, frame = ZoomBlur(severity=severity), smooth(*size)
    whole = frame.astype(float)
    zooms = [whole, *(zoomed(whole, f) for f in np.arange(1, *STOP[severity]))]
    assert np.abs(found.change(frame, draws(found), 0) - np.mean(zooms, 0)).max() <= 0.51


def test_one_level_stays_and_so_does_the_middle() -> None:
    found = ZoomBlur(severity=5)
    assert (found.change(flat(90, 33, 47), draws(found), 0) == 90).all()
    dot = flat(0, 61, 61)
    dot[27:34, 27:34] = 255
    blurred = found.change(dot, draws(found), 0)[..., 0]
    assert blurred[30, 30] == 255 and 0 < blurred[26, 26] < 255 and blurred[:24].max() == 0
