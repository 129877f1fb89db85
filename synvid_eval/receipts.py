"""Receipts: one set measured by many jobs into one folder, piece after piece, and joined into one.

    DIR/measuring.json                       what is measured: set, pieces, recipe, libraries
    DIR/receipts/0000/0000017.safetensors    what piece 17 gave: states, summaries, facts of its clips
    DIR/jobs/3-of-64.json                    what job 3 of 64 did last: running, done, stopped, failed and why

A piece is the same bytes whoever measures it, and joining folds pieces in their order: the result is that of
one run. Nothing here is locked and nothing is changed in place: files are written aside and renamed, so a
shared file system needs to give no more than an atomic rename. Two jobs that measure one piece write the same
receipt twice; jobs may be killed at any time, started again, and started again as another number of jobs.
What the cache holds of a piece is used; what is measured is not put into it, since the receipt holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from synvid_eval import archive
from synvid_eval.errors import DataError, SynvidEvalError, UsageError, unwritten
from synvid_eval.libraries import decoder_versions
from synvid_eval.measurement import (
    ClipRecord,
    Columns,
    Finished,
    Folding,
    Listed,
    Measurement,
    Measurer,
    Options,
    Piece,
    Progress,
    Quiet,
    Run,
    fold_arrays,
    fold_from,
    fold_meta,
    networks_of,
    plan_pieces,
    recipe_from,
    recipe_of,
)
from synvid_eval.shards import State
from synvid_eval.states import Arrays, Fold, Moments, fold
from synvid_eval.video.layouts import count_of
from synvid_eval.video.videoset import VideoSet

SCHEMA = "synvid-eval/measuring/1"

PLAN = "measuring.json"

_INNER = ("receipts", "jobs")

# Receipts in one folder: file systems list long folders slowly.
_TOGETHER = 1000

# Seconds between two tellings of a job that runs.
_EVERY = 30.0

_NAMED = 20


@dataclass(frozen=True)
class Taken:
    """What a job did. pieces: that are its own; there: of them, at the end; measured: of them, now."""

    pieces: int
    there: int
    measured: int

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop before its end."""
        return self.there < self.pieces


def take(
    measurer: Measurer,
    videos: VideoSet,
    folder: Path,
    shard: tuple[int, int],
    about: Mapping[str, Any],
    command: str = "",
    stopping: Callable[[], bool] = lambda: False,
) -> Taken:
    """Measures the pieces of job i of n (every n-th from the i-th on) that are not there yet into a folder.

    Args:
        measurer: features and options. videos: the whole set. folder: of the measurement, made where it is
            missing. shard: (i, n), 0 ≤ i < n. about: what is added to the set's facts, such as the protocol.
        command: the command line without its shard, for those who start a job again. stopping: see `Run`.

    Raises:
        UsageError: the folder holds something else, or this set measured otherwise. DataError: more of the
        clips are skipped than the set may have, or the folder cannot be written.
    """
    number, jobs = shard
    pieces = plan_pieces(videos)
    mine = range(number, len(pieces), jobs)
    try:
        plan = lay_out(measurer, videos, pieces, folder, about, command)
        job = _Job(folder, shard, len(mine))

        def there(index: int, keys: Mapping[str, str]) -> bool:
            with contextlib.suppress(OSError, archive.Damaged):
                _, meta = archive.read(_receipt(folder, index))
                wanted = {"plan": plan, "piece": index, "keys": dict(keys), "passing": False}
                done = all(meta.get(key) == value for key, value in wanted.items())
                job.seen(done)
                return done
            return False

        with job.told(), threadpool_limits(1):
            run = Run(measurer, videos, pieces, mine, there, stopping, keep=False)
            for piece in run.finished():
                write(folder, plan, piece)
                job.measured()
            job.notes = run.notes()
        return Taken(len(mine), job.there, job.new)
    except OSError as error:
        raise _refused(folder, error) from None


