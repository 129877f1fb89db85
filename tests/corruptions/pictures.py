"""Pictures and draws that tests of corruptions share."""

from __future__ import annotations

import numpy as np

from synvid_eval.corruptions import Corruption, Draws, registry
from synvid_eval.video.decode import Frame

SEVERITIES = (1, 2, 3, 4, 5)


def made(name: str, severity: int, **knobs: object) -> Corruption:
    """A corruption of that name and severity."""
    return registry.get(name)(severity=severity, **knobs)  # type: ignore[arg-type]


def draws(corruption: Corruption, clip: str = "a/clip.avi", seed: int = 0) -> Draws:
    """Its draws for a clip."""
    return Draws(seed, clip, corruption.name)


def flat(level: int, height: int = 256, width: int = 256) -> Frame:
    """A frame of one gray level."""
    return np.full((height, width, 3), level, np.uint8)


def smooth(height: int = 60, width: int = 80, seed: int = 0) -> Frame:
    """Waves of other lengths in each channel, with some noise: no two places look the same."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    channels = [np.sin(rows / (4 + k) + k) + np.cos(columns / (7 - k) - k) for k in range(3)]
    picture = 128 + 50 * np.stack(channels, -1) + rng.normal(0, 6, (height, width, 3))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def cut_normal(mean: float, deviation: float) -> tuple[float, float]:
    """Mean and variance of a normal number cut to [0, 255], in closed form."""
    from scipy.stats import norm

    low, high = -mean / deviation, (255 - mean) / deviation
    inside, above = norm.cdf(high) - norm.cdf(low), norm.sf(high)
    slope = norm.pdf(low) - norm.pdf(high)
    first = 255 * above + mean * inside + deviation * slope
    bend = low * norm.pdf(low) - high * norm.pdf(high)
    second = 255**2 * above + (mean**2 + deviation**2) * inside + 2 * mean * deviation * slope
    second += deviation**2 * bend
    return float(first), float(second - first**2)


def assert_moments(values: np.ndarray, mean: float, variance: float) -> None:
    """Mean and variance are those expected, within five standard errors (rounding adds 1/12)."""
    values = values.astype(np.float64).ravel()
    error = np.sqrt(variance / values.size)
    assert abs(values.mean() - mean) < 5 * error + 0.02
    spread = np.sqrt(np.var((values - mean) ** 2) / values.size)
    assert abs(values.var() - variance - 1 / 12) < 5 * spread + 0.1
