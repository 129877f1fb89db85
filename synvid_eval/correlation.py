"""Which measurement goes with accuracy: comparisons of many sets beside their fine-tune accuracies.

`correlate` joins them by name and gives one document (`synvid-eval/correlation/1`), of which the table and
the page are views. The analysis is that of Yu et al. 2024, §5.3–5.4 (arXiv 2410.24213), with what a few dozen
sets in a handful of families can bear:

- Sets of one family are variants of one generator. p-values exchange the accuracies of families (see
  `association`), intervals draw families; what takes sets for independent is called `free`.
- Who looks at many metrics finds one. `p_best` is the share of permutations in which *any* of the metrics, by
  r or rho, does as well; the verdict goes by it. Metrics of random networks are controls: no verdict, not
  counted.
- A few sets far off make any r. So everything is also said inside a band of accuracy, and with each set and
  each family left out. A table without a band of its own gets one where sets lie far off (`fences`).

The verdict on a metric is one of `STATES`, by these rules, in this order:

1. `control`: a random network. `few`: fewer than 5 sets. `constant`: the same number, or the same accuracy,
   for all sets.
2. `chance`: p_best > 0.05.
3. `carried`: leaving out one set, one family, or the sets outside the band, takes away more than half of r or
   rho, or turns its sign.
4. `against`: the sign is not the one that the metric's direction declares. `goes`: none of all this.

None of them says that a metric predicts accuracy: that is what `prediction` is judged on.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synvid_eval import __version__, association, prediction
from synvid_eval.accuracies import SCRATCH, Accuracies, facts, load
from synvid_eval.association import LARGEST, LEAST, LEAST_FAMILIES, Exchange, Pairs
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.rounding import MISSING, finite, finite_pair, typographic
from synvid_eval.score import LEVEL, Comparison, Score, metric_of, plain
from synvid_eval.states import BLOCKS
from synvid_eval.verdict import is_random

SCHEMA = "synvid-eval/correlation/1"
STATES = ("few", "constant", "control", "chance", "carried", "against", "goes")
DIFFERENCE = ".difference"
"""What the name of |value − reference| of a metric ends in whose better value is a match."""
ALPHA = 0.05
INFLUENTIAL = 3
RELIABLE = 20
"""Percent of the mean's error below which a predictor's gain is said to be too little to rely on."""
MOST_PREDICTED = 4_000
"""Sets from which on no prediction is made: leaving out takes too long."""
_SIGNS = {"lower": -1, "higher": 1}
_TESTED = ("pearson", "spearman")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """A metric over all sets. values, spread [sets]: NaN where there is none; standard deviations, 0 where
    none is known. expected: the sign that its direction declares, 0 for none.
    """

    name: str
    unit: str
    better: str
    expected: int
    values: Floats
    spread: Floats
    signature: str

    @property
    def random(self) -> bool:
        """Whether a random network made it."""
        return is_random(self.name)


@dataclass(frozen=True)
class Table:
    """Several comparisons with one reference as one table: names of sets, a column a metric. clips: metric →
    numbers of clips that its values were made of, of those metrics that depend on it.
    """

    reference: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    media: Mapping[str, Any]
    clips: Mapping[str, Sequence[int]]


def table(comparisons: Sequence[tuple[str, Comparison]]) -> Table:
    """Joins comparisons, each with where it came from.

    Raises:
        DataError: they have different references, a set or a metric's recipe differs between two of them, or
        none holds a number.
    """
    names: dict[str, str] = {}
    scores: dict[str, dict[str, Score]] = {}
    sources: dict[str, tuple[str, str]] = {}
    media: dict[str, Any] = {}
    first_where, first = comparisons[0]
    for where, comparison in comparisons:
        if comparison.reference.fingerprint != first.reference.fingerprint:
            raise DataError(
                f"{where} was measured against {comparison.reference.name}, {first_where} against "
                f"{first.reference.name} of other contents.",
                "Compare all sets with one reference.",
            )
        for side in comparison.candidates:
            if names.setdefault(side.name, side.fingerprint) != side.fingerprint:
                raise DataError(
                    f"{where}: {side.name} is not the set that {first_where} calls so.",
                    "Name one anew: NAME=LOCATION.",
                )
        for score in comparison.scores:
            if finite(score.value) is None:
                continue
            known, at = sources.setdefault(score.metric, (score.signature, where))
            if known != score.signature:
                raise DataError(
                    f"{where}: {score.metric} was measured as {score.signature}, in {at} as {known}.",
                    "Compare all sets by one recipe.",
                )
            earlier = scores.setdefault(score.metric, {}).setdefault(score.candidate, score)
            if earlier.value != score.value:
                raise DataError(
                    f"{where}: {score.metric} of {score.candidate} is another number than before."
                )
        for name, shown in _clips(comparison).items():
            media.setdefault(name, shown)
    if not scores:
        raise DataError(f"{first_where} holds no number.", "Compare with metrics that can be measured.")
    columns = [c for metric, found in scores.items() for c in _columns(metric, found, list(names))]
    clips = {
        metric: sorted({int(s.n.get("candidate", 0)) for s in found.values()})
        for metric, found in scores.items()
        if _counts(metric)
    }
    return Table(first.reference.name, tuple(names), tuple(columns), media, clips)


def _counts(metric: str) -> bool:
    """Whether the number of clips moves a metric: a bias of O(1/n)."""
    from synvid_eval.metrics import registry

    try:
        kind = registry.get(metric_of(metric)).kind
    except UsageError:  # another tool's
        return True
    return kind in ("distance", "richness")


def _clips(comparison: Comparison) -> dict[str, Any]:
    """A clip of each set to show: the first one that plays."""
    found = {}
    clips = comparison.media.get("clips")
    for name, shown in (clips if isinstance(clips, dict) else {}).items():
        good = (
            [c for c in shown if isinstance(c, dict) and c.get("poster")] if isinstance(shown, list) else []
        )
        if good:
            found[name] = next((c for c in good if c.get("video")), good[0])
    return found


def _columns(metric: str, scores: Mapping[str, Score], names: Sequence[str]) -> list[Column]:
    some = next(iter(scores.values()))
    values, spread = np.full(len(names), np.nan), np.zeros(len(names))
    apart, wide = np.full(len(names), np.nan), np.zeros(len(names))
    for i, name in enumerate(names):
        if (score := scores.get(name)) is None:
            continue
        values[i] = score.value
        spread[i] = _deviation(score.interval, score.level)
        own = finite(score.detail.get("reference"))
        if own is not None:
            apart[i] = abs(score.value - own)
            wide[i] = _deviation(score.detail.get("difference_interval"), score.level)
    found = [
        Column(metric, some.unit, some.better, _SIGNS.get(some.better, 0), values, spread, some.signature)
    ]
    if some.better == "match" and np.isfinite(apart).any():
        found.append(Column(metric + DIFFERENCE, some.unit, "lower", -1, apart, wide, some.signature))
    return found


def _deviation(interval: Any, level: float) -> float:
    """The standard error that an interval stands for, made with the t quantile of 20 blocks; 0 without
    one."""
    from scipy.special import stdtrit

    pair = finite_pair(interval)
    if pair is None or not 0 < level < 1:
        return 0.0
    return (pair[1] - pair[0]) / (2 * float(stdtrit(BLOCKS - 1, (1 + level) / 2)))


def parse_band(text: str | None) -> tuple[float, float] | None:
    """`--band LOW:HIGH` in percent, either end may be missing; UsageError for anything else."""
    if text is None:
        return None
    low, sign, high = text.partition(":")
    try:
        band = (float(low) if low.strip() else 0.0, float(high) if high.strip() else 100.0)
    except ValueError:
        band = (math.nan, math.nan)
    if not sign or not 0 <= band[0] < band[1] <= 100:
        raise UsageError(
            f"--band {text[:40]} is no range of accuracies.", "LOW:HIGH in percent, such as 84: ."
        )
    if 0 < band[0] < 1 or band[1] <= 1:
        raise UsageError(f"--band {text[:40]} looks like a fraction.", "LOW:HIGH in percent, such as 84: .")
    return band


def fences(accuracies: ArrayLike) -> tuple[float, float] | None:
    """The band without sets that lie far off: more than 1.5 interquartile ranges beyond the quartiles (Tukey
    1977), held to 0 to 100 %, rounded outwards; None where none does, and below 8 sets.
    """
    y = np.asarray(accuracies, np.float64)
    if len(y) < 8:
        return None
    low, high = np.quantile(y, (0.25, 0.75))
    reach = 1.5 * (high - low)
    band = max(0.0, math.floor(low - reach)), min(100.0, math.ceil(high + reach))
    return band if ((y < band[0]) | (y > band[1])).any() else None


def _about_band(band: tuple[float, float] | None, inside: NDArray[np.bool_], own: bool) -> list[str]:
    if band is None:
        return []
    out, count = int((~inside).sum()), int(inside.sum())
    notes = []
    if own:
        notes.append(
            f"{_counted(out, 'set')} {'lies' if out == 1 else 'lie'} far from the others (beyond 1.5 "
            f"interquartile ranges): the band is {_range(band)}; --band says another."
        )
    if count < LEAST:
        notes.append(f"{_counted(count, 'set')} within {_range(band)}: nothing is told below {LEAST}.")
    return notes


def correlate(
    comparisons: Comparison | Sequence[Comparison | tuple[str, Comparison]],
    accuracies: Accuracies | str,
    *,
    benchmark: str | None = None,
    split: str | None = None,
    protocol: str | None = None,
    model: str | None = None,
    method: str | None = None,
    mapping: Mapping[str, str] | None = None,
    band: tuple[float, float] | None = None,
    given: str | None = None,
    seed: int = 0,
    draws: int = association.DRAWS,
    command: str | None = None,
) -> dict[str, Any]:
    """The document of a correlation, ready for JSON.

    Args:
        comparisons: with one reference, each alone or as (where it came from, comparison). accuracies: of
        `accuracies.load`, or what it takes, with `benchmark`, `split`, `protocol`, `model` and `method`.
        mapping: measured set → its name among the accuracies. band: accuracies [%] to look into once more
        (default: the table's own, else `fences`). given: a metric to be taken out of all others (partial
        correlation). draws: of every bootstrap. command: stands in `run`.

    Raises:
        DataError: see `table`; no set has an accuracy; two sets share one. UsageError: `given` is no metric,
        or `mapping` names no set that was measured, or for one of them an accuracy that there is not.
    """
    if isinstance(accuracies, str):
        accuracies = load(
            accuracies, benchmark=benchmark, split=split, protocol=protocol, model=model, method=method
        )
    given_ones = [comparisons] if isinstance(comparisons, Comparison) else comparisons
    named = [(f"comparison {i}", c) if isinstance(c, Comparison) else c for i, c in enumerate(given_ones)]
    measured = table(named)
    joined = _joined(measured, accuracies, mapping or {})
    index = [measured.names.index(name) for name in joined]
    known = [accuracies.sets[dataset] for dataset in joined.values()]
    y = np.array([k.accuracy for k in known])
    kinds = list(dict.fromkeys(k.family for k in known))
    families = np.array([kinds.index(k.family) for k in known], np.int64)
    own = band is None and accuracies.band is None
    band = band or accuracies.band or fences(y)
    inside = np.ones(len(y), bool) if band is None else (y >= band[0]) & (y <= band[1])
    columns = [replace(c, values=c.values[index], spread=c.spread[index]) for c in measured.columns]
    by_name = {c.name: c for c in columns}
    if given is not None and given not in by_name:
        raise UsageError(f"No metric is called {given!r} here.", nearest(given, by_name))
    sample = _Sample(y, families, inside if band is not None else None, kinds, list(joined), seed, draws)
    spread_y = np.array([0.0 if k.std is None else k.std / math.sqrt(k.seeds) for k in known])
    metrics = [sample.metric(c, spread_y, by_name.get(given or "")) for c in columns]
    _across(metrics, columns, sample)
    groups = _counted(len(kinds), "family" if accuracies.families else "set")
    for metric, column in zip(metrics, columns, strict=True):
        if metric["p_best"] is not None:
            with_value = [n for n, v in zip(joined, column.values, strict=True) if np.isfinite(v)]
            there, left = np.unique(families[np.isfinite(column.values)], return_counts=True)
            of_them = {kinds[k]: metric["n"] - int(count) for k, count in zip(there, left, strict=True)}
            metric["carried"] = carried(metric, with_value, of_them, band)
        metric["state"], metric["verdict"] = _verdict(metric, column, groups, bool(np.ptp(y)))
    others = [name for name in measured.names if name not in joined]
    predicted, why_not = _prediction(
        measured, columns, index, y, families, others, "families" if accuracies.families else "sets"
    )
    if predicted is not None and not any(m["state"] in ("carried", "against", "goes") for m in metrics):
        predicted["words"] += " No metric by itself is beyond chance: take what is predicted for a guess."
    document = {
        "schema": SCHEMA,
        "benchmark": accuracies.benchmark,
        "split": accuracies.split or None,
        "protocol": accuracies.protocol,
        "model": accuracies.model,
        "method": accuracies.method or None,
        "accuracies": accuracies.source,
        "reference": measured.reference,
        "level": LEVEL,
        "headline": "",
        "band": None if band is None else list(band),
        "families": kinds if accuracies.families else None,
        "given": given,
        "sets": [
            {"name": name, "dataset": dataset, **facts(k), "in_band": bool(inside[i])}
            for i, ((name, dataset), k) in enumerate(zip(joined.items(), known, strict=True))
        ],
        "metrics": metrics,
        "prediction": predicted,
        "unmatched": {
            "measured": others,
            "accuracies": [d for d in accuracies.sets if d not in set(joined.values())],
        },
        "notes": [
            *_notes(len(y), len(kinds), accuracies, columns, measured),
            *_about_band(band, inside, own),
            *why_not,
        ],
        "run": {
            "synvid_eval": __version__,
            "command": command,
            "files": [where for where, _ in named],
            "draws": draws,
            "seed": seed,
            "permutations": len(sample.exchange.drawn),
            "all_permutations": sample.exchange.every,
            "tested": sum(m["p_best"] is not None for m in metrics),
        },
        "media": {name: shown for name, shown in measured.media.items() if name in joined},
    }
    document["headline"] = headline(document)
    found: dict[str, Any] = plain(document)
    return found


def _joined(measured: Table, accuracies: Accuracies, mapping: Mapping[str, str]) -> dict[str, str]:
    """Measured set → its name among the accuracies, of those that have one."""
    if mapping and not set(mapping) & set(measured.names):
        raise UsageError(
            f"--map names no set that was measured, such as {next(iter(mapping))!r}.",
            nearest(next(iter(mapping)), measured.names),
        )
    for name, dataset in mapping.items():
        if name in measured.names and dataset not in accuracies.sets:
            raise UsageError(
                f"--map names {dataset!r}, which has no accuracy.", nearest(dataset, accuracies.sets)
            )
    joined: dict[str, str] = {}
    for name in measured.names:
        dataset = mapping.get(name, name)
        if dataset not in accuracies.sets:
            continue
        if dataset in joined.values():
            other = next(n for n, d in joined.items() if d == dataset)
            raise DataError(
                f"{other} and {name} both have the accuracy of {dataset}.", "Leave one of them out."
            )
        joined[name] = dataset
    if not joined:
        some = ", ".join(list(accuracies.sets)[:6])
        raise DataError(
            f"None of the measured sets has an accuracy: {', '.join(measured.names[:6])}.",
            f"Known are {some}, …; --map says which is which.",
        )
    return joined


def _families(families: Ints) -> Ints:
    """Numbered anew, 0 … F − 1, without those that are not there."""
    found: Ints = np.unique(families, return_inverse=True)[1].astype(np.int64)
    return found


class _Sample:
    """The sets with an accuracy, and what is drawn of them once for all metrics."""

    def __init__(
        self,
        y: Floats,
        families: Ints,
        inside: NDArray[np.bool_] | None,
        kinds: Sequence[str],
        names: Sequence[str],
        seed: int,
        draws: int,
    ) -> None:
        self.y, self.families, self.inside, self.kinds, self.names = y, families, inside, kinds, names
        self._seed, self._draws = seed, draws
        self._known: dict[bytes, Exchange] = {}
        self._drawn: dict[tuple[str, bytes], tuple[Floats, Floats]] = {}
        self._free: dict[bytes, Exchange] = {}
        self.exchange = association.exchanged(y, families, seed, draws)
        self.chance: dict[str, dict[str, Floats]] = {}  # metric → its coefficients under `exchange`

    def of(self, mask: NDArray[np.bool_]) -> Exchange:
        """Exchanged accuracies of some sets; the same permutations of families for all of them."""
        if mask.all():
            return self.exchange
        if mask.tobytes() not in self._known:
            # exchanged among all sets, so that metrics of different sets see the same permutations
            self._known[mask.tobytes()] = Exchange(self.exchange.drawn[:, mask], self.exchange.every)
        return self._known[mask.tobytes()]

    def again(self, what: str, mask: NDArray[np.bool_], pairs: Pairs) -> tuple[Floats, Floats]:
        """Weights of resampled `sets` or `families` of those sets, and what ranks their accuracies have."""
        key = (what, mask.tobytes())
        if key not in self._drawn:
            if what == "families":
                families = _families(self.families[mask])
                weights = association.resampled_families(families, self._seed, self._draws)
            else:
                weights = association.resampled(pairs.n, self._seed, self._draws)
            self._drawn[key] = weights, pairs.ranked_y(weights)
        return self._drawn[key]

    def free(self, mask: NDArray[np.bool_]) -> Exchange:
        """Accuracies of these sets exchanged one by one."""
        if mask.tobytes() not in self._free:
            y = self.y[mask]
            self._free[mask.tobytes()] = association.exchanged(y, np.arange(len(y)), self._seed, self._draws)
        return self._free[mask.tobytes()]

    def metric(self, column: Column, spread_y: Floats, given: Column | None) -> dict[str, Any]:
        """What is said of one metric, but for what needs all of them."""
        mask = np.isfinite(column.values)
        x, y, families = column.values[mask], self.y[mask], _families(self.families[mask])
        pairs = Pairs(x, y)
        out: dict[str, Any] = {
            "metric": column.name,
            "unit": column.unit,
            "better": column.better,
            "expected": column.expected or None,
            "random": column.random,
            "signature": column.signature,
            "n": int(mask.sum()),
            "values": [float(v) for v in column.values],
            "spread": [float(s) for s in column.spread],
            **self._coefficients(column.name, pairs, families, mask),
        }
        out["band"] = self._band(column, mask)
        out["left_out"] = self._left_out(pairs, families, mask)
        noise = column.spread[mask]
        out["noise"] = None
        if len(x) >= LEAST and ((noise > 0).any() or (spread_y[mask] > 0).any()):
            drawn = association.noisy(x, y, noise, spread_y[mask], self._seed, self._draws)
            out["noise"] = {
                "sets": int((noise > 0).sum()),
                **{kind: _pair(association.percentile(v)) for kind, v in drawn},
            }
        out["partial"] = None
        if given is not None and given.name != column.name:
            both = mask & np.isfinite(given.values)
            out["partial"] = {"given": given.name, "n": int(both.sum())} | {
                kind: self._partial(column.values[both], self.y[both], given.values[both], kind)
                for kind in _TESTED
            }
        out["quadratic"] = None
        if column.better == "match":
            parabola = association.quadratic(x, self.of(mask))
            out["quadratic"] = None if parabola is None else dict(vars(parabola))
        return out

    def _partial(self, x: Floats, y: Floats, given: Floats, kind: str) -> dict[str, Any]:
        value = association.partial(x, y, given, kind) if len(x) >= LEAST else math.nan
        bounds = association.asymptotic(kind, value, len(x), LEVEL, given=1) if math.isfinite(value) else None
        return {"value": value, "interval": _pair(bounds)}

    def _coefficients(
        self, name: str, pairs: Pairs, families: Ints, mask: NDArray[np.bool_]
    ) -> dict[str, dict[str, Any]]:
        x, n, count = pairs.x, pairs.n, int(families.max()) + 1 if len(families) else 0
        values = dict.fromkeys(association.KINDS, math.nan)
        if n >= 2:
            values = {k: float(v[0]) for k, v in pairs().items()}
        enough = n >= LEAST and math.isfinite(values["pearson"])
        again: dict[str, Floats] = {}
        single: dict[str, Floats] = {}
        grouped: dict[str, Floats] = {}
        if enough and n <= LARGEST:
            weights, ranked = self.again("sets", mask, pairs)
            again = pairs(weights, ranked_y=ranked)
            single = pairs.left_out(np.arange(n))
        if enough and LEAST_FAMILIES <= count < n:
            kinds = association.KINDS if n <= LARGEST else _TESTED
            weights, ranked = self.again("families", mask, pairs)
            grouped = pairs(weights, kinds, ranked)
        chance = self.chance[name] = association.under(x, self.of(mask)) if enough else {}
        free = association.under(x, self.free(mask)) if enough and count < n else chance
        out: dict[str, dict[str, Any]] = {}
        for kind, value in values.items():
            bounds = association.asymptotic(kind, value, n, LEVEL) if math.isfinite(value) else None
            boot = association.bca(value, again[kind], single[kind], LEVEL) if kind in again else None
            family = association.percentile(grouped[kind], LEVEL) if kind in grouped else None
            out[kind] = {
                "value": value,
                "interval": _pair(bounds),
                "bootstrap": _pair(boot),
                "family_bootstrap": _pair(family),
                "p": association.p_value(chance[kind]) if kind in chance else None,
                "p_free": association.p_value(free[kind]) if kind in free else None,
            }
        return out

    def _band(self, column: Column, mask: NDArray[np.bool_]) -> dict[str, Any] | None:
        if self.inside is None:
            return None
        mask = mask & self.inside
        return {"n": int(mask.sum()), **self._inner(column.values[mask], mask)}

    def _inner(self, x: Floats, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Coefficients of some sets alone, whose accuracies are exchanged among themselves."""
        y, families = self.y[mask], _families(self.families[mask])
        n, count = len(x), int(families.max()) + 1 if len(families) else 0
        if n < LEAST or not np.ptp(x) or not np.ptp(y):
            nothing = {"value": None, "interval": None, "family_bootstrap": None, "p": None}
            return {kind: dict(nothing) for kind in _TESTED}
        pairs = Pairs(x, y)
        values = pairs(kinds=_TESTED)
        key = b"alone" + mask.tobytes()
        if key not in self._known:
            self._known[key] = association.exchanged(y, families, self._seed, self._draws)
        chance = association.under(x, self._known[key], _TESTED)
        grouped: dict[str, Floats] = {}
        if LEAST_FAMILIES <= count < n:
            weights, ranked = self.again("families", mask, pairs)
            grouped = pairs(weights, _TESTED, ranked)
        out = {}
        for kind in _TESTED:
            value = float(values[kind][0])
            out[kind] = {
                "value": value,
                "interval": _pair(association.asymptotic(kind, value, n, LEVEL)),
                "family_bootstrap": _pair(association.percentile(grouped[kind])) if grouped else None,
                "p": association.p_value(chance[kind]),
            }
        return out

    def _left_out(self, pairs: Pairs, families: Ints, mask: NDArray[np.bool_]) -> dict[str, Any] | None:
        n = pairs.n
        if n < LEAST or not np.ptp(pairs.x):
            return None
        whole = pairs(kinds=_TESTED)
        names = [name for name, there in zip(self.names, mask, strict=True) if there]
        kinds = [self.kinds[k] for k in np.unique(self.families[mask])]
        out: dict[str, Any] = {}
        for what, groups, labels in (("sets", np.arange(n), names), ("families", families, kinds)):
            if what == "families" and not 3 <= len(labels) < n:
                out[what] = None
                continue
            found = pairs.left_out(groups, _TESTED)
            about: dict[str, Any] = {}
            for kind in _TESTED:
                drawn = found[kind]
                good = drawn[np.isfinite(drawn)]
                moved = np.nan_to_num(np.abs(drawn - whole[kind][0]), nan=-1.0)
                most = np.argsort(-moved, kind="stable")[:INFLUENTIAL]
                about[kind] = {
                    "range": [float(good.min()), float(good.max())] if len(good) else None,
                    "influential": [{"name": labels[i], "without": float(drawn[i])} for i in most],
                }
                about[kind]["each"] = [float(v) for v in drawn]
            out[what] = about
        return out


