"""The metrics as `torchmetrics.Metric`s, over the same features and states as `synvid-eval compare`.

    metric = TubeletDistance()
    metric.update(videos, real=True)                   # uint8 [N, T, 3, H, W], or a list of clips
    metric.update(generated, real=False)
    metric.compute()                                   # 0-d tensor, float64

Each clip is measured when it comes, and only statistics are kept; processes and updates join by adding these,
never scores. Two ways of naming clips:

- With `ids` (those of `compare`: file names, or `name[index]` of an array) the statistics of every clip are
  kept by its id, and folded as `compare` folds them: the same value to the last bit, in whatever order and
  process the clips came; a clip that came twice (a sampler that fills up its last batch) counts once. It
  takes the memory of the clips' rows: of a clip, for tubelets 69 kB a stride, for fid 131 kB, for color 17.
- Without, a clip is named by its pixels (what is drawn at random is drawn from that name), and only the sum
  of all is kept, of a fixed size. The value is that of another draw: within the metric's sampling error.

Sampler, recipe and weights are chosen as for `compare`; `score()` gives what `compare` gives beside the
value.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synvid_eval import archive
from synvid_eval.comparison import build_recipe, compare_measured
from synvid_eval.errors import DataError, UsageError
from synvid_eval.features.network import Networks
from synvid_eval.measurement import Measurement, Options, arranged, fold_arrays, fold_from, fold_meta
from synvid_eval.metrics.base import Unscored
from synvid_eval.score import Score, SetFacts
from synvid_eval.states import Fold, Side, fold
from synvid_eval.video.decode import ClipRef
from synvid_eval.worker import Worker

Videos: TypeAlias = "torch.Tensor | NDArray[Any] | Sequence[torch.Tensor | NDArray[Any]]"
Layout: TypeAlias = Literal["TCHW", "CTHW", "THWC"]

_AXES: dict[str, tuple[int, ...]] = {"TCHW": (0, 2, 3, 1), "CTHW": (1, 2, 3, 0), "THWC": (0, 1, 2, 3)}

_MANY = 32  # sums of updates that are kept apart before they become one

_SIDES = {True: "real", False: "generated"}


class _Metric(torchmetrics.Metric):
    """Base of all: what is kept of either side, and how it becomes a `states.Side`.

    Args:
        settings: `NAME.KNOB=VALUE`, as for `compare` (`("tubelet.stride=2",)`).
        frames: frames looked at a clip (default 16).
        seed: of what is drawn at random.
        protocol: a name of `synvid_eval.protocols.PROTOCOLS`; the number of clips is yours to keep.
        networks: where weights lie, or random ones, and how they run (`synvid_eval.Networks`).
        layout: order of a clip's axes: TCHW, CTHW or THWC.
        normalize: clips are floating point in [0, 1] in place of uint8.
        reset_real_features: whether `reset` forgets the real clips, too.
        kwargs: of `torchmetrics.Metric`.

    Raises:
        UsageError for settings that do not exist or contradict, WeightsError where weights are missing.
    """

    is_differentiable = False

    real: list[torch.Tensor]
    generated: list[torch.Tensor]

    _name: ClassVar[str]

    def __init__(
        self,
        *,
        settings: Sequence[str] = (),
        frames: int | None = None,
        seed: int = 0,
        protocol: str = "default",
        networks: Networks | None = None,
        layout: Layout = "TCHW",
        normalize: bool = False,
        reset_real_features: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if layout not in _AXES:
            raise UsageError(f"No layout is called {layout!r}.", f"Clips are {', '.join(_AXES)}.")
        self._made = build_recipe([self._name], settings, frames, protocol, networks)
        self._seed, self._layout, self._normalize = seed, layout, normalize
        self._reset_real = reset_real_features
        self._named: dict[str, bool] = {}
        for side in _SIDES.values():
            self.add_state(side, default=[], dist_reduce_fx="cat", persistent=True)

    @property
    def full_state_update(self) -> bool:  # type: ignore[override]
        """Whether `forward` measures a batch twice, in place of adding its statistics to those there are: as
        long as `reset` leaves the real clips, they would be added again each time.
        """
        return not self._reset_real

    @property
    def unit(self) -> str:
        """Unit of the value."""
        return self._made.metrics[0].unit

    def update(self, videos: Videos, real: bool, ids: Iterable[str] | None = None) -> None:
        """Measures clips and adds them to one side.

        Args:
            videos: uint8 [N, T, 3, H, W] (see `layout`), a list of clips [T, 3, H, W] of any sizes, or images
                [N, 3, H, W], each a clip of one frame; floating point in [0, 1] with `normalize`.
            real: True for the reference, False for what is compared with it.
            ids: names of the clips, [N]; for all clips of a side or for none.

        Raises:
            UsageError for other shapes and types, not as many ids as clips, and ids that come for some clips
            only. (That two different clips have one id is told by `compute`.)
        """
        clips = self._clips(videos)
        names = None if ids is None else list(ids)
        if names is not None and len(names) != len(clips):
            raise UsageError(f"{len(names)} ids for {len(clips)} clips.", "Give an id for each.")
        side = _SIDES[bool(real)]
        if self._named.get(side, names is not None) != (names is not None):
            raise _mixed(side)
        kept: list[torch.Tensor] = getattr(self, side)
        if names is not None:
            kept += [
                _packed(self._measured(c, n), n, _content(c), self.device)
                for c, n in zip(clips, names, strict=True)
            ]
        elif clips:
            kept.append(_packed(fold([self._measured(c, _content(c)) for c in clips]), "", "", self.device))
            if len(kept) > _MANY:
                pieces = list(_unpacked(kept))
                if any(one.content for one in pieces):  # from a state that was loaded or merged
                    raise _mixed(side)
                kept[:] = [_packed(fold([one.fold for one in pieces]), "", "", self.device)]
        if clips:
            self._named[side] = names is not None

    def compute(self) -> torch.Tensor:
        """The value, 0-d float64 (float32 on MPS), as `compare` gives it; NaN with a warning, which says why,
        where there is none.
        """
        value = float("nan")
        metric, feature = self._made.metrics[0], self._made.features[0]
        used = ("generated", "real") if metric.pair else ("generated",)
        with threadpool_limits(1):  # the same bits whatever the number of threads
            sides = [self._side(name) for name in used]
            try:
                for name, side in zip(used, sides, strict=True):
                    if not side.measured:
                        raise Unscored(f"No {name} clip was given: update(…, real={name == 'real'}).")
                value = float(metric.settle(sides, feature).value(sides[0], sides[-1]))
            except Unscored as error:
                warnings.warn(f"{type(self).__name__}: {error}", stacklevel=2)
        return torch.tensor(value, dtype=self._dtype_here(), device=self.device)

    def score(self) -> Score:
        """What `compare` says of the generated clips: value, signature, detail, and with ids `corrected` and
        `interval`. Processes are joined as for `compute`.

        Raises:
            DataError where a side has no clips.
        """
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync, should_unsync=self._should_unsync
        ):
            with threadpool_limits(1):
                sides = {name: self._side(name) for name in _SIDES.values()}
            for name, side in sides.items():
                if not side.measured:
                    raise DataError(f"No {name} clip was given.", f"Call update(…, real={name == 'real'}).")
            generated, real = (self._measurement(name, sides[name]) for name in ("generated", "real"))
            score = compare_measured([generated], real, self._made, Options(seed=self._seed)).scores[0]
        if any(len(side.blocks) == 1 for side in sides.values()) and score.value == score.value:
            return replace(
                score, interval_reason="Clips without ids are kept as one sum: give ids to have one."
            )
        return score

    def reset(self) -> None:
        """Forgets all clips, or (`reset_real_features=False`) the generated ones."""
        real = list(self.real)  # since the list itself is emptied
        super().reset()
        self._named.pop("generated", None)
        if self._reset_real:
            self._named.pop("real", None)
        else:
            self.real = real

    def set_dtype(self, dst_type: str | torch.dtype) -> _Metric:
        """Nothing to convert: what is kept are bytes."""
        return self

    def _dtype_here(self) -> torch.dtype:
        return torch.float32 if self.device.type == "mps" else torch.float64

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        for name in _SIDES.values():
            if not getattr(self, name):  # else a process without clips would send an empty float tensor
                setattr(self, name, [torch.empty(0, dtype=torch.uint8, device=self.device)])
        super()._sync_dist(*args, **kwargs)

    def _clips(self, videos: Videos) -> list[NDArray[np.uint8]]:
        """Clips as uint8 [T, H, W, 3]."""
        out = []
        for clip in videos:
            array = clip.detach().cpu().numpy() if isinstance(clip, torch.Tensor) else np.asarray(clip)
            if array.ndim == 3:  # an image
                array = np.expand_dims(array, {"TCHW": 0, "CTHW": 1, "THWC": 0}[self._layout])
            shape = "×".join(map(str, array.shape))
            if array.ndim != 4 or array.shape[self._layout.index("C")] != 3 or not array.size:
                raise UsageError(
                    f"A clip of shape {shape} is not {self._layout} with 3 channels.", "See `layout`."
                )
            if self._normalize:
                if not np.issubdtype(array.dtype, np.floating) or not (0 <= array.min() <= array.max() <= 1):
                    raise UsageError(
                        f"A clip of {array.dtype} from {array.min()} to {array.max()} is not in [0, 1].",
                        "Scale it, or give uint8 without `normalize`.",
                    )
                array = np.rint(array * 255).astype(np.uint8)
            if array.dtype != np.uint8:
                raise UsageError(
                    f"A clip is {array.dtype}, not uint8.",
                    "Give uint8, or floating point in [0, 1] with `normalize`.",
                )
            out.append(np.ascontiguousarray(array.transpose(_AXES[self._layout])))
        return out

    def _measured(self, clip: NDArray[np.uint8], name: str) -> Fold:
        """What one clip gives to the states of the feature."""
        feature = self._made.features[0]
        worker = Worker([feature], self._made.sampler, self._seed, clip)
        with threadpool_limits(1):
            result = worker.results(ClipRef(name, "memory", "", -1))[feature.name]
        return Fold(result.states, dict.fromkeys(result.states, 1))

    def _side(self, name: str) -> Side:
        """One side, as `measure` folds it."""
        state = getattr(self, name)
        named: dict[str, _Piece] = {}
        sums: list[Fold] = []
        for one in _unpacked([state] if isinstance(state, torch.Tensor) else state):
            if not one.content:
                sums.append(one.fold)
            elif named.setdefault(one.id, one).content != one.content:
                raise UsageError(
                    f"Two different {name} clips have the id {one.id!r}.",
                    "Ids are of clips in the whole set, not in a batch: give each its own.",
                )
        if named and sums:
            raise _mixed(name)
        if named:
            return Side(arranged({id_: one.fold for id_, one in named.items()}), len(named))
        total = fold(sums)
        return Side((total,) if sums else (), max(total.clips.values(), default=0))

    def _measurement(self, name: str, side: Side) -> Measurement:
        feature = self._made.features[0]
        facts = SetFacts(name, "torchmetrics", "", side.measured, 0, [])
        return Measurement(
            facts, self._made.sampler, self._seed, {feature.name: feature}, {feature.name: side}, (), {}
        )


class _OfOneSet(_Metric):
    """Base of numbers of the generated clips alone: without real ones `compute` has a value, `score` none."""

    def update(self, videos: Videos, real: bool = False, ids: Iterable[str] | None = None) -> None:
        """Measures clips and adds them to one side; see `_Metric.update`."""
        super().update(videos, real, ids)


class FrechetVideoDistance(_Metric):
    """FVD: Fréchet distance of I3D's rows (metric `fvd`)."""

    higher_is_better = False
    _name = "fvd"


