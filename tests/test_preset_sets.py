"""Presets as sets: pictures and real videos that they need, files of one's own, what decides a cache key."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synvid_eval.comparison import open_all
from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import photos, pool, presets
from synvid_eval.generators.camera import PHOTOGRAPHS
from synvid_eval.measurement import Options, measure
from synvid_eval.sets import default_name, open_clip, open_set, preset_generator, preset_recipe

SMALL = "size=32&length=61&pool=4"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No pictures or videos of the machine's own; pools of this test's own; nothing kept from other tests."""
    for name in ("SYNVID_EVAL_IMAGES", "SYNVID_EVAL_VIDEOS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNVID_EVAL_POOLS", os.fspath(tmp_path / "pools"))
    photos._listed.cache_clear()
    photos._order.cache_clear()
    pool._shared.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    root.mkdir()
    for k in range(3):
        Image.new("RGB", (20, 20), (40 * k, 90, 10)).save(root / f"{k}.png")
    return root


def frames(ref, wanted=(0, 60)) -> list[np.ndarray]:
    return [frame for _, frame in open_clip(ref).frames(list(wanted))]


def test_without_pictures_it_says_what_to_give():
    with pytest.raises(DataError) as caught:
        open_set("preset:acc_transforming_images?n=2")
    assert caught.value.code == 3 and "--images DIR" in caught.value.hint and "skimage" in caught.value.hint


@pytest.mark.parametrize("how", ["query", "option", "environment"])
def test_pictures_reach_a_preset(how, folder, monkeypatch):
    location, given = f"preset:acc_transforming_images?n=3&{SMALL}", {}
    if how == "query":
        location += f"&images={folder}"
    elif how == "option":
        given = {"images": os.fspath(folder)}
    else:
        monkeypatch.setenv("SYNVID_EVAL_IMAGES", os.fspath(folder))
    opened = open_set(location, **given)
    assert opened.ids == [f"acc_transforming_images/{i}" for i in range(3)] and opened.notes == ()
    colors = {tuple(c) for ref in opened.clips for f in frames(ref) for c in f.reshape(-1, 3)}
    assert colors == {(0, 0, 0), (0, 90, 10), (40, 90, 10), (80, 90, 10)}


