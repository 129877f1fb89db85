"""What a comparison of very many clips would cost on a machine that is elsewhere: a model and its rates.

Rates are measured here by a short run (`calibrate`): what a core takes to decode a clip, to compute on it,
what the process takes that deals clips out and folds what comes back, what a receipt takes to be read, how
long planning takes. Graphics processors are calibrated where one is; rates of another kind are assumed: by
the peaks that makers state, of a network that ran on none by its operations and a share of the peak, and
marked so.

The model is a sum of stages, of which those that run side by side take as long as the slowest:

    wall = start + plan + max(cores' work / cores, GPUs' work / GPUs, dealing / jobs, reading) + join

Scoring what was joined is left out: it takes as long for many clips as for few.

It takes a core there for a core here. `reports/scale/` holds what it predicted and what was measured.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from synvid_eval import derived, receipts
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError, nearest
from synvid_eval.estimate import Trial, Trials, bytes_of, try_clips
from synvid_eval.execute import usable_processors
from synvid_eval.features.base import Feature
from synvid_eval.features.network import NetworkFeature
from synvid_eval.measurement import PIECE, Folding, Listed, Measurer, Options, Piece, Run, plan_pieces
from synvid_eval.randomness import address
from synvid_eval.sets import open_set
from synvid_eval.states import BLOCKS, SUB_SHARDS
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.videoset import VideoSet

SCHEMA = "synvid-eval/plan/1"
RATES = "synvid-eval/rates/1"

TRIED = 48
"""Clips of a set that are measured to know its rates."""

_PLANNED = 100_000

_KEPT = 600
"""Bytes of memory that a clip's record takes while a measurement is joined."""

PEAK = {
    "h200": 67.0, "h100": 67.0, "a100": 19.5, "l40s": 91.6, "a10": 31.2, "l4": 30.3, "v100": 15.7, "t4": 8.1,
    "rtx4090": 82.6, "rtx3090": 35.6,
}  # fmt: skip
"""Single precision as the makers' data sheets state it [10¹² operations a second]."""

SHARE = 0.35
"""Of that peak, what is assumed to be reached."""

OPERATIONS = {"inception": 11.4e9, "i3d": 54e9}
"""Operations of a network for a frame of 299² (Inception-v3) or 16 frames of 224² (I3D); twice the
multiply-adds that their authors state.
"""


@dataclass(frozen=True)
class Machine:
    """Where it is to run: `nodes` of `cores` and `gpus` of a kind each; read: bytes a second from storage, of
    all nodes together (None: no limit).
    """

    cores: int
    gpu: str = ""
    gpus: int = 0
    nodes: int = 1
    read: float | None = None

    @classmethod
    def here(cls, rates: Rates) -> Machine:
        """The cores that this process may use, and the GPU that rates were measured on here, if one was."""
        return cls(Options().worker_count(), rates.gpu_kind, int(bool(rates.gpu)))

    @classmethod
    def parse(cls, text: str) -> Machine:
        """`gpu=h200:8,cores=128,nodes=4,read=5e9` → a machine; UsageError for anything else."""
        known = ("cores", "gpu", "nodes", "read")
        given: dict[str, str] = {}
        for part in text.split(","):
            key, sign, value = part.partition("=")
            if key not in known or not sign:
                raise UsageError(f"--machine {part!r} is not known.", nearest(key, known))
            given[key] = value
        try:
            gpu, _, gpus = given.get("gpu", "").partition(":")
            found = cls(
                int(given.get("cores", os.cpu_count() or 1)),
                gpu.lower(),
                int(gpus or bool(gpu)),
                int(given.get("nodes", 1)),
                float(given["read"]) if "read" in given else None,
            )
        except ValueError:
            raise UsageError(f"--machine {text} cannot be read.", "Such as gpu=h200:8,cores=128.") from None
        if found.gpu and found.gpu not in PEAK:
            raise UsageError(f"No rate is known of a {found.gpu!r}.", nearest(found.gpu, PEAK))
        if min(found.cores, found.nodes) < 1 or found.gpus < 0 or (found.read or 1) <= 0:
            raise UsageError(f"--machine {text} is no machine.", "Such as gpu=h200:8,cores=128.")
        return found


