"""Published accuracies: what pre-training on each set was worth, as the papers' tables say it.

`data/published_accuracies.csv` holds every accuracy that the text of Yu et al. 2024 (arXiv 2410.24213) gives,
one a set, benchmark and protocol, with the table it stands in and a family by which a correlation is
clustered.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

BENCHMARK, PROTOCOL = "UCF101", "finetune"
"""The benchmark and protocol that most sets have an accuracy of."""


@dataclass(frozen=True)
class Published:
    """One published accuracy.

    dataset: name of the set, as of the presets. family: kind of set. benchmark, protocol, model: what was
    trained and tested. accuracy: top-1 [%]. source: table or section. note: what else the text says.
    """

    dataset: str
    family: str
    benchmark: str
    protocol: str
    model: str
    accuracy: float
    source: str
    note: str


@functools.lru_cache(maxsize=1)
def table() -> tuple[Published, ...]:
    """All published accuracies, in the order of the file."""
    text = resources.files("synvid_eval").joinpath("data", "published_accuracies.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Published(**{**row, "accuracy": float(row["accuracy"])}) for row in rows)  # type: ignore[arg-type]


def of(dataset: str, benchmark: str = BENCHMARK, protocol: str = PROTOCOL) -> Published | None:
    """The published accuracy of a set by that benchmark and protocol; None where there is none."""
    found = (p for p in table() if (p.dataset, p.benchmark, p.protocol) == (dataset, benchmark, protocol))
    return next(found, None)
