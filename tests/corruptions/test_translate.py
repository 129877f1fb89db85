"""Translate: the offset of a crop, exactly; the released case as there."""

from __future__ import annotations

import numpy as np
import pytest

from synvid_eval.corruptions.translate import Translate
from synvid_eval.video.decode import Unreadable
from tests.corruptions.pictures import SEVERITIES, draws, smooth


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_frame_is_a_window_and_black_beyond(severity: int) -> None:
    found, frame = Translate(severity=severity), smooth(70, 90)
    for clip in ("a", "b", "c"):
        at = draws(found, clip)
        down, right = found.corner(at)
        moved = found.change(frame, at, 0)
        assert np.array_equal(moved[: 70 - down, : 90 - right], frame[down:, right:])
        assert not moved[70 - down :].any() and not moved[:, 90 - right :].any()
        assert np.array_equal(found.change(frame, at, 31), moved)  # the whole clip alike


@pytest.mark.parametrize("severity", SEVERITIES)
def test_offsets_are_uniform_below_the_tables(severity: int) -> None:
    found = Translate(severity=severity)
    corners = np.array([found.corner(draws(found, str(k))) for k in range(1600)])
    for axis in (0, 1):
        seen = np.bincount(corners[:, axis], minlength=8 * severity)
        assert len(seen) == 8 * severity
        expected = 1600 / len(seen)
        assert np.sum((seen - expected) ** 2 / expected) < len(seen) + 6 * np.sqrt(2 * len(seen))
    assert abs(np.corrcoef(corners.T)[0, 1]) < 5 / 40


def test_with_a_margin_it_is_the_released_crop() -> None:
    """224 of 256 px: zeros only above an offset of 32."""
    frame = smooth(256, 256)
    found = Translate(severity=5, margin=32)
    beyond = 0
    for clip in map(str, range(60)):
        down, right = found.corner(draws(found, clip))
        moved = found.change(frame, draws(found, clip), 0)
        part = frame[down : down + 224, right : right + 224]
        wanted = np.zeros((224, 224, 3), np.uint8)
        wanted[: len(part), : part.shape[1]] = part
        assert np.array_equal(moved, wanted)
        beyond += max(down, right) > 32
    assert beyond


def test_a_margin_that_leaves_nothing_is_told() -> None:
    found = Translate(severity=1, margin=32)
    with pytest.raises(Unreadable, match=r"translate\.margin=32 leaves nothing of its frames of 50×20 px"):
        found.change(smooth(20, 50), draws(found), 0)


def test_a_small_frame_may_be_left_wholly() -> None:
    found = Translate(severity=5)
    clips = [c for c in map(str, range(20)) if min(found.corner(draws(found, c))) >= 8]
    assert clips and not found.change(smooth(8, 8), draws(found, clips[0]), 0).any()
