"""Executors: order is kept, a crash or a hang costs one task, a bug is told, time limits hold."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synvid_eval.errors import DataError
from synvid_eval.execute import HERE, STILLBORN, WINDOW, Failure, Processes, Serial, Task, WorkerBug
from synvid_eval.features import registry
from synvid_eval.prober import probe_task
from synvid_eval.video.sampling import Sampler
from synvid_eval.worker import clip_task, setup_task
from tests.clips import moving, write_video
from tests.conftest import REPOSITORY
from tests.video.test_decode import ref

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


@pytest.fixture
def pools() -> Iterator[Any]:
    made: list[Processes] = []

    def make(workers: int = 2, timeout: float = 60.0, **setup: Any) -> Processes:
        made.append(Processes("tests.obedient", workers, setup, timeout))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def tasks(*what: str, **more: Any) -> list[Task]:
    return [{"do": w, "value": i, **more} for i, w in enumerate(what)]


def values(pairs: list[tuple[Task, Any]]) -> list[float | str]:
    return [r.kind if isinstance(r, Failure) else float(r[0]["x"][0]) for _, r in pairs]


def test_serial_keeps_the_order_and_passes_over_what_is_here() -> None:
    asked: list[int] = []

    def handle(task: Task) -> Any:
        asked.append(task["value"])
        return {"x": np.array([task["value"]])}, {}

    given = [{"value": 0}, {"value": 1, HERE: True}, {"value": 2}]
    got = list(Serial(handle).map(given))
    assert [t for t, _ in got] == given
    assert asked == [0, 2]
    assert got[1][1] == ({}, {})


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_processes_keep_the_order(pools: Any, workers: int) -> None:
    # every third task takes longer than the ones behind it
    given = [{"do": "wait", "pause": 0.02 if i % 3 == 0 else 0.0, "value": i} for i in range(3 * WINDOW)]
    got = list(pools(workers).map(iter(given)))
    assert [t for t, _ in got] == given
    assert values(got) == list(range(3 * WINDOW))
    assert len({r[1]["pid"] for _, r in got}) == workers


@pytest.mark.parametrize("times", [2, 20])
def test_a_worker_that_is_killed_while_it_starts_is_started_again(
    pools: Any, tmp_path: Path, times: int
) -> None:
    pool = pools(1, **{"killed while it starts": str(tmp_path / "mark"), "times": times})
    given = tasks(*["answer"] * 5)
    if times <= STILLBORN:
        assert values(list(pool.map(given))) == [0, 1, 2, 3, 4]
    else:
        with pytest.raises(WorkerBug, match=r"before it could take a task: it crashed .*SIGKILL"):
            list(pool.map(given))
        assert (tmp_path / "mark").stat().st_size == STILLBORN + 1


def test_what_is_here_comes_at_its_turn(pools: Any) -> None:
    given = tasks(*["answer"] * 6)
    given[0][HERE] = given[3][HERE] = given[5][HERE] = True
    got = list(pools().map(given))
    assert [t["value"] for t, _ in got] == [0, 1, 2, 3, 4, 5]
    assert [not r[0] for _, r in got] == [True, False, False, True, False, True]


def test_no_task_starts_no_process(pools: Any) -> None:
    pool = pools()
    assert list(pool.map([])) == []
    assert list(pool.map([{HERE: True}])) == [({HERE: True}, ({}, {}))]
    assert pool._workers == []


def test_tasks_are_taken_as_they_are_needed(pools: Any) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Task]:
        for i in range(10**9):
            taken.append(i)
            yield {"do": "answer", "value": i}

    stream = pools().map(endless())
    for _ in range(5):
        next(stream)
    assert len(taken) <= WINDOW + 6
    stream.close()


@pytest.mark.parametrize(("what", "reason"), [("crash", "SIGSEGV"), ("exit", "exit code 7")])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_costs_its_task_only(pools: Any, what: str, reason: str, workers: int) -> None:
    got = list(pools(workers).map(tasks("answer", what, "answer", "answer", what, what, "answer")))
    assert values(got) == [0, "crash", 2, 3, "crash", "crash", 6]
    assert got[1][1].reason == f"crashed its worker process ({reason})"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hang_costs_its_task_only(pools: Any, workers: int) -> None:
    start = time.monotonic()
    got = list(pools(workers, timeout=0.6).map(tasks("answer", "hang", "answer", "answer", "hang", "answer")))
    took = time.monotonic() - start
    assert values(got) == [0, "hang", 2, 3, "hang", 5]
    assert got[1][1].reason == "hung: no new frame for 0.6 s (--decode-timeout)"
    assert 0.6 <= took < 20


def test_slow_is_not_hung(pools: Any) -> None:
    """Frames that come, each within the limit, however long all of them take; and measuring has no limit."""
    got = list(pools(1, timeout=0.9).map([*tasks("slow", pause=0.25), *tasks("late", pause=2.0)]))
    assert values(got) == [0, 0]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinities on this system")
def test_as_many_workers_as_processors_have_one_each(pools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes another's place takes its processor; fewer workers, or one, go where they like."""
    all_ = os.sched_getaffinity(0)

    def kept(pool: Any) -> list[set[int]]:
        return [os.sched_getaffinity(w.process.pid) for w in pool._workers]

    if len(all_) > 1:
        pool = pools(workers=len(all_))
        list(pool.map(tasks(*["answer"] * 4 * len(all_))))
        assert sorted(map(tuple, kept(pool))) == [(p,) for p in sorted(all_)]
        pool._workers[0].process.kill()
        pool._workers[0].process.wait()
        list(pool.map(tasks(*["answer"] * 4 * len(all_))))
        assert sorted(map(tuple, kept(pool))) == [(p,) for p in sorted(all_)]
    few = pools(workers=len(all_) + 1)
    list(few.map(tasks(*["answer"] * 8)))
    assert all(mine == all_ for mine in kept(few))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    refused = pools(workers=2)
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert values(list(refused.map(tasks("answer", "answer")))) == [0, 1]


