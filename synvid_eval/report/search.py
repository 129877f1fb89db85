"""The page of `guide search`: what was gained first, then what changed, the trials, and both sets beside each
other.

`page` is a pure function of the document (`synvid-eval/search/1`) and recomputes no score: the gain is what
was measured again on fresh clips, and it is said to be one only where its interval says so. No script: films
have controls, and stand still for those who asked their system for less motion. What is odd in a document is
left out.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from markupsafe import Markup

from synvid_eval import rounding, schemas
from synvid_eval.errors import DataError, one_line
from synvid_eval.report import clips, document, figures, rows, svg
from synvid_eval.report.colors import colors
from synvid_eval.report.curves import spectra
from synvid_eval.report.drawing import Figure, Shown, View, items, mapping, number, say
from synvid_eval.report.trials import (
    FOUND,
    MOST_OBJECTIVES,
    MOST_ROWS,
    START,
    Dimension,
    Objective,
    Trial,
    dimensions,
    importances,
    objectives,
    over_trials,
    pairs,
    parallel,
    text_of,
    trials,
)
from synvid_eval.rounding import finite, finite_pair, typographic
from synvid_eval.score import LEVEL, Comparison, dump_json, read_comparison
from synvid_eval.verdict import short_name

_SAMPLERS = {
    "gp": "Gaussian processes",
    "tpe": "Parzen estimators",
    "nsga2": "evolution (NSGA-II)",
    "random": "at random",
}
_STRIP = 190.0  # px, of the pictures of ratios
_TRY = 100  # clips of the command that tries what was found: from so many on distances bear an interval
_REASONS, _TURNS = 100, 20  # reasons of failed trials that are listed, and trials that are named for each


def is_one(text: str) -> bool:
    """Whether a JSON text says that it is of `guide search`; it need not be whole."""
    return schemas.is_one(text, schemas.SEARCH)


def read(text: str, where: str) -> dict[str, Any]:
    """The document from JSON text; DataError says what does not fit its schema."""
    return schemas.read(text, "search", where, "guide search")


def page(found: Mapping[str, Any]) -> str:
    """The whole HTML document of a search's JSON data.

    One whose comparison has no `media` gives the page without clips; one whose comparison cannot be read,
    without anything of both sets.
    """
    data = json.loads(dump_json(dict(found)))
    view = _View(data)
    return document.render(
        "search.html.j2",
        data=data,
        data_id="synvid-eval-search",
        styles=("style.css", "figures.css", "gallery.css", "search.css"),
        name=rows.name_markup,
        table_of=rows.table_of,
        say=say,
        most_rows=MOST_ROWS,
        **view.context(),
    )


@dataclass(frozen=True)
class _Gain:
    """A metric measured again: what it was, what it is, and whether that is a change.

    state: nearer, farther, same (the interval covers no change), untold (no interval), none (no number), kept
    (both are the preset as it is).
    """

    metric: str
    unit: str
    better: str
    minimized: bool
    state: str
    start: str
    found: str
    start_gap: str
    found_gap: str
    own: str
    change: str
    bounds: str
    seen: str
    reason: str
    ratio: float | None
    interval: tuple[float, float] | None
    strip: Markup | None = None

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return rounding.arrow(self.better)

    @property
    def badge(self) -> str:
        """The state in a word or two."""
        richer = self.better == "higher"
        return {
            "nearer": "richer" if richer else "nearer",
            "farther": "poorer" if richer else "farther",
            "same": "no change told",
            "untold": "no interval",
            "kept": "as it was",
        }.get(self.state, "not measured")

    @property
    def words(self) -> str:
        """Its change with the interval, for a sentence."""
        return f"{self.change} {self.bounds}".strip()


@dataclass(frozen=True)
class _Change:
    """A knob that changed: what the preset and then the found file say, what it is where that is the same for
    all of its dimensions, and these (name, before, after, unit, what it is where that differs).
    """

    knob: str
    text: str
    about: str
    parts: list[tuple[str, str, str, str, str]]


@dataclass(frozen=True)
class _Clip:
    """A clip of a set as it plays on the page: data URIs, px."""

    id: str
    film: Markup | None
    poster: Markup
    width: int
    height: int


class _View:
    """What the template shows, made from one document."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.preset = short_name(str(data.get("preset")))
        halves = mapping(data.get("reference"))
        self.location = str(halves.get("location") or "")
        self.unseen = mapping(halves.get("unseen"))
        self.seen = mapping(halves.get("seen"))
        name = str(self.seen.get("name") or PurePosixPath(self.location).name or "the reference")
        self.reference = short_name(name.removesuffix("-seen"))
        self.objectives = objectives(data)
        self.space = dimensions(data)
        self.trials = trials(data, self.objectives)
        self.found = mapping(data.get("found"))
        self.changed = {str(k): one_line(str(v)) for k, v in mapping(self.found.get("changed")).items()}
        self.kept = next((t for t in self.trials if t.role == "kept"), None)
        self.comparison, self.unread = _comparison(data.get("comparison"))
        self.gains = self._gains()
        self.again = self._again()

    def context(self) -> dict[str, Any]:
        data, run = self.data, dict(mapping(self.data.get("run")))
        command = run.pop("command", "")
        failed = [t for t in self.trials if t.role == "failed"]
        before_after = self._figures()
        pictured = self._clips()
        decide = mapping(data.get("importances"))
        return {
            "title": f"How near can {self.preset} come to {self.reference}? · synvid-eval",
            "description": self._headline(),
            "preset": self.preset,
            "reference": self.reference,
            "kicker": self._kicker(),
            "headline": self._headline(),
            "sentences": self._sentences(),
            "level": self._level(),
            "gains": self.gains,
            "wanted": [g for g in self.gains if g.minimized],
            "others": [g for g in self.gains if not g.minimized],
            "axis": _axis(self.gains) if self.changed else None,
            "own": any(g.own for g in self.gains),
            "same": not self.changed,
            "changes": self._changes(),
            "unchanged": self._unchanged(),
            "edges": self._edges(),
            "given": self._given(),
            "file": str(self.found.get("file") or ""),
            "try_it": self._try(),
            "over": [
                f
                for k, o in enumerate(self.objectives)
                if (f := over_trials(f"over-{k}", self.trials, o)) is not None
            ],
            "pairs": pairs("pair", self.trials, self.objectives),
            "undrawn": max(0, len(self.objectives) - MOST_OBJECTIVES),
            "objectives": self.objectives,
            "again": self.again,
            "parallel": parallel("parallel", self.trials, self.space, self.objectives),
            "importances": [
                f
                for k, (label, shares) in enumerate(decide.items())
                if (f := importances(f"importance-{k}", str(label), shares, self.space)) is not None
            ],
            "figures": before_after,
            "clips": pictured,
            "no_clips": self._no_clips() if not pictured else "",
            "unread": self.unread,
            "swatches": {"start": _swatch(START), "found": _swatch(FOUND)},
            "failed": _failed(failed),
            "failures": len(failed),
            "recipe": self._recipe(),
            "command": command if isinstance(command, str) else json.dumps(command),
            "signature": mapping(data.get("signature")),
            "run": run,
        }

    # -- words ---------------------------------------------------------------------------------------

    def _kicker(self) -> str:
        nearer = [o.label for o in self.objectives if o.sign > 0]
        richer = [o.label for o in self.objectives if o.sign < 0]
        towards = [f"nearer to {self.reference} in {_listed(nearer)}"] if nearer else []
        towards += [f"richer in {_listed(richer)}"] if richer else []
        knobs = len({d.knob for d in self.space})
        return (
            f"synvid-eval guide search: {_count(len(self.trials), 'trial')} over "
            f"{_count(knobs, 'knob')} of {self.preset}, to bring it {_listed(towards) or 'nowhere'}"
        )

    def _headline(self) -> str:
        """The answer in one sentence."""
        wanted = [g for g in self.gains if g.minimized]
        if not self.changed:
            labels = _listed([o.label for o in self.objectives]) or "anything"
            tried = _count(len(self.trials), "trial")
            many = ", taken together," if len(self.objectives) > 1 else ""
            return (
                f"Nothing better was found: none of {tried} proved better in {labels}{many} than the preset."
            )
        if not wanted:
            return "What was found was not measured again."

        unsaid = [" of the start’s gap"]  # said once

        def told(badge: str) -> str:
            own = []
            for g in wanted:
                if g.badge == badge:
                    what = unsaid.pop() if g.ratio is not None and unsaid else ""
                    own.append(f"{g.metric} ({g.words}{what})" if g.words else g.metric)
            return _listed(own)

        moved = [f"{b} in {text}" for b in ("nearer", "richer", "farther", "poorer") if (text := told(b))]
        out = [f"What was found is {_listed(moved)}."] if moved else []
        for badge, words in (
            ("no change told", "No change can be told in"),
            ("no interval", "No interval is known of"),
            ("not measured", "Not measured again:"),
        ):
            out += [f"{words} {text}." for text in [told(badge)] if text]
        return " ".join(out)

    def _sentences(self) -> list[str]:
        """How the answer came about, and what else changed."""
        gain = mapping(self.data.get("gain"))
        out = []
        fresh, unseen = number(gain.get("clips")), number(self.unseen.get("clips"))
        if fresh is not None and self.changed:
            against = "the" if unseen is None else f"the {unseen:.0f}"
            out.append(
                f"Measured again on {fresh:.0f} fresh clips, against {against} clips of {self.reference} "
                f"that the search never saw; in brackets the {self._level()} interval."
            )
        if self.kept is not None:
            if not self.changed:
                out.append("The preset stays as it is.")
            else:
                gap = (
                    "gap is the smallest" if len(self.objectives) == 1 else "worst gap is the smallest share"
                )
                again = f": of the best {len(self.again)}, measured again, its {gap}" if self.again else ""
                if self.found.get("picked") is True:
                    again = ", as asked"
                out.append(f"Trial {self.kept.turn} is kept{again}. Trial 0 is the preset.")
        rest = [g for g in self.gains if not g.minimized]
        if rest and self.changed:
            told = [f"{g.metric} is {g.badge} ({g.words})" for g in rest if g.state in ("nearer", "farther")]
            still = [g.metric for g in rest if g.state == "same"]
            unsure = [f"{g.metric} ({g.words})" for g in rest if g.state == "untold"]
            missing = [g.metric for g in rest if g.state == "none"]
            parts = [_listed(told)] if told else []
            parts += [f"no change can be told in {_listed(still)}"] if still else []
            parts += [f"no interval is known of {_listed(unsure)}"] if unsure else []
            parts += [f"{_listed(missing)} could not be measured"] if missing else []
            out.append(f"What was not searched: {'; '.join(parts)}.")
        failed = sum(t.role == "failed" for t in self.trials)
        broken = sum(t.role == "broken" for t in self.trials)
        kept = [str(k) for k in items(self.data.get("keep"))]
        if kept:
            held = f"{_count(broken, 'trial')} broke it" if broken else "every trial kept it"
            out.append(f"What was to hold: {_listed(kept)}; {held}.")
        if failed:
            out.append(f"{_count(failed, 'trial')} failed; the reasons stand below.")
        return out

    def _level(self) -> str:
        levels = {s.level for s in self.comparison.scores} if self.comparison else set()
        return " or ".join(f"{100 * level:.3g} %" for level in sorted(levels or {LEVEL}))

    # -- numbers -------------------------------------------------------------------------------------

    def _gains(self) -> list[_Gain]:
        shares = mapping(self.data.get("shares"))
        own: dict[str, float | None] = {}
        for score in self.comparison.scores if self.comparison else ():
            if score.better == "match":
                own.setdefault(score.metric, finite(mapping(score.detail).get("reference")))
        listed_rows = map(mapping, items(mapping(self.data.get("gain")).get("metrics")))
        found = [_gain(row, shares, own) for row in listed_rows]
        if not self.changed:
            return [g if g.state == "none" else replace(g, state="kept") for g in found]
        scale = _ratios(found)
        return [_with_strip(g, scale) for g in found]

    def _again(self) -> list[tuple[str, bool, list[str]]]:
        """(trial, whether it is kept, its objectives against the start's) of those measured again, the one
        that is kept first.
        """
        kept = None if self.kept is None else self.kept.turn
        found = []
        for row in map(mapping, items(self.data.get("confirmed"))):
            turn, own = number(row.get("trial")), mapping(row.get("shares"))
            if turn is not None:
                shares = [self._share(o, number(own.get(o.label))) for o in self.objectives]
                found.append((f"{turn:.0f}", turn == kept, shares))
        return sorted(found, key=lambda row: not row[1])

    def _share(self, one: Objective, share: float | None) -> str:
        """A share of a start's gap; of a richness, which may change its sign, what it gained."""
        if one.sign > 0 or share is None or one.start is None:
            return say(share)
        noise = number(mapping(mapping(self.data.get("start")).get(one.label)).get("noise")) or 0.0
        gained = (1 - share) * max(abs(one.start), noise) + 0.0
        return f"+{say(gained)}" if gained > 0 else say(gained)

    def _changes(self) -> list[_Change]:
        out = []
        before = mapping(self.found.get("before"))
        at_bound = {mapping(e).get("dimension") for e in items(self.found.get("at_bound"))}
        for knob, after in self.changed.items():
            text = f"{one_line(str(before[knob]))} → {after}" if knob in before else after
            own = [d for d in self.space if d.knob == knob]
            shared = one_line(own[0].about) if len({d.about for d in own}) == 1 else ""
            parts = [
                (
                    d.part,
                    text_of(d.start),
                    text_of(self._after(d)) + (" at its bound" if d.name in at_bound else ""),
                    one_line(d.unit),
                    "" if shared else one_line(d.about),
                )
                for d in own
            ]
            out.append(_Change(knob, text, shared, parts))
        return out

    def _edges(self) -> list[str]:
        """Numbers that lie at an end of what was searched, in words."""
        ends = {"low": "least", "high": "most"}
        return [
            f"{one_line(str(e.get('dimension')))} {text_of(e.get('value'))} "
            f"({ends.get(str(e.get('end')), 'end')} {text_of(e.get('bound'))})"
            for e in map(mapping, items(self.found.get("at_bound")))
        ]

    def _after(self, dimension: Dimension) -> Any:
        return None if self.kept is None else self.kept.point.get(dimension.name)

    def _unchanged(self) -> list[str]:
        return list(dict.fromkeys(d.knob for d in self.space if d.knob not in self.changed))

    def _given(self) -> list[tuple[str, str]]:
        """Knobs that the command gave, from the preset's location."""
        try:
            query = urlsplit(str(self.data.get("location") or "")).query
            return [(k, v) for k, v in parse_qsl(query) if k not in ("n", "seed")]
        except ValueError:
            return []

    def _try(self) -> str:
        file = str(self.found.get("file") or "")
        if not file:
            return ""
        return shlex.join(["synvid-eval", "compare", f"preset:{one_line(file)}?n={_TRY}", self.location])

    def _recipe(self) -> list[tuple[str, str]]:
        data, gain = self.data, mapping(self.data.get("gain"))
        sampler = str(data.get("sampler") or "")
        noise = []
        for one in self.objectives:
            own = number(mapping(mapping(data.get("start")).get(one.label)).get("noise"))
            if own is not None and one.start is not None:
                noise.append(f"{one.label} {say(one.start)} ± {say(own)}")
        named = f"{sampler}: {_SAMPLERS[sampler]}" if sampler in _SAMPLERS else sampler
        return [
            (what, text)
            for what, text in (
                ("preset", str(data.get("location") or "")),
                ("reference", self.location),
                ("its half that was seen", _half(self.seen)),
                ("its half that was not", _half(self.unseen)),
                ("sampler", named),
                ("trials", text_of(data.get("budget"))),
                ("clips of a trial", text_of(data.get("clips"))),
                ("seed", text_of(data.get("seed"))),
                ("the gain’s clips and seed", f"{text_of(gain.get('clips'))}, {text_of(gain.get('seed'))}"),
                ("objectives at the start, ± standard error", ", ".join(noise)),
                ("signature", str(data.get("digest") or "")),
            )
            if text
        ]

    # -- both sets -----------------------------------------------------------------------------------

    def _figures(self) -> list[tuple[str, list[Figure]]]:
        """(metric, its pictures) of start, found and the unseen half: colors and spectra, whichever metrics
        have them, and of what was minimized all that there is.
        """
        one = self.comparison
        if one is None or len(one.candidates) != 2:
            return []
        shown = [
            Shown(side.name, short, index)
            for side, (short, index) in zip(one.candidates, (("start", START), ("found", FOUND)), strict=True)
        ]
        reference = Shown(one.reference.name, "reference", None)
        wanted = {o.label for o in self.objectives}
        media = mapping(one.media.get("metrics"))
        out = []
        for k, label in enumerate(one.metrics()):
            scores = [s for s in one.scores if s.metric == label]
            view = View(label, f"both-{k}", scores, mapping(media.get(label)), shown, reference)
            found = [*spectra(view), *colors(view)]
            if label in wanted and not found:
                found = figures.figures(label, view.id, scores, mapping(media.get(label)), shown, reference)
            if found:
                out.append((label, found))
        # what was searched for first
        return sorted(out, key=lambda pair: pair[0] not in wanted)

    def _clips(self) -> list[tuple[_Clip | None, _Clip | None]]:
        """Previews of start and found, the same clip of both beside each other."""
        one = self.comparison
        if one is None or len(one.candidates) != 2:
            return []
        sides = [rows.side(side, k) for k, side in zip((START, FOUND), one.candidates, strict=False)]
        galleries = {g.set.name: g for g in clips.galleries(one.media, sides, ())}
        shown = []
        for side in sides:
            gallery = galleries.get(side.name)
            entries = items(mapping(one.media.get("clips")).get(side.name))
            shown.append({c.place: _playing(c, entries[c.place]) for c in gallery.shown} if gallery else {})
        by_id = [{c.id: c for c in own.values()} for own in shown]
        wanted = list(dict.fromkeys([*by_id[0], *by_id[1]]))
        return [(by_id[0].get(clip), by_id[1].get(clip)) for clip in wanted]

    def _no_clips(self) -> str:
        reasons = mapping(self.comparison.media.get("no_clips")) if self.comparison else {}
        names = [c.name for c in self.comparison.candidates] if self.comparison else []
        return next((r for n in names if isinstance(r := reasons.get(n), str) and r), "")


