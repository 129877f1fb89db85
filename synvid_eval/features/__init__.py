"""Pixels → rows: one module a feature. A feature is found by its name (`features.registry`)."""

from synvid_eval import kernels
from synvid_eval.features.base import ClipResult, Feature, Look, View
from synvid_eval.registry import Registry

kernels.prepare()

registry: Registry[Feature] = Registry("synvid_eval.features", Feature, "feature")  # type: ignore[type-abstract]

__all__ = ["ClipResult", "Feature", "Look", "View", "registry"]
