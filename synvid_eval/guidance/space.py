"""What of a preset can be set, as numbers and choices: what searches and sensitivities step through.

It is read from the knobs' declarations (`knobs.knob(search=…, group=…)`), those of textures, operations and
palettes that a preset names included (`palette.lab.l_std`). A plain knob is one dimension. A range is two,
its middle and its spread, since its ends alone would cross:

    m, s of a range within [0, ∞):     m·(1 − s) : m·(1 + s)
    of one on a logarithmic scale:     m / 10^s : m · 10^s
    of one that is symmetric about 0:  −s : s, one dimension
    of any other:                      m − s : m + s

Ends are cut to what the knob allows. Values are written with four significant digits, so a preset file holds
exactly what was tried.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from synvid_eval import knobs
from synvid_eval.errors import UsageError, nearest
from synvid_eval.generators.base import interval
from synvid_eval.generators.presets import NESTED, Preset
from synvid_eval.metrics.base import Metric

Number: TypeAlias = float | int
Value: TypeAlias = float | int | str | bool
Point: TypeAlias = Mapping[str, Value]
"""Dimension → value."""

DIGITS = 4

OFFERED = "scale(p=0),perspective(p=0)"
"""Operations that a preset is offered which adapts nothing: they resample what was drawn, which no knob of a
generator does."""

MOST_CHOICES = 256
"""Combinations of choices that are looked at to see whether a knob does anything."""

WHOLE, REAL, CHOICE = "whole", "real", "choice"


@dataclass(frozen=True)
class Dimension:
    """A number or a choice that can be set.

    name: the knob's (`speed`, `palette.lab.l`), with `:middle` or `:spread` behind it for those of a range.
    knob: the preset's own knob that it is part of. kind: whole, real or choice. low, high: of numbers. log:
    whether to step evenly in the logarithm. choices: of a choice. start: what stands nearest to the preset.
    unit, about, group: as the knob's declaration says.
    """

    name: str
    knob: str
    kind: str
    start: Value
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()
    unit: str = ""
    about: str = ""
    group: str = ""

    @property
    def plain(self) -> str:
        """The knob's name with what it is nested in, without `:middle` and `:spread`."""
        return self.name.partition(":")[0]

    def at(self, share: float) -> Number:
        """The number that lies at `share` of the way from low to high, in [0, 1], on its scale."""
        share = min(max(share, 0.0), 1.0)
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        return round(value) if self.kind == WHOLE else rounded(value)

    def share(self, value: Number) -> float:
        """Where a number lies between low and high, in [0, 1] on its scale: the inverse of `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def exact(self, value: Value) -> Value:
        """A value as a configuration has it: a whole number, four significant digits, or a choice."""
        if self.kind == CHOICE:
            return value
        return round(float(value)) if self.kind == WHOLE else rounded(float(value))

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        found = dataclasses.asdict(self)
        return found | {"choices": list(self.choices)}


def rounded(value: float) -> float:
    """With `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True)
class Range:
    """How a range knob is told by its middle and spread (see the module's text)."""

    law: str
    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, field: dataclasses.Field[Any], over: tuple[float, float]) -> Range:
        """The law of a range knob that is searched over [over[0], over[1]]."""
        meta = field.metadata
        law = "plain"
        if meta["scale"] == "log":
            law = "ratio"
        elif over[0] >= 0:
            law = "share"
        elif over[0] == -over[1]:
            law = "symmetric"
        allowed = (meta["low"], meta["high"])
        low, high = (
            (-math.inf if allowed[0] is None else allowed[0]),
            (math.inf if allowed[1] is None else allowed[1]),
        )
        return cls(law, low, high, meta["ends"] == "whole")

    def text(self, middle: float, spread: float) -> str:
        """`low:high`, or one number where both are the same."""
        if self.law == "ratio":
            ends = (middle / 10**spread, middle * 10**spread)
        elif self.law == "share":
            ends = (middle * (1 - spread), middle * (1 + spread))
        else:
            ends = (middle - spread, middle + spread)
        low, high = (min(max(end, self.low), self.high) for end in ends)
        first, last = (f"{round(low)}", f"{round(high)}") if self.whole else (spelled(low), spelled(high))
        return first if first == last else f"{first}:{last}"

    def told(self, low: float, high: float) -> tuple[float, float]:
        """(middle, spread) that give these ends, or nearly so where the law knows no such range."""
        if self.law == "symmetric":
            return 0.0, max(abs(low), abs(high))
        if self.law == "ratio":
            return math.sqrt(low * high), math.log10(high / low) / 2
        middle = (low + high) / 2
        if self.law == "share":
            return middle, (high - low) / (high + low) if high + low else 0.0
        return middle, (high - low) / 2


def spelled(value: float) -> str:
    """A number as a preset file has it: four significant digits, no exponent, no minus before a zero."""
    number = rounded(value) + 0.0
    text = f"{number:.12f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@dataclass(frozen=True)
class Space:
    """The dimensions of a preset, and how a point in them becomes knobs.

    fixed: knobs that are given (knob → text); they are set in every configuration.
    """

    preset: Preset
    fixed: Mapping[str, str]
    dimensions: tuple[Dimension, ...]

    @property
    def start(self) -> dict[str, Value]:
        """The point that stands for the preset as it is, and lies nearest to it where a knob has a form that
        the space cannot say (a palette that is not normal, a range that is not symmetric).
        """
        return {d.name: d.start for d in self.dimensions}

    def __getitem__(self, name: str) -> Dimension:
        """The dimension of that name; UsageError names the nearest."""
        for dimension in self.dimensions:
            if dimension.name == name:
                return dimension
        raise UsageError(
            f"Nothing to set is called {name!r}.", nearest(name, [d.name for d in self.dimensions])
        )

    def knobs(self, point: Point) -> dict[str, str]:
        """Knob → text of what a point changes, with what is given. A knob of which the point says nothing, or
        what `start` says, stays as the preset has it.

        Raises:
            UsageError: a dimension that does not exist, a combination that the generator refuses.
        """
        touched = {self[name].knob for name in point}
        generator = self.preset.configured(**self.fixed)
        found = dict(self.fixed)
        for knob in sorted(touched):
            own = {n: v for n, v in point.items() if self[n].knob == knob}
            if all(v == self[n].start for n, v in own.items()):
                continue
            given = {n.removeprefix(f"{knob}."): v for n, v in own.items()}
            if knob in NESTED:
                found[knob] = _nested(knob, str(getattr(generator, knob)), given)
            else:
                found[knob] = _text(generator, knob, given)
        self.preset.configured(**found)
        return found

    def without(self, knob: str, fixed: Mapping[str, str]) -> Space:
        """The same without a knob's dimensions, and with what is given instead."""
        return replace(self, fixed=fixed, dimensions=tuple(d for d in self.dimensions if d.knob != knob))

    def spelled(self, dimension: Dimension) -> str:
        """What the knob of a dimension would say if the start of its dimensions were all that is known of it:
        the preset's own text, but for digits, or another one where the space cannot say that.
        """
        generator = self.preset.configured(**self.fixed)
        own = {d.name: d.start for d in self.dimensions if d.knob == dimension.knob}
        if dimension.knob in NESTED:
            given = {name.removeprefix(f"{dimension.knob}."): value for name, value in own.items()}
            return _nested(dimension.knob, str(getattr(generator, dimension.knob)), given)
        return _text(generator, dimension.knob, own)

    def only(self, names: Sequence[str]) -> Space:
        """The same with those dimensions whose name, knob or group is in `names`.

        Raises:
            UsageError: a name that nothing has (names the nearest).
        """
        kept = []
        for name in names:
            of = [d for d in self.dimensions if name in (d.name, d.plain, d.knob, d.group)]
            of = of or [d for d in self.dimensions if d.name.startswith(f"{name}.")]
            if not of:
                known = {word for d in self.dimensions for word in (d.plain, d.knob, d.group)} - {""}
                raise UsageError(
                    f"{self.preset.name} has nothing called {name!r} that can be searched.",
                    nearest(name, known),
                )
            kept += [d for d in of if d not in kept]
        return replace(self, dimensions=tuple(d for d in self.dimensions if d in kept))


def groups_of(metrics: Sequence[type[Metric]], preset: Preset, fixed: Mapping[str, str]) -> tuple[str, ...]:
    """The groups of knobs over which a search of that preset goes that minimizes these metrics, unless told
    otherwise; empty: all.

    What a metric cannot see is better left alone: a search that minimizes color would change speeds at
    random.
    """
    named = [m.groups for m in metrics]
    if not all(named):
        return ()
    wanted = list(dict.fromkeys(g for own in named for g in own))
    there = [d for d in space(preset, fixed).dimensions if d.group in wanted]
    # a preset whose colors are those of its textures has nothing to set there but a choice or two
    return tuple(g for g in wanted if any(d.group == g for d in there)) if len(there) > 2 else ()


def space(preset: Preset, fixed: Mapping[str, str] | None = None, over: Sequence[str] = ()) -> Space:
    """What of a preset can be set.

    Args:
        fixed: knob → text, given; what is given is no dimension.
        over: knobs (`speed`, `palette`, `palette.lab.l`) or groups (`color`, `motion`); default: every knob
        that says where to search. A knob that says nothing can be named, if its allowed range is finite.

    Raises:
        UsageError: an unknown knob or group, one that cannot be searched, one that is given, too.
    """
    given = dict(fixed or {})
    generator = preset.configured(**given)
    found: list[Dimension] = []
    named = {name.partition(":")[0] for name in over}
    for field in dataclasses.fields(generator):
        if field.name in given:
            if field.name in named:
                raise UsageError(f"{field.name} is given and to be searched, too.", "Do one of both.")
            continue
        value = getattr(generator, field.name)
        if field.name in NESTED:
            for part in _parts(field.name, str(value)):
                for inner in dataclasses.fields(part.recipe):
                    if _settled(generator, field.name, part, inner):
                        continue
                    label = f"{field.name}.{part.label}.{inner.name}"
                    asked = label in named
                    found += _dimensions(part.recipe, inner, label, field.name, asked)
        else:
            found += _dimensions(generator, field, field.name, field.name, field.name in named)
    whole = Space(preset, given, tuple(found))
    if over:
        known = {f.name: f for f in dataclasses.fields(generator)}
        for name in named:
            if name in known and name not in NESTED and not any(d.knob == name for d in found):
                raise UsageError(
                    f"{preset.name}.{name} cannot be searched: it has neither choices nor a finite range."
                )
    possible = replace(whole, dimensions=tuple(filter(None, (_possible(whole, d) for d in found))))
    alive = replace(possible, dimensions=tuple(d for d in possible.dimensions if _matters(possible, d)))
    return alive.only(over) if over else alive


def _settled(generator: Any, knob: str, part: _Part, inner: dataclasses.Field[Any]) -> bool:
    """Whether a knob of a texture changes nothing here, or cannot be set: those of a bank are as they were
    made, and where textures do not evolve how they do is of no account (though each value is another pool).
    """
    if knob not in ("textures", "stills"):
        return False
    bank = getattr(generator, "bank", "") if knob == "textures" else ""
    if bank and Path(bank, f"{part.recipe.name}.rgbx").is_file():
        return True
    still = knob == "stills" or not getattr(generator, "dynamic", True)
    return still and inner.metadata.get("group") == "motion"


def _possible(of: Space, dimension: Dimension) -> Dimension | None:
    """A dimension without the choices that the preset cannot take; None where nothing is left to choose, or
    no other number is possible.
    """
    if dimension.kind == CHOICE:
        left = tuple(c for c in dimension.choices if _allowed(of, {dimension.name: c}))
        return replace(dimension, choices=left) if len(left) > 1 else None
    tried = [dimension.at(share) for share in (0.25, 0.75)]
    return dimension if any(_allowed(of, {dimension.name: value}) for value in tried) else None


def _matters(of: Space, dimension: Dimension) -> bool:
    """Whether a dimension changes what is drawn while the other numbers are in their middle, whatever the
    choices: circles that no knob lets turn have no rotation. Looked at are two numbers that the generator
    takes; where it takes no two of three, the dimension stays.
    """
    if dimension.kind == CHOICE:
        return True
    others = [d for d in of.dimensions if d.kind == CHOICE]
    numbers = {d.name: d.at(0.5) for d in of.dimensions if d.kind != CHOICE}
    compared = False
    for choices in itertools.islice(itertools.product(*(d.choices for d in others)), MOST_CHOICES):
        point = numbers | dict(zip((d.name for d in others), choices, strict=True))
        seen: list[Any] = []
        for share in (0.25, 0.75, 0.5):
            with contextlib.suppress(UsageError):  # a number that the generator refuses
                found = of.knobs({**point, dimension.name: dimension.at(share)})
                seen.append(of.preset.configured(**found).identity(0))
            if len(seen) == 2:
                break
        compared = compared or len(seen) == 2
        if len(seen) == 2 and seen[0] != seen[1]:
            return True
    return not compared  # nobody knows


def _allowed(of: Space, point: Point) -> bool:
    try:
        of.knobs(point)
    except UsageError:
        return False
    return True


def _dimensions(
    of: Any, field: dataclasses.Field[Any], label: str, knob: str, asked: bool
) -> list[Dimension]:
    """Those of one knob: none where it does not say where to search and is not asked for by its name."""
    meta, value = field.metadata, getattr(of, field.name)
    search = meta.get("search", False)
    told = {"unit": meta.get("unit", ""), "about": meta.get("help", ""), "group": meta.get("group", "")}
    if not (search or asked):
        return []
    if meta.get("choices") is not None:
        return [Dimension(label, knob, CHOICE, value, choices=tuple(meta["choices"]), **told)]
    if isinstance(value, bool):
        return [Dimension(label, knob, CHOICE, value, choices=(False, True), **told)]
    low, high = search if isinstance(search, tuple) else (meta.get("low"), meta.get("high"))
    if low is None or high is None or not low < high:
        return []
    log = meta["scale"] == "log"
    if not meta.get("ends"):
        if not isinstance(value, (int, float)):
            return []
        kind = WHOLE if isinstance(value, int) else REAL
        at = min(max(value, low), high)
        start: Number = round(at) if kind == WHOLE else rounded(at)
        return [Dimension(label, knob, kind, start, low, high, log, **told)]
    law = Range.of(field, (low, high))
    ends = tuple(float(end) for end in interval(of, field.name))
    middle, spread = law.told(*ends)
    widest = {"share": 1.0, "ratio": 1.0, "symmetric": high}.get(law.law, (high - low) / 2)
    spread = rounded(min(spread, widest))
    second = Dimension(f"{label}:spread", knob, REAL, spread, 0.0, widest, **(told | _spread_unit(law, told)))
    if law.law == "symmetric":
        return [second]
    start = rounded(min(max(middle, low), high))
    return [Dimension(f"{label}:middle", knob, REAL, start, low, high, log, **told), second]


def _spread_unit(law: Range, told: Mapping[str, str]) -> dict[str, str]:
    units = {"share": "of the middle", "ratio": "powers of ten"}
    return {"unit": units.get(law.law, told["unit"])}


def _text(of: Any, name: str, given: Mapping[str, Value]) -> str:
    """The text of one knob of a dataclass instance, from its dimensions: itself, or `:middle`, `:spread`."""
    field = next(f for f in dataclasses.fields(of) if f.name == name)
    if name in given:
        value = given[name]
        if isinstance(value, bool) or field.metadata.get("choices") is not None:
            return str(value).lower() if isinstance(value, bool) else str(value)
        return str(round(float(value))) if isinstance(getattr(of, name), int) else spelled(float(value))
    search = field.metadata.get("search")
    over = search if isinstance(search, tuple) else (field.metadata["low"], field.metadata["high"])
    law = Range.of(field, over)
    middle, spread = law.told(*(float(end) for end in interval(of, name)))
    middle = float(given.get(f"{name}:middle", middle))
    return law.text(0.0 if law.law == "symmetric" else middle, float(given.get(f"{name}:spread", spread)))


# -- knobs of textures, operations and palettes -------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """A texture, operation or palette that a knob names. label: its name, with a number where it is there
    again.
    """

    label: str
    recipe: Any


def _read(knob: str, text: str) -> tuple[list[Any], Callable[[list[Any]], str]]:
    """What a nested knob names, and how it is spelled again with other ones in their places."""
    if knob == "adapt":
        from synvid_eval.generators import adapting

        chain = adapting.parsed(text or OFFERED)

        def chained(operations: list[Any]) -> str:
            rest = iter(operations)
            links = [tuple(o for o in (next(rest) for _ in link) if o.p) for link in chain.links]
            return adapting.Chain(tuple(filter(None, links))).spelled

        return chain.operations, chained
    if knob == "palette":
        from synvid_eval.generators import palette

        return [palette.parsed(text).searched()], lambda parts: parts[0].spelled
    from synvid_eval.generators import pool, texture

    return (list(pool.recipes(text)) if text else []), texture.spelled


def _parts(knob: str, text: str) -> list[_Part]:
    recipes, _ = _read(knob, text)
    names = [r.name for r in recipes]
    found = []
    for i, recipe in enumerate(recipes):
        again = f"#{names[:i].count(recipe.name) + 1}" if recipe.name in names[:i] else ""
        found.append(_Part(f"{recipe.name}{again}", recipe))
    return found


def _nested(knob: str, text: str, given: Mapping[str, Value]) -> str:
    """The text of a nested knob with other values; given: `lab.l` → value."""
    recipes, joined = _read(knob, text)
    changed = []
    for part, recipe in zip(_parts(knob, text), recipes, strict=True):
        own = {
            n.removeprefix(f"{part.label}."): v for n, v in given.items() if n.startswith(f"{part.label}.")
        }
        texts = {n: _text(recipe, n, own) for n in {name.partition(":")[0] for name in own}}
        changed.append(knobs.replace(recipe, texts))
    return joined(changed)