def _comparison(value: Any) -> tuple[Comparison | None, str]:
    """The comparison of start and found, or why there is none."""
    try:
        return read_comparison(json.dumps(value))[0], ""
    except DataError as error:
        return None, str(error)


def _gain(row: Mapping[str, Any], shares: Mapping[str, Any], own: Mapping[str, float | None]) -> _Gain:
    metric, unit, better = (str(row.get(k) or "") for k in ("metric", "unit", "better"))
    start, after = mapping(row.get("start")), mapping(row.get("found"))
    values = [number(side.get("value")) for side in (start, after)]
    gaps = [number(side.get("objective")) for side in (start, after)]
    richness = better == "higher"
    by = mapping(row.get("difference" if richness else "ratio"))
    difference = finite_pair(mapping(row.get("difference")).get("interval"))
    told, interval = number(by.get("value")), finite_pair(by.get("interval"))
    if richness and told is not None:
        # an objective is a richness with its sign turned
        told = -told
        interval = None if interval is None else (-interval[1], -interval[0])
    state = "none"
    if told is not None:
        state = "untold"
        if interval is not None:
            still = 0.0 if richness else 1.0
            above, below = interval[0] > still, interval[1] < still
            state = "same" if not (above or below) else "nearer" if above == richness else "farther"
    last = _digit(values, rounding.last_digit(difference))
    matches = better == "match"
    reason = row.get("reason") or by.get("reason")
    seen = number(shares.get(metric)) if not richness else None
    return _Gain(
        metric=metric,
        unit=unit,
        better=better,
        minimized=row.get("minimized") is True,
        state=state,
        start=_number(values[0], last),
        found=_number(values[1], last),
        start_gap=_number(gaps[0], last) if matches else "",
        found_gap=_number(gaps[1], last) if matches else "",
        own=_number(own.get(metric), last) if own.get(metric) is not None else "",
        change=_told(told, interval, richness),
        bounds=typographic(rounding.format_bounds(interval, 0.0 if richness else 1.0)),
        seen="" if seen is None else say(seen),
        reason=one_line(str(reason)) if reason else "",
        ratio=None if richness else told,
        interval=None if richness else interval,
    )


