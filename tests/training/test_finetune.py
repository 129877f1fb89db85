"""Fine-tuning: recipes as published, learning rates by depth, drop path, resuming, folds, what it learns."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from synvid_eval import accuracies, sets
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.measurement import Options, Quiet
from synvid_eval.networks import checkpoints, inputs, videomae
from synvid_eval.networks.convnets import BACKBONES, ConvNet
from synvid_eval.networks.videomae import SIZES, Architecture, skipping
from synvid_eval.randomness import address
from synvid_eval.schemas import get
from synvid_eval.training import (
    accuracy,
    augment,
    classifiers,
    engine,
    finetune,
    labelled,
    recipe,
    robustness,
    splits,
)
from synvid_eval.training.data import Files
from synvid_eval.training.finetune import FINETUNING, Augmented, built, task
from synvid_eval.training.labelled import Start
from synvid_eval.training.run_folder import RunFolder, toml
from tests.clips import moving, write_video
from tests.training.conftest import same, weights
from tests.training.small import CLASSES, MINI, SLIGHT, held_out, planned
from tests.training.test_engine import Quits, Stop

NANO = Architecture(24, 2, 2, image=16, frames=4)


# -- recipes ---------------------------------------------------------------------------------------

COMMON = {
    "size": "base", "optimizer": "adamw", "epochs": 100, "warmup": 5, "weight_decay": 0.05, "beta1": 0.9,
    "beta2": 0.999, "layer_decay": 0.7, "mixup": 0.8, "cutmix": 1.0, "switch": 0.5, "smoothing": 0.1,
    "drop_path": 0.2, "dropout": 0.5, "erase": 0.25, "flip": True, "repeats": 2, "crops": 3, "last_lr": 1e-5,
    "clip": 0.0, "short": 0,
}  # fmt: skip
OWN = {
    "paper-ucf101": {"lr": 5e-4, "first_lr": 0.0, "batch": 128, "stride": 4, "segments": 5},
    "paper-hmdb51": {"lr": 1e-3, "first_lr": 0.0, "batch": 256, "stride": 2, "segments": 10},
    "released-ucf101": {"lr": 5e-4, "first_lr": 0.0, "batch": 128, "stride": 4, "segments": 5},
    "released-hmdb51": {"lr": 1e-3, "first_lr": 0.0, "batch": 256, "stride": 2, "segments": 10},
}


@pytest.mark.parametrize("name", OWN)
def test_recipes_are_those_of_table_6_and_of_the_scripts(name: str) -> None:
    assert {k: getattr(FINETUNING[name], k) for k in (*COMMON, *OWN[name])} == {**COMMON, **OWN[name]}
    released = name.startswith("released")
    assert augment.policy(FINETUNING[name].augment) == augment.Policy(
        *(7, 4, 0.5) if released else (9, 2, 0.5)
    )
    assert FINETUNING[name].spans == ("released" if released else "frames")


def test_rates_and_steps_of_ucf101() -> None:
    """9,537 clips in batches of 128: 74 steps an epoch, 5 of 100 epochs of warm-up, half the rate for 256."""
    schedule = FINETUNING["paper-ucf101"].schedule(9537 // 128)
    assert (schedule.steps, schedule.warmup) == (7400, 370)
    assert schedule.rate(0) == 0  # the released scripts' --warmup_lr reaches no schedule
    assert schedule.rate(370) == pytest.approx(2.5e-4)
    assert schedule.rate(7399) == pytest.approx(0.5e-5, rel=1e-3)


FRACTAL = {
    # DATA and TRAIN of the released defaults; rates are for 32 clips there, and for 256 here
    "backbone": "tsm-resnet50", "batch": 32, "stride": 6, "segments": 10, "epochs": 100, "warmup": 10,
    "weight_decay": 0.01, "lr": 8 * 8e-4, "first_lr": 8 * 1e-6, "last_lr": 8 * 1e-5, "clip": 5.0,
    "optimizer": "adamw", "epsilon": 1e-8, "beta1": 0.9, "beta2": 0.999,
    # AUG, and what its transforms are
    "transforms": "fractal", "whole": True, "flip": True, "area": 0.2,
    "augment": "rand-m7-n2-mstd0.5-inc1", "blur": 0.5, "enlarged": 256 / 224,
    "crops": 1, "mixup": 0.0, "cutmix": 0.0, "erase": 0.0, "smoothing": 0.0, "repeats": 1,
    # the network's
    "dropout": 0.8, "drop_path": 0.0, "layer_decay": 1.0,
}  # fmt: skip
FRACTAL_SETS: dict[str, dict[str, object]] = {
    "paper-fractal": {},
    "paper-fractal-diving48": {"lr": 8 * 1.5e-3, "first_lr": 8 * 1.5e-6, "last_lr": 8 * 1.5e-5},
    "paper-fractal-volleyball": {
        "lr": 8 * 2.5e-3, "first_lr": 8 * 2.5e-6, "last_lr": 8 * 2.5e-5, "weight_decay": 0.1, "stride": 4,
        "flip": False, "blur": 0.0, "enlarged": 1.0, "augment": "rand-m5-n2-mstd0.5-inc1",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FRACTAL_SETS)
def test_recipes_are_those_of_the_fractal_papers_configurations(name: str) -> None:
    known = FRACTAL | FRACTAL_SETS[name]
    for knob, value in known.items():
        found = getattr(FINETUNING[name], knob)
        assert found == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), knob
    chosen, network = recipe.chosen(FINETUNING, name, [])
    assert network == ConvNet("tsm-resnet50", image=112, frames=8) and chosen == FINETUNING[name]


@pytest.mark.parametrize("name", ["paper-fractal", "paper-fractal-diving48", "paper-fractal-volleyball"])
def test_a_transformer_sees_what_the_recipe_of_fractals_says(name: str) -> None:
    chosen, network = recipe.chosen(FINETUNING, name, [], "vit")
    assert (network.frames, network.image, network.width, chosen.backbone) == (8, 112, 768, "vit")


def test_small_convolutional_networks_are_trained_as_the_fractal_papers() -> None:
    """But for length and batch; what is written in the recipe's place is read to the same numbers."""
    small, _ = recipe.chosen(FINETUNING, "small", [], "csn-26")
    paper = FINETUNING["paper-fractal"]
    for knob in ("lr", "first_lr", "last_lr", "weight_decay", "layer_decay", "clip"):
        assert getattr(small, knob) == getattr(paper, knob) != getattr(FINETUNING["small"], knob), knob


