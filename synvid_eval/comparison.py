"""Comparing measured sets: each set is measured alone, then every metric scores every candidate against the
reference.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import synvid_eval
from synvid_eval import features as feature_room
from synvid_eval import knobs, protocols
from synvid_eval import metrics as metric_room
from synvid_eval.errors import DataError, UsageError, WeightsError, nearest
from synvid_eval.features.base import Feature
from synvid_eval.features.network import OPTIONS, NetworkFeature, Networks
from synvid_eval.measurement import (
    Measurement,
    Measurer,
    Options,
    Progress,
    hashing,
    read_gaussian,
    read_measured,
)
from synvid_eval.media import check_names, of_metrics, previews
from synvid_eval.metrics.base import Metric, Unscored
from synvid_eval.networks.weights import MissingWeights, fetch_command, recognized
from synvid_eval.protocols import PROTOCOLS, Protocol
from synvid_eval.score import Comparison, Score, long_signature, recipe, short_signature
from synvid_eval.scoring import over_threads, score_pair, unscored
from synvid_eval.sets import (
    check_usage,
    is_measured,
    is_uri,
    name_sets,
    open_set,
    share_options,
    split_name,
    takes_fps,
)
from synvid_eval.states import Side
from synvid_eval.statistics_files import FEATURE, Statistics, is_statistics
from synvid_eval.video.layouts import LAYOUTS
from synvid_eval.video.sampling import Sampler
from synvid_eval.video.videoset import VideoSet

Location: TypeAlias = "str | os.PathLike[str] | NDArray[np.uint8] | VideoSet | Measurement"

DEFAULT_METRICS = ("color", "spectrum", "motion", "tubelet", "effective_rank")
NETWORK_METRICS = ("fid", "kid", "fvd", "kvd", "diversity")
"""What follows them where the weights are there."""
RUN = "run"
RUN_METRICS = ("fd[run]", "kd[run]", "diversity[run]")
"""What follows these where `--features run=RUN` names an encoder, or all sets are measured with one; their
feature.
"""


@dataclass(frozen=True)
class Recipe:
    """What is computed: configured metrics, the features they need, the sampler, and the protocol they
    follow.

    absent: metrics that stand in the table without a value, each with what it is called there and the reason
    (weights are missing).
    """

    metrics: tuple[Metric, ...]
    features: tuple[Feature, ...]
    sampler: Sampler
    protocol: Protocol = PROTOCOLS["default"]
    absent: tuple[tuple[Metric, str, str], ...] = ()

    def label(self, metric: Metric) -> str:
        """What scores of that metric are called: its name, and its feature's variant (random weights), which
        stands in place of what brackets the name has itself (`fd[run]`, `fd[random-run]`).
        """
        variant = next((f.variant() for f in self.features if f.name == metric.feature), "")
        return f"{metric.name.partition('[')[0]}[{variant}]" if variant else metric.name


def list_metrics() -> list[dict[str, str]]:
    """Name, kind, unit, direction, feature and first sentence of each installed metric."""
    out = []
    for name in metric_room.registry.names():
        try:
            metric = metric_room.registry.get(name)
        except UsageError as error:  # one broken package must not hide the others
            broken = {"name": name, "kind": "broken", "unit": "", "better": "", "feature": ""}
            out.append({**broken, "about": str(error)})
            continue
        essay = (importlib.import_module(metric.__module__).__doc__ or metric.__doc__ or "").strip()
        out.append(
            {
                "name": name,
                "kind": metric.kind,
                "unit": metric.unit,
                "better": metric.better,
                "feature": metric.feature,
                "about": essay.split("\n")[0],
            }
        )
    return out


def build_recipe(
    metrics: Iterable[str] | None = None,
    settings: Sequence[str] = (),
    frames: int | None = None,
    protocol: str = "default",
    networks: Networks | None = None,
) -> Recipe:
    """The recipe of metric names and `NAME.KNOB=VALUE` settings, with weights: `parse_recipe`, then `decide`.

    `networks` says which weights network features run with. Without `metrics` those that need weights which
    are missing are `absent`. Raises what those two raise.
    """
    chosen = networks or Networks()
    made = parse_recipe(metrics, settings, frames, protocol, encoder=bool(chosen.run))
    return decide(made, chosen, by_name=metrics is not None)


def parse_recipe(
    metrics: Iterable[str] | None = None,
    settings: Sequence[str] = (),
    frames: int | None = None,
    protocol: str = "default",
    statistics: bool = False,
    encoder: bool = False,
) -> Recipe:
    """The recipe of metric names and `NAME.KNOB=VALUE` settings, before it is known which weights networks
    run with.

    NAME is a metric (the knob is looked for in the metric, then in its feature), a feature, or `sampler`.
    `statistics`: a set is a file of mu and sigma, which `fid` alone can compare. `encoder`: one is named, so
    that its metrics are among those that are asked for by default. Raises UsageError for unknown names and
    knobs, values that cannot be read or are out of range, settings of something that is not used or that an
    option decides, and what contradicts the protocol.
    """
    rules = protocols.get(protocol)
    asked = [metrics] if isinstance(metrics, str) else metrics
    default = (*DEFAULT_METRICS, *NETWORK_METRICS, *(RUN_METRICS if encoder else ()))
    if statistics:
        default = ("fid",)
    names = list(dict.fromkeys(default if asked is None else asked))
    if not names:
        raise UsageError("No metric is asked for.", nearest("", metric_room.registry.names()))
    kinds = {n: metric_room.registry.get(n) for n in names}
    needed = sorted({k.feature for k in kinds.values()})
    features = {f: feature_room.registry.get(f) for f in needed}
    of_metric: dict[str, dict[str, str]] = {n: {} for n in names}
    of_feature: dict[str, dict[str, str]] = {f: {} for f in needed}
    of_sampler: dict[str, str] = {}
    typed: dict[tuple[int, str], str] = {}
    for text in settings:
        name, knob, value = _split_setting(text)
        if name in kinds and knob in knobs.names(kinds[name]):
            target = of_metric[name]
        elif name in kinds and knob in knobs.names(features[kinds[name].feature]):
            target = of_feature[kinds[name].feature]
        elif name in features and knob in knobs.names(features[name]):
            target = of_feature[name]
        elif name == "sampler":
            target = of_sampler
        elif name in kinds or name in features:
            known = {*knobs.names(features[kinds[name].feature] if name in kinds else features[name])}
            known |= set(knobs.names(kinds[name])) if name in kinds else set()
            raise UsageError(f"{name} has no knob {knob!r}.", nearest(knob, known))
        else:
            everything = {*metric_room.registry.names(), *feature_room.registry.names(), "sampler"}
            if name in everything:
                raise UsageError(
                    f"--set {text}: {name} is not among what is measured.", f"Measured: {', '.join(names)}."
                )
            raise UsageError(f"--set {text}: nothing is called {name!r}.", nearest(name, everything))
        if (
            knob in OPTIONS
            and target is not of_sampler
            and issubclass(features[kinds[name].feature if name in kinds else name], NetworkFeature)
        ):
            if knob == "encoder":
                raise UsageError(f"--set {text}: that is what the encoder is.", "Give --features run=RUN.")
            raise UsageError(f"--set {text}: {knob} is the same for all networks.", f"Give {OPTIONS[knob]}.")
        if target.get(knob, value) != value:
            before = typed[id(target), knob]
            share = "" if before == name else f" {before} and {name} share the feature that has it."
            raise UsageError(
                f"--set {text} contradicts --set {before}.{knob}={target[knob]}.{share}", "Give one value."
            )
        target[knob] = value
        typed[id(target), knob] = name
    if frames is not None:
        if of_sampler.get("frames", str(frames)) != str(frames):
            raise UsageError(
                f"--frames {frames} contradicts --set sampler.frames={of_sampler['frames']}.", "Give one."
            )
        of_sampler["frames"] = str(frames)
    of_metric = {n: rules.merged(n, given) for n, given in of_metric.items()}
    of_feature = {f: rules.merged(f, given) for f, given in of_feature.items()}
    of_sampler = rules.merged("sampler", of_sampler)
    made = {n: knobs.replace(kinds[n](), of_metric[n]) for n in names}
    configured: dict[str, Feature] = {}
    for name in needed:
        try:
            configured[name] = knobs.replace(features[name](), of_feature[name])
        except UsageError as error:  # in the words of who typed it
            said = {f"{name}.{k}=": f"{n}.{k}=" for (_, k), n in typed.items() if k in of_feature[name]}
            message = error.message
            for ours, theirs in said.items():
                message = message.replace(ours, theirs)
            raise UsageError(message, error.hint) from None
    sampler = knobs.replace(Sampler(), of_sampler)
    return Recipe(tuple(made.values()), tuple(configured.values()), sampler, rules)


def decide(
    made: Recipe, networks: Networks, by_name: bool, sets: Sequence[VideoSet | Measurement] = ()
) -> Recipe:
    """The recipe with weights for its network features.

    by_name: its metrics were asked for by name. sets: those that will be compared, where that is known: if
    all are measured already, no network will run, and weights are those that they were measured with.

    Raises WeightsError where a metric that was asked for by name lacks its weights, where they are wrong, or
    where --weights has none at all; UsageError for a device that is not there, and for options of networks
    where every set is a file of mu and sigma.
    """
    features = {f.name: f for f in made.features}
    missing: dict[str, str] = {}
    lacking: list[NetworkFeature] = []
    errors: list[MissingWeights] = []
    asked = [f.name for f in made.features if isinstance(f, NetworkFeature)]
    if sets and all(isinstance(s, Measurement) and s.statistics for s in sets):
        _check_nothing_ignored(made, networks, sets)
    if not asked and networks.given():
        raise UsageError(
            f"{', '.join(networks.given())} means nothing: no metric that is asked for runs a network.",
            "Leave it away.",
        )
    _check_named(made, networks)
    for name in asked:
        feature = cast(NetworkFeature, features[name])
        if (held := _held(feature, networks, sets)) is not None:
            features[name] = held
            continue
        try:
            features[name] = networks.decide(feature)
        except MissingWeights as error:
            lacking.append(feature)
            errors.append(error)
        except WeightsError as error:
            if by_name or networks.weights or feature.named:
                raise
            missing[name] = str(error)
    if errors and (by_name or (networks.weights and len(errors) == len(asked))):
        if len(errors) == 1:
            raise errors[0]
        told = [text for e in errors for text in (e.message, e.hint)]
        raise MissingWeights(" ".join(told[:-1]), told[-1])
    # without names it gets what every network wants by default: one command for all of them
    plain = len(lacking) > 1 and all(f.wanted_weights() == f.network for f in lacking)
    for feature in lacking:
        which = [] if plain else [feature.wanted_weights()]
        missing[feature.name] = f"needs weights: {fetch_command(which, networks.weights or None)}"
    for one in features.values():
        if one.least_run() > made.sampler.length and one.name not in missing:
            raise UsageError(
                f"{one.name} looks at {one.least_run()} frames, and runs have {made.sampler.length}.",
                f"Give --set sampler.length={one.least_run()}.",
            )
    return replace(
        made,
        metrics=tuple(m for m in made.metrics if m.feature not in missing),
        features=tuple(f for n, f in features.items() if n not in missing),
        absent=tuple((m, m.name, missing[m.feature]) for m in made.metrics if m.feature in missing),
    )


def _check_named(made: Recipe, networks: Networks) -> None:
    """UsageError where an encoder is named for nothing, or what is said of other networks is for none."""
    kinds = {f.named for f in made.features if isinstance(f, NetworkFeature)}
    option = f"--features {networks.random}" if networks.random else f"--weights {networks.weights}"
    if networks.run and True not in kinds:
        raise UsageError(
            f"--features run={networks.run} means nothing: no metric that is asked for runs it.",
            f"Ask for --metrics {','.join(RUN_METRICS)} too, or leave it away.",
        )
    if (networks.random or networks.weights) and kinds == {True}:
        raise UsageError(
            f"{option} means nothing: the metrics that are asked for run the encoder of --features run=RUN.",
            "Leave it away.",
        )


def _check_nothing_ignored(made: Recipe, networks: Networks, sets: Sequence[VideoSet | Measurement]) -> None:
    """UsageError for what means nothing where every set is a file of mu and sigma."""
    given = networks.given()
    told = any(isinstance(s, Measurement) and s.statistics and s.statistics.recipe for s in sets)
    configured: list[Metric | Feature] = [*made.metrics, *(made.features if not told else ())]
    for one in configured:
        default = knobs.recipe(type(one)())
        given += [f"--set {one.name}.{k}={v}" for k, v in knobs.recipe(one).items() if v != default[k]]
    if given:
        raise UsageError(
            f"{', '.join(given)} means nothing: every set is a file of mu and sigma, made already.",
            "Leave it away.",
        )


def _held(
    feature: NetworkFeature, networks: Networks, sets: Sequence[VideoSet | Measurement]
) -> NetworkFeature | None:
    """The feature as measured sets hold it, where all of `sets` do; None where a network must run, or weights
    are given that have to be the same.
    """
    if not sets or (networks.run if feature.named else networks.random or networks.weights):
        return None
    recipes: list[dict[str, Any]] = []
    for one in sets:
        if not isinstance(one, Measurement):
            return None
        if one.statistics is not None:
            if feature.name == FEATURE and one.statistics.recipe is not None:
                recipes.append(one.statistics.recipe["feature"])
        elif feature.name in one.features:
            recipes.append(knobs.recipe(one.features[feature.name]))
        else:
            return None
    default = knobs.recipe(type(feature)())
    own = {k: v for k, v in knobs.recipe(feature).items() if v != default[k]}
    precision = {"precision": networks.precision} if networks.precision != default["precision"] else {}
    return type(feature)(**{**(recipes[0] if recipes else default), **own, **precision})


def _split_setting(text: str) -> tuple[str, str, str]:
    left, sign, value = text.partition("=")
    name, dot, knob = left.rpartition(".")
    if not (sign and dot and name and knob):
        raise UsageError(
            f"--set {text} cannot be read.", "It is NAME.KNOB=VALUE, such as spectrum.window=none."
        )
    return name, knob, value


def settings_of(metrics: Iterable[str], settings: Sequence[str]) -> list[str]:
    """Those of `NAME.KNOB=VALUE` that are of these metrics, of their features or of the sampler. One that
    another metric's name gives to a feature that these share is given in the feature's own name.

    Raises:
        UsageError: a setting that cannot be read, an unknown metric.
    """
    wanted = list(metrics)
    features = {metric_room.registry.get(name).feature for name in wanted}
    found = []
    for text in settings:
        name, knob, value = _split_setting(text)
        if name in {*wanted, *features, "sampler"}:
            found.append(text)
        elif name in metric_room.registry.names():
            other = metric_room.registry.get(name)
            if other.feature in features and knob not in knobs.names(other):
                found.append(f"{other.feature}.{knob}={value}")
    return found


def compare(
    candidates: Location | Sequence[Location],
    reference: Location,
    *,
    metrics: Iterable[str] | None = None,
    settings: Sequence[str] = (),
    frames: int | None = None,
    clips: int | None = None,
    layout: str = "auto",
    fps: float | None = None,
    split: str | None = None,
    root: str | os.PathLike[str] | None = None,
    follow_outside: bool = False,
    images: str | None = None,
    videos: str | None = None,
    protocol: str = "default",
    networks: Networks | None = None,
    with_media: bool = False,
    no_previews: Sequence[str] = (),
    command: str = "",
    options: Options | None = None,
) -> Comparison:
    """Measures candidates and reference, each alone, and scores each candidate against the reference.

    Args:
        candidates: one or more sets: `[name=]location` (folder, array file, `preset:…`, `.measured` file),
        arrays
            uint8 [N, T, H, W, 3], VideoSets or Measurements.
        reference: the set they are compared with.
        metrics: names (default: the five that need no weights, then those whose weights are there).
        settings: `NAME.KNOB=VALUE`, any field of a metric, feature or the sampler.
        frames: frames looked at a clip (default 16).
        clips: at most that many clips a set, drawn by hash of their ids.
        layout, fps: see `open_set`.
        split, root, follow_outside: see `open_set`; they go to those sets that have lists, one at least.
        images, videos: see `open_set`; they go to those presets that need them, one at least.
        protocol: a name of `protocols.PROTOCOLS`: how much of each set is looked at.
        networks: where weights lie, or random ones; device, precision, batches.
        with_media: whether to gather what a page shows beyond the scores (`Comparison.media`).
        no_previews: names of sets whose clips it does not show, or "all".
        command: what to write down as the command that made it.
        options: seed, workers, cache, what may be skipped, progress; its sampler is replaced by the recipe's.

    Returns:
        A Comparison; `.to_frame()` is one row a score.

    Raises:
        UsageError (unknown names, contradictions) before any work, DataError where data are unusable.
    """
    started = time.monotonic()
    several = isinstance(candidates, Sequence) and not isinstance(candidates, (str, os.PathLike))
    places = [*cast("Sequence[Location]", candidates if several else [candidates]), reference]
    if len(places) < 2:
        raise UsageError("There is no candidate to compare.", "Give one or more sets and then the reference.")
    chosen = options or Options()
    made, opened = prepare(
        places,
        metrics=metrics,
        settings=settings,
        frames=frames,
        protocol=protocol,
        networks=networks,
        clips=clips,
        layout=layout,
        fps=fps,
        split=split,
        root=root,
        follow_outside=follow_outside,
        images=images,
        videos=videos,
        seed=chosen.seed,
        decode_timeout=chosen.decode_timeout,
        progress=chosen.progress,
    )
    chosen = replace(chosen, sampler=made.sampler)
    progress = chosen.progress
    without = check_names(no_previews, [o.name if isinstance(o, VideoSet) else o.facts.name for o in opened])
    for one in opened:
        if isinstance(one, Measurement):  # before any long work
            check_recipe(one, made, chosen.seed)
    for one in opened:
        if isinstance(one, VideoSet):
            progress.say(f"{one.name}: {one.layout}: {one.said}")
    with Measurer(made.features, chosen) as measurer:
        measured = [measurer.measure(s) if isinstance(s, VideoSet) else s for s in opened]
    result = compare_measured(
        measured[:-1], measured[-1], made, chosen, with_media=with_media, command=command, started=started
    )
    if not with_media:
        return result
    shown = previews(result.media["metrics"], measured, opened, chosen, without)
    return replace(result, media={**result.media, **shown})


def prepare(
    places: Sequence[Location],
    *,
    metrics: Iterable[str] | None = None,
    settings: Sequence[str] = (),
    frames: int | None = None,
    protocol: str = "default",
    networks: Networks | None = None,
    **opening: Any,
) -> tuple[Recipe, list[VideoSet | Measurement]]:
    """The recipe, and the opened sets: `parse_recipe`, `open_all` (which gets `opening`), `decide`.

    What is wrong is told in the order of exit codes: UsageError before WeightsError before DataError.
    """
    asked = None if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    files = [_is_statistics(place) for place in places]
    run = bool(networks and networks.run)
    made = parse_recipe(asked, settings, frames, protocol, statistics=any(files), encoder=run)
    opened: list[VideoSet | Measurement] = []
    trouble: DataError | None = None
    try:
        opened = open_all(places, protocol=made.protocol, **opening)
    except DataError as error:
        trouble = error
    if trouble is not None and all(files):  # no network runs
        raise trouble
    if asked is None and opened and all(isinstance(o, Measurement) and RUN in o.features for o in opened):
        made = parse_recipe(None, settings, frames, protocol, statistics=any(files), encoder=True)
    made = decide(made, networks or Networks(), asked is not None or any(files), opened)
    if trouble is not None:
        raise trouble
    if asked is None:
        made = _without(made, [one for one in opened if isinstance(one, Measurement)])
    return made, opened


def _without(made: Recipe, measured: Sequence[Measurement]) -> Recipe:
    """The recipe without the metrics that a `.measured` set has not, or not of the same network: nobody asked
    for them.
    """
    lacking: dict[str, str] = {}
    for feature in made.features:
        for one in measured:
            if one.statistics is not None:
                continue
            name = one.facts.name
            if feature.name not in one.features:
                how = ""
                if isinstance(feature, NetworkFeature):
                    how = " with --features random" if feature.variant() else " with its weights"
                    how = " with the same --features run=RUN" if feature.named else how
                cure = f"measure it again{how}"
                lacking[feature.name] = f"{name} was measured without {feature.name}: {cure}"
                continue
            if not isinstance(feature, NetworkFeature):
                continue
            there, here = knobs.recipe(one.features[feature.name]), knobs.recipe(feature)
            if other := [k for k in here if there[k] != here[k]]:
                seen = f"{feature.name}.{other[0]}={there[other[0]]}, not {here[other[0]]}"
                lacking[feature.name] = f"{name} was measured with {seen}"
    if not lacking:
        return made
    gone = tuple((m, made.label(m), lacking[m.feature]) for m in made.metrics if m.feature in lacking)
    if len(gone) == len(made.metrics):
        raise DataError(f"Nothing can be compared: {gone[0][2]}.", "Or ask for metrics that it has.")
    return replace(
        made,
        metrics=tuple(m for m in made.metrics if m.feature not in lacking),
        features=tuple(f for f in made.features if f.name not in lacking),
        absent=(*made.absent, *gone),
    )


def open_all(
    places: Sequence[Location],
    *,
    clips: int | None = None,
    layout: str = "auto",
    fps: float | None = None,
    seed: int = 0,
    split: str | None = None,
    root: str | os.PathLike[str] | None = None,
    follow_outside: bool = False,
    images: str | None = None,
    videos: str | None = None,
    protocol: Protocol = PROTOCOLS["default"],
    decode_timeout: float = 60.0,
    progress: Progress | None = None,
) -> list[VideoSet | Measurement]:
    """Opens locations (listing only, nothing is decoded), with different names; reads `.measured` files.

    `progress` sees the pictures of a preset that have to be hashed.

    Raises UsageError where `clips` contradicts the protocol or an option for lists or presets means nothing
    for any location, DataError where a `.measured` file did not follow it.
    """
    count = protocol.count(clips)
    texts = [os.fspath(p) for p in places if isinstance(p, (str, os.PathLike))]
    named = iter(name_sets(texts))
    plain = [split_name(os.fspath(p))[1] if isinstance(p, (str, os.PathLike)) else None for p in places]
    for text in filter(None, plain):
        check_usage(text)
    listing = share_options(plain, layout, split, root, follow_outside, images, videos)
    _check_options(places, layout, fps)
    names_of = {i: next(named) for i, p in enumerate(plain) if p is not None}
    opened: dict[int, VideoSet | Measurement] = {}
    # what has a scheme first: a misspelt preset is a usage error, told before any folder is looked for
    for number in sorted(range(len(places)), key=lambda i: plain[i] is None or not is_uri(str(plain[i]))):
        place = places[number]
        if isinstance(place, (VideoSet, Measurement)):
            opened[number] = place
        elif isinstance(place, np.ndarray):
            opened[number] = open_set(place, name=f"array{number}", fps=fps, clips=count)
        elif is_measured(names_of[number][1]):
            opened[number] = _read_followed(*names_of[number], clips, protocol)
        elif is_statistics(names_of[number][1]):
            opened[number] = read_gaussian(names_of[number][1], names_of[number][0])
        else:
            name, location = names_of[number]
            opened[number] = open_set(
                location,
                name=name,
                layout=layout,
                fps=fps,
                clips=count,
                seed=seed,
                decode_timeout=decode_timeout,
                tell=hashing(name, progress),
                **listing[number],
            )
    if fps is not None and not any(isinstance(o, VideoSet) and takes_fps(o) for o in opened.values()):
        raise UsageError(
            f"--fps {fps:g} means nothing for any of the sets: their clips have a rate of their own.",
            "It is for frame folders and arrays: leave it away.",
        )
    out = [opened[i] for i in range(len(places))]
    names = [o.name if isinstance(o, VideoSet) else o.facts.name for o in out]
    if len(set(names)) < len(names):
        raise UsageError(f"Two sets have one name: {', '.join(names)}.", "Give names: name=location.")
    return out


def _read_followed(name: str, location: str, clips: int | None, protocol: Protocol) -> Measurement:
    """A `.measured` file that fits what is asked: it must have followed the protocol."""
    measured = read_measured(location, name)
    if clips is not None and protocol.clips is None and measured.facts.clips > clips:
        raise UsageError(
            f"--clips {clips} cannot draw from {location}, which was measured with {measured.facts.clips}.",
            f"Measure it with --clips {clips}.",
        )
    if protocol.clips is not None and measured.about.get("protocol") != protocol.name:
        raise DataError(
            f"{location} was measured without --protocol {protocol.name}.", "Measure the set again with it."
        )
    return measured


def _check_options(places: Sequence[Location], layout: str, fps: float | None) -> None:
    """UsageError where an option means nothing for any of the places."""
    texts = [split_name(os.fspath(p))[1] for p in places if isinstance(p, (str, os.PathLike))]
    files = [t for t in texts if not (is_measured(t) or is_uri(t) or is_statistics(t))]
    if layout not in ("auto", *LAYOUTS):
        raise UsageError(f"No layout is called {layout!r}.", nearest(layout, ["auto", *LAYOUTS]))
    arrays = any(isinstance(p, np.ndarray) for p in places)
    if layout != "auto" and not files:
        raise UsageError(
            f"--layout {layout} means nothing here.", "It is for folders, lists and array files."
        )
    if fps is not None and not files and not arrays:
        raise UsageError(f"--fps {fps:g} means nothing here.", "It is for frame folders and arrays.")


def compare_measured(
    candidates: Sequence[Measurement],
    reference: Measurement,
    made: Recipe,
    options: Options,
    *,
    with_media: bool = False,
    command: str = "",
    started: float | None = None,
) -> Comparison:
    """Scores measured candidates against a measured reference; `with_media` as for `compare`, without
    previews of clips. DataError where their recipes differ.
    """
    everyone = [*candidates, reference]
    for one in everyone:
        check_recipe(one, made, options.seed)
    scores: dict[tuple[str, str], Score] = {}
    signatures: dict[str, str] = {}
    scored: list[tuple[str, Metric]] = []
    spread = over_threads(options.worker_count())
    with threadpool_limits(1):  # the same bits whatever the number of threads
        for metric in made.metrics:
            label = made.label(metric)
            sides = [_side(m, metric) for m in everyone]
            reason = ""
            feature = next(f for f in made.features if f.name == metric.feature)
            try:
                settled = metric.settle([s for s in sides if s is not None], feature)
            except Unscored as error:
                settled, reason = metric, str(error)
            scored.append((label, settled))
            signatures[label], short = signature(settled, made, options.seed, everyone)
            for candidate, side in zip(candidates, sides, strict=False):
                names = (candidate.facts.name, reference.facts.name)
                bare = [n for n, s in zip(names, (side, sides[-1]), strict=True) if s is None]
                if reason or side is None or sides[-1] is None:
                    clips = {"candidate": candidate.facts.clips, "reference": reference.facts.clips}
                    why = reason or f"{bare[0]} is a file of mu and sigma, of which only fid can be had."
                    score = unscored(settled, clips, names[0], short, why, label=label)
                else:
                    score = score_pair(settled, side, sides[-1], names, short, label=label, spread=spread)
                    if remark := _remark(feature):
                        notes = " ".join(filter(None, [score.detail.get("notes"), remark]))
                        score = replace(score, detail={**score.detail, "notes": notes})
                scores[candidate.facts.name, metric.name] = score
        media = {"metrics": of_metrics(scored, everyone)} if with_media else {}
    for metric, label, reason in made.absent:
        for candidate in candidates:
            clips = {"candidate": candidate.facts.clips, "reference": reference.facts.clips}
            scores[candidate.facts.name, metric.name] = unscored(
                metric, clips, candidate.facts.name, "", reason, label=label
            )
    run: dict[str, Any] = {
        "command": command,
        "protocol": made.protocol.name,
        "notes": [],
        "seed": options.seed,
        "sampler": knobs.values(made.sampler),
        "signatures": signatures,
        "sets": [{**m.about, "name": m.facts.name} for m in everyone],
        "versions": versions(),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "seconds": None if started is None else round(time.monotonic() - started, 3),
    }
    ran = [f for f in made.features if isinstance(f, NetworkFeature)]
    if ran:
        run["networks"] = {f.name: knobs.values(f) for f in ran}
        run["versions"]["torch"] = importlib.metadata.version("torch")
    for one in _untold(everyone):
        who = f"{one.facts.name} is a file of mu and sigma"
        options.progress.say(f"{who}: it does not say which weights, protocol and precision made it")
        run["notes"].append(f"{who} that does not say which weights, protocol and precision made it")
    for candidate in candidates:
        if candidate.facts.fingerprint == reference.facts.fingerprint:
            same = f"{candidate.facts.name} and {reference.facts.name} hold the same clips"
            options.progress.say(f"{same}: a distance between them is 0 by construction")
            run["notes"].append(same)
    names_in_order = [m.name for m in made.metrics] + [m.name for m, *_ in made.absent]
    order = [scores[c.facts.name, name] for c in candidates for name in names_in_order]
    return Comparison(reference.facts, [c.facts for c in candidates], order, run, media)


def check_recipe(one: Measurement, made: Recipe, seed: int) -> None:
    """DataError where a measurement was not made as asked: names each knob that differs."""
    who = one.facts.name
    if one.statistics is not None:
        _check_statistics(who, one.statistics, made)
        return
    for feature in made.features:
        if feature.name not in one.features:
            users = [m.name for m in made.metrics if m.feature == feature.name]
            everything = [*DEFAULT_METRICS, *NETWORK_METRICS, *RUN_METRICS]
            have = [m for m in everything if metric_room.registry.get(m).feature in one.features]
            raise DataError(
                f"{who} was measured without what {', '.join(users)} needs.",
                f"Measure it again, or ask for --metrics {','.join(have)}.",
            )
        there, here = knobs.recipe(one.features[feature.name]), knobs.recipe(feature)
        _same_knobs(who, feature.name, there, here, "--set")
    there, here = knobs.recipe(one.sampler), knobs.recipe(made.sampler)
    _same_knobs(who, "sampler", there, here, "--frames and --set")
    if one.seed != seed:
        raise DataError(
            f"{who} was measured with --seed {one.seed}, asked is --seed {seed}.",
            f"Measure it again, or give --seed {one.seed}.",
        )


def _check_statistics(who: str, statistics: Statistics, made: Recipe) -> None:
    """DataError where a file of mu and sigma was not made as asked, as far as it says."""
    feature = next((f for f in made.features if f.name == FEATURE), None)
    if not isinstance(feature, NetworkFeature):
        return
    if feature.variant():
        raise DataError(
            f"{who} holds statistics of the pretrained network, --features random is asked.",
            "Leave one of them away.",
        )
    told = statistics.recipe
    if told is None:
        if feature.precision != "fp32":
            raise DataError(
                f"{who} does not say its precision, which is fp32 then; asked is {feature.precision}.",
                "Leave --precision away.",
            )
        return
    if told.get("revision") != feature.revision:
        raise DataError(
            f"{who} has revision {told.get('revision')} of feature {FEATURE!r}, here it is "
            f"{feature.revision}.",
            "Make it again.",
        )
    _same_knobs(who, FEATURE, told["feature"], knobs.recipe(feature), "--set")
    _same_knobs(who, "sampler", told["sampler"], knobs.recipe(made.sampler), "--frames and --set")
    for metric in made.metrics:
        if metric.name == "fid" and metric.state != told["state"]:
            raise DataError(
                f"{who} was made of {told['state']}, asked is {metric.state} (frames a clip).",
                "Give the same --protocol and --set fid.frames.",
            )


def _same_knobs(who: str, what: str, there: Mapping[str, Any], here: Mapping[str, Any], option: str) -> None:
    for knob, asked in here.items():
        if there.get(knob) != asked:
            same = OPTIONS.get(knob, option)
            if what == RUN and knob in ("weights", "encoder"):
                same = "--features run=RUN"
            raise DataError(
                f"{who} was measured with {what}.{knob}={there.get(knob)}, asked is {asked}.",
                f"Give the same {same}, or measure it again.",
            )


def _side(measured: Measurement, metric: Metric) -> Side | None:
    """What a metric sees of a set; None where a file of mu and sigma has nothing for it."""
    if measured.statistics is None:
        return measured.sides[metric.feature]
    return measured.statistics.side(metric.state) if metric.name == "fid" else None


def _remark(feature: Feature) -> str:
    """What a score must say of the weights behind it; empty for known ones and where there are none."""
    if not isinstance(feature, NetworkFeature) or not feature.weights.startswith("sha256:"):
        return ""
    if not feature.file or feature.named:
        return ""
    if (known := recognized(Path(feature.file))) is None:
        return f"The weights are no file that is known: {feature.weights}."
    if known.name != (wanted := feature.wanted_weights()):
        return f"The weights are {known.name}; what is computed here is published with {wanted} only."
    return ""


def _is_statistics(place: Location) -> bool:
    return isinstance(place, (str, os.PathLike)) and is_statistics(split_name(os.fspath(place))[1])


def _untold(everyone: Sequence[Measurement]) -> list[Measurement]:
    """Files of mu and sigma that do not say what made them."""
    return [m for m in everyone if m.statistics is not None and m.statistics.recipe is None]


def signature(metric: Metric, made: Recipe, seed: int, everyone: Sequence[Measurement]) -> tuple[str, str]:
    """Long and short form: built from the dataclass fields of metric, feature and sampler, the seed and the
    version. Files of mu and sigma that do not say what made them stand in it by their hashes; where there is
    nothing else, no feature and no sampler do.
    """
    feature = next(f for f in made.features if f.name == metric.feature)
    untold = _untold(everyone) if metric.name == "fid" else []
    known = len(untold) < len(everyone)
    parts: dict[str, Any] = recipe(metric, "metric")
    changed = _changed(metric)
    if known:
        parts |= {**recipe(feature, "feature"), **recipe(made.sampler, "sampler"), "seed": seed}
        changed |= {k if k not in changed else f"{feature.name}.{k}": v for k, v in _changed(feature).items()}
        changed |= {f"sampler.{k}": v for k, v in _changed(made.sampler).items() if k != "frames"}
    if untold:
        parts["unknown_recipe"] = changed["unknown"] = "+".join(m.facts.fingerprint for m in untold)
    parts["version"] = synvid_eval.__version__
    long = long_signature(parts)
    if known:
        changed["n"] = made.sampler.frames
    changed["v"] = synvid_eval.__version__
    return long, short_signature(made.label(metric), changed, long)


def _changed(instance: Any) -> dict[str, Any]:
    """The knobs of a configured metric, feature or sampler that differ from their defaults."""
    defaults = knobs.recipe(type(instance)())
    found = {k: v for k, v in knobs.recipe(instance).items() if v != defaults[k]}
    if str(found.get("weights", "")).startswith("sha256:"):
        found["weights"] = found["weights"][: len("sha256:") + 8]  # the long form has all of it
    if "encoder" in found:
        found["encoder"] = str(found["encoder"]).partition(" ")[0]
    return found


def versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that decide numbers."""
    out = {"synvid-eval": synvid_eval.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "av", "opencv-python-headless", "numba", "scikit-image", "pillow"):
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = "missing"
    return out
