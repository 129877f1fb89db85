"""Files of mu and sigma: pytorch-fid reads ours, we read pytorch-fid's, and the distance is the same."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synvid_eval import compare, knobs
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.features.inception import Inception
from synvid_eval.features.network import Networks
from synvid_eval.states import Fold, Moments, Side
from synvid_eval.statistics_files import is_statistics, read_statistics, write_statistics
from synvid_eval.video.sampling import Sampler


@functools.cache
def gaussian(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows [n, 2048] of which few directions vary, their mean and covariance (ddof 1)."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(6, 2048)) / 10
    x = rng.normal(size=(rows, 6)) @ mix + rng.normal(size=(rows, 2048)) * 0.1 + 0.5
    return x, x.mean(axis=0), np.cov(x, rowvar=False)


def saved(path: Path, seed: int) -> Path:
    _, mu, sigma = gaussian(seed)
    np.savez(path, mu=mu, sigma=sigma)
    return path


def test_ours_is_read_by_pytorch_fid_and_back_to_the_bit(tmp_path: Path) -> None:
    x, mu, sigma = gaussian(0)
    side = Side((Fold({"pool3": Moments.of_rows(x)}, {"pool3": 300}),), 300)
    write_statistics(tmp_path / "ours.npz", side, "pool3", {"state": "pool3"})
    with np.load(tmp_path / "ours.npz") as file:  # as pytorch_fid.fid_score.compute_statistics_of_path does
        np.testing.assert_allclose(file["mu"], mu, rtol=1e-12)
        np.testing.assert_allclose(file["sigma"], sigma, atol=1e-12 * np.abs(sigma).max())
        written = file["mu"].copy(), file["sigma"].copy()
    back = read_statistics(tmp_path / "ours.npz", "ours")
    assert (back.mu == written[0]).all() and (back.sigma == written[1]).all()
    for ddof in (0, 1):
        folded = back.side("pool3").moments("pool3")
        assert folded is not None
        np.testing.assert_allclose(folded.covariance(ddof), written[1], rtol=1e-12, atol=0)


@pytest.mark.slow
def test_two_files_compare_by_fid_as_torchmetrics_does_without_any_weights(tmp_path: Path) -> None:
    from torchmetrics.image.fid import _compute_fid

    a, b = saved(tmp_path / "a.npz", 1), saved(tmp_path / "b.npz", 2)
    found = compare(a, b)
    assert found.metrics() == ["fid"]
    score = found.score("a", "fid")
    with np.load(a) as one, np.load(b) as two:
        theirs = _compute_fid(*(torch.from_numpy(f[key]) for f in (one, two) for key in ("mu", "sigma")))
    assert score.value == pytest.approx(float(theirs), rel=1e-5)  # theirs loses digits below full rank
    assert score.n == {"candidate": 0, "reference": 0}
    assert score.interval is None and score.corrected is None
    assert "mu and sigma" in str(score.interval_reason) and "mu and sigma" in score.detail["notes"]
    assert math.isnan(score.detail["floor"]) and math.isnan(score.detail["rows_candidate"])
    document = json.loads(found.to_json())
    assert document["reference"]["clips"] == 0 and document["scores"][0]["detail"]["floor"] is None


def test_beside_videos_only_fid_is_had(tmp_path: Path) -> None:
    from tests.clips import write_set

    write_set(tmp_path / "set", 3)
    found = compare(tmp_path / "set", saved(tmp_path / "real.npz", 1), metrics=["color"])
    score = found.score("set", "color")
    assert math.isnan(score.value) and score.reason == (
        "real is a file of mu and sigma, of which only fid can be had."
    )


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"mu": np.zeros(64), "sigma": np.zeros((64, 64))}, r"wanted \[2048\]"),
        ({"mu": np.full(2048, np.nan), "sigma": np.eye(2048)}, "not finite"),
        ({"mu": np.full(2048, "x"), "sigma": np.eye(2048)}, "cannot be read"),
        ({"mu": np.zeros(2048), "sigma": -np.eye(2048)}, "eigenvalue -1, so it is no covariance"),
        ({"mu": np.zeros(2048), "sigma": np.eye(2048) + np.eye(2048, k=1)}, "not symmetric"),
        ({"mu": np.zeros(2048), "sigma": np.eye(2048), "recipe": np.array("{")}, "cannot be read"),
    ],
)
def test_what_is_no_gaussian_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], why: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    assert is_statistics(str(tmp_path / "bad.npz"))
    with pytest.raises(DataError, match=why):
        read_statistics(tmp_path / "bad.npz", "bad")


def test_what_has_frames_or_is_no_archive_is_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", mu=np.zeros(1), sigma=np.zeros((1, 1)), frames=np.zeros((1, 1, 1, 3)))
    (tmp_path / "not.npz").write_text("x")
    assert not any(is_statistics(str(tmp_path / name)) for name in ("both.npz", "not.npz", "none.npz"))


def test_random_networks_are_not_set_against_real_statistics(tmp_path: Path) -> None:
    from tests.clips import write_set

    write_set(tmp_path / "set", 3)
    with pytest.raises(DataError, match="holds statistics of the pretrained network"):
        compare(
            tmp_path / "set",
            saved(tmp_path / "real.npz", 1),
            metrics=["fid"],
            networks=Networks(features="random", device="cpu"),
        )


def test_too_few_rows_are_not_written(tmp_path: Path) -> None:
    side = Side((Fold({"pool3": Moments.of_rows(np.zeros((1, 4)))}, {"pool3": 1}),), 1)
    with pytest.raises(DataError, match="1 frames have no covariance"):
        write_statistics(tmp_path / "x.npz", side, "pool3", {})
    assert not (tmp_path / "x.npz").exists()


RECIPE = {
    "revision": Inception.revision,
    "feature": {**knobs.recipe(Inception()), "weights": "sha256:" + "0" * 64},
    "sampler": knobs.values(Sampler()),
    "seed": 0,
    "state": "pool3",
}


def told(path: Path, seed: int, **changes: object) -> Path:
    """A file that says what made it."""
    x, _, _ = gaussian(seed)
    feature = {**RECIPE["feature"], **changes}
    side = Side((Fold({"pool3": Moments.of_rows(x)}, {"pool3": 300}),), 300)
    write_statistics(path, side, "pool3", {**RECIPE, "feature": feature})
    return path


@pytest.mark.slow
def test_files_that_say_what_made_them_are_compared_with_their_like_only(tmp_path: Path) -> None:
    a, same = told(tmp_path / "a.npz", 1), told(tmp_path / "same.npz", 2)
    found = compare(a, same)
    (long,) = found.run["signatures"].values()
    assert f"feature.weights=sha256:{'0' * 64}" in long and "unknown" not in long
    for knob, value in (("precision", "bf16"), ("protocol", "clean"), ("weights", "sha256:" + "1" * 64)):
        other = told(tmp_path / f"{knob}.npz", 2, **{knob: value})
        with pytest.raises(DataError, match=f"inception.{knob}="):
            compare(a, other)
        if knob == "precision":
            assert (
                "precision:bf16"
                in compare(other, told(tmp_path / "b.npz", 3, precision="bf16")).scores[0].signature
            )


def test_files_that_do_not_are_named_by_their_hash(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.npz", 1), saved(tmp_path / "b.npz", 2)
    found = compare(a, b)
    (long,) = found.run["signatures"].values()
    hashes = [found.candidates[0].fingerprint, found.reference.fingerprint]
    assert f"unknown_recipe={'+'.join(hashes)}" in long
    assert not any(word in long for word in ("feature", "sampler", "seed"))
    assert len([n for n in found.run["notes"] if "does not say which weights" in n]) == 2
    mixed = compare(a, told(tmp_path / "told.npz", 3))
    (long,) = mixed.run["signatures"].values()
    assert f"unknown_recipe={hashes[0]}" in long and "feature.protocol=pytorch" in long
    with pytest.raises(DataError, match="which is fp32 then; asked is bf16"):
        compare(a, told(tmp_path / "half.npz", 3, precision="bf16"))


@pytest.mark.parametrize(
    ("networks", "settings", "what"),
    [
        ({"features": "random"}, [], "--features"),
        ({"precision": "bf16"}, [], "--precision"),
        ({"weights": "/nowhere", "device": "cuda"}, [], "--weights, --device"),
        ({"batch": 2}, [], "--batch-size"),
        ({}, ["fid.ddof=0"], "--set fid.ddof=0"),
        ({}, ["fid.protocol=clean"], "--set inception.protocol=clean"),
    ],
)
def test_what_would_mean_nothing_is_refused(
    tmp_path: Path, networks: dict[str, Any], settings: list[str], what: str
) -> None:
    a, b = saved(tmp_path / "a.npz", 1), saved(tmp_path / "b.npz", 2)
    with pytest.raises(UsageError, match=f"{what} means nothing"):
        compare(a, b, metrics=["fid"], settings=settings, networks=Networks(**networks))


def test_beside_a_file_of_mu_and_sigma_only_fid_is_asked_for(tmp_path: Path) -> None:
    from tests.clips import write_set

    write_set(tmp_path / "set", 3)
    with pytest.raises(WeightsError, match="inception"):
        compare(tmp_path / "set", saved(tmp_path / "real.npz", 1))
    np.savez(tmp_path / "bad.npz", mu=np.zeros(64), sigma=np.zeros((64, 64)))
    with pytest.raises(DataError, match="wanted"):  # no network would run
        compare(tmp_path / "bad.npz", tmp_path / "real.npz", metrics=["fid"])
