"""Lists: sets whose clips are named by a file (a split of UCF101, HMDB51, Kinetics, Something-Something,
Diving48, EGTEA Gaze+, Volleyball, YUP++, VideoMAE, mmaction2). Reads the list, finds the files that it names
below a root; never opens a video.

Every entry of a list becomes a clip or a skipped one with its reason: files that are missing, and files
outside the root, which are let in by `follow_outside` only. An entry that stands there twice is taken once.
Blank lines are passed over, and so are lines that begin with # unless a file of that name is there.
"""

from __future__ import annotations

import csv
import difflib
import functools
import inspect
import io
import json
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, cast

from synvid_eval.errors import DataError, UsageError
from synvid_eval.video import long_lists, remote, volleyball
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import (
    LIST_LAYOUTS,
    VIDEO_SUFFIXES,
    Found,
    Listing,
    clip_id,
    count_of,
    count_pictures,
    walk,
)
from synvid_eval.video.remote import Object, Place, Url

SUFFIXES = (".txt", ".csv", ".json", ".parquet")

_UCF = re.compile(r"(train|test)list0[1-3]\.txt")
_HMDB = re.compile(r"(.+)_test_split([1-3])\.txt")
# lists that are known by their names, wherever they lie, if they are what these say
_NAMED = {"diving48": re.compile(r"Diving48_.*\.json"), "egtea": re.compile(r"(train|test)_split\d\.txt")}
_EGTEA = re.compile(r"(.+)-\d+-\d+-F\d+-F\d+")
_YUP = re.compile(r"(.+)_(static|moving)_cam_\d+")
_YUP_USES = ("static_train", "static_test", "moving_train", "moving_test")
_CAMERAS = {"static": "camera_stationary", "moving": "camera_moving"}
_AROUND = re.compile(r"list|split|annot|label", re.IGNORECASE)
_AROUND_PLAIN = re.compile(r"(list|split|annotation|label)s?", re.IGNORECASE)
_VIDEO = "|".join(re.escape(s[1:]) for s in sorted(VIDEO_SUFFIXES))
_PATH_LABEL = re.compile(rf"(.*\.(?:{_VIDEO}))(?:[ \t,]+(.*))?", re.IGNORECASE | re.DOTALL)
_FRAMES = re.compile(r"(.+?)[ \t,]+(\d{1,9})[ \t,]+(\d+)", re.DOTALL)
_ID = re.compile(rb'"id"\s*:\s*"?([A-Za-z0-9_-]+)')
_VID_NAME = re.compile(rb'"vid_name"\s*:\s*"([^"\\]+)')
_COLUMN = re.compile(r"[^\W\d][\w -]*")
_SPLIT_WORDS = ({"val", "valid", "validate", "validation"}, {"train", "training"}, {"test", "testing"})
_SNIFF_FILES, _SNIFF_BYTES, _SAMPLE = 200, 1 << 16, 200
_PATHS = ("path", "video_path", "file_path", "filepath", "file", "file_name", "filename", "video")
_LABELS = ("label", "class", "category")


@dataclass(frozen=True)
class Entry:
    """One entry of a list: the relative paths where its file may lie, the likeliest first.

    kind: "file" or "frames". frames: how many the list says that a frame folder holds, -1 where it does not.
    """

    names: tuple[str, ...]
    label: str | None
    kind: str = "file"
    frames: int = -1


@dataclass(frozen=True)
class Source:
    """A list: its layout and its files (one; of HMDB51 one a class, of Volleyball one a video). head: how
    many bytes of it are read (0: all).
    """

    layout: str
    files: tuple[Place, ...]
    head: int = 0

    def __str__(self) -> str:
        if len(self.files) == 1:
            return os.fspath(self.files[0])
        return os.path.commonpath([os.fspath(f.parent) for f in self.files])


class NoSuchSplit(UsageError):
    """`--split` names no list, or no split, of a location."""


def is_list(path: Place) -> bool:
    """Whether a file may be a list, by its suffix."""
    return path.suffix.lower() in SUFFIXES


def options_of(path: Place, layout: str, split: str | None) -> frozenset[str]:
    """Which of the options "split", "root" and "follow_outside" mean something for a location."""
    if is_list(path) and path.is_file():
        has_splits = layout in ("auto", *_WITH_SPLITS) and bool(own_splits(path))
        return frozenset(["root", "follow_outside", *(["split"] if has_splits else [])])
    if (
        isinstance(path, Path)
        and path.is_dir()
        and (layout in LIST_LAYOUTS or (split is not None and layout == "auto"))
    ):
        found = find(path, layout, split)
        if found or layout in LIST_LAYOUTS:
            return frozenset(["split", *(["root", "follow_outside"] if split is not None else [])])
    return frozenset()


def find(folder: Path, layout: str = "auto", like: str | None = None) -> dict[str, list[Source]]:
    """The lists of a folder of videos by the name that --split gives them.

    Looked for in the folder, in its subfolders, beside it, and in folders beside it that are named like
    lists; the nearest place that has a name wins, several lists of one name in one place are all given. What
    lies beside the folder is taken only where it names a file in the folder: other sets lie there too.
    `like`: where very many files may be lists, those with this in their names are looked into first.
    """
    found: dict[str, list[Source]] = {}
    for place in _places(folder, layout, like):
        for name, sources in place.items():
            found.setdefault(name, sources)
    return found


def beside(folder: Path) -> dict[str, Source]:
    """The names that --split would take for a folder, sorted, each with its list, as far as they are cheap to
    see: those in it and in its folders called like lists, and those beside it that name files of it in what
    they begin with.
    """
    parent = parent_of(folder)
    found: dict[str, Source] = {}
    # class folders are not looked through a second time: there may be very many files
    for one in [folder, *_folders(folder, named=True)]:
        plain = one == folder or _AROUND_PLAIN.fullmatch(one.name) is not None
        found |= dict(_lists_in(one, plain, None))
    for one in [parent, *_folders(parent, named=True)]:
        if one == parent or not os.path.samefile(one, folder):
            plain = one == parent or _AROUND_PLAIN.fullmatch(one.name) is not None
            lists_there = _lists_in(one, plain, None)
            begun = ((name, replace(source, head=_SNIFF_BYTES)) for name, source in lists_there)
            found |= {name: source for name, source in begun if _fits(source, name, folder)}
    return dict(sorted(found.items()))


def knowing(found: Mapping[str, Source], listing: Listing) -> tuple[str, ...]:
    """The names of those of a folder's lists that alone know the classes of its clips, and name any of them:
    all that tell classes where folders tell fewer than two, or not of every clip; else those of sets whose
    folders are something else.
    """
    labels = {c.label for c in listing.clips}
    of = _TELLING if None in labels or len(labels) < 2 else _NO_CLASSES
    named = {name: source for name, source in found.items() if source.layout in of and name != _ALL}
    stems = {PurePosixPath(c.id).stem for c in listing.clips} if named else set()
    return tuple(name for name, source in named.items() if _names_any(source, name, stems))


def _names_any(source: Source, split: str, stems: Collection[str]) -> bool:
    """Whether a list names any of the files that are called so, but for their suffixes."""
    try:
        entries, _ = _entries(replace(source, head=0), split if source.layout in _OF_MANY else None)
    except DataError:
        return False
    return any(PurePosixPath(clip_id(name)).stem in stems for entry in entries for name in entry.names)


def named(asked: str, found: Iterable[str]) -> str | None:
    """The list of `found` that a --split means: that name, another word for the same split (`val`,
    `validation`), or the only one that has it as one of its words (`train` of `Diving48_V2_train`); None
    where none is, or several.
    """
    names = list(found)
    if asked in names:
        return asked
    if same := [n for n in names if same_split(n, asked)]:
        return same[0]
    words = [n for n in names if asked in re.split(r"[-_.]", n)]
    return words[0] if len(words) == 1 else None


