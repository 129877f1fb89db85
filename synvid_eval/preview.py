"""Previews: a clip small enough to stand in a page, as a still (WebP) or playing (VP9 in WebM).

Both are encoded with one thread and without dates, so the same frames are the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synvid_eval.sets import open_clip
from synvid_eval.states import Arrays
from synvid_eval.video.decode import ClipRef, FewerFrames, Unreadable

REVISION = 1

FRAMES = 16
STRIDE = 2  # frames of the clip a frame of the preview
SHORT, LONG = 112, 200  # most pixels of the short and of the long side
STILL = 0.5  # scale of a still that stands for itself
RATE = 12.5  # frames a second where a clip knows no rate of its own
CRF = 40  # constant quality of VP9, 0 to 63; about 8 kB a clip
WEBP = 55  # quality of the stills, 0 to 100


def plan(total: int) -> list[int]:
    """Frame indices of a preview: up to `FRAMES` in the middle of the clip, at stride 2 where it is long
    enough.
    """
    stride = STRIDE if total >= (FRAMES - 1) * STRIDE + 1 else 1
    count = min(FRAMES, total)
    first = (total - ((count - 1) * stride + 1)) // 2
    return [first + i * stride for i in range(count)]


def small_size(height: int, width: int, scale: float = 1.0) -> tuple[int, int]:
    """(width, height) within `SHORT` × `LONG`, both even and at least 2, never larger than the frame."""
    shrink = min(1.0, SHORT / min(height, width), LONG / max(height, width)) * scale
    return max(2, round(width * shrink / 2) * 2), max(2, round(height * shrink / 2) * 2)


def preview(
    ref: ClipRef, moving: bool, beat: Callable[[], None], array: NDArray[Any] | None = None
) -> tuple[Arrays, dict[str, Any]]:
    """A clip's still and, if asked, its moving picture. `array` is the set that "memory" clips index.

    Returns ({"poster": uint8 bytes of a WebP, "video": uint8 bytes of a WebM}, facts): `width`, `height` in
    pixels, `frames`, `fps` of the preview. Without `moving` the still alone, half as large. `skipped` alone,
    the reason, where the clip cannot be read.
    """
    try:
        reader = open_clip(ref, array, beat)
        indices = plan(reader.total)
        wanted = indices if moving else [indices[len(indices) // 2]]
        frames = [frame for _, frame in reader.frames(wanted)]
    except Unreadable as error:
        return {}, {"skipped": str(error)}
    except FewerFrames:
        return {}, {"skipped": "decodes fewer frames than announced"}
    except Exception as error:  # a damaged file makes libraries raise nearly anything
        return {}, {"skipped": str(Unreadable.because(error))}
    height, width = frames[0].shape[:2]
    size = small_size(height, width, 1.0 if moving else STILL)
    pictures = [Image.fromarray(f).resize(size, Image.Resampling.BOX) for f in frames]
    arrays: Arrays = {"poster": _bytes(webp(pictures[len(pictures) // 2]))}
    stride = indices[1] - indices[0] if len(indices) > 1 else 1
    fps = (reader.fps or RATE * stride) / stride
    if moving:
        arrays["video"] = _bytes(webm([np.asarray(p) for p in pictures], fps))
    return arrays, {"width": size[0], "height": size[1], "frames": len(pictures), "fps": round(fps, 3)}


def _bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def webp(picture: Image.Image) -> bytes:
    """A picture as WebP."""
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=WEBP, method=4)
    return out.getvalue()


def webm(frames: list[NDArray[np.uint8]], fps: float) -> bytes:
    """VP9 of frames uint8 [H, W, 3], H and W even, at `fps` frames a second."""
    from fractions import Fraction

    import av

    height, width = frames[0].shape[:2]
    rate = Fraction(min(max(fps, 1.0), 60.0)).limit_denominator(1001)
    out = io.BytesIO()
    # "bitexact" leaves out dates and random identifiers
    with av.open(out, "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libvpx-vp9", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = len(frames)
        stream.options = {"crf": str(CRF), "b": "0", "deadline": "good", "cpu-used": "8", "row-mt": "0"}
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return out.getvalue()
