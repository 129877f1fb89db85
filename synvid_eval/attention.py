"""What a video transformer attends to, as pictures: principal components of its keys, painted on frames.

After Yu et al. 2024 (arXiv 2410.24213, §5.5, Figure 5): keys of the last encoder layer, over 32 frames of 70
videos of one class, each pair of frames going through the network alone; one PCA over all of their tokens,
the first three components as red, green and blue. The paper does not say which 32 frames, how a 2-frame input
gets its positions, nor how components become colors. Here:

- Frames: see `synvid_eval.pairs`. A pair has the positions of a clip of one tubelet, which are the first of a
  longer clip's.
- `keys`, `queries` and `values` are what the layer's projections give, all heads side by side, biases of
  queries and values included; `tokens` are what the layer gives, before the encoder's last norm.
- Signs and colors: see `synvid_eval.components`. Equal colors are equal values throughout a checkpoint's
  pictures, whatever the clip. Checkpoints have components of their own: their colors are not comparable.

The mean and the scatter of tokens are added up clip by clip (`states.Moments`), then every clip's tokens are
projected; in between they lie in the cache, so that a run that was stopped goes on, or in a temporary file.
In memory are a few clips at a time and three numbers a token.

`--masks` makes a number of the pictures: how well one component tells the moving objects of clips drawn here
from the ground (`components.separation`). A token counts as moving where more than half of its patch, both
frames together, shows objects that move; so a token that is mixed counts for the larger part of it, and its
share of all tokens is told. The control to look at is a network with drawn weights: bright objects on black
ground stand out in any.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import __version__, pairs
from synvid_eval.comparison import versions
from synvid_eval.components import COMPONENTS, QUANTILES, Pca, colors, scale, separation
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.execute import Failure, Processes, Reply
from synvid_eval.libraries import decoder_versions
from synvid_eval.measurement import Options, content_hashes, parse_share, plan_pieces
from synvid_eval.networks import checkpoints
from synvid_eval.networks.checkpoints import Checkpoint
from synvid_eval.networks.inputs import normalized
from synvid_eval.networks.loading import exact, resolve_device
from synvid_eval.prober import pairs_task
from synvid_eval.rehearsal import Rehearsal, SetPlan
from synvid_eval.schemas import ATTENTION
from synvid_eval.sets import name_sets, open_set, preset_generator
from synvid_eval.states import Arrays, Moments, Park, Parked
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.videoset import VideoSet, rank

if TYPE_CHECKING:
    from torch import Tensor, nn

REVISION = 1
"""Raised whenever the same tokens get other values."""

CLIPS, FRAMES = 70, 32
"""Of the paper."""

WHAT = ("keys", "queries", "values", "tokens")
AHEAD = 8
"""Clips that are read at once: what bounds memory."""


@dataclass(frozen=True)
class Asked:
    """What is looked at.

    clips: drawn by hash, of those with `label` where one is given. frames: of a clip. layer: of the encoder,
    from 0, or from the end, −1 the last. what: of WHAT. masks: whether the number is wanted.
    """

    clips: int = CLIPS
    label: str | None = None
    frames: int = FRAMES
    layer: int = -1
    what: str = "keys"
    masks: bool = False

    def __post_init__(self) -> None:
        if self.what not in WHAT:
            raise UsageError(f"--what {self.what} is nothing that is looked at.", nearest(self.what, WHAT))
        if not 2 <= self.frames <= 100_000:
            raise UsageError(f"--frames {self.frames} is no number of frames.", "Give 2 or more.")


@dataclass(frozen=True)
class Painted:
    """What one checkpoint gave. about: its part of the document. maps: of each clip uint8 [tubelets, h, w,
    3].
    """

    about: dict[str, Any]
    maps: list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Clip:
    """A clip that was looked at."""

    ref: ClipRef
    indices: tuple[int, ...]
    fps: float | None


@dataclass(frozen=True)
class Attention:
    """All of it: the document that is written as JSON (without `media`), the clips in the order that draws
    them, and each checkpoint's pictures of them.
    """

    document: dict[str, Any]
    clips: list[Clip]
    painted: list[Painted]
    tubelet: int

    def maps(self, clip: int) -> list[NDArray[np.uint8]]:
        """What each checkpoint made of a clip: uint8 [tubelets, h, w, 3] each."""
        return [one.maps[clip] for one in self.painted]


def opened(location: str, asked: Asked, **how: Any) -> VideoSet:
    """The clips that are looked at. how: further keywords of `sets.open_set`.

    Raises:
        UsageError: a label that no clip has; masks of a set whose clips' are not known. See `open_set`.
    """
    found = open_set(location, **how)
    if asked.label is not None:
        labels = sorted({c.label for c in found.clips if c.label is not None})
        if asked.label not in labels:
            hint = nearest(asked.label, labels) if labels else "Its clips have no labels: leave it away."
            raise UsageError(f"--label {asked.label}: no clip of {found.name} has it.", hint)
        of_label = tuple(c for c in found.clips if c.label == asked.label)
        found = replace(found, clips=of_label, skipped=(), said=f"{found.said}; label {asked.label}")
    drawn = found.draw(asked.clips)
    if asked.masks:
        _check_masks(drawn)
    return drawn


def _check_masks(found: VideoSet) -> None:
    for ref in found.clips:
        if ref.kind != "preset":
            raise UsageError(
                f"--masks: what moves in {ref.id} is not known; it is of clips that presets draw.",
                "Such as 'preset:moving_circles?objects=20&background=color'; or leave --masks away.",
            )
        preset_generator(ref).check_truth(pairs.TRUTHS)


def look(
    location: str,
    given: Sequence[str],
    asked: Asked,
    options: Options,
    *,
    device: str = "auto",
    command: str = "",
    **how: Any,
) -> Attention:
    """Looks at the clips of a set with each checkpoint in turn.

    Args:
        location: a set, `[name=]location`. given: checkpoints, `[name=]location` each (see
            `checkpoints.find`); none for a random network. device: as `--device` takes it. command: for the
            record. how: further keywords of `sets.open_set`.

    Raises:
        UsageError, WeightsError, DataError, in this order, before any long work: see `opened`,
        `checkpoints.find`; a layer that a checkpoint has not; too many clips that cannot be read.
    """
    started = time.monotonic()
    place = resolve_device(device)
    videos, found = prepare(location, given, asked, options, **how)
    for note in videos.notes:
        options.progress.say(note)
    with _Run(videos, asked, options, place) as run:
        painted = [run.paint(one) for one in found]
        seen = [run.clips[i] for i in sorted(run.clips, key=rank)]
    document: dict[str, Any] = {
        "schema": ATTENTION,
        "set": {
            "name": videos.name,
            "location": videos.location,
            "label": asked.label,
            "clips": len(seen),
            "skipped": [{"id": i, "reason": r} for i, r in [*videos.skipped, *sorted(run.skipped.items())]],
        },
        "what": asked.what,
        "layer": asked.layer,
        "frames": asked.frames,
        "tubelet": run.tubelet,
        "quantiles": list(QUANTILES),
        "checkpoints": [p.about for p in painted],
        "clips": [
            {"id": c.ref.id, "label": c.ref.label, "frames": list(c.indices), "fps": c.fps} for c in seen
        ],
        "notes": [*videos.notes, *run.notes()],
        "run": {
            "synvid_eval": __version__,
            "command": command,
            "seed": options.seed,
            "device": place,
            "versions": versions() | {n: importlib.metadata.version(n) for n in ("torch", "transformers")},
            "machine": {"system": platform.platform(), "cores": os.cpu_count()},
            "seconds": round(time.monotonic() - started, 3),
        },
    }
    return Attention(document, seen, painted, run.tubelet)


def prepare(
    location: str, given: Sequence[str], asked: Asked, options: Options, **how: Any
) -> tuple[VideoSet, list[Checkpoint]]:
    """The clips, and the checkpoints (not built yet); what is wrong with either is raised in the order of
    exit codes.
    """
    (name, place), *_ = name_sets([location])
    missing: DataError | None = None
    videos: VideoSet | None = None
    try:
        how = {"seed": options.seed, "decode_timeout": options.decode_timeout, **how}
        videos = opened(place, asked, name=name, **how)
    except DataError as error:
        missing = error
    found = _checkpoints(given, options.seed)
    for one in found:
        depth = one.transformer.depth
        if not -depth <= asked.layer < depth:
            raise UsageError(
                f"--layer {asked.layer}: {one.name} has {depth} layers.", f"Give -{depth} to {depth - 1}."
            )
    if len(tubelets := {one.transformer.tubelet for one in found}) > 1:
        raise UsageError(
            f"The checkpoints have tubelets of {' and '.join(map(str, sorted(tubelets)))} frames.",
            "Look at each alone.",
        )
    if missing is not None or videos is None:
        raise missing or DataError(f"0 videos in {location}.")
    return videos, found


def _checkpoints(given: Sequence[str], seed: int) -> list[Checkpoint]:
    if not given:
        return [checkpoints.find(None, seed)]
    return [replace(checkpoints.find(place, seed), name=name) for name, place in name_sets(given)]


def frames_of(found: Attention, side: int, count: int, options: Options) -> Iterator[NDArray[np.uint8]]:
    """The frames of the first `count` clips again: uint8 [K, side, side, 3] each, cropped as the network saw
    them. DataError where one cannot be read any more.
    """
    size = {"count": found.document["frames"], "tubelet": found.tubelet, "side": side}
    pool = new_pool(options)
    try:
        for begin in range(0, count, AHEAD):
            part = found.clips[begin : min(begin + AHEAD, count)]
            for clip, (arrays, facts) in zip(part, read(pool, [c.ref for c in part], size), strict=True):
                if "frames" not in arrays:
                    raise DataError(f"{clip.ref.id} could be read once, and now: {facts['skipped']}.")
                yield np.asarray(arrays["frames"], np.uint8)
    finally:
        pool.close()


def new_pool(options: Options) -> Processes:
    """Processes that read clips; none is started before there is work."""
    setup = {"loud": options.loud}
    workers, timeout = options.worker_count(), options.decode_timeout
    return Processes("synvid_eval.prober", workers, setup, timeout, options.loud)


def read(pool: Processes, refs: Sequence[ClipRef], size: dict[str, int]) -> Iterator[Reply]:
    """The tubelets of clips in order (see `pairs.pairs`)."""
    for _, answer in pool.map(pairs_task(ref, **size) for ref in refs):
        yield ({}, {"skipped": answer.reason}) if isinstance(answer, Failure) else answer


def rehearse(
    location: str,
    given: Sequence[str],
    asked: Asked,
    options: Options,
    *,
    device: str = "auto",
    **how: Any,
) -> Rehearsal:
    """What `look` would do and take: one clip is read and one input goes through each network."""
    place = resolve_device(device)
    videos, found = prepare(location, given, asked, options, **how)
    workers = options.worker_count()
    seconds, kept = 0.0, 0
    for one in found:
        of = one.transformer
        size = {"count": asked.frames, "tubelet": of.tubelet, "side": of.image}
        pool = new_pool(options)
        try:
            next(read(pool, videos.clips[:1], size))  # the first pays for starting processes
            began = time.perf_counter()
            arrays, facts = next(read(pool, videos.clips[:1], size))
            reading = time.perf_counter() - began
        finally:
            pool.close()
        if "frames" not in arrays:
            raise DataError(f"{videos.clips[0].id} was tried and cannot be read: {facts['skipped']}.")
        network = _Network(one, asked.layer % of.depth, asked.what, place, options)
        frames = np.asarray(arrays["frames"], np.uint8)
        try:
            network.rows(frames[: of.tubelet])
            began = time.perf_counter()
            rows = network.rows(frames[: workers * of.tubelet])
            running = time.perf_counter() - began
        finally:
            network.close()
        inputs = len(frames) / min(len(frames), workers * of.tubelet)
        seconds += len(videos.clips) * (inputs * running + reading / workers)
        tokens = len(frames) // of.tubelet * (of.image // of.patch) ** 2
        kept += len(videos.clips) * tokens * rows.shape[1] * rows.itemsize
    plan = SetPlan(
        videos.name, videos.location, videos.layout, videos.said, len(videos.clips), len(videos.skipped),
        0, 0, 0, 0, None, seconds / max(len(videos.clips), 1),
    )  # fmt: skip
    root = options.cache.root
    where = None if root is None else str(root)
    return Rehearsal(
        [plan], [f"{one.name}: {asked.what}" for one in found], workers, where, seconds, None, kept
    )


class _Run:
    """Reads clips and runs networks; `clips`, `skipped`: by id, as they are met."""

    def __init__(self, videos: VideoSet, asked: Asked, options: Options, place: str) -> None:
        self.videos, self.asked, self.options, self.place = videos, asked, options, place
        self.clips: dict[str, Clip] = {}
        self.skipped: dict[str, str] = {}
        self.tubelet = 0
        self._contents: dict[str, str] | None = None
        self._pool = new_pool(options)

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def notes(self) -> list[str]:
        """What a reader should know of the clips that were looked at."""
        whole = self.asked.frames // max(self.tubelet, 1) * self.tubelet
        short = sum(len(c.indices) < whole for c in self.clips.values())
        return [f"{short:,} clips have fewer than {whole} frames: all tubelets they have"] if short else []

    def paint(self, one: Checkpoint) -> Painted:
        """Looks at all clips with one checkpoint."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return self._paint(one)

    def _paint(self, one: Checkpoint) -> Painted:
        of = one.transformer
        layer = self.asked.layer % of.depth
        self.tubelet = of.tubelet
        grid = of.image // of.patch
        kept = _Kept(self.options)
        moments = Moments(of.width)
        self.options.progress.begin(f"{one.name}: {self.asked.what}", len(self.videos.clips))
        for ref, rows, shares in self._looked(one, layer, kept):
            moments = moments + Moments.of_rows(rows)
            kept.shares[ref.id] = shares
        order = sorted(self.clips, key=rank)
        pca = Pca.of(moments)
        projected = [pca.project(kept.rows(clip)) for clip in order]
        whole = np.concatenate(projected)
        low, high = scale(whole)
        about: dict[str, Any] = {
            "name": one.name,
            "signature": one.signature,
            "architecture": {n: getattr(of, n) for n in ("width", "depth", "heads", "image", "patch")},
            "layer": layer,
            "tokens": len(whole),
            "explained": [None if np.isnan(v) else float(v) for v in pca.shares],
            "scale": [[float(a), float(b)] for a, b in zip(low, high, strict=True)],
            "separation": None,
        }
        if self.asked.masks:
            shares_of = [kept.shares[clip].ravel() for clip in order]
            block = {c.id: piece.block for piece in plan_pieces(self.videos) for c in piece.clips}
            about["separation"] = separation(projected, shares_of, [block[clip] for clip in order])
        maps = [colors(p, low, high).reshape(-1, grid, grid, COMPONENTS) for p in projected]
        return Painted(about, maps)

    def _looked(
        self, one: Checkpoint, layer: int, kept: _Kept
    ) -> Iterator[tuple[ClipRef, NDArray[np.float32], NDArray[np.float32]]]:
        """Each clip with its rows and shares, as they come from the cache or from the network."""
        if self._contents is None:
            videos, options = self.videos, self.options
            self._contents = content_hashes(videos, options.cache, options.worker_count(), options.progress)
        encoder: _Network | None = None
        of, asked = one.transformer, self.asked
        size = {"count": asked.frames, "tubelet": of.tubelet, "side": of.image}
        size["patches"] = of.image // of.patch if asked.masks else 0
        refs = [c for c in self.videos.clips if c.id not in self.skipped]
        try:
            for begin in range(0, len(refs), AHEAD):
                part = refs[begin : begin + AHEAD]
                keys = {c.id: self._key(one, layer, size, self._contents[c.id]) for c in part}
                there = {c.id: found for c in part if (found := kept.found(keys[c.id])) is not None}
                answers = read(self._pool, [c for c in part if c.id not in there], size)
                for ref in part:
                    cached = ref.id in there
                    if cached:
                        arrays, facts = there[ref.id]
                    else:
                        arrays, facts = next(answers)
                        if "frames" not in arrays:
                            self._skip(ref, facts["skipped"])
                            continue
                        encoder = encoder or _Network(one, layer, asked.what, self.place, self.options)
                        shares = arrays.get("shares", np.zeros(0, np.float32))
                        arrays = {"rows": encoder.rows(arrays["frames"]), "shares": shares}
                    kept.keep(ref.id, keys[ref.id], arrays, facts, cached)
                    self.clips[ref.id] = Clip(ref, tuple(facts["indices"]), facts["fps"])
                    self.options.progress.advance(1, cached=cached, reading=ref.id)
                    yield (
                        ref,
                        np.asarray(arrays["rows"], np.float32),
                        np.asarray(arrays["shares"], np.float32),
                    )
        finally:
            if encoder is not None:
                encoder.close()
        if not self.clips:
            raise DataError(
                f"No clip of {self.videos.name} can be looked at.", f"The first: {_first(self.skipped)}."
            )

    def _skip(self, ref: ClipRef, reason: str) -> None:
        self.skipped[ref.id] = reason
        self.options.progress.advance(1, cached=False, reading=ref.id)
        seen = len(self.skipped) + len(self.videos.skipped)
        if seen > parse_share(self.options.max_skipped)(self.videos.found):
            raise DataError(
                f"{self.videos.name}: {seen} of {self.videos.found} clips cannot be read, more than "
                f"--max-skipped {self.options.max_skipped}; the last: {ref.id}: {reason}.",
                "Leave them out, or allow more.",
            )

    def _key(self, one: Checkpoint, layer: int, size: dict[str, int], content: str) -> str:
        """The cache key of a clip's rows: a hash of everything that decides them; "" where there is none."""
        if not content:
            return ""
        facts = {
            "attention": [REVISION, pairs.REVISION],
            "clip": content,
            "size": size,
            # what the file of weights does not tell stands beside its hash
            "network": [
                *(one.signature, str(one.architecture), one.pooled, one.epsilon),
                *(layer, self.asked.what),
            ],
            "where": [self.place.partition(":")[0], importlib.metadata.version("torch")],
            "transformers": importlib.metadata.version("transformers"),
            "decoder": decoder_versions(),
        }
        return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _first(skipped: dict[str, str]) -> str:
    return ": ".join(next(iter(skipped.items()), ("none", "the set is empty")))


