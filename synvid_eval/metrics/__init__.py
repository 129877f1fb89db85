"""States → numbers: one module a metric (numpy and scipy only). A metric is found by its name
(`metrics.registry`).
"""

from synvid_eval.metrics.base import Detail, Metric, Unscored
from synvid_eval.registry import Registry

registry: Registry[Metric] = Registry("synvid_eval.metrics", Metric, "metric")  # type: ignore[type-abstract]

__all__ = ["Detail", "Metric", "Unscored", "registry"]
