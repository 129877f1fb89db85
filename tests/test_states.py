from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synvid_eval.states import BLOCKS, Counts, Fold, Moments, Park, Rows, Side, add, fold, kind_of, pruned


def _bytes(state):
    return {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in state.to_arrays().items()}


def _saved(state):
    return type(state).from_arrays({k: v.copy() for k, v in state.to_arrays().items()})


def _close(a: Moments, b: Moments, rel=1e-12):
    assert a.n == b.n
    if a.n == 0:
        return
    spread = np.sqrt(np.abs(b.covariance(0)).max())
    size = np.abs(b.mean).max() + spread
    assert np.abs(a.mean - b.mean).max() <= rel * size
    assert np.abs(a.covariance(0) - b.covariance(0)).max() <= rel * size * spread


def _rows(seed, n, d, dtype=np.float64):
    return (np.random.default_rng(seed).normal(size=(n, d)) * 3 + 100).astype(dtype)


def test_moments_are_those_of_numpy():
    rows = _rows(0, 500, 7)
    m = Moments.of_rows(rows)
    assert m.n == 500
    np.testing.assert_allclose(m.mean, rows.mean(0), rtol=1e-14)
    for ddof in (0, 1):
        np.testing.assert_allclose(m.covariance(ddof), np.cov(rows.T, ddof=ddof), rtol=1e-11)


def test_three_constant_images():
    """pytorch-fid test_compute_statistics_of_path: 0, .5, 1 in all channels: mean .5, covariances .25."""
    m = Moments.of_rows([[0.0] * 3, [0.5] * 3, [1.0] * 3])
    assert (m.mean == 0.5).all() and (m.covariance(1) == 0.25).all()


def test_nothing_cancels_far_from_zero():
    rows = np.random.default_rng(1).normal(size=(1000, 3))
    near, far = Moments.of_rows(rows), Moments(3)
    for part in np.split(rows + 1e8, 50):
        far = far + Moments.of_rows(part)
    np.testing.assert_allclose(far.covariance(1), near.covariance(1), atol=1e-7)


@pytest.mark.parametrize("n", [0, 1, 5, 400])
def test_zero_is_the_identity(n):
    m, zero = Moments.of_rows(_rows(0, n, 4)), Moments(4)
    assert _bytes(zero + m) == _bytes(m) == _bytes(m + zero)
    c = Counts([1, 2])
    assert _bytes(c + Counts([0, 0])) == _bytes(c)
    f = Fold({"m": m}, {"m": 3})
    for sum_ in (Fold() + f, f + Fold()):
        assert _bytes(sum_.states["m"]) == _bytes(m) and sum_.clips == {"m": 3}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.integers(0, 60), min_size=1, max_size=12),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 10**6),
)
def test_any_split_equals_one_shot(d, sizes, dtype, seed):
    rows = _rows(seed, sum(sizes), d, dtype)
    parts = [Moments.of_rows(p) for p in np.split(rows, np.cumsum(sizes)[:-1])]
    whole = Moments.of_rows(rows)
    left = Moments(d)
    for p in parts:
        left = left + p
    right = Moments(d)
    for p in reversed(parts):
        right = p + right
    shuffled = Moments(d)
    for i in np.random.default_rng(seed).permutation(len(parts)):
        shuffled = shuffled + parts[i]
    for total in (left, right, shuffled):
        _close(total, whole)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), min_size=1, max_size=15),
    st.sampled_from([np.float32, np.float64]),
)
def test_saving_in_between_changes_no_bit(d, steps, dtype):
    """Whether a part or the sum so far was written and read back: the same bytes."""
    plain, saved = Moments(d), Moments(d)
    for i, (n, save_part, save_total) in enumerate(steps):
        part = Moments.of_rows(_rows(i, n, d, dtype))
        plain = plain + part
        saved = saved + (_saved(part) if save_part else part)
        if save_total:
            saved = _saved(saved)
    assert _bytes(plain) == _bytes(saved)
    assert plain.mean.tobytes() == saved.mean.tobytes()
    assert plain.covariance(0).tobytes() == saved.covariance(0).tobytes()


