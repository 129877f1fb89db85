"""The bench: settings of a preset, each measured with the same random numbers, against one reference.

Every configuration is drawn under the preset's own name and seed, so what a knob does not touch stays as it
was (common random numbers), and its clips fall into the same 20 blocks. So a difference of two
configurations is far surer than each value, and its interval comes from leaving the same block out of both.

An *objective* is a number to be made small: a distance itself, how far a property lies from the reference's,
a richness with its sign turned.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synvid_eval import knobs
from synvid_eval.cache import Cache
from synvid_eval.comparison import Recipe, check_recipe, prepare
from synvid_eval.errors import DataError, UsageError
from synvid_eval.features.pixels import Pixels
from synvid_eval.generators.pool import Pool, kept_apart
from synvid_eval.generators.presets import Preset
from synvid_eval.intervals import MIN_GROUPS, Jackknife, corrected, interval, jackknife
from synvid_eval.measurement import Measurement, Measurer, Options, hashing
from synvid_eval.metrics.base import Metric, Unscored
from synvid_eval.score import LEVEL
from synvid_eval.sets import check_usage, is_measured, name_sets, open_set, preset_parts, share_options
from synvid_eval.states import Side
from synvid_eval.statistics_files import is_statistics
from synvid_eval.video.sampling import Sampler
from synvid_eval.video.videoset import VideoSet

Floats = NDArray[np.float64]

COLORS = 64
"""Colors of a palette that is taken from a set."""


@dataclass(frozen=True)
class Seen:
    """One metric of one configuration.

    value: the metric's own, NaN where there is none (`reason`). objective: what is to be made small. without:
    float64 [20], the objective with each block of the configuration's clips left out (NaN where empty).
    beside: the same with each block of the reference left out. clips, reference_clips: of each block.
    own_without: float64 [20], the value with each block of the configuration's clips left out; None where
    that is the objective. rich: whether it is a richness, with its sign turned.
    """

    metric: str
    value: float
    objective: float
    without: Floats
    beside: Floats
    clips: tuple[int, ...]
    reference_clips: tuple[int, ...]
    reason: str = ""
    own_without: Floats | None = None
    rich: bool = False

    @property
    def itself(self) -> Seen:
        """The same with the metric's own value in the objective's place."""
        if self.own_without is None:
            return self
        # of a value that is no distance, no block of the reference changes anything
        beside = np.where(np.array(self.reference_clips) > 0, self.value, math.nan)
        return replace(self, objective=self.value, without=self.own_without, beside=beside)

    @property
    def noise(self) -> float:
        """The standard error of the objective as far as it comes from which clips were drawn; NaN below two
        filled blocks.
        """
        if not math.isfinite(self.objective) or sum(c > 0 for c in self.clips) < 2:
            return math.nan
        return math.sqrt(jackknife(self.objective, self.without, self.clips).variance)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval: null ends and a reason where it bears none."""

    value: float
    low: float
    high: float
    reason: str = ""

    @property
    def sure(self) -> bool:
        """Whether the interval excludes 0."""
        return math.isfinite(self.low) and (self.low > 0 or self.high < 0)

    def scaled(self, factor: float) -> Estimate:
        """The estimate of that many times the number."""
        ends = sorted((factor * self.low, factor * self.high))
        return replace(self, value=factor * self.value, low=ends[0], high=ends[1])

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        ends = None if self.reason else [self.low, self.high]
        return {"value": self.value, "interval": ends, "reason": self.reason or None, "sure": self.sure}


