"""Freeze: which frames are kept, how many, how long each is held."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synvid_eval.corruptions.freeze import Freeze
from tests.corruptions.pictures import SEVERITIES, draws


def wanted(total: int, severity: int) -> int:
    share = [0.4 * total, 0.2 * total, 0.1 * total, max(0.05 * total, 2), 1][severity - 1]
    return min(total, max(1, math.floor(share)))


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("total", [1, 2, 4, 9, 33, 100, 177])
def test_each_kept_frame_is_held_until_the_next(severity: int, total: int) -> None:
    found = Freeze(severity=severity)
    assert found.kept(total) == wanted(total, severity)
    times = found.times(total, draws(found)).tolist()
    assert len(times) == total
    kept = sorted(set(times[: total - times[0]]))
    assert len(kept) == wanted(total, severity)
    shown = []
    for k, frame in enumerate(kept):
        until = kept[k + 1] if k + 1 < len(kept) else total
        shown += [frame] * (until - frame)
    assert times == shown + [total - 1] * kept[0]


def test_kept_frames_are_uniform_and_nested() -> None:
    first, last = Freeze(severity=1), Freeze(severity=5)
    seen = np.zeros(20)
    for clip in map(str, range(1000)):
        (kept,) = set(last.times(20, draws(last, clip))[:1].tolist())
        seen[kept] += 1
        assert kept in first.times(20, draws(first, clip)).tolist()
    assert np.sum((seen - 50) ** 2 / 50) < 19 + 6 * np.sqrt(38)
