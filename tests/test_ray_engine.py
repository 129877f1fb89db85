"""Ray: the same bytes as without it, and what an actor, a worker process or a clip may do to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synvid_eval import banks, generation, ray_engine
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, MissingPackageError, SynvidEvalError, UsageError
from synvid_eval.execute import HERE, TRIES, Engine, Failure, Local, WorkerBug
from synvid_eval.measurement import Measurement, Options, measure
from synvid_eval.ray_engine import MOST_TASKS, RayEngine, RayPool, check_address
from tests.clips import moving, write_set, write_video
from tests.conftest import REPOSITORY, Run
from tests.test_execute import tasks, values

pytestmark = pytest.mark.timeout(300)

WORKERS = 2


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    """A Ray of this module's own."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    made = RayEngine()
    try:
        made.connect(WORKERS)
        yield made
    finally:
        made.close()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@pytest.fixture
def pool(engine: RayEngine) -> Iterator[Any]:
    made = engine.pool("tests.obedient", WORKERS, {}, timeout=2.0)
    yield made
    made.close()


def up(engine: RayEngine) -> list[int]:
    """Process numbers of the actors, once all are up (again)."""
    pool, until = engine.pool("tests.obedient", WORKERS, {}), time.monotonic() + 60
    found: list[int] = []
    while len(found) < WORKERS and time.monotonic() < until:
        list(pool.map(tasks("answer")))
        found = engine.pids()
    pool.close()
    return found


