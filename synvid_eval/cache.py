"""The cache: measured shards by what made them, and an index of content hashes. Damage is noticed and redone.

An entry's name is the hash of everything that decides its bytes (clips with content hashes, seed, sampler,
feature, decoder), so it is never wrong, only missing. Writes go aside and are renamed: a killed run leaves
nothing half done, and several processes may share a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval import archive, locks
from synvid_eval.errors import DataError
from synvid_eval.states import Arrays
from synvid_eval.video import remote, spans

# A file changed less than this ago may change again within the clock's grain, so its hash is not kept.
SETTLED_NS = 2_000_000_000

TARS, LOCK = "tars", ".lock"
"""Where `video.tar_store` keeps what it knows, and the file that who uses an unpacked tar file locks."""

# Seconds between two writings of an index while files are hashed.
_INDEX_EVERY = 5.0

# Parts of a file that are handed out to be hashed at once: what waits takes memory.
_AT_ONCE = 1024

# What lies in a cache folder, and what each file is. Only these are ever removed.
_PATTERNS = (
    ("shards/??/*.safetensors", "shard"),
    ("index/*.json", "index"),
    ("index/*.parts", "index"),
    ("tars/*.index", "index"),
    ("tars/*.tar", "tar"),
    ("textures/*.rgbx", "pool"),
    ("textures/.*.part", "part"),
    ("shards/??/.*.part", "part"),
    ("index/.*.part", "part"),
    ("tars/.*.part", "part"),
)

# A file that is written aside is renamed within seconds: one this old [s] was left by a killed run.
_STALE = 3600.0


def default_root() -> Path:
    """`SYNVID_EVAL_CACHE`, else the user's cache folder of this platform."""
    if given := os.environ.get("SYNVID_EVAL_CACHE"):
        return remote.local(given, "SYNVID_EVAL_CACHE").expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("synvid-eval"))


def _ignore(_: str) -> None:
    return None


