"""Worker processes on a Ray cluster, or on a Ray of its own on this machine (extra: ray).

An actor a processor or GPU. An actor keeps one worker process of each open pool, exactly as this machine's
executor does (`execute.Processes`): so hangs, crashes and broken files are found and told alike, and the
bytes are the same. Tasks travel as JSON, a few in a call, replies as the worker's own checksummed blobs,
which only the driver opens.

Calls are never repeated by Ray: the driver knows which clips an actor had when it was lost. It asks for
these again, each alone on its actor (an answer may be lost with an actor that the next clip kills), and gives
one up after `TRIES`; Ray brings the actor back.

What a cluster's machines must share: this package and its libraries in the same versions (asked of each
actor), and the paths of what is read and written. Credentials are taken from each machine's own environment;
only variables of this package travel.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import math
import os
import platform
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from synvid_eval import archive
from synvid_eval.errors import (
    DataError,
    MissingPackageError,
    SynvidEvalError,
    UsageError,
    known_error,
    one_line,
)
from synvid_eval.execute import (
    START_TIMEOUT,
    TRIES,
    WINDOW,
    Failure,
    Processes,
    Reply,
    Task,
    WorkerBug,
    in_order,
    usable_processors,
)
from synvid_eval.extras import install_command
from synvid_eval.libraries import decoder_versions, version

MOST_TASKS = 32
SECONDS_A_CALL = 1.0
"""A call holds as many tasks as take about that long together, `MOST_TASKS` at most: what a call costs is
little beside it, and little is lost with it.
"""

RESTARTS = 5
"""Actors, of each that there shall be, that may be lost for good before any has done anything."""

KNOCK = 10.0
"""Seconds in which something must listen at an address that is given."""

ASK_AGAIN = 0.5
"""Seconds between two questions to an actor whether Ray has brought it back."""

SAY_AFTER = 20.0

_OWN = "SYNVID_EVAL_"


class Supervisor:
    """What an actor runs: a worker process of each pool that is asked of it, and the tasks in it."""

    def __init__(self, folder: str, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        self._folder, self._refused = folder, ""
        try:
            os.chdir(folder)  # what is named relative to the driver's folder is meant
        except OSError as error:
            self._refused = error.strerror or str(error)
        self._pools: dict[str, Processes] = {}

    def facts(self) -> str:
        """Where it runs and with what, as JSON."""
        return json.dumps(
            {
                "pid": os.getpid(),
                "node": platform.node(),
                "refused": self._refused,
                "versions": _versions(),
            }
        )

    def run(self, key: str, spec: str, tasks: str) -> tuple[float, list[bytes]]:
        """Does tasks in the process of the pool `key`, which `spec` describes. (seconds, a message a task):
        R and the worker's blob, F and a Failure as JSON; the last may be E, and what the worker raised.
        """
        began = time.monotonic()
        if key not in self._pools:
            self._pools[key] = _Sealed(workers=1, **json.loads(spec))
        out: list[bytes] = []
        try:
            for _, answer in self._pools[key].map(json.loads(tasks)):
                if isinstance(answer, Failure):
                    out.append(b"F" + json.dumps([answer.kind, answer.reason]).encode())
                else:
                    out.append(b"R" + answer[0]["blob"].tobytes())
        except (WorkerBug, SynvidEvalError) as error:
            out.append(b"E" + json.dumps(_told(error)).encode())
        return time.monotonic() - began, out

    def end(self, key: str) -> None:
        """Ends a pool's process."""
        if pool := self._pools.pop(key, None):
            pool.close()


class _Sealed(Processes):
    """Processes whose replies stay as they came."""

    def _opened(self, blob: bytes) -> Reply:
        return {"blob": np.frombuffer(blob, np.uint8)}, {}


def _told(error: WorkerBug | SynvidEvalError) -> dict[str, Any]:
    if isinstance(error, WorkerBug):
        return {"message": str(error), "traceback": error.traceback}
    return {"message": error.message, "hint": error.hint, "code": error.code}


def _versions() -> dict[str, str]:
    """What must be the same on all machines for the same bytes."""
    return {**decoder_versions(), "torch": version("torch"), "python": platform.python_version()}


def _ray() -> Any:
    return importlib.import_module("ray")


