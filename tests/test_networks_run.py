"""Network metrics from videos to scores: random networks stand in for real ones, in real processes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synvid_eval import compare, measure
from synvid_eval.cache import Cache
from synvid_eval.comparison import DEFAULT_METRICS, NETWORK_METRICS, build_recipe
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.features.network import Networks
from synvid_eval.measurement import Measurer, Options
from synvid_eval.sets import open_set
from tests.clips import moving, write_set, write_video

Run = Callable[..., Any]
RANDOM = Networks(features="random", device="cpu")
NAMES = [
    "fid[random-inception]",
    "kid[random-inception]",
    "fvd[random-i3d]",
    "kvd[random-i3d]",
    "diversity[random-inception]",
]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sets of 3 clips of 20 frames (one of them of 6 frames too: no run for I3D)."""
    root = tmp_path_factory.mktemp("sets")
    a, b = write_set(root / "a", 3), write_set(root / "b", 3, kind="h264")
    write_video(a / "short.avi", moving(6))
    return a, b


def scores(a: Path, b: Path, cache: Path | None, workers: int = 1, **more: Any) -> Any:
    options = Options(workers=workers, cache=Cache(cache))
    chosen = {"metrics": ["fid", "kid", "fvd", "kvd", "diversity"], "networks": RANDOM, "frames": 4} | more
    return compare(a, b, options=options, **chosen)


