"""Statistical textures: noise on which the statistics of natural images are imposed again and again.

Source: Baradad, Wulff, Wang, Isola, Torralba 2021, "Learning to See by Looking at Noise", and its released
MATLAB script `image_model.m`, which made the published sets (their Python port differs and is, in their own
words, untested); these are the "textures" of Yu et al. 2024. A texture starts as white noise in three
channels. Each of 10 rounds imposes, channel by channel:

* a *spectrum*: amplitudes 1 / (|fx|^(s+d) + |fy|^(s−d)), phases kept; mean and deviation kept;
* a *wavelet marginal model* (WMM): every band of a steerable pyramid gets a histogram exp(−|x / 4^k|^r) on
  [−200, 200], k = size / band's size, r drawn per band and channel, and that histogram's mean and deviation;
  the low-pass residual stays;
* a *color* histogram: that of a drawn picture of flat colors, slightly blurred and noisy, along its three
  principal axes.

At last the channels, which were principal axes all along, are turned back to RGB, and the picture is
stretched to 0…255. Without `color` the channels are turned too (the released `correlate_channels`).

MATLAB's semantics where the Python port has others:

* the principal axes are applied as they should be (transposed), the noise of the color picture is drawn for
  every pixel, and its blur sees zeros beyond the edge;
* of n colors the first gets the first two shares and the last none: `ind2rgb` clips its one-based index;
* a pyramid's coefficients grow twofold a level, not fourfold (knob `growth`). Since the model sets their
  deviations, this decides how coarse the grain is: an octave of it has a quarter of the next finer one's
  variance, not a sixteenth;
* histograms are matched through one of the source with as many bins as the target's (801 and 256), straight
  lines between: no sorting.

Ours: the pyramid is the one in the frequency domain that MATLAB's `sp3Filters` (up to 17 × 17 taps)
approximate, with exact reconstruction: raised cosines over an octave, four orientations of cos³. Bins of a
source lie between its least and largest value, as by MATLAB's `hist` (the compiled `histo` puts a bin's
center on the mean instead).

Engine: amplitudes are imposed where the pyramid begins, so the picture in between is never made; a band's
shift vanishes in the pyramid and its scale joins the filter; one look-up table a band. The deviation that
imposing a spectrum leaves is known from the amplitudes.

Same bytes on one machine and library version; elsewhere 99.9 % of pixels within one gray level. For that it
computes in float64: where colors are few, matching pulls neighboring values far apart, so a rounding error
grows about tenfold a round, and in float32 five in a hundred pixels of such a texture come out otherwise. At
64 × 64 one texture in 150 still does: its darkest pixel changes, and with it the stretch; at 256 × 256 none
of 65 did.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators.base import Frame, interval
from synvid_eval.generators.texture import Texture
from synvid_eval.knobs import knob

Floats = NDArray[np.float64]

SLOPE_DIFFERENCE = 3 / 60
"""Standard deviation of d, half the difference between the slopes along x and y (released code)."""

REACH, STEP = 200.0, 0.5
"""A band's histogram has bins every half unit from −200 to 200 (released code)."""

ORIENTATIONS = 4
"""Orientations of the pyramid (released code: `Nor`)."""

COLORS = (3, 22)
"""Least and most colors drawn for the color model (released code: 3 + ⌊20 U⌋)."""

COLOR_BINS = 256
"""Bins of a color histogram (released code)."""

LARGEST_BLUR = 10
"""Largest side of the box that blurs the color model's picture [px] (released code)."""

COLOR_NOISE = 10.0
"""Uniform noise from 0 to this is added to each pixel and channel of the color model's picture (released
code).
"""

EMPTY = 1e-8
"""Every bin of a target gets this part of the mean bin, so that its distribution can be inverted (released
code: `histoMatch`).
"""


@dataclass(frozen=True)
class Colors:
    """A color model: a picture of flat bands, and what is taken from it.

    palette: [n, 3] RGB in [0, 256). counts: int64 [n], pixels of each share; color max(i − 1, 0) fills share
    i. blur: side of the box [px]. axes: [3, 3], columns are principal axes, largest variance first, each
    with a positive largest component. mean: [3] RGB. low, high: [3] ends of the histograms along the axes.
    histogram: int64 [3, 256] pixels.
    """

    palette: Floats
    counts: NDArray[np.int64]
    blur: int
    axes: Floats
    mean: Floats
    low: Floats
    high: Floats
    histogram: NDArray[np.int64]


