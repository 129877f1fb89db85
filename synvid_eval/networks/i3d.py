"""I3D (RGB, 400 classes): the network behind the Fréchet video distance. Clip → 400 logits.

The graph, its tensor names and their shapes are those of `i3d_pretrained_400.pt` as VideoGPT and its kin ship
it, in TensorFlow's arithmetic: every convolution and max pool is padded so that it gives ⌈size/stride⌉ values
along each axis, the odd zero at the end. Units are convolution without bias, batch norm with ε = 1e-5, ReLU.

StyleGAN-V's TorchScript file of the same network is not converted but called: `call_torchscript`.

Source: J. Carreira, A. Zisserman, "Quo Vadis, Action Recognition?" (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synvid_eval.networks.fusing import convolve
from synvid_eval.networks.sizes import FEATURES, LEAST_FRAMES, SIDES

CLASSES = FEATURES["i3d"]
"""Values in a row."""

SIDE = SIDES["i3d"]
"""Height and width of the input, pixels."""

BN_EPSILON = 1e-5

Size = tuple[int, int, int]

MIXED: dict[str, tuple[int, Sequence[int]]] = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Name → channels in, and those of b0, b1a, b1b, b2a, b2b, b3b."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis of `size` values so that ⌈size/stride⌉ come out, TensorFlow's "same"."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


class Unit(nn.Module):
    """Convolution, batch norm, ReLU: [B, in, T, H, W] → [B, out, ⌈T/s⌉, ⌈H/s⌉, ⌈W/s⌉]."""

    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        """channels → out; kernel and stride are the same along all axes."""
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(channels, out, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out, eps=BN_EPSILON)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """float [B, in, T, H, W] → float ≥ 0 [B, out, …]."""
        pads = [same_padding(size, self.kernel, self.stride) for size in x.shape[2:]]
        # What both ends have in common is left to the convolution, which needs no copy for it.
        if any(back > front for front, back in pads):
            x = functional.pad(x, [v for front, back in reversed(pads) for v in (0, back - front)])
        return cast(Tensor, self.relu(self.bn(convolve(self.conv3d, x, [front for front, _ in pads]))))


class MaxPool(nn.Module):
    """The largest of each window of values ≥ 0 (what a ReLU gives): padding with 0 adds nothing to these."""

    def __init__(self, kernel: Size, stride: Size) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """float ≥ 0 [B, C, T, H, W] → [B, C, ⌈T/s⌉, ⌈H/s⌉, ⌈W/s⌉]."""
        # The pool of torch is up to thirty times as slow on a CPU; not all versions have one for Apple's.
        if x.is_cuda or torch.compiler.is_compiling():
            return pool_by_torch(x, self.kernel, self.stride)
        return pool_by_axis(x, self.kernel, self.stride)


def pool_by_torch(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """`MaxPool` as one call; the windows at the end hang over it, which needs no padded copy."""
    axes = zip(x.shape[2:], kernel, stride, strict=True)
    front = [same_padding(size, k, s)[0] for size, k, s in axes]
    return functional.max_pool3d(x, kernel, stride, front, ceil_mode=True)


def pool_by_axis(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """`MaxPool` as one pass along each axis, since the largest of a box is the largest of lines' largest."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        if k == 1:
            continue
        size = x.shape[axis]
        front, _ = same_padding(size, k, s)
        out = x[_along(axis, slice(0, size, s))].clone()
        for shift in range(-front, k - front):
            if shift == 0:
                continue
            # Windows i with 0 ≤ i·s + shift < size.
            first, end = max(0, -(shift // s)), min(out.shape[axis], -((shift - size) // s))
            if first < end:
                begin, last = first * s + shift, (end - 1) * s + shift
                part = out[_along(axis, slice(first, end))]
                torch.maximum(part, x[_along(axis, slice(begin, last + 1, s))], out=part)
        x = out
    return x


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, part)


class Mixed(nn.Module):
    """Four branches over the same values, joined: 1×1×1; 1×1×1, 3×3×3; the same, narrower; pool, 1×1×1."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Unit(channels, b0)
        self.b1a = Unit(channels, b1a)
        self.b1b = Unit(b1a, b1b, 3)
        self.b2a = Unit(channels, b2a)
        self.b2b = Unit(b2a, b2b, 3)
        self.b3a = MaxPool((3, 3, 3), (1, 1, 1))
        self.b3b = Unit(channels, b3b)

    def forward(self, x: Tensor) -> Tensor:
        """float ≥ 0 [B, in, T, H, W] → [B, b0 + b1b + b2b + b3b, T, H, W]."""
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))]
        return torch.cat(branches, dim=1)


class Logits(nn.Module):
    """The last 1×1×1 convolution, with bias, without batch norm or ReLU, in float32."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """float [B, n, in] → float32 [B, n, out]."""
        bias = cast(Tensor, self.conv3d.bias)
        return functional.linear(x.float(), self.conv3d.weight.float().flatten(1), bias.float())


class I3D(nn.Module):
    """Clips float32 [B, 3, T, 224, 224] in −1 … 1, T ≥ 9 → logits float32 [B, 400], averaged over time."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.MaxPool3d_2a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.Mixed_3b = Mixed(*MIXED["Mixed_3b"])
        self.Mixed_3c = Mixed(*MIXED["Mixed_3c"])
        self.MaxPool3d_4a_3x3 = MaxPool((3, 3, 3), (2, 2, 2))
        self.Mixed_4b = Mixed(*MIXED["Mixed_4b"])
        self.Mixed_4c = Mixed(*MIXED["Mixed_4c"])
        self.Mixed_4d = Mixed(*MIXED["Mixed_4d"])
        self.Mixed_4e = Mixed(*MIXED["Mixed_4e"])
        self.Mixed_4f = Mixed(*MIXED["Mixed_4f"])
        self.MaxPool3d_5a_2x2 = MaxPool((2, 2, 2), (2, 2, 2))
        self.Mixed_5b = Mixed(*MIXED["Mixed_5b"])
        self.Mixed_5c = Mixed(*MIXED["Mixed_5c"])
        self.logits = Logits(1024, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 400] of clips [B, 3, T, 224, 224]; ValueError for any other shape."""
        check_clips(x)
        for name, stage in self.named_children():
            if name != "logits":
                x = stage(x)
        # The 2×7×7 average pool sees all of the 7×7 there are: means of neighbors in time.
        x = x.float().mean((3, 4)).transpose(1, 2)
        logits: Tensor = self.logits((x[:, :-1] + x[:, 1:]) / 2)
        return logits.mean(1)


def check_clips(x: Tensor) -> None:
    """ValueError unless x is [B, 3, T, 224, 224] with T ≥ 9."""
    shape = list(x.shape)
    if len(shape) != 5 or shape[1] != 3 or shape[3:] != [SIDE, SIDE]:
        raise ValueError(f"clips for I3D are [B, 3, T, {SIDE}, {SIDE}], got {shape}")
    _check_length(shape[2])


def _check_length(frames: int) -> None:
    if frames < LEAST_FRAMES:
        raise ValueError(f"I3D needs clips of {LEAST_FRAMES} frames or more, got {frames}")


def build() -> I3D:
    """The network in eval mode, its tensors NaN until weights are loaded: a forgotten one is seen."""
    with torch.device("meta"):
        network = I3D()
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for tensor in network.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
    return network


def expected() -> dict[str, tuple[int, ...]]:
    """Names → shapes of all tensors of VideoGPT's file, without the `num_batches_tracked` it may hold."""
    with torch.device("meta"):
        tensors = I3D().state_dict()
    return {n: tuple(t.shape) for n, t in tensors.items() if not n.endswith("num_batches_tracked")}


def _one_by_one(x: Tensor) -> list[Tensor]:
    return [x[i : i + 1] for i in range(len(x))]


@torch.inference_mode()
def call_torchscript(module: Callable[..., Tensor], x: Tensor) -> Tensor:
    """Rows [B, 400] float32 of StyleGAN-V's TorchScript file, one clip after the other on a CPU.

    x: uint8 [B, 3, T, H, W], frames as decoded, which the file itself resizes and scales; or float32
    [B, 3, T, 224, 224] in −1 … 1, which it takes as they are. ValueError for anything else or T < 9.
    Source: universome/stylegan-v, `src/metrics/frechet_video_distance.py`.
    """
    native = x.dtype == torch.uint8
    if not native:
        check_clips(x)
    elif x.dim() != 5 or x.shape[1] != 3:
        raise ValueError(f"native clips for I3D are [B, 3, T, H, W], got {list(x.shape)}")
    _check_length(x.shape[2])
    parts = _one_by_one(x) if x.device.type == "cpu" else [x]
    rows = [module(part.float(), rescale=native, resize=native, return_features=True) for part in parts]
    return torch.cat(rows).float()
