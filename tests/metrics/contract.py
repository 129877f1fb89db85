"""What every metric must hold, as functions that raise AssertionError; `test_contract` runs them over all.

A new metric is covered by being there; `test_contract` also shows that broken metrics fail here.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.metrics import Metric, Unscored
from synvid_eval.score import recipe
from synvid_eval.states import Fold, Moments, Side
from tests.metrics.sides import clip_side, normal_clips

KINDS = {
    "property": {"match"},
    "distance": {"lower"},
    "unbiased": {"lower"},
    "richness": {"higher", "lower"},
}
MAY_IMPORT = {
    "__future__",
    "abc",
    "collections",
    "dataclasses",
    "functools",
    "math",
    "typing",
    "numpy",
    "scipy",
}
OUR_ROOMS = ("histogram", "errors", "knobs", "states", "metrics")
DIM = 8


def clips_of(seed: int, clips: int = 30) -> list[NDArray[np.float64]]:
    """Rows that any metric can score: [clips][3, 8], correlated, away from zero."""
    mix = np.random.default_rng(99).normal(size=(DIM, DIM))
    return [rows @ mix + 5 + seed for rows in normal_clips(seed, clips, 3, DIM)]


def describes_itself(cls: type[Metric]) -> None:
    """Name, unit, direction and kind are there and agree; the module opens with an essay; imports are few."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\[[a-z][a-z0-9_]*\])?", cls.name), "name is no identifier"
    assert isinstance(cls.feature, str) and cls.feature, "no feature"
    assert isinstance(cls.unit, str), "no unit"
    assert cls.kind in KINDS and cls.better in KINDS[cls.kind], f"{cls.kind} cannot be better {cls.better}"
    assert dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen, "no frozen dataclass"
    essay = inspect.getdoc(sys.modules[cls.__module__]) or ""
    assert cls.apart or cls.clip_rows is Metric.clip_rows, "no phrase for the distance between clips"
    for word in ("Purpose.", "Conventions.", "Range and direction.", "Source.", "Pitfalls."):
        assert word in essay, f"the essay has no {word}"


def imports_little(cls: type[Metric]) -> None:
    """The module imports numpy, scipy and the rooms below metrics only."""
    for name in imported(Path(inspect.getfile(cls))):
        ours = name.startswith("synvid_eval")
        allowed = (
            name.split(".")[1] in OUR_ROOMS if ours and "." in name else name.split(".")[0] in MAY_IMPORT
        )
        assert allowed, f"{cls.__name__} imports {name}"


