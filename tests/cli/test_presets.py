"""`list presets` and `show`: what they say, contact sheets, and what hostile files and options are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synvid_eval import sets
from synvid_eval.contact_sheet import CLIPS, FRAMES, GAP, SIDE, sheet
from synvid_eval.generators import presets
from synvid_eval.generators.palette import parsed
from tests.conftest import Run


def test_the_list_as_json(run_cli: Run) -> None:
    rows = json.loads(run_cli("list", "presets", "--json", "-").stdout)["presets"]
    assert [r["name"] for r in rows] == presets.names()
    by_name = {r["name"]: r for r in rows}
    assert (
        by_name["images_mix_ucf50"]
        | {
            "extends": "acc_transforming_images",
            "generator": "mixture",
            "family": "mixed_real",
            "accuracy": 92.0,
            "source": "Table 11: UCF101, finetune",
            "needs": ["images", "videos"],
            "knobs": {"real": "0.5"},
            "same_as": "",
        }
        == by_name["images_mix_ucf50"]
    )
    assert sum(r["accuracy"] is not None for r in rows) == 34
    assert all(r["difference"] for r in rows if r["extends"])


def test_the_list_as_text(run_cli: Run) -> None:
    done = run_cli("list", "presets")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["name", "extends", "family", "ucf101", "needs", "difference"]
    assert len(lines) == len(presets.names()) + 2
    assert "--images DIR|skimage" in lines[-1]


def test_show_says_every_value_and_its_source(run_cli: Run) -> None:
    done = run_cli("show", "slow_acc_transforming_shapes", "--set", "objects=7")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    for words in (
        "extends    acc_transforming_shapes: half the speed",
        "slow_acc_transforming_shapes with objects=7",
    ):
        assert words in text
    assert "published  88.6 % (UCF101 finetune, Table 9)" in run_cli("show", text.split()[0]).stdout
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    assert "0.6:1.5 px/frame at 256" in rows["speed"] and "paper, Table 9" in rows["speed"]
    assert "slow_acc_transforming_shapes" in rows["speed"]
    assert "released code" in rows["rotation"] and "moving_transforming_shapes" in rows["rotation"]
    assert "our choice" in rows["pool"] and "default" in rows["pool"]
    assert rows["objects"].split()[1:] == ["7", "you", "given"]


@pytest.mark.slow
def test_what_is_published_is_of_the_published_preset_alone(run_cli: Run, tmp_path: Path) -> None:
    """Not of one with other knobs, whatever it is called; but of the preset.toml of a set of it."""
    own = 'name = "moving_shapes"\nextends = "moving_shapes"\n'
    (tmp_path / "mine.toml").write_text(
        'extends = "moving_shapes"\nknobs = { speed = "2:6", objects = 100 }\n'
    )
    (tmp_path / "called.toml").write_text(own + "knobs.objects = 3\n")
    (tmp_path / "same.toml").write_text(own + "knobs.objects = 500\n")

    def shown(*args: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run_cli("show", *args, "--json", "-").stdout)["preset"]
        return found

    one = shown("moving_shapes", "--set", "objects=3")
    assert one["accuracy"] is None and one["about"] == "moving_shapes with objects=3"
    assert "86.9" not in run_cli("show", "moving_shapes", "--set", "objects=3").stdout
    one = shown("called.toml")
    assert one["accuracy"] is None and one["about"] == "moving_shapes with objects=3"
    assert shown("mine.toml")["about"] == "moving_shapes with speed=2:6, objects=100"
    assert shown("moving_shapes", "--set", "objects=500")["accuracy"] == 86.9
    assert shown("same.toml")["accuracy"] == 86.9
    assert shown("acc_transforming_images_300k", "--set", "objects=9")["same_as"] == ""
    for size, accuracy in (("96", None), ("256", 86.9)):
        made = ("generate", "moving_shapes", size, "--clips", "1", "--size", size, "--format", "ffv1", "-q")
        assert run_cli(*made, "--workers", "1").returncode == 0
        one = shown(f"{size}/preset.toml")
        assert one["accuracy"] == accuracy
        assert ("Table 1" in one["about"]) == (accuracy is not None)
        assert ("Table 1" in (tmp_path / size / "README.md").read_text()) == (accuracy is not None)


def test_an_unknown_name_is_told_the_nearest_and_not_all(run_cli: Run) -> None:
    for command in ("show", "explain"):
        error = run_cli(command, "moving_shape").stderr
        assert "Did you mean 'moving_shapes'?" in error and "list" in error and len(error) < 200
        assert len(run_cli(command, "zzzzzz").stderr) < 200
    assert run_cli("show", "moving_circls_slow").stderr.count("'") <= 8


def test_show_as_json(run_cli: Run) -> None:
    document = json.loads(run_cli("show", "moving_circles", "--json", "-").stdout)["preset"]
    speed = next(v for v in document["knobs"] if v["knob"] == "speed")
    assert speed["unit"] == "px/frame at 256" and speed["setter"] == "moving_circles"
    assert speed["allowed"] == "0 to 256" and document["accuracy"] == 85.2


def test_show_takes_what_a_set_says(run_cli: Run, tmp_path: Path) -> None:
    place = "preset:moving_circles?palette=lab(l=40,a=-2)&size=32"
    done = run_cli("show", place, "--set", "length=20", "--png", "s.png", "--json", "s.json")
    assert done.returncode == 0, done.stderr
    values = {v["knob"]: v for v in json.loads((tmp_path / "s.json").read_text())["preset"]["knobs"]}
    assert (values["palette.lab.l"]["value"], values["palette.lab.a"]["value"]) == (40, -2)
    assert values["palette.lab.l"]["source"] == "given" and values["palette.lab.l_std"]["setter"] == "default"
    assert (values["size"]["value"], values["length"]["value"]) == (32, "20")
    assert "palette.lab.l_std  20.1 L*" in done.stdout
    (tmp_path / "mine.toml").write_text('extends = "moving_circles"\nknobs.palette = "lab(l=40,a=-2)"\n')
    other = run_cli("show", "mine.toml", "--json", "-")
    mine = {v["knob"]: v for v in json.loads(other.stdout)["preset"]["knobs"]}
    assert mine["palette"]["value"] == values["palette"]["value"]
    again = run_cli("show", "preset:mine.toml?palette=colors(of=203040%2BE0C8A0 000000)", "--json", "-")
    mine = {v["knob"]: v for v in json.loads(again.stdout)["preset"]["knobs"]}
    assert mine["palette.colors.of"]["value"] == "203040+E0C8A0+000000"


def test_a_palette_is_kept_where_a_set_is_made(run_cli: Run, tmp_path: Path) -> None:
    small = ("--clips", "2", "--set", "size=32", "--set", "length=3", "--format", "npz")
    palette = "lab(l=40,a=-2,l_std=9)"
    done = run_cli("generate", "moving_circles", "out", *small, "--set", f"palette={palette}")
    assert done.returncode == 0, done.stderr
    assert f'"{parsed(palette).spelled}"' in (tmp_path / "out" / "preset.toml").read_text()
    assert "| `palette` | lab(l=40.0,a=-2.0," in (tmp_path / "out" / "README.md").read_text()
    done = run_cli("generate", "out/preset.toml", "again", "--clips", "2", "--format", "npz")
    assert done.returncode == 0, done.stderr
    sums = [(tmp_path / folder / "manifest.jsonl").read_text() for folder in ("out", "again")]
    assert sums[0] == sums[1]
    (frame, *_) = np.load(tmp_path / "out" / "clips" / "0000000.npz")["frames"]
    place = f"preset:moving_circles?n=2&size=32&length=3&palette={palette}"
    (clip, _) = sets.open_set(place).clips
    np.testing.assert_array_equal(frame, next(iter(sets.open_clip(clip).frames([0])))[1])


@pytest.mark.slow
def test_show_draws_a_contact_sheet(run_cli: Run, tmp_path: Path) -> None:
    high = CLIPS * (SIDE + GAP) + GAP
    small = ("--set", "size=32", "--set", "length=30")
    sheets = []
    for name, more in (
        ("moving_shapes", ()),
        ("moving_shapes", ()),
        ("acc_transforming_shapes_static_images5", ("--images", "skimage")),
        ("shapes_mix_ucf25", ("--videos", "preset:photo_camera?n=12&height=32&width=64")),
    ):
        done = run_cli("show", name, *small, "--png", "s.png", *more)
        assert done.returncode == 0, done.stderr
        sheets.append((tmp_path / "s.png").read_bytes())
        with Image.open(tmp_path / "s.png") as picture:
            flat = "photo_camera" in str(more)  # two rows of 2 : 1, as high as their frames
            assert picture.size == (FRAMES * (SIDE + GAP) + GAP, high - (SIDE if flat else 0))
            last = np.asarray(picture)[-SIDE // (1 + flat) - GAP : -GAP, GAP : SIDE + GAP]
        if more:
            assert len(np.unique(last.reshape(-1, 3), axis=0)) > 500  # a photograph, not flat shapes
    assert sheets[0] == sheets[1]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("moving_shape",), 2, "Did you mean 'moving_shapes'?"),
        (("moving_shapes", "--set", "sped=2"), 2, "Did you mean 'speed'?"),
        (("moving_shapes", "--set", "speed=6:2"), 2, "shapes.speed=6:2 runs backwards."),
        (("moving_shapes", "--set", "size=big"), 2, "shapes.size=big cannot be read."),
        (("moving_shapes", "--set", "size=9999999"), 2, "shapes.size=9999999 is out of range."),
        (("moving_shapes", "--set", "speed"), 2, "It is KNOB=VALUE"),
        (("preset:moving_shapes?palette=lap",), 2, "No palette is called 'lap'. Did you mean 'lab'?"),
        (("preset:moving_shapes?pallete=lab",), 2, "Did you mean 'palette'?"),
        (("preset:moving_shapes?size=32&n=9",), 2, "n=9 in preset:moving_shapes?size=32&n=9 means nothing"),
        (
            ("preset:moving_shapes?size=32", "--set", "size=64"),
            2,
            "size=32 in preset:moving_shapes?size=32 is",
        ),
        (("moving_shapes", "--images", "skimage"), 2, "--images skimage means nothing without --png."),
        (("moving_shapes", "--seed", "0"), 2, "--seed 0 means nothing without --png."),
        (("moving_shapes", "--cache", "none"), 2, "--cache none means nothing without --png."),
        (("moving_shapes", "--images", "skimage", "--png", "a.png"), 2, "--images skimage means nothing for"),
        (("acc_transforming_images", "--png", "a.png"), 3, "Give --images DIR"),
        (("acc_transforming_images", "--png", "a.png", "--images", "gone"), 3, "does not exist"),
        (("images_mix_ucf50", "--png", "a.png", "--images", "skimage"), 3, "Give --videos SET"),
        (("gone.toml",), 3, "The preset file gone.toml does not exist."),
        (("bad.toml",), 2, "Did you mean 'speed'?"),
        (("binary.toml",), 2, "is no UTF-8 text."),
        (("evil.toml",), 2, "cannot be a preset's name."),
        (("moving_shapes", "--png", "no/a.png"), 2, "the folder no does not exist."),
        (("moving_shapes", "--png", "-"), 2, "--png - is no file."),
    ],
)
def test_what_is_wrong_is_told(run_cli: Run, tmp_path: Path, args, code, message) -> None:
    (tmp_path / "bad.toml").write_text('extends = "moving_shapes"\nknobs.sped = 3\n')
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "evil.toml").write_text('["<script>\\u001b[2J"]\nextends = "moving_shapes"\n')
    done = run_cli("show", *args)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a.png").exists()


def test_a_sheet_tells_how_far_it_is(run_cli: Run) -> None:
    small = ("--set", "size=32", "--set", "length=30", "--png", "s.png")
    done = run_cli("show", "moving_shapes", *small, "-v")
    assert f"moving_shapes (sheet): {CLIPS} clips in" in done.stderr
    assert run_cli("show", "moving_shapes", *small, "-q").stderr == ""


def test_compare_takes_images_and_videos(run_cli: Run) -> None:
    done = run_cli(
        "compare",
        "preset:images_mix_ucf50?n=4&size=32&length=20&pool=4",
        "preset:moving_shapes?n=4&size=32&length=20",
        *("--metrics", "color", "--images", "skimage", "--json", "-", "--workers", "1", "-q"),
        *("--videos", "preset:photo_camera?n=9&height=32&width=32&length=20"),
    )
    assert done.returncode == 0, done.stderr
    (score,) = json.loads(done.stdout)["scores"]
    assert score["n"]["candidate"] == 4 and score["value"] > 0


@pytest.mark.slow
def test_inspect_and_measure_take_them_too(run_cli: Run, tmp_path: Path) -> None:
    place = "preset:acc_transforming_images?n=2&size=32&length=20&pool=2"
    assert run_cli("inspect", place, "--no-cost").returncode == 3
    done = run_cli("inspect", place, "--no-cost", "--images", "skimage")
    assert done.returncode == 0 and "2 found" in done.stdout
    made = ("measure", place, "--images", "skimage", "--metrics", "color", "--out", "a.measured")
    assert run_cli(*made, "--workers", "1").returncode == 0
    assert (tmp_path / "a.measured").is_file()


def test_frames_of_any_size_stand_on_a_sheet() -> None:
    rows = [[np.full((10, 20, 3), 5, np.uint8)] * 2, [np.full((400, 100, 3), 9, np.uint8)]]
    picture = sheet(rows)
    assert picture.shape == (3 * GAP + SIDE // 2 + SIDE, 2 * (SIDE + GAP) + GAP, 3)
    assert (picture[GAP : GAP + SIDE // 2, GAP : GAP + SIDE] == 5).all()  # no bands above and below
    assert picture[2 * GAP + SIDE // 2 + SIDE // 2, GAP + SIDE // 2, 0] == 9
