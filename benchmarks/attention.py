"""What VideoMAE's encoder costs a clip on one thread, and the short inputs that `attention` uses beside it.

    python -m benchmarks.attention [--sizes small,base,large] [--rounds 3] [--json F]

Of each size, in turns, CPU time of this thread: a whole clip of 16 frames at 224 px (1,568 tokens), as
fine-tuning and probes take it, with attention as one fused kernel (`sdpa`, what is run) and written out
(`eager`, as the released code has it); the same 16 frames as 8 inputs of one tubelet (196 tokens each) up to
the keys of the last layer, as `attention` takes them; and these 8 by a whole forward pass with a hook.
Medians over rounds, ratios of medians; rows of both ways must agree. 32 frames of a clip are twice that.
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
from torch import Tensor

from synvid_eval.attention import tapped
from synvid_eval.networks import checkpoints


def clock(call: Callable[[], Tensor]) -> float:
    """CPU seconds of one call, this thread."""
    start = time.thread_time()
    with torch.inference_mode():
        call()
    return time.thread_time() - start


def hooked(module: Any, x: Tensor) -> Tensor:
    """The keys of the last layer, taken from a whole forward pass."""
    seen: list[Tensor] = []
    key = module.encoder.layer[-1].attention.attention.key
    hook = key.register_forward_hook(lambda part, given, out: seen.append(out))
    module(x)
    hook.remove()
    return seen[0]


def measured(size: str, rounds: int) -> dict[str, float]:
    """Name → median CPU seconds a clip of 16 frames."""
    whole = checkpoints.open_encoder(f"random:0:{size}").module
    pair = checkpoints.open_encoder(f"random:0:{size}", frames=2).module
    depth = len(pair.encoder.layer)
    x = torch.randn(1, 16, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    parts = x.reshape(8, 1, 2, 3, 224, 224)

    def eager() -> Tensor:
        before = whole.config._attn_implementation
        whole.config._attn_implementation = "eager"
        try:
            out: Tensor = whole(x).last_hidden_state
        finally:
            whole.config._attn_implementation = before
        return out

    calls: dict[str, Callable[[], Tensor]] = {
        "16 frames, eager": eager,
        "16 frames, sdpa": lambda: whole(x).last_hidden_state,
        "8 × 2 frames, hook": lambda: torch.cat([hooked(pair, p) for p in parts]),
        "8 × 2 frames, keys": lambda: torch.cat([tapped(pair, p, depth - 1, "keys") for p in parts]),
    }
    with torch.inference_mode():
        for a, b in (("16 frames, eager", "16 frames, sdpa"), ("8 × 2 frames, hook", "8 × 2 frames, keys")):
            one, other = calls[a](), calls[b]()
            if ((one - other).abs().max() / one.abs().max()).item() > 1e-4:
                raise SystemExit(f"{size}: {a} and {b} differ")
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(clock(call))
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="small,base,large")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    facts: dict[str, Any] = {}
    for size in given.sizes.split(","):
        found = measured(size, given.rounds)
        facts[size] = {"seconds": found, "ratio": found["16 frames, sdpa"] / found["8 × 2 frames, keys"]}
        facts[size]["eager"] = found["16 frames, eager"] / found["16 frames, sdpa"]
        facts[size]["hook"] = found["8 × 2 frames, hook"] / found["8 × 2 frames, keys"]
        for name, value in found.items():
            beside = found["16 frames, sdpa"] / value
            print(f"{size:6} {name:20} {value * 1e3:8.0f} ms a clip {beside:6.2f} x 16 frames, sdpa")
    if given.json:
        machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        given.json.write_text(json.dumps({**machine, "sizes": facts, "rounds": given.rounds}, indent=1))


if __name__ == "__main__":
    main()
