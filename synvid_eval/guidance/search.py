"""A search over a preset's knobs towards a reference: trials on the bench, proposed by Optuna.

What is minimized are objectives as `bench` defines them. The reference is halved by source group before
anything is measured: the search sees one half, `gain` measures what was found against the other.

Trials. All configurations are drawn with the same random numbers. The first is the preset itself (as far as
the space can say it), the next few fill the space evenly (a scrambled Sobol sequence), the others are
proposed by the sampler from all that came before. Which proposal is made in turn n depends on the seed, n and
the trials before alone, so one process that was killed goes on to the same end as one that was not. Several
processes take turns under a lock, and propose and measure side by side; each knows what the others are
measuring. What a killed one had begun is begun again by another. One at a time measures what was found again
(`finishing`), so the others read it from the cache.

Noise. A Gaussian process (`gp`) models log √(y² + σ²) of each objective y, σ its standard error over clips,
the median of the better half of the trials so far: differences below the noise look alike to it. The share of
a model's variance that is noise is given to it as its least. The other samplers go by ranks, which this would
not change. `random` is for comparison.

What is kept. Every trial, failed ones with their reason, lies in an Optuna journal, which its own tools read.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import stat
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import synvid_eval
from synvid_eval import archive, locks
from synvid_eval.errors import DataError, SynvidEvalError, UsageError, nearest, one_line
from synvid_eval.guidance.bench import Bench, Seen
from synvid_eval.guidance.sensitivity import Together
from synvid_eval.guidance.space import CHOICE, WHOLE, Dimension, Space, Value
from synvid_eval.randomness import address

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("gp", "tpe", "nsga2", "random")
MOST_TRIALS = 100_000
GENERATION = 16
"""Trials of a generation of NSGA-II."""

_KEEP = re.compile(r"\s*([A-Za-z0-9_.\[\]:-]+?)\s*(<=|>=)\s*(?:([0-9.eE+-]+)\s*\*\s*)?(start|[0-9.eE+-]+)\s*")
_DOMAIN = "synvid_eval.guidance.search"
_WAIT = 0.5


@dataclass(frozen=True)
class Keep:
    """A constraint on a metric's own value: `effective_rank>=0.9*start`."""

    text: str
    metric: str
    sign: str
    factor: float
    of_start: bool

    def broken(self, value: float, start: float) -> float:
        """How far a value is beyond what is allowed; ≤ 0 where it is kept."""
        bound = self.factor * (start if self.of_start else 1.0)
        return value - bound if self.sign == "<=" else bound - value


def keep(text: str) -> Keep:
    """What `--keep` says; UsageError for what cannot be read."""
    found = _KEEP.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        factor, of_start = float(found[3] or 1), found[4] == "start"
        factor *= 1.0 if of_start else float(found[4])
    except ValueError:
        hint = "It is METRIC>=start, METRIC<=0.9*start, or METRIC<=NUMBER, in quotes."
        raise UsageError(f"--keep {text[:80]} cannot be read.", hint) from None
    if not math.isfinite(factor):
        raise UsageError(f"--keep {text[:80]}: the bound is no finite number.")
    return Keep(text.strip(), found[1], found[2], factor, of_start)


