"""Temporal decorrelation: how much of a clip's variance over time happens from one frame to the next.

On 128×128 gray frames x_t (t = 1 … T, N pixels), with x̄ each pixel's mean over the clip:

    D = Σ (x_{t+1} − x_t)² / (2 [Σ (x_t − x̄)² + (T−1)·N·σ²])

half the von Neumann ratio with a noise floor σ (2 grey levels), without which the residue of a codec makes an
encoded still look more dynamic than any video. Unitless, ≥ 0: 0 for a static clip, about 1 − ρ for pixels
that follow an AR(1) process of correlation ρ over long clips (more over short ones), 1 for white flicker,
nearly 2 for alternation. Beside it: the share of frame pairs that differ by less than the noise floor, and
the mean absolute frame difference. A property of a set, neither better high nor low; it is to match that of
real video.

Source: J. von Neumann, "Distribution of the ratio of the mean square successive difference to the variance"
(1941); the floor is ours.

As a description only, the speeds and accelerations of the run at stride 1 by optical flow (see `flow`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.features.flow import LEAST_SIDE, PRESETS, count_flow
from synvid_eval.features.gray import GrayCrop
from synvid_eval.histogram import quantile
from synvid_eval.knobs import knob
from synvid_eval.states import Counts, Moments, State

COLUMNS = ("decorrelation", "static_share", "frame_difference")


_CHUNK = 512  # pixels whose values at all times are worked on together


# "reassoc" lets the compiler keep several partial sums at once; everything else is as written.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _sums(frames: Any, squares: Any) -> Any:
    """Σ (x − x̄)² and Σ |x_{t+1} − x_t| of frames [T, N]; adds Σ_n (x_{t+1} − x_t)² to squares [T − 1]."""
    times, pixels = frames.shape
    mean = np.empty(_CHUNK)
    spread, moved = 0.0, 0.0
    for start in range(0, pixels, _CHUNK):
        count = min(_CHUNK, pixels - start)
        mean[:] = 0.0
        for t in range(times):
            line = frames[t, start : start + count]
            for x in range(count):
                mean[x] += np.float64(line[x])
        for x in range(count):
            mean[x] /= times
        for t in range(times):
            line = frames[t, start : start + count]
            total = 0.0
            for x in range(count):
                away = np.float64(line[x]) - mean[x]
                total += away * away
            spread += total
            if t + 1 == times:
                break
            after = frames[t + 1, start : start + count]
            square, step = 0.0, 0.0
            for x in range(count):
                change = np.float64(after[x]) - np.float64(line[x])
                square += change * change
                step += abs(change)
            squares[t] += square
            moved += step
    return spread, moved


def describe(frames: NDArray[np.floating], noise: float) -> NDArray[np.float64]:
    """Decorrelation, share of static frame pairs, mean absolute frame difference [grey levels]; float64 [3].

    frames: float32 or float64 [T, N] grey levels, T ≥ 2 (sums are float64). noise: σ in grey levels, ≥ 0; a
    pair is static where its root-mean-square difference is below it. A clip whose frames are all equal gives
    D = 0 exactly, also with σ = 0.
    """
    times, pixels = frames.shape
    squares = np.zeros(times - 1)
    about_mean, steps = _sums(np.ascontiguousarray(frames), squares)
    moved = float(squares.sum())
    spread = about_mean + (times - 1) * pixels * noise**2
    decorrelation = moved / (2 * spread) if moved > 0 else 0.0
    static = float(np.mean(np.sqrt(squares / pixels) < noise))
    return np.array([decorrelation, static, steps / ((times - 1) * pixels)])


@dataclass(frozen=True)
class Motion(Feature):
    """Temporal decorrelation of each run of frames.

    State "stride{n}": Moments over clips of the columns `COLUMNS`, one row a clip, for every stride the clip
    is long enough for. Summary: "decorrelation@{n}" of each.

    States "speed" and "acceleration": Counts [histogram.BINS] over pixels and times of the run at stride 1,
    for clips long enough for it (no acceleration from two frames). Summary: "speed" and "acceleration", their
    medians in pixels a frame at side 256.
    """

    name: ClassVar[str] = "motion"
    revision: ClassVar[int] = 2
    looks_at: ClassVar[Literal["frames", "runs"]] = "runs"

    noise: float = knob(2.0, "noise floor σ", low=0, high=255, unit="grey levels")
    side: int = knob(128, "side of the square the frames are reduced to", low=1, high=4096, unit="pixels")
    flow: str = knob(
        "medium",
        f"preset of the optical flow that describes (from side {LEAST_SIDE} on); none: no flow",
        choices=(*PRESETS, "none"),
    )

    def view(self) -> View:
        """The gray crop, float32 [side, side]."""
        return GrayCrop(self.side)

    def measure(self, look: Look) -> ClipResult:
        """One row for every stride's run of at least two frames."""
        summary: dict[str, float] = {}
        states: dict[str, State] = {}
        for stride in sorted(look.runs, reverse=True):
            views = look.run(stride)
            if len(views) < 2:
                continue
            row = describe(np.stack(views).reshape(len(views), -1), self.noise)
            summary[f"decorrelation@{stride}"] = float(row[0])
            states[f"stride{stride}"] = Moments.of_rows(row[None])
        if 1 in look.runs and len(look.runs[1]) >= 2 and self.flow != "none" and self.side >= LEAST_SIDE:
            for key, counts in count_flow(look.run(1), self.flow)._asdict().items():
                if counts.any():
                    summary[key] = quantile(counts, 0.5)
                    states[key] = Counts(counts)
        return ClipResult(summary, states)
