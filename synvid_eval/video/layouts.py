"""Layouts: how clips lie on disk. Finds them, names them, says what was recognised; never opens a video.

A clip's id is its NFC POSIX path relative to the set's root, with suffix. Folders are walked in sorted order,
symbolic links followed once, hidden names passed over.
"""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.video import remote
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.remote import Object, Place, Url

VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".y4m",
    ]
)
PICTURE_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"])
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
SPLITS = frozenset(["train", "training", "val", "valid", "validation", "test", "testing"])

LAYOUTS = {
    "flat": "videos directly in the folder; no labels",
    "classes": "LABEL/clip.mp4: class folders, as UCF101 and HMDB51 unpack",
    "splits": "train|val|test/LABEL/clip.mp4: class folders below split folders, as Kinetics",
    "nested": "videos at any depth; the label is the folder a video lies in",
    "frames": "one folder of numbered pictures a clip (img_00001.jpg, 000001.png), natural order, --fps",
    "npy": "one array file uint8 [N, T, H, W, 3]",
    "npz": "one archive with `frames` uint8 [T, H, W, 3] (one clip) or [N, T, H, W, 3]",
    "npz_clips": "a folder of .npz files, each one clip: `frames` uint8 [T, H, W, 3], --fps",
    "webdataset": "tar files of videos: one (.tar, .tar.gz), a folder of them, or a range {000..127}.tar",
}

# Sets whose clips a list names: a list file given as the SET, or a folder that has lists and --split.
LIST_LAYOUTS = {
    "ucf101": "class folders and UCF101's lists (ucfTrainTestlist/): --split trainlist01 … testlist03",
    "hmdb51": "class folders and HMDB51's <class>_test_split1.txt …: --split train1 … test3",
    "kinetics": "a table of label, youtube_id, time_start, time_end, split: id_000001_000011.mp4, --split",
    "ssv2": "Something-Something: a JSON list of {id, label or template}, videos <id>.webm or <id>.mp4",
    "diving48": "Diving48: a JSON list of {vid_name, label}, rgb/<vid_name>.mp4, --split Diving48_V2_train",
    "egtea": "EGTEA Gaze+: lines `clip action verb noun`, cropped_clips/SESSION/, --split train_split1",
    "volleyball": "Volleyball: VIDEO/annotations.txt and VIDEO/FRAME/*.jpg; all, or --split train; --fps",
    "yup_plus_plus": "YUP++: lines `clip static_train`, camera_stationary/SCENE/, --split train, static_test",
    "list": "VideoMAE and mmaction2: lines `path label` or `path` (.csv or .txt, no heading), --root DIR",
    "table": "a table with a heading: a column `path`, maybe `label` (.csv or .parquet), --root DIR",
    "rawframes": "mmaction2: lines `folder total_frames label` of frame folders, --root DIR, --fps",
}
LAYOUTS |= LIST_LAYOUTS


@dataclass
class Found:
    """What lies below a folder: videos, pictures by folder (relative POSIX path, "" is the root), .npz
    archives, tar files, how many files of each other suffix, and folders that are called like a video.
    objects: of what is remote, everything by its relative path.
    """

    videos: list[str] = field(default_factory=list)
    pictures: dict[str, list[str]] = field(default_factory=dict)
    archives: list[str] = field(default_factory=list)
    tars: list[str] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    objects: dict[str, Object] = field(default_factory=dict)

    def stamp(self, relative: str, kind: str) -> str:
        """The stamp of a remote clip, of a file or of a folder of pictures; "" where there is none."""
        if kind != "frames":
            return self.objects[relative].stamp if relative in self.objects else ""
        folder = "" if relative == "." else relative
        names = {n: f"{folder}/{n}" if folder else n for n in self.pictures[folder]}
        return remote.joined_stamp({n: self.objects[p] for n, p in names.items() if p in self.objects})

    def passed_over(self, taken: Iterable[str]) -> list[tuple[str, str]]:
        """(id, reason) of folders that could not be read, and of those called like a video in which neither a
        video nor any of the clips `taken` (relative paths) lies.
        """
        if not self.called:
            return self.unreadable
        holding = set()
        for relative in itertools.chain(self.videos, taken):
            holding.add(relative)
            while (relative := relative.rpartition("/")[0]) and relative not in holding:
                holding.add(relative)
        seen = {i for i, _ in self.unreadable}
        bare = [(clip_id(c), "a folder, not a video") for c in self.called if c not in holding]
        return [*self.unreadable, *(b for b in bare if b[0] not in seen)]


