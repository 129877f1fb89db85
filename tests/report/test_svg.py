"""The SVG pieces: round ticks, honest ellipses, labels never cut, text escaped."""

from __future__ import annotations

import math
import re

import pytest

from synvid_eval.report import svg


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.3, 0.3, ["−0.3", "−0.2", "−0.1", "0", "0.1", "0.2", "0.3"]),
        (0.0, 5e-7, ["0", "1e−7", "2e−7", "3e−7", "4e−7", "5e−7"]),
    ],
)
def test_linear_ticks(low: float, high: float, labels: list[str]) -> None:
    assert [t for _, t in svg.Scale(low, high, 0, 100).ticks()] == labels


def test_log_ticks() -> None:
    assert [t for _, t in svg.Scale(0.019, 0.26, 0, 1, log=True).ticks()] == ["0.02", "0.05", "0.1", "0.2"]
    assert [v for v, _ in svg.Scale(1e-3, 1e3, 0, 1, log=True).ticks()] == pytest.approx(
        [10.0**k for k in range(-3, 4)]
    )


def test_scales_hold_what_they_were_made_for() -> None:
    assert svg.Scale(0, 10, 100, 200)(5) == 150
    assert svg.Scale(0.01, 1, 0, 100, log=True)(0.1) == pytest.approx(50)
    for values in ([], [3.0], [0.0, 0.0], [1e-9, 2e-9], [-1.0, 1e12]):
        scale = svg.spanning(values, 0, 100)
        assert all(-1e-6 <= scale(v) <= 100 + 1e-6 for v in values)
        assert scale.high > scale.low
        assert scale.ticks()
    assert svg.spanning([2.0, 3.0], 0, 100, zero=True).low == 0


def test_ellipse_radii_are_standard_deviations() -> None:
    x, y = svg.Scale(-10, 10, 0, 200), svg.Scale(-10, 10, 200, 0)
    text = svg.ellipse((0, 0), (4.0, 0.0, 9.0), x, y, 0)
    assert 'rx="30"' in text
    assert 'ry="20"' in text
    # A positive covariance leans to the upper right: counter-clockwise, so a negative SVG angle.
    assert "rotate(-45 100 100)" in svg.ellipse((0, 0), (4.0, 2.0, 4.0), x, y, 0)
    assert 'rx="0"' in svg.ellipse((0, 0), (-4.0, 0.0, -4.0), x, y, 0)


def test_series_are_told_apart() -> None:
    looks = {
        (svg.series_class(i), svg.dash(i), re.sub(r"[\d.]+", "", svg.marker(0, 0, i))) for i in range(100)
    }
    assert len(looks) == 100


def test_a_label_is_wrapped_and_never_cut() -> None:
    for label in ("x" * 2000, "a_b-c/d " * 40, "kurz", ""):
        lines = svg.wrap(label, 150)
        assert "".join(lines) == label
        assert max(map(len, lines)) <= 150 / (svg.FONT * 0.6)
    markup, height = svg.legend([(0, "x" * 2000), (None, "ref")], 0, 0, 300)
    assert "".join(re.findall(r">(x+)<", markup)) == "x" * 2000
    assert height > 50 * 16


def test_everything_is_escaped() -> None:
    text = svg.element("text", "<b>&\u202e\n", class_='"><script>')
    assert text == '<text class="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;\\u202e\\n</text>'
    assert "<i>" not in svg.figure("f", "<i>", "<i>", 10, 10, [svg.legend([(0, "<i>")], 0, 0, 100)[0]])


def test_broken_curves_and_odd_coordinates() -> None:
    text = svg.polyline([(0, 0), None, (1, 1.26), (-0.01, 2)], 1)
    assert 'd="M0 0M1 1.3l-1 0.7"' in text
    text = svg.polyline([(0.04, 0.04), (0.08, 0), (10, -5.26), (20, 0), None, (1, 1)], 0)
    assert 'd="M0 0l0.1 0 9.9-5.3 10 5.3M1 1"' in text
    assert abs(float(svg.coordinate(svg.Scale(0, 1, 0, 100)(1e300)))) <= 400
    assert math.isfinite(svg.Scale(0.1, 1, 0, 100, log=True)(0.0))
