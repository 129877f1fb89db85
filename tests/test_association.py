"""Coefficients, intervals and p-values against scipy, statsmodels, closed forms and simulations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from synvid_eval import association
from synvid_eval.association import KINDS, Exchange, Pairs

Floats = NDArray[np.float64]

# Anscombe 1973, The American Statistician 27: four data sets with one mean, variance, line and r.
X = (10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5)
X4 = (8, 8, 8, 8, 8, 8, 8, 19, 8, 8, 8)
Y = (
    (8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68),
    (9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74),
    (7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73),
    (6.58, 5.76, 7.71, 8.84, 8.47, 7.04, 5.25, 12.50, 5.56, 7.91, 6.89),
)
ANSCOMBE = [(np.array(X if k < 3 else X4, float), np.array(y)) for k, y in enumerate(Y)]

ORACLES: dict[str, Callable[[Floats, Floats], float]] = {
    "pearson": lambda x, y: float(stats.pearsonr(x, y)[0]),
    "spearman": lambda x, y: float(stats.spearmanr(x, y)[0]),
    "kendall": lambda x, y: float(stats.kendalltau(x, y)[0]),
}


def tied(n: int = 31, seed: int = 0, slope: float = 0.5) -> tuple[Floats, Floats]:
    """Two columns that go together, with ties in both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = slope * x + rng.normal(size=n)
    x[3] = x[4]
    y[: min(4, n)] = y[0]
    return x, y


def grouped(sizes: tuple[int, ...]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(sizes)), sizes)


def repeated(weights: Floats) -> NDArray[np.int64]:
    """The rows that weights stand for."""
    return np.repeat(np.arange(len(weights)), weights.astype(int))


# Coefficients


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_coefficients_are_scipy_s(kind: str, seed: int) -> None:
    x, y = tied(9 + 11 * seed, seed)
    found = Pairs(x, y)()[kind]
    assert found.shape == (1,)
    assert found[0] == pytest.approx(ORACLES[kind](x, y), abs=1e-12)


def test_a_weight_is_a_row_that_often() -> None:
    x, y = tied()
    weights = association.resampled(31, 3, 40)
    assert weights.shape == (40, 31)
    assert (weights.sum(axis=1) == 31).all()
    assert weights.max() > 1
    assert weights.min() == 0
    found = Pairs(x, y)(weights)
    for row, weight in enumerate(weights):
        rows = repeated(weight)
        for kind in KINDS:
            assert found[kind][row] == pytest.approx(ORACLES[kind](x[rows], y[rows]), abs=1e-12), kind


