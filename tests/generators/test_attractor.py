"""The chaos game: known attractors, variations against mpmath, counts, borders, and points that get lost."""

from __future__ import annotations

import hashlib

import cv2
import mpmath
import numpy as np
import pytest
from scipy import ndimage, stats

from benchmarks import plain_fractal
from synvid_eval.generators import attractor

WHOLE = np.array([0.0, 1.0, 0.0, 1.0])
SIERPINSKI = np.array([[0.5, 0, x, 0, 0.5, y] for x, y in ((0, 0), (0.5, 0), (0.25, 0.5))], np.float32)
# Barnsley's fern, x across and y up.
FERN = np.array(
    [
        [0, 0, 0, 0, 0.16, 0],
        [0.85, 0.04, 0, -0.04, 0.85, 1.6],
        [0.2, -0.26, 0, 0.23, 0.22, 1.6],
        [-0.15, 0.28, 0, 0.26, 0.24, 0.44],
    ],
    np.float32,
)


def counted(maps, border=WHOLE, size=256, variation=0, steps=7500, dropped=200, key=0):
    drawn, begin = attractor.choices(key, steps * 128), attractor.starts(key + 1, 128)
    return attractor.played(maps, drawn, begin, border, variation, dropped, size)


def test_sierpinski_has_its_dimension():
    """Box counting: log 3 / log 2."""
    lit = counted(SIERPINSKI, size=1025, steps=20_000) > 0  # a pixel is 1 / 1024
    lit = lit[:1024, :1024]
    sides = [2**k for k in range(1, 7)]
    boxes = [lit.reshape(1024 // s, s, 1024 // s, s).any(axis=(1, 3)).sum() for s in sides]
    slope = -np.polyfit(np.log(sides), np.log(boxes), 1)[0]
    assert slope == pytest.approx(np.log(3) / np.log(2), abs=0.03)


def test_sierpinski_is_where_it_should_be():
    """Its holes are empty, and each third has a third of the points."""
    counts = counted(SIERPINSKI, size=513)
    assert counts.sum() == 7300 * 128
    assert counts[236:276, 130:230].sum() == 0  # inside the middle hole, about (0.5, 1/3)
    thirds = [counts[:, 256:].sum(), counts[:256, :256].sum(), counts[256:, :256].sum()]
    assert np.allclose(np.array(thirds) / counts.sum(), 1 / 3, atol=0.005)


def test_the_fern_has_its_bounds():
    """−2.1820 < x < 2.6558 and 0 ≤ y < 9.9983."""
    # the stem's map is flat, so it is never taken: the leaves begin a little above 0
    border = np.array([-4.0, 6.0, -1.0, 11.0])
    counts = counted(FERN, border, size=2401, steps=30_000)
    rows, columns = np.nonzero(counts)
    x, y = -4 + rows / 240, -1 + columns / 200
    assert counts.sum() == 29_800 * 128  # none fell outside
    assert x.min() == pytest.approx(-2.1820, abs=0.03) and x.max() == pytest.approx(2.6558, abs=0.03)
    assert y.max() == pytest.approx(9.9983, abs=0.03) and 0 <= y.min() < 0.7


def test_shares_follow_areas():
    maps = np.zeros((5, 6), np.float32)
    maps[:, 0] = maps[:, 4] = np.sqrt([0.4, 0.3, 0.2, 0.1, 0])
    table = attractor.shares(maps)
    counts = np.bincount(table, minlength=5)
    assert len(table) == 65536 and np.abs(counts / 65536 - [0.4, 0.3, 0.2, 0.1, 0]).max() <= 1 / 65536
    maps[1, 4] *= -1  # a mirror image is as large
    assert np.array_equal(attractor.shares(maps), table)
    for flat in (np.zeros((3, 6), np.float32), np.full((3, 6), np.nan, np.float32)):
        assert np.allclose(np.bincount(attractor.shares(flat)) / 65536, 1 / 3, atol=1e-4)


def test_choices_are_uniform_and_a_longer_stream_begins_the_same():
    drawn = attractor.choices(3, 100_003)
    assert drawn.dtype == np.uint16 and len(drawn) == 100_003
    assert stats.chisquare(np.bincount(drawn >> 8, minlength=256)).pvalue > 1e-4
    assert np.array_equal(drawn[:17], attractor.choices(3, 17))
    begin = attractor.starts(3, 1000)
    assert begin.shape == (2, 1000) and begin.dtype == np.float32
    assert -1 <= begin.min() < -0.99 and 0.99 < begin.max() <= 1


# The variations


def points():
    random = np.random.default_rng(0)
    wide = [random.uniform(-r, r, (40, 2)) for r in (0.01, 1, 2, 6)]
    return np.concatenate([*wide, [[0, 0], [1, 0], [-1, 0], [0, -0.5], [-2, -3]]]).astype(np.float32)


def formula(number, x, y, e, f):
    """Of the fractal flame algorithm, exactly; `cosine` with tanh, as the paper's authors have it."""
    r = mpmath.sqrt(x * x + y * y)
    if number == 4:
        return ((x - y) * (x + y) / r, 2 * x * y / r) if r else (mpmath.mpf(0), mpmath.mpf(0))
    if number == 14:
        return (2 * x if x < 0 else x), (y / 2 if y < 0 else y)
    if number == 16:
        return 2 / (r + 1) * y, 2 / (r + 1) * x
    if number == 17:
        return x + e * mpmath.sin(mpmath.tan(3 * y)), y + f * mpmath.sin(mpmath.tan(3 * x))
    if number == 20:
        return mpmath.tanh(y) * mpmath.cos(mpmath.pi * x), -mpmath.tanh(y) * mpmath.sin(mpmath.pi * x)
    if number == 27:
        return 2 / (r + 1) * x, 2 / (r + 1) * y
    if number == 29:
        return mpmath.sin(x), y
    return x, y


@pytest.mark.parametrize("number", attractor.VARIATIONS)
def test_variations_are_their_formulae(number):
    given = points()
    e, f = np.float32(0.7), np.float32(-0.4)
    xs, ys = given[:, 0].copy(), given[:, 1].copy()
    attractor.vary(number, xs, ys, np.full(len(given), e), np.full(len(given), f))
    for (x, y), *found in zip(given, xs, ys, strict=True):
        exact = formula(number, *(mpmath.mpf(float(v)) for v in (x, y, e, f)))
        for k, (value, right) in enumerate(zip(found, exact, strict=True)):
            tolerance = 1e-6 * max(1, abs(right))
            if number == 17:  # what rounding the tangent's argument brings with it
                angle = 3 * float((y, x)[k])
                tolerance += 3e-7 * (1 + abs(angle)) * (1 + np.tan(angle) ** 2)
            assert abs(value - float(right)) <= tolerance, (number, x, y, k)


def test_every_variation_does_something_else():
    """A number without its branch would leave points as they are."""
    seen = set()
    for number in attractor.VARIATIONS:
        xs, ys = points().T.copy()
        ones = np.ones(len(xs), np.float32)
        attractor.vary(number, xs, ys, ones, ones)
        seen.add((xs.tobytes(), ys.tobytes()))
    assert len(seen) == len(attractor.VARIATIONS) == 8
    assert set(attractor.NONLINEAR) == attractor.VARIATIONS.keys() - {0}


@pytest.mark.parametrize(
    ("ours", "exact", "most", "within"),
    [
        (attractor.sine, mpmath.sin, 10, 1e-6),
        (attractor.sine, mpmath.sin, 8192, 1e-6),
        (attractor.hyperbolic_tangent, mpmath.tanh, 20, 1e-6),
    ],
)
def test_functions(ours, exact, most, within):
    values = np.random.default_rng(1).uniform(-most, most, 2000).astype(np.float32)
    values = np.concatenate([values, np.float32([0, 1e-20, -1e-20, np.pi / 2, np.pi, -np.pi])])
    errors = [abs(float(ours(v)) - float(exact(mpmath.mpf(float(v))))) for v in values]
    assert max(errors) < within


def test_tangent():
    for value in np.random.default_rng(2).uniform(-20, 20, 2000).astype(np.float32):
        exact = mpmath.tan(mpmath.mpf(float(value)))
        steep = abs(value) / abs(mpmath.sin(value) * mpmath.cos(value))
        assert abs(attractor.tangent(value) - exact) <= (1e-6 + 1e-7 * steep) * abs(exact)
    near = np.float32(np.pi / 2)
    assert abs(attractor.tangent(near)) <= 8192
    assert abs(attractor.sine(np.float32(3e6))) <= 1.1


# Counts


def test_sums_are_stamps():
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 5), (2, 2), (3, 7), (40, 30)):
        counts = random.integers(0, 2**20, shape).astype(np.uint32)
        stamps = np.zeros(shape, np.uint32)
        for i in range(shape[0]):
            for j in range(shape[1]):
                stamps[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2] += counts[i, j]
        assert np.array_equal(attractor.stamped(counts), stamps)
        assert np.array_equal(stamps, ndimage.convolve(counts, np.ones((3, 3), np.uint32), mode="constant"))


