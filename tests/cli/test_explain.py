"""`explain`: metrics, features, layouts, protocols, presets, corruptions, the sampler, what trains; from
their own declarations.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from synvid_eval import features, metrics
from synvid_eval.cli.wrapping import filled
from synvid_eval.explanation import explain, names, trainings
from synvid_eval.generators import presets
from synvid_eval.networks import backbones
from synvid_eval.protocols import PROTOCOLS
from synvid_eval.training import methods, probe, recipe
from synvid_eval.video.layouts import LAYOUTS
from tests.conftest import Run


def test_everything_that_list_lists_can_be_explained() -> None:
    known = names()
    for name in (*metrics.registry.names(), *features.registry.names(), *LAYOUTS, *PROTOCOLS, "sampler"):
        assert name in known
    assert set(presets.names()) <= set(known)
    assert {*methods.METHODS, *backbones.NAMES, *trainings.recipe_names()} <= set(known)


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


RECIPES = [n for n in trainings.recipe_names() if ":" in n]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_explained_by_the_values_that_train_and_each_says_its_source(name: str) -> None:
    owner, _, own = name.partition(":")
    (one,) = explain(name, timed=False)
    chosen, network = recipe.chosen(trainings.owners()[owner], own, ())
    assert {c.name: c.default for c in one.constants} == dataclasses.asdict(chosen)
    assert all(c.source for c in one.constants)
    assert f"{network.frames} frames of {network.image} px" in one.about
    assert f"{chosen.batch:,} clips a step" in one.about or chosen.head == "knn"


@pytest.mark.parametrize(
    ("name", "knob", "source"),
    [
        ("videomae:paper", "lr", "Table 5"),
        ("videomae:released", "batch", "released code"),
        ("videomae:released", "mask_ratio", "Table 5"),
        ("videomae:tiny", "batch", "our choice"),
        ("moco:paper-fractal", "queue", "paper, and released code"),
        ("moco:paper-fractal", "optimizer", "paper, and released code"),
        ("moco:tiny", "queue", "our choice"),
        ("moco:tiny", "temperature", "paper, and released code"),
        ("finetune:paper-ucf101", "epochs", "Table 6"),
        ("finetune:paper-fractal", "epochs", "released code of Svyezhentsev et al. 2024"),
        ("finetune:paper-fractal", "save", "our choice"),
        ("probe:paper", "lr", "Table 7"),
        ("probe:released", "lr", probe.SCRIPT),
        ("probe:released", "nesterov", probe.SCRIPT),
        ("probe:paper", "nesterov", "our choice"),
        ("finetune:released-ucf101", "augment", "released code"),
        ("finetune:released-ucf101", "lr", "Table 6"),
        ("probe:knn", "neighbors", "Caron et al. 2021"),
    ],
)
def test_where_a_recipes_value_comes_from(name: str, knob: str, source: str) -> None:
    (one,) = explain(name, timed=False)
    assert [c.source for c in one.constants if c.name == knob] == [source]


def test_a_recipe_says_how_it_differs_from_the_nearest_before_it() -> None:
    (one,) = explain("paper-vitl", timed=False)
    assert one.name == "paper-vitl" and one.facts["differs"] == "as paper, but size=large, batch=128"
    (one,) = explain("finetune:released-hmdb51", timed=False)
    assert one.facts["differs"].startswith("as paper-hmdb51, but augment=rand-m7-n4-mstd0.5-inc1")
    assert explain("moco:paper-fractal", timed=False)[0].facts["differs"] == "of its own"


def test_a_name_of_several_recipes_says_what_each_training_means_by_it(run_cli: Run) -> None:
    text = run_cli("explain", "tiny").stdout
    for owner in (*methods.METHODS, "finetune", "probe"):
        assert (f"synvid-eval explain {owner}:tiny" in text) == (owner != "probe")
    assert "queue=64" in text and "size=tiny" in text
    both = json.loads(run_cli("explain", "paper", "--no-cost", "--json", "-").stdout)["explanations"]
    assert [e["kind"] for e in both] == ["protocol", "recipe"]
    assert {"videomae", "probe"} < set(both[1]["facts"])


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_method_is_explained_with_its_own_knobs_and_what_it_trains(name: str) -> None:
    (one,) = explain(name, timed=False)
    assert one.kind == "method" and len(one.essay) > 100
    assert one.facts["backbones"] == (
        "vit" if name == "videomae" else "vit, tsm-resnet50, tsm-resnet18, r2plus1d-18, csn-26"
    )
    own = {c.name for c in one.constants}
    assert ("queue" in own) == (name == "moco") and ("mask_ratio" in own) == (name == "videomae")
    assert "lr" not in own


def test_a_backbone_is_explained_by_its_numbers_and_what_a_pass_takes() -> None:
    (one,) = explain("r2plus1d-18")
    assert one.kind == "backbone" and one.facts["methods"] == "moco, simclr, byol, supervised"
    assert "million weights" in one.cost and "ms for a clip" in one.cost
    assert {c.name for c in one.constants} == {"image", "frames", "stage"}  # it shifts nothing
    (one,) = explain("vit", timed=False)
    assert "videomae:paper" in one.facts["recipes"] and "large: width 1024, 24 layers" in one.facts["sizes"]
    (one,) = explain("tsm-resnet50", timed=False)
    assert "moco:paper-fractal" in one.facts["recipes"] and "shift" in {c.name for c in one.constants}


def test_the_text_of_a_recipe(run_cli: Run) -> None:
    done = run_cli("explain", "moco:paper-fractal", env={"COLUMNS": "90"})
    assert done.returncode == 0, done.stderr
    assert "queue = 16384   [1 to 16,777,216]" in done.stdout
    assert "Keys that wait as negatives. Source: paper, and released code." in done.stdout
    assert "--set KNOB=VALUE of train changes one" in done.stdout


def test_the_text_of_a_metric(run_cli: Run) -> None:
    done = run_cli("explain", "color", env={"COLUMNS": "90"})
    assert done.returncode == 0, done.stderr
    for word in ("color (metric)", "tr(Σ_q⁻¹Σ_p)", "ridge = 0.01 L*a*b* units²   [0.0 to 10,000.0]",
                 "frames = 16", "Source.", "Pitfalls.", "from 60 clips on", "ms a clip"):  # fmt: skip
        assert word in done.stdout, word
    assert max(map(len, done.stdout.splitlines())) <= 90


@pytest.mark.parametrize("columns", ["60", "77", "79", "83", "100"])
def test_a_command_is_never_broken(run_cli: Run, columns: str) -> None:
    for name, wanted in (("fid", "inception"), ("fvd", "i3d i3d-videogpt")):
        text = run_cli("explain", name, "--no-cost", env={"COLUMNS": columns}).stdout
        assert f"synvid-eval weights fetch {wanted}." in text
        assert max(map(len, text.splitlines())) <= int(columns) or columns == "60"


def test_what_is_a_command_ends_where_the_sentence_goes_on() -> None:
    text = filled("Run: synvid-eval weights fetch i3d --weights '/a b/c.d'. Or do it well-known by hand.", 40)
    assert text.splitlines() == [
        "Run:",
        "synvid-eval weights fetch i3d --weights '/a b/c.d'.",
        "Or do it well-known by hand.",
    ]


def test_a_name_that_is_metric_and_feature_gives_both(run_cli: Run) -> None:
    document = json.loads(run_cli("explain", "tubelet", "--no-cost", "--json", "-").stdout)
    assert [e["kind"] for e in document["explanations"]] == ["metric", "feature"]
    assert document["explanations"][0]["cost"] == ""
    assert {"of", "name", "default", "allowed", "unit", "meaning", "source"} == set(
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


@pytest.mark.parametrize("name", ["fid", "kid", "diversity", "fvd", "kvd"])
def test_a_metric_of_a_network_says_which_weights_and_protocols(name: str) -> None:
    (one,) = [e for e in explain(name, timed=False) if e.kind == "metric"]
    frames = name in ("fid", "kid", "diversity")
    assert (
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2" in one.facts["weights"]
    ) == frames
    wanted = "inception" if frames else "i3d i3d-videogpt"
    assert f"synvid-eval weights fetch {wanted}." in one.facts["weights"]
    assert one.facts["protocols"].startswith("pytorch, clean, tf" if frames else "styleganv, videogpt, cdfvd")
    assert f"--set {name}.protocol=" in one.facts["protocols"]
    gates = {
        "fid": "100 clips and 3 clips a dimension and 0.05 clips per squared effective rank",
        "diversity": "100 clips and d^1.5 clips",
        "kid": "200 clips",
    }
    assert gates.get(name, "") in one.facts["interval"]
    assert one.facts["kind"].startswith({"kid": "unbiased", "kvd": "unbiased"}.get(name, ""))


def test_the_protocols_of_networks_are_explained_with_every_constant() -> None:
    (one,) = explain("inception", timed=False)
    for protocol, words in {
        "pytorch": ("299 × 299", "half-pixel", "no antialias", "x · 2/255 − 1"),
        "clean": ("299 × 299", "bicubic, a = −0.5", "never rounded", "x · 1/128 − 1"),
        "tf": ("299 × 299", "first pixel's center", "float32", "x · 1/128 − 1"),
    }.items():
        assert all(w in one.facts[f"protocol {protocol}"] for w in words), protocol
    assert "2048" in one.facts["rows"]
    (one,) = explain("i3d", timed=False)
    for protocol, words in {
        "styleganv": ("squashed to 224 × 224", "no antialias", "x · 2/255 − 1", "divided by n"),
        "videogpt": ("⌈side · 224 / shorter⌉", "⌊(side − 224) / 2⌋", "divided by n − 1"),
        "cdfvd": ("128 × 128", "with antialias", "squashed to 224 × 224", "divided by n"),
    }.items():
        assert all(w in one.facts[f"protocol {protocol}"] for w in words), protocol
    assert not one.facts["protocol cdfvd"].endswith("1")
    assert "16 frames at stride 1" in one.facts["rows"] and "9 at least" in one.facts["rows"]
    options = {c.name: c.allowed for c in one.constants if c.of == "i3d"}
    assert options["device"] == "by --device" and options["protocol"] == "styleganv, videogpt, cdfvd"


def test_the_constants_of_the_clean_and_tf_range_are_what_is_computed() -> None:
    """The text says x · 1/128 − 1: a white frame gives it."""
    import numpy as np

    from synvid_eval.features.inception import InceptionInput

    white = np.full((8, 8, 3), 255, np.uint8)
    assert InceptionInput("tf")(white).max() == pytest.approx(255 / 128 - 1)
    assert InceptionInput("pytorch")(white).max() == pytest.approx(1)


@pytest.mark.parametrize("name", ["inception", "i3d"])
def test_the_cost_of_a_network_says_with_which_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNVID_EVAL_WEIGHTS", str(tmp_path))
    (one,) = explain(name)
    assert f"The feature {name} takes " in one.cost
    assert "with random weights, since there are no others here" in one.cost


def test_the_paper_protocol_gives_the_knobs_of_features_and_metrics() -> None:
    one, _ = explain("paper", timed=False)  # beside it the recipes of that name
    given = {(c.of, c.name): c.default for c in one.constants}
    assert (
        given["inception", "subset"] == "10"
        and given["fid", "frames"] == "10"
        and given["hog", "frames"] == "16"
    )


def test_an_unknown_name_is_exit_2_with_the_nearest(run_cli: Run) -> None:
    done = run_cli("explain", "colr")
    assert done.returncode == 2
    assert "Did you mean 'color'?" in done.stderr


@pytest.mark.parametrize("name", ["fd[run]", "kd[run]", "diversity[run]", "run"])
def test_a_metric_of_an_encoder_says_how_one_is_named(name: str) -> None:
    (one,) = explain(name, timed=False)
    assert "--features run=RUN" in one.facts["weights"] and "run=random:0:tiny" in one.facts["weights"]
    assert "fetch" not in one.facts["weights"] and "protocols" not in one.facts
    allowed = {c.name: c.allowed for c in one.constants}
    assert allowed["weights"] == allowed["file"] == allowed["encoder"] == "by --features"
    assert allowed["stride"] == "0 to 256"


def test_the_cost_of_an_encoder_is_that_of_a_small_one_and_needs_what_builds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import synvid_eval.explanation as room

    (one,) = explain("run")
    assert "with a ViT-tiny (random:0:tiny)" in one.cost
    monkeypatch.setitem(sys.modules, "transformers", None)
    room._cost.cache_clear()
    (one,) = explain("run")
    assert one.cost == "What the feature run takes cannot be timed: transformers is not installed"
    room._cost.cache_clear()


@pytest.mark.slow
def test_an_encoder_that_is_named_is_explained(run_cli: Run) -> None:
    given = ("--features", "run=random:3:tiny")
    for name in ("fd[run]", "run"):
        done = run_cli("explain", name, *given, "--no-cost", "--json", "-")
        assert done.returncode == 0, done.stderr
        (one,) = json.loads(done.stdout)["explanations"]
        assert "image=64" in one["facts"]["encoder"] and "random:3:tiny" in one["facts"]["encoder"]
        assert one["facts"]["sees"] == "16 frames of 64 × 64 px of a clip, at a stride of 4 or less"
        found = {c["name"]: c["default"] for c in one["constants"]}
        assert found["weights"] == "random:3:tiny" and found["stride"] == 4
    text = " ".join(run_cli("explain", "run", *given).stdout.split())
    assert "on one core of this machine, with random:3:tiny, beyond decoding" in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["color", "--features", "run=random:0:tiny"], 2, "run=RUN for fd[run], kd[run], diversity[run]"),
        (["tiny", "--features", "random"], 2, "means nothing for tiny"),
        (["fd[run]", "--features", "random"], 2, "It takes run=RUN"),
        (["fid", "--features", "run=random:0:tiny"], 2, "It takes random"),
        (["fd[run]", "--features", "run=nowhere/"], 4, "no checkpoint at nowhere/"),
        (["fd"], 2, "Did you mean 'fd[run]'?"),
        (["moco:papre-fractal"], 2, "Did you mean 'moco:paper-fractal'?"),
    ],
)
def test_what_cannot_be_explained_names_the_cure(
    words: list[str], code: int, said: str, run_cli: Run
) -> None:
    done = run_cli("explain", *words, "--no-cost")
    assert done.returncode == code and said in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def test_the_list_of_metrics_says_what_some_need(run_cli: Run) -> None:
    text = run_cli("list", "metrics").stdout
    assert "fd[run], kd[run] and diversity[run] need an encoder of yours, --features run=RUN" in text
    assert "synvid-eval weights list" in text and "synvid-eval explain run" in text
