"""The torchmetrics classes give what `compare` gives: to the bit with ids, over processes to rounding."""

from __future__ import annotations

import io
import math
import multiprocessing
import pickle  # noqa: TID251  # what users do with a metric
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from synvid_eval.cache import Cache
from synvid_eval.comparison import compare
from synvid_eval.errors import DataError, UsageError
from synvid_eval.features.network import Networks
from synvid_eval.integrations import torchmetrics as ours
from synvid_eval.integrations.torchmetrics import (
    ColorDivergence,
    FrechetInceptionDistance,
    FrechetVideoDistance,
    InceptionDiversity,
    KernelVideoDistance,
    SpectrumSlope,
    TubeletDistance,
)
from synvid_eval.measurement import Options
from synvid_eval.sets import open_set

CHEAP = [ColorDivergence, SpectrumSlope, TubeletDistance]
RANDOM = Networks(features="random", device="cpu")


def clips(seed: int, count: int, frames: int = 16, size: int = 40) -> NDArray[np.uint8]:
    """uint8 [N, T, H, W, 3]: drifting noise, coarser for larger seeds."""
    rng = np.random.default_rng(seed)
    out = np.empty((count, frames, size, size, 3), np.uint8)
    for i in range(count):
        still = rng.integers(0, 256, (size + frames, size, 3))
        still[..., 0] //= 1 + seed
        for t in range(frames):
            out[i, t] = still[t : t + size]
    return out


def torch_order(array: NDArray[np.uint8]) -> torch.Tensor:
    """[N, T, 3, H, W]."""
    return torch.from_numpy(array).permute(0, 1, 4, 2, 3)


def ids(count: int) -> list[str]:
    return [f"clips/{i:03}.mp4" for i in range(count)]


def as_set(array: NDArray[np.uint8], name: str) -> Any:
    """An opened set in memory whose clips have the ids above."""
    from dataclasses import replace

    opened = open_set(array, name=name)
    named = tuple(replace(c, id=ids(len(array))[c.index]) for c in opened.clips)
    return replace(opened, clips=named)


def of_compare(name: str, generated: NDArray[np.uint8], real: NDArray[np.uint8], **more: Any) -> Any:
    result = compare(
        [as_set(generated, "generated")],
        as_set(real, "real"),
        metrics=[name],
        options=Options(workers=1, cache=Cache(None)),
        **more,
    )
    return result.scores[0]


@pytest.fixture(scope="module")
def pair() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return clips(1, 37), clips(0, 33)


@pytest.mark.parametrize("cls", CHEAP)
def test_with_ids_it_is_compare_to_the_last_bit(cls: Any, pair: Any) -> None:
    """Whatever the order and the batches that clips come in; a clip that comes twice counts once."""
    generated, real = pair
    metric = cls()
    order = np.random.default_rng(3).permutation(len(generated))
    for part in np.array_split(order, 5):
        metric.update(torch_order(generated[part]), False, [ids(99)[i] for i in part])
    metric.update(torch_order(generated[:2]), False, ids(2))
    metric.update(torch_order(real), True, ids=ids(len(real)))
    expected = of_compare(cls._name, generated, real)
    assert metric.compute().dtype == torch.float64 and metric.compute().ndim == 0
    assert metric.compute().item() == expected.value
    assert metric.score() == expected and metric.unit == expected.unit


