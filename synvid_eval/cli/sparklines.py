"""Log-spectra as rows of eighth blocks: how much contrast each set has at each size of detail, beside the
reference's.

All spectra fall alike, so a row shows the set's log amplitude *minus the reference's*: a flat row in the
middle is a match. Seven heights, so that one of them is the middle; one scale for all rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synvid_eval.rounding import finite, format_number
from synvid_eval.score import Comparison, Score

BLOCKS, PLAIN = "▁▂▃▄▅▆▇", "1234567"
GAP, PLAIN_GAP = "–", "."
MANY = 12
SHOWN_OF_MANY = 10
WIDEST = 40
# The scale reaches at least to a tenth more: what is equal but for noise must not fill the heights.
LEAST_SCALE = math.log(1.1)
FAR_OFF = 1.25


@dataclass(frozen=True)
class Sparklines:
    """Rows of one length, ready to be printed.

    rows: (set, its row), the reference last; scale: factor in amplitude that the highest block stands for;
    beyond: whether a set has more than that; ends: lowest and highest frequency shown in cycles/pixel, where
    they are known; left_out: sets that are not shown because others differ more; lacking: sets without a
    spectrum.
    """

    rows: list[tuple[str, str]]
    scale: float
    beyond: bool
    ends: tuple[float, float] | None
    left_out: int
    lacking: list[str]


def sparklines(comparison: Comparison, columns: int, plain: bool = False) -> Sparklines | None:
    """The spectra of a comparison in at most `columns` characters each (neighboring bins share one where
    there are more of them); None where none, or not the reference's, is known.

    plain: ASCII only, heights 1 to 7 and a full stop for what is missing. From `MANY` sets on, those that
    differ most are shown (root mean square over bins), in their order.
    """
    found: dict[str, list[float | None]] = {}
    lacking: list[str] = []
    frequencies: list[float | None] = []
    for score in _scores(comparison):
        own = _row(score)
        if own is None or (found and len(own) != len(next(iter(found.values())))):
            lacking.append(score.candidate)
            continue
        found[score.candidate] = own
        frequencies = frequencies or _frequencies(comparison, score, len(own))
    if not found:
        return None
    bins = len(next(iter(found.values())))
    seen = [i for i in range(bins) if any(own[i] is not None for own in found.values())]
    span = range(seen[0], seen[-1] + 1)
    cells = min(len(span), max(columns, 1), WIDEST)
    groups = [list(span)[i * len(span) // cells : (i + 1) * len(span) // cells] for i in range(cells)]
    rows = {name: [_mean([own[i] for i in group]) for group in groups] for name, own in found.items()}
    left_out = 0
    if len(found) >= MANY:
        kept = set(sorted(rows, key=lambda name: -_size(rows[name]))[:SHOWN_OF_MANY])
        left_out = len(rows) - len(kept)
        rows = {name: row for name, row in rows.items() if name in kept}
    reach = sorted(max((abs(v) for v in row if v is not None), default=0.0) for row in rows.values())
    # One set that lies far off must not make all others look alike: then the second farthest sets the scale.
    off = len(reach) > 2 and reach[-1] > FAR_OFF * reach[-2]
    scale = max(LEAST_SCALE, reach[-2 if off else -1])
    beyond = reach[-1] > scale
    heights, gap = (PLAIN, PLAIN_GAP) if plain else (BLOCKS, GAP)
    drawn = [(name, "".join(_height(v, scale, heights, gap) for v in row)) for name, row in rows.items()]
    measured = [any(own[i] is not None for own in found.values() for i in group) for group in groups]
    drawn.append(
        (comparison.reference.name, "".join(_height(0.0 if m else None, 1.0, heights, gap) for m in measured))
    )
    ends = None
    if frequencies:
        low, high = frequencies[span[0]], frequencies[span[-1]]
        ends = None if low is None or high is None else (low, high)
    return Sparklines(drawn, math.exp(min(scale, 700)), beyond, ends, left_out, lacking)


def legend(lines: Sparklines, plain: bool = False) -> list[str]:
    """What heights and places mean, a sentence a line."""
    heights, gap = (PLAIN, PLAIN_GAP) if plain else (BLOCKS, GAP)
    factor = format_number(lines.scale)
    more, less = (" or more", " or less") if lines.beyond else ("", "")
    scale = (
        f"{heights[-1]} = {factor} times the reference's{more}, {heights[3]} = the same, "
        f"{heights[0]} = 1/{factor} of it{less}"
    )
    if any(gap in row for _, row in lines.rows):
        scale += f", {gap} = not measured"
    out = [scale]
    if lines.ends is not None:
        low, high = lines.ends
        out.append(
            f"left to right: waves {format_number(1 / low)} to {format_number(1 / high)} pixels long "
            f"({format_number(low)} to {format_number(high)} cycles/pixel)"
        )
    if lines.left_out:
        out.append(
            f"the {len(lines.rows) - 1} sets that differ most are shown; {lines.left_out} more differ less"
        )
    if lines.lacking:
        more = f" and {len(lines.lacking) - 3} more" if len(lines.lacking) > 3 else ""
        out.append(f"no spectrum: {', '.join(lines.lacking[:3])}{more}")
    return out


def _scores(comparison: Comparison) -> list[Score]:
    """The scores of the metric that carries spectra, the first one if there are several."""
    for metric in comparison.metrics():
        if metric.partition("[")[0] == "spectrum":
            return [s for s in comparison.scores if s.metric == metric]
    return []


def _row(score: Score) -> list[float | None] | None:
    """Log amplitude minus the reference's [bins], None where one of them is missing; None without any."""
    own, other = score.detail.get("log_spectrum"), score.detail.get("reference_log_spectrum")
    if not isinstance(own, list) or not isinstance(other, list) or len(own) != len(other):
        return None
    pairs = [(finite(a), finite(b)) for a, b in zip(own, other, strict=True)]
    row = [None if a is None or b is None else finite(a - b) for a, b in pairs]
    return row if any(v is not None for v in row) else None


def _frequencies(comparison: Comparison, score: Score, bins: int) -> list[float | None]:
    """Cycles/pixel of each bin: `detail.log_frequency` (natural logarithms, which are negative), or by the
    ends that the long signature gives; empty where neither says.
    """
    given: Any = score.detail.get("log_frequency")
    if isinstance(given, list) and len(given) == bins:
        known = [finite(v) for v in given]
        return [None if v is None or not -50 < v < 0 else math.exp(v) for v in known]
    signatures = comparison.run.get("signatures")
    text = str(signatures.get(score.metric)) if isinstance(signatures, dict) else ""
    ends = [re.search(rf"(?:^|\|)feature\.{end}=([0-9.e+-]+)(?:\||$)", text) for end in ("low", "high")]
    try:
        low, high = (float(m[1]) for m in ends if m)
    except ValueError:
        return []
    if not 1e-9 < low < high < 1:
        return []
    return [low * (high / low) ** ((i + 0.5) / bins) for i in range(bins)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(v / len(known) for v in known) if known else None


def _size(row: Sequence[float | None]) -> float:
    """Root mean square of a row."""
    known = [v for v in row if v is not None]
    return math.hypot(*known) / math.sqrt(len(known))


def _height(value: float | None, scale: float, heights: str, gap: str) -> str:
    return gap if value is None else heights[3 + round(3 * max(-1.0, min(1.0, value / scale)))]
