"""The bench: noise and differences by hand, what it refuses, and that a point of nothing is the preset."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from scipy import stats

from synvid_eval import intervals
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.guidance.bench import Bench, Estimate, Seen, chosen, look, of_both
from synvid_eval.measurement import Options, measure
from synvid_eval.metrics.base import Kind, Metric, Unscored
from synvid_eval.sets import preset_parts
from synvid_eval.states import Side
from synvid_eval.statistics_files import Statistics
from synvid_eval.video.sampling import Sampler
from tests.metrics.sides import clip_side

BLOCKS = 20


def seen(seed: int, clips: tuple[int, ...], shift: float = 0.0) -> Seen:
    """A mean of drawn numbers, a clip each: every block left out is exact."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(shift, 1.0, n) for n in clips]
    others = np.random.default_rng(99).normal(0, 1, BLOCKS)
    whole = np.concatenate(values)

    def without(block: int) -> float:
        rest = np.concatenate([v for k, v in enumerate(values) if k != block])
        return float(rest.mean() - others.mean()) if clips[block] else math.nan

    beside = [whole.mean() - np.delete(others, k).mean() for k in range(BLOCKS)]
    value = float(whole.mean() - others.mean())
    left = np.array([without(k) for k in range(BLOCKS)])
    return Seen("m", value, value, left, np.array(beside), clips, (1,) * BLOCKS)


EVEN = (2,) * BLOCKS
ODD = (3, 0, 1, 2, 2, 0, 1, 4, 1, 1, 2, 3, 1, 0, 2, 2, 1, 1, 5, 2)


@pytest.mark.parametrize("clips", [EVEN, ODD])
def test_noise_is_the_jackknifes_standard_error(clips: tuple[int, ...]) -> None:
    one = seen(1, clips)
    known = intervals.jackknife(one.objective, one.without, clips)
    assert one.noise == math.sqrt(known.variance)
    if clips == EVEN:  # of a mean it is that of the means of blocks, in closed form
        means = [one.objective - (BLOCKS - 1) * (w - one.objective) for w in one.without]
        assert one.noise == pytest.approx(stats.sem(means))


def test_noise_needs_two_blocks_and_a_number() -> None:
    lonely = (5,) + (0,) * (BLOCKS - 1)
    assert math.isnan(replace(seen(1, EVEN), clips=lonely).noise)
    assert math.isnan(replace(seen(1, EVEN), objective=math.nan).noise)


@pytest.mark.parametrize("clips", [EVEN, ODD])
def test_a_difference_by_hand(clips: tuple[int, ...]) -> None:
    one, other = seen(1, clips), seen(2, clips, 0.5)
    found = of_both(lambda a, b: b - a, one, other)
    value = other.objective - one.objective
    assert found.value == value
    variance = 0.0
    for left, right, counts in (
        (one.without, other.without, clips),
        (one.beside, other.beside, (1,) * BLOCKS),
    ):
        total, groups = sum(counts), sum(c > 0 for c in counts)
        pseudo, weights = [], []
        for k in range(BLOCKS):
            if counts[k]:
                h = total / counts[k]
                pseudo.append(h * value - (h - 1) * (right[k] - left[k]))
                weights.append(h - 1)
        estimate = groups * value - sum(
            (1 - counts[k] / total) * (right[k] - left[k]) for k in range(BLOCKS) if counts[k]
        )
        variance += np.mean([(p - estimate) ** 2 / w for p, w in zip(pseudo, weights, strict=True)])
    t = stats.t.ppf(0.975, sum(c > 0 for c in clips) - 1)
    assert (found.low, found.high) == pytest.approx(
        (value - t * math.sqrt(variance), value + t * math.sqrt(variance))
    )
    assert found.sure == (abs(value) > t * math.sqrt(variance)) and found.reason == ""


def test_what_both_have_in_common_cancels() -> None:
    one = seen(1, EVEN)
    shifted = replace(
        one, objective=one.objective + 3, without=one.without + 3, beside=one.beside + 3, value=one.value + 3
    )
    found = of_both(lambda a, b: b - a, one, shifted)
    assert (found.value, found.low, found.high) == pytest.approx((3, 3, 3)) and found.sure
    same = of_both(lambda a, b: b - a, one, one)
    assert (same.value, same.low, same.high) == (0, 0, 0) and not same.sure
    double = replace(one, objective=2 * one.objective, without=2 * one.without, beside=2 * one.beside)
    ratio = of_both(lambda a, b: b / a, one, double)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))


