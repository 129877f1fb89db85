"""Every kind of bad input by a real command: its exit code, its one line, and the JSON of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.clips import moving, write_video
from tests.conftest import REPOSITORY, Run

SMALL = "preset:static_circles?n=2&size=32&objects=20"
METRICS = ("--metrics", "color")


def array(path: Path, clips: int = 2) -> Path:
    rng = np.random.default_rng(0)
    np.save(path, rng.integers(0, 256, (clips, 8, 24, 24, 3), np.uint8))
    return path


# arguments (with {d} for a folder of test files), exit code, words that the line must hold
TABLE = [
    (["compare"], 2, ["REFERENCE", "nothing is given"]),
    (["compare", SMALL], 2, ["REFERENCE", "only"]),
    (["compar"], 2, ["compar", "Did you mean 'compare'"]),
    (["compare", SMALL, SMALL, "--metric", "color"], 2, ["--metric"]),
    (["compare", SMALL, SMALL, "--metrics", "colour"], 2, ["colour", "Did you mean 'color'"]),
    (["compare", SMALL, SMALL, "--metrics", ","], 2, ["No metric"]),
    (["compare", SMALL, SMALL, "--set", "spectrum.windw=none"], 2, ["windw", "Did you mean 'window'"]),
    (["compare", SMALL, SMALL, "--set", "spectrum.window=hamming"], 2, ["hamming", "hann"]),
    (["compare", SMALL, SMALL, "--set", "spectrm.window=none"], 2, ["spectrm", "spectrum"]),
    (["compare", SMALL, SMALL, "--set", "spectrum"], 2, ["NAME.KNOB=VALUE"]),
    (["compare", SMALL, SMALL, *METRICS, "--set", "spectrum.window=none"], 2, ["not among what is measured"]),
    (["compare", SMALL, SMALL, "--set", "color.ridge=-1"], 2, ["ridge=-1", "out of range"]),
    (["compare", SMALL, SMALL, "--set", "color.ridge=much"], 2, ["ridge=much", "It takes a number"]),
    (["compare", SMALL, SMALL, "--frames", "0"], 2, ["frames=0", "out of range"]),
    (["compare", SMALL, SMALL, "--frames", "8", "--set", "sampler.frames=9"], 2, ["contradicts"]),
    (["compare", SMALL, SMALL, "--clips", "0"], 2, ["--clips 0"]),
    (["compare", SMALL, SMALL, "--workers", "none"], 2, ["--workers none"]),
    (["compare", SMALL, SMALL, "--max-skipped", "many"], 2, ["--max-skipped many", "5%"]),
    (["compare", SMALL, SMALL, "--fps", "-3"], 2, ["--fps -3"]),
    (["compare", SMALL, "{d}", "--layout", "classs"], 2, ["classs", "Did you mean 'classes'"]),
    (["compare", SMALL, SMALL, "--csv", "-", "--html", "-"], 2, ["both want stdout"]),
    (["compare", SMALL, SMALL, "--html", "{d}/no/x.html"], 2, ["does not exist"]),
    (["compare", SMALL, SMALL, "--html", "{d}"], 2, ["is a folder"]),
    (["compare", f"a={SMALL}", f"a={SMALL}"], 2, ["'a'", "2 sets"]),
    (["compare", "preset:moving_circle", SMALL], 2, ["moving_circle", "Did you mean 'moving_circles'"]),
    (["compare", "preset:moving_circles?sped=1", SMALL], 2, ["sped", "speed"]),
    (["compare", "preset:moving_circles?n=0", SMALL], 2, ["n=0"]),
    (["compare", "preset:moving_circles?n=1&n=2", SMALL], 2, ["twice"]),
    (["compare", "presett:moving_circles", SMALL], 2, ["presett", "preset"]),
    (["compare", "{d}/missing", SMALL], 3, ["does not exist"]),
    (["compare", "{d}/empt", SMALL], 3, ["does not exist", "Did you mean"]),
    (["compare", "{d}/empty", SMALL], 3, ["0 videos", "empty"]),
    (["compare", "{d}/photos", SMALL], 3, ["0 videos", "3 .jpg found: frame folders? try --layout frames"]),
    (["compare", "{d}/text.txt", SMALL], 3, ["text.txt", "is no set", "--layout"]),
    (
        ["compare", "{d}/broken", SMALL],
        3,
        ["of 2 videos skipped", "--max-skipped 5%", "b.avi: cannot be decoded"],
    ),
    (["compare", "{d}/float.npy", SMALL], 3, ["float64", "uint8"]),
    (["compare", "{d}/bad.measured", SMALL], 3, ["damaged", "Measure the set again"]),
    (["compare", "a={d}/stats.npz", "b={d}/stats.npz"], 3, ["mu", "sigma"]),
    (["report", "{d}/missing.json", "--html", "{d}/x.html"], 3, ["missing.json"]),
    (["report", "{d}/text.txt", "--html", "{d}/x.html"], 3, ["no JSON"]),
    (["report", "{d}/text.txt"], 2, ["--html"]),
    (["measure", SMALL, "--out", "x.npz"], 2, [".measured"]),
    (["list", "nothing"], 2, ["nothing", "metrics"]),
    (["list", "metrix"], 2, ["list knows no 'metrix'", "Did you mean 'metrics'"]),
    (["list"], 2, ["list wants one of metrics, features, layouts"]),
    (["explain"], 2, ["explain wants a NAME; nothing is given"]),
    (["measure", SMALL], 2, ["measure wants --out F.measured"]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    for name in ("empty", "photos", "broken"):
        (root / name).mkdir()
    for i in (2, 5, 9):
        (root / "photos" / f"photo_{i}.jpg").write_bytes(b"x")
    (root / "broken" / "a.mp4").write_bytes(b"no video at all")
    (root / "broken" / "b.avi").write_bytes(b"")
    (root / "text.txt").write_text("hello")
    np.save(root / "float.npy", np.zeros((1, 2, 3, 4, 3)))
    np.savez(root / "stats.npz", mu=np.zeros(3), sigma=np.eye(3))
    (root / "bad.measured").write_bytes(b"\0" * 100)
    return root


@pytest.mark.parametrize(
    ("args", "code", "words"), TABLE, ids=lambda v: " ".join(v)[:60] if isinstance(v, list) else v
)
def test_bad_input_is_one_line_with_the_right_code(
    run_cli: Run, folder: Path, args: list[str], code: int, words: list[str]
) -> None:
    quiet = [] if args[0] in ("list", "explain") else ["-q"]
    done = run_cli(*(a.format(d=folder) for a in args), *quiet)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


def test_the_error_is_json_on_stdout_with_json_dash(run_cli: Run, folder: Path) -> None:
    for args in (["compare", str(folder / "missing"), SMALL, "--json", "-"], ["compare", SMALL, "--json=-"]):
        done = run_cli(*args)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == done.returncode
        assert error["message"] and error["message"] in done.stderr
        assert set(error) == {"code", "message", "hint"}


def test_usage_errors_come_before_any_data_is_looked_at(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("compare", tmp_path / "missing", tmp_path / "gone", "--metrics", "colour")
    assert done.returncode == 2
    for bad in ("preset:nosuch", "preset:moving_circles?nope=3", "prest:moving_circles"):
        assert run_cli("compare", tmp_path / "missing", bad).returncode == 2


@pytest.mark.slow
def test_options_that_mean_nothing_here_are_usage_errors(run_cli: Run, tmp_path: Path) -> None:
    measured = tmp_path / "a.measured"
    assert run_cli("measure", SMALL, "--out", measured, *METRICS, "-q").returncode == 0
    for extra, code in ((["--layout", "frames"], 2), (["--fps", "3"], 2), (["--seed", "7"], 3)):
        done = run_cli("compare", f"a={measured}", f"b={measured}", *METRICS, *extra, "-q")
        assert done.returncode == code, (extra, done.stderr)
        assert extra[0] in done.stderr


PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar, Literal
from synvid_eval.metrics import Metric

@dataclass(frozen=True)
class Raises(Metric):
    """A metric with a bug."""
    name: ClassVar[str] = "raises"
    feature: ClassVar[str] = "lab"
    kind: ClassVar[Literal["property"]] = "property"
    better: ClassVar[Literal["match"]] = "match"
    unit: ClassVar[str] = ""
    state = "lab"
    def value(self, candidate, reference):
        raise ZeroDivisionError("the plug-in's own fault")
'''


def install_plugin(root: Path, source: str, group: str, name: str, attribute: str) -> dict[str, str]:
    """A plug-in as another installed package has it: a module and its entry point, on PYTHONPATH."""
    (root / f"plugin_{name}.py").write_text(source)
    info = root / f"plugin_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = plugin_{name}:{attribute}\n")
    return {"PYTHONPATH": os.pathsep.join([str(root), str(REPOSITORY)])}


def test_a_plug_in_that_raises_is_exit_1_without_a_traceback(run_cli: Run, tmp_path: Path) -> None:
    env = install_plugin(tmp_path, PLUGIN, "synvid_eval.metrics", "raises", "Raises")
    clips = array(tmp_path / "a.npy")
    done = run_cli(
        "compare", f"x={clips}", f"y={clips}", "--metrics", "raises", "--workers", "1", "-q", env=env
    )
    assert done.returncode == 1
    assert "ZeroDivisionError: the plug-in's own fault" in done.stderr
    assert "Traceback" not in done.stderr
    told = run_cli(
        "compare", f"x={clips}", f"y={clips}", "--metrics", "raises", "--workers", "1", "-v", env=env
    )
    assert told.returncode == 1
    assert "Traceback" in told.stderr


FEATURE = '''
from dataclasses import dataclass
from typing import ClassVar, Literal
from synvid_eval.features import Feature

def _view(frame):
    return frame[0, 0]

@dataclass(frozen=True)
class Faulty(Feature):
    """A feature with a bug."""
    name: ClassVar[str] = "faulty"
    looks_at: ClassVar[Literal["frames"]] = "frames"
    def view(self):
        return _view
    def measure(self, look):
        raise KeyError("in the worker")
'''


def test_a_feature_that_raises_in_a_worker_is_exit_1_and_names_the_clip(run_cli: Run, tmp_path: Path) -> None:
    metric = PLUGIN.replace('"lab"', '"faulty"')
    env = install_plugin(tmp_path, FEATURE, "synvid_eval.features", "faulty", "Faulty")
    env = install_plugin(tmp_path, metric, "synvid_eval.metrics", "raises", "Raises")
    clips = array(tmp_path / "a.npy")
    done = run_cli(
        "compare", f"x={clips}", f"y={clips}", "--metrics", "raises", "--workers", "1", "-q", env=env
    )
    assert done.returncode == 1
    assert "KeyError: 'in the worker'" in done.stderr
    assert "clip a[" in done.stderr


def test_a_plug_in_whose_package_is_missing_is_exit_5(run_cli: Run, tmp_path: Path) -> None:
    source = f"import zz_no_such_package\n{PLUGIN}"
    env = install_plugin(tmp_path, source, "synvid_eval.metrics", "raises", "Raises")
    done = run_cli("compare", SMALL, SMALL, "--metrics", "raises", "--json", "-", env=env)
    assert done.returncode == 5
    assert done.stderr.strip().splitlines()[-1].endswith("Run: pip install zz-no-such-package")
    assert json.loads(done.stdout)["error"]["code"] == 5


def test_a_package_that_is_missed_in_a_worker_is_exit_5(run_cli: Run, tmp_path: Path) -> None:
    lazy = FEATURE.replace('raise KeyError("in the worker")', "import zz_no_such_package")
    env = install_plugin(tmp_path, lazy, "synvid_eval.features", "faulty", "Faulty")
    metric = PLUGIN.replace('"lab"', '"faulty"')
    env = install_plugin(tmp_path, metric, "synvid_eval.metrics", "raises", "Raises")
    clips = array(tmp_path / "a.npy")
    done = run_cli(
        "compare", f"x={clips}", f"y={clips}", "--metrics", "raises", "--workers", "1", "-q", env=env
    )
    assert done.returncode == 5
    assert len(done.stderr.strip().splitlines()) == 1
    assert "zz-no-such-package" in done.stderr


def test_what_is_read_is_not_overwritten(run_cli: Run, tmp_path: Path) -> None:
    a, b = "preset:static_circles?n=2&size=32&length=20", "preset:moving_circles?n=2&size=32&length=20"
    how = ("--metrics", "color", "-q", "--workers", "1")
    assert run_cli("compare", a, b, *how, "--json", "x.json").returncode == 0
    assert run_cli("measure", a, *how, "--out", "a.measured").returncode == 0
    (tmp_path / "set").mkdir()
    write_video(tmp_path / "set/clip.mkv", moving(20), "ffv1")
    for command in (
        ("report", "x.json", "--html", "x.json"),
        ("compare", "m=a.measured", b, *how, "--html", "./a.measured"),
        ("compare", a, "real=set", *how, "--csv", "set/clip.mkv"),
        ("measure", "set", *how, "--out", "a.measured", "--statistics", "set/clip.mkv.npz"),
    ):
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        done = run_cli(*command)
        if "--statistics" in command:  # a new file in the set's folder harms nothing
            assert "which is read" not in done.stderr
            continue
        assert done.returncode == 2 and "which is read. Give another file" in done.stderr, done.stderr
        assert before == {p: p.read_bytes() for p in before}


@pytest.mark.slow
def test_a_measured_set_takes_part_where_enough_clips_are_asked_for(run_cli: Run, tmp_path: Path) -> None:
    a, b = "preset:static_circles?n=4&size=32&length=20", "preset:moving_circles?n=9&size=32&length=20"
    how = ("--metrics", "color", "-q", "--workers", "1")
    assert run_cli("measure", a, *how, "--out", "a.measured").returncode == 0
    assert run_cli("compare", "a.measured", b, *how, "--clips", "4").returncode == 0
    done = run_cli("compare", "a.measured", b, *how, "--clips", "3")
    assert done.returncode == 2
    assert "cannot draw from a.measured, which was measured with 4. Measure it with --clips 3." in done.stderr


def test_a_name_that_is_none_is_told(run_cli: Run) -> None:
    done = run_cli("compare", "<b>x=preset:moving_shapes?n=2", "preset:moving_circles?n=2")
    assert done.returncode == 3 and "names are made of letters, digits" in done.stderr
