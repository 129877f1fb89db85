"""Kernels of the shapes: where objects stand, which pixels each claims, and what color a pixel has.

Fixed point throughout: positions in 1/65536 px (`SUBPIXEL` bits), matrices in 1/2**20 (`LINEAR`), sines in
1/2**30 (`TRIG`), phases in 1/2**32 turn. The bounds that keep every product below 2**63 are the knobs' own:
frames up to 4096 px, radii up to 4 frames, scale and shear that change by at most `GROWTH` over a clip.
The one square root is taken in floating point and then corrected to the exact whole number, so no result
depends on how a machine rounds.

A point u of an object's local box stands in the frame at

    place + anchor + M · (u − pivot),    M = turn · scale · shear,

anchor being the pivot for polygons (the released code places the box's corner) and 0 for circles (it places
their middle). All kernels release the GIL.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

CIRCLE, SQUARE, ORIENTED_SQUARE, RECTANGLE, TRIANGLE, QUADRILATERAL = range(6)
KINDS = ("circle", "square", "oriented_square", "rectangle", "triangle", "quadrilateral")

SUBPIXEL = 16
"""Fractional bits of positions and velocities."""

ACCELERATION = 24
"""Fractional bits of accelerations: they are multiplied by a square of time."""

RATE = 32
"""Fractional bits of what scale and shear change by in a frame."""

LINEAR = 20
"""Fractional bits of matrices."""

TRIG = 30
"""Fractional bits of sines and cosines."""

WEIGHT = 6
"""Fractional bits of a bilinear filter's position between two texels (OpenCV: 5)."""

GROWTH = 8
"""The most that scale and shear may change by over a clip."""

CIRCLES = ("none", "scaled", "full")
SATURATE = ("none", "wrap", "clip")

# round(2**30 · (π/2)^k / k!) for k = 1, 3, … 13, signs alternating: the Taylor series of sin(π/2 · x), good
# to 1e-9 on [0, 1]. Integers, because a C library's sine is not the same number everywhere. A test computes
# them anew.
SINE = (1686629713, -693598668, 85569306, -5026995, 172272, -3864, 61)

_ONE = 1 << LINEAR
_STEEPEST = 1 << 28  # of an inverse matrix: an object that is flatter than 1/256 has no texture to speak of


class Motion(NamedTuple):
    """What moves N objects; int64 arrays as of `shapes.Scene`, in the order kernels take them."""

    kind: Ints
    center: Ints
    velocity: Ints
    acceleration: Ints
    turn: Ints
    stretch: Ints
    shear: Ints
    pivot: Ints
    radius: Ints
    corners: Ints


class Pose(NamedTuple):
    """Where N objects stand at one frame. place: int64 [N, 2] 1/65536 px. matrix: int64 [N, 4] 1/2**20, row
    after row.
    """

    place: Ints
    matrix: Ints


def sine(phase: Ints) -> Ints:
    """sin(2π · phase / 2**32), int64 with 30 fractional bits, error below 5e-9; phase int64 in [0, 2**32)."""
    quarter, part = phase >> 30, phase & (2**30 - 1)
    x = np.where(quarter & 1, 2**30 - part, part)
    square = (x * x) >> TRIG
    series = np.zeros_like(x)
    for coefficient in reversed(SINE):
        series = ((series * square) >> TRIG) + coefficient
    value = np.minimum((x * series) >> TRIG, 2**TRIG)
    signed: Ints = np.where(quarter & 2, -value, value)
    return signed


def cosine(phase: Ints) -> Ints:
    """cos(2π · phase / 2**32); see `sine`."""
    return sine((phase + 2**30) & (2**32 - 1))


@numba.njit(cache=True, nogil=True)
def _sine(phase: int) -> int:
    """As `sine`, of one number."""
    quarter = (phase >> 30) & 3
    x = phase & ((1 << 30) - 1)
    if quarter & 1:
        x = (1 << 30) - x
    square = (x * x) >> TRIG
    series = 0
    for k in range(len(SINE)):
        series = ((series * square) >> TRIG) + SINE[len(SINE) - 1 - k]
    value = min((x * series) >> TRIG, 1 << TRIG)
    return -value if quarter & 2 else value


@numba.njit(cache=True, nogil=True)
def whole(value: int) -> int:
    """Whole pixels of 1/65536 px, truncated toward zero as a C cast does it."""
    return value >> SUBPIXEL if value >= 0 else -(-value >> SUBPIXEL)


