"""Media of a comparison made by hand: invented, deterministic, in the shapes that the page is promised.

`media(comparison)` fits any comparison of `example.py`; `everything(candidates)` is one with all ten metrics,
their details and their media.
"""

from __future__ import annotations

import base64
import functools
import io
import math
import random
from dataclasses import replace
from typing import Any

import numpy as np

from synvid_eval import histogram
from synvid_eval.score import Comparison, Score

from .example import BINS, example, networks

PROPERTIES = ("spectrum", "motion")
FLOORS = {"fid": 31.5, "fvd": 118.0, "kid": -0.0012, "kvd": 0.8, "tubelet": 2.31}
SIZE = 24  # px, of previews
LOOKS = 6  # different previews


def everything(candidates: int = 3) -> Comparison:
    """All ten metrics of that many sets (trained networks), with the details of the contract and media."""
    base = networks(candidates)
    own = [s for s in example(candidates).scores if s.metric not in ("fvd",)]
    scores = []
    for i, side in enumerate(base.candidates):
        scores += [s for s in own if s.candidate == side.name]
        n = {"candidate": 120, "reference": 120}
        for metric, better, value in (
            ("fid", "lower", 90.0 + 14 * i),
            ("fvd", "lower", 640.0 + 95 * i),
            ("kid", "lower", 0.08 + 0.03 * i),
            ("kvd", "lower", 4.0 + 1.5 * i),
            ("diversity", "higher", -13333.3 - i),
        ):
            sure: dict[str, Any] = {"interval_reason": "too few clips"}
            if metric in ("kid", "kvd"):
                sure = {"interval": (value - 0.01, value + 0.01)}
            scores.append(Score(side.name, metric, value, "", better, n, metric, **sure))  # type: ignore[arg-type]
    scores = [replace(s, detail={**s.detail, **_details(s, i)}) for i, s in enumerate(scores)]
    whole = replace(base, scores=scores)
    return replace(whole, media=media(whole))


def _details(score: Score, i: int) -> dict[str, Any]:
    value = score.value
    if math.isnan(value):
        return {}
    if score.metric == "motion":
        out: dict[str, Any] = {}
        for what, low in (("speed", 0.6), ("acceleration", 0.35)):
            out[f"{what}_edges"] = histogram.merged_edges()
            for prefix, median in (("", low * (0.4 + value)), ("reference_", low * 1.7)):
                rest = _bell(len(histogram.merged_edges()) - 2, (math.log2(median) + 6) * 2, 4.5)
                still = 0.3 if not prefix else 0.12
                out[f"{prefix}{what}_histogram"] = [still, *((1 - still) * v for v in rest)]
                out[f"{prefix}{what}_median"] = median
        return out
    if score.metric in ("fid", "fvd", "tubelet"):
        share = 0.35 + 0.05 * (i % 6)
        floor = FLOORS[score.metric]
        ranks = {"rank_candidate": 127, "rank_reference": 127}
        return {"mean_term": share * value, "trace_term": (1 - share) * value, "floor": floor, **ranks}
    if score.metric == "diversity":
        return {"reference": -13268.4, "effective_rank": 71.5 - i, "rank_candidate": 119}
    return {"floor": FLOORS[score.metric]} if score.metric in FLOORS else {}


def _bell(bins: int, middle: float, width: float) -> list[float]:
    values = [math.exp(-(((k - middle) / width) ** 2) / 2) for k in range(bins)]
    return [v / sum(values) for v in values]


def media(comparison: Comparison, clips: int = 120, seed: int = 0) -> dict[str, Any]:
    """What stands under `media` for that comparison: every metric with a value, `clips` points a set, a few
    previews a set. The last candidate of three or more has no previews, and a reason.
    """
    reference = comparison.reference.name
    names = [c.name for c in comparison.candidates]
    metrics: dict[str, Any] = {}
    for label in comparison.metrics():
        scored = {s.candidate for s in comparison.scores if s.metric == label and not math.isnan(s.value)}
        if not scored:
            continue
        sides = [(None, reference), *((i, n) for i, n in enumerate(names) if n in scored)]
        sets = {name: _of_set(label, i, name, clips, seed) for i, name in sides}
        if label in PROPERTIES and clips:
            edges = np.histogram_bin_edges([v for s in sets.values() for v in s["clips"]["x"]], 40)
            for each in sets.values():
                counts = np.histogram(each["clips"]["x"], edges)[0]
                each["histogram"] = {"edges": edges.tolist(), "share": (counts / clips).tolist()}
        metrics[label] = {"sets": sets, "axes": _axes(label)}
    everyone = [*names, reference]
    bare = names[-1:] if len(names) >= 3 else []
    previews = {n: _previews(n, metrics, clips) for n in everyone if n not in bare}
    reasons = dict.fromkeys(bare, "this set is a file of statistics and has no clips")
    return {"metrics": _rounded(metrics), "clips": previews, "no_clips": reasons}


def _rounded(value: Any) -> Any:
    """As the media have them: numbers of four digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def ids(name: str, clips: int) -> list[str]:
    """The ids of a set's clips in the order of their hashes (here: any fixed one)."""
    return [f"class_{k * 37 % 5}/{name[:40]}_{k * 37 % clips:04}.avi" for k in range(clips)]


