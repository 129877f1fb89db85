"""Diving48, EGTEA Gaze+, Volleyball, YUP++ as they unpack: clips, classes, groups, boxes; what is damaged."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from synvid_eval.errors import DataError, UsageError
from synvid_eval.sets import open_clip, open_set
from synvid_eval.training.splits import split
from synvid_eval.video import volleyball
from synvid_eval.video.groups import grouping, source_groups
from synvid_eval.video.long_lists import MISSING
from synvid_eval.video.videoset import VideoSet
from tests import downstream_sets as made
from tests.conftest import Run

DIVES = ("Back 15som 05Twis FREE", "Inward 25som NoTwis TUCK")


def classes(found: VideoSet) -> Counter[str | None]:
    return Counter(c.label for c in found.clips)


def reasons(found: VideoSet) -> dict[str, str]:
    return dict(found.skipped)


# -- Diving48 --------------------------------------------------------------------------------------


@pytest.fixture
def dives(tmp_path: Path) -> Path:
    return made.diving48(tmp_path / "diving48")


def test_diving48_from_all_doors(dives: Path) -> None:
    found = open_set(dives, split="Diving48_V2_train")
    assert (found.layout, len(found), found.skipped) == ("diving48", 8, ())
    assert classes(found) == dict.fromkeys(DIVES, 4)
    assert found.ids[0] == "-mmq0PT-u8k_00000.mp4"
    assert found.said.startswith("8 videos in 2 classes, the list ")
    for other in (
        open_set(dives / "Diving48_V2_train.json"),
        open_set(dives / "Diving48_V2_train.json", root=dives / "rgb"),
        open_set(dives / "rgb", split="Diving48_V2_train"),
        open_set(dives, split="train"),
    ):
        assert [(c.id, c.label) for c in other.clips] == [(c.id, c.label) for c in found.clips]
    assert list(open_clip(found.clips[0]).frames([0, 7]))[1][1].shape == (32, 48, 3)
    notes = " ".join(open_set(dives).notes)
    assert "Diving48_V2_test, Diving48_V2_train" in notes


def test_diving48_as_mmaction2_lays_it_out(dives: Path) -> None:
    (dives / "rgb").rename(dives / "videos")
    (dives / "annotations").mkdir()
    for path in dives.glob("*.json"):
        path.rename(dives / "annotations" / path.name)
    assert len(open_set(dives, split="Diving48_V2_test")) == 4
    assert len(open_set(dives / "annotations" / "Diving48_V2_test.json")) == 4
    assert len(open_set(dives / "videos", split="Diving48_V2_test")) == 4


def test_diving48_without_a_vocabulary_has_numbers_for_classes(dives: Path) -> None:
    (dives / "Diving48_vocab.json").unlink()
    assert classes(open_set(dives, split="Diving48_V2_test")) == {"0": 2, "1": 2}


def test_groups_of_diving48_are_the_videos_that_clips_were_cut_from(dives: Path) -> None:
    found = open_set(dives, split="Diving48_V2_train")
    assert set(source_groups(found).values()) == {"2x00lRzlTVQ", "-mmq0PT-u8k"}
    assert grouping(found) == "8 clips in 2 groups by Diving48's video"
    # the same names in another set tell nothing: many a set numbers its clips so
    assert len(set(source_groups(open_set(dives / "rgb")).values())) == 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Diving48_vocab.json cannot be read as JSON"),
        ('{"0": "Back"}', "is no vocabulary of Diving48, a list of lists of words"),
        ("[[1]]", "is no vocabulary of Diving48"),
        ('[["\\ud800"], ["a"]]', "Diving48_vocab.json cannot be read as JSON: .* surrogates not allowed"),
    ],
)
def test_a_damaged_vocabulary_is_told(dives: Path, text: str, words: str) -> None:
    (dives / "Diving48_vocab.json").write_text(text)
    with pytest.raises(DataError, match=words):
        open_set(dives, split="Diving48_V2_train")


def test_damaged_entries_of_diving48_are_skipped_each_with_its_place(dives: Path) -> None:
    path = dives / "Diving48_V2_test.json"
    items = json.loads(path.read_text())
    more = [7, {"label": 1}, {"vid_name": "x", "label": "a"}, {"vid_name": "y", "label": 2}]
    more += [{"vid_name": "gone", "label": 0}]
    path.write_text(json.dumps([*items, *more]))
    found = open_set(dives, split="Diving48_V2_test")
    assert len(found) == 4
    assert reasons(found) == {
        "gone.mp4": MISSING,
        "Diving48_V2_test.json:5": "no entry: it has no vid_name",
        "Diving48_V2_test.json:6": "no entry: it has no vid_name",
        "Diving48_V2_test.json:7": "no entry: its label is no class: a",
        "Diving48_V2_test.json:8": "no entry: class 2 is not in Diving48_vocab.json",
    }
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot be read as JSON"):
        open_set(path)


# -- EGTEA Gaze+ -----------------------------------------------------------------------------------


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    return made.egtea(tmp_path / "egtea")


def test_egtea_from_all_doors(kitchen: Path) -> None:
    found = open_set(kitchen, split="train_split1")
    assert (found.layout, len(found), found.skipped) == ("egtea", 12, ())
    assert classes(found) == {"Inspect/Read recipe": 6, "Open fridge": 6}
    assert found.ids[0] == "OP01-R01-PastaSalad/OP01-R01-PastaSalad-0-900-F000000-F000022.mp4"
    for other in (
        open_set(kitchen / "cropped_clips", split="train_split1"),
        open_set(kitchen / "action_annotation" / "train_split1.txt"),
        open_set(kitchen / "action_annotation" / "train_split1.txt", root=kitchen / "cropped_clips"),
    ):
        assert [(c.id, c.label) for c in other.clips] == [(c.id, c.label) for c in found.clips]
    # as the archives unpack: clips below video_clips/, lists at the top
    (kitchen / "video_clips").mkdir()
    (kitchen / "cropped_clips").rename(kitchen / "video_clips" / "cropped_clips")
    for path in list((kitchen / "action_annotation").iterdir()):
        path.rename(kitchen / path.name)
    assert open_set(kitchen, split="train_split1").ids == found.ids


def test_egtea_without_names_has_numbers_for_classes(kitchen: Path) -> None:
    (kitchen / "action_annotation" / "action_idx.txt").unlink()
    assert classes(open_set(kitchen, split="test_split1")) == {"1": 2, "2": 2}


def test_groups_of_egtea_are_people(kitchen: Path) -> None:
    found = open_set(kitchen, split="train_split1")
    assert set(source_groups(found).values()) == {"OP01", "P17"}
    assert grouping(found) == "12 clips in 2 groups by EGTEA's person"


def test_damaged_lists_of_egtea(kitchen: Path) -> None:
    path = kitchen / "action_annotation" / "test_split1.txt"
    lines = path.read_text().splitlines()
    made.write(path, *lines[:3], lines[3][:-20], lines[3].replace(" 2 1 ", " 9 1 "), "", "# a comment")
    (kitchen / "cropped_clips" / "OP02-R01-PastaSalad" / f"{lines[0].split()[0]}.mp4").unlink()
    found = open_set(kitchen, split="test_split1")
    assert len(found) == 2
    assert reasons(found) == {
        f"OP02-R01-PastaSalad/{lines[0].split()[0]}.mp4": MISSING,
        "test_split1.txt:4": f"no entry: {lines[3][:-20]}",
        "test_split1.txt:5": "no entry: action 9 is not in action_idx.txt",
    }
    made.write(kitchen / "action_annotation" / "action_idx.txt", "Inspect/Read recipe 1", "Open fridge")
    with pytest.raises(DataError, match=r"action_idx.txt:2 is no action and its number: Open fridge"):
        open_set(kitchen, split="test_split1")


# -- Volleyball ------------------------------------------------------------------------------------


@pytest.fixture
def matches(tmp_path: Path) -> Path:
    return made.volleyball(tmp_path / "volleyball")


def test_the_published_splits_of_volleyball_are_whole() -> None:
    """The three are apart, 55 videos in all, 24, 15 and 16 of them, and the first two are trainval."""
    sides = [volleyball.SPLITS[n] for n in ("train", "val", "test")]
    assert [len(s) for s in sides] == [24, 15, 16]
    assert frozenset.union(*sides) == frozenset(range(55))
    assert volleyball.SPLITS["trainval"] == sides[0] | sides[1]


def test_volleyball_is_recognised_and_splits_go_by_video(matches: Path) -> None:
    found = open_set(matches)
    assert (found.layout, found.skipped) == ("volleyball", ())
    assert found.ids == sorted(f"{v}/{f}" for v, frames in made.MATCHES.items() for f in frames)
    assert classes(found) == {"r_spike": 4, "l-pass": 4}
    assert {(c.kind, c.fps) for c in found.clips} == {("frames", 25.0)}
    assert found.said.startswith("8 frame folders in 2 classes, the lists all in ")
    assert not any("another number of pictures" in n for n in found.notes)
    videos = {
        n: sorted({i.split("/")[0] for i in open_set(matches, split=n).ids}, key=int)
        for n in ("train", "val", "validation", "test", "trainval", "all")
    }
    assert videos == {
        "train": ["1", "39"],
        "val": ["2"],
        "validation": ["2"],
        "test": ["4"],
        "trainval": ["1", "2", "39"],
        "all": ["1", "2", "4", "39"],
    }
    assert open_set(matches, fps=30).clips[0].fps == 30.0
    assert open_set(matches, layout="frames").layout == "frames"
    assert open_set(matches.parent, split="train").ids == open_set(matches, split="train").ids
    assert open_set(matches, split="train", root=matches).ids == open_set(matches, split="train").ids
    assert open_clip(found.clips[0]).total == 8


def test_groups_of_volleyball_are_videos(matches: Path) -> None:
    assert set(source_groups(open_set(matches)).values()) == {"1", "2", "4", "39"}
    assert grouping(open_set(matches)) == "8 clips in 4 groups by Volleyball's video"


def test_boxes_are_those_of_the_annotated_frame(matches: Path) -> None:
    players = (
        volleyball.Box(430, 575, 82, 170, "waiting"),
        volleyball.Box(-3, 491, 82, 177, "spiking"),
    )
    for layout in ("auto", "frames"):
        for clip in open_set(matches, layout=layout).clips:
            assert volleyball.boxes(clip) == {4: players}
    # natural order: 8.jpg comes before 10.jpg, and a frame that is missing moves those behind it
    clip = next(c for c in open_set(matches).clips if c.id == "1/10")
    assert sorted(p.name for p in Path(clip.path).iterdir())[0] == "10.jpg"
    (Path(clip.path) / "7.jpg").unlink()
    assert volleyball.boxes(clip) == {3: players}


def test_the_published_line_is_read() -> None:
    """A line of the set's own page, as it stands there."""
    line = "29905.jpg l-pass 619 582 86 131 falling 1723 556 60 175 standing"
    assert volleyball.parse(line) == volleyball.Annotation(
        "29905",
        "l-pass",
        (volleyball.Box(619, 582, 86, 131, "falling"), volleyball.Box(1723, 556, 60, 175, "standing")),
    )
    assert volleyball.parse("1.jpg l_set").boxes == ()


