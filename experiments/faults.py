"""Damaged videos by the thousand, and commands killed by the hundred: nothing crashes, hangs, leaks or is
lost.

    python -m experiments.faults [--videos 2000] [--kills 200] [--seed 0] [--workers 2] [--out reports/faults]

Sound clips of every container that the tests write (see `tests.faults.mutations`) are damaged in six ways:
cut, bits flipped, zeroed, spliced with another, a damaged head, a piece twice; every tenth gets another's
suffix. They are measured in batches beside the sound ones, by worker processes with a time limit a file.
Counted are clips that are measured, skipped with a reason, of these the workers that crashed or hung; wrong
is a clip that is neither or both, a sound clip whose numbers move by a bit, or a run that ends otherwise than
it should.

Then `measure`, `compare`, `generate` and `textures make` are killed (SIGKILL to the parent alone) at random
moments and begun again until they end; what they leave must be what an undisturbed run leaves, to the byte,
without files of its own, and no process may outlive its parent.

What came out of the last run stands in `OUT/videos.json` and `OUT/kills.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval.archive import write_bytes
from synvid_eval.cache import Cache
from synvid_eval.comparison import versions
from synvid_eval.measurement import Measurement, Options, measure
from tests.faults import mutations

OUT = Path(__file__).parents[1] / "reports" / "faults"
FEATURES = ("motion", "spectrum", "lab")


@dataclass
class Found:
    """What became of damaged clips. reasons: in brief → clips. wrong: sentences, empty where all is well."""

    measured: int = 0
    skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Found) -> Found:
        return Found(
            self.measured + other.measured,
            self.skipped + other.skipped,
            self.reasons + other.reasons,
            self.wrong + other.wrong,
        )


class Campaign:
    """Batches of damaged clips beside the same sound ones."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._options = Options(workers=workers, max_skipped="100%", cache=Cache(None), decode_timeout=20)
        (folder / "sound").mkdir(parents=True)
        self._sources = mutations.good(folder / "sound")
        self._alone = self._numbers(self._measure(folder / "sound"))

    def _measure(self, folder: Path) -> Measurement:
        return measure(folder, features=FEATURES, layout="flat", options=self._options)

    @staticmethod
    def _numbers(measured: Measurement) -> dict[str, Any]:
        """Clip → all that was measured of it (what only other clips have is NaN)."""
        columns = [(f, k, c) for f, s in measured.summaries.items() for k, c in s.items()]
        return {
            clip.id: (clip, {(f, k): c[i].tobytes() for f, k, c in columns if not np.isnan(c[i])})
            for i, clip in enumerate(measured.clips)
        }

    def batch(self, count: int, seed: int) -> Found:
        """Measures `count` damaged clips."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            for source in self._sources:
                (folder / source.name).symlink_to(source)
            names = {p.name for p in mutations.bad(folder, self._sources, count, seed)}
            try:
                measured = self._measure(folder)
            except Exception as error:  # whatever it is, that is the finding
                return Found(wrong=[f"seed {seed}: {type(error).__name__}: {error}"])
        numbers = self._numbers(measured)
        skipped = {s["id"]: s["reason"] for s in measured.facts.skipped}
        found = Found(len(numbers.keys() & names), len(skipped.keys() & names))
        found.reasons.update(" ".join(r.split()[:4]) for r in skipped.values())
        for clip in names:
            if (clip in numbers) == (clip in skipped) or not skipped.get(clip, "a reason"):
                found.wrong.append(f"seed {seed}: {clip} is not either measured or skipped for a reason")
        for clip, alone in self._alone.items():
            if numbers.get(clip) != alone:
                found.wrong.append(f"seed {seed}: {clip} beside damaged clips is not what it is alone")
        return found


def _scores(out: Path) -> bytes:
    return json.dumps(json.loads((out / "c.json").read_text())["scores"]).encode()


def _tree(out: Path) -> bytes:
    """All files below a folder, but what says when and from where it was made."""
    files = sorted(p for p in out.rglob("*") if p.is_file())
    return b"".join(f"\0{p.relative_to(out)}\0".encode() + p.read_bytes() for p in files)


KILLED: dict[str, tuple[list[str], Callable[[Path], bytes]]] = {
    "measure": (["measure", "{set}", "--out", "{out}/m.measured", "--cache", "{out}/cache"],
                lambda out: (out / "m.measured").read_bytes()),
    "compare": (["compare", "{set}", "{other}", "--json", "{out}/c.json", "--cache", "{out}/cache"], _scores),
    "generate": (["generate", "moving_shapes", "{out}/made", "--clips", "24", "--size", "64", "--length",
                  "40:60", "--format", "ffv1", "--truth", "masks"], lambda out: _tree(out / "made")),
    "textures make": (["textures", "make", "stylegan", "--n", "300", "--out", "{out}/bank"],
                      lambda out: _tree(out / "bank")),
}  # fmt: skip
"""Command → its arguments, and what must be the same however often it was killed."""


class Kills:
    """Commands that are killed again and again."""

    def __init__(self, folder: Path, workers: int, seed: int) -> None:
        self._folder, self._workers, self._draw = folder, workers, random.Random(seed)
        for name, base in (("set", 0), ("other", 40)):
            (folder / name).mkdir(parents=True)
            for i in range(40):
                frames = mutations.moving(40, 96, 128, seed=base + i)
                mutations.write_video(folder / name / f"{i}.avi", frames, "xvid")

    def _start(self, arguments: list[str], out: Path) -> subprocess.Popen[bytes]:
        places = {"set": self._folder / "set", "other": self._folder / "other", "out": out}
        command = [a.format(**places) for a in arguments]
        return subprocess.Popen(
            [sys.executable, "-m", "synvid_eval", *command, "-q", "--workers", str(self._workers)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def campaign(self, name: str, kills: int) -> dict[str, Any]:
        """Kills a command that many times, over as many outputs as it takes, and says what came of it."""
        arguments, told = KILLED[name]
        wrong: list[str] = []
        began = time.monotonic()
        whole = self._ended(name, arguments, self._folder / f"{name}-whole", wrong)
        usual = time.monotonic() - began
        expected, done, outputs = told(whole), 0, 0
        while done < kills:
            out = self._folder / f"{name}-{outputs}"
            out.mkdir(exist_ok=True)
            for _ in range(min(8, kills - done)):
                process = self._start(arguments, out)
                try:
                    process.wait(self._draw.uniform(0, usual))
                except subprocess.TimeoutExpired:
                    done += 1
                    process.kill()
                    process.communicate()
                    if not _vanished(process.pid):
                        wrong.append(f"{name}: a process outlived its parent")
            self._ended(name, arguments, out, wrong)
            outputs += 1
            if told(out) != expected:
                wrong.append(f"{name}: output {outputs} differs from that of an undisturbed run")
            rest = [p.name for p in out.rglob("*.part")]
            if rest and name != "measure" and name != "compare":  # a cache drops its own after an hour
                wrong.append(f"{name}: left {rest[:3]}")
        return {"kills": done, "outputs": outputs, "seconds_undisturbed": round(usual, 1), "wrong": wrong}

    def _ended(self, name: str, arguments: list[str], out: Path, wrong: list[str]) -> Path:
        out.mkdir(exist_ok=True)
        process = self._start(arguments, out)
        error = process.communicate()[1]
        if process.returncode:
            wrong.append(f"{name}: ended with {process.returncode}: {error.decode()[-300:]}")
        return out


def _vanished(group: int) -> bool:
    """Whether no process of a group is left, within a minute: one that is starting must come up first."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    return False


