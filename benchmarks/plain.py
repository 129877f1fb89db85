"""Textures the plain, slow way, each written from its description: what the tests hold the engines against
and what `benchmarks.textures` times beside them. They share with the engines only the drawn parameters.

*statistical*: the released script's steps one after the other, in full complex spectra, whole histograms and
linear interpolation, level by level. *stylegan*: StyleGAN2's synthesis channel by channel, in torch.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch.nn.functional import conv2d, conv_transpose2d, pad

from synvid_eval import randomness
from synvid_eval.generators.statistical import Statistical
from synvid_eval.generators.stylegan import Network

Array = NDArray[np.float64]


def uniform(texture: Statistical, pool: str, index: int, what: str, count: int) -> Array:
    """Draws of a texture of a pool, float64 [count] in [0, 1)."""
    return randomness.unit(randomness.stream(texture.key(0, pool, index, what), count))


def matched(values: Array, target: Array, low: float, step: float) -> Array:
    """`values` with the histogram `target`, whose first bin begins at `low`."""
    counts, edges = np.histogram(values, bins=len(target))
    source = np.concatenate([[0], np.cumsum(counts)]) / values.size
    target = target + target.mean() / 1e8
    goal = np.concatenate([[0], np.cumsum(target)]) / target.sum()
    moved = np.interp(source, goal, low + step * np.arange(len(target) + 1))
    return np.interp(values.ravel(), edges, moved).reshape(values.shape)


def standardised(values: Array, mean: float, deviation: float) -> Array:
    return (values - values.mean()) / values.std(ddof=1) * deviation + mean


def with_spectrum(picture: Array, amplitude: Array) -> Array:
    phase = np.angle(np.fft.fft2(picture - picture.mean()))
    drawn = np.real(np.fft.ifft2(amplitude * np.exp(1j * phase)))
    return standardised(drawn, picture.mean(), picture.std(ddof=1))


def with_histogram(band: Array, power: float, ratio: int) -> Array:
    x = np.arange(-200, 200.5, 0.5)
    h = np.exp(-(np.abs(x / 4.0**ratio) ** power))
    mean = (x * h).sum() / h.sum()
    deviation = math.sqrt(((x - mean) ** 2 * h).sum() / h.sum())
    band = matched(standardised(band, mean, deviation), h, -200.25, 0.5)
    return standardised(band, mean, deviation)


def polar(side: int) -> tuple[Array, Array]:
    """Octaves below the Nyquist frequency of a level and angles of a full spectrum."""
    fx, fy = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))
    radius = 2 * np.hypot(fx, fy)
    radius[0, 0] = 1e-9
    return np.log2(radius), np.arctan2(fy, fx)


def with_wavelets(picture: Array, powers: Array, levels: int, growth: int) -> Array:
    def low_and_high(octaves: Array, end: int) -> tuple[Array, Array]:
        rise = math.pi / 2 * np.clip(octaves - end + 1, 0, 1)
        return np.cos(rise), np.sin(rise)

    def inner(spectrum: Array, level: int) -> Array:
        if level == levels:
            return spectrum
        side = len(spectrum)
        octaves, angle = polar(side)
        low, high = low_and_high(octaves, -1)
        out = np.zeros_like(spectrum)
        for k in range(4):
            filter = 1j * math.sqrt(0.8) * np.cos(angle - math.pi * k / 4) ** 3 * high
            band = np.real(np.fft.ifft2(spectrum * filter))
            band = with_histogram(band, powers[1 + 4 * level + k], 2**level)
            out += np.fft.fft2(band) * np.conj(filter)
        kept = np.r_[: side // 4, side - side // 4 : side]
        kept = np.ix_(kept, kept)
        # A picture of half the side with the same spectrum has four times the values.
        out[kept] += inner((spectrum * low)[kept] * growth / 4, level + 1) * 4 / growth * low[kept]
        return out

    low, high = low_and_high(polar(len(picture))[0], 0)
    spectrum = np.fft.fft2(picture)
    residual = with_histogram(np.real(np.fft.ifft2(spectrum * high)), powers[0], 1)
    return np.real(np.fft.ifft2(np.fft.fft2(residual) * high + low * inner(spectrum * low, 0)))


def statistical(texture: Statistical, pool: str, index: int) -> Array:
    """Texture `index` of a pool, float64 [size, size, 3] in [0, 255]."""
    size, drawn = texture.size, texture.parameters(0, pool, index)
    channels = 256 * uniform(texture, pool, index, "noise", 3 * size * size).reshape(3, size, size)
    fx, fy = np.meshgrid(np.abs(np.fft.fftfreq(size)), np.abs(np.fft.fftfreq(size)))
    with np.errstate(divide="ignore"):
        amplitude = 1 / (fx ** drawn.slopes[0] + fy ** drawn.slopes[1])
    amplitude[0, 0] = 0
    for _ in range(texture.iterations):
        for c in range(3):
            channels[c] = with_spectrum(channels[c], amplitude)
            if texture.wmm:
                depth = round(math.log2(size)) - 4
                channels[c] = with_wavelets(channels[c], drawn.powers[c], depth, texture.growth)
            if texture.color:
                colors = drawn.colors
                step = (colors.high[c] - colors.low[c]) / 256
                channels[c] = matched(channels[c], colors.histogram[c], colors.low[c], step)
    rgb = np.einsum("ck,kyx->yxc", drawn.colors.axes, channels) + drawn.colors.mean
    rgb -= rgb.min()
    return 255 * rgb / rgb.max()


def stylegan(
    network: Network,
    latents: Array,
    dtype: torch.dtype = torch.float64,
    transposed: bool = False,
) -> torch.Tensor:
    """The same network channel by channel: what StyleGAN2's synthesis does, written from its description.

    float [3, S, S]. All weights are made, modulated and demodulated, all channels convolved. Sizes are
    doubled as it is defined (FIR, then a convolution at the larger size) or, `transposed`, as StyleGAN2's
    code does it for speed (a transposed convolution of stride 2, then FIR).
    """

    def tensor(array: Array) -> torch.Tensor:
        return torch.from_numpy(np.array(array)).to(dtype)

    def styles(number: int, signs: Array, channels: int) -> torch.Tensor:
        weight = tensor(scipy.linalg.hadamard(512) * signs.astype(float)) / 512**0.5
        return 1 + weight[:channels] @ tensor(latents[number])

    def smoothed(x: torch.Tensor, before: int, after: int) -> torch.Tensor:
        """FIR [1, 3, 3, 1] of sum 2 an axis, after padding with zeros."""
        fir = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=dtype) / 4
        kernel = torch.outer(fir, fir)[None, None]
        return conv2d(pad(x, (before, after, before, after))[:, None], kernel)[:, 0]

    def doubled(x: torch.Tensor, margin: int) -> torch.Tensor:
        """Zeros put between, smoothed; `margin` px more on every side."""
        channels, height, width = x.shape
        spread = x.new_zeros(channels, 2 * height, 2 * width)
        spread[:, ::2, ::2] = x
        return smoothed(spread, 2 + margin, 1 + margin)

    x, picture = tensor(network.constant), None
    for layer in network.layers:
        style = styles(layer.latent, layer.signs, x.shape[0])
        weight = tensor(layer.gain)[:, None, None, None] * tensor(layer.filters)[None]
        weight = weight * style[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if layer.up and transposed:
            x = smoothed(conv_transpose2d(x[None], weight.transpose(0, 1), stride=2)[0], 1, 1)
        elif layer.up:
            x = conv2d(doubled(x, 1)[None], weight.flip(2, 3))[0]
        else:
            x = conv2d(x[None], weight, padding=1)[0]
        x = x + tensor(layer.noise)[None]
        x = torch.relu(x + tensor(layer.bias)[:, None, None]) * 2**0.5
        if layer.rgb is not None:
            style = styles(layer.latent + 1, layer.rgb_signs, x.shape[0]) / x.shape[0] ** 0.5
            color = torch.einsum("ci,ihw->chw", tensor(layer.rgb) * style, x)
            picture = color if picture is None else doubled(picture, 0) + color
    assert picture is not None
    return picture
