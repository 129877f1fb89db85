"""Presets as PyTorch data sets: clips drawn when they are asked for, on whatever process asks.

    from torch.utils.data import DataLoader
    from synvid_eval.generators import Clips, ClipStream

    clips = Clips("moving_shapes", 9537, size="224", floats=True)
    loader = DataLoader(clips, batch_size=32, shuffle=True, num_workers=8)

    stream = ClipStream(clips, batch=32)                           # rank-aware, resumable
    loader = DataLoader(stream, batch_size=32, num_workers=8)

An item is a run of 16 frames at stride 4 (Yu et al. 2024), of which only those 16 are drawn. Where it starts
is a function of (seed, preset, clip index, epoch): `set_epoch` before an epoch, as with torch's
DistributedSampler. A run of n frames at stride s takes up n · s frames, as in the released code: of T frames
it starts at one of the first T − n · s + 1, so the last s − 1 frames of a clip are never seen.
`starts="all"` takes every start whose last frame is in the clip, T − (n − 1) s of them. A clip too short for
the stride is taken at the largest one that fits.

torch is imported when a data set is made, not with this module.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import presets
from synvid_eval.generators.base import interval
from synvid_eval.networks.inputs import MEAN, STD

if TYPE_CHECKING:
    import torch

ORDERS = ("TCHW", "CTHW", "THWC")
STARTS = ("released", "all")


class Clips:
    """A map-style data set of a preset's clips.

    Args:
        preset: `NAME`, `FILE.toml` or `FILE.toml#NAME`.
        count: how many clips (default: the preset's own number).
        seed: seed of every random draw.
        frames, stride: of an item.
        starts: "released" or "all" (see the module's docstring).
        floats: float32, normalized by MEAN and STD, instead of uint8.
        order: of the axes: "TCHW", "CTHW" or "THWC".
        fresh: each epoch has clips of its own: clip i of epoch e is clip e · count + i of the preset.
        curriculum: epochs in which what `adapt` does grows to its full strength, linearly (published: 5); 0:
        all of it from the first one on.
        transform: is given each item's tensor, and what it returns is the item.
        settings: knobs, such as size="224".

    Raises:
        UsageError: unknown preset, knob, order or starts, values out of range; a preset with a real part,
        whatever `videos` says: its files can be made and read. DataError: pictures that the preset needs are
        not given (images="pictures/") or missing.
    """

    def __init__(
        self,
        preset: str,
        count: int | None = None,
        *,
        seed: int = 0,
        frames: int = 16,
        stride: int = 4,
        starts: str = "released",
        floats: bool = False,
        order: str = "TCHW",
        fresh: bool = False,
        curriculum: int = 0,
        transform: Callable[[Any], Any] | None = None,
        **settings: Any,
    ) -> None:
        chosen = presets.find(preset)
        self.generator = chosen.configured(**{k: str(v) for k, v in settings.items()})
        self.name, self.seed = chosen.name, seed
        self._count = chosen.clips if count is None else count
        if self._count < 1 or frames < 1 or stride < 1:
            raise UsageError(f"count={count}, frames={frames}, stride={stride}: each is 1 or more.")
        if order not in ORDERS:
            raise UsageError(f"No order is called {order!r}.", f"One of: {', '.join(ORDERS)}.")
        if getattr(self.generator, "real_share", 0):
            raise UsageError(
                f"{self.name} has a real part, which no generator draws.",
                "Make its files (synvid-eval generate) and read those.",
            )
        if curriculum < 0 or (curriculum and not self.generator.adapt):
            raise UsageError(
                f"curriculum={curriculum} means nothing here.",
                "It is a number of epochs, for clips that are adapted: adapt=published, curriculum=5.",
            )
        if starts not in STARTS:
            raise UsageError(f"starts={starts} is not possible.", f"One of: {', '.join(STARTS)}.")
        self.generator.identity(seed)  # what it reads from elsewhere is there: told here, not by a worker
        self._frames, self._stride, self._floats, self._order = frames, stride, floats, order
        self._starts = starts
        self._fresh, self._transform = fresh, transform
        self._curriculum = curriculum
        self.shortened = ""
        # shared, so that workers that outlive an epoch hear of the next one
        self._epoch = _shared(1)
        if "length" in knobs.names(self.generator):
            shortest = int(interval(self.generator, "length")[0])
            if shortest < frames:
                raise UsageError(
                    f"{self.name} has clips of {shortest} frames, fewer than {frames}.",
                    f"Set length={frames} or more, or frames={shortest}.",
                )
            self._fitting(shortest)

    def __len__(self) -> int:
        """The number of clips."""
        return self._count

    def set_epoch(self, epoch: int) -> None:
        """Chooses other starts (and with `fresh` other clips); to be called between epochs."""
        if epoch < 0:
            raise UsageError(f"epoch {epoch} is negative.", "Epochs count from 0.")
        self._epoch[0] = epoch

    @property
    def fresh(self) -> bool:
        """Whether each epoch has clips of its own."""
        return self._fresh

    @property
    def epoch(self) -> int:
        """The epoch whose items are given."""
        return int(self._epoch[0])

    def chosen(self, index: int, epoch: int | None = None, view: int | None = None) -> tuple[int, list[int]]:
        """(the preset's clip, its frames) of item `index`, 0 ≤ index < len, of an epoch (default: this).
        view: see `array`.
        """
        when = self.epoch if epoch is None else epoch
        clip = when * self._count + index if self._fresh else index
        total = self.generator.clip_length(self.seed, self.name, clip)
        stride = self._fitting(total)
        starts = total - self._taken(stride) + 1
        seen = () if view is None else ("view", view)
        key = randomness.address("synvid_eval.generators.clips", self.seed, self.name, clip, when, *seen)
        first = (key * starts) >> 64
        return clip, [first + i * stride for i in range(self._frames)]

    def _fitting(self, total: int) -> int:
        """The stride for a clip of that many frames; a lower one than asked is told of once."""
        most = next((s for s in range(self._stride, 1, -1) if self._taken(s) <= total), 1)
        if total < self._frames:
            raise UsageError(
                f"{self.name} has a clip of {total} frames, fewer than {self._frames}.", "Take fewer frames."
            )
        if most < self._stride and not self.shortened:
            self.shortened = (
                f"clips of {total} frames are too short for {self._frames} frames at stride {self._stride}: "
                f"such clips are taken at the largest stride that fits, down to {most}"
            )
            warnings.warn(f"{self.name}: {self.shortened}", stacklevel=3)
        return most

    def _taken(self, stride: int) -> int:
        """How many frames of a clip a run takes up."""
        return self._frames * stride - (0 if self._starts == "released" else stride - 1)

    def label(self, index: int, epoch: int | None = None) -> str | None:
        """The class of item `index`, of an epoch (default: this); None where the preset has no classes.

        Labels are names, such as class_0007; `Generator.catalog` of `clips.generator` lists them all.
        """
        clip, _ = self.chosen(self._place(index), epoch)
        return self.generator.label(self.seed, self.name, clip)

    def _place(self, index: int) -> int:
        """The item of an index as of a sequence; IndexError where there is none."""
        place = index + self._count if index < 0 else index
        if not 0 <= place < self._count:
            raise IndexError(f"clip {index} of {self._count}")
        return int(place)

    def array(
        self, index: int, epoch: int | None = None, view: int | None = None, batch: int | None = None
    ) -> NDArray[np.uint8]:
        """The frames of item `index`: uint8 [frames, H, W, 3] RGB.

        view: number of a view of the item, where several are taken: each has a start of its own, and what
        `adapt` does is drawn anew for it in each epoch. None: the item, adapted as its files would be. batch:
        of a view: the number of the batch, of all epochs together, whose items share the draws of camera and
        time. None: none do.
        """
        clip, frames = self.chosen(index, epoch, view)
        again = self._again(epoch, view, batch)
        drawn = self.generator.draw(self.seed, self.name, clip, frames, self.strength(epoch), again)
        return np.stack(list(drawn))

    def _again(self, epoch: int | None, view: int | None, batch: int | None) -> tuple[int, ...]:
        """What else draws are addressed by, see `Generator.draw`."""
        if view is None:
            return ()
        when = self.epoch if epoch is None else epoch
        return (when, view) if batch is None else (when, view, batch)

    def truth(
        self,
        index: int,
        epoch: int | None = None,
        view: int | None = None,
        kinds: Sequence[str] | None = None,
        batch: int | None = None,
    ) -> dict[str, NDArray[Any]]:
        """What is exactly known of `array(index, epoch, view, batch)`; see `Generator.truth`."""
        clip, frames = self.chosen(index, epoch, view)
        again = self._again(epoch, view, batch)
        return self.generator.truth(self.seed, self.name, clip, frames, kinds, self.strength(epoch), again)

    def strength(self, epoch: int | None = None) -> float:
        """How much of `adapt` is done in an epoch (default: this), in [0, 1]."""
        when = self.epoch if epoch is None else epoch
        return min(1.0, when / self._curriculum) if self._curriculum else 1.0

    def __getitem__(self, index: int) -> Any:
        """Item `index` as a tensor in the order of axes that was asked for, transformed."""
        return self.item(index)

    def item(self, index: int, epoch: int | None = None) -> Any:
        """As `clips[index]`, of an epoch."""
        import torch

        array = self.array(self._place(index), epoch)
        axes = {"TCHW": (0, 3, 1, 2), "CTHW": (3, 0, 1, 2), "THWC": (0, 1, 2, 3)}[self._order]
        tensor: torch.Tensor
        if self._floats:
            scale = 1 / (255 * np.array(STD, np.float32))
            shift = np.array(MEAN, np.float32) / np.array(STD, np.float32)
            normal = array.astype(np.float32) * scale.astype(np.float32) - shift
            tensor = torch.from_numpy(np.ascontiguousarray(normal.transpose(axes)))
        else:
            tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))
        return tensor if self._transform is None else self._transform(tensor)


def _shared(count: int) -> torch.Tensor:
    """Whole numbers, 0, that processes share."""
    import torch

    found: torch.Tensor = torch.zeros(count, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
    return found


class _Stream:
    """An iterable data set of `Clips` for one rank, resumable. Each iteration is an epoch: the first gives
    epoch 0, the next epoch 1, and so on, whether or not the one before was gone through to its end;
    `set_epoch` says which one the next iteration gives.

    Give a DataLoader the same `batch` as its `batch_size`: then batches are the same, in the same order, for
    any number of workers. All ranks have equally many clips: what cannot be shared out evenly is left out, in
    each epoch something else.

    To go on in the middle of an epoch: keep `state_dict()` beside a checkpoint (`advance` tells it how many
    clips were trained on), and give it to `load_state_dict` of a new stream, before its loader is iterated.

    Args:
        clips: what to draw. batch: clips a batch. shuffle: each epoch in an order of its own, a function of
        (seed, preset, epoch). rank, world: default: torch.distributed's where it runs, else 0 of 1.

    Raises:
        UsageError: fewer clips than ranks, a rank out of range.
    """

    def __init__(
        self,
        clips: Clips,
        batch: int = 1,
        *,
        shuffle: bool = True,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        import torch

        if rank is None or world is None:
            group = torch.distributed
            runs = group.is_available() and group.is_initialized()
            rank, world = (group.get_rank(), group.get_world_size()) if runs else (rank or 0, world or 1)
        if not 0 <= rank < world:
            raise UsageError(f"rank {rank} of {world} does not exist.", "Ranks count from 0.")
        if batch < 1 or len(clips) < world:
            raise UsageError(f"{len(clips)} clips in batches of {batch} are too few for {world} ranks.")
        self._clips, self._batch, self._shuffle, self._rank, self._world = clips, batch, shuffle, rank, world
        # What all workers of a loader share: the epoch, the clips of it to leave out, which iteration they
        # are of (0: none yet), whether one of them has come to its end.
        self._place = _shared(4)
        self._lock = torch.multiprocessing.get_context("spawn").Lock()
        self._iterations = 0  # begun in this process
        self._trained = (0, 0)  # epoch, clips of it

    def set_epoch(self, epoch: int, done: int = 0) -> None:
        """What the next iteration gives: that epoch, without the first `done` clips of this rank."""
        if epoch < 0 or not 0 <= done <= self._each():
            raise UsageError(f"epoch {epoch} without {done} clips: an epoch has {self._each()} clips a rank.")
        with self._lock:
            for at, value in enumerate((epoch, done, 0, 0)):
                self._place[at] = value
        self._trained = (epoch, done)

    def advance(self, clips: int) -> None:
        """That many more clips of this rank were trained on, of the epoch that is being iterated."""
        epoch = int(self._place[0])
        before = self._trained[1] if self._trained[0] == epoch else 0
        self._trained = (epoch, before + clips)

    def state_dict(self) -> dict[str, Any]:
        """What was trained on last (see `advance`): the epoch, how many clips of it, and of which set."""
        epoch, done = self._trained
        if done >= self._each():
            epoch, done = epoch + 1, 0
        return {"epoch": epoch, "done": done, "set": self._set()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where a `state_dict` was taken; UsageError where that was of another set or other ranks."""
        if state.get("set", self._set()) != self._set():
            raise UsageError(
                f"The state is of {state['set']}, this stream gives {self._set()}.",
                "Take the state of the same set, seed, number of clips and number of ranks.",
            )
        self.set_epoch(int(state["epoch"]), int(state["done"]))

    def _set(self) -> str:
        clips = self._clips
        return f"{len(clips)} clips of {clips.name}, seed {clips.seed}, {self._world} ranks"

    def _each(self) -> int:
        return len(self._clips) // self._world

    def __len__(self) -> int:
        """The clips that this iteration, or the next one, gives to this rank."""
        return self._each() - (0 if self._place[3] else int(self._place[1]))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The items of this rank in an epoch, in order: int64 [len]."""
        count = len(self._clips)
        places = np.arange(count)
        if self._shuffle:
            clips = self._clips
            key = randomness.address("synvid_eval.generators.clips.order", clips.seed, clips.name, epoch)
            places = randomness.permutation(key, count)
        found: NDArray[np.int64] = places[: self._each() * self._world][self._rank :: self._world]
        return found

    def __iter__(self) -> Iterator[Any]:
        """The items of this worker: every W-th batch of this rank's, W the number of workers."""
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        # a loader's workers have consecutive seeds; those that persist begin again in the same process
        self._iterations += 1
        loader = info.seed - info.id if info is not None else os.getpid()
        epoch, done = self._begin(randomness.address("iteration", loader, self._iterations) >> 1 | 1)
        rest = self.order(epoch)[done:]
        for begin in range(worker * self._batch, len(rest), workers * self._batch):
            for index in rest[begin : begin + self._batch]:
                yield self._clips.item(int(index), epoch)
        self._place[3] = 1

    def _begin(self, iteration: int) -> tuple[int, int]:
        """The epoch of an iteration and the clips of it to leave out; the first worker to ask moves it on."""
        with self._lock:
            epoch, done, before, _ = self._place.tolist()
            if before != iteration:
                if before:
                    epoch, done = epoch + 1, 0
                for at, value in enumerate((epoch, done, iteration, 0)):
                    self._place[at] = value
        return epoch, done


if TYPE_CHECKING:

    class ClipStream(_Stream, torch.utils.data.IterableDataset[Any]):
        __doc__ = _Stream.__doc__


def __getattr__(name: str) -> Any:
    """`ClipStream`, a class of torch's: made when it is first asked for, since that loads torch."""
    if name != "ClipStream":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from torch.utils.data import IterableDataset

    made = type(name, (_Stream, IterableDataset), {"__doc__": _Stream.__doc__, "__module__": __name__})
    globals()[name] = made
    return made
