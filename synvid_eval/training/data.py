"""What networks are trained on: clips of a preset, drawn when they are needed, or of any set, decoded.

Which clips make a step's batch, where a clip's frames begin and how they are cropped are functions of (seed,
what, step), so neither workers nor processes nor a kill change them. `Batches` says which; `loader` has them
made, by workers of their own where that is asked for.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synvid_eval import adapted, randomness
from synvid_eval.derived import parts_of
from synvid_eval.errors import DataError, SynvidEvalError
from synvid_eval.execute import Failure, Processes
from synvid_eval.generators.resize import resized
from synvid_eval.measurement import Options, check_skipped
from synvid_eval.prober import probe_task
from synvid_eval.sets import open_clip
from synvid_eval.video.decode import ClipRef, FewerFrames, Unreadable
from synvid_eval.video.layouts import count_of
from synvid_eval.video.videoset import VideoSet

if TYPE_CHECKING:
    from synvid_eval.generators import Clips

Frames = NDArray[np.uint8]
Item = tuple[int, int]
"""(epoch, index of a clip)."""

KEPT_BYTES = 2 * 2**30
"""Decoded frames of small sets are kept in memory up to this size a process."""


class Source(Protocol):
    """Clips to train on. name: for people."""

    name: str

    @property
    def key(self) -> str:
        """What their draws are addressed by."""

    @property
    def decodes(self) -> bool:
        """Whether files are decoded, which another process does."""

    def __len__(self) -> int:
        """How many there are."""

    def identity(self) -> str:
        """A short hash of what decides which clips these are."""

    def clip(self, index: int, epoch: int, view: int | None = None, batch: int | None = None) -> Frames:
        """The frames of a clip in an epoch: uint8 [T, H, W, 3].

        view: number of a view, where several are taken of a clip: each has frames of its own, adapted by
        draws of its own. None: the one that there is, adapted as the clip is whenever it is read. batch: of a
        view: see `generators.Clips.array`.
        """

    def number(self, index: int, epoch: int) -> int:
        """What tells the clip that stands at an index in an epoch from all others."""

    def label(self, index: int, epoch: int) -> str | None:
        """Its class; None where it has none."""

    def classes(self) -> list[str]:
        """The classes of all clips, in order; empty where any has none."""

    def labelling(self) -> str:
        """A short hash of which clip has which class."""

    def notes(self) -> list[str]:
        """What a user should know of them."""


class DrawnClips:
    """Clips of a preset, without files; see `generators.Clips`. short: see `Files`. others: the same clips
    as views behind the first have them, where these are adapted otherwise.
    """

    def __init__(self, clips: Clips, short: int = 0, others: Sequence[Clips] = ()) -> None:
        self.name, self._clips, self._short = clips.name, clips, short
        self._views = (clips, *others)

    @property
    def key(self) -> str:
        """See `Source.key`: the preset's name."""
        return self.name

    @property
    def decodes(self) -> bool:
        """See `Source.decodes`."""
        return False

    def __len__(self) -> int:
        return len(self._clips)

    def identity(self) -> str:
        """See `Source.identity`."""
        clips = self._clips
        what: list[Any] = [clips.generator.identity(clips.seed), clips.name, clips.seed, len(clips)]
        what += [other.generator.identity(clips.seed) for other in self._views[1:]]
        return _hash(json.dumps(what))

    def clip(self, index: int, epoch: int, view: int | None = None, batch: int | None = None) -> Frames:
        """See `Source.clip`."""
        frames = self._views[min(view or 0, len(self._views) - 1)].array(index, epoch, view, batch)
        return np.stack([sized(frame, self._short) for frame in frames]) if self._short else frames

    def number(self, index: int, epoch: int) -> int:
        """See `Source.number`."""
        return self._clips.chosen(index, epoch)[0]

    def label(self, index: int, epoch: int) -> str | None:
        """See `Source.label`."""
        return self._clips.label(index, epoch)

    def classes(self) -> list[str]:
        """See `Source.classes`."""
        return list(self._labelled[0])

    def labelling(self) -> str:
        """See `Source.labelling`: of the first epoch's clips; `identity` binds the others."""
        return self._labelled[1]

    @cached_property
    def _labelled(self) -> tuple[list[str], str]:
        """(classes, `labelling`), of one walk through all clips."""
        clips = self._clips
        if clips.label(0, 0) is None:
            return [], _labelling(enumerate([None] * len(clips)))
        labels = [clips.label(index, 0) for index in range(len(clips))]
        found = {str(label) for label in labels}
        if clips.fresh:  # later epochs may show classes that the first does not
            found = set(clips.generator.catalog(clips.seed, clips.name))
        return sorted(found), _labelling(enumerate(labels))

    def notes(self) -> list[str]:
        """See `Source.notes`."""
        return [f"{self.name}: {self._clips.shortened}"] if self._clips.shortened else []