def parents() -> dict[int, int]:
    """Process → its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


def children(pid: int) -> list[int]:
    """Process numbers of the children of a process."""
    return [one for one, parent in parents().items() if parent == pid]


def within(pid: int) -> list[int]:
    """Process numbers of all that a process started, directly or not."""
    known, found = parents(), [pid]
    for one in found:
        found += [child for child, parent in known.items() if parent == one]
    return found[1:]


# -- the executor ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_order_is_kept_and_what_is_here_comes_at_its_turn(pool: Any) -> None:
    # every third task takes longer than the ones behind it
    given = [{"do": "wait", "pause": 0.02 if i % 3 == 0 else 0.0, "value": i} for i in range(300)]
    given[0][HERE] = given[7][HERE] = given[299][HERE] = True
    got = list(pool.map(iter(given)))
    assert [t for t, _ in got] == given
    replies = [r for t, r in got if HERE not in t]
    assert values([({}, r) for r in replies]) == [t["value"] for t in given if HERE not in t]
    assert len({r[1]["pid"] for r in replies}) == WORKERS
    assert all(r == ({}, {}) for t, r in got if HERE in t)


@pytest.mark.slow
def test_calls_hold_more_tasks_where_these_are_short(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    portions: list[int] = []
    real = ray_engine.RayPool._portion

    def counted(self: Any, *given: Any) -> list[int]:
        portions.append(len(found := real(self, *given)))
        return found

    monkeypatch.setattr(ray_engine.RayPool, "_portion", counted)
    list(pool.map(tasks(*["answer"] * 600)))
    assert max(portions) > MOST_TASKS // 4 and sum(portions) == 600
    assert portions[-1] <= 2  # towards the end all actors have little left
    portions.clear()
    list(pool.map([{"do": "wait", "pause": 0.7, "value": i} for i in range(8)]))
    assert portions[-4:] == [1] * 4


def test_a_task_that_kills_its_process_comes_back_as_it_does_here(pool: Any) -> None:
    given = tasks("answer", "crash", "answer", "exit", "answer")
    told = [r for _, r in pool.map(given) if isinstance(r, Failure)]
    here = Local().pool("tests.obedient", WORKERS, {}, timeout=2.0)
    try:
        assert told == [r for _, r in here.map(given) if isinstance(r, Failure)]
    finally:
        here.close()
    assert [f.kind for f in told] == ["crash", "crash"] and "SIGSEGV" in told[0].reason


def test_a_process_that_is_killed_once_costs_nothing(pool: Any, tmp_path: Path) -> None:
    given = tasks("answer", "crash once", "answer", "answer", mark=str(tmp_path / "mark"))
    assert values(list(pool.map(given))) == [0, 1, 2, 3]


def test_a_task_that_hangs_is_given_up(pool: Any) -> None:
    got = list(pool.map(tasks("answer", "hang", "answer")))
    assert values(got) == [0, "hang", 2]
    assert got[1][1] == Failure("hang", "hung: no new frame for 2 s (--decode-timeout)")


@pytest.mark.slow
def test_what_a_workers_code_raises_ends_the_run(pool: Any) -> None:
    with pytest.raises(WorkerBug, match="ValueError: planted") as bug:
        list(pool.map(tasks("answer", "bug", "answer")))
    assert bug.value.traceback == "Traceback: here"
    with pytest.raises(DataError, match="No such photograph"):
        list(pool.map(tasks("known")))
    assert values(list(pool.map(tasks("answer", "answer")))) == [0, 1]  # it can be used again


def test_a_process_that_cannot_start_is_a_bug(engine: RayEngine) -> None:
    broken = engine.pool("tests.obedient", WORKERS, {"broken": True})
    with pytest.raises(WorkerBug, match="ended before it could take a task"):
        list(broken.map(tasks("answer")))
    broken.close()


@pytest.mark.slow
def test_a_task_that_kills_its_actor_every_time_is_given_up_alone(pool: Any, engine: RayEngine) -> None:
    given = tasks(*["answer"] * 20)
    given[7]["do"] = "kill parent"
    got = list(pool.map(given))
    assert values(got) == [*range(7), "crash", *range(8, 20)]
    assert got[7][1] == Failure("crash", f"crashed its Ray worker, {TRIES} times")
    assert len(up(engine)) == WORKERS  # all are back


def test_a_task_of_a_lost_actor_is_alone_on_its_actor() -> None:
    """An answer may be lost with an actor that the next task kills: the first of its calls may be good."""
    calls: list[tuple[str, int]] = []

    def slot(name: str) -> Any:
        def remote(_key: str, _spec: str, given: str) -> object:
            calls.append((name, json.loads(given)[0]["value"]))
            return object()

        return SimpleNamespace(ready=True, actor=SimpleNamespace(run=SimpleNamespace(remote=remote)))

    left, right = slot("left"), slot("right")
    crew: Any = SimpleNamespace(slots=[left, right], greet=lambda slot: None)
    pool = RayPool(SimpleNamespace(), "key", "{}", 2, gpus=False)  # type: ignore[arg-type]
    given = dict(enumerate(tasks(*["answer"] * 6)))
    pending = deque(given)
    pool._deal(crew, pending, given)
    assert calls == [("left", 0), ("right", 1), ("left", 2), ("right", 3)]
    calls.clear()
    done: dict[int, Any] = {}
    pool._lose(crew, left, pending, done)
    assert list(pending) == [0, 2, 4, 5] and not done
    pool._deal(crew, pending, given)
    assert calls == [("left", 0)]  # right has others, and nothing goes behind a suspect
    for _ in range(TRIES - 1):
        pool._lose(crew, left, pending, done)
        pool._deal(crew, pending, given)
    assert list(done) == [0] and calls[TRIES - 1 :] == [("left", 2)]


def test_a_task_that_kills_its_actor_once_is_asked_for_again(pool: Any, tmp_path: Path) -> None:
    given = tasks(*["answer"] * 12)
    given[3] = {"do": "kill parent once", "value": 3, "mark": str(tmp_path / "mark")}
    assert values(list(pool.map(given))) == list(range(12))


def test_a_second_pool_runs_beside_one_that_has_work(pool: Any, engine: RayEngine) -> None:
    """As where a shard is measured again while its set is: no actor waits for another one's room."""
    outer = pool.map([{"do": "wait", "pause": 0.05, "value": i} for i in range(100)])
    assert values([next(outer)]) == [0]
    inner = engine.pool("tests.obedient", WORKERS, {})
    assert values(list(inner.map(tasks(*["answer"] * 5)))) == [0, 1, 2, 3, 4]
    inner.close()
    assert values(list(outer)) == list(range(1, 100))


@pytest.mark.slow
def test_actors_that_are_killed_again_and_again_change_nothing(engine: RayEngine) -> None:
    """Each time something has come of it since the last one: no task is in work at every kill."""
    given = [{"do": "wait", "pause": 0.05, "value": i} for i in range(240)]
    killed, got = [], []
    up(engine)
    pool = engine.pool("tests.obedient", WORKERS, {})
    try:
        for one in pool.map(given):
            got.append(one)
            if len(got) % 40 == 0 and len(killed) < 4:
                for pid in engine.pids()[:1]:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
        assert values(got) == list(range(240))
    finally:
        pool.close()
    assert len(killed) >= 2


@pytest.mark.slow
def test_the_process_of_a_lost_actor_goes_with_it(pool: Any, engine: RayEngine) -> None:
    (first, *_) = up(engine)
    list(pool.map(tasks(*["answer"] * 8)))
    orphans = children(first)
    assert orphans
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in orphans) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in orphans)


def test_a_pool_that_is_closed_leaves_no_process(engine: RayEngine) -> None:
    pool = engine.pool("tests.obedient", WORKERS, {})
    own = {r[1]["pid"] for _, r in pool.map(tasks(*["answer"] * 40))}
    assert all(Path(f"/proc/{pid}").exists() for pid in own)
    pool.close()
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in own) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in own)


