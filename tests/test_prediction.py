"""A predictor from several metrics: its arithmetic, what it finds, and what it must not see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from synvid_eval import prediction
from synvid_eval.association import ranks
from synvid_eval.prediction import PENALTIES, Prediction, predict

Floats = NDArray[np.float64]
FAMILIES = np.repeat(np.arange(8), [9, 7, 5, 4, 3, 2, 2, 2])  # 34 sets


def named(k: int) -> list[str]:
    return [f"m{i}" for i in range(k)]


def run(
    x: Floats, y: Floats, families: NDArray[np.int64] = FAMILIES, new: Floats | None = None
) -> Prediction:
    found = predict(x, y, families, np.empty((0, x.shape[1])) if new is None else new, named(x.shape[1]))
    assert found is not None
    return found


def normal(train: Floats, y: Floats, other: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Ridge by its normal equation, on ranks standardised one by one."""

    def placed(column: Floats, value: float) -> float:
        own = [(np.sum(column < v) + np.sum(column <= v) + 1) / 2 for v in column]
        at = (np.sum(column < value) + np.sum(column <= value) + 1) / 2
        deviation = float(np.std(own))
        return 0.0 if deviation == 0 else float((at - np.mean(own)) / deviation)

    a, b = (
        np.array([[placed(train[:, k], v) for k, v in enumerate(line)] for line in lines])
        for lines in (train, other)
    )
    b = b.reshape(len(other), train.shape[1])
    k = train.shape[1]
    weights = np.linalg.solve(a.T @ a + penalty * len(y) * np.eye(k), a.T @ (y - y.mean()))
    return y.mean() + b @ weights, weights


def held_out(x: Floats, y: Floats, groups: NDArray[np.int64], penalty: float) -> float:
    errors: list[float] = []
    for g in np.unique(groups):
        out = groups == g
        errors += list(y[out] - normal(x[~out], y[~out], x[out], penalty)[0])
    return float(np.mean(np.square(errors)))


