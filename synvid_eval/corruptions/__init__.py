"""Clips → damaged clips: one module a corruption, each a pure function of (frame, address). A corruption is
found by its name (`corruptions.registry`); another package declares entry points `synvid_eval.corruptions`.

They are the 17 corruptions of UCF101-P (Schiappa et al. 2022, "Large-scale Robustness Analysis of Video
Action Recognition Models", arXiv 2207.01398), each in severities 1 to 5, with the numbers of the code that
Yu et al. 2024 (arXiv 2410.24213) released to test their models: `train_code/video_pertube.py` of
Unicorn53547/Synthetic-Video-Representations (commit 1b92ed7). Its noises and blurs are those of Hendrycks and
Dietterich 2019 (ImageNet-C, arXiv 1903.12261). Which 14 of the 17 their "11 of 14" counts is not stated.

    from synvid_eval.corruptions import Draws, registry
    noisy = registry.get("gaussian_noise")(severity=3)
    frame = noisy.change(frame, Draws(0, "a/clip.avi", noisy.name), 7)   # frame 7 of that clip, alone

Where all of them differ from the released code:

- Every draw is addressed by (seed, clip id, corruption, frame, what for), so a frame alone has the bytes that
  it has in its clip, and a clip the bytes that it has in any set. The address has no severity: the same noise
  grows. There, whatever comes first takes the first numbers.
- Frames are changed at their own size, before a network's views are taken of them; there, at 224 × 224,
  after. Lengths in pixels are kept at any size (a blur of 10 px is 10 px): frames that are much larger or
  smaller than 224 px are damaged less or more than the published ones.
- What is computed in floats is rounded to the nearest of 256 levels; there it is cut, which darkens every
  frame by half a level.
"""

from synvid_eval import kernels
from synvid_eval.corruptions.base import Corruption, Draws
from synvid_eval.registry import Registry

kernels.prepare()

registry: Registry[Corruption] = Registry(
    "synvid_eval.corruptions",
    Corruption,  # type: ignore[type-abstract]
    "corruption",
)

__all__ = ["Corruption", "Draws", "registry"]
