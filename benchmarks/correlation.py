"""Seconds and memory of a large correlation: 2,000 sets of 200 families, 50 metrics.

    OMP_NUM_THREADS=1 python -m benchmarks.correlation [--sets 2000] [--metrics 50] [--families 200]
        [--profile]

Asked for: at most 120 s and 1 GiB (peak of the whole process). One thread. Above 200 sets intervals are the
asymptotic ones, and tau has no p-value.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import time

import numpy as np

from synvid_eval.accuracies import Accuracies, Known
from synvid_eval.correlation import correlate
from synvid_eval.score import Comparison, Score, SetFacts, dump_json

SECONDS, MEBIBYTES = 120, 1024


def data(sets: int, metrics: int, families: int) -> tuple[Comparison, Accuracies]:
    """Made-up sets: accuracies mostly by family, metrics that go with them more or less."""
    rng = np.random.default_rng(0)
    family = rng.permutation(np.arange(sets) % families)
    y = np.clip(80 + 5 * rng.normal(size=families)[family] + rng.normal(size=sets), 1, 100)
    names = [f"set_{k:04}" for k in range(sets)]
    scores = []
    for m in range(metrics):
        values = 0.02 * m * y + rng.normal(size=families)[family] + rng.normal(size=sets)
        scores += [
            Score(
                name, f"metric_{m:02}", float(v), "", "lower", {"candidate": 200, "reference": 120}, "1",
                interval=(float(v) - 0.1, float(v) + 0.1),
            )
            for name, v in zip(names, values, strict=True)
        ]  # fmt: skip
    known = {n: Known(n, f"f{f}", float(a), None, 1) for n, f, a in zip(names, family, y, strict=True)}
    sides = [SetFacts(n, n, n, 200, 3200) for n in names]
    comparison = Comparison(SetFacts("reference", "r", "r", 120, 1920), sides, scores)
    return comparison, Accuracies("made.csv", "UCF101", "finetune", "m", known, True, 0, (80.0, 100.0))


def peak() -> float:
    """MiB that the process has taken at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--families", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="also print where the time goes")
    options = parser.parse_args()
    comparison, known = data(options.sets, options.metrics, options.families)
    before, profile = peak(), cProfile.Profile()
    if options.profile:
        profile.enable()
    began, cpu = time.perf_counter(), time.process_time()
    document = correlate([("made.json", comparison)], known)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    profile.disable()
    size = len(dump_json(document)) / 1e6
    print(
        f"{options.sets} sets × {options.metrics} metrics: {seconds:.0f} s ({cpu:.0f} s of CPU; asked for "
        f"{SECONDS}), peak {peak():.0f} MiB ({before:.0f} before; asked for {MEBIBYTES}), JSON {size:.1f} MB",
        flush=True,
    )
    if options.profile:
        pstats.Stats(profile).sort_stats("cumtime").print_stats("synvid_eval", 24)


if __name__ == "__main__":
    main()
