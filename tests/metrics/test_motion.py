"""Motion, and with it the stride rule that it shares with tubelet."""

from __future__ import annotations

import numpy as np
import pytest

from synvid_eval import histogram, knobs
from synvid_eval.errors import UsageError
from synvid_eval.metrics import Unscored, registry
from synvid_eval.metrics.motion import Motion
from synvid_eval.states import Counts, Fold, Moments, Side


def _side(measured: int, **clips: int) -> Side:
    states = {name: Moments.of_rows(np.tile([0.25, 0.1, 3.0], (n, 1))) for name, n in clips.items() if n}
    return Side((Fold(states, {name: clips[name] for name in states}),), measured)


def test_value_and_detail():
    side = _side(25, stride2=24, stride1=25)
    metric = Motion(stride=2)
    assert metric.value(side, side) == pytest.approx(0.25)
    assert metric.detail(side, _side(10, stride2=10)) == {
        "stride": 2,
        "too_short": 1,
        "too_short_reference": 0,
        "static_share": pytest.approx(0.1),
        "frame_difference": pytest.approx(3.0),
    }
    assert Motion().of_rows([[0.2, 0, 1], [0.4, 0, 1]]) == pytest.approx(0.3)


def test_flow_describes_and_leaves_the_value_alone():
    def side(bin_index: int) -> Side:
        states = {"stride1": Moments.of_rows([[0.25, 0.1, 3.0]] * 2)}
        for name in ("speed", "acceleration"):
            counts = np.zeros(histogram.BINS, np.int64)
            counts[bin_index] = 10
            states[name] = Counts(counts)
        return Side((Fold(states, dict.fromkeys(states, 2)),), 2)

    metric = Motion(stride=1)
    one, other = side(200), side(0)
    assert metric.value(one, other) == metric.value(_side(2, stride1=2), other)
    detail = metric.detail(one, other)
    edges = histogram.edges()
    for what in ("speed", "acceleration"):
        assert edges[200] < detail[f"{what}_median"] < detail[f"{what}_q90"] < edges[201]
        assert detail[f"reference_{what}_median"] == detail[f"reference_{what}_q90"] == 0
        bins = np.array(detail[f"{what}_edges"])
        shares = np.array(detail[f"{what}_histogram"])
        assert len(bins) == len(shares) + 1 and np.isfinite(bins).all()
        (place,) = np.flatnonzero(shares)
        assert shares[place] == 1 and bins[place] <= edges[200] < edges[201] <= bins[place + 1]
        assert detail[f"reference_{what}_histogram"][0] == 1
    assert "reference_speed_median" not in metric.detail(one, _side(2, stride1=2))


@pytest.mark.parametrize("name", ["motion", "tubelet"])
def test_the_largest_stride_that_all_sides_have(name):
    metric = registry.get(name)()
    long, short = _side(20, stride4=20, stride2=20, stride1=20), _side(20, stride4=18, stride2=19, stride1=20)
    assert metric.settle([long, long]).stride == 4
    assert metric.settle([long, short]).stride == 2  # 19 of 20 are 95 %
    assert metric.settle([short, long]).stride == 2
    assert metric.settle([long, _side(4, stride1=4)]).stride == 1
    assert knobs.replace(metric, {"share": "0.9"}).settle([long, short]).stride == 4
    assert metric.settle([long, short]).state == "stride2"


def test_a_fixed_stride_is_kept_or_refused():
    long, short = _side(20, stride4=20, stride2=20, stride1=20), _side(20, stride4=3, stride1=20)
    fixed = knobs.replace(Motion(), {"stride": "2"})
    assert fixed.stride == 2 and fixed.settle([long]) == fixed
    with pytest.raises(Unscored) as caught:
        fixed.settle([long, short])
    assert str(caught.value) == (
        "Stride 2 cannot be had from at least 95% of the clips of every set; the least that a set has is "
        "3 of 20 clips at stride 4, 0 of 20 clips at stride 2, 20 of 20 clips at stride 1."
    )


def test_none_in_common_says_what_there_is():
    with pytest.raises(Unscored, match=r"No stride of 4, 2, 1 can be had .* 9 of 20 clips at stride 1\."):
        Motion().settle([_side(20, stride4=20, stride2=20, stride1=20), _side(20, stride1=9)])
    with pytest.raises(Unscored):
        Motion(share=0.0).settle([_side(0)])


def test_knob_reads_numbers_and_words():
    assert knobs.replace(Motion(), {"stride": "auto"}).stride == "auto"
    for text in ("3", "2.0", "fast"):
        with pytest.raises(UsageError, match=r"stride=.* One of: auto, 1, 2, 4\."):
            knobs.replace(Motion(), {"stride": text})


def test_a_missing_stride_is_a_reason():
    with pytest.raises(Unscored, match="clips long enough for stride 4; this set has 0"):
        Motion(stride=4).value(_side(3, stride1=3), _side(3, stride1=3))


def test_columns_are_the_features():
    from synvid_eval.features.motion import COLUMNS
    from synvid_eval.metrics import motion

    assert COLUMNS[motion.DECORRELATION] == "decorrelation"
    assert COLUMNS[motion.STATIC_SHARE] == "static_share"
    assert COLUMNS[motion.FRAME_DIFFERENCE] == "frame_difference"
