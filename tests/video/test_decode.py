"""Decoding against PyAV's own sequential decoding, and everything odd a file can be."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from synvid_eval.features.motion import Motion
from synvid_eval.features.spectrum import Spectrum
from synvid_eval.video import decode
from synvid_eval.video.decode import ClipRef, FewerFrames, FrameFolder, Unreadable, VideoFile
from synvid_eval.video.sampling import Sampler
from synvid_eval.worker import Worker, clip_task
from tests.clips import CODECS, moving, packets, sequential, turned, write_sound, write_video

av.logging.set_level(None)


def ref(path: Path) -> ClipRef:
    return ClipRef(path.name, "file", os.fspath(path))


def read(path: Path, wanted: range | list[int] | None = None) -> list[NDArray[np.uint8]]:
    reader = VideoFile(ref(path))
    return [f for _, f in reader.frames(range(reader.total) if wanted is None else wanted)]


@pytest.mark.parametrize("kind", ["xvid", "h264", "ffv1", "gif", "vp9", "mpeg2"])
def test_frames_equal_sequential_decoding(tmp_path: Path, kind: str) -> None:
    path = write_video(tmp_path / f"a{CODECS[kind][0]}", moving(40), kind)
    expected = sequential(path)
    reader = VideoFile(ref(path))
    assert reader.total == packets(path)
    got = list(decode.all_frames(reader))
    assert len(got) == len(expected) == 40
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
    wanted = [3, 4, 11, 12, 13, 29, 39]
    some = dict(VideoFile(ref(path)).frames(wanted))
    assert list(some) == wanted
    assert all(np.array_equal(some[i], expected[i]) for i in wanted)


def test_the_xvid_file_of_these_tests_has_b_frames(tmp_path: Path) -> None:
    """Without them the test above would not show what it is for."""
    path = write_video(tmp_path / "a.avi", moving(40), "xvid")
    with av.open(os.fspath(path)) as container:
        kinds = [int(f.pict_type) for f in container.decode(video=0)]
    assert kinds.count(int(av.video.frame.PictureType.B)) >= 10


def test_only_wanted_frames_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.avi", moving(40))
    calls = []
    real = decode.to_rgb
    monkeypatch.setattr(decode, "to_rgb", lambda frame: calls.append(1) or real(frame))
    assert len(read(path, [0, 7, 39])) == 3
    assert len(calls) == 3


def test_every_decoded_frame_is_a_sign_of_life(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving(40))
    beats = []
    reader = VideoFile(ref(path), lambda: beats.append(1))
    before = len(beats)
    assert before >= 40  # counting the packets of a huge file takes long, too
    list(reader.frames([39]))
    assert len(beats) - before == 40


def test_a_file_larger_than_what_is_kept_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", moving(30), "h264")
    monkeypatch.setattr(decode, "_KEEP_BYTES", 1000)
    assert path.stat().st_size > 1000
    got = read(path)
    assert all(np.array_equal(a, b) for a, b in zip(got, sequential(path), strict=True))


def test_frame_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving(10), rate=30)
    assert VideoFile(ref(path)).fps == pytest.approx(30)


def fewer(tmp_path: Path) -> Path:
    """A file whose first packets cannot be decoded: the key frame is gone, so fewer frames than packets."""
    source = write_video(tmp_path / "whole.avi", moving(40), "h264")
    path = tmp_path / "fewer.avi"
    with av.open(os.fspath(source)) as given, av.open(os.fspath(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        kept = 0
        for packet in given.demux(video=0):
            if packet.size and not (packet.is_keyframe and kept == 0):
                packet.stream = stream
                made.mux(packet)
            kept += bool(packet.size)
    return path


def test_fewer_frames_are_looked_at_again_and_noted(tmp_path: Path) -> None:
    path = fewer(tmp_path)
    announced, frames = packets(path), sequential_lenient(path)
    decoded = len(frames)
    assert 0 < decoded < announced
    with pytest.raises(FewerFrames) as caught:
        read(path)
    assert caught.value.decoded == decoded
    features = [Spectrum(), Motion()]
    arrays, record = Worker(features, Sampler(), 0).measure(clip_task(ref(path), ["spectrum", "motion"]))
    assert record["total"] == decoded
    assert record["notes"] == [
        f"{announced} frames announced, {decoded} decode: looked at again with {decoded}"
    ]
    # the same as a clip that simply has these frames
    memory = np.stack(frames)[None]
    clip = ClipRef(path.name, "memory", "", 0)
    same, _ = Worker(features, Sampler(), 0, memory).measure(clip_task(clip, ["spectrum", "motion"]))
    assert arrays.keys() == same.keys()
    assert all(np.array_equal(arrays[k], same[k]) for k in arrays)


def sequential_lenient(path: Path) -> list[NDArray[np.uint8]]:
    out: list[NDArray[np.uint8]] = []
    with av.open(os.fspath(path)) as container:
        for packet in container.demux(video=0):
            try:
                out += [f.to_ndarray(format="rgb24") for f in packet.decode()]
            except av.FFmpegError:
                continue
    return out


def test_real_clips_that_decode_fewer_frames_are_measured_and_noted(test_data: Path) -> None:
    path = test_data / "ucf101" / "Swing" / "v_Swing_g02_c01.avi"
    if not path.exists():
        pytest.skip(f"SYNVID_EVAL_TEST_DATA has no {path.name}")
    announced, decoded = packets(path), len(sequential(path))
    assert 1 <= announced - decoded <= 4
    _, record = Worker([Motion()], Sampler(), 0).measure(clip_task(ref(path), ["motion"]))
    assert record["total"] == decoded
    assert f"{announced} frames announced, {decoded} decode" in record["notes"][0]


def test_real_clips_equal_sequential_decoding(test_data: Path) -> None:
    files = sorted((test_data / "ucf101").rglob("*.avi"))[::40]
    assert files
    for path in files:
        expected = sequential(path)
        wanted = list(Sampler().plan(len(expected), "x", 0).frames)
        got = []
        try:
            got.extend(VideoFile(ref(path)).frames(wanted))
        except FewerFrames as short:
            assert short.decoded == len(expected)
        assert [i for i, _ in got] == wanted
        assert all(np.array_equal(frame, expected[i]) for i, frame in got)


@pytest.mark.parametrize("kind", ["rgba"])
def test_alpha_is_laid_over_black(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 16, 24, 4), dtype=np.uint8)
    path = write_video(tmp_path / "a.mov", frames, kind)
    expected = np.rint(frames[..., :3].astype(float) * (frames[..., 3:] / 255.0)).astype(np.uint8)
    assert np.array_equal(np.stack(read(path)), expected)


def test_a_transparent_gif_is_black_where_nothing_is(tmp_path: Path) -> None:
    pictures = []
    for i in range(3):
        picture = Image.new("RGBA", (24, 16), (0, 0, 0, 0))
        picture.paste((250, 240, 10 * i, 255), (4 * i, 4, 4 * i + 6, 10))
        pictures.append(picture)
    path = tmp_path / "a.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], disposal=2, transparency=0)
    for i, frame in enumerate(read(path)):
        assert frame.shape == (16, 24, 3)
        assert not frame[12:].any()
        assert (frame[5, 4 * i + 1, :2] > 200).all()


def test_turns_and_mirrors_of_the_display_matrix(tmp_path: Path) -> None:
    """The matrix sends the point (x, y) to (a·x + c·y, b·x + d·y): done here pixel by pixel."""
    source = write_video(tmp_path / "a.mp4", moving(4, 32, 64), "h264")
    plain = sequential(source)
    for number, (a, b, c, d) in enumerate(
        [
            (0, 1, -1, 0),
            (0, -1, 1, 0),
            (-1, 0, 0, -1),
            (-1, 0, 0, 1),
            (1, 0, 0, -1),
            (0, 1, 1, 0),
            (0, -1, -1, 0),
        ]
    ):
        got = read(turned(tmp_path / f"{number}.mp4", source, (a, b, c, d)))
        height, width = plain[0].shape[:2]
        points = {(x, y): (a * x + c * y, b * x + d * y) for x in range(width) for y in range(height)}
        left, top = min(p[0] for p in points.values()), min(p[1] for p in points.values())
        for before, after in zip(plain, got, strict=True):
            assert after.shape == ((height, width, 3) if a else (width, height, 3))
            expected = np.zeros_like(after)
            for (x, y), (u, v) in points.items():
                expected[v - top, u - left] = before[y, x]
            assert np.array_equal(after, expected)


def test_a_crooked_display_matrix_is_a_reason(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(4), "h264")
    with pytest.raises(Unreadable, match="display matrix turns it by no multiple of 90"):
        read(turned(tmp_path / "b.mp4", source, (1, 1, -1, 1)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 31), (2, 3), (1, 40), (33, 1)])
def test_odd_sizes(tmp_path: Path, height: int, width: int) -> None:
    frames = moving(18, height, width)
    path = write_video(
        tmp_path / "a.mov", np.concatenate([frames, np.full_like(frames[..., :1], 255)], -1), "rgba"
    )
    assert np.array_equal(np.stack(read(path)), frames)
    features = [Spectrum(), Motion()]
    _, record = Worker(features, Sampler(), 0).measure(clip_task(ref(path), ["spectrum", "motion"]))
    assert record["size"] == [height, width]


def test_gray_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    levels = np.repeat(moving(5)[..., :1], 3, axis=-1)
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "gray"
        for array in levels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array[..., 0].copy(), format="gray")))
        container.mux(stream.encode())
    assert np.array_equal(np.stack(read(path)), np.stack(sequential(path)))
    assert np.abs(np.stack(read(path)).astype(int) - levels).max() <= 1


def make_text(path: Path) -> None:
    path.write_text("this is no video\n" * 50)


def make_truncated(path: Path) -> None:
    data = write_video(path.with_name("whole.mp4"), moving(30), "h264").read_bytes()
    path.write_bytes(data[: len(data) // 2])


def make_cover(path: Path) -> None:
    """A FLAC with a front cover: its only video stream is an attached picture."""
    with av.open(os.fspath(path.with_suffix(".flac")), "w") as container:
        stream = container.add_stream("flac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = path.with_suffix(".flac").read_bytes()
    picture = path.with_suffix(".png")
    Image.new("RGB", (8, 8), (200, 0, 0)).save(picture)
    png = picture.read_bytes()

    def number(value: int) -> bytes:
        return value.to_bytes(4, "big")

    body = number(3) + number(9) + b"image/png" + number(0)
    body += number(8) + number(8) + number(24) + number(0) + number(len(png)) + png
    first = 4 + 4 + int.from_bytes(data[5:8], "big")  # "fLaC" and the STREAMINFO block
    block = bytes([6]) + len(body).to_bytes(3, "big") + body
    path.write_bytes(data[:4] + bytes([data[4] & 0x7F]) + data[5:first] + block + data[first:])
    with av.open(os.fspath(path)) as container:
        assert len(container.streams.video) == 1  # else this shows nothing


ODD = {
    "empty": (lambda p: p.write_bytes(b""), "cannot be decoded: "),
    "text": (make_text, "cannot be decoded: "),
    "truncated": (make_truncated, "cannot be decoded: "),
    "sound": (lambda p: write_sound(p.with_suffix(".wav")).rename(p), "no video stream"),
    "cover": (make_cover, "no video stream"),
    "folder": (lambda p: p.mkdir(), "not a regular file"),
    "fifo": (os.mkfifo, "not a regular file"),
    "dangling link": (lambda p: p.symlink_to("nowhere.mp4"), "cannot be decoded: No such file"),
    "device": (lambda p: p.symlink_to("/dev/zero"), "not a regular file"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", ODD)
def test_what_is_no_video_has_a_reason(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.mp4"
    make, reason = ODD[what]
    make(path)
    with pytest.raises(Unreadable, match=reason):
        read(path)
    arrays, record = Worker([Motion()], Sampler(), 0).measure(clip_task(ref(path), ["motion"]))
    assert arrays == {}
    assert reason in record["skipped"]


def test_a_stream_without_decoder_has_a_reason(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", moving(10), "h264").read_bytes()
    path = tmp_path / "b.mp4"
    path.write_bytes(data.replace(b"avc1", b"zzzz"))
    assert path.read_bytes() != data
    with pytest.raises(Unreadable, match="no decoder"):
        read(path)


def test_a_reader_of_pictures(tmp_path: Path) -> None:
    frames = moving(12)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"img_{i}.png")  # natural order: img_2 before img_10
    reader = FrameFolder(ClipRef("a", "frames", os.fspath(tmp_path), fps=12.5))
    assert (reader.total, reader.fps) == (12, 12.5)
    got = dict(reader.frames([1, 2, 10, 11]))
    assert all(np.array_equal(got[i], frames[i]) for i in (1, 2, 10, 11))


def test_kinds_of_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    deep = rng.integers(0, 65536, (9, 7), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(decode.read_picture(tmp_path / "deep.png")[..., 1], deep >> 8)
    gray = rng.integers(0, 256, (9, 7), dtype=np.uint8)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert np.array_equal(decode.read_picture(tmp_path / "gray.png"), np.repeat(gray[..., None], 3, -1))
    rgba = rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    expected = np.rint(rgba[..., :3] * (rgba[..., 3:] / 255.0)).astype(np.uint8)
    assert np.array_equal(decode.read_picture(tmp_path / "rgba.png"), expected)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    upright = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(upright).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode.read_picture(tmp_path / "turned.png"), np.rot90(upright, -1))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkfifo, make_text, lambda p: p.write_bytes(b"")])
def test_a_bad_picture_names_itself(tmp_path: Path, make: object) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    make(tmp_path / "2.png")  # type: ignore[operator]
    reader = FrameFolder(ClipRef("a", "frames", os.fspath(tmp_path)))
    with pytest.raises(Unreadable, match=r"^2\.png: "):
        list(reader.frames([0, 1]))


PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile 'other.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "dash": '<?xml version="1.0"?>\n<MPD type="static"><Period><BaseURL>other.mp4</BaseURL></Period></MPD>\n',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_what_a_playlist_names_is_never_opened(tmp_path: Path, kind: str) -> None:
    write_video(tmp_path / "other.mp4", moving(20), "h264")
    os.mkfifo(tmp_path / "pipe")  # whoever opened it would wait here
    for target in ("other.mp4", "pipe"):
        path = tmp_path / "evil.mp4"
        path.write_text(PLAYLISTS[kind].replace("other.mp4", target))
        with pytest.raises(Unreadable, match="a playlist, not a video: what it names is not opened"):
            VideoFile(ref(path))


@pytest.mark.parametrize("kind", CODECS)
def test_every_container_of_these_tests_is_allowed(tmp_path: Path, kind: str) -> None:
    assert VideoFile(ref(write_video(tmp_path / f"a{CODECS[kind][0]}", moving(4), kind))).total == 4


def test_huge_frames_are_refused_before_they_are_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.gif", moving(4), "gif")
    (tmp_path / "frames").mkdir()
    Image.new("RGB", (48, 32)).save(tmp_path / "frames/1.png")
    folder = FrameFolder(ClipRef("frames", "frames", os.fspath(tmp_path / "frames")))
    reader = VideoFile(ref(path))
    monkeypatch.setattr(decode, "MOST_PIXELS", 1000)
    with pytest.raises(
        Unreadable, match=r"a frame of 48×32 pixels: more than 0\.001 megapixels are not read"
    ):
        VideoFile(ref(path))
    with pytest.raises(
        Unreadable, match=r"cannot be decoded: a frame of 48×32"
    ):  # a size that changes within the file
        list(reader.frames([0]))
    with pytest.raises(Unreadable, match=r"1\.png: a frame of 48×32"):
        list(folder.frames([0]))
    monkeypatch.undo()
    Image.new("1", (11_000, 11_000)).save(tmp_path / "huge.gif")
    with pytest.raises(Unreadable, match="11000×11000 pixels: more than 100 megapixels"):
        VideoFile(ref(tmp_path / "huge.gif"))
