from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scipy.signal

from synvid_eval.features.spectrum import COLUMNS, Spectrum, log_spectrum_grid, radial_bins
from tests.features.looks import gray_frames, look_at

RNG = np.random.default_rng(8)


def power_law(alpha, side=256, deviation=40.0):
    """A gray frame whose amplitude spectrum is 1/f^α with random phases, 8 bits."""
    k = np.fft.fftfreq(side)
    f = np.hypot(k[:, None], k[None, :])
    f[0, 0] = 1
    amplitude = f**-alpha
    amplitude[0, 0] = 0
    noise = np.fft.fft2(RNG.standard_normal((side, side)))
    image = np.fft.ifft2(amplitude * noise / np.abs(noise)).real
    return gray_frames(127.5 + deviation * image / image.std())


def first_in_bin(side, low, high, cycles, bins):
    """The least whole number squared radius (in cycles over the crop) of each bin, and of what lies beyond.

    Exact: radius r lies at or above edge i where r^(2·bins) ≥ low^(2(bins − i))·high^(2i), all in fractions.
    """
    low = max(Fraction(low) * side, Fraction(cycles)) ** 2
    high = (Fraction(high) * side) ** 2
    out = []
    for i in range(bins + 1):
        bound = low ** (bins - i) * high**i
        squared = int(float(bound) ** (1 / bins)) - 2
        while max(squared, 0) ** bins < bound:
            squared += 1
        out.append(max(squared, 0))
    return out


