"""Advice: of a comparison, what of each preset to change, why, and how surely.

For each set: how far each metric is from the reference's, how far the evidence says that this matters, and
which step of which knob would bring it nearer, measured (`sensitivity`). Rules, so that nothing is folklore:

- Gaps are those of the comparison. A distance is within noise where its interval reaches 0, a property where
  the interval of its difference holds 0. The distance between two halves of the reference is told beside it,
  for orientation. Richness is no nearness: it has no gap.
- Evidence is a correlation over many sets (`correlation`), by its verdict, in five strengths
  (`schemas.STRENGTHS`). Nothing is said of r or rho without an interval over families and the band.
- A step is suggested for the best supported metric that it surely brings nearer (its interval excludes 0), of
  those whose gap is no noise; richness only where the evidence is beyond chance. It is advised unless the
  evidence for that metric is below noise, a better supported metric surely gets worse, or the step also puts
  something of another kind in the place of what the preset has (a normal for a uniform palette).
- Suggestions stand in the order of their strength, then of the share of the gap that they close. What is
  expected is what was measured at the step that was tried: no extrapolation.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from synvid_eval import association, correlation, knobs, published
from synvid_eval import features as feature_room
from synvid_eval import metrics as metric_room
from synvid_eval.comparison import parse_recipe, versions
from synvid_eval.correlation import DIFFERENCE, bounds_text, short_number
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.features.network import NetworkFeature
from synvid_eval.generators.presets import Preset
from synvid_eval.guidance import sensitivity as sensitivities
from synvid_eval.guidance.bench import Bench, chosen
from synvid_eval.guidance.sensitivity import CLIPS, STEP, Together
from synvid_eval.guidance.space import space
from synvid_eval.measurement import Measurement, Options
from synvid_eval.report.guidance_rows import with_interval
from synvid_eval.rounding import (
    finite,
    finite_pair,
    format_bounds,
    format_number,
    last_digit,
    typographic,
    with_unit,
)
from synvid_eval.schemas import ADVICE, STRENGTHS
from synvid_eval.score import Comparison, Score, SetFacts, short_signature
from synvid_eval.sets import is_uri, needs, open_set, split_name
from synvid_eval.verdict import interval_reason, is_random, short_name, signed_difference
from synvid_eval.video.sampling import Sampler

FRESH = 100
"""Clips of the sets that a suggested command compares: from so many on all weight-free distances bear an
interval."""

STRENGTH_WORDS = {strength: strength for strength in STRENGTHS} | {
    "carried": "beyond chance, but carried by few",
    "not given": "none given",
    "chance": "not distinguishable from chance",
    "against": "it points the other way",
}

_RANKS = {"beyond chance": 3, "carried": 2, "not given": 1, "chance": 0, "against": -1}
_NONE_GIVEN = "no evidence given: --correlation"
_SCHEME = "preset:"


# -- gaps --------------------------------------------------------------------------------------------


def gap(score: Score, reference: str) -> dict[str, Any]:
    """How far a score is from what is wanted, and whether that is noise; `evidence` is still to be said.

    reference: its name, for the sentences.
    """
    value, own = finite(score.value), finite(score.detail.get("reference"))
    found: dict[str, Any] = {
        "metric": score.metric,
        "unit": score.unit,
        "better": score.better,
        "value": value,
        "reference": own,
        "gap": None,
        "interval": None,
        "floor": None,
        "signature": score.signature,
    }
    to = short_name(reference)
    if value is None:
        return {**found, "state": "missing", "words": score.reason or "no reason given"}
    if score.better == "higher":
        words = f"{_number(value, None, score.unit)}; richness is no nearness: not set against {to}'s"
        return {**found, "state": "richness", "words": words}
    if score.better == "match":
        return found | _of_property(score, value, own, to)
    return found | _of_distance(score, value, reference, to)


def _of_property(score: Score, value: float, own: float | None, to: str) -> dict[str, Any]:
    difference = finite(signed_difference(score))
    interval = finite_pair(score.detail.get("difference_interval"))
    if difference is None or own is None:
        return {"state": "missing", "words": f"{to}'s own value is not known"}
    last = last_digit(interval)
    way = "low" if difference < 0 else "high"
    words = f"{_number(value, last)}, {to} itself {_number(own, last)}"
    size = _number(abs(difference), last, score.unit)
    about: dict[str, Any] = {"gap": difference, "interval": None if interval is None else list(interval)}
    if interval is None:
        return {**about, "state": "unsure", "words": f"too {way} by {size} ({words}), without an interval"}
    ends = typographic(format_bounds(interval, 0.0))
    if interval[0] <= 0 <= interval[1]:
        return {**about, "state": "noise", "words": f"within noise: {words}, difference {ends}"}
    return {**about, "state": "open", "words": f"too {way} by {size} ({words}; difference {ends})"}


def _of_distance(score: Score, value: float, reference: str, to: str) -> dict[str, Any]:
    interval, floor = finite_pair(score.interval), finite(score.detail.get("floor"))
    corrected = finite(score.corrected)
    point = value if corrected is None else corrected
    last = last_digit(interval)
    about: dict[str, Any] = {"gap": point, "floor": floor}
    about["interval"] = None if interval is None else list(interval)
    size = _number(point, last, score.unit)
    halves = "" if floor is None else f"two halves of {to} lie {_number(floor, last)} apart"
    if interval is None:
        why = interval_reason(score, reference)
        return {**about, "state": "unsure", "words": f"{size} away{f'; {halves}' if halves else ''}; {why}"}
    ends = typographic(format_bounds(interval, 0.0))
    if interval[0] <= 0:
        return {**about, "state": "noise", "words": f"within noise: {size} {ends} holds 0"}
    return {**about, "state": "open", "words": f"{size} {ends} away{f'; {halves}' if halves else ''}"}


def _number(value: float, last: int | None = None, unit: str = "") -> str:
    return with_unit(typographic(format_number(value, last)), unit)


# -- evidence ----------------------------------------------------------------------------------------


def evidence_of(comparison: Comparison, where: str) -> dict[str, Any] | None:
    """A correlation of the comparison's own sets with published accuracies, where enough have one; else
    None.
    """
    named = {c.name for c in comparison.candidates}
    known = {p.dataset for p in published.table() if (p.benchmark, p.protocol) == _PUBLISHED}
    if len(named & known) < association.LEAST:
        return None
    benchmark, protocol = _PUBLISHED
    return correlation.correlate(
        [(where, comparison)], f"published:{_TABLE}", benchmark=benchmark, protocol=protocol
    )


_TABLE = "yu2024"
_PUBLISHED = (published.BENCHMARK, published.PROTOCOL)


def evidence(document: Mapping[str, Any] | None, one: Mapping[str, Any]) -> dict[str, Any]:
    """What a correlation says of the gap of a metric (see `gap`): strength, words, and numbers where they may
    be told.
    """
    empty: dict[str, Any] = {
        "strength": "not given",
        "n": None,
        "pearson": None,
        "pearson_interval": None,
        "spearman": None,
        "spearman_interval": None,
        "band_n": None,
        "band_spearman": None,
        "p_best": None,
        "verdict": None,
    }
    if document is None:
        return {**empty, "words": _NONE_GIVEN}
    # what is to become small is how far a property is from the reference's
    wanted = one["metric"] + (DIFFERENCE if one["better"] == "match" else "")
    found = next((m for m in document["metrics"] if m["metric"] == wanted), None)
    if found is None:
        return {**empty, "words": f"the correlation has no {wanted}"}
    other = "" if found.get("signature") == one["signature"] else "; measured there by another recipe"
    # a verdict's second part tells r or rho, which may not stand without their intervals, nor may what is
    # made of them: neither in words nor in the data
    numbers = _told(found, document)
    told = found["verdict"] if numbers is not None else found["verdict"].partition(";")[0]
    p_best = finite(found.get("p_best")) if numbers is not None else None
    about = {**empty, "n": found["n"], "verdict": told, "p_best": p_best}
    state = found["state"]
    if found["random"] or state in ("few", "constant", "control"):
        return {**about, "words": f"{told}{other}"}
    if numbers is None and state != "chance":
        words = "not told: the correlation has no interval over families, or no band to look into"
        return {**about, "words": f"{words}{other}"}
    strength = {"goes": "beyond chance"}.get(state, state)
    said = f"{wanted}: {told}" if one["better"] == "match" else told
    if numbers is not None:
        among = f"among the {numbers['band_n']} sets of {_range(document['band'])}"
        said += (
            f"; r {short_number(numbers['pearson'])} {bounds_text(numbers['pearson_interval'])}, rho "
            f"{short_number(numbers['spearman'])} {bounds_text(numbers['spearman_interval'])} over families, "
            f"{short_number(numbers['band_spearman'])} {among}, n = {found['n']}"
        )
    return {**about, **(numbers or {}), "strength": strength, "words": f"{said}{other}"}


def _told(found: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any] | None:
    """r and rho with their intervals over families, and rho in the band; None where one of them is missing:
    then none of them may be told.
    """
    band = found.get("band")
    inner = finite(((band or {}).get("spearman") or {}).get("value"))
    if band is None or inner is None or not document.get("band"):
        return None
    numbers: dict[str, Any] = {"band_n": band["n"], "band_spearman": inner}
    for kind in ("pearson", "spearman"):
        value, ends = finite(found[kind]["value"]), finite_pair(found[kind].get("family_bootstrap"))
        if value is None or ends is None:
            return None
        numbers |= {kind: value, f"{kind}_interval": list(ends)}
    return numbers


def _range(band: Sequence[float]) -> str:
    return f"{band[0]:g} to {band[1]:g} %"


def _source(
    document: Mapping[str, Any] | None, source: str, comparison: Comparison
) -> tuple[dict[str, Any], list[str]]:
    """Where the evidence comes from, ready for JSON, and what is to be said of it."""
    if document is None:
        empty = dict.fromkeys(("source", "benchmark", "protocol", "families", "band"))
        return {**empty, "sets": 0, "words": _NONE_GIVEN}, []
    families = document.get("families")
    count = len(document["sets"])
    words = f"{count} sets with {document['benchmark']} {document['protocol']} accuracies"
    words += f" in {len(families)} families" if families else ", taken for independent"
    notes = []
    if document["reference"] != comparison.reference.name:
        notes.append(
            f"The evidence is of sets measured against {document['reference']}, this comparison's reference "
            f"is {comparison.reference.name}."
        )
    predicted = document.get("prediction")
    if isinstance(predicted, Mapping) and predicted.get("words"):
        notes.append(f"A correlation is no prediction. {predicted['words']}")
    return {
        "source": source,
        "benchmark": document["benchmark"],
        "protocol": document["protocol"],
        "sets": count,
        "families": len(families) if families else None,
        "band": document.get("band"),
        "words": words,
    }, notes


# -- suggestions -------------------------------------------------------------------------------------


def suggestions(
    found: Mapping[str, Any], gaps: Sequence[Mapping[str, Any]], reference: Sequence[str]
) -> list[dict[str, Any]]:
    """What the steps of a measured sensitivity would do for gaps that have their evidence, best first; see
    the module's rules.

    reference: the set and the options with which `compare` opens it, as words of a command line.
    """
    of = {g["metric"]: g for g in gaps}
    out = []
    for dimension in found["dimensions"]:
        for tried in dimension["tried"]:
            one = None if tried["reason"] else _suggestion(found, dimension, tried, of, reference)
            if one is not None:
                out.append(one)
    return sorted(
        out, key=lambda s: (not s["advised"], -_RANKS[s["strength"]], -(s["share"] or 0.0), s["dimension"])
    )


def _suggestion(
    found: Mapping[str, Any],
    dimension: Mapping[str, Any],
    tried: Mapping[str, Any],
    of: Mapping[str, Mapping[str, Any]],
    reference: Sequence[str],
) -> dict[str, Any] | None:
    """A step as a suggestion; None where it surely helps nothing that may be helped."""
    start = {m["metric"]: m for m in found["metrics"]}
    changes = [_changed(start[m["metric"]], m) for m in tried["metrics"]]
    helped = []
    for change in changes:
        label = change["metric"]
        if change["effect"] == "better" and label in of and _may_lead(of[label]):
            share = _share(start[label], change)
            helped.append((_rank(of[label]), share, label))
    if not helped:
        return None
    rank, share, lead = max(helped)
    worse = [c["metric"] for c in changes if c["effect"] == "worse"]
    stronger = [label for label in worse if label in of and _rank(of[label]) > max(rank, 1)]
    strength = of[lead]["evidence"]["strength"]
    why_not = _below(of[lead]) or None
    if why_not is None and stronger:
        why_not = f"{' and '.join(stronger)}, for which the evidence is stronger, gets worse"
    if why_not is None and not dimension["exact"]:
        # the step begins where the space comes nearest: what that alone does would be credited to the knob
        instead = f"{dimension['knob']}={dimension['now'] or 'nothing'}"
        why_not = f"it takes the place of {instead}, and what that alone does is in these numbers"
    about = {
        "dimension": dimension["name"],
        "from": dimension["start"],
        "to": tried["value"],
        "unit": dimension["unit"],
        "now": dimension["now"],
        "knobs": dict(tried["knobs"]),
        "for": lead,
        "share": share if start[lead]["better"] != "higher" else None,
        "strength": strength,
        "advised": why_not is None,
        "why_not": why_not,
        "changes": changes,
        "worse": worse,
    }
    return {**about, "words": _words(about), "command": command(found, tried["knobs"], reference)}


def _may_lead(one: Mapping[str, Any]) -> bool:
    """Whether something may be suggested for the sake of a metric."""
    if one["state"] == "richness":
        return _rank(one) > 1
    return one["state"] in ("open", "unsure")


def _below(one: Mapping[str, Any]) -> str:
    """Why the evidence for a metric supports no advice, as a clause; empty where it may."""
    strength, label = one["evidence"]["strength"], one["metric"]
    if strength == "against":
        what = f"more {label}" if one["state"] == "richness" else f"a smaller gap in {label}"
        return f"the evidence is that {what} goes with lower accuracy"
    return f"the evidence that {label} matters is below noise" if strength == "chance" else ""


def _rank(one: Mapping[str, Any]) -> int:
    return _RANKS[one["evidence"]["strength"]]


def _changed(start: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    objective, value = after["change"]["objective"], after["change"]["value"]
    effect = "unsure"
    if finite(objective["value"]) is None:
        effect = "missing"
    elif objective["sure"]:
        effect = "better" if objective["value"] < 0 else "worse"
    about = {"metric": after["metric"], "effect": effect, "objective": objective, "value": value}
    return {**about, "from": finite(start["value"]), "to": finite(after["value"])}


def _share(start: Mapping[str, Any], change: Mapping[str, Any]) -> float:
    """How much of the objective a change takes away, as a share of its size at the start."""
    size = abs(start["objective"])
    return -change["objective"]["value"] / size if size > 0 else 0.0


def _words(one: Mapping[str, Any]) -> str:
    """A suggestion in a sentence."""
    lead = next(c for c in one["changes"] if c["metric"] == one["for"])
    text = f"{one['for']} {expected(lead)}"
    if one["share"] is not None:
        text += f", {one['share']:.0%} of its gap"
    for what, effect in (
        ("better, too", "better"),
        ("gets worse", "worse"),
        ("not separable from 0", "unsure"),
    ):
        named = [c["metric"] for c in one["changes"] if c["effect"] == effect and c is not lead]
        text += f"; {what}: {', '.join(named)}" if named else ""
    return f"{text}. Evidence that {one['for']} matters: {STRENGTH_WORDS[one['strength']]}."


def expected(change: Mapping[str, Any]) -> str:
    """The change of a metric's own value with its interval, for people: `0.19 → 0.28 (+0.09 [0.08, 0.11])`;
    why there is none.
    """
    estimate = change["value"]
    if finite(estimate["value"]) is None:
        return str(estimate["reason"] or "not measured")
    last = last_digit(finite_pair(estimate["interval"]))
    ends = [typographic(format_number(change[key], last)) for key in ("from", "to")]
    return f"{ends[0]} → {ends[1]} ({with_interval(estimate)})"


def command(found: Mapping[str, Any], changed: Mapping[str, str], reference: Sequence[str]) -> str:
    """The command that tries a suggestion: the preset as it is and with a step, on fresh clips."""
    preset = found["preset"]
    given = {"n": str(max(FRESH, preset["clips"])), "seed": str(preset["seed"] + 1), **preset["fixed"]}
    places = []
    for name, own in (("start", {}), ("tried", changed)):
        query = urlencode({**given, **own}, safe=":,()/=")
        places.append(f"{name}={_SCHEME}{preset['place']}?{query}")
    return shlex.join(["synvid-eval", "compare", *places, *reference])


def _nothing(
    found: Mapping[str, Any], gaps: Sequence[Mapping[str, Any]], listed: Sequence[Mapping[str, Any]]
) -> list[str]:
    """For which metrics nothing is advised, and why, a sentence each."""
    measured = {m["metric"]: m for m in found["metrics"]}
    advised = [s for s in listed if s["advised"]]
    helped = {c["metric"] for s in advised for c in s["changes"] if c["effect"] == "better"}
    out = []
    for one in gaps:
        label, others = one["metric"], [s for s in listed if s["for"] == one["metric"]]
        if one["state"] == "missing" or is_random(label):
            continue
        if label not in measured:
            why = "not measured here, so nothing is known of what moves it"
        elif one["state"] == "noise":
            why = "its gap is within noise"
        elif finite(measured[label]["objective"]) is None:
            why = str(measured[label]["reason"]).rstrip(".")
        elif one["state"] == "richness" and not _may_lead(one):
            why = "richness is no nearness, and no evidence beyond chance says that it matters"
        elif label in helped and not _below(one):
            continue
        elif others or _below(one):
            why = _below(one) or others[0]["why_not"]
            if others:
                are = (
                    "a step that moves it is" if len(others) == 1 else f"{len(others)} steps that move it are"
                )
                why += f"; {are} listed, not advised"
        else:
            why = "no step that was tried brings it nearer by more than noise"
        out.append(f"{label}: {why}.")
    return out


# -- all of it ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What is measured for advice.

    metrics: names; None for those of the comparison that need no weights. settings: `NAME.KNOB=VALUE` of
    metrics, beside those of the comparison. names: of candidates; empty for all. clips, step: as of
    `sensitivity`. images, videos: for presets that need them. extra: the options among `opening` as words of
    a command line.
    """

    metrics: tuple[str, ...] | None = None
    settings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    clips: int = CLIPS
    step: float = STEP
    images: str | None = None
    videos: str | None = None
    extra: tuple[str, ...] = ()


