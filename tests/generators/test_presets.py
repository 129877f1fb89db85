"""Presets as data: what ships, inheritance, and what a bad document or knob is told."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from synvid_eval import generators, knobs, published, sets
from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import presets


def published_names() -> list[str]:
    rows = (p for p in published.table() if (p.benchmark, p.protocol) == ("UCF101", "finetune"))
    return [p.dataset for p in rows if p.dataset not in ("scratch", "ucf101")]


def test_what_ships():
    assert len(published_names()) == 34
    fractals = {
        "fractal_linear_motion",
        "fractal_nonlinear_motion",
        "fractal_diversity",
        "fractal_images",
        "fractal_supervised_250",
        "fractal_supervised_500",
        "fractal_supervised_1000",
    }
    baselines = {"perlin", "octopus", "fractal_dead_leaves"}
    others = {"dead_leaves", "photo_camera"}
    assert set(presets.names()) == {*published_names(), *fractals, *baselines, *others}
    assert generators.registry.names() == [
        "camera",
        "dead_leaves",
        "fractal",
        "full_frame",
        "mixture",
        "moving_leaves",
        "octopus",
        "perlin",
        "shapes",
    ]
    assert all(presets.get(name).family == "fractal" for name in fractals)


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_says_what_it_is(name):
    preset = presets.get(name)
    assert preset.note.endswith(".") and preset.clips == presets.DEFAULT_CLIPS
    assert bool(preset.difference) == bool(preset.extends)
    known = published.of(name)
    assert known is None or known.family == preset.family
    assert known is None or known.source in preset.note
    assert set(preset.needs) == sets.needs(preset.configured())
    assert not preset.same_as or (
        dict(presets.get(preset.same_as).knobs) == dict(preset.knobs) and preset.same_as != name
    )


def declares_fps(generator) -> bool:
    """Whether a generator has a rate of its own, as those of the fractal paper: 12 a second."""
    return type(generator).fps != generators.Generator.fps


@pytest.mark.parametrize("name", presets.names())
def test_every_value_has_a_source(name):
    preset = presets.get(name)
    values = {v.knob: v for v in preset.resolved()}
    assert [k for k in values if "." not in k] == knobs.names(preset.configured())
    generator = preset.configured()
    declared = {f.name: f.metadata for f in dataclasses.fields(generator)}
    for value in (v for v in preset.resolved() if "." not in v.knob):
        assert value.source.startswith(("paper", "released code", "our choice", "yours")), value
        if value.setter == "default" and value.knob not in preset.sources:
            assert value.source == declared[value.knob]["source"]
        else:
            assert value.knob in preset.sources
        assert value.setter == "default" or value.knob in presets.get(value.setter).own
        assert value.about and value.allowed and value.type and value.scale in knobs.SCALES
    assert values["fps"].value == (12.0 if declares_fps(generator) else 25.0)
    given = {v.knob: v for v in preset.resolved({"fps": "13"})}
    assert (given["fps"].value, given["fps"].source, given["fps"].setter) == (13.0, "given", "you")


@pytest.mark.parametrize("kind", [*generators.registry.names(), *generators.textures.names()])
def test_every_knob_declares_its_source_and_its_type(kind):
    """By hand: a default's source is never read out of a text."""
    for room in (generators.registry, generators.textures):
        if kind not in room.names():
            continue
        for declared in dataclasses.fields(room.get(kind)):
            meta = declared.metadata
            source = ("paper", "released code", "our choice") if meta["recipe"] else ("yours",)
            assert meta["source"].startswith(source), declared.name
            looks_like_a_range = meta["low"] is not None and isinstance(declared.default, str)
            assert bool(meta["ends"]) == looks_like_a_range, declared.name
            assert knobs.type_of(declared) in (
                "one of several",
                "whole number",
                "number",
                "true or false",
                "text",
                "range",
                "range of whole numbers",
            )


def test_where_defaults_come_from():
    """What the paper has otherwise is not said to be the paper's."""
    values = {v.knob: v for v in presets.read('[a]\ngenerator = "shapes"', "x.toml")["a"].resolved()}
    assert values["pool"].source.startswith("our choice: paper and released code have 300,000")
    assert values["dynamic"].source == "paper: only in Tables 3 and 12"
    assert values["center_range"].source == "released code"
    assert (values["length"].type, values["length"].scale) == ("range of whole numbers", "log")
    assert (values["speed"].type, values["speed"].scale) == ("range", "linear")