def of_both(
    of: Callable[[Floats | float, Floats | float], Any],
    one: Seen,
    other: Seen,
    level: float = LEVEL,
    unbiased: bool = True,
) -> Estimate:
    """A function of two configurations' objectives (their difference, their ratio), with its interval.

    unbiased: whether the function of unbiased objectives is meant, and what is given is one: the bias of
    distances cancels in a difference, but not in a ratio, where the jackknife's correction is told instead.

    The same block of clips is left out of both, then the same block of the reference: the weighted jackknife
    (see `synvid_eval.intervals`). The configurations must be of the same clips. A metric may look at fewer of
    them (it leaves out frames without contrast, say): a block that is empty for one of both leaves that one
    as it is.
    """
    value = float(of(one.objective, other.objective))
    if not math.isfinite(value):
        return Estimate(math.nan, math.nan, math.nan, one.reason or other.reason or "It is no finite number.")
    parts: list[Jackknife] = []
    for turn, whose in enumerate(("The preset's clips", "The reference's clips")):
        blocks = [(s.without, s.clips) if turn == 0 else (s.beside, s.reference_clips) for s in (one, other)]
        clips = np.maximum(blocks[0][1], blocks[1][1])
        if (filled := int((clips > 0).sum())) < MIN_GROUPS:
            why = f"{whose} fill {filled} groups, and an interval needs {MIN_GROUPS}."
            return Estimate(value, math.nan, math.nan, why)
        left, right = (
            np.where(np.array(there) > 0, out, whole.objective)
            for (out, there), whole in zip(blocks, (one, other), strict=True)
        )
        parts.append(jackknife(value, of(left, right), clips))
    if not unbiased:
        value = corrected(value, parts)
    low, high = interval(value, parts, level)
    if not (math.isfinite(low) and math.isfinite(high)):
        why = "With a group of clips left out it is no finite number."
        return Estimate(value, math.nan, math.nan, why)
    return Estimate(value, low, high)


def chosen(
    text: str, images: str | None = None, videos: str | None = None
) -> tuple[str, Preset, dict[str, str]]:
    """The preset that a command is given: (what names it in a `preset:` location, the preset, the knobs that
    its query sets).

    Args:
        text: `moving_circles`, `best.toml`, `preset:moving_circles?size=128`. images, videos: for presets
        that need them.

    Raises:
        UsageError: no preset, an unknown knob, a number of clips or a seed in the query. DataError: a preset
        file that cannot be read.
    """
    place = text.removeprefix("preset:")
    preset, given = preset_parts(f"preset:{place}")
    for key, option in (("n", "--clips"), ("seed", "--seed")):
        if key in given:
            raise UsageError(f"{key}={given[key]} in {text} means nothing here.", f"Give {option}.")
    given |= {k: v for k, v in (("images", images), ("videos", videos)) if v is not None}
    preset.configured(**given)
    return place.partition("?")[0], preset, given


def opened(
    reference: str,
    options: Options,
    *,
    layout: str = "auto",
    fps: float | None = None,
    split: str | None = None,
    root: str | None = None,
    follow_outside: bool = False,
) -> VideoSet:
    """A set of which clips are to be looked at, as on the command line, not measured.

    Raises:
        DataError: nothing is there; a `.measured` file or one of mu and sigma, which holds no clips.
    """
    ((name, location),) = name_sets([reference])
    if is_measured(location) or is_statistics(location):
        raise DataError(
            f"{reference} holds no clips.",
            "Give the set that it was made from.",
        )
    check_usage(location)
    (own,) = share_options([location], layout, split, root, follow_outside, None, None)
    return open_set(
        location,
        name=name,
        layout=layout,
        fps=fps,
        seed=options.seed,
        decode_timeout=options.decode_timeout,
        tell=hashing(name, options.progress),
        **own,
    )


def palette_of(videos: VideoSet, options: Options) -> str:
    """The colors of a set as the text of a palette: `COLORS` of them that stand for its pixels.

    Raises:
        DataError: clips that cannot be read.
    """
    from synvid_eval.generators.palette import Colors

    with Measurer([Pixels()], replace(options, sampler=Sampler())) as measurer:
        side = measurer.measure(videos).sides[Pixels.name]
    rows = side.rows(Pixels.name)
    if rows is None:
        raise DataError(
            f"{videos.name} has no pixel to take a palette from.", "Look at it: synvid-eval inspect."
        )
    text: str = Colors.of_pixels(rows.rows.astype(np.uint8), COLORS, options.seed).spelled
    return text