class KernelVideoDistance(_Metric):
    """KVD: unbiased squared maximum mean discrepancy of I3D's rows (metric `kvd`)."""

    higher_is_better = False
    _name = "kvd"


class FrechetInceptionDistance(_Metric):
    """FID: Fréchet distance of Inception's rows of frames (metric `fid`)."""

    higher_is_better = False
    _name = "fid"


class InceptionDiversity(_OfOneSet):
    """log det of the covariance of Inception's rows, with its ridge (metric `diversity`) [nats]."""

    higher_is_better = True
    _name = "diversity"


class SpectrumSlope(_OfOneSet):
    """α of the 1/f^α amplitude spectrum, mean over frames (metric `spectrum`); real video is what it should
    match.
    """

    higher_is_better = None
    _name = "spectrum"


class ColorDivergence(_Metric):
    """Symmetric Kullback-Leibler divergence of Gaussians in L*a*b* (metric `color`) [nats]."""

    higher_is_better = False
    _name = "color"


class TubeletDistance(_Metric):
    """Fréchet distance of normalized space-time patches (metric `tubelet`)."""

    higher_is_better = False
    _name = "tubelet"


def _mixed(side: str) -> UsageError:
    return UsageError(
        f"Some {side} clips have ids and others none.", "Give ids with every update of a side, or never."
    )


