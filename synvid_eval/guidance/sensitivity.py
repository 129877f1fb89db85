"""Sensitivity: what each knob of a preset does to each metric, measured around the preset as it is.

A number is stepped down and up by a share of the range in which a search would look, on that range's scale;
a choice is exchanged for each of the others. All configurations are drawn with the same random numbers
(`bench`), so what a knob does not touch cancels. Of each number: central differences of the objective (how
far a metric is from what is wanted) and of the metric's own value, a step and a unit of the knob; one-sided
ones where there is no room for a step on one side, or nothing can be measured there. Intervals leave out the
same block of clips of both ends, then blocks of the reference.

A cell is `sure` where its interval excludes 0. Of many cells some do by chance: with 95 % intervals one in
twenty of those where nothing moves. A difference quotient is no derivative: the steps stand beside it.

Every clip is measured through the cache, so what a killed run measured is there when it is run again.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from synvid_eval import knobs
from synvid_eval.comparison import signature, versions
from synvid_eval.errors import DataError, UsageError
from synvid_eval.guidance.bench import Bench, Estimate, Seen, of_both
from synvid_eval.guidance.space import CHOICE, WHOLE, Dimension, Number, Space, Value
from synvid_eval.measurement import Progress
from synvid_eval.metrics.base import Metric, Unscored
from synvid_eval.schemas import SENSITIVITY
from synvid_eval.score import LEVEL

CLIPS = 24
"""Clips of a configuration, our choice: they fill some 14 of the 20 blocks that intervals are made from, and
take a few seconds."""

STEP = 0.1
WIDEST = 0.5
"""The largest step, as a share of a range: a larger one has no room on either side of its middle."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_SAME = 1e-3  # numbers nearer to each other than this share of them are the same, rounded
_ROUNDING = 1e-9


