"""The Inception network of FID: the ImageNet graph of 2015-12-05, up to its 2048 pooled values.

The graph is that of `inception-2015-12-05.tgz`, whose weights pytorch-fid keeps as a state dict; names and
shapes here are those of that file. It differs from the Inception v3 of textbooks in three places: average
pools do not count their padding, the last block pools by maximum, and there are 1008 classes (`fc`, which
the file holds and nothing here uses). Batch norm has no momentum to speak of and an epsilon of 0.001.

Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016);
M. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (2017) for its use in FID.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from synvid_eval.networks import sizes

SIDE = sizes.SIDES["inception"]
"""Height and width of the input, pixels."""

FEATURES = sizes.FEATURES["inception"]
"""Values in a row."""

CLASSES = 1008
"""Rows of `fc`."""

BN_EPSILON = 1e-3

Kernel: TypeAlias = int | tuple[int, int]

AVERAGE, MAXIMUM, SHRINK = "average", "maximum", "shrink"
"""Pools between units: 3×3 at stride 1 (the border's own pixels only) and 3×3 maximum at stride 2."""


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU: a unit as `networks.fusing` wants it."""

    def __init__(
        self, channels: int, features: int, kernel: Kernel, stride: int = 1, same: bool = True
    ) -> None:
        """channels → features; kernel an odd side or (height, width); same: padded to keep the size."""
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = tuple(side // 2 if same else 0 for side in sides)
        self.conv = nn.Conv2d(channels, features, sides, stride, cast(tuple[int, int], padding), bias=False)
        self.bn = nn.BatchNorm2d(features, eps=BN_EPSILON)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] → [B, features, H′, W′]."""
        return cast(Tensor, self.relu(self.bn(self.conv(x))))


Step: TypeAlias = str | tuple[str, ...]
"""A pool, the name of a unit, or the names of units side by side whose outputs are joined."""


def _pool(x: Tensor, kind: str) -> Tensor:
    if kind == AVERAGE:
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if kind == MAXIMUM:
        return functional.max_pool2d(x, 3, stride=1, padding=1)
    return functional.max_pool2d(x, 3, stride=2)


class Mixed(nn.Module):
    """Branches over one input, joined along channels: each a chain of steps."""

    def __init__(self, units: dict[str, Unit], branches: Sequence[Sequence[Step]]) -> None:
        super().__init__()
        for name, unit in units.items():
            self.add_module(name, unit)
        self.branches = branches

    def _step(self, step: Step, x: Tensor) -> Tensor:
        if isinstance(step, tuple):
            return torch.cat([self._step(name, x) for name in step], 1)
        if step in (AVERAGE, MAXIMUM, SHRINK):
            return _pool(x, step)
        return cast(Tensor, getattr(self, step)(x))

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] → [B, sum of the branches' features, H′, W′]."""
        joined = []
        for branch in self.branches:
            out = x
            for step in branch:
                out = self._step(step, out)
            joined.append(out)
        return torch.cat(joined, 1)


def _mixed_35(channels: int, pooled: int) -> Mixed:
    """35×35: 1×1, 5×5, two 3×3, average pool."""
    units = {
        "branch1x1": Unit(channels, 64, 1),
        "branch5x5_1": Unit(channels, 48, 1),
        "branch5x5_2": Unit(48, 64, 5),
        "branch3x3dbl_1": Unit(channels, 64, 1),
        "branch3x3dbl_2": Unit(64, 96, 3),
        "branch3x3dbl_3": Unit(96, 96, 3),
        "branch_pool": Unit(channels, pooled, 1),
    }
    return Mixed(
        units,
        (
            ("branch1x1",),
            ("branch5x5_1", "branch5x5_2"),
            ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            (AVERAGE, "branch_pool"),
        ),
    )


def _mixed_to_17(channels: int) -> Mixed:
    """35×35 → 17×17."""
    units = {
        "branch3x3": Unit(channels, 384, 3, stride=2, same=False),
        "branch3x3dbl_1": Unit(channels, 64, 1),
        "branch3x3dbl_2": Unit(64, 96, 3),
        "branch3x3dbl_3": Unit(96, 96, 3, stride=2, same=False),
    }
    return Mixed(units, (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), (SHRINK,)))


