"""Classifiers: fine-tuned runs, to be asked about other clips, or the same ones damaged."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.cache import file_hash
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.networks import backbones, inputs
from synvid_eval.networks.backbones import Backbone
from synvid_eval.networks.loading import resolve_device
from synvid_eval.networks.videomae import EPSILON, LAYER_NORM
from synvid_eval.training import accuracy, engine, finetune, views
from synvid_eval.training.accuracy import Predictions
from synvid_eval.training.data import Files, Item, loader
from synvid_eval.training.finetune import Finetuning
from synvid_eval.training.labelled import PREDICTIONS, Start, Viewed
from synvid_eval.training.robustness import Case, HeldOut
from synvid_eval.training.run_folder import CONFIG, Config, RunFolder, load

if TYPE_CHECKING:
    from torch import Tensor, nn

_AT_ONCE = 16
_CURE = "Is the run whole? Fine-tune anew, or give another one."


class Finetuned:
    """A run of `train finetune`: its network, or that of each fold, with the views that its recipe tests.

    name: the folder's. tested: what it said of the clips that it was not trained on. signature: of its
    checkpoints and configs, by what is in the files.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        device: str = "auto",
        workers: int = 1,
        patience: float = 60.0,
    ) -> None:
        """Reads what the run says of itself; networks are built when they are asked.

        Args:
            workers: processes that decode, at least 1. patience: seconds without a new frame after which
            these give up.

        Raises:
            UsageError: a run of another kind. WeightsError: no run, none with a checkpoint, or a config or
            checkpoint that is damaged. DataError: a run that is not done, or whose predictions are damaged.
        """
        self._folder, self._device = Path(folder), device
        self._workers, self._patience = workers, patience
        self.name = self._folder.resolve().name
        self.tested = accuracy.read(self._folder / PREDICTIONS) if self._is_done() else _undone(self._folder)
        self._places = {clip.fold: self._place(clip.fold) for clip in self.tested.clips}
        self._configs = {fold: _config(place) for fold, place in self._places.items()}
        self._networks: dict[int, nn.Module] = {}
        for place in self._places.values():
            _check_whole(RunFolder(place).checkpoints()[-1])
        self.signature = " ".join(self._hash(fold) for fold in sorted(self._places))

    def _is_done(self) -> bool:
        return (self._folder / PREDICTIONS).is_file()

    def _place(self, fold: int) -> Path:
        """The folder of a fold: the run's own where it has one only."""
        return self._folder if (self._folder / CONFIG).is_file() else self._folder / f"fold-{fold}"

    def _hash(self, fold: int) -> str:
        """Of what decides what a fold's network says."""
        place = self._places[fold]
        return ":".join(
            file_hash(os.fspath(file)) for file in (place / CONFIG, RunFolder(place).checkpoints()[-1])
        )

    def scores(self, clips: HeldOut, asked: Sequence[Case], seed: int) -> Iterator[NDArray[np.float64]]:
        """What is said of clips in each of several cases, each clip by the network of its fold: float64
        [clips, classes] a case, each ≥ 0 with sum 1.

        Clips are decoded by other processes, the same for all cases, anew for each (why: see `robustness`).
        DataError: one cannot be read any more, or ends such a process (see `data.Watch`).
        """
        folds = {clip.id: clip.fold for clip in self.tested.clips}
        of = [folds[name] for name in clips.videos.ids]
        made = DamagedViews(self._viewed(clips), tuple(asked), seed, self._patience)
        passes = ([(number, index)] for number in range(len(asked)) for index in range(len(of)))
        each = (batch["views"][0] for batch in loader(made, passes, self._workers))
        for _ in asked:
            yield np.stack([self._said(next(each), fold) for fold in of])

    def _viewed(self, clips: HeldOut) -> Viewed:
        """The views that are tested of undamaged clips: all folds are of one recipe."""
        config = next(iter(self._configs.values()))
        of, network = _recipe(config), _architecture(config)
        files = Files(
            clips.videos,
            clips.totals,
            frames=network.frames,
            stride=of.stride,
            short=of.short,
            patience=self._patience,
        )
        return finetune.viewed(files, network, of, of.segments, of.crops)

    def _said(self, clip: Tensor, fold: int) -> NDArray[np.float64]:
        """What the network of a fold says of a clip's views uint8 [views, T, S, S, 3]: float64 [classes]."""
        import torch

        of, device = _recipe(self._configs[fold]), resolve_device(self._device)
        at_once = of.micro or min(of.batch, _AT_ONCE)
        cure = "Does something else use it? Else take another --device; the same command goes on."
        with engine.enough_memory(at_once, "view", device, cure), torch.inference_mode():
            module = self._network(fold).to(device)
            parts = (clip[i : i + at_once].to(device) for i in range(0, len(clip), at_once))
            network = _architecture(self._configs[fold])
            logits = [network.logits(module, inputs.normalized(part)).float().cpu() for part in parts]
            return views.averaged(torch.cat(logits).numpy())

    def _network(self, fold: int) -> nn.Module:
        if fold not in self._networks:
            of = self._configs[fold]
            begin = Start(self.name, _architecture(of), None, of["run"].get(LAYER_NORM, EPSILON))
            network = finetune.built(begin, len(self.tested.classes), _recipe(of), 0)
            file = RunFolder(self._places[fold]).checkpoints()[-1]
            try:
                network.load_state_dict(load(file).network)
            except DataError as error:
                raise WeightsError(error.message, _CURE) from None
            except RuntimeError as error:
                said = str(error).strip().splitlines()
                raise WeightsError(f"{file} is of another network: {said[-1].strip()}") from None
            self._networks[fold] = network.eval()
        return self._networks[fold]