def test_weights_need_be_no_counts() -> None:
    """Twice the weight everywhere changes r and rho by nothing; fractions are numpy's weights."""
    x, y = tied()
    weights = np.random.default_rng(1).random((3, 31))
    pairs = Pairs(x, y)
    covariance = np.cov(x, y, aweights=weights[0])
    assert pairs(weights)["pearson"][0] == pytest.approx(
        covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
    )
    np.testing.assert_allclose(pairs(2 * weights)["pearson"], pairs(weights)["pearson"], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_sets_left_out_are_sets_deleted(kind: str) -> None:
    x, y = tied()
    found = Pairs(x, y).left_out(np.arange(31), [kind])[kind]
    for i in range(31):
        assert found[i] == pytest.approx(ORACLES[kind](np.delete(x, i), np.delete(y, i)), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_sets_left_out_in_another_order(kind: str) -> None:
    x, y = tied()
    order = np.random.default_rng(1).permutation(31)
    straight, other = (Pairs(x, y).left_out(g, [kind])[kind] for g in (np.arange(31), order))
    np.testing.assert_allclose(other[order], straight, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_families_left_out_are_families_deleted(kind: str) -> None:
    x, y = tied()
    families = np.random.default_rng(2).permutation(grouped((9, 7, 5, 5, 3, 1, 1)))
    found = Pairs(x, y).left_out(families, [kind])[kind]
    assert found.shape == (7,)
    for k in range(7):
        kept = families != k
        assert found[k] == pytest.approx(ORACLES[kind](x[kept], y[kept]), abs=1e-12)


@pytest.mark.parametrize(("x", "y"), [([2.0] * 6, [1, 2, 3, 4, 5, 6]), ([1, 2, 3, 4, 5, 6], [0.1] * 6)])
def test_a_column_that_does_not_vary_has_no_coefficient(x: list[float], y: list[float]) -> None:
    pairs = Pairs(np.array(x), np.array(y, float))
    for values in (*pairs().values(), *pairs.left_out(np.arange(6)).values()):
        assert np.isnan(values).all()


def test_a_draw_in_which_nothing_varies_has_no_coefficient() -> None:
    x, y = ANSCOMBE[3]
    weights = np.ones((1, 11))
    weights[0, 7] = 0  # the only other x
    assert all(np.isnan(v[0]) for v in Pairs(x, y)(weights).values())


@pytest.mark.parametrize("n", [0, 1])
def test_no_sets_and_one_set_have_no_coefficient(n: int) -> None:
    assert all(np.isnan(v[0]) for v in Pairs(np.arange(n, dtype=float), np.ones(n))().values())


@pytest.mark.parametrize("n", [2, 3, 4])
def test_two_three_and_four_sets(n: int) -> None:
    x, y = np.array([1.0, 2, 4, 8])[:n], np.array([5.0, 1, 3, 2])[:n]
    found = Pairs(x, y)()
    for kind in KINDS:
        assert found[kind][0] == pytest.approx(ORACLES[kind](x, y), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-120, 1e-7, 1e9, 1e120])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_no_scale_is_built_in(scale: float, shift: float) -> None:
    x, y = tied()
    plain, other = Pairs(x, y)(), Pairs((x + shift) * scale, y)()
    for kind in KINDS:
        assert other[kind][0] == pytest.approx(plain[kind][0], abs=1e-10)


def test_large_numbers_with_a_small_spread_lose_no_digits() -> None:
    x, y = tied()
    x = np.round(x, 3)
    assert Pairs(x + 2.0**40, y)()["pearson"][0] == pytest.approx(Pairs(x, y)()["pearson"][0], abs=1e-3)
    assert Pairs(x + 2.0**20, y)()["pearson"][0] == pytest.approx(Pairs(x, y)()["pearson"][0], abs=1e-8)


@pytest.mark.parametrize("which", range(4))
def test_anscombe_s_quartet_has_one_r(which: int) -> None:
    assert round(Pairs(*ANSCOMBE[which])()["pearson"][0], 3) in (0.816, 0.817)


def test_anscombe_s_outlier_is_singled_out() -> None:
    """In III one point spoils a line, in IV one point is all there is to it."""
    without = Pairs(*ANSCOMBE[2]).left_out(np.arange(11))["pearson"]
    assert int(np.argmax(without)) == 2
    assert without[2] > 0.99999
    without = Pairs(*ANSCOMBE[3]).left_out(np.arange(11))["pearson"]
    assert np.isnan(without[7])
    assert np.isfinite(np.delete(without, 7)).all()


def test_ranks_are_average_ranks_along_the_last_axis() -> None:
    values = np.array([[3.0, 1, 3, 2], [0, 0, 0, -1]])
    np.testing.assert_array_equal(association.ranks(values), [[3.5, 1, 3.5, 2], [3, 3, 3, 1]])


# Intervals


@pytest.mark.parametrize("value", [-0.95, -0.3, 0.0, 0.6])
@pytest.mark.parametrize("n", [5, 10, 31])
def test_fisher_s_interval_is_scipy_s(value: float, n: int) -> None:
    made = np.random.default_rng(0).normal(size=(n, 2))
    made = np.linalg.qr(made - made.mean(axis=0))[0]  # two columns without correlation
    x, y = made[:, 0], value * made[:, 0] + math.sqrt(1 - value**2) * made[:, 1]
    for level in (0.9, 0.95):
        low, high = stats.pearsonr(x, y).confidence_interval(level)
        found = association.asymptotic("pearson", value, n, level)
        assert found == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "value", "n", "given", "spread", "left"),
    [
        ("spearman", 0.6, 31, 0, 1 + 0.18, 28),
        ("spearman", -0.9, 10, 0, 1 + 0.405, 7),
        ("spearman", 0.6, 31, 1, 1 + 0.18, 27),
        ("kendall", 0.4, 31, 0, 0.437, 27),
        ("kendall", -0.8, 7, 0, 0.437, 3),
        ("pearson", 0.5, 20, 1, 1.0, 16),
    ],
)
def test_intervals_by_formula(kind: str, value: float, n: int, given: int, spread: float, left: int) -> None:
    """Bonett & Wright 2000; Fisher of partial r: each variable taken out costs a set."""
    half = 1.959963984540054 * math.sqrt(spread / left)
    expected = (math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))
    assert association.asymptotic(kind, value, n, given=given) == pytest.approx(expected, abs=1e-12)


