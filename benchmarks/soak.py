"""Whether memory, open files and threads stay what they are over very many clips.

    python -m benchmarks.soak [--clips 100000] [--workers 2] [--every 5] [--json F]

Measures a preset's clips (16×16, 17 frames, without files or cache) for `motion`, `spectrum` and `color`, and
looks at the command and its workers every few seconds: memory (proportional set size), file descriptors,
threads. Printed are all three at a tenth of the time and at the end. Linux only (it reads /proc).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.running import children, resident

SET = "preset:static_circles?size=16&length=17:17&objects=4&n="


def look(pid: int) -> dict[str, float]:
    """MiB, descriptors and threads of a process and its children, each summed."""
    seen = {"mib": 0.0, "descriptors": 0, "threads": 0, "processes": 0}
    for one in (pid, *children(pid)):
        try:
            seen["threads"] += len(list(Path(f"/proc/{one}/task").iterdir()))
            seen["descriptors"] += len(list(Path(f"/proc/{one}/fd").iterdir()))
            seen["mib"] += resident(one)
            seen["processes"] += 1
        except OSError:
            continue  # it has just ended
    return seen


def main() -> None:
    """Runs, looks, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--json", type=Path, help="also write all looks here")
    given = parser.parse_args()
    began, looks = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "synvid_eval", "measure", f"{SET}{given.clips}"]
        command += [
            "--metrics",
            "motion,spectrum,color",
            "--out",
            f"{folder}/all.measured",
            "--cache",
            "none",
        ]
        process = subprocess.Popen(
            [*command, "-q", "--workers", str(given.workers)], stdout=subprocess.DEVNULL
        )
        while process.poll() is None:
            time.sleep(given.every)
            seen = look(process.pid)
            if seen["processes"] == given.workers + 1:
                looks.append({"seconds": round(time.monotonic() - began, 1), **seen})
    if process.returncode or len(looks) < 10:
        raise SystemExit(f"ended with {process.returncode} after {len(looks)} looks")
    for name, one in (("a tenth", looks[len(looks) // 10]), ("the end", looks[-1])):
        print(
            f"at {name}, {one['seconds']:.0f} s: {one['mib']:.0f} MiB, {one['descriptors']} descriptors, "
            f"{one['threads']} threads in {one['processes']} processes"
        )
    grown = looks[-1]["mib"] - looks[len(looks) // 10]["mib"]
    print(f"{given.clips:,} clips: {grown * 1024 / (0.9 * given.clips):.2f} KiB a clip")
    if given.json:
        given.json.write_text(json.dumps({"clips": given.clips, "looks": looks}, indent=1) + "\n")


if __name__ == "__main__":
    main()
