"""Whether the intervals of `guide sensitivity` hold: differences of two settings drawn with the same random
numbers, at as few clips as it takes.

    python -m experiments.paired_intervals [--pool 300] [--reference 500] [--clips 24] [--of 60] [--draws 100]
                                           [--out reports/intervals/paired.csv]

Of a preset and of four settings of it `--pool` clips each are drawn (small ones: 32 px, 16 frames), of
another preset `--reference`. Then, `--draws` times: so many `--clips` of the pool, the same for all settings,
and so many `--of` the reference; each metric's difference of its objective and its interval, as `guide
sensitivity` gives it. A row a metric and setting: the difference in the whole pool, its mean over the draws
and its spread, how often the interval holds either, and how often it excludes 0. The first says whether an
interval is right at that number of clips; the second, whether it also is for larger sets.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from synvid_eval.archive import write_bytes
from synvid_eval.comparison import DEFAULT_METRICS, Recipe, build_recipe
from synvid_eval.guidance.bench import Seen, look, of_both
from synvid_eval.measurement import arranged
from synvid_eval.metrics import Metric
from synvid_eval.sets import open_set
from synvid_eval.states import Fold, Side
from synvid_eval.worker import Worker

OUT = Path(__file__).parents[1] / "reports" / "intervals" / "paired.csv"
SMALL = "size=32&length=16&objects=60"
START, REFERENCE = "moving_circles", "acc_transforming_shapes"
SETTINGS = {
    "slower": "speed=0.5143:1.286",
    "speeds farther apart": "speed=0.99:3.21",
    "smaller": "radius=0.06492:0.6492",
    "more small ones": "radius_power=4",
}

Pool = Mapping[str, Sequence[Fold]]
"""Feature → the states of each clip."""


@dataclass(frozen=True)
class Row:
    """A metric's difference between a setting and the start. whole: of all clips. mean, spread: over draws of
    few. half: mean half width of the interval. covers, covers_whole: share of the draws in which it holds
    `mean`, `whole`. sure: in which it excludes 0. wrong: in which it does with the sign that `whole` has not.
    """

    metric: str
    setting: str
    whole: float
    mean: float
    spread: float
    half: float
    covers: float
    covers_whole: float
    sure: float
    wrong: float


def pool(location: str, made: Recipe) -> Pool:
    """The states of every clip of a preset, by feature."""
    worker = Worker(made.features, made.sampler, 0)
    found: dict[str, list[Fold]] = {f.name: [] for f in made.features}
    for clip in open_set(location, name="clips").clips:
        for name, result in worker.results(clip).items():
            found[name].append(Fold(dict(result.states), dict.fromkeys(result.states, 1)))
    return found


def side(of: Sequence[Fold], which: Sequence[int]) -> Side:
    """Some clips as a set: in the blocks that the first so many clips of a preset have."""
    return Side(arranged({f"clips/{k}": of[i] for k, i in enumerate(which)}), len(which))


def measured(
    start: Pool,
    settings: Mapping[str, Pool],
    reference: Pool,
    made: Recipe,
    clips: int,
    of: int,
    draws: int,
    seed: int = 0,
) -> list[Row]:
    """See the module."""
    rng = np.random.default_rng(seed)
    first = next(iter(start.values()))
    other = next(iter(reference.values()))
    picks = [
        (
            rng.choice(len(first), clips, replace=False).tolist(),
            rng.choice(len(other), of, replace=False).tolist(),
        )
        for _ in range(draws)
    ]
    everyone = list(range(len(first))), list(range(len(other)))
    rows = []
    for metric in made.metrics:
        feature = next(f for f in made.features if f.name == metric.feature)
        sides = [side(p[metric.feature], e) for p, e in zip((start, reference), everyone, strict=True)]
        settled = metric.settle(sides, feature)
        for name, setting in settings.items():
            pair = start[metric.feature], setting[metric.feature], reference[metric.feature]
            one, two = seen(settled, *pair, everyone)
            found = [of_both(lambda a, b: b - a, *seen(settled, *pair, p)) for p in picks]
            rows.append(_row(metric.name, name, two.objective - one.objective, found))
    return rows


def seen(
    metric: Metric,
    start: Sequence[Fold],
    setting: Sequence[Fold],
    reference: Sequence[Fold],
    picked: tuple[Sequence[int], Sequence[int]],
) -> tuple[Seen, Seen]:
    """The same clips of the start and of a setting against some of the reference."""
    against = side(reference, picked[1])
    one, two = (look(metric, metric.name, side(of, picked[0]), against) for of in (start, setting))
    return one, two


def _row(metric: str, setting: str, whole: float, found: Sequence[object]) -> Row:
    values, low, high = (np.array([getattr(e, k) for e in found]) for k in ("value", "low", "high"))
    mean = float(values.mean())
    wrong = ((low > 0) & (whole < 0)) | ((high < 0) & (whole > 0))
    return Row(
        metric,
        setting,
        whole,
        mean,
        float(values.std()),
        float((high - low).mean() / 2),
        float(((low <= mean) & (mean <= high)).mean()),
        float(((low <= whole) & (whole <= high)).mean()),
        float(((low > 0) | (high < 0)).mean()),
        float(wrong.mean()),
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as CSV, six significant digits."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(asdict(rows[0]))
    for row in rows:
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in asdict(row).values()])
    return out.getvalue()


def main(argv: Sequence[str] | None = None) -> None:
    """Draws, measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for option, usual in (("pool", 300), ("reference", 500), ("clips", 24), ("of", 60), ("draws", 100)):
        parser.add_argument(f"--{option}", type=int, default=usual)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args(argv)
    made = build_recipe(DEFAULT_METRICS)
    with threadpool_limits(1):
        start = pool(f"preset:{START}?{SMALL}&n={asked.pool}", made)
        settings = {
            name: pool(f"preset:{START}?{SMALL}&n={asked.pool}&{query}", made)
            for name, query in SETTINGS.items()
        }
        reference = pool(f"preset:{REFERENCE}?{SMALL}&n={asked.reference}", made)
        rows = measured(start, settings, reference, made, asked.clips, asked.of, asked.draws)
    write_bytes(asked.out, table(rows).encode())


if __name__ == "__main__":
    main()
