"""What adapts clips: each operation against closed forms, their draws against the published laws, chains
frame by frame, and truth by warping.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop

from synvid_eval.errors import UsageError
from synvid_eval.generators import adaptation, adapting, operations, presets
from synvid_eval.generators.adaptation import (
    Copies,
    Draws,
    Flip,
    Mix,
    Parameters,
    Place,
    Warp,
    Window,
    in_place,
    narrowed,
)
from synvid_eval.generators.operations import OPERATIONS
from synvid_eval.generators.shapes import Shapes
from tests.generators.stripes import stripes

__all__ = ["stripes"]

SIZE = (48, 64)
SMALL = {"size": "64", "length": "20", "objects": "60"}


class Given:
    """Backgrounds of given frames: the first of them for stills, as many as asked for windows."""

    def __init__(self, *frames: np.ndarray) -> None:
        self.frames = frames

    def still(self, draws: Draws, which: int) -> np.ndarray:
        return self.frames[which]

    def window(self, draws: Draws, which: int, length: int) -> list[np.ndarray]:
        return list(self.frames[:length])


def ramp(x: Any, y: Any) -> np.ndarray:
    """A picture that is linear in x and y, as float [..., 3]."""
    return np.stack([3 * x + 0 * y, 4 * y + 0 * x, 255 - x - 2 * y], -1).astype(float)


def ramps(total: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    return np.repeat(np.rint(ramp(x, y)).astype(np.uint8)[None], total, 0)


def noise(total: int, size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (total, *size, 3), np.uint8)


def draws(number: int, name: str = "test") -> Draws:
    return Draws((name, number))


def sampled(
    name: str, number: int = 0, total: int = 20, size: Any = SIZE, strength: float = 1.0, **knobs: Any
):
    return OPERATIONS[name](**knobs).sample(
        draws(number, name), total, size, strength, Given(*noise(4, size))
    )


def applied(name: str, clip: np.ndarray, parameters: Any) -> np.ndarray:
    return OPERATIONS[name].apply(clip, parameters)


# -- functions --------------------------------------------------------------------------------------


def test_what_changes_nothing_is_the_identity():
    clip = noise(5)
    times, still = in_place(5), np.zeros((5, 2), np.int64)
    eye, box = np.repeat(np.eye(3)[None], 5, 0), (0, 0, *SIZE)
    pictures, shown = noise(1, seed=1), np.zeros(5, np.int64)
    for made in (
        adaptation.windowed(clip, Window(times, 0, still)),
        adaptation.warped(clip, Warp(times, eye, False)),
        adaptation.placed(clip, Place(times, box)),
        adaptation.reordered(clip, Parameters(times)),
        adaptation.cloned(clip, Copies(np.hstack([times, times]), box, box, False, 0.0)),
        adaptation.mixed(clip, Mix(times, pictures, shown, still, 0.0, 4 / 3, False)),
        adaptation.mixed(clip, Mix(times, 0 * pictures, shown, still, 0.5, 1.0, True)),
    ):
        assert made.dtype == np.uint8 and np.array_equal(made, clip)
        assert not np.shares_memory(made, clip)


def test_twice_backwards_and_twice_mirrored_are_the_clip():
    clip = noise(7)
    back = sampled("reverse", total=7)
    assert np.array_equal(applied("reverse", clip, back), clip[::-1])
    assert np.array_equal(applied("reverse", applied("reverse", clip, back), back), clip)
    flip = sampled("mirror", total=7)
    once = applied("mirror", clip, flip)
    assert np.array_equal(once, clip[:, :, ::-1]) and once.flags.c_contiguous
    assert np.array_equal(applied("mirror", once, flip), clip)


@pytest.mark.parametrize("name", ["shift", "zoom", "shake", "perspective", "scale", "mirror"])
def test_a_ramp_shows_where_every_pixel_comes_from(name):
    """A linear picture, seen through a map, is that map's closed form, for the matrices and what is drawn."""
    clip = ramps(20)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    homogeneous = np.stack([x, y, np.ones_like(x)], -1)
    moved = 0
    for number in range(12):
        parameters = sampled(name, number)
        made = applied(name, clip, parameters)
        for frame, matrix in zip(made, parameters.matrices(SIZE), strict=True):
            at = homogeneous @ matrix.T
            u, v = at[..., 0] / at[..., 2], at[..., 1] / at[..., 2]
            inner = (u > 1) & (u < SIZE[1] - 2) & (v > 1) & (v < SIZE[0] - 2)
            assert np.abs(frame - ramp(u, v))[inner].max() < 1.3
            outside = (u < -1) | (u > SIZE[1]) | (v < -1) | (v > SIZE[0])
            assert (frame[outside] == 0).all()
            moved += np.abs(u - x)[inner].mean() > 0.3
    assert moved > 100
    if name in ("shift", "zoom", "shake"):  # a window never leaves the frame
        assert not outside.any()


def test_a_known_shift_and_a_known_zoom():
    """By hand: 64 px enlarged by 16 are 4/5 px a px; at scale 2 about the middle 31.5."""
    clip, times = ramps(2), in_place(2)
    window = Window(times, 16, np.array([[0, 4], [16, 12]]))
    made = adaptation.windowed(clip, window)
    assert made[0, 20, 30, 0] == pytest.approx(3 * ((30 + 4.5) * 0.8 - 0.5), abs=1)
    assert made[1, 20, 30, 1] == pytest.approx(4 * ((20 + 16.5) * 0.75 - 0.5), abs=1)
    zoom = adaptation.warped(clip, Warp(times, operations.zoomed(np.array([1.0, 2.0]), SIZE), True))
    assert np.array_equal(zoom[0], clip[0])
    assert zoom[1, 10, 41, 0] == pytest.approx(3 * (31.5 + 9.5 / 2), abs=1)
    assert zoom[1, 10, 41, 1] == pytest.approx(4 * (23.5 - 13.5 / 2), abs=1)


