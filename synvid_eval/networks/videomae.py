"""VideoMAE (Tong et al. 2022): the network of `transformers` (extra `train`), built from a few numbers, with
weights that are drawn by address.

Where `transformers` and the released code differ, the released code is followed: layer norms have ε = 1e-6
(only the decoder's last and the classifier's are `transformers`' own, 1e-5), and the encoder ends in a layer
norm while it is pre-trained. A classifier takes the mean over tokens of an encoder without that last norm,
then a norm of its own, as in the released fine-tuning.

Weights are drawn by the laws of the released code: uniform by Glorot and Bengio (2010) for linear layers
while pre-training, cut-off normal for a classifier from scratch and for mask tokens, biases 0, patch
embeddings as torch's convolutions. Three numbers differ from it. Queries, keys and values of a width d are
matrices of their own here, each within ±√(6 / 2d); there they are one of 3d × d, within ±√(6 / 4d). Normals
of deviation 0.02 are cut off at ±0.04 here, which leaves a deviation of 0.0176; there those of a classifier
at ±2, which leaves 0.02, and those of mask tokens at ±0.02, which leaves 0.0108. Each tensor is a function of
(seed, its name). `transformers` draws first and is overruled: torch's own generator is as it was before.

Inputs are float32 [B, T, 3, H, W], as `inputs.normalized` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from synvid_eval import knobs
from synvid_eval.errors import UsageError, nearest
from synvid_eval.knobs import knob
from synvid_eval.randomness import address

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import (
        VideoMAEConfig,
        VideoMAEForPreTraining,
        VideoMAEForVideoClassification,
        VideoMAEModel,
    )

EPSILON = 1e-6
"""Of layer norms, in the authors' code (`transformers` writes another into its folders)."""
LAYER_NORM = "layer_norm_eps"
"""Key of a run's config, table `run`: the ε of its encoder's layer norms, where that is another."""