BROKEN = {
    "29885.png l-pass": r"'29885.png' is no frame such as 29885.jpg",
    "": r"'' is no frame",
    "1.jpg": r"'' is no activity",
    "1.jpg l_pass": r"'l_pass' is no activity \(l-pass, ",
    "1.jpg l-pass 1 2 3 4": r"4 words behind the activity are no boxes",
    "1.jpg l-pass waiting 1 2 3 4": r"`waiting 1 2 3 4` is no box `x y width height action`",
    "1.jpg l-pass 1 2 3 4 sleeping": r"`1 2 3 4 sleeping` is no box",
}


@pytest.mark.parametrize("line", BROKEN)
def test_lines_that_are_no_annotation(line: str) -> None:
    with pytest.raises(ValueError, match=BROKEN[line]):
        volleyball.parse(line)


def test_damaged_annotations_are_skipped_each_with_its_place(matches: Path) -> None:
    path = matches / "39" / "annotations.txt"
    first, second = path.read_text().splitlines()
    made.write(path, first, second[:30], second.replace("29905", "29999"))
    found = open_set(matches, split="train")
    assert found.ids == ["1/10", "1/50", "39/29885"]
    assert reasons(found)["39/29999"] == MISSING
    said = "no entry: 4 words behind the activity are no boxes `x y width height action`"
    assert reasons(found)["39/annotations.txt:2"] == said
    clip = found.clips[2]
    made.write(path, first[:-20])
    with pytest.raises(DataError, match=r"39/annotations.txt:1 cannot be read: "):
        volleyball.boxes(clip)
    made.write(path, second)
    with pytest.raises(DataError, match=r"annotations.txt has no line of 29885\."):
        volleyball.boxes(clip)
    made.write(path, first)
    (Path(clip.path) / "29885.jpg").unlink()
    with pytest.raises(DataError, match=r"39/29885 lacks the annotated frame 29885\.jpg"):
        volleyball.boxes(clip)
    path.unlink()
    with pytest.raises(DataError, match=r"39/29885: .*annotations.txt cannot be read: No such file"):
        volleyball.boxes(clip)


