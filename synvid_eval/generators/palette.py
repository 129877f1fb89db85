"""Palettes: what colors objects take.

A palette is a frozen dataclass whose fields are its knobs, named in a text with these in brackets:

    uniform                             R, G and B uniform, as in released code
    lab(l=45,l_std=22,a_std=8,b_std=12) normal in CIE L*a*b*, brought to sRGB
    colors(of=203040+E0C8A0+E0C8A0)     one of these, repeats weigh

It is the knob `palette` of generators whose objects have a color of their own. A palette makes each color of
draws that the generator addresses by object, so another palette changes no place, form or motion, and an
object's color depends on no other object.

Everything that makes a color of a draw is in integers: the same bytes on any machine. L*a*b* is that of the
`lab` feature (D65 2°, sRGB, the rounded matrix of scikit-image), so a set of flat colors measures as what was
asked for, within the rounding to 8 bits and the gamut.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError, nearest
from synvid_eval.knobs import knob

Ints = NDArray[np.int64]

UNIFORM = "uniform"
"""The palette that generators have unless told otherwise."""

LAB = 16
"""Fractional bits of L*, a* and b*."""

MOST = 1024
"""Colors of a list."""

MOST_TEXT = 16_384
"""Characters of a palette's text."""

_UNIT = 32  # fractional bits of normal deviates
_FACTOR = 20  # of the matrices they and linear light go through
_ROOT = 20  # of f(X), f(Y), f(Z), the cube roots of CIE 1976
_LIGHT = 24  # of X, Y, Z

# Linear RGB of X, Y, Z in units of the white point, with `_FACTOR` fractional bits: the exact inverse of the
# matrix of the `lab` feature, rounded. A test computes it anew.
_TO_RGB = np.array(
    [[3229593, -1611820, -569189], [-965998, 1967118, 47445], [55460, -213953, 1207154]], np.int64
)

_COLOR = re.compile(r"[0-9A-F]{6}")


@dataclass(frozen=True)
class Palette(ABC):
    """Base of all palettes.

    `words` is how many draws a color is made of. `exact` says that colors have the same bytes on any machine.
    """

    name: ClassVar[str]
    words: ClassVar[int]
    exact: ClassVar[bool]

    def __post_init__(self) -> None:
        knobs.check(self)

    @abstractmethod
    def colors(self, draws: NDArray[np.uint64], levels: int = 255) -> NDArray[np.uint8]:
        """A color of each row of draws.

        Args:
            draws: uint64 [N, words] (see `randomness.stream`).
            levels: what the generator's released code draws each of R, G and B below (255, so 0 to 254; or
            256). For `Uniform`; other palettes say themselves which colors there are.

        Returns:
            uint8 [N, 3] RGB; color k depends on row k alone.
        """

    @abstractmethod
    def searched(self) -> Lab:
        """The normal nearest to it: what a search begins with, since its knobs are numbers."""

    @property
    def spelled(self) -> str:
        """The text with every knob, as `parsed` reads it. Equal palettes have one text."""
        told = ",".join(f"{name}={value}" for name, value in knobs.values(self).items())
        return f"{self.name}({told})" if told else self.name


@dataclass(frozen=True)
class Uniform(Palette):
    """R, G and B uniform and independent, as the released code of the sets draws them."""

    name: ClassVar[str] = UNIFORM
    words: ClassVar[int] = 3
    exact: ClassVar[bool] = True

    def colors(self, draws: NDArray[np.uint64], levels: int = 255) -> NDArray[np.uint8]:
        """See `Palette.colors`."""
        return randomness.below(draws, levels).astype(np.uint8)

    def searched(self) -> Lab:
        """See `Palette.searched`: the defaults of `Lab` are its mean and covariance."""
        return Lab()


_OF_UNIFORM = "our choice: what uniform has, from all 255³ colors, rounded"


def _spread(default: float, axis: str, search: tuple[float, float]) -> Any:
    return knob(
        default,
        f"standard deviation of {axis}",
        low=0.1,
        high=100,
        unit=axis,
        scale="log",
        source=_OF_UNIFORM,
        search=search,
        group="color",
    )


def _together(default: float, first: str, second: str) -> Any:
    return knob(
        default,
        f"correlation of {first} and {second}",
        low=-0.95,
        high=0.95,
        source=_OF_UNIFORM,
        search=(-0.49, 0.49),  # within which any three can be together
        group="color",
    )


