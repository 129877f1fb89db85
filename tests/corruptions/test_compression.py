"""Compression: the same as Pillow's JPEG of that quality."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.corruptions.pictures import SEVERITIES, draws, made, smooth

QUALITY = {1: 25, 2: 18, 3: 15, 4: 10, 5: 7}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [(64, 80), (61, 83)])
def test_a_frame_is_what_pillow_makes_of_it(severity: int, size: tuple[int, int]) -> None:
    found, frame = made("compression", severity), smooth(*size)
    written = io.BytesIO()
    Image.fromarray(frame).save(written, "JPEG", quality=QUALITY[severity])
    wanted = np.asarray(Image.open(written)).astype(int)
    away = np.abs(found.change(frame, draws(found), 0) - wanted)
    assert away.mean() < 0.1 and np.abs(frame - wanted).mean() > 20 * away.mean() + 1


def test_lower_quality_loses_more() -> None:
    frame = smooth(128, 128)
    lost = [
        np.mean(
            (made("compression", s).change(frame, draws(made("compression", s)), 0) - frame.astype(float))
            ** 2
        )
        for s in SEVERITIES
    ]
    assert lost == sorted(lost) and lost[0] > 0
