"""Perlin noise: against its definition point by point, closed forms, its spectrum, its labels."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest

from synvid_eval import knobs, randomness
from synvid_eval.errors import UsageError
from synvid_eval.generators import perlin, presets
from synvid_eval.generators.perlin import Perlin

NAME = "perlin"
ONE = 2**24


def gradient(key: int, time: int, i: int, j: int, down: int, across: int) -> tuple[float, float, float]:
    """As the module's docstring has it, in floating point."""
    number = (time * (down + 1) + i) * (across + 1) + j
    draw = int(randomness.stream(key, 1, start=number)[0])
    theta, phi = ((draw >> bits) % 65536 * 2 * math.pi / 65536 for bits in (48, 32))
    return math.sin(phi) * math.cos(theta), math.sin(phi) * math.sin(theta), math.cos(phi)


def fade(t: float) -> float:
    return 6 * t**5 - 15 * t**4 + 10 * t**3


def noise(key: int, place: tuple[float, float, float], down: int, across: int) -> float:
    """Perlin's noise at a place (down, across, time) of the lattice, by its definition."""
    cell = [math.floor(p) for p in place]
    part = [p - c for p, c in zip(place, cell, strict=True)]
    found = 0.0
    for corner in np.ndindex(2, 2, 2):
        weight = math.prod(fade(p) if c else 1 - fade(p) for p, c in zip(part, corner, strict=True))
        point = [c + d for c, d in zip(cell, corner, strict=True)]
        slope = gradient(key, point[2], point[0], point[1], down, across)
        found += weight * sum(g * (p - d) for g, p, d in zip(slope, part, corner, strict=True))
    return found


@pytest.mark.parametrize(("index", "time_frequency"), [(0, 1), (1, 1), (2, 1), (3, 2)])
def test_equals_the_definition(index, time_frequency):
    size = 20
    generator = Perlin(size=size, frequencies="1,3,7,20", time_frequency=time_frequency, length="5")
    down, across = generator.frequency(4, "p", index)
    key = randomness.address("synvid_eval.generators.perlin", 4, "p", index, "gradients")
    for frame, picture in enumerate(generator.draw(4, "p", index, range(5))):
        for y, x in np.ndindex(size, size):
            place = (y * down / size, x * across / size, frame * time_frequency / 5)
            level = 255 * (noise(key, place, down, across) + 1) / 2
            # on a whole level, arithmetic of 24 bits may come out just below
            assert abs(picture[y, x, 0] - (level - 0.5)) <= 0.5001
        assert (picture == picture[:, :, :1]).all()


def test_it_is_zero_at_points_of_the_lattice():
    picture = next(Perlin(size=64, frequencies="8").draw(0, NAME, 0, [0]))
    assert (picture[::8, ::8] == 127).all()  # ⌊255 / 2⌋
    assert len(np.unique(picture)) > 50
    even = next(Perlin(size=240, frequencies="240").draw(0, NAME, 0, [0]))
    assert (even == 127).all()  # all pixels are such points


def frame(before: np.ndarray, after: np.ndarray, frame: int) -> np.ndarray:
    """The levels of frame `frame` of 2, of one cell of 32 px, between two planes of gradients [2, 2, 3]."""
    place, time = perlin.axis(32, 1), perlin.axis(2, 1)
    planes = (np.round(plane * ONE).astype(np.int64) for plane in (before, after))
    at = (int(time.way[frame]), int(time.fade[frame]))
    return perlin._frame(*planes, *at, place, place, np.empty((2, 2, 3), np.int64))[:, :, 0]


def test_equal_gradients_give_way_minus_fade():
    """With one gradient g at all corners the sum is g · (t − fade(t)): the weights add up to 1."""
    along = np.zeros((2, 2, 3))
    along[:, :, 1] = 1
    t = np.arange(32) / 32
    level = np.floor(255 * (t - fade(t) + 1) / 2)
    assert np.array_equal(frame(along, along, 1), np.tile(level, (32, 1)))
    assert np.array_equal(frame(along[:, :, [1, 0, 2]], along[:, :, [1, 0, 2]], 0), np.tile(level, (32, 1)).T)


def test_the_largest_is_half_the_root_of_three():
    """All gradients toward the middle of the cell: √3/2 there, the most there can be."""
    corners = np.array(list(np.ndindex(2, 2, 2))).reshape(2, 2, 2, 3)  # down, across, time, component
    inward = (1 - 2 * corners) / math.sqrt(3)
    middle = frame(inward[:, :, 0], inward[:, :, 1], 1)
    assert middle.max() == middle[16, 16] == int(255 * (1 + math.sqrt(3) / 2) / 2) == 237
    for index in range(40):
        for picture in Perlin(size=64).draw(1, "range", index, [0, 9]):
            assert picture.min() >= 17 and picture.max() <= 237


def test_gradients_are_unit_vectors_and_all_their_own():
    found = perlin.gradients(7, 1, 99, 199) / ONE
    assert np.abs(np.linalg.norm(found, axis=-1) - 1).max() < 1e-6
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 19_990
    # φ uniform: the component of time has the arcsine law, of mean square 1/2, the others 1/4
    assert (found**2).mean((0, 1)) == pytest.approx([0.25, 0.25, 0.5], abs=0.01)
    assert np.abs(found.mean((0, 1))).max() < 0.02


