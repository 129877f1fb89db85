"""Tar files as sets: what is found in them equals what unpacking them gives, and hostile ones do no harm."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synvid_eval import archive, cache, measurement
from synvid_eval.cache import Cache, Peek, file_hash
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Measurement, Options, measure
from synvid_eval.sets import default_name, open_clip, open_set
from synvid_eval.video import spans, tar_store, tars
from synvid_eval.video.videoset import VideoSet
from tests.clips import write_set
from tests.conftest import REPOSITORY, Run

Member = tuple[str, bytes]


def write_tar(
    path: Path, members: Iterable[Member | tarfile.TarInfo], kind: int = tarfile.PAX_FORMAT
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind, errors="surrogateescape") as tar:
        for one in members:
            if isinstance(one, tarfile.TarInfo):
                tar.addfile(one)
            else:
                facts = tarfile.TarInfo(one[0])
                facts.size = len(one[1])
                tar.addfile(facts, io.BytesIO(one[1]))
    return path


def packed(root: Path, path: Path, kind: int = tarfile.PAX_FORMAT) -> Path:
    """A folder's files as a tar file, in the order of their names."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return write_tar(path, ((p.relative_to(root).as_posix(), p.read_bytes()) for p in files), kind)


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    facts = tarfile.TarInfo(name)
    facts.type, facts.linkname = kind, link
    return facts


def content(videos: VideoSet) -> dict[str, bytes]:
    return {c.id: spans.opened_clip(c).read() for c in videos.clips}


def labels(videos: VideoSet) -> dict[str, str | None]:
    return {c.id: c.label for c in videos.clips}


def states(found: Measurement) -> list[object]:
    sides = [
        [(n, s.to_arrays()) for n, s in block.states.items()]
        for side in found.sides.values()
        for block in side.blocks
    ]
    return [found.clips, found.facts.fingerprint, json.dumps(sides, default=lambda a: a.tolist())]


