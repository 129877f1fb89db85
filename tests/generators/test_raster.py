"""Transformed shapes and their textures, pixel by pixel, against slow painters."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from synvid_eval.generators import pool as pools
from synvid_eval.generators import raster
from synvid_eval.generators.raster import CIRCLE, TRIANGLE
from synvid_eval.generators.shapes import Scene, Shapes
from tests.generators.stripes import Stripes, stripes
from tests.generators.test_shapes import oracle_covers

__all__ = ["stripes"]

AFFINE = {
    "rotation": "-0.031415926536:0.031415926536",
    "scale": "-0.005:0.005",
    "shear": "-0.005:0.005",
    "acceleration": "-0.03:0.03",
}


def exact_place(scene: Scene, k: int, frame: int) -> list[Fraction]:
    """Where object k stands, px, whole unless the scene is subpixel."""
    place = [
        int(scene.center[k, axis])
        + Fraction(int(scene.velocity[k, axis]) * frame, 2**16)
        + Fraction(int(scene.acceleration[k, axis]) * frame**2, 2**24)
        for axis in (0, 1)
    ]
    return place if scene.subpixel else [Fraction(math.trunc(value)) for value in place]


def plain_matrix(scene: Scene, k: int, frame: int) -> np.ndarray:
    """turn · scale · shear of object k in plain floating point."""
    angle = 2 * math.pi * scene.turn[k] * frame / 2**32
    wide, tall = 1 + scene.stretch[k] * frame / 2**32
    lean, skew = scene.shear[k] * frame / 2**32
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.diag([wide, tall]) @ np.array([[1, lean], [skew, 1]])


def plain_corners(scene: Scene, k: int, frame: int) -> np.ndarray:
    """The corners of a polygon before truncation, float64 [4, 2] px."""
    pivot = scene.pivot[k] / 65536
    place = np.array([float(value) for value in exact_place(scene, k, frame)])
    return place + pivot + (scene.corners[k] / 65536 - pivot) @ plain_matrix(scene, k, frame).T


@pytest.mark.parametrize("pivot", ["corner", "center"])
def test_corners_are_turned_scaled_and_sheared_about_the_pivot_and_truncated(pivot):
    generator = Shapes(pivot=pivot, **AFFINE)
    scene = generator.scene(0, "corners", 0)
    middle = scene.radius // (2 if pivot == "corner" else 1)
    quads = (scene.kind != CIRCLE) & ((scene.kind != raster.SQUARE) | (pivot == "corner"))
    assert np.array_equal(scene.pivot[quads], np.stack([middle, middle], 1)[quads] << 16)
    for frame in (0, 1, 63, 199):
        outline = scene.outline(frame)
        for k in np.flatnonzero(scene.kind != CIRCLE):
            plain = plain_corners(scene, int(k), frame)
            sure = np.abs(plain - np.round(plain)) > 0.003  # elsewhere a rounding decides between two pixels
            assert np.array_equal(outline[k][sure], np.trunc(plain).astype(int)[sure])
            assert np.abs(outline[k] - plain).max() < 1.003


def exact_corners(scene: Scene, k: int, frame: int) -> list[list[Fraction]]:
    """The corners of a polygon before truncation, [4][2] px, in fractions from the scene: nothing
    of the engine's fixed point. Sines have 40 digits.
    """
    getcontext().prec = 60
    turned = Decimal(int(scene.turn[k])) * frame / 2**32 % 1
    angle = 2 * Decimal("3.14159265358979323846264338327950288419716939937510582") * turned
    term, sine, cosine = Decimal(1), Decimal(0), Decimal(0)
    for n in range(60):
        cosine, sine = cosine + (0, term, 0, -term)[(n + 1) % 4], sine + (0, term, 0, -term)[n % 4]
        term = term * angle / (n + 1)
    s, c = Fraction(sine), Fraction(cosine)
    wide, tall = (1 + Fraction(int(v) * frame, 2**32) for v in scene.stretch[k])
    lean, skew = (Fraction(int(v) * frame, 2**32) for v in scene.shear[k])
    place, pivot = exact_place(scene, k, frame), [Fraction(int(p), 2**16) for p in scene.pivot[k]]
    found = []
    for corner in scene.corners[k]:
        x, y = (Fraction(int(v), 2**16) - p for v, p in zip(corner, pivot, strict=True))
        x, y = wide * (x + lean * y), tall * (skew * x + y)
        found.append([place[0] + pivot[0] + c * x - s * y, place[1] + pivot[1] + s * x + c * y])
    return found


@pytest.mark.parametrize("index", range(4))
def test_every_pixel_of_transformed_polygons_equals_a_slow_painter(index):
    """Places, corners and rows all in fractions. The engine has corners to 1/300 px: where one lies that
    near to a whole number, which way it is truncated is the engine's, and these are few.
    """
    size = 48
    generator = Shapes(size=size, objects=40, length="150", speed="0:3", center_range="-1:2", **AFFINE)
    scene = generator.scene(3, "oracle", index)
    frames, unsure = [0, 33, 140], 0
    for frame, ids in zip(frames, generator.ids(3, "oracle", index, frames), strict=True):
        outline = scene.outline(frame)
        whole, place = np.zeros((40, 4, 2), np.int64), np.zeros((40, 2), np.int64)
        for k in range(40):
            place[k] = [math.trunc(v) for v in exact_place(scene, k, frame)]
            for corner, exact in enumerate(exact_corners(scene, k, frame)):
                for axis, value in enumerate(exact):
                    near = frame > 0 and abs(value - round(value)) < Fraction(1, 300)
                    whole[k, corner, axis] = outline[k, corner, axis] if near else math.trunc(value)
                    unsure += near and scene.kind[k] != CIRCLE
        still = np.zeros_like(scene.velocity)
        local = (whole - place[:, None]) << 16
        moved = replace(scene, center=place, velocity=still, acceleration=still, corners=local)
        expected = np.zeros((size, size), int)
        for k in range(40):
            expected[oracle_covers(moved, k, 0, size)] = k + 1
        assert np.array_equal(ids, expected)
    assert unsure < 0.02 * 2 * 40 * 4 * 2


@pytest.mark.parametrize("scale", ["-0.005:0.005", "-0.06:0.018"])
def test_compound_scales_are_powers(scale):
    """Exactly to a 2**18th: (1 + σ)^t, where the released code has 1 + σ t."""
    length = "110"
    linear, compound = (
        Shapes(scale=scale, length=length, scale_law=law).scene(0, "power", 0)
        for law in ("linear", "compound")
    )
    assert np.array_equal(linear.stretch, compound.stretch)
    polygons = linear.kind != CIRCLE
    for frame in (0, 1, 2, 3, 64, 109):
        matrix = compound.pose(frame).matrix[polygons] / 2**20
        expected = (1 + compound.stretch[polygons] / 2**32) ** frame
        assert np.abs(matrix[:, [0, 3]] - expected).max() < 2**-18
        assert not matrix[:, [1, 2]].any()
    assert np.abs(linear.pose(1).matrix - compound.pose(1).matrix).max() <= 1
    assert not np.array_equal(linear.outline(109), compound.outline(109))


def test_acceleration_is_the_released_codes_law():
    scene = Shapes(subpixel=True, **AFFINE).scene(0, "a", 0)
    heading = scene.velocity / np.hypot(*scene.velocity.T)[:, None]
    speed = np.hypot(*scene.velocity.T) / 65536
    rate = (scene.acceleration * heading).sum(1) / 2**24
    for frame in (1, 50, 199):
        way = (speed + rate * frame) * frame
        assert np.abs(scene.pose(frame).place / 65536 - scene.center - way[:, None] * heading).max() < 0.02


def test_scalar_sine_is_the_arrays_sine():
    phase = np.random.default_rng(0).integers(-(2**40), 2**40, 3000)
    assert [raster._sine(int(p)) for p in phase] == raster.sine(phase & (2**32 - 1)).tolist()


# --- circles ---


def covered(generator: Shapes, scene: Scene, k: int, frame: int) -> np.ndarray:
    """The pixels of object k alone."""
    alone = {f: getattr(scene, f)[k : k + 1] for f in raster.Motion._fields}
    ids = np.empty((scene.size, scene.size), np.uint16)
    one = replace(scene, **alone)
    one.ids(one.pose(frame), ids)
    return ids == 1


@pytest.mark.parametrize("subpixel", [False, True])
def test_transformed_circles_are_the_ellipses_of_their_matrix(subpixel):
    generator = Shapes(shapes="circle", objects=60, circle_transform="full", subpixel=subpixel, **AFFINE)
    scene = generator.scene(1, "ellipses", 0)
    rows, columns = np.mgrid[:256, :256]
    pixels = 0
    for frame in (7, 90, 150):
        for k in range(60):
            seen = covered(generator, scene, k, frame)
            place = np.array([float(v) for v in exact_place(scene, k, frame)])
            back = np.linalg.inv(plain_matrix(scene, k, frame))
            away = np.stack([columns, rows], -1) - place
            radius = scene.radius[k] + (0 if subpixel else 0.5)
            at = np.hypot(*np.moveaxis(away @ back.T, -1, 0))
            slack = np.abs(back).sum() * 0.05  # a twentieth of a pixel about the outline
            assert not (seen & (at > radius + slack)).any()
            assert not (~seen & (at < radius - slack)).any()
            pixels += int(seen.sum())
    assert pixels > 100_000


def test_a_circle_without_a_transform_is_the_disc_of_the_ellipse_law():
    """At half a turn the matrix is minus one: the other code path, the same disc."""
    turned = Shapes(
        size=64, shapes="circle", objects=1, circle_transform="full", rotation="0", center_range="0.5"
    )
    scene = turned.scene(0, "disc", 0)
    for radius in (1, 2, 9, 20, 31):
        still = replace(scene, radius=np.array([radius]))
        half = replace(still, turn=np.array([2**31]))
        assert np.array_equal(covered(turned, still, 0, 1), covered(turned, half, 0, 1))


def test_scaled_circles_are_opencvs_ellipses():
    """The released on-the-fly code: radii in whole pixels, an angle in radians taken for degrees."""
    generator = Shapes(shapes="circle", objects=80, circle_transform="scaled", **AFFINE)
    scene = generator.scene(0, "scaled", 0)
    equal = total = 0
    for frame in (10, 80, 180):
        for k, (x, y) in enumerate(scene.place(frame).tolist()):
            if not (-256 < x < 512 and -256 < y < 512):
                continue
            wide, tall = (int(scene.radius[k] * (1 + s * frame / 2**32)) for s in scene.stretch[k])
            angle = 2 * math.pi * float(scene.turn[k]) * frame / 2**32
            theirs = np.zeros((256, 256), np.uint8)
            cv2.ellipse(theirs, (x, y), (wide, tall), angle, 0, 360, 1, -1)
            ours = covered(generator, scene, k, frame).astype(np.uint8)
            edge = cv2.dilate(theirs, np.ones((3, 3))) != cv2.erode(theirs, np.ones((3, 3)))
            assert not ((ours != theirs) & ~edge).any()
            equal, total = equal + int((ours == theirs).sum()), total + ours.size
    assert equal / total > 0.995


# --- subpixel ---


def test_subpixel_polygons_cover_just_the_pixels_whose_middle_is_inside():
    size = 112
    generator = Shapes(size=size, objects=30, subpixel=True, center_range="-0.3:1", **AFFINE)
    rows, columns = np.mgrid[:size, :size]
    compared = 0
    for index in range(4):
        scene = generator.scene(0, "fine", index)
        for k in np.flatnonzero(scene.kind != CIRCLE):
            corners = plain_corners(scene, int(k), 60)[: 3 if scene.kind[k] == TRIANGLE else 4]
            along = np.roll(corners, -1, 0) - corners
            cross = (
                np.stack(
                    [
                        a[0] * (rows - c[1]) - a[1] * (columns - c[0])
                        for a, c in zip(along, corners, strict=True)
                    ]
                )
                / np.maximum(np.hypot(*along.T), 1e-9)[:, None, None]
            )
            after = np.roll(along, -1, 0)
            turns = np.sign(along[:, 0] * after[:, 1] - along[:, 1] * after[:, 0])
            if abs(turns.sum()) < len(turns):
                continue  # truncated corners may bend it: not convex, where "inside" is another matter
            depth = (cross * turns[0]).min(0)
            seen = covered(generator, scene, int(k), 60)
            assert seen[depth > 0.02].all() and not seen[depth < -0.02].any()
            compared += int(seen.sum())
    assert compared > 10_000


# --- textures ---


def slow_texture(scene: Scene, k: int, frame: int, texture: np.ndarray, smooth: bool) -> np.ndarray:
    """What object k would show at every pixel, by plain arithmetic: float64 [S, S, 3]."""
    size = scene.size
    rows, columns = np.mgrid[:size, :size]
    place = np.array([float(v) for v in exact_place(scene, k, frame)])
    pivot = scene.pivot[k] / 65536
    circle = scene.kind[k] == CIRCLE
    matrix = np.eye(2) if circle and scene.circles == 0 else plain_matrix(scene, k, frame)
    away = np.stack([columns, rows], -1) - place - (0 if circle else pivot)
    local = away @ np.linalg.inv(matrix).T + pivot + scene.crop[k]
    large = texture.repeat(2 * size // len(texture), 0).repeat(2 * size // len(texture), 1).astype(float)

    def at(i, j):
        return large[np.clip(j, 0, 2 * size - 1).astype(int), np.clip(i, 0, 2 * size - 1).astype(int)]

    if not smooth:
        return at(*np.moveaxis(np.floor(local + 0.5), -1, 0))
    (i, j), (fx, fy) = np.moveaxis(np.floor(local), -1, 0), np.moveaxis(local % 1, -1, 0)[..., None]
    upper = at(i, j) * (1 - fx) + at(i + 1, j) * fx
    return upper * (1 - fy) + (at(i, j + 1) * (1 - fx) + at(i + 1, j + 1) * fx) * fy


@pytest.mark.parametrize(
    ("filter", "crop", "knobs"),
    [
        ("bilinear", "corner", AFFINE),
        ("nearest", "random", AFFINE),
        ("bilinear", "random", {**AFFINE, "circle_transform": "full", "subpixel": True}),
        ("bilinear", "corner", {}),
    ],
)
def test_textured_pixels_equal_a_slow_painter(stripes, filter, crop, knobs):
    generator = Shapes(
        size=128, objects=120, textures="stripes(size=64)", pool=50, filter=filter, texture_crop=crop, **knobs
    )
    (pool,) = generator.pools(5)
    scene = generator.scene(5, "texture", 1)
    _, index = pools.shares([pool], scene.texture)
    frames = [0, 40, 90]
    pictures = list(generator.draw(5, "texture", 1, frames))
    exact = total = 0
    for frame, ids, picture in zip(frames, generator.ids(5, "texture", 1, frames), pictures, strict=True):
        assert (picture[ids == 0] == 0).all()
        for number in np.unique(ids[ids > 0]):
            texture = Stripes(size=64).picture(5, "pool", int(index[number]))
            expected = slow_texture(scene, int(number) - 1, frame, texture, filter == "bilinear")
            gap = np.abs(expected - picture)[ids == number].max(-1)
            if filter == "bilinear":
                assert gap.max() <= 3.0  # positions go in 1/64
            exact, total = exact + int((gap <= 1.5).sum()), total + gap.size
    assert exact / total > (0.99 if filter == "bilinear" else 0.995)


def test_textures_are_those_of_the_released_codes_opencv_calls(stripes):
    """Nearest-blown-up texture, affine map of three corners, warpAffine, polygon: the reference's manner."""
    generator = Shapes(objects=60, textures="stripes", pool=20, shapes="mixed")
    (pool,) = generator.pools(0)
    scene = generator.scene(0, "reference", 0)
    _, index = pools.shares([pool], scene.texture)
    frame = 30
    ours = next(generator.draw(0, "reference", 0, [frame]))
    theirs = np.zeros_like(ours)
    for k, ((x, y), outline) in enumerate(zip(scene.place(frame), scene.outline(frame), strict=True)):
        if not (-256 < x < 512 and -256 < y < 512):
            continue
        large = cv2.resize(
            np.ascontiguousarray(pool.texture(int(index[k + 1]))[..., :3]),
            (512, 512),
            interpolation=cv2.INTER_NEAREST,
        )
        mask = np.zeros((256, 256), np.uint8)
        shift = np.array([[1, 0, x], [0, 1, y]], float)
        if scene.kind[k] == CIRCLE:
            r = int(scene.radius[k])
            cv2.ellipse(mask, (int(x), int(y)), (r, r), 0, 0, 360, 1, -1)
            shift[:, 2] -= r
        else:
            cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
        warped = cv2.warpAffine(large, shift, (256, 256), borderMode=cv2.BORDER_REPLICATE)
        theirs[mask == 1] = warped[mask == 1]
    assert (ours == theirs).all(-1).mean() > 0.985


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_saturation_adds_the_objects_color(stripes, mode):
    knobs = {"size": 64, "objects": 50, "textures": "stripes", "pool": 9, **AFFINE}
    plain, added = (next(Shapes(saturate=m, **knobs).draw(0, "s", 0, [20])) for m in ("none", mode))
    ids = next(Shapes(**knobs).ids(0, "s", 0, [20]))
    colors = np.vstack([[0, 0, 0], Shapes(**knobs).scene(0, "s", 0).color]).astype(int)
    total = plain.astype(int) + colors[ids]
    assert np.array_equal(added, total % 256 if mode == "wrap" else np.minimum(total, 255))
    assert (total > 255).any()


