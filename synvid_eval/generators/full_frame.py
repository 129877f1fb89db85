"""Full frame: a texture that fills the frame, evolving where it can: no shapes.

Yu et al. 2024 (arXiv 2410.24213, Table 3) let a StyleGAN-oriented texture wander through its latents and show
just that ("dynamic StyleGAN videos"), and the same with the high-frequency network (Table 10). Each clip has
a texture of its own, addressed by (seed, preset, clip index), and frame t of the clip is frame t of its walk.
Textures that know no change give stills.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import pool as pools
from synvid_eval.generators.base import Frame, Generator, draw_length, interval
from synvid_eval.generators.texture import Texture
from synvid_eval.knobs import knob


@dataclass(frozen=True)
class FullFrame(Generator):
    """A texture's walk over the whole frame (see the module's docstring)."""

    name: ClassVar[str] = "full_frame"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

    size: int = knob(
        256,
        "height and width of the frames (256: released code); a texture of another size is resized",
        low=8,
        high=4096,
        unit="px",
    )
    length: str = knob(
        "100:199", "frames of a clip, 4–8 s at 25 fps (released code)", low=1, high=100_000, unit="frames"
    )
    textures: str = knob(
        "stylegan",
        "what is seen: a texture with its own knobs in brackets, such as "
        "stylegan(network=highfreq,sigma=0.1); several, joined by +, have equal shares of the clips",
    )
    images: str = knob("", "pictures for those textures that take some: a folder, or skimage", recipe=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        interval(self, "length", whole=True)
        if not self.textures.strip():
            raise UsageError(f"{self.name}.textures is empty.", "Name some: textures=stylegan.")
        self.recipes()

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames [px]."""
        return self.size, self.size

    def recipes(self) -> list[Texture]:
        """The textures that clips show, in equal shares."""
        return pools.recipes(self.textures, self.images)

    def clip_length(self, seed: int, preset: str, index: int) -> int:
        """Frames of clip `index`: uniform over the whole numbers of the `length` range, ends included."""
        return draw_length(self, seed, preset, index)

    def identity(self, seed: int) -> dict[str, Any]:
        """See `Generator.identity`; with that of every texture."""
        return {**super().identity(seed), "made_of": [r.identity() for r in self.recipes()]}

    def draw(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`.

        Raises:
            DataError: pictures that a texture needs are missing.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        choices = self.recipes()
        key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, "texture")
        texture = choices[int(randomness.below(randomness.stream(key, 1), len(choices))[0])]
        walk = texture.walk(seed, preset, index, frames)
        return (resized(frame, self.size) for frame in walk)


def resized(frame: Frame, size: int) -> Frame:
    """A square frame uint8 [S, S, 3] at another size: by area averaging where it shrinks, else bicubic."""
    if len(frame) == size:
        return frame
    filter = cv2.INTER_AREA if size < len(frame) else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(frame, (size, size), interpolation=filter), np.uint8)
