"""Random weights of sane scale for a network: convolutions after He, batch norms calibrated on textures."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def textures(count: int, side: int, seed: int) -> torch.Tensor:
    """Images float32 [count, 3, side, side] in −1 … 1: noise at several scales, contrasts and colors."""
    g = torch.Generator().manual_seed(seed)
    out = []
    for i in range(count):
        cells = (5, 20, 80, side)[i % 4]
        noise = torch.rand(1, 3, cells, cells, generator=g) * 2 - 1
        noise = functional.interpolate(noise, size=(side, side), mode="bilinear", align_corners=False)
        gain, tint = torch.rand(1, 1, 1, 1, generator=g), torch.rand(1, 3, 1, 1, generator=g) * 2 - 1
        out.append((gain * noise + (1 - gain) * tint).clamp(-1, 1))
    return torch.cat(out)


def sane(network: nn.Module, calibrate: torch.Tensor, seed: int = 0) -> nn.Module:
    """The network itself, its tensors filled: features of order 1 that tell images apart."""
    g = torch.Generator().manual_seed(seed)
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear)):
                module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=g)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1, generator=g)
        for norm in norms:
            norm.weight.uniform_(0.8, 1.2, generator=g)
            norm.bias.uniform_(-0.1, 0.5, generator=g)
            norm.reset_running_stats()
            norm.momentum = 1.0  # the statistics of one pass, as they are
        network.train()(calibrate)
    for norm in norms:
        norm.momentum = 0.1
    return network.eval()
