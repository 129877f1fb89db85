"""Known values: numbers that others have published, or that mathematics gives, computed again here.

A check runs the package's own code on made input, with the weights that are installed, and holds the result
against a number that does not come from this package. What needs no weights always runs. What needs a file of
weights runs where that file is there and is what its hash says: these checks could not be run where the
package was written, and are how a user sees that network, preprocessing and distance together give the
numbers of the field.

Some published values are of public data: they are computed where the folder of that data is given
(`--data DIR`), and listed as not run where it is not, or where nobody could run them here.

Weights that a user names and that are not known (`--weights inception=FILE`) give values that nobody has
published: of them it is checked that they fit the network, and what holds with any weights.

Published values carry the last digits of the machine they were made on; each tolerance says why it is what it
is. An FVD between frames that are all black and frames that are all white has no covariance: it is the
squared distance of two rows, and so a test of preprocessing and network alone.
"""

from __future__ import annotations

import functools
import importlib.metadata
import math
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError, WeightsError, one_line
from synvid_eval.metrics.frechet import frechet
from synvid_eval.metrics.kid import Kid
from synvid_eval.networks import weights as files
from synvid_eval.states import Moments

Verdict = Literal["ok", "FAILED", "not run"]
Lacks = Literal["", "weights", "data", "time"]
Say = Callable[[str], None]

CIFAR = "cifar-10-batches-bin"
"""The folder of CIFAR-10's "binary version", as its authors pack it."""

FIDELITY = "toshas/torch-fidelity (images drawn by its utils/util_dump_dataset_as_images.py)"
COMMON_METRICS = "JunyaoHu/common_metrics_on_video_quality, README (StyleGAN-V's file)"
FIXTURE = "8 clips of black frames against 8 of white ones, 64 × 64"
EQUAL = (
    "the source says that its numbers move by about 1 between versions of PyTorch; its own differ by 0.13 %"
)
SPREAD = 0.005
"""Of the value: tolerance of the black and white clips."""
PRETRAINED = "pretrained weights"
"""Stands in the names of checks that hold with any weights, and is replaced where these are not known."""


@dataclass(frozen=True)
class Place:
    """What a check may use: verified weights (file and identity; empty where it needs none), a device.

    say: takes a line about how far a long check is. data: the folder of its data.
    """

    weights: str = ""
    file: str = ""
    device: str = "cpu"
    say: Say = lambda _: None
    data: str = ""


@dataclass(frozen=True)
class Check:
    """A known value. expected ± tolerance (absolute); `because`: why that tolerance. needs: name of the known
    weights file, or "". any_weights: whether it holds with others than the published file, too. data: name of
    the folder that it needs within that of `--data`, or "". heavy: minutes on a CPU, so only with `--all`;
    `cost` says how long. compute: None where it is never run; `cannot`: why.
    """

    name: str
    proves: str
    source: str
    expected: float
    tolerance: float
    because: str
    compute: Callable[[Place], float] | None
    needs: str = ""
    any_weights: bool = False
    heavy: bool = False
    cost: str = ""
    data: str = ""
    cannot: str = ""


