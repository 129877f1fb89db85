"""What trains, explained: methods of pre-training, recipes, backbones, from what declares them.

A recipe's name may be of several trainings: `tiny` alone says which, and how each differs from another recipe
of its training; `moco:tiny`, `finetune:tiny`, `probe:paper` give one in full.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from typing import Any

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.explanation.parts import (
    TIMED,
    Constant,
    Explanation,
    allowed_of,
    essay_of,
    least_time,
    split,
)
from synvid_eval.networks import backbones, convnets, videomae
from synvid_eval.networks.backbones import Backbone
from synvid_eval.training import finetune, methods, probe, recipe
from synvid_eval.training.recipe import OnClips, Optimization, Recipes
from synvid_eval.video import layouts


def owners() -> dict[str, Recipes[Any]]:
    """What has recipes → these: a method of pre-training by its name, `finetune`, `probe`."""
    pretraining = {name: methods.named(name).recipes for name in methods.METHODS}
    return {**pretraining, finetune.KIND: finetune.FINETUNING, probe.KIND: probe.PROBING}


def recipe_names() -> list[str]:
    """Recipes' names, alone and behind what has them, each once."""
    found = [(owner, name) for owner, recipes in owners().items() for name in recipes]
    return list(dict.fromkeys([*(name for _, name in found), *(f"{owner}:{name}" for owner, name in found)]))


def asked(owner: str) -> str:
    """The command that has an owner's recipes."""
    return f"train {owner}" if owner not in methods.METHODS else f"train pretrain --method {owner}"


def difference(recipes: Recipes[Any], name: str) -> tuple[str, dict[str, Any]]:
    """The recipe before it that a recipe is nearest to, and knob → value of what is otherwise; ("", {}) for
    the first one.
    """
    before = list(recipes)[: list(recipes).index(name)]
    own = knobs.values(recipes[name])
    others = {
        other: {key: value for key, value in own.items() if knobs.values(recipes[other])[key] != value}
        for other in before
    }
    return min(others.items(), key=lambda item: len(item[1]), default=("", {}))


def difference_text(recipes: Recipes[Any], name: str) -> str:
    """`difference` for people."""
    other, changed = difference(recipes, name)
    return f"as {other}, but {', '.join(f'{k}={v}' for k, v in changed.items())}" if other else "of its own"


def source(recipes: Recipes[Any], name: str, knob: str) -> str:
    """Where a recipe's value of a knob comes from: as the knob declares it for its default; of another value
    as the recipe does.
    """
    of = recipes[name]
    (field,) = [f for f in dataclasses.fields(of) if f.name == knob]
    declared = str(field.metadata.get("source") or "")
    if getattr(of, knob) == field.default and (name not in recipes.apart or declared == recipe.OURS):
        return declared
    return recipes.sources.get(name, declared)


def recipes_called(name: str) -> Explanation:
    """A recipe in full, or, of a name that several trainings have, what each of them means by it."""
    owner, _, own = name.rpartition(":")
    having = [owner] if owner else [o for o, recipes in owners().items() if name in recipes]
    if len(having) == 1:
        return _recipe(name, having[0], own)
    facts = {}
    for one in having:
        chosen, network = recipe.chosen(owners()[one], own, ())
        said = f"{asked(one)} --recipe {own}: {_network(chosen, network)}, {_how_much(chosen)}"
        facts[one] = f"{said}; {difference_text(owners()[one], own)}"
    facts["in full"] = ", ".join(f"synvid-eval explain {o}:{own}" for o in having)
    essay = (
        "Several trainings have a recipe of this name, each its own. "
        f"`synvid-eval explain {having[0]}:{own}` gives one in full: every knob, its value, range and "
        "source."
    )
    return Explanation(name, "recipe", f"Recipes called {own}, of {', '.join(having)}.", facts, essay)


def _recipe(name: str, owner: str, own: str) -> Explanation:
    recipes = owners()[owner]
    chosen, network = recipe.chosen(recipes, own, ())
    facts = {
        "ask for it": f"{asked(owner)} --recipe {own}",
        "differs": difference_text(recipes, own),
    }
    if others := recipes.fitted.get(own, {}):
        facts["other backbones"] = "; ".join(
            f"{at}: {' '.join(settings)}" for at, settings in others.items() if at != network.backbone
        )
    room = _declared_in(chosen)
    facts["learning rates"] = f"for {recipe.PER} clips a step, in proportion to the batch"
    constants = []
    for field in dataclasses.fields(chosen):
        whence = source(recipes, own, field.name)
        value = getattr(chosen, field.name)
        if value != getattr(recipes[own], field.name):
            whence = f"beside the recipe, for {network.backbone}"
        meaning, allowed = str(field.metadata.get("help") or ""), allowed_of(field.metadata)
        constants.append(Constant(owner, field.name, value, allowed, "", meaning, whence))
    about = f"A recipe of synvid-eval {asked(owner)}: {_network(chosen, network)}, {_how_much(chosen)}."
    return Explanation(name, "recipe", about, facts, _text(room), constants)


