"""StyleGAN-oriented textures: against a plain torch network of the same parameters, and the released
constants.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch.nn.functional import interpolate

from benchmarks import plain
from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import stylegan, textures
from synvid_eval.generators.stylegan import StyleganOriented, finished, pink_noise, synthesized

POOL = "tests"


def agree(drawn: stylegan.Network, latents: np.ndarray, **how: Any) -> None:
    with torch.no_grad():
        truth = plain.stylegan(drawn, latents, **how).numpy()
    ours = synthesized(drawn, latents)
    for channel in range(3):
        assert np.corrcoef(truth[channel].ravel(), ours[channel].ravel())[0, 1] >= 0.999999
        assert np.abs(truth[channel] - ours[channel]).mean() <= 2e-4 * truth[channel].std()
    colors = finished(ours, drawn.target).astype(int)
    off = np.abs(colors - finished(truth.astype(np.float32), drawn.target))
    assert off.max() <= 3 and (off <= 1).mean() >= 0.999 and off.mean() <= 0.05


@pytest.mark.parametrize("network", ["oriented", pytest.param("highfreq", marks=pytest.mark.slow)])
def test_equals_a_plain_network_of_the_same_parameters(network):
    for size, seed in [(64, 0), (64, 1), (64, 2), (128, 3)]:
        texture = StyleganOriented(size=size, network=network)
        agree(texture.parameters(seed, POOL, 5), texture.latents(seed, POOL, 5))
    texture = StyleganOriented(network=network)
    drawn, latents = texture.parameters(4, POOL, 5), texture.latents(4, POOL, 5)
    agree(drawn, latents, dtype=torch.float32, transposed=True)


def test_agreement_is_no_matter_of_course():
    texture = StyleganOriented(size=64)
    drawn, latents = texture.parameters(0, POOL, 0), texture.latents(0, POOL, 0)
    first = drawn.layers[0]
    mirrored = dataclasses.replace(first, filters=first.filters[:, :, ::-1].copy())
    other = dataclasses.replace(drawn, layers=(mirrored, *drawn.layers[1:]))
    ours = synthesized(drawn, latents)
    for parameters, where in ((other, latents), (drawn, latents[::-1])):
        with torch.no_grad():
            changed = plain.stylegan(parameters, where, torch.float32).numpy()
        assert np.corrcoef(changed.ravel(), ours.ravel())[0, 1] < 0.9999


def test_a_walk_moves_the_latents_by_normal_steps_and_nothing_else():
    texture = StyleganOriented(size=64, sigma=0.3)
    seen = []

    def spy(drawn, latents):
        seen.append((drawn, latents.copy()))
        return synthesized(drawn, latents)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylegan, "synthesized", spy)
        list(texture.walk(0, POOL, 0, [0, 1, 2, 102]))
    start = texture.latents(0, POOL, 0)
    assert np.array_equal(seen[0][1], start)
    assert all(drawn is seen[0][0] for drawn, _ in seen)
    for (_, before), (_, after), steps in zip(seen, seen[1:], (1, 1, 100), strict=False):
        moved = (after - before).ravel() / (0.3 * steps**0.5)
        assert stats.kstest(moved, "norm").statistic < 0.025
    assert abs(np.corrcoef((seen[1][1] - start).ravel(), (seen[2][1] - seen[1][1]).ravel())[0, 1]) < 0.05
    agree(*seen[3])


def test_frames_alone_and_in_any_order_are_those_of_the_whole_walk():
    for texture in (StyleganOriented(size=64), StyleganOriented(size=64, coherent=False)):
        whole = list(texture.walk(3, POOL, 7, range(80)))
        assert np.array_equal(whole[0], texture.picture(3, POOL, 7))
        for order in ([79], [40, 3, 3, 79, 0]):
            for frame, alone in zip(order, texture.walk(3, POOL, 7, order), strict=True):
                assert np.array_equal(alone, whole[frame])


def test_coherent_walks_change_slowly_and_incoherent_frames_are_unrelated():
    def similarity(texture: StyleganOriented) -> float:
        pairs = (list(texture.walk(0, POOL, index, [5, 6])) for index in range(16))
        return float(np.median([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))

    # A trial of another implementation had a mean of .98 for sigma .05 and .72 for .5 (steps then of the
    # numbers before LeakyReLU, which are .72 times as large).
    for network in ("oriented", "highfreq"):
        assert similarity(StyleganOriented(size=128, network=network)) > 0.97
    assert similarity(StyleganOriented(size=128, sigma=0.5)) < 0.93
    assert similarity(StyleganOriented(size=128, coherent=False)) < 0.6
    still = list(StyleganOriented(size=64, sigma=0).walk(0, POOL, 0, [0, 9]))
    assert np.array_equal(*still)


def test_every_address_is_another_picture_and_sizes_share_their_first_layers():
    texture = StyleganOriented(size=64)
    addresses = [(0, POOL, 0), (1, POOL, 0), (0, "other", 0), (0, POOL, 1)]
    pictures = [texture.picture(*address) for address in addresses]
    for k in range(1, 4):
        assert np.abs(pictures[0].astype(int) - pictures[k]).mean() > 10
    assert np.array_equal(texture.picture(0, POOL, 0), pictures[0])
    for network in ("oriented", "highfreq"):
        small, large = (StyleganOriented(size=s, network=network).parameters(0, POOL, 0) for s in (64, 128))
        for one, other in zip(small.layers, large.layers, strict=False):
            for field in dataclasses.fields(one):
                assert np.array_equal(getattr(one, field.name), getattr(other, field.name))


def test_channels_and_sizes_are_stylegan2s():
    layers = StyleganOriented(size=512).parameters(0, POOL, 0).layers
    assert [layer.size for layer in layers] == [
        4,
        *(px for px in (8, 16, 32, 64, 128, 256, 512) for _ in "ab"),
    ]
    widths = {layer.size: len(layer.gain) for layer in layers}
    assert widths == {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64}
    for before, layer in itertools.pairwise(layers):
        assert len(layer.filters) == len(before.gain) and layer.up == (layer.size > before.size)
        assert (layer.rgb is None) == layer.up
    for size in (64, 128, 256, 512):
        assert StyleganOriented(size=size).picture(0, POOL, 0).shape == (size, size, 3)


def drawn_by_pillow(network: str) -> np.ndarray:
    """The filters by the released recipe: turn an 11 × 11 picture with Pillow, cut out the middle."""

    def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
        turned = Image.fromarray(picture.astype(np.float32)).rotate(
            degrees, resample=Image.Resampling.BILINEAR
        )
        return np.array(turned)[4:7, 4:7].astype(float)

    edge, line = np.ones((11, 11)), np.ones((11, 11))
    edge[:, 5], edge[:, 6:], line[:, 5] = 0, -1, -1
    lines = [turned(line, k * 22.5) for k in range(8)]
    point, ring, plus = np.zeros((3, 3)), -np.ones((3, 3)), np.zeros((3, 3))
    point[1, 1] = ring[1, 1] = 1
    plus[1], plus[:, 1] = 1, 1
    small = [point, ring, plus, 2 * plus - 1]
    if network == "oriented":
        wide = [turned(edge, k * 22.5) for k in range(8)] + lines
        half = [f - f.mean() for f in wide] + small
        return np.array(half + [-f for f in half])
    edges = [turned(edge, k * 22.5) for k in range(16)]
    edges = [np.where(np.abs(f - f.mean()) < 1e-6, 0, np.sign(f - f.mean())) for f in edges]
    half = [np.sign(f) for f in lines + small]
    return np.array(edges + half + [-f for f in half])


@pytest.mark.parametrize("network", ["oriented", "highfreq"])
def test_filters_are_those_of_the_released_recipe(network):
    ours = stylegan.filters(network)
    assert ours.shape == (40, 3, 3)
    assert np.abs(ours - drawn_by_pillow(network)).max() < 1e-6


def test_parameters_follow_their_laws():
    texture = StyleganOriented(size=256)
    networks = [texture.parameters(seed, POOL, 0) for seed in range(12)]
    layers = [layer for network in networks for layer in network.layers]

    def together(name: str) -> np.ndarray:
        return np.concatenate([np.ravel(getattr(layer, name)) for layer in layers if layer.rgb is not None])

    assert stats.kstest(together("bias"), stats.uniform(-0.2, 0.4).cdf).pvalue > 0.01
    assert stats.kstest(together("gain"), "norm").pvalue > 0.01
    assert stats.kstest(together("rgb"), "norm").pvalue > 0.01
    constants = np.concatenate([network.constant.ravel() for network in networks])
    assert stats.kstest(constants, "norm").pvalue > 0.01
    # The noise of the last layer is the strength times a map of deviation 1 before it was averaged down.
    strengths = [layer.noise.std() for network in networks for layer in network.layers[-2:]]
    assert min(strengths) > 0 and max(strengths) < 0.3
    used = [len(np.unique(layer.filters.reshape(-1, 9), axis=0)) for layer in layers]
    assert min(used) >= 5 and max(used) == 40

    texture = StyleganOriented(size=64, network="highfreq")
    layers = texture.parameters(0, POOL, 0).layers
    assert all(not layer.bias.any() for layer in layers)
    known = len(np.unique(stylegan.filters("highfreq").reshape(-1, 9), axis=0))
    for layer in layers:
        uses = len(np.unique(layer.filters.reshape(-1, 9), axis=0))
        assert uses == known if len(layer.filters) == 512 else uses > 0.9 * known
    strengths = [texture.parameters(seed, POOL, 0).layers[-1].noise.std() for seed in range(200)]
    assert stats.kstest(strengths, stats.uniform(0, 0.3).cdf).pvalue > 0.01


def test_filters_of_a_layer_are_a_uniform_subset_of_uniform_size():
    """U{5 … 40} of the 40, each as likely, over layers of 512 channels, which show all that they have."""
    known = {tuple(f): k for k, f in enumerate(stylegan.filters("oriented").reshape(-1, 9).round(5).tolist())}
    sizes, chosen, picks = [], np.zeros(40), []
    for seed in range(60):
        for layer in StyleganOriented(size=64).parameters(seed, POOL, 0).layers[1:]:
            if len(layer.filters) < 512:
                continue
            which = np.array([known[tuple(f)] for f in layer.filters.reshape(-1, 9).round(5).tolist()])
            subset, counts = np.unique(which, return_counts=True)
            sizes.append(len(subset))
            chosen[subset] += 1
            picks.append(stats.chisquare(counts).pvalue)
    assert len(sizes) > 400 and min(sizes) == 5 and max(sizes) == 40
    assert stats.chisquare(np.bincount(sizes, minlength=41)[5:]).pvalue > 0.001
    assert chosen.min() / len(sizes) > 0.45 and chosen.max() / len(sizes) < 0.68  # 22.5 of 40
    assert stats.kstest(picks, stats.uniform(0, 1).cdf).statistic < 0.08


def test_the_noises_exponent_is_uniform():
    """Read from the spectrum of the drawn maps, not from the draws: amplitude ∝ 1/r^α, α ~ U(0.5, 1.5)."""
    side, found = 256, []
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))) * (side + 1)
    window = np.outer(np.blackman(side), np.blackman(side))
    rings = [(radius >= a) & (radius < b) for a, b in itertools.pairwise(np.geomspace(12, 100, 7))]
    middle = [np.log(radius[ring]).mean() for ring in rings]
    for key in range(300):
        power = np.log(np.abs(np.fft.fft2(pink_noise(key, side, None) * window)) ** 2)
        found.append(-np.polyfit(middle, [power[ring].mean() for ring in rings], 1)[0] / 2)
    assert stats.kstest(found, stats.uniform(0.5, 1).cdf).pvalue > 0.001


def test_colors_aim_at_the_released_targets():
    texture = StyleganOriented(size=64)
    targets = np.array([texture.parameters(seed, POOL, 0).target for seed in range(300)])
    expected = [
        [(0.483, 0.145), (0.219, 0.063)],
        [(0.455, 0.142), (0.213, 0.062)],
        [(0.401, 0.161), (0.213, 0.069)],
    ]
    for channel, row in enumerate(expected):
        for which, law in enumerate(row):
            assert stats.kstest(targets[:, channel, which], "norm", law).pvalue > 0.005

    raw = np.random.default_rng(0).normal(3, 2, (3, 64, 64)).astype(np.float32)
    target = np.array([[0.5, 0.1], [0.4, 0.2], [0.9, 0.3]])
    standard = (raw - raw.mean((1, 2), keepdims=True)) / raw.std((1, 2), keepdims=True)
    wanted = np.clip(standard * target[:, 1:, None] + target[:, :1, None], 0, 1) * 255
    got = finished(raw, target).transpose(2, 0, 1)
    assert (wanted - got > -1e-3).all() and (wanted - got < 1 + 1e-3).all()  # truncated, not rounded
    assert (finished(np.ones_like(raw), target)[:, :, 0] == 127).all()


def test_latents_and_styles():
    texture = StyleganOriented(size=256)
    latents = np.concatenate([texture.latents(seed, POOL, 0) for seed in range(4)])
    normal = np.where(latents < 0, latents / 0.2, latents)
    assert stats.kstest(normal.ravel(), "norm").pvalue > 0.01
    styles = []
    for seed in range(6):
        for layer in texture.parameters(seed, POOL, 0).layers:
            latent = texture.latents(seed, POOL, 0)[layer.latent]
            styles.append(stylegan.affine(latent, layer.signs, 512))
    # 1 + N(0, mean square of the latent), which is (1 + 0.2²) / 2 in the mean.
    assert stats.kstest(np.ravel(styles), "norm", (1, 0.52**0.5)).pvalue > 0.01
    steps = np.random.default_rng(0).normal(size=(200, 512))
    signs = texture.parameters(0, POOL, 0).layers[0].signs
    matrix = np.array([stylegan.affine(row, signs, 512) - 1 for row in np.eye(512)])
    assert np.allclose(np.abs(matrix), 512**-0.5) and np.allclose(matrix @ matrix.T, np.eye(512))
    assert np.allclose(stylegan.affine(steps[0], signs, 128), 1 + (steps[0] @ matrix)[:128])


def test_pink_noise_is_the_sum_of_waves_of_the_released_recipe():
    """Every wave summed one by one on the (size + 1)² grid; amplitude and phases from the same draws."""
    size, key = 16, 77
    side, half = 17, 9
    noise = pink_noise(key, size, None)
    words = randomness.stream(key, 1 + (side * half + 3) // 4)
    alpha = 0.5 + float(words[0] >> np.uint64(11)) * 2.0**-53
    phases = words[1:].astype("<u8").view("<u2")[: side * half].reshape(side, half) * (2 * np.pi / 2**16)
    y, x = np.mgrid[:side, :side]
    expected = np.zeros((side, side))
    for row in range(side):
        down = row if row < half else row - side
        for across in range(half):
            if across == 0 and down <= 0:
                continue  # the mirror image of another wave, and the mean
            wave = 2 * np.pi * (down * y + across * x) / side + phases[row, across]
            expected += np.hypot(down, across) ** -alpha * np.cos(wave)
    expected = expected[:-1, :-1] - expected[:-1, :-1].mean()
    assert np.abs(noise - expected / expected.std()).max() < 1e-4


def test_pink_noise_has_its_spectrum_and_envelope():
    for key in range(6):
        noise = pink_noise(key, 256, None)
        assert noise.mean() == pytest.approx(0, abs=1e-5) and noise.std() == pytest.approx(1, abs=1e-5)
        alpha = 0.5 + float(randomness.unit(randomness.stream(key, 1))[0])
        power = np.abs(np.fft.fft2(noise * np.outer(np.hanning(256), np.hanning(256)))) ** 2
        radius = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256))) * 256
        rings = [power[(radius >= r) & (radius < 1.25 * r)].mean() for r in (8, 16, 32, 64)]
        slope = np.polyfit(np.log([8, 16, 32, 64]), np.log(rings), 1)[0]
        assert slope == pytest.approx(-2 * alpha, abs=0.15)

    values = np.random.default_rng(0).laplace(size=(4, 4)).astype(np.float32)
    enlarged = np.array(Image.fromarray(values).resize((512, 512), Image.Resampling.LANCZOS))
    spread = stylegan.lanczos(4, 512)
    assert np.abs(spread @ values @ spread.T - enlarged).max() < 1e-4
    plain_map, shaped = pink_noise(3, 512, None), pink_noise(3, 512, values)
    product = plain_map * enlarged
    assert np.abs(shaped - product / product.std()).max() < 1e-3


def test_one_noise_map_is_averaged_down_to_every_layer():
    texture = StyleganOriented(size=512)
    layers = texture.parameters(0, POOL, 0).layers
    finest = torch.from_numpy(layers[-1].noise / layers[-1].noise.std())[None, None]
    for layer in layers:
        area = interpolate(finest, (layer.size, layer.size), mode="area")[0, 0].numpy()
        strength = (layer.noise * area).sum() / (area * area).sum()
        assert 0 < strength < 0.3
        assert np.abs(layer.noise - strength * area).max() < 1e-5


# Every 8th pixel each way of frame k // 2 of textures k = 0…7 of seed 0, 256 px: uint8 [8, 32, 32, 3]; even
# ones oriented, odd ones highfreq. Made by:
# synvid_eval 0.1.0 (stylegan 1), NumPy 2.4.6, SciPy 1.17.1, Numba 0.68.1, x86-64, 2026-11-21, with
#   PYTHONPATH=. python -m tests.generators.test_stylegan
KEPT = Path(__file__).with_name("stylegan_pixels.npz")


def pixels() -> np.ndarray:
    kinds = [StyleganOriented(network=network) for network in ("oriented", "highfreq")]
    frames = [next(kinds[k % 2].walk(0, POOL, k, [k // 2])) for k in range(8)]
    return np.stack([frame[::8, ::8] for frame in frames])


def test_pictures_look_as_they_did():
    """Elsewhere 99.9 % of pixels are within one gray level."""
    with np.load(KEPT) as kept:
        near = np.abs(pixels().astype(int) - kept["pixels"]) <= 1
    assert near.mean() >= 0.999 and (near.mean((1, 2, 3)) >= 0.998).all()


def test_same_bytes_in_another_process_without_torch():
    script = (
        "import hashlib, json, sys\n"
        "from synvid_eval.generators import textures\n"
        "made = [textures.get('stylegan')(size=128, network=n).walk(1, 'p', 2, [9, 1]) "
        "for n in ('oriented', 'highfreq')]\n"
        "hashes = [hashlib.sha256(f.tobytes()).hexdigest() for w in made for f in w]\n"
        "print(json.dumps([hashes, sorted({'torch', 'PIL'} & set(sys.modules))]))"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    hashes, loaded = json.loads(made.stdout)
    walks = [StyleganOriented(size=128, network=n).walk(1, "p", 2, [9, 1]) for n in ("oriented", "highfreq")]
    assert hashes == [hashlib.sha256(frame.tobytes()).hexdigest() for walk in walks for frame in walk]
    assert loaded == []


def test_it_is_a_texture_with_knobs_that_are_checked():
    assert textures.get("stylegan") is StyleganOriented
    assert StyleganOriented.evolves()
    with pytest.raises(UsageError, match=r"stylegan.size=100 is not possible. One of: 64, 128, 256, 512."):
        StyleganOriented(size=100)
    with pytest.raises(
        UsageError, match=r"stylegan.network=sparse is not possible. One of: oriented, highfreq"
    ):
        StyleganOriented(network="sparse")
    with pytest.raises(UsageError, match=r"stylegan.sigma=-1 is out of range"):
        StyleganOriented(sigma=-1)
    with pytest.raises(UsageError, match="frame -1 is negative"):
        StyleganOriented().walk(0, POOL, 0, [3, -1])
    for call in (StyleganOriented().picture, lambda *address: StyleganOriented().walk(*address, [0])):
        with pytest.raises(UsageError, match="texture index -1 is negative"):
            call(0, POOL, -1)


if __name__ == "__main__":
    np.savez_compressed(KEPT, pixels=pixels())
