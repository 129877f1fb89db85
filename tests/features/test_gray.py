from __future__ import annotations

import cv2
import numpy as np
import pytest

from synvid_eval.features.gray import GrayCrop, center_square, is_constant, luma, resize_square

RNG = np.random.default_rng(1)


def frame(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_gray_is_rec_601_and_not_rounded():
    image = frame(31, 17)
    got = luma(image)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, image.astype(np.float64) @ [0.299, 0.587, 0.114], rtol=0, atol=1e-4)
    assert np.any(np.abs(got - np.rint(got)) > 0.1)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (256, 341), (384, 384), (512, 384)])
def test_whole_factors_are_block_means(height, width):
    image = frame(height, width)
    side = min(height, width)
    top, left, k = (height - side) // 2, (width - side) // 2, side // 128
    gray = image.astype(np.float64) @ [0.299, 0.587, 0.114]
    gray = gray[top : top + side, left : left + side]
    expected = gray.reshape(128, k, 128, k).mean(axis=(1, 3))
    got = GrayCrop(128)(image)
    assert got.shape == (128, 128) and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def overlap(source, target):
    """Area weights [target, source] by the plain definition, in floating point."""
    out = np.zeros((target, source))
    for i in range(target):
        for j in range(source):
            low, high = i * source / target, (i + 1) * source / target
            out[i, j] = max(0.0, min(high, j + 1) - max(low, j)) * target / source
    return out


@pytest.mark.parametrize("source", [129, 144, 240, 255, 257, 480])
def test_other_factors_are_area_means(source):
    image = (RNG.random((source, source)) * 255).astype(np.float32)
    weights = overlap(source, 128)
    np.testing.assert_allclose(resize_square(image, 128), weights @ image @ weights.T, rtol=0, atol=2e-5)
    opencv = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(resize_square(image, 128), opencv, rtol=0, atol=5e-4)


@pytest.mark.parametrize("source", [1, 2, 3, 60, 64, 112, 127])
def test_smaller_crops_are_bilinear(source):
    image = (RNG.random((source, source)) * 255).astype(np.float32)
    opencv = cv2.resize(image, (128, 128), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(resize_square(image, 128), opencv, rtol=0, atol=1e-3)


def test_bilinear_doubling_by_hand():
    got = resize_square(np.array([[0, 4], [8, 12]], np.float32), 4)
    line = np.array([0, 0.25, 0.75, 1])
    np.testing.assert_array_equal(got, 8 * line[:, None] + 4 * line[None, :])


def test_native_size_is_untouched_and_rgb_is_plane_by_plane():
    image = frame(130, 128)
    np.testing.assert_array_equal(GrayCrop(128)(image), luma(image[1:129]))
    rgb = GrayCrop(64, "rgb")(image)
    assert rgb.shape == (64, 64, 3) and rgb.dtype == np.float32
    expected = image[1:129].astype(np.float64).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(rgb, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "shape", [(1, 1), (7, 9), (64, 64), (100, 131), (240, 320), (333, 129), (1080, 1920)]
)
def test_flat_stays_exactly_flat(shape):
    for value in ((0, 0, 0), (201, 7, 93), (255, 255, 255)):
        image = np.broadcast_to(np.array(value, np.uint8), (*shape, 3))
        assert is_constant(image)
        assert len(np.unique(GrayCrop(128)(image))) == 1


@pytest.mark.parametrize("side", [50, 128, 200, 240, 301])
def test_what_is_constant_along_an_axis_stays_exactly_so(side):
    stripes = np.repeat(frame(1, side), side, axis=0)
    assert (np.ptp(GrayCrop(128)(stripes), axis=0) == 0).all()
    assert (np.ptp(GrayCrop(128)(stripes.transpose(1, 0, 2)), axis=1) == 0).all()


def test_crop_offsets_are_floored():
    image = frame(4, 9)
    np.testing.assert_array_equal(center_square(image), image[:, 2:6])
    np.testing.assert_array_equal(center_square(image.transpose(1, 0, 2)), image.transpose(1, 0, 2)[2:6])


def test_constant_means_one_rgb_value():
    image = np.full((5, 6, 3), 9, np.uint8)
    assert is_constant(image)
    image[4, 5, 2] = 10
    assert not is_constant(image)
    image[...] = (1, 2, 3)
    assert is_constant(image)
