"""Frames per second of the generators, one thread, beside plain OpenCV painters in the reference's manner.

    python -m benchmarks.generators [--clips 8] [--textures stylegan] [--workers-clips 64] [--json F]

All sides draw the same frames of the same clips, in turns in one process; medians over clips of this thread's
CPU time are printed. Painters paint every one of the 500 objects in order, skipping those whose point has
left the frame by the reference's rule:

- reference: in the manner of Yu et al.'s released code. Colors: per object and frame a position from speed
  and direction, corners from the object's angles, three 3 × 3 matrices where it transforms, then cv2.ellipse
  or cv2.fillPoly (the issue's "≥ 15 ×"). Textures: besides, per object and frame a JPEG is read from disk,
  resized to twice the frame, warped over the whole frame and added (the issue's "≥ 300 ×").
- lean: what a careful user of OpenCV would write. Colors: positions of all objects at once, corners kept from
  frame to frame, cv2.circle. Textures: kept in memory at twice the frame, and only the part of the frame that
  an object covers is warped (the issue's "≥ 10 ×").

Then what a trainer draws: a textured clip of 16 frames of 224² at stride 4 (the issue's 16 ms); and what two
workers draw against one (the issue's "≥ 1.8 ×"), by the clock, so on an idle machine: clips through a
DataLoader, and whole files by `generate`.

Textures are made before the clock starts. Compilation on the first call ever is cached by Numba; the first
call's time is printed as what it is.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval.generators import pool as pools
from synvid_eval.generators import presets
from synvid_eval.generators.base import Generator
from synvid_eval.generators.shapes import CIRCLE, Scene, Shapes

TEXTURED = {
    "textured": {},
    "textured, nearest": {"filter": "nearest"},
    "textured, saturated": {"saturate": "wrap"},
}
"""Measured beside the presets: what objects with textures cost, as the knobs of `TRANSFORMING` with these."""

TRANSFORMING = {
    "rotation": "-0.031415926536:0.031415926536",
    "scale": "-0.005:0.005",
    "shear": "-0.005:0.005",
    "acceleration": "-0.03:0.03",
}


class Clip:
    """A clip as painters have it: the scene, each object's numbers, and where textures are kept."""

    def __init__(self, generator: Shapes, preset: str, index: int, folder: Path) -> None:
        self.size = generator.size
        self.scene = scene = generator.scene(0, preset, index)
        self.textures: list[NDArray[np.uint8]] = []
        self.files: list[str] = []
        given = generator.pools(0)
        if given:
            for number, (which, texture) in enumerate(
                zip(*pools.shares(given, scene.texture[1:]), strict=True)
            ):
                picture = np.ascontiguousarray(given[which].texture(int(texture))[..., :3])
                large = cv2.resize(picture, (2 * self.size, 2 * self.size), interpolation=cv2.INTER_NEAREST)
                self.textures.append(large)
                self.files.append(str(folder / f"{number}.jpg"))
                cv2.imwrite(self.files[-1], picture)
        heading = scene.velocity / np.maximum(np.hypot(*scene.velocity.T), 1)[:, None]
        self.objects = list(
            zip(
                *(a.tolist() for a in (scene.kind, scene.radius, scene.color, scene.center)),
                np.hypot(*scene.velocity.T) / 65536,
                (scene.acceleration * heading).sum(1) / 2**24,
                np.arctan2(scene.velocity[:, 1], scene.velocity[:, 0]),
                2 * np.pi * scene.turn / 2**32,
                scene.stretch / 2**32,
                scene.shear / 2**32,
                scene.corners / 65536,
                polar(scene),
                strict=True,
            )
        )
        self.transforms = bool(scene.turn.any() or scene.stretch.any() or scene.shear.any())


def polar(scene: Scene) -> NDArray[np.float64]:
    """Corners as the released code keeps them: distance and angle from (r, r)."""
    local = scene.corners / 65536 - scene.radius[:, None, None]
    return np.stack([np.hypot(local[..., 0], local[..., 1]), np.arctan2(local[..., 1], local[..., 0])], -1)


def affine(radius: int, turn: float, stretch: Sequence[float], shear: Sequence[float], frame: int) -> NDArray:
    """turn · scale · shear about (r // 2, r // 2), three 3 × 3 matrices."""
    p = radius // 2
    c, s = np.cos(turn * frame), np.sin(turn * frame)
    rotate = np.array([[c, -s, p - c * p + s * p], [s, c, p - s * p - c * p], [0, 0, 1]])
    wide, tall = 1 + stretch[0] * frame, 1 + stretch[1] * frame
    scale = np.array([[wide, 0, p * (1 - wide)], [0, tall, p * (1 - tall)], [0, 0, 1]])
    lean, skew = shear[0] * frame, shear[1] * frame
    slant = np.array([[1, lean, -lean * p], [skew, 1, -skew * p], [0, 0, 1]])
    return rotate @ scale @ slant


