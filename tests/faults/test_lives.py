"""Long paths of a life: other locales and clocks, several processes at once, what an older version wrote,
folders that change or may not be touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from synvid_eval.cache import Cache
from synvid_eval.measurement import Options, Quiet, measure, read_measured
from tests.clips import moving, write_set, write_video
from tests.conftest import REPOSITORY, Run

pytestmark = pytest.mark.timeout(240)

INJECTED = os.pathsep.join([str(REPOSITORY / "tests" / "injected"), str(REPOSITORY)])
COMPARE = ("compare", "set", "other", "--metrics", "color,motion", "--workers", "1", "-q", "--json")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets, one of which has names that are hard to write."""
    root = tmp_path_factory.mktemp("sets")
    write_set(root / "other", 3)
    (root / "set").mkdir()
    names = ["line\nbreak", "ü" + unicodedata.normalize("NFD", "é"), "tab\tand 'quotes'", "-q"]
    for number, name in enumerate(names):
        write_video(root / "set" / f"{name}.avi", moving(20, seed=number), "xvid")
    return root


@pytest.fixture
def here(sets: Path, tmp_path: Path) -> Path:
    for name in ("set", "other"):
        (tmp_path / name).symlink_to(sets / name, target_is_directory=True)
    return tmp_path


def scores(run_cli: Run, folder: Path, *more: str, env: Mapping[str, str] | None = None) -> str:
    done = run_cli(*COMPARE, "found.json", *more, env=env)
    assert done.returncode == 0, done.stderr
    return json.dumps(json.loads((folder / "found.json").read_text("utf-8"))["scores"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Chatham"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "America/St_Johns"},
    ],
    ids=["ascii", "turkish"],
)
def test_locale_and_time_zone_change_nothing(run_cli: Run, here: Path, env: dict[str, str]) -> None:
    want = scores(run_cli, here, "--cache", "none")
    assert scores(run_cli, here, "--cache", "none", env=env) == want
    args = ("generate", "static_circles", "--clips", "2", "--size", "32", "--format", "ffv1", "-q")
    for out, more in (("one", {}), ("two", env)):
        assert run_cli(args[0], args[1], out, *args[2:], env=more).returncode == 0
    assert (here / "one" / "manifest.jsonl").read_bytes() == (here / "two" / "manifest.jsonl").read_bytes()


@pytest.mark.slow
def test_a_clock_that_is_set_back_changes_nothing(run_cli: Run, here: Path) -> None:
    """By ten days, between two runs, and with files from the future."""
    back = {"PYTHONPATH": INJECTED, "SYNVID_EVAL_TEST_CLOCK": "-864000"}
    first = scores(run_cli, here)
    kept = {p: p.read_bytes() for p in (here / "cache").rglob("*.safetensors")}
    assert scores(run_cli, here, env=back) == first
    assert {p: p.read_bytes() for p in (here / "cache").rglob("*.safetensors")} == kept
    args = ("generate", "static_circles", "made", "--clips", "3", "--size", "32", "--format", "ffv1", "-q")
    assert run_cli(*args).returncode == 0
    manifest = (here / "made" / "manifest.jsonl").read_bytes()
    (here / "made" / json.loads(manifest.splitlines()[1])["file"]).unlink()
    again = run_cli(*args, env=back)
    assert again.returncode == 0, again.stderr
    assert (here / "made" / "manifest.jsonl").read_bytes() == manifest
    assert run_cli("cache", "prune", "--older-than", "1d", env=back).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_on_one_cache_and_one_output(
    cli_env: dict[str, str], run_cli: Run, here: Path, processes: int
) -> None:
    want = scores(run_cli, here, "--cache", "none")
    clips = ("--clips", "6", "--size", "48", "--format", "ffv1", "-q", "--workers", "1")

    def all_at_once(*commands: list[str]) -> list[int]:
        began = [
            subprocess.Popen(
                [sys.executable, "-m", "synvid_eval", *c], cwd=here, env=cli_env, stderr=subprocess.DEVNULL
            )
            for c in commands
        ]
        return [p.wait(120) for p in began]

    found = [f"found{i}.json" for i in range(processes)]
    assert not any(all_at_once(*([*COMPARE, name] for name in found)))
    for name in found:
        assert json.dumps(json.loads((here / name).read_text("utf-8"))["scores"]) == want
    assert run_cli("generate", "static_circles", "alone", *clips).returncode == 0
    codes = all_at_once(*(["generate", "static_circles", "made", *clips] for _ in found))
    assert set(codes) <= {0, 2, 3} and 0 in codes
    assert run_cli("generate", "static_circles", "made", *clips).returncode == 0
    for name in ("alone", "made"):
        assert len(list((here / name).rglob("*.mkv"))) == 6
        assert not list((here / name).rglob("*.part"))
    assert (here / "alone" / "manifest.jsonl").read_bytes() == (here / "made" / "manifest.jsonl").read_bytes()


