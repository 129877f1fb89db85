"""What of a preset can be set: laws of ranges in closed form, round trips, nested knobs, what is refused."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from synvid_eval.errors import UsageError
from synvid_eval.generators import adapting, pool, presets
from synvid_eval.generators.base import interval
from synvid_eval.guidance.bench import chosen
from synvid_eval.guidance.space import (
    CHOICE,
    REAL,
    WHOLE,
    Dimension,
    Range,
    Space,
    rounded,
    space,
    spelled,
)
from synvid_eval.knobs import knob
from synvid_eval.schemas import get
from synvid_eval.sets import needs

KINDS = list({presets.get(name).generator: name for name in reversed(presets.names())}.values())
"""A preset of each generator, and some that show textures."""
EVERY = [*KINDS, "acc_transforming_textures", "dynamic_stylegan_videos"]


@functools.cache
def whole_of(name: str) -> Space:
    preset = presets.get(name)
    return space(preset, {"images": "skimage"} if "images" in needs(preset.configured()) else {})


def of(text: str, *over: str) -> Space:
    _, preset, given = chosen(text)
    return space(preset, given, over)


# -- numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.123456, "0.1235"),
        (1234567.0, "1235000"),
        (-0.0, "0"),
        (-0.03, "-0.03"),
        (1e-5, "0.00001"),
        (99999.0, "100000"),
    ],
)
def test_numbers_are_spelled_with_four_digits_and_no_exponent(value: float, text: str) -> None:
    assert spelled(value) == text
    assert float(text) == rounded(value)


@pytest.mark.parametrize(
    ("dimension", "share", "value"),
    [
        (Dimension("x", "x", REAL, 0.0, 0.0, 12.0), 0.25, 3.0),
        (Dimension("x", "x", REAL, 0.0, -2.0, 2.0), 0.75, 1.0),
        (Dimension("x", "x", REAL, 1.0, 0.01, 100.0, True), 0.5, 1.0),
        (Dimension("x", "x", WHOLE, 20, 20, 1000, True), 0.5, round(math.sqrt(20 * 1000))),
        (Dimension("x", "x", WHOLE, 1, 1, 6), 0.3, 2),
        (Dimension("x", "x", REAL, 0.0, 0.0, 12.0), -1.0, 0.0),
        (Dimension("x", "x", REAL, 0.0, 0.0, 12.0), 7.0, 12.0),
    ],
)
def test_a_share_is_a_place_on_the_scale(dimension: Dimension, share: float, value: float) -> None:
    assert dimension.at(share) == value
    assert isinstance(dimension.at(share), int) is (dimension.kind == WHOLE)
    if dimension.kind == REAL:
        assert dimension.share(value) == pytest.approx(min(max(share, 0), 1))


@pytest.mark.parametrize("name", EVERY)
def test_shares_and_values_are_inverse_and_stay_within(name: str) -> None:
    for dimension in whole_of(name).dimensions:
        if dimension.kind == CHOICE:
            assert dimension.start in dimension.choices and len(set(dimension.choices)) > 1
            continue
        assert dimension.at(0) == dimension.low and dimension.at(1) == dimension.high
        assert dimension.low <= dimension.start <= dimension.high
        for share in (0.1, 0.5, 0.9):
            value = dimension.at(share)
            assert dimension.low <= value <= dimension.high
            if dimension.kind == REAL:
                assert dimension.share(value) == pytest.approx(share, abs=1e-3)


# -- ranges --------------------------------------------------------------------------------------------

LAWS = {
    "share": Range("share", 0.0, math.inf, False),
    "ratio": Range("ratio", 0.01, 10.0, False),
    "symmetric": Range("symmetric", -5.0, 5.0, False),
    "plain": Range("plain", -3.0, 9.0, False),
    "whole": Range("share", 1.0, 20.0, True),
}


@pytest.mark.parametrize(
    ("law", "middle", "spread", "text"),
    [
        ("share", 2.0, 0.5, "1:3"),
        ("share", 2.0, 0.0, "2"),
        ("share", 2.0, 1.0, "0:4"),
        ("share", 0.0, 0.7, "0"),
        ("ratio", 1.0, 0.3010299957, "0.5:2"),
        ("ratio", 1.0, 0.0, "1"),
        ("ratio", 1.0, 3.0, "0.01:10"),  # cut to what is allowed
        ("symmetric", 0.0, 0.25, "-0.25:0.25"),
        ("symmetric", 0.0, 0.0, "0"),
        ("symmetric", 0.0, 9.0, "-5:5"),
        ("plain", 1.0, 2.0, "-1:3"),
        ("plain", 1.0, 99.0, "-3:9"),
        ("whole", 5.5, 0.4545, "3:8"),
        ("whole", 1.2, 0.1, "1"),
    ],
)
def test_a_range_is_told_by_middle_and_spread(law: str, middle: float, spread: float, text: str) -> None:
    assert LAWS[law].text(middle, spread) == text


@pytest.mark.parametrize(
    ("law", "low", "high", "middle", "spread"),
    [
        ("share", 1.0, 3.0, 2.0, 0.5),
        ("share", 0.0, 4.0, 2.0, 1.0),
        ("share", 0.0, 0.0, 0.0, 0.0),
        ("ratio", 0.5, 2.0, 1.0, math.log10(2)),
        ("symmetric", -0.25, 0.25, 0.0, 0.25),
        ("plain", -1.0, 3.0, 1.0, 2.0),
    ],
)
def test_middle_and_spread_give_the_range_again(
    law: str, low: float, high: float, middle: float, spread: float
) -> None:
    assert LAWS[law].told(low, high) == pytest.approx((middle, spread))
    ends = [float(end) for end in LAWS[law].text(*LAWS[law].told(low, high)).split(":")]
    assert (ends[0], ends[-1]) == (low, high)


@dataclass(frozen=True)
class Ranges:
    """A knob of each law."""

    name: ClassVar[str] = "ranges"

    a: str = knob("1:2", "", low=0, high=9, ends="real", search=(0, 9))
    b: str = knob("1:2", "", low=0.1, high=9, ends="real", scale="log", search=(0.1, 9))
    c: str = knob("-1:1", "", low=-9, high=9, ends="real", search=(-2, 2))
    d: str = knob("1:2", "", low=-9, high=9, ends="real", search=(-1, 2))
    e: str = knob("1:2", "", low=0, high=9, ends="whole", search=(0, 9))


def test_which_law_a_range_follows_is_read_from_its_declaration() -> None:
    found = {f.name: Range.of(f, f.metadata["search"]) for f in dataclasses.fields(Ranges)}
    assert {k: r.law for k, r in found.items()} == {
        "a": "share", "b": "ratio", "c": "symmetric", "d": "plain", "e": "share"
    }  # fmt: skip
    assert found["e"].whole and not found["a"].whole
    assert (found["d"].low, found["d"].high) == (-9, 9)


# -- presets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_every_point_is_a_configuration_that_says_the_point_again(name: str) -> None:
    """Middles and spreads of what `knobs` writes are those that were asked for, in every preset."""
    whole = whole_of(name)
    for dimension in whole.dimensions:
        if dimension.kind == CHOICE:
            value: Any = next(c for c in dimension.choices if c != dimension.start)
        else:
            value = dimension.at(0.6)
        found = whole.knobs({dimension.name: value})
        assert set(found) - {"images"} == {dimension.knob}
        generator = whole.preset.configured(**found)
        if dimension.name == dimension.knob:
            assert getattr(generator, dimension.knob) == value
        elif dimension.name.startswith(f"{dimension.knob}:"):
            law = Range.of(_field(generator, dimension.knob), _searched(generator, dimension.knob))
            ends = [float(end) for end in interval(generator, dimension.knob)]
            told = dict(zip(("middle", "spread"), law.told(*ends), strict=True))
            if ends[1] > ends[0] and law.low < ends[0] and ends[1] < law.high:
                kind = dimension.name.rpartition(":")[2]
                assert told[kind] == pytest.approx(value, rel=5e-3 if not law.whole else 0.2)


def _field(of: Any, name: str) -> Any:
    return next(f for f in dataclasses.fields(of) if f.name == name)


def _searched(of: Any, name: str) -> tuple[float, float]:
    found: tuple[float, float] = _field(of, name).metadata["search"]
    return found


def test_dimensions_say_what_the_declaration_says() -> None:
    whole = of("moving_circles")
    speed, spread = whole["speed:middle"], whole["speed:spread"]
    assert (speed.kind, speed.low, speed.high, speed.log) == (REAL, 0, 12, False)
    assert speed.start == pytest.approx((1.2 + 3.0) / 2)
    assert spread.start == rounded((3.0 - 1.2) / (3.0 + 1.2)) and spread.unit == "of the middle"
    assert speed.group == "motion" and speed.unit and speed.about
    radius = whole["radius:middle"]
    low, high = interval(presets.get("moving_circles").configured(), "radius")
    assert radius.log and radius.start == rounded(math.sqrt(low * high))
    assert whole["radius:spread"].unit == "powers of ten"
    assert "acceleration:middle" not in whole.start  # symmetric: its middle is 0
    assert whole["objects"].kind == WHOLE and whole["shapes"].choices == ("circle", "mixed")
    assert whole.start["objects"] == 500 and set(whole.start) == {d.name for d in whole.dimensions}
    facts = speed.facts()
    properties = get("sensitivity")["properties"]["dimensions"]["items"]["properties"]
    assert facts.keys() <= properties.keys()


def test_a_point_changes_its_knobs_alone() -> None:
    whole = of("moving_circles?size=64")
    assert whole.knobs({}) == {"size": "64"}
    assert whole.knobs({"speed:middle": 4.0}) == {"size": "64", "speed": "2.286:5.714"}  # 4 (1 ± .4286)
    both = whole.knobs({"speed:middle": 4.0, "speed:spread": 0.25, "objects": 30, "background": "color"})
    assert both == {"size": "64", "speed": "3:5", "objects": "30", "background": "color"}
    assert whole.knobs({"acceleration:spread": 0.02})["acceleration"] == "-0.02:0.02"


def test_the_start_is_the_preset() -> None:
    for name in ("moving_circles", "acc_transforming_shapes", "perlin", "octopus"):
        whole = of(name)
        before = whole.preset.configured()
        after = whole.preset.configured(**whole.knobs(whole.start))
        for dimension in whole.dimensions:
            if dimension.knob in presets.NESTED:
                continue
            if ":" in dimension.name:
                told = [interval(g, dimension.knob) for g in (before, after)]
                assert [float(e) for e in told[1]] == pytest.approx([float(e) for e in told[0]], rel=1e-3)
            else:
                assert getattr(before, dimension.knob) == getattr(after, dimension.knob)


def test_what_is_given_is_no_dimension() -> None:
    assert "speed:middle" in of("moving_circles").start
    assert "speed:middle" not in of("moving_circles?speed=2").start
    with pytest.raises(UsageError, match="speed is given and to be searched, too"):
        of("moving_circles?speed=2", "speed")


def test_some_are_chosen_by_name_knob_or_group() -> None:
    assert [d.name for d in of("moving_circles", "speed").dimensions] == ["speed:middle", "speed:spread"]
    assert [d.name for d in of("moving_circles", "speed:spread").dimensions] == ["speed:spread"]
    motion = of("moving_circles", "motion").dimensions
    assert {d.group for d in motion} == {"motion"} and len(motion) > 3
    whole = of("moving_circles")
    assert whole.only(["objects", "motion", "speed"]).dimensions == tuple(
        d for d in whole.dimensions if d.group == "motion" or d.name == "objects"
    )


def test_a_knob_that_says_nothing_can_be_named_where_its_range_is_finite() -> None:
    assert not any(d.knob == "size" for d in of("moving_circles").dimensions)
    (size,) = of("moving_circles", "size").dimensions
    assert size.kind == WHOLE and size.low < size.start < size.high


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("sped", "nothing called 'sped'.*Did you mean 'speed'"),
        ("motoin", "nothing called 'motoin'.*Did you mean 'motion'"),
        ("textures", "nothing called 'textures'"),
        ("bank", "bank cannot be searched: it has neither choices nor a finite range"),
        ("textures.stylegan.sigma", "nothing called 'textures.stylegan.sigma'"),
    ],
)
def test_unknown_names_and_what_cannot_be_searched_are_refused(over: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        of("moving_circles", over)


def test_points_of_dimensions_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'speed:middle'"):
        of("moving_circles").knobs({"speed:midle": 1.0})


def test_choices_that_the_generator_refuses_are_left_out() -> None:
    # a picture in the background takes textures
    assert "image" not in of("moving_circles")["background"].choices
    assert "image" in of("acc_transforming_textures")["background"].choices


def test_numbers_of_which_the_generator_refuses_some_are_dimensions(toy: Path) -> None:
    # three quarters of the way it is too bright for blue
    _, preset, given = chosen(f"{toy}/toy.toml?tint=blue")
    assert "gray" in space(preset, given).start and "idle" in space(preset, given).start


# -- nested knobs --------------------------------------------------------------------------------------


def test_knobs_of_textures_are_dimensions_and_keep_the_others() -> None:
    whole = of("dynamic_stylegan_videos")
    sigma = whole["textures.stylegan.sigma"]
    assert (sigma.knob, sigma.group) == ("textures", "motion")
    before = pool.recipes(str(whole.preset.configured().textures))  # type: ignore[attr-defined]
    after = pool.recipes(whole.knobs({"textures.stylegan.sigma": 0.2})["textures"])
    assert len(after) == len(before) == 1
    assert dataclasses.replace(before[0], sigma=0.2) == after[0]  # type: ignore[call-arg]
    both = whole.knobs({"textures.stylegan.sigma": 0.2, "textures.stylegan.network": "highfreq"})
    (one,) = pool.recipes(both["textures"])
    assert (one.sigma, one.network) == (0.2, "highfreq")  # type: ignore[attr-defined]


def test_exponents_of_textures_are_dimensions(tmp_path: Path) -> None:
    whole = of("acc_transforming_textures", "texture")
    assert [d.name for d in whole.dimensions] == [
        "textures.statistical.growth",
        *(f"textures.statistical.{k}:{e}" for k in ("slope", "power") for e in ("middle", "spread")),
    ]
    assert whole.start["textures.statistical.slope:middle"] == 2
    point = {"textures.statistical.slope:middle": 1.0, "textures.statistical.slope:spread": 0.2}
    (found,) = pool.recipes(whole.knobs(point)["textures"])
    assert (found.slope, found.power) == ("0.8:1.2", "0.4:0.8")  # type: ignore[attr-defined]
    # a bank's textures are what they are
    made = pool.Pool(pool.recipes("statistical")[0], 0, "b", 1, tmp_path, stem="statistical")
    made.need([0])
    preset = presets.get("acc_transforming_textures")
    assert not any(d.knob == "textures" for d in space(preset, {"bank": str(tmp_path)}).dimensions)


def test_textures_that_stand_still_have_no_motion() -> None:
    names = [d.name for d in of("acc_transforming_stylegan").dimensions]
    assert "textures.stylegan.network" in names and "textures.stylegan.sigma" not in names
    moving = [d.name for d in of("acc_transforming_dynamic_stylegan").dimensions]
    assert "textures.stylegan.sigma" in moving


def test_operations_that_are_there_twice_are_told_apart() -> None:
    whole = of("moving_circles?size=64")
    preset = dataclasses.replace(
        whole.preset, knobs={**whole.preset.knobs, "adapt": "shake(amplitude=2:4),zoom,shake(amplitude=1)"}
    )
    names = [d.name for d in space(preset).dimensions if d.knob == "adapt"]
    assert "adapt.shake.amplitude:middle" in names and "adapt.shake#2.amplitude:middle" in names
    nested = space(preset)
    start = nested.start["adapt.shake#2.amplitude:middle"]
    text = nested.knobs({"adapt.shake#2.amplitude:middle": 3.0})["adapt"]
    before, after = (adapting.parsed(t).operations for t in (str(preset.configured().adapt), text))
    assert [o.name for o in after] == ["shake", "zoom", "shake"]
    assert after[:2] == before[:2] and start == 1.0
    ends = [float(end) for end in interval(after[2], "amplitude")]
    assert sum(ends) / 2 == pytest.approx(3.0, rel=1e-3)


def test_a_knob_of_a_texture_can_be_named(tmp_path: Path) -> None:
    names = [d.name for d in of("dynamic_stylegan_videos", "textures.stylegan.sigma").dimensions]
    assert names == ["textures.stylegan.sigma"]
    some = [d.name for d in of("dynamic_stylegan_videos", "textures").dimensions]
    assert "textures.stylegan.sigma" in some and len(some) > 1


# -- what a start would say ----------------------------------------------------------------------------


def test_the_start_as_text() -> None:
    whole = of("moving_circles")
    assert whole.spelled(whole["speed:middle"]) == "1.2:3"
    assert whole.spelled(whole["objects"]) == "500"
    moved = dataclasses.replace(whole.preset, knobs={**whole.preset.knobs, "acceleration": "0:0.05"})
    one = space(moved)
    assert one.spelled(one["acceleration:spread"]) == "-0.05:0.05"  # its middle cannot be said
    styled = of("dynamic_stylegan_videos")
    text = styled.spelled(styled["textures.stylegan.sigma"])
    assert text == str(styled.preset.configured().textures)  # type: ignore[attr-defined]