@pytest.mark.parametrize("cls", CHEAP)
def test_without_ids_it_is_compare_to_sampling_error(cls: Any, pair: Any) -> None:
    """Two halves of one set differ by what sampling does; without ids the value lies within that."""
    generated, real = pair
    metric = cls()
    for part in np.array_split(np.arange(len(generated)), 40):  # more than are kept apart
        metric.update(torch_order(generated[part]), real=False)
    metric.update(list(torch_order(real)), real=True)
    expected = of_compare(cls._name, generated, real)
    half = of_compare(cls._name, generated[::2], real[::2])
    assert abs(metric.compute().item() - expected.value) <= abs(half.value - expected.value) + 1e-9
    assert len(metric.generated) <= ours._MANY
    if cls is not TubeletDistance:  # nothing is drawn: only the order of adding differs
        assert metric.compute().item() == pytest.approx(expected.value, rel=1e-9)
    score = metric.score()
    assert score.interval is None and "ids" in score.interval_reason
    again = cls()  # the same clips in another order have the same names
    again.update(torch_order(generated[::-1].copy()), real=False)
    again.update(torch_order(real), real=True)
    assert again.compute().item() == pytest.approx(metric.compute().item(), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "frames"),
    [
        (FrechetInceptionDistance, 2),
        (InceptionDiversity, 2),
        (FrechetVideoDistance, 16),
        (KernelVideoDistance, 16),
    ],
)
def test_networks(cls: Any, frames: int) -> None:
    generated, real = clips(1, 4, frames), clips(0, 5, frames)
    more: dict[str, Any] = {"frames": 2} if frames == 2 else {}
    metric = cls(networks=RANDOM, **more)
    metric.update(torch_order(generated), False, ids(4))
    metric.update(torch_order(real), True, ids(5))
    expected = of_compare(cls._name, generated, real, networks=RANDOM, **more)
    assert metric.compute().item() == expected.value
    assert metric.score().metric == expected.metric and "random" in expected.metric
    assert metric.score().signature == expected.signature


def test_settings_are_those_of_compare(pair: Any) -> None:
    generated, real = pair
    metric = TubeletDistance(settings=["tubelet.stride=1", "tubelet.deviation=8"], seed=5)
    metric.update(torch_order(generated), False, ids(len(generated)))
    metric.update(torch_order(real), True, ids(len(real)))
    result = compare(
        [as_set(generated, "generated")],
        as_set(real, "real"),
        metrics=["tubelet"],
        settings=["tubelet.stride=1", "tubelet.deviation=8"],
        options=Options(workers=1, seed=5, cache=Cache(None)),
    )
    assert metric.compute().item() == result.scores[0].value
    with pytest.raises(UsageError, match="no knob"):
        TubeletDistance(settings=["tubelet.strides=1"])


def test_numbers_of_one_set_need_no_real_clips(pair: Any) -> None:
    metric = SpectrumSlope()
    metric.update(torch_order(pair[0]))
    assert math.isfinite(metric.compute().item())
    with pytest.raises(DataError, match="No real clip"):
        metric.score()


def test_layouts_images_and_floats(pair: Any) -> None:
    generated = pair[0][:3]
    values = []
    for layout, axes in (("TCHW", (0, 1, 4, 2, 3)), ("CTHW", (0, 4, 1, 2, 3)), ("THWC", (0, 1, 2, 3, 4))):
        metric = SpectrumSlope(layout=layout)
        metric.update(np.transpose(generated, axes))
        values.append(metric.compute().item())
        images = SpectrumSlope(layout=layout)
        images.update([np.squeeze(c, layout.index("T")) for c in np.transpose(generated[:, :1], axes)])
        assert math.isfinite(images.compute().item())
    metric = SpectrumSlope(normalize=True)
    metric.update(torch_order(generated).float() / 255)
    values.append(metric.compute().item())
    assert len(set(values)) == 1


