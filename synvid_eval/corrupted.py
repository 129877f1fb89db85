"""Corrupted clips of a set: what `synvid_eval.corruptions` makes of videos, when they are read.

A clip's draws are addressed by (seed, clip id, corruption, frame), so a clip of that id is damaged alike in
any set, and a frame alone is the frame that it is in its clip.

A corruption that changes frames reads them as they come. One that changes times has to know how many frames
there are, and headers lie: so the clip is decoded once more than it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synvid_eval import derived, knobs
from synvid_eval.derived import Open
from synvid_eval.errors import UsageError
from synvid_eval.video.decode import ClipRef, Frame, Reader
from synvid_eval.video.videoset import VideoSet

if TYPE_CHECKING:  # what computes is imported where it is used: listing sets loads none of it
    from synvid_eval.corruptions import Corruption, Draws

KIND = "corrupted"
"""The `kind` of such a `ClipRef`; its `path` is JSON, see `Parts`."""


@dataclass(frozen=True)
class Parts:
    """What a corrupted clip is made of. of: the clip itself."""

    corruption: Corruption
    draws: Draws
    of: ClipRef

    @classmethod
    def read(cls, ref: ClipRef) -> Parts:
        """Those of a clip of kind `KIND`."""
        from synvid_eval.corruptions import Draws, registry

        told, (of,) = derived.told_of(ref), derived.parts_of(ref)
        corruption = registry.get(told["corruption"])(**told["knobs"])
        return cls(corruption, Draws(told["seed"], ref.id, corruption.name), of)

    @property
    def clips(self) -> tuple[ClipRef, ...]:
        """The clip itself."""
        return (self.of,)

    def text(self, contents: Sequence[str]) -> str:
        """What decides its pixels, given a hash of what decides those of each of `clips`."""
        where = [self.draws.seed, self.draws.clip]
        return json.dumps([self.corruption.identity(), where, list(contents)], sort_keys=True)


def corrupted(plain: VideoSet, corruption: Corruption, seed: int) -> VideoSet:
    """A set with each of its clips corrupted: ids, labels, rates and sources are the same.

    Raises:
        UsageError: the set is corrupted by the same with the same seed already.
    """
    name, ref = corruption.name, next(iter(plain.clips), None)
    while ref is not None and ref.kind in derived.KINDS:
        told = derived.told_of(ref)
        if (told.get("corruption"), told.get("seed")) == (name, seed):
            raise UsageError(
                f"{plain.location} is corrupted by {name} with seed {seed} already: it would draw the same.",
                f"Give another seed: corrupt:{name}?seed={seed + 1}&of=…",
            )
        ref = derived.parts_of(ref)[0]
    told = {"corruption": name, "knobs": knobs.values(corruption), "seed": seed}
    return replace(
        plain,
        layout="corrupt",
        said=f"{plain.said}; corrupted by {name}, severity {corruption.severity}, seed {seed}",
        clips=tuple(derived.derived(KIND, clip, **told) for clip in plain.clips),
    )


class CorruptedClip:
    """A corrupted clip: only frames that are wanted are converted and changed, few are held at once."""

    def __init__(self, ref: ClipRef, open: Open) -> None:
        """Opens, and counts where times change; `open` opens the clip as it was. Unreadable as that is."""
        from synvid_eval.corruptions.base import OfFrames

        self._parts, self._open = Parts.read(ref), open
        self._reader = open(self._parts.of)
        self.fps = self._reader.fps
        self._size: tuple[int, int] | None = None
        self.total = self._reader.total
        if not isinstance(self._parts.corruption, OfFrames):
            had, self._size = derived.counted(self._reader)
            self._times = self._parts.corruption.times(had, self._parts.draws)
            self._had, self.total = had, len(self._times)

    @property
    def notes(self) -> list[str]:
        """Those of the clip as it was; whole once all of `frames` is taken."""
        return list(getattr(self._reader, "notes", []))

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`."""
        change, draws = self._parts.corruption.change, self._parts.draws
        for index, frame in self._plain(wanted):
            yield index, change(frame, draws, index)

    def _plain(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """The frames that the wanted ones are made from."""
        if self._size is None:
            self._reader.total = self.total
            return self._reader.frames(wanted)
        times = self._times[list(wanted)].tolist()
        return zip(wanted, derived.gathered(self._again, times, self._size), strict=True)

    def _again(self) -> Reader:
        reader = self._open(self._parts.of)
        reader.total = self._had
        return reader
