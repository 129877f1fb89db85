"""Encoders from files: a run of ours, of any backbone; VideoMAE in a folder as `transformers` saves it, or in
the authors' `.pth`.

A run of masked autoencoding holds its encoder as `videomae.…`; all others, and classifiers of convolutional
networks, as `encoder.…`, by the names that `Backbone.encoder` has, with what else they need beside it.

Names of the authors' files (read in their released code and checkpoints): while pre-training
`encoder.patch_embed.proj`, `encoder.blocks.N.{norm1, attn.qkv.weight, attn.q_bias, attn.v_bias, attn.proj,
norm2, mlp.fc1, mlp.fc2}`, `encoder.norm`, `encoder_to_decoder.weight`, `mask_token`, `decoder.blocks.N…`,
`decoder.norm`, `decoder.head`; of a classifier the same without `encoder.`, with `fc_norm` and `head`; all of
it as it is or under `model` or `module`. Queries and values have biases, keys have none: there `qkv.weight`
is one matrix and the biases are two vectors. The table of positions is no tensor of a file: sines and
cosines are computed. How many heads there are no shape tells; the published sizes are known by their width.

What a file holds is held against what the network wants, in the file's own names, before anything is built;
what is built has its biases compared with the file's, since versions of `transformers` have lost them.
Nothing of a file is run.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.networks import backbones, convnets, weights
from synvid_eval.networks.backbones import Backbone
from synvid_eval.networks.videomae import EPSILON, LAYER_NORM, SIZES, Architecture, shapes, size

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import VideoMAEModel

CHECKPOINTS = "checkpoints"
"""Where checkpoints lie in a run's folder."""
_OWN = "encoder."
"""What the names of an encoder's tensors begin with in a run of ours, but for masked autoencoding."""

RANDOM = "random"
"""What a network of drawn weights is called: `random:SEED`, `random:SEED:SIZE`, `random:SEED:BACKBONE`."""

_BLOCK = re.compile(r"(encoder\.|decoder\.|)blocks\.(\d+)\.(.+)")
_LAYER = re.compile(r"(videomae\.encoder\.layer|decoder\.decoder_layers)\.(\d+)\.(.+)")
_PARTS = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
_TOPS = {
    "encoder.patch_embed.proj": "videomae.embeddings.patch_embeddings.projection",
    "encoder.norm": "videomae.layernorm",
    "encoder_to_decoder": "encoder_to_decoder",
    "decoder.norm": "decoder.norm",
    "decoder.head": "decoder.head",
    "fc_norm": "fc_norm",
    "head": "classifier",
}
_QKV = ("query", "key", "value")
_BESIDE = re.compile(r"(decoder|encoder_to_decoder|fc_norm|head|classifier)\.|mask_token$")
"""What stands in files beside an encoder: decoders and classifiers."""


@dataclass(frozen=True)
class Checkpoint:
    """What was found of an encoder, not built yet.

    name: for people. tensors: the encoder's, float32, under the names that VideoMAEModel has, or of another
    backbone those of `Backbone.encoder`; None: weights are drawn from `seed`. pooled: whether it ends without
    a norm, as in a classifier of mean tokens. epsilon: of its layer norms. signature: `sha256:HEX` of the
    file, `random:SEED`. file: the file; None where weights are drawn.
    """

    name: str
    architecture: Backbone
    tensors: Mapping[str, Tensor] | None
    pooled: bool
    epsilon: float
    signature: str
    seed: int = 0
    file: Path | None = None

    @property
    def transformer(self) -> Architecture:
        """Its architecture, where that is a transformer's; UsageError for others."""
        if not isinstance(self.architecture, Architecture):
            raise UsageError(
                f"{self.name} is a convolutional network, {self.architecture.title}.",
                "What is asked for is there for transformers (backbone=vit) only.",
            )
        return self.architecture


@dataclass(frozen=True)
class Encoder:
    """An encoder that is ready to run.

    module: `transformers`' VideoMAEModel, float32, on the CPU, in eval mode. signature: as of `Checkpoint`.
    """

    name: str
    architecture: Architecture
    module: VideoMAEModel
    signature: str