def test_a_block_that_one_of_both_lacks_leaves_it_as_it_is() -> None:
    """A metric may leave out clips of one configuration that it looks at in the other."""
    one, other = seen(1, EVEN), seen(2, ODD)
    found = of_both(lambda a, b: b - a, one, other)
    filled = replace(
        other,
        clips=EVEN,
        without=np.where(np.array(ODD) > 0, other.without, other.objective),
    )
    counts = tuple(np.maximum(EVEN, ODD).tolist())
    wanted = of_both(lambda a, b: b - a, replace(one, clips=counts), replace(filled, clips=counts))
    assert math.isfinite(found.low) and found == wanted
    back = of_both(lambda a, b: a - b, other, one)
    assert (back.value, back.low, back.high) == pytest.approx((found.value, found.low, found.high))


def test_estimates_without_an_interval_say_why() -> None:
    few = tuple(1 if k < 9 else 0 for k in range(BLOCKS))
    found = of_both(lambda a, b: b - a, seen(1, few), seen(2, few))
    assert math.isfinite(found.value) and math.isnan(found.low) and not found.sure
    assert found.reason == "The preset's clips fill 9 groups, and an interval needs 10."
    facts = {"value": found.value, "interval": None, "reason": found.reason, "sure": False}
    assert found.facts() == facts
    one = replace(seen(1, EVEN), reference_clips=few)
    assert of_both(lambda a, b: b - a, one, one).reason.startswith("The reference's clips fill 9")
    gone = replace(seen(2, EVEN), objective=math.nan, reason="It cannot be had.")
    missing = of_both(lambda a, b: b - a, seen(1, EVEN), gone)
    assert math.isnan(missing.value) and missing.reason == "It cannot be had."
    zero = replace(seen(1, EVEN), objective=0.0)
    with np.errstate(divide="ignore"):
        assert of_both(lambda a, b: b / np.float64(a), zero, seen(2, EVEN)).reason


def test_scaled_estimates() -> None:
    one = Estimate(2.0, 1.0, 4.0)
    assert one.scaled(0.5) == Estimate(1.0, 0.5, 2.0)
    assert one.scaled(-1.0) == Estimate(-2.0, -4.0, -1.0)
    assert one.sure and one.scaled(-1.0).sure and not Estimate(1.0, -1.0, 2.0).sure
    assert one.facts() == {"value": 2.0, "interval": [1.0, 4.0], "reason": None, "sure": True}


# -- what a metric sees --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mean(Metric):
    """The mean of one column."""

    name: ClassVar[str] = "mean"
    feature: ClassVar[str] = "x"
    kind: ClassVar[Kind] = "property"
    better: ClassVar[Literal["lower", "higher", "match"]] = "match"
    unit: ClassVar[str] = ""

    @property
    def state(self) -> str:
        return "x"

    def value(self, candidate: Side, reference: Side) -> float:
        moments = candidate.moments("x")
        if moments is None or not moments.n:
            raise Unscored("No row.")
        return float(moments.mean[0])


@dataclass(frozen=True)
class Gap(Mean):
    """The distance of two means."""

    name: ClassVar[str] = "gap"
    kind: ClassVar[Kind] = "distance"
    better: ClassVar[Literal["lower", "higher", "match"]] = "lower"

    def value(self, candidate: Side, reference: Side) -> float:
        gap = super().value(candidate, reference) - super().value(reference, reference)
        return gap * gap


@dataclass(frozen=True)
class Rich(Mean):
    """A mean of which more is richer."""

    name: ClassVar[str] = "rich"
    kind: ClassVar[Kind] = "richness"
    better: ClassVar[Literal["lower", "higher", "match"]] = "higher"


VALUES = np.arange(1.0, 25.0)
OTHERS = np.linspace(5.0, 8.0, 22)
SIDES = [clip_side([[v] for v in values], "x") for values in (VALUES, OTHERS)]


def without(values: np.ndarray) -> np.ndarray:
    """Means with every block left out: clip i is in block i mod 20."""
    block = np.arange(len(values)) % BLOCKS
    return np.array([values[block != k].mean() for k in range(BLOCKS)])