# --- bounds ---

OVERFLOW = """
import numpy as np
from synvid_eval.generators import raster
from synvid_eval.generators.shapes import Shapes

knobs = {"size": 4096, "objects": 12, "radius": "2:4", "speed": "0:256", "center_range": "-1:2"}
knobs |= {"rotation": "-1:1", "circle_transform": "full", "texture_crop": "random", "textures": "statistical"}
growing = {"length": "90", "scale": "-0.1:0.024", "scale_law": "compound", "subpixel": False}
most = {"length": "80", "scale": "-0.1:0.1", "shear": "0.1", "acceleration": "-1:1"}
long = {"length": "100000", "acceleration": "1", "speed": "256"}
left, right, corners = np.empty(4096, np.int64), np.empty(4096, np.int64), np.empty((4, 2), np.int64)
for extra in (most, long, growing):
    for subpixel in (False, True):
        generator = Shapes(**knobs | extra | {"subpixel": subpixel})
        scene = generator.scene(0, "big", 0)
        for frame in (1, 40, generator.clip_length(0, "big", 0) - 1):
            pose, motion = scene.pose(frame), scene.motion
            near = np.array([1, *(not raster._gone(place, 4096) for place in pose.place)], np.uint8)
            maps = np.zeros((13, 6), np.int64)
            raster.to_texture(motion, *pose, scene.crop, near, maps)
            for k in np.flatnonzero(near[1:]):
                for u, ux, uy in maps[k + 1].reshape(2, 3):
                    u + ux * 4095 + uy * 4095
                if motion.kind[k] == 0:
                    twice = 2 * motion.radius[k] + 1
                    raster._ellipse_rows(pose.place[k], pose.matrix[k], twice, 4096, left, right)
                    continue
                raster.outline(motion, *pose, k, subpixel, corners)
                rows, bits = (raster._fine_edge_rows, 8) if subpixel else (raster._edge_rows, 16)
                for (x0, y0), (x1, y1) in zip(corners >> bits, np.roll(corners >> bits, -1, 0)):
                    rows(x0, y0, x1, y1, 0, 100, left, right)
"""


def test_no_product_overflows_at_the_bounds_of_the_knobs():
    """As plain Python, where NumPy's integers say when they overflow."""
    run = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", OVERFLOW],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    assert (run.returncode, run.stderr) == (0, "")
