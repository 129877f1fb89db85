"""Executors: each an order-preserving map of tasks. One serial, one over worker processes that may crash or
hang.

Worker processes are started as `python -m MODULE`, not forked: no threads are cloned, and a user's script
needs no `__main__` guard. Tasks go in as JSON, results come back as `archive` blobs, each with its length in
front. A worker that dies or gives no new frame for `timeout` seconds is replaced; its task comes back as a
Failure, the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, TypeAlias

from synvid_eval import archive
from synvid_eval.states import Arrays

Task: TypeAlias = dict[str, Any]
Reply: TypeAlias = tuple[Arrays, dict[str, Any]]

# A task with this key is sent nowhere: it comes back at its turn (a shard that a cache held, say).
HERE = "here"

# Tasks that may be done ahead of the oldest unfinished one: bounds memory, and lets others go on beside a
# slow clip.
WINDOW = 64


@dataclass(frozen=True)
class Failure:
    """A task whose worker crashed ("crash") or hung ("hang")."""

    kind: str
    reason: str


class WorkerBug(Exception):
    """A worker raised an error of its own (a plug-in's bug): the message holds its traceback's last line."""

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message)
        self.traceback = traceback


class Serial:
    """Runs tasks in this process, one after the other."""

    def __init__(self, handle: Callable[[Task], Reply]) -> None:
        self._handle = handle

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Reply | Failure]]:
        """(task, reply) in order."""
        for task in tasks:
            yield task, ({}, {}) if HERE in task else self._handle(task)

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    busy: deque[int] = field(default_factory=deque)
    heard: float = 0.0
    waiting: bool = False
    ready: bool = False


class Processes:
    """Runs tasks in `workers` processes of `python -m module`; `setup` is sent to each before any task."""

    def __init__(
        self, module: str, workers: int, setup: Task, timeout: float = 60.0, loud: bool = False
    ) -> None:
        self._module, self._count, self._setup = module, max(1, workers), setup
        self._timeout, self._loud = timeout, loud
        self._inbox: queue.Queue[tuple[_Worker, bytes, bytes]] = queue.Queue()
        self._workers: list[_Worker] = []

    def _start(self) -> _Worker:
        one = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
        process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if self._loud else subprocess.DEVNULL,
            env={**os.environ, **one, "SYNVID_EVAL_WORKER": "1"},
        )
        worker = _Worker(process, heard=time.monotonic())
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        self._send(worker, self._setup)
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        while True:
            message = read_message(worker.process.stdout)
            if message is None:
                worker.process.wait()
                self._inbox.put((worker, b"X", b""))
                return
            self._inbox.put((worker, *message))

    def _send(self, worker: _Worker, task: Task) -> None:
        assert worker.process.stdin is not None
        with contextlib.suppress(OSError):  # a dead worker is noticed by its listener
            write_message(worker.process.stdin, b"T", json.dumps(task).encode())

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Reply | Failure]]:
        """(task, reply or Failure) in the order of `tasks`, at most WINDOW of them in flight.

        Raises WorkerBug where a worker's own code raised.
        """
        try:
            yield from self._map(iter(tasks))
        except BaseException:
            self.close()  # unfinished tasks must not answer a later call
            raise

    def _map(self, source: Iterator[Task]) -> Iterator[tuple[Task, Reply | Failure]]:
        pending: deque[int] = deque()
        order: deque[int] = deque()
        open_tasks: dict[int, Task] = {}
        done: dict[int, Reply | Failure] = {}
        number = 0
        exhausted = False
        while True:
            while not exhausted and len(order) < WINDOW:
                try:
                    open_tasks[number] = next(source)
                except StopIteration:
                    exhausted = True
                    break
                if HERE in open_tasks[number]:
                    done[number] = ({}, {})
                else:
                    pending.append(number)
                order.append(number)
                number += 1
            while order and order[0] in done:
                first = order.popleft()
                yield open_tasks.pop(first), done.pop(first)
                if not exhausted:
                    break
            else:
                if exhausted and not order:
                    return
                self._deal(pending, open_tasks)
                self._wait(pending, done)

    def _deal(self, pending: deque[int], open_tasks: dict[int, Task]) -> None:
        """Gives each worker up to two tasks (one in work, one waiting in its pipe), starting workers as
        needed.
        """
        # one that died with nothing to do is no task's fault
        self._workers = [w for w in self._workers if w.busy or w.process.poll() is None]
        while len(self._workers) < self._count and len(pending) > len(self._workers):
            self._workers.append(self._start())
        if not self._workers and pending:
            self._workers.append(self._start())
        for depth in (1, 2):
            for worker in self._workers:
                if pending and len(worker.busy) < depth:
                    number = pending.popleft()
                    worker.busy.append(number)
                    self._send(worker, {**open_tasks[number], "number": number})

    def _wait(self, pending: deque[int], done: dict[int, Reply | Failure]) -> None:
        try:
            worker, kind, payload = self._inbox.get(timeout=min(1.0, self._timeout / 4))
        except queue.Empty:
            self._stop_hanging(pending, done)
            return
        if worker not in self._workers:
            return  # the last words of one that was stopped
        worker.heard = time.monotonic()
        worker.ready = worker.ready or kind == b"M"
        if kind == b"X":
            self._replace(worker, pending, done, "crash", _died(worker.process.returncode))
        elif kind == b"D":
            worker.waiting = True
        elif kind == b"M":
            worker.waiting = False
        elif kind == b"R":
            worker.waiting = False
            arrays, meta = archive.unpack(payload)
            done[worker.busy.popleft()] = (arrays, meta)
        elif kind == b"E":
            facts = json.loads(payload)
            raise WorkerBug(facts["message"], facts["traceback"])
        self._stop_hanging(pending, done)

    def _stop_hanging(self, pending: deque[int], done: dict[int, Reply | Failure]) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.busy and worker.waiting and now - worker.heard > self._timeout:
                worker.process.kill()
                reason = f"hung: no new frame for {self._timeout:g} s (--decode-timeout)"
                self._replace(worker, pending, done, "hang", reason)

    def _replace(
        self, worker: _Worker, pending: deque[int], done: dict[int, Reply | Failure], kind: str, reason: str
    ) -> None:
        self._workers.remove(worker)
        if not worker.ready:
            raise WorkerBug(f"a worker process ended before it could take a task: it {reason}", "")
        if not worker.busy:  # it had nothing to do, so nothing is lost
            return
        done[worker.busy.popleft()] = Failure(kind, reason)
        pending.extendleft(reversed(worker.busy))

    def close(self) -> None:
        """Ends all workers at once."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
        self._workers.clear()


def _died(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"crashed its worker process ({signal.Signals(-code).name})"
    return f"crashed its worker process (exit code {code})"


def read_message(pipe: IO[bytes]) -> tuple[bytes, bytes] | None:
    """The next (kind, payload) of a pipe; None at its end."""
    head = pipe.read(9)
    if len(head) < 9:
        return None
    kind, size = struct.unpack("<cQ", head)
    payload = pipe.read(size)
    return (kind, payload) if len(payload) == size else None


def write_message(pipe: IO[bytes], kind: bytes, payload: bytes = b"") -> None:
    """Writes one (kind, payload) and flushes. Kinds: T task, R reply, D decoding, M measuring, E error."""
    pipe.write(struct.pack("<cQ", kind, len(payload)) + payload)
    pipe.flush()
