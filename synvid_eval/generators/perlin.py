"""Perlin: smooth noise in space and time, as many cells down and across the frame as the clip's label says.

Source: a baseline of Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action Recognition with
Automatically Generated Fractal Datasets" (arXiv 2411.17584), and its released code, whose noise is Perlin's
of 1985 ("An Image Synthesizer", SIGGRAPH) with the fade 6t⁵ − 15t⁴ + 10t³ of 2002 ("Improving Noise",
SIGGRAPH). Gradients are unit vectors as the released code draws them: (sin φ cos θ, sin φ sin θ, cos φ), both
angles uniform, which favors the time axis over a uniform direction (here the angles are whole 1/65536 turns).
There is no table of permutations: each point of the lattice has a draw of its own, from the clip's stream, so
nothing repeats.

The noise n is 0 at every point of the lattice and at most √3/2 in size; a pixel's gray level is
⌊255 (n + 1) / 2⌋. With d the way from a corner of the cell to the pixel (down, across, time; 1 is a cell), g
the corner's gradient and w the product of the fades toward it, n is the sum of w · (g · d) over the eight
corners.

A clip's label is the pair of its frequencies, "5x12": 5 cells down and 12 across the frame. Labels come
round: their list is shuffled once a (seed, preset) and clip i takes number i modulo its length, as in the
released code, so 256 clips hold each published label once. In time there is one cell to a clip, whatever its
length: frame t of T lies at t / T.

Sizes. The published frames have 240 px, of which every published frequency is a divisor. Here a frequency is
cells to the frame whatever its size, pixel p at p · frequency / size, so the same label looks the same at any
size. Where a cell is not a whole number of pixels, pixels fall on it at other places from cell to cell, which
at the largest frequencies is seen as a beat (240 cells on 256 px: every 16 px); `size=240` has none. At a
frequency as large as the size all pixels are points of the lattice in space: what is left is white noise that
comes up from an even gray at frame 0, published clips and all.

Everything is in fixed point: the same bytes on any machine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators.base import Frame, Generator
from synvid_eval.generators.raster import TRIG, Ints, sine
from synvid_eval.knobs import knob

BITS = 24
"""Fractional bits of gradients, ways and fades."""

ANGLES = 65_536
"""Directions to a turn."""

MOST_CELLS = 1024
"""The largest frequency that can be asked for."""


class Axis(NamedTuple):
    """Where the pixels of an axis (or the frames) lie; int64 [N]. cell: the lattice's point before each. way:
    from there, 1/2**24 cell, in [0, 1). fade: weight of the point after, 1/2**24.
    """

    cell: Ints
    way: Ints
    fade: Ints


@dataclass(frozen=True)
class Perlin(Generator):
    """Gray Perlin noise (see the module's docstring)."""

    name: ClassVar[str] = "perlin"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = True

    fps: float = knob(
        12.0,
        "rate at which the frames are meant to be shown",
        low=1,
        high=240,
        unit="frames/s",
        scale="log",
        source="released code",
    )
    size: int = knob(
        256,
        "height and width of the frames (published: 240)",
        low=8,
        high=4096,
        unit="px",
        scale="log",
        source="our choice: as the paper's other sets; released code: 240 here",
    )
    length: str = knob(
        "18:20",
        "frames of a clip",
        low=1,
        high=100_000,
        unit="frames",
        scale="log",
        ends="whole",
        source="released code",
    )
    frequencies: str = knob(
        "1,2,3,5,6,8,10,12,16,20,30,40,60,80,120,240",
        "how many cells a frame may have down and across, one number or several, joined by commas: each pair "
        "of them is a label",
        source="released code",
    )
    time_frequency: int = knob(
        1,
        "cells of the noise to the length of a clip: more changes faster",
        low=1,
        high=1000,
        scale="log",
        source="released code",
        search=(1, 16),
        group="motion",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        words = [word.strip() for word in self.frequencies.split(",")]
        for word in words:
            if not (word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= MOST_CELLS):
                raise UsageError(
                    f"{self.name}.frequencies holds {word[:40]!r}.",
                    f"It takes whole numbers from 1 to {MOST_CELLS:,}, joined by commas.",
                )
        if len({int(word) for word in words}) < len(words):
            raise UsageError(f"{self.name}.frequencies={self.frequencies[:60]} says one twice.", "Once each.")
        object.__setattr__(self, "frequencies", ",".join(str(int(word)) for word in words))

    @property
    def classes(self) -> int:
        """Number of labels: pairs of frequencies."""
        return len(self._cells()) ** 2

    def _cells(self) -> list[int]:
        return [int(word) for word in self.frequencies.split(",")]

    def frequency(self, seed: int, preset: str, index: int) -> tuple[int, int]:
        """Cells down and across the frames of clip `index` (see the module's docstring: labels come round).

        Raises:
            UsageError: a negative index.
        """
        self.check_frames(1, index, ())
        cells, order = self._cells(), _order(seed, preset, self.classes)
        down, across = divmod(int(order[index % len(order)]), len(cells))
        return cells[down], cells[across]

    def label(self, seed: int, preset: str, index: int) -> str | None:
        """The pair of frequencies of clip `index`, cells down × cells across: "5x12"."""
        down, across = self.frequency(seed, preset, index)
        return f"{down}x{across}"

    def catalog(self, seed: int, preset: str) -> dict[str, Any]:
        """What each label stands for, ready for JSON: label → its cells down, across and in time."""
        cells, time = self._cells(), self.time_frequency
        return {f"{d}x{a}": {"down": d, "across": a, "time": time} for d in cells for a in cells}

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB, all channels alike; see `Generator.draw`."""
        length = self.clip_length(seed, preset, index)
        self.check_frames(length, index, frames)
        down, across = self.frequency(seed, preset, index)
        key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, "gradients")
        plane = functools.lru_cache(maxsize=2)(lambda time: gradients(key, time, down, across))
        rows, columns, times = (
            axis(*sizes) for sizes in ((self.size, down), (self.size, across), (length, self.time_frequency))
        )
        lattice = np.empty((down + 1, across + 1, 3), np.int64)
        moments = (tuple(int(part[frame]) for part in times) for frame in frames)
        return (
            _frame(plane(cell), plane(cell + 1), way, fade, rows, columns, lattice)
            for cell, way, fade in moments
        )


@functools.lru_cache(maxsize=4)
def _order(seed: int, preset: str, labels: int) -> Ints:
    """The labels' numbers in the order in which clips go round them, int64 [labels]."""
    key = randomness.address(f"synvid_eval.generators.{Perlin.name}", seed, preset, "labels")
    return randomness.permutation(key, labels)


def axis(count: int, cells: int) -> Axis:
    """Where `count` pixels (or frames) lie on a lattice of `cells` cells: number p at p · cells / count."""
    cell, rest = np.divmod(np.arange(count, dtype=np.int64) * cells, count)
    way = (2 * (rest << BITS) + count) // (2 * count)
    return Axis(cell, way, _fades(count)[rest])


@functools.lru_cache(maxsize=16)
def _fades(count: int) -> Ints:
    """6t⁵ − 15t⁴ + 10t³ at t = 0, 1/count, …, below 1: int64 [count], 1/2**24, rounded once, halves up."""
    whole = count**5
    over = (k**3 * (k * (6 * k - 15 * count) + 10 * count**2) for k in range(count))
    found = np.array([((value << (BITS + 1)) + whole) // (2 * whole) for value in over], np.int64)
    found.flags.writeable = False
    return found


def gradients(key: int, time: int, down: int, across: int) -> Ints:
    """The gradients at plane `time` ≥ 0 of a lattice: int64 [down + 1, across + 1, 3], 1/2**24, components
    down, across, time. The point (i, j) takes draw number (time · (down + 1) + i) · (across + 1) + j of the
    stream of `key`: θ is its upper 16 bits, φ the 16 below, in 1/65536 turn.
    """
    count = (down + 1) * (across + 1)
    draws = randomness.stream(key, count, start=time * count)
    theta, phi = ((draws >> np.uint64(bits)).astype(np.int64) & (ANGLES - 1) for bits in (48, 32))
    table, quarter, shift = _sines(), ANGLES // 4, 2 * TRIG - BITS
    # cos a = sin(a + a quarter); products of two values of 30 bits are brought to 24, halves up
    flat, half = table[phi], 1 << (shift - 1)
    found = np.empty((count, 3), np.int64)
    found[:, 0] = (flat * table[(theta + quarter) % ANGLES] + half) >> shift
    found[:, 1] = (flat * table[theta] + half) >> shift
    found[:, 2] = (table[(phi + quarter) % ANGLES] + (1 << (TRIG - BITS - 1))) >> (TRIG - BITS)
    return found.reshape(down + 1, across + 1, 3)


@functools.lru_cache(maxsize=1)
def _sines() -> Ints:
    """Sines of the `ANGLES` directions: int64 [65536], 1/2**30."""
    table = sine(np.arange(ANGLES, dtype=np.int64) << 16)
    table.flags.writeable = False
    return table


@numba.njit(cache=True, nogil=True)
def _frame(
    before: Any, after: Any, way: int, fade: int, rows: Any, columns: Any, lattice: Any
) -> NDArray[np.uint8]:
    """A frame, uint8 [H, W, 3], between the planes of gradients `before` and `after`.

    In a frame the way in time and its fade are the same everywhere, so the two planes become one first, of
    gradients in space and a height (`lattice`, overwritten); in a row, the two rows of points around it
    become one line of slopes and heights; which leaves two corners to a pixel.
    """
    one = 1 << BITS
    half = one >> 1
    points, width = lattice.shape[0], lattice.shape[1]
    for i in range(points):
        for j in range(width):
            for k in range(2):
                mixed = before[i, j, k] * (one - fade) + after[i, j, k] * fade
                lattice[i, j, k] = (mixed + half) >> BITS
            early = (before[i, j, 2] * way + half) >> BITS
            late = (after[i, j, 2] * (way - one) + half) >> BITS
            lattice[i, j, 2] = (early * (one - fade) + late * fade + half) >> BITS
    tall, wide = len(rows.cell), len(columns.cell)
    slopes, heights = np.empty(width, np.int64), np.empty(width, np.int64)
    picture = np.empty((tall, wide, 3), np.uint8)
    for y in range(tall):
        i, down, weight = rows.cell[y], rows.way[y], rows.fade[y]
        for j in range(width):
            top = ((lattice[i, j, 0] * down + half) >> BITS) + lattice[i, j, 2]
            bottom = ((lattice[i + 1, j, 0] * (down - one) + half) >> BITS) + lattice[i + 1, j, 2]
            heights[j] = (top * (one - weight) + bottom * weight + half) >> BITS
            slopes[j] = (lattice[i, j, 1] * (one - weight) + lattice[i + 1, j, 1] * weight + half) >> BITS
        for x in range(wide):
            j, right, weight = columns.cell[x], columns.way[x], columns.fade[x]
            near = ((slopes[j] * right + half) >> BITS) + heights[j]
            far = ((slopes[j + 1] * (right - one) + half) >> BITS) + heights[j + 1]
            noise = (near * (one - weight) + far * weight + half) >> BITS
            level = np.uint8(((noise + one) * 255) >> (BITS + 1))
            picture[y, x, 0] = level
            picture[y, x, 1] = level
            picture[y, x, 2] = level
    return picture
