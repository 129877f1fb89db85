"""Backbones: what pre-training, fine-tuning, probes and features ask of any network of clips.

A backbone is data, an architecture that builds its own modules: `vit` (`videomae.Architecture`) or a
convolutional network (`convnets.ConvNet`). All take clips float32 [B, T, 3, S, S] as `videomae.normalized`
gives them, and give tokens float32 [B, tokens, width].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from synvid_eval.errors import UsageError, nearest
from synvid_eval.networks import convnets, videomae

if TYPE_CHECKING:
    from torch import nn

VIT = "vit"
NAMES = (VIT, *convnets.BACKBONES)


class Backbone(Protocol):
    """An architecture.

    title: of its kind, for people. backbone: one of NAMES. image: height and width of its input [px]. frames:
    of its input. width, tokens: values of a token, tokens of a clip. moments: that these
    stand for, each with as many, one moment's tokens after the other's. depth: layers that learning rates can
    fall over. idle: knobs of recipes that decide nothing with it → what they are at, then.
    """

    @property
    def title(self) -> str: ...
    @property
    def backbone(self) -> str: ...
    @property
    def image(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def moments(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def idle(self) -> Mapping[str, Any]: ...

    def encoder(self, seed: int = 0) -> nn.Module:
        """Clips → tokens; every weight drawn, a function of (seed, its name); in eval mode."""

    def below(self, name: str) -> int:
        """Layers below the top of an encoder's weight, by its name in the encoder: 1 to depth + 1."""


def named(name: str, size: str = "base") -> Backbone:
    """The backbone of that name as it comes; size: of `vit`. UsageError: unknown names."""
    if name == VIT:
        return videomae.size(size)
    if name not in NAMES:
        raise UsageError(f"No backbone is called {name!r}.", nearest(name, NAMES))
    return convnets.ConvNet(name)


def of_table(table: Mapping[str, Any]) -> Backbone:
    """The backbone that a table `[network]` of a run's config says; what else stands in it is passed over.

    UsageError: values out of range. TypeError, KeyError: no such table.
    """
    kind: Any = videomae.Architecture if table.get("backbone", VIT) == VIT else convnets.ConvNet
    known = {field.name for field in dataclasses.fields(kind)}
    found: Backbone = kind(**{key: value for key, value in table.items() if key in known})
    return found
