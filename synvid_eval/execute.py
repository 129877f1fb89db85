"""Executors: each an order-preserving map of tasks. One serial, one over worker processes that may crash or
hang. An engine says where such processes are: `Local`, or those of a cluster (`ray_engine`).

Worker processes are started as `python -m MODULE`, not forked: no threads are cloned, and a user's script
needs no `__main__` guard. Tasks go in as JSON, results come back as `archive` blobs, each with its length in
front. A worker that dies or gives no new frame for `timeout` seconds is replaced; its task comes back as a
Failure, the others go on.

Where there are as many workers as processors, each keeps to one of its own: on virtual machines whose
scheduler packs what has just slept, two workers were else seen to share a processor beside an idle one
(1.4 × one worker, 2.0 × kept apart). Fewer workers are left to the scheduler, since others may run beside.
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
import sysconfig
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, TypeAlias

from synvid_eval import archive
from synvid_eval.errors import known_error
from synvid_eval.states import Arrays

Task: TypeAlias = dict[str, Any]
Reply: TypeAlias = tuple[Arrays, dict[str, Any]]

# A task with this key is sent nowhere: it comes back at its turn (a shard that a cache held, say).
HERE = "here"

# Tasks that may be done ahead of the oldest unfinished one: bounds memory, and lets others go on beside a
# slow clip.
WINDOW = 64

# How often a task is in work when its worker (on Ray: its actor) is lost before it counts as what ends them.
TRIES = 3

# Importing and compiling may take long on a busy machine; after this many seconds a worker will not come up.
START_TIMEOUT = 600.0

# Workers that are killed while they start, one after the other, before it is said that none comes up.
STILLBORN = 3


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


class Pool(Protocol):
    """What does tasks, in this process or others."""

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Reply | Failure]]:
        """(task, reply or Failure) in the order of `tasks`, of which few are taken ahead.

        Raises WorkerBug where a worker's own code raised.
        """

    def close(self) -> None:
        """Ends what it started; a later `map` starts anew."""


class Engine(Protocol):
    """Where worker processes are."""

    def pool(
        self,
        module: str,
        workers: int,
        setup: Task,
        timeout: float = 60.0,
        loud: bool = False,
        device: str = "cpu",
    ) -> Pool:
        """As many processes of `python -m module` as `workers` says, 0: as the engine has room for.

        Args:
            setup: what each is told before any task. timeout: seconds of silence after which one hangs.
            loud: whether what they print on stderr is shown. device: where they run networks.
        """

    def close(self) -> None:
        """Ends what the engine started, and all of its pools."""


class Local:
    """The engine of this machine."""

    def pool(
        self,
        module: str,
        workers: int,
        setup: Task,
        timeout: float = 60.0,
        loud: bool = False,
        device: str = "cpu",
    ) -> Processes:
        """See `Engine.pool`; by default a process for each processor that this one may use."""
        return Processes(module, workers or usable_processors(), setup, timeout, loud)

    def close(self) -> None:
        """Pools close by themselves."""


def usable_processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    source: Iterator[Task],
    window: Callable[[], int],
    work: Callable[[deque[int], dict[int, Task], dict[int, Reply | Failure]], None],
) -> Iterator[tuple[Task, Reply | Failure]]:
    """(task, reply or Failure) in the order of the tasks, whatever order they are done in.

    Args:
        window: how many may be ahead of the oldest unfinished one. work: gives out tasks by their numbers, of
            those pending (which it takes away), and puts into `done` what came back; called as long as the
            oldest is not done.
    """
    pending: deque[int] = deque()
    order: deque[int] = deque()
    open_tasks: dict[int, Task] = {}
    done: dict[int, Reply | Failure] = {}
    number, exhausted = 0, False
    while True:
        while not exhausted and len(order) < window():
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
            work(pending, open_tasks, done)


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
    processor: int = -1
    busy: deque[int] = field(default_factory=deque)
    silent: float = 0.0  # seconds that the parent listened and heard nothing
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
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._processors = usable if len(usable) == self._count > 1 else []
        self._crashes: Counter[int] = Counter()
        self._stillborn = 0

    def _start(self) -> _Worker:
        one = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                self._module,
            ],  # -P: nothing in the current folder stands for a library
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if self._loud else subprocess.DEVNULL,
            env={**os.environ, **one, "PYTHONPATH": _python_path()},
        )
        worker = _Worker(process, self._own(process.pid))
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        self._send(worker, {**self._setup, "beat": min(0.2, self._timeout / 5)})
        return worker

    def _own(self, pid: int) -> int:
        """Keeps a process to a processor that no other worker has; −1 where it goes where it likes."""
        free = [p for p in self._processors if p not in {w.processor for w in self._workers}]
        with contextlib.suppress(OSError):  # it is gone already, or the system forbids it
            if free:
                os.sched_setaffinity(pid, free[:1])
                return free[0]
        return -1

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
        def work(pending: deque[int], open_tasks: dict[int, Task], done: dict[int, Reply | Failure]) -> None:
            self._deal(pending, open_tasks)
            self._wait(pending, done)

        self._crashes.clear()
        return in_order(source, lambda: max(WINDOW, 4 * self._count), work)

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
        """Takes in what workers say, for a second at most, and stops those that say nothing for too long.

        Only time spent listening counts as silence: not the consumer's, nor that of a suspended process
        group.
        """
        patience = min(1.0, self._timeout / 4)
        began = time.monotonic()
        with contextlib.suppress(queue.Empty):
            self._take(*self._inbox.get(timeout=patience), pending, done)
            while True:
                self._take(*self._inbox.get_nowait(), pending, done)
        listened = min(time.monotonic() - began, patience)
        for worker in list(self._workers):
            worker.silent += listened
            if not worker.ready and worker.silent > START_TIMEOUT:
                raise WorkerBug(f"a worker process did not start within {START_TIMEOUT:g} s", "")
            if worker.busy and worker.waiting and worker.silent > self._timeout:
                worker.process.kill()
                reason = f"hung: no new frame for {self._timeout:g} s (--decode-timeout)"
                self._replace(worker, pending, done, "hang", reason)

    def _take(
        self,
        worker: _Worker,
        kind: bytes,
        payload: bytes,
        pending: deque[int],
        done: dict[int, Reply | Failure],
    ) -> None:
        if worker not in self._workers:
            return  # the last words of one that was stopped
        worker.silent = 0.0
        if kind == b"M":
            worker.ready, self._stillborn = True, 0
        if kind == b"X":
            self._replace(worker, pending, done, "crash", _died(worker.process.returncode))
        elif kind == b"D":
            worker.waiting = True
        elif kind == b"M":
            worker.waiting = False
        elif kind == b"R":
            worker.waiting = False
            done[worker.busy.popleft()] = self._opened(payload)
        elif kind == b"E":
            facts = json.loads(payload)
            if "code" in facts:
                raise known_error(facts["code"], facts["message"], facts["hint"])
            raise WorkerBug(facts["message"], facts["traceback"])

    def _opened(self, blob: bytes) -> Reply:
        return archive.unpack(blob)

    def _replace(
        self, worker: _Worker, pending: deque[int], done: dict[int, Reply | Failure], kind: str, reason: str
    ) -> None:
        self._workers.remove(worker)
        if not worker.ready:
            self._stillborn += 1
            code = worker.process.returncode
            if code is None or code >= 0 or self._stillborn > STILLBORN:
                raise WorkerBug(f"a worker process ended before it could take a task: it {reason}", "")
            pending.extendleft(reversed(worker.busy))  # somebody killed it: that is no task's fault
            return
        if not worker.busy:  # it had nothing to do, so nothing is lost
            return
        pending.extendleft(reversed(worker.busy))
        if kind == "crash":
            # once or twice may be the machine's doing (no memory, killed): a file that crashes does it again
            self._crashes[worker.busy[0]] += 1
            if self._crashes[worker.busy[0]] < TRIES:
                return
        done[pending.popleft()] = Failure(kind, reason)

    def close(self) -> None:
        """Ends all workers at once."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
        self._workers.clear()