def _across(metrics: Sequence[dict[str, Any]], columns: Sequence[Column], sample: _Sample) -> None:
    """Adds what depends on all metrics: Holm's p, q, and the p-value of the best of them."""
    drawn: dict[str, Floats] = {}
    for metric, column in zip(metrics, columns, strict=True):
        if column.random or metric["pearson"]["p"] is None:
            continue
        drawn |= {f"{kind} {column.name}": sample.chance[column.name][kind] for kind in _TESTED}
    best = association.best_of(drawn)
    for kind in association.KINDS:
        tested = [m for m in metrics if m[kind]["p"] is not None and not m["random"]]
        p = [m[kind]["p"] for m in tested]
        corrected = zip(association.holm(p), association.fdr(p), strict=True) if p else ()
        for metric, (one, q) in zip(tested, corrected, strict=True):
            metric[kind] |= {"p_holm": one, "q": q}
        for metric in metrics:
            metric[kind] = {"p_holm": None, "q": None} | metric[kind]
    for metric in metrics:
        found = {kind: best.get(f"{kind} {metric['metric']}") for kind in _TESTED}
        for kind in association.KINDS:
            metric[kind]["p_best"] = found.get(kind)
        told = [p for p in found.values() if p is not None]
        metric["p_best"] = min(told) if told else None
        sign, value = metric["expected"], metric[_leading(metric)]["value"]
        metric["as_expected"] = None if sign is None or not math.isfinite(value) else bool(sign * value > 0)
        metric["carried"] = None