def refuse(*_: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_worker_that_dies_idle_costs_nothing(pools: Any) -> None:
    pool = pools(1)
    assert values(list(pool.map(tasks("die after")))) == [0]
    time.sleep(0.3)
    assert values(list(pool.map(tasks("answer", "answer")))) == [0, 1]


def test_a_bug_is_told_with_its_message(pools: Any) -> None:
    with pytest.raises(WorkerBug, match="ValueError: planted") as caught:
        list(pools().map(tasks("answer", "bug", "answer")))
    assert caught.value.traceback == "Traceback: here"


def test_a_worker_that_cannot_start_is_a_bug(pools: Any) -> None:
    with pytest.raises(WorkerBug, match=r"ended before it could take a task.*exit code 3"):
        list(pools(broken=True).map(tasks("answer")))


def test_a_call_that_was_left_does_not_answer_the_next(pools: Any) -> None:
    pool = pools(2)
    stream = pool.map(tasks(*["wait"] * 20, pause=0.05))
    next(stream)
    stream.close()
    got = list(pool.map([{"do": "answer", "value": 100 + i} for i in range(10)]))
    assert values(got) == list(range(100, 110))


def test_close_ends_every_process(pools: Any) -> None:
    pool = pools(2)
    pids = {r[1]["pid"] for _, r in pool.map(tasks(*["wait"] * 8, pause=0.05))}
    assert len(pids) == 2
    pool.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_real_worker_that_hangs_on_the_file_after_a_bad_one(tmp_path: Path) -> None:
    """The sign of life of a file must not be taken for that of the one before it."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    stuck = ref(write_video(tmp_path / "stuck.avi", moving(30)))
    good = ref(write_video(tmp_path / "good.avi", moving(30)))
    features = [registry.get("motion")()]
    code = "import synvid_eval.worker as w, time\n"
    code += "real = w.open_clip\n"
    code += "w.open_clip = lambda r, *a: time.sleep(1000) if r.id == 'stuck.avi' else real(r, *a)\n"
    code += "w.main()\n"
    (tmp_path / "stuck_worker.py").write_text(code)
    os.environ["PYTHONPATH"] += os.pathsep + str(tmp_path)  # undone by the fixture that set it
    pool = Processes("stuck_worker", 1, setup_task(features, Sampler(), 0), 1.0)
    try:
        given = [clip_task(r, ["motion"]) for r in (good, ref(bad), stuck, good)]
        got = [r for _, r in pool.map(given)]
    finally:
        pool.close()
    assert "skipped" in got[1][1]
    assert isinstance(got[2], Failure) and got[2].kind == "hang"
    assert got[3][1]["total"] == got[0][1]["total"] == 30


def test_no_thread_is_left_when_workers_are_gone(pools: Any) -> None:
    before = threading.active_count()
    pool = pools(2)
    list(pool.map(tasks(*["answer"] * 4)))
    pool.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_a_worker_that_is_killed_once_loses_no_clip(pools: Any, tmp_path: Path) -> None:
    given = tasks("answer", "crash once", "answer", mark=str(tmp_path / "mark"))
    assert values(list(pools().map(given))) == [0, 1, 2]


def test_a_slow_consumer_is_not_taken_for_a_hanging_worker(pools: Any) -> None:
    got = []
    for _, reply in pools(workers=2, timeout=0.5).map(tasks(*["answer"] * 6)):
        time.sleep(0.8)
        got.append(reply)
    assert not any(isinstance(r, Failure) for r in got)


def test_an_error_of_a_known_kind_keeps_its_exit_code(pools: Any) -> None:
    with pytest.raises(DataError, match=r"No such photograph\. Install it\."):
        list(pools().map(tasks("known")))


def test_nothing_in_the_current_folder_stands_for_a_library(
    pools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("av", "queue", "random", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the current folder')")
    monkeypatch.chdir(tmp_path)
    assert values(list(pools().map(tasks("answer")))) == [0]


def test_what_asks_for_too_much_memory_fails_alone() -> None:
    code = (
        "import numpy as np; from synvid_eval.execute import limit_memory; limit_memory(10**9)\n"
        "np.ones(3 * 10**8, np.uint8)\n"
        "try: np.ones(2 * 10**9, np.uint8)\n"
        "except MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads /proc, which is Linux's")
@pytest.mark.parametrize("module", ["synvid_eval.worker", "synvid_eval.prober"])
def test_what_reads_files_has_a_limit_on_memory(module: str, tmp_path: Path) -> None:
    """Of half of the machine, or 4 GiB where that is more."""
    write_video(tmp_path / "a.mp4", moving(4))
    features = [registry.get("motion")()]
    setup = setup_task(features, Sampler(), 0, False) if module.endswith("worker") else {"loud": False}
    pool = Processes(module, 1, setup, 60.0)
    clip = ref(tmp_path / "a.mp4")
    try:
        ((_, answer),) = pool.map([clip_task(clip, ["motion"]) if "worker" in module else probe_task(clip)])
        assert not isinstance(answer, Failure)
        limits = Path(f"/proc/{pool._workers[0].process.pid}/limits").read_text()
    finally:
        pool.close()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max data size"))
    assert line.split()[3] != "unlimited"
    assert int(line.split()[3]) >= 4 << 30
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert int(line.split()[3]) <= max(memory // 2, 4 << 30)
