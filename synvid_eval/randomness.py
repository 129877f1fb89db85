"""Randomness by address: every draw is a function of (domain, parts…), never of what was drawn before it.

A 64-bit key is the blake2b hash of a domain word and its parts; a stream of numbers is SplitMix64 counted up
from that key (Steele, Lea, Flood 2014). Both are integer arithmetic, so the same on every machine, in any
order, in any process, with any NumPy version.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def address(domain: str, *parts: str | int) -> int:
    """The 64-bit key of a domain word and its parts (8 bytes of blake2b, big-endian), in [0, 2**64)."""
    text = "\0".join([domain, *map(str, parts)])
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big"
    )


def stream(key: int, count: int, start: int = 0) -> NDArray[np.uint64]:
    """Numbers `start … start + count − 1` of the SplitMix64 stream of `key`, uint64 [count]."""
    with np.errstate(over="ignore"):
        z = np.uint64(key) + (np.arange(start + 1, start + count + 1, dtype=np.uint64)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        out: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return out


def permutation(key: int, count: int) -> NDArray[np.int64]:
    """The numbers 0 … count − 1 in the order of the first `count` numbers of the stream of `key`."""
    return np.argsort(stream(key, count), kind="stable")


def below(values: NDArray[np.uint64], bound: int) -> NDArray[np.int64]:
    """Maps uint64 draws to integers in [0, bound) by multiply-shift of their upper 32 bits; 1 ≤ bound <
    2**31.
    """
    return (((values >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def unit(values: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Maps uint64 draws to float64 in [0, 1) with 53 random bits."""
    out: NDArray[np.float64] = (values >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return out
