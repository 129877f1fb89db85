"""Color of a clip: mean and covariance of all pixels of the looked-at frames in CIE L*a*b*.

Every frame weighs the same, whatever its size; a pixel of a frame is 1/(H·W) of it. The conversion is that of
`skimage.color.rgb2lab` (IEC 61966-2-1 sRGB, its rounded matrix, D65 2° white point (0.95047, 1, 1.08883)), in
float64 from 8-bit RGB at native size. Lightness L* is in [0, 100], a* and b* in about [−110, 110], unitless;
covariances are with ddof 0. It is the basis of the `color` metric, which adds the quantization variance of
8-bit RGB.

The conversion is a kernel of its own because skimage takes 20 times as long: the cube root is t·r², r the
inverse cube root by the bit trick and two Householder steps (relative error below 1e-10), which need no
division.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.states import Counts, Moments

_CHUNK = 1024
_EVERY = 17  # of so many pixels one is counted for the pictures: a prime, so that no column is left out

PLANE = (-110.0, 5.0, 44)
"""Where the cells of the a*b* plane begin, how wide they are, and how many there are along a side."""
LIGHTNESS = (0.0, 2.0, 50)
"""The same for L*."""
_CELLS = PLANE[2] ** 2
# On the bits of a float32 x, magic − bits/3 is x^(−1/3) to about 3 % (Moroz et al. 2021).
_ROOT_MAGIC = np.uint32(0x54A2FA8C)


def _linear_table() -> NDArray[np.float64]:
    """Linear light in [0, 1] of each 8-bit sRGB value, float64 [256] (IEC 61966-2-1)."""
    value = np.arange(256) / 255.0
    return np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


_LINEAR = _linear_table()
_TO_XYZ = np.array(  # skimage's matrix from linear RGB, each row divided by its white-point component
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / np.array([[0.95047], [1.0], [1.08883]])


@numba.njit(cache=True, nogil=True)
def _to_lab(
    pixels: Any, start: int, count: int, linear: Any, matrix: Any, lab: Any, seed: Any, bits: Any
) -> None:
    """Writes L*, a*, b* of pixels[start:start+count] to lab[0..2, :count]. seed and bits are one memory."""
    for k in range(count):
        red = linear[pixels[start + k, 0]]
        green = linear[pixels[start + k, 1]]
        blue = linear[pixels[start + k, 2]]
        lab[0, k] = matrix[0, 0] * red + matrix[0, 1] * green + matrix[0, 2] * blue
        lab[1, k] = matrix[1, 0] * red + matrix[1, 1] * green + matrix[1, 2] * blue
        lab[2, k] = matrix[2, 0] * red + matrix[2, 1] * green + matrix[2, 2] * blue
    for c in range(3):
        for k in range(count):
            seed[k] = np.float32(lab[c, k])
        for k in range(count):
            bits[k] = _ROOT_MAGIC - bits[k] // np.uint32(3)
        for k in range(count):
            t = lab[c, k]
            r = np.float64(seed[k])
            e = 1.0 - t * r * r * r
            r = r + r * e * (1.0 / 3.0 + e * (2.0 / 9.0 + e * (14.0 / 81.0)))
            e = 1.0 - t * r * r * r
            r = r + r * e * (1.0 / 3.0 + e * (2.0 / 9.0))
            root = t * r * r
            line = 7.787 * t + 16.0 / 116.0
            lab[c, k] = root if t > 0.008856 else line
    for k in range(count):
        x, y, z = lab[0, k], lab[1, k], lab[2, k]
        lab[0, k] = 116.0 * y - 16.0
        lab[1, k] = 500.0 * (x - y)
        lab[2, k] = 200.0 * (y - z)


# "reassoc" lets the compiler keep several partial sums at once: for the sums only, not for the conversion.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _accumulate(lab: Any, count: int, shift: Any, sums: Any) -> None:
    s0 = s1 = s2 = q00 = q01 = q02 = q11 = q12 = q22 = 0.0
    for k in range(count):
        u = lab[0, k] - shift[0]
        v = lab[1, k] - shift[1]
        w = lab[2, k] - shift[2]
        s0 += u
        s1 += v
        s2 += w
        q00 += u * u
        q01 += u * v
        q02 += u * w
        q11 += v * v
        q12 += v * w
        q22 += w * w
    for index, value in enumerate((s0, s1, s2, q00, q01, q02, q11, q12, q22)):
        sums[index] += value


@numba.njit(cache=True, nogil=True)
def _count(lab: Any, start: int, count: int, plane: Any, lightness: Any, cells: Any, levels: Any) -> None:
    """Counts every `_EVERY`th pixel: cells [b*, a*] float64 [side², row by row], levels of L*."""
    side = plane[2]
    for k in range(-start % _EVERY, count, _EVERY):
        a = min(max(int((lab[1, k] - plane[0]) / plane[1]), 0), side - 1)
        b = min(max(int((lab[2, k] - plane[0]) / plane[1]), 0), side - 1)
        cells[b * side + a] += 1.0
        level = min(max(int((lab[0, k] - lightness[0]) / lightness[1]), 0), lightness[2] - 1)
        levels[level] += 1.0


@numba.njit(cache=True, nogil=True)
def _moments(pixels: Any, linear: Any, matrix: Any, plane: Any, lightness: Any, counts: Any) -> Any:
    lab = np.empty((3, _CHUNK))
    seed = np.empty(_CHUNK, np.float32)
    bits = seed.view(np.uint32)
    sums, shift = np.zeros(9), np.zeros(3)
    n = pixels.shape[0]
    for start in range(0, n, _CHUNK):
        count = min(_CHUNK, n - start)
        _to_lab(pixels, start, count, linear, matrix, lab, seed, bits)
        if start == 0:
            # Sums are about the first pixel: nothing cancels in near-constant frames, constant ones give 0.
            shift[:] = lab[:, 0]
        _accumulate(lab, count, shift, sums)
        _count(lab, start, count, plane, lightness, counts[: plane[2] ** 2], counts[plane[2] ** 2 :])
    out = np.empty(12)
    index = 3
    for i in range(3):
        mean = sums[i] / n
        out[i] = shift[i] + mean
        for j in range(i, 3):
            value = sums[index] / n - mean * (sums[j] / n)
            index += 1
            out[3 + 3 * i + j] = value
            out[3 + 3 * j + i] = value
    return out


@dataclass(frozen=True)
class LabMoments:
    """View: a frame's mean [3] and covariance [3, 3] (ddof 0) over all pixels in CIE L*a*b*; then, of every
    seventeenth pixel, counts in the cells of `PLANE` (b* row after row) and in those of `LIGHTNESS`; float64
    [12 + 44² + 50].
    """

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
        """That of a frame, uint8 [H, W, 3] with H, W ≥ 1; else ValueError."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            raise ValueError(
                f"a frame is uint8 [H, W, 3] with H, W ≥ 1, got {frame.dtype} {list(frame.shape)}"
            )
        counts = np.zeros(_CELLS + LIGHTNESS[2])
        pixels = np.ascontiguousarray(frame).reshape(-1, 3)
        moments = _moments(pixels, _LINEAR, _TO_XYZ, PLANE, LIGHTNESS, counts)
        return np.concatenate([moments, counts])


