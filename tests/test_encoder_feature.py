"""A trained encoder from `--features run=RUN` to scores: what is measured with it, what is refused, what is
written down.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synvid_eval import compare, measure
from synvid_eval.cache import Cache
from synvid_eval.comparison import DEFAULT_METRICS, NETWORK_METRICS, RUN_METRICS, build_recipe
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.features.network import Networks
from synvid_eval.measurement import Options
from synvid_eval.score import metric_of
from synvid_eval.sets import open_set
from tests.clips import write_set
from tests.conftest import Run
from tests.features.test_run import OF, run_of
from tests.networks import plain_videomae as plain


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of one architecture."""
    root = tmp_path_factory.mktemp("runs")
    made = (plain.drawn(OF.width, OF.depth, OF.patch, seed) for seed in (1, 2))
    return tuple(run_of(root / name, w) for name, w in zip("ab", made, strict=True))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def sets() -> list[NDArray[np.uint8]]:
    """Two sets in memory, of 6 clips of 20 frames: noise, and noise of which every second frame is dark."""
    rng = np.random.default_rng(0)
    noise, flicker = (rng.integers(0, 256, (6, 20, 20, 24, 3), dtype=np.uint8) for _ in range(2))
    flicker[:, ::2] //= 4
    return [noise, flicker]


def networks(run: object, **more: Any) -> Networks:
    return Networks(features=f"run={run}", device="cpu", **more)


def compared(sets: list[Any], run: object, **more: Any) -> Any:
    options = Options(workers=1, cache=Cache(None))
    chosen = {"metrics": RUN_METRICS, "networks": networks(run), "options": options} | more
    both = [open_set(one, name=name) for one, name in zip(sets, "ab", strict=True)]
    return compare(both[0], both[1], **chosen)


def test_the_three_have_values_and_say_which_encoder(sets: list[Any], runs: tuple[Path, Path]) -> None:
    found = compared(sets, runs[0])
    assert found.metrics() == list(RUN_METRICS)
    for score in found.scores:
        assert math.isfinite(score.value) and score.n == {"candidate": 6, "reference": 6}
        assert score.signature.startswith(f"{score.metric}|weights:sha256:")
        assert "|encoder:vit|stride:2|" in score.signature
        assert "notes" not in score.detail, "an encoder of one's own is no unknown file"
    long = found.run["signatures"]["fd[run]"]
    assert "feature.encoder=vit width=24 depth=2 heads=3 image=16 frames=4" in long
    assert str(runs[0]) not in long
    ran = found.run["networks"]["run"]
    assert ran["file"] == str(runs[0] / "checkpoints" / "step-00000020.safetensors")
    other = compared(sets, runs[1])
    assert [s.value for s in other.scores] != [s.value for s in found.scores]
    assert not {s.signature for s in other.scores} & {s.signature for s in found.scores}


def test_a_set_against_itself(sets: list[Any], runs: tuple[Path, Path]) -> None:
    found = compared([sets[0], sets[0].copy()], runs[0], settings=["sampler.start=first"])
    far = compared(sets, runs[0], settings=["sampler.start=first"]).scores
    # blocks are others, since ids are: their sums are rounded in another order
    assert found.scores[0].value < 1e-12 * far[0].value and found.scores[1].value <= 0 < far[1].value
    assert abs(found.scores[2].detail["difference"]) < 1e-9 < abs(far[2].detail["difference"])


def test_a_random_encoder_is_a_control_by_name(sets: list[Any]) -> None:
    found = compared(sets, "random:0:tiny")
    names = ["fd[random-run]", "kd[random-run]", "diversity[random-run]"]
    assert found.metrics() == names
    assert [metric_of(n) for n in names] == list(RUN_METRICS)
    assert "weights:random:0:tiny" in found.scores[0].signature


@pytest.mark.parametrize(
    ("label", "metric"),
    [("fid", "fid"), ("fid[random-inception]", "fid"), ("fd[run]", "fd[run]"), ("x[y]", "x[y]")],
)
def test_the_metric_of_a_label(label: str, metric: str) -> None:
    assert metric_of(label) == metric


