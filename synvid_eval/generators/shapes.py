"""Shapes: circles and polygons that drift, turn and stretch: the engine of Yu et al.'s progression of sets.

Source: Yu, Chen, Gandelsman 2024, "Learning Video Representations without Natural Videos" (arXiv 2410.24213),
and its released code, which made the published numbers and wins where the two differ. Every clip is a fresh
draw of 500 objects; object k lies over all objects before it. Quantities of length and speed are stated for
frames of 256 × 256 and scale with size / 256.

What is drawn at frame t: a shape with local corners in [0, 2r]² stands at `trunc(center + (v + a t) t)`, v
and a along its direction, truncated toward zero as the released code does, so motion goes in whole pixels
without anti-aliasing (`subpixel` keeps the fractions). Its corners are turned, scaled and sheared about the
`pivot`, `turn(ω t) · scale(1 + σ t) · shear(ς t)` (see `scale_law`), and truncated in turn. A circle is
centered at that point
itself, a polygon at that point + (r, r), a square at that point + (0.7 r, 0.7 r): quirks kept, since they are
part of what was measured. An object whose point has left [−size + 1, 2·size − 1] on an axis is not drawn.

Textures: an object shows the upper left [0, 2r]² (`texture_crop`) of its texture, which the released code
blew up to twice the frame, each texel to a square, and it takes it along: a frame pixel's position is brought
back into the local box and looked up there. Textures come from pools (`synvid_eval.generators.pool`).

Same bytes on any CPU (given the same textures): parameters come from integer draws through exact fractions
and a fixed-point sine, and the kernels work in fixed point (see `synvid_eval.generators.raster`). Conventions
of ours, where OpenCV's rasteriser is not documented: a polygon covers, in each row, everything between the
outermost pixels of its outline in that row, the outline being the nearest pixel to each edge along the edge's
longer axis (halves go up); so the boundary is filled, as by `cv2.fillPoly`. A disc of radius r covers dx² +
dy² ≤ r² + r, which is "nearer than r + ½", as the released code's `cv2.ellipse` nearly does. Against OpenCV,
99.5 % of a scene's pixels and all off an outline are equal. With `subpixel` a shape covers just the pixels
whose middle is in it.

Engine: objects are walked from the top down, each claims the pixels that are still free in an *id buffer*,
the walk ends when nothing is free, and each pixel is colored once. Of 500 objects some 130 touch the frame,
a few dozen are seen. The id buffer (`Shapes.ids`) is what masks, tracks and optical flow are read from
(`synvid_eval.generators.truth`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import palette as palettes
from synvid_eval.generators import pool as pools
from synvid_eval.generators import raster, truth
from synvid_eval.generators.base import Frame, Generator, interval
from synvid_eval.generators.pool import Pool
from synvid_eval.generators.raster import (
    ACCELERATION,
    CIRCLE,
    GROWTH,
    KINDS,
    ORIENTED_SQUARE,
    RATE,
    RECTANGLE,
    SQUARE,
    SUBPIXEL,
    TRIANGLE,
    TRIG,
    Ints,
    Motion,
    Pose,
    cosine,
    sine,
)
from synvid_eval.generators.texture import Texture, spelled
from synvid_eval.knobs import knob

REFERENCE_SIZE = 256
"""The frame size [px] for which lengths and speeds are stated (released code: `large_scale_options`)."""

RADII = 200
"""Grid points of the radius law (released code, from Baradad et al. 2021)."""

POOL = "pool"
"""The name of the pool that presets draw from: one for all, so that presets which differ in anything else
show the same textures, as the released sets share one bank.
"""

AROUND: Ints = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.int64)
"""A square's corners about its middle, in units of half its side."""

_OF_TEXTURES = ("bank", "pool", "dynamic", "texture_crop", "filter", "saturate")
"""Knobs that mean nothing without textures."""

_PI = Fraction(3141592653589793238462643383279502884197, 10**39)


