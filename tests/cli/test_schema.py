"""`schema`: what commands write fits, and what is wrong does not."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synvid_eval import archive
from synvid_eval.schemas import SCHEMAS, get
from tests.conftest import Run

SET = "preset:static_circles?n=2&size=32&objects=20"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `compare` wrote, once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNVID_EVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("SYNVID_EVAL_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        args = ["compare", f"a={SET}", f"b={SET}&seed=1", "-q", "--json", "-"]
        done = subprocess.run([sys.executable, "-m", "synvid_eval", *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def comparison(written: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(written)
    return document


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_one(run_cli: Run, name: str) -> None:
    done = run_cli("schema", name)
    assert json.loads(done.stdout) == get(name)
    jsonschema.Draft202012Validator.check_schema(get(name))
    assert get(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_an_unknown_schema_is_exit_2_with_the_nearest(run_cli: Run) -> None:
    done = run_cli("schema", "comparisn")
    assert done.returncode == 2
    assert "Did you mean 'comparison'?" in done.stderr


def test_help_names_every_schema(run_cli: Run) -> None:
    text = run_cli("schema", "--help").stdout
    assert all(name in text for name in SCHEMAS)


def test_a_comparison_fits(comparison: dict[str, Any]) -> None:
    jsonschema.validate(comparison, get("comparison"))
    bare = copy.deepcopy(comparison)
    bare["run"] = {}
    for score in bare["scores"]:
        score["detail"] = {}
        score["extra"] = 1
    jsonschema.validate(bare, get("comparison"))


def _no_reason(score: dict[str, Any]) -> None:
    score.update(value=None, reason=None)


def _reason_beside_a_value(score: dict[str, Any]) -> None:
    score.update(value=1.0, reason="because")


WRONG: list[Callable[[dict[str, Any]], object]] = [
    lambda s: s.pop("metric"),
    lambda s: s.update(better="smaller"),
    lambda s: s.update(value="1"),
    lambda s: s.update(interval=[1.0]),
    lambda s: s.update(n={"candidate": 1}),
    lambda s: s.update(n={"candidate": -1, "reference": 2}),
    lambda s: s.update(detail={"nested": {"deep": 1}}),
    _no_reason,
    _reason_beside_a_value,
]


@pytest.mark.parametrize("spoil", WRONG)
def test_a_wrong_score_does_not_fit(
    comparison: dict[str, Any], spoil: Callable[[dict[str, Any]], object]
) -> None:
    spoil(comparison["scores"][0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(comparison, get("comparison"))


@pytest.mark.parametrize("key", ["schema", "reference", "candidates", "scores"])
def test_a_comparison_without_a_part_does_not_fit(comparison: dict[str, Any], key: str) -> None:
    del comparison[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(comparison, get("comparison"))


def test_an_error_fits(run_cli: Run) -> None:
    for args in (["compare", SET], ["compare", "/gone", SET], ["inspect", "/gone"], ["explain", "nothing"]):
        document = json.loads(run_cli(*args, "--json", "-").stdout)
        jsonschema.validate(document, get("error"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"error": {"code": 7, "message": "x", "hint": ""}}, get("error"))


def test_the_meta_of_a_measured_file_fits(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "a.measured"
    assert run_cli("measure", SET, "--out", out, "-q").returncode == 0
    _, meta = archive.unpack(out.read_bytes())
    jsonschema.validate(meta, get("measured"))
    meta["clips"][0] = meta["clips"][0][:3]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(meta, get("measured"))


@pytest.mark.slow
def test_a_line_of_a_manifest_fits(run_cli: Run, tmp_path: Path) -> None:
    args = ["--clips", "2", "--size", "32", "--length", "17", "--truth", "masks", "-q"]
    for kind in ("mp4", "webdataset"):
        assert run_cli("generate", "moving_shapes", kind, "--format", kind, *args).returncode == 0
        for line in (tmp_path / kind / "manifest.jsonl").read_text().splitlines():
            jsonschema.validate(json.loads(line), get("manifest"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(line), "sha256": "0"}, get("manifest"))