def looked_for(layout: str) -> str:
    """Which files are taken for lists of a layout, and where, as a sentence; of one that is not known by its
    lists ("auto", class folders), where the names of all stand.
    """
    if layout not in _CALLED:
        return (
            "No list was found in it, in its folders or beside it: synvid-eval explain LAYOUT (such as "
            "ucf101) says what a layout's lists are called."
        )
    return f"Looked for {_CALLED[layout]}, in it, in its folders and beside it."


def _above(path: Place) -> Place:
    return path.parent if isinstance(path, Url) else parent_of(path)


def parent_of(path: Path) -> Path:
    """The folder that a file or folder lies in, absolute or relative as `path` is."""
    parent = Path(os.path.abspath(path)).parent
    return parent if path.is_absolute() else Path(os.path.relpath(parent))


def some(found: Iterable[str], most: int = 12) -> str:
    """Names as text, the first `most` of them: "a, b and 3 more"."""
    names = list(found)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _places(folder: Path, layout: str, like: str | None) -> Iterator[dict[str, list[Source]]]:
    """The lists of each of the places that `find` looks into, the nearest first."""
    parent = parent_of(folder)
    around = [p for p in _folders(parent, named=True) if not os.path.samefile(p, folder)]
    for number, folders in enumerate(([folder], _folders(folder, named=False), [parent], around)):
        found: dict[str, list[Source]] = {}
        for one in folders:
            plain = one in (folder, parent) or _AROUND_PLAIN.fullmatch(one.name) is not None
            for name, source in _lists_in(one, plain, like):
                if layout in ("auto", source.layout) and (number < 2 or _fits(source, name, folder)):
                    found.setdefault(name, []).append(source)
        yield found


def _fits(source: Source, split: str, folder: Path) -> bool:
    """Whether a list names any file that lies below a folder."""
    try:
        entries, _ = _entries(source, split if source.layout in _OF_MANY else None)
    except DataError:
        return False
    if source.head and source.layout != "hmdb51":
        entries = entries[:_SAMPLE]
    names = (n for e in entries for n in e.names if not os.path.isabs(n) and "\0" not in n)
    return any(".." not in n.split("/") and os.path.lexists(os.path.join(folder, n)) for n in names)


def _folders(folder: Path, named: bool) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [
                e.name
                for e in entries
                if not e.name.startswith(".") and (not named or _AROUND.search(e.name))
            ]
        return [folder / n for n in sorted(names) if os.path.isdir(folder / n)]
    except OSError:
        return []


def _lists_in(folder: Path, plain: bool, like: str | None) -> Iterator[tuple[str, Source]]:
    """(name, list) of one folder; lists without a name of their own only where `plain`."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.lower().endswith(SUFFIXES) and e.name[0] != ".")
    except OSError:
        return
    hmdb: dict[str, list[Path]] = {}
    others = []
    if videos := volleyball_files(folder):
        for name in (*volleyball.SPLITS, _ALL):
            yield name, Source("volleyball", tuple(videos))
    for name in names:
        if _UCF.fullmatch(name):
            yield Path(name).stem, Source("ucf101", (folder / name,))
        elif match := _HMDB.fullmatch(name):
            hmdb.setdefault(match[2], []).append(folder / name)
        elif known := _known(folder / name):
            yield Path(name).stem, Source(known, (folder / name,))
        elif plain:
            others.append(name)
    for number, files in sorted(hmdb.items()):
        for part in ("train", "test"):
            yield f"{part}{number}", Source("hmdb51", tuple(files))
    if like is not None:  # so many files may lie here that not all can be looked into
        others.sort(key=lambda n: like not in n)
    for name in others[:_SNIFF_FILES]:
        if (layout := sniff(folder / name)) is None:
            continue
        source = Source(layout, (folder / name,))
        yield Path(name).stem, source
        for split in own_splits(folder / name):
            if split != Path(name).stem:
                yield split, source


def _known(path: Path) -> str:
    """The layout of a list that is called as it is published, where its lines agree; "" for any other."""
    return next((own for own, form in _NAMED.items() if form.fullmatch(path.name) and sniff(path) == own), "")


def volleyball_files(folder: Path) -> list[Path]:
    """The annotations of the videos of Volleyball that are folders of `folder`, in the order of their
    numbers; [] where it is no such folder.
    """
    try:
        with os.scandir(folder) as entries:
            numbers = sorted((e.name for e in entries if e.name.isdecimal()), key=lambda n: (int(n), n))
    except OSError:
        return []
    files = [folder / n / volleyball.ANNOTATIONS for n in numbers]
    files = [f for f in files if f.is_file()]
    return files if any(sniff(f) == "volleyball" for f in files) else []


def sniff(path: Place) -> str | None:
    """The layout of a list file by its first lines; None where it is no list or not plainly one."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_SNIFF_BYTES) or b""
    except OSError:
        return None
    if path.suffix.lower() == ".parquet":
        return "table" if head.startswith(b"PAR1") else None
    if path.suffix.lower() == ".json":
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not re.match(rb"\[\s*\{", start):
            return None
        return "diving48" if _VID_NAME.search(start) else "ssv2" if b'"id"' in start else None
    lines = _first_of(head)
    if not lines:
        return None
    if "youtube_id" in _columns(lines[0]):
        return "kinetics"
    if heading := _heading(lines):
        return "table" if _column_of(heading, _PATHS) else None
    for layout, named in (("egtea", _egtea_line), ("yup_plus_plus", _yup_line)):
        if 2 * sum(named(line) is not None for line in lines) >= len(lines):
            return layout
    if 2 * sum(_video_line(line) is not None for line in lines) >= len(lines):
        return "list"
    if 2 * sum(_volleyball_line(line) for line in lines) >= len(lines):
        return "volleyball"
    return "rawframes" if all(_FRAMES.fullmatch(line) for line in lines) else None


def _first_of(head: bytes) -> list[str]:
    """The first lines of a list that begins so, comments passed over where there is anything else."""
    lines = _lines(head)
    if len(head) == _SNIFF_BYTES and len(lines) > 1:
        lines.pop()
    return [line for line in lines if not line.startswith("#")][:20] or lines[:20]


def _heading(lines: list[str]) -> list[str]:
    """The columns that the first line of a table names, several words; none where it is an entry or text."""
    for mark in (",", "\t", ";"):
        columns = [c.strip().strip('"') for c in (lines or [""])[0].split(mark)]
        if len(columns) > 1 and all(map(_COLUMN.fullmatch, columns)):
            rows = lines[1:]
            named = _column_of(columns, _PATHS) or any(map(_video_line, rows))
            if rows and all(mark in row for row in rows) and named:
                return columns
    return []


def _column_of(columns: Iterable[str], names: Sequence[str]) -> str:
    """The column that is called like one of the names, the likeliest first; "" where none is."""
    by_name = {c.strip().lower(): c for c in columns}
    return next((by_name[n] for n in names if n in by_name), "")


def _lines(data: bytes) -> list[str]:
    return [line for _, line in _numbered(data)]


