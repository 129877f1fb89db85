"""What tests of adapted and of corrupted sets share: small sets of arrays and of videos (fixtures `array_set`
and `video_set`), and what holds of both commands that write such sets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval import generation
from synvid_eval.sets import open_clip
from synvid_eval.video import decode, encode
from synvid_eval.video.decode import ClipRef, FewerFrames
from synvid_eval.video.videoset import VideoSet
from tests.clips import moving, write_video
from tests.conftest import Run
from tests.test_generation import killed, same_trees

TOTAL, HEIGHT, WIDTH = 40, 32, 48
COUNT = 4


def arrays(root: Path, count: int = COUNT, first: int = 0) -> Path:
    """A folder of clips in `.npz` files, of TOTAL frames and up to two more."""
    root.mkdir(exist_ok=True)
    for k in range(first, first + count):
        np.savez(root / f"{k:03}.npz", frames=moving(TOTAL + k % 3, HEIGHT, WIDTH, seed=k))
    return root


def videos(root: Path) -> Path:
    """COUNT videos in two classes."""
    for k in range(COUNT):
        (root / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        write_video(root / "ab"[k % 2] / f"{k}.avi", moving(36, HEIGHT, WIDTH, seed=k))
    return root


def frames_of(ref: ClipRef, wanted: Sequence[int] | None = None) -> np.ndarray:
    """The frames of a clip, or the wanted ones."""
    reader = open_clip(ref)
    return np.stack([f for _, f in reader.frames(range(reader.total) if wanted is None else wanted)])


class Short(decode.ArrayClip):
    """A clip that announces two frames more than it has."""

    def __init__(self, ref: Any, *opened: Any) -> None:
        super().__init__(ref, *opened)
        self.has, self.total = self.total, self.total + 2

    def frames(self, wanted: Any) -> Any:
        yield from super().frames([i for i in wanted if i < self.has])
        if self.total > self.has:
            raise FewerFrames(self.has)


Make = Callable[..., generation.Made]
"""(OUT, SET, keywords of the plan) → what was made."""


def holds_what_is_read(out: Path, done: generation.Made, opened: VideoSet) -> None:
    """The files (ffv1) hold the frames of the clips of `videos`, whose hashes and labels are told."""
    assert [row["id"] for row in done.rows] == opened.ids
    for row, ref in zip(done.rows, opened.clips, strict=True):
        wanted = frames_of(ref)
        assert np.array_equal(np.stack(list(encode.read_clip(out / row["file"], "ffv1"))), wanted)
        assert row["sha256"] == hashlib.sha256(wanted.tobytes()).hexdigest()
        assert (row["preset"], row["label"], row["truth"]) == ("videos", ref.label, None)
    assert not list(out.rglob(".*"))


def is_the_same_by_workers_and_shards(make: Make, root: Path, folder: Path) -> None:
    """No byte of a set, nor of its manifest, is another."""
    make(folder / "one", root, kind="npz")
    make(folder / "two", root, kind="npz", workers=2)
    assert same_trees(folder / "one", folder / "two")
    for k in range(2):
        make(folder / "parts", root, kind="npz", shard=(k, 2))
    generation.merge(folder / "parts")
    whole, parts = ((folder / d / "manifest.jsonl").read_bytes() for d in ("one", "parts"))
    assert whole == parts


def survives_a_kill(
    command: str, root: Path, options: Sequence[str], folder: Path, env: dict[str, str], run_cli: Run
) -> None:
    """A run that is killed and goes on makes what an undisturbed one does."""
    args = [command, str(root), str(folder / "killed"), *options, "--workers", "2", "--cache", "none", "-q"]
    assert killed(args, folder / "killed", env, 1) <= 1
    assert run_cli(*args).returncode == 0
    args[2] = str(folder / "once")
    assert run_cli(*args).returncode == 0
    assert same_trees(folder / "once", folder / "killed")


def is_refused(
    command: str, args: Sequence[str], code: int, message: str, root: Path, folder: Path, run_cli: Run
) -> None:
    """In one line, with nothing made; SET and OUT in `args` stand for the set and for a folder."""
    out = folder / "out"
    words = [a.replace("SET", str(root)).replace("OUT", str(out)) for a in args]
    done = run_cli(command, *words, "--cache", "none", "-q")
    assert done.returncode == code and message in done.stderr and done.stderr.count("\n") == 1
    assert not out.exists()


def is_rehearsed_made_and_kept(
    command: str, root: Path, options: Sequence[str], folder: Path, run_cli: Run
) -> None:
    """Three clips: rehearsed without a trace, made, and not made again."""
    args = [command, str(root), str(folder / "out"), *options, "--clips", "3"]
    args += ["--format", "npz", "--cache", str(folder / "cache")]
    rehearsed = run_cli(*args, "--dry-run")
    assert rehearsed.returncode == 0 and "set: 3 clips" in rehearsed.stdout
    assert not (folder / "out").exists()
    done = run_cli(*args, "--json", "-")
    facts = json.loads(done.stdout)
    assert done.returncode == 0 and (facts["clips"], facts["made"]) == (3, 3)
    assert json.loads(run_cli(*args, "--json", "-").stdout)["kept"] == 3


def is_compared_and_inspected(location: str, said: str, root: Path, run_cli: Run) -> None:
    """A set made by a scheme is a SET to other commands; said: what `inspect` says of it."""
    compared = run_cli("compare", str(root), location, "--metrics", "color", "--cache", "none", "--json", "-")
    assert compared.returncode == 0, compared.stderr
    looked = run_cli("inspect", location)
    assert looked.returncode == 0 and said in looked.stdout