@dataclass(frozen=True)
class SetRates:
    """What a clip of a set takes: `decode` and `compute` (what needs no weights) in seconds of a core,
    networks: feature → seconds of a core, or of the GPU where they ran on one; read: bytes of its file (None:
    nothing is read); clip, piece: bytes of a receipt of one clip, and of PIECE clips.
    """

    decode: float
    compute: float
    networks: dict[str, float]
    read: float | None
    clip: float
    piece: float


@dataclass(frozen=True)
class Rates:
    """What was measured here. start [s] of a worker; plan [s a clip]; deal [s a clip] of the process that
    deals clips out; receipt [s a piece] read and joined; stream [bytes/s] of joining; features: what is
    measured; frames: that a network sees of a clip; gpu: feature → clips a second of one, where one was
    tried, and gpu_kind: which (a key of PEAK, else its name).
    """

    machine: str
    workers: int
    start: float
    plan: float
    deal: float
    receipt: float
    stream: float
    features: list[str]
    sets: dict[str, SetRates]
    frames: int
    gpu: dict[str, float] = field(default_factory=dict)
    gpu_kind: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; `from_dict` reads it."""
        return {"schema": RATES, **asdict(self)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], where: str) -> Rates:
        """The rates that `to_dict` wrote; DataError for anything else."""
        try:
            if told["schema"] != RATES:
                raise ValueError(f"schema {told['schema']!r}")
            sets = {name: SetRates(**rates) for name, rates in told["sets"].items()}
            return cls(**{k: v for k, v in told.items() if k not in ("schema", "sets")}, sets=sets)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where} holds no rates ({error}).", "plan --calibrate F writes some.") from None


def calibrate(sets: Sequence[VideoSet], features: Sequence[Feature], options: Options) -> Rates:
    """The rates of some sets and features on this machine: some 50 clips of each set are measured, twice or
    more. Where networks run on a GPU, that is the one that is calibrated.
    """
    plain = [f for f in features if not isinstance(f, NetworkFeature)]
    networks = [f for f in features if isinstance(f, NetworkFeature)]
    samples = [_sample(one) for one in sets]
    groups = [list(one.clips) for one in samples]
    chosen = replace(options, cache=Cache(None))
    workers = options.worker_count()
    options.progress.say("calibrating: decoding alone")
    decoding = try_clips(groups, [], chosen, TRIED)
    by_network: dict[str, Trials] = {}
    for network in networks:
        options.progress.say(f"calibrating: {network.name}")
        # one worker alone has a whole GPU; what several that share one take each is no rate of it
        by = replace(chosen, workers=1) if _on_gpu(network) else chosen
        by_network[network.name] = try_clips(groups, [network], by, max(2, TRIED // 8))
    rates: dict[str, SetRates] = {}
    deal, receipt, stream = 0.0, 0.0, math.inf
    for one, base, number in zip(samples, decoding.sets, range(len(sets)), strict=True):
        if base.seconds_per_clip is None:
            raise DataError(f"No clip that was tried of {one.name} can be read.", "See: inspect.")
        options.progress.say(f"calibrating: {one.name}")
        with Measurer(plain, chosen) as measurer:
            measurer.measure(replace(one, clips=one.clips[: 2 * workers]))  # starts the workers
            folding = Folding(measurer.features, Listed.of(one), chosen)
            began, busy = time.monotonic(), time.process_time()
            (piece,) = Run(measurer, one, [Piece(0, one.clips)]).finished()
            folding.add(piece)
            spent = time.monotonic() - began
            dealing = (time.process_time() - busy) / len(one.clips)
            deal = max(deal, dealing)
            each, fast = receipts.pace(piece, folding)
            receipt, stream = max(receipt, each), min(stream, fast)
        whole = spent * workers / len(one.clips)
        if workers >= usable_processors():  # dealing took its time from the same cores
            whole -= dealing
        tried = {n: t.sets[number].seconds_per_clip or 0.0 for n, t in by_network.items()}
        kept = [try_clips([groups[number]], plain, chosen, 4).sets[0]]
        kept += [t.sets[number] for t in by_network.values()]
        rates[one.name] = SetRates(
            base.seconds_per_clip,
            max(0.0, whole - base.seconds_per_clip),
            {n: max(0.0, each - base.seconds_per_clip) for n, each in tried.items()},
            _file_bytes(one.clips),
            _receipt_bytes(kept, 1),
            _receipt_bytes(kept, PIECE),
        )
    on_gpu = {}
    for network in filter(_on_gpu, networks):
        each = max(r.networks[network.name] for r in rates.values())
        on_gpu[network.name] = 1.0 / max(each, 1e-6)  # decoding may have varied by more than it takes
    return Rates(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        workers,
        decoding.startup,
        _planning(),
        deal,
        receipt,
        stream,
        sorted(f.name for f in features),
        rates,
        options.sampler.frames,
        on_gpu,
        _gpu_here() if on_gpu else "",
    )


def _on_gpu(network: NetworkFeature) -> bool:
    return not network.device.startswith("cpu")


def _gpu_here() -> str:
    import torch

    return kind_of_gpu(torch.cuda.get_device_name()) if torch.cuda.is_available() else "gpu"


def kind_of_gpu(name: str) -> str:
    """The key of PEAK that a GPU's name has as a word, as `NVIDIA H100 80GB HBM3` has; else the name."""
    words = name.lower().replace("-", " ").split()
    joined = {*words, *(a + b for a, b in itertools.pairwise(words))}
    return next((kind for kind in PEAK if kind in joined), name.lower())


