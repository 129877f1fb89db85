"""The clips of a comparison's page: previews of every set, and which metric calls which clip near or far.

A poster stands once in the page's bytes, as the `<img>` that is seen without a script; where the embedded
JSON had it, a reference to that image stands, and the script puts the picture back into the JSON it saves. A
video stands only in the JSON. What is no preview (wrong types, no WebP, no WebM) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synvid_eval.report.rows import Set
from synvid_eval.rounding import finite, format_number, typographic

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_WEBP, _WEBM = "UklGR", "GkXfo"  # how "RIFF" and an EBML header begin in base64
_SIDE = 4096  # px, the largest side that is believed


@dataclass(frozen=True)
class Clip:
    """A preview in the page. place: its position in `media.clips[name]`; roles: "nearest in color", …"""

    identity: str
    id: str
    place: int
    poster: str
    video: bool
    width: int
    height: int
    roles: list[str]


@dataclass(frozen=True)
class Gallery:
    """A set's previews: drawn by seed (`shown`), nearest and farthest of metrics (`extreme`), or why none."""

    set: Set
    shown: list[Clip]
    extreme: list[Clip]
    reason: str


@dataclass(frozen=True)
class Extremes:
    """The nearest and the farthest clip of a set by one metric, each (id, distance, id of its element)."""

    set: Set
    nearest: tuple[str, str, str] | None
    farthest: tuple[str, str, str] | None


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is a mapping, else an empty one: media are not to be trusted."""
    return value if isinstance(value, Mapping) else {}


def galleries(media: Mapping[str, Any], sides: Sequence[Set], labels: Sequence[str]) -> list[Gallery]:
    """One gallery a set of `sides` that has previews or a reason for having none.

    labels: the metrics on the page, whose nearest and farthest clips are shown.
    """
    clips, reasons = mapping(media.get("clips")), mapping(media.get("no_clips"))
    out = []
    for one in sides:
        found = _of_set(clips.get(one.name), one, _roles(media, one.name, labels))
        reason = reasons.get(one.name)
        said = reason if isinstance(reason, str) and not found else ""
        if found or said:
            shown = [c for c, drawn in found if drawn]
            out.append(Gallery(one, shown, [c for c, drawn in found if not drawn], said))
    return out


def _of_set(value: Any, owner: Set, roles: Mapping[str, list[str]]) -> list[tuple[Clip, bool]]:
    out: list[tuple[Clip, bool]] = []
    for place, entry in enumerate(value if isinstance(value, list) else []):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
            continue
        drawn, own = entry.get("shown") is True, roles.get(entry["id"], [])
        poster = entry.get("poster")
        if not (drawn or own) or not _is(poster, _WEBP):
            continue
        clip = Clip(
            identity=f"clip-{owner.tag}-{place}",
            id=entry["id"],
            place=place,
            poster=str(poster),
            video=_is(entry.get("video"), _WEBM),
            width=_side(entry.get("width")),
            height=_side(entry.get("height")),
            roles=own,
        )
        out.append((clip, drawn))
    return out


def _is(value: Any, start: str) -> bool:
    return isinstance(value, str) and value.startswith(start) and _BASE64.match(value) is not None


def _side(value: Any) -> int:
    number = finite(value)
    return 112 if number is None or not 1 <= number <= _SIDE else int(number)


def _roles(media: Mapping[str, Any], name: str, labels: Sequence[str]) -> dict[str, list[str]]:
    """Clip id → "nearest in color, fid", "farthest in motion"."""
    found: dict[str, dict[str, list[str]]] = {}
    for label in labels:
        facts = mapping(mapping(mapping(mapping(media.get("metrics")).get(label)).get("sets")).get(name))
        for role in ("nearest", "farthest"):
            clip = facts.get(role)
            if isinstance(clip, str):
                found.setdefault(clip, {}).setdefault(role, []).append(label)
    return {
        clip: [f"{role} in {', '.join(own)}" for role, own in roles.items()] for clip, roles in found.items()
    }


def extremes(media: Mapping[str, Any], label: str, shown: Sequence[Gallery]) -> list[Extremes]:
    """The nearest and farthest clips of a metric, one row a set that has one of them with a preview."""
    facts = mapping(mapping(mapping(media.get("metrics")).get(label)).get("sets"))
    out = []
    for gallery in shown:
        own = mapping(facts.get(gallery.set.name))
        known = {c.id: c.identity for c in [*gallery.shown, *gallery.extreme]}
        ends = []
        for role in ("nearest", "farthest"):
            clip = own.get(role)
            known_clip = isinstance(clip, str) and clip in known
            ends.append((str(clip), _distance(own, str(clip)), known[str(clip)]) if known_clip else None)
        if any(ends):
            out.append(Extremes(gallery.set, ends[0], ends[1]))
    return out


def _distance(facts: Mapping[str, Any], clip: str) -> str:
    points = mapping(facts.get("clips"))
    names, values = points.get("ids"), points.get("distance")
    if not isinstance(names, list) or not isinstance(values, list) or clip not in names:
        return ""
    place = names.index(clip)
    return typographic(format_number(finite(values[place]))) if place < len(values) else ""


def without_posters(data: dict[str, Any], shown: Sequence[Gallery]) -> dict[str, Any]:
    """`data` (a comparison's JSON) with `#ID` of the page's image in place of each poster shown there.

    `data` itself stays as it is.
    """
    if not shown:
        return data
    clips = {name: list(v) if isinstance(v, list) else v for name, v in data["media"]["clips"].items()}
    for gallery in shown:
        for clip in [*gallery.shown, *gallery.extreme]:
            entry = clips[gallery.set.name][clip.place]
            clips[gallery.set.name][clip.place] = {**entry, "poster": f"#{clip.identity}"}
    return {**data, "media": {**data["media"], "clips": clips}}
