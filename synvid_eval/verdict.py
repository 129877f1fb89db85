"""What a comparison says in words: per metric the nearest set where it can be told, never an overall winner.

A set is called nearest only where its interval lies wholly below every other set's; else the verdict is "not
separable", with why. What the evidence does not carry is not said: no metric is called a predictor of
accuracy, no richness (`better: higher`) is called nearness or set against the reference's, and numbers of
random networks, which stand in for nothing, get no verdict. Those, and metrics whose weights are missing, are
spoken of together, once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synvid_eval.errors import one_line
from synvid_eval.rounding import (
    finite,
    finite_pair,
    format_bounds,
    format_number,
    last_digit,
    score_interval,
    shown_digit,
    with_unit,
)
from synvid_eval.score import Comparison, Score

_LONGEST_NAME = 64
_LONGEST_REASON = 240
_LISTED = 3
_NEEDS = "needs weights: "

RANDOM = (
    "Random networks are for tests, benchmarks and a dry run of the pipeline: their numbers do not stand in "
    "for FID, FVD or any other number of a trained network."
)
"""What numbers of random networks are for; a reader is told once."""


def is_random(metric: str) -> bool:
    """Whether a metric's name says that its network is random (`fid[random-inception]`)."""
    return "[random" in metric


def weights_command(scores: Sequence[Score]) -> str:
    """The command that gets the weights for want of which none of these scores has a value; empty where that
    is not what they lack.
    """
    reasons = {s.reason or "" for s in scores if finite(s.value) is None}
    measured = any(finite(s.value) is not None for s in scores)
    reason = reasons.pop() if len(reasons) == 1 else ""
    return "" if measured or not reason.startswith(_NEEDS) else one_line(reason.removeprefix(_NEEDS)).strip()


def by_command(comparison: Comparison) -> dict[str, list[str]]:
    """Command → the metrics that lack the weights it gets, in the order in which they were asked for."""
    found: dict[str, list[str]] = {}
    for metric, scores in _by_metric(comparison).items():
        command = weights_command(scores)
        if command:
            found.setdefault(command, []).append(metric)
    return found


@dataclass(frozen=True)
class MetricVerdict:
    """One metric's verdict.

    sentence: without the metric's name in front and without a full stop. nearest: the set that is nearest to
    the reference, only where that can be told. highest: the same for richness (`better: higher`), which is no
    nearness. closest: the set whose value is nearest where that cannot be told for sure (None for richness).
    separable: whether `nearest` or `highest` could be told. measured: False where no set has a
    value.
    """

    metric: str
    sentence: str
    nearest: str | None
    separable: bool
    highest: str | None = None
    measured: bool = True
    closest: str | None = None


class _Ranked(NamedTuple):
    """A score with the number it is ranked by: a distance, the size of a difference, or a richness."""

    score: Score
    point: float
    interval: tuple[float, float] | None

    def words(self, unit: str = "") -> str:
        last = last_digit(self.interval)
        if last is None and self.score.better != "match":
            last = shown_digit(self.score)
        number = with_unit(format_number(self.point, last), unit)
        return f"{number} {format_bounds(self.interval)}".strip()


def verdicts(comparison: Comparison) -> list[MetricVerdict]:
    """One verdict a metric, in the order in which the metrics were asked for."""
    reference = short_name(comparison.reference.name)
    return [_verdict(metric, scores, reference) for metric, scores in _by_metric(comparison).items()]


def _by_metric(comparison: Comparison) -> dict[str, list[Score]]:
    by_metric: dict[str, list[Score]] = {}
    for score in comparison.scores:
        by_metric.setdefault(score.metric, []).append(score)
    return by_metric


def headline(comparison: Comparison) -> str:
    """The verdicts as a few plain sentences: what can be told, what cannot, what could not be measured.

    Why sets are not separable stands in `verdicts`; here only the metrics are named.
    """
    everything = verdicts(comparison)
    found = [v for v in everything if not (v.measured and is_random(v.metric))]
    random = [one_line(v.metric) for v in everything if v.measured and is_random(v.metric)]
    alone = len(comparison.candidates) == 1
    told = "; ".join(
        f"{one_line(v.metric)}: {v.sentence}" for v in found if v.measured and (v.separable or alone)
    )
    closest: dict[str, list[str]] = {}
    for verdict in found:
        if verdict.measured and not verdict.separable and not alone:
            closest.setdefault(verdict.closest or "", []).append(one_line(verdict.metric))
    tied = "; ".join(
        ", ".join(metrics) + (f" (closest in value: {short_name(name)})" if name else "")
        for name, metrics in closest.items()
    )
    tied = f"Not separable: {tied}" if tied else ""
    missing: dict[str, list[str]] = {}
    for verdict in found:
        if not verdict.measured:
            missing.setdefault(verdict.sentence, []).append(one_line(verdict.metric))
    untold = "; ".join(f"{', '.join(metrics)}: {sentence}" for sentence, metrics in missing.items())
    if not everything:
        return f"Nothing was scored against {short_name(comparison.reference.name)}."
    dry = f"No verdict: {', '.join(random)}" if random else ""
    if dry:
        dry = f"{dry}. {RANDOM.rstrip('.')}"
    parts = (told, tied, dry, untold)
    return " ".join(f"{part}." for part in parts if part)


