"""Sampling: the index map, exactly."""

from __future__ import annotations

import pytest

from tests.corruptions.pictures import SEVERITIES, draws, made

EVERY = {1: 2, 2: 4, 3: 8, 4: 16, 5: 32}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("total", [1, 2, 31, 32, 33, 200])
def test_every_kth_frame(severity: int, total: int) -> None:
    found = made("sampling", severity)
    kept = [i for i in range(total) if i % EVERY[severity] == 0]
    assert found.times(total, draws(found)).tolist() == kept
