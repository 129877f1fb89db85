"""Banks of textures, made beforehand: one file that presets map into memory (see `generators.pool`)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synvid_eval import knobs, shards
from synvid_eval.errors import DataError, SynvidEvalError, UsageError
from synvid_eval.execute import Failure
from synvid_eval.generators import pool as pools
from synvid_eval.generators.shapes import POOL
from synvid_eval.measurement import Options, hashing
from synvid_eval.sets import broken_note
from synvid_eval.video import remote
from synvid_eval.writer import refused, texture_task

CHUNK = 8  # textures made at a time


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
    if images is not None and "images" not in knobs.names(recipe):
        raise UsageError(
            f"--images {images} means nothing for {recipe.name}.",
            "It is for textures that show pictures, such as photos. Leave it away.",
        )
    recipe.prepare(hashing(recipe.name, options.progress))
    recipe.identity()  # what it reads is there
    if note := broken_note(recipe, seed, POOL):
        options.progress.say(note)
    folder = remote.local(out, "--out")
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
        raise refused(folder, pool.refused)
    mine = range(shard[0], count, shard[1])
    options.progress.begin(f"{recipe.name}{shards.suffix(shard).replace('-', ' ')}", len(mine))
    todo = []
    for index in mine:
        if pool.sound(index):
            options.progress.advance(1, cached=True)
        else:
            todo.append(index)
    bank = {"textures": text, "images": images or "", "seed": seed, "pool": POOL, "count": count}
    setup = {"bank": {**bank, "folder": os.path.abspath(folder)}, "loud": options.loud}
    workers = options.pool("synvid_eval.writer", {**setup, "path": [p for p in sys.path if p]})
    try:
        chunks = [todo[i : i + CHUNK] for i in range(0, len(todo), CHUNK)]
        for task, answer in workers.map(map(texture_task, chunks)):
            if isinstance(answer, Failure):
                raise SynvidEvalError(
                    f"A texture of {task['textures']} {answer.reason}.", "Run again: it goes on."
                )
            options.progress.advance(len(task["textures"]), cached=False)
    finally:
        workers.close()
    return Bank(pool.path, count, len(todo), len(pool.missing()))
