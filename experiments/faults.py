"""Damaged videos by the thousand, and commands killed by the hundred: nothing crashes, hangs, leaks or is
lost.

    python -m experiments.faults [--videos 2000] [--kills 200] [--errors 400]

Sound clips of every container that the tests write (see `tests.faults.mutations`) are damaged in six ways:
cut, bits flipped, zeroed, spliced with another, a damaged head, a piece twice; every tenth gets another's
suffix. They are measured in batches beside the sound ones, by worker processes with a time limit a file.
Counted are clips that are measured, skipped with a reason, of these the workers that crashed or hung; wrong
is a clip that is neither or both, a sound clip whose numbers move by a bit, or a run that ends otherwise than
it should.

Then `measure`, `compare`, `generate` and `textures make` are killed (SIGKILL to the parent alone) at random
moments and begun again until they end; what they leave must be what an undisturbed run leaves, to the byte,
without files of its own, and no process may outlive its parent.

The same commands run once more for changes they make to the file system (a file opened for writing, a folder
made, a rename, a removal), drawn by chance, those of a cache last, with that change refused: disk full,
input/output error, read-only, too many open files. That is done from within Python, so what a library writes
into an open file is not reached by it; there the largest size that a file may have is set instead (EFBIG), so
that any writing fails, in its middle, too. A command either ends well with the same result, or with 3 and a
line that says so; run again, it must leave what an undisturbed run leaves.

What came out of the last run stands in `OUT/videos.json`, `OUT/kills.json` and `OUT/errors.json`.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval.archive import write_bytes
from synvid_eval.cache import Cache
from synvid_eval.comparison import versions
from synvid_eval.measurement import Measurement, Options, measure
from tests.faults import mutations

OUT = Path(__file__).parents[1] / "reports" / "faults"
INJECTED = Path(__file__).parents[1] / "tests" / "injected"
FEATURES = ("motion", "spectrum", "lab")
CAMPAIGNS = ("videos", "kills", "errors")
CODES = ("ENOSPC", "EIO", "EROFS", "EMFILE")


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
    """All files below a folder, but the lock that shards share: where its removal is refused it stays."""
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name != ".claim")
    return b"".join(f"\0{p.relative_to(out)}\0".encode() + p.read_bytes() for p in files)


@dataclass(frozen=True)
class Tried:
    """arguments: of a command, with places in braces. told: what must be the same whatever disturbed it."""

    arguments: list[str]
    told: Callable[[Path], bytes]


TRIED = {
    "measure": Tried(
        ["measure", "{set}", "--out", "{out}/m.measured", "--cache", "{out}/cache"],
        lambda out: (out / "m.measured").read_bytes(),
    ),
    "compare": Tried(
        ["compare", "{set}", "{other}", "--json", "{out}/c.json", "--cache", "{out}/cache"], _scores
    ),
    "generate": Tried(
        ["generate", "moving_shapes", "{out}/made", "--clips", "24", "--size", "64", "--length", "40:60",
         "--format", "ffv1", "--truth", "masks"],
        lambda out: _tree(out / "made"),
    ),
    "textures make": Tried(
        ["textures", "make", "stylegan", "--n", "300", "--out", "{out}/bank"], lambda out: _tree(out / "bank")
    ),
}  # fmt: skip


class Commands:
    """The commands of `TRIED` over sets of their own, each in a process group of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder, self._workers = folder, workers
        for name, base in (("set", 0), ("other", 24)):
            (folder / name).mkdir(parents=True)
            for i in range(24):
                frames = mutations.moving(40, 96, 128, seed=base + i)
                mutations.write_video(folder / name / f"{i}.avi", frames, "xvid")

    def start(
        self, name: str, out: Path, fault: str | None = None, largest: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts a command. fault: for `tests/injected`. largest: bytes that its files may have."""
        out.mkdir(exist_ok=True)
        places = {"set": self._folder / "set", "other": self._folder / "other", "out": out}
        command = [a.format(**places) for a in TRIED[name].arguments]
        environment = dict(os.environ)
        if fault is not None:
            environment["SYNVID_EVAL_TEST_FAULT"] = fault
            environment["PYTHONPATH"] = os.pathsep.join(
                filter(None, [str(INJECTED), environment.get("PYTHONPATH", "")])
            )
        return subprocess.Popen(
            [sys.executable, "-m", "synvid_eval", *command, "-q", "--workers", str(self._workers)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            preexec_fn=None
            if largest is None
            else partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, -1)),
        )

    def ended(self, name: str, out: Path) -> list[str]:
        """Runs a command to its end; what went wrong."""
        process = self.start(name, out)
        error = process.communicate()[1]
        if process.returncode:
            return [f"{name}: ended with {process.returncode}: {error.decode()[-300:]}"]
        return []

    def undisturbed(self, name: str) -> tuple[bytes, float]:
        """What a command leaves where nothing disturbs it, and in how many seconds."""
        began, out = time.monotonic(), self._folder / f"{name}-whole"
        wrong = self.ended(name, out)
        if wrong:
            raise RuntimeError(wrong[0])
        return TRIED[name].told(out), time.monotonic() - began

    def kills(self, name: str, count: int, draw: random.Random) -> dict[str, Any]:
        """Kills a command that many times, over as many outputs as it takes, and says what came of it."""
        wrong: list[str] = []
        expected, usual = self.undisturbed(name)
        done = outputs = 0
        while done < count:
            out = self._folder / f"{name}-{outputs}"
            for _ in range(min(8, count - done)):
                process = self.start(name, out)
                try:
                    error = process.communicate(timeout=draw.uniform(0, usual))[1]
                    if process.returncode:
                        wrong.append(f"{name}: ended with {process.returncode}: {error.decode()[-300:]}")
                except subprocess.TimeoutExpired:
                    done += 1
                    process.kill()
                    process.communicate()
                    if not _vanished(process.pid):
                        wrong.append(f"{name}: a process outlived its parent")
            wrong += self._after(name, out, expected, f"output {outputs}")
            outputs += 1
        return {"kills": done, "outputs": outputs, "seconds_undisturbed": round(usual, 1), "wrong": wrong}

    def errors(self, name: str, code: str, draw: random.Random, most: int) -> dict[str, Any]:
        """Lets each change of the file system below the output fail, one a run, `most` of them by chance
        (those of a cache last).
        """
        wrong: list[str] = []
        out = self._folder / f"{name}-{code}"
        changes = self._changes(name, out)
        expected = TRIED[name].told(out)
        kept = [i for i, change in enumerate(changes) if f"{out}/cache" not in change]
        chosen = draw.sample(kept, min(len(kept), most))
        others = sorted(set(range(len(changes))) - set(kept))
        chosen += draw.sample(others, min(len(others), most - len(chosen)))
        unharmed = 0
        for number in chosen:
            shutil.rmtree(out)
            what = f"{code} at {changes[number].replace(str(self._folder), '')}"
            process = self.start(name, out, self._fault(out, number, code))
            wrong += self._judged(process, name, out, expected, what, code)
            unharmed += process.returncode == 0
        facts = {"changes": len(changes), "outside_of_a_cache": len(kept), "failed": len(chosen)}
        return {**facts, "unharmed": unharmed, "wrong": wrong}

    def full(self, name: str, draw: random.Random, most: int) -> dict[str, Any]:
        """Runs a command `most` times where no file may be larger than so many bytes, from 1 to as large as
        its largest: writing fails in the middle, in whatever library writes.
        """
        wrong: list[str] = []
        out = self._folder / f"{name}-EFBIG"
        wrong += self.ended(name, out)
        expected = TRIED[name].told(out)
        largest = max(p.stat().st_size for p in out.rglob("*") if p.is_file())
        unharmed = 0
        for _ in range(most):
            shutil.rmtree(out)
            limit = int(math.exp(draw.uniform(0, math.log(largest))))
            process = self.start(name, out, largest=limit)
            wrong += self._judged(process, name, out, expected, f"files up to {limit} bytes", "EFBIG")
            unharmed += process.returncode == 0
        return {"largest": largest, "failed": most, "unharmed": unharmed, "wrong": wrong}

    def _judged(
        self, process: subprocess.Popen[bytes], name: str, out: Path, expected: bytes, what: str, code: str
    ) -> list[str]:
        """Waits for a command that something was refused; what is wrong with how it ends, and with what it
        leaves when it is begun again.
        """
        wrong = []
        error = process.communicate()[1].decode()
        if not _vanished(process.pid):
            wrong.append(f"{name}, {what}: a process outlived its parent")
        if process.returncode == 0:
            if TRIED[name].told(out) != expected:
                wrong.append(f"{name}, {what}: ended well with another result")
        elif process.returncode != 3 or "Traceback" in error or len(error.splitlines()) > 4:
            wrong.append(f"{name}, {what}: ended with {process.returncode}: {error[-300:]}")
        elif os.strerror(getattr(errno, code)).lower() not in error.lower():
            wrong.append(f"{name}, {what}: does not say so: {error[-300:]}")
        return wrong + self._after(name, out, expected, what)

    def _fault(self, out: Path, number: int, code: str) -> str:
        counter = self._folder / "changes.txt"
        counter.unlink(missing_ok=True)
        return "\n".join([str(out), str(counter), str(number), code])

    def _changes(self, name: str, out: Path) -> list[str]:
        process = self.start(name, out, self._fault(out, -1, "EIO"))
        process.communicate()
        return (self._folder / "changes.txt").read_text().splitlines()

    def _after(self, name: str, out: Path, expected: bytes, what: str) -> list[str]:
        """Runs a disturbed command to its end, now undisturbed; what is not as if nothing had been."""
        wrong = self.ended(name, out)
        if not wrong and TRIED[name].told(out) != expected:
            wrong.append(f"{name}, {what}: differs from what an undisturbed run leaves")
        rest = [p.name for p in out.rglob("*.part") if "cache" not in p.parts]
        if rest:  # a cache drops its own after an hour
            wrong.append(f"{name}, {what}: left {rest[:3]}")
        return wrong


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
    parser.add_argument("--errors", type=int, default=400)
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
        if asked.kills or asked.errors:
            wrong += disturbed(asked, Path(folder) / "disturbed")
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
        "command": command_of(asked, "videos"),
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


def disturbed(asked: argparse.Namespace, folder: Path) -> list[str]:
    """The campaigns of kills and of errors; what went wrong."""
    run, draw = Commands(folder, asked.workers), random.Random(asked.seed)
    wrong = []
    if asked.kills:
        found = {name: run.kills(name, -(-asked.kills // len(TRIED)), draw) for name in TRIED}
        wrong += [text for facts in found.values() for text in facts["wrong"]]
        write(asked.out / "kills.json", {"command": command_of(asked, "kills"), "commands": found})
    if asked.errors:
        most = -(-asked.errors // (len(TRIED) * (len(CODES) + 1)))
        failed = {
            n: {**{code: run.errors(n, code, draw, most) for code in CODES}, "EFBIG": run.full(n, draw, most)}
            for n in TRIED
        }
        wrong += [text for one in failed.values() for facts in one.values() for text in facts["wrong"]]
        write(asked.out / "errors.json", {"command": command_of(asked, "errors"), "commands": failed})
    return wrong


def command_of(asked: argparse.Namespace, campaign: str) -> str:
    """The command that makes one of the campaigns."""
    given = [f"--{name} {getattr(asked, name) if name == campaign else 0}" for name in CAMPAIGNS]
    return " ".join(
        ["python -m experiments.faults", *given, f"--seed {asked.seed} --workers {asked.workers}"]
    )


def write(path: Path, facts: dict[str, Any]) -> None:
    """Facts with the machine and versions, as JSON."""
    whole = {**facts, "machine": f"{platform.system()} {platform.machine()}", "versions": versions()}
    write_bytes(path, (json.dumps(whole, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