@dataclass(frozen=True)
class Scene:
    """The sampled parameters of one clip's N objects, lowest first; all integers.

    kind: int64 [N], index into KINDS. center: int64 [N, 2] px (x, y) at frame 0. velocity: int64 [N, 2]
    1/65536 px per frame. radius: int64 [N] px. corners: int64 [N, 4, 2] 1/65536 px, local, in [0, 2r];
    triangles repeat their last corner, circles hold zeros. color: uint8 [N, 3] RGB. acceleration: int64 [N,
    2], 1/2**24 px per frame², half the true one. turn: int64 [N], 1/2**32 turn per frame. stretch, shear:
    int64 [N, 2], 1/2**32 per frame. pivot: int64 [N, 2], 1/65536 px, local. texture: uint64 [N + 1], the
    draw by which an id (0 the background) takes its texture. crop: int64 [N, 2] px, where an object's box
    begins in its texture. background: uint8 [3] RGB. circles: index into `raster.CIRCLES`. subpixel: whether
    positions keep their fractions. compound: whether scales are (1 + σ)^t. size: of the frames [px].
    """

    kind: Ints
    center: Ints
    velocity: Ints
    radius: Ints
    corners: Ints
    color: NDArray[np.uint8]
    acceleration: Ints
    turn: Ints
    stretch: Ints
    shear: Ints
    pivot: Ints
    texture: NDArray[np.uint64]
    crop: Ints
    background: NDArray[np.uint8]
    circles: int
    subpixel: bool
    compound: bool
    size: int

    @property
    def motion(self) -> Motion:
        """What the kernels take."""
        return Motion(*(getattr(self, field) for field in Motion._fields))

    @property
    def still(self) -> bool:
        """Whether no object ever changes its place or form."""
        return not any(
            a.any() for a in (self.velocity, self.acceleration, self.turn, self.stretch, self.shear)
        )

    def pose(self, frame: int, *, everything: bool = True) -> Pose:
        """Where each object stands at that frame (see `raster.Pose`). everything: also the matrices of
        objects that are not drawn.
        """
        count = len(self.kind)
        found = Pose(np.empty((count, 2), np.int64), np.empty((count, 4), np.int64))
        size = 0 if everything else self.size
        raster.pose(self.motion, size, frame, self.circles, self.subpixel, *found, self.compound)
        return found

    def place(self, frame: int) -> Ints:
        """Where each object stands at that frame: int64 [N, 2] px, truncated toward zero."""
        return truncated(self.pose(frame).place)

    def outline(self, frame: int) -> Ints:
        """The corners at that frame: int64 [N, 4, 2] px, truncated toward zero."""
        corners = np.empty((len(self.kind), 4, 2), np.int64)
        motion, found = self.motion, self.pose(frame)
        for k in range(len(self.kind)):
            raster.outline(motion, *found, k, self.subpixel, corners[k])
        return truncated(corners)

    def ids(self, found: Pose, into: NDArray[np.uint16]) -> None:
        """Fills the id buffer uint16 [size, size] of a pose: object k as k + 1, 0 background."""
        raster.claim(into, self.motion, *found, self.subpixel)