def open_encoder(location: str | None, seed: int = 0, frames: int | None = None) -> Encoder:
    """The encoder at a location (see `find`), built (see `build`)."""
    return build(find(location, seed), frames)


def find(location: str | None, seed: int = 0) -> Checkpoint:
    """The encoder at a location, read and checked but not built: `transformers` is not needed for it.

    location: a folder of a run of ours (config.toml; the newest checkpoint is taken), or one of its
    checkpoints; a folder of `transformers` (config.json; model.safetensors, or pytorch_model.bin); a file of
    VideoMAE in either naming (.safetensors, or torch's own); or `random:SEED[:SIZE]`, a network with drawn
    weights, SIZE one of VideoMAE or the name of another backbone; None: `random:` with `seed`.

    Raises:
        WeightsError: nothing is there, it cannot be read, is of no known network, or lacks tensors, which are
        named. DataError: the system does not say what is there. UsageError: `random:` with no seed, or with
        an unknown size.
    """
    if location is None:
        return _random(f"{RANDOM}:{seed}")
    path = Path(location)
    if location.partition(":")[0] == RANDOM and not path.exists():
        return _random(location)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise DataError(f"{location} cannot be opened: {error.strerror}.", "Check the path.") from None
    if not is_there:
        raise WeightsError(
            f"There is no checkpoint at {location}.",
            f"Give a run's folder, a folder of transformers, a .pth or .safetensors file, or {RANDOM}:0.",
        )
    if not is_folder:
        run = path.absolute().parent.parent
        if path.absolute().parent.name == CHECKPOINTS and (run / "config.toml").is_file():
            return _of_run(run, path)
        return _of_file(path)
    if (path / "config.toml").is_file():
        return _of_run(path)
    if (path / "config.json").is_file():
        return _of_folder(path)
    if (path / "folds.toml").is_file():
        raise WeightsError(
            f"{location} holds the runs of several folds, each a network of its own.",
            f"Give one of them, such as {path / 'fold-0'}.",
        )
    raise WeightsError(
        f"{location} holds no checkpoint: neither config.toml (a run of ours) nor config.json (a folder of "
        "transformers).",
        "Give the folder that train wrote, or the .pth or .safetensors file in it.",
    )


def build(found: Checkpoint, frames: int | None = None) -> Encoder:
    """The encoder of a transformer that was found, for inputs of that many frames (default: as many as it was
    made for), with the positions of so many. MissingPackageError where `transformers` is not installed.

    Raises UsageError for other networks, WeightsError where what is built has not the biases that were found.
    """
    whole = found.transformer
    of = whole if frames is None else replace(whole, frames=frames)
    module: Any = tokens(replace(found, architecture=of))
    return Encoder(found.name, whole, module.videomae, found.signature)


def tokens(found: Checkpoint) -> nn.Module:
    """What was found as a module: clips float32 [B, T, 3, S, S] as `inputs.normalized` gives them → tokens
    float32 [B, tokens, width], in eval mode, on the CPU.

    Raises WeightsError: see `build`.
    """
    import torch

    of = found.architecture
    module = of.trunk(found.seed) if found.pooled else of.encoder(found.seed)
    if found.tensors is not None:
        of.take(module, found.tensors, found.epsilon)
        held = {name.removeprefix("videomae."): value for name, value in module.state_dict().items()}
        biases = [name for name in found.tensors if name.endswith(("query.bias", "value.bias"))]
        if lost := [name for name in biases if not torch.equal(held[name], found.tensors[name])]:
            raise WeightsError(
                f"transformers did not take {len(lost)} biases of queries and values, {lost[0]} first.",
                "Some versions lose them: pip install --upgrade transformers.",
            )
    return module.eval()


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict under the authors' names as one under `transformers`' (of VideoMAEForPreTraining, or of
    VideoMAEForVideoClassification). WeightsError names what neither of their networks has.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith("attn.qkv.weight") and (block := _BLOCK.fullmatch(name)):
            for which, part in zip(_QKV, tensor.chunk(3), strict=True):
                out[f"{_layer(block)}.attention.attention.{which}.weight"] = part.clone()
        else:
            out[_from_name(name)] = tensor
    return out


