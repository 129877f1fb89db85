"""Statistical textures: against a plain way of drawing them, their parameters, their bytes."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from scipy import signal, stats

from benchmarks import plain
from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.generators import pool, statistical, textures
from synvid_eval.generators.statistical import Statistical
from synvid_eval.generators.texture import spelled

POOL = "a pool"
THUMBNAILS = Path(__file__).with_name("statistical_thumbnails.npz")
KINDS = {
    "spectrum": {"color": False, "wmm": False},
    "spectrum_color": {"wmm": False},
    "spectrum_wmm": {"color": False},
    "spectrum_color_wmm": {},
    "fourfold": {"growth": 4},
}


def by_rank(values: np.ndarray, target: np.ndarray, low: float, step: float) -> np.ndarray:
    """`plain.matched` by sorting, as the Python port matches: no histogram of the source."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    goal = np.concatenate([[0], np.cumsum(target)]) / target.sum()
    quantiles = (np.cumsum(counts) - counts / 2) / values.size
    return np.interp(quantiles, goal, low + step * np.arange(len(target) + 1))[place].reshape(values.shape)


def assert_close(picture: np.ndarray, expected: np.ndarray, share: float = 0.999) -> None:
    assert np.corrcoef(picture.ravel(), expected.ravel())[0, 1] >= 0.9999
    near = np.abs(picture.astype(float) - np.floor(expected + 0.5)) <= 1
    assert near.mean() >= share


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [64, 128])
def test_equals_the_plain_way(kind, size):
    # The plain way takes a steep spectrum through a picture, where its fine frequencies lose eight digits;
    # ten rounds make a few pixels' worth of gray levels of that.
    for iterations, share in ((3, 0.9999), (10, 0.995)):
        texture = Statistical(size=size, iterations=iterations, **KINDS[kind])
        for index in range(2 if size == 64 else 1):
            picture = texture.picture(0, POOL, index)
            assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
            assert picture.min() == 0 and picture.max() == 255
            assert_close(picture, plain.statistical(texture, POOL, index), share)


def test_rounding_stays_within_the_stated_tolerance(monkeypatch):
    """Transforms that round otherwise, as another machine's would."""
    random = np.random.default_rng(0)

    def rounding(transform):
        def inner(values, **options):
            out = transform(values, **options)
            error = 2e-16 * math.sqrt(np.mean(np.abs(out) ** 2))
            return out + error * random.normal(size=out.shape)

        return inner

    texture = Statistical(size=128)
    here = [texture.picture(0, POOL, index).astype(int) for index in range(12)]
    for name in ("rfft2", "irfft2"):
        monkeypatch.setattr(scipy.fft, name, rounding(getattr(scipy.fft, name)))
    there = [texture.picture(0, POOL, index).astype(int) for index in range(12)]
    assert not np.array_equal(here, there)
    assert (np.abs(np.subtract(here, there)) <= 1).mean() >= 0.999


@pytest.mark.slow
def test_a_full_texture_is_that_of_the_plain_way():
    texture = Statistical()
    assert_close(texture.picture(0, POOL, 0), plain.statistical(texture, POOL, 0))


def test_the_oracle_notices_what_it_should():
    texture = Statistical(size=64)
    for other in (Statistical(size=64, growth=4), Statistical(size=64, iterations=9)):
        with pytest.raises(AssertionError):
            assert_close(other.picture(0, POOL, 0), plain.statistical(texture, POOL, 0))


# The parts