class _Kept:
    """The rows of clips between the two looks at them: in the cache, or else in a temporary file."""

    def __init__(self, options: Options) -> None:
        self._cache, self._park = options.cache, Park()
        self._parked: dict[str, Parked] = {}
        self._keys: dict[str, str] = {}
        self.shares: dict[str, NDArray[np.float32]] = {}

    def found(self, key: str) -> tuple[Arrays, dict[str, Any]] | None:
        """What the cache has under a key."""
        return self._cache.get(key) if key else None

    def keep(self, clip: str, key: str, arrays: Arrays, facts: dict[str, Any], there: bool) -> None:
        """Keeps a clip's rows; there: whether the cache has them already."""
        if key and not there:
            self._cache.put(key, arrays, {k: facts[k] for k in ("indices", "fps")})
        if key and self._cache.has(key):
            self._keys[clip] = key
        else:
            self._parked[clip] = self._park.put(arrays["rows"])

    def rows(self, clip: str) -> NDArray[np.float32]:
        """The rows of a clip, float32 [n, d]."""
        if clip in self._parked:
            return self._park.read(self._parked[clip])
        found = self._cache.get(self._keys[clip])
        if found is None:
            raise DataError(
                f"The cache has lost what was kept of {clip} while it was wanted.", "Run it again."
            )
        return np.asarray(found[0]["rows"], np.float32)


