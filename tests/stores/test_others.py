"""Google Cloud Storage, web servers, and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from synvid_eval import archive, sets
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError
from synvid_eval.measurement import content_hashes
from synvid_eval.video import remote
from synvid_eval.video.decode import Unreadable
from tests.conftest import Run
from tests.stores import servers


def objects(folder: Path, prefix: str) -> dict[str, bytes]:
    """Every file below a folder, as objects."""
    return {
        f"{prefix}/{p.relative_to(folder).as_posix()}": p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Files]:
    """A Google Cloud Storage that the environment speaks to."""
    files = servers.Files()
    with servers.gcs(files) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
        fsspec.config.set_conf_env(fsspec.config.conf)
        remote._system.cache_clear()
        yield files
    fsspec.config.conf.pop("gs", None)
    remote._system.cache_clear()


def test_a_google_that_does_not_answer_is_given_up_in_time_and_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """gcsfs by itself tries for half a minute and then logs a traceback."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    monkeypatch.setattr(remote, "FIRST_PATIENCE", 0.5)
    monkeypatch.setattr(remote, "_ANSWERED", set())
    fsspec.config.set_conf_env(fsspec.config.conf)
    remote._system.cache_clear()
    begun = time.monotonic()
    try:
        with pytest.raises(OSError, match="no good answer"):
            remote.kind_of("gs://bucket/a")
    finally:
        fsspec.config.conf.pop("gs", None)
        remote._system.cache_clear()
    assert time.monotonic() - begun < 10
    assert not [record for record in caplog.records if record.name.startswith("gcsfs")]


def same_frames(far: str, near: str) -> None:
    ours, theirs = sets.open_set(near), sets.open_set(far)
    assert theirs.ids == ours.ids
    for one, other in zip(ours.clips, theirs.clips, strict=True):
        wanted = range(8)
        mine, read = sets.open_clip(one).frames(wanted), sets.open_clip(other).frames(wanted)
        for (_, a), (_, b) in zip(mine, read, strict=True):
            assert np.array_equal(a, b), one.id


def test_google_cloud_storage_gives_the_frames_of_the_disk(google: servers.Files, pair: Path) -> None:
    google.objects |= objects(pair / "a", "bucket/a")
    same_frames("gs://bucket/a/", os.fspath(pair / "a"))
    same_frames("gcs://bucket/a", os.fspath(pair / "a"))
    assert all(content_hashes(sets.open_set("gs://bucket/a"), Cache(None), 1).values())


def test_google_cloud_storage_is_written_and_its_objects_may_be_replaced(
    google: servers.Files, pair: Path
) -> None:
    google.objects |= objects(pair / "a", "bucket/a")
    archive.write_bytes(remote.place("gs://bucket/out/f.json"), b'{"a": 1}')
    assert remote.read_bytes("gs://bucket/out/f.json") == b'{"a": 1}'
    clip = sets.open_set("gs://bucket/a/").clips[0]
    google.objects[f"bucket/a/{clip.id}"] = google.objects[f"bucket/a/{clip.id}"] + b"\0"
    with pytest.raises(Unreadable, match="it was replaced"):
        sets.open_clip(clip)
    with pytest.raises(DataError, match="gs://bucket/none does not exist"):
        sets.open_set("gs://bucket/none")


@pytest.mark.parametrize("parts", [True, False])
def test_web_servers_give_the_frames_of_the_disk(pair: Path, tmp_path: Path, parts: bool) -> None:
    files = servers.Files(objects(pair / "a", "sets/a"), parts)
    np.save(tmp_path / "v.npy", np.arange(2 * 9 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 9, 8, 8, 3))
    files.objects["v.npy"] = (tmp_path / "v.npy").read_bytes()
    files.objects["sets/list.txt"] = b"class0/v0.avi 0\nclass1/v 1.mp4 1\n"
    files.objects["sets/class1/v 1.mp4"] = files.objects["sets/a/class1/v1.mp4"]
    files.objects["sets/class0/v0.avi"] = files.objects["sets/a/class0/v0.avi"]
    with servers.web(files) as url:
        same_frames(f"{url}/sets/a/", os.fspath(pair / "a"))
        same_frames(f"{url}/v.npy", os.fspath(tmp_path / "v.npy"))
        listed = sets.open_set(f"{url}/sets/list.txt")
        assert listed.ids == ["class0/v0.avi", "class1/v 1.mp4"]
        assert all(content_hashes(listed, Cache(None), 1).values())
        assert [sets.open_clip(c).total for c in listed.clips] == [40, 40]
        files.objects["sets/class0/v0.avi"] += b"\0"
        with pytest.raises(Unreadable, match="it was replaced"):
            sets.open_clip(listed.clips[0])


def test_what_a_web_server_tells_no_tag_of_is_measured_and_not_kept(pair: Path, run_cli: Run) -> None:
    files = servers.Files(objects(pair / "a", "a"), tags=False)
    with servers.web(files) as url:
        assert set(content_hashes(sets.open_set(f"{url}/a/"), Cache(None), 1).values()) == {""}
        for _ in range(2):
            files.reads.clear()
            done = run_cli("compare", f"{url}/a/", pair / "b", "--metrics", "color", "-q")
            assert done.returncode == 0, done.stderr
            assert len(set(files.reads)) == 6


def test_an_object_is_read_by_few_blocks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BLOCK", 10)
    data = bytes(range(250))
    remote.write_bytes("memory://x/long.bin", data)
    with remote.File("memory://x/long.bin") as file:
        assert file.read(25) == data[:25]
        file.seek(-7, os.SEEK_END)
        assert file.read() == data[-7:]
        assert file.read(1) == b""
        file.seek(0)
        assert file.read() == data
        assert len(file._blocks) == remote.KEPT
        assert file.seek(-50, os.SEEK_CUR) == 200
        with pytest.raises(ValueError, match="negative"):
            file.seek(-1)