def _receipt_bytes(trials: Sequence[Trial], clips: int) -> float:
    """Bytes of a receipt of so many clips each."""
    shards = BLOCKS * SUB_SHARDS
    return sum(float(trial.kept(shards * clips) or 0) / shards for trial in trials)


def _sample(one: VideoSet) -> VideoSet:
    clips = heapq.nsmallest(TRIED, one.clips, key=lambda c: address("estimate", c.id))
    return replace(one, clips=tuple(sorted(clips, key=lambda c: c.id)), skipped=(), notes=())


def _planning() -> float:
    """Seconds a clip to plan a set."""
    began = time.process_time()
    plan_pieces(open_set(f"preset:moving_circles?n={_PLANNED}"))
    return (time.process_time() - began) / _PLANNED


def _file_bytes(clips: Sequence[ClipRef]) -> float | None:
    """Bytes that are read of a clip; None where nothing is, or their sizes are not to be had."""
    read = [source for clip in clips for source in derived.sources_of(clip) if source.kind != "preset"]
    size = bytes_of(read)
    return size / len(clips) if size else None


@dataclass(frozen=True)
class Stage:
    """A stage: what it takes in all. unit: "core-hours", "GPU-hours" or "hours" (of one process); bound:
    hours that it takes at least there; assumed: whether a rate of it is assumed.
    """

    name: str
    amount: float
    unit: str
    bound: float
    assumed: bool = False


@dataclass(frozen=True)
class Forecast:
    """What it would cost. hours: from start to end. bottleneck: the stage that takes longest. jobs: of the
    job array, so many that dealing is no bottleneck. memory: bytes that joining takes. storage: bytes of
    receipts. money: at the price stated, None where none is.
    """

    clips: dict[str, int]
    machine: Machine
    stages: tuple[Stage, ...]
    hours: float
    bottleneck: str
    jobs: int
    pieces: int
    storage: float
    read: float
    memory: float
    money: float | None
    rates: Rates

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"schema": SCHEMA, **asdict(self), "rates": self.rates.to_dict()}