@dataclass(frozen=True)
class Architecture:
    """A VideoMAE's numbers. Raises UsageError where they do not fit each other."""

    name: ClassVar[str] = "network"

    width: int = knob(768, "Values of a token in the encoder.", low=8, high=8192)
    depth: int = knob(12, "Layers of the encoder.", low=1, high=128)
    heads: int = knob(12, "Attention heads of the encoder.", low=1, high=128)
    image: int = knob(224, "Height and width of its input.", low=8, high=1024, unit="px")
    frames: int = knob(16, "Frames of its input.", low=1, high=256)
    tubelet: int = knob(2, "Frames of a patch.", low=1, high=16)
    patch: int = knob(16, "Height and width of a patch.", low=2, high=64, unit="px")
    mlp_ratio: int = knob(4, "Hidden values of a layer's perceptron, in widths.", low=1, high=16)
    decoder_width: int = knob(384, "Values of a token in the decoder.", low=8, high=8192)
    decoder_depth: int = knob(4, "Layers of the decoder.", low=1, high=128)
    decoder_heads: int = knob(6, "Attention heads of the decoder.", low=1, high=128)

    def __post_init__(self) -> None:
        knobs.check(self)
        for what, whole, part in (
            ("width", "width", "heads"),
            ("decoder", "decoder_width", "decoder_heads"),
            ("picture", "image", "patch"),
            ("clip", "frames", "tubelet"),
        ):
            if getattr(self, whole) % getattr(self, part):
                raise UsageError(
                    f"network.{whole}={getattr(self, whole)} is no multiple of {part}={getattr(self, part)}.",
                    f"The {what} is dealt out in equal parts.",
                )

    @property
    def backbone(self) -> str:
        """See `backbones.Backbone`."""
        return "vit"

    @property
    def title(self) -> str:
        """See `backbones.Backbone`."""
        return "VideoMAE"

    @property
    def idle(self) -> Mapping[str, Any]:
        """See `backbones.Backbone`: none."""
        return {}

    @property
    def unused(self) -> frozenset[str]:
        """See `backbones.Backbone`: none."""
        return frozenset()

    def check_asked(self, asked: Collection[str]) -> None:
        """See `backbones.Backbone`: nothing is refused."""

    @property
    def size(self) -> str | None:
        """See `backbones.Backbone`: the published size of that width, depth and number of heads."""
        shape = (self.width, self.depth, self.heads)
        return next((k for k, of in SIZES.items() if (of.width, of.depth, of.heads) == shape), None)

    @property
    def said(self) -> str:
        """See `backbones.Backbone`."""
        return f"width {self.width}, {self.depth} layers"

    @property
    def model(self) -> str:
        """See `backbones.Backbone`: as the published table calls it, if it is of a published size."""
        name = next((k for k, of in SIZES.items() if _encoder(of) == _encoder(self)), "")
        if name and name != "tiny":
            return f"{self.title} ViT-{name[0].upper()}/16"
        return f"{self.title} {name or f'{self.width}x{self.depth}'} {self.image} px"

    @property
    def least(self) -> int:
        """See `backbones.Backbone`."""
        return 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `backbones.Backbone`."""
        return shapes(self)

    def encoder(self, seed: int = 0) -> nn.Module:
        """See `backbones.Backbone`: tokens behind the last norm; weights are called `videomae.…`."""
        return _tokens(encoder(self, seed))

    def trunk(self, seed: int = 0) -> nn.Module:
        """See `backbones.Backbone`: without the last norm."""
        module: Any = encoder(self, seed)
        module.config.use_mean_pooling, module.layernorm = True, None
        return _tokens(module)

    def classifier(self, classes: int, seed: int = 0, drop_path: float = 0.0) -> nn.Module:
        """See `backbones.Backbone`: drop path stands where `transformers` has its (unused) dropouts, and
        changes no name of a weight.
        """
        network: Any = classifier(self, classes, seed)
        layers = network.videomae.encoder.layer
        for rate, layer in zip(np.linspace(0, drop_path, len(layers)), layers, strict=True):
            layer.attention.output.dropout = layer.output.dropout = skipping(float(rate))
        found: nn.Module = network.eval()
        return found

    def take(self, module: nn.Module, tensors: Mapping[str, torch.Tensor], epsilon: float = EPSILON) -> None:
        """See `backbones.Backbone`: under the names that VideoMAEModel has. The norm behind the last layer
        belongs to pre-training: the released classifiers leave it out.
        """
        own: Any = module
        last = own.videomae.layernorm is not None
        own.videomae.load_state_dict(
            {name: value for name, value in tensors.items() if last or not name.startswith("layernorm.")}
        )
        self.norms(module, epsilon)

    def norms(self, module: nn.Module, epsilon: float) -> None:
        """See `backbones.Backbone`: those of the encoder."""
        from torch import nn

        own: Any = module
        for part in own.videomae.modules():
            if isinstance(part, nn.LayerNorm):
                part.eps = epsilon

    def logits(self, network: nn.Module, clips: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        """See `backbones.Backbone`: mean over tokens, norm, dropout, linear layer."""
        import torch

        own: Any = network
        pooled = own.fc_norm(own.videomae(clips).last_hidden_state.mean(1))
        found: torch.Tensor = own.classifier(torch.nn.functional.dropout(pooled, dropout, network.training))
        return found

    def pooled(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `backbones.Backbone`: mean over tokens, layer norm without weights, as in the released linear
        probe, whose `fc_norm` is as it was drawn.
        """
        import torch

        mean = tokens.mean(1)
        return torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=1e-5)

    def below(self, name: str) -> int:
        """See `backbones.Backbone`: as in the released code."""
        _, _, layer = name.partition("encoder.layer.")
        if layer:
            return self.depth - int(layer.partition(".")[0])
        return self.depth + 1 if "embeddings" in name else 0

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens in time, height and width."""
        side = self.image // self.patch
        return self.frames // self.tubelet, side, side

    @property
    def moments(self) -> int:
        """See `backbones.Backbone`."""
        return self.grid[0]

    @property
    def tokens(self) -> int:
        """Tokens of a clip."""
        return math.prod(self.grid)


SIZES: dict[str, Architecture] = {
    "tiny": Architecture(192, 6, 3, image=64, patch=8, decoder_width=96, decoder_heads=3),
    "small": Architecture(384, 12, 6, decoder_width=192, decoder_heads=3),
    "base": Architecture(),
    "large": Architecture(1024, 24, 16, decoder_width=512, decoder_heads=8),
    "huge": Architecture(1280, 32, 16, decoder_width=640, decoder_heads=8),
}
"""Published sizes (the released code's; S, B, L and H in the papers), and `tiny`, which is ours."""


def size(name: str) -> Architecture:
    """The architecture of that name in SIZES; UsageError for another."""
    if name not in SIZES:
        raise UsageError(f"No network is called {name!r}.", nearest(name, SIZES))
    return SIZES[name]


def config(of: Architecture, *, mean_pooling: bool = False, classes: int = 2, **more: Any) -> VideoMAEConfig:
    """What `transformers` builds the network from. MissingPackageError where it is not installed."""
    from transformers import VideoMAEConfig

    return VideoMAEConfig(
        image_size=of.image,
        patch_size=of.patch,
        num_frames=of.frames,
        tubelet_size=of.tubelet,
        hidden_size=of.width,
        num_hidden_layers=of.depth,
        num_attention_heads=of.heads,
        intermediate_size=of.width * of.mlp_ratio,
        decoder_hidden_size=of.decoder_width,
        decoder_num_hidden_layers=of.decoder_depth,
        decoder_num_attention_heads=of.decoder_heads,
        decoder_intermediate_size=of.decoder_width * of.mlp_ratio,
        layer_norm_eps=EPSILON,
        use_mean_pooling=mean_pooling,
        norm_pix_loss=True,
        num_labels=classes,
        **more,
    )


def pretraining(of: Architecture, seed: int = 0) -> VideoMAEForPreTraining:
    """Encoder and decoder, drawn, for masked autoencoding."""
    from transformers import VideoMAEForPreTraining

    return _drawn(VideoMAEForPreTraining, config(of), seed, glorot=True)


def encoder(of: Architecture, seed: int = 0) -> VideoMAEModel:
    """The encoder as it is pre-trained, drawn: tokens float32 [B, tokens, width] behind its last norm."""
    from transformers import VideoMAEModel

    return _drawn(VideoMAEModel, config(of), seed, glorot=True)


def classifier(of: Architecture, classes: int, seed: int = 0) -> VideoMAEForVideoClassification:
    """Encoder, mean over tokens, norm, linear layer, drawn; the linear layer's weights 0.001 times as large,
    as in the released fine-tuning.
    """
    from transformers import VideoMAEForVideoClassification

    found = _drawn(
        VideoMAEForVideoClassification, config(of, mean_pooling=True, classes=classes), seed, glorot=False
    )
    found.classifier.weight.data.mul_(0.001)
    return found


def shapes(of: Architecture, pooled: bool = False) -> dict[str, tuple[int, ...]]:
    """Name → shape of the tensors of an encoder, under the names that VideoMAEForPreTraining has. pooled:
    without the last norm.
    """
    wide, hidden = (of.width,), (of.width * of.mlp_ratio,)
    patches = "videomae.embeddings.patch_embeddings.projection"
    out: dict[str, tuple[int, ...]] = {
        f"{patches}.weight": (of.width, 3, of.tubelet, of.patch, of.patch),
        f"{patches}.bias": wide,
    }
    for number in range(of.depth):
        layer = f"videomae.encoder.layer.{number}"
        for which in ("query", "key", "value"):
            out[f"{layer}.attention.attention.{which}.weight"] = wide + wide
            if which != "key":
                out[f"{layer}.attention.attention.{which}.bias"] = wide
        for part, rows, columns in (
            ("attention.output", wide, wide),
            ("intermediate", hidden, wide),
            ("output", wide, hidden),
        ):
            out[f"{layer}.{part}.dense.weight"], out[f"{layer}.{part}.dense.bias"] = rows + columns, rows
        for norm in ("layernorm_before", "layernorm_after"):
            out[f"{layer}.{norm}.weight"] = out[f"{layer}.{norm}.bias"] = wide
    if not pooled:
        out["videomae.layernorm.weight"] = out["videomae.layernorm.bias"] = wide
    return out


def skipping(rate: float) -> nn.Module:
    """Drop path, or stochastic depth (Huang et al. 2016): while training each clip's residual is 0 with
    probability `rate`, and 1 / (1 − rate) times as large otherwise.
    """
    import torch
    from torch import nn

    class DropPath(nn.Module):
        def forward(self, residual: torch.Tensor) -> torch.Tensor:
            if not self.training or not rate:
                return residual
            keep = torch.rand(len(residual), 1, 1, device=residual.device) >= rate
            return residual * keep / (1 - rate)

    return DropPath()


def _tokens(module: nn.Module) -> nn.Module:
    """What gives the last tokens of a VideoMAEModel."""
    from torch import nn

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.videomae = module

        def forward(self, clips: torch.Tensor) -> Any:
            return self.videomae(clips).last_hidden_state

    return Tokens().eval()


def _encoder(of: Architecture) -> Architecture:
    """An architecture without what only its decoder decides."""
    base = SIZES["base"]
    return replace(
        of,
        decoder_width=base.decoder_width,
        decoder_depth=base.decoder_depth,
        decoder_heads=base.decoder_heads,
    )


def _drawn(kind: Any, of: VideoMAEConfig, seed: int, glorot: bool) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        module = kind(of)
    draw(module, seed, glorot)
    return module.eval()


def draw(module: nn.Module, seed: int, glorot: bool) -> None:
    """Draws every weight of a module anew, each a function of (seed, its name). glorot: of linear layers;
    else normal of deviation 0.02, cut off at ±0.04, as mask tokens always are. Where that is not what the
    released code draws, the module's docstring says it.
    """
    import torch
    from torch import nn

    norms = tuple(name for name, part in module.named_modules() if isinstance(part, nn.LayerNorm))
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            generator = torch.Generator().manual_seed(
                address("synvid_eval.networks.videomae", seed, name) >> 1
            )
            if name.rpartition(".")[0] in norms:
                tensor.fill_(1 if name.endswith("weight") else 0)
            elif name.endswith("mask_token"):
                nn.init.trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04, generator=generator)
            elif "patch_embeddings" in name:
                bound = 1 / math.sqrt(_inputs(module, name))
                tensor.uniform_(-bound, bound, generator=generator)
            elif tensor.dim() < 2:
                tensor.zero_()
            elif glorot:
                nn.init.xavier_uniform_(tensor, generator=generator)
            else:
                nn.init.trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04, generator=generator)


def _inputs(module: nn.Module, name: str) -> int:
    """How many values a unit of a convolution sees."""
    weight: torch.Tensor = module.get_parameter(f"{name.rpartition('.')[0]}.weight")
    return math.prod(weight.shape[1:])
