"""Operations that adapt clips: their knobs, and how the parameters of each are drawn.

Formulae, ranges and probabilities are those of the released code of Svyezhentsev et al. 2024; what they do,
and where it differs, is said in `synvid_eval.generators.adaptation`. An operation is a frozen dataclass of
knobs with a probability `p`, a sampler and a pure function. `OPERATIONS` is the table of them: one entry more
is an operation more. `synvid_eval.generators.adapting` puts them into chains.

`strength` in [0, 1] is how far the published curriculum has come: ranges grow linearly with it, 1 is all of
it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from synvid_eval import knobs, randomness
from synvid_eval.generators.adaptation import (
    Box,
    Clip,
    Copies,
    Draws,
    Flip,
    Floats,
    Ints,
    Mix,
    Others,
    Parameters,
    Place,
    Warp,
    Window,
    cloned,
    in_place,
    mirrored,
    mixed,
    placed,
    reordered,
    warped,
    windowed,
)
from synvid_eval.generators.base import Frame, check_ranges, interval
from synvid_eval.generators.resize import resized
from synvid_eval.knobs import knob

ROWS = 112
"""The frame height [px] for which a shake's amplitude is stated (released code)."""


@dataclass(frozen=True)
class Operation(ABC):
    """Base of all operations: knobs, and how parameters are drawn.

    `apply` is the pure function. `together`: in batches that share a draw (`adapt_batch`) its parameters are
    the batch's, `wholly`: whether it is applied, too; else these are the clip's own. `late`: it is applied
    only after the curriculum. `truthful`: what is known of a clip is known of what it makes.
    """

    name: ClassVar[str]
    together: ClassVar[bool] = False
    wholly: ClassVar[bool] = False
    late: ClassVar[bool] = False
    truthful: ClassVar[bool] = True

    p: float = knob(
        1.0,
        "probability that a clip is changed by it",
        low=0,
        high=1,
        source="our choice: what is named is applied; published has its own",
        search=(0, 1),
        group="camera",
    )

    def __post_init__(self) -> None:
        knobs.check(self)
        check_ranges(self)

    @staticmethod
    @abstractmethod
    def apply(clip: Clip, parameters: Any) -> Clip:
        """The clip, changed: both uint8 [T, H, W, 3] RGB."""

    @abstractmethod
    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Any:
        """Parameters for a clip of `total` ≥ 1 frames of `size` (height, width) [px].

        Args:
            draws: addressed; `times` must not depend on the size. strength: in [0, 1]. others: where pictures
            come from; without it there are none, and the parameters only tell `times` and geometry.
        """

    def ends(self, name: str) -> tuple[float, float]:
        """A range knob's ends."""
        low, high = interval(self, name)
        return float(low), float(high)


@dataclass(frozen=True)
class _Timed(Operation):
    """What happens in a part of the clip, drawn; before and after it nothing changes."""

    duration: str = knob(
        "0.1:1",
        "how long it goes on, 2 frames at least",
        low=0,
        high=1,
        unit="clip lengths",
        ends="real",
        source="released code",
    )

    def progress(self, draws: Draws, total: int, strength: float) -> Ints:
        """How many frames it has gone on at each frame: int64 [total]."""
        low, high = self.ends("duration")
        least, most = (
            min(total, max(2, int(share * total))) for share in (low, low + strength * (high - low))
        )
        lasting = draws.whole("duration", least, most)
        begin = draws.whole("begin", 0, total - lasting)
        return np.clip(np.arange(total) - begin, 0, lasting - 1).astype(np.int64)


@dataclass(frozen=True)
class Shift(_Timed):
    """The camera, or what it looks at, displaced: a window that slides over the enlarged clip."""

    name: ClassVar[str] = "shift"
    apply = staticmethod(windowed)
    together: ClassVar[bool] = True

    speed: str = knob(
        "0.2:1.0",
        "speed of the window, which goes 1 px a frame at least",
        low=0,
        high=4,
        unit="frame heights per clip",
        ends="real",
        source="released code",
        search=(0, 2),
        group="camera",
    )

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Window:
        """See `Operation.sample`."""
        low, high = self.ends("speed")
        floor = min(1.0, size[0] / total)
        least, most = (
            max(floor, share * size[0] / total) if high else 0.0
            for share in (low, low + strength * (high - low))
        )
        angle = draws.uniform("angle", 0, 2 * math.pi)
        heading = np.array([math.sin(angle), math.cos(angle)])
        way = self.progress(draws, total, strength) * draws.uniform("speed", least, most)
        return _within(np.trunc(way[:, None] * heading).astype(np.int64))