def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports."""
    out: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            # `from synvid_eval import knobs` names a room by its alias
            out |= {f"{module}.{a.name}" for a in node.names} if module == "synvid_eval" else {module}
    return out


def has_valid_knobs(cls: type[Metric]) -> None:
    """Every knob says what it means and rejects nonsense; all of them stand in the signature."""
    default = cls()
    parts = recipe(default, "metric")
    assert parts["metric"] == cls.name and "metric.revision" in parts
    for field in dataclasses.fields(cls):
        assert field.metadata.get("help"), f"knob {field.name} has no meaning"
        assert f"metric.{field.name}" in parts, f"knob {field.name} is not in the signature"
        bounded = field.metadata["choices"] or field.metadata["low"] is not None
        assert bounded, f"knob {field.name} takes anything"
        nonsense: Any = "nonsense" if field.metadata["choices"] else field.metadata["low"] - 1
        try:
            dataclasses.replace(default, **{field.name: nonsense})
        except UsageError as error:
            assert field.name in str(error)
        else:
            raise AssertionError(f"knob {field.name} takes {nonsense!r}")
        same = knobs.parse(cls, field.name, str(getattr(default, field.name)))
        assert same == getattr(default, field.name), f"knob {field.name} does not read what it prints"


def scores_rows(metric: Metric) -> None:
    """`of_rows` gives a finite number or says why not; no rows are never a number."""
    rows = [np.concatenate(clips_of(seed)) for seed in (0, 1)]
    assert np.isfinite(metric.of_rows(*rows))
    if not metric.pair:
        assert metric.of_rows(rows[0]) == metric.of_rows(*rows), "looks at the reference"
    for bad in (np.empty((0, DIM)), np.ones((1, DIM))):
        try:
            value = metric.of_rows(bad, bad)
        except Unscored as reason:
            assert len(str(reason)) > 10 and str(reason).endswith("."), f"no sentence: {reason}"
        else:
            assert len(bad) and np.isfinite(value), "no data scored"


def says_when_empty(metric: Metric) -> None:
    """Without any clip: Unscored from `value`, no exception from `detail`, nothing to draw, a gate that is
    shut.
    """
    empty = Side((Fold(),) * 20, 0)
    try:
        metric.value(empty, empty)
    except Unscored:
        pass
    else:
        raise AssertionError("no data scored")
    metric.detail(empty, empty)
    assert metric.clip_rows(empty, {}, np.empty(0, np.uint64)) is None, "rows of no clip"
    assert metric.picture(empty) == {}, "a picture of nothing"
    if metric.kind != "property":
        assert metric.interval_gate(empty), "an interval from nothing"


def side_of(metric: Metric, clips: list[NDArray[np.float64]], **options: Any) -> Side:
    """A side with the kind of state that the metric reads."""
    return clip_side(clips, metric.state, kept=metric.kind == "unbiased", **options)


def knows_identity(metric: Metric) -> None:
    """A distance is symmetric, 0 between equal sets (an unbiased one near it), not between different ones."""
    if not metric.pair:
        return
    a, b = (side_of(metric, clips_of(seed)) for seed in (0, 1))
    there, back = metric.value(a, b), metric.value(b, a)
    assert there > 0
    assert abs(there - back) <= 1e-12 * there, f"{there} there, {back} back"
    if metric.kind == "unbiased":
        assert -there < metric.value(a, a) <= 0, "above 0 for equal sets"
    else:
        assert 0 <= metric.value(a, a) <= 1e-12 * there, "not 0 for equal sets"


def ignores_split(metric: Metric) -> None:
    """Any split of the clips into blocks gives the value of one block."""
    a, b = clips_of(0), clips_of(1)
    whole = metric.value(side_of(metric, a, blocks=1), side_of(metric, b, blocks=1))
    splits = np.random.default_rng(5)
    for blocks in (2, 7, 20):
        sides = [
            side_of(metric, c, blocks=blocks, block_of=list(splits.integers(0, blocks, len(c))))
            for c in (a, b)
        ]
        assert all(sum(m > 0 for m in s.block_clips(metric.state)) > 1 for s in sides), "there was no split"
        split = metric.value(*sides)
        assert abs(split - whole) <= 1e-11 * abs(whole), f"{whole} whole, {split} in {blocks} blocks"


def keeps_inputs(metric: Metric) -> None:
    """The states are the same bytes after `value`, `detail`, `interval_gate`; a second value is the first."""
    folded: list[Any] = [side_of(metric, clips_of(seed), blocks=1).state(metric.state) for seed in (0, 1)]
    if isinstance(folded[0], Moments):
        folded = [Moments.of_parts(m.n, m.mean, m.covariance(0) * m.n) for m in folded]
    sides = [Side((Fold({metric.state: m}, {metric.state: 90}),), 90) for m in folded]
    before = [{k: v.tobytes() for k, v in m.to_arrays().items()} for m in folded]
    first = metric.value(sides[0], sides[1])
    metric.detail(sides[0], sides[1])
    metric.interval_gate(sides[0])
    after = [{k: v.tobytes() for k, v in m.to_arrays().items()} for m in folded]
    assert before == after, "the states were changed"
    assert metric.value(sides[0], sides[1]) == first, "another value the second time"


def leaves_blocks_out(metric: Metric) -> None:
    """`left_out` gives what `value` gives of the side without that block, however it is computed."""
    sides = tuple(side_of(metric, clips_of(seed)) for seed in (0, 1))[: 2 if metric.pair else 1]
    for turn, side in enumerate(sides):
        found = metric.left_out(sides, turn)
        assert len(found) == len(side.blocks), "not one value a block"
        for index in (0, 7, 19):
            rest = [side.without(index) if i == turn else s for i, s in enumerate(sides)]
            expected = metric.value(rest[0], rest[-1])
            assert abs(found[index] - expected) <= 1e-9 * abs(expected), f"block {index}: {found[index]}"


OF_CLASS = (describes_itself, imports_little, has_valid_knobs)
OF_INSTANCE = (scores_rows, says_when_empty, knows_identity, ignores_split, keeps_inputs, leaves_blocks_out)
