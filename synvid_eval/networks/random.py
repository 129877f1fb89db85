"""Random networks: the graphs of Inception and I3D with drawn weights, for tests, benchmarks and dry runs.

Their features do not stand in for those of trained networks: in a trial over the published sets, Fréchet
distances on them went with neither FID, FVD nor accuracy. They are real networks all the same: every layer
sees values of order 1, and different inputs give different rows.

Weights are uniform with the variance of He et al., "Delving deep into rectifiers" (2015): 2 over the number
of inputs of a unit with ReLU, 1 over it for a last layer; biases are 0. They are the upper 24 of every 32
bits of NumPy's Philox counter (Salmon et al. 2011), one stream a tensor, addressed by (network, seed, name):
integer arithmetic, so the same on every machine and with every version of NumPy.

Weights alone make no network: without the means of batch norm what inputs have in common grows from layer to
layer, until features differ by 1e-8 only. So batch norms are *calibrated*: a few frames of our own generators
(`inputs`; they ship with the package, and photographs in them are in the public domain) go through the
network once, and each batch norm takes mean and variance of what reaches it. For seed 0 these ship, too; for
another seed it is done when the network is loaded, on one thread, in under a second. `python
experiments/calibrate_random_networks.py` makes the shipped files again.

White noise, which no frame of a video comes near, gives features some 20 times larger; that is no fault.
"""

from __future__ import annotations

import math
from importlib import resources
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from synvid_eval import archive
from synvid_eval.errors import UsageError, nearest
from synvid_eval.networks import i3d, inception
from synvid_eval.networks.sizes import SIDES
from synvid_eval.networks.threads import one_thread
from synvid_eval.randomness import address
from synvid_eval.states import Arrays

GRAPHS = {"inception": inception, "i3d": i3d}
"""Network → its module, with `build` and `expected`."""

SHIPPED_SEED = 0

INPUTS_FILE = "random_inputs.safetensors"

# Layers that no ReLU follows.
_LAST = ("fc.", "logits.")


def statistics_file(network: str) -> str:
    """Name of the shipped file with the calibrated statistics of seed 0."""
    return f"random_{network}.safetensors"


def shipped(name: str) -> Arrays:
    """The arrays of a file in `synvid_eval/data`; archive.Damaged where it was altered."""
    blob = resources.files("synvid_eval").joinpath("data", name).read_bytes()
    return archive.unpack(blob)[0]


def inputs(network: str, frames: Arrays | None = None) -> Tensor:
    """What a network is calibrated on, float32 in −1 … 1: [4, 3, 299, 299] or [2, 3, 9, 224, 224].

    frames: network → uint8 [..., side, side], small; the shipped ones if not given. They are enlarged by
    repeating pixels: smooth enlargements lack the fine detail that real frames have, and features of these
    would then come out several times too large.
    """
    small = cast(NDArray[np.uint8], (shipped(INPUTS_FILE) if frames is None else frames)[network])
    at = np.arange(SIDES[network]) * small.shape[-1] // SIDES[network]
    return torch.from_numpy(small[..., at, :][..., at]).float() / 127.5 - 1


def uniform(key: int, shape: tuple[int, ...], bound: float) -> Tensor:
    """Uniform draws in (−bound, bound), float32, from the Philox stream of a 64-bit key."""
    count = math.prod(shape)
    bits = np.random.Philox(key=key).random_raw((count + 1) // 2).astype("<u8", copy=False)
    upper = (bits.view("<u4")[:count] >> np.uint32(8)).astype(np.int32)
    odd = (2 * upper + np.int32(1 - 2**24)).astype(np.float32)  # −2²⁴ … 2²⁴, exact
    return torch.from_numpy(odd * np.float32(bound * 2.0**-24)).reshape(shape)


def drawn(network: str, seed: int) -> nn.Module:
    """The network with drawn weights and batch norms that do nothing yet (mean 0, variance 1).

    Raises UsageError for an unknown network or a negative seed.
    """
    if network not in GRAPHS:
        raise UsageError(f"No network is called {network!r}.", nearest(network, GRAPHS))
    if seed < 0:
        raise UsageError(f"Random networks: seed {seed} is negative.", "Seeds are whole numbers from 0.")
    module: nn.Module = GRAPHS[network].build()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.dim() > 1:
                gain = 1 if name.startswith(_LAST) else 2
                bound = math.sqrt(3 * gain / math.prod(tensor.shape[1:]))
                key = address("synvid_eval.networks.random", network, seed, name)
                tensor.copy_(uniform(key, tuple(tensor.shape), bound))
            else:
                tensor.fill_(1 if name.endswith(("bn.weight", "running_var")) else 0)
    return module


def calibrate(module: nn.Module, x: Tensor) -> None:
    """Sets every batch norm's mean and variance to those of what reaches it when `x` goes through, each
    behind the already calibrated ones; float64 sums, divided by n, on one thread.
    """

    def take(norm: nn.Module, args: tuple[Tensor]) -> None:
        assert isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None
        axes = [0, *range(2, args[0].dim())]
        variance, mean = torch.var_mean(args[0].double(), axes, correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    hooks = [norm.register_forward_pre_hook(take) for norm in norms]
    try:
        with torch.inference_mode(), one_thread():
            module(x)
    finally:
        for hook in hooks:
            hook.remove()


def statistics(module: nn.Module) -> Arrays:
    """Means and variances of all batch norms, by name."""
    tensors = module.state_dict().items()
    return {n: t.numpy() for n, t in tensors if n.endswith(("running_mean", "running_var"))}


def random_network(network: str, seed: int) -> nn.Module:
    """The random network of that seed (any integer ≥ 0), on the CPU, float32, in eval mode; not fused.

    Raises UsageError for an unknown network or a negative seed.
    """
    module = drawn(network, seed)
    if seed == SHIPPED_SEED:
        kept = shipped(statistics_file(network))
        module.load_state_dict({n: torch.from_numpy(a) for n, a in kept.items()}, strict=False)
    else:
        calibrate(module, inputs(network))
    return module


def random_state(network: str, seed: int) -> dict[str, Tensor]:
    """Its state dict, with the names of the pretrained file."""
    return dict(random_network(network, seed).state_dict())
