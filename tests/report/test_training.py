"""The page of training curves: a pure function, hostile names as text, odd data left out, no script."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from synvid_eval.report.training import page

from .pages import HOSTILE, accessible, opened


def run(name: str, kind: str, rate: float, folds: int = 3, done: int = 60) -> dict[str, Any]:
    def fold(number: int) -> dict[str, Any]:
        steps = list(range(1, done + 1))
        tests = [
            {"step": s, "epoch": s // 10, "top1": min(100, 20 + rate * s + 3 * number), "loss": 1.0}
            for s in range(10, done + 1, 10)
        ]
        return {
            "name": f"fold-{number}",
            "done": done,
            "step": steps,
            "loss": [math.exp(-rate * s / 50) + 0.02 * number for s in steps],
            "lr": [0.01 * math.cos(s / 40) ** 2 for s in steps],
            "clips_per_s": [9.0] * done,
            "tests": [] if kind != "finetune" else tests,
        }

    top = {"value": 40 + 10 * rate, "by_clip": [31.25, 58.5], "by_group": [25.0, 66.5], "reason": None}
    whole = {"level": 0.95, "clips": 120, "groups": 77, "top1": top}
    return {
        "name": name,
        "kind": kind,
        "source": "scratch" if name == "scratch" else "runs/circles",
        "location": "preset:moving_circles" if kind == "pretrain" else "ucf101/",
        "split": None if kind == "pretrain" else "kfold:3",
        "clips": 96,
        "seed": 0,
        "steps": 60,
        "version": "0.2",
        "network": {"width": 192},
        "recipe": {"size": "tiny", "lr": 0.016, "flip": True},
        "folds": [fold(k) for k in range(folds)],
        "accuracy": None if kind == "pretrain" or done < 60 else whole,
    }


@pytest.fixture
def curves() -> dict[str, Any]:
    runs = [
        run("circles", "pretrain", 1.0, folds=1),
        run("scratch", "finetune", 0.5),
        run("tuned", "finetune", 1.0),
        run("begun", "finetune", 0.8, folds=1, done=30),
        run("near", "probe", 1.0, done=0) | {"folds": []},
    ]
    return {"schema": "synvid-eval/curves/1", "runs": runs}


def test_it_is_a_pure_function_without_a_script(curves: dict[str, Any]) -> None:
    text = page(curves)
    assert text == page(copy.deepcopy(curves))
    assert "<script>" not in text and "script-src" not in text and "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)
    inside = re.search(r'<script type="application/json" id="synvid-eval-curves">(.*?)</script>', text, re.S)
    assert inside and json.loads(inside[1]) == curves


def test_each_kind_has_its_section_and_pictures(curves: dict[str, Any]) -> None:
    text = page(curves)
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == [
        "Pre-training", "Fine-tuning", "Probing", "What the runs were"
    ]  # fmt: skip
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert titles == ["Loss", "Learning rate", "Loss", "Top 1 of the clips left out", "Learning rate"]
    assert text.count("from the lowest to the highest fold") == 2  # loss and top 1 of those with folds
    assert "50.0 %" in text and "31.2 to 58.5 by clip" in text and "25.0 to 66.5" in text
    assert "not tested yet" in text and "of 60" in text


def test_each_method_has_a_loss_of_its_own_and_curves_name_method_and_network() -> None:
    runs = [
        run(name, "pretrain", 1.0, folds=1) | {"method": method, "model": model}
        for name, method, model in (
            ("a", "MoCo", "TSM ResNet-18 48 px"),
            ("b", "VideoMAE", "VideoMAE tiny 64 px"),
            ("c", "MoCo", "ir-CSN-26 48 px"),
        )
    ]
    text = page({"schema": "synvid-eval/curves/1", "runs": runs})
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert titles == ["Loss of MoCo", "Loss of VideoMAE", "Learning rate"]
    pictures = re.findall(r"<figure class=\"plot\">.*?</svg>", text, re.S)
    words = [" ".join(re.findall(r"<text[^>]*>(.*?)</text>", picture)) for picture in pictures]
    legends = [
        "a (MoCo, TSM ResNet-18 48 px)",
        "b (VideoMAE, VideoMAE tiny 64 px)",
        "c (MoCo, ir-CSN-26 48 px)",
    ]
    shown = [[legend in one for legend in legends] for one in words]
    assert shown == [[True, False, True], [False, True, False], [True, True, True]]
    assert text.count("losses of different methods are not of one scale") == 2
    rows = re.findall(r"<th scope=\"row\">.*?</tr>", text)
    assert re.sub(r"<(?!/?td).*?>", "", rows[0]).startswith("a<td>MoCo</td><td>TSM ResNet-18 48 px</td>")


def test_losses_of_one_method_stand_together_without_a_warning() -> None:
    runs = [run(name, "pretrain", 1.0, folds=1) | {"method": "BYOL", "model": None} for name in "ab"]
    text = page({"schema": "synvid-eval/curves/1", "runs": runs})
    assert re.findall(r"<figcaption>(.*?)</figcaption>", text) == ["Loss of BYOL", "Learning rate"]
    assert "not of one scale" not in text and "a (BYOL)" in text


def test_neighbors_have_no_steps() -> None:
    near = run("near", "probe", 1.0, folds=1, done=0)
    near["recipe"]["head"] = "knn"
    text = page({"schema": "synvid-eval/curves/1", "runs": [near]})
    assert "its neighbors vote" in text and "of 60" not in text


def test_the_curve_is_the_mean_over_folds_where_all_of_them_are(curves: dict[str, Any]) -> None:
    (tuned,) = (r for r in curves["runs"] if r["name"] == "tuned")
    tuned["folds"][2]["tests"] = tuned["folds"][2]["tests"][:3]
    table = re.search(
        r"Top 1 of the clips left out \(Fine-tuning\)</span>.*?<tbody>(.*?)</tbody>", page(curves), re.S
    )
    rows = re.findall(r"<tr>(.*?)</tr>", table[1], re.S)
    cells = {re.sub(r"<.*?>", "", r.split("</th>")[0]): re.findall(r"<td[^>]*>(.*?)</td>", r) for r in rows}
    assert cells["tuned"] == ["33.0", "43.0", "53.0", "–", "–", "–"]  # 20 + 10 a epoch + 0, 3 and 6
    assert cells["begun"][:3] == ["28.0", "36.0", "44.0"]


def test_hostile_names_stay_text(curves: dict[str, Any]) -> None:
    for one in curves["runs"]:
        for key in ("name", "method", "model", "source", "location", "split", "kind", "version"):
            one[key] = HOSTILE
        one["folds"] = [{**f, "name": HOSTILE} for f in one["folds"]]
    text = page(curves)
    assert "<img" not in text and "alert(1)</script>" not in text and "\u202e" not in text


@pytest.mark.parametrize(
    "odd", [None, 3, "x", [], {}, [None], [3], {"loss": "x"}, [[math.nan, None, "1", 1e300]]]
)
def test_odd_data_are_left_out(curves: dict[str, Any], odd: Any) -> None:
    for key in ("folds", "accuracy", "recipe", "steps", "network", "name", "method", "model"):
        changed = copy.deepcopy(curves)
        for one in changed["runs"]:
            one[key] = odd
        assert "<h1>" in page(changed)
    for key in ("step", "loss", "lr", "tests", "done"):
        changed = copy.deepcopy(curves)
        for one in changed["runs"]:
            for fold in one["folds"]:
                fold[key] = odd
        assert "<h1>" in page(changed)
    assert "<h1>" in page({"runs": odd})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_quiet_and_no_wider_than_its_window(
    browser: Any, curves: dict[str, Any], tmp_path: Path, scheme: str
) -> None:
    path = tmp_path / "curves.html"
    path.write_text(page(curves))
    view, troubles = opened(browser, path, scheme, 400, scripted=False)
    assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    accessible(view)
    assert troubles == []
    view.context.close()
