"""Sensitivities: equal to what the toy generator's closed forms say, going on after kills."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from skimage.color import rgb2lab

from synvid_eval.cache import Cache
from synvid_eval.errors import UsageError
from synvid_eval.guidance import sensitivity as module
from synvid_eval.guidance.bench import Bench, chosen
from synvid_eval.guidance.sensitivity import Together, cells, stepped
from synvid_eval.guidance.space import CHOICE, REAL, WHOLE, Dimension, space
from synvid_eval.measurement import Options
from synvid_eval.schemas import get
from synvid_eval.score import dump_json
from tests.conftest import REPOSITORY, Run
from tests.guidance.conftest import installed
from tests.guidance.toy import offset

CLIPS = 24
GRAY, FLICKER, FRAMES, NOISE = 120, 4, 16, 2.0
REFERENCE = "?gray=160&flicker=10&n=30&seed=5"


def offsets(clips: int, seed: int) -> list[int]:
    return [offset(seed, "toy", i) for i in range(clips)]


def lab(gray: float, flicker: float, clips: int, seed: int) -> np.ndarray:
    """L*, a*, b* of every frame, by scikit-image, also between whole grey levels."""
    levels = [gray + o + flicker * s for o in offsets(clips, seed) for s in (1, -1)]
    colors = np.repeat(np.array(levels, float)[:, None], 3, axis=1) / 255
    return rgb2lab(colors[None])[0]


def lightness(gray: float, flicker: float = FLICKER, clips: int = CLIPS, seed: int = 0) -> float:
    return float(lab(gray, flicker, clips, seed)[:, 0].mean())


def decorrelation(flicker: float) -> float:
    """Half the von Neumann ratio with its floor, of ± flicker in turn over 16 frames."""
    spread = FRAMES * flicker**2 + (FRAMES - 1) * NOISE**2
    return 4 * (FRAMES - 1) * flicker**2 / (2 * spread)


def divergence(gray: float, flicker: float = FLICKER) -> float:
    """KL(p‖q) + KL(q‖p) of the Gaussians of both sets, written out."""
    sides = [lab(gray, flicker, CLIPS, 0), lab(160, 10, 30, 5)]
    (p, q) = [(s.mean(0), np.cov(s.T, ddof=0) + 0.01 * np.eye(3)) for s in sides]
    gap = p[0] - q[0]
    inverse = [np.linalg.inv(side[1]) for side in (p, q)]
    traces = np.trace(inverse[1] @ p[1]) + np.trace(inverse[0] @ q[1]) - 6
    return float(0.5 * (traces + gap @ (inverse[0] + inverse[1]) @ gap))


def derivative(f: Callable[[float], float], at: float) -> float:
    return (f(at + 1e-3) - f(at - 1e-3)) / 2e-3


def worst_third(f: Callable[[float], float], low: float, high: float) -> float:
    """The largest third derivative between two ends: h²/6 of it bounds a central difference's error."""
    h = (high - low) / 40
    at = np.linspace(low + 2 * h, high - 2 * h, 50)
    return float(max(abs(f(x + 2 * h) - 2 * f(x + h) + 2 * f(x - h) - f(x - 2 * h)) / (2 * h**3) for x in at))


METRICS = ("color", "motion", "lightness", "spectrum", "effective_rank")


def measured(toy: Path, cache: Path | None, query: str = "", **asked: Any) -> dict[str, Any]:
    """The toy's sensitivities; `adapt=` is given, so that nothing is offered beside its own knobs."""
    place, preset, given = chosen(f"{toy}/toy.toml?adapt={query}")
    options = Options(cache=Cache(cache), workers=1, progress=asked.pop("progress", Options().progress))
    over = space(preset, given, asked.pop("over", ()))
    reference = asked.pop("reference", f"preset:{toy}/toy.toml{REFERENCE}")
    metrics, clips = asked.pop("metrics", METRICS), asked.pop("clips", CLIPS)
    with Bench(place, preset, given, reference, metrics, clips, options, lenient=True) as bench:
        return module.sensitivity(bench, over, **asked)


