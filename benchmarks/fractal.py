"""Fractals beside a plain numba implementation in the released code's manner (`benchmarks.plain_fractal`).

    python -m benchmarks.fractal [--clips 5] [--json F]

One thread, CPU time of this process, warm, medians over clips of 256², in turns. *ours* is all of drawing a
clip that was not drawn before: its parameters, the border, the frames in RGB. *plain* is only the chaos game,
its stamps and gray levels, with the same maps and border. At 934,400 points a frame (as published), and ours
at 240,000 against the plain one at 934,400, with the correlation of the pictures (the issue asks for 6 × and
20 × for linear maps, 4 × for the variations with sines and tangents, correlation 0.99).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks import plain_fractal
from synvid_eval.generators import fractal
from synvid_eval.generators.fractal import Fractal

PRESET = "benchmark"
FEWER = 2075
"""Steps of 240,000 counted points a frame."""


def ours(generator: Fractal, index: int) -> tuple[float, np.ndarray]:
    """CPU seconds a frame of a fresh clip, and its gray frames uint8 [T, H, W]."""
    fractal.scene.cache_clear()
    began = time.process_time()
    length = generator.clip_length(0, PRESET, index)
    frames = list(generator.draw(0, PRESET, index, range(length)))
    return (time.process_time() - began) / length, np.stack([frame[..., 0] for frame in frames])


def plain(generator: Fractal, index: int) -> tuple[float, np.ndarray]:
    """The same, the plain way, of the same maps and border."""
    found = fractal.scene(generator, 0, PRESET, index)
    border = found.border.astype(np.float32)
    began = time.process_time()
    canvas = plain_fractal.played(found.maps, border, found.variation, generator.size, 7500, 200, index)
    grays = plain_fractal.grays(canvas)
    return (time.process_time() - began) / len(found.maps), grays


def side_by_side(variation: str, clips: int) -> dict[str, float]:
    """Prints a line, and returns its figures: ms a frame, ratios, the least correlation of a clip."""
    full = Fractal(variation=variation)
    fewer = Fractal(variation=variation, iterations=FEWER)
    for generator in (full, fewer):
        ours(generator, clips)
    plain(full, clips)
    took: dict[str, list[float]] = {"ours": [], "fewer": [], "plain": []}
    alike = []
    for index in range(clips):
        pictures = {}
        for name, draw, generator in (("ours", ours, full), ("fewer", ours, fewer), ("plain", plain, full)):
            seconds, pictures[name] = draw(generator, index)
            took[name].append(seconds)
        alike.append(np.corrcoef(pictures["fewer"].ravel(), pictures["plain"].ravel())[0, 1])
    ms = {name: statistics.median(seconds) * 1e3 for name, seconds in took.items()}
    found = {f"{name}_ms": value for name, value in ms.items()}
    found |= {"ratio": ms["plain"] / ms["ours"], "fewer_ratio": ms["plain"] / ms["fewer"]}
    found["correlation"] = float(min(alike))
    print(
        f"variation {variation:>2}: {ms['ours']:5.2f} ms a frame, plain {ms['plain']:6.1f}: "
        f"{found['ratio']:4.1f} × | 240,000 points {ms['fewer']:5.2f} ms: {found['fewer_ratio']:4.1f} ×, "
        f"correlation at least {found['correlation']:.4f}",
        flush=True,
    )
    return found


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = {variation: side_by_side(variation, given.clips) for variation in ("0", "17", "20", "29")}
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