def _mixed_17(channels: int, width: int) -> Mixed:
    """17×17: 1×1, a 7×7 as 1×7 and 7×1, two of them, average pool. width: features between them."""
    units = {
        "branch1x1": Unit(channels, 192, 1),
        "branch7x7_1": Unit(channels, width, 1),
        "branch7x7_2": Unit(width, width, (1, 7)),
        "branch7x7_3": Unit(width, 192, (7, 1)),
        "branch7x7dbl_1": Unit(channels, width, 1),
        "branch7x7dbl_2": Unit(width, width, (7, 1)),
        "branch7x7dbl_3": Unit(width, width, (1, 7)),
        "branch7x7dbl_4": Unit(width, width, (7, 1)),
        "branch7x7dbl_5": Unit(width, 192, (1, 7)),
        "branch_pool": Unit(channels, 192, 1),
    }
    return Mixed(
        units,
        (
            ("branch1x1",),
            tuple(f"branch7x7_{i}" for i in range(1, 4)),
            tuple(f"branch7x7dbl_{i}" for i in range(1, 6)),
            (AVERAGE, "branch_pool"),
        ),
    )


def _mixed_to_8(channels: int) -> Mixed:
    """17×17 → 8×8."""
    units = {
        "branch3x3_1": Unit(channels, 192, 1),
        "branch3x3_2": Unit(192, 320, 3, stride=2, same=False),
        "branch7x7x3_1": Unit(channels, 192, 1),
        "branch7x7x3_2": Unit(192, 192, (1, 7)),
        "branch7x7x3_3": Unit(192, 192, (7, 1)),
        "branch7x7x3_4": Unit(192, 192, 3, stride=2, same=False),
    }
    return Mixed(
        units,
        (
            ("branch3x3_1", "branch3x3_2"),
            tuple(f"branch7x7x3_{i}" for i in range(1, 5)),
            (SHRINK,),
        ),
    )


def _mixed_8(channels: int, pool: str) -> Mixed:
    """8×8: 1×1, a 3×3 spread into 1×3 beside 3×1, the same behind a 3×3, a pool of either kind."""
    units = {
        "branch1x1": Unit(channels, 320, 1),
        "branch3x3_1": Unit(channels, 384, 1),
        "branch3x3_2a": Unit(384, 384, (1, 3)),
        "branch3x3_2b": Unit(384, 384, (3, 1)),
        "branch3x3dbl_1": Unit(channels, 448, 1),
        "branch3x3dbl_2": Unit(448, 384, 3),
        "branch3x3dbl_3a": Unit(384, 384, (1, 3)),
        "branch3x3dbl_3b": Unit(384, 384, (3, 1)),
        "branch_pool": Unit(channels, 192, 1),
    }
    return Mixed(
        units,
        (
            ("branch1x1",),
            ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b")),
            ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")),
            (pool, "branch_pool"),
        ),
    )


class Inception(nn.Module):
    """Normalised images → the 2048 values before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2, same=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, same=False)
        self.Mixed_5b = _mixed_35(192, 32)
        self.Mixed_5c = _mixed_35(256, 64)
        self.Mixed_5d = _mixed_35(288, 64)
        self.Mixed_6a = _mixed_to_17(288)
        self.Mixed_6b = _mixed_17(768, 128)
        self.Mixed_6c = _mixed_17(768, 160)
        self.Mixed_6d = _mixed_17(768, 160)
        self.Mixed_6e = _mixed_17(768, 192)
        self.Mixed_7a = _mixed_to_8(768)
        self.Mixed_7b = _mixed_8(1280, AVERAGE)
        self.Mixed_7c = _mixed_8(2048, MAXIMUM)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def _stages(self) -> Iterator[nn.Module | str]:
        for name, stage in self.named_children():
            if name == "fc":
                return
            yield stage
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                yield SHRINK

    def forward(self, x: Tensor) -> Tensor:
        """The pooled features [B, 2048], float32, of images [B, 3, 299, 299] in the range of the protocol
        (about −1 to 1; see `features.inception`). Other sizes from 75 pixels on run, too, and mean nothing.
        """
        for stage in self._stages():
            x = _pool(x, stage) if isinstance(stage, str) else stage(x)
        return x.float().mean((2, 3))


def build() -> Inception:
    """The network in eval mode, its tensors NaN until weights are loaded: a forgotten one is seen."""
    with torch.device("meta"):
        network = Inception()
    network = network.to_empty(device="cpu").eval()
    for tensor in network.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
    return network.requires_grad_(False)


def expected() -> dict[str, tuple[int, ...]]:
    """Names → shapes of all tensors of pytorch-fid's file, less the `num_batches_tracked` it may hold.

    `fc.weight` and `fc.bias` are among them, so that a file of another network is told apart.
    """
    with torch.device("meta"):
        tensors = Inception().state_dict()
    return {n: tuple(t.shape) for n, t in tensors.items() if not n.endswith("num_batches_tracked")}
