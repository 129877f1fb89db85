"""What fine-tuning does to clips and labels: RandAugment, random resized crops, flips, blurs, erasing, mixup,
cutmix, label smoothing.

Sources: RandAugment (Cubuk et al. 2020) as timm and the released code read it (Table 6 of Yu et al. names
RandAug (9, 0.5): `rand-m9-mstd0.5-inc1`; the released scripts run `rand-m7-n4-mstd0.5-inc1`); random erasing
(Zhong et al. 2020); mixup (Zhang et al. 2018); cutmix (Yun et al. 2019); smoothing (Szegedy et al. 2016). The
operations on pixels are torchvision's.

Everything is a pure function of its arguments and a key (`randomness.address`): torch's and NumPy's
generators are neither read nor moved. One draw holds for all frames of a clip.

Where this differs from the released code: rotations and shears are bilinear (torchvision has no bicubic ones
for tensors) and translations whole pixels; crops are antialiased where they shrink, which at 224 px hardly
any does; a mixed batch may have an odd number of clips, the middle one of which is mixed with itself. The
released cutmix takes [B, 3, T, H, W] for [B, 3, H, W], so that its boxes span time and height of full rows:
`spans="released"` does that, `"frames"` cuts the box out of every frame, as the paper of cutmix means it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import UsageError
from synvid_eval.randomness import address, below, stream, unit
from synvid_eval.training import crops

if TYPE_CHECKING:
    import torch

OPERATIONS = (
    "autocontrast",
    "equalize",
    "invert",
    "rotate",
    "posterize",
    "solarize",
    "solarize_add",
    "color",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
"""timm's "increasing" set: a larger level always changes more. The order decides which draw is which."""

MOST_LEVEL = 10.0
FILL = 128.0
"""The gray that comes in from outside where frames are turned, sheared or moved (timm)."""

_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}
_SIDES = re.compile(rf"\b({'|'.join(_OTHER)})\b")

LEAST, ASPECT = 0.08, (0.75, 1.3333)
"""Of random resized crops: the smallest area as a share of the frame's, width by height."""
ERASED, ERASED_ASPECT = (0.02, 1 / 3), (0.3, 1 / 0.3)
"""Of erased boxes, likewise."""
BLUR = (0.1, 2.0)
"""Deviations of a blur [px], torchvision's."""
_ATTEMPTS = 10


def uniform(key: int, what: str, count: int) -> NDArray[np.float64]:
    """`count` uniform draws in [0, 1), a function of (key, what they are for)."""
    return unit(stream(address("synvid_eval.training.augment", key, what), count))


def normal(key: int, what: str, count: int) -> NDArray[np.float64]:
    """`count` standard normal draws, likewise."""
    from scipy.special import ndtri

    found: NDArray[np.float64] = ndtri(np.maximum(uniform(key, what, count), 2.0**-54))
    return found


def beta(key: int, what: str, alpha: float) -> float:
    """A draw of the Beta distribution with both parameters `alpha` > 0, likewise."""
    from scipy.special import betaincinv

    return float(betaincinv(alpha, alpha, uniform(key, what, 1)[0]))


