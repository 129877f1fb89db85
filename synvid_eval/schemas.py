"""JSON Schemas (draft 2020-12) of the documents that commands write: `synvid-eval schema NAME`.

`comparison` is what other tools may write for `report` too, so it allows further keys; what this package
writes has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from synvid_eval.errors import DataError, UsageError, nearest

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ATTENTION = "synvid-eval/attention/1"
"""What a document of `attention` says it is."""

SEARCH = "synvid-eval/search/1"
"""What a document of `guide search` says it is."""

SENSITIVITY = "synvid-eval/sensitivity/1"
ADVICE = "synvid-eval/advice/1"
"""What documents of `guide sensitivity` and `guide advise` say they are."""

STRENGTHS = {
    "beyond chance": "the metric goes with accuracy beyond chance as the best of all metrics, and neither a "
    "set, nor a family, nor the sets outside the band carry more than half of it",
    "carried": "beyond chance as the best of all metrics, but a set, a family, or the sets outside the band "
    "carry more than half of it",
    "not given": "no correlation was given, or none that has this metric, with an interval over families and "
    "a band",
    "chance": "not distinguishable from chance as the best of all metrics",
    "against": "beyond chance, but a smaller gap goes with lower accuracy",
}
"""How strong the evidence is that a metric matters, strongest first → what that means."""

_TEXT = {"type": "string"}
_NUMBER_OR_NULL = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL = {"type": ["integer", "null"], "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}


def _object(
    properties: dict[str, Any], optional: tuple[str, ...] = (), extra: bool = False
) -> dict[str, Any]:
    required = [k for k in properties if k not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": extra}


_SKIPPED = {"type": "array", "items": _object({"id": _TEXT, "reason": _TEXT}, extra=True)}

_SIDE = _object(
    {
        "name": _TEXT,
        "location": _TEXT,
        "fingerprint": {"type": "string", "description": "Hash of the clips' ids and contents."},
        "clips": {**_COUNT, "description": "Clips that were measured."},
        "frames": {**_COUNT, "description": "Frames that were looked at."},
        "skipped": _SKIPPED,
    },
    extra=True,
)

_DETAIL_VALUE = {
    "anyOf": [
        {"type": ["number", "string", "null"]},
        {"type": "array", "items": {"type": ["number", "string", "null"]}},
    ]
}

_SCORE = _object(
    {
        "candidate": _TEXT,
        "metric": _TEXT,
        "value": {**_NUMBER_OR_NULL, "description": "null where it cannot be had: then `reason` says why."},
        "corrected": {**_NUMBER_OR_NULL, "description": "The value with its bias taken out (jackknife)."},
        "interval": {
            "description": "Of `corrected` where given, else of `value`; null with `interval_reason`.",
            "anyOf": [
                {"type": "null"},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            ],
        },
        "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "unit": _TEXT,
        "better": {"enum": ["lower", "higher", "match"]},
        "n": _object({"candidate": _COUNT, "reference": _COUNT}, extra=True),
        "reason": {"type": ["string", "null"]},
        "interval_reason": {"type": ["string", "null"]},
        "signature": _TEXT,
        "detail": {"type": "object", "additionalProperties": _DETAIL_VALUE},
    },
    optional=("corrected", "interval", "level", "unit", "reason", "interval_reason", "signature", "detail"),
    extra=True,
)
_SCORE["if"] = {"properties": {"value": {"type": "null"}}}
_SCORE["then"] = {"properties": {"reason": {"type": "string", "minLength": 1}}, "required": ["reason"]}
_SCORE["else"] = {"properties": {"reason": {"type": "null"}}}

_COMPARISON = _object(
    {
        "schema": {"const": "synvid-eval/comparison/1"},
        "reference": _SIDE,
        "candidates": {"type": "array", "items": _SIDE},
        "scores": {"type": "array", "items": _SCORE},
        "run": {
            "type": "object",
            "description": "Facts of the run (command, machine, versions); may be empty.",
        },
        "media": {"type": "object"},
    },
    optional=("run", "media"),
    extra=True,
)

_ERROR = _object(
    {
        "error": _object(
            {
                "code": {"enum": [1, 2, 3, 4, 5, 130]},
                "message": {"type": "string", "minLength": 1},
                "hint": _TEXT,
            }
        )
    }
)

_COST = _object(
    {
        "tried": _COUNT,
        "workers": _COUNT,
        "seconds_per_clip": {"type": "number", "minimum": 0},
        "seconds": {"type": "number", "minimum": 0},
        "memory_bytes": _COUNT_OR_NULL,
        "cache_bytes": _COUNT_OR_NULL,
    }
)

_INSPECT = _object(
    {
        "schema": {"const": "synvid-eval/inspect/1"},
        "name": _TEXT,
        "location": _TEXT,
        "layout": _TEXT,
        "recognized": _TEXT,
        "found": _COUNT,
        "clips": {**_COUNT, "description": "Clips that can be opened; with `skipped` they make `found`."},
        "bytes": _COUNT_OR_NULL,
        "labels": _COUNTS,
        "sizes": {"type": "array", "items": _object({"width": _COUNT, "height": _COUNT, "clips": _COUNT})},
        "rates": {"type": "array", "items": _object({"fps": _NUMBER_OR_NULL, "clips": _COUNT})},
        "lengths": {
            "anyOf": [
                {"type": "null"},
                _object(
                    {"shortest": _COUNT, "median": {"type": "number"}, "longest": _COUNT, "total": _COUNT}
                ),
            ]
        },
        "codecs": _COUNTS,
        "containers": _COUNTS,
        "pixel_formats": _COUNTS,
        "strides": {
            "type": "object",
            "description": "Stride → share of the clips that are long enough for a run of frames at it.",
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "duplicates": {"type": "array", "items": {**_TEXTS, "minItems": 2}},
        "skipped": _SKIPPED,
        "notes": _TEXTS,
        "cost": {"anyOf": [{"type": "null"}, _COST]},
        "cost_reason": {"type": ["string", "null"]},
    }
)

_SET_PLAN = _object(
    {
        "name": _TEXT,
        "location": _TEXT,
        "layout": _TEXT,
        "recognized": _TEXT,
        "clips": _COUNT,
        "skipped": _COUNT,
        "shards": _COUNT,
        "cached_shards": _COUNT,
        "cached_clips": _COUNT,
        "unread": _COUNT,
        "read_bytes": _COUNT_OR_NULL,
        "seconds_per_clip": _NUMBER_OR_NULL,
        "to_measure": _COUNT,
    }
)

_DRY_RUN = _object(
    {
        "schema": {"const": "synvid-eval/dry-run/1"},
        "sets": {"type": "array", "items": _SET_PLAN},
        "features": _TEXTS,
        "workers": _COUNT,
        "cache": {"type": ["string", "null"]},
        "seconds": _NUMBER_OR_NULL,
        "memory_bytes": _COUNT_OR_NULL,
        "cache_bytes": _COUNT_OR_NULL,
        "writes": _TEXTS,
        "metrics": _TEXTS,
        "protocol": _TEXT,
    }
)

_DOCTOR = _object(
    {
        "schema": {"const": "synvid-eval/doctor/1"},
        "ok": {"type": "boolean"},
        "checks": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "state": {"enum": ["ok", "warning", "missing", "wrong"]},
                    "found": _TEXT,
                    "cure": _TEXT,
                }
            ),
        },
    }
)

_CLIP = {
    "type": "array",
    "description": "id, content hash, frames, frames looked at, frames/s, [height, width], notes",
    "prefixItems": [
        _TEXT,
        _TEXT,
        _COUNT,
        _COUNT,
        _NUMBER_OR_NULL,
        {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2},
        _TEXTS,
    ],
    "minItems": 7,
}

_MEASURED = _object(
    {
        "schema": {"const": "synvid-eval/measured/1"},
        "facts": _SIDE,
        "recipe": _object({"sampler": {"type": "object"}, "seed": _COUNT, "features": {"type": "object"}}),
        "folds": {"type": "object", "description": "Feature → its states in each of the 20 blocks."},
        "sources": {"type": "boolean"},
        "clips": {"type": "array", "items": _CLIP},
        "about": {"type": "object"},
    },
    extra=True,
)

_TEXT_OR_NULL = {"type": ["string", "null"]}

_MANIFEST = _object(
    {
        "index": _COUNT,
        "id": {**_TEXT, "description": "PRESET/INDEX, or real/ID for a real clip of a mixture."},
        "file": {**_TEXT, "description": "Relative to the folder: the clip, or the tar file it is in."},
        "member": {**_TEXT_OR_NULL, "description": "Its name in the tar file."},
        "truth": {**_TEXT_OR_NULL, "description": "The file (in a tar file: the member) of its truth."},
        "preset": _TEXT,
        "seed": _COUNT,
        "source": {**_TEXT_OR_NULL, "description": "What clips share that are no independent draws."},
        "label": {**_TEXT_OR_NULL, "description": "The class of a drawn clip; null where there are none."},
        "frames": {**_COUNT, "minimum": 1},
        "height": {**_COUNT, "minimum": 1},
        "width": {**_COUNT, "minimum": 1},
        "fps": {"type": "number", "exclusiveMinimum": 0},
        "sha256": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "Of the raw RGB frames: uint8, C order, T·H·W·3.",
        },
        "psnr": {**_NUMBER_OR_NULL, "description": "Of the file against the frames [dB]; null: no loss."},
        "bytes": {**_COUNT, "description": "Size of the clip's file, of all pictures of a folder of them."},
        "truth_bytes": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Size of the file of its truth; null where it has none of its own.",
        },
        "redrawn": {**_COUNT, "description": "How often it was drawn again; see the generator."},
    },
    optional=("label", "redrawn"),  # not in manifests of version 0.1.0
)

_BOUNDS = {
    "anyOf": [
        {"type": "null"},
        {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    ]
}
_INNER = _object(
    {"value": _NUMBER_OR_NULL, "interval": _BOUNDS, "family_bootstrap": _BOUNDS, "p": _NUMBER_OR_NULL}
)
_COEFFICIENT = _object(
    {
        "value": _NUMBER_OR_NULL,
        "interval": {**_BOUNDS, "description": "Asymptotic: Fisher (r), Bonett and Wright (rho, tau)."},
        "bootstrap": {**_BOUNDS, "description": "BCa over sets."},
        "family_bootstrap": {**_BOUNDS, "description": "Over families, from 5 on."},
        "p": {**_NUMBER_OR_NULL, "description": "Accuracies exchanged between families."},
        "p_free": {**_NUMBER_OR_NULL, "description": "Takes all sets for independent."},
        "p_holm": _NUMBER_OR_NULL,
        "q": _NUMBER_OR_NULL,
        "p_best": {**_NUMBER_OR_NULL, "description": "For the best of r and rho of all metrics."},
    }
)
_PARTIAL = _object({"value": _NUMBER_OR_NULL, "interval": _BOUNDS})
_OR_NULL = {"type": ["object", "null"]}

_CORRELATED = _object(
    {
        "metric": {**_TEXT, "description": "NAME.difference: |value − reference| of NAME."},
        "unit": _TEXT,
        "better": {"enum": ["lower", "higher", "match"]},
        "expected": {"enum": [-1, 1, None], "description": "The sign that `better` declares."},
        "as_expected": {"type": ["boolean", "null"]},
        "random": {"type": "boolean", "description": "Of a random network: a control."},
        "signature": _TEXT,
        "n": _COUNT,
        "values": {"type": "array", "items": _NUMBER_OR_NULL, "description": "In the order of `sets`."},
        "spread": {
            "type": "array",
            "items": _NUMBER_OR_NULL,
            "description": "Standard deviations; 0: unknown.",
        },
        "pearson": _COEFFICIENT,
        "spearman": _COEFFICIENT,
        "kendall": _COEFFICIENT,
        "p_best": {**_NUMBER_OR_NULL, "description": "For the best of all metrics by r or rho."},
        "band": {"anyOf": [{"type": "null"}, _object({"n": _COUNT, "pearson": _INNER, "spearman": _INNER})]},
        "left_out": {**_OR_NULL, "description": "r and rho with each set, each family left out."},
        "noise": {**_OR_NULL, "description": "r and rho with values drawn again within their intervals."},
        "partial": {
            "anyOf": [
                {"type": "null"},
                _object({"given": _TEXT, "n": _COUNT, "pearson": _PARTIAL, "spearman": _PARTIAL}),
            ]
        },
        "quadratic": {**_OR_NULL, "description": "A parabola, for metrics whose better value is a match."},
        "carried": {
            **_OR_NULL,
            "description": "What more than half of it hangs on: by, kind, whole, without.",
        },
        "state": {"enum": ["few", "constant", "control", "chance", "carried", "against", "goes"]},
        "verdict": _TEXT,
    }
)

_CORRELATION = _object(
    {
        "schema": {"const": "synvid-eval/correlation/1"},
        "benchmark": _TEXT,
        "protocol": _TEXT,
        "model": _TEXT,
        "split": {"type": ["string", "null"], "description": "Of the benchmark, where the table names it."},
        "method": {"type": ["string", "null"], "description": "Of pre-training, where the table names it."},
        "accuracies": _TEXT,
        "reference": _TEXT,
        "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "headline": _TEXT,
        "band": _BOUNDS,
        "families": {"anyOf": [{"type": "null"}, _TEXTS]},
        "given": {"type": ["string", "null"]},
        "sets": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "dataset": {**_TEXT, "description": "Its name among the accuracies."},
                    "family": _TEXT,
                    "accuracy": {"type": "number", "minimum": 0, "maximum": 100},
                    "std": _NUMBER_OR_NULL,
                    "seeds": {**_COUNT, "minimum": 1},
                    "gap_closed": _NUMBER_OR_NULL,
                    "in_band": {"type": "boolean"},
                }
            ),
        },
        "metrics": {"type": "array", "items": _CORRELATED},
        "prediction": {**_OR_NULL, "description": "From several metrics, judged on families left out."},
        "unmatched": _object({"measured": _TEXTS, "accuracies": _TEXTS}),
        "notes": _TEXTS,
        "run": {"type": "object"},
        "media": {"type": "object"},
    },
    optional=("split", "method"),
)

_SEPARATION = _object(
    {
        "value": {**_NUMBER_OR_NULL, "description": "ROC AUC over tokens; null: then `reason` says why."},
        "component": {"enum": [1, 2, 3, None]},
        "sign": {"enum": [1, -1, None], "description": "1: tokens that move have larger values."},
        "components": {"type": "array", "items": _NUMBER_OR_NULL, "description": "Each, of its better sign."},
        "interval": {**_BOUNDS, "description": "Of that component alone, by blocks of clips."},
        "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "moving": {"type": "number", "description": "Share of the tokens that move."},
        "mixed": {"type": "number", "description": "Share of the tokens of which a part moves."},
        "reason": _TEXT_OR_NULL,
        "interval_reason": _TEXT_OR_NULL,
    }
)
_ATTENTION = _object(
    {
        "schema": {"const": ATTENTION},
        "set": _object(
            {
                "name": _TEXT,
                "location": _TEXT,
                "label": _TEXT_OR_NULL,
                "clips": {**_COUNT, "description": "Clips that were looked at."},
                "skipped": _SKIPPED,
            }
        ),
        "what": {"enum": ["keys", "queries", "values", "tokens"]},
        "layer": {"type": "integer", "description": "As asked: from 0, or from the end, -1 the last."},
        "frames": {**_COUNT, "minimum": 2},
        "tubelet": {**_COUNT, "minimum": 1, "description": "Frames of an input."},
        "quantiles": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "checkpoints": {
            "type": "array",
            "minItems": 1,
            "items": _object(
                {
                    "name": _TEXT,
                    "signature": {**_TEXT, "description": "sha256:HEX of the file, or random:SEED[:SIZE]."},
                    "architecture": {"type": "object", "additionalProperties": _COUNT},
                    "layer": {**_COUNT, "description": "Which one that is, from 0."},
                    "tokens": _COUNT,
                    "explained": {
                        "type": "array",
                        "items": _NUMBER_OR_NULL,
                        "description": "Share of the variance along the first components.",
                    },
                    "scale": {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": "number"}},
                        "description": "What is 0 and what is 255 of each of the three colors.",
                    },
                    "separation": {"anyOf": [{"type": "null"}, _SEPARATION]},
                }
            ),
        },
        "clips": {
            "type": "array",
            "items": _object(
                {
                    "id": _TEXT,
                    "label": _TEXT_OR_NULL,
                    "frames": {"type": "array", "items": _COUNT},
                    "fps": _NUMBER_OR_NULL,
                }
            ),
        },
        "notes": _TEXTS,
        "run": {"type": "object"},
        "media": {"type": "object"},
    },
    optional=("media",),
)

_SHARE = {"type": "number", "minimum": 0, "maximum": 100}
_TOP = _object(
    {
        "value": _SHARE,
        "by_clip": {"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2},
        "by_group": {**_BOUNDS, "description": "By source group; null with a reason."},
        "reason": _TEXT_OR_NULL,
    }
)
_PREDICTIONS = _object(
    {
        "schema": {"const": "synvid-eval/predictions/1"},
        "classes": {**_TEXTS, "description": "In the order of `scores`."},
        "split": {**_TEXT, "description": "As --split was given."},
        "accuracy": _object(
            {
                "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "clips": _COUNT,
                "groups": _COUNT,
                "top1": {**_TOP, "description": "Percent."},
                "top5": _TOP,
            },
            optional=("top5",),
        ),
        "predictions": {
            "type": "array",
            "items": _object(
                {
                    "id": _TEXT,
                    "label": _TEXT,
                    "group": {**_TEXT, "description": "What clips share that are no independent draws."},
                    "fold": {**_COUNT, "description": "The fold that it was tested in, from 0 on."},
                    "scores": {
                        "type": "array",
                        "items": {"type": "number", "minimum": 0, "maximum": 1},
                        "description": "Mean softmax over the views of the clip.",
                    },
                }
            ),
        },
        "about": {"type": "object"},
    }
)

_RATIOS = {
    "absolute": {"type": "number", "description": "1 − (clean − damaged) / 100."},
    "relative": {**_NUMBER_OR_NULL, "description": "1 − (clean − damaged) / clean; null where clean is 0."},
}
_ROBUSTNESS = _object(
    {
        "schema": {"const": "synvid-eval/robustness/1"},
        "run": {**_TEXT, "description": "The run's folder."},
        "set": _object({"name": _TEXT, "location": _TEXT}),
        "split": _TEXT,
        "clips": _COUNT,
        "groups": {**_COUNT, "description": "Source groups of these clips."},
        "seed": _COUNT,
        "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "clean": {**_TOP, "description": "Top 1 of the clips as they are [percent]."},
        "cells": {
            "type": "array",
            "items": _object(
                {
                    "corruption": _TEXT,
                    "kind": _TEXT,
                    "severity": {"type": "integer", "minimum": 1, "maximum": 5},
                    "accuracy": _TOP,
                    **_RATIOS,
                }
            ),
        },
        "corruptions": {
            "type": "array",
            "description": "Means over severities.",
            "items": _object(
                {
                    "corruption": _TEXT,
                    "kind": _TEXT,
                    "accuracy": _SHARE,
                    **_RATIOS,
                    "difference": {
                        **_NUMBER_OR_NULL,
                        "description": "Less the baseline's accuracy [points].",
                    },
                    "interval": {**_BOUNDS, "description": "Of the difference, by source group."},
                }
            ),
        },
        "mean": _object({"accuracy": _SHARE, **_RATIOS}),
        "baseline": {
            "anyOf": [
                {"type": "null"},
                _object(
                    {
                        "name": _TEXT,
                        "clean": _TOP,
                        "on": {**_COUNT, "description": "Corruptions on which the run is better."},
                        "of": _COUNT,
                        "surely": {**_COUNT, "description": "Those of them beyond their interval."},
                        "interval": {**_BOUNDS, "description": "Of `on`, by draws of source groups."},
                        "reason": _TEXT_OR_NULL,
                    }
                ),
            ]
        },
    }
)

_LEVEL = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_VALUE = {"type": ["number", "string", "boolean"]}
_KNOBS = {"type": "object", "additionalProperties": _TEXT, "description": "Knob → text, as in a location."}
_ESTIMATE = _object(
    {
        "value": _NUMBER_OR_NULL,
        "interval": {**_BOUNDS, "description": "null: then `reason` says why."},
        "reason": _TEXT_OR_NULL,
        "sure": {"type": "boolean", "description": "Whether the interval excludes 0."},
    }
)
_HALF = _object({"name": _TEXT, "clips": _COUNT, "groups": {**_COUNT, "description": "Source groups."}})
_NUMBERS = {"type": "object", "additionalProperties": _NUMBER_OR_NULL}
_POINT = {"type": "object", "additionalProperties": {"type": ["number", "string", "boolean"]}}
_ESTIMATE_OR_NULL = {"anyOf": [{"type": "null"}, _ESTIMATE]}
_MEASURED_OR_NULL = {
    "anyOf": [{"type": "null"}, _object({"value": _NUMBER_OR_NULL, "objective": _NUMBER_OR_NULL})],
}

_SEARCH = _object(
    {
        "schema": {"const": SEARCH},
        "preset": _TEXT,
        "location": {**_TEXT, "description": "The preset as it was, as a SET."},
        "reference": _object({"location": _TEXT, "seen": _HALF, "unseen": _HALF}),
        "minimize": _TEXTS,
        "keep": _TEXTS,
        "sampler": _TEXT,
        "budget": _COUNT,
        "clips": {**_COUNT, "description": "Of a trial."},
        "seed": _COUNT,
        "start": {
            "type": "object",
            "additionalProperties": _object(
                {
                    "value": _NUMBER_OR_NULL,
                    "objective": {
                        **_NUMBER_OR_NULL,
                        "description": "What is made small: a distance, how far a property is from the "
                        "reference's, a richness with its sign turned.",
                    },
                    "noise": {**_NUMBER_OR_NULL, "description": "Its standard error over clips."},
                }
            ),
        },
        "space": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "knob": _TEXT,
                    "kind": {"enum": ["whole", "real", "choice"]},
                    "start": {"type": ["number", "string", "boolean"]},
                    "low": {"type": "number"},
                    "high": {"type": "number"},
                    "log": {"type": "boolean"},
                    "choices": {"type": "array", "items": {"type": ["number", "string", "boolean"]}},
                    "unit": _TEXT,
                    "about": _TEXT,
                    "group": _TEXT,
                }
            ),
        },
        "trials": {
            "type": "array",
            "items": _object(
                {
                    "turn": {**_COUNT, "description": "Its number, from 0."},
                    "point": _POINT,
                    "knobs": _KNOBS,
                    "state": {"enum": ["done", "failed", "running"]},
                    "values": _NUMBERS,
                    "objectives": _NUMBERS,
                    "noise": _NUMBERS,
                    "broken": {
                        **_NUMBERS,
                        "description": "Constraint → how far beyond what it allows; ≤ 0: kept.",
                    },
                    "reason": {**_TEXT, "description": "Why it failed."},
                    "seconds": {"type": "number"},
                    "feasible": {"type": "boolean"},
                }
            ),
        },
        "front": {"type": "array", "items": _COUNT, "description": "Trials that no other beats."},
        "kept": {**_COUNT, "description": "The trial that is kept, after the best were measured again."},
        "shares": {
            **_NUMBERS,
            "description": "Its objectives as shares of the start's, in the search; of a richness 1 less "
            "what it gained, by the start's size.",
        },
        "confirmed": {
            "type": "array",
            "items": _object({"trial": _COUNT, "shares": _NUMBERS}),
            "description": "The best trials, measured again with more clips of another seed.",
        },
        "importances": {"type": "object", "additionalProperties": _NUMBERS},
        "found": _object(
            {
                "file": _TEXT,
                "trial": _COUNT,
                "before": _KNOBS,
                "changed": _KNOBS,
                "location": _TEXT,
                "at_bound": {
                    "type": "array",
                    "items": _object(
                        {
                            "dimension": _TEXT,
                            "value": {"type": "number"},
                            "end": {"enum": ["low", "high"]},
                            "bound": {"type": "number"},
                        }
                    ),
                    "description": "Numbers that changed and lie at an end of what was searched.",
                },
                "picked": {"type": "boolean", "description": "Whether the trial was asked for by --pick."},
            },
            optional=("at_bound", "picked"),
        ),
        "gain": _object(
            {
                "clips": _COUNT,
                "seed": _COUNT,
                "metrics": {
                    "type": "array",
                    "items": _object(
                        {
                            "metric": _TEXT,
                            "unit": _TEXT,
                            "better": _TEXT,
                            "minimized": {"type": "boolean"},
                            "start": _MEASURED_OR_NULL,
                            "found": _MEASURED_OR_NULL,
                            "ratio": {
                                **_ESTIMATE_OR_NULL,
                                "description": "Of the objectives, found by start.",
                            },
                            "difference": _ESTIMATE_OR_NULL,
                            "reason": _TEXT_OR_NULL,
                        }
                    ),
                },
            }
        ),
        "comparison": {"type": "object", "description": "Start and found against the unseen half."},
        "signature": {"type": "object", "description": "What decides the trials."},
        "digest": _TEXT,
        "run": {"type": "object"},
    }
)

_BETTER = {"enum": ["lower", "higher", "match"]}
_BY_STEP = {
    **_object({"step": _ESTIMATE, "unit": _ESTIMATE}),
    "description": "What a step up adds, and a unit more.",
}
_SENSITIVITY = _object(
    {
        "schema": {"const": SENSITIVITY},
        "preset": _object(
            {
                "name": _TEXT,
                "place": {**_TEXT, "description": "What names it behind preset: in a location."},
                "fixed": {**_KNOBS, "description": "Knobs that were given: knob → text."},
                "location": _TEXT,
                "clips": {**_COUNT, "description": "Of each setting."},
                "seed": _COUNT,
            }
        ),
        "reference": _SIDE,
        "level": _LEVEL,
        "step": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        "metrics": {
            "type": "array",
            "items": _object(
                {
                    "metric": _TEXT,
                    "unit": _TEXT,
                    "better": _BETTER,
                    "kind": {"enum": ["property", "distance", "unbiased", "richness"]},
                    "value": {**_NUMBER_OR_NULL, "description": "Of the preset as it is."},
                    "objective": {
                        **_NUMBER_OR_NULL,
                        "description": "What is to be small: the distance, |value − reference|, −richness.",
                    },
                    "noise": {**_NUMBER_OR_NULL, "description": "Standard error of it, by clips drawn."},
                    "reference": {**_NUMBER_OR_NULL, "description": "The reference's own value."},
                    "reason": _TEXT_OR_NULL,
                    "signature": _TEXT,
                }
            ),
        },
        "dimensions": {
            "type": "array",
            "items": _object(
                {
                    "name": {**_TEXT, "description": "KNOB, KNOB:middle or KNOB:spread."},
                    "knob": _TEXT,
                    "kind": {"enum": ["whole", "real", "choice"]},
                    "start": _VALUE,
                    "low": {"type": "number"},
                    "high": {"type": "number"},
                    "log": {"type": "boolean"},
                    "choices": {"type": "array", "items": _VALUE},
                    "unit": _TEXT,
                    "about": _TEXT,
                    "group": _TEXT,
                    "now": {**_TEXT, "description": "What the preset's knob says."},
                    "exact": {"type": "boolean", "description": "Whether `start` says just that."},
                    "reason": {**_TEXT_OR_NULL, "description": "Why a side is missing."},
                    "tried": {
                        "type": "array",
                        "items": _object(
                            {
                                "value": _VALUE,
                                "knobs": _KNOBS,
                                "location": _TEXT,
                                "reason": {**_TEXT_OR_NULL, "description": "Why it has no numbers."},
                                "metrics": {
                                    "type": "array",
                                    "items": _object(
                                        {
                                            "metric": _TEXT,
                                            "value": _NUMBER_OR_NULL,
                                            "objective": _NUMBER_OR_NULL,
                                            "change": _object({"objective": _ESTIMATE, "value": _ESTIMATE}),
                                        }
                                    ),
                                },
                            }
                        ),
                    },
                    "slopes": {
                        "type": "array",
                        "description": "Difference quotients of a number; none of a choice.",
                        "items": _object(
                            {
                                "metric": _TEXT,
                                "sides": {"enum": [0, 1, 2]},
                                "objective": _BY_STEP,
                                "value": _BY_STEP,
                            }
                        ),
                    },
                }
            ),
        },
        "notes": _TEXTS,
        "run": {"type": "object"},
    }
)

_STRENGTH = {"enum": list(STRENGTHS)}
_EVIDENCE = _object(
    {
        "strength": _STRENGTH,
        "words": _TEXT,
        "n": {**_COUNT_OR_NULL, "description": "Sets."},
        "pearson": _NUMBER_OR_NULL,
        "pearson_interval": {**_BOUNDS, "description": "Over families."},
        "spearman": _NUMBER_OR_NULL,
        "spearman_interval": {**_BOUNDS, "description": "Over families."},
        "band_n": _COUNT_OR_NULL,
        "band_spearman": _NUMBER_OR_NULL,
        "p_best": {**_NUMBER_OR_NULL, "description": "For the best of all metrics."},
        "verdict": _TEXT_OR_NULL,
    }
)
_ADVICE = _object(
    {
        "schema": {"const": ADVICE},
        "comparison": {**_TEXT, "description": "The file that was read."},
        "reference": _SIDE,
        "level": _LEVEL,
        "evidence": _object(
            {
                "source": {**_TEXT_OR_NULL, "description": "null: none was given."},
                "benchmark": _TEXT_OR_NULL,
                "protocol": _TEXT_OR_NULL,
                "sets": _COUNT,
                "families": _COUNT_OR_NULL,
                "band": _BOUNDS,
                "words": _TEXT,
            }
        ),
        "strengths": {
            "type": "object",
            "description": "What the words for the strength of evidence mean.",
            "additionalProperties": _TEXT,
        },
        "sets": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "location": _TEXT,
                    "accuracy": {
                        **_NUMBER_OR_NULL,
                        "description": "Published, of the preset as it ships [%].",
                    },
                    "reason": {**_TEXT_OR_NULL, "description": "Why no knobs were tried."},
                    "gaps": {
                        "type": "array",
                        "items": _object(
                            {
                                "metric": _TEXT,
                                "unit": _TEXT,
                                "better": _BETTER,
                                "value": _NUMBER_OR_NULL,
                                "reference": _NUMBER_OR_NULL,
                                "gap": {**_NUMBER_OR_NULL, "description": "Signed where a match is wanted."},
                                "interval": _BOUNDS,
                                "floor": _NUMBER_OR_NULL,
                                "state": {"enum": ["open", "unsure", "noise", "richness", "missing"]},
                                "words": _TEXT,
                                "signature": _TEXT,
                                "evidence": _EVIDENCE,
                            }
                        ),
                    },
                    "suggestions": {
                        "type": "array",
                        "items": _object(
                            {
                                "dimension": _TEXT,
                                "from": _VALUE,
                                "to": _VALUE,
                                "unit": _TEXT,
                                "now": {**_TEXT, "description": "What the preset's knob says."},
                                "knobs": _KNOBS,
                                "for": {**_TEXT, "description": "The metric that it is suggested for."},
                                "share": {
                                    **_NUMBER_OR_NULL,
                                    "description": "Of that metric's gap, how much is expected to close.",
                                },
                                "strength": _STRENGTH,
                                "advised": {"type": "boolean"},
                                "why_not": _TEXT_OR_NULL,
                                "changes": {
                                    "type": "array",
                                    "items": _object(
                                        {
                                            "metric": _TEXT,
                                            "effect": {"enum": ["better", "worse", "unsure", "missing"]},
                                            "objective": _ESTIMATE,
                                            "value": _ESTIMATE,
                                            "from": _NUMBER_OR_NULL,
                                            "to": _NUMBER_OR_NULL,
                                        }
                                    ),
                                },
                                "worse": {**_TEXTS, "description": "Metrics that surely get worse."},
                                "words": _TEXT,
                                "command": _TEXT,
                            }
                        ),
                    },
                    "nothing": {
                        **_TEXTS,
                        "description": "For which metrics nothing is advised, and why.",
                    },
                    "sensitivity": {"anyOf": [{"type": "null"}, _SENSITIVITY]},
                }
            ),
        },
        "notes": _TEXTS,
        "run": {"type": "object"},
    }
)

_TITLES: dict[str, tuple[str, dict[str, Any]]] = {
    "advice": ("What guide advise --json writes and report reads.", _ADVICE),
    "attention": ("What attention --json writes and report reads.", _ATTENTION),
    "comparison": ("What compare --json writes and report reads.", _COMPARISON),
    "correlation": ("What correlate --json writes and report reads.", _CORRELATION),
    "dry-run": ("What compare --dry-run --json - writes.", _DRY_RUN),
    "doctor": ("What doctor --json writes.", _DOCTOR),
    "error": ("What a command that fails writes to stdout with --json -.", _ERROR),
    "inspect": ("What inspect --json writes.", _INSPECT),
    "manifest": ("One line of the manifest.jsonl that generate writes.", _MANIFEST),
    "measured": (
        "The JSON part of a .measured file (a safetensors file; the numbers are its arrays).",
        _MEASURED,
    ),
    "predictions": (
        "What train finetune and train probe write of clips they were not trained on.",
        _PREDICTIONS,
    ),
    "robustness": ("What robustness --json writes.", _ROBUSTNESS),
    "search": ("What guide search --json writes and report reads.", _SEARCH),
    "sensitivity": ("What guide sensitivity --json writes and report reads.", _SENSITIVITY),
}

SCHEMAS: dict[str, dict[str, Any]] = {
    name: {"$schema": DIALECT, "$id": f"urn:synvid-eval:schema:{name}:1", "title": title, **body}
    for name, (title, body) in _TITLES.items()
}


def get(name: str) -> dict[str, Any]:
    """The schema of that name; UsageError names the nearest."""
    if name not in SCHEMAS:
        raise UsageError(f"No schema is called {name!r}.", nearest(name, SCHEMAS))
    return SCHEMAS[name]


def is_one(text: str, schema: str) -> bool:
    """Whether a JSON text says that it is of `schema` (`synvid-eval/advice/1`); it need not be whole."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and data.get("schema") == schema


