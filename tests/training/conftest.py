"""A network that trains in milliseconds, and pre-training of it without the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from synvid_eval.cache import Cache
from synvid_eval.measurement import Options
from synvid_eval.training import recipe
from synvid_eval.training.pretrain import PlannedPretraining
from tests.training.small import labelled_set

NANO = [
    "network.width=24", "network.depth=2", "network.heads=2", "network.image=16", "network.frames=4",
    "network.decoder_width=16", "network.decoder_heads=2", "network.decoder_depth=1", "batch=4", "clips=16",
    "save=2", "keep=100",
]  # fmt: skip


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled set, read by tests and not changed."""
    return labelled_set(tmp_path_factory.mktemp("bars") / "bars")


@pytest.fixture
def options() -> Options:
    return Options(workers=1, cache=Cache(None))


@pytest.fixture
def planned(options: Options) -> Any:
    """(location, settings, keywords) → what is planned, on a nano network."""

    def plan(location: str = "moving_circles", *settings: str, **more: Any) -> PlannedPretraining:
        chosen, network = recipe.chosen(recipe.PRETRAINING, "tiny", [*NANO, *settings])
        return PlannedPretraining(location, chosen, network, options, device="cpu", **more)

    return plan


def weights(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a run's newest checkpoint, the optimizer's too."""
    from safetensors.torch import load_file

    return load_file(sorted(path.glob("checkpoints/*.safetensors"))[-1])


def same(a: Path, b: Path) -> bool:
    """Whether two runs ended in the same bits."""
    one, other = weights(a), weights(b)
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) for k in one)