def _leading(metric: Mapping[str, Any]) -> str:
    """The coefficient that is the least likely by chance; rho where both are as likely."""
    r, rho = (metric[kind]["p_best"] for kind in _TESTED)
    return "pearson" if r is not None and rho is not None and r < rho else "spearman"


def carried(
    metric: Mapping[str, Any], names: Sequence[str], families: Mapping[str, int], band: Sequence[float] | None
) -> dict[str, Any] | None:
    """What a correlation hangs on: the set, family or sets outside the band without which more than half of
    it is gone, it has the other sign, or there is none; None where there is no such. `{by, kind, whole,
    without}`.

    Looked at are those of r and rho that are beyond chance; where neither is, those that would be if sets
    were independent.

    Args:
        names: of the sets that have a value. families: those of these sets, in order, each with the number of
        sets of the others: below 5 of them, leaving it out tells nothing.
    """
    beyond = [kind for kind in _TESTED if (metric[kind]["p_best"] or 0) <= ALPHA]
    tempting = [kind for kind in _TESTED if (metric[kind]["p_free"] or 0) <= ALPHA]
    found: list[tuple[float, dict[str, Any]]] = []
    for kind in beyond or tempting:
        whole = metric[kind]["value"]
        if whole is None or not whole:
            continue
        rests: list[tuple[str, float | None]] = []
        left_out = metric["left_out"] or {}
        alone = dict.fromkeys(names, metric["n"] - 1)
        for what, sizes, prefix in (("sets", alone, ""), ("families", families, "the family ")):
            about = left_out.get(what)
            if about and len(about[kind]["each"]) == len(sizes):
                each = zip(sizes.items(), about[kind]["each"], strict=True)
                rests += [(prefix + n, v) for (n, others), v in each if others >= LEAST]
        inner = metric["band"]
        out = metric["n"] - inner["n"] if inner else 0
        if band and out > 1 and inner["n"] >= LEAST:  # one set is left out above, by its name
            rests.append((f"the {_counted(out, 'set')} outside {_range(band)}", inner[kind]["value"]))
        for by, without in rests:
            gone = without is None or not math.isfinite(without)
            left = 0.0 if gone else float(without or 0.0) * math.copysign(1, whole)
            if left < abs(whole) / 2:
                about = {"by": by, "kind": kind, "whole": whole, "without": None if gone else without}
                found.append((left / abs(whole), about))
    return min(found, key=lambda f: f[0])[1] if found else None