class Together:
    """Progress of many measurements as one, and what they have to say once.

    `begin` of a measurement is heard only until `whole` has said how much there is to do in all.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress, self._whole = progress, False
        self._said: set[str] = set()

    def whole(self, name: str, clips: int) -> None:
        """So many clips will be measured from here on, whatever sets they are of."""
        self._progress.begin(name, clips)
        self._whole = True

    def over(self) -> None:
        """Sets are told one by one again."""
        self._whole = False

    def begin(self, name: str, clips: int) -> None:
        """See `Progress`."""
        if not self._whole:
            self._progress.begin(name, clips)

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        """See `Progress`."""
        self._progress.advance(clips, cached, reading)

    def say(self, text: str) -> None:
        """See `Progress`; what was said is not said again."""
        if text not in self._said:
            self._said.add(text)
            self._progress.say(text)


@dataclass(frozen=True)
class _Tried:
    """A configuration beside the start. value: of the dimension. knobs: knob → text. seen: of each metric;
    empty with a reason where it could not be measured.
    """

    value: Value
    knobs: Mapping[str, str]
    seen: Mapping[str, Seen]
    reason: str = ""


def check_step(step: float) -> float:
    """A step as a share of a range; UsageError for one that is not in (0, 0.5]."""
    if not 0 < step <= WIDEST:
        raise UsageError(
            f"--step {step:g} is out of range.",
            f"It is a share of a knob's range: above 0, {WIDEST} at most.",
        )
    return step


def awake(space: Space) -> Space:
    """A space without the knobs of operations that happen to no clip (their `p` starts at 0): by themselves
    these change nothing.
    """
    never = {d.name.removesuffix(".p") for d in space.dimensions if d.name.endswith(".p") and d.start == 0}
    kept = [d for d in space.dimensions if d.name.endswith(".p") or d.name.rpartition(".")[0] not in never]
    return replace(space, dimensions=tuple(kept))


def check_space(space: Space) -> Space:
    """A space with something to set; UsageError for one that has nothing."""
    if not awake(space).dimensions:
        name = space.preset.name
        raise UsageError(
            f"{name} has no knob that says where to search.",
            f"--knobs names others that have a finite range; see: synvid-eval show {name}.",
        )
    return space


def stepped(dimension: Dimension, step: float) -> tuple[list[Value], str]:
    """What a dimension is set to beside its start, the smaller number first, and why one side is missing.

    step: in (0, 0.5], the share of the range on its scale that a number is moved by; a whole number moves by
    1 at least. Of a choice: all others.
    """
    if dimension.kind == CHOICE:
        return [c for c in dimension.choices if c != dimension.start], ""
    start: Number = dimension.start  # type: ignore[assignment]
    found: list[Value] = []
    missing = []
    for sign, edge in ((-1, dimension.low), (1, dimension.high)):
        share = dimension.share(start) + sign * step
        value = dimension.at(share)
        if dimension.kind == WHOLE and value == start:
            value = start + sign
        if -_ROUNDING <= share <= 1 + _ROUNDING and value != start:
            found.append(value)
        else:
            missing.append(f"{edge:g}, its {'least' if sign < 0 else 'most'}")
    return found, f"One-sided: no room for a step towards {' or '.join(missing)}." if missing else ""


def planned(space: Space, step: float) -> int:
    """How many configurations are measured beside the start."""
    stirring = awake(space).dimensions
    return sum(len(stepped(d, step)[0]) for d in stirring) + len(_elsewhere(space, stirring))


def _elsewhere(space: Space, dimensions: Sequence[Dimension]) -> dict[str, str]:
    """Knob → what it says at the start of its numbers, of those knobs of which that is not what the preset
    has: a palette that is not normal, a range that is not symmetric. Steps go from there.
    """
    now = space.preset.configured(**space.fixed)
    numbers = [d for d in dimensions if d.kind != CHOICE]
    return {d.knob: space.spelled(d) for d in numbers if not _same(str(getattr(now, d.knob)), space, d)}


def sensitivity(
    bench: Bench, space: Space, step: float = STEP, level: float = LEVEL, command: str = ""
) -> dict[str, Any]:
    """The document `synvid-eval/sensitivity/1`, ready for JSON: dimension × metric.

    Args:
        bench: of the same preset and what is given, `lenient`; its progress may be `Together`, which then
            hears of all clips at once. space: what is stepped through. step: see `check_step`. level: of the
            intervals. command: stands in `run`.

    A configuration that the generator refuses or that cannot be drawn, and a metric that it does not give,
    are numbers that are missing, with the reason.

    Raises:
        UsageError: nothing to set, a step out of range.
    """
    began = time.monotonic()
    check_space(space)
    check_step(step)
    progress, count = bench.options.progress, planned(space, step)
    if isinstance(progress, Together):
        progress.whole(f"{space.preset.name} ({count} settings)", count * bench.clips)
    start = bench.seen(bench.start)
    stirring = awake(space).dimensions
    elsewhere = {
        knob: _measured(bench, space, text, {**space.fixed, knob: text})
        for knob, text in _elsewhere(space, stirring).items()
    }
    dimensions = [_dimension(bench, space, d, start, elsewhere.get(d.knob), step, level) for d in stirring]
    if isinstance(progress, Together):
        progress.over()
    facts = [_metric(bench, metric, label, start[label]) for label, metric in bench.metrics.items()]
    made = {bench.recipe.label(m): m for m in bench.recipe.metrics}
    facts += [_absent(made[label], label, why) for label, why in bench.absent.items()]
    return {
        "schema": SENSITIVITY,
        "preset": {
            "name": space.preset.name,
            "place": bench.place,
            "fixed": dict(bench.fixed),
            "location": bench.location({}),
            "clips": bench.start.facts.clips,
            "seed": bench.options.seed,
        },
        "reference": asdict(bench.reference.facts),
        "level": level,
        "step": step,
        "metrics": [f for label in made for f in facts if f["metric"] == label],
        "dimensions": dimensions,
        "notes": [*_asleep(space), *_notes(bench, dimensions, level)],
        "run": {
            "command": command,
            "seconds": round(time.monotonic() - began, 3),
            "configurations": count + 1,
            "sampler": knobs.values(bench.options.sampler),
            "versions": versions(),
        },
    }


def rehearsed(bench: Bench, space: Space, step: float = STEP) -> dict[str, Any]:
    """What would be stepped and how long it would take, ready for JSON: the preset as it is is drawn and
    measured once more, nothing of that is kept.

    Raises:
        UsageError: as of `sensitivity`.
    """
    check_space(space)
    check_step(step)
    stirring = awake(space).dimensions
    count = planned(space, step)
    anew = sum(len(stepped(d, step)[0]) for d in stirring if d.knob in ("textures", "stills"))
    took, textures = bench.timed({})
    return {
        "dimensions": [{**d.facts(), "tried": stepped(d, step)[0]} for d in stirring],
        "settings": count,
        "clips": bench.clips,
        "seconds_a_setting": took - textures,
        # those that set textures make their own
        "textures": {"settings": anew, "seconds": textures} if anew else None,
        "seconds": count * (took - textures) + anew * textures,
    }


def _metric(bench: Bench, metric: Metric, label: str, seen: Seen) -> dict[str, Any]:
    """What is said of a metric: the preset's number and the reference's own."""
    own = math.nan
    if not metric.pair:
        side = bench.reference.sides[metric.feature]
        try:
            own = float(metric.value(side, side))
        except Unscored:
            own = math.nan
    short = signature(metric, bench.recipe, bench.options.seed, [bench.start, bench.reference])[1]
    found = {"value": seen.value, "objective": seen.objective, "noise": seen.noise, "reference": own}
    return {**_about(metric, label), **found, "reason": seen.reason or None, "signature": short}


def _absent(metric: Metric, label: str, reason: str) -> dict[str, Any]:
    empty = dict.fromkeys(("value", "objective", "noise", "reference"), math.nan)
    return {**_about(metric, label), **empty, "reason": reason, "signature": ""}


def _about(metric: Metric, label: str) -> dict[str, Any]:
    return {"metric": label, "unit": metric.unit, "better": metric.better, "kind": metric.kind}


def _dimension(
    bench: Bench,
    space: Space,
    dimension: Dimension,
    start: Mapping[str, Seen],
    elsewhere: _Tried | None,
    step: float,
    level: float,
) -> dict[str, Any]:
    """A dimension with what was tried. elsewhere: where numbers are stepped from, if not from the preset."""
    values, reason = stepped(dimension, step)
    tried = [_tried(bench, space, dimension, value) for value in values]
    now = str(getattr(space.preset.configured(**space.fixed), dimension.knob))
    if refused := [t for t in tried if t.reason]:
        told = "; ".join(f"{t.value}: {t.reason.rstrip('.')}" for t in refused)
        reason = f"{reason} Not measured: {told}.".strip()
    numbers, base = dimension.kind != CHOICE, start
    if numbers and elsewhere is not None:
        reason = (
            f"Stepped from {elsewhere.value}, the nearest to the preset's own {now[:60]}. {reason}".strip()
        )
        base = {k: elsewhere.seen.get(k) or _unseen(k, s, elsewhere.reason) for k, s in start.items()}
    return {
        **dimension.facts(),
        "now": now,
        "exact": not (numbers and elsewhere),
        "reason": reason or None,
        "tried": [_facts(bench, t, start, level) for t in tried],
        "slopes": [_slope(dimension, tried, seen, level) for seen in base.values()] if numbers else [],
    }


def _same(now: str, space: Space, dimension: Dimension) -> bool:
    """Whether the dimension's start says just what the preset has, but for rounding."""
    chances = [d.start for d in space.dimensions if d.knob == dimension.knob and d.name.endswith(".p")]
    if not now and not any(chances):
        return True  # operations that happen to no clip, offered to a preset that names none
    one, other = (f"{t}:{t}" if _NUMBER.fullmatch(t) else t for t in (now, space.spelled(dimension)))
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=_SAME, abs_tol=1e-12) for a, b in pairs)


