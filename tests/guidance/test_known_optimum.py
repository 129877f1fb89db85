"""A search with real clips and metrics finds an optimum that is known in closed form: the toy generator's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synvid_eval.cache import Cache
from synvid_eval.guidance.bench import Bench, chosen
from synvid_eval.guidance.search import Asked, Search, best
from synvid_eval.guidance.space import space
from synvid_eval.measurement import Options
from tests.guidance.test_sensitivity import REFERENCE, decorrelation, lightness

TRIALS = 14


def known(of: Callable[[float], float], wanted: float, low: int, high: int) -> int:
    """The whole number whose value is nearest to what is wanted."""
    return min(range(low, high + 1), key=lambda x: abs(of(x) - wanted))


@pytest.mark.parametrize(
    ("metric", "knob", "optimum", "tolerance"),
    [
        # the reference has other clips, so another gray than its own 160 is best
        ("lightness", "gray", known(lambda g: lightness(g, clips=12), lightness(160, 10, 30, 5), 20, 220), 2),
        ("motion", "flicker", known(decorrelation, decorrelation(10), 0, 20), 0),
    ],
)
def test_a_search_finds_what_is_known(
    toy: Path, tmp_path: Path, metric: str, knob: str, optimum: int, tolerance: int
) -> None:
    place, preset, given = chosen(f"{toy}/toy.toml")
    options = Options(cache=Cache(tmp_path / "cache"), workers=1)
    with Bench(place, preset, given, f"preset:{toy}/toy.toml{REFERENCE}", [metric], 12, options) as bench:
        search = Search(bench, space(preset, given, [knob]), Asked((metric,), TRIALS), tmp_path / "s.journal")
        trials = search.run()
    (found,) = best(trials, search.start, [metric], 1)
    assert len(trials) == TRIALS and all(t.state == "done" for t in trials)
    start = trials[0].point[knob]
    assert abs(float(found.point[knob]) - optimum) <= tolerance < abs(float(start) - optimum)
    # and what it says of it is what the closed form says
    if metric == "lightness":
        expected = abs(lightness(float(found.point[knob]), clips=12) - lightness(160, 10, 30, 5))
        assert found.objectives[metric] == pytest.approx(expected, abs=1e-3)
