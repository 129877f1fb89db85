"""Tables of the small progression: blocks, paired differences, power, against numbers made by hand."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments import mini_progression as mini
from synvid_eval import sets
from synvid_eval.correlation import bounds_text, short_number
from synvid_eval.errors import UsageError
from synvid_eval.generators import presets
from tests.conftest import REPOSITORY
from tests.training.small import labelled_set


def predictions(groups: int, each: int, right: int) -> dict[str, Any]:
    """Clips of groups, the first `right` of each known."""
    clips = [
        {"id": f"{g}/{i}", "label": "a", "group": f"g{g}", "scores": [1.0, 0.0] if i < right else [0.0, 1.0]}
        for g in range(groups)
        for i in range(each)
    ]
    return {"classes": ["a", "b"], "predictions": clips}


def test_few_groups_are_a_block_each_and_many_are_dealt_out() -> None:
    right, count = mini.blocks(predictions(6, 3, 2))
    assert right.tolist() == [2] * 6 and count.tolist() == [3] * 6
    right, count = mini.blocks(predictions(77, 1, 1))
    assert len(count) == 20 and count.sum() == right.sum() == 77 and set(count) == {3, 4}


def cell(source: str, seed: int, right: list[int]) -> dict[str, Any]:
    told = {"source": source, "seed": seed, "right": right, "clips": [10] * len(right), "classes": 5}
    told |= {"protocol": "probe", "set": "s", "groups": len(right), "model": "m"}
    return told | {"accuracy": 10 * sum(right) / len(right)}


def test_differences_are_paired() -> None:
    """Blocks differ much, the difference hardly: so its interval is narrow."""
    column = {
        "scratch": [cell("scratch", 0, [1, 8, 3, 5])],
        "real": [cell("real", 0, [3, 10, 5, 8])],
    }
    scratch, real = mini.table(column)
    assert scratch["accuracy"] == 42.5 and real["accuracy"] == 65
    low, high = scratch["interval"]
    assert high - low > 40
    assert real["difference"] == pytest.approx(22.5)
    assert real["difference_interval"] == pytest.approx((22.5 - 3.182446 * 2.5, 22.5 + 3.182446 * 2.5))


def test_the_interval_of_a_difference_is_the_t_interval_of_its_blocks() -> None:
    right, clips = np.array([1.0, 8, 3, 5]), np.array([10] * 4)
    found = mini.bounds(right, clips)
    plain = 10 * right  # percent a block, all of one size
    error = plain.std(ddof=1) / 2
    assert found["difference"] == plain.mean() and found["error"] == pytest.approx(error)
    ends = (plain.mean() - 3.182446 * error, plain.mean() + 3.182446 * error)
    assert found["difference_interval"] == pytest.approx(ends, rel=1e-5) and found["blocks"] == 4


def test_a_difference_that_is_the_same_in_all_blocks_has_no_interval() -> None:
    """Also where sums of thirds and blocks of several sizes make it the same but for rounding."""
    for right, clips in (([2.0] * 6, [10] * 6), ([7 / 3, 5 / 3, 4 / 3], [7, 5, 4])):
        found = mini.bounds(np.array(right), np.array(clips))
        assert found["difference_interval"] is found["error"] is None
        assert mini.needed(found, 60) is mini.seen(found) is None
    column = {"scratch": [cell("scratch", 0, [1] * 6)], "real": [cell("real", 0, [2] * 6)]}
    assert "| +10.0 | – | – |" in mini.markdown({("", "probe", "s"): column})


def test_accuracies_that_do_not_vary_over_blocks_have_wilsons_interval() -> None:
    """Solved by hand: the shares p from which 0.1 is t √(p (1 − p) / 60) away, t of 5 degrees of freedom."""
    t = 2.570582
    ends = np.sort(np.roots([1 + t * t / 60, -(0.2 + t * t / 60), 0.01]))
    assert ends == pytest.approx([0.037, 0.242], abs=5e-4)
    for seeds in (1, 2):  # a second seed on the same clips adds none
        value, around = mini.scored([cell("real", seed, [1] * 6) for seed in range(seeds)])
        assert value == pytest.approx(10) and around == pytest.approx(100 * ends, rel=1e-5)


def test_the_interval_of_an_accuracy_is_of_the_mean_over_seeds() -> None:
    """Each seed scatters over blocks, their mean less: the clips that would scatter so are more."""
    seeds = [cell("real", 0, [1, 8, 3, 5, 2, 6]), cell("real", 1, [5, 6, 2, 7, 4, 4])]
    mean = np.array([3, 7, 2.5, 6, 3, 5]) / 10
    share, variance = mean.mean(), mean.var(ddof=1) / 6
    t = 2.570582
    n = share * (1 - share) / variance
    assert n < 60
    ends = np.sort(np.roots([1 + t * t / n, -(2 * share + t * t / n), share**2]))
    value, around = mini.scored(seeds)
    assert value == pytest.approx(100 * share) and around == pytest.approx(100 * ends, rel=1e-5)


def test_power() -> None:
    """Quantiles of t by blocks, from printed tables; twice the error that 80 % power needs: four times as
    many clips.
    """
    assert mini.power(20) == pytest.approx(2.093 + 0.861, abs=1e-3)
    assert mini.power(6) == pytest.approx(2.571 + 0.920, abs=1e-3)
    row = {"difference": mini.power(20), "error": 2.0, "blocks": 20}
    assert mini.needed(row, 100) == 400 and mini.seen(row) == pytest.approx(2 * mini.power(20))
    assert mini.needed(row | {"difference": 0.0}, 100) is None


def test_tables_and_accuracies_say_each_cell() -> None:
    columns = mini.by_column([cell("scratch", 0, [1, 8, 3, 5]), cell("real", 0, [3, 9, 5, 7])])
    text = mini.markdown(columns)
    assert "chance 20 %" in text and "| real | 1 | 60.0 |" in text and "+17.5" in text
    lines = mini.accuracies(columns).splitlines()
    assert lines[1] == "scratch,s,probe,m,42.5,scratch,kfold:5,scratch,0,experiments.mini_progression"
    assert lines[2].startswith("real,s,probe,m,60.0,videomae,kfold:5,real,0,") and len(lines) == 3


def contrasted(source: str, seed: int, right: list[int]) -> dict[str, Any]:
    return cell(source, seed, right) | {"method": "moco", "backbone": "tsm-resnet18"}


def test_what_adaptation_changes_is_paired_by_seed_and_block() -> None:
    column = {
        "a": [contrasted("a", 0, [1, 8, 3, 5]), contrasted("a", 1, [2, 7, 3, 5])],
        "a-adapted": [contrasted("a-adapted", 0, [3, 10, 5, 7]), contrasted("a-adapted", 1, [4, 9, 5, 7])],
        "b": [contrasted("b", 0, [5, 5, 5, 5])],
        "b-adapted": [contrasted("b-adapted", 0, [4, 4, 4, 4])],
        "c": [contrasted("c", 0, [5, 5, 5, 5])],
    }
    rows = mini.ablation(column)
    assert [(row["source"], row["pairs"]) for row in rows] == [
        ("a-adapted minus a", 2),
        ("b-adapted minus b", 1),
        ("mean", 3),
    ]
    assert [row["difference"] for row in rows] == pytest.approx([20, -10, 5])
    assert [row["difference_interval"] for row in rows] == [None] * 3 and rows[2]["blocks"] == 4


def test_sources_that_are_compared_have_a_row_with_each_seed_and_the_power() -> None:
    done = [cell("best", seed, [2, 9, 4, 6 + seed]) for seed in (0, 1, 2)]
    done += [cell("parent", seed, [1, 7, 3, 5]) for seed in (0, 1)]
    (row,) = mini.versus(mini.by_column(done)["", "probe", "s"], [("best", "parent"), ("best", "none")])
    assert row["pairs"] == 2 and row["each"] == [12.5, 15.0] and row["difference"] == pytest.approx(13.75)
    blocks = np.array([10, 20, 10, 15.0])  # percent: the mean over both seeds
    assert row["error"] == pytest.approx(blocks.std(ddof=1) / 2)
    text = mini.markdown(mini.by_column(done), [("best", "parent")])
    assert "| best minus parent | 2 | +13.8 |" in text and "| +12.5, +15.0 | 10.0 | 21 |" in text


def test_each_step_of_the_progression_is_compared_with_the_one_before() -> None:
    done = [cell(name, 0, [1, 7, 3, i]) for i, name in enumerate(mini.PROGRESSION) if i != 1]
    lines = [line for line in mini.markdown(mini.by_column(done)).splitlines() if " minus " in line[2:]]
    named = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.count("|") == 8]
    steps = [f"{mini.PROGRESSION[i]} minus {mini.PROGRESSION[i - 1]}" for i in range(3, 8)]
    assert named == [*steps, "acc_transforming_images minus static_circles"]


def test_other_families_of_networks_stand_in_columns_of_their_own() -> None:
    done = [cell("scratch", 0, [1, 8, 3, 5]), contrasted("scratch", 0, [2, 2, 2, 2])]
    done += [contrasted(name, 0, [3, 3, 3, 3]) for name in ("fractal_diversity", "fractal_diversity-adapted")]
    columns = mini.by_column(done)
    assert list(columns) == [("", "probe", "s"), ("moco-tsm-resnet18-", "probe", "s")]
    text = mini.markdown(columns)
    assert "## probe, s" in text and "## moco tsm-resnet18: probe, s" in text
    assert "| fractal_diversity-adapted minus fractal_diversity | 1 | +0.0 | – | +0.0 | – | – |" in text
    rows = [line.split(",") for line in mini.accuracies(columns).splitlines()]
    assert [row[7] for row in rows[1:]] == ["scratch", "scratch", "fractal", "fractal"]
    assert [row[5] for row in rows[1:]] == ["scratch", "scratch", "moco", "moco"]


def test_metrics_stand_beside_each_other_for_all_families_of_networks() -> None:
    def correlation(families: list[float] | None, **rho: float) -> dict[str, Any]:
        own = {"interval": [-0.25, 0.75], "family_bootstrap": families}
        return {"metrics": [{"metric": n, "spearman": {"value": v} | own} for n, v in rho.items()]}

    found = [
        (("", "probe", "s"), correlation([-0.5, 0.9], color=0.5, motion=-0.25)),
        (("moco-tsm-resnet18-", "probe", "s"), correlation(None, color=0.75)),
    ]
    lines = mini.joined(found).splitlines()
    assert lines[2] == "| metric | probe, s | moco tsm-resnet18: probe, s, over sets |"
    assert lines[4] == "| `color` | .50 [−.50, .90] | .75 [−.25, .75] |" and lines[5].endswith("|  |")
    assert "too narrow" in lines[-1]
    assert "over sets" not in mini.joined(found[:1])


def test_views_are_adapted_by_what_a_source_is_called() -> None:
    plain = mini.Cell("probe", "s", "fractal_diversity", 0, "moco", "tsm-resnet18")
    assert mini._chains(plain) == ("adapt=own",)
    adapted = mini.Cell("probe", "s", "fractal_diversity-adapted", 0, "moco", "tsm-resnet18")
    assert [one.partition("=")[0] for one in mini._chains(adapted)] == ["adapt", "adapt_second"]
    assert all("supervised" in name or name == "scratch" for name in mini.sources("supervised"))


def run(monkeypatch: pytest.MonkeyPatch, out: Path, *words: str) -> None:
    """The experiment on what is there: nothing is trained."""
    monkeypatch.setattr(mini.Runner, "run", lambda self: None)
    monkeypatch.setattr(
        "sys.argv",
        ["mini", "--reference", "s", "--images", "skimage", "--work", "w", "--out", os.fspath(out), *words],
    )
    mini.main()


def test_adapted_sources_are_named_as_sets_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    adapted = f"fractal_diversity{mini.ADAPTED}"
    assert sets.split_name(f"{adapted}=preset:fractal_diversity") == (adapted, "preset:fractal_diversity")
    assert not [name for name in presets.names() if name.endswith(mini.ADAPTED)]
    moco = ("--method", "moco")
    run(monkeypatch, tmp_path, *moco, "--only", f"{adapted},fractal_diversity,real")
    for words, said in (
        ((*moco, "--only", f"scratch{mini.ADAPTED}"), "--method moco adapts no views of that"),
        (("--only", adapted), "--method videomae adapts no views of that"),
        ((*moco, "--only", "fractal_diversity+adapted"), "no such source"),
        (("--also", f"best{mini.ADAPTED}=preset:perlin"), "is another source, adapted"),
    ):
        with pytest.raises(SystemExit):
            run(monkeypatch, tmp_path, *words)
        assert said in capsys.readouterr().err


def test_cells_of_another_family_have_folders_of_their_own() -> None:
    plain = mini.Cell("probe", "s", "real", 1)
    assert plain.name == "probe-s-real-1" and mini.Cell.of({**vars(plain), "accuracy": 1.0}) == plain
    other = mini.Cell("probe", "s", "real", 1, "moco", "tsm-resnet18")
    assert other.name == "moco-tsm-resnet18-probe-s-real-1" != plain.name


def test_a_larger_network_on_another_device_is_asked_of_every_command_and_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[str] = []

    def trains(command: list[str], **_: Any) -> None:
        words[:] = command
        out = Path(command[-1])
        out.mkdir()
        (out / "log.csv").write_text("step,loss\n1,2.0\n2,1.0\n")

    monkeypatch.setattr(mini.subprocess, "run", trains)
    given = argparse.Namespace(
        reference=["s"], images="photos", work=tmp_path, out=tmp_path, minutes=1.0, steps=2, threads=1,
        also={}, settings=["network.width=192", "lr=0.01"], device="cuda",
    )  # fmt: skip
    runner, real = mini.Runner(given), mini.Cell("probe", "s", "real", 0)
    assert runner._pretrained(real)[1] == {
        "first_loss": 1.5,
        "last_loss": 1.5,
        "seconds": pytest.approx(0, abs=9),
    }
    assert words[words.index("--device") + 1] == "cuda" and "network.depth=4" in words
    knobs = [w for w in words if w.startswith(("network.width=", "lr="))]
    assert knobs == ["network.width=192", "lr=0.01"]
    assert "drawn=64" not in words  # of files, which have a size, it is refused
    runner._pretrained(replace(real, source="moving_circles"))
    assert "preset:moving_circles" in words and "drawn=64" in words
    drawn = runner._drawn(replace(real, source="scratch"))
    assert "network.width=192" in drawn and "network.width=96" not in drawn and "lr=0.01" not in drawn

    row = {**vars(real), "steps": 2, "settings": given.settings, "device": "cuda"}
    assert runner._same(real, row) and not runner._same(replace(real, seed=1), row)
    for other in ({"device": "cpu"}, {"settings": []}):
        with pytest.raises(SystemExit, match="or another --out"):
            runner._same(real, row | other)


DRAWN = ("moving_circles", "static_circles", "perlin")


@pytest.mark.timeout(300)
def test_accuracies_are_correlated_with_measurements_of_plain_and_adapted_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them shows pictures. Few clips, but measured, joined and correlated as all are."""
    monkeypatch.setenv("SYNVID_EVAL_CACHE", os.fspath(tmp_path / "cache"))
    bars = labelled_set(tmp_path / "bars", groups=1, frames=20)
    names = [name + how for name in DRAWN[:2] for how in ("", mini.ADAPTED)] + [DRAWN[2]]
    monkeypatch.setattr(mini, "CONTRASTED", ("scratch", "real", *names))
    one_by_one = mini.correlated
    monkeypatch.setattr(mini, "correlated", lambda given, columns: one_by_one(given, columns, clips=4))
    rows = [contrasted(n, 0, [i, 5, 6, 7, 5, 6]) for i, n in enumerate(("scratch", "real", *names))]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cells.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(monkeypatch, tmp_path / "out", "--reference", os.fspath(bars), "--method", "moco")

    family = "moco-tsm-resnet18-"
    comparison = json.loads((tmp_path / "out" / f"{family}comparison.json").read_text())
    assert [one["name"] for one in comparison["candidates"]] == names
    assert {one["clips"] for one in comparison["candidates"]} == {4}
    color = {s["candidate"]: s["value"] for s in comparison["scores"] if s["metric"] == "color"}
    assert color["moving_circles"] != color[f"moving_circles{mini.ADAPTED}"]
    correlation = json.loads((tmp_path / "out" / f"{family}correlation-probe-s.json").read_text())
    assert [one["name"] for one in correlation["sets"]] == names
    rho = spearmanr([color[name] for name in names], range(5)).statistic
    found = next(m for m in correlation["metrics"] if m["metric"] == "color")["spearman"]
    assert found["value"] == pytest.approx(rho) and found["family_bootstrap"] is None

    text = (tmp_path / "out" / "tables.md").read_text()
    assert "## moco tsm-resnet18: probe, s" in text and "| perlin | 1 |" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| `color` |")]
    assert line == f"| `color` | {short_number(rho)} {bounds_text(found['interval'])} |"
    assert "| metric | moco tsm-resnet18: probe, s, over sets |" in text
    assert os.fspath(tmp_path) not in json.dumps(comparison) and os.fspath(tmp_path) not in text


