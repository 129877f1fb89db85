"""Advice: gaps, evidence and suggestions by their rules, and all of it on the toy generator."""

from __future__ import annotations

import copy
import json
import math
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synvid_eval import correlation
from synvid_eval.cache import Cache
from synvid_eval.comparison import compare
from synvid_eval.errors import DataError, UsageError
from synvid_eval.guidance import advice
from synvid_eval.guidance.advice import Asked, advise, evidence, gap, seed_of, suggestions
from synvid_eval.measurement import Options
from synvid_eval.schemas import STRENGTHS, get
from synvid_eval.score import Comparison, Score, SetFacts, dump_json, read_comparison
from tests.conftest import REPOSITORY
from tests.guidance.test_sensitivity import CLIPS, decorrelation

REPORTS = REPOSITORY / "reports" / "progression"


def score(better: Any = "lower", value: float = 5.0, **more: Any) -> Score:
    return Score("a", "color", value, "u", better, {"candidate": 40, "reference": 60}, "s", **more)


# -- gaps ----------------------------------------------------------------------------------------------


WITH_FLOOR = {"floor": 0.5}
MATCHED: dict[str, Any] = {"reference": 7.0, "difference_interval": [-3.0, -1.0]}


@pytest.mark.parametrize(
    ("one", "state", "size", "words"),
    [
        (
            score(corrected=4.5, interval=(4.0, 5.0), detail=WITH_FLOOR),
            "open",
            4.5,
            "4.5 u [4.0, 5.0] away; two halves of r lie 0.5 apart",
        ),
        (
            score(corrected=0.1, interval=(-0.2, 0.4)),
            "noise",
            0.1,
            "within noise: 0.1 u [−0.2, 0.4] holds 0",
        ),
        (
            score(corrected=0.8, interval=(0.4, 1.2), detail=WITH_FLOOR),
            "open",  # what two halves are apart is for orientation, no test
            0.8,
            "0.8 u [0.4, 1.2] away; two halves of r lie 0.5 apart",
        ),
        (
            score(value=0.6, detail=WITH_FLOOR, interval_reason="a has 9 clips."),
            "unsure",
            0.6,
            "0.600 u away; two halves of r lie 0.500 apart; no interval: a has 9 clips",
        ),
        (score(value=math.nan, reason="needs weights"), "missing", None, "needs weights"),
        (
            score(better="higher"),
            "richness",
            None,
            "5.00 u; richness is no nearness: not set against r's",
        ),
        (
            score(better="match", detail=MATCHED),
            "open",
            -2.0,
            "too low by 2.0 u (5.0, r itself 7.0; difference [−3.0, −1.0])",
        ),
        (
            score(better="match", detail={"reference": 4.5, "difference_interval": [-0.5, 1.5]}),
            "noise",
            0.5,
            "within noise: 5.0, r itself 4.5, difference [−0.5, 1.5]",
        ),
        (
            score(better="match", detail={"reference": 4.0}),
            "unsure",
            1.0,
            "too high by 1.00 u (5.00, r itself 4.00), without an interval",
        ),
        (score(better="match"), "missing", None, "r's own value is not known"),
    ],
)
def test_a_gap_and_whether_it_is_noise(one: Score, state: str, size: float | None, words: str) -> None:
    found = gap(one, "r")
    assert (found["state"], found["words"]) == (state, words)
    assert found["gap"] == (None if size is None else pytest.approx(size))


# -- evidence ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """The committed correlation of the project's own sets."""
    text = (REPORTS / "main-correlation.json").read_text()
    jsonschema.validate(json.loads(text), get("correlation"))
    return correlation.read(text)


def of(metric: str, better: str, signature: str = "") -> dict[str, Any]:
    return {"metric": metric, "better": better, "signature": signature}


def about(document: dict[str, Any], metric: str) -> dict[str, Any]:
    return next(m for m in document["metrics"] if m["metric"] == metric)


