from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from synvid_eval import knobs
from synvid_eval.errors import DataError
from synvid_eval.score import (
    SCHEMA,
    Comparison,
    Score,
    SetFacts,
    long_signature,
    plain,
    read_comparison,
    recipe,
    short_signature,
)

N = {"candidate": 100, "reference": 120}


def _comparison():
    one = Score(
        "a", "color", 0.1 + 0.2, "nats", "lower", N, "color|12345678",
        corrected=1 / 3, interval=(-0.1, 2 / 3),
        detail={"mean": np.array([1.0, math.nan]), "floor": math.nan, "rows_candidate": np.int64(7)},
    )  # fmt: skip
    two = Score(
        "b", "color", math.nan, "nats", "lower", N, "color|12345678", reason="No.", interval_reason="No."
    )
    sides = [SetFacts(name, f"/{name}", "f00d", 100, 1600) for name in "ab"]
    sides[1].skipped.append({"id": "x\udcff.mp4", "reason": "broken"})
    return Comparison(SetFacts("r", "/r", "beef", 120, 1920), sides, [one, two], {"seconds": 1.5})


def _edited(**changes):
    data = json.loads(_comparison().to_json())
    data.update(changes)
    return data


def test_json_holds_full_floats_and_nulls():
    data = json.loads(_comparison().to_json())
    assert data["schema"] == SCHEMA == "synvid-eval/comparison/1"
    assert list(data["scores"][0]) == [
        *("candidate", "metric", "value", "corrected", "interval", "level", "unit", "better", "n"),
        *("reason", "interval_reason", "signature", "detail"),
    ]
    first, second = data["scores"]
    assert first["value"] == 0.30000000000000004 and first["interval"] == [-0.1, 2 / 3]
    assert first["detail"] == {"mean": [1.0, None], "floor": None, "rows_candidate": 7}
    assert second["value"] is None and second["reason"] == "No." and second["interval"] is None
    assert "NaN" not in _comparison().to_json()


def test_round_trip():
    text = _comparison().to_json()
    back, warnings = read_comparison(text)
    assert warnings == [] and back.to_json() == text
    assert back.score("a", "color").value == 0.1 + 0.2
    assert math.isnan(back.score("b", "color").value)
    assert back.metrics() == ["color"] and back.candidates[1].skipped[0]["reason"] == "broken"
    with pytest.raises(KeyError):
        back.score("a", "motion")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, np.float32("nan")])
def test_what_is_no_number_is_null(value):
    assert plain({"x": (value, [value])}) == {"x": [None, [None]]}


def test_unknown_keys_are_warned_of_and_empty_run_and_detail_accepted():
    data = _edited(run={}, extra=1)
    data["scores"][0] |= {"detail": {}, "note": "?"}
    data["reference"]["owner"] = "me"
    comparison, warnings = read_comparison(json.dumps(data), "f.json")
    assert comparison.run == {} and comparison.scores[0].detail == {}
    assert warnings == [
        "f.json: unknown key 'extra' ignored",
        "sets: unknown key 'owner' ignored",
        "scores: unknown key 'note' ignored",
    ]


def _drop(data, *path):
    for key in path[:-1]:
        data = data[key]
    del data[path[-1]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("scores",), "f.json: 'scores' is missing."),
        (("reference", "clips"), "f.json: reference: 'clips' is missing."),
        (("candidates", 1, "name"), "f.json: candidates[1]: 'name' is missing."),
        (("scores", 0, "better"), "f.json: scores[0]: 'better' is missing."),
        (("scores", 1, "n", "reference"), "f.json: scores[1]: n: 'reference' is missing."),
    ],
)
def test_missing_keys_are_named(path, message):
    data = _edited()
    _drop(data, *path)
    with pytest.raises(DataError) as caught:
        read_comparison(json.dumps(data), "f.json")
    assert caught.value.message == message and caught.value.code == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "f.json is no JSON: "),
        ("[]", "f.json has schema 'list', not 'synvid-eval/comparison/1'."),
        ('{"schema": "x"}', "f.json has schema 'x', not"),
        (json.dumps(_edited(scores={})), "f.json: 'scores' is of the wrong type."),
        (json.dumps(_edited(candidates=[])), "f.json: a score names candidate 'a', which is not among"),
    ],
)
def test_what_is_no_comparison_is_said(text, message):
    with pytest.raises(DataError) as caught:
        read_comparison(text, "f.json")
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("better", "up", "'better' is 'up'."),
        ("interval", [1], "'interval' is neither null nor [low, high]."),
        ("value", "1", "'value' is of the wrong type."),
        ("value", True, "'value' is of the wrong type."),
    ],
)
def test_wrong_values_are_named(key, value, message):
    data = _edited()
    data["scores"][0][key] = value
    with pytest.raises(DataError) as caught:
        read_comparison(json.dumps(data), "f.json")
    assert caught.value.message == f"f.json: scores[0]: {message}"


def test_to_frame():
    frame = _comparison().to_frame()
    assert list(frame.columns) == [
        "candidate", "metric", "value", "corrected", "low", "high", "level", "unit", "better", "reference",
        "floor", "n_candidate", "n_reference", "reason", "interval_reason", "signature",
    ]  # fmt: skip
    assert frame.shape[0] == 2 and frame.value[0] == 0.1 + 0.2 and frame.low[0] == -0.1
    assert np.isnan(frame.value[1]) and np.isnan(frame.low[1]) and np.isnan(frame.corrected[1])
    assert frame.reason.tolist() == ["", "No."]


@dataclass(frozen=True)
class _Thing:
    name: ClassVar[str] = "thing"
    revision: ClassVar[int] = 3
    size: int = knobs.knob(8, "how big", low=1)


def test_signatures_come_from_the_fields():
    parts = recipe(_Thing(size=9), "metric") | {"version": "1"}
    assert parts == {"metric": "thing", "metric.revision": 3, "metric.size": 9, "version": "1"}
    long = long_signature(parts)
    assert long == "metric=thing|metric.revision=3|metric.size=9|version=1"
    short = short_signature("thing", {"size": 9}, long)
    head, digest = short.rsplit("|", 1)
    assert head == "thing|size:9" and len(digest) == 8 and int(digest, 16) >= 0
    assert short_signature("thing", {"size": 9}, long + "0") != short