def check_address(address: str) -> None:
    """UsageError for what is no `--ray-address`; MissingPackageError where Ray is not installed."""
    host, _, port = address.rpartition(":")
    known = address in ("local", "auto") or (address.startswith("ray://") and len(address) > 6)
    if not known and not (host and "/" not in host and port.isdigit()):
        raise UsageError(
            f"--ray-address {address} is no address of a Ray cluster.",
            "Give local (starts one), auto (the one of this machine), ray://HOST:10001 or HOST:6379.",
        )
    if find_spec("ray") is None:
        raise MissingPackageError(
            "The optional package ray (extra 'ray') is not installed.", f"Run: {install_command('ray')}"
        )


def _knock(address: str) -> None:
    """DataError where nothing listens at an address; Ray itself would try for minutes."""
    named = _named() if address == "auto" else address
    host, _, port = named.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not (host and port.isdigit()):  # Ray knows its own
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(named, getattr(error, "strerror", None) or str(error)) from None


def _named() -> str:
    """The cluster that the environment names; "" for none."""
    return os.environ.get("RAY_ADDRESS", "")


def _unreachable(address: str, why: str) -> DataError:
    return DataError(
        f"No Ray cluster can be reached at {one_line(address)}: {why.rstrip('.')}.",
        "Is it up, of the same version of Ray and Python, and RAY_AUTH_TOKEN (if it has one) the same? "
        "--ray-address local starts one here.",
    )


