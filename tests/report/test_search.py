"""The page of `guide search`: what it says is what the document bears, hostile names are text, no script."""

from __future__ import annotations

import copy
import html
import json
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synvid_eval.errors import DataError
from synvid_eval.report import trials
from synvid_eval.report.search import is_one, page, read
from synvid_eval.schemas import get
from synvid_eval.score import dump_json
from tests.conftest import Run

from .example_search import search
from .pages import HOSTILE, accessible, opened, until
from .test_page import Parsed


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Three objectives, with failed trials, one that breaks a constraint, and pictures."""
    made: dict[str, Any] = json.loads(dump_json(search()))
    return made


def words(text: str, query: str = "") -> str:
    """What a page says, without its data, on one line; from `query` on."""
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", "", text, flags=re.S)
    plain = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", shown).split()))
    plain = re.sub(r" ([.,;:)])", r"\1", plain)
    return plain[plain.index(query) :] if query else plain


def table(text: str, title: str) -> list[list[str]]:
    """The cells of the folded table below a picture."""
    inside = re.search(rf'aria-label="Table: {re.escape(title)}">(.*?)</table>', text, re.S)
    assert inside, title
    lines = re.findall(r"<tr>(.*?)</tr>", inside[1], re.S)
    return [[re.sub(r"<.*?>", "", c) for c in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", x)] for x in lines]


def picture(text: str, identity: str) -> str:
    inside = re.search(rf'<svg role="img" id="{identity}".*?</svg>', text, re.S)
    assert inside, identity
    return inside[0]


# What the page is


def test_the_page_is_a_function_of_its_document(found: dict[str, Any]) -> None:
    jsonschema.validate(found, get("search"))
    text = page(found)
    assert text == page(read(dump_json(found), "f"))
    assert "<script>" not in text and "script-src" not in text and "default-src 'none'" in text
    assert not re.search(r"(?:src|poster)=\"(?!data:)", text)
    inside = re.search(r'<script type="application/json" id="synvid-eval-search">(.*?)</script>', text, re.S)
    assert inside and json.loads(inside[1]) == found


def test_numbers_that_are_none_make_the_same_bytes() -> None:
    one = search(("color",))
    one["trials"][4]["noise"]["color"] = math.nan
    one["start"]["color"]["noise"] = math.nan
    assert page(one) == page(read(dump_json(one), "f"))


def test_documents_are_known_and_checked(found: dict[str, Any]) -> None:
    good = dump_json(found)
    assert is_one(good) and not is_one("[1]") and not is_one("{") and not is_one('{"schema": "x"}')
    for key in ("preset", "trials", "gain", "found", "comparison"):
        with pytest.raises(DataError, match=f"f is no search: .*{key}"):
            read(json.dumps({k: v for k, v in found.items() if k != key}), "f")
    with pytest.raises(DataError, match="no JSON"):
        read("{", "f")


def test_report_makes_the_same_bytes_again(found: dict[str, Any], run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(dump_json(found))
    done = run_cli("report", "s.json", "--html", "s.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s.html").read_text() == page(found)
    dry = run_cli("report", "s.json", "--html", "s.html", "--dry-run")
    assert "a search of 24 trials over 14 dimensions" in dry.stdout
    (tmp_path / "s.json").write_text(dump_json({"schema": found["schema"], "preset": "x"}))
    bad = run_cli("report", "s.json", "--html", "t.html")
    assert bad.returncode == 3 and "s.json is no search" in bad.stderr and not (tmp_path / "t.html").exists()


# What it says


def test_a_gain_is_one_only_where_its_interval_says_so(found: dict[str, Any]) -> None:
    said = words(page(found), "What was found is")
    assert said.startswith(
        "What was found is nearer in color (0.28 [0.18, 0.38] of the start’s gap) and farther in tubelet "
        "(1.20 [1.10, 1.30]). No change can be told in motion (0.90 [0.80, 1.00])."
    )
    assert (
        "Measured again on 100 fresh clips, against the 61 clips of ucf101 that the search never saw" in said
    )
    assert "What was not searched: effective_rank is richer (+6.7 [4.8, 8.6]); spectrum could not be" in said
    assert "spectrum ≈ α not measured No clip is large enough." in said
    kept = found["kept"]
    assert (
        f"Trial {kept} is kept: of the best 3, measured again, its worst gap is the smallest share." in said
    )
    assert "So 3 were measured again before one was kept" in said
    assert f"Trial color, ratio motion, ratio tubelet, ratio {kept} kept 0.400 0.400 0.400" in said
    assert "What was to hold: effective_rank>=start; 1 trial broke it. 2 trials failed;" in said


def test_a_ratio_without_an_interval_is_no_gain(found: dict[str, Any]) -> None:
    odd = copy.deepcopy(found)
    for row in odd["gain"]["metrics"][:3]:
        row["ratio"] |= {"interval": None, "reason": "The reference's clips fill 3 groups."}
    said = words(page(odd))
    assert (
        "No interval is known of color (0.280 of the start’s gap), motion (0.900) and tubelet (1.20)." in said
    )
    assert "nearer in" not in said.split("The gain, measured again")[0].split("?")[-1]
    assert "The reference's clips fill 3 groups." in said


@pytest.mark.parametrize(("labels", "pairs"), [(("color",), 0), (("color", "motion"), 1), (None, 3)])
def test_one_two_and_three_objectives(labels: tuple[str, ...] | None, pairs: int) -> None:
    one = search(labels) if labels else search()
    text = page(one)
    assert len(re.findall(r'<svg role="img" id="over-', text)) == len(one["minimize"])
    assert len(re.findall(r'<svg role="img" id="pair-', text)) == pairs
    assert ('<h2 id="front">' in text) == (pairs > 0)
    assert len(re.findall(r'<svg role="img" id="importance-', text)) == len(one["minimize"])
    if labels == ("color",):
        assert f"Trial {one['kept']} is kept: of the best 3, measured again, its gap is the small" in words(
            text
        )


def test_of_more_objectives_the_first_four_are_paired() -> None:
    one = search(("color", "motion", "tubelet", "effective_rank", "spectrum"))
    text = page(one)
    assert len(re.findall(r'<svg role="img" id="pair-', text)) == 6
    assert "Pairs of the first objectives are drawn; 1 more are in the tables." in words(text)


def test_a_richness_is_drawn_as_it_is_read() -> None:
    """Its objective has its sign turned: the best so far goes up."""
    one = search(("effective_rank", "color"))
    text = page(one)
    rows = table(text, "effective_rank over trials")[1:]
    assert rows[0][2] == "87.0" and rows[0][4] == "87.0"
    best = [float(row[4]) for row in rows]
    assert best == sorted(best) and best[-1] > 87
    assert "Higher is better." in words(text) and "The best of both lies at the lower right." in words(text)
    assert "to bring it nearer to ucf101 in color and richer in effective_rank" in words(text)
    # measured again: what it gained, beside a share of the other's gap
    assert one["confirmed"][0]["shares"] == {"effective_rank": 0.4, "color": 0.4}
    gained = f"{one['kept']} kept +{0.6 * 87:.1f} 0.400"
    assert f"Trial effective_rank, difference color, ratio {gained}" in words(text)


@pytest.mark.parametrize("labels", [("color",), ("color", "motion")])
def test_nothing_better_is_said_plainly(labels: tuple[str, ...]) -> None:
    one = search(labels, better=False)
    assert one["kept"] == 0 and one["found"]["changed"] == {}
    text = page(one)
    said = words(text)
    assert "Nothing better was found: none of 24 trials proved better in color" in said
    assert "The preset stays as it is." in said and "Nothing: no trial was better than the preset" in said
    assert "as it was" in said and "nearer in" not in said and "What was not searched" not in said
    assert '<tr class="best">' not in text.partition('id="again"')[0]
    # the kept mark lies on the start's
    assert 'class="points dots c1"' in picture(text, "over-0")
    assert 'class="points dots c3"' in picture(text, "over-0")


def test_what_changed_and_the_command_that_tries_it(found: dict[str, Any]) -> None:
    kept = found["trials"][found["kept"]]["point"]
    said = words(page(found), "What changed Knob")
    assert f"objects 500 {kept['objects']:g} objects of a clip" in said
    assert (
        f"speed 1.2:3.0 → 1.5:3.5 speed of an object middle 2.1 {kept['speed:middle']:g} px/frame spread"
        in said
    )
    assert "palette uniform → lab(l=58.8) lab.l 7" in said
    assert "Given by the command, not searched: shapes=circle." in said
    assert "The preset file best.toml holds it." in said
    assert "synvid-eval compare 'preset:best.toml?n=100' data/ucf101" in said


def test_what_lies_at_its_bound_is_marked(found: dict[str, Any]) -> None:
    assert "At the edge" not in page(found)
    odd = copy.deepcopy(found)
    value = odd["trials"][odd["kept"]]["point"]["objects"]
    odd["found"]["at_bound"] = [{"dimension": "objects", "value": value, "end": "low", "bound": 20}]
    jsonschema.validate(odd, get("search"))
    said = words(page(odd), "What changed Knob")
    assert f"objects 500 {value:g} at its bound" in said
    assert f"beyond it there may be better ones: objects {value:g} (least 20)." in said


def test_the_command_is_safe_to_paste(found: dict[str, Any]) -> None:
    odd = copy.deepcopy(found)
    odd["found"]["file"], odd["reference"]["location"] = "a'; rm -rf x #.toml", "$(reboot)"
    said = words(page(odd))
    assert "synvid-eval compare 'preset:a'\"'\"'; rm -rf x #.toml?n=100' '$(reboot)'" in said


# What it draws


def test_the_best_so_far_is_of_trials_that_keep_the_constraint(found: dict[str, Any]) -> None:
    odd = copy.deepcopy(found)
    odd["trials"][5]["objectives"]["color"] = 0.01  # it breaks the constraint
    rows = table(page(odd), "color over trials")[1:]
    least = math.inf
    for trial, row in zip(odd["trials"], rows, strict=True):
        if trial["feasible"]:
            least = min(least, trial["objectives"]["color"])
        assert float(row[4]) == pytest.approx(least, rel=5e-3)
    assert rows[5][1:3] == ["breaks a constraint", "0.0100"] and rows[3][1:4] == ["failed", "–", "–"]


def test_each_trial_has_a_mark_that_says_what_it_is(found: dict[str, Any]) -> None:
    everyone = trials.trials(found, trials.objectives(found))
    roles = [t.role for t in everyone]
    assert roles[0] == "start" and roles[3] == roles[7] == "failed" and roles[5] == "broken"
    assert roles[found["kept"]] == "kept"
    assert {k for k, r in enumerate(roles) if r == "front"} == set(found["front"]) - {found["kept"], 0}
    figure = trials.over_trials("x", everyone, trials.objectives(found)[0])
    assert figure is not None
    body, _, key = str(figure.svg).partition('class="text legend"')
    marks = re.findall(r'<g class="(points [^"]+)"><path d="([^"]*)"', body)
    # a cross is one piece of a path, too
    assert {kind: path.count("M") for kind, path in marks} == {
        "points others": roles.count("other"),
        "points strokes c4": 1,
        "points dots c6": 2,
        "points dots c2": roles.count("front"),
        "points dots c3": 1,
        "points dots c1": 1,
    }
    # no two roles have one shape: what is drawn around a place, whatever its size
    shapes = {
        re.sub(r"[\d.]+", "", path)
        for _, path in re.findall(r'<g class="(points [^"]+)"><path d="([^"]*)"', key)
    }
    assert len(shapes) == 6


def test_parallel_coordinates_stand_where_the_values_are(found: dict[str, Any]) -> None:
    space = {d.name: d for d in trials.dimensions(found)}
    assert space["objects"].share(20) == 0 and space["objects"].share(1000) == 1
    assert space["objects"].share(math.sqrt(20 * 1000)) == pytest.approx(0.5)  # logarithmic
    assert space["speed:middle"].share(3) == pytest.approx(0.25)
    assert [space["background"].share(c) for c in ("black", "color", "pink")] == [0.25, 0.75, None]
    assert [space["mirrored"].share(c) for c in (False, True, 0, None)] == [0.25, 0.75, None, None]
    assert space["objects"].share("x") is None and space["objects"].share(-1) is None
    wanted = trials.objectives(found)
    figure = trials.parallel("p", trials.trials(found, wanted), list(space.values()), wanted)
    assert figure is not None
    # the kept trial's line: a place a row, the first at its number of objects
    path = re.search(r'<path d="(M[^"]*)" class="line kept c1"', str(figure.svg))
    assert path
    places = [tuple(map(float, p.split())) for p in re.split("[ML]", path[1])[1:]]
    assert len(places) == len(space) + 3
    kept = found["trials"][found["kept"]]["point"]
    share = math.log(kept["objects"] / 20) / math.log(50)
    assert places[0][0] == pytest.approx(200 + 542 * share, abs=0.06)
    assert figure.rows[0][:2] == [str(found["kept"]), "kept"] and figure.rows[1][1] == "the preset as it is"
    assert len(figure.rows) == sum(t["state"] == "done" for t in found["trials"])


def test_importances_are_sorted_and_the_rest_is_in_the_table(found: dict[str, Any]) -> None:
    text = page(found)
    rows = table(text, "What decides color")[1:]
    shares = found["importances"]["color"]
    assert [row[0] for row in rows] == sorted(shares, key=lambda k: -shares[k])
    assert picture(text, "importance-0").count('class="bar c0"') == 12
    assert "2 more decide less; they are in the table." in words(text)


def test_few_trials_have_no_importances() -> None:
    one = search(("color",), 5, failed=(), broken=())
    assert one["importances"] == {}
    said = words(page(one))
    assert "Too few trials were measured to tell." in said and "failed" not in said
    assert "every trial kept it" in said


def test_failed_trials_are_listed_by_reason(found: dict[str, Any]) -> None:
    said = words(page(found))
    assert "2 failed trials Trials 3 and 7: moving_shapes: objects of no size. Trial odd." in said
    assert "Failed trials stand on the upper edge." in said


def test_many_trials_are_thinned_and_it_says_so() -> None:
    one = search(("color",), 1200, pictures=False)
    text = page(one)
    assert "The first 200 of 1200; all are in the JSON." in text
    assert re.search(r"300 of \d+ of the gray ones are drawn\.", text)
    data = re.search(r'id="synvid-eval-search">(.*?)</script>', text, re.S)
    assert data and len(text) - len(data[1]) < 600_000


# Before and after


def test_clips_of_both_stand_beside_each_other(found: dict[str, Any]) -> None:
    text = page(found)
    films = re.findall(r'<video [^>]*aria-label="Clip ([^"]*) of the (start|found), playing"', text)
    assert len(films) == 8 and [which for _, which in films] == ["start", "found"] * 4
    assert [clip for clip, _ in films[::2]] == [clip for clip, _ in films[1::2]]
    assert text.count('class="still"') == 8


def test_colors_and_spectra_of_start_found_and_reference(found: dict[str, Any]) -> None:
    text = page(found)
    for title in ("Colors in the a*b* plane", "Lightness", "Amplitude over spatial frequency"):
        assert [row[0] for row in table(text, title)[1:]] == ["ucf101-unseen", "moving_shapes", "found"]
    assert "What differs" in text and "What differs" not in page(search(("color",)))  # of what was searched
    legend = re.findall(r"<text[^>]*>(reference|start|found)</text>", text)
    assert {"reference", "start", "found"} <= set(legend)


def test_missing_media_and_an_odd_comparison(found: dict[str, Any]) -> None:
    bare = page(search(pictures=False))
    assert "<video" not in bare and "No previews are in the data" in bare and "over-0" in bare
    odd = copy.deepcopy(found)
    odd["comparison"]["media"] = {"clips": {}, "no_clips": {"found": HOSTILE}}
    assert "No previews: &lt;/script" in page(odd)
    for broken in ({}, {"schema": "x"}, None, 3, {**found["comparison"], "scores": [{}]}):
        text = page({**found, "comparison": broken})
        assert "comparison" in words(text) and "The gain, measured again" in text and "<video" not in text


# Hostile data


def _everywhere(value: Any, of: str) -> Any:
    """All texts of a document replaced, those of media and of its schema apart."""
    if isinstance(value, dict):
        return {
            k: v if k in ("schema", "media", "state", "kind") else _everywhere(v, of)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_everywhere(v, of) for v in value]
    return of if isinstance(value, str) else value


def test_hostile_names_stay_text(found: dict[str, Any]) -> None:
    odd = _everywhere(found, HOSTILE)
    odd["comparison"] = copy.deepcopy(found["comparison"])
    names = iter((HOSTILE, f"{HOSTILE}2"))
    renamed = {c["name"]: next(names) for c in odd["comparison"]["candidates"]}
    for one in odd["comparison"]["candidates"]:
        one["name"] = renamed[one["name"]]
    for one in odd["comparison"]["scores"]:
        one["candidate"] = renamed[one["candidate"]]
    media = odd["comparison"]["media"]
    media["clips"] = {renamed[k]: v for k, v in media["clips"].items()}
    for own in media["clips"].values():
        for one in own:
            one["id"] = HOSTILE
        own[1] |= {"video": '" onerror="alert(1)', "shown": True}
        own[2] |= {"poster": '"><b>', "shown": True}
    odd |= {"minimize": [HOSTILE, "color"], "importances": {HOSTILE: {HOSTILE: 1.0}}, HOSTILE: HOSTILE}
    odd["start"] |= {HOSTILE: {"objective": 3.0}}
    odd["found"] = {"file": HOSTILE, "changed": {HOSTILE: HOSTILE, "palette": HOSTILE}, "trial": 1}
    for trial in odd["trials"]:
        trial["objectives"] |= {HOSTILE: 2.0 + trial["turn"]}
        trial["broken"] = {HOSTILE: 1.0}
    text = page(odd)
    tags = Parsed(text).tags
    assert [a for t, a in tags if t == "script"] == [{"type": "application/json", "id": "synvid-eval-search"}]
    assert not [a for _, a in tags if any(k.startswith("on") for k in a)]
    assert "\u202e" not in text
    sources = [v for _, a in tags for k, v in a.items() if k in ("src", "poster")]
    assert sources and all(
        re.fullmatch(r"data:(image/webp|video/webm);base64,[A-Za-z0-9+/=]+", v or "") for v in sources
    )


@pytest.mark.parametrize("odd", [None, "x", {}, [None, [3]], {"color": "x"}, 1e300, True])
def test_odd_data_are_left_out(odd: Any) -> None:
    small: dict[str, Any] = json.loads(dump_json(search(("color", "motion"), 4, parts=1, pictures=False)))
    small["comparison"] = {}
    for key in small:
        if key != "schema":
            assert "<h1>" in page({**small, key: odd}), key
    for key in ("trials", "space"):
        for inner in small[key][0]:
            changed = [{**one, inner: odd} for one in small[key]]
            assert "<h1>" in page({**small, key: changed}), (key, inner)
    for inner in small["gain"]["metrics"][0]:
        rows = [{**row, inner: odd} for row in small["gain"]["metrics"]]
        assert "<h1>" in page({**small, "gain": {**small["gain"], "metrics": rows}}), inner
    for key in ("found", "reference"):
        for inner in small[key]:
            assert "<h1>" in page({**small, key: {**small[key], inner: odd}}), (key, inner)


# In a browser


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_in_a_browser(browser: Any, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "search.html"
    path.write_text(page(search(("color", "motion"), 10, parts=2)), "utf-8")
    view, troubles = opened(browser, path, scheme, scripted=False)
    view.locator("video").first.scroll_into_view_if_needed()  # what is not seen does not play
    until(view, "document.querySelector('video').currentTime > 0")
    regions = "[...document.querySelectorAll('.scroll')].map(e => [e.tabIndex, e.ariaLabel !== ''])"
    assert view.evaluate(regions) == [[0, True]] * view.locator(".scroll").count()
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in (1280, 380):
        view.set_viewport_size({"width": width, "height": 800})
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        accessible(view)
    # on a phone parallel coordinates scroll within their region, and can be read
    assert view.evaluate("document.querySelector('#parallel').getBoundingClientRect().width") >= 600
    view.emulate_media(reduced_motion="reduce")
    assert not view.locator("video").first.is_visible() and view.locator("img.still").first.is_visible()
    view.emulate_media(media="print", reduced_motion="no-preference", color_scheme="light")
    view.set_viewport_size({"width": 688, "height": 800})  # A4 without its margins
    assert not view.locator("video").first.is_visible() and view.locator("img.still").first.is_visible()
    wide = view.evaluate("[...document.querySelectorAll('table')].map(t => t.scrollWidth)")
    assert max(wide) <= 688
    assert view.evaluate("document.querySelector('#parallel').getBoundingClientRect().width") <= 688
    assert troubles == []
    view.context.close()


def test_no_text_of_the_pictures_is_cut_or_lies_on_another(browser: Any, tmp_path: Path) -> None:
    """Of 21 dimensions and three objectives."""
    path = tmp_path / "search.html"
    path.write_text(page(search(parts=16, pictures=False)), "utf-8")
    view, _ = opened(browser, path, scripted=False)
    for identity in ("over-0", "over-1", "pair-0", "pair-2", "parallel", "importance-0"):
        outside, over = view.evaluate(OVERLAPS, identity)
        assert outside == [] and over == [], identity
    view.context.close()


OVERLAPS = """id => {
  const svg = document.getElementById(id), {width, height} = svg.viewBox.baseVal;
  const boxes = [...svg.querySelectorAll('text')].filter(e => !e.getAttribute('transform'))
    .map(e => [e.textContent, e.getBBox()]);
  const outside = boxes.filter(([, b]) => b.x < -1 || b.y < -2 || b.x + b.width > width + 1
    || b.y + b.height > height + 2).map(([t]) => t);
  const over = [];
  boxes.forEach(([s, a], i) => boxes.slice(0, i).forEach(([t, b]) => {
    const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
    const h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
    if (w > 3 && h > 4) over.push([s, t]);
  }));
  return [outside, over];
}"""