def answer(comparison: Comparison, width: int | None = None) -> str:
    """Which set is nearest to the reference, in what, and whether that can be told: one or two sentences.

    Never an overall winner, and nothing of richness, which is no nearness. width: where the whole answer is
    longer, the reference is not named. Empty where all that was measured comes from random networks.
    """
    if not comparison.scores:
        return f"Nothing was scored against {short_name(comparison.reference.name)}."
    found = [v for v in verdicts(comparison) if v.measured]
    if not found:
        return "Nothing could be measured."
    found = [v for v in found if not is_random(v.metric)]
    if not found:
        return ""
    full = _answer(comparison, found, f" to {short_name(comparison.reference.name)}")
    return full if width is None or len(full) <= width else _answer(comparison, found, "")


def _answer(comparison: Comparison, found: Sequence[MetricVerdict], to: str) -> str:
    by_metric = _by_metric(comparison)
    about = [v for v in found if by_metric[v.metric][0].better != "higher"]
    levels = {s.level for v in about for s in by_metric[v.metric]}
    sure = f"{100 * levels.pop():.4g} % intervals" if len(levels) == 1 else "intervals"
    if not about:
        return "Of nearness to the reference nothing was measured."
    if len(comparison.candidates) == 1:
        name = short_name(comparison.candidates[0].name)
        return _answer_alone(name, [by_metric[v.metric][0] for v in about], sure)
    near, by_value, undecided = _grouped(about)
    text = f"Nearest{to} ({sure} apart): {near}." if near else f"Nearest{to}: none for sure."
    text += f" By value alone: {by_value}." if by_value else ""
    return text + (f" Undecided: {undecided}." if undecided else "")


def _grouped(found: Sequence[MetricVerdict]) -> tuple[str, str, str]:
    """Sets that are nearest, sets that are nearest by value alone, each with its metrics; then the metrics
    of which neither can be said.
    """
    near: dict[str, list[str]] = {}
    by_value: dict[str, list[str]] = {}
    undecided = []
    for verdict in found:
        metric = one_line(verdict.metric)
        if verdict.nearest is not None:
            near.setdefault(verdict.nearest, []).append(metric)
        elif verdict.closest is not None:
            by_value.setdefault(verdict.closest, []).append(metric)
        else:
            undecided.append(metric)
    told = ["; ".join(f"{short_name(n)} in {', '.join(m)}" for n, m in d.items()) for d in (near, by_value)]
    return told[0], told[1], ", ".join(undecided)


def _answer_alone(name: str, scores: Sequence[Score], sure: str) -> str:
    """One set has no rank; of properties it can be said whether they differ."""
    differs: dict[bool, list[str]] = {}
    for score in scores:
        interval = finite_pair(score.detail.get("difference_interval")) if score.better == "match" else None
        if interval is not None:
            differs.setdefault(not interval[0] <= 0 <= interval[1], []).append(one_line(score.metric))
    if not differs:
        return "One set has no rank: which set is nearest takes two or more."
    parts = []
    if True in differs:
        parts.append(f"differs from the reference in {', '.join(differs[True])}")
    if False in differs:
        parts.append(f"shows no sure difference in {', '.join(differs[False])}")
    return f"{name} {' and '.join(parts)} ({sure})."