# -- what is made with it --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_set(tmp_path_factory.mktemp("set") / "clips", 12, frames=24)
    write_video(folder / "short.mp4", moving(9, seed=50), "h264")
    (folder / "broken.mp4").write_bytes(b"no video at all" * 50)
    return folder


def options(engine: Engine, workers: int = WORKERS, **more: Any) -> Options:
    return Options(workers=workers, cache=Cache(None), max_skipped="50%", engine=engine, **more)


def saved(measured: Measurement, path: Path) -> bytes:
    measured.save(path)
    return path.read_bytes()


def test_a_measured_file_has_the_same_bytes(tmp_path: Path, clips: Path, engine: RayEngine) -> None:
    here = saved(measure(clips, options=options(Local())), tmp_path / "here.measured")
    there = saved(measure(clips, options=options(engine)), tmp_path / "there.measured")
    assert there == here and len(here) > 10_000


@pytest.mark.slow
def test_a_set_that_is_made_has_the_same_bytes(tmp_path: Path, engine: RayEngine) -> None:
    what = generation.plan("moving_shapes", clips=8, overrides={"size": "32", "length": "18"}, kind="ffv1")
    for name, where in {"here": Local(), "there": engine}.items():
        generation.make(what, tmp_path / name, options(where))
    files = sorted(p.relative_to(tmp_path / "here") for p in (tmp_path / "here").rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(tmp_path / "there") for p in (tmp_path / "there").rglob("*") if p.is_file()
    )
    assert len([f for f in files if f.suffix == ".mkv"]) == 8
    for file in files:
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "there" / file).read_bytes(), file


@pytest.mark.slow
def test_a_bank_has_the_same_bytes(tmp_path: Path, engine: RayEngine) -> None:
    for name, where in {"here": Local(), "there": engine}.items():
        bank = banks.make_bank("statistical", 18, tmp_path / name, options(where), settings={"size": "32"})
        assert bank.missing == 0 and bank.made == 18
    files = [p for p in (tmp_path / "here").iterdir() if p.is_file() and not p.name.startswith(".")]
    assert files
    for file in files:
        assert file.read_bytes() == (tmp_path / "there" / file.name).read_bytes(), file.name


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_a_measured_file_for_other_numbers_of_workers(
    tmp_path: Path, clips: Path, workers: int, engine: RayEngine
) -> None:
    """In a process of its own, since a process has one Ray at a time."""
    here = saved(measure(clips, options=options(Local())), tmp_path / "here.measured")
    code = (
        "import sys; from synvid_eval.measurement import *; from synvid_eval.cache import Cache\n"
        "from synvid_eval.ray_engine import RayEngine\n"
        "engine = RayEngine()\n"
        f"o = Options(workers={workers}, cache=Cache(None), max_skipped='50%', engine=engine)\n"
        f"measure({str(clips)!r}, options=o).save({str(tmp_path / 'there.measured')!r}); engine.close()"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=250)
    assert (tmp_path / "there.measured").read_bytes() == here


# -- the command line ------------------------------------------------------------------------------

SETS = ("a=preset:static_circles?n=30&size=48", "preset:moving_circles?n=30&size=48")


@pytest.mark.slow
def test_compare_gives_the_same_scores_with_an_actor_and_a_process_killed(
    run_cli: Run, cli_env: dict[str, str], tmp_path: Path
) -> None:
    words = ["compare", *SETS, "--workers", "2", "--cache", "none", "--json", "-"]
    here = run_cli(*words)
    assert here.returncode == 0, here.stderr
    command = [sys.executable, "-m", "synvid_eval", *words, "--engine", "ray"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=cli_env
    ) as there:
        killed = []
        for wanted in ("synvid_eval.worker", "ray::Supervisor"):
            until = time.monotonic() + 120
            while wanted not in killed and there.poll() is None and time.monotonic() < until:
                for pid in within(there.pid):
                    with contextlib.suppress(OSError):
                        if wanted in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                            os.kill(pid, signal.SIGKILL)
                            killed.append(wanted)
                            break
                time.sleep(0.2)
        stdout, stderr = there.communicate(timeout=200)
    assert killed == ["synvid_eval.worker", "ray::Supervisor"], stderr
    assert there.returncode == 0, stderr
    scores = [json.dumps(json.loads(text)["scores"]) for text in (here.stdout, stdout)]
    assert scores[0] == scores[1]
    assert "raylet" not in stderr and "Traceback" not in stderr


