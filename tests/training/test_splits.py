"""Splits: no source on both sides, every clip tested once, every class trained on; groups as named."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synvid_eval.errors import DataError, UsageError
from synvid_eval.sets import open_set
from synvid_eval.training.splits import assigned, split
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.videoset import VideoSet


def make(ids: dict[str, str | None], sources: dict[str, str] | None = None) -> VideoSet:
    clips = tuple(ClipRef(i, "file", f"/nowhere/{i}", label=label) for i, label in sorted(ids.items()))
    return VideoSet("s", "/nowhere", "classes", "", clips, sources=sources)


def of_names(*names: str) -> VideoSet:
    return make({name: name.split("/")[0] for name in names})


@pytest.mark.parametrize("name", ["ucf101", "weizmann"])
@pytest.mark.parametrize("seed", [0, 1])
def test_folds_of_the_real_folders_are_even(test_data: Path, name: str, seed: int) -> None:
    videos = open_set(test_data / name)
    found = split(videos, "kfold:5", seed)
    check(found, videos)
    sizes = [len(f.test) for f in found.folds]
    if name == "ucf101":  # 24 clips a class in groups of 1 to 3: each fold has 4 to 6 of each class
        assert max(sizes) - min(sizes) <= 2
        for fold in found.folds:
            assert set(Counter(found.labels[i] for i in fold.test).values()) <= {4, 5, 6}
    else:  # six people, one of whom shares a fold
        assert sorted(sizes) == [10, 10, 10, 10, 20]


def check(found, videos) -> None:
    tested = Counter(i for fold in found.folds for i in fold.test)
    assert tested == Counter(videos.ids)
    for fold in found.folds:
        assert not set(fold.train) & set(fold.test)
        assert set(fold.train) | set(fold.test) == set(videos.ids)
        assert not {found.groups[i] for i in fold.train} & {found.groups[i] for i in fold.test}
        assert {found.labels[i] for i in fold.train} == set(found.classes)
        assert fold.test


sets = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=8, max_size=60, unique_by=None)


@settings(deadline=None)
@given(sets, st.integers(2, 6), st.integers(0, 3), st.booleans())
def test_no_group_is_ever_divided(pairs, count, seed, shared) -> None:
    """Groups within classes, as UCF101's, and groups that give clips to several classes, as movies do."""
    ids, sources = {}, {}
    for n, (label, group) in enumerate(pairs):
        ids[f"c{label}/{n:03}.mp4"] = f"c{label}"
        sources[f"c{label}/{n:03}.mp4"] = f"g{group}" if shared else f"c{label}/g{group}"
    videos = make(ids, sources)
    try:
        found = split(videos, f"kfold:{count}", seed)
    except DataError as error:
        assert any(w in error.message for w in ("one class only", "too few", "one source group", "No "))
        return
    check(found, videos)
    assert split(videos, f"kfold:{count}", seed) == found


def test_whatever_could_be_even_is_even() -> None:
    """Equal groups of one class each: every fold has the same number of each class."""
    labels = {f"{c}{g}": c for c in "abc" for g in range(10)}
    place = assigned(labels, {i: i for i in labels}, 5, key=3)
    assert Counter((place[i], labels[i]) for i in labels) == {(k, c): 2 for k in range(5) for c in "abc"}


def test_seeds_give_other_folds_and_the_order_of_clips_does_not_matter() -> None:
    videos = of_names(*(f"{c}/{i}.mp4" for c in "abcd" for i in range(10)))
    one, two = split(videos, "kfold:5", 0), split(videos, "kfold:5", 1)
    assert one.folds != two.folds
    backwards = split(VideoSet("s", "", "", "", videos.clips[::-1]), "kfold:5", 0)
    assert [set(f.test) for f in backwards.folds] == [set(f.test) for f in one.folds]


def test_sizes_of_folds_are_said_once() -> None:
    videos = of_names(*(f"{c}/{i}.mp4" for c in "ab" for i in range(5)), "b/5.mp4")
    assert split(videos, "kfold:11").said.startswith("11 folds of 1 clip by source group: ")
    assert split(videos, "kfold:2").said.startswith("2 folds of 5 to 6 clips by source group: ")


@pytest.mark.parametrize("asked", ["kfold:1", "kfold:101", "kfold:x", "kfold:", "kfold:-2", "kfold:²"])
def test_numbers_of_folds_that_cannot_be(asked: str) -> None:
    with pytest.raises(UsageError, match="is no number of folds"):
        split(of_names("a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4"), asked)


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(DataError, match=r"without a class \(first: x.mp4\)"):
        split(make({"x.mp4": None, "a/y.mp4": "a"}), "kfold:2")
    with pytest.raises(DataError, match="one class only"):
        split(of_names("a/1.mp4", "a/2.mp4"), "kfold:2")
    with pytest.raises(DataError, match="2 source groups, too few for 3 folds"):
        split(of_names("a/v_a_g01_c01.avi", "a/v_a_g01_c02.avi", "b/v_b_g01_c01.avi"), "kfold:3")
    with pytest.raises(DataError, match="The class b of s has one source group only"):
        split(of_names("a/v_a_g01_c01.avi", "a/v_a_g02_c02.avi", "b/v_b_g01_c01.avi"), "kfold:2")


# -- lists -----------------------------------------------------------------------------------------

