"""Tubelets of clips: which frames, what of them, and how much of each patch moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synvid_eval import pairs
from synvid_eval.errors import UsageError
from synvid_eval.sets import open_clip, open_set
from tests.clips import moving, write_video


@pytest.mark.parametrize(
    ("total", "count", "first", "step", "long"),
    [(125, 32, 0, 4, 32), (200, 32, 37, 4, 32), (124, 32, 30, 2, 32), (40, 32, 4, 1, 32), (21, 32, 0, 1, 20)],
)
def test_frames_are_a_run_in_the_middle(total: int, count: int, first: int, step: int, long: int) -> None:
    found = pairs.plan(total, count, 2)
    assert found == tuple(range(first, first + long * step, step))


def test_a_clip_of_less_than_a_tubelet_has_none() -> None:
    assert pairs.plan(1, 32, 2) == () and pairs.plan(1, 32, 1) == (0,)
    assert pairs.plan(7, 32, 4) == (0, 2, 4, 6) and pairs.plan(6, 32, 4) == (1, 2, 3, 4)


def test_shares_of_a_square_that_moves() -> None:
    """A 4×4 square that goes two pixels right between two frames, beside one that stays; patches of 4 px."""
    masks = np.zeros((2, 8, 8), np.uint16)
    masks[0, 0:4, 0:4], masks[1, 0:4, 2:6] = 1, 1
    masks[:, 4:8, 4:8] = 2
    flow = np.zeros((1, 8, 8, 2), np.float32)
    flow[0, 0:4, 0:4, 0] = 2
    flow[0, 4:8, 4:8] = 1e-7  # rounding
    found = pairs.shares(masks, flow, 2, 2)
    assert found.shape == (1, 2, 2) and found.dtype == np.float32
    assert np.allclose(found[0], [[(1 + 0.5) / 2, (0 + 0.5) / 2], [0, 0]], atol=1e-6)
    by_frame = pairs.shares(masks, flow, 1, 2)
    assert np.allclose(by_frame[:, 0], [[1, 0], [0.5, 0.5]], atol=1e-6)


def test_shares_where_patches_end_within_pixels_and_frames_are_cropped() -> None:
    """Patches of 8/3 px: each the exact area; columns beside the centered square do not count."""
    masks = np.zeros((2, 8, 12), np.uint16)
    masks[:, :, 2:5] = 7  # of the square the first three columns
    masks[:, :, :2] = 9
    flow = np.zeros((1, 8, 12, 2), np.float32)
    flow[..., 1] = (masks[:1] > 0) * 0.5
    found = pairs.shares(masks, flow, 2, 3)
    assert np.allclose(found[0], np.tile([1, (3 - 8 / 3) / (8 / 3), 0], (3, 1)), atol=1e-6)


def test_pairs_of_a_preset_know_what_moves() -> None:
    (ref,) = open_set("preset:moving_circles?n=1&size=64&length=70&objects=6").clips
    arrays, facts = pairs.pairs(ref, 32, 2, 32, patches=4)
    indices = list(range(3, 67, 2))
    assert facts == {"indices": indices, "total": 70, "fps": 25.0}
    frames = list(dict(open_clip(ref).frames(indices)).values())
    area = np.stack([f.reshape(32, 2, 32, 2, 3).astype(float).mean((1, 3)) for f in frames])
    assert np.abs(arrays["frames"].astype(float) - area).max() <= 0.5
    objects = np.stack([(f > 0).any(-1) for f in frames])  # no circle is black
    want = objects.reshape(16, 2, 4, 16, 4, 16).mean((1, 3, 5))
    assert np.allclose(arrays["shares"], want, atol=1e-5) and 0 < want.mean() < 1


def test_what_stands_does_not_move() -> None:
    (ref,) = open_set("preset:static_circles?n=1&size=64&length=40&objects=20").clips
    arrays, _ = pairs.pairs(ref, 8, 2, 32, patches=4)
    assert arrays["frames"].any() and not arrays["shares"].any()


def test_pairs_of_files_are_cropped_and_made_small(tmp_path: Path) -> None:
    frames = moving(40, 32, 48)
    path = write_video(tmp_path / "a.mkv", frames, "ffv1")
    (ref,) = open_set(str(tmp_path)).clips
    arrays, facts = pairs.pairs(ref, 8, 2, 16)
    assert facts["indices"] == list(range(5, 37, 4)) and set(arrays) == {"frames"}
    whole = dict(open_clip(ref).frames(facts["indices"]))
    want = [f[:, 8:40].reshape(16, 2, 16, 2, 3).astype(float).mean((1, 3)) for f in whole.values()]
    assert np.abs(arrays["frames"].astype(float) - np.stack(want)).max() <= 0.5
    assert pairs.pairs(ref, 8, 2, 64)[0]["frames"].shape == (8, 64, 64, 3)
    path.write_bytes(path.read_bytes()[:200])
    assert "skipped" in pairs.pairs(ref, 8, 2, 16)[1]
    write_video(path, frames[:1], "ffv1")
    assert "less than a tubelet" in pairs.pairs(ref, 8, 2, 16)[1]["skipped"]


def test_a_clip_that_decodes_fewer_frames_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.video.decode import FewerFrames

    (ref,) = open_set(np.stack([moving(40)])).clips
    tried = []

    def read(reader: object, count: int, tubelet: int, side: int) -> object:
        tried.append(reader.total)  # type: ignore[attr-defined]
        if len(tried) == 1:
            raise FewerFrames(30)
        return real(reader, count, tubelet, side)  # type: ignore[arg-type]

    real = pairs._read
    monkeypatch.setattr(pairs, "_read", read)
    _, facts = pairs.pairs(ref, 8, 2, 16, array=np.stack([moving(40)]))
    assert tried == [40, 30] and facts["total"] == 30


def test_truth_that_is_not_known_is_an_error() -> None:
    (ref,) = open_set("preset:fractal_linear_motion?n=1&size=32").clips
    with pytest.raises(UsageError, match="truth"):
        pairs.pairs(ref, 8, 2, 16, patches=2)
