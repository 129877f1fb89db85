"""Verdicts by table: who is nearest, when nobody is, and what is never said."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from synvid_eval.score import Comparison, Score, SetFacts
from synvid_eval.verdict import (
    RANDOM,
    absolute,
    answer,
    by_command,
    headline,
    interval_reason,
    verdicts,
    weights_command,
)

N = {"candidate": 100, "reference": 100}
GROUPS = "they fill 9 of the 20 groups it is made from, and 10 are needed"
FEW = f"{{}} has 12 clips, too few for an interval: {GROUPS}."
SOURCES = "ucf101 has clips from 8 sources, and an interval needs 10"


def comparison(*scores: Score) -> Comparison:
    names = dict.fromkeys(s.candidate for s in scores)
    sides = [SetFacts(n, n, "f", 100, 1600) for n in names]
    return Comparison(SetFacts("ucf101", "ucf101", "f", 100, 1600), sides, list(scores))


def distance(name: str, value: float, low: float = math.nan, high: float = math.nan, **rest: Any) -> Score:
    interval = None if math.isnan(low) else (low, high)
    corrected = value if interval else None
    data: dict[str, Any] = {
        "metric": "color",
        "unit": "nats",
        "better": "lower",
        "n": N,
        "signature": "color|1",
    }
    return Score(
        candidate=name, value=value + 0.1, **{**data, "corrected": corrected, "interval": interval, **rest}
    )


def match(name: str, value: float, reference: float, low: float = math.nan, high: float = math.nan) -> Score:
    detail: dict[str, Any] = {"reference": reference, "difference": value - reference}
    if not math.isnan(low):
        detail["difference_interval"] = [low, high]
    own = None if math.isnan(low) else (reference + low, reference + high)
    return Score(name, "motion", value, "", "match", N, "motion|1", interval=own, detail=detail)


def blind(name: str, value: float) -> Score:
    """A property whose own interval is known and that of its difference is not."""
    why = f"No floor: x. The difference has no interval: {SOURCES}."
    detail = {"reference": 0.5, "difference_interval": None, "notes": why}
    return dataclasses.replace(match(name, value, 0.5), interval=(value - 0.01, value + 0.01), detail=detail)


def rank(name: str, value: float, half: float, clips: int = 100) -> Score:
    n = {"candidate": clips, "reference": 100}
    return Score(
        name,
        "effective_rank",
        value,
        "",
        "higher",
        n,
        "e",
        corrected=value,
        interval=(value - half, value + half),
        detail={"reference": 90.0},
    )


CASES: list[tuple[str, list[Score], str | None, bool, str]] = [
    (
        "apart",
        [distance("b", 4.9, 4.5, 5.2), distance("a", 3.1, 2.8, 3.4)],
        "a",
        True,
        "a is nearest to ucf101 (3.1 nats [2.8, 3.4]; next b 4.9 [4.5, 5.2])",
    ),
    (
        "overlap",
        [distance("a", 3.1, 2.8, 3.4), distance("b", 3.5, 3.3, 3.7)],
        None,
        False,
        "not separable: the intervals of a (3.1 [2.8, 3.4]) and b (3.5 [3.3, 3.7]) overlap",
    ),
    (
        "touching",
        [distance("a", 3.0, 2.5, 3.5), distance("b", 4.0, 3.5, 4.5)],
        None,
        False,
        "not separable: the int",
    ),
    (
        "a third overlaps",
        [distance("a", 1, 0.5, 1.5), distance("b", 3, 2.5, 3.5), distance("c", 4, 1.2, 6.8)],
        None,
        False,
        "not separable: the intervals of a (1.0 [0.5, 1.5]) and c (4 [1, 7]) overlap",
    ),
    ("identical", [distance("a", 3, 3, 3), distance("b", 3, 3, 3)], None, False, "not separable: "),
    (
        "none has an interval",
        [
            distance("a", 3, interval_reason="below 100 clips"),
            distance("b", 5, interval_reason="below 100 clips"),
        ],
        None,
        False,
        "not separable: no interval: below 100 clips",
    ),
    (
        "one has none",
        [distance("a", 3, 2.9, 3.1), distance("b", 5, interval_reason="No interval below 100 clips.")],
        None,
        False,
        "not separable: No interval below 100 clips (of b)",
    ),
    (
        "reasons that name their set",
        [
            distance("a", 3, interval_reason="a has 60 clips. ucf101 has 9."),
            distance("b", 5, interval_reason="b has 61 clips. ucf101 has 9."),
        ],
        None,
        False,
        "not separable: no interval: a and b have 60 to 61 clips; ucf101 has 9",
    ),
    (
        "sets of one reason",
        [distance(s, i + 3, interval_reason=f"{FEW.format(s)} {SOURCES}.") for i, s in enumerate("edcba")],
        None,
        False,
        "not separable: no interval: e, d, c and 2 more have 12 clips each, too few for an interval: "
        f"{GROUPS}; {SOURCES}",
    ),
    (
        "sets of one reason with other numbers",
        [
            distance("a", 3, interval_reason=FEW.format("a")),
            distance("b", 4, interval_reason=FEW.format("b").replace("12", "9").replace("9 of", "8 of")),
            distance("c", 4, interval_reason="With one group of the clips of c left out: It needs 20."),
            distance("d", 4, interval_reason="With one group of the clips of d left out: It needs 20."),
        ],
        None,
        False,
        "not separable: no interval: a and b have 9 to 12 clips, too few for an interval: "
        f"{GROUPS.replace('9', '8 to 9')}; With one group of the clips of c left out: It needs 20 "
        "(and 1 more like it)",
    ),
    (
        "long names",
        [distance(s * 3000, 3, interval_reason=FEW.format(s * 3000)) for s in ("a", "b. B")],
        None,
        False,
        f"not separable: no interval: {'a' * 31}…{'a' * 32} and {('b. B' * 11)[:31]}…{'b. B' * 8} "
        f"have 12 clips each, too few for an interval: {GROUPS}",
    ),
    (
        "a reason that names its set",
        [distance("a", 3, 2.9, 3.1), distance("b", 5, interval_reason="b has 61 clips.")],
        None,
        False,
        "not separable: no interval: b has 61 clips",
    ),
    (
        "a far one has none",
        [distance("a", 3, 2.9, 3.1), distance("b", 5, 4.9, 5.1), distance("c", 9)],
        None,
        False,
        "not separable: no interval (of c)",
    ),
    (
        "two recipes",
        [distance("a", 1, 0.9, 1.1), distance("b", 5, 4.9, 5.1, signature="color|2")],
        None,
        False,
        "not separable: the sets were measured by different recipes",
    ),
    (
        "one not measured",
        [
            distance("a", 3, 2.9, 3.1),
            distance("b", math.nan, reason="no frames."),
            distance("c", 5, 4.9, 5.1),
        ],
        "a",
        True,
        "a is nearest to ucf101 (3.00 nats [2.90, 3.10]; next c 5.00 [4.90, 5.10]); could not be "
        "measured: b: no frames",
    ),
    (
        "none measured",
        [distance("a", math.nan, reason="needs weights"), distance("b", math.nan, reason="needs weights")],
        None,
        False,
        "could not be measured: needs weights",
    ),
    (
        "many reasons",
        [distance("a", math.nan, reason="x"), distance("b", math.nan)],
        None,
        False,
        "could not be measured: a: x; b: no reason given",
    ),
    (
        "one set",
        [distance("a", 3.1, 2.8, 3.4, detail={"floor": 0.0412})],
        None,
        False,
        "a lies 3.1 nats [2.8, 3.4] from ucf101; between two halves of ucf101: 0.0412 nats",
    ),
    (
        "one set, no floor",
        [distance("a", 3.1)],
        None,
        False,
        "a lies 3.20 nats from ucf101; between two halves of ucf101: not known",
    ),
    (
        "random network",
        [
            distance("a", 1, 0.9, 1.1, metric="fid[random-inception]"),
            distance("b", 5, 4.9, 5.1, metric="fid[random-inception]"),
        ],
        None,
        False,
        "no verdict: ",
    ),
    (
        "match by size of the difference",
        [match("a", 0.3, 0.5, -0.25, -0.15), match("b", 0.55, 0.5, 0.0, 0.1)],
        "b",
        True,
        "b is nearest to ucf101 (differs by 0.05 [0.00, 0.10]; next a by 0.20 [0.15, 0.25])",
    ),
    (
        "match on both sides",
        [match("a", 0.4, 0.5, -0.2, 0.0), match("b", 0.6, 0.5, 0.0, 0.2)],
        None,
        False,
        "not separable: the intervals of the differences of a (0.10 [0.00, 0.20])",
    ),
    (
        "match without interval",
        [match("a", 0.4, 0.5), match("b", 0.9, 0.5)],
        None,
        False,
        "not separable: no interval",
    ),
    (
        "match without interval of the difference",
        [blind("a", 0.4), blind("b", 0.9)],
        None,
        False,
        f"not separable: no interval of the difference: {SOURCES}",
    ),
    (
        "match without reference",
        [match("a", 0.4, math.nan), match("b", 0.9, math.nan)],
        None,
        False,
        "not separable: the difference from ucf101 is not known",
    ),
    (
        "one match",
        [match("a", 0.27, 0.47, -0.28, -0.12)],
        None,
        False,
        "a 0.27 [0.19, 0.35]; ucf101 itself 0.47; difference −0.20 [−0.28, −0.12]",
    ),
    (
        "richness",
        [rank("a", 30, 2), rank("b", 50, 3)],
        None,
        True,
        "b is highest of the sets (50 [47, 53]; next a 30 [28, 32])",
    ),
    (
        "richness, other clips",
        [rank("a", 30, 2, 60), rank("b", 50, 3)],
        None,
        True,
        "b is highest of the sets (50 [47, 53]; next a 30 [28, 32]); it depends on the number of "
        "clips, here 60 to 100",
    ),
    (
        "richness overlaps",
        [rank("a", 48, 2), rank("b", 50, 3)],
        None,
        False,
        "not separable: the intervals of b",
    ),
    ("one richness", [rank("a", 30, 2)], None, False, "a 30 [28, 32]"),
]


@pytest.mark.parametrize(
    ("scores", "nearest", "separable", "sentence"), [c[1:] for c in CASES], ids=next(zip(*CASES, strict=True))
)
def test_verdict(scores: list[Score], nearest: str | None, separable: bool, sentence: str) -> None:
    (found,) = verdicts(comparison(*scores))
    assert found.sentence.startswith(sentence)
    if separable or len(scores) == 1 or "no interval" in sentence:
        assert found.sentence == sentence
    assert (found.nearest, found.separable) == (nearest, separable)
    assert found.highest == ("b" if separable and nearest is None else None)
    for never in ("predict", "winner", "diverse", "realis", "significant", "better"):
        assert never not in found.sentence


def test_richness_is_never_set_against_the_reference() -> None:
    for scores in ([rank("a", 30, 2)], [rank("a", 30, 2), rank("b", 50, 3)]):
        sentence = headline(comparison(*scores))
        assert "ucf101" not in sentence
        assert "90" not in sentence
        assert "near" not in sentence


def test_a_reference_that_is_not_sure_makes_nothing_nearest() -> None:
    """Candidates that are sharp by themselves, on both sides of a reference that may lie nearer to either."""
    scores = [match("a", 0.60, 0.50, 0.0, 0.2), match("b", 0.35, 0.50, -0.25, -0.05)]
    scores = [dataclasses.replace(s, interval=(s.value - 0.01, s.value + 0.01)) for s in scores]
    (found,) = verdicts(comparison(*scores))
    assert found.nearest is None and not found.separable and found.closest == "a"


def test_why_none_is_nearest_is_said_where_all_metrics_share_it() -> None:
    scores = [blind("a", 0.4), blind("b", 0.9)]
    scores += [distance(s, 3, interval_reason=f"{FEW.format(s)} {SOURCES}.") for s in "ab"]
    assert answer(comparison(*scores)) == (
        f"Nearest to ucf101: none for sure (no interval: {SOURCES}). By value alone: a in motion. "
        "The nearest values tie: color."
    )
    assert headline(comparison(*scores)) == (
        "Not separable: motion (closest in value: a); color (the nearest values tie)."
    )
    overlap = [distance("a", 3.1, 2.8, 3.4), distance("b", 3.5, 3.3, 3.7)]
    assert answer(comparison(*overlap)).startswith(
        "Nearest to ucf101: none for sure (the intervals overlap)."
    )
    assert answer(comparison(*overlap, *scores[:2])).startswith("Nearest to ucf101: none for sure. ")


def test_hostile_reasons_and_names_never_break_a_verdict() -> None:
    odd = [
        "has # x",
        "has 1 x",
        "has 1.5.2 x",
        "is",
        ". . ",
        "\0" + "0\0 has 3",
        "has 9" * 999,
        "a has a has 3.",
    ]
    for name in ("a", "\0", ". ", "a has 1", "#", "(", "\\1", "x" * 999):
        scores = [distance(name + "b" * i, 3, interval_reason=f"{name} {why}") for i, why in enumerate(odd)]
        assert verdicts(comparison(*scores))[0].sentence.isprintable()
        assert len(answer(comparison(*scores))) < 3000


def test_an_older_file_says_why_there_is_no_interval_of_the_difference() -> None:
    score = blind("a", 0.4)
    score.detail["notes"] = "No difference_interval: ucf101 has clips from 8 sources and so on."
    assert interval_reason(score) == (
        "no interval of the difference: ucf101 has clips from 8 sources and so on"
    )
    for odd in (None, 3, ["x"], ""):
        score.detail["notes"] = odd
        assert interval_reason(score) == "no interval of the difference"


def test_headline() -> None:
    text = headline(
        comparison(
            distance("a", 3.1, 2.8, 3.4),
            distance("a", 4, metric="tubelet", unit="", interval_reason="no interval below 100 clips"),
            distance("a", math.nan, metric="fid", reason="needs weights"),
            distance("b", 4.9, 4.5, 5.2),
            distance("b", 5, metric="tubelet", unit="", interval_reason="no interval below 100 clips"),
            distance("b", math.nan, metric="fid", reason="needs weights"),
            distance("a", math.nan, metric="fvd", reason="needs weights"),
        )
    )
    assert text == (
        "color: a is nearest to ucf101 (3.1 nats [2.8, 3.4]; next b 4.9 [4.5, 5.2]). "
        "Not separable: tubelet (closest in value: a). fid, fvd: could not be measured: needs weights."
    )
    assert headline(comparison()) == "Nothing was scored against ucf101."


def test_random_networks_are_spoken_of_once() -> None:
    names = ("fid[random-inception]", "kid[random-inception]")
    for sets in ("a", "ab"):
        scores = [distance(s, 3.1 + i, metric=m) for i, s in enumerate(sets) for m in (*names, "color")]
        text = headline(comparison(*scores))
        assert text.count(f"No verdict: {', '.join(names)}. {RANDOM}") == 1
        assert text.count("random network") + text.count("Random network") == 1
        assert all(text.count(name) == 1 for name in names)
    lacking = [distance("a", math.nan, metric=names[0], reason="no frames")]
    assert headline(comparison(*lacking)) == f"{names[0]}: could not be measured: no frames."


def test_unbiased_distances_are_ranked_by_the_interval_around_their_value() -> None:
    def kid(name: str, value: float, half: float) -> Score:
        n: dict[str, Any] = {"metric": "kid", "unit": "", "corrected": None, "signature": "kid|1"}
        score = distance(name, value, value - half, value + half, **n)
        return dataclasses.replace(score, value=value, detail={"floor": -0.0036})

    (found,) = verdicts(comparison(kid("a", -0.002, 0.003), kid("b", 0.15, 0.04)))
    assert found.nearest == "a"
    assert found.sentence == ("a is nearest to ucf101 (−0.002 [−0.005, 0.001]; next b 0.15 [0.11, 0.19])")
    (found,) = verdicts(comparison(kid("a", 0.12, 0.03), kid("b", 0.15, 0.04)))
    assert (found.nearest, found.closest) == (None, "a")
    (found,) = verdicts(comparison(kid("a", 0.15, 0.04)))
    assert found.sentence == "a lies 0.15 [0.11, 0.19] from ucf101; between two halves of ucf101: −0.00360"


def test_richness_without_an_interval_shows_what_differs() -> None:
    score = Score("a", "diversity", -13333.3, "nats", "higher", N, "d", detail={"reference": -13268.4})
    (found,) = verdicts(comparison(score))
    assert found.sentence == "a −13333 nats"


def test_commands_that_get_weights() -> None:
    needs = {"reason": "needs weights: synvid-eval weights fetch i3d"}
    fid = [distance(s, math.nan, metric="fid", **needs) for s in "ab"]
    kid = [distance(s, math.nan, metric="kid", **needs) for s in "ab"]
    assert weights_command(fid) == "synvid-eval weights fetch i3d"
    assert by_command(comparison(*fid, *kid)) == {"synvid-eval weights fetch i3d": ["fid", "kid"]}
    assert weights_command([fid[0], distance("b", 3, metric="fid")]) == ""
    assert weights_command([distance("a", math.nan, reason="no frames")]) == ""
    assert weights_command([fid[0], distance("b", math.nan, reason="no frames")]) == ""
    assert weights_command([]) == ""


def test_hostile_names_stay_one_short_line() -> None:
    scores = [distance("a\n\u202e" + "x" * 3000, 3.1, 2.8, 3.4), distance("b", 4.9, 4.5, 5.2, unit="n\nats")]
    text = headline(comparison(*scores))
    assert text.isprintable()
    assert len(text) < 400


@pytest.mark.parametrize(
    ("signed", "size"),
    [((-2, -1), (1, 2)), ((1, 2), (1, 2)), ((-1, 2), (0, 2)), ((-3, 2), (0, 3)), ((0, 2), (0, 2))],
)
def test_interval_of_the_size_of_a_difference(signed: tuple[float, float], size: tuple[float, float]) -> None:
    assert absolute(signed) == size
