from __future__ import annotations

import math

import numpy as np
import pytest

from synvid_eval.metrics import Unscored
from synvid_eval.metrics.spectrum import Spectrum
from synvid_eval.states import Counts, Fold, Moments, Side
from tests.metrics.sides import clip_side


def _side(rows, curves, frames):
    states = {"spectrum": Moments.of_rows(rows), "log_spectrum": Moments.of_rows(curves)}
    clips = dict.fromkeys(states, len(rows)) | {"frames": len(rows)}
    return Side((Fold(states | {"frames": Counts(frames)}, clips),), len(rows))


def test_value_is_the_mean_over_clips_from_plain_alphas():
    assert Spectrum().of_rows([[1.0], [1.5], [0.5]]) == pytest.approx(1.0)
    assert Spectrum().of_rows([1.25]) == 1.25


def test_detail():
    # columns: alpha, log amplitude, residual, two variants (0 where absent), their presence
    rows = [[1.0, 0.0, 0.1, 1.4, 0.0, 1, 0], [2.0, 2.0, 0.3, 1.8, 0.0, 1, 0], [1.5, 1.0, 0.2, 0.0, 0.0, 0, 0]]
    curves = [[1.0, 4.0, 0.0, 1, 0.5, 0], [3.0, 0.0, 0.0, 1, 0, 0], [2.0, 2.0, 0.0, 1, 0.5, 0]]
    side = _side(rows, curves, [40, 10, 2])
    detail = Spectrum().detail(side, side)
    assert detail["alpha_no_window"] == pytest.approx(1.6)
    assert math.isnan(detail["alpha_wide"])
    assert detail["amplitude"] == pytest.approx(math.e)
    assert detail["residual"] == pytest.approx(0.2)
    assert detail["constant_share"] == 0.25
    assert detail["log_spectrum"] == pytest.approx([2.0, 6.0, math.nan], nan_ok=True)
    assert np.array_equal(detail["reference_log_spectrum"], detail["log_spectrum"], equal_nan=True)


def test_only_constant_frames_is_a_reason_that_says_so():
    side = Side((Fold({"frames": Counts([32, 30, 2])}, {"frames": 2}),), 2)
    with pytest.raises(Unscored) as caught:
        Spectrum().value(side, side)
    assert str(caught.value) == (
        "spectrum needs 1 or more clips with a fitted frame; this set has 0. "
        "Of 32 frames 30 are constant and 2 too small."
    )
    assert Spectrum().detail(side, side) == {"constant_share": 30 / 32}


def test_columns_are_the_features():
    from synvid_eval.features.spectrum import COLUMNS
    from synvid_eval.metrics import spectrum

    assert COLUMNS.index("alpha") == spectrum.ALPHA
    assert COLUMNS.index("log_amplitude") == spectrum.LOG_AMPLITUDE
    assert COLUMNS.index("residual") == spectrum.RESIDUAL
    assert COLUMNS.index("alpha_no_window") == spectrum.NO_WINDOW
    assert COLUMNS.index("alpha_wide") == spectrum.WIDE
    assert COLUMNS.index("alpha_no_window_present") == spectrum.HAS_NO_WINDOW
    assert COLUMNS.index("alpha_wide_present") == spectrum.HAS_WIDE


def test_deviation_is_that_over_clips_where_all_reach_the_bin():
    rows = np.array([[1.0, 2.0, 0.0, 1, 1, 0], [3.0, 2.0, 5.0, 1, 1, 1], [5.0, 8.0, 0.0, 1, 1, 0]])
    side = clip_side([r[None] for r in rows], "log_spectrum")
    found = Spectrum().picture(side)["log_spectrum_deviation"]
    assert found[:2] == pytest.approx([2.0, 12**0.5]) and np.isnan(found[2])
    assert Spectrum().picture(clip_side([rows[:1]], "log_spectrum")) == {}
