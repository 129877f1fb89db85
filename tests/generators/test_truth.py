"""Truth of shapes: by warping frames, by analytic motion, by brute force over the id buffers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from synvid_eval.errors import UsageError
from synvid_eval.generators import truth
from synvid_eval.generators.camera import Camera
from synvid_eval.generators.raster import CIRCLE
from synvid_eval.generators.shapes import Shapes
from tests.generators.stripes import stripes
from tests.generators.test_raster import AFFINE, exact_place, plain_matrix

__all__ = ["stripes"]


def test_shapes_and_types():
    generator = Shapes(size=32, objects=7, length="9")
    told = generator.truth(0, "t", 0, [0, 4, 8])
    assert {kind: (a.dtype.name, a.shape) for kind, a in told.items()} == {
        "flow": ("float32", (2, 32, 32, 2)),
        "masks": ("uint16", (3, 32, 32)),
        "tracks": ("float32", (7, 3, 2)),
        "occluded": ("bool", (7, 3)),
        "hidden": ("bool", (2, 32, 32)),
    }
    for kind, array in told.items():
        assert np.array_equal(generator.truth(0, "t", 0, [0, 4, 8], [kind])[kind], array)
    one = generator.truth(0, "t", 0, [3])
    assert one["flow"].shape == (0, 32, 32, 2) and one["tracks"].shape == (7, 1, 2)
    assert np.array_equal(one["masks"][0], next(generator.ids(0, "t", 0, [3])))


def test_unknown_kinds_are_refused():
    with pytest.raises(UsageError, match=r"shapes knows no truth 'depth'"):
        Shapes().truth(0, "t", 0, [0], ["depth"])
    with pytest.raises(UsageError, match=r"camera knows no truth 'flow'\. It knows none of its clips\."):
        Camera().truth(0, "t", 0, [0], ["flow"])
    assert Shapes.truths == truth.KINDS and Camera.truths == ()
    with pytest.raises(UsageError, match="has no frame 300"):
        Shapes().truth(0, "t", 0, [300])


def test_without_transforms_a_frame_warped_by_its_flow_is_the_next_one(stripes):
    """Motion goes in whole pixels, so every pixel in sight is found again with its very color."""
    generator = Shapes(textures="stripes(steps=200)", pool=40, acceleration="-0.03:0.03")
    frames = [0, 1, 5, 40]
    pictures = list(generator.draw(0, "warp", 0, frames))
    told = generator.truth(0, "warp", 0, frames)
    rows, columns = np.mgrid[:256, :256]
    for i, flow in enumerate(told["flow"]):
        assert np.array_equal(flow, np.round(flow))
        x, y = (columns + flow[..., 0]).astype(int), (rows + flow[..., 1]).astype(int)
        seen = ~told["hidden"][i]
        assert (x[seen] >= 0).all() and (x[seen] < 256).all() and (y[seen] >= 0).all()
        assert seen.mean() > 0.4
        assert np.array_equal(pictures[i + 1][y[seen], x[seen]], pictures[i][seen])
        assert np.array_equal(told["masks"][i + 1][y[seen], x[seen]], told["masks"][i][seen])


@pytest.mark.parametrize("knobs", [{}, {"subpixel": True, "circle_transform": "full", "pivot": "center"}])
def test_with_transforms_a_frame_warped_by_its_flow_is_the_next_one(stripes, knobs):
    generator = Shapes(textures="stripes", pool=40, **AFFINE, **knobs)
    frames = [20, 21, 25]
    pictures = [p.astype(np.float32) for p in generator.draw(0, "warp", 1, frames)]
    told = generator.truth(0, "warp", 1, frames)
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    for i, flow in enumerate(told["flow"]):
        x, y = columns + flow[..., 0], rows + flow[..., 1]
        found = cv2.remap(pictures[i + 1], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # a bilinear look over an outline mixes two objects: those pixels are left out
        later = told["masks"][i + 1]
        own = told["masks"][i].astype(np.float32)
        inner = (cv2.dilate(later, np.ones((3, 3))) == cv2.erode(later, np.ones((3, 3)))).astype(np.float32)
        sure = cv2.remap(inner, x, y, cv2.INTER_LINEAR) == 1
        same = cv2.remap(later.astype(np.float32), x, y, cv2.INTER_NEAREST) == own
        seen = ~told["hidden"][i] & sure & same
        gap = np.abs(found - pictures[i])[seen]
        unmoved = np.abs(pictures[i + 1] - pictures[i])[seen]
        assert seen.mean() > 0.3
        assert gap.mean() < 1.5 and np.quantile(gap, 0.999) < 14
        assert unmoved.mean() > 3 * gap.mean()


@pytest.mark.parametrize("subpixel", [False, True])
def test_flow_and_tracks_are_the_analytic_motion(subpixel):
    generator = Shapes(circle_transform="full", subpixel=subpixel, **AFFINE)
    frames = [3, 50, 51, 120]
    scene = generator.scene(0, "motion", 2)
    told = generator.truth(0, "motion", 2, frames)
    rows, columns = np.mgrid[:256, :256]

    def stand(k: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset: the frame's point of a local one."""
        place = np.array([float(v) for v in exact_place(scene, k, frame)])
        pivot, matrix = scene.pivot[k] / 65536, plain_matrix(scene, k, frame)
        return matrix, place + (0 if scene.kind[k] == CIRCLE else pivot) - matrix @ pivot

    for i in range(3):
        mask = told["masks"][i]
        assert (told["flow"][i][mask == 0] == 0).all()
        for number in np.unique(mask[mask > 0]):
            (m, b), (n, c) = (stand(int(number) - 1, frame) for frame in frames[i : i + 2])
            at = np.stack([columns, rows], -1)[mask == number]
            expected = (np.linalg.solve(m, (at - b).T).T @ n.T + c) - at
            assert np.abs(told["flow"][i][mask == number] - expected).max() < 0.02
    for k in range(0, 500, 7):
        corners = scene.corners[k, : 3 if scene.kind[k] == 4 else 4] / 65536
        middle = scene.pivot[k] / 65536 if scene.kind[k] == CIRCLE else corners.mean(0)
        for i, frame in enumerate(frames):
            matrix, offset = stand(k, frame)
            assert told["tracks"][k, i] == pytest.approx(matrix @ middle + offset, abs=0.02)


