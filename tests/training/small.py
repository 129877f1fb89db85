"""A labelled set of small videos that a small network can tell apart; trainings on it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synvid_eval import sets
from synvid_eval.cache import Cache
from synvid_eval.measurement import Options
from synvid_eval.training import finetune, labelled, probe, recipe, robustness, splits
from synvid_eval.training.accuracy import Predictions
from synvid_eval.training.labelled import Labelled, Named
from synvid_eval.training.robustness import HeldOut
from tests.clips import write_video

MINI = [
    "network.width=24", "network.depth=2", "network.heads=2", "network.image=16", "network.frames=4",
    "short=18", "batch=8", "stride=1", "segments=2", "crops=1",
]  # fmt: skip
SLIGHT = [
    "network.stage=8", "network.image=32", "network.frames=4",
    *(setting for setting in MINI if not setting.startswith("network.")),
]  # fmt: skip
"""The same for convolutional networks."""
CLASSES = ("across", "blink", "down")


def labelled_set(root: Path, groups: int = 5, frames: int = 8) -> Path:
    """CLASSES/v_CLASS_gNN_cMM.mkv: a bright bar that moves across, moves down, or blinks; `groups` a class,
    two clips of each alike but for noise.
    """
    g = np.random.default_rng(0)
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        for group in range(groups):
            start, color = int(g.integers(0, 20)), g.integers(120, 255, 3)
            for number in (1, 2):
                clip = g.integers(0, 60, (frames, 24, 32, 3)).astype(np.uint8)
                for t in range(frames):
                    at = (start + 2 * t) % 20
                    if label == "across":
                        clip[t, :, at : at + 5] = color
                    elif label == "down":
                        clip[t, at : at + 5] = color
                    elif t % 2:
                        clip[t, 4:20, 6:26] = color
                name = f"v_{label}_g{group:02}_c{number:02}.mkv"
                write_video(root / label / name, clip, "ffv1")
    return root


@functools.cache
def _opened(where: Path, frames: int, stride: int, short: int) -> Labelled:
    """The set, decoded once for all tests of a process."""
    options = Options(workers=1, cache=Cache(None))
    videos = labelled.prepared(str(where), "kfold:2", options)
    return labelled.read(videos, "kfold:2", options, frames, stride, short)


def held_out(where: Path, tested: Sequence[Predictions], options: Options) -> HeldOut:
    """The clips of a set that classifiers were tested on."""
    return robustness.chosen(sets.open_set(str(where), seed=options.seed), tested, options)


def planned(kind: Any, where: Path, options: Any, *settings: str, of: str = "", **more: Any) -> Any:
    """A training of a module (`finetune` or `probe`) on such a set, from drawn weights. backbone: a
    convolutional one, in the place of a small transformer.
    """
    recipes: Any = finetune.FINETUNING if kind is finetune else probe.PROBING
    of = of or ("tiny" if kind is finetune else "paper")
    split, begin_at = more.pop("split", "kfold:5"), more.pop("begin", "scratch")
    backbone = more.pop("backbone", None)
    size = [] if kind is finetune else ["size=tiny"]
    own = SLIGHT if backbone else [*size, *MINI]
    chosen, network = recipe.chosen(recipes, of, [*own, *settings], backbone)
    begin = labelled.start(begin_at, network)
    whole = _opened(where, begin.architecture.frames, chosen.stride, chosen.short)
    on = Labelled(whole.files, splits.split(whole.files.videos, split, options.seed), whole.kept)
    named = Named("scratch", "bars", kind.KIND, "mini", begin.family, str(options.seed), begin_at)
    made = finetune.PlannedFinetuning if kind is finetune else probe.PlannedProbe
    return made(begin, begin_at, str(where), on, chosen, named, options, device="cpu", **more)
