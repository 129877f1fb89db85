"""Dead leaves: the exact law against painting leaf by leaf, both orders, and the same bytes anywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from synvid_eval.errors import UsageError
from synvid_eval.generators import leaves, presets, raster, textures
from synvid_eval.generators.leaves import DeadLeaves, LeavesTexture


def leaf_by_leaf(texture: LeavesTexture, index: int) -> tuple[np.ndarray, int]:
    """The released code's way: leaf after leaf on top, until nothing is free."""
    motion, palette = leaves._thrown(
        texture, texture.size, lambda q: texture.key(3, "p", index, q), leaves.MOST_FORWARD
    )
    picture = np.zeros((texture.size, texture.size, 3), np.uint8)
    free = np.ones((texture.size, texture.size), bool)
    place, matrix = np.empty((1, 2), np.int64), np.empty((1, 4), np.int64)
    for k in range(leaves.MOST_FORWARD):
        one = raster.Motion(*(a[k : k + 1] for a in motion))
        ids = np.empty((texture.size, texture.size), np.uint16)
        raster.pose(one, texture.size, 0, 0, False, place, matrix)
        raster.claim(ids, one, place, matrix, False)
        picture[ids != 0] = palette[k + 1]
        free &= ids == 0
        if not free.any():
            return picture, k + 1
    return picture, leaves.MOST_FORWARD


@pytest.mark.parametrize("shapes", ["mixed", "square", "oriented_square"])
def test_forward_is_painting_leaf_by_leaf(shapes):
    texture = LeavesTexture(size=64, order="forward", shapes=shapes)
    for index in range(3):
        expected, needed = leaf_by_leaf(texture, index)
        assert 100 < needed < leaves.MOST_FORWARD
        assert np.array_equal(texture.picture(3, "p", index), expected)


def test_exact_shows_the_first_leaf_of_each_pixel_and_covers_all():
    texture = LeavesTexture(size=48)
    motion, palette = leaves._thrown(texture, 48, lambda q: texture.key(3, "p", 0, q), 4000)
    first = leaves._claimed(motion, 48)
    assert (first > 0).all()
    assert np.array_equal(texture.picture(3, "p", 0), palette[first])


def test_more_leaves_change_none_before(monkeypatch):
    texture = LeavesTexture(size=64)
    before = texture.picture(0, "p", 0)
    monkeypatch.setattr(leaves, "_FIRST", 7)  # covered only after several times four as many
    assert np.array_equal(texture.picture(0, "p", 0), before)


def test_stopping_when_covered_favors_what_covers_much():
    """The largest patch of one color is larger on the average in forward order than in the exact law."""

    def largest(order: str) -> float:
        texture = LeavesTexture(size=32, order=order)
        shares = []
        for index in range(150):
            _, counts = np.unique(texture.picture(5, "p", index).reshape(-1, 3), axis=0, return_counts=True)
            shares.append(counts.max() / 1024)
        return float(np.mean(shares))

    assert largest("forward") > largest("exact") + 0.05


def test_shapes_lie_about_their_centers():
    texture = LeavesTexture(size=256)
    motion, _ = leaves._thrown(texture, 256, lambda q: texture.key(0, "p", 0, q), 4000)
    for kind in (raster.SQUARE, raster.ORIENTED_SQUARE, raster.RECTANGLE):  # their boxes are symmetric
        chosen = motion.kind == kind
        corners = motion.corners[chosen] / 65536 + motion.center[chosen][:, None]
        center = (corners.min(1) + corners.max(1)) / 2
        assert center.min() > -1.6 and center.max() < 257
        assert center.min() < 10 and center.max() > 246  # anywhere in the picture


def test_clips_are_stills_and_each_is_its_own():
    generator = presets.get("dead_leaves").configured(size="32")
    assert isinstance(generator, DeadLeaves)
    frames = list(generator.draw(0, "dead_leaves", 2, [0, 50, 7]))
    assert all(np.array_equal(frames[0], f) and f is not frames[0] for f in frames[1:])
    (other,) = generator.draw(0, "dead_leaves", 3, [0])
    assert not np.array_equal(other, frames[0])
    with pytest.raises(UsageError, match="has no frame 200"):
        generator.draw(0, "dead_leaves", 0, [200])


@pytest.mark.parametrize(
    ("order", "digest"),
    [("exact", "af91e5ab08f7551f"), ("forward", "97212ef1f24b3005")],
)
def test_the_same_bytes_anywhere(order, digest):
    """sha256 of two textures of 64 px, seed 0, pool "golden"; made by this code, first revision."""
    texture = textures.get("dead_leaves")(size=64, order=order)
    data = b"".join(texture.picture(0, "golden", index).tobytes() for index in range(2))
    assert hashlib.sha256(data).hexdigest()[:16] == digest


def test_bad_radii():
    for kind in (DeadLeaves, LeavesTexture):
        with pytest.raises(UsageError, match=r"dead_leaves\.radius=0\.9:0\.1 runs backwards"):
            kind(radius="0.9:0.1")
        with pytest.raises(UsageError, match="out of range"):
            kind(radius="0.001:1")