def test_what_has_no_boxes(matches: Path, tmp_path: Path) -> None:
    made.videos(tmp_path / "plain", ["a.mp4"])
    with pytest.raises(DataError, match=r"a\.mp4 is no folder of frames"):
        volleyball.boxes(open_set(tmp_path / "plain").clips[0])
    with pytest.raises(DataError, match=r"is one video's part of Volleyball.*DIR --split train"):
        open_set(matches / "39" / "annotations.txt")
    with pytest.raises(UsageError, match=r"has no list 'tran'; it has all, test, train, trainval, val\."):
        open_set(matches, split="tran")
    for number in (2, 4):
        shutil.rmtree(matches / str(number))
    with pytest.raises(DataError, match="Nothing is in the lists test in "):
        open_set(matches, split="test")


# -- YUP++ -----------------------------------------------------------------------------------------


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    return made.yup_plus_plus(tmp_path / "YUP++")


def test_yup_plus_plus_by_side_and_camera(scenes: Path) -> None:
    sizes = {"train": 4, "test": 36, "static_train": 2, "static_test": 18, "moving_train": 2}
    for name, size in sizes.items():
        found = open_set(scenes, split=name)
        assert (found.layout, len(found), found.skipped) == ("yup_plus_plus", size, ())
        assert classes(found) == {"Beach": size // 2, "WindmillFarm": size // 2}
        cameras = {i.split("/")[0] for i in found.ids}
        wanted = {"static": {"camera_stationary"}, "moving": {"camera_moving"}}
        assert cameras == wanted.get(name.split("_")[0], {"camera_stationary", "camera_moving"})
        assert open_set(scenes / "10_90_randsplit_1.txt", split=name).ids == found.ids
    assert len(open_set(scenes / "10_90_randsplit_1.txt")) == 40
    assert len(open_set(scenes)) == 40
    assert classes(open_set(scenes)) == {"Beach": 20, "WindmillFarm": 20}
    # one camera: its folder, with the list beside it or without
    assert len(open_set(scenes / "camera_moving", split="moving_test")) == 18
    assert open_set(scenes / "camera_moving").layout == "classes"


def test_the_published_size_of_yup_plus_plus(tmp_path: Path) -> None:
    """20 scenes, 30 clips of each with each camera, 3 of them to train on: 120 and 1,080."""
    lines = [
        f"Scene{s}_{camera}_cam_{n} {camera}_{'train' if n <= 3 else 'test'}"
        for camera in ("static", "moving")
        for s in range(20)
        for n in range(1, 31)
    ]
    path = made.write(tmp_path / "10_90_randsplit_1.txt", *lines)
    for line in lines:
        clip, use = line.split()
        folder = "camera_stationary" if use.startswith("static") else "camera_moving"
        (tmp_path / folder / clip.split("_")[0]).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / clip.split("_")[0] / f"{clip}.mp4").touch()
    assert [len(open_set(path, split=n)) for n in ("train", "test")] == [120, 1080]
    (fold,) = split(open_set(tmp_path), "train").folds
    assert (len(fold.train), len(fold.test)) == (120, 1080)


