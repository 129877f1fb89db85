"""The worker: one clip in, its features' states out. Runs as `python -m synvid_eval.worker`, or in this
process.

Each clip is decoded once, whatever the number of features; a full frame lives only until the views of it are
taken.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import IO, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from synvid_eval.derived import is_drawn
from synvid_eval.errors import SynvidEvalError, UsageError
from synvid_eval.execute import Reply, Task, limit_memory, read_message, write_message
from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.sets import open_clip
from synvid_eval.states import Arrays, kind_of
from synvid_eval.video.decode import ClipRef, FewerFrames, Reader, Unreadable
from synvid_eval.video.sampling import Plan, Sampler

T = TypeVar("T")
Beat = Callable[[bytes], None]


def _silent(_: bytes) -> None:
    return None


def class_path(feature: Feature) -> str:
    """`module:Class` of a feature, by which another process imports it."""
    return f"{type(feature).__module__}:{type(feature).__qualname__}"


def _class_at(path: str) -> type[Feature]:
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"The feature {path} cannot be imported by a worker process ({error}).",
            "Put it into a module of its own.",
        ) from None
    return cast(type[Feature], found)


def setup_task(features: Sequence[Feature], sampler: Sampler, seed: int, loud: bool = False) -> Task:
    """What a worker is told once: features with their knobs, sampler, seed."""
    from synvid_eval import knobs

    return {
        "features": [{"class": class_path(f), "knobs": knobs.values(f)} for f in features],
        "path": [p for p in sys.path if p],
        "sampler": knobs.values(sampler),
        "seed": seed,
        "loud": loud,
    }


class Worker:
    """Measures clips with the given features. `array` is the set that "memory" clips index."""

    def __init__(
        self, features: Sequence[Feature], sampler: Sampler, seed: int, array: NDArray[Any] | None = None
    ) -> None:
        self._features = {f.name: f for f in features}
        self._sampler, self._seed, self._array = sampler, seed, array

    @classmethod
    def from_setup(cls, setup: Task) -> Worker:
        """The worker that `setup_task` describes."""
        # what the parent can import (a plug-in beside a script), after everything of this process's own
        sys.path += [p for p in setup["path"] if p not in sys.path]
        features = [_class_at(f["class"])(**f["knobs"]) for f in setup["features"]]
        return cls(features, Sampler(**setup["sampler"]), setup["seed"])

    def warm_up(self) -> None:
        """Takes every view of a small frame and loads networks: done before a clip is waited for."""
        frame = np.arange(48 * 48 * 3, dtype=np.uint64).reshape(48, 48, 3).astype(np.uint8)
        for feature in self._features.values():
            feature.view()(frame)
            feature.prepare()

    def measure(self, task: Task, beat: Beat = _silent) -> Reply:
        """The reply to `{"clip": ClipRef as dict, "features": [names]}`: state arrays and a record of the
        clip.

        The record has `total` frames, `looked` (number looked at), `fps`, `size` [height, width], `notes`,
        and a feature's summary and state kinds; or `skipped`, the reason why the clip cannot be read.
        """
        ref = ClipRef(**task["clip"])
        features = [self._features[name] for name in task["features"]]
        try:
            record, results = self._look(ref, features, beat)
        except Unreadable as error:
            return {}, {"skipped": str(error), "lasting": error.lasting, "again": error.again}
        arrays: Arrays = {}
        for name, result in results.items():
            kinds = {}
            for state_name, state in result.states.items():
                kinds[state_name] = kind_of(state)
                arrays.update({f"{name}/{state_name}/{k}": a for k, a in state.to_arrays().items()})
            record["features"][name] = {"summary": dict(result.summary), "states": kinds}
        return arrays, record

    def results(self, ref: ClipRef) -> dict[str, ClipResult]:
        """Feature → what it makes of one clip; Unreadable where that cannot be read."""
        return self._look(ref, list(self._features.values()), _silent)[1]

    def _look(
        self, ref: ClipRef, features: Sequence[Feature], beat: Beat
    ) -> tuple[dict[str, Any], dict[str, ClipResult]]:
        if is_drawn(ref):  # which may take long: no file that hangs
            beat = functools.partial(_drawing, beat)
        beat(b"D")
        reader = open_clip(ref, self._array, lambda: beat(b"D"))
        total = reader.total
        notes: list[str] = []
        try:
            plan, views, size = self._views(reader, total, ref.id, features, beat)
        except FewerFrames as short:
            if not short.decoded:
                raise Unreadable("no frame decodes") from None
            notes.append(
                f"{total} frames announced, {short.decoded} decode: looked at again with {short.decoded}"
            )
            reader, total = open_clip(ref, self._array, lambda: beat(b"D")), short.decoded
            reader.total = total
            try:
                plan, views, size = self._views(reader, total, ref.id, features, beat)
            except FewerFrames as again:
                raise Unreadable(f"decodes {total} frames once and {again.decoded} the next time") from None
        notes += getattr(reader, "notes", [])
        beat(b"M")
        results = {}
        for feature in features:
            look = Look(ref.id, self._seed, plan.frames, plan.runs, views[feature.view()])
            results[feature.name] = feature.measure(look)
        record: dict[str, Any] = {
            "total": total,
            "looked": len(plan.frames),
            "fps": reader.fps,
            "size": size,
            "notes": notes,
            "features": {},
        }
        return record, results

    def _views(
        self, reader: Reader, total: int, clip: str, features: Sequence[Feature], beat: Beat
    ) -> tuple[Plan, dict[View, dict[int, NDArray[Any]]], list[int]]:
        plan = self._sampler.plan(total, clip, self._seed)
        wanted: dict[View, set[int]] = {}
        for feature in features:
            of_runs = feature.looks_at == "runs"
            taken = feature.wants_of_runs(plan.runs) if of_runs else feature.wants(plan.frames)
            wanted.setdefault(feature.view(), set()).update(taken)
        views: dict[View, dict[int, NDArray[Any]]] = {view: {} for view in wanted}
        size = [0, 0]
        # all of the plan, whatever the features: which clips can be read must not depend on what is asked
        for index, frame in _guarded(lambda: reader.frames(plan.wanted())):
            beat(b"D")
            size = list(frame.shape[:2])
            for view, indices in wanted.items():
                if index in indices:
                    try:
                        views[view][index] = view(frame)
                    except MemoryError as error:
                        raise Unreadable.because(error, f"frame {index}: ") from None
        return plan, views, size


def _drawing(beat: Beat, kind: bytes) -> None:
    beat(b"M")


def _guarded(read: Callable[[], Iterable[T]]) -> Iterator[T]:
    """What a reader gives; whatever else it raises is the file's fault: unreadable, no bug of ours."""
    try:
        yield from read()
    except (Unreadable, FewerFrames, SynvidEvalError):
        raise
    except Exception as error:
        raise Unreadable.because(error) from error