@dataclass(frozen=True)
class Listing:
    """The clips of a location: layout name, what was recognised as a sentence, clips, those passed over."""

    layout: str
    said: str
    clips: Sequence[ClipRef]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def walk(root: Place) -> Found:
    """All videos and pictures below `root`, in sorted order. Symbolic links are followed, to files and to
    folders alike; only a link to a folder that it lies in (a loop) is not entered.

    Folders are folders whatever they are called; those that are called like a video are told of, too.

    Of a store its objects are listed instead. Raises OSError where that cannot be done; else what cannot be
    read is told of in the result.
    """
    if isinstance(root, Url):
        return _sorted_objects(remote.listing(root.text))
    found = Found()
    # each folder with the real folders that it lies in
    folders: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while folders:
        relative, within = folders.pop()
        folder = os.path.join(root, relative)
        try:
            facts = os.stat(folder)
            if (facts.st_dev, facts.st_ino) in within:
                continue
            within |= {(facts.st_dev, facts.st_ino)}
            with os.scandir(folder) as entries:
                names = sorted(e.name for e in entries if not e.name.startswith("."))
        except OSError as error:
            reason = f"folder cannot be read: {error.strerror}"
            found.unreadable.append((clip_id(relative or "."), reason))
            continue
        below: list[str] = []
        for name in names:
            path, inner = os.path.join(folder, name), f"{relative}/{name}" if relative else name
            suffix = os.path.splitext(name)[1].lower()
            if os.path.isdir(path):
                below.append(inner)
            elif suffix in VIDEO_SUFFIXES:
                found.videos.append(inner)
            elif suffix in PICTURE_SUFFIXES:
                found.pictures.setdefault(relative, []).append(name)
            else:
                if suffix == ".npz":
                    found.archives.append(inner)
                elif name.lower().endswith(TAR_SUFFIXES):
                    found.tars.append(inner)
                found.other[suffix or "(no suffix)"] += 1
        folders += [(b, within) for b in reversed(below)]
        if os.path.splitext(relative)[1].lower() in VIDEO_SUFFIXES:
            found.called.append(relative)
    found.videos.sort()
    found.archives.sort()
    found.tars.sort()
    return found


def _sorted_objects(objects: dict[str, Object]) -> Found:
    """What `walk` finds, of a store's objects by their relative keys.

    Keys are any text: one that is no plain path (`a//b`, `../b`) would name a file elsewhere once its clip is
    written, so it is told of and not taken.
    """
    found = Found(objects=objects)
    called: dict[str, None] = {}
    for relative in objects:
        folder, _, name = relative.rpartition("/")
        steps = relative.split("/")
        suffix = os.path.splitext(name)[1].lower()
        if any(step in ("", ".", "..") or "\0" in step for step in steps):
            if suffix in VIDEO_SUFFIXES | PICTURE_SUFFIXES | {".npz"} or name.lower().endswith(TAR_SUFFIXES):
                found.unreadable.append((clip_id(relative), "its key is no plain path"))
            continue
        if any(step.startswith(".") for step in steps):
            continue
        for depth, step in enumerate(steps[:-1], 1):
            if os.path.splitext(step)[1].lower() in VIDEO_SUFFIXES:
                called["/".join(steps[:depth])] = None
        if suffix in VIDEO_SUFFIXES:
            found.videos.append(relative)
        elif suffix in PICTURE_SUFFIXES:
            found.pictures.setdefault(folder, []).append(name)
        else:
            if suffix == ".npz":
                found.archives.append(relative)
            elif name.lower().endswith(TAR_SUFFIXES):
                found.tars.append(relative)
            found.other[suffix or "(no suffix)"] += 1
    found.called = list(called)
    found.videos.sort()
    found.archives.sort()
    found.tars.sort()
    return found


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key with runs of digits as numbers: img_2 before img_10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]


