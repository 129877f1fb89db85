"""Volleyball (Ibrahim et al. 2016): what two teams do together, and boxes around the players.

    39/annotations.txt    29885.jpg r_spike 430 575 82 170 waiting 563 491 82 177 waiting …
    39/29885/             29865.jpg … 29905.jpg

A line is a frame of video 39, the activity of the teams in it, and four numbers and an action a player. The
clip is the folder called after the frame, which holds the frames around it: 20 before and 20 behind it. Read
here are lines; `video.lists` finds the clips. The order within a line (the box, then the action) is that of
the annotation files; the set's own page names the action first.

Source: the set's page, <https://github.com/mostafa-saad/deep-activity-rec>, and the annotations of two
videos there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from synvid_eval.errors import DataError
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import frame_files

ANNOTATIONS = "annotations.txt"

ACTIVITIES = frozenset(
    ["r_set", "r_spike", "r-pass", "r_winpoint", "l_set", "l-spike", "l-pass", "l_winpoint"]
)
"""What a team does, r the right and l the left one; spelled as in the annotations."""

ACTIONS = frozenset(
    ["blocking", "digging", "falling", "jumping", "moving", "setting", "spiking", "standing", "waiting"]
)
"""What a player does."""

_TRAIN = frozenset(
    [1, 3, 6, 7, 10, 13, 15, 16, 18, 22, 23, 31, 32, 36, 38, 39, 40, 41, 42, 48, 50, 52, 53, 54]
)
_VAL = frozenset([0, 2, 8, 12, 17, 19, 24, 26, 27, 28, 30, 33, 46, 49, 51])
_TEST = frozenset([4, 5, 9, 11, 14, 20, 21, 25, 29, 34, 35, 37, 43, 44, 45, 47])

SPLITS = {"train": _TRAIN, "val": _VAL, "test": _TEST, "trainval": _TRAIN | _VAL}
"""Numbers of the videos of each published split."""

_FRAME = re.compile(r"(\d+)\.jpg", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,6}")


@dataclass(frozen=True)
class Box:
    """A player in the annotated frame: the upper left corner and the size [pixels of the frame as it is
    stored], and one of `ACTIONS`.
    """

    x: int
    y: int
    width: int
    height: int
    action: str


@dataclass(frozen=True)
class Annotation:
    """A line: the clip's folder, which is called after the frame; one of `ACTIVITIES`; the players."""

    clip: str
    activity: str
    boxes: tuple[Box, ...]


def parse(line: str) -> Annotation:
    """Reads a line of annotations; ValueError with the reason where it is none."""
    words = line.split()
    frame, activity = [*words, "", ""][:2]
    rest = words[2:]
    if (named := _FRAME.fullmatch(frame)) is None:
        raise ValueError(f"{frame[:40]!r} is no frame such as 29885.jpg")
    if activity not in ACTIVITIES:
        raise ValueError(f"{activity[:40]!r} is no activity ({', '.join(sorted(ACTIVITIES))})")
    if len(rest) % 5:
        raise ValueError(f"{len(rest)} words behind the activity are no boxes `x y width height action`")
    return Annotation(named[1], activity, tuple(_box(rest[i : i + 5]) for i in range(0, len(rest), 5)))


def _box(words: list[str]) -> Box:
    *numbers, action = words
    if not all(map(_NUMBER.fullmatch, numbers)) or action not in ACTIONS:
        raise ValueError(f"`{' '.join(words)[:80]}` is no box `x y width height action`")
    x, y, width, height = map(int, numbers)
    return Box(x, y, width, height, action)


def boxes(clip: ClipRef) -> dict[int, tuple[Box, ...]]:
    """The players of a clip: index of the annotated frame, in [0, frames of the clip), → their boxes.

    One frame of a clip is annotated, the 21st of 41 where all are there; the index is that of
    `Reader.frames`. `clip` is a folder of frames on a disk, opened by whichever layout.

    Raises:
        DataError: no such folder, no annotation of it beside it, a line that cannot be read, the annotated
        frame is missing.
    """
    folder = Path(clip.path)
    path = folder.parent / ANNOTATIONS
    if clip.kind != "frames":
        raise DataError(f"{clip.id} is no folder of frames.", "Boxes are those of clips of Volleyball.")
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
        names = [p.name for p in frame_files(folder)]
    except OSError as error:
        raise DataError(
            f"{clip.id}: {error.filename or path} cannot be read: {error.strerror}.",
            f"A video's {ANNOTATIONS} lies beside the folders of its clips.",
        ) from None
    for number, line in enumerate(lines, 1):
        if line.split(".")[0].strip() != folder.name:
            continue
        try:
            found = parse(line)
        except ValueError as error:
            raise DataError(f"{path}:{number} cannot be read: {error}.", "Copy the file again.") from None
        frame = line.split()[0]
        if frame not in names:
            raise DataError(f"{clip.id} lacks the annotated frame {frame}.", "Copy the folder again.")
        return {names.index(frame): found.boxes}
    raise DataError(f"{path} has no line of {folder.name}.", "Is it the annotations of this video?")