@pytest.fixture(scope="module")
def found(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The toy's sensitivities, as JSON tells them."""
    return json.loads(dump_json(measured(toy, tmp_path_factory.mktemp("cache"))))


def slope(found: dict[str, Any], dimension: str, metric: str) -> dict[str, Any]:
    (one,) = (d for d in found["dimensions"] if d["name"] == dimension)
    return next(s for s in one["slopes"] if s["metric"] == metric)


def test_a_rehearsal_counts_what_is_measured(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, preset, given = chosen(f"{toy}/toy.toml?adapt=")
    over, drawn = space(preset, given), tmp_path / "drawn"
    monkeypatch.setenv("TOY_DRAWN", str(drawn))
    options = Options(cache=Cache(tmp_path / "cache"), workers=1)
    reference = f"preset:{toy}/toy.toml{REFERENCE}"
    with Bench(place, preset, given, reference, ["lightness"], 4, options) as bench:
        plan = module.rehearsed(bench, over)
        before = drawn.read_text().count("\n")
        document = module.sensitivity(bench, over)
        measured_now = drawn.read_text().count("\n") - before
    assert plan["settings"] + 1 == document["run"]["configurations"]
    assert [d["tried"] for d in plan["dimensions"]] == [
        [t["value"] for t in d["tried"]] for d in document["dimensions"]
    ]
    refused = sum(bool(t["reason"]) for d in document["dimensions"] for t in d["tried"])
    assert measured_now == 4 * (plan["settings"] - refused)  # nothing of the rehearsal was kept or is missing
    assert plan["seconds"] == plan["settings"] * plan["seconds_a_setting"] > 0 and plan["textures"] is None


def test_the_document_fits_its_schema(found: dict[str, Any]) -> None:
    jsonschema.validate(found, get("sensitivity"))
    assert [d["name"] for d in found["dimensions"]] == ["gray", "flicker", "idle", "tint"]
    assert [m["metric"] for m in found["metrics"]] == list(METRICS)
    assert found["preset"]["clips"] == CLIPS and found["reference"]["clips"] == 30
    assert found["run"]["configurations"] == 1 + 2 + 2 + 2 + 2
    values = {m["metric"]: m for m in found["metrics"]}
    assert values["lightness"]["value"] == pytest.approx(lightness(GRAY), abs=1e-6)
    assert values["lightness"]["reference"] == pytest.approx(lightness(160, 10, 30, 5), abs=1e-6)
    assert values["motion"]["value"] == pytest.approx(decorrelation(FLICKER), rel=1e-5)
    assert values["color"]["value"] == pytest.approx(divergence(GRAY), rel=1e-4)


@pytest.mark.parametrize(
    ("dimension", "metric", "form", "at", "step"),
    [
        ("gray", "lightness", lightness, GRAY, 20),
        ("gray", "color", divergence, GRAY, 20),
        ("flicker", "motion", decorrelation, FLICKER, 2),
        ("flicker", "color", lambda a: divergence(GRAY, a), FLICKER, 2),
        ("flicker", "lightness", lambda a: lightness(GRAY, a), FLICKER, 2),
    ],
)
def test_sensitivities_are_the_derivatives(
    found: dict[str, Any],
    dimension: str,
    metric: str,
    form: Callable[[float], float],
    at: float,
    step: float,
) -> None:
    one = slope(found, dimension, metric)
    quotient = (form(at + step) - form(at - step)) / (2 * step)
    unit = one["value"]["unit"]
    assert one["sides"] == 2
    assert unit["value"] == pytest.approx(quotient, rel=1e-4, abs=1e-7)
    bound = step**2 / 6 * worst_third(form, at - step, at + step)
    assert abs(unit["value"] - derivative(form, at)) <= 1.05 * bound + 1e-4 * abs(quotient)
    assert one["value"]["step"]["value"] == pytest.approx(step * unit["value"])
    for kind in ("step", "unit"):
        low, high = one["value"][kind]["interval"]
        assert low <= one["value"][kind]["value"] <= high


def test_objectives_fall_towards_the_reference(found: dict[str, Any]) -> None:
    # |L* − L*ref| of a darker set falls as fast as L* grows; D is below the reference's, too
    for dimension, metric in (("gray", "lightness"), ("flicker", "motion")):
        one = slope(found, dimension, metric)
        assert one["objective"]["unit"]["value"] == pytest.approx(-one["value"]["unit"]["value"])
        assert one["objective"]["unit"]["sure"] and one["value"]["unit"]["sure"]
    # a distance is its own objective
    one = slope(found, "gray", "color")
    assert one["objective"] == one["value"] and one["objective"]["unit"]["value"] < 0


def test_what_a_knob_does_not_touch_stays_as_it_is(found: dict[str, Any]) -> None:
    for metric in ("color", "motion", "lightness"):
        one = slope(found, "idle", metric)["objective"]["unit"]
        assert one == {"value": 0.0, "interval": [0.0, 0.0], "reason": None, "sure": False}
    still = slope(found, "gray", "motion")["objective"]["unit"]
    assert still["value"] == pytest.approx(0, abs=1e-6)


def test_each_step_stands_beside_the_start(found: dict[str, Any]) -> None:
    gray, flicker, _, tint = found["dimensions"]
    assert [t["value"] for t in gray["tried"]] == [100, 140]
    assert [t["value"] for t in flicker["tried"]] == [2, 6]
    assert [t["value"] for t in tint["tried"]] == ["red", "blue"] and tint["slopes"] == []
    for tried, value in zip(gray["tried"], (100, 140), strict=True):
        assert tried["knobs"] == {"gray": str(value)} and f"gray={value}" in tried["location"]
        one = next(m for m in tried["metrics"] if m["metric"] == "lightness")
        assert one["value"] == pytest.approx(lightness(value), abs=1e-6)
        moved = one["change"]["value"]
        assert moved["value"] == pytest.approx(lightness(value) - lightness(GRAY), abs=1e-6)
    red = next(m for m in tint["tried"][0]["metrics"] if m["metric"] == "color")
    assert red["change"]["objective"]["value"] > 0 and red["change"]["objective"]["sure"]


def test_a_metric_that_cannot_be_had_says_why(found: dict[str, Any]) -> None:
    for metric in ("spectrum", "effective_rank"):  # one color has neither
        (about,) = (m for m in found["metrics"] if m["metric"] == metric)
        assert about["value"] is None and about["reason"]
        one = slope(found, "gray", metric)
        assert one["sides"] == 0 and one["objective"]["step"]["value"] is None
        assert one["objective"]["step"]["reason"] and not one["objective"]["step"]["sure"]


def test_how_many_cells_chance_would_mark_is_said(found: dict[str, Any]) -> None:
    tested = [c for c in cells(found["dimensions"]) if c["interval"] is not None]
    marked = sum(c["sure"] for c in tested)
    said = f"{marked} of {len(tested)} cells are told apart from 0; if nothing moved anything, some "
    assert any(note.startswith(said) for note in found["notes"])


def test_a_setting_that_is_refused_is_a_gap_with_a_reason(toy: Path, tmp_path: Path) -> None:
    document = measured(toy, None, "&tint=blue", over=("gray",), metrics=("lightness",))
    (gray,) = document["dimensions"]
    assert [bool(t["reason"]) for t in gray["tried"]] == [False, True]
    assert "too bright for blue" in gray["tried"][1]["reason"] and "too bright" in gray["reason"]
    (one,) = gray["slopes"]
    assert one["sides"] == 1
    (down,) = gray["tried"][0]["metrics"]
    assert one["value"]["step"]["value"] == pytest.approx(-down["change"]["value"]["value"])
    missing = gray["tried"][1]["metrics"][0]["change"]["objective"]
    assert math.isnan(missing["value"]) and "too bright" in missing["reason"]
    jsonschema.validate(json.loads(dump_json(document)), get("sensitivity"))


def test_too_few_clips_bear_no_interval(toy: Path) -> None:
    document = measured(toy, None, over=("gray",), metrics=("lightness",), clips=4)
    one = document["dimensions"][0]["slopes"][0]["objective"]["step"]
    assert one["interval"] is None and "an interval needs 10" in one["reason"] and not one["sure"]
    assert any("No cell has an interval" in note for note in document["notes"])


def test_progress_is_told_as_one(toy: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, Any]] = []

    class Heard:
        def begin(self, name: str, clips: int) -> None:
            heard.append((name, clips))

        def advance(self, clips: int, cached: bool, reading: str = "") -> None:
            heard.append(("", clips))

        def say(self, text: str) -> None:
            heard.append(("said", text))

    together = Together(Heard())
    document = measured(toy, tmp_path, over=("gray", "tint"), metrics=("lightness",), progress=together)
    begun = [(name, clips) for name, clips in heard if name and name != "said"]
    assert begun[-1] == ("toy (4 settings)", 4 * CLIPS)
    last = max(i for i, (name, _) in enumerate(heard) if name == begun[-1][0])
    assert sum(clips for name, clips in heard[last + 1 :] if name == "") == 4 * CLIPS
    together.say("x")
    together.say("x")
    assert heard.count(("said", "x")) == 1
    assert document["run"]["configurations"] == 5


# -- which steps are taken -----------------------------------------------------------------------------


def number(kind: str, start: float, low: float, high: float, log: bool = False) -> Dimension:
    return Dimension("x", "x", kind, start, low, high, log)


@pytest.mark.parametrize(
    ("dimension", "step", "values", "said"),
    [
        (number(REAL, 2.0, 0.0, 10.0), 0.1, [1.0, 3.0], ""),
        (number(REAL, 0.0, 0.0, 10.0), 0.1, [1.0], "towards 0, its least"),
        (number(REAL, 9.5, 0.0, 10.0), 0.1, [8.5], "towards 10, its most"),
        (number(REAL, 5.0, 0.0, 10.0), 0.5, [0.0, 10.0], ""),
        (number(REAL, 10.0, 1.0, 100.0, True), 0.25, [10**0.5, 10**1.5], ""),
        (number(WHOLE, 3, 1, 6), 0.1, [2, 4], ""),
        (number(WHOLE, 1, 1, 16, True), 0.1, [2], "towards 1, its least"),
        (number(WHOLE, 100, 0, 1000), 0.05, [50, 150], ""),
        (Dimension("x", "x", CHOICE, "b", choices=("a", "b", "c")), 0.1, ["a", "c"], ""),
        (Dimension("x", "x", CHOICE, False, choices=(False, True)), 0.1, [True], ""),
    ],
)
def test_steps_are_shares_of_the_range_on_its_scale(
    dimension: Dimension, step: float, values: list[Any], said: str
) -> None:
    found, reason = stepped(dimension, step)
    assert found == (pytest.approx(values, rel=1e-3) if dimension.kind == REAL else values)
    assert said in reason and bool(reason) == bool(said)


@pytest.mark.parametrize("step", [0.0, -0.1, 0.51, math.nan])
def test_a_step_out_of_range_is_refused(step: float) -> None:
    with pytest.raises(UsageError, match=r"--step .* is out of range"):
        module.check_step(step)


def test_a_preset_without_anything_to_set_is_refused(toy: Path) -> None:
    given = {"gray": "100", "flicker": "1", "idle": "0", "tint": "none", "adapt": ""}
    _, preset, _ = chosen(f"{toy}/toy.toml")
    with pytest.raises(UsageError, match="toy has no knob that says where to search"):
        module.check_space(space(preset, given))


def test_operations_that_happen_to_no_clip_are_stepped_by_their_chance_alone(toy: Path) -> None:
    _, preset, _ = chosen(f"{toy}/toy.toml")
    whole = space(preset)
    offered = {d.name for d in whole.dimensions if d.knob == "adapt"}
    assert "adapt.scale.scale:middle" in offered
    kept = module.awake(whole)
    assert {d.name for d in kept.dimensions if d.knob == "adapt"} == {"adapt.scale.p", "adapt.perspective.p"}
    assert [d for d in kept.dimensions if d.knob != "adapt"] == [
        d for d in whole.dimensions if d.knob != "adapt"
    ]
    # naming none and naming what happens to none is the same
    assert module._same("", whole, whole["adapt.scale.p"])
    (note,) = module._asleep(whole)
    assert note.startswith("adapt.scale.scale, adapt.perspective") and "p is 0" in note
    preset = replace(preset, knobs={**preset.knobs, "adapt": "scale(p=0.5)"})
    assert module.awake(space(preset)).dimensions == space(preset).dimensions
    assert module._asleep(space(preset)) == []


def test_a_start_that_the_space_cannot_say_is_told() -> None:
    _, preset, _ = chosen("moving_circles")
    plain = space(preset, {}, ("speed",))
    assert module._same("1.2:3.0", plain, plain["speed:middle"])
    odd = space(preset, {}, ("acceleration",))
    assert module._same("0", odd, odd["acceleration:spread"])
    moved = replace(preset, knobs={**preset.knobs, "acceleration": "0:0.05"})
    odd = space(moved, {}, ("acceleration",))
    assert not module._same("0:0.05", odd, odd["acceleration:spread"])


def test_steps_go_from_where_the_space_can_be_entered(tmp_path: Path) -> None:
    """A palette of even colors is no normal one: numbers of one are stepped from the nearest."""
    text = "moving_circles?size=32&length=16&objects=20&adapt="
    place, preset, given = chosen(text)
    over = space(preset, given, ("palette.lab.l", "palette.lab.lb"))
    options = Options(cache=Cache(tmp_path), workers=1)
    with Bench(place, preset, given, f"preset:{text}&n=20&seed=9", ["color"], CLIPS, options) as bench:
        document = module.sensitivity(bench, over)
        nearest = over.spelled(over["palette.lab.l"])
        by_hand = bench.seen(bench.measure({**given, "palette": nearest}))["color"].objective
    light, edge = document["dimensions"]
    assert light["now"] == edge["now"] == "uniform" and not light["exact"] and nearest.startswith("lab(")
    assert light["reason"].startswith(f"Stepped from {nearest}, the nearest to the preset's own uniform.")
    assert document["run"]["configurations"] == 1 + 1 + 2 + 1  # the preset, where it is stepped from, steps
    # at an edge: from there to the one step that there is
    (tried,) = edge["tried"]
    ((after,), (slope,)) = tried["metrics"], edge["slopes"]
    assert slope["sides"] == 1 and "One-sided" in edge["reason"]
    change = after["objective"] - by_hand
    assert slope["objective"]["unit"]["value"] == pytest.approx(change / (tried["value"] - edge["start"]))
    # what a suggestion promises is against the preset as it is
    (start,) = document["metrics"]
    promised = after["change"]["objective"]["value"]
    assert promised == pytest.approx(after["objective"] - start["objective"]) and promised != change


# -- what was measured is kept -------------------------------------------------------------------------

COMMAND = (
    "guide",
    "sensitivity",
    "toy.toml?adapt=",
    f"preset:toy.toml{REFERENCE}",
    "--metrics",
    "color,motion",
)


def drawn(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_what_was_measured_is_not_drawn_again(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_DRAWN", str(tmp_path / "drawn"))
    asked: dict[str, Any] = {"over": ("gray",), "metrics": ("lightness",), "clips": 12}
    first = measured(toy, tmp_path / "cache", **asked)
    lines = drawn(tmp_path / "drawn")
    assert len(lines) == len(set(lines)) == 3 * 12 + 30
    again = measured(toy, tmp_path / "cache", **asked)
    assert drawn(tmp_path / "drawn") == lines
    for one in (first, again):
        del one["run"]["seconds"]
    assert dump_json(first) == dump_json(again)
    measured(toy, None, **asked)  # without a cache all of it is
    assert len(drawn(tmp_path / "drawn")) == 2 * len(lines)


@pytest.mark.slow
def test_a_second_run_draws_nothing_and_says_the_same(run_cli: Run, tmp_path: Path) -> None:
    env = installed(tmp_path) | {"TOY_DRAWN": str(tmp_path / "drawn")}
    args = (*COMMAND, "--knobs", "gray,tint", "--workers", "1", "-q")
    first = run_cli(*args, "--json", "-", env=env)
    assert first.returncode == 0, first.stderr
    lines = drawn(tmp_path / "drawn")
    assert len(lines) == len(set(lines)) == 5 * CLIPS + 30
    again = run_cli(*args, "--json", "-", env=env)
    assert drawn(tmp_path / "drawn") == lines
    documents = [json.loads(text) for text in (first.stdout, again.stdout)]
    for one in documents:
        del one["run"]["seconds"]
    assert documents[0] == documents[1]
    # other steps draw only what is new
    more = run_cli(*args, "--step", "0.2", env=env)
    assert more.returncode == 0, more.stderr
    assert len(drawn(tmp_path / "drawn")) == len(lines) + 2 * CLIPS
    assert "gray" in more.stdout and "80 … 160" in more.stdout


@pytest.mark.slow
def test_a_killed_run_goes_on(cli_env: dict[str, str], tmp_path: Path) -> None:
    env = {**cli_env, **installed(tmp_path), "TOY_DRAWN": str(tmp_path / "drawn"), "TOY_SLEEP": "0.02"}
    command = [sys.executable, "-m", "synvid_eval", *COMMAND, "--workers", "1", "-q", "--json", "out.json"]
    assert str(REPOSITORY) in env["PYTHONPATH"]
    process = subprocess.Popen(command, cwd=tmp_path, env=env, start_new_session=True)
    until = time.monotonic() + 100
    while len(drawn(tmp_path / "drawn")) < 30 + 2 * CLIPS and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = drawn(tmp_path / "drawn")
    everything = 9 * CLIPS + 30
    assert 30 + 2 * CLIPS <= len(before) < everything and not (tmp_path / "out.json").exists()
    env["TOY_SLEEP"] = "0"
    done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = drawn(tmp_path / "drawn")
    assert len(set(after)) == everything
    assert len(after) - everything <= 3  # what was under way when it was killed is drawn once more
    document = json.loads((tmp_path / "out.json").read_text())
    jsonschema.validate(document, get("sensitivity"))
    one = slope(document, "flicker", "motion")
    assert one["value"]["unit"]["value"] == pytest.approx((decorrelation(6) - decorrelation(2)) / 4, rel=1e-4)