@pytest.mark.parametrize(("alpha", "exponent"), [(0.25, 0.6), (0.4, 0.83), (0.55, 1.0)])
def test_the_mix_is_the_formula(alpha, exponent):
    clip, pictures = noise(6), noise(3, (SIZE[0] + 5, SIZE[1] + 5), 9)
    shown, corner = np.array([0, 1, 1, 2, 1, 0]), np.array([[0, 0], [5, 5], [1, 3], [2, 0], [4, 4], [0, 5]])
    made = adaptation.mixed(clip, Mix(in_place(6), pictures, shown, corner, alpha, exponent, False))
    lighter = adaptation.mixed(clip, Mix(in_place(6), pictures, shown, corner, alpha, exponent, True))
    for t in range(6):
        top, left = corner[t]
        behind = pictures[shown[t], top : top + SIZE[0], left : left + SIZE[1]]
        v, b = clip[t] / 255.0, behind / 255.0
        exact = 255 * np.clip((1 - alpha) * v**0.75 + alpha * b**0.75, 0, 1) ** exponent
        assert np.abs(made[t] - exact).max() <= 0.5 + 1e-9
        assert np.array_equal(lighter[t], np.maximum(clip[t], behind))


def test_a_smaller_clip_lies_in_its_box_on_black():
    clip = np.full((2, *SIZE, 3), 200, np.uint8)
    (made, _) = adaptation.placed(clip, Place(in_place(2), (7, 9, 20, 30)))
    wanted = np.zeros_like(clip[0])
    wanted[7:27, 9:39] = 200
    assert np.array_equal(made, wanted)


def test_a_clone_is_turned_mirrored_and_of_another_time():
    clip = np.zeros((3, 41, 41, 3), np.uint8)
    clip[0, 20, 30] = clip[1, 20, 35] = 255  # a dot that moves right of the middle
    box = (0, 0, 41, 41)
    times = np.array([[0, 1], [1, 2], [2, 2]])
    straight = adaptation.cloned(clip, Copies(times, box, box, False, 0.0))
    assert np.argwhere(straight[0, ..., 0]).tolist() == [[20, 30], [20, 35]]
    mirrored = adaptation.cloned(clip, Copies(times, box, box, True, 0.0))
    assert np.argwhere(mirrored[0, ..., 0]).tolist() == [[20, 5], [20, 30]]
    turned = adaptation.cloned(clip, Copies(times, box, box, False, np.pi / 2))
    places = np.argwhere(turned[0, ..., 0] > 128).tolist()
    assert [20, 30] in places and places != [[20, 30], [20, 35]]
    assert any(p in places for p in ([5, 20], [35, 20]))
    assert not straight[2].any()


def test_few_frames_are_those_of_the_whole_clip():
    clip = noise(20)
    for name in OPERATIONS:
        for number in range(6):
            parameters = sampled(name, number)
            whole = applied(name, clip, parameters)
            for frames in ([7], [3, 19, 0, 3], list(range(5, 15))):
                needed, narrow = narrowed(parameters, frames)
                assert needed == sorted(set(needed)) and len(needed) <= 2 * len(set(frames))
                assert np.array_equal(applied(name, clip[needed], narrow), whole[frames]), name


# -- draws ------------------------------------------------------------------------------------------


def test_a_shake_has_its_standard_deviation():
    for size, strength, factor in ((112, 1.0, 1.0), (224, 1.0, 2.0), (112, 0.0, 0.5)):
        for number in range(5):
            window = sampled("shake", number, 300, (size, size), strength, amplitude="3")
            spread = window.corner.std(0, ddof=1)
            # rounding to whole pixels adds a twelfth to the variance
            assert spread == pytest.approx([np.hypot(3 * factor, 12**-0.5)] * 2, rel=0.05)
            assert window.margin == (np.ptp(window.corner, axis=0) + 1).max()
    wide = [sampled("shake", n, 300, (112, 112)).corner.std(0, ddof=1).mean() for n in range(200)]
    assert 1.9 < min(wide) < 2.2 and 3.8 < max(wide) < 4.1
    assert sampled("shake", total=1).margin == 1


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_shift_goes_as_far_and_as_long_as_published(strength):
    total, height = 20, 112
    speeds, lengths, begins = [], [], []
    for number in range(400):
        window = sampled("shift", number, total, (height, 160), strength)
        path = (window.corner - window.corner[0]).astype(float)
        moving = np.flatnonzero(np.abs(np.diff(path, axis=0)).sum(1))
        if not len(moving):  # two frames, less than a whole pixel
            continue
        lengths.append(moving[-1] - moving[0] + 2)
        begins.append(moving[0])
        speeds.append(np.hypot(*path[-1]) / (lengths[-1] - 1))
        assert (window.corner >= 0).all() and (window.corner <= window.margin).all()
        assert window.margin == (np.ptp(window.corner, axis=0) + 1).max()
        steps = np.diff(path[moving[0] : moving[-1] + 2], axis=0)
        assert (np.abs(steps - steps.mean(0)) < 1 + 1e-9).all()  # a straight way, in whole pixels
    least, most = 0.2 * height / total, (0.2 + 0.8 * strength) * height / total
    assert min(speeds) > least - 1.5 and max(speeds) < most + 1.5
    assert max(lengths) == max(2, int((0.1 + 0.9 * strength) * total)) and min(lengths) == 2
    if strength == 1:
        assert np.mean(lengths) == pytest.approx(11, abs=1)  # U{2 … 20}
        assert np.mean(speeds) == pytest.approx((least + most) / 2, abs=0.4)
    assert len(begins) > 200 and max(begins) >= total - 4 > 2 > min(begins)


def test_a_window_goes_one_frame_at_most_in_a_long_clip():
    assert max(sampled("shift", n, 500, (64, 64)).margin for n in range(100)) <= 65


def test_a_zoom_grows_as_published_and_half_of_them_shrink():
    away, last = 0, []
    for number in range(400):
        scale = 1 / sampled("zoom", number).matrices(SIZE)[:, 0, 0]
        assert scale.min() == pytest.approx(1) and scale.max() <= 1 + 19 / 20 + 1e-9
        steps = np.diff(scale)
        assert (steps >= -1e-12).all() or (steps <= 1e-12).all()
        turned = steps.sum() < 0
        away += turned
        last.append(np.abs(steps).max() * 20)
    assert 160 < away < 240
    assert min(last) == pytest.approx(0.3, abs=0.01) and max(last) == pytest.approx(1.0, abs=0.01)
    still = 1 / sampled("zoom", 1, strength=0.0).matrices(SIZE)[:, 0, 0]
    assert np.abs(np.diff(still)).max() * 20 == pytest.approx(0.3)


