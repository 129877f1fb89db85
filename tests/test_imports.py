"""Who may import whom: the rows of ARCHITECTURE.md, read from the imports; and what an import may load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import synvid_eval
from tests.conftest import REPOSITORY, Run

ROOT = Path(synvid_eval.__file__).parent

# Highest row first. A module may import from lower rows, and from its own room; only the lowest row mixes.
ROWS = [
    {"__main__"},
    {"cli"},
    {"explanation"},
    {"integrations", "training", "attention", "guidance"},
    {"comparison", "report", "inspection", "rehearsal", "selfcheck", "costs"},
    {"estimate", "media", "generation", "banks", "previews", "paintings", "receipts"},
    {"measurement"},
    {"worker", "prober", "writer"},
    {"preview", "contact_sheet", "cards", "pairs"},
    {"sets"},
    {"scoring", "correlation", "adapted", "corrupted", "ray_engine"},
    {"metrics", "features", "generators", "corruptions", "execute", "verdict"},
    {
        "video",
        "derived",
        "states",
        "components",
        "score",
        "intervals",
        "accuracies",
        "association",
        "prediction",
        "rounding",
        "archive",
        "cache",
        "registry",
        "knobs",
        "randomness",
        "histogram",
        "kernels",
        "networks",
        "statistics_files",
        "protocols",
        "published",
        "schemas",
        "extras",
        "libraries",
        "shards",
        "cluster",
        "locks",
        "errors",
    },
]
ROW = {room: i for i, row in enumerate(ROWS) for room in row}


def imports(path: Path) -> set[str]:
    """Rooms of this package that a file imports, at its top, within functions, or for types."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("synvid_eval"):
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [a.name for a in node.names]
            found.update(n for n in names if n in ROW)
        elif isinstance(node, ast.Import):
            found.update(a.name.split(".")[1] for a in node.names if a.name.startswith("synvid_eval."))
    return found


def files() -> list[Path]:
    return [p for p in sorted(ROOT.rglob("*.py")) if p != ROOT / "__init__.py"]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards_only(path: Path) -> None:
    own = room_of(path)
    lowest = len(ROWS) - 1
    for other in imports(path) - {own}:
        down = ROW[other] > ROW[own]
        assert down or ROW[own] == ROW[other] == lowest, f"{own} imports {other}"


def test_the_reader_of_imports_sees_a_forbidden_one(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from synvid_eval.cli import main\ndef f():\n    import synvid_eval.comparison\n")
    assert imports(bad) == {"cli", "comparison"}


def test_metrics_import_only_numpy_and_scipy() -> None:
    heavy = {"torch", "cv2", "av", "numba", "skimage", "pandas"}
    for path in (ROOT / "metrics").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not {n.split(".")[0] for n in names} & heavy, path.name


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(' '.join(m for m in sys.modules if '.' not in m))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "av", "scipy", "pandas", "numba", "matplotlib", "numpy", "cv2", "skimage", "rich", "jinja2"}


@pytest.mark.parametrize(
    "code",
    [
        "import synvid_eval",
        "from synvid_eval.cli import run; assert run(['--help']) == 0",
        "from synvid_eval.cli import run; assert run(['compare', '--help']) == 0",
        "from synvid_eval.cli import run; assert run(['demo', '--help']) == 0",
        "from synvid_eval.cli import run; assert run(['--version']) == 0",
    ],
)
def test_help_and_import_are_light(code: str) -> None:
    assert not loaded(code) & HEAVY


def test_the_import_list_would_show_a_heavy_module() -> None:
    assert "numpy" in loaded("import synvid_eval.states")


def test_measuring_loads_no_torch_and_no_pandas() -> None:
    assert not loaded("import synvid_eval.comparison, synvid_eval.worker") & {"torch", "pandas", "matplotlib"}


LIGHT = {"numpy", "click", "rich"}
NUMBERS = LIGHT | {"scipy", "numba", "av", "cv2", "PIL"}
# what transformers loads or looks for
NETWORKS = {"torch", "transformers", "torchvision", "pandas", "jinja2"}
SMALL = "preset:static_circles?n=2&size=32&objects=20"
BUDGETS = {
    "list metrics": LIGHT | {"scipy", "PIL"},
    "explain fvd --no-cost": LIGHT | {"scipy", "numba", "cv2", "PIL"},
    "cache info": LIGHT,
    "weights list": LIGHT,
    f"compare {SMALL} a={SMALL}&seed=1 --json c.json": NUMBERS,
    f"compare {SMALL} a={SMALL}&seed=1 --html c.html": NUMBERS | {"jinja2"},
    f"compare {SMALL} a={SMALL}&seed=1 --dry-run": NUMBERS,
    f"measure {SMALL} --out m.measured": NUMBERS,
    f"inspect {SMALL}": NUMBERS,
    "generate static_circles out --clips 2 --size 32": NUMBERS,
    f"attention {SMALL} --checkpoint random:0:tiny --frames 2": NUMBERS | NETWORKS,
    f"guide sensitivity static_circles?size=32&objects=20 {SMALL} --knobs shapes --clips 2": NUMBERS,
    "show moving_circles": LIGHT | {"scipy", "numba", "cv2"},
}
"""Command → what of `WEIGHTY` it and its workers may load."""
WEIGHTY = HEAVY | {
    "click",
    "PIL",
    "torchvision",
    "torchmetrics",
    "pytorch_fid",
    "transformers",
    "optuna",
    "pydantic",
}


@pytest.mark.slow
@pytest.mark.parametrize("command", BUDGETS)
def test_a_command_loads_what_it_needs(command: str, run_cli: Run, tmp_path: Path) -> None:
    """Start-up time as lists of packages: what a command does not need costs its user a second a piece."""
    seen = tmp_path / "seen"
    seen.mkdir()
    injected = os.pathsep.join([str(REPOSITORY / "tests" / "injected"), str(REPOSITORY)])
    done = run_cli(*command.split(), env={"PYTHONPATH": injected, "SYNVID_EVAL_TEST_IMPORTS": str(seen)})
    assert done.returncode == 0, done.stderr
    processes = [set(p.read_text().split()) for p in seen.iterdir()]
    assert any("click" in one for one in processes)
    assert sorted(set().union(*processes) & WEIGHTY - BUDGETS[command]) == []


def test_public_names_exist_and_are_about_ten() -> None:
    assert 8 <= len(synvid_eval.__all__) <= 13
    for name in synvid_eval.__all__:
        assert getattr(synvid_eval, name) is not None
    with pytest.raises(AttributeError):
        synvid_eval.nothing  # noqa: B018
