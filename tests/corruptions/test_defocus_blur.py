"""Defocus blur: the disk against lattice points counted one by one, frames against a plain correlation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from synvid_eval.corruptions.defocus_blur import disk
from tests.corruptions.pictures import SEVERITIES, draws, flat, made, smooth

TABLE = {1: (3, 0.1), 2: (4, 0.5), 3: (6, 0.5), 4: (8, 0.5), 5: (10, 0.5)}
LATTICE = {3: 29, 4: 49, 6: 113, 8: 197, 10: 317}
"""Points with whole coordinates in a disk (OEIS A000328)."""


def by_hand(radius: int, edge: float) -> np.ndarray:
    """The kernel from its definition, in float64."""
    reach, half = max(radius, 8), 1 if radius <= 8 else 2
    points = [(x, y) for x in range(-reach, reach + 1) for y in range(-reach, reach + 1)]
    inside = np.array([x * x + y * y <= radius * radius for x, y in points], float)
    assert inside.sum() == LATTICE[radius]
    weights = [math.exp(-(k**2) / (2 * edge**2)) for k in range(-half, half + 1)]
    line = np.array(weights) / sum(weights)
    return ndimage.correlate(
        inside.reshape(2 * reach + 1, -1) / inside.sum(), np.outer(line, line), mode="mirror"
    )


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_disk_is_its_definition(severity: int) -> None:
    radius, edge = TABLE[severity]
    kernel = disk(radius, edge)
    assert kernel.shape == ((17, 17) if radius <= 8 else (21, 21))
    assert np.allclose(kernel, by_hand(radius, edge), atol=1e-7)
    assert np.allclose(kernel, kernel.T, atol=1e-9) and np.allclose(kernel, kernel[::-1, ::-1], atol=1e-9)
    reach = len(kernel) // 2
    far = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    assert np.abs(kernel[far > radius + (1.5 if radius <= 8 else 2.9)]).max(initial=0) < 1e-12
    # the mirrored edge gives a little to the wide disks
    assert kernel.sum() == pytest.approx({8: 1.01298, 10: 1.01079}.get(radius, 1), abs=1e-5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_frame_is_correlated_with_it(severity: int) -> None:
    found, frame = made("defocus_blur", severity), smooth()
    blurred = found.change(frame, draws(found), 0)
    kernel = by_hand(*TABLE[severity])
    for channel in range(3):
        wanted = ndimage.correlate(frame[..., channel].astype(float), kernel, mode="mirror")
        assert np.abs(blurred[..., channel] - np.clip(wanted, 0, 255)).max() <= 0.501


def test_one_level_stays_where_weights_add_up_to_one() -> None:
    for severity in (1, 2, 3):
        found = made("defocus_blur", severity)
        assert (found.change(flat(77, 30, 30), draws(found), 0) == 77).all()
