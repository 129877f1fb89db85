"""Textures beside their plain versions, the slow and straightforward ones that the tests hold them against.

    python -m benchmarks.textures [--rounds 5] [--json F]

One thread, CPU time of this process, warm, medians over textures, in turns. *statistical*: the full model at
256² (the issue asks for 10 ×). *stylegan*: a 256² texture with a fresh noise map beside a plain torch network
with the same parameters, whose own noise map and colors are not even counted (100 ×); and a frame of a walk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import plain
from synvid_eval.generators.statistical import Statistical
from synvid_eval.generators.stylegan import StyleganOriented

POOL = "benchmark"


def cpu(work: Callable[[int], object], index: int) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    work(index)
    return time.process_time() - began


def side_by_side(
    name: str, ours: Callable[[int], object], theirs: Callable[[int], object], rounds: int
) -> float:
    """Prints milliseconds of both and the ratio, and returns that."""
    ours(0)
    theirs(0)
    fast, slow = [], []
    for index in range(1, rounds + 1):
        fast += [cpu(ours, 3 * index + k) for k in range(3)]
        slow.append(cpu(theirs, index))
    here, there = statistics.median(fast), statistics.median(slow)
    print(f"{name:12} {here * 1e3:7.1f} ms, plain {there * 1e3:7.0f} ms: {there / here:.0f} ×", flush=True)
    return there / here


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the ratios here")
    given = parser.parse_args()
    rounds, ratios = given.rounds, {}
    torch.set_num_threads(1)
    statistical = Statistical()
    ratios["statistical"] = side_by_side(
        "statistical",
        lambda index: statistical.picture(0, POOL, index),
        lambda index: plain.statistical(statistical, POOL, index),
        rounds,
    )
    styled = StyleganOriented()
    drawn, latents = styled.parameters(0, POOL, 0), styled.latents(0, POOL, 0)

    def network(index: int) -> None:
        with torch.no_grad():
            plain.stylegan(drawn, latents, torch.float32, transposed=True)

    ratios["stylegan"] = side_by_side(
        "stylegan", lambda index: styled.picture(0, POOL, index), network, rounds
    )
    walks = [cpu(lambda i: list(styled.walk(0, POOL, i, range(40, 56, 4))), index) / 4 for index in range(5)]
    print(f"a frame of a walk: {statistics.median(walks) * 1e3:.1f} ms")
    if given.json:
        given.json.write_text(json.dumps(ratios, indent=1))


if __name__ == "__main__":
    main()