def test_evidence_is_the_correlations_verdict(published: dict[str, Any]) -> None:
    found = evidence(published, of("motion", "match"))
    known = about(published, "motion.difference")  # not that of D itself
    assert found["strength"] == "beyond chance" and known["state"] == "goes"
    assert found["spearman"] == known["spearman"]["value"]
    assert found["spearman_interval"] == known["spearman"]["family_bootstrap"]
    assert found["pearson_interval"] == known["pearson"]["family_bootstrap"]
    assert found["band_spearman"] == known["band"]["spearman"]["value"] and found["band_n"] == 26
    assert found["p_best"] == known["p_best"] and found["n"] == 29
    assert evidence(published, of("color", "lower"))["strength"] == "chance"
    assert evidence(published, of("tubelet", "lower"))["strength"] == "carried"
    assert set(STRENGTHS) >= {evidence(published, of(m, "lower"))["strength"] for m in ("color", "tubelet")}


@pytest.mark.parametrize(
    ("metric", "better"), [("motion", "match"), ("color", "lower"), ("tubelet", "lower")]
)
def test_no_r_without_families_and_band_and_no_prediction(
    published: dict[str, Any], metric: str, better: str
) -> None:
    wanted = metric + (correlation.DIFFERENCE if better == "match" else "")
    whole = evidence(published, of(metric, better))
    for word in ("over families", "among the 26 sets of 84 to 100 %", "n = 29"):
        assert word in whole["words"]
    assert "predict" not in whole["words"]
    for spoil in ("band", "families"):
        document = copy.deepcopy(published)
        one = about(document, wanted)
        if spoil == "band":
            one["band"] = None
        else:
            one["spearman"]["family_bootstrap"] = None
        found = evidence(document, of(metric, better))
        assert found["pearson"] is found["spearman"] is found["band_spearman"] is None
        assert "rho" not in found["words"] and " r " not in found["words"]
        assert found["p_best"] is None and found["verdict"] == one["verdict"].partition(";")[0]
        # without both of them nothing can be called evidence
        assert found["strength"] == ("chance" if one["state"] == "chance" else "not given")


@pytest.mark.parametrize(
    ("change", "strength", "words"),
    [
        ({"state": "few", "verdict": "3 sets are too few"}, "not given", "3 sets are too few"),
        ({"state": "constant", "verdict": "the same number"}, "not given", "the same number"),
        ({"random": True, "state": "control", "verdict": "a control"}, "not given", "a control"),
        ({"state": "against", "verdict": "higher goes with"}, "against", "motion.difference: higher goes"),
        ({"signature": "other"}, "beyond chance", "measured there by another recipe"),
    ],
)
def test_other_evidence(published: dict[str, Any], change: dict[str, Any], strength: str, words: str) -> None:
    document = copy.deepcopy(published)
    about(document, "motion.difference").update(change)
    found = evidence(document, of("motion", "match", "motion|stride:4|n:16|v:0.1.0|2a618586"))
    assert found["strength"] == strength and words in found["words"]


def test_no_evidence_is_said() -> None:
    found = evidence(None, of("motion", "match"))
    assert (found["strength"], found["words"]) == ("not given", "no evidence given: --correlation")
    document = {"metrics": [], "band": None}
    assert evidence(document, of("fid", "lower"))["words"] == "the correlation has no fid"


def test_a_comparison_of_published_sets_is_its_own_evidence() -> None:
    comparison, _ = read_comparison((REPORTS / "main.json").read_text())
    document = advice.evidence_of(comparison, "main.json")
    assert document is not None and document["benchmark"] == "UCF101" and len(document["sets"]) > 25
    assert evidence(document, of("motion", "match"))["strength"] == "beyond chance"
    few = Comparison(comparison.reference, comparison.candidates[:4], comparison.scores[:20], {})
    assert advice.evidence_of(few, "x") is None


# -- suggestions ---------------------------------------------------------------------------------------


def estimate(value: float, sure: bool) -> dict[str, Any]:
    half = abs(value) / 2 if sure else 2 * abs(value) + 1
    return {"value": value, "interval": [value - half, value + half], "reason": None, "sure": sure}


