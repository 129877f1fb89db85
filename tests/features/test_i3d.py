"""I3D's inputs, protocol by protocol, against the reference codes' calls on whole clips and against matrices
written out in float64; what a clip gives; what stands in for the network here is seen by its inputs alone.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.features.i3d import I3D, I3DFrame, NativeFrame
from synvid_eval.networks.weights import known
from synvid_eval.randomness import address
from synvid_eval.states import Moments, Rows
from tests.features.looks import look_at

PROGRAM = f"sha256:{known('i3d').sha256}"
SIZES = [
    (240, 320),
    (320, 240),
    (224, 224),
    (128, 128),
    (97, 131),
    (301, 99),
    (64, 513),
    (3, 2),
    (1, 1),
    (1, 7),
]


def frames(size, n=3, seed=0):
    """Noise over waves: uint8 [n, H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    wave = 127 + 80 * np.sin(0.11 * x + 0.07 * y)[None, :, :, None]
    return np.clip(wave + rng.normal(0, 40, (n, *size, 3)), 0, 255).astype(np.uint8)


def whole_clip(protocol, clip):
    """The published recipes on all frames at once, float32 [3, T, 224, 224]."""
    x = torch.from_numpy(clip).permute(0, 3, 1, 2).float()
    h, w = x.shape[2:]
    if protocol == "styleganv":
        x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False)
        return (2 * x / 255 - 1).transpose(0, 1).numpy()
    side = 224 if protocol == "videogpt" else 128
    x = x / 255
    size = (side, int(np.ceil(w * side / h))) if h < w else (int(np.ceil(h * side / w)), side)
    x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=protocol == "cdfvd")
    top, left = (x.shape[2] - side) // 2, (x.shape[3] - side) // 2
    x = x[:, :, top : top + side, left : left + side]
    if protocol == "cdfvd":
        x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False)
    return (2 * x - 1).transpose(0, 1).numpy()


def rounding(clip):
    """How much torch's inputs may differ between two calls: it rounds a bilinear position once or twice (see
    the test of `inception`), not the same for every memory layout; a pixel's step is 2, the range, at most.
    """
    return 2e-6 + 2 * max(clip.shape) * 2**-23


def matrix(size, out, antialias=False):
    """Bilinear weights [out, size]: triangles around half-pixel centers, widened where antialiased."""
    scale = size / out
    center = (np.arange(out) + 0.5) * scale - 0.5
    if antialias:
        w = np.maximum(1 - np.abs(np.arange(size) - center[:, None]) / max(scale, 1), 0)
        return w / w.sum(1, keepdims=True)
    w = np.zeros((out, size))
    center = np.clip(center, 0, size - 1)
    low = np.minimum(np.floor(center).astype(int), size - 1)
    np.add.at(w, (np.arange(out), low), 1 - (center - low))
    np.add.at(w, (np.arange(out), np.minimum(low + 1, size - 1)), center - low)
    return w


def by_matrices(protocol, frame):
    x = frame.astype(float).transpose(2, 0, 1)
    h, w = x.shape[1:]
    if protocol != "styleganv":
        side, antialias = (224, False) if protocol == "videogpt" else (128, True)
        tall, wide = -(-h * side // min(h, w)), -(-w * side // min(h, w))
        x = matrix(h, tall, antialias) @ x @ matrix(w, wide, antialias).T
        top, left = (tall - side) // 2, (wide - side) // 2
        x = x[:, top : top + side, left : left + side]
    return 2 * (matrix(x.shape[1], 224) @ x @ matrix(x.shape[2], 224).T) / 255 - 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("protocol", ["styleganv", "videogpt", "cdfvd"])
def test_a_frames_input_is_that_of_the_published_recipe(protocol, size):
    clip = frames(size)
    view = I3DFrame(protocol)
    got = np.stack([view(frame) for frame in clip], axis=1)
    assert got.shape == (3, 3, 224, 224) and got.dtype == np.float32
    assert np.abs(got - whole_clip(protocol, clip)).max() <= rounding(clip)
    assert np.abs(got[:, 0] - by_matrices(protocol, clip[0])).max() <= 1e-4
    assert got.min() >= -1 - 1e-6 and got.max() <= 1 + 1e-6


def test_the_protocols_differ_on_anything_but_gray():
    clip = frames((240, 320), n=1)
    made = [I3DFrame(p)(clip[0]) for p in ("styleganv", "videogpt", "cdfvd")]
    for i in range(3):
        assert np.abs(made[i] - made[i - 1]).mean() > 0.01
        for value, want in ((0, -1), (255, 1)):
            flat = I3DFrame(("styleganv", "videogpt", "cdfvd")[i])(np.full((50, 71, 3), value, np.uint8))
            assert np.abs(flat - want).max() <= 1e-6


def test_the_longer_side_is_rounded_up_in_whole_numbers():
    """400·(224/400) is 224.00000000000003 in floating point: no reason for a line more."""
    view = I3DFrame("videogpt")
    frame = frames((400, 400), n=1)[0]
    squashed = I3DFrame("styleganv")(frame)
    assert np.abs(view(frame) - squashed).max() <= rounding(frame)


@pytest.mark.parametrize(
    "view", [I3DFrame("styleganv"), I3DFrame("videogpt"), I3DFrame("cdfvd"), NativeFrame()]
)
def test_views_do_not_depend_on_memory_and_keep_no_hold_of_the_frame(view):
    frame = frames((50, 61), n=1)[0]
    before = frame.copy()
    got = view(frame)
    assert got.flags.c_contiguous
    for other in (np.asfortranarray(frame), np.pad(frame, ((2, 1), (3, 0), (0, 0)))[2:-1, 3:]):
        assert np.array_equal(view(other), got)
    assert not np.shares_memory(got, frame)
    assert np.array_equal(frame, before)
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"a frame is uint8 \[H, W, 3\]"):
            view(bad)


