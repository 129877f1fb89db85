"""Every corruption holds the contract: pure, addressed, of the same shape; and says what it does."""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
import pytest

from synvid_eval.corruptions import Draws, registry
from synvid_eval.corruptions.base import SEVERITIES, OfFrames, OfTime
from synvid_eval.errors import UsageError
from tests.corruptions.pictures import draws, made, smooth

NAMES = registry.names()
DRAWN = {
    "gaussian_noise", "speckle_noise", "shot_noise", "impulse_noise", "motion_blur", "glass_blur", "rotate",
    "translate", "jumble", "box_jumble", "freeze",
}  # fmt: skip
PUBLISHED = DRAWN | {
    "defocus_blur", "zoom_blur", "compression", "static_rotate", "sampling", "reverse_sampling",
}  # fmt: skip


def test_the_seventeen_are_there() -> None:
    assert len(PUBLISHED) == 17 and set(NAMES) >= PUBLISHED
    kinds = [registry.get(name).kind for name in PUBLISHED]
    assert {k: kinds.count(k) for k in kinds} == {
        "noise": 4, "blur": 4, "digital": 1, "camera": 3, "time": 5,
    }  # fmt: skip


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", NAMES)
def test_a_frame_alone_has_the_bytes_that_it_has_in_its_clip(name: str, severity: int) -> None:
    found = made(name, severity)
    at = draws(found)
    clip = [smooth(seed=k) for k in range(3)]
    before = [frame.copy() for frame in clip]
    whole = [found.change(frame, at, i) for i, frame in enumerate(clip)]
    assert all(np.array_equal(a, b) for a, b in zip(clip, before, strict=True))
    for i in (2, 0, 1):
        again = made(name, severity).change(clip[i], draws(found), i)
        assert again.dtype == np.uint8 and again.shape == clip[i].shape
        assert np.array_equal(again, whole[i])
    assert np.array_equal(found.times(41, at), found.times(41, draws(found)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", [Draws(1, "a", ""), Draws(0, "b", "")], ids=["seed", "clip"])
def test_seed_and_clip_decide_what_is_drawn(name: str, other: Draws) -> None:
    found = made(name, 3)
    first, second = Draws(0, "a", name), Draws(other.seed, other.clip, name)

    def outcome(at: Draws) -> list[Any]:
        return [found.times(640, at).tolist(), *(found.change(smooth(), at, i).tolist() for i in range(4))]

    if name in PUBLISHED:  # of others it is not known
        assert (outcome(first) != outcome(second)) == (name in DRAWN)
    assert outcome(first) == outcome(Draws(0, "a", name))


@pytest.mark.parametrize("name", sorted(DRAWN - {"translate", "jumble", "box_jumble", "freeze"}))
def test_another_frame_draws_anew(name: str) -> None:
    found = made(name, 5)
    assert not np.array_equal(
        found.change(smooth(), draws(found), 0), found.change(smooth(), draws(found), 1)
    )


@pytest.mark.parametrize("severity", [1, 5])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 2), (40, 17)])
def test_small_and_odd_frames_and_short_clips(name: str, severity: int, size: tuple[int, int]) -> None:
    found = made(name, severity)
    frame = smooth(*size)
    assert found.change(frame, draws(found), 0).shape == frame.shape
    assert found.change(frame[::-1, ::-1], draws(found), 0).shape == frame.shape  # no contiguous memory
    for total in (1, 2, 3, 33):
        times = found.times(total, draws(found))
        assert times.dtype == np.int64 and 1 <= len(times) <= total
        assert times.min() >= 0 and times.max() < total


@pytest.mark.parametrize("name", NAMES)
def test_the_severity_is_one_to_five(name: str) -> None:
    for severity in (0, 6, -1):
        with pytest.raises(UsageError, match=rf"{name}\.severity={severity} is out of range"):
            made(name, severity)


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_with_what_it_does_its_table_and_its_source(name: str) -> None:
    kind = registry.get(name)
    essay = importlib.import_module(kind.__module__).__doc__ or ""
    for heading in ("Formula.", "Source.", "Pitfalls."):
        assert heading in essay
    shown = dict(re.findall(r"^    (\w+) +(.+)$", essay, re.M))
    assert shown.pop("severity").split() == ["1", "2", "3", "4", "5"]
    assert {k: tuple(map(float, v.split())) for k, v in shown.items()} == dict(kind.table)
    assert issubclass(kind, OfTime if kind.kind == "time" else OfFrames)
    assert kind(severity=2).identity() == {
        "corruption": name, "corruption_revision": 1, "severity": 2,
        **{k: v for k, v in (("swaps", False), ("margin", 0)) if hasattr(kind, k)},
    }  # fmt: skip


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(UsageError, match="Did you mean 'gaussian_noise'"):
        registry.get("gausian_noise")
