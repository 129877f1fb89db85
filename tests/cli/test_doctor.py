"""`doctor`: a sound installation passes; each thing that is missing is named with its cure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from synvid_eval.cli import doctor_command as doctor
from synvid_eval.schemas import get
from tests.conftest import Run


@pytest.mark.slow
def test_this_installation_is_sound(run_cli: Run) -> None:
    place = {"SYNVID_EVAL_WEIGHTS": "no-such-folder"}
    done = run_cli("doctor", env=place)
    assert done.returncode == 0, done.stdout
    for word in (
        "synvid-eval",
        "numpy",
        "h264",
        "cores",
        "networks run on",
        "cache",
        "not in no-such-folder: inception, i3d, i3d-videogpt",
        "synvid-eval weights fetch inception i3d i3d-videogpt",
    ):
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


def test_weights_are_there_missing_or_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.networks import weights

    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"good")
    (tmp_path / "i3d_pretrained_400.pt").write_bytes(b"not what it should be")
    good = weights.hashes(tmp_path / "i3d_torchscript.pt")
    files = [
        dataclasses.replace(f, sha256=good.sha256, git_blob="", size=4) if f.name == "i3d" else f
        for f in weights.FILES
    ]
    monkeypatch.setattr(weights, "FILES", tuple(files))
    known, wrong = doctor._weights()
    assert (known.name, known.state) == ("weights", "ok")
    assert known.found == f"verified: i3d ({tmp_path / 'i3d_torchscript.pt'}); not in {tmp_path}: inception"
    assert known.cure == "if you want fid, kid, diversity: synvid-eval weights fetch inception"
    assert (wrong.name, wrong.state) == ("weights i3d-videogpt", "wrong")
    assert "another file" in wrong.found and "weights fetch i3d-videogpt" in wrong.cure


@pytest.mark.slow
def test_wrong_weights_are_exit_4_and_no_line_is_ok(run_cli: Run, tmp_path: Path) -> None:
    from synvid_eval.networks.weights import FILES

    for one in FILES:
        (tmp_path / one.file).write_bytes(b"not what it should be")
    place = {"SYNVID_EVAL_WEIGHTS": str(tmp_path)}
    done = run_cli("doctor", env=place)
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1 and "Not what they should be: weights inception" in done.stderr
    lines = [line.split()[:2] for line in done.stdout.splitlines() if "weights" in line.split()[1:2]]
    assert lines == [["WRONG", "weights"]] * 3 and "can run" not in done.stdout
    done = run_cli("doctor", "--json", "-", env=place)
    assert done.returncode == 4
    document = json.loads(done.stdout)
    jsonschema.validate(document, get("doctor"))
    assert not document["ok"]
    # what it says of compare
    done = run_cli("compare", "preset:static_circles", "preset:static_circles", "--metrics", "fid", env=place)
    assert done.returncode == 4 and "is not the file of the weights inception" in done.stderr


def test_weights_that_are_named_and_a_variable_that_makes_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synvid_eval.networks import weights

    own = tmp_path / "own.pth"
    own.write_bytes(b"own")
    monkeypatch.setenv(weights.VARIABLE, f"{tmp_path},inception={own}")
    (check,) = doctor._weights()
    assert f"inception: in its place {own}, of unknown hash" in check.found
    monkeypatch.setenv(weights.VARIABLE, "incepton=x")
    (check,) = doctor._weights()
    assert check.state == "wrong" and "Did you mean 'inception'" in check.cure


@pytest.mark.parametrize(
    ("cuda", "mps", "said"),
    [
        (2, False, "networks run on cuda:0 Card, cuda:1 Card (torch "),
        (0, True, "networks run on mps (torch "),
        (0, False, "networks run on the cpu (torch "),
    ],
)
def test_the_device_is_what_torch_finds(
    cuda: int, mps: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    check = doctor._accelerator()
    assert check.state == "ok" and check.found.startswith(said)


def test_a_driver_that_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def fails() -> bool:
        raise RuntimeError("no driver")

    monkeypatch.setattr(torch.cuda, "is_available", fails)
    check = doctor._accelerator()
    assert (check.state, check.found) == ("warning", "torch cannot tell: RuntimeError: no driver")
