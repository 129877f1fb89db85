"""How a number is written for people: rounded to what its interval bears, never in the JSON.

The rule: the last digit kept is the first significant digit of the interval's half width, or its second where
the first is a 1 (so that rounding moves nothing by more than a quarter of the half width). A number without
an interval has three significant digits, or as many more as it takes to tell it from the reference's own
(two digits of their difference: -13312 beside -13336, not -13300 twice). Plain digits between 1e-3 and 1e6,
`1.23e-7` beyond.

Used by the terminal's table, the verdict and the pages alike, so that all three print the same digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from synvid_eval.score import Score

MISSING = "–"
_SIGNIFICANT = 3
_MORE = 9  # digits that a bound is given at most to tell it from a number
_ROUNDING = 1e-8  # numbers nearer to each other than this share of them look equal
_ARROWS = {"lower": "↓", "higher": "↑", "match": "≈"}
_ARROW_WORDS = {"lower": "lower is nearer", "higher": "higher is richer", "match": "a match is nearer"}


def typographic(number: str) -> str:
    """A formatted number with a minus sign in place of the hyphen, for pages."""
    return number.replace("-", "−")


def finite(value: Any) -> float | None:
    """`value` as a finite float, or None for anything else (null, NaN, ±inf, text, a truth value)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def finite_pair(value: Any) -> tuple[float, float] | None:
    """`value` as (low, high), both finite and in order, or None."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = finite(value[0]), finite(value[1])
    return None if low is None or high is None or low > high else (low, high)


def last_digit(interval: tuple[float, float] | None) -> int | None:
    """The power of ten of the last digit that `interval` bears; None without one or for one of no width."""
    if interval is None:
        return None
    half = interval[1] / 2 - interval[0] / 2
    if not (half > 0 and math.isfinite(half)):
        return None
    leading, exponent = f"{half:.1e}".split("e")
    return int(exponent) - (1 if float(leading) < 2 else 0)


def shown_digit(score: Score) -> int | None:
    """The power of ten of the last digit shown of the score's value and of the reference's own: what the
    interval bears; without one, what tells the two apart; None where three significant digits do.
    """
    bounds, value = score_interval(score), finite(score.value)
    own = finite(score.detail.get("reference"))
    if last_digit(bounds) is not None or value is None or own is None:
        return last_digit(bounds)
    difference, largest = abs(value - own), max(abs(value), abs(own))
    if not _ROUNDING * largest < difference < math.inf:
        return None
    last = _exponent(difference) - 1
    return last if last < _exponent(largest) - _SIGNIFICANT + 1 else None


def format_number(value: float | None, last: int | None = None) -> str:
    """`value` down to the digit 10**last; three significant digits without it.

    One digit of `value` is shown even below that one, down to a thousandth of it; then it is 0.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0" if last is None else f"{0:.{min(12, max(0, -last))}f}"
    exponent = _exponent(value)
    if last is not None and exponent < last - 3:
        return format_number(0.0, last)
    last = exponent - _SIGNIFICANT + 1 if last is None else max(min(last, exponent), exponent - 8)
    if not _plain(exponent):
        digits, power = f"{value:.{exponent - last}e}".split("e")
        return f"{digits}e{int(power)}"
    return f"{round(value, -last):.{max(0, -last)}f}"


def _plain(exponent: int) -> bool:
    """Whether a number of that size is shown without a power of ten."""
    return -3 <= exponent < 6


def _exponent(value: float) -> int:
    """The power of ten of the first significant digit, after rounding to three of them."""
    return int(f"{value:.{_SIGNIFICANT - 1}e}".split("e")[1])


