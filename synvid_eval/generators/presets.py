"""Presets: named configurations of generators, kept as data in `presets.toml` beside this file.

A preset names a generator, or `extends` another preset and says only what differs. Knobs stand there as on
the command line and are parsed and validated by the generator that declares them, when it is configured; so
listing presets loads no generator.

A preset file of one's own is such a document: one preset at its top level (`extends = "moving_shapes"`, named
by `name` or by the file), or several, each a table. It may also extend a preset of another file
(`extends = "mine.toml"`, `"sets/mine.toml#fast"`), whose path counts from its own folder.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from synvid_eval import knobs
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.generators import registry
from synvid_eval.generators.base import Generator

DEFAULT_CLIPS = 100
"""Clips of a preset set where `n` is not given: our choice, enough for every weight-free score to carry an
interval (contract §7: Fréchet distances from 100 clips) while a set is still measured in well under a
minute."""

NEEDS = ("images", "videos")
"""What a preset may need to be given."""

NESTED = ("palette", "textures", "stills", "adapt")
"""Knobs that name a palette, textures, or operations that adapt clips, which have knobs of their own."""

MOST_BYTES = 1 << 20
"""Larger preset files [bytes] are not read."""

MOST_FILES = 20
"""Preset files that extend each other in a row, at most."""

LISTED = "synvid-eval list presets"
"""The command that lists the presets that ship."""

_TEXTS = ("generator", "extends", "note", "family", "difference", "same_as")
_KEYS = (*_TEXTS, "clips", "needs", "adapt", "knobs", "sources")

_FILE = re.compile(r"(.+\.toml)(?:#([^/]*))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Preset:
    """A named configuration of a generator.

    name: what addresses its draws. generator: the generator's name (the parent's where only `extends` is
    given). own: the knobs this preset sets itself, as text. knobs: those and all inherited ones. extends: the
    parent's name or "". note: what it is and where it comes from, for readers. clips: default n of a set of
    it. family: kind of set. difference: what is changed against the parent, in words. needs: what must be
    given, of `NEEDS`. same_as: a preset that it cannot be told from, or "". sources: knob → where its value
    comes from (of those not set, where the default comes from). setters: knob → the preset that sets it.
    """

    name: str
    generator: str
    own: Mapping[str, str]
    knobs: Mapping[str, str]
    extends: str
    note: str
    clips: int = DEFAULT_CLIPS
    family: str = ""
    difference: str = ""
    needs: tuple[str, ...] = ()
    same_as: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    setters: Mapping[str, str] = field(default_factory=dict)

    def configured(self, **overrides: str) -> Generator:
        """The generator with this preset's knobs, then `overrides` (knob=text, as on the command line).

        Raises:
            UsageError: unknown generator or knob (names the nearest), a value that cannot be read or is out
            of range.
        """
        generator = registry.get(self.generator)()
        for knob in (*overrides, *self.knobs):
            if knob not in knobs.names(generator):
                raise UsageError(f"{self.name} has no knob {knob!r}.", nearest(knob, knobs.names(generator)))
        return knobs.replace(generator, {**self.knobs, **overrides})

    def changed(self, overrides: Mapping[str, str]) -> Preset:
        """The same, but with a note of the knobs that `overrides` change, where they change what is drawn:
        what was said of the preset, and what it is the same as, no longer hold then.

        Raises:
            UsageError: see `configured`.
        """
        before, after = knobs.recipe(self.configured()), knobs.recipe(self.configured(**overrides))
        other = {k: str(v) for k, v in after.items() if v != before[k]}
        return replace(self, note=_with(self.name, other), same_as="") if other else self

    @property
    def is_shipped(self) -> bool:
        """Whether it draws what the preset of its name draws that ships with the package; so what is
        published of that is of it, too.

        Raises:
            UsageError: see `configured`.
        """
        if self.name not in _shipped():
            return False
        mine, theirs = self.configured(), get(self.name).configured()
        return self.generator == get(self.name).generator and knobs.recipe(mine) == knobs.recipe(theirs)

    def resolved(self, overrides: Mapping[str, str] = _NOTHING) -> list[Value]:
        """Every knob of the configuration with its value and where that comes from, in declaration order.

        Raises:
            UsageError: see `configured`.
        """
        generator = self.configured(**overrides)
        found = []
        for declared in fields(generator):
            name = declared.name
            setter, source = self.setters.get(name, "default"), self.sources.get(name, "")
            if name in overrides:
                setter, source = "you", "given"
            found.append(_value(name, declared, getattr(generator, name), setter, source))
            if name in NESTED and (text := getattr(generator, name)):
                found += self._nested(name, text, setter, source)
        for knob in self.sources:
            if knob not in (known := [v.knob for v in found]) and knob.partition(".")[0] not in NESTED:
                raise UsageError(f"{self.name}: sources.{knob} is of no knob.", nearest(knob, known))
        return found

    def _nested(self, name: str, text: str, setter: str, source: str) -> Iterator[Value]:
        """The knobs of the palette, textures or operations that a knob names, as `textures.stylegan.sigma`:
        those that are not at their default were set by what set the textures, unless a source says otherwise.
        """
        from synvid_eval.generators import adapting, palette, pool

        parts: Sequence[Any]
        if name == "palette":
            parts = [palette.parsed(text)]
        else:
            parts = adapting.parsed(text).operations if name == "adapt" else pool.recipes(text)
        named = [part.name for part in parts]
        for number, recipe in enumerate(parts):
            # an operation may be there more than once
            again = f"#{named[:number].count(recipe.name) + 1}" if recipe.name in named[:number] else ""
            for declared in fields(recipe):
                value, knob = getattr(recipe, declared.name), f"{name}.{recipe.name}{again}.{declared.name}"
                own = value != declared.default
                said = "" if setter == "you" else self.sources.get(knob, "")
                told = said or (source if own else "")
                yield _value(knob, declared, value, setter if own else "default", told)


@dataclass(frozen=True)
class Value:
    """A knob of a configuration, or of a palette or texture in it (`textures.stylegan.sigma`). value: as the
    generator has it. source: where the value comes from (paper, released code, our choice; yours, where it
    says where things lie). setter: the preset that sets it, "default" or "you". allowed: range or choices.
    about: what it means. type: see `knobs.type_of`. scale: of `knobs.SCALES`.
    """

    knob: str
    value: Any
    unit: str
    source: str
    setter: str
    allowed: str
    about: str
    type: str
    scale: str

    @property
    def shown(self) -> str:
        """The value for readers, with its unit: of palettes, textures and operations the names only, since
        their knobs are values of their own; "-" for nothing.
        """
        text = f"{self.value:g}" if isinstance(self.value, float) else str(self.value)
        if self.knob in NESTED:
            text = re.sub(r"\([^()]*\)", "", text)
        elif isinstance(self.value, bool):
            text = text.lower()
        return f"{text or '-'} {self.unit}".strip()


def _with(name: str, settings: Mapping[str, str]) -> str:
    return f"{name} with {', '.join(f'{knob}={text}' for knob, text in settings.items())}"


def _value(knob: str, declared: Field[Any], value: Any, setter: str, source: str) -> Value:
    """A knob as declared, with a value. source: "" for where the default comes from."""
    meta = declared.metadata
    if meta.get("choices") is not None:
        allowed = " | ".join(map(str, meta["choices"]))
    elif meta.get("low") is None and meta.get("high") is None:
        allowed = "true | false" if isinstance(declared.default, bool) else "text"
    else:
        allowed = knobs.bounds(meta.get("low"), meta.get("high"))
    return Value(
        knob,
        value,
        meta.get("unit", ""),
        source or meta.get("source") or "not said",
        setter,
        allowed,
        meta.get("help", ""),
        knobs.type_of(declared),
        meta.get("scale", "linear"),
    )


def names() -> list[str]:
    """Names of the presets that ship with the package, in the order of the file (a progression)."""
    return list(_shipped())


def get(name: str) -> Preset:
    """The shipped preset of that name; UsageError names the nearest known one."""
    if name not in _shipped():
        raise UsageError(f"No preset is called {name!r}.", nearest(name, _shipped(), LISTED))
    return _shipped()[name]


def find(text: str) -> Preset:
    """The preset that a text names: `NAME`, `FILE.toml`, or `FILE.toml#NAME` where a file has several.

    Raises:
        UsageError: no such preset, or see `read`. DataError: a file that is missing or cannot be read.
    """
    place = _FILE.fullmatch(text)
    if place is None or text in _shipped():
        if os.sep in text:
            raise UsageError(f"{text[:200]!r} is no preset.", "A preset file ends in .toml.")
        return get(text)
    return _of_file(place[1], place[2])


def _of_file(file: str, name: str | None, within: tuple[str, ...] = ()) -> Preset:
    """The preset of that name in a file, or its only one. within: as of `read_file`."""
    found = read_file(Path(os.path.expanduser(file)), within)
    if name:
        if name not in found:
            raise UsageError(f"{file} has no preset {name!r}.", nearest(name, found))
        return found[name]
    if len(found) != 1:
        seen = f"{len(found)} presets" if found else "no preset"
        raise UsageError(
            f"{file} holds {seen}.",
            f"Say which: {file}#{next(iter(found))}." if found else 'Such as: extends = "moving_shapes".',
        )
    return next(iter(found.values()))


def read_file(path: Path, within: tuple[str, ...] = ()) -> dict[str, Preset]:
    """The presets of a file of one's own, which may extend those that ship (see `read`) and those of other
    files.

    Args:
        within: the files that extend this one, the last one directly.

    Raises:
        DataError: the file is missing or no regular file, too large, or cannot be read. UsageError: see
        `read`.
    """
    try:
        here = os.path.realpath(path)
    except ValueError as error:
        raise DataError(f"The preset file {path} cannot be read: {error}.", "Check the path.") from None
    if here in within:
        names = " → ".join(os.path.basename(one) for one in (*within[within.index(here) :], here))
        raise UsageError(f"Preset files extend each other in a circle: {names}.")
    if len(within) >= MOST_FILES:
        raise UsageError(f"More than {MOST_FILES} preset files extend each other.")

    def elsewhere(name: str) -> Preset | None:
        place = _FILE.fullmatch(name)
        if place is None:
            return None
        return _of_file(os.path.join(path.parent, os.path.expanduser(place[1])), place[2], (*within, here))

    try:
        if not path.exists():
            raise DataError(f"The preset file {path} does not exist.", "Check the path.")
        if not stat.S_ISREG(path.stat().st_mode):  # a FIFO would be waited for
            raise DataError(f"{path} is no file.", "A preset file is a text file in TOML.")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"The preset file {path} cannot be read: {reason}.", "Check the path.") from None
    if len(data) > MOST_BYTES:
        raise DataError(f"{path} is larger than {MOST_BYTES:,} bytes: no preset file.", "Check the path.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no UTF-8 text.", "A preset file is a text file in TOML.") from None
    return read(text, path.name, _shipped(), path.stem, elsewhere)


def read(
    text: str,
    where: str,
    known: Mapping[str, Preset] = MappingProxyType({}),
    stem: str = "",
    elsewhere: Callable[[str], Preset | None] = lambda name: None,
) -> dict[str, Preset]:
    """The presets that a TOML document defines, in its order.

    Args:
        text: the document. where: its name, for messages. known: presets that `extends` may also name; one
        that the document names the same extends that one. stem: what a preset at the top level is called
        where it has no `name`. elsewhere: the preset of another file that `extends` names; None where it
        names no file.

    Raises:
        UsageError: no TOML, a key or type that means nothing, a name that cannot be one, an unknown parent,
        parents in a circle.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"{where} is no TOML: {reason[:200]}") from None
    if any(isinstance(tables.get(key), str) for key in ("extends", "generator")):
        tables = {str(tables.pop("name", stem)): tables}
    elif {*_KEYS, "name"} & tables.keys() and not any(
        isinstance(value, dict) and {"extends", "generator"} & value.keys() for value in tables.values()
    ):  # a preset at the top level that forgot what it is of, not one that is called "knobs"
        raise UsageError(
            f"{where} must name either a generator or the preset it extends.",
            'Such as: extends = "moving_shapes".',
        )
    for name in tables:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{where}: {name[:100]!r} cannot be a preset's name.",
                "Up to 100 of the letters a–z, A–Z, digits, _ . -; a file's own is used unless it says name.",
            )
    found: dict[str, Preset] = {}

    def resolve(name: str, path: tuple[str, ...]) -> Preset:
        if name in path:
            if name in known and path[-1] == name:
                return known[name]
            raise UsageError(f"{where}: presets extend each other in a circle: {' → '.join((*path, name))}.")
        if name not in found:
            if name not in tables:
                if name in known:
                    return known[name]
                if (other := elsewhere(name)) is not None:
                    return other
                hint = nearest(name, {*tables, *known}, LISTED)
                raise UsageError(f"{where}: {path[-1]} extends {name[:100]!r}, which does not exist.", hint)
            if len(path) > 100:
                raise UsageError(f"{where}: more than 100 presets extend each other.")
            found[name] = _preset(name, tables[name], where, lambda parent: resolve(parent, (*path, name)))
        return found[name]

    return {name: resolve(name, ()) for name in tables}