UCF = [f"{c}/v_{c}_g0{g}_c0{n}.avi" for c in ("YoYo", "Biking") for g in (1, 2, 3) for n in (1, 2)]


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    """A set with lists as UCF101's archives unpack; a clip is in no list, one of a list is missing."""
    for name in UCF:
        (tmp_path / "UCF-101" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "UCF-101" / name).write_bytes(b"x")
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 YoYo\n2 Biking\n")
    train = [n for n in UCF if "_g01" not in n]
    number = {"YoYo": 1, "Biking": 2}
    gone = ["Biking/v_Biking_g04_c01.avi"]
    (lists / "trainlist01.txt").write_text(
        "".join(f"{n} {number[n.split('/')[0]]}\n" for n in train[1:] + gone)
    )
    (lists / "testlist01.txt").write_text("".join(f"{n}\n" for n in UCF if "_g01" in n))
    return tmp_path


@pytest.mark.parametrize("asked", ["trainlist01", "testlist01", "FILE", "OTHER"])
@pytest.mark.parametrize("below", [True, False])
def test_official_lists(ucf: Path, asked: str, below: bool) -> None:
    videos = open_set(ucf / "UCF-101" if below else ucf)
    name = {"FILE": "trainlist01.txt", "OTHER": "testlist01.txt"}.get(asked)
    found = split(videos, str(ucf / "ucfTrainTestlist" / name) if name else asked)
    (fold,) = found.folds
    assert {i.rpartition("UCF-101/")[2] for i in fold.test} == {n for n in UCF if "_g01" in n}
    assert {i.rpartition("UCF-101/")[2] for i in fold.train} == {n for n in UCF if "_g01" not in n} - {UCF[2]}
    assert set(fold.train) <= set(videos.ids)
    assert found.classes == ("Biking", "YoYo")
    assert any("1 clip of" in n and "is in neither list" in n for n in found.notes)
    assert any("1 clip of the lists" in n and "is not in" in n for n in found.notes)
    assert not any("divided" in n for n in found.notes)


def test_clips_that_lists_leave_out_are_told_in_their_number(ucf: Path) -> None:
    lists = ucf / "ucfTrainTestlist"
    rest = (lists / "trainlist01.txt").read_text().splitlines()
    (lists / "trainlist01.txt").write_text("\n".join([rest[0], "Biking/gone.avi 1", *rest[-3:]]) + "\n")
    notes = split(open_set(ucf / "UCF-101"), "trainlist01").notes
    assert any(
        re.match(r"[2-9] clips of UCF-101 are in neither list of trainlist01, left out", n) for n in notes
    )
    assert any(n.startswith("2 clips of the lists of trainlist01 are not in UCF-101") for n in notes)


def test_hmdb51s_lists(tmp_path: Path) -> None:
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    for label in ("run", "wave"):
        (tmp_path / label).mkdir()
        lines = []
        for movie, use in (("m1", 1), ("m2", 2), ("m3", 0)):
            name = f"{movie}_{label}_f_cm_np1_ba_med_0.avi"
            (tmp_path / label / name).write_bytes(b"x")
            lines.append(f"{name} {use}\n")
        (lists / f"{label}_test_split1.txt").write_text("".join(lines))
    videos = open_set(tmp_path)
    (fold,) = split(videos, "train1").folds
    assert split(videos, "test1").folds == (fold,)
    assert {i.split("/")[1][:2] for i in fold.train} == {"m1"}
    assert {i.split("/")[1][:2] for i in fold.test} == {"m2"}


def test_a_json_file(tmp_path: Path) -> None:
    videos = of_names("a/v_a_g01_c01.avi", "a/v_a_g01_c02.avi", "b/v_b_g01_c01.avi", "b/v_b_g02_c01.avi")
    path = tmp_path / "split.json"

    def write(train, test) -> str:
        path.write_text(json.dumps({"train": train, "test": test}))
        return str(path)

    found = split(videos, write(["a/v_a_g01_c01.avi", "b/v_b_g01_c01.avi"], ["a/v_a_g01_c02.avi"]))
    assert found.folds[0].test == ("a/v_a_g01_c02.avi",)
    assert found.divided.startswith("1 source group divided between training and testing")
    assert found.divided in found.notes
    whole = split(videos, write(["a/v_a_g01_c01.avi", "b/v_b_g01_c01.avi"], ["b/v_b_g02_c01.avi"]))
    assert not whole.divided and not any("divided" in n for n in whole.notes)
    with pytest.raises(DataError, match="1 clip to train on and to test on"):
        split(videos, write(["a/v_a_g01_c01.avi"], ["a/v_a_g01_c01.avi"]))
    with pytest.raises(DataError, match="the class b is tested on and never trained on"):
        split(videos, write(["a/v_a_g01_c01.avi"], ["b/v_b_g01_c01.avi"]))
    with pytest.raises(DataError, match=r"names 1 clip that s has not: no\.avi"):
        split(videos, write(["no.avi"], ["b/v_b_g01_c01.avi"]))
    with pytest.raises(DataError, match="no clip to test on"):
        split(videos, write(["a/v_a_g01_c01.avi"], []))
    for text in ('{"train": 3}', "[]", "{", '{"train": [1], "test": []}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"is no split|cannot be read"):
            split(videos, str(path))


def test_what_names_no_pair_of_lists(ucf: Path) -> None:
    videos = open_set(ucf / "UCF-101")
    with pytest.raises(UsageError, match="--split trainlist02 is neither a file nor a list") as error:
        split(videos, "trainlist02")
    assert "testlist01, trainlist01" in error.value.hint
    (ucf / "ucfTrainTestlist" / "testlist01.txt").unlink()
    with pytest.raises(UsageError, match="is one list, and the other of train and test is not there"):
        split(videos, "trainlist01")
    with pytest.raises(UsageError, match="no folder that has lists"):
        split(of_names("a/1.mp4", "b/1.mp4"), "train1")