def paint_reference(clip: Clip, frame: int) -> NDArray[np.uint8]:
    """One frame, uint8 [size, size, 3]: per object its position, its corners from angles, and cv2 calls."""
    size = clip.size
    picture = np.zeros((size, size, 3), np.uint8)
    for number, one in enumerate(clip.objects):
        kind, radius, color, center, speed, rate, direction, turn, stretch, shear, local, polar = one
        way = (speed + rate * frame) * frame
        x = int(center[0] + way * np.cos(direction))
        y = int(center[1] + way * np.sin(direction))
        if x <= -size or x >= 2 * size or y <= -size or y >= 2 * size:
            continue
        if clip.textures:
            texture = cv2.imread(clip.files[number])
            texture = cv2.resize(texture, (2 * size, 2 * size), interpolation=cv2.INTER_NEAREST)
            mask = np.zeros((size, size, 3), np.uint8)
            color = (255, 255, 255)
        canvas = mask if clip.textures else picture
        corners = np.array(
            [(away * np.cos(angle) + radius, away * np.sin(angle) + radius) for away, angle in polar]
        )
        if kind == CIRCLE:
            canvas = cv2.ellipse(canvas, (x, y), (radius, radius), 0, 0, 360, color, -1)
            corners = np.array([(0, 0), (2 * radius, 0), (2 * radius, 2 * radius)])
            polygon = corners + np.array([x - radius, y - radius])
        else:
            if clip.transforms:
                lifted = np.column_stack([corners, np.ones(len(corners))])
                corners = (affine(radius, turn, stretch, shear, frame) @ lifted.T).T[:, :2]
            polygon = np.array((x, y)) + corners
            canvas = cv2.fillPoly(canvas, np.array(polygon, dtype="int32")[None], color=color)
        if clip.textures:
            begin = corners[:3] if kind == CIRCLE else local[:3]
            to_frame = cv2.getAffineTransform(begin.astype(np.float32), polygon[:3].astype(np.float32))
            warped = cv2.warpAffine(texture, to_frame, (size, size))
            picture[mask > 0] = 0
            picture = picture + cv2.bitwise_and(warped, mask)
    return picture


def paint_lean(clip: Clip, frame: int) -> NDArray[np.uint8]:
    """One frame, uint8 [size, size, 3]: all objects in order, everything that can be prepared being
    prepared.
    """
    scene, size = clip.scene, clip.size
    picture = np.zeros((size, size, 3), np.uint8)
    outline = scene.outline(frame).astype(np.int32)
    pose = scene.pose(frame)
    matrices, pivots = pose.matrix.reshape(-1, 2, 2) / 2**20, scene.pivot / 65536
    for k, (x, y) in enumerate(scene.place(frame).tolist()):
        if x <= -size or x >= 2 * size or y <= -size or y >= 2 * size:
            continue
        radius = int(scene.radius[k])
        if not clip.textures:
            color = scene.color[k].tolist()
            if scene.kind[k] == CIRCLE:
                cv2.circle(picture, (x, y), radius, color, -1)
            else:
                cv2.fillPoly(picture, [outline[k]], color)
            continue
        if scene.kind[k] == CIRCLE:
            low, high = (x - radius, y - radius), (x + radius, y + radius)
        else:
            low, high = outline[k].min(0).tolist(), outline[k].max(0).tolist()
        left, top = max(low[0], 0), max(low[1], 0)
        right, bottom = min(high[0], size - 1), min(high[1], size - 1)
        if left > right or top > bottom:
            continue
        mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
        if scene.kind[k] == CIRCLE:
            cv2.circle(mask, (x - left, y - top), radius, 255, -1)
            anchor = np.zeros(2)
        else:
            cv2.fillPoly(mask, [outline[k] - (left, top)], 255)
            anchor = pivots[k]
        shift = np.array([x - left, y - top]) + anchor - matrices[k] @ pivots[k]
        warped = cv2.warpAffine(
            clip.textures[k], np.column_stack([matrices[k], shift]), (mask.shape[1], mask.shape[0])
        )
        cv2.copyTo(warped, mask, picture[top : bottom + 1, left : right + 1])
    return picture


def draw(generator: Generator, preset: str, index: int, frames: Sequence[int]) -> None:
    """Draws and drops the frames."""
    for _ in generator.draw(0, preset, index, frames):
        pass