def test_textures_are_resolved_to_their_own_knobs():
    values = {v.knob: v for v in presets.get("dynamic_stylegan_highfreq_videos").resolved()}
    assert values["textures"].value == "stylegan(size=256,network=highfreq,sigma=0.05,coherent=true)"
    sigma, network = values["textures.stylegan.sigma"], values["textures.stylegan.network"]
    assert (sigma.value, sigma.setter, sigma.unit) == (0.05, "default", "per frame")
    assert sigma.source.startswith("our choice, from a trial")
    assert (network.value, network.setter) == ("highfreq", "dynamic_stylegan_highfreq_videos")
    assert network.source.startswith("paper, Table 10")
    assert values["textures.stylegan.coherent"].value is True
    given = {v.knob: v for v in presets.get("moving_shapes").resolved({"textures": "statistical(growth=4)"})}
    growth, rounds = given["textures.statistical.growth"], given["textures.statistical.iterations"]
    assert (growth.value, growth.setter, growth.source) == (4, "you", "given")
    assert (rounds.value, rounds.setter, rounds.source) == (10, "default", "released code")
    stills = {v.knob: v for v in presets.get("acc_transforming_shapes_static_images5").resolved()}
    assert (
        stills["stills"].value == "photos(size=256,fit=crop)" and stills["stills.photos.fit"].value == "crop"
    )
    text = 'extends = "dynamic_stylegan_videos"\n[sources]\n"textures.stylegan.sigma" = "a guess"'
    mine = presets.read(f'name = "m"\n{text}', "m.toml", {n: presets.get(n) for n in presets.names()})["m"]
    assert next(v for v in mine.resolved() if v.knob == "textures.stylegan.sigma").source == "a guess"


def test_knobs_of_textures_are_shown_in_rows_of_their_own():
    from synvid_eval.cli.show_command import _lines
    from synvid_eval.explanation import explain

    found = presets.get("acc_transforming_images150k_stylegan150k")
    values = found.resolved()
    assert {v.knob: v.shown for v in values}["textures"] == "photos+stylegan"
    rows = [line.split() for line in _lines(found, values, None)]
    assert ["textures.stylegan.sigma", "0.05", "per", "frame", "default"] in [row[:5] for row in rows]
    assert ["textures.photos.fit", "crop", "default"] in [row[:3] for row in rows]
    (one,) = explain("dynamic_stylegan_highfreq_videos", timed=False)
    told = {(c.of, c.name): c.default for c in one.constants}
    assert told["stylegan", "sigma"] == 0.05 and told["stylegan", "network"] == "highfreq"


def test_a_texture_spelled_out_is_the_same_configuration():
    short, full = (
        presets.get("dynamic_stylegan_videos").configured(textures=text)
        for text in ("stylegan", "stylegan(coherent=yes,sigma=0.050,network=oriented,size=256)")
    )
    assert short == full and short.identity(0) == full.identity(0)
    there = presets.get("acc_transforming_images").configured(textures="photos(images=skimage)")
    assert there.textures == "photos(size=256,fit=crop,images=skimage)"


def test_presets_that_cannot_be_told_apart_say_so_and_no_others_are_alike():
    alike = {}
    for name in presets.names():
        preset = presets.get(name)
        alike.setdefault((preset.generator, *sorted(preset.knobs.items())), []).append(name)
    twins = [group for group in alike.values() if len(group) > 1]
    assert twins == [
        ["acc_transforming_images", "acc_transforming_images_300k"],
        ["sat_images_300k", "sat_images_1.3m"],
    ]
    for group in twins:
        assert [presets.get(n).same_as for n in group if presets.get(n).same_as] == [
            n for n in group if not presets.get(n).same_as
        ]


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_draws(name, monkeypatch):
    monkeypatch.setenv("SYNVID_EVAL_IMAGES", "skimage")
    small = {"size": "32", "pool": "2"} if "pool" in knobs.names(presets.get(name).configured()) else {}
    if "statistical" in presets.get(name).knobs.get("textures", ""):
        texts = presets.get(name).knobs["textures"].replace("statistical", "statistical(size=32)")
        small["textures"] = texts
    if not small.get("textures", presets.get(name).knobs.get("textures")):
        small.pop("pool", None)
    generator = presets.get(name).configured(**small)
    length = generator.clip_length(0, name, 0)
    frames = list(generator.draw(0, name, 0, [length - 1, 0]))
    assert all(frame.shape == (*generator.frame_size, 3) and frame.dtype == "uint8" for frame in frames)
    # 16 frames at stride 4, what VideoMAE sees; the fractal paper's clips are of 16 to 20
    assert length >= (16 if declares_fps(generator) else 61)