class RayEngine:
    """Actors of a Ray cluster; started when there is work, ended by `close`.

    Args:
        address: `local` starts a Ray of its own with as many processors as workers and ends it; `auto` is
            the cluster that this machine belongs to (or RAY_ADDRESS names); `ray://HOST:PORT` one that is
            reached through its client server; `HOST:PORT` one that this machine belongs to.
        say: takes a sentence for the user. loud: keeps the logs of a Ray of its own, and says where.

    Raises:
        UsageError: no such kind of address. MissingPackageError: Ray is not installed.
    """

    def __init__(
        self, address: str = "local", say: Callable[[str], None] | None = None, loud: bool = False
    ) -> None:
        check_address(address)
        self.address = address
        self._say = say or (lambda text: None)
        self._loud = loud
        self._folder: str | None = None
        self._crews: dict[bool, _Crew] = {}
        self._started = False
        self._numbers = itertools.count()

    @property
    def ray(self) -> Any:
        """The package."""
        return _ray()

    def pool(
        self,
        module: str,
        workers: int,
        setup: Task,
        timeout: float = 60.0,
        loud: bool = False,
        device: str = "cpu",
    ) -> RayPool:
        """See `execute.Engine.pool`; by default an actor for each processor of the cluster, for each GPU
        where `device` is cuda.

        Raises:
            UsageError: a device that an actor cannot be given. DataError: a cluster that is named and cannot
            be reached (a Ray of its own is started when there is work).
        """
        kind, _, index = device.partition(":")
        if kind == "mps" or index:
            raise UsageError(
                f"--device {device} means nothing with Ray, which gives each worker a GPU of its own.",
                "Give --device cuda or cpu, or --engine local.",
            )
        if self.address != "local":
            self.connect(workers)
        spec = {"module": module, "setup": setup, "timeout": timeout, "loud": loud}
        return RayPool(self, f"{next(self._numbers)}", json.dumps(spec), workers, kind == "cuda")

    def crew(self, workers: int, gpus: bool) -> _Crew:
        """The actors, as many as there shall be; asked for at the first call."""
        self.connect(workers)
        if gpus not in self._crews:
            self._crews[gpus] = _Crew(workers, gpus, self.address == "local", self._say)
        return self._crews[gpus]

    def connect(self, workers: int) -> None:
        """Reaches the cluster, or starts a Ray of its own with that many processors (0: all that this process
        may use), unless that was done. DataError where it cannot be had.
        """
        if self._started:
            return
        # before Ray is imported, which reads them
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # a lost actor's worker process goes with it
        os.environ.setdefault("RAY_process_group_cleanup_enabled", "1")
        import logging

        if self.address != "local":
            _knock(self.address)
        ray = _ray()
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address == "local":
            self._say("starting Ray")
            quiet |= {"num_cpus": workers or usable_processors(), "include_dashboard": False}
            if not self._loud:
                self._folder = tempfile.mkdtemp(prefix="synvid-ray-")
                quiet["_temp_dir"] = self._folder
        # what raylets tell would be printed on stdout, where a document may go
        with contextlib.suppress(AttributeError):
            ray._private.worker._worker_logs_enabled = False
        main = threading.current_thread() is threading.main_thread()
        kept = signal.getsignal(signal.SIGTERM) if main else None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context = ray.init(address=self.address, **quiet)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            self._forget()
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            if self.address == "local":
                raise DataError(f"Ray cannot be started: {first}", "--engine local needs no Ray.") from None
            if self.address == "auto" and isinstance(error, ConnectionError) and not _named():
                raise DataError(
                    "--ray-address auto: no Ray runs on this machine, and RAY_ADDRESS names none.",
                    "Begin one (ray start --head) or name it; --ray-address local has one of its own.",
                ) from None
            raise _unreachable(self.address, first) from None
        finally:
            if kept is not None:
                signal.signal(signal.SIGTERM, kept)
        self._started = True
        if self._loud and self.address == "local":
            self._say(f"Ray keeps its logs in {context.address_info.get('session_dir')}")

    def close(self) -> None:
        """Ends the actors, and a Ray of its own."""
        if not self._started:
            return
        for crew in self._crews.values():
            crew.close()
        self._crews.clear()
        _ray().shutdown()
        self._started = False
        self._forget()

    def _forget(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def pids(self) -> list[int]:
        """Process numbers of the actors that are up, each on its own machine."""
        return [slot.pid for crew in self._crews.values() for slot in crew.slots if slot.ready]

    def forget(self, key: str) -> None:
        """Ends the processes of a pool."""
        for crew in self._crews.values():
            crew.end(key)


@dataclass(eq=False)
class _Slot:
    """An actor, whatever became of the one before it. greeting: what it was asked, None where it is up or is
    to be asked again; it is up once it answered (`ready`), and then has a process number.
    """

    actor: Any
    greeting: Any = None
    ready: bool = False
    pid: int = 0
    not_before: float = 0.0  # when it is asked again


class _Crew:
    """The actors of one kind. count: as many as there shall be; a busy cluster may give fewer for a while."""

    def __init__(self, workers: int, gpus: bool, own: bool, say: Callable[[str], None]) -> None:
        self._ray, self._say = _ray(), say
        self._there = self._ray.cluster_resources()
        if gpus and not self._there.get("GPU"):
            raise UsageError(
                "--device cuda: the Ray cluster has no GPU.", "Give --device cpu, or a cluster with GPUs."
            )
        every = self._there.get("GPU" if gpus else "CPU", 1.0)
        self.count = workers or max(1, int(every))
        # a Ray of its own has nobody else's work: its actors are as many as were asked for
        self._needs = {"num_cpus": 0.0 if own else 1.0}
        if gpus:
            self._needs["num_gpus"] = int(10000 / math.ceil(self.count / every)) / 10000
        self._lost, self._last = 0, ""
        self._idle_since = time.monotonic()
        self._said = False
        self.slots = [_Slot(self._hired()) for _ in range(self.count)]
        for slot in self.slots:
            self.greet(slot)

    def _hired(self) -> Any:
        own = {name: value for name, value in os.environ.items() if name.startswith(_OWN)}
        # calls are repeated by the driver, which knows what was in them
        asked = self._ray.remote(Supervisor).options(max_restarts=-1, max_task_retries=0, **self._needs)
        return asked.remote(os.getcwd(), own)

    def greet(self, slot: _Slot) -> None:
        """Asks an actor that is new, or was lost, whether it is up; it gets nothing to do before it is."""
        slot.ready = False
        slot.greeting = slot.actor.facts.remote()

    def greetings(self) -> dict[Any, _Slot]:
        """What actors were asked that are not up; those whose time has come are asked again."""
        now = time.monotonic()
        for slot in self.slots:
            if not slot.ready and slot.greeting is None and now >= slot.not_before:
                self.greet(slot)
        return {slot.greeting: slot for slot in self.slots if slot.greeting is not None}

    def greeted(self, slot: _Slot) -> None:
        """Takes in its answer. Raises where no such actor can ever work."""
        answer, slot.greeting = slot.greeting, None
        try:
            facts = json.loads(self._ray.get(answer))
        except self._ray.exceptions.RayTaskError as error:
            raise _bug(error) from None
        except self._ray.exceptions.ActorDiedError as error:  # for good
            self._lost += 1
            if error.actor_init_failed or self._lost > RESTARTS * self.count:
                raise _stillborn(error) from None
            slot.actor = self._hired()
            self.greet(slot)
            return
        except self._ray.exceptions.RayError as error:  # Ray is about to bring it back
            self._last = _last_line(error)
            slot.not_before = time.monotonic() + ASK_AGAIN
            return
        _check(facts)
        slot.pid, slot.ready = facts["pid"], True

    def answered(self) -> None:
        """An actor has done something."""
        self._lost = 0

    def patience(self) -> None:
        """Raises DataError where no actor has been up for too long."""
        now = time.monotonic()
        if any(slot.ready for slot in self.slots):
            self._idle_since, self._said = now, False
            return
        waited = now - self._idle_since
        there = ", ".join(f"{self._there.get(what, 0):g} {what}" for what in ("CPU", "GPU"))
        asked = " and ".join(f"{many:g} {what[4:-1].upper()}" for what, many in self._needs.items() if many)
        if waited > START_TIMEOUT:
            raise DataError(
                f"Ray gave no worker in {START_TIMEOUT:g} s: each wants {asked or 'a process'}, the cluster "
                f"has {there} in all.{self._last and f' Its last word: {self._last}'}",
                "Others may hold them: wait, or give --engine local.",
            )
        if waited > SAY_AFTER and not self._said:
            self._said = True
            self._say(f"waiting for Ray to give a worker ({asked or 'a process'} each)")

    def end(self, key: str) -> None:
        """Ends the processes of a pool; an actor that has gone has none."""
        for slot in self.slots:
            with contextlib.suppress(self._ray.exceptions.RayError):
                slot.actor.end.remote(key)

    def close(self) -> None:
        """Ends the actors."""
        for slot in self.slots:
            with contextlib.suppress(self._ray.exceptions.RayError, RuntimeError, ValueError):
                self._ray.kill(slot.actor)
        self.slots.clear()


@dataclass(eq=False)
class _Call:
    """Tasks that an actor has."""

    slot: _Slot
    numbers: list[int]


class RayPool:
    """Tasks of one kind, done by the engine's actors; see `RayEngine.pool`."""

    def __init__(self, engine: RayEngine, key: str, spec: str, workers: int, gpus: bool) -> None:
        self._engine, self._key, self._spec = engine, key, spec
        self._workers, self._gpus = workers, gpus
        self._calls: dict[Any, _Call] = {}  # in the order in which they were made
        self._tries: Counter[int] = Counter()
        self._suspects: set[int] = set()  # tasks that a lost actor had
        self._actors = 1
        self._pace = 0.0  # seconds that a task takes of late; 0: not known yet

    def map(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Reply | Failure]]:
        """(task, reply or Failure) in the order of `tasks`.

        Raises WorkerBug where a worker's own code raised, DataError where the cluster gives no worker.
        """
        try:
            yield from self._map(iter(tasks))
        except BaseException:
            self.close()  # unfinished tasks must not answer a later call
            raise

    def _map(self, source: Iterator[Task]) -> Iterator[tuple[Task, Reply | Failure]]:
        def work(pending: deque[int], open_tasks: dict[int, Task], done: dict[int, Reply | Failure]) -> None:
            crew = self._engine.crew(self._workers, self._gpus)
            self._actors = crew.count
            self._deal(crew, pending, open_tasks)
            self._wait(crew, pending, done)

        self._tries.clear()
        self._suspects.clear()
        return in_order(source, self._window, work)

    def _size(self) -> int:
        """Tasks in a call."""
        return max(1, min(MOST_TASKS, int(SECONDS_A_CALL / self._pace))) if self._pace else 1

    def _window(self) -> int:
        """Tasks that may be ahead of the oldest unfinished one."""
        return max(WINDOW, 4 * self._size() * self._actors)

    def _deal(self, crew: _Crew, pending: deque[int], open_tasks: dict[int, Task]) -> None:
        """Gives each actor that is up two calls: one in work, one waiting for it; one call where it holds a
        task that a lost actor had.
        """
        held: dict[int, list[int]] = {id(slot): [] for slot in crew.slots}  # the first task of each call
        for call in self._calls.values():
            held[id(call.slot)].append(call.numbers[0])
        ready = [slot for slot in crew.slots if slot.ready]
        for deep in (0, 1):
            for slot in ready:
                first = held[id(slot)]
                if not pending or len(first) != deep or (deep and {first[0], pending[0]} & self._suspects):
                    continue
                numbers = self._portion(pending, len(ready))
                first.append(numbers[0])
                tasks = json.dumps([open_tasks[n] for n in numbers])
                self._calls[slot.actor.run.remote(self._key, self._spec, tasks)] = _Call(slot, numbers)

    def _portion(self, pending: deque[int], actors: int) -> list[int]:
        """What goes into the next call; less towards the end, so that all actors end together. A task that a
        lost actor had goes alone.
        """
        most = min(self._size(), max(1, len(pending) // (2 * actors)))
        taken = [pending.popleft()]
        while len(taken) < most and not {taken[0], pending[0]} & self._suspects:
            taken.append(pending.popleft())
        return taken

    def _wait(self, crew: _Crew, pending: deque[int], done: dict[int, Reply | Failure]) -> None:
        """Takes in what actors answer, for a second at most."""
        crew.patience()
        ray = self._engine.ray
        greetings = crew.greetings()
        asked = [*greetings, *self._calls]
        if not asked:  # all actors were lost, and it is too soon to ask again
            time.sleep(ASK_AGAIN / 2)
            return
        found, _ = ray.wait(asked, num_returns=1, timeout=ASK_AGAIN)
        if found:
            found, _ = ray.wait(asked, num_returns=len(asked), timeout=0)
        for answer in [one for one in asked if one in set(found)]:
            if answer in greetings:
                crew.greeted(greetings[answer])
            elif answer in self._calls:  # else it was lost with an earlier one
                self._take(crew, answer, pending, done)

    def _take(self, crew: _Crew, answer: Any, pending: deque[int], done: dict[int, Reply | Failure]) -> None:
        ray = self._engine.ray
        try:
            seconds, messages = ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise _bug(error) from None
        except ray.exceptions.RayError:
            self._lose(crew, self._calls[answer].slot, pending, done)
            return
        call = self._calls.pop(answer)
        crew.answered()
        if seconds:
            pace = seconds / len(call.numbers)
            self._pace = (self._pace + pace) / 2 if self._pace else pace
        for number, message in zip(call.numbers, messages, strict=False):  # an error is the last
            done[number] = _opened(message)

    def _lose(self, crew: _Crew, slot: _Slot, pending: deque[int], done: dict[int, Reply | Failure]) -> None:
        """An actor is gone, and with it its calls; an actor does one after the other, so the first of them
        was in work, or had just been done.
        """
        lost = {answer: call for answer, call in self._calls.items() if call.slot is slot}
        again: list[int] = []
        for place, (answer, call) in enumerate(lost.items()):
            del self._calls[answer]
            again += call.numbers
            self._suspects.update(call.numbers)
            if place == 0:
                self._tries.update(call.numbers)
                if len(call.numbers) == 1 and self._tries[call.numbers[0]] >= TRIES:
                    again.pop()
                    done[call.numbers[0]] = Failure("crash", f"crashed its Ray worker, {TRIES} times")
        pending.extendleft(sorted(again, reverse=True))
        crew.greet(slot)

    def close(self) -> None:
        """Ends the pool's processes, as soon as what is in work is done; its answers are not waited for."""
        self._calls.clear()
        self._engine.forget(self._key)


def _opened(message: bytes) -> Reply | Failure:
    kind, body = message[:1], message[1:]
    if kind == b"R":
        return archive.unpack(body)
    facts = json.loads(body)
    if kind == b"F":
        return Failure(*facts)
    if "code" in facts:
        raise known_error(facts["code"], facts["message"], facts["hint"])
    raise WorkerBug(facts["message"], facts["traceback"])


def _check(facts: dict[str, Any]) -> None:
    """DataError where an actor cannot do what a process here does: another folder, other libraries."""
    node = one_line(facts["node"])
    if facts["refused"]:
        raise DataError(
            f"Ray's machine {node} cannot enter {os.getcwd()}: {facts['refused']}.",
            "What is read and written must have the same path on all machines: start in a folder that is.",
        )
    here, there = _versions(), facts["versions"]
    other = [name for name in here if there.get(name) != here[name]]
    if other:
        name = other[0]
        more = f" (and {len(other) - 1} more differ)" if len(other) > 1 else ""
        raise DataError(
            f"Ray's machine {node} has {name} {there.get(name)}, not {here[name]} as here{more}: results "
            "would differ.",
            "Give all machines the same versions.",
        )


def _last_line(error: Any) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return one_line(lines[-1].strip() if lines else type(error).__name__)


def _bug(error: Any) -> WorkerBug:
    """What an actor's own code raised."""
    return WorkerBug(f"a Ray worker failed: {_last_line(error)}", str(error))


def _stillborn(error: Any) -> SynvidEvalError:
    """What to tell of actors that never came up."""
    missing = re.findall(r"ModuleNotFoundError: No module named '([\w.]+)'", str(error))
    if missing:
        return MissingPackageError(
            f"Ray's machines lack the package {missing[-1]}.",
            "Install synvid-eval there, in the same version, or put it on their PYTHONPATH.",
        )
    return SynvidEvalError(
        f"Ray's workers end before they can take work: {_last_line(error)}",
        "Is there memory for them? Ray's logs tell more; --engine local needs no Ray.",
    )
