"""Names that a shell completes: of metrics, features, knobs, layouts, presets, recipes. Nothing heavy is
imported for them.

The names of this package's own plug-ins are read from their sources as text (importing them loads NumPy,
OpenCV, PyAV); those of other packages from their entry points, which are not loaded. What cannot be read is
not completed. A test holds these names against the registries.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import tomllib
from collections.abc import Callable, Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

_BASE = "class "
"""What stands before a class that is no plug-in by that name."""


def completed(known: Callable[[], Iterable[str]]) -> Any:
    """The completion of an option or argument whose value is one of the names that `known()` gives."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return [n for n in known() if n.startswith(incomplete)]

    return complete


def completed_list(known: Callable[[], Iterable[str]]) -> Any:
    """The same for a comma-separated list: its last part is completed, with names that are not there yet."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        taken = before.split(",")
        return [f"{before}{comma}{n}" for n in known() if n.startswith(last) and n not in taken]

    return complete


def folder(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """A folder: the shell itself completes the path."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def networks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """What `--features` takes: words first, then a path behind `run=`, which the shell itself completes."""
    from click.shell_completion import CompletionItem

    if "run=" in incomplete:
        return [CompletionItem(incomplete, type="file")]
    return [word for word in ("random", "random,run=", "run=") if word.startswith(incomplete)]


def location(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """A SET: `preset:NAME`, `adapt:CHAIN` or `corrupt:NAME` where that is begun, else a path, which the shell
    itself completes.
    """
    from click.shell_completion import CompletionItem

    name, sign, rest = incomplete.rpartition("=")
    for scheme, known in (("preset:", presets), ("corrupt:", corruptions)):
        if rest.startswith(scheme):
            return [f"{name}{sign}{scheme}{n}" for n in known() if n.startswith(rest.removeprefix(scheme))]
    if rest.startswith("adapt:") and "?" not in rest:
        last = rest.removeprefix("adapt:").rpartition(",")[2]
        begun = incomplete.removesuffix(last)
        return [f"{begun}{n}" for n in operations() if n.startswith(last)]
    return [CompletionItem(incomplete, type="file")]


def metrics() -> list[str]:
    """Names of metrics, sorted."""
    return _names("metrics")


def features() -> list[str]:
    """Names of features, sorted."""
    return _names("features")


def layouts() -> list[str]:
    """What `--layout` takes."""
    return ["auto", *_keys("LAYOUTS", "video", "layouts.py"), *_keys("LIST_LAYOUTS", "video", "layouts.py")]


def schemes() -> list[str]:
    """Schemes of a location (`preset:…`)."""
    return _keys("SCHEMES", "sets.py")


def presets() -> list[str]:
    """Names of presets, in the order of their file."""
    try:
        text = _source("generators", "presets.toml").read_text("utf-8")
        return list(tomllib.loads(text))
    except (OSError, ValueError):
        return []


def protocols() -> list[str]:
    """What `--protocol` takes."""
    from synvid_eval.protocols import PROTOCOLS

    return list(PROTOCOLS)


def schemas() -> list[str]:
    """What `schema` takes."""
    from synvid_eval.schemas import SCHEMAS

    return list(SCHEMAS)


def formats() -> list[str]:
    """What `generate --format` takes."""
    return [*_keys("FORMATS", "video", "encode.py"), "webdataset"]


def backbones() -> list[str]:
    """What `train … --backbone` takes."""
    return ["vit", *_keys("_TITLES", "networks", "convnets.py")]


def methods() -> list[str]:
    """What `train pretrain --method` takes."""
    return _keys("METHODS", "training", "methods", "__init__.py")


def pretrained_by() -> list[str]:
    """What `correlate --method` takes, of the rows that `train` writes."""
    return [*methods(), "scratch"]


def recipes(method: str = "videomae") -> list[str]:
    """What `train pretrain --recipe` takes with a method."""
    if method == "videomae":
        return _keys("PRETRAINING", "training", "recipe.py")
    return ["paper-fractal", *_keys("SMALLER", "training", "methods", "viewed.py")]


def recipe(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The recipes of the method that is given."""
    return [n for n in recipes(ctx.params.get("method") or "videomae") if n.startswith(incomplete)]


def finetunings() -> list[str]:
    """What `train finetune --recipe` takes."""
    return _keys("FINETUNING", "training", "finetune.py")


def probings() -> list[str]:
    """What `train probe --recipe` takes."""
    return _keys("PROBING", "training", "probe.py")


def every_recipe() -> list[str]:
    """What `explain` calls recipes: their names, and those behind what has them (`moco:tiny`)."""
    owned = {
        **{method: recipes(method) for method in methods()},
        "finetune": finetunings(),
        "probe": probings(),
    }
    plain = dict.fromkeys(name for found in owned.values() for name in found)
    return [*plain, *(f"{owner}:{name}" for owner, found in owned.items() for name in found)]


