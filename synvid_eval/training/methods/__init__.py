"""Methods of pre-training, one file each: masked autoencoding (Tong et al. 2022), MoCo (He et al. 2020),
SimCLR (Chen et al. 2020), BYOL (Grill et al. 2020), supervised classes.

A method says what is made of a clip, which module turns a batch of that into its loss, what happens behind a
step, and what its recipes are (`base.Method`). Everything else is the same for all: the run's folder, the
log, going on, devices, precision, passes, what goes wrong. A method more is a file more, and a line here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from synvid_eval.errors import UsageError, nearest

if TYPE_CHECKING:
    from synvid_eval.training.methods.base import Method

METHODS = {
    "videomae": "masked",
    "moco": "moco",
    "simclr": "simclr",
    "byol": "byol",
    "supervised": "supervised",
}
"""Name → its module, which has it as METHOD."""

DEFAULT = "videomae"


def named(name: str) -> Method:
    """The method of that name; UsageError for another."""
    if name not in METHODS:
        raise UsageError(f"No method is called {name!r}.", nearest(name, METHODS))
    found: Method = importlib.import_module(f"{__name__}.{METHODS[name]}").METHOD
    return found


def check_recipe(method: str, recipe: str) -> None:
    """UsageError for a recipe that is of other methods than this one, which are named."""
    owners = [name for name in METHODS if recipe in named(name).recipes]
    if owners and method not in owners:
        raise UsageError(
            f"No recipe is called {recipe!r} for {method}.", f"It is of --method {' or '.join(owners)}."
        )