def moved(metric: str, change: float, sure: bool = True, better: str = "lower") -> dict[str, Any]:
    sign = -1 if better == "higher" else 1
    both = {"objective": estimate(change, sure), "value": estimate(sign * change, sure)}
    start = 10.0
    return {
        "metric": metric,
        "value": start + sign * change,
        "objective": sign * start + change,
        "change": both,
    }


def steps(*tried: list[dict[str, Any]]) -> dict[str, Any]:
    """A sensitivity in which knob k is moved once and does what the k-th list says; all start at 10."""
    labels = [m["metric"] for m in tried[0]]
    better = {label: "higher" if label == "rich" else "lower" for label in labels}
    return {
        "preset": {"name": "p", "place": "p", "fixed": {"size": "32"}, "clips": 24, "seed": 3},
        "metrics": [
            {"metric": m, "better": b, "value": 10.0, "objective": -10.0 if b == "higher" else 10.0}
            for m, b in better.items()
        ],
        "dimensions": [
            {
                "name": f"k{i}", "start": 1.0, "unit": "", "now": "1",
                "knob": f"k{i}", "exact": True,
                "tried": [{"value": 2.0, "knobs": {f"k{i}": "2"}, "reason": None, "metrics": found}],
            }
            for i, found in enumerate(tried)
        ],
    }  # fmt: skip


def gaps(**given: tuple[str, str]) -> list[dict[str, Any]]:
    """metric → (state, strength)."""
    return [
        {"metric": m, "state": state, "evidence": {"strength": strength}}
        for m, (state, strength) in given.items()
    ]


def names(found: list[dict[str, Any]], advised: bool = True) -> list[tuple[str, str]]:
    return [(s["dimension"], s["for"]) for s in found if s["advised"] is advised]


def test_suggestions_stand_by_evidence_then_by_share() -> None:
    known = gaps(a=("open", "beyond chance"), b=("open", "carried"), c=("open", "not given"))
    found = suggestions(
        steps(
            [moved("a", -1, False), moved("b", -1, False), moved("c", -9)],
            [moved("a", -1, False), moved("b", -2), moved("c", -5)],
            [moved("a", -1), moved("b", -8), moved("c", -1, False)],
            [moved("a", -3), moved("b", 1, False), moved("c", 1, False)],
        ),
        known,
        ["ref/"],
    )
    assert names(found) == [("k3", "a"), ("k2", "a"), ("k1", "b"), ("k0", "c")]
    assert [s["share"] for s in found] == pytest.approx([0.3, 0.1, 0.2, 0.9])
    assert [s["strength"] for s in found] == ["beyond chance", "beyond chance", "carried", "not given"]


def test_what_is_below_noise_is_not_suggested() -> None:
    unsure = steps([moved("a", -5, False)])
    assert suggestions(unsure, gaps(a=("open", "beyond chance")), ["r"]) == []
    worse = steps([moved("a", 5)])
    assert suggestions(worse, gaps(a=("open", "beyond chance")), ["r"]) == []
    good = steps([moved("a", -5)])
    for state, count in (("noise", 0), ("missing", 0), ("open", 1), ("unsure", 1)):
        assert len(suggestions(good, gaps(a=(state, "beyond chance")), ["r"])) == count
    refused = copy.deepcopy(good)
    refused["dimensions"][0]["tried"][0]["reason"] = "The generator refuses."
    assert suggestions(refused, gaps(a=("open", "beyond chance")), ["r"]) == []


@pytest.mark.parametrize(
    ("strength", "why"),
    [("chance", "the evidence that a matters is below noise"), ("against", "goes with lower accuracy")],
)
def test_evidence_below_noise_is_no_advice(strength: str, why: str) -> None:
    (one,) = suggestions(steps([moved("a", -5)]), gaps(a=("open", strength)), ["r"])
    assert not one["advised"] and why in one["why_not"] and one["strength"] == strength


