"""Score and Comparison: plain data, JSON in and out (`synvid-eval/comparison/1`).

A score carries its recipe: unit, direction, n on both sides, interval, and a signature made from the
dataclass fields of what computed it. A number that cannot be had is NaN with a reason, and `null` in JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from synvid_eval import knobs
from synvid_eval.errors import DataError

if TYPE_CHECKING:
    import pandas

SCHEMA = "synvid-eval/comparison/1"
_SCORE_KEYS = (
    *("candidate", "metric", "value", "corrected", "interval", "level", "unit", "better", "n"),
    *("reason", "interval_reason", "signature", "detail"),
)
LEVEL = 0.95
NO_DIFFERENCE = "The difference has no interval: "
"""How the note begins that says why a property has no `difference_interval`; it is the last of the notes."""


@dataclass(frozen=True)
class SetFacts:
    """What is said of a set in a comparison: contract's SIDE."""

    name: str
    location: str
    fingerprint: str
    clips: int
    frames: int
    skipped: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """One number about one candidate.

    value: the candidate's own number for properties, the distance for distances; NaN with a `reason` where it
    cannot be had. corrected: the jackknife-corrected value (distances, richness). interval: at `level`,
    belongs to `corrected` where that is given, else to `value`. n: clips of both sides. detail: flat extras.
    """

    candidate: str
    metric: str
    value: float
    unit: str
    better: Literal["lower", "higher", "match"]
    n: dict[str, int]
    signature: str
    corrected: float | None = None
    interval: tuple[float, float] | None = None
    level: float = LEVEL
    reason: str | None = None
    interval_reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Candidates measured against one reference: scores (the same bytes for equal runs), run facts.

    media: what a page shows beyond the scores (see `synvid_eval.media`); empty where none was asked for.
    """

    reference: SetFacts
    candidates: list[SetFacts]
    scores: list[Score]
    run: dict[str, Any] = field(default_factory=dict)
    media: dict[str, Any] = field(default_factory=dict)

    def score(self, candidate: str, metric: str) -> Score:
        """The score of that candidate and metric; KeyError where there is none."""
        for score in self.scores:
            if score.candidate == candidate and score.metric == metric:
                return score
        raise KeyError((candidate, metric))

    def metrics(self) -> list[str]:
        """Metric names in the order asked."""
        return list(dict.fromkeys(s.metric for s in self.scores))

    def to_json(self) -> str:
        """The comparison as one JSON document; floats as Python writes them, NaN and ±inf as null."""
        return dump_json(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON-ready plain data."""
        return {
            "schema": SCHEMA,
            "reference": asdict(self.reference),
            "candidates": [asdict(c) for c in self.candidates],
            "scores": [_score_out(s) for s in self.scores],
            "run": plain(self.run),
            **({"media": plain(self.media)} if self.media else {}),
        }

    def to_frame(self) -> pandas.DataFrame:
        """One row a score: candidate, metric, value, corrected, low, high, level, unit, better, n, reasons,
        signature.
        """
        import pandas

        return pandas.DataFrame([row(s) for s in self.scores])


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def row(score: Score) -> dict[str, Any]:
    """A score as one flat row (what `--csv` writes and `to_frame` holds)."""
    low, high = score.interval or (math.nan, math.nan)
    return {
        "candidate": score.candidate,
        "metric": score.metric,
        "value": score.value,
        "corrected": _or_nan(score.corrected),
        "low": low,
        "high": high,
        "level": score.level,
        "unit": score.unit,
        "better": score.better,
        "reference": _or_nan(score.detail.get("reference")),
        "floor": _or_nan(score.detail.get("floor")),
        "n_candidate": score.n["candidate"],
        "n_reference": score.n["reference"],
        "reason": score.reason or "",
        "interval_reason": score.interval_reason or "",
        "signature": score.signature,
    }


def _score_out(score: Score) -> dict[str, Any]:
    data = asdict(score)
    if score.interval is not None and not all(map(math.isfinite, score.interval)):
        data["interval"] = None
    return {key: plain(data[key]) for key in _SCORE_KEYS}


def plain(value: Any) -> Any:
    """`value` as JSON-ready data: arrays to lists, NaN and ±inf to None, NumPy scalars to Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def dump_json(value: Any, indent: int | None = 1) -> str:
    """JSON text with a newline at the end; lone surrogates (odd file names) are written as escapes."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=True, allow_nan=False) + "\n"


_SIDE_KEYS = {"name": str, "location": str, "fingerprint": str, "clips": int, "frames": int, "skipped": list}


