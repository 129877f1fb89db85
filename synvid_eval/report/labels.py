"""Where the names of marks stand in a plot, so that all can be read: beside their marks where there is room,
else farther off with a line that leads back.

`place` goes through the marks in reading order, gives each the cheapest of some hundred places around it, and
goes through them again now that all others stand. It depends on its arguments alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import one_line

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]

LONGEST = 24
"""Characters of a line of a name in a plot."""
MOST = 96
"""Characters of a name in a plot; only of one longer than any file's name the middle is left out."""
SIZE = 11.0
"""Size of the names [px]."""
LINE = 12.0
"""px from one line of a name to the next."""
_ASCENT, _DESCENT = 10.0, 3.0  # px above the first baseline and below the last one
_RADIUS = 6.0  # px around a mark that names stay out of
_LEADER = 9.0  # px from which on a line leads from a name to its mark
_REACH = (7.0, 11.0, 17.0, 25.0, 36.0, 50.0, 68.0, 90.0, 120.0, 160.0, 200.0, 250.0)
_ANGLES = 16
_PASSES = 3
_ALONG = np.linspace(0.2, 1.0, 6)  # places along a leader where it may run into a name
# Advances in em of a wide system font; what is missing is _USUAL.
_NARROW, _USUAL, _CAPITAL, _BROAD = 0.38, 0.63, 0.76, 1.0


@dataclass(frozen=True)
class Label:
    """A name's place: its anchor on the first line's baseline, `start` or `end` of the text, and where its
    leader ends (None where it needs none). px.
    """

    x: float
    y: float
    end: bool
    leader: tuple[float, float] | None


def shortened(name: str, longest: int) -> str:
    """`name` with at most `longest` characters, the middle left out."""
    if len(name) <= longest:
        return name
    head = longest // 2
    return f"{name[:head]}…{name[len(name) - (longest - head - 1) :]}"


def wrapped(name: str) -> str:
    """`name` in as few lines of at most `LONGEST` characters as hold it, about as long as each other, broken
    after `_`, `-`, `/`, `.` or a space where that is possible.
    """
    text = shortened(one_line(name), MOST)
    lines = []
    for left in range(math.ceil(len(text) / LONGEST), 1, -1):
        even = len(text) / left
        ends = range(max(1, len(text) - LONGEST * (left - 1)), min(LONGEST, len(text) - 1) + 1)
        cut = min([k for k in ends if text[k - 1] in " _-/."] or ends, key=lambda k: abs(k - even))
        lines.append(text[:cut])
        text = text[cut:]
    return "\n".join([*lines, text])


def width_of(text: str, size: float = SIZE) -> float:
    """px that `text` takes, on the wide side."""

    def advance(sign: str) -> float:
        if sign in "iljtfrI.,:;'|!()[]/\\ -1":
            return _USUAL if sign == "1" else _NARROW
        if sign in "mwMW@%…":
            return _BROAD
        if ord(sign) > 0x2E7F:
            return 1.05
        return _CAPITAL if sign.isupper() or ord(sign) > 0x7F else _USUAL

    return size * sum(map(advance, text))