def _of_set(label: str, index: int | None, name: str, clips: int, seed: int) -> dict[str, Any]:
    kind = label.partition("[")[0]
    at = -1 if index is None else index
    draw = random.Random(f"{seed}|{label}|{at}")
    if kind in PROPERTIES:
        middle, width = (1.61, 0.16) if kind == "spectrum" else (0.47, 0.17)
        if index is not None:
            middle, width = (1.35 + 0.11 * at, 0.1) if kind == "spectrum" else (0.27 + 0.05 * at, 0.08)
        x = [max(0.0, draw.gauss(middle, width)) for _ in range(clips)]
        points = {"x": x, "distance": [abs(v - (1.61 if kind == "spectrum" else 0.47)) for v in x]}
    else:
        angle, away = 2.399963 * at, 0.0 if index is None else 2.2 + 0.22 * at
        center = (away * math.cos(angle), away * math.sin(angle))
        # A few classes a set, as real sets have them.
        classes = [(draw.gauss(0, 0.9), draw.gauss(0, 0.6)) for _ in range(5)]
        chosen = [classes[k % 5] for k in range(clips)]
        x = [center[0] + c[0] + draw.gauss(0, 0.35) for c in chosen]
        y = [center[1] + c[1] + draw.gauss(0, 0.35) for c in chosen]
        distance = [math.hypot(a, b) + abs(draw.gauss(0, 0.5)) for a, b in zip(x, y, strict=True)]
        points = {"x": x, "y": y, "distance": distance}
    known = ids(name, clips)
    order = sorted(range(clips), key=points["distance"].__getitem__)
    out: dict[str, Any] = {"clips": {"ids": known, **points}, "seen": clips}
    if known:
        out |= {"nearest": known[order[0]], "farthest": known[order[-1]]}
    if kind == "spectrum":
        out["log_spectrum_deviation"] = [0.35 + 0.02 * k + 0.01 * (at % 3) for k in range(len(BINS))]
    if kind == "color":
        out |= _colors(at)
    if kind in ("diversity", "effective_rank"):
        ranks = sorted({round(1.25**k) for k in range(22) if 1.25**k <= 119})
        slope = 1.4 if index is None else 1.7 + 0.1 * at
        out["eigenvalues"] = {"rank": ranks, "value": [0.08 * r**-slope * math.exp(-r / 90) for r in ranks]}
    return out


def _colors(at: int) -> dict[str, Any]:
    a0, b0, spread = 10 - 9 * math.sin(at), 20 * math.cos(at), 16 + 2 * (at % 4)
    lean = 0.4
    if at < 0:
        a0, b0, spread, lean = 2.9, 6.8, 11, 0.55
    counts: list[list[int]] = []
    size, low, width = 44, -110, 5
    for row in range(size):
        for column in range(size):
            a, b = low + width * (column + 0.5), low + width * (row + 0.5)
            u, v = (a - a0) / spread, (b - b0) / (spread * 0.9)
            share = math.exp(-(u * u - 2 * lean * u * v + v * v) / (2 * (1 - lean * lean)))
            share *= width * width / (2 * math.pi * spread * spread * 0.9 * math.sqrt(1 - lean * lean))
            if share >= 1e-4 and abs(a) + abs(b) < 150:
                cell = row * size + column
                if counts and cell == counts[-1][0] + len(counts[-1]) - 1:
                    counts[-1].append(round(1e4 * share))
                else:
                    counts.append([cell, round(1e4 * share)])
    lightness = _bell(50, 22 - 2.0 * (at % 6), 8)
    if at >= 0:
        dark = _bell(50, 4, 2)
        lightness = [0.7 * v + 0.3 * d for v, d in zip(lightness, dark, strict=True)]
    ab = {"low": low, "width": width, "size": size, "counts": counts}
    return {"ab": ab, "lightness": lightness}


def _axes(label: str) -> dict[str, str]:
    kind = label.partition("[")[0]
    if kind in PROPERTIES:
        own = "α of a clip" if kind == "spectrum" else "temporal decorrelation D of a clip"
        return {"x": own, "distance": f"difference of {own} from the mean over the reference's clips"}
    return {
        "x": "first principal component (34 % of variance)",
        "y": "second principal component (12 % of variance)",
        "distance": "Euclidean distance of a clip's mean feature from the mean of the reference's clips",
    }


def _previews(name: str, metrics: dict[str, Any], clips: int) -> list[dict[str, Any]]:
    known = ids(name, clips)
    wanted = {known[k]: True for k in range(min(4, clips))}
    for metric in metrics.values():
        found = metric["sets"].get(name, {})
        for key in ("nearest", "farthest"):
            if key in found:
                wanted.setdefault(found[key], False)
    posters = [i for i in known[:16] if i not in wanted]
    start = sum(map(ord, name))
    out = []
    for k, (clip, shown) in enumerate([*wanted.items(), *((i, False) for i in posters)]):
        poster, video = preview((start + k) % LOOKS)
        film = None if clip in posters else video
        out.append(
            {
                "id": clip,
                "shown": shown,
                "poster": poster,
                "video": film,
                "width": SIZE,
                "height": SIZE,
                "frames": 8 if film else 1,
                "fps": 8.0,
            }
        )
    return out


@functools.cache
def preview(look: int) -> tuple[str, str]:
    """(poster, video) of one of LOOKS invented clips: base64 of a WebP and of a VP9 WebM, SIZE² px."""
    import av
    from PIL import Image

    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    frames = []
    for t in range(8):
        wave = np.sin((columns * math.cos(look) + rows * math.sin(look)) / 3 + t * 0.7)
        tint = np.array([[90, 40, 10], [10, 80, 60], [40, 20, 90]][look % 3])
        frames.append((110 + wave[..., None] * tint).clip(0, 255).astype(np.uint8))
    still = io.BytesIO()
    Image.fromarray(frames[0]).save(still, "WEBP", quality=60, method=4)
    film = io.BytesIO()
    with av.open(film, "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("libvpx-vp9", rate=8)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.options = {"crf": "40", "b": "0"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return base64.b64encode(still.getvalue()).decode(), base64.b64encode(film.getvalue()).decode()
