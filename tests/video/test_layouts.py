"""Layouts on real folders: what is recognised, named, passed over and said."""

from __future__ import annotations

import inspect
import os
import sys
import unicodedata
from pathlib import Path

import pytest

from synvid_eval.errors import DataError, UsageError
from synvid_eval.sets import open_set
from synvid_eval.video.layouts import Listing, frame_files, read_folder


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def ids(listing: Listing) -> list[str]:
    return sorted(c.id for c in listing.clips)


def labels(listing: Listing) -> dict[str, str | None]:
    return {c.id: c.label for c in listing.clips}


def test_flat(tmp_path: Path) -> None:
    touch(tmp_path, "b.mp4", "a.AVI", "notes.txt", "c.webm")
    found = read_folder(tmp_path)
    assert (found.layout, found.said) == ("flat", "3 videos")
    assert labels(found) == {"a.AVI": None, "b.mp4": None, "c.webm": None}


def test_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "run/1.avi", "run/2.avi", "jump/1.avi", "readme.txt")
    found = read_folder(tmp_path)
    assert (found.layout, found.said) == ("classes", "3 videos in 2 classes")
    assert labels(found) == {"run/1.avi": "run", "run/2.avi": "run", "jump/1.avi": "jump"}


def test_split_folders(tmp_path: Path) -> None:
    touch(tmp_path, "train/run/1.mp4", "train/jump/2.mp4", "val/run/3.mp4", "test/run/4.mp4")
    found = read_folder(tmp_path)
    assert found.layout == "splits"
    assert found.said == "4 videos in 2 classes (test 1, train 2, val 1)"
    assert labels(found)["val/run/3.mp4"] == "run"


def test_split_folders_without_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.mp4", "val/2.mp4")
    found = read_folder(tmp_path)
    assert (found.layout, set(labels(found).values())) == ("splits", {None})


def test_nested(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "x/b.mp4", "x/y/z/c.mp4")
    found = read_folder(tmp_path)
    assert (found.layout, found.said) == ("nested", "3 videos in 2 classes")
    assert labels(found) == {"a.mp4": None, "x/b.mp4": "x", "x/y/z/c.mp4": "z"}


@pytest.mark.parametrize(
    ("layout", "expected", "left"),
    [
        ("flat", ["a.mp4"], 2),
        ("classes", ["test/b.mp4", "x/c.mp4"], 1),
        ("splits", ["test/b.mp4"], 2),
        ("nested", ["a.mp4", "test/b.mp4", "x/c.mp4"], 0),
    ],
)
def test_a_forced_layout_says_what_it_leaves_out(
    tmp_path: Path, layout: str, expected: list[str], left: int
) -> None:
    touch(tmp_path, "a.mp4", "test/b.mp4", "x/c.mp4")
    found = read_folder(tmp_path, layout)
    assert found.layout == layout
    assert ids(found) == expected
    said = f"{left} video{'' if left == 1 else 's'} elsewhere left out by --layout {layout}"
    assert (said in found.said) == bool(left)


def test_a_forced_layout_that_fits_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.mp4")
    with pytest.raises(DataError, match=r"holds 1 video, but none as in layout flat"):
        read_folder(tmp_path, "flat")


def test_an_unknown_layout_names_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    with pytest.raises(UsageError, match="Did you mean 'classes'"):
        read_folder(tmp_path, "clases")


def test_an_array_layout_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="layout npy is one file"):
        read_folder(tmp_path, "npy")


def test_frame_folders_are_recognised(tmp_path: Path) -> None:
    touch(tmp_path, *(f"run/a/img_{i:05d}.jpg" for i in range(1, 4)))
    touch(tmp_path, *(f"run/b/{i:06d}.png" for i in range(5)))
    found = read_folder(tmp_path)
    assert (found.layout, found.said) == ("frames", "2 frame folders, 8 pictures, at 25 frames/s")
    assert labels(found) == {"run/a": "run", "run/b": "run"}
    assert {c.kind for c in found.clips} == {"frames"}
    assert {c.fps for c in read_folder(tmp_path, fps=10).clips} == {10}


