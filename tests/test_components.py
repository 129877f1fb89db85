"""Components: streamed as whole (scikit-learn's), colors by hand, ROC areas as scikit-learn has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from synvid_eval import components
from synvid_eval.components import COMPONENTS, Pca, auc, colors, scale, separation
from synvid_eval.intervals import jackknife
from synvid_eval.states import BLOCKS, Moments


def rows(count: int, width: int = 20, seed: int = 0) -> NDArray[np.float32]:
    """Rows of falling spread, around a mean that is far from 0."""
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.standard_normal((width, width)))
    spread = rng.standard_normal((count, width)) * 3.0 / np.arange(1, width + 1)
    return (spread @ turned + 50).astype(np.float32)


def streamed(whole: NDArray[np.float32], step: int) -> tuple[Pca, int]:
    moments, chunks = Moments(whole.shape[1]), 0
    for begin in range(0, len(whole), step):
        moments = moments + Moments.of_rows(whole[begin : begin + step])
        chunks += 1
    return Pca.of(moments), chunks


@pytest.mark.parametrize("step", [37, 400, 5000])
def test_streamed_components_are_those_of_all_rows(step: int) -> None:
    whole = rows(5000)
    found, chunks = streamed(whole, step)
    assert chunks == math.ceil(5000 / step)
    exact = PCA(COMPONENTS, svd_solver="full").fit(whole.astype(np.float64))
    signs = np.sign((exact.components_ * found.basis.T).sum(1))
    want = (whole.astype(np.float64) - exact.mean_) @ (exact.components_ * signs[:, None]).T
    assert np.abs(found.project(whole) - want).max() < 1e-5 * np.abs(want).max()
    assert np.allclose(found.shares[:COMPONENTS], exact.explained_variance_ratio_, rtol=1e-9)


def test_signs_are_fixed() -> None:
    """The largest loading is positive, whatever the signs of the rows."""
    whole = rows(500) - np.float32(50)
    for turned in (whole, -whole):
        basis = streamed(turned, 100)[0].basis
        assert all(basis[np.abs(column).argmax(), k] > 0 for k, column in enumerate(basis.T))


def test_rows_that_are_all_the_same_have_no_components() -> None:
    same = np.ones((9, 4), np.float32)
    found = streamed(same, 3)[0]
    assert np.isnan(found.shares).all() and not found.project(same).any()
    assert (colors(found.project(same), *scale(found.project(same))) == 128).all()


def test_colors_are_from_one_quantile_to_another() -> None:
    values = np.arange(101, dtype=np.float32)[:, None] * np.array([1, -2, 0.5], np.float32)
    low, high = scale(values)
    assert np.allclose(low, [1, -198, 0.5]) and np.allclose(high, [99, -2, 49.5])
    found = colors(values, low, high)
    assert found.dtype == np.uint8
    assert found[0].tolist() == [0, 255, 0] and found[100].tolist() == [255, 0, 255]
    assert found[50].tolist() == [128, 128, 128] and found[26, 0] == round(255 * 25 / 98)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 12, 300).astype(np.float64)  # with many ties
    moving = rng.random(300) < 0.3
    assert auc(values, moving) == pytest.approx(roc_auc_score(moving, values), abs=1e-12)
    assert auc(-values, moving) == pytest.approx(1 - auc(values, moving), abs=1e-12)
    assert math.isnan(auc(values, np.zeros(300, bool)))


def clips(count: int, tell: float, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Of each clip projections [40, 3], the second lower by `tell` where a token moves, and shares."""
    rng = np.random.default_rng(seed)
    shares = [rng.random(40).astype(np.float32) for _ in range(count)]
    values = [rng.standard_normal((40, 3)).astype(np.float32) for _ in range(count)]
    for one, share in zip(values, shares, strict=True):
        one[:, 1] -= tell * (share > 0.5)
    return values, shares


def test_separation_is_of_the_best_component_and_sign() -> None:
    values, shares = clips(30, 2.0)
    blocks = [i % 15 for i in range(30)]
    found = separation(values, shares, blocks)
    moving = np.concatenate(shares) > 0.5
    second = np.concatenate(values)[:, 1].astype(np.float64)
    want = roc_auc_score(moving, -second)
    assert (found["component"], found["sign"]) == (2, -1)
    assert found["value"] == pytest.approx(want, abs=1e-12) and found["components"][1] == found["value"]
    assert all(0.5 <= v < 0.6 for v in (found["components"][0], found["components"][2]))
    left = np.zeros(BLOCKS)
    for block in range(15):
        rest = np.repeat(np.array(blocks) != block, 40)
        left[block] = roc_auc_score(moving[rest], -second[rest])
    one = jackknife(want, left, np.bincount(blocks, minlength=BLOCKS))
    half = 2.1447866879169273 * math.sqrt(one.variance)  # t of 14 degrees of freedom, 97.5 %
    assert found["interval"] == pytest.approx([want - half, want + half], abs=1e-9)
    assert found["moving"] == pytest.approx(moving.mean())
    share = np.concatenate(shares)
    assert found["mixed"] == pytest.approx(((share > 0.1) & (share < 0.9)).mean())
    assert found["reason"] is None and found["interval_reason"] is None


def test_the_interval_stays_within_what_an_area_can_be() -> None:
    values, shares = clips(20, 5.0)
    low, high = separation(values, shares, list(range(20)))["interval"]
    assert 0.999 < low < high == 1.0


@pytest.mark.parametrize(("share", "said"), [(0.0, "no token shows"), (1.0, "every token shows")])
def test_where_there_is_nothing_to_tell_apart(share: float, said: str) -> None:
    values, shares = clips(12, 1.0)
    found = separation(values, [np.full_like(s, share) for s in shares], list(range(12)))
    assert found["value"] is None and said in found["reason"] and found["interval_reason"]


def test_few_blocks_have_no_interval() -> None:
    values, shares = clips(9, 1.0)
    found = separation(values, shares, list(range(9)))
    assert found["interval"] is None and "9 blocks" in found["interval_reason"] and found["value"] > 0.6
    one_sided = [s if i == 0 else np.zeros_like(s) for i, s in enumerate([*shares, *shares])]
    found = separation([*values, *values], one_sided, list(range(18)))
    assert found["interval"] is None and "of one block" in found["interval_reason"]


def test_half_a_patch_does_not_move() -> None:
    values, shares = clips(10, 1.0)
    exact = [np.full_like(s, components.MOVING) for s in shares]
    assert separation(values, exact, list(range(10)))["moving"] == 0