def frame_objects(folder: Url) -> dict[str, Object]:
    """The pictures directly in a remote folder by name, in natural order.

    Raises OSError where it cannot be listed.
    """
    found = remote.listing(folder.text, deep=False)
    names = [n for n in found if not n.startswith(".") and os.path.splitext(n)[1].lower() in PICTURE_SUFFIXES]
    return {name: found[name] for name in sorted(names, key=natural)}


def frame_files(folder: Path) -> list[Path]:
    """The pictures directly in a folder, in natural order."""
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not e.name.startswith(".") and not e.is_dir()]
    pictures = [n for n in names if os.path.splitext(n)[1].lower() in PICTURE_SUFFIXES]
    return [folder / name for name in sorted(pictures, key=natural)]


def count_pictures(folder: str) -> int:
    """The number of pictures directly in a folder; 0 where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sum(
                os.path.splitext(e.name)[1].lower() in PICTURE_SUFFIXES
                and not e.name.startswith(".")
                and not e.is_dir()
                for e in entries
            )
    except OSError:
        return 0


def _numbered(names: list[str]) -> bool:
    """Whether pictures are plainly frames: one stem and suffix, numbers without a gap, two or more."""
    parts = [re.fullmatch(r"(.*?)(\d+)(\.\w+)", n) for n in names]
    matched = [p for p in parts if p]
    if len(matched) < len(names) or len(names) < 2 or len({(p[1], p[3].lower()) for p in matched}) > 1:
        return False
    numbers = sorted(int(p[2]) for p in matched)
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def clip_id(relative: str) -> str:
    """The id of a relative POSIX path: Unicode NFC, bytes that are no UTF-8 written as \\xNN."""
    text = os.fsencode(relative).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


def read_folder(root: Place, layout: str = "auto", fps: float | None = None) -> Listing:
    """The clips of a folder. `layout` is a name of LAYOUTS or "auto"; `fps` is the rate of frame folders.

    Raises DataError where there is no clip (saying what was seen and which layout it may be), UsageError for
    an unknown layout.
    """
    if layout not in ("auto", *LAYOUTS):
        raise UsageError(f"No layout is called {layout!r}.", nearest(layout, ["auto", *LAYOUTS]))
    if layout in ("npy", "npz"):
        raise DataError(
            f"{root} is a folder, layout {layout} is one file.", "Give the file, or another --layout."
        )
    if layout in LIST_LAYOUTS:
        raise UsageError(f"Layout {layout} wants a list.", "Choose one of the folder's: --split NAME.")
    found = walk(root)
    unnumbered = sorted(f for f, names in found.pictures.items() if not _numbered(names))
    frames_like = bool(found.pictures) and not unnumbered and "" not in found.pictures
    if layout == "auto" and found.videos and (frames := _frames_beside(found)):
        pictures = sum(len(found.pictures[f]) for f in frames)
        raise DataError(
            f"{root} holds {count_of(len(found.videos), 'video')} and {count_of(len(frames), 'folder')} of "
            f"numbered pictures ({count_of(pictures, 'picture')}): which are the clips?",
            f"Say it: --layout {_layout_of(found.videos)} takes the videos, --layout frames the folders.",
        )
    if layout == "auto" and not found.videos and frames_like and found.archives:
        raise DataError(
            f"{root} holds {count_of(len(found.pictures), 'folder')} of numbered pictures and "
            f"{count_of(len(found.archives), '.npz file')}: which are the clips?",
            "Say it: --layout frames or --layout npz_clips.",
        )
    if layout == "auto" and not found.videos and frames_like:
        layout = "frames"
    if layout == "npz_clips" or (layout == "auto" and not found.videos and found.archives):
        return _npz_clips(root, found, 25.0 if fps is None else fps)
    if layout == "frames":
        return _frame_folders(root, found, 25.0 if fps is None else fps)
    if layout == "webdataset" or (layout == "auto" and not found.videos and found.tars):
        return _tar_files(root, found)
    if not found.videos:
        raise DataError(*_nothing(root, found))
    if layout == "auto":
        layout = _layout_of(found.videos)
    videos = found.videos
    if layout == "flat":
        videos = [v for v in videos if "/" not in v]
    elif layout == "classes":
        videos = [v for v in videos if "/" in v]
    elif layout == "splits":
        videos = [v for v in videos if "/" in v and v.split("/")[0].lower() in SPLITS]
    if not videos:
        raise DataError(
            f"{root} holds {count_of(len(found.videos), 'video')}, but none as in layout {layout}: "
            f"{LAYOUTS[layout]}.",
            "Leave --layout away to see what is recognised.",
        )
    clips, skipped = _clips(root, videos, "file", _LABELS[layout], None, found)
    labels = len({c.label for c in clips if c.label is not None})
    said = count_of(len(clips), "video")
    if labels:
        said += f" in {count_of(labels, 'class', 'classes')}"
    if layout == "splits":
        counts = Counter(v.split("/")[0] for v in videos)
        said += f" ({', '.join(f'{k} {n}' for k, n in sorted(counts.items()))})"
    left = len(found.videos) - len(videos)
    if left:
        said += f"; {count_of(left, 'video')} elsewhere left out by --layout {layout}"
    return Listing(layout, said, clips, (*skipped, *found.passed_over(videos)))


def folder_labels(names: list[str]) -> list[str | None]:
    """The label of each of a set's videos by the folder that it lies in, from their relative POSIX paths."""
    label = _LABELS[_layout_of(names)]
    return [label(PurePosixPath(name)) for name in names]