def test_damaged_lists_of_yup_plus_plus(scenes: Path) -> None:
    path = scenes / "10_90_randsplit_1.txt"
    lines = path.read_text().splitlines()
    bad = ["Beach_static_cam_1 moving_test", "Beach_static_cam_1", "Beach_cam_1 static_test", "# no", ""]
    made.write(path, *lines, *bad, "Beach_static_cam_99 static_test")
    found = open_set(scenes, split="static_test")
    assert len(found) == 18
    assert reasons(found) == {
        "camera_stationary/Beach/Beach_static_cam_99.mp4": MISSING,
        **{f"{path.name}:{41 + n}": f"no entry: {line}" for n, line in enumerate(bad[:3])},
    }
    with pytest.raises(UsageError, match=r"has no split 'val'; it has static_test"):
        open_set(path, split="val")
    made.write(path, *(line for line in lines if "static" in line))
    with pytest.raises(UsageError, match=r"has no list 'moving_test'; it has .*static_test, static_train"):
        open_set(scenes, split="moving_test")


# -- Splits of a labelled set ----------------------------------------------------------------------

SPLITS = {
    "diving48": ("Diving48_V2_train", DIVES, 8, 4),
    "egtea": ("train_split1", ("Inspect/Read recipe", "Open fridge"), 12, 4),
    "volleyball": ("train", ("l-pass", "r_spike"), 4, 2),
    "yup_plus_plus": ("train", ("Beach", "WindmillFarm"), 4, 36),
}


