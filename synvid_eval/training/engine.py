"""The loop of every training: steps, precision, several devices, checkpoints, the log, going on.

What is trained is a task: a module that turns a batch into its loss; behind a step something may happen to
it. A step is the same function of (the weights before it, its number) whenever it is computed: batches,
masks, crops are addressed, and torch's own generator, which dropout draws from, is set from (seed, step,
pass, device) before every pass. So on a CPU a run that was killed ends in the same weights as one that was
not, given the same number of threads (which the config keeps). On GPUs kernels that sum in no fixed order
decide the last digits.

Under `torchrun` each process is one device and passes its share of every batch; gradients are averaged, and
batch norms see the clips of all devices (`across`). The first of them logs and saves. Asked to stop, one of
them or all, they stop behind the same step.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Progress
from synvid_eval.randomness import address
from synvid_eval.training import across, memory
from synvid_eval.training.data import Batches, Item, loader
from synvid_eval.training.recipe import Optimization
from synvid_eval.training.run_folder import RunFolder, TrainingState
from synvid_eval.video.layouts import count_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SCALER = "scaler"
"""Among what the optimizer remembers: scale and growth of fp16's gradients."""

TRIED_S = 20.0
"""Seconds that are spent on trying what a step takes, as far as a pass of one clip takes no longer."""

PATIENCE = timedelta(days=7)
"""How long processes wait while the first of them works alone; see `Devices.wait`."""

Layer = Callable[[str], int]
"""Name of a weight → how many layers below the top it lies."""

Behind = Callable[[int, int, list[Any]], None]
"""(number of a step, steps in all, what its passes left on this device) → nothing: see `Training`."""

Cure = Callable[[int, bool], str]
"""(clips of a pass for which memory is short, whether the run has steps behind it) → what to try."""

SMALLER = (
    "Take a smaller network (--set size=…; network.stage=… of a convolutional one), or smaller frames (--set "
    "network.image=…)."
)
"""What to try where a single clip is too much for a network that is drawn here."""


@dataclass(frozen=True)
class Devices:
    """Where a training runs: this process's device, its rank among `world` processes.

    waiting: the group of torch.distributed in which these wait for each other, where there are several.
    """

    device: str
    rank: int = 0
    world: int = 1
    waiting: Any = None

    @property
    def first(self) -> bool:
        """Whether this process logs and saves."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here: to be called by all of them behind what the first does alone, such as
        testing. That may take hours; devices that wait in a step for each other's gradients give up after 10
        minutes (NCCL) or 30 (gloo), and end the run.
        """
        if self.world > 1:
            import torch

            torch.distributed.barrier(self.waiting)


@contextlib.contextmanager
def devices(asked: str) -> Iterator[Devices]:
    """The device that was asked for; under torchrun one of its processes, which are connected meanwhile."""
    from synvid_eval.networks.loading import resolve_device

    world = _number("WORLD_SIZE", 1)
    if world == 1:
        yield Devices(resolve_device(asked))
        return
    import torch.distributed as group

    device = resolve_device(asked)
    if device.startswith("cuda"):
        device = resolve_device(f"cuda:{_number('LOCAL_RANK', 0)}")
        import torch

        torch.cuda.set_device(device)  # what is sent around goes by the current device
        group.init_process_group("nccl", device_id=torch.device(device))
    else:
        group.init_process_group("gloo")
    try:
        yield Devices(device, group.get_rank(), world, group.new_group(backend="gloo", timeout=PATIENCE))
    finally:
        group.destroy_process_group()


def speaks() -> bool:
    """Whether this process is alone, or the first of torchrun's: the one that says and writes results."""
    return _number("RANK", 0) == 0


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdigit():
        raise UsageError(f"{name}={text} is no number.", "torchrun sets it.")
    return int(text)


def fewer_at_once(micro: int, goes_on: bool = False) -> str:
    """What to try where passes of `micro` clips are too large, and decide no weights (a `Cure`)."""
    if micro == 1:
        return SMALLER
    return f"Try --set micro={divisor(micro, micro // 2)}: as many clips a step, in smaller passes."


def divisor(of: int, most: int) -> int:
    """The largest number, at most `most` ≥ 1, that divides another."""
    return next(n for n in range(most, 0, -1) if of % n == 0)


