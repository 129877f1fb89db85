"""Adapted clips of a set: what `synvid_eval.generators.adapting` makes of videos, when they are read.

A clip's draws are addressed by (seed, clip id), so a clip of that id is adapted alike in any set. Its
backgrounds are other clips of its set: draws point at places on a ring of hashes of the ids, and each takes
the clip that comes next on it, not itself. So which they are depends on the ids in the set, and a clip more
in a set of N takes over about one in N of them. What a clip becomes depends on the contents of its
backgrounds, too.

A clip that is trained on is adapted anew each time (`anew`): by draws that are addressed by (epoch, view),
too, over the frames that are taken of it, in front of backgrounds that are drawn so, too: else two views of a
clip would show the same ones, which tells them from other clips.

Of a video that is not trained on it has to be known how many frames it has (shakes and turns are drawn over
all of them), and headers lie; so it is decoded once more than it is read. A clip whose background cannot be
read cannot be read.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synvid_eval import derived
from synvid_eval.derived import Open
from synvid_eval.errors import DataError
from synvid_eval.randomness import address
from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Reader, Unreadable
from synvid_eval.video.videoset import VideoSet

if TYPE_CHECKING:  # what draws is imported where it is used: listing sets loads none of it
    from synvid_eval.generators.adaptation import Draws
    from synvid_eval.generators.adapting import Chain, Stage

KIND = "adapted"
"""The `kind` of such a `ClipRef`; its `path` is JSON, see `Parts`."""


@dataclass(frozen=True)
class Parts:
    """What an adapted clip is made of. of: the clip itself. others: two clips for each background of the
    chain. address: of its draws. again, strength: see `anew`.
    """

    chain: Chain
    address: tuple[str | int, ...]
    of: ClipRef
    others: tuple[ClipRef, ...]
    again: tuple[int, ...] = ()
    strength: float = 1.0

    @classmethod
    def read(cls, ref: ClipRef) -> Parts:
        """Those of a clip of kind `KIND`."""
        from synvid_eval.generators import adapting

        told = derived.told_of(ref)
        of, *others = derived.parts_of(ref)
        return cls(
            adapting.parsed(told["chain"]),
            tuple(told["address"]),
            of,
            tuple(others),
            tuple(told.get("again", ())),
            told.get("strength", 1.0),
        )

    @property
    def clips(self) -> tuple[ClipRef, ...]:
        """The clip itself, then those of its backgrounds."""
        return (self.of, *self.others)

    def text(self, contents: Sequence[str]) -> str:
        """What decides its pixels, given a hash of what decides those of each of `clips`."""
        anew = [[self.again, self.strength]] if self.again else []
        return json.dumps([self.chain.identity(), self.address, list(contents), *anew], sort_keys=True)


def adapted(plain: VideoSet, chain: Chain, seed: int) -> VideoSet:
    """A set with each of its clips adapted: ids, labels, rates and sources are the same.

    Raises:
        DataError: the chain has a background, and there is no other clip to take it from.
    """
    from synvid_eval.generators.adaptation import Draws
    from synvid_eval.generators.operations import Background

    backgrounds = sum(isinstance(operation, Background) for operation in chain.operations)
    ring = sorted((address("synvid_eval.adapted", c.id), i) for i, c in enumerate(plain.clips))
    if backgrounds and len(ring) < 2:
        raise DataError(
            f"{plain.location} has {len(ring)} clip, and backgrounds are other clips of a set.",
            "Give a set of more, or a chain without background.",
        )

    def one(clip: ClipRef) -> ClipRef:
        where = (seed, "clip", clip.id)
        places = [
            Draws((*where, Background.name, number)).key("clip", which)
            for number in range(backgrounds)
            for which in (0, 1)
        ]
        others = [_next(plain.clips, ring, place, clip) for place in places]
        return derived.derived(KIND, clip, others, chain=chain.spelled, address=where)

    return replace(
        plain,
        layout="adapt",
        said=f"{plain.said}; adapted by {chain.names}, seed {seed}",
        clips=tuple(map(one, plain.clips)),
    )


def anew(
    ref: ClipRef, clips: Sequence[ClipRef], index: int, again: tuple[int, ...], strength: float = 1.0
) -> ClipRef:
    """An adapted clip, adapted anew: over the frames that are taken of it, by draws of (clip, again).

    clips: the set's as they were before, all as likely a background as each other, but for that of `index`,
    the clip itself. again: (epoch, view), or (epoch, view, batch), where clips of a batch share draws: see
    `generators.adapting`. strength: of the curriculum, in [0, 1].
    """
    from synvid_eval.generators.adaptation import Draws
    from synvid_eval.generators.operations import Background

    told = derived.told_of(ref)
    _, *before = derived.parts_of(ref)
    del told["clips"]
    others = []
    for number in range(len(before) // 2):
        draws = Draws((*told["address"], *again[:2], Background.name, number))
        places = (draws.whole(f"clip {which}", 0, len(clips) - 2) for which in (0, 1))
        others += [clips[place + (place >= index)] for place in places]
    return derived.derived(KIND, clips[index], others, **told, again=again, strength=strength)


def _next(clips: Sequence[ClipRef], ring: Sequence[tuple[int, int]], place: int, but: ClipRef) -> ClipRef:
    """The first clip from a place on the ring on that is not `but`."""
    at = bisect.bisect_left(ring, (place, 0)) % len(ring)
    first, second = (clips[ring[(at + step) % len(ring)][1]] for step in (0, 1))
    return second if first.id == but.id else first


@dataclass(frozen=True)
class _Read:
    """Clips of a set that backgrounds are taken from; see `adaptation.Others`. clips: two."""

    clips: tuple[ClipRef, ...]
    open: Open

    def still(self, draws: Draws, which: int) -> Frame:
        """See `Others.still`."""
        return self._some(draws, f"frame {which}", which, 1)[0]

    def window(self, draws: Draws, which: int, length: int) -> list[Frame]:
        """See `Others.window`."""
        return self._some(draws, "begin", which, length)

    def _some(self, draws: Draws, what: str, which: int, length: int) -> list[Frame]:
        """At most `length` frames that follow each other, the first drawn by `what`."""
        clip = self.clips[which]
        try:
            reader = self.open(clip)
            try:
                return self._taken(draws, what, reader, reader.total, length)
            except FewerFrames as short:
                if not short.decoded:
                    raise Unreadable("no frame decodes") from None
                return self._taken(draws, what, self.open(clip), short.decoded, length)
        except Unreadable as error:
            raise Unreadable(f"its background {clip.id}: {error}", error.lasting) from None

    def _taken(self, draws: Draws, what: str, reader: Reader, total: int, length: int) -> list[Frame]:
        taken = min(length, total)
        begin = draws.whole(what, 0, total - taken)
        reader.total = total
        found: list[Frame] = []
        for _, frame in reader.frames(range(begin, begin + taken)):
            found.append(frame)
            if len(found) == taken:  # what comes after need not be decoded
                break
        return found


class AdaptedClip:
    """An adapted clip: only frames that the wanted ones are made from are converted, few are held at once."""

    def __init__(self, ref: ClipRef, open: Open) -> None:
        """Opens, and counts where its frames are not taken anew; `open` opens the clips that it is made of.
        Unreadable as they are.
        """
        self._parts, self._open = Parts.read(ref), open
        reader = open(self._parts.of)
        self.fps, self.total, self._size = reader.fps, reader.total, (0, 0)
        if not self._parts.again:
            self.total, self._size = derived.counted(reader)
        self.notes = list(getattr(reader, "notes", []))

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`."""
        from synvid_eval.generators import adapting

        if not self._parts.again:
            return zip(wanted, adapting.made(self._stages(self.total), wanted, self._read), strict=True)
        found = self._taken(wanted)
        stages = self._stages(len(wanted))
        own = adapting.made(stages, range(len(wanted)), lambda places: (found[wanted[at]] for at in places))
        return zip(wanted, own, strict=True)

    def _stages(self, total: int) -> list[Stage]:
        """What is done to so many frames."""
        parts = self._parts
        return parts.chain.sampled(
            parts.address,
            (parts.address[0], "passed", parts.again[2]) if parts.again[2:] else parts.address,
            total,
            self._size,
            parts.strength,
            lambda number: _Read(parts.others[2 * number : 2 * number + 2], self._open),
            parts.again,
        )

    def _taken(self, wanted: Sequence[int]) -> dict[int, Frame]:
        """Frames of the clip as it was, all at once: those of a clip that is trained on are few."""
        found: dict[int, Frame] = {}
        for at, frame in self._open(self._parts.of).frames(sorted(every := {*wanted})):
            if not found:
                self._size = frame.shape[0], frame.shape[1]
            found[at] = self._checked(frame)
            if len(found) == len(every):  # what comes after need not be decoded
                break
        return found

    def _read(self, wanted: list[int]) -> Iterator[Frame]:
        """Frames of the clip as it was, in the order asked."""

        def again() -> Reader:
            reader = self._open(self._parts.of)
            reader.total = self.total
            return reader

        return map(self._checked, derived.gathered(again, wanted, self._size))

    def _checked(self, frame: Frame) -> Frame:
        if frame.shape[:2] != self._size:
            raise Unreadable("its frames change their size, so it cannot be adapted")
        return frame
