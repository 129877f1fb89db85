"""Encoders of trainings as features: a clip's frames → the mean of the encoder's tokens.

An encoder is what `checkpoints.find` takes: a run of ours, of any backbone, a folder of `transformers`, the
authors' `.pth`, or `random:SEED[:SIZE]` as a control. Of a run's folder the newest checkpoint is taken, and
held to for as long as a measurement lasts: it is known by the hash of its file. What the file does not tell
and numbers depend on (heads, the size of the input, ε) is written beside the hash as a text.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synvid_eval import knobs
from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.networks import backbones, checkpoints, inputs, videomae

if TYPE_CHECKING:
    from torch import Tensor

    from synvid_eval.networks.loading import Network

STRIDE = 4
"""Where nothing says at which stride an encoder was trained: that of VideoMAE."""

_DECODER = ("decoder_width", "decoder_depth", "decoder_heads")


@dataclass(frozen=True)
class Named:
    """An encoder that is there.

    weights: its identity, `sha256:HEX` of its file or `random:SEED[:SIZE]`. file: where it lies, empty for a
    random one. encoder: its architecture (see `described`). stride: frames from one of a clip to the next, as
    it was trained.
    """

    weights: str
    file: str
    encoder: str
    stride: int


def named(location: str) -> Named:
    """The encoder at a location, read and checked, not built; see `checkpoints.find`.

    Raises:
        WeightsError: nothing is there, or no encoder, or none that can be read.
        UsageError: a random network that cannot be had; several locations.
        ModuleNotFoundError: `transformers`, which builds a VideoMAE, is not installed.
    """
    if "," in location and not Path(location).exists():
        raise UsageError(
            f"--features run={location[:200]}: that is no place.", "One run, behind random: random,run=RUN/."
        )
    found = checkpoints.find(location)
    if found.architecture.backbone == backbones.VIT:
        import transformers  # noqa: F401  (that it is missing is told before long work)

    file = "" if found.file is None else str(found.file)
    return Named(found.signature, file, described(found), _stride(found.file))


def described(found: checkpoints.Checkpoint) -> str:
    """An encoder's architecture as a text: its kind, then `name=value` of all that decides its rows."""
    of = found.architecture
    left = {"backbone", *_DECODER, *of.unused}
    said = {n: value for n, value in knobs.values(of).items() if n not in left}
    if of.backbone == backbones.VIT:
        said |= {"epsilon": found.epsilon, "pooled": found.pooled}
    return " ".join([of.backbone, *(f"{name}={value}" for name, value in said.items())])


def told(encoder: str, name: str) -> int:
    """A whole number of such a text, `image` or `frames`; of an empty one that of ViT-B."""
    match = re.search(rf" {name}=(\d+)", encoder)
    return int(match[1]) if match else int(getattr(videomae.SIZES["base"], name))


def distribution(encoder: str) -> str:
    """Name of the distribution whose code runs an encoder, by such a text."""
    return "transformers" if encoder.partition(" ")[0] in (backbones.VIT, "") else "torchvision"


def _stride(file: Path | None) -> int:
    """The stride of the run that a checkpoint is of."""
    if file is None:
        return STRIDE
    try:
        config: dict[str, Any] = tomllib.loads((file.parent.parent / "config.toml").read_text("utf-8"))
        found = config["recipe"]["stride"]
    except (OSError, ValueError, KeyError, TypeError):
        return STRIDE
    return found if isinstance(found, int) and found > 0 else STRIDE


def ready(weights: str, file: str, precision: str, place: str) -> Network:
    """The encoder, ready to run: clips uint8 [B, T, S, S, 3] RGB → means of tokens [B, width], on a device.

    On a CPU clips go through one by one, so that a row depends on its clip alone.

    Raises WeightsError where the file is no longer the one of these weights, UsageError and DataError as
    `checkpoints.find`.
    """
    import torch

    from synvid_eval.networks.fusing import DTYPES

    found = checkpoints.find(file or weights)
    if found.signature != weights:
        raise WeightsError(
            f"{file} is another file now: {found.signature}, not {weights}.",
            "Was it trained on? Give a checkpoint that stays, or run again.",
        )
    dtype = DTYPES[precision]
    module = checkpoints.tokens(found).to(place, dtype)

    def passed(clips: Tensor) -> Tensor:
        tokens: Tensor = module(inputs.normalized(clips).to(dtype))
        return tokens.float().mean(1)

    def run(clips: Tensor) -> Tensor:
        if place != "cpu":
            return passed(clips)
        return torch.cat([passed(clips[i : i + 1]) for i in range(len(clips))])

    return run
