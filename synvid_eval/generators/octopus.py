"""Octopus: a figure of 3 to 5 soft limbs, joined in one place, that bend from one form into another.

Source: a baseline of Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action Recognition with
Automatically Generated Fractal Datasets" (arXiv 2411.17584), and its released code, of which all numbers here
are.

A limb is a curve of 512 points. Down and across are each a quadratic spline through 3 to 5 heights between
0.85 and 1.15, of which the part from a place between 0 and 0.1 to one between 0.4 and 0.6 is taken. A limb
has two such curves and goes from the first toward the second, each point straight, as far as
`synvid_eval.generators.curves` says. In every frame all limbs are shifted so that a point in the first 15 %
of each lies on such a point of one of them. The figure is fitted into the frame, down and across apart, by
the extremes of the whole clip with a margin of 1 % of their size, and its points are marked in whole pixels.

Then each frame is blurred (Gaussian, standard deviations of 3 to 8 px down and across) and what exceeds a
threshold (3 to 9 of 255) is the body, in one color over black, its gaps closed by 2 × 2 px (which, done with
OpenCV, also moves it a pixel down and to the right). In 80 % of the clips 1 to 3 forms of the body's color
grow on it (radius 18 to 27 px), in 80 % 2 to 5 colored patches lie on it and only there (18 to 31 px); both
are discs or regular polygons of 3 to 7 sides that stick to a point of a limb. In 40 % only outlines are kept:
the morphological gradient of 2 to 6 px a way. In 30 % of the clips each, the threshold and the outlines'
width go evenly from one draw to another during the clip.

Different here, where the released code slips: a form on the body has the body's color even where the first
point of the first frame, from which the code takes it, lies outside the body; colors without red are colors.
Sizes: what is told in px is of frames of 256 px and scales with size / 256 (the released code scales radii
only), and larger frames have as many more points to a limb. Forms are filled as by
`synvid_eval.generators.moving_leaves`.

Drawn in floating point (splines, OpenCV's blur): the same bytes on one machine and library version; elsewhere
a few pixels of outlines may differ (stored pixels bound it in a test).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.generators import palette as palettes
from synvid_eval.generators import raster
from synvid_eval.generators.base import Frame, Generator, interval
from synvid_eval.generators.curves import Draws, courses, whole
from synvid_eval.generators.moving_leaves import LEVELS, REFERENCE_SIZE, Leaf, leaf, scaled
from synvid_eval.knobs import knob

POINTS = 512
"""Points of a limb, in frames of up to 256 px."""

JOINT = 0.15
"""The share of a limb, from its beginning, in which it is joined to the others."""

MARGIN = 0.01
"""What is left around the figure, of the size of its extremes."""

CLOSED = np.ones((2, 2), np.uint8)
"""Gaps of the body that are closed."""

Units = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """Limbs that move. begin, end: float64 [L, P, 2] (down, across), the curves of each limb. gone: float64
    [T, L], how far each has come. joint: int64 [L], the points that lie on one another; center: the limb that
    the others are shifted to.
    """

    begin: Units
    end: Units
    gone: Units
    joint: NDArray[np.int64]
    center: int

    def at(self, frame: int) -> Units:
        """The points of all limbs, float64 [L · P, 2], before they are fitted into the frame."""
        gone = self.gone[frame][:, None, None]
        limbs: Units = self.begin * (1 - gone) + self.end * gone
        joined = limbs[np.arange(len(limbs)), self.joint]
        limbs += (joined[self.center] - joined)[:, None]
        return limbs.reshape(-1, 2)

    def extremes(self) -> tuple[Units, Units]:
        """The least and the largest of down and across in the whole clip: float64 [2] each."""
        ends = np.array([(f.min(0), f.max(0)) for f in map(self.at, range(len(self.gone)))])
        return ends[:, 0].min(0), ends[:, 1].max(0)


@dataclass(frozen=True)
class Form:
    """A disc or polygon that sticks to point `point` of a figure. color: its number in the palette."""

    leaf: Leaf
    point: int
    color: int


@dataclass(frozen=True)
class Scene:
    """A clip's parameters. figure: the limbs. low, high: float64 [2], what the frame's edges are in the
    figure's measure. sigma: of the blur [px], down and across. threshold: float64 [T]. grown: forms of the
    body's color. patches: colored ones. outline: int64 [T, 2] px, down and across, or None where bodies are
    filled. palette: uint8 [N, 3] RGB: background, body, patches. size: of the frames [px].
    """

    figure: Figure
    low: Units
    high: Units
    sigma: tuple[float, float]
    threshold: Units
    grown: tuple[Form, ...]
    patches: tuple[Form, ...]
    outline: NDArray[np.int64] | None
    palette: NDArray[np.uint8]
    size: int

    def points(self, frame: int) -> NDArray[np.int64]:
        """The points of all limbs in a frame: int64 [L · P, 2] px (down, across), truncated."""
        return ((self.figure.at(frame) - self.low) * (self.size / (self.high - self.low))).astype(np.int64)

    def frame(self, frame: int) -> Frame:
        """That frame, uint8 [size, size, 3] RGB."""
        points = self.points(frame)
        # a line's peak after the blur goes as 1 / sigma: with brighter points larger frames look the same
        marked = np.zeros((self.size, self.size), np.float32)
        marked[points[:, 0], points[:, 1]] = 255 * self.size / REFERENCE_SIZE
        down, across = self.sigma
        blurred = cv2.GaussianBlur(marked, (0, 0), sigmaX=across, sigmaY=down)
        body = (blurred > self.threshold[frame]).astype(np.uint8)
        body = np.asarray(cv2.morphologyEx(body, cv2.MORPH_CLOSE, CLOSED), np.uint8)
        _stamped(body, self.grown, points)
        ids = np.zeros(body.shape, np.uint16)
        _stamped(ids, self.patches, points)
        ids = np.where((ids > 0) & (body > 0), ids, body).astype(np.uint16)
        picture = np.empty((self.size, self.size, 3), np.uint8)
        raster.color(ids, self.palette, picture)
        if self.outline is None:
            return picture
        around = np.ones(self.outline[frame], np.uint8)
        return np.asarray(cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, around), np.uint8)


def _stamped(canvas: NDArray[Any], forms: Sequence[Form], points: NDArray[np.int64]) -> None:
    for form in forms:
        y, x = points[form.point].tolist()
        form.leaf.stamp(canvas, x, y, form.color)


@dataclass(frozen=True)
class Octopus(Generator):
    """Limbs that bend from one form into another (see the module's docstring)."""

    name: ClassVar[str] = "octopus"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

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
        "height and width of the frames",
        low=8,
        high=4096,
        unit="px",
        scale="log",
        source="released code",
    )
    length: str = knob(
        "18:20",
        "frames of a clip; the limbs take as long as the clip",
        low=1,
        high=100_000,
        unit="frames",
        scale="log",
        ends="whole",
        source="released code",
    )
    limbs: str = knob(
        "3:5",
        "limbs of the figure",
        low=1,
        high=64,
        scale="log",
        ends="whole",
        source="released code",
        search=(1, 12),
        group="form",
    )
    sigma: str = knob(
        "3:8",
        "standard deviation of the blur that thickens limbs, down and across, two draws",
        low=1,
        high=32,
        unit="px at 256",
        scale="log",
        ends="whole",
        source="released code",
        search=(1, 16),
        group="form",
    )
    threshold: str = knob(
        "3:9",
        "what a blurred pixel must exceed to be of the body, where a marked point is 255: less is thicker",
        low=1,
        high=100,
        unit="grey levels",
        scale="log",
        ends="whole",
        source="released code",
        search=(1, 20),
        group="form",
    )
    grown: float = knob(
        0.8,
        "share of clips with discs and polygons of the body's color on it",
        low=0,
        high=1,
        source="released code",
        search=(0, 1),
        group="form",
    )
    patches: float = knob(
        0.8,
        "share of clips with colored discs and polygons on the body",
        low=0,
        high=1,
        source="released code",
        search=(0, 1),
        group="form",
    )
    outlines: float = knob(
        0.4,
        "share of clips that show outlines only",
        low=0,
        high=1,
        source="released code",
        search=(0, 1),
        group="form",
    )
    varying: float = knob(
        0.3,
        "share of clips in which the threshold, and of those in which the outlines' width changes with time",
        low=0,
        high=1,
        source="released code",
        search=(0, 1),
        group="motion",
    )
    palette: str = palettes.palette_knob()

    def scene(self, seed: int, preset: str, index: int) -> Scene:
        """The parameters of a clip. Each quantity has a stream of its own, addressed by (seed, preset, index,
        quantity).
        """

        def key(quantity: str) -> int:
            return randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, quantity)

        def units(quantity: str, count: int) -> Units:
            return randomness.unit(randomness.stream(key(quantity), count))

        length, scale = self.clip_length(seed, preset, index), self.size / REFERENCE_SIZE
        figure = self._figure(units, length)
        low, high = figure.extremes()
        points = figure.begin.shape[0] * figure.begin.shape[1]
        sigma = self._draws("sigma", units("sigma", 2)) * scale
        threshold = self._course(units("threshold", 3), length, self._ends("threshold"))
        is_grown, is_patched, is_outlined = units("parts", 3) < (self.grown, self.patches, self.outlines)
        patches = _forms(units, "patches", (2, 5), (18, 31), points, self.size) if is_patched else ()
        grown = _forms(units, "grown", (1, 3), (18, 27), points, self.size) if is_grown else ()
        outline = None
        if is_outlined:
            varies, *draws = units("outlines", 5).tolist()
            ways = [self._course(np.array([varies, *draws[k : k + 2]]), length, (2, 6)) for k in (0, 2)]
            outline = np.maximum(np.floor(np.stack(ways, 1) * scale + 0.5), 2).astype(np.int64)
        palette, black = palettes.parsed(self.palette), np.zeros((1, 3), np.uint8)
        colors = randomness.stream(key("color"), palette.words * (1 + len(patches)))
        return Scene(
            figure=figure,
            low=low - MARGIN * np.abs(low),
            high=high + MARGIN * np.abs(high),
            sigma=(float(sigma[0]), float(sigma[1])),
            threshold=threshold,
            grown=tuple(Form(f.leaf, f.point, 1) for f in grown),
            patches=patches,
            outline=outline,
            palette=np.vstack([black, palette.colors(colors.reshape(-1, palette.words), LEVELS)]),
            size=self.size,
        )

    def _ends(self, name: str) -> tuple[int, int]:
        low, high = interval(self, name)
        return int(low), int(high)

    def _draws(self, name: str, draws: Units) -> NDArray[np.int64]:
        return _whole(draws, *self._ends(name))

    def _course(self, draws: Units, length: int, ends: tuple[int, int]) -> Units:
        """A whole number of [low, high] at each frame: the second draw, or in a share `varying` of the clips
        (first draw) evenly from there to the third. float64 [length].
        """
        first, last = _whole(draws[1:], *ends).tolist()
        course: Units = np.linspace(first, last if draws[0] < self.varying else first, length)
        return np.around(course)

    def _figure(self, units: Draws, length: int) -> Figure:
        from scipy.interpolate import make_interp_spline

        limbs = int(self._draws("limbs", units("limbs", 1))[0])
        count = max(POINTS * self.size // REFERENCE_SIZE, POINTS)
        curves = np.empty((limbs, 2, count, 2))
        for limb, which, axis in np.ndindex(limbs, 2, 2):
            knots, begin, end, *heights = units(f"curve {limb} {which} {axis}", 8).tolist()
            used = np.array(heights[: whole(knots, 3, 5)])
            part = np.linspace(0.1 * begin, 0.4 + 0.2 * end, count)
            spline = make_interp_spline(np.linspace(0, 1, len(used)), 0.85 + 0.3 * used, k=2)
            curves[limb, which, :, axis] = spline(part)
        center, *joints = units("joints", 1 + limbs)
        return Figure(
            begin=curves[:, 0],
            end=curves[:, 1],
            gone=courses(length, limbs, lambda what, many: units(f"course {what}", many)),
            joint=(JOINT * np.array(joints) * count).astype(np.int64),
            center=int(center * limbs),
        )

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`."""
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return map(self.scene(seed, preset, index).frame, frames)


def _forms(
    units: Draws,
    what: str,
    number: tuple[int, int],
    radius: tuple[int, int],
    points: int,
    size: int,
) -> tuple[Form, ...]:
    """Between the two numbers of forms, with radii [px at 256] in that range, of 2 (a disc) to 7 sides, on
    any of the points; colored from 2 on.
    """
    count = int(_whole(units(what, 1), *number)[0])
    sides, radii, turns, places = units(f"{what} forms", 4 * count).reshape(4, count)
    leaves = map(
        leaf,
        _whole(sides, 2, 7).tolist(),
        scaled(_whole(radii, *radius), size).tolist(),
        _whole(turns, 0, 359).tolist(),
    )
    on = (places * points).astype(np.int64).tolist()
    return tuple(Form(shape, point, 2 + k) for k, (shape, point) in enumerate(zip(leaves, on, strict=True)))


def _whole(units: Units, low: int, high: int) -> NDArray[np.int64]:
    """Draws in [0, 1) as whole numbers of [low, high]."""
    return low + (units * (high - low + 1)).astype(np.int64)