@pytest.mark.parametrize("name", SPLITS)
def test_the_official_split_of_the_whole_folder(name: str, tmp_path: Path) -> None:
    """Classes are those of the lists, also where the folders that clips lie in are called otherwise."""
    asked, labels, train, test = SPLITS[name]
    folder = getattr(made, name)(tmp_path / name)
    videos = open_set(folder)
    found = split(videos, asked)
    (fold,) = found.folds
    assert (len(fold.train), len(fold.test), found.classes) == (train, test, labels)
    assert set(fold.train) | set(fold.test) <= set(videos.ids)
    assert not any("divided" in note for note in found.notes)
    other = asked.replace("train", "test")
    assert split(videos, other).folds == found.folds
    if name != "yup_plus_plus":  # whose groups are its clips
        assert len(set(found.groups.values())) < train + test
    assert {found.labels[i] for i in fold.train} == set(labels)


def test_splits_of_volleyball_and_yup_plus_plus_by_their_other_names(tmp_path: Path) -> None:
    played = open_set(made.volleyball(tmp_path / "volleyball"))
    assert [len(split(played, n).folds[0].train) for n in ("train", "trainval", "val")] == [4, 6, 4]
    assert {i.split("/")[0] for i in split(played, "val").folds[0].test} == {"2"}
    assert {i.split("/")[0] for i in split(played, "trainval").folds[0].test} == {"4"}
    with pytest.raises(UsageError, match="--split all is one list"):
        split(played, "all")
    scenes = open_set(made.yup_plus_plus(tmp_path / "YUP++"))
    found = split(scenes, "moving_train")
    assert (len(found.folds[0].train), len(found.folds[0].test)) == (2, 18)
    assert any("20 clips of YUP++ are in neither list" in note for note in found.notes)
    whole = split(scenes, str(tmp_path / "YUP++" / "10_90_randsplit_1.txt"))
    assert whole.folds == split(scenes, "train").folds


def test_a_list_that_holds_clips_of_one_person_on_both_sides_is_told_of(kitchen: Path) -> None:
    lists = kitchen / "action_annotation"
    train, test = ((lists / f"{n}_split1.txt").read_text().splitlines() for n in ("train", "test"))
    made.write(lists / "train_split1.txt", *train[1:])
    made.write(lists / "test_split1.txt", *test, train[0])
    notes = split(open_set(kitchen), "train_split1").notes
    assert any("1 source group divided between training and testing" in n for n in notes)


def test_folds_are_those_of_the_sources(tmp_path: Path) -> None:
    videos = open_set(made.volleyball(tmp_path / "volleyball"))
    for fold in split(videos, "kfold:2").folds:
        assert not {i.split("/")[0] for i in fold.train} & {i.split("/")[0] for i in fold.test}
    kitchen = made.egtea(tmp_path / "egtea")
    videos = open_set(kitchen / "action_annotation" / "train_split1.txt")
    people = [{i.split("-")[0] for i in fold.test} for fold in split(videos, "kfold:2").folds]
    assert sorted(map(sorted, people)) == [["OP01"], ["P17"]]