# What the paper changed against the parent, in full: name → parent, own knobs.
PROGRESSION = {
    "static_circles": ("", {"shapes": "circle", "speed": "0"}),
    "moving_circles": ("static_circles", {"speed": "1.2:3.0"}),
    "moving_shapes": ("moving_circles", {"shapes": "mixed"}),
    "moving_transforming_shapes": (
        "moving_shapes",
        {
            "rotation": "-0.031415926536:0.031415926536",
            "scale": "-0.005:0.005",
            "shear": "-0.005:0.005",
            "circle_transform": "scaled",
        },
    ),
    "acc_transforming_shapes": ("moving_transforming_shapes", {"acceleration": "-0.03:0.03"}),
    "acc_transforming_textures": (
        "acc_transforming_shapes",
        {"textures": "statistical", "circle_transform": "none"},
    ),
    "acc_transforming_stylegan": ("acc_transforming_textures", {"textures": "stylegan"}),
    "acc_transforming_images": ("acc_transforming_stylegan", {"textures": "photos"}),
    "acc_transforming_images_300k": ("acc_transforming_images", {}),
    "acc_transforming_images150k_stylegan150k": (
        "acc_transforming_images_300k",
        {"textures": "photos+stylegan"},
    ),
    "acc_transforming_shapes_static_images5": (
        "acc_transforming_shapes",
        {"stills": "photos", "still_share": "0.05"},
    ),
    "acc_transforming_dynamic_stylegan": ("acc_transforming_stylegan", {"dynamic": "true"}),
    "dynamic_stylegan_videos": ("", {"textures": "stylegan"}),
    "slow_moving_circles": ("moving_circles", {"speed": "0.6:1.5"}),
    "slow_moving_shapes": ("moving_shapes", {"speed": "0.6:1.5"}),
    "slow_moving_transforming_shapes": ("moving_transforming_shapes", {"speed": "0.6:1.5"}),
    "slow_acc_transforming_shapes": ("acc_transforming_shapes", {"speed": "0.6:1.5"}),
    "slow_acc_transforming_textures": ("acc_transforming_textures", {"speed": "0.6:1.5"}),
    "dynamic_stylegan_highfreq_videos": (
        "dynamic_stylegan_videos",
        {"textures": "stylegan(network=highfreq)"},
    ),
    "acc_transforming_shapes_static_stylegan5": (
        "acc_transforming_shapes_static_images5",
        {"stills": "stylegan"},
    ),
    "acc_transforming_images150k_textures150k": (
        "acc_transforming_images_300k",
        {"textures": "photos+statistical"},
    ),
    "acc_transforming_images_300k_colorbg": ("acc_transforming_images_300k", {"background": "color"}),
    "acc_transforming_images_300k_imagebg": ("acc_transforming_images_300k", {"background": "image"}),
    "shapes_mix_ucf25": ("acc_transforming_shapes", {"real": "0.25"}),
    "shapes_mix_ucf75": ("shapes_mix_ucf25", {"real": "0.75"}),
    "images_mix_ucf50": ("acc_transforming_images", {"real": "0.5"}),
    "sat_textures": ("acc_transforming_textures", {"saturate": "wrap"}),
    "sat_textures_colorbg": ("sat_textures", {"background": "color"}),
    "sat_moving_dynamic_stylegan": ("acc_transforming_dynamic_stylegan", {"saturate": "wrap"}),
    "sat_images_300k": ("acc_transforming_images_300k", {"saturate": "wrap"}),
    "sat_images150k_textures150k": ("acc_transforming_images150k_textures150k", {"saturate": "wrap"}),
    "sat_images_300k_colorbg": ("sat_images_300k", {"background": "color"}),
    "sat_images_300k_imagebg": ("sat_images_300k", {"background": "image"}),
    "sat_images_1.3m": ("acc_transforming_images", {"saturate": "wrap"}),
}


