"""Videos as faults make them: every container the decoder meets, damaged in many ways, and odd by nature."""

from __future__ import annotations

import random
import struct
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.clips import CODECS, moving, write_video

KINDS = tuple(k for k in CODECS if k != "rgba")
WAYS = 6


def mutated(data: bytes, other: bytes, how: int, draw: random.Random) -> bytes:
    """`data` truncated, with flipped bits, with zeros, spliced with `other`, with a damaged head, or with a
    piece of it twice.
    """
    out = bytearray(data)
    at = draw.randrange(len(out))
    if how == 0:
        return bytes(out[:at])
    if how == 1:
        for _ in range(draw.randrange(1, 30)):
            out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
        return bytes(out)
    if how == 2:
        end = min(len(out), at + draw.randrange(1, 600))
        out[at:end] = bytes(end - at)
        return bytes(out)
    if how == 3:
        return bytes(out[:at]) + other[draw.randrange(len(other)) :]
    if how == 4:
        for _ in range(6):  # the header alone
            out[draw.randrange(min(len(out), 300))] = draw.randrange(256)
        return bytes(out)
    end = min(len(out), at + draw.randrange(1, 2000))
    return bytes(out[:end] + out[at:])


def good(folder: Path) -> list[Path]:
    """A sound clip of every container."""
    made = []
    for i, kind in enumerate(KINDS):
        made.append(folder / f"good_{kind}{CODECS[kind][0]}")
        write_video(made[-1], moving(20, seed=i), kind)
    return made


def bad(folder: Path, sources: list[Path], count: int, seed: int) -> Iterator[Path]:
    """`count` mutations of the sources, of each way in turn; every tenth with another's suffix."""
    draw = random.Random(seed)
    for i in range(count):
        source, other = sources[i % len(sources)], draw.choice(sources)
        suffix = draw.choice(sources).suffix if i % 10 == 9 else source.suffix
        path = folder / f"bad_{i:05d}{suffix}"
        path.write_bytes(mutated(source.read_bytes(), other.read_bytes(), i // len(sources) % WAYS, draw))
        yield path


def one_pixel(folder: Path) -> Path:
    """A clip of 1×1 px."""
    return write_video(folder / "one_pixel.mkv", np.full((20, 1, 1, 3), 7, np.uint8), "ffv1")


def wide(folder: Path) -> Path:
    """20,000 px by 2."""
    return write_video(folder / "wide.mkv", np.zeros((3, 2, 20_000, 3), np.uint8), "ffv1")


def announced_huge(folder: Path) -> Path:
    """A GIF whose screen is said to be 60,000×60,000."""
    data = bytearray(write_video(folder / "huge.gif", moving(4), "gif").read_bytes())
    data[6:10] = struct.pack("<HH", 60_000, 60_000)
    (folder / "huge.gif").write_bytes(data)
    return folder / "huge.gif"


def without_frames(folder: Path) -> Path:
    """A container whose video stream has no packet."""
    path = folder / "empty.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv444p"
        container.start_encoding()
    return path


def announced_million(folder: Path) -> Path:
    """An AVI whose headers announce a million frames."""
    path = write_video(folder / "million.avi", moving(20), "xvid")
    data = bytearray(path.read_bytes())
    head, stream = data.index(b"avih"), data.index(b"strh")
    data[head + 8 + 16 : head + 8 + 20] = struct.pack("<I", 10**6)
    data[stream + 8 + 32 : stream + 8 + 36] = struct.pack("<I", 10**6)
    path.write_bytes(data)
    return path


def _timed(path: Path, times: Callable[[int], int | None]) -> Path:
    """An MPEG-4 clip with presentation times of one's own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for i, pixels in enumerate(moving(20)):
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts = i
            for packet in stream.encode(frame):
                packet.pts = packet.dts = times(i)
                container.mux(packet)
    return path


def negative_times(folder: Path) -> Path:
    """Timestamps from −10 on."""
    return _timed(folder / "negative.mkv", lambda i: i - 10)


def missing_times(folder: Path) -> Path:
    """A raw stream, which knows no timestamps."""
    return _timed(folder / "untimed.m4v", lambda i: i)


def changing_size(folder: Path) -> Path:
    """Two streams of different sizes, one after the other."""
    parts = [
        write_video(folder / f"part{i}.mpg", moving(12, 32 * (i + 1), 48), "mpeg2").read_bytes()
        for i in (0, 1)
    ]
    for i in (0, 1):
        (folder / f"part{i}.mpg").unlink()
    (folder / "changing.mpg").write_bytes(b"".join(parts))
    return folder / "changing.mpg"


def audio_only(folder: Path) -> Path:
    """Sound under a video's suffix."""
    path = folder / "sound.avi"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    return path


def encrypted(folder: Path) -> Path:
    """H.264 under common encryption, without the key."""
    path = folder / "encrypted.mp4"
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32, "encryption_kid": "1" * 32}
    with av.open(str(path), "w", options=key) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for pixels in moving(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    return path


def endless(folder: Path) -> Path:
    """A GIF that says to play for ever, without its end."""
    path = write_video(folder / "endless.gif", moving(20), "gif")
    path.write_bytes(path.read_bytes().rstrip(b"\x3b"))
    return path


def wrong_suffix(folder: Path) -> Path:
    """Matroska that calls itself AVI."""
    made = write_video(folder / "matroska.mkv", moving(20), "ffv1")
    return made.rename(folder / "matroska.avi")


ODD: dict[str, tuple[Callable[[Path], Path], bool | None]] = {
    "one pixel": (one_pixel, True),
    "20,000 pixels wide": (wide, True),
    "60,000 pixels announced": (announced_huge, None),
    "no frame": (without_frames, False),
    "a million frames announced": (announced_million, True),
    "negative timestamps": (negative_times, True),
    "no timestamps": (missing_times, True),
    "a size that changes": (changing_size, True),
    "sound alone": (audio_only, False),
    "encrypted": (encrypted, None),
    "an endless GIF": (endless, True),
    "a wrong suffix": (wrong_suffix, True),
}
"""Name → (maker, whether it is a clip that can be measured; None where the decoder may make either of it)."""
