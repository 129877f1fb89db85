"""StyleGAN-oriented textures: pictures of a StyleGAN2 that was never trained, at a hundredth of its cost.

Source: Baradad, Wulff, Wang, Isola, Torralba 2021, "Learning to See by Looking at Noise", and its released
code (`stylegan/generate_dataset.py`, `training/network_randomized_v3.py`, `training/network_randomized.py`),
which Yu et al. 2024 (arXiv 2410.24213) paste onto shapes and walk through. Every constant below is the
released code's unless it says "ours". Two networks:

- `oriented`: `--network_type sparse_new --random_configuration chin-chout --same_noise_map --bias_range 0.2`.
- `highfreq`: `--network_type random`: filters of −1, 0 and 1, noise of each layer's own, no bias.

The network, for size S: convolutions 3 × 3 at 4, 8, 8, 16, 16, … S, S px with min(32768 / px, 512) channels;
the first of two at a size doubles it (zero insertion, FIR [1, 3, 3, 1]); modulated by styles, demodulated;
+ noise, the same for all channels; + bias; relu · √2. After each size a modulated 1 × 1 convolution to RGB
(not demodulated, no bias), added to the doubled RGB of the size before. Styles are 1 + affine(w) with a
latent w of 512 numbers for each convolution. Each input channel of a convolution carries one of 40 small
filters, the same for all outputs but for a factor: weight[o, i] = gain[o] · filter[k(i)].

**Why it is cheap, and exact.** Demodulation divides output o by the norm of its weights, in which |gain[o]|
cancels: all outputs are ±y with one map y. So x[o] = √2 · relu(±y + noise + bias[o]), and what the next
convolution sums over its channels at one tap is a function of p = noise + y (outputs of sign +) plus a
function of q = noise − y (sign −): piecewise linear, with a knot at each −bias. Twelve functions each of p
and q (nine taps, three colors) replace hundreds of channels. They are tabulated as `CELLS` chords over the
range of the knots and are straight lines outside; without bias the table is exact. What is dropped: the
chords' error, and the 1e-8 that the released code adds under demodulation's root. Against a plain network of
the same parameters the correlation is above 0.999999 (see the tests).

What differs from the released code, on purpose (ours):

- It keeps affine weights N(0, 1) / √512 and the constant input for 400 pictures; here each texture has its
  own, and the affine is an orthogonal matrix of entries ±1 / √512 (a Walsh-Hadamard transform of w with
  random signs; narrower layers take its first rows), so styles are sums of 512 terms of the same variance.
- `highfreq` keeps 100 noise maps a layer for 400 pictures; here each layer draws its own.
- `highfreq` takes the signs of filters. Of its 16 edges the four diagonal ones hold exact zeros, which the
  released code turns into ±1 as Pillow's rounding falls; here they stay 0.
- A normal number is one of 65,536 equally likely quantiles, a phase one of 65,536 angles.
- No JPEG (quality 95 there).

A walk's frame t has the latents w_t = w_0 + sigma · (n_1 + … + n_t), n normal. Yu et al. do not say what else
changes. `coherent` keeps filters, gains, noise, bias, RGB weights and target colors for a whole walk; the
released code draws those anew at every call, which makes consecutive frames unrelated (`coherent=False`).

Floating point: the same bytes on one CPU family and library version; elsewhere ≥ 99.9 % of the values within
one gray level (tested by stored thumbnails). All draws are integers first, the same everywhere.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators.base import Frame
from synvid_eval.generators.texture import Texture
from synvid_eval.knobs import knob

Floats = NDArray[np.float32]

LATENT = 512
"""Numbers in a latent w (released code: w_dim)."""

FIRST = 4
"""Height and width [px] of the constant input (StyleGAN2)."""

SLOPE = 0.2
"""Latents are LeakyReLU(N(0, 1)) of this slope; the mapping network is not used (released code)."""

BIAS = 0.2
"""`oriented`: bias ~ U(−BIAS, BIAS) per channel (released command: `--bias_range 0.2`)."""

STRENGTH = 0.3
"""Noise strength ~ U(0, STRENGTH) per layer (released code)."""

LEAST_FILTERS = 5
"""`oriented`: a layer picks from U{5 … 40} of the 40 filters (released code)."""

NOISE_SIZE = 512
"""`oriented`: the one noise map of a picture [px], averaged down to each layer (released code)."""

ENVELOPE = 4
"""`oriented`: the noise's envelope has 4 × 4 Laplace values (released code)."""