def _content(clip: NDArray[np.uint8]) -> str:
    """The name of a clip that has none: a hash of its pixels and shape."""
    digest = hashlib.blake2b(str(clip.shape).encode(), digest_size=16)
    digest.update(clip.data)
    return digest.hexdigest()


class _Piece(NamedTuple):
    """The states of a clip, by its id, or the sum of many without (then `content` is ""). content: `_content`
    of its pixels.
    """

    id: str
    content: str
    fold: Fold


def _packed(one: Fold, name: str, content: str, device: torch.device) -> torch.Tensor:
    """uint8 [n]: the length of what follows in 8 bytes, then a `_Piece`."""
    blob = archive.pack(fold_arrays(one, "x"), {"id": name, "content": content, "fold": fold_meta(one)})
    whole = np.frombuffer(len(blob).to_bytes(8, "little") + blob, np.uint8)
    return torch.from_numpy(whole.copy()).to(device)


def _unpacked(tensors: Iterable[torch.Tensor]) -> Iterator[_Piece]:
    """Each piece that was packed, of tensors that hold one or several in a row."""
    for tensor in tensors:
        whole = tensor.detach().cpu().numpy().tobytes()
        at = 0
        while at < len(whole):
            end = at + 8 + int.from_bytes(whole[at : at + 8], "little")
            try:
                arrays, meta = archive.unpack(whole[at + 8 : end])
            except archive.Damaged as error:
                raise DataError(
                    f"The metric's state is damaged ({error}).", "Was its dtype changed?"
                ) from None
            yield _Piece(meta["id"], meta["content"], fold_from(arrays, meta["fold"], "x"))
            at = end


__all__ = [
    "ColorDivergence",
    "FrechetInceptionDistance",
    "FrechetVideoDistance",
    "InceptionDiversity",
    "KernelVideoDistance",
    "SpectrumSlope",
    "TubeletDistance",
]
