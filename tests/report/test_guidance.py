"""The pages of sensitivities and advice: what is sure is seen without colors, hostile names are text."""

from __future__ import annotations

import copy
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synvid_eval.errors import DataError
from synvid_eval.guidance.advice import evidence, suggestions
from synvid_eval.report.guidance import kind_of, page, read
from synvid_eval.report.guidance_rows import between, reasons_of, rows_of, shown, signed, with_interval
from synvid_eval.schemas import STRENGTHS, get, misfit
from synvid_eval.score import dump_json

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script>\u202e<img src=x onerror=alert(1)>"
SIDE = {"name": "ref", "location": "ref/", "fingerprint": "f", "clips": 60, "frames": 960, "skipped": []}
METRICS = (("motion", "match", "D", 0.2, 0.25), ("color", "lower", "nats", 4.0, 4.0),
           ("effective_rank", "higher", "dimensions", 30.0, -30.0))  # fmt: skip


def estimate(value: float | None, half: float | None = None, reason: str | None = None) -> dict[str, Any]:
    ends = None if half is None or value is None else [value - half, value + half]
    sure = ends is not None and (ends[0] > 0 or ends[1] < 0)
    return {"value": value, "interval": ends, "reason": reason, "sure": sure}


def changes(*parts: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    """The change of each metric's objective, with the half width of its interval."""
    found = []
    for (name, better, _, value, objective), (change, half) in zip(METRICS, parts, strict=True):
        sign = 1 if better == "lower" else -1
        reason = "It was refused." if change is None else None if half is not None else "Too few clips."
        of = estimate(change, half, reason)
        own = estimate(None if change is None else sign * change, half, reason)
        moved = 0.0 if change is None else change
        ends = {"value": None, "objective": None} if change is None else {
            "value": value + sign * moved, "objective": objective + moved
        }  # fmt: skip
        found.append({"metric": name, **ends, "change": {"objective": of, "value": own}})
    return found


def slopes(*parts: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    found = []
    for one in changes(*parts):
        both = {k: {"step": one["change"][k], "unit": one["change"][k]} for k in ("objective", "value")}
        sides = 0 if one["value"] is None else 2
        found.append({"metric": one["metric"], "sides": sides, **both})
    return found


def sensitivity(name: str = "circles") -> dict[str, Any]:
    """A document with a number, a choice, and a number that could not be moved."""
    down, up = [(0.05, 0.02), (0.4, 0.2), (2.0, 1.0)], [(-0.06, 0.02), (-1.5, 0.5), (-0.1, 1.0)]

    def tried(value: Any, parts: Any, reason: str | None = None) -> dict[str, Any]:
        knobs = {"speed": f"{value}"}
        return {
            "value": value,
            "knobs": knobs,
            "location": "preset:x",
            "reason": reason,
            "metrics": changes(*parts),
        }

    def dimension(label: str, kind: str, **more: Any) -> dict[str, Any]:
        plain = {
            "name": label, "knob": label, "kind": kind, "start": 2.0, "low": 0.0, "high": 12.0,
            "log": False, "choices": [], "unit": "px/frame", "about": f"what {label} is",
            "group": "motion", "now": "2", "exact": True, "reason": None, "tried": [], "slopes": [],
        }  # fmt: skip
        return plain | more

    none = [(None, None)] * 3
    return {
        "schema": "synvid-eval/sensitivity/1",
        "preset": {"name": name, "place": name, "fixed": {"size": "32"}, "location": "preset:x", "clips": 24,
                   "seed": 0},
        "reference": SIDE,
        "level": 0.95,
        "step": 0.1,
        "metrics": [
            {"metric": m, "unit": unit, "better": better, "kind": "property", "value": value,
             "objective": objective, "noise": 0.01, "reference": 0.45, "reason": None, "signature": f"{m}|1"}
            for m, better, unit, value, objective in METRICS
        ],
        "dimensions": [
            dimension(
                "speed:middle", "real", tried=[tried(0.8, down), tried(3.2, up)],
                slopes=slopes((-0.055, 0.01), (-0.95, 0.3), (-0.2, None)),
            ),
            dimension(
                "tint", "choice", start="none", choices=["none", "red"], unit="",
                tried=[tried("red", [(0.001, 0.01), (3.0, 0.5), (None, None)])],
            ),
            dimension(
                "idle", "real", start=0.0, tried=[tried(1.0, none, "The generator refuses.")],
                slopes=slopes(*none), reason="One-sided: no room. Not measured: 1: refused.", exact=False,
            ),
        ],
        "notes": ["3 of 6 cells are told apart from 0."],
        "run": {"command": "synvid-eval guide sensitivity circles ref/", "versions": {"numpy": "2"}},
    }  # fmt: skip


def advice(strength: str = "beyond chance", name: str = "circles") -> dict[str, Any]:
    """A document with one set that was measured, by the rules themselves, and one that is no preset."""
    found = sensitivity(name)
    gaps = []
    for metric, better, unit, value, _ in METRICS:
        one = {
            "metric": metric, "unit": unit, "better": better, "value": value, "reference": 0.45,
            "gap": 0.25, "interval": [0.2, 0.3], "floor": None, "words": "too low by 0.25",
            "state": "richness" if better == "higher" else "open", "signature": f"{metric}|1",
        }  # fmt: skip
        said = {**evidence(None, one), "strength": strength if metric == "motion" else "chance"}
        gaps.append({**one, "evidence": said})
    missing = {
        **gaps[0], "metric": "fid", "value": None, "gap": None, "interval": None, "state": "missing",
        "words": "needs weights: synvid-eval weights fetch",
    }  # fmt: skip
    one = {
        "name": name, "location": "preset:circles", "accuracy": 84.9, "reason": None,
        "gaps": [*gaps, missing], "suggestions": suggestions(found, gaps, ["ref/"]),
        "nothing": ["color: below noise."], "sensitivity": found,
    }  # fmt: skip
    other = {
        **one, "name": "folder", "location": "folder/", "accuracy": None, "suggestions": [],
        "reason": "folder/ is no preset.", "nothing": [], "sensitivity": None,
    }  # fmt: skip
    return {
        "schema": "synvid-eval/advice/1",
        "comparison": "c.json",
        "reference": SIDE,
        "level": 0.95,
        "evidence": {"source": "correlation.json", "benchmark": "UCF101", "protocol": "finetune", "sets": 29,
                     "families": 7, "band": [84.0, 100.0], "words": "29 sets in 7 families"},
        "strengths": dict(STRENGTHS),
        "sets": [one, other],
        "notes": ["Expect somewhat less."],
        "run": {"command": "synvid-eval guide advise c.json", "seconds": 3.25, "versions": {"numpy": "2"}},
    }  # fmt: skip


MADE = {"sensitivity": sensitivity, "advice": advice}


@pytest.mark.parametrize("kind", sorted(MADE))
def test_a_page_is_a_function_of_its_document(kind: str) -> None:
    found = MADE[kind]()
    jsonschema.validate(found, get(kind))
    text = page(found)
    again = read(dump_json(found), "f")
    assert text == page(again) and kind_of(dump_json(found)) == kind
    assert "<script>" not in text and "script-src" not in text and "default-src 'none'" in text
    assert not re.search(r"(?:src|poster)=\"(?!data:)", text)
    inside = re.search(rf'<script type="application/json" id="synvid-eval-{kind}">(.*?)</script>', text, re.S)
    assert inside and json.loads(inside[1]) == found


def cells(text: str) -> dict[str, list[str]]:
    """Row name → its cells of the first heat table, with their markup."""
    table = re.search(r'<table class="heat">.*?<tbody>(.*?)</tbody>', text, re.S)
    assert table
    rows = re.findall(r"<tr>(.*?)</tr>", table[1], re.S)
    return {
        re.sub(r"<.*?>", "", row.split("</th>")[0]): re.findall(r'<td class="number.*?</td>', row, re.S)
        for row in rows
    }


@pytest.mark.parametrize("kind", sorted(MADE))
def test_what_is_sure_is_marked_by_more_than_color(kind: str) -> None:
    found = cells(page(MADE[kind]()))
    motion, color, rank = found["speed:middlepx/frame"]
    assert "near s3" in motion and "▼" in motion and "sure: nearer" in motion  # 0.055 of 0.25
    assert "near s3" in color and "−0.9" in color and "[−1.2, −0.6]" in color
    assert "weak" in rank and "▼" not in rank and "not separable from 0" in rank
    motion, color, rank = found["tint"]
    assert "weak" in motion and "far s4" in color and "▲" in color and "sure: farther" in color
    assert "none" in rank and "–" in rank and "not measured" in rank
    assert all('class="number none"' in cell for cell in found["idlepx/frame"])
    text = page(MADE[kind]())
    assert "The generator refuses" not in text.split('id="synvid-eval')[0] or kind == "advice"
    assert "One-sided: no room." in text and "4.00 nats" in text and "reference 0.450" in text
    # richness is not set against the reference's own
    assert not re.search(r"30.0 dimensions, reference", text)


def test_a_suggestion_is_a_card_with_its_command() -> None:
    found = advice()
    text = page(found)
    card = re.search(r'<article class="step".*?</article>', text, re.S)
    assert card
    plain = " ".join(re.sub(r"<.*?>", " ", card[0]).split())
    assert "speed:middle 2 → 3.2 px/frame" in plain and "motion : 24 % of its gap" in plain
    assert "Evidence that it matters: beyond chance" in plain
    assert "▼ better" in plain and "not separable from 0" in plain
    assert found["sets"][0]["suggestions"][0]["command"].replace("&", "&amp;") in card[0].replace(
        "&#39;", "'"
    )
    assert "published accuracy 84.9 %" in text and "Nothing was tried: folder/ is no preset." in text
    assert "Not measured: fid (needs weights: synvid-eval weights fetch)." in text
    assert "color: below noise." in text and "Nothing is advised" not in text
    assert all(meaning in text for meaning in STRENGTHS.values())


def test_what_is_not_advised_is_folded_with_its_reason() -> None:
    text = page(advice("chance"))
    assert "Nothing is advised" in text
    folded = re.search(r"<details><summary>1 more that move.*?</details>", text, re.S)
    assert folded and "Not advised: the evidence that color matters is below noise." in folded[0]
    assert 'class="step"' not in text.replace(folded[0], "")


def poisoned(value: Any) -> Any:
    """Every text that no rule of the schema fixes, and every free key, made hostile."""
    if isinstance(value, dict):
        fixed = ("schema", "better", "kind", "state", "strength", "effect")
        return {
            (HOSTILE + k if k in ("numpy", "size", "speed") else k): v if k in fixed else poisoned(v)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [poisoned(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("kind", sorted(MADE))
def test_hostile_names_stay_text(kind: str) -> None:
    odd = poisoned(MADE[kind]())
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
    text = page(odd)
    parser.feed(text)
    assert [a for t, a in tags if t == "script"] == [
        {"type": "application/json", "id": f"synvid-eval-{kind}"}
    ]
    assert not [t for t, _ in tags if t == "img"]
    assert not [a for _, a in tags if any(k.startswith("on") for k in a)] and "\u202e" not in text


@pytest.mark.parametrize("kind", sorted(MADE))
def test_documents_are_held_against_their_schema(kind: str) -> None:
    good = dump_json(MADE[kind]())
    assert kind_of("[1]") is kind_of("{") is kind_of('{"schema": "x"}') is None
    inner = {"sensitivity": "dimensions[0].slopes", "advice": "sets[0].gaps"}[kind]
    bad = json.loads(good)
    if kind == "sensitivity":
        bad["dimensions"][0]["slopes"] = 3
    else:
        bad["sets"][0]["gaps"] = 3
    with pytest.raises(DataError, match=re.escape(f"f is no {kind}: it.{inner} is no array.")):
        read(json.dumps(bad), "f")
    del bad["notes"]
    with pytest.raises(DataError, match="it lacks 'notes'"):
        read(json.dumps(bad), "f")
    with pytest.raises(DataError, match=r"Give a file that guide (sensitivity|advise) --json F wrote"):
        read("{", "f")


SPOILT = [
    (lambda d: d.update(level=2), "it.level is 2, out of range"),
    (lambda d: d.update(step=0), "it.step is 0, out of range"),
    (lambda d: d.update(extra=1), "it has an unknown key 'extra'"),
    (lambda d: d["preset"].update(clips=-1), "it.preset.clips is -1, out of range"),
    (lambda d: d["preset"].update(clips=True), "it.preset.clips is no integer"),
    (lambda d: d["metrics"][0].update(better="less"), "it.metrics[0].better is 'less', none of"),
    (lambda d: d["metrics"][1].update(value="x"), "it.metrics[1].value is no number or null"),
    (lambda d: d["dimensions"][0]["slopes"][0].update(sides=True), "sides is 'True', none of 0, 1, 2"),
    (lambda d: d["dimensions"][1].update(start=None), "start is no number or string or boolean"),
    (lambda d: d["dimensions"][0]["slopes"][0]["value"]["step"].update(interval=[1.0]), "has 1 entries"),
    (lambda d: d["notes"].append(3), "it.notes[1] is no string"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
def test_what_does_not_fit_is_said_as_the_schema_sees_it(spoil: Any, said: str) -> None:
    found = sensitivity()
    assert misfit(found, get("sensitivity")) == ""
    spoil(found)
    assert said in misfit(found, get("sensitivity"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, get("sensitivity"))


def test_a_reason_that_several_share_is_told_once() -> None:
    found = sensitivity()
    found["metrics"][0]["reason"] = "No stride."
    for dimension in found["dimensions"][:2]:
        dimension["reason"] = "One-sided."
    reasons = reasons_of(found)
    assert [r[0] for r in reasons] == [["motion"], ["speed:middle", "tint"], ["idle"]]
    assert "speed:middle, tint" in re.sub(r"<.*?>", "", page(found))


def test_rows_and_numbers() -> None:
    rows = rows_of(sensitivity())
    assert [(r.name, r.start, r.tried) for r in rows] == [
        ("speed:middle", "2", "0.8 … 3.2"), ("tint", "none", "→ red"), ("idle", "0", "–")
    ]  # fmt: skip
    assert [c.sure for c in rows[0].cells] == [True, True, False]
    assert rows[0].cells[0].share == pytest.approx(-0.22) and rows[0].cells[2].interval == "Too few clips."
    assert rows[2].cells[0].reason == "It was refused." and rows[2].cells[0].share is None
    one = sensitivity()["dimensions"][0]
    for kept, said in (([0], "0.8 … 2"), ([1], "2 … 3.2"), ([], "–")):
        assert between({**one, "tried": [one["tried"][k] for k in kept]}) == said
    assert (
        between({**one, "start": "x"}) == between({**one, "tried": [{"value": "x", "reason": None}]}) == "–"
    )
    assert [shown(v) for v in (True, 3, 0.33333, -2.5, 120000, "x")] == [
        "true", "3", "0.3333", "−2.5", "120,000", "x"
    ]  # fmt: skip
    assert [signed(v) for v in (1.5, -1.5, 0.0, None)] == ["+1.50", "−1.50", "0", "–"]
    assert with_interval(estimate(0.5, 0.2)) == "+0.5 [0.3, 0.7]"
    assert with_interval(estimate(0.5)) == "+0.500"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(tmp_path: Path, scheme: str) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    with api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_context(offline=True, color_scheme=scheme).new_page()
        troubles: list[str] = []
        view.on("console", lambda m: troubles.append(m.text))
        own = (tmp_path.as_uri(), "data:")
        view.on("request", lambda r: None if r.url.startswith(own) else troubles.append(r.url))
        for kind, made in MADE.items():
            path = tmp_path / f"{kind}.html"
            path.write_text(page(made()), "utf-8")
            view.goto(path.as_uri())
            view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            for width in (1280, 380):
                view.set_viewport_size({"width": width, "height": 800})
                assert view.evaluate("document.documentElement.scrollWidth") <= width
                report = axe.Axe().run(view)
                assert report.violations_count == 0, report.generate_report()
            shades = view.evaluate(
                "[...document.querySelectorAll('.heat td.near, .heat td.far, .heat td.weak')]"
                ".map(c => [c.className, getComputedStyle(c).backgroundColor])"
            )
            # each shade is a color of its own, and none of them that of what is not sure
            colors = dict(shades)
            assert len(set(colors.values())) == len(colors) >= 3, colors
            view.emulate_media(media="print")
            assert view.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "none"
            view.emulate_media(media="screen")
        assert troubles == []
        browser.close()


def test_an_empty_advice_is_a_page() -> None:
    bare = copy.deepcopy(advice())
    bare["sets"] = []
    bare["notes"] = []
    bare["run"] = {}
    assert "<h1>" in page(bare)
    one = sensitivity()
    one |= {"dimensions": [], "metrics": [], "notes": [], "run": {}}
    assert "<h1>" in page(one)