TARGETS = ((0.483, 0.145, 0.219, 0.063), (0.455, 0.142, 0.213, 0.062), (0.401, 0.161, 0.213, 0.069))
"""For R, G, B: mean and deviation of a picture's mean, mean and deviation of its standard deviation, in
[0, 1] (released code: `tensor_to_uint8_norm`, which does not say why; they are near those of photographs)."""

CELLS = 256
"""Chords of a tabulated function between −BIAS and BIAS (ours: error far below a gray level, and the table
stays in the first-level cache)."""

STEPS = 32
"""Steps of a walk drawn at once (no number depends on it)."""


@dataclass(frozen=True)
class Layer:
    """One modulated 3 × 3 convolution with I input and O output channels, to [size, size] px.

    up: doubles the size first. filters: float32 [I, 3, 3], the filter of each input channel; where `up`, a
    true convolution (flipped), else a correlation, as released. gain: float32 [O]. bias: float32 [O].
    noise: float32 [size, size], times its strength. latent: which latent gives the styles. signs: int8 [512]
    of the affine. rgb: float32 [3, O], weights to RGB of this layer's output, or None; rgb_signs: of its
    affine; its latent is the one after this layer's (as in StyleGAN2, the next convolution's).
    """

    size: int
    up: bool
    filters: Floats
    gain: Floats
    bias: Floats
    noise: Floats
    latent: int
    signs: NDArray[np.int8]
    rgb: Floats | None
    rgb_signs: NDArray[np.int8]


@dataclass(frozen=True)
class Network:
    """All parameters of one picture but the latents.

    constant: float32 [512, 4, 4], the input. target: float64 [3, 2], mean and standard deviation that R, G, B
    shall have, in [0, 1].
    """

    constant: Floats
    layers: tuple[Layer, ...]
    target: NDArray[np.float64]


