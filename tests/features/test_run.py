"""The feature of a trained encoder: its rows against a forward pass written anew, which frames it takes and
how, and what stands in its recipe.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from synvid_eval import knobs
from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.features.network import Networks
from synvid_eval.features.run import CenterCrop, Run
from synvid_eval.networks import checkpoints, encoders, inputs, loading, videomae
from synvid_eval.networks.convnets import ConvNet
from synvid_eval.randomness import address
from synvid_eval.states import Counts, Moments, Rows
from synvid_eval.training import crops, run_folder, views
from synvid_eval.video.sampling import Sampler
from tests.features.looks import look_at
from tests.networks import plain_videomae as plain

OF = videomae.Architecture(
    24, 2, 3, image=16, frames=4, patch=8, decoder_width=12, decoder_depth=1, decoder_heads=2
)
"""A small VideoMAE of no known width: only a config tells its heads."""


def run_of(folder: Path, weights: dict[str, plain.Array], stride: int | None = 2, steps: int = 20) -> Path:
    """A run's folder with a checkpoint of these weights, as `train pretrain` lays it out."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    tables: dict[str, dict[str, Any]] = {"network": knobs.values(OF)}
    if stride is not None:
        tables["recipe"] = {"stride": stride}
    (folder / "config.toml").write_text(run_folder.toml(tables))
    tensors = {k: torch.from_numpy(v).float() for k, v in weights.items()}
    state = checkpoints.from_released(tensors)
    kept = {k: v.contiguous() for k, v in state.items() if k.startswith("videomae.")}
    kept["optimizer/x"] = torch.zeros(1)
    save_file(kept, folder / "checkpoints" / f"step-{steps:08d}.safetensors")
    return folder


@pytest.fixture(scope="module")
def weights() -> dict[str, plain.Array]:
    return plain.drawn(OF.width, OF.depth, OF.patch, 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, plain.Array]) -> Path:
    return run_of(tmp_path_factory.mktemp("run") / "RUN", weights)


def decided(location: object, **more: Any) -> Run:
    found = Networks(features=f"run={location}", device="cpu", **more).decide(Run())
    assert isinstance(found, Run)
    return found


@pytest.fixture(scope="module")
def clip() -> Any:
    return np.random.default_rng(1).integers(0, 256, (40, 24, 31, 3), dtype=np.uint8)