def test_scales_and_places_are_uniform():
    boxes = np.array([sampled("scale", n, size=(200, 100)).box for n in range(2000)])
    shares = boxes[:, 2:] / [200, 100]
    assert shares.min() >= 0.29 and shares.max() > 0.97
    assert shares.mean(0) == pytest.approx([0.65, 0.65], abs=0.02)
    assert np.abs(np.corrcoef(shares.T)[0, 1]) < 0.07
    room = np.array([200, 100]) - boxes[:, 2:]
    assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] <= room).all()
    wide = room.min(1) > 20
    assert (boxes[:, :2] / np.maximum(room, 1))[wide].mean(0) == pytest.approx([0.5, 0.5], abs=0.03)
    assert sampled("scale", 5, strength=0.0).box == (0, 0, *SIZE)
    half = np.array([sampled("scale", n, size=(200, 100), strength=0.5).box[2] for n in range(300)]) / 200
    assert half.min() == pytest.approx(0.65, abs=0.01)


def test_clones_are_as_published():
    every = [sampled("clone", n, size=(200, 200)) for n in range(600)]
    lag = np.array([np.abs(p.times[:, 1] - p.times[:, 0]).max() for p in every])
    assert lag.max() == 5 and lag.min() == 0 and lag.mean() == pytest.approx(2.5, abs=0.2)
    assert np.mean([p.mirror for p in every]) == pytest.approx(0.5, abs=0.07)
    angles = np.degrees([p.angle for p in every])
    assert angles.min() < -58 and angles.max() > 58 and abs(angles.mean()) < 5
    heights = np.array([p.box[2] for p in every]) / 200
    assert 0.195 <= heights.min() < 0.21 and 0.68 < heights.max() <= 0.7
    for p in every:
        assert p.box[2:] == p.other[2:] and (np.diff(p.times, axis=0) >= 0).all()
        assert p.times.min() == 0 and p.times.max() == 19
    early = [p.times[0, 1] for p in every if np.abs(p.times[:, 1] - p.times[:, 0]).max() > 0]
    assert np.mean(np.array(early) > 0) == pytest.approx(0.5, abs=0.07)


def test_perspective_takes_corners_inward():
    """With no zoom, the clip's corners stand within 0.7 of the way to the middle, uniformly."""
    seen = []
    for number in range(300):
        matrix = sampled("perspective", number, 1, (100, 160), zoom=1.0).matrices((100, 160))[0]
        back = np.linalg.inv(matrix)
        for corner, inward in (((0, 0), (1, 1)), ((159, 99), (-1, -1))):
            at = back @ (*corner, 1)
            seen.append((at[:2] / at[2] - corner) * inward)
    away = np.array(seen)
    assert away.min() > -1e-6 and (away.max(0) < [56 + 1e-6, 35 + 1e-6]).all()
    assert away.mean(0) == pytest.approx([28, 17.5], rel=0.07)
    assert np.abs(away - np.rint(away)).max() < 1e-6
    large = sampled("perspective", 3, 1, (100, 160), distortion=0.0)
    assert large.matrices((100, 160))[0] == pytest.approx(operations.zoomed(np.array([1.4]), (100, 160))[0])


def test_backgrounds_are_as_published():
    moving = lighter = shifted = 0
    alphas, exponents, counts = [], [], []
    for number in range(600):
        mix = OPERATIONS["background"]().sample(draws(number), 20, SIZE, 1.0, Given(*noise(8)))
        alphas.append(mix.alpha)
        exponents.append(mix.exponent)
        lighter += mix.lighter
        if len(mix.pictures) > 1:
            moving += 1
            counts.append(len(mix.pictures))
            assert mix.shown[0] == 0 and np.abs(np.diff(mix.shown)).max() <= 1
            assert np.array_equal(mix.pictures, noise(8)[: len(mix.pictures)])
        else:
            shifted += mix.corner.any()
    assert moving / 600 == pytest.approx(0.2, abs=0.05) and set(counts) == {2, 3, 4, 5}
    assert lighter / 600 == pytest.approx(0.05, abs=0.03)
    assert shifted / (600 - moving) == pytest.approx(0.3, abs=0.06)
    assert (min(alphas), max(alphas)) == pytest.approx((0.25, 0.55), abs=0.01)
    assert (min(exponents), max(exponents)) == pytest.approx((0.6, 1.0), abs=0.01)


def test_a_still_background_is_a_part_of_the_lighter_of_two_frames():
    y, x = np.mgrid[:96, :128]
    first, second = (np.repeat(p[..., None], 3, 2).astype(np.uint8) for p in (x, 2 * y))
    areas, forms = [], []
    for number in range(400):
        operation = OPERATIONS["background"](dynamic=0.0, shift=0.0)
        (picture,) = operation.sample(draws(number), 4, (96, 128), 1.0, Given(first, 0 * first)).pictures
        (other,) = operation.sample(draws(number), 4, (96, 128), 1.0, Given(0 * first, second)).pictures
        (both,) = operation.sample(draws(number), 4, (96, 128), 1.0, Given(first, second)).pictures
        assert np.abs(both.astype(int) - np.maximum(picture, other)).max() <= 12  # bicubic over the seam
        wide = np.ptp(picture[50, :, 0].astype(float)) + 1
        tall = np.ptp(other[:, 50, 0].astype(float)) / 2 + 1
        areas.append(wide * tall / (96 * 128))
        forms.append(wide / tall)
    torch.manual_seed(0)
    wanted = [
        RandomResizedCrop.get_params(torch.zeros(3, 96, 128), [0.6, 1.0], [3 / 4, 4 / 3])[2:]
        for _ in range(2000)
    ]
    tall, wide = np.array(wanted).T
    assert np.mean(areas) == pytest.approx(np.mean(tall * wide) / (96 * 128), abs=0.02)
    assert np.mean(forms) == pytest.approx(np.mean(wide / tall), abs=0.03)
    assert np.std(forms) == pytest.approx(np.std(wide / tall), rel=0.15)
    assert min(areas) > 0.58 and max(areas) < 1.02


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_read_when_does_not_depend_on_the_size(name):
    for number in range(5):
        small, large = (sampled(name, number, size=size) for size in (SIZE, (96, 200)))
        assert np.array_equal(small.times, large.times)