def test_views_of_one_recipe_are_equal_and_of_two_are_not():
    assert I3D().view() == I3D(weights="random:0").view()
    assert hash(I3D().view()) == hash(I3D(weights="random:0").view())
    views = {I3D(protocol=p).view() for p in ("styleganv", "videogpt", "cdfvd")}
    assert len(views | {I3D(weights=PROGRAM).view()}) == 4


# ------------------------------------------------------------------------------------------ clips


@pytest.fixture
def seen(monkeypatch):
    """What the network was given; it answers with 400 values that tell a clip's mean and first value."""
    inputs = []

    def rows(self, x):
        inputs.append(x)
        out = np.zeros((len(x), 400), np.float32)
        out[:, 0], out[:, 1] = x.mean((1, 2, 3, 4)), x[:, 0, 0, 0, 0]
        return out

    monkeypatch.setattr(I3D, "rows", rows)
    return inputs


def test_a_clip_gives_one_row_of_its_run_at_stride_1(seen):
    clip = frames((40, 60), n=70)
    feature = I3D()
    look = look_at(feature, clip, name="a/b.avi")
    result = feature.measure(look)
    (x,) = seen
    assert x.shape == (1, 3, 16, 224, 224) and x.dtype == np.float32
    assert np.abs(x[0] - whole_clip("styleganv", clip[:16])).max() <= rounding(clip)
    assert set(result.states) == {"logits", "rows"} and not result.summary
    logits, kept = result.states["logits"], result.states["rows"]
    assert isinstance(logits, Moments) and logits.n == 1 and logits.dim == 400
    assert logits.mean[0] == np.float64(np.float32(x.mean()))
    assert isinstance(kept, Rows) and kept.cap == 10_000
    assert kept.keys.tolist() == [address("row", "a/b.avi", 0)]
    assert kept.owners.tolist() == [address("clip", "a/b.avi")]
    assert np.array_equal(kept.rows, logits.mean[None].astype(np.float32))


def test_too_short_a_clip_gives_nothing_and_runs_no_network(seen):
    feature = I3D()
    for n in (0, 1, 15):
        assert not feature.measure(look_at(feature, frames((8, 8), n=n))).states
    assert not feature.measure(look_at(feature, frames((8, 8), n=20), length=8)).states
    assert not seen
    assert feature.measure(look_at(feature, frames((8, 8), n=20), length=9)).states


def test_only_stride_1_is_looked_at(seen):
    feature = I3D()
    assert feature.strides == (1,) and feature.looks_at == "runs"
    look = look_at(feature, frames((8, 8), n=70), strides=(4, 2))
    assert not feature.measure(look).states


def test_styleganvs_file_gets_the_frames_as_they_are(seen):
    clip = frames((40, 60), n=16)
    feature = I3D(weights=PROGRAM)
    feature.measure(look_at(feature, clip))
    (x,) = seen
    assert x.dtype == np.uint8 and np.array_equal(x[0], clip.transpose(3, 0, 1, 2))
    feature = I3D(weights=PROGRAM, protocol="videogpt")
    feature.measure(look_at(feature, clip))
    assert seen[1].dtype == np.float32
    assert np.abs(seen[1][0] - whole_clip("videogpt", clip)).max() <= rounding(clip)


@pytest.mark.parametrize("weights", [PROGRAM, "random:0"])
def test_a_clip_whose_size_changes_is_resized_frame_by_frame(weights, seen):
    clip = [*frames((40, 60), n=8), *frames((30, 30), n=8)]
    feature = I3D(weights=weights)
    feature.measure(look_at(feature, clip))
    (x,) = seen
    assert x.dtype == np.float32 and x.shape == (1, 3, 16, 224, 224)
    assert np.array_equal(x[0, :, 8], I3DFrame("styleganv")(clip[8]))


def test_a_random_network_gives_a_clip_the_row_of_its_input():
    from synvid_eval.networks.loading import load

    clip = frames((45, 80), n=17)
    feature = I3D(weights="random:0", protocol="cdfvd")
    states = feature.measure(look_at(feature, clip)).states
    x = torch.from_numpy(whole_clip("cdfvd", clip[:16]))[None]
    want = load("i3d", "random:0", "")(x).numpy()
    assert np.isfinite(want).all() and want.std() > 1e-3
    assert np.abs(states["rows"].rows - want).max() <= 1e-4 * max(1, np.abs(want).max())


# ------------------------------------------------------------------------------------------ knobs


def test_the_weights_wanted_are_those_of_the_protocols_own_code():
    for protocol, name in (("styleganv", "i3d"), ("videogpt", "i3d-videogpt"), ("cdfvd", "i3d-videogpt")):
        wanted = I3D(protocol=protocol).wanted_weights()
        assert wanted == name and known(wanted).network == I3D.network


def test_knobs_out_of_range_and_bf16_of_a_program_are_errors():
    for change in ({"protocol": "google"}, {"kept": "1"}):
        with pytest.raises(UsageError, match=r"i3d\."):
            knobs.replace(I3D(), change)
    assert I3D(precision="bf16", weights="random:0").variant() == "random-i3d"
    with pytest.raises(UsageError, match="StyleGAN-V's file, which is fp32"):
        I3D(precision="bf16", weights=PROGRAM)


def test_importing_it_imports_no_torch():
    code = "import sys, synvid_eval.features.i3d; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