@pytest.fixture(scope="module")
def shards(video_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips of `videos` in `shards/00.tar` and `shards/01.tar`, and as files in `files/`, by the same
    ids.
    """
    root = tmp_path_factory.mktemp("tars")
    files = sorted(p for p in video_set.rglob("*") if p.is_file())
    for number, path in enumerate(files):
        place = root / "files" / f"{number % 2:02}.tar" / path.relative_to(video_set)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    for number in range(2):
        packed(root / "files" / f"{number:02}.tar", root / "shards" / f"{number:02}.tar")
    return root


@pytest.mark.slow
def test_shards_measure_as_the_same_files_do(shards: Path) -> None:
    files = measure(shards / "files", options=Options(cache=Cache(None), workers=2))
    ids = [c.id for c in files.clips]
    assert len(ids) == 4
    assert all(i.startswith(("00.tar/", "01.tar/")) for i in ids)
    for location in (shards / "shards", f"{shards}/shards/{{00..01}}.tar"):
        found = measure(location, options=Options(cache=Cache(None), workers=1))
        assert states(found) == states(files)


def test_one_tar_file_measures_as_what_it_unpacks_to(video_set: Path, tmp_path: Path) -> None:
    files = measure(video_set, options=Options(cache=Cache(None)))
    one = packed(video_set, tmp_path / "one.tar")
    found = measure(one, options=Options(cache=Cache(None)))
    assert states(found) == states(files)
    assert labels(open_set(one)) == labels(open_set(video_set))
    assert (found.facts.name, found.about["layout"]) == ("one", "webdataset")


def test_commands_take_them(shards: Path, tmp_path: Path, run_cli: Run) -> None:
    scores = []
    for candidate, reference in (("files", "shards"), ("shards", "files"), ("shards/{00..01}.tar", "files")):
        args = ("compare", f"a={shards}/{candidate}", f"b={shards}/{reference}", "--metrics", "color,motion")
        done = run_cli(*args, "--json", "-", "-q")
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(done.stdout)["scores"])
    assert scores[0] == scores[1] == scores[2]
    done = run_cli("inspect", f"{shards}/shards/00.tar", "--json", "-", "-q")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["skipped"] == []
    assert sum(told["codecs"].values()) == told["clips"] == 2
    assert told["bytes"] == sum(p.stat().st_size for p in (shards / "files" / "00.tar").rglob("*.*"))
    done = run_cli("compare", f"a={shards}/shards", f"b={shards}/files", "--dry-run", "--json", "-", "-q")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_the_bytes_that_unpacking_gives(tmp_path: Path, kind: int) -> None:
    deep = "/".join("folder" for _ in range(12))  # 83 bytes: ustar splits it, the others need a longer header
    names = ["a.mp4", "b c.AVI", f"{deep}/{'n' * 90}.webm", "é.mkv", "empty.mp4", "block.mp4"]
    if kind != tarfile.USTAR_FORMAT:
        names.append(f"{deep}/{deep}/{'long' * 30}.mp4")
    rng = np.random.default_rng(0)
    sizes = [700, 512, 1, 100_000, 0, 1024, 10]
    members = [(n, rng.bytes(s)) for n, s in zip(names, sizes, strict=False)]
    path = write_tar(tmp_path / "x.tar", members, kind)
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path / "files", filter="data")
    found = open_set(path)
    expected = {n: (tmp_path / "files" / n).read_bytes() for n in names}
    assert content(found) == expected
    assert {c.id: file_hash(spans.address(c)) for c in found.clips} == {
        n: file_hash(str(tmp_path / "files" / n)) for n in names
    }
    assert found.skipped == ()


@pytest.mark.parametrize("flags", [[], ["--format=v7"], ["--format=posix"], ["--format=gnu", "-b", "1"]])
def test_what_gnu_tar_writes_is_read(tmp_path: Path, flags: list[str]) -> None:
    root = tmp_path / "files"
    for name in ("run/a.mp4", "run/b.mp4", "jump/c.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode() * 300)
    subprocess.run(["tar", *flags, "-cf", tmp_path / "x.tar", "-C", root, "."], check=True)
    found = open_set(tmp_path / "x.tar")
    assert content(found) == {n: n.encode() * 300 for n in ("jump/c.mp4", "run/a.mp4", "run/b.mp4")}
    assert labels(found) == {"jump/c.mp4": "jump", "run/a.mp4": "run", "run/b.mp4": "run"}
    assert (found.skipped, found.notes) == ((), ())


def test_webdataset_finds_the_same_clips(shards: Path) -> None:
    import webdataset

    shown = {}
    location = f"{shards}/shards/{{00..01}}.tar"
    for sample in webdataset.WebDataset(location, shardshuffle=False, empty_check=False):
        for key, value in sample.items():
            if not key.startswith("__"):
                name = os.path.basename(sample["__url__"])
                shown[f"{name}/{sample['__key__']}.{key}"] = value
    assert content(open_set(location)) == shown


@pytest.mark.parametrize(
    "text", ["{0..3}", "{000..003}", "{8..11}", "{08..11}", "{3..0}", "a{1..2}b{01..03}c", "{5..5}"]
)
def test_ranges_are_a_shells(text: str) -> None:
    done = subprocess.run(["bash", "-c", f"echo {text}.tar"], capture_output=True, text=True, check=True)
    assert list(tars.expanded(f"{text}.tar")) == done.stdout.split()


def test_a_range_of_which_files_are_missing_is_no_smaller_set(tmp_path: Path, run_cli: Run) -> None:
    for number in (0, 2):
        write_tar(tmp_path / f"{number}.tar", [("a.mp4", b"x")])
    with pytest.raises(DataError, match=r"1 tar file of the 3 of .*0\.\.2\}\.tar is not there: .*/1\.tar\."):
        open_set(f"{tmp_path}/{{0..2}}.tar")
    done = run_cli("inspect", "{0..2}.tar")
    assert done.returncode == 3, done.stderr
    with pytest.raises(UsageError, match="names 1,000,000,000 files"):
        open_set(f"{tmp_path}/{{1..1000000000}}.tar")
    with pytest.raises(UsageError, match="--split"):
        open_set(f"{tmp_path}/{{0..0}}.tar", split="train")
    with pytest.raises(DataError, match="layout classes"):
        open_set(f"{tmp_path}/{{0..0}}.tar", layout="classes")


def test_ids_of_a_range_are_those_of_its_folder(tmp_path: Path) -> None:
    for split, number in itertools.product((0, 1), (1, 2)):
        write_tar(tmp_path / f"part{split}" / f"{number}.tar", [("a.mp4", b"x")])
    folder = open_set(tmp_path)
    assert folder.ids == ["part0/1.tar/a.mp4", "part0/2.tar/a.mp4", "part1/1.tar/a.mp4", "part1/2.tar/a.mp4"]
    assert open_set(f"{tmp_path}/part{{0..1}}/{{1..2}}.tar").ids == folder.ids


def test_names(tmp_path: Path) -> None:
    assert default_name("a/ucf101.tar") == "ucf101"
    assert default_name("a/ucf101.tar.gz") == "ucf101"
    assert default_name("a/shards/{0..7}.tar") == "{0..7}"


def test_labels_of_samples(tmp_path: Path) -> None:
    told = [
        ("run/1.mp4", b"x"),  # by its folder, where no sample says one
        ("run/2.mp4", b"x"),
    ]
    assert set(labels(open_set(write_tar(tmp_path / "a.tar", told))).values()) == {"run"}
    told = [
        ("0.mp4", b"x"), ("0.cls", b"3\n"),
        ("1.json", b'{"label": "jump"}'), ("1.mp4", b"x"), ("1.txt", b"a caption"),
        ("2.mp4", b"x"), ("2.json", b'{"label": "no"}'), ("2.cls", b"yes"),
        ("3.mp4", b"x"), ("3.json", b'{"label": null, "class": 7}'),
        ("4.mp4", b"x"), ("4.json", b"{nothing"),
        ("run/5.left.mp4", b"x"), ("run/5.right.mp4", b"x"), ("run/5.cls", b"5"),
        ("6.mp4", b"x"), ("run/6.cls", b"another sample's"),
        ("7.cls", b"not followed by it"), ("8.mp4", b"x"), ("7.mp4", b"x"),
        ("9.mp4", b"x"), ("9.cls", b"\xff\xfe"),
    ]  # fmt: skip
    found = open_set(write_tar(tmp_path / "b.tar", told))
    assert labels(found) == {
        "0.mp4": "3", "1.mp4": "jump", "2.mp4": "yes", "3.mp4": "7", "4.mp4": None,
        "run/5.left.mp4": "5", "run/5.right.mp4": "5", "6.mp4": None, "7.mp4": None, "8.mp4": None,
        "9.mp4": None,
    }  # fmt: skip
    assert any("2 labels cannot be read" in note for note in found.notes)


def test_folders_of_other_sets_stay_what_they_are(tmp_path: Path, video_set: Path) -> None:
    shutil.copytree(video_set, tmp_path / "set")
    write_tar(tmp_path / "set" / "backup.tar", [("a.mp4", b"x")])
    assert open_set(tmp_path / "set").ids == open_set(video_set).ids
    both = open_set(tmp_path / "set", layout="webdataset")
    assert both.ids == ["backup.tar/a.mp4"]
    assert "beside them left out" in both.said
    with pytest.raises(DataError, match="0 tar files under"):
        open_set(video_set, layout="webdataset")


def test_what_holds_no_video_says_what_it_holds(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("0.jpg", b"x"), ("0.cls", b"1"), ("1.jpg", b"x")])
    with pytest.raises(DataError, match=r"0 videos in .*a\.tar\. 2 \.jpg, 1 \.cls found"):
        open_set(path)
    with pytest.raises(DataError, match="Nothing is in it"):
        open_set(write_tar(tmp_path / "b.tar", []))


def test_a_span_reads_as_a_file_of_its_own(tmp_path: Path) -> None:
    data = np.random.default_rng(1).bytes(5000)
    (tmp_path / "x").write_bytes(b"before" + data + b"behind")
    alone = io.BytesIO(data)
    rng = np.random.default_rng(2)
    with spans.Span(spans.opened(str(tmp_path / "x")), 6, 5000) as part:
        for _ in range(300):
            whence = int(rng.integers(3))
            to = int(rng.integers(0, 6000)) - (0, alone.tell(), 5000)[whence]
            assert part.seek(to, whence) == alone.seek(max(to, 0) if whence == 0 else to, whence)
            size = int(rng.integers(-1, 2000))
            assert part.read(size) == alone.read(size)
            assert part.tell() == alone.tell() or alone.tell() > 5000
        with pytest.raises(OSError, match="Invalid"):
            part.seek(-1)


def test_a_file_that_changed_since_it_was_listed_gives_no_other_clip(shards: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes((shards / "shards" / "00.tar").read_bytes())
    found = open_set(path)
    whole = path.read_bytes()
    path.write_bytes(whole[512:] + bytes(512))
    for clip in found.clips:
        assert file_hash(spans.address(clip)) == ""
        with pytest.raises(spans.Unreadable, match="changed since it was listed"):
            open_clip(clip)
    path.write_bytes(whole[: found.clips[-1].index + 10])
    assert file_hash(spans.address(found.clips[-1])) == ""


def zipped(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, 1))
    old = time.time() - 100  # long enough ago to be known again
    os.utime(path, (old, old))
    return path


def test_compressed_ones_measure_as_plain_ones_do(shards: Path, tmp_path: Path) -> None:
    for number in range(2):
        zipped(tmp_path / f"{number:02}.tgz", (shards / "shards" / f"{number:02}.tar").read_bytes())
    found, plain = open_set(tmp_path), open_set(shards / "shards")
    assert content(found) == {i.replace(".tar/", ".tgz/"): data for i, data in content(plain).items()}
    one = zipped(tmp_path / "one.tar.gz", (shards / "shards" / "00.tar").read_bytes())
    files = measure(shards / "files" / "00.tar", options=Options(cache=Cache(None)))
    assert states(measure(one, options=Options(cache=Cache(None)))) == states(files)
    # what tells is what the file holds, not what it is called
    (tmp_path / "plain.tar.gz").write_bytes((shards / "shards" / "00.tar").read_bytes())
    assert open_set(tmp_path / "plain.tar.gz").ids == open_set(one).ids


def test_commands_take_compressed_ones_and_leave_nothing_behind_without_a_cache(
    shards: Path, tmp_path: Path, run_cli: Run
) -> None:
    one = zipped(tmp_path / "one.tar.gz", (shards / "shards" / "00.tar").read_bytes())
    (tmp_path / "scratch").mkdir()
    args = ("compare", one, shards / "files" / "00.tar", "--metrics", "color", "--json", "-", "-q")
    done = run_cli(*args, "--cache", "none", env={"TMPDIR": str(tmp_path / "scratch")})
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not (tmp_path / "cache" / "tars").exists()
    again = run_cli(*args)
    assert json.loads(again.stdout)["scores"] == json.loads(done.stdout)["scores"]
    kept = sorted(p.suffix for p in (tmp_path / "cache" / "tars").iterdir())
    assert kept == ["", ".index", ".tar"]  # the first is the lock
    told = json.loads(run_cli("cache", "info", "--json", "-").stdout)
    assert told["tars"] == 1
    pruned = json.loads(run_cli("cache", "prune", "--all", "--json", "-").stdout)
    assert (pruned["removed"]["tars"], pruned["refused"]) == (1, 0)
    assert [p.name for p in (tmp_path / "cache" / "tars").iterdir()] == [".lock"]


def test_an_unpacked_file_stays_while_a_process_uses_it(shards: Path, tmp_path: Path) -> None:
    one = zipped(tmp_path / "one.tar.gz", (shards / "shards" / "00.tar").read_bytes())
    code = f"from synvid_eval.sets import open_set; open_set({str(one)!r}); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as user:
        assert user.stdout is not None
        user.stdout.readline()
        kept = Cache(tmp_path / "cache")
        assert kept.prune(everything=True)["refused"] == 1
        assert len(list((tmp_path / "cache" / "tars").glob("*.tar"))) == 1
        user.communicate(b"\n")
    assert kept.prune(everything=True)["removed"]["tars"] == 1


def test_an_index_is_taken_for_an_unchanged_file_only(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    real = tars._read
    monkeypatch.setattr(tars, "_read", lambda path, *rest: reads.append(path) or real(path, *rest))
    path = tmp_path / "x.tar"
    hostile = special("link.mp4", tarfile.SYMTYPE, "/etc/passwd")
    members = [("a/0.mp4", b"0"), ("a/0.cls", b"x"), ("b/1.mp4", b"1"), ("c/é.mp4", b"2"), hostile]
    write_tar(path, members)
    open_set(path), open_set(path)
    assert len(reads) == 2  # changed just now: it may change again within the clock's grain
    os.utime(path, (time.time() - 100,) * 2)
    first = open_set(path)
    second = open_set(path)
    assert len(reads) == 3
    assert (first.clips, first.skipped, first.said) == (second.clips, second.skipped, second.said)
    assert labels(second) == {"a/0.mp4": "x", "b/1.mp4": None, "c/é.mp4": None}
    index = next((tmp_path / "cache" / "tars").glob("*.index"))
    blob = bytearray(index.read_bytes())
    blob[-3] ^= 1
    index.write_bytes(blob)
    assert open_set(path).clips == first.clips
    assert len(reads) == 4
    write_tar(path, members[:1])
    assert len(open_set(path)) == 1
    gone = zipped(tmp_path / "y.tar.gz", path.read_bytes())
    open_set(gone)
    next((tmp_path / "cache" / "tars").glob("*.tar")).unlink()
    assert content(open_set(gone)) == {"a/0.mp4": b"0"}


def test_members_are_hashed_once(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes((shards / "shards" / "00.tar").read_bytes())
    os.utime(path, (time.time() - 100,) * 2)
    reads: list[str] = []
    monkeypatch.setattr(cache, "file_hash", lambda place: reads.append(place) or file_hash(place))
    expected = {spans.address(c): file_hash(spans.address(c)) for c in open_set(path).clips}
    first = next(iter(expected))
    assert Cache(tmp_path / "c").content_hashes([first], "x") == {first: expected[first]}
    assert Cache(tmp_path / "c").content_hashes(expected, "x") == expected
    assert sorted(reads) == sorted(expected)
    assert Peek(tmp_path / "c").content_hashes(expected, "x") == expected
    assert Peek(tmp_path / "d").content_hashes(expected, "x") == dict.fromkeys(expected, "")
    kept = Cache(tmp_path / "c")
    kept.content_hashes(expected, "x")
    assert not kept.changed(first)
    path.write_bytes(b"")
    assert kept.changed(first)
    assert kept.content_hashes(expected, "x") == dict.fromkeys(expected, "")


def test_a_tar_that_is_replaced_between_the_turns_of_hashing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one of the same members in another order, which no header tells."""
    folder = write_set(tmp_path / "set", 12)
    clips = [p.read_bytes() for p in sorted(folder.iterdir())]
    clips = [c.ljust(max(map(len, clips)), b"\0") for c in clips]
    names = [f"{i:02}.avi" for i in range(12)]
    path = write_tar(tmp_path / "x.tar", zip(names, clips, strict=True))
    videos = open_set(path)
    monkeypatch.setattr(measurement, "TOGETHER", 4)
    calm = measure(videos, features=["lab"], options=Options(cache=Cache(None), workers=2))
    assert not calm.facts.skipped and not calm.about["notes"]
    hashes, turns = measurement.content_hashes, []

    def replacing(*given: Any) -> dict[str, str]:
        turns.append(given)
        if len(turns) == 2:
            write_tar(path, zip(names, clips[::-1], strict=True))
        return hashes(*given)

    monkeypatch.setattr(measurement, "content_hashes", replacing)
    kept = Cache(tmp_path / "cache")
    found = measure(videos, features=["lab"], options=Options(cache=kept, workers=2))
    assert len(turns) == 3
    (note,) = (n for n in found.about["notes"] if n.startswith("changed while the set was measured"))
    late = [c.id for piece in measurement.plan_pieces(videos) for c in piece.clips][4:]
    assert all(name in note for name in late[:6])  # ten are named
    assert all(c.content != d.content for c, d in zip(found.clips, calm.clips, strict=True) if c.id in late)
    for entry in (tmp_path / "cache" / "shards").glob("*/*"):
        assert not {c["id"] for c in archive.read(entry)[1]["entry"]["clips"]} & set(late)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_store, "MORE", 1 << 20)
    facts = tarfile.TarInfo("a.mp4")
    facts.size = 64 << 20
    bomb = facts.tobuf() + bytes(facts.size + 1024)
    zipped(tmp_path / "bomb.tar.gz", bomb)
    assert (tmp_path / "bomb.tar.gz").stat().st_size < 1 << 19
    zipped(tmp_path / "good.tar.gz", write_tar(tmp_path / "x", [("a.mp4", b"x")]).read_bytes())
    (tmp_path / "x").unlink()
    found = open_set(tmp_path)
    assert found.ids == ["good.tar.gz/a.mp4"]
    ((name, reason),) = found.skipped
    assert name == "bomb.tar.gz"
    assert reason.startswith("unpacks to more than 100 times its size")
    assert sum(p.stat().st_size for p in (tmp_path / "cache").rglob("*")) < 1 << 20


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "x.tar.gz", bytes(10240))
    monkeypatch.setattr(tar_store.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 96, 4))
    with pytest.raises(DataError, match="less than 5% of the disk would be left free"):
        open_set(tmp_path / "x.tar.gz")
    assert [p.name for p in (tmp_path / "cache" / "tars").iterdir()] == [".lock"]


