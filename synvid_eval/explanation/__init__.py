"""Explanations: what a metric, feature, layout, protocol, preset, corruption, method, recipe, backbone or the
sampler is, read from the code that does it.

Essays are the modules' own texts; constants come from the declarations that validate them and enter the
signature of a number. So an explanation cannot say other than what is computed. What it costs is timed here
and now.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import math
import re
import time
import typing
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import corruptions, knobs, protocols, published
from synvid_eval import features as feature_room
from synvid_eval import metrics as metric_room
from synvid_eval.corruptions.base import OfFrames
from synvid_eval.errors import UsageError, WeightsError, nearest
from synvid_eval.explanation import trainings
from synvid_eval.explanation.parts import (
    TIMED,
    Constant,
    Explanation,
    allowed_of,
    essay_of,
    least_time,
    split,
)
from synvid_eval.features import i3d, inception
from synvid_eval.features.base import Feature
from synvid_eval.features.network import NetworkFeature, Networks
from synvid_eval.generators import pool, presets
from synvid_eval.metrics import fvd
from synvid_eval.networks import backbones, encoders
from synvid_eval.networks.weights import known
from synvid_eval.randomness import address
from synvid_eval.sets import textures_of
from synvid_eval.training import methods
from synvid_eval.video import layouts, lists
from synvid_eval.video import sampling as sampling_module
from synvid_eval.video.decode import ClipRef
from synvid_eval.video.sampling import Sampler
from synvid_eval.worker import Worker, clip_task

_LISTS = ("features", "layouts", "protocols", "presets", "corruptions", "methods", "recipes", "backbones")
LISTED = f"synvid-eval list metrics (or {', '.join(_LISTS)})"

# What a SET may be beside the layouts that --layout names; `compare` says so of such a set.
PLACES = {
    "measured": "a .measured file, as `measure` writes it (recognized by its suffix)",
    "cut": "cut:MOVIE?seconds=4: one long video as consecutive clips of that length",
    "preset": "preset:NAME?n=100: clips that a preset draws while they are measured (see: list presets)",
    "adapt": "adapt:CHAIN?of=SET: a set's clips, adapted while they are measured (see: adapt --help)",
    "corrupt": "corrupt:NAME?severity=3&of=SET: a set's clips, damaged while they are measured "
    "(see: list corruptions)",
}
# Knobs of features that run a network which options of their own set.
_OPTIONS = {
    "weights": "by --weights or --features",
    "encoder": "by --features",
    "precision": "fp32, bf16; by --precision",
    "file": "by --weights",
    "device": "by --device",
    "batch": "0 and more; by --batch-size",
}
_ASKED = {
    "measured": "give the file as the SET",
    "cut": "give cut:MOVIE?seconds=4 as the SET (seconds > 0, in quotes)",
    "preset": "give preset:NAME?n=100&seed=0&KNOB=VALUE as the SET, in quotes",
    "adapt": "give adapt:CHAIN?of=SET as the SET, in quotes; adapt SET OUT writes the clips",
    "corrupt": "give corrupt:NAME?severity=3&of=SET as the SET, in quotes; corrupt SET OUT writes them",
}


# What a user asks of a layout: when it is recognised, where labels come from, what goes wrong.
LAYOUT_ESSAYS = {
    "flat": """Recognised where all videos lie directly in the folder. There are no labels. The id of a clip
is its file name. With --layout flat, videos in folders below are left out, and their number is said.

Pitfalls. A folder that holds one stray video beside class folders is no flat set: it is taken
for nested.""",
    "classes": """Recognised where every video lies exactly one folder below the root: LABEL/clip.mp4. The
label is the folder's name, the id LABEL/clip.mp4. UCF101, HMDB51 and Weizmann unpack like this.

Pitfalls. Folders named train, val, test are taken for splits, not for classes.""",
    "splits": """Recognised where the folders at the top are all called train, training, val, valid,
validation, test or testing: train/LABEL/clip.mp4 (or train/clip.mp4, without labels). All splits are
measured together, and how many videos each has is said.

Pitfalls. To measure one split alone, give its folder: ucf101/train/.""",
    "nested": """Whatever is not one of the others: videos at any depth. The label is the name of the folder
that a video lies in.

Pitfalls. Labels of different branches that have the same name count as one.""",
    "frames": """One folder of numbered pictures a clip: clip_1/img_00001.jpg. Recognised where there is no