def column_digit(scores: Sequence[Score]) -> int | None:
    """The power of ten of the last digit shown of all values, bounds and the reference's own in one metric's
    column: the finest that an interval bears (at most six digits of the largest number), or that three
    significant digits of a number without one take (of the largest at most four, or all before the point).
    None without a number.
    """
    sizes = [e for s in scores if (n := _shown(s)) and _plain(e := _exponent(n))]
    if not sizes:
        return None
    digits, told = [], []
    for score in scores:
        own, number = last_digit(score_interval(score)), _shown(score)
        if own is not None:
            digits.append(max(own, max(sizes) - 5))
        elif number and _plain(_exponent(number)):
            digits.append(max(_exponent(number) - _SIGNIFICANT + 1, min(max(sizes) - 3, 0)))
            told.append(shown_digit(score))
    return min([*digits, *(d for d in told if d is not None)], default=None)


def _shown(score: Score) -> float | None:
    corrected = finite(score.corrected)
    return finite(score.value) if corrected is None else corrected


def format_at(value: float | None, last: int | None) -> str:
    """`value` with its digits down to 10**last, so that a column has one number of decimals; what would then
    be 0 and is not, and what takes a power of ten, is shown as `format_number` does.
    """
    if value is None or not math.isfinite(value) or last is None:
        return format_number(value, last)
    rounded = round(value, -last)
    if (value and not rounded) or not (value == 0 or _plain(_exponent(value))):
        return format_number(value) if value else format_number(value, last)
    return f"{rounded + 0.0:.{min(12, max(0, -last))}f}"


def bounds_at(interval: tuple[float, float] | None, last: int | None) -> str:
    """`[low, high]` with the digits of its column (see `column_digit`), or an empty string."""
    if interval is None or last is None:
        return format_bounds(interval)
    low, high = (format_at(bound if round(bound, -last) else 0.0, last) for bound in interval)
    return f"[{low}, {high}]"


def format_bounds(interval: tuple[float, float] | None, apart: float | None = None) -> str:
    """`[low, high]`, rounded to what it bears, or an empty string.

    apart: what a verdict asks of the interval whether it excludes; an end that is another number is written
    with as many digits more as show that, so that equal intervals have equal verdicts.
    """
    if interval is None:
        return ""
    last = last_digit(interval)
    texts = [_bound(end, last) for end in interval]
    for _ in range(_MORE if apart is not None and last is not None else 0):
        if not any(end != apart and float(text) == apart for end, text in zip(interval, texts, strict=True)):
            break
        last = (last or 0) - 1
        texts = [_bound(end, last) for end in interval]
    return f"[{texts[0]}, {texts[1]}]"


def _bound(value: float, last: int | None) -> str:
    # Unlike a value, a bound may round to nothing: [0.00, 0.09], not [0.0002, 0.09].
    if last is None:
        return format_number(value)
    rounded = round(value, -last)
    return format_number(rounded + 0.0, last if rounded == 0 else min(last, _exponent(rounded)))


def score_interval(score: Score) -> tuple[float, float] | None:
    """The score's interval, or None where it has none or one that is no pair of finite numbers."""
    return finite_pair(score.interval)


def format_value(score: Score) -> str:
    """The score's `value`, rounded to what its interval bears (see `shown_digit`); an en dash where it could
    not be had.
    """
    return format_number(finite(score.value), shown_digit(score))


def format_corrected(score: Score) -> str:
    """The score's `corrected` value in the same digits; an empty string where there is none."""
    corrected = finite(score.corrected)
    return "" if corrected is None else format_number(corrected, last_digit(score_interval(score)))


def format_interval(score: Score) -> str:
    """The score's interval as `[low, high]`; an empty string where there is none."""
    return format_bounds(score_interval(score))


def arrow(better: str) -> str:
    """↓ where lower is nearer, ↑ where higher is richer, ≈ where a match with the reference is nearer."""
    return _ARROWS.get(better, "")


def arrow_words(better: str) -> str:
    """The arrow in words, for readers who cannot see it."""
    return _ARROW_WORDS.get(better, "")


def with_unit(number: str, unit: str) -> str:
    """`number unit`, without a trailing blank where the unit is empty."""
    return f"{number} {unit}".strip()
