"""The cache: the unchanged is not read again, the damaged is redone, the unusable is said once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from synvid_eval import archive, cache
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError
from synvid_eval.features import registry
from synvid_eval.measurement import Measurement, Options, measure
from tests.clips import write_set
from tests.conftest import Run

ARRAYS = {"a": np.arange(4.0)}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose content was read for its hash."""
    seen: list[str] = []
    real = cache.file_hash
    monkeypatch.setattr(cache, "file_hash", lambda path: seen.append(path) or real(path))
    return seen


def files(folder: Path, count: int = 5, age: float = 100) -> list[str]:
    folder.mkdir(exist_ok=True)
    out = []
    for i in range(count):
        path = folder / f"{i}.mp4"
        path.write_bytes(bytes([i]) * 100)
        os.utime(path, (time.time() - age, time.time() - age))
        out.append(str(path))
    return out


def test_entries_come_back(tmp_path: Path) -> None:
    kept = Cache(tmp_path)
    assert kept.get("ab12") is None
    kept.put("ab12", ARRAYS, {"k": 1})
    arrays, meta = Cache(tmp_path).get("ab12") or ({}, {})
    assert np.array_equal(arrays["a"], ARRAYS["a"])
    assert (meta, kept.hits) == ({"k": 1}, 0)


def test_no_cache_keeps_nothing(tmp_path: Path) -> None:
    none = Cache(None)
    none.put("ab12", ARRAYS, {})
    assert none.get("ab12") is None
    assert none.info()["entries"] == 0
    assert none.content_hashes(files(tmp_path / "set"), "p").keys() == set(files(tmp_path / "set"))


def test_unchanged_files_are_not_read_again(tmp_path: Path, reads: list[str]) -> None:
    paths = files(tmp_path / "set")
    first = Cache(tmp_path / "c").content_hashes(paths, "place")
    assert sorted(reads) == paths
    assert len(set(first.values())) == 5
    reads.clear()
    assert Cache(tmp_path / "c").content_hashes(paths, "place") == first
    assert reads == []


def test_a_changed_file_is_read_again_and_only_it(tmp_path: Path, reads: list[str]) -> None:
    paths = files(tmp_path / "set")
    first = Cache(tmp_path / "c").content_hashes(paths, "place")
    reads.clear()
    Path(paths[2]).write_bytes(b"\xff" * 100)  # the same size
    second = Cache(tmp_path / "c").content_hashes(paths, "place")
    assert reads == [paths[2]]
    assert {p for p in paths if first[p] != second[p]} == {paths[2]}


def test_a_file_put_in_its_place_with_equal_time_and_size_is_read_again(
    tmp_path: Path, reads: list[str]
) -> None:
    paths = files(tmp_path / "set")
    first = Cache(tmp_path / "c").content_hashes(paths, "place")
    facts = os.stat(paths[0])
    other = tmp_path / "other"
    other.write_bytes(b"\xee" * 100)
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    os.replace(other, paths[0])
    reads.clear()
    second = Cache(tmp_path / "c").content_hashes(paths, "place")
    assert reads == [paths[0]]
    assert second[paths[0]] != first[paths[0]]


def test_a_file_changed_just_now_is_not_trusted(tmp_path: Path, reads: list[str]) -> None:
    paths = files(tmp_path / "set", age=0)
    Cache(tmp_path / "c").content_hashes(paths, "place")
    reads.clear()
    Cache(tmp_path / "c").content_hashes(paths, "place")
    assert sorted(reads) == paths


def test_a_smaller_run_does_not_forget_the_others(tmp_path: Path, reads: list[str]) -> None:
    paths = files(tmp_path / "set")
    Cache(tmp_path / "c").content_hashes(paths[:4], "place")
    Cache(tmp_path / "c").content_hashes(paths[3:], "place")
    reads.clear()
    Cache(tmp_path / "c").content_hashes(paths, "place")
    assert reads == []


def test_the_index_forgets_files_that_are_gone(tmp_path: Path) -> None:
    paths = files(tmp_path / "set")
    Cache(tmp_path / "c").content_hashes(paths[:4], "place")
    os.unlink(paths[0])
    Cache(tmp_path / "c").content_hashes(paths[4:], "place")
    (index,) = (tmp_path / "c" / "index").iterdir()
    assert sorted(json.loads(index.read_bytes())["files"]) == paths[1:]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', '{"%s": [1, 2, 3, 4]}', "\xff", "[" * 100_000])
def test_a_damaged_index_is_made_again(tmp_path: Path, reads: list[str], text: str) -> None:
    paths = files(tmp_path / "set")
    first = Cache(tmp_path / "c").content_hashes(paths, "place")
    (index,) = (tmp_path / "c" / "index").iterdir()
    index.write_bytes((text % paths[0] if "%" in text else text).encode("latin-1"))
    assert Cache(tmp_path / "c").content_hashes(paths, "place") == first


def test_swapped_hashes_in_an_index_are_noticed(tmp_path: Path, reads: list[str]) -> None:
    paths = files(tmp_path / "set")
    first = Cache(tmp_path / "c").content_hashes(paths, "place")
    (index,) = (tmp_path / "c" / "index").iterdir()
    one, other = (first[p] for p in paths[:2])
    index.write_text(index.read_text().replace(one, "-").replace(other, one).replace("-", other))
    reads.clear()
    assert Cache(tmp_path / "c").content_hashes(paths, "place") == first
    assert sorted(reads) == paths


def test_what_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert cache.file_hash(str(tmp_path / "fifo")) == ""
    assert cache.file_hash(str(tmp_path / "nowhere")) == ""
    assert cache.file_hash(str(tmp_path)) == ""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set") / "clips", 6)


