"""Iterated function systems: how the maps of a fractal are drawn, move, and differ between a class's clips.

Source: Anderson, Farrell 2022, "Improving Fractal Pre-training" (the singular values), Svyezhentsev,
Retsinas, Maragos 2024 (arXiv 2411.17584: what moves) and the released code of the latter. A map is

    A = R(θ) D₁ diag(σ₁, σ₂) R(φ) D₂,   and a translation,

R a rotation, D₁ and D₂ diagonals of random signs, 1 > σ₁ ≥ σ₂ ≥ 0, so it contracts. Over the maps, the sum of
σ₁ + 2 σ₂ is uniform in [(5 + N) / 2, (6 + N) / 2] for N maps, which makes most attractors neither dust nor a
blob; nothing else is asked of them. A clip has two such systems as keyframes: of the same signs, angles up to
half a turn apart, singular values drawn anew, maps in descending order of σ₁ σ₂, translations in [−1, 1]²
drawn anew or, with probability 0.2, kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError
from synvid_eval.generators import curves
from synvid_eval.generators.attractor import NONLINEAR, VARIATIONS, Floats
from synvid_eval.generators.curves import Draws

Array = NDArray[np.float64]

LINEAR = 0.5
"""Probability of the linear variation where it is drawn (released code); the others share the rest."""

STILL_BIAS = 0.2
"""Probability that translations do not move (released code)."""

WEIGHT_SWING, WEIGHT_OFFSET = 0.4, 0.2
"""How far an instance is from its class: the factor's swing about 1, the offset's largest size (released
code)."""


class Parameters(NamedTuple):
    """The parameters of a clip of N maps and T frames: what a class is.

    variation: a number of `attractor.VARIATIONS`. angles: float64 [2, N, 2] rad, of both keyframes θ and φ.
    values: float64 [2, N, 2], σ₁ ≥ σ₂. signs: float64 [2, N, 2], the diagonals of D₁ and D₂. bias: float64
    [2, N, 2], translations. courses: float64 [T, N], how far each map has come at each frame.
    """

    variation: int
    angles: Array
    values: Array
    signs: Array
    bias: Array
    courses: Array

    def told(self) -> dict[str, Any]:
        """The same, ready for JSON; `read` takes it back without loss."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in self._asdict().items()}


def read(told: Mapping[str, Any]) -> Parameters:
    """Parameters from what `Parameters.told` tells.

    Raises:
        DataError: keys are missing or unknown, shapes do not fit each other, values are no finite numbers.
    """
    try:
        arrays = {k: np.array(v, np.float64) for k, v in told.items() if k != "variation"}
        found = Parameters(variation=told["variation"], **arrays)
        maps = found.courses.shape[1]
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"These are no parameters of a fractal: {error}.") from None
    fits = all(a.shape == (2, maps, 2) for a in (found.angles, found.values, found.signs, found.bias))
    finite = all(np.isfinite(a).all() for a in arrays.values())
    if (
        type(found.variation) is not int
        or found.variation not in VARIATIONS
        or not fits
        or not finite
        or 0 in found.courses.shape
    ):
        raise DataError(
            f"These are no parameters of a fractal: variation {found.variation}, courses of shape "
            f"{list(found.courses.shape)}.",
            "They have the keys of ifs.Parameters, of shapes [2, N, 2] and [T, N].",
        )
    return found


def singular_values(maps: int, draws: Draws) -> Array:
    """Singular values of N ≥ 2 maps, float64 [N, 2], each σ₁ ≥ σ₂, in the order they are drawn.

    One after the other, uniformly within what the sum still allows; the last pair makes up for the rest.
    """
    total, *each = draws("values", 2 * maps)
    high = (5 + maps + total) / 2
    low = high - 3 * maps + 3
    found = np.zeros((maps, 2))
    for k in range(maps - 1):
        first = _between(each[2 * k], max(0.0, low / 3), min(1.0, high))
        low, high = low - first, high - first
        second = _between(each[2 * k + 1], max(0.0, low / 2), min(first, high / 2))
        low, high = low - 2 * second + 3, high - 2 * second
        found[k] = first, second
    second = _between(each[-1], max(0.0, (high - 1) / 2), high / 3)
    found[-1] = high - 2 * second, second
    return found


