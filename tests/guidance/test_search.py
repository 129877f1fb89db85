"""Search: known optima are found, killed runs end as undisturbed ones, what fails is passed over."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from synvid_eval import locks
from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import presets
from synvid_eval.guidance.bench import Seen
from synvid_eval.guidance.found import at_bound, picked
from synvid_eval.guidance.search import Asked, Search, Trial, best, front, importances, keep, shares
from synvid_eval.guidance.space import space
from synvid_eval.measurement import Quiet

OPTIMUM = {"speed:middle": 5.0, "radius_power": 2.0}


def seen(label: str, objective: float, noise: float = 0.01, value: float | None = None) -> Seen:
    """What a metric of that objective sees of 20 clips, a block each."""
    moved = noise * np.resize([1.0, -1.0], 20) / np.sqrt(19)  # so that the jackknife says `noise`
    clips = (1,) * 20
    own = objective if value is None else value
    return Seen(label, own, objective, objective + moved, np.full(20, objective), clips, clips)


def bowl(knobs: Mapping[str, str]) -> dict[str, float]:
    """Two objectives with their least at speeds of 5 and 7: what lies between is the front."""
    generator = presets.get("moving_shapes").configured(**knobs)
    low, high = (float(end) for end in (generator.speed.split(":") * 2)[:2])
    middle, power = (low + high) / 2, generator.radius_power
    return {
        "a": 0.05 + ((middle - 5) / 2) ** 2 + 0.3 * (power - 2) ** 2,
        "b": 0.05 + ((middle - 7) / 2) ** 2 + 0.3 * (power - 2) ** 2,
    }


class Toy:
    """A bench whose objectives are a function of the knobs."""

    def __init__(
        self,
        of: Callable[[Mapping[str, str]], dict[str, float]] = bowl,
        labels: tuple[str, ...] = ("a",),
        pause: float = 0.0,
    ) -> None:
        self.options, self.clips, self.fixed = SimpleNamespace(progress=Quiet()), 20, {}
        self.reference = SimpleNamespace(facts=SimpleNamespace(fingerprint="toy"))
        self.of, self.labelled, self.pause, self.measured = of, labels, pause, 0

        self.start = bowl({})

    @property
    def labels(self) -> dict[str, str]:
        return {label: label for label in self.labelled}

    def identities(self, settings: Any) -> list[Any]:
        return [dict(one) for one in settings]

    def recipe_facts(self) -> dict[str, Any]:
        return {"made": "here"}

    def measure(self, knobs: Mapping[str, str]) -> Any:
        self.measured += 1
        time.sleep(self.pause)
        return self.of(knobs)

    def seen(self, measured: Any) -> dict[str, Seen]:
        found = {}
        for label in self.labelled:
            value = measured[label]
            one = seen(label, value)
            found[label] = (
                one if math.isfinite(value) else replace(one, objective=math.nan, reason="No number.")
            )
        return found


def looking(tmp_path: Path, toy: Toy | None = None, name: str = "s", **asked: Any) -> Search:
    toy = toy or Toy()
    over = ("speed:middle", "radius_power")
    of = space(presets.get("moving_shapes"), {}, ("speed", "radius_power"))
    kept = tuple(d for d in of.dimensions if d.name in over)
    wanted = Asked(toy.labelled, asked.pop("budget", 20), **asked)
    return Search(toy, replace(of, dimensions=kept), wanted, tmp_path / f"{name}.journal")  # type: ignore[arg-type]


def told(trials: list[Trial]) -> list[tuple[Any, ...]]:
    return [(t.turn, sorted(t.point.items()), t.state, sorted(t.objectives.items())) for t in trials]


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_a_known_optimum_is_found(tmp_path: Path, sampler: str) -> None:
    search = looking(tmp_path, budget=30, sampler=sampler)
    trials = search.run()
    (found,) = best(trials, search.start, ["a"], 1)
    assert trials[0].knobs == {} and trials[0].turn == 0  # the preset itself
    assert found.objectives["a"] < 0.15  # 0.05 is the least, 2.4 the start
    assert abs(float(found.point["speed:middle"]) - 5) < 0.6
    assert found.point["radius_power"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["gp", "nsga2"])
def test_several_objectives_give_a_front_and_its_knee(tmp_path: Path, sampler: str) -> None:
    """The front lies between speeds of 5 and 7, the knee at 6 by symmetry of the start's shares."""
    toy = Toy(labels=("a", "b"))
    search = looking(tmp_path, toy, budget=64 if sampler == "nsga2" else 40, sampler=sampler)
    trials = search.run()
    kept = front(trials, ["a", "b"])
    assert len(kept) >= 2
    rows = np.array([[t.objectives["a"], t.objectives["b"]] for t in kept])
    assert (np.diff(rows[np.argsort(rows[:, 0])][:, 1]) < 0).all()
    (chosen,) = best(trials, search.start, ["a", "b"], 1)
    assert chosen in kept
    assert 4.5 < float(chosen.point["speed:middle"]) < 7.5
    assert max(shares(chosen.objectives, search.start, ["a", "b"]).values()) < 0.4


