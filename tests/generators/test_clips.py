"""`Clips` and `ClipStream`: the generator's frames as tensors, whatever draws them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import Clips, ClipStream, presets

SMALL = {"size": 32, "length": "70:90", "objects": 40}


def make(count: int = 10, **asked: Any) -> Clips:
    return Clips("moving_shapes", count, **{**SMALL, **asked})


def test_an_item_is_the_generators_frames() -> None:
    clips = make()
    generator = presets.get("moving_shapes").configured(**{k: str(v) for k, v in SMALL.items()})
    for index in (0, 7):
        clip, frames = clips.chosen(index)
        assert clip == index
        assert np.diff(frames).tolist() == [4] * 15
        assert frames[0] >= 0 and frames[-1] < generator.clip_length(0, "moving_shapes", index)
        drawn = np.stack(list(generator.draw(0, "moving_shapes", index, frames)))
        assert clips[index].dtype == torch.uint8
        assert np.array_equal(clips[index].numpy(), drawn.transpose(0, 3, 1, 2))


def test_an_item_is_what_generate_writes(tmp_path: Path) -> None:
    from synvid_eval import generation
    from synvid_eval.cache import Cache
    from synvid_eval.measurement import Options
    from synvid_eval.video import encode

    overrides = {k: str(v) for k, v in SMALL.items()}
    what = generation.plan("moving_shapes", clips=2, overrides=overrides, kind="ffv1")
    generation.make(what, tmp_path / "set", Options(workers=1, cache=Cache(None)))
    clips = make(2, order="THWC")
    for index in range(2):
        written = list(encode.read_clip(tmp_path / "set" / "clips" / f"{index:07}.mkv", "ffv1"))
        _, frames = clips.chosen(index)
        assert np.array_equal(clips[index].numpy(), np.stack([written[f] for f in frames]))


def test_starts_are_of_seed_index_and_epoch() -> None:
    clips = make(40)
    first = [clips.chosen(i)[1][0] for i in range(40)]
    assert len(set(first)) > 10
    clips.set_epoch(1)
    second = [clips.chosen(i)[1][0] for i in range(40)]
    assert first != second
    assert [make(40, seed=1).chosen(i)[1][0] for i in range(40)] != first
    clips.set_epoch(0)
    assert [clips.chosen(i)[1][0] for i in range(40)] == first
    assert clips.chosen(3, epoch=1)[1][0] == second[3]


@pytest.mark.parametrize(("starts", "length"), [("released", "67"), ("all", "64")])
def test_every_start_is_taken_equally_often(starts: str, length: str) -> None:
    clips = make(1, length=length, size=8, starts=starts)
    seen = Counter(clips.chosen(0, epoch)[1][0] for epoch in range(2000))
    assert sorted(seen) == [0, 1, 2, 3]
    assert sum((n - 500) ** 2 / 500 for n in seen.values()) < 16.3  # chi-square, 3 degrees, p = 0.001


def test_a_run_takes_up_frames_times_stride_as_released() -> None:
    """The released code: starts U{0 … T − 64} of 16 frames at stride 4; 64 frames have one start."""
    clips = make(1, length="64", size=8)
    assert {clips.chosen(0, epoch)[1][0] for epoch in range(50)} == {0}
    shorter = make(1, length="63", size=8)
    assert np.diff(shorter.chosen(0)[1]).tolist() == [3] * 15
    assert np.diff(make(1, length="61", size=8, starts="all").chosen(0)[1]).tolist() == [4] * 15
    with pytest.raises(UsageError, match=r"starts=some is not possible. One of: released, all\."):
        make(starts="some")


def test_fresh_epochs_have_clips_of_their_own() -> None:
    clips = make(5, fresh=True)
    clips.set_epoch(2)
    assert clips.chosen(3)[0] == 13
    assert not torch.equal(clips[0], clips.item(0, epoch=0))


@pytest.mark.parametrize(
    ("order", "shape"),
    [("TCHW", (16, 3, 32, 32)), ("CTHW", (3, 16, 32, 32)), ("THWC", (16, 32, 32, 3))],
)
def test_orders_and_floats(order: str, shape: tuple[int, ...]) -> None:
    plain = make(order=order)[0]
    floats = make(order=order, floats=True)[0]
    assert plain.shape == floats.shape == shape
    assert floats.dtype == torch.float32
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    axis = order.index("C")
    wide = [1] * 4
    wide[axis] = 3
    wanted = (plain.double() / 255 - mean.double().view(wide)) / std.double().view(wide)
    assert torch.allclose(floats.double(), wanted, atol=1e-5)


def test_a_short_clip_lowers_the_stride_and_says_so_once() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        clips = make(length="20:35")
        strides = {clips.chosen(i)[1][1] - clips.chosen(i)[1][0] for i in range(10)}
        list(clips)
    assert strides == {1, 2}
    assert len(told) == 1 and "stride 4" in str(told[0].message)


def test_transform_sees_every_item() -> None:
    assert make(transform=lambda x: x.float().mean())[0].shape == ()


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"length": "10:90"}, "10 frames, fewer than 16"),
        ({"sped": "2"}, "speed"),
        ({"order": "HWC"}, "TCHW"),
        ({"frames": 0}, "frames=0"),
        ({"count": 0}, "count=0"),
    ],
)
def test_what_cannot_be(asked: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        make(**asked)


def test_a_preset_with_a_real_part_is_refused() -> None:
    with pytest.raises(UsageError, match="real part"):
        Clips("shapes_mix_ucf25", 4)


def test_pictures_that_are_missing_are_told_when_it_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SYNVID_EVAL_IMAGES", raising=False)
    with pytest.raises(DataError, match="No pictures are given"):
        Clips("acc_transforming_images", 3)
    with pytest.raises(DataError, match="does not exist"):
        Clips("acc_transforming_images", 3, images=tmp_path / "gone")


def test_it_ends_where_it_ends() -> None:
    clips = make(3)
    assert len(list(clips)) == 3
    assert torch.equal(clips[-1], clips[2])
    with pytest.raises(IndexError):
        clips[3]


def test_loaders_give_the_same_batches_for_any_number_of_workers() -> None:
    clips = make(10)
    whole = [batch for workers in (0, 2) for batch in [list(DataLoader(clips, 4, num_workers=workers))]]
    assert all(torch.equal(a, b) for a, b in zip(*whole, strict=True))
    stream = ClipStream(clips, batch=3)
    streamed = []
    for workers in (0, 2):
        stream.set_epoch(1)
        streamed.append(list(DataLoader(stream, 3, num_workers=workers)))
    assert [len(b) for b in streamed[0]] == [3, 3, 3, 1]
    assert all(torch.equal(a, b) for a, b in zip(*streamed, strict=True))


def test_workers_that_stay_hear_of_the_next_epoch() -> None:
    stream = ClipStream(make(4), batch=2)
    loader = DataLoader(stream, 2, num_workers=1, persistent_workers=True)
    first = torch.cat(list(loader))
    stream.set_epoch(1)
    second = torch.cat(list(loader))
    stream.set_epoch(1)  # again
    assert not torch.equal(first, second)
    assert torch.equal(second, torch.stack(list(stream)))


@pytest.mark.parametrize("loading", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_each_iteration_is_an_epoch_of_its_own(loading: dict[str, Any]) -> None:
    stream, known = ClipStream(make(6), batch=2), ClipStream(make(6), batch=2)
    loader = DataLoader(stream, 2, **loading)
    for epoch in range(3):
        known.set_epoch(epoch)
        expected = torch.stack(list(known))
        seen = []
        for batch in loader:
            seen.append(batch)
            stream.advance(len(batch))
            done = 2 * len(seen)
            told = stream.state_dict()
            assert (told["epoch"], told["done"]) == ((epoch, done) if done < 6 else (epoch + 1, 0))
        assert torch.equal(torch.cat(seen), expected)
    next(iter(loader))  # left early: the next iteration is the one after it
    known.set_epoch(4)
    assert torch.equal(torch.cat(list(loader)), torch.stack(list(known)))


def test_what_was_left_out_on_going_on_is_there_in_the_next_epoch() -> None:
    stream = ClipStream(make(6), batch=2)
    stream.load_state_dict({"epoch": 0, "done": 4})
    assert [len(stream), len(list(stream)), len(stream), len(list(stream))] == [2, 2, 6, 6]


def test_a_state_of_another_set_is_refused() -> None:
    state = ClipStream(make(4)).state_dict()
    with pytest.raises(UsageError, match="The state is of 4 clips"):
        ClipStream(make(5)).load_state_dict(state)


def test_ranks_share_the_clips_out() -> None:
    clips = make(11)
    orders = [ClipStream(clips, rank=r, world=3).order(5).tolist() for r in range(3)]
    assert [len(o) for o in orders] == [3, 3, 3]
    assert len({i for o in orders for i in o}) == 9
    assert ClipStream(clips).order(5).tolist() != ClipStream(clips).order(6).tolist()
    assert ClipStream(clips, shuffle=False).order(5).tolist() == list(range(11))
    with pytest.raises(UsageError, match="rank 3"):
        ClipStream(clips, rank=3, world=3)
    with pytest.raises(UsageError, match="too few"):
        ClipStream(clips, rank=0, world=12)


def test_a_stream_goes_on_where_it_stopped() -> None:
    clips = make(10)
    stream = ClipStream(clips, batch=2)
    stream.set_epoch(3)
    whole = list(DataLoader(stream, 2))
    for _ in whole[:2]:
        stream.advance(2)
    state = stream.state_dict()
    assert (state["epoch"], state["done"]) == (3, 4)
    other = ClipStream(make(10), batch=2)
    other.load_state_dict(state)
    assert len(other) == 6
    rest = list(DataLoader(other, 2, num_workers=2))
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[2:], strict=True))
    for _ in rest:
        other.advance(2)
    assert (other.state_dict()["epoch"], other.state_dict()["done"]) == (4, 0)


def test_importing_the_room_loads_no_torch() -> None:
    code = (
        "import synvid_eval.generators.clips, synvid_eval.generators as g; g.registry.names(); "
        "import sys; assert 'torch' not in sys.modules; g.ClipStream; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_stream_can_be_sent_to_a_process_that_was_not_forked() -> None:
    stream = ClipStream(make(4), batch=2)
    loader = DataLoader(stream, 2, num_workers=1, multiprocessing_context="spawn")
    sent = torch.cat(list(loader))
    stream.set_epoch(0)
    assert torch.equal(sent, torch.stack(list(stream)))


def test_labels_are_of_items_as_items_are_indexed():
    clips = Clips("fractal_supervised_500", 20, frames=4, stride=1, size=32, iterations=300)
    assert clips.label(-1) == clips.label(19) != clips.label(18)
    for index in (20, -21):
        with pytest.raises(IndexError, match=f"clip {index} of 20"):
            clips.label(index)
