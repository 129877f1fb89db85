"""What a step of pre-training spends on its clips: drawing and cropping, beside the network.

    python -m benchmarks.training [--presets LIST] [--rounds 6] [--json F]

One thread. `tiny`: a step of the recipe `tiny`, medians; its clips are made in the same process, so their
share is of the whole step. `paper`: milliseconds a clip to make what the recipe `paper` sees (16 frames of
224²), and how many processor cores keep a GPU busy that takes `--rate` clips a second. That rate is an
assumption until it is measured on the GPU: ViT-B with three quarters hidden is some 0.33 TFLOP a clip,
forward and back.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from synvid_eval.cache import Cache
from synvid_eval.measurement import Options
from synvid_eval.training import engine, recipe
from synvid_eval.training.engine import Devices
from synvid_eval.training.pretrain import PlannedPretraining

PRESETS = "static_circles,moving_circles,moving_shapes,moving_transforming_shapes,acc_transforming_shapes"


def planned(preset: str, name: str) -> PlannedPretraining:
    """A training of a preset by a recipe."""
    chosen, network = recipe.chosen(recipe.PRETRAINING, name, [])
    return PlannedPretraining(preset, chosen, network, Options(workers=1, cache=Cache(None)), device="cpu")


def making(plan: PlannedPretraining, rounds: int) -> float:
    """CPU seconds to make a clip: drawn, cropped, its mask."""
    make = plan.training("cpu").make
    make((0, 0))
    times = []
    for index in range(1, rounds + 1):
        began = time.process_time()
        make((0, index))
        times.append(time.process_time() - began)
    return statistics.median(times)


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--presets", default=PRESETS)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1200.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for preset in given.presets.split(","):
        tiny = planned(preset, "tiny")
        seconds, drawing = engine.tried(tiny.training("cpu"), Devices("cpu"), given.rounds)
        paper = making(planned(preset, "paper"), 10 * given.rounds)
        rows.append({"preset": preset, "step": seconds, "share": drawing / seconds, "paper": paper})
        print(
            f"{preset:28} tiny: {seconds:.2f} s a step, {drawing / seconds:5.1%} of it its clips   "
            f"paper: {paper * 1e3:5.1f} ms a clip, {paper * given.rate:4.0f} cores for "
            f"{given.rate:,.0f} clips/s",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
