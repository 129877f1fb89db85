"""Sets made on disk: a preset's clips as files with a manifest, in shards, by as many processes as one likes;
banks of textures; previews of presets.

A folder OUT that `generate` makes:

    clips/0000042.mp4       one file a clip (.mkv, .npz; for png a folder of pictures), no labels; above
                            10,000 clips in folders of 10,000
    truth/0000042.npz       what is exactly known of it, where asked for (in the clip's own file for npz)
    shards/000000.tar       instead of both for webdataset: clips in order, 64 a file
    manifest.jsonl          one JSON object a clip, sorted by index
    preset.toml             the preset with every knob, to draw it again: preset:OUT/preset.toml
    generation.json         what was asked for; README.md: a data card

Clip i of a set is the same whatever is made beside it, so shards, workers, order and kills change nothing. A
clip is written aside and renamed, then its record in `.records/`; a killed run goes on with what has no
record, and the manifest is the records in order. With `--shard i/n` manifest, records and generation.json are
called `…-i-of-n`, and `merge` joins them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from synvid_eval import __version__, archive, knobs
from synvid_eval.errors import DataError, SynvidEvalError, UsageError, nearest
from synvid_eval.execute import Failure, Processes
from synvid_eval.generators import pool as pools
from synvid_eval.generators import presets
from synvid_eval.generators.base import Generator
from synvid_eval.generators.presets import Preset
from synvid_eval.generators.shapes import POOL
from synvid_eval.measurement import Options, decoder_versions
from synvid_eval.prober import preview_task
from synvid_eval.sets import REAL, open_set, preset_generator, share_options
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.encode import FORMATS
from synvid_eval.writer import clip_task, refused, texture_task

SCHEMA = "synvid-eval/generation/1"

TAR = "webdataset"
KINDS = (*FORMATS, TAR)
"""What `--format` takes; clips in webdataset's shards are mp4."""

IN_TAR = 64  # clips of a tar file
IN_FOLDER = 10_000  # clips of a folder
DIGITS = 7

CHUNK = 8  # textures of a bank made at a time

PREVIEWS = 4
"""Clips that `preview` shows of a preset."""

_AGAIN = "Run again: it goes on."

_APART = ("note", "made_with", "identity")
"""Keys of generation.json that are not compared (`identity` key by key)."""

_ROW: dict[str, tuple[type, ...]] = {
    "index": (int,),
    "id": (str,),
    "file": (str,),
    "member": (str, type(None)),
    "truth": (str, type(None)),
    "preset": (str,),
    "seed": (int,),
    "source": (str, type(None)),
    "frames": (int,),
    "height": (int,),
    "width": (int,),
    "fps": (float, int),
    "sha256": (str,),
    "psnr": (float, int, type(None)),
}
"""The keys of a row of the manifest, and what each may be."""