class _Heart:
    """Tells the parent of new frames (D) and of measuring (M): at once when that changes or a task begins,
    else every `every` seconds at most.
    """

    def __init__(self, pipe: IO[bytes], every: float) -> None:
        self._pipe, self._every = pipe, every
        self._kind, self._last = b"", 0.0

    def begin(self) -> None:
        """A task begins."""
        self._kind = b""

    def __call__(self, kind: bytes) -> None:
        now = time.monotonic()
        if kind != self._kind or now - self._last > self._every:
            self._kind, self._last = kind, now
            write_message(self._pipe, kind)


def main() -> None:
    """Reads tasks from standard input until it ends, answers on standard output."""
    import signal

    import cv2
    from threadpoolctl import threadpool_limits

    # the parent decides what an interrupt means, and what a scheduler means that ends a job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    limit_memory()
    # whatever a library prints must not get between the messages
    pipe_out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    pipe_in = sys.stdin.buffer
    message = read_message(pipe_in)
    if message is None:
        return
    try:
        setup = json.loads(message[1])
        cv2.setNumThreads(1)
        if not setup["loud"]:
            import av

            av.logging.set_level(None)
        with threadpool_limits(1):
            worker = Worker.from_setup(setup)
            worker.warm_up()
            write_message(pipe_out, b"M")
            _serve(worker, pipe_in, pipe_out, setup["beat"])
    except (BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:
        _tell_bug(pipe_out, error, "setting up")


def _serve(worker: Worker, pipe_in: IO[bytes], pipe_out: IO[bytes], every: float) -> None:
    from synvid_eval import archive

    heart = _Heart(pipe_out, every)
    while (message := read_message(pipe_in)) is not None:
        task = json.loads(message[1])
        heart.begin()
        try:
            arrays, record = worker.measure(task, heart)
        except Exception as error:
            _tell_bug(pipe_out, error, f"clip {task['clip']['id']}")
            return
        write_message(pipe_out, b"R", archive.pack(arrays, record))


def _tell_bug(pipe_out: IO[bytes], error: Exception, doing: str) -> None:
    text = traceback.format_exc()
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    facts: dict[str, Any] = {
        "message": f"{type(error).__name__}: {error} ({doing}, at {where})",
        "traceback": text,
    }
    if isinstance(error, SynvidEvalError):
        facts |= {"code": error.code, "message": error.message, "hint": error.hint}
    write_message(pipe_out, b"E", json.dumps(facts).encode())


def clip_task(ref: ClipRef, features: Sequence[str]) -> Task:
    """The task of measuring one clip with the features of those names."""
    return {"clip": asdict(ref), "features": list(features)}


if __name__ == "__main__":
    main()
