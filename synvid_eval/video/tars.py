"""Tar files as sets (WebDataset's shards): which videos they hold, found by reading their headers.

Nothing that a tar file holds is written anywhere under a name of its own: a clip is a part of the file, read
where it lies (`video.spans`). So a name that is absolute, leads out by `..` or is a link to elsewhere does no
harm; such videos are listed as skipped. As in folders, names that begin with a dot are passed over.

Those in a store are read there, several at once. A listing of a store is whole or none: a tar file that
cannot be read to its end there is an error, where one on a disk is listed as skipped.

What of a sample is read beside its video is the label: members that follow each other and have one name up to
the first dot behind the last slash are a sample (WebDataset's rule), and its label is what `.cls` says, else
`label` or `class` of `.json`. Where no sample says one, the label is the folder that a video lies in, as if
the tar files had been unpacked into one folder.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import posixpath
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError, UsageError
from synvid_eval.video import remote, spans
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.layouts import (
    TAR_SUFFIXES,
    VIDEO_SUFFIXES,
    Listing,
    clip_id,
    count_of,
    folder_labels,
)
from synvid_eval.video.remote import Object, Place, Url

S = TypeVar("S")
T = TypeVar("T")

Source: TypeAlias = IO[bytes] | remote.File
"""What a tar file is read from: a file of a disk, or an object of a store."""

LAYOUT = "webdataset"

# A brace range may name so many files: a slip in it shall not fill memory with names.
MOST_FILES = 1_000_000

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")

# Headers of one member (long names, PAX records) take up so many bytes at most: tarfile reads them whole.
_MOST_HEADER = 1 << 20

# A label is a short text; a larger file of such a name holds something else.
_MOST_LABEL = 1 << 20

_NAMED = 10

# Tar files in a store whose headers are read at once: most of it is waiting.
_AT_ONCE = 8


class Tar(NamedTuple):
    """A tar file of a set: what ids of its clips begin with, its path, and what its store tells of it."""

    begin: str
    path: str
    told: Object | None = None


@dataclass
class Contents:
    """The videos of a tar file, in its order.

    ids: names of the members, normalized, in NFC. offsets, sizes: int64 [bytes] of each in `path`. labels:
    what the samples say, or None. skipped: (name, reason) of those that are called like videos and cannot be
    read. other: how many members of each other suffix. damage: why not all of the file is known, or "".
    """

    path: str
    ids: list[str] = field(default_factory=list)
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    labels: list[str | None] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    damage: str = ""


def is_tar(name: str) -> bool:
    """Whether a file is a tar file by its name."""
    return name.lower().endswith(TAR_SUFFIXES)


def stem(name: str) -> str:
    """A tar file's name without its suffix."""
    return next(
        (name[: -len(s)] for s in sorted(TAR_SUFFIXES, key=len)[::-1] if name.lower().endswith(s)), name
    )


def is_range(location: str) -> bool:
    """Whether a location is tar files with a range of numbers in braces, and no existing path."""
    return bool(_RANGE.search(location)) and is_tar(location) and not os.path.lexists(location)


def expanded(location: str) -> Iterator[str]:
    """The paths of a location with ranges such as {000..127}, which count up or down; a number is as wide as
    the wider end where either begins with 0, as in a shell.

    Raises UsageError where they are more than `MOST_FILES`.
    """
    texts = _RANGE.split(location)
    fixed, ranges = texts[::3], list(zip(texts[1::3], texts[2::3], strict=True))
    total = 1
    for begin, end in ranges:
        total *= abs(int(end) - int(begin)) + 1
    if total > MOST_FILES:
        raise UsageError(f"{location} names {total:,} files.", f"Give at most {MOST_FILES:,}.")
    for numbers in itertools.product(*(_counted(*ends) for ends in ranges)):
        yield "".join(itertools.chain(*zip(fixed, (*numbers, ""), strict=True)))