def _tried(bench: Bench, space: Space, dimension: Dimension, value: Value) -> _Tried:
    """A dimension at another value, measured."""
    try:
        whole = space.knobs({dimension.name: value})
    except UsageError as error:
        bench.options.progress.advance(bench.clips, cached=True)
        return _Tried(value, {}, {}, str(error))
    return _measured(bench, space, value, whole)


def _measured(bench: Bench, space: Space, value: Value, whole: Mapping[str, str]) -> _Tried:
    """A configuration, measured; what the generator refuses or cannot draw has a reason instead."""
    found = {k: v for k, v in whole.items() if k not in space.fixed}
    try:
        return _Tried(value, found, bench.seen(bench.measure(whole)))
    except (UsageError, DataError) as error:
        bench.options.progress.advance(bench.clips, cached=True)
        return _Tried(value, found, {}, str(error))


def _facts(bench: Bench, tried: _Tried, start: Mapping[str, Seen], level: float) -> dict[str, Any]:
    found = []
    for label, before in start.items():
        after = tried.seen.get(label) or _unseen(label, before, tried.reason)
        change = {"objective": _change(before, after, level).facts()}
        change["value"] = _change(before.itself, after.itself, level).facts()
        found.append({"metric": label, "value": after.value, "objective": after.objective, "change": change})
    location = bench.location({**bench.fixed, **tried.knobs})
    about = {"value": tried.value, "knobs": dict(tried.knobs), "location": location}
    return {**about, "reason": tried.reason or None, "metrics": found}


