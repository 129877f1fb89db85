"""Rows of a trained encoder: the mean of its tokens, of one run of frames a clip.

Which encoder, `--features run=RUN` says: one that `train` made, of any backbone, or another VideoMAE (a
folder of `transformers`, the authors' `.pth`), or one with drawn weights as a control (`random:0:tiny`); of a
run's folder the newest checkpoint. Of a frame it sees one square, whatever the encoder was trained by: the
short side is made as long as the network's input, the long one in proportion, rounded down, by Pillow's
bilinear filter (which averages where it shrinks), the centered square is cut out, and RGB is normalized by
ImageNet's mean and deviation. So classifiers are tested by recipes that look at one square, at the size of
the network's input and with `transforms=videomae`; others look at three squares. Those of `paper-fractal`
enlarge frames and resize them by a bicubic filter that does not average, as methods on views do in training.

Of a clip it takes as many frames as the network sees, from the middle of a run of the sampler, every one, or
every second, …: at the largest stride up to the one that the network was trained at which the clip's runs
have. The sampler's runs have 16 frames at strides of 4, 2 and 1, so a network of 8 frames that was trained at
stride 2 takes half of the run at stride 2, or every second frame of the one at stride 1. A clip that is too
short for the stride is taken at a smaller one, and counted; one without any run (fewer than 16 frames:
`sampler.length`) gives no row.

Which file it was is a knob, by its hash, and so are the numbers of its architecture that no file tells: two
encoders are never compared. Where it lies, and the device, are not.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import ClipResult, Look, View
from synvid_eval.features.gray import corner
from synvid_eval.features.network import NetworkFeature
from synvid_eval.knobs import knob
from synvid_eval.networks import encoders, sizes
from synvid_eval.randomness import address
from synvid_eval.states import Counts, Moments, Rows


@dataclass(frozen=True)
class CenterCrop:
    """View: a frame with its short side made `side` pixels long, the centered square of it."""

    side: int

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [side, side, 3] of a frame, uint8 [H, W, 3]; ValueError for any other shape or type."""
        from PIL import Image

        short, _, _ = corner(frame)
        tall, wide = (length * self.side // short for length in frame.shape[:2])
        if (tall, wide) != frame.shape[:2]:
            picture = Image.fromarray(np.ascontiguousarray(frame))
            frame = np.asarray(picture.resize((wide, tall), Image.Resampling.BILINEAR))
        top, left = (tall - self.side) // 2, (wide - self.side) // 2
        return np.array(frame[top : top + self.side, left : left + self.side], order="C")


@dataclass(frozen=True)
class Run(NetworkFeature):
    """One row a clip.

    State "features": Moments of the row [1, width], float32. State "rows": the same row as Rows, its key the
    hash of the clip's id, its owner the clip. State "smaller": Counts [1], whether it is taken at a smaller
    stride than wanted. Clips without a run give none of them. No summary.
    """

    name: ClassVar[str] = "run"
    network: ClassVar[str] = sizes.ENCODER
    named: ClassVar[bool] = True
    looks_at: ClassVar[Literal["frames", "runs"]] = "runs"

    encoder: str = knob("", "its architecture, as --features run=RUN finds it")
    stride: int = knob(
        0, "frames from one that is taken to the next; 0: as the encoder was trained", low=0, high=256
    )
    kept: int = knob(10_000, "rows kept of a set, those of smallest hash", low=2, high=1_000_000, unit="rows")

    @property
    def frames(self) -> int:
        """Frames of the network's input."""
        return encoders.told(self.encoder, "frames")

    def view(self) -> View:
        """The centered square at the size of the network's input, uint8 [S, S, 3]."""
        return CenterCrop(encoders.told(self.encoder, "image"))

    def where(self) -> str:
        """As of every network, and the version of the library that has its code."""
        name = encoders.distribution(self.encoder)
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # no network runs
            version = "missing"
        return f"{super().where()}, {name} {version}"

    def least_run(self) -> int:
        """As many frames as the network sees."""
        return self.frames

    def taken(self, runs: Mapping[int, tuple[int, ...]]) -> tuple[int, tuple[int, ...]]:
        """The stride at which a clip is taken, and its frames; (0, ()) where no run of it is long enough."""
        wanted, frames = self.stride or encoders.STRIDE, self.frames
        best = 0
        found: tuple[int, ...] = ()
        for stride in self.strides:
            run = runs.get(stride, ())
            if len(run) < frames:
                continue
            most = (len(run) - 1) // (frames - 1) if frames > 1 else 1
            step = min(most, wanted // stride)
            if step and step * stride > best:
                first = (len(run) - 1 - (frames - 1) * step) // 2
                best, found = step * stride, run[first : first + (frames - 1) * step + 1 : step]
        return best, found

    def wants_of_runs(self, runs: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
        """Those that are taken."""
        return self.taken(runs)[1]

    def measure(self, look: Look) -> ClipResult:
        """The clip's row, if it has a run; WeightsError without a usable encoder."""
        stride, indices = self.taken(look.runs)
        if not indices:
            return ClipResult()
        row = self.rows(np.stack([look.views[i] for i in indices])[None])
        kept = Rows.of([address("row", look.clip, 0)], [address("clip", look.clip)], row, self.kept)
        smaller = Counts([int(stride < (self.stride or encoders.STRIDE))])
        return ClipResult({}, {"features": Moments.of_rows(row), "rows": kept, "smaller": smaller})
