"""Cards of the presets and their sheets: what is committed is what the makers make, for all presets."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import synvid_eval
from synvid_eval import generation, published
from synvid_eval.generators import presets
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "data_cards"
SHEETS = REPOSITORY / "reports" / "presets"
NAMES = presets.names()


def maker(name: str) -> ModuleType:
    """A module of experiments/, which is no package."""
    path = REPOSITORY / "experiments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"experiments_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cards() -> ModuleType:
    return maker("data_cards")


@pytest.fixture(scope="module")
def sheets() -> ModuleType:
    return maker("contact_sheets")


def test_the_committed_cards_are_those_that_are_made(cards: ModuleType) -> None:
    made = cards.files()
    assert set(made) == {f"{name}.{end}" for name in NAMES for end in ("md", "croissant.json")}
    stale = [n for n, text in made.items() if not (FOLDER / n).is_file() or (FOLDER / n).read_text() != text]
    assert not stale, "run: python -m experiments.data_cards"
    assert {p.name for p in FOLDER.glob("*.croissant.json")} == {n for n in made if n.endswith(".json")}


def test_cards_of_presets_that_are_gone_are_removed(
    cards: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "OUT", tmp_path)
    monkeypatch.setattr(cards, "files", lambda: {"new.md": "n", "new.croissant.json": "{}"})
    for name in ("old.md", "old.croissant.json", "ucf101.md"):
        (tmp_path / name).write_text("x")
    cards.main()
    assert {p.name for p in tmp_path.iterdir()} == {"new.md", "new.croissant.json", "ucf101.md"}


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_the_preset_is(name: str) -> None:
    _, front, text = (FOLDER / f"{name}.md").read_text().split("---\n", 2)
    facts, preset = yaml.safe_load(front), presets.get(name)
    assert set(facts) == {"license", "pretty_name", "task_categories", "size_categories", "tags"}
    assert name in facts["pretty_name"]
    assert facts["size_categories"] == ["1K<n<10K" if published.of(name) else "n<1K"]
    assert {"video", "synthetic", preset.family.replace("_", "-")} <= set(facts["tags"])
    flat = " ".join(text.split())
    assert preset.note in flat and preset.difference in flat
    assert f"`{preset.extends}`" in text or not preset.extends
    assert all(f"--{need}" in text for need in preset.needs)
    for row in published.table():
        if row.dataset == name:
            assert f"| {row.accuracy:.1f} % | {row.source} |" in text
    for knob in preset.own:
        assert re.search(rf"^\| `{knob}` \| .+ \| {re.escape(name)} \| .+ \|$", text, re.M), knob
    tables = re.compile(r"^(\||    |synvid-eval )")
    assert not [line for line in text.splitlines() if len(line) > 110 and not tables.match(line)]


@pytest.mark.parametrize("name", NAMES)
def test_a_croissant_file_says_what_generate_writes(name: str) -> None:
    facts: dict[str, Any] = json.loads((FOLDER / f"{name}.croissant.json").read_text())
    assert facts["@type"] == "sc:Dataset" and facts["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert facts["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert facts["version"] == synvid_eval.__version__ and re.fullmatch(
        r"\d{4}-\d\d-\d\d", facts["datePublished"]
    )
    assert facts["name"] == name and presets.get(name).note in facts["description"]
    assert facts["license"] and facts["creator"] and facts["keywords"]
    identities = [node["@id"] for node in facts["distribution"]]
    assert identities == ["manifest.jsonl", "preset.toml", "generation.json", "clips"]
    (records,) = facts["recordSet"]
    assert [field["name"] for field in records["field"]] == list(generation._ROW)
    for field in records["field"]:
        assert field["source"]["fileObject"]["@id"] in identities
        assert field["source"]["extract"] == {"column": field["name"]}
        kinds = generation._ROW[field["name"]]
        wanted = "sc:Text" if str in kinds else "sc:Float" if float in kinds else "sc:Integer"
        assert field["dataType"] == wanted and field["description"]
    assert records["key"]["@id"] in {field["@id"] for field in records["field"]}
    # every short name that is used stands in the context, or in schema.org
    assert {"distribution", "recordSet", "isLiveDataset"} <= set(facts)
    assert {"recordSet", "field", "source", "fileObject", "extract", "column"} <= set(facts["@context"])


def test_a_sheet_of_every_preset_is_there_and_small(sheets: ModuleType) -> None:
    assert {p.name.removesuffix(".webp") for p in SHEETS.glob("*.webp")} == set(presets.names())
    assert sheets.VIDEOS == "preset:photo_camera"  # no frame of a real video is committed
    for path in SHEETS.glob("*.webp"):
        assert path.stat().st_size <= sheets.MOST == 60_000
        with Image.open(path) as picture:
            assert picture.format == "WEBP" and min(picture.size) > 300


def test_the_readme_of_the_sheets_is_that_of_the_presets(sheets: ModuleType) -> None:
    text = (SHEETS / "README.md").read_text()
    found = re.search(r"on (\d{4}-\d\d-\d\d) with (.*?); seed 0", text, re.S)
    assert found is not None
    versions = dict(one.rsplit(" ", 1) for one in " ".join(found[2].split()).split(", "))
    assert text == sheets.readme(found[1], versions), "run: python -m experiments.contact_sheets"


def test_a_picture_of_noise_is_made_small_enough(sheets: ModuleType) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    assert len(sheets.webp(noise, 20_000)) <= 20_000
    assert len(sheets.webp(noise, 4_000)) <= 4_000