def check_clips(clips: int) -> None:
    """UsageError for fewer clips than a set has."""
    if clips < 2:
        raise UsageError(f"--clips {clips} is too few.", "A set has two clips and more.")


class Bench:
    """Measures configurations of one preset and scores them against one reference; closed at the end.

    Args:
        place, preset, fixed: as `chosen` gives them. reference: a set, as on the command line, or one that is
        open or measured already. metrics: names; settings: `NAME.KNOB=VALUE` of them. clips: of a
        configuration. options: the seed of the clips, workers, cache, progress. lenient: a metric that
        reference and preset cannot both give stands in `absent`, with the reason, and ends nothing. opening:
        how the reference is opened, as of `compare`.

    Raises:
        UsageError, WeightsError, DataError: as of `compare`, before anything is drawn.
    """

    def __init__(
        self,
        place: str,
        preset: Preset,
        fixed: Mapping[str, str],
        reference: Any,
        metrics: Sequence[str],
        clips: int,
        options: Options,
        *,
        settings: Sequence[str] = (),
        networks: Any = None,
        lenient: bool = False,
        **opening: Any,
    ) -> None:
        check_clips(clips)
        self.place, self.preset, self.fixed, self.clips = place, preset, dict(fixed), clips
        made, opened = prepare(
            [reference],
            metrics=list(metrics),
            settings=settings,
            networks=networks,
            seed=options.seed,
            decode_timeout=options.decode_timeout,
            progress=options.progress,
            **opening,
        )
        self.recipe: Recipe = made
        self.options = replace(options, sampler=made.sampler)
        self.absent: dict[str, str] = {}
        for one in opened:
            if isinstance(one, Measurement):
                if one.statistics is not None:
                    who = f"{one.facts.name} is a file of mu and sigma"
                    raise UsageError(f"{who}, which knows no clips.", "Give the videos it was made of.")
                check_recipe(one, made, options.seed)
        start = self.videos({})  # what cannot be drawn is told before anything is measured
        self._measurer = Measurer(made.features, self.options)
        try:
            self.reference = self._measured(opened[0])
            self.start = self._measurer.measure(start)
            self.metrics = self._settled(lenient)
        except BaseException:
            self._measurer.__exit__()
            raise

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *rest: object) -> None:
        self._measurer.__exit__(*rest)

    def _measured(self, one: VideoSet | Measurement) -> Measurement:
        return self._measurer.measure(one) if isinstance(one, VideoSet) else one

    def _settled(self, lenient: bool) -> dict[str, Metric]:
        """Label → metric, decided once for the reference and the preset as it is, so that all configurations
        are scored alike.
        """
        found = {}
        for metric in self.recipe.metrics:
            feature = next(f for f in self.recipe.features if f.name == metric.feature)
            sides = [m.sides[metric.feature] for m in (self.start, self.reference)]
            try:
                found[self.recipe.label(metric)] = metric.settle(sides, feature)
            except Unscored as error:
                why = f"{metric.name} cannot be had of both sets: {error}"
                if not lenient:
                    raise DataError(why) from None
                self.absent[self.recipe.label(metric)] = why
        return found

    @property
    def labels(self) -> dict[str, str]:
        """Name of a metric → what it is called where it is scored."""
        return {metric.name: self.recipe.label(metric) for metric in self.recipe.metrics}

    def recipe_facts(self) -> dict[str, Any]:
        """What decides how a configuration is scored, ready for JSON."""
        metrics = {label: [m.revision, knobs.recipe(m)] for label, m in self.metrics.items()}
        return {**self.reference.recipe(), "metrics": metrics}

    def identities(self, settings: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Everything that decides the pixels of the preset's clips with each of these knobs (knob → text)."""
        configured = [self.preset.configured(**{**self.fixed, **own}) for own in settings]
        return [one.identity(self.options.seed) for one in configured]

    def location(self, knobs: Mapping[str, str], clips: int = 0, seed: int | None = None) -> str:
        """A configuration as a SET of the command line."""
        given = {"n": str(clips or self.clips), "seed": str(self.options.seed if seed is None else seed)}
        # what shells and readers do without is not escaped; a plus would be read as a blank
        return f"preset:{self.place}?{urlencode({**given, **self.fixed, **knobs}, safe=':,()/=')}"

    def measure(self, knobs: Mapping[str, str], clips: int = 0, seed: int | None = None) -> Measurement:
        """The measured set of a configuration (knob → text), of `clips` clips (default: the bench's).

        Raises:
            UsageError: what the generator refuses. DataError: clips that cannot be drawn.
        """
        return self._measurer.measure(self.videos(knobs, clips, seed))

    def pools(self, knobs: Mapping[str, str]) -> list[Pool]:
        """The textures that a configuration shows and that are made for it, if any: neither those of a bank
        nor those that each clip makes for itself.
        """
        generator = self.preset.configured(**{**self.fixed, **knobs})
        if getattr(generator, "dynamic", False) or not hasattr(generator, "pools"):
            return []
        return [one for one in generator.pools(self.options.seed) if not one.is_bank]

    def timed(self, knobs: Mapping[str, str]) -> tuple[float, float]:
        """(seconds that a configuration takes, drawn and measured now whatever is kept; how many of them go
        to textures that are made for it: it is measured again with them).
        """
        bare = replace(self.options, cache=Cache(None))
        with kept_apart(), Measurer(self.recipe.features, bare) as measurer:
            # processes start and compile; another seed, so that no texture is there
            measurer.measure(self.videos(knobs, 2, self.options.seed + 1))
            took = []
            for _ in range(2 if self.pools(knobs) else 1):
                began = time.monotonic()
                self.seen(measurer.measure(self.videos(knobs)))
                took.append(time.monotonic() - began)
            return took[0], max(0.0, took[0] - took[-1])

    def videos(self, knobs: Mapping[str, str], clips: int = 0, seed: int | None = None) -> VideoSet:
        """The set of a configuration, not measured."""
        return open_set(
            self.location(knobs, clips, seed),
            name=self.preset.name,
            seed=self.options.seed,
            decode_timeout=self.options.decode_timeout,
        )

    def seen(self, measured: Measurement, reference: Measurement | None = None) -> dict[str, Seen]:
        """Label → what each metric sees of a measured configuration."""
        against = reference or self.reference
        with threadpool_limits(1):  # the same bits whatever the number of threads
            return {
                label: look(metric, label, measured.sides[metric.feature], against.sides[metric.feature])
                for label, metric in self.metrics.items()
            }


def look(metric: Metric, label: str, candidate: Side, reference: Side) -> Seen:
    """One metric of a candidate against a reference, with every block left out once; NaN for those of a side
    that is one block, of which nothing would be left.
    """
    sides = (candidate, reference)
    clips, others = (tuple(side.block_clips(metric.state)) for side in sides)
    nothing = np.full(len(clips), math.nan), np.full(len(others), math.nan)
    alone: Floats | None = None

    def left_out(given: tuple[Side, ...], turn: int) -> Floats:
        if sum(c > 0 for c in given[turn].block_clips(metric.state)) < 2:
            return np.full(len(given[turn].block_clips(metric.state)), math.nan)
        return np.array(metric.left_out(given, turn))

    try:
        value = float(metric.value(*sides))
        if metric.pair:
            without, beside = (left_out(sides, turn) for turn in (0, 1))
            found = value, without, beside
        else:
            own = float(metric.value(reference, reference))
            left = alone = left_out((candidate,), 0)
            if metric.better == "match":
                right = left_out((reference,), 0)
                found = abs(value - own), np.abs(left - own), np.abs(value - right)
            else:
                sign = -1.0 if metric.better == "higher" else 1.0
                found = sign * value, sign * left, np.full(len(others), sign * value)
    except Unscored as error:
        return Seen(label, math.nan, math.nan, *nothing, clips, others, str(error))
    objective, without, beside = found
    if not math.isfinite(objective):
        return Seen(label, value, math.nan, *nothing, clips, others, f"It came out as {objective}.")
    rich = metric.better == "higher"
    return Seen(label, value, objective, without, beside, clips, others, own_without=alone, rich=rich)