def to_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other way: names of the authors' pre-training network, or, where there is a classifier, of theirs.
    WeightsError names what neither has.
    """
    import torch

    out: dict[str, Tensor] = {}
    prefix = "" if any(n.startswith(("classifier.", "fc_norm.")) for n in state) else "encoder."
    for name, tensor in state.items():
        if name.endswith(("query.weight", "key.weight", "value.weight")):
            if name.endswith("query.weight"):
                three = [state[f"{name.removesuffix('query.weight')}{which}.weight"] for which in _QKV]
                out[_to_name(name, prefix)] = torch.cat(three)
        else:
            out[_to_name(name, prefix)] = tensor
    return out


def _layer(block: re.Match[str]) -> str:
    where = "decoder.decoder_layers" if block[1] == "decoder." else "videomae.encoder.layer"
    return f"{where}.{block[2]}"


def _from_name(name: str) -> str:
    """One of the authors' names (but qkv.weight) as it is in `transformers`."""
    if block := _BLOCK.fullmatch(name):
        if block[3] in ("attn.q_bias", "attn.v_bias"):
            which = "query" if block[3] == "attn.q_bias" else "value"
            return f"{_layer(block)}.attention.attention.{which}.bias"
        part, _, kind = block[3].rpartition(".")
        if part in _PARTS:
            return f"{_layer(block)}.{_PARTS[part]}.{kind}"
    if name == "mask_token":
        return name
    part, _, kind = name.rpartition(".")
    for known in (part, f"encoder.{part}"):
        if known in _TOPS:
            return f"{_TOPS[known]}.{kind}"
    raise WeightsError(f"{name} is no tensor of VideoMAE's released networks.", "Is it another network's?")


def _to_name(name: str, prefix: str) -> str:
    """A name of `transformers` as it is with the authors; query.weight as that of all three."""
    if layer := _LAYER.fullmatch(name):
        block = f"{'decoder.' if layer[1].startswith('decoder') else prefix}blocks.{layer[2]}"
        part, _, kind = layer[3].rpartition(".")
        if part.startswith("attention.attention."):
            which = part.rpartition(".")[2]
            return f"{block}.attn.qkv.weight" if kind == "weight" else f"{block}.attn.{which[0]}_bias"
        for theirs, known in _PARTS.items():
            if part == known:
                return f"{block}.{theirs}.{kind}"
    if name == "mask_token":
        return name
    part, _, kind = name.rpartition(".")
    for theirs, known in _TOPS.items():
        if part == known:
            inner = theirs.startswith("encoder.") and not prefix
            return f"{theirs.removeprefix('encoder.') if inner else theirs}.{kind}"
    raise WeightsError(f"{name} is no tensor of VideoMAE in transformers.", "Is it another network's?")


def _random(location: str) -> Checkpoint:
    parts = location.split(":")
    if len(parts) not in (2, 3) or not (parts[1].isascii() and parts[1].isdigit()):
        raise UsageError(
            f"{location} names no random network.", f"As in {RANDOM}:0, {RANDOM}:1:small; seeds from 0."
        )
    kind = parts[2] if len(parts) == 3 else "base"
    of = backbones.named(kind) if kind in convnets.BACKBONES else size(kind)
    return Checkpoint(location, of, None, False, EPSILON, location, int(parts[1]))


