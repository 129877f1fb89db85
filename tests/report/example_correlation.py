"""Correlations made by hand: invented measurements beside invented accuracies, put through `correlate`."""

from __future__ import annotations

import base64
import copy
from typing import Any

import numpy as np

from synvid_eval.accuracies import Accuracies, Known
from synvid_eval.correlation import correlate
from synvid_eval.score import Comparison, Score, SetFacts

from .test_page import HOSTILE

FAMILIES = ("shapes", "textures", "images", "stylegan", "mixed", "static", "walks")
METRICS = {
    "color": "lower",
    "motion": "match",
    "tubelet": "lower",
    "effective_rank": "higher",
    "fid[random-inception]": "lower",
}
PNG = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"  # one pixel


def correlation(
    names: list[str],
    *,
    metrics: dict[str, str] = METRICS,
    families: bool = True,
    band: tuple[float, float] | None = (84.0, 100.0),
    std: bool = False,
    unknown: int = 1,
    given: str | None = None,
    unit: str = "nats",
) -> dict[str, Any]:
    """The document of these sets: the first lies far below the others; tubelet goes with accuracy."""
    draw = np.random.default_rng(3)
    sets = {}
    for i, name in enumerate(names):
        family = FAMILIES[i % len(FAMILIES)] if families else name
        accuracy = 68.0 if i == 0 else 82.0 + 1.3 * (i % len(FAMILIES)) + float(draw.uniform(0, 1.2))
        sets[name] = Known(name, family, accuracy, 0.4 if std else None, 3 if std else 1, accuracy - 10)
    accuracies = Accuracies(
        "accuracies.csv", "UCF101", "finetune", "ViT",
        {**sets, "never": Known("never", "real", 97.0, None, 1)}, families, 0, band,
    )  # fmt: skip
    measured = [*names, *(f"new_{k}" for k in range(unknown))]
    scores = []
    for metric, better in metrics.items():
        for name in measured:
            y = sets[name].accuracy if name in sets else 88.0
            strength = 6.0 if metric == "tubelet" else 0.4
            value = 200 - strength * y + float(draw.normal()) * 3
            detail = {"reference": 150.0} if better == "match" else {}
            n = {"candidate": 200, "reference": 120}
            value = abs(value) / (100 if metric == "tubelet" else 1) + 0.5
            wide = (value - 0.2, value + 0.2)
            scores.append(
                Score(name, metric, value, unit, better, n, f"{metric}|1f", interval=wide, detail=detail)
            )
    comparison = Comparison(
        SetFacts("ucf101", "ucf101", "ucf101", 120, 1920),
        [SetFacts(n, n, n, 200, 3200) for n in measured],
        scores,
    )
    document = correlate([("a.json", comparison)], accuracies, given=given, draws=60)
    document["run"] |= {
        "command": "synvid-eval correlate a.json --accuracies accuracies.csv --html page.html",
        "files": [{"file": "a.json", "sets": len(names)}, {"file": "b.json", "sets": 1}],
        "versions": {"synvid-eval": "0.1.0", "numpy": "2.4.0"},
    }
    return document


def sets(count: int) -> list[str]:
    """Names of realistic length."""
    return [
        f"set_{i:02}" + ("_with_a_rather_long_name_of_its_own" if i % 4 == 1 else "") for i in range(count)
    ]


def with_media(document: dict[str, Any], video: str) -> dict[str, Any]:
    """The document with a preview of each set; one of them plays."""
    poster = base64.b64encode(PNG).decode()
    media = {
        s["name"]: {
            "id": f"clip {i}",
            "poster": poster,
            "video": video if i == 1 else None,
            "width": 24,
            "height": 24,
        }
        for i, s in enumerate(document["sets"])
    }
    return {**document, "media": media}


def without_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """Nothing could be measured."""
    found = copy.deepcopy(document)
    for metric in found["metrics"]:
        metric["values"] = [None] * len(found["sets"])
        metric["n"] = 0
        for kind in ("pearson", "spearman", "kendall"):
            metric[kind] = dict.fromkeys(metric[kind])
        metric |= {"p_best": None, "left_out": None, "noise": None, "quadratic": None, "band": None}
        metric |= {"state": "few", "verdict": "0 sets are too few", "as_expected": None, "carried": None}
    found["prediction"] = None
    return found


def hostile() -> dict[str, Any]:
    """Hostile names of sets, families, metrics, and texts."""
    names = [*HOSTILE, *sets(6)]
    found = correlation(
        names, metrics={**METRICS, HOSTILE[1]: "lower", HOSTILE[11]: "lower"}, unit=HOSTILE[0]
    )
    kinds = {k: HOSTILE[i] for i, k in enumerate(found["families"])}
    found["families"] = list(kinds.values())
    for one in found["sets"]:
        one["family"] = kinds[one["family"]]
    for key in ("headline", "benchmark", "protocol", "model", "accuracies", "reference"):
        found[key] = HOSTILE[2]
    found["notes"] = list(HOSTILE)
    found["unmatched"]["accuracies"] = list(HOSTILE)
    found["run"] |= {"command": HOSTILE[2], **{n: {n: [n]} for n in HOSTILE}}
    return found
