"""What adapts clips, each operation and the published chain: milliseconds a frame.

    python -m benchmarks.adaptation [--size 112] [--frames 20] [--rounds 60] [--preset NAME] [--json F]

One thread, CPU time of this process, warm, means over clips (a chain does much to one clip and little to the
next). Each operation is applied to every clip; `drawing` is the preset's own, and the others are what comes
on top of it, backgrounds from a pool that is drawn already. `published, new backgrounds`: each clip has clips
of its own for them (pool=0), as if every one were the first.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

import cv2

from synvid_eval.generators import presets
from synvid_eval.generators.base import Generator
from synvid_eval.generators.operations import OPERATIONS

CHAINS = {
    **{name: name for name in OPERATIONS},
    "published": "published",
    "published, new backgrounds": "published",
}


def drawn(generator: Generator, preset: str, rounds: int, frames: int) -> float:
    """CPU milliseconds a frame of drawing that many clips."""
    began = time.process_time()
    for index in range(rounds):
        for _ in generator.draw(0, preset, index, range(frames)):
            pass
    return (time.process_time() - began) / rounds / frames * 1e3


def main() -> None:
    """Reads the arguments and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--preset", default="moving_shapes")
    parser.add_argument("--json", type=Path, help="also write the milliseconds here")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    preset = presets.find(given.preset)
    knobs = {"size": str(given.size), "length": str(given.frames)}

    def took(adapt: str) -> float:
        generator = preset.configured(**knobs, adapt=adapt)
        drawn(generator, preset.name, 2 * given.rounds, given.frames)  # warm: compiled, backgrounds drawn
        return drawn(generator, preset.name, given.rounds, given.frames)

    times = {"drawing": took("")}
    print(f"{'drawing':28} {times['drawing']:7.3f} ms a frame of {given.size}², {preset.name}", flush=True)
    for name, chain in CHAINS.items():
        if name.endswith("new backgrounds"):
            from synvid_eval.generators import adapting

            chain = re.sub(r"pool=\d+", "pool=0", adapting.parsed(chain).spelled)
        times[name] = took(chain) - times["drawing"]
        print(f"{name:28} {times[name]:7.3f} ms more", flush=True)
    if given.json:
        given.json.write_text(json.dumps(times, indent=1))


if __name__ == "__main__":
    main()
