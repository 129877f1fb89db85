"""Full frame: a texture that fills the frame, evolving where it can: no shapes.

Yu et al. 2024 (arXiv 2410.24213, Table 3) let a StyleGAN-oriented texture wander through its latents and show
just that ("dynamic StyleGAN videos"), and the same with the high-frequency network (Table 10). Each clip has
a texture of its own, addressed by (seed, preset, clip index), and frame t of the clip is frame t of its walk.
Textures that know no change give stills; of photographs these are as few as the photographs, which are then
the clips' sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import pool as pools
from synvid_eval.generators.base import Frame, Generator
from synvid_eval.generators.resize import resized
from synvid_eval.generators.texture import Texture, spelled
from synvid_eval.knobs import knob


@dataclass(frozen=True)
class FullFrame(Generator):
    """A texture's walk over the whole frame (see the module's docstring)."""

    name: ClassVar[str] = "full_frame"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

    size: int = knob(
        256,
        "height and width of the frames; a texture of another size is resized",
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
    textures: str = knob(
        "stylegan",
        "what is seen: a texture with its own knobs in brackets, such as "
        "stylegan(network=highfreq,sigma=0.1); several, joined by +, have equal shares of the clips",
        source="paper, Table 3",
    )
    images: str = knob(
        "",
        "pictures for those textures that take some: a folder, or skimage",
        source="yours",
        recipe=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.textures.strip():
            raise UsageError(f"{self.name}.textures is empty.", "Name some: textures=stylegan.")
        object.__setattr__(self, "textures", spelled(pools.recipes(self.textures)))

    def recipes(self) -> list[Texture]:
        """The textures that clips show, in equal shares."""
        return pools.recipes(self.textures, self.images)

    def source(self, seed: int, preset: str, index: int) -> str | None:
        """What the texture that clip `index` shows was made from; see `Generator.source`."""
        return self._shown(seed, preset, index).source(seed, preset, index)

    def identity(self, seed: int) -> dict[str, Any]:
        """See `Generator.identity`; with that of every texture."""
        return {**super().identity(seed), "made_of": [r.identity() for r in self.recipes()]}

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`.

        Raises:
            DataError: pictures that a texture needs are missing.
        """
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        walk = self._shown(seed, preset, index).walk(seed, preset, index, frames)
        return (resized(frame, self.size, self.size) for frame in walk)

    def _shown(self, seed: int, preset: str, index: int) -> Texture:
        choices = self.recipes()
        key = randomness.address(f"synvid_eval.generators.{self.name}", seed, preset, index, "texture")
        return choices[int(randomness.below(randomness.stream(key, 1), len(choices))[0])]
