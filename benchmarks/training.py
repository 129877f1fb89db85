"""What a step of pre-training spends on its clips: drawing and cropping, beside the network.

    python -m benchmarks.training [--presets LIST] [--images DIR|skimage] [--pool 250] [--rounds 3]
        [--rate 1200] [--json F]

One thread, medians. `tiny`: a step of the recipe `tiny`; its clips are made in the same process, so their
share is of the whole step. `paper`: CPU milliseconds a clip to make what the recipe `paper` sees (16 frames
of 224²), and how many processor cores keep a GPU busy that takes `--rate` clips a second. That rate is
derived, not measured: ViT-B with three quarters hidden is some 0.33 TFLOP a clip, forward and back, and 1,200
clips a second of that are 0.4 PFLOP/s, two fifths of the 1 PFLOP/s that an H200 is sold with in bf16. Give
the rate that a GPU of yours has: `clips_per_s` in the log of a run.

Each clip is made once before the clock starts: textures are made when they are first wanted, and kept.
Objects draw from `--pool` of them, of which 1,000 take some 160 s (statistical ones).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import torch

from synvid_eval.cache import Cache
from synvid_eval.generators import pool as pools
from synvid_eval.generators import presets
from synvid_eval.generators.photos import INSTALLED
from synvid_eval.measurement import Options
from synvid_eval.training import engine, recipe
from synvid_eval.training.engine import Devices
from synvid_eval.training.pretrain import PlannedPretraining

PRESETS = (
    "static_circles,moving_circles,moving_shapes,moving_transforming_shapes,acc_transforming_shapes,"
    "acc_transforming_textures,acc_transforming_stylegan,acc_transforming_images"
)
RATE, POOL = 1200.0, 250


def place(preset: str, images: str, pool: int) -> str:
    """A preset as a SET. images, pool: of those that show pictures or textures."""
    of = presets.get(preset)
    said = {"images": images} if "images" in of.needs else {}
    said |= {"pool": str(pool)} if getattr(of.configured(**said), "textures", "") else {}
    return f"preset:{preset}?{urlencode(said)}"


def planned(location: str, name: str) -> PlannedPretraining:
    """A training of a preset by a recipe."""
    chosen, network = recipe.chosen(recipe.PRETRAINING, name, [])
    return PlannedPretraining(location, chosen, network, Options(workers=1, cache=Cache(None)), device="cpu")


def step(plan: PlannedPretraining, rounds: int) -> tuple[float, float]:
    """(seconds of a step, of these to make its batch)."""
    training, where = plan.training("cpu"), Devices("cpu")
    for number in range(2):  # those that are tried
        for item in training.batches.share(number, 0, 1, training.micro(1))[0]:
            training.make(item)
    tries = [engine.tried(training, where) for _ in range(rounds)]
    return statistics.median(t.seconds for t in tries), statistics.median(t.making for t in tries)


def making(plan: PlannedPretraining, clips: int) -> float:
    """CPU seconds to make a clip: drawn, cropped, its mask."""
    make = plan.method.maker(plan.source, plan.chosen, plan.network, plan.options.seed)
    times = []
    for index in range(clips):
        make((0, index))
        began = time.process_time()
        make((0, index))
        times.append(time.process_time() - began)
    return statistics.median(times)


def row(location: str, rounds: int, rate: float) -> dict[str, Any]:
    """What is said of a preset."""
    tiny = planned(location, "tiny")
    seconds, drawing = step(tiny, rounds)
    paper = making(planned(location, "paper"), 10 * rounds)
    return {
        "preset": tiny.source.name,
        "step": seconds,
        "share": drawing / seconds,
        "paper": paper,
        "rate": rate,
        "cores": paper * rate,
    }


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--presets", default=PRESETS)
    parser.add_argument("--images", default=INSTALLED, help="of presets that show pictures")
    parser.add_argument("--pool", type=int, default=POOL, help="textures that objects draw from")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=RATE, help="clips a second that the GPU takes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with pools.kept_apart():
        for preset in given.presets.split(","):
            rows.append(found := row(place(preset, given.images, given.pool), given.rounds, given.rate))
            print(
                f"{preset:28} tiny: {found['step']:.2f} s a step, {found['share']:5.1%} of it its clips   "
                f"paper: {found['paper'] * 1e3:5.1f} ms a clip, {1 / found['paper']:4.0f} clips/s a core, "
                f"{found['cores']:4.0f} cores for {given.rate:,.0f} clips/s",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