def _told(value: float | None, interval: tuple[float, float] | None, richness: bool) -> str:
    """A ratio, or the change of a richness with its sign, down to what its interval bears."""
    if value is None:
        return ""
    text = _number(value, rounding.last_digit(interval))
    return f"+{text}" if richness and value > 0 else text


def _digit(values: Sequence[float | None], last: int | None) -> int | None:
    """The last digit of two numbers: the third of the larger one, or the one that their difference bears."""
    largest = max((abs(v) for v in values if v is not None), default=0.0)
    if not largest:
        return last
    third = math.floor(math.log10(largest)) - 2
    return third if last is None else min(last, third)


def _number(value: float | None, last: int | None) -> str:
    return typographic(rounding.format_number(value, last))


def _ratios(gains: Sequence[_Gain]) -> svg.Scale | None:
    """One scale of all ratios, from 0, or logarithmic where they are far apart."""
    values = [v for g in gains if g.ratio is not None for v in (g.ratio, *(g.interval or ()))]
    if not values:
        return None
    log = min(values) > 0 and max(values) > 20
    return svg.spanning([*values, 1.0], 8, _STRIP, zero=not log, log=log)


def _with_strip(gain: _Gain, scale: svg.Scale | None) -> _Gain:
    if scale is None or gain.ratio is None:
        return gain
    drawn = svg.strip(scale, gain.ratio, gain.interval, FOUND, lines=[1.0])
    return replace(gain, strip=drawn)


