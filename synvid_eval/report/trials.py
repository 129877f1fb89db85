"""Pictures of a search's trials: objectives over trials, pairs of objectives, parallel coordinates, and what
the dimensions decide.

What a trial is (`ROLES`) is told by shape and color together, the same in every picture; the start and what
was found keep theirs in the pictures of both sets. Each picture has its numbers as a table. Beyond some
hundreds of trials only a part has marks or rows, and the caption says so: the data hold all.

The data are hostile until proven: what is of the wrong type or cannot be drawn is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from synvid_eval.errors import one_line
from synvid_eval.report import labels, svg
from synvid_eval.report.drawing import (
    LEFT,
    RIGHT,
    WIDTH,
    Figure,
    Pair,
    items,
    mapping,
    number,
    say,
    sentences,
)
from synvid_eval.rounding import MISSING, typographic

FOUND, START = 1, 3
"""Series (color and shape) of what was found and of the start."""

ROLES = {
    "kept": "kept",
    "start": "the preset as it is",
    "front": "of the front",
    "other": "beaten by another",
    "broken": "breaks a constraint",
    "failed": "failed",
}
"""What a trial is → how it is called."""

_SERIES = {"kept": FOUND, "start": START, "front": 2, "broken": 4, "failed": 6}
_RADII = {"kept": 5.5, "start": 5.5, "front": 4.0, "other": 2.5, "broken": 3.0, "failed": 3.5}
_UPWARDS = ("other", "broken", "failed", "front", "start", "kept")  # what is drawn over what

MOST_OBJECTIVES = 4
"""Objectives of which all pairs are drawn."""
MOST_LINES = 300
"""Trials in parallel coordinates, beside those that are kept, the start and of the front."""
MOST_ROWS = 200
"""Rows of a picture's table."""
MOST_MARKS = 5000
"""Marks of a picture."""
_SPREAD = 10.0  # largest / smallest objective from which on a scale is logarithmic
_TOP = 12  # dimensions with a bar
_NAME = 26  # characters of a dimension's name in a picture