def test_the_coverage_of_bonett_and_wright_s_interval() -> None:
    """The rho of a bivariate normal is 6/π · asin(r/2)."""
    rng, true, hits = np.random.default_rng(4), 6 / math.pi * math.asin(0.35), 0
    for _ in range(600):
        x = rng.normal(size=40)
        y = 0.7 * x + math.sqrt(0.51) * rng.normal(size=40)
        low, high = association.asymptotic("spearman", ORACLES["spearman"](x, y), 40) or (9, 9)
        hits += low < true < high
    assert hits / 600 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("kind", "n"), [("pearson", 3), ("spearman", 3), ("kendall", 4), ("pearson", 2)])
def test_too_few_sets_have_no_interval(kind: str, n: int) -> None:
    assert association.asymptotic(kind, 0.5, n) is None
    assert association.asymptotic(kind, 0.5, n + 2 - (n == 3)) is not None


@pytest.mark.parametrize("value", [1.0, -1.0, math.nan])
@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_coefficient_has_no_asymptotic_interval(kind: str, value: float) -> None:
    assert association.asymptotic(kind, value, 30) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_bootstrap_s_interval_is_scipy_s(kind: str) -> None:
    """BCa, pairs drawn together: the ends agree as two runs of the oracle do."""
    x, y = tied()
    pairs = Pairs(x, y)
    drawn = pairs(association.resampled(31, 0, 4000), [kind])[kind]
    left_out = pairs.left_out(np.arange(31), [kind])[kind]
    ours = association.bca(float(pairs()[kind][0]), drawn, left_out)
    assert ours is not None
    theirs = [
        stats.bootstrap(
            (x, y), ORACLES[kind], paired=True, vectorized=False, n_resamples=2000, random_state=seed
        ).confidence_interval
        for seed in (0, 1)
    ]
    for k in (0, 1):
        assert ours[k] == pytest.approx((theirs[0][k] + theirs[1][k]) / 2, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_bca_by_scipy_s_own_draws(seed: int) -> None:
    """The same draws give the same interval to the last digits: scipy's distribution, our formula."""
    x, y = tied(25, seed)
    theirs = stats.bootstrap(
        (x, y), ORACLES["pearson"], paired=True, vectorized=False, n_resamples=999, random_state=seed
    )
    left_out = Pairs(x, y).left_out(np.arange(25))["pearson"]
    ours = association.bca(ORACLES["pearson"](x, y), theirs.bootstrap_distribution, left_out)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)


def test_bca_corrects_bias_and_skew_the_right_way() -> None:
    drawn = np.linspace(-1, 1, 2001)
    even = np.array([-1.0, 1, -1, 1])
    plain = association.bca(0.0, drawn, even)
    assert plain == pytest.approx((-0.95, 0.95), abs=2e-3)
    upwards = association.bca(0.2, drawn, even)  # most draws lie below the value: the interval moves up
    assert upwards is not None
    assert plain is not None
    assert upwards[0] > plain[0]
    assert upwards[1] > plain[1]
    share = (0.6 * 2001) / 2001
    shift = stats.norm.ppf(share)
    ends = [2 * stats.norm.cdf(2 * shift + z) - 1 for z in (-1.959964, 1.959964)]
    assert upwards == pytest.approx(ends, abs=3e-3)


@pytest.mark.parametrize(
    ("value", "drawn", "left_out"),
    [
        (0.5, [math.nan] * 11 + [0.4] * 89, [0.4, 0.5]),
        (0.5, [0.4, 0.6] * 50, [0.4, math.nan]),
        (0.5, [0.4, 0.6] * 50, [0.5, 0.5]),
        (0.9, [0.4, 0.6] * 50, [0.4, 0.5]),
        (0.1, [0.4, 0.6] * 50, [0.4, 0.5]),
        (0.5, [0.4, 0.6] * 50, []),
    ],
)
def test_bca_is_silent_where_it_is_not_defined(
    value: float, drawn: list[float], left_out: list[float]
) -> None:
    assert association.bca(value, np.array(drawn), np.array(left_out)) is None


