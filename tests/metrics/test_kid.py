from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import maximum_mean_discrepancy

import synvid_eval.metrics.kernel
from synvid_eval.metrics import Unscored
from synvid_eval.metrics.kernel import between, within
from synvid_eval.metrics.kid import Kid
from synvid_eval.metrics.kvd import Kvd
from synvid_eval.scoring import score_pair
from synvid_eval.states import Fold, Rows, Side

CAP = 10_000


def row_side(clips, *, blocks=20, cap=CAP, keys=None, measured=None) -> Side:
    """A side whose clip i gives rows `clips[i]` [n, d]; keys in the order of the rows if not given."""
    folds = [Fold() for _ in range(blocks)]
    start = 0
    for i, rows in enumerate(clips):
        own = np.arange(start, start + len(rows)) if keys is None else keys[start : start + len(rows)]
        start += len(rows)
        state = Rows.of(own, np.full(len(rows), 1000 + i), rows, cap)
        folds[i % blocks] = folds[i % blocks] + Fold({"rows": state}, {"rows": 1})
    return Side(tuple(folds), len(clips) if measured is None else measured)


def clips_of(seed, clips=7, rows=3, d=5, shift=0.0, alike=1.0):
    """Float32 rows; those of a clip share a part of size `alike`."""
    g = np.random.default_rng(seed)
    shared = g.normal(size=(clips, 1, d)) * alike
    return (shared + g.normal(size=(clips, rows, d)) + shift).astype(np.float32)


def naive(x, y, *, pairs="clips") -> float:
    """The definition, pair by pair, in Python's own numbers. x, y: [clips][rows, d]."""

    def k(a, b):
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def inner(clips):
        rows = [(c, r) for c, rows in enumerate(clips) for r in rows]
        found = [
            k(a, b)
            for (i, (c, a)), (j, (e, b)) in itertools.product(enumerate(rows), repeat=2)
            if (c != e if pairs == "clips" else i != j)
        ]
        return math.fsum(found) / len(found)

    cross = [k(a, b) for r in x for a in r for s in y for b in s]
    return inner(x) + inner(y) - 2 * math.fsum(cross) / len(cross)


@pytest.mark.parametrize("pairs", ["clips", "all"])
@pytest.mark.parametrize("metric", [Kid, Kvd])
def test_agrees_with_the_definition(metric, pairs):
    x, y = clips_of(0), clips_of(1, clips=5, shift=0.3)
    value = metric(pairs=pairs).value(row_side(x), row_side(y))
    assert value == pytest.approx(naive(x, y, pairs=pairs), rel=1e-12)
    owners = tuple(np.repeat(np.arange(len(c)), 3) for c in (x, y))
    flat = [c.reshape(-1, 5) for c in (x, y)]
    assert metric(pairs=pairs).of_rows(*flat, owners=owners) == pytest.approx(value, rel=1e-12)


def test_clips_of_unequal_length():
    x = [clips_of(i, 1, rows)[0] for i, rows in enumerate((1, 4, 2, 7))]
    y = [clips_of(9 + i, 1, rows)[0] for i, rows in enumerate((3, 1, 5))]
    assert Kid().value(row_side(x), row_side(y)) == pytest.approx(naive(x, y), rel=1e-12)


def test_all_pairs_are_the_estimate_of_torchmetrics():
    """torchmetrics 1.9 (`maximum_mean_discrepancy`, the algebra of torch-fidelity), equal numbers of rows."""
    g = np.random.default_rng(0)
    x, y = g.normal(size=(60, 40)).astype(np.float32), (g.normal(size=(60, 40)) + 0.2).astype(np.float32)
    a, b = (torch.from_numpy(r.astype(np.float64)) for r in (x, y))
    kernels = [(p @ q.T / 40 + 1) ** 3 for p, q in ((a, a), (a, b), (b, b))]
    expected = maximum_mean_discrepancy(*kernels).item()
    assert Kid(pairs="all").of_rows(x, y) == pytest.approx(expected, rel=1e-11)
    assert Kid().of_rows(x, y) == Kid(pairs="all").of_rows(x, y)  # one row a clip


def test_points_in_one_dimension_by_hand():
    """x = {0, 1}, y = {1, 2}: k(0, 1) = 1, k(1, 2) = 27, cross mean (1 + 1 + 8 + 27) / 4: 1 + 27 − 18.5."""
    assert Kid().of_rows([[0.0], [1.0]], [[1.0], [2.0]]) == pytest.approx(9.5, rel=1e-15)


