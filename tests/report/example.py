"""A realistic comparison made by hand: the numbers are invented, their shapes are the contract's."""

from __future__ import annotations

import math
from typing import Any

from synvid_eval.score import Comparison, Score, SetFacts

BINS = [0.02 * 12.5 ** ((k + 0.5) / 20) for k in range(20)]


def spectrum(alpha: float, level: float, wave: float = 0.0) -> list[float]:
    return [level - alpha * math.log(f / 0.1) + wave * math.sin(5 * math.log(f)) for f in BINS]


def side(name: str, clips: int = 120, skipped: int = 0) -> SetFacts:
    reasons = [
        {"id": f"bad/{i:03}.avi", "reason": "no frame decodes: moov atom not found"} for i in range(skipped)
    ]
    return SetFacts(name, f"data/{name}", "9f2c41d0" * 4, clips, 16 * clips, reasons)


def color(name: str, value: float, half: float, mean: list[float], spread: list[float], clips: int) -> Score:
    covariance = [spread[0], 3.0, -4.0, 3.0, spread[1], 22.0, -4.0, 22.0, spread[2]]
    return Score(
        name,
        "color",
        value + 0.11,
        "nats",
        "lower",
        {"candidate": clips, "reference": 120},
        "color|5ac1e0d2",
        corrected=value,
        interval=(value - half, value + half),
        detail={
            "floor": 0.0412345,
            "floor_rows": [61, 59],
            "mean": mean,
            "covariance": covariance,
            "reference_mean": [44.2, 2.9, 6.8],
            "reference_covariance": [610.0, 8, -20, 8, 92, 38, -20, 38, 165.0],
        },
    )


def example(candidates: int = 3) -> Comparison:
    names = ["moving_shapes", "moving_circles", "perlin_textures", "stylegan_walks"]
    names += [f"set_{i:02}" for i in range(len(names), 34)]
    names = names[:candidates]
    scores = []
    for i, name in enumerate(names):
        n = {"candidate": 120, "reference": 120}
        wobble = 1 + 0.35 * i
        scores.append(
            color(
                name,
                3.1 * wobble,
                0.3,
                [50 - 4.0 * i, 10 - 9 * math.sin(i), 20 * math.cos(i)],
                [500 - 10 * i, 180 + 40 * (i % 5), 260 - 30 * (i % 7)],
                120,
            )
        )
        alpha = 1.35 + 0.11 * i
        scores.append(
            Score(
                name,
                "spectrum",
                alpha,
                "",
                "match",
                n,
                "spectrum|0d1f77aa",
                interval=(alpha - 0.03, alpha + 0.03),
                detail={
                    "reference": 1.6123,
                    "difference": alpha - 1.6123,
                    "difference_interval": [alpha - 1.6123 - 0.05, alpha - 1.6123 + 0.05],
                    "alpha_no_window": alpha - 0.1,
                    "alpha_wide": alpha + 0.12,
                    "constant_share": 0.0,
                    "residual": 0.0812,
                    "log_spectrum": spectrum(alpha, 2.2 - 0.2 * i, 0.1 * (i % 3)),
                    "reference_log_spectrum": spectrum(1.61, 2.4, 0.03),
                },
            )
        )
        motion = 0.27 + 0.05 * i
        scores.append(
            Score(
                name,
                "motion",
                motion,
                "",
                "match",
                n,
                "motion|stride:2|77b0c3d1",
                interval=(motion - 0.06, motion + 0.06),
                detail={
                    "reference": 0.47,
                    "difference": motion - 0.47,
                    "difference_interval": [motion - 0.55, motion - 0.39],
                    "static_share": 0.0083,
                    "frame_difference": 6.21,
                },
            )
        )
        scores.append(
            Score(
                name,
                "tubelet",
                41.234 + 7 * i,
                "",
                "lower",
                n,
                "tubelet|stride:2|c0ffee11",
                interval_reason="no interval below 256 rows a side and 100 clips",
                detail={
                    "floor": 2.31,
                    "dropped_candidate": 0.61,
                    "dropped_reference": 0.12,
                    "spatial": 20.5,
                    "temporal": 30.25 + i,
                    "stride": 2,
                    "notes": ["3 clips shorter than 31 frames left out"],
                },
            )
        )
        missing = i == 2
        scores.append(
            Score(
                name,
                "effective_rank",
                math.nan if missing else 41.3 - 12 * i,
                "",
                "higher",
                n,
                "effective_rank|ab12cd34",
                corrected=None if missing else 42.9 - 12 * i,
                interval=None if missing else (40.1 - 12 * i, 45.7 - 12 * i),
                reason="every frame is constant" if missing else None,
                detail={"reference": 55.2},
            )
        )
        scores.append(
            Score(
                name,
                "fvd",
                math.nan,
                "",
                "lower",
                n,
                "fvd|11aa22bb",
                reason="needs weights: synvid-eval weights fetch i3d",
            )
        )
    run: dict[str, Any] = {
        "command": "synvid-eval compare "
        + " ".join(f"synth/{n}" for n in names)
        + " ucf101 --html report.html",
        "signatures": {
            "color": "metric=color|metric.revision=1|metric.ridge=0.01|feature=lab|frames=16|size=native",
            "spectrum": "metric=spectrum|metric.revision=1|feature=spectrum|feature.window=hann|frames=16",
        },
        "versions": {
            "synvid-eval": "0.1.0",
            "python": "3.11.9",
            "numpy": "2.4.0",
            "av": "18.1.0",
            "torch": "2.9.1",
        },
        "machine": {"system": "Linux x86_64", "cores": 2},
        "seconds": 83.4,
        "sets": [{"name": n, "decoded": 120, "from_cache": 0} for n in names[:3]],
        "notes": ["scored at stride 2, the largest that every side has"],
        "warnings": [],
    }
    return Comparison(
        side("ucf101"), [side(n, 120, 3 if i == 1 else 0) for i, n in enumerate(names)], scores, run
    )