def test_a_better_supported_metric_is_not_given_up() -> None:
    both = steps([moved("a", -5), moved("b", 2)])
    (one,) = suggestions(both, gaps(a=("open", "carried"), b=("open", "beyond chance")), ["r"])
    assert not one["advised"] and one["why_not"].startswith("b, for which the evidence is stronger")
    assert one["worse"] == ["b"]
    (one,) = suggestions(both, gaps(a=("open", "beyond chance"), b=("open", "beyond chance")), ["r"])
    assert one["advised"] and one["worse"] == ["b"] and "gets worse: b" in one["words"]
    (one,) = suggestions(both, gaps(a=("open", "not given"), b=("open", "not given")), ["r"])
    assert one["advised"]


def test_richness_is_suggested_for_by_evidence_alone() -> None:
    found = steps([moved("rich", -5, better="higher")])
    assert suggestions(found, gaps(rich=("richness", "not given")), ["r"]) == []
    (one,) = suggestions(found, gaps(rich=("richness", "beyond chance")), ["r"])
    assert one["for"] == "rich" and one["share"] is None and one["advised"]
    (change,) = one["changes"]
    assert change["effect"] == "better" and (change["from"], change["to"]) == (10.0, 15.0)


def test_every_metric_is_told_with_its_interval() -> None:
    lost = moved("c", math.nan, False)
    lost["change"] = {
        k: {"value": None, "interval": None, "reason": "gone", "sure": False} for k in lost["change"]
    }
    found = steps([moved("a", -5), moved("b", -1, False), lost, moved("d", 2)])
    known = gaps(
        a=("open", "not given"), b=("open", "not given"), c=("open", "not given"), d=("noise", "chance")
    )
    (one,) = suggestions(found, known, ["r"])
    assert [(c["metric"], c["effect"]) for c in one["changes"]] == [
        ("a", "better"), ("b", "unsure"), ("c", "missing"), ("d", "worse")
    ]  # fmt: skip
    assert one["changes"][0]["objective"]["interval"] == [-7.5, -2.5]
    assert one["words"].startswith("a 10 → 5 (−5 [−8, −2]), 50% of its gap; gets worse: d;")
    assert "not separable from 0: b" in one["words"] and "c" in [c["metric"] for c in one["changes"]]


def test_the_command_tries_the_step_on_fresh_clips() -> None:
    found = steps([moved("a", -5)])
    found["dimensions"][0]["tried"][0]["knobs"] = {"k0": "1:2", "adapt": "shake(amplitude=2:4)"}
    (one,) = suggestions(found, gaps(a=("open", "not given")), ["my clips/", "--metrics", "a"])
    words = shlex.split(one["command"])
    assert words == [
        "synvid-eval", "compare", "start=preset:p?n=100&seed=4&size=32",
        "tried=preset:p?n=100&seed=4&size=32&k0=1:2&adapt=shake(amplitude=2:4)", "my clips/",
        "--metrics", "a",
    ]  # fmt: skip


# -- recipes -------------------------------------------------------------------------------------------


def signed(short: str, long: str = "", **run: Any) -> Comparison:
    side = SetFacts("a", "preset:moving_circles", "f", 1, 1)
    one = Score("a", "motion", 1.0, "D", "match", {"candidate": 1, "reference": 1}, short)
    return Comparison(side, [side], [one], {**run, **({"signatures": {"motion": long}} if long else {})})


def test_a_comparisons_recipe_is_read_from_its_signatures() -> None:
    comparison = signed("motion|stride:2|noise:3.0|n:8|v:0.1.0|00000000")
    (one,) = comparison.scores
    parts = advice._signed(comparison, one)
    assert parts == {
        "metric.stride": "2", "feature.noise": "3.0", "sampler.frames": "8", "feature.v": "0.1.0"
    }  # fmt: skip
    wanted = ["motion.stride=2", "motion.noise=3.0", "sampler.frames=8"]
    assert advice._recipes([(one, parts)], []) == wanted
    assert advice._recipes([(one, parts)], ["sampler.frames", "motion.stride=4"]) == ["motion.noise=3.0"]
    # a long form that is not this score's (a comparison that was joined from several) is not believed
    other = signed("motion|n:16|v:0.1.0|00000000", "metric=motion|metric.stride=1|seed=7")
    assert advice._recipes([(one, advice._signed(other, other.scores[0]))], []) == []
    assert seed_of(other) == 0 and seed_of(signed("motion|x", seed=5)) == 5
    # what was written with this recipe gives this recipe again
    real, _ = read_comparison((REPORTS / "main.json").read_text())
    scores = [s for s in real.scores if s.candidate == "moving_circles" and not math.isnan(s.value)]
    found = advice._recipes([(s, advice._signed(real, s)) for s in scores], [])
    assert found == ["motion.stride=4", "tubelet.stride=4"]