@dataclass(frozen=True)
class Plan:
    """A set to be made.

    preset: its name. overrides: the knobs that were given. generator: configured. refs: clip by index.
    kind: of KINDS. truth: kinds of truth, sorted. shard: (i, n). sources: clip id → source.
    """

    preset: Preset
    overrides: Mapping[str, str]
    generator: Generator
    seed: int
    refs: tuple[ClipRef, ...]
    kind: str
    truth: tuple[str, ...]
    shard: tuple[int, int]
    sources: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """What names of this shard's own files end in; "" where the set is made at once."""
        return suffix_of(self.shard)

    def mine(self) -> list[int]:
        """The indices of this shard's clips: every n-th clip, or those of every n-th tar file."""
        number, count = self.shard
        per = IN_TAR if self.kind == TAR else 1
        return [i for i in range(len(self.refs)) if i // per % count == number]

    def told(self) -> dict[str, Any]:
        """What decides the set's bytes (beside library versions), ready for JSON."""
        real = [ref.id for ref in self.refs if ref.kind != "preset"]
        digest = hashlib.blake2b("\0".join(real).encode("utf-8", "surrogateescape"), digest_size=16)
        told = {
            "schema": SCHEMA,
            "preset": self.preset.name,
            "clips": len(self.refs),
            "seed": self.seed,
            "format": self.kind,
            "truth": list(self.truth),
            "identity": self.generator.identity(self.seed),
            "real_clips": digest.hexdigest() if real else None,
        }
        plain: dict[str, Any] = json.loads(json.dumps(told))
        return plain


def suffix_of(shard: tuple[int, int]) -> str:
    """`-i-of-n`, "" for the whole."""
    return f"-{shard[0]}-of-{shard[1]}" if shard[1] > 1 else ""


def parse_shard(text: str | None) -> tuple[int, int]:
    """`--shard i/n` → (i, n), 0 ≤ i < n; (0, 1) where none is given. UsageError for anything else."""
    if text is None:
        return 0, 1
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if not match or not int(match[1]) < int(match[2]):
        raise UsageError(f"--shard {text[:60]} cannot be read.", "It is i/n with i from 0 to n − 1: 0/4.")
    return int(match[1]), int(match[2])


def plan(
    preset: str,
    *,
    clips: int | None = None,
    seed: int = 0,
    overrides: Mapping[str, str] | None = None,
    kind: str = "mp4",
    truth: Sequence[str] = (),
    shard: tuple[int, int] = (0, 1),
    images: str | None = None,
    videos: str | None = None,
    decode_timeout: float = 60.0,
) -> Plan:
    """What `make` is to make; nothing is written.

    Args:
        preset: `NAME`, `FILE.toml` or `FILE.toml#NAME`. clips: how many (default: the preset's own number).
        overrides: knob → text. truth: kinds of truth; `tracks` brings `occluded`, `all` is all.
        images, videos: see `sets.open_set`.

    Raises:
        UsageError: unknown preset, knob, format or truth; values out of range. DataError: what the preset
        needs is missing.
    """
    given = dict(overrides or {})
    if kind not in KINDS:
        raise UsageError(f"No format is called {kind!r}.", nearest(kind, KINDS))
    chosen = presets.find(preset)
    if clips is not None and clips < 1:
        raise UsageError(f"--clips {clips} is no number of clips.", "Give 1 or more.")
    generator = chosen.configured(**given)
    if truth and not generator.truths:
        generator.check_truth(truth)
    kinds = set(generator.truths if "all" in truth else truth)
    kinds |= {"occluded"} if "tracks" in kinds else set()
    generator.check_truth(sorted(kinds))
    height, width = generator.frame_size
    if kind in ("mp4", TAR) and (height % 2 or width % 2):
        raise UsageError(
            f"Frames of {width}×{height} px cannot be written as mp4, which wants even sizes.",
            "Take another --size, or --format ffv1.",
        )
    count = chosen.clips if clips is None else clips
    location = f"preset:{preset}?{urlencode({'n': str(count), 'seed': str(seed), **given})}"
    opened = open_set(location, images=images, videos=videos, decode_timeout=decode_timeout)
    if opened.skipped:
        name, reason = opened.skipped[0]
        raise DataError(f"{len(opened.skipped)} real clips cannot be taken, such as {name}: {reason}.")
    drawn = {int(c.id.rpartition("/")[2]): c for c in opened.clips if c.kind == "preset"}
    if drawn:  # as the set opens it, with pictures and videos
        generator = preset_generator(next(iter(drawn.values())))
    real = iter(sorted((c for c in opened.clips if c.id.startswith(f"{REAL}/")), key=lambda c: c.id))
    refs = tuple(drawn[i] if i in drawn else next(real) for i in range(count))
    return Plan(
        chosen,
        given,
        generator,
        seed,
        refs,
        kind,
        tuple(sorted(kinds)),
        shard,
        opened.sources or {},
        opened.notes,
    )


@dataclass(frozen=True)
class Made:
    """What a run of `make` or `merge` did. made: clips drawn now. kept: those an earlier run had made. rows:
    of the manifest. manifest: its file.
    """

    made: int
    kept: int
    rows: tuple[Mapping[str, Any], ...]
    manifest: Path

    def facts(self) -> dict[str, Any]:
        """Ready for JSON; `psnr`: the mean over the clips that lost something [dB], None where none did."""
        lost = [float(row["psnr"]) for row in self.rows if row["psnr"] is not None]
        return {
            "manifest": os.fspath(self.manifest),
            "clips": len(self.rows),
            "frames": sum(int(row["frames"]) for row in self.rows),
            "made": self.made,
            "kept": self.kept,
            "psnr": sum(lost) / len(lost) if lost else None,
        }


def make(what: Plan, out: str | os.PathLike[str], options: Options) -> Made:
    """Makes a set, or goes on with it (see the module's docstring).

    Raises:
        UsageError: the folder holds something else, or a set that was made otherwise, or another process
        writes into it. DataError: it cannot be written, or a clip cannot be drawn.
    """
    folder = Path(out)
    told = what.told()
    try:
        _claim(folder, what, told)
        with _locked(folder / f".lock{what.suffix}"):
            return _Run(what, folder, options).result()
    except OSError as error:
        raise refused(Path(error.filename or folder), error) from None


def _claim(folder: Path, what: Plan, told: Mapping[str, Any]) -> None:
    """Makes the folder this set's, or sees that it is."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder.", "Give a folder, which is made where it is missing.")
    folder.mkdir(parents=True, exist_ok=True)
    seen = _tellings(folder)
    if not seen and any(not name.startswith(".") for name in os.listdir(folder)):
        raise UsageError(f"{folder} is not empty and holds no set made here.", "Give another folder.")
    # a set of shards has a telling of the whole, too, once it is merged
    parts = {n for _, n in seen if n > 1} or {n for _, n in seen}
    if parts - {what.shard[1]} and not (what.shard[1] == 1 and (0, 1) in seen):
        said = "at once" if parts == {1} else f"in {max(parts)} shards"
        raise UsageError(f"{folder} holds a set that is made {said}.", "Make it so, or give another folder.")
    for earlier in seen.values():
        if difference := _difference(earlier, told):
            raise UsageError(
                f"{folder} holds a set made otherwise: {difference}.",
                "Give another folder, or the same options to go on.",
            )
    mine = folder / f"generation{what.suffix}.json"
    if not mine.is_file():
        made_with = {**decoder_versions(), "python": sys.version.split()[0]}
        facts = {**told, "note": what.preset.note, "made_with": made_with}
        archive.write_bytes(mine, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
    if not (folder / "preset.toml").is_file():
        archive.write_bytes(folder / "preset.toml", preset_text(what).encode("utf-8", "backslashreplace"))


def _tellings(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """What generation.json of each shard that began says; (0, 1) is that of the whole."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for name in sorted(os.listdir(folder)):
        match = re.fullmatch(r"generation(?:-(\d+)-of-(\d+))?\.json", name, re.ASCII)
        if match is None:
            continue
        try:
            told = json.loads((folder / name).read_bytes())
            if not isinstance(told, dict) or told.get("schema") != SCHEMA:
                raise ValueError("it says no known schema")
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{folder / name} cannot be read: {error}.", "Give another folder.") from None
        found[(int(match[1]), int(match[2])) if match[1] else (0, 1)] = told
    return found


def _difference(earlier: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """The first thing in which two tellings differ, as a phrase; "" where they agree."""

    def flat(facts: Mapping[str, Any]) -> dict[str, Any]:
        inner = facts.get("identity")
        return {**facts, **(inner if isinstance(inner, dict) else {}), **dict.fromkeys(_APART)}

    old, new = flat(earlier), flat(told)
    for key in new | old:
        if old.get(key) != new.get(key):
            was, now = (json.dumps(side.get(key), ensure_ascii=False)[:80] for side in (old, new))
            return f"{key} {was}, not {now}"
    return ""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock file for as long as this process lives; UsageError where another one does."""
    try:
        import fcntl
    except ImportError:  # no such locks here
        yield
        return
    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another process is writing this part of {path.parent}.",
                "Wait for it, or give each its own --shard.",
            ) from None
        except OSError:  # a file system without locks
            pass
        else:
            if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                raise UsageError(f"Another process has just written {path.parent}.", "Run again.")
        yield
        with contextlib.suppress(OSError):
            path.unlink()


class _Run:
    """One run over a shard's clips."""

    def __init__(self, what: Plan, folder: Path, options: Options) -> None:
        self._plan, self._folder, self._options = what, folder, options
        self._records = folder / f".records{what.suffix}"
        self._manifest = folder / f"manifest{what.suffix}.jsonl"
        self._tar = what.kind == TAR
        self._kind = "mp4" if self._tar else what.kind
        self._clips = folder / (f".staged{what.suffix}" if self._tar else "clips")
        self._truth = self._clips if self._tar else folder / "truth"

    def result(self) -> Made:
        """Makes what is missing and writes the manifest."""
        what, options = self._plan, self._options
        for note in what.notes:
            options.progress.say(note)
        self._clean()
        mine = what.mine()
        rows = self._done(mine)
        todo = [i for i in mine if i not in rows]
        self._folders(todo)
        options.progress.begin(f"{what.preset.name}{what.suffix.replace('-', ' ')}", len(mine))
        if rows:
            options.progress.advance(len(rows), cached=True)
        kept = len(rows)
        with contextlib.ExitStack() as stack:
            setup = {
                "format": self._kind,
                "truth": list(what.truth),
                "loud": options.loud,
                "path": [p for p in sys.path if p],
            }
            workers = Processes("synvid_eval.writer", options.worker_count(), setup, loud=options.loud)
            stack.callback(workers.close)
            for first in sorted({i // IN_TAR for i in rows}):
                self._pack(first, rows)
            for task, answer in workers.map(self._task(i) for i in todo):
                if isinstance(answer, Failure):
                    raise SynvidEvalError(f"Clip {task['clip']['id']} {answer.reason}.", _AGAIN)
                index = int(answer[1]["index"])
                rows[index] = answer[1]
                self._pack(index // IN_TAR, rows)
                options.progress.advance(1, cached=False)
        ordered = tuple(rows[i] for i in mine)
        _write_manifest(self._manifest, ordered)
        for rest in (self._records, *([self._clips] if self._tar else [])):
            shutil.rmtree(rest, ignore_errors=True)
        if what.shard[1] == 1:
            facts = _tellings(self._folder)[0, 1]
            archive.write_bytes(self._folder / "README.md", card(facts, ordered).encode())
        return Made(len(todo), kept, ordered, self._manifest)

    def _name(self, index: int) -> str:
        return f"{index:0{DIGITS}}"

    def _file(self, index: int) -> Path:
        """Where the writer puts a clip."""
        return self._clips / self._inner(index) / f"{self._name(index)}{FORMATS[self._kind].suffix}"

    def _inner(self, index: int) -> str:
        """The folder within the folder of clips."""
        many = len(self._plan.refs) > IN_FOLDER and not self._tar
        return f"{index // IN_FOLDER:04}" if many else ""

    def _truth_file(self, index: int) -> Path | None:
        if not self._plan.truth or self._plan.refs[index].kind != "preset":
            return None
        if self._kind == "npz":
            return self._file(index)
        suffix = ".truth.npz" if self._tar else ".npz"
        return self._truth / self._inner(index) / f"{self._name(index)}{suffix}"

    def _tar_file(self, index: int) -> Path:
        return self._folder / "shards" / f"{index // IN_TAR:06}.tar"

    def _record(self, index: int) -> Path:
        return self._records / f"{self._name(index)}.json"

    def _row(self, index: int) -> dict[str, Any]:
        """What is known of a clip's row beforehand."""
        what, ref, truth = self._plan, self._plan.refs[index], self._truth_file(index)
        said: Any = None if truth is None else truth.relative_to(self._folder).as_posix()
        file = self._file(index)
        if self._tar:
            said = None if truth is None else truth.name
        return {
            "index": index,
            "id": ref.id,
            "file": (self._tar_file(index) if self._tar else file).relative_to(self._folder).as_posix(),
            "member": file.name if self._tar else None,
            "truth": said,
            "preset": what.preset.name,
            "seed": what.seed,
            "source": what.sources.get(ref.id),
        }

    def _task(self, index: int) -> dict[str, Any]:
        ref, row = self._plan.refs[index], self._row(index)
        return clip_task(ref, self._file(index), self._truth_file(index), self._record(index), row)

    def _folders(self, todo: Sequence[int]) -> None:
        wanted = {self._records, self._clips}
        for index in todo:
            wanted.add(self._file(index).parent)
            if truth := self._truth_file(index):
                wanted.add(truth.parent)
        if self._tar:
            wanted.add(self._folder / "shards")
        for folder in sorted(wanted):
            folder.mkdir(parents=True, exist_ok=True)

    def _clean(self) -> None:
        """Removes what killed runs of this shard left half written."""
        mine = set(self._plan.mine())
        for top in (self._records, self._clips, self._truth, self._folder / "shards", self._folder):
            for folder in (top, *(p for p in _below(top) if p.is_dir() and p.name.isdigit())):
                for path in _below(folder):
                    match = re.fullmatch(r"\.(\d+)\..*\.part", path.name)
                    if match is None:
                        continue
                    index = int(match[1]) * (IN_TAR if folder.name == "shards" else 1)
                    if index in mine and path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path, ignore_errors=True)
                    elif index in mine:
                        path.unlink(missing_ok=True)

    def _done(self, mine: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The rows of clips that are there."""
        found = {int(row["index"]): row for row in _read_rows(self._manifest)}
        for index in mine:
            if index not in found:
                with contextlib.suppress(OSError):
                    row = _parsed(self._record(index).read_bytes())
                    if row is not None:
                        found[index] = row
        return {i: found[i] for i in mine if i in found and self._there(i, found[i])}

    def _there(self, index: int, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this very clip, and what it names is there."""
        if any(row[key] != value for key, value in self._row(index).items()):
            return False
        if self._tar and self._tar_file(index).is_file():
            return True
        file, truth = self._file(index), self._truth_file(index)
        if self._kind == "png":
            with contextlib.suppress(OSError):
                return len(os.listdir(file)) == row["frames"] and (truth is None or truth.is_file())
            return False
        return file.is_file() and (truth is None or truth.is_file())

    def _pack(self, number: int, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Packs a tar file once every clip of it is there, and removes the clips that lay aside."""
        first = number * IN_TAR
        inside = range(first, min(first + IN_TAR, len(self._plan.refs)))
        path = self._tar_file(first)
        if not self._tar or any(i not in rows for i in inside) or path.is_file():
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for index in inside:
                for file in filter(None, (self._file(index), self._truth_file(index))):
                    _add(tar, file.name, file.read_bytes())
                row = json.dumps(rows[index], sort_keys=True) + "\n"
                _add(tar, f"{self._name(index)}.json", row.encode())
        os.replace(part, path)
        for index in inside:
            for file in filter(None, (self._file(index), self._truth_file(index))):
                file.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    facts = tarfile.TarInfo(name)  # its time is 0, its owner nobody
    facts.size = len(data)
    tar.addfile(facts, io.BytesIO(data))


def _below(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except OSError:
        return []


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A row of a manifest; None for what is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or set(row) != set(_ROW):
        return None
    fits = all(isinstance(row[k], kinds) and not isinstance(row[k], bool) for k, kinds in _ROW.items())
    return row if fits and re.fullmatch(r"[0-9a-f]{64}", row["sha256"]) else None


def _read_rows(manifest: Path) -> list[dict[str, Any]]:
    """The rows of a manifest that can be read; none where it is missing."""
    try:
        lines = manifest.read_bytes().splitlines()
    except OSError:
        return []
    return [row for row in map(_parsed, lines) if row is not None]


def _write_manifest(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    archive.write_bytes(path, text.encode())


def merge(out: str | os.PathLike[str]) -> Made:
    """Joins the manifests of a folder's shards into manifest.jsonl, and writes the data card.

    Raises:
        DataError: shards that are missing, not finished, or made otherwise than the others, each named; clips
        that are missing, twice, or whose file is gone. UsageError: no folder of shards.
    """
    folder = Path(out)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", "Give the OUT of the shards.")
    try:
        seen = _tellings(folder)
        shards = {shard: told for shard, told in seen.items() if shard[1] > 1}
        if not shards:
            made = "It was made at once." if (0, 1) in seen else "See: generate --shard."
            raise DataError(f"{folder} holds no shards.", made)
        (first, told), *others = shards.items()
        for shard, other in others:
            if shard[1] != first[1]:
                raise DataError(
                    f"{folder} holds shards of {first[1]} and of {shard[1]}.", "Keep those of one run alone."
                )
            if difference := _difference(told, other):
                raise DataError(
                    f"Shard {shard[0]} was made otherwise than shard {first[0]}: {difference}.",
                    "Make it again with the same options, into an empty folder.",
                )
        manifests = [folder / f"manifest{suffix_of((i, first[1]))}.jsonl" for i in range(first[1])]
        missing = [i for i, manifest in enumerate(manifests) if not manifest.is_file()]
        if missing:
            names = ", ".join(f"{i}/{first[1]}" for i in missing[:20])
            begun = [i for i in missing if (i, first[1]) in shards]
            cure = "Make them: generate --shard."
            if begun:
                cure = f"Begun and not finished: {', '.join(f'{i}/{first[1]}' for i in begun[:20])}."
            raise DataError(f"{len(missing)} of {first[1]} shards are missing: {names}.", cure)
        rows: dict[int, dict[str, Any]] = {}
        for manifest in manifests:
            for row in _read_rows(manifest):
                if row["index"] in rows:
                    raise DataError(f"Clip {row['index']} is in two shards, {manifest.name} is one.")
                rows[row["index"]] = row
        total = told["clips"]
        lacking = [i for i in range(total) if i not in rows]
        gone = [r["file"] for r in rows.values() if not _inside(folder, r["file"]).exists()]
        if lacking or len(rows) != total:
            raise DataError(
                f"The shards hold {len(rows)} clips of {total}; the first that is missing is "
                f"{lacking[0] if lacking else total}.",
                "A manifest was altered: make that shard again.",
            )
        if gone:
            raise DataError(
                f"{len(gone)} files are gone, such as {gone[0]}.", "Make their shards again: they go on."
            )
        ordered = tuple(rows[i] for i in range(total))
        _write_manifest(folder / "manifest.jsonl", ordered)
        text = json.dumps(told, indent=1, sort_keys=True) + "\n"
        archive.write_bytes(folder / "generation.json", text.encode())
        archive.write_bytes(folder / "README.md", card(told, ordered).encode())
    except OSError as error:
        raise refused(Path(error.filename or folder), error) from None
    return Made(0, total, ordered, folder / "manifest.jsonl")


def _inside(folder: Path, relative: str) -> Path:
    """A file of the set; DataError for one that lies elsewhere."""
    if os.path.isabs(relative) or ".." in Path(relative).parts:
        raise DataError(f"A manifest names {relative}, which is no file of the set.")
    return folder / relative


def preset_text(what: Plan) -> str:
    """preset.toml: the preset with every knob that decides pixels, each with its source."""
    lines = [
        "# The preset of this set, with every knob: preset:preset.toml draws it again.",
        f"# Seed {what.seed}, {len(what.refs)} clips; synvid-eval {__version__}.",
        f"name = {_toml(what.preset.name)}",
        f"generator = {_toml(what.generator.name)}",
        f"note = {_toml(what.preset.note)}",
        f"clips = {len(what.refs)}",
        "",
        "[knobs]",
    ]
    recipe = knobs.recipe(what.generator)
    values = [v for v in what.preset.resolved(what.overrides) if v.knob in recipe]
    lines += [f"{v.knob} = {_toml(str(v.value))}" for v in values]
    lines += ["", "[sources]", *(f"{v.knob} = {_toml(v.source)}" for v in values)]
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def card(told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The data card (README.md) of a set: Hugging Face front matter, then what it is, for readers.

    told: generation.json. rows: of the manifest.
    """
    count, frames = len(rows), sum(int(r["frames"]) for r in rows)
    size = next(s for limit, s in _SIZES if count < limit)
    lost = sorted(float(r["psnr"]) for r in rows if r["psnr"] is not None)
    kind = "mp4" if told["format"] == TAR else told["format"]
    wide = sorted({f"{r['width']}×{r['height']}" for r in rows})
    about = FORMATS[kind].about
    loss = (
        f"PSNR of the files against the drawn frames: median {lost[len(lost) // 2]:.1f} dB, least "
        f"{lost[0]:.1f} dB (`psnr` of each clip in the manifest)."
        if lost
        else "The files hold the drawn frames exactly."
    )
    where = "One file a clip in `clips/`"
    if told["format"] == TAR:
        where = f"Tar files of {IN_TAR} clips, in order, in `shards/`"
    name, note = told["preset"], f"{told['note']}\n\n" if told.get("note") else ""
    plain = {k: v for k, v in told["identity"].items() if not isinstance(v, (list, dict))}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in plain.items()}
    knob_lines = "\n".join(f"| `{k}` | {v.replace('|', chr(92) + '|')} |" for k, v in texts.items())
    truth = (
        f"Exactly known of each drawn clip, from the renderer: {', '.join(told['truth'])} "
        "(float32 px; see the manual, `generate`).\n\n"
        if told["truth"]
        else ""
    )
    return f"""---
license: other
pretty_name: {json.dumps(f"{name} ({count:,} clips)", ensure_ascii=False)}
task_categories:
  - video-classification
size_categories:
  - {size}
tags:
  - video
  - synthetic
  - pre-training
---

# {name}

{note}{count:,} clips, {frames:,} frames of {", ".join(wide[:3])} px, drawn by synvid-eval {__version__}, seed
{told["seed"]}. No labels.

## Files

{where}; {kind}: {about}.
{loss}

{truth}`manifest.jsonl` has one line a clip: index, file, frames, size and `sha256` of the raw RGB frames
(uint8, T·H·W·3), which is what identifies a clip, whatever the file. `preset.toml` draws the set again:

    synvid-eval generate preset.toml AGAIN --clips {count} --seed {told["seed"]}

## Knobs

| knob | value |
|---|---|
{knob_lines}

## Terms

Drawn pictures are yours. Photographs and real clips that a preset shows keep the terms of their owners.
"""


_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (float("inf"), "1M<n<10M"),
)


@dataclass(frozen=True)
class Bank:
    """A bank of textures after a run. file: its pictures. count: of the whole. made: now. missing: still."""

    file: Path
    count: int
    made: int
    missing: int


def make_bank(
    textures: str,
    count: int,
    out: str | os.PathLike[str],
    options: Options,
    *,
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    images: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Bank:
    """Makes a bank (see `generators.pool`), or goes on with it.

    Args:
        textures: a texture's name, with its own knobs in brackets if wanted. settings: knobs as text.
        shard: (i, n): textures i, i + n, … alone, beside others of the same folder.

    Raises:
        UsageError: unknown texture or knob, or the folder's bank is another one. DataError: no room, or what
        the texture needs is missing.
    """
    if count < 1:
        raise UsageError(f"--n {count} is no number of textures.", "Give 1 or more.")
    inner = ",".join(f"{k}={v}" for k, v in (settings or {}).items())
    if inner and "(" in textures:
        raise UsageError("Knobs are given twice, in brackets and by --set.", "Give them once.")
    text = f"{textures}({inner})" if inner else textures
    found = pools.recipes(text, images or "")
    if len(found) != 1:
        raise UsageError(f"{text} names {len(found)} kinds of texture.", "A bank holds one: make two banks.")
    (recipe,) = found
    recipe.identity()  # what it reads is there
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = not (folder / f"{recipe.name}.rgbx").exists()
        room = shutil.disk_usage(folder).free
    except OSError as error:
        raise refused(folder, error) from None
    need = count * recipe.size**2 * 4
    if fresh and need > room:
        raise DataError(
            f"{count:,} textures take {need / 2**30:.1f} GiB, {folder} has room for {room / 2**30:.1f}.",
            "Take fewer, smaller ones (--set size=128), or another folder.",
        )
    pool = pools.Pool(recipe, seed, POOL, count, folder, recipe.name)
    if pool.path is None:
        raise DataError(f"{folder} cannot be written.", "May you write there?")
    mine = range(shard[0], count, shard[1])
    todo = pool.missing(mine)
    name = f"{recipe.name}{suffix_of(shard).replace('-', ' ')}"
    options.progress.begin(name, len(mine))
    if len(todo) < len(mine):
        options.progress.advance(len(mine) - len(todo), cached=True)
    bank = {"textures": text, "images": images or "", "seed": seed, "pool": POOL, "count": count}
    setup = {"bank": {**bank, "folder": os.path.abspath(folder)}, "loud": options.loud}
    workers = Processes(
        "synvid_eval.writer",
        options.worker_count(),
        {**setup, "path": [p for p in sys.path if p]},
        loud=options.loud,
    )
    try:
        chunks = [todo[i : i + CHUNK] for i in range(0, len(todo), CHUNK)]
        for task, answer in workers.map(map(texture_task, chunks)):
            if isinstance(answer, Failure):
                raise SynvidEvalError(f"A texture of {task['textures']} {answer.reason}.", _AGAIN)
            options.progress.advance(len(task["textures"]), cached=False)
    finally:
        workers.close()
    return Bank(pool.path, count, len(todo), len(pool.missing()))


def previews(
    names: Sequence[str],
    options: Options,
    *,
    count: int = PREVIEWS,
    overrides: Mapping[str, str] | None = None,
    images: str | None = None,
    videos: str | None = None,
) -> list[dict[str, Any]]:
    """Playing clips of presets, ready for `report.gallery`: of each preset `name`, `note`, `family`,
    `difference`, `extends`, `seed`, `knobs` (of `Preset.resolved`, as texts) and `clips` (`id`, `poster`,
    `video` as base64, `width`, `height`, `frames`, `fps`); or `reason`, why there are none.

    images, videos: go to those presets that need them.

    Raises:
        UsageError: unknown presets or knobs, or an option that means nothing for any. DataError: what all of
        them need is missing.
    """
    chosen = [(text, presets.find(text)) for text in names]
    given = dict(overrides or {})
    query = urlencode({"n": str(count), "seed": str(options.seed), **given})
    places = [f"preset:{text}?{query}" for text, _ in chosen]
    asked = share_options(places, "auto", None, None, False, images, videos)
    found: list[dict[str, Any]] = []
    options.progress.begin("previews", count * len(places))
    pool = Processes(
        "synvid_eval.prober", options.worker_count(), {"loud": options.loud}, options.decode_timeout
    )
    try:
        for place, one, (_, preset) in zip(places, asked, chosen, strict=True):
            values = preset.resolved(given)
            about: dict[str, Any] = {
                "name": preset.name,
                "note": preset.note,
                "family": preset.family,
                "difference": preset.difference,
                "extends": preset.extends,
                "seed": options.seed,
                "knobs": [
                    {
                        "knob": v.knob,
                        "value": str(v.value),
                        "unit": v.unit,
                        "source": v.source,
                        "setter": v.setter,
                        "about": v.about,
                    }
                    for v in values
                ],
                "clips": [],
                "reason": "",
            }
            found.append(about)
            try:
                opened = open_set(place, decode_timeout=options.decode_timeout, **one)
                for task, answer in pool.map(preview_task(ref, True) for ref in opened.clips):
                    options.progress.advance(1, cached=False)
                    if isinstance(answer, Failure) or "poster" not in answer[0]:
                        reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
                        about["reason"] = f"{task['clip']['id']}: {reason}"
                        continue
                    arrays, facts = answer
                    data = {k: base64.b64encode(arrays[k].tobytes()).decode() for k in ("poster", "video")}
                    about["clips"].append({"id": task["clip"]["id"], **data, **facts})
            except DataError as error:
                if not any(one["clips"] for one in found) and place == places[-1]:
                    raise
                about["reason"] = str(error)
                options.progress.say(f"{preset.name}: {error}")
    finally:
        pool.close()
    return found
