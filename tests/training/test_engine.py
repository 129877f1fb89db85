"""The loop: what a kill, more processes, smaller passes change (nothing), and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Quiet
from synvid_eval.training import across, engine, memory
from synvid_eval.training.data import Batches
from synvid_eval.training.engine import Devices, Training
from synvid_eval.training.recipe import Optimization
from synvid_eval.training.run_folder import RunFolder
from tests.training.conftest import NANO, same, weights


class Stop(Exception):
    """What ends a run as a kill does: without saving."""


class Quits(Quiet):
    """Ends a run in the middle of a step, by its progress."""

    def __init__(self, at: int) -> None:
        self._left = at

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        self._left -= 0 if cached else clips
        if self._left <= 0:
            raise Stop


def test_a_run_that_stopped_ends_in_the_same_weights(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=7").made(tmp_path / "whole")
    plan = planned("moving_circles", "steps=7")
    object.__setattr__(plan.options, "progress", Quits(20))  # behind the fifth step; saved is the fourth
    with pytest.raises(Stop):
        plan.made(tmp_path / "parts")
    assert len(RunFolder(tmp_path / "parts").rows()) == 5
    object.__setattr__(plan.options, "progress", Quiet())
    planned("moving_circles", "steps=7").made(tmp_path / "parts")
    assert same(tmp_path / "whole", tmp_path / "parts")
    rows = [[r[k] for k in ("step", "loss", "lr")] for r in RunFolder(tmp_path / "whole").rows()]
    assert rows == [[r[k] for k in ("step", "loss", "lr")] for r in RunFolder(tmp_path / "parts").rows()]


def test_a_finished_run_is_left_as_it_is(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=2").made(tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    planned("moving_circles", "steps=2").made(tmp_path / "run")
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL of the command itself, several times, at moments that fall anywhere."""

    def command(out: str) -> list[str]:
        settings = [x for s in [*NANO, "save=3"] for x in ("--set", s)]
        return [
            *(sys.executable, "-m", "synvid_eval", "train", "pretrain", "moving_circles", "--recipe", "tiny"),
            *("--steps", "400", "--out", str(tmp_path / out), "--device", "cpu", *settings),
        ]

    subprocess.run(command("whole"), check=True, capture_output=True)
    kills = 0
    while kills < 3:
        process = subprocess.Popen(command("parts"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = tmp_path / "parts" / "log.csv"
        begun, until = log.stat().st_size if log.exists() else 0, time.monotonic() + 60
        while (log.stat().st_size if log.exists() else 0) <= begun + 1000 and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        assert process.returncode in (-signal.SIGKILL, 0)
        if process.returncode == 0:
            break
    assert kills
    subprocess.run(command("parts"), check=True, capture_output=True)
    assert same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.slow
def test_an_interrupt_saves_the_step_in_work(tmp_path: Path) -> None:
    settings = [x for s in [*NANO, "save=100000"] for x in ("--set", s)]
    process = subprocess.Popen(
        [*(sys.executable, "-m", "synvid_eval", "train", "pretrain", "moving_circles", "--recipe", "tiny"),
         *("--steps", "100000", "--out", str(tmp_path / "run"), "--device", "cpu", *settings)],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    log = tmp_path / "run" / "log.csv"
    while not log.exists() or log.stat().st_size < 300:
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    folder = RunFolder(tmp_path / "run")
    assert process.returncode == 130
    newest = folder.newest()
    assert newest is not None and newest.step == len(folder.rows())


def test_passes_of_fewer_clips_see_the_same_batch(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=3").made(tmp_path / "whole")
    planned("moving_circles", "steps=3", "micro=2").made(tmp_path / "parts")
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=2e-3, atol=2e-5)


def test_half_precision_is_near_and_not_the_same(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=3").made(tmp_path / "fp32")
    planned("moving_circles", "steps=3", "precision=bf16").made(tmp_path / "bf16")
    losses = [[row["loss"] for row in RunFolder(tmp_path / n).rows()] for n in ("fp32", "bf16")]
    assert losses[1] == pytest.approx(losses[0], rel=0.03) and losses[0] != losses[1]
    assert not same(tmp_path / "fp32", tmp_path / "bf16")
    assert all(t.dtype == torch.float32 for t in weights(tmp_path / "bf16").values())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU by g++, which is not here")
def test_compiled_steps_are_those_of_the_plain_network(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=3").made(tmp_path / "plain")
    planned("moving_circles", "steps=3", "compile=true").made(tmp_path / "compiled")
    one, other = weights(tmp_path / "plain"), weights(tmp_path / "compiled")
    assert set(one) == set(other)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=2e-3, atol=2e-5)


@pytest.mark.device
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_gpu_trains_as_a_cpu(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=3").made(tmp_path / "cpu")
    plan = planned("moving_circles", "steps=3", "precision=fp32")
    plan._device = "cuda"
    plan.made(tmp_path / "gpu")
    losses = [[row["loss"] for row in RunFolder(tmp_path / n).rows()] for n in ("cpu", "gpu")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.slow
def test_workers_change_nothing(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=3").made(tmp_path / "a")
    planned("moving_circles", "steps=3", loaders=2).made(tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path, planned: Any) -> None:
    """torchrun with gloo: the same batches, gradients averaged. Saved is at the end only, so the second
    process is through before there is a checkpoint.
    """
    planned("moving_circles", "steps=4").made(tmp_path / "one")
    settings = [x for s in [*NANO, "save=100"] for x in ("--set", s)]
    done = subprocess.run(
        [*(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
         *("-m", "synvid_eval", "train", "pretrain", "moving_circles", "--recipe", "tiny", "--steps", "4"),
         *("--out", str(tmp_path / "two"), "--device", "cpu", *settings)],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.count(b"4 steps on") == 1  # one of them speaks
    losses = [[row["loss"] for row in RunFolder(tmp_path / name).rows()] for name in ("one", "two")]
    assert len(losses[0]) == 4 and losses[1] == pytest.approx(losses[0], rel=1e-5)
    one, other = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert set(one) == set(other)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=2e-3, atol=2e-5)


@pytest.mark.slow
def test_processes_stop_behind_the_same_step(tmp_path: Path) -> None:
    """Though one of them alone was asked to: else the others would wait for its gradients."""
    (tmp_path / "checkpoints").mkdir()
    subprocess.run(
        [*(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
         *("-m", "tests.training.stopping", str(tmp_path))],
        check=True,
        capture_output=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert [(tmp_path / f"stopped-{rank}").read_text() for rank in (0, 1)] == ["4", "4"]
    newest = RunFolder(tmp_path).newest()
    assert newest is not None and newest.step == 4 == len(RunFolder(tmp_path).rows())


# --- a module of one weight, whose steps are known ---


class Line(nn.Module):
    """Loss (w − mean of x)²; `fails` says what happens instead."""

    def __init__(self, fails: Exception | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))
        self.fails = fails

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.fails:
            raise self.fails
        return (self.weight - batch["x"].mean()).square().sum()


class Ones:
    def __call__(self, item: tuple[int, int]) -> Any:
        import numpy as np

        return {"x": np.ones(1, np.float32)}


def line(folder: Path, fails: Exception | None = None, **knobs: Any) -> Line:
    task = Line(fails)
    asked = {"batch": 4, "epochs": 1, "steps": 3, "warmup": 0, "lr": 64.0, "last_lr": 64.0}
    recipe = Optimization(**{**asked, "precision": "fp32", **knobs})
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    training = Training(recipe, task, task, Batches(8, recipe.batch, 0, "x"), Ones())
    engine.train(RunFolder(folder), training, Devices("cpu"), Quiet())
    return task


def test_steps_of_sgd_are_those_of_its_formula(tmp_path: Path) -> None:
    """lr 64 · 4/256 = 1, momentum 0.5, no decay: w ← w + v, v ← 0.5 v − 2·0.1(w − 1) with lr 0.1."""
    task = line(tmp_path, optimizer="sgd", beta1=0.5, weight_decay=0.0, lr=6.4, last_lr=6.4)
    w = v = 0.0
    for _ in range(3):
        v = 0.5 * v + 2 * (w - 1)
        w -= 0.1 * v
    assert task.weight.item() == pytest.approx(w, rel=1e-6)


def test_steps_of_nesterov_are_those_of_his_formula(tmp_path: Path) -> None:
    """As above, but a step of v is taken from where the momentum leads (Sutskever et al. 2013)."""
    task = line(tmp_path, optimizer="sgd", nesterov=True, beta1=0.5, weight_decay=0.0, lr=6.4, last_lr=6.4)
    w = v = 0.0
    for _ in range(3):
        g = 2 * (w - 1)
        v = 0.5 * v + g
        w -= 0.1 * (g + 0.5 * v)
    assert task.weight.item() == pytest.approx(w, rel=1e-6)


def test_a_step_of_adamw_is_that_of_its_formula(tmp_path: Path) -> None:
    """First step: −lr · g/|g| behind the decay of a weight that is 0: w = lr."""
    task = line(tmp_path, steps=1, lr=0.64, last_lr=0.64)
    assert task.weight.item() == pytest.approx(0.01, rel=1e-5)


def test_gradients_are_scaled_to_a_norm(tmp_path: Path) -> None:
    task = line(
        tmp_path, steps=1, optimizer="sgd", beta1=0.0, weight_decay=0.0, lr=6.4, last_lr=6.4, clip=0.5
    )
    assert task.weight.item() == pytest.approx(0.05)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_too_little_memory_names_the_batch_to_try(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(UsageError, match=r"4 clips at once.*--set micro=2"):
        line(tmp_path, error)


def test_what_a_machine_has_not_is_told_before_a_step(
    tmp_path: Path, planned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine promises memory that it has not, and kills who uses it."""
    clip = engine.tried(planned("moving_circles").training("cpu"), Devices("cpu")).bytes
    for free, cure in ((1.1 * clip, "Try --set micro=1:"), (0.9 * clip, "Take a smaller network")):
        monkeypatch.setattr(memory, "free", lambda free=free: int(free))
        with pytest.raises(UsageError, match=rf"4 clips at once are too many .* are free\. {cure}"):
            planned("moving_circles", "steps=1").made(tmp_path / "run")
    monkeypatch.setattr(memory, "free", lambda: 9 * clip)
    with pytest.raises(UsageError, match=r"12 clips at once are too many .* Try --set micro=3:"):
        planned("moving_circles", "steps=1", "batch=12").made(tmp_path / "other")
    assert not list(tmp_path.rglob("*.safetensors"))
    planned("moving_circles", "steps=1", "micro=1").made(tmp_path / "run")


def test_what_a_step_takes_is_told_from_its_part(planned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    training = planned("moving_circles", "batch=16").training("cpu")
    whole = engine.tried(training, Devices("cpu"))
    assert whole.clips == 16 and 0 < whole.making < whole.seconds and whole.bytes > 0
    monkeypatch.setattr(memory, "free", lambda: 20 * whole.bytes)
    assert engine.tried(training, Devices("cpu")).clips == 4
    monkeypatch.setattr(engine, "TRIED_S", 0.0)
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr(engine.time, "perf_counter", lambda: float(next(now)))
    found = engine.tried(training, Devices("cpu"))
    assert found.clips == 1  # making it takes 2 s here, passing it 2 s
    assert (found.seconds, found.making, found.bytes) == (64.0, 32.0, whole.bytes)


def test_too_little_memory_for_one_clip(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"One clip at once is too much .*--set size="):
        line(tmp_path, MemoryError(), micro=1)


def test_another_error_is_not_taken_for_one_of_memory(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        line(tmp_path, RuntimeError("shapes do not match"))


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The loss of step"):
        line(tmp_path, optimizer="sgd", lr=99, last_lr=99, batch=65536, steps=50)


def test_fp16_is_refused_where_gradients_would_vanish(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="precision=fp16 is not for cpu"):
        line(tmp_path, precision="fp16")


@pytest.mark.slow
def test_an_interrupt_of_all_processes_saves_first(tmp_path: Path) -> None:
    """Ctrl-C reaches the processes that draw, too: it is not their death that is told."""
    settings = [x for s in [*NANO, "save=100000"] for x in ("--set", s)]
    command = ["train", "pretrain", "moving_circles", "--recipe", "tiny", "--steps", "100000", *settings]
    process = subprocess.Popen(
        [sys.executable, "-m", "synvid_eval", *command, "--workers", "2", "--out", tmp_path / "run"],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    log = tmp_path / "run" / "log.csv"
    while not log.exists() or log.stat().st_size < 300:
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    newest = RunFolder(tmp_path / "run").newest()
    assert newest is not None and newest.step == len(RunFolder(tmp_path / "run").rows())


def test_a_batch_that_cannot_be_dealt_out() -> None:
    training = Training(Optimization(batch=6), Line(), Line(), Batches(8, 6, 0, "x"), Ones())
    with pytest.raises(UsageError, match="4 processes"):
        training.share(4)


def test_biases_norms_and_mask_tokens_do_not_decay(planned: Any) -> None:
    plan = planned()
    training = plan.training("cpu")
    groups = engine._optimizer(training).param_groups
    names = {id(p): n for n, p in training.network.named_parameters()}
    plain = {names[id(p)] for g in groups if not g["weight_decay"] for p in g["params"]}
    decayed = {names[id(p)] for g in groups if g["weight_decay"] for p in g["params"]}
    assert "mask_token" in plain and all(n.endswith("weight") for n in decayed)
    assert all("norm" in n or n.endswith(("bias", "mask_token")) for n in plain)
    assert not any("norm" in n for n in decayed)


def test_gradients_are_laid_out_as_a_fresh_tensor_is() -> None:
    """Torch takes strides of axes of length 1 for a difference, and `contiguous` leaves them."""
    one = torch.arange(2048.0).as_strided((64, 32, 1, 1), (32, 1, 32, 32))
    last = torch.randn((4, 5, 3, 3)).to(memory_format=torch.channels_last)
    assert one.contiguous().stride() != (32, 1, 1, 1)
    for slope in (one, last, torch.tensor(2.0), torch.ones(3).expand(2, 3)):
        found = across.in_rows(slope)
        assert torch.equal(found, slope) and found.stride() == torch.empty(slope.shape).stride()
