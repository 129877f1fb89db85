"""Files that are odd but right: read as they are meant, or as the note says. Each is made here."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from synvid_eval.features import registry
from synvid_eval.video.decode import ClipRef, FewerFrames, Unreadable, VideoFile
from synvid_eval.video.sampling import Sampler
from synvid_eval.worker import Worker, clip_task
from tests.clips import moving, turned, write_video

av.logging.set_level(None)
Frames = NDArray[np.uint8]


def ref(path: Path) -> ClipRef:
    return ClipRef(path.name, "file", os.fspath(path))


def read(path: Path) -> tuple[list[Frames], list[str]]:
    reader = VideoFile(ref(path))
    frames: list[Frames] = []
    with contextlib.suppress(FewerFrames):
        frames.extend(f for _, f in reader.frames(range(reader.total)))
    return frames, reader.notes


def record(path: Path) -> dict:
    """What the worker notes of a file that it measures with all features."""
    features = [registry.get(n)() for n in ("lab", "spectrum", "motion", "tubelet", "hog")]
    arrays, found = Worker(features, Sampler(), 0).measure(clip_task(ref(path), [f.name for f in features]))
    assert "skipped" not in found
    assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")
    return found


def write(
    path: Path,
    frames: list[av.VideoFrame],
    codec: str,
    options: dict[str, str] | None = None,
    kind: str | None = None,
    times: list[int] | None = None,
) -> Path:
    """Encodes ready frames (their own pixel format) with a codec; `times` in units of 1/1000 s."""
    with av.open(os.fspath(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.options, stream.bit_rate = options or {}, 8_000_000
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i, frame in enumerate(frames):
            if times:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_ordinary_files_have_no_note(tmp_path: Path) -> None:
    for kind, suffix in (
        ("xvid", "avi"),
        ("h264", "mp4"),
        ("vp9", "webm"),
        ("mpeg2", "mpg"),
        ("ffv1", "mkv"),
    ):
        for rate in (25, 30):
            _, notes = read(write_video(tmp_path / f"a.{suffix}", moving(20), kind, rate))
            assert notes == [], (kind, rate)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mp4"), ("ffv1", "mkv")])
def test_ten_bits_are_read_as_eight(tmp_path: Path, codec: str, suffix: str) -> None:
    """A ramp of 10-bit luma (64 is black, 940 white, chroma 512 gray) is the ramp of 8-bit gray.

    FFmpeg's conversion from 10 bits to RGB is up to 2.6 levels too dark (white is 253), from 8 bits 1.
    """
    luma = np.tile(np.linspace(64, 940, 64).round().astype(np.uint16), (48, 1))
    frames = []
    for _ in range(17):
        frame = av.VideoFrame(64, 48, "yuv420p10le")
        for plane, values in zip(
            frame.planes, (luma, np.full((24, 32), 512), np.full((24, 32), 512)), strict=True
        ):
            lines = np.zeros((plane.height, plane.line_size // 2), "<u2")
            lines[:, : plane.width] = values
            plane.update(lines.tobytes())
        frames.append(frame)
    options = {"qp": "0"} if codec == "libx264" else {}
    path = write(tmp_path / f"a.{suffix}", frames, codec, options)
    got, notes = read(path)
    expected = (luma.astype(float) - 64) * 255 / 876
    assert np.abs(np.stack(got).astype(float) - expected[None, :, :, None]).max() <= 2.6
    assert notes == ["10 bits a channel: read as 8"]
    assert record(path)["notes"] == notes


def test_interlaced_fields_are_woven_as_decoded(tmp_path: Path) -> None:
    """Even lines are one moment, odd lines the next: both stay where they were."""
    # rows in 32s: below others FFmpeg encodes what memory holds, and sometimes times jump in the file
    luma = np.zeros((18, 64, 64), np.uint8)
    for t in range(18):
        luma[t, 0::2, 2 * t : 2 * t + 16] = 200
        luma[t, 1::2, 2 * t + 8 : 2 * t + 24] = 200
    frames = []
    for values in luma:
        frame = av.VideoFrame.from_ndarray(np.repeat(values[..., None], 3, -1), format="rgb24")
        frame = frame.reformat(format="yuv422p")
        frames.append(frame)
    options = {"flags": "+ildct+ilme", "field_order": "tt"}
    path = tmp_path / "a.mpg"
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 64, "yuv422p", options
        stream.bit_rate = 20_000_000
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    got, notes = read(path)
    assert len(got) == 18
    assert np.abs(np.stack(got)[..., 1].astype(int) - luma).mean() < 4
    assert notes == ["interlaced: the two fields of a frame are taken as woven, not separated"]
    assert record(path)["notes"] == notes


def test_a_variable_rate_is_noted_and_frames_go_by_number(tmp_path: Path) -> None:
    pictures = moving(20)
    times = list(np.cumsum([0] + [40, 200] * 9 + [40]).tolist())
    frames = [av.VideoFrame.from_ndarray(p, format="rgb24").reformat(format="yuv444p") for p in pictures]
    path = write(tmp_path / "a.mkv", frames, "ffv1", times=times)
    got, notes = read(path)
    assert len(got) == 20
    assert np.abs(np.stack(got).astype(int) - pictures).mean() < 3
    assert notes == ["variable frame rate: frames last 0.04 to 0.2 s and are taken by their number"]
    found = record(path)
    assert found["total"] == 20 and found["notes"] == notes


def grays(count: int, height: int, width: int) -> Frames:
    """`moving`, gray: what a codec that halves the chroma keeps."""
    return np.repeat(moving(count, height, width)[..., :1], 3, axis=-1)


def size_changes(path: Path, kind: str) -> tuple[Path, list[tuple[int, int]]]:
    """Two streams of different sizes, one after the other in one file."""
    sizes = [(32, 48), (64, 96)]
    data = b""
    for i, (height, width) in enumerate(sizes):
        part = path.with_name(f"part{i}{path.suffix}")
        pictures = [
            av.VideoFrame.from_ndarray(p, format="rgb24").reformat(
                format="yuvj420p" if kind == "mjpeg" else "yuv420p"
            )
            for p in grays(12, height, width)
        ]
        codec = "mjpeg" if kind == "mjpeg" else "mpeg2video"
        write(part, pictures, codec, kind="mjpeg" if kind == "mjpeg" else "mpegts")
        data += part.read_bytes()
    path.write_bytes(data)
    return path, [s for s in sizes for _ in range(12)]


@pytest.mark.parametrize(("kind", "suffix"), [("mjpeg", "mjpeg"), ("mpegts", "ts")])
def test_a_size_that_changes_inside_is_noted_and_each_frame_taken_as_it_is(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    path, sizes = size_changes(tmp_path / f"a.{suffix}", kind)
    got, notes = read(path)
    # FFmpeg's MPEG-2 decoder holds one frame back and loses it where the size changes
    lost = 1 if kind == "mpegts" else 0
    sizes = sizes[lost:]
    assert [f.shape[:2] for f in got] == sizes
    for height, width in set(sizes):
        same = np.stack([f for f in got if f.shape[:2] == (height, width)]).astype(float)
        assert np.abs(same - grays(12, height, width)[: len(same)]).mean() < 5
    start = len(sizes) - 12
    change = f"size changes inside the file: 48×32, from frame {start} on 96×64; each frame is taken as it is"
    assert change in notes
    found = record(path)
    assert found["total"] == len(sizes) and change in found["notes"]
    assert any("24 frames announced, 23 decode" in n for n in found["notes"]) == bool(lost)


def test_of_several_video_streams_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    first, second = moving(18, 32, 48, seed=1), moving(18, 48, 64, seed=2)
    with av.open(os.fspath(path), "w") as container:
        streams = []
        for pictures in (first, second):
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "bgr0"
            streams.append(stream)
        for pair in zip(first, second, strict=True):
            for stream, picture in zip(streams, pair, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    got, notes = read(path)
    assert np.array_equal(np.stack(got), first)
    assert notes == ["2 video streams: the first (48×32) is read"]
    assert record(path)["notes"] == notes


def test_cover_art_in_front_of_the_video_is_passed_over(tmp_path: Path) -> None:
    """An .mp4 with a picture as its cover, which FFmpeg counts among the video streams."""
    video = write_video(tmp_path / "a.mp4", moving(18), "h264")
    picture = tmp_path / "cover.png"
    Image.new("RGB", (16, 16), (200, 0, 0)).save(picture)
    path = with_cover(tmp_path / "b.mp4", video, picture.read_bytes())
    with av.open(os.fspath(path)) as container:
        assert len(container.streams.video) == 2  # else this shows nothing
    plain, _ = read(video)
    got, notes = read(path)
    assert np.array_equal(np.stack(got), np.stack(plain))
    assert notes == ["cover art: passed over"]
    assert record(path)["notes"] == notes


def with_cover(path: Path, source: Path, png: bytes) -> Path:
    """A copy of an .mp4 (its `moov` last) whose metadata hold a cover: moov/udta/meta/ilst/covr/data."""

    def box(name: bytes, body: bytes) -> bytes:
        return (len(body) + 8).to_bytes(4, "big") + name + body

    data = source.read_bytes()
    at = data.index(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    assert at + size == len(data)
    moov = data[at + 8 :]
    if b"udta" in moov:  # a text tag of the muxer's: the new one takes its place
        old = moov.index(b"udta") - 4
        moov = moov[:old] + moov[old + int.from_bytes(moov[old : old + 4], "big") :]
    cover = box(b"ilst", box(b"covr", box(b"data", (14).to_bytes(4, "big") + bytes(4) + png)))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    path.write_bytes(data[:at] + box(b"moov", moov + box(b"udta", box(b"meta", bytes(4) + handler + cover))))
    return path


def test_a_turn_is_noted(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(18, 32, 64), "h264")
    path = turned(tmp_path / "b.mp4", source, (0, 1, -1, 0))
    got, notes = read(path)
    assert got[0].shape == (64, 32, 3)
    assert notes == ["display matrix: turned or mirrored as it says"]
    found = record(path)
    assert found["size"] == [64, 32] and found["notes"] == notes


def test_a_crooked_turn_is_listed_with_its_reason(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(18), "h264")
    path = turned(tmp_path / "b.mp4", source, (1, 1, -1, 1))
    with pytest.raises(Unreadable, match="no multiple of 90 degrees"):
        read(path)
    _, found = Worker([registry.get("lab")()], Sampler(), 0).measure(clip_task(ref(path), ["lab"]))
    assert "no multiple of 90 degrees" in found["skipped"]


@pytest.mark.parametrize(("format_", "bits"), [("gray", 8), ("gray10le", 10), ("yuva444p", 8), ("pal8", 8)])
def test_other_pixel_formats_are_measured(tmp_path: Path, format_: str, bits: int) -> None:
    codec, suffix = ("png", "mov") if format_ == "pal8" else ("ffv1", "mkv")
    frames = [av.VideoFrame.from_ndarray(p, format="rgb24") for p in moving(18)]
    if format_ == "pal8":
        indices = moving(18)[..., 0]
        palette = np.full((256, 4), 255, np.uint8)
        palette[:, 1] = palette[:, 2] = palette[:, 3] = np.arange(256)
        frames = [av.VideoFrame.from_ndarray((i, palette), format="pal8") for i in indices]
    else:
        frames = [f.reformat(format=format_) for f in frames]
    path = write(tmp_path / f"a.{suffix}", frames, codec)
    got, notes = read(path)
    if format_ == "pal8":
        assert np.array_equal(np.stack(got)[..., 0], moving(18)[..., 0])
    elif format_.startswith("gray"):
        assert all(np.ptp(f.astype(int), axis=-1).max() == 0 for f in got)
    else:
        assert np.abs(np.stack(got).astype(int) - moving(18)).mean() < 3
    assert notes == ([] if bits == 8 else [f"{bits} bits a channel: read as 8"])
    assert record(path)["total"] == 18


def test_frames_of_several_sizes_among_one_set_of_views(tmp_path: Path) -> None:
    """A clip that changes size gives motion and tubelets, since those look at one crop size."""
    path, _ = size_changes(tmp_path / "a.mjpeg", "mjpeg")
    assert {"stride1", "speed"} <= record(path)["features"]["motion"]["states"].keys()


def test_hog_looks_at_its_frames_only() -> None:
    """Views are taken of the frames a feature wants, not of all that are looked at."""
    clip = moving(64)
    hog = registry.get("hog")()
    worker = Worker([hog], Sampler(), 0, clip[None])
    calls = []
    view = type(hog.view())
    original = view.__call__
    try:
        view.__call__ = lambda self, frame: calls.append(1) or original(self, frame)  # type: ignore[method-assign]
        worker.measure(clip_task(ClipRef("x", "memory", "", 0), ["hog"]))
    finally:
        view.__call__ = original  # type: ignore[method-assign]
    assert len(calls) == 4