@pytest.mark.parametrize("n", [0, 1, 3, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_and_back_to_the_bit(n, dtype):
    m = Moments.of_rows(_rows(0, n, 5, dtype))
    back = _saved(m)
    assert _bytes(back) == _bytes(m) and back.dim == 5
    assert back.mean.tobytes() == m.mean.tobytes()
    assert back.covariance(1).tobytes() == m.covariance(1).tobytes()


def test_an_unsymmetric_scatter_survives_saving():
    m = Moments.of_parts(3, [1.0, 2.0], [[1.0, 0.5], [0.5 + 1e-16 * 4, 2.0]])
    back = _saved(m)
    assert back.covariance(0).tobytes() == m.covariance(0).tobytes()


def test_a_large_state_is_stored_as_its_triangle():
    """What is saved is the smaller of rows and moments, whatever the number of rows."""
    small, large = Moments.of_rows(_rows(0, 3, 128)), Moments.of_rows(_rows(0, 3000, 128))
    size = {m: sum(v.nbytes for v in m.to_arrays().values()) for m in (small, large)}
    assert size[small] < 3 * 128 * 8 + 100
    assert size[large] < (128 * 129 / 2 + 128) * 8 + 100
    folded = Moments(128)
    for i in range(100):
        folded = folded + Moments.of_rows(_rows(i, 3, 128))
    stored = sum(v.nbytes for v in folded.to_arrays().values())
    assert stored <= (128 * 129 / 2 + 128) * 8 + 128 * 65 * 8
    _close(folded, Moments.of_rows(np.concatenate([_rows(i, 3, 128) for i in range(100)])))


@pytest.mark.parametrize(("n", "m"), [(2, 3), (300, 2), (2, 300), (300, 400)])
def test_adding_changes_no_input(n, m):
    a, b = Moments.of_rows(_rows(0, n, 4)), Moments.of_rows(_rows(1, m, 4))
    before = _bytes(a), _bytes(b)
    total = a + b
    again = a + b
    assert (_bytes(a), _bytes(b)) == before
    assert _bytes(total) == _bytes(again)


def test_vectors_are_rows_of_one_value():
    m = Moments.of_rows([1, 2, 6])
    assert (m.dim, m.n, m.mean[0]) == (1, 3, 3)


def test_weights_need_not_be_whole():
    m = Moments.of_parts(0.5, [1.0], [[2.0]]) + Moments.of_parts(1.5, [3.0], [[0.0]])
    assert m.n == 2 and m.mean[0] == 2.5
    assert m.covariance(0)[0, 0] == pytest.approx((2 + 4 * 0.5 * 1.5 / 2) / 2)


def test_too_few_rows_have_no_covariance():
    assert np.isnan(Moments.of_rows(np.ones((1, 2))).covariance(1)).all()
    assert np.isnan(Moments(2).covariance(0)).all()
    assert (Moments(2).mean == 0).all()


def test_linear_maps_the_rows():
    rows, matrix = _rows(0, 50, 4), np.random.default_rng(1).normal(size=(2, 4))
    _close(Moments.of_rows(rows).linear(matrix), Moments.of_rows(rows @ matrix.T), 1e-11)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_must_be_finite_and_flat(bad):
    with pytest.raises(ValueError, match="NaN or infinite"):
        Moments.of_rows([[1.0, bad]])
    with pytest.raises(ValueError, match=r"\[n, d\]"):
        Moments.of_rows(np.ones((2, 2, 2)))


def test_unlike_states_are_not_added():
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        Moments(2) + Moments(3)
    with pytest.raises(ValueError, match="cannot be added"):
        Counts([1]) + Counts([1, 2])
    with pytest.raises(TypeError, match="Moments and Counts"):
        add(Moments(1), Counts([1]))
    assert (kind_of(Moments(1)), kind_of(Counts([1]))) == ("moments", "counts")


def test_counts():
    a, b = Counts([1, 2**40]), Counts([3, 4])
    assert (a + b).values.tolist() == [4, 2**40 + 4]
    assert a.values.tolist() == [1, 2**40] and a.values.dtype == np.int64
    assert _bytes(_saved(a)) == _bytes(a)


def _side():
    blocks = [Fold() for _ in range(BLOCKS)]
    for i in range(50):
        states = {"m": Moments.of_rows(_rows(i, 3, 2))}
        if i % 2:
            states["c"] = Counts([1, i])
        blocks[i % 7] = blocks[i % 7] + Fold(states, dict.fromkeys(states, 1))
    return Side(tuple(blocks), 50)


def test_side_folds_blocks_in_order():
    side = _side()
    total = side.total()
    assert _bytes(total.states["m"]) == _bytes(side.state("m"))
    assert total.clips == {"m": 50, "c": 25} == {"m": side.clips("m"), "c": side.clips("c")}
    assert side.block_clips("m") == [8, 7, 7, 7, 7, 7, 7] + [0] * 13
    assert side.counts("c").tolist() == [25, sum(range(1, 50, 2))]
    assert (
        side.state("nothing") is None and side.moments("nothing") is None and side.counts("nothing") is None
    )
    with pytest.raises(TypeError, match="not Moments"):
        side.moments("c")
    with pytest.raises(TypeError, match="not Counts"):
        side.counts("m")


def test_side_without_a_block_and_with_half_of_them():
    side = _side()
    rest = side.without(3)
    assert rest.clips("m") == 43 and len(rest.blocks) == BLOCKS and rest.measured == 50
    expected = fold(b for i, b in enumerate(side.blocks) if i != 3).states["m"]
    assert _bytes(rest.state("m")) == _bytes(expected)
    even, odd = side.only(range(0, 20, 2)), side.only(range(1, 20, 2))
    assert even.clips("m") + odd.clips("m") == 50
    _close(even.moments("m") + odd.moments("m"), side.moments("m"))


def _kept(seed, n, d=3, cap=50, start=0):
    rng = np.random.default_rng(seed)
    keys = rng.permutation(10 * n).astype(np.uint64)[:n] * np.uint64(5) + np.uint64(start)
    return Rows.of(keys, keys // 7, rng.normal(size=(n, d)), cap)


@pytest.mark.parametrize("n", [0, 1, 49, 50, 51, 400])
def test_rows_keep_the_smallest_keys_whatever_the_split(n):
    whole = _kept(0, n)
    smallest = 5 * np.sort(np.random.default_rng(0).permutation(10 * n)[:n])[:50]
    assert sorted(whole.keys) == smallest.tolist() and whole.n == min(n, 50)
    keys, owners, rows = (a for a in (whole.keys, whole.owners, whole.rows))
    for parts in (2, 7):
        total = Rows(3, 50)
        for k, o, r in zip(
            np.array_split(keys, parts),
            np.array_split(owners, parts),
            np.array_split(rows, parts),
            strict=True,
        ):
            total = total + Rows.of(k, o, r, 50)
        assert _bytes(total) == _bytes(whole) == _bytes(_saved(total))


def test_rows_beyond_the_cap_are_let_go_in_any_order():
    parts = [_kept(0, 300)]
    keys = np.random.default_rng(4).permutation(5000).astype(np.uint64)[:1500]
    rows = np.arange(4500.0).reshape(1500, 3)
    parts = [Rows.of(keys[i : i + 30], keys[i : i + 30], rows[i : i + 30], 50) for i in range(0, 1500, 30)]
    total = Rows(3, 50)
    for part in parts:
        total = total + part
        assert len(total._keys) <= 150
    back = Rows(3, 50)
    for part in reversed(parts):
        back = back + part
    order = np.argsort(total.keys), np.argsort(back.keys)
    assert (total.keys[order[0]] == np.sort(keys)[:50]).all()
    assert (total.rows[order[0]] == back.rows[order[1]]).all()


def test_pruning_across_blocks_keeps_what_the_whole_would_keep():
    folds = [Fold({"r": _kept(i, 80, start=i), "c": Counts([1])}, {"r": 1, "c": 1}) for i in range(5)]
    after = pruned(folds)
    assert (fold(after).states["r"].keys == fold(folds).states["r"].keys).all()
    assert sum(f.states["r"].n for f in after) == 50
    assert fold(after).states["c"].values == [5]


def test_parked_moments_are_the_same_bits(monkeypatch):
    monkeypatch.setattr(Park, "LEAST", 1)
    park = Park()
    few, many = Moments.of_rows(_rows(0, 4, 20, np.float32)), Moments.of_rows(_rows(1, 900, 20))
    rest = few + Moments.of_rows(_rows(2, 3, 20))
    for moments in (few, many, many + rest, rest, Moments(20)):
        waiting = moments.parked(park)
        assert _bytes(waiting) == _bytes(moments)
        assert (waiting.covariance(1) == moments.covariance(1)).all() or moments.n < 2
        assert (waiting.mean == moments.mean).all()
        assert _bytes(waiting + few) == _bytes(moments + few)
        assert _bytes(waiting.parked(park)) == _bytes(moments)
    assert (few.parked(park).centered_rows() == few.centered_rows()).all()
    assert many.centered_rows() is None


def test_the_mean_alone_is_that_of_the_fold():
    m = Moments.of_rows(_rows(0, 3, 20)) + Moments.of_rows(_rows(1, 5, 20))
    assert (m.mean == m._fold()[1]).all()
    big = Moments.of_rows(_rows(2, 900, 20)) + Moments.of_rows(_rows(3, 2, 20))
    assert (big.mean == big._fold()[1]).all()


@pytest.mark.parametrize("count", [1, 2, 3, 7, BLOCKS])
def test_each_without_leaves_one_block_out(count):
    blocks = [Fold({"x": Moments.of_rows(_rows(i, i % 4, 3))}, {"x": i % 4}) for i in range(count)]
    side = Side(tuple(blocks), 9)
    rests = list(side.each_without(["x"]))
    assert len(rests) == count
    for i, rest in enumerate(rests):
        expected = side.without(i)
        assert rest.clips("x") == expected.clips("x") and rest.measured == 9
        if count > 1:
            _close(rest.moments("x"), expected.moments("x"))
