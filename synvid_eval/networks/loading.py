"""Networks ready to run, once a process, and their rows of inputs, in batches that memory bears.

A row is a function of its input, the weights, the precision and the kind of device. On a CPU that holds to
the bit: inputs go through one by one (see `networks.fusing`), on one thread, whatever the batch. On a GPU
what goes through at once is computed as one, with deterministic kernels and without TF32: the same inputs in
the same batches give the same bits, but the size of a batch may decide the last digits, and so may memory,
where it does not bear the batch that is asked for.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import UsageError, WeightsError, nearest
from synvid_eval.networks import weights as files
from synvid_eval.networks.sizes import ENCODER, FEATURES

if TYPE_CHECKING:
    from torch import Tensor

_LAYOUTS = {"inception": "channels_last", "i3d": "channels_last_3d"}
_PRECISIONS = ("fp32", "bf16")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")

Network = Callable[["Tensor"], "Tensor"]
"""Inputs [B, …] → rows [B, d] float32, on its device."""


def resolve_device(text: str) -> str:
    """The device that `--device` means: `cpu`, `mps`, `cuda`, `cuda:1`; `auto` is the best one there is.

    Raises UsageError for another text, and for a device that this machine has not.
    """
    if not _DEVICE.fullmatch(text):
        raise UsageError(f"--device {text} is no device.", "One of: auto, cpu, cuda, cuda:0, cuda:1, …, mps.")
    if text == "cpu":
        return text
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if text == "auto":
        return "cuda" if gpus else "mps" if mps else "cpu"
    if text == "mps" and not mps:
        raise UsageError("--device mps: there is none here.", "Give cpu, or auto for the best there is.")
    if text.startswith("cuda") and not gpus:
        why = "no CUDA device is here" if torch.version.cuda else "this torch is built without CUDA"
        raise UsageError(f"--device {text}: {why}.", "Give cpu, or auto for the best there is.")
    if text.startswith("cuda:") and int(text[5:]) >= gpus:
        raise UsageError(
            f"--device {text}: there are {gpus} CUDA devices here.", f"The last is cuda:{gpus - 1}."
        )
    return text


def seed_of(identity: str) -> int | None:
    """The seed of "random:SEED"; None for other identities. UsageError where SEED is no whole number ≥ 0."""
    kind, _, seed = identity.partition(":")
    if kind != "random":
        return None
    if not (seed.isascii() and seed.isdigit()):
        raise UsageError(f"weights {identity} cannot be read.", "As in random:0, random:1, …")
    return int(seed)


@functools.lru_cache(maxsize=4)
def load(network: str, weights: str, file: str, precision: str = "fp32", device: str = "cpu") -> Network:
    """A network ready to run, kept for this process.

    network: "inception", "i3d" or "run" (see `encoders.ready`). weights: its identity, "sha256:HEX" of `file`
    or "random:SEED". precision: "fp32" or "bf16". device: as `--device` takes it.

    Raises:
        WeightsError: no weights, a file that is not what `weights` says or does not fit the network.
        UsageError: unknown network, precision or device; bf16 of a TorchScript file.
    """
    if network not in (*FEATURES, ENCODER):
        raise UsageError(f"No network is called {network!r}.", nearest(network, [*FEATURES, ENCODER]))
    if precision not in _PRECISIONS:
        raise UsageError(f"precision={precision} is not possible.", f"One of: {', '.join(_PRECISIONS)}.")
    place = resolve_device(device)
    of_run = network == ENCODER
    if not weights:
        fetch = f"Run: synvid-eval weights fetch {network}; or give --features random for a dry run."
        raise WeightsError(
            f"No weights are given for {network}.", "Give --features run=RUN." if of_run else fetch
        )
    from synvid_eval.networks.fusing import fused
    from synvid_eval.networks.random import GRAPHS, random_network
    from synvid_eval.networks.threads import one_thread

    if place.startswith("cuda"):
        # cuBLAS reads it when it starts; without it some products are summed in an order that varies
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with one_thread():
        if of_run:
            from synvid_eval.networks import encoders

            return encoders.ready(weights, file, precision, place)
        seed = seed_of(weights)
        if seed is not None:
            module = random_network(network, seed)
        else:
            data = files.read(Path(file), weights)
            one = next((f for f in files.FILES if f.sha256 and weights == f"sha256:{f.sha256}"), None)
            if one is not None and one.kind == "torchscript":
                return _program(data, file, precision, place)
            tensors = files.matched(files.state_dict(data, file), GRAPHS[network].expected(), file)
            module = GRAPHS[network].build()
            module.load_state_dict(tensors)
        ready: Network = fused(module, precision, _LAYOUTS[network]).to(place)  # type: ignore[arg-type]
    return ready


def _program(data: bytes, label: str, precision: str, place: str) -> Network:
    """StyleGAN-V's TorchScript file, whose hash is known to be the right one."""
    if precision != "fp32":
        raise UsageError(
            f"precision={precision} is not possible with {label}, a program that is called as it is.",
            "Use fp32, or the state dict: --weights i3d=i3d_pretrained_400.pt.",
        )
    import torch

    from synvid_eval.networks.i3d import call_torchscript

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that TorchScript will go
        try:
            module = torch.jit.load(io.BytesIO(data), map_location=place).eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[0][:200]
            raise WeightsError(f"{label} cannot be loaded by torch {torch.__version__}: {reason}") from None
    return functools.partial(call_torchscript, module)