def test_counts_do_not_overflow():
    """All walkers on one point: more than a uint16 holds, nine times."""
    still = np.zeros((2, 6), np.float32)
    counts = counted(still, np.array([-1.0, 1.0, -1.0, 1.0]), size=33)
    assert counts[16, 16] == counts.sum() == 7300 * 128 > 2**16
    sums = attractor.stamped(counts)
    assert (sums[15:18, 15:18] == 7300 * 128).all() and sums.sum() == 9 * 7300 * 128
    most = np.full((3, 3), 2**28, np.uint32)
    assert attractor.stamped(most)[1, 1] == 9 * 2**28


def test_the_same_as_one_point_at_a_time():
    """A game in float64 with the same choices."""
    border = np.array([-1.5, 2.0, -1.0, 1.25])
    random = np.random.default_rng(5)
    maps = random.uniform(-0.6, 0.6, (4, 6)).astype(np.float32)
    drawn, begin = attractor.choices(9, 60 * 128), attractor.starts(10, 128)
    table, wide = attractor.shares(maps), maps.astype(float)
    counts = np.zeros((64, 64), int)
    for w in range(128):
        x, y = begin[:, w].astype(float)
        for step in range(60):
            a, b, e, c, d, f = wide[table[drawn[step * 128 + w]]]
            x, y = a * x + b * y + e, c * x + d * y + f
            i, j = (x + 1.5) / 3.5 * 63, (y + 1) / 2.25 * 63
            if step >= 20 and 0 <= i < 64 and 0 <= j < 64:
                counts[int(i), int(j)] += 1
    found = attractor.played(maps, drawn, begin, border, 0, 20, 64)
    assert np.abs(found.astype(int) - counts).sum() <= 10  # points that float32 takes over a pixel's edge