@dataclass(frozen=True)
class Asked:
    """What a search is to do.

    minimize: labels of metrics. budget: trials in all. sampler: of `SAMPLERS`. keep: constraints. seed: of
    proposals (that of the clips is the bench's).
    """

    minimize: tuple[str, ...]
    budget: int
    sampler: str = "gp"
    keep: tuple[Keep, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise UsageError(f"No sampler is called {self.sampler!r}.", nearest(self.sampler, SAMPLERS))
        if not 1 <= self.budget <= MOST_TRIALS:
            raise UsageError(
                f"--budget {self.budget} is out of range.", f"It is 1 to {MOST_TRIALS:,} trials."
            )
        if not self.minimize:
            raise UsageError("Nothing is to be minimized.", "Name metrics: --minimize color,motion.")

    def labelled(self, labels: Mapping[str, str]) -> Asked:
        """The same of what metrics are called where they are scored (`fid[random-inception]`): name →
        label; a label stands for itself.
        """
        kept = tuple(replace(k, metric=labels.get(k.metric, k.metric)) for k in self.keep)
        return replace(self, minimize=tuple(labels.get(m, m) for m in self.minimize), keep=kept)


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried.

    turn: its number, from 0. point: dimension → value. knobs: knob → text. state: done, failed or running.
    values, objectives, noise: label → number. broken: constraint → how far beyond (≤ 0: kept). reason: of
    a failed one.
    """

    turn: int
    point: dict[str, Value]
    knobs: dict[str, str]
    state: str
    values: dict[str, float] = field(default_factory=dict)
    objectives: dict[str, float] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)
    broken: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    @property
    def feasible(self) -> bool:
        """Whether it was measured and keeps every constraint."""
        return self.state == "done" and all(b <= 0 for b in self.broken.values())


class Search:
    """A search over a space on a bench, kept in a storage file.

    Args:
        bench: measures configurations; its metrics are those to minimize and those of constraints. space:
        what may be set. storage: the journal; made where there is none, gone on with where there is one.

    Raises:
        UsageError: a space without dimensions, a storage of another search. DataError: the preset itself
        cannot be measured, or lacks a metric that a constraint compares with.
    """

    def __init__(self, bench: Bench, space: Space, asked: Asked, storage: Path) -> None:
        check_space(space)
        self.bench, self.space, self.storage = bench, space, storage
        self.asked = asked.labelled(bench.labels)
        self.start = bench.seen(bench.start)
        for label, seen in self.start.items():
            if seen.reason:
                raise DataError(f"{space.preset.name} as it is has no {label}: {seen.reason}")
        self._order = {d.name: d for d in space.dimensions}

    def rehearsed(self, again: int, sets: int) -> dict[str, Any]:
        """What would be searched and how long it would take, ready for JSON: a point in the middle of the
        space is drawn and measured, nothing is kept.

        again: clips that are measured after the trials, of so many sets.
        """
        middle = {d.name: d.start if d.kind == CHOICE else d.at(0.5) for d in self.space.dimensions}
        knobs = self.space.knobs(middle)
        took, textures = self.bench.timed(knobs)
        set_anew = any(d.knob == "textures" for d in self.space.dimensions)
        pools = self.bench.pools(knobs) if set_anew else []
        done = 0
        if self.storage.exists():
            with self._open() as study:
                done = sum(t.state != "running" for t in self._trials(study))
        left = max(0, self.asked.budget - done)
        return {
            "space": [d.facts() for d in self.space.dimensions],
            "budget": self.asked.budget,
            "left": left,
            "clips": self.bench.clips,
            "again": again,
            "seconds_a_trial": took,
            "seconds": (took - textures) * (left + again / self.bench.clips) + textures * (left + sets),
            # what a setting of textures costs beside its clips: none are there yet
            "textures": {
                "count": sum(one.count for one in pools),
                "bytes": sum(one.size for one in pools),
                "seconds": textures,
            }
            if pools
            else None,
        }

    # -- trials ------------------------------------------------------------------------------------

    def run(self) -> list[Trial]:
        """Tries configurations until the budget is used, with whatever other processes share the storage;
        all trials, in their order.

        Raises:
            DataError: every trial failed, none keeps the constraints.
        """
        progress = self.bench.options.progress
        with self._open() as study, self._alive() as owner:
            told = sum(t.state != "running" for t in self._trials(study)[: self.asked.budget])
            if told:
                progress.say(f"{self.storage}: {told} of {self.asked.budget} trials are there; going on")
            if isinstance(progress, Together):  # one bar for the clips of all trials
                left = self.asked.budget - told
                progress.whole(f"{self.space.preset.name} ({left} trials)", left * self.bench.clips)
            while True:
                trial = self._next(study, owner)
                if trial is None:
                    wanted = self._trials(study)[: self.asked.budget]
                    running = [t for t in wanted if t.state == "running"]
                    if not running:
                        break
                    time.sleep(_WAIT)  # another process is at the last ones, or has been killed at them
                    continue
                self._try(study, trial)
            if isinstance(progress, Together):
                progress.over()
            found = [t for t in self._trials(study) if t.turn < self.asked.budget]
        return self._checked(found)

    def _checked(self, found: list[Trial]) -> list[Trial]:
        done = [t for t in found if t.state == "done"]
        if not done:
            reasons = sorted({t.reason for t in found})[:3]
            raise DataError(f"None of {len(found)} trials could be measured: {' '.join(reasons)}")
        if not any(t.feasible for t in done):
            closest = min(done, key=lambda t: sum(max(b, 0.0) for b in t.broken.values()))
            seen = ", ".join(f"{k.metric} {closest.values[k.metric]:.4g}" for k in self.asked.keep)
            asked = " and ".join(f"--keep {k.text}" for k in self.asked.keep)
            start = ", ".join(f"{k.metric} {self.start[k.metric].value:.4g}" for k in self.asked.keep)
            raise DataError(
                f"None of {len(done)} trials keeps {asked}; the closest has {seen} (start: {start}).",
                "Loosen it, or search longer or over more knobs.",
            )
        return found

    def _next(self, study: optuna.Study, owner: str) -> optuna.Trial | None:
        """The next trial, taken for this process; None where the budget is used.

        A turn is taken under the lock; what is tried in it is proposed without, since that takes seconds. So
        what others propose at the same moment is not known, and is proposed anew where it came out the same.
        """
        import optuna

        with self._alone():
            again = self._abandoned(study)
            trials = self._trials(study)
            if again is not None:
                turn, point = again
            else:
                # a process that was killed may have left a gap
                turn, point = min(set(range(len(trials) + 1)) - {t.turn for t in trials}), {}
                if turn >= self.asked.budget:
                    return None
            study.sampler = optuna.samplers.RandomSampler()
            trial = study.ask()
            # a process that is killed before this leaves a trial without a turn, which nobody looks at
            trial.set_user_attr("owner", owner)
            trial.set_user_attr("turn", turn)
        distributions = {d.name: _distribution(d) for d in self.space.dimensions}
        if len(point) < len(distributions):  # not begun again, or its process was gone before it had one
            point = self._proposed(turn, trials, distributions)
            known = {t.turn for t in trials if self._placed(t)}
            now = [t for t in self._trials(study) if t.turn != turn]
            if any(t.point == point for t in now if t.turn not in known):
                point = self._proposed(turn, now, distributions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that such a sampler is new
            study.sampler = optuna.samplers.PartialFixedSampler(point, optuna.samplers.RandomSampler())
        for dimension in self.space.dimensions:
            _suggested(trial, dimension)
        return trial

    def _placed(self, trial: Trial) -> bool:
        """Whether all of a trial's point is known: one that is being proposed has none."""
        return len(trial.point) == len(self.space.dimensions)

    def _abandoned(self, study: optuna.Study) -> tuple[int, dict[str, Value]] | None:
        """(turn, point) of a trial whose process is gone; it is marked so."""
        import optuna

        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            turn = trial.user_attrs.get("turn", self.asked.budget)
            if turn < self.asked.budget and not self._lives(trial.user_attrs["owner"]):
                study._storage.set_trial_user_attr(trial._trial_id, "abandoned", True)
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                return trial.user_attrs["turn"], self._point(trial.params)
        return None

    def _try(self, study: optuna.Study, trial: optuna.Trial) -> None:
        """Measures a trial and tells what came out. Whatever a point raises, it is a failed trial with its
        reason: else one point that a plug-in chokes on would end every search that comes upon it.
        """
        import optuna

        began = time.monotonic()
        try:
            knobs = self.space.knobs(self._point(trial.params))
            seen = self.bench.seen(self.bench.measure(knobs))
        except Exception as error:
            known = isinstance(error, SynvidEvalError)
            trial.set_user_attr(
                "reason", one_line(str(error) if known else f"{type(error).__name__}: {error}")
            )
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        trial.set_user_attr("knobs", knobs)
        reasons = [s.reason for s in seen.values() if s.reason]
        if reasons:
            trial.set_user_attr("reason", " ".join(reasons))
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        for name, what in (("values", "value"), ("objectives", "objective"), ("noise", "noise")):
            trial.set_user_attr(name, {label: _plain(getattr(s, what)) for label, s in seen.items()})
        for one in self.asked.keep:
            trial.set_constraint(one.text, one.broken(seen[one.metric].value, self.start[one.metric].value))
        trial.set_user_attr("seconds", round(time.monotonic() - began, 3))
        study.tell(trial, [seen[label].objective for label in self.asked.minimize])

    def _trials(self, study: optuna.Study) -> list[Trial]:
        """All trials in the order of their turns, without those that were begun again."""
        found: dict[int, Trial] = {}
        for trial in study.get_trials(deepcopy=False):
            about = trial.user_attrs
            if "turn" not in about or about.get("abandoned"):
                continue
            state = {"COMPLETE": "done", "FAIL": "failed"}.get(trial.state.name, "running")
            noise = {k: math.nan if v is None else v for k, v in about.get("noise", {}).items()}
            found[about["turn"]] = Trial(
                about["turn"],
                self._point(trial.params),
                about.get("knobs", {}),
                state,
                about.get("values", {}),
                about.get("objectives", {}),
                noise,
                dict(trial.constraints),
                about.get("reason", ""),
                about.get("seconds", 0.0),
            )
        return [found[turn] for turn in sorted(found)]

    def _point(self, params: Mapping[str, Any]) -> dict[str, Value]:
        return {name: self._order[name].exact(value) for name, value in params.items() if name in self._order}

    # -- proposals ---------------------------------------------------------------------------------

    @property
    def startup(self) -> int:
        """Trials before the sampler proposes: the preset and an even filling of the space."""
        if self.asked.sampler == "random":
            return 1
        return min(4 + len(self.space.dimensions) // 2, 12)

    def _proposed(
        self, turn: int, trials: Sequence[Trial], distributions: Mapping[str, Any]
    ) -> dict[str, Value]:
        if turn == 0:
            return self.space.start
        key = address(_DOMAIN, self.asked.seed, turn)
        if self.asked.sampler == "random":
            return self._at(np.random.default_rng(key).random(len(self.space.dimensions)))
        if turn < self.startup:
            return self._at(self._even(turn - 1))
        sampler = self._sampler(key, trials)
        temporary = _quiet_study(sampler, len(self.asked.minimize))
        for trial in self._completed(trials, distributions):
            temporary.add_trial(trial)
        for running in (t for t in trials if t.state == "running" and self._placed(t)):
            temporary.enqueue_trial(running.point)
            temporary.ask(dict(distributions))
        return self._point(temporary.ask(dict(distributions)).params)

    def _even(self, index: int) -> NDArray[np.float64]:
        """Point `index` of a Sobol sequence, scrambled by the seed."""
        from scipy.stats import qmc

        seed = address(_DOMAIN, self.asked.seed, "even")
        sequence = qmc.Sobol(len(self.space.dimensions), rng=np.random.default_rng(seed))
        if index:
            sequence.fast_forward(index)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a power of two of points is best balanced
            found: NDArray[np.float64] = sequence.random(1)[0]
        return found

    def _at(self, shares: NDArray[np.float64]) -> dict[str, Value]:
        return {
            d.name: d.choices[min(int(s * len(d.choices)), len(d.choices) - 1)]
            if d.kind == CHOICE
            else d.at(s)
            for d, s in zip(self.space.dimensions, shares.tolist(), strict=True)
        }

    def _sampler(self, key: int, trials: Sequence[Trial]) -> Any:
        import optuna

        seed = key % 2**32
        done = [t for t in trials if t.state == "done"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a sampler is new
            if self.asked.sampler == "tpe":
                return optuna.samplers.TPESampler(
                    seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True
                )
            if self.asked.sampler == "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed, population_size=GENERATION)
            sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=1)
        shares = [self._noise_share(label, done) for label in self.asked.minimize]
        told = [s for s in shares if math.isfinite(s)]
        # one least for all objectives (Optuna knows no other), so the smallest is what is true of each
        if told and hasattr(sampler, "_minimum_noise"):
            sampler._minimum_noise = max(sampler._minimum_noise, min(min(told), 0.5))
        return sampler

    def _modelled(self, label: str, done: Sequence[Trial]) -> NDArray[np.float64]:
        """What a model sees of an objective: log √(y² + σ²), or y itself where it can be negative."""
        values = np.array([t.objectives[label] for t in done])
        if not len(values) or (values < 0).any():
            return values
        floor = max(self._floor(label, done), np.finfo(float).tiny)
        found: NDArray[np.float64] = np.log(np.hypot(values, floor))
        return found

    def _floor(self, label: str, done: Sequence[Trial]) -> float:
        """The standard error of an objective over clips: the median of the better half of the trials."""
        best = sorted(done, key=lambda t: t.objectives[label])[: max(1, len(done) // 2)]
        noise = [t.noise[label] for t in best if math.isfinite(t.noise[label])]
        return float(np.median(noise)) if noise else 0.0

    def _noise_share(self, label: str, done: Sequence[Trial]) -> float:
        """Which share of the variance of what a model sees is noise; NaN where it cannot be told."""
        seen = self._modelled(label, done)
        if len(seen) < 2 or not seen.var() > 0:
            return math.nan
        error = self._floor(label, done)
        values = np.array([t.objectives[label] for t in done])
        if not (values < 0).any():
            best = float(np.median(np.sort(values)[: max(1, len(values) // 2)]))
            error *= best / (best**2 + error**2) if error else 0.0
        return float(error**2 / seen.var())

    def _completed(self, trials: Sequence[Trial], distributions: Mapping[str, Any]) -> Iterator[Any]:
        """The finished trials as Optuna's own, in their order, with the values that a model is to see. What
        failed is as bad as the worst of the others: else it would be proposed again and again.
        """
        import optuna

        done = [t for t in trials if t.state == "done"]
        if not done:
            return
        columns = [
            self._modelled(label, done)
            if self.asked.sampler == "gp"
            else np.array([t.objectives[label] for t in done])
            for label in self.asked.minimize
        ]
        seen = dict(zip((t.turn for t in done), np.stack(columns, 1), strict=True))
        worst_of_all = np.stack(columns, 1).max(0)
        for i, trial in enumerate(t for t in trials if t.state != "running"):
            # NSGA-II takes its parents from whole generations
            nsga2 = self.asked.sampler == "nsga2"
            system = {"NSGAIISampler:generation": i // GENERATION} if nsga2 else {}
            broken = dict(trial.broken) or dict.fromkeys((k.text for k in self.asked.keep), 1.0)
            yield optuna.trial.create_trial(
                params=dict(trial.point),
                distributions=dict(distributions),
                values=seen.get(trial.turn, worst_of_all).tolist(),
                system_attrs=system,
                constraints=broken or None,
            )

    # -- storage -----------------------------------------------------------------------------------

    @property
    def signature(self) -> dict[str, Any]:
        """What decides the trials, ready for JSON: a storage goes on with the same alone."""
        bench, preset = self.bench, self.space.preset
        shown = ("name", "kind", "start", "low", "high", "log", "choices")
        facts: dict[str, Any] = {
            "minimize": list(self.asked.minimize),
            "keep": [k.text for k in self.asked.keep],
            "sampler": self.asked.sampler,
            "seed": self.asked.seed,
            "clips": bench.clips,
            "reference": bench.reference.facts.fingerprint,
            "space": [{k: v for k, v in d.facts().items() if k in shown} for d in self.space.dimensions],
            # the bench's own and the space's: a palette that was taken from a set is of the latter alone
            "preset": [preset.name, *bench.identities(({}, dict(self.space.fixed)))],
            "recipe": bench.recipe_facts(),
            "version": synvid_eval.__version__,
        }
        found: dict[str, Any] = json.loads(json.dumps(facts))
        return found

    @contextlib.contextmanager
    def _open(self) -> Iterator[optuna.Study]:
        """The study in the storage; UsageError where that is of another search, or none."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        text = json.dumps(self.signature, sort_keys=True)
        name = "synvid-eval guide search"
        with self._alone():
            with locks.held(self._beside("write"), wait=True):  # nobody appends meanwhile
                _mended(self.storage)
            lock = _lock(self._beside("write"))
            try:
                journal = JournalStorage(JournalFileBackend(os.fspath(self.storage), lock_obj=lock))
                studies = {s.study_name: s for s in optuna.get_all_study_summaries(journal)}
            except OSError as error:
                raise DataError(f"{self.storage} cannot be used: {error.strerror}.") from None
            except Exception as error:  # whatever reading another file as a journal raises
                said = one_line(f"{self.storage} is no Optuna journal ({type(error).__name__}).")
                raise DataError(said, "Give another --storage.") from None
            if studies and name not in studies:
                raise UsageError(f"{self.storage} holds other studies.", "Give another --storage.")
            if name in studies:
                study = optuna.load_study(study_name=name, storage=journal)
            else:
                study = optuna.create_study(
                    storage=journal, study_name=name, directions=["minimize"] * len(self.asked.minimize)
                )
            if "signature" in study.user_attrs or study.get_trials(deepcopy=False):
                self._same(study.user_attrs.get("signature"))
            else:  # new, or its maker was killed before it could say what it is
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that names are new
                    study.set_metric_names(list(self.asked.minimize))
                study.set_user_attr("signature", text)
        yield study

    def _same(self, text: Any) -> None:
        """UsageError that says what differs where the storage is of another search."""
        try:
            theirs = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            theirs = None
        if not isinstance(theirs, dict):
            raise DataError(f"{self.storage} does not say which search it is of.", "Give another --storage.")
        mine = self.signature
        other = [k for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k)]
        if not other:
            return
        kept, asked = (json.dumps(d.get(other[0]))[:60] for d in (theirs, mine))
        told = f" ({kept}, here {asked})" if len(kept) < 60 and len(asked) < 60 else ""
        raise UsageError(
            f"{self.storage} is of a search with another {other[0]}{told}.",
            "Give another --out or --storage, or remove it.",
        )

    def _beside(self, what: str) -> Path:
        return self.storage.with_name(f"{self.storage.name}.{what}")

    def _alone(self) -> contextlib.AbstractContextManager[bool]:
        return locks.held(self._beside("lock"), f"{self.storage}", wait=True)

    @contextlib.contextmanager
    def _alive(self) -> Iterator[str]:
        """Holds a lock of this process's own while it works: by that others see that it is alive."""
        owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        with locks.held(self._beside(owner)):
            yield owner

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Only one of the processes that share the storage is in here; the others wait until it is out or
        dead, and find in the cache what it measured.
        """
        path = self._beside("finish")
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.held(path))
            except UsageError:
                self.bench.options.progress.say("another process measures the best again: waiting for it")
                stack.enter_context(locks.held(path, wait=True))
            yield

    def _lives(self, owner: str) -> bool:
        path = self._beside(owner)
        if not path.exists():
            return False
        try:
            with locks.held(path) as locked:
                return not locked  # where there are no locks, nobody can be told to be dead
        except UsageError:
            return True


def check_space(space: Space) -> None:
    """UsageError for a space without dimensions."""
    if not space.dimensions:
        raise UsageError(f"{space.preset.name} has nothing to search.", "See: synvid-eval show PRESET.")


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.kind == CHOICE:
        return CategoricalDistribution(dimension.choices)
    if dimension.kind == WHOLE:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _suggested(trial: optuna.Trial, dimension: Dimension) -> None:
    """Sets a dimension of a trial to what the study's sampler says."""
    if dimension.kind == CHOICE:
        trial.suggest_categorical(dimension.name, dimension.choices)
    elif dimension.kind == WHOLE:
        trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high), log=dimension.log)
    else:
        trial.suggest_float(dimension.name, dimension.low, dimension.high, log=dimension.log)


def _quiet_study(sampler: Any, objectives: int) -> optuna.Study:
    """A study in memory, to ask a sampler."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=sampler, directions=["minimize"] * objectives)


def _lock(path: Path) -> Any:
    """A lock of Optuna's kind that the system takes back from a killed process at once."""
    from optuna.storages.journal._file import BaseJournalFileLock

    class Lock(BaseJournalFileLock):
        def __init__(self) -> None:
            self._stack = contextlib.ExitStack()

        def acquire(self) -> bool:
            self._stack.enter_context(locks.held(path, wait=True))
            return True

        def release(self) -> None:
            self._stack.close()

    return Lock()


def _mended(storage: Path) -> None:
    """Cuts off a last line that a killed process left unfinished.

    Raises:
        DataError: a folder, or what cannot be read or written.
    """
    try:
        if not storage.exists():
            archive.write_bytes(storage, b"")
            return
        if not stat.S_ISREG(storage.stat().st_mode):  # a FIFO would be waited for
            raise DataError(f"{storage} cannot be used: it is no file.", "Give another --storage.")
        data = storage.read_bytes()
        if data and not data.endswith(b"\n"):
            archive.write_bytes(storage, data[: data.rfind(b"\n") + 1])
    except OSError as error:
        raise DataError(f"{storage} cannot be used: {error.strerror}.", "Give another --storage.") from None


# -- what was found ------------------------------------------------------------------------------------


def front(trials: Sequence[Trial], minimize: Sequence[str]) -> list[Trial]:
    """The trials that keep every constraint and that no other such trial beats in one objective without
    losing in another, in their order. Of equal ones the first.
    """
    good = [t for t in trials if t.feasible]
    rows = np.array([[t.objectives[label] for label in minimize] for t in good]).reshape(len(good), -1)
    kept = []
    for i, row in enumerate(rows):
        better = (rows <= row).all(1) & (rows < row).any(1)
        same = (rows[:i] == row).all(1)
        if not better.any() and not same.any():
            kept.append(good[i])
    return kept


def shares(
    objectives: Mapping[str, float], start: Mapping[str, Seen], minimize: Sequence[str]
) -> dict[str, float]:
    """Objective → its share of the start's: 1 where nothing changed, below 1 where it is better.

    Of a richness, which may change its sign (a log-determinant), a ratio says nothing: it is 1 less what was
    gained, in units of the start's size. A start below its own noise counts as that noise.
    """
    found = {}
    for label in minimize:
        one, now = start[label], objectives[label]
        noise = one.noise if math.isfinite(one.noise) else 0.0
        size = max(abs(one.objective) if one.rich else one.objective, noise)
        if one.rich:
            found[label] = 1 + _divided(now - one.objective, size)
        else:
            found[label] = _divided(now, size) if size > 0 or now != 0 else 1.0
    return found


def _divided(value: float, by: float) -> float:
    """A quotient; ±∞ where it is by nothing, but 0 of nothing."""
    if by > 0:
        return value / by
    return math.copysign(math.inf, value) if value else 0.0


def best(
    trials: Sequence[Trial], start: Mapping[str, Seen], minimize: Sequence[str], count: int
) -> list[Trial]:
    """The `count` trials that keep every constraint whose worst objective is smallest, each as its share of
    the start's; the first is the knee of the front.

    Raises:
        DataError: no such trial.
    """
    good = [t for t in trials if t.feasible]
    if not good:
        raise DataError("The front is empty: no trial was measured and keeps every constraint.")
    return sorted(good, key=lambda t: (*worst(shares(t.objectives, start, minimize)), t.turn))[:count]


def worst(of: Mapping[str, float]) -> tuple[float, float]:
    """What settings are ordered by: the largest of some shares, then their sum."""
    return max(of.values()), sum(of.values())


def importances(
    trials: Sequence[Trial], space: Space, minimize: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Objective → dimension → how much it decides whether a trial is among the better ones, in sum 1.

    PED-ANOVA (Watanabe et al. 2023), by Optuna. Empty below 10 trials that are done.
    """
    import optuna

    done = [t for t in trials if t.state == "done"]
    if len(done) < 10:
        return {}
    distributions = {d.name: _distribution(d) for d in space.dimensions}
    found: dict[str, dict[str, float]] = {}
    for label in minimize:
        study = _quiet_study(None, 1)
        for trial in done:
            value = trial.objectives[label]
            study.add_trial(
                optuna.trial.create_trial(params=dict(trial.point), distributions=distributions, value=value)
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the evaluator is new
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            told = optuna.importance.get_param_importances(study, evaluator=evaluator)
        found[label] = {d.name: float(told.get(d.name, 0.0)) for d in space.dimensions}
    return found


def trial_facts(trial: Trial) -> dict[str, Any]:
    """Ready for JSON."""
    return asdict(trial) | {"feasible": trial.feasible}
