"""Do intervals hold? Every metric's `corrected` and `interval` on rows of known distributions.

    python -m experiments.intervals [--draws 200] [--only moments,color,mean,kernel]

A clip is a vector of d values, and each of its rows is that vector plus one of its own of the same size, so
that rows of a clip are alike (within-clip correlation ½; one row a clip is the same as any number of equal
ones). Values are normal, or Student's t with 5 degrees of freedom a value (kurtosis 9), scaled by a spectrum
that is flat or falls as 1/k. The other side has the same distribution, or another: half of its directions
wider by a quarter, and moved by 0.3 of their width. What is true follows from the population's mean and
covariance, in closed form; a kernel distance's is the mean of all draws (it is unbiased).

Blocks are drawn as the hashes of measured clips fall, and everything that an interval is made of is the
product's own; only its gates are not asked, so that a cell below them shows why they are there. The columns:
`clips` a side; `given`, whether the product gives an interval there; `value` and `corrected`, the mean over
draws; `true`; `coverage`, the share of draws whose 95 % interval holds what is true, of `draws` draws with at
least 10 blocks.

Cells that stand in `OUT/coverage.csv` are not run again; `OUT/summary.md` puts them together.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synvid_eval.archive import write_bytes
from synvid_eval.intervals import MIN_GROUPS, corrected, interval, jackknife, skewed_interval
from synvid_eval.metrics.base import Metric
from synvid_eval.metrics.color import Color, symmetric_kl
from synvid_eval.metrics.diversity import Diversity
from synvid_eval.metrics.effective_rank import EffectiveRank, effective_rank
from synvid_eval.metrics.fid import Fid
from synvid_eval.metrics.kid import Kid
from synvid_eval.metrics.spectrum import Spectrum
from synvid_eval.states import BLOCKS, Fold, Moments, Rows, Side

OUT = Path(__file__).parents[1] / "reports" / "intervals"
LEVEL = 0.95
FREEDOM = 5
"""Of Student's t."""
COLUMNS = ("metric", "d", "clips", "rows", "values", "spectrum", "sets", "given", "draws", "value",
           "corrected", "true", "coverage")  # fmt: skip
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One setting. family: the metrics scored on the same draws."""

    family: str
    d: int
    clips: int
    rows: int
    values: str
    spectrum: str

    def variances(self) -> Array:
        """Of the population's values [d]; they sum to d."""
        if self.spectrum == "flat":
            return np.ones(self.d)
        falling = 1 / np.arange(1, self.d + 1)
        return np.asarray(falling * (self.d / falling.sum()), np.float64)

    def draw(self, generator: np.random.Generator) -> Array:
        """Rows [clips, rows, d]."""
        own = self._of(generator, self.clips, self.rows, self.d)
        own += self._of(generator, self.clips, 1, self.d)
        own *= np.sqrt(self.variances() / 2)
        return own

    def _of(self, generator: np.random.Generator, *shape: int) -> Array:
        if self.values == "normal":
            return generator.standard_normal(shape)
        if self.values == "skewed":  # a log-normal one of variance 1
            sigma = 0.8
            raw = np.exp(sigma * generator.standard_normal(shape) - sigma**2 / 2)
            return np.asarray((raw - 1) / math.sqrt(math.expm1(sigma**2)), np.float64)
        return generator.standard_t(FREEDOM, shape) * math.sqrt((FREEDOM - 2) / FREEDOM)

    def other(self) -> tuple[Array, Array]:
        """Widths [d] by which, and shifts [d] to which, the population of a different set is moved."""
        wide = np.where(np.arange(self.d) % 2 == 0, 1.25, 1.0)
        return wide, np.where(wide > 1, 0.3, 0.0) * np.sqrt(self.variances())


