"""What a page shows beyond the scores: `media` of a comparison's JSON.

`of_metrics` takes it from measured sets, so nothing is decoded again: what each metric saw of single clips
(how far from the mean of the reference's, and where in the plane of the first two principal components),
nearest and farthest clips, and set-level curves. `previews` decodes a few clips once more, since which ones
are worth showing is only known when all is scored; they are kept in the cache. Numbers here are for drawing
and have three or four digits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import preview
from synvid_eval.errors import UsageError, nearest
from synvid_eval.execute import Failure, Processes, Serial
from synvid_eval.libraries import decoder_versions
from synvid_eval.measurement import Measurement, Options
from synvid_eval.metrics.base import SHOWN, ClipRows, Metric
from synvid_eval.prober import preview_task
from synvid_eval.randomness import address
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.videoset import VideoSet

POINTS = 180
"""Clips of all sets that a picture shows as points, about."""
LEAST_POINTS = 8
PREVIEWS = 4
"""Clips of a set that play on the page beside the nearest and farthest ones, drawn by hash of seed and id."""
MOVING = 400
"""Clips of all sets that play; beyond that nearest and farthest ones are stills."""
BINS = 40


def of_metrics(
    metrics: Sequence[tuple[str, Metric]], sets: Sequence[Measurement], reference: int = -1
) -> dict[str, Any]:
    """`media["metrics"]`: label → what pictures of that metric need.

    metrics: (label, metric settled for all sets). sets: candidates and, at `reference`, the reference. A
    metric that saw the same of each clip as one before it (kid after fid) refers to that one by "like".
    """
    out: dict[str, Any] = {}
    known: dict[str, str] = {}
    for label, metric in metrics:
        seen = [_clip_rows(metric, one) for one in sets]
        found: dict[str, Any] = {one.facts.name: {} for one in sets}
        for one in sets:
            if (side := one.sides.get(metric.feature)) is not None:
                found[one.facts.name] |= _rounded(metric.picture(side))
        axes: dict[str, str] = {}
        digest = _digest(seen)
        if digest in known:
            out[label] = {"sets": found, "axes": axes, "like": known[digest]}
            continue
        if seen[reference] is not None:
            known[digest] = label
            axes = _with_clips(metric, found, sets, seen, seen[reference])
        out[label] = {"sets": found, "axes": axes}
    return out


def _clip_rows(metric: Metric, one: Measurement) -> ClipRows | None:
    side = one.sides.get(metric.feature)
    if side is None:
        return None
    owners = np.array([address("clip", c.id) for c in one.clips], np.uint64)
    return metric.clip_rows(side, one.summaries[metric.feature], owners)


def _digest(seen: Sequence[ClipRows | None]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for rows in seen:
        digest.update(b"-" if rows is None else np.ascontiguousarray(rows.rows).tobytes())
    return digest.hexdigest()


def _with_clips(
    metric: Metric,
    found: dict[str, Any],
    sets: Sequence[Measurement],
    seen: Sequence[ClipRows | None],
    reference: ClipRows | None,
) -> dict[str, str]:
    """Adds clips to each set's part of a metric; returns what the axes are."""
    assert reference is not None
    there = [(one, rows) for one, rows in zip(sets, seen, strict=True) if rows is not None]
    center = reference.rows.mean(axis=0)
    single = len(center) == 1
    axes = {"distance": metric.apart}
    basis, middle = np.eye(1), np.zeros(1)
    edges: NDArray[np.float64] | None = None
    if single:
        axes["x"] = f"{metric.name}, {metric.unit}" if metric.unit else metric.name
        edges = _edges(np.concatenate([rows.rows[:, 0] for _, rows in there]))
    else:
        basis, middle, shares = _plane([rows.rows[:SHOWN] for _, rows in there])
        # strict is false, as a single clip has one axis only
        for axis, ordinal, share in zip("xy", ("first", "second"), shares, strict=False):
            axes[axis] = f"{ordinal} principal component ({100 * share:.0f} % of variance)"
    count = max(LEAST_POINTS, POINTS // len(sets))
    for one, rows in there:
        part = found[one.facts.name]
        ids = {address("clip", c.id): c.id for c in one.clips}
        distance = np.sqrt(((rows.rows - center) ** 2).sum(axis=1))
        order = np.argsort(rows.owners, kind="stable")
        near, far = int(order[np.argmin(distance[order])]), int(order[np.argmax(distance[order])])
        part["nearest"], part["farthest"] = ids[int(rows.owners[near])], ids[int(rows.owners[far])]
        taken = list(dict.fromkeys([*order[: count - 2].tolist(), near, far]))
        plane = (rows.rows[taken] - middle) @ basis
        part["clips"] = {
            "ids": [ids[int(rows.owners[i])] for i in taken],
            "distance": _short(distance[taken]),
            **{axis: _short(column) for axis, column in zip("xy", plane.T, strict=False)},
        }
        part["seen"] = len(rows.owners)
        if edges is not None:
            counts, _ = np.histogram(rows.rows[:, 0], edges)
            part["histogram"] = {"edges": _short(edges), "share": _short(counts / max(1, counts.sum()))}
    return axes


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _plane(
    sets: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
    """First two principal axes [d, 2] of rows, every set weighing the same, their center [d], and the share
    of the variance along each. Signs are such that the largest component of an axis is positive.
    """
    import scipy.linalg

    weights = np.concatenate([np.full(len(rows), 1 / len(rows)) for rows in sets]) / len(sets)
    rows = np.concatenate(sets)
    middle = weights @ rows
    centered = (rows - middle) * np.sqrt(weights)[:, None]
    d = rows.shape[1]
    if len(rows) < d:  # the smaller of two matrices with the same eigenvalues
        gram = centered @ centered.T
        values, vectors = scipy.linalg.eigh(gram, subset_by_index=[max(0, len(gram) - 2), len(gram) - 1])
        lengths = np.sqrt(np.maximum(values, np.finfo(np.float64).tiny))
        basis = (centered.T @ vectors) / lengths
        total = float(np.trace(gram))
    else:
        square = centered.T @ centered
        values, basis = scipy.linalg.eigh(square, subset_by_index=[max(0, d - 2), d - 1])
        total = float(np.trace(square))
    values, basis = values[::-1], basis[:, ::-1]
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    shares = [float(max(v, 0.0) / total) if total > 0 else 0.0 for v in values]
    return basis * np.where(signs == 0, 1.0, signs), middle, shares


def _short(values: NDArray[np.floating] | Sequence[float]) -> list[float]:
    return [float(f"{v:.4g}") for v in np.asarray(values, np.float64)]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.3g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class _Choice:
    """A clip to show: whether it is one of those drawn by seed, and whether it plays."""

    ref: ClipRef
    content: str
    shown: bool
    moving: bool


def check_names(no_previews: Sequence[str], names: Sequence[str]) -> set[str]:
    """The sets without previews; UsageError for a name that is none of the sets'. "all" is all of them."""
    if "all" in no_previews:
        return set(names)
    for name in no_previews:
        if name not in names:
            raise UsageError(f"--no-previews {name}: no set has this name.", nearest(name, [*names, "all"]))
    return set(no_previews)


def previews(
    metrics: Mapping[str, Any],
    sets: Sequence[Measurement],
    opened: Sequence[VideoSet | Measurement],
    options: Options,
    without: set[str],
) -> dict[str, Any]:
    """`{"clips": …, "no_clips": …}`: previews of each set's clips, and why a set has none.

    metrics: of `of_metrics`: its nearest and farthest clips play, its points have stills. opened: what the
    sets were measured from; clips of a `.measured` file are not at hand. without: names of sets to leave out.
    """
    clips: dict[str, list[dict[str, Any]]] = {}
    missing: dict[str, str] = {}
    choices: dict[str, list[_Choice]] = {}
    for one, source in zip(sets, opened, strict=True):
        name = one.facts.name
        if name in without:
            missing[name] = "Left out by --no-previews."
        elif one.statistics is not None:
            missing[name] = "A file of mu and sigma holds no clips."
        elif not isinstance(source, VideoSet):
            missing[name] = "A measured file holds no clips."
        else:
            choices[name] = _choose(name, one, source, metrics, options.seed, MOVING // len(sets))
    if not choices:
        return {"clips": clips, "no_clips": missing}
    options.progress.begin("previews", sum(map(len, choices.values())))
    pool = Processes(
        "synvid_eval.prober", options.worker_count(), {"loud": options.loud}, options.decode_timeout
    )
    try:
        for source in opened:
            if not isinstance(source, VideoSet) or source.name not in choices:
                continue
            chosen = choices[source.name]
            made = list(_made(chosen, source, pool, options))
            clips[source.name] = [found for found in made if found]
            if not clips[source.name]:
                missing[source.name] = "None of the chosen clips could be read again."
    finally:
        pool.close()
    return {"clips": {n: c for n, c in clips.items() if c}, "no_clips": missing}


def _choose(
    name: str, one: Measurement, source: VideoSet, metrics: Mapping[str, Any], seed: int, moving: int
) -> list[_Choice]:
    """Those drawn by seed, then nearest and farthest, then points; each once."""
    refs = {c.id: c for c in source.clips}
    contents = {c.id: c.content for c in one.clips if c.id in refs}
    drawn = sorted(contents, key=lambda i: address("preview", seed, i))[:PREVIEWS]
    picked: list[str] = []
    points: list[str] = []
    for about in metrics.values():
        part = about["sets"].get(name, {})
        picked += [part[k] for k in ("nearest", "farthest") if k in part]
        points += part.get("clips", {}).get("ids", [])
    order = dict.fromkeys([*drawn, *picked, *points])
    play = set(list(dict.fromkeys([*drawn, *picked]))[: max(PREVIEWS, moving)])
    return [_Choice(refs[i], contents[i], i in drawn, i in play) for i in order if i in contents]


def _made(
    chosen: Sequence[_Choice], source: VideoSet, pool: Processes, options: Options
) -> Iterator[dict[str, Any]]:
    """The chosen clips' previews in order, {} where one cannot be read; from the cache where it has them."""
    keys = [_key(one) for one in chosen]
    kept = [options.cache.get(key) if one.content else None for key, one in zip(keys, chosen, strict=True)]
    executor: Processes | Serial = pool
    if source.array is not None:
        whole = source.array
        executor = Serial(lambda t: preview.preview(ClipRef(**t["clip"]), t["moving"], lambda: None, whole))
    todo = [i for i, found in enumerate(kept) if found is None]
    answers = executor.map(preview_task(chosen[i].ref, chosen[i].moving) for i in todo)
    for i, one in enumerate(chosen):
        found = kept[i]
        if found is None:
            _, answer = next(answers)
            found = ({}, {"skipped": answer.reason}) if isinstance(answer, Failure) else answer
            if "poster" in found[0] and one.content:
                options.cache.put(keys[i], *found)
        options.progress.advance(1, cached=kept[i] is not None)
        arrays, facts = found
        if "poster" not in arrays:
            yield {}
            continue
        yield {
            "id": one.ref.id,
            "shown": one.shown,
            **{k: _text(arrays[k]) if k in arrays else None for k in ("poster", "video")},
            **{k: facts[k] for k in ("width", "height", "frames", "fps")},
        }


def _text(data: NDArray[np.generic]) -> str:
    return base64.b64encode(np.asarray(data, np.uint8).tobytes()).decode()


def _key(one: _Choice) -> str:
    facts = [
        "preview",
        preview.REVISION,
        one.content,
        one.ref.kind,
        one.ref.fps,
        one.moving,
        decoder_versions(),
    ]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()
