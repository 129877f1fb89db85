"""Random networks: drawn as said, calibrated as shipped, and alive; a dead one fails the same tests."""

from __future__ import annotations

import importlib.util
import math
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from synvid_eval import archive
from synvid_eval.errors import UsageError
from synvid_eval.networks import fusing, random
from synvid_eval.randomness import address
from tests.conftest import REPOSITORY

NETWORKS = ("inception", "i3d")
LAYOUTS = {"inception": "channels_last", "i3d": "channels_last_3d"}


def script() -> ModuleType:
    path = REPOSITORY / "experiments" / "calibrate_random_networks.py"
    spec = importlib.util.spec_from_file_location("calibrate_random_networks", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def remade() -> dict[str, np.ndarray]:
    return script().frames()


def philox(counter: int, key: int) -> list[int]:
    """A block of Philox4x64-10, as Salmon et al. 2011 state it, in Python's integers."""
    mask, c, k = 2**64 - 1, [counter, 0, 0, 0], [key, 0]
    for _ in range(10):
        p0, p1 = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(p1 >> 64) ^ c[1] ^ k[0], p1 & mask, (p0 >> 64) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + 0x9E3779B97F4A7C15) & mask, (k[1] + 0xBB67AE8584CAA73B) & mask]
    return c


def test_weights_are_the_stated_bits_of_philox() -> None:
    name = "Conv2d_2a_3x3.conv.weight"
    got = random.drawn("inception", 7).state_dict()[name].flatten()[:16]
    key = address("synvid_eval.networks.random", "inception", 7, name)
    words = [w for counter in (1, 2) for w in philox(counter, key)]
    halves = [h for w in words for h in (w & 0xFFFFFFFF, w >> 32)]
    bound = math.sqrt(6 / (32 * 9))
    want = [(2 * (h >> 8) + 1 - 2**24) / 2**24 * bound for h in halves]
    np.testing.assert_allclose(got, want, rtol=2**-23, atol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_have_the_variance_of_he(network: str) -> None:
    for name, tensor in random.drawn(network, 3).state_dict().items():
        if tensor.dim() > 1 and tensor.numel() > 50_000:
            fan = tensor[0].numel()
            gain = 1 if name.startswith(("fc", "logits")) else 2
            # the spread of a sample variance of uniform draws: √(0.8 / n), here taken five times
            n = tensor.numel()
            assert float(tensor.var()) == pytest.approx(gain / fan, rel=5 * math.sqrt(0.8 / n)), name
            assert abs(float(tensor.mean())) < 5 * math.sqrt(gain / fan / n), name
            assert float(tensor.abs().max()) <= math.sqrt(3 * gain / fan)


def test_the_shipped_inputs_are_remade_from_our_generators(remade: dict[str, np.ndarray]) -> None:
    kept = random.shipped(random.INPUTS_FILE)
    assert set(kept) == set(remade) == set(NETWORKS)
    for network in NETWORKS:
        a, b = kept[network].astype(int), remade[network].astype(int)
        assert a.shape == b.shape
        # photo_camera computes in floats, and other machines may round another way
        assert np.abs(a - b).max() <= 1
        assert np.array_equal(a[0], b[0])  # shapes are drawn in integers


def differences(network: str, statistics: dict[str, np.ndarray]) -> tuple[float, float]:
    """Against the shipped ones: largest difference of means, in deviations, and of variances, relative."""
    kept = random.shipped(random.statistics_file(network))
    assert set(kept) == set(statistics)
    means, ratios = [0.0], [0.0]
    for name, array in kept.items():
        if name.endswith("running_mean"):
            scale = np.sqrt(kept[name.replace("running_mean", "running_var")])
            means.append(np.abs((statistics[name] - array) / scale).max())
        else:
            ratios.append(np.abs(statistics[name] / array - 1).max())
    return max(means), max(ratios)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_shipped_statistics_are_remade(network: str, remade: dict[str, np.ndarray]) -> None:
    found = script().statistics(network, remade)
    # from the same inputs only the order of sums differs between machines; else a gray level in places
    same = np.array_equal(remade[network], random.shipped(random.INPUTS_FILE)[network])
    assert max(differences(network, found)) < (1e-3 if same else 2e-2)


@pytest.mark.parametrize("network", NETWORKS)
def test_other_statistics_would_be_noticed(network: str) -> None:
    assert max(differences(network, random.statistics(random.drawn(network, 0)))) > 0.5
    other = random.random_network(network, 1)
    assert max(differences(network, random.statistics(other))) > 0.5


def test_the_script_writes_what_ships(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = script()
    small = {n: a[..., ::4, ::4] for n, a in made.frames().items()}
    monkeypatch.setattr(made, "frames", lambda: small)
    monkeypatch.setattr(made, "statistics", lambda network, frames: {network: frames[network]})
    monkeypatch.setattr("sys.argv", ["x", "--out", str(tmp_path)])
    made.main()
    names = ["random_i3d.safetensors", "random_inception.safetensors", "random_inputs.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    arrays, about = archive.unpack((tmp_path / names[2]).read_bytes())
    assert np.array_equal(arrays["i3d"], small["i3d"]) and "experiments" in about["made by"]


@pytest.mark.parametrize("network", NETWORKS)
def test_calibration_gives_every_norm_values_of_mean_0_and_variance_1(network: str) -> None:
    module = random.random_network(network, 0)
    seen: dict[str, tuple[float, float]] = {}

    def look(name: str):
        def hook(_: nn.Module, __: object, out: torch.Tensor) -> None:
            flat = out.double().transpose(0, 1).flatten(1)
            mean, variance = flat.mean(1).abs().max(), (flat.var(1, correction=0) - 1).abs().max()
            seen[name] = float(mean), float(variance)

        return hook

    norms = {n: m for n, m in module.named_modules() if isinstance(m, _BatchNorm)}
    for name, norm in norms.items():
        norm.register_forward_hook(look(name))
    with torch.inference_mode():
        module(random.inputs(network))
    assert len(seen) == len(norms) > 50
    for name, (mean, variance) in seen.items():
        # ε is added to the variance, so that norms over small values give a little less
        least = float(norms[name].running_var.min())
        assert mean < 1e-3 and variance < 1e-3 + norms[name].eps / least, name


def held_out(network: str) -> torch.Tensor:
    """Frames or clips that calibration has not seen, at full size: [4, …]."""
    draw, side = script().draw, random.SIDES[network]
    chosen = [("moving_shapes", 20), ("moving_circles", 21), ("photo_camera", 22), ("photo_camera", 27)]
    frames = range(40, 49) if network == "i3d" else [40]
    arrays = [draw(preset, clip, frames, side) for preset, clip in chosen]
    stacked = np.stack([a.swapaxes(0, 1) for a in arrays]) if network == "i3d" else np.concatenate(arrays)
    return torch.from_numpy(stacked).float() / 127.5 - 1


def check_alive(rows: torch.Tensor) -> None:
    """Rows of different inputs: of order 1, different from each other, and in many directions."""
    assert torch.isfinite(rows).all()
    assert 0.1 < float(rows.square().mean().sqrt()) < 10
    assert 0.05 < float(rows.std(0).mean()) < 10
    distances = torch.cdist(rows, rows)[~torch.eye(len(rows), dtype=torch.bool)]
    assert float(distances.min()) > 0.05 * float(rows.norm(dim=1).mean())
    assert float((rows.abs().max(0).values < 1e-3).float().mean()) < 0.02  # dead features


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5])
def test_it_is_alive_on_frames_it_has_not_seen(network: str, seed: int) -> None:
    x = held_out(network)
    check_alive(fusing.fused(random.random_network(network, seed), "fp32", LAYOUTS[network])(x))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_collapsed_network_fails(network: str) -> None:
    """The test of the tests: torch's own initialisation, without calibration."""
    dead = random.GRAPHS[network].build()
    torch.manual_seed(0)
    for module in dead.modules():
        if module is not dead and hasattr(module, "reset_parameters"):
            module.reset_parameters()
    rows = fusing.fused(dead, "fp32", LAYOUTS[network])(held_out(network)[::2])
    assert float(rows.std(0).max()) < 1e-5  # about 1e-8 and 5e-7
    with pytest.raises(AssertionError):
        check_alive(rows)
    with pytest.raises(AssertionError):
        assert max(differences(network, random.statistics(dead))) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_a_seed_is_a_network(network: str) -> None:
    before = torch.get_num_threads()
    first = random.random_state(network, 5)
    torch.set_num_threads(2)
    try:
        again = random.random_state(network, 5)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(first[n], again[n]) for n in first)
    other = random.random_state(network, 6)
    for name in first:
        if first[name].dim() > 1 or name.endswith(("running_mean", "running_var")):
            assert not torch.equal(first[name], other[name]), name
        else:
            assert torch.equal(first[name], other[name])


def test_names_are_those_of_the_pretrained_file() -> None:
    from synvid_eval.networks import i3d, inception

    for network, module in (("inception", inception), ("i3d", i3d)):
        shapes = {n: tuple(t.shape) for n, t in random.random_state(network, 0).items()}
        tracked = {n for n in shapes if n.endswith("num_batches_tracked")}
        assert {n: s for n, s in shapes.items() if n not in tracked} == module.expected()


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="negative"):
        random.random_network("inception", -1)
    with pytest.raises(UsageError, match="inception"):
        random.random_network("inceptoin", 0)


def test_an_altered_file_is_noticed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = bytearray((random.resources.files("synvid_eval") / "data" / random.INPUTS_FILE).read_bytes())
    blob[-1] ^= 1
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / random.INPUTS_FILE).write_bytes(blob)
    monkeypatch.setattr(random.resources, "files", lambda _: tmp_path)
    with pytest.raises(archive.Damaged):
        random.inputs("inception")
