from __future__ import annotations

import numpy as np
import pytest

from synvid_eval import histogram

EDGES = histogram.edges()


def counted(values):
    return np.histogram(np.minimum(values, 511.9), EDGES)[0]


def test_edges():
    assert len(EDGES) == histogram.BINS + 1
    assert EDGES[0] == 0 and EDGES[1] == 2.0**-6 and EDGES[-1] == 2.0**9
    widths = EDGES[2:] / EDGES[1:-1] - 1
    assert widths.min() > 0.015 and widths.max() < 0.032
    np.testing.assert_allclose(EDGES[1 :: histogram.PER_OCTAVE], 2.0 ** np.arange(-6, 10), rtol=0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_quantiles_are_good_to_two_percent(share):
    rng = np.random.default_rng(1)
    for values in (
        np.exp(rng.standard_normal(20_000)),
        rng.random(20_000) * 30 + 0.02,
        np.abs(rng.standard_normal(20_000)) + 1,
    ):
        wanted = np.quantile(values, share)
        assert histogram.quantile(counted(values), share) == pytest.approx(
            wanted, rel=0.005 if 0 < share < 1 else 0.032
        )


@pytest.mark.parametrize("value", [0.02, 0.5, 1.0, 2.0, 3.7, 300.0])
def test_a_single_value_is_found_within_its_bin(value):
    for share in (0.1, 0.5, 0.9):
        assert histogram.quantile(counted(np.full(1000, value)), share) == pytest.approx(value, rel=0.032)


def test_ends():
    assert histogram.quantile(counted(np.full(9, 0.001)), 0.5) == 0.0
    assert histogram.quantile(counted(np.full(9, 1e6)), 1.0) == EDGES[-1]
    assert np.isnan(histogram.quantile(np.zeros(histogram.BINS), 0.5))
    half = counted([0.0] * 6 + [8.5] * 4)
    assert histogram.quantile(half, 0.5) == 0 and histogram.quantile(half, 0.9) == pytest.approx(
        8.5, rel=0.032
    )


def test_merged_shares():
    values = np.exp(np.random.default_rng(2).standard_normal(5000) * 2)
    bins = histogram.merged_edges()
    assert bins[:2] == [0.0, 2.0**-6] and bins[-1] == 2.0**9
    np.testing.assert_allclose(np.array(bins[2:]) / bins[1:-1], np.sqrt(2), rtol=1e-6)
    shares = histogram.merged(counted(values))
    assert sum(shares) == pytest.approx(1)
    np.testing.assert_allclose(shares, np.histogram(np.minimum(values, 511.9), bins)[0] / 5000, atol=1e-12)
    assert not any(histogram.merged(np.zeros(histogram.BINS)))