@dataclass(frozen=True)
class Parameters:
    """What is drawn for one texture, beside its noise.

    slopes: exponents along x and y. powers: [3, bands] exponents of the bands' histograms, the high-pass
    residual first, then the finest level's four orientations and so on. colors: the color model.
    """

    slopes: tuple[float, float]
    powers: Floats
    colors: Colors


@dataclass(frozen=True)
class Statistical(Texture):
    """Noise with the statistics of natural images: spectrum, spectrum and color, or both and wavelets (see
    the module's docstring). It does not evolve: a walk is one picture again and again.
    """

    name: ClassVar[str] = "statistical"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False
    later: ClassVar[tuple[str, ...]] = ("slope", "power")

    size: int = knob(
        256,
        "height and width of a texture. The pyramid has ⌊log2 size⌋ − 4 levels, as the "
        "released code's at 128 and 256, and the size is a multiple of 2^levels",
        low=32,
        high=2048,
        unit="px",
        scale="log",
        source="released code",
    )
    color: bool = knob(True, "impose the color histogram", source="paper: spectrum, color and WMM")
    wmm: bool = knob(True, "impose the wavelet marginals", source="paper: spectrum, color and WMM")
    iterations: int = knob(
        10,
        "rounds of imposing; fewer are faster and nearer to noise",
        low=1,
        high=100,
        scale="log",
        source="released code",
    )

    growth: int = knob(
        2,
        "growth of a pyramid's coefficients a level: 2 in the released MATLAB script (which made the sets), "
        "4 in its Python port, with finer grain over the spectrum's large forms",
        choices=(2, 4),
        source="released code",
        search=True,
        group="texture",
    )
    # Below 0.25 the difference of the axes' slopes, five standard deviations away, could turn one around.
    slope: str = knob(
        "0.5:3.5",
        "slope s of the spectrum, amplitude about 1 / frequency^s: each texture draws its own",
        low=0.25,
        high=6,
        ends="real",
        source="released code: sloperange",
        search=(0.5, 3.5),
        group="texture",
    )
    power: str = knob(
        "0.4:0.8",
        "exponent r of a band's histogram exp(−|x|^r), drawn for each: smaller is sparser, 2 a normal",
        low=0.1,
        high=2,
        ends="real",
        source="released code: rhat",
        search=(0.2, 1.6),
        group="texture",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unit = 2 ** levels(self.size)
        if self.size % unit:
            below = self.size // unit * unit
            raise UsageError(
                f"{self.name}.size={self.size} cannot be halved {levels(self.size)} times.",
                f"Nearest: {below} or {below + unit}.",
            )

    def parameters(self, seed: int, pool: str, index: int) -> Parameters:
        """What is drawn for texture `index`: each quantity has a stream of its own.

        Raises:
            UsageError: negative index.
        """

        def units(quantity: str, count: int) -> Floats:
            return randomness.unit(randomness.stream(self.key(seed, pool, index, quantity), count))

        low, high = (float(end) for end in interval(self, "slope"))
        slope = low + (high - low) * float(units("slope", 1)[0])
        # Half a step keeps the argument off 0, where the normal quantile is infinite.
        difference = SLOPE_DIFFERENCE * float(scipy.special.ndtri(units("difference", 1)[0] + 2.0**-54))
        bands = 1 + ORIENTATIONS * levels(self.size)
        low, high = (float(end) for end in interval(self, "power"))
        powers = low + (high - low) * units("powers", 3 * bands).reshape(3, bands)

        n = COLORS[0] + int(units("number", 1)[0] * (COLORS[1] - COLORS[0] + 1))
        palette = 256 * units("palette", 3 * n).reshape(n, 3)
        shares = 0.001 + units("shares", n)
        counts = np.zeros(n, np.int64)
        steps = np.cumsum(shares / shares.sum())[:-1]
        _count(np.uint64(self.key(seed, pool, index, "pixels")), self.size**2, steps, counts)
        # 1 − U is never 0, and ⌈LARGEST_BLUR · (1 − U)⌉ never below 1.
        blur = math.ceil(LARGEST_BLUR * (1 - float(units("blur", 1)[0])))
        picture = np.empty((3, self.size, self.size))
        _bands(palette, counts, blur, np.uint64(self.key(seed, pool, index, "grain")), picture)
        return Parameters(
            (slope + difference, slope - difference), powers, _model(palette, counts, blur, picture)
        )

    def noise(self, seed: int, pool: str, index: int) -> Floats:
        """The noise that a texture starts from: float64 [3, size, size], uniform over [0, 256)."""
        out = np.empty((3, self.size, self.size))
        _fill(np.uint64(self.key(seed, pool, index, "noise")), out.reshape(-1))
        return out

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        """Texture `index` of a pool: uint8 [size, size, 3] RGB (0.15 s of one processor at 256 × 256).

        Raises:
            UsageError: negative index.
        """
        drawn, noise = self.parameters(seed, pool, index), self.noise(seed, pool, index)
        amplitudes = _amplitudes(self.size, drawn.slopes)
        # A spectrum alone is imposed once and for all: a second round finds it there.
        rounds = self.iterations if self.color or self.wmm else 1
        channels = np.empty_like(noise)
        for channel in range(3):
            color = _color_target(drawn.colors, channel) if self.color else None
            wavelets = _wavelet_targets(self.size, drawn.powers[channel]) if self.wmm else None
            channels[channel] = _impose(noise[channel], amplitudes, wavelets, self.growth, color, rounds)
        out = np.empty((self.size, self.size, 3), np.uint8)
        _to_rgb(channels, drawn.colors.axes, drawn.colors.mean, out)
        return out


def levels(size: int) -> int:
    """Levels of the pyramid of a texture of that size [px]: 3 at 128 and 4 at 256 (released code), so that
    the low-pass residual is 16 to 31 px wide.
    """
    return size.bit_length() - 5


# Sampling


def _model(palette: Floats, counts: NDArray[np.int64], blur: int, picture: Floats) -> Colors:
    """The principal axes and histograms of the color model's picture, [3, size, size] RGB."""
    flat = picture.reshape(3, -1)
    mean = flat.mean(axis=1)
    flat = flat - mean[:, None]
    _, axes = np.linalg.eigh(flat @ flat.T)
    axes = axes[:, ::-1]
    # A solver leaves the sign open, and with it the histogram's direction.
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(3)] < 0, -1.0, 1.0)
    turned = axes.T @ flat
    low, high = turned.min(axis=1), turned.max(axis=1)
    histogram = np.zeros((3, COLOR_BINS), np.int64)
    for channel in range(3):
        _histogram(turned[channel], low[channel], high[channel], histogram[channel])
    return Colors(palette, counts, blur, np.ascontiguousarray(axes), mean, low, high, histogram)