@pytest.mark.parametrize("keep", [0.3, 0.999])
def test_a_compressed_file_that_is_cut_gives_what_is_whole(tmp_path: Path, keep: float) -> None:
    rng = np.random.default_rng(0)
    whole = {f"{i}.mp4": rng.bytes(50_000) for i in range(10)}
    data = gzip.compress(write_tar(tmp_path / "x", whole.items()).read_bytes())
    (tmp_path / "x").unlink()
    (tmp_path / "x.tar.gz").write_bytes(data[: int(len(data) * keep)])
    found = open_set(tmp_path / "x.tar.gz")
    assert 0 < len(found) <= 10
    for name, seen in content(found).items():
        assert seen == whole[name]
    reasons = dict(found.skipped)
    assert "its compression is damaged" in reasons["x.tar.gz"]
    assert any("its compression is damaged" in note for note in found.notes)


HOSTILE = [
    (("/etc/a.mp4", b"x"), "etc/a.mp4", "an absolute path"),
    (("../a.mp4", b"x"), "../a.mp4", "leads out of its folder"),
    (("a/../../b.mp4", b"x"), "../b.mp4", "leads out of its folder"),
    (special("a.mp4", tarfile.SYMTYPE, "/etc/passwd"), "a.mp4", "a link to '/etc/passwd', not a video"),
    (special("a.mp4", tarfile.LNKTYPE, "0.mp4"), "a.mp4", "a link to '0.mp4', not a video"),
    (special("a.mp4", tarfile.CHRTYPE), "a.mp4", "not a regular file"),
    (special("a.mp4", tarfile.BLKTYPE), "a.mp4", "not a regular file"),
    (special("a.mp4", tarfile.FIFOTYPE), "a.mp4", "not a regular file"),
    (special("a.mp4", b"Z"), "a.mp4", "not a regular file"),
    (special("a.mp4", tarfile.DIRTYPE), "a.mp4", "a folder, not a video"),
]