def kind(maps: tuple[int, int], variation: str, draws: Draws) -> tuple[int, int]:
    """How many maps there are, from least to largest N, and their variation, as published.

    variation: a number of `attractor.VARIATIONS`, or "drawn".
    """
    count = curves.whole(draws("maps", 1)[0], *maps)
    if variation != "drawn":
        return count, int(variation)
    linear, other = draws("variation", 2)
    return count, 0 if linear < LINEAR else NONLINEAR[curves.whole(other, 0, len(NONLINEAR) - 1)]


def drawn(frames: int, count: int, variation: int, published: bool, draws: Draws) -> Parameters:
    """Parameters of `count` maps and that many frames, as published.

    published: whether maps move along `curves.courses`; else evenly.
    """
    angles = 2 * np.pi * draws("angles", 2 * count).reshape(count, 2)
    turns = np.pi * (2 * draws("turns", 2 * count).reshape(count, 2) - 1)
    values = np.stack([_sorted(singular_values(count, _named(draws, str(k)))) for k in range(2)])
    bias = 2 * draws("bias", 4 * count).reshape(2, count, 2) - 1
    if draws("bias.still", 1)[0] < STILL_BIAS:
        bias[1] = bias[0]
    courses = (
        curves.courses(frames, count, _named(draws, "courses"))
        if published
        else np.repeat(curves.linear(frames)[:, None], count, axis=1)
    )
    return Parameters(
        variation=variation,
        angles=np.stack([angles, angles + turns]),
        values=values,
        signs=np.where(draws("signs", 4 * count) < 0.5, -1.0, 1.0).reshape(2, count, 2),
        bias=bias,
        courses=courses,
    )


def maps(found: Parameters, decomposed: bool = True) -> Floats:
    """The maps at each frame: float32 [T, N, 6], each a b e c d f of (a x + b y + e, c x + d y + f).

    decomposed: angles, singular values and translations go from keyframe to keyframe, each by itself, so maps
    keep their areas; else the numbers of the matrices do, whose areas shrink on the way (the paper's naive
    animation).
    """
    along = found.courses[:, :, None]

    def between(pair: Array) -> Array:
        moved: Array = pair[0] * (1 - along) + pair[1] * along
        return moved

    if decomposed:
        return _maps(between(found.angles), between(found.values), found.signs, between(found.bias))
    ends = _maps(found.angles, found.values, found.signs, found.bias).astype(np.float64)
    return between(ends).astype(np.float32)


def mutated(maps: Floats, draws: Draws) -> Floats:
    """The maps of an instance of a class: float32 [T, N, 6], of the same shape.

    Each of the six numbers of a map is multiplied by a smooth factor of time (`curves.around_one`), the same
    for all maps, and an offset is added, one for each map and number, constant in time.
    """
    frames, count, numbers = maps.shape
    factors = [curves.around_one(frames, _named(draws, f"factor.{k}"), WEIGHT_SWING) for k in range(numbers)]
    offsets = WEIGHT_OFFSET * (2 * draws("offset", count * numbers).reshape(count, numbers) - 1)
    return (maps * np.stack(factors, axis=1)[:, None] + offsets).astype(np.float32)


def _between(draw: float, low: float, high: float) -> float:
    return low + (high - low) * draw


def _sorted(values: Array) -> Array:
    """In descending order of what the maps do to areas, so that keyframes pair large with large."""
    return values[np.argsort(-values[:, 0] * values[:, 1], kind="stable")]


def _named(draws: Draws, name: str) -> Draws:
    """The draws of quantities under a name."""
    return lambda quantity, count: draws(f"{name}.{quantity}", count)


def _maps(angles: Array, values: Array, signs: Array, bias: Array) -> Floats:
    """R(θ) D₁ diag(σ) R(φ) D₂ and the translation: float32 [K, N, 6] of K moments."""
    turned = [_rotations(angles[..., k]) for k in range(2)]
    # diagonals scale columns from the right: D₁ diag(σ) those of R(θ), D₂ those of R(φ)
    left = turned[0] * (signs[0] * values)[..., None, :]
    matrices = left @ (turned[1] * signs[1][:, None, :])
    rows = np.concatenate([matrices, bias[..., None]], axis=-1)
    return rows.reshape(*rows.shape[:-2], 6).astype(np.float32)


def _rotations(angles: Array) -> Array:
    """float64 [..., 2, 2] of angles [...] in rad."""
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)
