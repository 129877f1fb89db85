"""Clips that are made of other clips when they are read: what `adapted` and `corrupted` share.

The `path` of such a `ClipRef` is JSON: what is done, and under `clips` the clips that it is made of, the one
that it stands for first. These may be made of others in turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Reader, Unreadable

KINDS = ("adapted", "corrupted")
"""The kinds of such a `ClipRef`."""

HELD = 2**28
"""Bytes of frames that wait for their turn, at most (two frames at least)."""

Open = Callable[[ClipRef], Reader]


def derived(kind: str, clip: ClipRef, others: Sequence[ClipRef] = (), **told: Any) -> ClipRef:
    """What stands for a clip that is made of it (and of `others`), with its id, label and rate.

    Args:
        told: what is done, ready for JSON.
    """
    told["clips"] = [asdict(c) for c in (clip, *others)]
    return replace(clip, kind=kind, path=json.dumps(told), index=0, length=0)


def told_of(ref: ClipRef) -> dict[str, Any]:
    """What is done, as `derived` was told it."""
    told: dict[str, Any] = json.loads(ref.path)
    return told


def parts_of(ref: ClipRef) -> tuple[ClipRef, ...]:
    """The clips that a clip is made of: itself, where it is made of none."""
    return tuple(ClipRef(**part) for part in told_of(ref)["clips"]) if ref.kind in KINDS else (ref,)


def sources_of(ref: ClipRef) -> tuple[ClipRef, ...]:
    """The clips that are read or drawn for a clip, however often they are made into others."""
    if ref.kind not in KINDS:
        return (ref,)
    return tuple(source for part in parts_of(ref) for source in sources_of(part))


def is_drawn(ref: ClipRef) -> bool:
    """Whether a preset draws a clip, or any that it is made of: it may take long, and is no file that
    hangs.
    """
    return any(source.kind == "preset" for source in sources_of(ref))


def counted(reader: Reader) -> tuple[int, tuple[int, int]]:
    """How many frames of a clip decode (headers lie), and the height and width of the first.

    Raises Unreadable where none does.
    """
    total, size = reader.total, None
    try:
        for _, frame in reader.frames([0]):
            size = frame.shape[0], frame.shape[1]
    except FewerFrames as short:
        total = short.decoded
    if size is None or not total:
        raise Unreadable("no frame decodes")
    return total, size


def gathered(
    open_again: Callable[[], Reader], wanted: Sequence[int], size: tuple[int, int]
) -> Iterator[Frame]:
    """Frames of a clip in the order asked, whatever that is.

    The clip is read once where few frames (`HELD`) have to wait for their turn, as where neighbors change
    places; else as often as it takes.

    Args:
        open_again: opens the clip at its beginning. size: height and width of its frames [px].
    """
    for parts in passes(wanted, max(2, HELD // (3 * size[0] * size[1]))):
        needed = sorted({index for part in parts for index in part})
        stream = open_again().frames(needed)
        held: dict[int, Frame] = {}
        for part in parts:
            held = {index: held[index] for index in set(part) & held.keys()}
            for _ in range(len(set(part)) - len(held)):
                index, frame = next(stream)
                held[index] = frame
            yield from (held[index] for index in part)


def passes(wanted: Sequence[int], most: int) -> list[list[Sequence[int]]]:
    """Frames in the order asked, cut into parts of at most `most` different ones, each to be held until all
    of it is there; a pass is of parts that follow each other in the clip.
    """
    parts = _parts(wanted, most)
    found: list[list[Sequence[int]]] = []
    for part in parts:
        if found and max(found[-1][-1]) <= min(part):
            found[-1].append(part)
        else:
            found.append([part])
    return found


def _parts(wanted: Sequence[int], most: int) -> list[Sequence[int]]:
    """Cut wherever all frames before come no later in the clip than all behind, and where there are too
    many.
    """
    least = list(wanted)  # of those from here on
    for place in range(len(wanted) - 2, -1, -1):
        least[place] = min(least[place], least[place + 1])
    parts: list[Sequence[int]] = []
    begin, latest, seen = 0, -1, set[int]()
    for place, index in enumerate(wanted):
        if place > begin and (latest <= least[place] or (index not in seen and len(seen) == most)):
            parts.append(wanted[begin:place])
            begin, seen = place, set()
        seen.add(index)
        latest = max(latest, index)
    return [*parts, wanted[begin:]] if len(wanted) else []
