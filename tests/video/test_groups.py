"""Source groups: read from names as the field gives them, believed where the set tells them itself."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from synvid_eval.sets import open_set
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.groups import grouping, source_groups
from synvid_eval.video.videoset import VideoSet


def make(ids: dict[str, str | None], sources: dict[str, str] | None = None) -> VideoSet:
    clips = tuple(ClipRef(i, "file", f"/nowhere/{i}", label=label) for i, label in sorted(ids.items()))
    return VideoSet("s", "/nowhere", "classes", "", clips, sources=sources)


def of_names(*names: str) -> VideoSet:
    return make({name: name.split("/")[0] for name in names})


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Biking/v_Biking_g02_c01.avi", "Biking/g02"),
        ("Diving/v_Diving_g02_c06.avi", "Diving/g02"),
        ("run/Prelinger_LetsPlay_run_f_cm_np1_ba_med_3.avi", "Prelinger_LetsPlay"),
        ("brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "April_09"),
        ("walk/clip_7.mp4", "walk/clip_7.mp4"),
    ],
)
def test_groups_are_read_from_names(name: str, group: str) -> None:
    assert source_groups(of_names(name)) == {name: group}


def test_people_are_believed_where_each_of_several_does_several_things() -> None:
    people = ("walk/daria_walk.avi", "run/daria_run.avi", "walk/lena_walk2.avi", "run/lena_run1.avi")
    assert list(source_groups(of_names(*people)).values()) == ["daria", "lena", "daria", "lena"]
    for names in (
        ["cat/my_cat1.mp4", "cat/my_cat2.mp4", "dog/my_dog1.mp4", "dog/my_dog2.mp4"],  # one of them
        [*people, "walk/clip_walk.avi", "walk/clip_walk2.avi"],  # one of one class
    ):
        assert source_groups(of_names(*names)) == {name: name for name in names}


def test_a_set_that_knows_its_sources_is_believed_and_others_are_said() -> None:
    known = make({"a/v_a_g01_c01.avi": "a", "b/x.mp4": "b"}, {"a/v_a_g01_c01.avi": "film", "b/x.mp4": "film"})
    assert set(source_groups(known).values()) == {"film"}
    said = grouping(of_names("a/v_a_g01_c01.avi", "a/v_a_g01_c02.avi", "b/x.mp4"))
    assert "2 clips in 1 group by UCF101's gNN" in said
    assert "1 clip each a group of its own" in said


def test_groups_of_the_real_folders(test_data: Path) -> None:
    """Against the file names read by other means: 77 UCF101 videos, six people."""
    videos = open_set(test_data / "ucf101")
    groups = source_groups(videos)
    expected = {i: tuple(re.findall(r"v_([A-Za-z]+)_g(\d\d)", i)[0]) for i in videos.ids}
    assert len(set(groups.values())) == len(set(expected.values())) == 77
    assert {i: tuple(g.split("/g")) for i, g in groups.items()} == expected
    people = source_groups(open_set(test_data / "weizmann"))
    assert Counter(people.values()) == dict.fromkeys(["daria", "denis", "eli", "ido", "ira", "lyova"], 10)