def test_an_encoder_adds_its_metrics_to_what_is_measured(runs: tuple[Path, Path]) -> None:
    made = build_recipe(networks=networks(runs[0]))
    assert [m.name for m in made.metrics] == [*DEFAULT_METRICS, *RUN_METRICS]
    assert [m.name for m, *_ in made.absent] == list(NETWORK_METRICS)  # for want of weights
    both = build_recipe(networks=Networks(features=f"random:3,run={runs[0]}", device="cpu"))
    assert [m.name for m in both.metrics] == [*DEFAULT_METRICS, *NETWORK_METRICS, *RUN_METRICS]
    weights = {f.name: f.weights for f in both.features if hasattr(f, "weights")}
    assert weights["inception"] == weights["i3d"] == "random:3" and weights["run"].startswith("sha256:")
    assert [m.name for m in build_recipe().metrics] == list(DEFAULT_METRICS)


@pytest.mark.parametrize(
    ("features", "random", "run"),
    [
        ("", "", ""),
        ("random:2", "random:2", ""),
        ("run=a,b/", "", "a,b/"),
        ("random,run=random:0:tiny", "random", "random:0:tiny"),
    ],
)
def test_what_is_asked_of_networks(features: str, random: str, run: str) -> None:
    found = Networks(features=features)
    assert (found.random, found.run) == (random, run)


@pytest.mark.parametrize("text", ["run", "run=", "random,run=", ",run=a", "xrun=a", "random,", "runs=a"])
def test_features_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="--features"):
        Networks(features=text)


def test_weights_and_a_run_go_together(runs: tuple[Path, Path]) -> None:
    assert networks(runs[0], weights="nowhere").run == str(runs[0])
    with pytest.raises(UsageError, match="--features random runs random networks"):
        Networks(features="random,run=x", weights="nowhere")


def test_nothing_is_ignored(runs: tuple[Path, Path]) -> None:
    for metrics, features, said in (
        (
            ["color"],
            f"run={runs[0]}",
            r"--features, --device means nothing: no metric that is asked for runs",
        ),
        (["fid"], f"random,run={runs[0]}", r"--features run=.* means nothing: .*Ask for --metrics fd\[run\]"),
        (["fd[run]"], f"random,run={runs[0]}", "--features random means nothing"),
    ):
        with pytest.raises(UsageError, match=said):
            build_recipe(metrics, networks=Networks(features=features, device="cpu"))
    with pytest.raises(UsageError, match="--weights nowhere means nothing"):
        build_recipe(["kd[run]"], networks=networks(runs[0], weights="nowhere"))
    for setting, said in (
        ("run.encoder=x", r"Give --features run=RUN"),
        ("fd[run].weights=x", "is the same for all networks"),
        ("sampler.length=3", r"run looks at 4 frames, and runs have 3\. Give --set sampler\.length=4"),
        ("run.stride=-1", r"run\.stride=-1 is out of range"),
        ("kd[run].nosuch=1", r"kd\[run\] has no knob 'nosuch'"),
    ):
        with pytest.raises(UsageError, match=said):
            build_recipe(["fd[run]", "kd[run]"], [setting], networks=networks(runs[0]))
    with pytest.raises(WeightsError, match=r"Give --features run=RUN"):
        build_recipe(["fd[run]"])


def test_knobs_are_set_by_the_names_that_are_shown(sets: list[Any], runs: tuple[Path, Path]) -> None:
    made = build_recipe(
        ["fd[run]", "diversity[run]"],
        ["fd[run].stride=1", "diversity[run].ridge=0.5"],
        networks=networks(runs[0]),
    )
    (feature,) = made.features
    assert feature.stride == 1 and made.metrics[1].ridge == 0.5  # type: ignore[attr-defined]
    apart = compared(sets, runs[0]).scores[0], compared(sets, runs[0], settings=["run.stride=1"]).scores[0]
    assert apart[0].value != apart[1].value and "stride:1" in apart[1].signature


