"""A texture for tests: soft stripes in two colors, drawn in integers, and moving ones as their walk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from synvid_eval import generators, knobs, randomness
from synvid_eval.generators import pool
from synvid_eval.generators.base import Frame
from synvid_eval.generators.texture import Texture


@dataclass(frozen=True)
class Stripes(Texture):
    """Stripes of a period of 1024 / step px, in a random direction."""

    name: ClassVar[str] = "stripes"
    exact: ClassVar[bool] = True

    steps: int = knobs.knob(32, "largest step a px, in 1/1024 of a period", low=1, high=256)

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        return next(self.walk(seed, pool, index, [0]))

    def walk(self, seed: int, pool: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        draws = randomness.stream(self.key(seed, pool, index), 8)
        across, down = randomness.below(draws[:2], 2 * self.steps + 1) - self.steps
        dark, light = randomness.below(draws[2:], 256).reshape(2, 3)
        y, x = np.mgrid[: self.size, : self.size]
        for frame in frames:
            phase = (across * x + down * y + 16 * frame) % 1024
            part = np.minimum(phase, 1024 - phase)[..., None]  # 0 … 512
            yield ((dark * (512 - part) + light * part) // 512).astype(np.uint8)


@dataclass(frozen=True)
class Plain(Texture):
    """One color, a texture that does not evolve; picture i is (i mod 256, seed mod 256, 7)."""

    name: ClassVar[str] = "plain"
    exact: ClassVar[bool] = True

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        return np.full((self.size, self.size, 3), (index % 256, seed % 256, 7), np.uint8)


@pytest.fixture
def stripes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Registers both textures for a test, and gives pools a folder of their own."""
    for kind in (Stripes, Plain):
        monkeypatch.setitem(generators.textures._load(), kind.name, kind)
    monkeypatch.setenv("SYNVID_EVAL_POOLS", str(tmp_path / "pools"))
    pool._shared.cache_clear()
    yield tmp_path / "pools"
    pool._shared.cache_clear()