@pytest.mark.parametrize(
    ("name", "below", "known"),
    [
        ("diving48", "rgb", "Diving48_V2_test, Diving48_V2_train"),
        ("egtea", "cropped_clips", "test_split1, train_split1"),
    ],
)
def test_folders_that_are_no_classes_want_a_list(name: str, below: str, known: str, tmp_path: Path) -> None:
    """Neither sessions nor the one folder of all clips are learned as classes."""
    folder = getattr(made, name)(tmp_path / name)
    ids = open_set(folder).ids
    sides = tmp_path / "sides.json"
    sides.write_text(json.dumps({"train": ids[:-2], "test": ids[-2:]}))
    for asked in ("kfold:2", str(sides)):
        with pytest.raises(UsageError, match="stand in its lists, not in its folders") as told:
            split(open_set(folder), asked)
        assert f"--split NAME, of {known};" in told.value.hint
    with pytest.raises(UsageError, match="stand in its lists"):
        split(open_set(folder / below), "kfold:2")
    trusted = open_set(folder, layout="nested")
    assert trusted.lists == () and {c.label for c in trusted.clips} != {None}
    (folder / below).rename(tmp_path / "alone")
    assert open_set(tmp_path / "alone").lists == ()


def test_folders_that_are_classes_want_no_list(tmp_path: Path) -> None:
    """Scenes are class folders, activities stand beside clips, UCF101's lists name its own folders."""
    for videos in (
        open_set(made.yup_plus_plus(tmp_path / "YUP++")),
        open_set(made.volleyball(tmp_path / "volleyball")),
    ):
        assert videos.lists == () and len(split(videos, "kfold:2").folds) == 2
    names = [f"{c}/v_{c}_g0{g}_c01.mp4" for c in ("Biking", "YoYo") for g in (1, 2)]
    made.videos(tmp_path / "UCF-101", names)
    made.write(tmp_path / "UCF-101" / "trainlist01.txt", *(f"{n} 1" for n in names))
    videos = open_set(tmp_path / "UCF-101")
    assert "trainlist01" in " ".join(videos.notes) and videos.lists == ()
    assert split(videos, "kfold:2").classes == ("Biking", "YoYo")
    # where no folder tells a class, a list that does is asked for
    for path in (tmp_path / "YUP++").rglob("*.mp4"):
        path.rename(tmp_path / "YUP++" / path.name)
    with pytest.raises(UsageError, match=r"--split NAME, of 10_90_randsplit_1, moving_test, .*, train;"):
        split(open_set(tmp_path / "YUP++"), "kfold:2")


def test_splits_have_one_name_whichever_way_they_are_asked_for(tmp_path: Path) -> None:
    dives = made.diving48(tmp_path / "diving48")
    scenes = made.yup_plus_plus(tmp_path / "YUP++")
    played = made.volleyball(tmp_path / "volleyball")
    kitchen = made.egtea(tmp_path / "egtea")
    lists = kitchen / "action_annotation"

    def called(folder: Path, asked: str) -> str:
        return split(open_set(folder), asked).called

    ways = ("train", "test", "Diving48_V2_train", "Diving48_V2_test", str(dives / "Diving48_V2_test.json"))
    assert {called(dives, way) for way in ways} == {"Diving48_V2_train"}
    asked = ("train_split1", "test_split1", str(lists / "train_split1.txt"))
    assert {called(kitchen, way) for way in asked} == {"train_split1"}
    names = ("train", "test", "moving_train", "moving_test", "static_test")
    found = [called(scenes, name) for name in names]
    assert found == ["train", "train", "moving_train", "moving_train", "static_train"]
    assert called(scenes, str(scenes / "10_90_randsplit_1.txt")) == "train"
    # the same clips to train on, others to test on
    assert [called(played, n) for n in ("train", "test", "val", "validation", "trainval")] == [
        *("train", "train", "val", "val", "trainval")
    ]
    assert called(played, "kfold:02") == "kfold:2"
    for n in (2, 3):
        for side in ("train", "test"):
            shutil.copy(lists / f"{side}_split1.txt", lists / f"{side}_split{n}.txt")
    assert [called(kitchen, f"test_split{n}") for n in (1, 2, 3)] == [f"train_split{n}" for n in (1, 2, 3)]