# -- RandAugment -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """`layers` operations one after the other, each drawn anew and done with probability 0.5, at levels
    normal around `magnitude` with deviation `std`, cut to [0, 10].
    """

    magnitude: float = 9.0
    layers: int = 2
    std: float = 0.5


def policy(text: str) -> Policy | None:
    """The policy of a text such as `rand-m9-n2-mstd0.5-inc1` (in any order; n is 2 where it is not said, as
    in timm); None for "none". UsageError for another.
    """
    if text == "none":
        return None
    parts = dict.fromkeys(("m", "n", "mstd"), "")
    for word in text.split("-")[1:]:
        if found := re.fullmatch(r"(mstd|m)(\d+(?:\.\d+)?)|(n)(\d+)", word):
            parts[found[1] or found[3]] = found[2] or found[4]
    whole = "-".join(["rand", *(k + v for k, v in parts.items() if v), "inc1"])
    if sorted(text.split("-")) != sorted(whole.split("-")) or not parts["m"]:
        raise UsageError(f"No augmentation is called {text!r}.", "Such as rand-m9-n2-mstd0.5-inc1, or none.")
    made = Policy(float(parts["m"]), int(parts["n"] or 2), float(parts["mstd"] or 0))
    if made.magnitude > MOST_LEVEL or not 1 <= made.layers <= 100:
        raise UsageError(f"{text} is out of range.", "m is 0 to 10, n is 1 or more.")
    return made


def operations(of: Policy, key: int) -> list[tuple[str, float, bool]]:
    """(operation, level in [0, 10], whether it goes the other way) of a clip, in order, those not done left
    out.
    """
    chosen = below(
        stream(address("synvid_eval.training.augment", key, "operation"), of.layers), len(OPERATIONS)
    )
    done, negated = uniform(key, "done", of.layers) < 0.5, uniform(key, "negated", of.layers) < 0.5
    levels = np.clip(of.magnitude + of.std * normal(key, "level", of.layers), 0, MOST_LEVEL)
    return [(OPERATIONS[chosen[i]], float(levels[i]), bool(negated[i])) for i in range(of.layers) if done[i]]


def rand_augment(frames: torch.Tensor, of: Policy, key: int, fill: float = FILL) -> torch.Tensor:
    """Frames uint8 [T, 3, H, W] → the same, with the operations of `key` done to all of them alike. fill: see
    `apply`.
    """
    for name, level, negated in operations(of, key):
        frames = apply(frames, name, level, negated, fill)
    return frames


def apply(
    frames: torch.Tensor, name: str, level: float, negated: bool = False, fill: float = FILL
) -> torch.Tensor:
    """One of OPERATIONS on frames uint8 [T, 3, H, W], at a level in [0, 10].

    At level l: rotate 3·l degrees; posterize to 4 − ⌊0.4·l⌋ bits; solarize from 256 − ⌊25.6·l⌋ on;
    solarize_add ⌊11·l⌋ below 128; color, contrast, brightness, sharpness by 1 ± 0.09·l; shear by 0.03·l;
    translate by 4.5·l % of the side, in whole pixels. What comes in from outside is of the gray `fill`.
    """
    from torchvision.transforms.v2 import functional as F

    share = level / MOST_LEVEL
    sign = -1.0 if negated else 1.0
    factor = 1 + sign * 0.9 * share
    outside = [fill] * 3
    bilinear, height, width = F.InterpolationMode.BILINEAR, frames.shape[-2], frames.shape[-1]

    def affine(shear: tuple[float, float] = (0, 0), move: tuple[int, int] = (0, 0)) -> torch.Tensor:
        shears = [math.degrees(math.atan(s)) for s in shear]
        moved: torch.Tensor = F.affine(
            frames, 0.0, list(move), 1.0, shears, interpolation=bilinear, fill=outside, center=[0.0, 0.0]
        )
        return moved

    def solarize() -> torch.Tensor:
        threshold = 256 - int(share * 256)
        return F.solarize(frames, threshold) if threshold < 256 else frames

    def solarize_add() -> torch.Tensor:
        brighter = (frames.int() + int(share * 110)).clamp(max=255).to(frames.dtype)
        return brighter.where(frames < 128, frames)

    does: dict[str, Callable[[], torch.Tensor]] = {
        "autocontrast": lambda: F.autocontrast(frames),
        "equalize": lambda: F.equalize(frames),
        "invert": lambda: F.invert(frames),
        "rotate": lambda: F.rotate(frames, sign * 30 * share, interpolation=bilinear, fill=outside),
        "posterize": lambda: F.posterize(frames, 4 - int(share * 4)),
        "solarize": solarize,
        "solarize_add": solarize_add,
        "color": lambda: F.adjust_saturation(frames, factor),
        "contrast": lambda: F.adjust_contrast(frames, factor),
        "brightness": lambda: F.adjust_brightness(frames, factor),
        "sharpness": lambda: F.adjust_sharpness(frames, factor),
        "shear_x": lambda: affine(shear=(sign * 0.3 * share, 0)),
        "shear_y": lambda: affine(shear=(0, sign * 0.3 * share)),
        "translate_x": lambda: affine(move=(round(sign * 0.45 * share * width), 0)),
        "translate_y": lambda: affine(move=(0, round(sign * 0.45 * share * height))),
    }
    return does[name]()


# -- crops, flips, erasing -------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A part of a frame [px]."""

    top: int
    left: int
    height: int
    width: int


