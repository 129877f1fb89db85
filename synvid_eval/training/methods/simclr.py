"""SimCLR (Chen et al. 2020, arXiv 2002.05709), as the released code of Svyezhentsev et al. 2024.

Both views of a clip are encoded by the same network; each is to be nearer to the other than to all other
views of other clips in the pass, on all devices: cross entropy of the dot products of unit vectors over a
temperature (NT-Xent), averaged over all views. Where a pass has a clip several times, as where clips are
fewer than a batch, its other views are no negatives. A pass of fewer clips has fewer negatives: `micro` is
part of the recipe here.
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
class PassContrast(OnTwoViews):
    """Recipes of SimCLR."""

    temperature: float = knob(
        0.1, "What products are divided by.", low=1e-4, high=100, source="released code"
    )


RECIPES = viewed.recipes(PassContrast())
"""Recipes of SimCLR, by name."""


def loss(first: Tensor, second: Tensor, temperature: float, clips: Tensor | None = None) -> Tensor:
    """NT-Xent of the two views of clips, float32 [B, values] each, of any length: a scalar.

    clips: what tells the clips, int64 [B]; views of the same one are no negatives. None: no two are the same.
    """
    import torch
    from torch.nn import functional as F

    views = F.normalize(torch.cat([first, second]).float(), dim=1)
    with torch.autocast(views.device.type, enabled=False):
        products = views @ views.T / temperature
    places = torch.arange(len(views), device=views.device)
    other = places.roll(len(first))
    own = (places[: len(first)] if clips is None else clips).repeat(2)
    left_out = own[:, None] == own
    left_out[places, other] = False
    return F.cross_entropy(products.masked_fill(left_out, float("-inf")), other)


def build(of: PassContrast, network: Backbone, seed: int) -> nn.Module:
    """The module: a batch (`first`, `second`, `clip`) → its loss."""
    from torch import nn

    class SimCLR(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = network.encoder(seed)
            self.head = viewed.perceptron(network.width, of.hidden, of.values)
            viewed.draw(self.head, "head", seed)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            first, second = (across.gathered(self.given(batch[view])) for view in viewed.VIEWS)
            return loss(first, second, of.temperature, across.gathered(batch["clip"]))

        def given(self, frames: Tensor) -> Tensor:
            return viewed.represented(network, self.encoder, self.head, frames, of.dropout)

    return SimCLR()


class Simple(OfViews):
    """See the module's docstring."""

    name: ClassVar[str] = "simclr"
    title: ClassVar[str] = "SimCLR, by contrast within a pass"
    recipes: ClassVar[Recipes[Any]] = RECIPES
    least: ClassVar[int] = 2
    within: ClassVar[str] = "batch norms and negatives"

    def network(self, recipe: PassContrast, network: Backbone, seed: int, source: Source) -> nn.Module:
        """See `Method.network`."""
        return build(recipe, network, seed)


METHOD = Simple()
