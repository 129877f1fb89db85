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
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import archive
from synvid_eval.errors import DataError, SynvidEvalError
from synvid_eval.execute import Task, read_message, write_message
from synvid_eval.sets import PresetClip, open_clip
from synvid_eval.video import encode
from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Reader, Unreadable, all_frames

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


def put(temporary: Path, path: Path) -> None:
    """Renames what is complete, in place of whatever an earlier run left there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    os.replace(temporary, path)


class Clip:
    """A clip that may be drawn or decoded more than once."""

    def __init__(self, ref: ClipRef) -> None:
        self._ref = ref
        self.reader: Reader = open_clip(ref)
        self._held: list[Frame] | None = []
        self._bytes = 0
        self._drawn = False

    def frames(self) -> Iterator[Frame]:
        """All frames in order."""
        if self._drawn and self._held is not None:
            yield from self._held
            return
        for frame in all_frames(self.reader if not self._drawn else open_clip(self._ref)):
            if not self._drawn and self._held is not None:
                self._bytes += frame.nbytes
                self._held.append(frame)
                if self._bytes > _HELD:
                    self._held = None
            yield frame
        self._drawn = True

    def truth(self, kinds: list[str]) -> dict[str, NDArray[Any]]:
        """What is exactly known of all frames; nothing of a real clip."""
        if not isinstance(self.reader, PresetClip):
            return {}
        return self.reader.truth(range(self.reader.total), kinds)


def write(task: Task, kind: str, kinds: list[str]) -> dict[str, Any]:
    """Writes a clip as `clip_task` says, in a format of `encode.FORMATS`, with truth of those kinds; its
    record.

    Raises:
        DataError: what cannot be drawn, encoded or written.
    """
    ref = ClipRef(**task["clip"])
    file, record = Path(task["file"]), Path(task["record"])
    made: list[Path] = []
    try:
        clip = Clip(ref)
        fps = clip.reader.fps or 25.0
        truth = clip.truth(kinds) if kinds else {}
        inside = task["truth_file"] == task["file"]
        part = aside(file)
        made.append(part)
        _remove(part)
        hashed = encode.Hashed(clip.frames())
        encode.write_clip(part, kind, hashed, fps, **(truth if inside else {}))
        lost = encode.loss(part, kind, clip.frames)
        if truth and not inside:
            other = Path(task["truth_file"])
            made.append(aside(other))
            encode.write_npz(aside(other), truth, compressed=True)
            put(aside(other), other)
        put(part, file)
        row = {
            **task["row"],
            "frames": hashed.frames,
            "height": hashed.size[0],
            "width": hashed.size[1],
            "fps": fps,
            "sha256": hashed.sha256,
            "psnr": lost,
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


def refused(path: Path, error: OSError) -> DataError:
    """The error of a file that the system does not let us write."""
    return DataError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Is there room, may you write there? The same command goes on from here.",
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _textures(setup: Task, indices: list[int]) -> None:
    from synvid_eval.generators import pool as pools

    bank = setup["bank"]
    (recipe,) = pools.recipes(bank["textures"], bank["images"])
    where = Path(bank["folder"])
    pool = pools.Pool(recipe, bank["seed"], bank["pool"], bank["count"], where, recipe.name)
    pool.need(indices)
    if pool.path is None:  # it went on in memory
        raise DataError(f"{where} cannot be written.", "Is there room, may you write there?")


def _serve(setup: Task, pipe_in: IO[bytes], pipe_out: IO[bytes]) -> None:
    while (message := read_message(pipe_in)) is not None:
        task = json.loads(message[1])
        row: dict[str, Any] = {}
        if "textures" in task:
            _textures(setup, task["textures"])
        else:
            row = write(task, setup["format"], setup["truth"])
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
