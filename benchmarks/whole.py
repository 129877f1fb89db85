"""A whole compare with networks: beside what it cannot do without, and beside the peers one after another.

    python -m benchmarks.whole --reference DIR [--clips 6] [--rounds 3] [--many 10000] [--json F]

DIR holds real clips; networks are random ones, whose cost is that of real ones. One process, one thread, CPU
seconds, medians over rounds, in turns. *Ours*: each clip decoded once and measured for all ten metrics
(scoring does not grow with the clips; it is timed below). *Floor*: decoding the wanted frames and our two
networks' passes over ready inputs. *Peers*: a dump of all frames as JPEG;
pytorch-fid's eager network over 10 frames a clip read back, and over 16 in a second script for diversity; a
plain eager I3D; `rgb2lab` and `fft2` of 16 frames. The issue asks for at most 1.10 × the floor and 0.5 × the
peers.

Then scoring alone: a set of `--many` clips of 16 frames a side, rows drawn instead of computed, measured and
scored with all intervals by two threads: seconds of scoring and peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from threadpoolctl import threadpool_limits

from synvid_eval.cache import Cache
from synvid_eval.comparison import build_recipe, compare_measured
from synvid_eval.features.network import Networks
from synvid_eval.measurement import Measurer, Options
from synvid_eval.sets import open_set
from synvid_eval.worker import Worker, clip_task


def cpu(call: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    call()
    return time.process_time() - began


class Peers:
    """What one runs today for the same questions, in their own ways."""

    def __init__(self, paths: list[str]) -> None:
        from unittest import mock

        import pytorch_fid.inception as module
        import torch
        from pytorch_fid.inception import InceptionV3

        from benchmarks.network_i3d import Plain
        from synvid_eval.networks import i3d
        from synvid_eval.networks.random import random_network, random_state

        state = random_state("inception", 0)
        with mock.patch.object(module, "load_state_dict_from_url", lambda *_, **__: state):
            self.inception = InceptionV3([3]).eval()
        network = random_network("i3d", 0)
        assert isinstance(network, i3d.I3D)
        self.i3d, self.paths, self.torch = Plain(network), paths, torch

    def run(self) -> None:
        """All of it, one after another."""
        from PIL import Image
        from skimage.color import rgb2lab

        torch = self.torch
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            dumps = []
            for number, path in enumerate(self.paths):
                files = []
                with av.open(path) as container:
                    for index, frame in enumerate(container.decode(video=0)):
                        files.append(Path(folder) / f"{number}_{index}.jpg")
                        frame.to_image().save(files[-1], quality=95)
                dumps.append(files)
            for count in (10, 16):
                for files in dumps:
                    chosen = [files[(2 * i + 1) * len(files) // (2 * count)] for i in range(count)]
                    batch = np.stack([np.asarray(Image.open(f)) for f in chosen])
                    self.inception(torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255)
            for path in self.paths:
                with av.open(path) as container:
                    run = [
                        f.to_ndarray(format="rgb24")
                        for _, f in zip(range(16), container.decode(video=0), strict=False)
                    ]
                clip = torch.from_numpy(np.stack(run)).permute(0, 3, 1, 2).float()
                small = torch.nn.functional.interpolate(clip, (224, 224), mode="bilinear") / 127.5 - 1
                self.i3d(small.permute(1, 0, 2, 3)[None])
            for files in dumps:
                for file in files[:: max(1, len(files) // 16)][:16]:
                    pixels = np.asarray(Image.open(file))
                    rgb2lab(pixels)
                    np.fft.fft2(pixels.mean(axis=2))


def side_by_side(reference: str, clips: int, rounds: int) -> dict[str, float]:
    """Prints CPU seconds a clip and ratios, and returns the ratios."""
    from synvid_eval.networks.loading import run

    videos = open_set(reference, clips=clips)
    made = build_recipe(networks=Networks(features="random", device="cpu"))
    worker = Worker(made.features, made.sampler, 0)
    worker.warm_up()
    names = [f.name for f in made.features]
    frames = np.zeros((16, 3, 299, 299), np.float32)
    run_of_frames = np.zeros((1, 3, 16, 224, 224), np.float32)
    peers = Peers([c.path for c in videos.clips])

    def ours() -> None:
        for clip in videos.clips:
            worker.measure(clip_task(clip, names))

    def floor() -> None:
        for clip in videos.clips:
            from synvid_eval.sets import open_clip

            reader = open_clip(clip)
            plan = made.sampler.plan(reader.total, clip.id, 0)
            for _ in reader.frames(plan.wanted()):
                pass
            for network, inputs in (("inception", frames), ("i3d", run_of_frames)):
                run(
                    network,
                    inputs,
                    weights="random:0",
                    file="",
                    precision="fp32",
                    device="cpu",
                    batch=0,
                )

    calls = {"ours": ours, "floor": floor, "peers": peers.run}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    with threadpool_limits(1):
        for call in calls.values():
            call()
        for _ in range(rounds):
            for name, call in calls.items():
                taken[name].append(cpu(call) / clips)
    median = {name: statistics.median(values) for name, values in taken.items()}
    for name, seconds in median.items():
        print(f"{name:6} {seconds:.2f} s of CPU a clip")
    print(f"ours: {median['ours'] / median['floor']:.3f} × the floor (asked: 1.10)")
    print(f"ours: {median['ours'] / median['peers']:.3f} × the peers (asked: 0.5)", flush=True)
    return {name: median["ours"] / median[name] for name in ("floor", "peers")}


def many(count: int) -> None:
    """Prints seconds of scoring and the peak memory at `count` clips a side."""
    from synvid_eval.features.network import NetworkFeature

    generator = np.random.default_rng(0)
    widths = {"inception": 2048, "i3d": 400}
    scale = {d: np.logspace(0, -1.5, d, dtype=np.float32) for d in widths.values()}

    def rows(self: Any, inputs: Any) -> Any:
        width = widths[self.network]
        return generator.standard_normal((len(inputs), width), np.float32) * scale[width] + 0.5

    NetworkFeature.rows = rows  # type: ignore[method-assign]
    NetworkFeature.prepare = lambda self: None  # type: ignore[method-assign]
    made = build_recipe(
        ["fid", "kid", "fvd", "kvd", "diversity"], networks=Networks(features="random", device="cpu")
    )
    options = Options(workers=2, cache=Cache(None), sampler=made.sampler)
    for feature in made.features:  # imports and compilation are no part of it
        feature.view()(np.zeros((8, 8, 3), np.uint8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = []
    for name in ("a", "b"):
        array = np.zeros((count, 16, 4, 4, 3), np.uint8)
        with Measurer(made.features, options) as measurer:
            measured.append(measurer.measure(open_set(array, name=name)))
    between = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    found = compare_measured(measured[:1], measured[1], made, options)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for score in found.scores:
        print(f"  {score.metric}: {score.value:.4g} {score.interval}")
    print(
        f"{count:,} clips a side: all scored in {seconds:.0f} s; memory before {before:.0f}, "
        f"measured {between:.0f}, scored {peak:.0f} MiB"
    )


def main() -> None:
    """Prints every figure as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="also write the ratios here")
    asked = parser.parse_args()
    if asked.rounds:
        ratios = side_by_side(asked.reference, asked.clips, asked.rounds)
        if asked.json:
            asked.json.write_text(json.dumps(ratios, indent=1))
    if asked.many:
        many(asked.many)


if __name__ == "__main__":
    main()
