"""Adapted clips of a set: what `synvid_eval.generators.adapting` makes of videos, when they are read.

A clip's draws are addressed by (seed, clip id), so a clip of that id is adapted alike in any set. Its
backgrounds are other clips of its set: draws point at places on a ring of hashes of the ids, and each takes
the clip that comes next on it, not itself. So which they are depends on the ids in the set, and a clip more
in a set of N takes over about one in N of them. What a clip becomes depends on the contents of its
backgrounds, too.

A clip that is trained on is adapted anew each time (`anew`): by draws that are addressed by (epoch, view),
too, over the frames that are taken of it.

Of a video it has to be known how many frames it has (shakes and turns are drawn over all of them), and
headers lie; so it is decoded once more than it is read. A clip whose background cannot be read cannot be
read.
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
    from synvid_eval.generators.adapting import Chain

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


def anew(ref: ClipRef, again: tuple[int, ...], strength: float = 1.0) -> ClipRef:
    """An adapted clip, adapted anew: over the frames that are taken of it, by draws of (clip, again).

    again: (epoch, view), or (epoch, view, batch), where clips of a batch share draws: see
    `generators.adapting`. strength: of the curriculum, in [0, 1].
    """
    told = derived.told_of(ref)
    of, *others = derived.parts_of(ref)
    del told["clips"]
    return derived.derived(KIND, of, others, **told, again=again, strength=strength)


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
        """Opens and counts; `open` opens the clips that it is made of. Unreadable as they are."""
        self._parts, self._open = Parts.read(ref), open
        reader = open(self._parts.of)
        self.fps = reader.fps
        self.total, self._size = derived.counted(reader)
        self.notes = list(getattr(reader, "notes", []))

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`."""
        from synvid_eval.generators import adapting

        parts = self._parts
        stages = parts.chain.sampled(
            parts.address,
            (parts.address[0], "passed", parts.again[2]) if parts.again[2:] else parts.address,
            len(wanted) if parts.again else self.total,
            self._size,
            parts.strength,
            lambda number: _Read(parts.others[2 * number : 2 * number + 2], self._open),
            parts.again,
        )
        if not parts.again:
            return zip(wanted, adapting.made(stages, wanted, self._read), strict=True)
        own = adapting.made(
            stages, range(len(wanted)), lambda places: self._read([wanted[at] for at in places])
        )
        return zip(wanted, own, strict=True)

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