def test_frame_folders_beside_videos_are_asked_about(tmp_path: Path) -> None:
    touch(tmp_path, *(f"run/{c}/img_{i:05d}.jpg" for c in "abc" for i in range(1, 4)), "stray.mp4")
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} holds 1 video and 3 folders of numbered pictures (9 pictures): which are the clips? "
        "Say it: --layout flat takes the videos, --layout frames the folders."
    )
    frames = read_folder(tmp_path, "frames")
    assert ids(frames) == ["run/a", "run/b", "run/c"]
    assert frames.said.endswith("; 1 video beside them left out")
    assert ids(read_folder(tmp_path, "flat")) == ["stray.mp4"]
    touch(tmp_path, "run/b.mp4", "walk/x/c.mp4")
    with pytest.raises(DataError, match=r"3 videos and 3 folders .* --layout nested takes the videos"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "pictures",
    [
        ["img.jpg"],
        ["run/v_run_g01_c01.jpg"],
        ["run/v_run_g01_c01.jpg", "run/v_run_g01_c02.jpg"],  # previews beside the videos
        ["thumbs/v_run_g01_c01.png", "thumbs/v_run_g01_c02.png"],  # previews in a folder of their own
        ["run/v_run_g01_c01_0.jpg", "run/v_run_g01_c01_1.jpg"],
        ["plots/a.png", "plots/b.png"],
        ["plots/3.png", "plots/7.png"],
    ],
)
def test_previews_and_stray_pictures_beside_videos_raise_no_question(
    tmp_path: Path, pictures: list[str]
) -> None:
    videos = ["run/v_run_g01_c01.avi", "run/v_run_g01_c02.avi"]
    touch(tmp_path, *videos, *pictures)
    found = read_folder(tmp_path)
    assert (found.layout, ids(found)) == ("classes", videos)


def test_a_folder_of_npz_clips_is_recognised(tmp_path: Path) -> None:
    touch(tmp_path, "b.npz", "run/a.NPZ", "readme.txt", "thumbnail.jpg")
    found = read_folder(tmp_path, fps=10)
    assert found.layout == "npz_clips"
    assert found.said == "2 .npz clips, at 10 frames/s; 1 video or picture beside them left out"
    assert labels(found) == {"b.npz": None, "run/a.NPZ": "run"}
    assert {(c.kind, c.index, c.fps) for c in found.clips} == {("array", -1, 10)}


def test_npz_files_beside_videos_or_frames(tmp_path: Path) -> None:
    touch(tmp_path, "a.npz", "v/b.mp4")
    assert ids(read_folder(tmp_path)) == ["v/b.mp4"]
    assert ids(read_folder(tmp_path, "npz_clips")) == ["a.npz"]
    (tmp_path / "v/b.mp4").unlink()
    touch(tmp_path, "v/1.png", "v/2.png")
    with pytest.raises(
        DataError, match=r"1 folder of numbered pictures and 1 \.npz file: which are the clips"
    ):
        read_folder(tmp_path)
    assert ids(read_folder(tmp_path, "frames")) == ["v"]
    with pytest.raises(DataError, match=r"0 \.npz files under .*2 \.png found"):
        read_folder(tmp_path / "v", "npz_clips")


def test_a_layout_of_lists_is_no_plain_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    with pytest.raises(UsageError, match="Layout ucf101 wants a list"):
        read_folder(tmp_path, "ucf101")


def test_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "img_10.png", "img_2.png", "img_1.png", ".hidden.png", "readme.txt")
    (tmp_path / "img_3.png").mkdir()
    assert [p.name for p in frame_files(tmp_path)] == ["img_1.png", "img_2.png", "img_10.png"]


def test_a_folder_of_pictures_can_be_forced_to_one_clip(tmp_path: Path) -> None:
    root = tmp_path / "walk"
    touch(root, "a.jpg", "b.jpg", "c.jpg")
    found = read_folder(root, "frames")
    assert ids(found) == ["walk"]
    assert found.said == "1 frame folder, 3 pictures, at 25 frames/s"