VERSION_1 = Path(__file__).parent / "version1"
"""What version 0.1.0 wrote of `preset:static_circles?n=3&size=32&objects=20` (see its README)."""


ALL = "color,motion,spectrum,effective_rank"
"""What the fixture was measured for."""


def test_what_version_1_measured_stays_readable(tmp_path: Path) -> None:
    old = read_measured(VERSION_1 / "static_circles.measured")
    now = measure(
        "preset:static_circles?n=3&size=32&objects=20",
        features=list(old.sides),
        options=Options(workers=1, cache=Cache(None)),
    )
    assert old.facts.clips == now.facts.clips == 3 and old.facts.fingerprint == now.facts.fingerprint
    for name, side in now.sides.items():
        for state, folded in side.total().states.items():
            kept = old.sides[name].total().states[state].to_arrays()
            for key, array in folded.to_arrays().items():
                np.testing.assert_allclose(
                    kept[key], array, rtol=1e-6, atol=1e-9, err_msg=f"{name}.{state}.{key}"
                )


def test_what_version_1_kept_does_no_harm(run_cli: Run, tmp_path: Path) -> None:
    """Its cache is read or passed over, and told what it is."""
    shutil.copytree(VERSION_1 / "cache", tmp_path / "cache")
    known = json.loads(run_cli("cache", "info", "--json", "-").stdout)
    assert known["entries"] == len(list((VERSION_1 / "cache").rglob("*.safetensors"))) > 0
    location = "a=preset:static_circles?n=3&size=32&objects=20"
    args = ("compare", location, location.replace("a=", "b="), "--metrics", ALL, "-q", "--json", "-")
    with_old, without = run_cli(*args), run_cli(*args, "--cache", "none")
    assert with_old.returncode == 0, with_old.stderr
    assert json.loads(with_old.stdout)["scores"] == json.loads(without.stdout)["scores"]


@pytest.mark.slow
def test_nothing_is_changed_below_a_set(run_cli: Run, sets: Path, here: Path) -> None:
    """The sources may be read-only: no file is opened for writing there, none made, moved or removed."""
    counter = here / "changes.txt"
    fault = "\n".join([str(sets), str(counter), "0", "EROFS"])
    env = {"PYTHONPATH": INJECTED, "SYNVID_EVAL_TEST_FAULT": fault}
    for command in (COMPARE[:-1], ("inspect", "set", "-q"), ("measure", "set", "--out", "m.measured", "-q")):
        done = run_cli(*command, env=env)
        assert done.returncode == 0, done.stderr
    assert not counter.exists(), counter.read_text()


class Meddler(Quiet):
    """Changes the set once the first clip is measured."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done, self.told = folder, False, list[str]()

    def say(self, text: str) -> None:
        self.told.append(text)

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        if self.done:
            return
        self.done = True
        late = sorted(self.folder.iterdir())
        for path in late[:2]:
            path.unlink()
        for path in late[2:4]:
            write_video(path, moving(30, seed=99), "xvid")
        write_video(self.folder / "new.avi", moving(20, seed=98), "xvid")


@pytest.mark.slow
def test_a_folder_that_changes_while_it_is_measured_is_told(tmp_path: Path) -> None:
    """Every clip of the listing is measured or skipped with a reason; what changed is said and not kept."""
    folder = write_set(tmp_path / "set", 60)
    meddler, cache = Meddler(folder), Cache(tmp_path / "cache")
    found = measure(
        folder,
        features=["motion"],
        options=Options(workers=1, cache=cache, progress=meddler, max_skipped="100%"),
    )
    assert found.facts.clips + len(found.facts.skipped) == 60
    told = " ".join(meddler.told)
    assert "changed while it was measured" in told and "files came or went" in told
    assert [n for n in found.about["notes"] if "while the set was measured" in n]
    again = measure(folder, features=["motion"], options=Options(workers=1, cache=cache, max_skipped="100%"))
    fresh = measure(folder, features=["motion"], options=Options(workers=1, cache=Cache(None)))
    assert again.facts == fresh.facts and fresh.facts.clips == 59
    assert not [n for n in fresh.about["notes"] if "while the set was measured" in n]