@pytest.mark.parametrize(("member", "name", "reason"), HOSTILE)
def test_hostile_members_are_listed_and_do_nothing(
    tmp_path: Path, member: Member | tarfile.TarInfo, name: str, reason: str
) -> None:
    path = write_tar(tmp_path / "in" / "x.tar", [("0.mp4", b"0"), member, ("9.mp4", b"9")])
    before = sorted(p for p in tmp_path.rglob("*"))
    found = open_set(path)
    assert content(found) == {"0.mp4": b"0", "9.mp4": b"9"}
    ((seen, why),) = found.skipped
    assert seen == name
    assert reason in why
    assert sorted(p for p in tmp_path.rglob("*")) == before


def test_a_sparse_member_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "files" / name).write_bytes(b"x")
    os.truncate(tmp_path / "files" / "a.mp4", 1 << 24)
    for kind in ("gnu", "posix"):
        tar = tmp_path / f"{kind}.tar"
        flags = ["-S", f"--format={kind}", "-cf", str(tar)]
        subprocess.run(["tar", *flags, "-C", tmp_path / "files", "a.mp4", "b.mp4"], check=True)
        assert tar.stat().st_size < 1 << 16
        found = open_set(tar)
        assert content(found) == {"b.mp4": b"x"}
        assert found.skipped == (("a.mp4", "stored with holes (sparse): not read"),)