@dataclass(frozen=True)
class Lab(Palette):
    """Normal in CIE L*a*b*, brought to 8-bit sRGB.

    A deviate is the sum of twelve 32-bit uniforms less its mean: variance 1 − 2⁻⁶⁴, at most 6, excess
    kurtosis −0.1. Its three are mixed by the Cholesky factor of the covariance.

    What lies outside the gamut is clipped (see `srgb`). That takes from the deviations and moves the mean
    inward, the more the wider the normal and the nearer its mean to the gamut's surface. With l=50, a=b=0,
    l_std=12, a_std=b_std=8 and no correlations 0.1 % of colors are clipped and no moment moves by 0.03; with
    the defaults 33 %: the deviations 20.1, 43.7, 44.9 come out as 18.5, 38.3, 40.1, the mean (57.3, 7.0, 3.6)
    as (57.6, 6.9, 3.6). What a set shows is to be measured: objects differ in size, too.

    Raises:
        UsageError: correlations that no three quantities have together.
    """

    name: ClassVar[str] = "lab"
    words: ClassVar[int] = 18
    exact: ClassVar[bool] = True

    l: float = knob(  # noqa: E741
        57.3,
        "mean of L*",
        low=0,
        high=100,
        unit="L*",
        source=_OF_UNIFORM,
        search=(15, 85),
        group="color",
    )
    a: float = knob(
        7.0,
        "mean of a*: green is negative, red positive",
        low=-128,
        high=128,
        unit="a*",
        source=_OF_UNIFORM,
        search=(-15, 15),
        group="color",
    )
    b: float = knob(
        3.6,
        "mean of b*: blue is negative, yellow positive",
        low=-128,
        high=128,
        unit="b*",
        source=_OF_UNIFORM,
        search=(-20, 30),
        group="color",
    )
    l_std: float = _spread(20.1, "L*", (3, 40))
    a_std: float = _spread(43.7, "a*", (1, 60))
    b_std: float = _spread(44.9, "b*", (1, 60))
    la: float = _together(-0.55, "L*", "a*")
    lb: float = _together(0.49, "L*", "b*")
    ab: float = _together(-0.58, "a*", "b*")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in knobs.values(self).items():
            object.__setattr__(self, name, float(value) + 0.0)  # 40 is 40.0, -0.0 is 0.0: one text
        if _volume(*self._correlations()) <= 0:
            raise UsageError(
                f"{self.name}: la={self.la}, lb={self.lb} and ab={self.ab} cannot be together: such a "
                "correlation matrix is not positive definite.",
                f"ab={float(math.prod(self._correlations()[:2])):.3g} always goes with these la and lb.",
            )

    def _correlations(self) -> tuple[Fraction, Fraction, Fraction]:
        return Fraction(str(self.la)), Fraction(str(self.lb)), Fraction(str(self.ab))

    def colors(self, draws: NDArray[np.uint64], levels: int = 255) -> NDArray[np.uint8]:
        """See `Palette.colors`."""
        return srgb(self.lab(draws))

    def searched(self) -> Lab:
        """See `Palette.searched`: itself."""
        return self

    def lab(self, draws: NDArray[np.uint64]) -> Ints:
        """L*, a*, b* of each row of draws uint64 [N, words], before they are brought to the gamut: int64
        [N, 3] with `LAB` fractional bits.
        """
        mean, factor = _normal(self)
        shift = _UNIT + _FACTOR - LAB
        mixed: Ints = (mean + deviates(draws) @ factor.T + (1 << (shift - 1))) >> shift
        return mixed


def deviates(draws: NDArray[np.uint64]) -> Ints:
    """Normal deviates, one of each six draws: uint64 [N, 6 M] → int64 [N, M] with 32 fractional bits (see
    `Lab`).
    """
    halves = np.stack([draws >> np.uint64(32), draws & np.uint64(2**32 - 1)], -1).astype(np.int64)
    sums: Ints = halves.reshape(len(draws), -1, 12).sum(-1) - 6 * (2**32 - 1)
    return sums


@functools.lru_cache(maxsize=64)
def _normal(palette: Lab) -> tuple[Ints, Ints]:
    """Mean int64 [3], with the fractional bits of a deviate times a factor, and Cholesky factor int64 [3, 3],
    lower, of a palette.
    """
    la, lb, ab = palette._correlations()
    rest = 1 - la * la
    rows = [
        (Fraction(1), Fraction(0), Fraction(0)),
        (la, _root(rest), Fraction(0)),
        (lb, (ab - la * lb) / _root(rest), _root(_volume(la, lb, ab) / rest)),
    ]
    stds = [Fraction(str(value)) for value in (palette.l_std, palette.a_std, palette.b_std)]
    factor = [[round(std * one * 2**_FACTOR) for one in row] for std, row in zip(stds, rows, strict=True)]
    means = [Fraction(str(value)) for value in (palette.l, palette.a, palette.b)]
    mean = [round(value * 2 ** (_UNIT + _FACTOR)) for value in means]
    return np.array(mean, np.int64), np.array(factor, np.int64)


