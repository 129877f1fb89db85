"""Fractals: bytes in any order, what they look like, borders, redrawing, classes, and clear errors."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import plain_fractal
from synvid_eval import generation, knobs
from synvid_eval.errors import UsageError
from synvid_eval.generators import attractor, fractal, ifs, presets
from synvid_eval.generators.clips import Clips
from synvid_eval.generators.fractal import Fractal
from tests.generators.test_curves import drawing
from tests.test_generation import make, rows, same_trees

NAME = "a preset"
QUICK = {"size": "64", "iterations": "500"}
SMALL = Fractal(size=64, iterations=500)


def clip(generator, index=0, name=NAME):
    frames = range(generator.clip_length(0, name, index))
    return np.stack(list(generator.draw(0, name, index, frames)))


def forget():
    fractal._clips.clear()
    for kept in (fractal.scene, fractal.still, fractal.class_parameters, fractal._game):
        kept.cache_clear()


@pytest.fixture
def fresh():
    """For tests that change how clips are found."""
    forget()
    yield
    forget()


@pytest.mark.parametrize(
    "generator",
    [SMALL, Fractal(size=64, iterations=500, animation="none"), Fractal(size=64, iterations=500, classes=3)],
    ids=["clips", "none", "classes"],
)
def test_frames_come_in_any_order_and_alone(generator):
    whole = clip(generator, 5)
    forget()
    (alone,) = generator.draw(0, NAME, 5, [7])
    assert np.array_equal(alone, whole[7])
    forget()
    clip(generator, 4)
    clip(generator, 6)
    order = [11, 0, 7, 7, 17]
    for frame, drawn in zip(order, generator.draw(0, NAME, 5, order), strict=True):
        assert np.array_equal(drawn, whole[frame])
    kept = next(generator.draw(0, NAME, 5, [0]))
    kept[:] = 7  # a fresh array: what is kept stays
    assert np.array_equal(next(generator.draw(0, NAME, 5, [0])), whole[0])


def test_the_same_bytes_in_another_process_and_on_threads():
    def digest(index):
        return hashlib.sha256(clip(SMALL, index).tobytes()).hexdigest()

    script = (
        "from tests.generators.test_fractal import *; "
        "print(hashlib.sha256(clip(SMALL, 3).tobytes()).hexdigest())"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    forget()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(digest, [3, 1, 3, 2, 3]))
    assert {found[0], found[2], found[4]} == {ran.stdout.strip()} and len(set(found)) == 3


def test_a_clip_is_gray_rgb_of_the_stated_size():
    frames = clip(Fractal(size=50, iterations=300))
    assert frames.shape[1:] == (50, 50, 3) and frames.dtype == np.uint8
    assert (frames == frames[..., :1]).all() and frames.max() == 255
    lengths = [Fractal().clip_length(0, NAME, index) for index in range(600)]
    assert stats.chisquare([lengths.count(n) for n in (18, 19, 20)]).pvalue > 1e-4
    assert Fractal().fps == 12


def test_gray_is_the_log_of_the_count_over_the_clips_largest():
    counts = [np.array([[0, 1]], np.uint32), np.array([[9, 99]], np.uint32)]
    expected = np.floor(255 * np.log([[[1, 2]], [[10, 100]]]) / np.log(100))
    assert np.abs(fractal.grays(counts) - expected).max() <= 1
    assert fractal.grays(counts)[1, 0, 1] == 255 and fractal.grays(counts)[0, 0, 0] == 0
    assert fractal.grays([np.zeros((2, 2), np.uint32)]).max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("variation", ["0", "17", "27"])
def test_a_clip_is_that_of_the_plain_way(variation):
    """The same maps and border, played as the released code does, from other random numbers."""
    generator = Fractal(variation=variation, length="9")
    found = fractal.scene(generator, 0, NAME, 1)
    canvas = plain_fractal.played(
        found.maps, found.border.astype(np.float32), found.variation, 256, 7500, 200, 3
    )
    plain, ours = plain_fractal.grays(canvas), clip(generator, 1)[..., 0]
    assert np.corrcoef(plain.ravel(), ours.ravel())[0, 1] > 0.99
    assert abs(plain.astype(float).mean() - ours.mean()) < 1


def test_fewer_points_give_nearly_the_same_picture():
    """240,000 points against 934,400: correlation 0.99 (the issue's)."""
    full, fewer = (clip(Fractal(variation="0", iterations=steps), 0) for steps in (7500, 2075))
    assert np.corrcoef(full[..., 0].ravel(), fewer[..., 0].ravel())[0, 1] >= 0.99


def test_decomposed_animation_stays_denser():
    """The paper's Figure 3: lit share of the middle frame, over the mean of both ends."""
    kept = {}
    for animation in ("decomposed", "naive"):
        generator = Fractal(iterations=1000, variation="0", curves="linear", animation=animation, length="19")
        shares = []
        for index in range(12):
            first, middle, last = ((f > 0).mean() for f in generator.draw(0, NAME, index, [0, 9, 18]))
            shares.append(2 * middle / (first + last))
        kept[animation] = np.median(shares)
    assert kept["decomposed"] > 2 * kept["naive"]


def test_the_border_shows_the_first_and_the_last_frame():
    """Nearly all points of both are seen, and it is not much wider than they are."""
    for index in range(20):
        found = fractal.scene(Fractal(variation="0"), 0, NAME, index)
        drawn, begin = attractor.choices(1, 1000 * 128), attractor.starts(2, 128)
        seen = [
            attractor.played(found.maps[t], drawn, begin, found.border, 0, 200, 128).sum() / (800 * 128)
            for t in (0, -1)
        ]
        assert min(seen) > 0.7
        lit = [attractor.played(found.maps[t], drawn, begin, found.border, 0, 200, 128) > 0 for t in (0, -1)]
        for axis in (0, 1):
            along = np.nonzero((lit[0] | lit[1]).any(axis=axis))[0]
            assert np.ptp(along) >= 0.7 * 127


def test_size_and_points_leave_the_attractor_as_it_is():
    scenes = [
        fractal.scene(generator, 0, NAME, 2)
        for generator in (Fractal(), SMALL, Fractal(walkers=7), Fractal(color=True))
    ]
    for other in scenes[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(scenes[0], other, strict=True))


def test_what_a_knob_does_not_touch_stays():
    linear, published = (
        ifs.drawn(19, 5, 0, which, Fractal().draws(0, NAME, 1, 0)) for which in (False, True)
    )
    for name in ("angles", "values", "signs", "bias"):
        assert np.array_equal(getattr(linear, name), getattr(published, name)), name
    assert not np.array_equal(linear.courses, published.courses)
    drawn, kept = (fractal.scene(Fractal(variation=v), 0, NAME, 1) for v in ("drawn", "27"))
    assert np.array_equal(drawn.maps, kept.maps)


def test_frames_of_their_own():
    generator = Fractal(animation="none", size=64, iterations=500, length="16")
    scenes = [fractal.still(generator, 0, NAME, 3, t) for t in range(16)]
    assert len({s.variation for s in scenes}) == 1 and {s.maps.shape for s in scenes} == {
        scenes[0].maps.shape
    }
    assert len({s.border.tobytes() for s in scenes}) == 16
    frames = clip(generator, 3)
    assert frames.shape[0] == 16 and (frames.max(axis=(1, 2, 3)) == 255).all()
    assert max(likeness(frames)) < 0.9
    moving = clip(Fractal(size=64, iterations=500, variation="0", curves="linear"), 3)
    assert np.median(likeness(moving)) > np.median(likeness(frames))


def likeness(frames):
    """The correlation of each frame with the next."""
    return [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.pairwise(frames)]


def test_color_is_a_ramp_of_the_gray_levels():
    gray, color = (clip(Fractal(size=64, iterations=500, color=c), 1) for c in (False, True))
    assert (color[gray[..., 0] == 0] == 0).all() and np.ptp(color.astype(int), axis=-1).max() > 50
    assert np.abs(color.max(axis=-1).astype(int) - gray[..., 0]).max() <= 1  # the value of HSV
    for level in np.unique(gray)[::40]:
        assert len(np.unique(color[gray[..., 0] == level], axis=0)) == 1


def test_masks_are_where_the_attractor_is(monkeypatch):
    """Against the counts themselves; `animation = none` and colors, too."""
    forget()
    seen = []
    counts = Fractal.counts

    def heard(self, *given):
        seen.append(counts(self, *given))
        return seen[-1]

    monkeypatch.setattr(Fractal, "counts", heard)
    for settings in ({}, {"animation": "none"}, {"color": True}):
        seen.clear()
        generator = Fractal(size=64, iterations=500, **settings)
        masks = generator.truth(0, NAME, 5, [7, 0])["masks"]
        one = seen if settings.get("animation") else [seen[7], seen[0]]
        assert masks.dtype == np.uint16 and masks.max() == 1 and 0.005 < masks.mean() < 0.9
        assert np.array_equal(masks, np.stack(one) > 0)
        frames = np.stack(list(generator.draw(0, NAME, 5, [7, 0])))
        assert np.array_equal(frames.any(-1), masks > 0)
    # whatever the largest count is, one point is seen
    least, most = np.array([[1]], np.uint32), np.array([[2**32 - 1]], np.uint32)
    assert fractal.grays([least, most])[0, 0, 0] > 0


def test_masks_follow_what_adapts():
    """A mirror mirrors them; of what the camera moves they are where the moved attractor is."""
    plain = Fractal(size=64, iterations=500)
    told = knobs.replace(plain, {"adapt": "mirror"}).truth(0, NAME, 2, [3])["masks"]
    assert np.array_equal(told, plain.truth(0, NAME, 2, [3])["masks"][..., ::-1])
    moved = knobs.replace(plain, {"adapt": "shift,scale"})
    told = moved.truth(0, NAME, 2, [0, 9])["masks"]
    frames = np.stack(list(moved.draw(0, NAME, 2, [0, 9])))
    lit, shown = frames.any(-1), told > 0
    assert 0.02 < shown.mean() < 0.2 and lit[shown].mean() > 0.98
    # frames are interpolated, masks are not: by each operation what is lit spreads by a pixel
    wide = np.pad(shown, ((0, 0), (2, 2), (2, 2)))
    near = np.any([wide[:, y : y + 64, x : x + 64] for y in range(5) for x in range(5)], axis=0)
    assert near[lit].all()
    with pytest.raises(UsageError, match="fractal knows no truth 'flow'"):
        plain.truth(0, NAME, 2, [0], ["flow"])


def test_masks_of_fractals_are_written(tmp_path):
    asked = {"preset": "fractal_diversity", "truth": ("masks",), "overrides": QUICK}
    assert make(tmp_path / "set", clips=2, kind="npz", **asked).made == 2
    for row in rows(tmp_path / "set"):
        with np.load(tmp_path / "set" / row["file"]) as found:
            assert np.array_equal(found["frames"].any(-1), found["masks"] > 0)


# Drawn again


def test_an_empty_attractor_is_drawn_again(fresh, monkeypatch):
    """The next attempt's parameters are those of its address, and how many came before is told."""
    lives, asked = fractal.lives, []

    def strict(found):
        asked.append(found.attempt)
        return found.attempt >= 2 and lives(found)

    monkeypatch.setattr(fractal, "lives", strict)
    generator = Fractal(size=64, iterations=500)
    found = fractal.scene(generator, 0, NAME, 0)
    draws = generator.draws(0, NAME, 0, found.attempt)
    length = generator.clip_length(0, NAME, 0)
    expected = ifs.drawn(length, *ifs.kind((3, 8), "drawn", draws), True, draws)
    assert asked == [0, 1, 2] and generator.redrawn(0, NAME, 0) == found.attempt == 2
    assert np.array_equal(found.maps, ifs.maps(expected))
    forget()
    monkeypatch.setattr(fractal, "lives", lambda found: False)
    assert generator.redrawn(0, NAME, 0) == fractal.ATTEMPTS - 1  # and then it is taken as it is
    assert clip(generator).shape[0] == length
    none = Fractal(size=64, iterations=500, animation="none", length="3")
    assert none.redrawn(0, NAME, 0) == 3 * (fractal.ATTEMPTS - 1)


def test_a_clip_that_shows_nothing_is_not_shown():
    """An instance that was found to throw its points away: its first attempt is black."""
    generator, index = Fractal(classes=500, variation="14"), 214
    assert generator.redrawn(0, NAME, index) == 1
    parameters = fractal.class_parameters(generator, 0, NAME, generator.class_of(0, NAME, index))
    draws = generator.draws(0, NAME, index, 0)
    first = fractal._framed(generator, parameters, 0, draws)
    assert all(generator.counts(maps, first, 0, NAME, index).max() == 0 for maps in first.maps[::9])
    assert clip(generator, index).max() == 255


def scene_of(maps):
    maps = np.asarray(maps, np.float32)
    drawn, begin = fractal._trial()
    return fractal.Scene(maps, 0, attractor.border([maps[0], maps[-1]], 0, drawn, begin, 200), 0)


def test_what_lives(fresh):
    still = drawing("lives")
    moving = ifs.maps(ifs.drawn(19, 4, 0, False, still))
    assert fractal.lives(scene_of(moving))
    assert not fractal.lives(scene_of(moving[[3] * 19]))  # it does not change
    assert fractal.lives(scene_of(moving[:1]))  # a picture need not
    points = np.zeros((19, 3, 6))
    points[:, :, 2] = np.linspace(-1, 1, 19)[:, None]
    assert not fractal.lives(scene_of(points))  # a point, though it moves
    away = points + np.array([3, 0, 0, 0, 3, 1])
    assert not fractal.lives(scene_of(away))  # nothing stays in sight
    thin = np.zeros((19, 2, 6))
    thin[:, :, 0] = 0.5
    thin[:, 1, 2] = np.linspace(0.5, 1.5, 19)
    assert fractal.lives(scene_of(thin))  # a line is more than 1 %


def test_drawing_again_is_rare():
    found = [Fractal().redrawn(0, NAME, index) for index in range(60)]
    assert max(found) <= 1 and np.mean(found) < 0.1


# Classes


CLASSES = Fractal(size=64, iterations=500, classes=5)


def test_clips_go_round_the_classes():
    labels = [CLASSES.label(0, NAME, index) for index in range(15)]
    assert sorted(labels[:5]) == [f"class_{n:04}" for n in range(5)]
    assert labels[:5] == labels[5:10] == labels[10:]
    orders = {tuple(CLASSES.label(seed, NAME, index) for index in range(5)) for seed in range(20)}
    assert len(orders) > 10
    assert SMALL.label(0, NAME, 0) is None and SMALL.catalog(0, NAME) == {}
    assert presets.get("moving_shapes").configured().label(0, NAME, 0) is None


def test_instances_are_their_class_mutated():
    catalog = CLASSES.catalog(0, NAME)
    assert list(catalog) == [f"class_{n:04}" for n in range(5)]
    assert json.loads(json.dumps(catalog)) == catalog
    lengths = set()
    for index in (0, 5, 10):
        label = CLASSES.label(0, NAME, index)
        parameters = ifs.read(catalog[label])
        found = fractal.scene(CLASSES, 0, NAME, index)
        draws = CLASSES.draws(0, NAME, index, found.attempt)
        assert np.array_equal(found.maps, ifs.mutated(ifs.maps(parameters), draws))
        assert found.variation == parameters.variation
        lengths.add(CLASSES.clip_length(0, NAME, index))
        assert len(found.maps) == CLASSES.clip_length(0, NAME, index) == len(parameters.courses)
    assert len(lengths) == 1
    assert not np.array_equal(clip(CLASSES, 0), clip(CLASSES, 5))


def test_more_classes_are_others_besides():
    """Class 3 of five is class 3 of fifty."""
    few, many = CLASSES.catalog(0, NAME), Fractal(classes=50)
    assert fractal.class_parameters(many, 0, NAME, 3).told() == few["class_0003"]


def test_labels_of_a_data_set():
    clips = Clips("fractal_supervised_250", 10, frames=8, stride=1, classes=4, **QUICK)
    labels = [clips.label(index) for index in range(10)]
    assert labels[:4] == labels[4:8] and len(set(labels)) == 4
    assert Clips("fractal_diversity", 2, frames=8, stride=1).label(0) is None
    fresh = Clips("fractal_supervised_250", 3, frames=8, stride=1, fresh=True, classes=4, **QUICK)
    assert fresh.label(0, epoch=1) == labels[3]  # clip 3 of the preset


ASKED = {
    "preset": "fractal_supervised_500",
    "overrides": {**QUICK, "classes": "3"},
    "clips": None,
    "per_class": 2,
}


def test_a_labelled_set_on_disk(tmp_path):
    out = tmp_path / "set"
    made = make(out, **ASKED)
    told = rows(out)
    assert made.made == 6 and [row["redrawn"] for row in told] == [0] * 6
    generator = Fractal(size=64, iterations=500, classes=3)
    for row in told:
        index, label = row["index"], row["label"]
        assert label == generator.label(0, "fractal_supervised_500", index)
        assert row["file"] == f"clips/{label}/{index:07}.mkv" and (out / row["file"]).is_file()
        assert row["sha256"] == hashlib.sha256(clip(generator, index, row["preset"]).tobytes()).hexdigest()
    classes = json.loads((out / "classes.json").read_text())
    assert classes["schema"] == "synvid-eval/classes/1" and classes["seed"] == 0
    assert classes["classes"] == generator.catalog(0, "fractal_supervised_500")
    assert "Labels: 3 classes" in (out / "README.md").read_text()
    from synvid_eval.sets import open_set

    for place, layout in ((out / "clips", "classes"), (out, "nested")):
        found = open_set(place)
        assert found.layout == layout
        assert {c.label for c in found.clips} == {f"class_{n:04}" for n in range(3)}
    again = open_set("preset:fractal_supervised_500?n=6&classes=3")
    assert sorted(c.label for c in again.clips) == sorted(row["label"] for row in told)


@pytest.mark.slow
def test_labelled_sets_go_on_and_come_in_shards_and_tars(tmp_path):
    whole, parts, tars = tmp_path / "whole", tmp_path / "parts", tmp_path / "tars"
    make(whole, **ASKED)
    good = (whole / "manifest.jsonl").read_bytes()
    lost = whole / rows(whole)[3]["file"]
    lost.unlink()
    (lost.parent / f".{lost.name}.1234.part").write_text("half written")
    assert make(whole, **ASKED).made == 1
    assert (whole / "manifest.jsonl").read_bytes() == good
    assert not list(whole.rglob("*.part"))
    for shard in ((0, 2), (1, 2)):
        make(parts, shard=shard, **ASKED)
    generation.merge(parts)
    own = [f"{k}-{i}-of-2.{e}" for i in range(2) for k, e in (("manifest", "jsonl"), ("generation", "json"))]
    assert same_trees(whole, parts, [*own, "generation.json"])
    make(tars, **ASKED, kind="webdataset")
    assert [r["label"] for r in rows(tars)] == [r["label"] for r in rows(whole)]
    assert make(tars, **ASKED, kind="webdataset").made == 0


def test_rows_of_version_0_1_0_are_read(tmp_path):
    """They have no label and no count of attempts."""
    out = tmp_path / "set"
    make(out, clips=2)
    good = (out / "manifest.jsonl").read_bytes()
    lines = [json.loads(line) for line in good.splitlines()]
    for line in lines:
        assert (line.pop("label"), line.pop("redrawn")) == (None, 0)
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert make(out, clips=2).made == 0
    assert (out / "manifest.jsonl").read_bytes() == good


def test_the_count_of_attempts_is_in_the_manifest(tmp_path, fresh, monkeypatch):
    from synvid_eval.sets import PresetClip
    from synvid_eval.writer import Clip

    plan = generation.plan("fractal_diversity", clips=1, overrides=QUICK)
    assert isinstance(Clip(plan.refs[0]).reader, PresetClip)
    monkeypatch.setattr(fractal, "lives", lambda found: found.attempt == 3)
    assert Clip(plan.refs[0]).redrawn() == 3


@pytest.mark.parametrize(
    ("preset", "asked", "words"),
    [
        ("moving_shapes", {"overrides": {"classes": "3"}}, "moving_shapes has no classes, so --classes"),
        ("moving_shapes", {"per_class": 3}, "moving_shapes has no classes, so --per-class 3"),
        ("fractal_diversity", {"per_class": 3}, "fractal_diversity has no classes, so --per-class 3"),
        ("fractal_supervised_250", {"per_class": 0}, "--per-class 0 is no number of clips"),
        (
            "fractal_supervised_250",
            {"per_class": 4, "clips": 7},
            "--clips 7 and --per-class 4 both say how many. Give one: --per-class 4 makes 1,000 clips of 250",
        ),
        ("fractal_supervised_250", {"overrides": {"classes": "-1"}}, "fractal.classes=-1 is out of range"),
    ],
)
def test_classes_that_cannot_be_had(preset, asked, words):
    with pytest.raises(UsageError) as caught:
        generation.plan(preset, **asked)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_commands_of_classes(run_cli, tmp_path):
    small = ["--set", "size=64", "--set", "iterations=300", "--workers", "1", "-q"]
    asked = ["fractal_supervised_500", "out", "--classes", "2", "--per-class", "2", *small]
    made = run_cli("generate", *asked)
    assert made.returncode == 0, made.stderr
    seen = run_cli("inspect", "out/clips")
    assert "classes: 4 videos in 2 classes" in seen.stdout and "class_0000 (2), class_0001 (2)" in seen.stdout
    for words in (["moving_shapes", "a", "--classes", "3"], ["moving_shapes", "a", "--per-class", "3"]):
        refused = run_cli("generate", *words)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
        assert refused.stderr.startswith("synvid-eval: moving_shapes has no classes, so --")
    twice = run_cli("generate", *asked, "--set", "classes=3")
    assert twice.returncode == 2 and "--classes and --set classes=… both say classes." in twice.stderr


def test_the_published_number_of_clips():
    plan = generation.plan("fractal_supervised_250", per_class=2)
    assert len(plan.refs) == 500 and plan.generator.classes == 250


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variation": "5"}, "fractal.variation=5 is not possible"),
        ({"animation": "decompose"}, "Did you mean 'decomposed'?"),
        ({"iterations": "200"}, "leaves no step to count after 200 dropped ones"),
        ({"animation": "none", "classes": "3"}, "fractal.animation=none has no classes"),
        ({"maps": "1:3"}, "fractal.maps=1:3 is out of range"),
        ({"maps": "3.5"}, "must hold whole numbers"),
        ({"length": "0"}, "fractal.length=0 is out of range"),
        ({"size": "4"}, "fractal.size=4 is out of range"),
        ({"walkers": "0"}, "fractal.walkers=0 is out of range"),
        ({"size": "2048", "length": "18:200"}, "838,860,800 pixels in a clip, which is drawn at once"),
        ({"iterations": "1000000", "walkers": "1000"}, "1,000,000,000 steps in a frame"),
    ],
)
def test_bad_knobs(settings, words):
    with pytest.raises(UsageError) as caught:
        knobs.replace(Fractal(), settings)
    assert words in str(caught.value)