@dataclass(frozen=True)
class Training:
    """All that a loop needs.

    task: batch → loss, or (loss, what the pass leaves); `network` is what checkpoints hold. make: (epoch,
    clip) → a dict of arrays. workers: processes that make. layer: of a weight, where learning rates fall with
    depth. cure: of too little memory. behind: is called behind the optimizer's step, on every device, once a
    step however many passes it has. least: clips that a pass must have, on all devices together.
    """

    recipe: Optimization
    network: nn.Module
    task: nn.Module
    batches: Batches
    make: Callable[[Item], Any]
    workers: int = 0
    layer: Layer = lambda name: 0
    cure: Cure = fewer_at_once
    behind: Behind = lambda step, steps, left: None
    least: int = 1

    def share(self, world: int) -> int:
        """Clips of a batch that a device passes; UsageError where they cannot be dealt out."""
        if self.recipe.batch % world:
            raise UsageError(
                f"batch={self.recipe.batch} cannot be dealt out to {world} processes.", "Give a multiple."
            )
        return self.recipe.batch // world

    def micro(self, world: int) -> int:
        """Clips of a pass; UsageError where passes do not fit."""
        share = self.share(world)
        micro = min(self.recipe.micro or share, share)
        if share % micro:
            raise UsageError(f"micro={micro} does not divide the {share} clips of a device.")
        if micro * world < self.least:
            raise UsageError(
                f"Passes of {count_of(micro * world, 'clip')} are too small: here they need {self.least}, "
                "for batch norms or to be compared.",
                "Give a larger --set micro=…, or --set batch=….",
            )
        return micro


def train(
    folder: RunFolder,
    what: Training,
    where: Devices,
    progress: Progress,
    after: Callable[[int], None] = lambda step: None,
) -> int:
    """Trains to the recipe's last step from the folder's newest checkpoint on; returns that step.

    after: called behind every step, with the number of steps done, by every process. Where only the first
    has much to do there, all of them wait (`Devices.wait`).

    Raises:
        DataError: a loss that is no number, data that cannot be read, a checkpoint of another network.
        UsageError: too little memory for a pass, with what to try; a batch that cannot be dealt out.
    """
    schedule = what.recipe.schedule(what.batches.steps_an_epoch)
    micro = what.micro(where.world)
    what.network.to(where.device).train()
    optimizer = _optimizer(what)
    done = restore(folder, what.network, optimizer)
    scaler = _scaler(what, where, folder)
    module = _wrapped(what, where)
    passes = (
        items
        for step in range(done, schedule.steps)
        for items in what.batches.share(step, where.rank, where.world, micro)
    )
    ready = loader(what.make, passes, what.workers)
    progress.begin(os.fspath(folder.path), schedule.steps * what.recipe.batch)
    progress.advance(done * what.recipe.batch, cached=True)
    with contextlib.ExitStack() as held:
        log = held.enter_context(folder.log(done)) if where.first else None
        stopped = held.enter_context(_stopping())
        for step in range(done, schedule.steps):
            began = time.perf_counter()
            rate = schedule.rate(step)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            try:
                loss = _step(
                    what, module, optimizer, scaler, ready, step, where, goes_on=step > 0, begins=step == done
                )
            except DataError:
                if not stopped():
                    raise
                # those that read for this one were asked to stop, too, and did at once
                if where.first and step:
                    folder.save(_state(step, what.network, optimizer, scaler), what.recipe.keep)
                raise KeyboardInterrupt from None
            except RuntimeError:
                if where.world > 1 and stopped():  # so was another device, which left in the middle of a step
                    raise KeyboardInterrupt from None
                raise
            loss, stops = _agreed(loss, stopped(), where)
            if not math.isfinite(loss):
                raise DataError(
                    f"The loss of step {step + 1} is {loss} (lr {rate:.3g}).",
                    "Lower lr (--set lr=…), or compute in fp32 (--set precision=fp32).",
                )
            pace = what.recipe.batch / (time.perf_counter() - began)
            if log is not None:
                log.add({"step": step + 1, "loss": loss, "lr": rate, "clips_per_s": pace})
            last = step + 1 == schedule.steps or stops
            if where.first and (last or (step + 1) % what.recipe.save == 0):
                folder.save(_state(step + 1, what.network, optimizer, scaler), what.recipe.keep)
            progress.advance(what.recipe.batch, cached=False)
            after(step + 1)
            if stops and step + 1 < schedule.steps:
                raise KeyboardInterrupt
    return schedule.steps


@dataclass(frozen=True)
class Tried:
    """What a try of a training says.

    seconds: a step. making: of these, to make its batch in one process. clips: of the passes that this was
    taken from. bytes: kept in memory meanwhile for each clip of a pass (`memory.a_clip`).
    """

    seconds: float
    making: float
    clips: int
    bytes: int