def cells() -> Iterator[Cell]:
    """All settings, the cheap ones first."""
    clips = (50, 100, 200, 500, 1000, 2000, 5000)
    for d, spectrum in ((8, "flat"), (8, "falling"), (64, "flat"), (64, "falling"), (256, "falling")):
        for count, rows, values in itertools.product(clips, (1, 16), ("normal", "student")):
            yield Cell("moments", d, count, rows, values, spectrum)
    for count, rows, values in itertools.product((20, 30, *clips), (1, 16), ("normal", "student")):
        yield Cell("color", 3, count, rows, values, "falling")
    for count, values in itertools.product((20, 30, *clips), ("normal", "student", "skewed")):
        yield Cell("mean", 1, count, 1, values, "flat")
    for d, (count, rows), values in itertools.product(
        (8, 64, 256),
        (*((n, 1) for n in (20, 50, 100, 200, 500, 1000)), *((n, 16) for n in (20, 50, 100, 200))),
        ("normal", "student"),
    ):
        yield Cell("kernel", d, count, rows, values, "falling")


@dataclass(frozen=True)
class Asked:
    """A metric's name in the table, the metric, its sides, and what is true of them (NaN: the mean)."""

    label: str
    metric: Metric
    sets: str
    sides: tuple[Side, ...]
    true: float


def side(
    rows: Array, generator: np.random.Generator, of: Callable[[Array, NDArray[np.uint64]], Fold]
) -> Side:
    """A side of clips' rows [clips, rows, d]; blocks and owners are drawn as hashes would fall."""
    owners = generator.integers(0, 2**64, len(rows), np.uint64)
    mine = [owners % BLOCKS == block for block in range(BLOCKS)]
    return Side(tuple(of(rows[m], owners[m]) if m.any() else Fold() for m in mine), len(rows))


def moments_fold(*states: str) -> Callable[[Array, NDArray[np.uint64]], Fold]:
    """What makes a block's fold of its clips' rows, the same moments under each name."""

    def of(rows: Array, owners: NDArray[np.uint64]) -> Fold:
        moments = Moments.of_rows(rows.reshape(-1, rows.shape[2]))
        return Fold(dict.fromkeys(states, moments), {s: len(rows) for s in states})

    return of


def rows_fold(rows: Array, owners: NDArray[np.uint64]) -> Fold:
    """A block's fold for kernel distances, which keep the rows."""
    each = np.repeat(owners, rows.shape[1])
    keys = each * np.uint64(0x9E3779B97F4A7C15) + np.arange(len(each), dtype=np.uint64)  # any order will do
    return Fold({"rows": Rows.of(keys, each, rows.reshape(len(each), -1), 10_000)}, {"rows": len(rows)})


def asked(cell: Cell, generator: np.random.Generator) -> Iterator[Asked]:
    """One draw of a cell: what is scored."""
    wide, shift = cell.other()
    first, second = cell.draw(generator), cell.draw(generator)
    variances = cell.variances()
    population = np.zeros(cell.d), np.diag(variances)
    elsewhere = shift, np.diag(variances * wide**2)
    folds = {
        "moments": moments_fold("pool3", "hog"),
        "color": moments_fold("lab"),
        "mean": moments_fold("spectrum"),
        "kernel": rows_fold,
    }
    if cell.family == "color":  # L*a*b* spans some 20 units
        first, second, shift = first * 20, second * 20, shift * 20
        population, elsewhere = (population[0], population[1] * 400), (shift, elsewhere[1] * 400)
    drawn = (first, second, second * wide + shift)
    candidate, same, other = (side(rows, generator, folds[cell.family]) for rows in drawn)
    pairs = (("equal", same, population), ("different", other, elsewhere))
    if cell.family == "mean":
        yield Asked("property", Spectrum(), "one", (candidate,), 0.0)
    if cell.family == "moments":
        yield Asked("effective_rank", EffectiveRank(), "one", (candidate,), effective_rank(variances))
        true = float(np.log(variances + Diversity().ridge).sum())
        yield Asked("diversity", Diversity(), "one", (candidate,), true)
    for sets, reference, moments in pairs:
        both = (candidate, reference)
        if cell.family == "moments":
            gap = population[0] - moments[0]
            roots = np.sqrt(np.diag(population[1])) - np.sqrt(np.diag(moments[1]))
            yield Asked("frechet", Fid(), sets, both, float(gap @ gap + roots @ roots))
        elif cell.family == "color":
            ridge = Color().ridge * np.eye(3)
            p, q = (population[0], population[1] + ridge), (moments[0], moments[1] + ridge)
            yield Asked("color", Color(), sets, both, symmetric_kl(*p, *q))
        elif cell.family == "kernel":
            yield Asked("kernel", Kid(), sets, both, 0.0 if sets == "equal" else math.nan)


