"""VideoMAE's encoder once more, written from its papers in NumPy and float64, with weights under the authors'
names: what the networks of the package are held against.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def drawn(
    width: int, depth: int, patch: int, seed: int, prefix: str = "encoder.", pooled: bool = False
) -> dict[str, Array]:
    """Weights of an encoder under the authors' names, all of them different from 0, 1 and each other."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 0.05) -> Array:
        return scale * rng.standard_normal(shape)

    out = {
        f"{prefix}patch_embed.proj.weight": normal(width, 3, 2, patch, patch),
        f"{prefix}patch_embed.proj.bias": normal(width),
    }
    for i in range(depth):
        block = f"{prefix}blocks.{i}."
        out |= {
            block + "norm1.weight": 1 + normal(width),
            block + "norm1.bias": normal(width),
            block + "attn.q_bias": normal(width, scale=0.5),
            block + "attn.v_bias": normal(width, scale=0.5),
            block + "attn.qkv.weight": normal(3 * width, width, scale=width**-0.5),
            block + "attn.proj.weight": normal(width, width),
            block + "attn.proj.bias": normal(width),
            block + "norm2.weight": 1 + normal(width),
            block + "norm2.bias": normal(width),
            block + "mlp.fc1.weight": normal(4 * width, width),
            block + "mlp.fc1.bias": normal(4 * width),
            block + "mlp.fc2.weight": normal(width, 4 * width),
            block + "mlp.fc2.bias": normal(width),
        }
    last = ("fc_norm.",) if pooled else (f"{prefix}norm.",)
    for name in last:
        out |= {f"{name}weight": 1 + normal(width), f"{name}bias": normal(width)}
    return out


def positions(count: int, width: int) -> Array:
    """sin(p / 10000^(2⌊j/2⌋/d)) for even j, cos for odd j (Vaswani et al. 2017): [count, width]."""
    table = np.empty((count, width))
    for p in range(count):
        for j in range(width):
            angle = p / 10000 ** (2 * (j // 2) / width)
            table[p, j] = math.sin(angle) if j % 2 == 0 else math.cos(angle)
    return table


def norm(x: Array, weight: Array, bias: Array) -> Array:
    """Layer norm, ε 1e-6."""
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-6) * weight + bias


def gelu(x: Array) -> Array:
    """x Φ(x)."""
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def encoder(
    weights: dict[str, Array], x: Array, heads: int, prefix: str = "encoder.", pooled: bool = False
) -> tuple[Array, dict[str, Array]]:
    """Tokens [n, width] of one clip x [T, 3, H, W] behind the last norm (not so if `pooled`); and queries,
    keys, values and tokens of the last layer, [n, width] each.
    """
    w = {k.removeprefix(prefix): v for k, v in weights.items()}
    kernel = w["patch_embed.proj.weight"]
    width, _, tubelet, side, _ = kernel.shape
    frames, _, height, _ = x.shape
    rows = []
    for t in range(0, frames, tubelet):
        for i in range(0, height, side):
            for j in range(0, height, side):
                part = x[t : t + tubelet, :, i : i + side, j : j + side].transpose(1, 0, 2, 3)
                rows.append(part.ravel())
    h = np.stack(rows) @ kernel.reshape(width, -1).T + w["patch_embed.proj.bias"]
    h = h + positions(len(h), width)
    depth = 1 + max(int(n.split(".")[1]) for n in w if n.startswith("blocks."))
    seen: dict[str, Array] = {}
    for i in range(depth):
        b = {k.removeprefix(f"blocks.{i}."): v for k, v in w.items() if k.startswith(f"blocks.{i}.")}
        inside = norm(h, b["norm1.weight"], b["norm1.bias"])
        bias = np.concatenate([b["attn.q_bias"], np.zeros(width), b["attn.v_bias"]])
        q, k, v = np.split(inside @ b["attn.qkv.weight"].T + bias, 3, axis=1)
        mixed = []
        for one in range(heads):
            of = slice(one * width // heads, (one + 1) * width // heads)
            scores = q[:, of] @ k[:, of].T / math.sqrt(width // heads)
            scores = np.exp(scores - scores.max(1, keepdims=True))
            mixed.append(scores / scores.sum(1, keepdims=True) @ v[:, of])
        h = h + np.concatenate(mixed, 1) @ b["attn.proj.weight"].T + b["attn.proj.bias"]
        inside = norm(h, b["norm2.weight"], b["norm2.bias"])
        hidden = gelu(inside @ b["mlp.fc1.weight"].T + b["mlp.fc1.bias"])
        h = h + hidden @ b["mlp.fc2.weight"].T + b["mlp.fc2.bias"]
        seen = {"queries": q, "keys": k, "values": v, "tokens": h}
    return (h if pooled else norm(h, w["norm.weight"], w["norm.bias"])), seen
