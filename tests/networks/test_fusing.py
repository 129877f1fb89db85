from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from synvid_eval.networks import fusing
from synvid_eval.networks.fusing import convolve, folded, fused
from tests.networks.sane import sane


class Unit(nn.Module):
    """A unit in 2-D or 3-D; `relu`: as a module of its own, or called in forward."""

    def __init__(self, dim: int, channels: int, out: int, bias: bool, relu: bool, **kinds):
        super().__init__()
        conv = nn.Conv2d if dim == 2 else nn.Conv3d
        norm = nn.BatchNorm2d if dim == 2 else nn.BatchNorm3d
        setattr(self, "conv" if dim == 2 else "conv3d", conv(channels, out, 3, bias=bias, **kinds))
        self.bn = norm(out, eps=1e-3)
        self.relu = nn.ReLU() if relu else None

    def forward(self, x):
        conv = self.conv if hasattr(self, "conv") else self.conv3d
        pads = [1] * (x.dim() - 2) if conv.padding[0] == 0 else None
        out = self.bn(convolve(conv, x, pads))
        return functional.relu(out) if self.relu is None else self.relu(out)


class Last(nn.Module):
    """A convolution without batch norm or ReLU."""

    def __init__(self, dim: int, channels: int):
        super().__init__()
        self.conv = (nn.Conv2d if dim == 2 else nn.Conv3d)(channels, 7, 1)

    def forward(self, x):
        return self.conv(x)


class Small(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.a = Unit(dim, 3, 16, bias=False, relu=True)
        self.b = Unit(dim, 16, 24, bias=True, relu=False, stride=2, padding=1)
        self.c = Unit(dim, 24, 32, bias=False, relu=True, padding=2, dilation=2, groups=2)
        self.d = Last(dim, 32)

    def forward(self, x):
        return self.d(self.c(self.b(self.a(x)))).float().flatten(2).mean(2)


SHAPE = {2: (3, 21, 18), 3: (3, 7, 12, 11)}
LAYOUTS = [(2, "contiguous"), (2, "channels_last"), (3, "contiguous"), (3, "channels_last_3d")]


def inputs(dim: int, count: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(count, *SHAPE[dim], generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[2, 3])
def dim(request):
    return request.param


def small(dim: int) -> nn.Module:
    return sane(Small(dim), inputs(dim, 8, 1)).requires_grad_(False)


def exact(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The module itself, batch norms and all, in float64 (its `.float()` at the end rounds once)."""
    with torch.no_grad():
        return copy.deepcopy(network).double()(x.double())


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("dim", "layout"), LAYOUTS)
def test_a_fused_network_gives_what_the_network_gives(dim, layout, packed, monkeypatch):
    if not packed:
        monkeypatch.setattr(fusing, "packs", lambda dtype: False)
    network, x = small(dim), inputs(dim, 4)
    want = exact(network, x)
    assert want.abs().max() > 0.5 and want.std(0).max() > 0.05
    torch.testing.assert_close(fused(network, "fp32", layout)(x), want, rtol=0, atol=3e-6)
    bf16 = fused(network, "bf16", layout)(x)
    assert bf16.dtype == torch.float32
    assert 1e-5 < (bf16 - want).abs().max() < 0.1


def test_folding_is_exact(dim):
    """In float64 the folded convolution and the two modules agree to rounding, and a shift of any term of the
    formula would be seen.
    """
    network, x = small(dim).double(), inputs(dim, 2).double()
    first = network.a.conv if dim == 2 else network.a.conv3d
    weight, bias = folded(first, network.a.bn)
    call = functional.conv2d if dim == 2 else functional.conv3d
    with torch.no_grad():
        want = network.a.bn(first(x))
    torch.testing.assert_close(call(x, weight, bias), want, rtol=0, atol=1e-12)


def test_folding_without_scale_and_shift():
    conv, bn = nn.Conv2d(2, 3, 1).double(), nn.BatchNorm2d(3, affine=False).double()
    bn.running_mean.copy_(torch.tensor([1.0, -2.0, 3.0]))
    bn.running_var.copy_(torch.tensor([4.0, 0.25, 9.0]))
    x = inputs(2, 2)[:, :2].double()
    weight, bias = folded(conv, bn)
    with torch.no_grad():
        torch.testing.assert_close(functional.conv2d(x, weight, bias), bn.eval()(conv(x)), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="without running statistics"):
        folded(conv, nn.BatchNorm2d(3, track_running_stats=False))


def test_the_network_itself_is_left_alone_and_the_copy_needs_no_gradients(dim):
    network = small(dim)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    ready = fused(network, "fp32", "contiguous")
    ready(inputs(dim, 1))
    assert not ready.training and not any(p.requires_grad for p in ready.parameters())
    after = network.state_dict()
    assert set(after) == set(before) and all(torch.equal(before[n], after[n]) for n in before)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("dim", "layout"), LAYOUTS)
def test_rows_depend_on_their_input_alone(dim, layout, precision):
    ready, x = fused(small(dim), precision, layout), inputs(dim, 16)
    alone = torch.cat([ready(one) for one in x.split(1)])
    for size in (2, 3, 5, 8, 16):
        assert torch.equal(torch.cat([ready(part) for part in x.split(size)]), alone), size
    assert torch.equal(ready(x.flip(0)), alone.flip(0))
    assert torch.equal(ready(x[3:4].expand(6, *x.shape[1:])), alone[3:4].expand(6, -1))


def test_rows_do_not_depend_on_the_shapes_that_came_before(dim):
    x, other = inputs(dim, 2), inputs(dim, 1)[..., :9]
    ready = fused(small(dim), "fp32", "channels_last" if dim == 2 else "channels_last_3d")
    first = ready(x)
    ready(other)
    assert torch.equal(ready(x), first)
    fresh = fused(small(dim), "fp32", "channels_last" if dim == 2 else "channels_last_3d")
    fresh(other)
    assert torch.equal(fresh(x), first)


def test_networks_that_cannot_be_fused_are_refused():
    with pytest.raises(ValueError, match="0 units"):
        fused(nn.Sequential(nn.Flatten()))
    stray = nn.Sequential(Unit(2, 3, 4, bias=False, relu=True), nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match="batch norms outside units: 1"):
        fused(stray)
