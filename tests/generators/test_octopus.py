"""Octopus: published laws, joints and fit, and each step of the drawing against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import interpolate, ndimage, stats

from synvid_eval import randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import presets
from synvid_eval.generators.octopus import Octopus

NAME = "octopus"
BARE = {"grown": 0.0, "patches": 0.0, "outlines": 0.0}


def even(values, low: int, high: int) -> bool:
    """Whether whole numbers are evenly spread over [low, high], none beyond."""
    counts = np.bincount(np.asarray(values, int) - low, minlength=high - low + 1)
    return len(counts) == high - low + 1 and stats.chisquare(counts).pvalue > 0.001


@pytest.fixture(scope="module")
def scenes():
    generator = presets.get(NAME).configured()
    assert isinstance(generator, Octopus)
    return [generator.scene(0, NAME, index) for index in range(300)]


def test_clips_follow_the_published_laws(scenes):
    """At seed 0; a right law fails once in a thousand seeds, and the seed is fixed."""
    assert even([len(s.figure.begin) for s in scenes], 3, 5)
    assert even([len(s.threshold) for s in scenes], 18, 20)
    assert even([sigma for s in scenes for sigma in s.sigma], 3, 8)
    assert even([s.threshold[0] for s in scenes], 3, 9)
    assert {s.figure.begin.shape[1:] for s in scenes} == {(512, 2)}
    assert even([s.figure.center for s in scenes if len(s.figure.begin) == 4], 0, 3)
    joints = np.concatenate([s.figure.joint for s in scenes])
    assert joints.min() >= 0 and joints.max() == 76  # below 0.15 · 512 = 76.8
    assert stats.kstest((joints + 0.5) / 76.8, "uniform").pvalue > 0.001
    for share, found in (
        (0.8, [bool(s.grown) for s in scenes]),
        (0.8, [bool(s.patches) for s in scenes]),
        (0.4, [s.outline is not None for s in scenes]),
    ):
        assert np.mean(found) == pytest.approx(share, abs=0.08)
    # a course that varies is still even where both of its draws are the same
    varying = np.mean([np.ptp(s.threshold) > 0 for s in scenes])
    assert varying == pytest.approx(0.3 * 6 / 7, abs=0.08)
    for s in scenes:
        assert ((s.threshold >= 3) & (s.threshold <= 9) & (s.threshold % 1 == 0)).all()


def test_forms_follow_the_published_laws(scenes):
    for forms, number, radius in (
        ([s.grown for s in scenes if s.grown], (1, 3), (18, 27)),
        ([s.patches for s in scenes if s.patches], (2, 5), (18, 31)),
    ):
        assert even([len(each) for each in forms], *number)
        every = [form for each in forms for form in each]
        assert even([form.leaf.radius for form in every], *radius)
        assert even([max(len(form.leaf.corners), 2) for form in every], 2, 7)
    for s in scenes:
        points = s.figure.begin.shape[0] * 512
        assert all(0 <= form.point < points for form in (*s.grown, *s.patches))
        assert {form.color for form in s.grown} <= {1}
        assert [form.color for form in s.patches] == list(range(2, len(s.palette)))
    assert even(np.concatenate([s.palette[1:].ravel() for s in scenes]), 0, 255)


def test_outlines_are_two_to_six_wide(scenes):
    widths = [s.outline for s in scenes if s.outline is not None]
    assert even([w for width in widths for w in width[0]], 2, 6)
    assert all(width.min() >= 2 and width.max() <= 6 and np.isfinite(width).all() for width in widths)
    assert any(np.ptp(width, 0).any() for width in widths)


def test_limbs_are_quadratic_splines():
    """`interp1d`, given the same draws, from the part of each curve that is used."""
    figure = Octopus().scene(3, "p", 5).figure
    ends = np.stack([figure.begin, figure.end], 1)
    for limb, which, axis in np.ndindex(len(ends), 2, 2):
        what = f"curve {limb} {which} {axis}"
        key = randomness.address("synvid_eval.generators.octopus", 3, "p", 5, what)
        knots, first, last, *heights = randomness.unit(randomness.stream(key, 8))
        count = 3 + int(3 * knots)
        y = 0.85 + 0.3 * np.array(heights[:count])
        curve = interpolate.interp1d(np.linspace(0, 1, count), y, kind="quadratic")
        expected = curve(np.linspace(first / 10, 0.4 + last / 5, 512))
        assert np.allclose(ends[limb, which, :, axis], expected, atol=1e-12)


def test_limbs_go_straight_and_stay_joined(scenes):
    for scene in scenes[:40]:
        figure = scene.figure
        limbs = np.arange(len(figure.begin))
        for frame in (0, 7, 17):
            points = figure.at(frame).reshape(len(limbs), 512, 2)
            joined = points[limbs, figure.joint]
            assert np.allclose(joined, joined[figure.center], atol=1e-12)
            for limb in limbs:  # their form is that between the two curves
                gone = figure.gone[frame, limb]
                form = figure.begin[limb] + gone * (figure.end[limb] - figure.begin[limb])
                moved = points[limb] - form
                assert np.allclose(moved, moved[0], atol=1e-12)
                assert limb != figure.center or np.allclose(moved, 0, atol=1e-12)


def test_the_figure_fits_the_frame(scenes):
    for scene in scenes[:60]:
        points = np.array([scene.points(frame) for frame in range(len(scene.threshold))])
        places = np.array([scene.figure.at(frame) for frame in range(len(scene.threshold))])
        least, most = places.min((0, 1)), places.max((0, 1))
        width = (most + 0.01 * most) - (least - 0.01 * least)  # all places are positive here
        assert (least > 0).all()
        assert np.array_equal(points.min((0, 1)), (0.01 * least / width * 256).astype(int))
        assert np.array_equal(points.max((0, 1)), (256 * (1 - 0.01 * most / width)).astype(int))
        assert points.min() >= 0 and points.max() <= 255


def drawn(**knobs) -> list[np.ndarray]:
    """Frame 9 of clips 0…7."""
    return [next(Octopus(**knobs).draw(0, "p", index, [9])) for index in range(8)]


def test_bodies_are_blurred_points_above_a_threshold():
    for index, picture in enumerate(drawn(**BARE)):
        scene = Octopus(**BARE).scene(0, "p", index)
        marked = np.zeros((256, 256))
        down, across = scene.points(9).T
        marked[down, across] = 255
        body = ndimage.gaussian_filter(marked, scene.sigma, mode="mirror") > scene.threshold[9]
        # closed by 2 × 2: grown by a pixel down and to the right, then shrunk from the other side
        closed = ndimage.minimum_filter(
            ndimage.maximum_filter(body.astype(np.uint8), 2, mode="nearest"), 2, mode="nearest"
        )
        assert np.array_equal(np.unique(picture.reshape(-1, 3), axis=0), np.unique(scene.palette, axis=0))
        same = (picture == scene.palette[closed]).all(-1)
        assert same.mean() > 0.999 and 0.02 < closed.mean() < 0.5


def test_forms_grow_on_the_body_and_patches_stay_on_it():
    changed = 0
    for index, (bare, grown, patched) in enumerate(
        zip(drawn(**BARE), drawn(**{**BARE, "grown": 1.0}), drawn(**{**BARE, "patches": 1.0}), strict=True)
    ):
        body = bare.any(-1)
        color = bare[body][0]
        assert (grown[body] == color).all()
        assert (grown[grown.any(-1)] == color).all()
        assert not patched[~body].any()
        scene = Octopus(**{**BARE, "patches": 1.0}).scene(0, "p", index)
        colors = {tuple(c) for c in np.unique(patched[body], axis=0)}
        assert colors <= {tuple(c) for c in scene.palette[1:]}
        top = scene.patches[-1]
        y, x = scene.points(9)[top.point]
        assert not body[y, x] or (patched[y, x] == scene.palette[top.color]).all()
        changed += len(colors) > 1
        changed += not np.array_equal(grown, bare)
    assert changed >= 14


def test_outlines_are_largest_minus_least():
    filled, outlined = (drawn(outlines=share, varying=1.0) for share in (0.0, 1.0))
    for index, (full, seen) in enumerate(zip(filled, outlined, strict=True)):
        scene = Octopus(outlines=1.0, varying=1.0).scene(0, "p", index)
        around = (*scene.outline[9], 1)
        most = ndimage.maximum_filter(full, around, mode="nearest")
        least = ndimage.minimum_filter(full, around, mode="nearest")
        assert np.array_equal(seen, most - least) and seen.any()


@pytest.mark.parametrize("size", [64, 128, 512])
def test_other_sizes_look_alike(size):
    for large, small in zip(drawn(**BARE), drawn(size=size, **BARE), strict=True):
        body, other = (np.roll(picture.any(-1), (-1, -1), (0, 1)) * 1.0 for picture in (large, small))
        if size < 256:
            body = body.reshape(size, 256 // size, size, 256 // size).mean((1, 3)) >= 0.5
        else:
            other = other.reshape(256, size // 256, 256, size // 256).mean((1, 3)) >= 0.5
        body, other = body > 0, other > 0
        # limbs are a few pixels thin at 64, and gaps of 2 px are closed at any size
        assert (body & other).sum() / (body | other).sum() > (0.8 if size == 64 else 0.9)


def test_a_frame_alone_is_that_of_the_whole():
    generator = presets.get(NAME).configured(size="64")
    whole = list(generator.draw(0, NAME, 3, range(generator.clip_length(0, NAME, 3))))
    list(generator.draw(0, NAME, 4, [0]))
    frames = list(generator.draw(0, NAME, 3, [17, 2, 2, 9]))
    assert all(np.array_equal(whole[k], alone) for k, alone in zip([17, 2, 2, 9], frames, strict=True))
    assert len({frame.tobytes() for frame in whole}) > 5  # it moves
    others = [(1, NAME, 3), (0, "another", 3), (0, NAME, 4)]
    assert not any(np.array_equal(whole[2], next(generator.draw(*other, [2]))) for other in others)


def test_a_knob_changes_only_what_it_is_about():
    base, bare = (Octopus(**knobs).scene(0, "p", 2) for knobs in ({}, BARE))
    assert np.array_equal(base.figure.begin, bare.figure.begin) and base.sigma == bare.sigma
    assert np.array_equal(base.palette[:2], bare.palette)


@pytest.mark.parametrize("length", ["1", "3", "60"])
def test_clips_of_other_lengths(length):
    generator = Octopus(size=48, length=length)
    for index in range(10):
        frames = list(generator.draw(0, NAME, index, range(int(length))))
        assert len(frames) == int(length) and all(f.shape == (48, 48, 3) for f in frames)


def test_bad_input():
    with pytest.raises(UsageError, match=r"octopus\.grown=1\.5 is out of range"):
        Octopus(grown=1.5)
    with pytest.raises(UsageError, match=r"octopus\.limbs=5:3 runs backwards"):
        Octopus(limbs="5:3")
    with pytest.raises(UsageError, match="has no frame 20"):
        Octopus().draw(0, NAME, 0, [20])
    with pytest.raises(UsageError, match="clip index -2 is negative"):
        Octopus().draw(0, NAME, -2, [0])
    with pytest.raises(UsageError, match="knows no truth 'masks'"):
        Octopus().truth(0, NAME, 0, [0], ["masks"])