@numba.njit(cache=True, nogil=True)
def _root(value: int) -> int:
    """The whole part of a square root, exactly."""
    root = int(math.sqrt(value))
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


@numba.njit(cache=True, nogil=True)
def _power(rate: int, frame: int) -> int:
    """(1 + rate)^frame of a rate in 1/2**32, with 20 fractional bits: by squaring, in 28 fractional bits;
    below `GROWTH` + 1 no square reaches 2**63.
    """
    base, power, left = (1 << 28) + (rate >> 4), 1 << 28, frame
    while left > 0:
        if left & 1:
            power = (power * base + (1 << 27)) >> 28
        left >>= 1
        if left > 0:
            base = (base * base + (1 << 27)) >> 28
    return (power + (1 << 7)) >> 8


@numba.njit(cache=True, nogil=True)
def _gone(place: Any, size: int) -> bool:
    """Whether the released code skips an object that stands there."""
    x, y = whole(place[0]), whole(place[1])
    return x <= -size or x >= 2 * size or y <= -size or y >= 2 * size


@numba.njit(cache=True, nogil=True)
def pose(
    motion: Any,
    size: int,
    frame: int,
    circles: int,
    subpixel: bool,
    place: Any,
    matrix: Any,
    compound: bool = False,
) -> None:
    """Where each object stands at a frame: fills place int64 [N, 2] and matrix int64 [N, 4] (see `Pose`).

    circles: index into `CIRCLES`. subpixel: keep the fractions of positions. compound: scales are (1 + σ)^t,
    not 1 + σ t. Objects that the released code skips keep the unit matrix unless `size` is 0 (then none is
    skipped).
    """
    kind, center, velocity, acceleration, turn, stretch, shear, _, radius, _ = motion
    for k in range(len(kind)):
        for axis in range(2):
            at = (center[k, axis] << SUBPIXEL) + velocity[k, axis] * frame
            at += (acceleration[k, axis] * frame * frame) >> (ACCELERATION - SUBPIXEL)
            place[k, axis] = at if subpixel else whole(at) << SUBPIXEL
        matrix[k, 0] = matrix[k, 3] = _ONE
        matrix[k, 1] = matrix[k, 2] = 0
        round_one = kind[k] == CIRCLE
        if frame == 0 or (round_one and circles == 0) or (size > 0 and _gone(place[k], size)):
            continue
        phase = turn[k] * frame
        if compound:
            wide, tall = _power(stretch[k, 0], frame), _power(stretch[k, 1], frame)
        else:
            wide = _ONE + ((stretch[k, 0] * frame) >> (RATE - LINEAR))
            tall = _ONE + ((stretch[k, 1] * frame) >> (RATE - LINEAR))
        if round_one and circles == 1:
            # The axes in whole pixels, and the angle in radians taken for whole degrees by cv2.ellipse.
            twice = 2 * radius[k] + 1
            wide = (2 * abs((radius[k] * wide) >> LINEAR) + 1) * _ONE // twice
            tall = (2 * abs((radius[k] * tall) >> LINEAR) + 1) * _ONE // twice
            tenth = phase * 710 // 113  # 2π of a turn, as 710 / 113
            phase = ((tenth + (1 << 31)) >> 32) * ((1 << 32) // 360)
            lean = skew = 0
        else:
            lean = (shear[k, 0] * frame) >> (RATE - LINEAR)
            skew = (shear[k, 1] * frame) >> (RATE - LINEAR)
        s, c = _sine(phase), _sine(phase + (1 << 30))
        upper, lower = (wide * lean) >> LINEAR, (tall * skew) >> LINEAR
        matrix[k, 0] = (c * wide - s * lower + (1 << 29)) >> TRIG
        matrix[k, 1] = (c * upper - s * tall + (1 << 29)) >> TRIG
        matrix[k, 2] = (s * wide + c * lower + (1 << 29)) >> TRIG
        matrix[k, 3] = (s * upper + c * tall + (1 << 29)) >> TRIG


@numba.njit(cache=True, nogil=True)
def outline(motion: Any, place: Any, matrix: Any, k: int, subpixel: bool, corners: Any) -> None:
    """The corners of object k in the frame: fills int64 [4, 2], 1/65536 px, whole pixels unless subpixel."""
    pivot = motion.pivot[k]
    for corner in range(4):
        x = motion.corners[k, corner, 0] - pivot[0]
        y = motion.corners[k, corner, 1] - pivot[1]
        for axis in range(2):
            turned = (matrix[k, 2 * axis] * x + matrix[k, 2 * axis + 1] * y + (_ONE >> 1)) >> LINEAR
            at = place[k, axis] + pivot[axis] + turned
            corners[corner, axis] = at if subpixel else whole(at) << SUBPIXEL


@numba.njit(cache=True, nogil=True)
def _disc_rows(x: int, y: int, radius: int, limit: int, top: int, bottom: int, left: Any, right: Any) -> None:
    """Row spans of the disc dx² + dy² ≤ limit: left, right of rows top…bottom."""
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
def _fine_edge_rows(x0: int, y0: int, x1: int, y1: int, top: int, bottom: int, left: Any, right: Any) -> None:
    """As `_edge_rows`, of an edge between points in 1/256 px: only what lies on its inner side or on it."""
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    first = max(-(-y0 >> 8), top)
    last = min(y1 >> 8, bottom)
    rise = y1 - y0
    if rise == 0:
        if first <= last:
            left[first] = min(left[first], -(-min(x0, x1) >> 8))
            right[first] = max(right[first], max(x0, x1) >> 8)
        return
    whole_step = rise << 8
    for row in range(first, last + 1):
        at = x0 * rise + (x1 - x0) * ((row << 8) - y0)
        left[row] = min(left[row], -(-at // whole_step))
        right[row] = max(right[row], at // whole_step)


@numba.njit(cache=True, nogil=True)
def _ellipse_rows(place: Any, matrix: Any, twice: int, size: int, left: Any, right: Any) -> tuple[int, int]:
    """Row spans of the disc of radius `twice` / 2 [px] under a matrix, about `place`: rows top … bottom.

    With d = M u, |u| ≤ R: row dy is covered from b/c · dy − w to b/c · dy + w, where a, b, c are the entries
    of M Mᵀ and w = |det M| / c · √(c R² − dy²).
    """
    m0, m1, m2, m3 = matrix
    x, y = place
    square = m2 * m2 + m3 * m3
    c = square >> LINEAR
    if c == 0:
        return 0, -1
    limit = (square >> 26) * twice * twice  # c R² in 1/65536 px²
    reach = _root(limit) << 8
    top = max(-((reach - y) >> SUBPIXEL), 0)
    bottom = min((y + reach) >> SUBPIXEL, size - 1)
    slope = (((m0 * m2 + m1 * m3) >> LINEAR) << LINEAR) // c
    ratio = ((abs(m0 * m3 - m1 * m2) >> LINEAR) << LINEAR) // c
    for row in range(top, bottom + 1):
        down = (row << SUBPIXEL) - y
        inside = limit - ((down * down) >> SUBPIXEL)
        if inside < 0:
            left[row] = 1 << 40
            right[row] = -(1 << 40)
            continue
        half = (_root(inside) * ratio) >> (LINEAR - 8)
        middle = x + ((slope * down) >> LINEAR)
        left[row] = -((half - middle) >> SUBPIXEL)
        right[row] = (middle + half) >> SUBPIXEL
    return top, bottom


@numba.njit(cache=True, nogil=True)
def claim(ids: Any, motion: Any, place: Any, matrix: Any, subpixel: bool, slim: bool = False) -> None:
    """Fills the id buffer uint16 [S, S] from the topmost object down (see `shapes`); 0 stays free.

    slim: discs that are not transformed cover dx² + dy² ≤ r², as `cv2.circle`'s, not r² + r.
    """
    size = ids.shape[0]
    far = 1 << 40
    ids[:] = 0
    free_from = np.zeros(size, np.int64)  # every free pixel of a row lies in [free_from, free_to]
    free_to = np.full(size, size - 1, np.int64)
    left = np.empty(size, np.int64)
    right = np.empty(size, np.int64)
    corners = np.empty((4, 2), np.int64)
    open_rows = size
    for number in range(len(motion.kind), 0, -1):
        k = number - 1
        if _gone(place[k], size):
            continue
        if motion.kind[k] == CIRCLE:
            r = motion.radius[k]
            m = matrix[k]
            if m[0] == _ONE and m[1] == 0 and m[2] == 0 and m[3] == _ONE and not subpixel:
                x, y = whole(place[k, 0]), whole(place[k, 1])
                top, bottom = max(y - r, 0), min(y + r, size - 1)
                if top > bottom or x - r >= size or x + r < 0:
                    continue
                _disc_rows(x, y, r, r * r if slim else r * r + r, top, bottom, left, right)
            else:
                twice = 2 * r if subpixel else 2 * r + 1
                top, bottom = _ellipse_rows(place[k], m, twice, size, left, right)
        else:
            outline(motion, place, matrix, k, subpixel, corners)
            x_low, x_high, y_low, y_high = far, -far, far, -far
            for corner in range(4):
                a, b = corners[corner]
                x_low, x_high, y_low, y_high = min(x_low, a), max(x_high, a), min(y_low, b), max(y_high, b)
            top, bottom = max(-(-y_low >> SUBPIXEL), 0), min(y_high >> SUBPIXEL, size - 1)
            if top > bottom or x_low >= size << SUBPIXEL or x_high < 0:
                continue
            left[top : bottom + 1] = far
            right[top : bottom + 1] = -far
            for corner in range(4):
                begin_x, begin_y = corners[corner]
                end_x, end_y = corners[(corner + 1) % 4]
                if subpixel:
                    _fine_edge_rows(
                        (begin_x + 128) >> 8,
                        (begin_y + 128) >> 8,
                        (end_x + 128) >> 8,
                        (end_y + 128) >> 8,
                        top,
                        bottom,
                        left,
                        right,
                    )
                else:
                    _edge_rows(
                        begin_x >> SUBPIXEL,
                        begin_y >> SUBPIXEL,
                        end_x >> SUBPIXEL,
                        end_y >> SUBPIXEL,
                        top,
                        bottom,
                        left,
                        right,
                    )
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
def color(ids: Any, palette: Any, picture: Any) -> None:
    """Colors each pixel once: picture uint8 [S, S, 3] = palette[ids]."""
    height, width = ids.shape
    for y in range(height):
        for x in range(width):
            which = ids[y, x]
            picture[y, x, 0] = palette[which, 0]
            picture[y, x, 1] = palette[which, 1]
            picture[y, x, 2] = palette[which, 2]


@numba.njit(cache=True, nogil=True)
def seen(ids: Any, flags: Any) -> None:
    """Sets flags uint8 [N + 1] to 1 where that id stands anywhere in the id buffer, else to 0."""
    flags[:] = 0
    height, width = ids.shape
    for y in range(height):
        for x in range(width):
            flags[ids[y, x]] = 1


@numba.njit(cache=True, nogil=True)
def to_texture(motion: Any, place: Any, matrix: Any, crop: Any, flags: Any, maps: Any) -> None:
    """From frame pixels to texture positions, of the ids whose flags [N + 1] are set: maps int64 [N + 1, 6].

    (u, v) in 1/2**36 px of the local box moved by crop int64 [N, 2] px: u = maps[0] + maps[1] · x + maps[2] ·
    y, v likewise with the next three. The background (id 0) has its texture stretched over the frame.
    """
    maps[0] = 0
    maps[0, 1] = maps[0, 5] = 2 << 36
    for k in range(len(motion.kind)):
        if not flags[k + 1]:
            continue
        m0, m1, m2, m3 = matrix[k]
        size = (m0 * m3 - m1 * m2) >> LINEAR
        inverse = (m3, -m1, -m2, m0)
        x, y = place[k]
        if motion.kind[k] != CIRCLE:
            x += motion.pivot[k, 0]
            y += motion.pivot[k, 1]
        for axis in range(2):
            a = b = 0
            if size != 0:
                a = min(max((inverse[2 * axis] << LINEAR) // size, -_STEEPEST), _STEEPEST)
                b = min(max((inverse[2 * axis + 1] << LINEAR) // size, -_STEEPEST), _STEEPEST)
            start = (motion.pivot[k, axis] + (crop[k, axis] << SUBPIXEL)) << LINEAR
            maps[k + 1, 3 * axis] = start - a * x - b * y
            maps[k + 1, 3 * axis + 1] = a << SUBPIXEL
            maps[k + 1, 3 * axis + 2] = b << SUBPIXEL


@numba.njit(cache=True, nogil=True)
def _spread(texel: Any) -> Any:
    """The three channels of an RGBX texel (little-endian uint32), 21 bits apart: room for weights of 12
    bits.
    """
    t = np.uint64(texel)
    return (
        (t & np.uint64(0xFF))
        | (t & np.uint64(0xFF00)) << np.uint64(13)
        | (t & np.uint64(0xFF0000)) << np.uint64(26)
    )


@numba.njit(cache=True, nogil=True)
def textured(
    ids: Any,
    slots: Any,
    bank: Any,
    maps: Any,
    table: Any,
    colors: Any,
    saturate: int,
    smooth: bool,
    picture: Any,
) -> None:
    """Colors each pixel of the objects that have a slot: picture uint8 [S, S, 3] from texels.

    slots: int64 [N + 1], the texture of each id in this bank, −1 where it has none here (such pixels stay).
    bank: uint32 [B, Z, Z], RGBX. maps: of `to_texture`. table: uint64 [L + 2], the texel that local pixel
    i − 1 falls on. colors: uint8 [N + 1, 3], added by `saturate` 1 (modulo 256) or 2 (clipped at 255).
    smooth: bilinear between local pixels, as the released code's warp; else the nearest.
    """
    height, width = ids.shape
    last = len(table) - 2
    texels = np.uint64(bank.shape[1])
    mask = (1 << WEIGHT) - 1
    half = 1 << 35
    lane = np.uint64(0xFF)
    flat = bank.reshape(-1)  # a view of each texture and line would cost as much as a few pixels
    rounding = np.uint64((1 << (2 * WEIGHT - 1)) * (1 + (1 << 21) + (1 << 42)))
    for y in range(height):
        x = 0
        while x < width:
            number = ids[y, x]
            end = x + 1
            while end < width and ids[y, end] == number:
                end += 1
            slot = slots[number]
            if slot < 0:
                x = end
                continue
            u0, ux, uy, v0, vx, vy = maps[number]
            u = u0 + ux * x + uy * y
            v = v0 + vx * x + vy * y
            base = np.uint64(slot) * texels * texels
            # Unsigned indices: for signed ones the compiler looks whether they count from the end.
            if smooth and ((u | v | ux | vx) & ((1 << 36) - 1)) != 0:
                for at in range(x, end):
                    i = np.uint64(min(max(u >> 36, -1), last - 1) + 1)
                    j = np.uint64(min(max(v >> 36, -1), last - 1) + 1)
                    left, right = table[i], table[i + np.uint64(1)]
                    upper, lower = base + table[j] * texels, base + table[j + np.uint64(1)] * texels
                    fx = np.uint64((u >> (36 - WEIGHT)) & mask)
                    fy = np.uint64((v >> (36 - WEIGHT)) & mask)
                    gx, gy = np.uint64(1 << WEIGHT) - fx, np.uint64(1 << WEIGHT) - fy
                    mixed = (
                        _spread(flat[upper + left]) * (gx * gy)
                        + _spread(flat[upper + right]) * (fx * gy)
                        + _spread(flat[lower + left]) * (gx * fy)
                        + _spread(flat[lower + right]) * (fx * fy)
                        + rounding
                    )
                    picture[y, at, 0] = np.uint8((mixed >> np.uint64(2 * WEIGHT)) & lane)
                    picture[y, at, 1] = np.uint8((mixed >> np.uint64(21 + 2 * WEIGHT)) & lane)
                    picture[y, at, 2] = np.uint8((mixed >> np.uint64(42 + 2 * WEIGHT)) & lane)
                    u += ux
                    v += vx
            else:
                u += half
                v += half
                for at in range(x, end):
                    i = np.uint64(min(max(u >> 36, -1), last) + 1)
                    j = np.uint64(min(max(v >> 36, -1), last) + 1)
                    texel = flat[base + table[j] * texels + table[i]]
                    picture[y, at, 0] = np.uint8(texel & 0xFF)
                    picture[y, at, 1] = np.uint8((texel >> 8) & 0xFF)
                    picture[y, at, 2] = np.uint8((texel >> 16) & 0xFF)
                    u += ux
                    v += vx
            if saturate:
                for channel in range(3):
                    added = np.int64(colors[number, channel])
                    for at in range(x, end):
                        total = picture[y, at, channel] + added
                        picture[y, at, channel] = np.uint8(min(total, 255) if saturate == 2 else total & 255)
            x = end