def grounds(comparison: Comparison) -> list[str]:
    """What lies behind the answer and stands in no table, a sentence each: the numbers of each set that is
    nearest or highest, differences of one set alone, and what gets no verdict.
    """
    everything = [v for v in verdicts(comparison) if v.measured]
    found = [v for v in everything if not is_random(v.metric)]
    if len(comparison.candidates) == 1:
        first = {metric: scores[0] for metric, scores in _by_metric(comparison).items()}
        out = [
            f"{one_line(v.metric)}: {v.sentence}."
            for v in found
            if finite_pair(first[v.metric].detail.get("difference_interval")) is not None
        ]
    else:
        out = [f"{one_line(v.metric)}: {v.sentence}." for v in found if v.separable]
        rich = {s.metric for s in comparison.scores if s.better == "higher"}
        tied = [one_line(v.metric) for v in found if v.metric in rich and not v.separable]
        if tied:
            out.append(f"Highest in {', '.join(tied)}: none for sure.")
    dry = [one_line(v.metric) for v in everything if is_random(v.metric)]
    return [*out, f"No verdict: {', '.join(dry)}."] if dry else out


def short_name(name: str) -> str:
    """`name` on one line; the middle of a very long one is left out (tables and pages hold the whole)."""
    return _short(one_line(name), _LONGEST_NAME)


