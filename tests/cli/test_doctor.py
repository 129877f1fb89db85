"""`doctor`: a sound installation passes; each thing that is missing is named with its cure."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from synvid_eval.cli import doctor_command as doctor
from synvid_eval.schemas import get
from tests.conftest import Run


def test_this_installation_is_sound(run_cli: Run) -> None:
    done = run_cli("doctor")
    assert done.returncode == 0, done.stdout
    for word in ("synvid-eval", "numpy", "h264", "cores", "device", "cache", "needs none in this version"):
        assert word in done.stdout, word
    document = json.loads(run_cli("doctor", "--json", "-").stdout)
    jsonschema.validate(document, get("doctor"))
    assert document["ok"]


def test_a_package_that_cannot_be_imported_is_exit_5(run_cli: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "numba.py").write_text("raise ImportError('made for the test')\n")
    (broken / "torch.py").write_text("raise OSError('no driver')\n")
    from tests.conftest import REPOSITORY

    env = {"PYTHONPATH": f"{broken}:{REPOSITORY}"}
    done = run_cli("doctor", env=env)
    assert done.returncode == 5
    assert "MISSING" in done.stdout and "made for the test" in done.stdout
    assert "pip install --upgrade numba" in done.stderr
    assert "torch cannot be imported: OSError: no driver" in done.stdout
    done = run_cli("doctor", "--json", "-", env=env)
    assert done.returncode == 5
    document = json.loads(done.stdout)  # one document, not two
    jsonschema.validate(document, get("doctor"))
    assert not document["ok"]


def test_two_opencvs_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._opencv() == []
    monkeypatch.setattr(doctor, "_version", lambda name: "5.0" if "opencv" in name else None)
    (check,) = doctor._opencv()
    assert check.state == "warning"
    assert "pip uninstall" in check.cure


def test_missing_codecs_and_an_unusable_cache_are_warnings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "CODECS", ("h264", "no_such_codec"))
    (check,) = doctor._codecs()
    assert check.state == "warning"
    assert "no decoder for no_such_codec; there are h264" in check.found
    (tmp_path / "file").write_text("")
    (check,) = doctor._cache(str(tmp_path / "file" / "cache"))
    assert check.state == "warning"
    assert "--cache DIR" in check.cure


def test_extras_are_listed_with_what_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"guide": ["no-such-optuna"], "docs": ["numpy"]}
    monkeypatch.setattr("synvid_eval.extras.extras", lambda: known)
    guide, docs = doctor._extras()
    assert (guide.name, guide.state) == ("extra guide", "ok")
    assert "not installed: no-such-optuna" in guide.found
    assert 'pip install "synvid-eval[guide]"' in guide.cure
    assert docs.found.startswith("numpy ") and docs.cure == ""
    monkeypatch.setattr("synvid_eval.extras.extras", dict)
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    (check,) = doctor._extras()
    assert "not installed" in check.found