def scored(one: Asked) -> tuple[float, float, tuple[float, float] | None]:
    """The value, the center of its interval, the interval (None below 10 blocks)."""
    metric, sides = one.metric, one.sides
    state = metric.state
    value = metric.value(sides[0], sides[-1])
    filled = [sum(m > 0 for m in s.block_clips(state)) for s in sides]
    if min(filled) < MIN_GROUPS:
        return value, math.nan, None
    parts = [jackknife(value, metric.left_out(sides, t), s.block_clips(state)) for t, s in enumerate(sides)]
    center = value if metric.kind in ("property", "unbiased") else corrected(value, parts)
    of = skewed_interval if metric.kind == "unbiased" else interval
    return value, center, of(center, parts, LEVEL)


def run(work: tuple[Cell, int]) -> list[dict[str, str]]:
    """The rows of the table that a cell gives, from so many draws."""
    cell, draws = work
    found: dict[tuple[str, str], list[tuple[float, float, tuple[float, float] | None]]] = {}
    true: dict[tuple[str, str], float] = {}
    seed = [cell.d, cell.clips, cell.rows, len(cell.values), len(cell.spectrum), len(cell.family)]
    for draw in range(draws):
        for one in asked(cell, np.random.default_rng([*seed, draw])):
            found.setdefault((one.label, one.sets), []).append(scored(one))
            true[one.label, one.sets] = one.true
    out = []
    for (label, sets), results in found.items():
        with_one = [(value, center, span) for value, center, span in results if span is not None]
        value = float(np.mean([r[0] for r in results]))
        right = value if math.isnan(true[label, sets]) else true[label, sets]
        held = [span[0] <= right <= span[1] for _, _, span in with_one]
        out.append(
            {
                "metric": label, "d": str(cell.d), "clips": str(cell.clips), "rows": str(cell.rows),
                "values": cell.values, "spectrum": cell.spectrum, "sets": sets,
                "draws": str(len(held)),
                "value": f"{value:.5g}",
                "corrected": f"{np.mean([r[1] for r in with_one]):.5g}" if with_one else "",
                "true": f"{right:.5g}", "coverage": f"{np.mean(held):.4f}" if held else "",
            }
        )  # fmt: skip
    return out


METRICS: dict[str, Metric] = {
    "frechet": Fid(),
    "effective_rank": EffectiveRank(),
    "diversity": Diversity(),
    "color": Color(),
    "property": Spectrum(),
    "kernel": Kid(),
}


def given(row: dict[str, str]) -> str:
    """Whether the product gives an interval to such sides, where they fill 10 blocks: yes or no."""
    metric, clips, d = METRICS[row["metric"]], int(row["clips"]), int(row["d"])
    variances = Cell("", d, 0, 0, "", row["spectrum"]).variances()
    moments = Moments.of_parts(clips, np.zeros(d), np.diag(variances * (clips - 1)))
    side = Side((Fold({metric.state: moments}, {metric.state: clips}),), clips)
    return "no" if metric.interval_gate(side) else "yes"


def key(row: dict[str, str]) -> tuple[str, ...]:
    """What tells rows of the table apart."""
    return tuple(row[c] for c in COLUMNS[:7])


