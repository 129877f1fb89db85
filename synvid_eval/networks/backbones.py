"""Backbones: what pre-training, fine-tuning, probes and features ask of any network of clips.

A backbone is data, an architecture that builds its own modules: `vit` (`videomae.Architecture`) or a
convolutional network (`convnets.ConvNet`). All take clips float32 [B, T, 3, S, S] as `inputs.normalized`
gives them, and give tokens float32 [B, tokens, width].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from synvid_eval.errors import UsageError, nearest
from synvid_eval.networks import convnets, videomae

if TYPE_CHECKING:
    from torch import Tensor, nn

VIT = "vit"
NAMES = (VIT, *convnets.BACKBONES)


class Backbone(Protocol):
    """An architecture.

    title: of its kind, for people. backbone: one of NAMES. image: height and width of its input [px]. frames:
    of its input. width, tokens: values of a token, tokens of a clip. moments: that these stand for, each with
    as many, one moment's tokens after the other's. depth: layers that learning rates can fall over. heads: of
    attention to its tokens, where a recipe names none. size: the name of its size; None where there is none.
    said: its width and depth, for people. model: what a table of accuracies calls it. least: clips that a
    pass of training must have. idle: knobs of recipes that decide nothing with it → what they are at, then.
    unused: knobs of its own that decide nothing.
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
    def heads(self) -> int: ...
    @property
    def size(self) -> str | None: ...
    @property
    def said(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def least(self) -> int: ...
    @property
    def idle(self) -> Mapping[str, Any]: ...
    @property
    def unused(self) -> frozenset[str]: ...

    def check_asked(self, asked: Collection[str]) -> None:
        """Refuses, by a UsageError, knobs of its own that were set and decide nothing. Configs of runs are
        not asked: they have all knobs.
        """

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of an encoder's tensors, by their names in `encoder`."""

    def encoder(self, seed: int = 0) -> nn.Module:
        """Clips → tokens; every weight drawn, a function of (seed, its name); in eval mode."""

    def trunk(self, seed: int = 0) -> nn.Module:
        """The same as classifiers and probes begin with it: without what belongs to pre-training alone."""

    def classifier(self, classes: int, seed: int = 0, drop_path: float = 0.0) -> nn.Module:
        """A trunk and a linear layer, drawn, in eval mode; see `logits`. drop_path: share of clips that skip
        the last layer.
        """

    def take(self, module: nn.Module, tensors: Mapping[str, Tensor], epsilon: float = ...) -> None:
        """Puts an encoder's tensors, as `checkpoints.Checkpoint` holds them, into what `encoder`, `trunk`
        or `classifier` made. epsilon: of layer norms.
        """

    def norms(self, module: nn.Module, epsilon: float) -> None:
        """Gives an encoder's layer norms, of what `encoder`, `trunk` or `classifier` made, their ε."""

    def logits(self, network: nn.Module, clips: Tensor, dropout: float = 0.0) -> Tensor:
        """What a `classifier` says of clips: [B, classes]. dropout: share of the values in front of its last
        layer that are dropped while it is in training mode.
        """

    def pooled(self, tokens: Tensor) -> Tensor:
        """A trunk's tokens [B, tokens, width] → features of clips [B, width] that a probe learns from."""

    def below(self, name: str) -> int:
        """Layers below the top of a weight, by its name in an encoder or a classifier: 0 for what stands
        above all layers, depth + 1 for what stands below them.
        """


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