@dataclass
class Cache:
    """A cache folder, or none (`root=None`: nothing is kept). `say` is told once when the folder cannot be
    used.
    """

    root: Path | None
    say: Callable[[str], None] = _ignore
    hits: int = 0
    damaged: int = 0
    _told: bool = False
    _stamps: dict[str, list[int]] = field(default_factory=dict)

    def _failed(self, doing: str, error: OSError) -> None:
        if not self._told:
            self._told = True
            reason = error.strerror or str(error)
            self.say(
                f"the cache {self.root} cannot be {doing} ({reason}): running without; "
                "--cache DIR gives another"
            )

    def _entry(self, key: str) -> Path | None:
        return None if self.root is None else self.root / "shards" / key[:2] / f"{key}.safetensors"

    def get(self, key: str) -> tuple[Arrays, dict[str, Any]] | None:
        """The entry of that key; None where it is missing or damaged (a damaged one is told of and will be
        redone).
        """
        path = self._entry(key)
        if path is None:
            return None
        try:
            arrays, meta = archive.read(path)
            if meta.get("key") != key:
                raise archive.Damaged("it is another one's")
        except FileNotFoundError:
            return None
        except OSError as error:
            if not isinstance(error, NotADirectoryError):
                self._failed("read", error)
            return None
        except archive.Damaged as error:
            self.damaged += 1
            if self.damaged == 1:
                self.say(
                    f"cache entry {path.name} is damaged ({error}): measured again, as are all others like it"
                )
            return None
        self.hits += 1
        return arrays, meta["entry"]

    def has(self, key: str) -> bool:
        """Whether an entry of that key is there (whether it is undamaged shows when it is read)."""
        path = self._entry(key)
        return path is not None and path.is_file()

    def put(self, key: str, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Keeps an entry; a cache that cannot be written is told of once and passed over."""
        if (path := self._entry(key)) is not None:
            self._write(path, archive.pack(arrays, {"key": key, "entry": meta}))

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            archive.write_bytes(path, data)
        except OSError as error:
            self._failed("written", error)

    def content_hashes(
        self,
        paths: Iterable[str],
        place: str,
        workers: int = 2,
        tell: Callable[[str, int], None] = lambda path, total: None,
    ) -> dict[str, str]:
        """Path → blake2b-128 of the file's bytes ("" where it cannot be read), reading only files that
        changed. A path may be the address of a part of a file (see `video.spans`).

        `place` names the index (one a set). A file counts as unchanged by its (path, size, mtime_ns, inode).
        `tell` hears of each file that was read, and how many there are to read. The index is written every
        few seconds, so that a run that is killed need not read them again.
        """
        index = self._index_path(place)
        known: dict[str, list[Any]] = _read_index(index)
        stamps: dict[str, list[int]] = {}
        hashes: dict[str, str] = {}
        unknown = []
        whole, within = _apart(paths)
        if within:
            hashes |= self._part_hashes(within, workers, tell)
        for path in whole:
            try:
                stamp = _stamp(path)
            except OSError:
                hashes[path] = ""
                continue
            stamps[path] = stamp
            self._stamps[path] = stamp
            entry = known.get(path)
            if entry and entry[:3] == stamp:
                hashes[path] = entry[3]
            else:
                unknown.append(path)
        if unknown:
            with ThreadPoolExecutor(max(1, workers)) as pool:
                written = time.monotonic()
                for path, content in zip(unknown, pool.map(file_hash, unknown), strict=True):
                    hashes[path] = content
                    tell(path, len(unknown))
                    if time.monotonic() - written > _INDEX_EVERY:
                        self._keep(index, known, stamps, hashes)
                        written = time.monotonic()
        self._keep(index, known, stamps, hashes)
        return hashes

    def _part_hashes(
        self, within: dict[str, list[str]], workers: int, tell: Callable[[str, int], None]
    ) -> dict[str, str]:
        """Address → hash of the parts of files, `within` each of them; every file has an index of its own."""
        hashes: dict[str, str] = {}
        todo: list[tuple[str, Parts]] = []
        for file, addresses in within.items():
            try:
                stamp = _stamp(file)
            except OSError:
                hashes |= dict.fromkeys(addresses, "")
                continue
            self._stamps[file] = stamp
            parts = Parts.read(self._parts_path(file), stamp)
            found = {a: known for a in addresses if (known := parts.hashes.get(spans.part_of(a)))}
            hashes |= found
            if missing := [a for a in addresses if a not in found]:
                todo.append((file, parts))
                within[file] = missing
        total = sum(len(within[file]) for file, _ in todo)
        with ThreadPoolExecutor(max(1, workers)) as pool:
            for file, parts in todo:
                written, missing = time.monotonic(), within[file]
                for begin in range(0, len(missing), _AT_ONCE):
                    few = missing[begin : begin + _AT_ONCE]
                    for address, content in zip(few, pool.map(file_hash, few), strict=True):
                        hashes[address] = content
                        tell(file, total)
                        if content:
                            parts.hashes[spans.part_of(address)] = content
                    if time.monotonic() - written > _INDEX_EVERY:
                        self._keep_parts(file, parts)
                        written = time.monotonic()
                self._keep_parts(file, parts)
        return hashes

    def _keep_parts(self, file: str, parts: Parts) -> None:
        path = self._parts_path(file)
        if path is not None and parts.stamp[1] < time.time_ns() - SETTLED_NS:
            self._write(path, parts.pack())

    def _parts_path(self, file: str) -> Path | None:
        path = self._index_path(file)
        return None if path is None else path.with_suffix(".parts")

    def _keep(
        self,
        index: Path | None,
        known: dict[str, list[Any]],
        stamps: dict[str, list[int]],
        hashes: dict[str, str],
    ) -> None:
        """Writes the index where it would say something new."""
        settled = time.time_ns() - SETTLED_NS
        fresh = {p: [*s, hashes[p]] for p, s in stamps.items() if hashes.get(p) and s[1] < settled}
        if index is not None and any(known.get(p) != entry for p, entry in fresh.items()):
            # what was not asked for (a run with --clips) is kept, unless it is gone
            kept = {p: e for p, e in known.items() if p not in stamps and os.path.exists(p)}
            self._write(index, _index(kept | fresh))

    def stamp(self, path: str) -> list[int] | None:
        """The stamp that `content_hashes` saw last of a file; None where it has seen none."""
        return self._stamps.get(path)

    def changed(self, path: str) -> bool:
        """Whether a file is no longer the one that `content_hashes` saw last."""
        file = spans.file_of(path)
        try:
            return self._stamps.get(file) not in (None, _stamp(file))
        except OSError:
            return file in self._stamps

    def _index_path(self, place: str) -> Path | None:
        if self.root is None:
            return None
        name = hashlib.blake2b(place.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
        return self.root / "index" / f"{name}.json"

    def info(self) -> dict[str, Any]:
        """Where the cache lies, entries and bytes it holds; DataError where the folder cannot be read."""
        if self.root is None:
            return {"root": None, "entries": 0, "bytes": 0, "indices": 0, "pools": 0, "tars": 0}
        try:
            shards = [p.stat().st_size for p in (self.root / "shards").glob("*/*.safetensors")]
            kinds = [pattern for pattern, kind in _PATTERNS if kind == "index"]
            indices = [p.stat().st_size for pattern in kinds for p in self.root.glob(pattern)]
            unpacked = [p.stat().st_size for p in (self.root / TARS).glob("*.tar")]
            pools = [_pool_size(p) for p in (self.root / "textures").glob("*.rgbx")]
        except OSError as error:
            raise DataError(
                f"The cache {self.root} cannot be read: {error.strerror}.", "--cache DIR gives another."
            ) from None
        return {
            "root": str(self.root),
            "entries": len(shards),
            "indices": len(indices),
            "pools": len(pools),
            "tars": len(unpacked),
            "bytes": sum(shards) + sum(indices) + sum(pools) + sum(unpacked),
        }

    def files(self) -> list[Kept]:
        """Every file of the cache, least recently used first; nothing else that lies in its folder.

        DataError where the folder cannot be read.
        """
        found: list[Kept] = []
        if self.root is None:
            return found
        for pattern, kind in _PATTERNS:
            try:
                paths = list(self.root.glob(pattern))
            except OSError as error:
                raise DataError(
                    f"The cache {self.root} cannot be read: {error.strerror}.", "--cache DIR gives another."
                ) from None
            for path in paths:
                with contextlib.suppress(OSError):  # another process may have removed it
                    facts = path.lstat()
                    if stat.S_ISREG(facts.st_mode):
                        used = max(facts.st_mtime, facts.st_atime)
                        size = _pool_size(path) if kind == "pool" else facts.st_size
                        found.append(Kept(path, kind, size, used))
        return sorted(found, key=lambda k: (k.used, str(k.path)))

    def prune(
        self,
        *,
        older_than: float | None = None,
        max_size: int | None = None,
        everything: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Removes files of the cache: those not used for `older_than` seconds, then the least recently used
        ones until `max_size` bytes are left, or all. What a killed run left half written goes after an hour.

        A file's last use is its access time where the system keeps one, else when it was written. A running
        measurement is not harmed: an entry that is gone is measured again, and unpacked tar files stay where
        any process uses some.
        """
        now, files = time.time(), self.files()
        tars = None if self.root is None else self.root / TARS / LOCK
        left = sum(k.size for k in files)
        removed = {"shard": 0, "index": 0, "pool": 0, "tar": 0, "part": 0}
        freed, refused = 0, 0
        with locks.unshared(tars) as unused:
            for kept in files:
                stale = kept.kind == "part" and now - kept.used > _STALE
                old = older_than is not None and kept.kind != "part" and now - kept.used > older_than
                over = max_size is not None and kept.kind != "part" and left > max_size
                if not (stale or old or over or (everything and kept.kind != "part")):
                    continue
                if kept.kind == "tar" and not unused:
                    refused += 1
                    continue
                try:
                    if not dry_run:
                        for beside in _beside(kept.path) if kept.kind == "pool" else ():
                            beside.unlink(missing_ok=True)
                        kept.path.unlink()
                except FileNotFoundError:
                    pass
                except OSError:
                    refused += 1
                    continue
                removed[kept.kind] += 1
                freed += kept.size
                left -= kept.size
        return {
            "root": None if self.root is None else str(self.root),
            "dry_run": dry_run,
            "removed": {
                "entries": removed["shard"],
                "indices": removed["index"],
                "pools": removed["pool"],
                "tars": removed["tar"],
                "parts": removed["part"],
            },
            "freed": freed,
            "left": left,
            "refused": refused,
        }


@dataclass(frozen=True)
class Kept:
    """A file of the cache: a "shard" entry, an "index", a "tar" file unpacked, a "pool" of textures (with
    what lies beside it; see `generators.pool`), or a "part" that a killed run left; size in bytes on disk,
    last use in seconds since 1970.
    """

    path: Path
    kind: str
    size: int
    used: float


def _beside(pool: Path) -> tuple[Path, ...]:
    """The files that belong to a pool of textures, the one that says which are there first."""
    return pool.with_suffix(".done"), pool.with_suffix(".json")


def _pool_size(pool: Path) -> int:
    """Bytes that a pool takes: its file has the full length at once, and is filled as textures are made."""
    size = 0
    for path in (pool, *_beside(pool)):
        with contextlib.suppress(OSError):
            facts = path.stat()
            size += min(facts.st_size, getattr(facts, "st_blocks", facts.st_size) * 512)
    return size


@dataclass
class Peek(Cache):
    """A cache that is looked at only: nothing is written, no file is hashed; of files that its index does not
    know, the hash is "".
    """

    def content_hashes(
        self,
        paths: Iterable[str],
        place: str,
        workers: int = 2,
        tell: Callable[[str, int], None] = lambda path, total: None,
    ) -> dict[str, str]:
        """Path → the hash that the index holds for the unchanged file; "" where there is none."""
        known = _read_index(self._index_path(place))
        hashes = {}
        whole, within = _apart(paths)
        for path in whole:
            entry = known.get(path)
            try:
                entry = entry if entry and entry[:3] == _stamp(path) else None
            except OSError:
                entry = None
            hashes[path] = entry[3] if entry else ""
        for file, addresses in within.items():
            try:
                parts = Parts.read(self._parts_path(file), _stamp(file))
            except OSError:
                parts = Parts([])
            hashes |= {a: parts.hashes.get(spans.part_of(a), "") for a in addresses}
        return hashes

    def _write(self, path: Path, data: bytes) -> None:
        return None


def _read_index(path: Path | None) -> dict[str, list[Any]]:
    if path is None:
        return {}
    try:
        blob = archive.regular(path)
        data = json.loads(blob)["files"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return {}
    # one that was damaged or altered, or is an older version's, is read as none: its files are hashed again
    return data if isinstance(data, dict) and blob == _index(data) else {}


def _index(files: dict[str, list[Any]]) -> bytes:
    """An index of path → [size, mtime_ns, inode, hash], with its checksum."""
    text = json.dumps(files)
    checksum = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f'{{"checksum": "{checksum}", "files": {text}}}'.encode()


def _stamp(path: str) -> list[int]:
    """What a file counts as unchanged by: [size, mtime_ns, inode]. Raises OSError."""
    facts = os.stat(path)
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]


def _apart(paths: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """(paths of whole files, file → addresses of parts of it)."""
    whole: list[str] = []
    within: dict[str, list[str]] = {}
    for path in paths:
        if spans.is_part(path):
            within.setdefault(spans.file_of(path), []).append(path)
        else:
            whole.append(path)
    return whole, within


@dataclass
class Parts:
    """What is known of the parts of a file of that stamp: (offset, bytes) → hash."""

    stamp: list[int]
    hashes: dict[tuple[int, int], str] = field(default_factory=dict)

    def pack(self) -> bytes:
        """A blob of them."""
        where = np.array(list(self.hashes), np.int64).reshape(-1, 2)
        digests = np.frombuffer(bytes.fromhex("".join(self.hashes.values())), np.uint8).reshape(-1, 16)
        return archive.pack({"where": where, "digests": digests}, {"stamp": self.stamp})

    @classmethod
    def read(cls, path: Path | None, stamp: list[int]) -> Parts:
        """Those that were kept of a file of that stamp; none where they are missing, damaged or another's."""
        if path is None:
            return cls(stamp)
        try:
            arrays, meta = archive.read(path)
            if meta["stamp"] != stamp:
                return cls(stamp)
            digests = arrays["digests"].tobytes().hex()
            where = arrays["where"].tolist()
            return cls(stamp, {(a, b): digests[32 * i : 32 * i + 32] for i, (a, b) in enumerate(where)})
        except (OSError, archive.Damaged, LookupError, TypeError, ValueError):
            return cls(stamp)


def file_hash(path: str) -> str:
    """blake2b-128 of a regular file's bytes, hex, or of a part of one (an address, see `video.spans`); ""
    where it cannot be read or is no regular file.
    """
    if spans.is_part(path):
        return spans.member_hash(spans.file_of(path), *spans.part_of(path))
    try:
        if not os.path.isfile(path):
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""