def read(text: str, name: str, where: str, command: str) -> dict[str, Any]:
    """A document from JSON text that has to fit the schema of that name.

    where: the file, command: what writes such, for messages. Raises DataError, which names the first part
    that does not fit.
    """
    cure = f"Give a file that {command} --json F wrote."
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON: {error}.", cure) from None
    try:
        wrong = misfit(data, get(name))
    except RecursionError:
        wrong = "nested too deeply"
    if wrong:
        raise DataError(f"{where} is no {name}: {wrong}.", cure)
    return dict(data)


_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def misfit(data: Any, schema: Mapping[str, Any], place: str = "it") -> str:
    """Where JSON data do not fit a schema, in words; empty where they do.

    Of JSON Schema it knows what the schemas of this module are made of, but for `if` and `prefixItems`.
    """
    if "anyOf" in schema:
        found = [misfit(data, one, place) for one in schema["anyOf"]]
        return "" if not all(found) else found[-1]
    if "const" in schema and data != schema["const"]:
        return f"{place} is not {schema['const']!r}"
    if "enum" in schema and not any(data == one and type(data) is type(one) for one in schema["enum"]):
        return f"{place} is {str(data)[:60]!r}, none of {', '.join(map(str, schema['enum']))}"
    if "type" in schema:
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = any(
            isinstance(data, _TYPES[k]) and (k == "boolean" or not isinstance(data, bool)) for k in kinds
        )
        if not fits:
            return f"{place} is no {' or '.join(kinds)}"
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        low, high = schema.get("minimum", data), schema.get("maximum", data)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        beyond = (above is not None and data <= above) or (below is not None and data >= below)
        if not low <= data <= high or beyond:
            return f"{place} is {data}, out of range"
    if isinstance(data, list):
        if not schema.get("minItems", 0) <= len(data) <= schema.get("maxItems", len(data)):
            return f"{place} has {len(data)} entries"
        inner = schema.get("items", {})
        return next(filter(None, (misfit(v, inner, f"{place}[{i}]") for i, v in enumerate(data))), "")
    if isinstance(data, dict):
        known = schema.get("properties", {})
        if lacking := [key for key in schema.get("required", ()) if key not in data]:
            return f"{place} lacks {lacking[0]!r}"
        other = schema.get("additionalProperties", True)
        for key, value in data.items():
            inner = known.get(key, other)
            if inner is False:
                return f"{place} has an unknown key {key[:60]!r}"
            if isinstance(inner, dict) and (wrong := misfit(value, inner, f"{place}.{key}"[:200])):
                return wrong
    return ""