def main() -> None:
    """Runs the campaign and writes what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first batch")
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        if asked.videos:
            wrong += videos(asked, Path(folder) / "videos")
        if asked.kills:
            wrong += kills(asked, Path(folder) / "kills")
    if wrong:
        sys.exit("\n".join(wrong))


def videos(asked: argparse.Namespace, folder: Path) -> list[str]:
    """The campaign of damaged videos; what went wrong."""
    began, total = time.monotonic(), Found()
    campaign = Campaign(folder, asked.workers)
    for number in range(-(-asked.videos // asked.batch)):
        count = min(asked.batch, asked.videos - number * asked.batch)
        total += campaign.batch(count, asked.seed + number)
        print(f"{total.measured} measured, {total.skipped} skipped, {len(total.wrong)} wrong", flush=True)
    facts = {
        "command": command_of(asked, kills=0),
        "videos": total.measured + total.skipped,
        "measured": total.measured,
        "skipped": total.skipped,
        "crashed": sum(n for reason, n in total.reasons.items() if reason.startswith("crashed")),
        "hung": sum(n for reason, n in total.reasons.items() if reason.startswith("hung")),
        "wrong": total.wrong,
        "reasons": dict(total.reasons.most_common()),
        "seconds": round(time.monotonic() - began),
        "largest_worker_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10,
    }
    write(asked.out / "videos.json", facts)
    return total.wrong


def kills(asked: argparse.Namespace, folder: Path) -> list[str]:
    """The campaign of kills; what went wrong."""
    run = Kills(folder, asked.workers, asked.seed)
    found = {}
    for name in KILLED:
        found[name] = run.campaign(name, -(-asked.kills // len(KILLED)))
        print(f"{name}: {found[name]}", flush=True)
    write(asked.out / "kills.json", {"command": command_of(asked, videos=0), "commands": found})
    return [text for facts in found.values() for text in facts["wrong"]]


def command_of(asked: argparse.Namespace, **instead: int) -> str:
    """The command that makes one of the two campaigns."""
    names = ("videos", "kills", "seed", "workers")
    given = [f"--{name} {instead.get(name, getattr(asked, name))}" for name in names]
    return " ".join(["python -m experiments.faults", *given])


def write(path: Path, facts: dict[str, Any]) -> None:
    """Facts with the machine and versions, as JSON."""
    whole = {**facts, "machine": platform.platform(), "versions": versions()}
    write_bytes(path, (json.dumps(whole, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
