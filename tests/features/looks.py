"""Builds what a feature sees of a clip from frames in memory, without decoding or sampling code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synvid_eval.features import Feature, Look


def look_at(
    feature: Feature,
    clip: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    name: str = "clip",
    seed: int = 0,
    strides: Sequence[int] = (4, 2, 1),
    length: int = 16,
) -> Look:
    """All frames of a clip [T, H, W, 3] as looked-at ones, and runs from frame 0 at the strides that fit."""
    runs = {n: tuple(range(0, n * length, n)) for n in strides if (length - 1) * n < len(clip)}
    view = feature.view()
    return Look(name, seed, tuple(range(len(clip))), runs, {i: view(frame) for i, frame in enumerate(clip)})


def gray_frames(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Gray RGB frames [..., H, W, 3] of values [..., H, W], rounded and clipped to 8 bits."""
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
