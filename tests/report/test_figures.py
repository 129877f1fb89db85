"""The pictures of a metric: marks where the numbers say, a table behind each, nothing that raises."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from synvid_eval.report import colors
from synvid_eval.report.figures import Figure, Shown, figures
from synvid_eval.score import Comparison, Score
from synvid_eval.verdict import short_name

from .example import example, networks
from .example_media import everything, ids

REFERENCE = Shown("real", "real", None)


def drawn(comparison: Comparison, label: str | None = None) -> list[Figure]:
    """All pictures of a comparison, or those of one metric, as the page asks for them."""
    sets = [Shown(c.name, short_name(c.name), i) for i, c in enumerate(comparison.candidates)]
    reference = Shown(comparison.reference.name, short_name(comparison.reference.name), None)
    out = []
    for i, metric in enumerate(comparison.metrics()):
        if label is None or metric == label:
            scores = [s for s in comparison.scores if s.metric == metric]
            media = comparison.media.get("metrics", {}).get(metric, {})
            out += figures(metric, f"metric-{i}", scores, media, sets, reference)
    return out


def score(detail: dict[str, Any], name: str = "a", value: float = 1.0, better: str = "lower") -> Score:
    n = {"candidate": 9, "reference": 9}
    return Score(name, "m", value, "", better, n, "m", detail=detail)  # type: ignore[arg-type]


def alone(detail: dict[str, Any], media: Any = None) -> list[Figure]:
    """The pictures of one set beside the reference."""
    return figures("m", "m", [score(detail)], media or {}, [Shown("a", "a", 0)], REFERENCE)


def parsed(figure: Figure) -> ElementTree.Element:
    return ElementTree.fromstring(figure.svg)


def series(root: ElementTree.Element, name: str, kind: str = "") -> list[ElementTree.Element]:
    """The groups of a set whose class begins with `kind`, outermost first."""
    found = [g for g in root.iter("g") if g.get("data-set") == name]
    return [g for g in found if (g.get("class") or "").startswith(kind)]


def marks(group: ElementTree.Element) -> list[tuple[float, float]]:
    """The middles of the circles of a group of points, px: pieces of one path, each begins with its top."""
    (path,) = group
    found = re.findall(r"M([-\d.]+) ([-\d.]+)a([\d.]+) ", path.get("d") or "")
    return [(float(x), float(y) + float(r)) for x, y, r in found]


def count(group: ElementTree.Element) -> int:
    """How many marks of any shape a group of points has."""
    (path,) = group
    return (path.get("d") or "").count("M")


def names(comparison: Comparison) -> set[str]:
    return {"ref", *map(str, range(len(comparison.candidates)))}


def told(root: ElementTree.Element) -> set[str]:
    return {g.get("data-set") or "" for g in root.iter("g")} - {""}


CASES = {
    "one": everything(1),
    "three": everything(3),
    "five": everything(5),
    "thirty-four": everything(34),
    "without media": example(3),
    "random networks": networks(2),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_picture_is_whole(case: str) -> None:
    found = drawn(CASES[case])
    assert found
    assert len({f.id for f in found}) == len(found)
    ids_seen: list[str] = []
    for figure in found:
        root = parsed(figure)
        assert root.get("id") == figure.id
        assert (root.get("role") == "group") == bool(series(root, "ref", "points"))
        assert "style=" not in figure.svg
        assert not re.search(r"nan|inf[ \"]", figure.svg.lower())
        ids_seen += re.findall(r' id="([^"]*)"', figure.svg)
        for target in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', figure.svg):
            assert f'id="{"".join(target)}"' in figure.svg
        assert figure.title
        assert figure.caption.endswith(".")
        assert figure.rows
        assert {len(row) for row in figure.rows} == {len(figure.head)}
        width, height = (float(v) for v in (root.get("viewBox") or "").split()[2:])
        assert width == 380
        for number in re.findall(r'(?:[xy]|cx|cy)="(-?[\d.]+)"', figure.svg):
            assert -400 <= float(number) <= height + 400
    assert len(set(ids_seen)) == len(ids_seen)


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_same_bytes_for_the_same_data(case: str) -> None:
    comparison = CASES[case]
    again = json.loads(json.dumps(comparison.media))
    assert drawn(comparison) == drawn(dataclasses.replace(comparison, media=again))


def test_every_metric_has_its_pictures() -> None:
    comparison = CASES["three"]
    kinds = {m: [f.id.split("-")[-1] for f in drawn(comparison, m)] for m in comparison.metrics()}
    assert kinds == {
        "color": ["colors", "lightness", "clips"],
        "spectrum": ["spectrum", "difference", "clips"],
        "motion": ["clips", "speed", "acceleration"],
        "tubelet": ["halves", "terms", "clips"],
        "effective_rank": ["eigenvalues", "clips"],
        "fid": ["terms", "clips"],
        "fvd": ["terms", "clips"],
        "kid": ["clips"],
        "kvd": ["clips"],
        "diversity": ["eigenvalues", "clips"],
    }


def test_without_media_the_details_are_drawn() -> None:
    found = [f.id for f in drawn(CASES["without media"])]
    assert found == [
        *("metric-0-colors", "metric-0-lightness", "metric-1-spectrum", "metric-1-difference"),
        "metric-3-halves",
    ]


@pytest.mark.parametrize("case", ["three", "thirty-four"])
def test_every_set_has_its_mark_and_row(case: str) -> None:
    comparison = CASES[case]
    for figure in drawn(comparison):
        expected = names(comparison)
        kind = figure.id.split("-")[-1]
        if kind in ("halves", "terms"):
            expected = expected - {"ref"}
        if "effective_rank" in comparison.metrics()[int(figure.id.split("-")[1])]:
            expected = expected - {"2"}  # the example has no value and no media of it
        seen = told(parsed(figure))
        limited = case == "thirty-four" and kind in ("colors", "lightness", "clips")
        assert len(seen) == 13 if limited else seen == expected
        assert bool(re.search(r"12 (nearest )?of 3[34] sets are drawn", figure.caption)) == limited
        rows = {row[0] for row in figure.rows}
        whole = {c.name for c in comparison.candidates} | {comparison.reference.name}
        assert len(whole - rows) <= (
            2 if kind in ("halves", "terms", "difference", "eigenvalues", "clips") else 0
        )


def test_the_nearest_are_drawn_where_there_is_room_for_some() -> None:
    comparison = CASES["thirty-four"]
    fid = next(f for f in drawn(comparison, "fid") if f.id.endswith("clips"))
    assert told(parsed(fid)) == {"ref", *map(str, range(12))}
    assert "The 12 nearest of 34 sets are drawn; all are in the table." in fid.caption
    assert len(fid.rows) == 35
    # α of the example's sets passes the reference's 1.61 at the third set: nearest by difference.
    alpha = next(f for f in drawn(comparison, "spectrum") if f.id.endswith("clips"))
    assert told(parsed(alpha)) == {"ref", *map(str, range(12))}
    rank = next(f for f in drawn(comparison, "diversity") if f.id.endswith("clips"))
    assert "The first 12 of 34 sets" in rank.caption  # richness is no nearness


def test_many_curves_are_thin() -> None:
    kinds = {n: parsed(drawn(CASES[n], "spectrum")[0]).get("class") for n in ("three", "thirty-four")}
    assert kinds == {"three": "figure", "thirty-four": "figure many"}


def test_size_of_eight_sets_of_ten_metrics() -> None:
    found = drawn(everything(8))
    assert sum(len(f.svg.encode()) for f in found) <= 300_000
    clouds = [f for f in found if f.id.endswith("clips")]
    assert len(clouds) == 10
    drawn_marks = [sum(count(g) for g in parsed(f).iter("g") if g.get("data-clips")) for f in clouds]
    assert all(240 <= n <= 270 for n in drawn_marks)
    assert sum(f.svg.count("<") - f.svg.count("</") for f in found) < 3_000  # elements


def test_of_many_curves_only_the_ends_have_colors() -> None:
    root = parsed(drawn(CASES["thirty-four"], "spectrum")[0])
    rest = {g.get("data-set") for g in root.iter("g") if g.get("class") == "rest"}
    assert len(rest) == 32
    legend = next(g for g in root.iter("g") if g.get("class") == "text legend")
    assert {g.get("data-set") for g in legend.iter("g")} - {None} == {"ref", "2", "33"}
    assert not [g for g in parsed(drawn(CASES["three"], "spectrum")[0]).iter("g") if g.get("class") == "rest"]


def test_eigenvalues_end_where_rounding_begins() -> None:
    ranks, values = [1, 2, 5, 10], [1.0, 1e-3, 1e-6, 1e-21]
    (figure,) = alone({}, {"sets": {"a": {"eigenvalues": {"rank": ranks, "value": values}}}})
    assert figure.head == ["Set", "1", "2", "5"]
    assert "e−21" not in figure.svg
    assert figure.svg.count('class="end c0"') == 1


def test_profiles_of_many_sets_stand_apart_over_the_reference() -> None:
    (few,) = (f for f in drawn(CASES["three"], "color") if f.id.endswith("lightness"))
    (many,) = (f for f in drawn(CASES["five"], "color") if f.id.endswith("lightness"))
    assert "inset" not in few.svg
    assert many.svg.count('class="inset"') == 6
    assert many.svg.count(f'href="#{many.id}-own"') == 6


def test_a_table_fits_on_a_sheet() -> None:
    for figure in drawn(CASES["thirty-four"]):
        assert len(figure.head) <= 14, figure.id


# Where marks stand.


def cloud(**extra: Any) -> dict[str, Any]:
    return {
        "sets": {
            "real": {"clips": {"ids": ["r0", "r1"], "x": [0.0, 10.0], "y": [0.0, 10.0], "distance": [1, 3]}},
            "a": {
                "clips": {
                    "ids": ["a0", "a1", "a2"],
                    "x": [5.0, 10.0, 0],
                    "y": [5.0, 0.0, 10.0],
                    "distance": [2, 8, 4],
                },
                "nearest": "a0",
                "farthest": "a1",
                **extra,
            },
        }
    }


def test_clips_stand_where_their_components_are() -> None:
    (figure,) = alone({}, cloud())
    root = parsed(figure)
    (own,) = series(root, "0", "points")
    assert own.get("data-clips") == "2 0 1"  # in order of x
    places = marks(own)
    (left, top), (mid_x, mid_y), (right, bottom) = places
    assert (left + right) / 2 == pytest.approx(mid_x, abs=0.11)
    assert (top + bottom) / 2 == pytest.approx(mid_y, abs=0.11)
    assert top < bottom
    # Both components on one scale, and the reference's clips on the same.
    assert right - left == pytest.approx(bottom - top, abs=0.11)
    (real,) = series(root, "ref", "points")
    assert [c for place in marks(real) for c in place] == pytest.approx([left, bottom, right, top], abs=0.11)
    rings = {c.get("class"): (c.get("cx"), c.get("cy")) for c in root.iter("circle") if c.get("class")}
    for kind, place in (("nearest", (mid_x, mid_y)), ("farthest", (right, bottom))):
        assert [float(v or 0) for v in rings[kind]] == pytest.approx(list(place), abs=0.11)
    assert figure.rows == [
        ["real", "2", "–", "–", "–", "–", "2.00"],
        ["a", "3", "a0", "2.00", "a1", "8.00", "4.00"],
    ]


def test_clips_with_one_number_stand_over_it() -> None:
    media = cloud()
    for side in media["sets"].values():
        del side["clips"]["y"]
    (figure,) = alone({}, media)
    (own,) = series(parsed(figure), "0", "points")
    xs = [x for x, _ in marks(own)]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.11)
    hills = re.findall(r'd="(M[^"]*)" class="hill', figure.svg)
    # Three clips in three bins of the same height: up to the top thrice.
    ups = re.findall(r"V([\d.]+)", hills[1])
    assert ups.count(min(ups, key=float)) == 3


def test_the_histogram_of_all_clips_is_drawn_where_it_is_known() -> None:
    media = cloud(seen=900, histogram={"edges": [0, 4, 8, 12], "share": [0.25, 0.5, 0.25]})
    for side in media["sets"].values():
        del side["clips"]["y"]
    (figure,) = alone({}, media)
    assert "Drawn: up to 3 clips a set." in figure.caption
    assert figure.rows[1][1] == "900"
    hill = re.findall(r'd="(M[^"]*)" class="hill c0"', figure.svg)[0]
    heights = [float(v) for v in re.findall(r"V([\d.]+)", hill)]
    ground = heights[-1]
    assert [(ground - v) / (ground - min(heights)) for v in heights] == pytest.approx(
        [0.5, 1, 0.5, 0], abs=0.01
    )
    media["sets"]["a"]["histogram"]["edges"] = [0, 4, 4, 12]
    (other,) = alone({}, media)
    assert hill not in other.svg  # counted from the sample


def test_thinning_keeps_the_nearest_and_the_farthest() -> None:
    comparison = CASES["three"]
    for label in ("fid", "spectrum"):
        figure = next(f for f in drawn(comparison, label) if f.id.endswith("clips"))
        for i, side in enumerate(comparison.candidates):
            media = comparison.media["metrics"][label]["sets"][side.name]
            (group,) = series(parsed(figure), str(i), "points")
            shown = [media["clips"]["ids"][int(k)] for k in (group.get("data-clips") or "").split()]
            assert len(shown) == count(group) == len(set(shown)) == 67
            assert {media["nearest"], media["farthest"]} <= set(shown)
            # The others are the first by hash.
            assert len(set(shown) - set(ids(side.name, 120)[:67])) <= 2
    few = everything(34)
    figure = next(f for f in drawn(few, "motion") if f.id.endswith("clips"))
    assert all(count(g) >= 8 for g in parsed(figure).iter("g") if g.get("data-clips"))


def test_bars_are_as_long_as_their_numbers() -> None:
    found = alone({"mean_term": 30.0, "trace_term": 10.0, "spatial": 4.0, "temporal": 8.0, "floor": 2.0})
    assert [f.id for f in found] == ["m-halves", "m-terms"]
    for figure, ratio in zip(found, (0.5, 3.0), strict=True):
        lengths = [
            float(w)
            for w in re.findall(r'd="M[\d.]+ [\d.]+h([\d.]+)v1[04]h-[\d.]+z" class="bar \w+ c0"', figure.svg)
        ]
        assert lengths[0] / lengths[1] == pytest.approx(ratio, abs=0.01)
        assert 'class="rule floor"' in figure.svg
    # The second term begins where the first ends.
    starts = re.findall(r'd="M([\d.]+) [\d.]+h([\d.]+)v14h-[\d.]+z" class="bar \w+ c0"', found[1].svg)
    assert float(starts[0][0]) + float(starts[0][1]) == pytest.approx(float(starts[1][0]), abs=0.11)
    assert found[1].rows == [["a", "30.0", "10.0", "1.00", "2.00"]]


def test_a_negative_or_missing_part_is_no_bar() -> None:
    (figure,) = alone({"mean_term": -1.0})
    assert figure.rows == [["a", "−1.00", "–", "1.00", "–"]]
    assert 'class="rule floor"' not in figure.svg


def test_spectra_minus_the_reference() -> None:
    values = [3.0 - 0.1 * k for k in range(20)]
    detail = {"log_spectrum": [v + 0.5 for v in values], "reference_log_spectrum": values}
    media = {"sets": {"real": {"log_spectrum_deviation": [0.25] * 20}}}
    first, second = alone(detail, media)
    assert first.rows[1][1:3] == ["3.50", "3.30"]  # eleven of the twenty
    assert second.rows == [["a", *["0.500"] * 11]]
    own = series(parsed(second), "0")[0]
    steps = re.findall(r"l(.*)", own[0].get("d") or "")[0]
    assert set(re.findall(r"[\d.]+ (-?[\d.]+)", steps)) == {"0"}  # a level line
    assert second.svg.count('class="band ref"') == 1
    assert "band" not in alone(detail)[0].svg


def test_null_bins_break_off_and_odd_lengths_are_left_out() -> None:
    first = alone({"log_spectrum": [None, *[1.0] * 19]})[0]
    assert len(first.head) == 12
    assert alone({"log_spectrum": [1.0] * 7}) == []
    (figure, *_) = alone({"log_spectrum": [1.0, 2.0], "log_frequency": [math.log(0.1), math.log(0.2)]})
    assert figure.head == ["Set", "0.1", "0.2"]


def test_hues_of_the_plane() -> None:
    from skimage.color import lab2rgb

    for a, b in ((0.0, 0.0), (30.0, 20.0), (-25.0, 10.0), (5.0, -40.0), (90.0, 90.0)):
        expected = lab2rgb([[[64.0, a, b]]])[0, 0]
        text = colors._srgb(64.0, a, b)
        got = [int(text[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        assert got == pytest.approx(expected.tolist(), abs=0.006)


def test_cells_stand_at_their_place_in_the_plane() -> None:
    # One cell right of and above the middle: a* 5…10, b* 10…15.
    counts = [[(22 + 2) * 44 + 23, 9000], [21 * 44 + 21, 10], ["x", 1], [10**9, 2000], [5, -1], [5], []]
    ab = {"low": -110, "width": 5, "size": 44, "counts": counts}
    detail = {"mean": [50, 7.5, 12.5], "covariance": [1, 0, 0, 0, 4, 0, 0, 0, 4]}
    figure = alone(detail, {"sets": {"a": {"ab": ab}}})[0]
    (inset,) = (e for e in parsed(figure).iter("svg") if e.get("class") == "inset")
    scale = float(re.findall(r"scale\(([\d.]+)\)", figure.svg)[0])
    (full,) = re.findall(r'd="M(\d+) (\d+)h1" stroke-opacity="0.6"', figure.svg)[:1]
    dot = next(e for e in inset.iter("circle"))
    # The mean lies in the middle of that cell.
    assert (float(full[0]) + 0.5) * scale == pytest.approx(float(dot.get("cx") or 0), abs=0.2)
    assert (float(full[1]) + 0.5) * scale == pytest.approx(float(dot.get("cy") or 0), abs=0.2)
    assert colors._srgb(64, 7.5, 12.5) in figure.svg


def test_one_black_background_does_not_press_the_other_profiles_flat() -> None:
    flat = [0.02] * 50
    black = [0.95, *[0.05 / 49] * 49]
    media = {"sets": {"real": {"lightness": flat}, "a": {"lightness": black}}}
    (figure,) = (f for f in alone({"mean": [1, 2, 3], "covariance": [1] * 9}, media) if "light" in f.id)
    assert "Higher than the plot: a (95.0 % at L* 1)." in figure.caption
    assert figure.rows[1][3] == "95.4 %"


def test_flow_shows_what_stands_still() -> None:
    detail = {
        "speed_edges": [0, 1, 2, 4, 8],
        "speed_histogram": [0.5, 0.25, 0.25, 0.0],
        "reference_speed_histogram": [0.0, 0.5, 0.5, 0.0],
        "speed_median": 1.0,
    }
    (figure,) = alone(detail)
    assert figure.rows == [["real", "0 %", "–", "–"], ["a", "50.0 %", "1.00", "–"]]
    detail["speed_edges"] = [0, 2, 1, 4, 8]
    assert alone(detail) == []


# Odd data.

JUNK: list[Any] = [
    *(None, True, "x", "</svg><script>", -1, 0, 1, 3, 1e300, -1e300, 1e-300, 10**400, math.nan, math.inf),
    *(0.5, [], {}, [None], [1, 2], [[1, 2]], [["a"]], {"x": 1}, "\ud800\u202e", [1e15, -1e15], [0.0] * 300),
]  # fmt: skip


def spoiled(value: Any, draw: random.Random, rate: float) -> Any:
    """`value` with some parts at any depth replaced by junk, lists cut or repeated."""
    if draw.random() < rate:
        return draw.choice(JUNK)
    if isinstance(value, dict):
        return {k: spoiled(v, draw, rate) for k, v in value.items()}
    if isinstance(value, list):
        kept = (
            value if draw.random() > rate else value[: draw.randrange(len(value) + 1)] * draw.choice((1, 2))
        )
        return [spoiled(v, draw, rate) for v in kept]
    return value


@pytest.mark.parametrize("seed", range(60))
def test_odd_data_never_raise(seed: int) -> None:
    draw = random.Random(seed)
    base = everything(draw.choice((1, 2, 5, 13)))
    rate = draw.choice((0.002, 0.02, 0.2))
    scores = [
        dataclasses.replace(
            s, detail=spoiled(s.detail, draw, rate), value=draw.choice((s.value, math.nan, 1e300, -1.0))
        )
        for s in base.scores
    ]
    media = {m: spoiled(found, draw, rate) for m, found in base.media["metrics"].items()}
    for figure in drawn(dataclasses.replace(base, scores=scores, media={"metrics": media})):
        parsed(figure)
        assert not re.search(r"nan|inf[ \"]|<script", figure.svg.lower())
        assert {len(row) for row in figure.rows} == {len(figure.head)}


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_in_every_place(junk: Any) -> None:
    assert figures("m", "m", [], junk, [], REFERENCE) == []
    detail = CASES["three"].scores[0].detail
    for key in ("mean", "covariance", "log_spectrum", "floor", "mean_term", "speed_edges"):
        alone({**detail, key: junk}, {"sets": {"a": junk}, "axes": junk})
    for key in ("clips", "ab", "lightness", "eigenvalues", "nearest", "log_spectrum_deviation"):
        alone(detail, cloud(**{key: junk}))
    for key in ("ids", "x", "y", "distance"):
        media = cloud()
        media["sets"]["a"]["clips"][key] = junk
        alone(detail, media)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e15, 1e-20])
def test_clips_that_all_lie_in_one_place(value: float) -> None:
    for n in (1, 2, 30):
        clips = {"ids": [str(k) for k in range(n)], "x": [value] * n, "y": [value] * n, "distance": [0.0] * n}
        media = {"sets": {"a": {"clips": clips, "nearest": "0", "farthest": "0"}}}
        (figure,) = alone({}, media)
        (own,) = series(parsed(figure), "0", "points")
        assert count(own) == n
        assert figure.rows[0][2] == figure.rows[0][4] == "0"
        del clips["y"]
        (figure,) = alone({}, media)
        assert count(series(parsed(figure), "0", "points")[0]) == n


def test_hostile_names_stay_text() -> None:
    name = '"><img src=x onerror=alert(1)>\u202e]]>&'
    long = "x" * 2000
    media = {"sets": {n: cloud()["sets"]["a"] for n in (name, long, "real")}, "axes": {"x": name, "y": long}}
    detail = {"mean_term": 1.0, "log_spectrum": [1.0] * 20, "mean": [1, 2, 3], "covariance": [1] * 9}
    sets = [Shown(name, name, 0), Shown(long, long, 1), *(Shown(f"s{k}", f"s{k}", k) for k in range(2, 6))]
    scores = [score(detail, s.name) for s in sets]
    for figure in figures(name, "m", scores, media, sets, REFERENCE):
        parsed(figure)
        assert "<img" not in figure.svg
        assert "\u202e" not in figure.svg
    media["sets"] |= {f"s{k}": media["sets"][name] for k in range(2, 6)}
    for figure in figures(name, "m", scores, media, sets, REFERENCE):
        text = "".join(parsed(figure).itertext())
        assert text.count("x") >= 2000 or "x" * 2000 in text.replace("\n", "")