def run(clips: Path, kept: Cache) -> Measurement:
    return measure(clips, features=["motion"], options=Options(cache=kept, workers=1))


def state_bytes(measured: Measurement) -> list[tuple[str, bytes]]:
    return [
        (f"{name}/{number}/{state}/{key}", array.tobytes())
        for name, side in measured.sides.items()
        for number, block in enumerate(side.blocks)
        for state, value in block.states.items()
        for key, array in value.to_arrays().items()
    ]


def entries(root: Path) -> list[Path]:
    return sorted((root / "shards").glob("*/*.safetensors"))


def test_damaged_entries_are_told_of_and_redone(tmp_path: Path, clips: Path) -> None:
    first = run(clips, Cache(tmp_path))
    found = entries(tmp_path)
    assert len(found) >= 3
    good = [p.read_bytes() for p in found]
    found[0].write_bytes(good[0][:-5])  # cut short
    found[1].write_bytes(good[1][:200] + bytes([good[1][200] ^ 4]) + good[1][201:])  # one bit
    found[2].write_bytes(b"")
    told: list[str] = []
    kept = Cache(tmp_path, told.append)
    again = run(clips, kept)
    assert kept.damaged == 3 and kept.hits == len(found) - 3
    (said,) = told  # once, however many there are
    assert said.split()[2] in {p.name for p in found[:3]} and "measured again" in said
    assert state_bytes(again) == state_bytes(first)
    assert [p.read_bytes() for p in found] == good


def test_swapped_entries_are_told_of_and_redone(tmp_path: Path, clips: Path) -> None:
    """A whole and sound entry under another entry's name is not what was asked for."""
    first = run(clips, Cache(tmp_path))
    one, two = entries(tmp_path)[:2]
    shutil.copy(one, tmp_path / "aside")
    shutil.copy(two, one)
    shutil.copy(tmp_path / "aside", two)
    kept = Cache(tmp_path)
    again = run(clips, kept)
    assert kept.damaged == 2
    assert state_bytes(again) == state_bytes(first)
    assert [c.id for c in again.clips] == [c.id for c in first.clips]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_cache_that_cannot_be_written_is_told_of_once(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    first = run(clips, Cache(None))

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(archive, "write_bytes", fail)
    told: list[str] = []
    again = run(clips, Cache(tmp_path / "c", told.append))
    assert told == [
        f"the cache {tmp_path / 'c'} cannot be written ({os.strerror(code)}): running without; "
        "--cache DIR gives another"
    ]
    assert state_bytes(again) == state_bytes(first)


def test_a_cache_that_cannot_be_read_is_told_of_once(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(clips, Cache(tmp_path / "c"))
    real = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.suffix == ".safetensors":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    told: list[str] = []
    again = run(clips, Cache(tmp_path / "c", told.append))
    assert len(told) == 1 and "cannot be read (Input/output error): running without" in told[0]
    assert state_bytes(again) == state_bytes(first)


def test_a_file_in_the_place_of_the_cache(tmp_path: Path, clips: Path, run_cli: Run) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = run_cli(
        "measure", clips, "--out", "a.measured", "--metrics", "motion", "--cache", "file", "--workers", "1"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("running without; --cache DIR gives another") == 1
    assert (tmp_path / "a.measured").exists()
    assert (tmp_path / "file").read_text() == "not a folder"


def test_cache_info(tmp_path: Path, clips: Path, run_cli: Run) -> None:
    kept = Cache(tmp_path / "cache")
    nothing = {"entries": 0, "bytes": 0, "indices": 0, "pools": 0, "tars": 0}
    assert kept.info() == {"root": str(tmp_path / "cache"), **nothing}
    run(clips, kept)
    sizes = [p.stat().st_size for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    done = run_cli("cache", "info", "--json", "-")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["entries"] == len(entries(tmp_path / "cache"))
    assert facts["bytes"] == sum(sizes)
    text = run_cli("cache", "info").stdout
    assert text.startswith(f"{tmp_path / 'cache'}: {facts['entries']} ")


def test_cache_info_of_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "glob", fail)
    with pytest.raises(DataError, match="cannot be read: Input/output error"):
        Cache(tmp_path).info()


def test_the_key_knows_feature_sampler_and_seed(tmp_path: Path, clips: Path) -> None:
    kept = Cache(tmp_path)
    run(clips, kept)
    measure(clips, features=["motion"], options=Options(cache=kept, workers=1, seed=1))
    other = registry.get("motion")(noise=1.0)
    measure(clips, features=[other], options=Options(cache=kept, workers=1))
    assert kept.hits == 0
    count = len(entries(tmp_path))
    run(clips, kept)
    assert kept.hits == count // 3


def test_files_to_hash_are_told_one_by_one_and_the_index_is_written_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr("synvid_eval.cache._INDEX_EVERY", 0.0)
    paths = []
    for i in range(5):
        path = tmp_path / f"{i}.mp4"
        path.write_bytes(bytes([i]) * 100)
        os.utime(path, (time.time() - 60, time.time() - 60))
        paths.append(str(path))
    told = []
    cache = Cache(tmp_path / "cache")

    def tell(path, total):
        told.append((path, total))
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.content_hashes(paths, "x", 1, tell)
    assert told == [(p, 5) for p in paths[:3]]
    again = []
    hashes = Cache(tmp_path / "cache").content_hashes(
        paths, "x", 1, lambda path, total: again.append((path, total))
    )
    assert again == [(p, 3) for p in paths[2:]]  # the first two were kept
    assert hashes == {p: hashlib.blake2b(Path(p).read_bytes(), digest_size=16).hexdigest() for p in paths}
