"""Moving leaves: 15 to 30 discs and regular polygons of one color each, every one on a way of its own.

Source: the "dead leaves" baseline of Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action
Recognition with Automatically Generated Fractal Datasets" (arXiv 2411.17584), and its released code. A leaf
keeps its form, size and turn; leaf k lies over all before it, over black. It has 1 to 8 sides (1 or 2: a
disc), radius 12 to 32 px in frames of 256 px (scaled with size / 256 here; the released code does not
scale), a turn of whole degrees and a color, all uniform.

Ways. Down and across follow curves of their own (`synvid_eval.generators.curves`), each stretched to [0, 1],
times a range between 1 and 2 of either sign, plus a start between −2 and 2, backwards half of the time. The
ways of all leaves together are then fitted into the frame, down and across apart, so that the clip's
outermost centers lie on the frame's edges, and rounded to whole pixels.

Ours, where the released code's library draws in a manner of its own: a polygon's corners lie on its circle at
turn + k · 360° / sides from the right, clockwise, rounded to whole pixels about its center; polygons are
filled with their boundary (`cv2.fillPoly`), discs by `cv2.circle`; no anti-aliasing. Leaves only shift by
whole pixels, so the truth of a clip is exact.

Splines and sines of the curves are in floating point: the same bytes on one machine and library version;
elsewhere a center may round to the next pixel (stored pixels bound it in a test).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.generators import palette as palettes
from synvid_eval.generators import raster, truth
from synvid_eval.generators.base import Frame, Generator, interval
from synvid_eval.generators.curves import Draws, courses
from synvid_eval.knobs import knob

REFERENCE_SIZE = 256
"""The frame size [px] for which radii are stated (released code: the default of `--res`)."""

LEVELS = 256
"""Values that R, G and B have each (released code)."""

DISC = 3
"""A leaf of fewer sides is a disc."""


@dataclass(frozen=True)
class Leaf:
    """A form to be stamped. corners: int32 [sides, 2] px (x, y) about the center; empty for a disc. radius:
    px.
    """

    corners: NDArray[np.int32]
    radius: int

    def stamp(self, canvas: NDArray[Any], x: int, y: int, value: int) -> None:
        """Fills the form about (x, y) in `canvas` [H, W] with `value`; what lies outside is cut off."""
        if len(self.corners):
            cv2.fillPoly(canvas, [self.corners], value, offset=(x, y))
        else:
            cv2.circle(canvas, (x, y), self.radius, value, cv2.FILLED)


def leaf(sides: int, radius: int, turn: int) -> Leaf:
    """A disc (fewer than three sides) or a regular polygon. radius: px. turn: whole degrees."""
    if sides < DISC:
        return Leaf(np.empty((0, 2), np.int32), radius)
    angles = np.radians(turn + 360 / sides * np.arange(sides))
    corners = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return Leaf(np.floor(corners + 0.5).astype(np.int32), radius)


def scaled(length: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Lengths stated for `REFERENCE_SIZE` in frames of `size`: whole px, halves up, at least 1."""
    return np.maximum((2 * length * size + REFERENCE_SIZE) // (2 * REFERENCE_SIZE), 1)


@dataclass(frozen=True)
class Scene:
    """A clip's leaves, lowest first. leaves: their forms. places: int64 [T, N, 2] px (x, y), the centers.
    color: uint8 [N, 3] RGB. size: of the frames [px].
    """

    leaves: tuple[Leaf, ...]
    places: NDArray[np.int64]
    color: NDArray[np.uint8]
    size: int

    def ids(self, frame: int) -> NDArray[np.uint16]:
        """The topmost leaf at each pixel: uint16 [size, size], leaf k as k + 1, 0 background."""
        ids = np.zeros((self.size, self.size), np.uint16)
        for k, (x, y) in enumerate(self.places[frame].tolist()):
            self.leaves[k].stamp(ids, x, y, k + 1)
        return ids


@dataclass(frozen=True)
class MovingLeaves(Generator):
    """Discs and regular polygons on ways of their own (see the module's docstring)."""

    name: ClassVar[str] = "moving_leaves"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False
    truths: ClassVar[tuple[str, ...]] = truth.KINDS

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
        "frames of a clip; the ways take as long as the clip",
        low=1,
        high=100_000,
        unit="frames",
        scale="log",
        ends="whole",
        source="released code",
    )
    objects: str = knob(
        "15:30",
        "leaves of a clip",
        low=1,
        high=1000,
        scale="log",
        ends="whole",
        source="released code",
        search=(5, 200),
        group="form",
    )
    sides: str = knob(
        "1:8",
        "sides of a leaf; 1 and 2 make a disc",
        low=1,
        high=64,
        ends="whole",
        source="released code",
        search=(1, 12),
        group="form",
    )
    radius: str = knob(
        "12:32",
        "radius of a leaf (of the circle through its corners)",
        low=1,
        high=256,
        unit="px at 256",
        scale="log",
        ends="whole",
        source="released code",
        search=(4, 96),
        group="form",
    )
    palette: str = palettes.palette_knob()

    def scene(self, seed: int, preset: str, index: int) -> Scene:
        """The leaves of a clip, with their places in all of its frames.

        Each quantity has a stream of its own, addressed by (seed, preset, index, quantity).
        """

        def draws(quantity: str, count: int) -> NDArray[np.uint64]:
            key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, quantity)
            return randomness.stream(key, count)

        def whole(name: str, count: int) -> NDArray[np.int64]:
            low, high = (int(end) for end in interval(self, name))
            return low + randomness.below(draws(name, count), high - low + 1)

        count = int(whole("objects", 1)[0])
        sides, radii = whole("sides", count), scaled(whole("radius", count), self.size)
        turns = randomness.below(draws("turn", count), 360)
        keys, length = draws("ways", 2 * count).tolist(), self.clip_length(seed, preset, index)
        palette = palettes.parsed(self.palette)
        ways = np.stack([way(partial(_units, key), length) for key in keys], 1).reshape(length, count, 2)
        return Scene(
            leaves=tuple(map(leaf, sides.tolist(), radii.tolist(), turns.tolist())),
            places=fitted(ways, self.size),
            color=palette.colors(draws("color", palette.words * count).reshape(count, -1), LEVELS),
            size=self.size,
        )

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`."""
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return self._colored(self.scene(seed, preset, index), frames)

    def _colored(self, scene: Scene, frames: Sequence[int]) -> Iterator[Frame]:
        palette = np.vstack([np.zeros((1, 3), np.uint8), scene.color])
        for frame in frames:
            picture = np.empty((self.size, self.size, 3), np.uint8)
            raster.color(scene.ids(frame), palette, picture)
            yield picture

    def painted_truth(
        self, seed: int, preset: str, index: int, frames: Sequence[int], kinds: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """What is known of the chosen frames, exactly; the kinds of `synvid_eval.generators.truth`, where the
        middle of a leaf is its center. See `Generator.painted_truth`.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        scene = self.scene(seed, preset, index)
        ids = np.zeros((len(frames), self.size, self.size), np.uint16)
        for number, frame in enumerate(frames):
            ids[number] = scene.ids(frame)
        places = scene.places[list(frames)]
        found: dict[str, NDArray[Any]] = {}
        if "masks" in kinds:
            found["masks"] = ids
        if "tracks" in kinds:
            found["tracks"] = places.transpose(1, 0, 2).astype(np.float32)
        if "occluded" in kinds:
            own = np.arange(1, len(scene.leaves) + 1)
            seen = [truth.sees(ids[n], places[n].astype(float), own) for n in range(len(frames))]
            found["occluded"] = ~np.array(seen, bool).reshape(len(frames), len(own)).T
        if "flow" in kinds or "hidden" in kinds:
            found |= {k: a for k, a in _moved(ids, places).items() if k in kinds}
        return found


def _moved(ids: NDArray[np.uint16], places: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """`flow` and `hidden` of a clip's id buffers [T, H, W] and centers [T, N, 2]: leaves only shift."""
    pairs, size = max(len(ids) - 1, 0), ids.shape[1]
    flow = np.zeros((pairs, size, size, 2), np.float32)
    hidden = np.zeros((pairs, size, size), bool)
    rows, columns = np.mgrid[:size, :size]
    for n in range(pairs):
        shifts = np.vstack([[[0, 0]], places[n + 1] - places[n]])
        flow[n] = shifts[ids[n]]
        hidden[n] = ~truth.sees(ids[n + 1], np.stack([columns, rows], -1) + shifts[ids[n]], ids[n])
    return {"flow": flow, "hidden": hidden}


def _units(key: int, what: str, count: int) -> NDArray[np.float64]:
    key = randomness.address("synvid_eval.generators.moving_leaves", key, what)
    return randomness.unit(randomness.stream(key, count))


def way(draws: Draws, frames: int) -> NDArray[np.float64]:
    """A leaf's way along one axis, before it is fitted into the frame: float64 [frames], in [−4, 4]."""
    range_, sign, start, turn = draws("way", 4).tolist()
    course = stretched(courses(frames, 1, draws)[:, 0])
    gone: NDArray[np.float64] = course * (1 + range_) * (-1 if sign < 0.5 else 1) + (4 * start - 2)
    return gone[::-1] if turn < 0.5 else gone


def fitted(ways: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Ways float64 [T, N, 2] as centers in a frame: int64 [T, N, 2] px in [0, size − 1]."""
    places = np.stack([stretched(ways[..., axis]) for axis in (0, 1)], -1)
    return np.minimum(np.floor(places * size + 0.5), size - 1).astype(np.int64)


def stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shifted and scaled to [0, 1]; 0 where all values are the same."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
