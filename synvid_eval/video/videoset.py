"""VideoSet: the ordered, immutable clips of one set (a folder, an array, a preset)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.randomness import address
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.long_lists import LongList


def rank(clip_id: str) -> tuple[int, str]:
    """What clips are drawn by, the smallest first: a hash of the id, then the id."""
    return address("clips", clip_id), clip_id


@dataclass(frozen=True)
class VideoSet:
    """The clips of one set.

    clips: sorted by id; of a long list in the order in which sets are folded. skipped: (id, reason) of what
    was found but is no clip. sources: clip id → source, where clips are no independent draws (several clips
    of one photograph); empty otherwise. array: uint8 [N, T, H, W, 3] of a set in memory. notes: what a user
    should know of how the set was opened. lists: names of the lists of a folder (`--split NAME`) that alone
    know the classes, where none of them was chosen: what labels clips have are none.
    """

    name: str
    location: str
    layout: str
    said: str
    clips: Sequence[ClipRef]
    skipped: tuple[tuple[str, str], ...] = ()
    sources: dict[str, str] | None = None
    array: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def ids(self) -> list[str]:
        """The clip ids, in order."""
        return [c.id for c in self.clips]

    @property
    def found(self) -> int:
        """Clips plus what was found but is none."""
        return len(self.clips) + len(self.skipped)

    def draw(self, count: int) -> VideoSet:
        """The set of the `count` ≥ 1 clips with the smallest hash of their id: nested, order-free, the same
        anywhere.

        Never resampled: where fewer are found, all are taken, and a note says so.
        """
        if count >= self.found:
            if count == self.found:
                return self
            seen = f"{count:,} clips wanted, {self.found:,} found"
            note = f"{self.name}: {seen}: all of them are used, none twice"
            return replace(self, notes=(*self.notes, note))
        if isinstance(self.clips, LongList):
            return self._drawn_from(self.clips, count)
        ids = [c.id for c in self.clips] + [i for i, _ in self.skipped]
        return self.only(set(sorted(ids, key=rank)[:count]), f"{count} drawn by hash")

    def _drawn_from(self, clips: LongList, count: int) -> VideoSet:
        bad = set(sorted((i for i, _ in self.skipped), key=rank)[:count])
        few = clips.drawn(count)
        ranked = sorted([*(c.id for c in few), *bad], key=rank)[:count]
        return replace(self, clips=tuple(few)).only(set(ranked), f"{count} drawn by hash")

    def only(self, ids: Collection[str], said: str) -> VideoSet:
        """The set of the clips with those ids, and of what was skipped with them; `said`: which they are."""
        return replace(
            self,
            clips=tuple(c for c in self.clips if c.id in ids),
            skipped=tuple(s for s in self.skipped if s[0] in ids),
            said=f"{self.said}; {said}",
        )

    def facts(self) -> dict[str, Any]:
        """Layout, labels and rate, for the run's record."""
        if isinstance(self.clips, LongList):
            labels = self.clips.classes
        else:
            labels = len({c.label for c in self.clips if c.label is not None})
        return {"name": self.name, "layout": self.layout, "recognized": self.said, "labels": labels}