def _short(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[: longest * 2 // 3]}…{text[-(longest // 4) :]}"


def _verdict(metric: str, scores: list[Score], reference: str) -> MetricVerdict:
    measured = [s for s in scores if finite(s.value) is not None]
    missing = _missing([s for s in scores if finite(s.value) is None], alone=not measured)
    if not measured:
        return MetricVerdict(metric, missing, None, False, measured=False)
    sentence, nearest, highest = _rank(metric, measured, reference)
    if missing:
        sentence = f"{sentence}; {missing}"
    separable = nearest is not None or highest is not None
    return MetricVerdict(metric, sentence, nearest, separable, highest, closest=_closest(metric, measured))


def _closest(metric: str, scores: list[Score]) -> str | None:
    """The set with the smallest distance or difference by value alone; None for richness and ties."""
    ranked = sorted((r for r in map(_ranked, scores) if r is not None), key=lambda r: r.point)
    apt = len({(s.better, s.unit, s.signature) for s in scores}) == 1 and not is_random(metric)
    if not apt or scores[0].better == "higher" or len(ranked) < 2 or ranked[0].point == ranked[1].point:
        return None
    return ranked[0].score.candidate


def _rank(metric: str, scores: list[Score], reference: str) -> tuple[str, str | None, str | None]:
    """(sentence, nearest, highest) of the scores that have a value."""
    if is_random(metric):
        return "no verdict: the network is random", None, None
    better = scores[0].better
    # Numbers of two recipes are two quantities: their order means nothing.
    if len({(s.better, s.unit, s.signature) for s in scores}) > 1:
        return "not separable: the sets were measured by different recipes", None, None
    if len(scores) == 1:
        return _alone(scores[0], reference), None, None
    ranked = [r for r in map(_ranked, scores) if r is not None]
    if len(ranked) < len(scores):
        return f"not separable: the difference from {reference} is not known for every set", None, None
    ranked.sort(key=lambda r: -r.point if better == "higher" else r.point)
    why = _why_not(ranked, better)
    if why:
        return f"not separable: {why}", None, None
    first, second = ranked[0], ranked[1]
    unit = one_line(first.score.unit)
    name, following = short_name(first.score.candidate), short_name(second.score.candidate)
    if better == "higher":
        sentence = f"{name} is highest of the sets ({first.words(unit)}; next {following} {second.words()})"
    elif better == "match":
        numbers = f"differs by {first.words(unit)}; next {following} by {second.words()}"
        sentence = f"{name} is nearest to {reference} ({numbers})"
    else:
        sentence = (
            f"{name} is nearest to {reference} ({first.words(unit)}; next {following} {second.words()})"
        )
    clips = {r.score.n["candidate"] for r in ranked}
    if better == "higher" and len(clips) > 1:
        sentence += f"; it depends on the number of clips, here {min(clips)} to {max(clips)}"
    if better == "higher":
        return sentence, None, first.score.candidate
    return sentence, first.score.candidate, None


def _ranked(score: Score) -> _Ranked | None:
    """The score with what it is ranked by; None where a difference is asked for and not known."""
    if score.better != "match":
        corrected = finite(score.corrected)
        point = finite(score.value) if corrected is None else corrected
        return None if point is None else _Ranked(score, point, score_interval(score))
    difference = signed_difference(score)
    if difference is None:
        return None
    interval = finite_pair(score.detail.get("difference_interval"))
    return _Ranked(score, abs(difference), None if interval is None else absolute(interval))


def signed_difference(score: Score) -> float | None:
    """Candidate minus reference in the score's unit: `detail.difference`, or from `detail.reference`; else
    None.
    """
    difference = finite(score.detail.get("difference"))
    value, reference = finite(score.value), finite(score.detail.get("reference"))
    if difference is None and value is not None and reference is not None:
        return value - reference
    return difference


def absolute(interval: tuple[float, float]) -> tuple[float, float]:
    """The interval of the size of a difference with this `interval`: from 0 where that one holds 0."""
    low, high = interval
    if low <= 0 <= high:
        return 0.0, max(-low, high)
    return min(abs(low), abs(high)), max(abs(low), abs(high))


def _why_not(ranked: list[_Ranked], better: str) -> str:
    """Why the first of `ranked` cannot be told from the others; empty where it can."""
    first = ranked[0]
    without = [r for r in ranked if r.interval is None]
    if without:
        return _no_intervals(without, of_whom=len(without) < len(ranked))
    for other in ranked[1:]:
        if other.interval is None or first.interval is None:
            continue
        apart = (
            other.interval[1] < first.interval[0]
            if better == "higher"
            else first.interval[1] < other.interval[0]
        )
        if not apart:
            kind = "the intervals of the differences of" if better == "match" else "the intervals of"
            return (
                f"{kind} {short_name(first.score.candidate)} ({first.words()}) and "
                f"{short_name(other.score.candidate)} ({other.words()}) overlap"
            )
    return ""


def _no_intervals(ranked: list[_Ranked], of_whom: bool) -> str:
    """Why these have no interval: each kind of reason once (those that differ in the set and in numbers only
    are of a kind), and whose it is where none says so.
    """
    kinds: dict[str, list[str]] = {}
    for one in ranked:
        reason = interval_reason(one.score).removeprefix("no interval: ")
        for clause in reason.split(". "):
            general = re.sub(r"\d+", "#", clause.removeprefix(f"{one.score.candidate} "))
            kinds.setdefault(general, []).append(clause)
    clauses = []
    for found in kinds.values():
        distinct = list(dict.fromkeys(found))
        more = f" (and {len(distinct) - 1} more like it)" if len(distinct) > 1 else ""
        clauses.append(distinct[0] + more)
    text = "; ".join(clauses)
    if not text.lower().startswith("no interval"):
        text = f"no interval: {text}"
    name = short_name(ranked[0].score.candidate)
    named = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text)
    return f"{text} (of {name})" if of_whom and not named else text


def interval_reason(score: Score) -> str:
    """Why the score has no interval to be ranked by, beginning with "no interval"."""
    if score.better == "match" and score_interval(score) is not None:
        return "no interval of the difference"
    reason = _reason(score.interval_reason)
    if reason.lower().startswith("no interval"):
        return reason
    return f"no interval: {reason}" if reason else "no interval"


def _reason(text: object) -> str:
    return _short(one_line(text or "").strip().rstrip("."), _LONGEST_REASON)


def _alone(score: Score, reference: str) -> str:
    """One set has no rank: its number beside what it is read against."""
    name, unit = short_name(score.candidate), one_line(score.unit)
    if score.better == "match":
        last = shown_digit(score)
        own = finite(score.detail.get("reference"))
        number = with_unit(format_number(finite(score.value), last), unit)
        number = f"{number} {format_bounds(score_interval(score))}".strip()
        itself = "not known" if own is None else format_number(own, last)
        sentence = f"{name} {number}; {reference} itself {itself}"
        difference, interval = signed_difference(score), finite_pair(score.detail.get("difference_interval"))
        if difference is not None:
            words = f"{format_number(difference, last_digit(interval))} {format_bounds(interval)}".strip()
            sentence += f"; difference {words}"
        return sentence
    ranked = _ranked(score)
    number = ranked.words(unit) if ranked else ""
    if score.better == "higher":
        return f"{name} {number}"
    floor = finite(score.detail.get("floor"))
    beside = f"between two halves of {reference}: " + (
        "not known" if floor is None else with_unit(format_number(floor), unit)
    )
    return f"{name} lies {number} from {reference}; {beside}"


def _missing(scores: list[Score], alone: bool) -> str:
    """The sets that could not be measured, by reason; no names where it is all of them for one reason."""
    reasons: dict[str, list[str]] = {}
    for score in scores:
        reasons.setdefault(_reason(score.reason) or "no reason given", []).append(short_name(score.candidate))
    if not reasons:
        return ""
    if alone and len(reasons) == 1:
        return f"could not be measured: {next(iter(reasons))}"
    parts = [f"{_list(names)}: {reason}" for reason, names in reasons.items()]
    return "could not be measured: " + "; ".join(parts)


def _list(names: list[str]) -> str:
    if len(names) <= _LISTED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