def test_of_one_name_the_last_counts_as_where_it_is_unpacked(tmp_path: Path) -> None:
    members = [("a.mp4", b"1"), ("b.mp4", b"2"), ("./a.mp4", b"3"), ("a.mp4", b"4"), ("e\u0301.mp4", b"5")]
    found = open_set(write_tar(tmp_path / "x.tar", [*members, ("é.mp4", b"6")]))
    assert content(found) == {"a.mp4": b"4", "b.mp4": b"2", "é.mp4": b"6"}
    again = "a later one has the same name"
    assert sorted(found.skipped) == [("a.mp4#2", again), ("a.mp4#3", again), ("é.mp4#2", again)]
    assert found.found == 6


def test_names_that_are_no_utf8_or_hidden(tmp_path: Path) -> None:
    members = [
        ("a\udcff.mp4", b"1"),
        (".b.mp4", b"2"),
        ("._c.mp4", b"3"),
        (".d/e.mp4", b"4"),
        ("f\n.mp4", b"5"),
    ]
    found = open_set(write_tar(tmp_path / "x.tar", members, tarfile.GNU_FORMAT))
    assert content(found) == {"a\\xff.mp4": b"1", "f\n.mp4": b"5"}
    assert found.skipped == ()


def test_a_file_that_is_cut_or_altered_tells_where(tmp_path: Path) -> None:
    whole = {f"{i}.mp4": bytes([i]) * 700 for i in range(4)}  # each takes 512 + 1024 bytes
    data = write_tar(tmp_path / "x.tar", whole.items(), tarfile.USTAR_FORMAT).read_bytes()

    def seen(changed: bytes) -> tuple[list[str], dict[str, str], str]:
        (tmp_path / "x.tar").write_bytes(changed)
        found = open_set(tmp_path / "x.tar")
        assert all(whole[i] == one for i, one in content(found).items())
        return found.ids, dict(found.skipped), " ".join(found.notes)

    names = list(whole)
    assert seen(data) == (names, {}, "")
    ids, skipped, notes = seen(data[: 3 * 1536 + 600])  # within the last member
    assert (ids, skipped["3.mp4"]) == (names[:3], "cut short: its tar file ends within it")
    assert skipped["x.tar"].startswith("damaged behind 3 videos")
    ids, skipped, notes = seen(data[: 2 * 1536 + 100])  # within a header
    assert ids == names[:2]
    assert skipped["x.tar"].startswith("damaged behind 2 videos")
    ids, skipped, notes = seen(data[: 2 * 1536])  # between two members
    assert (ids, skipped) == (names[:2], {})
    assert "no end mark" in notes
    altered = bytearray(data)
    altered[2 * 1536 + 20] ^= 1
    ids, skipped, notes = seen(bytes(altered))
    assert (ids, list(skipped)) == (names[:2], ["x.tar"])
    assert "no header at byte 3,072" in skipped["x.tar"]
    ids, skipped, notes = seen(data + data)
    assert (ids, skipped) == (names, {})
    assert "something follows its end mark" in notes


