"""Spectrum: the exponent α of 1/f^α, how fast the amplitude of spatial detail falls with its frequency.

Purpose. Natural images have amplitude spectra near A/f^α with α about 1; a generator that is too smooth has a
higher one, a noisy or aliased one a lower one.

Conventions. *Amplitude*, not power (whose slope is twice as steep), of Rec. 601 luminance over the centered
square, mean removed, Hann window, 20 logarithmic radial bins from max(0.02, 4/s) up to 0.25 cycles/pixel,
least squares of log amplitude on log frequency; see the feature `spectrum` for the rest. The value is the
mean α over frames, every clip weighing the same. Constant frames have no spectrum and are left out
(`constant_share`).

Range and direction. Mostly 0 (white noise) to 3 (very smooth); a *match* is wanted: the reference's own value
is in `reference`, the candidate's minus it in `difference`. `amplitude` is A = exp(mean log amplitude at 0.1
cycles/pixel), `residual` the mean root-mean-square misfit in log amplitude, `log_spectrum` the mean log
amplitude a bin (null where no frame reaches that bin).

Source. Torralba & Oliva 2003, Statistics of natural image categories; Baradad et al. 2021 use the exponent as
a property of synthetic images.

Pitfalls. The same UCF101 frames give 1.46 to 2.04 under other conventions of window, range and amplitude:
compare α only between sets measured with the same recipe. `alpha_no_window` and `alpha_wide` (0.01 to 0.5
cycles/pixel) show the spread. A resized or compressed set changes its α.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.metrics.base import ClipRows, Columns, Detail, Kind, Metric, Unscored
from synvid_eval.metrics.needed import needed
from synvid_eval.states import Side

# Columns of the feature's state, means over clips. A clip without a variant gives value 0 and presence 0.
ALPHA, LOG_AMPLITUDE, RESIDUAL, NO_WINDOW, WIDE, HAS_NO_WINDOW, HAS_WIDE = range(7)


@dataclass(frozen=True)
class Spectrum(Metric):
    """Mean exponent α of the 1/f^α amplitude spectrum."""

    name: ClassVar[str] = "spectrum"
    feature: ClassVar[str] = "spectrum"
    kind: ClassVar[Kind] = "property"
    better: ClassVar[Literal["lower", "higher", "match"]] = "match"
    unit: ClassVar[str] = "α"
    apart: ClassVar[str] = "how far a clip's exponent α lies from the reference's average"

    @property
    def state(self) -> str:
        """ "spectrum": moments over clips, α in the first column."""
        return "spectrum"

    def value(self, candidate: Side, reference: Side) -> float:
        """Mean α over the candidate's clips; one clip with a fitted frame is needed."""
        try:
            return float(
                needed("spectrum", candidate, self.state, 1, "clips with a fitted frame").mean[ALPHA]
            )
        except Unscored as unscored:
            seen = candidate.counts("frames")
            if seen is None:
                raise
            looked, constant, unfit = seen[:3]
            raise Unscored(
                f"{unscored} Of {looked} frames {constant} are constant and {unfit} too small."
            ) from None

    def detail(self, candidate: Side, reference: Side) -> Detail:
        """α under other conventions, amplitude, misfit, share of constant frames, mean log spectra [bins]."""
        out: Detail = {}
        moments = candidate.moments(self.state)
        if moments is not None and moments.n > 0:
            mean = moments.mean
            out["alpha_no_window"] = _present(mean[NO_WINDOW], mean[HAS_NO_WINDOW])
            out["alpha_wide"] = _present(mean[WIDE], mean[HAS_WIDE])
            out["amplitude"] = math.exp(mean[LOG_AMPLITUDE])
            out["residual"] = float(mean[RESIDUAL])
        frames = candidate.counts("frames")
        if frames is not None and frames[0] > 0:
            out["constant_share"] = float(frames[1] / frames[0])
        for key, side in (("log_spectrum", candidate), ("reference_log_spectrum", reference)):
            curve = side.moments("log_spectrum")
            if curve is not None and curve.n > 0:
                value, presence = np.split(curve.mean, 2)
                out[key] = [_present(v, p) for v, p in zip(value, presence, strict=True)]
        return out

    def clip_rows(self, side: Side, columns: Columns, owners: NDArray[np.uint64]) -> ClipRows | None:
        """α of each clip that has one, [n, 1]."""
        return ClipRows.of_columns(owners, [columns.get("alpha")])

    def picture(self, side: Side) -> Detail:
        """`log_spectrum_deviation`: standard deviation over clips of the log amplitude, a bin of
        `log_spectrum`; of clips all of whose frames reach that bin, NaN where others do not.
        """
        curve = side.moments("log_spectrum")
        if curve is None or curve.n < 2:
            return {}
        spread = np.sqrt(np.maximum(np.diagonal(curve.covariance(1)), 0.0))
        value, _ = np.split(spread, 2)
        _, presence = np.split(curve.mean, 2)
        return {
            "log_spectrum_deviation": [
                float(v) if p == 1 else math.nan for v, p in zip(value, presence, strict=True)
            ]
        }


def _present(value: float, presence: float) -> float:
    """Mean of those present, from the means of value·presence and of presence; NaN where none is."""
    return float(value / presence) if presence > 0 else math.nan
