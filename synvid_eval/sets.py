"""Sets: `[name=]location` → VideoSet. The schemes that a location may have are registered here, and nowhere
else.

A location is a folder, a list of videos, tar files, a `.npy`/`.npz` file, a `preset:NAME?…`,
`cut:MOVIE?seconds=…`, `adapt:CHAIN?of=…` or `corrupt:NAME?of=…` URI, or (see `synvid_eval.measurement`) a
`.measured` file. Readers for each kind of clip are found here too, so that a worker process can open any.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
from numpy.typing import NDArray

from synvid_eval import adapted, corrupted, derived
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.execute import Failure, Processes
from synvid_eval.video import arrays, cut, decode, layouts, lists, long_lists, remote, spans, tars
from synvid_eval.video.decode import ClipRef, Frame, Reader
from synvid_eval.video.remote import Place
from synvid_eval.video.videoset import VideoSet, rank

if TYPE_CHECKING:
    from synvid_eval.corruptions import Corruption
    from synvid_eval.generators import adapting
    from synvid_eval.generators.base import Generator
    from synvid_eval.generators.presets import Preset
    from synvid_eval.generators.texture import Texture

Tell = Callable[[str, int], None]
Beat = Callable[[], None]

MOST_CLIPS = 10_000_000

UNREADABLE = " cannot be read: "
"""What stands between how many pictures are broken and which, in a note."""

REAL = "real"
"""What the ids of real clips in a preset that has some begin with."""

_EACH_ITS_OWN = (
    "One --split is for all sets: where each needs its own, measure each (measure SET --split NAME --out "
    "F.measured) and compare those files, or give the lists themselves as SETs."
)

_NAME = re.compile(r"[A-Za-z0-9_.-]+")

# Suffixes of files that are sets.
_FILES = (".npy", ".npz", ".measured", *lists.SUFFIXES)

_GIVEN = {
    "images": "It is for presets that show pictures (see: list presets).",
    "videos": "It is for presets that have a real part (see: list presets).",
}


def _silent() -> None:
    return None


def split_name(text: str) -> tuple[str | None, str]:
    """`[name=]location` → (name or None, location).

    The part before the first `=` is a name only if it is made of letters, digits, `_.-` and the whole is no
    path.
    """
    before, sign, after = text.partition("=")
    if sign and after and _NAME.fullmatch(before) and not os.path.lexists(text):
        return before, remote.plain(after)
    return None, remote.plain(text)


def default_name(location: str) -> str:
    """The last path component without its suffix (a folder's whole name), or the preset's name; with the
    operations behind it where clips are adapted, the corruption and its severity where they are corrupted.
    """
    scheme = _scheme(location)
    if scheme == "adapt":
        chain, place, _ = _adapt_parts(location)
        return "+".join([default_name(place), *chain.names.split(",")])
    if scheme == "corrupt":
        corruption, place, _ = _corrupt_parts(location)
        return f"{default_name(place)}+{corruption.name}-{corruption.severity}"
    if scheme and scheme != "cut":
        text = location.removeprefix(scheme + ":").partition("?")[0]
        file, _, own = text.rpartition("#") if ".toml#" in text else (text, "", "")
        return own or (Path(file).stem if file.endswith(".toml") else file) or location
    if remote.is_remote(location):
        url = remote.Url(location.rstrip("/"))
        if tars.is_tar(location):
            return layouts.clip_id(tars.stem(url.name) or url.name)
        return layouts.clip_id(url.stem if url.suffix.lower() in _FILES else url.name)
    if scheme and remote.is_remote(movie := _cut_parts(location)[0]):
        return layouts.clip_id(remote.Url(movie).stem)
    path = Path(os.path.abspath(_cut_parts(location)[0] if scheme else location))
    stem = tars.stem(path.name) if tars.is_tar(path.name) else path.stem
    return layouts.clip_id(path.name if os.path.isdir(path) or not stem else stem) or "/"


def name_sets(texts: Sequence[str]) -> list[tuple[str, str]]:
    """(name, location) of each SET argument, all names different.

    Equal default names get their parents in front, the same location twice `#2`; two equal given names are a
    UsageError.
    """
    split = [split_name(t) for t in texts]
    given = Counter(n for n, _ in split if n is not None)
    for name, times in given.items():
        if times > 1:
            raise UsageError(
                f"The name {name!r} is given to {times} sets.", "Give each set a name of its own."
            )
    for _, location in split:
        remote.checked(location)
    places = [loc if _scheme(loc) or remote.is_remote(loc) else os.path.abspath(loc) for _, loc in split]
    names = [n if n is not None else default_name(loc) for n, loc in split]
    for depth in range(1, 64):
        # a location that is given twice is one name (and then #2): parents would not tell it apart
        of_name: dict[str, set[str]] = {}
        for name, place in zip(names, places, strict=True):
            of_name.setdefault(name, set()).add(place)
        longer = list(names)
        for i, (own, location) in enumerate(split):
            if own is None and len(of_name[names[i]]) > 1 and not _scheme(location):
                parents = remote.place(places[i]).parts[:-1][-depth:]
                parts = [*(p.strip("/") for p in parents), default_name(location)]
                longer[i] = layouts.clip_id("/".join(parts)).lstrip("/")
        if longer == names:
            break
        names = longer
    taken = {n for n, _ in split if n is not None}
    for i, (own, _) in enumerate(split):
        if own is None:
            count, name = 1, names[i]
            while names[i] in taken:
                count += 1
                names[i] = f"{name}#{count}"
            taken.add(names[i])
    return list(zip(names, (loc for _, loc in split), strict=True))


def _scheme(location: str) -> str | None:
    scheme = location.partition(":")[0]
    return scheme if scheme in SCHEMES and ":" in location and not os.path.lexists(location) else None


def is_uri(location: str) -> bool:
    """Whether a location names a scheme, known or not (`preset:…`), and is no existing path, nor remote."""
    found = re.match(r"^[a-z][a-z0-9+]+:", location) and not remote.is_remote(location)
    return bool(found) and not os.path.lexists(location)


def is_measured(location: str) -> bool:
    """Whether a location is a `.measured` file by its name."""
    return location.endswith(".measured") and not os.path.isdir(location) and not _scheme(location)


def open_set(
    location: str | os.PathLike[str] | NDArray[np.uint8],
    *,
    name: str | None = None,
    layout: str = "auto",
    fps: float | None = None,
    clips: int | None = None,
    seed: int = 0,
    split: str | None = None,
    root: str | os.PathLike[str] | None = None,
    follow_outside: bool = False,
    decode_timeout: float = 60.0,
    images: str | None = None,
    videos: str | None = None,
    shared: bool = False,
    tell: Tell = lambda path, total: None,
) -> VideoSet:
    """Finds the clips of a location; opens none of them (but a movie that is cut, to count its frames).

    Args:
        location: a folder, a list of videos (.txt, .csv, .json), a tar file or a range of them
            (`shards/{000..127}.tar`), a `.npy` or `.npz` file,
            `preset:NAME?n=…&seed=…&size=…&length=…`, `cut:MOVIE?seconds=…`, `adapt:CHAIN?of=LOCATION`,
            `corrupt:NAME?severity=…&of=LOCATION`, or an array of clips uint8 [N, T, H, W, 3].
        name: what the set is called (default: see `default_name`).
        layout: "auto" or a name of `layouts.LAYOUTS`.
        fps: frame rate [1/s] of frame folders and arrays (default 25).
        clips: at most that many clips, drawn by hash of their ids.
        seed: seed of a preset, or of what adapts or corrupts clips, that names none.
        split: which of a folder's lists names the clips, or which split of a Kinetics table.
        root: the folder that a list's paths are relative to (default: where they are found).
        follow_outside: whether a list may name files outside its root.
        decode_timeout: seconds without a packet after which a movie that is cut counts as hung.
        images: a folder of pictures, or "skimage", for a preset that shows pictures.
        videos: a location whose clips are the real part of a preset that has one.
        shared: whether `fps` is meant for several sets: one that has no use for it says so in a note.
        tell: hears of each picture of `images` that is read to know its content, and how many there are.

    Raises:
        DataError: nothing is there, or no video in it. UsageError: unknown layout, preset, knob or split, or
        an option that means nothing for this location.
    """
    if fps is not None and not 0 < fps < 1e6:
        raise UsageError(f"--fps {fps:g} is no frame rate.", "Give frames per second, such as 25.")
    if clips is not None and clips < 1:
        raise UsageError(f"--clips {clips} is no number of clips.", "Give 1 or more.")
    if isinstance(location, np.ndarray):
        _refuse("an array", asked_options(split, root, follow_outside, images, videos))
        found = _memory(location, name or "array", fps)
    else:
        text = remote.checked(remote.plain(os.fspath(location)))
        asked = asked_options(split, root, follow_outside, images, videos)
        given = {k: asked.pop(k) for k in _GIVEN if k in asked}
        if (
            (asked and not remote.is_remote(text) and os.path.isfile(text))
            or given
            or (asked and _scheme(text))
        ):
            able = options_of(text, layout, split)
            _refuse(text, {k: v for k, v in (asked | given).items() if k not in able})
        if scheme := _scheme(text):
            found = SCHEMES[scheme](text, seed, decode_timeout, given, tell)
        elif remote.is_remote(text):
            found = _remote(text, layout, fps, asked)
        elif is_uri(text):
            before = text.partition(":")[0]
            raise UsageError(f"No scheme is called {before!r} (in {text}).", nearest(before, SCHEMES))
        else:
            try:
                with remote.telling(asked.get("root") or text):
                    found = _path(text, layout, fps, asked)
            except lists.NoSuchSplit as error:
                if not shared:
                    raise
                raise lists.NoSuchSplit(error.message, f"{error.hint} {_EACH_ITS_OWN}".strip()) from None
        found = replace(found, name=name or default_name(text))
    if not found.clips and not found.skipped:
        raise DataError(f"0 videos in {found.location}.", "Check the location.")
    if fps is not None and found.clips and not takes_fps(found):
        if not shared:
            raise UsageError(
                f"--fps {fps:g} means nothing for {found.location}: its clips have a rate of their own.",
                "It is for frame folders and arrays: leave it away.",
            )
        note = f"--fps {fps:g} means nothing for {found.name}: its clips have a rate of their own"
        found = replace(found, notes=(*found.notes, note))
    if not isinstance(found.clips, long_lists.LongList):
        found = replace(found, clips=tuple(sorted(found.clips, key=lambda c: c.id)))
    return found.draw(clips) if clips is not None else found


def takes_fps(videos: VideoSet) -> bool:
    """Whether any clip of a set has the rate that --fps gives: pictures and arrays have none of their own."""
    if isinstance(videos.clips, long_lists.LongList):
        return False
    return any(c.kind in ("frames", "array", "memory") for c in videos.clips)


def asked_options(
    split: str | None,
    root: str | os.PathLike[str] | None,
    follow_outside: bool,
    images: str | None,
    videos: str | None,
) -> dict[str, Any]:
    """Those of the options for lists and presets that are given."""
    at = None if root is None else remote.place(remote.checked(os.fspath(root)))
    asked = {"split": split, "root": at, "follow_outside": follow_outside, "images": images, "videos": videos}
    if at is not None:
        with remote.telling(at):
            there = at.is_dir()
        if not there:
            raise DataError(f"--root {at} is no folder.", "Give the folder that the list's paths start from.")
    return {k: v for k, v in asked.items() if v is not None and v is not False}


def options_of(
    location: str | os.PathLike[str], layout: str = "auto", split: str | None = None
) -> frozenset[str]:
    """Which of "split", "root", "follow_outside", "images" and "videos" mean something for a location."""
    text = os.fspath(location)
    scheme = _scheme(text)
    if scheme == "preset":
        return frozenset(needs(_configured(text)))
    if scheme == "adapt" and _scheme(place := _adapt_parts(text)[1]) == "preset":
        return options_of(place)
    if scheme == "corrupt" and _scheme(place := _corrupt_parts(text)[1]):
        return options_of(place)
    if scheme:
        return frozenset()
    with remote.telling(text):
        return lists.options_of(remote.place(text), layout, split)


def share_options(
    locations: Sequence[str | None],
    layout: str,
    split: str | None,
    root: str | os.PathLike[str] | None,
    follow_outside: bool,
    images: str | None = None,
    videos: str | None = None,
) -> list[dict[str, Any]]:
    """For each of several locations (None: an opened set) the keywords of `open_set` that it needs beside
    those that all have: the options for lists and presets that mean something for it, and `shared` where it
    is not alone.

    Raises UsageError where such an option means nothing for any.
    """
    asked = asked_options(split, root, follow_outside, images, videos)
    shared = {"shared": True} if len(locations) > 1 else {}
    if not asked:
        return [dict(shared) for _ in locations]
    if len(locations) == 1 and locations[0] is not None:
        return [asked]  # `open_set` says best what is wrong with it
    able = [frozenset[str]() if at is None else options_of(at, layout, split) for at in locations]
    for option, value in asked.items():
        if not any(option in names for names in able):
            if option in _GIVEN:
                raise UsageError(
                    f"{flag(option, value)} means nothing for any of the sets.",
                    f"{_GIVEN[option]} Leave it away.",
                )
            what = (
                "a folder with lists" if option == "split" else "a list, nor a folder with lists and --split"
            )
            raise UsageError(
                f"{flag(option, value)} means nothing for any of the sets: none is {what}.",
                "Leave it away, or give the list file itself as a SET.",
            )
    return [{k: v for k, v in asked.items() if k in names} | shared for names in able]


def flag(option: str, value: object) -> str:
    """An option as it is typed: `--split train1`, `--follow-outside`."""
    return f"--{option.replace('_', '-')}" + ("" if value is True else f" {value}")


def _refuse(where: str, asked: dict[str, Any]) -> None:
    for option, value in asked.items():
        if option in _GIVEN:
            hint = _GIVEN[option]
        elif option == "split":
            hint = "It chooses a list of a folder, or rows of a Kinetics table."
        else:
            hint = "It is for lists: a list file, or a folder with --split."
        raise UsageError(f"{flag(option, value)} means nothing for {where}.", hint)


def _path(location: str, layout: str, fps: float | None, asked: dict[str, Any]) -> VideoSet:
    if layout not in ("auto", *layouts.LAYOUTS):
        raise UsageError(f"No layout is called {layout!r}.", nearest(layout, ["auto", *layouts.LAYOUTS]))
    path = Path(location)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise DataError(f"{location} cannot be opened: {error.strerror}.", "Check the path.") from None
    knowing: tuple[str, ...] = ()
    if tars.is_range(location):
        _refuse(location, asked)
        _only_tars(location, layout)
        listing = tars.read_range(location)
    elif is_folder and ("split" in asked or layout in layouts.LIST_LAYOUTS):
        listing = lists.read_folder(path, layout, **{"split": None, **asked}, fps=fps)
    elif is_folder:
        _refuse(f"the folder {location} without --split", asked)
        if layout == "auto" and lists.volleyball_files(path):
            listing = lists.read_folder(path, "volleyball", None, fps=fps)
        else:
            listing = layouts.read_folder(path, layout, fps)
        listed = layout == "auto" and listing.layout not in ("npz_clips", tars.LAYOUT)
        if listed and (names := lists.beside(path)):
            knowing = lists.knowing(names, listing)
            note = f"lists found ({lists.some(names)}): all clips are taken, --split NAME takes those of one"
            note += f"; classes stand in {lists.some(knowing)}, not in folders" if knowing else ""
            listing = replace(listing, notes=(*listing.notes, note))
    elif is_file and lists.is_list(path):
        listing = lists.read_file(path, layout, **asked, fps=fps)
    elif is_file and tars.is_tar(path.name):
        _only_tars(location, layout)
        listing = tars.read_file(path)
    elif is_file:
        listing = _file(path, layout, fps)
    else:
        if path.exists():
            raise DataError(f"{location} is neither a file nor a folder.", "Give a folder of videos.")
        before, sign, _ = location.partition("=")
        if sign and not _NAME.fullmatch(before) and "/" not in before:
            raise DataError(
                f"{location} does not exist.",
                f"If {before!r} is to be its name: names are made of letters, digits, _, . and -.",
            )
        raise DataError(f"{location} does not exist.", _close_by(path))
    notes = listing.notes + _loading(path, listing.layout)
    return VideoSet(
        "", location, listing.layout, listing.said, listing.clips, listing.skipped, notes=notes, lists=knowing
    )


def _loading(path: Place, layout: str) -> tuple[str, ...]:
    """What is to be noted of an array file that every process has to load whole."""
    if layout != "npz" or (header := arrays.read_header(path)).offset is not None:
        return ()
    large = header.nbytes >= 2**30
    size = f"{header.nbytes / 2**30:.1f} GiB" if large else f"{header.nbytes / 2**20:.1f} MiB"
    return (f"{path} is compressed: {size} are loaded into memory a process",)


def _remote(location: str, layout: str, fps: float | None, asked: dict[str, Any]) -> VideoSet:
    """The set of a URL: everything below it is listed, or the one object is read."""
    at = remote.place(location)
    if not isinstance(at, remote.Url):
        raise TypeError(f"{location} is no URL")
    try:
        kind = "file" if tars.is_range(location) else remote.kind_of(location)
        if kind == "nothing":
            raise DataError(f"{location} does not exist.", "Check the URL, and which store it is asked of.")
        if kind == "folder":
            if asked or layout in layouts.LIST_LAYOUTS:
                raise UsageError(
                    f"{location} is a remote folder, in which no list is looked for.",
                    f"Give the list itself as the SET, with --root {location}; HMDB51 and Volleyball, whose "
                    "lists are many files, are read on a disk.",
                )
            listing = layouts.read_folder(at, layout, fps)
        elif lists.is_list(at):
            listing = lists.read_file(at, layout, **asked, fps=fps)
        elif tars.is_tar(at.name):
            _refuse(location, asked)
            _only_tars(location, layout)
            listing = tars.read_range(location) if tars.is_range(location) else tars.read_file(at)
        else:
            _refuse(location, asked)
            listing = _file(at, layout, fps)
        notes = listing.notes + _loading(at, listing.layout)
    except OSError as error:
        raise remote.failed(location, error) from None
    return VideoSet("", location, listing.layout, listing.said, listing.clips, listing.skipped, notes=notes)


def _only_tars(location: str, layout: str) -> None:
    if layout not in ("auto", tars.LAYOUT):
        raise DataError(f"{location} is no set of layout {layout}, but tar files.", "Leave --layout away.")


def _close_by(path: Path) -> str:
    import difflib

    try:
        names = [e.name for e in os.scandir(path.parent if os.fspath(path.parent) else ".")]
    except OSError:
        return f"Its folder {path.parent} does not exist either."
    if path.is_symlink():
        return "It is a link to nothing."
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f"Did you mean {path.parent / close[0]}?" if close else "Check the path."


def _file(path: Place, layout: str, fps: float | None) -> layouts.Listing:
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        what = "one video" if suffix in layouts.VIDEO_SUFFIXES else "no set"
        raise DataError(
            f"{path} is {what}.",
            f"Cut it into clips: cut:{path}?seconds=4."
            if suffix in layouts.VIDEO_SUFFIXES
            else "A set is a folder of videos, a list of them, tar files, a .npy or .npz of clips, or a "
            ".measured file.",
        )
    if layout not in ("auto", suffix[1:]):
        raise DataError(f"{path} is a {suffix} file, not layout {layout}.", "Leave --layout away.")
    if suffix == ".npz":
        keys = arrays.npz_keys(path)
        if "frames" not in keys and {"mu", "sigma"} <= set(keys):
            raise DataError(
                f"{path} holds `mu` and `sigma` (feature statistics, no pixels).",
                "Give the videos they were made of.",
            )
    whole = arrays.read_header(path).shape
    stem, rate = layouts.clip_id(path.stem), 25.0 if fps is None else fps
    count = 1 if len(whole) == 4 else whole[0]
    stamp = remote.object_of(path.text).stamp if isinstance(path, remote.Url) else ""
    digits = range(count) if len(whole) == 5 else [-1]
    clips = tuple(
        ClipRef(f"{stem}[{max(i, 0)}]", "array", os.fspath(path), i, fps=rate, stamp=stamp) for i in digits
    )
    shape = "×".join(map(str, whole[-4:]))
    said = f"{layouts.count_of(count, 'clip')} of {shape} in one array, at {rate:g} frames/s"
    return layouts.Listing(suffix[1:], said, clips)


def _memory(array: NDArray[np.uint8], name: str, fps: float | None) -> VideoSet:
    if array.dtype != np.uint8 or array.ndim != 5 or array.shape[-1] != 3 or 0 in array.shape:
        raise DataError(
            f"an array of {array.dtype} {list(array.shape)} is no set.", "Give uint8 RGB [N, T, H, W, 3]."
        )
    rate = 25.0 if fps is None else fps
    clips = tuple(ClipRef(f"{name}[{i}]", "memory", "", i, fps=rate) for i in range(len(array)))
    return VideoSet(
        name,
        f"array {'×'.join(map(str, array.shape))}",
        "array",
        layouts.count_of(len(array), "clip"),
        clips,
        array=array,
    )


def _preset(
    location: str,
    seed: int,
    timeout: float,
    given: Mapping[str, str],
    tell: Tell,
) -> VideoSet:
    preset, options = preset_parts(location)
    count = whole_number(options.pop("n", str(preset.clips)), "n", location, 1)
    own_seed = whole_number(options.pop("seed", str(seed)), "seed", location, 0)
    if count > MOST_CLIPS:
        raise UsageError(f"n={count} in {location} is too many.", f"Give at most {MOST_CLIPS:,}.")
    options = {**given, **options}
    generator = preset.configured(**options)
    for option in _GIVEN:
        if option in options and option not in needs(generator):
            said = f"{option}={options[option]} means nothing for {location}."
            raise UsageError(said, f"{_GIVEN[option]} Leave it away.")
    place = _real_part(location, preset, generator)
    for recipe in textures_of(generator):
        recipe.prepare(tell)
    generator.identity(own_seed)  # what it reads from elsewhere is there
    whole = {"generator": preset.generator, "seed": own_seed, **preset.knobs, **options}
    address = f"{preset.name}?{urlencode(whole)}"
    drawn, wanted = list(range(count)), 0
    if place:
        drawn = [i for i in drawn if not generator.is_real(i)]  # type: ignore[attr-defined]
        wanted = count - len(drawn)
    fps = generator.fps
    clips = tuple(
        ClipRef(
            f"{preset.name}/{i}", "preset", address, i, generator.label(own_seed, preset.name, i), fps=fps
        )
        for i in drawn
    )
    told = {c.id: s for c in clips if (s := generator.source(own_seed, preset.name, c.index)) is not None}
    # clips that share no source with another are independent draws: they need no telling
    origins = {c.id: told.get(c.id, c.id) for c in clips} if len(set(told.values())) < len(told) else {}
    said = f"{layouts.count_of(len(clips), 'clip')} drawn by preset {preset.name}, seed {own_seed}"
    notes: tuple[str, ...] = (f"{preset.name}: {preset.note}",) if origins else ()
    notes += tuple(_broken_pictures(generator, own_seed, preset.name))
    skipped: tuple[tuple[str, str], ...] = ()
    # opened even where none of the first clips is a real one: what is missing must not pass unseen
    real = open_set(place, seed=seed, decode_timeout=timeout, tell=tell) if place else None
    if real is not None and wanted:
        if real.found < wanted:
            most = count * real.found // wanted
            raise DataError(
                f"{location} wants {layouts.count_of(wanted, 'real clip')}; {place} has {real.found}.",
                f"Give more, or n={most} at most." if most else "Give more.",
            )
        real = real.draw(wanted)
        clips += tuple(replace(c, id=f"{REAL}/{c.id}") for c in real.clips)
        skipped = tuple((f"{REAL}/{i}", reason) for i, reason in real.skipped)
        if of_real := real.sources:  # then the others are each a source of their own
            origins = {c.id: origins.get(c.id, c.id) for c in clips if c.kind == "preset"}
            origins |= {f"{REAL}/{c.id}": of_real[c.id] for c in real.clips}
        said += f"; {layouts.count_of(wanted, 'real clip')} of {place}, drawn by hash"
        notes += real.notes
    return VideoSet(
        "", location, "preset", said, clips, skipped=skipped, sources=origins or None, notes=notes
    )


def in_order(opened: VideoSet) -> list[ClipRef]:
    """The clips of a preset by their numbers. Real ones fill the places of those that are not drawn, in the
    order by which they were chosen, so that a larger set gives clip i the same one.
    """
    begin = f"{REAL}/"
    drawn = {c.index: c for c in opened.clips if not c.id.startswith(begin)}
    taken = [c for c in opened.clips if c.id.startswith(begin)]
    rest = iter(sorted(taken, key=lambda c: rank(c.id.removeprefix(begin))))
    places = (drawn.get(i) or next(rest, None) for i in range(opened.found))
    return [*filter(None, places), *rest]


def preset_parts(location: str) -> tuple[Preset, dict[str, str]]:
    """The preset that a `preset:` location names, and what its query says, each key one that it may say.

    Raises UsageError for unknown presets, keys that it may not say or says twice.
    """
    from synvid_eval import knobs
    from synvid_eval.generators import presets, registry

    name, _, query = location.removeprefix("preset:").partition("?")
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in options:
            raise UsageError(f"{location} gives {key!r} twice.", "Give it once.")
        options[key] = value
    preset = presets.find(name)
    known = ["n", "seed", *knobs.names(registry.get(preset.generator))]
    unknown = [k for k in options if k not in known]
    if unknown:
        raise UsageError(f"{preset.name} has no knob {unknown[0]!r}.", nearest(unknown[0], known))
    return preset, options


def _configured(location: str) -> Generator:
    """The generator of a `preset:` location; UsageError as of `presets`."""
    preset, options = preset_parts(location)
    return preset.configured(**{k: v for k, v in options.items() if k not in ("n", "seed")})


def check_usage(location: str) -> None:
    """UsageError where a location cannot be meant, told before anything is looked for on disk: unknown
    presets and knobs, values out of range.
    """
    if _scheme(location) == "preset":
        _configured(location)
    elif _scheme(location) == "adapt":
        chain, place, _ = _adapt_parts(location)
        check_usage(_with_adapt(place, chain) if _scheme(place) == "preset" else place)
    elif _scheme(location) == "corrupt":
        check_usage(_corrupt_parts(location)[1])


def textures_of(generator: Generator) -> list[Texture]:
    """The textures that a generator shows, whatever for."""
    return [recipe for recipe, _ in _drawn_from(generator, "")]


def _drawn_from(generator: Generator, preset: str) -> Iterator[tuple[Texture, str]]:
    """The textures that a generator shows, each with the name of the pool that it is drawn from."""
    from synvid_eval.generators import pool
    from synvid_eval.generators.shapes import POOL, Shapes

    shared = POOL if isinstance(generator, Shapes) else preset
    for knob, name in (("textures", shared), ("stills", preset)):
        if text := getattr(generator, knob, ""):
            yield from ((r, name) for r in pool.recipes(text, getattr(generator, "images", "")))


def needs(generator: Generator) -> set[str]:
    """Which of "images" and "videos" a generator has to be given."""
    found = {"images"} if any(hasattr(texture, "images") for texture in textures_of(generator)) else set()
    return found | ({"videos"} if getattr(generator, "real_share", 0) else set())


def _real_part(location: str, preset: Preset, generator: Generator) -> str:
    """Where the real clips of a preset come from; "" where it has none."""
    from synvid_eval.generators.mixture import ENVIRONMENT, Mixture

    if not isinstance(generator, Mixture) or not generator.real_share:
        return ""
    place = generator.videos or os.environ.get(ENVIRONMENT, "")
    if not place:
        raise DataError(
            f"{preset.name} has a real part, and no videos are given.",
            f"Give --videos SET, such as a folder of UCF101's clips; or set {ENVIRONMENT}.",
        )
    if is_measured(place):
        raise DataError(f"--videos {place} is measured already and holds no video.", "Give the set itself.")
    if _scheme(place) == "preset" and "videos" in needs(_configured(place)):
        raise UsageError(f"--videos {place} has a real part itself.", "Give real videos.")
    return place


def _broken_pictures(generator: Generator, seed: int, preset: str) -> Iterator[str]:
    """A note for each folder of pictures that a generator shows of which some cannot be read: which, why."""
    yield from filter(None, (broken_note(r, seed, name) for r, name in _drawn_from(generator, preset)))


def broken_note(recipe: Texture, seed: int, pool: str) -> str:
    """Which of the pictures that a texture shows in a pool cannot be read, and why; "" where all can."""
    from synvid_eval.generators.photos import CHECKED, Photos

    if not isinstance(recipe, Photos) or not (broken := recipe.broken(seed, pool)):
        return ""
    files = recipe.files()
    looked = min(len(files.names), CHECKED)
    which = "; ".join(f"{name}: {reason}" for name, reason in broken)
    return f"{len(broken)} of {looked} pictures of {files.root}{UNREADABLE}{which}"


def whole_number(text: str, key: str, location: str, low: int) -> int:
    """What a location says as a whole number from `low` on; UsageError for anything else."""
    if not text.isascii() or not text.isdigit() or int(text) < low:
        raise UsageError(f"{key}={text} in {location} is no whole number from {low} on.")
    return int(text)


def _cut_parts(location: str) -> tuple[str, str]:
    """(movie, query) of `cut:MOVIE?seconds=…`: a movie's own name may hold a question mark."""
    movie, _, query = location.removeprefix("cut:").rpartition("?")
    return (movie, query) if movie else (query, "")


def _look(movie: str, timeout: float, stamp: str) -> dict[str, Any]:
    """The prober's facts of a video (`total` frames, `fps`, …), read in a process of its own: a file that
    hangs or crashes FFmpeg ends in a DataError.
    """
    pool = Processes("synvid_eval.prober", 1, {"loud": False}, timeout)
    try:
        clip = ClipRef(layouts.clip_id(os.path.basename(movie)), "file", movie, stamp=stamp)
        ((_, answer),) = pool.map([{"clip": asdict(clip)}])
    finally:
        pool.close()
    reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
    if isinstance(answer, Failure) or reason is not None:
        raise DataError(f"{movie}: {str(reason).rstrip('.')}.", "cut: wants one video file.")
    return answer[1]


def _cut(location: str, seed: int, timeout: float, given: Mapping[str, str], tell: Tell) -> VideoSet:
    movie, query = _cut_parts(location)
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if not pairs or len(pairs) > 1 or "seconds" not in options:
        raise UsageError(f"{location} cannot be read.", "It is cut:MOVIE?seconds=4.")
    try:
        seconds = float(options["seconds"])
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(
            f"seconds={options['seconds']} in {location} is no length.", "Give seconds, such as 4."
        )
    at = remote.place(remote.checked(movie))
    with remote.telling(at):
        if not at.is_file():
            raise DataError(
                f"{movie} {'is a folder' if at.is_dir() else 'does not exist'}.", "cut: wants one video file."
            )
        stamp = remote.object_of(at.text).stamp if isinstance(at, remote.Url) else ""
    facts = _look(os.fspath(at), timeout, stamp)
    seeks = cut.may_seek(str(facts.get("container", "")), str(facts.get("codec", "")))
    clips, said, notes = cut.cut_movie(at, seconds, facts["total"], facts["fps"], seeks, stamp)
    # pieces of one film are no independent draws: one source, and so no interval
    sources = dict.fromkeys((c.id for c in clips), layouts.clip_id(os.path.basename(movie)))
    return VideoSet("", location, "cut", said, clips, sources=sources, notes=notes)


def _adapt_parts(location: str) -> tuple[adapting.Chain, str, dict[str, str]]:
    """(chain, location of the set, options) of `adapt:CHAIN?of=LOCATION`."""
    from synvid_eval.generators import adapting

    text, place, options = _derived_parts(location, "adapt:shake,zoom?of=SET")
    if unknown := [key for key in options if key != "seed"]:
        raise UsageError(f"{location} gives {unknown[0]!r}, which means nothing.", "It takes seed and of.")
    _once(place)
    return adapting.parsed(text), place, options


def _derived_parts(location: str, example: str) -> tuple[str, str, dict[str, str]]:
    """(what is done, location of the set, options) of `SCHEME:WHAT?OPTIONS&of=LOCATION`.

    `of` takes the rest; only where that has no query of its own may options follow.
    """
    text, _, query = location.partition(":")[2].partition("?")
    match = re.fullmatch(r"((?:(?!of=)[^&]*&)*)of=(.+)", query, re.S)
    if match is None:
        raise UsageError(f"{location} cannot be read.", f"It is {example}, in quotes.")
    before, place = match[1], match[2]
    if "?" not in place and not os.path.lexists(place):
        place, _, after = place.partition("&")
        before = f"{before}&{after}"
    return text, place, dict(parse_qsl(before, keep_blank_values=True))


def _once(place: str) -> None:
    """UsageError where the clips of a location are adapted already."""
    if _scheme(place) == "adapt" or (_scheme(place) == "preset" and _configured(place).adapt):
        raise UsageError(f"{place} is adapted already.", "Give one chain with all operations.")


def _with_adapt(place: str, chain: adapting.Chain) -> str:
    """The location of a preset, with what adapts its clips."""
    return f"{place}{'&' if '?' in place else '?'}{urlencode({'adapt': chain.spelled})}"


def _adapt(location: str, seed: int, timeout: float, given: Mapping[str, str], tell: Tell) -> VideoSet:
    chain, place, options = _adapt_parts(location)
    own_seed = whole_number(options.get("seed", str(seed)), "seed", location, 0)
    if _scheme(place) == "preset":  # one seed draws its clips and what is done to them
        if options:
            raise UsageError(f"seed={own_seed} in {location} means nothing.", "Say it in the preset's query.")
        return replace(_preset(_with_adapt(place, chain), seed, timeout, given, tell), location=location)
    return replace(adapt(place, chain, own_seed, decode_timeout=timeout, tell=tell), location=location)


def adapt(location: str, chain: adapting.Chain, seed: int, **asked: Any) -> VideoSet:
    """The set of a location with its clips adapted (see `synvid_eval.adapted`). asked: further keywords of
    `open_set`.

    Raises:
        UsageError: a preset, which has a knob for it; a set that is adapted already. DataError: a `.measured`
        file; see `open_set`.
    """
    _not_measured(location)
    _once(location)
    if _scheme(location) == "preset":
        raise UsageError(
            f"{location} is drawn: a preset adapts its clips itself.",
            f"Such as: synvid-eval generate NAME OUT --set adapt={chain.names}.",
        )
    return adapted.adapted(open_set(location, seed=seed, **asked), chain, seed)


def _not_measured(location: str) -> None:
    """DataError for a file of measurements, of which no video can be made."""
    if is_measured(location):
        raise DataError(f"{location} is measured already and holds no video.", "Give the set it was made of.")


def _corrupt_parts(location: str) -> tuple[Corruption, str, dict[str, str]]:
    """(corruption, location of the set, `seed` where it is given) of `corrupt:NAME?severity=…&of=LOCATION`;
    every knob of the corruption may stand beside its severity.
    """
    text, place, options = _derived_parts(location, "corrupt:gaussian_noise?severity=3&of=SET")
    own = {k: options.pop(k) for k in list(options) if k != "seed"}
    return corruption_of(text, own), place, options


def corruption_of(name: str, settings: Mapping[str, str]) -> Corruption:
    """A corruption with knobs set from text; UsageError for what does not exist or is out of range."""
    from synvid_eval import knobs
    from synvid_eval.corruptions import registry

    return knobs.replace(registry.get(name)(), settings)


def _corrupt(location: str, seed: int, timeout: float, given: Mapping[str, str], tell: Tell) -> VideoSet:
    corruption, place, options = _corrupt_parts(location)
    own_seed = whole_number(options.get("seed", str(seed)), "seed", location, 0)
    asked: dict[str, Any] = {"decode_timeout": timeout, "tell": tell, **given}
    return replace(corrupt(place, corruption, own_seed, of_seed=seed, **asked), location=location)


def corrupt(
    location: str, corruption: Corruption, seed: int, of_seed: int | None = None, **asked: Any
) -> VideoSet:
    """The set of a location with its clips corrupted (see `synvid_eval.corrupted`).

    Args:
        of_seed: that of the set, where it is drawn (default: the same). asked: further keywords of
            `open_set`.

    Raises:
        UsageError: it is corrupted so already. DataError: a `.measured` file; see `open_set`.
    """
    _not_measured(location)
    plain = open_set(location, seed=seed if of_seed is None else of_seed, **asked)
    return corrupted.corrupted(plain, corruption, seed)


SCHEMES: dict[str, Callable[[str, int, float, Mapping[str, str], Tell], VideoSet]] = {
    "preset": _preset,
    "cut": _cut,
    "adapt": _adapt,
    "corrupt": _corrupt,
}


@lru_cache(maxsize=8)
def _generator(address: str) -> tuple[Generator, str, int]:
    """The generator that a clip's address stands for, whole: no preset is looked up, so a preset file that
    was changed since changes nothing.
    """
    from synvid_eval import knobs
    from synvid_eval.generators import registry

    name, _, query = address.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    generator, seed = registry.get(options.pop("generator")), int(options.pop("seed"))
    return knobs.replace(generator(), options), name, seed


def preset_generator(ref: ClipRef) -> Generator:
    """The configured generator that draws a preset's clip."""
    return _generator(ref.path)[0]


def preset_recipe(ref: ClipRef) -> str:
    """Everything that decides the pixels of a preset's clip, as text: what stands for its content hash."""
    return f"{_identity(ref.path)} {ref.index}"


@lru_cache(maxsize=8)
def _identity(address: str) -> str:
    generator, name, seed = _generator(address)
    return f"{name} {json.dumps(generator.identity(seed), sort_keys=True)} {seed}"


class PresetClip:
    """A preset's clip: only wanted frames are drawn."""

    def __init__(self, ref: ClipRef) -> None:
        self._generator, self._preset, self._seed = _generator(ref.path)
        self._index, self.fps = ref.index, ref.fps
        self.total = self._generator.clip_length(self._seed, self._preset, ref.index)

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`."""
        drawn = self._generator.draw(self._seed, self._preset, self._index, wanted)
        return zip(wanted, drawn, strict=True)

    def redrawn(self) -> int:
        """How often the clip was drawn again; see `Generator.redrawn`."""
        return self._generator.redrawn(self._seed, self._preset, self._index)

    def truth(self, wanted: Sequence[int], kinds: Sequence[str]) -> dict[str, NDArray[Any]]:
        """What is exactly known of the wanted frames; see `Generator.truth`."""
        return self._generator.truth(self._seed, self._preset, self._index, wanted, kinds)


def _array_clip(ref: ClipRef, beat: Beat = _silent) -> Reader:
    """An element of an array file, or a file that is one clip; Unreadable where it cannot be read."""
    try:
        whole = arrays.open_array(remote.place(ref.path), ref.stamp, beat).frames
        if ref.index < 0 and whole.ndim != 4:
            raise decode.Unreadable(
                "its `frames` are many clips [N, T, H, W, 3]: give the file itself as a set"
            )
        return decode.ArrayClip(ref, beat, whole)
    except (MemoryError, OSError) as error:
        raise decode.Unreadable.because(error) from None
    except DataError as error:
        reason = error.message.rstrip(".").removeprefix(f"{ref.path} ")
        wanted = "; wanted is `frames` uint8 RGB [T, H, W, 3]" if ref.index < 0 else ""
        raise decode.Unreadable(reason + wanted) from None


def _tar_clip(ref: ClipRef, beat: Beat) -> Reader:
    return decode.VideoFile(ref, beat, lambda: spans.opened_clip(ref, beat))


# What is read from a disk or a store: it may wait, and says while it does that it does not hang.
_READERS: dict[str, Callable[[ClipRef, Beat], Reader]] = {
    "file": decode.VideoFile,
    "frames": decode.FrameFolder,
    "array": _array_clip,
    "cut": cut.CutClip,
    spans.KIND: _tar_clip,
}


def open_clip(
    ref: ClipRef, array: NDArray[Any] | None = None, beat: Callable[[], None] | None = None
) -> Reader:
    """Opens one clip for reading; `array` is a set in memory; `beat` is called while a file is read and
    decoded.

    Raises decode.Unreadable.
    """
    if ref.kind == "memory" and array is not None:
        return decode.ArrayClip(ref, array=array)
    if ref.kind in derived.KINDS:
        made = adapted.AdaptedClip if ref.kind == adapted.KIND else corrupted.CorruptedClip
        return made(ref, lambda part: open_clip(part, array, beat))
    if ref.within:
        long_lists.check(ref)
    return PresetClip(ref) if ref.kind == "preset" else _READERS[ref.kind](ref, beat or _silent)
