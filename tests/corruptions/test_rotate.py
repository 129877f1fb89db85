"""Rotate: whole degrees in their range, another for each frame."""

from __future__ import annotations

import numpy as np
import pytest

from synvid_eval.corruptions.rotate import Rotate
from synvid_eval.corruptions.turning import turned
from tests.corruptions.pictures import SEVERITIES, draws, smooth


@pytest.mark.parametrize("severity", SEVERITIES)
def test_degrees_are_uniform_in_their_range_with_both_ends(severity: int) -> None:
    found, most = Rotate(severity=severity), 6 * severity + 1
    count = 200 * (2 * most + 1)
    seen = np.bincount([found.degrees(draws(found), i) + most for i in range(count)])
    assert len(seen) == 2 * most + 1
    assert np.sum((seen - 200) ** 2 / 200) < 2 * most + 6 * np.sqrt(4 * most)


def test_a_frame_is_turned_by_its_own_degrees() -> None:
    found, frame = Rotate(severity=5), smooth()
    for index in range(5):
        wanted = turned(frame, found.degrees(draws(found), index))
        assert np.array_equal(found.change(frame, draws(found), index), wanted)
    assert len({found.degrees(draws(found), i) for i in range(5)}) > 2