def test_percentile_is_the_middle_of_what_was_drawn() -> None:
    drawn = np.arange(1001.0)
    assert association.percentile(drawn) == pytest.approx((25, 975))
    assert association.percentile(drawn, 0.9) == pytest.approx((50, 950))
    assert association.percentile(np.where(drawn < 100, np.nan, drawn)) is not None
    assert association.percentile(np.where(drawn < 102, np.nan, drawn)) is None
    assert association.percentile(np.empty(0)) is None


def test_draws_are_addressed_by_seed_and_number_of_sets() -> None:
    same, again = (association.resampled(9, 0, 50) for _ in range(2))
    np.testing.assert_array_equal(same, again)
    assert (association.resampled(9, 1, 50) != same).any()
    expected = association.resampled(9, 0, 3000).mean(axis=0)
    np.testing.assert_allclose(expected, 1, atol=0.1)


def test_families_are_drawn_whole() -> None:
    families = np.array([2, 0, 0, 1, 2, 2, 3])
    weights = association.resampled_families(families, 0, 300)
    assert weights.shape == (300, 7)
    for k in range(4):
        assert np.ptp(weights[:, families == k], axis=1).max() == 0
    one = [int(np.flatnonzero(families == k)[0]) for k in range(4)]
    assert (weights[:, one].sum(axis=1) == 4).all()
    assert (np.ptp(weights[:, one], axis=1) > 0).any()


def widths(x: Floats, y: Floats, families: NDArray[np.int64]) -> tuple[float, float]:
    """Width of the family bootstrap's interval of r, and of the free one's."""
    pairs = Pairs(x, y)
    drawn = [
        pairs(w, ["pearson"])["pearson"]
        for w in (association.resampled_families(families, 0), association.resampled(len(x), 0))
    ]
    ends = [association.percentile(d) or (0.0, 0.0) for d in drawn]
    return ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]


def test_a_few_tight_families_widen_the_interval() -> None:
    """Six families of ten near-copies are six numbers, not sixty."""
    rng = np.random.default_rng(5)
    families = grouped((10,) * 6)
    centers = rng.normal(size=(2, 6))
    centers[1] = centers[0] + centers[1]
    x, y = (c[families] + 0.02 * rng.normal(size=60) for c in centers)
    family, free = widths(x, y, families)
    assert family > 1.5 * free


def test_simpson_s_paradox_widens_the_interval() -> None:
    """Rising within each family, falling from family to family."""
    rng = np.random.default_rng(6)
    families = grouped((8, 8, 8, 8, 8))
    place = np.arange(5.0)[families]
    along = np.tile(np.linspace(-1, 1, 8), 5)
    x = 1.2 * place + along + 0.05 * rng.normal(size=40)
    y = -0.9 * place + along + 0.05 * rng.normal(size=40)
    within = [ORACLES["pearson"](x[families == k], y[families == k]) for k in range(5)]
    assert min(within) > 0.95
    assert ORACLES["pearson"](x, y) < -0.3
    family, free = widths(x, y, families)
    assert family > 1.25 * free


def test_families_of_one_set_have_the_free_interval() -> None:
    x, y = tied()
    family, free = widths(x, y, np.arange(31))
    assert family == free


# p-values


def test_up_to_seven_families_all_orders_are_gone_through() -> None:
    families = np.array([0, 0, 1, 2, 2, 2, 3])
    y = np.array([1.0, 3, 10, 20, 21, 25, 40])
    found = association.exchanged(y, families, 0)
    assert found.every
    assert found.drawn.shape == (24, 7)
    np.testing.assert_array_equal(found.drawn[0], y)
    means = np.array([2.0, 10, 22, 40])
    rest = y - means[families]
    expected = {tuple(np.round(np.array(o)[families] + rest, 9)) for o in itertools.permutations(means)}
    assert {tuple(np.round(row, 9)) for row in found.drawn} == expected
    assert len(expected) == 24


