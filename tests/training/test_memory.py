"""What a pass keeps, against what layers save by definition; what is said where that is too much."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from synvid_eval.errors import UsageError
from synvid_eval.training import memory


class Two(nn.Module):
    """Two layers: gradients need the inputs of both, and the sigmoid its output, which is the second's."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1000, 50), nn.Linear(50, 7)
        self.norm = nn.BatchNorm1d(7) if norm else nn.Identity()

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.norm(self.second(self.first(batch["x"]).sigmoid())).sum()


@pytest.mark.parametrize("clips", [1, 8])
def test_a_clip_keeps_its_input_and_what_layers_save(clips: int) -> None:
    task = Two()
    assert memory.a_clip(task, {"x": torch.ones(clips, 1000)}) == 4 * (1000 + 50)
    assert all(p.grad is None for p in task.parameters())


def test_inputs_count_that_no_layer_saves() -> None:
    batch = {"x": torch.ones(2, 1000), "mask": torch.ones(2, 64, dtype=torch.bool)}
    assert memory.a_clip(Two(), batch) == 4 * (1000 + 50) + 64


def test_a_task_that_takes_no_clip_alone_passes_two() -> None:
    """Inputs of three layers, and two numbers a channel that batch norm keeps of both clips together."""
    task = Two(norm=True)
    assert memory.a_clip(task, {"x": torch.ones(4, 1000)}) == 4 * (1000 + 50 + 7) + 4 * 7


class Following(nn.Module):
    """As contrastive tasks have them: statistics, a queue and weights that follow others, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.norm = nn.Linear(8, 4), nn.BatchNorm1d(4)
        self.follower = nn.Linear(8, 4).requires_grad_(False)
        self.register_buffer("queue", torch.zeros(16, 4))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        found = nn.functional.dropout(self.norm(self.own(batch["x"])), 0.5)
        with torch.no_grad():
            self.follower.weight.mul_(0.9).add_(self.own.weight, alpha=0.1)
            self.queue[: len(found)] = found
            self.place += len(found)
        return (found @ self.queue.clone().T).sum()


def test_nothing_is_other_than_before() -> None:
    task = Following()
    torch.manual_seed(3)
    before = {k: v.clone() for k, v in task.state_dict().items()}
    drawn = torch.get_rng_state()
    assert memory.a_clip(task, {"x": torch.randn(4, 8, generator=torch.Generator().manual_seed(0))}) > 0
    assert all(torch.equal(v, before[k]) for k, v in task.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(p.grad is None for p in task.parameters())


def test_too_many_clips_name_what_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda: 3 * 2**30)
    memory.check(2**30, 3, "less")
    with pytest.raises(UsageError, match=r"4 clips at once .* take 4 GiB or more, and 3 GiB are free\. less"):
        memory.check(2**30, 4, "less")
    monkeypatch.setattr(memory, "free", lambda: None)
    memory.check(2**40, 4, "less")


def test_what_is_free_is_less_than_there_is(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:    5000 kB\n")
    monkeypatch.setattr(memory, "_MEMORY", meminfo)
    monkeypatch.setattr(memory, "_LIMITS", ())
    assert memory.free() == 5000 * 1024
    limits = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "_LIMITS", (tuple(map(str, limits)),))
    limits[0].write_text("max\n")
    limits[1].write_text("700000\n")
    assert memory.free() == 5000 * 1024
    limits[0].write_text("1000000\n")
    assert memory.free() == 300_000
    monkeypatch.setattr(memory, "_MEMORY", tmp_path / "nowhere")
    assert memory.free() is None
