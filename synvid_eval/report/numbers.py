"""The rounding of `synvid_eval.rounding` under the name that renderers look for.

The functions live one row lower because the verdict, which a page shows, writes numbers too.
"""

from synvid_eval.rounding import (
    MISSING,
    arrow,
    arrow_words,
    format_bounds,
    format_corrected,
    format_interval,
    format_number,
    format_value,
)

__all__ = [
    "MISSING",
    "arrow",
    "arrow_words",
    "format_bounds",
    "format_corrected",
    "format_interval",
    "format_number",
    "format_value",
]
