"""The page of `attention`: pictures without a script, hostile names as text, nothing asked for."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from synvid_eval import paintings
from synvid_eval.errors import DataError
from synvid_eval.report.attention import bounds, is_one, page, percent, read
from synvid_eval.schemas import get
from synvid_eval.score import dump_json

from .pages import HOSTILE, accessible, opened, until
from .test_page import Parsed


def made() -> dict[str, Any]:
    """A document of two checkpoints and two clips, of drawn colors."""
    rng = np.random.default_rng(0)
    clips = [
        {
            "id": f"moving_circles/{i}",
            "label": "a" if i else None,
            "frames": list(range(0, 64, 4)),
            "fps": 25.0,
        }
        for i in range(2)
    ]
    separation = {
        "value": 0.8123456,
        "component": 2,
        "sign": -1,
        "components": [0.6, 0.8123456, 0.5],
        "interval": [0.79, 0.83],
        "level": 0.95,
        "moving": 0.2,
        "mixed": 0.034,
        "reason": None,
        "interval_reason": None,
    }
    checkpoint = {
        "name": "run",
        "signature": "sha256:" + "0123456789abcdef" * 4,
        "architecture": {"width": 192, "depth": 6, "heads": 3, "image": 64, "patch": 8},
        "layer": 5,
        "tokens": 1024,
        "explained": [0.41, 0.2, 0.0432, 0.01],
        "scale": [[0.0, 1.0]] * 3,
        "separation": separation,
    }
    none = {**separation, **dict.fromkeys(("value", "component", "sign", "interval"))}
    none |= {"components": [None] * 3, "reason": "no token shows objects that move"}
    none |= {"interval_reason": "There is no value."}
    other = {**checkpoint, "name": "random:0", "signature": "random:0", "separation": none}
    frames = rng.integers(0, 256, (16, 64, 64, 3), np.uint8)
    maps = [rng.integers(0, 256, (8, 8, 8, 3), np.uint8) for _ in range(2)]
    return {
        "schema": "synvid-eval/attention/1",
        "set": {
            "name": "moving_circles",
            "location": "preset:moving_circles",
            "label": None,
            "clips": 2,
            "skipped": [{"id": "c", "reason": "cut short"}],
        },
        "what": "keys",
        "layer": -1,
        "frames": 16,
        "tubelet": 2,
        "quantiles": [0.01, 0.99],
        "checkpoints": [checkpoint, other],
        "clips": clips,
        "notes": ["1 clips are short"],
        "run": {"command": "synvid-eval attention x", "versions": {"numpy": "2"}, "seconds": 3.25},
        "media": {"clips": [paintings.media(c, frames, maps, 2) for c in clips]},
    }


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return made()


def test_the_page_is_a_function_of_its_document(found: dict[str, Any]) -> None:
    jsonschema.validate(found, get("attention"))
    text = page(found)
    assert text == page(read(dump_json(found), "f"))
    assert "<script>" not in text and "script-src" not in text and "default-src 'none'" in text
    assert not re.search(r"(?:src|poster)=\"(?!data:)", text)
    assert text.count("<video") == 2 and text.count("<img") == 2 * 3
    for told in ("0.812", "[0.790, 0.830]", "41 %", "4.3 %", "65 %", "sha256:01234567<", "3.4 % are mixed"):
        assert told in text, told
    assert "component 2 (green), smaller where it moves" in text
    assert "No number: no token shows objects that move." in text


def test_without_pictures_and_without_masks(found: dict[str, Any]) -> None:
    plain = {k: v for k, v in found.items() if k != "media"}
    plain["checkpoints"] = [{**c, "separation": None} for c in found["checkpoints"]]
    text = page(plain)
    assert "<img" not in text and "<video" not in text and "ROC" not in text and "41 %" in text


def test_hostile_names_stay_text(found: dict[str, Any]) -> None:
    odd = copy.deepcopy(found)
    odd["set"] |= {"name": HOSTILE, "label": HOSTILE, "skipped": [{"id": HOSTILE, "reason": HOSTILE}]}
    odd |= {"notes": [HOSTILE], "what": HOSTILE}
    odd["run"] |= {"command": HOSTILE, HOSTILE: HOSTILE}
    for one in odd["checkpoints"]:
        one |= {"name": HOSTILE, "signature": HOSTILE}
        one["separation"]["reason"] = HOSTILE
    for clip in odd["media"]["clips"]:
        clip |= {"id": HOSTILE, "label": HOSTILE, "film": '" onerror="alert(1)', "frames": '"><b>'}
    text = page(odd)
    tags = Parsed(text).tags
    scripts = [a for t, a in tags if t == "script"]
    assert scripts == [{"type": "application/json", "id": "synvid-eval-attention"}]
    assert not [a for _, a in tags if any(k.startswith("on") for k in a)] and "\u202e" not in text


def test_documents_are_checked() -> None:
    good = dump_json(made())
    assert is_one(good) and not is_one("[1]") and not is_one("{") and not is_one('{"schema": "x"}')
    for key in ("set", "what", "checkpoints", "run"):
        bad = {k: v for k, v in json.loads(good).items() if k != key}
        with pytest.raises(DataError, match=f"'{key}' is missing"):
            read(json.dumps(bad), "f")
    bad = json.loads(good)
    bad["checkpoints"][1]["explained"] = 3
    with pytest.raises(DataError, match=r"checkpoints\[1\].*'explained'"):
        read(json.dumps(bad), "f")


def test_shares_and_bounds_for_people() -> None:
    assert [percent(v) for v in (0.41, 0.0996, 0.0994, 0.0, 1.0)] == ["41 %", "10 %", "9.9 %", "0 %", "100 %"]
    assert bounds(None) == "" and bounds({"interval": None}) == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser: Any, found: dict[str, Any], tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "attention.html"
    path.write_text(page(found), "utf-8")
    view, troubles = opened(browser, path, scheme, scripted=False)
    view.locator("video").first.scroll_into_view_if_needed()  # what is not seen does not play
    until(view, "document.querySelector('video').currentTime > 0")
    sizes = view.evaluate("[...document.images].map(i => [i.naturalWidth, i.complete])")
    assert sizes == [[924, True]] * 6
    lefts = view.evaluate("[...document.images].map(i => i.getBoundingClientRect().left)")
    assert len(set(lefts)) == 1  # columns stand below each other
    reached = set()
    for _ in range(20):
        view.keyboard.press("Tab")
        reached.add(view.evaluate("document.activeElement.className || document.activeElement.tagName"))
    assert {"moving", "scroll strips"} <= reached
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in (1280, 390):
        view.set_viewport_size({"width": width, "height": 800})
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        accessible(view)
    view.emulate_media(reduced_motion="reduce")
    assert not view.locator("video").first.is_visible()
    view.emulate_media(media="print", reduced_motion="no-preference")
    assert not view.locator("video").first.is_visible() and view.locator("img").first.is_visible()
    assert troubles == []
    view.context.close()
