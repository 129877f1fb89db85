"""Tar files in a store: the clips and scores of the same ones on a disk, read by their own bytes only."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synvid_eval import sets
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import content_hashes
from synvid_eval.video import remote, spans, tar_store
from synvid_eval.video.decode import Unreadable
from synvid_eval.video.videoset import VideoSet
from tests.clips import moving, write_video
from tests.conftest import Run
from tests.stores import servers
from tests.stores.conftest import upload
from tests.stores.servers import Proxy, Request
from tests.stores.test_faults import FAULTS
from tests.video.test_tars import HOSTILE, packed, raw_header, write_tar

METRICS = ("--metrics", "color,spectrum", "-q", "--json", "-")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience and pauses of tests of one process."""
    monkeypatch.setattr(remote, "PATIENCE", 2.0)
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(remote, "LONGEST_PAUSE", 0.1)


@pytest.fixture(scope="module")
def shards(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tar files `a/0.tar`, `a/1.tar` of the six videos of `pair/a`, three each, and `b/…` of `pair/b`."""
    root = tmp_path_factory.mktemp("shards")
    for side in "ab":
        for number, path in enumerate(sorted(p for p in (pair / side).rglob("*.*"))):
            place = root / "files" / side / str(number % 2) / path.relative_to(pair / side)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        for number in range(2):
            packed(root / "files" / side / str(number), root / side / f"{number}.tar")
    shutil.rmtree(root / "files")
    return root


def known(opened: VideoSet) -> list[tuple[Any, ...]]:
    """What a set's clips are, whatever they lie on."""
    return [(c.id, c.kind, c.index, c.length, c.label) for c in opened.clips] + [*opened.skipped]


def content(opened: VideoSet) -> dict[str, bytes]:
    return {c.id: spans.opened_clip(c).read() or b"" for c in opened.clips}


def scores(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["scores"]


def fetched(store: Proxy) -> list[tuple[int, int]]:
    """(first byte, last byte) of all reads so far."""
    ranges = [re.fullmatch(r"bytes=(\d+)-(\d+)", r.headers["Range"]) for r in store.seen if r.reads]
    return [(int(r[1]), int(r[2])) for r in ranges if r]


@pytest.mark.slow
def test_scores_are_those_of_the_same_files_on_a_disk(
    store: Proxy, s3: Any, shards: Path, run_cli: Run
) -> None:
    upload(s3, shards, "shards")
    local = scores(run_cli("compare", f"a={shards}/a", f"b={shards}/b", *METRICS))
    far = ["a=s3://bucket/shards/a/", "b=s3://bucket/shards/b/{0..1}.tar", *METRICS]
    found = run_cli("compare", *far, "--workers", "2", "--cache", "far")
    assert scores(found) == local
    assert [c["clips"] for c in json.loads(found.stdout)["candidates"]] == [6]
    reads = [r for r in store.seen if r.reads]
    assert reads
    assert all("If-Match" in r.headers and "Range" in r.headers for r in reads)
    store.reset()
    assert scores(run_cli("compare", *far, "--cache", "far")) == local
    assert not [r for r in store.seen if r.reads]  # lists and clips are known by the tags
    one, alone = (
        run_cli("compare", f"a={place}/a/0.tar", f"b={shards}/b", *METRICS)
        for place in ("s3://bucket/shards", shards)
    )
    assert scores(one) == scores(alone)
    assert [c["clips"] for c in json.loads(one.stdout)["candidates"]] == [3]


def test_clips_are_those_of_the_disk(store: Proxy, s3: Any, shards: Path) -> None:
    upload(s3, shards / "a", "same")
    for there, here in (
        ("s3://bucket/same/", f"{shards}/a"),
        ("s3://bucket/same", f"{shards}/a"),
        ("s3://bucket/same/{0..1}.tar", f"{shards}/a/{{0..1}}.tar"),
        ("s3://bucket/same/1.tar", f"{shards}/a/1.tar"),
    ):
        far, near = sets.open_set(there), sets.open_set(here)
        assert known(far) == known(near)
        assert (far.said, far.notes, far.layout) == (near.said, near.notes, "webdataset")
        assert content(far) == content(near)
    assert sets.name_sets(["s3://bucket/same/1.tar", "s3://bucket/same/{0..1}.tar", "s3://b/x.tar.gz"]) == [
        ("1", "s3://bucket/same/1.tar"),
        ("{0..1}", "s3://bucket/same/{0..1}.tar"),
        ("x", "s3://b/x.tar.gz"),
    ]


@pytest.mark.slow
def test_inspecting_says_what_it_says_of_the_disk(
    store: Proxy, s3: Any, shards: Path, tmp_path: Path, run_cli: Run
) -> None:
    """Also which clips have the same bytes, which their places in tar files do not tell."""
    for number in range(2):
        shutil.copy(shards / "a" / "0.tar", tmp_path / f"{number}.tar")
        s3.upload_file(os.fspath(tmp_path / f"{number}.tar"), "bucket", f"twice/{number}.tar")
    far, near = (
        json.loads(run_cli("inspect", f"{place}/{{0..1}}.tar", "--json", "-", "-q").stdout)
        for place in ("s3://bucket/twice", tmp_path)
    )
    assert len(far["duplicates"]) == 3
    for key in ("bytes", "codecs", "containers", "sizes", "clips", "duplicates"):
        assert far[key] == near[key], key
    dry = run_cli("compare", "s3://bucket/twice/", shards / "b", *METRICS, "--dry-run")
    assert dry.returncode == 0, dry.stderr


def test_a_clip_is_read_by_its_own_bytes_and_hashed_by_none(store: Proxy, s3: Any, shards: Path) -> None:
    upload(s3, shards / "a", "own")
    opened = sets.open_set("s3://bucket/own/")
    store.reset()
    hashes = content_hashes(opened, Cache(None), 1)
    assert not store.seen
    assert len(set(hashes.values()) - {""}) == len(opened.clips) == 6
    beats: list[int] = []
    for clip in opened.clips:
        store.reset()
        sets.open_clip(clip, beat=lambda: beats.append(1))
        assert fetched(store) == [(clip.index, clip.index + clip.length - 1)]
    assert len(beats) > 6
    store.reset()
    again = sets.open_set("s3://bucket/own/")
    assert known(again) == known(opened)
    assert content_hashes(again, Cache(None), 1) == hashes
    assert not fetched(store)


def test_what_lies_between_headers_is_not_fetched(
    store: Proxy, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "HEADERS", 4096)
    rng = np.random.default_rng(0)
    members = [(f"{i}.mp4", rng.bytes(200_000)) for i in range(5)]
    path = write_tar(tmp_path / "x.tar", [*members, ("4.cls", b"run")])
    s3.upload_file(os.fspath(path), "bucket", "wide.tar")
    store.reset()
    opened = sets.open_set("s3://bucket/wide.tar")
    assert sum(last - first + 1 for first, last in fetched(store)) < 80_000
    assert known(opened) == known(sets.open_set(path))
    assert content(opened) == dict(members)


def test_a_range_of_which_files_are_missing_is_no_smaller_set(store: Proxy, s3: Any, shards: Path) -> None:
    upload(s3, shards / "a", "gap")
    with pytest.raises(
        DataError, match=r"1 tar file of the 3 of s3.*is not there: s3://bucket/gap/2\.tar\. Give the range"
    ):
        sets.open_set("s3://bucket/gap/{0..2}.tar")
    for number in range(2):
        s3.upload_file(os.fspath(shards / "a" / "0.tar"), "bucket", f"parts/p{number}/x.tar")
    folder = sets.open_set("s3://bucket/parts/")
    assert sets.open_set("s3://bucket/parts/p{0..1}/x.tar").ids == folder.ids
    s3.create_bucket(Bucket="bucket-1")
    s3.upload_file(os.fspath(shards / "a" / "0.tar"), "bucket-1", "x.tar")
    far = sets.open_set("s3://bucket-{1..1}/x.tar")  # a bucket's name may hold the range
    assert far.ids == [f"bucket-1/x.tar/{i}" for i in sets.open_set(shards / "a" / "0.tar").ids]
    with pytest.raises(DataError, match=r"1 tar file of the 2 .* is not there: s3://bucket-2/x\.tar"):
        sets.open_set("s3://bucket-{1..2}/x.tar")
    with pytest.raises(UsageError, match="steps that lead nowhere"):
        sets.open_set("s3://bucket/parts/{0..1}/../p0/x.tar")
    with pytest.raises(UsageError, match="names 1,000,000,000 files"):
        sets.open_set("s3://bucket/{1..1000000000}.tar")
    for location in ("s3://bucket/gap/{0..1}.tar", "s3://bucket/gap/0.tar"):
        with pytest.raises(UsageError, match="--split"):
            sets.open_set(location, split="train")
        with pytest.raises(DataError, match="layout classes"):
            sets.open_set(location, layout="classes")
    store.reset(lambda r: "403" if "/1.tar" in r.path else None)
    with pytest.raises(DataError, match=r"s3://bucket/gap/1\.tar cannot be opened: access denied"):
        sets.open_set("s3://bucket/gap/{0..1}.tar")


def test_a_tar_file_that_is_replaced_is_never_mixed(
    store: Proxy, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced by one with the same headers: after the listing, and while it is listed or read."""
    videos = [
        write_video(tmp_path / f"{seed}.avi", moving(20, seed=seed), "xvid").read_bytes() for seed in (1, 2)
    ]
    size = max(map(len, videos))
    one, two = (
        write_tar(tmp_path / f"{i}.tar", [("v.avi", v.ljust(size, b"\0"))]) for i, v in enumerate(videos)
    )
    s3.upload_file(os.fspath(one), "bucket", "swap/x.tar")
    first = sets.open_set("s3://bucket/swap/")
    (clip,) = first.clips
    s3.upload_file(os.fspath(two), "bucket", "swap/x.tar")
    with pytest.raises(Unreadable, match="it was replaced since the set was listed") as seen:
        sets.open_clip(clip)
    assert not seen.value.lasting
    assert spans.clip_hash(clip) == ""
    second = sets.open_set("s3://bucket/swap/")
    assert known(second) == known(first)
    assert content(second)["x.tar/v.avi"][: len(videos[1])] == videos[1]
    hashes = [content_hashes(s, Cache(None), 1)["x.tar/v.avi"] for s in (first, second)]
    assert "" not in hashes
    assert hashes[0] != hashes[1]

    def replace(when: int) -> Callable[[Request], str | None]:
        def fault(request: Request) -> str | None:
            if request.reads and sum(r.reads for r in store.seen) == when:
                s3.upload_file(os.fspath(one), "bucket", "swap/x.tar")
            return None

        return fault

    monkeypatch.setattr(remote, "BLOCK", 1000)
    store.reset(replace(3))
    with pytest.raises(Unreadable, match="it was replaced since the set was listed"):
        sets.open_clip(second.clips[0])
    s3.upload_file(os.fspath(two), "bucket", "swap/x.tar")
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(remote, "HEADERS", 1000)
    store.reset(replace(2))
    with pytest.raises(DataError, match=r"swap/x\.tar cannot be opened: it was replaced .*nobody writes"):
        sets.open_set("s3://bucket/swap/")


@pytest.mark.slow
def test_a_replaced_tar_file_makes_its_clips_skipped_and_not_kept(
    store: Proxy, s3: Any, shards: Path, run_cli: Run
) -> None:
    upload(s3, shards, "later")
    done: list[int] = []

    def replace(request: Request) -> str | None:
        # listing takes one read of each tar file
        if sum(r.reads for r in store.seen) == 5 and not done:
            done.append(1)
            s3.upload_file(os.fspath(shards / "b" / "1.tar"), "bucket", "later/a/1.tar")
        return None

    store.reset(replace)
    words = ("compare", "s3://bucket/later/a/", "s3://bucket/later/b/", *METRICS, "--workers", "1")
    first = run_cli(*words, "--max-skipped", "90%")
    assert first.returncode == 0, first.stderr
    skipped = json.loads(first.stdout)["candidates"][0]["skipped"]
    assert {s["id"].partition("/")[0] for s in skipped} == {"1.tar"}
    assert all("it was replaced since the set was listed" in s["reason"] for s in skipped)
    again = json.loads(run_cli(*words).stdout)
    assert [(c["clips"], c["skipped"]) for c in again["candidates"]] == [(6, [])]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "fault", [pytest.param(one, marks=() if one == "cut" else pytest.mark.slow) for one in FAULTS]
)
def test_bytes_are_whole_whatever_fails_on_the_way(
    store: Proxy, s3: Any, shards: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other answer is bad, of listing and of reading; and what never comes is no end of a tar file."""
    monkeypatch.setattr(remote, "BLOCK", 4000)
    monkeypatch.setattr(remote, "HEADERS", 4000)
    upload(s3, shards / "a", "faulty")
    near = sets.open_set(shards / "a")
    store.reset(lambda r: fault if r.reads and sum(q.reads for q in store.seen) % 2 else None)
    far = sets.open_set("s3://bucket/faulty/")
    assert known(far) == known(near)
    assert content(far) == content(near)
    shutil.rmtree(tar_store.folder() or "")
    store.reset(lambda r: fault if r.reads and "bytes=0-" not in r.headers["Range"] else None)
    with pytest.raises(DataError, match=r"faulty/[01]\.tar cannot be opened: .*, tried for \d+ s\. Check"):
        sets.open_set("s3://bucket/faulty/")
    with pytest.raises(Unreadable, match=r"tried for \d+ s$") as seen:
        sets.open_clip(far.clips[0])
    assert not seen.value.lasting
    store.reset()
    assert known(sets.open_set("s3://bucket/faulty/")) == known(near)


def zipped(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1, mtime=0))
    return path


@pytest.mark.slow
def test_a_compressed_one_is_unpacked_once(
    store: Proxy, s3: Any, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (shards / "a" / "0.tar").read_bytes()
    here = zipped(tmp_path / "here" / "x.tar.gz", data)
    s3.upload_file(os.fspath(here), "bucket", "zip/x.tar.gz")
    s3.upload_file(os.fspath(zipped(tmp_path / "b.tgz", data)), "bucket", "zip/y.tgz")
    near = sets.open_set(here)
    monkeypatch.setattr(remote, "BLOCK", 1000)
    store.reset(lambda r: "cut" if r.reads and sum(q.reads for q in store.seen) % 2 else None)
    far = sets.open_set("s3://bucket/zip/x.tar.gz")
    assert known(far) == known(near)
    assert content(far) == content(near)
    assert content_hashes(far, Cache(None), 1) == content_hashes(near, Cache(None), 1)
    store.reset()
    assert known(sets.open_set("s3://bucket/zip/x.tar.gz")) == known(near)
    assert not fetched(store)
    both = sets.open_set("s3://bucket/zip/")
    assert both.ids == [*(f"x.tar.gz/{i}" for i in near.ids), *(f"y.tgz/{i}" for i in near.ids)]
    other = zipped(tmp_path / "other.tar.gz", (shards / "b" / "0.tar").read_bytes())
    s3.upload_file(os.fspath(other), "bucket", "zip/x.tar.gz")
    assert content(sets.open_set("s3://bucket/zip/x.tar.gz")) == content(
        sets.open_set(shards / "b" / "0.tar")
    )
    assert content(far) == content(near)  # who listed the first one still reads it


@pytest.mark.usefixtures("quick")
def test_compressed_ones_that_are_damaged_or_do_not_come(
    store: Proxy, s3: Any, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gzip.compress((shards / "a" / "0.tar").read_bytes(), 1)
    s3.put_object(Bucket="bucket", Key="bad/x.tar.gz", Body=whole[: len(whole) * 2 // 3])
    (tmp_path / "x.tar.gz").write_bytes(whole[: len(whole) * 2 // 3])
    far, near = sets.open_set("s3://bucket/bad/x.tar.gz"), sets.open_set(tmp_path / "x.tar.gz")
    assert known(far) == known(near)
    assert "its compression is damaged" in dict(far.skipped)["x.tar.gz"]
    s3.put_object(Bucket="bucket", Key="good.tar.gz", Body=whole)
    monkeypatch.setattr(remote, "BLOCK", 5000)
    monkeypatch.setattr(remote, "HEADERS", 5000)
    store.reset(lambda r: "drop" if r.reads and "bytes=0-" not in r.headers["Range"] else None)
    with pytest.raises(DataError, match=r"s3://bucket/good\.tar\.gz cannot be opened: .*tried for"):
        sets.open_set("s3://bucket/good.tar.gz")
    store.reset()
    assert not [p for p in (tmp_path / "cache" / "tars").iterdir() if p.suffix == ".part"]
    monkeypatch.setattr(tar_store, "MORE", 1 << 16)
    monkeypatch.setattr(tar_store, "TIMES", 1)
    s3.put_object(
        Bucket="bucket",
        Key="bombs/b.tar.gz",
        Body=gzip.compress(raw_header(b"a.mp4", 1 << 25) + bytes(1 << 25)),
    )
    assert dict(sets.open_set("s3://bucket/bombs/").skipped)["b.tar.gz"].startswith("unpacks to more than")


def test_commands_take_compressed_ones_and_leave_nothing_behind_without_a_cache(
    store: Proxy, s3: Any, shards: Path, tmp_path: Path, run_cli: Run
) -> None:
    s3.upload_file(
        os.fspath(zipped(tmp_path / "z", (shards / "a" / "0.tar").read_bytes())), "bucket", "a.tar.gz"
    )
    (tmp_path / "scratch").mkdir()
    words = ("compare", "a=s3://bucket/a.tar.gz", shards / "b", *METRICS)
    done = run_cli(*words, "--cache", "none", env={"TMPDIR": str(tmp_path / "scratch")})
    assert scores(done) == scores(run_cli("compare", f"a={shards}/a/0.tar", shards / "b", *METRICS))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(("member", "name", "reason"), HOSTILE)
def test_hostile_members_are_listed_and_do_nothing(
    store: Proxy, s3: Any, tmp_path: Path, member: Any, name: str, reason: str
) -> None:
    path = write_tar(tmp_path / "in" / "x.tar", [("0.mp4", b"0"), member, ("9.mp4", b"9")])
    s3.upload_file(os.fspath(path), "bucket", "hostile.tar")
    found = sets.open_set("s3://bucket/hostile.tar")
    assert content(found) == {"0.mp4": b"0", "9.mp4": b"9"}
    assert known(found) == known(sets.open_set(path))
    ((seen, why),) = found.skipped
    assert (seen, reason in why) == (name, True)


@pytest.mark.parametrize("size", [-1024, 1 << 40, (1 << 87) - 1])
def test_damage_is_told_as_on_a_disk(store: Proxy, s3: Any, tmp_path: Path, size: int) -> None:
    good = write_tar(tmp_path / "y.tar", [("0.mp4", b"0")], tarfile.USTAR_FORMAT).read_bytes()[:1024]
    for kind in (b"0", b"x", b"L"):
        path = tmp_path / f"{kind.decode()}.tar"
        path.write_bytes(good + raw_header(b"1.mp4", size, kind) + bytes(4096))
        s3.upload_file(os.fspath(path), "bucket", f"damaged/{path.name}")
        found = sets.open_set(f"s3://bucket/damaged/{path.name}")
        assert content(found) == {"0.mp4": b"0"}
        assert [i for i, _ in found.skipped] == [i for i, _ in sets.open_set(path).skipped]
    for body in (b"", b"no tar file at all" * 100, good + b"x" * 512):
        s3.put_object(Bucket="bucket", Key="none.tar", Body=body)
        (tmp_path / "none.tar").write_bytes(body)
        assert known(sets.open_set("s3://bucket/none.tar")) == known(sets.open_set(tmp_path / "none.tar"))


def test_keys_that_are_no_plain_paths_and_other_sets(store: Proxy, s3: Any, shards: Path) -> None:
    body = (shards / "a" / "0.tar").read_bytes()
    for key in ("ok.tar", "../up.tar", "a//b.tar", ".hidden.tar", "notes.txt"):
        s3.put_object(Bucket="bucket", Key=f"oddtar/{key}", Body=body)
    opened = sets.open_set("s3://bucket/oddtar/")
    assert {i.partition("/")[0] for i in opened.ids} == {"ok.tar"}
    assert dict(opened.skipped) == dict.fromkeys(("../up.tar", "a//b.tar"), "its key is no plain path")
    s3.put_object(Bucket="bucket", Key="mixed/v.mp4", Body=b"x")
    s3.put_object(Bucket="bucket", Key="mixed/backup.tar", Body=body)
    assert sets.open_set("s3://bucket/mixed/").ids == ["v.mp4"]
    both = sets.open_set("s3://bucket/mixed/", layout="webdataset")
    assert len(both.ids) == 3
    assert "1 video or picture beside them left out" in both.said
    with pytest.raises(DataError, match=r"0 tar files under s3://bucket/none\."):
        sets.open_set("s3://bucket/none/", layout="webdataset")


def test_web_servers_give_the_clips_of_the_disk(shards: Path, tmp_path: Path, run_cli: Run) -> None:
    """By a range, which asks for no page of links; without tags nothing is kept."""
    near = sets.open_set(shards / "a")
    told = {f"s/{n}.tar": (shards / "a" / f"{n}.tar").read_bytes() for n in range(2)}
    files = servers.Files(dict(told))
    with servers.web(files) as url:
        far = sets.open_set(f"{url}/s/{{0..1}}.tar")
        assert known(far) == known(near)
        assert content(far) == content(near)
        assert all(content_hashes(far, Cache(None), 1).values())
        files.objects["s/0.tar"] += b"\0"
        with pytest.raises(Unreadable, match="it was replaced"):
            sets.open_clip(far.clips[0])
        with pytest.raises(DataError, match=r"1 tar file of the 3 .* is not there"):
            sets.open_set(f"{url}/s/{{0..2}}.tar")
    shutil.rmtree(tmp_path / "cache")
    files = servers.Files(dict(told), tags=False)
    with servers.web(files) as url:
        for _ in range(2):
            files.reads.clear()
            far = sets.open_set(f"{url}/s/")
            assert len(set(files.reads)) == 2
        assert set(content_hashes(far, Cache(None), 1).values()) == {""}
        assert content(far) == content(near)
        assert not list((tmp_path / "cache").rglob("*.index"))
        files.objects["s/0.tar"] = told["s/0.tar"][512:] + bytes(512)
        with pytest.raises(Unreadable, match="changed since it was listed") as seen:
            sets.open_clip(far.clips[0])
        assert not seen.value.lasting
        files.objects["s/1.tar"] = told["s/1.tar"][:2000]
        with pytest.raises(Unreadable):
            sets.open_clip(far.clips[-1])


def test_a_web_server_that_gives_no_parts_is_refused(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "HEADERS", 2000)
    files = servers.Files({"x.tar": (shards / "a" / "0.tar").read_bytes()}, parts=False)
    with servers.web(files) as url, pytest.raises(DataError, match=r"gives no parts of files\. Copy it"):
        sets.open_set(f"{url}/x.tar")


@pytest.mark.slow
def test_workers_on_ray_read_them_where_they_lie(store: Proxy, s3: Any, shards: Path, run_cli: Run) -> None:
    pytest.importorskip("ray")
    upload(s3, shards, "ray")
    words = ("compare", "a=s3://bucket/ray/a/", "b=s3://bucket/ray/b/{0..1}.tar", *METRICS, "--workers", "2")
    local = scores(run_cli("compare", f"a={shards}/a", f"b={shards}/b", *METRICS))
    assert scores(run_cli(*words, "--engine", "ray", "--cache", "none", timeout=240)) == local
