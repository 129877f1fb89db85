"""Our Inception beside pytorch-fid's own, on shared random weights of sane scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import pytorch_fid.inception as peer_module
import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from synvid_eval.features import inception as feature
from synvid_eval.metrics.fid import Fid
from synvid_eval.networks import inception
from synvid_eval.networks.fusing import fused
from tests.networks.sane import sane, textures


@pytest.fixture(scope="module")
def network():
    torch.set_num_threads(1)
    return sane(inception.build(), textures(8, inception.SIDE, seed=7)).requires_grad_(False)


@pytest.fixture(scope="module")
def ready(network):
    return fused(network, "fp32", "channels_last")


@pytest.fixture(scope="module")
def peer(network):
    """pytorch-fid's network with our tensors for its file: it loads them by name, and wants all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_module, "load_state_dict_from_url", lambda *_, **__: network.state_dict())
        return peer_module.InceptionV3([3]).eval()


@pytest.fixture(scope="module")
def frames():
    """Frames as a video has them, not square, uint8."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (6, 24, 32, 3)).repeat(10, axis=1).repeat(10, axis=2)
    return np.clip(coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def peers_rows(peer, frames):
    """As pytorch-fid reads images: PIL's RGB to [0, 1], the rest in the network."""
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float().div(255)
    with torch.no_grad():
        return peer(x)[0].squeeze(3).squeeze(2)


@pytest.fixture(scope="module")
def rows(peer, frames):
    return peers_rows(peer, frames)


@pytest.fixture(scope="module")
def seen(frames):
    return torch.from_numpy(np.stack([feature.InceptionInput("pytorch")(f) for f in frames]))


def test_names_and_shapes_are_those_of_pytorch_fids_own_network(network):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_module, "load_state_dict_from_url", lambda *_, **__: network.state_dict())
        own = peer_module.fid_inception_v3().state_dict()
    counted = {n: tuple(t.shape) for n, t in own.items() if not n.endswith("num_batches_tracked")}
    assert inception.expected() == counted
    assert len(counted) == 94 * 5 + 2 and counted["fc.weight"] == (1008, 2048)
    assert set(network.state_dict()) == set(own)


def test_an_empty_network_is_nan_in_eval_mode_and_loads_a_file_without_counters(network):
    empty = inception.build()
    assert not empty.training and not any(p.requires_grad for p in empty.parameters())
    assert all(t.isnan().all() for t in empty.state_dict().values() if t.is_floating_point())
    names = inception.expected()
    tensors = {n: t for n, t in network.state_dict().items() if n in names}
    missing, unknown = empty.load_state_dict(tensors, strict=False)
    assert not unknown and all(n.endswith("num_batches_tracked") for n in missing)
    x = textures(1, inception.SIDE, seed=1)
    with torch.no_grad():
        assert torch.equal(empty(x), network(x))


def test_features_are_of_order_one_and_tell_images_apart(rows):
    assert rows.shape == (6, 2048)
    assert 0.1 < rows.abs().mean() < 2 and rows.max() < 20
    assert rows.std(0).mean() > 0.05


def test_features_equal_pytorch_fids(network, ready, rows, seen):
    with torch.no_grad():
        plain = network(seen)
    assert plain.dtype == torch.float32 and plain.shape == rows.shape
    assert (plain - rows).abs().max() <= 1e-4
    assert (ready(seen) - rows).abs().max() <= 1e-4


@pytest.mark.parametrize(
    ("block", "pool"),
    [("Mixed_5c", "maximum"), ("Mixed_6d", "maximum"), ("Mixed_7b", "maximum"), ("Mixed_7c", "average")],
)
def test_another_pool_would_be_seen(network, rows, seen, block, pool):
    mixed = getattr(network, block)
    right = mixed.branches
    mixed.branches = (*right[:-1], (pool, "branch_pool"))
    try:
        with torch.no_grad():
            assert (network(seen[:1]) - rows[:1]).abs().max() > 1e-2
    finally:
        mixed.branches = right


@pytest.mark.parametrize("wrong", ["clean", "tf"])
def test_another_protocol_would_be_seen(ready, rows, frames, wrong):
    other = torch.from_numpy(feature.InceptionInput(wrong)(frames[0]))[None]
    assert (ready(other) - rows[:1]).abs().max() > 1e-2


def test_bf16_is_near_and_another_number(network, rows, seen):
    got = fused(network, "bf16", "channels_last")(seen)
    assert got.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(got, rows)
    assert cosine.min() > 0.99 and (got - rows).abs().max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_row_depends_on_its_image_alone(network, precision):
    x, run = textures(8, inception.SIDE, seed=11), fused(network, precision, "channels_last")
    whole = run(x)
    for size in (1, 2, 3, 5):
        assert torch.equal(torch.cat([run(part) for part in x.split(size)]), whole), size
    assert torch.equal(run(x.flip(0)), whole.flip(0))


def peers_distance(a, b):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SciPy's, of how pytorch-fid calls it
        moments = [(r.mean(axis=0), np.cov(r, rowvar=False)) for r in (a, b)]
        return calculate_frechet_distance(*moments[0], *moments[1])


def test_fid_of_equal_features_equals_pytorch_fids(ready):
    """On some columns, so that few images make covariances of full rank."""
    sides = [ready(textures(14, inception.SIDE, seed=s)).numpy()[:, 100:2000:200] for s in (21, 22)]
    want = peers_distance(*(s.astype(np.float64) for s in sides))
    assert want > 0.01
    assert Fid().of_rows(*sides) == pytest.approx(want, rel=1e-6)


@pytest.mark.slow
def test_fid_of_equal_features_equals_pytorch_fids_in_2048_dimensions():
    """Rows like features: positive, correlated, of order 1; more of them than dimensions."""
    rng = np.random.default_rng(8)
    mix = rng.normal(size=(2048, 2048)).astype(np.float32) / 2048**0.5
    sides = []
    for shift in (0.0, 0.3):
        rows = np.maximum(rng.normal(size=(2600, 2048)).astype(np.float32) @ mix + shift, 0)
        sides.append(rows)
    want = peers_distance(*(s.astype(np.float64) for s in sides))
    assert Fid().of_rows(*sides) == pytest.approx(want, rel=1e-6)


def test_the_sides_agree_with_the_feature():
    assert (inception.SIDE, inception.FEATURES) == (feature.SIDE, feature.FEATURES)
