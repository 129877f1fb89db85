"""Presets as data: what ships, inheritance, and what a bad document or knob is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from synvid_eval import generators
from synvid_eval.errors import UsageError
from synvid_eval.generators import presets


def test_what_ships():
    assert presets.names() == ["static_circles", "moving_circles", "moving_shapes", "photo_camera"]
    assert generators.registry.names() == ["camera", "shapes"]


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_draws_and_says_what_it_is(name):
    preset = presets.get(name)
    generator = preset.configured()
    assert preset.note.endswith(".") and preset.clips == presets.DEFAULT_CLIPS
    length = generator.clip_length(0, name, 0)
    frames = list(generator.draw(0, name, 0, [length - 1, 0]))
    assert all(frame.shape == (*generator.frame_size, 3) and frame.dtype == "uint8" for frame in frames)
    assert length >= 61  # 16 frames at stride 4, what VideoMAE sees


def test_each_step_of_the_progression_differs_in_what_the_paper_changed():
    assert dict(presets.get("moving_circles").own) == {"speed": "1.2:3.0"}
    assert dict(presets.get("moving_shapes").own) == {"shapes": "mixed"}
    assert presets.get("moving_shapes").extends == "moving_circles"
    assert dict(presets.get("moving_shapes").knobs) == {"shapes": "mixed", "speed": "1.2:3.0"}
    assert presets.get("moving_shapes").generator == "shapes"


def test_the_stand_in_is_called_one():
    assert "stand-in for real video, no real clips" in presets.get("photo_camera").note


def test_overrides_are_parsed_on_top():
    generator = presets.get("moving_circles").configured(size="64", speed="2:6")
    assert (generator.size, generator.speed, generator.shapes) == (64, "2:6", "circle")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"sped": "1"}, "moving_circles has no knob 'sped'. Did you mean 'speed'?"),
        ({"size": "big"}, "shapes.size=big cannot be read. It takes int."),
        ({"size": "5"}, "shapes.size=5 is out of range."),
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
    assert (found["b"].note, found["b"].clips, found["b"].configured().size) == ("Mine.", 5, 32)
    assert found["a"].configured().shapes == "mixed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "x.toml is no TOML"),
        ("a = 1", "x.toml: preset 'a' is no table."),
        ('[a]\ngenerator = "shapes"\nknob = 1', "has an unknown key 'knob'. Did you mean 'knobs'?"),
        ('[a]\ngenerator = "shapes"\nknobs = [1]', "knobs takes name = value"),
        ('[a]\ngenerator = "shapes"\nknobs = { size = [1] }', "knobs takes name = value"),
        ("[a]\ngenerator = 3", "generator, extends and note are texts."),
        ('[a]\ngenerator = "shapes"\nclips = 0', "clips=0 is out of range."),
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
