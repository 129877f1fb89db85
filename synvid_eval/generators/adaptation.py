"""Adaptation: what is meant to bring drawn clips nearer to real video: a background behind what moves, a
camera that pans, zooms and shakes, objects that are smaller than the frame.

Source: Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action Recognition with Automatically
Generated Fractal Datasets" (arXiv 2411.17584), and its released code, which applies them to batches while it
trains. Its blur, RandAugment and crops of the training pipeline are no part of them, and not here.

Each is a small pure function `(clip, parameters) -> clip`, both uint8 [T, H, W, 3] RGB, of a frozen dataclass
of parameters. These hold an entry for each frame, so a few frames can be had without the others (`narrowed`).
`synvid_eval.generators.operations` draws parameters, `synvid_eval.generators.adapting` makes chains of them.

Lengths are in pixels, pixel centers at whole numbers, matrices go from a pixel of the result to one of what
is given. Where it differs from the released code: everything is drawn a clip, not a batch (`adapt_batch`, a
knob of generators); zoom and perspective are centered on the frame's very middle and one resampling each
(there the crop goes to whole pixels, and perspective is two); a window that slides goes one frame size at
most in clips that have more frames than rows, where "at least 1 px a frame" would go further; windows begin
at a moment drawn from all that leave room (of backgrounds the last is never drawn there); where ten draws
give no crop, the whole picture is taken. Floats: the same bytes on one machine and OpenCV version.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.generators.base import Frame

Clip = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Box = tuple[int, int, int, int]
"""Top, left, height and width [px] of a part of a frame."""

REVISION = 1
"""Raised whenever the same address gives other pixels: it is part of what identifies an adapted clip."""


# -- draws ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draws:
    """The random numbers of one operation on one clip, each quantity with a stream of its own.

    parts: the address: seed, preset or set, clip, operation.
    """

    parts: tuple[str | int, ...]

    def key(self, *what: str | int) -> int:
        """The 64-bit key of a quantity (see `randomness.address`)."""
        return randomness.address("synvid_eval.adaptation", *self.parts, *what)

    def units(self, what: str, count: int) -> Floats:
        """float64 [count] in [0, 1)."""
        return randomness.unit(randomness.stream(self.key(what), count))

    def unit(self, what: str) -> float:
        """One number in [0, 1)."""
        return float(self.units(what, 1)[0])

    def uniform(self, what: str, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * self.unit(what)

    def whole(self, what: str, low: int, high: int) -> int:
        """One whole number in [low, high], both ends included."""
        return low + int(randomness.below(randomness.stream(self.key(what), 1), high - low + 1)[0])


class Others(Protocol):
    """The clips that a clip's backgrounds are taken from."""

    def still(self, draws: Draws, which: int) -> Frame:
        """A random frame of the random clip number `which`: uint8 [h, w, 3]."""

    def window(self, draws: Draws, which: int, length: int) -> list[Frame]:
        """At most `length` consecutive frames of it, from a random one on: at least one, of one size."""


# -- parameters -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameters:
    """What an operation does to a clip of T frames.

    times: int64 [T, R], the frames that each frame is made from. `each` names the fields that have an entry
    for each frame.
    """

    times: Ints
    each: ClassVar[tuple[str, ...]] = ()

    def matrices(self, size: tuple[int, int]) -> Floats:
        """Where each frame's pixels come from, float64 [T, 3, 3], of frames of that size [px]: here from
        where they are.
        """
        return np.repeat(np.eye(3)[None], len(self.times), 0)


def narrowed(parameters: Parameters, frames: Sequence[int]) -> tuple[list[int], Parameters]:
    """(the frames that some frames of the result are made from, ascending, each once; the parameters that
    make those of a clip of just these).
    """
    wanted = parameters.times[list(frames)]
    needed, places = np.unique(wanted, return_inverse=True)
    own = {name: getattr(parameters, name)[list(frames)] for name in parameters.each}
    times = places.reshape(wanted.shape).astype(np.int64)
    return needed.tolist(), dataclasses.replace(parameters, times=times, **own)


def in_place(total: int) -> Ints:
    """The `times` of an operation that makes each frame from itself: int64 [total, 1]."""
    return np.arange(total, dtype=np.int64)[:, None]


