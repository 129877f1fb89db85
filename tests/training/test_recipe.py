"""Recipes value by value: Yu et al. 2024, Table 5, and the released scripts; and how they are changed."""

from __future__ import annotations

from typing import Any

import pytest

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.networks import videomae
from synvid_eval.networks.convnets import ConvNet
from synvid_eval.training import recipe
from synvid_eval.training.finetune import FINETUNING, Finetuning
from synvid_eval.training.methods import named
from synvid_eval.training.probe import PROBING
from synvid_eval.training.recipe import PRETRAINING

SUPERVISED = named("supervised").recipes
PAPER = {
    "size": "base", "optimizer": "adamw", "batch": 256, "epochs": 3200, "warmup": 40, "lr": 3e-4,
    "weight_decay": 0.05, "beta1": 0.9, "beta2": 0.95, "clips": 9537, "stride": 4, "mask_ratio": 0.75,
    "scales": "1,0.875,0.75,0.66", "clip": 0.0, "layer_decay": 1.0,
    # of the released script's defaults
    "last_lr": 1e-5, "first_lr": 0.0, "epsilon": 1e-8,
}  # fmt: skip


@pytest.mark.parametrize("knob", PAPER)
def test_paper(knob: str) -> None:
    assert getattr(PRETRAINING["paper"], knob) == PAPER[knob]


def test_the_papers_network() -> None:
    of = videomae.size("base")
    assert (of.image, of.frames, of.tubelet, of.patch, of.decoder_depth) == (224, 16, 2, 16, 4)
    assert (of.width, of.depth, of.heads, of.decoder_width, of.decoder_heads) == (768, 12, 12, 384, 6)


def test_paper_vitl_has_the_large_network_and_half_the_batch() -> None:
    large = PRETRAINING["paper-vitl"]
    assert (large.size, large.batch, large.epochs) == ("large", 128, 3200)


def test_nesterov_is_refused_where_it_means_nothing() -> None:
    with pytest.raises(UsageError, match="nesterov means nothing for optimizer=adamw"):
        recipe.chosen(PRETRAINING, "tiny", ["nesterov=true"])
    with pytest.raises(UsageError, match="nesterov means nothing for beta1=0"):
        recipe.chosen(PRETRAINING, "tiny", ["nesterov=true", "optimizer=sgd", "beta1=0"])
    with pytest.raises(UsageError, match="--set nesterov=false"):
        recipe.chosen(PROBING, "released", ["optimizer=adamw"])
    assert recipe.chosen(PRETRAINING, "tiny", ["nesterov=true", "optimizer=sgd"])[0].nesterov


def test_what_came_later_stands_in_a_config_only_where_it_says_something() -> None:
    """So runs that began before go on; knobs of what a class derives from are meant, too."""
    for one in (PRETRAINING["tiny"], PROBING["paper"], FINETUNING["tiny"], SUPERVISED["tiny"]):
        assert "nesterov" not in recipe.told(one)
    assert "classes" not in recipe.told(SUPERVISED["small"]) and "whole" not in recipe.told(
        FINETUNING["tiny"]
    )
    assert recipe.told(PROBING["released"])["nesterov"] is True


@pytest.mark.parametrize("recipes", [PRETRAINING, FINETUNING, PROBING], ids=("pretrain", "finetune", "probe"))
def test_a_mean_that_never_moves_is_out_of_range(recipes: Any) -> None:
    with pytest.raises(UsageError, match=r"beta2=1.* out of range"):
        recipe.chosen(recipes, "paper-ucf101" if recipes is FINETUNING else "paper", ["beta2=1"])


def test_released_differs_in_batch_and_epochs_only() -> None:
    """6 clips on each of 32 GPUs, 3,201 epochs (scripts/ucf101/pretrain)."""
    released, paper = (knobs.values(PRETRAINING[name]) for name in ("released", "paper"))
    assert {k: v for k, v in released.items() if v != paper[k]} == {"batch": 192, "epochs": 3201}