class _Network:
    """An encoder on its device, for inputs of one tubelet; rows do not depend on how many go at once on a
    CPU, where each goes alone, on one thread, as many beside each other as there are workers.
    """

    def __init__(self, one: Checkpoint, layer: int, what: str, place: str, options: Options) -> None:
        import torch

        self._module = checkpoints.build(one, frames=one.transformer.tubelet).module.to(place)
        self._layer, self._what, self._place = layer, what, place
        self._tubelet = one.transformer.tubelet
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self._pool = ThreadPoolExecutor(options.worker_count())

    def close(self) -> None:
        """Ends its threads."""
        import torch

        self._pool.shutdown()
        torch.set_num_threads(self._threads)

    def rows(self, frames: NDArray[Any]) -> NDArray[np.float32]:
        """Rows float32 [n, d] of frames uint8 [K, side, side, 3]: tubelet after tubelet, line after line."""
        import torch

        tubelets = frames.reshape(-1, self._tubelet, *frames.shape[1:])
        inputs = normalized(torch.tensor(tubelets)).contiguous()
        with exact():
            if self._place != "cpu":
                return self._forward(inputs)
            return np.concatenate(list(self._pool.map(self._forward, inputs.tensor_split(len(inputs)))))

    def _forward(self, inputs: Tensor) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            out = tapped(self._module, inputs.to(self._place), self._layer, self._what)
            return out.reshape(-1, out.shape[-1]).float().cpu().numpy()


def tapped(module: nn.Module, x: Tensor, layer: int, what: str) -> Tensor:
    """What a layer (from 0) of a VideoMAEModel makes of inputs [B, T, 3, H, W]: [B, tokens, width]. Layers
    behind it, and of the layer itself what comes behind its projections, are not run.
    """
    network: Any = module
    tokens: Tensor = network.embeddings(x, None)
    for block in network.encoder.layer[:layer]:
        tokens = block(tokens)
    block = network.encoder.layer[layer]
    if what == "tokens":
        return block(tokens)  # type: ignore[no-any-return]
    heads = block.attention.attention
    projection = {"keys": heads.key, "queries": heads.query, "values": heads.value}[what]
    return projection(block.layernorm_before(tokens))  # type: ignore[no-any-return]