def test_measured_sets_need_no_encoder_and_two_encoders_are_never_compared(
    sets: list[Any], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    how = Options(workers=1, cache=Cache(None))
    first, second = (build_recipe(["fd[run]"], networks=networks(r)).features for r in runs)
    measure(sets[0], name="a", features=first, options=how).save(tmp_path / "a.measured")
    measure(sets[1], name="b", features=first, options=how).save(tmp_path / "b.measured")
    measure(sets[1], name="c", features=second, options=how).save(tmp_path / "c.measured")
    a, b, c = (tmp_path / f"{n}.measured" for n in "abc")
    want = [s.value for s in compared(sets, runs[0]).scores]
    assert [s.value for s in compare(a, b, metrics=RUN_METRICS).scores] == want
    held = compare(a, b)  # what all of them hold is compared without being asked for
    assert [held.score("a", n).value for n in RUN_METRICS] == want
    assert held.score("a", "color").reason == "b was measured without lab: measure it again"
    with pytest.raises(
        DataError, match=r"^c was measured with run\.weights=sha256:.*Give the same --features run"
    ):
        compare(a, c, metrics=["fd[run]"])
    with pytest.raises(DataError, match=r"a was measured with run\.weights=.*--features run=RUN"):
        compare(a, b, metrics=["fd[run]"], networks=networks(runs[1]))
    with pytest.raises(WeightsError, match="No encoder is given"):  # one of them would run it
        compare(a, open_set(sets[1], name="b"), metrics=["fd[run]"])
    measure(sets[1], name="d", features=["lab"], options=how).save(tmp_path / "d.measured")
    with pytest.raises(DataError, match=r"d was measured without what fd\[run\] needs\. .*--metrics color"):
        compare(a, tmp_path / "d.measured", metrics=["fd[run]"], networks=networks(runs[0]))


def test_by_command(runs: tuple[Path, Path], run_cli: Run) -> None:
    """One line and the exit code of its kind; before any set is looked at."""
    for features, code, said in (
        ((), 4, "No encoder is given for the feature run. Give --features run=RUN"),
        (("--features", "run=nowhere"), 4, "There is no checkpoint at nowhere"),
        (("--features", f"run={runs[0] / 'checkpoints'}"), 4, "holds no checkpoint"),
        (("--features", "run=random:0:tinny"), 2, "tinny"),
        (("--features", f"run={runs[0]}", "--device", "cuda:77"), 2, "--device cuda:77"),
        (("--features", f"run={runs[0]}", "--set", "sampler.length=2"), 2, "sampler.length=4"),
    ):
        done = run_cli("compare", "nowhere-1", "nowhere-2", "--metrics", "fd[run]", *features)
        assert done.returncode == code, (features, done.stderr)
        assert said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    done = run_cli("compare", "a", "b", "--metrics", "fd")
    assert done.returncode == 2 and "fd[run]" in done.stderr


@pytest.mark.slow
def test_processes_shards_cache_and_batches_change_no_byte(
    runs: tuple[Path, Path], tmp_path: Path, run_cli: Run
) -> None:
    a, b = (write_set(tmp_path / n, 3, kind=k) for n, k in (("a", "ffv1"), ("b", "h264")))
    common = ("--metrics", "fd[run],kd[run],color", "--features", f"run={runs[0]}", "-q")
    scores = []
    for more in (("--workers", "1"), ("--workers", "2", "--batch-size", "3"), ("--workers", "1")):
        done = run_cli("compare", a, b, *common, *more, "--json", "-")
        assert done.returncode == 0, done.stderr
        scores.append(json.dumps(json.loads(done.stdout)["scores"]))
    assert len(set(scores)) == 1
    options = ("--cache", "none", "--workers", "1")
    assert run_cli("measure", a, "--out", "whole.measured", *common, *options).returncode == 0
    for part in range(2):
        done = run_cli("measure", a, "--out", "parts", "--shard", f"{part}/2", *common, *options)
        assert done.returncode == 0, done.stderr
    assert run_cli("merge", "parts", "--out", "joined.measured", "-q").returncode == 0
    assert (tmp_path / "joined.measured").read_bytes() == (tmp_path / "whole.measured").read_bytes()
    other = ("--metrics", "fd[run],kd[run],color", "--features", f"run={runs[1]}", "-q")
    done = run_cli("measure", a, "--out", "parts", "--shard", "0/2", *other, *options)
    assert done.returncode in (2, 3) and "run" in done.stderr, done.stderr
    done = run_cli("compare", "joined.measured", b, *common, "--dry-run", *options)
    assert done.returncode == 0 and "features lab, run" in done.stdout, done.stderr
    done = run_cli("compare", "joined.measured", b, *common, *options, "--html", "page.html")
    assert done.returncode == 0 and "fd[run]" in (tmp_path / "page.html").read_text()
