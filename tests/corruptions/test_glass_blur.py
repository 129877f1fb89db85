"""Glass blur: against a plain loop over pixels; what moves, and how far."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from synvid_eval import randomness
from synvid_eval.corruptions import glass_blur
from tests.corruptions.pictures import SEVERITIES, draws, flat, made, smooth

TABLE = {1: (0.7, 1, 2), 2: (0.9, 2, 1), 3: (1, 2, 3), 4: (1.1, 3, 2), 5: (1.5, 4, 2)}


def gaussian(frame: np.ndarray, sigma: float) -> np.ndarray:
    blurred = ndimage.gaussian_filter(frame.astype(float), (sigma, sigma, 0), mode="nearest", truncate=4.0)
    return np.rint(blurred).astype(np.uint8)


@pytest.mark.parametrize("swaps", [False, True])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_frame_is_that_of_a_plain_loop(severity: int, swaps: bool) -> None:
    found, frame = made("glass_blur", severity, swaps=swaps), smooth(30, 41)
    sigma, reach, passes = TABLE[severity]
    seen = gaussian(frame, sigma)
    words = iter(randomness.stream(draws(found).key("moves", 5), passes * 30 * 41).tolist())
    for _ in range(passes):
        for h in range(30 - reach, reach, -1):
            for w in range(41 - reach, reach, -1):
                word = next(words)
                dy = ((word >> 32) * 2 * reach >> 32) - reach
                dx = ((word & 0xFFFFFFFF) * 2 * reach >> 32) - reach
                assert -reach <= min(dx, dy) and max(dx, dy) < reach
                own = seen[h, w].copy()
                seen[h, w] = seen[h + dy, w + dx]
                if swaps:
                    seen[h + dy, w + dx] = own
    away = np.abs(found.change(frame, draws(found), 5).astype(int) - gaussian(seen, sigma))
    assert away.max() <= 1 and np.mean(away > 0) < 0.02  # floats that end in a half


def test_swaps_keep_every_pixel_and_copies_do_not() -> None:
    frame = smooth(20, 20)
    rng = np.random.default_rng(0)
    moves = rng.integers(-2, 2, (2, 1000))
    kept, lost = frame.copy(), frame.copy()
    glass_blur._met(kept, moves[0], moves[1], 2, 2, True)
    glass_blur._met(lost, moves[0], moves[1], 2, 2, False)

    def pixels(picture: np.ndarray) -> list[list[int]]:
        return sorted(picture.reshape(-1, 3).tolist())

    assert pixels(kept) == pixels(frame) != pixels(lost) and not np.array_equal(kept, frame)
    assert np.array_equal(kept[:1], frame[:1]) and np.array_equal(kept[:, :1], frame[:, :1])


def test_one_level_stays() -> None:
    found = made("glass_blur", 5)
    assert (found.change(flat(31, 30, 30), draws(found), 0) == 31).all()
