"""What explanations are made of: plain data, texts of modules, ranges of knobs, the least of some times."""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TIMED = 0.3
"""A cost is the least of the times that fit into this [s], some at least: machines have more to do."""


@dataclass(frozen=True)
class Constant:
    """A knob of a recipe: whose it is, its default, what it may be, unit and meaning; where the default comes
    from, as far as that is declared.
    """

    of: str
    name: str
    default: Any
    allowed: str
    unit: str
    meaning: str
    source: str = ""


@dataclass(frozen=True)
class Explanation:
    """One thing explained. facts: short answers by heading. cost: a sentence, or ""."""

    name: str
    kind: str
    about: str
    facts: dict[str, str]
    essay: str
    constants: list[Constant] = field(default_factory=list)
    cost: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready plain data."""
        return asdict(self)


def essay_of(kind: type) -> tuple[str, str]:
    """First line and the rest of the text of the module that a plug-in is defined in (or of its class)."""
    module = importlib.import_module(kind.__module__)
    return split(module.__doc__ or kind.__doc__ or "")


def split(text: str) -> tuple[str, str]:
    """The first paragraph of a docstring, as one line, and the rest."""
    about, _, essay = inspect.cleandoc(text).partition("\n\n")
    return " ".join(about.split()), essay.strip()


def allowed_of(meta: Mapping[str, Any]) -> str:
    """What a knob may be, of its declaration's metadata: choices, or a range."""
    if meta.get("choices"):
        return ", ".join(map(str, meta["choices"]))
    low, high = meta.get("low"), meta.get("high")
    if low is None and high is None:
        return "any"
    if high is None:
        return f"{low:,} and more"
    return f"{'−∞' if low is None else f'{low:,}'} to {high:,}"


def least_time(run: Callable[[], object], times: int, seconds: float = 0.0) -> float:
    """The least time [s] of several runs after a first one (which compiles): at least `times`, and for at
    least `seconds`.
    """
    run()
    took: list[float] = []
    while len(took) < times or sum(took) < seconds:
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return min(took)