def _of_run(folder: Path, file: Path | None = None) -> Checkpoint:
    """The encoder of a run of ours. file: of its checkpoints; None: the newest."""
    config = folder / "config.toml"
    try:
        told = tomllib.loads(config.read_text("utf-8"))
        of = backbones.of_table(told["network"])
        epsilon = float(told.get("run", {}).get(LAYER_NORM, EPSILON))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WeightsError(f"{config} cannot be read: {error}.", "Is it a run's folder?") from None
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise WeightsError(f"{config} names no network: {error}.", "Is it a run's folder?") from None
    files = sorted((folder / CHECKPOINTS).glob("step-*.safetensors"), key=lambda p: p.name.rjust(40))
    name = folder.resolve().name if file is None else file.stem
    if file is None and not files:
        raise WeightsError(f"The run {folder} has no checkpoint yet.", "Let it run on, or give another one.")
    file = file or files[-1]
    found = _tensors(file)
    own = {n.removeprefix(_OWN): t for n, t in found.items() if n.startswith(_OWN)}
    if isinstance(of, Architecture) and not own:
        return _fitted(name, file, of, epsilon, None, found)
    fit = weights.matched(own, of.shapes(), str(file))
    plain = {n.removeprefix("videomae."): tensor for n, tensor in fit.items()}
    return Checkpoint(name, of, plain, False, epsilon, weights.digest(file).identity, file=file)


_SAVED = ("model.safetensors", "pytorch_model.bin")
"""Names that `transformers` saves weights under."""


def _of_folder(folder: Path, taken: Path | None = None) -> Checkpoint:
    """taken: which of its files; None: the first that is there."""
    file = folder / "config.json"
    try:
        given: dict[str, Any] = json.loads(file.read_bytes())
        kind = given.get("model_type")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{file} cannot be read: {error}.", "Is it a folder of transformers?") from None
    if kind != "videomae":
        raise WeightsError(f"{file} is of a network {kind!r}, not of 'videomae'.", "Give a VideoMAE.")
    for key, only in (
        ("hidden_act", "gelu"),
        ("num_channels", 3),
        ("qkv_bias", True),  # as configurations before version 5 call qv_bias
        ("qv_bias", True),
    ):
        if given.get(key, only) != only:
            raise WeightsError(f"{file}: {key}={given[key]!r} is not known here.", f"It must be {only!r}.")
    try:
        of = _configured(given)
        epsilon, pooled = float(given.get("layer_norm_eps", 1e-12)), bool(given.get("use_mean_pooling", True))
    except (TypeError, ValueError, UsageError) as error:
        raise WeightsError(f"{file} names no network that can be built: {error}.") from None
    for path in [taken] if taken else [folder / name for name in _SAVED]:
        if path.is_file():
            return _fitted(folder.resolve().name, path, of, epsilon, pooled)
    raise WeightsError(
        f"{folder} has neither model.safetensors nor pytorch_model.bin.",
        "Save it in one piece: save_pretrained(…, max_shard_size='100GB').",
    )


