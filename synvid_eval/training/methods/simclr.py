"""SimCLR (Chen et al. 2020, arXiv 2002.05709), as the released code of Svyezhentsev et al. 2024.

Both views of a clip are encoded by the same network; each is to be nearer to the other than to all other
views of the pass, on all devices: cross entropy of the dot products of unit vectors over a temperature
(NT-Xent), averaged over all views. A pass of fewer clips has fewer negatives: `micro` is part of the recipe
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval.knobs import knob
from synvid_eval.networks.backbones import Backbone
from synvid_eval.training import across
from synvid_eval.training.data import Source
from synvid_eval.training.methods import viewed
from synvid_eval.training.methods.viewed import OfViews, OnTwoViews
from synvid_eval.training.recipe import Recipes

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Contrast(OnTwoViews):
    """Recipes of SimCLR."""

    temperature: float = knob(
        0.1, "What products are divided by.", low=1e-4, high=100, source="released code"
    )


RECIPES = viewed.recipes(Contrast())
"""Recipes of SimCLR, by name."""


def loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent of the two views of clips, float32 [B, values] each, of any length: a scalar."""
    import torch
    from torch.nn import functional as F

    views = F.normalize(torch.cat([first, second]).float(), dim=1)
    with torch.autocast(views.device.type, enabled=False):
        products = views @ views.T / temperature
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    other = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(products.masked_fill(itself, float("-inf")), other)


def build(of: Contrast, network: Backbone, seed: int) -> nn.Module:
    """The module: a batch (`first`, `second`) → its loss."""
    from torch import nn

    class SimCLR(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = network.encoder(seed)
            self.head = viewed.perceptron(network.width, of.hidden, of.values)
            viewed.draw(self.head, "head", seed)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            first, second = (across.gathered(self.given(batch[view])) for view in viewed.VIEWS)
            return loss(first, second, of.temperature)

        def given(self, frames: Tensor) -> Tensor:
            return viewed.represented(network, self.encoder, self.head, frames, of.dropout)

    return SimCLR()


class Simple(OfViews):
    """See the module's docstring."""

    name: ClassVar[str] = "simclr"
    title: ClassVar[str] = "SimCLR, by contrast within a pass"
    recipes: ClassVar[Recipes[Any]] = RECIPES
    least: ClassVar[int] = 2

    def network(self, recipe: Contrast, network: Backbone, seed: int, source: Source) -> nn.Module:
        """See `Method.network`."""
        return build(recipe, network, seed)


METHOD = Simple()
