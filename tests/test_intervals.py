from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import stats

from experiments import intervals as simulation
from synvid_eval.intervals import Jackknife, corrected, interval, jackknife, skewed_interval


def _leave_out(statistic, groups):
    return [
        statistic(np.concatenate([g for j, g in enumerate(groups) if j != i])) for i in range(len(groups))
    ]


def test_a_mean_of_equal_groups_gives_the_classic_standard_error():
    x = np.random.default_rng(0).normal(3, 2, 40)
    result = jackknife(x.mean(), _leave_out(np.mean, x[:, None]), np.ones(40))
    assert result.estimate == pytest.approx(x.mean(), rel=1e-14)
    assert result.variance == pytest.approx(x.var(ddof=1) / 40, rel=1e-12)
    assert result.groups == 40


def test_the_formulas_as_published():
    """Busing et al. 1999, with unequal groups, written out."""
    g = np.random.default_rng(1)
    groups = [g.normal(size=m) for m in (3, 8, 5, 1, 9, 4, 7, 2, 6, 5, 4)]
    m = np.array([len(x) for x in groups])
    theta = np.concatenate(groups).var()
    out = np.array(_leave_out(np.var, groups))
    n, count, h = m.sum(), len(m), m.sum() / m
    estimate = count * theta - ((1 - m / n) * out).sum()
    pseudo = h * theta - (h - 1) * out
    variance = ((pseudo - estimate) ** 2 / (h - 1)).sum() / count
    result = jackknife(theta, out, m)
    assert result.estimate == pytest.approx(estimate, rel=1e-12)
    assert result.variance == pytest.approx(variance, rel=1e-12)


def test_the_bias_of_a_plug_in_variance_is_taken_out():
    """Deleting one at a time turns the variance with ddof 0 into the one with ddof 1, exactly."""
    x = np.random.default_rng(2).gamma(2, size=25)
    result = jackknife(x.var(), _leave_out(np.var, x[:, None]), np.ones(25))
    assert result.estimate == pytest.approx(x.var(ddof=1))


def test_unequal_groups_stay_unbiased():
    g = np.random.default_rng(3)
    sizes = g.integers(1, 12, 20)
    values, plain = [], []
    for _ in range(2000):
        groups = [g.normal(0, 1, m) for m in sizes]
        theta = np.concatenate(groups).var()
        plain.append(theta)
        values.append(jackknife(theta, _leave_out(np.var, groups), sizes).estimate)
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - 1) < 4 * error
    assert np.mean(plain) < 1 - 4 * error / 2


def test_empty_groups_are_not_looked_at():
    x = np.random.default_rng(4).normal(size=12)
    out = _leave_out(np.mean, x[:, None])
    clean = jackknife(x.mean(), out, np.ones(12))
    holed = jackknife(x.mean(), [np.nan, *out, np.nan], [0, *np.ones(12), 0])
    assert holed == clean


def test_a_large_offset_costs_no_digits():
    x = np.random.default_rng(5).normal(size=20)
    a = jackknife(x.mean(), _leave_out(np.mean, x[:, None]), np.ones(20))
    far = x + 1e6
    b = jackknife(far.mean(), _leave_out(np.mean, far[:, None]), np.ones(20))
    assert b.variance == pytest.approx(a.variance, rel=1e-7)


def test_a_constant_has_variance_zero():
    assert jackknife(0.0, np.zeros(20), np.ones(20)) == Jackknife(0.0, 0.0, 20)
    assert interval(0.0, [Jackknife(0.0, 0.0, 20)], 0.95) == (0.0, 0.0)


def test_two_sides_add_up_and_the_smaller_number_of_groups_counts():
    a, b = Jackknife(4.0, 0.09, 20), Jackknife(5.5, 0.16, 12)
    assert corrected(5.0, [a, b]) == pytest.approx(5.0 - 1.0 + 0.5)
    low, high = interval(4.5, [a, b], 0.9)
    assert high - 4.5 == pytest.approx(4.5 - low) == pytest.approx(stats.t.ppf(0.95, 11) * 0.5)


