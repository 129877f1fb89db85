"""Flow of textures that move as is known: the closed forms are the shifts themselves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from synvid_eval import histogram
from synvid_eval.features.flow import PRESETS, _count, count_flow, flows
from synvid_eval.features.motion import Motion
from tests.features.looks import gray_frames, look_at

RNG = np.random.default_rng(4)
SIDE = 128


def texture(seed=0, side=320):
    """A smooth random picture, in grey levels."""
    noise = np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32)
    image = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(127.5 + 45 * image / image.std(), 0, 255).astype(np.float32)


def moved(places, side=SIDE):
    """Views [T, side, side] of the texture, at (x, y) of each time (bicubic between pixels)."""
    image, out = texture(), []
    for x, y in places:
        center = (160.0 - x, 160.0 - y)
        size = (side - side % 2, side - side % 2)
        matrix = np.array([[1, 0, center[0] - (size[0] - 1) / 2], [0, 1, center[1] - (size[1] - 1) / 2]])
        out.append(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP))
    return [np.clip(f, 0, 255) for f in out]


def medians(frames, preset="medium"):
    counts = count_flow(frames, preset)
    return histogram.quantile(counts.speed, 0.5), histogram.quantile(counts.acceleration, 0.5)


@pytest.mark.parametrize(("vx", "vy"), [(1, 0), (0, -1), (2, 1), (-3, 2), (0.5, 0.25), (4, -4)])
def test_a_translated_texture_has_its_speed(vx, vy):
    """Pixels of the 128×128 picture count twice: speeds are those at side 256."""
    speed, acceleration = medians(moved([(vx * t, vy * t) for t in range(16)]))
    assert speed == pytest.approx(2 * np.hypot(vx, vy), rel=0.05)
    assert acceleration < 0.1 * speed


@pytest.mark.parametrize(("vx", "vy"), [(1, 0), (-3, 2)])
def test_the_flow_points_where_the_texture_goes(vx, vy):
    first, second = moved([(0, 0), (vx, vy)])
    (flow,) = flows([first, second], "medium")
    assert np.median(flow[..., 0]) == pytest.approx(vx, abs=0.1)
    assert np.median(flow[..., 1]) == pytest.approx(vy, abs=0.1)


@pytest.mark.parametrize("a", [1, 2])
def test_constant_acceleration(a):
    """x = a·t(t + 1)/2, whole pixels: flows of a, 2a, …, 7a, each a more than the one before."""
    speed, acceleration = medians(moved([(a * t * (t + 1) // 2, 0) for t in range(8)]))
    assert acceleration == pytest.approx(2 * a, rel=0.05)
    assert speed == pytest.approx(2 * a * 4, rel=0.05)


def test_a_still_is_zero():
    counts = count_flow([texture()[:SIDE, :SIDE]] * 16, "medium")
    assert counts.speed[0] == counts.speed.sum() == 15 * SIDE**2
    assert counts.acceleration[0] == counts.acceleration.sum() == 14 * SIDE**2
    assert histogram.quantile(counts.speed, 0.9) == 0


@pytest.mark.parametrize("side", [16, 31, 128, 200])
def test_counts_against_numpy(side):
    frames = [(RNG.random((side, side)) * 255).astype(np.float32) for _ in range(4)]
    found = np.stack(list(flows(frames, "medium"))).astype(np.float64) * 256 / side
    edges = histogram.edges()
    edges[-1] = np.inf
    counts = count_flow(frames, "medium")
    for lengths, got in (
        (np.hypot(*np.moveaxis(found, -1, 0)), counts.speed),
        (np.hypot(*np.moveaxis(np.diff(found, axis=0), -1, 0)), counts.acceleration),
    ):
        wanted = np.histogram(lengths, edges)[0]
        assert got.sum() == wanted.sum() == lengths.size
        # a length on an edge, up to float32's rounding, may fall to either side of it
        assert np.abs(got - wanted).sum() <= 2 + 1e-4 * lengths.size


def test_bins_are_the_edges():
    """Just above and just below every edge, one length each."""
    for index, edge in enumerate(histogram.edges()[1:-1], 1):
        for value, wanted in ((edge * 1.00001, index), (edge * 0.99999, index - 1)):
            counts, squares = np.zeros(histogram.BINS, np.int64), np.empty(1, np.float32)
            length = np.array([[value, 0]], np.float32)
            zero = np.zeros_like(length)
            _count(zero, length, np.float32(1), squares, squares.view(np.uint32), counts)
            assert counts[wanted] == counts.sum() == 1


def test_speeds_do_not_depend_on_the_pictures_side():
    small = medians(moved([(t, 0) for t in range(8)], 64))[0]
    assert small == pytest.approx(2 * medians(moved([(t, 0) for t in range(8)], 128))[0], rel=0.05)


def test_the_number_of_threads_does_not_matter_and_is_left_alone():
    frames = moved([(1.3 * t, 0.4 * t * t) for t in range(5)])
    before = cv2.getNumThreads()
    try:
        results = []
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            results.append([c.tobytes() for c in count_flow(frames, "medium")])
            assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
    assert results[0] == results[1] == results[2]


def test_the_feature_counts_the_run_at_stride_one():
    frames = moved([(0.4 * t, 0) for t in range(61)])
    clip = gray_frames(np.stack(frames))
    feature = Motion()
    result = feature.measure(look_at(feature, clip))
    counts = count_flow(look_at(feature, clip).run(1), "medium")
    assert np.array_equal(result.states["speed"].values, counts.speed)
    assert np.array_equal(result.states["acceleration"].values, counts.acceleration)
    assert result.summary["speed"] == histogram.quantile(counts.speed, 0.5) == pytest.approx(0.8, rel=0.1)
    assert result.states["speed"].values.sum() == 15 * SIDE**2


@pytest.mark.parametrize("preset", [*PRESETS, "none"])
def test_the_preset_is_a_knob_that_leaves_the_value_alone(preset):
    clip = gray_frames(np.stack(moved([(t, 0) for t in range(16)])))
    plain, other = Motion(), Motion(flow=preset)
    a, b = plain.measure(look_at(plain, clip)), other.measure(look_at(other, clip))
    assert np.array_equal(a.states["stride1"].mean, b.states["stride1"].mean)
    assert ("speed" in b.states) == (preset != "none")
    if preset != "none":
        assert b.summary["speed"] == pytest.approx(2, rel=0.1)


def test_pictures_too_small_for_flow_have_none():
    feature = Motion(side=15)
    clip = gray_frames(np.stack(moved([(t, 0) for t in range(16)])))
    assert set(feature.measure(look_at(feature, clip)).states) == {"stride1"}
    feature = Motion(side=16)
    assert "speed" in feature.measure(look_at(feature, clip)).states