def _layout_of(videos: list[str]) -> str:
    """The layout of videos by their relative POSIX paths."""
    depths = {v.count("/") for v in videos}
    tops = {v.split("/")[0].lower() for v in videos if "/" in v}
    if depths == {0}:
        return "flat"
    if depths <= {1, 2} and tops <= SPLITS:
        return "splits"
    return "classes" if depths == {1} else "nested"


def _frames_beside(found: Found) -> list[str]:
    """Folders of numbered pictures that may be clips as well as the videos, and are no previews of them.

    Pictures are previews where each is named after a video: as any video of the set, or, in its folder, with
    something behind its name.
    """
    stems = {PurePosixPath(v).stem for v in found.videos}
    here: dict[str, list[str]] = {}
    for video in found.videos:
        folder, _, name = video.rpartition("/")
        here.setdefault(folder, []).append(os.path.splitext(name)[0])
    return [
        folder
        for folder, names in sorted(found.pictures.items())
        if _numbered(names)
        and not all(
            os.path.splitext(n)[0] in stems or n.startswith(tuple(here.get(folder, ()))) for n in names
        )
    ]


_LABELS: dict[str, Callable[[PurePosixPath], str | None]] = {
    "flat": lambda p: None,
    "classes": lambda p: p.parts[0],
    "splits": lambda p: p.parts[1] if len(p.parts) > 2 else None,
    "nested": lambda p: p.parent.name or None,
    "frames": lambda p: p.parent.name or None,
}