def _boxes(
    height: int, width: int, key: int, what: str, area: tuple[float, float], aspect: tuple[float, float]
) -> list[tuple[int, int, float, float]]:
    """(height, width, where down, where across) of each attempt: area uniform, log of the aspect uniform."""
    draws = uniform(key, what, 4 * _ATTEMPTS).reshape(_ATTEMPTS, 4)
    found = []
    for share, ratio, down, across in draws:
        size = (area[0] + (area[1] - area[0]) * share) * height * width
        wide = math.exp(math.log(aspect[0]) + (math.log(aspect[1]) - math.log(aspect[0])) * ratio)
        found.append((round(math.sqrt(size / wide)), round(math.sqrt(size * wide)), down, across))
    return found


def crop_box(height: int, width: int, key: int, least: float = LEAST) -> Box:
    """The random resized crop of a clip: of the frame's area a share of `least` to 1, with an aspect of
    ASPECT, anywhere in the frame; after ten attempts that do not fit, the largest centered part with an
    aspect within ASPECT.
    """
    for tall, wide, down, across in _boxes(height, width, key, "crop", (least, 1.0), ASPECT):
        if 0 < tall <= height and 0 < wide <= width:
            return Box(int(down * (height - tall + 1)), int(across * (width - wide + 1)), tall, wide)
    tall, wide = height, width
    if width < ASPECT[0] * height:
        tall = round(width / ASPECT[0])
    elif width > ASPECT[1] * height:
        wide = round(height * ASPECT[1])
    return Box((height - tall) // 2, (width - wide) // 2, tall, wide)


def resized_crop(frames: torch.Tensor, box: Box, size: int) -> torch.Tensor:
    """A box of frames uint8 [T, 3, H, W], resized to [T, 3, size, size], bilinear and antialiased."""
    from torchvision.transforms.v2 import functional as F

    found: torch.Tensor = F.resized_crop(
        frames, box.top, box.left, box.height, box.width, [size, size], antialias=True
    )
    return found


def cubic_crop(frames: NDArray[np.uint8], box: Box, size: int) -> NDArray[np.uint8]:
    """A box of frames uint8 [T, H, W, 3], resized to [T, size, size, 3]; see `crops.cubic`."""
    rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
    return crops.cubic(frames[:, rows, columns], size, size)


def mirrored(classes: Sequence[str], knob: str, off: str) -> list[str]:
    """A note where classes differ by left and right alone (`l_set`, `r_set`): mirrored clips are of another
    one. knob: what mirrors them, with a value `off` that does not.
    """

    def key(name: str, other: bool) -> str:
        said = re.sub(r"[\s_-]+", " ", name.lower())
        return _SIDES.sub(lambda found: _OTHER[found[0]], said) if other else said

    there = {key(name, False): name for name in classes}
    pairs = {
        tuple(sorted((name, there[turned])))
        for name in classes
        if (turned := key(name, True)) in there and there[turned] != name
    }
    if not pairs:
        return []
    first, second = min(pairs)
    more = f" and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    return [
        f"{knob} mirrors clips and leaves their labels, but the mirror image of some classes is another "
        f"({first}, {second}{more}): --set {knob}={off} mirrors none"
    ]


def flips(key: int) -> bool:
    """Whether a clip is mirrored, with probability 0.5."""
    return bool(uniform(key, "flip", 1)[0] < 0.5)


def blurred(frames: torch.Tensor, key: int, probability: float) -> torch.Tensor:
    """Frames uint8 [T, 3, H, W], with `probability` all blurred by the same Gaussian of 3 × 3 px, whose
    deviation is uniform in BLUR [px].
    """
    from torchvision.transforms.v2 import functional as F

    drawn, place = uniform(key, "blur", 2)
    if not drawn < probability:
        return frames
    sigma = float(BLUR[0] + (BLUR[1] - BLUR[0]) * place)
    found: torch.Tensor = F.gaussian_blur(frames, [3, 3], [sigma, sigma])
    return found