video and every folder's pictures share one name with numbers that have no gap; else say --layout frames.
Pictures are read in natural order (img_2 before img_10). Their rate is --fps (25 without it); the label is
the folder above.

Pitfalls. Pictures know no rate: a wrong --fps is not noticed. JPEG frames of a video are not that video:
their compression moves `spectrum` and `tubelet`.""",
    "npy": """The SET is one .npy file: uint8 [N, T, H, W, 3], RGB. It is memory-mapped. Clips are called
name[0], name[1], …; there are no labels; the rate is --fps (25 without it).

Pitfalls. Floats and other channel orders are refused, not converted.""",
    "npz": """The SET is one .npz file with an array `frames`: uint8 [T, H, W, 3] is one clip, [N, T, H, W,
3] a set. Stored ones are memory-mapped; a compressed one is loaded, and its size is said.

Pitfalls. `mu` and `sigma` are feature statistics of pytorch-fid, which hold no pixels.""",
    "npz_clips": """A folder of .npz files, each one clip: `frames` uint8 [T, H, W, 3]. Recognised where
there are neither videos nor frame folders. The rate is --fps (25 without it); the label is the folder that
a file lies in.

Pitfalls. What an archive holds is seen only when it is read: one of another shape is skipped, with the
reason.""",
    "webdataset": """Tar files of videos, as WebDataset reads them: one file, a folder of them (recognised
where it holds no video, frame folder or .npz), or a range shards/{000000..000127}.tar, all of whose files
must be there; on a disk or in a store (s3://bucket/shards/). Each video in them is a clip, read where it
lies; nothing is unpacked but .tar.gz. One tar file is a root: the id is the member's name, that of a folder
of what it unpacks to. In a folder or range it is TAR/MEMBER. The label is what .cls, else `label` or `class`
of .json, says of the sample (members that follow each other and share their name up to the first dot); where
none says one, the folder that a video lies in.

Pitfalls. Videos in other tar files have other ids: a set that is packed anew is looked at in other places.
Links, sparse members, names that are absolute or lead out by .. are skipped, with the reason.""",
    "measured": """A .measured file, as `measure SET --out F.measured` writes it, stands wherever compare
takes a SET. It holds statistics and per-clip numbers, no pixels: measure a private or distant set where it
lies and carry the file.

Pitfalls. It was measured with one recipe; a comparison with another one (--frames, --set, --protocol, --seed)
refuses it and says what differs.""",
    "cut": """The SET is cut:MOVIE?seconds=S: one video file as consecutive clips of S seconds, counted by
frames at the video's mean rate; what is left at the end and is shorter than a clip is left out, and said. The
video is read once to count its frames. Clips are called after the movie and numbered; there are no labels.

Pitfalls. Clips of one film are no independent draws, however many there are: all of them are one source, so
no interval is given. A clip may hold a change of scene, which counts as motion.""",
    "preset": """The SET is preset:NAME?n=100&seed=0&KNOB=VALUE: n clips that are drawn while they are
measured; no file is written. NAME is one of `list presets`, and `explain` of that name gives its knobs with
their values, units and ranges. n is the preset's own number of clips without it, seed is --seed. One clip is
decided by (seed, preset's name, number of the clip), so a larger n adds clips and changes none.

Pitfalls. A shell takes ? and & for its own: put quotes around the location. Two presets that differ in their
knobs only are independent draws; one preset with a knob changed keeps all that the knob does not touch.""",
    "adapt": """The SET is adapt:CHAIN?of=SET: the clips of another set, with its ids, labels and rates, each
adapted as CHAIN says: published, or operations joined by commas, each with its own knobs in brackets:
adapt:shake(amplitude=2:4),zoom(p=0.5)?of=fractals/. What is drawn is drawn by (seed, clip id); the seed is
--seed, or stands before of: adapt:shake?seed=1&of=fractals/. Backgrounds are other clips of that set, which
ids and seed choose. Of a preset, adapt:CHAIN?of=preset:NAME is preset:NAME?adapt=CHAIN.

Pitfalls. Adapted clips of one set share backgrounds: less independent than they were. A clip whose background
cannot be read is skipped with it.""",
    "corrupt": """The SET is corrupt:NAME?severity=3&of=SET: the clips of another set, with its ids, labels
and rates, each damaged by one of `list corruptions` (`explain NAME` tells its severities). What is drawn is
drawn by (seed, clip id, corruption, frame); the seed is --seed, or stands before of, as every knob may:
corrupt:glass_blur?severity=2&swaps=true&seed=1&of=ucf101/. `of` takes the rest, whatever SET that is: of
corrupt:rotate?severity=1&of=corrupt:shot_noise?severity=1&of=ucf101/ the noise comes first.

Pitfalls. Corruptions of time may leave clips too short for what looks at runs of frames. A shell takes ? and
& for its own: put quotes around the location.""",
}


def names() -> dict[str, list[str]]:
    """Everything that can be explained: name → kinds (a metric and its feature may have one name)."""
    found: dict[str, list[str]] = {}
    for kind, group in (
        ("metric", metric_room.registry.names()),
        ("feature", feature_room.registry.names()),
        ("sampler", [Sampler.name]),
        ("layout", [*layouts.LAYOUTS, *PLACES]),
        ("protocol", list(protocols.PROTOCOLS)),
        ("preset", presets.names()),
        ("corruption", corruptions.registry.names()),
        ("method", list(methods.METHODS)),
        ("recipe", trainings.recipe_names()),
        ("backbone", list(backbones.NAMES)),
    ):
        for name in group:
            found.setdefault(name, []).append(kind)
    return found


def explain(name: str, timed: bool = True, networks: Networks | None = None) -> list[Explanation]:
    """What bears that name: one explanation a kind.

    timed: measure what it costs here (a second or two). networks: which networks run in it; None: those whose
    weights are here, else random ones.

    Raises:
        UsageError: no such name, the nearest is told; networks that it does not run. What `Networks.decide`
        raises of networks that are named and are not there.
    """
    kinds = names()
    if name not in kinds:
        raise UsageError(
            f"Nothing is called {name!r}.",
            nearest(name, kinds, LISTED),
        )
    makers: dict[str, Callable[[], Explanation]] = {
        "metric": lambda: _metric(name, timed, networks),
        "feature": lambda: _feature(name, timed, networks),
        "sampler": _sampler,
        "layout": lambda: _layout(name),
        "protocol": lambda: _protocol(name),
        "preset": lambda: _preset(name, timed),
        "corruption": lambda: _corruption(name, timed),
        "method": lambda: trainings.method(name),
        "recipe": lambda: trainings.recipes_called(name),
        "backbone": lambda: trainings.backbone(name, timed),
    }
    if networks is not None:
        _check_run(name, kinds[name], networks)
    return [makers[kind]() for kind in kinds[name]]


def _check_run(name: str, kinds: Sequence[str], networks: Networks) -> None:
    """Refuses networks that run in nothing of that name."""
    feature = metric_room.registry.get(name).feature if "metric" in kinds else name
    found = feature_room.registry.get(feature) if {"metric", "feature"} & {*kinds} else None
    if found is None or not issubclass(found, NetworkFeature):
        cure = "It is for what runs a network: run=RUN for fd[run], kd[run], diversity[run] and run."
    elif found.named and not networks.run:
        cure = "It takes run=RUN, a folder that train wrote; as a control run=random:0:tiny."
    elif not found.named and not networks.random:
        cure = "It takes random; run=RUN is for fd[run], kd[run], diversity[run] and run."
    else:
        return
    raise UsageError(f"--features {networks.features} means nothing for {name}.", cure)


def _metric(name: str, timed: bool, networks: Networks | None) -> Explanation:
    kind = metric_room.registry.get(name)
    feature = feature_room.registry.get(kind.feature)
    about, essay = essay_of(kind)
    words = {
        "property": "property: a number of each set alone, to be set beside the reference's",
        "distance": "distance: a number of two sets, biased upward where clips are few",
        "unbiased": "unbiased: a distance of two sets that is right in the mean at any number of clips",
        "richness": "richness: a number of each set alone that depends on its number of clips",
    }
    better = {
        "lower": "lower is nearer to the reference",
        "higher": "higher is richer",
        "match": "should match the reference's own value",
    }
    facts = {
        "kind": words[kind.kind],
        "better": better[kind.better],
        "unit": kind.unit or "none",
        "feature": f"{kind.feature} (looks at {feature.looks_at}; see: explain {kind.feature})",
        "weights": _weights(feature),
        "interval": _gates(kind),
        "revision": str(kind.revision),
    }
    if issubclass(feature, NetworkFeature) and (choices := _choices(feature, "protocol")):
        facts["protocols"] = (
            f"{', '.join(choices)} (--set {name}.protocol={choices[-1]}; "
            f"every constant: explain {kind.feature})"
        )
    ready = _decided(feature, networks)
    facts |= _encoder(ready)
    of = f"{name} (feature {kind.feature})"
    constants = [*_constants(kind, name), *_constants(feature, of, _said(ready))]
    constants += _constants(Sampler, "sampler")
    cost = _cost(feature, networks) if timed else ""
    return Explanation(name, "metric", about, facts, essay, constants, cost)


def _feature(name: str, timed: bool, networks: Networks | None) -> Explanation:
    kind = feature_room.registry.get(name)
    about, essay = essay_of(kind)
    what = {
        "frames": "frames spread over the clip (see: explain sampler)",
        "runs": "runs of consecutive frames, one a stride (see: explain sampler)",
    }
    room = metric_room.registry
    users = [m for m in room.names() if room.get(m).feature == name]
    facts = {
        "looks at": what[kind.looks_at],
        "gives": inspect.cleandoc(kind.__doc__ or ""),
        "used by": ", ".join(users) or "no metric",
        "weights": _weights(kind),
        "revision": str(kind.revision),
    } | _network_protocols(kind)
    ready = _decided(kind, networks)
    facts |= _encoder(ready)
    constants = [*_constants(kind, name, _said(ready)), *_constants(Sampler, "sampler")]
    cost = _cost(kind, networks) if timed else ""
    return Explanation(name, "feature", about, facts, essay, constants, cost)


def _sampler() -> Explanation:
    about, essay = split(sampling_module.__doc__ or "")
    plan = inspect.cleandoc(Sampler.plan.__doc__ or "")
    strides = ", ".join(map(str, sampling_module.STRIDES))
    facts = {"strides of runs": f"{strides}, each where the clip is long enough"}
    facts["used by"] = "every feature"
    facts["revision"] = str(Sampler.revision)
    essay = "\n\n".join(p for p in (essay, plan) if p)
    return Explanation("sampler", "sampler", about, facts, essay, _constants(Sampler, "sampler"))


def _layout(name: str) -> Explanation:
    about = layouts.LAYOUTS.get(name) or PLACES[name]
    suffixes = " ".join(sorted(layouts.VIDEO_SUFFIXES))
    pictures = " ".join(sorted(layouts.PICTURE_SUFFIXES))
    facts = {"ask for it": _ASKED.get(name) or f"--layout {name}"}
    if name in ("flat", "classes", "splits", "nested"):
        facts["videos end in"] = suffixes
    elif name == "frames":
        facts["pictures end in"] = pictures
    essay = lists.essay(name) if name in layouts.LIST_LAYOUTS else LAYOUT_ESSAYS.get(name, "")
    return Explanation(name, "layout", about, facts, essay)


def _protocol(name: str) -> Explanation:
    found = protocols.get(name)
    facts = {
        "ask for it": f"--protocol {name}" + (" (or nothing)" if name == "default" else ""),
        "clips": "all, or --clips N"
        if found.clips is None
        else f"{found.clips:,} a set, by hash of their ids",
        "recorded": "in run.protocol of the result; every knob in the signatures",
    }
    constants = _constants(Sampler, "sampler", {} if found.frames is None else {"frames": found.frames})
    for target, values in found.knobs.items():
        if target == Sampler.name:  # all of it stands above
            continue
        # as with --set, the metric's knob comes before that of its feature
        for room in (metric_room.registry, feature_room.registry):
            if target in room.names():
                kind = room.get(target)
                constants += [c for c in _constants(kind, target, values) if c.name in values]
    return Explanation(name, "protocol", found.about, facts, found.essay, constants)


def _preset(name: str, timed: bool) -> Explanation:
    found = presets.get(name)
    generator = found.configured()
    _, essay = essay_of(type(generator))
    query = next((f"&{k}={v}" for k, v in found.own.items()), "")
    same = (
        "the same bytes on any machine"
        if generator.exact and all(texture.exact for texture in textures_of(generator))
        else "the same bytes on one machine and library version"
    )
    facts = {
        "ask for it": f'"preset:{name}?n={found.clips}{query}" as the SET (any knob below may be set so)',
        "generator": f"{found.generator} (revision {generator.revision}); {same}",
        "extends": f"{found.extends}: {found.difference}" if found.extends else "no other preset",
        "clips": f"{found.clips:,}, or n=N",
        "own knobs": ", ".join(f"{k}={v}" for k, v in found.own.items()) or "none: the generator's defaults",
    }
    if found.family:
        facts["family"] = found.family
    if told := published.of(name):
        facts["published"] = f"{told.accuracy} % ({told.benchmark}, {told.protocol}, {told.source})"
    if found.needs:
        options = {"images": "--images DIR|skimage", "videos": "--videos SET"}
        facts["needs"] = " and ".join(options[n] for n in found.needs)
    if found.same_as:
        facts["same as"] = f"{found.same_as}, as far as can be told here: measure one, count one"
    facts["in full"] = f"synvid-eval show {name}: every value's source, and a sheet of clips with --png F"
    if (source := generator.source(0, name, 0)) is not None:
        facts["sources"] = f"clips share sources (clip 0: {source}), so they are no independent draws"
    constants = _constants(type(generator), name, knobs.values(generator))
    for texture in textures_of(generator):
        constants += _constants(type(texture), texture.name, knobs.values(texture))
    cost = _drawing(name) if timed else ""
    return Explanation(name, "preset", found.note, facts, essay, constants, cost)


def _corruption(name: str, timed: bool) -> Explanation:
    kind = corruptions.registry.get(name)
    about, essay = essay_of(kind)
    what = {
        "noise": "changes each frame",
        "blur": "changes each frame",
        "digital": "changes each frame",
        "camera": "moves each frame",
        "time": "takes other frames, or in another order; each frame stays as it is",
    }
    facts = {
        "ask for it": f'"corrupt:{name}?severity=3&of=SET" as the SET; corrupt SET OUT writes the clips',
        "kind": f"{kind.kind}: {what.get(kind.kind, 'changes clips')}",
        "revision": str(kind.revision),
    }
    cost = _damage(name) if timed and issubclass(kind, OfFrames) else ""
    return Explanation(name, "corruption", about, facts, essay, _constants(kind, name), cost)


@functools.cache
def _damage(name: str) -> str:
    """What corrupting one frame takes, timed now: the least of several times, in this process."""
    corruption = corruptions.registry.get(name)()
    frame, draws = _made_clip()[0, 0], corruptions.Draws(0, "made", name)
    took = least_time(lambda: corruption.change(frame, draws, 0), 5, TIMED)
    return (
        f"{1000 * took:.1f} ms a frame of 320 × 240 at severity {corruption.severity}, on one core of this "
        "machine (the least of several, timed now)"
    )


@functools.cache
def _drawing(name: str) -> str:
    """What drawing one clip of a preset takes, timed now: the least of several times, in this process.

    Textures are timed on their own: a clip shows dozens, which are made once.
    """
    preset = presets.get(name)
    if preset.needs:
        return f"depends on what is given: inspect with it says, 'synvid-eval inspect preset:{name} …'"
    generator = preset.configured()
    textured = getattr(generator, "textures", "") if hasattr(generator, "pool") else ""
    making = ""
    if textured:
        generator = preset.configured(pool=str(len(pool.recipes(textured))))
        each = [least_time(functools.partial(r.picture, 0, "timed", 0), 2) for r in pool.recipes(textured)]
        made = " or ".join(f"{1000 * seconds:.0f} ms" for seconds in each)
        making = f", and {made} for each texture that no clip showed before"
    length = generator.clip_length(0, name, 0)
    wanted = Sampler().plan(length, f"{name}/0", 0).frames

    clips = itertools.count()  # another clip each time, since a generator may keep the last

    def draw() -> None:
        index = next(clips)
        most = generator.clip_length(0, name, index) - 1
        for _frame in generator.draw(0, name, index, [min(frame, most) for frame in wanted]):
            pass

    took, (height, width) = least_time(draw, 5, TIMED), generator.frame_size
    return (
        f"{1000 * took:.1f} ms to draw the {len(wanted)} frames of {width} × {height} of a clip that frame "
        f"metrics look at{making}, on one core of this machine (the least of several, timed now)"
    )


def _weights(kind: type[Feature]) -> str:
    """Which known files a feature's network needs, by protocol, and the command that gets them."""
    if not issubclass(kind, NetworkFeature):
        return "needs none"
    if kind.named:
        return (
            "those of an encoder that you name: --features run=RUN, a folder that train wrote (its newest "
            "checkpoint), a checkpoint, a folder of transformers, the authors' .pth; as a control "
            "random:SEED:SIZE, such as run=random:0:tiny"
        )
    by_file: dict[str, list[str]] = {}
    make: Any = kind  # not every network has protocols
    for protocol in _choices(kind, "protocol"):
        by_file.setdefault(make(protocol=protocol).wanted_weights(), []).append(protocol)
    texts = []
    for name in by_file or [kind().wanted_weights()]:
        one = known(name)
        whose = f" for {', '.join(by_file[name])}" if len(by_file) > 1 else ""
        texts.append(f"{name} ({one.file}, {one.size_text}, {one.hash_text}){whose}")
    get = f"synvid-eval weights fetch {' '.join(by_file) or kind().wanted_weights()}"
    return f"{'; '.join(texts)}. To get them: {get}. Without: --features random, for a dry run only"


def _decided(kind: type[Feature], networks: Networks | None) -> NetworkFeature | None:
    """The feature with the networks that are named for it; None where none are."""
    if networks is None or not issubclass(kind, NetworkFeature):
        return None
    return networks.decide(kind())


def _said(ready: NetworkFeature | None) -> dict[str, Any]:
    """Knob → value of a feature whose network is named."""
    return {} if ready is None else knobs.values(ready)


def _encoder(ready: NetworkFeature | None) -> dict[str, str]:
    """What the encoder that is named is, and what it sees of a clip."""
    if ready is None or not ready.named:
        return {}
    of = knobs.values(ready)
    image, frames = (encoders.told(of["encoder"], name) for name in ("image", "frames"))
    return {
        "encoder": f"{of['encoder']} ({of['weights']})",
        "sees": f"{frames} frames of {image} × {image} px of a clip, at a stride of {of['stride']} or less",
    }


def _choices(kind: type, name: str) -> Sequence[str]:
    found = [f.metadata.get("choices") or () for f in fields(kind) if f.name == name]
    return found[0] if found else ()


def _network_protocols(kind: type[Feature]) -> dict[str, str]:
    """What each protocol of a network's feature does to a frame and a covariance, every constant of it."""
    if issubclass(kind, inception.Inception):
        ways = {
            "pytorch": "bilinear between pixel centers (half-pixel grid), no antialias",
            "clean": "bicubic, a = −0.5, widened where the image shrinks (antialias), each channel in "
            "floating point, never rounded, cut to 0…255",
            "tf": "bilinear on the grid i · scale from the first pixel's center, scale in float32, no "
            "antialias",
        }
        found = {}
        for name, (factor, offset) in inception.RANGE.items():
            scale = f"x · {_fraction(factor)} − {-offset:g}, x in 0…255"
            found[f"protocol {name}"] = f"whole frame to {_square(inception.SIDE)}, {ways[name]}; {scale}"
        return found | {"rows": f"{inception.FEATURES} pooled values, one row a looked-at frame"}
    if issubclass(kind, i3d.I3D):
        side, square = i3d.SIDE, _square(i3d.SIDE)
        ways = {
            "styleganv": f"whole frame squashed to {square}, bilinear, half-pixel centers, no antialias",
            "videogpt": f"shorter side to {side}, longer to ⌈side · {side} / shorter⌉, bilinear, half-pixel "
            f"centers, no antialias; center crop {square} from ⌊(side − {side}) / 2⌋",
            "cdfvd": "shorter side to 128, bilinear with antialias, center crop 128 × 128; then squashed to "
            f"{square}, bilinear, no antialias",
        }
        found = {
            f"protocol {name}": f"{way}; x · 2/255 − 1, x in 0…255; covariances of fvd divided by "
            f"{'n − 1' if fvd.DDOF[name] else 'n'}"
            for name, way in ways.items()
        }
        run = f"16 frames at stride 1 (sampler.length; {i3d.LEAST_FRAMES} at least)"
        return found | {"rows": f"400 logits, averaged over time, one row a run of {run}"}
    return {}


def _square(side: int) -> str:
    return f"{side} × {side}"


def _fraction(factor: float) -> str:
    """A factor as the fraction that it is."""
    return next(f"{n}/{d}" for d in (255, 128) for n in (1, 2) if math.isclose(factor, n / d))


def _gates(kind: type) -> str:
    """The thresholds above which a metric's interval is given, from the INTERVAL_… constants of its module
    and of those that its bases are defined in.
    """
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        found |= vars(importlib.import_module(base.__module__))
    gates = [
        f"{v:g} {k.removeprefix('INTERVAL_').lower().replace('_', ' ')}"
        for k, v in found.items()
        if _gate(k, v)
    ]
    text = " and ".join(g.replace("rows per dimension", "rows a dimension") for g in gates)
    text = text.replace("clips per dimension", "clips a dimension")
    text = re.sub(r"(\S+) clips as power of dimension", r"d^\1 clips (d dimensions)", text)
    return f"from {text} on, and 10 non-empty blocks" if text else "from 10 non-empty blocks of clips on"


def _gate(name: str, value: object) -> bool:
    return name.startswith("INTERVAL_") and isinstance(value, (int, float))


def _constants(kind: Any, of: str, other: typing.Mapping[str, Any] | None = None) -> list[Constant]:
    """The knobs of a dataclass as declared; `other` replaces defaults."""
    out = []
    for f in fields(kind):
        default = (other or {}).get(f.name, f.default)
        meta = f.metadata
        unit, meaning = str(meta.get("unit") or ""), str(meta.get("help") or "")
        allowed = allowed_of(meta)
        if issubclass(kind, NetworkFeature) and f.name in _OPTIONS:
            allowed = _OPTIONS[f.name]
            if kind.named and f.name in ("weights", "file"):
                allowed = _OPTIONS["encoder"]
        out.append(Constant(of, f.name, default, allowed, unit, meaning))
    return out


@functools.cache
def _cost(kind: type[Feature], networks: Networks | None = None) -> str:
    """What the feature takes on one made clip, timed now: the least of several times, in this process.

    A metric costs what its feature costs, so both say the same number, which is measured once.
    """
    feature, with_what, least = kind(), "", 5
    if isinstance(feature, NetworkFeature):
        try:
            feature, with_what = _running(feature, networks)
        except ModuleNotFoundError as error:  # what builds the network is an extra
            return f"What the feature {feature.name} takes cannot be timed: {error.name} is not installed"
        least = 2
    frames = _made_clip()
    ref = ClipRef("made", "memory", "", 0, fps=25.0)
    worker = Worker([feature], Sampler(), 0, frames)
    task = clip_task(ref, [feature.name])
    arrays, _ = worker.measure(task)
    took: list[float] = []
    while len(took) < least or sum(took) < TIMED:
        began = time.perf_counter()
        worker.measure(task)
        took.append(time.perf_counter() - began)
    kept = sum(a.nbytes for a in arrays.values())
    return (
        f"The feature {feature.name} takes {1000 * min(took):.1f} ms a clip of 320 × 240 on one core of this "
        f"machine{with_what}, beyond decoding (the least of several, timed now), and keeps {kept / 1024:.1f} "
        "KiB of statistics a clip"
    )


def _running(feature: NetworkFeature, networks: Networks | None) -> tuple[NetworkFeature, str]:
    """The feature with the networks that are named, else with the weights that are here, else with random
    ones, and words that say which.
    """
    if networks is not None:
        ready = networks.decide(feature)
        place = "" if ready.device == "cpu" else f" and its {ready.device}"
        return ready, f"{place}, with {networks.run or networks.random}"
    if feature.named:
        ready = Networks(features="run=random:0:tiny").decide(feature)
        return ready, ", with a ViT-tiny (random:0:tiny)"
    try:
        ready, which = Networks().decide(feature), "the weights that are here"
    except WeightsError:
        ready = Networks(features="random").decide(feature)
        same = "StyleGAN-V's own file takes longer" if feature.name == "i3d" else "they take the same time"
        which = f"random weights, since there are no others here ({same})"
    place = "" if ready.device == "cpu" else f" and its {ready.device}"
    return ready, f"{place}, with {which}"


def _made_clip() -> NDArray[np.uint8]:
    """A clip uint8 [1, 64, 240, 320, 3]: smooth colored noise that moves."""
    rng = np.random.default_rng(address("explain", 0) % 2**32)
    base = np.kron(rng.integers(0, 256, (32, 42, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    frames: Sequence[NDArray[np.uint8]] = [np.roll(base, (i, 2 * i), (0, 1))[:240, :320] for i in range(64)]
    return np.stack(frames)[None]