def test_a_skewed_interval_is_one_of_logarithms_far_from_zero_and_nearly_the_plain_one_at_zero():
    t = stats.t.ppf(0.975, 19)
    far = skewed_interval(5.0, [Jackknife(5.0, 1e-4, 20)], 0.95)
    assert far == pytest.approx((5 * np.exp(-t * 0.01 / 5), 5 * np.exp(t * 0.01 / 5)), rel=1e-6)
    low, high = skewed_interval(0.0, [Jackknife(0.0, 0.04, 20)], 0.95)
    assert high == -low == pytest.approx(0.4 * np.sinh(t / 2))
    low, high = skewed_interval(1.0, [Jackknife(1.0, 0.09, 20)], 0.95)
    assert high - 1 > 1 - low > 0
    low, high = skewed_interval(-1.0, [Jackknife(-1.0, 0.09, 20)], 0.95)
    assert high + 1 == pytest.approx(-1 - low)
    assert skewed_interval(0.0174, [Jackknife(0.0174, 1e-4, 20)], 0.95)[0] < 0
    assert skewed_interval(0.0176, [Jackknife(0.0176, 1e-4, 20)], 0.95)[0] > 0
    assert skewed_interval(3.0, [Jackknife(3.0, 0.0, 20)], 0.95) == (3.0, 3.0)


def test_coverage_of_a_skewed_square():
    """(mean)² of few exponential draws scatters to the right: the skewed interval misses on both sides, the
    plain one nearly only below.
    """
    g = np.random.default_rng(8)
    missed = {interval: [0, 0], skewed_interval: [0, 0]}
    for _ in range(2000):
        x = g.exponential(1.0, 20)
        theta = x.mean() ** 2
        part = jackknife(theta, ((x.sum() - x) / 19) ** 2, np.ones(20))
        for of, sides in missed.items():
            low, high = of(theta, [part], 0.95)
            sides[0] += high < 1.0
            sides[1] += low > 1.0
    plain, skewed = missed[interval], missed[skewed_interval]
    assert plain[0] > 10 * max(plain[1], 1) and sum(plain) > 2000 * 0.07
    assert sum(skewed) < 2000 * 0.075 and sum(skewed) < sum(plain) - 50


def test_coverage_of_a_clustered_mean():
    """Clips in 20 blocks of random size, skewed values: 95 % intervals cover in 91 to 98 % of 1500."""
    g = np.random.default_rng(6)
    hits = 0
    for _ in range(1500):
        block = g.integers(0, 20, 100)
        x = g.gamma(2.0, size=100)
        sizes = np.bincount(block, minlength=20)
        sums = np.bincount(block, x, 20)
        out = (x.sum() - sums) / (100 - sizes)
        low, high = interval(x.mean(), [jackknife(x.mean(), out, sizes)], 0.95)
        hits += low <= 2.0 <= high
    assert 0.91 < hits / 1500 < 0.98


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="at least 2 non-empty blocks, got 1"):
        jackknife(1.0, [1.0, 1.0], [3, 0])
    with pytest.raises(ValueError, match="left out"):
        jackknife(1.0, [1.0], [3, 0])


def test_the_report_is_of_these_rules():
    """The committed simulation says where an interval is given as the metrics do, and its summary is of it;
    where one is given, the mean coverage of each metric is 93 % at least.
    """
    rows = list(csv.DictReader((simulation.OUT / "coverage.csv").read_text().splitlines()))
    assert len(rows) > 300
    assert all(row["given"] == simulation.given(row) for row in rows)
    assert simulation.summary(rows) == (simulation.OUT / "summary.md").read_text()
    for name in simulation.METRICS:
        found = [float(r["coverage"]) for r in rows if r["metric"] == name and r["given"] == "yes"]
        assert np.mean(found) >= 0.93, name
