"""Convolutional backbones of clips: TSM over torchvision's ResNets, R(2+1)D, channel-separated networks.

- `tsm-resnet50`, `tsm-resnet18`: a ResNet (He et al. 2016) that sees each frame, and in front of the first
  convolution of every residual block a shift of channels along time (Lin et al. 2019, arXiv 1811.08383):
  1/8 of them come from the next frame, 1/8 from the one before, zeros where there is none.
- `r2plus1d-18`: torchvision's R(2+1)D-18 (Tran et al. 2018, arXiv 1711.11248).
- `csn-26`: an interaction-reduced channel-separated network (Tran et al. 2019, arXiv 1904.02811) of 26
  layers, over torchvision's `VideoResNet`: in bottlenecks of 2, 2, 2, 2 blocks the 3 × 3 × 3 convolution is
  depthwise; a first convolution of 3 × 7 × 7 and a pooling of frames stand below, as in the released code.

What they give are tokens: the last map of features, a token a place and moment. Names of weights are
torchvision's (of TSM the released code's: `conv1.net`). Weights are drawn by address, in the way of
torchvision: He et al. 2015 for convolutions, by what leaves them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.knobs import knob
from synvid_eval.randomness import address

if TYPE_CHECKING:
    from torch import Tensor, nn

_TITLES = {
    "tsm-resnet50": "TSM ResNet-50",
    "tsm-resnet18": "TSM ResNet-18",
    "r2plus1d-18": "R(2+1)D-18",
    "csn-26": "ir-CSN-26",
}
BACKBONES = tuple(_TITLES)

_EXPANSIONS = {"tsm-resnet50": 4, "csn-26": 4}
_STAGES = 4


@dataclass(frozen=True)
class ConvNet:
    """A convolutional backbone and its input.

    UsageError: a value out of range.
    """

    name: ClassVar[str] = "network"

    backbone: str = knob("tsm-resnet50", "Network: its name.", choices=BACKBONES)
    image: int = knob(112, "Height and width of its input.", low=16, high=1024, unit="px")
    frames: int = knob(8, "Frames of its input.", low=1, high=256)
    stage: int = knob(64, "Channels of the first stage's blocks; each later stage has twice as many.", low=8,
                      high=512)  # fmt: skip
    shift: int = knob(8, "Of TSM: 1/shift of the channels come from the next frame, as many from the last.",
                      low=2, high=64)  # fmt: skip

    def __post_init__(self) -> None:
        knobs.check(self)

    @property
    def title(self) -> str:
        """What it is called, for people."""
        return _TITLES[self.backbone]

    @property
    def width(self) -> int:
        """Values of a token."""
        return self.stage * (1 << _STAGES - 1) * _EXPANSIONS.get(self.backbone, 1)

    @property
    def tokens(self) -> int:
        """Tokens of a clip."""
        side = self.image
        halvings = 4 if self.backbone == "r2plus1d-18" else 5
        for _ in range(halvings):
            side = -(-side // 2)
        return self.moments * side * side

    @property
    def moments(self) -> int:
        """Moments that tokens stand for, each as many, one moment's after the other's."""
        moments = self.frames
        for _ in range(0 if self.backbone.startswith("tsm") else _STAGES - 1):
            moments = -(-moments // 2)
        return moments

    @property
    def depth(self) -> int:
        """Stages above the first convolution: the layers of learning rates that fall with depth."""
        return _STAGES

    @property
    def idle(self) -> Mapping[str, Any]:
        """Knobs of recipes that are for transformers → what they are at."""
        return {"size": "base", "drop_path": 0.0}

    @property
    def unused(self) -> frozenset[str]:
        """See `backbones.Backbone`: the shift, where nothing is shifted."""
        return frozenset() if self.backbone.startswith("tsm") else frozenset({"shift"})

    def check_asked(self, asked: Collection[str]) -> None:
        """See `backbones.Backbone`; refuses a shift of no channel, too."""
        if idle := self.unused & {*asked}:
            raise UsageError(
                f"--set network.{min(idle)} means nothing for backbone={self.backbone}.", "Leave it away."
            )
        if not self.unused and (channels := self.stage * _EXPANSIONS.get(self.backbone, 1)) < self.shift:
            raise UsageError(
                f"network.shift={self.shift} shifts none of the {channels} channels of the first stage.",
                f"Give at most {channels}, or a larger network.stage.",
            )

    @property
    def size(self) -> str | None:
        """See `backbones.Backbone`: none."""
        return None

    @property
    def heads(self) -> int:
        """See `backbones.Backbone`: a divisor of any width here."""
        return 8

    @property
    def said(self) -> str:
        """See `backbones.Backbone`."""
        return f"{self.title}, width {self.width}"

    @property
    def model(self) -> str:
        """See `backbones.Backbone`: what is not as published, and its pixels."""
        narrow = f" of {self.stage} channels" if self.stage != 64 else ""
        parts = [f"{self.title}{narrow}", f"{self.image} px"]
        if self.frames != 8:
            parts.append(f"{self.frames} frames")
        if self.shift != 8 and "shift" not in self.unused:
            parts.append(f"1/{self.shift} shifted")
        return " ".join(parts)

    @property
    def least(self) -> int:
        """See `backbones.Backbone`: batch norm needs two values a channel; a clip of one token has one."""
        return 2 if self.tokens == 1 else 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `backbones.Backbone`."""
        import torch

        with torch.device("meta"):
            return {name: tuple(tensor.shape) for name, tensor in self._module().state_dict().items()}

    def encoder(self, seed: int = 0) -> nn.Module:
        """Clips float32 [B, T, 3, S, S] (see `inputs.normalized`) → tokens float32 [B, tokens, width];
        drawn, in eval mode.
        """
        module = self._module()
        draw(module, seed)
        return module.eval()

    def trunk(self, seed: int = 0) -> nn.Module:
        """See `backbones.Backbone`: all of the encoder."""
        return self.encoder(seed)

    def classifier(self, classes: int, seed: int = 0, drop_path: float = 0.0) -> nn.Module:
        """See `backbones.Backbone`: weights are called `encoder.…` and `classifier.…`."""
        import torch
        from torch import nn

        if drop_path:
            raise UsageError(
                f"drop_path={drop_path:g} means nothing for backbone={self.backbone}.", "It is for vit."
            )

        with torch.random.fork_rng(devices=[]):
            head = nn.ModuleDict({"classifier": nn.Linear(self.width, classes)})
        draw(head, seed)

        class Classifier(nn.Module):
            def __init__(self, encoder: nn.Module) -> None:
                super().__init__()
                self.encoder, self.classifier = encoder, head["classifier"]

        return Classifier(self.encoder(seed)).eval()

    def take(self, module: nn.Module, tensors: Mapping[str, Tensor], epsilon: float = 0.0) -> None:
        """See `backbones.Backbone`: under the names that `encoder` has. No layer norm needs an ε."""
        own: Any = getattr(module, "encoder", module)
        own.load_state_dict(tensors)

    def norms(self, module: nn.Module, epsilon: float) -> None:
        """See `backbones.Backbone`: there is none."""

    def logits(self, network: nn.Module, clips: Tensor, dropout: float = 0.0) -> Tensor:
        """See `backbones.Backbone`: mean over tokens, dropout, linear layer."""
        import torch

        own: Any = network
        mean = own.encoder(clips).mean(1)
        found: Tensor = own.classifier(torch.nn.functional.dropout(mean, dropout, network.training))
        return found

    def pooled(self, tokens: Tensor) -> Tensor:
        """See `backbones.Backbone`: mean over tokens."""
        return tokens.mean(1)

    def below(self, name: str) -> int:
        """See `backbones.Backbone`: layers are stages; 1 for the last one, one more than stages for what lies
        below all of them.
        """
        if name.startswith("classifier."):
            return 0
        stage = name.partition("layer")[2].partition(".")[0]
        return _STAGES + 1 - int(stage) if stage.isdigit() else _STAGES + 1

    def _module(self) -> nn.Module:
        """The encoder, as torchvision draws it; torch's generator is as it was before."""
        import torch

        with torch.random.fork_rng(devices=[]):
            return _framewise(self) if self.backbone.startswith("tsm") else _spacetime(self)


