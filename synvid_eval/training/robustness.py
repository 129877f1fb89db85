"""Robustness: the accuracy of a classifier on clips that are damaged, by corruption and severity.

The protocol of Schiappa et al. 2022 (arXiv 2207.01398) with the corruptions of `synvid_eval.corruptions`: a
network that was trained on clean clips is tested on damaged ones. With accuracies A in percent,

    absolute robustness  γa = 1 − (A_clean − A_damaged) / 100
    relative robustness  γr = 1 − (A_clean − A_damaged) / A_clean

for each corruption and severity; of a corruption the means over its severities are told, too. γr is none
where nothing is right on clean clips. Both may exceed 1.

Against a baseline that is tested on the same clips a corruption counts as better where the mean accuracy over
its severities is higher, as Yu et al. 2024 count ("better on 11 of 14"). The difference has an interval by
source group (delete one group, paired by clip), and so has the number of corruptions that are better
(percentiles of 1,000 draws of groups, `association.DRAWS`).

As in the released code of Yu et al., a clip is tested on every s-th of its frames, s the stride of the clean
clip: corruptions of time act on these frames, and where they leave fewer than a view wants, the last is shown
on. (In a set such as `corrupt:sampling?of=…` they act on all frames: there is no stride yet.)

Where it differs: both papers damage frames of 224 × 224 px, after resizing; here frames are damaged at their
own size, then tested by the views of the run's recipe. The clean accuracy is taken anew, from the same SET by
the same way. Predictions are kept in RUN/robustness/, a file a corruption and severity, so that a run that is
stopped goes on.

Therefore cases follow each other, each over all clips, and a clip is decoded once for each of them. To decode
it once for all of them would be to hold the frames of all clips, or to have no case done before the last
clip is. It would save little: of what the views of a UCF101 clip take a process (5 runs × 3 squares of 224
px, mean over all corruptions at severities 1 and 5) decoding is about a sixth; the rest is damaging and
resizing.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synvid_eval import corrupted
from synvid_eval.association import percentile, resampled
from synvid_eval.corruptions import Corruption, Draws, registry
from synvid_eval.corruptions.base import OfTime
from synvid_eval.errors import DataError, UsageError
from synvid_eval.intervals import interval, jackknife
from synvid_eval.measurement import Options, content_hashes
from synvid_eval.training import accuracy, data
from synvid_eval.training.accuracy import MIN_SOURCE_GROUPS, Predictions
from synvid_eval.video.layouts import count_of
from synvid_eval.video.videoset import VideoSet

SCHEMA = "synvid-eval/robustness/1"
LEVEL = 0.95
KEPT = "robustness"
CLEAN = "clean"


class Classifier(Protocol):
    """What can be asked of a trained classifier.

    tested: its predictions of the clips that it was not trained on: they say which clips it is to be asked
    about, and by which fold's network. signature: of its weights.
    """

    name: str
    tested: Predictions
    signature: str

    def scores(self, clips: HeldOut, asked: Sequence[Case], seed: int) -> Iterator[NDArray[np.float64]]:
        """What is said of clips in each of several cases, each clip by the network of its fold: float64
        [clips, classes] a case, each ≥ 0 with sum 1.
        """


@dataclass(frozen=True)
class Case:
    """Clips as they are (None), or damaged."""

    corruption: Corruption | None = None

    @property
    def name(self) -> str:
        """What its file is called."""
        return CLEAN if self.corruption is None else f"{self.corruption.name}-{self.corruption.severity}"

    def shown(self, grid: Sequence[int], clip: str, seed: int) -> list[int]:
        """The frames that are shown of a clip (an id) that is tested on the frames `grid`, in order: others,
        or in another order, where time is corrupted.
        """
        if not isinstance(self.corruption, OfTime):
            return list(grid)
        times = self.corruption.times(len(grid), Draws(seed, clip, self.corruption.name))
        return [grid[i] for i in times.tolist()]

    def damaged(self, videos: VideoSet, seed: int) -> VideoSet:
        """Clips with each of their frames damaged, if that is what is done to them.

        Raises UsageError: see `corrupted.corrupted`.
        """
        if self.corruption is None or isinstance(self.corruption, OfTime):
            return videos
        return corrupted.corrupted(videos, self.corruption, seed)


def cases(names: Sequence[str], severities: Sequence[int]) -> list[Case]:
    """Clean clips, then each corruption at each severity.

    Raises UsageError for a corruption or severity that does not exist, or is given twice.
    """
    for what, given in (("corruption", list(names)), ("severity", list(map(str, severities)))):
        if not given:
            raise UsageError(f"No {what} is given.")
        if twice := [one for one in given if given.count(one) > 1]:
            raise UsageError(f"The {what} {twice[0]} is given twice.", "Give each once.")
    kinds = [registry.get(name) for name in names]
    return [Case(), *(Case(kind(severity=s)) for kind in kinds for s in severities)]


@dataclass(frozen=True)
class HeldOut:
    """The clips of a SET that a classifier was tested on. totals: frames of each. contents: a hash of what is
    in them.
    """

    videos: VideoSet
    totals: tuple[int, ...]
    contents: str


def chosen(videos: VideoSet, tested: Sequence[Predictions], options: Options) -> HeldOut:
    """The clips of a set that all of several classifiers were tested on, each looked at.

    Raises DataError: see `data.read`; classifiers that were tested on other clips than each other, or on
    clips that the set has not.
    """
    wanted = {clip.id for clip in tested[0].clips}
    for other in tested[1:]:
        if wanted != {clip.id for clip in other.clips}:
            raise DataError(
                "The baseline was tested on other clips.", "Fine-tune both on the same SET and --split."
            )
    if missing := sorted(wanted - set(videos.ids)):
        raise DataError(
            f"{videos.name} lacks {count_of(len(missing), 'clip')} of the {len(wanted)} that the run was "
            f"tested on, such as {missing[0]}.",
            "Give the SET that it was fine-tuned on.",
        )
    files = data.read(
        replace(videos, clips=tuple(c for c in videos.clips if c.id in wanted), skipped=()),
        options,
        frames=1,
    )
    hashes = content_hashes(files.videos, options.cache, options.worker_count(), options.progress)
    text = json.dumps(sorted(hashes.items()))
    contents = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return HeldOut(files.videos, files.totals, contents)


def predictions(
    classifier: Classifier, clips: HeldOut, case: Case, seed: int, scores: NDArray[np.float64]
) -> Predictions:
    """Of clips of a case, from what a classifier says of them: float64 [clips, classes]."""
    known = {clip.id: clip for clip in classifier.tested.clips}
    found = [
        replace(known[name], scores=tuple(map(float, values)))
        for name, values in zip(clips.videos.ids, scores, strict=True)
    ]
    about = about_case(classifier, clips, case, seed)
    return replace(classifier.tested, clips=tuple(sorted(found, key=lambda c: c.id)), about=about)


def about_case(classifier: Classifier, clips: HeldOut, case: Case, seed: int) -> dict[str, Any]:
    """Everything that decides the predictions of a case, ready for JSON."""
    identity = None if case.corruption is None else case.corruption.identity()
    return {
        "weights": classifier.signature,
        "contents": clips.contents,
        "corruption": identity,
        "seed": None if case.corruption is None else seed,
    }


def evaluated(
    classifier: Classifier, clips: HeldOut, asked: Sequence[Case], options: Options, keep: Path | None
) -> Iterator[Predictions]:
    """Predictions of each case, in order; those that `keep`, a folder, holds already are read from there.

    Raises DataError: see `Classifier.scores`; UsageError: see `Case.damaged`; OSError where `keep` cannot be
    written.
    """
    files = [None if keep is None else keep / f"{case.name}.json" for case in asked]
    kept = [
        _read(file, about_case(classifier, clips, case, options.seed))
        for file, case in zip(files, asked, strict=True)
    ]
    missing = [case for case, found in zip(asked, kept, strict=True) if found is None]
    for case in missing:  # what cannot be done is told before anything is decoded
        case.damaged(clips.videos, options.seed)
    scores = classifier.scores(clips, missing, options.seed)
    each = len(clips.totals)
    options.progress.begin(f"{classifier.name} (robustness)", each * len(asked))
    for case, file, found in zip(asked, files, kept, strict=True):
        known = found is not None
        if found is None:
            found = predictions(classifier, clips, case, options.seed, next(scores))
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                accuracy.write(found, file)
        options.progress.advance(each, cached=known)
        yield found


def _read(file: Path | None, about: Mapping[str, Any]) -> Predictions | None:
    """Predictions that are kept, if they are of that very case."""
    if file is None or not file.is_file():
        return None
    with contextlib.suppress(DataError):  # half of a file is made again
        found = accuracy.read(file)
        return found if dict(found.about) == about else None
    return None


# -- what comes out --------------------------------------------------------------------------------


def absolute(clean: float, damaged: float) -> float:
    """γa of two accuracies in percent."""
    return 1 - (clean - damaged) / 100


def relative(clean: float, damaged: float) -> float | None:
    """γr of two accuracies in percent; None where the clean one is 0."""
    return 1 - (clean - damaged) / clean if clean else None


def hits(several: Sequence[Predictions]) -> NDArray[np.float64]:
    """Whether each clip is right in each case: float64 [cases, clips], 0 or 1."""
    return np.stack([one.hits() for one in several]).astype(np.float64)


@dataclass(frozen=True)
class Better:
    """By how much a classifier is better than a baseline on damaged clips.

    differences: of each corruption [points], with its interval, or None below `MIN_SOURCE_GROUPS` groups. on:
    how many are above 0, surely: how many with all of their interval; interval: of `on`.
    """

    differences: tuple[float, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    on: int
    surely: int
    interval: tuple[float, float] | None
    reason: str = ""


def better(own: NDArray[np.float64], other: NDArray[np.float64], groups: Sequence[str], seed: int) -> Better:
    """On how many corruptions a classifier is better.

    Args:
        own, other: of each corruption and clip, the share of severities at which it is right: float64
            [corruptions, clips]. groups: of each clip.
    """
    paired = own - other
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    of = np.array([names[g] for g in groups])
    counts = np.bincount(of).astype(np.float64)
    sums = np.stack([np.bincount(of, weights=row, minlength=len(counts)) for row in paired])
    means = 100 * paired.mean(axis=1)
    on = int((means > 0).sum())
    if len(counts) < MIN_SOURCE_GROUPS:
        reason = f"{accuracy.grouped(len(counts))}; an interval needs {MIN_SOURCE_GROUPS}"
        return Better(tuple(map(float, means)), (None,) * len(means), on, 0, None, reason)
    rest = 100 * (sums.sum(axis=1)[:, None] - sums) / (counts.sum() - counts)
    bounds = tuple(
        interval(float(mean), [jackknife(float(mean), left, counts)], LEVEL)
        for mean, left in zip(means, rest, strict=True)
    )
    drawn = resampled(len(counts), seed)
    wins = ((drawn @ sums.T) > 0).sum(axis=1).astype(np.float64)
    surely = sum(low > 0 for low, _ in bounds)
    return Better(tuple(map(float, means)), bounds, on, surely, percentile(wins, LEVEL))


def document(
    classifier: Classifier,
    clips: HeldOut,
    asked: Sequence[Case],
    found: Sequence[Predictions],
    baseline: tuple[Classifier, Sequence[Predictions]] | None,
    seed: int,
) -> dict[str, Any]:
    """Ready for JSON; see `synvid-eval schema robustness`. found: of each case, the clean one first."""
    groups = found[0].groups()
    tops = [_top(one) for one in found]
    clean = float(tops[0]["value"])
    cells = [
        {
            "corruption": case.corruption.name,
            "kind": case.corruption.kind,
            "severity": case.corruption.severity,
            "accuracy": top,
            "absolute": absolute(clean, top["value"]),
            "relative": relative(clean, top["value"]),
        }
        for case, top in zip(asked, tops, strict=True)
        if case.corruption is not None
    ]
    names = list(dict.fromkeys(str(cell["corruption"]) for cell in cells))
    rows = [_row(name, [c for c in cells if c["corruption"] == name], clean) for name in names]
    said: dict[str, Any] | None = None
    if baseline is not None:
        other, theirs = baseline
        how = better(_by_name(asked, found, names), _by_name(asked, theirs, names), groups, seed)
        for row, difference, bounds in zip(rows, how.differences, how.intervals, strict=True):
            row["difference"], row["interval"] = difference, None if bounds is None else list(bounds)
        said = {
            "name": other.name,
            "clean": _top(theirs[0]),
            "on": how.on,
            "of": len(names),
            "surely": how.surely,
            "interval": None if how.interval is None else list(how.interval),
            "reason": how.reason or None,
        }
    return {
        "schema": SCHEMA,
        "run": classifier.name,
        "set": {"name": clips.videos.name, "location": clips.videos.location},
        "split": classifier.tested.split,
        "clips": len(groups),
        "groups": len(set(groups)),
        "seed": seed,
        "level": LEVEL,
        "clean": tops[0],
        "cells": cells,
        "corruptions": rows,
        "mean": _mean(rows),
        "baseline": said,
    }


def _top(one: Predictions) -> dict[str, Any]:
    found: dict[str, Any] = accuracy.summary(one, LEVEL)["top1"]
    return found


def _row(name: str, cells: Sequence[Mapping[str, Any]], clean: float) -> dict[str, Any]:
    """A corruption's means over its severities."""
    mean = float(np.mean([cell["accuracy"]["value"] for cell in cells]))
    return {
        "corruption": name,
        "kind": cells[0]["kind"],
        "accuracy": mean,
        "absolute": absolute(clean, mean),
        "relative": relative(clean, mean),
        "difference": None,
        "interval": None,
    }


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Means over corruptions, each counting the same."""
    found: dict[str, float | None] = {}
    for key in ("accuracy", "absolute", "relative"):
        values = [row[key] for row in rows]
        found[key] = None if None in values else float(np.mean(values))
    return found


def _by_name(
    asked: Sequence[Case], found: Sequence[Predictions], names: Sequence[str]
) -> NDArray[np.float64]:
    """The share of severities at which each clip is right, of each corruption: [corruptions, clips]."""
    right = hits(found)
    of = [None if case.corruption is None else case.corruption.name for case in asked]
    return np.stack([right[[i for i, n in enumerate(of) if n == name]].mean(axis=0) for name in names])


_COLUMNS = ("corruption", "kind", "severity", "accuracy", "low", "high", "absolute", "relative")


def sheet(told: Mapping[str, Any]) -> str:
    """The cells of a document as CSV; `low` and `high`: the interval by source group, or by clip where there
    is none.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    clean = {"corruption": CLEAN, "kind": "", "severity": "", "accuracy": told["clean"]}
    for cell in [clean | {"absolute": 1.0, "relative": 1.0}, *told["cells"]]:
        top = cell["accuracy"]
        bounds = top["by_group"] or top["by_clip"]
        first = [cell["corruption"], cell["kind"], cell["severity"], top["value"], *bounds]
        writer.writerow([*first, cell["absolute"], "" if cell["relative"] is None else cell["relative"]])
    return out.getvalue()
