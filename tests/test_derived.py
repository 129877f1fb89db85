"""Clips made of other clips: frames in any order, few held, as few passes over the clip as that allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synvid_eval import derived
from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Unreadable


class Recorded:
    """A clip whose frames are their own numbers, and what was read of it."""

    def __init__(self, total: int) -> None:
        self.total, self.fps = total, None
        self.passes: list[list[int]] = []

    def __call__(self) -> Recorded:
        return self

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        assert list(wanted) == sorted(set(wanted))
        self.passes.append([])
        for index in wanted:
            self.passes[-1].append(index)
            yield index, np.full((2, 2, 3), index, np.uint8)


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(2, 12))
def test_frames_come_in_the_order_asked_and_few_are_held(wanted: list[int], most: int) -> None:
    found = derived.passes(wanted, most)
    assert [i for parts in found for part in parts for i in part] == wanted
    assert all(len(set(part)) <= most for parts in found for part in parts)
    for parts in found:
        assert all(max(a) <= min(b) for a, b in pairwise(parts))


@given(st.lists(st.integers(0, 60), max_size=40))
def test_what_is_gathered_is_what_was_asked(wanted: list[int]) -> None:
    clip = Recorded(61)
    assert [int(f[0, 0, 0]) for f in derived.gathered(clip, wanted, (2, 2))] == wanted


def test_neighbors_that_change_places_need_one_pass_and_little_room() -> None:
    rng = np.random.default_rng(0)
    wanted = np.concatenate([b + rng.permutation(8) for b in range(0, 80, 8)]).tolist()
    (parts,) = derived.passes(wanted, 8)
    assert len(parts) >= 10
    clip = Recorded(80)
    stream = derived.gathered(clip, wanted, (2, 2))
    next(stream)
    assert len(clip.passes[0]) <= 8
    assert len(list(stream)) == 79 and len(clip.passes) == 1


def test_backwards_takes_as_many_passes_as_there_is_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "HELD", 10 * 12)
    clip = Recorded(35)
    backwards = list(range(34, -1, -1))
    assert [int(f[0, 0, 0]) for f in derived.gathered(clip, backwards, (2, 2))] == backwards
    assert [len(p) for p in clip.passes] == [10, 10, 10, 5]


def test_a_held_frame_is_read_once() -> None:
    clip = Recorded(20)
    assert len(list(derived.gathered(clip, [3] * 5 + [9] * 9 + [19], (2, 2)))) == 15
    assert clip.passes == [[3, 9, 19]]


def test_what_clips_are_made_of() -> None:
    drawn, file = ClipRef("a", "preset", "p?seed=0", 3), ClipRef("b", "file", "/b.avi", label="x", fps=25.0)
    once = derived.derived("corrupted", file, corruption="n")
    twice = derived.derived("adapted", once, [drawn], chain="c")
    assert (twice.id, twice.label, twice.fps, twice.kind) == ("b", "x", 25.0, "adapted")
    assert derived.parts_of(twice) == (once, drawn) and derived.parts_of(file) == (file,)
    assert derived.sources_of(twice) == (file, drawn) and derived.told_of(twice)["chain"] == "c"
    assert [derived.is_drawn(c) for c in (file, once, twice, drawn)] == [False, False, True, True]


def test_frames_are_counted() -> None:
    class Short(Recorded):
        def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
            yield from super().frames(wanted)
            raise FewerFrames(7)

    assert derived.counted(Recorded(9)) == (9, (2, 2)) and derived.counted(Short(9)) == (7, (2, 2))

    class Nothing(Recorded):
        def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
            yield from ()
            raise FewerFrames(0)

    with pytest.raises(Unreadable, match="no frame decodes"):
        derived.counted(Nothing(9))
