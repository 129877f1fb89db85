"""Recipes: everything that decides what a training does to a network, as data.

What all kinds of training share is `Optimization`; each kind adds what is its own. `--set NAME=VALUE` changes
a knob, `--set network.NAME=VALUE` one of the network. Published numbers are of Yu et al. 2024 (arXiv
2410.24213): Table 5 for pre-training, 6 for fine-tuning, 7 for linear probing. Where the tables are silent,
knobs are as in the released code; where it differs from them, its values are a recipe of their own
(`released`: 6 clips on each of 32 GPUs, 3,201 epochs). `small` and `tiny` are ours.

Learning rates are for 256 clips a step and grow with the batch, as in the released code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from synvid_eval import knobs
from synvid_eval.errors import UsageError, nearest
from synvid_eval.knobs import knob
from synvid_eval.networks import backbones, videomae
from synvid_eval.networks.backbones import Backbone
from synvid_eval.training.schedule import Cosine

PER = 256
"""Clips a step that learning rates are given for."""

OURS, CODE = "our choice", "released code"

_NETWORK = "network."

R = TypeVar("R", bound="Optimization")


@dataclass(frozen=True)
class Optimization:
    """How a network is trained, whatever for."""

    name: ClassVar[str] = "recipe"
    later: ClassVar[tuple[str, ...]] = ("nesterov",)
    """Knobs that came later, of each class its own: a config leaves them out while they are at their
    defaults, so that what an older version began goes on."""

    backbone: str = knob(backbones.VIT, "Network: what it is.", choices=backbones.NAMES, source="Table 5")
    size: str = knob("base", "Of vit: its size.", choices=tuple(videomae.SIZES), source="Table 5")
    optimizer: str = knob(
        "adamw", "What makes steps of gradients.", choices=("adamw", "sgd"), source="Tables 5 to 7"
    )
    batch: int = knob(256, "Clips a step, on all devices together.", low=1, high=65536, source="Table 5")
    micro: int = knob(
        0,
        "Clips a device passes at once; 0: its whole share of a batch. Batch norms, clips that are mixed and "
        "SimCLR's negatives are of a pass.",
        low=0,
        high=65536,
        recipe=False,
        source=OURS,
    )
    epochs: int = knob(
        3200,
        "Times that all clips are seen (or a batch, where it holds more).",
        low=1,
        high=1_000_000,
        source="Table 5",
    )
    steps: int = knob(
        0, "Steps in all, where not told by epochs (0); the warm-up keeps its share.", low=0, source=OURS
    )
    warmup: int = knob(
        40, "Epochs in which the learning rate grows.", low=0, high=1_000_000, source="Table 5"
    )
    lr: float = knob(
        3e-4, "Learning rate for 256 clips a step, after the warm-up.", low=0, high=100, source="Table 5"
    )
    last_lr: float = knob(1e-5, "The same at the end.", low=0, high=100, source=CODE)
    first_lr: float = knob(
        0.0,
        "The same at the first step.",
        low=0,
        high=100,
        source="released code, whose --warmup_lr reaches no schedule",
    )
    weight_decay: float = knob(
        0.05,
        "Of weights that are matrices; biases and norms have none.",
        low=0,
        high=10,
        source="Tables 5 and 6",
    )
    beta1: float = knob(0.9, "Of AdamW; the momentum of SGD.", low=0, high=0.99999, source="Tables 5 and 6")
    beta2: float = knob(0.95, "Of AdamW.", low=0, high=0.99999, source="Table 5")
    epsilon: float = knob(1e-8, "Of AdamW.", low=0, high=1, source=CODE)
    nesterov: bool = knob(False, "SGD steps as Nesterov (1983) does.", source=OURS)
    layer_decay: float = knob(
        1.0, "Learning rate of a layer, in that of the one above it.", low=0, high=1, source=CODE
    )
    clip: float = knob(
        0.0, "Gradients are scaled to this norm at most; 0: as they are.", low=0, high=1e6, source=CODE
    )
    precision: str = knob(
        "auto",
        "What networks compute in: bf16 where a GPU has it, else fp32; released: fp16.",
        choices=("auto", "fp32", "bf16", "fp16"),
        source=OURS,
    )
    compile: bool = knob(False, "Let torch compile the network first.", source=OURS)
    save: int = knob(500, "Steps between checkpoints.", low=1, high=10_000_000, recipe=False, source=OURS)
    keep: int = knob(
        2, "Checkpoints that are kept, the newest.", low=1, high=10_000_000, recipe=False, source=OURS
    )

    def __post_init__(self) -> None:
        knobs.check(self)
        if self.micro and self.batch % self.micro:
            raise UsageError(f"micro={self.micro} does not divide batch={self.batch}.", "Give a divisor.")
        if self.nesterov and (self.optimizer != "sgd" or not self.beta1):
            of = f"optimizer={self.optimizer}" if self.optimizer != "sgd" else "beta1=0, which is no momentum"
            raise UsageError(f"nesterov means nothing for {of}.", "Give --set nesterov=false, too.")

    def schedule(self, steps_an_epoch: int) -> Cosine:
        """Learning rates of all steps, those of a batch of this recipe."""
        by_epochs = self.epochs * steps_an_epoch
        steps = self.steps or by_epochs
        warmup = min(steps, round(self.warmup * steps_an_epoch * steps / by_epochs))
        scale = self.batch / PER
        return Cosine(steps, warmup, self.lr * scale, self.last_lr * scale, self.first_lr * scale)


@dataclass(frozen=True)
class OnClips(Optimization):
    """Pre-training on clips, by any method."""

    clips: int = knob(9537, "Clips of a preset (of other sets: all).", low=1, source="Table 5")
    stride: int = knob(
        4,
        "Frames from one of a clip to the next, as far as it is long enough.",
        low=1,
        high=256,
        source="Table 5",
    )
    short: int = knob(
        0,
        "Short side [px] that frames are brought to before they are cropped; 0: none.",
        low=0,
        high=4096,
        source=OURS,
    )
    drawn: int = knob(
        0, "Height and width [px] at which presets are drawn; 0: their own.", low=0, high=4096, source=OURS
    )
    fresh: bool = knob(False, "Each epoch draws other clips of a preset.", source=OURS)
    curriculum: int = knob(
        0, "Epochs in which clips' adaptation grows to its full strength.", low=0, source=OURS
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer_decay != 1:
            raise UsageError(
                f"layer_decay={self.layer_decay:g} means nothing in pre-training.", "It is for finetune."
            )


@dataclass(frozen=True)
class Pretraining(OnClips):
    """Masked autoencoding."""

    mask_ratio: float = knob(
        0.75, "Of the places of a frame that are hidden.", low=0, high=1, source="Table 5"
    )
    scales: str = knob("1,0.875,0.75,0.66", "Of MultiScaleCrop: crop sides in short sides.", source=CODE)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.crop_scales()

    def crop_scales(self) -> tuple[float, ...]:
        """`scales` as numbers in (0, 1]; UsageError where they are none."""
        try:
            found = tuple(float(text) for text in self.scales.split(","))
        except ValueError:
            found = ()
        if not found or not all(0 < scale <= 1 for scale in found):
            raise UsageError(f"scales={self.scales} cannot be read.", "Such as 1,0.875,0.75,0.66.")
        return found


class Recipes(dict[str, R]):
    """Recipes by name.

    fitted: recipe → backbone → what of it is otherwise with that backbone, as `--set` has it. sources:
    recipe → where those of its values come from that are not the knobs' defaults, whose sources the knobs
    declare. apart: recipes that are published by others than what the knobs declare, defaults and all.
    """

    def __init__(
        self,
        recipes: Mapping[str, R],
        fitted: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        sources: Mapping[str, str] | None = None,
        apart: Collection[str] = (),
    ) -> None:
        super().__init__(recipes)
        self.fitted, self.sources, self.apart = fitted or {}, sources or {}, apart


PAPER = Pretraining()

PRETRAINING = Recipes(
    {
        "paper": PAPER,
        "released": dataclasses.replace(PAPER, batch=192, epochs=3201),
        "paper-vitl": dataclasses.replace(PAPER, size="large", batch=128),
        "small": dataclasses.replace(PAPER, size="small", epochs=1600),
        "tiny": dataclasses.replace(
            PAPER,
            size="tiny",
            batch=16,
            epochs=8,
            clips=512,
            warmup=1,
            lr=1.6e-2,
            last_lr=1.6e-4,
            drawn=128,
            save=20,
        ),
    },
    sources={"released": CODE, "paper-vitl": "Table 5", "small": OURS, "tiny": OURS},
)
"""Recipes of masked autoencoding, by name."""


def chosen(
    recipes: Recipes[R], name: str, settings: Sequence[str], backbone: str | None = None
) -> tuple[R, Backbone]:
    """A recipe and the network it trains, with `NAME=VALUE` of knobs and `network.NAME=VALUE` changed.

    backbone: one of `backbones.NAMES` that the recipe is to be for; None: as settings say, else its own.

    Raises UsageError: an unknown recipe or knob, a value out of range, a setting without `=`, a knob that
    decides nothing with that backbone, another backbone in the settings.
    """
    if name not in recipes:
        raise UsageError(f"No recipe is called {name!r}.", nearest(name, recipes))
    own, networks = _read(settings)
    said = own.get("backbone", backbone)
    if backbone not in (None, said):
        raise UsageError(f"The backbone is {backbone}, and --set says {said}.", "Give it once.")
    plain = recipes[name] if said is None else knobs.replace(recipes[name], {"backbone": said})
    at = plain.backbone
    fitted, fitted_networks = _read(recipes.fitted.get(name, {}).get(at, ()))
    idle = backbones.named(at).idle
    for key in own:
        if key in idle:
            raise UsageError(f"--set {key}={own[key]} means nothing for backbone={at}.", "Leave it away.")
    whole = backbones.named(at, recipes[name].size)
    for key in own:
        if key not in knobs.names(plain) and key in knobs.names(whole):
            raise UsageError(
                f"--set {key}={own[key]}: a recipe has no knob {key!r}.",
                f"Did you mean '{_NETWORK}{key}', which the network has?",
            )
    neutral = {key: value for key, value in idle.items() if key in knobs.names(plain)}
    recipe = knobs.replace(dataclasses.replace(plain, **neutral), fitted | own)
    network = knobs.replace(backbones.named(at, recipe.size), fitted_networks | networks)
    network.check_asked(networks)
    return recipe, network


def asked(settings: Sequence[str]) -> frozenset[str]:
    """The knobs of a recipe that `NAME=VALUE` set. UsageError: a setting without `=`."""
    return frozenset(_read(settings)[0])


def told(of: Optimization) -> dict[str, Any]:
    """Knob → value, as a config has them: without `backbone`, which the network's table says, `size` where
    the network has none, and what came later and is at its default.
    """
    left = {"backbone", *({"size"} & backbones.named(of.backbone).idle.keys())}
    later = {knob for kind in type(of).__mro__ for knob in vars(kind).get("later", ())}
    left |= {f.name for f in dataclasses.fields(of) if f.name in later and getattr(of, f.name) == f.default}
    return {key: value for key, value in knobs.values(of).items() if key not in left}


def _read(settings: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(knob → text of a recipe, of its network) from `NAME=VALUE` and `network.NAME=VALUE`."""
    own: dict[str, str] = {}
    networks: dict[str, str] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise UsageError(f"--set {setting} cannot be read.", "It is NAME=VALUE, such as lr=1e-4.")
        (networks if key.startswith(_NETWORK) else own)[key.removeprefix(_NETWORK)] = value
    return own, networks
