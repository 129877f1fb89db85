"""Tube masks: their ratio, that all frames hide the same, that places are drawn evenly."""

from __future__ import annotations

import numpy as np
import pytest

from synvid_eval.errors import UsageError
from synvid_eval.randomness import address
from synvid_eval.training import masking

GRID = (8, 14, 14)


def test_the_paper_hides_three_quarters_of_each_frame_the_same() -> None:
    mask = masking.tube(GRID, 0.75, 7).reshape(8, 196)
    assert (mask == mask[0]).all() and mask[0].sum() == 147
    assert mask.mean() == 0.75


def test_the_share_is_cut_off_as_in_the_released_code() -> None:
    assert masking.hidden((8, 6, 6), 0.9) == 32  # of 36; 32.4


def test_places_are_drawn_evenly() -> None:
    """Each of 16 places is hidden in 3/4 of 2,000 draws: χ² of their counts, 15 degrees of freedom."""
    draws = [masking.tube((1, 4, 4), 0.75, address("test", i)) for i in range(2000)]
    counts = np.sum(draws, axis=0)
    # a place is in or out: variance n·¾·¼, less by 15/16 since the counts of a draw are fixed
    chi2 = ((counts - 1500) ** 2).sum() / (2000 * 0.1875 * 16 / 15)
    assert 4.6 < chi2 < 30.6  # 99 % of the distribution


def test_another_key_is_another_mask() -> None:
    assert (masking.tube(GRID, 0.75, 1) != masking.tube(GRID, 0.75, 2)).any()


@pytest.mark.parametrize("ratio", [0.0, 0.001, 1.0])
def test_nothing_or_all_hidden_is_refused(ratio: float) -> None:
    with pytest.raises(UsageError, match="hides"):
        masking.tube(GRID, ratio, 0)
