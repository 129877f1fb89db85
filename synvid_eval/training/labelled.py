"""What fine-tuning and probing share: where the network comes from, a labelled set and its split, the views
that are tested, what is left of them (`predictions.json`, `accuracy.csv`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import __version__, accuracies, knobs, sets
from synvid_eval.archive import write_bytes
from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.measurement import Options
from synvid_eval.networks import backbones, checkpoints
from synvid_eval.networks.backbones import Backbone
from synvid_eval.networks.loading import resolve_device
from synvid_eval.networks.videomae import EPSILON, LAYER_NORM
from synvid_eval.training import accuracy, crops, data, engine, methods, pretrain, recipe, splits, views
from synvid_eval.training.accuracy import Prediction, Predictions
from synvid_eval.training.data import Batches, Files, Item, loader
from synvid_eval.training.methods.base import LEFT, OWN
from synvid_eval.training.pretrain import losses, outcome
from synvid_eval.training.recipe import Optimization
from synvid_eval.training.run_folder import CARD, CHECKPOINTS, Config, RunFolder
from synvid_eval.training.splits import Split
from synvid_eval.video.videoset import VideoSet

if TYPE_CHECKING:
    from torch import Tensor, nn

ADAPTED = "-adapted"
"""Behind the name of what the recipe of a pre-training adapted: the same preset as it is, is another set.
Made of letters that names of sets are made of (`sets.split_name`), so that a measured set can be called so.
"""
SCRATCH = "scratch"
"""In the place of a RUN: a network with drawn weights, whatever lies there; ./scratch is a folder."""
PREDICTIONS, ACCURACY, FOLDS = "predictions.json", "accuracy.csv", "folds.toml"
UNBOUND = (pretrain.UNBOUND | {"test_every"}) - {"micro"}
"""Keys of a config that may differ when a run goes on. Passes may not: clips are mixed, and values dropped,
within a pass, so `micro` and the number of processes decide weights here.
"""


@dataclass(frozen=True)
class Start:
    """Where a network comes from.

    name: what a table of accuracies calls it: what it was pre-trained on, with ADAPTED behind it where the
    recipe of that adapted it. tensors: of its encoder, as
    `checkpoints.Checkpoint` holds them; None: drawn. epsilon: of its layer norms. signature: of their
    file, "" where they are drawn. classes: that it has learned in pre-training, if any. method: of its
    pre-training, one of `methods.METHODS`, or SCRATCH.
    """

    name: str
    architecture: Backbone
    tensors: dict[str, Tensor] | None
    epsilon: float = EPSILON
    signature: str = ""
    family: str = ""
    classes: tuple[str, ...] = ()
    method: str = methods.DEFAULT

    def into(self, module: nn.Module) -> nn.Module:
        """A module that its architecture made, with the weights that it begins with, in eval mode."""
        if self.tensors is not None:
            self.architecture.take(module, self.tensors, self.epsilon)
        else:
            self.architecture.norms(module, self.epsilon)
        return module.eval()


def backbone(location: str) -> str | None:
    """One of `backbones.NAMES`: what the network of a RUN is, by its config; None for `scratch`. What is
    wrong with it is told by `start`.
    """
    if location == SCRATCH:
        return None
    said = None
    with contextlib.suppress(WeightsError):
        said = _config(location).get("network", {}).get("backbone")
    return said if said in backbones.NAMES else backbones.VIT


def check_own(location: str, asked: Sequence[str]) -> None:
    """Refuses, by a UsageError, settings of a network that is there already (see `start`)."""
    if asked and location != SCRATCH:
        raise UsageError(
            f"--set {asked[0]} means nothing for {location}: its network is there already.",
            f"It is for {SCRATCH}; what else a network was trained with stands in its config.",
        )


def start(location: str, network: Backbone, asked: Sequence[str] = ()) -> Start:
    """The network that `train finetune RUN` and `train probe RUN` begin with.

    Args:
        location: `scratch`, or what `checkpoints.find` takes: a run of ours, a folder of transformers, the
            authors' file. network: of the recipe, for `scratch`. asked: settings `network.…`, `size` and
            `backbone`, which mean something for `scratch` only.

    Raises:
        UsageError: settings of a network that is there already; a run of ours that is no pre-training: it
        may have learned from clips that are to be tested. WeightsError: its config cannot be read. DataError,
        WeightsError: see `checkpoints.find`.
    """
    if location == SCRATCH:
        return Start(SCRATCH, network, None, family=SCRATCH, method=accuracies.SCRATCH)
    check_own(location, asked)
    config = _config(location)
    run = config.get("run", {})
    if run and run.get("kind") != pretrain.KIND:
        raise UsageError(
            f"{location} is of a run of kind {run.get('kind')}, which has seen labels.",
            f"Give the run of train pretrain that it began with: {run.get('source', 'see its card.md')}.",
        )
    found = checkpoints.find(location)
    if found.tensors is None:
        raise UsageError(f"{location} is a network with drawn weights.", f"Say {SCRATCH}, and --seed.")
    name = sets.default_name(str(run["location"])) if "location" in run else found.name
    if config.get("recipe", {}).get("adapt", OWN) not in LEFT:
        name += ADAPTED
    return Start(
        *(name, found.architecture, dict(found.tensors), found.epsilon, found.signature),
        classes=tuple(run.get("classes", ())),
        method=run.get("method", methods.DEFAULT),  # files of others are VideoMAE's
    )


def _config(location: str) -> Config:
    """The config of a run of ours, by its folder, by that of its folds or by a checkpoint in it; {} for
    anything else. WeightsError: it cannot be read.
    """
    path = Path(location)
    if path.parent.name == CHECKPOINTS and not path.is_dir():
        path = path.parent.parent
    if not path.is_dir():
        return {}
    return RunFolder(path).told() or _Folds(path).told() or {}


def check_settings(settings: Sequence[str], idle: Mapping[str, str]) -> None:
    """Refuses, by a UsageError, a `NAME=VALUE` of a knob that decides nothing (see `PlannedFolds.idle`)."""
    for setting in settings:
        if of := idle.get(setting.partition("=")[0]):
            raise UsageError(f"--set {setting} means nothing for {of}.", "Leave it away.")


@dataclass(frozen=True)
class Labelled:
    """A set whose clips can be read, and how it is divided. kept: whether all frames are in memory."""

    files: Files
    split: Split
    kept: bool = False

    @property
    def labels(self) -> tuple[int, ...]:
        """The class of each clip of `files`, as its place in `split.classes`; −1 of clips in no fold."""
        places = {name: i for i, name in enumerate(self.split.classes)}
        return tuple(places.get(self.split.labels.get(i, ""), -1) for i in self.files.videos.ids)

    def indices(self, ids: Sequence[str]) -> tuple[int, ...]:
        """Clip ids as places in `files`."""
        places = {clip: i for i, clip in enumerate(self.files.videos.ids)}
        return tuple(places[i] for i in ids)

    def notes(self) -> list[str]:
        """What a user should know of them."""
        return [self.split.said, *self.split.notes, *self.files.notes()]


def prepared(location: str, asked: str, options: Options, **found: Any) -> VideoSet:
    """A labelled SET that can be divided as asked, its clips not looked at yet: what is wrong with either is
    told before every clip is opened.

    asked: see `splits.split`. found: keywords of `sets.open_set`. Raises UsageError and DataError: see both.
    """
    if asked.startswith(splits.KFOLD):
        splits.folds_asked(asked)
    videos = sets.open_set(location, seed=options.seed, decode_timeout=options.decode_timeout, **found)
    splits.split(videos, asked, options.seed)
    return videos


def read(videos: VideoSet, asked: str, options: Options, frames: int, stride: int, short: int) -> Labelled:
    """What was `prepared`, each clip looked at, and its split.

    asked: as there. frames, stride, short: see `data.Files`. Raises DataError: see `data.read`.
    """
    files = data.read(videos, options, seed=options.seed, frames=frames, stride=stride, short=short)
    return Labelled(files, splits.split(files.videos, asked, options.seed), kept(files, options))


@dataclass(frozen=True)
class Whole:
    """(0, index of a clip) → all its frames uint8 [T, H, W, 3]."""

    files: Files

    def __call__(self, item: Item) -> dict[str, Any]:
        _, index = item
        return {"frames": self.files.taken(index, range(self.files.totals[index]))}


def kept(files: Files, options: Options) -> bool:
    """Whether all frames of a set are small enough to stay in memory; where they are, they are decoded, in
    another process, and stay.
    """
    if not files.short:
        return False
    options.progress.begin(f"{files.name}: decoding", len(files))
    for index, batch in enumerate(loader(Whole(files), ([(0, i)] for i in range(len(files))), 1)):
        frames = batch["frames"][0].numpy()
        if index == 0 and frames[0].nbytes * sum(files.totals) > data.KEPT_BYTES / 2:
            return False
        files.keep(index, frames)
        options.progress.advance(1, cached=False)
    return True


# -- views -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Viewed:
    """(0, index of a clip) → its views uint8 [segments · crops, T, S, S, 3]; see `views`. enlarged: short
    side of the frames that squares are taken from, in sides of a square. cubic: how they are resized.

    A clip shorter than T · stride frames is looked at as it is learned from, at the largest stride that fits
    (`Files.fitting`); the released code keeps the stride and repeats the last frame.
    """

    files: Files
    frames: int
    size: int
    segments: int
    crops: int
    enlarged: float = 1.0
    cubic: bool = False

    def __call__(self, item: Item) -> dict[str, Any]:
        _, index = item
        return self.showing(index, self.grid(index))

    def grid(self, index: int) -> range:
        """Which frames of a clip its runs are taken from."""
        total = self.files.totals[index]
        return range(0, total, self.files.fitting(total))

    def showing(self, index: int, grid: Sequence[int]) -> dict[str, Any]:
        """The views of a clip that shows the frames `grid`, in that order."""
        places_of = views.runs(len(grid), self.frames, 1, self.segments)
        runs = [tuple(grid[place] for place in run) for run in places_of]
        wanted = sorted({i for run in runs for i in run})
        frames = self.files.taken(index, wanted)
        tall, wide = views.short_side(frames.shape[1], frames.shape[2], int(self.size * self.enlarged))
        frames = (crops.cubic if self.cubic else crops.resized)(frames, tall, wide)
        places = {frame: i for i, frame in enumerate(wanted)}
        made = [
            frames[[places[i] for i in run], top : top + self.size, left : left + self.size]
            for run in runs
            for top, left in views.squares(tall, wide, self.crops, self.size)
        ]
        return {"views": np.stack(made)}


def each_view(
    made: Viewed, indices: Sequence[int], run: Callable[[Tensor], Tensor], at_once: int, workers: int
) -> Iterator[NDArray[np.float32]]:
    """What a network gives for each view of each clip, in order: float32 [views, …] a clip.

    Args:
        run: frames uint8 [B, T, S, S, 3] on the CPU → a tensor [B, …]. at_once: views a pass, so that the
        same views are always passed together. workers: processes that decode.
    """
    import torch

    passes = ([(0, index)] for index in indices)
    for batch in loader(made, passes, workers):
        clip = batch["views"][0]
        with torch.inference_mode():
            parts = [run(clip[i : i + at_once]).float().cpu() for i in range(0, len(clip), at_once)]
        yield torch.cat(parts).numpy()


# -- what comes out --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """What a row of a table of accuracies says beside the accuracy. method, split, note: said by what is
    trained (`PlannedFolds`).
    """

    dataset: str
    benchmark: str
    protocol: str
    model: str
    family: str = ""
    seed: str = ""
    source: str = ""
    method: str = ""
    split: str = ""
    note: str = ""


def leave(folder: Path, predictions: Predictions, named: Named) -> dict[str, str]:
    """Writes the row of a table of accuracies and predictions into a folder; returns the row. OSError.

    Predictions are last: a folder that has them is done.
    """
    one = accuracy.row(predictions, **vars(named))
    accuracy.add_row(folder / ACCURACY, one)
    accuracy.write(predictions, folder / PREDICTIONS)
    return one


def check_out(out: str | os.PathLike[str], reads: Sequence[str]) -> None:
    """Refuses, by a UsageError, a folder to write into that is one of those that are read, or lies in it."""
    real = Path(os.path.realpath(out))
    for place in reads:
        source = Path(os.path.realpath(place))
        if source.exists() and real.is_relative_to(source):
            what = "is" if real == source else "lies in"
            raise UsageError(f"--out {os.fspath(out)} {what} {place}, which is read.", "Give another folder.")


class _Tested(RunFolder):
    """A run that is tested: its features and predictions are kept, too."""

    def kept(self) -> bool:
        """See `RunFolder.kept`."""
        return any(self.path.rglob("*.safetensors")) or any(self.path.rglob(PREDICTIONS))


class _Folds(_Tested):
    """The folder that holds the folders of folds. What they share stands in FOLDS."""

    config_file = FOLDS


class PlannedFolds:
    """A training on each fold of a split, and the predictions of what was left out; nothing is written yet.

    Args:
        begin: where the network comes from, and `source`, how that was said. location: of what is learned,
        and `on`, the same opened and divided. of: the recipe. named: what a table of accuracies says of it.
        device: see `engine.devices`. loaders: processes that decode and augment; None: none where all frames
        are in memory, else one, or where a GPU trains one a processor.
    """

    kind = ""

    @staticmethod
    def idle(of: Any) -> dict[str, str]:
        """Knobs of a recipe of this kind that decide nothing: name → of what, for people."""
        return {}

    @staticmethod
    def check(of: Any) -> None:
        """Refuses, by a UsageError, a recipe of this kind that cannot be."""

    def __init__(
        self,
        begin: Start,
        source: str,
        location: str,
        on: Labelled,
        of: Optimization,
        named: Named,
        options: Options,
        *,
        device: str = "auto",
        loaders: int | None = None,
    ) -> None:
        self.check(of)
        self.begin, self.source, self.location, self.on, self.of = begin, source, location, on, of
        self.named = replace(named, method=begin.method, split=on.split.called)
        self.options = options
        self._device, self._loaders = device, loaders
        self._world = 1

    def trained(self, folder: RunFolder, number: int, where: engine.Devices) -> Predictions | None:
        """Trains a fold in its folder, which has its config, and tests it; None in processes that are not the
        first.
        """
        raise NotImplementedError

    def made(self, out: str | os.PathLike[str]) -> dict[str, Any]:
        """Trains and tests into the folder `out`, or goes on with what a killed run left; what came out.

        Raises UsageError and DataError: see `engine.train` and `RunFolder.begin`.
        """
        import torch

        count, root = len(self.on.split.folds), Path(out)
        found = []
        before = torch.get_num_threads()
        with engine.devices(self._device) as where, contextlib.ExitStack() as held:
            held.callback(torch.set_num_threads, before)
            self._world = where.world
            for note in self.notes() if where.first else ():
                self.options.progress.say(note)
            if where.first and count > 1:
                whole_run = _Folds(root)
                held.enter_context(whole_run.held())
                whole_run.begin(self._shared(), UNBOUND, self._unsaid)
            for number in range(count):
                place = root / f"fold-{number}" if count > 1 else root
                found.append(self._fold(_Tested(place), number, where))
        folds = [one for one in found if one is not None]
        if not folds:
            return {}
        whole = accuracy.merge(folds)
        return {"run": os.fspath(root), "row": leave(root, whole, self._named()), **accuracy.document(whole)}

    def notes(self) -> list[str]:
        """What a user should know of the clips and of where the network comes from."""
        learned = self._learned()
        return [*self.on.notes(), learned] if learned else self.on.notes()

    def _learned(self) -> str:
        """That the network has learned classes that are tested, in labelled pre-training; "" where not."""
        classes = self.on.split.classes
        both = len({*self.begin.classes} & {*classes})
        if not both:
            return ""
        return (
            f"{self.source} has learned {both} of the {len(classes)} classes of {self.location}: "
            "tested clips may be among its own"
        )

    def _named(self) -> Named:
        """What the row says beside the accuracy, with what makes the accuracy doubtful."""
        doubts = (self._learned(), self.on.split.divided)
        return replace(self.named, note="; ".join(doubt for doubt in doubts if doubt))

    def tried(self, where: engine.Devices) -> tuple[engine.Tried | None, float]:
        """(what a step takes, None where it is nothing beside looking; seconds to look at all views of a
        clip), of the first fold; nothing is kept.
        """
        raise NotImplementedError

    def rehearsed(self) -> dict[str, Any]:
        """What would be trained and tested, with its time, from a few steps and a clip that are tried."""
        folds = self.on.split.folds
        with engine.devices(self._device) as where:
            tried, clip = self.tried(where)
            world = where.world
        step = 0.0 if tried is None else tried.seconds
        steps = [self.of.schedule(self.batches(k).steps_an_epoch).steps for k in range(len(folds))]
        looked = self.looked()
        return {
            "kind": self.kind,
            "set": self.on.files.name,
            "split": self.on.split.said,
            "folds": [{"train": len(f.train), "test": len(f.test)} for f in folds],
            "steps": sum(steps),
            "seconds_a_step": step,
            "seconds_a_clip": clip,
            "seconds": sum(steps) * step + looked * clip,
            **({} if tried is None else engine.told(tried, self.of.micro or self.of.batch // world)),
            **self._what(),
        }

    def smaller(self) -> str:
        """What to try where a clip alone is too much for a device's memory."""
        if self.begin.tensors is None:
            return engine.SMALLER
        return f"The network is as {self.source} has it: take another --device, or begin with a smaller one."

    def looked(self) -> int:
        """How many clips are looked at by all their views, over all folds."""
        return sum(len(fold.test) for fold in self.on.split.folds)

    def _fold(self, folder: RunFolder, number: int, where: engine.Devices) -> Predictions | None:
        import torch

        with contextlib.ExitStack() as held:
            done = None
            if where.first:
                held.enter_context(folder.held())
                goes_on = folder.begin(self.config(number), UNBOUND, self._unsaid)
                if goes_on and (folder.path / PREDICTIONS).exists():
                    done = accuracy.read(folder.path / PREDICTIONS)
                    self.options.progress.say(f"{folder.path}: done before, not done again")
            if where.world > 1:
                shared = [done is not None]
                torch.distributed.broadcast_object_list(shared)
                if shared[0]:
                    return done
            elif done is not None:
                return done
            config = folder.config() or self.config(number)
            torch.set_num_threads(config["run"]["threads"])
            found = self.trained(folder, number, where)
            if found is not None:
                write_bytes(folder.path / CARD, self._card(folder, config, found).encode())
                leave(folder.path, found, self._named())
            where.wait()
        return found

    def config(self, number: int) -> Config:
        """All that decides the weights of a fold; see `RunFolder`."""
        import torch

        split = self.on.split
        run = {
            "kind": self.kind,
            "begin": self.begin.signature or SCRATCH,
            **({} if self.begin.epsilon == EPSILON else {LAYER_NORM: self.begin.epsilon}),
            "source": self.source,
            "location": self.location,
            "set": self.on.files.identity(),
            "split": split.name,
            "fold": number,
            "clips": len(split.folds[number].train),
            "classes": list(split.classes),
            "seed": self.options.seed,
            "steps": self.of.schedule(self.batches(number).steps_an_epoch).steps,
            "world": self._world,
            "threads": torch.get_num_threads(),
            "version": __version__,
        }
        return {"run": run, **self._what()}

    @property
    def _unsaid(self) -> dict[tuple[str, str], Any]:
        """What a config that does not say it means (see `RunFolder.begin`): older ones never say the ε."""
        return {("run", LAYER_NORM): self.begin.epsilon}

    def _shared(self) -> Config:
        """What all folds have in common of their configs."""
        found = self.config(0)
        own = ("fold", "clips", "steps")
        return {**found, "run": {k: v for k, v in found["run"].items() if k not in own}}

    def _what(self) -> dict[str, dict[str, Any]]:
        """The network as it is, and the recipe, whose `size` is left away where the network has none."""
        network, chosen = self.begin.architecture, recipe.told(self.of)
        if network.size is None:
            chosen.pop("size", None)
        else:
            chosen["size"] = network.size
        return {"network": knobs.values(network), "recipe": chosen}

    def batches(self, number: int) -> Batches:
        """Which clips of a fold make each step's batch."""
        count = len(self.on.split.folds[number].train)
        return Batches(count, self.of.batch, self.options.seed, f"{self.on.files.key}/{number}")

    @property
    def loaders(self) -> int:
        """Processes that decode and augment."""
        if self._loaders is not None:
            return self._loaders
        if self.on.kept:
            return 0
        return self.options.worker_count() if resolve_device(self._device).startswith("cuda") else 1

    def predictions(self, number: int, scores: Sequence[NDArray[np.float64]]) -> Predictions:
        """Of a fold's test clips, from their scores float64 [classes]."""
        split = self.on.split
        clips = tuple(
            Prediction(i, split.labels[i], split.groups[i], number, tuple(map(float, s)))
            for i, s in zip(split.folds[number].test, scores, strict=True)
        )
        about = {
            "kind": self.kind,
            "begin": self.begin.signature or SCRATCH,
            "source": self.source,
            "location": self.location,
            "seed": self.options.seed,
            **self._what(),
        }
        return Predictions(split.classes, split.name, clips, about)

    def _card(self, folder: RunFolder, config: Config, found: Predictions) -> str:
        """What a run says of itself, for people."""
        run, chosen = config["run"], config["recipe"]
        network = backbones.of_table(config["network"])
        one = accuracy.accuracy(found.hits(), found.groups())
        low, high = one.by_clip
        facts = {
            "trained": f"{network.title}, {len(found.classes)} classes (synvid-eval train {self.kind})",
            "from": run["source"],
            "on": f"{run['clips']:,} clips of {run['location']}, --split {run['split']}, fold {run['fold']}, "
            f"seed {run['seed']}",
            "network": f"{network.said}, {network.frames} frames of {network.image} px",
        }
        if folder.rows():
            came = outcome(folder)
            facts["steps"] = (
                f"{came['done']:,} of {chosen['batch']} clips, learning rate {chosen['lr']:g} for "
                f"{recipe.PER}"
            )
            facts["loss"] = losses(came)
        facts["top 1"] = f"{one.value:.1f} % of {one.clips} clips ({low:.1f} to {high:.1f} by clip)"
        facts["made with"] = f"synvid-eval {run['version']}"
        lines = [f"# {folder.path.name}", "", *(f"- **{key}**: {value}" for key, value in facts.items())]
        lines += [f"- **note**: {note}" for note in self.notes()]
        lines += [
            "",
            "All that decides the numbers stands in `config.toml`; `log.csv` holds a row a step.",
            "",
        ]
        return "\n".join(lines)
