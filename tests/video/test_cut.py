"""A movie cut into clips: all clips together are the sequential decode, wherever decoding starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import pytest

from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, measure
from synvid_eval.sets import default_name, open_clip, open_set
from synvid_eval.video import cut
from synvid_eval.video.decode import ClipRef, FewerFrames, Unreadable
from tests.clips import CODECS, moving, sequential, write_video
from tests.conftest import Run


def movie(folder: Path, kind: str, frames: int = 100) -> Path:
    dense = ".webm", "libvpx-vp9", "yuv420p", {"cpu-used": "8", "g": "20"}
    with patch.dict(CODECS, {"vp9": dense}):  # its own keyframes are too far apart for a short movie
        return write_video(folder / f"movie{CODECS[kind][0]}", moving(frames), kind)


def in_order(clips: tuple[ClipRef, ...]) -> list[ClipRef]:
    return sorted(clips, key=lambda c: c.index)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Where decoding was begun: a keyframe's position, or None for the start of the video."""
    places: list[int | None] = []
    real = cut.CutClip._pictures

    def spy(self: cut.CutClip, start: int | None) -> Iterator[av.VideoFrame]:
        places.append(start)
        return real(self, start)

    monkeypatch.setattr(cut.CutClip, "_pictures", spy)
    return places


@pytest.mark.parametrize(
    ("kind", "sought"),
    [("xvid", False), ("h264", True), ("vp9", True), ("ffv1", False), ("mpeg2", False), ("gif", False)],
)
@pytest.mark.parametrize("seconds", [0.28, 0.4])
def test_the_clips_together_are_the_sequential_decode(
    tmp_path: Path, begun: list[int | None], kind: str, sought: bool, seconds: float
) -> None:
    path = movie(tmp_path, kind)
    found = open_set(f"cut:{path}?seconds={seconds}")
    length = round(seconds * 25)
    want = sequential(path)
    assert len(found) == len(want) // length > 5
    got = []
    for ref in in_order(found.clips):
        reader = open_clip(ref)
        assert (reader.total, reader.fps) == (length, 25)
        got += [f for _, f in reader.frames(range(length))]
    assert len(got) == len(found) * length
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=False))
    assert len(begun) == len(found)  # never begun twice: no seeking had to be given up
    if sought:
        assert len({b for b in begun if b}) > 0
        assert None not in begun
    else:
        assert set(begun) == {None}


def test_single_frames_of_a_clip_in_any_order_of_clips(tmp_path: Path) -> None:
    path = movie(tmp_path, "h264")
    want = sequential(path)
    found = open_set(f"cut:{path}?seconds=1")
    for ref in reversed(in_order(found.clips)):
        for wanted in ([0], [3, 17], [24]):
            for position, frame in open_clip(ref).frames(wanted):
                assert np.array_equal(frame, want[ref.index + position])


def test_h264_without_idr_frames_is_read_from_the_start(tmp_path: Path, begun: list[int | None]) -> None:
    """Open groups of pictures: keyframes after which older pictures are still needed are not relied on."""
    path = tmp_path / "open.mkv"
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        stream.options = {"x264-params": "open-gop=1:keyint=10:bframes=3"}
        for array in moving(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    want = sequential(path)
    found = open_set(f"cut:{path}?seconds=0.4")
    got = [f for ref in in_order(found.clips) for _, f in open_clip(ref).frames(range(ref.length))]
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))
    with av.open(os.fspath(path)) as container:
        flagged = sum(p.is_keyframe for p in container.demux(video=0) if p.size)
    assert flagged > len(cut.index_of(os.fspath(path)).starts)