def paint(one: Callable[[Clip, int], object], clip: Clip, frames: Sequence[int]) -> None:
    """Paints and drops the frames."""
    for frame in frames:
        one(clip, frame)


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
    parser.add_argument(
        "--workers-clips", type=int, default=64, help="clips for one and two workers; 0: neither"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--textures", default="stylegan", help="what objects show (default stylegan)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    kinds: list[tuple[str, Generator]] = [(n, presets.get(n).configured()) for n in plain_presets()]
    if "acc_transforming_shapes" not in presets.names():
        kinds.append(("acc_transforming_shapes", Shapes(circle_transform="scaled", **TRANSFORMING)))
    for name, knobs in TEXTURED.items():
        kinds.append((name, Shapes(textures=args.textures, pool=300, **TRANSFORMING, **knobs)))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, generator in kinds:
            rows.append(measure(name, generator, args.clips, Path(folder)))
    small = training_clip(args.textures, args.clips)
    print(f"a textured clip of 16 × 224² takes {small:.1f} ms", flush=True)
    kinds_of_work = ("loader", "generate") if args.workers_clips else ()
    workers = {kind: one_and_two(kind, args.workers_clips) for kind in kinds_of_work}
    if args.json:
        machine = {
            "machine": platform.machine(),
            "python": platform.python_version(),
            "opencv": cv2.__version__,
        }
        made = {
            "clips": args.clips,
            "rows": rows,
            "training_clip_ms": small,
            "workers": workers,
            "run": machine,
        }
        args.json.write_text(json.dumps(made, indent=1) + "\n")


def plain_presets() -> list[str]:
    """The presets that need no textures, pictures or videos; fractals have a benchmark of their own, since
    they keep the last clip.
    """
    every = [p for p in map(presets.get, presets.names()) if p.generator != "fractal"]
    return [p.name for p in every if not p.needs and not {"textures", "stills"} & set(p.knobs)]


def measure(name: str, generator: Generator, clips: int, folder: Path) -> dict[str, object]:
    """Prints and returns one row: our frames/s and, for shapes, those of the painters."""
    start = time.perf_counter()
    next(iter(generator.draw(0, name, 0, [0])))
    first = time.perf_counter() - start
    ours: list[float] = []
    painters: dict[str, list[float]] = {"reference": [], "lean": []}
    for index in range(clips):
        frames = range(min(64, generator.clip_length(0, name, index)))
        draw(generator, name, index, frames)  # makes the textures
        ours.append(seconds_a_frame(partial(draw, generator, name, index), frames))
        if isinstance(generator, Shapes) and generator.saturate == "none":
            clip = Clip(generator, name, index, folder)
            some = frames[::32] if generator.textures else frames[::8]
            for label, one in (("reference", paint_reference), ("lean", paint_lean)):
                painters[label].append(seconds_a_frame(partial(paint, one, clip), some))
    row: dict[str, object] = {"preset": name, "frame": generator.frame_size, "first_call_s": first}
    rate = 1 / statistics.median(ours)
    row["frames_per_s"] = rate
    line = f"{name:24} {rate:7.0f} frames/s"
    for label, seconds in painters.items():
        if seconds:
            other = 1 / statistics.median(seconds)
            row |= {f"{label}_frames_per_s": other, f"{label}_ratio": rate / other}
            line += f" | {label} painter {other:6.1f}, ratio {rate / other:5.1f}"
    print(f"{line} | first call {first:.2f} s", flush=True)
    return row


def training_clip(textures: str, clips: int) -> float:
    """Median CPU time [ms] of drawing 16 frames of 224² at stride 4 of a textured clip."""
    generator = Shapes(size=224, textures=textures, pool=300, **TRANSFORMING)
    took = []
    for index in range(clips):
        frames = range(0, 64, 4)
        draw(generator, "training", index, frames)  # makes the textures
        took.append(16e3 * seconds_a_frame(partial(draw, generator, "training", index), frames))
    return statistics.median(took)


def one_and_two(kind: str, clips: int) -> dict[str, float]:
    """Prints and returns clips/s of one and of two worker processes, and their ratio."""
    rates = {}
    for workers in (1, 2):
        passes = loaded(clips, workers) if kind == "loader" else generated(clips, workers)
        rates[workers] = clips / min(passes)
    ratio = rates[2] / rates[1]
    print(
        f"{kind}: {rates[1]:.1f} clips/s with one worker, {rates[2]:.1f} with two: {ratio:.2f} ×", flush=True
    )
    return {"one_clips_per_s": rates[1], "two_clips_per_s": rates[2], "ratio": ratio}


def loaded(clips: int, workers: int) -> list[float]:
    """Seconds of two epochs of 16-frame items through a DataLoader; its processes stay."""
    from torch.utils.data import DataLoader

    from synvid_eval.generators import Clips

    loader = DataLoader(
        Clips("acc_transforming_shapes", clips), 4, num_workers=workers, persistent_workers=True
    )
    took = []
    for _ in range(3):
        began = time.perf_counter()
        for _batch in loader:
            pass
        took.append(time.perf_counter() - began)
    return took[1:]  # the first one starts the processes


def generated(clips: int, workers: int) -> list[float]:
    """Seconds of `generate`, from its start to its end, for mp4 files."""
    with tempfile.TemporaryDirectory() as folder:
        asked = ["generate", "acc_transforming_shapes", f"{folder}/set", "--clips", str(clips), "-q"]
        began = time.perf_counter()
        command = [sys.executable, "-m", "synvid_eval", *asked, "--workers", str(workers)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [time.perf_counter() - began]


if __name__ == "__main__":
    main()
