"""Shapes: solid circles and polygons that drift over black, the engine of Yu et al.'s progression of sets.

Source: Yu, Chen, Gandelsman 2024, "Learning Video Representations without Natural Videos" (arXiv 2410.24213),
and its released code, which made the published numbers and wins where the two differ. Every clip is a fresh
draw of 500 objects; object k lies over all objects before it. Quantities of length and speed are stated for
frames of 256 × 256 and scale with size / 256.

What is drawn at frame t: a shape with local corners in [0, 2r]² stands at `trunc(center + velocity · t)`,
truncated toward zero as the released code does, so motion goes in whole pixels without anti-aliasing. A
circle is centered at that point itself, a polygon at that point + (r, r), a square at that point + (0.7 r,
0.7 r): quirks kept, since they are part of what was measured. An object whose point has left [−size + 1,
2·size − 1] on an axis is not drawn.

Same bytes on any CPU: parameters come from integer draws through exact fractions and a fixed-point sine, and
the kernels hold no floating-point number. Conventions of ours, where OpenCV's rasteriser is not documented: a
polygon covers, in each row, everything between the outermost pixels of its outline in that row, the outline
being the nearest pixel to each edge along the edge's longer axis (halves go up); so the boundary is filled,
as by `cv2.fillPoly`. A disc of radius r covers dx² + dy² ≤ r² + r, which is "nearer than r + ½", as the
released code's `cv2.ellipse` nearly does. Against OpenCV, 99.5 % of a scene's pixels and all off an outline
are equal.

Engine: objects are walked from the top down, each claims the pixels that are still free in an *id buffer*,
the walk ends when nothing is free, and each pixel is colored once. Of 500 objects some 130 touch the frame,
a few dozen are seen. The id buffer (`Shapes.ids`) is what exact masks, tracks and optical flow are read from.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.generators.base import Frame, Generator, draw_length, interval
from synvid_eval.knobs import knob

Ints = NDArray[np.int64]

CIRCLE, SQUARE, ORIENTED_SQUARE, RECTANGLE, TRIANGLE, QUADRILATERAL = range(6)
KINDS = ("circle", "square", "oriented_square", "rectangle", "triangle", "quadrilateral")

REFERENCE_SIZE = 256
"""The frame size [px] for which lengths and speeds are stated (released code: `large_scale_options`)."""

RADII = 200
"""Grid points of the radius law (released code, from Baradad et al. 2021)."""

SUBPIXEL = 16
"""Fractional bits of positions and velocities."""

TRIG = 30
"""Fractional bits of sines and cosines."""

# round(2**30 · (π/2)^k / k!) for k = 1, 3, … 13, signs alternating: the Taylor series of sin(π/2 · x), good
# to 1e-9 on [0, 1]. Integers, because a C library's sine is not the same number everywhere. A test computes
# them anew.
_SINE = (1686629713, -693598668, 85569306, -5026995, 172272, -3864, 61)


@dataclass(frozen=True)
class Scene:
    """The sampled parameters of one clip's N objects, lowest first; all integers.

    kind: int64 [N], index into KINDS. center: int64 [N, 2] px (x, y) at frame 0. velocity: int64 [N, 2]
    1/65536 px per frame. radius: int64 [N] px. corners: int64 [N, 4, 2] 1/65536 px, local, in [0, 2r];
    triangles repeat their last corner, circles hold zeros. color: uint8 [N, 3] RGB.
    """

    kind: Ints
    center: Ints
    velocity: Ints
    radius: Ints
    corners: Ints
    color: NDArray[np.uint8]

    def place(self, frame: int) -> Ints:
        """Where each object stands at that frame: int64 [N, 2] px, truncated toward zero."""
        place = np.empty_like(self.center)
        _place(self.center, self.velocity, frame, place)
        return place

    def outline(self, frame: int) -> Ints:
        """The corners at that frame: int64 [N, 4, 2] px, truncated toward zero."""
        return _truncated((self.place(frame)[:, None] << SUBPIXEL) + self.corners)


@dataclass(frozen=True)
class Shapes(Generator):
    """Solid shapes drifting over black (see the module's docstring). Ranges are `low:high`, drawn
    uniformly.
    """

    name: ClassVar[str] = "shapes"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = True

    size: int = knob(256, "height and width of the frames (256: released code)", low=8, high=4096, unit="px")
    length: str = knob(
        "100:199", "frames of a clip, 4–8 s at 25 fps (released code)", low=1, high=100_000, unit="frames"
    )
    objects: int = knob(500, "objects of a clip (released code; the paper does not say)", low=1, high=65_535)
    shapes: str = knob(
        "mixed",
        "circle, or mixed: circle, square, oriented square, rectangle, triangle or quadrilateral, uniformly",
        choices=("circle", "mixed"),
    )
    speed: str = knob(
        "1.2:3.0", "speed of an object (paper, Table 8)", low=0, high=256, unit="px/frame at 256"
    )
    center_range: str = knob(
        "0:2",
        "range of x and y at frame 0. 0:2 is the released code's and is lopsided: no object starts left "
        "of or above the frame, so the upper left is emptier; -0.5:1.5 is symmetric",
        low=-8,
        high=8,
        unit="frame sizes",
    )
    radius: str = knob(
        "0.1:1",
        "smallest and largest radius of the dead-leaves law (released code)",
        low=0.001,
        high=4,
        unit="frame sizes",
    )
    radius_power: int = knob(
        3,
        "power of the law: density of radius r ∝ r^−power − largest^−power (released code: sigma 3)",
        low=1,
        high=8,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        interval(self, "length", whole=True)
        for name in ("speed", "center_range", "radius"):
            interval(self, name)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames [px]."""
        return self.size, self.size

    def clip_length(self, seed: int, preset: str, index: int) -> int:
        """Frames of clip `index`: uniform over the whole numbers of the `length` range, both ends
        included.
        """
        return draw_length(self, seed, preset, index)

    def scene(self, seed: int, preset: str, index: int) -> Scene:
        """The parameters of a clip's objects.

        Each quantity has a stream of its own, addressed by (seed, preset, index, quantity), so a knob changes
        only what it is about, and more objects are added on top of those that were there.
        """

        def draws(quantity: str, each: int = 1) -> NDArray[np.uint64]:
            key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, quantity)
            return randomness.stream(key, self.objects * each).reshape(self.objects, each)

        def words(quantity: str, each: int = 1) -> Ints:
            return (draws(quantity, each) >> np.uint64(32)).astype(np.int64)

        low, high = interval(self, "center_range")
        first, span = round(low * self.size), max(round((high - low) * self.size), 1)
        center = first + randomness.below(draws("center", 2), span)

        scale = Fraction(self.size, REFERENCE_SIZE) * 2**SUBPIXEL
        slow, fast = (round(end * scale) for end in interval(self, "speed"))
        speed = slow + _scaled(words("speed"), fast - slow, 32)
        direction = words("direction")
        velocity = np.concatenate(
            [_scaled(speed, cosine(direction), TRIG), _scaled(speed, sine(direction), TRIG)], 1
        )

        radii, steps = _radius_law(self.size, *interval(self, "radius"), self.radius_power)
        radius = radii[np.searchsorted(steps, words("radius")[:, 0], side="left")]

        if self.shapes == "mixed":
            kind = randomness.below(draws("kind"), len(KINDS))[:, 0]
        else:
            kind = np.full(self.objects, CIRCLE, np.int64)
        corners = _corners(kind, radius, words("corners", 4))
        color = randomness.below(draws("color", 3), 255).astype(np.uint8)
        return Scene(kind, center, velocity, radius, corners, color)

    def draw(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`."""
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return self._draw(self.scene(seed, preset, index), frames)

    def _draw(self, scene: Scene, frames: Sequence[int]) -> Iterator[Frame]:
        palette = np.zeros((self.objects + 1, 3), np.uint8)
        palette[1:] = scene.color
        for ids in self._ids(scene, frames):
            picture = np.empty((self.size, self.size, 3), np.uint8)
            _shade(ids, palette, picture)
            yield picture

    def ids(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[NDArray[np.uint16]]:
        """The topmost object at each pixel of the chosen frames: uint16 [size, size], object k as k + 1, 0
        background.

        Raises:
            UsageError: negative clip index, or a frame outside the clip.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return (ids.copy() for ids in self._ids(self.scene(seed, preset, index), frames))

    def _ids(self, scene: Scene, frames: Sequence[int]) -> Iterator[NDArray[np.uint16]]:
        """As `ids`, but one array, overwritten for each frame (drawn once where nothing moves)."""
        still = not scene.velocity.any()
        ids = np.empty((self.size, self.size), np.uint16)
        for count, frame in enumerate(frames):
            if count == 0 or not still:
                _claim(ids, scene.place(frame), scene.kind, scene.radius, scene.corners)
            yield ids


def sine(phase: Ints) -> Ints:
    """sin(2π · phase / 2**32), int64 with 30 fractional bits, error below 5e-9; phase int64 in [0, 2**32)."""
    quarter, part = phase >> 30, phase & (2**30 - 1)
    x = np.where(quarter & 1, 2**30 - part, part)
    square = (x * x) >> TRIG
    series = np.zeros_like(x)
    for coefficient in reversed(_SINE):
        series = ((series * square) >> TRIG) + coefficient
    value = np.minimum((x * series) >> TRIG, 2**TRIG)
    signed: Ints = np.where(quarter & 2, -value, value)
    return signed


def cosine(phase: Ints) -> Ints:
    """cos(2π · phase / 2**32); see `sine`."""
    return sine((phase + 2**30) & (2**32 - 1))


def _truncated(value: Ints) -> Ints:
    """Whole pixels of 1/65536 px, truncated toward zero as a C cast does it."""
    return np.where(value >= 0, value >> SUBPIXEL, -(-value >> SUBPIXEL))


def _scaled(value: Ints, factor: int | Ints, bits: int) -> Ints:
    """round(value · factor / 2**bits), halves up."""
    return (value * factor + (1 << (bits - 1))) >> bits


@functools.lru_cache(maxsize=64)
def _radius_law(size: int, low: Fraction, high: Fraction, power: int) -> tuple[Ints, Ints]:
    """The dead-leaves radius law as integers: radii int64 [200] px, and steps int64 [199] in 1/2**32.

    Law of the released code: r_j on a grid of 200 from `low` to `high`, weight r_j^−power − high^−power, cdf
    the normalised running sum; a uniform u takes the j of the smallest |cdf_j − u|; the radius is trunc(r_j ·
    size), at least 1. A draw of 32 bits takes the j that counts the steps below it, a step being the middle
    of two cdf values.
    """
    grid = [low + (high - low) * Fraction(j, RADII - 1) for j in range(RADII)]
    radii = np.array([max(int(r * size), 1) for r in grid], np.int64)
    # Weights with 256 bits behind the point instead of exact fractions, whose sums would have huge
    # denominators.
    weights = [int((r**-power - high**-power) * 2**256) for r in grid]
    if low == high:
        return radii, np.full(RADII - 1, 2**32, np.int64)
    total, running, cdf = sum(weights), 0, []
    for weight in weights:
        running += weight
        cdf.append(running)
    steps = [(a + b) * 2**31 // total for a, b in itertools.pairwise(cdf)]
    return radii, np.array(steps, np.int64)


def _corners(kind: Ints, radius: Ints, angles: Ints) -> Ints:
    """Local corners int64 [N, 4, 2] in 1/65536 px, in order around the shape; angles int64 [N, 4] in [0,
    2**32) turns.

    Released code: square (0,0), (s,0), (s,s), (0,s) with s = r√2; oriented square ±s/2 turned by a uniform
    angle; rectangle (±r cos a, ±r sin a) with a in a quarter turn; triangle and quadrilateral at 3 and 4
    sorted uniform angles on the circle of radius r; all but the square moved by (r, r). Truncated to whole
    pixels here, except the oriented square, of which the half side is truncated and the turned corners are so
    only after the position was added.
    """
    turn, half = 2**32, 2**31
    quarter = angles[:, 0] >> 2
    triangle = np.sort(angles[:, :3], axis=1)[:, [0, 1, 2, 2]]
    rectangle = np.stack([quarter, half - quarter, half + quarter, (turn - quarter) % turn], 1)
    phases = np.select(
        [(kind == RECTANGLE)[:, None], (kind == TRIANGLE)[:, None]],
        [rectangle, triangle],
        np.sort(angles, axis=1),
    )
    r = radius[:, None]
    on_circle = np.stack([((r << TRIG) + r * wave(phases)) >> TRIG for wave in (cosine, sine)], -1)
    corners = np.maximum(on_circle, 0) << SUBPIXEL

    around = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.int64)
    sides, halves = (
        np.array([math.isqrt(n) for n in squares.tolist()]) for squares in (2 * radius**2, radius**2 // 2)
    )
    square = sides[:, None, None] * ((around + 1) // 2) << SUBPIXEL
    c, s = (wave(angles[:, :1]) * halves[:, None] for wave in (cosine, sine))
    turned = np.stack([c * around[:, 0] - s * around[:, 1], s * around[:, 0] + c * around[:, 1]], -1)
    oriented = (radius[:, None, None] << SUBPIXEL) + (turned >> (TRIG - SUBPIXEL))
    which = kind[:, None, None]
    conditions = [which == CIRCLE, which == SQUARE, which == ORIENTED_SQUARE]
    return np.select(conditions, [np.zeros_like(corners), square, oriented], corners)


@numba.njit(cache=True, nogil=True)
def _whole(value: int) -> int:
    """As `_truncated`, of one number."""
    return value >> SUBPIXEL if value >= 0 else -(-value >> SUBPIXEL)


@numba.njit(cache=True, nogil=True)
def _place(center: Any, velocity: Any, frame: int, place: Any) -> None:
    """place int64 [N, 2] px = center + velocity · frame, truncated."""
    for k in range(len(center)):
        for axis in range(2):
            place[k, axis] = _whole((center[k, axis] << SUBPIXEL) + velocity[k, axis] * frame)


@numba.njit(cache=True, nogil=True)
def _disc_rows(x: int, y: int, radius: int, top: int, bottom: int, left: Any, right: Any) -> None:
    """Row spans of a disc: left, right of rows top…bottom."""
    limit = radius * radius + radius
    half = radius
    for step in range(radius + 1):
        while half * half + step * step > limit:
            half -= 1
        if top <= y - step <= bottom:
            left[y - step] = x - half
            right[y - step] = x + half
        if top <= y + step <= bottom:
            left[y + step] = x - half
            right[y + step] = x + half


@numba.njit(cache=True, nogil=True)
def _edge_rows(x0: int, y0: int, x1: int, y1: int, top: int, bottom: int, left: Any, right: Any) -> None:
    """Widens the row spans of rows top…bottom by an edge's pixels: the nearest along its longer axis, halves
    up.
    """
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    rise = y1 - y0
    run = x1 - x0
    wide = abs(run)
    first = max(y0, top)
    last = min(y1, bottom)
    if first > last:
        return
    if rise == 0:
        left[y0] = min(left[y0], x0, x1)
        right[y0] = max(right[y0], x0, x1)
        return
    whole = 2 * rise
    step = 2 * run // whole if rise >= wide else 2 * wide // whole
    if rise >= wide:
        # One pixel a row: x = x0 + floor(run · (y − y0) / rise + ½), carried along as quotient and remainder.
        rest = 2 * run - step * whole
        numerator = 2 * run * (first - y0) + rise
        x = numerator // whole
        error = numerator - x * whole
        for row in range(first, last + 1):
            left[row] = min(left[row], x0 + x)
            right[row] = max(right[row], x0 + x)
            x += step
            error += rest
            if error >= whole:
                error -= whole
                x += 1
        return
    # Several pixels a row: columns m from ceil(wide · (2k − 1) / (2 rise)) up to where the next row k + 1
    # begins.
    rest = 2 * wide - step * whole
    numerator = wide * (2 * (first - y0) - 1) + whole - 1
    begin = numerator // whole
    error = numerator - begin * whole
    for row in range(first, last + 1):
        end = begin + step
        error += rest
        if error >= whole:
            error -= whole
            end += 1
        near = max(begin, 0)
        far = min(end - 1, wide)
        if run > 0:
            left[row] = min(left[row], x0 + near)
            right[row] = max(right[row], x0 + far)
        else:
            left[row] = min(left[row], x0 - far)
            right[row] = max(right[row], x0 - near)
        begin = end


@numba.njit(cache=True, nogil=True)
def _claim(ids: Any, place: Any, kind: Any, radius: Any, corners: Any) -> None:
    """Fills the id buffer uint16 [S, S] from the topmost object down (see the module's docstring); 0 stays
    free.
    """
    size = ids.shape[0]
    far = 1 << 40
    ids[:] = 0
    free_from = np.zeros(size, np.int64)  # every free pixel of a row lies in [free_from, free_to]
    free_to = np.full(size, size - 1, np.int64)
    left = np.empty(size, np.int64)
    right = np.empty(size, np.int64)
    outline = np.empty((4, 2), np.int64)
    open_rows = size
    for number in range(len(kind), 0, -1):
        x, y = place[number - 1]
        if x <= -size or x >= 2 * size or y <= -size or y >= 2 * size:  # as the released code
            continue
        r = radius[number - 1]
        if kind[number - 1] == 0:
            x_low, x_high, y_low, y_high = x - r, x + r, y - r, y + r
        else:
            x_low, x_high, y_low, y_high = far, -far, far, -far
            for k in range(4):
                a = _whole((x << SUBPIXEL) + corners[number - 1, k, 0])
                b = _whole((y << SUBPIXEL) + corners[number - 1, k, 1])
                outline[k, 0] = a
                outline[k, 1] = b
                x_low, x_high, y_low, y_high = min(x_low, a), max(x_high, a), min(y_low, b), max(y_high, b)
        top, bottom = max(y_low, 0), min(y_high, size - 1)
        if top > bottom or x_low >= size or x_high < 0:
            continue
        if kind[number - 1] == 0:
            _disc_rows(x, y, r, top, bottom, left, right)
        else:
            left[top : bottom + 1] = far
            right[top : bottom + 1] = -far
            for k in range(4):
                begin_x, begin_y = outline[k]
                end_x, end_y = outline[(k + 1) % 4]
                _edge_rows(begin_x, begin_y, end_x, end_y, top, bottom, left, right)
        label = np.uint16(number)
        for row in range(top, bottom + 1):
            begin = max(left[row], free_from[row])
            end = min(right[row], free_to[row])
            if begin > end:
                continue
            line = ids[row, begin : end + 1]
            for k in range(line.size):
                line[k] = label if line[k] == 0 else line[k]
            if begin == free_from[row]:
                at = end + 1
                while at <= free_to[row] and ids[row, at] != 0:
                    at += 1
                free_from[row] = at
            elif end == free_to[row]:
                at = begin - 1
                while at >= free_from[row] and ids[row, at] != 0:
                    at -= 1
                free_to[row] = at
            if free_from[row] > free_to[row]:
                open_rows -= 1
        if open_rows == 0:
            return


@numba.njit(cache=True, nogil=True)
def _shade(ids: Any, palette: Any, picture: Any) -> None:
    """Colors each pixel once: picture uint8 [S, S, 3] = palette[ids]."""
    height, width = ids.shape
    for y in range(height):
        for x in range(width):
            which = ids[y, x]
            picture[y, x, 0] = palette[which, 0]
            picture[y, x, 1] = palette[which, 1]
            picture[y, x, 2] = palette[which, 2]
