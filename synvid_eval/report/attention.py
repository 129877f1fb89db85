"""The page of `attention`: what networks make of the same clips, beside the frames. No script: films have
controls, and stand still for those who asked their system for less motion.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from synvid_eval.errors import DataError
from synvid_eval.rounding import typographic
from synvid_eval.schemas import ATTENTION

DASH = "–"
COLORS = ("red", "green", "blue")
_WROTE = "Give a file that attention --json F wrote."
_KEYS: dict[str, type | tuple[type, ...]] = {
    "set": dict,
    "what": str,
    "layer": int,
    "frames": int,
    "tubelet": int,
    "checkpoints": list,
    "clips": list,
    "notes": list,
    "run": dict,
}
_CHECKPOINT_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "signature": str,
    "architecture": dict,
    "layer": int,
    "tokens": int,
    "explained": list,
    "separation": (dict, type(None)),
}


def is_one(text: str) -> bool:
    """Whether a JSON text says that it is of `attention`; it need not be whole."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and data.get("schema") == ATTENTION


def read(text: str, where: str) -> dict[str, Any]:
    """The document from JSON text; DataError says what is missing or of the wrong type."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON: {error}.", _WROTE) from None
    _check(data, _KEYS, where)
    for number, one in enumerate(data["checkpoints"]):
        _check(one, _CHECKPOINT_KEYS, f"{where}: checkpoints[{number}]")
    return dict(data)


def _check(data: Any, wanted: Mapping[str, type | tuple[type, ...]], where: str) -> None:
    for key, kind in wanted.items():
        if not isinstance(data, dict) or not isinstance(data.get(key), kind) or data.get(key) is True:
            raise DataError(f"{where}: {key!r} is missing or of the wrong type.", _WROTE)


def page(found: Mapping[str, Any]) -> str:
    """The page as text, a pure function of the document with its `media`.

    A document without `media` gives the page without pictures.
    """
    from synvid_eval.report import document, rows

    media = found.get("media")
    clips = media["clips"] if isinstance(media, dict) and isinstance(media.get("clips"), list) else []
    about = [checkpoint(one) for one in found["checkpoints"]]
    layers = sorted({int(one["layer"]) for one in found["checkpoints"]})
    many = len(found["clips"])
    return document.render(
        "attention.html.j2",
        data=found,
        data_id="synvid-eval-attention",
        styles=("style.css", "gallery.css", "attention.css"),
        title=f"{found['what'].capitalize()} of {found['set']['name']}",
        description="Principal components of what video transformers attend to, beside the frames.",
        what=found["what"],
        set=found["set"],
        clips_text=f"{many:,} clip{'' if many == 1 else 's'}",
        layer=" and ".join(map(str, layers)),
        last=found["layer"] == -1,
        tubelet=found["tubelet"],
        frames=found["frames"],
        checkpoints=about,
        reasons=list(dict.fromkeys(reason(c) for c in about if c["reason"])),
        masks=any(one["separation"] for one in found["checkpoints"]),
        shown=[_clip(number, one, about) for number, one in enumerate(clips)],
        notes=found["notes"],
        skipped=found["set"]["skipped"],
        command=found["run"].get("command", ""),
        run={k: v for k, v in found["run"].items() if k != "command"},
        table_of=rows.table_of,
        colors=COLORS,
    )


def checkpoint(one: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint as pages, sheets and terminals tell of it: texts."""
    shares = [s for s in one["explained"][: len(COLORS)] if s is not None]
    of = one["architecture"]
    area = one["separation"]
    return {
        "name": one["name"],
        "signature": short_signature(one["signature"]),
        "random": one["signature"].startswith("random:"),
        "network": f"{of.get('width')} wide, {of.get('depth')} layers",
        "layer": one["layer"],
        "shares": [percent(s) for s in shares] or [DASH] * len(COLORS),
        "sum": percent(math.fsum(shares)) if shares else DASH,
        "area": DASH if area is None or area["value"] is None else f"{area['value']:.3f}",
        "bounds": bounds(area),
        "component": "" if area is None or area["component"] is None else _which(area),
        "reason": "" if area is None else area["reason"] or area["interval_reason"] or "",
        "moving": "" if area is None else percent(area["moving"]),
        "mixed": "" if area is None else percent(area["mixed"]),
    }


def reason(about: Mapping[str, Any]) -> str:
    """Why a checkpoint has no number or no interval, as a sentence."""
    what = "No interval" if about["component"] else "No number"
    return f"{what}: {about['reason'].rstrip('.')}."


def short_signature(text: str) -> str:
    """A signature for people: eight digits of a hash."""
    return text[: len("sha256:") + 8] if text.startswith("sha256:") else text


def percent(share: float) -> str:
    """A share for people: whole per cent, with a decimal below ten."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.1f} %"


def bounds(area: Mapping[str, Any] | None) -> str:
    """The interval of a separation for people."""
    if area is None or area["interval"] is None:
        return ""
    low, high = area["interval"]
    return f"[{low:.3f}, {high:.3f}]"


def _which(area: Mapping[str, Any]) -> str:
    number = int(area["component"])
    side = "larger" if area["sign"] == 1 else "smaller"
    return f"component {number} ({COLORS[number - 1]}), {side} where it moves"


def _clip(number: int, one: Mapping[str, Any], about: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = [typographic(str(c)) for c in one["columns"]]
    strips = [{"name": "frames", "of": "", "data": _data("image/webp", one["frames"]), "map": False}]
    strips += [
        {"name": a["name"], "of": a["sum"], "data": _data("image/png", m), "map": True}
        for a, m in zip(about, one["maps"], strict=True)
    ]
    return {
        "anchor": f"clip-{number}",
        "id": one["id"],
        "label": one["label"],
        "columns": columns,
        "count": len(columns),
        "strips": strips,
        "film": _data("video/webm", one["film"]),
        "width": one["width"],
        "height": one["height"],
    }


def _data(kind: str, text: str) -> Markup:
    """A data URI of base64 text."""
    return Markup(f"data:{kind};base64,") + text