@dataclass(frozen=True)
class Objective:
    """A metric that was minimized. start: the objective of the preset as it is. better: lower, match or
    higher; of a richness the value itself is drawn, which is the objective with its sign turned.
    """

    label: str
    unit: str
    better: str
    start: float | None

    @property
    def sign(self) -> float:
        """What an objective is multiplied with to be drawn."""
        return -1.0 if self.better == "higher" else 1.0

    @property
    def title(self) -> str:
        """What an axis says."""
        what = {"higher": self.label, "match": f"gap in {self.label}"}.get(
            self.better, f"{self.label} distance"
        )
        return labels.shortened(one_line(what), 40) + (f" [{one_line(self.unit)}]" if self.unit else "")


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried. role: of `ROLES`. drawn: label → objective as it is drawn."""

    turn: int
    role: str
    point: Mapping[str, Any]
    drawn: Mapping[str, float]
    noise: Mapping[str, float]
    knobs: Mapping[str, Any]
    broken: list[str]
    reason: str

    @property
    def measured(self) -> bool:
        """Whether there are numbers."""
        return self.role != "failed"


@dataclass(frozen=True)
class Dimension:
    """What was searched: a number between low and high, or one of choices."""

    name: str
    knob: str
    unit: str
    about: str
    low: float
    high: float
    log: bool
    choices: list[Any]
    start: Any

    @property
    def part(self) -> str:
        """The name within its knob: `middle` of `speed:middle`, `lab.l` of `palette.lab.l`; empty where it is
        the whole knob.
        """
        return self.name.removeprefix(self.knob)[1:] if self.name.startswith(self.knob) else self.name

    def share(self, value: Any) -> float | None:
        """Where a value lies between both ends, in [0, 1]; choices lie evenly. None for what has no place."""
        if self.choices:
            places = [k for k, c in enumerate(self.choices) if c == value and type(c) is type(value)]
            return (places[0] + 0.5) / len(self.choices) if places else None
        known = number(value)
        if known is None or (self.log and known <= 0):
            return None
        if self.log:
            found = math.log(known / self.low) / math.log(self.high / self.low)
        else:
            found = (known - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, found))


def objectives(document: Mapping[str, Any]) -> list[Objective]:
    """The metrics that were minimized, in their order."""
    about = {
        str(row.get("metric")): row
        for row in map(mapping, items(mapping(document.get("gain")).get("metrics")))
    }
    start = mapping(document.get("start"))
    found = []
    for label in dict.fromkeys(str(one) for one in items(document.get("minimize"))):
        row = about.get(label, {})
        began = number(mapping(start.get(label)).get("objective"))
        unit, better = (row.get(k) if isinstance(row.get(k), str) else "" for k in ("unit", "better"))
        found.append(Objective(label, unit or "", better or "", began))
    return found


def dimensions(document: Mapping[str, Any]) -> list[Dimension]:
    """What was searched, as far as it can be drawn."""
    found = []
    for one in map(mapping, items(document.get("space"))):
        name, knob, unit, about = (str(one.get(k) or "") for k in ("name", "knob", "unit", "about"))
        choices = [c for c in items(one.get("choices")) if isinstance(c, (str, bool, int, float))]
        low, high, log = number(one.get("low")), number(one.get("high")), one.get("log") is True
        ranged = low is not None and high is not None and low < high and (low > 0 or not log)
        if not name or not (choices or ranged):
            continue
        found.append(
            Dimension(
                name, knob or name, unit, about, low or 0.0, high or 0.0, log, choices, one.get("start")
            )
        )
    return found


def trials(document: Mapping[str, Any], wanted: Sequence[Objective]) -> list[Trial]:
    """The trials that are measured or failed, in their order, with what each of them is."""
    front = {turn for one in items(document.get("front")) if (turn := number(one)) is not None}
    kept = number(document.get("kept"))
    found = []
    for one in map(mapping, items(document.get("trials"))):
        turn, state = number(one.get("turn")), one.get("state")
        if turn is None or state not in ("done", "failed"):
            continue
        seen = mapping(one.get("objectives"))
        drawn = {o.label: o.sign * v for o in wanted if (v := number(seen.get(o.label))) is not None}
        broken = [str(k) for k, v in mapping(one.get("broken")).items() if (number(v) or 0.0) > 0]
        role = "other"
        if state == "failed":
            role = "failed"
        elif turn == kept:
            role = "kept"
        elif broken or one.get("feasible") is False:
            role = "broken"
        elif turn == 0:
            role = "start"
        elif turn in front:
            role = "front"
        noise = {str(k): n for k, v in mapping(one.get("noise")).items() if (n := number(v)) is not None}
        reason = str(one.get("reason") or "")
        point, knobs = mapping(one.get("point")), mapping(one.get("knobs"))
        found.append(Trial(int(turn), role, point, drawn, noise, knobs, broken, reason))
    return found


def text_of(value: Any) -> str:
    """A dimension's value for people."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return MISSING if number(value) is None else typographic(f"{value:.6g}")
    return MISSING if value is None else one_line(str(value))


# Objectives over trials


