from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from synvid_eval.errors import UsageError
from synvid_eval.features.base import Look
from synvid_eval.features.inception import FEATURES, SIDE, Inception, InceptionInput, bicubic_taps
from synvid_eval.randomness import address
from synvid_eval.states import Moments, Rows
from tests.features.looks import look_at

SIZES = [(1, 1), (1, 9), (7, 5), (300, 200), (240, 320), (299, 299), (598, 149), (2, 1001), (601, 37)]
PROTOCOLS = ["pytorch", "clean", "tf"]


def frame(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise: every weight of a resize is seen in it."""
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pytorch_fid(image):
    """ToTensor, then what pytorch-fid's network does first."""
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    x = torch.nn.functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return (2 * x - 1)[0].numpy()


def clean_fid(image):
    """Each channel by PIL in mode F."""
    planes = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    assert {p.mode for p in planes} == {"F"}
    planes = [np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).clip(0, 255) for p in planes]
    return (np.stack(planes) - np.float32(128)) / np.float32(128)


def tensorflow_1(image):
    """The grid x·scale, scale in float32, pixel by pixel along each axis."""
    lines = []
    for size in image.shape[:2]:
        scale = np.float32(size) / np.float32(SIDE)
        at = [np.float32(i) * scale for i in range(SIDE)]
        low = [math.floor(a) for a in at]
        high = [min(i + 1, size - 1) for i in low]
        part = np.array([a - np.float32(i) for a, i in zip(at, low, strict=True)], np.float32)
        lines.append((low, high, part))
    (top, bottom, down), (left, right, across) = lines
    x = image.astype(np.float32)
    down, across = down[:, None, None], across[None, :, None]

    def row(y):
        return x[y][:, left] + (x[y][:, right] - x[y][:, left]) * across

    upper, lower = row(top), row(bottom)
    return ((upper + (lower - upper) * down - np.float32(128)) / np.float32(128)).transpose(2, 0, 1)


ORACLES = {"pytorch": pytorch_fid, "clean": clean_fid, "tf": tensorflow_1}


def tolerance(protocol, image):
    """torch rounds a bilinear position once or twice, as the processor multiplies and adds in one step or
    two: a position is off by that, and a value by up to the whole range, 2, a pixel.
    """
    return 1e-6 + (2 * max(image.shape) * 2**-23 if protocol == "pytorch" else 0)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_view_is_what_the_reference_feeds_its_network(protocol, size):
    image = frame(*size)
    got, want = InceptionInput(protocol)(image), ORACLES[protocol](image)
    assert got.dtype == np.float32 and got.shape == (3, SIDE, SIDE) and got.flags.c_contiguous
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance(protocol, image))


def test_a_long_video_frame():
    image = frame(1080, 1920)
    for protocol, oracle in ORACLES.items():
        np.testing.assert_allclose(
            InceptionInput(protocol)(image), oracle(image), rtol=0, atol=tolerance(protocol, image)
        )


def test_the_protocols_are_not_the_same():
    views = [InceptionInput(p)(frame(240, 320)) for p in PROTOCOLS]
    for i in range(3):
        assert np.abs(views[i] - views[i - 1]).max() > 0.05


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_flat_frames_stay_flat_and_in_range(protocol):
    low, high = (-1, 1) if protocol == "pytorch" else (-1, 127 / 128)
    for value, want in ((0, low), (255, high)):
        got = InceptionInput(protocol)(np.full((33, 48, 3), value, np.uint8))
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-7)


def test_bicubic_overshoot_is_cut():
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 255
    got = InceptionInput("clean")(image)
    assert got.min() == -1 and got.max() == np.float32(127 / 128)
    starts, weights = bicubic_taps(40, SIDE)
    assert weights.min() < 0 and starts.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=1e-15)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_channels_stay_apart_in_the_order_of_rgb(protocol):
    image = np.zeros((50, 60, 3), np.uint8)
    image[..., 1], image[..., 2] = 128, 255
    got = InceptionInput(protocol)(image)
    assert got[0].max() < got[1].min() <= got[1].max() < got[2].min()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_view_is_the_same_bytes_from_any_memory(protocol):
    image, view = frame(60, 81), InceptionInput(protocol)
    want = view(image)
    fixed = image.copy()
    fixed.setflags(write=False)
    padded = np.zeros((60, 81, 4), np.uint8)
    padded[..., :3] = image
    for same in (fixed, np.asfortranarray(image), padded[..., :3], image[::-1].copy()[::-1]):
        assert np.array_equal(view(same), want)
    assert view == InceptionInput(protocol) and hash(view) == hash(InceptionInput(protocol))


