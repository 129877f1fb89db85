"""`inspect`: what is found in a set, on small files of every kind, healthy and not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from synvid_eval import estimate
from synvid_eval.estimate import try_clips
from synvid_eval.execute import Failure
from synvid_eval.features import registry
from synvid_eval.inspection import inspect
from synvid_eval.measurement import Options, Quiet
from synvid_eval.schemas import get
from synvid_eval.sets import open_set
from tests.clips import moving, write_set, write_video
from tests.conftest import REPOSITORY, Run
from tests.downstream_sets import volleyball

QUICK = ("--no-cost", "-q", "--json", "-")


def inspected(run_cli: Run, *args: str | os.PathLike[str]) -> dict[str, Any]:
    done = run_cli("inspect", *args)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, get("inspect"))
    assert document["clips"] + len(document["skipped"]) == document["found"]
    return document


def test_a_mixed_set_is_described_in_full(run_cli: Run, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_set(root / "a", 2, "xvid", frames=20)
    write_set(root / "b", 1, "vp9", frames=70)
    write_video(root / "b" / "big.mp4", moving(40, 64, 80), "h264", rate=30)
    shutil.copy(root / "a" / "clip_000.avi", root / "b" / "copy.avi")
    (root / "a" / "broken.mp4").write_bytes(b"no video at all")
    seen = inspected(run_cli, root, *QUICK)
    assert seen["layout"] == "classes"
    assert seen["labels"] == {"a": 2, "b": 3}
    assert seen["sizes"] == [{"width": 48, "height": 32, "clips": 4}, {"width": 80, "height": 64, "clips": 1}]
    assert seen["rates"] == [{"fps": 25.0, "clips": 4}, {"fps": 30.0, "clips": 1}]
    assert seen["lengths"] == {"shortest": 20, "median": 20.0, "longest": 70, "total": 170}
    assert {k.removeprefix("lib").replace("vpx-", ""): n for k, n in seen["codecs"].items()} == {
        "mpeg4": 3,
        "h264": 1,
        "vp9": 1,
    }
    assert seen["containers"]["avi"] == 3
    # a run of 16 frames is 61, 31, 16 frames long at stride 4, 2, 1
    assert seen["strides"] == {"4": 1 / 5, "2": 2 / 5, "1": 1.0}
    assert seen["duplicates"] == [["a/clip_000.avi", "b/copy.avi"]]
    assert [s["id"] for s in seen["skipped"]] == ["a/broken.mp4"]
    assert seen["bytes"] == sum(p.stat().st_size for p in root.rglob("*.*"))
    assert seen["cost"] is None


def test_the_text_names_what_a_newcomer_asks(run_cli: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 2)
    (root / "x.mp4").write_bytes(b"")
    done = run_cli("inspect", root, "-q")
    assert done.returncode == 0, done.stderr
    for word in ("flat: 3 videos", "2 of 3 found can be opened", "48×32 pixels", "25 frames/s",
                 "stride 4: 0%", "mpeg4", "duplicates  none", "x.mp4: ", "cost here   about",
                 "an estimate from 2 clips",
                 "refuse it: 1 of 3 skipped is more than --max-skipped 5%"):  # fmt: skip
        assert word in done.stdout, word
    assert "refuse" not in run_cli("inspect", root, "-q", "--no-cost", "--max-skipped", "1").stdout


def test_cost_is_estimated_from_clips_that_were_measured(run_cli: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 3)
    seen = inspected(run_cli, root, "-q", "--json", "-", "--metrics", "color", "--workers", "1")
    cost = seen["cost"]
    assert cost["tried"] == 3
    assert cost["workers"] == 1
    assert cost["seconds"] > 3 * cost["seconds_per_clip"] > 0
    assert cost["memory_bytes"] > 2**20
    assert not (tmp_path / "cache").exists()


def test_a_fifo_named_like_a_video_does_not_hang(run_cli: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 1)
    os.mkfifo(root / "pipe.mp4")
    seen = inspected(run_cli, root, *QUICK)
    assert [s["id"] for s in seen["skipped"]] == ["pipe.mp4"]


class Heard(Quiet):
    """What is told while one waits: each phase with its number of clips, and how many were done."""

    def __init__(self) -> None:
        self.phases: list[list[Any]] = []

    def begin(self, name: str, clips: int) -> None:
        self.phases.append([name, clips, 0])

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        self.phases[-1][2] += clips


def test_each_phase_says_how_far_it_is(tmp_path: Path) -> None:
    """Comparing bytes may take as long as reading the whole set, and trying clips as their first frames."""
    root = volleyball(tmp_path / "vb", frames=20)
    heard = Heard()
    seen = inspect(open_set(root), [registry.get("lab")()], Options(workers=1, progress=heard))
    assert seen.layout == "volleyball" and seen.clips == 8 and seen.cost is not None
    assert sum(map(len, seen.duplicates)) == 8
    assert heard.phases == [["vb", 8, 8], ["vb, of equal sizes", 8, 8], ["vb, what it costs", 4, 4]]


class Hanging:
    """Worker processes whose files give no frame."""

    def __init__(self, module: str, workers: int, setup: Any, timeout: float, loud: bool) -> None:
        self.reason = f"hung: no new frame for {timeout:g} s (--decode-timeout)"

    def map(self, tasks: Any) -> Any:
        return ((task, Failure("hang", self.reason)) for task in tasks)

    def close(self) -> None:
        """Nothing to end."""


@pytest.mark.parametrize(("timeout", "skipped"), [(60.0, 0), (5.0, 2)])
def test_a_clip_that_is_slow_when_it_is_tried_is_no_skipped_one(
    timeout: float, skipped: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial waits for ten seconds, a measurement for a minute: the first is no verdict."""
    root = write_set(tmp_path / "set", 2)
    monkeypatch.setattr(estimate, "Processes", Hanging)
    options = Options(workers=1, decode_timeout=timeout)
    seen = inspect(open_set(root), [registry.get("lab")()], options)
    assert (seen.clips, len(seen.skipped)) == (2 - skipped, skipped)
    assert seen.cost is None and seen.cost_reason is not None
    wanted = "none of the clips" if skipped else "no frame of 2 clips came within 10 s"
    assert wanted in seen.cost_reason


