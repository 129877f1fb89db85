"""Truth: what is exactly known of a clip of shapes: flow, masks, tracks, occlusion.

Read from the id buffer and the very poses that the frames are drawn from (whole pixels where the released
code takes them), so a frame warped by its flow is the other frame. Worked in float64 from fixed-point poses.

- `masks`: uint16 [T, H, W], the object seen at each pixel: object k as k + 1, 0 background.
- `flow`: float32 [T − 1, H, W, 2], where the point seen at each pixel goes from a chosen frame to the next
  chosen one: (x, y) in px, forward, of the topmost object, visible there or not. The background stays.
- `hidden`: bool [T − 1, H, W], whether that point is out of sight in the next frame: covered by another
  object, or out of the frame.
- `tracks`: float32 [N, T, 2], where the middle of each object is: (x, y) in px; in the frame or not. The
  middle of a polygon is the mean of its corners, so it is inside.
- `occluded`: bool [N, T], whether that middle is out of sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval.generators.raster import CIRCLE, LINEAR, SUBPIXEL, TRIANGLE, Pose

if TYPE_CHECKING:
    from synvid_eval.generators.shapes import Scene

KINDS = ("flow", "masks", "tracks", "occluded", "hidden")


def of(scene: Scene, frames: Sequence[int], kinds: Sequence[str] = KINDS) -> dict[str, NDArray[Any]]:
    """The chosen kinds of truth of the chosen frames of a scene (see the module's docstring)."""
    count, size = len(frames), scene.size
    pairs = max(count - 1, 0)
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "flow": (np.float32, (pairs, size, size, 2)),
        "masks": (np.uint16, (count, size, size)),
        "tracks": (np.float32, (len(scene.kind), count, 2)),
        "occluded": (bool, (len(scene.kind), count)),
        "hidden": (bool, (pairs, size, size)),
    }
    found = {kind: np.zeros(shapes[kind][1], shapes[kind][0]) for kind in kinds}
    flow = np.empty((size, size, 2), np.float64)
    before: tuple[NDArray[np.uint16], Pose] | None = None
    for number, frame in enumerate(frames):
        pose = scene.pose(frame)
        ids = np.empty((size, size), np.uint16)
        scene.ids(pose, ids)
        if "masks" in found:
            found["masks"][number] = ids
        if "tracks" in found or "occluded" in found:
            points = middles(scene, pose)
            if "tracks" in found:
                found["tracks"][:, number] = points
            if "occluded" in found:
                found["occluded"][:, number] = ~sees(ids, points, np.arange(1, len(scene.kind) + 1))
        if before is not None and ("flow" in found or "hidden" in found):
            _flow(before[0], motions(scene, before[1], pose), flow)
            if "flow" in found:
                found["flow"][number - 1] = flow
            if "hidden" in found:
                rows, columns = np.mgrid[:size, :size]
                target = flow + np.stack([columns, rows], -1)
                found["hidden"][number - 1] = ~sees(ids, target, before[0])
        before = ids, pose
    return found


def sees(ids: NDArray[np.uint16], points: NDArray[np.float64], wanted: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the pixel nearest to each point [..., 2] (x, y) is in the frame and shows the wanted id."""
    height, width = ids.shape
    near = np.floor(points + 0.5)
    inside = (near >= 0).all(-1) & (near[..., 0] < width) & (near[..., 1] < height)
    x, y = (np.where(inside, near[..., axis], 0).astype(np.int64) for axis in (0, 1))
    seen: NDArray[np.bool_] = inside & (ids[y, x] == wanted)
    return seen


def _affine(scene: Scene, pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix [N, 2, 2] and offset [N, 2] px by object: local position u stands at matrix · u + offset."""
    matrix = pose.matrix.reshape(-1, 2, 2) / 2.0**LINEAR
    pivot = scene.pivot / 2.0**SUBPIXEL
    anchor = np.where((scene.kind == CIRCLE)[:, None], 0.0, pivot)
    return matrix, pose.place / 2.0**SUBPIXEL + anchor - np.einsum("nij,nj->ni", matrix, pivot)


def middles(scene: Scene, pose: Pose) -> NDArray[np.float64]:
    """Where the middle of each object stands: float64 [N, 2] px (x, y)."""
    matrix, offset = _affine(scene, pose)
    corners = scene.corners / 2.0**SUBPIXEL
    local = corners.mean(1)
    local = np.where((scene.kind == TRIANGLE)[:, None], corners[:, :3].mean(1), local)
    local = np.where((scene.kind == CIRCLE)[:, None], scene.pivot / 2.0**SUBPIXEL, local)
    stand: NDArray[np.float64] = np.einsum("nij,nj->ni", matrix, local) + offset
    return stand


def motions(scene: Scene, begin: Pose, end: Pose) -> NDArray[np.float64]:
    """By id, [N + 1, 6]: flow at (x, y) is (m0 + m1 x + m2 y, m3 + m4 x + m5 y) px; 0 for the background.

    An object that is flat at `begin` moves as its pivot does.
    """
    found = np.zeros((len(scene.kind) + 1, 2, 3))
    first, second = _affine(scene, begin), _affine(scene, end)
    flat = np.linalg.det(first[0]) == 0
    back = np.linalg.inv(np.where(flat[:, None, None], np.eye(2), first[0]))
    change = second[0] @ back
    found[1:, :, 0] = second[1] - np.einsum("nij,nj->ni", change, first[1])
    found[1:, :, 1:] = change - np.eye(2)
    found[1:][flat] = 0
    found[1:, :, 0][flat] = ((end.place - begin.place) / 2.0**SUBPIXEL)[flat]
    return found.reshape(-1, 6)


@numba.njit(cache=True, nogil=True)
def _flow(ids: Any, motions: Any, flow: Any) -> None:
    """Fills flow float64 [H, W, 2] px from `motions` by id."""
    height, width = ids.shape
    for y in range(height):
        for x in range(width):
            m = motions[ids[y, x]]
            flow[y, x, 0] = m[0] + m[1] * x + m[2] * y
            flow[y, x, 1] = m[3] + m[4] * x + m[5] * y
