"""Splits of a labelled set into clips to train on and clips to test on: an official list, or k folds.

Clips cut from one video, or of one person, resemble each other far more than clips of a class do, so they are
never divided between training and testing: folds are made of source groups (`video.groups`).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval.errors import DataError, UsageError
from synvid_eval.randomness import address
from synvid_eval.video import lists
from synvid_eval.video.groups import grouping, source_groups
from synvid_eval.video.layouts import Listing, clip_id, count_of
from synvid_eval.video.videoset import VideoSet

KFOLD = "kfold:"
MOST_FOLDS = 100
_TRIES = 50

_TRAIN = re.compile(r"train(?:val|ing)?", re.IGNORECASE)
_TEST = re.compile(r"test(?:ing)?|validation|val", re.IGNORECASE)
_OTHERS = ("test", "val", "validation", "testing")
# Layouts whose lists alone know the classes: folders are none, or no classes.
_LISTED = frozenset(["kinetics", "ssv2", "diving48", "egtea", "volleyball", "yup_plus_plus"])


@dataclass(frozen=True)
class Fold:
    """Ids of the clips to train on and of those to test on, in the order of the set."""

    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """How a set is divided.

    name: as it was asked for. called: what a table of accuracies calls it: the same whichever of two lists
    was asked for, and however. said: what was done, as a sentence. folds: one for a list. labels, groups:
    clip id → class, source group, of all clips that are in a fold. classes: sorted; their order is that of
    scores. notes: what a user should know. divided: of these, what makes its accuracies doubtful: that it
    divides source groups; "" where it does not.
    """

    name: str
    called: str
    said: str
    folds: tuple[Fold, ...]
    labels: Mapping[str, str]
    groups: Mapping[str, str]
    notes: tuple[str, ...] = ()
    divided: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """All class names, sorted."""
        return tuple(sorted(set(self.labels.values())))


def split(videos: VideoSet, asked: str, seed: int = 0) -> Split:
    """The split of a labelled set that `--split` names.

    Args:
        videos: what is divided; every clip has a label.
        asked: `kfold:K`; a JSON file {"train": [ids], "test": [ids]}; a list file as `video.lists` reads
            them, of a pair that is called train… and test… (or val…): either of the two, the other lies
            beside it; one that holds both; or the name of such a list of the set's folder (`trainlist01`,
            `train1`), as `lists.named` takes it. Labels are those of the list where folders are no classes
            (`_LISTED`).
        seed: of the folds; lists know none.

    Raises:
        UsageError: a split of another form, a number of folds out of range, a list without its counterpart,
        classes that lists alone know (see `check_classes`).
        DataError: clips without labels, clips on both sides, a class that is not trained on, too few groups.
    """
    if asked.startswith(KFOLD):
        return _folds(videos, _labels(videos), asked, seed)
    if asked.endswith(".json") and os.path.isfile(asked) and lists.sniff(Path(asked)) is None:
        labels, called = _labels(videos), Path(asked).stem
        sides, skipped = _of_json(Path(asked)), 0
        unknown = sorted({i for ids in sides for i in ids} - set(labels))
        if unknown:
            raise DataError(
                f"{asked} names {count_of(len(unknown), 'clip')} that {videos.name} has not: {unknown[0]}.",
                "Ids are paths relative to the SET, with suffix.",
            )
        _check_sides(videos, asked, sides)
    else:
        sides, skipped, videos, called = _of_lists(videos, asked)
        _check_sides(videos, asked, sides)
        labels = _labels(videos, {*sides[0], *sides[1]})
    return _by_list(videos, labels, asked, called, sides, skipped)


def check_classes(videos: VideoSet) -> None:
    """Refuses, by a UsageError, a folder whose lists alone know the classes of its clips (`VideoSet.lists`):
    what its folders are called, if anything, are sessions.
    """
    if videos.lists:
        raise UsageError(
            f"The classes of {videos.location} stand in its lists, not in its folders.",
            f"Choose one: --split NAME, of {lists.some(videos.lists)}; or give a list file as the SET.",
        )


def _labels(videos: VideoSet, within: Collection[str] | None = None) -> dict[str, str]:
    """Clip id → class, of all clips or of those `within`."""
    check_classes(videos)
    clips = [c for c in videos.clips if within is None or c.id in within]
    found = {c.id: c.label for c in clips if c.label is not None}
    if bare := [c.id for c in clips if c.label is None]:
        raise DataError(
            f"{videos.name}: {count_of(len(bare), 'clip')} of {len(clips)} without a class (first: "
            f"{bare[0]}).",
            "Give class folders (LABEL/clip.mp4), a list with labels, or a preset that makes classes.",
        )
    if len(set(found.values())) < 2:
        raise DataError(f"{videos.name} has one class only: {next(iter(found.values()), 'none')}.")
    return found


# -- k folds ---------------------------------------------------------------------------------------


def folds_asked(asked: str) -> int:
    """K of `kfold:K`; UsageError for what is no number of folds, 2 to MOST_FOLDS."""
    text = asked.removeprefix(KFOLD)
    if not (text.isascii() and text.isdigit() and 2 <= int(text) <= MOST_FOLDS):
        raise UsageError(
            f"--split {asked} is no number of folds.", f"Such as kfold:5; 2 to {MOST_FOLDS} folds."
        )
    return int(text)


def _folds(videos: VideoSet, labels: Mapping[str, str], asked: str, seed: int) -> Split:
    count, groups = folds_asked(asked), source_groups(videos)
    there = len(set(groups.values()))
    if there < count:
        raise DataError(
            f"{videos.name} has {count_of(there, 'source group')}, too few for {count} folds.",
            f"--split kfold:{there} has one group a fold."
            if there > 1
            else "All its clips are of one source.",
        )
    of_class = defaultdict(set)
    for clip, label in labels.items():
        of_class[label].add(groups[clip])
    if lone := sorted(label for label, own in of_class.items() if len(own) < 2):
        raise DataError(
            f"The class {lone[0]} of {videos.name} has one source group only, which cannot be trained on and "
            "tested on.",
            "Leave the class out, or give a split that is a list.",
        )
    for attempt in range(_TRIES):
        place = assigned(labels, groups, count, address("synvid_eval.training.splits", seed, attempt))
        folds = tuple(
            Fold(
                tuple(i for i in videos.ids if place[groups[i]] != k),
                tuple(i for i in videos.ids if place[groups[i]] == k),
            )
            for k in range(count)
        )
        if all({labels[i] for i in fold.train} == set(labels.values()) for fold in folds):
            break
    else:
        raise DataError(
            f"No {count} folds of {videos.name} were found in which every class is trained on.",
            "Its sources give clips to many classes: ask for more folds, or give a split that is a list.",
        )
    least, most = (pick(len(fold.test) for fold in folds) for pick in (min, max))
    sizes = f"{least} to {most} clips" if least < most else count_of(most, "clip")
    said = f"{count} folds of {sizes} by source group: {grouping(videos)}; no group is divided"
    return Split(asked, f"{KFOLD}{count}", said, folds, dict(labels), groups)


def assigned(labels: Mapping[str, str], groups: Mapping[str, str], count: int, key: int) -> dict[str, int]:
    """Source group → fold, in [0, count): every fold with as even a part of each class as whole groups allow.

    The largest group first (equal ones in the order of a hash of `key` and their name), each to the fold
    where Σ over classes of (the fold's share of the class)² grows least; among equals the smallest fold, then
    the one of the smallest hash.
    """
    classes = {label: i for i, label in enumerate(sorted(set(labels.values())))}
    counts: dict[str, Any] = {}
    for clip, group in groups.items():
        counts.setdefault(group, np.zeros(len(classes)))[classes[labels[clip]]] += 1
    total = sum(counts.values())
    loads = np.zeros((count, len(classes)))
    place: dict[str, int] = {}
    for group in sorted(counts, key=lambda g: (-counts[g].sum(), address("group", key, g), g)):
        grown = (((loads + counts[group]) / total) ** 2 - (loads / total) ** 2).sum(axis=1)
        place[group] = min(
            range(count),
            key=lambda k: (round(float(grown[k]), 12), loads[k].sum(), address("fold", key, group, k)),
        )
        loads[place[group]] += counts[group]
    return place


# -- lists -----------------------------------------------------------------------------------------


def _check_sides(videos: VideoSet, asked: str, sides: tuple[Sequence[str], Sequence[str]]) -> None:
    train, test = set(sides[0]), set(sides[1])
    for side, what in ((train, "to train on"), (test, "to test on")):
        if not side:
            raise DataError(
                f"--split {asked}: no clip {what} is in {videos.name}.", "Is it the split of this SET?"
            )
    if both := sorted(train & test):
        raise DataError(
            f"--split {asked}: {count_of(len(both), 'clip')} to train on and to test on (first: {both[0]}).",
            "Name each clip on one side.",
        )


def _by_list(
    videos: VideoSet,
    labels: Mapping[str, str],
    asked: str,
    called: str,
    sides: tuple[Sequence[str], Sequence[str]],
    skipped: int,
) -> Split:
    train, test = set(sides[0]), set(sides[1])
    untrained = sorted({labels[i] for i in test} - {labels[i] for i in train})
    if untrained:
        raise DataError(
            f"--split {asked}: the class {untrained[0]} is tested on and never trained on.",
            "Check the lists.",
        )
    known = {i: g for i, g in source_groups(videos).items() if i in train or i in test}
    notes, divided = [], ""
    if both := {known[i] for i in train} & {known[i] for i in test}:
        divided = (
            f"{count_of(len(both), 'source group')} divided between training and testing by {asked} (such as "
            f"{min(both)}): accuracies come out too high"
        )
        notes.append(divided)
    if left := len(videos) - len(known):
        notes.append(
            f"{count_of(left, 'clip')} of {videos.name} {_are(left)} in neither list of {asked}, left out"
        )
    if skipped:
        notes.append(
            f"{count_of(skipped, 'clip')} of the lists of {asked} {_are(skipped)} not in {videos.name}, "
            "left out"
        )
    fold = Fold(tuple(i for i in videos.ids if i in train), tuple(i for i in videos.ids if i in test))
    said = f"{count_of(len(fold.train), 'clip')} to train on and {len(fold.test)} to test on, by {asked}"
    own = {i: labels[i] for i in known}
    return Split(asked, called, said, (fold,), own, known, tuple(notes), divided)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _of_json(path: Path) -> tuple[list[str], list[str]]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"{path} cannot be read: {why}.", 'Wanted is {"train": [ids], "test": [ids]}.'
        ) from None
    sides = [data.get(side) if isinstance(data, dict) else None for side in ("train", "test")]
    for side in sides:
        if not isinstance(side, list) or not all(isinstance(i, str) for i in side):
            raise DataError(f"{path} is no split.", 'Wanted is {"train": [ids], "test": [ids]}.')
    train, test = ([clip_id(i) for i in side or []] for side in sides)
    return train, test


def _of_lists(videos: VideoSet, asked: str) -> tuple[tuple[list[str], list[str]], int, VideoSet, str]:
    """((ids to train on, ids to test on), how many entries of the lists the set has not, the set as it is
    labelled and laid out by lists that know more than its folders, what the pair of lists is called).
    """
    sides, missing = [], 0
    at = {os.path.realpath(c.path): c.id for c in videos.clips if c.kind in ("file", "frames")}
    labels: dict[str, str | None] = {}
    pair, called = _pair(videos, asked)
    for listing in pair:
        own = {at[real]: c.label for c in listing.clips if (real := os.path.realpath(c.path)) in at}
        missing += len(listing.clips) - len(own) + len(listing.skipped)
        sides.append(list(own))
        labels |= own
    if (layout := pair[0].layout) in _LISTED:
        clips = tuple(replace(c, label=labels.get(c.id)) for c in videos.clips)
        videos = replace(videos, layout=layout, clips=clips, lists=())
    return (sides[0], sides[1]), missing, videos, called


def _pair(videos: VideoSet, asked: str) -> tuple[tuple[Listing, Listing], str]:
    """(the lists to train on and to test on of which `asked` names one, what they are called together)."""
    path, folder = Path(asked), Path(videos.location)
    root = folder if folder.is_dir() else None
    if path.is_file():
        own = lists.own_splits(path)
        if "train" in own and not set(own).isdisjoint(_OTHERS):
            train, test = _partners("train", own, asked)
            return (_read(videos, path, train), _read(videos, path, test)), train
        files = [p.name for p in path.parent.iterdir()]
        train, test = _partners(path.name, files, asked)
        pair = _read(videos, path.with_name(train)), _read(videos, path.with_name(test))
        return pair, _together(train, test, files)
    if root is None:
        raise UsageError(
            f"--split {asked} is no file, and {videos.location} no folder that has lists.",
            "Give kfold:5, a list file, or a JSON file with train and test.",
        )
    there = lists.find(root, like=asked)
    name = lists.named(asked, there)
    if name is None:
        hint = f"Its lists: {lists.some(sorted(there))}." if there else lists.looked_for(videos.layout)
        close, folds = lists.alike(asked, there), "" if videos.lists else "kfold:5, "
        raise UsageError(
            f"--split {asked} is neither a file nor a list of {videos.location}.",
            f"{close}{' ' if close else ''}{hint} Or give {folds}a list file, or a JSON file with train and "
            "test.",
        )
    train, test = _partners(name, list(there), asked)
    pair = lists.read_folder(root, "auto", train), lists.read_folder(root, "auto", test)
    return pair, _together(train, test, list(there))


def _together(train: str, test: str, there: Sequence[str]) -> str:
    """What two lists are called by one name, which finds both: that to train on, where that is enough."""
    name = train if _partners(train, there, train) == (train, test) else test
    return Path(name).stem if lists.is_list(Path(name)) else name


def _read(videos: VideoSet, path: Path, split: str | None = None) -> Listing:
    """A list file, or a split of it, whose entries are relative to the set's folder, or to that of its class
    folders.
    """
    roots = [Path(videos.location)]
    roots += [one for one, _ in Counter(Path(c.path).parent.parent for c in videos.clips).most_common(1)]
    for root in (root for root in roots if root.is_dir()):
        try:
            return lists.read_file(path, split=split, root=root)
        except DataError:
            continue
    return lists.read_file(path, split=split)


def _partners(name: str, there: Sequence[str], asked: str) -> tuple[str, str]:
    """(list to train on, list to test on) of which `name` is one: the other is called as it, but for the word
    train, test or val.
    """
    if _TRAIN.search(name):
        others = [_TRAIN.sub(word, name, count=1) for word in _OTHERS]
        pairs = [(name, other) for other in others]
    else:
        others = [_TEST.sub(word, name, count=1) for word in ("train", "training")]
        pairs = [(other, name) for other in others]
    others = [other for other in others if other != name]
    found = [pair for pair in pairs if pair[0] != pair[1] and set(pair) - {name} <= set(there)]
    if not found:
        looked = f"Looked for {', '.join(others)}. " if others else ""
        raise UsageError(
            f"--split {asked} is one list, and the other of train and test is not there.",
            f"{looked}Lists come in pairs (trainlist01 and testlist01, train.csv and val.csv), or give "
            "kfold:5.",
        )
    return found[0]