def _within(path: Ints) -> Window:
    """A window that follows a path, int64 [T, 2] px (down, right), centered where there is room to spare."""
    least, room = path.min(0), np.ptp(path, 0) + 1
    margin = int(room.max())
    return Window(in_place(len(path)), margin, path - least + (margin - room) // 2)


@dataclass(frozen=True)
class Zoom(_Timed):
    """The camera comes nearer, or goes away to where it stood."""

    name: ClassVar[str] = "zoom"
    apply = staticmethod(warped)
    together: ClassVar[bool] = True

    speed: str = knob(
        "0.3:1.0",
        "what the scale grows by",
        low=0,
        high=16,
        unit="per clip",
        ends="real",
        source="released code",
        search=(0, 4),
        group="camera",
    )

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Warp:
        """See `Operation.sample`."""
        low, high = self.ends("speed")
        grown = self.progress(draws, total, strength)
        if draws.unit("away") < 0.5:
            grown = grown.max() - grown
        scale = 1 + grown * draws.uniform("speed", low, low + strength * (high - low)) / total
        return Warp(in_place(total), zoomed(scale, size), True)


def zoomed(scale: Floats, size: tuple[int, int]) -> Floats:
    """The matrices float64 [T, 3, 3] that magnify by scale [T] about the middle of frames of that size."""
    matrix = np.repeat(np.eye(3)[None], len(scale), 0)
    for axis, side in ((0, size[1]), (1, size[0])):
        matrix[:, axis, axis] = 1 / scale
        matrix[:, axis, 2] = (side - 1) / 2 * (1 - 1 / scale)
    return matrix


@dataclass(frozen=True)
class Shake(Operation):
    """The camera trembles: a sum of sines and noise for each axis, of a given standard deviation."""

    name: ClassVar[str] = "shake"
    apply = staticmethod(windowed)
    together: ClassVar[bool] = True

    amplitude: str = knob(
        "2:4",
        "standard deviation over the clip; half of that before the curriculum",
        low=0,
        high=64,
        unit="px at 112",
        ends="real",
        source="released code",
        search=(0, 16),
        group="camera",
    )
    waves: str = knob("2:5", "sines in the sum", low=1, high=64, ends="whole", source="released code")
    frequency: str = knob(
        "0.1:1.2", "of the sines", low=0, high=3.1416, unit="rad/frame", ends="real", source="released code"
    )
    noise: float = knob(
        0.3,
        "uniform noise of each frame, up to that, beside the first sine's 1",
        low=0,
        source="released code",
    )

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Window:
        """See `Operation.sample`."""
        wide = draws.uniform("amplitude", *self.ends("amplitude")) * (0.5 + 0.5 * strength) * size[0] / ROWS
        paths = [self._path(draws, axis, total) * wide for axis in ("down", "right")]
        return _within(np.rint(np.stack(paths, 1)).astype(np.int64))

    def _path(self, draws: Draws, axis: str, total: int) -> Floats:
        """float64 [total] of standard deviation 1; 0 where nothing moves."""
        low, high = self.ends("waves")
        count = np.arange(1, draws.whole(f"{axis} waves", int(low), int(high)) + 1)
        slow, quick = self.ends("frequency")
        rate = slow + (quick - slow) * draws.units(f"{axis} frequency", len(count))
        phase = draws.uniform(f"{axis} phase", 0, 2 * math.pi)
        path = (np.sin(np.arange(total)[:, None] * rate + phase) / count).sum(1)
        path += self.noise * (2 * draws.units(f"{axis} noise", total) - 1)
        spread = path.std(ddof=1) if total > 1 else 0.0
        return path / spread if spread > 1e-9 else np.zeros(total)


@dataclass(frozen=True)
class Perspective(Operation):
    """The clip seen from aside, the same for all frames, then magnified; black where nothing is."""

    name: ClassVar[str] = "perspective"
    apply = staticmethod(warped)
    together: ClassVar[bool] = True

    distortion: float = knob(
        0.7,
        "how far corners go toward the middle, at most",
        low=0,
        high=0.9,
        unit="half frames",
        source="released code",
        search=(0, 0.9),
        group="camera",
    )
    zoom: float = knob(1.4, "what it is magnified by then", low=1, high=4, source="released code")

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Warp:
        """See `Operation.sample`."""
        tall, wide = size
        down, right = (int(self.distortion * (side // 2)) for side in size)
        away = [(draws.whole(f"x{k}", 0, right), draws.whole(f"y{k}", 0, down)) for k in range(4)]
        corners = np.array([[0, 0], [wide - 1, 0], [wide - 1, tall - 1], [0, tall - 1]], np.float32)
        inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
        seen = corners + inward * np.array(away, np.float32)
        matrix = cv2.getPerspectiveTransform(seen, corners) @ zoomed(np.array([self.zoom]), size)[0]
        return Warp(in_place(total), np.repeat(matrix[None], total, 0), False)


@dataclass(frozen=True)
class Scale(Operation):
    """The clip smaller than the frame, somewhere on black."""

    name: ClassVar[str] = "scale"
    apply = staticmethod(placed)

    scale: str = knob(
        "0.3:1",
        "height and width, two draws",
        low=0.01,
        high=1,
        unit="frame sizes",
        ends="real",
        source="released code",
        search=(0.1, 1),
        group="camera",
    )

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Place:
        """See `Operation.sample`."""
        low, high = self.ends("scale")
        small = _smaller(draws, size, high - strength * (high - low), high)
        return Place(in_place(total), _somewhere(draws, "place", size, small))


def _smaller(draws: Draws, size: tuple[int, int], low: float, high: float) -> tuple[int, int]:
    """Height and width [px] of a part of a frame, each a share in [low, high] of the frame's, at least 1."""
    shares = draws.uniform("height", low, high), draws.uniform("width", low, high)
    tall, wide = (max(1, int(side * share)) for side, share in zip(size, shares, strict=True))
    return tall, wide


def _somewhere(draws: Draws, what: str, size: tuple[int, int], part: tuple[int, int]) -> Box:
    """Where a part of that height and width [px] lies in a frame."""
    top, left = (
        draws.whole(f"{what} {axis}", 0, whole - own)
        for axis, whole, own in zip(("top", "left"), size, part, strict=True)
    )
    return top, left, *part


@dataclass(frozen=True)
class Clone(Operation):
    """Two of what moves: the clip made smaller, and a turned copy of it that is early or late."""

    name: ClassVar[str] = "clone"
    apply = staticmethod(cloned)
    late: ClassVar[bool] = True
    truthful: ClassVar[bool] = False

    scale: str = knob(
        "0.2:0.7",
        "height and width of both, two draws",
        low=0.01,
        high=1,
        unit="frame sizes",
        ends="real",
        source="released code",
    )
    angle: str = knob(
        "-60:60",
        "what the copy is turned by",
        low=-180,
        high=180,
        unit="°",
        ends="real",
        source="released code",
    )
    lag: float = knob(
        0.25,
        "how early or late the copy is at most; its first or last frame is held",
        low=0,
        high=1,
        unit="clip lengths",
        source="released code",
    )

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Copies:
        """See `Operation.sample`."""
        small = _smaller(draws, size, *self.ends("scale"))
        lag = draws.whole("lag", 0, max(1, int(self.lag * total)) if self.lag else 0)
        lag = -lag if draws.unit("late") < 0.5 else lag
        here = np.arange(total, dtype=np.int64)
        return Copies(
            np.stack([here, np.clip(here + lag, 0, total - 1)], 1),
            _somewhere(draws, "place", size, small),
            _somewhere(draws, "other", size, small),
            draws.unit("mirror") < 0.5,
            math.radians(draws.uniform("angle", *self.ends("angle"))),
        )


@dataclass(frozen=True)
class Mirror(Operation):
    """Left becomes right."""

    name: ClassVar[str] = "mirror"
    apply = staticmethod(mirrored)

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Flip:
        """See `Operation.sample`."""
        return Flip(in_place(total))


@dataclass(frozen=True)
class Reverse(Operation):
    """The clip backwards; a batch is reversed as a whole."""

    name: ClassVar[str] = "reverse"
    apply = staticmethod(reordered)
    together: ClassVar[bool] = True
    wholly: ClassVar[bool] = True

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Parameters:
        """See `Operation.sample`."""
        return Parameters(np.ascontiguousarray(in_place(total)[::-1]))


@dataclass(frozen=True)
class Background(Operation):
    """Another clip of the set behind this one: two of its frames, or a few that follow each other."""

    name: ClassVar[str] = "background"
    apply = staticmethod(mixed)

    dynamic: float = knob(
        0.2,
        "share of backgrounds that change: a few frames of a clip, to and fro; the others are the lighter of "
        "two frames, cropped",
        low=0,
        high=1,
        source="released code",
    )
    shift: float = knob(
        0.3, "share of the others that are displaced as by shift", low=0, high=1, source="released code"
    )
    alpha: str = knob(
        "0.25:0.55",
        "weight of it",
        low=0,
        high=1,
        ends="real",
        source="released code",
        search=(0, 1),
        group="background",
    )
    exponent: str = knob(
        "0.6:1.0",
        "power that the mix is raised to",
        low=0.1,
        high=10,
        ends="real",
        source="released code",
        search=(0.3, 3),
        group="background",
    )
    lighter: float = knob(
        0.05, "share of clips that are the lighter of both, not mixed", low=0, high=1, source="released code"
    )
    crop: str = knob(
        "0.6:1",
        "part of a picture that is taken, stretched over the frame",
        low=0.01,
        high=1,
        unit="areas",
        ends="real",
        source="released code",
    )
    pool: int = knob(
        32,
        "of presets: how many clips backgrounds are taken from, one picture each, others in each epoch of a "
        "training; 0: each has clips of its own, which are drawn for it",
        low=0,
        high=2**31 - 1,
        source="our choice, for speed; released code: the 32 clips of the batch, so others in each step",
    )

    def sample(
        self, draws: Draws, total: int, size: tuple[int, int], strength: float, others: Others | None = None
    ) -> Mix:
        """See `Operation.sample`."""
        pictures = np.zeros((0, *size, 3), np.uint8)
        shown, corner = np.zeros(total, np.int64), np.zeros((total, 2), np.int64)
        if others is not None and draws.unit("dynamic") < self.dynamic:
            pictures, shown = self._moving(draws, total, size, others)
        elif others is not None:
            picture = self._still(draws, size, others)
            if draws.unit("shift") < self.shift:
                window = Shift().sample(Draws((*draws.parts, "shift")), total, size, strength)
                wide = (size[1] + window.margin, size[0] + window.margin)
                picture = np.asarray(cv2.resize(picture, wide, interpolation=cv2.INTER_CUBIC), np.uint8)
                corner = window.corner
            pictures = picture[None]
        return Mix(
            in_place(total),
            pictures,
            shown,
            corner,
            draws.uniform("alpha", *self.ends("alpha")),
            draws.uniform("exponent", *self.ends("exponent")),
            draws.unit("lighter") < self.lighter,
        )

    def _moving(self, draws: Draws, total: int, size: tuple[int, int], others: Others) -> tuple[Clip, Ints]:
        """A few frames uint8 [B, H, W, 3], and which of them each frame shows, int64 [total]."""
        length = draws.whole("length", 2, max(2, total // 4))
        pictures = np.stack([resized(frame, *size) for frame in others.window(draws, 0, length)])
        steps = randomness.below(randomness.stream(draws.key("steps"), total), 3) - 1
        steps[0] = 0
        return pictures, np.clip(np.cumsum(steps), 0, len(pictures) - 1)

    def _still(self, draws: Draws, size: tuple[int, int], others: Others) -> Frame:
        """A part of the lighter of two frames: uint8 [H, W, 3]."""
        first, second = (resized(others.still(draws, which), *size) for which in (0, 1))
        top, left, height, width = self._cropped(draws, size)
        part = np.maximum(first, second)[top : top + height, left : left + width]
        return np.asarray(cv2.resize(part, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)

    def _cropped(self, draws: Draws, size: tuple[int, int]) -> Box:
        """A part of a frame: of ten draws of area and form (3:4 to 4:3) the first that fits, else all."""
        low, high = self.ends("crop")
        areas = size[0] * size[1] * (low + (high - low) * draws.units("area", 10))
        forms = np.exp(math.log(4 / 3) * (2 * draws.units("form", 10) - 1))
        heights, widths = np.rint(np.sqrt(areas / forms)), np.rint(np.sqrt(areas * forms))
        for height, width in zip(heights.astype(int).tolist(), widths.astype(int).tolist(), strict=True):
            if 0 < height <= size[0] and 0 < width <= size[1]:
                return _somewhere(draws, "crop", size, (height, width))
        return 0, 0, *size


OPERATIONS: dict[str, type[Operation]] = {
    kind.name: kind for kind in (Background, Scale, Clone, Shift, Zoom, Shake, Perspective, Mirror, Reverse)
}
"""Name → operation."""
