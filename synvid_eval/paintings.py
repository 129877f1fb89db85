"""Frames beside what networks make of them: a sheet (PNG), strips and films for a page, videos.

A map has a color a patch and is enlarged without smoothing, so that what is seen is what there is. All
pictures of a clip show the frames that the networks saw: cropped, of whole tubelets.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from synvid_eval.contact_sheet import png
from synvid_eval.errors import UsageError, one_line
from synvid_eval.preview import webm, webp
from synvid_eval.video.encode import write_clip

COLUMNS = 8
"""Tubelets of a clip that a sheet or a strip shows."""

SHEET_CLIPS, PAGE_CLIPS = 4, 6
"""Clips on a sheet and on a page, the first by hash."""

SIDE, FILM = 112, 96
"""Height and width [px] of a frame on a sheet or in a strip, and in a film."""

VIDEO = 224
"""Height and width [px] of a frame in a video."""

GAP = 4
LABELS = 176  # px, beside the rows of a sheet
PAPER, INK, SOFT = (255, 255, 255), (27, 29, 33), (86, 92, 101)

RATE = 25.0
"""Frames a second of a clip that has no rate of its own."""

Picture = NDArray[np.uint8]
Maps = Sequence[Picture]
"""Of one clip: each network's colors uint8 [tubelets, h, w, 3]."""


def chosen(tubelets: int) -> list[int]:
    """The tubelets that a strip shows: `COLUMNS` of them, or all, evenly spread."""
    count = min(COLUMNS, tubelets)
    return [(2 * i + 1) * tubelets // (2 * count) for i in range(count)]


def enlarged(picture: Picture, side: int) -> Picture:
    """A picture uint8 [H, W, 3] as uint8 [side, side, 3]; each of its pixels becomes a block."""
    rows, columns = (np.arange(side) * length // side for length in picture.shape[:2])
    out: Picture = picture[rows[:, None], columns]
    return out


def beside(frames: Picture, maps: Maps, tubelet: int, side: int) -> Iterator[Picture]:
    """Frame after frame uint8 [side, W, 3] with its tubelet's maps to the right of it.

    frames: uint8 [K, s, s, 3].
    """
    gap = np.full((side, GAP, 3), PAPER, np.uint8)
    for number, frame in enumerate(frames):
        tiles = [small(frame, side)]
        for one in maps:
            tiles += [gap, enlarged(one[number // tubelet], side)]
        yield np.concatenate(tiles, 1)


def small(frame: Picture, side: int) -> Picture:
    """A square frame at another size."""
    if len(frame) == side:
        return frame
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BOX), np.uint8)


def sheet(clips: Sequence[tuple[str, Picture, Maps]], names: Sequence[Sequence[str]], tubelet: int) -> bytes:
    """A PNG of clips one below the other: a row of frames, below it a row of maps a network.

    clips: id, frames uint8 [K, s, s, 3] and maps of each. names: the lines that stand beside a network's
    rows. tubelet: frames a map is of; of each the first is shown.
    """
    rows = 1 + len(names)
    columns = max(len(chosen(len(frames) // tubelet)) for _, frames, _ in clips)
    wide = LABELS + columns * (SIDE + GAP) + GAP
    block = rows * (SIDE + GAP) + 3 * GAP
    picture = Image.new("RGB", (wide, len(clips) * block + GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (name, frames, maps) in enumerate(clips):
        top = GAP + number * block
        _write(draw, top, [name, "frames"])
        for k, lines in enumerate(names):
            _write(draw, top + (k + 1) * (SIDE + GAP), lines)
        for column, at in enumerate(chosen(len(frames) // tubelet)):
            left = LABELS + column * (SIDE + GAP)
            tiles = [small(frames[at * tubelet], SIDE), *(enlarged(one[at], SIDE) for one in maps)]
            for k, tile in enumerate(tiles):
                picture.paste(Image.fromarray(tile), (left, top + k * (SIDE + GAP)))
    return png(np.asarray(picture))


def _write(draw: ImageDraw.ImageDraw, top: int, lines: Sequence[str]) -> None:
    """Lines of text in the column of labels, the first dark, what is too long shortened."""
    font = ImageFont.load_default(13)
    for number, line in enumerate(lines):
        text = one_line(line)
        while len(text) > 1 and draw.textlength(text, font) > LABELS - 3 * GAP:
            text = f"{text.rstrip('…')[:-1]}…"
        draw.text((2 * GAP, top + 2 + 17 * number), text, INK if number == 0 else SOFT, font)


def media(clip: dict[str, Any], frames: Picture, maps: Maps, tubelet: int) -> dict[str, Any]:
    """What a page shows of a clip, JSON-ready: `id`, `label`, `columns` (index of the first frame of each
    tubelet shown), `frames` (a strip as WebP), `maps` (a strip a network as PNG), `film` (WebM) with its
    `width` and `height`; pictures as base64.

    clip: its part of the document. frames: uint8 [K, s, s, 3].
    """
    at = chosen(len(frames) // tubelet)
    film = list(beside(frames, maps, tubelet, FILM))
    return {
        "id": clip["id"],
        "label": clip["label"],
        "columns": [clip["frames"][i * tubelet] for i in at],
        "frames": _text(webp(_strip([small(frames[i * tubelet], SIDE) for i in at]))),
        "maps": [_text(_png(_strip([enlarged(one[i], SIDE) for i in at]))) for one in maps],
        "film": _text(webm(film, rate(clip))),
        "height": film[0].shape[0],
        "width": film[0].shape[1],
    }


def _strip(tiles: Sequence[Picture]) -> Image.Image:
    """Tiles side by side, nothing between them."""
    picture = Image.new("RGBA", (len(tiles) * (SIDE + GAP) - GAP, SIDE), (0, 0, 0, 0))
    for number, tile in enumerate(tiles):
        picture.paste(Image.fromarray(tile), (number * (SIDE + GAP), 0))
    return picture


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def rate(clip: dict[str, Any]) -> float:
    """Frames a second at which the frames that were looked at have the clip's own speed."""
    indices = clip["frames"]
    stride = indices[1] - indices[0] if len(indices) > 1 else 1
    return float((clip["fps"] or RATE) / stride)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def video_name(number: int, clip: str) -> str:
    """The file of a clip's video: its number by hash, then what of its id may stand in a name."""
    return f"{number:03}-{re.sub(r'[^A-Za-z0-9._-]+', '_', clip)[-80:]}.mp4"


def check_folder(folder: str) -> None:
    """UsageError unless videos may be written there: a folder that is empty or holds such videos, or none."""
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise UsageError(f"--video {folder} is no folder.", "Give a folder; it is made where there is none.")
    if not path.exists() and not path.absolute().parent.is_dir():
        raise UsageError(f"--video {folder}: there is no folder {path.absolute().parent}.", "Make it first.")
    others = [n for n in (os.listdir(path) if path.is_dir() else ()) if not re.match(r"\.?\d{3}-.*mp4", n)]
    if others:
        raise UsageError(f"--video {folder} holds other files ({others[0]}).", "Give a folder of its own.")


def write_video(
    folder: Path, number: int, clip: dict[str, Any], frames: Picture, maps: Maps, tubelet: int
) -> None:
    """Writes a clip's video (see `beside`), aside and then renamed; the folder is made."""
    folder.mkdir(exist_ok=True)
    name = video_name(number, clip["id"])
    aside = folder / f".{name}"
    aside.unlink(missing_ok=True)
    try:
        write_clip(aside, "mp4", beside(frames, maps, tubelet, VIDEO), rate(clip))
        aside.replace(folder / name)
    finally:
        aside.unlink(missing_ok=True)
