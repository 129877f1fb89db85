"""Does a search keep what it promises? Searches of `synvid-eval guide` against real clips, as users run them.

    python -m experiments.guidance --reference DIR [--parts color,three,samplers,trial] [--out reports/guide]
                                   [--work DIR] [--threads 1]

Parts:
- `color`: from `moving_circles`, color only, 15 and 60 trials of 24 clips, five seeds each;
- `three`: from `acc_transforming_shapes`, color, motion and tubelet, 100 trials;
- `samplers`: color in 30 trials, `gp` against `random`, five seeds;
- `trial`: what a trial of 24 clips costs, the five weight-free metrics, one process.

Each search is a command of the package; its journal lies in --work, so a run that was stopped goes on, and
its numbers in `OUT/searches.jsonl`, a line as it is done: the kept trial's share of the start in the search,
the ratio on fresh clips against the half of the reference that it did not see with its interval, trials and
seconds. `README.md` beside it says by hand what they mean. No clip of DIR, no frame, is written.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from synvid_eval.archive import write_bytes

OUT = Path(__file__).parents[1] / "reports" / "guide"
CLIPS = 24
SEEDS = 5
PARTS = ("color", "three", "samplers", "trial")
TRIED = ("moving_circles", "acc_transforming_shapes", "acc_transforming_stylegan")
METRICS = "color,spectrum,motion,tubelet,effective_rank"


def searches(parts: list[str]) -> list[dict[str, Any]]:
    """What is run: preset, minimize, budget, sampler, seed."""
    found: list[dict[str, Any]] = []
    if "color" in parts:
        for budget in (15, 60):
            found += [_one("moving_circles", "color", budget, "gp", seed) for seed in range(SEEDS)]
    if "samplers" in parts:
        for sampler in ("gp", "random"):
            found += [_one("moving_circles", "color", 30, sampler, seed) for seed in range(SEEDS)]
    if "three" in parts:
        found += [_one("acc_transforming_shapes", "color,motion,tubelet", 100, "gp", 0)]
    return found


def _one(preset: str, minimize: str, budget: int, sampler: str, seed: int) -> dict[str, Any]:
    return {"preset": preset, "minimize": minimize, "budget": budget, "sampler": sampler, "seed": seed}


def run(one: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """A search as a command; its numbers."""
    name = "-".join(str(v).replace(",", "+") for v in one.values())
    out, told = given.work / f"{name}.toml", given.work / f"{name}.json"
    words = ["guide", "search", one["preset"], given.reference, "--out", os.fspath(out)]
    words += ["--json", os.fspath(told), "--clips", str(CLIPS), "--workers", str(given.threads), "-q"]
    for key in ("minimize", "budget", "sampler", "seed"):
        words += [f"--{key}", str(one[key])]
    began = time.monotonic()
    _command(words)
    found = json.loads(told.read_text())
    return {
        **one,
        "clips": CLIPS,
        "trials": len(found["trials"]),
        "failed": sum(t["state"] == "failed" for t in found["trials"]),
        "front": len(found["front"]),
        "shares": found["shares"],
        "again": {
            row["metric"]: row["ratio"] or row["difference"]
            for row in found["gain"]["metrics"]
            if row["reason"] is None
        },
        "changed": found["found"]["changed"],
        "seconds": round(time.monotonic() - began, 1),
        "threads": given.threads,
    }


def trial(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds of measuring and scoring 24 clips in one process, processes started: the median of five
    settings, by preset.
    """
    from synvid_eval.cache import Cache
    from synvid_eval.guidance import bench, gain
    from synvid_eval.measurement import Options

    rows = []
    options = Options(workers=1, cache=Cache(None))
    seen, _ = gain.halves(bench.opened(given.reference, options))
    for name in TRIED:
        with bench.Bench(*bench.chosen(name), seen, METRICS.split(","), CLIPS, options) as one:
            took = []
            for speed in ("1", "2", "3", "4", "5"):
                began = time.monotonic()
                one.seen(one.measure({"speed": speed}))
                took.append(time.monotonic() - began)
        rows.append({"preset": name, "clips": CLIPS, "metrics": METRICS, "seconds": statistics.median(took)})
    return rows


def _command(words: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "synvid_eval", *words], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Reads the arguments, runs what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reference", required=True, metavar="DIR")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    for folder in (given.out, given.work):
        folder.mkdir(parents=True, exist_ok=True)
    lines = given.out / "searches.jsonl"
    done = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    for one in searches(given.parts):
        if any(all(row[k] == v for k, v in one.items()) for row in done):
            continue
        done.append(run(one, given))
        write_bytes(lines, ("\n".join(map(json.dumps, done)) + "\n").encode())
        print(one, done[-1]["shares"], f"{done[-1]['seconds']:.0f} s", flush=True)
    if "trial" in given.parts:
        rows = trial(given)
        write_bytes(given.out / "trial.json", (json.dumps(rows, indent=1) + "\n").encode())
        for row in rows:
            print(f"{row['preset']}: {row['seconds']:.2f} s a trial", flush=True)


if __name__ == "__main__":
    main()
