"""Presets → clips: one module a generator, presets as data. A generator is found by its name
(`generators.registry`).

Any frames of any clip, alone:

    from synvid_eval.generators import presets
    shapes = presets.get("moving_circles").configured(size="128")
    for frame in shapes.draw(0, "moving_circles", 31_415, range(0, 64, 4)): ...
"""

from synvid_eval import kernels
from synvid_eval.generators.base import Generator
from synvid_eval.registry import Registry

kernels.prepare()

registry: Registry[Generator] = Registry(
    "synvid_eval.generators",
    Generator,  # type: ignore[type-abstract]
    "generator",
)

__all__ = ["Generator", "registry"]