@pytest.mark.parametrize("tile", [1, 4, 1024])
def test_tiles_and_blocks_change_nothing(tile, monkeypatch):
    x, y = clips_of(0, 40, 2, 16), clips_of(1, 30, 3, 16, shift=0.2)
    whole = Kid().value(row_side(x, blocks=1), row_side(y, blocks=1))
    monkeypatch.setattr(synvid_eval.metrics.kernel, "TILE", tile)
    for blocks in (1, 3, 20):
        split = Kid().value(row_side(x, blocks=blocks), row_side(y, blocks=blocks))
        assert split == pytest.approx(whole, rel=1e-12)


def test_the_same_bits_again_symmetric_and_inputs_unchanged():
    x, y = clips_of(0), clips_of(1)
    a, b = row_side(x), row_side(y)
    before = [{n: v.tobytes() for n, v in s.rows("rows").to_arrays().items()} for s in (a, b)]
    value = Kid().value(a, b)
    assert value == Kid().value(row_side(x), row_side(y))
    assert Kid().value(b, a) == pytest.approx(value, rel=1e-12)
    assert before == [{n: v.tobytes() for n, v in s.rows("rows").to_arrays().items()} for s in (a, b)]


def test_rows_beyond_the_cap_are_left_out_by_key():
    """20 of 60 rows: those with the smallest keys, wherever they lie."""
    x, y = clips_of(0, 20, 3), clips_of(1, 20, 3, shift=0.5)
    keys = np.random.default_rng(3).permutation(60)
    kept = [[r for k, r in zip(keys[3 * c :], rows, strict=False) if k < 20] for c, rows in enumerate(x)]
    expected = naive([np.array(rows) for rows in kept if rows], y)
    left = row_side(x, cap=20, keys=keys)
    assert left.rows("rows").n == 20
    assert Kid().value(left, row_side(y)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("cap", [CAP, 50])
def test_left_out_is_the_value_without_the_block(turn, cap):
    """The rows of the block are left out of those that are used; no others come in above a cap."""
    keys = np.random.default_rng(3).permutation(90)
    sides = [row_side(clips_of(s, 30, 3, shift=s / 2), cap=cap, keys=keys) for s in (0, 1)]
    found = Kid().left_out(tuple(sides), turn)
    used = [[(r, o) for r, o in zip(s.rows("rows").rows, s.rows("rows").owners, strict=True)] for s in sides]
    for index, value in enumerate(found):
        rows = [list(u) for u in used]
        rows[turn] = [(r, o) for r, o in rows[turn] if (int(o) - 1000) % 20 != index]
        arrays = [np.array([r for r, _ in u]) for u in rows]
        owners = tuple(np.array([o for _, o in u]) for u in rows)
        assert value == pytest.approx(Kid().of_rows(*arrays, owners=owners), rel=1e-11)


def test_left_out_of_an_empty_block_is_nan():
    sides = (row_side(clips_of(0)), row_side(clips_of(1)))
    found = Kid().left_out(sides, 0)
    assert [math.isnan(v) for v in found] == [i >= 7 for i in range(20)]


def test_one_side_is_compared_with_itself_once(monkeypatch):
    """Value, detail, both jackknives, two candidates: three within (a reference once), two between."""
    calls = []
    for name, original in (("within", within), ("between", between)):
        monkeypatch.setattr(
            synvid_eval.metrics.kernel,
            name,
            lambda *blocks, name=name, original=original: calls.append(name) or original(*blocks),
        )
    reference = row_side(clips_of(9))
    for seed in (0, 1):
        side = row_side(clips_of(seed))
        Kid().value(side, reference)
        Kid().detail(side, reference)
        Kid().left_out((side, reference), 0)
        Kid().left_out((side, reference), 1)
    assert sorted(calls) == ["between"] * 2 + ["within"] * 3


def test_a_mean_over_clips_left_out_is_the_value():
    """What makes it a U-statistic: averaged over all subsets of clips of one size, it is that of all."""
    x, y = clips_of(0, 6), clips_of(1, 6)
    b = row_side(y)
    for size in (2, 4):
        values = [Kid().value(row_side(x[list(some)]), b) for some in itertools.combinations(range(6), size)]
        assert np.mean(values) == pytest.approx(Kid().value(row_side(x), b), rel=1e-10)


def _simulated(pairs, scale, alike, repetitions=400):
    """Values over independent draws of 5 against 6 clips of 4 frames, d = 3, and the true distance.

    For Gaussians of mean 0, E k(x, y) = 1 + 3 tr(ST)/d², so MMD² = 3 |S − T|²/d² (Frobenius).
    """
    metric, d = Kid(pairs=pairs), 3
    truth = 3 * d * ((1 + alike**2) * (1 - scale**2)) ** 2 / d**2
    values = []
    for seed in range(repetitions):
        x = clips_of(2 * seed, 5, 4, d, alike=alike)
        y = clips_of(2 * seed + 1, 6, 4, d, alike=alike) * np.float32(scale)
        owners = (np.repeat(np.arange(5), 4), np.repeat(np.arange(6), 4))
        values.append(metric.of_rows(x.reshape(-1, d), y.reshape(-1, d), owners=owners))
    return np.mean(values), np.std(values) / math.sqrt(repetitions), truth


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_unbiased_at_five_clips_of_like_frames(scale):
    mean, error, truth = _simulated("clips", scale, alike=1.0)
    assert abs(mean - truth) < 3 * error
    mean, error, truth = _simulated("all", scale, alike=1.0)
    assert mean - truth > 6 * error, "all pairs should be visibly off where frames of a clip are alike"


def test_unlike_frames_make_no_difference():
    mean, error, truth = _simulated("all", 0.5, alike=0.0)
    assert abs(mean - truth) < 3 * error


def test_gaussians_have_a_closed_form():
    """Many rows of N(0, S) and N(0, T): 3 |S − T|²/d²."""
    g = np.random.default_rng(0)
    s, t = np.array([1.0, 4.0, 0.25]), np.array([2.0, 1.0, 1.0])
    x, y = (g.normal(size=(3000, 3)) * np.sqrt(v) for v in (s, t))
    assert Kid().of_rows(x, y) == pytest.approx(3 * ((s - t) ** 2).sum() / 9, rel=0.1)


def test_the_interval_is_around_the_value():
    a, b = row_side(clips_of(0, 200, 3)), row_side(clips_of(1, 200, 3))
    score = score_pair(Kid(), a, b, ("a", "b"), "")
    low, high = score.interval
    assert low < score.value < high and low < 0 < high
    assert score.corrected is None or math.isnan(score.corrected)
    # of sets that differ it reaches further up than down
    c = row_side(clips_of(2, 200, 3, shift=1.0))
    score = score_pair(Kid(), a, c, ("a", "c"), "")
    low, high = score.interval
    assert low > 0 and high - score.value > 1.02 * (score.value - low)


def test_detail_adds_up():
    a, b = row_side(clips_of(0), measured=9), row_side(clips_of(1))
    detail = Kvd().detail(a, b)
    parts = [detail[f"kernel_{name}"] for name in ("candidate", "reference", "between")]
    assert parts[0] + parts[1] - 2 * parts[2] == Kvd().value(a, b)
    assert (detail["too_short"], detail["too_short_reference"]) == (2, 0)
    assert "too_short" not in Kid().detail(a, b)


def test_too_few_clips_are_a_reason():
    one, empty = row_side(clips_of(0, 1)), Side((Fold(),) * 20, 0)
    with pytest.raises(
        Unscored, match=r"kid needs frames of 2 or more clips; the reference has 3 of 1 clip\."
    ):
        Kid().value(row_side(clips_of(0)), one)
    with pytest.raises(Unscored, match=r"the candidate has 0 of 0 clips\."):
        Kvd().value(empty, one)
    assert Kid().detail(empty, empty) == {}
    assert Kid().interval_gate(empty) == "has 0 clips, and an interval of kid needs 200"
    assert Kid().interval_gate(row_side(clips_of(0, 199))) and not Kid().interval_gate(
        row_side(clips_of(0, 200))
    )
    with pytest.raises(Unscored):
        Kid().of_rows(np.empty((0, 4)), np.empty((0, 4)))
    with pytest.raises(ValueError, match="kid is a distance"):
        Kid().of_rows(np.eye(3))
    with pytest.raises(ValueError, match="5 and 4 dimensions"):
        Kid().value(row_side(clips_of(0)), row_side(clips_of(0, d=4)))