def read_comparison(text: str, where: str = "comparison") -> tuple[Comparison, list[str]]:
    """A comparison from JSON text, also one written by another tool, with warnings about keys that were
    ignored.

    `run` and `detail` may be empty. Raises DataError naming what is missing or of the wrong type.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where} is no JSON: {error}.", "Give a file that `compare --json F` wrote."
        ) from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        seen = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise DataError(
            f"{where} has schema {seen!r}, not {SCHEMA!r}.", "Give a file that `compare --json F` wrote."
        )
    warnings = _extra(data, ("schema", "reference", "candidates", "scores", "run", "media"), where)
    reference = _read_side(_need(data, "reference", dict, where), f"{where}: reference", warnings)
    candidates = [
        _read_side(c, f"{where}: candidates[{i}]", warnings)
        for i, c in enumerate(_need(data, "candidates", list, where))
    ]
    scores = [
        _read_score(s, f"{where}: scores[{i}]", warnings)
        for i, s in enumerate(_need(data, "scores", list, where))
    ]
    known = {c.name for c in candidates}
    if len(known) < len(candidates):
        raise DataError(f"{where}: two candidates have one name: {', '.join(c.name for c in candidates)}.")
    for score in scores:
        if score.candidate not in known:
            raise DataError(
                f"{where}: a score names candidate {score.candidate!r}, which is not among the candidates."
            )
    run = {} if data.get("run") is None else _need(data, "run", dict, where)
    media = {} if data.get("media") is None else _need(data, "media", dict, where)
    return Comparison(reference, candidates, scores, run, media), list(dict.fromkeys(warnings))


def _need(data: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    value = data.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {key!r} is {'missing' if key not in data else 'of the wrong type'}.")
    return value


def _extra(data: Mapping[str, Any], known: Sequence[str], where: str) -> list[str]:
    return [f"{where}: unknown key {key!r} ignored" for key in data if key not in known]


def _read_side(data: Any, where: str, warnings: list[str]) -> SetFacts:
    if not isinstance(data, dict):
        raise DataError(f"{where} is no object.")
    warnings += _extra(data, list(_SIDE_KEYS), "sets")
    skipped = [{k: str(v) for k, v in s.items()} for s in data.get("skipped") or [] if isinstance(s, dict)]
    return SetFacts(
        **{k: _need(data, k, t, where) for k, t in _SIDE_KEYS.items() if k != "skipped"}, skipped=skipped
    )


def _read_score(data: Any, where: str, warnings: list[str]) -> Score:
    if not isinstance(data, dict):
        raise DataError(f"{where} is no object.")
    warnings += _extra(data, _SCORE_KEYS, "scores")
    better = _need(data, "better", str, where)
    if better not in ("lower", "higher", "match"):
        raise DataError(f"{where}: 'better' is {better!r}.", "One of: lower, higher, match.")
    n = _need(data, "n", dict, where)
    interval = data.get("interval")
    if interval is not None and not (
        isinstance(interval, list)
        and len(interval) == 2
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in interval)
    ):
        raise DataError(f"{where}: 'interval' is neither null nor [low, high].")
    return Score(
        candidate=_need(data, "candidate", str, where),
        metric=_need(data, "metric", str, where),
        value=_or_nan(_number(data, "value", where)),
        unit=str(data.get("unit") or ""),
        better=better,
        n={k: _need(n, k, int, f"{where}: n") for k in ("candidate", "reference")},
        signature=str(data.get("signature") or ""),
        corrected=_number(data, "corrected", where),
        interval=None if interval is None else (_finite(interval[0], where), _finite(interval[1], where)),
        level=LEVEL
        if data.get("level") is None
        else _finite(_need(data, "level", (int, float), where), where),
        reason=_text(data, "reason", where),
        interval_reason=_text(data, "interval_reason", where),
        detail={} if data.get("detail") is None else dict(_need(data, "detail", dict, where)),
    )


def _number(data: Mapping[str, Any], key: str, where: str) -> float | None:
    return None if data.get(key) is None else _finite(_need(data, key, (int, float), where), where)


def _finite(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise DataError(f"{where}: a number is too large.") from None


def _text(data: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if data.get(key) is None else str(_need(data, key, str, where))


def long_signature(parts: Mapping[str, Any]) -> str:
    """`key=value|key=value…` of everything that made a number."""
    return "|".join(f"{key}={value}" for key, value in parts.items())


def recipe(instance: Any, prefix: str) -> dict[str, Any]:
    """A dataclass instance's name, revision and knobs as signature parts."""
    out = {prefix: instance.name, f"{prefix}.revision": instance.revision}
    out.update({f"{prefix}.{key}": value for key, value in knobs.recipe(instance).items()})
    return out


def short_signature(name: str, changed: Mapping[str, Any], long: str) -> str:
    """The metric's name, what differs from its defaults, and 8 hex digits of the long form's blake2b."""
    digest = hashlib.blake2b(long.encode(), digest_size=4).hexdigest()
    return "|".join([name, *(f"{k}:{v}" for k, v in changed.items()), digest])


def metric_of(label: str) -> str:
    """The name of the metric that a score is called after: without what says that its network is random (of
    `fid[random-inception]` fid, of `fd[random-run]` fd[run]).
    """
    name, _, variant = label.partition("[")
    if not variant.startswith("random-"):
        return label
    return f"{name}[run]" if variant == "random-run]" else name
