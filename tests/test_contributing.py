"""CONTRIBUTING.md's example is true: its metric file alone makes a working metric, its test passes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.test_errors import install_plugin
from tests.conftest import REPOSITORY, Run
from tests.metrics import contract

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
METRIC, TEST = re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's file, imported as the module it says it is."""
    path = tmp_path / "lightness.py"
    path.write_text(METRIC)
    made = ModuleType("synvid_eval.metrics.lightness", METRIC.split('"""')[1])
    made.__file__ = str(path)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(compile(METRIC, str(path), "exec"), made.__dict__)
    return made


def test_the_example_holds_the_contract_of_metrics(module: ModuleType) -> None:
    cls = module.Lightness
    contract.describes_itself(cls)
    contract.imports_little(cls)
    contract.has_valid_knobs(cls)
    for rule in ("scores_rows", "says_when_empty", "knows_identity", "ignores_split", "keeps_inputs"):
        getattr(contract, rule)(cls())


def test_the_example_s_own_test_passes(module: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(compile(TEST, "test_lightness.py", "exec"), names)
    tests = [f for n, f in names.items() if n.startswith("test_")]
    assert tests
    for test in tests:
        test()  # type: ignore[operator]


@pytest.mark.slow
def test_the_example_works_by_command_from_another_package(run_cli: Run, tmp_path: Path) -> None:
    env = install_plugin(tmp_path, METRIC, "synvid_eval.metrics", "lightness", "Lightness")
    assert "lightness" in run_cli("list", "metrics", env=env).stdout
    sets = [f"preset:{n}?n=12&size=48&objects=40" for n in ("moving_circles", "moving_shapes")]
    command = ("compare", *sets, "--metrics", "lightness", "--json", "-", "-q")
    score = json.loads(run_cli(*command, env=env).stdout)["scores"][0]
    assert 20 < score["value"] < 80
    assert score["unit"] == "L*"
    assert score["interval"] is not None or score["interval_reason"]
    twice = json.loads(run_cli(*command, "--set", "lightness.scale=2", env=env).stdout)["scores"][0]
    assert twice["value"] == pytest.approx(2 * score["value"])
    assert twice["signature"] != score["signature"]
