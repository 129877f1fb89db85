"""Fine-tuning: a pre-trained encoder and a new classifier, all weights learning, on a labelled set.

As Table 6 of Yu et al. 2024 and the scripts of VideoMAE (UCF101) and of SVR (HMDB51) say, and their code
does: mean over the last tokens, a norm, dropout, a linear layer that begins 0.001 times as large; learning
rates that fall with depth (`layer_decay`); drop path that grows with depth; each clip of a batch augmented
`repeats` times over, then mixed with its counterpart at the other end of the batch. What is tested is the
network behind the last step, as in the released code (which keeps the best epoch, too, and reports it
nowhere).

`paper-fractal` is the training of Svyezhentsev et al. 2024 on HMDB51, UCF101, EGTEA and YUP++, as the
configurations and the code of github.com/davidsvy/fractal_video have it; on Diving48 and Volleyball theirs
differ, hence two more. Their learning rates are for 32 clips a step, ours for 256: eight times as large.
Where it differs: RandAugment knows timm's operations, not all of which are among pytorchvideo's; values are
dropped of the mean over frames, not of each frame; the linear layer begins normal with deviation 0.01, theirs
uniform; short clips are looked at with a smaller stride, not filled up with their last frame; a run of n
frames at stride s takes up n · s of a clip's frames, theirs (n − 1) · s + 1 (of 8 at stride 6: 48 against
43), so that theirs may start at s − 1 more places; tested runs begin at multiples of the stride, theirs at
any frame; frames of Volleyball are resized as all others are, theirs by area.

In convolutional networks batch norms learn, too, from the clips of a pass on all devices. Layers, for
`layer_decay`, are their stages; `drop_path` is for transformers.

`paper-ucf101` and `paper-hmdb51` take RandAug (9, 0.5), as Table 6 says; `released-ucf101` (VideoMAE's
`finetune.sh` for UCF101) and `released-hmdb51` (SVR's `ft_hmdb.sh`) what the released code runs, since
neither script says otherwise: `rand-m7-n4-mstd0.5-inc1`, the default of `run_class_finetuning.py`, and its
cutmix (see `augment`). `small` and `tiny` are ours.

A run is RUN/ as every training leaves it, with `tests.csv` (top 1 of the test clips, a view each, every few
epochs), `predictions.json` and `accuracy.csv`. k folds are runs of their own, RUN/fold-0 and so on, whose
predictions RUN/predictions.json joins; folds that are done are not done again.
"""

from __future__ import annotations

import csv
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.archive import write_bytes
from synvid_eval.errors import DataError
from synvid_eval.knobs import knob
from synvid_eval.networks import backbones, inputs
from synvid_eval.networks.backbones import Backbone
from synvid_eval.randomness import address
from synvid_eval.training import augment, engine, labelled, views
from synvid_eval.training.accuracy import Predictions
from synvid_eval.training.augment import LEAST
from synvid_eval.training.data import Files, Item
from synvid_eval.training.labelled import Start, Viewed
from synvid_eval.training.recipe import CODE, OURS, Optimization, Recipes
from synvid_eval.training.run_folder import RunFolder
from synvid_eval.training.schedule import Cosine

if TYPE_CHECKING:
    from torch import Tensor, nn

KIND = "finetune"
TESTS = "tests.csv"
_COLUMNS = ("step", "epoch", "top1", "loss")