def test_content_of_the_folder_is_in_the_key_and_its_place_is_not(folder, tmp_path):
    from synvid_eval import sets

    def key(place: Path) -> str:
        for cached in (photos._listed, photos._order, pool._shared, sets._generator, sets._identity):
            cached.cache_clear()
        return preset_recipe(
            open_set(f"preset:acc_transforming_images?n=1&{SMALL}", images=os.fspath(place)).clips[0]
        )

    before = key(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    assert key(moved) == before and os.fspath(tmp_path) not in before
    Image.new("RGB", (20, 20), (1, 2, 3)).save(moved / "9.png")
    assert key(moved) != before


def test_broken_pictures_are_noted(folder):
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    opened = open_set(f"preset:acc_transforming_images?n=1&{SMALL}", images=os.fspath(folder))
    (note,) = opened.notes
    assert note.startswith(f"1 of 4 pictures of {folder} cannot be read: cut.jpg: ")


@pytest.mark.parametrize(
    ("location", "given", "message"),
    [
        ("preset:moving_shapes?n=2", {"images": "skimage"}, "--images skimage means nothing for preset:"),
        ("preset:moving_shapes?n=2", {"videos": "v/"}, "--videos v/ means nothing for preset:moving_shapes"),
        ("preset:moving_shapes?n=2&images=skimage", {}, "images=skimage means nothing for preset:"),
        ("preset:shapes_mix_ucf25?n=4", {"images": "skimage"}, "--images skimage means nothing for"),
        ("preset:moving_shapes?videos=v", {}, "moving_shapes has no knob 'videos'."),
        (
            "preset:shapes_mix_ucf25?n=4",
            {"videos": "preset:shapes_mix_ucf75?n=9"},
            "has a real part itself.",
        ),
        (".", {"images": "skimage"}, "--images skimage means nothing for ."),
    ],
)
def test_options_that_mean_nothing_are_refused(location, given, message):
    with pytest.raises(UsageError) as caught:
        open_set(location, **given)
    assert message in str(caught.value)


def test_one_option_for_several_sets():
    opened = open_all(
        [f"preset:acc_transforming_images?n=1&{SMALL}", f"preset:moving_shapes?n=1&{SMALL}"], images="skimage"
    )
    assert [len(o) for o in opened] == [1, 1]
    with pytest.raises(UsageError, match="--videos v means nothing for any of the sets"):
        open_all(["preset:moving_shapes?n=1", "preset:moving_circles?n=1"], videos="v")


def test_a_misspelt_preset_is_told_before_pictures_that_are_missing():
    with pytest.raises(UsageError, match="Did you mean 'moving_shapes'"):
        open_all(["preset:acc_transforming_images?n=1", "preset:moving_shape?n=1"])


@pytest.mark.parametrize(("name", "share"), [("shapes_mix_ucf25", 0.25), ("shapes_mix_ucf75", 0.75)])
def test_real_clips_are_taken_by_hash_each_once(name, share):
    videos = "preset:photo_camera?n=40&height=32&width=48&length=61"
    opened = open_set(f"preset:{name}?n=16&{SMALL}", videos=videos)
    real = [c for c in opened.clips if c.id.startswith("real/")]
    assert len(real) == 16 * share and len(opened) == 16 and len(set(opened.ids)) == 16
    taken = {c.id.removeprefix("real/") for c in real}
    assert taken == {c.id for c in open_set(videos).draw(len(real)).clips}
    drawn = [c for c in opened.clips if c not in real]
    assert {c.index for c in drawn} == {i for i in range(16) if not int((i + 1) * share) > int(i * share)}
    assert frames(real[0])[0].shape == (32, 48, 3) and frames(drawn[0])[0].shape == (32, 32, 3)
    assert opened.sources and set(opened.sources) == set(opened.ids)
    assert {opened.sources[c.id] for c in drawn} == {c.id for c in drawn}
    assert opened.sources[real[0].id] in PHOTOGRAPHS
    more = open_set(f"preset:{name}?n=32&{SMALL}", videos=videos)
    assert set(opened.ids) < set(more.ids)


def test_real_clips_of_a_folder_are_measured(tmp_path):
    for k in range(3):
        np.savez(
            tmp_path / f"{k}.npz", frames=np.random.default_rng(k).integers(0, 255, (20, 32, 32, 3), np.uint8)
        )
    opened = open_set(f"preset:shapes_mix_ucf25?n=8&{SMALL}", videos=os.fspath(tmp_path))
    assert sum(c.kind == "array" for c in opened.clips) == 2
    measured = measure(opened, features=["lab"], options=Options(workers=1))
    assert measured.facts.clips == 8 and not measured.facts.skipped


def test_without_real_videos_it_says_what_to_give(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"no videos are given\. Give --videos SET"):
        open_set("preset:shapes_mix_ucf25?n=4")
    monkeypatch.setenv("SYNVID_EVAL_VIDEOS", "preset:photo_camera?n=1")
    assert len(open_set("preset:shapes_mix_ucf25?n=4")) == 4
    with pytest.raises(DataError, match=r"wants 2 real clips; .* has 1\. Give more, or n=4 at most\."):
        open_set("preset:shapes_mix_ucf25?n=8")
    with pytest.raises(DataError, match="measured already"):
        open_set("preset:shapes_mix_ucf25?n=8", videos="a.measured")
    with pytest.raises(DataError, match="does not exist"):
        open_set("preset:shapes_mix_ucf25?n=8", videos=os.fspath(tmp_path / "gone"))


def test_a_preset_file_is_a_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('extends = "moving_shapes"\nclips = 3\nknobs.size = 32\nknobs.speed = 9\n')
    opened = open_set("preset:mine.toml?speed=0")
    assert opened.ids == ["mine/0", "mine/1", "mine/2"] and opened.name == "mine"
    before = frames(opened.clips[0])
    assert np.array_equal(*before)
    Path("mine.toml").unlink()  # a set that is open stands for itself
    assert preset_generator(opened.clips[0]).size == 32
    assert np.array_equal(frames(opened.clips[0])[0], before[0])
    with pytest.raises(DataError, match=r"The preset file mine\.toml does not exist"):
        open_set("preset:mine.toml")


def test_names_of_preset_files():
    assert default_name("preset:a/b/mine.toml?n=3") == "mine"
    assert default_name("preset:mine.toml#other?n=3") == "other"
    assert default_name("preset:sat_images_1.3m") == "sat_images_1.3m"


def test_values_with_signs_of_their_own_reach_the_workers():
    text = "textures=stylegan(size=64,network=highfreq)%2Bdead_leaves(radius=0.1:1)"
    opened = open_set(f"preset:acc_transforming_stylegan?n=1&{SMALL}&{text}")
    generator = preset_generator(opened.clips[0])
    assert generator.textures == "stylegan(size=64,network=highfreq)+dead_leaves(radius=0.1:1)"
    assert open_clip(opened.clips[0]).total == 61


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_opens(name):
    needs = {"images": "skimage", "videos": "preset:photo_camera?n=9"}
    given = {k: needs[k] for k in presets.get(name).needs}
    opened = open_set(f"preset:{name}?n=4", **given)
    assert len(opened) == 4 and opened.name == name
