"""`attention`: the files it writes, what it prints, and its exit codes."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest
from PIL import Image

from synvid_eval import extras
from synvid_eval.cli import run
from synvid_eval.schemas import get
from tests.clips import moving, write_video
from tests.conftest import Run

SET = "preset:moving_circles?n=14&size=64&length=40&objects=8"
SMALL = ("attention", SET, "--checkpoint", "random:0:tiny", "--frames", "8", "--workers", "1")


@pytest.mark.slow
def test_all_that_it_writes(run_cli: Run, tmp_path: Path) -> None:
    args = (*SMALL, "--checkpoint", "b=random:1:tiny", "--clips", "12", "--masks")
    files = ("--json", "a.json", "--html", "a.html", "--png", "a.png", "--video", "films")
    done = run_cli(*args, *files)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "a.json").read_text())
    jsonschema.validate(document, get("attention"))
    assert [c["name"] for c in document["checkpoints"]] == ["random:0:tiny", "b"]
    assert document["run"]["command"].startswith("synvid-eval attention 'preset:")
    shown = document["checkpoints"][1]["separation"]["value"]
    assert f"{shown:.3f}" in done.stdout and "moving objects" in done.stdout
    assert "random networks are for comparison" in done.stdout and "written: a.json, a.html" in done.stdout
    assert Image.open(tmp_path / "a.png").size[0] > 500
    names = sorted(p.name for p in (tmp_path / "films").iterdir())
    assert len(names) == 12 and all(n.startswith(f"{i:03}-moving_circles_") for i, n in enumerate(names))
    with av.open(str(tmp_path / "films" / names[0])) as film:
        assert sum(1 for _ in film.decode(video=0)) == 8
    assert run_cli("report", "a.json", "--html", "b.html").returncode == 0
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()
    again = run_cli(*args, "--json", "-", "-q")
    told = json.loads(again.stdout)
    assert "media" not in told and told["checkpoints"] == document["checkpoints"] and again.stderr == ""
    plan = run_cli(*args, "--html", "c.html", "--dry-run")
    assert plan.returncode == 0 and "12 clips to read, 8 frames each" in plan.stdout
    assert "writes:   c.html" in plan.stdout and not (tmp_path / "c.html").exists()
    jsonschema.validate(json.loads(run_cli(*args, "--dry-run", "--json", "-").stdout), get("dry-run"))


@pytest.mark.slow
def test_real_clips_by_label_and_a_png_on_stdout(run_cli: Run, tmp_path: Path) -> None:
    for label in ("jump", "run"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(2):
            write_video(tmp_path / "set" / label / f"{i}.mkv", moving(30, seed=i), "ffv1")
    args = ("attention", "set", "--checkpoint", "random:0:tiny", "--label", "run", "--what", "tokens")
    done = run_cli(*args, "--json", "a.json", "--layer", "0")
    assert done.returncode == 0, done.stderr
    assert "Tokens of layer 0, 2 clips of set labelled run" in done.stdout
    document = json.loads((tmp_path / "a.json").read_text())
    assert {c["label"] for c in document["clips"]} == {"run"}
    assert all(len(c["frames"]) == 30 for c in document["clips"]) and document["notes"]


def codes(run_cli: Run, *args: str) -> tuple[int, str]:
    done = run_cli(*args)
    assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 2
    return done.returncode, done.stderr


@pytest.mark.slow
def test_exit_codes(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"nothing")
    (tmp_path / "file").write_text("x")
    (tmp_path / "real").mkdir()
    write_video(tmp_path / "real" / "0.mkv", moving(30), "ffv1")
    for code, said, args in (
        (2, "'key'", (*SMALL, "--what", "key")),
        (2, "has 6 layers", (*SMALL, "--layer", "-7")),
        (2, "no clip of", (*SMALL, "--label", "x")),
        (2, "is not known", ("attention", "real", "--checkpoint", "random:0:tiny", "--masks")),
        (2, "both want stdout", (*SMALL, "--json", "-", "--png", "-")),
        (2, "is no folder", (*SMALL, "--video", "file")),
        (2, "bad.pth is bad.pth, which is read", (*SMALL, "--checkpoint", "bad.pth", "--json", "bad.pth")),
        (2, "--device tpu", (*SMALL, "--device", "tpu")),
        (4, "bad.pth", (*SMALL, "--checkpoint", "bad.pth")),
        (4, "no checkpoint at gone.pth", (*SMALL, "--checkpoint", "gone.pth")),
        (3, "gone", ("attention", "gone", "--checkpoint", "random:0:tiny")),
    ):
        found, text = codes(run_cli, *args)
        assert (found, said in text) == (code, True), (args, text)


def test_without_transformers_it_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As where it is not installed: its metadata and the package itself are hidden."""
    version = importlib.metadata.version

    def hidden(name: str) -> str:
        if name == "transformers":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", hidden)
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)
    wanted = ["transformers>=5.23; extra == 'train'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(extras, "_spec", lambda top: None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert run([*SMALL, "-q"]) == 5
    said = capsys.readouterr().err
    assert "transformers (extra 'train') is not installed" in said and "[train]" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_hostile_names_stay_one_line(run_cli: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a\nb"
    folder.mkdir()
    np.save(folder / "x.npy", np.stack([moving(20), moving(20, seed=1)]))
    done = run_cli("attention", "a\nb/x.npy", "--checkpoint", "n=random:0:tiny", "--frames", "4")
    assert done.returncode == 0, done.stderr
    assert "a\nb" not in done.stdout
