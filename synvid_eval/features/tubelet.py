"""Tubelets: small normalized pieces of video, what a video transformer's first layer looks at.

From each run of 16 gray frames of 128×128, 150 pieces of 2 frames × 8×8 pixels at random positions (by hash
of seed and clip, the same for every stride). A piece whose standard deviation is at most 4 grey levels is
dropped, as it would be codec noise once normalized; each other piece is made zero mean and unit deviation
over all its values. The `tubelet` metric is the Fréchet distance of these rows. Our own measurement; no score
of realism.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.features.base import ClipResult, Feature, Look, View, sketch
from synvid_eval.features.gray import GrayCrop
from synvid_eval.knobs import knob
from synvid_eval.states import Counts, Moments, State


@dataclass(frozen=True)
class Tubelet(Feature):
    """Normalized tubelets at random positions of each run of frames.

    State "stride{n}": Moments of rows [kept, depth·patch·patch·c], c = 1 (gray) or 3 (RGB), in the order
    time, y, x, channel: the first patch·patch·c values are the first frame's. State "dropped{n}": Counts
    [drawn, dropped, values a frame of those drawn]. State "clips{n}": `energies` of some clips that keep two
    tubelets or more (see `sketch`). Summary: "dropped@{n}", the share dropped.
    """

    name: ClassVar[str] = "tubelet"
    looks_at: ClassVar[Literal["frames", "runs"]] = "runs"
    revision: ClassVar[int] = 3

    side: int = knob(128, "side of the square the frames are reduced to", low=1, high=4096, unit="pixels")
    channels: str = knob("gray", "what a pixel is", choices=("gray", "rgb"))
    depth: int = knob(2, "frames of a tubelet", low=1, high=64, unit="frames")
    patch: int = knob(8, "side of a tubelet", low=1, high=64, unit="pixels")
    per_clip: int = knob(150, "tubelets drawn from a clip", low=1, high=1_000_000)
    deviation: float = knob(
        4.0, "tubelets with this standard deviation or less are dropped", low=0, high=255, unit="grey levels"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch > self.side:
            raise UsageError(
                f"tubelet.patch={self.patch} does not fit into tubelet.side={self.side}.",
                "Choose a smaller patch.",
            )

    def view(self) -> View:
        """The crop, float32 [side, side] or [side, side, 3]."""
        return GrayCrop(self.side, cast(Literal["gray", "rgb"], self.channels))

    def positions(self, seed: int, clip: str, length: int) -> NDArray[np.int64]:
        """First frame, first line and first column of each tubelet of a run of `length` ≥ depth frames, [3,
        per_clip].

        Tubelet i takes numbers 3i, 3i+1, 3i+2 of the stream at ("tubelet", seed, clip), so that more tubelets
        a clip are the same ones and further ones.
        """
        draws = randomness.stream(randomness.address("tubelet", seed, clip), 3 * self.per_clip).reshape(-1, 3)
        bounds = (length - self.depth + 1, self.side - self.patch + 1, self.side - self.patch + 1)
        return np.stack([randomness.below(draws[:, k], bound) for k, bound in enumerate(bounds)])

    def rows(self, frames: NDArray[np.float32], seed: int, clip: str) -> NDArray[np.float32]:
        """The kept tubelets of a run, float32 [kept, d], each of zero mean and unit deviation (ddof 0).

        frames: float32 [T, side, side] or [T, side, side, 3], T ≥ depth.
        """
        t, y, x = self.positions(seed, clip, len(frames))
        span = np.arange(self.patch)
        pieces = frames[
            (t[:, None] + np.arange(self.depth))[:, :, None, None],
            (y[:, None] + span)[:, None, :, None],
            (x[:, None] + span)[:, None, None, :],
        ]
        rows = pieces.reshape(self.per_clip, -1).astype(np.float64)
        rows -= rows.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.einsum("nd,nd->n", rows, rows) / rows.shape[1])
        kept = deviation > self.deviation
        normalized: NDArray[np.float32] = (rows[kept] / deviation[kept, None]).astype(np.float32)
        return normalized

    def energies(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Root-mean-square of rows [n ≥ 1, d] in each component of their cosine transform (time, y, x; a
        channel by itself), float64 [d].

        Tubelets' covariance is nearly diagonal there, so the Euclidean distance of two clips' energies is
        close to the root of the Fréchet distance of their tubelets.
        """
        shape = (len(rows), self.depth, self.patch, self.patch, -1)
        waves = scipy.fft.dctn(rows.astype(np.float64).reshape(shape), axes=(1, 2, 3), norm="ortho")
        found: NDArray[np.float64] = np.sqrt(np.mean(waves**2, axis=0)).ravel()
        return found

    def measure(self, look: Look) -> ClipResult:
        """Rows and counts for every stride's run of at least `depth` frames; the rows may be none."""
        summary: dict[str, float] = {}
        states: dict[str, State] = {}
        for stride in sorted(look.runs, reverse=True):
            views = look.run(stride)
            if len(views) < self.depth:
                continue
            rows = self.rows(np.stack(views), look.seed, look.clip)
            dropped = self.per_clip - len(rows)
            states[f"stride{stride}"] = Moments.of_rows(rows)
            frame = self.patch**2 * (3 if self.channels == "rgb" else 1)
            states[f"dropped{stride}"] = Counts([self.per_clip, dropped, self.per_clip * frame])
            summary[f"dropped@{stride}"] = dropped / self.per_clip
            if len(rows) > 1:
                states[f"clips{stride}"] = sketch(look.clip, self.energies(rows))
        return ClipResult(summary, states)