def _numbered(data: bytes) -> list[tuple[int, str]]:
    """(number from 1 on, text) of all lines that are not blank."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = enumerate(text.split("\n"), 1)
    return [(number, stripped) for number, line in lines if (stripped := line.rstrip(" \t\r"))]


def _read(path: Place, head: int = 0) -> bytes:
    """The bytes of a list, or as many whole lines of it as `head` bytes hold."""
    try:
        if not head:
            return path.read_bytes()
        with path.open("rb") as file:
            data = file.read(head) or b""
        return data if len(data) < head else data.rpartition(b"\n")[0] or data
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None


def _columns(line: str) -> list[str]:
    try:
        return [c.strip().lower() for c in next(csv.reader([line]), [])]
    except csv.Error:  # no text of lines, whatever its name says
        return []


def _video_line(line: str) -> tuple[str, str | None] | None:
    """(path, label or None) of "path label" or "path"; a path with blanks may stand in quotes or as it is."""
    if line.startswith('"') and (quoted := re.match(r'"((?:[^"]|"")*)"(?:[ \t,]+(.*))?$', line, re.DOTALL)):
        path, label = quoted[1].replace('""', '"'), quoted[2]
        return (path, label or None) if _PATH_LABEL.fullmatch(path) else None
    match = _PATH_LABEL.fullmatch(line)
    return (match[1], match[2] or None) if match else None


def _egtea_line(line: str) -> tuple[str, str, str] | None:
    """(session, clip, number of the action) of a line of EGTEA Gaze+."""
    clip, *numbers = line.split()
    named = _EGTEA.fullmatch(clip)
    if named is None or len(numbers) < 2 or not all(n.isdecimal() for n in numbers):
        return None
    return named[1], clip, numbers[0]


def _yup_line(line: str) -> tuple[str, str, str, str] | None:
    """(camera, scene, clip, use) of a line of YUP++."""
    clip, *use = line.split()
    named = _YUP.fullmatch(clip)
    if named is None or len(use) != 1 or use[0] not in _YUP_USES or not use[0].startswith(named[2]):
        return None
    return _CAMERAS[named[2]], named[1], clip, use[0]


def _volleyball_line(line: str) -> bool:
    try:
        volleyball.parse(line)
    except ValueError:
        return False
    return True


def same_split(one: str, other: str) -> bool:
    """Whether two names mean one split: "val", "validate" and "validation" do."""
    one, other = one.lower(), other.lower()
    return one == other or any({one, other} <= words for words in _SPLIT_WORDS)


def alike(name: str, known: Iterable[str]) -> str:
    """A hint with the known name that is most like `name`, or the word for a split that finds one (see
    `named`); "" where none is. The message names them all.
    """
    names = list(known)
    words = [w for group in _SPLIT_WORDS for w in sorted(group) if named(w, names) is not None]
    close = difflib.get_close_matches(name.lower(), [*names, *words], n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else ""


def read_folder(
    folder: Path,
    layout: str,
    split: str | None,
    root: Place | None = None,
    follow_outside: bool = False,
    fps: float | None = None,
) -> Listing:
    """The clips that the list `split` of a folder names (see `find`); without one, of Volleyball, all.

    Raises UsageError where there is no such list or none is chosen (naming those there are), DataError where
    the list cannot be read or two lists have that name.
    """
    if split is None and layout == "volleyball":
        split = _ALL
    found = find(folder, layout, split)
    if not found:
        what = "list" if layout == "auto" else f"list of layout {layout}"
        raise NoSuchSplit(
            f"No {what} lies in {folder} or beside it.",
            f"{looked_for(layout)} Or give the list file as the SET, with --root DIR where its videos lie "
            "elsewhere.",
        )
    if split is None:
        raise UsageError(f"Which list of {folder}? It has {some(sorted(found))}.", "Say it: --split NAME.")
    sources: list[Source] | None = None
    for place in _places(folder, layout, split):
        sources = place.get(split) or next((s for n, s in place.items() if same_split(n, split)), None)
        if sources:
            break
    if not sources:
        if (known := named(split, found)) is None:
            raise NoSuchSplit(
                f"{folder} has no list {split!r}; it has {some(sorted(found))}.", alike(split, found)
            )
        sources = found[known]
    if len(sources) > 1:
        raise DataError(
            f"{folder} has {len(sources)} lists {split!r}: {', '.join(map(str, sources[:4]))}.",
            f"Give one as the SET: {sources[0].files[0]} --root {folder}.",
        )
    (source,) = sources
    places = [root] if root is not None else [folder]
    places += _published(source.layout, places)
    if root is None and source.layout in _BY_NAME:
        places += _folders(folder, named=False)  # as the archives unpack beside each other
    elif root is None:
        places += [source.files[0].parent, _above(source.files[0].parent)]
    own = source.files[0]
    by_column = not same_split(own.stem, split) and any(same_split(s, split) for s in own_splits(own))
    entries, bad = _entries(source, split if source.layout in _OF_MANY or by_column else None)
    return _listing(source, entries, bad, places, root is not None, follow_outside, fps, split)


def read_file(
    path: Place,
    layout: str = "auto",
    split: str | None = None,
    root: Place | None = None,
    follow_outside: bool = False,
    fps: float | None = None,
) -> Listing:
    """The clips that a list file names: below `root`, else the list's folder or, where they lie there, its
    parent.

    Raises DataError where it is no list, or no file of it is found and no root was given; UsageError for a
    split of a list that has none.
    """
    seen = sniff(path)
    if _HMDB.fullmatch(path.name):
        raise DataError(
            f"{path} is one class's part of an HMDB51 split.",
            "Give the folder of videos: DIR --split train1.",
        )
    if seen == "volleyball" or layout == "volleyball":
        raise DataError(
            f"{path} is one video's part of Volleyball.",
            "Give the folder of all videos: DIR --split train.",
        )
    if seen is None and not any(not line.startswith("#") for line in _lines(_read(path, _SNIFF_BYTES))):
        raise DataError(f"The list {path} is empty.", "Write one clip a line: `path label`.")
    if seen == "table" and layout == "list":
        raise DataError(f"{path} has a heading, which lists of that layout have not.", "Leave --layout away.")
    if (
        seen is None
        and path.suffix.lower() not in (".json", ".parquet")
        and (columns := _heading(_first_of(_read(path, _SNIFF_BYTES))))
    ):
        raise DataError(
            f"{path} is no list of videos: it is a table with a heading ({some(columns, 6)}).",
            "Wanted are lines `path label` without a heading, a column `path`, or the columns of Kinetics "
            "(label, youtube_id, time_start, time_end, split).",
        )
    if layout == "auto":
        if seen is None and path.suffix.lower() == ".parquet":
            raise DataError(f"{path} is no Parquet file, or one that is cut.", "Copy it again.")
        if seen is None:
            lines = "lines `path.mp4 label` or `folder frames label`, or a Kinetics table"
            wanted = "[{id, label}, …]" if path.suffix.lower() == ".json" else lines
            raise DataError(
                f"{path} is no set: as a list of videos it is not plain ({wanted}).",
                "Give a folder of videos, or say what the list is: --layout "
                f"{', '.join(n for n in LIST_LAYOUTS if n not in _OF_MANY)}.",
            )
        layout = "ucf101" if _UCF.fullmatch(path.name) and seen == "list" else seen
    elif layout not in LIST_LAYOUTS or layout == "hmdb51":
        raise DataError(
            f"{path} is a file, layout {layout} is a folder.", "Give the folder, or another --layout."
        )
    if split is not None and layout not in _WITH_SPLITS:
        raise UsageError(f"--split {split}: the list {path} has no splits.", "Leave --split away.")
    source = Source(layout, (path,))
    folder = _above(path)
    places = [root] if root is not None else list(dict.fromkeys([folder, _above(folder)]))
    places += _published(layout, places)
    on_disk = [p for p in places if isinstance(p, Path)]
    if (
        layout in ("list", "table")
        and isinstance(path, Path)
        and len(on_disk) == len(places)
        and _is_long(path)
    ):
        return _long_listing(source, on_disk, root is not None, follow_outside)
    entries, bad = _entries(source, split)
    return _listing(source, entries, bad, places, root is not None, follow_outside, fps, split)


_Bad = list[tuple[str, str]]

_ALL = "all"
# Layouts of which one split is in many files, those whose one file has several splits, and those whose
# clips are called the same wherever they lie.
_OF_MANY = ("hmdb51", "volleyball")
_WITH_SPLITS = ("kinetics", "yup_plus_plus")
_BY_NAME = ("ucf101", "hmdb51", "ssv2", "diving48", "egtea", "volleyball", "yup_plus_plus")

# Layouts whose folders are something else than classes (sessions, one for all clips), and those whose lists
# tell classes.
_NO_CLASSES = ("diving48", "egtea")
_TELLING = (*_NO_CLASSES, "kinetics", "ssv2", "volleyball", "yup_plus_plus")
# What lists are called as they are published.
_CALLED = {
    "ucf101": "trainlist01.txt, testlist01.txt, … 03",
    "hmdb51": "CLASS_test_split1.txt, … 3",
    "kinetics": "train.csv, val.csv with the column youtube_id",
    "ssv2": "train.json, validation.json of {id, template}",
    "diving48": "Diving48_V2_train.json, Diving48_V2_test.json",
    "egtea": "train_split1.txt, test_split1.txt, … 3",
    "volleyball": "VIDEO/annotations.txt",
    "yup_plus_plus": "10_90_randsplit_1.txt or any text of `clip static_train`",
    "list": "train.csv or .txt of `path label`",
    "table": "train.csv or .parquet with the column path",
    "rawframes": "train.txt of `folder frames label`",
}

_ANY_LIST = """Paths are relative to the folder of the list, or to its parent, or to the SET where that is a
folder; --root DIR names another root. Files outside the root, and symbolic links that lead out of it, are
skipped unless --follow-outside is given. Files that are missing are skipped, too: both are counted, the first
ten named, and count towards --max-skipped. Blank lines and lines that begin with # are passed over."""


