"""Pre-training of a network on drawn or real clips, by any method (`methods`): what is trained on what, the
run's folder, what is said of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from synvid_eval import __version__, adapted, knobs, sets
from synvid_eval.archive import write_bytes
from synvid_eval.errors import SynvidEvalError, UsageError
from synvid_eval.generators import Clips, presets, registry
from synvid_eval.measurement import Options
from synvid_eval.networks import backbones
from synvid_eval.networks.backbones import Backbone
from synvid_eval.networks.videomae import Architecture
from synvid_eval.training import data, engine, methods, recipe, splits
from synvid_eval.training.data import Batches, DrawnClips, Source
from synvid_eval.training.methods.base import LEFT, NONE, OWN
from synvid_eval.training.recipe import OnClips
from synvid_eval.training.run_folder import CARD, Config, RunFolder
from synvid_eval.video.layouts import count_of

KIND = "pretrain"

ENDS = 10
"""Steps that the first and the last loss of a run are means of."""


def opened(
    location: str,
    chosen: OnClips,
    network: Backbone,
    options: Options,
    chains: tuple[str, ...] = (),
    given: Collection[str] = (),
    labels: bool = False,
    **found: Any,
) -> tuple[Source, OnClips]:
    """What is trained on: a preset's clips (`NAME`, `FILE.toml`, `preset:…`), or those of any SET; and the
    recipe as it is for them: without a curriculum, unless that was asked for, where nothing is adapted.

    chains: what adapts each view (`Method.adapts`). given: knobs of the recipe that were asked for, not its
    own. labels: whether classes are learned. found: keywords of `sets.open_set` that say where clips lie.

    Raises UsageError and DataError as `sets.open_set` does; UsageError: clips that are adapted already, knobs
    that mean nothing for them, classes that lists alone know (`splits.check_classes`).
    """
    adapting = any(chain not in LEFT for chain in chains)
    asked = {"seed": options.seed, "decode_timeout": options.decode_timeout, **found}
    ((name, place),) = sets.name_sets([location])
    place = _as_set(place)
    if place.startswith("preset:"):
        preset, said = sets.preset_parts(place)
        for key, knob in (("n", "clips"), ("classes", "classes")):
            if key in said and knob in given:
                raise UsageError(
                    f"{location} says {key}={said[key]}, and --set {knob}={getattr(chosen, knob)}.",
                    "Give one of them.",
                )
        count = sets.whole_number(said.get("n", str(chosen.clips)), "n", location, 1)
        brought = {key: found[key] for key in ("images", "videos") if found.get(key) is not None}
        own = {**brought, **{key: value for key, value in said.items() if key not in ("n", "seed")}}
        if chosen.drawn:
            sides = {"size", "height", "width"} & {*knobs.names(registry.get(preset.generator))}
            own = {**dict.fromkeys(sorted(sides), str(chosen.drawn)), **own}
        classes, there = getattr(chosen, "classes", 0), preset.configured(**own)
        if 0 < classes < getattr(there, "classes", 0) and "classes" not in said:
            own = {**own, "classes": str(classes)}
        if "videos" not in sets.needs(there):
            if any(value not in (None, False, "auto") for value in found.values()):
                sets.open_set(f"preset:{preset.name}?{urlencode(said | {'n': '1'})}", **asked)  # refuses
            seed = sets.whole_number(said.get("seed", str(options.seed)), "seed", location, 0)
            _check_chains(location, chains, bool(there.adapt))
            chosen = _settled(location, chosen, chains, given, adapting or bool(there.adapt))
            return _drawn(place, chosen, network, count, seed, own, chains), chosen
        if "n" not in said:
            place += f"{'&' if '?' in place else '?'}n={count}"
    elif idle := [knob for knob in ("clips", "drawn", "classes") if knob in given]:
        raise UsageError(
            f"--set {idle[0]}={getattr(chosen, idle[0])} means nothing for {location}: it is for presets.",
            "A set is taken as it is: give a folder or a list of fewer clips."
            if idle[0] == "clips"
            else "Leave it away.",
        )
    if chosen.fresh or (chosen.curriculum and not chains):
        knob = "fresh" if chosen.fresh else "curriculum"
        raise UsageError(f"{knob} means nothing for {location}.", "It is for presets without a real part.")
    videos = sets.open_set(place, name=name, **asked)
    if labels:
        splits.check_classes(videos)
    there_too = any(clip.kind == adapted.KIND for clip in videos.clips)
    _check_chains(location, chains, there_too)
    chosen = _settled(location, chosen, chains, given, adapting or there_too)
    sampling = {"frames": network.frames, "stride": chosen.stride, "short": chosen.short}
    files = data.read(videos, options, seed=options.seed, **sampling)
    if not adapting:
        return files.viewed((), chosen.curriculum), chosen
    from synvid_eval.generators.adapting import parsed

    views = [
        files.videos if chain == NONE else adapted.adapted(files.videos, parsed(chain), options.seed)
        for chain in chains
    ]
    return files.viewed(views, chosen.curriculum), chosen


def _check_chains(location: str, chains: tuple[str, ...], there: bool) -> None:
    """UsageError where clips that are adapted already (`there`) are not left as they are."""
    if there and any(chain != OWN for chain in chains):
        recipe = "adapts, too" if any(chain != NONE for chain in chains) else "says adapt=none"
        raise UsageError(
            f"{location} is adapted already, and the recipe {recipe}.",
            "Leave it to one of them: --set adapt=own, or a set that is not adapted.",
        )


def _settled(
    location: str, chosen: OnClips, chains: tuple[str, ...], given: Collection[str], adapts: bool
) -> OnClips:
    """The recipe without a curriculum where there are views and nothing adapts them; UsageError where one was
    asked for.
    """
    if adapts or not chains or not chosen.curriculum:
        return chosen
    if "curriculum" in given:
        raise UsageError(
            f"curriculum={chosen.curriculum} means nothing: {location} is not adapted.",
            "Say by what, such as --set adapt=published.",
        )
    return dataclasses.replace(chosen, curriculum=0)


def check_settings(location: str, chosen: OnClips, settings: Sequence[str]) -> None:
    """Refuses, by a UsageError that says where it is set, a knob that a preset has and a recipe of that kind
    has not.
    """
    try:
        preset, _ = sets.preset_parts(_as_set(location))
        of_preset = {*knobs.names(registry.get(preset.generator))}
    except SynvidEvalError:
        return  # no preset, or one whose own mistake is told when it is opened
    for setting in settings:
        key, sign, value = setting.partition("=")
        if sign and key in of_preset and key not in knobs.names(chosen):
            mark = "&" if "?" in location else "?"
            place = location if location.startswith("preset:") else f"preset:{location}"
            raise UsageError(
                f"--set {setting}: a recipe has no knob {key!r}, the preset {preset.name} has.",
                f'Give "{place}{mark}{key}={value}" as the SET.',
            )


def _as_set(location: str) -> str:
    """A preset's bare name or file as `preset:…`; other locations as they are."""
    if sets.is_uri(location) or (os.path.lexists(location) and not location.endswith(".toml")):
        return location
    if os.sep in location and not location.endswith(".toml"):
        return location  # a path that is missing
    try:
        presets.find(location)
    except UsageError as error:
        raise UsageError(f"{location} is neither a preset nor a path that exists.", error.hint) from None
    return f"preset:{location}"