# -- chains -----------------------------------------------------------------------------------------


def stages(text: str, number: int, strength: float = 1.0, others: bool = False) -> list[Any]:
    where = (0, "p", number)
    behind = (lambda n: Given(*noise(4))) if others else None
    return adapting.parsed(text).sampled(where, where, 20, SIZE, strength, behind)


def test_published_probabilities_and_order():
    count, found, second = 4000, dict.fromkeys(OPERATIONS, 0), 0
    order = [
        "reverse",
        "clone",
        "scale",
        "shift",
        "background",
        "perspective",
        "shift",
        "zoom",
        "shake",
        "mirror",
    ]
    for number in range(count):
        names = [o.name for o, _ in stages("published", number)]
        behind = names.index("background")
        before, after = names[:behind], names[behind:]
        assert ("clone" in names) != ("scale" in names)
        for part, known in ((before, order[:5]), (after, order[4:])):
            assert part == sorted(part, key=known.index)
        for name in set(before) | set(after) - {"shift"}:
            found[name] += 1
        second += "shift" in after
    wanted = {"background": 1, "scale": 0.85, "clone": 0.15, "shift": 0.3, "zoom": 0.3, "shake": 0.3}
    wanted |= {"perspective": 0.8, "mirror": 0.5, "reverse": 0.5}
    for name, share in wanted.items():
        assert found[name] / count == pytest.approx(share, abs=4 * np.sqrt(0.25 / count)), name
    assert second / count == pytest.approx(0.3, abs=0.03)


def test_clones_come_after_the_curriculum():
    assert not any("clone" in [o.name for o, _ in stages("published", n, 0.99)] for n in range(300))
    assert stages("clone", 0, 0.99) == []
    assert [o.name for o, _ in stages("clone|scale", 0, 0.5)] == ["scale"]


def test_more_in_a_chain_changes_no_draw_of_what_was_there():
    (alone,) = (p for o, p in stages("shake", 4))
    for text in (
        "zoom,shake",
        "shake,zoom",
        "reverse,mirror,perspective,shake",
        "published,shake(p=0),shake",
    ):
        among = [p for o, p in stages(text, 4) if o.name == "shake"]
        if text.startswith("published"):
            continue  # there the first shake is published's own
        assert np.array_equal(among[0].corner, alone.corner)
    twice = [p for _, p in stages("shake,shake", 4)]
    assert not np.array_equal(twice[0].corner, twice[1].corner)
    assert not np.array_equal(alone.corner, next(p for _, p in stages("shake", 5)).corner)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("published", "published"),
        (" shake , zoom(p=0.5)", "shake,zoom"),
        ("clone(p=0.1)|scale(scale=0.5:0.7)", "clone|scale"),
        ("mirror,published", None),
    ],
)
def test_a_chain_has_one_text(text, names):
    chain = adapting.parsed(text)
    assert adapting.parsed(chain.spelled) == chain and adapting.parsed(adapting.normal(text)) == chain
    assert names is None or chain.names == names
    assert adapting.normal(adapting.normal(text)) == adapting.normal(text)
    spelled = adapting.parsed("published").spelled
    assert adapting.normal(spelled) == "published"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shak", "No operation that adapts clips is called 'shak'. Did you mean 'shake'?"),
        ("publishd", "Did you mean 'published'?"),
        ("shake(amplitude=3:1)", "shake.amplitude=3:1 runs backwards."),
        ("shake(amplitud=3)", "shake has no knob 'amplitud'. Did you mean 'amplitude'?"),
        ("zoom(p=2)", "zoom.p=2.0 is out of range. Allowed: 0 to 1."),
        ("zoom(p)", "'p' is no knob=value, or there twice."),
        ("zoom(p=1,p=1)", "there twice"),
        ("shake,,zoom", "cannot be read"),
        ("shake zoom", "cannot be read at 'shake zoom'"),
        ("shake(", "It is published, or NAME or NAME(knob=value)"),
    ],
)
def test_a_bad_chain_is_told(text, message):
    with pytest.raises(UsageError) as caught:
        Shapes(adapt=text)
    assert message in str(caught.value)


