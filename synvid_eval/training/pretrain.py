"""Masked autoencoding of video (VideoMAE, Tong et al. 2022) on drawn or real clips, as Yu et al. 2024 do it.

A clip's frames are cropped by MultiScaleCrop, most places of it are hidden (`masking`), and the network fills
them in; the loss is the mean squared error of the hidden patches, each normalized by its own mean and
deviation per channel (`transformers`' own, as in the released code).
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from synvid_eval import __version__, knobs, sets
from synvid_eval.archive import write_bytes
from synvid_eval.errors import UsageError
from synvid_eval.generators import Clips, presets, registry
from synvid_eval.measurement import Options
from synvid_eval.networks import videomae
from synvid_eval.networks.backbones import Backbone
from synvid_eval.networks.videomae import Architecture
from synvid_eval.randomness import address
from synvid_eval.training import crops, data, engine, masking, recipe
from synvid_eval.training.data import Batches, DrawnClips, Item, Source
from synvid_eval.training.recipe import Pretraining
from synvid_eval.training.run_folder import CARD, Config, RunFolder

if TYPE_CHECKING:
    from torch import Tensor, nn

KIND = "pretrain"

ENDS = 10
"""Steps that the first and the last loss of a run are means of."""


@dataclass(frozen=True)
class Masked:
    """(epoch, clip) → frames uint8 [T, S, S, 3] and its mask bool [tokens]."""

    source: Source
    recipe: Pretraining
    network: Architecture
    seed: int

    def __call__(self, item: Item) -> dict[str, Any]:
        epoch, index = item
        where = (self.seed, self.source.key, epoch, index)
        frames = crops.multiscale(
            self.source.clip(index, epoch),
            self.network.image,
            self.recipe.crop_scales(),
            address("synvid_eval.training.crop", *where),
        )
        key = address("synvid_eval.training.mask", *where)
        return {"frames": frames, "mask": masking.tube(self.network.grid, self.recipe.mask_ratio, key)}


def task(network: nn.Module) -> nn.Module:
    """The module that turns a batch (frames uint8 [B, T, S, S, 3], mask bool [B, tokens]) into its loss."""
    from torch import nn

    class Reconstruction(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            inputs = videomae.normalized(batch["frames"])
            found: Tensor = self.network(inputs, bool_masked_pos=batch["mask"]).loss
            return found

    return Reconstruction()


def opened(
    location: str, chosen: Pretraining, network: Architecture, options: Options, **found: Any
) -> Source:
    """What is trained on: a preset's clips (`NAME`, `FILE.toml`, `preset:…`), or those of any SET.

    found: keywords of `sets.open_set` that say where clips lie.

    Raises UsageError and DataError as `sets.open_set` does.
    """
    asked = {"seed": options.seed, "decode_timeout": options.decode_timeout, **found}
    ((name, place),) = sets.name_sets([location])
    place = _as_set(place)
    if place.startswith("preset:"):
        preset, said = sets.preset_parts(place)
        count = sets.whole_number(said.get("n", str(chosen.clips)), "n", location, 1)
        given = {key: found[key] for key in ("images", "videos") if found.get(key) is not None}
        own = {**given, **{key: value for key, value in said.items() if key not in ("n", "seed")}}
        if chosen.drawn:
            sides = {"size", "height", "width"} & {*knobs.names(registry.get(preset.generator))}
            own = {**dict.fromkeys(sorted(sides), str(chosen.drawn)), **own}
        if "videos" not in sets.needs(preset.configured(**own)):
            if any(value not in (None, False, "auto") for value in found.values()):
                sets.open_set(f"preset:{preset.name}?{urlencode(said | {'n': '1'})}", **asked)  # refuses
            seed = sets.whole_number(said.get("seed", str(options.seed)), "seed", location, 0)
            return _drawn(place, chosen, network, count, seed, own)
        if "n" not in said:
            place += f"{'&' if '?' in place else '?'}n={count}"
    if chosen.fresh or chosen.curriculum:
        knob = "fresh" if chosen.fresh else "curriculum"
        raise UsageError(f"{knob} means nothing for {location}.", "It is for presets without a real part.")
    videos = sets.open_set(place, name=name, **asked)
    return data.read(
        videos, options, seed=options.seed, frames=network.frames, stride=chosen.stride, short=chosen.short
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
    place: str, chosen: Pretraining, network: Architecture, count: int, seed: int, own: dict[str, Any]
) -> DrawnClips:
    name = place.removeprefix("preset:").partition("?")[0]
    with warnings.catch_warnings():  # what it warns of is said by the source's notes
        warnings.simplefilter("ignore")
        clips = Clips(
            name,
            count,
            seed=seed,
            frames=network.frames,
            stride=chosen.stride,
            fresh=chosen.fresh,
            curriculum=chosen.curriculum,
            **own,
        )
    return DrawnClips(clips, chosen.short)


class PlannedPretraining:
    """A pre-training of a network on a preset or SET: what is trained on is opened, nothing is written.

    Args:
        chosen, network: see `recipe.chosen`. options: seed, workers that look at files, progress.
        device: see `engine.devices`. loaders: processes that draw or decode clips meanwhile; None: as many as
        there are processors where a GPU trains, else none, or one where files are decoded. found: see
        `opened`.

    Raises:
        UsageError: no transformer; nothing or everything would be hidden; see `opened`. DataError: as there.
    """

    def __init__(
        self,
        location: str,
        chosen: Pretraining,
        network: Backbone,
        options: Options,
        *,
        device: str = "auto",
        loaders: int | None = None,
        **found: Any,
    ) -> None:
        if not isinstance(network, Architecture):
            raise UsageError(
                f"backbone={network.backbone} has no patches, which masked autoencoding hides.",
                "Give backbone=vit.",
            )
        masking.hidden(network.grid, chosen.mask_ratio)
        self.location, self.chosen, self.network, self.options = location, chosen, network, options
        self._device, self._loaders = device, loaders
        self.source = opened(location, chosen, network, options, **found)
        self.batches = Batches(len(self.source), chosen.batch, options.seed, self.source.key)
        self.steps = chosen.schedule(self.batches.steps_an_epoch).steps

    def made(self, out: str | os.PathLike[str]) -> dict[str, Any]:
        """Trains into the folder `out`, or goes on with what a killed run left; says what came out
        (`outcome`), the first of several processes alone: the others may be here before it has saved.

        Raises UsageError and DataError: see `engine.train` and `RunFolder.begin`.
        """
        import torch

        folder = RunFolder(out)
        before = torch.get_num_threads()
        with engine.devices(self._device) as where, contextlib.ExitStack() as held:
            training = self.training(where.device)
            training.micro(where.world)  # what cannot be dealt out is told before anything is written
            if where.first:
                held.enter_context(folder.held())
                folder.begin(self.config(), UNBOUND)
                for note in self.source.notes():
                    self.options.progress.say(note)
            if where.world > 1:
                torch.distributed.barrier()
            config = folder.config() or self.config()
            held.callback(torch.set_num_threads, before)
            torch.set_num_threads(config["run"]["threads"])
            engine.train(folder, training, where, self.options.progress)
            if where.first:
                write_bytes(folder.path / CARD, card(folder, config, self.source).encode())
        return self.facts() | (outcome(folder) if where.first else {})

    def rehearsed(self) -> dict[str, Any]:
        """What would be trained; time, memory and disk, from a few passes that are tried on the device."""
        with engine.devices(self._device) as where:
            training = self.training(where.device)
            tried = engine.tried(training, where)
            micro = training.micro(where.world)
        weights = sum(p.numel() for p in videomae.pretraining(self.network).parameters())
        left = {
            "seconds": tried.seconds * self.steps,
            "seconds_a_step": tried.seconds,
            "drawing_share": tried.making / tried.seconds,
            **engine.told(tried, micro),
        }
        # weights and the two moments that AdamW keeps, in each checkpoint
        disk = 4 * weights * (3 if self.chosen.optimizer == "adamw" else 2) * self.chosen.keep
        return self.facts() | left | {"parameters": weights, "bytes": disk}

    def facts(self) -> dict[str, Any]:
        """What is trained on what, ready for JSON."""
        return {
            "kind": KIND,
            "set": self.source.name,
            "clips": len(self.source),
            "network": knobs.values(self.network),
            "recipe": recipe.told(self.chosen),
            "steps": self.steps,
            "seed": self.options.seed,
        }

    def config(self) -> Config:
        """All that decides the weights; see `RunFolder`."""
        import torch

        run = {
            "kind": KIND,
            "location": self.location,
            "set": self.source.identity(),
            "clips": len(self.source),
            "seed": self.options.seed,
            "steps": self.steps,
            "threads": torch.get_num_threads(),
            "version": __version__,
        }
        return {"run": run, "network": knobs.values(self.network), "recipe": recipe.told(self.chosen)}

    def training(self, device: str) -> engine.Training:
        """What a loop trains, on a device."""
        module = videomae.pretraining(self.network, self.options.seed)
        made = Masked(self.source, self.chosen, self.network, self.options.seed)
        loaders = self._loaders
        if loaders is None:
            loaders = 0 if device == "cpu" else self.options.worker_count()
        workers = max(loaders, 1) if self.source.decodes else loaders
        return engine.Training(self.chosen, module, task(module), self.batches, made, workers)


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


def card(folder: RunFolder, config: Config, source: Source) -> str:
    """What a run says of itself, for people: what was trained on what, how, and what came out."""
    run, network, chosen = config["run"], config["network"], config["recipe"]
    came = outcome(folder)
    facts = {
        "trained": "VideoMAE, by masked autoencoding (synvid-eval train pretrain)",
        "on": f"{run['location']}: {run['clips']:,} clips, seed {run['seed']}",
        "network": f"{chosen['size']}: width {network['width']}, {network['depth']} layers, "
        f"{network['frames']} frames of {network['image']} px, patches of {network['tubelet']} × "
        f"{network['patch']}² px",
        "steps": f"{run['steps']:,} of {chosen['batch']} clips, learning rate {chosen['lr']:g} for "
        f"{recipe.PER}",
        "loss": losses(came),
        "made with": f"synvid-eval {run['version']}",
    }
    lines = [f"# {folder.path.name}", "", *(f"- **{key}**: {value}" for key, value in facts.items())]
    lines += [f"- **note**: {note}" for note in source.notes()]
    lines += ["", "All that decides the weights stands in `config.toml`; `log.csv` holds a row a step.", ""]
    return "\n".join(lines)