def test_bad_frames_are_told_when_asked_for():
    for generator in (SMALL, CLASSES):
        with pytest.raises(UsageError, match="has no frame 99"):
            generator.draw(0, NAME, 0, [99])
        with pytest.raises(UsageError, match="is negative"):
            generator.draw(0, NAME, -1, [0])


@pytest.mark.parametrize(
    "settings",
    [
        {"length": "1", "size": "8"},
        {"length": "2", "size": "9", "walkers": "1"},
        {"length": "40", "size": "16"},
        {"maps": "2", "size": "16"},
        {"maps": "16", "size": "16", "dropped": "0", "iterations": "1"},
    ],
)
def test_ends_of_the_ranges(settings):
    generator = knobs.replace(Fractal(iterations=300), settings)
    frames = clip(generator)
    assert frames.shape[0] == generator.clip_length(0, NAME, 0) and frames.max() > 0


# The look of fractals: means over 8 × 8 pixels of a clip's middle frame, of each variation and other knobs.
# Made by synvid_eval 0.1.0 (fractal 1), numpy 2.4.6, numba 0.68.1, scipy 1.17.1, x86-64, 2026-11-22, with
#   PYTHONPATH=. python -m tests.generators.test_fractal
THUMBNAILS = Path(__file__).with_name("fractal_thumbnails.npz")
LOOKS = {
    **{f"variation {v}": {"variation": str(v)} for v in attractor.VARIATIONS},
    "naive": {"variation": "0", "animation": "naive"},
    "linear": {"variation": "0", "curves": "linear"},
    "none": {"animation": "none"},
    "class": {"classes": "3"},
    "color": {"color": "true"},
}


def thumbnail(look):
    generator = knobs.replace(Fractal(), LOOKS[look])
    (frame,) = generator.draw(0, "looks", 1, [9])
    return np.rint(frame.reshape(32, 8, 32, 8, 3).mean(axis=(1, 3))).astype(np.uint8)


@pytest.mark.parametrize("look", LOOKS)
def test_fractals_look_as_they_did(look):
    """Elsewhere 99 % of the means are within one gray level."""
    with np.load(THUMBNAILS) as kept:
        off = np.abs(thumbnail(look).astype(int) - kept[look])
    assert (off <= 1).mean() >= 0.99 and off.max() <= 16


def test_the_looks_differ():
    with np.load(THUMBNAILS) as kept:
        assert sorted(kept) == sorted(LOOKS)
        assert len({kept[look].tobytes() for look in LOOKS}) == len(LOOKS)


if __name__ == "__main__":
    np.savez_compressed(THUMBNAILS, **{look: thumbnail(look) for look in LOOKS})
    sys.exit()
