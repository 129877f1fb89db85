"""Dead leaves: stills of shapes thrown on each other until nothing else is seen.

Source: Baradad, Wulff, Wang, Isola, Torralba 2021, "Learning to See by Looking at Noise", and its released
code (`generate_datasets/dead_leaves/generate_dataset.py`): radii from the law ∝ r⁻³ between 0.03 and 1 of the
picture's side, centers uniform in the picture, colors uniform, six kinds of shape or squares only. As a
generator a clip is one such still again and again, as a texture it is a texture like any other.

Two ways to paint. The released code throws leaf after leaf on top until no pixel is black, at most 5000:
`order = forward`. Stopping at the first covered picture favors what covers much, so its pictures are not
quite draws of the dead-leaves law. Adding leaves from the top down, each below all before, and stopping when
all is covered, draws from that law exactly (perfect simulation): `order = exact`, the default here, and also
the fast one.

Everything is in integers: the same bytes on any machine. The radius law and how an outline is filled are
those of `synvid_eval.generators.shapes`; a shape of radius r lies about its center c, with the corners of the
released code: squares c ± ⌊r/√2⌋, turned squares the same turned, rectangles c ± ⌊r cos a⌋, ± ⌊r sin a⌋,
triangles and quadrilaterals c + r (cos a, sin a), all truncated to whole pixels; discs dx² + dy² ≤ r², as
`cv2.circle`. A leaf of color (0, 0, 0), one in 16.6 million, counts as covering here, not so in the released
code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.generators import raster, shapes
from synvid_eval.generators.base import Frame, Generator, interval
from synvid_eval.generators.palette import Palette, Uniform, palette_knob, parsed
from synvid_eval.generators.raster import (
    CIRCLE,
    KINDS,
    ORIENTED_SQUARE,
    RECTANGLE,
    SQUARE,
    SUBPIXEL,
    TRIG,
    Ints,
    Motion,
)
from synvid_eval.generators.texture import Texture
from synvid_eval.knobs import knob

MOST_FORWARD = 5000
"""Leaves after which the released code stops, covered or not."""

MOST = 65_535
"""Leaves after which the exact order stops (what an id buffer tells apart): what is free then stays black.
Pictures of the default radii are covered by 1000 to 3000."""

_FIRST = 4095

_UNIFORM = Uniform()

_FORMS = ("mixed", "square", "oriented_square")


@dataclass(frozen=True)
class _Leaves:
    """What the generator and the texture have in common."""

    shapes: str = knob(
        "mixed",
        "six kinds of shape, uniformly (mixed), squares along the axes, or squares turned at random: three "
        "sets of the released code",
        choices=_FORMS,
        source="released code",
        search=True,
        group="texture",
    )
    radius: str = knob(
        "0.03:1",
        "smallest and largest radius (Yu et al.'s shapes: 0.1:1)",
        low=0.01,
        high=1,
        unit="picture sizes",
        scale="log",
        ends="real",
        source="released code",
        search=(0.02, 1),
        group="texture",
    )
    radius_power: int = knob(
        3,
        "power of the law: density of radius r ∝ r^−power − largest^−power",
        low=1,
        high=8,
        source="released code",
        search=(1, 6),
        group="texture",
    )
    order: str = knob(
        "exact",
        "exact: from the top down until all is covered, which is the dead-leaves law; forward: from the "
        "bottom up until nothing is black, at most 5000 leaves (released code)",
        choices=("exact", "forward"),
        source="our choice: the law itself; forward is the released code's",
    )


def painted(leaves: Any, size: int, key: Any, palette: Palette = _UNIFORM) -> Frame:
    """A still, uint8 [size, size, 3] RGB.

    Args:
        leaves: what has the knobs `shapes`, `radius`, `radius_power` and `order`. key: the
        64-bit key of the draws of a quantity, by its name. palette: the colors of leaves.
    """
    forward = leaves.order == "forward"
    count = MOST_FORWARD if forward else _FIRST
    while True:
        motion, colors = _thrown(leaves, size, key, count, palette)
        first = _claimed(motion, size)  # number of the first leaf, from the top down, that covers a pixel
        if forward or (first != 0).all() or count == MOST:
            break
        count = min(count * 4 + 3, MOST)
    if forward:
        # the first leaf that covers a pixel is the one after which it is no longer black
        needed = count if (first == 0).any() else int(first.max())
        later = _claimed(Motion(*(a[:needed][::-1] for a in motion)), size)
        first = np.where(later == 0, 0, needed + 1 - later.astype(np.int64)).astype(np.uint16)
    picture = np.empty((size, size, 3), np.uint8)
    raster.color(first, colors, picture)
    return picture


def _claimed(motion: Motion, size: int) -> NDArray[np.uint16]:
    """uint16 [size, size]: the number (from 1) of the first leaf over each pixel, 0 where there is none."""
    upward = Motion(*(np.ascontiguousarray(a[::-1]) for a in motion))  # the kernel starts with the last
    count = len(motion.kind)
    place = np.empty((count, 2), np.int64)
    matrix = np.empty((count, 4), np.int64)
    raster.pose(upward, size, 0, 0, False, place, matrix)
    ids = np.empty((size, size), np.uint16)
    raster.claim(ids, upward, place, matrix, False, True)
    return np.where(ids == 0, 0, count + 1 - ids.astype(np.int64)).astype(np.uint16)


def _thrown(
    leaves: Any, size: int, key: Any, count: int, palette: Palette = _UNIFORM
) -> tuple[Motion, NDArray[np.uint8]]:
    """The first `count` leaves, and their colors uint8 [count + 1, 3], black first. More leaves change none
    of those before.
    """

    def draws(quantity: str, each: int = 1) -> NDArray[np.uint64]:
        return randomness.stream(key(quantity), count * each).reshape(count, each)

    def words(quantity: str, each: int = 1) -> Ints:
        return (draws(quantity, each) >> np.uint64(32)).astype(np.int64)

    radii, steps = shapes.radius_law(size, *interval(leaves, "radius"), leaves.radius_power)
    radius = radii[np.searchsorted(steps, words("radius")[:, 0], side="left")]
    if leaves.shapes == "mixed":
        kind = randomness.below(draws("kind"), len(KINDS))[:, 0]
    else:
        kind = np.full(count, {"square": SQUARE, "oriented_square": ORIENTED_SQUARE}[leaves.shapes])
    zeros, pair = np.zeros(count, np.int64), np.zeros((count, 2), np.int64)
    motion = Motion(
        kind=kind,
        center=randomness.below(draws("center", 2), size),
        velocity=pair,
        acceleration=pair,
        turn=zeros,
        stretch=pair,
        shear=pair,
        pivot=pair,
        radius=radius,
        corners=_corners(kind, radius, words("corners", 4)),
    )
    color = palette.colors(draws("color", palette.words))
    return motion, np.vstack([np.zeros((1, 3), np.uint8), color])


def _corners(kind: Ints, radius: Ints, angles: Ints) -> Ints:
    """Corners about the center (see the module's docstring), int64 [N, 4, 2] in 1/65536 px; angles as of
    `shapes.local_corners`.
    """
    exact = shapes.on_circle(kind, radius, angles)
    on_circle, whole = exact >> (TRIG - SUBPIXEL), np.where(exact >= 0, exact >> TRIG, -(-exact >> TRIG))
    square = shapes.half_side(radius)[:, None, None] * shapes.AROUND << SUBPIXEL
    which = kind[:, None, None]
    return np.select(
        [which == CIRCLE, which == SQUARE, which == ORIENTED_SQUARE, which == RECTANGLE],
        [
            np.zeros_like(on_circle),
            square,
            shapes.turned_square(radius, angles[:, 0]) >> (TRIG - SUBPIXEL),
            whole << SUBPIXEL,
        ],
        on_circle,
    )


@dataclass(frozen=True)
class LeavesTexture(_Leaves, Texture):
    """Dead leaves as textures (see the module's docstring)."""

    name: ClassVar[str] = "dead_leaves"
    revision: ClassVar[int] = 2
    exact: ClassVar[bool] = True

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        """Texture `index` of a pool: uint8 [size, size, 3] RGB; see `Texture.picture`."""
        return painted(self, self.size, lambda quantity: self.key(seed, pool, index, quantity))


@dataclass(frozen=True)
class DeadLeaves(_Leaves, Generator):
    """Clips that are one still of dead leaves each, again and again (see the module's docstring)."""

    name: ClassVar[str] = "dead_leaves"
    revision: ClassVar[int] = 2
    exact: ClassVar[bool] = True

    size: int = knob(
        256,
        "height and width of the frames (its small sets: 128)",
        low=8,
        high=4096,
        unit="px",
        scale="log",
        source="released code",
    )
    length: str = knob(
        "100:199",
        "frames of a clip",
        low=1,
        high=100_000,
        unit="frames",
        scale="log",
        ends="whole",
        source="our choice: as the moving sets; released are stills",
    )
    palette: str = palette_knob()

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB, all alike; see `Generator.draw`."""
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        key = partial(randomness.address, f"synvid_eval.generators.{self.name}", seed, preset, index)
        still = painted(self, self.size, key, parsed(self.palette))
        return (still.copy() for _ in frames)
