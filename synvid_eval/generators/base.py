"""What a generator is: (seed, preset, clip index) → any frames of that clip, the same whenever and wherever
drawn.

A generator is a frozen dataclass whose fields are its knobs. It keeps nothing between calls: every random
number is addressed by (seed, preset's name, clip index, what it is for), so clip 31,415 alone has the bytes
of clip 31,415 of a full run, and frame 60 alone those of frame 60 of the whole clip. Two presets with equal
knobs but other names are independent draws; one preset with a knob changed keeps everything that the knob
does not touch.

A range knob is text, `low:high` (`speed=1.2:3.0`); one number stands for a constant (`speed=2`). Ranges are
kept as exact fractions, since a float on the way to integer parameters would be one more thing that machines
can differ in.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError, nearest
from synvid_eval.generators import palette

Frame = NDArray[np.uint8]

_NUMBER = re.compile(r"[+-]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})([eE][+-]?\d{1,2})?")


@dataclass(frozen=True)
class Generator(ABC):
    """Base of all generators.

    `revision` is raised whenever the same address gives other pixels: it is part of signatures and cache
    keys. `exact` says that the frames have the same bytes on any machine (integer arithmetic only); otherwise
    they are the same on one machine and library version and agree elsewhere within the tolerance stated in
    the module.
    """

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    exact: ClassVar[bool]
    truths: ClassVar[tuple[str, ...]] = ()
    """The kinds of truth that `truth` can tell of a clip that is not adapted."""

    fps: float = knobs.knob(
        25.0,
        "rate at which the frames are meant to be shown (25: paper); motion of shapes is set per frame",
        low=1,
        high=240,
        unit="frames/s",
        scale="log",
        source="paper, and released code",
    )
    adapt: str = knobs.knob(
        "",
        "what is done to a clip that was drawn, meant to bring it nearer to real video: published, or "
        "operations joined by commas, each with its own knobs in brackets, such as "
        "shake(amplitude=2:4),zoom(p=0.5)",
        source="our choice: nothing; published is of Svyezhentsev et al. 2024 (arXiv 2411.17584)",
    )
    adapt_batch: int = knobs.knob(
        1,
        "clips that follow each other and share the draws of camera and time that adapt makes (released code "
        "of that paper: 32)",
        low=1,
        high=1_000_000,
        scale="log",
        source="our choice: each clip its own",
    )

    def __post_init__(self) -> None:
        knobs.check(self)
        check_ranges(self)
        if self.adapt:
            object.__setattr__(self, "adapt", _adapting().normal(self.adapt))
        elif self.adapt_batch != 1:
            raise UsageError(
                f"{self.name}.adapt_batch={self.adapt_batch} means nothing without adapt.",
                "Name some: adapt=published.",
            )
        if text := getattr(self, "palette", ""):
            object.__setattr__(self, "palette", palette.parsed(text).spelled)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames [px]: here both are the knob `size`."""
        size = int(knobs.values(self)["size"])
        return size, size

    def clip_length(self, seed: int, preset: str, index: int) -> int:
        """Number of frames of clip `index` (≥ 0), without drawing it: here uniform over the whole numbers of
        the range knob `length`, both ends included.
        """
        low, high = interval(self, "length")
        key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, "length")
        return int(low) + int(randomness.below(randomness.stream(key, 1), int(high - low) + 1)[0])

    def draw(
        self,
        seed: int,
        preset: str,
        index: int,
        frames: Sequence[int],
        strength: float = 1.0,
        again: tuple[int, ...] = (),
    ) -> Iterator[Frame]:
        """The chosen frames of clip `index`, in the order asked, without drawing the others; adapted, where
        the knob `adapt` says so.

        Args:
            seed: any integer.
            preset: the name that addresses the draw (a preset's name).
            index: clip index, ≥ 0.
            frames: frame indices, each in [0, length); any order, repeats allowed.
            strength: of `adapt`, in [0, 1]: how far the published curriculum has come.
            again: what else its draws are addressed by, (epoch, view) or (epoch, view, batch), where a clip
            is adapted anew each time that it is trained on: over the chosen frames then, taken for a clip of
            their own, as in the released code; see `generators.adapting`. (): the clip's own draws, over all
            of it.

        Returns:
            an iterator of uint8 [H, W, 3] RGB, each the caller's own; lazy, so that a long clip is never held
            whole.

        Raises:
            UsageError: negative clip index or frame index outside the clip (when called, not when iterated).
        """
        if not 0 <= strength <= 1:
            raise UsageError(f"strength={strength} is out of range.", "It is from 0 to 1.")
        if not self.adapt:
            return self.paint(seed, preset, index, frames)
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        drawn: Iterator[Frame] = _adapting().draw(self, (seed, preset, index), frames, strength, again)
        return drawn

    @abstractmethod
    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """What `draw` gives where nothing adapts it: what a generator has to say itself."""

    def source(self, seed: int, preset: str, index: int) -> str | None:
        """What clip `index` was made from, where clips share sources (a photograph); None: independent draws.

        Clips of one source are no independent draws: intervals then take the sources for the unit, not the
        clips. A clip that shows many pictures at once has no source.
        """
        return None

    def label(self, seed: int, preset: str, index: int) -> str | None:
        """The class of clip `index`, where the generator makes classes (see `catalog`); None: it has none."""
        return None

    def catalog(self, seed: int, preset: str) -> dict[str, Any]:
        """What each label stands for, ready for JSON: label → parameters; empty where there are no labels."""
        return {}

    def redrawn(self, seed: int, preset: str, index: int) -> int:
        """How often clip `index` was drawn again, because what came first was not worth showing."""
        return 0

    def truth(
        self,
        seed: int,
        preset: str,
        index: int,
        frames: Sequence[int],
        kinds: Sequence[str] | None = None,
        strength: float = 1.0,
        again: tuple[int, ...] = (),
    ) -> dict[str, NDArray[Any]]:
        """What is exactly known of the chosen frames of clip `index`, as `draw` gives them: kind → array.

        Args:
            kinds: some of `truths` (default: all). strength, again: as of `draw`.

        Raises:
            UsageError: a kind that this generator cannot tell; frames outside the clip; a clip that is
            adapted by what nothing is known of.
        """
        asked = self.truths if kinds is None else kinds
        self.check_truth(asked)
        if not self.adapt:
            return self.painted_truth(seed, preset, index, frames, asked)
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        known: dict[str, NDArray[Any]] = _adapting().truth(
            self, (seed, preset, index), frames, asked, strength, again
        )
        return known

    def painted_truth(
        self, seed: int, preset: str, index: int, frames: Sequence[int], kinds: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """What `truth` tells where nothing adapts the clip, of kinds that are in `truths`: what a generator
        that has some says itself.
        """
        return {}

    def check_truth(self, kinds: Sequence[str]) -> None:
        """UsageError unless every kind is in `truths`, and known of what `adapt` makes, too."""
        for kind in kinds:
            if kind not in self.truths:
                raise UsageError(
                    f"{self.name} knows no truth {kind!r}.",
                    nearest(kind, self.truths) if self.truths else _UNKNOWN,
                )
        if self.adapt:
            _adapting().parsed(self.adapt).check_truth(kinds)

    def identity(self, seed: int) -> dict[str, Any]:
        """Everything that decides the pixels of clips at a seed beside the preset's name and the index, ready
        for JSON: name, revision, knobs, and what is read from elsewhere (textures).

        Raises:
            DataError: what is read from elsewhere is missing or damaged.
        """
        found = {"generator": self.name, "revision": self.revision, **knobs.recipe(self)}
        # as before there were such knobs: what was measured or made then is the same
        if found.get("palette") == palette.UNIFORM:
            del found["palette"]
        if self.adapt:
            return {**found, **_adapting().parsed(self.adapt).identity()}
        return {k: v for k, v in found.items() if k not in ("adapt", "adapt_batch")}

    def check_frames(self, length: int, index: int, frames: Sequence[int]) -> None:
        """UsageError unless `index` ≥ 0 and every frame is in [0, length)."""
        if index < 0:
            raise UsageError(f"{self.name}: clip index {index} is negative.", "Clips are numbered from 0.")
        for frame in frames:
            if not 0 <= frame < length:
                raise UsageError(
                    f"{self.name}: clip {index} has no frame {frame}.", f"It has frames 0 to {length - 1}."
                )


_UNKNOWN = "It knows none of its clips. Presets of shapes and moving leaves know all, fractals their masks."


def _adapting() -> Any:
    """`generators.adapting`: imported where there is a chain, since its operations use this module."""
    from synvid_eval.generators import adapting

    return adapting


def check_ranges(instance: Any) -> None:
    """UsageError unless every range knob of a generator or texture can be read (see `interval`)."""
    for field in dataclasses.fields(instance):
        if field.metadata.get("ends"):
            interval(instance, field.name)


def interval(instance: Any, knob: str) -> tuple[Fraction, Fraction]:
    """A range knob's exact ends, low ≤ high, within the knob's declared [low, high].

    Args:
        instance: a generator or texture. knob: the name of one of its range knobs, `low:high` or one number.

    Raises:
        UsageError: no number, more than two, reversed ends, out of the declared range, not whole.
    """
    kind: Any = type(instance)
    return _interval(kind, instance.name, knob, str(getattr(instance, knob)))


@functools.lru_cache(maxsize=4096)  # asked for each clip
def _interval(kind: Any, name: str, knob: str, text: str) -> tuple[Fraction, Fraction]:
    label = f"{name}.{knob}"
    field = next(f for f in dataclasses.fields(kind) if f.name == knob)
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise UsageError(
            f"{label}={text[:60]} is no range.", f"It takes low:high or one number, as in {field.default}."
        )
    low, high = Fraction(parts[0]), Fraction(parts[-1])
    if low > high:
        raise UsageError(f"{label}={text} runs backwards.", f"Did you mean {parts[1]}:{parts[0]}?")
    if field.metadata["ends"] == "whole" and (low.denominator != 1 or high.denominator != 1):
        raise UsageError(f"{label}={text} must hold whole numbers.", f"As in {field.default}.")
    # as they are written: the float 0.01 is more than 1/100
    ends = field.metadata["low"], field.metadata["high"]
    least, most = (end if end is None else Fraction(str(end)) for end in ends)
    if (least is not None and low < least) or (most is not None and high > most):
        raise UsageError(f"{label}={text} is out of range.", f"Allowed: {knobs.bounds(*ends)}.")
    return low, high