def test_one_more_entry_is_one_more_operation(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Negative(operations.Operation):
        name = "negative"
        apply = staticmethod(lambda clip, parameters: 255 - clip)

        def sample(self, draws, total, size, strength, others=None):
            return Parameters(in_place(total))

    monkeypatch.setitem(OPERATIONS, "negative", Negative)
    adapting.parsed.cache_clear()
    generator = Shapes(**{**SMALL, "size": 64, "objects": 9, "adapt": "negative"})
    plain = dataclasses.replace(generator, adapt="")
    for a, b in zip(generator.draw(0, "n", 0, [3]), plain.draw(0, "n", 0, [3]), strict=True):
        assert np.array_equal(a, 255 - b)
    adapting.parsed.cache_clear()


# -- generators -------------------------------------------------------------------------------------


def moving(**knobs: str) -> Any:
    return presets.get("moving_shapes").configured(**{**SMALL, **knobs})


def clip_of(generator: Any, index: int, frames: Any = range(20), **asked: Any) -> np.ndarray:
    return np.stack(list(generator.draw(0, "moving_shapes", index, frames, **asked)))


@pytest.mark.parametrize("chain", [*OPERATIONS, "published", "reverse,clone,shift,background,shake"])
def test_any_frames_in_any_order_are_those_of_the_whole_clip(chain, monkeypatch):
    generator = moving(adapt=chain)
    for index in range(4):
        whole = clip_of(generator, index)
        assert whole.shape == (20, 64, 64, 3) and whole.dtype == np.uint8
        clip_of(generator, index + 10, [0])
        for frames in ([13], [19, 0, 7, 7]):
            assert np.array_equal(clip_of(generator, index, frames), whole[frames])
        monkeypatch.setattr(adapting, "CHUNK", 3)  # more than one chunk gives what one gives
        monkeypatch.setattr(adapting, "_kept", adapting.Kept(0))  # and pictures that are not kept
        assert np.array_equal(clip_of(generator, index), whole)
        monkeypatch.undo()
    assert len({clip_of(generator, i, [0]).tobytes() for i in range(4)}) == 4


def test_only_needed_frames_are_drawn(monkeypatch):
    generator, asked = moving(adapt="shake,reverse,zoom"), []
    paint = Shapes.paint

    def heard(self, seed, preset, index, frames):
        asked.append(list(frames))
        return paint(self, seed, preset, index, frames)

    monkeypatch.setattr(Shapes, "paint", heard)
    clip_of(generator, 0, [2, 5])
    assert asked == [[14, 17]]


def test_a_chain_is_its_operations_one_after_the_other():
    """By hand: the drawn clip through each function with the parameters that are drawn for it."""
    generator = moving(adapt="scale,shake,mirror,reverse")
    plain = clip_of(dataclasses.replace(generator, adapt=""), 3)
    for name in ("scale", "shake", "mirror", "reverse"):
        own = Draws((0, "moving_shapes", 3, name, 0))
        plain = applied(name, plain, OPERATIONS[name]().sample(own, 20, (64, 64), 1.0))
    assert np.array_equal(clip_of(generator, 3), plain)


def test_backgrounds_are_of_a_preset_of_their_own(monkeypatch):
    seen = set()
    paint = Shapes.paint

    def heard(self, seed, preset, index, frames):
        seen.add((preset, index))
        return paint(self, seed, preset, index, frames)

    monkeypatch.setattr(Shapes, "paint", heard)
    monkeypatch.setattr(adapting, "_kept", adapting.Kept(1 << 20))
    for index in range(30):
        clip_of(moving(adapt="background(pool=3)"), index, [0])
    assert {i for name, i in seen if name == "moving_shapes/background"} == {0, 1, 2}
    seen.clear()
    clip_of(moving(adapt="background(pool=0,dynamic=0)"), 0, [0])
    others = {i for name, i in seen if name == "moving_shapes/background"}
    assert len(others) == 2 and min(others) > 1000
    seen.clear()
    generator = moving(adapt="background(pool=3)")
    for index in range(30):  # each epoch of a training has others
        list(generator.draw(0, "moving_shapes", index, [0, 1], again=(2, 1)))
    assert {i for name, i in seen if name == "moving_shapes/background"} == {6, 7, 8}


def test_a_batch_shares_what_the_released_code_shares():
    generator = moving(adapt="shake,scale", adapt_batch="4")

    def of(index: int) -> list[Any]:
        return [p for _, p in adapting._stages(generator, (0, "moving_shapes", index), 1.0, False)]

    shakes, scales = zip(*map(of, range(8)), strict=True)
    assert all(np.array_equal(s.corner, shakes[0].corner) for s in shakes[:4])
    assert not np.array_equal(shakes[4].corner, shakes[0].corner)
    assert len({s.box for s in scales}) == 8
    back = moving(adapt="reverse(p=0.5)", adapt_batch="4")
    turned = [len(adapting._stages(back, (0, "moving_shapes", i), 1.0, False)) for i in range(80)]
    assert all(len(set(turned[i : i + 4])) == 1 for i in range(0, 80, 4)) and 0 < sum(turned) < 80
    with pytest.raises(UsageError, match="adapt_batch=4 means nothing without adapt"):
        moving(adapt_batch="4")


def test_strength_reaches_the_operations():
    generator = moving(adapt="scale")
    assert np.array_equal(
        clip_of(generator, 2, strength=0.0), clip_of(dataclasses.replace(generator, adapt=""), 2)
    )
    assert not np.array_equal(clip_of(generator, 2, strength=0.5), clip_of(generator, 2))


def test_a_curriculum_of_epochs():
    from synvid_eval.generators import Clips

    clips = Clips("moving_shapes", 2, length="80", size="32", objects="20", adapt="scale", curriculum=4)
    plain = Clips("moving_shapes", 2, length="80", size="32", objects="20")
    assert [clips.strength(e) for e in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert np.array_equal(clips.array(1), plain.array(1))
    clips.set_epoch(4)
    clip, frames = clips.chosen(1)
    full = clips.generator.draw(0, "moving_shapes", clip, frames)
    assert np.array_equal(clips.array(1), np.stack(list(full)))
    assert Clips("moving_shapes", 2, adapt="scale").strength() == 1
    with pytest.raises(UsageError, match="curriculum=3 means nothing here"):
        Clips("moving_shapes", 2, curriculum=3)


# -- anew, for training -----------------------------------------------------------------------------


def test_each_view_is_adapted_by_draws_of_its_own_over_its_frames():
    from synvid_eval.generators import Clips

    asked = {"length": "80", "size": "32", "objects": "20", "frames": 4, "adapt": "shift,scale"}
    clips = Clips("moving_shapes", 2, **asked)
    plain = Clips("moving_shapes", 2, **{**asked, "adapt": ""})
    views = [clips.array(1, epoch, view) for epoch in (0, 1) for view in (0, 1)]
    assert all(not np.array_equal(views[i], views[j]) for i in range(4) for j in range(i))
    assert np.array_equal(views[3], clips.array(1, 1, 1))
    # as if the frames were a clip: what the chain makes of them by the draws of (epoch, view)
    clip, _ = clips.chosen(1, 1, 1)
    chain, where = adapting.parsed("shift,scale"), (0, "moving_shapes", clip)
    stages = chain.sampled(where, where, 4, (32, 32), again=(1, 1))
    taken = plain.array(1, 1, 1)
    wanted = adapting.made(stages, range(4), lambda some: iter(taken[some]))
    assert np.array_equal(views[3], np.stack(list(wanted)))
    starts = {tuple(clips.chosen(1, e, v)[1]) for e in range(4) for v in (None, 0, 1)}
    assert len(starts) > 8


def test_clips_of_a_batch_share_the_camera_in_each_view():
    """Whatever their epoch and index; what is a clip's own stays its own."""
    chain = adapting.parsed("shake,mirror(p=0.5),reverse(p=0.5)")
    assert [o.together for o in chain.operations] == [True, False, True]

    def found(index, *again):
        """(parameters of the shake, whether mirrored, whether reversed)."""
        generator = moving(adapt="shake,mirror(p=0.5),reverse(p=0.5)")
        stages = adapting._stages(generator, (0, "moving_shapes", index), 1.0, False, again, 6)
        by = {operation.name: parameters for operation, parameters in stages}
        return by["shake"].matrices((64, 64)).tobytes(), "mirror" in by, "reverse" in by

    batches = [[found(i, i % 3, v, b) for i in range(24)] for b in range(16) for v in (0, 1)]
    shakes = [{shake for shake, _, _ in batch} for batch in batches]
    assert all(len(some) == 1 for some in shakes) and len(set.union(*shakes)) == 32
    assert all(4 < sum(mirrored for _, mirrored, _ in batch) < 20 for batch in batches)
    ways = [{way for *_, way in batch} for batch in batches]
    assert all(len(some) == 1 for some in ways) and ways[::2] == ways[1::2]  # all views run the same way
    assert len(set.union(*ways)) == 2
    assert len({found(i, 0, 0)[0] for i in range(24)}) == 24  # without a batch each has its own


def test_all_views_run_the_same_way():
    generator = moving(adapt="reverse(p=0.5)")
    made = [
        [len(adapting._stages(generator, (0, "moving_shapes", i), 1.0, False, (e, v), 4)) for v in (0, 1, 2)]
        for i in range(20)
        for e in (0, 1)
    ]
    assert all(len(set(views)) == 1 for views in made) and 5 < sum(v[0] for v in made) < 35


def test_truth_follows_what_is_adapted_anew():
    """White objects on black: away from their edges, which resampling blurs, what is white is what the masks
    say, in each epoch and view; and not what those of another view say.
    """
    from synvid_eval.generators import Clips

    clips = Clips(
        "moving_shapes", 3, length="60", size="64", objects="120", frames=6, background="black",
        palette="colors(of=FFFFFF)", adapt="shift,scale,perspective,zoom,shake,reverse(p=0.5),mirror(p=0.5)",
    )  # fmt: skip
    shown, otherwise = [], []
    for index, epoch, view in itertools.product(range(3), (0, 7), (0, 1)):
        frames, masks = clips.array(index, epoch, view), clips.truth(index, epoch, view, ["masks"])["masks"]
        seen = frames.max(-1) > 127
        shown.append(masks)
        objects = (masks > 0).astype(np.uint8)
        inner, outer = (np.stack([op(m, np.ones((5, 5))) for m in objects]) for op in (cv2.erode, cv2.dilate))
        sure = inner == outer
        assert masks.shape == (6, 64, 64) and sure.mean() > 0.3 and (seen == objects)[sure].mean() > 0.99
        other = clips.array(index, epoch + 1, view).max(-1) > 127
        otherwise.append((other == objects)[sure].mean())
    assert np.median(otherwise) < 0.9 and all(masks.any() for masks in shown)
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(shown, 2))
    clip, frames = clips.chosen(2, 7, 1)
    whole = clips.generator.truth(0, "moving_shapes", clip, frames, ["masks"])["masks"]
    assert not np.array_equal(whole, shown[-1])  # that of the files


def test_truth_follows_every_perspective():
    """A matrix that OpenCV finds may send all of the frame to negative depths: the picture is the same."""
    generator = moving(adapt="perspective", background="black", palette="colors(of=FFFFFF)")
    negative = 0
    for index in range(60):
        ((_, warp),) = adapting._stages(generator, (0, "moving_shapes", index), 1.0, False)
        middle = warp.matrix[0] @ [32, 32, 1]
        negative += middle[2] < 0
        (frame,) = generator.draw(0, "moving_shapes", index, [5])
        masks = generator.truth(0, "moving_shapes", index, [5], ["masks"])["masks"][0]
        assert abs((frame.max(-1) > 127).mean() - (masks > 0).mean()) < 0.03, index
    assert negative


# -- what stays as it was ---------------------------------------------------------------------------

# blake2b-64 of json.dumps(presets.get(NAME).configured().identity(3), sort_keys=True), by commit d747885 (the
# last one without adaptation), 2026-11-22
IDENTITIES = {
    "static_circles": "c2d63656fc5a56c0",
    "moving_shapes": "1bc8c6ff62475d85",
    "acc_transforming_shapes": "e519838e7ed881bb",
    "dead_leaves": "4973fe395ad968c8",
    "photo_camera": "65655ec475ddcc7b",
    "dynamic_stylegan_videos": "f78cc029bed98f95",
    "acc_transforming_stylegan": "54767033fd394d5d",
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_presets_that_are_not_adapted_are_what_they_were(name):
    generator = presets.get(name).configured()
    text = json.dumps(generator.identity(3), sort_keys=True)
    assert hashlib.blake2b(text.encode(), digest_size=8).hexdigest() == IDENTITIES[name]


def test_what_is_adapted_has_an_identity_of_its_own():
    texts = ("", "shake", "shake(amplitude=2:5)", "zoom", "published")
    every = [moving(adapt=text) for text in texts] + [moving(adapt="shake", adapt_batch="32")]
    assert len({json.dumps(g.identity(0), sort_keys=True) for g in every}) == len(every)
    same = moving(adapt="shake( amplitude=2:4 )"), moving(adapt="shake(p=1.0)")
    assert same[0] == same[1] and same[0].identity(0) == same[1].identity(0)
    assert moving(adapt="published").identity(0)["adapt"] == adapting.parsed("published").spelled


def test_nothing_is_known_of_a_background():
    """Where no object is seen another clip may show: nothing moves there and nothing is found again; the
    objects' own truth is what it is without.
    """
    plain, mixed = (moving(adapt=f"shift{more}") for more in ("", ",background(lighter=1)"))
    known, behind = (g.truth(0, "p", 3, range(6), ("masks", "flow", "hidden")) for g in (plain, mixed))
    seen = behind["masks"][:-1] > 0
    assert np.array_equal(known["masks"], behind["masks"]) and 0 < seen.mean() < 1
    assert not behind["flow"][~seen].any() and behind["hidden"][~seen].all()
    assert known["flow"][~seen].any()
    assert np.array_equal(known["flow"][seen], behind["flow"][seen])
    assert np.array_equal(known["hidden"][seen], behind["hidden"][seen])


def test_nothing_is_known_of_no_frame():
    for text in ("", "zoom"):
        told = moving(adapt=text).truth(0, "p", 3, [])
        assert told["masks"].shape[0] == told["flow"].shape[0] == 0 and told["tracks"].shape[1] == 0


def test_texts_are_not_endless():
    with pytest.raises(UsageError, match="20,000 characters"):
        adapting.parsed("," * 20_000)
    with pytest.raises(UsageError, match="strength=2"):
        moving(adapt="shake").draw(0, "p", 0, [0], 2.0)


def test_presets_name_chains():
    text = 'extends = "moving_shapes"\nname = "mine"\nknobs.adapt = ["shake(amplitude=1)", "zoom"]'
    known = {n: presets.get(n) for n in presets.names()}
    mine = presets.read(text, "mine.toml", known)["mine"]
    assert adapting.parsed(mine.configured().adapt).names == "shake,zoom"
    values = {v.knob: v for v in mine.resolved()}
    assert values["adapt"].shown == "shake,zoom" and values["adapt"].setter == "mine"
    amplitude = values["adapt.shake.amplitude"]
    assert (amplitude.value, amplitude.setter, amplitude.unit) == ("1", "mine", "px at 112")
    assert values["adapt.zoom.speed"].setter == "default"
    twice = [v.knob for v in presets.get("moving_shapes").resolved({"adapt": "published"})]
    assert "adapt.shift.speed" in twice and "adapt.shift#2.speed" in twice
    short = presets.read('[mine]\nextends = "moving_shapes"\nadapt = ["shake", "zoom"]', "mine.toml", known)
    assert adapting.parsed(short["mine"].configured().adapt).names == "shake,zoom"
    text = '[mine]\nextends = "moving_shapes"\nadapt = "published"'
    assert presets.read(text, "mine.toml", known)["mine"].configured().adapt == "published"
    with pytest.raises(UsageError, match="says adapt twice"):
        presets.read(f'{text}\nknobs.adapt = "shake"', "mine.toml", known)
    with pytest.raises(UsageError, match="neither a text nor a number"):
        presets.read('[mine]\nextends = "moving_shapes"\nknobs.adapt = ["shake", 3]', "mine.toml", known)
    changed = presets.get("moving_shapes").changed({"adapt": "published"})
    assert changed.note == "moving_shapes with adapt=published"
    assert not dataclasses.replace(mine, name="moving_shapes").is_shipped


def test_real_parts_are_not_adapted():
    with pytest.raises(UsageError, match="adapt would leave its real clips as they are"):
        presets.get("shapes_mix_ucf25").configured(adapt="shake")


# -- truth ------------------------------------------------------------------------------------------

GEOMETRIC = ["shift", "zoom", "shake", "perspective", "scale", "mirror", "reverse"]


def eroded(picture: np.ndarray) -> np.ndarray:
    """Where all neighbors of a pixel are alike: bool [H, W]."""
    plain, ones = picture.astype(np.float32), np.ones((3, 3), np.uint8)
    return cv2.dilate(plain, ones) == cv2.erode(plain, ones)


@pytest.mark.parametrize("chain", [*GEOMETRIC, ",".join(GEOMETRIC)])
def test_a_frame_warped_by_its_flow_is_the_next_one(chain, stripes):
    generator = Shapes(
        size=128, length="20", objects=40, textures="stripes(size=64,steps=20)", pool=8, adapt=chain,
        background="image", rotation="-0.03:0.03", radius="0.15:0.6",
    )  # fmt: skip
    frames = [4, 5, 8]
    gaps, moves = [], []
    for index in range(3):
        pictures = [p.astype(np.float32) for p in generator.draw(0, "warp", index, frames)]
        told = generator.truth(0, "warp", index, frames)
        rows, columns = np.mgrid[:128, :128].astype(np.float32)
        for i, flow in enumerate(told["flow"]):
            x, y = columns + flow[..., 0], rows + flow[..., 1]
            x, y = (np.where(told["hidden"][i], 0, axis).astype(np.float32) for axis in (x, y))
            found = cv2.remap(pictures[i + 1], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            later, own = told["masks"][i + 1], told["masks"][i]
            # a bilinear look over an outline mixes two objects, as the operation itself does
            inner = (eroded(later) & eroded(pictures[i + 1].sum(-1) > 0)).astype(np.float32)
            sure = (cv2.remap(inner, x, y, cv2.INTER_LINEAR) == 1) & eroded(own)
            seen = ~told["hidden"][i] & sure & (pictures[i].sum(-1) > 0)
            gaps.append(np.abs(found - pictures[i])[seen])
            moves.append(np.abs(pictures[i + 1] - pictures[i])[seen])
    gap, unmoved = np.concatenate(gaps), np.concatenate(moves)
    assert len(gap) > 4000
    assert gap.mean() < 2 and np.quantile(gap, 0.99) < 12
    assert unmoved.mean() > 3 * gap.mean()


@pytest.mark.parametrize("chain", GEOMETRIC)
def test_masks_show_what_the_pictures_show(chain):
    """Objects of one color each: inside a mask all pixels have the color of that object."""
    generator = moving(adapt=chain, size="96", objects="40", radius="0.15:0.5", center_range="0:1")
    scene = dataclasses.replace(generator, adapt="").scene(0, "moving_shapes", 1)
    palette = np.vstack([scene.background, scene.color])
    pictures = clip_of(generator, 1, [2, 9])
    masks = generator.truth(0, "moving_shapes", 1, [2, 9], ["masks"])["masks"]
    assert masks.dtype == np.uint16 and len(np.unique(masks)) > 3
    for picture, mask in zip(pictures, masks, strict=True):
        inner = eroded(cv2.dilate(mask, np.ones((3, 3)))) & eroded(mask)
        assert inner.mean() > 0.4
        same = np.abs(picture.astype(int) - palette[mask])[inner].max(-1) <= 1
        assert same.mean() > 0.99  # what is thinner than a pixel is in the pictures and in no mask


def test_truth_of_a_reversed_clip_is_that_of_the_reversed_order():
    back = moving(adapt="reverse")
    plain = dataclasses.replace(back, adapt="")
    frames = [0, 3, 7]
    told = back.truth(0, "t", 1, frames)
    wanted = plain.truth(0, "t", 1, [19 - f for f in frames])
    assert told.keys() == wanted.keys()
    for kind, array in wanted.items():
        assert told[kind].dtype == array.dtype and np.array_equal(told[kind], array), kind


def test_truth_of_a_mirrored_clip_is_mirrored():
    turned = moving(adapt="mirror")
    told = turned.truth(0, "t", 1, [0, 3, 7])
    wanted = dataclasses.replace(turned, adapt="").truth(0, "t", 1, [0, 3, 7])
    assert np.array_equal(told["masks"], wanted["masks"][:, :, ::-1])
    assert np.allclose(told["flow"], wanted["flow"][:, :, ::-1] * [-1, 1], atol=1e-4)
    assert np.allclose(told["tracks"], [63, 0] + wanted["tracks"] * [-1, 1], atol=1e-3)
    # a middle that stands between two pixels falls to the other one in the mirror
    assert (told["hidden"] == wanted["hidden"][:, :, ::-1]).mean() > 0.98
    assert (told["occluded"] == wanted["occluded"]).mean() > 0.95


def test_flow_of_a_clip_that_stands_still_is_the_windows():
    generator = presets.get("static_circles").configured(**SMALL, adapt="shift")
    (window,) = (p for _, p in adapting._stages(generator, (0, "still", 2), 1.0, False))
    begin = int(np.flatnonzero(np.abs(np.diff(window.corner, axis=0)).sum(1))[0])
    told = generator.truth(0, "still", 2, [begin, begin + 1], ["flow", "hidden"])
    step = window.corner[begin] - window.corner[begin + 1]
    near = told["flow"][0] - step[::-1]
    # a point of the clip moves by the step of the window; a little more or less, as its pixel is rounded
    assert np.abs(near).max() < 1e-3
    assert (~told["hidden"][0]).mean() > 0.3


def test_where_nothing_of_the_clip_is_seen_nothing_is_known():
    generator = moving(adapt="scale", background="color")
    (place,) = (p for _, p in adapting._stages(generator, (0, "moving_shapes", 3), 1.0, False))
    top, left, height, width = place.box
    inside = np.zeros((64, 64), bool)
    inside[top : top + height, left : left + width] = True
    told = generator.truth(0, "moving_shapes", 3, [0, 1])
    assert not told["masks"][:, ~inside].any() and not told["flow"][:, ~inside].any()
    assert told["hidden"][:, ~inside].all() and not told["hidden"][0, inside].all()


def test_tracks_are_on_their_objects():
    generator = Shapes(
        size=96,
        length="20",
        objects=1,
        center_range="0.3:0.5",
        radius="0.1:0.2",
        adapt="scale,shake,perspective",
    )
    seen = 0
    for index in range(20):
        told = generator.truth(0, "track", index, [0, 9, 19])
        for i in range(3):
            mask = told["masks"][i] == 1
            if mask.sum() > 30 and not told["occluded"][0, i]:
                middle = np.argwhere(mask)[:, ::-1].mean(0)
                edge = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
                if not edge:
                    seen += 1
                    assert np.hypot(*(told["tracks"][0, i] - middle)) < 4
    assert seen > 10


def test_truth_is_of_few_kinds_as_of_all_and_of_few_frames():
    generator = moving(adapt="scale,background,perspective,shake,reverse")
    told = generator.truth(0, "t", 0, [2, 3, 9])
    for kind in generator.truths:
        alone = generator.truth(0, "t", 0, [2, 3, 9], [kind])
        assert list(alone) == [kind] and np.array_equal(alone[kind], told[kind])
    part = generator.truth(0, "t", 0, [3, 9])
    assert np.array_equal(part["flow"][0], told["flow"][1]) and np.array_equal(
        part["masks"], told["masks"][1:]
    )


def test_of_clones_no_truth_is_told():
    for chain in ("clone", "published"):
        with pytest.raises(UsageError, match="Of a clip adapted by clone no truth is known") as told:
            moving(adapt=chain).truth(0, "t", 0, [0], ["masks"])
        cure = str(told.value).partition("such as adapt=")[2].rstrip(".")
        assert moving(adapt=cure).truth(0, "t", 0, [0], ["masks"])
    assert "shake" in cure.split(",") and "clone" not in cure  # what else is published
    assert moving(adapt="clone(p=0)|scale").truth(0, "t", 0, [0], ["masks"])
    with pytest.raises(UsageError, match="shapes knows no truth 'depth'"):
        moving(adapt="shake").truth(0, "t", 0, [0], ["depth"])


def test_frames_outside_the_clip_are_refused_at_once():
    with pytest.raises(UsageError, match="has no frame 20"):
        moving(adapt="shake").draw(0, "t", 0, [20])
    with pytest.raises(UsageError, match="clip index -1 is negative"):
        moving(adapt="shake").draw(0, "t", -1, [0])


def test_parameters_of_a_flip_and_none():
    assert np.array_equal(Flip(in_place(1)).matrices((4, 8))[0] @ [0, 2, 1], [7, 2, 1])
    assert np.array_equal(Parameters(in_place(2)).matrices((4, 8)), np.repeat(np.eye(3)[None], 2, 0))
