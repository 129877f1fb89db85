"""What a comparison says in words: per metric the nearest set where it can be told, never an overall winner.

A set is called nearest only where its interval lies wholly below every other set's; else the verdict is "not
separable", with why. What the evidence does not carry is not said: no metric is called a predictor of
accuracy, no richness (`better: higher`) is called nearness or set against the reference's, and numbers of
random networks, which stand in for nothing, get no verdict. Those, and metrics whose weights are missing, are
spoken of together, once.
"""

from __future__ import annotations

import math
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
    typographic,
    with_unit,
)
from synvid_eval.score import NO_DIFFERENCE, Comparison, Score, metric_of

LONGEST_NAME = 64
"""Characters of a name in a sentence; of a longer one the middle is left out."""
_LONGEST_REASON = 240
_LISTED = 3
_NEEDS = "needs weights: "
# How files of versions before this one say it.
_NO_DIFFERENCE_ONCE = "No difference_interval: "
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OF_A_SET = re.compile(r"(.+?) (has \d.*|has clips from \d.*|is a file of mu and sigma.*)")

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
    separable: whether `nearest` or `highest` could be told. measured: False where no set has a value.
    unordered: why no set is `closest`, in a few words.
    """

    metric: str
    sentence: str
    nearest: str | None
    separable: bool
    highest: str | None = None
    measured: bool = True
    closest: str | None = None
    unordered: str = ""


class _Ranked(NamedTuple):
    """A score with the number it is ranked by: a distance, the size of a difference, or a richness."""

    score: Score
    point: float
    interval: tuple[float, float] | None

    def words(self, unit: str = "") -> str:
        last = last_digit(self.interval)
        if last is None and self.score.better != "match":
            last = shown_digit(self.score)
        return _number(self.point, last, self.interval, unit)


def _number(
    value: float | None, last: int | None = None, interval: tuple[float, float] | None = None, unit: str = ""
) -> str:
    """`value unit [low, high]`, down to the digit 10**last."""
    number = with_unit(typographic(format_number(value, last)), unit)
    return f"{number} {typographic(format_bounds(interval))}".strip()


def verdicts(comparison: Comparison) -> list[MetricVerdict]:
    """One verdict a metric, in the order in which the metrics were asked for."""
    reference = comparison.reference.name
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
            order = verdict.unordered
            if verdict.closest is not None:
                order = f"closest in value: {short_name(verdict.closest)}"
            closest.setdefault(order, []).append(one_line(verdict.metric))
    tied = "; ".join(
        ", ".join(metrics) + (f" ({order})" if order else "") for order, metrics in closest.items()
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
    text = f"Nearest{to} ({sure} apart): {near}."
    if not near:
        why = _why_none(about, by_metric, comparison.reference.name)
        text = f"Nearest{to}: none for sure{f' ({why})' if why else ''}."
    text += f" By value alone: {by_value}." if by_value else ""
    for order, metrics in undecided.items():
        text += f" {order[:1].upper()}{order[1:] or 'No order'}: {', '.join(metrics)}."
    return text


def _why_none(found: Sequence[MetricVerdict], by_metric: dict[str, list[Score]], reference: str) -> str:
    """The reason that all of these metrics share for which no set is nearest; empty without one."""
    shared: list[str] | None = None
    overlap = []
    for verdict in found:
        ranked = [r for s in by_metric[verdict.metric] if (r := _ranked(s)) is not None]
        without = [r.score for r in ranked if r.interval is None]
        overlap.append(len(ranked) > 1 and not without)
        why = _together(without, _lacking(without)[1], reference, "each")
        shared = why if shared is None else [w for w in shared if w in why]
    if shared:
        return f"no interval: {shared[0]}"
    return "the intervals overlap" if all(overlap) else ""


def _grouped(found: Sequence[MetricVerdict]) -> tuple[str, str, dict[str, list[str]]]:
    """Sets that are nearest, sets that are nearest by value alone, each with its metrics; then why neither
    can be said → the metrics of which that is so.
    """
    near: dict[str, list[str]] = {}
    by_value: dict[str, list[str]] = {}
    undecided: dict[str, list[str]] = {}
    for verdict in found:
        metric = one_line(verdict.metric)
        if verdict.nearest is not None:
            near.setdefault(verdict.nearest, []).append(metric)
        elif verdict.closest is not None:
            by_value.setdefault(verdict.closest, []).append(metric)
        else:
            undecided.setdefault(verdict.unordered, []).append(metric)
    told = ["; ".join(f"{short_name(n)} in {', '.join(m)}" for n, m in d.items()) for d in (near, by_value)]
    return told[0], told[1], undecided


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
    """`name` on one line; the middle of a very long one is left out (pages and JSON hold the whole)."""
    name = one_line(name)
    if len(name) <= LONGEST_NAME:
        return name
    front = (LONGEST_NAME - 1) // 2
    return f"{name[:front]}…{name[front + 1 - LONGEST_NAME :]}"


def _short(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[: longest * 2 // 3]}…{text[-(longest // 4) :]}"


def _verdict(metric: str, scores: list[Score], reference: str) -> MetricVerdict:
    measured = [s for s in scores if finite(s.value) is not None]
    missing = _missing([s for s in scores if finite(s.value) is None], reference, alone=not measured)
    if not measured:
        return MetricVerdict(metric, missing, None, False, measured=False)
    sentence, nearest, highest = _rank(metric, measured, reference)
    if missing:
        sentence = f"{sentence}; {missing}"
    separable = nearest is not None or highest is not None
    closest, unordered = _closest(metric, measured)
    return MetricVerdict(metric, sentence, nearest, separable, highest, closest=closest, unordered=unordered)


def _closest(metric: str, scores: list[Score]) -> tuple[str | None, str]:
    """The set with the smallest distance or difference by value alone; or None and why: nothing to say where
    it is richness or a random network.
    """
    ranked = sorted((r for r in map(_ranked, scores) if r is not None), key=lambda r: r.point)
    if scores[0].better == "higher" or is_random(metric):
        return None, ""
    if len({(s.better, s.unit, s.signature) for s in scores}) > 1:
        return None, "measured by different recipes"
    if len(scores) < 2:
        return None, "measured of one set only"
    if len(ranked) < 2:
        return None, "the difference from the reference is not known"
    if ranked[0].point == ranked[1].point:
        return None, "the nearest values tie"
    return ranked[0].score.candidate, ""


def _rank(metric: str, scores: list[Score], reference: str) -> tuple[str, str | None, str | None]:
    """(sentence, nearest, highest) of the scores that have a value."""
    to = short_name(reference)
    if is_random(metric):
        return "no verdict: the network is random", None, None
    better = scores[0].better
    # Numbers of two recipes are two quantities: their order means nothing.
    if len({(s.better, s.unit, s.signature) for s in scores}) > 1:
        return "not separable: the sets were measured by different recipes", None, None
    if len(scores) == 1:
        return _alone(scores[0], to), None, None
    ranked = [r for r in map(_ranked, scores) if r is not None]
    if len(ranked) < len(scores):
        return f"not separable: the difference from {to} is not known for every set", None, None
    without = [r.score for r in ranked if r.interval is None]
    ranked.sort(key=lambda r: -r.point if better == "higher" else r.point)
    if without:
        why = _no_intervals(without, reference, of_whom=len(without) < len(ranked))
    else:
        why = _overlap(ranked, better)
    if why:
        return f"not separable: {why}", None, None
    first, second = ranked[0], ranked[1]
    unit = one_line(first.score.unit)
    name, following = short_name(first.score.candidate), short_name(second.score.candidate)
    if better == "higher":
        sentence = f"{name} is highest of the sets ({first.words(unit)}; next {following} {second.words()})"
    elif better == "match":
        numbers = f"differs by {first.words(unit)}; next {following} by {second.words()}"
        sentence = f"{name} is nearest to {to} ({numbers})"
    else:
        sentence = f"{name} is nearest to {to} ({first.words(unit)}; next {following} {second.words()})"
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


def _overlap(ranked: list[_Ranked], better: str) -> str:
    """Which interval the first of `ranked` cannot be told from; empty where it can from all."""
    first = ranked[0]
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


class _Clause(NamedTuple):
    """A sentence of why there is no interval: the set that it is of (empty where it names none), the rest."""

    who: str
    what: str


def _no_intervals(scores: Sequence[Score], reference: str, of_whom: bool) -> str:
    """Why these have no interval: each kind of reason once, and whose it is where none says so."""
    kind, texts = _lacking(scores)
    clauses = [c for s, text in zip(scores, texts, strict=True) for c in _clauses(text, s, reference)]
    text = "; ".join(_together(scores, texts, reference))
    if not text.lower().startswith("no interval"):
        text = f"{kind}: {text}" if text else kind
    names = list(dict.fromkeys(short_name(s.candidate) for s in scores))
    return f"{text} (of {listed(names)})" if of_whom and not any(c.who for c in clauses) else text


def _lacking(scores: Sequence[Score]) -> tuple[str, list[str]]:
    """What these scores lack to be ranked by ("no interval" or "… of the difference"), and why, a score."""
    differences = [s.better == "match" and score_interval(s) is not None for s in scores]
    texts = [
        _why_no_difference(s) if d else one_line(s.interval_reason or "")
        for s, d in zip(scores, differences, strict=True)
    ]
    return "no interval of the difference" if all(differences) else "no interval", texts


def _why_no_difference(score: Score) -> str:
    notes = score.detail.get("notes")
    for begins in (NO_DIFFERENCE, _NO_DIFFERENCE_ONCE):
        if isinstance(notes, str) and begins in notes:
            return one_line(notes.rpartition(begins)[2])
    return ""


def why_no_interval(scores: Sequence[Score], reference: str, itself: str = "") -> list[str]:
    """Why these scores of one metric have no interval of their own: a sentence a kind of reason, with the
    sets that it is of, without a full stop.

    Reasons are of a kind where they differ in the set and in numbers only. itself: what stands for the
    metric's own name, so that the same reason is seen to be another metric's, too.
    """
    return _together(scores, [one_line(s.interval_reason or "") for s in scores], reference, itself)


def why_no_difference(scores: Sequence[Score], reference: str, itself: str = "") -> list[str]:
    """The same of scores that have an interval of their own and none of the difference (`better: match`)."""
    found = [
        s
        for s in scores
        if s.better == "match"
        and finite(s.value) is not None
        and score_interval(s) is not None
        and finite_pair(s.detail.get("difference_interval")) is None
    ]
    return _together(found, [_why_no_difference(s) for s in found], reference, itself)


def _clauses(text: str, score: Score, reference: str) -> list[_Clause]:
    """The sentences of a reason; sets are found in it by name, else by what such a sentence looks like."""
    text = text.strip().rstrip(".")
    names = [one_line(n) for n in (score.candidate, reference) if n]
    for i, name in enumerate(names):  # by signs, as a name may hold the end of a sentence
        sign = f"\0{i}\0"
        text = re.sub(rf"(?:(?<=^)|(?<=\. )){re.escape(name)}(?= (?:has|is) )", sign, text)
    out = []
    for sentence in filter(None, re.split(r"\. (?=\S)", text)):
        known, other = re.match("\0(\\d)\0 (.*)", sentence), _OF_A_SET.match(sentence)
        if known:
            out.append(_Clause(names[int(known[1])], _short(known[2], _LONGEST_REASON)))
        elif other:
            out.append(_Clause(other[1], _short(other[2], _LONGEST_REASON)))
        else:
            out.append(_Clause("", _short(sentence, _LONGEST_REASON)))
    return out


def _together(scores: Sequence[Score], texts: Sequence[str], reference: str, itself: str = "") -> list[str]:
    """The clauses of these reasons, those of a kind as one."""
    kinds: dict[tuple[str, ...], list[_Clause]] = {}
    for score, text in zip(scores, texts, strict=True):
        for clause in _clauses(text, score, reference):
            own = re.escape(metric_of(score.metric))
            what = clause.what
            if itself:
                for said in (
                    rf"(?<=an interval of ){own}(?= needs )",
                    rf"(?<= and ){own}(?= needs at least )",
                ):
                    what = re.sub(said, lambda _: itself, what)
            own = rf"(?<![\w.-]){re.escape(one_line(score.candidate))}(?![\w-])"
            kind = what if clause.who else re.sub(own, "\0", what)
            whose = "\0" if clause.who == one_line(score.candidate) else clause.who
            clauses = kinds.setdefault((whose, *_NUMBER.split(kind)), [])
            clauses.append(_Clause(short_name(clause.who), what))
    out = []
    for clauses in kinds.values():
        clauses = list(dict.fromkeys(clauses))
        text = _of(clauses) if clauses[0].who else clauses[0].what
        others = 0 if clauses[0].who else len(clauses) - 1
        out.append(text + (f" (and {others} more like it)" if others else ""))
    return list(dict.fromkeys(out))


def _of(clauses: Sequence[_Clause]) -> str:
    """What is said of each set, said of all at once: numbers that differ are a range."""
    names, what = list(dict.fromkeys(c.who for c in clauses)), clauses[0].what
    if len(names) == 1:
        return f"{names[0]} {what}"
    each = zip(*(_NUMBER.findall(c.what) for c in clauses), strict=True)
    spans = [sorted(set(numbers), key=float) for numbers in each]
    if len(spans[0] if spans else ()) == 1:
        what = re.sub(r"^has (\d[\d.]* \w+|clips from \d+ sources)", r"has \1 each", what)
    ranges = iter([" to ".join(dict.fromkeys((span[0], span[-1]))) for span in spans])
    what = _NUMBER.sub(lambda _: next(ranges), what)
    return f"{listed(names)} {re.sub('^is ', 'are each ', re.sub('^has ', 'have ', what))}"


def interval_reason(score: Score, reference: str = "") -> str:
    """Why the score has no interval to be ranked by, beginning with "no interval".

    reference: its name, which is then found in the reason whatever it looks like.
    """
    return _no_intervals([score], reference, of_whom=False)


def _reason(text: object, *names: str) -> str:
    """A reason as a clause, the names in it as everywhere."""
    reason = one_line(text or "").strip().rstrip(".")
    for name in names:
        if len(one_line(name)) > LONGEST_NAME:
            reason = reason.replace(one_line(name), short_name(name))
    return _short(reason, _LONGEST_REASON)


def _alone(score: Score, reference: str) -> str:
    """One set has no rank: its number beside what it is read against."""
    name, unit = short_name(score.candidate), one_line(score.unit)
    if score.better == "match":
        last = shown_digit(score)
        own = finite(score.detail.get("reference"))
        number = _number(finite(score.value), last, score_interval(score), unit)
        itself = "not known" if own is None else _number(own, last)
        sentence = f"{name} {number}; {reference} itself {itself}"
        difference, interval = signed_difference(score), finite_pair(score.detail.get("difference_interval"))
        if difference is not None:
            sentence += f"; difference {_number(difference, last_digit(interval), interval)}"
        return sentence
    ranked = _ranked(score)
    number = ranked.words(unit) if ranked else ""
    if score.better == "higher":
        return f"{name} {number}"
    floor = finite(score.detail.get("floor"))
    beside = f"between two halves of {reference}: " + (
        "not known" if floor is None else _number(floor, unit=unit)
    )
    return f"{name} lies {number} from {reference}; {beside}"


def why_no_value(scores: Sequence[Score], reference: str) -> dict[str, list[str]]:
    """Why these scores have no value, as a clause → the sets of which that is so."""
    reasons: dict[str, list[str]] = {}
    for score in scores:
        reason = _reason(score.reason, score.candidate, reference) or "no reason given"
        reasons.setdefault(reason, []).append(short_name(score.candidate))
    return reasons


def in_order(scores: Sequence[Score]) -> list[Score]:
    """Scores of one metric, the nearest by value first (of richness the highest), those without one last."""
    points = [(math.inf if r is None else r.point, r is None) for r in map(_ranked, scores)]
    sign = -1 if scores and scores[0].better == "higher" else 1
    order = sorted(range(len(scores)), key=lambda i: (points[i][1], sign * points[i][0]))
    return [scores[i] for i in order]


def _missing(scores: list[Score], reference: str, alone: bool) -> str:
    """The sets that could not be measured, by reason; no names where it is all of them for one reason."""
    reasons = why_no_value(scores, reference)
    if not reasons:
        return ""
    if alone and len(reasons) == 1:
        return f"could not be measured: {next(iter(reasons))}"
    parts = [f"{listed(names)}: {reason}" for reason, names in reasons.items()]
    return "could not be measured: " + "; ".join(parts)


def listed(names: Sequence[str]) -> str:
    """`a, b and c`; of more than four the first three and how many more."""
    if len(names) <= _LISTED + 1:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