def lay_out(
    measurer: Measurer,
    videos: VideoSet,
    pieces: Sequence[Piece],
    folder: Path,
    about: Mapping[str, Any] | None = None,
    command: str = "",
) -> str:
    """Makes a folder that of a measurement, or sees that it is: the hash that its receipts bear.

    Raises UsageError where it holds something else, or this set measured otherwise.
    """
    told = _told(measurer, videos, pieces, about or {}) | {"command": command}
    _claim(folder, told)
    return _identity(told)


def _told(
    measurer: Measurer, videos: VideoSet, pieces: Sequence[Piece], about: Mapping[str, Any]
) -> dict[str, Any]:
    options, listed = measurer.options, Listed.of(videos)
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(json.dumps([piece.block, [[c.id, c.kind, c.fps] for c in piece.clips]]).encode())
    return {
        "schema": SCHEMA,
        "set": {
            "name": listed.name,
            "location": listed.location,
            "found": listed.found,
            "skipped": [list(s) for s in listed.skipped],
            "sources": listed.sources,
            "facts": listed.facts | dict(about),
            "notes": list(listed.notes),
        },
        "clips": digest.hexdigest(),
        "pieces": [[piece.block, len(piece.clips)] for piece in pieces],
        "recipe": recipe_of(measurer.features, options.sampler, options.seed),
        "networks": networks_of(measurer.features),
        "libraries": decoder_versions(),
        "max_skipped": options.max_skipped,
    }


