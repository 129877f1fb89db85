"""Makes a network ready to run: batch norm folded into convolutions, one precision, one memory layout.

What a network must be for this: a module whose convolutions stand in *units*, modules with
- `conv` or `conv3d`: an nn.Conv2d or nn.Conv3d,
- `bn`: a batch norm over what it gives, or absent for a plain convolution,
- `relu`: an nn.ReLU applied after `bn`, or absent where the forward calls the function (then nothing is
  gained nor lost),

and whose forward does `self.bn(convolve(self.conv, x))` before anything else is done to x (`self.conv(x)`
does for a convolution with its own padding). `fused` puts a `Convolution` in place of the first and
identities in place of the others.

On a CPU inputs go through the network one by one, whatever the batch, so that a row depends on its input
alone. oneDNN chooses its kernels by shape, batch included, and kernels differ in the order of their sums: of
batches of 1, 2, 3, 5, 8 and 16 the last gave other bits in fp32 where this was measured. Once weights are
kept in the order that the kernels want, instead of being brought into it in each pass, one by one costs
nothing in fp32 and about a sixth in bf16 (Inception, beside batches of 8).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

Precision = Literal["fp32", "bf16"]
Layout = Literal["contiguous", "channels_last", "channels_last_3d"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
    "channels_last_3d": torch.channels_last_3d,
}


@cache
def packs(dtype: torch.dtype) -> bool:
    """Whether this build of torch, on this processor, keeps weights in oneDNN's own order in that dtype.

    The operators are those that torch's own compiler emits, and no public interface: they are tried once, and
    plain convolutions take their place where they are missing or other than expected.
    """
    x, weight = torch.ones(1, 4, 3, 3, dtype=dtype), torch.full((4, 4, 3, 3), -0.5, dtype=dtype)
    weight[1] = 0.5
    try:
        if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return False
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, [1, 1], [1, 1], [1, 1], 1, [1, 4, 3, 3])
        got = torch.ops.mkldnn._convolution_pointwise(
            x, packed, None, [1, 1], [1, 1], [1, 1], 1, "relu", [], ""
        )
        return torch.equal(got, functional.conv2d(x, weight, None, padding=1).relu())
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False


class Convolution(nn.Module):
    """A convolution in 2-D or 3-D, with or without bias, and what may follow it: ReLU or nothing.

    Its weight is not to be changed once it has run.
    """

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, weight: Tensor, bias: Tensor | None, relu: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.padding = [int(p) for p in conv.padding]
        self.stride, self.dilation, self.groups = list(conv.stride), list(conv.dilation), conv.groups
        self.relu = relu
        self._packed: tuple[object, Tensor] | None = None

    def _pack(self, x: Tensor, padding: list[int]) -> Tensor:
        """The weight in the order that inputs of this very shape want; kept for the last shape only, so that
        the bits of a result do not depend on which shapes came before.
        """
        key = (tuple(x.shape), tuple(padding))
        if self._packed is None or self._packed[0] != key:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
            self._packed = key, packed
        return self._packed[1]

    def forward(self, x: Tensor, padding: Sequence[int] | None = None) -> Tensor:
        """[B, in, …] → [B, out, …]; padding: zeros at both ends of each axis, its own if not given."""
        pads = self.padding if padding is None else list(padding)
        if x.device.type == "cpu" and packs(x.dtype):
            out = torch.ops.mkldnn._convolution_pointwise(
                x,
                self._pack(x, pads),
                self.bias,
                pads,
                self.stride,
                self.dilation,
                self.groups,
                "relu" if self.relu else "none",
                [],
                "",
            )
            return cast(Tensor, out)
        call = functional.conv2d if self.weight.dim() == 4 else functional.conv3d
        out = call(x, self.weight, self.bias, self.stride, pads, self.dilation, self.groups)
        return functional.relu_(out) if self.relu else out


def convolve(conv: nn.Module, x: Tensor, padding: Sequence[int] | None = None) -> Tensor:
    """What a unit's forward does with its `conv` or `conv3d`, fused or not: `conv(x)`, with as many zeros at
    both ends of each axis as `padding` says (its own, if not given).
    """
    if padding is None or isinstance(conv, Convolution):
        return cast(Tensor, conv(x) if padding is None else conv(x, padding))
    call = functional.conv2d if isinstance(conv, nn.Conv2d) else functional.conv3d
    plain = cast(nn.Conv3d, conv)
    return call(x, plain.weight, plain.bias, plain.stride, list(padding), plain.dilation, plain.groups)


class Fused(nn.Module):
    """A network that takes and gives float32 and computes in its own precision and layout."""

    def __init__(self, network: nn.Module, precision: Precision, layout: Layout) -> None:
        super().__init__()
        self.network, self.precision, self.layout = network, precision, layout

    def _pass(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.network(x.to(DTYPES[self.precision], memory_format=FORMATS[self.layout])))

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        """The network's rows [B, d], float32, of inputs [B, …], float32; on a CPU one by one."""
        if x.device.type == "cpu":
            return torch.cat([self._pass(one).float() for one in torch.split(x, 1)])
        return self._pass(x).float()


def folded(conv: nn.Conv2d | nn.Conv3d, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of the one convolution that does what `bn(conv(x))` does in eval mode.

    γ (w∗x + b − μ) / √(σ² + ε) + β = (w·s)∗x + (b − μ)·s + β with s = γ / √(σ² + ε), one a feature.
    """
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    scale = (bn.running_var.double() + bn.eps).rsqrt()
    if bn.weight is not None:
        scale = scale * bn.weight.double()
    bias = -bn.running_mean.double() if conv.bias is None else conv.bias.double() - bn.running_mean.double()
    bias = bias * scale
    if bn.bias is not None:
        bias = bias + bn.bias.double()
    return conv.weight.double() * scale.reshape(-1, *[1] * (conv.weight.dim() - 1)), bias


@torch.no_grad()
def fused(network: nn.Module, precision: Precision = "fp32", layout: Layout = "channels_last") -> Fused:
    """A copy of `network` with its units fused (folded in float64, stored in fp32 or bf16), in the given
    memory layout, in eval mode, without gradients; the network itself is left as it is.

    precision: "fp32" or "bf16" (weights, inputs and intermediate images; the sums within a convolution stay
    float32). layout: "channels_last" for 2-D networks, "channels_last_3d" or "contiguous" for 3-D ones.
    ValueError for a network that has no unit, or batch norms outside units.
    """
    out = copy.deepcopy(network).eval().requires_grad_(False)
    units = 0
    for unit in list(out.modules()):
        for name in ("conv", "conv3d"):
            conv, bn = getattr(unit, name, None), getattr(unit, "bn", None)
            if not isinstance(conv, (nn.Conv2d, nn.Conv3d)):
                continue
            weight, bias = folded(conv, bn) if isinstance(bn, _BatchNorm) else (conv.weight, conv.bias)
            relu = isinstance(getattr(unit, "relu", None), nn.ReLU)
            kind = FORMATS[layout]
            stored = weight.to(DTYPES[precision]).contiguous(memory_format=kind)
            setattr(
                unit,
                name,
                Convolution(conv, stored, None if bias is None else bias.to(DTYPES[precision]), relu),
            )
            if isinstance(bn, _BatchNorm):
                unit.bn = nn.Identity()
            if relu:
                unit.relu = nn.Identity()
            units += 1
    left = [name for name, module in out.named_modules() if isinstance(module, _BatchNorm)]
    if left or not units:
        raise ValueError(f"{units} units, batch norms outside units: {', '.join(left) or 'none'}")
    return Fused(out.to(DTYPES[precision]), precision, layout).eval()
