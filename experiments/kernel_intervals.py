"""Do the intervals of kernel distances hold? A simulation of `kid` and `kvd` on rows of known distributions.

    python -m experiments.kernel_intervals [--draws 200] > reports/intervals/kernel.md

A clip is a normal (or Student t, 5 degrees of freedom) vector of d values, and its rows are that vector plus
rows of their own of the same size, so that rows of a clip are alike (within-clip correlation ½). The other
side has the same distribution, or one moved by 0.15 in every value. The true value is 0 where the
distributions are equal, else the mean of the (unbiased) values of all draws. Coverage is the share of draws
with an interval that holds it; where fewer than 10 of the 20 blocks have clips there is none.
"""

from __future__ import annotations

import argparse
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from synvid_eval.metrics.kid import Kid
from synvid_eval.metrics.kvd import Kvd
from synvid_eval.randomness import address
from synvid_eval.scoring import score_pair
from synvid_eval.states import BLOCKS, Fold, Rows, Side

SHIFT = 0.15


def side(rows: NDArray[np.float64], name: str) -> Side:
    """A side of clips' rows [clips, rows, d] in blocks by hash, as a measured set has them."""
    blocks = [Fold() for _ in range(BLOCKS)]
    for index, clip in enumerate(rows):
        owner = address("clip", f"{name}/{index}")
        keys = [address("row", f"{name}/{index}", k) for k in range(len(clip))]
        state = Rows.of(keys, [owner] * len(clip), clip, 10_000)
        block = address("block", f"{name}/{index}") % BLOCKS
        blocks[block] = blocks[block] + Fold({"rows": state}, {"rows": 1})
    return Side(tuple(blocks), len(rows))


def sample(
    generator: np.random.Generator, clips: int, each: int, d: int, tail: bool, shift: float
) -> NDArray[np.float64]:
    """Rows [clips, each, d]: a part of the clip's and one of their own, equally large."""

    def of(*shape: int) -> NDArray[np.float64]:
        if tail:
            return generator.standard_t(5, shape) / math.sqrt(5 / 3)
        return generator.standard_normal(shape)

    return (of(clips, 1, d) + of(clips, each, d)) / math.sqrt(2) + 0.5 + shift


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--draws", type=int, default=200)
    draws = parser.parse_args().draws
    error = 100 * math.sqrt(0.95 * 0.05 / draws)
    print("# Intervals of kernel distances\n")
    print("`python -m experiments.kernel_intervals`: see there what is simulated.\n")
    print(
        f"{draws} draws a row; 95 % intervals; "
        f"the standard error of a coverage of 95 % is {error:.1f} points.\n"
    )
    print("| clips a side | rows a clip | d | rows are | the sets | with an interval | coverage |")
    print("|---|---|---|---|---|---|---|")
    least = 1.0
    cases = itertools.product((14, 30, 100), (1, 4), (32, 400), (False, True), (False, True))
    for clips, each, d, tail, moved in cases:
        metric = Kvd() if each == 1 else Kid()
        values, intervals = [], []
        for draw in range(draws):
            generator = np.random.default_rng([clips, each, d, tail, moved, draw])
            shifts = (SHIFT if moved else 0.0, 0.0)
            rows = [sample(generator, clips, each, d, tail, shift) for shift in shifts]
            sides = [side(r, f"{name}{draw}") for r, name in zip(rows, "ab", strict=True)]
            score = score_pair(metric, sides[0], sides[1], ("a", "b"), "")
            values.append(score.value)
            intervals.append(score.interval)
        true = float(np.mean(values)) if moved else 0.0
        given = [i for i in intervals if i is not None]
        held = [low <= true <= high for low, high in given]
        coverage = float(np.mean(held)) if held else math.nan
        least = min(least, coverage)
        kinds = f"{'Student t' if tail else 'normal'} | {'different' if moved else 'equal'}"
        shares = f"{100 * len(given) / draws:.0f} % | {100 * coverage:.1f} %"
        print(f"| {clips} | {each} | {d} | {kinds} | {shares} |", flush=True)
    print(f"\nThe least coverage is {100 * least:.1f} %.")


if __name__ == "__main__":
    main()
