"""CONTRIBUTING.md's examples are true: a file alone makes a working metric or corruption, its test passes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from synvid_eval import corruptions
from tests.cli.test_errors import install_plugin
from tests.conftest import REPOSITORY, Run
from tests.corruptions import test_contract as rules
from tests.metrics import contract

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
METRIC, METRIC_TEST, CORRUPTION, CORRUPTION_TEST = re.findall(r"```python\n(.*?)```", TEXT, re.S)


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


@pytest.fixture
def contrast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The example's name; its file lies beside the package's own corruptions."""
    (tmp_path / "contrast.py").write_text(CORRUPTION)
    monkeypatch.setattr(corruptions, "__path__", [*corruptions.__path__, str(tmp_path)])
    monkeypatch.setattr(corruptions.registry, "_found", None)
    yield "contrast"
    sys.modules.pop("synvid_eval.corruptions.contrast", None)


def passes(source: str) -> None:
    """Runs the tests of a file's text; there are some."""
    names: dict[str, object] = {}
    exec(compile(source, "example", "exec"), names)
    tests = [f for n, f in names.items() if n.startswith("test_")]
    assert tests
    for test in tests:
        test()  # type: ignore[operator]


def test_the_example_holds_the_contract_of_metrics(module: ModuleType) -> None:
    cls = module.Lightness
    contract.describes_itself(cls)
    contract.imports_little(cls)
    contract.has_valid_knobs(cls)
    for rule in ("scores_rows", "says_when_empty", "knows_identity", "ignores_split", "keeps_inputs"):
        getattr(contract, rule)(cls())


def test_the_example_s_own_test_passes(module: ModuleType) -> None:
    passes(METRIC_TEST)


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


def test_the_corruption_holds_the_contract_of_corruptions(contrast: str) -> None:
    assert contrast in corruptions.registry.names()
    for severity in rules.SEVERITIES:
        rules.test_a_frame_alone_has_the_bytes_that_it_has_in_its_clip(contrast, severity)
        rules.test_small_and_odd_frames_and_short_clips(contrast, severity, (3, 5))
    rules.test_seed_and_clip_decide_what_is_drawn(contrast, corruptions.Draws(1, "a", ""))
    rules.test_the_severity_is_one_to_five(contrast)
    rules.test_it_opens_with_what_it_does_its_table_and_its_source(contrast)


def test_the_corruption_s_own_test_passes(contrast: str) -> None:
    passes(CORRUPTION_TEST)


def test_the_corruption_works_by_command_from_another_package(run_cli: Run, tmp_path: Path) -> None:
    env = install_plugin(tmp_path, CORRUPTION, "synvid_eval.corruptions", "contrast", "Contrast")
    assert "contrast" in run_cli("list", "corruptions", env=env).stdout
    plain = "preset:moving_circles?n=4&size=48&length=16"
    command = ("compare", f"a=corrupt:contrast?severity=5&of={plain}", f"b={plain}", "--metrics", "color")
    (score,) = json.loads(run_cli(*command, "--json", "-", "-q", env=env).stdout)["scores"]
    keys = ("covariance", "reference_covariance")
    spread, before = (sum(score["detail"][key][i] for i in (0, 4, 8)) for key in keys)
    assert spread < before / 4  # what is left lies between frames, whose means stay
