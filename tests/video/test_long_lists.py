"""Long lists: the same clips, pieces and numbers as of short ones, in bounded memory and time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synvid_eval.cache import Cache
from synvid_eval.errors import DataError
from synvid_eval.measurement import Options, measure, plan_pieces
from synvid_eval.sets import open_set
from synvid_eval.video import long_lists
from synvid_eval.video.decode import ClipRef, Unreadable
from synvid_eval.video.long_lists import LongList
from synvid_eval.video.videoset import VideoSet
from tests.clips import write_set

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_set(tmp_path / "videos", 9, frames=20)
    first = sorted((tmp_path / "videos").iterdir())[0]
    (tmp_path / "videos" / "ä b.mp4").write_bytes(first.read_bytes() + b"x")
    return tmp_path


def both(path: Path, monkeypatch: pytest.MonkeyPatch, **asked: object) -> tuple[VideoSet, VideoSet]:
    short = open_set(path, **asked)  # type: ignore[arg-type]
    monkeypatch.setattr(long_lists, "LONG", 2)
    found = open_set(path, **asked)  # type: ignore[arg-type]
    assert not isinstance(short.clips, LongList)
    return short, found


def lines(folder: Path) -> list[str]:
    return [f"videos/{p.name} {i % 3}" for i, p in enumerate(sorted((folder / "videos").iterdir()))]


def test_a_long_list_has_the_clips_of_a_short_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = [
        *lines(folder),
        "# a comment",
        "",
        "./videos/../videos/clip_1.mp4 7",
        "no entry",
        lines(folder)[2],
    ]
    (folder / "all.txt").write_text("\n".join(text) + "\n")
    short, found = both(folder / "all.txt", monkeypatch)
    assert isinstance(found.clips, LongList)
    own = {c.id: (os.path.realpath(c.path), c.label) for c in found.clips}
    assert own.items() >= {c.id: (os.path.realpath(c.path), c.label) for c in short.clips}.items()
    assert [i for i, _ in found.skipped] == [i for i, _ in short.skipped if ":" in i] == ["all.txt:14"]
    pieces = [[c.id for c in p.clips] for p in plan_pieces(found)]
    missing = own.keys() - {c.id for c in short.clips}
    assert [i for p in pieces for i in p if i not in missing] == [
        c.id for p in plan_pieces(short) for c in p.clips
    ]
    assert any("listed more than once" in note for note in found.notes)
    assert found.clips[3] == list(found.clips)[3] and len(found.clips[2:5]) == 3


def test_a_long_list_gives_the_numbers_of_a_short_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "all.txt").write_text("\n".join([*lines(folder), "videos/gone.mp4 3"]) + "\n")
    short, found = both(folder / "all.txt", monkeypatch)
    options = Options(workers=2, cache=Cache(None), max_skipped="2", patience=())
    one, other = (measure(s, features=["motion"], options=options) for s in (short, found))
    assert one.facts == other.facts and one.facts.skipped[0]["id"] == "videos/gone.mp4"
    assert one.clips == other.clips
    for a, b in zip(one.sides["motion"].blocks, other.sides["motion"].blocks, strict=True):
        assert a.clips == b.clips


@pytest.mark.parametrize("count", [1, 4, 9, 30])
def test_the_same_clips_are_drawn(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    (folder / "all.txt").write_text("\n".join([*lines(folder), "x.txt"]) + "\n")
    short, found = both(folder / "all.txt", monkeypatch, clips=count)
    assert isinstance(found.clips, LongList) == (count == 30)
    assert sorted(c.id for c in found.clips) == [c.id for c in short.clips]
    assert found.skipped == short.skipped


def test_absolute_paths_below_the_root_are_as_good(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "all.txt").write_text("\n".join(f"{folder}/{line}" for line in lines(folder)) + "\n")
    short, found = both(folder / "all.txt", monkeypatch)
    assert sorted((c.id, c.label) for c in found.clips) == [(c.id, c.label) for c in short.clips]


def test_what_lies_outside_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = folder / "root"
    inner.mkdir()
    for i, file in enumerate(sorted((folder / "videos").iterdir())[:4]):
        os.rename(file, inner / f"{i}.mp4")
    os.symlink(sorted((folder / "videos").iterdir())[0], inner / "link.mp4")
    names = ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "link.mp4", f"../videos/{os.listdir(folder / 'videos')[0]}"]
    (inner / "all.txt").write_text("\n".join(names) + "\n")
    short, found = both(inner / "all.txt", monkeypatch, root=inner)
    options = Options(workers=1, cache=Cache(None), max_skipped="5", patience=())
    one, other = (measure(s, features=["motion"], options=options).facts for s in (short, found))
    assert one == other and {s["id"] for s in other.skipped} == {"link.mp4", names[-1]}


def test_a_list_of_nothing_that_is_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lists, "LONG", 2)
    (tmp_path / "all.txt").write_text("a.mp4\nb.mp4\nc.mp4\n")
    with pytest.raises(DataError, match="Say where they lie: --root DIR"):
        open_set(tmp_path / "all.txt")


def test_a_list_of_nothing_that_may_be_read_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "root").mkdir()
    (folder / "all.txt").write_text("\n".join(f"{folder}/{line}" for line in lines(folder)) + "\n")
    monkeypatch.setattr(long_lists, "LONG", 2)
    with pytest.raises(DataError, match=r"names 10 entries, and none can be read: .*\(10\)"):
        open_set(folder / "all.txt", root=folder / "root")


def test_only_storage_that_is_gone_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing must not hold up a run: there may be very many."""
    (folder / "all.txt").write_text("\n".join([*lines(folder), "videos/gone.mp4 3"]) + "\n")
    _, found = both(folder / "all.txt", monkeypatch, root=folder)
    (lost,) = (c for c in found.clips if c.id == "videos/gone.mp4")

    def passing(ref: ClipRef) -> bool:
        with pytest.raises(Unreadable, match="not on the disk") as seen:
            long_lists.check(ref)
        return not seen.value.lasting

    assert not passing(lost)
    os.rename(folder, folder.with_name("away"))
    assert passing(lost) and passing(found.clips[0])
    folder.mkdir()  # where it was mounted
    assert passing(lost)