@dataclass(frozen=True)
class Outcome:
    """A check that was looked at. got: None where it was not run or gave an error. note: why, or "".

    weights: identity of the file that ran or was there, or "". seconds: what it took. lacks: what would make
    it run, where it was not: "weights", "data", "time" (`--all`); "" where nothing would.
    """

    name: str
    proves: str
    source: str
    expected: float
    tolerance: float
    because: str
    needs: str
    weights: str
    got: float | None
    verdict: Verdict
    note: str
    lacks: Lacks
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready plain data."""
        return asdict(self)


def run(
    given: str | None = None,
    device: str = "auto",
    everything: bool = False,
    say: Say = lambda _: None,
    checks: Sequence[Check] | None = None,
    data: str | os.PathLike[str] | None = None,
) -> Iterator[Outcome]:
    """Runs the checks one after the other and gives each outcome as soon as it is there.

    given: where weights lie, as `--weights` takes it. device: as `--device`. everything: heavy ones, too.
    checks: in place of `CHECKS`. data: a folder with `cifar-10-batches-bin` in it (or that folder itself).

    Raises UsageError for a device that is not there, or where `given` cannot be read; WeightsError and
    DataError where a folder that is given does not exist, a file of unknown hash does not fit its network, or
    `data` holds none of the data.
    """
    from synvid_eval.networks import loading

    chosen = CHECKS if checks is None else checks
    place = loading.resolve_device(device)
    # What makes no sense is said before anything runs.
    for source in files.sources(given):
        if given and source.folder is not None and not source.folder.is_dir():
            raise WeightsError(f"--weights {given}: {source.folder} {files.no_folder(source.folder)}.")
        break
    folders = {c.data: folder for c in chosen if (folder := _folder(data, c.data))}
    if data is not None and not folders:
        what = f"it holds no {CIFAR}" if Path(data).is_dir() else f"it {files.no_folder(Path(data))}"
        raise DataError(f"--data {data}: {what}.", "Unpack there the binary version of CIFAR-10.")
    for network in dict.fromkeys(files.known(c.needs).network for c in chosen if c.needs):
        _check_fit(network, given)
    for check in chosen:
        yield _look(check, given, place, everything, say, folders.get(check.data, ""), data)


def command(*options: str, given: str | None = None, data: str | os.PathLike[str] | None = None) -> str:
    """`synvid-eval selfcheck` with those options, and with what was given before."""
    asked = [("--weights", given), ("--data", None if data is None else os.fspath(data))]
    again = [word for name, value in asked if value for word in (name, value)]
    return shlex.join(["synvid-eval", "selfcheck", *again, *options])


def _check_fit(network: str, given: str | None) -> None:
    """WeightsError where a file of unknown hash is named for a network and does not fit it."""
    from synvid_eval.networks import loading

    try:
        found = files.locate(network, given)
    except WeightsError:  # missing or wrong: each check says so
        return
    if found.name is None:
        loading.load(network, found.identity, str(found.file))
        loading.load.cache_clear()


def _folder(data: str | os.PathLike[str] | None, name: str) -> str:
    """The folder of that name in `data`, or `data` itself where that is its name; "" where there is none."""
    if data is None or not name:
        return ""
    places = [Path(data) / name, *([Path(data)] if Path(data).resolve().name == name else [])]
    return next((str(p) for p in places if p.is_dir()), "")


def _look(
    check: Check,
    given: str | None,
    device: str,
    everything: bool,
    say: Say,
    folder: str,
    data: str | os.PathLike[str] | None,
) -> Outcome:
    name = check.name

    def outcome(
        verdict: Verdict, got: float | None = None, note: str = "", found: str = "", lacks: Lacks = ""
    ) -> Outcome:
        facts = {k: v for k, v in vars(check).items() if k in Outcome.__dataclass_fields__}
        seconds = time.monotonic() - began
        return Outcome(
            **facts | {"name": name, "weights": found, "got": got, "verdict": verdict},
            note=note,
            lacks=lacks,
            seconds=seconds,
        )

    began = time.monotonic()
    identity = file = ""
    if check.compute is None:
        return outcome("not run", note=check.cannot)
    if check.needs:
        network = files.known(check.needs).network
        try:
            found = files.locate(network, given, check.needs)
        except files.MissingWeights:
            note = f"needs weights: {files.fetch_command([check.needs], given)}"
            return outcome(
                "not run", note=note + (f"; and {check.data}" if check.data else ""), lacks="weights"
            )
        except WeightsError as error:
            return outcome("FAILED", note=str(error))
        if found.name not in (None, check.needs):
            return outcome("not run", note=f"--weights names {found.name}, this one needs {check.needs}")
        identity, file = found.identity, str(found.file)
        if found.name is None:
            name = name.replace(PRETRAINED, f"weights {identity[:23]}… of unknown hash")
            if not check.any_weights:
                note = f"not the published file ({identity[:23]}…)"
                return outcome("not run", note=note, found=identity)
    if check.data and not folder:
        note = f"needs {check.data}: {command('--data', 'DIR', given=given)}"
        return outcome("not run", note=note, found=identity, lacks="data")
    if check.heavy and not everything:
        note = f"{check.cost}: {command('--all', given=given, data=data)}"
        return outcome("not run", note=note, found=identity, lacks="time")
    try:
        got = check.compute(Place(identity, file, device, say, folder))
    except Exception as error:  # a check that breaks is a check that failed; the others go on
        return outcome("FAILED", note=f"{type(error).__name__}: {one_line(error)}", found=identity)
    if not math.isfinite(got):
        return outcome("FAILED", note=f"gave {got}", found=identity)
    good = abs(got - check.expected) <= check.tolerance
    return outcome("ok" if good else "FAILED", got, found=identity)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0: nothing failed; 4: what failed needs weights; 1: something failed that needs none."""
    failed = [o for o in outcomes if o.verdict == "FAILED"]
    return 0 if not failed else 4 if all(o.needs for o in failed) else 1


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    names = ("torch", "torchvision", "pytorch-fid", "numpy", "scipy")
    return {name: importlib.metadata.version(name) for name in names}