# -- all of it, on the toy -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Options]:
    """A toy that flickers too little, one adapted, against one that flickers more."""
    options = Options(cache=Cache(tmp_path_factory.mktemp("cache")), workers=1)
    sets = [f"preset:{toy}/toy.toml?n=40&seed=2&adapt=", f"blue=preset:{toy}/toy.toml?tint=blue&n=12&adapt="]
    sets.append(f"hard=corrupt:gaussian_noise?severity=1&of=preset:{toy}/toy.toml?n=12")
    found = compare(
        sets,
        f"ref=preset:{toy}/toy.toml?gray=160&flicker=10&n=40&seed=5",
        metrics=["motion", "lightness", "color"],
        options=options,
    )
    return found, options


@pytest.mark.slow
def test_advice_names_the_knob_that_closes_the_gap(compared: tuple[Comparison, Options]) -> None:
    comparison, options = compared
    document = json.loads(dump_json(advise(comparison, "c.json", Asked(names=("toy",)), options)))
    jsonschema.validate(document, get("advice"))
    (one,) = document["sets"]
    assert one["reason"] is None and document["evidence"]["words"] == "no evidence given: --correlation"
    states = {g["metric"]: g["state"] for g in one["gaps"]}
    assert states == {"motion": "open", "lightness": "open", "color": "unsure"}
    motion = next(s for s in one["suggestions"] if s["for"] == "motion" and s["dimension"] == "flicker")
    assert (motion["from"], motion["to"], motion["knobs"]) == (4, 6, {"flicker": "6"})
    change = next(c for c in motion["changes"] if c["metric"] == "motion")
    assert change["value"]["value"] == pytest.approx(decorrelation(6) - decorrelation(4), rel=1e-4)
    gap_here = decorrelation(10) - decorrelation(4)
    assert motion["share"] == pytest.approx((decorrelation(6) - decorrelation(4)) / gap_here, rel=1e-3)
    # of the clips of the comparison, the tried step is one of the table: nothing is extrapolated
    brighter = [s for s in one["suggestions"] if s["dimension"] == "gray"]
    assert [s["to"] for s in brighter] == [140]
    assert {s["dimension"] for s in one["suggestions"]} <= {"gray", "flicker", "tint"}
    assert one["sensitivity"]["preset"]["clips"] == CLIPS and one["sensitivity"]["preset"]["seed"] == 0
    assert any("expect somewhat less" in note for note in document["notes"])


def test_other_sets_get_gaps_and_evidence_alone(compared: tuple[Comparison, Options]) -> None:
    comparison, options = compared
    document = advise(comparison, "c.json", Asked(names=("hard",)), options, reference="nowhere")
    (one,) = document["sets"]  # nothing is measured, so it does not matter that the reference is gone
    assert "is no preset" in one["reason"] and one["gaps"] and one["sensitivity"] is None
    jsonschema.validate(json.loads(dump_json(document)), get("advice"))


