"""Box jumble: whole stretches, each once, in another order."""

from __future__ import annotations

import pytest

from tests.corruptions.pictures import SEVERITIES, draws, made

LENGTH = {1: 4, 2: 9, 3: 16, 4: 25, 5: 36}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("total", [1, 3, 36, 37, 100, 180])
def test_stretches_are_whole(severity: int, total: int) -> None:
    found, length = made("box_jumble", severity), LENGTH[severity]
    times = found.times(total, draws(found)).tolist()
    boxes = [list(range(b, min(b + length, total))) for b in range(0, total, length)]
    seen = []
    while times:
        box = next(b for b in boxes if b[0] == times[0])
        assert times[: len(box)] == box
        seen.append(boxes.index(box))
        del times[: len(box)]
    assert sorted(seen) == list(range(len(boxes)))


def test_orders_differ_between_clips() -> None:
    found = made("box_jumble", 1)
    orders = {tuple(found.times(40, draws(found, str(k)))) for k in range(20)}
    assert len(orders) >= 19