@pytest.fixture(scope="module")
def first(sets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return scores(*sets, tmp_path_factory.mktemp("cache") / "c")


@pytest.mark.slow
def test_all_five_have_values_and_say_that_they_are_random(first: Any) -> None:
    assert first.metrics() == NAMES
    for score in first.scores:
        assert math.isfinite(score.value), score.metric
        assert score.signature.startswith(score.metric)
        assert "weights:random:0" in score.signature
    assert set(first.run["signatures"]) == set(NAMES)
    assert "feature.weights=random:0" in first.run["signatures"]["fid[random-inception]"]
    fid = first.score("a", "fid[random-inception]")
    assert fid.value == pytest.approx(fid.detail["mean_term"] + fid.detail["trace_term"])
    assert fid.detail["rows_candidate"] == 16 and fid.n == {"candidate": 4, "reference": 3}
    fvd = first.score("a", "fvd[random-i3d]")
    assert fvd.n == {"candidate": 3, "reference": 3} and fvd.detail["too_short"] == 1


@pytest.mark.slow
def test_two_workers_another_batch_and_a_warm_cache_give_the_same_bytes(
    first: Any, sets: tuple[Path, Path], tmp_path: Path
) -> None:
    want = [json.dumps(s) for s in first.to_dict()["scores"]]
    two = scores(*sets, tmp_path / "c", 2, networks=Networks(features="random", device="cpu", batch=3))
    assert [json.dumps(s) for s in two.to_dict()["scores"]] == want
    warm = scores(*sets, tmp_path / "c")
    assert [json.dumps(s) for s in warm.to_dict()["scores"]] == want


@pytest.mark.slow
def test_a_saved_measurement_takes_part(
    first: Any, sets: tuple[Path, Path], tmp_path: Path, run_cli: Run
) -> None:
    common = ("--metrics", "fid,kid", "--features", "random", "--frames", "4", "--workers", "1", "-q")
    done = run_cli("measure", str(sets[0]), "--out", "a.measured", *common)
    assert done.returncode == 0, done.stderr
    done = run_cli("compare", "a.measured", str(sets[1]), *common, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = {s["metric"]: s["value"] for s in json.loads(done.stdout)["scores"]}
    assert found == {n: first.score("a", n).value for n in NAMES[:2]}
    done = run_cli("compare", "a.measured", str(sets[1]), *common, "--precision", "bf16")
    assert done.returncode == 3 and "inception.precision=fp32, asked is bf16" in done.stderr
    done = run_cli("compare", "a.measured", str(sets[1]), *common, "--features", "random:1")
    assert done.returncode == 3 and "inception.weights=random:0" in done.stderr


def test_without_weights_the_default_lists_what_needs_them(sets: tuple[Path, Path]) -> None:
    found = compare(*sets, options=Options(workers=1, cache=Cache(None)), clips=2)
    assert found.metrics() == [*DEFAULT_METRICS, *NETWORK_METRICS]
    for name in NETWORK_METRICS:
        score = found.score("a", name)
        assert math.isnan(score.value)
        assert score.reason == "needs weights: synvid-eval weights fetch"


def test_by_name_it_is_an_error_before_any_set_is_looked_at(run_cli: Run) -> None:
    done = run_cli("compare", "nowhere", "nowhere else", "--metrics", "fid")
    assert done.returncode == 4
    assert "synvid-eval weights fetch inception" in done.stderr and "sha256" in done.stderr


@pytest.mark.slow
def test_weights_that_are_named_give_the_plain_name_and_are_said_to_be_unknown(
    sets: tuple[Path, Path], tmp_path: Path, first: Any
) -> None:
    import torch

    from synvid_eval.networks.random import random_state

    file = tmp_path / "mine.pth"
    torch.save(random_state("inception", 0), file)
    found = scores(*sets, None, metrics=["fid"], networks=Networks(weights=f"inception={file}", device="cpu"))
    (score,) = found.scores
    assert score.metric == "fid"
    assert score.value == pytest.approx(first.score("a", NAMES[0]).value, rel=1e-6)  # the same numbers
    assert "weights:sha256:" in score.signature
    assert "no file that is known: sha256:" in score.detail["notes"]


def test_a_wrong_file_is_exit_4_and_names_what_is_wrong(tmp_path: Path) -> None:
    import torch

    file = tmp_path / "mine.pth"
    torch.save({"fc.weight": torch.zeros(3)}, file)
    networks = Networks(weights=f"inception={file}", device="cpu")
    with pytest.raises(WeightsError, match="Conv2d_1a_3x3"):
        build_recipe(["fid"], networks=networks)
    with pytest.raises(WeightsError, match="Conv2d_1a_3x3"):  # and before it is seen that nothing is there
        compare("nowhere", "nowhere else", metrics=["fid"], networks=networks)


@pytest.mark.slow
def test_usage_is_told_before_weights_and_weights_before_data(run_cli: Run, sets: tuple[Path, Path]) -> None:
    fid = ("--metrics", "fid")
    a, b = map(str, sets)
    for wrong in (
        ("preset:nosuch", b),
        (a, b, "--layout", "nosuch"),
        (a, b, "--fps", "3"),
        (a, b, "--device", "cuda:99"),
        (a, b, "--set", "fid.nosuch=1"),
    ):
        done = run_cli("compare", *wrong, *fid)
        assert done.returncode == 2, (wrong, done.stderr)
    assert run_cli("compare", "nowhere", b, *fid, "--dry-run").returncode == 4
    assert run_cli("compare", "nowhere", b, *fid, "--features", "random").returncode == 3


@pytest.mark.parametrize(
    ("setting", "option"),
    [
        ("fid.precision=bf16", "--precision"),
        ("inception.device=mps", "--device"),
        ("kid.weights=random:7", "--weights or --features"),
        ("inception.batch=3", "--batch-size"),
        ("inception.file=x", "--weights"),
    ],
)
def test_what_an_option_decides_is_no_setting(setting: str, option: str) -> None:
    with pytest.raises(UsageError, match=f"is the same for all networks. Give {option}"):
        build_recipe(["fid", "kid"], [setting], networks=RANDOM)


@pytest.mark.slow
def test_measured_sets_need_no_weights(sets: tuple[Path, Path], tmp_path: Path, first: Any) -> None:
    how = Options(workers=1, cache=Cache(None))
    made = build_recipe(["fid", "kid"], networks=RANDOM)
    for place, name in zip(sets, "ab", strict=True):
        with Measurer(made.features, how) as measurer:
            measurer.measure(open_set(str(place), name=name)).save(tmp_path / f"{name}.measured")
    both = tmp_path / "a.measured", tmp_path / "b.measured"
    assert compare(*both, metrics=["fid"]).metrics() == ["fid[random-inception]"]
    assert compare(*both, metrics=["fid"], networks=RANDOM).metrics() == ["fid[random-inception]"]
    other = Networks(features="random:1", device="cpu")
    with pytest.raises(DataError, match=r"weights=random:0, asked is random:1\. Give the same --weights"):
        compare(*both, metrics=["fid"], networks=other)
    with pytest.raises(DataError, match=r"asked is bf16\. Give the same --precision"):
        compare(*both, metrics=["fid"], networks=Networks(precision="bf16"))
    held = compare(*both)  # nobody asked for what they have not
    assert held.score("a", "color").reason == "b was measured without lab: measure it again"
    assert held.score("a", "kid[random-inception]").value == compare(*both, metrics=["kid"]).scores[0].value
    with pytest.raises(WeightsError):  # one of them would run a network
        compare(both[0], sets[1], metrics=["fid"])


@pytest.mark.slow
def test_what_ran_is_written_down(first: Any) -> None:
    ran = first.run["networks"]
    assert ran["inception"]["device"] == "cpu" and ran["i3d"]["weights"] == "random:0"
    assert first.run["versions"]["torch"]
    assert "torch" in first.run["sets"][0]["networks"]["inception"]


def test_on_a_gpu_the_batch_is_a_part_of_what_decides_the_bits() -> None:
    from synvid_eval.features.inception import Inception

    assert Inception(batch=3).where() == Inception().where()
    assert "batch 3" in Inception(device="cuda:1", batch=3).where()
    assert Inception(device="cuda:1").where() == Inception(device="cuda:0").where()


@pytest.mark.parametrize("text", ["rando", "random:", "random:-1", "random:x", "real"])
def test_features_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="--features"):
        Networks(features=text)


def test_random_and_real_weights_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="runs random networks"):
        Networks(features="random", weights="dir")