def test_evidence_decides_what_is_advised(
    compared: tuple[Comparison, Options], published: dict[str, Any]
) -> None:
    comparison, options = compared
    document = advise(
        comparison, "c.json", Asked(names=("toy",)), options, evidence_from=("main.json", published)
    )
    (one,) = document["sets"]
    # nothing was correlated with lightness, which is said
    assert {s["for"] for s in one["suggestions"] if s["advised"]} == {"motion", "lightness"}
    ranks = [s["strength"] for s in one["suggestions"] if s["advised"]]
    assert ranks == sorted(ranks, key=list(STRENGTHS).index)
    asked = Asked(names=("toy",), metrics=("motion", "color"))
    (bare,) = advise(comparison, "c.json", asked, options, evidence_from=("main.json", published))["sets"]
    assert {s["for"] for s in bare["suggestions"] if s["advised"]} == {"motion"}
    assert any(s["for"] == "color" and not s["advised"] for s in bare["suggestions"])
    for found in (one, bare):
        assert any("color: the evidence that color matters is below noise" in n for n in found["nothing"])
    assert any("is of sets measured against ucf101" in note for note in document["notes"])
    assert any(note.startswith("A correlation is no prediction.") for note in document["notes"])
    assert "predicts" not in dump_json(document)


def test_what_was_given_stays_and_is_not_stepped(compared: tuple[Comparison, Options]) -> None:
    comparison, options = compared
    (one,) = advise(comparison, "c.json", Asked(names=("blue",), metrics=("lightness",)), options)["sets"]
    assert one["sensitivity"]["preset"]["fixed"] == {"tint": "blue", "adapt": ""}
    assert "tint" not in {d["name"] for d in one["sensitivity"]["dimensions"]}
    assert all("tint=blue" in s["command"] for s in one["suggestions"]) and one["suggestions"]
    assert any(line.startswith("color: not measured here") for line in one["nothing"])


def test_what_advice_refuses(compared: tuple[Comparison, Options], toy: Path) -> None:
    comparison, options = compared
    with pytest.raises(UsageError, match=r"c\.json has no candidate 'tyo'\. Did you mean 'toy'"):
        advise(comparison, "c.json", Asked(names=("tyo",)), options)
    with pytest.raises(UsageError, match=r"--step 2 is out of range"):
        advise(comparison, "c.json", Asked(step=2), options)
    from dataclasses import replace

    gone = replace(comparison, reference=replace(comparison.reference, location="gone/ucf101"))
    with pytest.raises(
        DataError, match=r"The reference of c\.json, gone/ucf101, is not there.*--reference SET"
    ):
        advise(gone, "c.json", Asked(names=("toy",)), options)
    lost = replace(comparison.candidates[0], location=f"preset:{toy}/lost.toml")
    (one,) = advise(replace(comparison, candidates=[lost]), "c.json", Asked(), options)["sets"]
    assert "does not exist" in one["reason"]
    still = replace(comparison.candidates[0], location="preset:moving_circles?sped=3")
    (one,) = advise(replace(comparison, candidates=[still]), "c.json", Asked(), options)["sets"]
    assert "has no knob 'sped'" in one["reason"]
    bare = replace(comparison.candidates[0], location="preset:acc_transforming_images")
    (one,) = advise(replace(comparison, candidates=[bare]), "c.json", Asked(), options)["sets"]
    assert "images" in one["reason"]


def test_a_reference_with_other_contents_is_told(compared: tuple[Comparison, Options], toy: Path) -> None:
    comparison, options = compared
    other = f"preset:{toy}/toy.toml?gray=160&flicker=10&n=30&seed=6"
    asked = Asked(names=("toy",), metrics=("lightness",))
    document = advise(comparison, "c.json", asked, options, reference=other)
    assert any("has other contents than the comparison's" in note for note in document["notes"])
    assert not any("by another recipe" in note for note in document["notes"])
    assert all(other in shlex.split(s["command"]) for s in document["sets"][0]["suggestions"])


def test_a_step_that_changes_the_kind_of_thing_is_not_advised() -> None:
    """What putting a normal in the place of a uniform palette does must not be credited to its mean."""
    document = steps([moved("a", -3)])
    document["dimensions"][0] |= {"exact": False, "now": "uniform", "knob": "palette"}
    (one,) = suggestions(document, gaps(a=("open", "beyond chance")), ["ref/"])
    assert not one["advised"]
    assert one["why_not"] == (
        "it takes the place of palette=uniform, and what that alone does is in these numbers"
    )
