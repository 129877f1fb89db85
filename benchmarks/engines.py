"""What an engine costs beside the work: seconds until the first reply, milliseconds a task.

    python -m benchmarks.engines [--workers 1] [--tasks 3000] [--rounds 3] [--json F]

Tasks are as small as they get: the first frame of a clip of 16 pixels, drawn. `ray, a call each` sends every
task alone, which says what a call costs; Ray is on this machine. A worker computes all of the time, and two
calls wait for it, so where tasks are longer than that the rest is what an engine adds to each. The middle of
some rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from synvid_eval import ray_engine
from synvid_eval.execute import Local, Pool
from synvid_eval.prober import probe_task
from synvid_eval.sets import open_set


def took(pool: Pool, tasks: list[dict[str, Any]]) -> float:
    """Seconds in which a pool does them."""
    began = time.perf_counter()
    assert sum(1 for _ in pool.map(tasks)) == len(tasks)
    return time.perf_counter() - began


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    given = parser.parse_args()
    clips = open_set("preset:static_circles?n=100&size=16&objects=1&length=2").clips
    tasks = [probe_task(clips[i % len(clips)]) for i in range(given.tasks)]
    ray = ray_engine.RayEngine()
    most, found = ray_engine.MOST_TASKS, {}
    try:
        for name, engine, at_once in (
            ("local", Local(), 0),
            ("ray", ray, most),
            ("ray, a call each", ray, 1),
        ):
            ray_engine.MOST_TASKS = at_once
            pool = engine.pool("synvid_eval.prober", given.workers, {"loud": False})
            first = took(pool, tasks[:1])
            took(pool, tasks)  # all workers are up, and the length of calls is found
            each = statistics.median(took(pool, tasks) for _ in range(given.rounds)) / given.tasks * 1e3
            pool.close()
            found[name] = {"first_reply_s": first, "ms_a_task": each}
            print(f"{name:18} {first:7.2f} s to the first reply, {each:7.3f} ms a task", flush=True)
    finally:
        ray.close()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