def test_seven_families_are_the_most() -> None:
    y = np.arange(9.0) ** 2
    assert association.exchanged(y, grouped((1, 1, 1, 1, 1, 2, 2)), 0, 50).drawn.shape == (5040, 9)
    assert association.exchanged(y, grouped((1, 1, 1, 1, 1, 1, 1, 2)), 0, 50).drawn.shape == (51, 9)


def test_each_set_keeps_its_deviation_from_its_family() -> None:
    families = np.random.default_rng(0).permutation(grouped((9, 7, 5, 3, 2, 2, 1, 1, 1)))
    y = np.random.default_rng(1).normal(80, 9, size=31)
    found = association.exchanged(y, families, 0, 200)
    assert not found.every
    assert found.drawn.shape == (201, 31)
    np.testing.assert_array_equal(found.drawn[0], y)
    for k in range(9):
        moved = found.drawn[:, families == k] - y[families == k]
        np.testing.assert_allclose(np.ptp(moved, axis=1), 0, atol=1e-9)
    assert len({tuple(np.round(row, 6)) for row in found.drawn}) == 201
    # every family's mean goes to every family
    means = np.round([y[families == k].mean() for k in range(9)], 6)
    one = [int(np.flatnonzero(families == k)[0]) for k in range(9)]
    rest = y[one] - [y[families == k].mean() for k in range(9)]
    placed = np.round(found.drawn[:, one] - rest, 6)
    assert (np.sort(placed, axis=1) == np.sort(means)).all()
    assert (abs((placed[:, :, None] == means).mean(axis=0) - 1 / 9) < 0.09).all()


def test_as_many_families_as_sets_exchange_freely() -> None:
    y = np.array([3.0, 1, 4, 1, 5, 9, 2, 6])
    found = association.exchanged(y, np.arange(8), 0, 100)
    assert (np.sort(found.drawn, axis=1) == np.sort(y)).all()
    few = association.exchanged(y[:4], np.arange(4), 0)
    assert {tuple(r) for r in few.drawn} == set(itertools.permutations(y[:4]))


def test_exchanges_are_addressed_by_the_seed() -> None:
    y, families = np.arange(12.0) ** 2, np.repeat(np.arange(9), [1, 1, 1, 1, 1, 1, 2, 2, 2])
    same, again, other = (association.exchanged(y, families, s, 50).drawn for s in (0, 0, 1))
    np.testing.assert_array_equal(same, again)
    assert (same != other).any()


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_under_exchange_are_those_of_the_rows(kind: str) -> None:
    x, y = tied()
    families = np.random.default_rng(3).permutation(grouped((9, 7, 5, 5, 2, 1, 1, 1)))
    exchange = association.exchanged(y, families, 0, 60)
    found = association.under(x, exchange, [kind])[kind]
    assert found[0] == pytest.approx(float(Pairs(x, y)()[kind][0]), abs=1e-12)
    for row in range(61):
        assert found[row] == pytest.approx(ORACLES[kind](x, exchange.drawn[row]), abs=1e-12)


def test_nothing_varies_under_exchange() -> None:
    y = np.arange(8.0)
    found = association.under(np.full(8, 3.0), association.exchanged(y, np.arange(8), 0, 50))
    assert list(found) == list(KINDS)
    assert all(np.isnan(v).all() and len(v) == 51 for v in found.values())
    assert all(association.p_value(v) is None for v in found.values())


def test_tau_is_left_out_of_many_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association, "LARGEST", 20)
    x, y = tied(21)
    assert list(association.under(x, association.exchanged(y, np.arange(21), 0, 9))) == [
        "pearson",
        "spearman",
    ]