def test_seeking_that_leads_astray_is_given_up(
    tmp_path: Path, begun: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = movie(tmp_path, "h264")
    want = sequential(path)
    found = open_set(f"cut:{path}?seconds=1")
    real = cut.index_of

    def wrong(path: str, *args: Any) -> cut.Index:  # every position is taken for a keyframe
        index = real(path, *args)
        return cut.Index(index.total, index.fps, index.times, np.arange(index.total))

    monkeypatch.setattr(cut, "index_of", wrong)
    ref = in_order(found.clips)[2]
    shifted = ClipRef(ref.id, "cut", ref.path, ref.index + 3, fps=25, length=10)
    got = [f for _, f in open_clip(shifted).frames(range(10))]
    assert all(np.array_equal(a, b) for a, b in zip(got, want[53:63], strict=True))
    assert begun == [53, None]


def test_a_picture_that_is_missing_makes_the_clip_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = movie(tmp_path, "h264")
    found = open_set(f"cut:{path}?seconds=1")
    real = cut.CutClip._pictures

    def holey(self: cut.CutClip, start: int | None) -> Iterator[av.VideoFrame]:
        due = int(self._index.times[60])
        return (p for p in real(self, start) if p.pts != due)

    monkeypatch.setattr(cut.CutClip, "_pictures", holey)
    one, two, three, four = in_order(found.clips)
    for good in (one, two, four):
        assert len(list(open_clip(good).frames(range(25)))) == 25
    with pytest.raises(Unreadable, match="frame 60 of the video does not decode"):
        list(open_clip(three).frames(range(25)))


def test_fewer_frames_than_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = movie(tmp_path, "xvid")
    found = in_order(open_set(f"cut:{path}?seconds=1").clips)
    real = cut.CutClip._pictures

    def short(self: cut.CutClip, start: int | None) -> Iterator[av.VideoFrame]:
        return (p for i, p in enumerate(real(self, start)) if i < 60)

    monkeypatch.setattr(cut.CutClip, "_pictures", short)
    with pytest.raises(FewerFrames) as caught:
        list(open_clip(found[2]).frames([0]))
    assert caught.value.decoded == 10
    with pytest.raises(Unreadable, match="decodes 60 frames, this clip begins after them"):
        list(open_clip(found[3]).frames([0]))


def test_what_is_said(tmp_path: Path) -> None:
    path = movie(tmp_path, "xvid", 60)
    found = open_set(f"cut:{path}?seconds=1")
    assert found.said == f"2 clips of 25 frames (1 s), cut from {path}"
    assert found.ids == ["movie.avi[0]", "movie.avi[1]"]
    assert {c.kind for c in found.clips} == {"cut"}
    rest, slow = found.notes
    assert rest == f"{path}: no whole clip is left of the last 10 frames (0.4 s): left out"
    assert "each clip is decoded from the video's start, together about 1 time the whole" in slow
    assert open_set(f"cut:{movie(tmp_path, 'h264', 50)}?seconds=1").notes == ()
    assert default_name(f"cut:{path}?seconds=1") == found.name == "movie"


def test_a_movie_with_a_question_mark_in_its_name(tmp_path: Path) -> None:
    path = movie(tmp_path, "h264", 30).rename(tmp_path / "who? me.mp4")
    assert open_set(f"cut:{path}?seconds=1").ids == ["who? me.mp4[0]"]


@pytest.mark.parametrize(
    ("location", "error", "text"),
    [
        ("cut:movie.avi", UsageError, "It is cut:MOVIE?seconds=4"),
        ("cut:movie.avi?second=4", UsageError, "It is cut:MOVIE?seconds=4"),
        ("cut:movie.avi?seconds=4&x=1", UsageError, "It is cut:MOVIE?seconds=4"),
        ("cut:movie.avi?seconds=0", UsageError, "seconds=0 in"),
        ("cut:movie.avi?seconds=nan", UsageError, "seconds=nan in"),
        ("cut:movie.avi?seconds=four", UsageError, "seconds=four in"),
        (
            "cut:movie.avi?seconds=0.01",
            DataError,
            "seconds=0.01 is less than one frame of movie.avi, which lasts",
        ),
        ("cut:list.avi?seconds=1", DataError, "a playlist, not a video"),
        ("cut:movie.avi?seconds=9", DataError, "is 1.2 s long, shorter than one clip of 9 s"),
        ("cut:none.avi?seconds=1", DataError, "none.avi does not exist"),
        ("cut:.?seconds=1", DataError, ". is a folder"),
        ("cut:notes.avi?seconds=1", DataError, "cannot be decoded"),
    ],
)
def test_what_cannot_be_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, error: type[Exception], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    movie(tmp_path, "xvid", 30)
    (tmp_path / "notes.avi").write_bytes(b"no video")
    (tmp_path / "list.avi").write_bytes(b"ffconcat version 1.0\nfile movie.avi\n")
    with pytest.raises(error) as caught:
        open_set(location)
    assert text in str(caught.value)


def test_more_clips_than_any_video_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"into 2,000,000 clips, more than 1,000,000\. Give more seconds"):
        cut.cut_movie(Path("film.mp4"), 1.0, 50_000_000, 25.0, True)


