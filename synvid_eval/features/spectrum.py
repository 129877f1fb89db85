"""Spatial spectrum of a clip: the exponent α of amplitude ~ A·(f/0.1)^−α, fitted frame by frame.

Natural images have amplitude spectra near 1/f^α with α about 1 (Field 1987; Torralba, Oliva 2003). What
number comes out depends on conventions by half a unit, so they are all knobs or constants of this module:

- Rec. 601 gray (float32, not rounded) of the centered square of the short side s; from there on float64.
- Mean removed; times a 2-D Hann window, the outer product of two *periodic* ones (½ − ½ cos(2πn/s),
  `scipy.signal.windows.hann(s, sym=False)`); *amplitude* |F| (not power) divided by √Σw², w the 2-D window.
  Times such a window in space is (−¼, ½, −¼) around each frequency, along both axes: the window is applied
  to the transform, and one transform serves "hann" and "none" alike.
- Frequencies in cycles/pixel; logarithmic radial bins from max(low, cycles/s) up to, not including, high;
  amplitude and frequency of a bin are its plain means over the full plane (from a half plane with weights). A
  frequency exactly on an inner edge belongs to the upper bin: radii are whole numbers' roots, and edges equal
  to one are recognized as such.
- Empty bins are dropped, and those below 1e-10 of the frame's largest amplitude (at any frequency, so that
  the rounding errors of a frame without anything in the range are not fitted); fewer than 5 left: unfit.
- Ordinary least squares of log amplitude on log frequency (natural logarithms): α = −slope, log A the line's
  value at 0.1 cycles/pixel, residual the root mean square over bins.

Frames of one RGB value over the crop are constant: left out and counted, as the unfit ones are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple, cast

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from synvid_eval.errors import UsageError
from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.features.gray import corner, interleaved, is_constant, luma_line
from synvid_eval.knobs import knob
from synvid_eval.states import Counts, Moments, State

Floats = NDArray[np.float64]

COLUMNS = (
    "alpha",
    "log_amplitude",
    "residual",
    "alpha_no_window",
    "alpha_wide",
    "alpha_no_window_present",
    "alpha_wide_present",
)
"""Columns of state "spectrum": means over the clip's usable frames. The last two are 1 where the clip has a
value of that name and 0 (with 0 in its place) where it has none: the set's mean is mean(column) / mean(its
present column)."""

WIDE = (0.01, 0.5)  # cycles/pixel: the range of alpha_wide

USABLE, CONSTANT, UNFIT = 0, 1, 2


class RadialBins(NamedTuple):
    """The bins of an s × s spectrum as `scipy.fft.rfft2` lays it out, for means over the full plane.

    positions: places in the flat half plane; bins: the bin of each; weights: its share of the bin's mean (a
    bin's weights sum to 1, 2 half-plane values in 1 where the other half holds its mirror image); frequency:
    mean frequency of each bin in cycles/pixel, NaN where empty, [bins].
    """

    positions: NDArray[np.intp]
    bins: NDArray[np.intp]
    weights: Floats
    frequency: Floats


@lru_cache(maxsize=16)
def radial_bins(side: int, low: float, high: float, bins: int) -> RadialBins:
    """`bins` logarithmic bins of [low, high) cycles/pixel, low > 0, for a square of `side` pixels."""
    rows = np.rint(np.fft.fftfreq(side) * side).astype(np.int64)
    columns = np.arange(side // 2 + 1, dtype=np.int64)
    squared = rows[:, None] ** 2 + columns[None, :] ** 2
    # Root and quotient are rounded once each: a frequency of exactly low, or high, compares equal to it.
    frequency = np.sqrt(squared.astype(np.float64)) / side
    positions = np.flatnonzero((frequency >= low) & (frequency < high))
    values = frequency.ravel()[positions]
    mirrored = (columns > 0) & (2 * columns != side)
    weights = np.broadcast_to(np.where(mirrored, 2.0, 1.0), squared.shape).ravel()[positions]
    if not len(positions):
        return RadialBins(positions, positions, weights, np.full(bins, np.nan))
    edges = np.geomspace(low, high, bins + 1)
    whole = np.rint((edges * side) ** 2)
    edges = np.where(np.isclose((edges * side) ** 2, whole, rtol=1e-12, atol=0), np.sqrt(whole) / side, edges)
    bin_of = np.digitize(values, edges[1:-1])
    counts = np.bincount(bin_of, weights, bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(bin_of, weights * values, bins) / counts
    return RadialBins(positions, bin_of, weights / counts[bin_of], means)


@lru_cache(maxsize=16)
def _norm(kind: str, side: int) -> float:
    """√Σw² of the 2-D window w."""
    if kind == "none":
        return float(side)
    line = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side)
    return float(np.sum(line**2))


@numba.njit(cache=True, nogil=True)
def _gray_square(lines: Any, top: int, left: int, line: Any, out: Any) -> None:
    """Gray of the square at (top, left) less that of its first pixel (exact: both are float32), float64."""
    side = out.shape[0]
    first = np.float64(0.0)
    for y in range(side):
        luma_line(lines[top + y, 3 * left : 3 * (left + side)], line)
        if y == 0:
            first = np.float64(line[0])
        for x in range(side):
            out[y, x] = np.float64(line[x]) - first


@numba.njit(cache=True, nogil=True)
def _absolute(values: Any, norm: float, out: Any) -> float:
    """|re + i·im| / norm of complex values [n] given as float64 [2·n], and the largest of them."""
    for x in range(out.shape[0]):
        re, im = values[np.uint64(2 * x)], values[np.uint64(2 * x + 1)]
        out[x] = np.sqrt(re * re + im * im) / norm
    largest = 0.0
    for x in range(out.shape[0]):
        largest = max(largest, out[x])
    return largest


@numba.njit(cache=True, nogil=True)
def _plain_amplitude(plane: Any, norm: float, out: Any) -> float:
    """|F| / norm of a half plane, float64 [s, 2·(s//2 + 1)] (re, im, re, …), to out [s, s//2 + 1]; its
    maximum.
    """
    largest = 0.0
    for y in range(plane.shape[0]):
        largest = max(largest, _absolute(plane[y], norm, out[y]))
    return largest


@numba.njit(cache=True, nogil=True)
def _hann_amplitude(plane: Any, norm: float, out: Any) -> float:
    """`_plain_amplitude` of the image times a periodic 2-D Hann window.

    In each line the columns −1 and s//2 + 1, which the half plane does not hold, are the conjugates of
    columns 1 and s − s//2 − 1 of the opposite line.
    """
    side, width = plane.shape
    last = 2 * (side - side // 2 - 1)
    down = np.empty((side, width))
    for y in range(side):
        before, here, after = plane[y - 1 if y else side - 1], plane[y], plane[y + 1 if y + 1 < side else 0]
        line = down[y]
        for x in range(width):
            line[x] = 0.5 * here[x] - 0.25 * (before[x] + after[x])
    wide = np.empty(width + 4)
    both = np.empty(width)
    largest = 0.0
    for y in range(side):
        opposite = down[side - y if y else 0]
        wide[0], wide[1] = opposite[min(2, width - 2)], -opposite[min(3, width - 1)]
        wide[2 : width + 2] = down[y]
        wide[width + 2], wide[width + 3] = opposite[last], -opposite[last + 1]
        for x in range(width):
            both[x] = 0.5 * wide[x + 2] - 0.25 * (wide[x] + wide[x + 4])
        largest = max(largest, _absolute(both, norm, out[y]))
    return largest


@numba.njit(cache=True, nogil=True)
def _bin_means(amplitude: Any, positions: Any, bins: Any, weights: Any, out: Any) -> None:
    for k in range(positions.shape[0]):
        out[bins[k]] += weights[k] * amplitude[positions[k]]


class Amplitude(NamedTuple):
    """|F|/√Σw², flat in the layout of `rfft2`, and the largest of all."""

    values: Floats
    largest: float


def transform(square: Floats) -> Floats:
    """The transform of an image [s, s] less its mean: the half plane of `rfft2`, re and im side by side."""
    plane = np.ascontiguousarray(scipy.fft.rfft2(square, workers=1))
    plane[0, 0] = 0  # the mean removed
    return plane.view(np.float64)


def amplitude_of(plane: Floats, kind: str) -> Amplitude:
    """The amplitude of an image under window `kind` ("hann" or "none") from its `transform`."""
    side = len(plane)
    out = np.empty((side, plane.shape[1] // 2))
    kernel = _plain_amplitude if kind == "none" else _hann_amplitude
    largest = float(kernel(plane, _norm(kind, side), out))
    return Amplitude(out.ravel(), largest)


@dataclass(frozen=True)
class PowerLaw:
    """A line through log amplitude on log frequency, and the points [k] it was fitted to (natural logs)."""

    alpha: float
    log_amplitude: float
    residual: float
    log_frequency: Floats
    log_values: Floats


def fit(frequency: Floats, amplitude: Floats, least: float, min_bins: int, pivot: float) -> PowerLaw | None:
    """Least squares of log amplitude on log frequency over the bins that count; None if too few do.

    frequency: cycles/pixel [bins], NaN where a bin is empty. amplitude: [bins], ≥ 0; zeros and those below
    `least` do not count. min_bins: bins needed, ≥ 2. pivot: frequency at which log A is given.
    """
    kept = np.isfinite(frequency) & (amplitude > 0) & (amplitude >= least)
    if np.count_nonzero(kept) < min_bins:
        return None
    x, y = np.log(frequency[kept]), np.log(amplitude[kept])
    dx, mean = x - x.mean(), float(y.mean())
    slope = float(dx @ (y - mean) / (dx @ dx))
    at_pivot = mean + slope * (float(np.log(pivot)) - float(x.mean()))
    residual = float(np.sqrt(np.mean((y - mean - slope * dx) ** 2)))
    return PowerLaw(-slope, at_pivot, residual, x, y)


def log_spectrum_grid(feature: Spectrum) -> Floats:
    """Frequencies in cycles/pixel [bins] of state "log_spectrum": the geometric centers of `bins` logarithmic
    bins of [low, high), the same for frames of any size."""
    edges = np.geomspace(feature.low, feature.high, feature.bins + 1)
    return cast(Floats, np.sqrt(edges[:-1] * edges[1:]))


@lru_cache(maxsize=16)
def _log_grid(low: float, high: float, bins: int) -> Floats:
    return cast(Floats, np.log(log_spectrum_grid(Spectrum(low=low, high=high, bins=bins, min_bins=2))))


def _mean_of_finite(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


@dataclass(frozen=True)
class FrameSpectrum:
    """View: one frame's fits, float64 [6 + 2·bins].

    [0] USABLE, CONSTANT or UNFIT; [1:6] alpha, log_amplitude, residual, alpha_no_window, alpha_wide; then the
    log amplitude at each frequency of `log_spectrum_grid`. NaN where there is none.
    """

    recipe: Spectrum

    def __call__(self, frame: NDArray[np.uint8]) -> Floats:
        """The row of a frame, uint8 [H, W, 3]; ValueError for any other shape or type."""
        recipe = self.recipe
        out = np.full(6 + recipe.bins, np.nan)
        side, top, left = corner(frame)
        if is_constant(frame[top : top + side, left : left + side]):
            out[0] = CONSTANT
            return out
        out[0] = UNFIT
        low = max(recipe.low, recipe.cycles / side)
        if low >= recipe.high:
            return out
        gray = np.empty((side, side))
        _gray_square(interleaved(frame), top, left, np.empty(side, np.float32), gray)
        plane = transform(gray)
        amplitude = amplitude_of(plane, recipe.window)
        main = self._fit(amplitude, side, low, recipe.high)
        if main is None:
            return out
        out[0] = USABLE
        out[1:4] = main.alpha, main.log_amplitude, main.residual
        plain = amplitude if recipe.window == "none" else amplitude_of(plane, "none")
        no_window = self._fit(plain, side, low, recipe.high)
        wide = self._fit(amplitude, side, max(WIDE[0], recipe.cycles / side), WIDE[1])
        out[4] = np.nan if no_window is None else no_window.alpha
        out[5] = np.nan if wide is None else wide.alpha
        grid = _log_grid(recipe.low, recipe.high, recipe.bins)
        out[6:] = np.interp(grid, main.log_frequency, main.log_values, left=np.nan, right=np.nan)
        return out

    def _fit(self, amplitude: Amplitude, side: int, low: float, high: float) -> PowerLaw | None:
        recipe = self.recipe
        bins = radial_bins(side, low, high, recipe.bins)
        means = np.zeros(recipe.bins)
        _bin_means(amplitude.values, bins.positions, bins.bins, bins.weights, means)
        return fit(bins.frequency, means, recipe.floor * amplitude.largest, recipe.min_bins, recipe.pivot)


@dataclass(frozen=True)
class Spectrum(Feature):
    """Exponent and level of the amplitude spectrum of each looked-at frame, meaned over the clip.

    State "spectrum": Moments over clips of `COLUMNS`, one row a clip. State "log_spectrum": Moments over
    clips of 2·bins columns: at each frequency of `log_spectrum_grid` the sum of the frames' log amplitudes
    over the number of usable frames, then the share of usable frames that reach that frequency (mean value =
    first / second half). Both are absent where no frame is usable. State "frames": Counts [looked at,
    constant, unfit]. Summary: "alpha" and "log_amplitude", NaN where no frame is usable.
    """

    name: ClassVar[str] = "spectrum"
    revision: ClassVar[int] = 2
    looks_at: ClassVar[Literal["frames", "runs"]] = "frames"

    window: str = knob("hann", "window before the transform", choices=("hann", "none"))
    low: float = knob(0.02, "lowest frequency", low=1e-6, high=0.7, unit="cycles/pixel")
    high: float = knob(0.25, "frequency below which the fit ends", low=1e-6, high=0.7072, unit="cycles/pixel")
    cycles: float = knob(4.0, "least number of cycles over the crop", low=0, high=1e6, unit="cycles")
    bins: int = knob(20, "logarithmic radial bins", low=2, high=1000)
    min_bins: int = knob(5, "bins a fit needs", low=2, high=1000)
    floor: float = knob(1e-10, "bins below this share of the largest amplitude are dropped", low=0, high=1)
    pivot: float = knob(
        0.1, "frequency at which the amplitude is given", low=1e-6, high=1, unit="cycles/pixel"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low >= self.high:
            raise UsageError(
                f"spectrum.low={self.low} is not below spectrum.high={self.high}.",
                "Lower one or raise the other.",
            )
        if self.min_bins > self.bins:
            raise UsageError(
                f"spectrum.min_bins={self.min_bins} is more than spectrum.bins={self.bins}.",
                "No frame could be fitted.",
            )

    def view(self) -> View:
        """A frame's fits, float64 [6 + bins]."""
        return FrameSpectrum(self)

    def measure(self, look: Look) -> ClipResult:
        """The clip's means over usable frames."""
        rows = np.array([*look.looked_at()]).reshape(-1, 6 + self.bins)
        status = rows[:, 0]
        counts = Counts([len(rows), int(np.sum(status == CONSTANT)), int(np.sum(status == UNFIT))])
        usable = rows[status == USABLE]
        if not len(usable):
            return ClipResult({"alpha": float("nan"), "log_amplitude": float("nan")}, {"frames": counts})
        means = [_mean_of_finite(column) for column in usable[:, 1:6].T]
        present = np.isfinite(means[3:])
        columns = np.concatenate([np.nan_to_num(means), present])
        reached = np.isfinite(usable[:, 6:])
        levels = np.concatenate([np.where(reached, usable[:, 6:], 0.0).mean(axis=0), reached.mean(axis=0)])
        states: dict[str, State] = {
            "spectrum": Moments.of_rows(columns[None]),
            "log_spectrum": Moments.of_rows(levels[None]),
            "frames": counts,
        }
        return ClipResult({"alpha": means[0], "log_amplitude": means[1]}, states)
