"""I3D as this package runs it beside the plain eager network, one clip of 16 frames at a time, in turns.

    python -m benchmarks.network_i3d [--rounds 7] [--frames 16] [--compile] [--json F]

Plain is what published ports do: each unit pads a copy with zeros, then nn.Conv3d, nn.BatchNorm3d, ReLU; each
pool pads, then nn.MaxPool3d; contiguous tensors. Weights are random (He), the same for all. CPU time of this
thread, one thread; medians over rounds, ratios of medians; rows of all variants must agree. With --compile
also the network compiled by torch.compile, the wall time it takes to compile, and from how many clips on that
is regained. The goals are 1.15, and 1.7 compiled.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from synvid_eval.networks import i3d
from synvid_eval.networks.fusing import fused


def compiled(network: i3d.I3D) -> Callable[[Tensor], Tensor]:
    """The network (not fused) compiled by inductor with its weights frozen: clips [B, 3, T, 224, 224] →
    logits [B, 400], one clip after the other. Wants a C++ compiler.
    """
    import torch._inductor.config as inductor

    one = torch.compile(network, dynamic=False)

    @torch.no_grad()
    def rows(x: Tensor) -> Tensor:
        # The option of torch.compile comes too late for the weights to be taken as constants.
        with inductor.patch(freezing=True):
            return torch.cat([one(clip) for clip in x.split(1)])

    return rows


class Plain:
    """The network's own modules and weights, run the plain way."""

    def __init__(self, network: i3d.I3D) -> None:
        self.network = network

    @staticmethod
    def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        """All of the padding there, as zeros."""
        axes = zip(x.shape[2:], kernel, stride, strict=True)
        pads = [i3d.same_padding(size, k, s) for size, k, s in axes]
        return functional.pad(x, [v for pair in reversed(pads) for v in pair])

    def step(self, module: nn.Module, x: Tensor) -> Tensor:
        """What a unit, a pool or a mixed block gives."""
        if isinstance(module, i3d.Unit):
            conv = module.conv3d
            return functional.relu(module.bn(conv(self.padded(x, conv.kernel_size, conv.stride))))
        if isinstance(module, i3d.MaxPool):
            x = self.padded(x, module.kernel, module.stride)
            return functional.max_pool3d(x, module.kernel, module.stride)
        branches = (("b0",), ("b1a", "b1b"), ("b2a", "b2b"), ("b3a", "b3b"))
        joined = []
        for branch in branches:
            out = x
            for name in branch:
                out = self.step(getattr(module, name), out)
            joined.append(out)
        return torch.cat(joined, 1)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """Rows [B, 400] of clips [B, 3, T, 224, 224]."""
        for name, module in self.network.named_children():
            if name != "logits":
                x = self.step(module, x)
        conv = self.network.logits.conv3d
        x = functional.conv3d(functional.avg_pool3d(x, (2, 7, 7), 1), conv.weight, conv.bias)
        return x.squeeze(4).squeeze(3).mean(2)


def random_network() -> i3d.I3D:
    """He-initialised convolutions behind batch norms that change nothing."""
    generator = torch.Generator().manual_seed(0)
    network = i3d.build()
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            deviation = (2 / tensor[0].numel()) ** 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * deviation)
        else:
            tensor.fill_(1 if name.endswith(("bn.weight", "running_var")) else 0)
    return network


def clock(call: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """CPU seconds of one call, this thread."""
    start = time.thread_time()
    call(x)
    return time.thread_time() - start


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler, takes half a minute")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = random_network()
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "plain eager": Plain(network),
        "fused, contiguous": fused(network, "fp32", "contiguous"),
        "fused, channels last": fused(network, "fp32", "channels_last_3d"),
        "fused, channels last, bf16": fused(network, "bf16", "channels_last_3d"),
    }
    x = torch.rand(1, 3, given.frames, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    compiling = 0.0
    if given.compile:
        calls["compiled"] = compiled(network)
        start = time.perf_counter()
        calls["compiled"](x)
        compiling = time.perf_counter() - start
    want = calls["plain eager"](x)
    for name, call in calls.items():
        off = ((call(x) - want).abs().max() / want.abs().mean()).item()
        if "bf16" not in name and off > 1e-4:
            raise SystemExit(f"{name} differs from plain eager by {off:.1e} of the mean row value")
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(given.rounds):
        for name, call in calls.items():
            taken[name].append(clock(call, x))
    median = {name: statistics.median(values) for name, values in taken.items()}
    for name, value in median.items():
        print(f"{name:27} {value * 1e3:7.0f} ms a clip {median['plain eager'] / value:6.2f} x plain eager")
    facts: dict[str, Any] = {"seconds": median, "frames": given.frames, "rounds": given.rounds}
    if given.compile:
        print(f"compiling took {compiling:.0f} s")
        for name in ("plain eager", "fused, channels last"):
            gain = median[name] - median["compiled"]
            pays = f"from {compiling / gain:.0f} clips on" if gain > 0 else "never"
            print(f"it pays off against {name}: {pays}")
        facts["compiling"] = compiling
    if given.json:
        machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        given.json.write_text(json.dumps({**machine, **facts}, indent=1))


if __name__ == "__main__":
    main()