def _python_path() -> str:
    """PYTHONPATH of a worker: the parent's, and this package's folder where it is not installed."""
    given = os.environ.get("PYTHONPATH", "")
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if home in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return given
    return os.pathsep.join(filter(None, [given, home]))


def _died(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"crashed its worker process ({signal.Signals(-code).name})"
    return f"crashed its worker process (exit code {code})"


class Heart:
    """A worker's signs of life while it reads a file: `begin` one, then call it for every frame. The parent
    hears of it every `every` seconds at most.
    """

    def __init__(self, pipe: IO[bytes], every: float) -> None:
        self._pipe, self._every, self._last = pipe, every, 0.0

    def begin(self) -> None:
        """From now on silence counts: a file is read."""
        self._last = time.monotonic()
        write_message(self._pipe, b"D")

    def __call__(self) -> None:
        if time.monotonic() - self._last > self._every:
            self.begin()


def limit_memory(limit: int | None = None) -> None:
    """From now on this process may take `limit` bytes (default: half of the machine's, or of the container's,
    but 4 GiB in any case), so that a file that asks for more fails with a MemoryError, alone. Several at once
    may still take more than there is.

    What is counted is writable private memory (RLIMIT_DATA), so neither files that are mapped nor address
    space that is only reserved. Nothing happens where the system knows no such limit (Windows).
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        allowed, most = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = max(_memory() // 2, 4 << 30) if limit is None else limit
        if allowed == resource.RLIM_INFINITY or wanted < allowed:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))


def _memory() -> int:
    """Bytes of memory of the machine, or of the control group (version 2) where that has fewer."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max") as file:
        found = min(found, int(file.read()))
    return found


def silent() -> None:
    """The signs of life of what cannot hang: a clip that is drawn takes as long as it takes."""


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