def test_a_row_is_the_mean_of_the_tokens_of_a_plain_forward_pass(
    run: Path, weights: dict[str, plain.Array], clip: Any
) -> None:
    """From frames on, in float64 and without any code of the package: short side to 16, long one 31 · 16 / 24
    rounded down, center, ImageNet's normalization, network, mean; 4 frames at stride 2 in the middle of the
    sampler's run.
    """
    from PIL import Image

    result = decided(run).measure(look_at(decided(run), clip))
    x = []
    for index in (12, 14, 16, 18):  # of 0, 2, … 30
        picture = Image.fromarray(clip[index]).resize((20, 16), Image.Resampling.BILINEAR)
        frame = np.asarray(picture)[:, 2:18].astype(np.float64) / 255
        x.append(((frame - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1))
    tokens, _ = plain.encoder(weights, np.stack(x), OF.heads)
    rows = result.states["rows"]
    assert isinstance(rows, Rows) and rows.rows.shape == (1, OF.width) and rows.rows.dtype == np.float32
    want = tokens.mean(0)
    assert np.abs(rows.rows[0] - want).max() < 1e-5 * np.abs(want).max()
    moments = result.states["features"]
    assert isinstance(moments, Moments) and np.array_equal(moments.mean, rows.rows[0].astype(np.float64))
    assert rows.owners.tolist() == [address("clip", "clip")]
    assert isinstance(result.states["smaller"], Counts) and result.states["smaller"].values.tolist() == [0]


@pytest.mark.parametrize("size", [(240, 320), (97, 64), (16, 16), (9, 30), (16, 40)])
def test_a_frame_is_cropped_as_the_middle_view_of_a_tested_clip(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    tall, wide = views.short_side(*size, 16)
    ((top, left),) = views.squares(tall, wide, 1)
    want = crops.resized(frame[None], tall, wide)[0, top : top + 16, left : left + 16]
    got = CenterCrop(16)(frame)
    assert got.flags.c_contiguous and got.shape == (16, 16, 3) and np.array_equal(got, want)


def run_at(frames: int, stride: int) -> Run:
    return Run(encoder=f"vit image=16 frames={frames} tubelet=2", stride=stride)


@pytest.mark.parametrize(
    ("frames", "stride", "total", "taken", "at"),
    [
        (16, 4, 61, range(0, 61, 4), 4),  # all of it
        (16, 4, 60, range(0, 31, 2), 2),  # one frame too few for stride 4 (a run from the first frame on)
        (16, 4, 30, range(16), 1),
        (16, 4, 15, (), 0),  # the sampler has no run
        (16, 3, 61, range(0, 31, 2), 2),
        (16, 1, 61, range(16), 1),
        (8, 2, 61, range(8, 24, 2), 2),  # the middle of 0, 2, … 30
        (8, 2, 20, range(0, 15, 2), 2),  # every second frame of the run at stride 1
        (8, 4, 61, range(16, 48, 4), 4),
        (8, 4, 20, range(0, 15, 2), 2),
        (8, 9, 61, range(0, 57, 8), 8),  # beyond the sampler's strides
        (4, 16, 61, range(4, 53, 16), 16),
        (1, 4, 61, (28,), 4),
        (32, 4, 200, (), 0),
    ],
)
def test_frames_are_taken_at_the_largest_stride_that_fits(
    frames: int, stride: int, total: int, taken: Any, at: int
) -> None:
    runs = Sampler(start="first").plan(total, "c", 0).runs
    assert run_at(frames, stride).taken(runs) == (at, tuple(taken))
    assert run_at(frames, stride).wants_of_runs(runs) == tuple(taken)


def test_only_what_is_taken_is_made_small(run: Path) -> None:
    """Of a clip whose three runs hold 48 frames a view of four is taken."""
    from synvid_eval.video.decode import ClipRef
    from synvid_eval.worker import Worker

    frames = np.random.default_rng(0).integers(0, 256, (1, 80, 20, 20, 3), dtype=np.uint8)
    feature = decided(run)
    seen: list[int] = []

    class Counting(Run):
        def measure(self, look: Any) -> Any:
            seen.extend(look.views)
            return super().measure(look)

    counting = Counting(**knobs.values(feature))
    reply = Worker([counting], Sampler(), 0, frames).results(ClipRef("c", "memory", "", 0, fps=25.0))
    assert set(reply["run"].states) == {"features", "rows", "smaller"}
    assert len(seen) == len(set(seen)) == 4


def test_a_clip_that_is_too_short_gives_nothing_and_a_shorter_one_is_counted(run: Path, clip: Any) -> None:
    feature = decided(run)
    assert feature.measure(look_at(feature, clip[:15])).states == {}
    wide = dataclasses.replace(feature, stride=8)
    at = wide.measure(look_at(wide, clip[:20]))
    assert at.states["smaller"].values.tolist() == [1]  # type: ignore[union-attr]


def test_batches_and_other_inputs_never_change_a_bit(run: Path) -> None:
    clips = np.random.default_rng(4).integers(0, 256, (5, 4, 16, 16, 3), dtype=np.uint8)
    feature = decided(run)
    whole = feature.rows(clips)
    for batch in (1, 2, 3):
        assert np.array_equal(dataclasses.replace(feature, batch=batch).rows(clips), whole)
    for i in range(5):
        assert np.array_equal(feature.rows(clips[i : i + 1])[0], whole[i])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert np.array_equal(feature.rows(clips), whole)
    finally:
        torch.set_num_threads(before)


def test_what_is_known_of_an_encoder_is_its_file_and_not_where_it_lies(
    run: Path, weights: dict[str, plain.Array], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "other name"
    shutil.copytree(run, elsewhere)
    one, other = decided(run), decided(elsewhere)
    assert knobs.recipe(one) == knobs.recipe(other) and one.file != other.file
    assert one.weights == f"sha256:{loading.files.digest(Path(one.file)).sha256}"
    assert one.encoder == (
        "vit width=24 depth=2 heads=3 image=16 frames=4 tubelet=2 patch=8 mlp_ratio=4 epsilon=1e-06 "
        "pooled=False"
    )
    assert (one.stride, one.frames, one.view()) == (2, 4, CenterCrop(16))
    assert decided(one.file) == one, "a checkpoint of a run is that run's"
    run_of(elsewhere, plain.drawn(OF.width, OF.depth, OF.patch, 4), steps=40)
    newer = decided(elsewhere)
    assert newer.file.endswith("step-00000040.safetensors") and newer.weights != one.weights
    assert decided(elsewhere / "checkpoints" / "step-00000020.safetensors").weights == one.weights
    assert "device" not in knobs.recipe(one) and "transformers" in one.where()


def test_a_stride_may_be_asked_for_and_is_that_of_videomae_where_nothing_says(
    run: Path, weights: dict[str, plain.Array], tmp_path: Path
) -> None:
    asked = Networks(features=f"run={run}", device="cpu").decide(Run(stride=1))
    assert isinstance(asked, Run) and asked.stride == 1
    assert decided(run_of(tmp_path / "r", weights, stride=None)).stride == 4
    assert decided("random:3:tiny").stride == 4 and decided("random:3:tiny").weights == "random:3:tiny"


def test_a_folder_of_transformers_and_a_file_of_the_authors(tmp_path: Path, clip: Any) -> None:
    """The same weights through three doors: the same rows; what only a config tells is kept with its file."""
    state = plain.drawn(192, 6, 8, 5)
    tensors = {k: torch.from_numpy(v).float() for k, v in state.items()}
    torch.save({"model": tensors}, tmp_path / "vit.pth")
    module = videomae.encoder(videomae.SIZES["tiny"])
    module.load_state_dict(
        {k.removeprefix("videomae."): v for k, v in checkpoints.from_released(tensors).items()}
    )
    module.config.layer_norm_eps = 1e-6
    module.save_pretrained(tmp_path / "hf")
    found = [decided(tmp_path / "vit.pth"), decided(tmp_path / "hf")]
    rows = [f.measure(look_at(f, np.repeat(clip, 2, axis=0))).states["rows"].rows for f in found]  # type: ignore[union-attr]
    assert np.array_equal(rows[0], rows[1])
    assert decided(found[1].file) == found[1]
    assert found[0].weights != found[1].weights


def test_a_run_that_was_trained_on_meanwhile_is_refused(
    weights: dict[str, plain.Array], tmp_path: Path
) -> None:
    feature = decided(run_of(tmp_path / "r", weights))
    run_of(tmp_path / "r", plain.drawn(OF.width, OF.depth, OF.patch, 9))
    with pytest.raises(WeightsError, match="another file now"):
        feature.prepare()
    os.unlink(feature.file)
    with pytest.raises(WeightsError, match="There is no checkpoint at"):
        feature.prepare()


def test_what_is_no_encoder(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.safetensors").write_text("no")
    (tmp_path / "empty").mkdir()
    shutil.copy(run / "config.toml", tmp_path / "empty")
    for place, error, said in (
        (tmp_path / "nowhere", WeightsError, "There is no checkpoint at"),
        (tmp_path / "folder", WeightsError, "holds no checkpoint"),
        (tmp_path / "empty", WeightsError, "has no checkpoint yet"),
        (tmp_path / "text.safetensors", WeightsError, "text.safetensors"),
        ("random:0:nosuch", UsageError, "nosuch"),
        (f"{run},run={run}", UsageError, "One run"),
        (f"{run},random", UsageError, "One run"),
    ):
        with pytest.raises(error, match=said):
            decided(place)
    with pytest.raises(
        WeightsError, match=r"No encoder is given for the feature run\. Give --features run=RUN"
    ):
        Networks().decide(Run())
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda"):
        Networks(features=f"run={run}", device="cuda").decide(Run())


def test_without_transformers_the_extra_is_named_and_convolutions_need_none(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from synvid_eval.extras import missing_package

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError) as caught:
        decided(run)
    told = missing_package(caught.value)
    assert told is not None and told.code == 5 and "transformers" in str(told)
    assert decided("random:0:tsm-resnet18").encoder.startswith("tsm-resnet18 image=112 frames=8")


@pytest.mark.parametrize("backbone", ["tsm-resnet18", "csn-26"])
def test_a_convolutional_encoder(backbone: str, clip: Any) -> None:
    """Its row is the mean of its last map, frame by frame as it takes them; the version of its library is
    among what decides its bits.
    """
    feature = decided(f"random:1:{backbone}")
    assert "torchvision" in feature.where() and "heads" not in feature.encoder
    result = feature.measure(look_at(feature, clip))
    _, indices = feature.taken(look_at(feature, clip).runs)
    x = torch.from_numpy(np.stack([CenterCrop(112)(clip[i]) for i in indices])[None])
    module = checkpoints.tokens(checkpoints.find(f"random:1:{backbone}"))
    with torch.inference_mode():
        want = module(inputs.normalized(x))[0].numpy().mean(0)
    np.testing.assert_allclose(result.states["rows"].rows[0], want, rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize("backbone", ["tsm-resnet18", "csn-26"])
def test_a_drawn_convolutional_encoder_is_a_control(backbone: str) -> None:
    """Its seed alone decides it; it tells clips apart, by what is on them and by the order of their frames,
    in many of its values: else to beat it would prove nothing.
    """
    feature = decided(f"random:1:{backbone}")
    g = np.random.default_rng(5)
    small = g.integers(0, 256, (4, feature.frames, 14, 14, 3), dtype=np.uint8)
    clips = small.repeat(8, 2).repeat(8, 3)
    rows = feature.rows(clips).astype(np.float64)
    assert np.array_equal(decided(f"random:1:{backbone}").rows(clips[:1])[0], feature.rows(clips[:1])[0])
    other = decided(f"random:2:{backbone}").rows(clips).astype(np.float64)
    size = np.linalg.norm(rows, axis=1).mean()
    assert np.isfinite(rows).all() and 1e-3 < size < 1e3
    between = np.linalg.norm(rows[:, None] - rows[None], axis=2)[~np.eye(4, dtype=bool)]
    assert between.min() > 1e-2 * size
    assert (rows.std(0) > 1e-3 * np.abs(rows).mean()).mean() > 0.9  # few of its values are dead
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
    assert (values[:3] > 0.05 * values[0]).all()  # four clips span three directions
    order = g.permutation(feature.frames)
    moved = np.linalg.norm(feature.rows(clips[:, order]) - rows, axis=1)
    assert moved.min() > 1e-4 * size
    # another seed is another map of the same clips, not a scaled or shuffled one
    spread = np.corrcoef(
        between, np.linalg.norm(other[:, None] - other[None], axis=2)[~np.eye(4, dtype=bool)]
    )
    assert not np.allclose(np.sort(rows, 1), np.sort(other, 1), rtol=1e-2) and spread[0, 1] < 0.999


def test_bf16_is_near_and_another_recipe(run: Path) -> None:
    clips = np.random.default_rng(4).integers(0, 256, (2, 4, 16, 16, 3), dtype=np.uint8)
    exact, rough = decided(run), decided(run, precision="bf16")
    assert knobs.recipe(exact) != knobs.recipe(rough)
    a, b = exact.rows(clips), rough.rows(clips)
    assert not np.array_equal(a, b)
    np.testing.assert_allclose(b, a, rtol=0, atol=0.05 * np.abs(a).max())


def test_a_description_is_read_as_it_is_written() -> None:
    found = checkpoints.find("random:0:csn-26")
    text = encoders.described(found)
    assert encoders.told(text, "image") == found.architecture.image
    assert encoders.told(text, "frames") == found.architecture.frames
    assert "|" not in text, "signatures are split there"
    assert (encoders.told("", "image"), encoders.told("", "frames")) == (224, 16)


@pytest.mark.device
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("location", ["random:0:tiny", "random:0:tsm-resnet18", "random:0:r2plus1d-18"])
def test_a_device_gives_what_the_cpu_gives(location: str) -> None:
    """In batches, too; the same batch twice gives the same bits."""
    feature = decided(location)
    side = feature.view().side  # type: ignore[attr-defined]
    shape = (3, feature.frames, side, side, 3)
    clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    want = feature.rows(clips)
    there = dataclasses.replace(feature, device="cuda")
    got = there.rows(clips)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-3 * np.abs(want).max())
    assert np.array_equal(there.rows(clips), got)
    one_by_one = dataclasses.replace(there, batch=1).rows(clips)
    np.testing.assert_allclose(one_by_one, got, rtol=0, atol=1e-4 * np.abs(want).max())


def test_a_knob_that_decides_nothing_is_no_part_of_an_encoders_identity() -> None:
    def said(backbone: str, shift: int) -> str:
        of = ConvNet(backbone, stage=8, shift=shift)
        return encoders.described(
            checkpoints.Checkpoint("", of, None, pooled=False, epsilon=0.0, signature="")
        )

    for backbone in ("r2plus1d-18", "csn-26"):
        assert said(backbone, 4) == said(backbone, 8)
    assert said("tsm-resnet18", 4) != said("tsm-resnet18", 8)