@dataclass(frozen=True)
class Lab(Feature):
    """Mean and covariance of the looked-at frames' pixels in CIE L*a*b*, every frame weighing the same.

    State "lab": Moments [3] whose weight is the number of frames. States "plane" and "lightness": Counts of
    every seventeenth pixel in the cells of `PLANE` and `LIGHTNESS`, for pictures. Summary: the clip's mean
    "L", "a", "b" and covariance "LL", "La", "Lb", "aa", "ab", "bb" (ddof 0).
    """

    name: ClassVar[str] = "lab"
    revision: ClassVar[int] = 2
    looks_at: ClassVar[Literal["frames", "runs"]] = "frames"

    def view(self) -> View:
        """A frame's mean, covariance and counts, float64 [12 + 44² + 50]."""
        return LabMoments()

    def measure(self, look: Look) -> ClipResult:
        """The sum over frames of states with weight 1 (Chan's rule); nothing without frames."""
        if not look.frames:
            return ClipResult()
        views = look.looked_at()
        total = Moments(3)
        for view in views:
            total = total + Moments.of_parts(1, view[:3], view[3:12].reshape(3, 3))
        spread = total.covariance(0)
        summary = {k: float(v) for k, v in zip("Lab", total.mean, strict=True)}
        summary |= {f"{'Lab'[i]}{'Lab'[j]}": float(spread[i, j]) for i in range(3) for j in range(i, 3)}
        plane, lightness = np.split(np.sum(views, axis=0)[12:], [_CELLS])
        return ClipResult(summary, {"lab": total, "plane": Counts(plane), "lightness": Counts(lightness)})
