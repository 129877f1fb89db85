"""What every texture has from its base: a walk that stays where none is defined, addresses, an identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from synvid_eval import generators, knobs, randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators.base import Frame
from synvid_eval.generators.texture import Texture


@dataclass(frozen=True)
class Noise(Texture):
    name: ClassVar[str] = "test_noise"
    exact: ClassVar[bool] = True
    strength: int = knobs.knob(255, "largest value", low=1, high=255)

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        key = self.key(seed, pool, index, "noise")
        values = randomness.below(randomness.stream(key, self.size**2 * 3), self.strength + 1)
        return values.astype(np.uint8).reshape(self.size, self.size, 3)


def test_a_texture_without_a_walk_stays_and_each_frame_is_the_callers_own():
    texture = Noise(size=16)
    picture = texture.picture(0, "p", 3)
    assert not Noise.evolves()
    for frame in texture.walk(0, "p", 3, [0, 9, 9]):
        assert np.array_equal(frame, picture)
        frame[:] = 0


def test_seed_pool_index_and_texture_each_matter():
    keys = [Noise().key(*place) for place in [(0, "p", 0), (1, "p", 0), (0, "q", 0), (0, "p", 1)]]
    assert len({*keys, Noise().key(0, "p", 0, "what"), randomness.address("x", 0, "p", 0)}) == 6
    with pytest.raises(UsageError, match="test_noise: texture index -1 is negative"):
        Noise().key(0, "p", -1)


def test_identity_holds_the_knobs_and_knobs_are_checked():
    assert Noise(size=32).identity() == {
        "texture": "test_noise",
        "revision": 1,
        "size": 32,
        "strength": 255,
    }
    with pytest.raises(UsageError, match=r"test_noise\.size=3 is out of range"):
        Noise(size=3)


def test_textures_are_found_by_name_apart_from_generators(monkeypatch):
    monkeypatch.setitem(generators.textures._load(), "test_noise", Noise)
    assert generators.textures.get("test_noise") is Noise
    assert "shapes" not in generators.textures.names()
    assert "test_noise" not in generators.registry.names()
    with pytest.raises(UsageError, match="No texture is called 'nois'"):
        generators.textures.get("nois")
