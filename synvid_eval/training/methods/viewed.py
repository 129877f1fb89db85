"""What methods share that look at views of a clip: how views are made, the network, the published recipe.

Source: Svyezhentsev, Retsinas, Maragos 2024 (arXiv 2411.17584) and its released code, which trains MoCo,
SimCLR, BYOL and a classifier on fractal videos. A view of a clip is a run of its frames, the start drawn;
adapted (`generators.adapting`) by draws of its own over just these frames; cropped at random (at least 0.9 of
the area) to the network's size, by bicubic resizing; mirrored with probability 0.5, by RandAugment (magnitude
7, 2 operations), blurred with probability 0.5. Every draw is addressed by (seed, set, epoch, clip, view) and
holds for all frames of the view. All views of a clip run backwards together, with probability 0.5 (a
classifier's: never). The second view is adapted less: scale and background, as there (SSL_EASY_K).

The network: a backbone's tokens, averaged over the places of each moment; values dropped (0.8, in the
released code, keys' and targets' too); a head on each moment, a perceptron of 512 with SiLU or a linear
layer; its mean over moments. Batch norms see the clips of a pass on all devices (there: SyncBatchNorm where
there are several).

Clips of a batch may share the draws of the camera, in each view, and whether time is reversed, as all of a
batch do there (`adapt_batch`): these are addressed by (seed, set, number of the batch, view) then. Which
clips share them is a matter of steps alone, so processes, passes and kills change nothing.

Where it differs from the released code: each clip has draws of its own, unless `adapt_batch` says otherwise;
clips are cropped behind their adaptation, there before it; backgrounds come from a pool of other clips, there
from the batch; RandAugment's operations are timm's (there pytorchvideo's); the curriculum grows by epochs,
there by steps; a run of n frames at stride s takes up n · s of a clip's frames, there (n − 1) · s + 1, so
that there a run may start at s − 1 more places (one more at stride 2). Weights of norms and biases have no
decay in either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.knobs import knob
from synvid_eval.networks import backbones, inputs, videomae
from synvid_eval.networks.backbones import Backbone
from synvid_eval.randomness import address
from synvid_eval.training import augment
from synvid_eval.training.data import Batches, Item, Source
from synvid_eval.training.methods.base import LEFT, OWN, Method
from synvid_eval.training.recipe import OURS, OnClips, Recipes
from synvid_eval.training.schedule import Cosine

if TYPE_CHECKING:
    from torch import Tensor, nn

CAMERA = (
    "clone(p=0.15)|scale,shift(p=0.3),background,perspective(p=0.8),shift(p=0.3),zoom(p=0.3),shake(p=0.3)"
)
"""What the released code does to the first view (cfg/pretrain_ssl/tsm.yaml)."""

EASY = "scale,background(shift=0)"
"""What it does to the second one."""

VIEWS = ("first", "second")

_OUTSIDE = 0.0
"""Gray that comes in where frames are turned (released code)."""

_CODE = "released code"
_PAPER = "paper, and released code"


@dataclass(frozen=True)
class OnViews(OnClips):
    """Recipe `paper-fractal`, as far as methods share it."""

    backbone: str = knob("tsm-resnet50", "Network: what it is.", choices=backbones.NAMES, source=_PAPER)
    size: str = knob("base", "Of vit: its size.", choices=tuple(videomae.SIZES), source=OURS)
    optimizer: str = knob("adamw", "What makes steps of gradients.", choices=("adamw", "sgd"), source=_PAPER)
    batch: int = knob(32, "Clips a step, on all devices together.", low=1, high=65536, source=_PAPER)
    epochs: int = knob(
        25,
        "Times that all clips are seen (or a batch, where it holds more).",
        low=1,
        high=1_000_000,
        source=_PAPER,
    )
    warmup: int = knob(3, "Epochs in which the learning rate grows.", low=0, high=1_000_000, source=_PAPER)
    lr: float = knob(
        6.4e-3,
        "Learning rate for 256 clips a step, after the warm-up.",
        low=0,
        high=100,
        source="paper, and released code: 8e-4 for 32",
    )
    last_lr: float = knob(8e-5, "The same at the end.", low=0, high=100, source="released code: 1e-5 for 32")
    first_lr: float = knob(
        8e-6, "The same at the first step.", low=0, high=100, source="released code: 1e-6 for 32"
    )
    weight_decay: float = knob(
        0.01, "Of weights that are matrices; biases and norms have none.", low=0, high=10, source=_PAPER
    )
    beta1: float = knob(0.9, "Of AdamW; the momentum of SGD.", low=0, high=0.99999, source=_CODE)
    beta2: float = knob(0.999, "Of AdamW.", low=0, high=0.99999, source=_CODE)
    clip: float = knob(
        5.0, "Gradients are scaled to this norm at most; 0: as they are.", low=0, high=1e6, source=_CODE
    )
    clips: int = knob(
        100_000, "Clips of a preset (of other sets: all).", low=1, source="paper: of its unlabelled sets"
    )
    stride: int = knob(
        2,
        "Frames from one of a clip to the next, as far as it is long enough.",
        low=1,
        high=256,
        source=_PAPER,
    )
    curriculum: int = knob(
        5, "Epochs in which clips' adaptation grows to its full strength.", low=0, source=_CODE
    )
    adapt: str = knob(
        CAMERA,
        "What adapts clips, anew in each view: a chain as of presets (published, shake,zoom, …); own: what "
        "the preset or set says itself; none: nothing.",
        source=_CODE,
    )
    adapt_batch: int = knob(
        1,
        "Clips of a batch that share the draws of camera and time, in each view; all where it is as large.",
        low=1,
        high=1_000_000,
        source="released code: all clips of a batch; each its own is our choice",
    )
    area: float = knob(0.9, "Least share of a frame that is cropped out.", low=0.01, high=1, source=_CODE)
    augment: str = knob(
        "rand-m7-n2-mstd0.5-inc1", "RandAugment: magnitude and number of operations; none.", source=_CODE
    )
    blur: float = knob(0.5, "Probability of a Gaussian blur on 3 × 3 px.", low=0, high=1, source=_CODE)
    mirror: float = knob(0.5, "Probability that left becomes right.", low=0, high=1, source=_CODE)
    reverse: float = knob(
        0.5, "Probability that all views of a clip run backwards.", low=0, high=1, source=_CODE
    )
    dropout: float = knob(
        0.8, "Of the values that the head sees.", low=0, high=0.99, source="released code (TSM's)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        augment.policy(self.augment)
        for chain in self.adapts:
            if chain not in LEFT:
                from synvid_eval.generators import adapting

                adapting.parsed(chain)
        if self.adapt in LEFT and self.adapt_batch != 1:
            raise UsageError(
                f"adapt_batch={self.adapt_batch} means nothing with adapt={self.adapt}.", "Name a chain."
            )
        if self.batch % self.adapt_batch:
            raise UsageError(
                f"adapt_batch={self.adapt_batch} does not divide batch={self.batch}.",
                f"Give a divisor; {self.batch} for all clips of a batch.",
            )

    @property
    def adapts(self) -> tuple[str, ...]:
        """The chain of each view."""
        return (self.adapt,)

    def schedule(self, steps_an_epoch: int) -> Cosine:
        """See `Optimization.schedule`; of the released code (timm), see `Cosine.whole`."""
        return dataclasses.replace(super().schedule(steps_an_epoch), whole=True)


@dataclass(frozen=True)
class OnTwoViews(OnViews):
    """The same of methods that compare two views of a clip."""

    adapt_second: str = knob(
        EASY, "What adapts the second view; same: as the first; none.", source="released code: SSL_EASY_K"
    )
    hidden: int = knob(512, "Values between the two layers of the head.", low=1, high=65536, source=_CODE)
    values: int = knob(128, "Values of what it gives.", low=2, high=65536, source=_CODE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adapt in LEFT and self.adapt_second != EASY:
            raise UsageError(
                f"adapt_second={self.adapt_second} means nothing with adapt={self.adapt}.",
                "Name a chain for adapt, too.",
            )
        if self.adapt_second == OWN:
            raise UsageError(
                "adapt_second=own means nothing where adapt is a chain.",
                "Name a chain, or say same; adapt=own leaves both views to what is trained on.",
            )

    @property
    def adapts(self) -> tuple[str, ...]:
        """See `OnViews.adapts`."""
        second = self.adapt if self.adapt in LEFT or self.adapt_second == "same" else self.adapt_second
        return self.adapt, second


@dataclass(frozen=True)
class Views:
    """(epoch, clip) → its views, uint8 [T, S, S, 3] each, called as in VIEWS; `clip` int64, what tells it
    from others; `label` int64 where there are classes.
    """

    source: Source
    recipe: OnViews
    network: Backbone
    seed: int
    classes: tuple[str, ...] = ()

    def __call__(self, item: Item) -> dict[str, Any]:
        epoch, index = item
        made: dict[str, Any] = {
            VIEWS[view]: self.view(epoch, index, view) for view in range(len(self.recipe.adapts))
        }
        made["clip"] = np.int64(self.source.number(index, epoch))
        if self.classes:
            made["label"] = np.int64(self.classes.index(str(self.source.label(index, epoch))))
        return made

    def batch(self, epoch: int, index: int) -> int | None:
        """What tells the clips that share draws with one, of all steps; None where none do."""
        of = self.recipe
        if of.adapt_batch == 1:
            return None
        batches = Batches(len(self.source), of.batch, self.seed, self.source.key)
        step, place = batches.place((epoch, index))
        return (step * of.batch + place) // of.adapt_batch

    def view(self, epoch: int, index: int, view: int) -> NDArray[np.uint8]:
        """One of them."""
        import torch

        of, where = self.recipe, (self.seed, self.source.key, epoch, index)
        batch = self.batch(epoch, index)
        frames = self.source.clip(index, epoch, view, batch)
        shared = where if batch is None else (*where[:2], "batch", batch)
        if augment.uniform(address("synvid_eval.training.clip", *shared), "reverse", 1)[0] < of.reverse:
            frames = frames[::-1]
        key = address("synvid_eval.training.view", *where, view)
        box = augment.crop_box(frames.shape[1], frames.shape[2], key, of.area)
        frames = augment.cubic_crop(frames, box, self.network.image)
        if augment.uniform(key, "mirror", 1)[0] < of.mirror:
            frames = frames[:, :, ::-1]
        clip = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
        if (policy := augment.policy(of.augment)) is not None:
            clip = augment.rand_augment(clip, policy, key, _OUTSIDE)
        clip = augment.blurred(clip, key, of.blur)
        return np.ascontiguousarray(clip.numpy().transpose(0, 2, 3, 1))


PAPER = "paper-fractal"

SMALLER: dict[str, dict[str, str]] = {
    "small": {"backbone": "tsm-resnet18", "batch": "128", "epochs": "100", "lr": "3.2e-3", "dropout": "0"},
    "tiny": {
        "backbone": "tsm-resnet18",
        "batch": "16",
        "epochs": "8",
        "clips": "256",
        "warmup": "1",
        "lr": "0.008",
        "last_lr": "8e-5",
        "first_lr": "8e-5",
        "curriculum": "0",
        "adapt": "own",
        "augment": "none",
        "dropout": "0",
        "drawn": "64",
        "save": "16",
    },
}
"""What is otherwise than published in recipes of ours: `small`, meant for a day of a GPU beside 16 processors
that draw; `tiny`, for minutes on 2 cores: so few steps see nothing through the published adaptation (loss
stays at that of chance), so there it is left to what is trained on.
"""

_CLIPS = "network.frames=8", "network.image=112"
"""What a convolutional network sees, for others too."""

_TINY = "network.frames=8", "network.image=48"


def recipes(published: OnViews, **tiny: str) -> Recipes[Any]:
    """The recipes of a method: `paper-fractal`, as published, and those of SMALLER. tiny: what is otherwise
    in the last one, too.
    """
    found = {PAPER: published}
    found |= {name: knobs.replace(published, own) for name, own in SMALLER.items()}
    found["tiny"] = knobs.replace(found["tiny"], tiny)
    nets = [name for name in backbones.NAMES if name != backbones.VIT]
    return Recipes(
        found,
        {
            PAPER: {backbones.VIT: _CLIPS},
            "small": {backbones.VIT: ("size=small", *_CLIPS)},
            "tiny": {
                **dict.fromkeys(nets, (*_TINY, "network.stage=32")),
                backbones.VIT: ("size=tiny", *_TINY),
            },
        },
        dict.fromkeys(SMALLER, OURS),
    )


class OfViews(Method):
    """A method on views: what all of them share."""

    def adapts(self, recipe: OnViews) -> tuple[str, ...]:
        """See `Method.adapts`."""
        return recipe.adapts

    def check_source(self, recipe: Any, source: Source) -> None:
        """See `Method.check_source`: views of one clip are told from those of others."""
        if len(source) < 2:
            raise UsageError(
                f"{source.name} has {len(source)} clip, and {self.name} learns what tells clips apart.",
                "Give a set of more; of a preset: --set clips=….",
            )

    def maker(
        self, source: Source, recipe: OnViews, network: Backbone, seed: int
    ) -> Callable[[Item], dict[str, Any]]:
        """See `Method.maker`."""
        return Views(source, recipe, network, seed)


def perceptron(inputs: int, hidden: int, values: int) -> nn.Module:
    """Two layers, SiLU between them (released code)."""
    from torch import nn

    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, values))


def represented(
    network: Backbone, encoder: nn.Module, head: nn.Module, frames: Tensor, dropout: float
) -> Tensor:
    """What an encoder and its head give of clips uint8 [B, T, S, S, 3]: float [B, values]; see the module's
    docstring.
    """
    from torch.nn import functional as F

    tokens = encoder(inputs.normalized(frames))
    moments = tokens.unflatten(1, (network.moments, -1)).mean(2)
    given = head(F.dropout(moments, dropout, training=encoder.training).flatten(0, 1))
    found: Tensor = given.unflatten(0, (-1, network.moments)).mean(1)
    return found


def draw(module: nn.Module, what: str, seed: int) -> None:
    """Draws a head anew, each tensor a function of (seed, what it is called): linear layers as torch does,
    uniform up to 1 / √inputs, biases too; norms 1 and 0.
    """
    import math

    import torch
    from torch import nn

    layers = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            layer = layers.get(name.rpartition(".")[0])
            if layer is None:
                tensor.fill_(float(name.endswith("weight")))
                continue
            key = address("synvid_eval.training.methods", seed, what, name) >> 1
            bound = 1 / math.sqrt(layer.in_features)
            tensor.uniform_(-bound, bound, generator=torch.Generator().manual_seed(key))


def momentum_of(encoder: nn.Module, head: nn.Module) -> nn.ModuleDict:
    """Copies that no gradient reaches: their weights follow those of the originals (`follow`)."""
    import copy

    from torch import nn

    parts = {"encoder": copy.deepcopy(encoder), "head": copy.deepcopy(head)}
    return nn.ModuleDict(parts).requires_grad_(False)


def follow_in(module: Any, share: float) -> None:
    """A module's `momentum` follows its encoder and head, see `follow`."""
    for name, part in module.momentum.items():
        follow(part, getattr(module, name), share)


def follow(behind: nn.Module, ahead: nn.Module, share: float) -> None:
    """Every weight of `behind` becomes share · itself + (1 − share) · that of `ahead`. Buffers, such as the
    moments of batch norms, are its own (He et al. 2020, and the released code).
    """
    import torch

    with torch.no_grad():
        for own, other in zip(behind.parameters(), ahead.parameters(), strict=True):
            own.mul_(share).add_(other, alpha=1 - share)