@pytest.mark.parametrize("name", published_names())
def test_each_preset_differs_in_what_the_paper_changed(name):
    preset = presets.get(name)
    assert (preset.extends, dict(preset.own)) == PROGRESSION[name]
    parent = presets.get(preset.extends) if preset.extends else None
    assert dict(preset.knobs) == {**(parent.knobs if parent else {}), **preset.own}


def test_what_the_accelerating_sets_come_to():
    shapes, textures = (
        presets.get(f"acc_transforming_{what}").configured() for what in ("shapes", "textures")
    )
    assert knobs.values(shapes) | {
        "size": 256,
        "length": "100:199",
        "objects": 500,
        "shapes": "mixed",
        "speed": "1.2:3.0",
        "acceleration": "-0.03:0.03",
        "scale": "-0.005:0.005",
        "radius": "0.1:1",
        "center_range": "0:2",
        "background": "black",
        "circle_transform": "scaled",
    } == knobs.values(shapes)
    changed = {k for k, v in knobs.values(textures).items() if v != knobs.values(shapes)[k]}
    assert changed == {"textures", "circle_transform"}


def test_a_difference_names_every_side_of_it():
    for name in ("moving_transforming_shapes", "acc_transforming_textures"):
        preset = presets.get(name)
        assert f"circle_transform = {preset.own['circle_transform']}" in preset.difference


def test_what_the_benchmark_times_needs_nothing():
    from benchmarks.generators import plain_presets

    for name in plain_presets():
        generator = presets.get(name).configured()
        for index in range(4):
            next(iter(generator.draw(0, name, index, [0])))


def test_benchmarks_import_no_test():
    script = "import benchmarks.textures, sys; print(sorted({'pytest', 'tests'} & set(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"


def test_the_stand_in_is_called_one():
    assert "stand-in for real video, no real clips" in presets.get("photo_camera").note


def test_overrides_are_parsed_on_top():
    generator = presets.get("moving_circles").configured(size="64", speed="2:6")
    assert (generator.size, generator.speed, generator.shapes) == (64, "2:6", "circle")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"sped": "1"}, "moving_circles has no knob 'sped'. Did you mean 'speed'?"),
        ({"size": "big"}, "shapes.size=big cannot be read. It takes a whole number."),
        ({"size": "5"}, "shapes.size=5 is out of range."),
        ({"speed": "2:1e9"}, "shapes.speed=2:1e9 is out of range. Allowed: 0 to 256."),
        ({"speed": "2:1e999"}, "shapes.speed=2:1e999 is no range."),
        ({"objects": "1e3"}, "shapes.objects=1e3 cannot be read. It takes a whole number."),
        ({"dynamic": "maybe"}, "shapes.dynamic=maybe cannot be read. It takes true or false."),
        ({"pool": "0"}, "shapes.pool=0 is out of range. Allowed: 1 to 10,000,000."),
        ({"fps": "nan"}, "shapes.fps=nan is not a finite number."),
    ],
)
def test_bad_overrides(overrides, message):
    with pytest.raises(UsageError) as caught:
        presets.get("moving_circles").configured(**overrides)
    assert message in str(caught.value) and caught.value.code == 2


def test_unknown_preset_names_the_nearest():
    with pytest.raises(
        UsageError, match=r"No preset is called 'moving_circle'\. Did you mean 'moving_circles'"
    ):
        presets.get("moving_circle")


