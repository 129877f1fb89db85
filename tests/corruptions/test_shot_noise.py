"""Shot noise: Poisson counts, by their probabilities and moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.corruptions.pictures import SEVERITIES, draws, flat, made

PHOTONS = {1: 250, 2: 100, 3: 50, 4: 30, 5: 15}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_counts_have_the_mean_and_variance_of_poisson(severity: int) -> None:
    """Both are x c: at 51 of 255 levels, where next to nothing is cut."""
    found, photons = made("shot_noise", severity), PHOTONS[severity]
    noisy = found.change(flat(51), draws(found), 0)
    counts = np.searchsorted(np.rint(255 * np.arange(photons + 1) / photons), noisy).astype(float)
    mean, count = 0.2 * photons, noisy.size
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / count)
    assert abs(counts.var() - mean) < 5 * np.sqrt((mean + 2 * mean**2) / count)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("level", [17, 128, 240, 255])
def test_each_count_has_its_probability(severity: int, level: int) -> None:
    found, photons = made("shot_noise", severity), PHOTONS[severity]
    noisy = found.change(flat(level), draws(found), 0)
    levels = np.rint(np.arange(photons + 1) * 255 / photons).astype(int)
    seen = np.bincount(noisy.ravel(), minlength=256)
    assert seen.sum() == seen[np.unique(levels)].sum()  # no other level
    mean = photons * level / 255
    chances = stats.poisson.pmf(np.arange(photons + 1), mean)
    chances[-1] = stats.poisson.sf(photons - 1, mean)
    assert len(np.unique(levels)) == photons + 1
    often = chances * noisy.size > 10
    expected = np.append(chances[often], chances[~often].sum()) * noisy.size
    observed = np.append(seen[levels[often]], seen[levels[~often]].sum())
    kept = expected > 0
    assert stats.chisquare(observed[kept], expected[kept]).pvalue > 1e-4


def test_black_stays_black() -> None:
    found = made("shot_noise", 5)
    assert not found.change(flat(0), draws(found), 0).any()
