"""What running costs beyond the features: a second run, a second worker, memory, listing.

    python -m benchmarks.running --reference DIR [--clips 1000] [--many 10000] [--files 1000000]

Makes its own small clips (FFV1, 64×64, 20 frames) in a temporary folder; DIR holds real ones. Prints an
unchanged second compare with N clips a side (seconds beyond imports), the peak memory of all processes
together at N/10, N and `--many` clips, two workers against one on DIR's clips read five times over
(start-up included; ratio of medians of wall time), and the time of listing many files.
"""

from __future__ import annotations

import argparse
import contextlib
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
import json, sys, time
from synvid_eval.comparison import compare
from synvid_eval.measurement import Options
from synvid_eval.cache import Cache
from pathlib import Path
import synvid_eval.report.page, scipy.special, av
*sets, reference, workers, cache = sys.argv[1:]
options = Options(workers=int(workers), cache=Cache(None if cache == "none" else Path(cache)))
began = time.perf_counter()
compare(sets, reference, options=options)
print(json.dumps(time.perf_counter() - began))
"""


def run(sets: list[Path], workers: int, cache: str) -> tuple[float, float]:
    """One compare in a fresh process: seconds beyond imports; peak of the memory of it and its workers
    together (proportional set size, sampled ten times a second), MiB.
    """
    args = [sys.executable, "-c", RUN, *map(str, sets), str(workers), cache]
    peak = 0.0
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(resident, [process.pid, *children(process.pid)])))
            time.sleep(0.1)
        assert process.stdout is not None
        if process.returncode:
            raise SystemExit(f"compare ended with {process.returncode}")
        return float(json.loads(process.stdout.read())), peak


def children(pid: int) -> list[int]:
    """Child processes of all threads of a process (Linux)."""
    with contextlib.suppress(OSError):
        return [
            int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()
        ]
    return []


def resident(pid: int) -> float:
    """Proportional set size of a process in MiB; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Prints every figure as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        walls: dict[int, list[float]] = {1: [], 2: []}
        five = [root / f"real{i}" for i in range(5)]
        for place in five:
            place.symlink_to(asked.reference.absolute(), target_is_directory=True)
        for _ in range(3):
            for workers in walls:
                walls[workers].append(run(five, workers, "none")[0])
        ratio = statistics.median(walls[1]) / statistics.median(walls[2])
        print(f"two workers against one on real clips, start-up included: {ratio:.2f} ×", flush=True)

        counts = {"a": asked.clips, "b": asked.clips, "c": asked.clips // 10, "d": asked.clips // 10}
        for name, count in counts.items():
            make(root / name, count)
        small = run([root / "c", root / "d"], 2, "none")[1]
        first = run([root / "a", root / "b"], 2, str(root / "cache"))[1]
        second = [run([root / "a", root / "b"], 2, str(root / "cache"))[0] for _ in range(3)]
        print(f"unchanged second compare, {asked.clips:,} clips a side: {statistics.median(second):.2f} s")
        make(root / "many", asked.many)
        most = run([root / "c", root / "many"], 2, "none")[1]
        print(
            f"peak memory of all processes, two workers: {small:.0f} MiB at {asked.clips // 10:,} clips a "
            f"side, {first:.0f} MiB at {asked.clips:,}, {most:.0f} MiB with a set of {asked.many:,}",
            flush=True,
        )
        files = root / "files"
        for i in range(asked.files):
            if i % 10_000 == 0:
                (files / f"{i}").mkdir(parents=True)
            (files / f"{i - i % 10_000}" / f"{i}.mp4").touch()
        from synvid_eval.sets import open_set

        began = time.perf_counter()
        count = len(open_set(os.fspath(files)))
        print(f"{count:,} files listed in {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