@pytest.mark.slow
@pytest.mark.parametrize("variation", [0, 17, 20, 29])
def test_the_picture_is_that_of_the_plain_way(variation):
    maps = np.random.default_rng(7).uniform(-0.7, 0.7, (5, 6)).astype(np.float32)
    drawn, begin = attractor.choices(1, 3000 * 128), attractor.starts(2, 128)
    border = attractor.border([maps], variation, drawn, begin, 200)
    ours = np.log1p(attractor.stamped(counted(maps, border, variation=variation)).astype(float))
    canvas = plain_fractal.played(maps[None], border.astype(np.float32), variation, 256, 7500, 200, 0)
    assert np.corrcoef(ours.ravel(), np.log1p(canvas[0].astype(float)).ravel())[0, 1] >= 0.99
    assert attractor.stamped(counted(maps, border, variation=variation)).sum() == pytest.approx(
        canvas.sum(dtype=np.int64), rel=0.01
    )


@pytest.mark.parametrize("far", [np.nan, np.inf, -np.inf, 1e7])
def test_lost_points_start_again(far):
    """A map that loses points is taken in 1 of 101 steps; after it, `dropped` steps are not counted."""
    maps = np.array([[0.5, 0, 0.1, 0, 0.5, 0.1], [0.05, 0, far, 0, 0.05, 0]], np.float32)
    for dropped in (0, 20, 200):
        seen = counted(maps, np.array([-3.0, 3.0, -3.0, 3.0]), dropped=dropped).sum()
        stays = (100 / 101) ** (dropped + 1)  # for that many steps without a break
        assert seen / ((7500 - dropped) * 128) == pytest.approx(stays, rel=0.05)