def test_tau_in_pieces_is_tau_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = tied()
    exchange = association.exchanged(y, np.arange(31), 0, 100)
    whole = association.under(x, exchange, ["kendall"])["kendall"]
    monkeypatch.setattr(association, "_CHUNK", 3 * 31 * 30 // 2)
    np.testing.assert_array_equal(association.under(x, exchange, ["kendall"])["kendall"], whole)


@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_p_is_scipy_s(kind: str) -> None:
    """Six sets: all 720 orders, two-sided."""
    x, y = np.array([1.0, 5, 2, 9, 4, 7]), np.array([80.0, 88, 79, 90, 91, 84])
    ours = association.p_value(association.under(x, association.exchanged(y, np.arange(6), 0), [kind])[kind])
    theirs = stats.permutation_test(
        (y,),
        lambda v: abs(ORACLES[kind](x, v)),
        permutation_type="pairings",
        n_resamples=math.inf,
        alternative="greater",
        vectorized=False,
    )
    assert ours == pytest.approx(theirs.pvalue, abs=1e-12)


def test_the_drawn_p_is_the_exact_one_within_its_error() -> None:
    x, y = tied(9, 5)
    drawn = association.p_value(
        association.under(x, association.exchanged(y, np.arange(9), 0, 20_000))["pearson"]
    )
    theirs = stats.permutation_test(
        (y,),
        lambda v, axis: np.abs(np.asarray(stats.pearsonr(np.broadcast_to(x, v.shape), v, axis=axis)[0])),
        permutation_type="pairings",
        n_resamples=20_000,
        alternative="greater",
        vectorized=True,
        random_state=0,
    )
    assert drawn == pytest.approx(theirs.pvalue, abs=5 * math.sqrt(0.25 / 20_000))


def test_ties_with_the_data_count() -> None:
    assert association.p_value(np.array([0.5, -0.5, 0.5 - 1e-15, 0.1])) == 0.75
    assert association.p_value(np.array([0.5, 0.4, 0.3, 0.1])) == 0.25
    assert association.p_value(np.array([0.5, math.nan, 0.3, 0.1])) == pytest.approx(1 / 3)
    assert association.p_value(np.array([math.nan, 0.4])) is None
    assert association.p_value(np.empty(0)) is None


def test_no_p_is_0() -> None:
    x = np.arange(12.0)
    found = association.under(x, association.exchanged(x, np.arange(12), 0, 999))
    assert all(association.p_value(v) == 1 / 1000 for v in found.values())


FAMILIES = grouped((9, 8, 6, 3, 2, 1, 1, 1))  # eight families, 31 sets


def tables(rng: np.random.Generator) -> Floats:
    """Accuracies of families and of variants of them, as uneven as real ones."""
    found: Floats = rng.standard_t(2, size=8)[FAMILIES] + 0.3 * rng.normal(size=31)
    return found


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_p_is_uniform_where_there_is_nothing(kind: str) -> None:
    """A metric that clusters by family as accuracies do, and has nothing to do with them."""
    rng, found = np.random.default_rng(7), []
    for seed in range(1500):
        x = rng.standard_t(3, size=8)[FAMILIES] + 0.1 * rng.normal(size=31)
        exchange = association.exchanged(tables(rng), FAMILIES, seed, 99)
        found.append(association.p_value(association.under(x, exchange, [kind])[kind]) or 0)
    for level in (0.05, 0.1, 0.3, 0.5, 0.8):
        error = math.sqrt(level * (1 - level) / 1500)
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=3.5 * error)


def test_the_free_p_takes_variants_for_evidence() -> None:
    """What the family p is for: the same tables, sets exchanged one by one."""
    rng, low = np.random.default_rng(7), 0
    for seed in range(300):
        x = rng.standard_t(3, size=8)[FAMILIES] + 0.1 * rng.normal(size=31)
        exchange = association.exchanged(tables(rng), np.arange(31), seed, 99)
        p = association.p_value(association.under(x, exchange, ["pearson"])["pearson"])
        low += p is not None and p <= 0.05
    assert low / 300 > 0.2


# Several metrics


def test_the_best_of_one_is_its_own_p() -> None:
    x, y = tied()
    drawn = association.under(x, association.exchanged(y, np.arange(31), 0, 400))["pearson"]
    assert association.best_of({"a": drawn}) == {"a": association.p_value(drawn)}


def test_the_best_of_several_is_counted_among_the_largest() -> None:
    """By hand: four permutations, the second metric scatters twice as much."""
    a = np.array([1.0, -1.0, 1.0, -1.0])
    b = np.array([0.5, 0.5, 0.5, -0.5])
    assert association.best_of({"a": a, "b": b}) == {"a": 1.0, "b": 1.0}
    a = np.array([3.0, 1, -1, 1])  # spread sqrt(3)
    b = np.array([1.0, 1, 3, -1])
    assert association.best_of({"a": a, "b": b}) == {"a": 0.5, "b": 1.0}
    b *= 1e-6  # its size says nothing
    assert association.best_of({"a": a, "b": b}) == {"a": 0.5, "b": 1.0}