_borne: dict[tuple[Any, ...], int] = {}
"""Network, weights, precision, device, shape of an input → inputs in one pass, where more did not fit into
memory. Without it every clip would run into the same limit again.
"""


def run(
    network: str,
    inputs: NDArray[Any],
    *,
    weights: str,
    file: str = "",
    precision: str = "fp32",
    device: str = "cpu",
    batch: int = 0,
) -> NDArray[np.float32]:
    """Rows float32 [n, d] of inputs [n, …], as the network takes them (float32; uint8 for StyleGAN-V's file
    and for encoders of runs).

    batch: inputs in one pass, 0 for all; on a CPU they go through one by one, and the rows are the same bits
    whatever it is. A batch that a GPU's memory does not bear is halved, down to single inputs; what it bore
    is remembered in this process, for inputs of that shape.

    Raises:
        UsageError: one input alone does not fit into memory; what `load` refuses.
        WeightsError: what `load` says; rows that are not finite.
    """
    ready = load(network, weights, file, precision, device)
    found: list[NDArray[np.float32]] = []
    job = (network, weights, precision, device, inputs.shape[1:])
    at, step = 0, min(batch or max(1, len(inputs)), _borne.get(job, len(inputs) or 1))
    while at < len(inputs):
        part = inputs[at : at + step]
        try:
            found.append(_forward(ready, part, device))
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if len(part) == 1 or resolve_device(device) == "cpu":
                raise UsageError(
                    f"{network} does not fit into the memory of {device}: one input of shape "
                    f"{list(part.shape[1:])} is too much ({str(error).split(chr(10))[0][:200]}).",
                    "Free some of it, run fewer workers, or give another --device.",
                ) from None
            _borne[job] = step = len(part) // 2
            _free(device)
            continue
        at += len(part)
    rows = np.concatenate(found) if found else np.empty((0, FEATURES.get(network, 0)), np.float32)
    if not np.isfinite(rows).all():
        raise WeightsError(
            f"{network} gives values that are not finite, with the weights {weights}.",
            "Are these weights of a trained network? If precision is bf16, try fp32.",
        )
    return rows


def _forward(ready: Network, part: NDArray[Any], device: str) -> NDArray[np.float32]:
    import torch

    from synvid_eval.networks.threads import one_thread

    with one_thread(), exact(), torch.inference_mode():
        x = torch.from_numpy(np.require(part, requirements=["C", "W"]))
        out: NDArray[np.float32] = ready(x.to(resolve_device(device))).float().cpu().numpy()
    return out


def _out_of_memory(error: BaseException) -> bool:
    """Whether that is what the error says. Other errors name the allocator, too (a traceback of CUDA's does):
    its name alone says nothing.
    """
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in text.lower()
        or "ALLOC_FAILED" in text
        or "DefaultCPUAllocator: can't allocate" in text
        or "DefaultCPUAllocator: not enough memory" in text
    )


def _free(device: str) -> None:
    """Gives back what the failed batch left in torch's own cache."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """No TF32 and no bf16 in place of float32, deterministic kernels, no choice of kernels by timing; all as
    before afterwards.
    """
    import torch

    backends = torch.backends
    wanted: list[tuple[Any, str, Any]] = [
        (backends.cudnn, "deterministic", True),
        (backends.cudnn, "benchmark", False),
    ]
    places = [backends.cuda.matmul, getattr(backends.cudnn, "conv", None)]
    places += [getattr(backends.mkldnn, "conv", None), getattr(backends.mkldnn, "matmul", None)]
    if all(hasattr(p, "fp32_precision") for p in places):
        wanted += [(p, "fp32_precision", "ieee") for p in places]
    else:  # torch before 2.9
        wanted += [(backends.cuda.matmul, "allow_tf32", False), (backends.cudnn, "allow_tf32", False)]
    before = [(place, name, getattr(place, name)) for place, name, _ in wanted]
    try:
        for place, name, value in wanted:
            setattr(place, name, value)
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)