def test_the_papers_schedule() -> None:
    """37 steps an epoch (9537 // 256, the rest left out), warm-up over 40 epochs, lr 3e-4 at batch 256."""
    rates = PRETRAINING["paper"].schedule(9537 // 256)
    assert (rates.steps, rates.warmup) == (118_400, 1_480)
    assert rates.rate(1_479) == pytest.approx(3e-4) and rates.rate(0) == 0
    assert rates.rate(118_399) == pytest.approx(1e-5, rel=1e-4)


def test_the_released_batch_scales_the_learning_rate() -> None:
    """The released scripts run 6 clips on 32 GPUs: 192, and multiply the rate by batch / 256."""
    chosen, _ = recipe.chosen(PRETRAINING, "paper", ["batch=192"])
    assert chosen.schedule(9537 // 192).peak == pytest.approx(3e-4 * 192 / 256)


def test_fewer_steps_keep_the_share_of_the_warm_up() -> None:
    chosen, _ = recipe.chosen(PRETRAINING, "tiny", ["steps=64"])
    assert chosen.schedule(32).steps == 64
    assert chosen.schedule(32).warmup == 8  # an eighth: 1 of 8 epochs


def test_settings_of_recipe_and_network() -> None:
    chosen, network = recipe.chosen(PRETRAINING, "tiny", ["lr=1e-3", "network.image=48", "size=small"])
    assert chosen.lr == 1e-3 and (network.image, network.width) == (48, 384)


def test_a_backbone_is_chosen_by_name() -> None:
    assert recipe.chosen(PRETRAINING, "tiny", [])[1].backbone == "vit"
    for settings, option in ((["backbone=csn-26"], None), ([], "csn-26"), (["backbone=csn-26"], "csn-26")):
        chosen, network = recipe.chosen(PRETRAINING, "tiny", ["network.stage=8", *settings], option)
        assert chosen.backbone == "csn-26" and network == ConvNet("csn-26", stage=8)
    with pytest.raises(UsageError, match="backbone is csn-26, and --set says vit"):
        recipe.chosen(PRETRAINING, "tiny", ["backbone=vit"], "csn-26")
    with pytest.raises(UsageError, match="size=tiny means nothing for backbone=csn-26"):
        recipe.chosen(PRETRAINING, "tiny", ["size=tiny"], "csn-26")
    with pytest.raises(UsageError, match=r"backbone=csn-25 .*'csn-26'"):
        recipe.chosen(PRETRAINING, "tiny", [], "csn-25")


def test_what_differs_with_a_backbone_stands_beside_the_recipe() -> None:
    """The user's settings are last; a knob that decides nothing is at rest, whatever the recipe says."""
    small = recipe.Recipes(
        {"one": Finetuning(drop_path=0.3, lr=0.1)}, {"one": {"csn-26": ("lr=0.2", "network.image=64")}}
    )
    chosen, network = recipe.chosen(small, "one", [], "csn-26")
    assert (chosen.lr, chosen.drop_path, network.image) == (0.2, 0.0, 64)
    chosen, network = recipe.chosen(small, "one", ["lr=0.3", "network.image=32"], "csn-26")
    assert (chosen.lr, network.image) == (0.3, 32)
    chosen, network = recipe.chosen(small, "one", [])
    assert (chosen.lr, chosen.drop_path, network.image) == (0.1, 0.3, 224)
    with pytest.raises(UsageError, match=r"drop_path=0\.1 means nothing for backbone=csn-26"):
        recipe.chosen(small, "one", ["drop_path=0.1"], "csn-26")


def test_a_config_says_what_it_said_before_there_were_backbones() -> None:
    """So that a run that an older version began goes on."""
    chosen, _ = recipe.chosen(PRETRAINING, "tiny", [])
    since = ("backbone", "nesterov")
    assert recipe.told(chosen) == {k: v for k, v in knobs.values(chosen).items() if k not in since}
    chosen, _ = recipe.chosen(PRETRAINING, "tiny", [], "csn-26")
    assert "size" not in recipe.told(chosen)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("tinny", [], "'tinny'.*tiny"),
        ("tiny", ["learning=1"], "no knob 'learning'"),
        ("tiny", ["lr"], "NAME=VALUE"),
        ("tiny", ["lr=-1"], "out of range"),
        ("tiny", ["network.image=50"], "multiple of patch"),
        ("tiny", ["network.foo=1"], "network has no knob 'foo'"),
        ("tiny", ["scales=1,2"], "scales=1,2"),
        ("tiny", ["batch=16", "micro=5"], "does not divide"),
        ("tiny", ["size=giant"], "size=giant"),
    ],
)
def test_what_cannot_be(name: str, settings: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        recipe.chosen(PRETRAINING, name, settings)
