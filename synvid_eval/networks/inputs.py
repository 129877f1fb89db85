"""What every backbone takes: clips whose RGB is normalized by ImageNet's moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, RGB in [0, 1]."""


def normalized(frames: Tensor) -> Tensor:
    """Frames uint8 [B, T, H, W, 3] as networks take them: float32 [B, T, 3, H, W], by MEAN and STD."""
    import torch

    mean, std = (torch.tensor(v, device=frames.device) for v in (MEAN, STD))
    found: Tensor = ((frames.float() / 255 - mean) / std).permute(0, 1, 4, 2, 3)
    return found
