"""What a search found: the preset file, and the document that a page and a terminal show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import synvid_eval
from synvid_eval.generators.presets import Preset
from synvid_eval.guidance.bench import Bench, Seen
from synvid_eval.guidance.gain import Gain
from synvid_eval.guidance.search import Search, Trial, front, importances, shares, trial_facts
from synvid_eval.knobs import values
from synvid_eval.schemas import SEARCH
from synvid_eval.video.groups import source_groups
from synvid_eval.video.videoset import VideoSet


def note(search: Search, trial: Trial, reference: str) -> str:
    """What a found preset says of itself, with the signature of its search."""
    changed = ", ".join(f"{k}={v}" for k, v in changes(search.bench, trial).items()) or "nothing changed"
    what = ", ".join(search.asked.minimize)
    return (
        f"{search.space.preset.name} with {changed}: found by guide search, trial {trial.turn} of "
        f"{search.asked.budget}, for less {what} against {reference} (search {digest(search.signature)})."
    )


def changes(bench: Bench, trial: Trial) -> dict[str, str]:
    """Knob → text of what a trial set, without what the command gave."""
    return {k: v for k, v in trial.knobs.items() if bench.fixed.get(k) != v}


def befores(bench: Bench, changed: Iterable[str]) -> dict[str, str]:
    """Knob → text that the preset itself has of those that changed."""
    own = values(bench.preset.configured(**bench.fixed))
    return {k: str(own[k]).lower() if isinstance(own[k], bool) else str(own[k]) for k in changed}


def document(
    search: Search,
    trials: Sequence[Trial],
    kept: Trial,
    again: Sequence[tuple[Trial, Mapping[str, float]]],
    halves: tuple[VideoSet, VideoSet],
    reference: str,
    gain: Gain,
    *,
    file: str,
    command: str = "",
    seconds: float | None = None,
) -> dict[str, Any]:
    """The document `synvid-eval/search/1`.

    Args:
        trials: all of them, in their order. kept, again: as `gain.confirmed` gives them. halves: of the
        reference, seen and unseen. reference: its location. file: where the preset of what was found lies.
    """
    minimize, bench = search.asked.minimize, search.bench
    return {
        "schema": SEARCH,
        "preset": search.space.preset.name,
        "location": bench.location({}),
        "reference": {
            "location": reference,
            "seen": _half(halves[0]),
            "unseen": _half(halves[1]),
        },
        "minimize": list(minimize),
        "keep": [k.text for k in search.asked.keep],
        "sampler": search.asked.sampler,
        "budget": search.asked.budget,
        "clips": bench.clips,
        "seed": search.asked.seed,
        "start": _seen(search.start),
        "space": [d.facts() for d in search.space.dimensions],
        "trials": [trial_facts(t) for t in trials],
        "front": [t.turn for t in front(trials, minimize)],
        "kept": kept.turn,
        "shares": shares(kept.objectives, search.start, minimize),
        "confirmed": [{"trial": t.turn, "shares": dict(found)} for t, found in again],
        "importances": importances(trials, search.space, minimize),
        "found": {
            "file": file,
            "trial": kept.turn,
            "before": befores(bench, changes(bench, kept)),
            "changed": changes(bench, kept),
            "location": bench.location(kept.knobs),
        },
        "gain": gain.facts(),
        "comparison": gain.comparison.to_dict(),
        "signature": search.signature,
        "digest": digest(search.signature),
        "run": {"command": command, "version": synvid_eval.__version__, "seconds": seconds},
    }


def preset_text(
    preset: Preset,
    found: Mapping[str, str],
    said: str,
    source: str,
    given: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """A preset file (TOML) of what was found: what it extends and what changed. A preset that does not ship
    is written out whole, so that the file needs no other.

    Args:
        preset: whose knobs `found` (knob → text) changes. said: the preset's note. source: where the values
        come from, but for those that were given.
    """
    extends = preset.is_shipped
    own = dict(found) if extends else {**preset.knobs, **found}
    lines = [f"extends = {_quoted(preset.name)}" if extends else f"generator = {_quoted(preset.generator)}"]
    if not extends:
        lines += [f"family = {_quoted(preset.family)}"] if preset.family else []
        lines += [f"needs = {json.dumps(list(preset.needs))}"] if preset.needs else []
    lines += [f"note = {_quoted(said)}"]
    lines += [f"knobs.{knob} = {_quoted(text)}" for knob, text in own.items()]
    lines += [f"sources.{knob} = {_quoted(source)}" for knob in found if knob not in given]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string, which JSON's are but for what lies outside of the first plane."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def digest(signature: Mapping[str, Any]) -> str:
    """A search's signature in 16 hexadecimal digits."""
    text = json.dumps(signature, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _half(one: VideoSet) -> dict[str, Any]:
    return {"name": one.name, "clips": len(one.clips), "groups": len(set(source_groups(one).values()))}


def _seen(seen: Mapping[str, Seen]) -> dict[str, dict[str, float]]:
    return {k: {"value": s.value, "objective": s.objective, "noise": s.noise} for k, s in seen.items()}
