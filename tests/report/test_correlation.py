"""The page of a correlation: what it says and must not say, self-contained, deaf to hostile names."""

from __future__ import annotations

import base64
import copy
import functools
import hashlib
import json
import re
from typing import Any

import pytest

from synvid_eval.correlation import p_text, short_number
from synvid_eval.errors import DataError
from synvid_eval.report import labels, scatter, svg
from synvid_eval.report.correlation import page, write_page

from .example_correlation import METRICS, correlation, hostile, sets, with_media, without_numbers
from .test_page import ATTRIBUTES, HOSTILE, TAGS, Parsed

FULL = correlation(sets(34), std=True, given="color")
SMALL = correlation(sets(5), metrics={"motion": "match"})
CASES: dict[str, Any] = {
    "full": FULL,
    "one": correlation(sets(1)),
    "four": correlation(sets(4), unknown=0),
    "no numbers": without_numbers(FULL),
    "no families": correlation(sets(12), families=False, band=None, unknown=3),
    "no band": correlation(sets(12), band=None, unknown=0),
    "no prediction": {**FULL, "prediction": None},
    "media": with_media(FULL, "GkXfow=="),
    "hostile": hostile(),
    "nothing": {**FULL, "sets": [], "metrics": [], "media": {}},
}
MARKED = {
    *(
        "data-family",
        "data-fixed",
        "dy",
        "data-kind",
        "data-log",
        "data-off",
        "data-row",
        "data-sets",
        "data-text",
    ),
    *("loading",),
}


def embedded(text: str) -> Any:
    parsed = Parsed(text)
    whole = "".join(t for _, attrs, t in parsed.raw if attrs.get("id") == "correlation")
    images = {a["id"]: (a["src"] or "").partition(",")[2] for tag, a in parsed.tags if tag == "img"}
    shared = "".join(t for _, attrs, t in parsed.raw if attrs.get("id") == "shared").split("\n")
    whole = re.sub(r'(?<!\\)"#(\d+)"', lambda m: shared[int(m[1])] if shared != [""] else m[0], whole)
    return json.loads(re.sub(r'"poster":"#(clip-\w+-\d+)"', lambda m: f'"poster":"{images[m[1]]}"', whole))


@functools.cache
def html(case: str) -> str:
    """The page of a case."""
    return page(CASES[case])


def said(data: Any) -> str:
    """What the page of a case, or of a document, says."""
    text = html(data) if isinstance(data, str) else page(data)
    return " ".join(" ".join(Parsed(text).text).split())


@pytest.mark.parametrize("case", CASES)
def test_same_bytes_our_markup_and_equal_data_inside(case: str) -> None:
    data = CASES[case]
    before = copy.deepcopy(data)
    text = page(data)
    assert data == before
    assert text == page(json.loads(json.dumps(data)))
    text.encode("utf-8")
    parsed = Parsed(text)
    assert {tag for tag, _ in parsed.tags} <= TAGS | {"tspan"}
    assert {key for _, attrs in parsed.tags for key in attrs} <= ATTRIBUTES | MARKED
    assert not parsed.comments
    assert embedded(text) == json.loads(json.dumps(data))
    identities = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(identities) == len(set(identities))
    for _, attrs in parsed.tags:
        assert (attrs.get("href") or "#").startswith("#")
        assert (attrs.get("href") or "#main")[1:] in [*identities, "main"]
        assert (attrs.get("src") or "data:image/webp;base64,").startswith("data:image/webp;base64,")
        assert "style" not in attrs
        assert not any(key.startswith("on") for key in attrs)
        for key in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(key) or "").split()) <= set(identities)
    assert "NaN" not in text
    assert "None" not in said(case)