def test_what_is_no_tar_file(tmp_path: Path, run_cli: Run) -> None:
    (tmp_path / "in").mkdir()
    for name, data in (("a.tar", b"no tar file" * 1000), ("b.tar", b""), ("c.tar.gz", b"\x1f\x8b nothing")):
        (tmp_path / "in" / name).write_bytes(data)
        done = run_cli("measure", f"in/{name}", "--out", "x.measured", "-q")
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert name in done.stderr
    os.mkfifo(tmp_path / "in" / "d.tar")
    found = dict(open_set(tmp_path / "in").skipped)
    assert found.keys() == {"a.tar", "b.tar", "c.tar.gz", "d.tar"}
    assert found["d.tar"] == "cannot be read: not a regular file"


def raw_header(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """A header whose size is of any sign, by base 256."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [b"0", b"x", b"g", b"L", b"K", b"S"])
@pytest.mark.parametrize("size", [-1024, -512, 1 << 40, (1 << 87) - 1])
def test_sizes_that_lead_back_or_away(tmp_path: Path, kind: bytes, size: int) -> None:
    path = tmp_path / "x.tar"
    good = write_tar(tmp_path / "y.tar", [("0.mp4", b"0")], tarfile.USTAR_FORMAT).read_bytes()[:1024]
    path.write_bytes(good + raw_header(b"1.mp4", size, kind) + bytes(4096))
    found = open_set(path)
    assert content(found) == {"0.mp4": b"0"}
    assert "x.tar" in dict(found.skipped)


def test_headers_that_fill_memory_are_refused(tmp_path: Path) -> None:
    """A long name of 1 GiB (with holes, so that the file takes no room) and a thousand records."""
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        file.write(raw_header(b"././@LongLink", 1 << 30, b"L"))
        file.truncate(512 + (1 << 30))
        file.seek(0, os.SEEK_END)
        file.write(raw_header(b"a.mp4", 0) + bytes(1024))
    code = (
        "import resource; from synvid_eval.sets import open_set\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"print(open_set({str(path)!r}).skipped)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=True
    )
    skipped, grown = done.stdout.splitlines()
    assert "a header of more than 1,048,576 bytes" in skipped
    assert int(grown) < 64 << 10  # [KiB]
    record = b"20 comment=abcdefgh\n"
    path.write_bytes((raw_header(b"p", len(record), b"g") + record.ljust(512, b"\0")) * 4000 + bytes(1024))
    assert "x.tar" in dict(open_set(path).skipped)


def many(path: Path, count: int) -> None:
    with path.open("wb") as file:
        for index in range(count):
            facts = tarfile.TarInfo(f"{index:07}.mp4")
            facts.size = 300
            file.write(facts.tobuf(tarfile.USTAR_FORMAT) + bytes([index % 256]) * 300 + bytes(212))
        file.write(bytes(10240))
    os.utime(path, (time.time() - 100,) * 2)


@pytest.mark.parametrize(
    "count", [40_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_many_small_members_take_little_memory(tmp_path: Path, count: int) -> None:
    many(tmp_path / "x.tar", count)
    code = (
        "import resource; from synvid_eval.sets import open_set; from synvid_eval.cache import Cache\n"
        "from synvid_eval.video import spans, tars, tar_store; from pathlib import Path\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = rss()\n"
        f"found = open_set({str(tmp_path / 'x.tar')!r})\n"
        "print(len(found), found.clips[-1].id, rss() - before)\n"
        f"kept = Cache(Path({str(tmp_path / 'cache')!r}))\n"
        "hashes = kept.content_hashes(map(spans.address, found.clips), '')\n"
        "print(len(hashes), len(set(hashes.values())), rss() - before)\n"
    )
    run = [sys.executable, "-c", code]
    for _ in range(2):
        done = subprocess.run(run, capture_output=True, text=True, cwd=REPOSITORY, timeout=900, check=True)
        listed, hashed = (line.split() for line in done.stdout.splitlines())
        assert listed[:2] == [str(count), f"{count - 1:07}.mp4"]
        assert hashed[:2] == [str(count), "256"]
        assert int(listed[2]) * 1024 < 40e6 + 700 * count
        assert int(hashed[2]) * 1024 < 60e6 + 2000 * count
