"""Lists in their published shapes: what each names, where its files are looked for, what is skipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from synvid_eval.comparison import compare, open_all
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, measure
from synvid_eval.sets import open_set
from synvid_eval.video.layouts import LAYOUTS, LIST_LAYOUTS
from synvid_eval.video.lists import essay, sniff
from synvid_eval.video.videoset import VideoSet
from tests.clips import write_set
from tests.conftest import Run


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def labels(found: VideoSet) -> dict[str, str | None]:
    return {c.id: c.label for c in found.clips}


# -- UCF101 ----------------------------------------------------------------------------------------


UCF = {
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi": "ApplyEyeMakeup",
    "YoYo/v_YoYo_g08_c02.avi": "YoYo",
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi": "ApplyEyeMakeup",
}


def ucf101(root: Path, lists: Path) -> None:
    touch(root, *UCF)
    one, two, three = UCF
    write(lists / "classInd.txt", "1 ApplyEyeMakeup", "101 YoYo")
    write(lists / "trainlist01.txt", f"{one} 1", f"{two} 101")
    write(lists / "testlist01.txt", three)
    write(lists / "trainlist02.txt", f"{three} 1")
    write(lists / "testlist02.txt", two, one)


@pytest.mark.parametrize(
    "place",
    ["UCF-101/ucfTrainTestlist", "ucfTrainTestlist", "UCF-101", ".", "UCF101TrainTestSplits-Recognition"],
)
def test_ucf101_with_its_lists_inside_or_beside(tmp_path: Path, place: str) -> None:
    ucf101(tmp_path / "UCF-101", tmp_path / place)
    found = open_set(tmp_path / "UCF-101", split="trainlist01")
    one, two, three = UCF
    assert (found.layout, found.name) == ("ucf101", "UCF-101")
    assert labels(found) == {one: UCF[one], two: UCF[two]}
    path = os.path.normpath(tmp_path / place / "trainlist01.txt")
    assert found.said == f"2 videos in 2 classes, the list {path}, below {tmp_path / 'UCF-101'}"
    assert Path(found.clips[0].path).read_bytes() == b"x"
    assert labels(open_set(tmp_path / "UCF-101", split="testlist01")) == {three: UCF[three]}
    assert open_set(tmp_path / "UCF-101", split="testlist02").ids == sorted([one, two])
    assert len(open_set(tmp_path / "UCF-101")) == 3  # without --split, all class folders
    assert open_set(tmp_path / "UCF-101").layout == "classes"


def test_ucf101_labels_come_from_class_ind_else_the_folder(tmp_path: Path) -> None:
    ucf101(tmp_path, tmp_path / "ucfTrainTestlist")
    write(tmp_path / "ucfTrainTestlist/classInd.txt", "1 Other name", "7 YoYo")
    assert sorted(labels(open_set(tmp_path, split="trainlist01")).values(), key=str) == ["Other name", "YoYo"]
    (tmp_path / "ucfTrainTestlist/classInd.txt").unlink()
    assert set(labels(open_set(tmp_path, split="trainlist01")).values()) == {"ApplyEyeMakeup", "YoYo"}


def test_a_list_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    ucf101(tmp_path, tmp_path / "ucfTrainTestlist")
    with pytest.raises(UsageError) as caught:
        open_set(tmp_path, split="trainlist03")
    assert "no list 'trainlist03'; it has testlist01, testlist02, trainlist01, trainlist02." in str(
        caught.value
    )
    with pytest.raises(UsageError, match=r"Which list of .* It has testlist01, .* Say it: --split NAME"):
        open_set(tmp_path, layout="ucf101")
    with pytest.raises(UsageError, match="No list of layout hmdb51 lies in"):
        open_set(tmp_path, layout="hmdb51", split="train1")


def test_lists_beside_a_folder_are_taken_only_where_they_name_its_files(tmp_path: Path) -> None:
    ucf101(tmp_path / "UCF-101", tmp_path / "ucfTrainTestlist")
    write_set(tmp_path / "synth", 2)
    write(tmp_path / "synth" / "val.csv", "clip_000.avi 0")
    with pytest.raises(UsageError, match=r"has no list 'trainlist01'; it has val\."):
        open_set(tmp_path / "synth", split="trainlist01")
    (tmp_path / "synth" / "val.csv").unlink()
    with pytest.raises(UsageError, match="No list lies in"):
        open_set(tmp_path / "synth", split="trainlist01")
    one, two = open_all([str(tmp_path / "synth"), str(tmp_path / "UCF-101")], split="trainlist01")
    assert isinstance(one, VideoSet)
    assert isinstance(two, VideoSet)
    assert (one.layout, two.layout) == ("flat", "ucf101")


def test_two_lists_of_one_name_are_asked_about(tmp_path: Path) -> None:
    ucf101(tmp_path / "set", tmp_path / "set/lists_a")
    ucf101(tmp_path / "set", tmp_path / "set/lists_b")
    with pytest.raises(DataError, match=r"has 2 lists 'trainlist01': .* Give one as the SET: .*--root"):
        open_set(tmp_path / "set", split="trainlist01")


def test_ucf101_on_the_real_clips(test_data: Path, tmp_path: Path) -> None:
    real = test_data / "ucf101"
    (tmp_path / "UCF-101").symlink_to(real)
    classes = sorted(p.name for p in real.iterdir() if p.is_dir())
    lists = tmp_path / "ucfTrainTestlist"
    write(lists / "classInd.txt", *(f"{i} {c}" for i, c in enumerate(classes, 1)))
    parts: dict[str, list[str]] = {"trainlist01": [], "testlist01": []}
    for number, name in enumerate(classes, 1):
        for path in sorted((real / name).glob("*.avi")):
            group = int(path.stem.split("_g")[1][:2])  # as published: groups 1 to 7 are for testing
            if group <= 7:
                parts["testlist01"].append(f"{name}/{path.name}")
            else:
                parts["trainlist01"].append(f"{name}/{path.name} {number}")
    for split, lines in parts.items():
        write(lists / f"{split}.txt", *lines)
    sets = {s: open_set(tmp_path / "UCF-101", split=s) for s in parts}
    whole = open_set(tmp_path / "UCF-101")
    assert all(len(s) == len(parts[n]) > 0 and not s.skipped for n, s in sets.items())
    assert sorted(i for s in sets.values() for i in s.ids) == whole.ids
    assert labels(sets["trainlist01"]) | labels(sets["testlist01"]) == labels(whole)
    few = measure(
        tmp_path / "UCF-101", split="testlist01", clips=3, features=["motion"], options=Options(workers=1)
    )
    assert few.facts.clips == 3
    # a folder of links to files elsewhere leads out of itself
    farm = tmp_path / "farm"
    name = sets["testlist01"].ids[0]
    (farm / name).parent.mkdir(parents=True)
    (farm / name).symlink_to(real / name)
    with pytest.raises(DataError) as caught:
        open_set(farm, split="testlist01")
    outside = f"1 file lies outside {farm}, 1 by a symbolic link: {name}; --follow-outside reads them."
    assert outside in str(caught.value)
    assert str(caught.value).count("--follow-outside") == 1
    assert open_set(farm, split="testlist01", follow_outside=True).ids == [name]


# -- HMDB51 ----------------------------------------------------------------------------------------


def hmdb51(root: Path, lists: Path) -> None:
    for label, uses in (("brush_hair", "1120"), ("cartwheel", "2101")):
        names = [f"{i}_{label}_u_nm_np1_ba_goo_{i}.avi" for i in range(4)]
        touch(root, *(f"{label}/{n}" for n in names))
        for split in (1, 2, 3):
            turned = uses[split - 1 :] + uses[: split - 1]
            lines = [f"{n} {u} " for n, u in zip(names, turned, strict=True)]
            write(lists / f"{label}_test_split{split}.txt", *lines)


@pytest.mark.parametrize(
    "place", ["hmdb51", "hmdb51/testTrainMulti_7030_splits", "testTrainMulti_7030_splits", "."]
)
def test_hmdb51(tmp_path: Path, place: str) -> None:
    hmdb51(tmp_path / "hmdb51", tmp_path / place)
    found = open_set(tmp_path / "hmdb51", split="train1")
    assert found.layout == "hmdb51"
    assert labels(found) == {
        "brush_hair/0_brush_hair_u_nm_np1_ba_goo_0.avi": "brush_hair",
        "brush_hair/1_brush_hair_u_nm_np1_ba_goo_1.avi": "brush_hair",
        "cartwheel/1_cartwheel_u_nm_np1_ba_goo_1.avi": "cartwheel",
        "cartwheel/3_cartwheel_u_nm_np1_ba_goo_3.avi": "cartwheel",
    }
    assert len(open_set(tmp_path / "hmdb51", split="test1")) == 2
    assert open_set(tmp_path / "hmdb51", split="train2").ids != found.ids
    with pytest.raises(UsageError, match="it has test1, test2, test3, train1, train2, train3"):
        open_set(tmp_path / "hmdb51", split="train4")


def test_one_classes_file_of_hmdb51_is_no_set(tmp_path: Path) -> None:
    hmdb51(tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"one class's part of an HMDB51 split.*--split train1"):
        open_set(tmp_path / "cartwheel_test_split1.txt")


# -- VideoMAE and mmaction2 ------------------------------------------------------------------------


def test_videomae_list(tmp_path: Path) -> None:
    touch(tmp_path, "videos/a b/one two.mp4", "videos/c.mp4", "videos/it's 3.mp4 4.avi")
    path = write(
        tmp_path / "train.csv", "videos/a b/one two.mp4 3", "videos/c.mp4 0", "videos/it's 3.mp4 4.avi 12"
    )
    found = open_set(path)
    assert (found.layout, found.name) == ("list", "train")
    assert labels(found) == {
        "videos/a b/one two.mp4": "3",
        "videos/c.mp4": "0",
        "videos/it's 3.mp4 4.avi": "12",
    }


@pytest.mark.parametrize(
    "lines",
    [
        ["a b.mp4 1", "c.mp4 2"],
        ['"a b.mp4" 1', "c.mp4 2"],  # as pandas writes it
        ["a b.mp4,1", "c.mp4,2"],
        ["a b.mp4\t1", "c.mp4\t2"],
        ["a b.mp4 1\r", "", "./c.mp4 2  "],
        ["\ufeffa b.mp4 1", ".//c.mp4 2"],
    ],
)
def test_the_ways_to_write_path_and_label(tmp_path: Path, lines: list[str]) -> None:
    touch(tmp_path, "a b.mp4", "c.mp4")
    assert labels(open_set(write(tmp_path / "list.txt", *lines))) == {"a b.mp4": "1", "c.mp4": "2"}


def test_paths_only_and_several_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a b.mp4", "c.webm")
    assert labels(open_set(write(tmp_path / "l.txt", "a b.mp4", "c.webm"))) == {
        "a b.mp4": None,
        "c.webm": None,
    }
    several = open_set(write(tmp_path / "m.txt", "a b.mp4 1 5", "c.webm 0 2 3"))
    assert labels(several) == {"a b.mp4": "1 5", "c.webm": "0 2 3"}


def test_mmaction2_lists_whose_files_lie_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "kinetics400/videos_train/abseiling/a.mp4")
    path = write(tmp_path / "annotations/k400_train_list_videos.txt", "abseiling/a.mp4 0")
    with pytest.raises(DataError) as caught:
        open_set(path)
    where = f"neither below {path.parent} nor {tmp_path}"
    assert f"{path} names 1 file, found {where} (first: abseiling/a.mp4)" in str(caught.value)
    assert "Say where they lie: --root DIR" in str(caught.value)
    found = open_set(path, root=tmp_path / "kinetics400/videos_train")
    assert labels(found) == {"abseiling/a.mp4": "0"}
    with pytest.raises(DataError, match=r"--root .*nowhere is no folder"):
        open_set(path, root=tmp_path / "nowhere")


def test_the_parent_of_the_lists_folder_is_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "x/b.mp4")
    found = open_set(write(tmp_path / "lists/val.txt", "a.mp4 0", "x/b.mp4 1"))
    assert found.ids == ["a.mp4", "x/b.mp4"]


def test_lists_of_a_folder_by_split(tmp_path: Path) -> None:
    touch(tmp_path, "v/a.mp4", "v/b.mp4", "v/c.mp4")
    write(tmp_path / "train.csv", "v/a.mp4 0", "v/b.mp4 1")
    write(tmp_path / "val.csv", "v/c.mp4 0")
    write(tmp_path / "README.txt", "These are videos.", "Enjoy 1 2 3!")
    assert open_set(tmp_path, split="train").ids == ["v/a.mp4", "v/b.mp4"]
    assert open_set(tmp_path, split="validation").ids == ["v/c.mp4"]
    with pytest.raises(UsageError, match=r"has no list 'test'; it has train, val\."):
        open_set(tmp_path, split="test")


def test_frame_folders_of_mmaction2(tmp_path: Path) -> None:
    for folder in ("a b", "c/d"):
        touch(tmp_path / "rawframes", *(f"{folder}/img_{i:05d}.jpg" for i in range(1, 4)))
    touch(tmp_path / "rawframes", "file.txt")
    path = write(tmp_path / "train_rawframes.txt", "a b 3 7", "c/d 3 0", "gone 5 1", "file.txt 5 1")
    found = open_set(path, root=tmp_path / "rawframes", fps=12)
    assert (found.layout, labels(found)) == ("rawframes", {"a b": "7", "c/d": "0"})
    assert {(c.kind, c.fps) for c in found.clips} == {("frames", 12)}
    assert "at 12 frames/s" in found.said
    assert dict(found.skipped)["file.txt"] == "a file, not a folder of pictures"
    assert dict(found.skipped)["gone"] == "missing: in the list, not on the disk"
    assert found.notes == (f"{path}: 1 file is missing below {tmp_path / 'rawframes'}: gone",)
    write(path, "a b 4 7", "c/d 3 0")
    (other,) = open_set(path, root=tmp_path / "rawframes").notes
    assert other == (
        f"{path}: 1 folder holds another number of pictures than the list says, and all found are taken "
        "(a b: 4 in the list, 3 found)"
    )


# -- Kinetics --------------------------------------------------------------------------------------


K400 = [
    "label,youtube_id,time_start,time_end,split",
    "abseiling,-0id_A,1,11,train",
    "tap dancing,bb,20.0,30.0,train",
]


@pytest.mark.parametrize(
    "names",
    [
        ["-0id_A_000001_000011.mp4", "bb_000020_000030.mp4"],
        ["abseiling/-0id_A_000001_000011.mp4", "tap dancing/bb_000020_000030.mp4"],
        ["train/-0id_A_000001_000011.mp4", "train/bb_000020_000030.mp4"],
        ["train/abseiling/-0id_A_000001_000011.mp4", "train/tap_dancing/bb_000020_000030.mp4"],
    ],
)
def test_kinetics(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *names)
    found = open_set(write(tmp_path / "annotations" / "train.csv", *K400))
    assert found.layout == "kinetics"
    assert labels(found) == dict(zip(names, ["abseiling", "tap dancing"], strict=True))
    write(tmp_path / "train.csv", *K400)
    assert open_set(tmp_path, split="train").ids == found.ids


def test_splits_of_a_kinetics_table(tmp_path: Path) -> None:
    touch(tmp_path, "val/x/cc_000003_000013.mp4", "train/abseiling/-0id_A_000001_000011.mp4")
    path = write(tmp_path / "kinetics.csv", *K400, "x,cc,3,13,validate", "x,dd,,13,validate")
    found = open_set(path, split="val")
    assert labels(found) == {"val/x/cc_000003_000013.mp4": "x"}
    assert found.skipped == (("kinetics.csv:5", "no entry: youtube_id, time_start or time_end is missing"),)
    assert open_set(tmp_path, split="val").ids == found.ids
    whole = open_set(path)
    assert len(whole.clips) == 2
    assert len(whole.skipped) == 2
    with pytest.raises(UsageError, match=r"no split 'test'; it has train \(2\), validate \(2\)"):
        open_set(path, split="test")


# -- Something-Something ---------------------------------------------------------------------------


def test_something_something(tmp_path: Path) -> None:
    touch(tmp_path, "20bn-something-something-v2/78687.webm", "20bn-something-something-v2/42326.mp4")
    items = [
        {
            "id": "78687",
            "label": "holding potato next to vicks",
            "template": "Holding [something] next to [something]",
        },
        {"id": 42326, "label": "stacking"},
        {"id": "1"},
        {"name": "no id"},
    ]
    path = tmp_path / "labels" / "validation.json"
    path.parent.mkdir()
    path.write_text(json.dumps(items))
    for found in (
        open_set(path, root=tmp_path / "20bn-something-something-v2"),
        open_set(tmp_path / "20bn-something-something-v2", split="validation"),
    ):
        assert found.layout == "ssv2"
        assert labels(found) == {"78687.webm": "Holding something next to something", "42326.mp4": "stacking"}
        assert set(dict(found.skipped)) == {"1.webm", "validation.json:4"}


def test_ids_of_something_something_are_the_same_from_every_door(tmp_path: Path) -> None:
    names = [f"{i}.webm" for i in range(30)]
    videos = tmp_path / "ss" / "20bn-something-something-v2"
    touch(videos, *names)
    path = tmp_path / "ss" / "labels" / "train.json"
    path.parent.mkdir()
    path.write_text(json.dumps([{"id": str(i), "template": "Moving [something]"} for i in range(30)]))
    doors = [
        open_set(tmp_path / "ss", split="train", clips=9),
        open_set(videos, split="train", clips=9),
        open_set(path, clips=9),
        open_set(path, root=videos, clips=9),
        open_set(path, root=tmp_path / "ss", clips=9),
    ]
    assert all(one.ids == doors[0].ids and set(one.ids) < set(names) for one in doors)
    assert all(Path(c.path).samefile(videos / c.id) for one in doors for c in one.clips)


# -- What any list may hold ------------------------------------------------------------------------


def test_missing_files_are_skipped_with_a_reason_and_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    path = write(
        tmp_path / "list.txt", "a.mp4 0", "b.mp4 0", "x/c.mp4 1", "folder.mp4 1", "nonsense", "b.mp4 0"
    )
    found = open_set(path)
    assert found.ids == ["a.mp4"]
    assert dict(found.skipped) == {
        "b.mp4": "missing: in the list, not on the disk",
        "x/c.mp4": "missing: in the list, not on the disk",
        "folder.mp4": "a folder, not a video",
        "list.txt:5": "no entry: nonsense",
    }
    assert found.found == 5
    assert found.said.endswith("; 2 missing")
    assert found.notes == (
        f"{path}: 2 files are missing below {tmp_path}: b.mp4, x/c.mp4; --root DIR says where they lie, "
        "if it is elsewhere",
        f"{path}: 1 entry is a folder, no video: folder.mp4; --layout rawframes reads lists of frame folders",
        f"{path}: 1 entry listed more than once, taken once (b.mp4)",
    )


def test_too_many_missing_files_name_the_first_ten(tmp_path: Path) -> None:
    write_set(tmp_path, 2)
    names = [f"gone_{i:02d}.avi" for i in range(12)]
    path = write(tmp_path / "list.txt", "clip_000.avi 0", "clip_001.avi 0", *(f"{n} 1" for n in names))
    with pytest.raises(DataError) as caught:
        measure(path, features=["motion"], options=Options(workers=1))
    assert "12 of 14 videos skipped" in str(caught.value)
    assert all(n in str(caught.value) for n in names[:10])
    assert "and 2 more" in str(caught.value)
    assert measure(path, features=["motion"], options=Options(workers=1, max_skipped="12")).facts.clips == 2


def test_paths_stay_below_the_root_unless_allowed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    touch(root, "in.mp4", "sub/in.mp4")
    touch(tmp_path, "out.mp4", "set-beside/out.mp4", "far/x.mp4")
    (root / "linked.mp4").symlink_to(tmp_path / "out.mp4")
    (root / "far").symlink_to(tmp_path / "far")
    (root / "inner.mp4").symlink_to(root / "in.mp4")
    good = {"in.mp4", "sub/in.mp4", "inner.mp4"}
    lines = ["in.mp4", "inner.mp4", "sub/../sub/in.mp4", "../out.mp4", "far/x.mp4", "linked.mp4"]
    lines += [f"{tmp_path}/set-beside/out.mp4", f"{root}/in.mp4", "../set/sub/in.mp4"]
    path = write(root / "list.txt", *lines)
    found = open_set(path)
    assert set(found.ids) == good
    outside = dict(found.skipped)
    assert set(outside) == {"../out.mp4", "far/x.mp4", "linked.mp4", "../set-beside/out.mp4"}
    assert {i for i, r in outside.items() if r.startswith("a symbolic link that leads out")} == {
        "far/x.mp4",
        "linked.mp4",
    }
    assert outside["../out.mp4"] == "outside the root (--follow-outside reads it)"
    assert found.said.endswith("; 4 outside")
    (note,) = (n for n in found.notes if "outside" in n)
    assert note.count("--follow-outside") == 1 and "2 by a symbolic link" in note
    followed = open_set(path, follow_outside=True)
    assert set(followed.ids) == good | set(outside)
    assert not followed.skipped
    assert all(Path(c.path).read_bytes() == b"x" for c in followed.clips)


def test_odd_names(tmp_path: Path) -> None:
    names = ["é.mp4", "a#b&c;d.avi", " x.mp4", "日本/1 2 3.mp4", "--rf.mp4", "<b>.mp4"]
    touch(tmp_path, *names)
    assert set(open_set(write(tmp_path / "l.txt", *(f"{n} 0" for n in names))).ids) == set(names)
    bad = open_set(write(tmp_path / "m.txt", "é.mp4 0", "a\0b.mp4 1"))
    assert [i for i, _ in bad.skipped] == ["a\\0b.mp4"]


def test_a_list_in_nfc_finds_files_in_nfd(tmp_path: Path) -> None:
    touch(tmp_path, "cafe\u0301.mp4")
    found = open_set(write(tmp_path / "l.txt", "caf\u00e9.mp4 0"))
    assert found.ids == ["caf\u00e9.mp4"]
    assert Path(found.clips[0].path).read_bytes() == b"x"


def test_what_is_no_list(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    notes = write(tmp_path / "notes.txt", "some words", "and more")
    with pytest.raises(
        DataError, match=r"notes.txt is no set.*say what the list is: --layout ucf101, kinetics"
    ):
        open_set(notes)
    with pytest.raises(DataError, match="has no entry of layout list"):
        open_set(notes, layout="list")
    with pytest.raises(DataError, match="layout flat is a folder"):
        open_set(notes, layout="flat")
    (tmp_path / "labels.json").write_text('{"Holding [something]": "0"}')
    with pytest.raises(DataError, match=r"labels.json is no set.*\[\{id, label\}"):
        open_set(tmp_path / "labels.json")
    (tmp_path / "cut.json").write_text('[{"id": "1"}, {"i')
    with pytest.raises(DataError, match="cannot be read as JSON"):
        open_set(tmp_path / "cut.json")
    assert sniff(tmp_path) is None
    assert sniff(write(tmp_path / "empty.txt")) is None


def test_a_forced_layout_of_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    path = write(tmp_path / "mixed.txt", "made by hand", "more words", "a.mp4 0")
    with pytest.raises(DataError, match="--layout"):
        open_set(path)
    found = open_set(path, layout="list")
    assert (found.ids, len(found.skipped)) == (["a.mp4"], 2)


def test_comments_and_blank_lines_are_no_entries(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "#1.mp4")
    lines = ["# made by hand", "", "#gone.mp4 3", "a.mp4 0", "   ", "#1.mp4 2", "nonsense"]
    found = open_set(write(tmp_path / "l.txt", *lines))
    assert labels(found) == {"a.mp4": "0", "#1.mp4": "2"}
    assert found.skipped == (("l.txt:7", "no entry: nonsense"),)
    table = write(tmp_path / "k.csv", "# a comment", K400[0], "", "x,bb,,3,train", "x,cc,1,2,train")
    touch(tmp_path, "cc_000001_000002.mp4")
    assert [i for i, _ in open_set(table).skipped] == ["k.csv:4"]


@pytest.mark.parametrize("lines", [[], ["", "  "], ["# only a comment"]])
@pytest.mark.parametrize("layout", ["auto", "list"])
def test_an_empty_list_is_called_so(tmp_path: Path, lines: list[str], layout: str) -> None:
    path = write(tmp_path / "list.txt", *lines)
    with pytest.raises(DataError, match=r"The list .*list\.txt is empty"):
        open_set(path, layout=layout)


def test_where_no_file_can_be_read_names_and_cure_are_said_once(tmp_path: Path) -> None:
    names = [f"gone_{i:02d}.mp4" for i in range(12)]
    path = write(tmp_path / "list.txt", *(f"{n} 0" for n in names))
    (tmp_path / "root").mkdir()
    with pytest.raises(DataError) as caught:
        open_set(path, root=tmp_path / "root")
    text = str(caught.value)
    assert text == (
        f"{path} names 12 files, and none can be read. 12 files are missing below {tmp_path / 'root'}: "
        f"{', '.join(names[:10])} and 2 more."
    )


@pytest.mark.parametrize("place", ["UCF-101/ucfTrainTestlist", "ucfTrainTestlist", "UCF-101"])
def test_lists_that_are_not_asked_for_are_told_of(tmp_path: Path, place: str) -> None:
    ucf101(tmp_path / "UCF-101", tmp_path / place)
    names = "testlist01, testlist02, trainlist01, trainlist02"
    note = f"lists found ({names}): all clips are taken, --split NAME takes those of one"
    assert open_set(tmp_path / "UCF-101").notes == (note,)
    assert open_set(tmp_path / "UCF-101", layout="classes").notes == ()
    assert open_set(tmp_path / "UCF-101", split="trainlist01").notes == ()


@pytest.mark.parametrize("size", [3, 9000])  # the larger one is looked into as far as its first bytes
def test_lists_in_a_folder_beside_are_told_of_whatever_their_names(tmp_path: Path, size: int) -> None:
    touch(tmp_path, "videos/0.webm", "videos/a/x.mp4")
    (tmp_path / "labels").mkdir()
    items = json.dumps([{"id": str(i), "template": "t"} for i in range(size)])
    (tmp_path / "labels" / "train.json").write_text(items)
    (tmp_path / "labels" / "other.json").write_text(items.replace('"id": "', '"id": "9'))
    write(tmp_path / "labels" / "val.txt", *(f"a/{i or 'x'}.mp4 {i}" for i in range(size)))
    note = "lists found (train, val): all clips are taken, --split NAME takes those of one"
    assert open_set(tmp_path / "videos").notes == (f"{note}; classes stand in train, not in folders",)
    # a table of something else beside class folders is no list that knows better
    touch(tmp_path, "videos/b/0.mp4")
    (tmp_path / "videos" / "0.webm").unlink()
    (tmp_path / "videos" / "meta.json").write_text(items)
    found = open_set(tmp_path / "videos")
    assert found.notes == (note.replace("train", "meta"),) and found.lists == ()


def test_a_table_without_a_column_of_paths_is_no_list(tmp_path: Path) -> None:
    touch(tmp_path, "videos/a.mp4", "videos/b.mp4")
    rows = ["videos/a.mp4,weizmann,bend,180,144", "videos/b.mp4,weizmann,run,180,144"]
    path = write(tmp_path / "manifest.csv", "where,dataset,label,width,height", *rows)
    for layout in ("auto", "list"):
        with pytest.raises(DataError) as caught:
            open_set(path, layout=layout)
        assert str(caught.value) == (
            f"{path} is no list of videos: it is a table with a heading (where, dataset, label, "
            "width, height). Wanted are lines `path label` without a heading, a column `path`, or the "
            "columns of Kinetics (label, youtube_id, time_start, time_end, split)."
        )
    assert open_set(tmp_path).notes == ()
    with pytest.raises(UsageError, match="No list lies in"):
        open_set(tmp_path, split="manifest")
    assert sniff(write(tmp_path / "tabs.txt", "label\twhere", "0\tvideos/a.mp4")) is None
    assert sniff(write(tmp_path / "plain.csv", *rows)) == "list"
    assert sniff(write(tmp_path / "text.txt", "made by hand, for a test", "videos/a.mp4 0")) == "list"


@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_a_table_with_a_column_of_paths_is_a_list(tmp_path: Path, mark: str) -> None:
    touch(tmp_path, "videos/a b.mp4", "videos/b.mp4", "videos/no.txt")
    rows = [
        ("180", "videos/a b.mp4", "bend"),
        ("7", "videos/b.mp4", ""),
        ("7", "", "x"),
        ("7", "gone.mp4", "x"),
    ]
    first, *others = (mark.join(row) for row in [("width", "Path", "Label"), *rows])
    path = write(tmp_path / "rows.csv", "# by hand", first, "", *others)
    found = open_set(path)
    assert found.layout == "table"
    assert [(c.id, c.label) for c in found.clips] == [("videos/a b.mp4", "bend"), ("videos/b.mp4", None)]
    assert dict(found.skipped) == {
        "gone.mp4": "missing: in the list, not on the disk",
        "rows.csv:6": "no entry: it has no path",
    }
    with pytest.raises(DataError, match="has a heading"):
        open_set(path, layout="list")


def test_a_parquet_table_is_a_list(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    touch(tmp_path, "videos/a.mp4", "videos/b.mp4")
    table = pyarrow.table(
        {"file_name": ["videos/a.mp4", "videos/b.mp4", None], "label": [3, 4, 5], "x": [1, 2, 3]}
    )
    parquet.write_table(table, tmp_path / "rows.parquet")
    found = open_set(tmp_path / "rows.parquet")
    assert [(c.id, c.label) for c in found.clips] == [("videos/a.mp4", "3"), ("videos/b.mp4", "4")]
    assert [i for i, _ in found.skipped] == ["rows.parquet:3"]
    parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="no column of paths"):
        open_set(tmp_path / "none.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:60])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        open_set(tmp_path / "cut.parquet")


def test_paths_are_said_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ucf101(tmp_path / "ucf" / "UCF-101", tmp_path / "ucf" / "ucfTrainTestlist")
    path = "ucfTrainTestlist/trainlist01.txt"
    monkeypatch.chdir(tmp_path)
    found = open_set("ucf/UCF-101", split="trainlist01")
    assert found.said == f"2 videos in 2 classes, the list ucf/{path}, below ucf/UCF-101"
    monkeypatch.chdir(tmp_path / "ucf")
    assert open_set("UCF-101", split="trainlist01").said.endswith(f"the list {path}, below UCF-101")
    assert open_set(path, root="UCF-101").ids == found.ids
    with pytest.raises(DataError) as caught:
        open_set(path)
    assert str(caught.value).startswith(f"{path} names 2 files, found neither below ucfTrainTestlist nor . (")
    monkeypatch.chdir(tmp_path / "ucf" / "UCF-101")
    assert open_set(".", split="trainlist01").said.endswith(f"the list ../{path}, below .")
    hmdb51(tmp_path / "hmdb51", tmp_path / "hmdb51" / "splits")
    monkeypatch.chdir(tmp_path)
    assert open_set("hmdb51", split="train1").said.endswith("the lists train1 in hmdb51/splits, below hmdb51")


def test_an_error_of_a_list_leaves_its_path_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "far/a.mp4")
    (tmp_path / "sym").mkdir()
    (tmp_path / "sym" / "a.mp4").symlink_to(tmp_path / "far" / "a.mp4")
    write(tmp_path / "sym" / "l.txt", "a.mp4 0")
    with pytest.raises(DataError) as caught:
        open_set("sym/l.txt")
    assert str(caught.value) == (
        "sym/l.txt names 1 file, which cannot be read. 1 file lies outside sym, 1 by a symbolic link: a.mp4; "
        "--follow-outside reads them."
    )


def test_sets_that_need_a_split_each_are_told_how(tmp_path: Path) -> None:
    ucf101(tmp_path / "ucf" / "UCF-101", tmp_path / "ucf" / "ucfTrainTestlist")
    hmdb51(tmp_path / "hm" / "hmdb51", tmp_path / "hm" / "hmdb51" / "splits")
    places = [str(tmp_path / "ucf" / "UCF-101"), str(tmp_path / "hm" / "hmdb51")]
    with pytest.raises(UsageError) as caught:
        open_all(places, split="train1")
    text = str(caught.value)
    assert text.count("trainlist02") == 1
    assert "Known" not in text
    assert "measure each (measure SET --split NAME --out F.measured) and compare those files" in text
    with pytest.raises(UsageError) as alone:
        open_set(places[0], split="trainlist1")
    assert str(alone.value).endswith("trainlist02. Did you mean 'trainlist01'?")
    assert "measure each" not in str(alone.value)


def test_lists_of_other_sets_beside_a_folder_are_not_told_of(tmp_path: Path) -> None:
    ucf101(tmp_path / "UCF-101", tmp_path / "ucfTrainTestlist")
    hmdb51(tmp_path / "hmdb51", tmp_path / "hmdb51" / "splits")
    touch(tmp_path, "other/a.mp4")
    assert open_set(tmp_path / "other").notes == ()
    assert "train1" in open_set(tmp_path / "hmdb51").notes[0]


@pytest.mark.parametrize("layout", LIST_LAYOUTS)
def test_the_essay_of_a_layout_says_what_is_asked(layout: str) -> None:
    text = essay(layout)
    assert "\n\n    " in text  # an example of what is published
    for word in ("--split", "--root", "--follow-outside", "--max-skipped", "label", "missing"):
        assert word in text.lower(), word


def test_every_layout_of_lists_is_listed_with_a_line() -> None:
    published = {"ucf101", "hmdb51", "kinetics", "ssv2", "diving48", "egtea", "volleyball", "yup_plus_plus"}
    assert set(LIST_LAYOUTS) == published | {"list", "table", "rawframes"}
    assert all(LAYOUTS[n] == a and "\n" not in a for n, a in LIST_LAYOUTS.items())


# -- Options that mean nothing ---------------------------------------------------------------------


def test_options_for_lists_where_there_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.mp4", "set/list.txt")
    write(tmp_path / "set/list.txt", "a.mp4 0")
    preset = "preset:moving_circles?n=3"
    with pytest.raises(UsageError, match="--split train means nothing for preset:"):
        open_set(preset, split="train")
    with pytest.raises(UsageError, match=r"--root .* means nothing for preset:"):
        open_set(preset, root=tmp_path)
    with pytest.raises(UsageError, match=r"--follow-outside means nothing for the folder .* without --split"):
        open_set(tmp_path / "set", follow_outside=True)
    with pytest.raises(UsageError, match=r"--split x means nothing for .*list.txt"):
        open_set(tmp_path / "set/list.txt", split="x")
    (tmp_path / "bare" / "sub").mkdir(parents=True)
    touch(tmp_path, "bare/sub/a.mp4")
    with pytest.raises(UsageError, match=r"No list lies in .* or beside it.*--root DIR"):
        open_set(tmp_path / "bare/sub", split="train")
    with pytest.raises(UsageError, match="--split train means nothing for any of the sets"):
        compare([preset, str(tmp_path / "bare/sub")], preset, split="train")


def test_with_several_sets_the_options_go_to_those_with_lists(tmp_path: Path, run_cli: Run) -> None:
    write_set(tmp_path / "synth", 3)
    write_set(tmp_path / "real" / "videos", 4)
    lines = [f"videos/clip_{i:03d}.avi 0" for i in range(3)]
    write(tmp_path / "real" / "train.csv", *lines)
    args = ["--metrics", "motion", "--workers", "1", "-q", "--csv", "-"]
    done = run_cli("compare", "synth", "preset:moving_circles?n=2", "real", "--split", "train", *args)
    assert done.returncode == 0, done.stderr
    none = run_cli("compare", "synth", "preset:moving_circles?n=2", "--split", "train", *args)
    assert none.returncode == 2
    assert "--split train means nothing for any of the sets" in none.stderr
    far = write(tmp_path / "elsewhere" / "train.csv", *lines)
    asked = run_cli("compare", "synth", far, *args)
    assert asked.returncode == 3
    assert "--root DIR" in asked.stderr
    done = run_cli("compare", "synth", far, "--root", "real", *args)
    assert done.returncode == 0, done.stderr


def test_videos_and_lists_beside_each_other_as_the_archives_unpack(tmp_path: Path) -> None:
    (tmp_path / "UCF-101" / "Walk").mkdir(parents=True)
    (tmp_path / "ucfTrainTestlist").mkdir()
    names = [f"Walk/v_Walk_g{i:02d}_c01.avi" for i in range(1, 4)]
    for name in names:
        (tmp_path / "UCF-101" / name).touch()
    (tmp_path / "ucfTrainTestlist" / "trainlist01.txt").write_text("".join(f"{n} 1\n" for n in names))
    (tmp_path / "ucfTrainTestlist" / "classInd.txt").write_text("1 Walk\n")
    found = open_set(tmp_path, split="trainlist01")
    assert [c.id for c in found.clips] == names


@pytest.mark.parametrize("data", [b"a\rb\rc\n", bytes(range(256)) * 20, b'\x00\r"\n'])
def test_what_is_no_text_is_no_list_and_no_bug(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "notes.txt").write_bytes(data)
    with pytest.raises(DataError):
        open_set(tmp_path / "notes.txt")
