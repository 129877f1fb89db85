"""Pictures made of bars: the two halves of a distance, the two terms of a Fréchet distance."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from synvid_eval.report import svg
from synvid_eval.report.drawing import RIGHT, WIDTH, Figure, Shown, View, mapping, number, say, sentences


def halves(view: View) -> list[Figure]:
    """A distance's spatial and temporal halves, each a bar."""
    rows = []
    for shown, score in view.scores:
        detail = mapping(score.detail)
        parts = [number(detail.get(k)) for k in ("spatial", "temporal")]
        if any(v is not None for v in parts):
            rows.append((shown, parts, number(score.value)))
    title = "What differs: single frames or their change"
    caption = (
        "Spatial: the distance between single frames of the pieces; temporal: between the changes from one "
        "frame to the next. The two need not add up to the whole."
    )
    return _bars(view, "halves", title, caption, ("spatial", "temporal"), rows, stacked=False)


def terms(view: View) -> list[Figure]:
    """A Fréchet distance's two terms, stacked."""
    rows = []
    for shown, score in view.scores:
        detail = mapping(score.detail)
        parts = [number(detail.get(k)) for k in ("mean_term", "trace_term")]
        if any(v is not None for v in parts):
            rows.append((shown, parts, number(score.value)))
    title = "What the Fréchet distance is made of"
    caption = (
        "Means: how far apart the average features lie; spreads: how differently the features scatter. "
        "The two add up to the distance."
    )
    return _bars(view, "terms", title, caption, ("means", "spreads"), rows, stacked=True)


def _bars(
    view: View,
    suffix: str,
    title: str,
    caption: str,
    names: tuple[str, str],
    rows: Sequence[tuple[Shown, list[float | None], float | None]],
    *,
    stacked: bool,
) -> list[Figure]:
    """Two bars a set, one after or below the other, and the floor as a dashed line."""
    if not rows:
        return []
    floor = next(
        (f for _, s in view.scores if (f := number(mapping(s.detail).get("floor"))) is not None), None
    )
    ends = [sum(max(0.0, v or 0.0) for v in p) if stacked else max(v or 0.0 for v in p) for _, p, _ in rows]
    ends.append(floor or 0.0)
    # Short names stand beside their bars, long ones above, where they have the whole width.
    longest = max(len(svg.wrap(s.short, 118)) for s, _, _ in rows)
    beside = longest == 1
    left = 140.0 if beside else 16.0
    numbers = 7.0 * max(len(say(v)) for _, p, whole in rows for v in (*p, whole)) + 10
    x = svg.spanning(ends, left, RIGHT - numbers, zero=True, pad=0.0)
    body: list[Markup] = []
    top = 30.0
    for shown, parts, whole in rows:
        pieces: list[Markup] = []
        bars = 14 if stacked else 22
        if beside:
            middle = top + bars / 2
            pieces.append(svg.marker(13, middle, shown.index, 4))
            pieces.append(svg.element("text", shown.short, x=24, y=middle + 4, class_="label"))
        else:
            pieces.append(svg.marker(21, top + 8, shown.index, 4))
            for line in svg.wrap(shown.short, WIDTH - 48):
                pieces.append(svg.element("text", line, x=32, y=top + 12, class_="label"))
                top += 16
            top += 2
        at, kind = x(0.0), svg.series_class(shown.index)
        for part, (value, height) in enumerate(zip(parts, (14, 14) if stacked else (10, 10), strict=True)):
            y = top if stacked else top + 12 * part
            length = max(0.0, x(max(0.0, value or 0.0)) - x(0.0))
            shape = svg.rectangle(at, y, length, height)
            pieces.append(
                svg.element("path", d=shape, class_=f"bar {'whole' if part == 0 else 'pale'} {kind}")
            )
            if not stacked:
                text = say(value)
                pieces.append(svg.element("text", text, x=at + length + 5, y=y + 9.5, class_="small"))
            at = at + length if stacked else at
        if stacked:
            pieces.append(svg.element("text", say(whole), x=at + 5, y=top + 11, class_="small"))
        body.append(svg.series(shown.index, pieces))
        top += bars + 8
    bottom = top
    back: list[Markup] = [svg.axes(x, None, "distance", top=24, bottom=bottom)]
    words = ""
    if floor is not None and 0 <= floor <= x.high:
        line = f"M{svg.coordinate(x(floor))} 20V{svg.coordinate(bottom)}"
        body.append(svg.element("path", d=line, class_="rule floor"))
        words = "Dashed: the floor of the whole distance (two halves of the reference against each other)."
    key = svg.group(_bar_key(names, left), class_="text legend")
    caption = sentences(caption, words)
    name = f"{view.id}-{suffix}"
    text = f"{title}: one row a set. The table holds the numbers."
    picture = svg.figure(name, title, text, WIDTH, bottom + 40, [*back, key, *body])
    head = ["Set", *names, "distance", "floor"]
    table = [[s.name, *map(say, p), say(whole), say(floor)] for s, p, whole in rows]
    return [Figure(name, title, caption, picture, head, table)]


def _bar_key(names: Sequence[str], left: float) -> list[Markup]:
    """Which part of a bar is which: full and pale."""
    out = []
    for part, name in enumerate(names):
        at = left + part * 100
        shape = svg.rectangle(at, 4, 22, 10)
        out.append(svg.element("path", d=shape, class_=f"bar {'whole' if part == 0 else 'pale'} ref"))
        out.append(svg.element("text", name, x=at + 28, y=13))
    return out
