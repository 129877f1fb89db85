"""Sides made of arrays, for tests: no video, no feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synvid_eval.states import BLOCKS, Counts, Fold, Moments, Rows, Side, State


def clip_side(
    clips: Sequence[ArrayLike],
    state: str,
    *,
    blocks: int = BLOCKS,
    counts: dict[str, Sequence[int]] | None = None,
    sources: bool = False,
    block_of: Sequence[int] | None = None,
    kept: bool = False,
) -> Side:
    """A side whose clip i gives rows `clips[i]` [n, d] to `state`, and `counts` to each name of it.

    kept: the state is `Rows` (what an unbiased metric looks at), not `Moments`.
    """
    folds = [Fold() for _ in range(blocks)]
    for i, rows in enumerate(clips):
        array = np.atleast_2d(rows)
        states: dict[str, State] = {state: Moments.of_rows(array)}
        if kept:
            keys = 1000 * i + np.arange(len(array))
            states = {state: Rows.of(keys, np.full(len(array), i), array, 10_000)}
        states |= {name: Counts(values) for name, values in (counts or {}).items()}
        block = i % blocks if block_of is None else block_of[i]
        folds[block] = folds[block] + Fold(states, dict.fromkeys(states, 1))
    return Side(tuple(folds), len(clips), sources)


def normal_clips(seed: int, clips: int, rows: int, dim: int, scale: float = 1.0) -> list[NDArray[np.float64]]:
    """Independent normal rows, [clips][rows, dim]."""
    return list(np.random.default_rng(seed).normal(size=(clips, rows, dim)) * scale)


def exact_rows(mean: ArrayLike, deviations: ArrayLike, ddof: int) -> NDArray[np.float64]:
    """2d rows whose mean and covariance (at `ddof`) are exactly `mean` [d] and diag(deviations²)."""
    sigma = np.asarray(deviations, float)
    d = len(sigma)
    spread = np.diag(sigma) * np.sqrt((2 * d - ddof) / 2)
    return np.asarray(mean, float) + np.vstack([spread, -spread])