def over_trials(identity: str, search: Sequence[Trial], objective: Objective) -> Figure | None:
    """One objective over the trials, the best so far, and the start; None where no trial has it."""
    drawn = [t for t in search if t.measured and objective.label in t.drawn]
    if not drawn:
        return None
    top, bottom = 22.0, 232.0
    start = None if objective.start is None else objective.sign * objective.start
    values = [t.drawn[objective.label] for t in drawn]
    y = _scale([*values, *([] if start is None else [start])], bottom, top)
    widest = max((len(label) for _, label in y.ticks()), default=0)
    x = _Turns(-0.7, max(t.turn for t in search) + 0.7, max(LEFT, 26 + 7 * widest), RIGHT)
    body: list[str] = [svg.axes(x, y, "trial", objective.title)]
    if start is not None:
        path = f"M{svg.coordinate(x.start)} {svg.coordinate(y(start))}H{svg.coordinate(x.end)}"
        body.append(svg.element("path", d=path, class_=f"line c{START}", stroke_dasharray=svg.dash(START)))
    best = _best(drawn, objective)
    path = ""
    for turn, reached in best:
        at = svg.coordinate(y(reached))
        path += f"H{svg.coordinate(x(turn))}V{at}" if path else f"M{svg.coordinate(x(turn))} {at}"
    if path:
        path += f"H{svg.coordinate(x(max(t.turn for t in search)))}"
        body.append(svg.element("path", d=path, class_="line best"))
    shown, cut = _thinned(search, MOST_MARKS)
    places: dict[str, list[Pair]] = {}
    for trial in shown:
        if trial.role == "failed":
            places.setdefault("failed", []).append((x(trial.turn), top - 9))
        elif objective.label in trial.drawn:
            places.setdefault(trial.role, []).append((x(trial.turn), y(trial.drawn[objective.label])))
    if start is not None and "start" not in places:
        places["start"] = [(x(0), y(start))]
    body += _marks(places)
    extra = [] if not best else [(_sample("best", None), "best so far")]
    extra += [] if start is None else [(_sample(f"c{START}", svg.dash(START)), "start")]
    key, tall = _key(places, bottom + 48, extra)
    name = f"{objective.label} over trials"
    words = "Higher is better." if objective.better == "higher" else "Lower is better."
    failed = "Failed trials stand on the upper edge." if "failed" in places else ""
    caption = sentences(words, failed, cut)
    so_far = dict(best)
    rows: list[list[str]] = []
    last: float | None = None
    for trial in search:
        last = so_far.get(trial.turn, last)
        value, noise = trial.drawn.get(objective.label), trial.noise.get(objective.label)
        rows.append([str(trial.turn), ROLES[trial.role], *map(say, (value, noise, last))])
    text = f"{name}: one mark a trial. The table holds the numbers."
    picture = svg.figure(identity, name, text, WIDTH, bottom + 50 + tall, [*body, key], kind="trials")
    head = ["Trial", "What", objective.title, "standard error", "best so far"]
    return Figure(identity, name, caption, picture, head, rows)


class _Turns(svg.Scale):
    """A scale of trials' numbers, which are whole."""

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """As of any scale, without what lies between two trials."""
        return [(v, f"{v:.0f}") for v, _ in super().ticks(about) if v == round(v)]


def _best(drawn: Sequence[Trial], objective: Objective) -> list[tuple[int, float]]:
    """(turn, value) of every trial that was the best so far and keeps all constraints."""
    found: list[tuple[int, float]] = []
    for trial in drawn:
        value = trial.drawn[objective.label]
        if trial.role != "broken" and (not found or objective.sign * value < objective.sign * found[-1][1]):
            found.append((trial.turn, value))
    return found


# Pairs of objectives


def pairs(identity: str, search: Sequence[Trial], wanted: Sequence[Objective]) -> list[Figure]:
    """Every two of the first `MOST_OBJECTIVES` objectives, a mark a trial; none for one objective."""
    found = []
    for k, (one, other) in enumerate(itertools.combinations(wanted[:MOST_OBJECTIVES], 2)):
        drawn = [t for t in search if t.measured and one.label in t.drawn and other.label in t.drawn]
        if drawn:
            found.append(_pair(f"{identity}-{k}", drawn, one, other))
    return found


def _pair(identity: str, drawn: Sequence[Trial], one: Objective, other: Objective) -> Figure:
    top, bottom = 10.0, 270.0
    started = [o.sign * o.start if o.start is not None else None for o in (one, other)]
    ends = [[] if v is None else [v] for v in started]
    y = _scale([*(t.drawn[other.label] for t in drawn), *ends[1]], bottom, top)
    widest = max((len(label) for _, label in y.ticks()), default=0)
    x = _scale([*(t.drawn[one.label] for t in drawn), *ends[0]], max(LEFT, 26 + 7 * widest), RIGHT)
    shown, cut = _thinned(drawn, MOST_MARKS)
    places: dict[str, list[Pair]] = {}
    for trial in shown:
        place = x(trial.drawn[one.label]), y(trial.drawn[other.label])
        places.setdefault(trial.role, []).append(place)
    if started[0] is not None and started[1] is not None and "start" not in places:
        places["start"] = [(x(started[0]), y(started[1]))]
    key, tall = _key(places, bottom + 48)
    name = f"{other.label} against {one.label}"
    best = {(False, False): "lower left", (True, False): "lower right", (False, True): "upper left"}
    corner = best.get((one.sign < 0, other.sign < 0), "upper right")
    caption = sentences(f"The best of both lies at the {corner}.", cut)
    text = f"{name}: one mark a trial. The table holds the numbers."
    body = [svg.axes(x, y, one.title, other.title), *_marks(places), key]
    picture = svg.figure(identity, name, text, WIDTH, bottom + 50 + tall, body, kind="trials")
    order = {role: k for k, role in enumerate(reversed(_UPWARDS))}
    rows = [
        [str(t.turn), ROLES[t.role], say(t.drawn[one.label]), say(t.drawn[other.label])]
        for t in sorted(drawn, key=lambda t: (order[t.role], t.turn))
    ]
    return Figure(identity, name, caption, picture, ["Trial", "What", one.title, other.title], rows)


