"""Views against the released arithmetic, and at the ends: short clips, one segment, one crop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from synvid_eval.training.views import averaged, runs, short_side, squares


@pytest.mark.parametrize(
    ("total", "stride", "segments"), [(200, 4, 5), (180, 2, 10), (61, 4, 5), (300, 4, 5)]
)
def test_runs_are_those_of_the_released_code(total: int, stride: int, segments: int) -> None:
    buffer = list(range(0, total, stride))
    step = max(1.0 * (len(buffer) - 16) / (segments - 1), 0)
    expected = [tuple(buffer[int(c * step) : int(c * step) + 16]) for c in range(segments)]
    assert runs(total, 16, stride, segments) == expected


@given(st.integers(16, 400), st.integers(1, 8), st.integers(1, 10))
def test_runs_lie_in_the_clip_evenly_and_reach_both_ends(total, stride, segments) -> None:
    stride = min(stride, total // 16)
    found = runs(total, 16, stride, segments)
    assert len(found) == segments
    for one in found:
        assert len(one) == 16 and one[0] >= 0 and one[-1] <= total - 1
        assert set(np.diff(one)) == {stride}
    if segments > 1:
        assert found[0][0] == 0
        assert found[-1][-1] + stride > total - 1


def test_fewer_frames_than_wanted_repeat_the_last() -> None:
    assert runs(3, 5, 1, 1) == [(0, 1, 2, 2, 2)]
    assert runs(9, 4, 4, 2) == [(0, 4, 8, 8)] * 2


def test_squares_are_those_of_the_released_code() -> None:
    assert squares(224, 298, 3) == [(0, 0), (0, 37), (0, 74)]
    assert squares(298, 224, 3) == [(0, 0), (37, 0), (74, 0)]
    assert squares(224, 224, 3) == [(0, 0)] * 3
    assert squares(240, 320, 1) == [(0, 40)]


def test_smaller_squares_lie_in_the_middle_of_the_short_side() -> None:
    """A center crop of 112 px of frames whose short side is 128."""
    assert squares(128, 170, 1, 112) == [(8, 29)]
    assert squares(170, 128, 3, 112) == [(0, 8), (29, 8), (58, 8)]
    assert squares(128, 170, 3, 128) == squares(128, 170, 3)


def test_the_short_side() -> None:
    assert short_side(240, 320, 224) == (224, 298)
    assert short_side(320, 240, 224) == (298, 224)
    assert short_side(144, 180, 64) == (64, 80)
    assert short_side(100, 100, 64) == (64, 64)


def test_scores_are_mean_softmax() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (15, 7))
    assert averaged(logits) == pytest.approx(softmax(logits, axis=1).mean(axis=0), rel=1e-12)
    assert averaged(logits).sum() == pytest.approx(1)
    one = averaged(np.array([[1e4, 0], [0, 0]]))  # one sure view and one that knows nothing
    assert one == pytest.approx([0.75, 0.25])
