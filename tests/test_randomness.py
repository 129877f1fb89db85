from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synvid_eval.randomness import address, below, permutation, stream, unit

# The published check values of SplitMix64 (Vigna's splitmix64.c, as on Rosetta Code).
SEED_1234567 = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_splitmix64_published_values():
    assert stream(1234567, 5).tolist() == SEED_1234567
    assert int(stream(0, 1)[0]) == 0xE220A8397B1DCDAF


@given(st.integers(0, 2**64 - 1), st.integers(0, 50), st.integers(1, 20))
def test_any_part_of_a_stream_is_had_alone(key, start, count):
    assert stream(key, count, start).tolist() == stream(key, start + count).tolist()[start:]


def test_address_is_blake2b_of_the_parts():
    digest = hashlib.blake2b(b"block\0a/b.mp4", digest_size=8).hexdigest()
    assert address("block", "a/b.mp4") == int(digest, 16)
    assert address("run", 0, "x") == address("run", "0", "x")
    assert len({address("a", "bc"), address("ab", "c"), address("a", "b", "c"), address("a")}) == 4
    assert 0 <= address("lone surrogate", "\udcff") < 2**64


def test_unit_is_uniform():
    x = unit(stream(address("test", 0), 100_000))
    assert x.min() >= 0 and x.max() < 1
    assert stats.kstest(x, "uniform").pvalue > 0.001
    assert unit(np.array([2**64 - 1], np.uint64))[0] < 1


def test_first_draws_of_neighbouring_addresses_are_uniform_and_unrelated():
    x = unit(np.array([stream(address("clip", 0, i), 1)[0] for i in range(5000)]))
    assert stats.kstest(x, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.05


@pytest.mark.parametrize("bound", [1, 2, 7, 113, 2**31 - 1])
def test_below_is_uniform_and_in_range(bound):
    x = below(stream(3, 50_000), bound)
    assert x.min() >= 0 and x.max() < bound
    assert below(np.array([2**64 - 1], np.uint64), bound)[0] == bound - 1
    if 1 < bound < 1000:
        assert stats.chisquare(np.bincount(x, minlength=bound)).pvalue > 0.001


def test_a_permutation_is_the_order_of_the_stream() -> None:
    order = permutation(7, 1000)
    assert sorted(order) == list(range(1000))
    assert (np.diff(stream(7, 1000)[order].astype(object)) > 0).all()
    assert not np.array_equal(order, permutation(8, 1000))
