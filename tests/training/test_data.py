"""Which clips make a batch, and what is read of a set."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synvid_eval.errors import DataError
from synvid_eval.generators import Clips
from synvid_eval.measurement import Options
from synvid_eval.sets import open_clip, open_set
from synvid_eval.training import data
from synvid_eval.training.data import Batches, DrawnClips


def test_an_epoch_has_each_clip_once_and_leaves_out_what_fills_no_batch() -> None:
    batches = Batches(10, 3, 0, "set")
    assert batches.steps_an_epoch == 3
    first = [item for step in range(3) for item in batches.items(step)]
    assert {epoch for epoch, _ in first} == {0} and len({i for _, i in first}) == 9
    second = [item for step in range(3, 6) for item in batches.items(step)]
    assert {epoch for epoch, _ in second} == {1}
    assert [i for _, i in first] != [i for _, i in second]


def test_a_batch_of_more_than_all_clips_goes_on_into_the_next_epochs() -> None:
    batches = Batches(3, 4, 0, "set")
    items = [item for step in range(3) for item in batches.items(step)]
    assert Counter(epoch for epoch, _ in items) == {0: 3, 1: 3, 2: 3, 3: 3}
    assert Counter(i for _, i in items) == {0: 4, 1: 4, 2: 4}


@pytest.mark.parametrize("count", [3, 8, 10])
def test_an_item_knows_its_step_and_its_place(count: int) -> None:
    batches = Batches(count, 4, 0, "set")
    for step in range(7):
        for place, item in enumerate(batches.items(step)):
            assert batches.place(item) == (step, place)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_devices_share_a_batch(world: int) -> None:
    batches = Batches(40, 8, 0, "set")
    dealt = [p for rank in range(world) for p in batches.share(2, rank, world, 2)]
    assert all(len(p) == 2 for p in dealt)
    assert sorted(i for p in dealt for i in p) == sorted(batches.items(2))


def test_another_seed_is_another_order() -> None:
    assert Batches(50, 8, 0, "a").items(0) != Batches(50, 8, 1, "a").items(0)


def test_drawn_clips_are_those_of_clips() -> None:
    clips = Clips("moving_shapes", 4, seed=3, frames=4, size="32")
    source = DrawnClips(clips)
    assert np.array_equal(source.clip(2, 5), clips.array(2, 5)) and len(source) == 4
    assert source.identity() != DrawnClips(Clips("moving_shapes", 4, seed=4, frames=4, size="32")).identity()


LOCATION = "preset:moving_shapes?n=3&size=48&length=12"


def test_files_take_the_frames_that_are_asked_for(options: Options) -> None:
    videos = open_set(LOCATION)
    source = data.read(videos, options, frames=4, stride=2)
    every = dict(open_clip(videos.clips[1]).frames(range(12)))
    assert np.array_equal(source.taken(1, [5, 0, 5]), np.stack([every[5], every[0], every[5]]))
    assert source.totals == (12, 12, 12) and not source.decodes


def test_runs_begin_anywhere_where_they_fit_and_only_there(options: Options) -> None:
    source = data.read(open_set(LOCATION), options, frames=4, stride=2)
    every = np.stack([frame for _, frame in open_clip(source.clips[0]).frames(range(12))])
    starts = Counter()
    for epoch in range(60):
        run = source.clip(0, epoch)
        (start,) = (s for s in range(12) if np.array_equal(every[s : s + 8 : 2], run))
        starts[start] += 1
    assert set(starts) == {0, 1, 2, 3, 4}  # 12 − 4 · 2 + 1 of them


def test_a_clip_too_short_takes_the_largest_stride_that_fits_and_says_so(options: Options) -> None:
    source = data.read(open_set(LOCATION), options, frames=4, stride=4)
    assert [source.fitting(t) for t in (4, 7, 8, 11, 12, 16, 99)] == [1, 1, 2, 2, 3, 4, 4]
    (note,) = source.notes()
    assert "3 clips of 3 too short for 4 frames at stride 4" in note and "down to 3" in note
    assert source.clip(0, 0).shape == (4, 48, 48, 3)


def test_the_short_side_is_kept_in_memory_and_not_sent_along(options: Options) -> None:
    source = data.read(open_set(LOCATION), options, frames=4, stride=2, short=24)
    first = source.clip(0, 0)
    assert first.shape == (4, 24, 24, 3) and np.array_equal(first, source.clip(0, 0))
    sent = copy.copy(source)  # by the same state that goes to another process
    assert source._kept and not sent._kept
    assert np.array_equal(sent.clip(0, 0), first)


def test_memory_for_frames_is_bounded(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "KEPT_BYTES", 2 * 12 * 24 * 24 * 3)
    source = data.read(open_set(LOCATION), options, frames=4, stride=2, short=24)
    for index in (0, 1, 2):
        source.clip(index, 0)
    assert list(source._kept) == [1, 2]


def test_what_is_too_short_or_unreadable_is_left_out_and_said(tmp_path: Path, options: Options) -> None:
    said: list[str] = []

    class Told:
        def begin(self, name: str, clips: int) -> None: ...
        def advance(self, clips: int, cached: bool, reading: str = "") -> None: ...
        def say(self, text: str) -> None:
            said.append(text)

    for i, length in enumerate((12, 3, 12)):
        np.savez(tmp_path / f"{i}.npz", frames=np.zeros((length, 8, 8, 3), np.uint8))
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    videos = open_set(tmp_path)
    with pytest.raises(DataError, match="more than --max-skipped 5%"):
        data.read(videos, options, frames=4)
    source = data.read(videos, replace(options, max_skipped="60%", progress=Told()), frames=4)
    assert [c.id for c in source.clips] == ["0.npz", "2.npz"]
    assert any("1.npz: has 3 frames, fewer than 4" in line for line in said)
    assert any("broken.npz" in line for line in said)


def test_a_file_that_goes_is_named(tmp_path: Path, options: Options) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", frames=np.zeros((8, 8, 8, 3), np.uint8))
    source = data.read(open_set(tmp_path), options, frames=4)
    (tmp_path / "a.npz").unlink()
    with pytest.raises(DataError, match=r"a\.npz of .* cannot be read any more"):
        source.clip(0, 0)


class Told:
    """What a worker makes: its own number of the process, so that it is seen to be another one."""

    def __call__(self, item: tuple[int, int]) -> dict[str, np.ndarray]:
        import os

        return {"item": np.array(item), "process": np.array(os.getpid())}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_passes_in_order(workers: int) -> None:
    import os

    passes = [[(0, 1), (0, 2)], [(0, 3)], [(1, 0), (1, 1), (1, 2)], [(2, 0)]]
    made = list(data.loader(Told(), passes, workers))
    assert [[tuple(i) for i in m["item"].tolist()] for m in made] == passes
    processes = {int(p) for m in made for p in m["process"]}
    assert (processes == {os.getpid()}) if not workers else (len(processes) == 2)


class Dies:
    def __call__(self, item: tuple[int, int]) -> dict[str, np.ndarray]:
        import os

        os._exit(9)


def test_a_worker_that_dies_is_told_in_a_line() -> None:
    with pytest.raises(DataError, match="died"):
        list(data.loader(Dies(), [[(0, 0)]], 1))


class Hangs:
    """Reads a clip whose decoder gives no frame."""

    def __init__(self, source: data.Files) -> None:
        self.source = source

    def __call__(self, item: tuple[int, int]) -> dict[str, np.ndarray]:
        import time

        from synvid_eval.video import decode

        decode.ArrayClip.frames = lambda *_: iter(lambda: time.sleep(60), None)  # type: ignore[method-assign]
        return {"frames": self.source.clip(item[1], 0)}


class Refuses:
    def __call__(self, item: tuple[int, int]) -> dict[str, np.ndarray]:
        raise DataError("a.avi cannot be read any more.", "Was it moved?")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_worker_is_told_as_it_is(workers: int) -> None:
    with pytest.raises(DataError) as told:
        list(data.loader(Refuses(), [[(0, 0), (0, 1)]], workers))
    assert str(told.value) == "a.avi cannot be read any more. Was it moved?"


def test_a_file_that_hangs_ends_the_process_that_reads_it(
    tmp_path: Path, options: Options, capfd: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "slow.npz", frames=np.zeros((8, 8, 8, 3), np.uint8))
    source = data.read(open_set(tmp_path), replace(options, decode_timeout=1.0), frames=4)
    with pytest.raises(DataError, match="died"):
        list(data.loader(Hangs(source), [[(0, 0)]], 1))
    assert "slow.npz of" in capfd.readouterr().err