def test_hidden_and_occluded_are_what_the_id_buffers_say():
    generator = Shapes(size=64, objects=150, **AFFINE)
    frames = [10, 14, 30]
    told = generator.truth(1, "hidden", 0, frames)
    for i in range(2):
        for y in range(0, 64, 5):
            for x in range(64):
                u, v = np.floor(np.array([x, y]) + told["flow"][i, y, x].astype(float) + 0.5).astype(int)
                there = 0 <= u < 64 and 0 <= v < 64
                seen = there and told["masks"][i + 1, v, u] == told["masks"][i, y, x]
                assert told["hidden"][i, y, x] == (not seen)
    visible = 0
    for k in range(150):
        for i in range(3):
            u, v = np.floor(told["tracks"][k, i].astype(float) + 0.5).astype(int)
            seen = 0 <= u < 64 and 0 <= v < 64 and told["masks"][i, v, u] == k + 1
            assert told["occluded"][k, i] == (not seen)
            visible += seen
    assert visible > 20
    assert 0.05 < told["hidden"].mean() < 0.8


def test_the_middle_of_an_unhidden_object_is_on_it():
    """A middle is inside its shape: with one object it is seen wherever it is in the frame."""
    for index in range(40):
        generator = Shapes(objects=1, center_range="0.2:0.5", radius="0.1:0.2", length="30")
        told = generator.truth(0, "middle", index, [0, 29], ["tracks", "occluded"])
        inside = ((told["tracks"] >= 0) & (told["tracks"] <= 255)).all(-1)
        assert (~told["occluded"] == inside).all()


def test_a_flat_object_moves_as_its_pivot():
    generator = Shapes(
        objects=1, scale="-0.1", length="20", speed="2", shapes="circle", circle_transform="full"
    )
    told = generator.truth(0, "flat", 0, [10, 11])  # 1 − 0.1 · 10 = 0
    assert np.isfinite(told["flow"]).all() and np.isfinite(told["tracks"]).all()