def test_the_best_of_copies_costs_nothing_and_of_many_costs() -> None:
    x, y = tied(slope=0.6)
    rng = np.random.default_rng(0)
    exchange = association.exchanged(y, np.arange(31), 0, 2000)
    own = association.under(x, exchange, ["pearson"])["pearson"]
    single = association.p_value(own) or 0
    copies = association.best_of({str(k): own if k % 2 else -own for k in range(12)})
    assert set(copies.values()) == {single}
    others = {
        str(k): association.under(rng.normal(size=31), exchange, ["pearson"])["pearson"] for k in range(12)
    }
    several = association.best_of({"x": own, **others})
    assert single < several["x"] <= 13 * single + 0.02
    assert several["x"] > 4 * single
    for name, values in others.items():
        assert several[name] >= (association.p_value(values) or 0) - 1e-12


def test_metrics_without_numbers_are_not_among_the_best() -> None:
    y = np.arange(8.0)
    drawn = association.under(y, association.exchanged(y, np.arange(8), 0, 200))["pearson"]
    alone = association.best_of({"a": drawn})
    nothing, zero = np.full(201, np.nan), np.zeros(201)
    assert association.best_of({"a": drawn, "b": nothing, "c": zero}) == alone
    assert association.best_of({"b": nothing}) == {}
    assert association.best_of({}) == {}


def test_the_best_of_correlated_metrics_is_wrong_as_seldom_as_it_says() -> None:
    """Family-wise error of twelve metrics that share much, by r and rho: at most 5 %, and not far below."""
    rng, told, single, runs = np.random.default_rng(8), 0, 0, 600
    for seed in range(runs):
        shared = rng.normal(size=8)[FAMILIES]
        exchange = association.exchanged(tables(rng), FAMILIES, seed, 199)
        drawn = {}
        for k in range(12):
            x = shared + rng.normal(size=8)[FAMILIES] + 0.2 * rng.normal(size=31)
            for kind, values in association.under(x, exchange, ["pearson", "spearman"]).items():
                drawn[f"{k} {kind}"] = values
        told += min(association.best_of(drawn).values()) <= 0.05
        single += min(association.p_value(v) or 0 for v in drawn.values()) <= 0.05
    error = math.sqrt(0.05 * 0.95 / runs)
    assert 0.05 - 4 * error < told / runs < 0.05 + 2.5 * error
    assert single / runs > 0.15  # what looking at twelve costs


