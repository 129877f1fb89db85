"""What running costs beyond the features: a second run, a second worker, memory, listing.

    python -m benchmarks.running [--clips 1000] [--files 100000]

Makes its own small clips (FFV1, 64×64, 20 frames) in a temporary folder. Prints an unchanged second
compare with N clips a side (seconds beyond imports), one worker against two on the same clips (ratio of
medians of wall time), the parent's peak memory at N/10 and N clips, and the time of listing many files.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np


def make(folder: Path, count: int) -> None:
    """`count` different clips."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        with av.open(str(folder / f"{i:05d}.mkv"), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            base = rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            for t in range(20):
                frame = av.VideoFrame.from_ndarray(np.roll(base, t, axis=1), format="rgb24")
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode())


RUN = """
import json, sys, time, resource
from synvid_eval.comparison import compare
from synvid_eval.measurement import Options
from synvid_eval.cache import Cache
from pathlib import Path
import synvid_eval.report.page, scipy.special, av
a, b, workers, cache = sys.argv[1:5]
options = Options(workers=int(workers), cache=Cache(None if cache == "none" else Path(cache)))
began = time.perf_counter()
compare([a], b, options=options)
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps({"seconds": time.perf_counter() - began, "peak_mib": peak / 1024}))
"""


def run(a: Path, b: Path, workers: int, cache: str) -> dict[str, float]:
    """One compare in a fresh process: seconds beyond imports, peak memory of the parent in MiB."""
    args = [sys.executable, "-c", RUN, str(a), str(b), str(workers), cache]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Prints every figure as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--files", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, count in (
            ("a", asked.clips),
            ("b", asked.clips),
            ("c", asked.clips // 10),
            ("d", asked.clips // 10),
        ):
            make(root / name, count)
        small = run(root / "c", root / "d", 2, "none")["peak_mib"]
        first = run(root / "a", root / "b", 2, str(root / "cache"))
        second = [run(root / "a", root / "b", 2, str(root / "cache"))["seconds"] for _ in range(3)]
        print(f"unchanged second compare, {asked.clips} clips a side: {statistics.median(second):.2f} s")
        print(
            f"peak memory of the parent: {small:.0f} MiB at {asked.clips // 10} clips a side, "
            f"{first['peak_mib']:.0f} MiB at {asked.clips}"
        )
        walls: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(3):
            for workers in walls:
                walls[workers].append(run(root / "a", root / "c", workers, "none")["seconds"])
        ratio = statistics.median(walls[1]) / statistics.median(walls[2])
        print(f"one worker against two, start-up included: {ratio:.2f} ×")
        many = root / "many"
        many.mkdir()
        for i in range(asked.files):
            (many / f"{i}.mp4").touch()
        from synvid_eval.sets import open_set

        began = time.perf_counter()
        count = len(open_set(os.fspath(many)))
        print(f"{count:,} files listed in {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