def test_a_run_that_goes_on_ends_as_one_that_was_not_stopped(tmp_path: Path) -> None:
    whole = told(looking(tmp_path, name="whole", budget=16).run())
    for stop in (3, 9):
        looking(tmp_path, name="parts", budget=stop).run()
    toy, said = Toy(), []
    toy.options.progress.say = said.append
    assert told(looking(tmp_path, toy, name="parts", budget=16).run()) == whole
    assert said == [f"{tmp_path}/parts.journal: 9 of 16 trials are there; going on"]
    assert toy.measured == 7  # what was missing
    # a seed of its own proposes other ones
    assert told(looking(tmp_path, name="other", budget=16, seed=1).run()) != whole


def _run(folder: str, budget: int, pause: float) -> None:
    looking(Path(folder), Toy(pause=pause), budget=budget).run()


@pytest.mark.slow
def test_processes_share_a_storage_and_one_may_be_killed(tmp_path: Path) -> None:
    """Each turn is done once, whatever dies in the middle of one."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_run, args=(str(tmp_path), 24, 0.15)) for _ in range(2)]
    for worker in workers:
        worker.start()
    journal = tmp_path / "s.journal"
    until = time.monotonic() + 120
    while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b'"turn"') >= 8):
        time.sleep(0.05)
    os.kill(workers[0].pid or 0, signal.SIGKILL)
    for worker in workers:
        worker.join(120)
    assert [w.exitcode for w in workers] == [-signal.SIGKILL, 0]
    trials = looking(tmp_path, budget=24).run()
    assert [t.turn for t in trials] == list(range(24))
    assert all(t.state == "done" for t in trials)
    left = [p.name for p in tmp_path.iterdir() if p.suffix not in (".journal",)]
    assert len(left) <= 1  # what the killed one held


def test_a_killed_process_loses_no_turn_and_changes_none(tmp_path: Path) -> None:
    whole = told(looking(tmp_path, name="whole", budget=12).run())
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_run, args=(str(tmp_path), 12, 0.2))
    worker.start()
    journal = tmp_path / "s.journal"
    until = time.monotonic() + 120
    while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b'"turn"') >= 6):
        time.sleep(0.02)
    os.kill(worker.pid or 0, signal.SIGKILL)
    worker.join()
    with open(journal, "ab") as file:
        file.write(b'{"op_code": 4, "worker')  # as a kill in the middle of a line leaves it
    assert told(looking(tmp_path, budget=12).run()) == whole


def test_proposals_are_made_outside_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else several processes would wait for one another, a second or two each time."""
    search, free = looking(tmp_path, budget=9), []
    propose = Search._proposed

    def watched(self: Search, *given: Any) -> Any:
        with locks.held(self._beside("lock")):  # raises where it is taken
            free.append(given[0])
        return propose(self, *given)

    monkeypatch.setattr(Search, "_proposed", watched)
    search.run()
    assert free == list(range(9))


def test_a_process_killed_while_it_proposes_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told(looking(tmp_path, name="whole", budget=9).run())
    propose = Search._proposed

    def killed(self: Search, turn: int, *given: Any) -> Any:
        if turn == 7:
            raise KeyboardInterrupt
        return propose(self, turn, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Search, "_proposed", killed)
        with pytest.raises(KeyboardInterrupt):
            looking(tmp_path, budget=9).run()
    assert told(looking(tmp_path, budget=9).run()) == whole


