"""Accuracies of predictions: top 1 and top 5, with intervals by clip and by source group; predictions
as JSON.

Two intervals, since clips of one source are no independent draws:

- by clip: Wilson's score interval (Wilson 1927), which takes every clip for a draw of its own;
- by group: Wilson's interval at the number of independent clips that would scatter as much (Korn & Graubard
  1998; Franco et al. 2019): the variance is the delete-one-group jackknife's (`intervals`), the design effect
  is at least 1, and Student's t with groups − 1 degrees of freedom stands in for the normal quantile. Where
  all clips are right, or none, groups count as clips. None below MIN_SOURCE_GROUPS groups.

Both speak of clips like these, given the trained networks; what another seed of training would give, only
another seed tells. `difference` compares two sets of predictions of the same clips, pair by pair.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from synvid_eval import accuracies, intervals, locks
from synvid_eval.archive import write_bytes
from synvid_eval.errors import DataError
from synvid_eval.score import dump_json
from synvid_eval.video.layouts import count_of

SCHEMA = "synvid-eval/predictions/1"
MIN_SOURCE_GROUPS = 5
"""Fewest source groups that an interval by group is made of."""
TOP = 5
_COLUMNS = (*accuracies.COLUMNS, *accuracies.OPTIONAL)
_KEY = ("dataset", "benchmark", "split", "protocol", "model", "method", "seed", "source")
"""What tells a row from others: of the same run it is replaced."""


@dataclass(frozen=True)
class Prediction:
    """What a network says of one clip that it was not trained on. scores: one a class, ≥ 0 with sum 1."""

    id: str
    label: str
    group: str
    fold: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a set. classes: in the order of scores. split: as `--split` was given. about: facts of
    the run, ready for JSON.
    """

    classes: tuple[str, ...]
    split: str
    clips: tuple[Prediction, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def hits(self, top: int = 1) -> NDArray[np.bool_]:
        """Whether each clip's own class is among the `top` of the highest scores; equal scores in the order
        of classes, as argmax takes them: bool [clips].
        """
        scores = np.array([clip.scores for clip in self.clips], np.float64).reshape(-1, len(self.classes))
        of = np.array([self.classes.index(clip.label) for clip in self.clips], np.int64)
        own = scores[np.arange(len(of)), of][:, None]
        before = (scores > own) | ((scores == own) & (np.arange(len(self.classes)) < of[:, None]))
        found: NDArray[np.bool_] = before.sum(axis=1) < top
        return found

    def groups(self) -> list[str]:
        """The source group of each clip."""
        return [clip.group for clip in self.clips]


@dataclass(frozen=True)
class Accuracy:
    """value, by_clip, by_group: percent. by_group: None with a reason. clips, groups: how many."""

    value: float
    clips: int
    groups: int
    level: float
    by_clip: tuple[float, float]
    by_group: tuple[float, float] | None
    reason: str = ""


def accuracy(hits: NDArray[np.bool_], groups: Sequence[str], level: float = 0.95) -> Accuracy:
    """The share of hits, with its intervals. hits: [n], n ≥ 1; groups: of each clip."""
    count, right = len(hits), int(hits.sum())
    share = right / count
    distinct = len(set(groups))
    low, high = wilson(share, count, float(ndtri((1 + level) / 2)))
    by_group, reason = None, ""
    if distinct < MIN_SOURCE_GROUPS:
        reason = f"{grouped(distinct)}; an interval by group needs {MIN_SOURCE_GROUPS}"
    else:
        z = float(stdtrit(distinct - 1, (1 + level) / 2))
        begin, end = wilson(share, effective(hits, groups), z)
        by_group = (100 * begin, 100 * end)
    return Accuracy(100 * share, count, distinct, level, (100 * low, 100 * high), by_group, reason)


def grouped(count: int) -> str:
    """A number of source groups for people: "1 source group"."""
    return count_of(count, "source group")


def wilson(share: float, count: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of a share in [0, 1] of `count` > 0 draws (which may be a fraction)."""
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    low, high = center - half, center + half
    return (0.0 if share == 0 else max(0.0, low)), (1.0 if share == 1 else min(1.0, high))


def effective(hits: NDArray[np.bool_], groups: Sequence[str]) -> float:
    """How many independent clips scatter as the share of hits does over source groups; the number of clips
    at most, the number of groups where all are hits or none.
    """
    share = float(hits.mean())
    if share in (0.0, 1.0):
        return float(len(set(groups)))
    variance = _jackknife(hits.astype(np.float64), groups).variance
    return min(float(len(hits)), share * (1 - share) / variance) if variance > 0 else float(len(hits))


def _jackknife(values: NDArray[np.float64], groups: Sequence[str]) -> intervals.Jackknife:
    """Of the mean of values, one source group left out at a time."""
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    of = np.array([names[g] for g in groups])
    clips = np.bincount(of).astype(np.float64)
    sums = np.bincount(of, weights=values)
    rest = (sums.sum() - sums) / np.maximum(clips.sum() - clips, 1)
    return intervals.jackknife(float(values.mean()), rest, clips)


@dataclass(frozen=True)
class Difference:
    """Accuracy of one less that of another on the same clips [points]. interval: by group, or None."""

    value: float
    clips: int
    groups: int
    level: float
    interval: tuple[float, float] | None
    reason: str = ""


def difference(one: Predictions, other: Predictions, level: float = 0.95) -> Difference:
    """By how much `one` is better than `other` at top 1: paired by clip, the interval by source group (delete
    one group, Student's t).

    DataError where they are not predictions of the same clips.
    """
    theirs = {clip.id: hit for clip, hit in zip(other.clips, other.hits(), strict=True)}
    if set(theirs) != {clip.id for clip in one.clips}:
        raise DataError("The two are predictions of other clips.", "Test both on the same SET and --split.")
    paired = one.hits().astype(np.float64) - np.array([theirs[c.id] for c in one.clips], np.float64)
    groups = one.groups()
    distinct = len(set(groups))
    if distinct < MIN_SOURCE_GROUPS:
        reason = f"{grouped(distinct)}; an interval needs {MIN_SOURCE_GROUPS}"
        return Difference(100 * float(paired.mean()), len(paired), distinct, level, None, reason)
    low, high = intervals.interval(float(paired.mean()), [_jackknife(paired, groups)], level)
    return Difference(100 * float(paired.mean()), len(paired), distinct, level, (100 * low, 100 * high))


def merge(folds: Sequence[Predictions]) -> Predictions:
    """Predictions of all folds as one; DataError for other classes or splits, and for a clip tested twice."""
    first = folds[0]
    if any((one.classes, one.split) != (first.classes, first.split) for one in folds):
        raise DataError("These predictions are of several splits.", "Merge the folds of one.")
    clips = [clip for one in folds for clip in one.clips]
    if twice := [i for i, times in Counter(c.id for c in clips).items() if times > 1]:
        raise DataError(f"{twice[0]} is tested in several folds.", "Merge each fold once.")
    return replace(first, clips=tuple(sorted(clips, key=lambda c: c.id)))


# -- documents -------------------------------------------------------------------------------------


def summary(predictions: Predictions, level: float = 0.95) -> dict[str, Any]:
    """Accuracies ready for JSON: top1, and top5 where there are more than TOP classes [percent]."""
    found: dict[str, Any] = {}
    for top in (1, TOP) if len(predictions.classes) > TOP else (1,):
        one = accuracy(predictions.hits(top), predictions.groups(), level)
        found[f"top{top}"] = {
            "value": one.value,
            "by_clip": list(one.by_clip),
            "by_group": None if one.by_group is None else list(one.by_group),
            "reason": one.reason or None,
        }
    groups = len(set(predictions.groups()))
    return {"level": level, "clips": len(predictions.clips), "groups": groups, **found}


def document(predictions: Predictions) -> dict[str, Any]:
    """Ready for JSON; see `synvid-eval schema predictions`."""
    return {
        "schema": SCHEMA,
        "classes": list(predictions.classes),
        "split": predictions.split,
        "accuracy": summary(predictions),
        "predictions": [
            {"id": c.id, "label": c.label, "group": c.group, "fold": c.fold, "scores": list(c.scores)}
            for c in predictions.clips
        ],
        "about": dict(predictions.about),
    }


def write(predictions: Predictions, path: Path) -> None:
    """Writes the document, all or nothing. OSError."""
    write_bytes(path, dump_json(document(predictions)).encode())


def read(path: Path) -> Predictions:
    """The predictions of a file; DataError where it cannot be read or is none of ours."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} cannot be read: {why}.", "Wanted are predictions as JSON.") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise DataError(f"{path} holds no predictions.", f"Wanted is a document {SCHEMA}.")
    try:
        classes = tuple(str(c) for c in data["classes"])
        clips = tuple(
            Prediction(
                str(c["id"]), str(c["label"]), str(c["group"]), int(c["fold"]), tuple(map(float, c["scores"]))
            )
            for c in data["predictions"]
        )
        about = dict(data.get("about") or {})
        found = Predictions(classes, str(data["split"]), clips, about)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is damaged: {type(error).__name__} {error}.", "Make it again.") from None
    if not clips or any(len(c.scores) != len(classes) or c.label not in classes for c in clips):
        raise DataError(f"{path} is damaged: scores do not go with classes.", "Make it again.")
    return found


def row(
    predictions: Predictions,
    *,
    dataset: str,
    benchmark: str,
    protocol: str,
    model: str,
    note: str = "",
    **more: str,
) -> dict[str, str]:
    """The row of a table of accuracies (`correlate --accuracies`) for these predictions; values as text.

    note: what else it says there, behind the intervals. more: method, split, family, seed, source. `std`
    stays empty: it is over runs, and this is one.
    """
    one = accuracy(predictions.hits(), predictions.groups())
    clips, groups = count_of(one.clips, "clip"), count_of(one.groups, "group")
    said = f"top 1 of {clips} of {groups}; {one.level:.0%} by clip {_text(one.by_clip)}"
    said += f", by group {_text(one.by_group)}" if one.by_group else ""
    said += f"; {note}" if note else ""
    known = {"dataset": dataset, "benchmark": benchmark, "protocol": protocol, "model": model}
    # what is 1 % or less would be taken for a fraction without its sign
    known |= {"accuracy": f"{one.value!r}{'%' if one.value <= 1 else ''}", "note": said, **more}
    return {column: known.get(column, "") for column in _COLUMNS}


def _text(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.1f} to {bounds[1]:.1f}"


def table(of: Sequence[Mapping[str, str]]) -> str:
    """A table of accuracies as CSV, with its heading."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: one.get(column, "") for column in _COLUMNS} for one in of)
    return out.getvalue()


def add_row(path: Path, new: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Puts a row into a table of accuracies, which may not be there yet; one of the same dataset, benchmark,
    split, protocol, model, method, seed and source (the network that was begun with) is replaced, and
    returned if it said something else. Processes that do so at once wait for each other.

    A row of a table without columns for some of these is another run's if it has another accuracy.

    DataError: see `rows`; OSError.
    """
    with locks.held(path.with_name(f".{path.name}.lock"), os.fspath(path), wait=True):
        before = rows(path)
        others = [one for one in before if not _same_run(one, new)]
        write_bytes(path, table([*others, new]).encode())
        return [one for one in before if one not in others and any(one[k] != new.get(k, "") for k in one)]


def _same_run(one: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether a row that was read is of the run of a new one."""
    known = [k for k in _KEY if k in one]
    alike = all(one[k] == new.get(k, "") for k in known)
    return alike and (len(known) == len(_KEY) or one.get("accuracy") == new.get("accuracy"))


def rows(path: Path) -> list[Mapping[str, str]]:
    """The rows of a table of accuracies, each with the columns that the file has; [] where there is none yet.

    DataError where the file is no table of accuracies or has columns that `table` does not write; OSError.
    """
    if not path.exists():
        return []
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True)
        found: list[Mapping[str, str]] = [{k: v or "" for k, v in one.items() if k} for one in reader]
        strange = set(accuracies.COLUMNS) - set(reader.fieldnames or ())
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV: {error}.", "Give another --csv.") from None
    if strange or set(reader.fieldnames or ()) - set(_COLUMNS):
        wanted = ",".join(_COLUMNS)
        raise DataError(f"{path} has other columns.", f"Wanted are {wanted}: give another --csv.")
    return found
