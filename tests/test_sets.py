"""`[name=]location`: what is a name, what is a location, and what each set is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synvid_eval.comparison import open_all
from synvid_eval.errors import DataError, UsageError
from synvid_eval.metrics import strides
from synvid_eval.sets import name_sets, open_clip, open_set, split_name
from synvid_eval.video import sampling
from synvid_eval.video.videoset import VideoSet
from tests.clips import write_set
from tests.conftest import Run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "location"),
    [
        ("a=b", "a", "b"),
        ("my.set_1-x=dir/", "my.set_1-x", "dir/"),
        ("preset:a?n=3", None, "preset:a?n=3"),
        ("p=preset:a?n=3", "p", "preset:a?n=3"),
        ("./a=b/", None, "./a=b/"),
        ("dir/a=b", None, "dir/a=b"),
        ("é=b", None, "é=b"),
        ("=b", None, "=b"),
        ("a=", None, "a="),
        ("plain", None, "plain"),
        ("a=b=c", "a", "b=c"),
    ],
)
def test_what_is_a_name(text: str, name: str | None, location: str) -> None:
    assert split_name(text) == (name, location)


def test_an_existing_path_is_no_name() -> None:
    Path("a=b").mkdir()
    assert split_name("a=b") == (None, "a=b")


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["x/ucf101/"], ["ucf101"]),
        (["clips.npy"], ["clips"]),
        (["preset:moving_circles?n=3"], ["moving_circles"]),
        (["cut:films/a film.mp4?seconds=4"], ["a film"]),
        (["lists/trainlist01.txt"], ["trainlist01"]),
        (["a/set", "b/set"], ["a/set", "b/set"]),
        (["r/a/set", "s/a/set", "t"], ["r/a/set", "s/a/set", "t"]),
        (["set", "set"], ["set", "set#2"]),
        (["preset:moving_circles", "preset:moving_circles?n=3"], ["moving_circles", "moving_circles#2"]),
        (["set=x", "set"], ["set", "{}/set"]),
    ],
)
def test_names_of_sets(texts: list[str], names: list[str], tmp_path: Path) -> None:
    for text in texts:
        if "." not in text and ":" not in text:
            Path(text.partition("=")[2] or text).mkdir(parents=True, exist_ok=True)
    got = [n for n, _ in name_sets(texts)]
    assert len(set(got)) == len(got)
    for name, pattern in zip(got, names, strict=True):
        if "{}" in pattern:  # parents in front, as many as are needed or there are
            assert name.endswith(pattern.removeprefix("{}")), name
        else:
            assert name == pattern


def test_equal_given_names_are_a_usage_error(run_cli: Run) -> None:
    with pytest.raises(UsageError, match="The name 'a' is given to 2 sets"):
        name_sets(["a=x", "a=y", "z"])
    done = run_cli(
        "compare", "a=preset:static_circles?n=2", "a=preset:moving_circles?n=2", "preset:moving_shapes?n=2"
    )
    assert done.returncode == 2
    assert "The name 'a' is given to 2 sets" in done.stderr


@pytest.mark.parametrize(
    ("location", "error", "text"),
    [
        ("preset:moving_circels", UsageError, "Did you mean 'moving_circles'"),
        (
            "preset:moving_circles?sped=2",
            UsageError,
            "moving_circles has no knob 'sped'. Did you mean 'speed'",
        ),
        ("preset:moving_circles?n=0", UsageError, "n=0 in preset:moving_circles"),
        ("preset:moving_circles?n=x", UsageError, "n=x in preset:moving_circles"),
        ("preset:moving_circles?n=2&n=3", UsageError, "gives 'n' twice"),
        ("preset:moving_circles?size=tiny", UsageError, "size"),
        ("gopher:moving_circles", UsageError, "No scheme is called 'gopher'"),
        ("nowhere", DataError, "nowhere does not exist"),
        ("no/where", DataError, "Its folder no does not exist either"),
        ("clisp", DataError, "Did you mean clips"),
        ("one.mp4", DataError, "one.mp4 is one video. Cut it into clips: cut:one.mp4?seconds=4"),
        ("notes.txt", DataError, "notes.txt is no set"),
        ("notes.doc", DataError, "A set is a folder of videos, a list of them"),
    ],
)
def test_what_cannot_be_opened(location: str, error: type[Exception], text: str) -> None:
    Path("clips").mkdir()
    Path("one.mp4").write_bytes(b"x")
    Path("notes.txt").write_bytes(b"x")
    Path("notes.doc").write_bytes(b"x")
    with pytest.raises(error) as caught:
        open_set(location)
    assert text in str(caught.value)


def test_presets() -> None:
    found = open_set("preset:moving_circles?n=3&seed=4&size=32&length=8")
    assert found.ids == [f"moving_circles/{i}" for i in range(3)]
    assert found.said == "3 clips drawn by preset moving_circles, seed 4"
    reader = open_clip(found.clips[1])
    assert reader.total == 8
    (_, one), (_, two) = reader.frames([2, 5])
    assert one.shape == (32, 32, 3)
    again = open_set("preset:moving_circles?n=9&size=32&length=8", seed=4)  # no seed of its own
    assert np.array_equal(next(iter(open_clip(again.clips[1]).frames([5])))[1], two)


def test_clips_drawn_are_said_on_the_command_line(tmp_path: Path, run_cli: Run) -> None:
    write_set(tmp_path / "set", 4)
    few = run_cli(
        "measure", "set", "--out", "a.measured", "--metrics", "motion", "--clips", "3", "--workers", "1"
    )
    assert few.returncode == 0, few.stderr
    assert "4 videos; 3 drawn by hash" in few.stderr
    many = run_cli(
        "measure", "set", "--out", "b.measured", "--metrics", "motion", "--clips", "9", "--workers", "1"
    )
    assert many.returncode == 0, many.stderr
    assert "9 clips wanted, 4 found: all of them are used, none twice" in many.stderr
    assert "set: 4 clips" in many.stdout


def test_a_rate_that_no_clip_takes_is_no_option(tmp_path: Path) -> None:
    write_set(tmp_path / "videos", 2)
    for i in (1, 2):
        (tmp_path / "frames/a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / f"frames/a/{i}.png")
    with pytest.raises(UsageError, match=r"--fps 12 means nothing for videos: .* leave it away"):
        open_set("videos", fps=12)
    with pytest.raises(UsageError, match="--fps 12 means nothing"):
        open_set("preset:moving_circles?n=2", fps=12)
    assert open_set("frames", fps=12).notes == ()
    frames, videos = open_all(["frames", "videos"], fps=12)  # one --fps serves all sets
    assert isinstance(frames, VideoSet) and isinstance(videos, VideoSet)
    assert {c.fps for c in frames.clips} == {12} and frames.notes == ()
    assert videos.notes == ("--fps 12 means nothing for videos: its clips have a rate of their own",)


def test_metrics_know_the_strides_that_are_sampled() -> None:
    """Two definitions, since metrics import nothing of videos."""
    assert strides.STRIDES == sampling.STRIDES
