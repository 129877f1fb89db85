"""Documents of searches made by hand: invented numbers in the shapes that `guide search --json` writes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from synvid_eval.guidance.search import Trial, best, front, shares, trial_facts
from synvid_eval.score import Comparison, read_comparison

from .example_media import everything, media

PRESET = "moving_shapes"
BETTER = {
    "color": "lower",
    "motion": "match",
    "tubelet": "lower",
    "effective_rank": "higher",
    "spectrum": "match",
}
UNITS = {"color": "nats", "motion": "D", "spectrum": "α", "effective_rank": "dimensions"}
START = {"color": 12.5, "motion": 0.075, "tubelet": 9.4, "effective_rank": -87.0, "spectrum": 0.11}


def comparison(pictures: bool = True) -> Comparison:
    """Of the preset as it is and of what was found, with or without media."""
    whole = everything(2)
    text = whole.to_json().replace("moving_circles_", f"{PRESET}_").replace('"moving_circles"', '"found"')
    text = text.replace('"ucf101"', '"ucf101-unseen"')
    found, _ = read_comparison(text)
    kept = [s for s in found.scores if s.metric in BETTER]
    found = Comparison(found.reference, found.candidates, kept, found.run)
    if not pictures:
        return found
    shown = media(found, clips=12)
    clips = {name: [c | {"id": c["id"].replace("found_", f"{PRESET}_")} for c in own]
             for name, own in shown["clips"].items() if name != "ucf101-unseen"}  # fmt: skip
    return Comparison(found.reference, found.candidates, kept, found.run, shown | {"clips": clips})


def dimensions(many: int = 5) -> list[dict[str, Any]]:
    """A whole number, a range, a choice, a truth value, then `many` numbers of a palette."""
    plain = {"low": 0.0, "high": 0.0, "log": False, "choices": [], "unit": "", "about": "", "group": ""}
    found = [
        {"name": "objects", "knob": "objects", "kind": "whole", "start": 500, "low": 20, "high": 1000,
         "log": True, "about": "objects of a clip", "group": "form"},
        {"name": "speed:middle", "knob": "speed", "kind": "real", "start": 2.1, "high": 12.0,
         "unit": "px/frame", "about": "speed of an object", "group": "motion"},
        {"name": "speed:spread", "knob": "speed", "kind": "real", "start": 0.4286, "high": 1.0,
         "unit": "of the middle", "about": "speed of an object", "group": "motion"},
        {"name": "background", "knob": "background", "kind": "choice", "start": "black",
         "choices": ["black", "color"], "group": "background"},
        {"name": "mirrored", "knob": "mirrored", "kind": "choice", "start": False, "choices": [False, True]},
    ]  # fmt: skip
    parts = ["l", "a", "b", "l_std", "a_std", "b_std", "la", "lb", "ab", *(f"x{k}" for k in range(30))]
    found += [
        {"name": f"palette.lab.{p}", "knob": "palette", "kind": "real", "start": 7.0, "low": -15.0,
         "high": 15.0, "unit": "L*", "about": f"{p} of the palette", "group": "color"}
        for p in parts[:many]
    ]  # fmt: skip
    return [{**plain, **one} for one in found]


def search(
    minimize: Sequence[str] = ("color", "motion", "tubelet"),
    trials: int = 24,
    *,
    better: bool = True,
    broken: Sequence[int] = (5,),
    failed: Sequence[int] = (3, 7),
    parts: int = 9,
    pictures: bool = True,
) -> dict[str, Any]:
    """A search's document.

    better: whether trials get nearer; else the start stays the best. broken, failed: trials that do not keep
    the constraint, that failed. parts: dimensions of the palette.
    """
    draw = random.Random(0)
    space = dimensions(parts)
    done = [_trial(t, space, minimize, draw, better, t in broken, t in failed) for t in range(trials)]
    start = {
        k: SimpleNamespace(objective=START[k], noise=abs(START[k]) * 0.04, rich=START[k] < 0)
        for k in minimize
    }
    found = best(done, start, minimize, 3)  # type: ignore[arg-type]
    kept = found[0]
    many = sum(t.state == "done" for t in done) >= 10
    return {
        "schema": "synvid-eval/search/1",
        "preset": PRESET,
        "location": f"preset:{PRESET}?n=24&seed=0&shapes=circle",
        "reference": {
            "location": "data/ucf101",
            "seen": {"name": "ucf101-seen", "clips": 60, "groups": 39},
            "unseen": {"name": "ucf101-unseen", "clips": 61, "groups": 38},
        },
        "minimize": list(minimize),
        "keep": ["effective_rank>=start"],
        "sampler": "gp",
        "budget": trials,
        "clips": 24,
        "seed": 0,
        "start": {
            k: {"value": abs(s.objective), "objective": s.objective, "noise": s.noise}
            for k, s in start.items()
        },
        "space": space,
        "trials": [trial_facts(t) for t in done],
        "front": [t.turn for t in front(done, minimize)],
        "kept": kept.turn,
        "shares": shares(kept.objectives, start, minimize),  # type: ignore[arg-type]
        "confirmed": [
            {"trial": t.turn, "shares": dict.fromkeys(minimize, 0.4 + 0.1 * k)} for k, t in enumerate(found)
        ],
        "importances": {k: _importances(space, draw) for k in minimize} if many else {},
        "found": {
            "file": "best.toml",
            "trial": kept.turn,
            "before": {
                k: {"shapes": "mixed", "speed": "1.2:3.0", "palette": "uniform"}.get(k, "0")
                for k in kept.knobs
            },
            "changed": kept.knobs,
            "location": f"preset:{PRESET}?n=24&seed=0&shapes=circle&speed=1.5:3.5",
        },
        "gain": {"clips": 100, "seed": 1, "metrics": [_gain(k, minimize, bool(kept.knobs)) for k in BETTER]},
        "comparison": json.loads(comparison(pictures).to_json()),
        "signature": {"minimize": list(minimize), "seed": 0},
        "digest": "244bb946082c4d17",
        "run": {
            "command": f"synvid-eval guide search {PRESET} data/ucf101 --minimize {','.join(minimize)} "
            "--out best.toml",
            "version": "0.1.0",
            "seconds": 59.3,
        },
    }


def _trial(
    turn: int,
    space: Sequence[dict[str, Any]],
    minimize: Sequence[str],
    draw: random.Random,
    better: bool,
    broken: bool,
    failed: bool,
) -> Trial:
    drawn = {
        d["name"]: draw.choice(d["choices"]) if d["choices"]
        else round(draw.uniform(d["low"], d["high"]), 0 if d["kind"] == "whole" else 3)
        for d in space
    }  # fmt: skip
    point = drawn if turn else {d["name"]: d["start"] for d in space}
    knobs = {"objects": str(point["objects"]), "speed": "1.5:3.5", "palette": "lab(l=58.8)"}
    knobs |= {
        d["name"]: str(point[d["name"]]) for d in space if d["choices"] and point[d["name"]] != d["start"]
    }
    knobs = knobs if turn else {}
    if failed:
        return Trial(turn, point, knobs, "failed", reason=f"{PRESET}: objects of no size. Trial odd.")
    reach = 0.75 if better else 1.2
    seen = {
        k: START[k] if not turn
        # a richness grows, and so its objective falls
        else START[k] * (draw.lognormvariate(-0.7 * reach if START[k] > 0 else 0.1, 0.5) + (not better))
        for k in minimize
    }  # fmt: skip
    over = 1.5 if broken else -0.5
    noise = {k: abs(v) * 0.05 for k, v in seen.items()}
    values = {k: abs(v) for k, v in seen.items()}
    return Trial(turn, point, knobs, "done", values, seen, noise, {"effective_rank>=start": over}, "", 0.8)


def _importances(space: Sequence[dict[str, Any]], draw: random.Random) -> dict[str, float]:
    shares = [draw.random() for _ in space]
    return {d["name"]: v / sum(shares) for d, v in zip(space, shares, strict=True)}


def _gain(metric: str, minimize: Sequence[str], changed: bool) -> dict[str, Any]:
    objective, share = START[metric], {"color": 0.28, "motion": 0.9, "tubelet": 1.2}.get(metric, 1.0)
    share = share if changed else 1.0
    width = 0.2 if changed else 0.0
    ratio = {"value": share, "interval": [share - width / 2, share + width / 2], "reason": None, "sure": True}
    by = {"value": objective * (share - 1), "interval": None, "reason": "Few.", "sure": False}
    if metric == "effective_rank":
        by = {"value": -6.7, "interval": [-8.6, -4.8], "reason": None, "sure": True} if changed else by
    about = {"metric": metric, "unit": UNITS.get(metric, ""), "better": BETTER[metric]}
    if metric == "spectrum" and changed:
        empty = dict.fromkeys(("start", "found", "ratio", "difference"))
        return {**about, "minimized": metric in minimize, **empty, "reason": "No clip is large enough."}
    return {
        **about,
        "minimized": metric in minimize,
        "start": {"value": abs(objective), "objective": objective},
        "found": {"value": abs(objective) * share, "objective": objective * share},
        "ratio": None if objective < 0 else ratio,
        "difference": by,
        "reason": None,
    }