def textures() -> list[str]:
    """Names of textures, sorted."""
    found = {p.name for p in importlib.metadata.entry_points(group="synvid_eval.textures")}
    try:
        files = [f.name for f in _source("generators").iterdir() if f.name.endswith(".py")]
    except OSError:
        return sorted(found)
    for file in files:
        for node in _classes("generators", file).values():
            if any(isinstance(base, ast.Name) and base.id == "Texture" for base in node.bases):
                found.add(_constant(node, "name"))
    return sorted(found - {""})


def operations() -> list[str]:
    """Names of operations that adapt clips, and of the published chain."""
    kinds = _classes("generators", "operations.py").values()
    return sorted({"published", *(_constant(node, "name") for node in kinds)} - {""})


def corruptions() -> list[str]:
    """Names of corruptions, sorted."""
    return _names("corruptions")


def explained() -> list[str]:
    """What `explain` takes."""
    other = [*layouts()[1:], "measured", *schemes(), *protocols(), *presets(), *corruptions(), "sampler"]
    trained = [*methods(), *backbones(), *every_recipe()]
    return sorted({*metrics(), *features(), *other, *trained})


def settings() -> list[str]:
    """What `--set` takes: `NAME.KNOB=`, and `NAME.KNOB=VALUE` where the values can be counted."""
    of_metric, of_feature = _plugins("metrics"), _plugins("features")
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for room in (of_metric, of_feature):
        for name, kind in room.items():
            found.setdefault(name, {}).update(_knobs(kind, room))
    for name, kind in of_metric.items():
        if used := of_feature.get(_constant(kind, "feature")):
            found[name] |= _knobs(used, of_feature)
    if sampler := _classes("video", "sampling.py").get("Sampler"):
        found["sampler"] = _knobs(sampler, {})
    out = []
    for name, knobs in sorted(found.items()):
        if not name.startswith(_BASE):
            for knob, values in knobs.items():
                out += [f"{name}.{knob}=", *(f"{name}.{knob}={v}" for v in values)]
    return out


def complete_setting(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """`--set`: knobs first, values once the knob is written."""
    fit = [s for s in settings() if s.startswith(incomplete)]
    return fit if "=" in incomplete else [s for s in fit if s.endswith("=")]


def _names(room: str) -> list[str]:
    points = importlib.metadata.entry_points(group=f"synvid_eval.{room}")
    own = [n for n in _plugins(room) if not n.startswith(_BASE)]
    return sorted({*own, *(p.name for p in points)})


def _source(*parts: str) -> Traversable:
    return resources.files("synvid_eval").joinpath("/".join(parts))


@functools.cache
def _tree(*parts: str) -> ast.Module:
    try:
        return ast.parse(_source(*parts).read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ast.Module([], [])


def _classes(*parts: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _tree(*parts).body if isinstance(node, ast.ClassDef)}


@functools.cache
def _plugins(room: str) -> dict[str, ast.ClassDef]:
    """Plug-ins of a room by name, and each of its classes, which others may derive from, as `class NAME`."""
    found: dict[str, ast.ClassDef] = {}
    try:
        files = sorted(f.name for f in _source(room).iterdir() if f.name.endswith(".py"))
    except OSError:
        return found
    for file in files:
        for name, node in _classes(room, file).items():
            found[f"{_BASE}{name}"] = node
            if called := _constant(node, "name"):
                found[called] = node
    return found


def _constant(node: ast.ClassDef, field: str) -> str:
    """The text that `field: ClassVar[str] = "…"` gives in a class; "" where there is none."""
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == field:
            value = line.value
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
    return ""


def _knobs(node: ast.ClassDef, room: dict[str, ast.ClassDef]) -> dict[str, tuple[str, ...]]:
    """Knob → its choices, of a class and of those it derives from in the same room."""
    found: dict[str, tuple[str, ...]] = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and (parent := room.get(f"{_BASE}{base.id}")):
            found |= _knobs(parent, room)
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            call = line.value
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "knob":
                found[line.target.id] = _choices(call)
    return found


def _choices(call: ast.Call) -> tuple[str, ...]:
    for keyword in call.keywords:
        if keyword.arg == "choices":
            try:
                return tuple(map(str, ast.literal_eval(keyword.value)))
            except (ValueError, TypeError):
                return ()
    return ()


def _keys(name: str, *parts: str) -> list[str]:
    """The keys of a dictionary that a module writes out under that name, or hands to what makes one of it."""
    for node in _tree(*parts).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Call) and value.args:
            value = value.args[0]
        if isinstance(value, ast.Dict) and any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return [str(k.value) for k in value.keys if isinstance(k, ast.Constant)]
    return []