def test_what_two_processes_propose_at_once_is_not_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second asks again, knowing what the first is at."""
    mine, other = looking(tmp_path, budget=12), looking(tmp_path, budget=12)
    looking(tmp_path, budget=8).run()
    asked: list[int] = []

    def stubborn(self: Search, turn: int, trials: Any, distributions: Any) -> Any:
        asked.append(turn)
        if self is mine and len(asked) == 1:
            theirs.append(other._next(second, owner))
        known = [t for t in trials if t.turn >= 8 and t.point]
        return {"speed:middle": 3.0 + len(known), "radius_power": 2.0}

    theirs: list[Any] = []
    with mine._open() as first, other._open() as second, mine._alive() as owner:
        monkeypatch.setattr(Search, "_proposed", stubborn)
        trial = mine._next(first, owner)
    assert trial is not None
    assert theirs[0].params["speed:middle"] == 3 and trial.params["speed:middle"] == 4
    assert asked == [8, 9, 8]


def test_one_process_at_a_time_measures_again(tmp_path: Path) -> None:
    mine, other = looking(tmp_path, budget=2), looking(tmp_path, budget=2)
    said: list[str] = []
    other.bench.options.progress.say = said.append  # type: ignore[method-assign]
    order: list[str] = []

    def second() -> None:
        with other.finishing():
            order.append("second")

    waiting = threading.Thread(target=second)
    with mine.finishing():
        waiting.start()
        until = time.monotonic() + 20
        while not said and time.monotonic() < until:
            time.sleep(0.01)
        order.append("first")
    waiting.join(20)
    assert order == ["first", "second"]
    assert said == ["another process measures the best again: waiting for it"]


def test_what_fails_is_recorded_and_passed_over(tmp_path: Path) -> None:
    def sometimes(knobs: Mapping[str, str]) -> dict[str, float]:
        found = bowl(knobs)
        if found["a"] > 8:
            raise RuntimeError("a bug of a plug-in")
        if found["a"] > 4:
            raise UsageError("too far out")
        return {"a": math.nan} if 2.5 < found["a"] < 4 else found

    trials = looking(tmp_path, Toy(sometimes), budget=20).run()
    reasons = {t.reason for t in trials if t.state == "failed"}
    assert len(trials) == 20 and {"too far out", "RuntimeError: a bug of a plug-in"} <= reasons
    assert all(t.state == "done" or t.reason for t in trials)

    def never(knobs: Mapping[str, str]) -> dict[str, float]:
        if knobs:
            raise UsageError("not this one")
        return {"a": math.nan}

    search = looking(tmp_path, Toy(never), name="never", budget=5)
    with pytest.raises(DataError, match=r"None of 5 trials could be measured: No number\. not this one"):
        search.run()


def test_constraints_are_kept_or_told_to_be_impossible(tmp_path: Path) -> None:
    toy = Toy(labels=("a", "b"))
    search = looking(tmp_path, toy, budget=24, keep=(keep("b >= 0.9*start"),))
    search.asked = replace(search.asked, minimize=("a",))
    trials = search.run()
    least = 0.9 * search.start["b"].value
    assert all(t.values["b"] >= least for t in front(trials, ["a"]))
    assert any(t.objectives["a"] < min(f.objectives["a"] for f in front(trials, ["a"])) for t in trials)
    impossible = looking(tmp_path, Toy(), name="never", budget=4, keep=(keep("a<=0"),))
    with pytest.raises(DataError, match=r"None of 4 trials keeps --keep a<=0; the closest has a [0-9.]+ \("):
        impossible.run()


@pytest.mark.parametrize(
    ("text", "said"),
    [("motion", "cannot be read"), ("motion>1", "cannot be read"), ("a<=1e999", "cannot be read|finite")],
)
def test_a_constraint_that_is_none(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        keep(text)


def test_how_far_a_constraint_is_broken() -> None:
    assert keep("fid[random-inception]<=1.5*start").broken(4.0, 2.0) == pytest.approx(1.0)
    assert keep("a >= start").broken(3.0, 2.0) == -1
    assert keep("a<=0.5").broken(0.75, 9.0) == 0.25


def test_a_storage_of_another_search_is_refused(tmp_path: Path) -> None:
    looking(tmp_path, budget=2).run()
    with pytest.raises(
        UsageError, match=r"s\.journal is of a search with another sampler \(.gp., here .tpe.\)"
    ):
        looking(tmp_path, budget=2, sampler="tpe").run()
    (tmp_path / "x.journal").write_bytes(b"\x00\x01 nothing\n")
    with pytest.raises(DataError, match=r"x\.journal is no Optuna journal"):
        looking(tmp_path, name="x").run()
    (tmp_path / "d.journal").mkdir()
    with pytest.raises(DataError, match="cannot be used"):
        looking(tmp_path, name="d").run()


def test_a_storage_that_says_nothing_yet_is_taken(tmp_path: Path) -> None:
    """As a process leaves it that is killed between making it and saying what it is."""
    import optuna

    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "s.journal"))
    optuna.create_study(
        study_name="synvid-eval guide search", storage=optuna.storages.JournalStorage(backend)
    )
    assert len(looking(tmp_path, budget=3).run()) == 3


@pytest.mark.parametrize(
    "line", [b'{"op_code": 99, "worker_id": "x"}\n', b"5\n", b'{"op_code": 0}\n', b"[" * 9999 + b"\n"]
)
def test_a_journal_of_something_else_is_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "s.journal").write_bytes(line)
    with pytest.raises(DataError, match="is no Optuna journal"):
        looking(tmp_path, budget=2).run()


def test_a_gap_in_the_turns_is_filled_first(tmp_path: Path) -> None:
    """As a process leaves it that is killed when it has a trial, but not yet said which turn it is."""
    import optuna

    whole = told(looking(tmp_path, name="whole", budget=8).run())
    looking(tmp_path, budget=6).run()
    file = tmp_path / "s.journal"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(one for one in lines if b'"turn":4' not in one.replace(b" ", b"")))
    backend = optuna.storages.journal.JournalFileBackend(str(file))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert [t.user_attrs.get("turn") for t in study.trials].count(None) == 1
    assert told(looking(tmp_path, budget=8).run())[:5] == whole[:5]


def test_the_noise_is_given_to_the_sampler(tmp_path: Path) -> None:
    """As its least: the share of the variance of what it models; the floor is the better half's median."""
    search = looking(tmp_path, budget=9)
    trials = search.run()
    errors = sorted((t.objectives["a"], t.noise["a"]) for t in trials)[: len(trials) // 2]
    floor = float(np.median([e for _, e in errors]))
    values = np.array([t.objectives["a"] for t in trials])
    seen = np.log(np.hypot(values, floor))
    middle = float(np.median(np.sort(values)[: len(values) // 2]))
    share = (floor * middle / (middle**2 + floor**2)) ** 2 / seen.var()
    assert search._sampler(1, trials)._minimum_noise == pytest.approx(max(share, 1e-6))
    loud = [replace(t, noise={"a": 50 * t.noise["a"]}) for t in trials]
    assert search._sampler(1, loud)._minimum_noise > 10 * share


def test_what_lies_at_a_bound_is_told(tmp_path: Path) -> None:
    search = looking(tmp_path, budget=1)
    low, high = search.space["speed:middle"].low, search.space["speed:middle"].high
    point = {"speed:middle": high, "radius_power": 3.0}
    trial = Trial(1, point, {"speed": "1:23"}, "done")
    assert at_bound(search, trial) == [
        {"dimension": "speed:middle", "value": high, "end": "high", "bound": high}
    ]
    near = {"speed:middle": low + 0.009 * (high - low), "radius_power": 1.0}
    found = at_bound(search, Trial(1, near, {"speed": "1", "radius_power": "1"}, "done"))
    assert [(f["dimension"], f["end"]) for f in found] == [("speed:middle", "low"), ("radius_power", "low")]
    # neither in the middle, nor where it was from the start or did not change
    inner = {"speed:middle": (low + high) / 2, "radius_power": 1.0}
    assert at_bound(search, Trial(1, inner, {"speed": "5"}, "done")) == []


def test_a_trial_is_picked_by_its_number() -> None:
    trials = [
        Trial(0, {}, {}, "done"),
        Trial(1, {}, {}, "failed", reason="No number."),
        Trial(2, {}, {}, "done", broken={"a<=1": 0.5, "b<=1": -1.0}),
    ]
    assert picked(trials, 0) is trials[0]
    for turn, said in (
        (1, "--pick 1: that trial failed: No number"),
        (2, "--pick 2: that trial breaks --keep a<=1[.]"),
        (3, "--pick 3: there is no such trial"),
    ):
        with pytest.raises(UsageError, match=said):
            picked(trials, turn)


def made(*rows: tuple[float, float]) -> list[Trial]:
    return [
        Trial(i, {}, {}, "done", {}, {"a": a, "b": b}, {"a": 0.0, "b": 0.0}) for i, (a, b) in enumerate(rows)
    ]


def test_front_and_knee_by_hand() -> None:
    trials = made((4, 1), (2, 2), (1, 4), (3, 3), (2, 2), (5, 0.5))
    trials[5] = replace(trials[5], broken={"x": 0.1})
    assert [t.turn for t in front(trials, ["a", "b"])] == [0, 1, 2]
    start = {"a": seen("a", 8.0), "b": seen("b", 4.0)}
    # shares (0.5, 0.25), (0.25, 0.5), (0.125, 1): the first two are equally bad at worst, then in sum, too
    assert [t.turn for t in best(trials, start, ["a", "b"], 3)] == [0, 1, 4]
    assert shares(trials[2].objectives, start, ["a", "b"]) == {"a": 0.125, "b": 1.0}
    with pytest.raises(DataError, match="The front is empty"):
        best(trials[5:], start, ["a"], 1)


def test_shares_of_a_richness_and_of_a_start_below_its_noise() -> None:
    trial = Trial(0, {}, {}, "done", {}, {"r": -15.0, "m": 0.002, "k": 0.1}, {})
    rich = replace(seen("r", -10.0), rich=True)
    # an unbiased distance may lie below 0: that is no richness
    start = {"r": rich, "m": seen("m", 0.0, noise=0.004), "k": seen("k", -0.2, noise=0.4)}
    found = shares(trial.objectives, start, ["r", "m", "k"])
    assert found["r"] == 0.5  # half of what there was came on top
    assert start["m"].noise == pytest.approx(0.004) and found["m"] == pytest.approx(0.5)
    assert found["k"] == pytest.approx(0.25)


def test_a_richness_may_change_its_sign() -> None:
    """A log-determinant of 2, then 5, 0, -1 and -4: the order is theirs."""
    start = {"d": replace(seen("d", -2.0), rich=True)}
    told = [shares({"d": -value}, start, ["d"])["d"] for value in (5.0, 2.0, 0.0, -1.0, -4.0)]
    assert told == [-0.5, 1.0, 2.0, 2.5, 4.0]
    below = {"d": replace(seen("d", 13312.0), rich=True)}
    assert shares({"d": 12646.4}, below, ["d"])["d"] == pytest.approx(0.95)
    nothing = {"d": replace(seen("d", 0.0, noise=0.0), rich=True)}
    assert [shares({"d": v}, nothing, ["d"])["d"] for v in (1.0, 0.0, -1.0)] == [math.inf, 1.0, -math.inf]


def test_importances_name_the_knob_that_matters(tmp_path: Path) -> None:
    def of_speed(knobs: Mapping[str, str]) -> dict[str, float]:
        generator = presets.get("moving_shapes").configured(**knobs)
        low, high = (float(end) for end in (generator.speed.split(":") * 2)[:2])
        return {"a": 0.1 + abs((low + high) / 2 - 5)}

    search = looking(tmp_path, Toy(of_speed), budget=40, sampler="random")
    found = importances(search.run(), search.space, ["a"])["a"]
    assert found["speed:middle"] > 0.8
    assert importances([], search.space, ["a"]) == {}


def test_the_journal_is_one_that_optuna_reads(tmp_path: Path) -> None:
    import optuna

    looking(tmp_path, budget=6).run()
    journal = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "s.journal"))
    )
    study = optuna.load_study(study_name="synvid-eval guide search", storage=journal)
    assert [t.user_attrs["turn"] for t in study.trials] == list(range(6))
    assert study.best_value == min(t.value for t in study.trials)
    assert json.loads(study.user_attrs["signature"])["minimize"] == ["a"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"sampler": "gpp"}, "No sampler is called 'gpp'. Did you mean 'gp'"),
        ({"budget": 0}, "--budget 0 is out of range"),
        ({"minimize": ()}, "Nothing is to be minimized"),
    ],
)
def test_what_cannot_be_asked(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Asked(**{"minimize": ("a",), "budget": 3, **asked})