def test_policy_holds_the_hashes_of_what_stands_inside() -> None:
    parsed = Parsed(html("full"))
    policy = next(a["content"] for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    code = "".join(text for tag, attrs, text in parsed.raw if tag == "script" and not attrs)
    style = "".join(text for tag, _, text in parsed.raw if tag == "style")
    for kind, text in (("script", code), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert code.startswith('"use strict";\n{\n')
    for never in ("eval(", "Function(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                  "fetch(", "XMLHttpRequest", "import(", "http:", "localStorage"):  # fmt: skip
        assert never not in code.replace("http://www.w3.org/2000/svg", ""), never
    assert len(code.encode()) < 42_000


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_and_stays_whole(name: str) -> None:
    data = correlation([name, *sets(6)])
    text = page(data)
    visible = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    assert visible in "".join(Parsed(text).text)
    if name != visible or "<" in name:
        assert name not in text


def test_no_byte_of_the_page_is_hostile() -> None:
    text = html("hostile")
    assert text.count("<script>") == 1
    for sign in ("<b>bold", "<img src=x", "\u202e", "\0", "alert(1)</script", "<!--"):
        assert sign not in text


def test_what_a_reader_finds_first() -> None:
    text = said("full")
    order = [
        "Which measurement goes with UCF101 finetune accuracy?",
        FULL["headline"],
        "p as the best of all: in all 5,040 ways of exchanging the accuracies of whole families, the share "
        "in which any of the 5 metrics, by r or by rho, does at least as well as this one.",
        "Numbers of random networks are controls",
        "Coefficients",
        "Accuracy against each metric",
        "The sets",
        "Measured, without an accuracy",
        "Accuracies of sets that were not measured",
        "Accuracy from several metrics",
        "How the numbers were made",
    ]
    at = text.index("Recipe")  # after the links to sections
    for words in order:
        at = text.index(words, at) + 1
    for words in (
        "new_0",
        "never",
        "synvid-eval correlate a.json",
        "tubelet|1f",
        "b.json",
        "34 sets in 7 families",
        "84 to 100 %",
        "set_01_with_a_rather_long_name_of_its_own",
    ):
        assert words in text or words in text.replace("_ ", "_"), words


@pytest.mark.parametrize("case", ["full", "four", "no families", "no band", "nothing", "media"])
def test_nothing_is_said_that_the_sets_cannot_bear(case: str) -> None:
    shown = Parsed(html(case).partition("<script")[0])
    text = " ".join(shown.text).lower().replace("no prediction: ", "")
    for never in ("predict", "best set", "diverse", "significant", "winner", "stands in for fid"):
        assert never not in text, never


def matrix(text: str) -> list[list[str]]:
    table = re.findall(r'<table class="overview sortable matrix".*?</table>', text, re.S)[0]
    rows = re.findall(r"<tr.*?</tr>", table, re.S)
    cells = [re.findall(r"<(?:td|th)[^>]*>(.*?)</(?:td|th)>", row, re.S) for row in rows]
    return [[" ".join(re.sub(r"<wbr>|<[^>]+>", "", c).split()) for c in row] for row in cells]


def test_no_r_without_the_band_and_an_interval_over_families() -> None:
    head, *rows = matrix(html("full"))
    assert head[:5] == [
        "Metric",
        "State",
        "rho Spearman",
        "rho in the band 84 to 100 %, 26 sets",
        "r Pearson",
    ]
    raw = {m["metric"]: m for m in FULL["metrics"]}
    assert len(rows) == len(raw) == len(METRICS) + 1
    for row in rows:
        metric = raw[row[0].split()[0]]
        for cell, kind in ((row[2], "spearman"), (row[4], "pearson")):
            low, high = metric[kind]["family_bootstrap"]
            value = short_number(metric[kind]["value"])
            assert cell == f"{value} [{short_number(low)}, {short_number(high)}]"
        assert row[3].startswith(short_number(metric["band"]["spearman"]["value"]))
    # what a reader could hide must not leave an r alone
    assert 'data-metric="rho in the band" data-fixed=""' in html("full")
    brief = re.findall(r'<span class="bounds">(rho [^<]*; r [^<]*)</span>', html("full"))
    assert len(brief) == len(rows)
    for text in brief:
        assert text.count("over families") == 2
        assert text.count("in the band") == 2
    # strongest first, controls last
    strengths = [abs(raw[row[0].split()[0]]["spearman"]["value"]) for row in rows[:-1]]
    assert strengths == sorted(strengths, reverse=True)
    assert rows[-1][0].startswith("fid[random-inception]")


def test_controls_are_striped_and_explained_once() -> None:
    text = html("full")
    assert said("full").count("are controls") == 1
    assert re.search(
        r'<tfoot>\s*<tr class="striped" data-row="fid[^>]*><th scope="row"><a href="#metric', text
    )
    assert '<details class="opens striped"' in text
    assert text.count('<li class="striped">') == 1
    row = matrix(text)[-1]
    assert row[1] == "control"
    assert row[-1] == ""
    assert "–" in row[7]  # no p as the best of all


def test_few_sets_are_told_nothing() -> None:
    assert "as the best of all" not in said("four")
    text = said("four")
    assert "4 sets are too few to say anything of UCF101 finetune accuracy" in text
    assert "too few" in text
    assert "over sets only" in text  # no interval over families


def test_without_families_nobody_speaks_of_them() -> None:
    text = html("no families")
    assert "Which sets are variants of one generator is not known here." in text
    body = re.sub(r"<style>.*?</style>|<script.*?</script>", "", text, flags=re.S)
    assert "data-family" not in body
    assert "legend" not in body


def test_what_several_metrics_are_worth_is_said_in_the_document_s_words() -> None:
    data = copy.deepcopy(FULL)
    assert FULL["prediction"]["words"] in said("full")
    for fold in FULL["prediction"]["chosen"]:
        assert fold in said("full")
    del data["prediction"]["words"]  # as in older documents
    assert "None" not in said(data)
    assert FULL["prediction"]["words"] not in said(data)
    data["prediction"]["sets"] = []
    assert "an estimate with a" in said("full")
    assert "an estimate with a" not in said(data)
    assert "new_0" in said(data)


def test_every_set_has_its_name_in_the_large_scatter() -> None:
    text = html("full")
    for picture in re.findall(r'<svg role="group" id="metric-\d+-scatter".*?</svg>', text, re.S):
        names = re.search(r'class="labels" data-sets="([\d ]+)"', picture)
        assert names
        assert sorted(map(int, names[1].split())) == list(range(34))
        assert [s["name"] for s in sorted(FULL["sets"], key=lambda s: s["name"])] == sorted(named(picture))
        assert "…" not in picture


def named(picture: str) -> list[str]:
    """The names in a picture, the lines of each put together."""
    found = re.findall(r'<g class="labels"[^>]*>(.*?)</g>', picture, re.S)
    return [re.sub(r"<[^>]+>", "", text) for text in re.findall(r"<text.*?</text>", "".join(found))]


def test_log_axes_only_where_all_are_positive() -> None:
    data = copy.deepcopy(FULL)
    assert page(data).count("data-log=") == len(data["metrics"])
    data["metrics"][0]["values"][3] = -1.0
    assert page(data).count("data-log=") == len(data["metrics"]) - 1


def test_a_log_axis_holds_every_mark_whatever_its_bar() -> None:
    marks = [scatter.Mark(str(i), f"s{i}", 0, x, 80.0 + i, 0.02) for i, x in enumerate((0.002, 0.0003, 0.5))]
    picture = scatter.large("a", "t", "d", marks, "x").svg
    linear = [float(x) for x, _ in re.findall(r"M([\d.]+) ([\d.]+)a4.5", picture)]
    shifts = [float(one.split(" ")[0]) for one in re.findall(r'data-log="([^"]*)"', picture)[0].split(";")]
    assert len(linear) == len(shifts) == 3
    assert all(scatter.LEFT <= x + shift <= scatter.RIGHT for x, shift in zip(linear, shifts, strict=True))


def test_a_difference_s_bar_ends_at_zero() -> None:
    data = correlation(sets(9), metrics={"motion": "match"})
    for metric in data["metrics"]:
        metric["values"], metric["spread"] = [0.5 + i for i in range(9)], [2.0] * 9
    text = page(data)
    ends = {}
    for position, metric in enumerate(data["metrics"]):
        picture = re.findall(rf'id="metric-{position}-scatter".*?</svg>', text, re.S)[0]
        zero = re.search(r'<text x="([\d.]+)" y="492">0</text>', picture)
        bars = re.findall(r'<path d="([^"]*)" class="spread"', picture)
        assert zero
        lowest = min(float(x) for bar in bars for x in re.findall(r"M([\d.]+) ", bar))
        ends[metric["metric"]] = lowest - float(zero[1])
    assert ends["motion.difference"] == pytest.approx(0, abs=0.1)
    assert ends["motion"] < -50


def test_a_legend_beyond_two_dozen_is_folded_but_whole() -> None:
    data = correlation(sets(30), families=True)
    data["families"] = [f"kind {i}" for i in range(30)]
    for i, one in enumerate(data["sets"]):
        one["family"] = f"kind {i}"
    text = page(data)
    shown, folded = text.partition('<details class="more"><summary>6 more families</summary>')[::2]
    assert shown.count("<li data-kind=") == 24
    assert folded.count("<li data-kind=") == 6
    assert "more families</summary>" not in html("full")


def test_up_to_a_dozen_families_look_unlike_each_other() -> None:
    looks = [re.sub(r'"M?[\d. -]+"', "", svg.marker(6, 5, i)) for i in range(12)]
    assert len(set(looks)) == 12
    colors = [svg.series_class(i) for i in range(24)]
    # neither beside nor below each other in a legend of six columns
    assert all(colors[i] != colors[i + step] for step in (1, 5, 6, 7) for i in range(24 - step))


def test_what_the_words_carried_by_mean_beside_chance_is_said() -> None:
    data = copy.deepcopy(SMALL)
    data["metrics"][0] |= {"state": "chance", "carried": None}
    data["metrics"][1] |= {"state": "chance", "carried": None}
    assert "the words say what carries it" not in said(data)
    assert "No single set, family or band" not in said(data)
    data["metrics"][0]["carried"] = {"by": "set_00", "kind": "spearman", "whole": 0.8, "without": 0.1}
    assert "the words say what carries it" in said(data)


def test_why_sets_have_no_picture_is_said() -> None:
    some = dict(list(CASES["media"]["media"].items())[:19])
    why = "19 of 34 sets: pictures of the others may not be shown or were not drawn."
    assert why in said({**FULL, "media": some})
    assert "pictures of the others" not in said("media")


def test_columns_say_whose_p_it_is() -> None:
    head = re.findall(r'<th scope="col" data-metric="(p[^"]*)"( data-off="")?', html("full"))
    assert [(name, bool(off)) for name, off in head] == [
        ("p of rho", False), ("p, best of all (r or rho)", False), ("p of r", True), ("p_free", True),
        ("p (Holm)", True),
    ]  # fmt: skip


def test_two_thousand_sets() -> None:
    data = copy.deepcopy(CASES["one"])
    base = data["sets"][0]
    data["sets"] = [{**base, "name": f"set {i}", "accuracy": 60 + (i * 37 % 400) / 10} for i in range(2000)]
    data["metrics"] = data["metrics"][:3]
    for k, metric in enumerate(data["metrics"]):
        metric["values"] = [float(i * (31 + k) % 977) for i in range(2000)]
        metric["spread"] = [0.0] * 2000
    text = page(data)
    assert "40 of 2000 sets are named, those farthest from the line." in text
    labelled = [len(found.split()) for found in re.findall(r'class="labels" data-sets="([\d ]+)"', text)]
    assert max(labelled) == 40
    assert len(text.encode()) < 2_500_000


def test_sizes() -> None:
    names = sets(34)
    twelve = {
        **{f"metric_{k}": ("lower", "higher")[k % 2] for k in range(11)},
        "fid[random-inception]": "lower",
    }
    assert len(page(correlation(names, metrics=twelve)).encode()) < 450_000
    assert len(html("full").encode()) < 300_000
    clip = "GkXf" + "A" * 36_000
    assert len(page(with_media(FULL, clip)).encode()) < 5 << 20


def test_media_stand_once_and_only_if_they_are_pictures() -> None:
    text = html("media")
    poster = CASES["media"]["media"][FULL["sets"][0]["name"]]["poster"]
    assert text.count(poster) == len(FULL["sets"])
    name = FULL["sets"][0]["name"]
    odd: list[Any] = ["x", {"id": "a", "poster": "<b>"}, {"id": "a"}, None, {"id": "a", "poster": 3}]
    for one in odd:
        data = {**FULL, "media": {name: one, "nobody": {"id": "x", "poster": poster}}}
        assert "<img" not in page(data)
    assert 'id="clips"' not in html("full")


@pytest.mark.parametrize("data", [{}, {"schema": "synvid-eval/comparison/1"}, {**FULL, "sets": None}])
def test_what_is_no_correlation_is_said(data: Any) -> None:
    with pytest.raises(DataError, match="no correlation"):
        page(data)


ODD: list[Any] = [None, -3, "x", [None], {"value": "x"}, True, 1e300]


@pytest.mark.parametrize("key", sorted(FULL["metrics"][0]))
def test_odd_values_of_a_metric_do_no_harm(key: str) -> None:
    for odd in ODD:
        data = copy.deepcopy(SMALL)
        data["metrics"][0][key] = odd
        page(data)


@pytest.mark.parametrize("key", sorted(set(FULL) - {"schema", "sets", "metrics"}))
def test_odd_values_of_a_document_do_no_harm(key: str) -> None:
    for odd in ODD:
        page({**SMALL, key: odd})


def test_an_older_file_stays_where_writing_fails(tmp_path: Any) -> None:
    path = tmp_path / "page.html"
    write_page(FULL, path)
    assert path.read_text() == html("full")
    with pytest.raises(OSError):
        write_page(FULL, path / "below")
    assert path.read_text() == html("full")


def test_numbers_for_people() -> None:
    assert [short_number(v) for v in (-0.55, 0.0, 1.0, -1.0, 0.996, -0.001, None)] == [
        "−.55", ".00", "1.00", "−1.00", "1.00", ".00", "–"
    ]  # fmt: skip
    assert [p_text(v) for v in (0.0321, 0.0004, 1.0, 0.5, None)] == [".032", "< .001", "1", ".50", "–"]


def test_labels_keep_clear_of_each_other_and_of_the_frame() -> None:
    marks = [(120.0 + 14 * (i % 9), 40.0 + 9 * (i // 9)) for i in range(34)]
    names = [labels.wrapped(f"set_{i}" + "_long" * (i % 8)) for i in range(34)]
    room = (52.0, 0.0, 760.0, 400.0)
    put = labels.place(marks, names, room)
    assert put == labels.place(marks, names, room)
    boxes = []
    for one, name in zip(put, names, strict=True):
        lines = name.split("\n")
        wide, deep = max(map(labels.width_of, lines)), labels.LINE * (len(lines) - 1)
        left = one.x - wide if one.end else one.x
        assert left >= room[0] - 1
        assert left + wide <= room[2] + 1
        assert room[1] <= one.y - 10
        assert one.y + deep <= room[3]
        boxes.append((left, one.y - 10, left + wide, one.y + deep))
    overlaps = [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if min(a[2], b[2]) - max(a[0], b[0]) > 2 and min(a[3], b[3]) - max(a[1], b[1]) > 2
    ]
    assert not overlaps
    far = [one for one, mark in zip(put, marks, strict=True) if abs(one.y - mark[1]) > 40]
    assert far
    assert all(one.leader for one in far)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a" * 24, ["a" * 24]),
        ("", [""]),
        ("acc_transforming_images_300k_colorbg", ["acc_transforming_", "images_300k_colorbg"]),
        ("x" * 30, ["x" * 15, "x" * 15]),
        ("two\nlines", ["two\\nlines"]),
    ],
)
def test_names_are_wrapped_where_their_words_end(name: str, lines: list[str]) -> None:
    assert labels.wrapped(name).split("\n") == lines


def test_no_name_that_a_folder_may_have_is_cut() -> None:
    for count in range(1, labels.MOST + 1):
        for word in ("x", "ab_", "a_long_", "-"):
            name = (word * labels.MOST)[:count]
            lines = labels.wrapped(name).split("\n")
            assert "".join(lines) == name
            assert max(map(len, lines)) <= labels.LONGEST
    lines = labels.wrapped("begin" + "x" * 2000 + "end").split("\n")
    assert lines[0].startswith("begin")
    assert lines[-1].endswith("end")
    assert len("".join(lines)) == labels.MOST


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, 2.0], [1e-20, 2e-20, 3e-20], [-1e15, 0.0, 1e15]])
def test_lines_of_odd_marks(values: list[float]) -> None:
    marks = [scatter.Mark(str(i), f"s{i}", i, v, 80.0 + i) for i, v in enumerate(values)]
    line = scatter.line_of(marks)
    if len(values) < 3 or len(set(values)) == 1:
        assert line is None
    elif values[0] > 0:
        assert line
        assert line(values[2]) == pytest.approx(82.0)
    scatter.large("a", "t", "d", marks, "x")


def test_the_line_keeps_its_slope_where_it_leaves_the_plot() -> None:
    points = [(0.0, 90.0), (1.0, 90.5), (2.0, 89.5), (3.0, 90.0), (20.0, 60.0), (4.0, 60.0)]
    marks = [scatter.Mark(str(i), f"s{i}", 0, x, y) for i, (x, y) in enumerate(points)]
    line = scatter.line_of(marks)
    assert line
    picture = scatter.large("a", "t", "d", marks, "x").svg
    found = re.search(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="fit"', picture)
    ticks = [
        (float(x), float(v)) for x, v in re.findall(r'<text x="([\d.]+)" y="492">([\d.]+)</text>', picture)
    ]
    heights = [
        (float(y) - 4, float(v)) for y, v in re.findall(r'<text x="46" y="([\d.]+)">(\d+)</text>', picture)
    ]
    assert found
    x1, y1, x2, y2 = map(float, found.groups())

    def scale(known: list[tuple[float, float]]) -> float:
        return (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0])

    slope = (y2 - y1) * scale(heights) / ((x2 - x1) * scale(ticks))
    assert slope == pytest.approx(line.slope, rel=0.01)


def test_the_strongest_is_unfolded_and_all_are_there_at_a_glance() -> None:
    text = html("full")
    assert text.count('class="small-scatter"') == len(FULL["metrics"])
    folds = re.findall(r'<details class="opens[^"]*" id="[^"]*" data-metric="([^"]*)"( open)?>', text)
    assert folds[0] == ("tubelet", " open")
    assert not any(is_open for _, is_open in folds[1:])
    assert len(folds) == len(FULL["metrics"])
