"""Tar files as sets: what is found in them equals what unpacking them gives, and hostile ones do no harm."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from synvid_eval.cache import Cache, file_hash
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Measurement, Options, measure
from synvid_eval.sets import default_name, open_clip, open_set
from synvid_eval.video import spans, tars
from synvid_eval.video.videoset import VideoSet
from tests.conftest import Run

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
    done = run_cli("measure", f"{shards}/shards", "--dry-run", "--json", "-", "-q")
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
    import shutil

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
