"""Inception rows of a set's frames: 2048 values a frame, what FID, KID and diversity are made of.

Every looked-at frame is squashed to 299×299 and goes through the network of `networks.inception` once. Three
protocols are in use and give different numbers on the same frames:

- `pytorch` (default): pytorch-fid. Bilinear on half-pixel centers, no antialias; 2x/255 − 1.
- `clean`: clean-fid. Bicubic (a = −0.5) with antialias, a channel at a time in floating point, never rounded,
  cut to 0…255, as Pillow resizes images of mode F; (x − 128)/128.
- `tf`: TensorFlow 1, TTUR, torch-fidelity, clean-fid's legacy_tensorflow. Bilinear on the grid x·scale whose
  origin is the first pixel's center, scale in float32; (x − 128)/128.

The resize is ours: one kernel, weights as the protocol has them, sums in float64 in a fixed order. It
is Pillow's but for the last bit of float32 (Pillow may go along columns first), and torch's and TensorFlow's
to 1e-6 of the network's input.

Sources: pytorch-fid 0.3.0; G. Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN
Evaluation" (2022) and clean-fid 0.1.35; TensorFlow 1's ResizeBilinear with align_corners false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import ClipResult, Look, View
from synvid_eval.features.gray import corner, interleaved
from synvid_eval.features.network import NetworkFeature
from synvid_eval.knobs import knob
from synvid_eval.networks import sizes
from synvid_eval.randomness import address
from synvid_eval.states import Moments, Rows, State

SIDE = sizes.SIDES["inception"]
"""Height and width of what the network sees, pixels."""

FEATURES = sizes.FEATURES["inception"]

Taps = tuple[NDArray[np.int64], NDArray[np.float64]]
"""First source index of each target sample [target], weights of it and its followers [target, k]."""


def half_pixel_taps(source: int, target: int) -> Taps:
    """Bilinear between pixel centers, edges repeated, in float32 as torch has it (align_corners false)."""
    scale = np.float32(source) / np.float32(target)
    # rounded once, as by a fused multiply-add: 1e-5 in a position would be 1e-5 of the range in a value
    at = (np.float64(scale) * (np.arange(target) + 0.5) - 0.5).astype(np.float32)
    return _bilinear(np.maximum(at, np.float32(0)), source)


def origin_taps(source: int, target: int) -> Taps:
    """Bilinear at i·scale in float32, as TensorFlow 1 has it: the first samples of both grids coincide."""
    scale = np.float32(source) / np.float32(target)
    return _bilinear(np.arange(target, dtype=np.float32) * scale, source)


def _bilinear(at: NDArray[np.float32], source: int) -> Taps:
    low = np.minimum(at.astype(np.int64), source - 1)
    part = np.minimum(at - low.astype(np.float32), np.float32(1)).astype(np.float64)
    starts = np.minimum(low, max(source - 2, 0))
    weights = np.zeros((len(at), min(source, 2)))
    rows = np.arange(len(at))
    weights[rows, low - starts] += 1 - part
    weights[rows, np.minimum(low + 1, source - 1) - starts] += part
    return starts, weights


def _cubic(x: float) -> float:
    """Keys' kernel at a = −0.5."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


def bicubic_taps(source: int, target: int) -> Taps:
    """Bicubic as Pillow has it: the kernel widened by the scale where the image shrinks, cut at the edges,
    weights divided by their sum.
    """
    scale = source / target
    wide = max(scale, 1.0)
    reach = 2 * wide
    found = []
    for i in range(target):
        center = (i + 0.5) * scale
        low, high = max(int(center - reach + 0.5), 0), min(int(center + reach + 0.5), source)
        # multiplied by 1/wide, not divided: Pillow's rounding
        weights = [_cubic((j - center + 0.5) * (1.0 / wide)) for j in range(low, high)]
        total = 0.0
        for weight in weights:
            total += weight
        found.append((low, [w / total for w in weights]))
    taps = max(len(weights) for _, weights in found)
    starts, table = np.zeros(target, np.int64), np.zeros((target, taps))
    for i, (low, weights) in enumerate(found):
        starts[i] = min(low, source - taps)
        table[i, low - starts[i] : low - starts[i] + len(weights)] = weights
    return starts, table


Protocol = Literal["pytorch", "clean", "tf"]

TAPS: dict[str, Callable[[int, int], Taps]] = {
    "pytorch": half_pixel_taps,
    "clean": bicubic_taps,
    "tf": origin_taps,
}

RANGE = {"pytorch": (2 / 255, -1.0), "clean": (1 / 128, -1.0), "tf": (1 / 128, -1.0)}
"""Factor and offset from 0…255 to the network's input."""


@lru_cache(maxsize=64)
def _taps(protocol: str, source: int) -> Taps:
    return TAPS[protocol](source, SIDE)