@dataclass(frozen=True)
class Finetuning(Optimization):
    """Learning a classifier with all weights."""

    later: ClassVar[tuple[str, ...]] = ("whole", "transforms", "blur", "enlarged")

    batch: int = knob(
        128, "Clips a step, on all devices together.", low=1, high=65536, source="VideoMAE's script"
    )
    epochs: int = knob(100, "Times that all clips are seen.", low=1, high=1_000_000, source="Table 6")
    warmup: int = knob(5, "Epochs in which the learning rate grows.", low=0, high=1_000_000, source="Table 6")
    lr: float = knob(
        5e-4, "Learning rate for 256 clips a step, after the warm-up.", low=0, high=100, source="Table 6"
    )
    beta2: float = knob(0.999, "Of AdamW.", low=0, high=0.99999, source="Table 6")
    layer_decay: float = knob(
        0.7, "Learning rate of a layer, in that of the one above it.", low=0, high=1, source="Table 6"
    )
    stride: int = knob(
        4, "Frames from one of a clip to the next, as far as it is long enough.", low=1, high=256, source=CODE
    )
    short: int = knob(
        0,
        "Short side [px] that frames are brought to before all else; 0: none.",
        low=0,
        high=4096,
        source=OURS,
    )
    repeats: int = knob(
        2, "Times that a clip of a batch is augmented.", low=1, high=64, source="released code"
    )
    whole: bool = knob(
        False, "The cosine of learning rates begins with the warm-up, not behind it.", source=CODE
    )
    transforms: str = knob(
        "videomae",
        "Order and resizing: videomae augments, then crops, bilinear; fractal crops, bicubic, then augments.",
        choices=("videomae", "fractal"),
        source=CODE,
    )
    augment: str = knob(
        "rand-m9-n2-mstd0.5-inc1", "RandAugment, as timm spells it, or none.", source="Table 6"
    )
    area: float = knob(
        LEAST,
        "Smallest share of a frame that a crop takes.",
        low=0.01,
        high=1,
        source="released code",
    )
    flip: bool = knob(True, "Mirror every other clip.", source="Table 6")
    blur: float = knob(0.0, "Share of clips that are blurred.", low=0, high=1, source=CODE)
    erase: float = knob(0.25, "Share of clips with a box of noise.", low=0, high=1, source="released code")
    mixup: float = knob(0.8, "α of mixup; 0: none.", low=0, high=100, source="Table 6")
    cutmix: float = knob(1.0, "α of cutmix; 0: none.", low=0, high=100, source="Table 6")
    switch: float = knob(
        0.5, "Share of batches with cutmix, where there are both.", low=0, high=1, source=CODE
    )
    spans: str = knob(
        "frames", "What a box of cutmix spans.", choices=("frames", "released"), source="paper of cutmix"
    )
    smoothing: float = knob(0.1, "Of labels.", low=0, high=1, source="Table 6")
    drop_path: float = knob(
        0.2, "Share of clips that skip the last layer.", low=0, high=0.99, source="Table 6"
    )
    dropout: float = knob(
        0.5, "Share of values dropped in front of the classifier.", low=0, high=0.99, source=CODE
    )
    segments: int = knob(5, "Runs of frames of a tested clip.", low=1, high=100, source="Table 6")
    crops: int = knob(3, "Squares of a tested clip's frames.", low=1, high=100, source="Table 6")
    enlarged: float = knob(
        1.0, "Short side of a tested clip's frames, in sides of the squares.", low=1, high=4, source=CODE
    )
    test_every: int = knob(
        10, "Epochs between looks at the test clips; 0: none.", low=0, recipe=False, source=OURS
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        augment.policy(self.augment)

    def schedule(self, steps_an_epoch: int) -> Cosine:
        """See `Optimization.schedule` and `Cosine.whole`."""
        return dataclasses.replace(super().schedule(steps_an_epoch), whole=self.whole)


UCF101 = Finetuning()
HMDB51 = dataclasses.replace(UCF101, batch=256, lr=1e-3, stride=2, segments=10)
_RELEASED: dict[str, Any] = {"augment": "rand-m7-n4-mstd0.5-inc1", "spans": "released"}
"""What the released scripts run where Table 6 says otherwise, or nothing."""
FRACTAL = Finetuning(
    backbone="tsm-resnet50",
    batch=32,
    epochs=100,
    warmup=10,
    lr=6.4e-3,
    first_lr=8e-6,
    last_lr=8e-5,
    weight_decay=0.01,
    layer_decay=1.0,
    clip=5.0,
    stride=6,
    whole=True,
    transforms="fractal",
    repeats=1,
    augment="rand-m7-n2-mstd0.5-inc1",
    area=0.2,
    blur=0.5,
    erase=0.0,
    mixup=0.0,
    cutmix=0.0,
    smoothing=0.0,
    drop_path=0.0,
    dropout=0.8,
    segments=10,
    crops=1,
    enlarged=256 / 224,
)
_CONVOLUTIONAL = tuple(
    f"{name}={getattr(FRACTAL, name)}"
    for name in ("lr", "first_lr", "last_lr", "weight_decay", "layer_decay", "clip")
)
"""What is otherwise for convolutional networks: as `FRACTAL` has it."""
_CLIPS = "network.frames=8", "network.image=112"
"""What convolutional networks see, for others by the same recipe, too."""
_STAGES = {"tsm-resnet50": 16, "tsm-resnet18": 32, "r2plus1d-18": 16, "csn-26": 32}
"""Channels of a first stage with which a clip takes two cores less time than of the tiny transformer."""

_FRACTAL = "released code of Svyezhentsev et al. 2024"

FINETUNING = Recipes(
    {
        "paper-ucf101": UCF101,
        "paper-hmdb51": HMDB51,
        "released-ucf101": dataclasses.replace(UCF101, **_RELEASED),
        "released-hmdb51": dataclasses.replace(HMDB51, **_RELEASED),
        "paper-fractal": FRACTAL,
        "paper-fractal-diving48": dataclasses.replace(FRACTAL, lr=1.2e-2, first_lr=1.2e-5, last_lr=1.2e-4),
        "paper-fractal-volleyball": dataclasses.replace(
            FRACTAL,
            lr=2e-2,
            first_lr=2e-5,
            last_lr=2e-4,
            weight_decay=0.1,
            stride=4,
            augment="rand-m5-n2-mstd0.5-inc1",
            flip=False,
            blur=0.0,
            enlarged=1.0,
        ),
        "small": dataclasses.replace(UCF101, size="small", epochs=50, batch=64),
        "tiny": dataclasses.replace(
            UCF101,
            size="tiny",
            batch=16,
            epochs=20,
            warmup=2,
            lr=1.6e-2,
            last_lr=1.6e-4,
            first_lr=1.6e-4,
            layer_decay=0.85,
            short=80,
            repeats=1,
            augment="none",
            area=0.5,
            erase=0.0,
            mixup=0.0,
            cutmix=0.0,
            drop_path=0.0,
            dropout=0.0,
            segments=2,
            crops=1,
            test_every=2,
            save=24,
        ),
    },
    {
        **{
            name: {backbones.VIT: _CLIPS}
            for name in ("paper-fractal", "paper-fractal-diving48", "paper-fractal-volleyball")
        },
        "small": dict.fromkeys(_STAGES, _CONVOLUTIONAL),
        "tiny": {
            backbone: ("layer_decay=1", "network.image=64", f"network.stage={stage}")
            for backbone, stage in _STAGES.items()
        },
    },
    {
        "paper-hmdb51": f"Table 6, or {CODE}",
        "released-ucf101": CODE,
        "released-hmdb51": f"{CODE}, or Table 6",
        **dict.fromkeys(("paper-fractal", "paper-fractal-diving48", "paper-fractal-volleyball"), _FRACTAL),
        "small": OURS,
        "tiny": OURS,
    },
    apart=("paper-fractal", "paper-fractal-diving48", "paper-fractal-volleyball"),
)
"""Recipes of fine-tuning, by name."""


# -- what is passed --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Augmented:
    """(epoch, place in `indices`) → a clip to learn from, `repeats` times over: frames float32 [R, T, 3, S,
    S] normalized, its label, and the key of what is done to its batch.
    """

    files: Files
    indices: tuple[int, ...]
    labels: tuple[int, ...]
    recipe: Finetuning
    size: int
    seed: int

    def __call__(self, item: Item) -> dict[str, Any]:
        epoch, place = item
        index = self.indices[place]
        where = (self.seed, self.files.clips[index].id, epoch)
        frames = self.files.clip(index, epoch)
        keys = [address("synvid_eval.training.finetune", *where, i) for i in range(self.recipe.repeats)]
        made = [self._one(frames, key) for key in keys]
        return {
            "frames": np.stack(made),
            "label": np.int64(self.labels[index]),
            "key": np.int64(keys[0] >> 1),
        }

    def _one(self, frames: NDArray[np.uint8], key: int) -> NDArray[np.float32]:
        """Frames uint8 [T, H, W, 3] as the network gets them, float32 [T, 3, S, S]."""

        of = self.recipe
        transformed = _as_fractal if of.transforms == "fractal" else _as_videomae
        clip = augment.blurred(transformed(frames, of, self.size, key), key, of.blur)
        ready = inputs.normalized(clip.permute(0, 2, 3, 1)[None])[0]
        gone = augment.erase_box(self.size, self.size, key, of.erase)
        found: NDArray[np.float32] = (augment.erased(ready, gone, key) if gone else ready).numpy()
        return found


def _as_videomae(frames: NDArray[np.uint8], of: Finetuning, size: int, key: int) -> Tensor:
    """Frames uint8 [T, H, W, 3] → augmented, cropped, mirrored: uint8 [T, 3, size, size]."""
    import torch

    clip = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
    if policy := augment.policy(of.augment):
        clip = augment.rand_augment(clip, policy, key)
    box = augment.crop_box(clip.shape[-2], clip.shape[-1], key, of.area)
    clip = augment.resized_crop(clip, box, size)
    return clip.flip(-1) if of.flip and augment.flips(key) else clip


def _as_fractal(frames: NDArray[np.uint8], of: Finetuning, size: int, key: int) -> Tensor:
    """Frames uint8 [T, H, W, 3] → cropped, mirrored, augmented, black around: uint8 [T, 3, size, size]."""
    import torch

    box = augment.crop_box(frames.shape[1], frames.shape[2], key, of.area)
    clip = torch.from_numpy(augment.cubic_crop(frames, box, size)).permute(0, 3, 1, 2).contiguous()
    clip = clip.flip(-1) if of.flip and augment.flips(key) else clip
    policy = augment.policy(of.augment)
    return clip if policy is None else augment.rand_augment(clip, policy, key, fill=0.0)


def viewed(files: Files, network: Backbone, of: Finetuning, segments: int, crops: int) -> Viewed:
    """The views of clips that a network is tested on by a recipe, of that many runs and squares."""
    cubic = of.transforms == "fractal"
    return Viewed(files, network.frames, network.image, segments, crops, of.enlarged, cubic)


def task(network: Any, backbone: Backbone, classes: int, of: Finetuning) -> nn.Module:
    """The module that turns a batch of `Augmented` into its loss: mixing, soft labels, cross-entropy.

    network: a classifier that the backbone made.
    """
    import torch
    from torch import nn

    class Classification(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            clips = batch["frames"].flatten(0, 1)
            labels = batch["label"].repeat_interleave(of.repeats)
            targets = augment.smoothed(labels, classes, of.smoothing)
            key = address("synvid_eval.training.mixing", int(batch["key"][0]))
            spans: Literal["frames", "released"] = "released" if of.spans == "released" else "frames"
            tall, wide = clips.shape[-2:]
            how = augment.mixing(tall, wide, key, of.mixup, of.cutmix, of.switch, spans)
            if how is not None:
                clips, targets = augment.mixed(clips, targets, how)
            logits = backbone.logits(self.network, clips, of.dropout)
            loss: Tensor = torch.nn.functional.cross_entropy(logits.float(), targets)
            return loss

    return Classification()


def built(begin: Start, classes: int, of: Finetuning, seed: int) -> nn.Module:
    """The classifier, with the encoder's weights it begins with."""
    return begin.into(begin.architecture.classifier(classes, seed, of.drop_path))


# -- a run -----------------------------------------------------------------------------------------


class PlannedFinetuning(labelled.PlannedFolds):
    """Fine-tuning on each fold of a split."""

    kind = KIND
    of: Finetuning

    def notes(self) -> list[str]:
        """See `labelled.PlannedFolds.notes`."""
        exchanged = augment.mirrored(self.on.split.classes, "flip", "false") if self.of.flip else []
        return [*super().notes(), *exchanged]

    def trained(self, folder: RunFolder, number: int, where: engine.Devices) -> Predictions | None:
        """See `labelled.PlannedFolds.trained`."""
        tester = _Tester(self, folder, number, where)
        done = engine.restore(folder, tester.network) if where.first else 0
        if done and tester.wanted(done) and all(row["step"] != done for row in tests(folder.path)):
            tester.test(done)  # a killed run may have saved a step and not tested it
        where.wait()
        engine.train(
            folder, self._training(number, tester.network), where, self.options.progress, tester.after
        )
        return tester.predictions() if where.first else None

    def tried(self, where: engine.Devices) -> tuple[engine.Tried | None, float]:
        """See `labelled.PlannedFolds.tried`."""
        tester = _Tester(self, RunFolder(""), 0, where)
        step = engine.tried(self._training(0, tester.network), where)
        began = time.perf_counter()
        tester.logits(self.on.split.folds[0].test[:1], self.of.segments, self.of.crops)
        return step, time.perf_counter() - began

    def _training(self, number: int, network: nn.Module) -> engine.Training:
        train = self.on.indices(self.on.split.folds[number].train)
        size = self.begin.architecture.image
        made = Augmented(self.on.files, train, self.on.labels, self.of, size, self.options.seed)
        backbone = self.begin.architecture
        passed = task(network, backbone, len(self.on.split.classes), self.of)
        return engine.Training(
            *(self.of, network, passed, self.batches(number), made, self.loaders, backbone.below),
            least=-(-backbone.least // self.of.repeats),
            cure=lambda micro, goes_on: self.cure(micro, goes_on or number > 0),
        )

    def cure(self, micro: int, goes_on: bool) -> str:
        """See `engine.Cure`: here passes decide weights, so a run, all its folds, keeps to them."""
        if micro == 1:
            return self.smaller()
        if goes_on:
            return (
                "A run keeps to its passes, within which clips are mixed: make room on the device, or begin "
                "another run with a smaller micro."
            )
        return engine.fewer_at_once(micro)


class _Tester:
    """Looks at a fold's test clips, meanwhile and at the end."""

    def __init__(self, of: PlannedFinetuning, folder: RunFolder, number: int, where: engine.Devices) -> None:
        self._of, self._folder, self._number, self._where = of, folder, number, where
        self._fold = of.on.split.folds[number]
        labels = of.on.labels
        self._labels = np.array([labels[i] for i in of.on.indices(self._fold.test)])
        self._steps = of.batches(number).steps_an_epoch
        self.network = built(of.begin, len(of.on.split.classes), of.of, of.options.seed)

    def after(self, step: int) -> None:
        """Behind every step, in every process: the first tests, where that is wanted, and all wait for it."""
        if self.wanted(step):
            if self._where.first:
                self.test(step)
            self._where.wait()

    def wanted(self, step: int) -> bool:
        """Whether an epoch ends with a step that asks for a test."""
        epoch, rest = divmod(step, self._steps)
        every = self._of.of.test_every
        return not rest and bool(every) and epoch % every == 0

    def test(self, step: int) -> None:
        """A line in `tests.csv`: how much the network knows of the test clips, a view each."""
        logits = self.logits(self._fold.test, 1, 1)[:, 0].astype(np.float64)
        labels = self._labels
        top = float((logits.argmax(axis=1) == labels).mean())
        highest = logits.max(axis=1)
        loss = float(
            np.mean(
                np.log(np.exp(logits - highest[:, None]).sum(axis=1))
                + highest
                - logits[range(len(labels)), labels]
            )
        )
        rows = [row for row in tests(self._folder.path) if row["step"] < step]
        rows.append({"step": step, "epoch": step // self._steps, "top1": 100 * top, "loss": loss})
        lines = [
            ",".join(_COLUMNS),
            *(f"{row['step']:.0f},{row['epoch']:.0f},{row['top1']!r},{row['loss']!r}" for row in rows),
        ]
        write_bytes(self._folder.path / TESTS, "".join(f"{line}\n" for line in lines).encode())

    def predictions(self) -> Predictions:
        """Of the test clips, by all their views."""
        of = self._of
        scores = [views.averaged(clip) for clip in self.logits(self._fold.test, of.of.segments, of.of.crops)]
        return of.predictions(self._number, scores)

    def logits(self, ids: Sequence[str], segments: int, crops: int) -> NDArray[np.float32]:
        """Logits float32 [clips, views, classes] of clips."""
        of, network, device = self._of, self.network, self._where.device
        architecture = of.begin.architecture
        made = viewed(of.on.files, architecture, of.of, segments, crops)
        at_once = of.of.micro or min(of.of.batch, 16)

        def run(frames: Tensor) -> Tensor:
            return architecture.logits(network, inputs.normalized(frames.to(device)))

        trained = network.training
        network.to(device).eval()
        try:
            cure = "To learn takes more than to test: does something else use it? The same command goes on."
            with engine.enough_memory(at_once, "view", device, cure):
                each = labelled.each_view(made, of.on.indices(ids), run, at_once, of.loaders)
                return np.stack(list(each))
        finally:
            network.train(trained)


def tests(folder: Path) -> list[dict[str, float]]:
    """What `tests.csv` of a run says: step, epoch, top1 [percent], loss; [] where there is none.

    Raises DataError where it cannot be read.
    """
    try:
        text = (folder / TESTS).read_text("utf-8")
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(text.splitlines())]
    except FileNotFoundError:
        return []
    except (TypeError, ValueError, OSError) as error:
        raise DataError(f"{folder / TESTS} cannot be read: {error}.", "Was it edited?") from None