@pytest.mark.parametrize("seed", range(5))
def test_holm_and_fdr_are_statsmodels_s(seed: int) -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).random(11) ** 3
    p[4] = p[7]
    np.testing.assert_allclose(association.holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(association.fdr(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)


def test_holm_and_fdr_by_hand() -> None:
    p = [0.04, 0.01, 0.03]
    assert association.holm(p) == pytest.approx([0.06, 0.03, 0.06])
    assert association.fdr(p) == pytest.approx([0.04, 0.03, 0.04])
    assert association.holm([0.6, 0.7]) == [1.0, 1.0]
    assert association.holm([0.2]) == [0.2]
    assert association.holm([]) == []
    assert association.fdr([]) == []


# Beside a third variable, along a parabola, with noise


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_partial_is_the_correlation_of_residuals(kind: str) -> None:
    x, y = tied()
    given = 0.7 * x + np.random.default_rng(9).normal(size=31)
    columns = [v if kind == "pearson" else association.ranks(v) for v in (x, y, given)]
    design = np.stack([np.ones(31), columns[2]], axis=1)
    rest = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in columns[:2]]
    assert association.partial(x, y, given, kind) == pytest.approx(
        ORACLES["pearson"](rest[0], rest[1]), abs=1e-10
    )


def test_nothing_is_left_when_the_metric_itself_is_taken_out() -> None:
    x, y = tied()
    assert math.isnan(association.partial(x, y, x))
    assert math.isnan(association.partial(x, y, np.ones(31)))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_the_parabola_is_numpy_s(sign: int, scale: float) -> None:
    rng = np.random.default_rng(10)
    x = rng.uniform(0.5, 2.5, 31)
    y = 88 + sign * 6 * (x - 1.3) ** 2 + rng.normal(size=31)
    found = association.quadratic(x * scale, association.exchanged(y, np.arange(31), 0))
    assert found is not None
    c, b, _ = np.polyfit(x, y, 2)
    assert found.vertex == pytest.approx(-b / (2 * c) * scale, rel=1e-9)
    assert found.vertex == pytest.approx(1.3 * scale, abs=0.15 * scale)
    assert found.peak == (sign < 0)
    parts = [1 - np.var(y - np.polyval(np.polyfit(x, y, k), x)) / np.var(y) for k in (1, 2)]
    assert (found.r2_line, found.r2) == pytest.approx(parts, abs=1e-9)
    assert found.p == pytest.approx(1 / 1001)


def test_the_parabola_s_p_is_that_of_its_f() -> None:
    """F of the square's term, by statsmodels; both over the same exchanged accuracies."""
    import statsmodels.api as sm

    rng = np.random.default_rng(11)
    x = rng.normal(size=20)
    y = 0.35 * x**2 + rng.normal(size=20)
    exchange = association.exchanged(y, np.arange(20), 0, 300)
    found = association.quadratic(x, exchange)
    assert found is not None
    design = sm.add_constant(np.stack([x, x**2], axis=1))
    sizes = [sm.OLS(row, design).fit().tvalues[2] ** 2 for row in exchange.drawn]
    assert found.p == pytest.approx(np.mean(np.array(sizes) >= sizes[0] - 1e-9))
    assert found.p is not None
    assert 0.005 < found.p < 0.5
    theory = float(stats.f.sf(sizes[0], 1, 17))
    assert found.p == pytest.approx(theory, abs=4 * math.sqrt(theory / 300) + 0.01)


def test_where_there_is_no_parabola() -> None:
    y = np.arange(8.0)
    drawn = association.exchanged(y, np.arange(8), 0, 9)
    assert association.quadratic(np.array([1.0, 2] * 4), drawn) is None
    assert association.quadratic(np.arange(4.0), association.exchanged(y[:4], np.arange(4), 0)) is None
    assert association.quadratic(np.arange(8.0), Exchange(np.ones((3, 8)), False)) is None
    assert association.quadratic(np.array([1.0, 2, 3] * 2), association.exchanged(y[:6], np.arange(6), 0))


def test_without_noise_every_draw_is_the_data() -> None:
    x, y = tied()
    zero = np.zeros(31)
    found = dict(association.noisy(x, y, zero, zero, 0, 20))
    assert list(found) == ["pearson", "spearman"]
    for kind, values in found.items():
        np.testing.assert_allclose(values, ORACLES[kind](x, y), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_noise_weakens_r_as_it_should(axis: int) -> None:
    """Noise as wide as the data takes r / √2; the draws scatter, and are the same again."""
    rng = np.random.default_rng(12)
    x = rng.normal(size=400)
    x = (x - x.mean()) / x.std()
    y = 0.8 * x + 0.6 * rng.normal(size=400)
    spread = [np.zeros(400), np.zeros(400)]
    spread[axis] = np.full(400, (x, y)[axis].std())
    first, again, other = (dict(association.noisy(x, y, *spread, seed, 300)) for seed in (0, 0, 1))
    r = ORACLES["pearson"](x, y)
    assert first["pearson"].mean() == pytest.approx(r / math.sqrt(2), abs=0.01)
    assert 0.02 < first["pearson"].std() < 0.06
    assert first["spearman"].mean() == pytest.approx(r / math.sqrt(2), abs=0.05)
    np.testing.assert_array_equal(first["pearson"], again["pearson"])
    assert (first["pearson"] != other["pearson"]).any()


def test_noise_of_one_set_moves_that_set_only() -> None:
    x, y = tied()
    spread = np.zeros(31)
    spread[5] = 3.0
    found = dict(association.noisy(x, y, spread, np.zeros(31), 0, 2000))["pearson"]
    for shift in (-6.0, 0.0, 6.0):
        moved = x.copy()
        moved[5] += shift
        assert found.min() - 0.05 < ORACLES["pearson"](moved, y) < found.max() + 0.05
    assert found.std() > 0.005