def test_filters_are_a_tight_frame_and_reconstruct():
    pyramid, low = statistical._pyramid(64)
    total = low.copy()
    picture = np.random.default_rng(0).normal(size=(64, 64))
    spectrum = np.fft.rfft2(picture)
    back = spectrum * low
    for depth, level in enumerate(pyramid):
        assert level.size == 64 >> depth and len(level.filters) == 4 + (depth == 0)
        rows = np.r_[: level.size // 2, 64 - level.size // 2 : 64]
        total[rows, : level.size // 2 + 1] += (level.filters**2).sum(0)
        for filter, odd in zip(level.filters, level.odd, strict=True):
            part = np.empty(filter.shape, np.complex128)
            statistical._split(spectrum, filter, odd, part)
            band = np.fft.irfft2(part, s=(level.size, level.size))
            statistical._join(np.fft.rfft2(band), filter, odd, 1.0, back)
    assert np.allclose(total, 1, atol=1e-12)
    assert np.allclose(np.fft.irfft2(back), picture, atol=1e-12)


def test_a_spectrum_is_imposed_once_and_for_all():
    noise = Statistical(size=64).noise(0, POOL, 0)[0]
    amplitudes = statistical._amplitudes(64, (1.2, 1.4))
    once, thrice = (statistical._impose(noise.copy(), amplitudes, None, 2, None, n) for n in (1, 3))
    assert np.allclose(once, thrice, atol=1e-9)
    assert once.mean() == pytest.approx(noise.mean()) and once.std() == pytest.approx(noise.std())
    ratio = np.abs(np.fft.rfft2(once - once.mean())).ravel()[1:] / amplitudes.ravel()[1:]
    assert np.ptp(ratio) < 1e-6 * ratio.mean()
    # Exponents along the axes, as drawn: amplitude ∝ f^−slope where the other frequency is 0.
    assert amplitudes[0, 2] / amplitudes[0, 4] == pytest.approx(2**1.2)
    assert amplitudes[2, 0] / amplitudes[4, 0] == pytest.approx(2**1.4)


@pytest.mark.parametrize("count", [4096, 1023])
def test_matching_agrees_with_sorting(count):
    values = np.random.default_rng(1).laplace(size=count)
    x = np.arange(-200, 200.5, 0.5)
    h = np.exp(-(np.abs(x / 16) ** 0.6))
    out = values.copy()
    deviation = statistical._match(out, statistical._cumulative(h), -200.25, 0.5)
    assert deviation == pytest.approx(out.std(ddof=1))
    assert np.allclose(out, plain.matched(values, h, -200.25, 0.5), atol=1e-9)
    sorted_way = by_rank(values, h, -200.25, 0.5)
    assert np.corrcoef(out, sorted_way)[0, 1] > 0.999
    assert np.array_equal(np.argsort(out, kind="stable"), np.argsort(values, kind="stable"))


def test_matching_leaves_a_constant_alone():
    flat = np.full(100, 3.5)
    assert statistical._match(flat, statistical._cumulative(np.ones(8)), 0.0, 1.0) == math.inf
    assert (flat == 3.5).all()


def test_a_round_ends_with_the_color_histogram():
    texture = Statistical(size=64, wmm=False)
    colors = texture.parameters(0, POOL, 3).colors
    target = statistical._color_target(colors, 0)
    out = statistical._impose(
        texture.noise(0, POOL, 3)[0], statistical._amplitudes(64, (1.5, 1.5)), None, 2, target, 10
    )
    edges = np.linspace(colors.low[0], colors.high[0], 257)
    share = np.searchsorted(np.sort(out.ravel()), edges) / out.size
    assert np.abs(share - np.concatenate([[0], np.cumsum(colors.histogram[0])]) / 64**2).max() < 0.03


# Parameters


def test_the_color_model_is_the_released_one():
    texture = Statistical(size=64)
    seen = set()
    for index in range(24):
        colors = texture.parameters(0, POOL, index).colors
        n = len(colors.palette)
        shares = 0.001 + plain.uniform(texture, POOL, index, "shares", n)
        owner = np.searchsorted(
            np.cumsum(shares / shares.sum())[:-1],
            plain.uniform(texture, POOL, index, "pixels", 64**2),
            "right",
        )
        assert np.array_equal(colors.counts, np.bincount(owner, minlength=n))
        # ind2rgb(X − 1, …) with X from 1: the first color is that of 0 and of 1, the last is never used.
        picture = colors.palette[np.maximum(np.sort(owner) - 1, 0)].reshape(64, 64, 3).transpose(1, 0, 2)
        box = np.ones((colors.blur, colors.blur)) / colors.blur**2
        full = [signal.convolve2d(picture[..., c], box, "full") for c in range(3)]
        cut = slice(colors.blur // 2, colors.blur // 2 + 64)
        picture = np.stack([part[cut, cut] for part in full])
        picture += 10 * plain.uniform(texture, POOL, index, "grain", 3 * 64 * 64).reshape(3, 64, 64)
        picture -= picture.min()
        picture *= 256 / picture.max()
        flat = picture.reshape(3, -1) - picture.mean((1, 2))[:, None]
        assert np.allclose(colors.mean, picture.mean((1, 2)))
        scatter = flat @ flat.T
        turned = colors.axes.T @ scatter @ colors.axes
        assert np.allclose(turned - np.diag(np.diag(turned)), 0, atol=1e-9 * np.trace(scatter))
        assert (np.diff(np.diag(turned)) < 0).all()
        assert np.allclose(colors.axes.T @ colors.axes, np.eye(3))
        for c, values in enumerate(colors.axes.T @ flat):
            assert (colors.low[c], colors.high[c]) == pytest.approx((values.min(), values.max()))
            counts = np.histogram(values, 256)[0]
            # A value within a rounding error of an edge may fall to either side.
            assert np.abs(colors.histogram[c] - counts).sum() <= 2
        seen.add(colors.blur)
    assert len(seen) > 5


def test_slopes_and_powers_are_drawn_from_what_is_asked():
    one = Statistical(size=64, color=False, wmm=False, slope="1.2", power="0.3:0.5")
    drawn = [one.parameters(0, POOL, index) for index in range(100)]
    assert all(abs(np.mean(d.slopes) - 1.2) < 1e-9 for d in drawn)
    powers = np.array([d.powers for d in drawn])
    assert 0.3 <= powers.min() < 0.31 and 0.49 < powers.max() <= 0.5
    # the same draws, put elsewhere: what else is drawn stays
    other = Statistical(size=64, color=False, wmm=False).parameters(0, POOL, 7)
    assert np.allclose((powers[7] - 0.3) / 0.2, (other.powers - 0.4) / 0.4)
    assert np.array_equal(drawn[7].colors.palette, other.colors.palette)
    with pytest.raises(UsageError, match=r"statistical\.slope=0:1 is out of range"):
        Statistical(slope="0:1")


@pytest.mark.parametrize("slope", ["0.5", "1.5"])
def test_a_picture_has_the_slope_that_is_asked(slope):
    """Its amplitudes along x, with no frequency along y: 1 / f^s, but for gray levels and the stretch."""
    found = []
    for index in range(6):
        texture = Statistical(size=128, color=False, wmm=False, slope=slope)
        picture = texture.picture(0, POOL, index).astype(float).sum(2)
        amplitude = np.abs(np.fft.rfft2(picture))[0, 2:20]
        found.append(-np.polyfit(np.log(np.arange(2, 20)), np.log(amplitude), 1)[0])
    assert abs(np.mean(found) - float(slope)) < 0.25


def test_knobs_that_came_later_change_nothing_of_what_was():
    before = {"size": 64, "color": True, "wmm": True, "iterations": 10, "growth": 2}
    assert Statistical(size=64).identity() == {"texture": "statistical", "revision": 1, **before}
    assert spelled([Statistical(size=64)]) == (
        "statistical(size=64,color=true,wmm=true,iterations=10,growth=2)"
    )
    steep = Statistical(size=64, slope="2:3")
    assert steep.identity()["slope"] == "2:3" and "power" not in steep.identity()
    assert pool.recipes(spelled([steep])) == [steep]


def test_every_parameter_has_the_released_distribution():
    texture = Statistical(size=32)
    drawn = [texture.parameters(0, POOL, index) for index in range(500)]

    def p(values: object, law: object) -> float:
        return float(stats.kstest(np.ravel(values), law.cdf).pvalue)

    slope = np.array([d.slopes for d in drawn])
    assert p(slope.mean(1), stats.uniform(0.5, 3)) > 0.01
    assert p((slope[:, 0] - slope[:, 1]) / 2, stats.norm(0, 0.05)) > 0.01
    assert drawn[0].powers.shape == (3, 5)
    assert p([d.powers for d in drawn], stats.uniform(0.4, 0.4)) > 0.01
    assert abs(np.corrcoef(np.array([d.powers for d in drawn])[:, :, 0].T)[0, 1]) < 0.15
    assert p(np.concatenate([d.colors.palette.ravel() for d in drawn]), stats.uniform(0, 256)) > 0.01
    for values, ends in (
        ([len(d.colors.palette) for d in drawn], (3, 22)),
        ([d.colors.blur for d in drawn], (1, 10)),
    ):
        counts = np.bincount(values)[ends[0] :]
        assert len(counts) == ends[1] - ends[0] + 1 and stats.chisquare(counts).pvalue > 0.01
    assert p([texture.noise(0, POOL, index) for index in range(5)], stats.uniform(0, 256)) > 0.01
    assert all(d.colors.counts.sum() == 32**2 == d.colors.histogram[0].sum() for d in drawn)


def test_bands_have_the_released_histograms():
    for level, ratio in enumerate([1, 1, 2, 4, 8]):  # the high-pass residual, then the levels at 256
        band = 0 if level == 0 else 4 * level
        powers = np.full(17, 0.6)
        target = statistical._wavelet_targets(256, powers)[band]
        x = np.arange(-200, 200.5, 0.5)
        h = np.exp(-(np.abs(x / 4.0**ratio) ** 0.6))
        assert target.deviation == pytest.approx(math.sqrt(np.average(x**2, weights=h)))
        assert np.allclose(np.diff(target.cumulative), h / h.sum(), atol=1e-7)
    assert [statistical.levels(size) for size in (32, 64, 100, 128, 256, 512)] == [1, 2, 2, 3, 4, 5]


# Addresses and bytes


def sha(texture: Statistical, index: int) -> str:
    return hashlib.sha256(texture.picture(0, POOL, index).tobytes()).hexdigest()


def test_same_bytes_again_elsewhere_and_in_threads():
    texture = Statistical(size=64)
    expected = [sha(texture, index) for index in range(4)]
    assert expected == [sha(texture, index) for index in range(4)]
    assert len(set(expected)) == 4
    code = (
        "from synvid_eval.generators.statistical import Statistical; import hashlib; "
        f"t = Statistical(size=64); "
        f"print(*(hashlib.sha256(t.picture(0, {POOL!r}, i).tobytes()).hexdigest() for i in (3, 1, 0, 2)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == [expected[i] for i in (3, 1, 0, 2)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda i: sha(texture, i), [0, 1, 2, 3] * 2)) == expected * 2


def test_another_seed_or_pool_is_another_texture():
    texture = Statistical(size=32)
    pictures = [texture.picture(*address) for address in ((0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1))]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert (one != other).mean() > 0.8


def test_a_knob_changes_only_what_it_is_about():
    whole, plain = (Statistical(size=64, **KINDS[kind]) for kind in ("spectrum_color_wmm", "spectrum"))
    one, other = (texture.parameters(0, POOL, 1) for texture in (whole, plain))
    assert one.slopes == other.slopes and np.array_equal(one.powers, other.powers)
    assert np.array_equal(one.colors.axes, other.colors.axes)
    assert np.array_equal(whole.noise(0, POOL, 1), plain.noise(0, POOL, 1))
    assert (whole.picture(0, POOL, 1) != plain.picture(0, POOL, 1)).mean() > 0.8
    large = Statistical(size=128).parameters(0, POOL, 1)
    assert large.slopes == one.slopes and np.array_equal(large.colors.palette, one.colors.palette)


def test_noise_is_the_addressed_stream():
    texture = Statistical(size=32)
    expected = 256 * plain.uniform(texture, POOL, 7, "noise", 3 * 32 * 32).reshape(3, 32, 32)
    assert np.array_equal(texture.noise(0, POOL, 7), expected)


def test_pictures_look_as_they_did():
    """Every second pixel of three textures: elsewhere 99.9 % of pixels are within one gray level."""
    with np.load(THUMBNAILS) as kept:
        for kind in ("spectrum", "spectrum_color", "spectrum_color_wmm"):
            now = Statistical(size=64, **KINDS[kind]).picture(0, POOL, 2)[::2, ::2]
            near = np.abs(now.astype(int) - kept[kind].astype(int)) <= 1
            assert near.mean() >= 0.999, kind


def test_rougher_spectra_and_wavelets_are_grainier():
    def grain(picture: np.ndarray) -> float:
        gray = picture.astype(float).mean(2)
        return float(np.diff(gray, axis=1).var() / gray.var())

    def mean(**knobs: bool) -> tuple[np.ndarray, np.ndarray]:
        texture = Statistical(size=64, **knobs)
        grains = [grain(texture.picture(0, POOL, index)) for index in range(40)]
        return np.array(grains), np.array([sum(texture.parameters(0, POOL, i).slopes) for i in range(40)])

    smooth, slopes = mean(wmm=False)
    assert stats.spearmanr(smooth, slopes).statistic < -0.8
    assert np.median(mean()[0]) > 2 * np.median(smooth)


# Knobs


def test_it_is_a_texture_that_does_not_evolve():
    assert textures.get("statistical") is Statistical
    texture = knobs.replace(Statistical(), {"size": "64", "iterations": "2", "wmm": "no"})
    assert (texture.size, texture.iterations, texture.wmm) == (64, 2, False)
    assert not texture.exact and not texture.evolves()
    first, later = texture.walk(0, POOL, 0, [0, 50])
    assert np.array_equal(first, later) and np.array_equal(first, texture.picture(0, POOL, 0))


def test_sizes_that_the_pyramid_bears():
    for size in (32, 36, 96, 224, 512):
        assert Statistical(size=size, iterations=1).picture(0, POOL, 0).shape == (size, size, 3)
    with pytest.raises(UsageError, match=r"statistical\.size=250 cannot be halved 3 times") as caught:
        Statistical(size=250)
    assert "248 or 256" in caught.value.hint
    for wrong in ({"size": 16}, {"iterations": 0}, {"growth": 3}):
        with pytest.raises(UsageError):
            Statistical(**wrong)
    with pytest.raises(UsageError, match="-1 is negative"):
        Statistical(size=32).picture(0, POOL, -1)
