"""Turning: against Pillow, and on a picture that is known everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from synvid_eval.corruptions.turning import turned
from tests.corruptions.pictures import flat, smooth


@pytest.mark.parametrize("degrees", [-31, -7, 1, 7.5, 13, 15, 30, 45])
@pytest.mark.parametrize("size", [(64, 64), (61, 83)])
def test_a_frame_is_what_pillow_makes_of_it(degrees: float, size: tuple[int, int]) -> None:
    frame = smooth(*size)
    wanted = np.asarray(Image.fromarray(frame).rotate(degrees))
    away = np.mean((turned(frame, degrees) != wanted).any(-1))
    assert away < (2e-2 if degrees == 45 else 2e-3)  # places on the border of two pixels


def test_quarter_turns_are_exact() -> None:
    frame = smooth(40, 40)
    assert np.array_equal(turned(frame, 90), np.rot90(frame))
    assert np.array_equal(turned(frame, 180), np.rot90(frame, 2))
    assert np.array_equal(turned(frame, 0), frame)
    wide = turned(smooth(40, 60), 90)
    assert np.array_equal(wide[:, 10:50], np.rot90(smooth(40, 60)[:, 10:50]))
    assert not wide[:, :10].any() and not wide[:, 50:].any()


@pytest.mark.parametrize("degrees", [-25, 10, 45])
def test_an_analytic_picture_turns_with_it(degrees: float) -> None:
    """A dot on a circle about the middle lands where the angle says, counterclockwise as one sees it."""
    middle, radius = 60.0, 40.0
    frame = flat(0, 121, 121)
    frame[59:62, 99:102] = 255  # to the right of the middle
    seen = turned(frame, degrees)[..., 0] > 0
    rows, columns = (axis.mean() for axis in np.nonzero(seen))
    assert columns - middle == pytest.approx(radius * np.cos(np.radians(degrees)), abs=0.6)
    assert rows - middle == pytest.approx(-radius * np.sin(np.radians(degrees)), abs=0.6)