def _preset(name: str, table: Any, where: str, resolve: Any) -> Preset:
    label = f"{where}: preset {name!r}"
    if not isinstance(table, dict):
        raise UsageError(f"{label} is no table.", f"It takes [{name}] with: {', '.join(_KEYS)}.")
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageError(f"{label} has an unknown key {key[:100]!r}.", _meant(key, value))
    own, clips, needs = table.get("knobs", {}), table.get("clips"), table.get("needs")
    if not isinstance(own, dict):
        raise UsageError(
            f"{label}: knobs takes name = value, not {_shortly(own)}.", 'As in knobs.speed = "2:6".'
        )
    if "adapt" in table:
        if "adapt" in own:
            raise UsageError(f"{label} says adapt twice.", "As adapt or as knobs.adapt.")
        own = {**own, "adapt": table["adapt"]}
    own = {knob: ",".join(value) if _is_chain(knob, value) else value for knob, value in own.items()}
    for knob, value in own.items():
        if not isinstance(value, (str, int, float)):
            hint = f'Such as {knob[:100]} = "{_as_range(value)}".' if _as_range(value) else ""
            seen = f"{label}: knobs.{knob[:100]} = {_shortly(value)} is neither a text nor a number."
            raise UsageError(seen, hint)
    sources = table.get("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(v, str) for v in sources.values()):
        raise UsageError(f"{label}: sources takes name = text, of knobs.")
    if any(not isinstance(table.get(key, ""), str) for key in _TEXTS):
        raise UsageError(f"{label}: {', '.join(_TEXTS[:-1])} and {_TEXTS[-1]} are texts.")
    if clips is not None and (not isinstance(clips, int) or isinstance(clips, bool) or clips < 1):
        raise UsageError(f"{label}: clips={clips} is out of range.", "It takes a whole number from 1.")
    if needs is not None and (not isinstance(needs, list) or any(n not in NEEDS for n in needs)):
        raise UsageError(f"{label}: needs is not what it can be.", f"A list of: {', '.join(NEEDS)}.")
    if "generator" not in table and "extends" not in table:
        raise UsageError(f"{label} must name either a generator or the preset it extends.")
    own = {knob: str(value) for knob, value in own.items()}
    told = {**dict.fromkeys(own, where), **sources}
    parent: Preset | None = resolve(table["extends"]) if "extends" in table else None
    before = parent or Preset(name, "", {}, {}, "", "")
    other = {knob: text for knob, text in own.items() if before.knobs.get(knob) != text}
    if table.get("generator", before.generator) != before.generator:
        other = {"generator": table["generator"], **other}
    inherited = _with(before.name, other) if parent and other else before.note
    return Preset(
        name=name,
        generator=table.get("generator", before.generator),
        own=own,
        knobs={**before.knobs, **own},
        extends=parent.name if parent else "",
        note=table.get("note", inherited),
        clips=clips or before.clips,
        family=table.get("family", before.family),
        difference=table.get("difference", ""),
        needs=before.needs if needs is None else tuple(needs),
        same_as=table.get("same_as", ""),
        sources={**before.sources, **told},
        setters={**before.setters, **dict.fromkeys(own, name)},
    )


def _meant(key: str, value: Any) -> str:
    """A hint for a key that a preset does not have: it may be a knob's, which stands below `knobs`."""
    every = {knob for name in registry.names() for knob in knobs.names(registry.get(name))}
    close = difflib.get_close_matches(key.lower(), sorted({*every, *_KEYS}), n=1, cutoff=0.6)
    if close and close[0] in every:
        text = value if _is_chain(close[0], value) else _as_range(value) or value
        plain = isinstance(text, (str, int, float)) or _is_chain(close[0], value)
        said = json.dumps(text, ensure_ascii=False)[:100] if plain else "…"
        return f"A knob stands below knobs: knobs.{close[0]} = {said}."
    hint = nearest(key[:100], _KEYS if key == "name" else ("name", *_KEYS))
    return f'{hint} A knob stands below knobs: knobs.speed = "2:6".'


def _is_chain(knob: str, value: Any) -> bool:
    """Whether a list is that of the operations of `adapt`."""
    return knob == "adapt" and isinstance(value, list) and all(isinstance(part, str) for part in value)


def _as_range(value: Any) -> str:
    """Two numbers in a list as the text of a range; "" for anything else."""
    numbers = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)
    return f"{value[0]}:{value[1]}" if numbers else ""


def _shortly(value: Any) -> str:
    return (json.dumps(value, ensure_ascii=False, default=str))[:60]


def settings(texts: Sequence[str]) -> dict[str, str]:
    """`--set KNOB=VALUE` of a preset, as knob → text; UsageError for what is no such pair, or there twice."""
    found: dict[str, str] = {}
    for text in texts:
        knob, sign, value = text.partition("=")
        knob = knob.strip()
        if not sign or not knob:
            raise UsageError(f"--set {text[:100]} cannot be read.", "It is KNOB=VALUE, such as speed=2:6.")
        if knob in found:
            raise UsageError(f"--set gives {knob} twice.", "Give it once.")
        found[knob] = value
    return found


@functools.lru_cache(maxsize=1)
def _shipped() -> dict[str, Preset]:
    text = resources.files("synvid_eval.generators").joinpath("presets.toml").read_text("utf-8")
    return read(text, "presets.toml")
