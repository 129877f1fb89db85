"""What a method of pre-training is; see `synvid_eval.training.methods`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval.networks.backbones import Backbone
from synvid_eval.training.data import Item, Source
from synvid_eval.training.recipe import Recipes

if TYPE_CHECKING:
    from torch import nn


OWN = "own"
"""The chain of a view that leaves its adaptation to what is trained on."""

NONE = "none"
"""The chain of a view that is not adapted."""

LEFT = (OWN, NONE)


class Method(ABC):
    """A method of pre-training.

    name: of `--method`. title: for people. default: of its recipes.

    least: clips that a pass on all devices has to have.

    labels: whether it learns the clips' classes.

    within: what is of a pass, for people, so that a pass of other clips than the whole batch, or another
    number of devices, changes more than last digits: a run then keeps to both (`micro`, `world`). Empty: it
    changes last digits only.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    recipes: ClassVar[Recipes[Any]]
    default: ClassVar[str] = "small"
    least: ClassVar[int] = 1
    labels: ClassVar[bool] = False
    within: ClassVar[str] = "batch norms"

    @property
    def binds(self) -> bool:
        """Whether passes decide weights, see `within`."""
        return bool(self.within)

    def check(self, recipe: Any, network: Backbone) -> None:  # noqa: B027
        """UsageError where it cannot train that network by that recipe; before clips are looked for."""

    def check_source(self, recipe: Any, source: Source) -> None:  # noqa: B027
        """UsageError where it cannot train on those clips."""

    def bound(self, recipe: Any, source: Source) -> dict[str, Any]:
        """What else of the clips decides its weights, ready for `[run]` of a config; a run keeps to it."""
        return {}

    def adapts(self, recipe: Any) -> tuple[str, ...]:
        """The chain that each view is adapted by (`generators.adapting`), OWN or NONE; empty where there are
        no views, and clips are taken as they are.
        """
        return ()

    def notes(self, recipe: Any, source: Source) -> list[str]:
        """What a user should know of its losses, and of what it makes of clips."""
        return []

    @abstractmethod
    def maker(
        self, source: Source, recipe: Any, network: Backbone, seed: int
    ) -> Callable[[Item], dict[str, Any]]:
        """(epoch, clip) → a dict of arrays: what is made of a clip. It can be pickled."""

    @abstractmethod
    def network(self, recipe: Any, network: Backbone, seed: int, source: Source) -> nn.Module:
        """The module that is trained, with all its state, drawn by address: what checkpoints hold. It has the
        encoder's weights under `encoder.…` (of masked autoencoding `videomae.…`).
        """

    def task(self, module: nn.Module) -> nn.Module:
        """What turns a batch into its loss, or (loss, what its pass leaves for `behind`): the module
        itself."""
        return module

    def behind(self, module: Any, recipe: Any, step: int, steps: int, left: list[Any]) -> None:  # noqa: B027
        """What happens to the module behind the optimizer's step number `step` (from 0) of `steps`, on every
        device alike. left: what this device's passes left, in order.
        """
