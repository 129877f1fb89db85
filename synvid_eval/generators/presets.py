"""Presets: named configurations of generators, kept as data in `presets.toml` beside this file.

A preset names a generator, or `extends` another preset and says only what differs. Knobs stand there as on
the command line and are parsed and validated by the generator that declares them, when it is configured; so
listing presets loads no generator.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from synvid_eval import knobs
from synvid_eval.errors import UsageError, nearest
from synvid_eval.generators import registry
from synvid_eval.generators.base import Generator

DEFAULT_CLIPS = 100
"""Clips of a preset set where `n` is not given: our choice, enough for every weight-free score to carry an
interval (contract §7: Fréchet distances from 100 clips) while a set is still measured in well under a
minute."""

_KEYS = ("generator", "extends", "note", "clips", "knobs")


@dataclass(frozen=True)
class Preset:
    """A named configuration of a generator.

    name: what addresses its draws. generator: the generator's name (the parent's where `extends` is given).
    own: the knobs this preset sets itself, as text. knobs: those and all inherited ones. extends: the
    parent's name or "". note: what it is and where it comes from, for readers. clips: default n of a set of
    it.
    """

    name: str
    generator: str
    own: Mapping[str, str]
    knobs: Mapping[str, str]
    extends: str
    note: str
    clips: int = DEFAULT_CLIPS

    def configured(self, **overrides: str) -> Generator:
        """The generator with this preset's knobs, then `overrides` (knob=text, as on the command line).

        Raises:
            UsageError: unknown generator or knob (names the nearest), a value that cannot be read or is out
            of range.
        """
        generator = registry.get(self.generator)()
        unknown = [knob for knob in overrides if knob not in knobs.names(generator)]
        if unknown:
            raise UsageError(
                f"{self.name} has no knob {unknown[0]!r}.", nearest(unknown[0], knobs.names(generator))
            )
        return knobs.replace(generator, {**self.knobs, **overrides})


def names() -> list[str]:
    """Names of the presets that ship with the package, in the order of the file (a progression)."""
    return list(_shipped())


def get(name: str) -> Preset:
    """The shipped preset of that name; UsageError names the nearest known one."""
    if name not in _shipped():
        raise UsageError(f"No preset is called {name!r}.", nearest(name, _shipped()))
    return _shipped()[name]


def read(text: str, where: str, known: Mapping[str, Preset] = MappingProxyType({})) -> dict[str, Preset]:
    """The presets that a TOML document defines, in its order.

    Args:
        text: the document. where: its name, for messages. known: presets that `extends` may also name.

    Raises:
        UsageError: no TOML, a key or type that means nothing, an unknown parent, parents in a circle.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is no TOML: {error}") from None
    found: dict[str, Preset] = {}

    def resolve(name: str, path: tuple[str, ...]) -> Preset:
        if name in path:
            raise UsageError(f"{where}: presets extend each other in a circle: {' → '.join((*path, name))}.")
        if name not in found:
            if name not in tables:
                if name in known:
                    return known[name]
                hint = nearest(name, {*tables, *known})
                raise UsageError(f"{where}: {path[-1]} extends {name!r}, which does not exist.", hint)
            found[name] = _preset(name, tables[name], where, lambda parent: resolve(parent, (*path, name)))
        return found[name]

    return {name: resolve(name, ()) for name in tables}


def _preset(name: str, table: Any, where: str, resolve: Any) -> Preset:
    label = f"{where}: preset {name!r}"
    if not isinstance(table, dict):
        raise UsageError(f"{label} is no table.", f"It takes [{name}] with: {', '.join(_KEYS)}.")
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{label} has an unknown key {key!r}.", nearest(key, _KEYS))
    own, clips = table.get("knobs", {}), table.get("clips")
    if not isinstance(own, dict) or not all(isinstance(v, (str, int, float)) for v in own.values()):
        raise UsageError(f"{label}: knobs takes name = value, each a text or a number.")
    if any(not isinstance(table.get(key, ""), str) for key in ("generator", "extends", "note")):
        raise UsageError(f"{label}: generator, extends and note are texts.")
    if clips is not None and (not isinstance(clips, int) or isinstance(clips, bool) or clips < 1):
        raise UsageError(f"{label}: clips={clips} is out of range.", "It takes a whole number from 1.")
    if ("generator" in table) == ("extends" in table):
        raise UsageError(f"{label} must name either a generator or the preset it extends.")
    own = {knob: str(value) for knob, value in own.items()}
    if "extends" not in table:
        return Preset(name, table["generator"], own, own, "", table.get("note", ""), clips or DEFAULT_CLIPS)
    parent: Preset = resolve(table["extends"])
    merged = {**parent.knobs, **own}
    return Preset(
        name,
        parent.generator,
        own,
        merged,
        parent.name,
        table.get("note", parent.note),
        clips or parent.clips,
    )


@functools.lru_cache(maxsize=1)
def _shipped() -> dict[str, Preset]:
    text = resources.files("synvid_eval.generators").joinpath("presets.toml").read_text("utf-8")
    return read(text, "presets.toml")