def place(
    marks: Sequence[tuple[float, float]],
    names: Sequence[str],
    room: Box,
    taken: Sequence[Box] = (),
    everyone: Sequence[tuple[float, float]] | None = None,
) -> list[Label]:
    """Places for the names of `marks`, in their order.

    Args:
        marks: (x, y) [px]. names: as they are drawn, lines apart by newlines. room: left, top, right,
        bottom [px], which no name leaves. taken: boxes that names stay out of. everyone: all marks of the
        plot, where only some are named.
    """
    if not marks:
        return []
    centers = np.asarray(marks, np.float64)
    around = centers if everyone is None else np.asarray(everyone, np.float64)
    dots = np.concatenate([around - _RADIUS, around + _RADIUS], axis=1)
    choices = [_around(c, _size(n), room) for c, n in zip(centers, names, strict=True)]
    fixed = np.asarray(taken, np.float64).reshape(-1, 4)
    # what never changes: marks under a name, what is taken, how far it is
    still = [
        far + 0.5 * _overlap(boxes, dots).sum(axis=1) + 2 * _overlap(boxes, fixed).sum(axis=1)
        for boxes, far, _ in choices
    ]
    order = sorted(range(len(centers)), key=lambda i: (round(centers[i, 1] / 12), centers[i, 0]))
    boxes = np.full((len(centers), 4), np.nan)
    points = np.full((len(centers), len(_ALONG), 2), np.nan)
    chosen = [0] * len(centers)
    for _ in range(_PASSES):
        for i in order:
            mine, _, lines = choices[i]
            others = np.delete(boxes, i, axis=0)
            others = others[np.isfinite(others[:, 0])]
            cost = still[i].copy()
            if len(others):
                cost += 1.5 * _overlap(mine, others).sum(axis=1)
                cost += 14.0 * _inside(lines, others).sum(axis=(1, 2))
                led = np.delete(points, i, axis=0).reshape(-1, 2)
                led = led[np.isfinite(led[:, 0])]
                if len(led):
                    cost += 7.0 * _inside(led, mine).sum(axis=0)
            best = int(np.argmin(cost))
            chosen[i], boxes[i] = best, mine[best]
            points[i] = lines[best]
    return [_label(centers[i], choices[i][0][k]) for i, k in enumerate(chosen)]


def _size(name: str) -> tuple[float, float]:
    lines = name.split("\n")
    return max(map(width_of, lines)) + 2, _ASCENT + _DESCENT + LINE * (len(lines) - 1)


def _around(center: Floats, size: tuple[float, float], room: Box) -> tuple[Floats, Floats, Floats]:
    """Boxes [C, 4] around a mark, what each costs for its distance [C], points along its leader [C, L, 2]."""
    angle = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    reach = np.repeat(_REACH, _ANGLES)
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    direction = np.tile(turn, (len(_REACH), 1))
    half = np.array(size) / 2
    # the box touches the circle of that reach: flat ends lie right and left, flat sides above and below
    push = np.clip(direction * 1.6, -1, 1)
    middle = center + direction * reach[:, None] + push * half
    low = np.array(room[:2]) + half
    high = np.maximum(np.array(room[2:]) - half, low)
    middle = np.clip(middle, low, high)
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    near = np.clip(center, boxes[:, :2], boxes[:, 2:])
    away = np.hypot(*(near - center).T)
    cost = 0.9 * away + 4.0 * np.abs(direction[:, 1])
    cost[away < 4] += 300  # it would lie on its own mark
    lines = center + (near - center)[:, None] * _ALONG[None, :, None]
    lines[away < _LEADER] = np.nan
    return boxes, cost, lines


def _overlap(a: Floats, b: Floats) -> Floats:
    """Areas [A, B] that boxes have in common."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    found: Floats = np.maximum(width, 0) * np.maximum(height, 0)
    return found


def _inside(points: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Whether points [..., 2] lie in boxes [B, 4]: [..., B]."""
    x, y = points[..., 0, None], points[..., 1, None]
    found: NDArray[np.bool_] = (x > boxes[:, 0]) & (x < boxes[:, 2]) & (y > boxes[:, 1]) & (y < boxes[:, 3])
    return found


def _label(center: Floats, box: Floats) -> Label:
    end = bool((box[0] + box[2]) / 2 < center[0] - 1 and box[2] <= center[0])
    near = np.clip(center, box[:2], box[2:])
    away = float(np.hypot(*(near - center)))
    leader = None
    if away >= _LEADER:
        # from the mark's edge
        leader = (float(near[0]), float(near[1]))
    x = float(box[2]) - 1 if end else float(box[0]) + 1
    return Label(x, float(box[1]) + _ASCENT, end, leader)