@dataclass(frozen=True)
class Window(Parameters):
    """The frame's window on the clip enlarged by `margin` px each way: corner, int64 [T, 2], is its top and
    left in [0, margin].
    """

    margin: int
    corner: Ints
    each = ("corner",)

    def matrices(self, size: tuple[int, int]) -> Floats:
        """See `Parameters.matrices`."""
        found = super().matrices(size)
        for axis, side, column in ((0, size[1], 1), (1, size[0], 0)):
            scale = side / (side + self.margin)
            found[:, axis, axis] = scale
            found[:, axis, 2] = (self.corner[:, column] + 0.5) * scale - 0.5
        return found


@dataclass(frozen=True)
class Warp(Parameters):
    """A projective map a frame. matrix: float64 [T, 3, 3]. edge: whether the frame's edge goes on beyond it;
    else it is black there.
    """

    matrix: Floats
    edge: bool
    each = ("matrix",)

    def matrices(self, size: tuple[int, int]) -> Floats:
        """See `Parameters.matrices`."""
        return self.matrix


@dataclass(frozen=True)
class Place(Parameters):
    """The whole frame in a box, black around."""

    box: Box

    def matrices(self, size: tuple[int, int]) -> Floats:
        """See `Parameters.matrices`."""
        found = super().matrices(size)
        top, left, height, width = self.box
        for axis, side, begin, extent in ((0, size[1], left, width), (1, size[0], top, height)):
            found[:, axis, axis] = side / extent
            found[:, axis, 2] = (0.5 - begin) * side / extent - 0.5
        return found


@dataclass(frozen=True)
class Flip(Parameters):
    """Left becomes right."""

    def matrices(self, size: tuple[int, int]) -> Floats:
        """See `Parameters.matrices`."""
        found = super().matrices(size)
        found[:, 0, 0], found[:, 0, 2] = -1, size[1] - 1
        return found


@dataclass(frozen=True)
class Copies(Parameters):
    """The whole frame in a box, and a copy from the second of `times` in another box of that size, mirrored
    or not and turned by `angle` [rad]; the lighter of both, black around.
    """

    box: Box
    other: Box
    mirror: bool
    angle: float


@dataclass(frozen=True)
class Mix(Parameters):
    """A background. pictures: uint8 [B, H + m, W + m, 3]. shown: int64 [T], the picture behind each frame.
    corner: int64 [T, 2], top and left of the window on it, in [0, m]. lighter: the lighter of both, in place
    of (1 − alpha) · clip^0.75 + alpha · picture^0.75, all that to the power of `exponent`, of values in [0,
    1].
    """

    pictures: Clip
    shown: Ints
    corner: Ints
    alpha: float
    exponent: float
    lighter: bool
    each = ("shown", "corner")


# -- functions --------------------------------------------------------------------------------------


def windowed(clip: Clip, parameters: Window) -> Clip:
    """A window that moves over the enlarged clip (bilinear): the camera or what it looks at is displaced."""
    if not parameters.margin:
        return clip[parameters.times[:, 0]]
    tall, wide = clip.shape[1:3]
    size = (wide + parameters.margin, tall + parameters.margin)
    made = np.empty((len(parameters.times), *clip.shape[1:]), np.uint8)
    for number, (time, corner) in enumerate(zip(parameters.times[:, 0], parameters.corner, strict=True)):
        large = cv2.resize(clip[time], size, interpolation=cv2.INTER_LINEAR)
        made[number] = large[corner[0] : corner[0] + tall, corner[1] : corner[1] + wide]
    return made


def warped(clip: Clip, parameters: Warp) -> Clip:
    """Each frame through its projective map (bilinear)."""
    border = cv2.BORDER_REPLICATE if parameters.edge else cv2.BORDER_CONSTANT
    made = np.empty((len(parameters.times), *clip.shape[1:]), np.uint8)
    for number, (time, matrix) in enumerate(zip(parameters.times[:, 0], parameters.matrix, strict=True)):
        made[number] = _moved(clip[time], matrix, border)
    return made


