"""The page of `preview`: clips that play without a script, hostile names as text, nothing asked for."""

from __future__ import annotations

import base64
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from synvid_eval import previews
from synvid_eval.cache import Cache
from synvid_eval.errors import UsageError
from synvid_eval.measurement import Options
from synvid_eval.report import document
from synvid_eval.report.gallery import page
from tests.conftest import Run

from .pages import HOSTILE, accessible, opened, until
from .test_page import Parsed


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    """Two small clips of each of two presets."""
    knobs = {"size": "64", "length": "40", "objects": "50"}
    options = Options(workers=1, cache=Cache(None))
    return previews.previews(["moving_circles", "moving_shapes"], options, count=2, overrides=knobs)


def test_previews_play_and_tell_their_knobs(found: list[dict[str, Any]]) -> None:
    assert [p["name"] for p in found] == ["moving_circles", "moving_shapes"]
    for preset in found:
        assert [c["id"] for c in preset["clips"]] == [f"{preset['name']}/{i}" for i in range(2)]
        assert all(base64.b64decode(c["video"]).startswith(b"\x1aE\xdf\xa3") for c in preset["clips"])
        told = {k["knob"]: (k["value"], k["setter"]) for k in preset["knobs"]}
        assert told["size"] == ("64", "you")
        assert told["speed"] == ("1.2:3.0", "moving_circles")


def test_the_page_has_no_script_and_its_policy_allows_none(found: list[dict[str, Any]]) -> None:
    text = page(found)
    assert text == page(copy.deepcopy(found))
    assert "<script>" not in text
    assert "default-src 'none'" in text and "script-src" not in text
    assert not re.search(r"(?:src|href|poster)=\"(?!data:|#)", text)
    assert text.count("<video") == 4


def test_hostile_names_stay_text(found: list[dict[str, Any]]) -> None:
    odd = copy.deepcopy(found)
    for preset in odd:
        preset |= dict.fromkeys(("name", "note", "extends", "difference", "reason"), HOSTILE)
        for clip in preset["clips"]:
            clip["id"] = HOSTILE
            clip["video"] = '" onerror="alert(1)'
        for knob in preset["knobs"]:
            knob |= dict.fromkeys(knob, HOSTILE)
    tags = Parsed(page(odd)).tags
    assert [a for t, a in tags if t == "script"] == [
        {"type": "application/json", "id": "synvid-eval-presets"}
    ]
    assert not [a for _, a in tags if any(k.startswith("on") for k in a)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser: Any, found: list[dict[str, Any]], tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "preview.html"
    path.write_text(page(found), "utf-8")
    view, troubles = opened(browser, path, scheme, scripted=False)
    until(view, "document.querySelector('video').currentTime > 0")
    assert view.evaluate("document.querySelector('video').videoWidth") == 64
    for _ in range(8):  # links come first; controls that are not seen are reached by keyboard
        view.keyboard.press("Tab")
        if view.evaluate("document.activeElement.tagName") == "VIDEO":
            break
    assert view.evaluate("document.activeElement.tagName") == "VIDEO"
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    accessible(view)
    view.emulate_media(reduced_motion="reduce")
    assert not view.locator("video").first.is_visible()
    assert view.locator("img.still").first.is_visible()
    assert troubles == []
    view.context.close()


@pytest.mark.slow
def test_the_command(run_cli: Run, tmp_path: Path) -> None:
    args = ["preview", "moving_circles", "--clips", "1", "--set", "size=32", "--set", "length=20"]
    done = run_cli(*args, "--html", "p.html")
    assert done.returncode == 0, done.stderr
    assert "1 clip of 1 preset\n" in done.stdout
    assert (tmp_path / "p.html").read_text().count("<video") == 1
    assert run_cli(*args, "--html", "-").stdout == (tmp_path / "p.html").read_text()
    assert run_cli("preview", "moving_circle", "--html", "p.html").returncode == 2
    alone = run_cli("preview", "acc_transforming_images", "--clips", "1", "--html", "q.html", "-q")
    assert alone.returncode == 3 and "No pictures are given" in alone.stderr
    assert not (tmp_path / "q.html").exists()


@pytest.mark.slow
def test_clips_stand_in_order_and_broken_pictures_are_told(run_cli: Run, tmp_path: Path) -> None:
    videos = "preset:photo_camera?n=3&height=32&width=32&length=20"
    options = Options(workers=1, cache=Cache(None))
    knobs = {"size": "32", "length": "20"}
    (one,) = previews.previews(["shapes_mix_ucf25"], options, count=4, overrides=knobs, videos=videos)
    ids = [c["id"] for c in one["clips"]]
    assert ids[:3] == [f"shapes_mix_ucf25/{i}" for i in range(3)] and ids[3].startswith("real/")
    assert one["note"] == "shapes_mix_ucf25 with size=32, length=20"
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (20, 20), (40, 90, 10)).save(tmp_path / "pictures" / "a.png")
    for k in range(5):
        (tmp_path / "pictures" / f"cut{k}.jpg").write_bytes(b"\xff\xd8\xff" + bytes([k]))
    small = ("--images", "pictures", "--set", "size=32", "--set", "length=20", "--set", "pool=2")
    for args in (
        ("preview", "acc_transforming_images", *small, "--clips", "1", "--html", "p.html"),
        ("show", "acc_transforming_images", *small, "--png", "s.png"),
        ("textures", "make", "photos", "--images", "pictures", "--n", "2", "--out", "bank"),
        ("generate", "acc_transforming_images", "set", *small, "--clips", "1"),
    ):
        done = run_cli(*args)
        assert done.returncode == 0, done.stderr
        assert "5 of 6 pictures of" in done.stderr and all(f"cut{k}.jpg" in done.stderr for k in range(5))
    (note,) = json.loads((tmp_path / "set" / "generation.json").read_text())["notes"]
    assert all(f"cut{k}.jpg" in note for k in range(5))
    assert "5 of 6 pictures of" in (tmp_path / "set" / "README.md").read_text()


def test_controls_show_where_they_are_wanted() -> None:
    """Under the pointer and where the keyboard is; where nothing can hover they stay."""
    css = (Path(document.__file__).parent / "gallery.css").read_text()
    (rule,) = re.findall(r"@media \(hover:hover\)\{(.*?)\}\}", css)
    assert "::-webkit-media-controls{opacity:0" in rule
    assert all(f":not({state})" in rule for state in (":hover", ":focus", ":focus-within"))


def test_a_preset_that_lacks_something_says_so_beside_the_others() -> None:
    options = Options(workers=1, cache=Cache(None))
    knobs = {"size": "32", "length": "20"}
    found = previews.previews(
        ["acc_transforming_images", "moving_circles"], options, count=1, overrides=knobs
    )
    assert [len(p["clips"]) for p in found] == [0, 1]
    assert "No pictures are given" in found[0]["reason"]
    assert "No pictures are given" in page(found)


def test_an_option_that_means_nothing_is_refused() -> None:
    options = Options(workers=1, cache=Cache(None))
    with pytest.raises(UsageError, match="--images"):
        previews.previews(["moving_circles"], options, count=1, images="skimage")
    with pytest.raises(UsageError, match="speed"):
        previews.previews(["moving_circles"], options, count=1, overrides={"sped": "1"})
