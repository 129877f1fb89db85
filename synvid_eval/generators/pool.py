"""Pools of textures: a number of pictures of one recipe, made when first wanted, kept for every process.

A pool is (texture with its knobs, seed, name, count). It lies in two files of one folder, by the same stem:

    STEM.rgbx   uint8 [count, size, size, 4]: R, G, B and a byte that is 0, memory-mapped
    STEM.done   uint64 [count], little-endian: a checksum of each texture that is there, 0 where none is yet
    STEM.json   what it is a pool of

A texture is written before its checksum, and its checksum is compared when a process first looks at it: what
a killed or a second process left half done is made again, with the same bytes. So any number of processes may
use and fill a pool together. A *bank* is a pool with a stem that people can read (`stylegan.rgbx`), made
completely and beforehand.

Where pools lie: `textures/` of the cache folder, or a temporary folder where there is no cache (`keep_in`).
Where nothing can be written, a pool is kept in this process's memory.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import archive, knobs
from synvid_eval.cache import default_root
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.generators.texture import Texture

Ints = NDArray[np.int64]

SCHEMA = "synvid-eval/textures/1"

_FOLDER = "SYNVID_EVAL_POOLS"  # how worker processes learn of `keep_in`

_MEND = "run its textures make again, which mends it."


class Pool:
    """A pool of textures (see the module's docstring).

    recipe: the texture with its knobs. seed, name: what addresses its pictures. count: how many. refused:
    what the system said where files cannot be written, and the pool went on in memory.
    """

    def __init__(
        self, recipe: Texture, seed: int, name: str, count: int, folder: Path | None, stem: str = ""
    ) -> None:
        """Names a pool; its files are made when it is first looked into.

        Args:
            folder: None keeps it in memory. stem: of the files (default: a hash of what it is a pool of).

        Raises:
            UsageError: files of that stem hold another pool, or do not say what they hold.
        """
        self.recipe, self.seed, self.name, self.count = recipe, seed, name, count
        self.identity: dict[str, Any] = {**recipe.identity(), "seed": seed, "pool": name, "count": count}
        self._each = recipe.size**2 * 4
        self._known = np.zeros(count, bool)
        self._complete = self._open = False
        self.refused = ""
        self._text = json.dumps({"schema": SCHEMA, **self.identity}, sort_keys=True, indent=1)
        self._stem = stem or hashlib.blake2b(self._text.encode(), digest_size=12).hexdigest()
        self._folder = folder
        if stem and folder is not None:
            self._check_named()

    def _check_named(self) -> None:
        """UsageError unless the files of a bank that are there are of this very pool."""
        pictures, seen = self._path("rgbx"), self._path("json")
        filled = pictures.is_file() and pictures.stat().st_size > 0  # first: it is written after its text
        if not seen.is_file():
            if filled:
                raise UsageError(
                    f"{pictures} is there without {seen.name}, which says what it holds.",
                    "Copy that file, too, or take another folder.",
                )
        elif seen.read_bytes().strip() != self._text.encode():
            raise UsageError(
                f"{seen} tells of other textures than are to be made.",
                "Take another folder, or the knobs, seed and number that it says.",
            )

    def _opened(self) -> None:
        """Maps the pool's files, and makes them where they are missing; what was cut off is missing."""
        if self._open:
            return
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                if not self._path("json").is_file():
                    archive.write_bytes(self._path("json"), (self._text + "\n").encode())
                whole = min(self._sized("rgbx", self._each), self._sized("done", 8))
                self._map()
                for index in (whole + np.flatnonzero(self._done[whole:])).tolist():
                    if not self._sound(index):
                        self._write("done", index * 8, bytes(8))
            except OSError as error:
                self._folder, self.refused = None, error.strerror or str(error)
        if self._folder is None:
            self._keep(np.zeros((self.count, self.recipe.size, self.recipe.size, 4), np.uint8))
        self._open = True

    def _sized(self, suffix: str, each: int) -> int:
        """Gives a file its size, and says how many textures' worth it had."""
        with open(self._path(suffix), "ab") as file:
            had = file.tell()
            if had != self.count * each:
                file.truncate(self.count * each)
        return min(had // each, self.count)

    @classmethod
    def bank(cls, folder: Path, recipe: Texture) -> Pool:
        """Opens the complete bank of that kind of texture in a folder (`NAME.rgbx`).

        Raises:
            DataError: files that are missing, cut short or not complete; another size or other knobs.
        """
        pool = cls.__new__(cls)
        pool._folder, pool._stem, pool._complete, pool._open = folder, recipe.name, True, True
        where = pool._path("rgbx")
        try:
            identity = json.loads(pool._path("json").read_text("utf-8"))
            pool.seed, pool.name, pool.count = (identity[key] for key in ("seed", "pool", "count"))
            if identity.pop("schema") != SCHEMA:
                raise ValueError("another schema")
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(
                f"The bank {where} has no readable {recipe.name}.json ({type(error).__name__}).",
                "It is written beside the bank: copy it, too, or make the bank anew in another folder.",
            ) from None
        plain = {f.name: f.default for f in fields(recipe) if f.name in recipe.later}
        for knob, value in {"texture": recipe.name, **knobs.recipe(recipe)}.items():
            seen = identity.get(knob, plain.get(knob))
            if seen != value:
                raise DataError(
                    f"The bank {where} was made with {knob}={seen}, wanted is {value}.",
                    f"Name what it holds: textures={recipe.name}({knob}={seen}).",
                )
        pool.recipe, pool.identity, pool._each = recipe, identity, recipe.size**2 * 4
        pool._known = np.zeros(pool.count, bool)
        try:
            sizes = (os.path.getsize(where), os.path.getsize(pool._path("done")))
            if sizes != (pool.count * pool._each, pool.count * 8):
                raise DataError(f"The bank {where} is cut short.", f"Copy it again, or {_MEND}")
            pool._map()
        except OSError as error:
            raise DataError(
                f"The bank {where} cannot be read: {error.strerror}.", "May you read it?"
            ) from None
        missing = pool.count - int((pool._done != 0).sum())
        if missing:
            raise DataError(
                f"The bank {where} is not complete: {missing} of {pool.count} textures are missing.",
                "Run textures make again: it goes on.",
            )
        return pool

    def texture(self, index: int) -> NDArray[np.uint8]:
        """Texture `index`, 0 ≤ index < count, made where it is missing: uint8 [size, size, 4] RGBX, a
        read-only view.
        """
        self.need([index])
        found: NDArray[np.uint8] = self._bytes[index]
        return found

    def need(self, indices: Iterable[int]) -> None:
        """Makes those of these textures that are missing.

        Raises:
            DataError: a damaged texture of a bank; whatever the texture's own recipe raises.
        """
        self._opened()
        for index in indices:
            if not self._known[index]:
                if not self._sound(int(index)):
                    self._make(int(index))
                self._known[index] = True

    def missing(self, indices: Iterable[int] | None = None) -> list[int]:
        """Those of these textures (default: all) that are not there yet; damage shows when one is used."""
        self._opened()
        return [i for i in (range(self.count) if indices is None else indices) if not self._done[i]]

    def sound(self, index: int) -> bool:
        """Whether texture `index` is there as it was written; its picture is read for it."""
        self._opened()
        return self._sound(index)

    @property
    def words(self) -> NDArray[np.uint32]:
        """uint32 [count, size, size], the pictures as little-endian RGBX words, read-only; those that `need`
        was asked for are valid.
        """
        self._opened()
        return self._words

    @property
    def is_bank(self) -> bool:
        """Whether it was made completely and beforehand."""
        return self._complete

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return self.count * self._each

    @property
    def path(self) -> Path | None:
        """The file of its pictures; None where it is kept in memory."""
        self._opened()
        return None if self._folder is None else self._path("rgbx")

    def _path(self, suffix: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._stem}.{suffix}"

    def _map(self) -> None:
        maps = []
        for suffix in ("rgbx", "done"):
            with open(self._path(suffix), "rb") as file:
                maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self._done = np.frombuffer(maps[1], "<u8")
        self._keep(np.frombuffer(maps[0], np.uint8).reshape(self.count, -1, self.recipe.size, 4))

    def _keep(self, pictures: NDArray[np.uint8]) -> None:
        self._store = pictures
        self._bytes = pictures.view()
        self._bytes.flags.writeable = False
        self._words = self._bytes.view(np.uint32)[..., 0]
        if self._folder is None:
            self._done = np.zeros(self.count, np.uint64)

    def _sound(self, index: int) -> bool:
        """Whether a texture is there as it was written."""
        said = int(self._done[index])
        return said != 0 and said == _checksum(self._bytes[index])

    def _make(self, index: int) -> None:
        if self._complete:
            raise DataError(
                f"Texture {index} of the bank {self.path} is damaged.",
                f"Copy the bank again, or {_MEND}",
            )
        texture = np.zeros((self.recipe.size, self.recipe.size, 4), np.uint8)
        texture[..., :3] = self.recipe.picture(self.seed, self.name, index)
        if self._folder is not None:
            try:
                self._write("rgbx", index * self._each, texture.tobytes())
                self._write("done", index * 8, _checksum(texture).to_bytes(8, "little"))
                return
            except OSError as error:
                self._into_memory()
                self.refused = error.strerror or str(error)
        self._store[index] = texture
        self._done[index] = _checksum(texture)

    def _write(self, suffix: str, at: int, data: bytes) -> None:
        with open(self._path(suffix), "r+b", buffering=0) as file:
            file.seek(at)
            if file.write(data) != len(data):
                raise OSError("disk full")

    def _into_memory(self) -> None:
        """What can no longer be written (a full disk) goes on in memory; what was read so far is kept."""
        old, done, known = self._bytes, self._done, np.flatnonzero(self._known)
        self._folder = None
        self._keep(np.zeros(old.shape, np.uint8))
        self._store[known], self._done[known] = old[known], done[known]


def _checksum(texture: NDArray[np.uint8]) -> int:
    """A checksum in [1, 2**64)."""
    digest = hashlib.blake2b(np.ascontiguousarray(texture).data, digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def keep_in(root: Path | None) -> None:
    """Says where pools of this process and of those it starts from now on lie: `root`/textures; None: a
    temporary folder, removed when this process ends.
    """
    if root is None:
        folder = Path(tempfile.mkdtemp(prefix="synvid-eval-"))
        owner = os.getpid()
        atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    else:
        folder = root / "textures"
    os.environ[_FOLDER] = os.fspath(folder)


@contextlib.contextmanager
def kept_apart() -> Iterator[None]:
    """Pools of this process and of those that it starts lie in a temporary folder of their own meanwhile."""
    before = os.environ.get(_FOLDER)
    with tempfile.TemporaryDirectory(prefix="synvid-eval-") as place:
        os.environ[_FOLDER] = place
        try:
            yield
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before


def folder() -> Path:
    """Where pools lie (see `keep_in`; unless it was called, in the default cache folder)."""
    given = os.environ.get(_FOLDER)
    return Path(given) if given else default_root() / "textures"


def recipes(text: str, images: str = "") -> list[Texture]:
    """The textures that a text names: `NAME` or `NAME(knob=value,…)`, joined by + (or blanks).

    Args:
        images: becomes the knob `images` of those that have one and are not given it.

    Raises:
        UsageError: unknown textures or knobs (names the nearest), values out of range, a text that cannot be
        read, the same kind twice.
    """
    return list(_recipes(text, images))


@functools.lru_cache(maxsize=64)  # asked for each clip
def _recipes(text: str, images: str) -> tuple[Texture, ...]:
    from synvid_eval.generators import textures

    found: list[Texture] = []
    parts = [part for part in re.split(r"[+\s]+(?![^()]*\))", text.strip()) if part]
    for part in parts:
        called = knobs.called(part, f"textures={text[:80]}")
        if called is None:
            raise UsageError(
                f"textures={text[:80]} cannot be read at {part[:40]!r}.",
                "It is NAME or NAME(knob=value,knob=value), joined by +.",
            )
        name, given = called
        kind = textures.get(name)
        if images and "images" in knobs.names(kind) and "images" not in given:
            given["images"] = images
        found.append(knobs.replace(kind(), given))
    if not found:
        raise UsageError(f"textures={text!r} names none.", nearest("", textures.names()))
    if len(set(found)) < len(found):
        raise UsageError(f"textures={text[:80]} names one twice.", "Name each once: they have equal shares.")
    return tuple(found)


def shared(given: Sequence[Texture], seed: int, name: str, count: int, bank: str = "") -> list[Pool]:
    """The pools of several recipes, opened once a process: `count` textures in all, in equal shares (the
    first ones get what is left over), or a recipe's bank where the folder `bank` has one.

    Raises:
        DataError: `bank` is no folder or holds none of them; see `Pool.bank`.
        UsageError: fewer textures than recipes.
    """
    if count < len(given):
        raise UsageError(f"pool={count} is less than a texture for each of {len(given)} kinds.")
    return _shared(tuple(given), seed, name, count, bank, os.fspath(folder()))


@functools.lru_cache(maxsize=32)
def _shared(
    given: tuple[Texture, ...], seed: int, name: str, count: int, bank: str, where: str
) -> list[Pool]:
    # by recipe, not by contents: which pictures a folder holds is settled once a process (`photos`)
    found = []
    kept = [r for r in given if bank and Path(bank, f"{r.name}.rgbx").is_file()]
    if bank and not kept:
        names = " or ".join(f"{r.name}.rgbx" for r in given)
        raise DataError(f"The folder {bank} holds no bank {names}.", "Make one: synvid-eval textures make.")
    for number, recipe in enumerate(given):
        share = count // len(given) + (number < count % len(given))
        if recipe in kept:
            found.append(Pool.bank(Path(bank), recipe))
        else:
            found.append(Pool(recipe, seed, name, share, Path(where)))
    return found


def shares(given: Sequence[Pool], draws: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Which pool and which texture of it each draw takes: int64 [N] each. Equal shares whatever the counts.

    The draw's upper half chooses the pool, its lower half the texture.
    """
    which = ((draws >> np.uint64(32)) * np.uint64(len(given)) >> np.uint64(32)).astype(np.int64)
    counts = np.array([p.count for p in given], np.uint64)[which]
    index = ((draws & np.uint64(2**32 - 1)) * counts >> np.uint64(32)).astype(np.int64)
    return which, index


class Stills:
    """What ids show where textures do not evolve: the pools' own pictures.

    which, index: int64 [N + 1], the pool and the texture of it that each id shows.
    """

    def __init__(self, given: Sequence[Pool], which: Ints, index: Ints) -> None:
        self._pools, self._which, self._index = given, which, index

    def banks(self, visible: Ints) -> Iterator[tuple[NDArray[np.uint32], Ints]]:
        """For the ids that the next frame shows: arrays of textures uint32 [B, Z, Z], read-only, and which of
        them each id shows, int64 [N + 1], −1 for ids whose texture is not in this array.
        """
        for number, pool in enumerate(self._pools):
            own = visible[self._which[visible] == number]
            if len(own):
                pool.need(self._index[own])
                slots = np.full(len(self._which), -1, np.int64)
                slots[own] = self._index[own]
                yield pool.words, slots


class Walks:
    """What ids show where textures evolve: each texture is walked through just the frames that show it.

    As `Stills`; frames: those that will be asked for, wanted: the ids that each of them shows.
    """

    def __init__(
        self, given: Sequence[Pool], which: Ints, index: Ints, frames: Sequence[int], wanted: Sequence[Ints]
    ) -> None:
        self._pools, self._which, self._index = given, which, index
        times: dict[tuple[int, int], list[int]] = {}
        for frame, visible in zip(frames, wanted, strict=True):
            for place in sorted(set(zip(which[visible].tolist(), index[visible].tolist(), strict=True))):
                times.setdefault(place, []).append(frame)
        self._walks = {
            (pool, texture): given[pool].recipe.walk(given[pool].seed, given[pool].name, texture, when)
            for (pool, texture), when in times.items()
        }

    def banks(self, visible: Ints) -> Iterator[tuple[NDArray[np.uint32], Ints]]:
        """See `Stills.banks`; to be called once for each of the frames, in their order."""
        for number, pool in enumerate(self._pools):
            own = visible[self._which[visible] == number]
            if len(own):
                textures = sorted(set(self._index[own].tolist()))
                pictures = np.zeros((len(textures), pool.recipe.size, pool.recipe.size, 4), np.uint8)
                for k, texture in enumerate(textures):
                    pictures[k, :, :, :3] = next(self._walks[number, texture])
                pictures.flags.writeable = False
                slots = np.full(len(self._which), -1, np.int64)
                slots[own] = np.searchsorted(textures, self._index[own])
                yield pictures.view(np.uint32)[..., 0], slots