def _entries(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """The entries of a list and its lines that are none, as (id, reason)."""
    entries, bad = _READERS[source.layout](source, split)
    if not entries and not bad:
        raise DataError(f"Nothing is in {_called(source, split)}.", "Check the list.")
    if not entries:
        raise DataError(
            f"{source} has no entry of layout {source.layout}: {LIST_LAYOUTS[source.layout]}.",
            "Check the list.",
        )
    return entries, bad


def _each_line(source: Source, parse: Callable[[str], Entry | None]) -> tuple[list[Entry], _Bad]:
    entries, bad = [], []
    path = source.files[0]
    for number, line in _numbered(_read(path, source.head)):
        if (entry := parse(line)) is not None:
            entries.append(entry)
        elif not line.startswith("#"):
            bad.append((f"{clip_id(path.name)}:{number}", f"no entry: {clip_id(line[:80])}"))
    return entries, bad


def _video_list(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """A text file with one clip a line, a path and a label (or several, or none), as VideoMAE and mmaction2
    write it:

        videos/abseiling/a b.mp4 0
        "videos/zumba/c.mp4" 399

    Between path and label stand blanks, tabs or a comma; blanks within a path survive, in quotes or not.
    Labels are the text as it stands. The list is recognised where at least half of its first lines end in a
    video's suffix and labels.

    The list file itself is the SET: `train.csv`. Where a folder has several, the folder is the SET and
    --split train takes `train.csv`.
    """

    def parse(line: str) -> Entry | None:
        found = _video_line(line)
        return found and Entry((found[0],), found[1])

    return _each_line(source, parse)


def _table_list(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """A table with a heading, one of whose columns holds paths and maybe another labels:

        path,label
        videos/abseiling/a.mp4,abseiling

    as .csv (commas, tabs or semicolons) or .parquet (extra `parquet`). The paths' column is called path,
    video_path, file_path, filepath, file, file_name, filename or video; the labels' label, class or category.
    Other columns are passed over. The table is the SET; there is no --split.
    """
    path = source.files[0]
    entries, bad = [], []
    for number, name, label in _table_rows(path):
        if name:
            entries.append(Entry((name,), label or None))
        else:
            bad.append((f"{clip_id(path.name)}:{number}", "no entry: it has no path"))
    return entries, bad


def _table_rows(path: Place) -> Iterator[tuple[int, str, str]]:
    """(number of the line, of Parquet of the row, path, label) of the rows of a table; "" for what a row has
    not.
    """
    if path.suffix.lower() == ".parquet":
        yield from _parquet_rows(path)
        return
    heading = _first_of(_read(path, _SNIFF_BYTES))[0]
    mark = next((m for m in (",", "\t", ";") if m in heading), ",")
    try:
        raw = cast(io.RawIOBase, path.open("rb"))
        with io.TextIOWrapper(io.BufferedReader(raw), "utf-8-sig", "surrogateescape", "") as file:
            number = 0

            def told() -> Iterator[str]:
                nonlocal number
                for line in file:
                    number += 1
                    if line.strip() and not line.startswith("#"):
                        yield line

            rows = csv.reader(told(), delimiter=mark)
            columns = next(rows)
            paths = _column_of(columns, _PATHS)
            if not paths:
                raise DataError(
                    f"{path} has no column of paths; it has {some(columns, 6)}.",
                    f"Call it one of {', '.join(_PATHS)}.",
                )
            where = columns.index(paths)
            labels = _column_of(columns, _LABELS)
            of_label = columns.index(labels) if labels else -1
            for row in rows:
                name = row[where].strip() if where < len(row) else ""
                yield number, name, row[of_label].strip() if -1 < of_label < len(row) else ""
    except (csv.Error, StopIteration, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.", "Check the list.") from None


def _parquet_rows(path: Place) -> Iterator[tuple[int, str, str]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with path.open("rb") as source, pyarrow.parquet.ParquetFile(source) as file:
            columns = file.schema_arrow.names
            where, labels = _column_of(columns, _PATHS), _column_of(columns, _LABELS)
            if not where:
                raise DataError(
                    f"{path} has no column of paths; it has {some(columns, 6)}.",
                    f"Call it one of {', '.join(_PATHS)}.",
                )
            number = 0
            for batch in file.iter_batches(1 << 14, columns=[where, *([labels] if labels else [])]):
                names = batch.column(where).to_pylist()
                said = batch.column(labels).to_pylist() if labels else [None] * len(names)
                for name, label in zip(names, said, strict=True):
                    number += 1
                    yield number, name if isinstance(name, str) else "", "" if label is None else str(label)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}.", "Check the list.") from None


def _frame_list(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """A text file with one folder of pictures a line, the number of its frames and a label, as mmaction2
    writes it:

        abseiling/video_1 300 0
        abseiling/video_2 287 0

    where abseiling/video_1/ holds img_00001.jpg, img_00002.jpg and so on. The list file is the SET, or a
    folder that has it, with --split and its name without suffix. --fps is the pictures' rate [1/s] (25
    without it).

    All pictures of a folder are taken, in natural order. Where they are others in number than the list says,
    that is noted with the first names: pictures of optical flow (flow_x_…) beside the frames would be read,
    too.
    """

    def parse(line: str) -> Entry | None:
        match = _FRAMES.fullmatch(line)
        return Entry((match[1].strip('"'),), match[3], "frames", int(match[2])) if match else None

    return _each_line(source, parse)


def _ucf101(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """Class folders and lists, as the two archives of UCF101 unpack:

        UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
        ucfTrainTestlist/classInd.txt       1 ApplyEyeMakeup
        ucfTrainTestlist/trainlist01.txt    ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
        ucfTrainTestlist/testlist01.txt     ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi

    The SET is the folder of the classes, or the one that holds both; --split trainlist01, 02, 03 or
    testlist01, 02, 03 picks a list. Without --split all clips are taken, and a note names the lists that were
    seen. Labels come from classInd.txt, else from the folders' names.

    Pitfalls. Videos of one group (g01 … g25) come from one source, so they are no independent draws.
    """
    classes = {}
    _, data = _beside(source, "classInd.txt")
    for line in _lines(data or b""):
        number, _, name = line.partition(" ")
        classes[number] = clip_id(name.strip())

    def parse(line: str) -> Entry | None:
        if (found := _video_line(line)) is None:
            return None
        return Entry((found[0],), classes.get(found[1] or "") or PurePosixPath(found[0]).parent.name or None)

    return _each_line(source, parse)


def _hmdb51(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """Class folders and one text file a class and split, as HMDB51 unpacks:

        hmdb51/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi
        testTrainMulti_7030_splits/brush_hair_test_split1.txt

    with lines `April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1`: 1 is for training, 2 for testing, 0 for neither.
    The SET is the folder of the classes, or the one that holds both; --split train1, train2, train3, test1,
    test2 or test3 picks. The label is the class whose file lists the video.
    """
    wanted = {"train": "1", "test": "2"}[(split or "")[:-1]]
    entries, bad = [], []
    for path in source.files:
        match = _HMDB.fullmatch(path.name)
        label = match[1] if match else ""
        for number, line in _numbered(_read(path, source.head)):
            name, _, use = line.rpartition(" ")
            if line.startswith("#") and use not in ("0", "1", "2"):
                continue
            if use not in ("0", "1", "2") or not name.strip():
                bad.append((f"{clip_id(path.name)}:{number}", f"no entry: {clip_id(line[:80])}"))
            elif use == wanted:
                entries.append(Entry((f"{label}/{name.strip()}",), clip_id(label)))
    return entries, bad


def _table(path: Place, limit: int = 0) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, values by column name) of a table's rows."""
    lines = [(number, line) for number, line in _numbered(_read(path, limit)) if not line.startswith("#")]
    reader = csv.reader(line for _, line in lines)
    try:
        head = [c.strip().lower() for c in next(reader, [])]
        for row in reader:
            yield lines[reader.line_num - 1][0], dict(zip(head, row, strict=False))
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {error}.", "Check the list.") from None


def own_splits(path: Place) -> list[str]:
    """The splits that one list holds: the values of the column `split` of a Kinetics table in order of
    appearance, those of YUP++ for one camera and for both; of any other list none.
    """
    if path.suffix.lower() == ".json" or (layout := sniff(path)) not in _WITH_SPLITS:
        return []
    if layout == "kinetics":
        return list(dict.fromkeys(s for _, row in _table(path) if (s := row.get("split", "").strip())))
    uses = {found[3] for line in _lines(_read(path)) if (found := _yup_line(line))}
    own = [use for use in _YUP_USES if use in uses]
    return [*dict.fromkeys(use.partition("_")[2] for use in own), *own]


def _kinetics(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """A table with a heading, as Kinetics-400, 600 and 700 are published, and videos called after it:

        label,youtube_id,time_start,time_end,split
        abseiling,-0id_A,1,11,train

        train/abseiling/-0id_A_000001_000011.mp4

    The seconds stand in the name with six digits each. Videos are looked for beside each other, in folders of
    labels (blanks or underscores), and below train/, val/ or test/. The table is the SET, or the folder that
    has it; --split train, val or test picks a table of that name, or the rows whose column `split` says so.

    Pitfalls. Most copies lack videos that have vanished from YouTube.
    """
    path = source.files[0]
    entries, bad = [], []
    splits: Counter[str] = Counter()
    for number, row in _table(path, source.head):
        own = row.get("split", "").strip()
        splits[own] += 1
        if split is not None and not same_split(own, split):
            continue
        try:
            begin, end = (int(float(row[k])) for k in ("time_start", "time_end"))
            name = f"{row['youtube_id']}_{begin:06d}_{end:06d}.mp4"
        except (KeyError, ValueError, OverflowError):
            bad.append(
                (f"{clip_id(path.name)}:{number}", "no entry: youtube_id, time_start or time_end is missing")
            )
            continue
        label = row.get("label", "").strip()
        folders = [label, re.sub(r"['()]", "", label).replace(" ", "_")] if label else []
        words = next((sorted(w) for w in _SPLIT_WORDS if own.lower() in w), [])
        parts = [own, *(w for w in words if w != own)] if own else []
        names = [name, *(f"{f}/{name}" for f in folders), *(f"{p}/{name}" for p in parts)]
        names += [f"{p}/{f}/{name}" for p in parts for f in folders]
        entries.append(Entry(tuple(dict.fromkeys(names)), clip_id(label) or None))
    if not entries and split is not None and splits:
        has = ", ".join(f"{s or 'none'} ({n})" for s, n in splits.items())
        raise NoSuchSplit(f"{path} has no split {split!r}; it has {has}.", alike(split, splits))
    return entries, bad


_FOLDERS = {
    "ssv2": ("20bn-something-something-v2",),
    "diving48": ("rgb", "videos"),
    "egtea": ("cropped_clips", "video_clips/cropped_clips"),
}


def _published(layout: str, places: Sequence[Place]) -> list[Place]:
    """The folders of videos as they are published in any of some places: ids are the same from all doors."""
    folders = [p / name for p in places for name in _FOLDERS.get(layout, ())]
    return [f for f in folders if f.is_dir()]


def _ssv2(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """A JSON list of objects and videos called after their ids, as Something-Something V2 is published:

        labels/validation.json    [{"id": "78687", "template": "Holding [something]", …}, …]
        20bn-something-something-v2/78687.webm

    .mp4 is found as well. The label is the template without its brackets, else `label`. The JSON file is the
    SET, with --root 20bn-something-something-v2/ where it is not beside the videos; or the folder of videos
    is, and --split train or validation picks the list within it or beside it.
    """
    path = source.files[0]
    entries, bad = [], []
    for number, item in _json_items(source, "id", _ID):
        name = item.get("id")
        if isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name):
            bad.append((f"{clip_id(path.name)}:{number}", "no entry: it has no id"))
            continue
        text = item.get("template") or item.get("label")
        label = clip_id(text.replace("[", "").replace("]", "")) if isinstance(text, str) else None
        entries.append(Entry((f"{name}.webm", f"{name}.mp4"), label))
    return entries, bad


def _json_items(source: Source, key: str, form: re.Pattern[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 1 on, object) of a JSON list, {} for what is none; of its head what `form` finds."""
    path = source.files[0]
    if source.head:
        found = form.finditer(_read(path, source.head))
        yield from enumerate(({key: m[1].decode("utf-8", "replace")} for m in found), 1)
        return
    items = _json(path, _read(path))
    for number, item in enumerate(items if isinstance(items, list) else [], 1):
        yield number, item if isinstance(item, dict) else {}


def _json(path: Place, data: bytes) -> Any:
    try:
        found = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
        if rb"\ud" in data.lower():  # half of an escaped pair is no text, and no name of a file
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.", "Check the list.") from None


def _beside(source: Source, name: str) -> tuple[Place, bytes | None]:
    """A file that may lie beside a list, and what is in it: None where it is not there."""
    path = source.files[0].parent / name
    try:
        return path, path.read_bytes()
    except FileNotFoundError:
        return path, None
    except OSError as error:
        if isinstance(path, Url):
            raise  # a store that gives no answer has said nothing of the classes
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check the file.") from None


def _diving48(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """JSON lists of objects and videos called after them, as Diving48 is published:

        Diving48_V2_train.json    [{"vid_name": "-mmq0PT-u8k_00155", "label": 0, "start_frame": 0, …}, …]
        Diving48_V2_test.json
        Diving48_vocab.json       [["Back", "15som", "05Twis", "FREE"], …]
        rgb/-mmq0PT-u8k_00155.mp4

    The SET is the folder that has the lists, and --split Diving48_V2_train or Diving48_V2_test picks one; or
    the list itself is, with --root rgb/ where that is not beside it. The lists of the first version, without
    V2, are read as well, and videos/ is looked into like rgb/. A label is the four words of the vocabulary,
    or the number where that is missing. The videos are cut already: start_frame and end_frame are not used.

    Without --split all clips are taken, without classes: what learns or tests these asks for a list. `train`
    and `test` are names enough, where the lists of one version are there.

    Pitfalls. Clips of one competition, whose names begin alike, are no independent draws. The labels of the
    first version were corrected in V2: accuracies of the two do not compare.
    """
    path = source.files[0]
    vocabulary, data = _beside(source, "Diving48_vocab.json")
    classes: Any = None if data is None or source.head else _json(vocabulary, data)
    if classes is not None and not (
        isinstance(classes, list)
        and all(isinstance(words, list) and all(isinstance(w, str) for w in words) for words in classes)
    ):
        raise DataError(
            f"{vocabulary} is no vocabulary of Diving48, a list of lists of words.",
            "Copy it again, or remove it: labels are numbers then.",
        )
    entries, bad = [], []
    for number, item in _json_items(source, "vid_name", _VID_NAME):
        name, label = item.get("vid_name"), item.get("label")
        where = f"{clip_id(path.name)}:{number}"
        if not isinstance(name, str) or not name:
            bad.append((where, "no entry: it has no vid_name"))
        elif source.head:
            entries.append(Entry((f"{name}.mp4",), None))
        elif isinstance(label, bool) or not isinstance(label, int) or label < 0:
            bad.append((where, f"no entry: its label is no class: {clip_id(str(label)[:80])}"))
        elif classes is not None and label >= len(classes):
            bad.append((where, f"no entry: class {label} is not in {vocabulary.name}"))
        else:
            text = str(label) if classes is None else " ".join(classes[label])
            entries.append(Entry((f"{name}.mp4",), text))
    return entries, bad


def _egtea(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """Lists of clips and folders of them by session, as EGTEA Gaze+ is published:

        action_annotation/train_split1.txt    OP01-R01-PastaSalad-66680-68130-F001597-F001639 1 1 1
        action_annotation/action_idx.txt      Inspect/Read recipe 1
        cropped_clips/OP01-R01-PastaSalad/OP01-R01-PastaSalad-66680-68130-F001597-F001639.mp4

    A line is a clip and the numbers of its action, verb and nouns; the label is the action, by its name in
    action_idx.txt beside the list, or by its number where that is missing. The SET is the folder that holds
    lists and clips, or cropped_clips/ with the lists beside it; --split train_split1, 2, 3 or test_split1, 2,
    3 picks. Or the SET is a list, with --root cropped_clips/ where that is not beside it.

    Without --split all clips are taken, with sessions for labels: what learns or tests classes asks for a
    list.

    Pitfalls. One person (OP01) filmed many clips with one camera in one kitchen: they are no independent
    draws. The folders are sessions, not classes.
    """
    path = source.files[0]
    index, data = _beside(source, "action_idx.txt")
    classes: dict[str, str] | None = None if data is None else {}
    for number, line in _numbered(data or b""):
        name, _, action = line.rpartition(" ")
        if classes is None or not name or not action.isdecimal():
            raise DataError(
                f"{index}:{number} is no action and its number: {clip_id(line[:80])}.",
                "Copy it again, or remove it: labels are numbers then.",
            )
        classes[action] = name.strip()
    entries, bad = [], []
    for number, line in _numbered(_read(path, source.head)):
        where = f"{clip_id(path.name)}:{number}"
        if (found := _egtea_line(line)) is None:
            if not line.startswith("#"):
                bad.append((where, f"no entry: {clip_id(line[:80])}"))
            continue
        session, clip, action = found
        if classes is not None and action not in classes:
            bad.append((where, f"no entry: action {action} is not in {index.name}"))
        else:
            names = (f"{session}/{clip}.mp4", f"{clip}.mp4")
            entries.append(Entry(names, action if classes is None else classes[action]))
    return entries, bad


def _volleyball(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """A folder a video, with annotations and a folder of frames a clip, as Volleyball unpacks:

        volleyball/39/annotations.txt    29885.jpg r_spike 430 575 82 170 waiting 563 491 82 177 waiting …
        volleyball/39/29885/             29865.jpg … 29885.jpg … 29905.jpg

    A line is the annotated frame, what the teams do, and a box and an action a player. The clip is the folder
    called after the frame, with all its pictures, the label what the teams do (eight classes: r_set, r_spike,
    r-pass, r_winpoint, l_set, l-spike, l-pass, l_winpoint). The SET is the folder of the videos, and is
    recognised; --split train, val, test or trainval takes the videos of a published split, by their numbers.
    Without it all annotated clips are taken. --fps is the pictures' rate [1/s] (25 without it).
    `synvid_eval.video.volleyball.boxes` gives the boxes of a clip.

    Pitfalls. Clips of one video are of one match: no independent draws. Left and right change places when a
    clip is mirrored, and so does its class.
    """
    numbers = next((own for name, own in volleyball.SPLITS.items() if same_split(name, split or "")), None)
    entries, bad = [], []
    for path in source.files:
        video = path.parent.name
        if numbers is not None and int(video) not in numbers:
            continue
        for number, line in _numbered(_read(path, source.head)):
            try:
                found = volleyball.parse(line)
            except ValueError as error:
                if not line.startswith("#"):
                    bad.append((f"{video}/{path.name}:{number}", f"no entry: {clip_id(str(error))}"))
                continue
            entries.append(Entry((f"{video}/{found.clip}",), found.activity, "frames"))
    return entries, bad


def _yup_plus_plus(source: Source, split: str | None) -> tuple[list[Entry], _Bad]:
    """Two folders of scenes, one a camera, and a list of what each clip is for, as YUP++ unpacks:

        10_90_randsplit_1.txt    Beach_static_cam_1 static_test
        camera_stationary/Beach/Beach_static_cam_1.mp4
        camera_moving/Beach/Beach_moving_cam_1.mp4

    The SET is the folder that holds all three; --split train or test takes the clips of both cameras,
    static_train, static_test, moving_train or moving_test those of one. All clips of one camera, without a
    list, are its folder: camera_moving/. Labels are the scenes that the names begin with. The list may have
    any name.

    Pitfalls. The published list trains on a tenth: 3 clips a scene and camera.
    """

    path = source.files[0]
    entries, bad = [], []
    uses: dict[str, None] = {}
    for number, line in _numbered(_read(path, source.head)):
        if (found := _yup_line(line)) is None:
            if not line.startswith("#"):
                bad.append((f"{clip_id(path.name)}:{number}", f"no entry: {clip_id(line[:80])}"))
            continue
        camera, scene, clip, use = found
        uses[use] = None
        if split is None or use == split or same_split(use.partition("_")[2], split):
            entries.append(Entry((f"{camera}/{scene}/{clip}.mp4", f"{scene}/{clip}.mp4"), scene))
    if not entries and uses:
        raise NoSuchSplit(f"{path} has no split {split!r}; it has {some(uses)}.", alike(split or "", uses))
    return entries, bad


_READERS: dict[str, Callable[[Source, str | None], tuple[list[Entry], _Bad]]] = {
    "ucf101": _ucf101,
    "hmdb51": _hmdb51,
    "kinetics": _kinetics,
    "ssv2": _ssv2,
    "diving48": _diving48,
    "egtea": _egtea,
    "volleyball": _volleyball,
    "yup_plus_plus": _yup_plus_plus,
    "list": _video_list,
    "table": _table_list,
    "rawframes": _frame_list,
}


def essay(layout: str) -> str:
    """What a layout of lists looks like, which options choose and find, what becomes of missing files."""
    return f"{inspect.getdoc(_READERS[layout])}\n\n{_ANY_LIST}"


_MISSING = long_lists.MISSING
_OUTSIDE = "outside the root (--follow-outside reads it)"
_LINK = long_lists.LINK
_FOLDER = "a folder, not a video"

# Reasons whose names stand in a note of the set, too.
NOTED = frozenset([_MISSING, _OUTSIDE, _LINK, _FOLDER])


class _Root:
    """The folder that a list's paths are relative to, and shall not leave."""

    def __init__(self, root: Path, follow_outside: bool) -> None:
        self._root, self._follow = os.fspath(root), follow_outside
        self._real = os.path.realpath(root)
        self._folders: dict[str, str] = {}
        self._away: dict[str, str] = {}

    def place(self, entry: Entry) -> tuple[str, str, str]:
        """(id, path, reason) of an entry. reason: why it has to be skipped, or ""; path: "" if not found."""
        outside: tuple[str, str, str] | None = None
        for name in entry.names:
            if "\0" in name:
                continue
            if remote.is_remote(name):
                return self._abroad(name, entry.kind)
            for form in dict.fromkeys([name, *(unicodedata.normalize(f, name) for f in ("NFC", "NFD"))]):
                path = os.path.join(self._root, form)
                if os.path.exists(path):
                    if self._follow or self._inside(path):
                        return self._name(form), path, self._unfit(path, entry.kind)
                    below = os.path.join(os.path.abspath(self._root), "")
                    plain = os.path.abspath(path).startswith(below)
                    outside = outside or (self._name(form), "", _LINK if plain else _OUTSIDE)
                if form.isascii():
                    break
        return outside or (self._name(entry.names[0].replace("\0", "\\0")), "", _MISSING)

    def named(self, name: str) -> tuple[str, str | None, str]:
        """(id, path where that is another than the id below the root, reason why it has to be skipped or "")
        of an entry that is not looked for.
        """
        if "\0" in name:
            return self._name(name.replace("\0", "\\0")), None, _MISSING
        found = self._name(name)
        if found.startswith("../") and not self._follow:
            return found, None, _OUTSIDE
        path = os.path.join(self._root, name)
        if os.fsencode(path) == os.fsencode(os.path.join(self._root, found)):
            return found, None, ""
        # of the forms of one name the one that is there, as for every other list
        return (*self.place(Entry((name,), None))[:2], "") if not name.isascii() else (found, path, "")

    def lacks(self, entry: Entry) -> bool:
        """Whether an entry is neither below the root nor outside it."""
        return self.place(entry)[2] == _MISSING

    def stamp(self, path: str) -> str:
        """The stamp of what `place` gave that path, where it is remote."""
        return self._away.get(path, "")

    def pictures(self, path: str) -> int:
        """The number of pictures directly in a folder."""
        return count_pictures(path)

    def _abroad(self, url: str, kind: str) -> tuple[str, str, str]:
        """(id, path, reason) of a URL that a list on a disk names."""
        name = clip_id(url.partition("://")[2])
        if not self._follow or kind != "file":
            return name, "", _OUTSIDE
        try:
            if url not in self._away:
                self._away[url] = remote.object_of(remote.checked(url)).stamp
        except FileNotFoundError:
            return name, "", _MISSING
        return name, url, ""

    def _unfit(self, path: str, kind: str) -> str:
        if kind == "frames":
            if not os.path.isdir(path):
                return "a file, not a folder of pictures"
            return "" if self._follow or self._holds(path) else _LINK
        return _FOLDER if os.path.isdir(path) else ""

    def _holds(self, folder: str) -> bool:
        """Whether no file of a folder is a link that leads out of the root."""
        try:
            with os.scandir(folder) as entries:
                return all(self._inside(e.path) for e in entries if e.is_symlink())
        except OSError:
            return True  # it cannot be read: that is told when it is

    def _name(self, name: str) -> str:
        if os.path.isabs(name) or ".." in name.split("/"):
            folder, last = os.path.split(os.path.join(self._root, name))
            inside = os.path.relpath(os.path.join(os.path.realpath(folder), last), self._real)
            return clip_id(inside)
        return clip_id(os.path.normpath(name))

    def _inside(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            real = os.path.realpath(path)
        else:
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
            real = os.path.join(self._folders[folder], name)
            if os.path.islink(real):
                real = os.path.realpath(real)
        return real.startswith(os.path.join(self._real, ""))


class _RemoteRoot:
    """As `_Root`, of a store: everything below it is listed once, when something is looked for."""

    def __init__(self, root: Url, follow_outside: bool) -> None:
        self._root, self._follow = root, follow_outside
        self._away: dict[str, Object | None] = {}

    @functools.cached_property
    def _found(self) -> Found:
        return walk(self._root)

    def place(self, entry: Entry) -> tuple[str, str, str]:
        """See `_Root.place`."""
        outside: tuple[str, str, str] | None = None
        for name in entry.names:
            for form in dict.fromkeys([name, *(unicodedata.normalize(f, name) for f in ("NFC", "NFD"))]):
                inner = form.removeprefix(f"{self._root}/")
                if remote.is_remote(inner) or inner.startswith("/"):
                    outside = self._abroad(inner, entry.kind)
                    continue
                inner = posixpath.normpath(inner)
                if inner == ".." or inner.startswith("../"):
                    outside = outside or (clip_id(inner), "", _OUTSIDE)
                elif (entry.kind == "frames" and inner in self._found.pictures) or (
                    entry.kind == "file" and inner in self._found.objects
                ):
                    return clip_id(inner), f"{self._root}/{inner}", ""
                elif entry.kind == "frames" and inner in self._found.objects:
                    return clip_id(inner), "", "a file, not a folder of pictures"
                elif entry.kind == "file" and inner in self._folders:
                    return clip_id(inner), "", _FOLDER
        return outside or (clip_id(entry.names[0].replace("\0", "\\0")), "", _MISSING)

    def _abroad(self, url: str, kind: str) -> tuple[str, str, str]:
        """(id, path, reason) of a place outside the root, which is asked for alone."""
        name = clip_id(url.partition("://")[2] or url)
        if not self._follow or kind != "file" or not remote.is_remote(url):
            return name, "", _OUTSIDE
        remote.checked(url)
        if url not in self._away:
            try:
                self._away[url] = remote.object_of(url)
            except FileNotFoundError:
                self._away[url] = None
        return name, url, "" if self._away[url] else _MISSING

    @functools.cached_property
    def _folders(self) -> set[str]:
        folders: set[str] = set()
        for relative in self._found.objects:
            while (relative := relative.rpartition("/")[0]) and relative not in folders:
                folders.add(relative)
        return folders

    def lacks(self, entry: Entry) -> bool:
        """See `_Root.lacks`."""
        return self.place(entry)[2] == _MISSING

    def stamp(self, path: str) -> str:
        """The stamp of what `place` gave that path."""
        if path in self._away:
            found = self._away[path]
            return found.stamp if found else ""
        inner = path.removeprefix(f"{self._root}/")
        return self._found.stamp(inner, "frames" if inner in self._found.pictures else "file")

    def pictures(self, path: str) -> int:
        """The number of pictures directly in a folder."""
        return len(self._found.pictures.get(path.removeprefix(f"{self._root}/"), ()))


def _hits(roots: Sequence[_Root | _RemoteRoot], entries: Sequence[Entry]) -> list[int]:
    """How many entries each root has, as far as it takes to know the first one that has the most."""
    hits: list[int] = []
    for root in roots:
        hits.append(sum(not root.lacks(e) for e in entries))
        if hits[-1] == len(entries):  # another one need not be listed
            break
    return hits


def _listing(
    source: Source,
    entries: list[Entry],
    bad: _Bad,
    places: Sequence[Place],
    given: bool,
    follow_outside: bool,
    fps: float | None,
    split: str | None,
) -> Listing:
    roots = [
        _RemoteRoot(p, follow_outside) if isinstance(p, Url) else _Root(p, follow_outside) for p in places
    ]
    step = max(1, len(entries) // _SAMPLE)
    sample = list(islice(entries, 0, None, step))
    # outside ones count as found: they are told of one by one
    hits = _hits(roots, sample)
    if not any(hits) and not given and len(sample) < len(entries):
        hits = _hits(roots, entries)
    best = max(range(len(hits)), key=lambda i: (hits[i], -i))
    if not hits[best] and not given:
        raise _nowhere(source, len(entries), entries[0].names[0], places)
    root = roots[best]
    clips: dict[str, ClipRef] = {}
    skipped: dict[str, str] = {}
    twice: dict[str, None] = {}
    frames = any(e.kind == "frames" for e in entries)
    rate = (25.0 if fps is None else fps) if frames else None
    other: list[str] = []
    for entry in entries:
        name, path, reason = root.place(entry)
        if reason == _MISSING and entry.names[0].startswith("#"):
            continue  # an entry that was commented out
        if name in clips or name in skipped:
            twice[name] = None
        elif reason:
            skipped[name] = reason
        else:
            label = entry.label and clip_id(entry.label)
            clips[name] = ClipRef(name, entry.kind, path, label=label, fps=rate, stamp=root.stamp(path))
            if entry.frames >= 0 and (pictures := root.pictures(path)) != entry.frames:
                other.append(f"{name}: {entry.frames:,} in the list, {pictures:,} found")
    where = os.fspath(places[best])
    notes, short = _told(source, skipped, where, given)
    if not clips and skipped:
        what = " ".join(f"{n.removeprefix(f'{source}: ')}." for n in notes)
        many = count_of(len(skipped), "file, which cannot be read", "files, and none can be read")
        raise DataError(f"{source} names {many}.", what)
    if other:
        many = count_of(len(other), "folder holds", "folders hold")
        notes.append(
            f"{source}: {many} another number of pictures than the list says, and all found are taken "
            f"({some(other, 3)})"
        )
    labels = len({c.label for c in clips.values() if c.label is not None})
    said = count_of(len(clips), "frame folder" if frames else "video")
    said += f" in {count_of(labels, 'class', 'classes')}" if labels else ""
    said += f", {_called(source, split)}, below {where}"
    said += f", at {rate:g} frames/s" if rate else ""
    said += short
    if twice:
        many = count_of(len(twice), "entry", "entries")
        notes.append(f"{source}: {many} listed more than once, taken once ({some(twice, 3)})")
    return Listing(source.layout, said, tuple(clips.values()), (*skipped.items(), *bad), tuple(notes))


def _nowhere(source: Source, count: int, first: str, places: Sequence[Place]) -> DataError:
    """The error of a list none of whose files is found."""
    looked = list(dict.fromkeys(os.fspath(p) for p in places))
    more = count_of(len(looked) - 3, "more folder") if len(looked) > 3 else ""
    where = f"not below {looked[0]}"
    if len(looked) > 1:
        where = f"neither below {' nor '.join(looked[:3])}" + (f" nor {more}" if more else "")
    return DataError(
        f"{source} names {count_of(count, 'file')}, found {where} (first: {first}).",
        "Say where they lie: --root DIR.",
    )


def _is_long(path: Path) -> bool:
    """Whether a list has more than `long_lists.LONG` entries, or so many by the length of its first lines."""
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet

        try:
            return bool(pyarrow.parquet.read_metadata(path).num_rows > long_lists.LONG)
        except (OSError, pyarrow.ArrowException):
            return False
    head = _read(path, _SNIFF_BYTES)
    return path.stat().st_size / max(1, len(head)) * head.count(b"\n") > long_lists.LONG


def _long_rows(source: Source) -> Iterator[tuple[int, bytes, bytes | None, bool]]:
    """(number of the line, path, label, whether the path is plainly its own id) of what a long list holds;
    the path is empty where the line is no entry, and the label is its text then.
    """
    path = source.files[0]
    if source.layout == "table":
        for number, name, label in _table_rows(path):
            yield number, os.fsencode(name), os.fsencode(label) or None, False
        return
    plain = long_lists.simple(sorted(VIDEO_SUFFIXES))
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if (found := plain(line)) is not None:
                yield number, *found, True
            elif text := line.decode("utf-8", "surrogateescape").removeprefix("\ufeff").rstrip(" \t\r\n"):
                entry = _video_line(text)
                if entry is not None:
                    yield number, os.fsencode(entry[0]), os.fsencode(entry[1] or "") or None, False
                elif not text.startswith("#"):
                    yield number, b"", os.fsencode(text), False


def _long_listing(source: Source, places: Sequence[Path], given: bool, follow_outside: bool) -> Listing:
    """The clips of a long list: nothing is looked for but what of its first entries is there."""
    path = source.files[0]
    sample = [Entry((os.fsdecode(row[1]),), None) for row in islice(_long_rows(source), _SAMPLE) if row[1]]
    roots = [_Root(p, follow_outside) for p in places]
    hits = [sum(not r.lacks(e) for e in sample) for r in roots]
    best = max(range(len(places)), key=lambda i: (hits[i], -i))
    if not hits[best] and not given:
        raise _nowhere(source, len(sample), sample[0].names[0] if sample else "none", places)
    root, where = roots[best], os.fspath(places[best])
    # lists with absolute paths are common: below the root they are as plain as others
    prefix = os.fsencode(os.path.join(os.path.abspath(where), ""))
    rows, skipped = long_lists.Rows(), dict[str, str]()
    for number, name, label, plain in _long_rows(source):
        if not plain and name.startswith(prefix):
            name = name[len(prefix) :]
        if plain or long_lists.is_plain(name):
            rows.add(name, label)
        elif not name:
            said = "it has no path" if source.layout == "table" else clip_id(os.fsdecode(label or b"")[:80])
            skipped[f"{clip_id(path.name)}:{number}"] = f"no entry: {said}"
        else:
            found, real, reason = root.named(os.fsdecode(name))
            if reason:
                skipped[found] = reason
            else:
                rows.add(found.encode(), label, real)
    if not len(rows):
        reasons = Counter(skipped.values()).most_common(3)
        said = "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
        raise DataError(
            f"{source} names {count_of(len(skipped), 'entry', 'entries')}, and none can be read: {said}.",
            "Files outside the root are read with --follow-outside; --root DIR names another one.",
        )
    clips = rows.done(where, "/" if follow_outside else os.path.realpath(where))
    about = count_of(len(clips), "video")
    about += f" in {count_of(clips.classes, 'class', 'classes')}" if clips.classes else ""
    about += f", {_called(source, None)}, below {where}"
    notes = [f"{source}: its files are looked for when they are measured: they are too many to be listed"]
    if skipped:
        many = count_of(len(skipped), "entry is", "entries are")
        notes.append(f"{source}: {many} skipped: {some(skipped, 10)}")
    if clips.twice:
        many = count_of(clips.twice, "entry", "entries")
        notes.append(f"{source}: {many} listed more than once, taken once")
    return Listing(source.layout, about, clips, tuple(skipped.items()), tuple(notes))


def _called(source: Source, split: str | None) -> str:
    """Which list it is, each name once: "the list DIR/trainlist01.txt", "the rows val of kinetics.csv"."""
    if len(source.files) > 1:
        return f"the lists {split} in {source}"
    by_name = split is None or split in re.split(r"[-_.]", source.files[0].stem)
    by_name = by_name or same_split(source.files[0].stem, split or "")
    return f"the list {source}" if by_name else f"{split} of the list {source}"


def _told(source: Source, skipped: dict[str, str], where: str, given: bool) -> tuple[list[str], str]:
    """(notes, end of the sentence): how many entries of a list are skipped, the first ten names and the cure,
    said once for each reason.
    """
    names: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        names.setdefault(reason, []).append(name)
    missing, links = names.get(_MISSING, []), names.get(_LINK, [])
    outside, folders = [*names.get(_OUTSIDE, []), *links], names.get(_FOLDER, [])
    notes, short = [], ""
    if missing:
        cure = "" if given else "; --root DIR says where they lie, if it is elsewhere"
        files = count_of(len(missing), "file is", "files are")
        notes.append(f"{source}: {files} missing below {where}: {some(missing, 10)}{cure}")
        short += f"; {len(missing):,} missing"
    if outside:
        files = count_of(len(outside), "file lies", "files lie")
        through = f", {len(links):,} by a symbolic link" if links else ""
        cure = "; --follow-outside reads them"
        notes.append(f"{source}: {files} outside {where}{through}: {some(outside, 10)}{cure}")
        short += f"; {len(outside):,} outside"
    if folders:
        what = count_of(len(folders), "entry is a folder", "entries are folders")
        cure = "; --layout rawframes reads lists of frame folders"
        notes.append(f"{source}: {what}, no video: {some(folders, 10)}{cure}")
    return notes, short