def test_a_document_of_ones_own():
    text = '[b]\nextends = "a"\nclips = 5\nknobs = { size = 32 }\n'
    text += '[a]\nextends = "moving_shapes"\nnote = "Mine."\n'
    found = presets.read(text, "my.toml", {name: presets.get(name) for name in presets.names()})
    assert list(found) == ["b", "a"]
    assert (found["b"].note, found["b"].clips, found["b"].configured().size) == ("a with size=32", 5, 32)
    assert found["a"].configured().shapes == "mixed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "x.toml is no TOML"),
        ("a = 1", "x.toml: preset 'a' is no table."),
        ('[a]\ngenerator = "shapes"\nknob = 1', "has an unknown key 'knob'. Did you mean 'knobs'?"),
        ('[a]\ngenerator = "shapes"\nknobs = [1]', "knobs takes name = value"),
        (
            '[a]\ngenerator = "shapes"\nknobs = { size = [1] }',
            "knobs.size = [1] is neither a text nor a number.",
        ),
        ("[a]\ngenerator = 3", "generator, extends, note, family, difference and same_as are texts."),
        ('[a]\ngenerator = "shapes"\nclips = 0', "clips=0 is out of range."),
        ('[a]\ngenerator = "shapes"\nneeds = ["money"]', "needs is not what it can be."),
        ('[a]\ngenerator = "shapes"\nneeds = "images"', "needs is not what it can be."),
        ('[a]\ngenerator = "shapes"\nsources = { speed = 1 }', "sources takes name = text"),
        (
            '[a]\ngenerator = "shapes"\nknobs = { when = 2024-01-01 }',
            'knobs.when = "2024-01-01" is neither a text',
        ),
        ('[a]\ngenerator = "shapes"\nknobs = { speed = [2, 6] }', 'Such as speed = "2:6".'),
        (
            'name = "x"\ngenerator = "shapes"\nspeed = [2, 6]',
            'A knob stands below knobs: knobs.speed = "2:6".',
        ),
        (
            'name = "x"\ngenerator = "shapes"\nspeed = "3:4"',
            'A knob stands below knobs: knobs.speed = "3:4".',
        ),
        ('name = "x"\ngenerator = "shapes"\nobjcts = 7', "A knob stands below knobs: knobs.objects = 7."),
        ('name = "x"\ngenerator = "shapes"\nzzz = 7', "knobs, name, needs"),
        ("knobs.speed = 3", "x.toml must name either a generator or the preset it extends."),
        ('["../a"]\ngenerator = "shapes"', "'../a' cannot be a preset's name."),
        ('["a\\nb"]\ngenerator = "shapes"', "cannot be a preset's name."),
        ('[""]\ngenerator = "shapes"', "'' cannot be a preset's name."),
        ('["<b>"]\ngenerator = "shapes"', "'<b>' cannot be a preset's name."),
        (f'["{"a" * 101}"]\ngenerator = "shapes"', "cannot be a preset's name."),
        ('name = ["x"]\ngenerator = "shapes"', "cannot be a preset's name."),
        ('name = "x"\ngenerator = "shapes"\nspeed = 2', "has an unknown key 'speed'."),
        ("a = " + "[" * 5000, "x.toml is no TOML"),
        ("a = " + "9" * 5000, "x.toml is no TOML"),
        ('[a]\nnote = "x"', "must name either a generator or the preset it extends."),
        ('[a]\nextends = "b"', "a extends 'b', which does not exist."),
        ('[a]\nextends = "b"\n[b]\nextends = "a"', "extend each other in a circle: a → b → a."),
    ],
)
def test_bad_documents(text, message):
    with pytest.raises(UsageError) as caught:
        presets.read(text, "x.toml")
    assert message in str(caught.value)


def test_an_unknown_generator_names_the_nearest():
    preset = presets.read('[a]\ngenerator = "shape"', "x.toml")["a"]
    with pytest.raises(UsageError, match=r"No generator is called 'shape'\. Did you mean 'shapes'"):
        preset.configured()