def test_pictures_without_videos_are_told_of(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{i}/photo {7 * j}.jpg" for i in range(28) for j in range(29)))
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == (
        f"0 videos under {tmp_path}; 812 .jpg found: frame folders? try --layout frames"
    )


def test_numbers_with_a_gap_are_not_taken_for_frames(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/2.png", "a/4.png")
    with pytest.raises(DataError, match=r"3 \.png found: frame folders"):
        read_folder(tmp_path)


def test_an_empty_folder_and_one_of_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 videos under .*\. The folder is empty\."):
        read_folder(tmp_path)
    touch(tmp_path, "a.txt", "b.txt", "c.npy", "noext")
    with pytest.raises(DataError, match=r"2 \.txt, .*A \.npy set is given as the file itself"):
        read_folder(tmp_path)


def test_frames_asked_where_no_picture_is(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    with pytest.raises(DataError, match=r"0 pictures under .*1 \.mp4 found"):
        read_folder(tmp_path, "frames")


def test_links_to_files_and_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    touch(outside, "far/1.mp4", "one.mp4")
    root = tmp_path / "set"
    touch(root, "near/2.mp4")
    (root / "far").symlink_to(outside / "far")
    (root / "near" / "linked.mp4").symlink_to(outside / "one.mp4")
    (root / "near" / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    assert ids(read_folder(root)) == ["far/1.mp4", "near/2.mp4", "near/linked.mp4"]


def test_linked_folders_are_folders_like_any_other(tmp_path: Path) -> None:
    touch(tmp_path, "far/1.mp4", "set/walk/2.mp4")
    for name in ("a_link_that_sorts_first", "run"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "far")
    (tmp_path / "set" / "walk" / "up").symlink_to(tmp_path / "set")  # a loop, which is not entered again
    found = read_folder(tmp_path / "set")
    assert ids(found) == ["a_link_that_sorts_first/1.mp4", "run/1.mp4", "walk/2.mp4"]


def test_folders_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 300)
    touch(tmp_path, f"{deep}/a.mp4")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        found = read_folder(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert ids(found) == [f"{deep}/a.mp4"]


def test_hidden_names_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".b.mp4", "._a.mp4", ".cache/c.mp4")
    assert ids(read_folder(tmp_path)) == ["a.mp4"]


def test_ids_are_nfc_and_files_still_open(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "café.mp4")
    touch(tmp_path, decomposed)
    (clip,) = read_folder(tmp_path).clips
    assert clip.id == unicodedata.normalize("NFC", "café.mp4") != decomposed
    assert Path(clip.path).read_bytes() == b"x"


def test_two_names_that_are_one_in_nfc(tmp_path: Path) -> None:
    touch(tmp_path, unicodedata.normalize("NFD", "é.mp4"), unicodedata.normalize("NFC", "é.mp4"))
    if len(os.listdir(tmp_path)) < 2:
        pytest.skip("this file system takes the two names for one")
    found = read_folder(tmp_path)
    assert ids(found) == ["é.mp4"]
    assert found.skipped == (("é.mp4#2", "another one has the same name in Unicode NFC"),)


@pytest.mark.parametrize(
    "name", ["a\nb.mp4", "'\".mp4", "<b>.mp4", "-rf.mp4", "%05d.mp4", "a:b.mp4", " .mp4", "日本.mp4"]
)
def test_odd_names_are_kept(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    assert ids(read_folder(tmp_path)) == [name]


def test_bytes_that_are_no_utf8_are_written_as_escapes(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.mp4")
    try:
        touch(tmp_path, name)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (clip,) = read_folder(tmp_path).clips
    assert clip.id == "\\xff\\xfe.mp4"
    assert Path(clip.path).read_bytes() == b"x"


def test_a_folder_named_like_a_video(tmp_path: Path) -> None:
    touch(tmp_path, "good.mp4", "frames.mp4/inside.mp4", "b.mp4/notes.txt")
    (tmp_path / "empty.mp4").mkdir()
    found = read_folder(tmp_path)
    assert ids(found) == ["frames.mp4/inside.mp4", "good.mp4"]
    reason = "a folder, not a video"
    assert sorted(found.skipped) == [("b.mp4", reason), ("empty.mp4", reason)]


def test_a_folder_named_like_a_video_is_a_clip_or_told_of_in_every_layout(tmp_path: Path) -> None:
    reason = "a folder, not a video"
    touch(tmp_path, "a.mp4/1.png", "a.mp4/2.png", "deep.mp4/x/y/notes.txt", "arrays.mp4/a.npz")
    frames = read_folder(tmp_path, "frames")
    assert (ids(frames), sorted(frames.skipped)) == (
        ["a.mp4"],
        [("arrays.mp4", reason), ("deep.mp4", reason)],
    )
    arrays = read_folder(tmp_path, "npz_clips")
    assert (ids(arrays), sorted(arrays.skipped)) == (
        ["arrays.mp4/a.npz"],
        [("a.mp4", reason), ("deep.mp4", reason)],
    )
    touch(tmp_path, "deep.mp4/x/b.avi")
    videos = read_folder(tmp_path, "nested")
    assert (ids(videos), sorted(videos.skipped)) == (
        ["deep.mp4/x/b.avi"],
        [("a.mp4", reason), ("arrays.mp4", reason)],
    )
    with pytest.raises(DataError, match=r"empty\.mp4: a folder, not a video"):
        (tmp_path / "only" / "empty.mp4").mkdir(parents=True)
        touch(tmp_path, "only/empty.mp4/notes.txt")
        read_folder(tmp_path / "only")


def test_a_folder_that_cannot_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.mp4", "b/2.mp4")
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = read_folder(tmp_path)
    assert ids(found) == ["a/1.mp4"]
    assert found.skipped == (("b", "folder cannot be read: Permission denied"),)


def test_listing_order_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f"c{i % 3}/{i}.mp4" for i in range(20)))
    before = open_set(tmp_path)
    real = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with real(path) as entries:
                self._entries = sorted(entries, key=lambda e: e.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self._entries

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    assert open_set(tmp_path) == before
