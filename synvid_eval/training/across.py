"""What several devices of a training compute together: sums, gathered rows, batch norm over all of them.

Everything here is a function of what all devices hold, and so are its gradients; alone, a device's own.
Gradients that pass through are those of the mean of all devices' losses once torch's DistributedDataParallel
has averaged them, so a pass of n clips on each of w devices is one of n · w clips on one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def world() -> int:
    """How many devices there are."""
    import torch.distributed as group

    return group.get_world_size() if group.is_available() and group.is_initialized() else 1


def summed(values: Tensor) -> Tensor:
    """The sum of all devices' values, of any shape, for each of them; its gradient is the sum of theirs."""
    import torch
    import torch.distributed as group

    if world() == 1:
        return values

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, own: Tensor) -> Tensor:
            total = own.clone()
            group.all_reduce(total)
            return total

        @staticmethod
        def backward(ctx: Any, *slopes: Tensor) -> Tensor:
            total = slopes[0].contiguous().clone()
            group.all_reduce(total)
            return total

    found: Tensor = Sum.apply(values)
    return found


def gathered(rows: Tensor) -> Tensor:
    """Rows [n, …] of all w devices: [n · w, …], in the order of the batch, which is dealt out in turn."""
    import torch
    import torch.distributed as group

    if world() == 1:
        return rows
    places = torch.zeros((len(rows), world(), *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
    places[:, group.get_rank()] = rows
    return summed(places).flatten(0, 1)


def in_rows(slope: Tensor) -> Tensor:
    """A gradient with the strides that a fresh tensor of its shape has, which DistributedDataParallel's
    buckets are laid out by: those of 1 × 1 convolutions come with other strides of the axes of length 1,
    which torch warns of, and then copies one by one.
    """
    return slope.flatten().view(slope.shape)


def synced(module: nn.Module) -> nn.Module:
    """A module whose batch norms take the moments of all devices' values while it is trained; names, weights
    and buffers are those that it had.

    On a GPU it is torch's SyncBatchNorm, which knows no CPU.
    """
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    if any(p.is_cuda for p in module.parameters()):
        found: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return found
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, _synced(child))
    return module


def _synced(norm: Any) -> nn.Module:
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    class Synced(_BatchNorm):
        """Of inputs [N, C, …], of as many on each device."""

        def forward(self, values: Tensor) -> Tensor:
            if not self.training:
                return super().forward(values)
            axes = [0, *range(2, values.dim())]
            shape = [1, -1, *[1] * (values.dim() - 2)]
            exact = values.float()
            mean = summed(exact.mean(axes)) / world()
            apart = exact - mean.reshape(shape)
            variance = summed((apart**2).mean(axes)) / world()
            count = exact.numel() // exact.shape[1] * world()
            kept: Any = self
            with torch.no_grad():
                kept.num_batches_tracked.add_(1)
                kept.running_mean.lerp_(mean, self.momentum)
                kept.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)
            made = apart * torch.rsqrt(variance + self.eps).reshape(shape)
            made = made * self.weight.reshape(shape) + self.bias.reshape(shape)
            return made.to(values.dtype)

        def _check_input_dim(self, values: Tensor) -> None:
            """Any."""

    made = Synced(norm.num_features, norm.eps, norm.momentum)
    made._parameters, made._buffers = norm._parameters, norm._buffers  # the very same
    return made.train(norm.training)
