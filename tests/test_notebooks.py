"""The notebooks: each runs from top to bottom, holds no function, and is one with its text twin."""

from __future__ import annotations

import os
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def test_there_are_five_and_each_has_a_twin() -> None:
    assert [n.name[:2] for n in NOTEBOOKS] == ["1_", "2_", "3_", "4_", "5_"]
    assert [n.with_suffix(".py") for n in NOTEBOOKS] == sorted((REPOSITORY / "notebooks").glob("*.py"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_a_notebook_is_thin_and_says_what_its_twin_says(file: Path) -> None:
    book, twin = nbformat.read(file, 4), jupytext.read(file.with_suffix(".py"))
    assert [(c.cell_type, c.source) for c in book.cells] == [(c.cell_type, c.source) for c in twin.cells]
    code = [c for c in book.cells if c.cell_type == "code"]
    assert code and all(not c.outputs and c.execution_count is None for c in code)
    assert not any(line.startswith(("def ", "class ")) for c in code for line in c.source.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_a_notebook_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("SYNVID_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNVID_EVAL_WEIGHTS", str(tmp_path / "none"))
    book = nbformat.read(file, 4)
    NotebookClient(
        book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    last = [c for c in book.cells if c.cell_type == "code"][-1]
    assert not any(o.output_type == "error" for o in last.outputs)
    made = {
        "1": "report.html",
        "2": "correlation.html",
        "3": "fast_few.toml",
        "4": "accuracies.csv",
        "5": "best.toml",
    }[file.name[0]]
    assert (tmp_path / made).stat().st_size > 50