def _frequencies(size: int) -> tuple[Floats, Floats]:
    """|fx| [size/2 + 1] and |fy| [size] of a half spectrum, cycles/px."""
    return np.arange(size // 2 + 1) / size, np.abs(np.fft.fftfreq(size))


def _amplitudes(size: int, slopes: tuple[float, float]) -> Floats:
    """Amplitudes of the spectrum model, [size, size/2 + 1], such that the picture's standard
    deviation (n − 1) is 1; 0 at zero frequency.
    """
    fx, fy = _frequencies(size)
    with np.errstate(divide="ignore"):
        out = 1 / (fx[None] ** slopes[0] + fy[:, None] ** slopes[1])
    out[0, 0] = 0
    energy = 2 * float((out**2).sum()) - float((out[:, [0, -1]] ** 2).sum())
    n = size**2
    scaled: Floats = out * math.sqrt(n * (n - 1) / energy)
    return scaled


# Targets: the inverse distribution of a histogram


@dataclass(frozen=True)
class _Target:
    """cumulative: float64 [bins + 1], rising from 0 to 1. low: the first edge; step: a bin's width.
    deviation: what the matched values are brought to, 0: they stay.
    """

    cumulative: Floats
    low: float
    step: float
    deviation: float


def _cumulative(counts: Floats) -> Floats:
    counts = counts + counts.mean() * EMPTY
    out = np.zeros(len(counts) + 1)
    np.cumsum(counts, out=out[1:])
    out /= out[-1]
    return out


def _color_target(colors: Colors, channel: int) -> _Target:
    step = (colors.high[channel] - colors.low[channel]) / COLOR_BINS
    return _Target(_cumulative(colors.histogram[channel]), float(colors.low[channel]), float(step), 0.0)


def _wavelet_targets(size: int, powers: Floats) -> list[_Target]:
    """One target a band; `powers`: [bands], the high-pass residual's first."""
    x = np.arange(-REACH, REACH + STEP, STEP)
    out = []
    for band, power in enumerate(powers):
        level = max(band - 1, 0) // ORIENTATIONS
        h = np.exp(-(np.abs(x / 4.0 ** (2**level)) ** power))
        deviation = math.sqrt(float((x * x * h).sum() / h.sum()))
        out.append(_Target(_cumulative(h), -REACH - STEP / 2, STEP, deviation))
    return out


# The pyramid


@dataclass(frozen=True)
class _Level:
    """Filters of one level: [planes, size, size/2 + 1]; plane k is multiplied by i where odd[k]."""

    size: int
    filters: Floats
    odd: NDArray[np.bool_]


@functools.lru_cache(maxsize=2)
def _pyramid(size: int) -> tuple[list[_Level], Floats]:
    """The levels, finest first (its plane 0 is the high-pass residual), and the squared low-pass filter.

    Simoncelli and Freeman 1995 in the frequency domain: squares of all filters sum to 1 everywhere.
    """

    def slope(octaves: Floats, octave: int) -> Floats:
        """Angle of the raised cosine that falls from 1 at `octave` − 1 to 0 at `octave`."""
        return math.pi / 2 * np.clip(octaves - octave + 1, 0, 1)

    out = []
    for level in range(levels(size)):
        side = size >> level
        fx = np.arange(side // 2 + 1) / size
        fy = np.fft.fftfreq(side) * (side / size)
        radius = np.hypot(fx[None], fy[:, None])
        radius[0, 0] = 1  # any: no band lets the mean pass
        octaves = np.log2(2 * radius)  # 0 at the Nyquist frequency of the picture
        inner = np.sin(slope(octaves, -level - 1)) * np.cos(slope(octaves, -level))
        inner[0, 0] = 0
        planes = []
        if level == 0:
            planes.append(np.sin(slope(octaves, 0)))
            planes[0][0, 0] = 0
        # Sum over four orientations of cos^6 is 5/4.
        for k in range(ORIENTATIONS):
            angle = math.pi * k / ORIENTATIONS
            cosine = (math.cos(angle) * fx[None] + math.sin(angle) * fy[:, None]) / radius
            planes.append(inner * math.sqrt(0.8) * cosine**3)
        odd = np.ones(len(planes), np.bool_)
        odd[: len(planes) - ORIENTATIONS] = False
        out.append(_Level(side, np.stack(planes), odd))
    fx, fy = _frequencies(size)
    radius = np.hypot(fx[None], fy[:, None])
    radius[0, 0] = radius[0, 1] / 2
    low = np.cos(slope(np.log2(2 * radius), -levels(size)))
    low[0, 0] = 1
    return out, low**2


# Imposing


def _impose(
    picture: Floats,
    amplitudes: Floats,
    wavelets: list[_Target] | None,
    growth: int,
    color: _Target | None,
    rounds: int,
) -> Floats:
    """One channel, [size, size], after that many rounds of spectrum, wavelets and color."""
    size = picture.shape[0]
    spectrum: Any = scipy.fft.rfft2(picture)
    for turn in range(rounds):
        _set_amplitudes(spectrum, amplitudes)
        if wavelets is not None:
            spectrum = _set_wavelets(spectrum, wavelets, growth)
        # Without a color histogram there is nothing to do to the picture itself until the end.
        if color is not None or turn == rounds - 1:
            picture = scipy.fft.irfft2(spectrum, s=(size, size), overwrite_x=True)
        if color is not None:
            _match(picture.reshape(-1), color.cumulative, color.low, color.step)
            if turn < rounds - 1:
                spectrum = scipy.fft.rfft2(picture)
    return picture


def _set_wavelets(spectrum: Any, targets: list[_Target], growth: int) -> Any:
    """The half spectrum, complex128 [size, size/2 + 1], of the picture with a histogram imposed on each
    band.
    """
    pyramid, low = _pyramid(spectrum.shape[0])
    result = spectrum * low
    waiting = iter(targets)
    for depth, level in enumerate(pyramid):
        # What a coefficient is worth in the picture: a level has a quarter of the finer one's.
        gain = (4 / growth) ** depth
        # One band at a time stays in the processor's cache from filter to filter.
        for filter, odd in zip(level.filters, level.odd, strict=True):
            target = next(waiting)
            part: Any = np.empty(filter.shape, np.complex128)
            _split(spectrum, filter, odd, part)
            band = scipy.fft.irfft2(part, s=(level.size, level.size), overwrite_x=True)
            deviation = _match(band.reshape(-1), target.cumulative, target.low, target.step)
            part = scipy.fft.rfft2(band, overwrite_x=True)
            _join(part, filter, odd, gain * target.deviation / deviation, result)
    return result


# Kernels


@numba.njit(cache=True, nogil=True)
def _word(key: Any, i: Any) -> Any:
    """Number i of the SplitMix64 stream of a key; see `randomness.stream`."""
    z = key + (i + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _fill(key: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        out[i] = np.float64(_word(key, np.uint64(i)) >> np.uint64(11)) * 2.0**-45


@numba.njit(cache=True, nogil=True)
def _count(key: Any, pixels: Any, steps: Any, counts: Any) -> None:
    """A multinomial draw: each pixel draws its share."""
    for i in range(pixels):
        u = np.float64(_word(key, np.uint64(i)) >> np.uint64(11)) * 2.0**-53
        share = 0
        for step in steps:
            share += u >= step
        counts[share] += 1


@numba.njit(cache=True, nogil=True)
def _bands(palette: Any, counts: Any, blur: Any, key: Any, picture: Any) -> None:
    """The color model's picture, float64 [3, n, n] in [0, 256]: shares fill it column by column, then a box
    blur (the larger half of an even box lies right of and below its pixel; zeros beyond), noise, a stretch.
    """
    n = picture.shape[1]
    before = blur - 1 - blur // 2
    owner = np.empty(n * n, np.int64)
    i = 0
    for share in range(counts.shape[0]):
        for _ in range(counts[share]):
            owner[i] = max(share - 1, 0)
            i += 1
    least, most = np.inf, -np.inf
    columns = np.empty((n, n))
    rows = np.empty(n)
    for c in range(3):
        for x in range(n):
            total = 0.0
            for y in range(min(blur // 2, n)):
                total += palette[owner[x * n + y], c]
            for y in range(n):
                if y + blur // 2 < n:
                    total += palette[owner[x * n + y + blur // 2], c]
                columns[y, x] = total
                if y - before >= 0:
                    total -= palette[owner[x * n + y - before], c]
        for y in range(n):
            total = 0.0
            for x in range(min(blur // 2, n)):
                total += columns[y, x]
            for x in range(n):
                if x + blur // 2 < n:
                    total += columns[y, x + blur // 2]
                rows[x] = total
                if x - before >= 0:
                    total -= columns[y, x - before]
            for x in range(n):
                u = np.float64(_word(key, np.uint64((c * n + y) * n + x)) >> np.uint64(11)) * 2.0**-53
                value = rows[x] / (blur * blur) + COLOR_NOISE * u
                picture[c, y, x] = value
                least, most = min(least, value), max(most, value)
    scale = 256 / (most - least)
    for c in range(3):
        for y in range(n):
            for x in range(n):
                picture[c, y, x] = (picture[c, y, x] - least) * scale


@numba.njit(cache=True, nogil=True)
def _histogram(values: Any, low: Any, high: Any, counts: Any) -> None:
    bins = counts.shape[0]
    scale = bins / (high - low)
    for value in values:
        counts[min(int((value - low) * scale), bins - 1)] += 1


@numba.njit(cache=True, nogil=True)
def _set_amplitudes(spectrum: Any, amplitudes: Any) -> None:
    """Gives every frequency of a half spectrum its amplitude and keeps its phase, and the picture's mean and
    standard deviation.
    """
    rows, columns = spectrum.shape
    mean = spectrum[0, 0]
    spectrum[0, 0] = 0
    energy = 0.0
    for y in range(rows):
        part = 0.0
        for x in range(columns):
            value = spectrum[y, x]
            square = value.real * value.real + value.imag * value.imag
            # All columns but the first and last stand for their mirror images too.
            part += square if 0 < x < columns - 1 else 0.5 * square
        energy += part
    n = float(rows * rows)
    deviation = math.sqrt(2 * energy / (n * (n - 1)))
    for y in range(rows):
        for x in range(columns):
            value = spectrum[y, x]
            size = math.sqrt(value.real * value.real + value.imag * value.imag)
            if size > 0:
                factor = deviation * amplitudes[y, x] / size
                spectrum[y, x] = complex(value.real * factor, value.imag * factor)
            else:
                spectrum[y, x] = deviation * amplitudes[y, x]
    spectrum[0, 0] = mean


@numba.njit(cache=True, nogil=True)
def _split(spectrum: Any, filter: Any, odd: Any, out: Any) -> None:
    """The half spectrum of a band, complex128 [side, side/2 + 1]: the picture's, cut to the level's and
    filtered.
    """
    side, columns = out.shape
    skip = spectrum.shape[0] - side
    for y in range(side):
        source = spectrum[y if 2 * y < side else y + skip]
        if odd:
            for x in range(columns):
                value, f = source[x], filter[y, x]
                out[y, x] = complex(-value.imag * f, value.real * f)
        else:
            for x in range(columns):
                value, f = source[x], filter[y, x]
                out[y, x] = complex(value.real * f, value.imag * f)


@numba.njit(cache=True, nogil=True)
def _join(part: Any, filter: Any, odd: Any, scale: Any, out: Any) -> None:
    """Adds a band, scaled, to the picture's half spectrum."""
    side, columns = part.shape
    skip = out.shape[0] - side
    for y in range(side):
        goal = out[y if 2 * y < side else y + skip]
        if odd:
            for x in range(columns):
                value, f = part[y, x], filter[y, x] * scale
                goal[x] += complex(value.imag * f, -value.real * f)
        else:
            for x in range(columns):
                value, f = part[y, x], filter[y, x] * scale
                goal[x] += complex(value.real * f, value.imag * f)


@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _ends(values: Any) -> Any:
    low, high = values[0], values[0]
    for i in range(values.shape[0]):
        low, high = min(low, values[i]), max(high, values[i])
    return low, high


@numba.njit(cache=True, nogil=True)
def _match(values: Any, cumulative: Any, first: Any, step: Any) -> Any:
    """Gives values, float64 [n] in place, the histogram of a target; returns their standard deviation.

    The source's histogram has as many bins as the target's; its edges go to the target's quantiles, straight
    lines between.
    """
    n, bins = values.shape[0], cumulative.shape[0] - 1
    low, high = _ends(values)
    if not high > low:
        return np.inf  # a constant has no histogram to speak of: it stays, and a band of it vanishes
    scale = bins / (high - low)
    counts = np.zeros((4, bins + 1), np.int32)
    for i in range(0, n - 3, 4):
        for j in range(4):
            counts[j, int((values[i + j] - low) * scale)] += 1
    for i in range(n - n % 4, n):
        counts[0, int((values[i] - low) * scale)] += 1

    table = np.empty((bins + 1, 2))
    total, k = 0, 0
    before = first
    for j in range(bins):
        for part in range(4):
            total += counts[part, j]
        if j == bins - 1:
            total = n
        quantile = total / n
        while k < bins - 1 and cumulative[k + 1] < quantile:
            k += 1
        after = first + step * (k + (quantile - cumulative[k]) / (cumulative[k + 1] - cumulative[k]))
        table[j, 0], table[j, 1] = before, after - before
        before = after
    table[bins, 0], table[bins, 1] = before, 0

    sums, squares = np.zeros(4), np.zeros(4)
    for i in range(n):
        place = (values[i] - low) * scale
        j = int(place)
        value = table[j, 0] + (place - j) * table[j, 1]
        values[i] = value
        sums[i & 3] += value
        squares[i & 3] += value * value
    mean = sums.sum() / n
    return math.sqrt(max(squares.sum() - n * mean * mean, 0.0) / (n - 1))


@numba.njit(cache=True, nogil=True)
def _to_rgb(channels: Any, axes: Any, mean: Any, out: Any) -> None:
    """Turns principal axes [3, n, n] back to RGB and stretches the picture to 0…255, to uint8 [n, n, 3]."""
    n = out.shape[0]
    picture = np.empty((n, n, 3))
    low, high = np.inf, -np.inf
    for y in range(n):
        for x in range(n):
            for c in range(3):
                value = mean[c]
                for k in range(3):
                    value += axes[c, k] * channels[k, y, x]
                picture[y, x, c] = value
                low, high = min(low, value), max(high, value)
    scale = 255 / (high - low)
    for y in range(n):
        for x in range(n):
            for c in range(3):
                out[y, x, c] = np.uint8((picture[y, x, c] - low) * scale + 0.5)
