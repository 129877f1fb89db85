"""Frames per second of the generators, one thread, beside a plain OpenCV painter in the reference's manner.

    python -m benchmarks.generators [--clips 8] [--json F]

Both sides draw the same frames of the same clips, in turns in one process; medians over clips of this
thread's CPU time are printed. Two painters, both painting every one of the 500 objects in order, skipping
those whose point has left the frame by the reference's rule:

- reference: in the manner of Yu et al.'s released code: per object and frame a position from speed and
  direction,
  corners from the object's angles, then cv2.ellipse or cv2.fillPoly. The issue's "≥ 15 ×" is against this
  one.
- lean: positions of all objects at once, corners kept from frame to frame, cv2.circle: what a careful user of
  OpenCV
  would write.

Compilation on the first call ever is cached by Numba; the first call's time is printed as what it is.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval.generators import presets
from synvid_eval.generators.base import Generator
from synvid_eval.generators.shapes import CIRCLE, Scene, Shapes


def paint_lean(scene: Scene, size: int, frame: int) -> NDArray[np.uint8]:
    """One frame, uint8 [size, size, 3]: all objects in order, everything that can be prepared being
    prepared.
    """
    picture = np.zeros((size, size, 3), np.uint8)
    outline = scene.outline(frame).astype(np.int32)
    for k, (x, y) in enumerate(scene.place(frame).tolist()):
        if x <= -size or x >= 2 * size or y <= -size or y >= 2 * size:
            continue
        color = scene.color[k].tolist()
        if scene.kind[k] == CIRCLE:
            cv2.circle(picture, (x, y), int(scene.radius[k]), color, -1)
        else:
            cv2.fillPoly(picture, [outline[k]], color)
    return picture


def objects_of(scene: Scene) -> list[tuple]:
    """What the released code keeps of an object: kind, radius, color, center, speed, direction, corners."""
    speed = np.hypot(scene.velocity[:, 0], scene.velocity[:, 1]) / 65536
    direction = np.arctan2(scene.velocity[:, 1], scene.velocity[:, 0])
    local = scene.corners / 65536 - scene.radius[:, None, None]
    polar = np.stack([np.hypot(local[..., 0], local[..., 1]), np.arctan2(local[..., 1], local[..., 0])], -1)
    columns = [a.tolist() for a in (scene.kind, scene.radius, scene.color, scene.center)]
    return list(zip(*columns, speed, direction, polar, strict=True))


def paint_reference(objects: list[tuple], size: int, frame: int) -> NDArray[np.uint8]:
    """One frame, uint8 [size, size, 3]: per object its position, its corners from angles, and a cv2 call."""
    picture = np.zeros((size, size, 3), np.uint8)
    for kind, radius, color, center, speed, direction, polar in objects:
        x = int(center[0] + speed * np.cos(direction) * frame)
        y = int(center[1] + speed * np.sin(direction) * frame)
        if x <= -size or x >= 2 * size or y <= -size or y >= 2 * size:
            continue
        if kind == CIRCLE:
            picture = cv2.ellipse(picture, (x, y), (radius, radius), 0, 0, 360, color, -1)
            continue
        corners = [(away * np.cos(angle) + radius, away * np.sin(angle) + radius) for away, angle in polar]
        polygon = np.array((x, y)) + np.array(corners)
        picture = cv2.fillPoly(picture, np.array(polygon, dtype="int32")[None], color=color)
    return picture


def draw(generator: Generator, preset: str, index: int, frames: Sequence[int]) -> None:
    """Draws and drops the frames."""
    for _ in generator.draw(0, preset, index, frames):
        pass


def paint(one: Callable[..., object], what: object, size: int, frames: Sequence[int]) -> None:
    """Paints and drops the frames."""
    for frame in frames:
        one(what, size, frame)


def seconds_a_frame(draw: Callable[[Sequence[int]], object], frames: Sequence[int]) -> float:
    """CPU time of this thread a frame [s]."""
    start = time.thread_time()
    draw(frames)
    return (time.thread_time() - start) / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=8, help="clips a preset (default 8)")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for name in presets.names():
        generator = presets.get(name).configured()
        start = time.perf_counter()
        next(iter(generator.draw(0, name, 0, [0])))
        first = time.perf_counter() - start
        ours: list[float] = []
        painters: dict[str, list[float]] = {"reference": [], "lean": []}
        for index in range(args.clips):
            frames = range(min(64, generator.clip_length(0, name, index)))
            ours.append(seconds_a_frame(partial(draw, generator, name, index), frames))
            if isinstance(generator, Shapes):
                scene = generator.scene(0, name, index)
                sides = (("reference", paint_reference, objects_of(scene)), ("lean", paint_lean, scene))
                for label, one, what in sides:
                    seconds = seconds_a_frame(partial(paint, one, what, generator.size), frames[::8])
                    painters[label].append(seconds)
        row = {"preset": name, "frame": generator.frame_size, "first_call_s": first}
        row["frames_per_s"] = 1 / statistics.median(ours)
        line = f"{name:16} {row['frames_per_s']:7.0f} frames/s"
        for label, seconds in painters.items():
            if seconds:
                row[f"{label}_frames_per_s"] = 1 / statistics.median(seconds)
                row[f"{label}_ratio"] = row["frames_per_s"] / row[f"{label}_frames_per_s"]
                line += f" | {label} painter {row[f'{label}_frames_per_s']:5.0f}"
                line += f", ratio {row[f'{label}_ratio']:5.1f}"
        rows.append(row)
        print(f"{line} | first call {first:.2f} s", flush=True)
    if args.json:
        machine = {
            "machine": platform.machine(),
            "python": platform.python_version(),
            "opencv": cv2.__version__,
        }
        args.json.write_text(json.dumps({"clips": args.clips, "rows": rows, "run": machine}, indent=1) + "\n")


if __name__ == "__main__":
    main()
