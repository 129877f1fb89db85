"""A progression of our own, small: does pre-training on a set help, and does the paper's order show at a
scale that a laptop bears?

    python -m experiments.mini_progression --reference DIR [DIR …] --images DIR --work DIR [--minutes 60]
                                           [--out reports/mini_progression] [--seeds 2] [--steps 3000]
                                           [--only SOURCE,…] [--also NAME=SET …] [--protocols probe,finetune]
                                           [--versus NAME:OTHER …] [--method videomae] [--backbone vit]
                                           [--set KEY=VALUE …] [--device cpu] [--threads 2]
                                           [--engine local|ray] [--ray-address ADDRESS]

Every DIR of --reference holds labelled real clips; the first is also what `real` is pre-trained on, without
labels. --also adds sources, such as what a search found: `best=preset:best.toml`; --versus
`best:acc_transforming_shapes` tells by how much it is better than another. --method moco (simclr,
byol, supervised) and --backbone train another family of networks, by default on real clips, on three fractal
presets as they are and with each view adapted (`NAME-adapted`: by the chains of Svyezhentsev et al. 2024, the
second view less), on three presets of shapes, and not at all; supervised on presets with classes. Real clips
and shapes are never adapted. A measurement of `NAME-adapted` is of clips adapted as the first view is.

On a GPU: `--device cuda`, more `--steps`, and a larger network or another recipe of pre-training by --set
(`network.width=192 curriculum=9000`), with an --out of its own.

A cell is a command or two of the package: pre-training of one source and seed, then a probe or a fine-tuning
of it on a set, by five folds that divide no source group. Pre-trained networks lie in --work; of each
accuracy one line goes to `OUT/cells.jsonl` as it is done, with how many clips of each of 20 blocks of source
groups were right, nothing of single clips. --engine ray runs cells beside each other on a Ray cluster whose
machines share all paths, those of one pre-trained network one after the other; a cell takes --threads
processors. So a run that was stopped goes on; after `--minutes` it stops by itself. At the end of each run
the tables are made of what is there; what they say is written by hand in `README.md`.

Differences (from scratch, from the set before in the progression, of its last from its first, of adapted
clips from those as they are) are paired: the same clips in the same folds. Their intervals come from leaving
out blocks of source groups (seeds are averaged first), so they hold for other clips, not for other seeds: how
much seeds differ stands beside them. Where all blocks differ by the same there is none. Intervals of
accuracies are Wilson's, at as many clips as would scatter so.

`real` is transductive: it is pre-trained, without labels, on the very clips that are tested. That it beats
scratch shows that pre-training can help at this scale, not by how much other real clips would.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from synvid_eval import published
from synvid_eval.accuracies import SCRATCH
from synvid_eval.archive import write_bytes
from synvid_eval.association import LEAST_FAMILIES
from synvid_eval.correlation import bounds_text, short_number
from synvid_eval.errors import nearest
from synvid_eval.generators import presets
from synvid_eval.intervals import interval, jackknife
from synvid_eval.networks import backbones
from synvid_eval.randomness import address
from synvid_eval.ray_engine import RayEngine
from synvid_eval.rounding import MISSING
from synvid_eval.training import methods
from synvid_eval.training.accuracy import effective, wilson
from synvid_eval.training.labelled import ADAPTED
from synvid_eval.training.methods import viewed

OUT = Path(__file__).parents[1] / "reports" / "mini_progression"
PROGRESSION = (
    "static_circles",
    "moving_circles",
    "moving_shapes",
    "moving_transforming_shapes",
    "acc_transforming_shapes",
    "acc_transforming_textures",
    "acc_transforming_stylegan",
    "acc_transforming_images",
)
STEPS = (*((later, former) for former, later in pairwise(PROGRESSION)), (PROGRESSION[-1], PROGRESSION[0]))
"""(a set, what it is compared with): the one before it; the last one, also the first."""
SOURCES = ("scratch", "real", *PROGRESSION)
_FRACTALS = ("fractal_linear_motion", "fractal_nonlinear_motion", "fractal_diversity")
CONTRASTED = (
    "scratch",
    "real",
    *(name + how for name in _FRACTALS for how in ("", ADAPTED)),
    "moving_circles",
    "moving_shapes",
    "acc_transforming_shapes",
)
"""What other methods than masked autoencoding are trained on."""
CLASSIFIED = ("scratch", *(f"fractal_supervised_{n}{how}" for n in (250, 500) for how in ("", ADAPTED)))
"""What is trained on with classes."""
FIRST = ("videomae", "vit")
"""Method and backbone of cells that name none."""
PROTOCOLS = ("probe", "finetune")
CPU = "cpu"
SPLIT = "kfold:5"
BLOCKS = 20
LEVEL = 0.95
CHANCE = 0.8
"""With which a difference is to exclude 0 where its size is asked for, or the clips that it needs."""

OVER_SETS = ", over sets"
"""Behind the heading of intervals that are not over families."""

# The smallest network and pictures at which pre-training on real clips was seen to help (see README.md).
NETWORK = (
    "network.image=32",
    "network.patch=4",
    "network.width=96",
    "network.heads=3",
    "network.depth=4",
    "network.decoder_width=48",
    "network.decoder_heads=3",
    "network.decoder_depth=2",
)
PRETRAIN = (*NETWORK, "lr=0.024", "last_lr=0.00016", "short=36", "save=250", "batch=16")
PRESET = ("drawn=64",)
"""What is asked of presets besides: files have a size."""
LABELLED = ("short=36",)
CONVOLUTIONAL = ("network.image=32", "network.frames=8", "network.stage=32")
CONTRASTIVE = ("short=36", "save=250", "lr=0.016", "last_lr=0.00016", "first_lr=0.00016")
OWN = {"moco": ("momentum=0.97",)}


@dataclass(frozen=True)
class Cell:
    """An accuracy to be had: of a network that was pre-trained on `source`, on a set."""

    protocol: str
    set: str
    source: str
    seed: int
    method: str = FIRST[0]
    backbone: str = FIRST[1]

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.family}{self.protocol}-{self.set}-{self.source}-{self.seed}"

    @property
    def family(self) -> str:
        """What names begin with that are of another method or backbone than FIRST."""
        return "" if (self.method, self.backbone) == FIRST else f"{self.method}-{self.backbone}-"

    @classmethod
    def of(cls, row: dict[str, Any]) -> Cell:
        """The cell that a row is of."""
        return cls(**{key: row[key] for key in cls.__dataclass_fields__ if key in row})


class Runner:
    """Runs cells as commands of the package, and keeps what came out."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.sets = {Path(d).name: d for d in given.reference}
        self.lines = given.out / "cells.jsonl"
        self.until = time.monotonic() + 60 * given.minutes

    def cells(self) -> Iterator[Cell]:
        """All that are asked for, seed after seed; what is asked of one pre-trained network stands together,
        so that a run that goes on without `--work` (on another machine) trains few again.
        """
        for seed in range(self.given.seeds):
            for source in self.given.only:
                for protocol in self.given.protocols:
                    for name in self.sets:
                        yield Cell(protocol, name, source, seed, self.given.method, self.given.backbone)

    def done(self) -> list[dict[str, Any]]:
        """What is there: a dict a cell."""
        if not self.lines.exists():
            return []
        return [json.loads(line) for line in self.lines.read_text().splitlines()]

    def run(self) -> None:
        """Runs what is not there yet, until the time is up."""
        rows = self._beside() if self.given.engine == "ray" else map(self.cell, self._left())
        for row in rows:
            self._keep(row)

    def _left(self) -> Iterator[Cell]:
        """Cells that are not there yet, until the time is up."""
        for cell in self.cells():
            if any(self._same(cell, d) for d in self.done()):
                continue
            if time.monotonic() > self.until:
                print("the time is up: the same command goes on from here", flush=True)
                return
            yield cell

    def _beside(self) -> Iterator[dict[str, Any]]:
        """Rows of cells that are tasks of a Ray cluster, as they are done. Cells of one network are never
        beside each other: the first of them trains it.
        """
        engine = RayEngine(self.given.ray_address, print)
        engine.connect(os.cpu_count() or 1)
        ray = engine.ray
        task = ray.remote(num_cpus=self.given.threads)(_cell_elsewhere)
        room = max(1, int(ray.cluster_resources()["CPU"]) // self.given.threads)
        facts = json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in vars(self.given).items()})
        waiting = [list(cells) for _, cells in groupby(self._left(), lambda c: (c.seed, c.source))]
        over = False
        running: dict[Any, list[Cell]] = {}
        try:
            while waiting or running:
                over = over or time.monotonic() > self.until
                while waiting and len(running) < room and not over:
                    first, *rest = waiting.pop(0)
                    running[task.remote(os.getcwd(), facts, asdict(first))] = rest
                if not running:
                    print("the time is up: the same command goes on from here", flush=True)
                    return
                (done,), _ = ray.wait(list(running))
                if rest := running.pop(done):
                    waiting.insert(0, rest)
                yield ray.get(done)
        finally:
            engine.close()

    def _keep(self, row: dict[str, Any]) -> None:
        self.given.out.mkdir(parents=True, exist_ok=True)
        rows = [json.dumps(d) for d in [*self.done(), row]]
        write_bytes(self.lines, ("\n".join(rows) + "\n").encode())
        print(f"{Cell.of(row).name}: {row['accuracy']:.1f} % in {row['seconds']:.0f} s", flush=True)

    def _same(self, cell: Cell, row: dict[str, Any]) -> bool:
        """Whether a row is of a cell; ends where it is, but of another number of steps."""
        if cell != Cell.of(row):
            return False
        if row["steps"] != self.given.steps:
            raise SystemExit(
                f"{self.lines} is of {row['steps']} steps: give --steps {row['steps']}, or another --out"
            )
        there = (row.get("settings", []), row.get("device", CPU))
        if there != (self.given.settings, self.given.device):
            told = f"--set {' '.join(there[0])} " if there[0] else ""
            raise SystemExit(
                f"{self.lines} is of {told}--device {there[1]}: give these alone, or another --out"
            )
        return True

    def cell(self, cell: Cell) -> dict[str, Any]:
        """Runs a cell; its row."""
        network, pretrained = self._pretrained(cell)
        out = self.given.work / cell.name
        recipe = [] if cell.protocol == "probe" else ["--recipe", "tiny"]
        settings = [*LABELLED, *(self._drawn(cell) if cell.source == "scratch" else ())]
        began = time.monotonic()
        self._command(
            [
                "train",
                cell.protocol,
                network,
                self.sets[cell.set],
                "--split",
                SPLIT,
                "--seed",
                str(cell.seed),
                *recipe,
            ],
            settings,
            out,
        )
        found = json.loads((out / "predictions.json").read_text())
        right, count = blocks(found)
        return {
            "protocol": cell.protocol,
            "set": cell.set,
            "source": cell.source,
            "seed": cell.seed,
            **({} if not cell.family else {"method": cell.method, "backbone": cell.backbone}),
            "accuracy": found["accuracy"]["top1"]["value"],
            "groups": found["accuracy"]["groups"],
            "right": right.tolist(),
            "clips": count.tolist(),
            "classes": len(found["classes"]),
            "steps": self.given.steps,
            "model": next(csv.DictReader((out / "accuracy.csv").read_text().splitlines()))["model"],
            "pretraining": pretrained,
            "seconds": round(time.monotonic() - began, 1),
            "threads": self.given.threads,
            **({"settings": self.given.settings} if self.given.settings else {}),
            **({"device": self.given.device} if self.given.device != CPU else {}),
        }

    def _pretrained(self, cell: Cell) -> tuple[str, dict[str, Any] | None]:
        """(the network to begin with, what came out of its pre-training)."""
        if cell.source == "scratch":
            return "scratch", None
        out = self.given.work / f"{cell.family}pretrain-{cell.source}-{cell.seed}"
        began = time.monotonic()
        how = ["--method", cell.method, "--backbone", cell.backbone] if cell.family else []
        settings = PRETRAIN
        if cell.method != "videomae":
            settings = (*_network(cell.backbone), *CONTRASTIVE, *OWN.get(cell.method, ()), *_chains(cell))
        location = self._location(cell.source)
        if location.startswith("preset:"):
            settings = (*settings, *PRESET)
        self._command(
            ["train", "pretrain", location, *how, "--recipe", "tiny", "--seed",
             str(cell.seed), "--steps", str(self.given.steps)],
            asked(settings, self.given.settings),
            out,
        )  # fmt: skip
        losses = [float(line.split(",")[1]) for line in (out / "log.csv").read_text().splitlines()[1:]]
        told = {
            "first_loss": round(float(np.mean(losses[:10])), 4),
            "last_loss": round(float(np.mean(losses[-100:])), 4),
        }
        return os.fspath(out), told | {"seconds": round(time.monotonic() - began, 1)}

    def _drawn(self, cell: Cell) -> tuple[str, ...]:
        """What a network with drawn weights is, that nothing pre-trained."""
        larger = [s for s in self.given.settings if s.startswith("network.")]
        if cell.backbone == "vit":
            return ("size=tiny", *asked(NETWORK, larger))
        return (f"backbone={cell.backbone}", *asked(_network(cell.backbone), larger))

    def _location(self, source: str) -> str:
        source = source.removesuffix(ADAPTED)
        if source in self.given.also:
            return str(self.given.also[source])
        if source == "real":
            return str(self.given.reference[0])
        images = f"?images={quote(str(self.given.images))}" if source == "acc_transforming_images" else ""
        return f"preset:{source}{images}"

    def _command(self, words: Sequence[str], settings: Sequence[str], out: Path) -> None:
        knobs = [x for s in settings for x in ("--set", s)]
        where = ["--device", self.given.device, "--out", os.fspath(out)]
        subprocess.run(
            [sys.executable, "-m", "synvid_eval", *words, *knobs, *where],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(self.given.threads)},
        )