FAULTY = """
import os, signal, sys, time
if "synvid_eval.prober" in sys.orig_argv:
    import synvid_eval.sets as sets
    real = sets.open_clip
    def open_clip(ref, *rest):
        if "hang" in ref.id:
            time.sleep(1000)
        if "crash" in ref.id:
            os.kill(os.getpid(), signal.SIGSEGV)
        return real(ref, *rest)
    sets.open_clip = open_clip
"""


@pytest.mark.slow
def test_files_that_hang_or_crash_a_decoder_are_listed_and_the_others_go_on(
    run_cli: Run, tmp_path: Path
) -> None:
    root = write_set(tmp_path / "set", 3)
    for name in ("a_hang.avi", "b_crash.avi"):
        shutil.copy(root / "clip_000.avi", root / name)
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "sitecustomize.py").write_text(FAULTY)
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "faulty"), str(REPOSITORY)])}
    done = run_cli("inspect", root, *QUICK, "--decode-timeout", "1", env=env)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["clips"] == 3
    reasons = {s["id"]: s["reason"] for s in seen["skipped"]}
    assert set(reasons) == {"a_hang.avi", "b_crash.avi"}
    assert "hung" in reasons["a_hang.avi"]
    assert "SIGSEGV" in reasons["b_crash.avi"]


@pytest.mark.slow
def test_arrays_presets_and_frame_folders(run_cli: Run, tmp_path: Path) -> None:
    clips = np.stack([moving(20, seed=s) for s in (0, 1, 0)])
    np.save(tmp_path / "a.npy", clips)
    seen = inspected(run_cli, tmp_path / "a.npy", *QUICK)
    assert seen["duplicates"] == [["a[0]", "a[2]"]]
    assert seen["sizes"] == [{"width": 48, "height": 32, "clips": 3}]
    assert seen["bytes"] == (tmp_path / "a.npy").stat().st_size
    seen = inspected(run_cli, "preset:static_circles?n=2&size=32", *QUICK)
    assert seen["sizes"] == [{"width": 32, "height": 32, "clips": 2}]
    assert seen["bytes"] is None


@pytest.mark.slow
def test_what_cannot_be_inspected_is_told(run_cli: Run, tmp_path: Path) -> None:
    assert run_cli("inspect", tmp_path / "gone").returncode == 3
    assert run_cli("inspect").returncode == 2
    out = tmp_path / "x.measured"
    assert run_cli("measure", "preset:static_circles?n=2&size=32", "--out", out, "-q").returncode == 0
    done = run_cli("inspect", out)
    assert done.returncode == 2
    assert "measured already" in done.stderr


