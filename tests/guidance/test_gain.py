"""What was found is measured again: halves divide no source, a known gain comes out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from synvid_eval.cache import Cache
from synvid_eval.comparison import settings_of
from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import presets
from synvid_eval.guidance import bench, found, gain
from synvid_eval.guidance.bench import Bench, chosen
from synvid_eval.measurement import Options
from synvid_eval.sets import open_set
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.groups import source_groups
from synvid_eval.video.videoset import VideoSet

SMALL = "moving_circles?size=48&length=17"


def of_names(*names: str) -> VideoSet:
    clips = tuple(ClipRef(i, "file", f"/nowhere/{i}", label=i.split("/")[0]) for i in sorted(names))
    return VideoSet("s", "/nowhere", "classes", "", clips)


def options(tmp_path: Path) -> Options:
    return Options(workers=1, cache=Cache(tmp_path / "cache"))


def test_halves_divide_no_group_and_keep_classes_even() -> None:
    names = [f"{c}/v_{c}_g{g:02}_c{i:02}.avi" for c in "abc" for g in range(10) for i in range(1 + g % 3)]
    videos = of_names(*names)
    seen, unseen = gain.halves(videos)
    assert Counter([*seen.ids, *unseen.ids]) == Counter(videos.ids)
    assert not {source_groups(videos)[i] for i in seen.ids} & {source_groups(videos)[i] for i in unseen.ids}
    for label in "abc":
        sizes = [sum(i.startswith(label) for i in half.ids) for half in (seen, unseen)]
        assert abs(sizes[0] - sizes[1]) <= 3
    assert (seen.name, unseen.name) == ("s-seen", "s-unseen")
    # which half a group is in depends on the names alone
    assert gain.halves(of_names(*reversed(names)))[0].ids == seen.ids
    with pytest.raises(DataError, match="s has 1 source group, too few for two halves"):
        gain.halves(of_names("a/v_a_g01_c01.avi", "a/v_a_g01_c02.avi"))
    # one clip is nothing to compare with: told now, not after the search
    three = [f"a/v_a_g0{g}_c01.avi" for g in (1, 2, 3)]
    with pytest.raises(DataError, match="s has 3 clips in 3 source groups: a half of them is one clip"):
        gain.halves(of_names(*three))
    assert len(gain.halves(of_names(*three, "a/v_a_g04_c01.avi"))[1]) == 2


def test_the_halves_of_real_clips(test_data: Path) -> None:
    seen, unseen = gain.halves(open_set(test_data / "ucf101"))
    assert abs(len(seen) - len(unseen)) <= 6


@pytest.mark.slow
def test_a_gain_that_is_known(tmp_path: Path) -> None:
    """The reference is the preset at another speed: that speed closes the gap in motion, on other clips."""
    reference = open_set(f"preset:{SMALL}&speed=16&seed=7&n=160", name="ref")
    seen, unseen = gain.halves(reference)
    with Bench(*chosen(SMALL), seen, ["motion"], 20, options(tmp_path)) as one:
        start, there = one.seen(one.measure({})), one.seen(one.measure({"speed": "16"}))
        assert there["motion"].objective < 0.3 * start["motion"].objective
        found_ = gain.measured_again(one, {"speed": "16"}, unseen, ["motion"], options(tmp_path))
    rows = {row["metric"]: row for row in found_.rows}
    assert found_.clips == 100 and found_.seed == 1
    assert list(rows) == ["motion", "color", "spectrum", "tubelet", "effective_rank"]
    assert rows["motion"]["minimized"] and not rows["color"]["minimized"]
    ratio = rows["motion"]["ratio"]
    assert ratio["value"] == rows["motion"]["found"]["objective"] / rows["motion"]["start"]["objective"]
    # the ratio of distances is corrected
    assert rows["tubelet"]["ratio"]["value"] != (
        rows["tubelet"]["found"]["objective"] / rows["tubelet"]["start"]["objective"]
    )
    assert ratio["interval"][0] < ratio["value"] < ratio["interval"][1] < 0.5
    # colors were not touched: no change, surely
    low, high = rows["color"]["difference"]["interval"]
    assert low <= 0 <= high
    assert [c.name for c in found_.comparison.candidates] == ["moving_circles", "found"]
    scores = {(s.candidate, s.metric): s for s in found_.comparison.scores}
    assert scores["found", "color"].value == rows["color"]["found"]["objective"]
    assert rows["effective_rank"]["ratio"] is None  # more is better: it has no gap


@pytest.mark.parametrize("name", ["moving_circles", "acc_transforming_stylegan"])
def test_a_found_preset_is_read_as_what_was_tried(tmp_path: Path, name: str) -> None:
    preset = presets.get(name)
    knobs = {"speed": "1.5:2", "adapt": "perspective(p=0.5,distortion=0.7,zoom=1.4)"}
    path = tmp_path / "best.toml"
    path.write_text(found.preset_text(knobs, 'so "it" is\nhere', "search x", name))
    again = presets.find(str(path))
    assert again.configured() == preset.configured(**knobs)
    assert again.extends == name and again.note == 'so "it" is\nhere'
    assert {v.knob: v.source for v in again.resolved()}["speed"] == "search x"


def test_a_found_preset_extends_the_file_that_was_searched_from(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    own = tmp_path / "sets" / "own.toml"
    own.write_text('[fast]\nextends = "moving_circles"\nknobs.speed = "9"\n[slow]\nextends = "fast"\n')
    place = f"{own}#fast"
    preset = presets.find(place)
    for out, said in (
        (tmp_path / "sets" / "best.toml", "own.toml#fast"),
        (tmp_path / "best.toml", "sets/own.toml#fast"),
    ):
        assert found.parent(place, preset, out) == said
        out.write_text(found.preset_text({"objects": "30"}, "n", "s", said))
        made = presets.find(str(out))
        assert dict(made.own) == {"objects": "30"} and made.extends == "fast"
        assert made.configured() == preset.configured(objects="30")
    # beside it the other may be moved alone
    assert found.parent(place, preset, tmp_path / "other" / "best.toml") == place
    # what ships needs no file, even where it was read from one
    copy = tmp_path / "moving_circles.toml"
    copy.write_text('extends = "moving_circles"\n')
    assert found.parent(str(copy), presets.find(str(copy)), tmp_path / "best.toml") == "moving_circles"


def test_settings_are_of_what_is_minimized_or_of_what_is_told_again() -> None:
    given = ["spectrum.window=none", "color.space=lab", "lab.step=2", "sampler.frames=4", "motion.noise=3"]
    assert settings_of(["color"], given) == given[1:4]
    assert settings_of(["motion", "spectrum"], given) == [given[0], *given[3:]]
    # the feature that both have is the same
    assert settings_of(["kid"], ["fid.precision=float32"]) == ["inception.precision=float32"]
    with pytest.raises(UsageError, match="--set nothing cannot be read"):
        settings_of(["color"], ["nothing"])


def test_only_what_a_search_wrote_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "best.toml"
    found.check_out(out)
    said = "moving_circles with speed=3: found by guide search, trial 1 of 2"
    out.write_text(found.preset_text({"speed": "3"}, said, "s", "moving_circles"))
    found.check_out(out)
    for text in ('extends = "moving_circles"\nknobs.speed = "3"\n', "no TOML", "note = 3\n", ""):
        out.write_text(text)
        with pytest.raises(UsageError, match=r"best\.toml is there, and no search wrote it"):
            found.check_out(out)


def test_paths_in_a_found_preset_hold_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "own.toml").write_text('extends = "acc_transforming_images"\nknobs.images = "photos"\n')
    monkeypatch.chdir(tmp_path)
    own = presets.find("own.toml")
    whole = f"{tmp_path}/photos"
    assert found.anywhere(own, {"speed": "3"}) == {"speed": "3", "images": whole}
    given = {"images": "photos", "textures": "photos(images=photos)+stylegan"}
    moved = found.anywhere(presets.get("acc_transforming_images"), given)
    assert moved["images"] == whole and f"images={whole})+stylegan(" in moved["textures"]
    # no path of the working folder: a name, a whole path, a SET of a scheme
    for knob, text in (("images", "skimage"), ("images", whole), ("images", "gone")):
        assert found.anywhere(presets.get("acc_transforming_images"), {knob: text}) == {knob: text}
    mixed = presets.get("shapes_mix_ucf25")
    assert found.anywhere(mixed, {"videos": "preset:moving_circles?n=2"})["videos"].startswith("preset:")
    assert found.anywhere(mixed, {"videos": "photos"})["videos"] == whole


def test_a_palette_is_taken_from_a_set(tmp_path: Path) -> None:
    """Two colors, one on a quarter of the pixels: so are those of the palette."""
    frames = np.zeros((12, 16, 40, 40, 3), np.uint8)
    frames[..., :, :] = (10, 20, 30)
    frames[..., :20, :20, :] = (200, 100, 50)
    np.save(tmp_path / "set.npy", frames)
    text = bench.palette_of(bench.opened(str(tmp_path / "set.npy"), options(tmp_path)), options(tmp_path))
    share = text.count("C86432") / bench.COLORS
    assert text.count("0A141E") + text.count("C86432") == bench.COLORS
    assert abs(share - 0.25) < 0.1


def test_a_palette_takes_nothing_of_what_is_not_seen(tmp_path: Path) -> None:
    """However the set is named."""
    np.save(tmp_path / "set.npy", np.zeros((12, 16, 8, 8, 3), np.uint8))
    seen, unseen = gain.halves(bench.opened(f"{tmp_path}/set.npy", options(tmp_path)))
    for name in (f"{tmp_path}/set.npy", f"{tmp_path}/../{tmp_path.name}/set.npy", f"x={tmp_path}/set.npy"):
        left = gain.apart(bench.opened(name, options(tmp_path)), unseen)
        assert left.ids == seen.ids
    with pytest.raises(DataError, match="holds only clips that the search must not see"):
        gain.apart(unseen, unseen)


def test_what_a_bench_is_given(tmp_path: Path) -> None:
    assert chosen(f"preset:{SMALL}")[0] == "moving_circles"
    assert chosen(SMALL)[2] == {"size": "48", "length": "17"}
    with pytest.raises(UsageError, match=r"n=3 in moving_circles\?n=3 means nothing here. Give --clips"):
        chosen("moving_circles?n=3")
    with pytest.raises(UsageError, match="Did you mean 'moving_circles'"):
        chosen("moving_circle")
    (tmp_path / "x.measured").write_bytes(b"")
    with pytest.raises(DataError, match="holds no clips"):
        bench.opened(str(tmp_path / "x.measured"), options(tmp_path))