def tried(what: Training, where: Devices) -> Tried:
    """What a step takes, from passes of one clip (or of the least), of four, of sixteen, and so on, up to
    those of the recipe as far as time (`TRIED_S`) and memory allow: a step is told from its part. Of each
    number the first pass is not counted. Nothing is kept.
    """
    micro, share = what.micro(where.world), what.share(where.world)
    what.network.to(where.device).train()
    optimizer, module = _optimizer(what), _wrapped(what, where)
    scaler = _scaler(what, where)
    room = memory.free() if where.device == "cpu" else None
    began = time.perf_counter()
    # it compiles for each number anew
    count = micro if what.recipe.compile else min(micro, -(-what.least // where.world))
    kept = -1
    while True:
        few = replace(what, recipe=replace(what.recipe, batch=count * where.world, micro=count))
        for step in range(2):
            before = time.perf_counter()
            items = what.batches.share(step, where.rank, where.world, micro)[0][:count]
            ready = list(loader(what.make, [items], 0))
            made = time.perf_counter()
            if kept < 0:
                kept = _a_clip(what, ready[0], where)
            passed = time.perf_counter()
            _step(few, module, optimizer, scaler, iter(ready), step, where)
            now, making = time.perf_counter(), made - before
            took = making + now - passed
            found = Tried(took * share / count, making * share / count, count, kept)
            if now - began > TRIED_S:
                return found
        more = min(4 * count, micro)
        too_long = now - began + 2 * took * more / count > TRIED_S
        if count == micro or too_long or (room is not None and 2 * more * kept > room):
            return found
        count = more


def told(of: Tried, micro: int) -> dict[str, Any]:
    """What a try says of passes, ready for JSON: clips of one, clips that were tried, bytes kept by one."""
    return {"clips_a_pass": micro, "clips_tried": of.clips, "bytes_a_pass": of.bytes * micro}


def _too_many(kept: int, micro: int) -> int:
    """Clips of a pass, a divisor of `micro`, whose next smaller one leaves half of the memory that is free,
    so that what a cure says fits; 1 where not even one clip does, `micro` itself where that is not known.
    """
    left = memory.free()
    if left is None:
        return micro
    while micro > 1:
        fewer = divisor(micro, micro // 2)
        if kept * (2 * fewer if fewer > 1 else 1) <= left:
            break
        micro = fewer
    return micro


def _a_clip(what: Training, batch: dict[str, Tensor], where: Devices) -> int:
    """See `memory.a_clip`."""
    import torch

    kind, dtype = _autocast(what, where)
    first = {name: value[:2].to(where.device) for name, value in batch.items()}
    with torch.autocast(kind, dtype, enabled=dtype is not None):
        return memory.a_clip(what.task.to(where.device), first)


def _autocast(what: Training, where: Devices) -> tuple[str, torch.dtype | None]:
    """(kind of device, what is computed in there if it is not float32)."""
    import torch

    found = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(_precision(what.recipe, where.device))
    return where.device.partition(":")[0], found


def _step(
    what: Training,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    ready: Iterator[dict[str, Tensor]],
    step: int,
    where: Devices,
    goes_on: bool = False,
    begins: bool = False,
) -> float:
    """One step of the optimizer; returns the mean loss over this device's share. goes_on: see `Cure`. begins:
    whether it is the first of a process, which looks for memory.
    """
    import torch

    micro = what.micro(where.world)
    passes = what.share(where.world) // micro
    kind, dtype = _autocast(what, where)
    total = torch.zeros((), device=where.device)
    left = []
    with enough_memory(micro, "clip", where.device, what.cure(micro, goes_on)):
        for number in range(passes):
            batch = {k: v.to(where.device, non_blocking=True) for k, v in next(ready).items()}
            if begins and number == 0 and micro > 1 and where.device == "cpu":
                kept = _a_clip(what, batch, where)
                memory.check(kept, micro, what.cure(_too_many(kept, micro), goes_on))
            torch.manual_seed(
                address("synvid_eval.training", what.batches.seed, step, number, where.rank) >> 1
            )
            waits = where.world > 1 and number + 1 < passes  # gradients are averaged once a step
            with module.no_sync() if waits else contextlib.nullcontext():  # type: ignore[operator]
                with torch.autocast(kind, dtype, enabled=dtype is not None):
                    found = module(batch)
                loss, remains = found if isinstance(found, tuple) else (found, None)
                left.append(remains)
                scaler.scale(loss / passes).backward()
            total += loss.detach() / passes
        if what.recipe.clip:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(what.network.parameters(), what.recipe.clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        what.behind(step, what.recipe.schedule(what.batches.steps_an_epoch).steps, left)
    return float(total)


def _agreed(loss: float, stops: bool, where: Devices) -> tuple[float, bool]:
    """(mean of all devices' losses, whether any of them is asked to stop), the same on each, so that all of
    them stop behind the same step.
    """
    if where.world == 1:
        return loss, stops
    import torch

    both = torch.tensor([loss, float(stops)], device=where.device)
    torch.distributed.all_reduce(both)
    total, asked = both.tolist()
    return total / where.world, asked > 0


@contextlib.contextmanager
def enough_memory(count: int, noun: str, device: str, cure: str) -> Iterator[None]:
    """Where memory is short inside, of a GPU or of the machine: UsageError.

    Args:
        count: how many are passed at once, of what the noun says. cure: what to try.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error).lower()
        said = ("out of memory", "can't allocate memory", "not enough memory")
        if isinstance(error, RuntimeError) and not any(words in text for words in said):
            raise
        many = f"{count} {noun}s at once are too many" if count > 1 else f"One {noun} at once is too much"
        raise UsageError(f"{many} for the memory of {device}.", cure) from None


def _precision(recipe: Optimization, device: str) -> str:
    if recipe.precision != "auto":
        return recipe.precision
    import torch

    return "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "fp32"


def _wrapped(what: Training, where: Devices) -> nn.Module:
    import torch

    module: nn.Module = what.task.to(where.device)
    if where.world > 1:
        module = across.synced(module)
    if what.recipe.compile:
        module = torch.compile(module)  # type: ignore[assignment]
    if where.world > 1:
        # buffers are the same function of all devices' clips on each of them
        wrapper: Any = torch.nn.parallel.DistributedDataParallel
        sent = "forward_sync_buffers"  # since torch 2.10, which warns of the older word
        if sent not in inspect.signature(wrapper.__init__).parameters:
            sent = "broadcast_buffers"
        for weight in module.parameters():
            if weight.requires_grad:
                weight.register_hook(across.in_rows)  # type: ignore[no-untyped-call]
        module = wrapper(module, **{sent: False})
    return module


def _optimizer(what: Training) -> torch.optim.Optimizer:
    """AdamW or SGD; each group of weights with its decay and its share of the learning rate (`scale`).

    As in the released code biases, norms and mask tokens have no weight decay.
    """
    import torch

    recipe = what.recipe
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, weight in what.network.named_parameters():
        if not weight.requires_grad:
            continue
        plain = weight.dim() < 2 or name.endswith("mask_token")
        decay = 0.0 if plain else recipe.weight_decay
        scale = recipe.layer_decay ** what.layer(name)
        group = groups.setdefault((decay, scale), {"params": [], "weight_decay": decay, "scale": scale})
        group["params"].append(weight)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups.values(), lr=recipe.lr, momentum=recipe.beta1, nesterov=recipe.nesterov)
    betas = (recipe.beta1, recipe.beta2)
    return torch.optim.AdamW(groups.values(), lr=recipe.lr, betas=betas, eps=recipe.epsilon)


def _scaler(what: Training, where: Devices, folder: RunFolder | None = None) -> torch.amp.GradScaler:
    """What keeps gradients of fp16 from vanishing, as the folder's newest checkpoint has it.

    UsageError: fp16 on a device that has no such scaler.
    """
    import torch

    half = _precision(what.recipe, where.device) == "fp16"
    if half and not where.device.startswith("cuda"):
        raise UsageError(f"precision=fp16 is not for {where.device}.", "Give bf16, or fp32.")
    scaler = torch.amp.GradScaler(enabled=half)
    kept = folder.newest() if half and folder is not None else None
    if kept is not None and SCALER in kept.optimizer:
        scale, tracker = kept.optimizer[SCALER].tolist()
        scaler.load_state_dict({**scaler.state_dict(), "scale": scale, "_growth_tracker": int(tracker)})
    return scaler


def _state(
    step: int, network: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> TrainingState:
    import torch

    kept = {
        f"{key}/{name}": value if isinstance(value, torch.Tensor) else torch.tensor(value)
        for name, weight in network.named_parameters()
        for key, value in optimizer.state.get(weight, {}).items()
    }
    if scaler.is_enabled():
        now = scaler.state_dict()
        kept[SCALER] = torch.tensor([now["scale"], now["_growth_tracker"]], dtype=torch.float64)
    return TrainingState(step, dict(network.state_dict()), kept, {})


def restore(folder: RunFolder, network: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> int:
    """Puts a folder's newest checkpoint into a network and its optimizer; returns how many steps it has
    behind it, 0 where there is none. DataError: it is of another network.
    """
    checkpoint = folder.newest()
    if checkpoint is None:
        return 0
    try:
        network.load_state_dict(checkpoint.network)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise DataError(f"{folder.path}: its checkpoint is of another network: {first}") from None
    if optimizer is not None:
        weights = dict(network.named_parameters())
        for name, value in checkpoint.optimizer.items():
            key, _, weight = name.partition("/")
            if name == SCALER:
                continue
            own = weights[weight]
            # AdamW counts its steps in a tensor on the CPU
            optimizer.state[own][key] = value if value.dim() == 0 else value.to(own.device)
    return checkpoint.step


@contextlib.contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to stop (Ctrl-C, SIGTERM): the step in work is ended and saved first. A
    second time it stops at once.
    """
    asked: list[int] = []

    def hear(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {}
    with contextlib.suppress(ValueError):  # not in the main thread
        before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