class Files:
    """Clips of a set that were found readable, with what is needed to take any frames of them.

    frames, stride: of a clip to train on; a clip too short for the stride is taken at the largest that fits,
    one too short for any is no part of it. short: the short side [px] that frames are brought to (0: none);
    frames of small sets stay in memory. totals: frames of each clip. patience: seconds without a new frame
    after which a process that does nothing but read gives up. Draws are addressed by `identity`, so a set may
    be called or moved as one likes.

    `views` are the same clips as each view has them, adapted; `curriculum`: epochs in which what adapts them
    grows to its full strength. Clips that are adapted already are so anew in each view.
    """

    def __init__(
        self,
        videos: VideoSet,
        totals: Sequence[int],
        *,
        seed: int = 0,
        frames: int = 16,
        stride: int = 4,
        short: int = 0,
        patience: float = 60.0,
    ) -> None:
        self.views: tuple[VideoSet, ...] = ()
        self.curriculum = 0
        self.name, self.videos, self.totals = videos.name, videos, tuple(totals)
        self.seed, self.frames, self.stride, self.short = seed, frames, stride, short
        self.key = _hash(json.dumps(list(zip(videos.ids, self.totals, strict=True))))
        self._watch = Watch(patience)
        self._kept: OrderedDict[int, Frames] = OrderedDict()
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self.totals)

    def identity(self) -> str:
        """See `Source.identity`: of ids and numbers of frames, and of what adapts views; contents are not
        read for it.
        """
        return _hash(json.dumps([self.key, *(v.said for v in self.views)])) if self.views else self.key

    @property
    def decodes(self) -> bool:
        """See `Source.decodes`."""
        return any(c.kind not in ("preset", "memory") for c in self.clips)

    @property
    def clips(self) -> tuple[ClipRef, ...]:
        """The clips themselves, in order."""
        return tuple(self.videos.clips)

    def fitting(self, total: int) -> int:
        """The stride at which a clip of that many frames is taken: a run takes up frames · stride of them,
        as in the released code.
        """
        return max(1, min(self.stride, total // self.frames))

    def clip(self, index: int, epoch: int, view: int | None = None, batch: int | None = None) -> Frames:
        """See `Source.clip`. Unreadable files end in a DataError that names them."""
        total = self.totals[index]
        stride = self.fitting(total)
        ref = self.clips[index]
        seen = () if view is None else ("view", view)
        key = randomness.address("synvid_eval.training.data", self.seed, ref.id, epoch, *seen)
        first = (key * (total - self.frames * stride + 1)) >> 64
        wanted = [first + i * stride for i in range(self.frames)]
        shown = self.views[min(view or 0, len(self.views) - 1)].clips[index] if self.views else ref
        if view is None or shown.kind != adapted.KIND:
            return self.taken(index, wanted)
        strength = min(1.0, epoch / self.curriculum) if self.curriculum else 1.0
        again = (epoch, view) if batch is None else (epoch, view, batch)
        return self._run(adapted.anew(shown, self._plain, index, again, strength), wanted)

    @cached_property
    def _plain(self) -> list[ClipRef]:
        """The clips as they were before they were adapted."""
        return [parts_of(c)[0] if c.kind == adapted.KIND else c for c in self.clips]

    def number(self, index: int, epoch: int) -> int:
        """See `Source.number`."""
        return index

    def label(self, index: int, epoch: int) -> str | None:
        """See `Source.label`."""
        return self.clips[index].label

    def classes(self) -> list[str]:
        """See `Source.classes`."""
        return list(self._labelled[0])

    def labelling(self) -> str:
        """See `Source.labelling`: of ids and labels."""
        return self._labelled[1]

    @cached_property
    def _labelled(self) -> tuple[list[str], str]:
        """(classes, `labelling`), of one walk through all clips."""
        labels = {clip.id: clip.label for clip in self.clips}
        found = {*labels.values()}
        return [] if None in found else sorted(map(str, found)), _labelling(labels.items())

    def taken(self, index: int, wanted: Sequence[int]) -> Frames:
        """Wanted frames of a clip, in any order, again and again: uint8 [len(wanted), H, W, 3].

        A frame beyond the last that decodes is the last. DataError: the clip cannot be read any more.
        """
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index][list(wanted)]
        if not self.short:
            return self._run(self.clips[index], wanted)
        every = self._run(self.clips[index], range(self.totals[index]))
        self.keep(index, every)
        return every[list(wanted)]

    def _run(self, ref: ClipRef, wanted: Sequence[int]) -> Frames:
        """Wanted frames of a clip, as `taken`."""
        try:
            found = self._decoded(ref, sorted(set(wanted)))
        except Unreadable as error:
            raise DataError(f"{ref.id} of {self.name} cannot be read any more: {error}.") from None
        last = found[max(found)]
        return np.stack([found.get(i, last) for i in wanted])

    def viewed(self, views: Sequence[VideoSet], curriculum: int) -> Files:
        """The same, with views of the clips; see the class's docstring."""
        found = copy.copy(self)
        found.views, found.curriculum = tuple(views), curriculum
        return found

    def keep(self, index: int, frames: Frames) -> None:
        """Lets all frames of a clip stay in memory; those used longest ago make room."""
        self._kept[index] = frames
        self._kept_bytes += frames.nbytes
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.nbytes

    def _decoded(self, ref: ClipRef, wanted: Sequence[int]) -> dict[int, Frames]:
        found: dict[int, Frames] = {}
        try:
            with self._watch.over(f"{ref.id} of {self.name}"):
                for at, frame in open_clip(ref, self.videos.array, self._watch).frames(wanted):
                    found[at] = sized(frame, self.short)
                    if len(found) == len(wanted):
                        break
        except FewerFrames as short:
            if short.decoded and short.decoded - 1 not in found:
                found |= self._decoded(ref, [short.decoded - 1])
        if not found:
            raise Unreadable("no wanted frame decodes")
        return found

    def notes(self) -> list[str]:
        """See `Source.notes`."""
        few = [total for total in self.totals if self.fitting(total) < self.stride]
        if not few:
            return []
        least = self.fitting(min(few))
        return [
            f"{self.name}: {count_of(len(few), 'clip')} of {len(self):,} too short for {self.frames} frames "
            f"at stride {self.stride}: taken at the largest stride that fits, down to {least}"
        ]

    def __getstate__(self) -> dict[str, Any]:  # to workers goes what says which clips, not their frames
        return {**self.__dict__, "_kept": OrderedDict(), "_kept_bytes": 0}


def sized(frame: Frames, short: int) -> Frames:
    """A frame uint8 [H, W, 3] with the wanted short side [px], or as it is where that is 0."""
    tall, wide = frame.shape[:2]
    if not short or min(tall, wide) == short:
        return frame
    scale = short / min(tall, wide)
    return resized(frame, max(short, round(tall * scale)), max(short, round(wide * scale)))


class Watch:
    """Ends a process that only reads, and was started for it, where a file gives no frame for `patience`
    seconds: what hangs within a decoder cannot be stopped otherwise. Called for every frame.
    """

    def __init__(self, patience: float) -> None:
        self._patience, self._what, self._last, self._runs = patience, "", 0.0, False

    def __call__(self) -> None:
        self._last = time.monotonic()

    @contextlib.contextmanager
    def over(self, what: str) -> Iterator[None]:
        """Watches meanwhile."""
        self()
        self._what = what
        if not self._runs and multiprocessing.parent_process() is not None:
            self._runs = True
            threading.Thread(target=self._look, daemon=True).start()
        try:
            yield
        finally:
            self._what = ""

    def _look(self) -> None:
        while True:
            time.sleep(self._patience / 4)
            if self._what and time.monotonic() - self._last > self._patience:
                os.write(2, f"{self._what}: no new frame for {self._patience:g} s\n".encode())
                os._exit(70)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _labelling(labels: Iterable[tuple[int | str, str | None]]) -> str:
    """See `Source.labelling`: of (id, label) of all clips."""
    return _hash(json.dumps(list(labels)))


def read(videos: VideoSet, options: Options, **asked: Any) -> Files:
    """The clips of a set that can be read and have frames enough, after a look at each.

    asked: keywords of `Files`. What is left out is said.

    Raises:
        DataError: more clips cannot be read than `options.max_skipped` allows, or none is long enough.
    """
    frames = asked.get("frames", 16)
    totals: dict[str, int] = {}
    skipped = [{"id": i, "reason": r} for i, r in videos.skipped]
    options.progress.begin(f"{videos.name}: looking", len(videos.clips))
    workers = min(options.worker_count(), max(1, len(videos.clips)))
    pool = Processes(
        "synvid_eval.prober", workers, {"loud": options.loud}, options.decode_timeout, options.loud
    )
    try:
        for task, answer in pool.map(probe_task(c) for c in videos.clips):
            reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
            if isinstance(answer, Failure) or reason is not None:
                skipped.append({"id": task["clip"]["id"], "reason": str(reason)})
                check_skipped(videos, skipped, options.max_skipped)
            else:
                totals[task["clip"]["id"]] = int(answer[1]["total"])
            options.progress.advance(1, cached=False)
    finally:
        pool.close()
    few = [i for i, total in totals.items() if total < frames]
    skipped += [{"id": i, "reason": f"has {totals.pop(i)} frames, fewer than {frames}"} for i in few]
    check_skipped(videos, skipped, options.max_skipped)
    for one in sorted(skipped, key=lambda s: s["id"]):
        options.progress.say(f"{videos.name}: left out: {one['id']}: {one['reason']}")
    good = tuple(c for c in videos.clips if c.id in totals)
    asked = {"patience": options.decode_timeout, **asked}
    return Files(replace(videos, clips=good), [totals[c.id] for c in good], **asked)


@dataclass(frozen=True)
class Batches:
    """Which clips make the batch of each step.

    Each epoch goes through the clips in an order of its own, a function of (seed, name, epoch); what does not
    fill a batch is left out, as in the released code. Where a batch is more than all clips, it goes on into
    the next epochs.

    count: clips. batch: clips a step.
    """

    count: int
    batch: int
    seed: int
    name: str

    @property
    def steps_an_epoch(self) -> int:
        """Steps an epoch, at least 1."""
        return max(1, self.count // self.batch)

    def items(self, step: int) -> list[Item]:
        """(epoch, clip) of each place of a step's batch."""
        if self.count >= self.batch:
            epoch, place = divmod(step, self.steps_an_epoch)
            begin = place * self.batch
            return [(epoch, i) for i in self._order(epoch)[begin : begin + self.batch].tolist()]
        places = (divmod(step * self.batch + i, self.count) for i in range(self.batch))
        return [(epoch, int(self._order(epoch)[at])) for epoch, at in places]

    def place(self, item: Item) -> tuple[int, int]:
        """(step, place in its batch) of an item that `items` gives: what it is the inverse of."""
        epoch, index = item
        at = int(_places(self, epoch)[index])
        if self.count >= self.batch:
            step, place = divmod(at, self.batch)
            return epoch * self.steps_an_epoch + step, place
        return divmod(epoch * self.count + at, self.batch)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return _order(self, epoch)

    def share(self, step: int, rank: int, world: int, micro: int) -> list[list[Item]]:
        """What one of `world` devices passes of a step, in passes of `micro` clips. The batch is dealt out
        in turn, and `micro` divides a device's share.
        """
        own = self.items(step)[rank::world]
        return [own[i : i + micro] for i in range(0, len(own), micro)]


@functools.lru_cache(maxsize=8)
def _order(of: Batches, epoch: int) -> NDArray[np.int64]:
    """The clips of an epoch in their order, int64 [count]."""
    key = randomness.address("synvid_eval.training.order", of.seed, of.name, epoch)
    found = randomness.permutation(key, of.count)
    found.flags.writeable = False
    return found


@functools.lru_cache(maxsize=8)
def _places(of: Batches, epoch: int) -> NDArray[np.int64]:
    """The place of each clip in that order, int64 [count]."""
    return np.argsort(_order(of, epoch))


class _Made:
    """A map-style data set: (epoch, clip) → what is made of it."""

    def __init__(self, make: Callable[[Item], Any]) -> None:
        self._make = make

    def __getitem__(self, item: Item) -> Any:
        try:
            return self._make(item)
        except SynvidEvalError as error:  # as it is: what torch makes of one in a worker is a page
            return error


def loader(make: Callable[[Item], Any], passes: Iterable[list[Item]], workers: int) -> Iterator[Any]:
    """What `make` makes of each pass's clips, stacked, in order.

    make: picklable where there are workers: (epoch, clip) → a dict of arrays. workers: processes, started
    anew (nothing is forked); 0: this one.

    Raises what `make` raises on purpose (`SynvidEvalError`), and DataError where a worker dies, which a file
    may do that harms a decoder.
    """
    from torch.utils.data import DataLoader

    made: DataLoader[Any] = DataLoader(
        _Made(make),  # type: ignore[arg-type,unused-ignore]
        batch_sampler=passes,  # type: ignore[arg-type,unused-ignore]
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_deaf,
        collate_fn=_stacked,
    )
    try:
        for one in made:
            if isinstance(one, SynvidEvalError):
                raise one
            yield one
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            "A process that reads or draws clips died.",
            "Memory may have been short (try --workers 1), or a file harms its decoder (see: inspect SET).",
        ) from error


def _deaf(worker: int) -> None:
    """What an interrupt means is the first process's to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stacked(made: list[Any]) -> Any:
    import torch

    if wrong := [one for one in made if isinstance(one, SynvidEvalError)]:
        return wrong[0]
    return {key: torch.from_numpy(np.stack([one[key] for one in made])) for key in made[0]}
