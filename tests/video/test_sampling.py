"""Which frames are looked at: against the formula, by brute force and by the law of where runs start."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from synvid_eval.errors import UsageError
from synvid_eval.video.sampling import STRIDES, Sampler


@pytest.mark.parametrize("total", [17, 18, 25, 31, 32, 33, 64, 99, 250, 1001, 90_000])
def test_looked_at_frames_are_the_centers_of_equal_segments(total: int) -> None:
    looked = Sampler().plan(total, "a", 0).frames
    # segment i of 16 is [i·T/16, (i+1)·T/16); its center, cut to a whole frame, in exact arithmetic
    centers = [(Fraction(i * total, 16) + Fraction((i + 1) * total, 16)) / 2 for i in range(16)]
    assert looked == tuple(c.numerator // c.denominator for c in centers)
    assert len(set(looked)) == 16
    assert looked[0] >= 0 and looked[-1] < total


@pytest.mark.parametrize("total", range(1, 17))
def test_a_short_clip_gives_each_frame_once(total: int) -> None:
    assert Sampler().plan(total, "a", 0).frames == tuple(range(total))


def test_looked_at_frames_know_neither_seed_nor_clip() -> None:
    plans = {Sampler().plan(77, clip, seed).frames for clip in ("a", "b/c.avi") for seed in (0, 1)}
    assert len(plans) == 1


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("start", ["hash", "first", "center"])
def test_a_run_needs_fifteen_strides_and_one_frame(stride: int, start: str) -> None:
    sampler = Sampler(start=start)
    needed = 15 * stride + 1
    assert stride not in sampler.plan(needed - 1, "a", 0).runs
    assert sampler.plan(needed, "a", 0).runs[stride] == tuple(range(0, needed, stride))


@pytest.mark.parametrize("total", [16, 40, 61, 62, 200])
def test_runs_are_sixteen_frames_at_the_stride_inside_the_clip(total: int) -> None:
    for clip in ("a", "b", "c"):
        for stride, run in Sampler().plan(total, clip, 3).runs.items():
            assert len(run) == 16
            assert set(np.diff(run)) == {stride}
            assert run[0] >= 0 and run[-1] < total


def test_first_and_center() -> None:
    assert Sampler(start="first").plan(100, "a", 0).runs[1][0] == 0
    run = Sampler(start="center").plan(101, "a", 0).runs[2]
    assert abs(run[0] - (100 - run[-1])) <= 1  # as many frames before it as behind it


def test_the_start_is_the_hash_of_seed_and_clip() -> None:
    """The address written out: blake2b of the domain word, seed and id, scaled to the possible starts."""
    for clip, seed, total, stride in (("a/b.avi", 0, 90, 4), ("é", 7, 200, 1), ("x[3]", 12, 47, 2)):
        digest = hashlib.blake2b(f"run\0{seed}\0{clip}".encode(), digest_size=8).digest()
        starts = total - 15 * stride
        expected = int(Fraction(int.from_bytes(digest, "big"), 2**64) * starts)
        assert Sampler().plan(total, clip, seed).runs[stride][0] == expected


def test_starts_are_uniform_over_the_possible_ones_and_differ_between_seeds() -> None:
    total, stride, clips = 40, 2, 6000
    starts = total - 15 * stride
    firsts = [Sampler().plan(total, f"clip{i}.avi", 0).runs[stride][0] for i in range(clips)]
    assert set(firsts) == set(range(starts))
    assert stats.chisquare(np.bincount(firsts, minlength=starts)).pvalue > 1e-3
    others = [Sampler().plan(total, f"clip{i}.avi", 1).runs[stride][0] for i in range(clips)]
    assert abs(np.corrcoef(firsts, others)[0, 1]) < 5 / np.sqrt(clips)


def test_order_of_asking_changes_nothing() -> None:
    ids = [f"{i}.avi" for i in range(50)]
    forth = {i: Sampler().plan(120, i, 5) for i in ids}
    back = {i: Sampler().plan(120, i, 5) for i in reversed(ids)}
    assert forth == back


def test_wanted_is_the_union_once_and_ascending() -> None:
    plan = Sampler().plan(80, "a", 0)
    runs = {i for run in plan.runs.values() for i in run}
    assert plan.wanted() == sorted(runs | set(plan.frames))


@pytest.mark.parametrize("bad", [{"frames": 0}, {"length": 1}, {"start": "middle"}])
def test_impossible_samplers_are_usage_errors(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"sampler\."):
        Sampler(**bad)  # type: ignore[arg-type]
