"""I3D against a plain float64 forward pass written from the table of its layers, and one by one its parts."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.torch import save_file
from scipy import signal
from torch.nn import functional as F

from synvid_eval.features.i3d import I3D
from synvid_eval.networks import i3d
from synvid_eval.networks.fusing import fused
from tests.features.looks import look_at
from tests.features.test_i3d import by_matrices, frames

BLOCKS = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


def units():
    """(name, channels in, out, kernel) of every unit, from the published table."""
    yield "Conv3d_1a_7x7", 3, 64, 7
    yield "Conv3d_2b_1x1", 64, 64, 1
    yield "Conv3d_2c_3x3", 64, 192, 3
    for block, (n, a, b, c, d, e, f) in BLOCKS.items():
        parts = (("b0", n, a, 1), ("b1a", n, b, 1), ("b1b", b, c, 3))
        for part, into, out, k in (*parts, ("b2a", n, d, 1), ("b2b", d, e, 3), ("b3b", n, f, 1)):
            yield f"Mixed_{block}.{part}", into, out, k


def table():
    shapes = {"logits.conv3d.weight": (400, 1024, 1, 1, 1), "logits.conv3d.bias": (400,)}
    for name, into, out, k in units():
        shapes[f"{name}.conv3d.weight"] = (out, into, k, k, k)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{part}"] = (out,)
    return shapes


class Plain:
    """The forward pass as the table says it, nothing folded, every zero of the padding there, in float64."""

    def __init__(self, weights, calibrate=False):
        self.weights, self.calibrate = weights, calibrate

    @staticmethod
    def padded(x, kernel, stride):
        pads = []
        for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
            total = max((-(-size // s) - 1) * s + k - size, 0)
            pads = [total // 2, total - total // 2, *pads]
        return F.pad(x, pads)

    def unit(self, name, x, stride=1):
        w = self.weights[f"{name}.conv3d.weight"].double()
        x = F.conv3d(self.padded(x, w.shape[2:], (stride,) * 3), w, stride=stride)
        if self.calibrate:
            self.weights[f"{name}.bn.running_mean"] = x.mean((0, 2, 3, 4)).float()
            self.weights[f"{name}.bn.running_var"] = x.var((0, 2, 3, 4)).float()
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, var, gamma, beta = (
            self.weights[f"{name}.bn.{p}"].double().reshape(1, -1, 1, 1, 1) for p in parts
        )
        return ((x - mean) / (var + 1e-5) ** 0.5 * gamma + beta).clamp(min=0)

    def pool(self, x, kernel, stride):
        return F.max_pool3d(self.padded(x, kernel, stride), kernel, stride)

    def block(self, name, x):
        return torch.cat(
            [
                self.unit(f"{name}.b0", x),
                self.unit(f"{name}.b1b", self.unit(f"{name}.b1a", x)),
                self.unit(f"{name}.b2b", self.unit(f"{name}.b2a", x)),
                self.unit(f"{name}.b3b", self.pool(x, (3, 3, 3), (1, 1, 1))),
            ],
            1,
        )

    def __call__(self, x):
        x = self.unit("Conv3d_1a_7x7", x.double(), 2)
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.unit("Conv3d_2c_3x3", self.unit("Conv3d_2b_1x1", x))
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        for block in BLOCKS:
            if block == "4b":
                x = self.pool(x, (3, 3, 3), (2, 2, 2))
            if block == "5b":
                x = self.pool(x, (2, 2, 2), (2, 2, 2))
            x = self.block(f"Mixed_{block}", x)
        x = F.avg_pool3d(x, (2, 7, 7), 1)
        w, b = (self.weights[f"logits.conv3d.{p}"].double() for p in ("weight", "bias"))
        x = F.conv3d(x, w, b)
        assert x.shape[3:] == (1, 1)
        return x[:, :, :, 0, 0].mean(2)


def clips(n, frames, seed=0):
    """Moving waves with noise, float32 [n, 3, frames, 224, 224] in −1 … 1."""
    rng = np.random.default_rng(seed)
    t, y, x = np.meshgrid(np.arange(frames), np.arange(224), np.arange(224), indexing="ij")
    out = np.empty((n, 3, frames, 224, 224), np.float32)
    for i in range(n):
        for c in range(3):
            a, b, v = rng.uniform(-0.2, 0.2, 3)
            out[i, c] = 0.3 * np.sin(a * x + b * y + 5 * v * t) + rng.uniform(-0.7, 0.7, t.shape)
    return torch.from_numpy(out)


@pytest.fixture(scope="module")
def weights():
    """He-initialised, batch norms calibrated on a clip and then shifted a little, logits of order 1."""
    rng = np.random.Generator(np.random.Philox(7))
    found = {}
    for name, shape in table().items():
        if name.endswith("conv3d.weight"):
            fan = int(np.prod(shape[1:]))
            found[name] = rng.standard_normal(shape, np.float32) * np.float32((2 / fan) ** 0.5)
        else:
            found[name] = rng.uniform(-0.2, 0.2, shape).astype(np.float32) + (name.endswith("bn.weight"))
    found = {name: torch.from_numpy(value) for name, value in found.items()}
    found["logits.conv3d.weight"] /= 3
    Plain(found, calibrate=True)(clips(2, 9, seed=1))
    return found


def built(weights):
    network = i3d.build()
    network.load_state_dict(weights)
    return network


@pytest.fixture(scope="module")
def network(weights):
    return built(weights)


@pytest.fixture(scope="module")
def fast(network):
    return fused(network, "fp32", "channels_last_3d")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ------------------------------------------------------------------------------------------ names


def test_names_and_shapes_are_those_of_the_published_table():
    assert i3d.expected() == table()
    trained = [s for n, s in table().items() if "running" not in n]
    assert sum(int(np.prod(s)) for s in trained) == pytest.approx(12.70e6, rel=1e-3)


@pytest.mark.slow
def test_num_batches_tracked_may_be_there_or_not(weights):
    i3d.build().load_state_dict(weights, strict=True)
    full = weights | {f"{name}.bn.num_batches_tracked": torch.tensor(3) for name, *_ in units()}
    i3d.build().load_state_dict(full, strict=True)


def test_a_network_without_weights_gives_nan_not_numbers():
    state = i3d.build().state_dict()
    assert all(t.isnan().all() for n, t in state.items() if not n.endswith("num_batches_tracked"))
    assert i3d.build().Conv3d_2b_1x1(torch.ones(1, 64, 2, 2, 2)).isnan().all()


# ------------------------------------------------------------------------------------------ parts


def test_same_padding_gives_size_over_stride_rounded_up_and_the_odd_zero_at_the_end():
    for size in range(1, 70):
        for kernel in (1, 2, 3, 7):
            for stride in (1, 2):
                front, back = i3d.same_padding(size, kernel, stride)
                out = -(-size // stride)
                assert front + back == max((out - 1) * stride + kernel - size, 0)
                assert front + back == 0 or (front + back + size - kernel) // stride + 1 == out
                assert back - front in (0, 1)
    assert i3d.same_padding(224, 7, 2) == (2, 3)
    assert i3d.same_padding(9, 7, 2) == (3, 3)


@pytest.mark.parametrize("size", [(5, 8, 9), (4, 7, 2), (1, 1, 1), (2, 3, 12)])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 1), (1, 1)])
def test_a_unit_is_scipys_correlation_batch_norm_and_relu(size, kernel, stride):
    rng = np.random.default_rng(3)
    unit = i3d.Unit(3, 4, kernel, stride).eval()
    w = rng.standard_normal((4, 3, kernel, kernel, kernel))
    mean, var, gamma, beta = rng.uniform(0.5, 2, (4, 4))
    parts = (w, mean, var, gamma, beta)
    bn = unit.bn
    tensors = (unit.conv3d.weight, bn.running_mean, bn.running_var, bn.weight, bn.bias)
    with torch.no_grad():
        for tensor, value in zip(tensors, parts, strict=True):
            tensor.copy_(torch.from_numpy(value))
    x = rng.standard_normal((1, 3, *size))
    pads = []
    for s in size:
        total = max((-(-s // stride) - 1) * stride + kernel - s, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(x[0], [(0, 0), *pads])
    steps = (slice(None, None, stride),) * 3
    want = np.stack(
        [
            sum(signal.correlate(padded[c], w[o, c], "valid", "direct")[steps] for c in range(3))
            for o in range(4)
        ]
    )
    scale = (gamma / np.sqrt(var + 1e-5)).reshape(4, 1, 1, 1)
    want = np.maximum((want - mean.reshape(4, 1, 1, 1)) * scale + beta.reshape(4, 1, 1, 1), 0)
    with torch.no_grad():
        got = unit(torch.from_numpy(x).float())[0].numpy()
    assert got.shape == want.shape == (4, *(-(-s // stride) for s in size))
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("pool", [i3d.pool_by_axis, i3d.pool_by_torch])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("size", [(5, 8, 9), (4, 7, 2), (1, 1, 1), (2, 3, 12), (3, 2, 1)])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((3, 3, 3), (1, 1, 1))],
)
def test_pools_are_the_largest_of_windows_of_the_zero_padded_values(pool, layout, size, kernel, stride):
    x = np.maximum(np.random.default_rng(4).standard_normal((2, 5, *size)), 0).astype(np.float32)
    pads = []
    for s, k, step in zip(size, kernel, stride, strict=True):
        total = max((-(-s // step) - 1) * step + k - s, 0)
        pads.append((total // 2, total - total // 2))
    windows = sliding_window_view(np.pad(x, [(0, 0), (0, 0), *pads]), kernel, (2, 3, 4))
    want = windows.max((-1, -2, -3))[:, :, :: stride[0], :: stride[1], :: stride[2]]
    before = torch.from_numpy(x).contiguous(memory_format=layout)
    given = before.clone(memory_format=torch.preserve_format)
    assert np.array_equal(pool(given, kernel, stride).numpy(), want)
    assert torch.equal(given, before), "a pool changed what it was given"


# ------------------------------------------------------------------------------------------ the whole


LENGTHS = [9, 17, *(pytest.param(t, marks=pytest.mark.slow) for t in (16, 24, 32, 64))]


@pytest.mark.slow
@pytest.mark.parametrize("frames", LENGTHS)
def test_rows_are_those_of_the_plain_forward_pass(frames, weights, network, fast):
    x = clips(1, frames, seed=frames)
    with torch.no_grad():
        want = Plain(weights)(x)
        assert 0.2 < want.std() < 3
        for one in (network, fast):
            got = one(x)
            assert got.shape == (1, 400) and got.dtype == torch.float32
            assert (got - want).abs().max() <= 1e-4


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    """The weights as a user names them: identity and file."""
    path = tmp_path_factory.mktemp("i3d") / "x.safetensors"
    save_file(weights, path)
    return {"weights": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", "file": str(path)}


@pytest.mark.parametrize("protocol", ["styleganv", "videogpt", "cdfvd"])
def test_a_clip_gives_the_row_that_matrices_and_the_plain_pass_give(protocol, weights, file):
    """From decoded frames, higher than wide, to the row, by nothing that the product uses."""
    clip = frames((131, 74), n=10)
    feature = I3D(protocol=protocol, **file)
    got = feature.measure(look_at(feature, clip, length=10)).states["rows"].rows
    x = np.stack([by_matrices(protocol, frame) for frame in clip], axis=1)[None]
    with torch.no_grad():
        want = Plain(weights)(torch.from_numpy(x)).numpy()
    assert got.shape == (1, 400) and 0.2 < want.std() < 30
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()
    # the test of the test: another protocol is far from it
    other = I3D(protocol="cdfvd" if protocol == "videogpt" else "videogpt", **file)
    far = other.measure(look_at(other, clip, length=10)).states["rows"].rows
    assert np.abs(far - want).max() > 1e-2 * np.abs(want).max()


def test_the_oracle_sees_a_wrong_padding_epsilon_or_pool(weights, network, monkeypatch):
    """The tolerance is tight enough: slips that are common in ports of this network miss it."""
    x = clips(1, 9, seed=2)
    with torch.no_grad():
        want = Plain(weights)(x)
        monkeypatch.setattr(i3d, "same_padding", lambda n, k, s: (k // 2, k // 2))
        assert not (network(x).shape == want.shape and (network(x) - want).abs().max() <= 1e-2)
        monkeypatch.undo()
        other = built(weights)
        for module in other.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.eps = 1e-3
        assert (other(x) - want).abs().max() > 3e-4


def test_bf16_is_near_and_not_the_same(network, fast):
    x = clips(1, 9, seed=5)
    want, got = fast(x), fused(network, "bf16", "channels_last_3d")(x)
    assert got.dtype == torch.float32
    assert 1e-4 < (got - want).abs().max() < 0.3
    assert F.cosine_similarity(got, want).item() > 0.99


def test_a_clips_bits_do_not_depend_on_the_batch_or_the_place_in_it(fast):
    x = clips(3, 9, seed=6)
    alone = torch.cat([fast(x[i : i + 1].clone()) for i in range(3)])
    assert not torch.equal(alone[0], alone[1])
    assert torch.equal(fast(x), alone)
    assert torch.equal(fast(x[1:]), alone[1:])
    assert torch.equal(fast(x.flip(0)), alone.flip(0))


def test_a_clips_bits_do_not_depend_on_the_length_of_those_before(fast):
    x = clips(1, 9, seed=6)
    first = fast(x)
    fast(clips(1, 10, seed=6))
    assert torch.equal(fast(x), first)


def test_a_clips_bits_do_not_depend_on_how_it_lies_in_memory(fast):
    x = clips(1, 9, seed=6)
    frames_last = x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    shifted = torch.empty(x.numel() + 1)[1:].view(x.shape).copy_(x)
    assert torch.equal(fast(frames_last), fast(x))
    assert torch.equal(fast(shifted), fast(x))


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((1, 3, 8, 224, 224), "9 frames or more, got 8"),
        ((1, 3, 16, 112, 224), r"\[B, 3, T, 224, 224\], got \[1, 3, 16, 112, 224\]"),
        ((1, 1, 16, 224, 224), r"got \[1, 1, 16"),
        ((3, 16, 224, 224), r"got \[3, 16"),
    ],
)
def test_other_shapes_are_refused(shape, match, network):
    with pytest.raises(ValueError, match=match):
        network(torch.empty(shape))


# ------------------------------------------------------------------------------------------ TorchScript


class Script(torch.nn.Module):
    """A stand-in with the signature of StyleGAN-V's file: rows that tell what it was called with."""

    def forward(
        self, x: torch.Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
    ) -> torch.Tensor:
        row = torch.zeros(x.size(0), 400)
        row[:, 0] = x.mean([1, 2, 3, 4])
        row[:, 1] = float(rescale)
        row[:, 2] = float(resize)
        row[:, 3] = float(return_features)
        row[:, 4] = float(x.size(0))
        row[:, 5] = float(x.size(4))
        return row


