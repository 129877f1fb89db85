"""`cache info` and `cache prune`: only what is asked goes, and only the cache's own files."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.conftest import Run

A, B = "a=preset:static_circles?n=4&size=32", "b=preset:moving_circles?n=4&size=32"
QUICK = ("--metrics", "color", "-q", "--json", "-")


@pytest.fixture
def cache(run_cli: Run, tmp_path: Path) -> Path:
    """A cache with entries of which half were last used 40 days ago."""
    done = run_cli("compare", A, B, *QUICK)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "cache"
    then = time.time() - 40 * 86400
    files = sorted(root.glob("shards/*/*.safetensors"))
    assert len(files) >= 4
    for path in files[: len(files) // 2]:
        os.utime(path, (then, then))
    (root / "notes.txt").write_text("not ours")
    (root / "shards" / "readme").write_text("not ours")
    return root


def entries(root: Path) -> int:
    return len(list(root.glob("shards/*/*.safetensors")))


def test_older_than(run_cli: Run, cache: Path) -> None:
    before = entries(cache)
    dry = json.loads(run_cli("cache", "prune", "--older-than", "30d", "--dry-run", "--json", "-").stdout)
    assert entries(cache) == before
    done = run_cli("cache", "prune", "--older-than", "30d", "--json", "-")
    facts = json.loads(done.stdout)
    assert facts["removed"] == dry["removed"]
    assert facts["removed"]["entries"] == before // 2 == before - entries(cache)
    assert facts["freed"] == dry["freed"] > 0
    assert run_cli("cache", "prune", "--older-than", "30d").stdout.endswith("left\n")


def test_max_size_removes_the_oldest_first(run_cli: Run, cache: Path) -> None:
    old = [p for p in cache.glob("shards/*/*.safetensors") if p.stat().st_mtime < time.time() - 86400]
    total = json.loads(run_cli("cache", "info", "--json", "-").stdout)["bytes"]
    done = run_cli("cache", "prune", "--max-size", f"{total - 1}B")
    assert done.returncode == 0, done.stderr
    assert sum(not p.exists() for p in old) == 1
    assert "1 shards" in done.stdout
    assert run_cli("cache", "prune", "--max-size", "1TiB", "--json", "-").stdout.count('"freed": 0') == 1


@pytest.mark.slow
def test_all_leaves_what_is_not_the_caches_and_scores_stay_the_same(run_cli: Run, cache: Path) -> None:
    before = json.loads(run_cli("compare", A, B, *QUICK).stdout)["scores"]
    done = run_cli("cache", "prune", "--all")
    assert done.returncode == 0, done.stderr
    assert "0 B left" in done.stdout
    assert entries(cache) == 0
    assert (cache / "notes.txt").exists() and (cache / "shards" / "readme").exists()
    assert json.loads(run_cli("compare", A, B, *QUICK).stdout)["scores"] == before


def test_half_written_files_go_after_an_hour(run_cli: Run, cache: Path) -> None:
    folder = next(cache.glob("shards/??"))
    fresh, stale = folder / ".fresh.part", folder / ".stale.part"
    for path in (fresh, stale):
        path.write_bytes(b"x")
    then = time.time() - 7200
    os.utime(stale, (then, then))
    run_cli("cache", "prune", "--all")
    assert fresh.exists() and not stale.exists()


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([], "Nothing is asked"),
        (["--all", "--older-than", "1d"], "contradicts"),
        (["--older-than", "30"], "--older-than 30"),
        (["--older-than", "1d2"], "30d"),
        (["--max-size", "much"], "10GiB"),
        (["--max-size", "-1GiB"], "--max-size"),
        (["--all", "--cache", "none"], "no folder"),
    ],
)
def test_what_makes_no_sense_is_exit_2(run_cli: Run, args: list[str], word: str) -> None:
    done = run_cli("cache", "prune", *args)
    assert done.returncode == 2
    assert word in done.stderr


def test_a_cache_that_does_not_exist_is_empty(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("cache", "prune", "--all", "--cache", tmp_path / "none")
    assert done.returncode == 0
    assert "0 shards" in done.stdout


@pytest.mark.slow
def test_pools_of_textures_are_known_and_go_as_one(run_cli: Run, tmp_path: Path) -> None:
    textured = "preset:moving_shapes?n=2&size=32&textures=dead_leaves(size=32)&pool=50"
    assert run_cli("compare", f"a={textured}", B, *QUICK).returncode == 0
    folder = tmp_path / "cache" / "textures"
    assert sorted(p.suffix for p in folder.iterdir()) == [".done", ".json", ".rgbx"]
    facts = json.loads(run_cli("cache", "info", "--json", "-").stdout)
    assert facts["pools"] == 1
    assert facts["bytes"] > 0
    assert "1 pools of textures" in run_cli("cache", "info").stdout
    (folder / "notes.txt").write_text("not ours")
    dry = json.loads(run_cli("cache", "prune", "--all", "--dry-run", "--json", "-").stdout)
    assert dry["removed"]["pools"] == 1 and len(list(folder.iterdir())) == 4
    removed = json.loads(run_cli("cache", "prune", "--all", "--json", "-").stdout)["removed"]
    assert removed == dry["removed"]
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]
    assert run_cli("compare", f"a={textured}", B, *QUICK).returncode == 0


def test_a_pool_counts_what_it_takes_on_disk(tmp_path: Path) -> None:
    from synvid_eval.cache import Cache

    folder = tmp_path / "textures"
    folder.mkdir()
    with open(folder / "a.rgbx", "wb") as file:
        file.truncate(1 << 30)  # none of its textures is made yet
    assert Cache(tmp_path).info()["bytes"] < 1 << 20
    assert Cache(tmp_path).files()[0].size < 1 << 20
