"""The experiment behind `reports/metric_behavior`: its halves, its paired intervals, what it writes."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import metric_behavior as report
from experiments.metric_behavior import Row
from synvid_eval.comparison import build_recipe
from synvid_eval.intervals import interval, jackknife
from synvid_eval.measurement import measure
from synvid_eval.sets import open_set
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.videoset import VideoSet
from tests.clips import moving
from tests.conftest import REPOSITORY

COMMITTED = REPOSITORY / "reports" / "metric_behavior"


def row(severity: int, shift: float | None, half: float = 0.1, **other: Any) -> Row:
    low, high = (None, None) if shift is None else (shift - half, shift + half)
    first = Row("color", "rotate", "camera", severity, 1.0, 1.0, shift, low, high, None, None, 9, "")
    return dataclasses.replace(first, **other)


def test_source_groups_are_never_divided() -> None:
    names = [f"A/v_A_g{g:02}_c{c:02}.avi" for g in range(9) for c in range(1 + g % 4)]
    names += [f"B/v_B_g{g:02}_c01.avi" for g in range(9)]
    videos = VideoSet("x", "", "classes", "", tuple(ClipRef(n, "file", n) for n in sorted(names)))
    a, b = report.halves(videos)
    assert sorted(a.ids + b.ids) == sorted(names) and abs(len(a) - len(b)) <= 4
    assert not {i.rpartition("_")[0] for i in a.ids} & {i.rpartition("_")[0] for i in b.ids}
    assert {i[0] for i in a.ids} == {i[0] for i in b.ids} == {"A", "B"}  # g01 of A and of B are two sources


def test_a_curve_counts_what_is_noticed_and_what_rises() -> None:
    one = report.curve([row(s, x) for s, x in zip(range(1, 6), (0.05, 0.3, -0.5, 0.4, 0.9), strict=True)])
    assert (one.noticed, one.scored, one.rises) == (4, 5, 3)
    assert one.rho == pytest.approx(0.9) and report.told(one) == "4/5, +0.9"
    few = report.curve([row(1, 0.2), row(2, None), row(3, None, reason="short")])
    assert (few.noticed, few.scored, few.rho, report.told(few)) == (1, 1, None, "1/1")
    assert report.told(report.curve([row(1, None)])) == "-"


def test_what_is_mere_rounding_is_not_noticed() -> None:
    assert not row(1, 1e-6, 1e-9).noticed and row(1, 1e-4, 1e-9).noticed
    assert not row(1, 0.5, 0.6).noticed and row(1, -0.7, 0.6).noticed


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("behavior") / "real"
    root.mkdir()
    for k in range(40):
        np.savez(root / f"{k}.npz", frames=moving(20, 32, 48, seed=k))
    return root


@pytest.mark.slow
def test_the_interval_of_a_property_is_the_jackknife_of_paired_blocks(real: Path) -> None:
    """By hand, for the mean over clips: each block's mean shift left out in turn."""
    made = build_recipe(["spectrum"])
    a, b = report.halves(open_set(real))
    from synvid_eval.corrupted import corrupted
    from synvid_eval.corruptions import registry

    clean, other = measure(a, features=made.features), measure(b, features=made.features)
    changed = measure(corrupted(a, registry.get("defocus_blur")(severity=2), 0), features=made.features)
    (metric,) = made.metrics
    sides = tuple(m.sides[metric.feature] for m in (changed, clean, other))
    found = report.corrupted_row(metric, "defocus_blur", 2, sides, made.features[0])  # type: ignore[arg-type]
    assert found.value == pytest.approx(metric.value(sides[0], sides[2]))
    assert found.shift == pytest.approx(found.value - metric.value(sides[1], sides[2]))  # type: ignore[operator]
    left = [metric.value(sides[0].without(k), sides[2]) - metric.value(sides[1].without(k), sides[2])
            for k in range(20) if sides[0].block_clips(metric.state)[k]]  # fmt: skip
    clips = [c for c in sides[0].block_clips(metric.state) if c]
    wanted = interval(found.shift, [jackknife(found.shift, left, clips)], 0.95)  # type: ignore[arg-type]
    assert (found.low, found.high) == pytest.approx(wanted)
    assert found.noticed and found.clips == len(a)


@pytest.mark.slow
def test_it_is_made_from_a_folder(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "made", tmp_path / "cache"
    asked = ["--reference", str(real), "--corruptions", "gaussian_noise,sampling", "--cache", str(cache)]
    report.main([*asked, "--out", str(out)])
    document = json.loads((out / "behavior.json").read_text())
    assert document["schema"] == report.SCHEMA and sum(document["clips"]) == 40
    with open(out / "behavior.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(document["rows"]) == 2 * 5 * 5
    of = {(r["metric"], r["corruption"], r["severity"]): r for r in document["rows"]}
    assert of["spectrum", "gaussian_noise", 5]["noticed"]
    short = of["motion", "sampling", 5]  # 20 frames, of which every 32nd is one
    assert short["value"] is None and short["reason"] and not short["noticed"]
    text = (out / "README.md").read_text()
    assert str(real) not in text and "--corruptions gaussian_noise,sampling" in text
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    monkeypatch.setattr("synvid_eval.worker.Worker.measure", None)  # all of it is kept
    report.main([*asked, "--out", str(out)])
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_the_committed_report_is_whole() -> None:
    from synvid_eval.corruptions import registry

    document = json.loads((COMMITTED / "behavior.json").read_text())
    rows = [Row(**{k: v for k, v in r.items() if k != "noticed"}) for r in document["rows"]]
    assert [r["noticed"] for r in document["rows"]] == [r.noticed for r in rows]
    assert len(rows) == 5 * 5 * 17 and {r.corruption for r in rows} == set(registry.names())
    sizes = document["clips"]
    wanted = report.page(rows, document["command"], (sizes[0], sizes[1]), document["reference"])
    assert (COMMITTED / "README.md").read_text() == wanted
    with open(COMMITTED / "behavior.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    text = "".join(p.read_text() for p in COMMITTED.iterdir() if p.suffix in (".md", ".json", ".csv"))
    assert ".avi" not in text
