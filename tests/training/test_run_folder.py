"""RUN/: what it holds, what goes on in it, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from synvid_eval.errors import DataError, UsageError
from synvid_eval.training.run_folder import RunFolder, TrainingState, toml

CONFIG = {"run": {"kind": "test", "seed": 0}, "recipe": {"lr": 1e-05, "name": 'a "b"', "on": True}}


def checkpoint(step: int) -> TrainingState:
    return TrainingState(step, {"w": torch.full((2,), float(step))}, {"exp_avg/w": torch.ones(2)}, {"a": "b"})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    with made.held():
        assert not made.begin(CONFIG)
    return made


def test_a_config_comes_back(folder: RunFolder) -> None:
    assert folder.config() == CONFIG
    assert "lr = 1e-05" in toml(CONFIG)
    folder.save(checkpoint(1), keep=1)
    assert folder.begin(CONFIG)


def test_another_config_is_refused_but_where_it_may_differ(folder: RunFolder) -> None:
    folder.save(checkpoint(1), keep=1)
    other = {**CONFIG, "run": {"kind": "test", "seed": 1}}
    with pytest.raises(UsageError, match=r"run\.seed=0, not 1"):
        folder.begin(other)
    assert folder.begin(other, frozenset({"seed"}))


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({"set": "0f", "location": "circles"}, {"set": "1e", "location": "ucf101/"},
         "holds a run on circles, not on ucf101/."),
        ({"set": "0f", "location": "a/"}, {"set": "1e", "location": "a/"},
         "holds a run on a/, whose clips are others now."),
        ({"set": "0f", "location": "a/", "seed": 1}, {"set": "1e", "location": "a/", "seed": 2},
         "holds a run with run.seed=1, not 2."),
        ({"labels": "0f", "location": "a/"}, {"labels": "1e", "location": "a/"},
         "holds a run on a/, whose clips' classes are others now."),
        ({"begin": "0f", "source": "runs/a"}, {"begin": "1e", "source": "runs/b"},
         "holds a run from runs/a, not from runs/b."),
        ({"begin": "0f", "source": "runs/a"}, {"begin": "1e", "source": "runs/a"},
         "holds a run from runs/a, whose weights are others now."),
    ],
)  # fmt: skip
def test_what_is_another_run_is_named_and_no_hash(
    then: dict[str, object], now: dict[str, object], said: str, tmp_path: Path
) -> None:
    made = RunFolder(tmp_path / "run")
    with made.held():
        made.begin({"run": then})
    made.save(checkpoint(1), keep=1)
    with pytest.raises(UsageError) as told:
        made.begin({"run": now}, frozenset({"location", "source"}))
    assert said in str(told.value) and "0f" not in str(told.value).replace(str(tmp_path), "")


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"thesis\.tex, and no run"):
        RunFolder(tmp_path).begin(CONFIG)


def test_a_config_that_is_no_toml(folder: RunFolder) -> None:
    (folder.path / "config.toml").write_text("run = [")
    with pytest.raises(DataError, match=r"config\.toml cannot be read"):
        folder.config()


def test_checkpoints_come_back_and_the_old_ones_go(folder: RunFolder) -> None:
    for step in (1, 2, 10):
        folder.save(checkpoint(step), keep=2)
    assert [p.name for p in folder.checkpoints()] == [
        "step-00000002.safetensors",
        "step-00000010.safetensors",
    ]
    newest = folder.newest()
    assert newest is not None and newest.step == 10 and newest.metadata == {"a": "b"}
    assert torch.equal(newest.network["w"], torch.full((2,), 10.0)) and set(newest.network) == {"w"}
    assert set(newest.optimizer) == {"exp_avg/w"}


def test_a_damaged_checkpoint_names_its_file(folder: RunFolder) -> None:
    folder.save(checkpoint(1), keep=2)
    (path,) = folder.checkpoints()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"step-00000001\.safetensors cannot be read.*Remove it"):
        folder.newest()


def test_the_log_is_cut_off_where_a_run_goes_on(folder: RunFolder) -> None:
    with folder.log(0) as log:
        for step in (1, 2, 3):
            log.add({"step": step, "loss": 0.1 * step, "lr": 1e-3, "clips_per_s": 5.0})
    with open(folder.path / "log.csv", "a") as file:
        file.write("4,0.4,0.0")  # killed while it wrote
    assert [row["step"] for row in folder.rows()] == [1, 2, 3]
    with folder.log(2) as log:
        log.add({"step": 3, "loss": 9.0, "lr": 1e-3, "clips_per_s": 5.0})
    assert (folder.path / "log.csv").read_text().splitlines()[0] == "step,loss,lr,clips_per_s"
    assert [row["loss"] for row in folder.rows()] == [0.1, 0.2, 9.0]


def test_a_second_process_is_refused(folder: RunFolder) -> None:
    with folder.held(), pytest.raises(UsageError, match="Another process"), folder.held():
        pass


def test_what_a_killed_process_left_goes(folder: RunFolder) -> None:
    folder.save(checkpoint(1), keep=1)
    part = folder.path / "checkpoints" / ".abcdefgh.part"
    part.touch()
    assert folder.begin(CONFIG) and not part.exists()


def test_others_half_written_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a" / "checkpoints").mkdir(parents=True)
    part = tmp_path / "a" / "checkpoints" / ".abcdefgh.part"
    part.touch()
    folder = RunFolder(tmp_path)
    with folder.held(), pytest.raises(UsageError, match="and no run"):
        folder.begin(CONFIG)
    assert part.exists()


def test_a_run_without_a_step_begins_anew(folder: RunFolder) -> None:
    """So that the cure of what stopped the first step can be given."""
    other = {**CONFIG, "run": {"kind": "test", "seed": 1}}
    assert not folder.begin(other) and folder.config() == other
    folder.save(checkpoint(1), keep=2)
    with pytest.raises(UsageError, match="holds a run"):
        folder.begin(CONFIG)


def test_what_differs_is_said_in_words(folder: RunFolder) -> None:
    said = {"run": {"kind": "test", "set": "12ab", "location": "a/", "seed": 0}}
    folder.begin(said)
    assert folder.step() == 0
    folder.save(checkpoint(7), keep=2)
    assert folder.step() == 7
    for changed, words in (
        ({"seed": 1}, r"with run\.seed=0, not 1\."),
        ({"more": 2}, r"without run\.more, which is 2 here\."),
        ({"seed": None}, r"with run\.seed=0, which this has not\."),
    ):
        run = {key: value for key, value in (said["run"] | changed).items() if value is not None}
        with pytest.raises(UsageError, match=rf"holds a run {words}"):
            folder.begin({"run": run}, frozenset({"location"}))
    assert folder.begin({"run": said["run"] | {"more": 2}}, unsaid={("run", "more"): 2})


def test_a_checkpoint_has_the_rights_of_other_files(folder: RunFolder, tmp_path: Path) -> None:
    folder.save(checkpoint(1), keep=2)
    (path,) = folder.checkpoints()
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.slow
def test_a_full_disk_is_told_in_a_line_and_leaves_nothing(folder: RunFolder) -> None:
    code = (
        "import resource, signal, sys, torch; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from synvid_eval.training.run_folder import TrainingState, RunFolder;"
        "from synvid_eval.errors import DataError;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "folder = RunFolder(sys.argv[1])\n"
        "try: folder.save(TrainingState(1, {'w': torch.zeros(9999)}, {}, {}), 2)\n"
        "except DataError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder.path)], capture_output=True, text=True)
    assert "cannot be written" in done.stdout and "disk full" in done.stdout, done.stderr
    assert list((folder.path / "checkpoints").iterdir()) == []