def test_the_objective_of_a_property_is_how_far_it_is_from_the_references() -> None:
    found = look(Mean(), "m", *SIDES)
    assert found.value == pytest.approx(VALUES.mean())
    assert found.objective == pytest.approx(VALUES.mean() - OTHERS.mean())
    np.testing.assert_allclose(found.without, abs(without(VALUES) - OTHERS.mean()))
    np.testing.assert_allclose(found.beside, abs(VALUES.mean() - without(OTHERS)))
    itself = found.itself
    assert itself.objective == found.value
    np.testing.assert_allclose(itself.without, without(VALUES))
    np.testing.assert_allclose(itself.beside, VALUES.mean())
    below = look(Mean(), "m", SIDES[1], SIDES[0])
    assert below.objective == found.objective and below.value == pytest.approx(OTHERS.mean())
    # so the value's change has the candidate's variance alone, and its own sign
    change = of_both(lambda a, b: b - a, found.itself, below.itself)
    assert change.value == pytest.approx(OTHERS.mean() - VALUES.mean())


def test_the_objective_of_a_distance_is_itself() -> None:
    found = look(Gap(), "g", *SIDES)
    assert found.objective == found.value == pytest.approx((VALUES.mean() - OTHERS.mean()) ** 2)
    np.testing.assert_allclose(found.without, (without(VALUES) - OTHERS.mean()) ** 2)
    np.testing.assert_allclose(found.beside, (VALUES.mean() - without(OTHERS)) ** 2)
    assert found.itself is found and found.clips == tuple([2] * 4 + [1] * 16)


def test_the_objective_of_richness_is_its_negative() -> None:
    found = look(Rich(), "r", *SIDES)
    assert -found.objective == found.value == pytest.approx(VALUES.mean())
    np.testing.assert_allclose(found.without, -without(VALUES))
    np.testing.assert_allclose(found.beside, -VALUES.mean())  # the reference is not looked at
    np.testing.assert_allclose(found.itself.without, without(VALUES))


def test_what_cannot_be_had_has_a_reason() -> None:
    empty = clip_side([], "x")
    found = look(Mean(), "m", empty, SIDES[1])
    assert math.isnan(found.objective) and found.reason == "No row." and np.isnan(found.without).all()
    assert math.isnan(look(Mean(), "m", SIDES[0], empty).objective)
    huge = clip_side([[1e200], [1.0]], "x")
    with np.errstate(over="ignore"):
        found = look(Gap(), "g", huge, SIDES[1])
    assert found.reason == "It came out as inf." and math.isnan(found.objective)


# -- the bench itself ----------------------------------------------------------------------------------


def test_presets_are_named_as_in_locations(toy: Path) -> None:
    for text in ("moving_circles?size=64&objects=9", "preset:moving_circles?size=64&objects=9"):
        place, preset, given = chosen(text)
        assert (place, preset.name, given) == (
            "moving_circles",
            "moving_circles",
            {"size": "64", "objects": "9"},
        )
    place, preset, given = chosen(f"{toy}/toy.toml?gray=90")
    assert (place, preset.name, given) == (f"{toy}/toy.toml", "toy", {"gray": "90"})
    assert chosen("sat_textures", images="x")[2] == {"images": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("moving_circle", "Did you mean 'moving_circles'"),
        ("moving_circles?sped=2", "has no knob 'sped'.*Did you mean 'speed'"),
        ("moving_circles?n=9", "n=9 in .* means nothing here. Give --clips"),
        ("moving_circles?seed=9", "seed=9 in .* means nothing here. Give --seed"),
        ("moving_circles?speed=9:1", "runs backwards"),
        ("moving_circles?objects=-3", "out of range"),
    ],
)
def test_presets_that_cannot_be_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen(text)


def bench(toy: Path, reference: Any, metrics: tuple[str, ...] = ("lightness",), **more: Any) -> Bench:
    place, preset, given = chosen(f"{toy}/toy.toml")
    clips = more.pop("clips", 12)
    options = Options(cache=Cache(more.pop("cache", None)), workers=1)
    return Bench(place, preset, given, reference, metrics, clips, options, **more)


REFERENCE = "toy.toml?gray=150&n=12&seed=3"


