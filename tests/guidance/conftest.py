"""The toy generator, for this process and the workers that it starts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from synvid_eval import metrics
from synvid_eval.generators import registry
from synvid_eval.metrics.base import Kind, Metric
from synvid_eval.states import Side
from tests.cli.test_errors import install_plugin

SOURCE = Path(__file__).with_name("toy.py").read_text()


@dataclass(frozen=True)
class Lightness(Metric):
    """Mean L*, as CONTRIBUTING.md has it."""

    name: ClassVar[str] = "lightness"
    feature: ClassVar[str] = "lab"
    kind: ClassVar[Kind] = "property"
    better: ClassVar[Literal["lower", "higher", "match"]] = "match"
    unit: ClassVar[str] = "L*"

    @property
    def state(self) -> str:
        return "lab"

    def value(self, candidate: Side, reference: Side) -> float:
        moments = candidate.moments(self.state)
        assert moments is not None
        return float(moments.mean[0])


def installed(root: Path) -> dict[str, str]:
    """The toy as another package has it, and a preset of it: `toy.toml`."""
    env = install_plugin(root, SOURCE, "synvid_eval.generators", "toy", "Toy")
    (root / "toy.toml").write_text('generator = "toy"\n')
    return env


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with `toy.toml`."""
    root = tmp_path_factory.mktemp("toy")
    installed(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        module = importlib.import_module("plugin_toy")
        patch.setitem(registry._load(), "toy", module.Toy)
        patch.setitem(metrics.registry._load(), "lightness", Lightness)
        yield root
    sys.modules.pop("plugin_toy", None)