# Without weights ------------------------------------------------------------------------------------------


def standard_normals(place: Place) -> float:
    """Fréchet distance of N(0, I) and N(1, I) in 2048 dimensions."""
    eye, zero = np.eye(2048), np.zeros(2048)
    return frechet(Moments.of_parts(1, zero, eye), Moments.of_parts(1, zero + 1, eye), 0).distance


def diagonals(place: Place) -> float:
    """Fréchet distance of diag(1, 4, 9) and diag(4, 1, 16) with means that differ by (1, 2, 2)."""
    one = Moments.of_parts(1, np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    other = Moments.of_parts(1, np.array([1.0, 2.0, 2.0]), np.diag([4.0, 1.0, 16.0]))
    return frechet(one, other, 0).distance


def three_images(place: Place) -> float:
    """The entry of the covariance that is farthest from 0.25; NaN where a mean is not 0.5."""
    images = np.stack([np.full((4, 4, 3), value) for value in (0.0, 0.5, 1.0)])
    moments = Moments.of_rows(images.mean((1, 2)))
    entries = moments.covariance(1).ravel()
    right = np.allclose(moments.mean, 0.5, rtol=0, atol=1e-12)
    return float(entries[np.abs(entries - 0.25).argmax()]) if right else math.nan


def beside_eigenvalues(place: Place) -> float:
    """Our Fréchet distance over that from the eigenvalues of Σ₁Σ₂, of the same 4,000 and 3,000 rows of 256
    values.
    """
    rng = np.random.default_rng(2023)
    mixed = rng.normal(size=(256, 256)) / 16
    rows = [rng.normal(size=(4000, 256)) @ mixed, rng.normal(0.1, 1.2, size=(3000, 256)) @ mixed]
    one, other = (np.cov(r, rowvar=False) for r in rows)
    gap = rows[0].mean(0) - rows[1].mean(0)
    roots = np.sqrt(np.linalg.eigvals(one @ other).astype(np.complex128)).real
    theirs = float(gap @ gap + np.trace(one) + np.trace(other) - 2 * roots.sum())
    return frechet(Moments.of_rows(rows[0]), Moments.of_rows(rows[1])).distance / theirs


def spread(place: Place, network: str) -> float:
    """How far a random network's rows lie apart, over their size (both root mean squares), on frames of our
    generators.
    """
    from synvid_eval.networks import loading, random

    made = random.inputs(network).numpy()
    rows = loading.run(network, made, weights="random:0", device=place.device).astype(np.float64)
    return float(np.sqrt((rows - rows.mean(0)).var(0).mean() / (rows**2).mean()))


SAY_EVERY = 10.0
"""Seconds between two lines of a long check."""


class _Teller:
    """Says every while how far a long check is."""

    def __init__(self, say: Say, count: int, what: str) -> None:
        self._say, self._count, self._what = say, count, what
        self._began = self._said = time.monotonic()

    def __call__(self, done: int) -> None:
        """So many of all are done."""
        now = time.monotonic()
        if now - self._said >= SAY_EVERY:
            self._said, left = now, (now - self._began) / done * (self._count - done)
            self._say(f"{done} of {self._count} {self._what}, about {left:.0f} s left")


# Inception ------------------------------------------------------------------------------------------------

_loads = threading.Lock()


def frames_for_inception() -> NDArray[np.uint8]:
    """Four made frames uint8 [4, 240, 320, 3], coarse and fine detail, always the same."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (4, 24, 32, 3)).repeat(10, axis=1).repeat(10, axis=2)
    return np.clip(coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def peers_input(frames: NDArray[np.uint8], protocol: str) -> NDArray[np.float32]:
    """Frames uint8 [n, H, W, 3] as the codes that the protocols come from give them to their network, float32
    [n, 3, …]: 0 … 1 of any size for `pytorch`, whose network does the rest; for the others [n, 3, 299, 299]
    in −1 … 127/128.

    `clean`: Pillow's float bicubic, a channel at a time. `tf`: what TensorFlow 1's kernel does, on its grid.
    """
    from PIL import Image

    if protocol == "pytorch":
        return frames.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    if protocol == "clean":
        planes = [
            Image.fromarray(frame[..., c].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC)
            for frame in frames
            for c in range(3)
        ]
        out = np.stack([np.asarray(p) for p in planes]).reshape(len(frames), 3, 299, 299).clip(0, 255)
    else:
        x = frames.astype(np.float32)
        for axis in (2, 1):
            size = frames.shape[axis]
            at = np.arange(299, dtype=np.float32) * (np.float32(size) / np.float32(299))
            low = np.floor(at).astype(int)
            lerp = (at - low).reshape((-1, 1, 1) if axis == 1 else (-1, 1))
            near, far = x.take(low, axis), x.take(np.minimum(low + 1, size - 1), axis)
            x = near + (far - near) * lerp
        out = x.transpose(0, 3, 1, 2)
    return ((out - 128) / 128).astype(np.float32)


def inception_beside_pytorch_fid(place: Place, protocol: str = "pytorch") -> float:
    """Largest difference between our 2048 features and those of pytorch-fid's own network (on the CPU,
    float32) with the same file, of four made frames that were resized by other code than ours. With a file
    that is not the published one, and without any (both have random weights then), the difference is in units
    of the largest feature: these come out at any scale.
    """
    import pytorch_fid.inception as peer  # type: ignore[import-untyped]
    import torch

    from synvid_eval.features.inception import Inception
    from synvid_eval.networks import random
    from synvid_eval.networks.loading import exact
    from synvid_eval.networks.threads import one_thread

    feature = Inception(
        weights=place.weights or "random:0", file=place.file, device=place.device, protocol=protocol
    )
    frames = frames_for_inception()
    ours = feature.rows(np.stack([feature.view()(frame) for frame in frames]))
    if place.weights:
        data = files.read(Path(place.file), place.weights)
        tensors = files.state_dict(data, place.file)
    else:
        tensors = random.random_state("inception", 0)
    with _loads, one_thread(), exact(), torch.inference_mode():
        fetch = peer.load_state_dict_from_url
        peer.load_state_dict_from_url = lambda *_, **__: tensors  # the file that is here, not one fetched
        try:
            plain = protocol == "pytorch"
            network = peer.InceptionV3([3], resize_input=plain, normalize_input=plain).eval()
        finally:
            peer.load_state_dict_from_url = fetch
        theirs = network(torch.from_numpy(peers_input(frames, protocol)))[0].squeeze(3).squeeze(2).numpy()
    published = any(place.weights == f"sha256:{one.sha256}" for one in files.FILES)
    return float(np.abs(ours - theirs).max() / (1 if published else np.abs(theirs).max()))


# CIFAR-10, as torch-fidelity takes it ---------------------------------------------------------------------


def cifar(folder: str, train: bool) -> NDArray[np.uint8]:
    """The images of CIFAR-10, uint8 [50,000 or 10,000, 32, 32, 3], in their order.

    folder: the "binary version": six files of 10,000 records, a label and 3 × 32 × 32 bytes. DataError where
    a file is missing or of another size.
    """
    parts = []
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]:
        path = Path(folder) / name
        try:
            data = np.fromfile(path, np.uint8)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
        if data.size != 10_000 * 3073:
            raise DataError(f"{path} has {data.size:,} bytes in place of 30,730,000: no batch of CIFAR-10.")
        parts.append(data.reshape(10_000, 3073)[:, 1:].reshape(10_000, 3, 32, 32))
    return np.ascontiguousarray(np.concatenate(parts).transpose(0, 2, 3, 1))


def cifar_drawn(folder: str, train: bool, count: int, noise: bool = False) -> NDArray[np.uint8]:
    """That many images, drawn and perhaps made noisy as torch-fidelity's utils/util_dump_dataset_as_images.py
    does it: uint8 [count, 32, 32, 3].
    """
    images, rng = cifar(folder, train), np.random.RandomState(2020)
    drawn = images[rng.choice(len(images), count, replace=False)]
    if noise:
        added = np.stack([rng.randn(32, 32, 3) * 64 for _ in drawn])
        # to bytes as a C compiler does it: towards 0, then modulo 256
        drawn = ((drawn + added).astype(np.float32).astype(np.int64) & 255).astype(np.uint8)
    return drawn


@functools.lru_cache(maxsize=8)
def _cifar_rows(place: Place, train: bool, count: int, noise: bool) -> NDArray[np.float32]:
    from synvid_eval.features.inception import Inception

    feature = Inception(weights=place.weights, file=place.file, device=place.device, protocol="tf")
    view, rows = feature.view(), []
    images = cifar_drawn(place.data, train, count, noise)
    tell = _Teller(place.say, count, f"images of CIFAR-10 ({'train' if train else 'test'})")
    for first in range(0, count, 16):
        rows.append(feature.rows(np.stack([view(image) for image in images[first : first + 16]])))
        tell(min(first + 16, count))
    return np.concatenate(rows)


def cifar_fid(place: Place, count: int) -> float:
    """FID of that many training images and as many test images of CIFAR-10, protocol tf."""
    sides = [Moments.of_rows(_cifar_rows(place, train, count, False)) for train in (True, False)]
    return frechet(sides[0], sides[1], 1).distance


def cifar_kid(place: Place) -> float:
    """Unbiased KID of 5,000 training images and 5,000 noisy test images of CIFAR-10, protocol tf."""
    one, other = (_cifar_rows(place, train, 5000, not train) for train in (True, False))
    return Kid().of_rows(one, other)


# I3D ------------------------------------------------------------------------------------------------------


def black_and_white(place: Place, frames: int, protocol: str) -> float:
    """FVD of clips of that many black frames and as many white ones, 64 × 64 pixels, 8 of each.

    All clips of a side are the same: one goes through the network.
    """
    rows = [_constant_row(place.weights, place.file, place.device, protocol, frames, v) for v in (0, 255)]
    one, other = (Moments.of_rows(np.repeat(row, 8, axis=0)) for row in rows)
    return frechet(one, other, 0).distance


@functools.lru_cache(maxsize=32)
def _constant_row(
    weights: str, file: str, device: str, protocol: str, frames: int, value: int
) -> NDArray[np.float32]:
    from synvid_eval.features.i3d import I3D

    feature = I3D(weights=weights, file=file, device=device, protocol=protocol)
    view = feature.view()(np.full((64, 64, 3), value, np.uint8))
    return feature.rows(feature.clip([view] * frames)[None])


NOISE_CLIPS = 128


def noise_clips(seed: int, clips: int = NOISE_CLIPS) -> Iterator[NDArray[np.float32]]:
    """The clips float32 [1, 3, 16, 224, 224] in 0 … 1 of RandomState(seed).rand(clips, 16, 224, 224, 3), one
    after the other.
    """
    drawn = np.random.RandomState(seed)
    for _ in range(clips):
        yield drawn.rand(1, 16, 224, 224, 3).astype(np.float32).transpose(0, 4, 1, 2, 3)


def noise(place: Place) -> float:
    """FVD of two sets of 128 clips of noise in 0 … 1, which the network takes as they are."""
    from synvid_eval.networks import loading

    sides: list[Moments] = []
    tell = _Teller(place.say, 2 * NOISE_CLIPS, "clips")
    for seed in (1, 2):
        rows = []
        for i, clip in enumerate(noise_clips(seed)):
            rows.append(loading.run("i3d", clip, weights=place.weights, file=place.file, device=place.device))
            tell(NOISE_CLIPS * len(sides) + i + 1)
        sides.append(Moments.of_rows(np.concatenate(rows)))
    return frechet(sides[0], sides[1], 1).distance


def _black_and_white(frames: int, expected: float) -> Check:
    return Check(
        f"FVD of black and white clips of {frames} frames, protocol styleganv",
        "I3D's file, the scaling of frames, padding in time and the mean over time",
        f"{COMMON_METRICS}: {FIXTURE}",
        expected,
        SPREAD * expected,
        EQUAL,
        functools.partial(black_and_white, frames=frames, protocol="styleganv"),
        needs="i3d",
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "Fréchet distance of N(0, I) and N(1, I), 2048 dimensions",
        "the distance at the size and rank of FID",
        "closed form; pytorch-fid, tests/test_fid_score.py",
        2048.0,
        1e-8,
        "float64, and the trace term is 0: rounding of 2048 sums",
        standard_normals,
    ),
    Check(
        "Fréchet distance of two diagonal Gaussians",
        "mean term 9 and trace term 3",
        "closed form: diag(1, 4, 9), diag(4, 1, 16), means (1, 2, 2) apart",
        12.0,
        1e-12,
        "float64 rounding",
        diagonals,
    ),
    Check(
        "moments of three images",
        "mean 0.5, covariances divided by n − 1",
        "pytorch-fid, tests/test_fid_score.py: constant images 0, 0.5, 1 by their channels' means",
        0.25,
        1e-12,
        "float64 rounding",
        three_images,
    ),
    Check(
        "Fréchet distance over that from eigenvalues of the product",
        "the same number as the usual form gives, from the same rows",
        "the form of torch-fidelity and torchmetrics, in NumPy: 4,000 and 3,000 rows of 256 values",
        1.0,
        1e-9,
        "float64; both covariances have full rank",
        beside_eigenvalues,
    ),
    *(
        Check(
            f"random network {network}: spread of its rows over their size",
            "different frames give different features (a collapsed network gives next to nothing)",
            "this package: random networks are calibrated to values of order 1",
            0.5,
            0.45,
            "of order 1 is all that is asked",
            functools.partial(spread, network=network),
        )
        for network in ("inception", "i3d")
    ),
    Check(
        "Inception beside pytorch-fid's network, random weights",
        "graph, resize and scale of protocol pytorch; fused layers and this device change no more",
        "the installed pytorch-fid with the same tensors: largest difference of 4 × 2048 features, over the "
        "largest of them",
        0.0,
        1e-4,
        "float32 sums in another order, through 48 layers",
        inception_beside_pytorch_fid,
    ),
    *(
        Check(
            f"Inception beside pytorch-fid's network, {PRETRAINED}, protocol {protocol}",
            f"FID's features are those of {whose}",
            f"the installed pytorch-fid with the same file{resized}: largest difference of 4 × 2048 features "
            "(over the largest of them where the file is no published one; every published value needs data)",
            0.0,
            1e-4,
            "float32 sums in another order; features are of order 1",
            functools.partial(inception_beside_pytorch_fid, protocol=protocol),
            needs="inception",
            any_weights=True,
        )
        for protocol, whose, resized in (
            ("pytorch", "pytorch-fid", ""),
            ("clean", "clean-fid", ", frames resized by the installed Pillow as clean-fid calls it"),
            ("tf", "TensorFlow 1 and torch-fidelity", ", frames resized by the formulas of TensorFlow 1"),
        )
    ),
    Check(
        "FID of 256 training and 256 test images of CIFAR-10, protocol tf",
        "Inception's file, TensorFlow's resize, and the Fréchet distance of fewer rows than dimensions",
        f"{FIDELITY}, smoke test",
        110.28082617202443,
        1e-2,
        "the source's own",
        functools.partial(cifar_fid, count=256),
        needs="inception",
        data=CIFAR,
    ),
    Check(
        "FID of 5,000 training and 5,000 test images of CIFAR-10, protocol tf",
        "Inception's file, TensorFlow's resize, and the Fréchet distance",
        f"{FIDELITY}, test_metric_fid_fidelity; TensorFlow 1 gives the same to 1e-5 of it",
        10.3233274,
        1e-2,
        "the source's own between machines (1e-4 on its own)",
        functools.partial(cifar_fid, count=5000),
        needs="inception",
        data=CIFAR,
        heavy=True,
        cost="10,000 images, about 10 minutes on one CPU core",
    ),
    Check(
        "KID of 5,000 training and 5,000 noisy test images of CIFAR-10, protocol tf",
        "the kernel distance of Inception's features",
        f"{FIDELITY}, test_metric_kid_fidelity",
        0.4718520,
        5e-3,
        "the source averages 100 random subsets of 1,000; this is their expectation, over all images",
        cifar_kid,
        needs="inception",
        data=CIFAR,
        heavy=True,
        cost="5,000 images more, about 5 minutes on one CPU core",
    ),
    Check(
        "FVD of black and white clips of 15 frames, the original code's word",
        "it is the network of the original FVD: a known wrong port gives 219",
        "google-research, frechet_video_distance: 16 videos of 15 frames, 64 × 64, “should be around 131”",
        131.0,
        5.0,
        "“around”; StyleGAN-V's file gives 133.7 here, by the source of the next ones",
        functools.partial(black_and_white, frames=15, protocol="styleganv"),
        needs="i3d",
    ),
    _black_and_white(10, 569.2296293622766),
    _black_and_white(15, 133.70311962583372),
    _black_and_white(16, 152.91750309134142),
    _black_and_white(30, 151.25648496845326),
    *(
        Check(
            f"FVD of black and white clips of {frames} frames, protocol videogpt",
            "our own I3D with VideoGPT's file is the network of FVD",
            "the same README: with this file results are “almost identical” to those above",
            expected,
            2 * SPREAD * expected,
            "as above, and “almost identical” in place of a number",
            functools.partial(black_and_white, frames=frames, protocol="videogpt"),
            needs="i3d-videogpt",
        )
        for frames, expected in ((16, 152.91750309134142), (30, 151.25648496845326))
    ),
    Check(
        "FVD of cd-fvd's example, protocol cdfvd",
        "decoding, protocol cdfvd and VideoGPT's file together",
        "songweige/content-debiased-fvd, its example and its issue 2: 3383.9645584 and 3383.9670431 on two "
        "machines",
        3383.9645584,
        0.01,
        "what two machines differ by, and some",
        None,
        needs="i3d-videogpt",
        cannot="needs cd-fvd's example videos and its statistics of UCF101, a pickle of its own, which could "
        "not be had where this was written",
    ),
    Check(
        "FVD of two sets of 128 clips of noise",
        "I3D's file and the Fréchet distance of fewer rows than dimensions",
        "universome/fvd-comparison: RandomState(1), RandomState(2), as 0 … 1; TensorFlow gives 10.138085",
        10.138084766713924,
        1e-3,
        "the source's two implementations agree to 1e-6; float32 sums and its matrix square root add some",
        noise,
        needs="i3d",
        heavy=True,
        cost="256 clips of 224 × 224, about 5 minutes on one CPU core",
    ),
)
"""All checks, in the order they are run."""
