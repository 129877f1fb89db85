"""Small videos for tests: frames that differ from each other, in many codecs and containers."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

# name → (suffix, codec, pixel format, codec options)
CODECS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "xvid": (".avi", "mpeg4", "yuv420p", {"bf": "2", "g": "12", "flags": "+mv4"}),
    "h264": (".mp4", "libx264", "yuv420p", {"bf": "3", "g": "10"}),
    "ffv1": (".mkv", "ffv1", "yuv444p", {}),
    "vp9": (".webm", "libvpx-vp9", "yuv420p", {"cpu-used": "8"}),
    "mpeg2": (".mpg", "mpeg2video", "yuv420p", {"bf": "2"}),
    "gif": (".gif", "gif", "rgb8", {}),
    "rgba": (".mov", "png", "rgba", {}),
}


def moving(count: int, height: int = 32, width: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    """Frames uint8 [count, height, width, 3] of smooth colored noise that shifts from frame to frame."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8)
    base = np.kron(small, np.ones((4, 4, 1), np.uint8))
    frames = [np.roll(base, (i, 2 * i), (0, 1))[:height, :width] for i in range(count)]
    out = np.stack(frames)
    for i in range(count):  # a number that is in the picture: wrong frames cannot pass for right ones
        out[i, : max(1, height // 4), : max(1, width // 4)] = (i * 37 % 256, i * 11 % 256, 255 - i * 5 % 256)
    return out


def write_video(path: Path, frames: NDArray[np.uint8], kind: str = "xvid", rate: int = 25) -> Path:
    """Encodes frames [T, H, W, 3] (RGB) or [T, H, W, 4] (RGBA) as a kind of `CODECS`; the file's path."""
    _, codec, pixel_format, options = CODECS[kind]
    with av.open(os.fspath(path), "w", format={".avi": "avi"}.get(path.suffix)) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = pixel_format, options
        for array in frames:
            source = "rgba" if array.shape[-1] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=source)
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with a sound stream and no video."""
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turned(path: Path, source: Path, matrix: Sequence[int]) -> Path:
    """A copy of an .mp4 whose track header has the display matrix elements a, b, c, d (whole numbers)."""
    data = source.read_bytes()
    unity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.index(unity, data.index(b"tkhd"))
    a, b, c, d = (m << 16 for m in matrix)
    path.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :])
    return path


def sequential(path: Path) -> list[NDArray[np.uint8]]:
    """Every frame as PyAV decodes it from first to last: the oracle."""
    with av.open(os.fspath(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


def packets(path: Path) -> int:
    """The number of video packets in a file."""
    with av.open(os.fspath(path)) as container:
        return sum(p.size > 0 for p in container.demux(video=0))


def write_set(folder: Path, count: int, kind: str = "xvid", frames: int = 20) -> Path:
    """A flat folder of `count` different videos."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        write_video(folder / f"clip_{i:03d}{CODECS[kind][0]}", moving(frames, seed=i), kind)
    return folder