def slow(frame, window="hann", low="0.02", high="0.25", cycles="4", bins=20):
    """The recipe over the full plane. Returns α, log A, residual, log frequencies, log amplitudes."""
    height, width = frame.shape[:2]
    s = min(height, width)
    crop = frame[(height - s) // 2 :, (width - s) // 2 :][:s, :s].astype(np.float32)
    red, green, blue = np.moveaxis(crop, 2, 0)
    gray = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    gray = gray.astype(np.float64)
    gray = gray - gray.mean()
    line = scipy.signal.windows.hann(s, sym=False) if window == "hann" else np.ones(s)
    w = np.outer(line, line)
    amplitude = np.abs(np.fft.fft2(gray * w)) / np.sqrt((w**2).sum())
    k = np.array([i if i < (s + 1) // 2 else i - s for i in range(s)])
    squared = k[:, None] ** 2 + k[None, :] ** 2
    x, y = [], []
    for a, b in pairwise(first_in_bin(s, low, high, cycles, bins)):
        inside = (squared >= a) & (squared < b)
        if inside.any():
            x.append(np.log(np.mean(np.sqrt(squared[inside]) / s)))
            y.append(np.log(amplitude[inside].mean()))
    slope, intercept = np.polyfit(x, y, 1)
    residual = np.sqrt(np.mean((np.array(y) - slope * np.array(x) - intercept) ** 2))
    return -slope, intercept + slope * np.log(0.1), residual, np.array(x), np.array(y)


FRAMES = {
    "square": RNG.integers(0, 256, (120, 120, 3), dtype=np.uint8),
    "wide": power_law(1.0, 240)[:97],
    "tall odd": np.cumsum(RNG.integers(0, 9, (121, 101, 3)), axis=0).astype(np.uint8),
    "large": power_law(1.5, 300)[30:270],
}


def columns(feature, *frames):
    return feature.measure(look_at(feature, frames)).states["spectrum"].mean


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("window", ["hann", "none"])
def test_against_the_recipe_written_out(name, window):
    frame = FRAMES[name]
    got = dict(zip(COLUMNS, columns(Spectrum(window=window), frame), strict=True))
    alpha, level, residual, _, _ = slow(frame, window)
    assert got["alpha"] == pytest.approx(alpha, abs=1e-9)
    assert got["log_amplitude"] == pytest.approx(level, abs=1e-9)
    assert got["residual"] == pytest.approx(residual, abs=1e-9)
    assert got["alpha_no_window"] == pytest.approx(slow(frame, "none")[0], abs=1e-9)
    assert got["alpha_wide"] == pytest.approx(slow(frame, window, "0.01", "0.5")[0], abs=1e-9)
    assert got["alpha_no_window_present"] == got["alpha_wide_present"] == 1


def test_other_knobs_against_the_recipe_written_out():
    feature = Spectrum(low=0.03, high=0.4, cycles=6.0, bins=11, min_bins=3)
    got = columns(feature, FRAMES["square"])
    assert got[0] == pytest.approx(slow(FRAMES["square"], "hann", "0.03", "0.4", "6", 11)[0], abs=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5, 2.0])
def test_the_exponent_of_noise_is_found(alpha):
    # One frame's α scatters by 0.025 to 0.045: ±0.08 is five standard errors of the mean of eight.
    assert columns(Spectrum(), *[power_law(alpha) for _ in range(8)])[0] == pytest.approx(alpha, abs=0.08)


def test_white_noise_has_exponent_zero_and_the_level_of_its_deviation():
    # |F|/√Σw² of white noise of deviation σ is Rayleigh distributed: its mean is σ·√π/2, whatever the window.
    frames = [gray_frames(127.5 + 20 * RNG.standard_normal((256, 256))) for _ in range(4)]
    for window in ("hann", "none"):
        alpha, level = columns(Spectrum(window=window), *frames)[:2]
        assert alpha == pytest.approx(0, abs=0.1)
        assert level == pytest.approx(np.log(20 * np.sqrt(np.pi) / 2), abs=0.03)


def test_contrast_moves_the_level_and_not_the_exponent():
    faint = power_law(1.2) // 8 + 100
    strong = (faint - faint.min()) * 4
    a, b = columns(Spectrum(), faint), columns(Spectrum(), strong)
    assert b[0] == pytest.approx(a[0], abs=1e-6)
    assert b[1] - a[1] == pytest.approx(np.log(4), abs=1e-6)


def test_a_clip_is_the_mean_over_its_usable_frames():
    big, small = FRAMES["square"], RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    framed = RNG.integers(0, 256, (60, 100, 3), dtype=np.uint8)
    framed[:, 20:80] = (1, 2, 3)
    other = FRAMES["wide"]
    result = Spectrum().measure(look_at(Spectrum(), [big, small, framed, other, np.full_like(big, 7)]))
    assert result.states["frames"].values.tolist() == [5, 2, 1]
    expected = np.mean([slow(big)[:3], slow(other)[:3]], axis=0)
    np.testing.assert_allclose(result.states["spectrum"].mean[:3], expected, rtol=0, atol=1e-9)
    assert result.summary["alpha"] == pytest.approx(expected[0], abs=1e-9)
    assert result.states["spectrum"].n == result.states["log_spectrum"].n == 1


@pytest.mark.parametrize("frames", [np.full((2, 50, 50, 3), 9, np.uint8), np.zeros((0, 9, 9, 3), np.uint8)])
def test_without_a_usable_frame_there_is_no_row(frames):
    result = Spectrum().measure(look_at(Spectrum(), frames))
    assert set(result.states) == {"frames"}
    assert result.states["frames"].values.tolist() == [len(frames), len(frames), 0]
    assert np.isnan(result.summary["alpha"]) and np.isnan(result.summary["log_amplitude"])


@pytest.mark.parametrize("side", range(1, 18))
def test_small_crops_are_unfit(side):
    frame = RNG.integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    frame[0, 1], frame[-1, -2] = 0, 255  # inside the crop, so that two pixels on differ
    counts = Spectrum().measure(look_at(Spectrum(), [frame])).states["frames"].values.tolist()
    assert counts == ([1, 0, 1] if side > 1 else [1, 1, 0])


@pytest.mark.parametrize("window", ["hann", "none"])
def test_rounding_errors_are_not_fitted(window):
    # One pixel on, one off: all amplitude is at 0.5 cycles/pixel, none in the range.
    feature = Spectrum(window=window)
    board = gray_frames(255.0 * (np.indices((96, 96)).sum(axis=0) % 2))
    assert feature.measure(look_at(feature, [board])).states["frames"].values.tolist() == [1, 0, 1]


def test_the_log_spectrum_is_interpolated_within_its_range_only():
    feature = Spectrum()
    frames = [FRAMES["large"], FRAMES["square"]]
    grid = log_spectrum_grid(feature)
    ratio = (0.25 / 0.02) ** (1 / 20)
    np.testing.assert_allclose(grid, 0.02 * ratio ** (np.arange(20) + 0.5), rtol=1e-12)
    total, reached = np.zeros(20), np.zeros(20)
    for frame in frames:
        _, _, _, x, y = slow(frame)
        inside = (np.log(grid) >= x[0]) & (np.log(grid) <= x[-1])
        total += np.where(inside, np.interp(np.log(grid), x, y), 0)
        reached += inside
    got = feature.measure(look_at(feature, frames)).states["log_spectrum"].mean
    assert 0 < (reached == 1).sum() < 20
    np.testing.assert_allclose(got[:20], total / 2, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(got[20:], reached / 2)


@pytest.mark.parametrize("side", [17, 31, 64, 100, 196, 200, 240])
def test_bins_are_full_plane_means_with_exact_edges(side):
    low = max(0.02, 4 / side)
    bins = radial_bins(side, low, 0.25, 20)
    k = np.rint(np.fft.fftfreq(side) * side).astype(int)
    squared = k[:, None] ** 2 + k[None, :] ** 2
    # Whole-number comparisons: low and high are k/side for whole k, or 0.02 of a side that makes it a ratio.
    inside = (2500 * squared >= max(side * side, 2500 * 16)) & (16 * squared < side * side)
    half = (k**2)[:, None] + np.arange(side // 2 + 1) ** 2
    assert set(half.ravel()[bins.positions]) == set(squared[inside])
    filled = np.isfinite(bins.frequency)
    np.testing.assert_allclose(np.bincount(bins.bins, bins.weights, 20)[filled], 1)
    value = np.arange(1.0, 1 + side * side).reshape(side, side)
    value = value + value[-np.arange(side)][:, -np.arange(side)]  # even, as the amplitude of a real image is
    means = np.bincount(bins.bins, bins.weights * value[:, : side // 2 + 1].ravel()[bins.positions], 20)
    bin_of = dict(zip(half.ravel()[bins.positions], bins.bins, strict=True))
    full = np.array([bin_of.get(v, -1) for v in squared.ravel()])
    for i in np.flatnonzero(filled):
        assert means[i] == pytest.approx(value.ravel()[full == i].mean(), rel=1e-12)
        frequencies = np.sqrt(squared.ravel()[full == i]) / side
        assert bins.frequency[i] == pytest.approx(frequencies.mean(), rel=1e-12)


@pytest.mark.parametrize("side", [17, 50, 64, 97, 128, 200, 240])
@pytest.mark.parametrize(("low", "high"), [("0.02", "0.25"), ("0.01", "0.5")])
def test_a_frequency_on_an_edge_belongs_to_the_upper_bin(side, low, high):
    # They do meet: for s = 64 the edges are 4·4^(i/20) cycles, squared 16, 32, 64, 128 at i = 0, 5, 10, 15.
    bins = radial_bins(side, max(float(low), 4 / side), float(high), 20)
    k = np.rint(np.fft.fftfreq(side) * side).astype(int)
    half = ((k**2)[:, None] + np.arange(side // 2 + 1) ** 2).ravel()
    expected = np.searchsorted(first_in_bin(side, low, high, 4, 20), half, side="right") - 1
    got = np.full(half.shape, -1)
    got[bins.positions] = bins.bins
    np.testing.assert_array_equal(got, np.where(expected < 20, expected, -1))