def test_a_set_measured_without_networks_lacks_them_only_where_they_are_asked_for(
    sets: tuple[Path, Path], tmp_path: Path, run_cli: Run
) -> None:
    done = run_cli(
        "measure", str(sets[0]), "--out", "a.measured", "--metrics", "color", "-q", "--workers", "1"
    )
    assert done.returncode == 0, done.stderr
    done = run_cli("compare", "a.measured", str(sets[1]), "--metrics", "color", "-q", "--workers", "1")
    assert done.returncode == 0, done.stderr
    with pytest.raises(DataError, match="measured without what kid"):
        compare(tmp_path / "a.measured", sets[1], metrics=["kid"], networks=RANDOM)


@pytest.mark.slow
def test_the_paper_protocol_looks_at_ten_frames_for_fid(sets: tuple[Path, Path]) -> None:
    found = scores(*sets, None, metrics=["fid", "kid"], frames=None, protocol="paper")
    fid, kid = found.scores
    assert fid.detail["rows_candidate"] == 10 * 3 + 6 and kid.detail["rows_candidate"] == 16 * 3 + 6


def test_all_that_is_missing_is_named_at_once(sets: tuple[Path, Path]) -> None:
    with pytest.raises(WeightsError) as caught:
        compare(*sets, metrics=["fid", "fvd"])
    assert all(f"fetch {name}" in str(caught.value) for name in ("inception", "i3d"))


def test_options_of_networks_mean_nothing_without_one(sets: tuple[Path, Path], run_cli: Run) -> None:
    for networks, option in ((RANDOM, "--features, --device"), (Networks(precision="bf16"), "--precision")):
        with pytest.raises(UsageError, match=f"{option} means nothing: no metric that is asked for runs"):
            compare(*sets, metrics=["color"], networks=networks)
    done = run_cli("compare", *map(str, sets), "--metrics", "color", "--weights", "")
    assert done.returncode == 2 and "--weights is empty" in done.stderr


def test_scores_that_cannot_be_had_are_named_by_the_networks_asked_for(
    sets: tuple[Path, Path], tmp_path: Path
) -> None:
    how = Options(workers=1, cache=Cache(None))
    measure(str(sets[1]), features=["lab"], options=how).save(tmp_path / "b.measured")
    found = compare(sets[0], tmp_path / "b.measured", networks=RANDOM, options=how)
    assert set(found.metrics()) == {*DEFAULT_METRICS, *NAMES}
    assert not math.isnan(found.score("a", "color").value)
    assert found.score("a", "spectrum").reason == "b was measured without spectrum: measure it again"
    for name in NAMES:
        assert str(found.score("a", name).reason).endswith("measure it again with --features random")


def test_knobs_are_told_as_they_were_typed() -> None:
    with pytest.raises(UsageError, match=r"^fid.protocol=clen is not possible. Did you mean 'clean'"):
        build_recipe(["fid", "kid"], ["fid.protocol=clen"], networks=RANDOM)
    with pytest.raises(
        UsageError, match=r"kid.protocol=clean contradicts --set fid.protocol=tf\. fid and kid sh"
    ):
        build_recipe(["fid", "kid"], ["fid.protocol=tf", "kid.protocol=clean"], networks=RANDOM)