def _volume(la: Fraction, lb: Fraction, ab: Fraction) -> Fraction:
    """The determinant of the correlation matrix, positive just where that is positive definite (correlations
    are within ±0.95)."""
    return 1 + 2 * la * lb * ab - la**2 - lb**2 - ab**2


def _root(value: Fraction) -> Fraction:
    """A square root to 64 bits behind the point, from below."""
    return Fraction(math.isqrt((value.numerator << 128) // value.denominator), 2**64)


def srgb(lab: Ints) -> NDArray[np.uint8]:
    """8-bit sRGB of L*, a*, b*: int64 [..., 3] with `LAB` fractional bits, within ±1200 → uint8 [..., 3].

    What is outside the gamut is clipped in linear light: X, Y, Z below 0 are 0, then R, G and B are each
    brought to [0, 1].
    """
    lightness, red, yellow = (lab[..., k] << (_ROOT - LAB) for k in range(3))
    middle = _over(lightness + (16 << _ROOT), 116)
    roots = np.stack([middle + _over(red, 500), middle, middle - _over(yellow, 200)], -1)
    # CIE 1976: the inverse of f is a cube above 6/29, below it a line
    square = (roots * roots) >> (2 * _ROOT - _LIGHT)
    slope, zero = round(Fraction(108, 841) * 2**_ROOT), round(Fraction(4, 29) * 2**_ROOT)
    line = ((roots - zero) * slope) >> (2 * _ROOT - _LIGHT)
    light = np.where(roots > round(Fraction(6, 29) * 2**_ROOT), (square * roots) >> _ROOT, line)
    return np.searchsorted(_steps(), np.maximum(light, 0) @ _TO_RGB.T, side="right").astype(np.uint8)


def _over(value: Ints, divisor: int) -> Ints:
    """value / divisor, rounded, halves up."""
    return (2 * value + divisor) // (2 * divisor)


@functools.lru_cache(maxsize=1)
def _steps() -> Ints:
    """The least linear light of each sRGB value from 1 on, int64 [255] with the fractional bits of light
    times a factor: that of the middle between it and the value before (IEC 61966-2-1, decoded exactly).
    """
    bits, steps = _LIGHT + _FACTOR, []
    for value in (Fraction(2 * k - 1, 510) for k in range(1, 256)):
        if value <= Fraction("0.04045"):
            steps.append(math.ceil(value / Fraction("12.92") * 2**bits))
            continue
        power = ((value + Fraction("0.055")) / Fraction("1.055")) ** 12  # its fifth root is that to 2.4
        wanted = power.numerator << (5 * bits)
        steps.append(bisect.bisect_left(range(2**bits), wanted, key=lambda t: t**5 * power.denominator))
    found = np.array(steps, np.int64)
    found.flags.writeable = False
    return found


@dataclass(frozen=True)
class Colors(Palette):
    """One of a list of colors, each as likely; a color that is there twice is twice as likely."""

    name: ClassVar[str] = "colors"
    words: ClassVar[int] = 1
    exact: ClassVar[bool] = True

    of: str = knob(
        "000000+FFFFFF",
        f"the colors, at most {MOST}: RRGGBB in hexadecimal digits, joined by +; repeats weigh",
        source="our choice: black and white, to be replaced",
        group="color",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        every = [part.upper() for part in re.split(r"[+\s]+", self.of.strip())]
        for part in every:
            if not _COLOR.fullmatch(part):
                raise UsageError(
                    f"{self.name}.of: {part[:40]!r} is no color.",
                    "It is RRGGBB in hexadecimal digits, joined by +: of=203040+E0C8A0.",
                )
        if len(every) > MOST:
            raise UsageError(f"{self.name}.of holds {len(every):,} colors.", f"At most {MOST:,}.")
        object.__setattr__(self, "of", "+".join(every))

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The colors, uint8 [count, 3]."""
        return np.frombuffer(bytes.fromhex(self.of.replace("+", "")), np.uint8).reshape(-1, 3)

    def colors(self, draws: NDArray[np.uint64], levels: int = 255) -> NDArray[np.uint8]:
        """See `Palette.colors`."""
        rgb = self.rgb
        return rgb[randomness.below(draws[:, 0], len(rgb))]

    def searched(self) -> Lab:
        """See `Palette.searched`: with their mean and covariance (ddof 0) in L*a*b*, rounded to two decimals,
        as far as the knobs of `Lab` go.
        """
        from skimage.color import rgb2lab

        rows = np.asarray(rgb2lab(self.rgb[None])[0], np.float64)
        spread = np.cov(rows.T, ddof=0)
        stds = np.sqrt(np.maximum(np.diag(spread), 1e-6))
        together = (spread / np.outer(stds, stds))[[0, 0, 1], [1, 2, 2]].clip(-0.95, 0.95).round(2)
        while _volume(*(Fraction(str(value)) for value in together.tolist())) <= 0:
            together = (0.9 * together).round(2)  # colors that lie on a line or a plane: toward none
        names = [field.name for field in dataclasses.fields(Lab)]
        every = (*rows.mean(0).round(2), *stds.round(2).clip(0.1, 100), *together)
        return Lab(**dict(zip(names, map(float, every), strict=True)))

    @classmethod
    def of_pixels(cls, rgb: NDArray[np.uint8], count: int = 64, seed: int = 0) -> Colors:
        """A palette of colors that stand for pixels, 1/count of them each.

        The pixels are cut in two across the axis of L*a*b* along which they vary most, and each part again
        (median cut, Heckbert 1982), until there are `count` parts of one size; a color that many pixels have
        may be in several. From each part a pixel is drawn, addressed by (seed, part), so the colors are ones
        that occur, and their mean and covariance are those of the pixels but for the noise of that draw; the
        parts' means would lack the variance within. The same on one machine and library version.

        Args:
            rgb: uint8 [M, 3], M ≥ 1 pixels, in any order. count: 1 to `MOST`. seed: any integer.

        Raises:
            ValueError: another shape or type, or no pixel. UsageError: a count out of range.
        """
        from skimage.color import rgb2lab

        if rgb.dtype != np.uint8 or rgb.ndim != 2 or rgb.shape[1] != 3 or not len(rgb):
            raise ValueError(f"pixels are uint8 [M, 3] with M ≥ 1, got {rgb.dtype} {list(rgb.shape)}")
        if not 1 <= count <= MOST:
            raise UsageError(f"A palette of {count} colors is out of range.", f"Allowed: 1 to {MOST:,}.")
        wide = rgb.astype(np.uint32)
        codes, times = np.unique(wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2], return_counts=True)
        known = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)
        lab = np.asarray(rgb2lab(known[None])[0], np.float64)
        key = randomness.address("synvid_eval.generators.palette", seed, "pixels")
        draws = randomness.stream(key, count)
        chosen: list[str] = []
        # each pixel is `count` units, so that a part holds whole ones: as many as there are pixels
        parts = [(np.arange(len(codes)), times.astype(np.int64) * count, count)]
        while parts:
            which, units, share = parts.pop()
            if share == 1:
                at = int(randomness.below(draws[len(chosen), None], len(rgb))[0])
                chosen.append(f"{codes[which[np.searchsorted(np.cumsum(units), at, side='right')]]:06X}")
                continue
            mean = units @ lab[which] / units.sum()
            axis = int(np.argmax(units @ (lab[which] - mean) ** 2))
            order = np.argsort(lab[which, axis], kind="stable")
            which, units = which[order], units[order]
            reached, cut = np.cumsum(units), share // 2 * len(rgb)
            below = units - np.clip(reached - cut, 0, units)
            # the last is taken first: the lower part comes before the upper
            for own, many in ((units - below, share - share // 2), (below, share // 2)):
                parts.append((which[own > 0], own[own > 0], many))
        return cls("+".join(chosen))


PALETTES: dict[str, type[Palette]] = {kind.name: kind for kind in (Uniform, Lab, Colors)}
"""Name → palette."""


@functools.lru_cache(maxsize=64)
def parsed(text: str) -> Palette:
    """The palette that a text names: `NAME` or `NAME(knob=value,…)`.

    Raises:
        UsageError: an unknown palette or knob (names the nearest), a value out of range, a text that cannot
        be read.
    """
    if len(text) > MOST_TEXT:
        raise UsageError(f"palette is {len(text):,} characters long.", f"At most {MOST_TEXT:,}.")
    found = knobs.called(text.strip(), f"palette={text[:80]}")
    if found is None:
        raise UsageError(
            f"palette={text[:80]} cannot be read.",
            "It is NAME or NAME(knob=value,knob=value), such as lab(l=45,l_std=22).",
        )
    name, given = found
    if name not in PALETTES:
        raise UsageError(f"No palette is called {name!r}.", nearest(name, PALETTES))
    return knobs.replace(PALETTES[name](), given)


def palette_knob() -> Any:
    """The knob `palette` of a generator whose objects have a color of their own."""
    return knob(
        UNIFORM,
        "colors that objects take: uniform (released code), lab: normal in CIE L*a*b*, or colors: some of a "
        "list; each with its own knobs in brackets, such as lab(l=45,l_std=22) or colors(of=203040+E0C8A0)",
        source="released code",
        group="color",
    )