def test_the_torchscript_gets_native_frames_to_prepare_and_prepared_ones_as_they_are():
    module = torch.jit.script(Script())
    native = torch.randint(0, 256, (3, 3, 16, 20, 30), dtype=torch.uint8)
    rows = i3d.call_torchscript(module, native)
    assert rows.shape == (3, 400) and rows.dtype == torch.float32
    assert torch.allclose(rows[:, 0], native.float().mean((1, 2, 3, 4)))
    assert rows[:, 1:6].tolist() == [[1, 1, 1, 1, 30]] * 3  # one clip a call
    prepared = torch.rand(2, 3, 9, 224, 224) * 2 - 1
    rows = i3d.call_torchscript(module, prepared)
    assert torch.allclose(rows[:, 0], prepared.mean((1, 2, 3, 4)), atol=1e-5)
    assert rows[:, 1:6].tolist() == [[0, 0, 1, 1, 224]] * 2


def test_the_torchscript_is_not_called_with_what_it_cannot_take():
    for shape, kind in (((1, 3, 16, 100, 100), torch.float32), ((1, 16, 3, 9, 9), torch.uint8)):
        with pytest.raises(ValueError, match="clips for I3D are"):
            i3d.call_torchscript(Script(), torch.zeros(shape, dtype=kind))
    with pytest.raises(ValueError, match="9 frames or more, got 6"):
        i3d.call_torchscript(Script(), torch.zeros(1, 3, 6, 20, 20, dtype=torch.uint8))
