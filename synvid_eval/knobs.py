"""Knobs: the fields of a frozen dataclass (metric, feature, sampler), declared once with their meaning and
range.

Help, validation, the signature of a number and `--set NAME.KNOB=VALUE` all read the same declaration.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from synvid_eval.errors import UsageError, nearest

T = TypeVar("T")

SCALES = ("linear", "log")
ENDS = ("", "real", "whole")
GROUPS = ("", "color", "motion", "form", "texture", "background", "camera")


def knob(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    unit: str = "",
    scale: str = "linear",
    ends: str = "",
    source: str = "",
    recipe: bool = True,
    search: tuple[float, float] | bool = False,
    group: str = "",
) -> Any:
    """A dataclass field with its meaning, allowed range [low, high] or choices, and unit.

    Args:
        scale: of `SCALES`, how a search is to step through [low, high]: evenly in the value or its logarithm.
        ends: of `ENDS`, for a text that is a range `low:high`: what its two ends are ("" for no range).
        source: where the default comes from: a paper, its released code, our choice.
        recipe: False for how a number is computed, not what it is (a device, a path): no part of signatures,
        nor compared between sets.
        search: where a search looks for better values unless it is told which knobs to take: a part of [low,
        high] that is worth trying, True for all choices, False: nowhere.
        group: of `GROUPS`, what of a clip it decides; a search may take all knobs of a group.

    Raises:
        ValueError: a scale, ends or group that do not exist, a logarithm of what is not positive, a search
        beyond what is allowed.
    """
    if scale not in SCALES or ends not in ENDS or (scale == "log" and not (low is not None and low > 0)):
        raise ValueError(f"scale={scale!r} from {low}, ends={ends!r}: no such knob")
    if group not in GROUPS:
        raise ValueError(f"group={group!r}: no such knob")
    if isinstance(search, tuple):
        least, most = (-math.inf if low is None else low), (math.inf if high is None else high)
        if not least <= search[0] < search[1] <= most:
            raise ValueError(f"search={search} in [{low}, {high}]: no such knob")
    meta = {"help": help, "low": low, "high": high, "choices": choices, "unit": unit, "recipe": recipe}
    meta |= {"scale": scale, "ends": ends, "source": source, "search": search, "group": group}
    return dataclasses.field(default=default, metadata=meta)


def type_of(field: dataclasses.Field[Any]) -> str:
    """What a knob takes, in a word or two: whole number, number, true or false, text, one of several, range,
    or range of whole numbers.
    """
    if field.metadata.get("choices") is not None:
        return "one of several"
    if ends := field.metadata.get("ends"):
        return "range" if ends == "real" else "range of whole numbers"
    words = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}
    return words.get(str(getattr(field.type, "__name__", field.type)), str(field.type))


def check(instance: Any) -> None:
    """Validates every knob of a dataclass instance against its declaration; UsageError names knob, value,
    range.
    """
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        low, high, choices = (field.metadata.get(k) for k in ("low", "high", "choices"))
        label = f"{getattr(instance, 'name', type(instance).__name__)}.{field.name}"
        if choices is not None and value not in choices:
            close = difflib.get_close_matches(str(value).lower(), [str(c) for c in choices], n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"{label}={value} is not possible.", f"{hint}One of: {', '.join(map(str, choices))}."
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{label}={value} is not a finite number.")
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if numeric and ((low is not None and value < low) or (high is not None and value > high)):
            raise UsageError(f"{label}={value} is out of range.", f"Allowed: {bounds(low, high)}.")


def bounds(low: float | None, high: float | None) -> str:
    """What a knob may be, from its least to its largest value, in digits: `1 to 10,000,000`."""

    def told(value: float | None, missing: str) -> str:
        if value is None:
            return missing
        return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"

    return f"{told(low, '−∞')} to {told(high, '∞')}"


def names(kind: Any) -> list[str]:
    """The knob names of a dataclass or instance, in declaration order."""
    return [f.name for f in dataclasses.fields(kind)]


def values(instance: Any) -> dict[str, Any]:
    """Knob name → value of a dataclass instance, in declaration order."""
    return {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)}


def recipe(instance: Any) -> dict[str, Any]:
    """`values` without the knobs that decide no number."""
    fields = dataclasses.fields(instance)
    return {f.name: getattr(instance, f.name) for f in fields if f.metadata.get("recipe", True)}


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields, which take long to be had of annotations that are texts."""
    return typing.get_type_hints(kind)


def parse(kind: Any, name: str, text: str) -> Any:
    """`text` as the type of knob `name` of dataclass `kind` (int, float, bool, str or a union of them)."""
    hint = _hints(kind)[name]
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if union else (hint,)
    lowered = text.strip().lower()
    if bool in options and lowered in ("true", "false", "yes", "no", "on", "off"):
        return lowered in ("true", "yes", "on")
    for number in (int, float):
        if number in options:
            try:
                return number(text)
            except ValueError:
                continue
    if str in options:
        return text.strip()
    words = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    wanted = " or ".join(words.get(getattr(o, "__name__", ""), "nothing") for o in options)
    raise UsageError(
        f"{getattr(kind, 'name', kind.__name__)}.{name}={text} cannot be read.", f"It takes {wanted}."
    )


_CALLED = re.compile(r"([A-Za-z0-9_-]+)(?:\(([^()]*)\))?")


def called(text: str, label: str) -> tuple[str, dict[str, str]] | None:
    """What a text `NAME` or `NAME(knob=value,…)` says: the name, and knob → text as `replace` takes them;
    None where it is no such text.

    Raises:
        UsageError: a part of it is no knob=value, or there twice; label: the whole text, for the message.
    """
    match = _CALLED.fullmatch(text)
    if match is None:
        return None
    given: dict[str, str] = {}
    for pair in filter(None, (match[2] or "").split(",")):
        knob, sign, value = pair.partition("=")
        if not sign or knob.strip() in given:
            raise UsageError(f"{label}: {pair!r} is no knob=value, or there twice.")
        given[knob.strip()] = value
    return match[1], given


def replace(instance: T, assignments: Mapping[str, str]) -> T:
    """A copy of a dataclass instance with knobs set from text, checked; UsageError names an unknown knob."""
    parsed = {}
    for name, text in assignments.items():
        if name not in names(instance):
            label = getattr(instance, "name", type(instance).__name__)
            raise UsageError(f"{label} has no knob {name!r}.", nearest(name, names(instance)))
        parsed[name] = parse(type(instance), name, text)
    return dataclasses.replace(instance, **parsed)  # type: ignore[type-var]