@numba.njit(cache=True, nogil=True)
def _across(pixels: Any, starts: Any, weights: Any, out: Any) -> None:
    """out[c, j] = Σ_k weights[j, k]·(channel c of pixel starts[j] + k), summed in float64 from k = 0."""
    target, taps = weights.shape
    for j in range(target):
        first = 3 * starts[j]
        red = green = blue = 0.0
        for k in range(taps):
            weight = weights[j, k]
            red += weight * np.float64(pixels[np.uint64(first + 3 * k)])
            green += weight * np.float64(pixels[np.uint64(first + 3 * k + 1)])
            blue += weight * np.float64(pixels[np.uint64(first + 3 * k + 2)])
        out[0, j] = np.float32(red)
        out[1, j] = np.float32(green)
        out[2, j] = np.float32(blue)


@numba.njit(cache=True, nogil=True)
def _add(line: Any, weight: float, values: Any) -> None:
    for j in range(line.shape[0]):
        line[j] += weight * np.float64(values[j])


@numba.njit(cache=True, nogil=True)
def _finish(line: Any, factor: float, offset: float, out: Any) -> None:
    for j in range(line.shape[0]):
        value = np.float64(np.float32(line[j]))
        out[j] = np.float32(min(max(value, 0.0), 255.0) * factor + offset)


@numba.njit(cache=True, nogil=True)
def _squash(
    lines: Any,
    starts_y: Any,
    weights_y: Any,
    starts_x: Any,
    weights_x: Any,
    factor: float,
    offset: float,
    out: Any,
) -> None:
    """First along lines, then along columns, float32 between the two; lines are kept in a ring."""
    target, taps = weights_y.shape
    ring = np.empty((taps, 3, weights_x.shape[0]), np.float32)
    line = np.empty(weights_x.shape[0])
    done = 0
    for i in range(target):
        first = starts_y[i]
        for y in range(max(done, first), first + taps):
            _across(lines[y], starts_x, weights_x, ring[y % taps])
        done = first + taps
        for c in range(3):
            line[:] = 0.0
            for k in range(taps):
                _add(line, weights_y[i, k], ring[(first + k) % taps, c])
            _finish(line, factor, offset, out[c, i])


@dataclass(frozen=True)
class InceptionInput:
    """View: a frame as the network sees it, squashed to 299×299, in the protocol's range."""

    protocol: Protocol = "pytorch"

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 [3, 299, 299], −1 to 1 (to 127/128 for `clean` and `tf`), of a frame, uint8 [H, W, 3];
        ValueError for any other shape or type.
        """
        corner(frame)
        height, width = frame.shape[:2]
        out = np.empty((3, SIDE, SIDE), np.float32)
        down, across = _taps(self.protocol, height), _taps(self.protocol, width)
        _squash(interleaved(frame), *down, *across, *RANGE[self.protocol], out)
        return out


@dataclass(frozen=True)
class Inception(NetworkFeature):
    """Inception rows of the looked-at frames.

    State "pool3": Moments of rows [frames, 2048], float32. State "rows": up to `kept` of a set's rows, with
    their clips. With `subset`: state "pool3@SUBSET", Moments of that many frames a clip, drawn by hash. None
    without frames. No summary.
    """

    name: ClassVar[str] = "inception"
    looks_at: ClassVar[Literal["frames", "runs"]] = "frames"
    network: ClassVar[str] = "inception"

    protocol: str = knob("pytorch", "whose resize and range", choices=("pytorch", "clean", "tf"))
    subset: int = knob(0, "frames of a clip in a second, smaller state, by hash; 0: none", low=0, high=10_000)
    kept: int = knob(10_000, "rows of a set that are kept as they are", low=1, high=1_000_000, unit="rows")

    def view(self) -> View:
        """The network's input, float32 [3, 299, 299]."""
        return InceptionInput(self.protocol)  # type: ignore[arg-type]

    def drawn(self, look: Look) -> list[int]:
        """Places in `look.frames` of the `subset` frames with the smallest hashes of seed, clip and frame
        index, ascending; all where a clip has no more.
        """
        keys = [address("inception", look.seed, look.clip, index) for index in look.frames]
        return sorted(sorted(range(len(keys)), key=keys.__getitem__)[: self.subset])

    def measure(self, look: Look) -> ClipResult:
        """The rows of all looked-at frames; WeightsError without usable weights."""
        if not look.frames:
            return ClipResult()
        rows = self.rows(np.stack(look.looked_at()))
        keys = np.array([address("row", look.clip, index) for index in look.frames], np.uint64)
        owners = np.full(len(keys), address("clip", look.clip), np.uint64)
        states: dict[str, State] = {
            "pool3": Moments.of_rows(rows),
            "rows": Rows.of(keys, owners, rows, self.kept),
        }
        if self.subset:
            states[f"pool3@{self.subset}"] = Moments.of_rows(rows[self.drawn(look)])
        return ClipResult({}, states)
