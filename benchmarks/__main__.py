"""All speed ratios in one command, beside what is asked of them, and how they were before.

    python -m benchmarks --reference DIR [--only frechet,textures] [--history benchmarks/history.csv]

Runs the benchmarks that compare this package with a peer, a plain version or a floor, each in a process of
its own with few rounds, and prints a line a ratio: what it is, the goal, and the last that the history holds
of the same machine. DIR holds real clips; without it the two benchmarks that read them are left out. With
`--add` the ratios become lines of the history, which is committed; ratios of different machines are not
compared.

It ends with 1 where a goal is missed. Times are no part of it: they differ from machine to machine and from
hour to hour.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parent / "history.csv"
COLUMNS = ("date", "commit", "machine", "python", "torch", "ratio", "value")


@dataclass(frozen=True)
class Ratio:
    """what: is compared. goal: the least, or where `most` the largest, asked. of: the JSON written → it."""

    what: str
    goal: float
    of: Callable[[Any], float]
    most: bool = False

    def met(self, value: float) -> bool:
        """Whether the goal is."""
        return value <= self.goal if self.most else value >= self.goal


def _row(preset: str, key: str) -> Callable[[Any], float]:
    return lambda found: float(next(r for r in found["rows"] if r["preset"] == preset)[key])


BENCHMARKS: dict[str, tuple[list[str], list[Ratio]]] = {
    "frechet": (
        ["--rounds", "1"],
        [
            Ratio("Fréchet distance, full rank, sqrtm / ours", 6, lambda f: f["lines"][0]["ratio"]),
            Ratio("Fréchet distance, 1,000 rows, sqrtm / ours", 50, lambda f: f["lines"][1]["ratio"]),
        ],
    ),
    "network_inception": (
        ["--rounds", "5"],
        [Ratio("Inception, pytorch-fid / ours", 1.5, lambda f: f["inception"]["ratio"])],
    ),
    "network_i3d": (
        ["--rounds", "5"],
        [
            Ratio(
                "I3D, plain eager / ours",
                1.15,
                lambda f: f["seconds"]["plain eager"] / f["seconds"]["fused, channels last"],
            )
        ],
    ),
    "attention": (
        ["--rounds", "3", "--sizes", "base"],
        [Ratio("VideoMAE-B, attention written out / ours", 1.3, lambda f: f["sizes"]["base"]["eager"])],
    ),
    "textures": (
        ["--rounds", "3"],
        [
            Ratio("statistical texture, plain / ours", 10, lambda f: f["statistical"]),
            Ratio("StyleGAN texture, plain / ours", 100, lambda f: f["stylegan"]),
        ],
    ),
    "generators": (
        ["--clips", "3", "--workers-clips", "0"],
        [
            Ratio("moving_shapes, reference's painter / ours", 15, _row("moving_shapes", "reference_ratio")),
            Ratio("textured shapes, lean painter / ours", 10, _row("textured", "lean_ratio")),
        ],
    ),
    "fractal": (
        ["--clips", "3"],
        [
            Ratio("linear fractal, plain / ours", 6, lambda f: f["0"]["ratio"]),
            Ratio("the same of 240,000 points, plain / ours", 20, lambda f: f["0"]["fewer_ratio"]),
            Ratio(
                "fractals with sines and tangents, plain / ours",
                4,
                lambda f: min(f[variation]["ratio"] for variation in ("17", "20", "29")),
            ),
        ],
    ),
    "adaptation": (
        ["--preset", "fractal_linear_motion", "--rounds", "30"],
        [
            Ratio(
                "published adaptation / drawing, 112²", 1, lambda f: f["published"] / f["drawing"], most=True
            )
        ],
    ),
    "training": (
        ["--rounds", "1"],
        [
            Ratio(
                "making a step's clips / step of `tiny`, worst of the eight presets",
                0.1,
                lambda f: max(row["share"] for row in f["rows"]),
                most=True,
            )
        ],
    ),
    "features": (
        ["--clips", "3", "--rounds", "3"],
        [Ratio("weight-free features / rgb2lab", 1.3, lambda f: f["ratio"], most=True)],
    ),
    "whole": (
        ["--clips", "2", "--rounds", "3", "--many", "0"],
        [
            Ratio("whole measuring / floor", 1.10, lambda f: f["floor"], most=True),
            Ratio("whole measuring / peers", 0.5, lambda f: f["peers"], most=True),
        ],
    ),
}
NEED_CLIPS = ("features", "whole")


def run(name: str, reference: Path | None) -> dict[str, float]:
    """What a benchmark's ratios are, by what they compare."""
    arguments, ratios = BENCHMARKS[name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        given = [*arguments, "--json", str(out)]
        if name in NEED_CLIPS:
            given += ["--reference", str(reference)]
        threads = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS")}
        subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *given],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **threads},
        )
        found = json.loads(out.read_text())
    return {ratio.what: float(ratio.of(found)) for ratio in ratios}


def machine() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def last(history: Path, what: str) -> float | None:
    """The newest ratio of this machine in the history; None where there is none."""
    if not history.exists():
        return None
    with history.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["ratio"] == what and r["machine"] == machine()]
    return float(rows[-1]["value"]) if rows else None


def add(history: Path, found: dict[str, float]) -> None:
    """Writes the ratios as lines of the history."""
    import torch

    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    facts = [datetime.date.today().isoformat(), commit, machine(), platform.python_version()]
    fresh = not history.exists()
    with history.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(COLUMNS)
        for what, value in found.items():
            writer.writerow([*facts, torch.__version__, what, f"{value:.3g}"])


def main() -> None:
    """Runs, prints, and ends with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--reference", type=Path, help="a folder of real clips")
    parser.add_argument("--only", default=",".join(BENCHMARKS), help="benchmarks, comma-separated")
    parser.add_argument("--history", type=Path, default=HISTORY)
    parser.add_argument("--add", action="store_true", help="add the ratios to the history")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        parser.error(f"no benchmark is called {unknown[0]}: {', '.join(BENCHMARKS)}")
    found: dict[str, float] = {}
    missed = 0
    for name in names:
        if name in NEED_CLIPS and given.reference is None:
            print(f"{name}: left out, it needs --reference DIR")
            continue
        values = run(name, given.reference)
        for ratio in BENCHMARKS[name][1]:
            value, before = values[ratio.what], last(given.history, ratio.what)
            told = f", was {before:.3g}" if before is not None else ""
            missed += not ratio.met(value)
            verdict = "ok" if ratio.met(value) else "MISSED"
            wanted = f"{'at most' if ratio.most else 'at least'} {ratio.goal:g}"
            print(f"{verdict:7}{value:8.3g} × {ratio.what} ({wanted}{told})", flush=True)
        found |= values
    if given.add:
        add(given.history, found)
    if missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