def _drawn(
    place: str,
    chosen: OnClips,
    network: Backbone,
    count: int,
    seed: int,
    own: dict[str, Any],
    chains: tuple[str, ...],
) -> DrawnClips:
    name = place.removeprefix("preset:").partition("?")[0]

    def clips(**adapts: Any) -> Clips:
        with warnings.catch_warnings():  # what it warns of is said by the source's notes
            warnings.simplefilter("ignore")
            return Clips(
                name,
                count,
                seed=seed,
                frames=network.frames,
                stride=chosen.stride,
                fresh=chosen.fresh,
                **{"curriculum": chosen.curriculum, **own, **adapts},
            )

    if all(chain in LEFT for chain in chains):
        return DrawnClips(clips(), chosen.short)
    plain = {"adapt": "", "curriculum": 0}
    first, *others = (clips(**(plain if chain == NONE else {"adapt": chain})) for chain in chains)
    return DrawnClips(first, chosen.short, others)


class PlannedPretraining:
    """A pre-training of a network on a preset or SET: what is trained on is opened, nothing is written.

    Args:
        chosen, network: see `recipe.chosen`; chosen is a recipe of the method. options: seed, workers that
        look at files, progress. method: one of `methods.METHODS`.
        device: see `engine.devices`. loaders: processes that draw or decode clips meanwhile; None: as many as
        there are processors where a GPU trains, else none, or one where files are decoded. given, found: see
        `opened`.

    Raises:
        UsageError: what the method cannot do with that network, recipe or set; see `opened`. DataError: as
        there.
    """

    def __init__(
        self,
        location: str,
        chosen: OnClips,
        network: Backbone,
        options: Options,
        *,
        method: str = methods.DEFAULT,
        device: str = "auto",
        loaders: int | None = None,
        given: Collection[str] = (),
        **found: Any,
    ) -> None:
        self.method = methods.named(method)
        self.method.check(chosen, network)
        chains = self.method.adapts(chosen)
        self.source, chosen = opened(
            location, chosen, network, options, chains, given, self.method.labels, **found
        )
        self.location, self.chosen, self.network, self.options = location, chosen, network, options
        self._device, self._loaders = device, loaders
        self._world = 1
        self.method.check_source(chosen, self.source)
        self.batches = Batches(len(self.source), chosen.batch, options.seed, self.source.key)
        self.steps = chosen.schedule(self.batches.steps_an_epoch).steps

    def made(self, out: str | os.PathLike[str]) -> dict[str, Any]:
        """Trains into the folder `out`, or goes on with what a killed run left; says what came out
        (`outcome`), the first of several processes alone: the others may be here before it has saved.
        `already`: whether all was done before.

        Raises UsageError and DataError: see `engine.train` and `RunFolder.begin`.
        """
        import torch

        folder = RunFolder(out)
        before = torch.get_num_threads()
        with engine.devices(self._device) as where, contextlib.ExitStack() as held:
            self._world = where.world
            already = folder.step() == self.steps
            training = None if already else self.training(where.device)
            if training is not None:
                training.micro(where.world)  # what cannot be dealt out is told before anything is written
            notes = [*self.source.notes(), *self.method.notes(self.chosen, self.source)]
            if where.first:
                held.enter_context(folder.held())
                but = UNBOUND - ({"micro"} if self.method.binds else set())
                folder.begin(self.config(), but, {("run", "method"): methods.DEFAULT})
                for note in [] if already else notes:
                    self.options.progress.say(note)
            if where.world > 1:
                torch.distributed.barrier()
            config = folder.config() or self.config()
            if training is not None:
                held.callback(torch.set_num_threads, before)
                torch.set_num_threads(config["run"]["threads"])
                engine.train(folder, training, where, self.options.progress)
            if where.first:
                write_bytes(folder.path / CARD, card(folder, config, notes).encode())
        return self.facts() | {"already": already} | (outcome(folder) if where.first else {})

    def rehearsed(self) -> dict[str, Any]:
        """What would be trained; time, memory and disk, from a few passes that are tried on the device."""
        with engine.devices(self._device) as where:
            training = self.training(where.device)
            tried = engine.tried(training, where)
            micro = training.micro(where.world)
        weights = sum(p.numel() for p in training.network.parameters() if p.requires_grad)
        state = sum(t.nbytes for t in training.network.state_dict().values())
        left = {
            "seconds": tried.seconds * self.steps,
            "seconds_a_step": tried.seconds,
            "drawing_share": tried.making / tried.seconds,
            **engine.told(tried, micro),
        }
        # what AdamW remembers are two moments of each weight
        disk = (state + 4 * weights * (2 if self.chosen.optimizer == "adamw" else 1)) * self.chosen.keep
        notes = self.method.notes(self.chosen, self.source)
        return self.facts() | left | {"parameters": weights, "bytes": disk, "notes": notes}

    def facts(self) -> dict[str, Any]:
        """What is trained on what, ready for JSON; `classes`: how many, where it learns them."""
        classes = self.method.bound(self.chosen, self.source).get("classes")
        return {
            "kind": KIND,
            "method": self.method.name,
            "set": self.source.name,
            "clips": len(self.source),
            **({"classes": len(classes)} if classes is not None else {}),
            "network": knobs.values(self.network),
            "recipe": recipe.told(self.chosen),
            "steps": self.steps,
            "seed": self.options.seed,
        }

    def config(self) -> Config:
        """All that decides the weights; see `RunFolder`."""
        import torch

        method = self.method
        run = {
            "kind": KIND,
            # as before there were others: what was begun then goes on
            **({} if method.name == methods.DEFAULT else {"method": method.name}),
            "location": self.location,
            "set": self.source.identity(),
            **method.bound(self.chosen, self.source),
            "clips": len(self.source),
            "seed": self.options.seed,
            "steps": self.steps,
            **({"world": self._world} if method.binds else {}),
            "threads": torch.get_num_threads(),
            "version": __version__,
        }
        return {"run": run, "network": knobs.values(self.network), "recipe": recipe.told(self.chosen)}

    def training(self, device: str) -> engine.Training:
        """What a loop trains, on a device."""
        method, of = self.method, (self.chosen, self.network, self.options.seed)
        module = method.network(*of, self.source)
        made = method.maker(self.source, *of)
        loaders = self._loaders
        if loaders is None:
            loaders = 0 if device == "cpu" else self.options.worker_count()
        workers = max(loaders, 1) if self.source.decodes else loaders
        return engine.Training(
            *(self.chosen, module, method.task(module), self.batches, made, workers),
            cure=self._cure if method.binds else engine.fewer_at_once,
            behind=lambda step, steps, left: method.behind(module, self.chosen, step, steps, left),
            least=self._least,
        )

    @property
    def _least(self) -> int:
        """Clips that a pass has to have, of method and network."""
        return max(self.method.least, self.network.least)

    def _cure(self, micro: int, goes_on: bool) -> str:
        """See `engine.Cure`: where passes decide weights, a run keeps to them."""
        if micro <= self._least:
            return engine.SMALLER
        if goes_on:
            return (
                f"A run keeps to its passes, which its {self.method.within} are of: make room on the device, "
                "or begin another run with a smaller micro."
            )
        fewer = engine.divisor(micro, micro // 2)
        return f"Try --set micro={fewer}: smaller passes, and {self.method.within} are of a pass."


UNBOUND = frozenset({"micro", "save", "keep", "version", "threads", "location"})
"""Keys of a config that may differ when a run goes on: they decide no weights, or stay as they were."""


def outcome(folder: RunFolder) -> dict[str, Any]:
    """What a run's log says: steps done; mean loss of the first and of the last `ends` of them, ten or half
    of fewer than twenty; clips a second.
    """
    rows = folder.rows()
    ends = max(1, min(ENDS, len(rows) // 2))
    pace = sorted(row["clips_per_s"] for row in rows)
    return {
        "run": os.fspath(folder.path),
        "checkpoint": os.fspath(folder.checkpoints()[-1]),
        "done": len(rows),
        "ends": ends,
        "first_loss": _mean(row["loss"] for row in rows[:ends]),
        "last_loss": _mean(row["loss"] for row in rows[-ends:]),
        "clips_per_s": pace[len(pace) // 2],
    }


def losses(came: dict[str, Any]) -> str:
    """An `outcome`'s losses for people."""
    first, last = f"{came['first_loss']:.4f}", f"{came['last_loss']:.4f}"
    if came["done"] == 1:
        return f"{first} in its one step"
    steps = f"{came['ends']} steps" if came["ends"] > 1 else "step"
    return f"{first} over the first {steps}, {last} over the last"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def described(network: Backbone, size: str) -> str:
    """A network's numbers for people. size: what a recipe calls that of a transformer."""
    seen = f"{network.frames} frames of {network.image} px"
    if isinstance(network, Architecture):
        return (
            f"{size}: width {network.width}, {network.depth} layers, {seen}, patches of {network.tubelet} × "
            f"{network.patch}² px"
        )
    return f"{network.said}, {seen}"


def clips_of(clips: int, classes: int | None) -> str:
    """How many clips there are, for people, and in how many classes."""
    return count_of(clips, "clip") + (f" in {classes:,} classes" if classes is not None else "")


def card(folder: RunFolder, config: Config, notes: Iterable[str]) -> str:
    """What a run says of itself, for people: what was trained on what, how, and what came out."""
    run, network, chosen = config["run"], config["network"], config["recipe"]
    came = outcome(folder)
    classes = len(run["classes"]) if "classes" in run else None
    facts = {
        "trained": f"{methods.named(run.get('method', methods.DEFAULT)).title} (synvid-eval train pretrain)",
        "on": f"{run['location']}: {clips_of(run['clips'], classes)}, seed {run['seed']}",
        "network": described(backbones.of_table(network), chosen.get("size", "")),
        "steps": f"{run['steps']:,} of {chosen['batch']} clips, learning rate {chosen['lr']:g} for "
        f"{recipe.PER}",
        "loss": losses(came),
        "made with": f"synvid-eval {run['version']}",
    }
    lines = [f"# {folder.path.name}", "", *(f"- **{key}**: {value}" for key, value in facts.items())]
    lines += [f"- **note**: {note}" for note in notes]
    lines += ["", "All that decides the weights stands in `config.toml`; `log.csv` holds a row a step.", ""]
    return "\n".join(lines)