def advise(
    comparison: Comparison,
    where: str,
    asked: Asked,
    options: Options,
    *,
    evidence_from: tuple[str, Mapping[str, Any]] | None = None,
    reference: str | None = None,
    networks: Any = None,
    made_by: str = "",
    **opening: Any,
) -> dict[str, Any]:
    """The document `synvid-eval/advice/1`, ready for JSON.

    Args:
        comparison: with where it came from. evidence_from: where a correlation came from, and its document
            (`correlation.read`); None: a correlation of the comparison's own sets, where five and more have a
            published accuracy. reference: a set in place of the comparison's location of it. made_by: the
            command, for `run`. opening: how the reference is opened, as of `compare`.

    Raises:
        UsageError: an unknown candidate, a step out of range. DataError: the reference is gone, or no clip of
        a preset can be drawn.
    """
    began = time.monotonic()
    sensitivities.check_step(asked.step)
    candidates = {c.name: c for c in comparison.candidates}
    for name in asked.names:
        if name not in candidates:
            raise UsageError(f"{where} has no candidate {name!r}.", nearest(name, candidates))
    shown = [candidates[n] for n in dict.fromkeys(asked.names or candidates)]
    if asked.metrics is not None:
        parse_recipe(asked.metrics, asked.settings)
    _check_given(shown, asked)
    notes: list[str] = []
    document, source = None, ""
    if evidence_from is not None:
        source, document = evidence_from
    elif (own := evidence_of(comparison, where)) is not None:
        document, source = own, f"this comparison and published:{_TABLE}"
    told, more = _source(document, source, comparison)
    notes += more
    place = comparison.reference.location if reference is None else reference
    measured: Measurement | None = None
    sets = []
    chosen_options = replace(options, progress=Together(options.progress))
    decided = ["sampler.frames"] if opening.get("frames") is not None else []
    known = _measurable(comparison)
    metrics = known if asked.metrics is None else list(asked.metrics)
    for candidate in shown:
        scores = [s for s in comparison.scores if s.candidate == candidate.name]
        signed = [(s, _signed(comparison, s)) for s in scores if s.metric in known and s.metric in metrics]
        settings = (*_recipes(signed, [*asked.settings, *decided]), *asked.settings)
        gaps = [gap(s, comparison.reference.name) for s in scores]
        gaps = [{**g, "evidence": evidence(document, g)} for g in gaps]
        one: dict[str, Any] = {"name": candidate.name, "location": candidate.location, "accuracy": None}
        one |= {"reason": None, "gaps": gaps, "suggestions": [], "nothing": [], "sensitivity": None}
        try:
            preset, text, given = _preset_of(candidate.location, asked)
            over = sensitivities.check_space(space(preset, given))
            open_set(f"{_SCHEME}{text}?{urlencode({'n': '1', **given})}")  # what it needs is there
        except (UsageError, DataError) as error:
            sets.append({**one, "reason": str(error)})
            continue
        if preset.is_shipped and preset.changed(given) is preset:
            of_it = published.of(preset.name)
            one["accuracy"] = None if of_it is None else of_it.accuracy
        if not metrics:
            sets.append({**one, "reason": "No metric of the comparison can be measured without weights."})
            continue
        if measured is None:
            _check_there(place, where, reference)
        with Bench(
            text,
            preset,
            given,
            place if measured is None else measured,
            metrics,
            asked.clips,
            chosen_options,
            settings=settings,
            networks=networks,
            lenient=True,
            **(opening if measured is None else {}),
        ) as bench:
            measured = bench.reference
            found = sensitivities.sensitivity(bench, over, asked.step)
        notes += _unlike(found, gaps, comparison, measured)
        words = [place, *asked.extra, "--metrics", ",".join(metrics)]
        words += [word for text in settings for word in ("--set", text)]
        listed = suggestions(found, gaps, words)
        sets.append(
            {**one, "sensitivity": found, "suggestions": listed, "nothing": _nothing(found, gaps, listed)}
        )
    if any(s["suggestions"] for s in sets):
        notes.append(
            "What is expected was measured on the clips by which the step was picked out of many, so expect "
            "somewhat less; each command measures it again on other clips."
        )
    return {
        "schema": ADVICE,
        "comparison": where,
        "reference": asdict(comparison.reference),
        "level": next((s.level for s in comparison.scores), 0.95),
        "evidence": told,
        "strengths": dict(STRENGTHS),
        "sets": sets,
        "notes": list(dict.fromkeys(notes)),
        "run": {
            "command": made_by,
            "seconds": round(time.monotonic() - began, 3),
            "clips": asked.clips,
            "step": asked.step,
            "seed": options.seed,
            "versions": versions(),
        },
    }