def test_what_all_clips_share_is_said_once(run_cli: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set" / "a", 2, frames=20).parent
    done = run_cli("inspect", root, "-q", "--no-cost")
    lines = done.stdout.splitlines()
    assert any(line.startswith("clips       2 found, all can be opened, 1 label, ") for line in lines)
    assert "lengths     20 frames, 40 together" in lines
    assert "cost here" not in done.stdout
    assert "1 group of the same bytes" not in done.stdout
    write_video(root / "a" / "long.avi", moving(31), "xvid")
    text = run_cli("inspect", root, "-q", "--no-cost").stdout
    assert "lengths     20 to 31 frames, median 20, 71 together" in text


def test_missing_files_are_named_once_and_others_in_natural_order(run_cli: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 1)
    for number in (10, 9):
        (root / f"bad_{number}.avi").write_bytes(b"")
    long = "a label that goes on and on and never comes to an end, at least not here"
    entries = ["clip_000.avi", "bad_10.avi", "bad_9.avi", "gone_1.avi", "gone_2.avi"]
    (root / "l.txt").write_text("".join(f"{e} {long}\n" for e in entries))
    done = run_cli("inspect", root / "l.txt", "-q", "--no-cost")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    at = lines.index("skipped     4 clips")
    assert lines[at + 1] == "            2: missing: in the list, not on the disk"
    assert [line.split(":")[0].strip() for line in lines[at + 2 : at + 4]] == ["bad_9.avi", "bad_10.avi"]
    assert done.stdout.count("gone_1.avi") == 1
    assert f"labels      {long[:39]}…" in lines
    seen = inspected(run_cli, root / "l.txt", *QUICK)
    assert [s["id"] for s in seen["skipped"]] == ["bad_9.avi", "bad_10.avi", "gone_1.avi", "gone_2.avi"]
    assert seen["labels"] == {long: 1}


def test_the_file_that_is_waited_for_is_shown(tmp_path: Path) -> None:
    shown: list[str] = []

    class Watch(Quiet):
        def advance(self, clips: int, cached: bool, reading: str = "") -> None:
            shown.append(f"{clips} {reading}")

    videos = open_set(write_set(tmp_path / "set", 3))
    inspect(videos, [], Options(workers=1, progress=Watch()), cost=False)
    assert shown == ["0 clip_000.avi", "1 clip_001.avi", "1 clip_002.avi", "1 "]


@pytest.mark.slow
def test_more_clips_of_a_preset_are_tried(run_cli: Run) -> None:
    args = ("-q", "--json", "-", "--metrics", "color", "--workers", "2")
    seen = inspected(run_cli, "preset:static_circles?n=40&size=32&objects=5", *args)
    assert seen["cost"]["tried"] == 16


def test_clips_that_cannot_be_measured_do_not_count_as_time(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 3)
    (root / "bad.avi").write_bytes(b"")
    features = [registry.get("lab")()]
    trials = try_clips([open_set(root).clips, []], features, Options(workers=2))
    good, none = trials.sets
    assert (good.tried, set(good.failed)) == (3, {"bad.avi"})
    assert good.seconds_per_clip and trials.startup > 0
    assert good.seconds(30, 2) == pytest.approx(15 * good.seconds_per_clip)
    assert (none.tried, none.seconds_per_clip) == (0, None)


@pytest.mark.slow
def test_the_protocol_draws_and_a_contradiction_is_told(run_cli: Run) -> None:
    big = "preset:static_circles?n=1003&size=32&objects=5&length=16"
    seen = inspected(run_cli, big, "--protocol", "paper", *QUICK)
    assert seen["found"] == 1000
    done = run_cli("inspect", "preset:static_circles?n=2&size=32", "--protocol", "paper", "--no-cost", "-q")
    assert "protocol    paper" in done.stdout
    assert "2 found: all of them are used" in done.stdout
    assert run_cli("inspect", big, "--protocol", "paper", "--clips", "5").returncode == 2


@pytest.mark.slow
def test_notes_are_those_of_a_measurement(run_cli: Run, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 2, "xvid", frames=20)
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / "sitecustomize.py").write_text(NOTING)
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "note"), str(REPOSITORY)])}
    args = (root, "--clips", "7", "--metrics", "color", "--json", "-")
    seen = json.loads(run_cli("inspect", *args, "-q", env=env).stdout)["notes"]
    done = run_cli("compare", f"a={root}", f"b={root}", *args[1:], env=env)
    told = json.loads(done.stdout)["run"]["sets"][0]["notes"]
    assert len(seen) == len(told) == 3
    assert seen[1:] == told[1:] == [f"clip_00{i}.avi: a note of the reader" for i in (0, 1)]


NOTING = """
import sys
if "synvid_eval.worker" in sys.orig_argv:
    import synvid_eval.video.decode as decode
    real = decode.VideoFile.__init__
    def init(self, *args, **more):
        real(self, *args, **more)
        self.notes.append("a note of the reader")
    decode.VideoFile.__init__ = init
"""
