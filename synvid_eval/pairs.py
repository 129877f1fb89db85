"""Tubelets of a clip as a video transformer takes them: a few frames, cropped and made small, and how much of
each patch of them moves.

Looked at is a run of frames at the largest stride of 4, 2, 1 that fits, in the middle of the clip (VideoMAE
is pre-trained at stride 4); of a clip that is too short for the run as many frames as make whole tubelets.
The centered square of a frame is made `side` pixels wide: area averaging where it shrinks, else bilinear. The
authors scale bilinearly without averaging and cut three crops; one crop is what a picture can show.

What moves is known exactly of clips drawn here: the objects whose points are displaced (`generators.truth`)
between any two of the frames. A patch's share is that of its pixels, in all frames of its tubelet, that show
such an object, with parts of pixels where patches end within them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.sets import PresetClip, open_clip
from synvid_eval.states import Arrays
from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Reader, Unreadable
from synvid_eval.video.sampling import Sampler

REVISION = 1

TRUTHS = ("masks", "flow")
"""What of a clip is asked for to know what moves."""

_MOVED = 2.0**-10  # px between two frames; less is rounding of poses that are equal


def plan(total: int, count: int, tubelet: int) -> tuple[int, ...]:
    """Frame indices of a clip of `total` frames: `count` of them or the most that it has, whole tubelets."""
    wanted = min(count, total) // tubelet * tubelet
    if wanted < 2:
        return tuple(range(wanted))
    runs = Sampler(length=wanted, start="center").plan(total, "", 0).runs
    return runs[max(runs)]


def small(frame: Frame, side: int) -> Frame:
    """The centered square of a frame uint8 [H, W, 3], as uint8 [side, side, 3]."""
    import cv2

    from synvid_eval.features.gray import center_square

    square = center_square(frame)
    filter = cv2.INTER_AREA if len(square) >= side else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(square, (side, side), interpolation=filter), np.uint8)


def shares(
    masks: NDArray[np.uint16], flow: NDArray[np.float32], tubelet: int, patches: int
) -> NDArray[np.float32]:
    """How much of each patch shows objects that move: float32 [T / tubelet, patches, patches] in [0, 1].

    masks: uint16 [T, H, W], 0 the background. flow: float32 [T − 1, H, W, 2] px, of the truth.
    """
    import cv2

    displaced = (np.abs(flow) > _MOVED).any(-1)
    objects = np.setdiff1d(np.unique(masks[:-1][displaced]), [0])
    moving = np.isin(masks, objects).astype(np.float32)
    side = min(masks.shape[1:])
    top, left = ((length - side) // 2 for length in masks.shape[1:])
    whole = moving.reshape(-1, tubelet, *masks.shape[1:]).mean(1)
    crops = [np.ascontiguousarray(one[top : top + side, left : left + side]) for one in whole]
    filter = cv2.INTER_AREA if side >= patches else cv2.INTER_NEAREST
    out = [cv2.resize(one, (patches, patches), interpolation=filter) for one in crops]
    return np.clip(np.stack(out), 0, 1).astype(np.float32)


def pairs(
    ref: ClipRef,
    count: int,
    tubelet: int,
    side: int,
    patches: int = 0,
    beat: Callable[[], None] = lambda: None,
    array: NDArray[Any] | None = None,
) -> tuple[Arrays, dict[str, Any]]:
    """A clip's tubelets: {"frames": uint8 [K, side, side, 3], with `patches` also "shares" (see there)} and
    facts: `indices` of the frames, `total`, `fps`.

    count: frames wanted (see `plan`). patches: of a side, for what moves; 0 for none. array: the set that
    "memory" clips index. `skipped` alone, the reason, where the clip cannot be read or is too short.

    Raises UsageError where what moves is not known of such a clip.
    """
    try:
        reader = open_clip(ref, array, beat)
        try:
            indices, frames = _read(reader, count, tubelet, side)
        except FewerFrames as short:
            reader = open_clip(ref, array, beat)
            reader.total = short.decoded
            indices, frames = _read(reader, count, tubelet, side)
    except Unreadable as error:
        return {}, {"skipped": str(error)}
    except FewerFrames:
        return {}, {"skipped": "decodes fewer frames than announced"}
    arrays: Arrays = {"frames": np.stack(frames)}
    if patches:
        assert isinstance(reader, PresetClip)
        known = reader.truth(indices, TRUTHS)
        arrays["shares"] = shares(known["masks"], known["flow"], tubelet, patches)
    return arrays, {"indices": list(indices), "total": reader.total, "fps": reader.fps}


def _read(reader: Reader, count: int, tubelet: int, side: int) -> tuple[Sequence[int], list[Frame]]:
    indices = plan(reader.total, count, tubelet)
    if not indices:
        raise Unreadable(f"{reader.total} frames are less than a tubelet of {tubelet}")
    return indices, [small(frame, side) for _, frame in reader.frames(indices)]