@pytest.mark.slow
def test_an_interrupt_ends_all_and_the_same_command_goes_on(
    run_cli: Run, cli_env: dict[str, str], tmp_path: Path
) -> None:
    words = ["generate", "moving_shapes", "out", "--clips", "400", "--size", "48", "--format", "ffv1"]
    words += ["--workers", "2", "--engine", "ray"]
    with subprocess.Popen(
        [sys.executable, "-m", "synvid_eval", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=cli_env,
        start_new_session=True,
        # a shell that starts the tests in the background has them ignore it, and so what they start
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as there:
        until = time.monotonic() + 120
        while len(list(tmp_path.glob("out/.records/*.json"))) < 5 and time.monotonic() < until:
            time.sleep(0.1)
        started = within(there.pid)
        os.killpg(there.pid, signal.SIGINT)  # as Ctrl-C does
        _, stderr = there.communicate(timeout=60)
    assert there.returncode == 130 and "Traceback" not in stderr, stderr
    assert len(started) > 5
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < until:
        time.sleep(0.2)
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    done = run_cli(*words, "--json", "-", timeout=250)
    facts = json.loads(done.stdout)
    assert facts["clips"] == 400 and facts["kept"] >= 5 and facts["made"] == 400 - facts["kept"]


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["--engine", "rey"], 2, "No engine is called 'rey'. Did you mean 'ray'?"),
        (["--ray-address", "auto"], 2, "--ray-address auto means nothing here. Give --engine ray"),
        (["--engine", "ray", "--ray-address", "http://h"], 2, "is no address of a Ray cluster"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_read(
    run_cli: Run, words: list[str], code: int, said: str
) -> None:
    done = run_cli("compare", "nowhere/", "nothing/", *words)
    assert done.returncode == code and said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "address, named", [("auto", "127.0.0.1:1"), ("ray://127.0.0.1:1", ""), ("[::1]:1", "")]
)
def test_a_cluster_that_cannot_be_reached_is_one_line(run_cli: Run, address: str, named: str) -> None:
    words = ["compare", *SETS, "--engine", "ray", "--ray-address", address, "-q"]
    done = run_cli(*words, env={"RAY_ADDRESS": named})
    assert done.returncode == 3 and f"No Ray cluster can be reached at {named or address}: " in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for good in ("local", "auto", "ray://head:10001", "10.0.0.1:6379", "[::1]:6379"):
        check_address(good)
    for bad in ("", "ray://", "head", "http://head:80", "head:port"):
        with pytest.raises(UsageError, match="no address of a Ray cluster"):
            check_address(bad)
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"package ray \(extra 'ray'\) is not installed. Run: pip "):
        RayEngine()


def test_devices_that_an_actor_cannot_be_given(engine: RayEngine) -> None:
    for device in ("cuda:1", "mps"):
        with pytest.raises(UsageError, match=f"--device {device} means nothing with Ray"):
            engine.pool("synvid_eval.worker", 1, {}, device=device)
    none = engine.pool("synvid_eval.worker", 1, {}, device="cuda")
    if not engine.ray.cluster_resources().get("GPU"):
        with pytest.raises(UsageError, match="has no GPU"):
            list(none.map([{}]))


def test_machines_of_other_versions_or_folders_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: dict[str, Any] = {"pid": 1, "node": "n7", "refused": "", "versions": ray_engine._versions()}
    ray_engine._check(facts)
    other = {**facts, "versions": {**facts["versions"], "numpy": "1.0"}}
    with pytest.raises(DataError, match=r"Ray's machine n7 has numpy 1.0, not .* as here: results would"):
        ray_engine._check(other)
    with pytest.raises(DataError, match=r"n7 cannot enter .*: No such file or directory"):
        ray_engine._check({**facts, "refused": "No such file or directory"})


def test_a_supervisor_says_that_it_cannot_enter_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = json.loads(ray_engine.Supervisor(str(tmp_path / "none"), {}).facts())
    assert facts["refused"] == "No such file or directory"
    assert facts["versions"] == ray_engine._versions()


@pytest.mark.slow
def test_actors_that_never_come_up_are_told(engine: RayEngine) -> None:
    ray = engine.ray

    class Stillborn:
        def __init__(self) -> None:
            raise ModuleNotFoundError("No module named 'nothing_like_it'")

        def facts(self) -> str:
            return ""

    actor = ray.remote(Stillborn).options(num_cpus=0).remote()
    with pytest.raises(ray.exceptions.RayActorError) as error:
        ray.get(actor.facts.remote())
    told = ray_engine._stillborn(error.value)
    assert isinstance(told, MissingPackageError) and "lack the package nothing_like_it" in told.message
    other = ray_engine._stillborn(RuntimeError("no\nmemory"))
    assert type(other) is SynvidEvalError and "end before they can take work: memory" in other.message
