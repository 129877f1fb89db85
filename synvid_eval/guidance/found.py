"""What a search found: the preset file, and the document that a page and a terminal show."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import synvid_eval
from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.generators import pool
from synvid_eval.generators.photos import INSTALLED
from synvid_eval.generators.presets import Preset
from synvid_eval.generators.texture import Texture, spelled
from synvid_eval.guidance.bench import Bench, Seen
from synvid_eval.guidance.gain import Gain
from synvid_eval.guidance.search import Search, Trial, front, importances, shares, trial_facts
from synvid_eval.guidance.space import CHOICE
from synvid_eval.schemas import SEARCH
from synvid_eval.video.groups import source_groups
from synvid_eval.video.videoset import VideoSet

_FOUND = "found by guide search"


def note(search: Search, trial: Trial, reference: str) -> str:
    """What a found preset says of itself, with the signature of its search."""
    changed = ", ".join(f"{k}={v}" for k, v in changes(search.bench, trial).items()) or "nothing changed"
    what = ", ".join(search.asked.minimize)
    return (
        f"{search.space.preset.name} with {changed}: {_FOUND}, trial {trial.turn} of "
        f"{search.asked.budget}, for less {what} against {reference} (search {digest(search.signature)})."
    )


def changes(bench: Bench, trial: Trial) -> dict[str, str]:
    """Knob → text of what a trial set, without what the command gave."""
    return {k: v for k, v in trial.knobs.items() if bench.fixed.get(k) != v}


def befores(bench: Bench, changed: Iterable[str]) -> dict[str, str]:
    """Knob → text that the preset itself has of those that changed."""
    own = knobs.values(bench.preset.configured(**bench.fixed))
    return {k: str(own[k]).lower() if isinstance(own[k], bool) else str(own[k]) for k in changed}


EDGE = 0.01
"""A number that lies nearer to an end of its range than this share of it, on its scale, is at its bound."""


def at_bound(search: Search, trial: Trial) -> list[dict[str, Any]]:
    """The numbers of a trial's changed knobs that lie at an end of what was searched, ready for JSON: beyond
    it there may be better ones.
    """
    changed = changes(search.bench, trial)
    found = []
    for one in search.space.dimensions:
        if one.kind == CHOICE or one.knob not in changed or one.name not in trial.point:
            continue
        value = trial.point[one.name]
        if value == one.start:
            continue
        share = one.share(float(value))
        if share <= EDGE or share >= 1 - EDGE:
            end, bound = ("low", one.low) if share <= EDGE else ("high", one.high)
            found.append({"dimension": one.name, "value": value, "end": end, "bound": bound})
    return found


def picked(trials: Sequence[Trial], turn: int) -> Trial:
    """The trial of that number, to be kept in the place of the one that came out best.

    Raises:
        UsageError: no such trial, one that failed or breaks a constraint.
    """
    trial = next((t for t in trials if t.turn == turn), None)
    if trial is None:
        raise UsageError(f"--pick {turn}: there is no such trial.", f"They are 0 to {len(trials) - 1}.")
    if trial.state != "done":
        raise UsageError(f"--pick {turn}: that trial failed: {trial.reason}", "Pick another one.")
    if not trial.feasible:
        broken = " and ".join(f"--keep {text}" for text, by in trial.broken.items() if by > 0)
        raise UsageError(f"--pick {turn}: that trial breaks {broken}.", "Pick another one.")
    return trial


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
    by_hand: bool = False,
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
            "at_bound": at_bound(search, kept),
            "picked": by_hand,
        },
        "gain": gain.facts(),
        "comparison": gain.comparison.to_dict(),
        "signature": search.signature,
        "digest": digest(search.signature),
        "run": {"command": command, "version": synvid_eval.__version__, "seconds": seconds},
    }


def check_out(out: Path) -> None:
    """UsageError where a file is to be replaced that no search wrote."""
    if not out.is_file():
        return
    try:
        table = tomllib.loads(out.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        table = {}
    if not (isinstance(table.get("note"), str) and _FOUND in table["note"]):
        raise UsageError(
            f"--out {out} is there, and no search wrote it: it would be lost.",
            "Give another name, or remove it.",
        )


def parent(place: str, preset: Preset, out: Path) -> str:
    """What a preset file at `out` extends: the name of a preset that ships, or the file that was searched
    from, by a path from the folder of `out` where it lies in there, else by an absolute one.

    Args:
        place: what names the preset, as `bench.chosen` gives it.
    """
    if preset.is_shipped:
        return preset.name
    file, sign, name = place.rpartition("#") if not place.endswith(".toml") else (place, "", "")
    whole = Path(os.path.abspath(Path(file).expanduser()))
    folder = Path(os.path.abspath(out)).parent
    inside = whole.relative_to(folder) if whole.is_relative_to(folder) else whole
    return f"{inside.as_posix()}{sign}{name}"


def anywhere(preset: Preset, found: Mapping[str, str]) -> dict[str, str]:
    """Knob → text with paths (of pictures, videos, banks) that are the same from any folder."""
    texts = dict(found)
    own = knobs.values(preset.configured(**found))
    for knob in ("images", "videos", "bank"):
        if path := _absolute(str(own.get(knob, ""))):
            texts[knob] = path
    for knob in ("textures", "stills"):
        recipes = pool.recipes(str(own[knob])) if own.get(knob) else []
        moved = [_with_absolute(recipe) for recipe in recipes]
        if moved != recipes:
            texts[knob] = spelled(moved)
    return texts


def _with_absolute(recipe: Texture) -> Texture:
    path = _absolute(str(getattr(recipe, "images", "")))
    return knobs.replace(recipe, {"images": path}) if path else recipe


def _absolute(path: str) -> str:
    """The whole path of what lies in the working folder; "" for anything else (a SET of a scheme, a name)."""
    here = Path(path).expanduser() if path else None
    return (
        os.path.abspath(here)
        if here and path != INSTALLED and not here.is_absolute() and here.exists()
        else ""
    )


def preset_text(
    found: Mapping[str, str], said: str, source: str, extends: str, given: Iterable[str] = ()
) -> str:
    """A preset file (TOML) of what was found: what it extends and what changed.

    Args:
        found: knob → text. said: the preset's note. source: where the values come from, but for those of the
        knobs that were given. extends: see `parent`.
    """
    own = [knob for knob in found if knob not in set(given)]
    lines = [f"extends = {_quoted(extends)}", f"note = {_quoted(said)}"]
    lines += [f"knobs.{knob} = {_quoted(text)}" for knob, text in found.items()]
    lines += [f"sources.{knob} = {_quoted(source)}" for knob in own]
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