@pytest.mark.parametrize(
    ("videos", "said"),
    [
        (torch.zeros(2, 16, 4, 32, 32, dtype=torch.uint8), "16×4×32×32 is not TCHW with 3 channels"),
        (torch.zeros(2, 16, 3, 32, 32), "float32, not uint8"),
        (torch.zeros(2, 0, 3, 32, 32, dtype=torch.uint8), "0×3×32×32"),
        (torch.zeros(16, dtype=torch.uint8), "A clip of shape"),
    ],
)
def test_what_is_no_clip(videos: torch.Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SpectrumSlope().update(videos)


def test_what_is_out_of_range() -> None:
    with pytest.raises(UsageError, match=r"not in \[0, 1\]"):
        SpectrumSlope(normalize=True).update(torch.full((1, 1, 3, 32, 32), 7.0))
    with pytest.raises(UsageError, match="2 ids for 1 clips"):
        SpectrumSlope().update(torch.zeros(1, 1, 3, 32, 32, dtype=torch.uint8), ids=["a", "b"])
    with pytest.raises(UsageError, match="layout"):
        SpectrumSlope(layout="HWCT")  # type: ignore[arg-type]


def test_ids_for_some_clips_only(pair: Any) -> None:
    metric = SpectrumSlope()
    metric.update(torch_order(pair[0][:2]), ids=["a", "b"])
    with pytest.raises(UsageError, match="Some generated clips have ids"):
        metric.update(torch_order(pair[0][2:4]))
    other = SpectrumSlope()
    other.update(torch_order(pair[0][2:4]))
    other.merge_state(metric)
    with pytest.raises(UsageError, match="Some generated clips have ids"):
        other.compute()


def test_an_id_that_two_clips_have_is_told(pair: Any) -> None:
    metric = SpectrumSlope(layout="THWC")
    batch = torch.from_numpy(pair[0][:2])
    metric.update(batch, ids=["a", "b"])
    metric.update(batch[:1], ids=["a"])  # the same clip again counts once
    once = metric.compute()
    metric.update(batch.flip(0), ids=["c", "d"])
    assert metric.compute() != once
    metric.update(255 - batch[:1] // 2, ids=["b"])
    with pytest.raises(UsageError, match="Two different generated clips have the id 'b'"):
        metric.compute()


def test_without_clips_there_is_a_warning_and_no_number(pair: Any) -> None:
    metric = ColorDivergence()
    metric.update(torch_order(pair[0]), real=False)
    with pytest.warns(UserWarning, match="No real clip was given"):
        assert math.isnan(metric.compute().item())


def test_merging_states(pair: Any) -> None:
    generated, real = pair
    whole, one, two = TubeletDistance(), TubeletDistance(), TubeletDistance()
    for metric, part in ((whole, slice(None)), (one, slice(0, 20)), (two, slice(20, None))):
        metric.update(torch_order(generated[part]), False, ids(99)[part][: len(generated[part])])
    one.merge_state(two)
    one.update(torch_order(real), True, ids(len(real)))
    whole.update(torch_order(real), True, ids(len(real)))
    assert one.compute() == whole.compute()


def test_reset_may_keep_the_real_clips(pair: Any) -> None:
    generated, real = pair
    metric = ColorDivergence(reset_real_features=False)
    metric.update(torch_order(real), True, ids(len(real)))
    metric.update(torch_order(generated), False)
    first = metric.compute()
    metric.reset()
    assert metric.generated == [] and metric.real
    metric.update(torch_order(generated), False)
    assert metric.compute() == first
    other = ColorDivergence()
    other.update(torch_order(real), True)
    other.reset()
    assert other.real == [] and other.generated == []


@pytest.mark.parametrize("reset_real", [True, False])
def test_forward_adds_each_clip_once(reset_real: bool, pair: Any) -> None:
    """`metric(batch)` accumulates what `update` would, whether or not `reset` leaves the real clips."""
    generated, real = (torch_order(side[:6]) for side in pair)
    plain, called = (ColorDivergence(reset_real_features=reset_real) for _ in range(2))
    for metric in (plain, called):
        metric.update(real[:3], True)
    for part in (slice(0, 2), slice(2, 6)):
        plain.update(generated[part], False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # with reset_real a batch alone has no real clips
            called(generated[part], False)
    for metric in (plain, called):
        metric.update(real[3:], True)
    assert called.score().n == {"candidate": 6, "reference": 6}
    assert called.compute().item() == pytest.approx(plain.compute().item(), rel=1e-12)


def test_pickled_cloned_and_checkpointed(pair: Any) -> None:
    generated, real = pair
    metric = TubeletDistance()
    metric.update(torch_order(generated[:20]), False, ids(20))
    metric.update(torch_order(real), True, ids(len(real)))
    pickled = pickle.loads(pickle.dumps(metric))
    cloned = metric.clone()
    buffer = io.BytesIO()
    torch.save(metric.state_dict(), buffer)
    buffer.seek(0)
    loaded = TubeletDistance()
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    for one in (metric, pickled, cloned, loaded):
        one.half()
        one.set_dtype(torch.float16)
        one.update(torch_order(generated[20:]), False, ids(99)[20 : len(generated)])
    assert len({one.compute().item() for one in (metric, pickled, cloned, loaded)}) == 1
    assert metric.compute().item() == of_compare("tubelet", generated, real).value


@pytest.mark.slow
def test_a_training_loop(pair: Any) -> None:
    """As Lightning calls it: update, compute at the end of an epoch, reset; forward gives the own value of a
    batch."""
    generated, real = pair
    metrics = {"color": ColorDivergence(reset_real_features=False), "alpha": SpectrumSlope()}
    metrics["color"].update(torch_order(real), real=True)
    seen = []
    for _ in range(2):
        for start in range(0, len(generated), 16):
            batch = torch_order(generated[start : start + 16])
            metrics["color"].update(batch, real=False)
            alone = metrics["alpha"](batch)
            fresh = SpectrumSlope()
            fresh.update(batch)
            assert alone == fresh.compute()
        seen.append({name: m.compute().item() for name, m in metrics.items()})
        for m in metrics.values():
            m.reset()
    assert seen[0] == seen[1]
    whole = SpectrumSlope()
    whole.update(torch_order(generated))
    assert seen[0]["alpha"] == pytest.approx(whole.compute().item(), rel=1e-12)


def one_of_two(folder: Path, named: bool, rank: int) -> None:
    """One of the processes of `test_two_processes`: updates every second clip, all real ones in the first
    process, and writes the values.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    generated, real = np.load(folder / "generated.npy"), np.load(folder / "real.npy")
    for cls in CHEAP:
        metric = cls()
        mine = ids(len(generated))[rank::2] if named else None
        metric.update(torch_order(generated[rank::2].copy()), False, mine)
        if rank == 0:
            metric.update(torch_order(real), True, ids(len(real)) if named else None)
        value = metric.compute().item()
        assert metric.score().value == value
        (folder / f"{cls.__name__}-{rank}").write_text(repr(value))
    dist.destroy_process_group()


@pytest.mark.parametrize("named", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_two_processes(named: bool, pair: Any, tmp_path: Path) -> None:
    """Over gloo, the second without any real clip: as in one process."""
    generated, real = (side[:16] for side in pair)
    np.save(tmp_path / "generated.npy", generated)
    np.save(tmp_path / "real.npy", real)
    # forked: to import torchmetrics again takes each several seconds
    context = multiprocessing.get_context("fork")
    ran = [context.Process(target=one_of_two, args=(tmp_path, named, rank)) for rank in (0, 1)]
    for process in ran:
        process.start()
    for process in ran:
        process.join(240)
    assert [process.exitcode for process in ran] == [0, 0]
    for cls in CHEAP:
        metric = cls()
        metric.update(torch_order(generated), False, ids(len(generated)) if named else None)
        metric.update(torch_order(real), True, ids(len(real)) if named else None)
        found = [float((tmp_path / f"{cls.__name__}-{rank}").read_text()) for rank in (0, 1)]
        assert found[0] == found[1] == pytest.approx(metric.compute().item(), rel=1e-12)
        assert not named or found[0] == metric.compute().item()


@pytest.mark.device
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(pair: Any) -> None:
    generated, real = pair
    metric = TubeletDistance().to("cuda")
    metric.update(torch_order(generated).cuda(), False, ids(len(generated)))
    metric.update(torch_order(real).cuda(), True, ids(len(real)))
    assert metric.compute().device.type == "cuda" and metric.real[0].device.type == "cuda"
    assert metric.compute().item() == of_compare("tubelet", generated, real).value


def test_a_state_that_was_altered_is_told(pair: Any) -> None:
    metric = SpectrumSlope()
    metric.update(torch_order(pair[0][:3]))
    metric.generated[0][40] ^= 1
    with pytest.raises(DataError, match="damaged"):
        metric.compute()


def test_every_class_says_what_torchmetrics_asks() -> None:
    for name in ours.__all__:
        cls = getattr(ours, name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            from synvid_eval import metrics

            better = metrics.registry.get(cls._name).better
        assert cls.higher_is_better is {"lower": False, "higher": True, "match": None}[better]
        assert cls.is_differentiable is False
