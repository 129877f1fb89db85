"""The model of costs: its arithmetic against written-down values, its rates against what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from synvid_eval.cache import Cache
from synvid_eval.costs import (
    OPERATIONS,
    PEAK,
    SHARE,
    Machine,
    Rates,
    SetRates,
    calibrate,
    forecast,
    kind_of_gpu,
)
from synvid_eval.errors import DataError, UsageError
from synvid_eval.features import registry
from synvid_eval.measurement import Options, plan_pieces
from synvid_eval.sets import open_set
from tests.conftest import Run

RATES = Rates(
    machine="two cores",
    workers=2,
    start=3.6,
    plan=1e-6,
    deal=1e-3,
    receipt=1e-3,
    stream=1e9,
    features=["i3d", "inception", "lab"],
    sets={
        "made": SetRates(
            decode=0.036,
            compute=0.324,
            networks={"inception": 3.6, "i3d": 7.2},
            read=None,
            clip=5e5,
            piece=1e6,
        ),
        "real": SetRates(
            decode=0.018,
            compute=0.018,
            networks={"inception": 3.6, "i3d": 7.2},
            read=2e6,
            clip=5e5,
            piece=1e6,
        ),
    },
    frames=16,
)


def test_a_forecast_is_its_sum() -> None:
    found = forecast(RATES, {"made": 1_000_000, "real": 100_000}, Machine(cores=100), price=2.0)
    stages = {s.name: s for s in found.stages}
    assert stages["decode"].amount == pytest.approx(10.0 + 0.5)
    assert stages["compute"].amount == pytest.approx(90.0 + 0.5)
    assert stages["inception"].amount == pytest.approx(1_100_000 * 3.6 / 3600)
    assert stages["inception"].unit == "core-hours" and not stages["inception"].assumed
    work = (10.5 + 90.5 + 1100.0 + 2200.0) / 100
    dealing = 1_100_000 * 1e-3 / 3600
    assert found.pieces == 4105 + 640  # of 3125 ± 56 clips a shard, and of 312 ± 18
    assert found.storage == found.pieces * 1e6
    join = (found.pieces * 1e-3 + found.storage / 1e9) / 3600
    assert found.hours == pytest.approx(0.001 + 1.1 / 3600 + work + dealing / 100 + join)
    assert found.money == pytest.approx(2.0 * found.hours)
    assert found.read == 100_000 * 2e6 and found.bottleneck == "i3d"


def test_gpus_take_networks_off_the_cores() -> None:
    machine = Machine.parse("gpu=h200:8,cores=128,nodes=2")
    assert machine == Machine(cores=128, gpu="h200", gpus=8, nodes=2)
    found = forecast(RATES, {"made": 1_000_000}, machine)
    stages = {s.name: s for s in found.stages}
    each = 16 * OPERATIONS["inception"] / (PEAK["h200"] * 1e12 * SHARE)
    assert stages["inception"].amount == pytest.approx(1_000_000 * each / 3600)
    assert stages["inception"].unit == "GPU-hours" and stages["inception"].assumed
    tried = forecast(
        replace(RATES, gpu={"inception": 100.0, "i3d": 50.0}, gpu_kind="h200"), {"made": 1_000_000}, machine
    )
    own = {s.name: s for s in tried.stages}["inception"]
    assert own.amount == pytest.approx(10_000 / 3600) and not own.assumed


def test_the_rate_of_one_gpu_is_not_that_of_another() -> None:
    tried = replace(RATES, gpu={"inception": 100.0, "i3d": 50.0}, gpu_kind="t4")
    seconds = {}
    for kind in ("t4", "v100"):
        found = forecast(tried, {"made": 1_000_000}, Machine.parse(f"gpu={kind}:1,cores=8"))
        stage = {s.name: s for s in found.stages}["inception"]
        seconds[kind] = stage.amount
        assert stage.assumed == (kind == "v100")
    assert seconds["t4"] == pytest.approx(10_000 / 3600)
    assert seconds["v100"] == pytest.approx(seconds["t4"] * PEAK["t4"] / PEAK["v100"])
    with pytest.raises(UsageError, match="those of a GPU"):
        forecast(tried, {"made": 1}, Machine(cores=8))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A10G", "nvidia a10g"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("Tesla V100-SXM2-16GB", "v100"),
    ],
)
def test_gpus_are_known_by_their_names(name: str, kind: str) -> None:
    assert kind_of_gpu(name) == kind


def test_what_shares_the_cores_is_the_bottleneck_together() -> None:
    """Decoding and computing take 10 h each on the cores, a GPU 12 h: the cores are what is waited for."""
    rates = replace(
        RATES,
        sets={
            "made": SetRates(
                decode=0.036, compute=0.0361, networks={"inception": 1.0}, read=None, clip=1, piece=1
            )
        },
        gpu={"inception": 1e6 / (12 * 3600)},
        gpu_kind="t4",
    )
    found = forecast(rates, {"made": 1_000_000}, Machine(cores=1, gpu="t4", gpus=1))
    assert found.hours > 20 and found.bottleneck == "compute"


def test_receipts_of_few_clips_are_small() -> None:
    found = forecast(RATES, {"made": 10}, Machine(cores=1))
    assert found.storage == 10 * 5e5


def test_there_are_jobs_enough_for_dealing() -> None:
    many = forecast(replace(RATES, deal=0.01), {"made": 1_000_000}, Machine(cores=2000))
    dealing = {s.name: s for s in many.stages}["deal"]
    assert many.jobs > 1 and dealing.bound <= max(s.bound for s in many.stages)


def test_slow_storage_is_the_bottleneck() -> None:
    found = forecast(RATES, {"real": 10_000_000}, Machine(cores=100_000, read=1e8))
    assert found.bottleneck == "read" and found.hours > 10_000_000 * 2e6 / 1e8 / 3600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cores", "not known"),
        ("core=3", "cores"),
        ("cores=x", "cannot be read"),
        ("gpu=h300:2", "h200"),
        ("cores=0", "no machine"),
    ],
)
def test_a_machine_that_is_none_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Machine.parse(text)


def test_pieces_are_those_of_the_plan() -> None:
    for count in (1, 7, 320, 5000, 70_000, 120_000):
        planned = len(plan_pieces(open_set(f"preset:moving_circles?n={count}")))
        said = forecast(RATES, {"made": count}, Machine(cores=1)).pieces
        assert said == pytest.approx(planned, rel=0.06, abs=1)


def test_any_number_of_clips_is_some_pieces() -> None:
    few, many = (forecast(RATES, {"made": n}, Machine(cores=1)).pieces for n in (32_700_000, 32_800_000))
    assert many - few == pytest.approx(100_000 / 256, abs=2)
    assert forecast(RATES, {"made": 10**30}, Machine(cores=1)).pieces > 10**27


def test_rates_survive_a_file() -> None:
    told = json.loads(json.dumps(RATES.to_dict()))
    assert Rates.from_dict(told, "x") == RATES
    for wrong in ({}, [], {**told, "schema": "other"}, {**told, "sets": {"a": {}}}, {**told, "more": 1}):
        with pytest.raises(DataError, match="no rates"):
            Rates.from_dict(wrong, "x")  # type: ignore[arg-type]


@pytest.mark.slow
def test_rates_are_measured() -> None:
    small, large = (open_set(f"preset:moving_circles?n=60&size={s}", name=f"s{s}") for s in (32, 320))
    found = calibrate([small, large], [registry.get("lab")()], Options(workers=1, cache=Cache(None)))
    small_rates, large_rates = found.sets["s32"], found.sets["s320"]
    assert large_rates.decode + large_rates.compute > small_rates.decode + small_rates.compute > 0
    assert 0 < small_rates.clip < small_rates.piece and found.features == ["lab"]
    assert 0 < found.deal < 1 and 0 < found.receipt < 1 and found.stream > 1e6 and 0 < found.plan < 1e-3


@pytest.mark.slow
def test_the_command_says_what_it_takes(run_cli: Run, tmp_path: Path) -> None:
    rates = tmp_path / "rates.json"
    words = ["plan", "made=preset:moving_circles?n=80&size=32", "--metrics", "color", "--clips", "1e8"]
    done = run_cli(*words, "--calibrate", str(rates), "--price", "3")
    assert done.returncode == 0, done.stderr
    assert "100,000,000 clips" in done.stdout and "bottleneck" in done.stdout and "money" in done.stdout
    again = run_cli(*words, "--rates", str(rates), "--json", "-", "--machine", "cores=64,gpu=a100:4")
    found = json.loads(again.stdout)
    assert found["clips"] == {"made": 100_000_000} and found["machine"]["gpus"] == 4
    assert found["hours"] > 0
    assert [s["name"] for s in found["stages"]] == ["plan", "decode", "compute", "deal", "join"]
    words[words.index("color")] = "motion"
    other = run_cli(*words, "--rates", str(rates))
    assert other.returncode == 2 and "the rates of lab, not of motion" in other.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["a", "b", "c"], 2),
        (["preset:moving_circles", "--clips", "many"], 2),
        (["preset:moving_circles", "--rates", "no.json"], 3),
        (["preset:moving_circles", "--machine", "gpu=abacus"], 2),
    ],
)
def test_what_cannot_be_planned_is_one_line(run_cli: Run, words: list[str], code: int) -> None:
    done = run_cli("plan", *words)
    assert done.returncode == code and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