@dataclass(frozen=True)
class DamagedViews:
    """(number of a case, index of a clip) → its views; see `Viewed`.

    plain: of the clips as they are. Corruptions of time change which of the frames that are looked at are
    shown; the others damage each frame before it is brought to any size.
    """

    plain: Viewed
    asked: tuple[Case, ...]
    seed: int
    patience: float

    def __call__(self, item: Item) -> dict[str, Any]:
        number, index = item
        case, files = self.asked[number], self.plain.files
        shown = case.shown(self.plain.grid(index), files.videos.ids[index], self.seed)
        one = replace(files.videos, clips=(files.clips[index],))
        damaged = case.damaged(one, self.seed)
        if damaged is one:
            return self.plain.showing(index, shown)
        alone = Files(
            damaged,
            [files.totals[index]],
            frames=files.frames,
            stride=files.stride,
            short=files.short,
            patience=self.patience,
        )
        return replace(self.plain, files=alone).showing(0, shown)


def _undone(folder: Path) -> Predictions:
    """Raises what is wrong with a folder that holds no predictions."""
    if not folder.is_dir():
        raise WeightsError(f"{folder} is no run: there is no such folder.", "Give a run of train finetune.")
    config = RunFolder(folder).told()
    if config is None:
        raise DataError(f"{folder} holds no {PREDICTIONS}.", "Is it a run of train finetune, and done?")
    _check_kind(folder, config)
    raise DataError(f"{folder} is not done: it holds no {PREDICTIONS}.", "Let it run on.")


def _config(folder: Path) -> Config:
    config = RunFolder(folder).told()
    if config is not None:
        _check_kind(folder, config)
    if config is None or not RunFolder(folder).checkpoints():
        raise WeightsError(f"{folder} holds no run with a checkpoint.", "Is the run whole?")
    try:
        _architecture(config)
        _recipe(config)
    except (KeyError, TypeError, UsageError) as error:
        raise WeightsError(f"{folder / CONFIG} names no network or recipe: {error}.", _CURE) from None
    return config


def _check_whole(file: Path) -> None:
    """Refuses a checkpoint that is cut short or none; its tensors are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} cannot be read: {error}.", _CURE) from None


def _check_kind(folder: Path, config: Config) -> None:
    kind = config.get("run", {}).get("kind")
    if kind != finetune.KIND:
        raise UsageError(
            f"{folder} is a run of kind {kind}, which is no classifier that robustness can ask.",
            "Fine-tune it: train finetune RUN SET.",
        )


def _architecture(config: Config) -> Backbone:
    return backbones.of_table(config["network"])


def _recipe(config: Config) -> Finetuning:
    known = {field.name for field in dataclasses.fields(Finetuning)}
    return Finetuning(**{key: value for key, value in config["recipe"].items() if key in known})