def forecast(
    rates: Rates, clips: Mapping[str, int], machine: Machine, price: float | None = None
) -> Forecast:
    """What measuring so many clips of each set and joining them would cost.

    Args:
        clips: set → number. price: of a node for an hour.

    Raises UsageError for a machine without GPUs where the rates of networks are those of one.
    """
    if rates.gpu and not machine.gpus:
        raise UsageError(
            f"The rates of {', '.join(sorted(rates.gpu))} are those of a GPU, and the machine has none.",
            "Give --machine a GPU, or calibrate with --device cpu.",
        )
    total = sum(clips.values())
    cores, gpus = machine.cores * machine.nodes, machine.gpus * machine.nodes
    decode = sum(n * rates.sets[s].decode for s, n in clips.items()) / 3600
    compute = sum(n * rates.sets[s].compute for s, n in clips.items()) / 3600
    names = sorted({n for r in rates.sets.values() for n in r.networks})
    stages = [
        Stage("plan", total * rates.plan / 3600, "hours", total * rates.plan / 3600),
        Stage("decode", decode, "core-hours", decode / cores),
        Stage("compute", compute, "core-hours", compute / cores),
    ]
    on_cores, on_gpus = decode + compute, 0.0
    for name in names:
        if gpus:
            each, assumed = _gpu_seconds(rates, name, machine.gpu)
            hours = total * each / 3600
            on_gpus += hours
            stages.append(Stage(name, hours, "GPU-hours", hours / gpus, assumed))
        else:
            hours = sum(n * rates.sets[s].networks[name] for s, n in clips.items()) / 3600
            on_cores += hours
            stages.append(Stage(name, hours, "core-hours", hours / cores))
    dealing = total * rates.deal / 3600
    # a job's own process deals no faster than this: so many of them that each is idle half of the time
    work = max(on_cores / cores, on_gpus / gpus if gpus else 0.0)
    jobs = max(machine.nodes, math.ceil(2 * dealing / work) if work else 1)
    stages.append(Stage("deal", dealing, "core-hours", dealing / jobs))
    read = sum(n * (rates.sets[s].read or 0.0) for s, n in clips.items())
    reading = read / machine.read / 3600 if machine.read else 0.0
    if reading:
        stages.append(Stage("read", reading, "hours", reading))
    pieces = {s: _pieces(n) for s, n in clips.items()}
    # states grow with their clips as long as rows are kept, then no more
    storage = sum(min(n * rates.sets[s].clip, pieces[s] * rates.sets[s].piece) for s, n in clips.items())
    join = (sum(pieces.values()) * rates.receipt + storage / rates.stream) / 3600
    stages.append(Stage("join", join, "hours", join))
    # what needs cores shares them: decoding, computing and dealing one after the other on each
    beside = {
        "core-hours": (on_cores + dealing) / cores,
        "GPU-hours": on_gpus / gpus if gpus else 0.0,
        "hours": reading,
    }
    alone = ("plan", "join")
    hours = rates.start / 3600 + stages[0].bound + max(beside.values()) + join
    # of what is shared, the stage that takes the largest part
    slowest = max(stages, key=lambda s: (s.bound if s.name in alone else beside[s.unit], s.amount))
    return Forecast(
        dict(clips),
        machine,
        tuple(stages),
        hours,
        slowest.name,
        jobs,
        sum(pieces.values()),
        storage,
        read,
        float(max(clips.values(), default=0)) * _KEPT,
        None if price is None else price * machine.nodes * hours,
        rates,
    )


def _gpu_seconds(rates: Rates, network: str, kind: str) -> tuple[float, bool]:
    """(seconds that a GPU of a kind takes for a clip, whether that is assumed)."""
    if tried := rates.gpu.get(network):
        if kind == rates.gpu_kind:
            return 1.0 / tried, False
        if rates.gpu_kind in PEAK:
            return PEAK[rates.gpu_kind] / PEAK[kind] / tried, True
    operations = OPERATIONS.get(network, OPERATIONS["i3d"])
    passes = rates.frames if network == "inception" else 1
    return passes * operations / (PEAK[kind] * 1e12 * SHARE), True


def _pieces(clips: int) -> int:
    """How many pieces so many clips are, about: what hashes deal to a shard is binomial, and a shard of N is
    ⌈N / PIECE⌉ pieces.
    """
    from scipy.stats import binom

    shards = BLOCKS * SUB_SHARDS
    mean = clips / shards
    if mean > 400 * PIECE:  # shards differ by more than a piece: their last ones are half full on average
        return round(clips / PIECE + shards / 2)
    most = min(float(clips), mean + 10 * math.sqrt(mean) + 10)
    starts = np.arange(0, most, PIECE)
    return max(1, round(float(shards * binom.sf(starts, clips, 1 / shards).sum())))