@pytest.mark.parametrize("factor", [np.nan, np.inf, 5.0, 3e38])
def test_points_that_all_run_away_are_not_seen(factor):
    away = np.array([[factor, 0, 0, 0, factor, 0]], np.float32)
    assert counted(away, np.array([-3.0, 3.0, -3.0, 3.0])).sum() == 0


# Borders


def trimmed_anew(lit, kept):
    """Rows and columns of numpy's, counted anew each time."""
    t, b, left, r = 0, lit.shape[0] - 1, 0, lit.shape[1] - 1
    most = int(kept * lit.sum())
    while lit[t : b + 1, left : r + 1].sum() > most:
        part = lit[t : b + 1, left : r + 1]
        side = np.argmin([part[0].sum(), part[-1].sum(), part[:, 0].sum(), part[:, -1].sum()])
        t, b, left, r = t + (side == 0), b - (side == 1), left + (side == 2), r - (side == 3)
    return t, b, left, r


def test_trimming():
    random = np.random.default_rng(0)
    for k in range(20):
        lit = cv2.GaussianBlur(random.random((60, 50)), (0, 0), 1 + k / 5) > 0.5
        lit[:, :k] = False
        found = attractor.trimmed(lit, 0.9)
        assert found == trimmed_anew(lit, 0.9)
        t, b, left, r = found
        assert lit[t : b + 1, left : r + 1].sum() <= 0.9 * lit.sum()
    assert attractor.trimmed(np.zeros((9, 9), bool), 0.9) == (0, 8, 0, 8)


def test_a_border_is_about_the_attractor():
    drawn, begin = attractor.choices(1, 3000 * 128), attractor.starts(2, 128)
    moved = SIERPINSKI.copy()
    moved[:, [2, 5]] += 1  # the attractor of [0, 1]² moves by (2, 2)
    low, high, left, right = attractor.border([SIERPINSKI, moved], 0, drawn, begin, 200)
    for least, most in ((low, high), (left, right)):
        # trimmed by a tenth of the area, widened by a tenth of the whole extent of 3
        assert -0.5 < least < 0.2 and 2.8 < most < 3.5
    alone = attractor.border([SIERPINSKI], 0, drawn, begin, 200)
    assert alone[1] - alone[0] < 1.5


@pytest.mark.parametrize("place", [0.0, 5.99, 50.0])
def test_a_point_or_nothing_has_a_border_too(place):
    drawn, begin = attractor.choices(1, 3000 * 128), attractor.starts(2, 128)
    point = np.array([[0, 0, place, 0, 0, place]], np.float32)
    border = attractor.border([point], 0, drawn, begin, 200)
    assert border[0] < border[1] and border[2] < border[3] and np.abs(border).max() <= 6
    counts = attractor.played(point, drawn, begin, border, 0, 200, 32)
    assert counts.sum() == (0 if place == 50 else 2800 * 128)


def fingerprint():
    every = (counted(FERN, WHOLE * 8 - 4, variation=v, steps=500) for v in attractor.VARIATIONS)
    return hashlib.sha256(b"".join(counts.tobytes() for counts in every)).hexdigest()


# Made by synvid_eval 0.1.0, numpy 2.4.6, numba 0.68.1, x86-64, 2026-11-22, with
#   PYTHONPATH=. python -c "from tests.generators.test_attractor import fingerprint; print(fingerprint())"
COUNTS = "aef1ea69cf858a138f1474c8115a83dfb738afdf80fd31f67dda03eb31d643cb"


def test_counts_are_the_same_everywhere():
    """Plain IEEE arithmetic in a fixed order."""
    assert fingerprint() == COUNTS
