"""Source groups: which clips of a set come from one video, or show one person.

Such clips resemble each other far more than clips of a class do, so whatever is divided (folds of a labelled
set, a reference of which a search sees a half) is divided between groups. What a group is, is read from how
the field names its files:

- UCF101 (Soomro et al. 2012): `v_Biking_g02_c01.avi` is clip 1 of group 2 of class Biking. Numbers of groups
  count within a class: g02 of another class is another video.
- HMDB51 (Kuehne et al. 2011): `Prelinger_LetsPlay_run_f_cm_np1_ba_med_3.avi` is a piece of the movie in front
  of the class's name; a movie gives clips to several classes, and all of them are one group.
- EGTEA Gaze+ (Li et al. 2018): `OP01-R01-PastaSalad-66680-68130-F001597-F001639.mp4` is a piece of what the
  person OP01 did, and all sessions of a person are one group.
- Diving48 (Li et al. 2018), Volleyball (Ibrahim et al. 2016): of what is listed as these sets list it, the
  video that `2x00lRzlTVQ_00012.mp4` was cut from (a competition), and the video of the frames `39/29885/`.
- Weizmann (Gorelick et al. 2007): `daria_walk.avi` is the person in front of the class's name. That is
  believed only where there are several of them and each has clips of several classes: `my_cat1.mp4` names
  nobody.

A set that knows its sources itself (`VideoSet.sources`) is believed. Any other clip is a group of its own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import count_of
from synvid_eval.video.videoset import VideoSet

_UCF = re.compile(r"v_(.+)_g(\d+)_c(\d+)", re.IGNORECASE)
_HMDB = re.compile(r"(.+)_[fhlu]_(?:cm|nm)_np\d+_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+")
_EGTEA = re.compile(r"(O?P\d+)-R\d+-.+-\d+-\d+-F\d+-F\d+")
_DIVING = re.compile(r"(.+)_\d+")
_PERSON = "PERSON_CLASS, as Weizmann's"


def source_groups(videos: VideoSet) -> dict[str, str]:
    """Clip id → source group; see the module's docstring."""
    return {i: group for i, (group, _) in _groups(videos).items()}


def grouping(videos: VideoSet) -> str:
    """What the source groups of a set were read from, and how many there are, as a sentence."""
    found = list(_groups(videos).values())
    groups = dict(found)
    rules = Counter(rule for _, rule in found)
    sizes = Counter(groups.values())
    parts = [
        f"{count_of(clips, 'clip')} in {count_of(sizes[rule], 'group')} by {rule}"
        if rule
        else f"{count_of(clips, 'clip')} each a group of its own (no source is told by the name)"
        for rule, clips in rules.items()
    ]
    return "; ".join(parts)


def _groups(videos: VideoSet) -> dict[str, tuple[str, str]]:
    """Clip id → (source group, what tells it)."""
    found = {clip.id: _group(clip, videos.sources, videos.layout) for clip in videos.clips}
    classes = defaultdict(set)
    for clip in videos.clips:
        if found[clip.id][1] == _PERSON:
            classes[found[clip.id][0]].add(clip.label)
    if len(classes) > 1 and all(len(own) > 1 for own in classes.values()):
        return found
    return {i: (i, "") if rule == _PERSON else (group, rule) for i, (group, rule) in found.items()}


def _group(clip: ClipRef, sources: Mapping[str, str] | None, layout: str) -> tuple[str, str]:
    """(source group, what tells it) of a clip."""
    stem = PurePosixPath(clip.id).stem
    if sources and clip.id in sources:
        return sources[clip.id], "the set's own sources"
    if found := _UCF.fullmatch(stem):
        return f"{found[1]}/g{found[2]}", "UCF101's gNN"
    if found := _HMDB.fullmatch(stem):
        return found[1].removesuffix(f"_{clip.label}"), "HMDB51's movie"
    if found := _EGTEA.fullmatch(stem):
        return found[1], "EGTEA's person"
    if layout == "diving48" and (found := _DIVING.fullmatch(stem)):
        return found[1], "Diving48's video"
    if layout == "volleyball":
        return PurePosixPath(clip.id).parent.name, "Volleyball's video"
    if clip.label and (found := re.fullmatch(rf"(.+?)_{re.escape(clip.label)}\d*", stem, re.IGNORECASE)):
        return found[1], _PERSON
    return clip.id, ""
