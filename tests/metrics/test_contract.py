"""Every metric holds the contract, and broken ones fail it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import synvid_eval.intervals
import synvid_eval.metrics
from synvid_eval.errors import UsageError
from synvid_eval.knobs import knob
from synvid_eval.metrics import Metric, registry
from tests.metrics import contract


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("rule", contract.OF_CLASS, ids=lambda r: r.__name__)
def test_class(name, rule):
    rule(registry.get(name))


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("rule", contract.OF_INSTANCE, ids=lambda r: r.__name__)
def test_instance(name, rule):
    rule(registry.get(name)())


def test_the_weight_free_ones_are_found():
    assert {"color", "spectrum", "motion", "tubelet", "effective_rank"} <= set(registry.names())


def test_unknown_metric_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'color'"):
        registry.get("colour")


def test_the_whole_room_and_intervals_import_little():
    room = Path(synvid_eval.metrics.__file__).parent
    allowed = {"synvid_eval." + r for r in (*contract.OUR_ROOMS, "registry")}
    for path in [*room.glob("*.py"), Path(synvid_eval.intervals.__file__)]:
        for name in contract.imported(path):
            if name.startswith("synvid_eval"):
                assert ".".join(name.split(".")[:2]) in allowed, f"{path.name} imports {name}"
            else:
                assert name.split(".")[0] in contract.MAY_IMPORT, f"{path.name} imports {name}"


@dataclass(frozen=True)
class _Mean(Metric):
    """A sound metric, the base of the broken ones."""

    name: ClassVar[str] = "mean"
    feature: ClassVar[str] = "f"
    kind: ClassVar[str] = "property"
    better: ClassVar[str] = "match"
    unit: ClassVar[str] = ""

    @property
    def state(self):
        return "s"

    def value(self, candidate, reference):
        moments = candidate.moments("s")
        if moments is None or moments.n < 1:
            raise synvid_eval.metrics.Unscored("It needs at least 1 row; there is none.")
        return float(moments.mean[0])


class _Mutates(_Mean):
    def value(self, candidate, reference):
        value = super().value(candidate, reference)
        candidate.moments("s").mean[:] += 1.0
        return value


class _Splits(_Mean):
    """Merges scores instead of statistics: the mean of the blocks' means."""

    def value(self, candidate, reference):
        super().value(candidate, reference)
        means = [b.states["s"].mean[0] for b in candidate.blocks if b.states and b.states["s"].n]
        return float(np.mean(means))


class _ScoresNothing(_Mean):
    def value(self, candidate, reference):
        moments = candidate.moments("s")
        return 0.0 if moments is None else float(moments.mean[0])


class _Gap(_Mean):
    """A distance that is neither symmetric nor 0 between equal sets."""

    kind = "distance"
    better = "lower"

    def value(self, candidate, reference):
        return 1.0 + float(candidate.moments("s").mean[0] ** 2 / reference.moments("s").mean[0])


class _LooksAtReference(_Mean):
    def value(self, candidate, reference):
        return super().value(candidate, reference) + super().value(reference, candidate)


class _LeavesOutNothing(_Mean):
    def left_out(self, sides, turn, spread=map):
        return [self.value(sides[0], sides[-1])] * len(sides[turn].blocks)


class _WrongWay(_Mean):
    better = "lower"


@dataclass(frozen=True)
class _LooseKnob(_Mean):
    loose: float = knob(1.0, "takes anything")


@pytest.mark.parametrize("rule", contract.OF_INSTANCE, ids=lambda r: r.__name__)
def test_the_sound_one_passes(rule):
    rule(_Mean())


@pytest.mark.parametrize(
    ("broken", "rule", "why"),
    [
        (_Mutates(), contract.keeps_inputs, "states were changed"),
        (_Splits(), contract.ignores_split, "whole"),
        (_ScoresNothing(), contract.says_when_empty, "no data scored"),
        (_ScoresNothing(), contract.scores_rows, "no data scored"),
        (_Gap(), contract.knows_identity, "there"),
        (_LooksAtReference(), contract.scores_rows, "looks at the reference"),
        (_LeavesOutNothing(), contract.leaves_blocks_out, "block 0"),
        (_WrongWay, contract.describes_itself, "cannot be better"),
        (_Mean, contract.describes_itself, "essay"),
        (_Mean, contract.imports_little, "imports"),
        (_LooseKnob, contract.has_valid_knobs, "takes anything"),
    ],
    ids=lambda x: getattr(x, "__name__", type(x).__name__ if not isinstance(x, str) else "why"),
)
def test_broken_ones_fail(broken, rule, why):
    with pytest.raises(AssertionError, match=why):
        rule(broken)
