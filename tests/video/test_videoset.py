"""Drawing clips by hash: nested, order-free, the same everywhere, never twice, and said."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from synvid_eval.errors import UsageError
from synvid_eval.sets import open_set
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.videoset import VideoSet


def make(count: int, skipped: int = 0) -> VideoSet:
    clips = tuple(ClipRef(f"c{i}.mp4", "file", f"/nowhere/c{i}.mp4") for i in range(count))
    return VideoSet(
        "s", "/nowhere", "flat", f"{count} videos", clips, tuple((f"s{i}", "bad") for i in range(skipped))
    )


def test_the_smallest_hashes_are_drawn() -> None:
    def key(clip: str) -> bytes:
        return hashlib.blake2b(f"clips\0{clip}".encode(), digest_size=8).digest()

    everything = make(200)
    expected = set(sorted(everything.ids, key=key)[:30])
    drawn = everything.draw(30)
    assert set(drawn.ids) == expected
    assert drawn.said == "200 videos; 30 drawn by hash"
    assert drawn.ids == [i for i in everything.ids if i in expected]


def test_draws_are_nested_and_know_no_order() -> None:
    everything = make(100)
    backwards = replace(everything, clips=everything.clips[::-1])
    before: set[str] = set()
    for count in (1, 7, 50, 99, 100):
        now = set(everything.draw(count).ids)
        assert len(now) == count
        assert before <= now
        assert set(backwards.draw(count).ids) == now
        before = now


def test_adding_clips_keeps_those_drawn_that_are_still_smallest() -> None:
    small, large = set(make(50).draw(20).ids), set(make(60).draw(20).ids)
    assert {i for i in large if int(i[1:-4]) < 50} <= small


def test_more_than_there_are_is_said_and_nothing_is_drawn_twice() -> None:
    drawn = make(5).draw(9)
    assert drawn.ids == make(5).ids
    assert drawn.notes == ("s: 9 clips wanted, 5 found: all of them are used, none twice",)
    assert make(5).draw(5) == make(5)


def test_what_was_found_but_is_no_clip_can_be_drawn_too() -> None:
    everything = make(40, skipped=40)
    assert everything.found == 80
    drawn = everything.draw(30)
    assert len(drawn.clips) + len(drawn.skipped) == drawn.found == 30
    assert drawn.clips and drawn.skipped


def test_the_seed_does_not_matter() -> None:
    draws = [open_set("preset:moving_circles?n=50", clips=10, seed=s).ids for s in (0, 1)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("count", [0, -3])
def test_no_clips_cannot_be_asked(count: int) -> None:
    with pytest.raises(UsageError, match=f"--clips {count} is no number of clips"):
        open_set("preset:moving_circles?n=5", clips=count)
