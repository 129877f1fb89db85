"""`train finetune`, `train probe`, `train curves` as commands: what they write, say and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from synvid_eval import accuracies
from synvid_eval.schemas import get
from tests.conftest import Run
from tests.training.small import MINI, SLIGHT, labelled_set

SMALL = [x for s in MINI for x in ("--set", s)]
PROBE = [*SMALL, "--set", "size=tiny"]
SMALL_CONVOLUTIONAL = [x for s in SLIGHT for x in ("--set", s)]
NEAR = [x for s in MINI if s != "batch=8" for x in ("--set", s)]


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_set(tmp_path_factory.mktemp("bars") / "bars", groups=3)


@pytest.mark.slow
def test_an_accuracy_from_scratch_to_correlates_table(run_cli: Run, bars: Path, tmp_path: Path) -> None:
    args = ["scratch", bars, "--split", "kfold:2", "--device", "cpu", "--csv", "a.csv"]
    tuned = run_cli(
        *("train", "finetune", *args, "--recipe", "tiny", "--out", "tuned", *SMALL),
        *("--set", "steps=3", "--html", "c.html", "--json", "p.json"),
    )
    assert tuned.returncode == 0, tuned.stderr
    assert "top 1: " in tuned.stdout and "of 18 clips" in tuned.stdout and "9 source groups" in tuned.stdout
    assert "\nscratch,bars,finetune,VideoMAE 24x2 16 px," in tuned.stdout
    assert tuned.stdout.endswith((tmp_path / "tuned" / "accuracy.csv").read_text())
    document = json.loads((tmp_path / "p.json").read_text())
    jsonschema.validate(document, get("predictions"))
    assert document == json.loads((tmp_path / "tuned" / "predictions.json").read_text())
    assert "Fine-tuning" in (tmp_path / "c.html").read_text()
    near = run_cli("train", "probe", *args, "--recipe", "knn", "--out", "near", *NEAR, "--name", "mine", "-q")
    assert near.returncode == 0, near.stderr
    table = accuracies.load(str(tmp_path / "a.csv"), protocol="knn")
    assert set(table.sets) == {"mine"} and accuracies.load(str(tmp_path / "a.csv"), protocol="finetune").sets
    shown = run_cli("train", "curves", "tuned", "near", "--html", "both.html")
    assert shown.returncode == 0 and "Probing" in (tmp_path / "both.html").read_text()
    again = run_cli(
        *("train", "finetune", *args, "--recipe", "tiny", "--out", "tuned", *SMALL, "--set", "steps=3")
    )
    assert again.returncode == 0 and again.stdout == tuned.stdout
    assert "done before, not done again" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [["finetune", "--recipe", "tiny", *SMALL], ["probe", *PROBE]])
def test_a_dry_run_writes_nothing(run_cli: Run, bars: Path, tmp_path: Path, command: list[str]) -> None:
    name, *options = command
    done = run_cli(
        *("train", name, "scratch", bars, "--split", "kfold:3", "--out", "dry", "--device", "cpu", *options),
        *("--dry-run", "--json", "d.json", "-q"),
    )
    assert done.returncode == 0, done.stderr
    assert "over 3 folds" in done.stdout and "time:     about" in done.stdout
    facts = json.loads((tmp_path / "d.json").read_text())
    assert [f["test"] for f in facts["folds"]] == [6, 6, 6] and facts["seconds"] > 0
    assert not (tmp_path / "dry").exists()


@pytest.mark.slow
def test_a_dry_run_says_what_the_network_is(run_cli: Run, bars: Path) -> None:
    done = run_cli(
        *("train", "finetune", "scratch", bars, "--backbone", "r2plus1d-18", "--recipe", "tiny", "--dry-run"),
        *("--out", "dry", "--split", "kfold:2", "--device", "cpu", "-q", *SMALL_CONVOLUTIONAL),
    )
    assert done.returncode == 0, done.stderr
    assert "network:  R(2+1)D-18, width 64, 4 frames of 32 px\n" in done.stdout
    assert "memory:   " in done.stdout and " 0 B " not in done.stdout


@pytest.mark.slow
def test_rows_say_what_the_network_is(run_cli: Run, bars: Path, tmp_path: Path) -> None:
    done = run_cli(
        *("train", "finetune", "scratch", bars, "--backbone", "tsm-resnet18", "--recipe", "tiny"),
        *("--out", "tuned", "--split", "kfold:2", "--device", "cpu", *SMALL_CONVOLUTIONAL),
        *("--set", "steps=2"),
    )
    assert done.returncode == 0, done.stderr
    assert "\nscratch,bars,finetune,TSM ResNet-18 of 8 channels 32 px 4 frames," in done.stdout
    looked = run_cli("attention", bars, "--checkpoint", "tuned/fold-0", "--html", "a.html")
    assert looked.returncode == 2 and looked.stderr.count("\n") == 1
    assert "fold-0 is a convolutional network, TSM ResNet-18" in looked.stderr


def test_a_table_that_takes_no_row_is_told_before_the_work(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine,yours\n1,2\n")
    done = run_cli("train", "probe", "scratch", "nowhere", "--out", "run", "--csv", "a.csv")
    assert done.returncode == 3 and "a.csv has other columns" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["finetune", "scratch", "BARS", "--split", "kfold:1"], 2, "--split kfold:1 is no number of folds"),
        (["finetune", "scratch", "BARS", "--recipe", "tny"], 2, "Did you mean 'tiny'?"),
        (["finetune", "scratch", "BARS", "--recipe", "tiny", "--set", "mixup=x"], 2, "mixup"),
        (["finetune", "scratch", "BARS", "--recipe", "tiny", "--set", "augment=x"], 2, "No augmentation"),
        (["finetune", "nowhere", "BARS", "--recipe", "tiny"], 4, "no checkpoint at nowhere"),
        (["finetune", "scratch", "nowhere", "--recipe", "tiny"], 3, "nowhere"),
        (["probe", "scratch", "BARS", "--split", "trainlist01"], 2, "neither a file nor a list"),
        (["probe", "scratch", "preset:moving_circles?n=4"], 3, "without a class"),
        (["probe", "scratch"], 2, "wants a SET"),
        (
            ["probe", "scratch", "BARS", "--set", "layer_decay=0.5"],
            2,
            "layer_decay=0.5 means nothing for head",
        ),
        (
            ["probe", "scratch", "BARS", "--recipe", "knn", "--set", "lr=1"],
            2,
            "lr=1 means nothing for head=knn",
        ),
        (["probe", "net.pth", "BARS", "--set", "size=small"], 2, "size=small means nothing for net.pth"),
        (
            ["probe", "net.pth", "BARS", "--backbone", "csn-26"],
            2,
            "backbone=csn-26 means nothing for",
        ),
        (["probe", "scratch", "BARS", "--backbone", "csn-2"], 2, "Did you mean 'csn-26'?"),
        (
            ["finetune", "scratch", "BARS", "--backbone", "csn-26", "--set", "size=tiny"],
            2,
            "size=tiny means nothing for backbone=csn-26",
        ),
        (
            ["finetune", "scratch", "BARS", "--backbone", "csn-26", "--set", "drop_path=0.1"],
            2,
            "drop_path=0.1 means nothing for backbone=csn-26",
        ),
        (
            ["finetune", "scratch", "BARS", "--backbone", "csn-26", "--set", "backbone=vit"],
            2,
            "The backbone is csn-26, and --set says vit",
        ),
        (
            ["finetune", "scratch", "BARS", "--backbone", "csn-26", "--set", "network.width=24"],
            2,
            "network has no knob 'width'",
        ),
        (["probe", "nowhere", "BARS", "--split", "kfold:1"], 2, "no number of folds"),
        (["probe", "scratch", "BARS", "--out", "BARS"], 2, "which is read"),
        (["probe", "scratch", "BARS", "--csv", "no/a.csv"], 2, "the folder no does not exist"),
        (["probe", "net.pth", "BARS", "--csv", "net.pth"], 2, "--csv net.pth is net.pth, which is read"),
        (["curves", "BARS", "--html", "c.html"], 3, "holds no run"),
        # exit codes: 2, then 4, then 3, whatever else is wrong
        (["finetune", "nowhere", "preset:moving_circles?foo=1"], 2, "has no knob 'foo'"),
        (["finetune", "nowhere", "BARS", "--device", "bogus"], 2, "--device bogus is no device"),
        (["probe", "scratch", "nowhere", "--device", "bogus"], 2, "--device bogus is no device"),
        (["probe", "nowhere", "BARS", "--workers", "-3"], 2, "--workers -3 is no number"),
        (["probe", "nowhere", "BARS", "--split", "trainlist01"], 2, "neither a file nor a list"),
        (["probe", "nowhere", "BARS", "--set", "batch=1"], 2, "batch=1 is too little"),
        (["probe", "nowhere", "gone"], 4, "no checkpoint at nowhere"),
        (["finetune", "nowhere", "BARS", "--csv", "other.csv"], 4, "no checkpoint at nowhere"),
        (["finetune", "damaged", "BARS"], 4, "damaged/config.toml cannot be read"),
        (["finetune", "damaged", "BARS", "--recipe", "tny"], 2, "Did you mean 'tiny'?"),
        (["probe", "tables", "BARS"], 4, "tables/config.toml is of no run"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    run_cli: Run, bars: Path, tmp_path: Path, args: list[str], code: int, words: str
) -> None:
    for name, text in (("damaged", "[run"), ("tables", "run = 1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(text)
    (tmp_path / "other.csv").write_text("mine,yours\n1,2\n")
    given = [str(bars) if a == "BARS" else a for a in args]
    if args[0] != "curves" and "--out" not in args:
        given += ["--out", "run"]
    done = run_cli("train", *given)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and done.stderr.count("\n") == 1
