"""The writer: one clip of a set in, its files out, drawn and encoded; or textures of a bank. Runs as a
process of its own (`python -m synvid_eval.writer`).

What belongs to a clip is written aside and renamed, its record last: where there is a record, there is the
clip.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import archive
from synvid_eval.errors import DataError, SynvidEvalError, unwritten
from synvid_eval.execute import Heart, Task, read_message, silent, write_message
from synvid_eval.sets import PresetClip, open_clip
from synvid_eval.video import encode
from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Reader, Unreadable, all_frames

if TYPE_CHECKING:
    from synvid_eval.generators.pool import Pool

# A clip of at most that many bytes is kept while it is compared with what was written; a longer one is drawn
# twice.
_HELD = 1 << 28


def clip_task(ref: ClipRef, file: Path, truth_file: Path | None, record: Path, row: dict[str, Any]) -> Task:
    """The task of writing one clip.

    file, truth_file, record: what is written. truth_file may be `file` (an npz). row: what else the record
    says.
    """
    return {
        "clip": asdict(ref),
        "file": os.fspath(file),
        "truth_file": None if truth_file is None else os.fspath(truth_file),
        "record": os.fspath(record),
        "row": row,
    }


def texture_task(indices: list[int]) -> Task:
    """The task of making some textures of the bank that the setup names."""
    return {"textures": indices}


def aside(path: Path) -> Path:
    """Where what belongs under `path` is written first, by this process."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def files_of(path: Path) -> list[Path]:
    """A file, or the files of a folder of pictures."""
    return [path / name for name in os.listdir(path)] if path.is_dir() else [path]


def size_of(path: Path) -> int:
    """Bytes of a file, or of the files of a folder of pictures together; −1 where there is none."""
    try:
        return sum(file.stat().st_size for file in files_of(path))
    except OSError:
        return -1


def settle(path: Path) -> None:
    """Sees that a file, or the files of a folder of pictures, are on the disk, as a power cut would ask."""
    for name in files_of(path):
        with open(name, "rb+") as file:
            os.fsync(file.fileno())


def put(temporary: Path, path: Path) -> None:
    """Renames what is complete and on the disk, in place of whatever an earlier run left there."""
    settle(temporary)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    os.replace(temporary, path)


class Clip:
    """A clip that may be drawn or decoded more than once. `beat` is called for every frame."""

    def __init__(self, ref: ClipRef, beat: Callable[[], None] = silent) -> None:
        self._ref, self._beat = ref, beat
        self.reader: Reader = open_clip(ref, None, beat)
        self._held: list[Frame] | None = []
        self._bytes = 0
        self._drawn = False

    def frames(self) -> Iterator[Frame]:
        """All frames in order."""
        for frame in self._frames():
            self._beat()
            yield frame

    def _frames(self) -> Iterator[Frame]:
        if self._drawn and self._held is not None:
            yield from self._held
            return
        for frame in all_frames(self.reader if not self._drawn else open_clip(self._ref, None, self._beat)):
            if not self._drawn and self._held is not None:
                self._bytes += frame.nbytes
                self._held.append(frame)
                if self._bytes > _HELD:
                    self._held = None
            yield frame
        self._drawn = True

    def redrawn(self) -> int:
        """How often the clip was drawn again; 0 for a real one."""
        return self.reader.redrawn() if isinstance(self.reader, PresetClip) else 0

    def truth(self, kinds: list[str]) -> dict[str, NDArray[Any]]:
        """What is exactly known of all frames; nothing of a real clip."""
        if not isinstance(self.reader, PresetClip):
            return {}
        return self.reader.truth(range(self.reader.total), kinds)