def _counted(begin: str, end: str) -> list[str]:
    padded = any(len(text) > 1 and text[0] == "0" for text in (begin, end))
    width = max(len(begin), len(end)) if padded else 0
    step = 1 if int(begin) <= int(end) else -1
    return [f"{n:0{width}}" for n in range(int(begin), int(end) + step, step)]


def read_range(location: str) -> Listing:
    """The clips of the tar files that a location with a range names; their ids begin with the file's path
    below the folder in front of the first range.

    Raises DataError where one of them is missing: what is not there would be left out unseen.
    """
    paths = list(expanded(location))
    if remote.is_remote(location):
        root = location[: location.rindex("/", 0, location.index("{")) + 1]
        files = [Tar(_below(p, root), p, told) for p, told in zip(paths, _all(_there, paths), strict=True)]
        missing = [p for _, p, told in files if told is None]
    else:
        root = os.path.dirname(location[: location.index("{")])
        files = [Tar(clip_id(os.path.relpath(p, root or ".")), p) for p in paths]
        missing = [p for p in paths if not os.path.isfile(p)]
    if missing:
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"{count_of(len(missing), 'tar file')} of the {len(paths):,} of {location} "
            f"{'is' if len(missing) == 1 else 'are'} not there: {', '.join(missing[:_NAMED])}{more}.",
            "Give the range of those that are there.",
        )
    return read(files)


def _below(url: str, root: str) -> str:
    """What ids of a remote tar file's clips begin with: where it lies below `root`."""
    relative = url.removeprefix(root)
    if any(step in ("", ".", "..") for step in relative.split("/")):
        raise UsageError(f"{url} has steps that lead nowhere below {root}.", "Give it without //, . and ..")
    return clip_id(relative)


def _there(url: str) -> Object | None:
    """What a store tells of an object; None where there is none. Raises DataError."""
    with remote.telling(url):
        try:
            return remote.object_of(url)
        except FileNotFoundError:
            return None


