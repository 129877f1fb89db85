"""Kernels of the fractals: the chaos game, the variations, how often a pixel is met, and the frame around it.

Source: Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action Recognition with Automatically
Generated Fractal Datasets" (arXiv 2411.17584), its released code, and the fractal flame algorithm (Draves,
Reckase), whose numbers the variations have. 128 walkers start at random places of [−1, 1]². In each step each
takes one of the maps (x, y) → (a x + b y + e, c x + d y + f), the more often the larger |ad − bc|, then the
variation; after the first 200 steps each place adds one to the 3 × 3 pixels about it. A frame's rows are the
first coordinate.

What differs from the released code, and why:

* Which maps are taken comes from one stream of 16-bit numbers (`choices`), shared by the frames of a clip:
  there, each frame draws its own, so attractors that stand still shimmer. A map's share is so rounded to
  1/65536.
* A place is counted at its one pixel, and the 3 × 3 sums are taken at the end: the same counts, as uint32, so
  none overflow (there: uint16). Points that lie less than one pixel off the upper or left edge are not
  counted (there, truncation takes them into the first row or column).
* A walker whose place is no number, infinite, or beyond `FAR`, goes back to where it started, and its next
  200 steps are not counted again: a system that throws all points away shows nothing.
* sin, tan and tanh are polynomials and quotients of them (see `sine`), in plain IEEE float32 without
  reordering: loops over walkers use the whole width of the processor, and given the same maps, counts are the
  same on any machine.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness

Floats = NDArray[np.float32]
Counts = NDArray[np.uint32]

VARIATIONS = {
    0: "linear",
    4: "horseshoe",
    14: "bent",
    16: "fisheye",
    17: "popcorn",
    20: "cosine",
    27: "eyefish",
    29: "cylinder",
}
"""The variations by their number in the fractal flame algorithm. One more wants a line here, its formula, and
its branch in `vary`."""

NONLINEAR = (4, 14, 16, 17, 20, 27, 29)
"""Those that the released code draws from."""

SHARES = 1 << 16
"""Parts that a choice between maps tells apart."""

FAR = np.float32(1e6)
"""Coordinates from here on count as lost (our choice: pictures are of [−6, 6]² at most)."""

EXTENT = 6.0
"""Attractors are looked for in [−EXTENT, EXTENT]² (released code)."""

BORDER_SIZE = 128
"""Side of the canvas on which they are looked for [px] (released code)."""

KEPT = 0.9
"""Share of the set pixels that a border keeps, at most (released code)."""

MARGIN = 0.1
"""What a border is widened by on each side, of its extent (released code)."""

# Odd polynomial of sin r on |r| ≤ π/2, error below 4e-9, fitted here by least squares, reweighted until even.
_SIN = tuple(
    np.float32(c)
    for c in (
        0.9999999765917131,
        -0.1666664763543091,
        0.008332899833563678,
        -0.00019800898272684386,
        2.59043e-06,
    )
)
# π in three parts, the first two of 11 bits, so that a whole number of 12 bits times them is exact.
_PI_HIGH, _PI_MIDDLE, _PI_LOW = (np.float32(p) for p in (3.140625, 0.0009675025939941406, 1.509958e-07))
_PI = np.float32(np.pi)
_INVERSE_PI = np.float32(1 / np.pi)
_HALF_PI, _HALF_PI_REST = np.float32(np.pi / 2), np.float32(np.pi / 2 - float(np.float32(np.pi / 2)))
_ROUND = np.float32(1.5 * 2**23)  # x + this − this is x rounded to a whole number, for |x| < 2**22
_STEEP = np.float32(8192)
_TINY = np.float32(1e-7)
_HALF, _ONE, _TWO, _THREE, _EIGHT = (np.float32(v) for v in (0.5, 1, 2, 3, 8))
_NINE = np.float32(9)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _round(x: Any) -> Any:
    return (x + _ROUND) - _ROUND


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sign(k: Any) -> Any:
    """1 for even whole numbers, −1 for odd ones."""
    half = k * _HALF
    rest = half - _round(half)
    return _ONE - _EIGHT * (rest * rest)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sine(r: Any) -> Any:
    """sin r for |r| ≤ π/2."""
    z = r * r
    return r * (_SIN[0] + z * (_SIN[1] + z * (_SIN[2] + z * (_SIN[3] + z * _SIN[4]))))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _within(x: Any) -> Any:
    """(k, r): x = k π + r, k whole, |r| ≤ π/2 and a little."""
    k = _round(x * _INVERSE_PI)
    return k, ((x - k * _PI_HIGH) - k * _PI_MIDDLE) - k * _PI_LOW


@numba.njit(cache=True, nogil=True, error_model="numpy")
def sine(x: Any) -> Any:
    """sin x of a float32 [rad], within 3e-7 for |x| ≤ 8192. Beyond, a float32 tells ever less of an angle."""
    k, r = _within(x)
    return _sign(k) * _sine(r)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def tangent(x: Any) -> Any:
    """tan x of a float32 [rad], held within ±8192: there the rounding of x alone moves it by its own size.

    The relative error is below 1e-6 + 1e-7 |x| / |sin x cos x|, which is what rounding x brings with it.
    """
    _, r = _within(x)
    # the cosine as the sine of what is left to π/2, which keeps its digits where it is small
    value = _sine(r) / _sine((_HALF_PI - abs(r)) + _HALF_PI_REST)
    value = value if value < _STEEP else _STEEP
    return value if value > -_STEEP else -_STEEP


@numba.njit(cache=True, nogil=True, error_model="numpy")
def hyperbolic_tangent(x: Any) -> Any:
    """tanh x of a float32, within 3e-7: Lambert's continued fraction at x / 2, then tanh 2t of tanh t."""
    x = x if x < _NINE else _NINE
    x = (x if x > -_NINE else -_NINE) * _HALF
    z = x * x
    over = x * (np.float32(135135) + z * (np.float32(17325) + z * (np.float32(378) + z)))
    under = np.float32(135135) + z * (np.float32(62370) + z * (np.float32(3150) + z * np.float32(28)))
    t = over / under
    return _TWO * t / (_ONE + t * t)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def vary(number: int, xs: Floats, ys: Floats, es: Floats, fs: Floats) -> None:
    """Applies a variation to points, in place; nothing for numbers that are not of `VARIATIONS`.

    xs, ys: float32 [W]. es, fs: float32 [W], the translation of the map that each point came by.
    """
    if number == 4:
        for w in range(len(xs)):
            x, y = xs[w], ys[w]
            r = np.sqrt(x * x + y * y) + _TINY
            xs[w], ys[w] = (x - y) * (x + y) / r, _TWO * x * y / r
    elif number == 14:
        for w in range(len(xs)):
            x, y = xs[w], ys[w]
            xs[w] = _TWO * x if x < np.float32(0) else x
            ys[w] = _HALF * y if y < np.float32(0) else y
    elif number == 16:
        for w in range(len(xs)):
            x, y = xs[w], ys[w]
            by = _TWO / (np.sqrt(x * x + y * y) + _ONE)
            xs[w], ys[w] = by * y, by * x
    elif number == 17:
        for w in range(len(xs)):
            x, y = xs[w], ys[w]
            xs[w] = x + es[w] * sine(tangent(_THREE * y))
            ys[w] = y + fs[w] * sine(tangent(_THREE * x))
    elif number == 20:
        for w in range(len(xs)):
            x, y = xs[w], ys[w]
            k = _round(x)
            r = (x - k) * _PI
            half = _sine(r * _HALF)
            by = _sign(k) * hyperbolic_tangent(y)
            xs[w], ys[w] = by * (_ONE - _TWO * half * half), -by * _sine(r)
    elif number == 27:
        for w in range(len(xs)):
            x, y = xs[w], ys[w]
            by = _TWO / (np.sqrt(x * x + y * y) + _ONE)
            xs[w], ys[w] = by * x, by * y
    elif number == 29:
        for w in range(len(xs)):
            xs[w] = sine(xs[w])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _play(
    maps: Floats,
    table: NDArray[np.uint8],
    choices: NDArray[np.uint16],
    starts: Floats,
    scale: Floats,
    offset: Floats,
    variation: int,
    dropped: int,
    size: int,
    cells: Counts,
) -> None:
    """The game of `played`; a point off the canvas is counted in the last of cells, uint32 [size² + 1]."""
    walkers = starts.shape[1]
    xs, ys = starts[0].copy(), starts[1].copy()
    es, fs = np.empty(walkers, np.float32), np.empty(walkers, np.float32)
    taken = np.empty(walkers, np.uint8)
    cell = np.empty(walkers, np.int32)
    waits = np.full(walkers, dropped, np.int32)  # steps until a walker is counted
    down, right, top, left = scale[0], scale[1], offset[0], offset[1]
    side, end = np.int32(size), np.float32(size)
    none = np.float32(0)
    # loops of their own: all but the ones that look something up are then done many walkers at a time
    for step in range(len(choices) // walkers):
        begin = step * walkers
        for w in range(walkers):
            taken[w] = table[choices[begin + w]]
        for w in range(walkers):
            k = taken[w]
            x, y = xs[w], ys[w]
            xs[w] = maps[k, 0] * x + maps[k, 1] * y + maps[k, 2]
            ys[w] = maps[k, 3] * x + maps[k, 4] * y + maps[k, 5]
        if variation != 0:
            for w in range(walkers):
                es[w], fs[w] = maps[taken[w], 2], maps[taken[w], 5]
            vary(variation, xs, ys, es, fs)
        if step >= dropped:
            for w in range(walkers):
                row, column = xs[w] * down + top, ys[w] * right + left
                inside = (row >= none) & (row < end) & (column >= none) & (column < end) & (waits[w] <= 0)
                row, column = row if inside else end, column if inside else none
                cell[w] = np.int32(row) * side + np.int32(column)
            for w in range(walkers):
                cells[np.uint32(cell[w])] += np.uint32(1)
        for w in range(walkers):
            near = (abs(xs[w]) < FAR) & (abs(ys[w]) < FAR)  # not so of what is no number
            xs[w] = xs[w] if near else starts[0, w]
            ys[w] = ys[w] if near else starts[1, w]
            waits[w] = max(waits[w] - 1, 0) if near else dropped


@numba.njit(cache=True, nogil=True)
def stamped(counts: Counts) -> Counts:
    """Sums over the 3 × 3 pixels about each pixel, as far as they are on the canvas: what stamping 3 × 3 for
    each point counts. uint32 [H, W] → uint32 [H, W].
    """
    height, width = counts.shape
    rows = np.empty((height, width), np.uint32)
    for i in range(height):
        above, below = max(i - 1, 0), min(i + 1, height - 1)
        for j in range(width):
            rows[i, j] = counts[i, j]
        if above < i:
            for j in range(width):
                rows[i, j] += counts[above, j]
        if below > i:
            for j in range(width):
                rows[i, j] += counts[below, j]
    sums = rows.copy()
    for i in range(height):
        for j in range(1, width):
            sums[i, j] += rows[i, j - 1]
        for j in range(width - 1):
            sums[i, j] += rows[i, j + 1]
    return sums


def shares(maps: Floats) -> NDArray[np.uint8]:
    """Which map each of the `SHARES` choices takes: uint8 [65536], as often as its |ad − bc| is large.

    maps: float32 [N, 6], N ≤ 256. Maps that are all flat (or not finite) have equal shares.
    """
    wide = maps.astype(np.float64)
    sizes = np.abs(wide[:, 0] * wide[:, 4] - wide[:, 1] * wide[:, 3])
    total = sizes.sum()
    if not (np.isfinite(total) and total > 0):
        sizes, total = np.ones(len(maps)), float(len(maps))
    ends = np.rint(np.cumsum(sizes) / total * SHARES).astype(np.int64)
    return np.repeat(np.arange(len(maps), dtype=np.uint8), np.diff(ends, prepend=0))


def choices(key: int, count: int) -> NDArray[np.uint16]:
    """`count` draws from 0 … 65535 of the stream of a key, four from each of its numbers: uint16 [count]."""
    words = randomness.stream(key, -(-count // 4))
    return words.astype("<u8").view("<u2").astype(np.uint16)[:count]


def starts(key: int, walkers: int) -> Floats:
    """Where walkers start: float32 [2, walkers], uniform in [−1, 1]."""
    draws = randomness.unit(randomness.stream(key, 2 * walkers))
    return (2 * draws - 1).astype(np.float32).reshape(2, walkers)


def played(
    maps: Floats,
    drawn: NDArray[np.uint16],
    begin: Floats,
    border: NDArray[np.float64],
    variation: int,
    dropped: int,
    size: int,
) -> Counts:
    """How often each pixel is met by an attractor: uint32 [size, size], not yet stamped.

    Args:
        maps: float32 [N, 6], each a b e c d f.
        drawn: uint16 [steps · walkers], see `choices`.
        begin: float32 [2, walkers], see `starts`.
        border: float64 [4], what the frame shows: least and largest first coordinate (rows), then second.
        variation: a number of `VARIATIONS`. dropped: first steps that are not counted.
    """
    low, high = border[0::2], border[1::2]
    scale = (size - 1) / (high - low)
    cells = np.zeros(size * size + 1, np.uint32)
    offset = -low * scale
    _play(
        np.ascontiguousarray(maps, np.float32),
        shares(maps),
        drawn,
        begin,
        scale.astype(np.float32),
        offset.astype(np.float32),
        variation,
        dropped,
        size,
        cells,
    )
    return cells[:-1].reshape(size, size)


@numba.njit(cache=True, nogil=True)
def trimmed(lit: NDArray[np.bool_], kept: float) -> tuple[int, int, int, int]:
    """First and last row, first and last column of the part that is left of a picture bool [H, W], after
    taking away, again and again, that of its four sides that has the fewest set pixels, until no more than
    the share `kept` of them is left.
    """
    top, bottom, left, right = 0, lit.shape[0] - 1, 0, lit.shape[1] - 1
    count = np.count_nonzero(lit)
    most = int(kept * count)
    while count > most and top < bottom and left < right:
        sides = (
            np.count_nonzero(lit[top, left : right + 1]),
            np.count_nonzero(lit[bottom, left : right + 1]),
            np.count_nonzero(lit[top : bottom + 1, left]),
            np.count_nonzero(lit[top : bottom + 1, right]),
        )
        fewest = min(sides)
        count -= fewest
        if sides[0] == fewest:
            top += 1
        elif sides[1] == fewest:
            bottom -= 1
        elif sides[2] == fewest:
            left += 1
        else:
            right -= 1
    return top, bottom, left, right


def border(
    frames: list[Floats], variation: int, drawn: NDArray[np.uint16], begin: Floats, dropped: int
) -> NDArray[np.float64]:
    """What part of the plane shows the attractors of some frames, the first and the last: float64 [4] as
    `played` takes it, in [−EXTENT, EXTENT].

    Each is played on `BORDER_SIZE`² pixels of all that is looked at, stamped, and trimmed; the parts are
    joined and widened by `MARGIN`. A part of one row or column, or none, is one pixel wider on either side.

    frames: maps, float32 [N, 6] each. drawn, begin, dropped: see `played`.
    """
    whole = np.array([-EXTENT, EXTENT, -EXTENT, EXTENT])
    parts = [
        trimmed(stamped(played(maps, drawn, begin, whole, variation, dropped, BORDER_SIZE)) > 0, KEPT)
        for maps in frames
    ]
    last = BORDER_SIZE - 1
    found = []
    for low, high in ((0, 1), (2, 3)):
        least, most = min(p[low] for p in parts), max(p[high] for p in parts)
        wider = max(round(MARGIN * (most - least)), 1 if most == least else 0)
        found += [max(least - wider, 0), min(most + wider, last)]
    return EXTENT * (2 * np.array(found, np.float64) / last - 1)
