"""What a pass keeps in memory, and whether a machine has so much.

A GPU says by itself that its memory is short. A machine does not: it promises all that is asked for and kills
the process when that is used. So what a pass will keep is reckoned from a clip before it is begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synvid_eval.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

_MEMORY = Path("/proc/meminfo")
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free() -> int | None:
    """Bytes that a process may still take of this machine, or of what a container is given of it; None where
    the system does not say.
    """
    found = []
    try:
        rows = (line.partition(":") for line in _MEMORY.read_text("ascii").splitlines())
        found += [1024 * int(value.split()[0]) for name, _, value in rows if name == "MemAvailable"]
    except (OSError, ValueError, IndexError):
        return None
    for limit, usage in _LIMITS:
        try:
            most, used = (int(Path(name).read_text("ascii")) for name in (limit, usage))
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
        found.append(max(0, most - used))
    return min(found) if found else None


def a_clip(task: nn.Module, batch: Mapping[str, Tensor]) -> int:
    """Bytes that a pass keeps for each clip until its gradients are made, from the first clip of a batch: its
    inputs, and what layers save of it. It is more while they work. A task with batch norms, which may take no
    clip alone, passes two, where there are two.

    Gradients are not made. What a pass changes (running statistics, queues, weights that follow others) and
    torch's generator are as before.
    """
    import torch

    normed = any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in task.modules())
    one = {name: value[: 1 + normed].clone() for name, value in batch.items()}
    count = min(len(value) for value in one.values())
    inputs = (value.untyped_storage() for value in one.values())
    sizes = {storage.data_ptr(): storage.nbytes() for storage in inputs}
    changing = {name: p.clone() for name, p in task.named_parameters() if not p.requires_grad}
    changing |= {name: buffer.clone() for name, buffer in task.named_buffers()}
    held = [*task.parameters(), *changing.values()]
    own = {tensor.untyped_storage().data_ptr() for tensor in held}
    alive: list[Any] = []  # so that no storage takes the place of another

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    devices = sorted({tensor.device for tensor in held if tensor.is_cuda}, key=str)
    with torch.random.fork_rng(devices), torch.autograd.graph.saved_tensors_hooks(seen, lambda t: t):
        torch.func.functional_call(task, changing, (one,))
    return sum(sizes.values()) // count


def check(kept: int, count: int, cure: str) -> None:
    """UsageError, with what to try, where `count` clips at once keep more than this machine has left.

    kept: bytes of each (`a_clip`).
    """
    left = free()
    if left is not None and kept * count > left:
        raise UsageError(
            f"{count} clips at once are too many for the memory of cpu: they take {kept * count / 2**30:.3g} "
            f"GiB or more, and {left / 2**30:.3g} GiB are free.",
            cure,
        )
