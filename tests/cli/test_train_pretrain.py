"""`train pretrain` of several methods, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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
    # the rate is told for 256 clips a step, and is of 4 here
    assert "recipe:   adamw, learning rate 0.000125 after 1 epoch, weight decay 0.01, stride " in done.stdout
    less = "micro=N passes fewer, which is another training: batch norms and negatives are of a pass"
    assert less in done.stdout


# five commands, two of which try what a step takes
@pytest.mark.slow
def test_what_is_learned_is_counted(run_cli: Run, tmp_path: Path) -> None:
    """Classes in a dry run and behind a run, which is not done twice; what a queue does to first losses."""
    asked = ["train", "pretrain", "fractal_supervised_250", "--recipe", "tiny", "--device", "cpu"]
    asked += ["--out", str(tmp_path / "run"), "--workers", "0", "--steps", "1"]
    asked += ["--method", "supervised", *settings("supervised")]
    done = run_cli(*asked, "--dry-run")
    assert "set:      fractal_supervised_250: 16 clips in 4 classes\n" in done.stdout, done.stderr
    done = run_cli(*asked)
    assert ": 1 step on 16 clips in 4 classes of fractal_supervised_250, loss" in done.stdout, done.stderr
    assert ": already done: 1 step on 16 clips in 4 classes" in run_cli(*asked).stdout
    moco = ["--method", "moco", "--steps", "1", *settings("moco"), "--out", str(tmp_path / "moco")]
    assert "note:     the queue begins with drawn vectors" in run_cli(*PRETRAIN, *moco, "--dry-run").stdout
    assert "losses of the first 2 steps are low" in run_cli(*PRETRAIN, *moco).stderr


def test_a_number_of_clips_is_for_presets(run_cli: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=np.zeros((20, 24, 32, 3), np.uint8))
    done = run_cli("train", "pretrain", str(tmp_path), "--set", "clips=5", "--out", str(tmp_path / "run"))
    assert done.returncode == 2 and "--set clips=5 means nothing for" in done.stderr
    assert "a list of fewer clips" in done.stderr and len(done.stderr.splitlines()) <= 2


# tries a step of a ViT-B's layer
@pytest.mark.slow
def test_a_dry_run_says_the_transformer_that_a_recipe_makes(run_cli: Run, tmp_path: Path) -> None:
    """As large as the recipe's own network sees clips."""
    asked = ["--method", "moco", "--recipe", "paper-fractal", "--backbone", "vit", "--set", "micro=1"]
    done = run_cli(*PRETRAIN, *asked, "--out", str(tmp_path / "run"), "--dry-run", "--set", "network.depth=1")
    assert "network:  VideoMAE base, " in done.stdout and "8 frames of 112 px" in done.stdout, done.stderr


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
        (["--device", "bogus"], "--device bogus is no device"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    run_cli: Run, tmp_path: Path, asked: list[str], said: str
) -> None:
    done = run_cli(*PRETRAIN, "--out", str(tmp_path / "run"), *asked)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "run").exists()
