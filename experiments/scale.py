"""How a measurement grows: planning, workers, engines, joining, a long run; and whether `plan` predicts it.

    python -m experiments.scale --reference DIR --work DIR [--out reports/scale] [--parts planning,joining,…]

Parts: `planning` (time and memory over 10⁴ … 10⁷ ids), `engines` (clips a second over workers, local and on
Ray; what a piece costs beside its clips), `joining` (10,000 receipts that need no weights), `inception`
(statistics of 2048 values), `soak` (100,000 tiny clips without files: memory, descriptors and threads
meanwhile), `prediction` (what `plan` said and what it took, at three sizes). Each writes what it found under
its name into `OUT/measured.json`; what that says is written by hand in `README.md`. The machine should have
nothing else to do.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval import archive, costs, receipts
from synvid_eval.cache import Cache
from synvid_eval.execute import Engine, Local
from synvid_eval.features import registry as features
from synvid_eval.features.base import Feature
from synvid_eval.features.network import NetworkFeature
from synvid_eval.measurement import Measurer, Options, Piece, Run, measure
from synvid_eval.ray_engine import RayEngine
from synvid_eval.sets import open_set
from synvid_eval.states import Moments

OUT = Path(__file__).parents[1] / "reports" / "scale"
PARTS = ("planning", "engines", "joining", "inception", "soak", "prediction")

PLAN = """
import resource, sys, time
from synvid_eval.measurement import plan_pieces
from synvid_eval.sets import open_set
began, busy = time.monotonic(), time.process_time()
pieces = plan_pieces(open_set(sys.argv[1]))
print(time.monotonic() - began, time.process_time() - busy, len(pieces),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""

JOIN = """
import resource, sys, time
from synvid_eval import receipts
began = time.monotonic()
joined = receipts.merge(sys.argv[1])
took = time.monotonic() - began
joined.save(sys.argv[1] + ".measured")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(took, time.monotonic() - began, joined.facts.clips, peak)
"""


def plain() -> list[Feature]:
    """The features that need no weights."""
    made = [features.get(name)() for name in features.names()]
    return [f for f in made if not isinstance(f, NetworkFeature)]


def told(code: str, *words: str) -> list[float]:
    """The numbers that a program prints, run by itself so that its memory is its own."""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def planning(given: argparse.Namespace) -> dict[str, Any]:
    """Lists of rows that are in order and in none, of 10⁴ … 10⁷ rows; of one file only there is a video."""
    found = []
    root = given.work / "lists"
    (root / "part_00000").mkdir(parents=True, exist_ok=True)
    (root / "part_00000" / "clip_00000000.mp4").touch()
    for count in (10_000, 100_000, 1_000_000, 10_000_000):
        for order in ("ids in order", "ids in no order"):
            path = root / "all.txt"
            numbers = np.arange(count)
            if order != "ids in order":
                numbers = np.concatenate([[0], np.random.default_rng(0).permutation(numbers[1:])])
            with path.open("w") as file:
                file.writelines(
                    f"part_{i // 1000:05d}/clip_{i:08d}.mp4 {i % 400}\n" for i in numbers.tolist()
                )
            try:
                seconds, busy, pieces, memory = told(PLAN, str(path))
            except subprocess.CalledProcessError as error:
                found.append({"rows": count, "order": order, "failed": error.stderr[-200:]})
                continue
            found.append(
                {
                    "rows": count,
                    "order": order,
                    "seconds": seconds,
                    "cpu": busy,
                    "pieces": pieces,
                    "memory": memory,
                }
            )
            print(found[-1], flush=True)
    path.unlink()
    return {"runs": found}


def engines(given: argparse.Namespace) -> dict[str, Any]:
    """Clips a second over workers, and what a piece costs: the same clips in pieces of one and of sixteen."""
    videos = open_set("preset:moving_shapes?n=192&size=128")
    found = []
    kinds: dict[str, Callable[[], Engine]] = {"local": Local, "ray": RayEngine}
    for kind, start in kinds.items():
        for workers in (1, 2):
            for together in (1, 16):
                pieces = [
                    Piece(0, videos.clips[at : at + together]) for at in range(0, len(videos), together)
                ]
                took = []
                engine = start()
                options = Options(workers=workers, cache=Cache(None), engine=engine)
                with contextlib.closing(engine), Measurer(plain(), options) as measurer:
                    list(Run(measurer, replace(videos, clips=videos.clips[:8])).finished())
                    for _ in range(3):
                        began = time.monotonic()
                        count = sum(len(p.clips) for p in Run(measurer, videos, pieces).finished())
                        took.append(time.monotonic() - began)
                        assert count == len(videos)
                seconds = statistics.median(took)
                found.append(
                    {
                        "engine": kind, "workers": workers, "clips a piece": together, "pieces": len(pieces),
                        "seconds": seconds, "clips a second": len(videos) / seconds, "all": took,
                    }
                )  # fmt: skip
                print(found[-1], flush=True)
    return {"set": videos.location, "runs": found}


def joining(given: argparse.Namespace) -> dict[str, Any]:
    """10,000 receipts of 32 clips, made of one that was measured, joined."""
    count, clips = 10_000, 32
    videos = open_set(f"preset:moving_circles?n={clips}&size=64")
    place = given.work / "receipts"
    chosen = plain()
    with Measurer(chosen, Options(cache=Cache(None))) as measurer:
        (piece,) = Run(measurer, videos, [Piece(0, videos.clips)]).finished()
        whole = open_set(f"preset:moving_circles?n={count * clips}&size=64")
        pieces = [Piece(i * 20 // count, whole.clips[i * clips : (i + 1) * clips]) for i in range(count)]
        plan = receipts.lay_out(measurer, whole, pieces, place)
    for index, one in enumerate(pieces):
        named = tuple(replace(c, id=ref.id) for c, ref in zip(piece.clips, one.clips, strict=True))
        receipts.write(place, plan, replace(piece, index=index, block=one.block, clips=named))
    size = sum(p.stat().st_size for p in place.glob("receipts/*/*.safetensors"))
    seconds, saved, joined, memory = told(JOIN, str(place))
    return {
        "receipts": count,
        "clips": joined,
        "bytes": size,
        "seconds": seconds,
        "seconds with saving": saved,
        "memory": memory,
    }


def inception(given: argparse.Namespace) -> dict[str, Any]:
    """Moments of 2048 values, as Inception gives them: added, and read from a file."""
    rows = np.random.default_rng(0).normal(size=(8192, 2048)).astype(np.float32)
    parts = [Moments.of_rows(rows[i : i + 4096]) for i in (0, 4096)]  # too many to be kept as rows
    took = []
    for _ in range(7):
        began = time.monotonic()
        total = parts[0] + parts[1]
        took.append(time.monotonic() - began)
    assert total.n == 8192
    held = 2048 * 2048 * 8
    blob = given.work / "moments"
    archive.write_bytes(blob, archive.pack(parts[0].to_arrays(), {}))
    reading = []
    for _ in range(5):
        began = time.monotonic()
        Moments.from_arrays(archive.read(blob)[0])
        reading.append(time.monotonic() - began)
    stored = blob.stat().st_size
    return {
        "seconds an addition": statistics.median(took),
        "GB/s added": held / statistics.median(took) / 1e9,
        "bytes of a state": stored,
        "GB/s read": stored / statistics.median(reading) / 1e9,
    }


def soak(given: argparse.Namespace) -> dict[str, Any]:
    """100,000 tiny clips of a preset, no files: this process and its workers looked at all the while."""
    seen: list[dict[str, float]] = []
    over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        while not over.wait(10.0):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            below = [p for p in Path("/proc").iterdir() if p.name.isdigit() and _parent(p) == os.getpid()]
            seen.append(
                {
                    "at": round(time.monotonic() - began, 1),
                    "memory": pages * resource.getpagesize(),
                    "descriptors": len(os.listdir("/proc/self/fd")),
                    "threads": threading.active_count(),
                    "workers": len(below),
                    "memory of workers": sum(_resident(p) for p in below),
                }
            )

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    found = measure(
        open_set("preset:static_circles?n=100000&size=16&length=16"),
        features=["lab", "motion"],
        options=Options(cache=Cache(None)),
    )
    over.set()
    watcher.join()
    seconds = time.monotonic() - began
    step = max(1, len(seen) // 24)
    return {"clips": found.facts.clips, "seconds": seconds, "seen": seen[::step], "last": seen[-1]}


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def _resident(process: Path) -> int:
    try:
        return int((process / "statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def prediction(given: argparse.Namespace) -> dict[str, Any]:
    """What `plan` says of measuring sets by a job on this machine, and what it takes, joining included."""
    options = Options(cache=Cache(None))
    made = "preset:moving_shapes?size=128&n={n}"
    real = open_set(given.reference)
    found = []
    rates = costs.calibrate([open_set(made.format(n=1000), name="made"), real], plain(), options)
    for count in (120, 480, 1920):
        asked = {"made": count, real.name: len(real)}
        said = costs.forecast(rates, asked, costs.Machine.here(rates)).hours * 3600
        began = time.monotonic()
        with Measurer(plain(), options) as measurer, tempfile.TemporaryDirectory(dir=given.work) as aside:
            for one in (open_set(made.format(n=count), name="made"), real):
                receipts.take(measurer, one, Path(aside, one.name), (0, 1), {})
                receipts.merge(Path(aside, one.name))
        took = time.monotonic() - began
        found.append({"clips": asked, "predicted": said, "measured": took, "ratio": said / took})
        print(found[-1], flush=True)
    return {"rates": rates.to_dict(), "runs": found}


def main() -> None:
    """Runs the parts and writes what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reference", required=True, metavar="DIR")
    parser.add_argument("--work", required=True, type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--parts", default=",".join(PARTS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    given.work.mkdir(parents=True, exist_ok=True)
    target = given.out / "measured.json"
    found = json.loads(target.read_text()) if target.exists() else {}
    for part in given.parts.split(","):
        what: Callable[[argparse.Namespace], dict[str, Any]] = globals()[part]
        load = os.getloadavg()[0]
        print(f"{part} (load {load:.1f})", flush=True)
        cores = f"{os.cpu_count()} cores, {platform.machine()}"
        found[part] = {**what(given), "machine": cores, "load before": round(load, 2)}
        archive.write_bytes(target, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