def _axis(gains: Sequence[_Gain]) -> Markup | None:
    scale = _ratios(gains)
    return None if scale is None else svg.strip_axis(scale)


def _playing(clip: clips.Clip, entry: Mapping[str, Any]) -> _Clip:
    """A preview, of which `clips` has made sure that its parts are what they say."""
    film = Markup("data:video/webm;base64,") + str(entry["video"]) if clip.video else None
    poster = Markup("data:image/webp;base64,") + clip.poster
    return _Clip(clip.id, film, poster, clip.width, clip.height)


def _swatch(index: int) -> Markup:
    pieces = [svg.polyline([(0, 5), (26, 5)], index), svg.marker(13, 5, index, 4)]
    return svg.element("svg", *pieces, aria_hidden="true", class_="swatch")


def _failed(found: Sequence[Trial]) -> list[tuple[str, str]]:
    """(trials, reason), each reason once."""
    by_reason: dict[str, list[int]] = {}
    for trial in found:
        by_reason.setdefault(one_line(trial.reason) or "no reason was given", []).append(trial.turn)
    told = []
    for reason, turns in list(by_reason.items())[:_REASONS]:
        which = _listed(
            [*map(str, turns[:_TURNS]), *([f"{len(turns) - _TURNS} more"] * (len(turns) > _TURNS))]
        )
        told.append((f"{'Trial' if len(turns) == 1 else 'Trials'} {which}", reason))
    return told


def _half(half: Mapping[str, Any]) -> str:
    known, groups = number(half.get("clips")), number(half.get("groups"))
    if known is None:
        return ""
    return _count(int(known), "clip") + (
        "" if groups is None else f" of {_count(int(groups), 'source group')}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`: all of them, unlike `verdict.listed`; empty for none."""
    if not names:
        return ""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