def test_tables_are_there_where_measuring_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cells.jsonl").write_text(json.dumps(cell("real", 0, [1, 8, 3, 5, 2])) + "\n")

    def fails(given: argparse.Namespace, columns: mini.Rows) -> Any:
        raise UsageError("no", "no")

    monkeypatch.setattr(mini, "correlated", fails)
    with pytest.raises(UsageError):
        run(monkeypatch, tmp_path)
    assert "| real | 1 | 38.0 |" in (tmp_path / "tables.md").read_text()


def test_pictures_are_given_where_a_preset_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = argparse.Namespace(reference=["s"], images="photos")
    asked = []

    def told(places: list[str], reference: str, **more: Any) -> Any:
        asked.append((places, more["images"]))
        return argparse.Namespace(to_dict=lambda: {"reference": {"name": "s", "location": "s"}})

    monkeypatch.setattr("synvid_eval.comparison.compare", told)
    mini.measured(given, ["perlin", "acc_transforming_images"])
    mini.measured(given, ["perlin"])
    places = ["perlin=preset:perlin", "acc_transforming_images=preset:acc_transforming_images"]
    assert asked == [(places, "photos"), (places[:1], None)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_cells_on_ray_are_those_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.fspath(REPOSITORY))
    bars = labelled_set(tmp_path / "bars", frames=20)
    found = []
    for engine in ("ray", "local"):
        given = argparse.Namespace(
            reference=[os.fspath(bars)], images="skimage", work=tmp_path / f"work-{engine}",
            out=tmp_path / engine, minutes=9.0, seeds=1, steps=2, threads=1, only=["scratch"], also={},
            protocols=["probe"], method="videomae", backbone="vit", engine=engine, ray_address="local",
            settings=[], device="cpu",
        )  # fmt: skip
        mini.Runner(given).run()
        (row,) = map(json.loads, (tmp_path / engine / "cells.jsonl").read_text().splitlines())
        found.append({k: v for k, v in row.items() if k != "seconds"})
    assert found[0] == found[1] and sum(found[0]["clips"]) == 30
