"""Playing clips of presets with their knobs, for a page (`report.gallery`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from synvid_eval.errors import DataError
from synvid_eval.execute import Failure, Processes
from synvid_eval.generators import presets
from synvid_eval.measurement import Options, hashing
from synvid_eval.prober import preview_task
from synvid_eval.sets import in_order, open_set, share_options


def previews(
    names: Sequence[str],
    options: Options,
    *,
    count: int,
    overrides: Mapping[str, str] | None = None,
    images: str | None = None,
    videos: str | None = None,
) -> list[dict[str, Any]]:
    """Playing clips of presets, ready for `report.gallery`: of each preset `name`, `note`, `family`,
    `difference`, `extends`, `seed`, `knobs` (of `Preset.resolved`, as texts) and `clips` (`id`, `poster`,
    `video` as base64, `width`, `height`, `frames`, `fps`); or `reason`, why there are none.

    images, videos: go to those presets that need them.

    Raises:
        UsageError: unknown presets or knobs, or an option that means nothing for any. DataError: what all of
        them need is missing.
    """
    chosen = [(text, presets.find(text)) for text in names]
    given = dict(overrides or {})
    query = urlencode({"n": str(count), "seed": str(options.seed), **given})
    places = [f"preset:{text}?{query}" for text, _ in chosen]
    asked = share_options(places, "auto", None, None, False, images, videos)
    found: list[dict[str, Any]] = []
    options.progress.begin("previews", count * len(places))
    pool = Processes(
        "synvid_eval.prober",
        options.worker_count(),
        {"loud": options.loud},
        options.decode_timeout,
        options.loud,
    )
    try:
        for place, one, (_, preset) in zip(places, asked, chosen, strict=True):
            values = preset.resolved(given)
            about: dict[str, Any] = {
                "name": preset.name,
                "note": preset.changed(given).note,
                "family": preset.family,
                "difference": preset.difference,
                "extends": preset.extends,
                "seed": options.seed,
                "knobs": [
                    {
                        "knob": v.knob,
                        "value": str(v.value),
                        "unit": v.unit,
                        "source": v.source,
                        "setter": v.setter,
                        "about": v.about,
                    }
                    for v in values
                ],
                "clips": [],
                "reason": "",
            }
            found.append(about)
            try:
                tell = hashing(preset.name, options.progress)
                opened = open_set(place, decode_timeout=options.decode_timeout, tell=tell, **one)
                for note in opened.notes:
                    options.progress.say(note)
                for task, answer in pool.map(preview_task(ref, True) for ref in in_order(opened)):
                    options.progress.advance(1, cached=False)
                    if isinstance(answer, Failure) or "poster" not in answer[0]:
                        reason = answer.reason if isinstance(answer, Failure) else answer[1].get("skipped")
                        about["reason"] = f"{task['clip']['id']}: {reason}"
                        continue
                    arrays, facts = answer
                    data = {k: base64.b64encode(arrays[k].tobytes()).decode() for k in ("poster", "video")}
                    about["clips"].append({"id": task["clip"]["id"], **data, **facts})
            except DataError as error:
                if not any(one["clips"] for one in found) and place == places[-1]:
                    raise
                about["reason"] = str(error)
                options.progress.say(f"{preset.name}: {error}")
    finally:
        pool.close()
    return found