def count_of(n: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 video", "9,537 videos"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _clips(
    root: Place,
    relatives: list[str],
    kind: str,
    label: Callable[[PurePosixPath], str | None],
    fps: float | None,
    found: Found,
) -> tuple[tuple[ClipRef, ...], list[tuple[str, str]]]:
    clips: dict[str, ClipRef] = {}
    skipped = []
    taken = {clip_id(r) for r in relatives}
    for relative in relatives:
        name = clip_id(relative)
        if name in clips:
            number = next(k for k in itertools.count(2) if f"{name}#{k}" not in taken)
            taken.add(f"{name}#{number}")
            skipped.append((f"{name}#{number}", "another one has the same name in Unicode NFC"))
            continue
        tag = label(PurePosixPath(name))
        path = os.path.join(root, relative) if relative != "." else os.fspath(root)
        stamp = found.stamp(relative, kind)
        clips[name] = ClipRef(name, kind, path, label=tag, fps=fps, stamp=stamp)
    return tuple(clips.values()), skipped


def _frame_folders(root: Place, found: Found, fps: float) -> Listing:
    if not found.pictures:
        raise DataError(f"0 pictures under {root}, so no frame folder.", _seen(found))
    folders = sorted(found.pictures)
    name = root.name if isinstance(root, Url) else os.path.basename(os.path.realpath(root))
    clips, skipped = _clips(root, [f or "." for f in folders], "frames", _LABELS["frames"], fps, found)
    clips = tuple(replace(c, id=clip_id(name), label=None) if c.id == "." else c for c in clips)
    pictures = sum(map(len, found.pictures.values()))
    said = f"{count_of(len(clips), 'frame folder')}, {count_of(pictures, 'picture')}, at {fps:g} frames/s"
    if found.videos:
        said += f"; {count_of(len(found.videos), 'video')} beside them left out"
    return Listing("frames", said, clips, (*skipped, *found.passed_over(folders)))


def _npz_clips(root: Place, found: Found, fps: float) -> Listing:
    if not found.archives:
        raise DataError(f"0 .npz files under {root}, so no folder of clips as arrays.", _seen(found))
    clips, skipped = _clips(root, found.archives, "array", _LABELS["nested"], fps, found)
    # -1: the whole file is the clip; what it holds is seen when it is read
    clips = tuple(replace(c, index=-1) for c in clips)
    said = f"{count_of(len(clips), '.npz clip')}, at {fps:g} frames/s"
    left = sum(map(len, found.pictures.values())) + len(found.videos)
    if left:
        said += f"; {count_of(left, 'video or picture', 'videos or pictures')} beside them left out"
    return Listing("npz_clips", said, clips, (*skipped, *found.passed_over(found.archives)))


def _tar_files(root: Place, found: Found) -> Listing:
    from synvid_eval.video import tars

    if not found.tars:
        raise DataError(f"0 tar files under {root}.", _seen(found))
    listing = tars.read_folder(root, found.tars, found.objects)
    said = listing.said
    left = sum(map(len, found.pictures.values())) + len(found.videos)
    if left:
        said += f"; {count_of(left, 'video or picture', 'videos or pictures')} beside them left out"
    return replace(listing, said=said, skipped=(*listing.skipped, *found.passed_over(found.tars)))


def _seen(found: Found) -> str:
    counts = Counter(found.other)
    for names in found.pictures.values():
        counts.update(os.path.splitext(n)[1].lower() for n in names)
    counts.update(os.path.splitext(v)[1].lower() for v in found.videos)
    if not counts:
        return "The folder is empty."
    most = counts.most_common(4)
    return f"{', '.join(f'{n} {suffix}' for suffix, n in most)} found."


def _nothing(root: Place, found: Found) -> tuple[str, str]:
    hint = _seen(found)
    if found.pictures:
        message = f"0 videos under {root}; {hint.removesuffix('.')}: frame folders? try --layout frames"
        return message, ""
    if found.other[".npy"]:
        hint += " A .npy set is given as the file itself, not its folder."
    elif found.other[".csv"] or found.other[".json"]:
        hint += " A list of videos that lie elsewhere is given as the file itself, with --root DIR."
    elif bad := found.passed_over(()):
        hint += f" {bad[0][0] or root}: {bad[0][1]}."
    return f"0 videos under {root}.", f"{hint} Videos end in {' '.join(sorted(VIDEO_SUFFIXES))}."