def _identity(told: Mapping[str, Any]) -> str:
    """A hash of what decides the bytes of receipts."""
    facts = {k: told[k] for k in ("clips", "pieces", "recipe", "networks", "libraries")}
    text = json.dumps([told["set"]["name"], told["set"]["skipped"], facts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _claim(folder: Path, told: Mapping[str, Any]) -> None:
    """Makes the folder this measurement's, or sees that it is."""
    path = folder / PLAN
    if not path.is_file():
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is no folder.", "With --shard, --out names a folder.")
        folder.mkdir(parents=True, exist_ok=True)
        # one listing is asked, in which the plan of a job that began meanwhile is no stranger
        if any(not name.startswith(".") and name not in (PLAN, *_INNER) for name in os.listdir(folder)):
            raise UsageError(
                f"{folder} is not empty and holds no measurement by jobs.", "Give another folder."
            )
        handle, aside = tempfile.mkstemp(dir=folder, prefix=f".{PLAN}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(told, indent=1, sort_keys=True) + "\n")
            archive.as_others(aside)
            try:
                os.link(aside, path)  # which fails where another job was first
            except FileExistsError:
                pass
            except OSError:  # a file system without links: the plans of one measurement are the same
                os.replace(aside, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(aside)
    for inner in _INNER:
        (folder / inner).mkdir(exist_ok=True)
    if differences := _differences(_plan(folder), told):
        raise UsageError(
            f"{folder} holds a measurement made otherwise: {differences[0]}.",
            "Give another folder, or the same set, options and libraries to go on.",
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What two plans differ in that decides a number, as phrases."""

    def flat(told: Mapping[str, Any]) -> dict[str, Any]:
        recipe = told["recipe"]
        return {
            "the name": told["set"]["name"],
            "the number of videos": told["set"]["found"],
            "the seed": recipe["seed"],
            "the sampler": recipe["sampler"],
            "what is measured": sorted(recipe["features"]),
            **{f"feature {name}": knobs for name, knobs in recipe["features"].items()},
            "what is added": {k: v for k, v in told["set"]["facts"].items() if k == "protocol"},
            **{f"library {name}": version for name, version in told["libraries"].items()},
            "networks": told["networks"],
            "the clips (by their ids)": [told["clips"], told["set"]["skipped"]],
            "its pieces": told["pieces"],
        }

    was, now = flat(old), flat(new)
    found = []
    for key in was | now:
        if was.get(key) != now.get(key):
            before, after = (json.dumps(side.get(key), ensure_ascii=False)[:80] for side in (was, now))
            found.append(
                f"{key} {'are others' if key.startswith(('the clips', 'its')) else f'{before}, not {after}'}"
            )
    return found


def _plan(folder: Path) -> dict[str, Any]:
    """What is measured into a folder; DataError where it cannot be read."""
    path = folder / PLAN
    try:
        told = json.loads(archive.regular(path))
        if not isinstance(told, dict) or told.get("schema") != SCHEMA:
            seen = told.get("schema") if isinstance(told, dict) else None
            raise ValueError(f"it has schema {str(seen)[:60]!r}, not {SCHEMA!r}")
        for key in ("clips", "pieces", "recipe", "networks", "libraries", "max_skipped", "command"):
            told[key]
        Listed(**{**told["set"], "skipped": tuple(map(tuple, told["set"]["skipped"]))})
        [(int(block), int(clips)) for block, clips in told["pieces"]]
    except FileNotFoundError:
        raise DataError(f"{folder} holds no measurement by jobs.", "See: measure --shard.") from None
    except (KeyError, OSError, RecursionError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise DataError(
            f"{path} cannot be read: {why}.",
            "It is altered or cut, or of another version: measure elsewhere.",
        ) from None
    return told


def _receipt(folder: Path, index: int) -> Path:
    return folder / "receipts" / f"{index // _TOGETHER:04d}" / f"{index:07d}.safetensors"


def write(folder: Path, plan: str, piece: Finished) -> None:
    """Writes the receipt of a piece. plan: as `lay_out` gave it."""
    arrays: Arrays = {}
    for name, folded in piece.folds.items():
        arrays.update(fold_arrays(folded, f"states/{name}"))
        arrays.update({f"summaries/{name}/{key}": column for key, column in piece.columns[name].items()})
    meta = {
        "plan": plan,
        "piece": piece.index,
        "keys": piece.keys,
        "clips": [c.row() for c in piece.clips],
        "folds": {name: fold_meta(folded) for name, folded in piece.folds.items()},
        "skipped": list(piece.skipped),
        "changed": list(piece.changed),
        "passing": piece.passing,
    }
    path = _receipt(folder, piece.index)
    path.parent.mkdir(exist_ok=True)
    archive.write_bytes(path, archive.pack(arrays, meta))


def _read(folder: Path, plan: str, index: int, block: int, count: int) -> Finished:
    """A receipt; FileNotFoundError, another OSError, or Damaged where it is not what the plan wants."""
    arrays, meta = archive.read(_receipt(folder, index))
    try:
        if (meta["plan"], meta["piece"]) != (plan, index):
            raise archive.Damaged("it is another measurement's")
        clips = tuple(map(ClipRecord.of_row, meta["clips"]))
        skipped = tuple(meta["skipped"])
        if len(clips) + len(skipped) != count:
            raise archive.Damaged(f"it holds {len(clips) + len(skipped)} clips of {count}")
        states: dict[str, Arrays] = {name: {} for name in meta["folds"]}
        columns: dict[str, Columns] = {name: {} for name in meta["folds"]}
        for full, array in arrays.items():
            head, name, rest = full.split("/", 2)
            if head == "states":
                states[name][f"x/{rest}"] = array
            else:
                columns[name][rest] = array.astype(np.float64, copy=False)
        folds: dict[str, Fold] = {n: fold_from(states[n], told, "x") for n, told in meta["folds"].items()}
        return Finished(index, block, clips, folds, columns, skipped, meta["keys"], tuple(meta["changed"]))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise archive.Damaged(f"{type(error).__name__}: {error}") from None


def merge(
    folder: str | os.PathLike[str], progress: Progress | None = None, max_skipped: str | None = None
) -> Measurement:
    """The measurement that the jobs of a folder made: to the byte that of one run.

    Args:
        max_skipped: how many of the clips may be skipped (see `parse_share`; default: what the first job was
            told).

    Raises DataError where receipts are missing or damaged (each named), or too many clips were skipped.
    """
    place, progress = Path(folder), progress or Quiet()
    told = _plan(place)
    pieces, plan = told["pieces"], _identity(told)
    try:
        wrong = _missing(place, pieces)
        if wrong:
            raise _lacking(place, wrong, len(pieces))
        features, sampler, seed = recipe_from(os.fspath(place / PLAN), told["recipe"])
    except OSError as error:
        raise _refused(place, error) from None
    listed = Listed(**{**told["set"], "skipped": tuple(map(tuple, told["set"]["skipped"]))})
    most = told["max_skipped"] if max_skipped is None else max_skipped
    options = Options(sampler=sampler, seed=seed, max_skipped=most, progress=progress)
    folding, damaged = Folding(features, listed, options), {}
    progress.begin(listed.name, sum(count for _, count in pieces))
    with threadpool_limits(1):
        for index, (block, count) in enumerate(pieces):
            try:
                piece = _read(place, plan, index, block, count)
            except archive.Damaged as error:
                damaged[index] = f"damaged ({error})"
            except FileNotFoundError:
                damaged[index] = "missing"
            except OSError as error:
                damaged[index] = f"unreadable ({error.strerror or error})"
            else:
                if not damaged:
                    folding.add(piece)
            progress.advance(count, cached=True)
        if damaged:
            raise _lacking(place, damaged, len(pieces))
        notes = [note for job in _jobs(place).values() for note in job.get("notes", ())]
        return folding.measurement(list(dict.fromkeys(notes)), told["networks"])


def pace(piece: Finished, folding: Folding, seconds: float = 1.0) -> tuple[float, float]:
    """(seconds a receipt, bytes a second) of joining: by writing a piece down, reading it and adding it to a
    folding for some time, again and again, and then one of 32 MB.
    """
    with tempfile.TemporaryDirectory() as aside, threadpool_limits(1):
        place = Path(aside)
        _receipt(place, 0).parent.mkdir(parents=True)
        write(place, "pace", replace(piece, index=0))
        count, began = 0, time.monotonic()
        while not count or time.monotonic() - began < seconds:
            folding.add(_read(place, "pace", 0, piece.block, len(piece.clips) + len(piece.skipped)))
            count += 1
        each = (time.monotonic() - began) / count
        large = Moments.of_parts(3.0, np.zeros(2800), np.zeros((2800, 2800)))
        arrays = fold_arrays(Fold({"large": large}, {"large": 1}), "x")
        blob = archive.pack(arrays, {})
        (place / "large").write_bytes(blob)
        began = time.monotonic()
        again, _ = archive.read(place / "large")
        fold([Fold({"large": large}, {"large": 1}), fold_from(again, {"large": ["moments", 1]}, "x")])
        return each, len(blob) / (time.monotonic() - began)


def _missing(folder: Path, pieces: Sequence[Any]) -> dict[int, str]:
    """Number → "missing" of the pieces without a receipt."""
    there: set[str] = set()
    for start in range(0, len(pieces), _TOGETHER):
        with contextlib.suppress(FileNotFoundError):
            there.update(os.listdir(_receipt(folder, start).parent))
    return {i: "missing" for i in range(len(pieces)) if _receipt(folder, i).name not in there}


def _lacking(folder: Path, wrong: Mapping[int, str], total: int) -> DataError:
    of = _jobs_in_all(folder)
    named = [f"{i} ({why})" if why != "missing" else str(i) for i, why in list(wrong.items())[:_NAMED]]
    more = f" and {len(wrong) - _NAMED:,} more" if len(wrong) > _NAMED else ""
    damaged = set(wrong.values()) != {"missing"}  # which status does not look for
    kind = "missing or damaged" if damaged else "missing"
    are = "is" if len(wrong) == 1 else "are"
    owners = sorted({index % of for index in wrong})
    return DataError(
        f"{len(wrong):,} of {count_of(total, 'piece')} in {folder} {are} {kind}: {', '.join(named)}{more}.",
        f"Run again: --shard {', '.join(f'{i}/{of}' for i in owners[:_NAMED])}"
        f"{' …' if len(owners) > _NAMED else ''}{'' if damaged else f'; see: status {folder}'}.",
    )


def state(folder: str | os.PathLike[str]) -> State:
    """Where a measurement by jobs stands, by the receipts that are there; whether one is damaged shows when
    they are merged.

    Raises DataError for a folder that holds none.
    """
    place = Path(folder)
    told = _plan(place)
    pieces = told["pieces"]
    try:
        lacking = _missing(place, pieces)
        of = _jobs_in_all(place)
        said = {number: job for (number, jobs), job in sorted(_jobs(place).items()) if jobs == of}
    except OSError as error:
        raise _refused(place, error) from None
    clips = sum(count for _, count in pieces)
    return State(
        told["set"]["name"],
        "piece",
        (len(pieces) - len(lacking), len(pieces)),
        (clips - sum(pieces[i][1] for i in lacking), clips),
        of,
        said,
        tuple(sorted({index % of for index in lacking})),
        str(told["command"]),
    )


def _jobs(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """(number, of how many) → what that job said last; what cannot be read is left out."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder / "jobs")):
            if match := re.fullmatch(r"(\d+)-of-(\d+)\.json", name, re.ASCII):
                with contextlib.suppress(OSError, ValueError, RecursionError):
                    told = json.loads(archive.regular(folder / "jobs" / name))
                    if isinstance(told, dict):
                        found[int(match[1]), int(match[2])] = told
    return found


def _jobs_in_all(folder: Path) -> int:
    """Of how many jobs the one was that began last; 1 where none did."""
    jobs = _jobs(folder)
    last = max(jobs, key=lambda job: (float(jobs[job].get("began", 0)), job), default=(0, 1))
    return last[1]


class _Job:
    """What a job says of itself while it runs."""

    def __init__(self, folder: Path, shard: tuple[int, int], pieces: int) -> None:
        self._path = folder / "jobs" / f"{shard[0]}-of-{shard[1]}.json"
        self._pieces, self._began, self._last = pieces, time.time(), 0.0
        self.there = self.new = 0
        self.notes: list[str] = []

    def seen(self, there: bool) -> None:
        """One of its pieces was looked for."""
        self.there += there

    def measured(self) -> None:
        """One of its pieces is there now."""
        self.there, self.new = self.there + 1, self.new + 1
        if time.monotonic() - self._last > _EVERY:
            self._say("running")

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Says that the job runs, and how it ended."""
        self._say("running")
        try:
            yield
        except SynvidEvalError as error:
            self._try_to_say("failed", f"{error.message} {error.hint}".strip(), error.code)
            raise
        except Exception as error:
            code = 3 if isinstance(error, OSError) else 1
            self._try_to_say("failed", f"{type(error).__name__}: {error}", code)
            raise
        except BaseException:
            self._try_to_say("stopped")
            raise
        self._say("done" if self.there == self._pieces else "stopped")

    def _try_to_say(self, how: str, error: str = "", code: int = 0) -> None:
        """As `_say`; where that fails (the disk is full), what is told of counts, and not that."""
        with contextlib.suppress(OSError):
            self._say(how, error, code)

    def _say(self, how: str, error: str = "", code: int = 0) -> None:
        self._last = time.monotonic()
        facts = {
            "state": how,
            "pieces": [self.there, self._pieces],
            "began": self._began,
            "at": time.time(),
            "machine": platform.node(),
            "notes": self.notes,
            **({"error": error, "code": code} if error else {}),
        }
        archive.write_bytes(self._path, (json.dumps(facts, sort_keys=True) + "\n").encode())


def _refused(folder: Path, error: OSError) -> DataError:
    where = error.filename or folder
    return DataError(f"{where}: {error.strerror or error}.", unwritten(error))
