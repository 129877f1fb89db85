"""What features that run a network share: knobs for weights and precision, batches, rows as states.

A network's rows are computed where the clip is decoded: in its worker process, with one thread, a clip's
frames in one batch or several, never with another clip's. How they are batched never changes a bit on a CPU;
on a GPU it decides the last digits, so the batch is a part of cache keys there.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.features.base import Feature
from synvid_eval.knobs import knob


@functools.cache
def _torch_version() -> str:
    return importlib.metadata.version("torch")


@dataclass(frozen=True)
class NetworkFeature(Feature):
    """Base of features whose rows are a network's outputs.

    network: its name in `networks.loading`. named: whether it is one that a user names, by `--features
    run=RUN`: no weights of it are fetched.
    """

    network: ClassVar[str]
    named: ClassVar[bool] = False

    weights: str = knob("", "which weights: sha256:HEX of their file, or random:SEED; empty: none are there")
    precision: str = knob("fp32", "what the network computes in", choices=("fp32", "bf16"))
    file: str = knob("", "where the weights lie", recipe=False)
    device: str = knob("cpu", "where the network runs: cpu, cuda, cuda:1, mps", recipe=False)
    batch: int = knob(0, "inputs in one forward pass; 0: as many as memory bears", low=0, recipe=False)

    def variant(self) -> str:
        """ "random-NETWORK" where the weights are random, else empty: stands beside the metric's name."""
        return f"random-{self.network}" if self.weights.startswith("random:") else ""

    def where(self) -> str:
        """Kind of device, version of torch and, where it is no CPU, the batch: the last digits are theirs."""
        kind = self.device.partition(":")[0]
        batch = "" if kind == "cpu" else f", batch {self.batch or 'auto'}"
        return f"{kind}{batch}, torch {_torch_version()}"

    def wanted_weights(self) -> str:
        """Name of the known weights (see `networks.weights`) that this configuration is defined with."""
        return self.network

    def prepare(self) -> None:
        """Loads the network."""
        from synvid_eval.networks.loading import load

        load(self.network, self.weights, self.file, self.precision, self.device)

    def rows(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's rows [n, d] float32 of inputs [n, …], in batches; a batch that memory does not bear
        is halved.

        Raises WeightsError where no weights are given or they are not what `weights` says.
        """
        from synvid_eval.networks.loading import run

        return run(
            self.network,
            inputs,
            weights=self.weights,
            file=self.file,
            precision=self.precision,
            device=self.device,
            batch=self.batch,
        )


OPTIONS = {
    "weights": "--weights or --features",
    "encoder": "--features",
    "file": "--weights",
    "precision": "--precision",
    "device": "--device",
    "batch": "--batch-size",
}
"""Knob of network features → the option that decides it for all of them."""

_RUN = "run="


@dataclass(frozen=True)
class Networks:
    """What is asked of networks as such: where weights lie, or that random ones be used, which encoder is a
    feature beside them, and how they run.

    weights: `DIR` or `inception=FILE,i3d=FILE`; empty: $SYNVID_EVAL_WEIGHTS, then the default folder.
    features: empty, or `random` or `random:SEED`, or `run=RUN`, or both, `random,run=RUN`: RUN, which takes
    the rest, is the encoder of the feature `run`, as `checkpoints.find` takes it. precision: fp32 or bf16.
    device: auto, cpu, cuda, cuda:1, mps. batch: inputs in one forward pass, 0 for as many as memory bears.
    """

    weights: str = ""
    features: str = ""
    precision: str = "fp32"
    device: str = "auto"
    batch: int = 0

    def __post_init__(self) -> None:
        if self.features:
            names_none = _RUN in f",{self.features}" and not self.run
            if self.features.startswith(",") or names_none or not (self.random or self.run):
                raise self._unread()
            if self.random:
                self.seed()
            if self.random and self.weights:
                raise UsageError(
                    f"--features {self.random} runs random networks, --weights {self.weights} real ones.",
                    "Give one of them.",
                )

    @property
    def random(self) -> str:
        """What `features` says of networks with published weights: `random[:SEED]`, or nothing."""
        if self.features.startswith(_RUN):
            return ""
        return self.features.partition(f",{_RUN}")[0]

    @property
    def run(self) -> str:
        """The encoder that `features` names; empty for none."""
        return f",{self.features}".partition(f",{_RUN}")[2]

    def _unread(self) -> UsageError:
        return UsageError(
            f"--features {self.features} cannot be read.",
            "It is random, or random:SEED such as random:1, or run=RUN, or both: random,run=RUN.",
        )

    def seed(self) -> int:
        """The seed of `random[:SEED]`; UsageError for anything else."""
        kind, _, seed = self.random.partition(":")
        if kind == "random" and (not seed and ":" not in self.random):
            return 0
        if kind == "random" and seed.isascii() and seed.isdigit() and int(seed) < 2**63:
            return int(seed)
        raise self._unread()

    def given(self) -> list[str]:
        """The options that were given, as far as they are no defaults."""
        names = {**OPTIONS, "weights": "--weights", "features": "--features"}
        default = Networks()
        fields = [f.name for f in dataclasses.fields(self)]
        return [names[f] for f in fields if getattr(self, f) != getattr(default, f)]

    def decide(self, feature: NetworkFeature) -> NetworkFeature:
        """The feature with its weights, precision, device and batch; that of a run with what its encoder is.

        Raises WeightsError where the weights are not there, or not what they should be; UsageError for a
        device that this machine has not; what `encoders.named` raises.
        """
        from synvid_eval.networks import loading, weights

        if self.device != "auto":  # which cannot be wrong, and takes torch, which need not be loaded yet
            loading.resolve_device(self.device)
        more: dict[str, Any] = {}
        if feature.named:
            file, identity, more = self._named(feature)
        elif self.random:
            file, identity = "", f"random:{self.seed()}"
        else:
            found = weights.locate(feature.network, self.weights or None, feature.wanted_weights())
            file, identity = str(found.file), found.identity
            if (
                found.name is None
            ):  # a file that nobody has proven: what does not fit is told before long work
                loading.load(feature.network, identity, file)
                loading.load.cache_clear()
        changes: dict[str, Any] = {"weights": identity, "file": file, "batch": self.batch, **more}
        changes |= {"precision": self.precision, "device": loading.resolve_device(self.device)}
        return dataclasses.replace(feature, **changes)

    def _named(self, feature: NetworkFeature) -> tuple[str, str, dict[str, Any]]:
        """File and identity of the encoder that is named, and knobs that it decides."""
        from synvid_eval.networks import encoders, weights

        if not self.run:
            raise weights.MissingWeights(
                f"No encoder is given for the feature {feature.name}.",
                "Give --features run=RUN, a folder that train wrote; as a control run=random:0:tiny.",
            )
        found = encoders.named(self.run)
        own = knobs.values(feature)
        return found.file, found.weights, {"encoder": found.encoder, "stride": own["stride"] or found.stride}
