"""The VideoMAE network: its sizes, and weights that are a function of (seed, name) alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from synvid_eval.errors import UsageError
from synvid_eval.networks import videomae

SMALL = videomae.Architecture(
    24, 2, 3, image=16, frames=4, patch=8, decoder_width=16, decoder_depth=1, decoder_heads=2
)


@pytest.mark.parametrize(
    ("name", "millions"), [("small", 22), ("base", 86), ("large", 304), ("huge", 632)], ids=str
)
def test_published_sizes(name: str, millions: int) -> None:
    """Parameters of encoders as their papers give them (Dosovitskiy et al. 2021; S: Touvron et al. 2021)."""
    of = videomae.size(name)
    width, hidden = of.width, of.width * of.mlp_ratio
    layer = 4 * width * width + 3 * width + 2 * width * hidden + hidden + width + 4 * width
    whole = of.depth * layer + (3 * of.tubelet * of.patch**2 + 1) * width + 2 * width
    assert round(whole / 1e6) == pytest.approx(millions, abs=1)
    assert of.decoder_depth == 4 and of.tokens == 8 * 14 * 14


def test_the_count_above_is_that_of_the_network() -> None:
    of = SMALL
    width, hidden = of.width, of.width * of.mlp_ratio
    layer = 4 * width * width + 3 * width + 2 * width * hidden + hidden + width + 4 * width
    whole = of.depth * layer + (3 * of.tubelet * of.patch**2 + 1) * width + 2 * width
    assert sum(p.numel() for p in videomae.encoder(of).parameters()) == whole


def test_weights_are_a_function_of_seed_and_name() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (videomae.pretraining(SMALL, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert a.dim() < 2 or not torch.equal(a, c), name


def test_draws_have_the_spread_that_is_said() -> None:
    """Glorot and Bengio's, of queries, keys and values each alone; else 0.02 cut off at twice that."""
    of = dataclasses.replace(SMALL, width=96, depth=1)
    model = videomae.pretraining(of)
    layer = model.videomae.encoder.layer[0]
    weight = layer.intermediate.dense.weight.detach()
    bound = (6 / (96 + 4 * 96)) ** 0.5
    assert weight.abs().max() <= bound and weight.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    each = (6 / (2 * 96)) ** 0.5  # the released code, of the three as one matrix: (6 / (4 · 96)) ** 0.5
    for part in (layer.attention.attention.query, layer.attention.attention.key):
        drawn = part.weight.detach()
        assert 0.95 * each < drawn.abs().max() <= each
        assert drawn.std() == pytest.approx(each / 3**0.5, rel=0.02)
    token = videomae.pretraining(dataclasses.replace(of, decoder_width=960, decoder_heads=6)).mask_token
    token = token.detach()
    assert 0.02 < token.abs().max() <= 0.04 and token.std() == pytest.approx(0.0176, rel=0.06)
    model = videomae.classifier(of, 5)
    plain = model.videomae.encoder.layer[0].intermediate.dense.weight.detach()
    assert plain.abs().max() <= 0.04 and plain.std() == pytest.approx(0.0176, rel=0.03)
    assert model.classifier.weight.abs().max() <= 0.04e-3 and not model.classifier.bias.any()


def test_norms_have_the_epsilon_of_the_released_code() -> None:
    model = videomae.pretraining(SMALL)
    assert {m.eps for n, m in model.named_modules() if "layernorm" in n} == {1e-6}
    assert model.videomae.layernorm is not None  # the encoder ends in a norm while it is pre-trained
    assert videomae.classifier(SMALL, 3).videomae.layernorm is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"heads": 5}, "no multiple of heads=5"),
        ({"patch": 7}, "no multiple of patch=7"),
        ({"image": 4}, "out of range"),
    ],
    ids=str,
)
def test_numbers_that_do_not_fit(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        dataclasses.replace(SMALL, **wrong)


def test_an_unknown_size() -> None:
    with pytest.raises(UsageError, match=r"'bass'.*base"):
        videomae.size("bass")
