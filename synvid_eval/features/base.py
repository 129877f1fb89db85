"""What a feature is: one clip → a small summary and named states, by way of per-frame views.

A feature says which frames it looks at (the spread-over frames, or runs of consecutive ones) and how one
frame is reduced (its *view*, a frozen dataclass that is called with the RGB frame). Views are taken while the
clip is decoded, once a frame, and shared by all features that name the same view: the full frame is never
kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synvid_eval import knobs
from synvid_eval.randomness import address
from synvid_eval.states import Rows, State

View = Callable[[NDArray[np.uint8]], NDArray[Any]]

SKETCHED = 256
"""Clips of a set of which a feature keeps a row for pictures: those with the smallest hashes."""


@dataclass(frozen=True)
class Look:
    """What a feature sees of one clip: which frames were looked at, and its view of each.

    frames: the looked-at frame indices, ascending. runs: stride → the indices of a run of consecutive frames
    at that stride, only for strides the clip is long enough for. views: frame index → this feature's view of
    that frame.
    """

    clip: str
    seed: int
    frames: tuple[int, ...]
    runs: Mapping[int, tuple[int, ...]]
    views: Mapping[int, NDArray[Any]]

    def looked_at(self) -> list[NDArray[Any]]:
        """The views of the looked-at frames, in order."""
        return [self.views[i] for i in self.frames]

    def run(self, stride: int) -> list[NDArray[Any]]:
        """The views of the run at that stride, in order."""
        return [self.views[i] for i in self.runs[stride]]


def sketch(clip: str, row: ArrayLike) -> Rows:
    """A state that keeps one row [d] of this clip; of a set those of `SKETCHED` clips, by hash: what pictures
    tell clips apart by. No value is made of it.
    """
    rows = np.asarray(row, np.float32)[None]
    return Rows.of([address("sketch", clip)], [address("clip", clip)], rows, SKETCHED)


@dataclass(frozen=True)
class ClipResult:
    """What a feature makes of one clip: a few numbers to keep per clip, and states to fold.

    A state that the clip cannot give to (too short, no usable frame) is left out of `states`.
    """

    summary: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[str, State] = field(default_factory=dict)


@dataclass(frozen=True)
class Feature(ABC):
    """Base of all features: a frozen dataclass whose fields are its knobs.

    `revision` is raised whenever the same pixels give other numbers: it is part of the signature and of cache
    keys.
    """

    name: ClassVar[str]
    looks_at: ClassVar[Literal["frames", "runs"]]
    revision: ClassVar[int] = 1
    strides: ClassVar[tuple[int, ...]] = (4, 2, 1)
    """Strides whose runs a feature with `looks_at` "runs" looks at."""

    def __post_init__(self) -> None:
        knobs.check(self)

    @abstractmethod
    def view(self) -> View:
        """The per-frame reduction: a hashable callable, RGB frame uint8 [H, W, 3] → array."""

    def wants(self, frames: Sequence[int]) -> Sequence[int]:
        """Which of the looked-at frame indices this feature's view is taken of (`looks_at` "frames"): all."""
        return frames

    def wants_of_runs(self, runs: Mapping[int, tuple[int, ...]]) -> Iterable[int]:
        """Which frame indices of a clip's runs (stride → indices) this feature's view is taken of (`looks_at`
        "runs"): all of those at its `strides`.
        """
        return {i for stride in self.strides for i in runs.get(stride, ())}

    def least_run(self) -> int:
        """Frames that a run must have for this feature to give anything; a sampler of shorter ones is refused
        before any work. 0: it does not say.
        """
        return 0

    def variant(self) -> str:
        """What stands in brackets behind the names of metrics on this feature; empty for none."""
        return ""

    def where(self) -> str:
        """What beside its recipe decides the bits of this feature (a device); empty for nothing."""
        return ""

    def prepare(self) -> None:
        """What takes long and must not be waited for when the first clip comes (loading a network)."""
        return

    @abstractmethod
    def measure(self, look: Look) -> ClipResult:
        """The clip's summary and states."""