def _unseen(label: str, like: Seen, reason: str) -> Seen:
    nan = math.nan
    empty = like.without * nan, like.beside * nan
    return Seen(label, nan, nan, *empty, like.clips, like.reference_clips, reason)


def _change(before: Seen, after: Seen, level: float) -> Estimate:
    return of_both(lambda one, other: other - one, before, after, level)


def _slope(dimension: Dimension, tried: Sequence[_Tried], start: Seen, level: float) -> dict[str, Any]:
    """A number's difference quotients of one metric, from the lowest configuration that could be measured to
    the highest. start: where it is stepped from.
    """
    label, at = start.metric, float(dimension.start)
    ends = [(float(t.value), t.seen[label]) for t in tried if label in t.seen]
    good = [(value, seen) for value, seen in ends if math.isfinite(seen.objective)]
    low = next((end for end in good if end[0] < at), None)
    high = next((end for end in reversed(good) if end[0] > at), None)
    sides = (low is not None) + (high is not None)
    why = ""
    if not sides or (sides == 1 and not math.isfinite(start.objective)):
        reasons = [start.reason, *(seen.reason for _, seen in ends), *(t.reason for t in tried)]
        why = next(filter(None, reasons), "A step changes nothing.")
    if why:
        missing = Estimate(math.nan, math.nan, math.nan, why)
        both = {"step": missing.facts(), "unit": missing.facts()}
        return {"metric": label, "sides": 0, "objective": both, "value": both}
    first, last = low or (at, start), high or (at, start)
    found = {}
    for key, one, other in (
        ("objective", first[1], last[1]),
        ("value", first[1].itself, last[1].itself),
    ):
        whole = _change(one, other, level)
        parts = {"step": 1 / sides, "unit": 1 / (last[0] - first[0])}
        found[key] = {name: whole.scaled(factor).facts() for name, factor in parts.items()}
    return {"metric": label, "sides": sides, **found}


def cells(dimensions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The estimates that a table shows: of numbers a step, of choices each other one."""
    slopes = [s["objective"]["step"] for d in dimensions for s in d["slopes"]]
    chosen = [d for d in dimensions if d["kind"] == CHOICE]
    return slopes + [m["change"]["objective"] for d in chosen for t in d["tried"] for m in t["metrics"]]


def _asleep(space: Space) -> list[str]:
    """A note on the knobs that are not stepped, since nothing would come of it."""
    kept = awake(space).dimensions
    gone = list(dict.fromkeys(d.plain for d in space.dimensions if d not in kept))
    if not gone:
        return []
    return [f"{', '.join(gone)}: not stepped, since the preset does that to no clip (p is 0)."]


def _notes(bench: Bench, dimensions: Sequence[Mapping[str, Any]], level: float) -> list[str]:
    notes = list(bench.absent.values())
    tested = [c for c in cells(dimensions) if c["interval"] is not None]
    if tested:
        marked = sum(c["sure"] for c in tested)
        chance = (1 - level) * len(tested)
        notes.append(
            f"{marked} of {len(tested)} cells are told apart from 0; if nothing moved anything, some "
            f"{chance:.2g} would be by chance."
        )
    else:
        reasons = {c["reason"] for c in cells(dimensions) if c["value"] == c["value"] and c["reason"]}
        notes += [f"No cell has an interval. {reason}" for reason in sorted(reasons)[:2]]
    rich = [label for label, metric in bench.metrics.items() if metric.kind == "richness"]
    if rich:
        notes.append(
            f"{' and '.join(rich)} {'depends' if len(rich) == 1 else 'depend'} on the number of clips: what "
            f"moves sets of {bench.start.facts.clips} may not move larger ones."
        )
    return notes
