"""What a metric is: states of one or two sets → a number, with what it needs to be read.

Three kinds. A *property* is a number of the candidate (spectrum, motion). A *distance* compares two sets and
is biased upward by O(1/n) (color, tubelet). A *richness* is a number of the candidate that depends on n
(effective_rank). The kind decides which intervals a score carries (see `synvid_eval.intervals`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from numpy.typing import ArrayLike

from synvid_eval import knobs
from synvid_eval.errors import SynvidEvalError
from synvid_eval.states import Fold, Moments, Side

Detail = dict[str, Any]


class Unscored(SynvidEvalError):
    """A score cannot be had for these data; the message is the reason, a full sentence for the reader."""


@dataclass(frozen=True)
class Metric(ABC):
    """Base of all metrics: a frozen dataclass whose fields are its knobs; numpy and scipy only."""

    name: ClassVar[str]
    feature: ClassVar[str]
    kind: ClassVar[Literal["property", "distance", "richness"]]
    better: ClassVar[Literal["lower", "higher", "match"]]
    unit: ClassVar[str]
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        knobs.check(self)

    @property
    @abstractmethod
    def state(self) -> str:
        """Name of the feature's state that carries the value (and whose clips are n)."""

    def settle(self, sides: Sequence[Side]) -> Self:
        """This metric with knobs that depend on the sides decided (the stride common to all); Unscored if
        none.
        """
        return self

    @abstractmethod
    def value(self, candidate: Side, reference: Side) -> float:
        """The number. Properties and richness look at `candidate` only. Raises Unscored where it cannot be
        had.
        """

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """Flat extras: numbers, strings or lists of numbers (NaN for what cannot be had)."""
        return {}

    def interval_gate(self, side: Side) -> str:
        """Why this side bears no `corrected`/`interval`: a clause after its name, or empty."""
        return ""

    def of_rows(self, candidate: ArrayLike, reference: ArrayLike | None = None) -> float:
        """The number straight from arrays of rows [n, d] (what the feature gives to `state`), without any
        set.

        For properties and richness `reference` may be left out; a distance without it is a ValueError.
        """
        if reference is None and self.kind == "distance":
            raise ValueError(f"{self.name} is a distance: give the rows of the reference, too")
        sides = [
            _side(self.state, rows) for rows in (candidate, candidate if reference is None else reference)
        ]
        return self.value(*sides)


def _side(state: str, rows: ArrayLike) -> Side:
    moments = Moments.of_rows(rows)
    clips: Mapping[str, int] = {state: int(moments.n)}
    return Side((Fold({state: moments}, clips),), int(moments.n))