def _check_given(shown: Sequence[SetFacts], asked: Asked) -> None:
    """UsageError for pictures or videos that no preset takes."""
    for option in ("images", "videos"):
        if (said := getattr(asked, option)) is None:
            continue
        taken = []
        for candidate in shown:
            with contextlib.suppress(UsageError, DataError):
                taken.append(_preset_of(candidate.location, asked)[2].get(option))
        if said not in taken:
            raise UsageError(f"--{option} {said} means nothing: no preset here wants it.", "Leave it away.")


def _preset_of(location: str, asked: Asked) -> tuple[Preset, str, dict[str, str]]:
    """(preset, what names it, knobs that are given) of a candidate's location, without the number of its
    clips and its seed.

    Raises:
        UsageError: it is none, or none any more.
    """
    if not location.startswith(_SCHEME):
        raise UsageError(
            f"{location} is no preset: nobody here knows its knobs, so gaps and evidence are all there is."
        )
    place, _, query = location.removeprefix(_SCHEME).partition("?")
    kept = [(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k not in ("n", "seed")]
    text, preset, given = chosen(f"{place}?{urlencode(kept)}" if kept else place)
    for option in needs(preset.configured(**given)):
        if (said := getattr(asked, option)) is not None:
            given.setdefault(option, said)
    return preset, text, given


def _check_there(place: str, where: str, given: str | None) -> None:
    """DataError where the comparison's reference is no longer where it was."""
    location = split_name(place)[1]
    if given is None and not is_uri(location) and not os.path.lexists(location):
        raise DataError(
            f"The reference of {where}, {location[:200]}, is not there.",
            "Say where it lies now: --reference SET.",
        )


def _measurable(comparison: Comparison) -> list[str]:
    """The comparison's metrics that have a number for some set and run no network, by name."""
    found = []
    for label in dict.fromkeys(s.metric for s in comparison.scores if finite(s.value) is not None):
        try:
            feature = feature_room.registry.get(metric_room.registry.get(label).feature)
        except UsageError:  # another tool's, or of a random network
            continue
        if not issubclass(feature, NetworkFeature):
            found.append(label)
    return found


def _signed(comparison: Comparison, score: Score) -> dict[str, str]:
    """What the signature of a score says: `metric.stride`, `feature.window`, `sampler.frames`, `seed`, …: all
    of it where the comparison holds its long form, else what is not at its default.
    """
    signatures = comparison.run.get("signatures")
    long = signatures.get(score.metric) if isinstance(signatures, Mapping) else None
    *short, digest = score.signature.split("|")
    if isinstance(long, str) and short_signature("", {}, long).endswith(digest):
        return dict(part.partition("=")[::2] for part in long.split("|"))
    try:
        metric = metric_room.registry.get(score.metric)
    except UsageError:  # another tool's
        return {}
    found = {}
    for part in short[1:]:
        knob, _, value = part.partition(":")
        if knob == "n":
            knob = "sampler.frames"
        elif knob in knobs.names(metric):
            knob = f"metric.{knob}"
        elif not knob.startswith("sampler."):
            knob = f"feature.{knob.removeprefix(f'{metric.feature}.')}"
        found[knob] = value
    return found


def seed_of(comparison: Comparison) -> int:
    """The seed that a comparison was made with; 0 where it does not say."""
    told = [comparison.run.get("seed"), *(_signed(comparison, s).get("seed") for s in comparison.scores)]
    return next((int(text) for text in map(str, told) if text.isascii() and text.isdigit()), 0)


def _recipes(scores: Sequence[tuple[Score, Mapping[str, str]]], given: Sequence[str]) -> list[str]:
    """The knobs of metrics, features and sampler by which scores were made that are not at their default, as
    `NAME.KNOB=VALUE`; without those that are `given`.

    scores: each with what its signature says.
    """
    found: dict[str, str] = {}
    for score, parts in scores:
        metric = metric_room.registry.get(score.metric)
        for prefix, kind, name in (
            ("metric", metric, score.metric),
            ("feature", feature_room.registry.get(metric.feature), metric.feature),
            ("sampler", Sampler, Sampler.name),
        ):
            for knob, usual in knobs.recipe(kind()).items():
                said = parts.get(f"{prefix}.{knob}", str(usual))
                if said != str(usual):
                    found[f"{name}.{knob}"] = said
    taken = {text.partition("=")[0] for text in given}
    return [f"{key}={value}" for key, value in found.items() if key not in taken]


def _unlike(
    found: Mapping[str, Any],
    gaps: Sequence[Mapping[str, Any]],
    comparison: Comparison,
    measured: Measurement,
) -> list[str]:
    """What was measured here otherwise than in the comparison."""
    notes = []
    if measured.facts.fingerprint != comparison.reference.fingerprint:
        notes.append(
            f"The reference measured here, {measured.facts.name} with {measured.facts.clips} clips, has "
            f"other contents than the comparison's, {comparison.reference.name} with "
            f"{comparison.reference.clips} clips: steps are measured against the former, gaps against the "
            "latter."
        )
    here = {m["metric"]: m["signature"] for m in found["metrics"]}
    other = [g["metric"] for g in gaps if here.get(g["metric"]) and here[g["metric"]] != g["signature"]]
    if other:
        notes.append(
            f"{', '.join(other)} {'is' if len(other) == 1 else 'are'} measured here by another recipe than "
            "in the comparison: --set, --frames and --seed can make them equal."
        )
    return notes