@dataclass(frozen=True)
class StyleganOriented(Texture):
    """Textures of an untrained StyleGAN2 (see the module's docstring)."""

    name: ClassVar[str] = "stylegan"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

    size: int = knob(
        256,
        "height and width of a texture; the network has as many layers as it needs",
        choices=(64, 128, 256, 512),
        unit="px",
        source="released code",
    )
    network: str = knob(
        "oriented",
        "oriented: smooth oriented filters, one noise map, bias; highfreq: filters of signs, noise per layer",
        choices=("oriented", "highfreq"),
        source="paper, Table 1: StyleGAN-oriented",
        search=True,
        group="texture",
    )
    sigma: float = knob(
        0.05,
        "standard deviation of a latent's step in a walk",
        low=0,
        high=10,
        unit="per frame",
        source="our choice, from a trial: the paper's number is lost",
        search=(0, 0.5),
        group="motion",
    )
    coherent: bool = knob(
        True,
        "a walk keeps filters, noise, bias and colors (true) or draws them anew for each frame, as the "
        "released network does at every call (false): then frames are unrelated",
        source="our choice: the paper does not say",
    )

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        """Texture `index` of a pool: uint8 [size, size, 3] RGB; see `Texture.picture`."""
        drawn = self.parameters(seed, pool, index)
        return finished(synthesized(drawn, self.latents(seed, pool, index)), drawn.target)

    def walk(self, seed: int, pool: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        """The texture evolving; see `Texture.walk`. A frame alone costs a picture plus some 10 µs for each
        step before it.

        Raises:
            UsageError: negative index or frame (when called, not when iterated).
        """
        self.key(seed, pool, index)
        for frame in frames:
            if frame < 0:
                raise UsageError(f"{self.name}: frame {frame} is negative.", "Frames count from 0.")
        return self._walk(seed, pool, index, frames)

    def _walk(self, seed: int, pool: str, index: int, frames: Sequence[int]) -> Iterator[Frame]:
        steps = self.key(seed, pool, index, "steps")
        latents, at = self.latents(seed, pool, index), 0
        drawn, drawn_for = None, 0
        for frame in frames:
            if frame < at:
                latents, at = self.latents(seed, pool, index), 0
            while at < frame:
                block = min(frame - at, STEPS)
                draws = _draws(steps, block * latents.size, at * latents.size)
                _advance(latents, draws, _quantiles(), self.sigma)
                at += block
            redraw = 0 if self.coherent else frame
            if drawn is None or redraw != drawn_for:
                drawn, drawn_for = self.parameters(seed, pool, index, redraw), redraw
            yield finished(synthesized(drawn, latents), drawn.target)

    def latents(self, seed: int, pool: str, index: int) -> NDArray[np.float64]:
        """The latents of a picture, float64 [L + 1, 512] for L convolutions."""
        shape = (len(layout(self.size)) + 1, LATENT)
        normals = _normals(self.key(seed, pool, index, "latents"), shape).astype(np.float64)
        return np.where(normals < 0, SLOPE * normals, normals)

    def parameters(self, seed: int, pool: str, index: int, redraw: int = 0) -> Network:
        """The network of a texture: affine and constant input are the texture's own, all else is drawn anew
        for each `redraw` (a frame, where a walk is incoherent).

        A smaller texture's layers are the first of a larger one's.
        """
        plan = layout(self.size)
        count, most = len(plan), LATENT

        def draws(what: str, *shape: int) -> NDArray[np.uint64]:
            key = self.key(seed, pool, index, what, redraw)
            return randomness.stream(key, math.prod(shape)).reshape(shape)

        def normals(what: str, *shape: int) -> Floats:
            return _normals(self.key(seed, pool, index, what, redraw), shape)

        known = filters(self.network)
        order = np.argsort(draws("order", count, len(known)), axis=1, kind="stable")
        subset = np.full(count, len(known))
        if self.network == "oriented":
            span = len(known) - LEAST_FILTERS + 1
            subset = LEAST_FILTERS + randomness.below(draws("subset", count), span)
        picks = draws("filters", count, most)
        gains = normals("gains", count, most)
        biases = np.zeros((count, most), np.float32)
        if self.network == "oriented":
            biases = (BIAS * (2 * randomness.unit(draws("biases", count, most)) - 1)).astype(np.float32)
        strength = (STRENGTH * randomness.unit(draws("strength", count))).astype(np.float32)
        rgb = normals("rgb", count, 3, most)
        bits = np.unpackbits(
            _draws(self.key(seed, pool, index, "affine"), count * LATENT // 8).view(np.uint8)
        )
        signs = (2 * bits.view(np.int8) - 1).reshape(count, 2, LATENT)
        noise = self._noise(seed, pool, index, redraw)
        target = np.array(TARGETS)
        target = target[:, ::2] + target[:, 1::2] * normals("colors", 3, 2)

        layers = []
        for number, (size, up, inputs, outputs) in enumerate(plan):
            chosen = order[number][randomness.below(picks[number, :inputs], int(subset[number]))]
            layers.append(
                Layer(
                    size=size,
                    up=up,
                    filters=known[chosen],
                    gain=gains[number, :outputs],
                    bias=biases[number, :outputs],
                    noise=noise[number] * strength[number],
                    latent=number,
                    signs=signs[number, 0],
                    rgb=None if up else np.ascontiguousarray(rgb[number, :, :outputs]),
                    rgb_signs=signs[number, 1],
                )
            )
        constant = _normals(self.key(seed, pool, index, "constant"), (most, FIRST, FIRST))
        return Network(constant, tuple(layers), target)

    def _noise(self, seed: int, pool: str, index: int, redraw: int) -> list[Floats]:
        """Each layer's noise before its strength, float32 [size, size]."""
        sizes = [size for size, *_ in layout(self.size)]
        if self.network == "highfreq":
            keys = [self.key(seed, pool, index, "noise", redraw, number) for number in range(len(sizes))]
            return [pink_noise(key, size, None) for key, size in zip(keys, sizes, strict=True)]
        draws = randomness.stream(self.key(seed, pool, index, "envelope", redraw), ENVELOPE**2)
        centered = randomness.unit(draws) - (0.5 - 2.0**-54)  # in the open (−½, ½)
        laplace = -np.sign(centered) * np.log1p(-2 * np.abs(centered))
        envelope = laplace.reshape(ENVELOPE, ENVELOPE).astype(np.float32)
        maps = {NOISE_SIZE: pink_noise(self.key(seed, pool, index, "noise", redraw), NOISE_SIZE, envelope)}
        size = NOISE_SIZE
        while size > FIRST:
            maps[size // 2] = _halved(maps[size])
            size //= 2
        return [maps[size] for size in sizes]


def layout(size: int) -> list[tuple[int, bool, int, int]]:
    """The convolutions of a network for `size` px: (px, whether it doubles the size, input, output channels).

    Channels: min(32768 / px, 512), as StyleGAN2.
    """

    def channels(px: int) -> int:
        return min(32_768 // px, 512)

    plan = [(FIRST, False, channels(FIRST), channels(FIRST))]
    px = 2 * FIRST
    while px <= size:
        plan += [(px, True, channels(px // 2), channels(px)), (px, False, channels(px), channels(px))]
        px *= 2
    return plan


@functools.lru_cache(maxsize=2)
def filters(network: str) -> Floats:
    """The 40 filters of a network, float32 [40, 3, 3].

    The released code turns an 11 × 11 step edge (1, 0, −1 across its middle column) and an 11 × 11 line (−1
    on 1) with bilinear interpolation and cuts out the middle 3 × 3; both vary along one axis only, so at
    distance u from the turned middle column they are clip(−u, −1, 1) and 2 · min(|u|, 1) − 1. `oriented`: 8
    edges and 8 lines over a half turn, mean removed, 4 small ones, and the negatives of all 20.
    `highfreq`: the signs of 16 edges over a whole turn (mean removed; zeros stay zero, see the module), of ±
    8 lines (mean not removed) and of ± the 4 small ones; 32 of these 40 differ.
    """
    y, x = np.mgrid[-1:2, -1:2].astype(np.float64)

    def turned(count: int, turn: float) -> list[NDArray[np.float64]]:
        angles = [turn * k / count for k in range(count)]
        # The 12th digit: a distance of 0 must be 0, since its sign is taken.
        return [np.round(math.cos(a) * x - math.sin(a) * y, 12) for a in angles]

    half_turn, whole_turn = turned(8, math.pi), turned(16, 2 * math.pi)
    edges = [np.clip(-u, -1, 1) for u in (half_turn if network == "oriented" else whole_turn)]
    lines = [2 * np.minimum(np.abs(u), 1) - 1 for u in half_turn]
    middle = (x == 0) & (y == 0)
    plus = ((x == 0) | (y == 0)).astype(np.float64)
    small = [middle * 1.0, np.where(middle, 1.0, -1.0), plus, np.sign(plus - 0.5)]
    if network == "oriented":
        half = [f - f.mean() for f in (*edges, *lines)] + small
        every = np.array(half + [-f for f in half])
    else:
        half = [np.sign(f) for f in (*lines, *small)]
        every = np.array([np.sign(f) for f in edges] + half + [-f for f in half])
    found: Floats = every.astype(np.float32)
    found.flags.writeable = False
    return found


def affine(latent: NDArray[np.float64], signs: NDArray[np.int8], channels: int) -> NDArray[np.float64]:
    """Styles float64 [channels] of a latent [512]: 1 + the first rows of H · diag(signs) · latent / √512, H
    the 512 × 512 Hadamard matrix in Sylvester's order.
    """
    values = latent * signs
    step = 1
    while step < LATENT:
        pairs = values.reshape(-1, 2, step)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).reshape(-1)
        step *= 2
    return 1 + values[:channels] / math.sqrt(LATENT)


def synthesized(network: Network, latents: NDArray[np.float64]) -> Floats:
    """The network's output, float32 [3, size, size], before `finished`.

    Args:
        network: the parameters. latents: float64 [L + 1, 512] for L convolutions.
    """
    first, final = network.layers[0], network.layers[-1]
    style = affine(latents[0], first.signs, len(first.filters))
    taps = first.filters.reshape(-1, 9) * style[:, None]
    sums = np.einsum("ik,ip->kp", taps, network.constant.reshape(len(taps), -1)).astype(np.float32)
    y = np.zeros((FIRST, FIRST), np.float32)
    _correlated(sums.reshape(9, FIRST, FIRST), np.float32(1 / math.sqrt((taps**2).sum())), y)

    picture = np.zeros((3, FIRST, FIRST), np.float32)
    for number, layer in enumerate(network.layers):
        following = network.layers[number + 1] if layer is not final else None
        weights = np.zeros((len(layer.gain), 12))
        if following is not None:
            style = affine(latents[following.latent], following.signs, len(layer.gain))
            weights[:, :9] = following.filters.reshape(-1, 9) * style[:, None]
            weights[:, :9] /= math.sqrt((weights[:, :9] ** 2).sum())
        if layer.rgb is not None:
            style = affine(latents[layer.latent + 1], layer.rgb_signs, len(layer.gain))
            weights[:, 9:] = (layer.rgb * style / math.sqrt(len(layer.gain))).T
        table = np.empty((2, CELLS + 2, 2, 12), np.float32)
        _tabulate(weights * math.sqrt(2), layer.gain, layer.bias, table)
        if layer.rgb is not None and layer.size > FIRST:
            picture = _doubled(picture)
        if following is None:
            _to_color(y, layer.noise, table, picture)
        elif following.up:
            y = _to_double(y, layer.noise, table, picture)
        else:
            y = _to_same(y, layer.noise, table)
    return picture


def finished(raw: Floats, target: NDArray[np.float64]) -> Frame:
    """uint8 [size, size, 3] RGB of a network's output float32 [3, size, size]: each channel shifted and
    scaled to its target mean and standard deviation, clipped to [0, 1], times 255, truncated (released code:
    `tensor_to_uint8_norm`). A channel without any contrast is its mean.
    """
    out = np.empty((*raw.shape[1:], 3), np.uint8)
    for channel in range(3):
        mean, deviation = _moments(raw[channel])
        scale = target[channel, 1] / deviation if deviation else 0.0
        _to_bytes(
            raw[channel],
            np.float32(scale * 255),
            np.float32((target[channel, 0] - scale * mean) * 255),
            out[:, :, channel],
        )
    return out


def pink_noise(key: int, size: int, envelope: Floats | None) -> Floats:
    """A map of pink noise, float32 [size, size], of standard deviation 1.

    Released code: amplitude 1 / r^alpha, alpha ~ U(0.5, 1.5), 0 at r = 0, on a grid of (size + 1)²
    frequencies with random antisymmetric phase; the last row and column are cut off, the mean is removed, the
    map is multiplied by the envelope, if any, and divided by its standard deviation.

    Args:
        key: of the draws. size: px. envelope: float32 [4, 4], enlarged with a Lanczos kernel of support 3.
    """
    side = size + 1
    half = side // 2 + 1
    alpha = 0.5 + randomness.unit(randomness.stream(key, 1))[0]
    amplitude = np.exp(np.float32(-alpha) * _log_radius(half))
    amplitude[0, 0] = 0
    spectrum = np.empty((side, half), np.complex64)
    _spectrum(amplitude, _draws(key, side * half, 4), _cosines(), spectrum)
    noise = scipy.fft.irfft2(spectrum, (side, side), overwrite_x=True, workers=1)
    noise = np.ascontiguousarray(noise[:-1, :-1])
    noise -= np.float32(_moments(noise)[0])
    if envelope is not None:
        spread = lanczos(ENVELOPE, size)
        _enveloped(noise, (spread @ envelope).astype(np.float32), np.ascontiguousarray(spread.T))
    noise *= np.float32(1 / _moments(noise)[1])
    return noise


@functools.lru_cache(maxsize=16)
def lanczos(few: int, many: int) -> Floats:
    """The weights that enlarge `few` samples to `many` with a Lanczos kernel of support 3, float32
    [many, few]; each row sums to 1 (Pillow's LANCZOS).
    """
    at = (np.arange(many)[:, None] + 0.5) * few / many - (np.arange(few)[None] + 0.5)
    weights = np.where(np.abs(at) < 3, np.sinc(at) * np.sinc(at / 3), 0.0)
    found: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    found.flags.writeable = False
    return found


def _normals(key: int, shape: tuple[int, ...]) -> Floats:
    """Standard normal draws, float32, a quarter of a 64-bit draw each."""
    return _quantiles()[_draws(key, math.prod(shape))].reshape(shape)


def _draws(key: int, count: int, start: int = 0) -> NDArray[np.uint16]:
    """Draws `start … start + count − 1` of 16 bits, uint16; `start` a multiple of 4."""
    words = randomness.stream(key, (count + 3) // 4, start // 4).astype("<u8", copy=False)
    return words.view("<u2")[:count].astype(np.uint16, copy=False)


@functools.lru_cache(maxsize=1)
def _quantiles() -> Floats:
    """65,536 equally likely quantiles of the standard normal distribution, float32, rising."""
    upper = scipy.special.ndtri((np.arange(2**15) + 0.5) / 2**16 + 0.5).astype(np.float32)
    return np.concatenate([-upper[::-1], upper])


@functools.lru_cache(maxsize=1)
def _cosines() -> Floats:
    """cos(2π · k / 65536) of every k, float32."""
    found: Floats = np.cos(np.arange(2**16) * (2 * math.pi / 2**16)).astype(np.float32)
    return found


@functools.lru_cache(maxsize=16)
def _log_radius(half: int) -> Floats:
    """log √(i² + j²), float32 [half, half], 0 at (0, 0)."""
    square = np.arange(half, dtype=np.float64) ** 2
    both = square[:, None] + square[None]
    both[0, 0] = 1
    return (np.log(both) / 2).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _advance(latents: Any, draws: Any, quantiles: Any, sigma: float) -> None:
    """latents float64 [N, 512] += sigma · normals, step by step; draws uint16 [steps · N · 512]."""
    flat = latents.reshape(-1)
    for begin in range(0, len(draws), len(flat)):
        for k in range(len(flat)):
            flat[k] += sigma * quantiles[draws[begin + k]]


@numba.njit(cache=True, nogil=True)
def _spectrum(amplitude: Any, phase: Any, cosine: Any, spectrum: Any) -> None:
    """spectrum complex64 [side, half] of an odd side: amplitude[|row|, column] at the phases; column 0 is
    Hermitian.
    """
    side, half = spectrum.shape
    for row in range(side):
        away = min(row, side - row)
        for column in range(half):
            angle = phase[row * half + column]
            turned = np.uint16(angle - np.uint16(16_384))
            size = amplitude[away, column]
            spectrum[row, column] = complex(size * cosine[angle], size * cosine[turned])
    for row in range(1, half):
        spectrum[side - row, 0] = np.conj(spectrum[row, 0])


@numba.njit(cache=True, nogil=True)
def _enveloped(noise: Any, rows: Any, columns: Any) -> None:
    """noise *= rows [H, 4] @ columns [4, W]."""
    height, width = noise.shape
    for y in range(height):
        a, b, c, d = rows[y, 0], rows[y, 1], rows[y, 2], rows[y, 3]
        for x in range(width):
            noise[y, x] *= a * columns[0, x] + b * columns[1, x] + c * columns[2, x] + d * columns[3, x]


@numba.njit(cache=True, nogil=True)
def _moments(values: Any) -> Any:
    """Mean and standard deviation of float32 [H, W], in float64; summed column by column, an order that no
    vector width changes.
    """
    height, width = values.shape
    sums = np.zeros(width)
    squares = np.zeros(width)
    shift = np.float64(values[0, 0])
    for y in range(height):
        for x in range(width):
            value = np.float64(values[y, x]) - shift
            sums[x] += value
            squares[x] += value * value
    total = 0.0
    square = 0.0
    for x in range(width):
        total += sums[x]
        square += squares[x]
    mean = total / (height * width)
    return mean + shift, math.sqrt(max(square / (height * width) - mean * mean, 0.0))


@numba.njit(cache=True, nogil=True)
def _halved(values: Any) -> Any:
    """Means of 2 × 2 blocks of float32 [2n, 2n]."""
    size = len(values) // 2
    out = np.empty((size, size), np.float32)
    for y in range(size):
        for x in range(size):
            above = values[2 * y, 2 * x] + values[2 * y, 2 * x + 1]
            below = values[2 * y + 1, 2 * x] + values[2 * y + 1, 2 * x + 1]
            out[y, x] = (above + below) * np.float32(0.25)
    return out


@numba.njit(cache=True, nogil=True)
def _tabulate(weights: Any, gain: Any, bias: Any, table: Any) -> None:
    """Tables of sum_o weights[o] · relu(v + bias[o]) over the outputs of gain > 0 (table[0]) and < 0
    (table[1]).

    weights float64 [O, 12]; table float32 [2, CELLS + 2, 2, 12]: slope and offset of row 0 (v ≤ −BIAS), the
    chords, and the last row (v ≥ BIAS).
    """
    cells = table.shape[1] - 2
    width = 2 * BIAS / cells
    slope = np.zeros((2, cells + 2, 12))
    offset = np.zeros((2, cells + 2, 12))
    for o in range(len(gain)):
        side = 0 if gain[o] >= 0 else 1
        cell = int((BIAS - bias[o]) / width) + 1
        cell = min(max(cell, 1), cells)
        for c in range(12):
            slope[side, cell, c] += weights[o, c]
            offset[side, cell, c] += weights[o, c] * bias[o]
    for side in range(2):
        total = np.zeros(12)  # over the outputs whose knot lies left of the cell
        moved = np.zeros(12)
        for c in range(12):
            table[side, 0, 0, c] = 0
            table[side, 0, 1, c] = 0
        for cell in range(1, cells + 2):
            begin = -BIAS + (cell - 1) * width
            end = begin + width
            for c in range(12):
                low = total[c] * begin + moved[c]
                total[c] += slope[side, cell, c]
                moved[c] += offset[side, cell, c]
                high = total[c] * end + moved[c]
                chord = (high - low) / width
                table[side, cell, 0, c] = chord
                table[side, cell, 1, c] = low - chord * begin


@numba.njit(cache=True, nogil=True)
def _row(value: Any, cells: int) -> int:
    """The table's row for an argument."""
    at = (value + np.float32(BIAS)) * (np.float32(cells) / np.float32(2 * BIAS)) + np.float32(1)
    return int(min(max(at, np.float32(0)), np.float32(cells + 1)))


@numba.njit(cache=True, nogil=True)
def _correlated(sums: Any, scale: Any, out: Any) -> None:
    """out float32 [H, W] = scale · sum of the nine tap maps [9, H, W], each moved by its tap; 0 outside."""
    height, width = out.shape
    for y in range(height):
        for x in range(width):
            value = np.float32(0)
            for a in range(3):
                for b in range(3):
                    i, j = y + a - 1, x + b - 1
                    if 0 <= i < height and 0 <= j < width:
                        value += sums[3 * a + b, i, j]
            out[y, x] = value * scale


@numba.njit(cache=True, nogil=True)
def _to_same(y: Any, noise: Any, table: Any) -> Any:
    """The next layer's map where it keeps the size: y, noise and the result float32 [H, W]."""
    height, width = y.shape
    cells = table.shape[1] - 2
    padded = np.zeros((height + 2, width + 2), np.float32)
    values = np.empty(12, np.float32)
    for i in range(height):
        for j in range(width):
            p = noise[i, j] + y[i, j]
            q = noise[i, j] - y[i, j]
            left = table[0, _row(p, cells)]
            right = table[1, _row(q, cells)]
            for c in range(12):
                values[c] = (left[0, c] * p + left[1, c]) + (right[0, c] * q + right[1, c])
            for a in range(3):
                for b in range(3):
                    padded[i + 2 - a, j + 2 - b] += values[3 * a + b]
    return padded[1:-1, 1:-1].copy()


@numba.njit(cache=True, nogil=True)
def _to_double(y: Any, noise: Any, table: Any, picture: Any) -> Any:
    """The next layer's map where it doubles the size: y and noise float32 [H, W], the result [2H, 2W]; adds
    this layer's colors to picture [3, H, W].
    """
    height, width = y.shape
    cells = table.shape[1] - 2
    padded = np.zeros((2 * height + 3, 2 * width + 3), np.float32)
    values = np.empty(12, np.float32)
    for i in range(height):
        for j in range(width):
            p = noise[i, j] + y[i, j]
            q = noise[i, j] - y[i, j]
            left = table[0, _row(p, cells)]
            right = table[1, _row(q, cells)]
            for c in range(12):
                values[c] = (left[0, c] * p + left[1, c]) + (right[0, c] * q + right[1, c])
            for a in range(3):
                for b in range(3):
                    padded[2 * i + 1 + a, 2 * j + 1 + b] += values[3 * a + b]
            for c in range(3):
                picture[c, i, j] += values[9 + c]
    out = np.empty((2 * height, 2 * width), np.float32)
    line = np.empty(2 * width + 3, np.float32)
    for i in range(2 * height):
        for j in range(2 * width + 3):
            outer = padded[i, j] + padded[i + 3, j]
            inner = padded[i + 1, j] + padded[i + 2, j]
            line[j] = np.float32(0.25) * outer + np.float32(0.75) * inner
        for j in range(2 * width):
            outer = line[j] + line[j + 3]
            inner = line[j + 1] + line[j + 2]
            out[i, j] = np.float32(0.25) * outer + np.float32(0.75) * inner
    return out


@numba.njit(cache=True, nogil=True)
def _to_color(y: Any, noise: Any, table: Any, picture: Any) -> None:
    """Adds the last layer's colors to picture float32 [3, H, W]."""
    height, width = y.shape
    cells = table.shape[1] - 2
    for i in range(height):
        for j in range(width):
            p = noise[i, j] + y[i, j]
            q = noise[i, j] - y[i, j]
            left = table[0, _row(p, cells)]
            right = table[1, _row(q, cells)]
            for c in range(3):
                value = (left[0, 9 + c] * p + left[1, 9 + c]) + (right[0, 9 + c] * q + right[1, 9 + c])
                picture[c, i, j] += value


@numba.njit(cache=True, nogil=True)
def _doubled(picture: Any) -> Any:
    """float32 [3, H, W] → [3, 2H, 2W] by zero insertion and FIR [1, 3, 3, 1] / 4 an axis, 0 outside."""
    channels, height, width = picture.shape
    out = np.empty((channels, 2 * height, 2 * width), np.float32)
    line = np.zeros(width + 2, np.float32)
    for c in range(channels):
        for i in range(2 * height):
            near = i // 2
            far = near - 1 + 2 * (i % 2)
            for j in range(width):
                beyond = picture[c, far, j] if 0 <= far < height else np.float32(0)
                line[j + 1] = np.float32(0.75) * picture[c, near, j] + np.float32(0.25) * beyond
            for j in range(width):
                middle = np.float32(0.75) * line[j + 1]
                out[c, i, 2 * j] = middle + np.float32(0.25) * line[j]
                out[c, i, 2 * j + 1] = middle + np.float32(0.25) * line[j + 2]
    return out


@numba.njit(cache=True, nogil=True)
def _to_bytes(values: Any, scale: Any, shift: Any, out: Any) -> None:
    """out uint8 [H, W] = values · scale + shift, clipped to [0, 255], truncated."""
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            value = values[y, x] * scale + shift
            out[y, x] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))
