"""Writing clips: frames → one file (or a folder of pictures), the same bytes for the same frames.

- `mp4`: H.264 (x264, constant quality 18, `veryfast`), 4:2:0, BT.601 said in the file. Every player takes it,
  and it loses: of hard edges in saturated colors, such as those of plain shapes, chroma subsampling alone
  leaves some 27 dB. x264's macroblock tree is off, since it reads memory that was never set: within one
  process the same frames otherwise came out as other pixels.
- `ffv1`: lossless, in Matroska. Larger by a factor of three or so, and quicker to write.
- `npz`: `frames` uint8 [T, H, W, 3], stored, so that it can be memory-mapped.
- `png`: a folder of numbered pictures, lossless.

One thread an encoder and no dates or random identifiers: with other numbers of threads x264 writes other
pixels.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError
from synvid_eval.video.decode import Frame

CRF = 18
PRESET = "veryfast"
DIGITS = 5  # of the numbers of pictures


@dataclass(frozen=True)
class Format:
    """A way to write clips. suffix: of its files ("" for folders); lossless; about: a phrase for help."""

    suffix: str
    lossless: bool
    about: str


FORMATS = {
    "mp4": Format(".mp4", False, "H.264, 4:2:0, for any player; loses (the manifest says how much)"),
    "ffv1": Format(".mkv", True, "lossless, in Matroska"),
    "npz": Format(".npz", True, "`frames` uint8 [T, H, W, 3], uncompressed"),
    "png": Format("", True, "a folder of numbered pictures a clip"),
}


class Hashed:
    """Frames that are hashed and counted while they pass: `sha256` of the raw RGB, `frames`, `size` [H, W].

    Raises DataError (while iterated) for frames that are not all of one size.
    """

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._source, self._digest = frames, hashlib.sha256()
        self.frames, self.size = 0, (0, 0)

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            size = (int(frame.shape[0]), int(frame.shape[1]))
            if self.frames and size != self.size:
                was = f"{self.size[1]}×{self.size[0]}"
                raise DataError(
                    f"frame {self.frames} is {size[1]}×{size[0]} px, those before {was}.",
                    "A clip has one size.",
                )
            self.size = size
            self._digest.update(np.ascontiguousarray(frame).data)
            self.frames += 1
            yield frame

    @property
    def sha256(self) -> str:
        """Of what has passed, hex."""
        return self._digest.hexdigest()


def write_clip(path: Path, kind: str, frames: Iterable[Frame], fps: float, **arrays: NDArray[Any]) -> None:
    """Writes a clip under exactly that path, which must not exist.

    Args:
        kind: of FORMATS. frames: uint8 [H, W, 3] RGB, at least one, all of one size. fps: frames a second.
        arrays: more arrays for an npz.

    Raises:
        DataError: no frame, frames of several sizes, odd sizes for mp4 (4:2:0 has none).
    """
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise DataError("a clip without frames cannot be written.")
    whole = itertools.chain([first], stream)
    if kind == "npz":
        write_npz(path, {"frames": np.stack(list(whole)), **arrays})
    elif kind == "png":
        _write_pictures(path, whole)
    else:
        _write_video(path, kind, whole, first.shape[0], first.shape[1], fps)


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]], compressed: bool = False) -> None:
    """An .npz of arrays, the same bytes for the same arrays (and version of zlib)."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            facts = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            facts.compress_type = method
            with archive.open(facts, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _write_pictures(folder: Path, frames: Iterable[Frame]) -> None:
    import cv2

    folder.mkdir()
    for number, frame in enumerate(frames):
        done, data = cv2.imencode(".png", frame[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
        if not done:
            raise DataError(f"frame {number} cannot be written as PNG.")
        (folder / f"{number:0{DIGITS}}.png").write_bytes(data.tobytes())


def _write_video(path: Path, kind: str, frames: Iterable[Frame], height: int, width: int, fps: float) -> None:
    import av

    if kind == "mp4" and (height % 2 or width % 2):
        raise DataError(
            f"frames of {width}×{height} px cannot be written as mp4: 4:2:0 wants even sizes.",
            "Take another size, or --format ffv1.",
        )
    options: dict[str, Any] = {"flags": "+bitexact"}
    if kind == "mp4":
        options |= {"crf": str(CRF), "preset": PRESET, "x264-params": "mbtree=0"}
    else:
        options |= {"level": "3", "slicecrc": "1"}
    form, pixels = ("mp4", "yuv420p") if kind == "mp4" else ("matroska", "bgr0")
    with av.open(os.fspath(path), "w", format=form, options={"fflags": "+bitexact"}) as container:
        rate = Fraction(str(fps)).limit_denominator(1001)
        stream = (
            container.add_stream("libx264", rate=rate)
            if kind == "mp4"
            else container.add_stream("ffv1", rate=rate)
        )
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.thread_count = 1
        if kind == "mp4":  # what the conversion does: BT.601, limited range
            stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
        stream.options = options
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def read_clip(path: Path, kind: str) -> Iterator[Frame]:
    """The frames of a clip that `write_clip` wrote, uint8 [H, W, 3] RGB."""
    if kind == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            yield from arrays["frames"]
    elif kind == "png":
        import cv2

        for name in sorted(os.listdir(path)):
            picture = cv2.imdecode(np.fromfile(path / name, np.uint8), cv2.IMREAD_COLOR)
            if picture is None:
                raise DataError(f"{path / name} is no picture.")
            yield np.ascontiguousarray(picture[..., ::-1], np.uint8)
    else:
        import av

        with av.open(os.fspath(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def loss(path: Path, kind: str, frames: Callable[[], Iterable[Frame]]) -> float | None:
    """What a written clip lost: its PSNR against `frames()` [dB], over all values of all pixels of all
    frames; None where it lost nothing.

    Raises:
        DataError: it has another number of frames, or is of a lossless kind and differs.
    """
    total, error, seen, known = 0, 0, 0, 0
    for read, frame in itertools.zip_longest(read_clip(path, kind), frames()):
        seen, known = seen + (read is not None), known + (frame is not None)
        if read is not None and frame is not None:
            step = read.astype(np.int32) - frame
            error += int(np.einsum("ijk,ijk->", step, step, dtype=np.int64))
            total += step.size
    if seen != known or (error and FORMATS[kind].lossless):
        what = f"{seen} frames of {known}" if seen != known else "other pixels"
        raise DataError(
            f"{path} was read again and holds {what}.", "Is the disk sound? Remove it and run again."
        )
    return 10 * float(np.log10(255**2 * total / error)) if error else None
