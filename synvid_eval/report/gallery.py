"""The page of `preview`: playing clips of presets, each with its knobs. No script: what plays has controls,
and stands still for those who asked their system for less motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from synvid_eval.report import document
from synvid_eval.rounding import typographic


def page(presets: Sequence[Mapping[str, Any]]) -> str:
    """The page as text, a pure function of what `previews.previews` gives.

    A preset whose `reason` says why it has no clips is shown with that.
    """
    count = sum(len(p["clips"]) for p in presets)
    shown = [
        {
            **p,
            "anchor": f"preset-{number}",
            "knobs": [_shown(k) for k in p["knobs"]],
            "chosen": [_shown(k) for k in p["knobs"] if k["setter"] != "default"],
            "clips": [
                {**c, "video": _data("video/webm", c["video"]), "poster": _data("image/webp", c["poster"])}
                for c in p["clips"]
            ],
        }
        for number, p in enumerate(presets)
    ]
    data = [{**p, "clips": [c["id"] for c in p["clips"]]} for p in presets]
    return document.render(
        "gallery.html.j2",
        data=data,
        data_id="synvid-eval-presets",
        styles=("style.css", "gallery.css"),
        title=f"{len(presets)} preset{'' if len(presets) == 1 else 's'}: playing clips and knobs",
        description="Synthetic video presets with playing clips, every knob and where its value comes from.",
        presets=shown,
        count=count,
    )


def _shown(knob: Mapping[str, Any]) -> dict[str, Any]:
    return {**knob, "text": typographic(knob["value"])}


def _data(kind: str, text: str) -> Markup:
    """A data URI of base64 text, which `preview` made."""
    return Markup(f"data:{kind};base64,") + text
