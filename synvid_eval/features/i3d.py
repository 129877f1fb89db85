"""I3D rows: 400 logits a clip, averaged over time, of 16 consecutive frames; what `fvd` and `kvd` compare.

How a frame becomes the network's 224×224 input is a protocol. All resize bilinearly with half-pixel centers
and give −1 … 1:

- `styleganv`: the whole frame squashed to 224×224, without antialiasing. With StyleGAN-V's own TorchScript
  file the file does it: it gets the frames as they are.
- `videogpt`: shorter side to 224, longer side to ⌈side · 224 / shorter⌉, without antialiasing, center crop.
- `cdfvd`: shorter side to 128 (the longer likewise), antialiased, center crop, squashed to 224×224 without
  antialiasing.

The crop begins at ⌊(side − crop) / 2⌋. Nothing is rounded to 8 bits on the way.

Source: universome/stylegan-v, wilson1yan/VideoGPT, songweige/content-debiased-fvd; they compute the longer
side as ⌈side · (224 / shorter)⌉ in floating point, which is one more where the product is rounded up across a
whole number (a square of 400, say).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import UsageError
from synvid_eval.features.base import ClipResult, Look, View
from synvid_eval.features.gray import corner
from synvid_eval.features.network import NetworkFeature
from synvid_eval.knobs import knob
from synvid_eval.networks import sizes
from synvid_eval.randomness import address
from synvid_eval.states import Moments, Rows

if TYPE_CHECKING:
    from torch import Tensor

SIDE = sizes.SIDES["i3d"]
LEAST_FRAMES = sizes.LEAST_FRAMES

PROTOCOLS = ("styleganv", "videogpt", "cdfvd")


@dataclass(frozen=True)
class I3DFrame:
    """View: a frame, uint8 [H, W, 3], as I3D's input, float32 [3, 224, 224] in −1 … 1."""

    protocol: str

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The input made of a frame; ValueError for any other shape or type."""
        import torch

        from synvid_eval.networks.threads import one_thread

        corner(frame)
        # Always the same memory layout: the resize sums in another order for another one.
        planes = np.ascontiguousarray(frame.transpose(2, 0, 1), np.float32)[None]
        with one_thread(), torch.inference_mode():
            x = torch.from_numpy(planes)
            if self.protocol == "videogpt":
                out = 2 * _short_side(x / 255, SIDE, antialias=False) - 1
            else:
                if self.protocol == "cdfvd":
                    x = _short_side(x, 128, antialias=True)
                out = 2 * _resize(x, (SIDE, SIDE), antialias=False) / 255 - 1
            made: NDArray[np.float32] = out[0].contiguous().numpy()
        return made


@dataclass(frozen=True)
class NativeFrame:
    """View: a copy of the frame, uint8 [H, W, 3], for a file that does the rest itself."""

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame; ValueError for any other shape or type."""
        corner(frame)
        return np.array(frame, order="C")


def _resize(x: Tensor, size: tuple[int, int], antialias: bool) -> Tensor:
    from torch.nn import functional

    return functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=antialias)


def _short_side(x: Tensor, side: int, antialias: bool) -> Tensor:
    """[1, 3, H, W] with the shorter side resized to `side` and the longer in proportion, center crop."""
    short = min(x.shape[2:])
    # −(−a // b) is ⌈a / b⌉ in whole numbers.
    height, width = (-(-length * side // short) for length in x.shape[2:])
    x = _resize(x, (height, width), antialias)
    top, left = (height - side) // 2, (width - side) // 2
    return x[:, :, top : top + side, left : left + side]


@dataclass(frozen=True)
class I3D(NetworkFeature):
    """One row a clip, of its run at stride 1.

    State "logits": Moments of the row [1, 400], float32. State "rows": the same row as Rows, its key the hash
    of the clip's id, its owner the clip. Clips without such a run, or with one of fewer than 9 frames, give
    neither. No summary.
    """

    name: ClassVar[str] = "i3d"
    network: ClassVar[str] = "i3d"
    looks_at: ClassVar[Literal["frames", "runs"]] = "runs"
    strides: ClassVar[tuple[int, ...]] = (1,)

    protocol: str = knob("styleganv", "how a frame becomes the network's input", choices=PROTOCOLS)
    kept: int = knob(10_000, "rows kept of a set, those of smallest hash", low=2, high=1_000_000, unit="rows")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision != "fp32" and self.is_program():
            raise UsageError(
                f"i3d.precision={self.precision} is not possible with StyleGAN-V's file, which is fp32.",
                "Use fp32, or the state dict: --weights i3d=i3d_pretrained_400.pt.",
            )

    def wanted_weights(self) -> str:
        """The file that the protocol's own code uses."""
        return "i3d" if self.protocol == "styleganv" else "i3d-videogpt"

    def is_program(self) -> bool:
        """Whether the weights are StyleGAN-V's TorchScript file, which is called, not loaded."""
        if not self.weights.startswith("sha256:"):
            return False
        from synvid_eval.networks.weights import known

        return self.weights == f"sha256:{known('i3d').sha256}"

    def view(self) -> View:
        """The network's input, float32 [3, 224, 224]; or the frame, uint8 [H, W, 3], if the file makes it."""
        if self.protocol == "styleganv" and self.is_program():
            return NativeFrame()
        return I3DFrame(self.protocol)

    def clip(self, views: list[NDArray[Any]]) -> NDArray[Any]:
        """The network's input [3, T, …] of a run's views: float32 in −1 … 1, or uint8 as decoded."""
        if len({view.shape for view in views}) > 1:
            # The size changes inside the file, so frames must be resized before they are one array.
            resize = I3DFrame(self.protocol)
            views = [resize(view) for view in views]
        if views[0].dtype == np.uint8:
            return np.ascontiguousarray(np.stack(views).transpose(3, 0, 1, 2))
        return np.stack(views, axis=1)

    def measure(self, look: Look) -> ClipResult:
        """The clip's row, if it has a run."""
        if len(look.runs.get(1, ())) < LEAST_FRAMES:
            return ClipResult()
        rows = self.rows(self.clip(look.run(1))[None])
        kept = Rows.of([address("row", look.clip, 0)], [address("clip", look.clip)], rows, self.kept)
        return ClipResult({}, {"logits": Moments.of_rows(rows), "rows": kept})