def draw(module: nn.Module, seed: int) -> None:
    """Draws every weight of a module anew, each a function of (seed, its name): convolutions as He et al.
    2015 by what leaves them, linear layers with deviation 0.01, norms 1, biases 0.
    """
    import torch
    from torch import nn

    linear = {name for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            key = address("synvid_eval.networks.convnets", seed, name) >> 1
            generator = torch.Generator().manual_seed(key)
            if tensor.dim() < 2:
                tensor.fill_(float(name.endswith("weight")))
            elif name.rpartition(".")[0] in linear:
                tensor.normal_(0, 0.01, generator=generator)
            else:
                leaving = tensor.shape[0] * math.prod(tensor.shape[2:])
                tensor.normal_(0, math.sqrt(2 / leaving), generator=generator)


def shifted(frames: Tensor, time: int, part: int) -> Tensor:
    """The temporal shift: features [B · time, C, …] → the same shape.

    Of the channels the first ⌊C / part⌋ are those of the next frame, the next ⌊C / part⌋ those of the frame
    before, 0 beyond the clip; the others stay.
    """
    import torch

    clips = frames.reshape(-1, time, *frames.shape[1:])
    fold = clips.shape[2] // part
    made = torch.zeros_like(clips)
    made[:, :-1, :fold] = clips[:, 1:, :fold]
    made[:, 1:, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold]
    made[:, :, 2 * fold :] = clips[:, :, 2 * fold :]
    return made.flatten(0, 1)


def _framewise(of: ConvNet) -> nn.Module:
    """TSM over a ResNet of torchvision."""
    from torch import nn
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    class Shifted(nn.Module):
        """A convolution behind the shift."""

        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, frames: Tensor) -> Any:
            return self.net(shifted(frames, of.frames, of.shift))

    class Frames(ResNet):  # type: ignore[misc,unused-ignore]
        """Without the last pooling and classifier."""

        def _make_layer(self, block: Any, planes: int, *more: Any, **how: Any) -> nn.Sequential:
            made: nn.Sequential = super()._make_layer(block, planes * of.stage // 64, *more, **how)  # type: ignore[no-untyped-call,unused-ignore]
            part: Any
            for part in made:
                part.conv1 = Shifted(part.conv1)
            return made

        def forward(self, clips: Tensor) -> Tensor:
            x = self.maxpool(self.relu(self.bn1(self.conv1(clips.flatten(0, 1)))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            found: Tensor = x.unflatten(0, (-1, of.frames)).transpose(1, 2).flatten(2).transpose(1, 2)
            return found

    made = (
        Frames(Bottleneck, [3, 4, 6, 3]) if of.backbone.endswith("50") else Frames(BasicBlock, [2, 2, 2, 2])
    )
    made.fc = made.avgpool = None
    return made


def _spacetime(of: ConvNet) -> nn.Module:
    """R(2+1)D or CSN over torchvision's VideoResNet."""
    from torch import nn
    from torchvision.models.video import resnet

    class Clips(resnet.VideoResNet):  # type: ignore[misc,unused-ignore]
        """Without the last pooling and classifier."""

        def _make_layer(self, block: Any, maker: Any, planes: int, *more: Any, **how: Any) -> nn.Sequential:
            made: nn.Sequential = super()._make_layer(block, maker, planes * of.stage // 64, *more, **how)
            return made

        def forward(self, clips: Tensor) -> Tensor:
            x = self.stem(clips.transpose(1, 2))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            found: Tensor = x.flatten(2).transpose(1, 2)
            return found

    class Depthwise(nn.Conv3d):
        """What `VideoResNet` calls a maker of convolutions: of a channel-separated block."""

        def __init__(self, inputs: int, outputs: int, between: int, stride: int = 1) -> None:
            super().__init__(inputs, outputs, 3, stride, 1, groups=outputs, bias=False)

        @staticmethod
        def get_downsample_stride(stride: int) -> tuple[int, int, int]:
            return stride, stride, stride

    def stem() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )

    block, maker, below = resnet.BasicBlock, resnet.Conv2Plus1D, resnet.R2Plus1dStem
    if of.backbone == "csn-26":
        block, maker, below = resnet.Bottleneck, Depthwise, stem
    made = Clips(block, [maker] * _STAGES, [2, 2, 2, 2], below)
    made.fc = made.avgpool = None
    return made