@pytest.fixture(scope="module")
def made() -> tuple[Floats, Floats]:
    """Four metrics: one that goes with accuracy, with ties; a noisy copy of it; two that do not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(34, 4))
    x[:, 1] = x[:, 0] + rng.normal(size=34)
    x[3, 0] = x[9, 0]
    return x, 85 + 4 * x[:, 0] + rng.normal(size=34)


def test_ranks_of_others_stand_between_their_neighbors() -> None:
    train = np.array([[10.0], [20], [20], [40]])
    own, other = prediction._standardised(train, np.array([[5.0], [10], [15], [20], [99]]))
    expected = np.array([1, 2.5, 2.5, 4])
    spread = expected.std()
    np.testing.assert_allclose(own[:, 0], (expected - 2.5) / spread)
    np.testing.assert_allclose(other[:, 0], (np.array([0.5, 1, 1.5, 2.5, 4.5]) - 2.5) / spread)
    np.testing.assert_allclose(own, (ranks(train.T).T - 2.5) / spread)


def test_weights_and_predictions_are_those_of_the_normal_equation(made: tuple[Floats, Floats]) -> None:
    x, y = made
    new = np.array([[-9.0, 0, 0, 0], [0.1, 0.2, -0.3, 0.4], [9, 9, 9, 9]])
    found = run(x, y, new=new)
    predicted, weights = normal(x, y, new, found.penalty)
    np.testing.assert_allclose(found.weights, weights, atol=1e-9)
    np.testing.assert_allclose(found.predicted, predicted, atol=1e-9)
    assert found.metrics == ("m0", "m1", "m2", "m3")


def test_the_penalty_is_the_best_by_families_left_out(made: tuple[Floats, Floats]) -> None:
    x, y = made
    errors = {p: held_out(x, y, FAMILIES, p) for p in PENALTIES}
    assert run(x, y).penalty == min(errors, key=lambda p: errors[p])


def test_the_errors_are_those_of_families_left_out() -> None:
    """Everything anew without each family: mean, penalty, the single metric. Penalties and metrics differ
    from family to family here, so one that was chosen on all sets would show.
    """
    families = np.repeat(np.arange(5), [4, 3, 3, 2, 2])
    penalties, singles = set(), set()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(14, 3))
        y = 85 + 1.5 * x[:, 0] + x[:, 1] + rng.normal(size=5)[families] + rng.normal(size=14)
        errors: dict[str, list[float]] = {"ridge": [], "single": [], "mean": []}
        chosen = []
        for k in range(5):
            out = np.equal(families, k)
            train, answer, inner = x[~out], y[~out], families[~out]
            errors["mean"] += list(y[out] - answer.mean())
            tried = {p: held_out(train, answer, inner, p) for p in PENALTIES}
            penalty = min(tried, key=lambda p: tried[p])
            penalties.add(penalty)
            errors["ridge"] += list(y[out] - normal(train, answer, x[out], penalty)[0])
            single = [held_out(train[:, [m]], answer, inner, 0.0) for m in range(3)]
            best = int(np.argmin(single))
            chosen.append(f"m{best}")
            by_one = normal(train[:, [best]], answer, x[out][:, [best]], 0.0)[0]
            errors["single"] += list(y[out] - by_one)
        found = run(x, y, families)
        assert found.chosen == tuple(chosen)
        singles |= set(chosen)
        for kind, values in errors.items():
            assert found.rmse[kind] == pytest.approx(math.sqrt(np.mean(np.square(values))), rel=1e-9), kind
    assert len(penalties) > 2
    assert len(singles) > 1


def test_a_signal_is_found_and_beats_the_mean(made: tuple[Floats, Floats]) -> None:
    found = run(*made)
    assert set(found.chosen) == {"m0"}
    assert found.rmse["single"] < 0.6 * found.rmse["mean"]
    assert found.rmse["ridge"] < 0.6 * found.rmse["mean"]
    assert found.weights[0] > 2 * max(map(abs, found.weights[1:]))


def test_a_signal_that_falls_has_a_negative_weight(made: tuple[Floats, Floats]) -> None:
    x, y = made
    found = run(-x, y)
    assert found.weights[0] < 0
    assert found.rmse["ridge"] == pytest.approx(run(x, y).rmse["ridge"], rel=1e-9)


def test_any_rising_scale_of_a_metric_is_the_same(made: tuple[Floats, Floats]) -> None:
    x, y = made
    assert run(np.exp(3 * x), y).rmse == pytest.approx(run(x, y).rmse)


def test_noise_does_not_beat_the_mean() -> None:
    """Of 25 tables without a signal hardly any has a predictor that is better by more than a tenth."""
    rng, wins, worse = np.random.default_rng(1), 0, []
    for _ in range(25):
        found = run(rng.normal(size=(34, 6)), rng.normal(85, 5, size=8)[FAMILIES] + rng.normal(size=34))
        wins += min(found.rmse["ridge"], found.rmse["single"]) < 0.9 * found.rmse["mean"]
        worse.append(found.rmse["single"] / found.rmse["mean"])
    assert wins <= 3
    assert np.median(worse) > 1


def test_a_metric_that_knows_the_family_alone_is_no_help() -> None:
    """It tells every family from every other, so sets left out one by one are told to the digit; families
    are not."""
    rng = np.random.default_rng(2)
    for _ in range(4):
        y = rng.normal(85, 5, size=8)[FAMILIES] + 0.1 * rng.normal(size=34)
        x = (FAMILIES[:, None] == np.arange(8)).astype(float)
        by_family, by_set = run(x, y), run(x, y, np.arange(34))
        assert by_set.rmse["ridge"] < 0.6 * by_set.rmse["mean"]
        assert by_family.rmse["ridge"] > 0.9 * by_family.rmse["mean"]


def test_the_left_out_family_s_accuracies_are_not_looked_at(made: tuple[Floats, Floats]) -> None:
    """Accuracies of one family that would turn the choice do not turn it where that family is left out."""
    x, y = made
    x = np.concatenate([np.where(FAMILIES == 0, x[:, 0] - 40, x[:, 2])[:, None], x], axis=1)
    other = np.where(FAMILIES == 0, x[:, 0], y)
    first, second = run(x, y), run(x, other)
    assert first.chosen[0] == second.chosen[0] == "m1"
    assert second.chosen[1:] != first.chosen[1:]


def test_new_sets_and_their_intervals(made: tuple[Floats, Floats]) -> None:
    x, y = made
    new = np.stack([x[0], x[0] * 0 - 5, x[0] * 0 + 5])
    found = run(x, y, new=new)
    assert found.predicted[1] < 82
    assert found.predicted[2] > 88
    assert found.half == pytest.approx(stats.t.ppf(0.975, 7) * found.rmse["ridge"])
    narrow = predict(x, y, FAMILIES, new, named(4), level=0.5)
    assert narrow is not None
    assert narrow.half == pytest.approx(stats.t.ppf(0.75, 7) * found.rmse["ridge"])
    assert narrow.predicted == found.predicted


def test_intervals_of_new_families_hold() -> None:
    """Of a table's unseen families, about as many lie within as said."""
    rng, hits, total = np.random.default_rng(3), 0, 0
    for _ in range(40):
        y = 85 + rng.normal(0, 3, size=12)[np.arange(36) // 3] + rng.normal(size=36)
        x = (y + rng.normal(0, 2, size=36))[:, None]
        found = run(x[:30], y[:30], np.arange(30) // 3, x[30:])
        hits += int((abs(np.array(found.predicted) - y[30:]) < found.half).sum())
        total += 6
    assert hits / total > 0.9


def test_columns_that_do_not_vary(made: tuple[Floats, Floats]) -> None:
    x, y = made
    with_constant = np.concatenate([np.full((34, 1), 3.0), x], axis=1)
    found, plain = run(with_constant, y), run(x, y)
    assert found.weights[0] == 0
    assert found.rmse == pytest.approx(plain.rmse)
    assert "m0" not in found.chosen
    only = run(np.full((34, 1), 3.0), y, new=np.array([[3.0], [9.0]]))
    assert only.rmse["ridge"] == only.rmse["single"] == pytest.approx(only.rmse["mean"])
    assert only.predicted == pytest.approx([y.mean()] * 2)


def test_a_column_that_varies_in_one_family_only(made: tuple[Floats, Floats]) -> None:
    """Without that family it is constant, and there is nothing to divide by."""
    x, y = made
    x = np.concatenate([np.where(FAMILIES == 2, np.arange(34.0), 0)[:, None], x], axis=1)
    found = run(x, y)
    assert all(map(math.isfinite, [*found.rmse.values(), *found.weights]))


def test_copies_of_a_column_share_its_weight(made: tuple[Floats, Floats]) -> None:
    x, y = made
    found = run(np.repeat(x[:, :1], 3, axis=1), y)
    assert max(found.weights) - min(found.weights) < 1e-9


def test_more_metrics_than_sets(made: tuple[Floats, Floats]) -> None:
    _, y = made
    x = np.random.default_rng(4).normal(size=(34, 60))
    new = x[:2] + 0.01
    found = run(x, y, new=new)
    predicted, weights = normal(x, y, new, found.penalty)
    np.testing.assert_allclose(found.predicted, predicted, atol=1e-8)
    np.testing.assert_allclose(found.weights, weights, atol=1e-8)


def test_too_little_to_judge_by(made: tuple[Floats, Floats]) -> None:
    x, y = made
    new = np.empty((0, 4))
    assert predict(x, y, np.arange(34) % 2, new, named(4)) is None
    assert predict(x, y, np.arange(34) % 3, new, named(4)) is not None
    assert predict(x[:7], y[:7], np.arange(7), new, named(4)) is None
    assert predict(x[:8], y[:8], np.arange(8), new, named(4)) is not None
    assert predict(np.empty((34, 0)), y, FAMILIES, np.empty((0, 0)), []) is None


def test_many_families_are_left_out_by_twentieths(made: tuple[Floats, Floats]) -> None:
    x, y = made
    found = run(x, y, np.arange(34))
    assert len(found.chosen) == prediction.FOLDS == 20
    same = run(x, y, np.arange(34) % 20)
    assert found.rmse == same.rmse