def _counted(count: int, what: str) -> str:
    """`1 set`, `3 sets`, `1 family`, `2 families`."""
    if count == 1:
        return f"1 {what}"
    return f"{count} {what[:-1] + 'ie' if what.endswith('y') else what}s"


def _too_few(count: int, what: str) -> str:
    return f"{_counted(count, what)} {'is' if count == 1 else 'are'} too few"


def _range(band: Sequence[float]) -> str:
    return f"{band[0]:g} to {band[1]:g} %"


def _verdict(metric: dict[str, Any], column: Column, groups: str, vary: bool) -> tuple[str, str]:
    """State and sentence; see the module's docstring. groups: what is exchanged. vary: accuracies do."""
    n = metric["n"]
    if column.random:
        return "control", "a random network: a control, no verdict"
    if n < LEAST:
        return "few", f"{_too_few(n, 'set')}: nothing is told below {LEAST}"
    if metric["p_best"] is None:
        return "constant", f"{'the same number' if vary else 'the same accuracy'} for all sets"
    p, hangs = metric["p_best"], metric["carried"]
    on = ""
    if hangs:
        letter = {"pearson": "r", "spearman": "rho"}[hangs["kind"]]
        whole, without = short_number(hangs["whole"]), short_number(hangs["without"])
        it = "them" if hangs["by"].startswith("the ") else "it"
        on = f"carried by {hangs['by']}: {letter} goes from {whole} to {without} without {it}"
        if hangs["without"] is None:
            on = f"carried by {hangs['by']}: without {it} it is the same number for all sets"
    if p > ALPHA:
        text = f"not distinguishable from chance (p {_is(p)} as the best of all metrics, {groups})"
        return "chance", f"{text}; {on}" if on else text
    if hangs:
        return "carried", f"beyond chance, but {on}"
    value = metric[_leading(metric)]["value"]
    way = "higher" if value > 0 else "lower"
    text = f"{way} goes with higher accuracy (p {_is(p)} as the best of all metrics)"
    if metric["as_expected"] is False:
        return "against", f"{text}, against its declared direction"
    return "goes", text


