"""Networks side by side in one process, on one thread.

    python -m benchmarks.network_inception [--only inception,…] [--rounds 9] [--images 8] [--json F]

inception: our network as features run it (batch norm folded, channels last, weights packed, images one by
one) beside pytorch-fid's own eager network (batches of 8),
same random weights, same images; also a frame's way to the network's input, beside torch's. CPU time of this
thread; medians over rounds, the calls in turns. The goal is a ratio of at least 1.5.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np


def medians(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each call, taken in turns after one call that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.thread_time()
            call()
            taken[name].append(time.thread_time() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def inception(rounds: int, images: int) -> dict[str, float]:
    """Milliseconds an image: networks, and preparing a 240×320 frame; largest difference; ratios."""
    import pytorch_fid.inception as peer_module
    import torch
    from torch.nn import functional

    from synvid_eval.features.inception import InceptionInput
    from synvid_eval.networks.fusing import fused
    from synvid_eval.networks.inception import SIDE, build
    from tests.networks.sane import sane, textures

    network = sane(build(), textures(8, SIDE, seed=7)).requires_grad_(False)
    with mock.patch.object(peer_module, "load_state_dict_from_url", lambda *_, **__: network.state_dict()):
        peer = peer_module.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    x = textures(images, SIDE, seed=5)
    fp32, bf16 = fused(network, "fp32"), fused(network, "bf16")

    def eager() -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([peer(part)[0].flatten(1) for part in x.split(8)])

    difference = float((eager() - fp32(x)).abs().max())
    times = medians({"peer": eager, "fp32": lambda: fp32(x), "bf16": lambda: bf16(x)}, rounds)
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)

    def interpolated() -> torch.Tensor:
        pixels = torch.from_numpy(frame).permute(2, 0, 1)[None].float().div(255)
        return 2 * functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False) - 1

    views: dict[str, Callable[[], Any]] = {"torch_bilinear": interpolated}
    for protocol in ("pytorch", "clean", "tf"):
        views[f"view_{protocol}"] = partial(InceptionInput(protocol), frame)  # type: ignore[arg-type]
    return {
        **{f"{name}_ms": seconds / images * 1e3 for name, seconds in times.items()},
        **{f"{name}_ms": seconds * 1e3 for name, seconds in medians(views, 10 * rounds).items()},
        "largest_difference": difference,
        "ratio": times["peer"] / times["fp32"],
        "ratio_bf16": times["peer"] / times["bf16"],
    }


NETWORKS: dict[str, Callable[[int, int], dict[str, float]]] = {"inception": inception}


def main() -> None:
    """Prints a table a network, and its ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(NETWORKS), help="networks, comma-separated")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=8, help="inputs a round")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    print(f"$ python -m benchmarks.network_inception {' '.join(sys.argv[1:])}".rstrip())
    facts = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    print(f"# {facts['machine']}, torch {facts['torch']}, 1 thread, medians of {given.rounds} rounds")
    found = {}
    for name in given.only.split(","):
        found[name] = NETWORKS[name](given.rounds, given.images)
        for key, value in found[name].items():
            print(f"{name:10} {key:20} {value:10.4g}")
    if given.json:
        given.json.write_text(json.dumps({**facts, **found}, indent=1))


if __name__ == "__main__":
    main()
