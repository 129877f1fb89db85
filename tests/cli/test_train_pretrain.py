"""`train pretrain` of several methods, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.training.test_methods import NANO, OF

PRETRAIN = ["train", "pretrain", "moving_shapes", "--recipe", "tiny", "--device", "cpu", "--workers", "0"]


def settings(method: str) -> list[str]:
    return [x for s in [*NANO, *OF[method]] for x in ("--set", s)]


def test_a_dry_run_says_method_and_network(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run_cli(*PRETRAIN, "--method", "simclr", "--out", str(out), "--dry-run", *settings("simclr"))
    assert done.returncode == 0, done.stderr
    assert "method:   SimCLR, by contrast within a pass\nnetwork:  TSM ResNet-18, " in done.stdout
    assert "4 frames of 16 px\ntraining: 32 steps of 4 clips" in done.stdout and not out.exists()


def test_a_backbone_is_trained_and_said(run_cli: Run, tmp_path: Path) -> None:
    asked = ["--method", "byol", "--backbone", "csn-26", "--steps", "2", "--json", "-"]
    done = run_cli(*PRETRAIN, "--out", str(tmp_path / "run"), "-q", *asked, *settings("byol"))
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["method"], facts["done"], facts["network"]["backbone"]) == ("byol", 2, "csn-26")
    card = (tmp_path / "run" / "card.md").read_text()
    assert "**trained**: BYOL" in card and "**network**: ir-CSN-26, width 256, 4 frames of 16 px" in card


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--method", "mocco"], "No method is called 'mocco'"),
        (["--method", "moco", "--recipe", "paper"], "It is of --method videomae."),
        (["--recipe", "paper-fractal"], "It is of --method moco or simclr or byol or supervised."),
        (["--backbone", "tsm-resnet18"], "backbone=tsm-resnet18 has no patches"),
        (["--method", "supervised"], "moving_shapes has no classes"),
        (["--method", "moco", "--backbone", "resnet"], "recipe.backbone=resnet is not possible"),
        (["--method", "moco", "--set", "queue=9"], "queue=9 is no multiple of batch=16"),
        (["--set", "mask=0.5"], "recipe has no knob 'mask'. Did you mean 'mask_ratio'?"),
        (["--set", "bacth=8"], "recipe has no knob 'bacth'. Did you mean 'batch'?"),
        (["--set", "image=48"], "Did you mean 'network.image', which the network has?"),
        (["--set", "network.imgae=48"], "network has no knob 'imgae'. Did you mean 'image'?"),
        (["--set", "speed=2:6"], 'speed=2:6" as the SET.'),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    run_cli: Run, tmp_path: Path, asked: list[str], said: str
) -> None:
    done = run_cli(*PRETRAIN, "--out", str(tmp_path / "run"), *asked)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "run").exists()