def method(name: str) -> Explanation:
    """A method of pre-training."""
    found = methods.named(name)
    about, essay = essay_of(type(found))
    first, published = next(iter(found.recipes.items()))
    shared = _declared_in(published)
    if shared != recipe.__name__:
        essay = "\n\n".join(part for part in (essay, _text(shared)) if part)
    facts = {
        "ask for it": f"train pretrain SET --method {name}" + (" (or nothing)" * (name == methods.DEFAULT)),
        "recipes": f"{', '.join(found.recipes)} (--recipe {found.default} without; see: explain "
        f"{name}:{found.default})",
        "backbones": ", ".join(at for at in backbones.NAMES if _trains(name, at)),
        "passes": "part of it: a smaller micro, or another number of devices, is another training"
        if found.binds
        else "no part of it: a smaller micro changes last digits",
        "time": "train pretrain … --dry-run tells time and memory, from a try",
    }
    common = {field.name for field in dataclasses.fields(OnClips)}
    constants = [
        Constant(f"{name}:{first}", f.name, f.default, allowed_of(f.metadata), "",
                 str(f.metadata.get("help") or ""), str(f.metadata.get("source") or ""))
        for f in dataclasses.fields(published)
        if f.name not in common
    ]  # fmt: skip
    return Explanation(name, "method", about, facts, essay, constants)


def backbone(name: str, timed: bool) -> Explanation:
    """A network of clips."""
    found = backbones.named(name)
    room = videomae if name == backbones.VIT else convnets
    moments = layouts.count_of(found.moments, "moment")
    facts = {
        "ask for it": f"train pretrain … --backbone {name}; of finetune and probe, scratch --backbone {name}",
        "input": f"{found.frames} frames of {found.image} px",
        "gives": f"{found.tokens:,} tokens of {found.width:,} values, for {moments}",
        "layers": f"{found.depth}, that learning rates can fall over",
    }
    if name == backbones.VIT:
        sizes = (f"{size}: {of.said}, {of.image} px" for size, of in videomae.SIZES.items())
        facts["sizes"] = f"{'; '.join(sizes)} (--set size=NAME)"
    facts["methods"] = ", ".join(one for one in methods.METHODS if _trains(one, name))
    facts["recipes"] = (
        ", ".join(
            f"{owner}:{own}"
            for owner, recipes in owners().items()
            for own, of in recipes.items()
            if of.backbone == name
        )
        or "none of its own: recipes take it by --backbone"
    )
    constants = [
        Constant(f"network ({name})", f.name, getattr(found, f.name), allowed_of(f.metadata),
                 str(f.metadata.get("unit") or ""), str(f.metadata.get("help") or ""))
        for f in dataclasses.fields(found)  # type: ignore[arg-type]
        if f.name != "backbone" and f.name not in found.unused
    ]  # fmt: skip
    about = f"{found.title}: {found.said.removeprefix(f'{found.title}, ')}, {facts['input']}."
    return Explanation(
        name, "backbone", about, facts, _text(room.__name__), constants, _passing(found) if timed else ""
    )


def _passing(network: Backbone) -> str:
    """How many weights a backbone has, and what a pass of one clip takes, timed now."""
    try:
        import torch
        import transformers  # noqa: F401
    except ModuleNotFoundError as error:
        return f"What a pass takes cannot be timed: {error.name} is not installed"
    said = ""
    weights = _weights(network)
    if network.backbone == backbones.VIT:
        tiny = videomae.SIZES["tiny"]
        network, said = tiny, f" of size tiny ({_weights(tiny) / 1e6:.3g} million)"
    module = network.encoder()
    clips = torch.zeros(1, network.frames, 3, network.image, network.image)
    with torch.inference_mode():
        took = least_time(lambda: module(clips), 2, TIMED)
    return (
        f"{weights / 1e6:.3g} million weights. An encoder{said} takes {1000 * took:.0f} ms for a clip, "
        f"forwards, on {torch.get_num_threads()} core{'s' * (torch.get_num_threads() > 1)} of this machine "
        "(the least of several, timed now)"
    )


def _weights(network: Backbone) -> int:
    """Values of an encoder's tensors."""
    import math

    return sum(math.prod(shape) for shape in network.shapes().values())


def _trains(name: str, at: str) -> bool:
    """Whether a method can train a backbone, by its own recipes."""
    found = methods.named(name)
    try:
        chosen, network = recipe.chosen(found.recipes, found.default, (), at)
        found.check(chosen, network)
    except UsageError:
        return False
    return True


def _network(chosen: Optimization, network: Backbone) -> str:
    size = "" if network.size is None else f" {network.size}"
    return f"{network.title}{size}, {network.frames} frames of {network.image} px"


def _how_much(chosen: Optimization) -> str:
    if getattr(chosen, "head", "") == "knn":
        return "nothing learns"
    epochs = f"{chosen.epochs:,} epochs" if chosen.epochs > 1 else "one epoch"
    of = f" of {chosen.clips:,} clips" if isinstance(chosen, OnClips) else ""
    return f"{epochs}{of}, {chosen.batch:,} clips a step"


def _declared_in(chosen: Optimization) -> str:
    """The module whose text is about a recipe: that of a method is about the method, so the one below it."""
    rooms = [kind.__module__ for kind in type(chosen).__mro__ if issubclass(kind, Optimization)]
    own = {f"{methods.__name__}.{module}" for module in methods.METHODS.values()}
    return next(room for room in rooms if room not in own)


def _text(room: str) -> str:
    """The text of a module, whole."""
    module = sys.modules.get(room) or importlib.import_module(room)
    return "\n\n".join(part for part in split(module.__doc__ or "") if part)