def placed(clip: Clip, parameters: Place) -> Clip:
    """The clip made smaller (bicubic) and put somewhere on black."""
    top, left, height, width = parameters.box
    if (height, width) == clip.shape[1:3]:
        return clip[parameters.times[:, 0]]
    made = np.zeros((len(parameters.times), *clip.shape[1:]), np.uint8)
    for number, time in enumerate(parameters.times[:, 0]):
        small = cv2.resize(clip[time], (width, height), interpolation=cv2.INTER_CUBIC)
        made[number, top : top + height, left : left + width] = small
    return made


def mirrored(clip: Clip, parameters: Flip) -> Clip:
    """The clip with left and right exchanged."""
    made = np.empty((len(parameters.times), *clip.shape[1:]), np.uint8)
    for frame, time in zip(made, parameters.times[:, 0], strict=True):
        cv2.flip(clip[time], 1, dst=frame)
    return made


def reordered(clip: Clip, parameters: Parameters) -> Clip:
    """The frames that `times` says, such as the clip backwards."""
    return clip[parameters.times[:, 0]]


def cloned(clip: Clip, parameters: Copies) -> Clip:
    """The clip made smaller (bicubic) beside a turned copy of it at another time, on black."""
    _, _, height, width = parameters.box
    cosine, sine = math.cos(parameters.angle), math.sin(parameters.angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    turn = np.array([[cosine, -sine, x - cosine * x + sine * y], [sine, cosine, y - sine * x - cosine * y]])
    made = np.zeros((len(parameters.times), *clip.shape[1:]), np.uint8)
    for frame, (here, there) in zip(made, parameters.times, strict=True):
        first, second = (
            cv2.resize(clip[time], (width, height), interpolation=cv2.INTER_CUBIC) for time in (here, there)
        )
        second = second[:, ::-1] if parameters.mirror else second
        second = _moved(np.ascontiguousarray(second), np.vstack([turn, [0, 0, 1]]), cv2.BORDER_CONSTANT)
        for (top, left, _, _), picture in ((parameters.box, first), (parameters.other, second)):
            part = frame[top : top + height, left : left + width]
            np.maximum(part, picture, out=part)
    return made


def mixed(clip: Clip, parameters: Mix) -> Clip:
    """The clip over a background (see `Mix`), rounded to the nearest grey level."""
    tall, wide = clip.shape[1:3]
    made = np.empty((len(parameters.times), *clip.shape[1:]), np.uint8)
    table = mix_table(parameters.alpha, parameters.exponent)
    steps = zip(parameters.times[:, 0], parameters.shown, parameters.corner, strict=True)
    for frame, (time, shown, (top, left)) in zip(made, steps, strict=True):
        behind = parameters.pictures[shown, top : top + tall, left : left + wide]
        if parameters.lighter:
            np.maximum(clip[time], behind, out=frame)
        else:
            _look_up(table, clip[time], behind, frame)
    return made


def mix_table(alpha: float, exponent: float) -> NDArray[np.uint8]:
    """The mix of every value of a clip with every value of a background: uint8 [256, 256]."""
    value = (np.arange(256) / 255) ** 0.75
    both = (1 - alpha) * value[:, None] + alpha * value[None]
    return np.floor(np.clip(both, 0, 1) ** exponent * 255 + 0.5).astype(np.uint8)


@numba.njit(cache=True, nogil=True)
def _look_up(table: Any, clip: Any, behind: Any, made: Any) -> None:
    """made = table[clip, behind], each uint8 [H, W, 3]."""
    height, width, _ = made.shape
    for y in range(height):
        for x in range(width):
            for c in range(3):
                made[y, x, c] = table[clip[y, x, c], behind[y, x, c]]


def _moved(frame: Frame, matrix: Floats, border: int) -> Frame:
    """A frame through a projective map (bilinear)."""
    if np.abs(matrix - np.eye(3)).max() < 1e-9:
        return frame
    size, flags = frame.shape[1::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if (matrix[2] == (0, 0, 1)).all():
        moved = cv2.warpAffine(frame, matrix[:2], size, flags=flags, borderMode=border)
    else:
        moved = cv2.warpPerspective(frame, matrix, size, flags=flags, borderMode=border)
    return np.asarray(moved, np.uint8)