def test_a_bench_draws_the_preset_under_its_own_name_and_seed(toy: Path, tmp_path: Path) -> None:
    with bench(toy, f"preset:{toy}/{REFERENCE}", cache=tmp_path) as made:
        assert made.location({"gray": "90"}) == f"preset:{toy}/toy.toml?n=12&seed=0&gray=90"
        odd = made.location({"tint": "a b+c&d=(1:2,3)"}, clips=5, seed=7)
        preset, query = preset_parts(odd)
        assert query == {"n": "5", "seed": "7", "tint": "a b+c&d=(1:2,3)"} and preset.name == "toy"
        assert made.start.facts.clips == 12 and made.start.facts.name == "toy"
        assert made.measure({}).facts.fingerprint == made.start.facts.fingerprint
        brighter = made.measure({"gray": "140"})
        assert [c.id for c in brighter.clips] == [c.id for c in made.start.clips]
        both = made.seen(made.start)["lightness"], made.seen(brighter)["lightness"]
        assert both[0].clips == both[1].clips and both[1].objective < both[0].objective
        other = made.measure({}, clips=12, seed=1)
        assert other.facts.fingerprint != made.start.facts.fingerprint
        again = made.seen(made.start, reference=made.start)["lightness"]
        assert again.objective == 0
    with bench(toy, made.reference, cache=tmp_path) as second:  # a reference that is measured already
        assert second.reference is made.reference


def test_what_a_bench_refuses(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--clips 1 is too few"):
        bench(toy, f"preset:{toy}/{REFERENCE}", clips=1)
    with pytest.raises(DataError, match="does not exist"):
        bench(toy, str(tmp_path / "gone"))
    array = np.zeros((2, 4, 16, 16, 3), np.uint8)
    four = measure(array, features=["lab"], name="four", options=Options(sampler=Sampler(frames=4)))
    with pytest.raises(DataError, match=r"four was measured with sampler\.frames=4, asked is 16"):
        bench(toy, four)
    gaussian = Statistics(four.facts, np.zeros(3), np.eye(3))
    with pytest.raises(UsageError, match="four is a file of mu and sigma, which knows no clips"):
        bench(toy, replace(four, statistics=gaussian))


def test_metrics_that_cannot_be_settled(toy: Path, tmp_path: Path) -> None:
    short = f"preset:{toy}/toy.toml?length=1&n=12"  # no run of frames at all
    with pytest.raises(DataError, match="motion cannot be had of both sets"):
        bench(toy, short, metrics=("motion", "lightness"), cache=tmp_path)
    with bench(toy, short, metrics=("motion", "lightness"), cache=tmp_path, lenient=True) as made:
        assert list(made.metrics) == ["lightness"]
        assert made.absent["motion"].startswith("motion cannot be had of both sets: No stride")


@pytest.mark.parametrize(("start", "found"), [(1.0, 0.05), (0.5, 0.2)])
def test_ratios_of_distances_are_corrected_and_their_intervals_hold_the_truth(
    start: float, found: float
) -> None:
    """Squared distances of means in 20 dimensions, of 100 and 60 rows: the plain ratio of the first pair is
    ten times too large.
    """
    rng, dim, clips = np.random.default_rng(1), 20, (100, 60)

    def look_at(rows: Any, other: Any, groups: Any, others: Any) -> Seen:
        def apart(one: Any, two: Any) -> float:
            return float(((one.mean(0) - two.mean(0)) ** 2).sum())

        without = np.array([apart(rows[groups != k], other) for k in range(20)])
        beside = np.array([apart(rows, other[others != k]) for k in range(20)])
        counts = [tuple(np.bincount(g, minlength=20).tolist()) for g in (groups, others)]
        value = apart(rows, other)
        return Seen("m", value, value, without, beside, *counts)

    truth, held, values = (found / start) ** 2, 0, []
    for _ in range(200):
        groups, others = (rng.integers(0, 20, n) for n in clips)
        shared, real = rng.normal(size=(clips[0], dim)), rng.normal(size=(clips[1], dim))
        moved = 0.5 * shared + 0.866 * rng.normal(size=(clips[0], dim))  # the same random numbers, in part
        pair = [look_at(rows, real, groups, others) for rows in (shared + start, moved + found)]
        told = of_both(lambda one, other: other / one, *pair, unbiased=False)
        held += told.low <= truth <= told.high
        values.append(told.value)
    assert held >= 184  # 92 %
    assert abs(np.mean(values) - truth) < 0.1 * truth + 0.002


def test_a_side_of_one_block_has_nothing_to_leave_out() -> None:
    from synvid_eval.metrics.motion import Motion

    one = measure("preset:moving_circles?size=32&length=17&n=1", features=["motion"])
    other = measure("preset:moving_circles?size=32&length=17&n=6&seed=2", features=["motion"])
    sides = [m.sides["motion"] for m in (other, one)]
    metric = Motion(stride=1)
    found = look(metric, "motion", *sides)
    assert math.isfinite(found.objective) and math.isfinite(found.noise) and np.isnan(found.beside).all()
    assert math.isnan(look(metric, "motion", *reversed(sides)).noise)