def write(task: Task, kind: str, kinds: list[str], beat: Callable[[], None] = silent) -> dict[str, Any]:
    """Writes a clip as `clip_task` says, in a format of `encode.FORMATS`, with truth of those kinds; its
    record. `beat` is called for every frame that is read or drawn.

    Raises:
        DataError: what cannot be drawn, encoded or written.
    """
    ref = ClipRef(**task["clip"])
    file, record = Path(task["file"]), Path(task["record"])
    made: list[Path] = []
    try:
        clip = Clip(ref, beat)
        fps = clip.reader.fps or 25.0
        truth = clip.truth(kinds) if kinds else {}
        inside = task["truth_file"] == task["file"]
        part = aside(file)
        made.append(part)
        _remove(part)
        hashed = encode.Hashed(clip.frames())
        encode.write_clip(part, kind, hashed, fps, **(truth if inside else {}))
        lost, truth_bytes = encode.loss(part, kind, clip.frames), None
        if truth and not inside:
            other = Path(task["truth_file"])
            made.append(aside(other))
            encode.write_npz(aside(other), truth, compressed=True)
            truth_bytes = size_of(aside(other))
            put(aside(other), other)
        size = size_of(part)
        put(part, file)
        row = {
            **task["row"],
            "frames": hashed.frames,
            "height": hashed.size[0],
            "width": hashed.size[1],
            "fps": fps,
            "sha256": hashed.sha256,
            "psnr": lost,
            "bytes": size,
            "truth_bytes": truth_bytes,
            "redrawn": clip.redrawn(),
        }
        if not truth:
            row["truth"] = None
        made.append(aside(record))
        aside(record).write_text(json.dumps(row, sort_keys=True) + "\n", "utf-8")
        put(aside(record), record)
        return row
    except (Unreadable, FewerFrames) as error:
        raise DataError(f"Clip {ref.id} cannot be read: {error}.") from None
    except DataError as error:
        raise DataError(f"Clip {ref.id}: {error.message}", error.hint) from None
    except OSError as error:
        raise refused(file, error) from None
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                _remove(path)


def refused(path: Path, error: OSError | str) -> DataError:
    """The error of a file that the system does not let us write, and why."""
    why, cause = error, "Is there room, may you write there?"
    if isinstance(error, OSError):
        why, cause = error.strerror or str(error), unwritten(error)
    return DataError(f"{path} cannot be written: {why}.", f"{cause} The same command goes on from here.")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bank(bank: Task) -> Pool:
    from synvid_eval.generators import pool as pools

    (recipe,) = pools.recipes(bank["textures"], bank["images"])
    where = Path(bank["folder"])
    return pools.Pool(recipe, bank["seed"], bank["pool"], bank["count"], where, recipe.name)


def _serve(setup: Task, pipe_in: IO[bytes], pipe_out: IO[bytes]) -> None:
    heart = Heart(pipe_out, setup["beat"])
    bank = _bank(setup["bank"]) if "bank" in setup else None
    while (message := read_message(pipe_in)) is not None:
        task = json.loads(message[1])
        row: dict[str, Any] = {}
        if bank is not None:
            bank.need(task["textures"])
            if bank.path is None:  # it went on in memory
                raise refused(Path(setup["bank"]["folder"]), bank.refused)
        else:
            drawn = task["clip"]["kind"] == "preset"  # then it may take long, and is no file that hangs
            if not drawn:
                heart.begin()
            row = write(task, setup["format"], setup["truth"], silent if drawn else heart)
        write_message(pipe_out, b"R", archive.pack({"done": np.ones(1, np.uint8)}, row))


def main() -> None:
    """Reads tasks from standard input until it ends, answers on standard output."""
    import signal

    import av
    import cv2
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    pipe_out = os.fdopen(os.dup(1), "wb")  # whatever a library prints must not get between the messages
    os.dup2(2, 1)
    pipe_in = sys.stdin.buffer
    message = read_message(pipe_in)
    if message is None:
        return
    try:
        setup = json.loads(message[1])
        sys.path += [p for p in setup["path"] if p not in sys.path]
        cv2.setNumThreads(1)
        if not setup["loud"]:
            av.logging.set_level(None)
        with threadpool_limits(1):
            write_message(pipe_out, b"M")
            _serve(setup, pipe_in, pipe_out)
    except (BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
        facts: dict[str, Any] = {
            "message": f"{type(error).__name__}: {error} (at {where})",
            "traceback": traceback.format_exc(),
        }
        if isinstance(error, SynvidEvalError):
            facts |= {"code": error.code, "message": error.message, "hint": error.hint}
        with contextlib.suppress(BrokenPipeError):
            write_message(pipe_out, b"E", json.dumps(facts).encode())


if __name__ == "__main__":
    main()