def test_a_video_that_hangs_or_crashes_harms_no_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets are counted in a process of its own, which is ended when it says nothing."""
    path = movie(tmp_path, "h264", 30)
    for body, reason in (("time.sleep(60)", "hung: no new frame for 1 s"), ("os.abort()", "crashed")):
        (tmp_path / "bad").mkdir(exist_ok=True)
        site = "import os, sys, time\nif 'synvid_eval.prober' in sys.orig_argv:\n    import av\n"
        site += f"    av.open = lambda *a, **k: {body}\n"
        (tmp_path / "bad" / "sitecustomize.py").write_text(site)
        monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path / "bad"))
        with pytest.raises(DataError) as caught:
            open_set(f"cut:{path}?seconds=1", decode_timeout=1)
        assert f"{path}: {reason}" in str(caught.value)


def test_a_clip_says_that_it_is_decoded_from_the_start_where_that_was_not_foreseen(tmp_path: Path) -> None:
    path = movie(tmp_path, "h264", 50)
    index = cut.index_of(os.fspath(path))
    one, two = in_order(open_set(f"cut:{path}?seconds=1").clips)
    none = cut.Index(index.total, index.fps, index.times[:0], index.starts[:0], True)
    with patch.object(cut, "index_of", lambda *_: none):
        assert cut.CutClip(one).notes == []
        assert "decoded from its start" in cut.CutClip(two).notes[0]


@pytest.mark.slow
def test_other_lengths_are_other_cache_entries(tmp_path: Path) -> None:
    """The same first clip ids, other frames: nothing of the first measurement may be taken for the second."""
    path = movie(tmp_path, "h264", 80)
    options = Options(workers=1)
    one = measure(f"cut:{path}?seconds=0.8", features=["motion"], options=options)
    two = measure(f"cut:{path}?seconds=1.6", features=["motion"], options=options)
    assert [c.total for c in one.clips] == [20] * 4
    assert [c.total for c in two.clips] == [40] * 2
    assert not {c.content for c in one.clips} & {c.content for c in two.clips}


def test_on_the_command_line(tmp_path: Path, run_cli: Run) -> None:
    path = movie(tmp_path, "xvid", 70)
    done = run_cli(
        "measure", f"cut:{path}?seconds=0.8", "--out", "a.measured", "--metrics", "motion", "--workers", "1"
    )
    assert done.returncode == 0, done.stderr
    assert "movie: 3 clips, 48 frames" in done.stdout
    assert "no whole clip is left of the last 10 frames" in done.stderr


def test_pieces_of_one_film_bear_no_interval(tmp_path: Path) -> None:
    """They are no independent draws: one source, and ten are needed."""
    from synvid_eval.comparison import DEFAULT_METRICS, compare
    from synvid_eval.measurement import Options

    film = write_video(tmp_path / "film.mkv", moving(300), "ffv1")
    sets = f"cut:{film}?seconds=0.8", f"again=cut:{film}?seconds=1"
    result = compare(*sets, metrics=DEFAULT_METRICS, options=Options(workers=1))
    assert result.candidates[0].clips == 15
    for score in result.scores:
        assert score.interval is None and score.corrected is None
        assert "1 source" in str(score.interval_reason)