def short_number(value: float | None) -> str:
    """A coefficient for people: two decimals, no zero before the point, an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.2f}"
    sign = "-" if value < 0 and float(text) else ""
    return typographic(sign + text.removeprefix("0"))


def bounds_text(bounds: Sequence[float] | None) -> str:
    """An interval of a coefficient for people; an en dash where there is none."""
    return f"[{short_number(bounds[0])}, {short_number(bounds[1])}]" if bounds else MISSING


def p_text(value: float | None) -> str:
    """A p-value for people: two digits, `< .001` below that; an en dash where there is none."""
    if value is None:
        return MISSING
    if value < 0.001:
        return "< .001"
    if value >= 0.995:
        return "1"
    return (f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}").removeprefix("0")


def _is(value: float) -> str:
    """`= .03` or `< .001`."""
    text = p_text(value)
    return text if text.startswith("<") else f"= {text}"


def _pair(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else [float(b) for b in bounds]


def of_models(document: Mapping[str, Any]) -> str:
    """Whose accuracies a document is of: the model, how it was pre-trained, on which split; what it names."""
    method, split = document.get("method"), document.get("split")
    parts = [str(document.get("model") or "")]
    parts += [f"pre-trained by {method}"] if method and method != SCRATCH else []
    parts += [f"split {split}"] if split else []
    return ", ".join(part for part in parts if part)


def headline(document: Mapping[str, Any]) -> str:
    """One or two sentences: the strongest metric, how sure that is, and whether any is beyond chance."""
    metrics = [m for m in document["metrics"] if not m["random"]]
    told = [m for m in metrics if m["spearman"]["value"] is not None and m["p_best"] is not None]
    target = f"{document['benchmark']} {document['protocol']} accuracy"
    n = len(document["sets"])
    if not told:
        if n < LEAST:
            return f"{_too_few(n, 'set')} to say anything of {target}: at least {LEAST} are needed."
        if len({s["accuracy"] for s in document["sets"]}) == 1:
            return f"All sets have the same {target}, so nothing can be said of what goes with it."
        if document["metrics"] and not metrics:
            return f"Random networks alone were measured: controls, which say nothing of {target}."
        return f"No metric that varies was measured, so nothing can be said of {target}."
    sure = [m for m in told if m["state"] in ("goes", "against")]
    several = [m for m in told if m["state"] == "carried"]
    top = max(sure or several or told, key=lambda m: abs(m["spearman"]["value"]))
    rho = top["spearman"]
    bounds, over = rho["family_bootstrap"], "over families"
    if bounds is None:
        bounds, over = rho["interval"], "over sets"
    between = f" [{short_number(bounds[0])}, {short_number(bounds[1])} {over}]" if bounds else ""
    inner = top["band"]
    if inner and inner["spearman"]["value"] is not None:
        among = f"among the {inner['n']} sets of {_range(document['band'])}"
        between += f", {short_number(inner['spearman']['value'])} {among}"
    strongest = f"{top['metric']}, rho {short_number(rho['value'])}{between}, n = {top['n']}"
    likely = f"(p {_is(top['p_best'])} as the best of all)"
    if sure:
        named = ", ".join(m["metric"] for m in sure)
        go = "goes" if len(sure) == 1 else "go"
        return f"{named} {go} with {target} beyond chance. Strongest: {strongest} {likely}."
    if several:
        named = ", ".join(m["metric"] for m in several)
        are = "is" if len(several) == 1 else "are"
        return (
            f"No metric goes with {target} by itself: {named} {are} beyond chance, but carried by few sets. "
            f"Strongest: {strongest}."
        )
    if len(told) == 1:
        return f"The one metric cannot be told from chance on {target}: {strongest} {likely}."
    return (
        f"None of {len(told)} metrics can be told from chance on {target}: the largest rho is that of "
        f"{strongest} {likely}."
    )


def _prediction(
    measured: Table,
    columns: Sequence[Column],
    index: Sequence[int],
    y: Floats,
    families: Ints,
    others: Sequence[str],
    what: str,
) -> tuple[dict[str, Any] | None, list[str]]:
    """What several metrics predict (see `prediction`), from those that every set with an accuracy has; and
    notes on what is not predicted, and why. what: is left out, in a word.
    """
    whole = {c.name: c.values for c in measured.columns}
    used = [c for c in columns if not c.random and c.better != "match" and np.isfinite(c.values).all()]
    if not used or not np.ptp(y) or len(y) > MOST_PREDICTED:
        why = "no metric has a number for every set" if not used else "all accuracies are the same"
        if len(y) > MOST_PREDICTED:
            why = f"above {MOST_PREDICTED:,} sets none is made"
        return None, [f"No prediction: {why}."]
    x = np.stack([whole[c.name] for c in used], axis=1)
    lacking = {
        n: [c.name for c in used if not np.isfinite(whole[c.name][measured.names.index(n)])] for n in others
    }
    new = [measured.names.index(n) for n in others if not lacking[n]]
    found = prediction.predict(x[index], y, families, x[new], [c.name for c in used], LEVEL)
    if found is None:
        least = f"{prediction.LEAST_SETS} sets and {prediction.LEAST_FAMILIES} families"
        return None, [f"No prediction: it needs {least}."]
    best = min(found.rmse, key=lambda k: found.rmse[k])
    notes = [f"No prediction for {n}, which has no {', '.join(m)}." for n, m in lacking.items() if m]
    return {
        "metrics": list(found.metrics),
        "penalty": found.penalty,
        "rmse": found.rmse,
        "best": best,
        "words": _in_words(found.rmse, what),
        "chosen": list(found.chosen),
        "weights": list(found.weights),
        "sets": [
            {
                "name": measured.names[i],
                "predicted": _percent(value),
                "interval": [_percent(value - found.half), _percent(value + found.half)],
            }
            for i, value in zip(new, found.predicted, strict=True)
        ],
    }, notes


_PREDICTORS = {"ridge": "ridge on several metrics", "single": "the best single metric", "mean": "the mean"}


def _in_words(rmse: Mapping[str, float], what: str) -> str:
    """What the errors on families (or sets) left out say of predicting."""
    best = min(rmse, key=lambda k: rmse[k])
    if best == "mean" or not rmse["mean"]:
        return f"Nothing beats the mean of the other {what}: what is predicted is worth no more."
    gain = 100 * (1 - rmse[best] / rmse["mean"])
    label = _PREDICTORS[best]
    text = (
        f"{label[:1].upper()}{label[1:]} errs the least on {what} left out: {gain:.2g} % less than the mean."
    )
    return text if gain >= RELIABLE else f"{text} That is too little to rely on."


def _percent(value: float) -> float:
    """The nearest accuracy that there can be."""
    return min(100.0, max(0.0, value))


def _notes(
    n: int, families: int, accuracies: Accuracies, columns: Sequence[Column], measured: Table
) -> list[str]:
    notes = []
    unlike = {m: c for m, c in measured.clips.items() if len(c) > 1}
    if unlike:
        low, high = (f(c[end] for c in unlike.values()) for f, end in ((min, 0), (max, -1)))
        notes.append(
            f"Sets were measured with {low:,} to {high:,} clips, and {', '.join(unlike)} "
            f"{'depends' if len(unlike) == 1 else 'depend'} on their number."
        )
    if accuracies.alone:
        notes.append(
            f"{_counted(accuracies.alone, 'set')} of the table {'has' if accuracies.alone == 1 else 'have'} "
            "no family: each is taken for one of its own."
        )
    if not accuracies.families:
        notes.append(
            "The table does not say which sets belong together (column family): they are taken for "
            "independent, so p-values and intervals are too narrow if some are variants of one generator."
        )
    elif families < LEAST_FAMILIES:
        notes.append(
            f"{_too_few(families, 'family')} for intervals over families: {LEAST_FAMILIES} are needed."
        )
    if accuracies.families and math.factorial(min(families, 20)) < 1 / ALPHA:
        notes.append(
            f"{_counted(families, 'family')} {'has' if families == 1 else 'have'} too few permutations for "
            f"any p-value below {ALPHA}."
        )
    if n > LARGEST:
        notes.append(
            f"Above {LARGEST} sets intervals over sets are the asymptotic ones, and tau has no interval over "
            "families and no p-value."
        )
    if any(c.random for c in columns):
        notes.append(
            "Numbers of random networks are controls: they stand in for no FID or FVD and get no verdict."
        )
    return notes


_KEYS = {
    "benchmark": str, "protocol": str, "model": str, "accuracies": str, "reference": str, "headline": str,
    "sets": list, "metrics": list, "unmatched": dict, "notes": list, "run": dict,
}  # fmt: skip
_SET_KEYS = {"name": str, "family": str, "accuracy": (int, float), "in_band": bool}
_METRIC_KEYS = {
    "metric": str, "n": int, "values": list, "spread": list, "random": bool, "state": str, "verdict": str,
    **dict.fromkeys(association.KINDS, dict),
}  # fmt: skip


def is_one(text: str) -> bool:
    """Whether a JSON text says that it is a correlation; it need not be whole."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and data.get("schema") == SCHEMA


