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
from synvid_eval.measurement import Options, Quiet, measure
from synvid_eval.sets import default_name, open_clip, open_set, preset_generator, preset_recipe

PLAIN = "size=32&length=61"
SMALL = f"{PLAIN}&pool=4"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No pictures or videos of the machine's own; pools of this test's own; nothing kept from other tests."""
    for name in ("SYNVID_EVAL_IMAGES", "SYNVID_EVAL_VIDEOS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNVID_EVAL_POOLS", os.fspath(tmp_path / "pools"))
    photos._LISTED.clear()
    photos._order.cache_clear()
    photos._broken.cache_clear()
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
        photos._LISTED.clear()
        for cached in (photos._order, photos._broken, pool._shared, sets._generator, sets._identity):
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


def test_all_broken_pictures_are_named_and_those_are_looked_at_that_are_shown(folder, monkeypatch):
    """Stills are drawn from the pool that is called like the preset, other pictures from the common one."""
    for k in range(5):
        (folder / f"cut{k}.jpg").write_bytes(b"\xff\xd8\xff" + bytes([k]))
    (note,) = open_set(f"preset:acc_transforming_images?n=1&{SMALL}", images=os.fspath(folder)).notes
    assert all(f"cut{k}.jpg: " in note for k in range(5)) and "more" not in note
    monkeypatch.setattr(photos, "CHECKED", 2)
    stills = "acc_transforming_shapes_static_images5"
    for name in ("acc_transforming_images", stills):
        own = "pool" if name != stills else name
        texture = photos.Photos(images=os.fspath(folder))
        first = {texture.files().names[i] for i in texture.order(0, own)[:2]}
        notes = " ".join(open_set(f"preset:{name}?n=1&{PLAIN}", images=os.fspath(folder)).notes)
        broken = {n for n in first if n.startswith("cut")}
        assert {w.rstrip(":") for w in notes.split() if w.startswith("cut")} == broken


def test_pictures_that_clips_share_are_their_sources(folder):
    """Clips that are one picture each are no independent draws; shapes that show many at once are."""
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    text = f"{PLAIN}&textures=photos(size=32)&images={folder}"
    opened = open_set(f"preset:dynamic_stylegan_videos?n=20&{text}")
    assert set(opened.sources.values()) == {"0.png", "1.png", "2.png"}  # what stands in for a broken one
    shown = {}
    for ref in opened.clips:
        shown.setdefault(opened.sources[ref.id], set()).add(frames(ref)[0].tobytes())
    assert all(len(pictures) == 1 for pictures in shown.values()) and len(shown) == 3
    stills = open_set(f"preset:acc_transforming_shapes_static_images5?n=80&{PLAIN}&images={folder}")
    assert len(set(stills.sources.values())) == 79  # 4 stills of 3 pictures
    assert [i for i, s in stills.sources.items() if s != i] == sorted(
        f"acc_transforming_shapes_static_images5/{i}" for i in (19, 39, 59, 79)
    )
    few = open_set(f"preset:acc_transforming_shapes_static_images5?n=40&{PLAIN}&images={folder}")
    assert few.sources is None  # two stills of two pictures
    assert open_set(f"preset:acc_transforming_images?n=20&{SMALL}", images=os.fspath(folder)).sources is None


def test_hashing_pictures_is_told(folder):
    heard = []
    location = f"preset:acc_transforming_images?n=1&{SMALL}"
    open_set(
        location, images=os.fspath(folder), tell=lambda path, total: heard.append((Path(path).name, total))
    )
    assert sorted(heard) == [("0.png", 3), ("1.png", 3), ("2.png", 3)]

    class Heard(Quiet):
        def begin(self, name: str, clips: int) -> None:
            heard.append((name, clips))

    photos._LISTED.clear()
    (folder / "0.png").write_bytes((folder / "1.png").read_bytes())
    open_all([location], images=os.fspath(folder), progress=Heard())
    assert heard[3:] == [("acc_transforming_images (hashing files)", 3)]  # young files are read again


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
        [f"preset:acc_transforming_images?n=1&{SMALL}", f"preset:moving_shapes?n=1&{PLAIN}"], images="skimage"
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
    opened = open_set(f"preset:{name}?n=16&{PLAIN}", videos=videos)
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
    more = open_set(f"preset:{name}?n=32&{PLAIN}", videos=videos)
    assert set(opened.ids) < set(more.ids)


def test_real_clips_of_a_folder_are_measured(tmp_path):
    for k in range(3):
        np.savez(
            tmp_path / f"{k}.npz", frames=np.random.default_rng(k).integers(0, 255, (20, 32, 32, 3), np.uint8)
        )
    opened = open_set(f"preset:shapes_mix_ucf25?n=8&{PLAIN}", videos=os.fspath(tmp_path))
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


@pytest.mark.parametrize("videos", ["gone", "empty"])
def test_real_videos_that_are_missing_are_told_even_where_no_clip_is_one(tmp_path, videos):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="does not exist" if videos == "gone" else "0 videos"):
        open_set("preset:shapes_mix_ucf25?n=2", videos=os.fspath(tmp_path / videos))


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
    stylegan, leaves = pool.recipes(generator.textures)
    assert (stylegan.size, stylegan.network, leaves.radius) == (64, "highfreq", "0.1:1")
    assert open_clip(opened.clips[0]).total == 61


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_opens(name):
    needs = {"images": "skimage", "videos": "preset:photo_camera?n=9"}
    given = {k: needs[k] for k in presets.get(name).needs}
    opened = open_set(f"preset:{name}?n=4", **given)
    assert len(opened) == 4 and opened.name == name
