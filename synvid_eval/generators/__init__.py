"""Presets → clips: one module a generator or texture, presets as data. A generator is found by its name
(`generators.registry`), a texture too (`generators.textures`).

Any frames of any clip, alone:

    from synvid_eval.generators import presets
    shapes = presets.get("moving_circles").configured(size="128")
    for frame in shapes.draw(0, "moving_circles", 31_415, range(0, 64, 4)): ...
"""

from typing import TYPE_CHECKING, Any

from synvid_eval import kernels
from synvid_eval.generators.base import Generator
from synvid_eval.generators.texture import Texture
from synvid_eval.registry import Registry

kernels.prepare()

registry: Registry[Generator] = Registry(
    "synvid_eval.generators",
    Generator,  # type: ignore[type-abstract]
    "generator",
)

textures: Registry[Texture] = Registry(
    "synvid_eval.generators",
    Texture,  # type: ignore[type-abstract]
    "texture",
    group="synvid_eval.textures",
)

if TYPE_CHECKING:
    from synvid_eval.generators.clips import Clips, ClipStream


def __getattr__(name: str) -> Any:
    """PyTorch data sets, which load torch when they are used."""
    if name in ("Clips", "ClipStream"):
        from synvid_eval.generators import clips

        return getattr(clips, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["ClipStream", "Clips", "Generator", "Texture", "registry", "textures"]
