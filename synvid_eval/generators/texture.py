"""What a texture is: (seed, pool's name, index) → a square picture, and that picture evolving.

A texture is a frozen dataclass whose fields are its knobs, as a generator is. It keeps nothing between calls
that alters a byte: every random number is addressed by (texture's name, seed, pool, index, what it is for;
see `Texture.key`), so texture 31,415 of a pool can be made alone, and frame 60 of its walk too.

A texture is one file: a module of this room that defines a subclass of `Texture`, found by its name
(`generators.textures`), or a class that another package declares as an entry point of "synvid_eval.textures".
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators.base import Frame, check_ranges


def spelled(recipes: Sequence[Texture]) -> str:
    """The text that names textures with every knob, as `generators.pool.recipes` reads it:
    `stylegan(size=256,…)`, joined by +. Equal textures have one text. Knobs that decide no picture stand
    there where they are given.
    """
    return "+".join(f"{r.name}({','.join(f'{k}={v}' for k, v in _told(r).items())})" for r in recipes)


def _told(recipe: Texture) -> dict[str, str]:
    plain = {f.name: f.default for f in dataclasses.fields(recipe)}
    always = recipe.told()
    told = {k: v for k, v in knobs.values(recipe).items() if k in always or v != plain[k]}
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in told.items()}


@dataclass(frozen=True)
class Texture(ABC):
    """Base of all textures.

    `revision` is raised whenever the same address gives other pixels. `exact` says that pictures have the
    same bytes on any machine; otherwise they are the same on one machine and library version and agree
    elsewhere within the tolerance stated in the module. `later` names knobs that came later: at their default
    they are not told, so that pools, banks and measurements from before are still of the same texture.
    """

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    exact: ClassVar[bool]
    later: ClassVar[tuple[str, ...]] = ()

    size: int = knobs.knob(
        256,
        "height and width of a texture",
        low=16,
        high=4096,
        unit="px",
        scale="log",
        source="released code",
    )

    def __post_init__(self) -> None:
        knobs.check(self)
        check_ranges(self)

    def prepare(self, tell: Callable[[str, int], None]) -> None:
        """Looks at what it reads from elsewhere, which may take long; `tell` hears of each file, and of how
        many there are. Here: it reads nothing.

        Raises:
            DataError: what it reads is missing.
        """
        return

    @abstractmethod
    def picture(self, seed: int, pool: str, index: int) -> Frame:
        """Texture `index` (≥ 0) of the pool of that name: uint8 [size, size, 3] RGB, the caller's own."""

    def walk(self, seed: int, pool: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The texture evolving: the chosen frames in the order asked, each uint8 [size, size, 3] RGB, lazy.

        Args:
            seed, pool, index: as of `picture`.
            frames: frame indices ≥ 0, any order, repeats allowed. Frame 0 is `picture`.

        Here: the same picture again and again, for textures that know no change (see `evolves`).
        """
        still = None
        for _ in frames:
            still = self.picture(seed, pool, index) if still is None else still
            yield still.copy()

    @classmethod
    def evolves(cls) -> bool:
        """Whether `walk` is more than the same picture again and again."""
        return cls.walk is not Texture.walk

    def source(self, seed: int, pool: str, index: int) -> str | None:
        """What texture `index` of the pool was made from, where textures share sources (a photograph); None:
        independent draws.
        """
        return None

    def identity(self) -> dict[str, Any]:
        """Everything that decides its pictures beside (seed, pool, index), ready for JSON: name, revision,
        knobs. A texture that reads files adds their hashes.
        """
        return {"texture": self.name, "revision": self.revision, **self.told()}

    def told(self) -> dict[str, Any]:
        """The knobs that decide its pictures with their values, without `later` ones at their default."""
        plain = {f.name: f.default for f in dataclasses.fields(self)}
        own = knobs.recipe(self)
        return {k: v for k, v in own.items() if k not in self.later or v != plain[k]}

    def key(self, seed: int, pool: str, index: int, *what: str | int) -> int:
        """The 64-bit key of the draws for `what` of texture `index` (see `randomness.address`).

        Raises:
            UsageError: negative index.
        """
        if index < 0:
            raise UsageError(f"{self.name}: texture index {index} is negative.", "Textures count from 0.")
        return randomness.address(f"synvid_eval.textures.{self.name}", seed, pool, index, *what)