def main() -> None:
    """Runs the cells that are missing and writes the table after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--only", default="moments,color,mean,kernel", help="families, comma-separated")
    parser.add_argument("--max-d", type=int, default=256)
    parser.add_argument("--max-clips", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    asked_for = parser.parse_args()
    path = asked_for.out / "coverage.csv"
    table: dict[tuple[str, ...], dict[str, str]] = {}
    if path.exists():
        with path.open() as file:
            table = {key(row): row for row in csv.DictReader(file)}
    there = {(*k[1:6], FAMILY[k[0]]) for k in table}
    wanted = [
        c
        for c in cells()
        if c.family in asked_for.only.split(",")
        and c.d <= asked_for.max_d
        and c.clips <= asked_for.max_clips
        and (str(c.d), str(c.clips), str(c.rows), c.values, c.spectrum, c.family) not in there
    ]
    context = multiprocessing.get_context("spawn")
    with context.Pool(asked_for.workers) as pool:
        for count, rows in enumerate(pool.imap_unordered(run, [(c, asked_for.draws) for c in wanted]), 1):
            table |= {key(row): row for row in rows}
            write_table(path, table)
            print(
                f"{count}/{len(wanted)}", *(f"{'/'.join(key(r))} {r['coverage']}" for r in rows), flush=True
            )
    write_table(path, table)
    write_bytes(asked_for.out / "summary.md", summary(table.values()).encode())


FAMILY = {"frechet": "moments", "diversity": "moments", "effective_rank": "moments", "color": "color",
          "property": "mean", "kernel": "kernel"}  # fmt: skip


def write_table(path: Path, table: dict[tuple[str, ...], dict[str, str]]) -> None:
    """The rows, sorted, as CSV."""

    def order(row: dict[str, str]) -> tuple[object, ...]:
        return (row["metric"], int(row["d"]), row["spectrum"], int(row["clips"]), int(row["rows"]), *key(row))

    for row in table.values():
        row["given"] = given(row)
    lines = [",".join(COLUMNS)] + [
        ",".join(row[c] for c in COLUMNS) for row in sorted(table.values(), key=order)
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def summary(table: Iterable[dict[str, str]]) -> str:
    """A Markdown table: a line a metric, coverage where the product gives an interval and where it does not.

    The mean over settings is what a rule is judged by; the least of many settings lies below it by chance.
    """
    lines = [
        "| metric | rule | settings with an interval | coverage, mean | least | worst kind, mean | "
        "settings without | least coverage there |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = [r for r in table if r["coverage"]]
    for name in METRICS:
        mine = [r for r in rows if r["metric"] == name]
        inside = [100 * float(r["coverage"]) for r in mine if given(r) == "yes"]
        outside = [100 * float(r["coverage"]) for r in mine if given(r) == "no"]
        kinds: dict[tuple[str, ...], list[float]] = {}
        for r in mine:
            if given(r) == "yes":
                kind = (r["d"], r["rows"], r["values"], r["spectrum"], r["sets"])
                kinds.setdefault(kind, []).append(100 * float(r["coverage"]))
        worst = min(float(np.mean(v)) for v in kinds.values()) if kinds else math.nan
        rest = f"{len(outside)} | {min(outside):.1f} %" if outside else "0 | "
        lines.append(
            f"| {name} | {RULES[name]} | {len(inside)} | {np.mean(inside):.1f} % | {min(inside):.1f} % | "
            f"{worst:.1f} % | {rest} |"
        )
    return "\n".join(lines) + "\n"


RULES = {
    "frechet": "from 3 clips a dimension, r²/20 and 100 clips on (r: effective rank)",
    "effective_rank": "from d^1.5 clips and 100 clips on",
    "diversity": "from d^1.5 clips and 100 clips on",
    "color": "from 60 clips on",
    "property": "from 10 blocks on",
    "kernel": "from 200 clips on",
}


if __name__ == "__main__":
    main()