def test_what_is_no_frame_is_refused():
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"a frame is uint8 \[H, W, 3\]"):
            InceptionInput()(bad)


def brightness_rows(self, inputs):
    """Stands in for the network: rows that can be told from their input."""
    assert inputs.dtype == np.float32 and inputs.shape[1:] == (3, SIDE, SIDE)
    means = inputs.mean(axis=(1, 2, 3), dtype=np.float64)
    return (means[:, None] + np.arange(FEATURES) / FEATURES).astype(np.float32)


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(Inception, "rows", brightness_rows)


CLIP = np.stack([np.full((20, 30, 3), 10 * i, np.uint8) for i in range(16)])


def test_states_hold_the_rows_of_all_frames(no_network):
    feature = Inception()
    look = look_at(feature, CLIP, name="a/b.mp4")
    result = feature.measure(look)
    assert set(result.states) == {"pool3", "rows"} and not result.summary
    moments, rows = result.states["pool3"], result.states["rows"]
    assert isinstance(moments, Moments) and isinstance(rows, Rows)
    want = brightness_rows(None, np.stack([look.views[i] for i in range(16)]))
    assert moments.n == 16 and moments.dim == 2048
    np.testing.assert_array_equal(rows.rows, want)
    np.testing.assert_allclose(moments.mean, want.astype(np.float64).mean(axis=0), rtol=1e-12)
    assert rows.keys.tolist() == [address("row", "a/b.mp4", i) for i in range(16)]
    assert set(rows.owners.tolist()) == {address("clip", "a/b.mp4")}
    assert rows.cap == 10_000 and Inception(kept=7).measure(look).states["rows"].n == 7


@pytest.mark.parametrize("seed", [0, 3])
def test_a_subset_is_drawn_by_hash(no_network, seed):
    feature = Inception(subset=10)
    look = look_at(feature, CLIP, name="clip", seed=seed)
    states = feature.measure(look).states
    assert set(states) == {"pool3", "pool3@10", "rows"}
    ranked = sorted(range(16), key=lambda i: address("inception", seed, "clip", i))
    rows = brightness_rows(None, np.stack([look.views[i] for i in sorted(ranked[:10])]))
    assert states["pool3@10"].n == 10 and states["pool3"].n == 16
    np.testing.assert_array_equal(states["pool3@10"].to_arrays()["rows"], rows)


def test_a_draw_goes_by_frame_index_seed_and_clip():
    feature = Inception(subset=4)

    def drawn(clip="c", seed=0, frames=tuple(range(3, 160, 10))):
        return [frames[i] for i in feature.drawn(Look(clip, seed, frames, {}, {}))]

    assert drawn() == sorted(drawn()) and len(set(drawn())) == 4
    assert len({tuple(drawn(clip=f"c{i}", seed=s)) for i in range(4) for s in range(3)}) > 8
    kept = drawn()
    assert drawn(frames=tuple(kept)) == kept  # fewer frames draw the same ones
    assert drawn(frames=(5, 9)) == [5, 9]
    shares = np.zeros(16)
    for i in range(400):
        shares[feature.drawn(Look(f"{i}", 0, tuple(range(16)), {}, {}))] += 1
    assert abs(shares / 400 - 4 / 16).max() < 0.1


def test_clips_shorter_than_the_subset_and_without_frames(no_network):
    feature = Inception(subset=10)
    states = feature.measure(look_at(feature, CLIP[:3])).states
    assert states["pool3@10"].n == states["pool3"].n == 3
    assert not feature.measure(look_at(feature, CLIP[:0])).states


def test_knobs_are_guarded():
    for bad in ({"protocol": "fast"}, {"subset": -1}, {"kept": 0}, {"precision": "fp16"}):
        with pytest.raises(UsageError, match=f"inception.{next(iter(bad))}="):
            Inception(**bad)
