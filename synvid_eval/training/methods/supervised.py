"""Supervised pre-training: the classes of a labelled preset or set, as the released code of Svyezhentsev et
al. 2024 (train_sup.py): one view of a clip, a linear layer, cross entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval.errors import UsageError
from synvid_eval.knobs import knob
from synvid_eval.networks.backbones import Backbone
from synvid_eval.training import augment
from synvid_eval.training.data import Item, Source
from synvid_eval.training.methods import viewed
from synvid_eval.training.methods.viewed import OfViews, OnViews, Views
from synvid_eval.training.recipe import Recipes
from synvid_eval.video.layouts import count_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Classes(OnViews):
    """Recipes of supervised pre-training."""

    later: ClassVar[tuple[str, ...]] = ("classes",)

    classes: int = knob(
        0,
        "Of a preset with classes: so many of them at most; 0: all.",
        low=0,
        high=10_000,
        source="paper: all; fewer are our choice",
    )
    reverse: float = knob(
        0.0, "Probability that a clip runs backwards.", low=0, high=1, source="released code"
    )
    smoothing: float = knob(
        0.0, "Share of a label that all classes have alike.", low=0, high=0.99, source="released code"
    )


RECIPES = viewed.recipes(Classes(), classes="16")
"""Recipes of supervised pre-training, by name. `tiny` has clips for a few classes only."""


def build(of: Classes, network: Backbone, seed: int, classes: int) -> nn.Module:
    """The module: a batch (`first`, `label`) → its loss."""
    from torch import nn
    from torch.nn import functional as F

    class Classified(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = network.encoder(seed)
            self.head = nn.Sequential(nn.Linear(network.width, classes))
            viewed.draw(self.head, "head", seed)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            found = viewed.represented(network, self.encoder, self.head, batch["first"], of.dropout)
            return F.cross_entropy(found.float(), batch["label"], label_smoothing=of.smoothing)

    return Classified()


class Supervised(OfViews):
    """See the module's docstring."""

    name: ClassVar[str] = "supervised"
    title: ClassVar[str] = "supervised classification"
    recipes: ClassVar[Recipes[Any]] = RECIPES
    labels: ClassVar[bool] = True

    def check_source(self, recipe: Classes, source: Source) -> None:
        """See `Method.check_source`."""
        found = len(source.classes())
        if found < 2:
            raise UsageError(
                f"{source.name} has {'one class' if found else 'no classes'}, and supervised learns to tell "
                "classes apart.",
                "Such as fractal_supervised_500, or class folders; or another --method.",
            )
        if len(source) < 2 * found and not recipe.fresh:
            few = f"{count_of(len(source), 'clip')} in {found:,} classes: fewer than two a class"
            raise UsageError(
                f"{source.name} has {few}.",
                "Give more clips of each; of a preset: --set clips=…, or fewer classes (--set classes=…).",
            )

    def bound(self, recipe: Classes, source: Source) -> dict[str, Any]:
        """See `Method.bound`: which clip has which class, as a hash; the classes in the order of the head."""
        return {"labels": source.labelling(), "classes": source.classes()}

    def notes(self, recipe: Classes, source: Source) -> list[str]:
        """See `Method.notes`."""
        return augment.mirrored(source.classes(), "mirror", "0") if recipe.mirror else []

    def maker(
        self, source: Source, recipe: OnViews, network: Backbone, seed: int
    ) -> Callable[[Item], dict[str, Any]]:
        """See `Method.maker`."""
        return Views(source, recipe, network, seed, tuple(source.classes()))

    def network(self, recipe: Classes, network: Backbone, seed: int, source: Source) -> nn.Module:
        """See `Method.network`."""
        return build(recipe, network, seed, len(source.classes()))


METHOD = Supervised()