def asked(settings: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Settings (KEY=VALUE) with those that are given instead or besides."""
    known = dict(text.partition("=")[::2] for text in [*settings, *given])
    return tuple(f"{key}={value}" for key, value in known.items())


def _chains(cell: Cell) -> tuple[str, ...]:
    """What adapts views."""
    if not cell.source.endswith(ADAPTED):
        return ("adapt=own",)
    second = () if cell.method == "supervised" else (f"adapt_second={viewed.EASY}",)
    return (f"adapt={viewed.CAMERA}", *second)


def sources(method: str) -> tuple[str, ...]:
    """What a method is trained on by default."""
    return {"videomae": SOURCES, "supervised": CLASSIFIED}.get(method, CONTRASTED)


def _network(backbone: str) -> tuple[str, ...]:
    return NETWORK if backbone == "vit" else CONVOLUTIONAL


def _cell_elsewhere(folder: str, facts: str, cell: dict[str, Any]) -> dict[str, Any]:
    """A cell as a task of Ray. folder: what names are relative to. facts: the arguments, as JSON."""
    os.chdir(folder)
    given = json.loads(facts)
    paths = {name: Path(given[name]) for name in ("work", "out")}
    return Runner(argparse.Namespace(**given | paths)).cell(Cell(**cell))


def blocks(found: dict[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(clips that were right, clips) of each block of predictions: a block a source group, or where there are
    more than BLOCKS, groups dealt out in the order of a hash.
    """
    names = {one["group"] for one in found["predictions"]}
    order = sorted(names, key=lambda name: address("synvid_eval.experiments.mini_progression", name))
    place = {name: i % BLOCKS for i, name in enumerate(order)}
    right, count = (np.zeros(min(BLOCKS, len(order)), np.int64) for _ in range(2))
    for one in found["predictions"]:
        count[place[one["group"]]] += 1
        right[place[one["group"]]] += found["classes"][int(np.argmax(one["scores"]))] == one["label"]
    return right, count


# -- what came out ---------------------------------------------------------------------------------


Column = tuple[str, str, str]
Rows = dict[Column, dict[str, list[dict[str, Any]]]]
"""(`Cell.family`, protocol, set) → source → its cells, one a seed."""


def by_column(done: Sequence[dict[str, Any]]) -> Rows:
    """Cells by what they can be compared within."""
    found: Rows = defaultdict(lambda: defaultdict(list))
    for one in done:
        found[Cell.of(one).family, one["protocol"], one["set"]][one["source"]].append(one)
    return found


def share(cells: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """Clips that were right in each block, mean over seeds."""
    return np.mean([cell["right"] for cell in cells], axis=0)


def bounds(right: NDArray[np.float64], clips: NDArray[np.int64]) -> dict[str, Any]:
    """What is said of a difference, the sum of `right` over that of `clips` [points]: `difference`,
    `difference_interval`, its standard `error`, and how many `blocks` were left out in turn.

    right: how many clips more were right in each block; clips: how many there are. Where the difference is
    the same in all blocks, interval and error are None: how much others would scatter cannot be told then.
    """
    value = float(100 * right.sum() / clips.sum())
    left = 100 * (right.sum() - right) / np.maximum(clips.sum() - clips, 1)
    around = jackknife(value, left, clips)
    varies = np.ptp(left) > 1e-9
    return {
        "difference": value,
        "difference_interval": interval(value, [around], LEVEL) if varies else None,
        "error": math.sqrt(around.variance) if varies else None,
        "blocks": around.groups,
    }


def scored(cells: Sequence[dict[str, Any]]) -> tuple[float, tuple[float, float]]:
    """(percent of clips that were right, mean over seeds; its interval).

    The interval is `training.accuracy`'s by group, with blocks for groups: Wilson's, at the number of clips
    that scatter over blocks as the mean over seeds does. Seeds are tested on the same clips, so they make
    that number no larger than the clips of one.
    """
    hits, of = [], []
    for cell in cells:
        for block, (right, clips) in enumerate(zip(cell["right"], cell["clips"], strict=True)):
            hits += [True] * right + [False] * (clips - right)
            of += [str(block)] * clips
    share = float(np.mean(hits))
    count = min(effective(np.array(hits), of), float(sum(cells[0]["clips"])))
    low, high = wilson(share, count, _quantile(len(cells[0]["clips"]), (1 + LEVEL) / 2))
    return 100 * share, (100 * low, 100 * high)


def _quantile(blocks: int, share: float) -> float:
    """Of Student's t, with as many degrees of freedom as intervals have over these blocks."""
    return float(stdtrit(blocks - 1, share))


def table(column: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row a source: accuracy, difference from scratch with the same seeds, how much seeds differ."""
    rows = []
    for source in dict.fromkeys((*SOURCES, *CONTRASTED, *CLASSIFIED, *column)):
        cells = column.get(source)
        if not cells:
            continue
        value, around = scored(cells)
        row: dict[str, Any] = {"source": source, "seeds": len(cells), "accuracy": value, "interval": around}
        row["deviation"] = float(np.std([c["accuracy"] for c in cells], ddof=1)) if len(cells) > 1 else None
        if source != "scratch":
            row |= paired(cells, column.get("scratch", []))
        rows.append(row)
    return rows


def paired(cells: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By how much cells are better than others of the same seeds: `pairs` of cells, and what `bounds` says;
    {} where no seed is common.
    """
    by_seed = {cell["seed"]: cell for cell in others}
    both = [cell for cell in cells if cell["seed"] in by_seed]
    if not both:
        return {}
    other = share([by_seed[cell["seed"]] for cell in both])
    return {"pairs": len(both), **bounds(share(both) - other, np.array(both[0]["clips"]))}


def versus(column: dict[str, list[dict[str, Any]]], pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """A row a pair of sources: by how much the first is better than the other with the same seeds, of all
    seeds and of each; pairs of which cells are missing give none.
    """
    rows = []
    for name, other in pairs:
        row = paired(column.get(name, []), column.get(other, []))
        if row:
            by_seed = {cell["seed"]: cell["accuracy"] for cell in column[other]}
            each = [c["accuracy"] - by_seed[c["seed"]] for c in column[name] if c["seed"] in by_seed]
            rows.append({"source": f"{name} minus {other}", "each": each} | row)
    return rows


def ablation(column: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row a source that was trained on adapted and as it is: what adaptation changes; then of all of them
    together.
    """
    pairs = [(name + ADAPTED, name) for name in column if name + ADAPTED in column]
    rows = versus(column, pairs)
    if len(rows) > 1:
        every = [
            share([c for c in column[adapted] if c["seed"] in seeds])
            - share([c for c in column[name] if c["seed"] in seeds])
            for adapted, name in pairs
            for seeds in [{c["seed"] for c in column[name]} & {c["seed"] for c in column[adapted]}]
            if seeds
        ]
        clips = np.array(column[pairs[0][1]][0]["clips"])
        together = bounds(np.mean(every, axis=0), clips)
        of = {"source": "mean", "each": [], "pairs": sum(row["pairs"] for row in rows)}
        rows.append(of | together)
    return rows


def power(blocks: int) -> float:
    """Standard errors that a difference must be away from 0 to exclude it at LEVEL with CHANCE: the sum of
    two quantiles of Student's t.
    """
    return _quantile(blocks, (1 + LEVEL) / 2) + _quantile(blocks, CHANCE)


def needed(row: dict[str, Any], clips: int) -> int | None:
    """Clips at which a difference of this size would exclude 0 with CHANCE, if they are of as many more
    source groups and these scatter as here: its standard error must be its size / `power`. More clips of
    the same groups would not do. None where the difference is 0, or has no standard error.

    The degrees of freedom are those of the blocks that are here. Where these are fewer than BLOCKS, more
    groups make more of them, and somewhat fewer clips would do.
    """
    if not row["difference"] or row["error"] is None:
        return None
    return math.ceil(clips * (row["error"] * power(row["blocks"]) / row["difference"]) ** 2)


def seen(row: dict[str, Any]) -> float | None:
    """The difference [points] that would exclude 0 with CHANCE at these clips."""
    return None if row["error"] is None else power(row["blocks"]) * row["error"]


def span(around: tuple[float, float] | None) -> str:
    """An interval in words; an en dash where there is none."""
    return MISSING if around is None else f"{around[0]:.1f} to {around[1]:.1f}"


def _number(value: float | None, how: str) -> str:
    return MISSING if value is None else format(value, how)


EXPLAINED = """Intervals of accuracies are Wilson's, at as many clips as would scatter over blocks of
source groups as these do. Those of differences are paired by clip, blocks left out in turn; none (–) where
all blocks differ by the same. Both hold for other clips, not for other seeds. *Clips needed*: clips of as
many more source groups at which a difference of this size would exclude 0 with 80 % chance; more clips of the
same groups would not do. *Likely seen from*: the difference that would with these clips.
"""


def markdown(columns: Rows, pairs: Sequence[tuple[str, str]] = ()) -> str:
    """All tables. pairs: of sources that are compared, besides adapted ones with those as they are and the
    steps of the progression.
    """
    parts = [EXPLAINED]
    for (family, protocol, name), column in sorted(columns.items()):
        first = next(iter(column.values()))[0]
        clips, groups = sum(first["clips"]), first["groups"]
        parts += [
            f"## {_titled(family)}{protocol}, {name}",
            "",
            f"{clips} clips, {groups} source groups, chance {100 / first['classes']:.0f} %.",
            "",
            "| pre-trained on | seeds | top 1 [%] | 95 % interval | seeds differ by | minus scratch "
            "| 95 % interval | clips needed |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in table(column):
            spread = "" if row["deviation"] is None else f"{row['deviation']:.1f}"
            cells = [row["source"], row["seeds"], f"{row['accuracy']:.1f}", span(row["interval"]), spread]
            if "difference" in row:
                cells += [f"{row['difference']:+.1f}", span(row["difference_interval"])]
                cells += [_number(needed(row, clips), ",")]
            cells += [""] * (8 - len(cells))
            line = f"| {' | '.join(map(str, cells))} |"
            parts.append(line)
        parts.append("")
        if rows := [*ablation(column), *versus(column, [*STEPS, *pairs])]:
            parts += [
                "| difference | seeds | points | 95 % interval | seed by seed | likely seen from "
                "| clips needed |",
                "|---|---|---|---|---|---|---|",
            ]
            for row in rows:
                line = [row["source"], str(row["pairs"]), f"{row['difference']:+.1f}"]
                line += [span(row["difference_interval"]), ", ".join(f"{x:+.1f}" for x in row["each"])]
                line += [_number(seen(row), ".1f"), _number(needed(row, clips), ",")]
                parts.append(f"| {' | '.join(line)} |")
            parts.append("")
    return "\n".join(parts)


def _titled(family: str) -> str:
    method, _, backbone = family.rstrip("-").partition("-")
    return f"{method} {backbone}: " if family else ""


def accuracies(columns: Rows) -> str:
    """The table that `correlate --accuracies` reads: a row a cell; families as in the published table, or
    as presets say.
    """
    families = {name: presets.get(name).family for name in presets.names()}
    families |= {row.dataset: row.family for row in published.table()}
    lines = ["dataset,benchmark,protocol,model,accuracy,method,split,family,seed,source"]
    for (_, protocol, name), column in sorted(columns.items()):
        for source, cells in column.items():
            plain = source.removesuffix(ADAPTED)
            lines += [
                f"{source},{name},{protocol},{cell['model']},{cell['accuracy']},{trained_by(cell)},{SPLIT},"
                f"{families.get(plain, plain)},{cell['seed']},experiments.mini_progression"
                for cell in cells
            ]
    return "\n".join(lines) + "\n"


def trained_by(cell: dict[str, Any]) -> str:
    """The method of a cell's network, as a table of accuracies names it."""
    return SCRATCH if cell["source"] == SCRATCH else str(cell.get("method", FIRST[0]))


def measured(given: argparse.Namespace, names: Sequence[str], clips: int | None = None) -> dict[str, Any]:
    """The comparison of sources with the first reference, ready for JSON. clips: at most that many a set;
    None: all that it has.
    """
    from synvid_eval.comparison import compare
    from synvid_eval.sets import options_of

    places = {
        name: f"preset:{name.removesuffix(ADAPTED)}"
        + (f"?adapt={quote(viewed.CAMERA)}" if name.endswith(ADAPTED) else "")
        for name in names
    }
    pictured = any("images" in options_of(place) for place in places.values())
    found = compare(
        [f"{name}={place}" for name, place in places.items()],
        given.reference[0],
        images=given.images if pictured else None,
        clips=clips,
    ).to_dict()
    found["reference"]["location"] = found["reference"]["name"]  # where it lies here is nothing to readers
    return found


def correlated(
    given: argparse.Namespace, columns: Rows, clips: int | None = None
) -> list[tuple[Column, dict[str, Any]]]:
    """Which measurement goes with the accuracies of a family of networks: `OUT/FAMILYcomparison.json` and
    `OUT/FAMILYcorrelation-PROTOCOL-SET.json`, where all sets that it is to be trained on are in every column.
    clips: see `measured`.
    """
    from synvid_eval.accuracies import load
    from synvid_eval.correlation import correlate
    from synvid_eval.score import dump_json, read_comparison

    every = []
    for family in dict.fromkeys(family for family, _, _ in columns):
        own = {key: column for key, column in columns.items() if key[0] == family}
        method = next(iter(next(iter(own.values())).values()))[0].get("method", FIRST[0])
        wanted = [n for n in sources(method) if n not in ("scratch", "real")]
        if not all(set(wanted) <= set(column) for column in own.values()):
            continue
        file = given.out / f"{family}comparison.json"
        if not file.exists():
            write_bytes(file, dump_json(measured(given, wanted, clips)).encode())
        comparison = read_comparison(file.read_text())[0]
        for (_, protocol, name), column in sorted(own.items()):
            model = next(iter(column.values()))[0]["model"]
            # relative, since the path stands in the result
            rows = os.path.relpath(given.out / f"{family}accuracies.csv")
            known = load(rows, benchmark=name, protocol=protocol, model=model)
            found = correlate(comparison, known)
            write_bytes(given.out / f"{family}correlation-{protocol}-{name}.json", dump_json(found).encode())
            every.append(((family, protocol, name), found))
    return every


def joined(found: Sequence[tuple[Column, dict[str, Any]]]) -> str:
    """Metric by metric, how it goes with the accuracies of each column (Spearman's rho, its interval over
    families of sets; over sets, and said so, where there are too few families for any): whether it does with
    all families of networks. found: column → its correlation.
    """
    names = list(dict.fromkeys(m["metric"] for _, one in found for m in one["metrics"]))
    heads, columns = [], []
    for (family, protocol, name), one in found:
        rho = {m["metric"]: m["spearman"] for m in one["metrics"]}
        over = "family_bootstrap" if any(of["family_bootstrap"] for of in rho.values()) else "interval"
        heads.append(f"{_titled(family)}{protocol}, {name}" + (OVER_SETS if over == "interval" else ""))
        columns.append({n: f"{short_number(of['value'])} {bounds_text(of[over])}" for n, of in rho.items()})
    lines = ["## Does a metric go with all of them?", "", f"| metric | {' | '.join(heads)} |"]
    lines.append("|---" * (len(heads) + 1) + "|")
    lines += [f"| `{name}` | {' | '.join(of.get(name, '') for of in columns)} |" for name in names]
    lines += ["", "Spearman's rho with its 95 % interval, over families of sets (whole ones drawn anew)."]
    if any(head.endswith(OVER_SETS) for head in heads):
        lines.append(
            f"What says{OVER_SETS[1:]} has fewer than {LEAST_FAMILIES} families: its intervals take sets for "
            "independent, which variants of one generator are not, so they are too narrow."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the arguments, runs cells, writes tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", nargs="+", required=True, metavar="DIR")
    parser.add_argument("--images", required=True, metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="SOURCE,…")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=SET")
    parser.add_argument("--versus", nargs="*", default=[], metavar="NAME:OTHER")
    parser.add_argument(
        "--protocols", type=lambda text: text.split(","), default=list(PROTOCOLS), metavar="probe,finetune"
    )
    parser.add_argument("--method", choices=methods.METHODS, default=FIRST[0])
    parser.add_argument("--backbone", choices=backbones.NAMES)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device", default=CPU)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--ray-address", default="local")
    given = parser.parse_args()
    given.also = dict(text.partition("=")[::2] for text in given.also)
    pairs = [(one, other) for one, _, other in (text.partition(":") for text in given.versus)]
    if not all(other for _, other in pairs):
        parser.error(f"--versus {' '.join(given.versus)}: give pairs of sources as NAME:OTHER")
    for name in given.also:
        if name.endswith(ADAPTED):
            parser.error(
                f"--also {name}: what ends in {ADAPTED} is another source, adapted. Give another name."
            )
    given.backbone = given.backbone or ("vit" if given.method == "videomae" else "tsm-resnet18")
    given.only = given.only or [*sources(given.method), *given.also]
    known = ("scratch", "real", *given.also, *presets.names())
    for source in given.only:
        if source.removesuffix(ADAPTED) not in known:
            parser.error(f"--only {source}: no such source. {nearest(source, known)}")
        if source.endswith(ADAPTED) and (given.method == "videomae" or source == SCRATCH + ADAPTED):
            parser.error(
                f"--only {source}: --method {given.method} adapts no views of that. Leave {ADAPTED} away."
            )
    runner = Runner(given)
    runner.run()
    columns = by_column(runner.done())
    if columns:
        for family in dict.fromkeys(family for family, _, _ in columns):
            own = {key: column for key, column in columns.items() if key[0] == family}
            write_bytes(given.out / f"{family}accuracies.csv", accuracies(own).encode())
        text = markdown(columns, pairs)
        write_bytes(given.out / "tables.md", text.encode())  # whatever becomes of measuring
        if found := correlated(given, columns):
            write_bytes(given.out / "tables.md", f"{text}\n{joined(found)}".encode())


if __name__ == "__main__":
    main()
