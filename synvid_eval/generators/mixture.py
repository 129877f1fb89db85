"""Mixture: shapes of which a share of the clips is replaced, by stills or by real videos.

Yu et al. 2024 (arXiv 2410.24213): 5 % of the clips become one full picture, the same in all frames (Table 2:
of ImageNet; Table 10: StyleGAN's); 25, 50 or 75 % become real clips of UCF101 (Table 11).

Which clips: clip i is replaced where the whole part of share · (i + 1) exceeds that of share · i, so any run
of clips from the first on holds the share as nearly as whole clips can, whatever their number (the released
code takes the last 5 %, which needs to know it). Clip i of the others is what it would be without.

Real clips are no generator's: opening such a preset as a set (`synvid_eval.sets`) takes them from the set
that `videos` names, by hash, each once; this generator draws the others and refuses theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import UsageError
from synvid_eval.generators import pool as pools
from synvid_eval.generators.base import Frame, interval
from synvid_eval.generators.resize import resized
from synvid_eval.generators.shapes import Shapes
from synvid_eval.generators.texture import Texture, spelled
from synvid_eval.knobs import knob

ENVIRONMENT = "SYNVID_EVAL_VIDEOS"
"""The variable that stands for `videos` where it is not given."""


@dataclass(frozen=True)
class Mixture(Shapes):
    """Shapes, and a share of clips that are stills or real videos (see the module's docstring)."""

    name: ClassVar[str] = "mixture"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

    stills: str = knob(
        "",
        "what stills show: a texture with its own knobs in brackets, such as photos or stylegan",
        source="paper: only in Tables 2 and 10",
    )
    still_share: str = knob(
        "0.05",
        "share of clips that are a still, where `stills` names some",
        low=0,
        high=1,
        ends="real",
        source="paper, Table 2",
    )
    real: str = knob(
        "0",
        "share of clips that are real ones (paper, Table 11: 0.25, 0.5, 0.75)",
        low=0,
        high=1,
        ends="real",
        source="paper: only in Table 11",
    )
    videos: str = knob(
        "",
        f"where real clips come from: any SET; where empty, what {ENVIRONMENT} says",
        source="yours",
        recipe=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("still_share", "real"):
            low, high = interval(self, name)
            if low != high:
                raise UsageError(f"{self.name}.{name}={getattr(self, name)} is a range.", "Give one number.")
        if self.stills and self.real_share:
            raise UsageError(f"{self.name}: stills and real clips in one mixture.", "Leave one away.")
        if self.adapt and self.real_share:
            raise UsageError(
                f"{self.name}: adapt would leave its real clips as they are.",
                "Make its files (synvid-eval generate) and adapt those: synvid-eval adapt SET OUT.",
            )
        if self.stills:
            object.__setattr__(self, "stills", spelled(pools.recipes(self.stills)))

    def still_recipes(self) -> list[Texture]:
        """The textures that stills show, one after the other; empty where there are no stills."""
        return pools.recipes(self.stills, self.images) if self.stills else []

    @property
    def real_share(self) -> Fraction:
        """Share of clips that are real ones, exactly."""
        return interval(self, "real")[0]

    def is_real(self, index: int) -> bool:
        """Whether clip `index` is a real one."""
        return replaced(self.real_share, index)

    def is_still(self, index: int) -> bool:
        """Whether clip `index` is a still."""
        return bool(self.stills) and replaced(interval(self, "still_share")[0], index)

    def identity(self, seed: int) -> dict[str, Any]:
        """See `Generator.identity`; with that of what stills show."""
        found = {**super().identity(seed), "still_textures": [r.identity() for r in self.still_recipes()]}
        return found if self.stills else {**found, "still_share": Mixture.still_share}

    def source(self, seed: int, preset: str, index: int) -> str | None:
        """What the still that clip `index` is was made from; see `Generator.source`."""
        if not self.is_still(index):
            return None
        recipe, number = self._still(index)
        return recipe.source(seed, preset, number)

    def _still(self, index: int) -> tuple[Texture, int]:
        """The texture that a still shows, and which of its pictures: stills are numbered on their own."""
        number, recipes = int(index * interval(self, "still_share")[0]), self.still_recipes()
        return recipes[number % len(recipes)], number // len(recipes)

    def paint(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The chosen frames, uint8 [size, size, 3] RGB; see `Generator.draw`.

        Raises:
            UsageError: clip `index` is a real one. DataError: textures or pictures that cannot be had.
        """
        self._check_drawn(index)
        if not self.is_still(index):
            return super().paint(seed, preset, index, frames)
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        recipe, number = self._still(index)
        still = resized(recipe.picture(seed, preset, number), self.size, self.size)
        return (still.copy() for _ in frames)

    def ids(self, seed: int, preset: str, index: int, frames: Sequence[int]) -> Iterator[NDArray[np.uint16]]:
        """See `Shapes.ids`; a still is all background."""
        self._check_drawn(index)
        if not self.is_still(index):
            return super().ids(seed, preset, index, frames)
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        return (np.zeros((self.size, self.size), np.uint16) for _ in frames)

    def painted_truth(
        self, seed: int, preset: str, index: int, frames: Sequence[int], kinds: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """See `Shapes.painted_truth`; a still is background that does not move, and has no objects."""
        self._check_drawn(index)
        if not self.is_still(index):
            return super().painted_truth(seed, preset, index, frames, kinds)
        self.check_frames(self.clip_length(seed, preset, index), index, frames)
        count, pairs, side = len(frames), max(len(frames) - 1, 0), self.size
        empty: dict[str, NDArray[Any]] = {
            "flow": np.zeros((pairs, side, side, 2), np.float32),
            "masks": np.zeros((count, side, side), np.uint16),
            "tracks": np.zeros((0, count, 2), np.float32),
            "occluded": np.zeros((0, count), bool),
            "hidden": np.zeros((pairs, side, side), bool),
        }
        return {kind: empty[kind] for kind in kinds}

    def _check_drawn(self, index: int) -> None:
        if index >= 0 and self.is_real(index):
            raise UsageError(
                f"Clip {index} of this mixture is a real one: no generator draws it.",
                "Open the preset as a set, with --videos SET.",
            )


def replaced(share: Fraction, index: int) -> bool:
    """Whether clip `index` is one of the share (see the module's docstring)."""
    return share * (index + 1) // 1 > share * index // 1
