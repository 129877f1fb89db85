"""README's commands and code, run as they stand there (the sets' names replaced by small ones that exist)."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY, Run

TEXT = (REPOSITORY / "README.md").read_text()


def commands() -> list[list[str]]:
    whole = re.sub(r"\\\n\s+", "", TEXT)
    lines = re.findall(r"^    (synvid-eval .*?)(?:\s+#.*)?$", whole, re.M)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_command_of_the_readme_runs(run_cli: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    from tests.clips import write_video

    for folder in ("synth", "ucf101/Class", "runs/a", "runs/b"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):  # a search wants two in each half of its reference
            frames = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
            write_video(tmp_path / folder / f"{i}.mkv", frames, "ffv1")
    found = commands()
    assert len(found) >= 5
    for args in found:
        done = run_cli(*args, timeout=600)  # a search has fifteen trials at full size
        assert done.returncode == 0, (args, done.stderr)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "scores.json").exists()


def test_the_python_of_the_readme_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    rng = np.random.default_rng(0)
    names = {"rows_a": rng.normal(size=(300, 128)), "rows_b": rng.normal(size=(300, 128))}
    exec(compile(block, "README.md", "exec"), names)
    assert list(names["result"].to_frame()["metric"][:2]) == ["color", "spectrum"]  # type: ignore[attr-defined]


def test_the_metrics_of_the_readme_are_those_installed() -> None:
    from synvid_eval.comparison import DEFAULT_METRICS, NETWORK_METRICS, RUN_METRICS
    from synvid_eval.metrics import registry

    rows = re.findall(r"^\| `([\w\[\]]+)` \|", TEXT, re.M)
    assert tuple(rows) == (*DEFAULT_METRICS, *NETWORK_METRICS, *RUN_METRICS)
    assert set(rows) == set(registry.names())
