"""`explain`: every metric, feature, layout, protocol and the sampler, from their own declarations."""

from __future__ import annotations

import dataclasses
import json

import pytest

from synvid_eval import features, metrics
from synvid_eval.explanation import explain, names
from synvid_eval.generators import presets
from synvid_eval.protocols import PROTOCOLS
from synvid_eval.video.layouts import LAYOUTS
from tests.conftest import Run


def test_everything_that_list_lists_can_be_explained() -> None:
    known = names()
    for name in (*metrics.registry.names(), *features.registry.names(), *LAYOUTS, *PROTOCOLS, "sampler"):
        assert name in known
    assert set(presets.names()) <= set(known)


@pytest.mark.parametrize("name", sorted(names()))
def test_an_explanation_is_not_empty(name: str) -> None:
    for one in explain(name, timed=False):
        assert one.about and one.facts
        assert one.kind in names()[name]
        assert len(one.essay) > 100 or one.kind == "layout"
        assert all(c.meaning and c.allowed for c in one.constants)


@pytest.mark.parametrize("name", metrics.registry.names())
def test_every_knob_of_a_metric_and_its_feature_is_listed_with_its_default(name: str) -> None:
    kind = metrics.registry.get(name)
    (one,) = [e for e in explain(name, timed=False) if e.kind == "metric"]
    listed = {(c.name, c.default) for c in one.constants}
    for plugin in (kind, features.registry.get(kind.feature)):
        assert {(f.name, f.default) for f in dataclasses.fields(plugin)} <= listed
    for heading in ("Purpose.", "Conventions.", "Range and direction.", "Source.", "Pitfalls."):
        assert heading in one.essay


def test_the_text_of_a_metric(run_cli: Run) -> None:
    done = run_cli("explain", "color", env={"COLUMNS": "90"})
    assert done.returncode == 0, done.stderr
    for word in ("color (metric)", "tr(Σ_q⁻¹Σ_p)", "ridge = 0.01 L*a*b* units²   [0.0 to 10,000.0]",
                 "frames = 16", "Source.", "Pitfalls.", "from 60 clips on", "ms a clip"):  # fmt: skip
        assert word in done.stdout, word
    assert max(map(len, done.stdout.splitlines())) <= 90


def test_a_name_that_is_metric_and_feature_gives_both(run_cli: Run) -> None:
    document = json.loads(run_cli("explain", "tubelet", "--no-cost", "--json", "-").stdout)
    assert [e["kind"] for e in document["explanations"]] == ["metric", "feature"]
    assert document["explanations"][0]["cost"] == ""
    assert {"of", "name", "default", "allowed", "unit", "meaning"} == set(
        document["explanations"][0]["constants"][0]
    )


def test_the_paper_protocol_is_explained_in_full(run_cli: Run) -> None:
    text = run_cli("explain", "paper").stdout
    for word in (
        "1,000 clips",
        "smallest",
        "16 of each clip",
        "hog",
        "run.protocol",
        "fid",
        "fvd",
        "--clips",
    ):
        assert word in text, word


def test_a_preset_is_explained_with_its_own_values(run_cli: Run) -> None:
    text = run_cli("explain", "moving_circles").stdout
    for word in ("Yu et al. 2024",
                 '"preset:moving_circles?n=100&speed=1.2:3.0"', "extends     static_circles",
                 "speed = 1.2:3.0 px/frame", "shapes = circle", "preset:NAME?KNOB=VALUE", "ms to draw",
                 "arXiv"):  # fmt: skip
        assert word in text, word
    assert "share sources" in run_cli("explain", "photo_camera", "--no-cost").stdout


def test_what_a_set_may_be_beside_the_layouts_is_listed_and_explained(run_cli: Run) -> None:
    listed = run_cli("list", "layouts").stdout
    for name in ("cut", "preset", "measured"):
        assert f"\n{name} " in listed
        (one,) = explain(name, timed=False)
        assert one.kind == "layout" and "Pitfalls." in one.essay
    assert "cut:MOVIE?seconds=4" in run_cli("explain", "cut").stdout


def test_a_cost_is_said_once(run_cli: Run) -> None:
    assert run_cli("explain", "tubelet").stdout.count("Cost.") == 1
    both = json.loads(run_cli("explain", "tubelet", "--json", "-").stdout)["explanations"]
    assert both[0]["cost"] == both[1]["cost"] != ""


def test_an_unknown_name_is_exit_2_with_the_nearest(run_cli: Run) -> None:
    done = run_cli("explain", "colr")
    assert done.returncode == 2
    assert "Did you mean 'color'?" in done.stderr
