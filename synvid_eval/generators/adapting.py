"""Chains of the operations that adapt clips (`synvid_eval.generators.adaptation`): their text, the frames
they make, and what is known of these.

A chain is a text: operations in their order, joined by commas, each a name with its own knobs in brackets
(`shake(amplitude=2:4),zoom(p=0.5)`), or `published`, the chain of the released code with its probabilities.
`A|B` is B for the clips that A is not applied to. An operation that is named is applied to every clip unless
its `p` says otherwise.

Draws are addressed by (seed, preset or set, clip, operation and how many of its name stand before it), so
operations of other names change none of them. Of a clip only the frames are drawn that the wanted ones are
made from. A clip that is trained on may be adapted anew each time (`again`): then by draws that are addressed
by (epoch, view), too, and over the frames that are wanted, as if they were a clip of their own. What is
wholly a batch's (`reverse`) is drawn by the epoch alone, so that all views of a clip run the same way. Clips
that are passed together may share the draws of such operations as are a batch's, in each view: `again` is
(epoch, view, number of the batch) then, and these are addressed by (seed, preset, batch, view), what is
wholly a batch's by (seed, preset, batch).

What is known of a clip goes through the maps of its geometry, composed, from a pixel of the result to one of
what was drawn: masks and flow are those of the nearest pixel there, tracks are carried forward. Where the
result shows nothing of the clip (the black around it), masks are 0, flow is 0, and `hidden` is true. So it
is behind the objects, too, where the chain may lay another clip's background there.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError, nearest
from synvid_eval.generators.adaptation import (
    REVISION,
    Clip,
    Draws,
    Floats,
    Others,
    Parameters,
    narrowed,
)
from synvid_eval.generators.base import Frame
from synvid_eval.generators.kept import BACKGROUND, Kept
from synvid_eval.generators.operations import OPERATIONS, Background, Operation
from synvid_eval.generators.truth import sees

if TYPE_CHECKING:
    from synvid_eval.generators.base import Generator

PUBLISHED = "published"
"""The name of the chain of the released code."""

_PUBLISHED = (
    "reverse(p=0.5),clone(p=0.15)|scale,shift(p=0.3),background,perspective(p=0.8),shift(p=0.3),zoom(p=0.3),"
    "shake(p=0.3),mirror(p=0.5)"
)

CHUNK = 32
"""Frames that are made at once: so many, and what they are made from, are held."""

_KEPT_BYTES = 64 << 20

_WITHOUT_END = 2**31 - 1

MOST_TEXT = 4096
"""Characters of a chain."""

Stage = tuple[Operation, Parameters]
Step = tuple[Callable[[Clip, Any], Clip], Parameters]


# -- text -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chain:
    """Operations in their order; of each link the first is applied that its probability chooses."""

    links: tuple[tuple[Operation, ...], ...]

    @property
    def spelled(self) -> str:
        """The text with every knob, as `parsed` reads it. Equal chains have one text."""
        return ",".join("|".join(map(_spelled, link)) for link in self.links)

    @property
    def names(self) -> str:
        """The text without knobs; `published` for that chain."""
        if self == parsed(PUBLISHED):
            return PUBLISHED
        return ",".join("|".join(o.name for o in link) for link in self.links)

    @property
    def operations(self) -> list[Operation]:
        """All operations, in order."""
        return [operation for link in self.links for operation in link]

    def identity(self) -> dict[str, Any]:
        """Everything that decides what it does to a clip at an address, ready for JSON."""
        return {"adapt": self.spelled, "adaptation": REVISION}

    def check_truth(self, kinds: Sequence[str]) -> None:
        """UsageError where it makes something of a clip that nothing is known of, and something is asked."""
        unknown = [o.name for o in self.operations if not o.truthful and o.p]
        if kinds and unknown:
            known = dict.fromkeys(o.name for o in self.operations if o.truthful) or ["scale", "perspective"]
            raise UsageError(
                f"Of a clip adapted by {unknown[0]} no truth is known ({', '.join(kinds)}): copies of all "
                "objects lie over them.",
                f"Name a chain without {unknown[0]}, such as adapt={','.join(known)}.",
            )

    def sampled(
        self,
        own: tuple[str | int, ...],
        batch: tuple[str | int, ...],
        total: int,
        size: tuple[int, int],
        strength: float = 1.0,
        others: Callable[[int], Others] | None = None,
        again: tuple[int, ...] = (),
    ) -> list[Stage]:
        """The operations that are applied to a clip, each with its parameters.

        Args:
            own: the clip's address. batch: that of the clips that share a draw with it. total: its frames.
            size: height and width [px]. strength: of the curriculum, in [0, 1]. others: where the pictures of
            the background number n of the chain come from; None: nowhere (see `Operation.sample`). again:
            see the module's docstring; (): the clip's own draws.
        """
        of_clip = again[:2]
        of_batch = again[1:2] if again[2:] else of_clip  # the number of a batch says its epoch
        stages: list[Stage] = []
        seen: Counter[str] = Counter()
        for link in self.links:
            done = False
            for operation in link:
                number = seen[operation.name]
                seen[operation.name] += 1
                address, anew = (batch, of_batch) if operation.together else (own, of_clip)
                anew = anew[:-1] if operation.wholly else anew
                where = Draws((*address, *anew, operation.name, number))
                chosen = where if operation.wholly else Draws((*own, *of_clip, operation.name, number))
                late = operation.late and strength < 1
                if done or late or chosen.unit("p") >= operation.p:
                    continue
                behind = others(number) if others and isinstance(operation, Background) else None
                stages.append((operation, operation.sample(where, total, size, strength, behind)))
                done = True
        return stages


def _spelled(operation: Operation) -> str:
    return f"{operation.name}({','.join(f'{k}={v}' for k, v in knobs.values(operation).items())})"


@functools.lru_cache(maxsize=64)
def parsed(text: str) -> Chain:
    """The chain that a text names (see the module's docstring).

    Raises:
        UsageError: unknown operations or knobs (names the nearest), values out of range, a text that cannot
        be read or names none.
    """
    if len(text) > MOST_TEXT:
        raise UsageError(f"adapt is {len(text):,} characters long.", f"At most {MOST_TEXT:,}.")
    links: list[tuple[Operation, ...]] = []
    for part in re.split(r",(?![^()]*\))", text.strip()):
        if part.strip() == PUBLISHED:
            links += parsed(_PUBLISHED).links
        else:
            links.append(tuple(_operation(one.strip(), text) for one in re.split(r"\|(?![^()]*\))", part)))
    return Chain(tuple(links))


def _operation(part: str, text: str) -> Operation:
    called = knobs.called(part, f"adapt={text[:80]}")
    if called is None:
        raise UsageError(
            f"adapt={text[:80]} cannot be read{f' at {part[:40]!r}' if part else ''}.",
            f"It is {PUBLISHED}, or NAME or NAME(knob=value), joined by commas: shake,zoom(p=0.5).",
        )
    name, given = called
    if name not in OPERATIONS:
        known = [*OPERATIONS, PUBLISHED]
        raise UsageError(f"No operation that adapts clips is called {name!r}.", nearest(name, known))
    return knobs.replace(OPERATIONS[name](), given)


def normal(text: str) -> str:
    """The one text of a chain: `published`, or every knob spelled out; UsageError as of `parsed`."""
    chain = parsed(text)
    return PUBLISHED if chain == parsed(PUBLISHED) else chain.spelled


# -- frames -----------------------------------------------------------------------------------------


def planned(stages: Sequence[Stage], frames: Sequence[int]) -> tuple[list[int], list[Step]]:
    """(the frames that are to be read, ascending, each once; the steps that make the wanted ones of a clip of
    these).
    """
    steps: list[Step] = []
    needed = list(frames)
    for operation, parameters in reversed(stages):
        needed, narrow = narrowed(parameters, needed)
        steps.append((type(operation).apply, narrow))
    return needed, steps[::-1]


def made(
    stages: Sequence[Stage], frames: Sequence[int], read: Callable[[list[int]], Iterator[Frame]]
) -> Iterator[Frame]:
    """The wanted frames of an adapted clip, in the order asked, a few at a time.

    Args:
        read: gives frames of the clip as it was, uint8 [H, W, 3], in the order asked; it is called once.
    """
    parts = [planned(stages, frames[at : at + CHUNK]) for at in range(0, len(frames), CHUNK)]
    stream = read([frame for needed, _ in parts for frame in needed])
    for needed, steps in parts:
        if needed:
            clip = np.stack([next(stream) for _ in needed])
            for apply, parameters in steps:
                clip = apply(clip, parameters)
            yield from clip


_kept = Kept(_KEPT_BYTES)


@dataclass(frozen=True)
class DrawnBackgrounds:
    """Clips of a preset that backgrounds are taken from: drawn as if the preset were called NAME/background,
    so they are none of the set's own, however many it has. See `Others`. pool: how many there are; 0: without
    end. epoch: of a training, each of which has a pool of its own: of always the same pictures a network
    would learn these.
    """

    generator: Generator
    seed: int
    preset: str
    pool: int
    epoch: int = 0

    def still(self, draws: Draws, which: int) -> Frame:
        """See `Others.still`: of a clip always the same frame, so that it can be kept."""
        number, name = self._number(draws, which), self._name

        def draw() -> Frame:
            at = Draws((self.seed, name, number)).whole("frame", 0, self._length(number) - 1)
            return next(iter(self.generator.paint(self.seed, name, number, [at])))

        return _kept.get((self.generator, self.seed, name, number), draw) if self.pool else draw()

    def window(self, draws: Draws, which: int, length: int) -> list[Frame]:
        """See `Others.window`."""
        number = self._number(draws, which)
        taken = min(length, total := self._length(number))
        begin = draws.whole("begin", 0, total - taken)
        return list(self.generator.paint(self.seed, self._name, number, range(begin, begin + taken)))

    @property
    def _name(self) -> str:
        return f"{self.preset}{BACKGROUND}"

    def _length(self, number: int) -> int:
        return self.generator.clip_length(self.seed, self._name, number)

    def _number(self, draws: Draws, which: int) -> int:
        key = draws.key("clip", which)
        number = int(randomness.below(randomness.stream(key, 1), self.pool or _WITHOUT_END)[0])
        return (self.epoch * self.pool + number) % _WITHOUT_END


@functools.lru_cache(maxsize=64)
def plain(generator: Generator) -> Generator:
    """The same generator without `adapt`: one for all chains, so that what it keeps serves all of them."""
    return dataclasses.replace(generator, adapt="", adapt_batch=1)


def _stages(
    generator: Generator,
    where: tuple[int, str, int],
    strength: float,
    pictures: bool,
    again: tuple[int, ...] = (),
    count: int = 0,
) -> list[Stage]:
    """What is done to a clip. where: seed, preset, index. pictures: whether backgrounds are drawn. again: see
    the module's docstring; count: frames that are wanted then.
    """
    seed, preset, index = where
    unadapted = plain(generator)
    chain = parsed(generator.adapt)
    pools = [o.pool for o in chain.operations if isinstance(o, Background)]
    epoch = again[0] if again else 0
    batch: tuple[str | int, ...] = where
    if again[2:]:
        batch = (seed, preset, "passed", again[2])
    elif generator.adapt_batch > 1:
        batch = (seed, preset, "batch", index // generator.adapt_batch)
    return chain.sampled(
        where,
        batch,
        count if again else generator.clip_length(*where),
        generator.frame_size,
        strength,
        (lambda n: DrawnBackgrounds(unadapted, seed, preset, pools[n], epoch)) if pictures else None,
        again,
    )


def draw(
    generator: Generator,
    where: tuple[int, str, int],
    frames: Sequence[int],
    strength: float,
    again: tuple[int, ...] = (),
) -> Iterator[Frame]:
    """The chosen frames of an adapted clip of a generator; see `Generator.draw`.

    where: seed, preset, index.
    """
    stages = _stages(generator, where, strength, True, again, len(frames))
    own, paint = (range(len(frames)) if again else frames), plain(generator).paint
    return made(stages, own, lambda wanted: paint(*where, [frames[i] for i in wanted] if again else wanted))


# -- truth ------------------------------------------------------------------------------------------


def truth(
    generator: Generator,
    where: tuple[int, str, int],
    frames: Sequence[int],
    kinds: Sequence[str],
    strength: float,
    again: tuple[int, ...] = (),
) -> dict[str, NDArray[Any]]:
    """What is known of the chosen frames of an adapted clip; see `Generator.truth` and the module's
    docstring.

    where: seed, preset, index.
    """
    stages = _stages(generator, where, strength, False, again, len(frames))
    height, width = size = generator.frame_size
    times, maps = _geometry(stages, range(len(frames)) if again else frames, size)
    times = [frames[i] for i in times] if again else times
    wanted = {"masks", *({"flow"} if {"flow", "hidden"} & set(kinds) else ())}
    wanted |= {"tracks"} if {"tracks", "occluded"} & set(kinds) else set()
    plain = generator.painted_truth(*where, times, sorted(wanted))
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns, rows], -1).astype(np.float64)
    looks = [_look(maps[i], pixels, size) for i in range(len(frames))]
    masks = np.zeros((len(frames), height, width), plain["masks"].dtype)
    for number, (inside, x, y) in enumerate(looks):
        masks[number] = plain["masks"][number, y, x] * inside
    found: dict[str, NDArray[Any]] = {"masks": masks}
    if any(isinstance(operation, Background) for operation, _ in stages):
        looks = [(inside & (own > 0), x, y) for own, (inside, x, y) in zip(masks, looks, strict=True)]
    if "tracks" in wanted:
        found |= _carried(plain["tracks"], found["masks"], maps)
    if "flow" in wanted:
        found |= _flowing(plain["flow"], found["masks"], maps, looks, pixels)
    return {kind: found[kind] for kind in kinds}


def _geometry(
    stages: Sequence[Stage], frames: Sequence[int], size: tuple[int, int]
) -> tuple[list[int], list[list[Floats]]]:
    """The drawn frame that each chosen frame shows, and the maps from its pixels to that one's, the last
    operation's first: each float64 [3, 3].
    """
    every = [parameters.matrices(size) for _, parameters in stages]
    times, maps = [], []
    for frame in frames:
        own = []
        for (_, parameters), matrices in zip(reversed(stages), reversed(every), strict=True):
            own.append(matrices[frame])
            frame = int(parameters.times[frame, 0])
        times.append(frame)
        maps.append(own)
    return times, maps


def _through(matrix: Floats, points: Floats) -> Floats:
    """Points [..., 2] (x, y) through a projective map, as OpenCV takes frames through it: a map and its
    negative are the same, so of a point's depth only that it is not 0 matters; far away where it is.
    """
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    depth = np.where(np.abs(moved[..., 2:]) > 1e-12, moved[..., 2:], 1e-12)
    found: Floats = moved[..., :2] / depth
    return found


def _look(maps: Sequence[Floats], pixels: Floats, size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """For each pixel of a frame: whether it shows the clip, and the pixel of the drawn frame (x, y) that is
    nearest to what it shows; arrays [H, W].
    """
    height, width = size
    points = near = pixels
    inside = np.ones(pixels.shape[:2], bool)
    for matrix in maps:
        points = _through(matrix, points)
        near = np.floor(points + 0.5)
        inside = inside & (near >= 0).all(-1) & (near[..., 0] < width) & (near[..., 1] < height)
    x, y = (np.where(inside, near[..., axis], 0).astype(np.int64) for axis in (0, 1))
    return inside, x, y


def _forward(maps: Sequence[Floats], points: Floats) -> Floats:
    """Points [..., 2] of the drawn frame where they stand in the frame that is made of it."""
    for matrix in reversed(maps):
        points = _through(np.linalg.inv(matrix).astype(np.float64), points)
    return points


def _carried(
    tracks: NDArray[np.float32], masks: NDArray[Any], maps: Sequence[Sequence[Floats]]
) -> dict[str, NDArray[Any]]:
    """Tracks [N, T, 2] of the drawn clip as those of the adapted one, and `occluded`."""
    moved, occluded = np.zeros(tracks.shape), np.zeros(tracks.shape[:2], bool)
    for i, own in enumerate(maps):
        moved[:, i] = _forward(own, tracks[:, i].astype(np.float64))
        occluded[:, i] = ~sees(masks[i], moved[:, i], np.arange(1, len(tracks) + 1))
    return {"tracks": moved.astype(np.float32), "occluded": occluded}


def _flowing(
    flow: NDArray[np.float32],
    masks: NDArray[Any],
    maps: Sequence[Sequence[Floats]],
    looks: Sequence[tuple[Any, Any, Any]],
    pixels: Floats,
) -> dict[str, NDArray[Any]]:
    """Flow [T − 1, H, W, 2] of the drawn clip as that of the adapted one, and `hidden`."""
    moved, hidden = np.zeros(flow.shape, np.float32), np.ones(flow.shape[:3], bool)
    for i, own in enumerate(flow):
        inside, x, y = looks[i]
        points = pixels
        for matrix in maps[i]:
            points = _through(matrix, points)
        target = _forward(maps[i + 1], points + own[y, x])
        moved[i] = np.where(inside[..., None], target - pixels, 0)
        shown = np.where(looks[i + 1][0], masks[i + 1].astype(np.int64), -1)
        hidden[i] = ~(inside & sees(shown, target, masks[i]))
    return {"flow": moved, "hidden": hidden}
