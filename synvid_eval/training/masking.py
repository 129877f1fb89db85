"""Tube masking (Tong et al. 2022, §3.3): the same places are hidden in all frames of a clip.

Which places is drawn evenly, by address, so a clip's mask in an epoch is the same whatever process, batch or
order it comes in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError


def hidden(grid: tuple[int, int, int], ratio: float) -> int:
    """How many places of a frame are hidden: ⌊ratio · places⌋, as in the released code.

    UsageError where that is none, or all of them.
    """
    places = grid[1] * grid[2]
    count = int(ratio * places)
    if not 0 < count < places:
        raise UsageError(
            f"mask_ratio={ratio:g} hides {count} of the {places} places of a frame.",
            "Something must be hidden, and something seen.",
        )
    return count


def tube(grid: tuple[int, int, int], ratio: float, key: int) -> NDArray[np.bool_]:
    """A mask bool [tokens], True where hidden, tokens in the order time, height, width.

    Args:
        grid: tokens in time, height, width. ratio: of a frame's places that are hidden, in (0, 1).
        key: 64-bit address of the draw.
    """
    time, height, width = grid
    frame = np.zeros(height * width, np.bool_)
    frame[randomness.permutation(key, height * width)[: hidden(grid, ratio)]] = True
    return np.tile(frame, time)
