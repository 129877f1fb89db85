"""What features that run a network share: knobs for weights and precision, batches, rows as states.

A network's rows are computed where the clip is decoded: in its worker process, with one thread, a clip's
frames in one batch or several. How they are batched never changes a bit on a CPU; on a GPU a clip's rows
depend on that clip alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import Feature
from synvid_eval.knobs import knob


@dataclass(frozen=True)
class NetworkFeature(Feature):
    """Base of features whose rows are a network's outputs. `network`: its name in `networks.loading`."""

    network: ClassVar[str]

    weights: str = knob("", "which weights: sha256:HEX of their file, or random:SEED; empty: none are there")
    precision: str = knob("fp32", "what the network computes in", choices=("fp32", "bf16"))
    file: str = knob("", "where the weights lie", recipe=False)
    device: str = knob("cpu", "where the network runs: cpu, cuda, cuda:1, mps", recipe=False)
    batch: int = knob(0, "inputs in one forward pass; 0: as many as memory bears", low=0, recipe=False)

    def variant(self) -> str:
        """ "random-NETWORK" where the weights are random, else empty: stands beside the metric's name."""
        return f"random-{self.network}" if self.weights.startswith("random:") else ""

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


def with_weights(feature: NetworkFeature, **changes: Any) -> NetworkFeature:
    """The feature with `weights`, `file`, `device`, … decided."""
    return dataclasses.replace(feature, **changes)
