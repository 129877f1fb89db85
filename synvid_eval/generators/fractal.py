"""Fractals: the attractor of an iterated function system whose maps move.

Source: Svyezhentsev, Retsinas, Maragos 2024, "Pre-training for Action Recognition with Automatically
Generated Fractal Datasets" (arXiv 2411.17584), and its released code, whose numbers are kept where the paper
gives none. How maps are drawn and move: `synvid_eval.generators.ifs` and `.curves`; how they are played, and
what differs there: `.attractor`. A clip's part of the plane is found from its first and last frame and stays;
a pixel's gray is log(1 + count), divided by the largest of the clip, times 255, truncated.

So one frame needs all of its clip: they are drawn together, and the last clips are kept, up to 64 MB a
process (a small set, that is trained on again and again, is drawn once). `animation =
none` is the released code's images mode: each frame is an attractor of its own, with its own part of the
plane and its own largest count, the frames of a clip sharing only the number of maps and the variation.

Drawn again. A clip whose first, middle and last frame, played with 51,200 points on 128 × 128 pixels, all
have less than 1 % of their pixels lit, or differ by less than half a gray level on average, is drawn with the
next attempt number in its address (of an instance of a class: only what makes it an instance), up to 16
attempts; the last is taken as it is (our choice; the released code takes whatever comes). It depends on no
knob of size or number of points. Frames of `animation = none` are judged one by one, by what is lit.

Classes. A class is a set of parameters (`ifs.Parameters`), a clip of it an instance (`ifs.mutated`). Clip i
is of the class at place i modulo their number, in an order that is shuffled once by address: the released
code goes round, too. Another seed, or another preset, has other classes.

Truth. `masks`: 1 where any point was counted, 0 elsewhere. As gray is truncated, that is where it is not 0:
the logarithm of 2 is more than a 255th of that of any count that fits.

Given its maps, a clip's counts are the same on any machine; the maps' sines and the logarithm of the counts
are floats, so a gray level may differ by one elsewhere. Where rounding a map moves points of a variation that
is sensitive to it, single pixels differ more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import attractor, curves, ifs
from synvid_eval.generators.attractor import Counts, Floats
from synvid_eval.generators.base import Frame, Generator, interval
from synvid_eval.generators.curves import Draws
from synvid_eval.generators.ifs import Parameters
from synvid_eval.generators.kept import BACKGROUND, Kept
from synvid_eval.knobs import knob

ATTEMPTS = 16
"""How often a clip is drawn at most."""

LIT = 0.01
"""Share of lit pixels below which a frame counts as empty."""

STILL = 0.5
"""Mean difference from the first frame below which a clip counts as still [gray levels of 255]."""

DROPPED = 200
"""Steps that are not counted (released code)."""

BORDER_STEPS = 3000
"""Steps by which the part of the plane is found (released code)."""

MOST = 1 << 26
"""Pixels of a clip, and steps of a frame's walkers, at most: all are held at once, 13 bytes a pixel and 6 a
step (0.9 and 0.4 GB)."""

KEPT_BYTES = 64 << 20
"""Of clips that were drawn last, and as many of those of backgrounds."""

_WALKERS = 128  # of the search and the trial, whatever the knob says
_TRIAL_SIZE, _TRIAL_STEPS = 128, DROPPED + 400


class Scene(NamedTuple):
    """What is played. maps: float32 [T, N, 6]. variation: see `attractor.VARIATIONS`. border: float64 [4],
    see `attractor.played`. attempt: how often it was drawn again.
    """

    maps: Floats
    variation: int
    border: NDArray[np.float64]
    attempt: int


@dataclass(frozen=True)
class Fractal(Generator):
    """Moving attractors (see the module's docstring)."""

    name: ClassVar[str] = "fractal"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False
    truths: ClassVar[tuple[str, ...]] = ("masks",)

    fps: float = knob(
        12.0,
        "rate at which the frames are meant to be shown; curves are set in frames",
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
        high=2048,
        unit="px",
        scale="log",
        source="released code",
    )
    length: str = knob(
        "18:20",
        "frames of a clip",
        low=1,
        high=1000,
        unit="frames",
        scale="log",
        ends="whole",
        source="released code",
    )
    maps: str = knob(
        "3:8",
        "maps of a system",
        low=2,
        high=16,
        ends="whole",
        source="released code",
        search=(2, 12),
        group="form",
    )
    variation: str = knob(
        "drawn",
        "what follows each map: drawn is linear (0) half of the time, else one of the seven others, by their "
        "numbers in the fractal flame algorithm: "
        + ", ".join(f"{number} {name}" for number, name in attractor.VARIATIONS.items()),
        choices=("drawn", *map(str, attractor.VARIATIONS)),
        source="released code",
        search=True,
        group="form",
    )
    animation: str = knob(
        "decomposed",
        "how maps go from keyframe to keyframe: decomposed turns and stretches them, naive interpolates the "
        "numbers of their matrices, which thins out the frames between; none: each frame is of its own",
        choices=("decomposed", "naive", "none"),
        source="paper; none is the released code's images mode",
        search=True,
        group="motion",
    )
    curves: str = knob(
        "published",
        "how fast: published is along even, sharp, smooth and periodic curves as drawn, linear is evenly "
        "(released code: --linear_motion)",
        choices=("published", "linear"),
        source="released code",
        search=True,
        group="motion",
    )
    walkers: int = knob(
        128,
        "points that are on their way at the same time",
        low=1,
        high=65_536,
        scale="log",
        source="released code",
    )
    iterations: int = knob(
        7500,
        "steps of each of them; a frame is drawn with walkers · (iterations − dropped) points",
        low=1,
        high=1_000_000,
        scale="log",
        source="released code",
    )
    dropped: int = knob(
        DROPPED,
        "first steps that are not counted, on the way to the attractor",
        low=0,
        high=100_000,
        source="released code",
    )
    color: bool = knob(
        False,
        "color gray levels by a ramp of hues, one a clip",
        source="released code: gray; the ramp is our choice",
        search=True,
        group="color",
    )
    classes: int = knob(
        0,
        "number of classes whose instances clips are; 0: each clip has parameters of its own",
        low=0,
        high=10_000,
        source="paper: 250, 500 or 1000 in its labelled sets",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iterations <= self.dropped:
            raise UsageError(
                f"{self.name}.iterations={self.iterations} leaves no step to count after {self.dropped} "
                "dropped ones.",
                f"Give more than {self.dropped}, or a smaller dropped.",
            )
        pixels = self.whole("length")[1] * self.size**2
        for what, count, cure in (
            ("pixels in a clip, which is drawn at once", pixels, "size or length"),
            ("steps in a frame", self.iterations * self.walkers, "iterations or walkers"),
        ):
            if count > MOST:
                raise UsageError(
                    f"{self.name} would have {count:,} {what}.", f"At most {MOST:,}: give a smaller {cure}."
                )
        if self.classes and self.animation == "none":
            raise UsageError(
                f"{self.name}.animation=none has no classes (classes={self.classes}).",
                "Classes are of moving clips: give classes=0, or another animation.",
            )

    def clip_length(self, seed: int, preset: str, index: int) -> int:
        """See `Generator.clip_length`; that of the class, where there are classes."""
        if self.classes and index >= 0:
            return self.class_length(seed, preset, self.class_of(seed, preset, index))
        return super().clip_length(seed, preset, index)

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`."""
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return self._shown(seed, preset, index, frames)

    def label(self, seed: int, preset: str, index: int) -> str | None:
        """The class of clip `index`, such as class_0007; None without classes. See `Generator.label`."""
        return _name(self.class_of(seed, preset, index)) if self.classes else None

    def catalog(self, seed: int, preset: str) -> dict[str, Any]:
        """The parameters of every class: label → as of `ifs.Parameters.told`; see `Generator.catalog`."""
        numbers = range(self.classes)
        return {_name(n): class_parameters(self, seed, preset, n).told() for n in numbers}

    def redrawn(self, seed: int, preset: str, index: int) -> int:
        """How often clip `index` was drawn again (see the module's docstring); of `animation = none` its
        frames together. See `Generator.redrawn`.
        """
        if self.animation == "none":
            length = self.clip_length(seed, preset, index)
            return sum(still(self, seed, preset, index, t).attempt for t in range(length))
        return scene(self, seed, preset, index).attempt

    def draws(self, *parts: str | int) -> Draws:
        """The random numbers of an address, by the name of what they are for."""

        def named(quantity: str, count: int) -> NDArray[np.float64]:
            key = randomness.address(f"synvid_eval.generators.{self.name}", *parts, quantity)
            return randomness.unit(randomness.stream(key, count))

        return named

    def counts(self, maps: Floats, found: Scene, seed: int, preset: str, index: int) -> Counts:
        """How many points are at each pixel of a frame, stamped: uint32 [size, size].

        maps: float32 [N, 6], of one frame of the scene of clip `index`.
        """
        drawn, begin = _game(self, seed, preset, index)
        play = (maps, drawn, begin, found.border, found.variation, self.dropped, self.size)
        return attractor.stamped(attractor.played(*play))

    def painted_truth(
        self, seed: int, preset: str, index: int, frames: Sequence[int], kinds: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """`masks` uint16 [T, size, size]: 1 where the attractor is, 0 where it is not; see
        `Generator.painted_truth`.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        masks = np.zeros((len(frames), self.size, self.size), np.uint16)
        for number, frame in enumerate(frames):
            masks[number] = self._gray(seed, preset, index, frame) > 0
        return {"masks": masks} if "masks" in kinds else {}

    def _gray(self, seed: int, preset: str, index: int, frame: int) -> NDArray[np.uint8]:
        """A frame's gray levels, uint8 [size, size], read-only."""
        if self.animation == "none":
            found = still(self, seed, preset, index, frame)
            clip, frame = grays([self.counts(found.maps[0], found, seed, preset, index)]), 0
        else:
            clip = _clip(self, seed, preset, index)
        gray: NDArray[np.uint8] = clip[frame]
        return gray

    def _shown(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        ramp = _ramp(self.draws(seed, preset, index)) if self.color else None
        for frame in frames:
            shown: Any = cv2.cvtColor(self._gray(seed, preset, index, frame), cv2.COLOR_GRAY2RGB)
            if ramp is not None:
                shown = cv2.LUT(shown, ramp)
            yield shown

    def whole(self, knob: str) -> tuple[int, int]:
        """The ends of a range of whole numbers."""
        low, high = interval(self, knob)
        return int(low), int(high)

    def class_of(self, seed: int, preset: str, index: int) -> int:
        """The number of the class of clip `index`."""
        return int(_order(self, seed, preset)[index % self.classes])

    def class_length(self, seed: int, preset: str, number: int) -> int:
        """Frames of the clips of a class."""
        return curves.whole(self.draws(seed, preset, "class", number)("length", 1)[0], *self.whole("length"))


def grays(counts: Sequence[Counts]) -> NDArray[np.uint8]:
    """Counts uint32 [H, W] of T frames as gray levels uint8 [T, H, W]: log(1 + count) over the largest of
    them all, times 255, truncated; black where nothing is counted.
    """
    logs = np.stack([np.log(one.astype(np.float32) + np.float32(1)) for one in counts])
    logs /= max(logs.max(), np.float32(1))
    logs *= np.float32(255)
    return logs.astype(np.uint8)


@functools.lru_cache(maxsize=64)
def scene(generator: Fractal, seed: int, preset: str, index: int) -> Scene:
    """What clip `index` plays: the first attempt that lives, or the last."""
    length = generator.clip_length(seed, preset, index)

    def attempted(attempt: int) -> Scene:
        draws = generator.draws(seed, preset, index, attempt)
        if not generator.classes:
            return _framed(generator, _drawn(generator, length, draws), attempt)
        number = generator.class_of(seed, preset, index)
        return _framed(generator, class_parameters(generator, seed, preset, number), attempt, draws)

    return _living(attempted)


@functools.lru_cache(maxsize=64)
def still(generator: Fractal, seed: int, preset: str, index: int, frame: int) -> Scene:
    """What frame `frame` of clip `index` plays where each is of its own: the maps are float32 [1, N, 6]."""
    kind = ifs.kind(generator.whole("maps"), generator.variation, generator.draws(seed, preset, index))

    def attempted(attempt: int) -> Scene:
        draws = generator.draws(seed, preset, index, "frame", frame, attempt)
        return _framed(generator, ifs.drawn(1, *kind, False, draws), attempt)

    return _living(attempted)


@functools.lru_cache(maxsize=1024)
def class_parameters(generator: Fractal, seed: int, preset: str, number: int) -> Parameters:
    """The parameters of class `number`, 0 ≤ number < classes: the first attempt that lives, or the last."""
    length = generator.class_length(seed, preset, number)

    def parameters(attempt: int) -> Parameters:
        return _drawn(generator, length, generator.draws(seed, preset, "class", number, attempt))

    found = _living(lambda attempt: _framed(generator, parameters(attempt), attempt))
    return parameters(found.attempt)


def _living(attempted: Callable[[int], Scene]) -> Scene:
    """The first scene that lives, by the number of the attempt; the last of `ATTEMPTS` where none does."""
    found = attempted(0)
    while not lives(found) and found.attempt < ATTEMPTS - 1:
        found = attempted(found.attempt + 1)
    return found


def lives(found: Scene) -> bool:
    """Whether a scene is neither empty nor still (see the module's docstring)."""
    drawn, begin = _trial()
    moments = sorted({0, len(found.maps) // 2, len(found.maps) - 1})
    play = (drawn[: _TRIAL_STEPS * _WALKERS], begin, found.border, found.variation, DROPPED, _TRIAL_SIZE)
    counts = [attractor.stamped(attractor.played(found.maps[t], *play)) for t in moments]
    if max((one > 0).mean() for one in counts) < LIT:
        return False
    seen = grays(counts).astype(np.int16)
    return len(seen) == 1 or max(np.abs(other - seen[0]).mean() for other in seen[1:]) >= STILL


def _drawn(generator: Fractal, length: int, draws: Draws) -> Parameters:
    kind = ifs.kind(generator.whole("maps"), generator.variation, draws)
    return ifs.drawn(length, *kind, generator.curves == "published", draws)


def _framed(generator: Fractal, parameters: Parameters, attempt: int, instance: Draws | None = None) -> Scene:
    """The scene of parameters, mutated by the draws of an instance where there are some, with the part of
    the plane that shows its first and last frame.
    """
    maps = ifs.maps(parameters, generator.animation != "naive")
    if instance is not None:
        maps = ifs.mutated(maps, instance)
    drawn, begin = _trial()
    ends = [maps[0], maps[-1]] if len(maps) > 1 else [maps[0]]
    border = attractor.border(ends, parameters.variation, drawn, begin, DROPPED)
    return Scene(maps, parameters.variation, border, attempt)


def _name(number: int) -> str:
    return f"class_{number:04}"


@functools.lru_cache(maxsize=1)
def _trial() -> tuple[NDArray[np.uint16], Floats]:
    """Choices and starts by which borders are found and attractors tried: the same for all clips."""
    domain = "synvid_eval.generators.fractal.trial"
    choices = attractor.choices(randomness.address(domain, "choices"), BORDER_STEPS * _WALKERS)
    return choices, attractor.starts(randomness.address(domain, "starts"), _WALKERS)


@functools.lru_cache(maxsize=1)
def _game(generator: Fractal, seed: int, preset: str, index: int) -> tuple[NDArray[np.uint16], Floats]:
    """Choices and starts of a clip, for all of its frames."""
    address = (f"synvid_eval.generators.{generator.name}", seed, preset, index)
    choices = randomness.address(*address, "choices")
    starts = randomness.address(*address, "starts")
    count = generator.iterations * generator.walkers
    return attractor.choices(choices, count), attractor.starts(starts, generator.walkers)


def _clip(generator: Fractal, seed: int, preset: str, index: int) -> NDArray[np.uint8]:
    """All frames of a clip in gray, uint8 [T, size, size], read-only."""

    def draw() -> NDArray[np.uint8]:
        found = scene(generator, seed, preset, index)
        return grays([generator.counts(maps, found, seed, preset, index) for maps in found.maps])

    kept = _backgrounds if preset.endswith(BACKGROUND) else _clips
    return kept.get((generator, seed, preset, index), draw)


_clips, _backgrounds = Kept(KEPT_BYTES, least=2), Kept(KEPT_BYTES)


@functools.lru_cache(maxsize=4)
def _order(generator: Fractal, seed: int, preset: str) -> NDArray[np.int64]:
    """The classes in the order in which clips go round them, int64 [classes]."""
    key = randomness.address(f"synvid_eval.generators.{generator.name}", seed, preset, "classes")
    return randomness.permutation(key, generator.classes)


def _ramp(draws: Draws) -> NDArray[np.uint8]:
    """The colors of gray levels, uint8 [1, 256, 3] RGB: hues from a random one on, up to half a turn on or
    back, one saturation from 0.3 on, the level as value.
    """
    start, turn, saturation = draws("color", 3)
    level = np.arange(256, dtype=np.float32) / 255
    hue = (start + (turn - 0.5) * level) % 1 * 360
    hsv = np.stack([hue, np.full(256, 0.3 + 0.7 * saturation), level], axis=-1).astype(np.float32)
    rgb: Any = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)
    ramp: NDArray[np.uint8] = np.rint(rgb * 255).astype(np.uint8)
    return ramp