def read(text: str, where: str = "correlation") -> dict[str, Any]:
    """The document of a correlation from JSON text; DataError says what is missing or of the wrong type."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON: {error}.", _WROTE) from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        seen = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise DataError(f"{where} has schema {seen!r}, not {SCHEMA!r}.", _WROTE)
    _check(data, _KEYS, where)
    for key, wanted in (("sets", _SET_KEYS), ("metrics", _METRIC_KEYS)):
        for i, one in enumerate(data[key]):
            _check(one, wanted, f"{where}: {key}[{i}]")
    for i, metric in enumerate(data["metrics"]):
        if {len(metric[k]) for k in ("values", "spread")} != {len(data["sets"])}:
            raise DataError(f"{where}: metrics[{i}] has not a value and a spread for each set.", _WROTE)
    return data


_WROTE = "Give a file that correlate --json F wrote."


def _check(data: Any, wanted: Mapping[str, Any], where: str) -> None:
    for key, kind in wanted.items():
        value = data.get(key) if isinstance(data, dict) else None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise DataError(f"{where}: {key!r} is missing or of the wrong type.", _WROTE)


def to_csv(document: Mapping[str, Any]) -> str:
    """One row a metric and coefficient: metric, coefficient, n, value, interval, the other intervals,
    p-values, the band's, what is left of it given another metric, state.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    ends = ("interval", "bootstrap", "family_bootstrap")
    bounds = [f"{end}_{side}" for end in ends for side in ("low", "high")]
    tested = ["p", "p_free", "p_holm", "q"]
    about = ["as_expected", "state", "verdict"]
    writer.writerow(
        [
            "metric",
            "coefficient",
            "n",
            "value",
            *bounds,
            *tested,
            "p_best",
            "band_n",
            "band_value",
            "partial",
            *about,
        ]
    )
    for metric in document["metrics"]:
        band = metric["band"] or {}
        for kind in association.KINDS:
            one = metric[kind]
            drawn = [v for end in ends for v in (one[end] or (None, None))]
            inner = (band.get(kind) or {}).get("value")
            row = [metric["metric"], kind, metric["n"], one["value"], *drawn, *(one[k] for k in tested)]
            rest = ((metric["partial"] or {}).get(kind) or {}).get("value")
            row += [metric["p_best"], band.get("n"), inner, rest]
            writer.writerow([*row, *(metric[k] for k in about)])
    return out.getvalue()
