"""The demo's words: lessons before each set, then only what its scores show."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synvid_eval.cli import demo_command
from synvid_eval.cli.demo_command import PROGRESSION, REFERENCE_NAME, RUNGS, Lessons, next_command, story
from synvid_eval.comparison import DEFAULT_METRICS
from synvid_eval.generators import presets
from synvid_eval.score import Comparison, Score, SetFacts

BETTER = {
    "color": "lower",
    "spectrum": "match",
    "motion": "match",
    "tubelet": "lower",
    "effective_rank": "higher",
}
NUMBERS: dict[str, list[Any]] = {  # of the rungs, with half widths of intervals; then the reference's own
    "color": [17.8, 18.8, 16.5, 17.9, 16.7, None, None],
    "spectrum": [1.482, 1.475, 1.471, 1.463, 1.458, 0.01, 1.322],
    "motion": [0.0, 0.271, 0.363, 0.387, 0.423, 0.012, 0.471],
    "tubelet": [71.3, 7.03, 6.55, 5.94, 4.67, None, None],
    "effective_rank": [37.9, 66.7, 67.3, 82.3, 80.9, None, 31.6],
}


def side(name: str) -> SetFacts:
    return SetFacts(name=name, location=name, fingerprint=name, clips=64, frames=1024)


def result(**altered: list[Any]) -> Comparison:
    scores = []
    for i, name in enumerate(RUNGS):
        for metric, numbers in {**NUMBERS, **altered}.items():
            value, half, own = numbers[i], *numbers[-2:]
            found: dict[str, Any] = {"value": math.nan, "reason": "no clips"}
            if value is not None:
                interval = None if half is None else (value - half, value + half)
                detail = {} if own is None else {"reference": own, "difference": value - own}
                found = {"value": value, "interval": interval, "detail": detail}
            scores.append(
                Score(candidate=name, metric=metric, unit="", better=BETTER[metric], signature=metric,
                      n={"candidate": 64, "reference": 64}, **found)
            )  # fmt: skip
    return Comparison(side(REFERENCE_NAME), [side(name) for name in RUNGS], scores)


def test_the_story_of_what_the_demo_found() -> None:
    apart, by_value = "    moved (the two sets' intervals lie apart): ", "    moved by value alone: "
    little, overlap = (
        "    moved little by value alone: ",
        "    cannot be told from chance (the two sets' intervals overlap): ",
    )
    assert story(result()) == [
        "What each step changed",
        "  static_circles, the start: motion is 0.000, as it should be",
        "  moving_circles, which adds motion, after static_circles:",
        f"{apart}motion 0.000 → 0.271, nearer to the reference's 0.471 (as expected)",
        f"{by_value}tubelet 71.3 → 7.03, nearer (as expected); effective_rank 37.9 → 66.7, richer",
        f"{little}color 17.8 → 18.8",
        f"{overlap}spectrum 1.482 → 1.475",
        "  moving_shapes, which adds straight edges and corners, after moving_circles:",
        f"{apart}motion 0.271 → 0.363, nearer to the reference's 0.471 (as expected)",
        f"{by_value}color 18.8 → 16.5, nearer",
        f"{little}tubelet 7.03 → 6.55; effective_rank 66.7 → 67.3",
        f"{overlap}spectrum 1.475 → 1.471",
        "  moving_transforming_shapes, which adds turning, stretching and shearing, after moving_shapes:",
        f"{by_value}effective_rank 67.3 → 82.3, richer (as expected)",
        f"{little}color 16.5 → 17.9; tubelet 6.55 → 5.94",
        f"{overlap}spectrum 1.471 → 1.463; motion 0.363 → 0.387",
        "  acc_transforming_shapes, which adds acceleration, after moving_transforming_shapes:",
        f"{apart}motion 0.387 → 0.423, nearer to the reference's 0.471 (as expected)",
        f"{by_value}tubelet 5.94 → 4.67, nearer",
        f"{little}color 17.9 → 16.7; effective_rank 82.3 → 80.9",
        f"{overlap}spectrum 1.463 → 1.458",
        "  by value alone: without an interval, how much of it is chance is not known",
        "  nearer and farther are by value alone: how sure that is, the verdict says",
        "  stand_in_for_real_video holds no real clips: it shows how the tool works and chooses no generator",
    ]


def first(*values: float | None) -> list[Any]:
    """Numbers of a metric: those of the first rungs; the others stay as the last of them."""
    return [*values, *values[-1:] * (len(RUNGS) - len(values))]


# metric, its numbers as above, what is said, what is not
ALTERED: list[tuple[str, list[Any], str, str]] = [
    (
        "motion",
        [*first(0.0), 0.01, 0.471],
        "spectrum 1.482 → 1.475; motion 0.000 → 0.000 (expect",
        "nearer to",
    ),
    (
        "motion",
        [*first(0.4, 1.2), 0.01, 0.471],
        "1.200, farther from the reference's 0.471 (as ex",
        "nearer to",
    ),
    ("motion", [*first(0.4, 1.2), 0.01, 0.471], "motion is 0.400, not 0, as it should be", "0.400, as it"),
    ("motion", [*first(0.25, 0.75), 0.01, 0.5], "motion 0.250 → 0.750 (as expected)", "nearer to"),
    ("motion", [*first(None), 0.1, None], "not measured: motion (expected to move)", "the start"),
    ("tubelet", [*first(7.0, 70.0, 7.0), None, None], "7.00 → 70.0, farther (as expected)", "70.0, nearer"),
    ("tubelet", [*first(7.0, 7.1, 7.0), None, None], "tubelet 7.00 → 7.10 (expected to move)", "7.10, "),
    ("effective_rank", [*first(9.0, 9.0, 4.0), None, 31.6], "9.00 → 4.00, poorer", "richer"),
    (
        "effective_rank",
        [*first(9.0, 9.0, None, 4.0), None, 1.0],
        "ed: effective_rank (expected to move)",
        "4.00, ",
    ),
    (
        "effective_rank",
        [*first(9.0, 9.0, 9.0, 4.0), None, 1.0],
        "9.00 → 4.00, poorer (as expected)",
        "richer",
    ),
]


@pytest.mark.parametrize(("metric", "numbers", "said", "unsaid"), ALTERED)
def test_the_story_follows_altered_scores(metric: str, numbers: list[Any], said: str, unsaid: str) -> None:
    text = "\n".join(story(result(**{metric: numbers})))
    assert said in text
    assert unsaid not in text


def test_nothing_is_called_moved_where_nothing_moves() -> None:
    still = {metric: [*first(1.0), 0.1, 1.0] for metric in NUMBERS}
    text = "\n".join(story(result(**still)))
    for word in ("moved", "nearer", "farther", "richer", "poorer", "as expected", "by value"):
        assert word not in text
    assert text.count("(expected to move)") == sum(len(rung.moves) for rung in PROGRESSION[1:]) == 5
    text = "\n".join(story(replace(result(), scores=[])))
    assert "nearer" not in text and "motion is" not in text


def test_hostile_numbers_do_not_break_the_story() -> None:
    for value in (math.inf, -math.inf, 1e308, -1e308, 5e-324):
        altered = {metric: [*first(value, 1.0, value), None, value] for metric in NUMBERS}
        assert story(result(**altered))
    broken = result()
    for score in broken.scores:
        score.detail.update(reference="x", difference=[1])
    assert "reference's" not in "\n".join(story(broken))


def test_lessons_name_presets_and_metrics_that_are_there() -> None:
    for rung in PROGRESSION:
        assert rung.preset in presets.names()
        assert set(rung.moves) <= set(DEFAULT_METRICS)
        for metric in rung.moves:
            assert metric in rung.lesson


def test_each_set_begins_with_its_lesson_and_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with Lessons(quiet=False) as progress:
        for name in (*RUNGS, REFERENCE_NAME):
            progress.say(f"{name}: preset: 64 clips drawn by preset {name}, seed 0")
        progress.say("photo_camera: A stand-in for real video, no real clips.")
        for name in (*RUNGS, REFERENCE_NAME):
            progress.begin(name, 64)
            progress.advance(64, cached=True)
        progress.say("The cache cannot be written.")
    said = capsys.readouterr().err.splitlines()
    starts = [f"{i}/{len(RUNGS) + 1} {name}: " for i, name in enumerate((*RUNGS, REFERENCE_NAME), 1)]
    assert [line.startswith(start) for line, start in zip(said, starts, strict=False)] == [True] * 6
    assert said[6:] == ["The cache cannot be written."]
    with Lessons(quiet=True) as progress:
        progress.begin(RUNGS[0], 64)
    assert capsys.readouterr().err == ""


def test_the_next_command_goes_on_with_the_demos_cache() -> None:
    words = shlex.split(next_command(Path("my demo"), "a cache"))
    assert words[:2] == ["synvid-eval", "compare"]
    assert words[-4:] == ["--cache", "a cache", "--html", "my demo/faster.html"]
    assert "--cache" not in next_command(Path("d"), None)
    # the same locations as the demo's own, so that they are not measured again
    assert f"preset:moving_circles?n={demo_command.CLIPS}" in words
    assert f"{REFERENCE_NAME}=preset:photo_camera?n={demo_command.CLIPS}" in words
