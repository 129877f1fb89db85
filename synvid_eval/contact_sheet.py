"""Contact sheets: some clips of a preset as rows of frames, in one picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synvid_eval.errors import DataError
from synvid_eval.generators.resize import resized
from synvid_eval.sets import REAL, open_clip, open_set, preset_generator
from synvid_eval.video.decode import ClipRef, FewerFrames, Unreadable

CLIPS, FRAMES = 4, 6
SIDE = 144
"""Height and width [px] of the box that a frame is fitted into; a row is as high as its highest frame."""

GAP = 4
"""Space between frames [px]."""

PAPER = 255

SEARCHED = 40
"""The sheet shows the first clips; one in that many that is of another kind is shown in place of the last."""


def preset_sheet(
    location: str,
    *,
    seed: int = 0,
    images: str | None = None,
    videos: str | None = None,
    tell: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda note: None,
) -> NDArray[np.uint8]:
    """A contact sheet of a `preset:` location without `n`: uint8 [H, W, 3] RGB, a row for each of `CLIPS`
    clips, `FRAMES` frames spread over it from the first to the last. `tell` is called after each clip,
    `say` with each note of how the set was opened.

    Of a preset with stills or real clips the last rows are one or two of these.

    Raises:
        UsageError, DataError: see `sets.open_set`; DataError where a real clip cannot be read.
    """
    sign = "&" if "?" in location else "?"
    opened = open_set(f"{location}{sign}n={SEARCHED}", seed=seed, images=images, videos=videos)
    for note in opened.notes:
        say(note)
    by_number = sorted(opened.clips, key=lambda c: c.index)
    real = [c for c in opened.clips if c.id.startswith(f"{REAL}/")]
    drawn = [c for c in by_number if c not in real]
    stills = [c for c in drawn if _is_still(c)]
    moving = [c for c in drawn if c not in stills]
    others = real[: CLIPS // 2] or stills[: 1 if moving else CLIPS]
    rows = [*moving[: CLIPS - len(others)], *others]
    strips = []
    for ref in rows:
        strips.append(_strip(ref))
        tell()
    return sheet(strips)


def _is_still(ref: ClipRef) -> bool:
    generator = preset_generator(ref)
    return bool(getattr(generator, "is_still", lambda index: False)(ref.index))


def _strip(ref: ClipRef) -> list[NDArray[np.uint8]]:
    try:
        reader = open_clip(ref)
        wanted = np.unique(np.linspace(0, reader.total - 1, FRAMES).round().astype(int)).tolist()
        found = []
        try:
            for _, frame in reader.frames(wanted):
                found.append(frame)
        except FewerFrames:
            pass
        return found
    except Unreadable as error:
        raise DataError(f"{ref.id} cannot be read: {error}.", "inspect says which clips can.") from None


def sheet(rows: list[list[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Rows of frames uint8 [H, W, 3] as one picture: uint8 [height, width, 3]; each frame is fitted into a
    square box and centered in it, and a row is as high as the highest frame in it.
    """
    columns = max(map(len, rows), default=0)
    small = [[_fitted(frame) for frame in frames] for frames in rows]
    heights = [max((frame.shape[0] for frame in frames), default=0) for frames in small]
    tall, wide = sum(heights) + (len(rows) + 1) * GAP, columns * (SIDE + GAP) + GAP
    picture = np.full((tall, wide, 3), PAPER, np.uint8)
    begin = GAP
    for frames, most in zip(small, heights, strict=True):
        for column, frame in enumerate(frames):
            height, width = frame.shape[:2]
            top = begin + (most - height) // 2
            left = GAP + column * (SIDE + GAP) + (SIDE - width) // 2
            picture[top : top + height, left : left + width] = frame
        begin += most + GAP
    return picture


def _fitted(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    tall, wide = frame.shape[:2]
    scale = SIDE / max(tall, wide)
    return resized(frame, max(round(tall * scale), 1), max(round(wide * scale), 1))


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture uint8 [H, W, 3] as PNG, without dates: the same picture is the same bytes."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()