def erase_box(height: int, width: int, key: int, probability: float = 0.25) -> Box | None:
    """The box that is erased of a clip, or None: with `probability` an area of ERASED with an aspect of
    ERASED_ASPECT; none where ten attempts do not fit.
    """
    if not uniform(key, "erased", 1)[0] < probability:
        return None
    for tall, wide, down, across in _boxes(height, width, key, "erase", ERASED, ERASED_ASPECT):
        if 0 < tall < height and 0 < wide < width:
            return Box(int(down * (height - tall + 1)), int(across * (width - wide + 1)), tall, wide)
    return None


def erased(clip: torch.Tensor, box: Box, key: int) -> torch.Tensor:
    """A normalized clip float32 [T, 3, H, W] with a box of every frame filled with standard normal noise."""
    import torch

    generator = torch.Generator().manual_seed(address("synvid_eval.training.augment", key, "noise") >> 1)
    noise = torch.randn((*clip.shape[:2], box.height, box.width), generator=generator)
    filled = clip.clone()
    filled[..., box.top : box.top + box.height, box.left : box.left + box.width] = noise
    return filled


# -- batches ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixing:
    """What is done to a batch: every clip is mixed with its partner, as far from the other end.

    own: share of the clip itself in its label, in [0, 1]. box: what cutmix takes from the partner; None for
    mixup.
    """

    own: float
    box: Box | None = None
    spans: Literal["frames", "released"] = "frames"


def mixing(
    height: int,
    width: int,
    key: int,
    mixup: float = 0.8,
    cutmix: float = 1.0,
    switch: float = 0.5,
    spans: Literal["frames", "released"] = "frames",
) -> Mixing | None:
    """The mixing of a batch, None where `mixup` and `cutmix` (the α of their Beta distributions) are both 0.

    switch: probability of cutmix where both are > 0. A cutmix box has its center anywhere in the frame and is
    cut at its border; `own` is what is left of the frame.
    """
    if not mixup and not cutmix:
        return None
    cuts = bool(cutmix) and (not mixup or uniform(key, "switch", 1)[0] < switch)
    own = beta(key, "own", cutmix if cuts else mixup)
    if not cuts:
        return Mixing(own)
    half_tall, half_wide = (int(side * math.sqrt(1 - own)) // 2 for side in (height, width))
    down, across = uniform(key, "center", 2)
    row, column = int(down * height), int(across * width)
    top, bottom = max(row - half_tall, 0), min(row + half_tall, height)
    left, right = max(column - half_wide, 0), min(column + half_wide, width)
    box = Box(top, left, bottom - top, right - left)
    return Mixing(1 - box.height * box.width / (height * width), box, spans)


def smoothed(labels: torch.Tensor, classes: int, smoothing: float = 0.1) -> torch.Tensor:
    """Labels int64 [B] as targets float32 [B, classes]: 1 − s + s/C for the class, s/C for each other one."""
    import torch

    targets = torch.full((len(labels), classes), smoothing / classes)
    return targets.scatter_(1, labels.cpu()[:, None], 1 - smoothing + smoothing / classes).to(labels.device)


def mixed(clips: torch.Tensor, targets: torch.Tensor, how: Mixing) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips float [B, T, 3, H, W] and targets [B, classes], mixed; the arguments stay as they are."""
    partners = clips.flip(0)
    if how.box is None:
        found = clips * how.own + partners * (1 - how.own)
    else:
        rows = slice(how.box.top, how.box.top + how.box.height)
        columns = slice(how.box.left, how.box.left + how.box.width)
        found = clips.clone()
        if how.spans == "frames":
            found[..., rows, columns] = partners[..., rows, columns]
        else:  # the box's rows are frames, its columns rows
            found[:, rows, :, columns] = partners[:, rows, :, columns]
    return found, targets * how.own + targets.flip(0) * (1 - how.own)