def networks(candidates: int = 2, sure: bool = False) -> Comparison:
    """The example with scores of trained networks, of random ones, and of weights that are missing.

    sure: the Fréchet distances have intervals, too.
    """
    base = example(candidates)
    scores = [s for s in base.scores if s.metric in ("color", "spectrum")]
    n = {"candidate": 120, "reference": 120}
    few = "{} has 60 clips and {} needs at least 100."
    for i, candidate in enumerate(base.candidates):
        name = candidate.name
        for variant in ("", "[random-inception]"):
            frechet: dict[str, Any] = {"interval_reason": few.format(name, "fid")}
            if sure:
                frechet = {"corrected": 80.0 + 9 * i, "interval": (79.0 + 9 * i, 81.0 + 9 * i)}
            detail = {"floor": 31.5, "mean_term": 12.0}
            fid = Score(name, f"fid{variant}", 90.0 + 9 * i, "", "lower", n, "f", detail=detail, **frechet)
            detail = {"floor": -0.0012}
            value = 0.1 * i
            kid = Score(
                name, f"kid{variant}", value, "", "lower", n, "k", detail=detail,
                interval=(value - 0.02, value + 0.02),
            )  # fmt: skip
            detail = {"reference": -13268.4}
            own = Score(
                name, f"diversity{variant}", -13333.3 - i, "nats", "higher", n, "d", detail=detail,
                interval_reason=f"{name} has 60 clips and diversity needs at least 6144.",
            )  # fmt: skip
            scores += [fid, kid, own]
        for metric in ("fvd", "kvd"):
            reason = "needs weights: synvid-eval weights fetch i3d"
            scores.append(Score(name, metric, math.nan, "", "lower", n, "", reason=reason))
    return Comparison(base.reference, base.candidates, scores, base.run)