@dataclass(frozen=True)
class Shapes(Generator):
    """Shapes drifting over black, a color or a picture (see the module's docstring). Ranges are `low:high`,
    drawn uniformly.
    """

    name: ClassVar[str] = "shapes"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = True
    truths: ClassVar[tuple[str, ...]] = truth.KINDS

    size: int = knob(
        256,
        "height and width of the frames",
        low=8,
        high=4096,
        unit="px",
        scale="log",
        source="released code",
    )
    length: str = knob(
        "100:199",
        "frames of a clip, 4–8 s at 25 fps",
        low=1,
        high=100_000,
        unit="frames",
        scale="log",
        ends="whole",
        source="released code",
    )
    objects: int = knob(
        500,
        "objects of a clip (released code; the paper does not say)",
        low=1,
        high=65_535,
        scale="log",
        source="released code",
        search=(20, 1000),
        group="form",
    )
    shapes: str = knob(
        "mixed",
        "circle, or mixed: circle, square, oriented square, rectangle, triangle or quadrilateral, uniformly",
        choices=("circle", "mixed"),
        source="paper, Table 1",
        search=True,
        group="form",
    )
    speed: str = knob(
        "1.2:3.0",
        "speed of an object",
        low=0,
        high=256,
        unit="px/frame at 256",
        ends="real",
        source="paper, Table 8, and released code",
        search=(0, 12),
        group="motion",
    )
    acceleration: str = knob(
        "0",
        "a in the way v t + a t² along an object's direction, half the true acceleration (released code: "
        "-0.03:0.03, the ±0.06 of the paper's Table 8)",
        low=-1,
        high=1,
        unit="px/frame² at 256",
        ends="real",
        source="paper, Table 1: only from row 5 on",
        search=(-0.2, 0.2),
        group="motion",
    )
    acc_scale: float = knob(
        1.0,
        "factor of the acceleration. Slow sets have half the speed; 0.5 is the reading that they have half "
        "the acceleration, too",
        low=0,
        high=1,
        source="our choice: the paper says speed only",
    )
    rotation: str = knob(
        "0",
        "speed of rotation (released code: ±π/100, -0.031415926536:0.031415926536)",
        low=-1,
        high=1,
        unit="rad/frame",
        ends="real",
        source="paper, Table 1: only from row 4 on",
        search=(-0.2, 0.2),
        group="motion",
    )
    scale: str = knob(
        "0",
        "what the scale of x and of y changes by, σ of `scale_law`, two draws (released code: -0.005:0.005)",
        low=-0.1,
        high=0.1,
        unit="1/frame",
        ends="real",
        source="paper, Table 1: only from row 4 on",
        search=(-0.02, 0.02),
        group="motion",
    )
    scale_law: str = knob(
        "linear",
        "how a scale grows with time: linear is 1 + σ t (released code), compound (1 + σ)^t, as the paper's "
        '"each consecutive frame by scaling" can be read',
        choices=("linear", "compound"),
        source="released code",
    )
    shear: str = knob(
        "0",
        "what the shear of x by y and of y by x changes by, two draws (released code: -0.005:0.005)",
        low=-0.1,
        high=0.1,
        unit="1/frame",
        ends="real",
        source="paper, Table 1: only from row 4 on",
        search=(-0.02, 0.02),
        group="motion",
    )
    pivot: str = knob(
        "corner",
        "what a polygon turns, scales and shears about: corner is (r//2, r//2) of its box [0, 2r]², the "
        "released code's, which makes turning shapes swing; center is the box's middle",
        choices=("corner", "center"),
        source="released code",
    )
    circle_transform: str = knob(
        "none",
        "what becomes of circles: none (the released code that writes files, textured sets), scaled (its "
        "on-the-fly code, untextured sets: radii are scaled, the angle in radians is taken for degrees, no "
        "shear), full (as polygons, about their middle)",
        choices=raster.CIRCLES,
        source="released code: its code that writes files",
    )
    subpixel: bool = knob(
        False,
        "keep the fractions of positions: a pixel is covered where its middle is in the shape. Off: whole "
        "pixels, boundary filled (released code)",
        source="released code",
    )
    center_range: str = knob(
        "0:2",
        "range of x and y at frame 0. 0:2 is the released code's and is lopsided: no object starts left "
        "of or above the frame, so the upper left is emptier; -0.5:1.5 is symmetric",
        low=-8,
        high=8,
        unit="frame sizes",
        ends="real",
        source="released code",
    )
    radius: str = knob(
        "0.1:1",
        "smallest and largest radius of the dead-leaves law (released code)",
        low=0.001,
        high=4,
        unit="frame sizes",
        scale="log",
        ends="real",
        source="released code",
        search=(0.02, 1.5),
        group="form",
    )
    radius_power: int = knob(
        3,
        "power of the law: density of radius r ∝ r^−power − largest^−power (released code: sigma 3)",
        low=1,
        high=8,
        source="released code",
        search=(1, 6),
        group="form",
    )
    background: str = knob(
        "black",
        "black (released code), color: one a clip, or image: one texture of the pool a clip, stretched over "
        "the frame",
        choices=("black", "color", "image"),
        source="released code",
        search=True,
        group="background",
    )
    palette: str = palettes.palette_knob()
    textures: str = knob(
        "",
        "what objects show: nothing for solid colors, or textures joined by +, in equal shares, each a name "
        "with its own knobs in brackets, such as stylegan(network=highfreq)+statistical",
        source="paper, Table 1: only from row 6 on",
    )
    pool: int = knob(
        1000,
        "textures in the pool that objects draw from, of all kinds together (paper: 300,000; a bank has its "
        "own number)",
        low=1,
        high=10_000_000,
        scale="log",
        source="our choice: paper and released code have 300,000 textures or 1.3 million pictures",
    )
    bank: str = knob(
        "",
        "folder of banks (`textures make`): each kind of texture that has one there is taken from it, all of "
        "it, instead of from a pool made on the way",
        recipe=False,
        source="yours",
    )
    images: str = knob(
        "",
        "pictures for those textures that take some: a folder, or skimage",
        recipe=False,
        source="yours",
    )
    dynamic: bool = knob(
        False,
        "textures evolve: frame t of a clip shows frame t of each texture's walk (paper, Table 3)",
        source="paper: only in Tables 3 and 12",
    )
    texture_crop: str = knob(
        "corner",
        "which part of its texture an object shows: corner is the upper left (released code), random any",
        choices=("corner", "random"),
        source="released code",
    )
    filter: str = knob(
        "bilinear",
        "how a texture is looked up between its pixels, after it was blown up to twice the frame: bilinear "
        "(released code) or nearest, which is faster",
        choices=("bilinear", "nearest"),
        source="released code",
    )
    saturate: str = knob(
        "none",
        "the object's color added to its texture (paper, Table 12): wrap modulo 256 (what the released "
        "code's addition does), clip at 255",
        choices=raster.SATURATE,
        source="paper: only in Table 12",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        longest = int(interval(self, "length")[1])
        for name in ("scale", "shear"):
            most: Fraction | float = max(abs(end) for end in interval(self, name)) * longest
            if name == "scale" and self.scale_law == "compound":
                most = math.expm1(min(longest * math.log1p(interval(self, name)[1]), 99.0))
            if most > GROWTH:
                raise UsageError(
                    f"{self.name}.{name}={getattr(self, name)} grows to {float(most):g} in {longest} frames.",
                    f"At most {GROWTH}: shorten the clip (length) or slow it down.",
                )
        if self.textures:
            object.__setattr__(self, "textures", spelled(pools.recipes(self.textures)))
            still = [r.name for r in self._recipes() if not r.evolves()]
            if self.dynamic and still:
                raise UsageError(f"Textures {still[0]} do not evolve.", "Leave dynamic away.")
            colored = self.saturate != "none" or self.background == "color"
            if self.palette != palettes.UNIFORM and not colored:
                raise UsageError(
                    f"{self.name}.palette={self.palette[:60]} means nothing where textures hide all colors.",
                    "Leave textures away, or add the colors to them: saturate=wrap.",
                )
        else:
            off = [n for n in _OF_TEXTURES if getattr(self, n) != getattr(Shapes, n)]
            off += ["background"] * (self.background == "image")
            if off:
                raise UsageError(
                    f"{self.name}.{off[0]}={getattr(self, off[0])} means nothing without textures.",
                    "Name some: textures=statistical.",
                )

    def _recipes(self) -> list[Texture]:
        return pools.recipes(self.textures, self.images)

    def pools(self, seed: int) -> list[Pool]:
        """The pools that objects draw from, equal shares each; empty without `textures`.

        Raises:
            DataError: a bank that is damaged or not complete, pictures that are missing.
        """
        return pools.shared(self._recipes(), seed, POOL, self.pool, self.bank) if self.textures else []

    def identity(self, seed: int) -> dict[str, Any]:
        """See `Generator.identity`; with that of every pool. Knobs that have no effect beside the others
        stand there at their defaults, so equal pixels have one identity.
        """
        found = {**super().identity(seed), **{name: getattr(Shapes, name) for name in self._idle()}}
        if self.acc_scale != 1 and "acceleration" not in self._idle():
            ends = [
                f"{float(end * Fraction(str(self.acc_scale))):.12g}" for end in self._ends("acceleration")
            ]
            found |= {"acceleration": ":".join(ends), "acc_scale": 1.0}
        return {**found, "pools": [p.identity for p in self.pools(seed)]}

    def _ends(self, name: str) -> tuple[Fraction, Fraction]:
        return interval(self, name)

    def _idle(self) -> set[str]:
        """The knobs that change no pixel, whatever they are, beside the others' values."""
        zero = {n for n in ("acceleration", "rotation", "scale", "shear") if not any(self._ends(n))}
        found = set()
        if "acceleration" in zero or self.acc_scale == 0:
            found |= {"acceleration", "acc_scale"}
        if self.shapes == "circle":
            found |= {"pivot"}
            if self.circle_transform == "none":
                found |= {"rotation", "scale", "shear"}
            elif self.circle_transform == "scaled":
                found |= {"shear"}
        if {"rotation", "scale", "shear"} <= zero | found:
            found |= {"rotation", "scale", "shear", "pivot", "circle_transform"}
        if "scale" in zero | found:
            found |= {"scale_law"}
        return found | zero

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

        def uniform(name: str, unit: Fraction, each: int = 1) -> Ints:
            low, high = (round(end * unit) for end in interval(self, name))
            if low == high == 0:
                return np.zeros((self.objects, each), np.int64)
            return low + _scaled(words(name, each), high - low, 32)

        low, high = interval(self, "center_range")
        first, span = round(low * self.size), max(round((high - low) * self.size), 1)
        center = first + randomness.below(draws("center", 2), span)

        scale = Fraction(self.size, REFERENCE_SIZE)
        direction = words("direction")
        heading = np.concatenate([cosine(direction), sine(direction)], 1)
        velocity = _scaled(uniform("speed", scale * 2**SUBPIXEL), heading, TRIG)
        rate = scale * 2**ACCELERATION * Fraction(str(self.acc_scale))
        acceleration = _scaled(uniform("acceleration", rate), heading, TRIG)

        radii, steps = radius_law(self.size, *interval(self, "radius"), self.radius_power)
        radius = radii[np.searchsorted(steps, words("radius")[:, 0], side="left")]

        if self.shapes == "mixed":
            kind = randomness.below(draws("kind"), len(KINDS))[:, 0]
        else:
            kind = np.full(self.objects, CIRCLE, np.int64)
        corners = local_corners(kind, radius, words("corners", 4))
        palette = palettes.parsed(self.palette)
        color = palette.colors(draws("color", palette.words))

        pivot = np.repeat((radius // 2 if self.pivot == "corner" else radius)[:, None], 2, 1) << SUBPIXEL
        if self.pivot == "center":
            pivot = np.where((kind == SQUARE)[:, None], corners[:, 2] // 2, pivot)
        pivot = np.where((kind == CIRCLE)[:, None], radius[:, None] << SUBPIXEL, pivot)

        crop = np.zeros_like(center)
        if self.texture_crop == "random":
            room = np.maximum(2 * self.size - 2 * radius, 0)[:, None] + 1
            crop = (words("crop", 2) * room) >> 32
        key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, "background")
        background = np.zeros(3, np.uint8)
        if self.background == "color":
            background = palette.colors(randomness.stream(key, palette.words)[None])[0]
        return Scene(
            kind=kind,
            center=center,
            velocity=velocity,
            radius=radius,
            corners=corners,
            color=color,
            acceleration=acceleration,
            turn=uniform("rotation", 2**32 / (2 * _PI))[:, 0],
            stretch=uniform("scale", Fraction(2**RATE), 2),
            shear=uniform("shear", Fraction(2**RATE), 2),
            pivot=pivot,
            texture=np.concatenate([randomness.stream(key, 1, start=3), draws("texture")[:, 0]]),
            crop=crop,
            background=background,
            circles=raster.CIRCLES.index(self.circle_transform),
            subpixel=self.subpixel,
            compound=self.scale_law == "compound",
            size=self.size,
        )

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`.

        Raises:
            DataError: textures that cannot be had (see `pools`).
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        scene = self.scene(seed, preset, index)
        if self.textures:
            return self._textured(scene, self.pools(seed), frames)
        return self._colored(scene, frames)

    def _colored(self, scene: Scene, frames: Sequence[int]) -> Iterator[Frame]:
        palette = np.vstack([scene.background, scene.color])
        for ids, _ in self._looks(scene, frames):
            picture = np.empty((self.size, self.size, 3), np.uint8)
            raster.color(ids, palette, picture)
            yield picture

    def _textured(self, scene: Scene, given: list[Pool], frames: Sequence[int]) -> Iterator[Frame]:
        which, index = pools.shares(given, scene.texture)
        shown: pools.Stills | pools.Walks = pools.Stills(given, which, index)
        if self.dynamic:
            wanted = [self._visible(ids) for ids, _ in self._looks(scene, frames)]
            shown = pools.Walks(given, which, index, frames, wanted)
        palette = np.vstack([scene.background, scene.color])
        saturate, smooth = raster.SATURATE.index(self.saturate), self.filter == "bilinear"
        behind = np.repeat(scene.background[None], self.objects + 1, 0)
        motion, maps = scene.motion, np.empty((self.objects + 1, 6), np.int64)
        for ids, found in self._looks(scene, frames):
            picture = np.zeros((self.size, self.size, 3), np.uint8)
            visible = self._visible(ids)
            if self.background == "color":
                raster.color(ids, behind, picture)
            flags = np.zeros(self.objects + 1, np.uint8)
            flags[visible] = 1
            raster.to_texture(motion, *found, scene.crop, flags, maps)
            for bank, slots in shown.banks(visible):
                table = _table(self.size, bank.shape[1])
                raster.textured(ids, slots, bank, maps, table, palette, saturate, smooth, picture)
            yield picture

    def _visible(self, ids: NDArray[np.uint16]) -> Ints:
        """The ids that show a texture in an id buffer."""
        flags = np.empty(self.objects + 1, np.uint8)
        raster.seen(ids, flags)
        if self.background != "image":
            flags[0] = 0
        return np.flatnonzero(flags)

    def ids(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[NDArray[np.uint16]]:
        """The topmost object at each pixel of the chosen frames: uint16 [size, size], object k as k + 1, 0
        background.

        Raises:
            UsageError: negative clip index, or a frame outside the clip.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return (ids.copy() for ids, _ in self._looks(self.scene(seed, preset, index), frames))

    def painted_truth(
        self, seed: int, preset: str, index: int, frames: Sequence[int], kinds: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """What is known of the chosen frames, exactly: see `truth.of` and `Generator.painted_truth`."""
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return truth.of(self.scene(seed, preset, index), frames, kinds)

    def _looks(self, scene: Scene, frames: Sequence[int]) -> Iterator[tuple[NDArray[np.uint16], Pose]]:
        """Id buffer and pose of each chosen frame; the buffer is overwritten for the next (drawn once where
        nothing moves).
        """
        ids = np.empty((self.size, self.size), np.uint16)
        still, found = scene.still, None
        for frame in frames:
            if found is None or not still:
                found = scene.pose(frame, everything=False)
                scene.ids(found, ids)
            yield ids, found


@functools.lru_cache(maxsize=16)
def _table(size: int, texels: int) -> NDArray[np.uint64]:
    """The texel, uint64 [2 · size + 2], that local pixel i − 1 falls on: a texture blown up to twice the
    frame.
    """
    places = np.arange(-1, 2 * size + 1) * texels // (2 * size)
    table = np.clip(places, 0, texels - 1).astype(np.uint64)
    table.flags.writeable = False
    return table


def truncated(value: Ints) -> Ints:
    """Whole pixels of 1/65536 px, truncated toward zero as a C cast does it."""
    return np.where(value >= 0, value >> SUBPIXEL, -(-value >> SUBPIXEL))


def _scaled(value: Ints, factor: int | Ints, bits: int) -> Ints:
    """round(value · factor / 2**bits), halves up."""
    return (value * factor + (1 << (bits - 1))) >> bits


@functools.lru_cache(maxsize=64)
def radius_law(size: int, low: Fraction, high: Fraction, power: int) -> tuple[Ints, Ints]:
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


def local_corners(kind: Ints, radius: Ints, angles: Ints) -> Ints:
    """Local corners int64 [N, 4, 2] in 1/65536 px, in order around the shape; angles int64 [N, 4] in [0,
    2**32) turns.

    Released code: square (0,0), (s,0), (s,s), (0,s) with s = r√2; oriented square ±s/2 turned by a uniform
    angle; rectangle (±r cos a, ±r sin a) with a in a quarter turn; triangle and quadrilateral at 3 and 4
    sorted uniform angles on the circle of radius r; all but the square moved by (r, r). Truncated to whole
    pixels here, except the oriented square, of which the half side is truncated and the turned corners are so
    only after the position was added.
    """
    away = radius[:, None, None]
    corners = np.maximum(((away << TRIG) + on_circle(kind, radius, angles)) >> TRIG, 0) << SUBPIXEL
    sides = np.array([math.isqrt(n) for n in (2 * radius**2).tolist()])
    square = sides[:, None, None] * ((AROUND + 1) // 2) << SUBPIXEL
    oriented = (away << SUBPIXEL) + (turned_square(radius, angles[:, 0]) >> (TRIG - SUBPIXEL))
    which = kind[:, None, None]
    conditions = [which == CIRCLE, which == SQUARE, which == ORIENTED_SQUARE]
    return np.select(conditions, [np.zeros_like(corners), square, oriented], corners)


def on_circle(kind: Ints, radius: Ints, angles: Ints) -> Ints:
    """The corners of rectangles, triangles and quadrilaterals about their middle, on the circle of their
    radius: int64 [N, 4, 2] in 1/2**30 px; angles as of `local_corners`. Of other kinds what is given means
    nothing.
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
    return np.stack([radius[:, None] * wave(phases) for wave in (cosine, sine)], -1)


def half_side(radius: Ints) -> Ints:
    """⌊r/√2⌋ px, half the side of a square of circumradius r, int64 [N]."""
    return np.array([math.isqrt(n) for n in (radius**2 // 2).tolist()], np.int64)


def turned_square(radius: Ints, angle: Ints) -> Ints:
    """The corners of squares with half sides ⌊r/√2⌋, turned about their middle: int64 [N, 4, 2] in 1/2**30
    px. angle: int64 [N] in [0, 2**32) turns.
    """
    c, s = (wave(angle[:, None]) * half_side(radius)[:, None] for wave in (cosine, sine))
    return np.stack([c * AROUND[:, 0] - s * AROUND[:, 1], s * AROUND[:, 0] + c * AROUND[:, 1]], -1)
