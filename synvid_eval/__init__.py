"""synvid_eval: make synthetic videos, measure them against real ones, and see which generator is worth it.

    import synvid_eval
    result = synvid_eval.compare(["synth/"], "ucf101/")
    result.to_frame()

Importing this package loads neither torch nor PyAV; each public name brings what it needs when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "compare": "synvid_eval.comparison",
    "correlate": "synvid_eval.correlation",
    "measure": "synvid_eval.measurement",
    "open_set": "synvid_eval.sets",
    "list_metrics": "synvid_eval.comparison",
    "read_measured": "synvid_eval.measurement",
    "read_comparison": "synvid_eval.score",
    "write_page": "synvid_eval.report.page",
    "Comparison": "synvid_eval.score",
    "Networks": "synvid_eval.features.network",
    "Score": "synvid_eval.score",
    "SynvidEvalError": "synvid_eval.errors",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from synvid_eval.comparison import compare, list_metrics
    from synvid_eval.correlation import correlate
    from synvid_eval.errors import SynvidEvalError
    from synvid_eval.features.network import Networks
    from synvid_eval.measurement import measure, read_measured
    from synvid_eval.report.page import write_page
    from synvid_eval.score import Comparison, Score, read_comparison
    from synvid_eval.sets import open_set


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'synvid_eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