@pytest.mark.parametrize("cells", [8, 20, 40])
def test_the_spectrum_peaks_at_the_frequency_asked(cells):
    """At frame 0 the noise along a line of lattice points is Σ g_k φ(x − k) with φ(t) = t (1 − fade(|t|)), so
    its power is that of φ: nothing at 0, most at about half a cycle a cell.
    """
    size, clips = 240, 150
    generator = Perlin(size=size, frequencies=str(cells))
    power = np.zeros((2, size // 2 + 1))
    for index in range(clips):
        picture = next(generator.draw(0, NAME, index, [0]))[:, :, 0]
        for axis, line in enumerate((picture[:, 0], picture[0])):
            power[axis] += np.abs(np.fft.rfft(line - 127.0)) ** 2
    t = np.linspace(-1, 1, 20_001)
    shape = np.abs(t)
    phi = t * (1 - (6 * shape**5 - 15 * shape**4 + 10 * shape**3))
    waves = np.arange(2 * cells)
    expected = np.array([(phi * np.sin(2 * np.pi * w / cells * t)).sum() ** 2 for w in waves])
    assert 0.45 * cells < expected.argmax() < 0.6 * cells
    for seen in power[:, : 2 * cells]:
        assert np.corrcoef(seen, expected)[0, 1] > 0.95
        assert np.average(waves, weights=seen) == pytest.approx(np.average(waves, weights=expected), rel=0.05)
        assert seen[0] < 0.2 * seen.max()  # not quite 0: the first and the last gradient have half a φ


def test_the_two_frequencies_are_down_and_across():
    generator = Perlin(size=240, frequencies="2,30")
    for index in range(4):
        down, across = generator.frequency(0, NAME, index)
        picture = next(generator.draw(0, NAME, index, [9]))[:, :, 0].astype(float)
        steps = [np.abs(np.diff(picture, axis=axis)).mean() for axis in (0, 1)]
        if down != across:
            assert (steps[0] > 5 * steps[1]) == (down > across)
            assert max(steps) > 5 * min(steps)


def test_labels_come_round():
    generator = presets.get(NAME).configured()
    labels = [generator.label(0, NAME, index) for index in range(512)]
    assert all(re.fullmatch(r"[1-9]\d*x[1-9]\d*", label) for label in labels)
    assert set(Counter(labels[:256]).values()) == {1} and labels[:256] == labels[256:]
    published = {1, 2, 3, 5, 6, 8, 10, 12, 16, 20, 30, 40, 60, 80, 120, 240}
    assert set(labels) == {f"{a}x{b}" for a in published for b in published}
    assert generator.classes == 256 and generator.catalog(0, NAME).keys() == set(labels)
    assert generator.catalog(0, NAME)["5x12"] == {"down": 5, "across": 12, "time": 1}
    for other in ((1, NAME), (0, "another")):
        shuffled = [generator.label(*other, index) for index in range(256)]
        assert shuffled != labels[:256] and set(shuffled) == set(labels)
    for index in range(20):
        down, across = generator.frequency(0, NAME, index)
        assert generator.label(0, NAME, index) == f"{down}x{across}"


def test_clips_of_one_label_are_their_own():
    generator = Perlin(size=32, frequencies="5")
    assert generator.label(0, NAME, 0) == generator.label(0, NAME, 1) == "5x5"
    first, second = (next(generator.draw(0, NAME, index, [4])) for index in (0, 1))
    assert not np.array_equal(first, second)


def test_a_label_looks_the_same_at_any_size():
    for index in (0, 5, 77):
        large, small = (next(Perlin(size=size).draw(0, NAME, index, [7])) for size in (256, 128))
        assert np.array_equal(large[::2, ::2], small)


def test_lengths_are_those_published():
    generator = presets.get(NAME).configured()
    assert Counter(generator.clip_length(0, NAME, index) for index in range(300)).keys() == {18, 19, 20}
    assert (generator.fps, generator.frame_size) == (12.0, (256, 256))


def test_a_frame_alone_is_that_of_the_whole():
    generator = Perlin(size=48, time_frequency=3)
    whole = list(generator.draw(0, NAME, 3, range(generator.clip_length(0, NAME, 3))))
    list(generator.draw(0, NAME, 4, [0]))
    frames = list(generator.draw(0, NAME, 3, [17, 2, 2, 9]))
    assert all(np.array_equal(whole[k], alone) for k, alone in zip([17, 2, 2, 9], frames, strict=True))
    assert frames[1] is not frames[2]


@pytest.mark.parametrize("text", ["", "5,,6", "0", "2.5", "-3", "1025", "five", "5x12"])
def test_bad_frequencies(text):
    with pytest.raises(UsageError, match=r"perlin\.frequencies holds .* whole numbers from 1 to 1,024"):
        Perlin(frequencies=text)


def test_other_bad_input():
    with pytest.raises(UsageError, match=r"frequencies=5,05 says one twice"):
        Perlin(frequencies="5,05")
    with pytest.raises(UsageError, match="has no frame 20"):
        Perlin().draw(0, NAME, 0, [20])
    for refused in (lambda: Perlin().draw(0, NAME, -1, [0]), lambda: Perlin().label(0, NAME, -1)):
        with pytest.raises(UsageError, match="clip index -1 is negative"):
            refused()
    with pytest.raises(UsageError, match="knows no truth 'flow'"):
        Perlin().truth(0, NAME, 0, [0], ["flow"])


def test_frequencies_spelled_otherwise_are_the_same_configuration():
    assert Perlin(frequencies=" 5, 012 ") == knobs.replace(Perlin(), {"frequencies": "5,12"})