# Parallel coordinates

_ACROSS, _FIRST, _LAST = 760.0, 200.0, 742.0  # px: the picture's width, where axes begin and end
_ROW = 36.0  # px from one axis to the next


@dataclass(frozen=True)
class _Axis:
    """A row of parallel coordinates: its name, its unit, ticks [(px, label)], and where a trial lies."""

    name: str
    unit: str
    ticks: list[tuple[float, str]]
    at: Callable[[Trial], float | None]
    objective: bool = False


def parallel(
    identity: str, search: Sequence[Trial], space: Sequence[Dimension], wanted: Sequence[Objective]
) -> Figure | None:
    """Trials as lines over the dimensions and objectives, each of which is a row; None without trials."""
    measured = [t for t in search if t.measured]
    if not measured or not space:
        return None
    axes = [_axis(d) for d in space]
    axes += [axis for o in wanted if (axis := _axis_of(o, measured)) is not None]
    plain = [t for t in measured if t.role in ("other", "broken")]
    kept = (
        plain
        if len(plain) <= MOST_LINES
        else [plain[k * len(plain) // MOST_LINES] for k in range(MOST_LINES)]
    )
    cut = "" if kept is plain else f"{MOST_LINES} of {len(plain)} of the gray ones are drawn."
    shown = [*kept, *(t for role in ("front", "start", "kept") for t in measured if t.role == role)]
    body: list[str] = []
    rails, names, ticks = "", [], []
    middles = [20 + _ROW * k for k in range(len(axes))]
    for axis, middle in zip(axes, middles, strict=True):
        rails += f"M{svg.coordinate(_FIRST)} {svg.coordinate(middle)}H{svg.coordinate(_LAST)}"
        for px, label in axis.ticks:
            rails += f"M{svg.coordinate(px)} {svg.coordinate(middle - 4)}v8"
            anchor = "start" if px < _FIRST + 1 else "end" if px > _LAST - 1 else "middle"
            ticks.append(svg.element("text", label, x=px, y=middle + 15, text_anchor=anchor, class_="small"))
        base = middle + (4.0 if not axis.unit else 0.0)
        weight = "label objective" if axis.objective else "label"
        names.append(svg.element("text", axis.name, x=_FIRST - 14, y=base, text_anchor="end", class_=weight))
        if axis.unit:
            below = svg.element(
                "text", axis.unit, x=_FIRST - 14, y=base + 13, text_anchor="end", class_="small"
            )
            names.append(below)
    lines = dict.fromkeys(("other", "front", "start", "kept"), "")
    places: dict[str, list[Pair]] = {}
    for trial in shown:
        role = ("other" if trial.turn else "start") if trial.role == "broken" else trial.role
        through = [
            None if (at := axis.at(trial)) is None else (at, middle)
            for axis, middle in zip(axes, middles, strict=True)
        ]
        lines[role] += _through(through)
        if role in ("start", "kept"):
            places[role] = [place for place in through if place is not None]
    for role, path in lines.items():
        if path:
            index = _SERIES.get(role)
            kind = "line others" if index is None else f"line {role} c{index}"
            pattern = svg.dash(START) if role == "start" else None
            body.append(svg.element("path", d=path, class_=kind, stroke_dasharray=pattern))
    body.append(svg.element("path", d=rails, class_="rails"))
    body += _marks(places, 3.5)
    bottom = middles[-1] + 26
    told = [(_sample(f"front c{_SERIES['front']}", None), ROLES["front"])] if lines["front"] else []
    told += [(_sample("others", None), "other trials")] if lines["other"] else []
    key, tall = _key(places, bottom, told, width=_ACROSS)
    name = "Parallel coordinates"
    text = (
        "Parallel coordinates: a row a dimension or objective, a line a trial. The table holds the numbers."
    )
    scales = "Scales are those of the search: ends are the bounds of the range, choices stand evenly."
    lower = "The last rows are the objectives, the better end on the left." if axes[-1].objective else ""
    caption = sentences("Each line is a trial.", scales, lower, cut)
    content = [svg.group(names, class_="text"), *body, svg.group(ticks, class_="text ticks"), key]
    picture = svg.figure(identity, name, text, _ACROSS, bottom + tall + 4, content, kind="parallel")
    order = {role: k for k, role in enumerate(reversed(_UPWARDS))}
    head = ["Trial", "What", *(d.name for d in space), *(o.label for o in wanted)]
    rows = [
        [str(t.turn), ROLES[t.role], *(text_of(t.point.get(d.name)) for d in space),
         *(say(t.drawn.get(o.label)) for o in wanted)]
        for t in sorted(measured, key=lambda t: (order[t.role], t.turn))
    ]  # fmt: skip
    return Figure(identity, name, caption, picture, head, rows)


def _axis(dimension: Dimension) -> _Axis:
    def place(share: float) -> float:
        return _FIRST + share * (_LAST - _FIRST)

    def at(trial: Trial) -> float | None:
        share = dimension.share(trial.point.get(dimension.name))
        return None if share is None else place(share)

    if dimension.choices:
        room = int((_LAST - _FIRST) / len(dimension.choices) / 7)
        ticks = [
            (place((k + 0.5) / len(dimension.choices)), labels.shortened(text_of(c), max(2, room)))
            for k, c in enumerate(dimension.choices)
        ]
    else:
        ticks = [(_FIRST, text_of(dimension.low)), (_LAST, text_of(dimension.high))]
    unit = " · ".join(filter(None, [one_line(dimension.unit), "log scale" if dimension.log else ""]))
    return _Axis(labels.shortened(one_line(dimension.name), _NAME), labels.shortened(unit, 30), ticks, at)


def _axis_of(objective: Objective, measured: Sequence[Trial]) -> _Axis | None:
    """The row of an objective, its better end on the left."""
    values = [t.drawn[objective.label] for t in measured if objective.label in t.drawn]
    if not values:
        return None
    ends = (_FIRST, _LAST) if objective.sign > 0 else (_LAST, _FIRST)
    scale = _scale(values, *ends, pad=0.0)

    def at(trial: Trial) -> float | None:
        return scale(trial.drawn[objective.label]) if objective.label in trial.drawn else None

    ticks = [(ends[0], say(scale.low)), (ends[1], say(scale.high))]
    unit = " · ".join(filter(None, [one_line(objective.unit), "log scale" if scale.log else ""]))
    name = labels.shortened(one_line(objective.label), _NAME)
    return _Axis(name, labels.shortened(unit, 30), ticks, at, objective=True)


def _through(places: Sequence[Pair | None]) -> str:
    """A line from place to place as a piece of a path, broken where there is none."""
    path, pen = "", "M"
    for place in places:
        if place is None:
            pen = "M"
            continue
        path += f"{pen}{svg.coordinate(place[0])} {svg.coordinate(place[1])}"
        pen = "L"
    return path


# Importances


def importances(identity: str, label: str, shares: Any, space: Sequence[Dimension]) -> Figure | None:
    """How much each dimension decides, as bars, the largest first; None where nothing is known."""
    known = {d.name for d in space}
    found = [
        (str(name), v)
        for name, value in mapping(shares).items()
        if (v := number(value)) is not None and v >= 0 and (name in known or not known)
    ]
    found.sort(key=lambda pair: -pair[1])
    if not any(v > 0 for _, v in found):
        return None
    bars = found[:_TOP]
    left = 168.0
    x = svg.spanning([v for _, v in bars], left, RIGHT - 44, zero=True, pad=0.0)
    body: list[str] = []
    for k, (name, value) in enumerate(bars):
        top = 8.0 + 20 * k
        shape = svg.rectangle(left, top, max(0.5, x(value) - left), 12)
        body.append(svg.element("path", d=shape, class_="bar c0"))
        words = labels.shortened(one_line(name), 24)
        body.append(svg.element("text", words, x=left - 8, y=top + 10, text_anchor="end", class_="label"))
        body.append(svg.element("text", say(value), x=x(value) + 6, y=top + 10, class_="small"))
    title = f"What decides {label}"
    rest = len(found) - len(bars)
    caption = f"{rest} more decide less; they are in the table." if rest else ""
    text = f"{title}: one bar a dimension. The table holds the numbers."
    picture = svg.figure(identity, title, text, WIDTH, 8.0 + 20 * len(bars) + 4, body, kind="importances")
    rows = [[name, say(value)] for name, value in found]
    return Figure(identity, title, caption, picture, ["Dimension", "share"], rows)


# What pictures share


def _scale(values: Sequence[float], start: float, end: float, pad: float = 0.06) -> svg.Scale:
    """Logarithmic where the largest is ten times the smallest or more, and all are above 0."""
    log = min(values) > 0 and max(values) > _SPREAD * min(values)
    return svg.spanning(values, start, end, log=log, pad=pad)


def _thinned(search: Sequence[Trial], most: int) -> tuple[list[Trial], str]:
    """Trials that get a mark: those that were beaten give way, evenly; and a sentence where some do."""
    if len(search) <= most:
        return list(search), ""
    plain = [t for t in search if t.role in ("other", "broken", "failed")]
    step = math.ceil(len(plain) / most)
    left = {t.turn for t in plain[::step]} | {t.turn for t in search} - {t.turn for t in plain}
    return [t for t in search if t.turn in left], f"Of those that were beaten, one in {step} has a mark."


def _marks(places: Mapping[str, Iterable[Pair]], radius: float | None = None) -> list[Markup]:
    """All marks of a role as one path, the ones that matter on top."""
    found = []
    for role in _UPWARDS:
        own = list(places.get(role, ()))
        if own:
            found.append(_mark(role, own, radius or _RADII[role]))
    return found


def _mark(role: str, places: Iterable[Pair], radius: float) -> Markup:
    index = _SERIES.get(role)
    path = "".join(svg.piece(x, y, 0 if index is None else index, radius) for x, y in places)
    kind = "points others" if index is None else svg.points_class(index)
    return svg.group([svg.element("path", d=path)], class_=kind)


def _sample(kind: str, dash: str | None) -> Callable[[float, float], Markup]:
    """Draws a short line of a class for a legend."""

    def draw(x: float, y: float) -> Markup:
        path = f"M{svg.coordinate(x - 4)} {svg.coordinate(y)}h20"
        return svg.element("path", d=path, class_=f"line {kind}", stroke_dasharray=dash)

    return draw


def _key(
    places: Mapping[str, Any],
    top: float,
    more: Sequence[tuple[Callable[[float, float], Markup], str]] = (),
    width: float = WIDTH,
) -> tuple[Markup, float]:
    """(markup, height in px) of a legend of the roles that occur and of what else is drawn, in lines."""
    entries: list[tuple[Callable[[float, float], Markup], str, float]] = [
        (lambda x, y, role=role: _mark(role, [(x + 4, y)], min(4.5, _RADII[role] + 0.5)), words, 16.0)  # type: ignore[misc]
        for role, words in ROLES.items()
        if role in places
    ]
    entries += [(draw, words, 24.0) for draw, words in more]
    pieces: list[str] = []
    x, y = 12.0, top + 8
    for draw, words, room in entries:
        wide = room + labels.width_of(words, svg.FONT) + 14
        if x + wide > width and x > 12:
            x, y = 12.0, y + 18
        pieces += [draw(x, y), svg.element("text", words, x=x + room, y=y + 4)]
        x += wide
    return svg.group(pieces, class_="text legend"), y + 12 - top
