"""Static rotate: the table's angle, in every frame of every clip."""

from __future__ import annotations

import numpy as np
import pytest

from synvid_eval.corruptions.turning import turned
from tests.corruptions.pictures import SEVERITIES, draws, made, smooth

DEGREES = {1: 7.5, 2: 15, 3: 30, 4: 45, 5: 90}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_frame_is_turned_alike(severity: int) -> None:
    found, frame = made("static_rotate", severity), smooth()
    for index, clip in ((0, "a"), (9, "b")):
        wanted = turned(frame, DEGREES[severity])
        assert np.array_equal(found.change(frame, draws(found, clip), index), wanted)
