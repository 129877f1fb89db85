"""MultiScaleCrop (Wang et al. 2016, temporal segment networks): the crop of VideoMAE's pre-training.

A crop's height and width are the short side times one of the scales each, no two of them more than one scale
apart; its place is one of 13: corners, center, and what lies half-way and at quarters between. The crop is
resized to a square by Pillow's bilinear filter, which averages where it shrinks, as in the released code. A
side within 3 px of the wanted size counts as that size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.video.decode import Frame

_APART = 1

# In quarters of the room that a crop leaves: (down, right), in the order of the released code.
PLACES = (
    (0, 0), (0, 4), (4, 0), (4, 4), (2, 2),
    (2, 0), (2, 4), (4, 2), (0, 2),
    (1, 1), (1, 3), (3, 1), (3, 3),
)  # fmt: skip
"""Where a crop may lie."""


def sides(short: int, size: int, scales: tuple[float, ...]) -> list[tuple[int, int]]:
    """The (height, width) [px] that a crop may have, of frames with a short side of `short` px."""
    lengths = [max(1, int(short * scale)) for scale in scales]
    lengths = [size if abs(length - size) < 3 and size <= short else length for length in lengths]
    return [
        (tall, wide)
        for i, tall in enumerate(lengths)
        for j, wide in enumerate(lengths)
        if abs(i - j) <= _APART
    ]


def multiscale(
    frames: NDArray[np.uint8], size: int, scales: tuple[float, ...], key: int
) -> NDArray[np.uint8]:
    """Frames uint8 [T, H, W, 3], all cropped alike and resized: uint8 [T, size, size, 3].

    Args:
        scales: of the short side, each in (0, 1]. key: 64-bit address of the draw of crop and place.
    """
    tall, wide = frames.shape[1:3]
    drawn = randomness.stream(key, 2)
    possible = sides(min(tall, wide), size, scales)
    height, width = possible[int(randomness.below(drawn[:1], len(possible))[0])]
    down, right = PLACES[int(randomness.below(drawn[1:], len(PLACES))[0])]
    top, left = (tall - height) // 4 * down, (wide - width) // 4 * right
    return resized(frames[:, top : top + height, left : left + width], size, size)


def cubic(frames: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Frames uint8 [T, H, W, 3] at another size, bicubic and not antialiased (torch's `interpolate`, as in
    the released code of Svyezhentsev et al. 2024): uint8 [T, height, width, 3].
    """
    import cv2

    parts = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in frames]
    return np.stack([np.asarray(part, np.uint8) for part in parts])


def resized(frames: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Frames uint8 [T, H, W, 3] at another size, by Pillow's bilinear filter: uint8 [T, height, width, 3]."""
    if frames.shape[1:3] == (height, width):
        return np.ascontiguousarray(frames)
    from PIL import Image

    def one(frame: Frame) -> Frame:
        picture = Image.fromarray(np.ascontiguousarray(frame))
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))

    return np.stack([one(frame) for frame in frames])