def test_names_of_splits_are_the_same_for_opening_and_for_dividing(dives: Path) -> None:
    """`train` means the only list that has the word, and with two versions neither takes one of them."""
    for asked in ("train", "test"):
        ids = open_set(dives, split=asked).ids
        (fold,) = split(open_set(dives), asked).folds
        assert {Path(i).name for i in getattr(fold, asked)} == set(ids)
    for side in ("train", "test"):
        shutil.copy(dives / f"Diving48_V2_{side}.json", dives / f"Diving48_{side}.json")
    known = "Diving48_V2_test, Diving48_V2_train, Diving48_test, Diving48_train"
    with pytest.raises(UsageError, match=f"has no list 'train'; it has {known}"):
        open_set(dives, split="train")
    with pytest.raises(UsageError, match=f"neither a file nor a list of .* Its lists: {known}") as told:
        split(open_set(dives), "train")
    assert "kfold" not in told.value.hint  # which is refused there, too
    (dives / "Diving48_test.json").unlink()
    with pytest.raises(UsageError, match=r"the other of train and test is not there.* Diving48_test, "):
        split(open_set(dives), "Diving48_train")


def test_lists_that_are_missing_are_named(tmp_path: Path) -> None:
    kitchen = made.egtea(tmp_path / "egtea")
    shutil.rmtree(kitchen / "action_annotation")
    looked = r"Looked for train_split1\.txt, test_split1\.txt, … 3, in it, in its folders and beside it"
    with pytest.raises(UsageError, match=f"No list of layout egtea lies in .*{looked}"):
        open_set(kitchen, layout="egtea", split="train_split1")
    short = r"No list was found in it, in its folders or beside it: synvid-eval explain LAYOUT "
    with pytest.raises(UsageError, match=rf"No list lies in .*{short}") as unread:
        open_set(kitchen, split="train_split1")
    with pytest.raises(UsageError, match=rf"neither a file nor a list .*{short}.*kfold:5") as undivided:
        split(open_set(kitchen), "train_split1")
    for error in (unread, undivided):  # not the files of layouts that it is none of
        assert "Diving48" not in error.value.hint and len(error.value.hint) < 320


def test_a_word_for_a_split_that_is_misspelled_is_guessed(tmp_path: Path) -> None:
    """`train` is a word of Diving48_V2_train, and finds it: so is what is nearly that."""
    dives = made.diving48(tmp_path / "Diving48")
    with pytest.raises(UsageError, match=r"--split trane is neither") as error:
        split(open_set(dives), "trane")
    assert error.value.hint.startswith("Did you mean 'train'? Its lists: ")
    with pytest.raises(UsageError, match=r"no list 'trane'.*Did you mean 'train'\?"):
        open_set(dives, split="trane")


# -- As commands -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", SPLITS)
def test_inspect_measure_and_compare(name: str, tmp_path: Path, run_cli: Run) -> None:
    asked, _, train, _ = SPLITS[name]
    folder = getattr(made, name)(tmp_path / name)
    seen = run_cli("inspect", folder, "--split", asked)
    assert seen.returncode == 0, seen.stderr
    assert f"{train} " in seen.stdout and "2 classes" in seen.stdout
    few = ["--metrics", "color", "--workers", "1", "-q"]
    kept = run_cli("measure", folder, "--split", asked, "--out", "one.measured", *few)
    assert kept.returncode == 0, kept.stderr
    done = run_cli("compare", folder, "one.measured", "--csv", "-", *few)
    assert done.returncode == 0, done.stderr
    assert "color" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["finetune", "scratch", "SET", "--recipe", "tiny"],
        ["probe", "scratch", "SET", "--set", "size=tiny"],
        ["pretrain", "SET", "--method", "supervised", "--recipe", "tiny"],
    ],
)
def test_sessions_are_not_trained_on_as_classes(command: list[str], tmp_path: Path, run_cli: Run) -> None:
    folder = made.egtea(tmp_path / "egtea")
    given = [str(folder) if word == "SET" else word for word in command]
    done = run_cli("train", *given, "--out", "run", "--device", "cpu", "-q")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--split NAME, of test_split1, train_split1;" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("command", ["finetune", "probe"])
def test_trained_and_probed_by_the_official_split(
    name: str, command: str, tmp_path: Path, run_cli: Run
) -> None:
    from tests.training.small import MINI

    asked, _, _, test = SPLITS[name]
    folder = getattr(made, name)(tmp_path / name)
    settings = [x for s in MINI for x in ("--set", s)]
    own = ["--recipe", "tiny", "--set", "steps=2"] if command == "finetune" else ["--set", "size=tiny"]
    done = run_cli(
        *("train", command, "scratch", folder, "--split", asked, "--device", "cpu", "--out", "run"),
        *settings,
        *own,
        "-q",
    )
    assert done.returncode == 0, done.stderr
    assert f"of {test} clips" in done.stdout
