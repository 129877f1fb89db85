"""BYOL (bootstrap your own latent, Grill et al. 2020, arXiv 2006.07733), as the released code of Svyezhentsev
et al. 2024.

Of each view a predictor on top of encoder and head is to tell what a network that follows slowly (the
momentum encoder: the target) gives of the other view: 2 − 2 · cosine, averaged over both views (the paper's
loss is their sum, twice that). What of itself the target keeps in a step grows from `momentum` to 1 by a
cosine.

The head has no batch norm (released code; the paper's has), the predictor has one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval.knobs import knob
from synvid_eval.networks.backbones import Backbone
from synvid_eval.training.data import Source
from synvid_eval.training.methods import viewed
from synvid_eval.training.methods.viewed import OfViews, OnTwoViews
from synvid_eval.training.recipe import Recipes

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Bootstrap(OnTwoViews):
    """Recipes of BYOL."""

    values: int = knob(256, "Values of what it gives.", low=2, high=65536, source="released code")
    predictor: int = knob(
        1024, "Values between the two layers of the predictor.", low=1, high=65536, source="released code"
    )
    momentum: float = knob(
        0.997,
        "Share of itself that the target keeps in a step, at first.",
        low=0,
        high=1,
        source="released code",
    )


RECIPES = viewed.recipes(Bootstrap(), momentum="0.97")
"""Recipes of BYOL, by name. `tiny` sees too few steps for the published momentum."""


def share(momentum: float, step: int, steps: int) -> float:
    """What of itself the target keeps at a step of `steps`: `momentum` at first, 1 at the end."""
    return 1 - (1 - momentum) * (math.cos(math.pi * step / steps) + 1) / 2


def loss(told: Tensor, target: Tensor) -> Tensor:
    """2 − 2 · cosine of what is predicted and what is there, [N, values] each: their mean."""
    from torch.nn import functional as F

    return 2 - 2 * F.cosine_similarity(told.float(), target.float(), dim=1, eps=1e-12).mean()


def build(of: Bootstrap, network: Backbone, seed: int) -> nn.Module:
    """The module: a batch (`first`, `second`) → its loss."""
    import torch
    from torch import nn

    class BYOL(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = network.encoder(seed)
            self.head = viewed.perceptron(network.width, of.hidden, of.values)
            self.predictor = nn.Sequential(
                nn.Linear(of.values, of.predictor),
                nn.BatchNorm1d(of.predictor),
                nn.ReLU(),
                nn.Linear(of.predictor, of.values),
            )
            viewed.draw(self.head, "head", seed)
            viewed.draw(self.predictor, "predictor", seed)
            self.momentum = viewed.momentum_of(self.encoder, self.head)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            views = [batch[view] for view in viewed.VIEWS]
            told = [self.predictor(self.given(self.encoder, self.head, view)) for view in views]
            with torch.no_grad():
                parts = self.momentum["encoder"], self.momentum["head"]
                target = [self.given(*parts, view) for view in views[::-1]]
            return loss(torch.cat(told), torch.cat(target))

        def given(self, encoder: nn.Module, head: nn.Module, frames: Tensor) -> Tensor:
            return viewed.represented(network, encoder, head, frames, of.dropout)

    return BYOL()


class BootstrapYourOwn(OfViews):
    """See the module's docstring."""

    name: ClassVar[str] = "byol"
    title: ClassVar[str] = "BYOL, by what a slower copy of it sees in another view"
    recipes: ClassVar[Recipes[Any]] = RECIPES
    least: ClassVar[int] = 2

    def network(self, recipe: Bootstrap, network: Backbone, seed: int, source: Source) -> nn.Module:
        """See `Method.network`."""
        return build(recipe, network, seed)

    def behind(self, module: Any, recipe: Bootstrap, step: int, steps: int, left: list[Any]) -> None:
        """See `Method.behind`: the target follows, as it does there before the next step."""
        viewed.follow_in(module, share(recipe.momentum, step + 1, steps))


METHOD = BootstrapYourOwn()