def _configured(given: Mapping[str, Any]) -> Architecture:
    """The numbers of a config.json; what it leaves out is as in `transformers`."""
    image = given.get("image_size", 224)
    image = image[0] if isinstance(image, list) and len(set(image)) == 1 else image
    width = given.get("hidden_size", 768)
    hidden = given.get("intermediate_size", 3072)
    if hidden % width:
        raise ValueError(f"intermediate_size={hidden} is no multiple of hidden_size={width}")
    names = {
        "depth": ("num_hidden_layers", 12),
        "heads": ("num_attention_heads", 12),
        "frames": ("num_frames", 16),
        "tubelet": ("tubelet_size", 2),
        "patch": ("patch_size", 16),
        "decoder_width": ("decoder_hidden_size", 384),
        "decoder_depth": ("decoder_num_hidden_layers", 4),
        "decoder_heads": ("decoder_num_attention_heads", 6),
    }
    rest = {ours: given.get(theirs, default) for ours, (theirs, default) in names.items()}
    return Architecture(width=width, image=image, mlp_ratio=hidden // width, **rest)


def _of_file(path: Path) -> Checkpoint:
    """Of a file where `transformers` saved it, the config beside it tells the rest."""
    if path.name in _SAVED and (path.parent / "config.json").is_file():
        return _of_folder(path.parent, path)
    return _fitted(path.stem, path, None, EPSILON, None)


def _fitted(
    name: str,
    file: Path,
    of: Architecture | None,
    epsilon: float,
    pooled: bool | None,
    found: Mapping[str, Tensor] | None = None,
) -> Checkpoint:
    """The VideoMAE of a file. of: None to know it by its width. pooled: None to see it by what is there.
    found: what the file holds, where that is known.
    """
    found = _tensors(file) if found is None else found
    naming = _Naming.of(found)
    of = of or _recognized(file, found, naming)
    if pooled is None:
        pooled = "fc_norm.weight" in found and naming.spelled("videomae.layernorm.weight") not in found
    wanted = shapes(of, pooled)
    spelled: dict[str, tuple[int, ...]] = {}
    for own, shape in wanted.items():
        told = naming.spelled(own)
        spelled[told] = (3 * shape[0], *shape[1:]) if told.endswith("qkv.weight") else shape
    own_part = {n: t for n, t in found.items() if n in spelled or not _BESIDE.match(n)}
    fit = weights.matched(own_part, spelled, str(file))
    plain = {}
    for own in wanted:
        tensor = fit[naming.spelled(own)]
        if naming.released and own.endswith(("query.weight", "key.weight", "value.weight")):
            tensor = tensor.chunk(3)[_QKV.index(own.split(".")[-2])]
        plain[own.removeprefix("videomae.")] = tensor
    return Checkpoint(name, of, plain, pooled, epsilon, weights.digest(file).identity, file=file)


def _tensors(file: Path) -> dict[str, Tensor]:
    """What a file holds by name; of one that wraps a state dict, that. Those of an optimizer are left out."""
    import torch

    found = weights.held(file, "optimizer/")
    for wrap in ("model", "module"):
        if isinstance(inner := found.get(wrap), Mapping):
            found = dict(inner)
            break
    odd = [n for n, t in found.items() if not isinstance(n, str) or not isinstance(t, torch.Tensor)]
    if odd:
        raise WeightsError(
            f"{file} is no state dict: {str(odd[0])[:80]} is no tensor.",
            "A checkpoint holds its state dict as it is, or under model or module.",
        )
    return {name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}


@dataclass(frozen=True)
class _Naming:
    """How a file spells the names of an encoder's tensors. released: as the authors do. prefix: what stands
    before them. old: whether biases are q_bias and v_bias, as `transformers` wrote them before version 5.
    """

    released: bool
    prefix: str
    old: bool

    @classmethod
    def of(cls, found: Mapping[str, Tensor]) -> _Naming:
        """The naming that the names of a file have."""
        old = any(n.endswith("attention.attention.q_bias") for n in found)
        if any(re.match(r"(encoder\.)?(blocks|patch_embed)\.", n) for n in found):
            whole = any(n.startswith(("encoder.blocks.", "encoder.patch_embed.")) for n in found)
            return cls(True, "encoder." if whole else "", old)
        return cls(False, "videomae." if any(n.startswith("videomae.") for n in found) else "", old)

    def spelled(self, name: str) -> str:
        """A name that VideoMAEForPreTraining has as the file has it."""
        if self.released:
            return _to_name(name, self.prefix)
        if self.old:
            name = re.sub(r"\.(query|value)\.bias$", lambda m: f".{m[1][0]}_bias", name)
        return self.prefix + name.removeprefix("videomae.")


def _recognized(file: Path, found: Mapping[str, Tensor], naming: _Naming) -> Architecture:
    """The published size of that width, with the patches and the decoder that the file has."""
    name = naming.spelled("videomae.embeddings.patch_embeddings.projection.weight")
    if name not in found:
        first = f"{len(found):,} tensors, {next(iter(found))} first" if found else "no tensor"
        raise WeightsError(f"{file} is no VideoMAE: it lacks {name}; it holds {first}.", "Give a VideoMAE.")
    shape = tuple(found[name].shape)
    of = next((s for s in SIZES.values() if len(shape) == 5 and s.width == shape[0]), None)
    if of is None:
        sizes = ", ".join(f"{s.width} ({name})" for name, s in SIZES.items())
        raise WeightsError(
            f"{file}: {name} has the shape {list(shape)}, of no known width; heads cannot be told from it.",
            f"Known: {sizes}. Of another one give a folder with its config.json.",
        )
    try:
        return replace(of, tubelet=shape[2], patch=shape[3])
    except UsageError as error:
        raise WeightsError(f"{file}: {name} has the shape {list(shape)}: {error.message}") from None