def _all(call: Callable[[S], T], asked: Sequence[S]) -> list[T]:
    """The results of calls that ask a store, several at once; what the first that fails raises."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            return list(pool.map(call, asked))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def read_file(path: Place) -> Listing:
    """The clips of one tar file, which is the root: their ids are the names of its members.

    Raises OSError where it is remote and cannot be asked for.
    """
    return read([Tar("", os.fspath(path), remote.object_of(path.text) if isinstance(path, Url) else None)])


def read_folder(root: Place, relatives: Iterable[str], objects: Mapping[str, Object]) -> Listing:
    """The clips of the tar files of a folder, which is the root: ids are TAR/MEMBER.

    Args:
        objects: what the store of a remote folder tells, by relative path.
    """
    return read([Tar(clip_id(r), os.path.join(root, r), objects.get(r)) for r in relatives])


def read(files: Sequence[Tar]) -> Listing:
    """The clips of tar files.

    Raises DataError where none of them holds anything called like a video, and where a store does not give
    what is to be read of one.
    """
    skipped: list[tuple[str, str]] = []
    notes: list[str] = []
    clips: list[ClipRef] = []
    seen: set[str] = set()
    taken: list[Tar] = []
    for file in files:
        if file.begin in seen:
            number = next(k for k in itertools.count(2) if f"{file.begin}#{k}" not in seen)
            seen.add(f"{file.begin}#{number}")
            skipped.append((f"{file.begin}#{number}", "another one has the same name in Unicode NFC"))
            continue
        seen.add(file.begin)
        taken.append(file)
    found = _all(contents_of, taken) if any(f.told for f in taken) else [contents_of(f) for f in taken]
    starts = [f"{f.begin}/" if f.begin else "" for f in taken]
    for file, start, contents in zip(taken, starts, found, strict=True):
        skipped += ((f"{start}{name}", reason) for name, reason in contents.skipped)
        if contents.damage:
            skipped.append((file.begin or clip_id(os.path.basename(file.path)), contents.damage))
            notes.append(f"{file.path}: {contents.damage}")
        notes += (f"{file.path}: {note}" for note in contents.notes)
    told = any(label is not None for contents in found for label in contents.labels)
    labels: Iterable[str | None] = itertools.chain(*(c.labels for c in found))
    if not told:
        labels = folder_labels([name for contents in found for name in contents.ids])
    of = iter(labels)
    for file, start, contents in zip(taken, starts, found, strict=True):
        where = zip(contents.ids, contents.offsets.tolist(), contents.sizes.tolist(), strict=True)
        # one that was unpacked is read on the disk
        stamp = file.told.stamp if file.told is not None and contents.path == file.path else ""
        clips += (
            ClipRef(f"{start}{name}", spans.KIND, contents.path, offset, next(of), length=size, stamp=stamp)
            for name, offset, size in where
        )
    if not clips and not skipped:
        raise DataError(*_nothing([f.path for f in files], found))
    said = f"{count_of(len(clips), 'video')} in {count_of(len(found), 'tar file')}"
    if classes := len({c.label for c in clips if c.label is not None}):
        said += f", {count_of(classes, 'class', 'classes')}"
    return Listing(LAYOUT, said, tuple(clips), tuple(skipped), tuple(_few(notes)))


def _few(notes: Sequence[str]) -> Iterator[str]:
    yield from notes[:_NAMED]
    if len(notes) > _NAMED:
        yield f"and {len(notes) - _NAMED:,} more notes on tar files"


def _nothing(paths: Sequence[str], found: Sequence[Contents]) -> tuple[str, str]:
    other: Counter[str] = Counter()
    for contents in found:
        other.update(contents.other)
    where = paths[0] if len(paths) == 1 else f"{len(paths):,} tar files ({paths[0]}, …)"
    if not other:
        return f"0 videos in {where}.", "Nothing is in it." if len(paths) == 1 else "Nothing is in them."
    most = ", ".join(f"{n:,} {suffix}" for suffix, n in other.most_common(4))
    hint = f"{most} found. "
    if any(s in other for s in (".jpg", ".jpeg", ".png", ".npy", ".npz")):
        hint += "Pictures and arrays are read from folders: unpack it."
    else:
        hint += f"Videos end in {' '.join(sorted(VIDEO_SUFFIXES))}."
    return f"0 videos in {where}.", hint


def contents_of(tar: Tar) -> Contents:
    """The videos of a tar file, compressed by gzip or not, from its index where that is kept; what cannot be
    read of one on a disk is told in `damage`.

    Raises DataError where there is no room to unpack it, and where one in a store cannot be read as a whole.
    """
    try:
        with remote.telling(tar.path):
            return _listed(tar)
    except OSError as error:
        return Contents(tar.path, damage=f"cannot be read: {error.strerror or error}")


def _listed(tar: Tar) -> Contents:
    from synvid_eval.video import tar_store

    path, stamp = tar.path, tar_store.stamp_of(tar.told)
    if stamp and (known := tar_store.read_index(path, stamp)) is not None:
        return known
    with _opened(tar) as file:
        if isinstance(file, remote.File):
            size = file.size
        else:
            facts = os.fstat(file.fileno())
            size, stamp = facts.st_size, [facts.st_size, facts.st_mtime_ns, facts.st_ino]
            if (known := tar_store.read_index(path, stamp)) is not None:
                return known
        compressed = tar_store.is_compressed(file)
        file.seek(0)
        contents = Contents(path) if compressed else _read(path, file, size)
        if isinstance(file, remote.File):
            file.verify()  # a fault on the way may look like damage
            if not file.in_parts:
                raise DataError(
                    f"{path} cannot be read where it lies: its server gives no parts of files.",
                    "Copy it to a disk: each of its clips would take all of it.",
                )
    if compressed:
        copy, damage = tar_store.unpacked(path, stamp, size)
        if copy:
            with spans.opened(copy) as unpacked:
                contents = _read(copy, unpacked, os.fstat(unpacked.fileno()).st_size)
        contents.damage = damage or contents.damage
    tar_store.keep_index(path, stamp, contents)
    return contents


def _opened(tar: Tar) -> Source:
    if tar.told is None:
        return spans.opened(tar.path)
    return remote.File(tar.path, tar.told.stamp, block=remote.HEADERS)


class _Sparing:
    """A file that gives `budget` bytes at most: what is in a header is read whole, however long it says it
    is.
    """

    def __init__(self, file: Source) -> None:
        self._file, self.budget = file, _MOST_HEADER
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int) -> bytes:
        self.budget -= size
        if size < 0 or self.budget < 0:
            raise tarfile.ReadError(f"a header of more than {_MOST_HEADER:,} bytes")
        return self._file.read(size)


class _Reading:
    """What is known while the members of a tar file are read one after the other."""

    def __init__(self, path: str) -> None:
        self.contents = Contents(path)
        self.offsets: list[int] = []
        self.sizes: list[int] = []
        self._places: dict[str, int] = {}
        self._folders: dict[str, None] = {}
        self._again: Counter[str] = Counter()
        self._key: str | None = None
        self._begin = 0
        self._label: tuple[int, str] | None = None
        self._unread = 0

    def member(self, facts: tarfile.TarInfo, size: int, file: Source) -> None:
        """Takes the next member of a file of `size` bytes."""
        name, reason = _inside(facts.name)
        if any(part.startswith(".") for part in name.split("/") if part != ".."):
            return
        folder, _, base = name.rpartition("/")
        head, _, extension = base.partition(".")
        key = f"{folder}/{head}"
        if key != self._key:
            self._flush()
            self._key = key
        suffix = os.path.splitext(base)[1].lower()
        if facts.isdir():
            if suffix in VIDEO_SUFFIXES:
                self._folders[name] = None
            return
        if suffix in VIDEO_SUFFIXES:
            self._video(clip_id(name), facts, reason or _unfit(facts, size))
            return
        self.contents.other[suffix or "(no suffix)"] += 1
        if extension in ("cls", "json") and not _unfit(facts, size):
            self._told(extension, facts, file)

    def _video(self, name: str, facts: tarfile.TarInfo, reason: str) -> None:
        contents = self.contents
        if reason:
            contents.skipped.append((self._numbered(name) if name in self._places else name, reason))
        elif (place := self._places.get(name)) is not None:
            # as where it is unpacked: what comes later stands in its place
            contents.skipped.append((self._numbered(name), "a later one has the same name"))
            self.offsets[place], self.sizes[place] = facts.offset_data, facts.size
        else:
            self._places[name] = len(contents.ids)
            contents.ids.append(name)
            contents.labels.append(None)
            self.offsets.append(facts.offset_data)
            self.sizes.append(facts.size)

    def _numbered(self, name: str) -> str:
        self._again[name] += 1
        return f"{name}#{self._again[name] + 1}"

    def _told(self, extension: str, facts: tarfile.TarInfo, file: Source) -> None:
        """Keeps the label that a member says, if it says one; `.cls` before `.json`."""
        order = ("cls", "json").index(extension)
        if facts.size > _MOST_LABEL or (self._label is not None and self._label[0] <= order):
            return
        file.seek(facts.offset_data)
        data = file.read(facts.size)
        try:
            label = _of_cls(data) if extension == "cls" else _of_json(data)
        except (ValueError, RecursionError):
            self._unread += 1
            return
        if label is not None:
            self._label = order, label

    def _flush(self) -> None:
        """The sample is complete: its videos have its label."""
        labels = self.contents.labels
        if self._label is not None:
            labels[self._begin :] = [self._label[1]] * (len(labels) - self._begin)
        self._begin, self._label = len(labels), None

    def result(self) -> Contents:
        """What was found."""
        self._flush()
        contents = self.contents
        contents.offsets = np.array(self.offsets, np.int64)
        contents.sizes = np.array(self.sizes, np.int64)
        if self._folders:
            holding = {parent for name in contents.ids for parent in _parents(name)}
            bare = [clip_id(f) for f in self._folders if clip_id(f) not in holding]
            contents.skipped += ((f, "a folder, not a video") for f in bare if f not in self._places)
        if self._unread:
            contents.notes.append(f"{count_of(self._unread, 'label')} cannot be read: passed over")
        return contents


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name


def _inside(name: str) -> tuple[str, str]:
    """(a member's name as a relative path, why it is none or "")."""
    plain = posixpath.normpath(name).lstrip("/") if name else ""
    if "\0" in name:
        return plain.replace("\0", "\\x00"), "its name holds a NUL"
    if name.startswith("/"):
        return plain, "its name is an absolute path"
    if ".." in name.split("/"):
        return plain, "its name leads out of its folder (..)"
    return plain, ""


def _unfit(facts: tarfile.TarInfo, size: int) -> str:
    """Why a member of a tar file of `size` bytes is no file that can be read where it lies, or ""."""
    if facts.issym() or facts.islnk():
        return f"a link to {facts.linkname!r}, not a video"
    if facts.issparse():
        return "stored with holes (sparse): not read"
    if not facts.isreg():
        return "not a regular file"
    if facts.offset_data + facts.size > size:
        return "cut short: its tar file ends within it"
    return ""


def _of_cls(data: bytes) -> str | None:
    return data.decode("utf-8").strip() or None


def _of_json(data: bytes) -> str | None:
    told = json.loads(data)
    for key in ("label", "class"):
        value = told.get(key) if isinstance(told, dict) else None
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return str(value).strip() or None
    return None


class Damaged(Exception):
    """A tar file is damaged, or none; the message says what."""


class Members:
    """The headers of a tar file, one after the other, with what is next to no memory.

    end: where the last one read and its bytes end.
    """

    def __init__(self, file: Source) -> None:
        self._file, self.end = file, 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Raises Damaged, and OSError where the disk does not give what is there."""
        sparing, last = _Sparing(self._file), -1
        try:
            # an encoding of its own: the same names whatever the locale
            tar = tarfile.TarFile(
                fileobj=sparing,  # type: ignore[arg-type]
                encoding="utf-8",
                errors="surrogateescape",
            )
        except Exception as error:
            raise self._damage(error) from None
        while True:
            try:
                facts = tar.next()
            except Exception as error:
                raise self._damage(error) from None
            self.end = tar.offset
            if facts is None:
                return
            if facts.size < 0 or facts.offset <= last:
                raise Damaged("a header that leads back")
            yield facts
            last = facts.offset
            # tarfile keeps what it has seen
            tar.members.clear()  # type: ignore[attr-defined]
            tar.pax_headers.clear()  # type: ignore[attr-defined]
            sparing.budget = _MOST_HEADER

    def _damage(self, error: Exception) -> Exception:
        """Damaged and hostile headers make tarfile raise nearly anything."""
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            return error
        return Damaged(str(error).rstrip(". ") or type(error).__name__)


def _read(path: str, file: Source, size: int) -> Contents:
    reading, members = _Reading(path), Members(file)
    damage = ""
    try:
        for facts in members:
            reading.member(facts, size, file)
    except Damaged as error:
        known = len(reading.contents.ids)
        seen = f"damaged behind {count_of(known, 'video')}" if known else "no tar file, or damaged"
        damage = f"{seen}: {error}"
    contents = reading.result()
    contents.damage = damage or _ending(file, members.end, contents)
    return contents


def _ending(file: Source, end: int, contents: Contents) -> str:
    """What is wrong where the members end: tarfile takes damage there for the end."""
    file.seek(end)
    mark = file.read(tarfile.BLOCKSIZE)
    if mark.count(0) != len(mark):
        return f"damaged behind {count_of(len(contents.ids), 'video')}: no header at byte {end:,}"
    if len(mark) < tarfile.BLOCKSIZE:
        contents.notes.append("it has no end mark: cut short behind a whole file?")
    while rest := file.read(_MOST_HEADER):
        if rest.count(0) != len(rest):
            contents.notes.append("something follows its end mark (another tar file?), which is not read")
            break
    return ""