def test_what_was_missing_is_measured_once_it_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "all.txt").write_text("\n".join([*lines(folder), "videos/gone.mp4 3"]) + "\n")
    _, found = both(folder / "all.txt", monkeypatch)
    options = Options(workers=1, cache=Cache(folder / "cache"), max_skipped="2", patience=(600.0,))
    assert measure(found, features=["motion"], options=options).facts.skipped[0]["id"] == "videos/gone.mp4"
    some = sorted((folder / "videos").iterdir())[0]
    (folder / "videos" / "gone.mp4").write_bytes(some.read_bytes())
    assert not measure(found, features=["motion"], options=options).facts.skipped


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_table_has_the_clips_of_a_short_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    names = [f"videos/{p.name}" for p in sorted((folder / "videos").iterdir())]
    if kind == "csv":
        text = "\n".join(["path,label,x", *(f"{n},k {i % 2},1" for i, n in enumerate(names))])
        (folder / "all.csv").write_text(text + "\n")
    else:
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pyarrow.table({"path": names, "label": [f"k {i % 2}" for i in range(len(names))]})
        parquet.write_table(table, folder / "all.parquet")
    short, found = both(folder / f"all.{kind}", monkeypatch)
    assert sorted((c.id, c.label) for c in found.clips) == [(c.id, c.label) for c in short.clips]


COUNT = """
import resource, sys, time
from synvid_eval.sets import open_set
from synvid_eval.measurement import plan_pieces
began = time.process_time()
found = open_set(sys.argv[1])
pieces = plan_pieces(found)
assert sum(len(p.clips) for p in pieces) == int(sys.argv[2])
print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_memory_grows_by_few_bytes_a_row(tmp_path: Path) -> None:
    taken = []
    for rows in (300_000, 900_000):
        with (tmp_path / "all.txt").open("w") as file:
            for i in range(rows):
                file.write(f"part_{i // 1000:05d}/clip_{i:08d}.mp4 {i % 400}\n")
        (tmp_path / "part_00000").mkdir(exist_ok=True)
        (tmp_path / "part_00000" / "clip_00000000.mp4").touch()
        words = [sys.executable, "-c", COUNT, str(tmp_path / "all.txt"), str(rows)]
        taken.append(
            float(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[1])
        )
    assert (taken[1] - taken[0]) / 600_000 < 150
