"""Masked autoencoding (VideoMAE, Tong et al. 2022) on drawn or real clips, as Yu et al. 2024 do it.

A clip's frames are cropped by MultiScaleCrop, most places of it are hidden (`masking`), and the network fills
them in; the loss is the mean squared error of the hidden patches, each normalized by its own mean and
deviation per channel (`transformers`' own, as in the released code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval.errors import UsageError
from synvid_eval.networks import inputs, videomae
from synvid_eval.networks.backbones import Backbone
from synvid_eval.networks.videomae import Architecture
from synvid_eval.randomness import address
from synvid_eval.training import crops, masking
from synvid_eval.training.data import Item, Source
from synvid_eval.training.methods.base import Method
from synvid_eval.training.recipe import PRETRAINING, Pretraining, Recipes

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Masked:
    """(epoch, clip) → frames uint8 [T, S, S, 3] and its mask bool [tokens]."""

    source: Source
    recipe: Pretraining
    network: Architecture
    seed: int

    def __call__(self, item: Item) -> dict[str, Any]:
        epoch, index = item
        where = (self.seed, self.source.key, epoch, index)
        frames = crops.multiscale(
            self.source.clip(index, epoch),
            self.network.image,
            self.recipe.crop_scales(),
            address("synvid_eval.training.crop", *where),
        )
        key = address("synvid_eval.training.mask", *where)
        return {"frames": frames, "mask": masking.tube(self.network.grid, self.recipe.mask_ratio, key)}


def task(network: nn.Module) -> nn.Module:
    """The module that turns a batch (frames uint8 [B, T, S, S, 3], mask bool [B, tokens]) into its loss."""
    from torch import nn

    class Reconstruction(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            clips = inputs.normalized(batch["frames"])
            found: Tensor = self.network(clips, bool_masked_pos=batch["mask"]).loss
            return found

    return Reconstruction()


class MaskedAutoencoding(Method):
    """See the module's docstring."""

    name: ClassVar[str] = "videomae"
    title: ClassVar[str] = "VideoMAE, by masked autoencoding"
    recipes: ClassVar[Recipes[Any]] = PRETRAINING
    within: ClassVar[str] = ""

    def check(self, recipe: Pretraining, network: Backbone) -> None:
        """See `Method.check`."""
        if not isinstance(network, Architecture):
            raise UsageError(
                f"backbone={network.backbone} has no patches, which masked autoencoding hides.",
                "Give backbone=vit, or --method moco.",
            )
        masking.hidden(network.grid, recipe.mask_ratio)

    def maker(
        self, source: Source, recipe: Pretraining, network: Any, seed: int
    ) -> Callable[[Item], dict[str, Any]]:
        """See `Method.maker`."""
        return Masked(source, recipe, network, seed)

    def network(self, recipe: Pretraining, network: Any, seed: int, source: Source) -> nn.Module:
        """See `Method.network`: encoder and decoder."""
        found: nn.Module = videomae.pretraining(network, seed)
        return found

    def task(self, module: nn.Module) -> nn.Module:
        """See `Method.task`."""
        return task(module)


METHOD = MaskedAutoencoding()