def test_listing_presets_loads_no_generator():
    script = (
        "import sys; from synvid_eval.generators import presets; presets.names(); "
        "print(sorted({'numba', 'cv2', 'torch', 'scipy', 'skimage'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "faster.toml"
    path.write_text('extends = "moving_shapes"\nknobs.speed = "2:6"\nnote = "Mine."\n')
    mine = presets.find(str(path))
    assert (mine.name, mine.extends, dict(mine.own)) == ("faster", "moving_shapes", {"speed": "2:6"})
    speed = next(v for v in mine.resolved() if v.knob == "speed")
    assert (speed.source, speed.setter) == ("faster.toml", "faster")
    path.write_text('name = "named"\n' + path.read_text())
    assert presets.find(str(path)).name == "named"


def test_a_file_may_extend_the_preset_it_is_called_like(tmp_path):
    path = tmp_path / "moving_shapes.toml"
    path.write_text('extends = "moving_shapes"\nknobs.objects = 50\n')
    mine = presets.find(str(path))
    assert (mine.name, mine.configured().objects, mine.configured().speed) == ("moving_shapes", 50, "1.2:3.0")


def test_a_file_may_extend_another(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "first.toml").write_text('extends = "moving_shapes"\nknobs.objects = 50\n')
    (tmp_path / "a" / "second.toml").write_text('extends = "../first.toml"\nknobs.speed = 1\n')
    (tmp_path / "third.toml").write_text(f'[t]\nextends = "{tmp_path}/a/second.toml"\n[u]\nextends = "t"\n')
    monkeypatch.chdir("/")  # paths count from the file
    mine = presets.find(f"{tmp_path}/third.toml#u")
    assert (mine.configured().objects, mine.configured().speed) == (50, "1")
    assert presets.find(f"{tmp_path}/a/second.toml").extends == "first"
    (tmp_path / "first.toml").write_text('extends = "third.toml#t"\n')
    with pytest.raises(UsageError, match=r"circle: first\.toml → third\.toml → second\.toml → first\.toml"):
        presets.find(f"{tmp_path}/first.toml")
    (tmp_path / "first.toml").write_text('extends = "gone.toml"\n')
    with pytest.raises(DataError, match=r"The preset file .*gone\.toml does not exist"):
        presets.find(f"{tmp_path}/first.toml")
    for i in range(30):
        (tmp_path / f"{i}.toml").write_text(f'extends = "{i + 1}.toml"\n')
    with pytest.raises(UsageError, match="More than 20 preset files extend each other"):
        presets.find(f"{tmp_path}/0.toml")


def test_a_file_of_several(tmp_path):
    path = tmp_path / "several.toml"
    path.write_text('[a]\nextends = "moving_shapes"\n[b]\nextends = "a"\nknobs.speed = 1\n')
    assert presets.find(f"{path}#b").configured().speed == "1"
    with pytest.raises(UsageError, match=r"holds 2 presets\. Say which: .*several\.toml#a\."):
        presets.find(str(path))
    with pytest.raises(UsageError, match="has no preset 'c'"):
        presets.find(f"{path}#c")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"\xff\xfe", UsageError, "is no UTF-8 text."),
        (b"", UsageError, "holds no preset."),
        (b"a = 1\n" * 200_000, DataError, "is larger than"),
        (b"[a\0]", UsageError, "is no TOML"),
        (b'extends = "moving_shapes"\nknobs.sped = 3', UsageError, "Did you mean 'speed'?"),
        (b'extends = "moving_shapes"\nknobs.size = 3', UsageError, "shapes.size=3 is out of range."),
        (b'extends = "moving_shapes"\nknobs.size = 64.5', UsageError, "shapes.size=64.5 cannot be read."),
        (b'extends = "moving_shapes"\nknobs.fps = inf', UsageError, "is not a finite number."),
        (b'extends = "moving_shapes"\nknobs.speed = "fast"', UsageError, "shapes.speed=fast is no range."),
        (b'extends = "moving_shapes"\nknobs.speed = "6:2"', UsageError, "Did you mean 2:6?"),
        (b'extends = "moving_shapes"\nknobs.textures = "stone"', UsageError, "No texture is called 'stone'."),
        (b'extends = "moving_shapes"\nsources.sped = "me"', UsageError, "sources.sped is of no knob."),
        (b'extends = "moving_shape"', UsageError, "Did you mean 'moving_shapes'?"),
    ],
    ids=range(13),
)
def test_bad_files(tmp_path, content, error, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        presets.find(str(path)).resolved()
    assert message in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        presets.find(str(tmp_path / "gone.toml"))
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    for name in ("folder.toml", "pipe.toml"):
        with pytest.raises(DataError, match="is no file"):
            presets.find(str(tmp_path / name))
    with pytest.raises(UsageError, match=r"A preset file ends in \.toml\."):
        presets.find(str(tmp_path / "mine.txt"))
    with pytest.raises(DataError, match=r"cannot be read|does not exist"):
        presets.find("a\0b.toml")


def test_settings():
    assert presets.settings(["speed=2:6", "textures=stylegan(sigma=0.1)"]) == {
        "speed": "2:6",
        "textures": "stylegan(sigma=0.1)",
    }
    for bad in (["speed"], ["=3"], ["speed=1", "speed=2"]):
        with pytest.raises(UsageError):
            presets.settings(bad)
