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
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.features.gray import GrayCrop
from synvid_eval.knobs import knob
from synvid_eval.states import Moments

COLUMNS = ("decorrelation", "static_share", "frame_difference")


def describe(frames: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Decorrelation, share of static frame pairs, mean absolute frame difference [grey levels]; float64 [3].

    frames: float64 [T, N] grey levels, T ≥ 2. noise: σ in grey levels, ≥ 0; a pair is static where its
    root-mean-square difference is below it. A clip whose frames are all equal gives D = 0 exactly, also with
    σ = 0.
    """
    times, pixels = frames.shape
    steps = np.diff(frames, axis=0)
    squares = np.einsum("tn,tn->t", steps, steps)
    moved = float(squares.sum())
    about_mean = frames - frames.mean(axis=0)
    spread = float(np.einsum("tn,tn->t", about_mean, about_mean).sum()) + (times - 1) * pixels * noise**2
    decorrelation = moved / (2 * spread) if moved > 0 else 0.0
    static = float(np.mean(np.sqrt(squares / pixels) < noise))
    return np.array([decorrelation, static, float(np.abs(steps).mean())])


@dataclass(frozen=True)
class Motion(Feature):
    """Temporal decorrelation of each run of frames.

    State "stride{n}": Moments over clips of the columns `COLUMNS`, one row a clip, for every stride the clip
    is long enough for. Summary: "decorrelation@{n}" of each.
    """

    name: ClassVar[str] = "motion"
    looks_at: ClassVar[Literal["frames", "runs"]] = "runs"

    noise: float = knob(2.0, "noise floor σ", low=0, high=255, unit="grey levels")
    side: int = knob(128, "side of the square the frames are reduced to", low=1, high=4096, unit="pixels")

    def view(self) -> View:
        """The gray crop, float32 [side, side]."""
        return GrayCrop(self.side)

    def measure(self, look: Look) -> ClipResult:
        """One row for every stride's run of at least two frames."""
        summary: dict[str, float] = {}
        states: dict[str, Moments] = {}
        for stride in sorted(look.runs, reverse=True):
            views = look.run(stride)
            if len(views) < 2:
                continue
            row = describe(np.stack(views).reshape(len(views), -1).astype(np.float64), self.noise)
            summary[f"decorrelation@{stride}"] = float(row[0])
            states[f"stride{stride}"] = Moments.of_rows(row[None])
        return ClipResult(summary, states)
