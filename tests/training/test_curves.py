"""Curves: what logs say, thinned, folds together; what is no run is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synvid_eval.errors import DataError
from synvid_eval.training import curves, finetune
from synvid_eval.training.run_folder import CONFIG, LOG, toml


def run(path: Path, steps: int, kind: str = "finetune", done: int | None = None, tests: int = 0) -> Path:
    """A run's folder with a log: loss 1/step."""
    path.mkdir(parents=True)
    known = {
        "kind": kind,
        "source": "scratch",
        "location": "bars/",
        "split": "kfold:2",
        "clips": 10,
        "seed": 0,
    }
    (path / CONFIG).write_text(toml({"run": {**known, "steps": steps}, "recipe": {"size": "tiny"}}))
    lines = ["step,loss,lr,clips_per_s"]
    lines += [f"{s},{1 / s!r},0.1,5.0" for s in range(1, (steps if done is None else done) + 1)]
    (path / LOG).write_text("\n".join(lines) + "\n")
    if tests:
        rows = [f"{10 * e},{e},{float(e)!r},0.5" for e in range(1, tests + 1)]
        (path / finetune.TESTS).write_text("\n".join(["step,epoch,top1,loss", *rows]) + "\n")
    return path


def test_folds_of_a_run_stand_together_in_order(tmp_path: Path) -> None:
    for k in (10, 2, 0):
        run(tmp_path / "tuned" / f"fold-{k}", 4, tests=2)
    (found,) = curves.document([tmp_path / "tuned"])["runs"]
    assert [f["name"] for f in found["folds"]] == ["fold-0", "fold-2", "fold-10"]
    assert found["folds"][0]["step"] == [1, 2, 3, 4]
    assert found["folds"][0]["loss"] == [1 / s for s in range(1, 5)]
    assert found["folds"][0]["tests"][1] == {"step": 20, "epoch": 2, "top1": 2, "loss": 0.5}
    assert (found["name"], found["kind"], found["steps"], found["accuracy"]) == ("tuned", "finetune", 4, None)


def test_method_and_network_are_named(tmp_path: Path) -> None:
    """Of what is fine-tuned the method is that of the run that it began with."""
    made = {"moco": "tsm-resnet18", "": None}
    for method, backbone in made.items():
        path = run(tmp_path / f"pre-{method}", 2, "pretrain")
        named = {"kind": "pretrain", **({"method": method} if method else {})}
        network = (
            {"backbone": backbone, "image": 48, "stage": 32}
            if backbone
            else {"width": 192, "depth": 6, "heads": 3}
        )
        (path / CONFIG).write_text(toml({"run": named, "network": network}))
        tuned = run(tmp_path / f"tuned-{method}", 2)
        known = {"kind": "finetune", "source": str(path)}
        (tuned / CONFIG).write_text(toml({"run": known, "network": network}))
    paths = [tmp_path / f"{kind}-{method}" for kind in ("pre", "tuned") for method in made]
    told = [(r["method"], r["model"]) for r in curves.document(paths)["runs"]]
    own = ("MoCo", "TSM ResNet-18 of 32 channels 48 px"), ("VideoMAE", "VideoMAE 192x6 224 px")
    assert told == [*own, *own]


def test_what_is_not_known_is_not_named(tmp_path: Path) -> None:
    scratch, gone = run(tmp_path / "scratch", 2), run(tmp_path / "gone", 2)
    known = {"kind": "finetune", "source": str(tmp_path / "nowhere")}
    (gone / CONFIG).write_text(toml({"run": known, "network": {"backbone": "other", "image": "x"}}))
    first, second = curves.document([scratch, gone])["runs"]
    assert first["method"] is second["method"] is second["model"] is None


def test_long_logs_are_thinned_by_means(tmp_path: Path) -> None:
    run(tmp_path / "long", 1000)
    (found,) = curves.document([tmp_path / "long"])["runs"]
    (fold,) = found["folds"]
    assert len(fold["step"]) == 250 and fold["step"][-1] == fold["done"] == 1000
    assert fold["loss"][1] == pytest.approx(np.mean([1 / 5, 1 / 6, 1 / 7, 1 / 8]))
    assert len(fold["step"]) <= curves.POINTS


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [run(tmp_path / a / "run", 2) for a in "ab"]
    assert [r["name"] for r in curves.document(paths)["runs"]] == ["a/run", "b/run"]


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    run(tmp_path / "new", 5, done=0)
    (found,) = curves.document([tmp_path / "new"])["runs"]
    assert found["folds"][0]["done"] == 0 and found["folds"][0]["loss"] == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no run"):
        curves.document([tmp_path])
