"""MoCo (momentum contrast, He et al. 2020, arXiv 1911.05722), as the released code of Svyezhentsev et al.
2024.

The first view of a clip, encoded, is to be nearer to the second one, encoded by a network that follows slowly
(the momentum encoder), than to the keys of other clips, which wait in a queue: cross entropy of the dot
products of unit vectors over a temperature. The head has two layers (v2's, with SiLU, as released).

The queue begins with unit vectors that are drawn, which belong to no clip, as in both codes: what is drawn is
near to nothing, so first losses are low, and grow until the queue is full of keys. A key in the queue that is
of the clip itself is no negative (released code). Behind a step the keys of the whole batch, of all passes
and devices, in its order, take the place of the oldest, and the momentum encoder follows: so how a batch is
cut into passes changes no negatives, only what batch norms see.

He et al. shuffle keys between devices so that batch norm tells nothing; the released code shuffles them on
its one device, which changes nothing, and so it is here: batch norms see all clips of a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval.errors import UsageError
from synvid_eval.knobs import knob
from synvid_eval.networks.backbones import Backbone
from synvid_eval.randomness import address
from synvid_eval.training import across
from synvid_eval.training.data import Source
from synvid_eval.training.methods import viewed
from synvid_eval.training.methods.viewed import OfViews, OnTwoViews
from synvid_eval.training.recipe import Recipes
from synvid_eval.video.layouts import count_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class QueueContrast(OnTwoViews):
    """Recipes of MoCo."""

    temperature: float = knob(
        0.07, "What products are divided by.", low=1e-4, high=100, source="paper, and released code"
    )
    momentum: float = knob(
        0.999,
        "Share of itself that the momentum encoder keeps in a step.",
        low=0,
        high=1,
        source="paper, and released code",
    )
    queue: int = knob(
        16384, "Keys that wait as negatives.", low=1, high=1 << 24, source="paper, and released code"
    )


RECIPES = viewed.recipes(QueueContrast(), queue="64", momentum="0.99")
"""Recipes of MoCo, by name. `tiny` sees too few steps for a queue and a momentum of the published size."""


def build(of: QueueContrast, network: Backbone, seed: int) -> nn.Module:
    """The module: a batch (`first`, `second`, `clip`) → (its loss, its keys and their clips)."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class MoCo(nn.Module):
        queue: Tensor
        clips: Tensor
        place: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.encoder = network.encoder(seed)
            self.head = viewed.perceptron(network.width, of.hidden, of.values)
            viewed.draw(self.head, "head", seed)
            self.momentum = viewed.momentum_of(self.encoder, self.head)
            generator = torch.Generator().manual_seed(address("synvid_eval.training.moco", seed) >> 1)
            drawn = torch.randn((of.queue, of.values), generator=generator)
            self.register_buffer("queue", F.normalize(drawn, dim=1))
            self.register_buffer("clips", torch.full((of.queue,), -1))
            self.register_buffer("place", torch.zeros((), dtype=torch.int64))

        def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            queries = self.given(self.encoder, self.head, batch["first"])
            with torch.no_grad():
                keys = self.given(self.momentum["encoder"], self.momentum["head"], batch["second"])
            return self.loss(queries, keys, batch["clip"]), (keys, batch["clip"])

        def given(self, encoder: nn.Module, head: nn.Module, frames: Tensor) -> Tensor:
            """Unit vectors float32 [B, values] of clips."""
            found = viewed.represented(network, encoder, head, frames, of.dropout)
            return F.normalize(found.float(), dim=1)

        def loss(self, queries: Tensor, keys: Tensor, clips: Tensor) -> Tensor:
            """Of queries and keys [B, values] and what tells their clips, int64 [B]."""
            with torch.autocast(queries.device.type, enabled=False):
                near = (queries * keys).sum(1, keepdim=True)
                far = queries @ self.queue.T
                far = far.masked_fill(clips[:, None] == self.clips, float("-inf"))
                products = torch.cat([near, far], 1) / of.temperature
            return F.cross_entropy(products, torch.zeros(len(products), dtype=torch.int64).to(far.device))

        def enqueue(self, keys: Tensor, clips: Tensor) -> None:
            """A batch of keys takes the place of the oldest."""
            at = (self.place + torch.arange(len(keys), device=keys.device)) % of.queue
            self.queue[at], self.clips[at] = keys, clips
            self.place.copy_((self.place + len(keys)) % of.queue)

    return MoCo()


class MomentumContrast(OfViews):
    """See the module's docstring."""

    name: ClassVar[str] = "moco"
    title: ClassVar[str] = "MoCo, by momentum contrast"
    recipes: ClassVar[Recipes[Any]] = RECIPES

    def check(self, recipe: QueueContrast, network: Backbone) -> None:
        """See `Method.check`."""
        if recipe.queue % recipe.batch:
            raise UsageError(
                f"queue={recipe.queue} is no multiple of batch={recipe.batch}.",
                "Whole batches of keys come and go: give a multiple.",
            )

    def network(self, recipe: QueueContrast, network: Backbone, seed: int, source: Source) -> nn.Module:
        """See `Method.network`."""
        return build(recipe, network, seed)

    def notes(self, recipe: QueueContrast, source: Source) -> list[str]:
        """See `Method.notes`."""
        full = count_of(recipe.queue // recipe.batch, "step")
        return [
            "the queue begins with drawn vectors, to which no clip is near: losses of the first "
            f"{full} are low, and grow until it is full of keys"
        ]

    def behind(self, module: Any, recipe: QueueContrast, step: int, steps: int, left: list[Any]) -> None:
        """See `Method.behind`: the keys of the batch are put into the queue, the momentum encoder follows."""
        import torch

        keys, clips = (across.gathered(torch.cat(parts)) for parts in zip(*left, strict=True))
        module.enqueue(keys, clips)
        viewed.follow_in(module, recipe.momentum)


METHOD = MomentumContrast()
