"""Camera: photographs under a moving, slightly shaking camera: the demo's stand-in for real video.

Not real video and not from any paper: eight color photographs that scikit-image installs, looked at through a
window that pans, zooms and rolls slowly, trembles as a hand does, and has a sensor's noise. It gives the demo
a reference with the colors and spectra of photographs and with continuous motion, without a download. What
real video has and this has not: objects that move by themselves, parallax, cuts, compression. Clip i shows
photograph i mod 8, so clips of one photograph are no independent draws (`Camera.source`), and there are eight
sources, whatever the number of clips.

All numbers are our choice, set by looking at the clips and so that the contract's `motion` (temporal
decorrelation at stride 4) falls where UCF101 lies (0.46–0.50). The path is a sum of sines of time, so any
frame is drawn alone. Drawn in floating point (OpenCV's bilinear warp): the same bytes on one machine and
OpenCV version; elsewhere the warp may round otherwise, which stays within one grey level once a frame is
reduced to 2 × 3 (tested by stored thumbnails). Paths and noise start from integer draws, the same everywhere.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import DataError
from synvid_eval.generators.base import Frame, Generator
from synvid_eval.generators.resize import resized
from synvid_eval.knobs import knob

PHOTOGRAPHS = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "motorcycle": "motorcycle_left.png",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "ihc": "ihc.png",
}
"""Name → file in scikit-image's data folder. They are installed with it; its own loader may fetch, so it is
not used.
"""

ROOM = 1.6
"""The photograph is resized until it is just this many times the frame in the tighter direction: room to
pan.
"""


@dataclass(frozen=True)
class Path2D:
    """Where the camera looks: a sum of sines per quantity. Arrays float64 [4, K] for x, y, log zoom, roll.

    amplitude: in px, px, 1 and rad. rate: in rad/frame. phase: in rad.
    """

    amplitude: NDArray[np.float64]
    rate: NDArray[np.float64]
    phase: NDArray[np.float64]

    def at(self, frame: int) -> tuple[float, float, float, float]:
        """x, y [px, from the middle], zoom factor and roll [rad] at a frame."""
        x, y, zoom, roll = (self.amplitude * np.sin(self.rate * frame + self.phase)).sum(1).tolist()
        return x, y, math.exp(zoom), roll


@dataclass(frozen=True)
class Camera(Generator):
    """Installed photographs under a moving camera (see the module's docstring)."""

    name: ClassVar[str] = "camera"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

    height: int = knob(
        240, "height of the frames", low=16, high=2160, unit="px", scale="log", source="our choice: UCF101's"
    )
    width: int = knob(
        320, "width of the frames", low=16, high=3840, unit="px", scale="log", source="our choice: UCF101's"
    )
    length: str = knob(
        "64:120",
        "frames of a clip (16 at stride 4 need 61)",
        low=1,
        high=100_000,
        unit="frames",
        scale="log",
        ends="whole",
        source="our choice",
    )
    pan: float = knob(
        1.0,
        "how much of the room around the window the slow pan uses",
        low=0,
        high=1,
        unit="share",
        source="our choice",
        search=(0, 1),
        group="camera",
    )
    shake: float = knob(
        1.0,
        "amplitude of the hand's tremor",
        low=0,
        high=20,
        unit="px at width 320",
        source="our choice",
        search=(0, 6),
        group="camera",
    )
    noise: float = knob(
        1.4,
        "standard deviation of the sensor's noise",
        low=0,
        high=20,
        unit="grey levels",
        source="our choice",
        search=(0, 6),
        group="camera",
    )

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames [px]."""
        return self.height, self.width

    def source(self, seed: int, preset: str, index: int) -> str:
        """The photograph of clip `index`: `index` mod 8 in the order of `PHOTOGRAPHS`."""
        return list(PHOTOGRAPHS)[index % len(PHOTOGRAPHS)]

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [height, width, 3] RGB; see `Generator.draw`.

        Raises:
            DataError: a photograph is missing from scikit-image's folder or cannot be read.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        photograph = _photograph(self.source(seed, preset, index), self.height, self.width)
        path = self.path(seed, preset, index)
        return (self._frame(photograph, path, (seed, preset, index), frame) for frame in frames)

    def path(self, seed: int, preset: str, index: int) -> Path2D:
        """The camera's path in clip `index`: three slow sines for each of x, y, zoom and roll, two quick ones
        of tremor.

        Slow: periods 2.5–8 s. Tremor: 2–6 Hz, as hands have it. The slow sines share out what room the window
        leaves at the largest zoom, roll and tremor, so it stays inside the photograph (a `shake` beyond that
        room sees the border mirrored).
        """
        photograph = _photograph(self.source(seed, preset, index), self.height, self.width)
        key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, "path")
        draws = randomness.unit(randomness.stream(key, 3 * 4 * 5)).reshape(3, 4, 5)
        unit = self.width / 320
        zoom, roll, tremor = 0.10, 0.03, self.shake * unit
        # Half the window at the largest zoom, turned by the largest roll, and the tremor, all stay inside.
        tall, wide = photograph.shape[:2]
        half_x = (self.width * math.cos(roll) + self.height * math.sin(roll)) / 2 * math.exp(zoom)
        half_y = (self.height * math.cos(roll) + self.width * math.sin(roll)) / 2 * math.exp(zoom)
        room = [max(side / 2 - half - tremor - 1, 0.0) for side, half in ((wide, half_x), (tall, half_y))]
        share = 0.4 + 0.6 * draws[0, :, :3]
        share /= share.sum(1, keepdims=True)
        amplitude = np.zeros((4, 5))
        amplitude[:, :3] = share * np.array([self.pan * room[0], self.pan * room[1], zoom, roll])[:, None]
        amplitude[:2, 3:] = tremor * 0.5
        period = np.concatenate([2.5 + 5.5 * draws[1, :, :3], 1 / (2 + 4 * draws[1, :, 3:])], 1) * self.fps
        return Path2D(amplitude, 2 * math.pi / period, 2 * math.pi * draws[2])

    def _frame(self, photograph: Frame, path: Path2D, where: tuple[int, str, int], frame: int) -> Frame:
        x, y, zoom, roll = path.at(frame)
        tall, wide = photograph.shape[:2]
        cosine, sine = zoom * math.cos(roll), zoom * math.sin(roll)
        middle_x, middle_y = (self.width - 1) / 2, (self.height - 1) / 2
        to_photograph = np.array(
            [
                [cosine, -sine, (wide - 1) / 2 + x - cosine * middle_x + sine * middle_y],
                [sine, cosine, (tall - 1) / 2 + y - sine * middle_x - cosine * middle_y],
            ]
        )
        seen = cv2.warpAffine(
            photograph,
            to_photograph,
            (self.width, self.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        if self.noise:
            key = randomness.address(f"synvid_eval.generators.{self.name}", *where, "noise", frame)
            seen = cv2.add(seen, grain(key, seen.size, self.noise).reshape(seen.shape), dtype=cv2.CV_8U)
        return np.ascontiguousarray(seen, dtype=np.uint8)


def grain(key: int, count: int, sigma: float) -> NDArray[np.int8]:
    """`count` normal draws of standard deviation `sigma` [grey levels, ≤ 20], rounded to whole levels, int8.

    A byte a draw picks one of 256 equally likely quantiles: an eighth of a 64-bit draw each.
    """
    draws = randomness.stream(key, (count + 7) // 8).astype("<u8").view(np.uint8)[:count]
    return _quantiles(sigma)[draws]


@functools.lru_cache(maxsize=8)
def _quantiles(sigma: float) -> NDArray[np.int8]:
    normal = statistics.NormalDist()
    return np.array([round(sigma * normal.inv_cdf((i + 0.5) / 256)) for i in range(256)], np.int8)


@functools.lru_cache(maxsize=len(PHOTOGRAPHS))
def _photograph(name: str, height: int, width: int) -> Frame:
    """A photograph, resized to leave `ROOM` around frames of that size: uint8 [≥ height, ≥ width, 3] RGB,
    read-only.
    """
    path = folder() / PHOTOGRAPHS[name]
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        picture = None
    if picture is None:
        raise DataError(
            f"The photograph {path} is missing or cannot be read.",
            "scikit-image installs it: pip install --force-reinstall scikit-image",
        )
    tall, wide = picture.shape[:2]
    scale = ROOM * max(height / tall, width / wide)
    large = resized(
        np.asarray(picture, np.uint8), max(round(tall * scale), height), max(round(wide * scale), width)
    )
    found: Frame = np.ascontiguousarray(large[:, :, ::-1])
    found.flags.writeable = False
    return found


def folder() -> Path:
    """scikit-image's data folder, found without importing it; DataError where scikit-image is not
    installed.
    """
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataError(
            "scikit-image is not installed.", "It brings the photographs: pip install scikit-image"
        )
    return Path(spec.origin).parent / "data"