def test_rates_and_steps_of_the_fractal_paper() -> None:
    """HMDB51's first split: 3,570 clips in batches of 32."""
    schedule = FINETUNING["paper-fractal"].schedule(3570 // 32)
    assert (schedule.steps, schedule.warmup) == (11_100, 1_110)
    assert schedule.rate(0) == pytest.approx(1e-6)
    cosine = 0.5 * (1 + math.cos(math.pi * 0.1))  # of the whole training, a tenth of which is warm-up
    assert schedule.rate(1_111) == pytest.approx(1e-5 + (8e-4 - 1e-5) * cosine)
    assert schedule.rate(11_099) == pytest.approx(1e-5, rel=1e-3)


@pytest.mark.parametrize("name", ["small", "tiny"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_recipes_of_ours_fit_each_backbone(name: str, backbone: str) -> None:
    chosen, network = recipe.chosen(FINETUNING, name, [], backbone)
    assert (chosen.layer_decay, chosen.drop_path, network.backbone) == (1.0, 0.0, backbone)
    assert (network.image, network.frames) == ((64, 8) if name == "tiny" else (112, 8))
    if name == "small":
        assert (chosen.lr, chosen.weight_decay, chosen.clip) == (6.4e-3, 0.01, 5.0)


# -- the network -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_learning_rates_fall_with_depth_as_in_the_released_code(size: str) -> None:
    """Its assigner: decay^(layers + 1 − i) for the embedding (0), block k (k + 1), norm and head (layers +
    1).
    """
    layers = SIZES[size].depth
    values = [0.7 ** (layers + 1 - i) for i in range(layers + 2)]
    below = SIZES[size].below
    for name, place in [
        ("videomae.embeddings.patch_embeddings.projection.weight", 0),
        ("videomae.embeddings.patch_embeddings.projection.bias", 0),
        ("videomae.encoder.layer.0.attention.attention.query.weight", 1),
        (f"videomae.encoder.layer.{layers - 1}.output.dense.bias", layers),
        ("fc_norm.weight", layers + 1),
        ("classifier.weight", layers + 1),
    ]:
        assert 0.7 ** below(name) == pytest.approx(values[place], rel=1e-12), name


def test_every_weight_has_its_factor_in_the_optimizer() -> None:
    network = built(Start("s", NANO, None), 3, FINETUNING["paper-ucf101"], 0)
    training = engine.Training(FINETUNING["paper-ucf101"], network, network, None, None, 0, NANO.below)
    groups = engine._optimizer(training).param_groups
    scale = {id(w): (g["scale"], g["weight_decay"]) for g in groups for w in g["params"]}
    for name, weight in network.named_parameters():
        known, decay = scale[id(weight)]
        assert known == pytest.approx(0.7 ** NANO.below(name))
        assert decay == (0.05 if weight.dim() > 1 else 0.0)
    assert len(scale) == len(list(network.parameters()))


def test_drop_path_drops_whole_clips_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer, ones = skipping(0.2).train(), torch.ones(20_000, 3, 4)
    found = layer(ones)
    assert torch.equal(found, found[:, :1, :1].expand_as(found))
    assert set(found.unique().tolist()) == {0.0, 1.25}
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(layer.eval()(ones), ones)
    assert torch.equal(skipping(0.0).train()(ones), ones)


def test_drop_path_grows_with_depth_and_skips_both_residuals() -> None:
    """With a rate near 1 in every layer, nothing but the embedding is left of an encoder."""
    of = Architecture(24, 3, 2, image=16, frames=4)
    network = built(Start("s", of, None), 3, FINETUNING["paper-ucf101"], 0)
    layers = network.videomae.encoder.layer
    clips = torch.randn(2, 4, 3, 16, 16)
    assert torch.equal(network(clips).logits, network(clips).logits)
    for layer in layers:
        layer.attention.output.dropout = layer.output.dropout = skipping(0.999999)
    network.train()
    embedded = network.videomae.embeddings(clips, None)
    assert torch.equal(network.videomae(clips).last_hidden_state, embedded)


def test_the_weights_it_begins_with_are_the_encoders() -> None:
    base = built(Start("a", NANO, None), 3, FINETUNING["tiny"], 1)
    tensors = {n: t.clone() for n, t in base.videomae.state_dict().items()}
    other = built(Start("b", NANO, tensors), 3, FINETUNING["tiny"], 2)
    assert all(torch.equal(t, tensors[n]) for n, t in other.videomae.state_dict().items())
    assert not torch.equal(base.classifier.weight, other.classifier.weight)
    assert base.classifier.weight.std().item() == pytest.approx(2e-5, rel=0.3)  # 0.02 · 0.001


def test_the_loss_without_mixing_is_plain_cross_entropy() -> None:
    of = FINETUNING["tiny"]
    network = built(Start("s", NANO, None), 3, of, 0)
    network.classifier.weight.data.mul_(1e4)
    clips, labels = torch.randn(6, 1, 4, 3, 16, 16), torch.tensor([0, 1, 2, 0, 1, 2])
    found = task(network, NANO, 3, of).eval()({"frames": clips, "label": labels, "key": labels})
    logits = network(clips[:, 0]).logits
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=of.smoothing)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_mixing_is_decided_by_the_batchs_key() -> None:
    of = FINETUNING["paper-ucf101"]
    network = built(Start("s", NANO, None), 3, of, 0)
    network.classifier.weight.data.mul_(1e4)
    module = task(network, NANO, 3, of).eval()
    clips, labels = torch.randn(4, 2, 4, 3, 16, 16), torch.tensor([0, 1, 2, 0])

    def loss(key: int) -> float:
        return module({"frames": clips, "label": labels, "key": torch.full((4,), key)}).item()

    assert loss(1) == loss(1)
    assert len({loss(k) for k in range(5)}) == 5


@pytest.mark.parametrize("name", BACKBONES)
def test_a_convolutional_classifier_is_a_linear_layer_on_the_mean_of_tokens(name: str) -> None:
    of = ConvNet(name, image=32, frames=4, stage=8)
    network = built(Start("s", of, None), 3, FINETUNING["paper-fractal"], 4)
    clips = torch.randn(2, 4, 3, 32, 32)
    layer = network.classifier
    assert layer.weight.std().item() == pytest.approx(0.01, rel=0.2) and not layer.bias.any()
    with torch.inference_mode():
        known = of.encoder(4)(clips).mean(1) @ layer.weight.T + layer.bias
        torch.testing.assert_close(of.logits(network, clips, 0.8), known)  # in eval mode nothing is dropped
        network.train()
        assert not torch.equal(of.logits(network, clips, 0.8), of.logits(network, clips, 0.8))
    tensors = of.encoder(9).state_dict()
    begun = built(Start("s", of, tensors), 3, FINETUNING["paper-fractal"], 4)
    assert all(torch.equal(t, tensors[n]) for n, t in begun.encoder.state_dict().items())


def test_stages_are_the_layers_of_convolutional_networks() -> None:
    of = ConvNet("tsm-resnet18", image=32, frames=4, stage=8)
    network = built(Start("s", of, None), 3, FINETUNING["paper-fractal"], 0)
    chosen = dataclasses.replace(FINETUNING["paper-fractal"], layer_decay=0.5)
    training = engine.Training(chosen, network, network, None, None, 0, of.below)
    scale = {id(w): g["scale"] for g in engine._optimizer(training).param_groups for w in g["params"]}
    for name, power in [
        ("classifier.weight", 0), ("encoder.layer4.1.conv2.weight", 1), ("encoder.layer1.0.bn1.bias", 4),
        ("encoder.conv1.weight", 5), ("encoder.bn1.weight", 5),
    ]:  # fmt: skip
        assert scale[id(network.get_parameter(name))] == 0.5**power, name


def test_a_drop_path_of_convolutional_networks_is_refused() -> None:
    of = ConvNet("csn-26", image=32, frames=4, stage=8)
    with pytest.raises(UsageError, match=r"drop_path=0\.2 means nothing for backbone=csn-26"):
        built(Start("s", of, None), 3, FINETUNING["paper-ucf101"], 0)


# -- what is passed --------------------------------------------------------------------------------


@pytest.mark.slow
def test_clips_are_functions_of_seed_clip_and_epoch(bars: Path, options: Options) -> None:
    plan = planned(finetune, bars, options, "augment=rand-m9-n2-mstd0.5-inc1", "erase=0.5", "repeats=2")
    train = plan.on.indices(plan.on.split.folds[0].train)
    made = Augmented(plan.on.files, train, plan.on.labels, plan.of, 16, 0)
    one = made((3, 5))
    assert one["frames"].shape == (2, 4, 3, 16, 16) and one["frames"].dtype == np.float32
    assert CLASSES[one["label"]] in plan.on.files.videos.ids[train[5]]
    again = made((3, 5))
    assert all(np.array_equal(one[k], again[k]) for k in one)
    assert not np.array_equal(one["frames"][0], one["frames"][1])
    assert not np.array_equal(one["frames"], made((4, 5))["frames"])
    other = Augmented(plan.on.files, train, plan.on.labels, plan.of, 16, 1)
    assert not np.array_equal(one["frames"], other((3, 5))["frames"])


def test_the_fractal_papers_clips_are_cropped_and_then_augmented(bars: Path, options: Options) -> None:
    """Bicubic as torch's; the crop is one of the frame as it is read, whatever is done to it then."""
    few = ("transforms=fractal", "area=0.5", "flip=no", "short=0")
    plan = planned(finetune, bars, options, *few)
    train = plan.on.indices(plan.on.split.folds[0].train)
    frames = plan.on.files.clip(train[0], 0)
    key = address("synvid_eval.training.finetune", 0, plan.on.files.clips[train[0]].id, 0, 0)

    def made(of: finetune.Finetuning) -> torch.Tensor:
        return torch.from_numpy(
            Augmented(plan.on.files, train, plan.on.labels, of, 16, 0)((0, 0))["frames"][0]
        )

    box = augment.crop_box(*frames.shape[1:3], key, 0.5)
    part = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    part = part[..., box.top : box.top + box.height, box.left : box.left + box.width]
    known = torch.nn.functional.interpolate(part, (16, 16), mode="bicubic").clamp(0, 255)
    found = made(plan.of)
    mean, std = (torch.tensor(v)[:, None, None] for v in (inputs.MEAN, inputs.STD))
    assert (255 * (found * std + mean) - known).abs().max() < 1.01
    turned = made(dataclasses.replace(plan.of, augment="rand-m10-n20-inc1"))
    assert not torch.equal(found, turned)
    policy = augment.policy("rand-m10-n20-inc1")
    uint8 = (255 * (found * std + mean)).round().to(torch.uint8)
    expected = augment.rand_augment(uint8, policy, key, fill=0.0)
    assert torch.allclose(255 * (turned * std + mean), expected.float(), atol=1e-2)


def test_enlarged_views_lie_in_the_middle(bars: Path, options: Options) -> None:
    """Frames of 24 × 32 at a short side of 20: the middle 16 of it."""
    plan = planned(finetune, bars, options, "transforms=fractal", "enlarged=1.25", "short=0")
    made = finetune.viewed(plan.on.files, plan.begin.architecture, plan.of, 1, 1)((0, 0))["views"]
    frames = torch.from_numpy(plan.on.files.taken(0, range(2, 6))).permute(0, 3, 1, 2).float()
    known = torch.nn.functional.interpolate(frames, (20, 26), mode="bicubic").clamp(0, 255)
    assert (torch.from_numpy(made[0]).permute(0, 3, 1, 2) - known[..., 2:18, 5:21]).abs().max() < 1.01


def test_views_are_crops_of_the_files_own_frames(bars: Path, options: Options) -> None:
    plan = planned(finetune, bars, options)
    made = labelled.Viewed(plan.on.files, 4, 18, 2, 3)((0, 0))["views"]
    frames = plan.on.files.taken(0, range(8))  # 18 × 24: the short side has the size already
    assert made.shape == (6, 4, 18, 18, 3)
    for view, (first, left) in enumerate([(0, 0), (0, 3), (0, 6), (4, 0), (4, 3), (4, 6)]):
        assert np.array_equal(made[view], frames[first : first + 4, :, left : left + 18])


# -- runs ------------------------------------------------------------------------------------------


LEARNS = ["epochs=60", "lr=0.3", "test_every=20"]


def test_it_learns_and_leaves_what_it_should(bars: Path, options: Options, tmp_path: Path) -> None:
    """Bars that move are told apart by sources that were not seen; every fold is a run of its own."""
    plan = planned(finetune, bars, options, *LEARNS, split="kfold:2")
    facts = plan.made(tmp_path / "run")
    assert facts["accuracy"]["top1"]["value"] > 70  # chance is 33
    document = json.loads((tmp_path / "run" / "predictions.json").read_text())
    jsonschema.validate(document, get("predictions"))
    assert document["accuracy"] == facts["accuracy"]
    assert len(document["predictions"]) == 30 and {p["fold"] for p in document["predictions"]} == {0, 1}
    for fold in ("fold-0", "fold-1"):
        folder = RunFolder(tmp_path / "run" / fold)
        assert folder.config()["run"]["classes"] == list(CLASSES)
        assert [row["epoch"] for row in finetune.tests(folder.path)] == [20, 40, 60]
        assert folder.rows()[-1]["loss"] < folder.rows()[0]["loss"]
        assert "top 1" in (folder.path / "card.md").read_text()
    table = accuracies.load(str(tmp_path / "run" / "accuracy.csv"))
    assert table.sets["scratch"].accuracy == facts["accuracy"]["top1"]["value"]
    rows = list(csv.DictReader((tmp_path / "run" / "accuracy.csv").open()))
    assert rows[0]["family"] == "scratch" and rows[0]["seed"] == "0"
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    planned(finetune, bars, options, *LEARNS, split="kfold:2").made(tmp_path / "run")
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_any_backbone_runs(bars: Path, options: Options, tmp_path: Path, backbone: str) -> None:
    """And leaves what says what it is; batch norms learn, too."""
    plan = planned(finetune, bars, options, "steps=2", split="kfold:2", backbone=backbone)
    before = plan.begin.architecture.encoder(0).state_dict()
    facts = plan.made(tmp_path / "run")
    assert facts["accuracy"]["clips"] == 30 and facts["about"]["network"]["backbone"] == backbone
    fold = RunFolder(tmp_path / "run" / "fold-0")
    config, state = fold.config(), fold.newest().network
    assert config["network"] == dataclasses.asdict(plan.begin.architecture)
    assert "size" not in config["recipe"] and "backbone" not in config["recipe"]
    means = [name for name in before if name.endswith("running_mean")]
    moved = [name for name in means if not torch.equal(before[name], state[f"encoder.{name}"])]
    assert moved == means
    card = (fold.path / "card.md").read_text()
    title = plan.begin.architecture.title
    assert f"**trained**: {title}, 3 classes" in card and f"**network**: {title}, width " in card
    assert plan.begin.architecture.model == f"{title} of 8 channels 32 px 4 frames"


def test_robustness_asks_any_backbone(bars: Path, options: Options, tmp_path: Path) -> None:
    """What its folds say of clean clips is what they said when they were tested, of enlarged views, too."""
    few = ("steps=2", "enlarged=1.2")
    plan = planned(finetune, bars, options, *few, split="kfold:2", backbone="tsm-resnet18")
    plan.made(tmp_path / "run")
    asked = classifiers.Finetuned(tmp_path / "run", "cpu")
    clips = held_out(bars, [asked.tested], options)
    found = next(asked.scores(clips, robustness.cases(["defocus_blur"], [1])[:1], 0))
    tested = {clip.id: clip.scores for clip in asked.tested.clips}
    assert np.allclose(found, [tested[i] for i in clips.videos.ids], atol=1e-6)


@pytest.mark.parametrize("backbone", ["tsm-resnet18", "r2plus1d-18"])
def test_eight_clips_are_learned_by_heart(
    bars: Path, options: Options, tmp_path: Path, backbone: str
) -> None:
    """By batch norms in training mode and by those of the running statistics that are tested."""
    own = ("steps=40", "lr=0.1", "area=1", "flip=no", "test_every=0")
    plan = planned(finetune, bars, options, *own, backbone=backbone, split="kfold:2")
    few = tuple(i for i in plan.on.files.videos.ids if "_g00_" in i or "_g01_" in i)[:8]
    split = dataclasses.replace(plan.on.split, folds=(splits.Fold(few, few),))
    plan.on = dataclasses.replace(plan.on, split=split)
    facts = plan.made(tmp_path / "run")
    assert facts["accuracy"]["top1"]["value"] == 100 and facts["accuracy"]["clips"] == 8


SETTINGS = [
    "steps=6",
    "save=2",
    "dropout=0.5",
    "mixup=0.8",
    "cutmix=1",
    "augment=rand-m9-n2-mstd0.5-inc1",
]


@pytest.mark.parametrize(
    ("backbone", "settings"),
    [(None, [*SETTINGS, "drop_path=0.3"]), ("tsm-resnet18", [*SETTINGS, "micro=4", "blur=0.5"])],
)
def test_a_run_that_stopped_ends_in_the_same_weights_and_predictions(
    bars: Path, options: Options, tmp_path: Path, backbone: str | None, settings: list[str]
) -> None:
    """Running statistics of batch norms, too."""
    split = tmp_path / "split.json"
    ids = planned(finetune, bars, options).on.files.videos.ids
    split.write_text(json.dumps({"train": ids[::2], "test": ids[1::2]}))
    planned(finetune, bars, options, *settings, split=str(split), backbone=backbone).made(tmp_path / "whole")
    plan = planned(finetune, bars, options, *settings, split=str(split), backbone=backbone)
    object.__setattr__(plan.options, "progress", Quits(32))  # in the fourth step, saved and not tested
    with pytest.raises(Stop):
        plan.made(tmp_path / "parts")
    assert not (tmp_path / "parts" / "predictions.json").exists()
    object.__setattr__(plan.options, "progress", Quiet())
    plan.made(tmp_path / "parts")
    assert same(tmp_path / "whole", tmp_path / "parts")
    assert [row["epoch"] for row in finetune.tests(tmp_path / "parts")] == [2, 4, 6]
    assert finetune.tests(tmp_path / "parts") == finetune.tests(tmp_path / "whole")
    one, two = (accuracy.read(tmp_path / n / "predictions.json") for n in ("whole", "parts"))
    assert one == two


def test_smaller_passes_give_the_same_network_but_for_rounding(
    bars: Path, options: Options, tmp_path: Path
) -> None:
    """Without what is drawn for a pass as a whole (mixing, dropout), passes of 2 are as good as one of 8."""
    for name, micro in (("one", "0"), ("four", "2")):
        planned(finetune, bars, options, "steps=3", f"micro={micro}", split="kfold:2").made(tmp_path / name)
    one, four = (accuracy.read(tmp_path / n / "predictions.json") for n in ("one", "four"))
    for a, b in zip(one.clips, four.clips, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-3)


def test_it_begins_with_a_run_of_ours(
    bars: Path, options: Options, tmp_path: Path, planned_run: Path
) -> None:
    plan = planned(finetune, bars, options, "steps=2", split="kfold:2", begin=str(planned_run))
    assert plan.begin.name == "moving_circles" and plan.begin.architecture.width == 24
    facts = plan.made(tmp_path / "run")
    config = RunFolder(tmp_path / "run" / "fold-0").config()
    assert config["run"]["begin"].startswith("sha256:") and config["network"]["width"] == 24
    assert facts["about"]["source"] == str(planned_run)


@pytest.fixture
def planned_run(tmp_path: Path, options: Options) -> Path:
    """A run of pre-training on circles."""
    from synvid_eval.training import recipe
    from synvid_eval.training.pretrain import PlannedPretraining
    from tests.training.conftest import NANO as SETTINGS

    chosen, network = recipe.chosen(recipe.PRETRAINING, "tiny", [*SETTINGS, "steps=2"])
    PlannedPretraining("moving_circles", chosen, network, options, device="cpu").made(tmp_path / "circles")
    return tmp_path / "circles"


def test_it_begins_with_a_folder_of_transformers(bars: Path, options: Options, tmp_path: Path) -> None:
    """The encoder's weights as they are in the file, but for the norm that belongs to pre-training."""
    pretrained = videomae.pretraining(NANO, seed=5)
    pretrained.save_pretrained(tmp_path / "real")
    begin = labelled.start(str(tmp_path / "real"), NANO)
    network = built(begin, 3, FINETUNING["tiny"], 0)
    theirs = pretrained.videomae.state_dict()
    ours = network.videomae.state_dict()
    assert set(theirs) - set(ours) == {"layernorm.weight", "layernorm.bias"}
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert begin.name == "real" and begin.family == "" and begin.signature.startswith("sha256:")
    plan = planned(finetune, bars, options, "steps=1", split="kfold:2", begin=str(tmp_path / "real"))
    row = plan.made(tmp_path / "run")["row"]
    assert row["dataset"] == "scratch"  # as it is named by the test
    assert (row["method"], row["split"]) == ("videomae", "kfold:2")


def test_it_begins_with_a_run_of_its_own_backbone(bars: Path, options: Options, tmp_path: Path) -> None:
    """The recipe is the one for that backbone, and the statistics of batch norms are the run's."""
    of = ConvNet("csn-26", image=32, frames=4, stage=8)
    module = of.encoder(3).train()
    module(torch.randn(4, 4, 3, 32, 32))
    folder = tmp_path / "circles"
    (folder / "checkpoints").mkdir(parents=True)
    state = {f"encoder.{n}": t for n, t in module.state_dict().items()}
    save_file(state, folder / "checkpoints" / "step-00000002.safetensors")
    run = {"kind": "pretrain", "method": "simclr", "location": "moving_circles"}
    (folder / "config.toml").write_text(toml({"run": run, "network": dataclasses.asdict(of)}))
    assert labelled.backbone(str(folder)) == "csn-26" and labelled.backbone("scratch") is None
    begin = labelled.start(str(folder), NANO)
    assert (begin.name, begin.architecture) == ("moving_circles", of)
    network = built(begin, 3, FINETUNING["tiny"], 0)
    for key, tensor in network.encoder.state_dict().items():
        assert tensor.dim() == 0 or torch.equal(tensor, state[f"encoder.{key}"]), key
    plan = planned(finetune, bars, options, "steps=1", split="kfold:2", backbone="csn-26", begin=str(folder))
    came = plan.made(tmp_path / "tuned")
    assert came["about"]["begin"].startswith("sha256:") and came["row"]["method"] == "simclr"
    assert "circles has it" in plan.smaller()
    assert plan.notes() == plan.on.notes()
    assert begin.classes == ()
    for adapt, name in (
        ("own", "moving_circles"),
        ("none", "moving_circles"),
        ("shake", "moving_circles-adapted"),
    ):
        recipe = {"adapt": adapt, "adapt_second": "same"}
        (folder / "config.toml").write_text(
            toml({"run": run, "network": dataclasses.asdict(of), "recipe": recipe})
        )
        assert labelled.start(str(folder), NANO).name == name
        # a measured set can be called so, else nothing could be joined with the row
        assert sets.split_name(f"{name}=preset:moving_circles") == (name, "preset:moving_circles")
    run |= {"method": "supervised", "classes": ["across", "blink"]}
    (folder / "config.toml").write_text(toml({"run": run, "network": dataclasses.asdict(of)}))
    assert labelled.start(str(folder), NANO).classes == ("across", "blink")


def test_a_network_that_has_learned_the_classes_of_the_set_says_so(bars: Path, options: Options) -> None:
    plan = planned(finetune, bars, options, split="kfold:2")
    """By their names, wherever the clips lay that it learned from; on the screen and on the card."""
    plan.begin = Start("elsewhere", NANO, None, classes=("across", "blink", "up"))
    said = f"scratch has learned 2 of the 3 classes of {bars}: tested clips may be among its own"
    assert plan.notes() == [*plan.on.notes(), said]
    plan.begin = Start("bars", NANO, None, classes=("class_0000", "class_0001"))
    assert plan.notes() == plan.on.notes()


def test_passes_that_batch_norms_cannot_take(bars: Path, options: Options, tmp_path: Path) -> None:
    """One clip of one token has no deviation; two have, and so have two of one clip."""
    few = ("steps=1", "network.image=16", "micro=1")
    plan = planned(finetune, bars, options, *few, split="kfold:2", backbone="r2plus1d-18")
    assert plan.begin.architecture.tokens == 1
    with pytest.raises(UsageError, match="Passes of 1 clip are too small: here they need 2") as error:
        plan.made(tmp_path / "run")
    assert "--set micro" in error.value.hint
    for more in ("micro=2", "repeats=2"):
        planned(finetune, bars, options, *few, more, split="kfold:2", backbone="r2plus1d-18").tried(
            engine.Devices("cpu")
        )


def test_settings_of_a_network_that_is_there_are_refused(planned_run: Path) -> None:
    with pytest.raises(UsageError, match=r"--set network\.depth=3 means nothing"):
        labelled.start(str(planned_run), NANO, ["network.depth=3"])


def test_scratch_is_drawn_whatever_lies_there(
    planned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of that name is ./scratch."""
    planned_run.rename(tmp_path / "scratch")
    monkeypatch.chdir(tmp_path)
    drawn = labelled.start("scratch", NANO)
    assert drawn.tensors is None and drawn.method == "scratch"
    assert labelled.start("./scratch", NANO).name == "moving_circles"


def test_runs_that_have_seen_labels_are_no_start(
    bars: Path, options: Options, tmp_path: Path, planned_run: Path
) -> None:
    plan = planned(finetune, bars, options, "steps=1", split="kfold:2", begin=str(planned_run))
    plan.made(tmp_path / "tuned")
    fold = tmp_path / "tuned" / "fold-0"
    for place in (fold, fold.parent, *fold.glob("checkpoints/*")):
        with pytest.raises(UsageError, match="kind finetune, which has seen labels") as error:
            labelled.start(str(place), NANO)
        assert str(planned_run) in error.value.hint
    with pytest.raises(WeightsError, match="holds the runs of several folds") as several:
        checkpoints.find(str(fold.parent))
    assert str(fold) in several.value.hint


def test_passes_are_bound_as_soon_as_weights_are_kept(bars: Path, options: Options, tmp_path: Path) -> None:
    """They decide what is mixed and dropped; until then a smaller one may be tried where memory is short."""
    few = ("steps=1", "save=1")
    plan = planned(finetune, bars, options, *few, split="kfold:2")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UsageError, match="too many for the memory"):
        patch.setattr(augment, "smoothed", lambda *a: torch.empty(1 << 50))
        plan.made(tmp_path / "run")
    planned(finetune, bars, options, *few, "micro=4", split="kfold:2").made(tmp_path / "run")
    for fold in ("fold-0", "fold-1"):
        config = RunFolder(tmp_path / "run" / fold).config()
        assert (config["recipe"]["micro"], config["run"]["world"]) == (4, 1)
    with pytest.raises(UsageError, match=r"holds a run with recipe\.micro=4, not 2"):
        planned(finetune, bars, options, *few, "micro=2", split="kfold:2").made(tmp_path / "run")


def test_the_config_says_the_true_size(bars: Path, options: Options) -> None:
    plan = planned(finetune, bars, options)
    assert plan.of.size == "tiny" and "size" not in plan.config(0)["recipe"]  # it is 24 wide
    plan.begin = Start("s", SIZES["small"], None)
    assert plan.config(0)["recipe"]["size"] == "small"


def test_a_folder_of_folds_is_claimed_and_held(
    bars: Path, options: Options, tmp_path: Path, planned_run: Path
) -> None:
    def plan(*settings: str) -> finetune.PlannedFinetuning:
        return planned(finetune, bars, options, "steps=1", *settings, split="kfold:2")

    with pytest.raises(UsageError, match="and no run to go on with"):
        plan().made(planned_run)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"holds thesis\.tex, and no run"):
        plan().made(tmp_path / "other")
    root = RunFolder(tmp_path / "run")
    with root.held(), pytest.raises(UsageError, match="Another process is writing"):
        plan().made(root.path)
    plan().made(root.path)
    for fold in ("fold-0", "fold-1"):
        shutil.rmtree(root.path / fold)
    with pytest.raises(UsageError, match=r"holds a run with recipe\.lr=0\.016, not 0\.5"):
        plan("lr=0.5").made(root.path)


def test_mirrored_clips_of_other_classes_are_told(options: Options, tmp_path: Path) -> None:
    for label in ("l_set", "r_set"):
        (tmp_path / label).mkdir()
        for group in range(4):
            write_video(tmp_path / label / f"v_{label}_g{group}_c1.mkv", moving(8, 24, 32, group), "ffv1")
    plan = planned(finetune, tmp_path, options, "steps=1", split="kfold:2")
    assert [n for n in plan.notes() if "(l_set, r_set)" in n and "flip=false" in n]
    still = planned(finetune, tmp_path, options, "steps=1", "flip=false", split="kfold:2")
    assert not [n for n in still.notes() if "mirror" in n]


def test_predictions_are_the_last_to_be_written(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed before its card or its row has them when it has gone on."""

    def killed(*args: object) -> None:
        raise Stop

    def plan() -> finetune.PlannedFinetuning:
        return planned(finetune, bars, options, "steps=1", split="kfold:2")

    for holder, name in ((finetune.PlannedFinetuning, "_card"), (accuracy, "add_row")):
        with monkeypatch.context() as patch, pytest.raises(Stop):
            patch.setattr(holder, name, killed)
            plan().made(tmp_path / "run")
    plan().made(tmp_path / "run")
    for fold in ("fold-0", "fold-1"):
        names = {p.name for p in (tmp_path / "run" / fold).iterdir()}
        assert {"card.md", "accuracy.csv", "predictions.json"} <= names


def test_labels_of_the_set_are_taken_once(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    labels = labelled.Labelled.labels.fget
    monkeypatch.setattr(
        labelled.Labelled, "labels", property(lambda self: (asked.append(1), labels(self))[1])
    )
    plan = planned(finetune, bars, options, "epochs=4", "test_every=1", split="kfold:2")
    plan.made(tmp_path / "run")
    assert len(finetune.tests(tmp_path / "run" / "fold-0")) == 4
    assert len(asked) == 4  # in each fold to learn from, and to test


def test_clips_are_not_opened_where_there_are_too_few_groups(bars: Path, options: Options) -> None:
    with pytest.raises(DataError, match="15 source groups, too few for 20 folds"):
        labelled.prepared(str(bars), "kfold:20", options)


def test_short_clips_are_tested_at_the_stride_that_fits(bars: Path, options: Options) -> None:
    files = planned(finetune, bars, options).on.files
    wide = Files(files.videos, files.totals, frames=4, stride=4, short=18)  # 8 frames: stride 2
    made = labelled.Viewed(wide, 4, 18, 1, 1)((0, 0))["views"]
    assert np.array_equal(made[0], files.taken(0, [0, 2, 4, 6])[:, :, 3:21])


def test_another_recipe_does_not_go_on_with_a_run(bars: Path, options: Options, tmp_path: Path) -> None:
    planned(finetune, bars, options, "steps=1", split="kfold:2").made(tmp_path / "run")
    with pytest.raises(UsageError, match=r"holds a run with recipe\.lr=0\.016, not 0\.5"):
        planned(finetune, bars, options, "steps=1", "lr=0.5", split="kfold:2").made(tmp_path / "run")


def test_frames_that_are_kept_are_those_that_are_decoded(bars: Path, options: Options) -> None:
    plan = planned(finetune, bars, options)
    assert plan.on.kept and plan.loaders == 0
    kept = plan.on.files.taken(0, [0, 3])
    fresh = Files(plan.on.files.videos, plan.on.files.totals, frames=4, stride=1, short=18)
    assert np.array_equal(kept, fresh.taken(0, [0, 3])) and kept.shape == (2, 18, 24, 3)
    assert not planned(finetune, bars, options, "short=0").on.kept


def test_too_little_memory_of_the_machine_names_the_passes_to_try(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that asks the allocator for a petabyte: torch's own error, learning and testing."""
    plan = planned(finetune, bars, options, "steps=1", split="kfold:2")
    monkeypatch.setattr(augment, "smoothed", lambda *a: torch.empty(1 << 50))
    with pytest.raises(UsageError, match="8 clips at once are too many for the memory of cpu") as error:
        plan.made(tmp_path / "run")
    assert "--set micro=4" in error.value.hint
    monkeypatch.undo()
    monkeypatch.setattr(finetune.labelled, "each_view", lambda *a: torch.empty(1 << 50))
    with pytest.raises(UsageError, match="8 views at once are too many for the memory of cpu"):
        plan.made(tmp_path / "run")


def test_what_to_try_is_what_the_run_would_take(bars: Path, options: Options, planned_run: Path) -> None:
    """Passes are bound from the first step on, and the size is that of what is learned from."""
    scratch = planned(finetune, bars, options)
    tuned = planned(finetune, bars, options, begin=str(planned_run))
    assert "--set micro=4" in scratch.cure(8, False) and "--set" not in scratch.cure(8, True)
    assert "--set size=" in scratch.cure(1, False)
    assert "--set" not in tuned.cure(1, False) and str(planned_run) in tuned.cure(1, False)


HASTY = """
import time
from datetime import timedelta

import torch.distributed as group

from synvid_eval import cli
from synvid_eval.training import finetune

begin, look, looks = group.init_process_group, finetune._Tester.logits, []

def hasty(*given, **more):
    begin(*given, **more)
    shorten = getattr(group, "set_timeout", None) or group.distributed_c10d._set_pg_timeout
    shorten(timedelta(seconds=10))

def slow(*given):
    looks.append(time.sleep(14 if len(looks) in (0, 2) else 0))
    return look(*given)

if __name__ == "__main__":
    group.init_process_group, finetune._Tester.logits = hasty, slow
    cli.main()
"""
"""The command, in processes that wait 10 s for each other's gradients, where two looks at test clips, in the
middle of the first training and behind it, take 14 s."""


@pytest.mark.slow
def test_processes_wait_for_the_first_as_long_as_it_tests(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "hasty.py").write_text(HASTY)
    settings = [x for s in (*MINI, "epochs=2", "test_every=1") for x in ("--set", s)]
    done = subprocess.run(
        [*(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
         *(str(tmp_path / "hasty.py"), "train", "finetune", "scratch", str(bars), "--recipe", "tiny"),
         *("--split", "kfold:2", "--out", str(tmp_path / "run"), "--device", "cpu", *settings)],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.count(b"top 1:") == 1  # one of them speaks
    assert len(accuracy.read(tmp_path / "run" / "predictions.json").clips) == 30
    for fold in ("fold-0", "fold-1"):
        assert [row["epoch"] for row in finetune.tests(tmp_path / "run" / fold)] == [1, 2]


@pytest.mark.slow
def test_processes_go_on_with_their_batch_norms(bars: Path, tmp_path: Path) -> None:
    """Two processes of four clips, whose statistics are of all eight; and the run goes on with them, which
    ends in the bits of one that was not stopped.
    """
    settings = [x for s in (*SLIGHT, "test_every=0", "save=1") for x in ("--set", s)]

    def trained(out: str, steps: int) -> None:
        done = subprocess.run(
            [*(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
             *("-m", "synvid_eval", "train", "finetune", "scratch", str(bars), "--recipe", "tiny"),
             *("--backbone", "tsm-resnet18", "--split", "kfold:2", "--out", str(tmp_path / out)),
             *("--device", "cpu", *settings, "--set", f"steps={steps}", "--set", "epochs=2")],
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()

    trained("whole", 3)
    kept = weights(tmp_path / "whole" / "fold-0")
    assert int(kept["encoder.bn1.num_batches_tracked"]) == 3
    assert not torch.equal(kept["encoder.bn1.running_mean"], torch.zeros(64))
    assert len(accuracy.read(tmp_path / "whole" / "predictions.json").clips) == 30
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    fold = tmp_path / "parts" / "fold-0"
    newest = sorted(fold.glob("checkpoints/*"))[-1]
    newest.unlink()
    for gone in (*(tmp_path / "parts").rglob("predictions.json"), *fold.glob("accuracy.csv")):
        gone.unlink()
    trained("parts", 3)
    assert same(tmp_path / "whole" / "fold-0", fold)


def test_card_and_row_say_that_classes_were_learned_before(
    tmp_path: Path, bars: Path, options: Options
) -> None:
    said: list[str] = []
    options = dataclasses.replace(options, progress=Heard(said))
    plan = planned(finetune, bars, options, "steps=1", split="kfold:2")
    plan.begin = dataclasses.replace(plan.begin, classes=CLASSES)
    came = plan.made(tmp_path / "run")
    note = f"scratch has learned 3 of the 3 classes of {bars}: tested clips may be among its own"
    assert note in said
    assert f"- **note**: {note}\n" in (tmp_path / "run" / "fold-0" / "card.md").read_text("utf-8")
    for place in (tmp_path / "run", tmp_path / "run" / "fold-0"):
        (kept,) = accuracy.rows(place / "accuracy.csv")
        assert kept["note"].startswith("top 1 of ") and kept["note"].endswith(f"; {note}")
    assert came["row"]["note"].endswith(f"; {note}")


def test_the_epsilon_of_layer_norms_stays_with_a_run(tmp_path: Path, bars: Path, options: Options) -> None:
    """A folder of transformers says another one: a run of it is asked by it, too."""
    module = videomae.encoder(NANO)
    module.config.layer_norm_eps = 1e-3
    module.save_pretrained(tmp_path / "hf")
    out, fold = tmp_path / "run", tmp_path / "run" / "fold-0"

    def made() -> dict[str, Any]:
        begin = {"split": "kfold:2", "begin": str(tmp_path / "hf")}
        return planned(finetune, bars, options, "steps=1", "test_every=0", **begin).made(out)

    came = made()
    assert checkpoints.find(str(fold)).epsilon == 1e-3
    network: Any = classifiers.Finetuned(out, "cpu")._network(0)
    norms = [part.eps for part in network.videomae.modules() if isinstance(part, torch.nn.LayerNorm)]
    assert norms == [1e-3] * 4 and network.fc_norm.eps == 1e-5
    for config in (out / "folds.toml", fold / "config.toml", out / "fold-1" / "config.toml"):
        assert "layer_norm_eps = 0.001" in config.read_text()  # which older versions did not write
        config.write_text(config.read_text().replace("layer_norm_eps = 0.001\n", ""))
    assert made()["predictions"] == came["predictions"]
    assert checkpoints.find(str(fold)).epsilon == 1e-6
    assert "layer_norm_eps" not in planned(finetune, bars, options).config(0)["run"]


def test_a_run_of_another_epsilon_is_another_one(tmp_path: Path, bars: Path, options: Options) -> None:
    module = videomae.encoder(NANO)
    for epsilon in (1e-3, 1e-6):
        module.config.layer_norm_eps = epsilon
        module.save_pretrained(tmp_path / "hf")
        begin = {"split": "kfold:2", "begin": str(tmp_path / "hf")}
        plan = planned(finetune, bars, options, "steps=1", "test_every=0", **begin)
        if epsilon == 1e-3:
            plan.made(tmp_path / "run")
    with pytest.raises(UsageError, match=r"with run\.layer_norm_eps=0\.001, not 1e-06"):
        plan.made(tmp_path / "run")


def test_a_row_says_that_the_split_divides_sources(tmp_path: Path, bars: Path, options: Options) -> None:
    """So that a table by itself tells a number that came out too high."""
    clips = [f"{label}/v_{label}_g{group:02}_c01.mkv" for label in CLASSES for group in range(5)]
    sides = {"train": clips, "test": [i.replace("_c01", "_c02") for i in clips[::5]]}
    (tmp_path / "own.json").write_text(json.dumps(sides))
    asked = str(tmp_path / "own.json")
    came = planned(finetune, bars, options, "steps=1", "test_every=0", split=asked).made(tmp_path / "run")
    said = f"3 source groups divided between training and testing by {asked} (such as "
    assert said in came["row"]["note"] and came["row"]["note"].endswith("accuracies come out too high")
    (kept,) = accuracy.rows(tmp_path / "run" / "accuracy.csv")
    assert kept["note"] == came["row"]["note"]


class Heard(Quiet):
    """Keeps what is said."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def say(self, text: str) -> None:
        self._said.append(text)
